"""A cron expression taken apart, for schedulers that have their own way of saying it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Fires when every field matches; ascending values, None for all. Sunday is 0."""

    minutes: tuple[int, ...] | None
    hours: tuple[int, ...] | None
    days: tuple[int, ...] | None
    months: tuple[int, ...] | None
    weekdays: tuple[int, ...] | None

    @property
    def every_hour(self) -> bool:
        """Whether it fires in each hour of each day."""
        return (self.hours, self.days, self.months, self.weekdays) == (None, None, None, None)

    def has(self, wall: datetime) -> bool:
        """Whether a clock that shows this is at one of its times of day."""
        return (self.minutes is None or wall.minute in self.minutes) and (self.hours is None or wall.hour in self.hours)


def entries(expression: str) -> tuple[Entry, ...]:
    """One entry, or two that together fire as the expression does.

    cron fires when the day of the month *or* of the week matches, unless one of the two begins with a star
    (https://manpages.debian.org/bookworm/cron/crontab.5.en.html); an entry always wants both.

    Args:
        expression: five fields that `frequency.cron_expression` returned.
    """
    from cronsim import CronSim

    schedule = CronSim(expression, datetime(2001, 1, 1, tzinfo=UTC))
    minutes, hours = _unless_all(schedule.minutes, 60), _unless_all(schedule.hours, 24)
    months = _unless_all(schedule.months, 12)
    days = _unless_all(schedule.days, 31)
    weekdays = _unless_all({number % 7 for number in schedule.weekdays if isinstance(number, int)}, 7)
    if schedule.day_and:
        which = [(days, weekdays)]
    elif days is None or weekdays is None:
        which = [(None, None)]
    else:
        which = [(days, None), (None, weekdays)]
    return tuple(
        Entry(minutes=minutes, hours=hours, days=each, months=months, weekdays=week_days) for each, week_days in which
    )


def _unless_all(values: Iterable[int], all_of_them: int) -> tuple[int, ...] | None:
    chosen = tuple(sorted(values))
    return None if len(chosen) == all_of_them else chosen
