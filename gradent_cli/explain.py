"""The next runs, and in words what a clock change does to them before it happens.

The times themselves are those of `frequency.next_times`; what is said of them here follows the same rules of cron(8):
an entry at fixed times is made up for, one with a star in its minute or hour follows the clock on the wall.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice, takewhile

from gradent_cli.dataclass import dataclass
from gradent_cli.frequency import next_times

_STEP = timedelta(hours=6)
"""No zone has changed its clocks twice within it."""
_LONGEST_CHANGE = timedelta(hours=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """One run to come; `note` is what a clock change does to it or just before it, empty when nothing."""

    at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockChange:
    """At `at` the clocks of a zone go from the time `before` to the time `after`, both without a zone."""

    at: datetime
    before: datetime
    after: datetime

    @property
    def begins_at(self) -> datetime:
        """When what is special about it begins: of a stretch that comes twice, its first time."""
        return self.at - max(self.before - self.after, timedelta(0))


def upcoming(expression: str, after: datetime, zone: tzinfo, number: int) -> tuple[Upcoming, ...]:
    """The next `number` runs later than `after`."""
    times = list(islice(next_times(expression, after, zone), number))
    notes: dict[datetime, list[str]] = {}
    for change in clock_changes(zone, after, times[-1] + _LONGEST_CHANGE):
        affected = next((moment for moment in times if moment >= change.begins_at), None)
        if affected is not None:
            notes.setdefault(affected, []).append(_sentence(expression, change))
    return tuple(Upcoming(at=moment, note=" ".join(notes.get(moment, ()))) for moment in times)


def clock_changes(zone: tzinfo, start: datetime, end: datetime) -> Iterator[ClockChange]:
    """The changes of the zone's offset from UTC in (start, end], to the second."""
    low = start.astimezone(UTC).replace(microsecond=0)
    while low < end:
        high = min(low + _STEP, end.astimezone(UTC))
        if _offset(zone, low) != _offset(zone, high):
            at = _first_with_offset_of(zone, low, high)
            yield ClockChange(
                at=at,
                before=at.replace(tzinfo=None) + _offset(zone, low),
                after=at.replace(tzinfo=None) + _offset(zone, high),
            )
        low = high


def _first_with_offset_of(zone: tzinfo, low: datetime, high: datetime) -> datetime:
    """The first second in (low, high] at which the offset is that of `high`; at `low` it is another."""
    wanted = _offset(zone, high)
    while (seconds := int((high - low).total_seconds())) > 1:
        middle = low + timedelta(seconds=seconds // 2)
        low, high = (low, middle) if _offset(zone, middle) == wanted else (middle, high)
    return high


def _offset(zone: tzinfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)


def _sentence(expression: str, change: ClockChange) -> str:
    before, after = f"{change.before:%H:%M}", f"{change.after:%H:%M}"
    follows_the_wall = any(field.startswith("*") for field in expression.split()[:2])
    walls = _walls(expression, *sorted((change.before, change.after)))
    runs, one = _runs(walls), len(walls) == 1
    if change.after > change.before:
        clocks = f"clocks go from {before} to {after}"
        if not walls:
            effect = "no run falls between"
        elif follows_the_wall:
            effect = f"there {'is' if one else 'are'} no {runs} on that day"
        elif _walls(expression, change.after, change.after + timedelta(minutes=1)):
            effect = f"the {runs} {'falls' if one else 'fall'} together with that of {after}"
        else:
            effect = f"the {runs} {'happens' if one else 'happen as one'} at {after}"
    else:
        clocks = f"clocks go back from {before} to {after}, so {after}-{before} comes twice"
        if not walls:
            effect = "no run falls into it"
        else:
            effect = f"the {runs} {'happens' if one else 'happen'} {'both times' if follows_the_wall else 'once'}"
    return f"{change.before:%a %-d %b}: {clocks}; {effect}."


def _walls(expression: str, start: datetime, end: datetime) -> Sequence[datetime]:
    """The times in [start, end) that the schedule names, whether or not the wall ever shows them."""
    named = next_times(expression, start.replace(tzinfo=UTC) - timedelta(minutes=1), UTC)
    return list(takewhile(lambda wall: wall < end.replace(tzinfo=UTC), named))


def _runs(walls: Sequence[datetime]) -> str:
    """`run of 02:30`, `runs of 02:00 and 02:30`, `4 runs of 02:00-02:45`."""
    times = [f"{wall:%H:%M}" for wall in walls]
    if len(times) > 2:
        return f"{len(times)} runs of {times[0]}-{times[-1]}"
    return f"{'run' if len(times) == 1 else 'runs'} of {' and '.join(times)}"
