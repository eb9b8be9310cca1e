"""APScheduler's trigger, with the days of a month that only Quartz knows."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime
from typing import Any, ClassVar

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.cron.expressions import AllExpression
from apscheduler.triggers.cron.fields import DayOfMonthField

_SATURDAY = 5


class NearestWeekday(AllExpression):  # type: ignore[misc]
    """The day from Monday to Friday that is nearest a day, within its month: Quartz's ``15W`` and ``LW``."""

    value_re = re.compile(r"(?:(?P<last>last) weekday|weekday (?P<day>\d+))$")

    def __init__(self, last: str | None = None, day: str | None = None) -> None:
        super().__init__(None)
        self.day = None if last else int(day or 1)

    def get_next_value(self, date: datetime, field: Any) -> int | None:
        """Return the day if it is still to come in the month of ``date``."""
        last = monthrange(date.year, date.month)[1]
        if self.day is not None and self.day > last:
            return None
        day = _nearest_weekday(date.year, date.month, self.day or last, last)
        return day if day >= date.day else None

    def __str__(self) -> str:
        return "last weekday" if self.day is None else f"weekday {self.day}"


class BeforeLast(AllExpression):  # type: ignore[misc]
    """So many days before the last of the month: Quartz's ``L-3``."""

    value_re = re.compile(r"before (?P<days>\d+)$")

    def __init__(self, days: str) -> None:
        super().__init__(None)
        self.days = int(days)

    def get_next_value(self, date: datetime, field: Any) -> int | None:
        """Return the day if it is still to come in the month of ``date``."""
        day = monthrange(date.year, date.month)[1] - self.days
        return day if day >= max(date.day, 1) else None

    def __str__(self) -> str:
        return f"before {self.days}"


class QuartzDay(DayOfMonthField):  # type: ignore[misc]
    """The day of the month."""

    COMPILERS: ClassVar[list[Any]] = [NearestWeekday, BeforeLast, *DayOfMonthField.COMPILERS]


class QuartzTrigger(CronTrigger):  # type: ignore[misc]
    """A trigger made from what :func:`entity_matching.deploy.quartz.translate` returns."""

    FIELDS_MAP: ClassVar[dict[str, Any]] = {**CronTrigger.FIELDS_MAP, "day": QuartzDay}


def _nearest_weekday(year: int, month: int, day: int, last: int) -> int:
    excess = date(year, month, day).weekday() - _SATURDAY
    if excess < 0:
        return day
    if excess == 0:  # Saturday: Friday, unless that is in the month before
        return day - 1 if day > 1 else day + 2
    return day + 1 if day < last else day - 2
