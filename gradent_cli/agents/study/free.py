"""The time in which a student can study: their hours minus what is taken, in quarter hours.

A *minute* here is a whole number of minutes since 1970-01-01 00:00 UTC, so that all arithmetic is free of zones and
clock changes; a *span* is a pair of minutes, its end not included. Every span in and out lies on the quarter hour.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from datetime import date as Date  # noqa: N812  (`date` is a field's name here)

from gradent_cli.agents.study.records import Busy

QUARTER = 15
Span = tuple[int, int]
Week = tuple[tuple[Span, ...], ...]
"""Monday first; each day's hours as minutes after its midnight, the end beyond 1440 when they go over midnight."""

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = 24 * 60


def week(hours: Mapping[str, Sequence[str]]) -> Week:
    """`{"friday": ["09:00-12:00", "22:00-02:00"]}` as numbers; a weekday that is not named has no hours.

    An end before its start lies on the next day; `00:00-24:00` is the whole day.
    """
    return tuple(tuple(sorted(_range(text) for text in hours.get(weekday, ()))) for weekday in _WEEKDAYS)


def _range(text: str) -> Span:
    start, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in text.split("-"))
    return start, end if end > start else end + _DAY


def quarter_down(moment: datetime) -> int:
    """The minute of the last quarter hour at or before `moment`."""
    return int(moment.timestamp() // (60 * QUARTER)) * QUARTER


def quarter_up(moment: datetime) -> int:
    """The minute of the first quarter hour at or after `moment`."""
    return -int(-moment.timestamp() // (60 * QUARTER)) * QUARTER


def to_moment(minute: int) -> datetime:
    """A minute as the aware UTC moment it stands for."""
    return datetime.fromtimestamp(minute * 60, UTC)


@dataclass(frozen=True, slots=True)
class Day:
    """One day's free time. Time from `starts` to the next day's `starts` belongs to this day.

    Hours over midnight belong to the day that they began on: a Friday night is Friday's until it ends.
    """

    starts: int
    free: tuple[Span, ...]


def days(hours: Week, *, busy: Iterable[Busy], start: datetime, end: datetime, zone: tzinfo) -> tuple[Day, ...]:
    """The free time between `start` and `end`, day by day; the day before `start` comes first, for what began on it.

    Where the clock is changed and a wall time exists twice or not at all, the reading that gives fewer hours counts:
    no minute is free that is outside the hours on the student's own clock.
    """
    first, last = quarter_up(start), quarter_down(end)
    taken = _merged(busy, first, last)
    ends = [span[1] for span in taken]
    found: list[Day] = []
    yesterday = start.astimezone(zone).date() - timedelta(days=1)
    today = yesterday - timedelta(days=2)  # whose hours may reach into yesterday
    reached = 0
    while today <= end.astimezone(zone).date():
        starts = max(reached, quarter_up(_wall(today, 0, zone, later=False)))
        free: list[Span] = []
        for opens, closes in hours[today.weekday()]:
            begin = max(quarter_up(_wall(today, opens, zone, later=True)), starts, reached)
            until = quarter_down(_wall(today, closes, zone, later=False))
            reached = max(reached, until)
            for span in _minus((max(begin, first), min(until, last)), taken, bisect_right(ends, max(begin, first))):
                if free and free[-1][1] == span[0]:
                    free[-1] = (free[-1][0], span[1])
                else:
                    free.append(span)
        if today >= yesterday:
            found.append(Day(starts, tuple(free)))
        today += timedelta(days=1)
    return tuple(found)


def _minus(window: Span, taken: Sequence[Span], index: int) -> Iterator[Span]:
    """What `taken` leaves of the window; `index` is the first span of it that ends in or after the window."""
    begin, until = window
    while begin < until:
        blocked_from, blocked_to = taken[index] if index < len(taken) else (until, until)
        if begin < blocked_from:
            yield begin, min(blocked_from, until)
        begin = max(begin, blocked_to)
        index += 1


def _wall(day: Date, minute: int, zone: tzinfo, *, later: bool) -> datetime:
    """A wall time as a moment; of the two readings (PEP 495) of one that is ambiguous or skipped, the later or not."""
    more_days, minute = divmod(minute, _DAY)
    wall = datetime.combine(day + timedelta(days=more_days), time(minute // 60, minute % 60), tzinfo=zone)
    readings = (wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC))
    return max(readings) if later else min(readings)


def _merged(busy: Iterable[Busy], first: int, last: int) -> list[Span]:
    """Taken time, widened to quarter hours, in order, without overlaps."""
    spans = sorted(
        (quarter_down(taken.starts_at), quarter_up(taken.ends_at)) for taken in busy if taken.starts_at < taken.ends_at
    )
    merged: list[Span] = []
    for begin, end in spans:
        if end <= first or begin >= last:
            continue
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def without(spans: Iterable[Span], begin: int, end: int) -> list[Span]:
    """What is left of `spans` when [begin, end) is taken out of them."""
    left: list[Span] = []
    for a, b in spans:
        if b <= begin or a >= end:
            left.append((a, b))
            continue
        if a < begin:
            left.append((a, begin))
        if end < b:
            left.append((end, b))
    return left


class Budget:
    """How much can be studied before a moment.

    Args:
        days: free time, from `days`.
        per_day: minutes of study that one day may hold.
    """

    def __init__(self, days: Sequence[Day], per_day: int) -> None:
        self._days = days
        self._per_day = per_day
        self._starts = [day.starts for day in days]
        self._sums = [0]
        for day in days:
            self._sums.append(self._sums[-1] + min(per_day, sum(b - a for a, b in day.free)))

    def before(self, minute: int) -> int:
        """Minutes that can be studied before `minute`."""
        index = bisect_right(self._starts, minute) - 1
        if index < 0:
            return 0
        today = sum(min(b, minute) - a for a, b in self._days[index].free if a < minute)
        return self._sums[index] + min(self._per_day, today)
