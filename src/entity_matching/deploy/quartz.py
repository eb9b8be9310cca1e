"""Quartz cron expressions, field by field, as Databricks takes them.

Seconds, minutes, hours, day of month, month, day of week, and maybe the year; see
https://www.quartz-scheduler.org/documentation/quartz-2.3.0/tutorials/crontrigger.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain

from entity_matching.errors import SettingsError

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
"""Days of the week in Quartz's order: Sunday is 1."""
_REMEDY = "A Quartz expression is 'second minute hour day-of-month month day-of-week [year]', such as '0 0 2 * * ?'."
_STEPPED = re.compile(r"(\*|[A-Z0-9]+(?:-[A-Z0-9]+)?)(?:/(\d+))?")
_WEEKDAY_NEAR = re.compile(r"(\d{1,2})W")
_BEFORE_LAST = re.compile(r"L-(\d{1,2})")
_LAST_OF = re.compile(r"([A-Z]{3}|\d)L")
_NUMBERED = re.compile(r"([A-Z]{3}|\d)#(\d)")
_ORDINALS = ("1st", "2nd", "3rd", "4th", "5th")


@dataclass(frozen=True)
class Field:
    """One field: its name and the numbers it may hold; ``names`` stand for numbers, the first for ``low``."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def numbers(self, text: str) -> tuple[int, ...]:
        """Return the numbers that a list of values, ranges and steps means, in order.

        :raises ValueError: saying what is wrong.
        """
        return tuple(sorted(set(chain.from_iterable(self._part(part) for part in text.split(",")))))

    def number(self, text: str) -> int:
        """Return the number of one value.

        :raises ValueError: if it is none, or out of range.
        """
        if text in self.names:
            return self.names.index(text) + self.low
        if not text.isdecimal() or not self.low <= int(text) <= self.high:
            raise ValueError(f"'{text}' is not {self._range()}")
        return int(text)

    def _part(self, part: str) -> range | list[int]:
        found = _STEPPED.fullmatch(part)
        if found is None:
            raise ValueError(f"'{part}' is not {self._range()}")
        span, step = found[1], int(found[2] or 1)
        if not 0 < step <= self.high - self.low + 1:
            raise ValueError(f"the step of '{part}' is not 1 to {self.high - self.low + 1}")
        if span == "*":
            return range(self.low, self.high + 1, step)
        first, dash, last = span.partition("-")
        start = self.number(first)
        end = self.number(last) if dash else self.high if found[2] else start
        if end >= start:
            return range(start, end + 1, step)
        if self.name == "year":
            raise ValueError(f"'{part}' ends before it begins")
        size = self.high - self.low + 1  # 22-2 goes over midnight
        return [self.low + (number - self.low) % size for number in range(start, end + size + 1, step)]

    def _range(self) -> str:
        names = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
        return f"{self.low} to {self.high}{names}"


SECOND, MINUTE, HOUR = Field("second", 0, 59), Field("minute", 0, 59), Field("hour", 0, 23)
DAY, MONTH = Field("day of month", 1, 31), Field("month", 1, 12, MONTHS)
WEEKDAY, YEAR = Field("day of week", 1, 7, DAYS), Field("year", 1970, 2099)
FIELDS = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR)


def translate(expression: str) -> dict[str, str]:
    """Return what an expression means in the fields of :class:`entity_matching.deploy.cron_trigger.QuartzTrigger`.

    :raises SettingsError: naming the field that is wrong, and what it may hold.
    """
    texts = expression.upper().split()
    if len(texts) not in (6, 7):
        raise SettingsError(f"'{expression}' has {len(texts)} fields; 6 or 7 are expected.", remedy=_REMEDY)
    day, weekday = texts[3], texts[5]
    if (day == "?") == (weekday == "?"):
        raise SettingsError(
            f"'{expression}': exactly one of day of month ('{day}') and day of week ('{weekday}') must be '?'.",
            remedy=_REMEDY,
        )
    meant: dict[str, str] = {}
    for field, text in zip(FIELDS, texts, strict=False):
        try:
            meant |= _field(field, text)
        except ValueError as error:
            raise SettingsError(f"'{expression}': the {field.name}: {error}.", remedy=_REMEDY) from error
    return meant


def _field(field: Field, text: str) -> dict[str, str]:
    if field is DAY:
        return {} if text == "?" else {"day": ",".join(_day(part) for part in text.split(","))}
    if field is WEEKDAY:
        return {} if text == "?" else _weekday(text)
    if text == "?":
        raise ValueError("'?' is for the day of month or the day of week")
    return {field.name: "*" if text == "*" else ",".join(map(str, field.numbers(text)))}


def _day(part: str) -> str:
    if part in ("L", "LW"):
        return {"L": "last", "LW": "last weekday"}[part]
    near, before = _WEEKDAY_NEAR.fullmatch(part), _BEFORE_LAST.fullmatch(part)
    if near is not None:
        return f"weekday {DAY.number(near[1])}"
    if before is not None:
        if not 1 <= int(before[1]) <= 30:
            raise ValueError(f"'{part}' is not L-1 to L-30")
        return f"before {int(before[1])}"
    return "*" if part == "*" else ",".join(map(str, DAY.numbers(part)))


def _weekday(text: str) -> dict[str, str]:
    """Return days of the week by name; those of one week of the month are days of the month, as APScheduler has it."""
    if text == "*":
        return {"day_of_week": "*"}
    of_month: list[str] = []
    of_week: list[int] = []
    for part in text.split(","):
        last, numbered = _LAST_OF.fullmatch(part), _NUMBERED.fullmatch(part)
        if last is not None:
            of_month.append(f"last {_day_name(WEEKDAY.number(last[1]))}")
        elif numbered is not None:
            if not 1 <= int(numbered[2]) <= 5:
                raise ValueError(f"'{part}': a month has the 1st to the 5th of a day")
            of_month.append(f"{_ORDINALS[int(numbered[2]) - 1]} {_day_name(WEEKDAY.number(numbered[1]))}")
        else:
            of_week += WEEKDAY.numbers("SAT" if part == "L" else part)
    if of_month and of_week:
        raise ValueError(f"'{text}' mixes days of every week with days of one week of the month")
    if of_month:
        return {"day": ",".join(of_month)}
    return {"day_of_week": ",".join(_day_name(number) for number in sorted(set(of_week)))}


def _day_name(number: int) -> str:
    return DAYS[number - 1].lower()
