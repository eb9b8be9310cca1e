"""When a job runs by itself: a Quartz expression in a time zone, in words and as times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

from entity_matching.deploy.quartz import translate
from entity_matching.errors import OptionalDependencyError, SettingsError

if TYPE_CHECKING:
    from entity_matching.deploy.cron_trigger import QuartzTrigger


@dataclass(frozen=True)
class Cron:
    """A schedule. ``expression``: a Quartz cron expression; ``time_zone``: an IANA name such as ``Europe/Berlin``."""

    expression: str
    time_zone: str = "UTC"

    @classmethod
    def parse(cls, expression: str, time_zone: str = "UTC") -> Self:
        """Check an expression and a time zone.

        :raises SettingsError: naming the field that is wrong and what it may hold; or if there is no such time zone.
        """
        translate(expression)
        try:
            ZoneInfo(time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise SettingsError(
                f"There is no time zone '{time_zone}'.", remedy="Use a name such as UTC or Europe/Berlin."
            ) from error
        return cls(expression, time_zone)

    def trigger(self) -> QuartzTrigger:
        """Return the schedule for APScheduler; the trigger can be kept in its job store.

        :raises OptionalDependencyError: if APScheduler is not installed.
        """
        try:
            from entity_matching.deploy.cron_trigger import QuartzTrigger  # noqa: PLC0415 - an extra brings it
        except ImportError as error:
            raise OptionalDependencyError("apscheduler", "local", "A schedule") from error
        return QuartzTrigger(**translate(self.expression), timezone=ZoneInfo(self.time_zone))

    def next_times(self, after: datetime, count: int = 3) -> list[datetime]:
        """Return the next times, in the schedule's time zone; fewer if it ends.

        :param after: a time with a time zone; a run at this very time is not among them.
        """
        trigger, zone = self.trigger(), ZoneInfo(self.time_zone)
        times: list[datetime] = []
        last = after
        while len(times) < count:
            try:
                found = trigger.get_next_fire_time(last, last)
            except (ValueError, OverflowError):  # the calendar's end: the 30th of February never comes
                break
            if found is None:
                break
            last = found
            # by way of UTC, since a clock that is set forward leaves out times that the trigger still names
            times.append(found.astimezone(UTC).astimezone(zone))
        return times

    def in_words(self) -> str:
        """Return the schedule in English.

        :raises OptionalDependencyError: if cron-descriptor is not installed.
        """
        try:
            from cron_descriptor import ExpressionDescriptor, Options  # noqa: PLC0415 - an extra brings it
        except ImportError as error:
            raise OptionalDependencyError("cron-descriptor", "local", "A schedule in words") from error
        options = Options(day_of_week_start_index_zero=False, use_24hour_time_format=True, locale_code="en_US")
        words: str = ExpressionDescriptor(self.expression, options).get_description()
        return f"{words}, {self.time_zone}"
