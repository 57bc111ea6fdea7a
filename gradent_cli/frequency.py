"""How often gradent runs: frequency keys and custom cron expressions, as lines that every cron understands alike.

From three hours up the hours are a list, never `*/3`: Debian's cron and cronie make up for a clock change only in
entries whose minute and hour do not start with a star (cron(8), "Special considerations exist when the clock is
changed", https://manpages.debian.org/bookworm/cron/cron.8.en.html).
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo

from gradent_cli.annotations import TYPE_CHECKING, StrPath
from gradent_cli.dataclass import dataclass

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_MINUTES_BETWEEN = {
    "15min": 15,
    "30min": 30,
    "1hour": 60,
    "3hours": 3 * 60,
    "6hours": 6 * 60,
    "12hours": 12 * 60,
    "24hours": 24 * 60,
}
FREQUENCIES: tuple[str, ...] = tuple(_MINUTES_BETWEEN)
# What cron makes up for; further apart it takes the clock as newly set. No zone changes by more than two hours.
_LONGEST_CHANGE = timedelta(hours=3)
_SPOKEN = {"hourly": "1hour", "daily": "24hours", "midnight": "24hours", "nightly": "24hours", "day": "24hours"}


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def last(self) -> int:
        """The highest value that is not a second name of another: Sunday is 0 and 7."""
        return 6 if self.high == 7 else self.high

    def value(self, word: str) -> int:
        """The number that a number or name stands for."""
        if word.lower() in self.names:
            return self.names.index(word.lower()) + self.low
        if not (word.isdigit() and self.low <= int(word) <= self.high):
            names = f" and {', '.join(self.names)}" if self.names else ""
            raise ValueError(f"{word!r} cannot be the {self.name}; allowed are {self.low}-{self.high}{names}")
        return int(word)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    _Field("day of the week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_WORD = r"[0-9]{1,4}|[a-z]+"
_TERM = rf"(?:\*|(?P<first>{_WORD})(?:-(?P<last>{_WORD}))?)(?:/(?P<step>[0-9]{{1,4}}))?"


def parse_at(text: str) -> time:
    """`"07:30"` -> `time(7, 30)`.

    Raises:
        ValueError: with a sentence that says what is allowed.
    """
    found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", text.strip(), re.ASCII)
    if found is None:
        raise ValueError(f'{text!r} is not a time of day; write it as "HH:MM", from "00:00" to "23:59"')
    return time(int(found[1]), int(found[2]))


def cron_expression(frequency: str, at: time) -> str:
    """The five fields for a key of `FREQUENCIES` anchored at `at`, or a custom expression with its blanks folded.

    `6hours` at 01:30 is `30 1,7,13,19 * * *`. Up to `1hour` only the minutes of `at` count; a custom expression does
    not look at it.

    Raises:
        ValueError: with one sentence; for whatever not every cron reads alike, and for what would never run.
    """
    if frequency in _MINUTES_BETWEEN:
        return _anchored(_MINUTES_BETWEEN[frequency], at)
    return _custom(frequency)


def _anchored(between: int, at: time) -> str:
    if between < 60:
        first = at.minute % between
        return f"{_every(first, 60, between) if first else f'*/{between}'} * * * *"
    if between == 60:
        return f"{at.minute} * * * *"
    hours = between // 60
    return f"{at.minute} {_every(at.hour % hours, 24, hours)} * * *"


def _every(first: int, stop: int, step: int) -> str:
    return ",".join(map(str, range(first, stop, step)))


def _custom(expression: str) -> str:
    from cronsim import CronSim, CronSimError

    words = expression.split()
    if "\n" in expression or "\r" in expression:
        raise ValueError(f"the cron expression {expression!r} has a line break; it must be one line")
    if len(words) < 5 and "*" not in expression:
        raise ValueError(_unknown_key(" ".join(words)))
    if len(words) != 5:
        raise ValueError(
            f"the cron expression {expression!r} has {len(words)} fields, not five "
            "(minute, hour, day of the month, month, day of the week)"
        )
    folded = " ".join(words)
    for word, field in zip(words, _FIELDS, strict=True):
        for term in word.split(","):
            _judge(term, field)
    try:
        next(CronSim(folded, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise ValueError(f"the cron expression {folded!r} would never run: no such day comes") from error
    return folded


def _judge(term: str, field: _Field) -> None:
    """Refuse what crons read differently, what they silently bend, and what never matches."""
    found = re.fullmatch(_TERM, term, re.IGNORECASE)
    if found is None:
        raise ValueError(
            f"{term!r} as the {field.name} is not something that every cron understands; use "
            f"{field.low}-{field.high}, {'names like ' + field.names[1] + ', ' if field.names else ''}"
            "'*', lists with ',', ranges with '-' and steps with '/'"
        )
    first, last, step = found["first"], found["last"], found["step"]
    if first and last and first.isdigit() != last.isdigit():
        raise ValueError(f"{term!r} as the {field.name} mixes a name and a number; use one or the other")
    low = field.low if first is None else field.value(first)
    high = field.high if first is None else field.value(last or first)
    if high < low:
        wrapped = f"{_stretch(low, field.last)},{_stretch(field.low, high)}"
        raise ValueError(f"{term!r} as the {field.name} runs backwards, which most crons never run; write {wrapped!r}")
    if step is None:
        return
    if first and not last:
        raise ValueError(
            f"{term!r} as the {field.name} is read differently by different crons; write '{low}-{field.last}/{step}'"
        )
    if high == low:
        raise ValueError(f"{term!r} as the {field.name} has nothing to step through; write {first!r}")
    if not 1 <= int(step) <= high - low:
        raise ValueError(f"the step of {term!r} is out of range for the {field.name}; allowed here is 1-{high - low}")


def _stretch(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"


def _unknown_key(word: str) -> str:
    nearest = _nearest(word.lower().lstrip("@"))
    meant = f"did you mean {nearest!r}? " if nearest else ""
    keys = ", ".join(FREQUENCIES)
    return f"{word!r} is not a frequency; {meant}allowed are {keys} and a five-field cron expression"


def _nearest(word: str) -> str | None:
    """The key that was most likely meant: by name, by length (`60min`, `2 hours`), or by spelling."""
    import difflib

    from gradent_cli import durations

    if word in _SPOKEN:
        return _SPOKEN[word]
    try:
        wanted = durations.parse(re.sub(r"(?<=[a-z])s$", "", word).replace("hour", "h").replace("minute", "min"))
    except ValueError:
        return next(iter(difflib.get_close_matches(word, FREQUENCIES, n=1, cutoff=0.5)), None)
    return min(FREQUENCIES, key=lambda key: abs(timedelta(minutes=_MINUTES_BETWEEN[key]) - wanted))


def next_times(expression: str, after: datetime, zone: tzinfo) -> Iterator[datetime]:
    """When a cron daemon in `zone` fires: aware UTC, each later than the one before, all later than `after`.

    Clock changes are treated as Debian's cron does: an entry at fixed times that falls into the missing hour runs
    right after it, one in the doubled hour runs once; entries with a star in minute or hour follow the clock.

    Args:
        expression: five fields that `cron_expression` returned.
        after: an aware moment.
    """
    # The bare wall clock, as cronsim with a zone counts in whole hours, and where a change is of half an hour
    # (Australia/Lord_Howe) loses runs that cron makes. A doubled stretch is begun before its first pass.
    begin = after.astimezone(zone).replace(tzinfo=None) - _LONGEST_CHANGE
    newest = after
    for moment in _moments(
        _walls(expression, begin), zone, starred=any(field.startswith("*") for field in expression.split()[:2])
    ):
        # Two entries of the missing hour meet at its end, and one of the doubled hour can lie before `after`.
        if moment > newest:
            newest = moment
            yield moment


def _walls(expression: str, after: datetime) -> Iterator[datetime]:
    """What the clock on the wall shows when the entry is due, later than `after`, without an end.

    Most schedules have every day; for them cronsim need not be imported, which takes a tenth of Python's start.
    """
    minutes, hours, *days = expression.split()
    if days == ["*", "*", "*"]:
        times = [time(hour, minute) for hour in _values(hours, _FIELDS[1]) for minute in _values(minutes, _FIELDS[0])]
        day = after.date()
        while True:
            yield from (wall for at in times if (wall := datetime.combine(day, at)) > after)
            day += timedelta(days=1)
    from cronsim import CronSim

    yield from CronSim(expression, after)


def _values(field: str, of: _Field) -> list[int]:
    """`"0,15-45/15"` -> `[0, 15, 30, 45]`; of a field that `_judge` has let pass."""
    found: set[int] = set()
    for term in field.split(","):
        span, _, step = term.partition("/")
        first, _, last = (f"{of.low}-{of.last}" if span == "*" else span).partition("-")
        found.update(range(int(first), int(last or first) + 1, int(step or 1)))
    return sorted(found)


def _moments(walls: Iterable[datetime], zone: tzinfo, *, starred: bool) -> Iterator[datetime]:
    """The moments at which the clock on the wall shows these times, as far as cron runs the entry then."""
    second_pass: list[datetime] = []
    for wall in walls:
        early, late = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if early < late:  # the wall shows it twice
            yield early
            if starred:
                second_pass.append(late)
            continue
        yield from second_pass
        second_pass.clear()
        if early == late:
            yield early
        elif not starred:
            yield _after_gap(wall, zone)


def _after_gap(wall: datetime, zone: tzinfo) -> datetime:
    """The first minute after the stretch that the wall's clock skips, of which `wall` is one."""
    while (moment := wall.replace(tzinfo=zone).astimezone(UTC)).astimezone(zone).replace(tzinfo=None) != wall:
        wall += timedelta(minutes=1)
    return moment


def in_words(expression: str) -> str:
    """`"30 1,7,13,19 * * *"` -> `"every 6 hours, at 01:30, 07:30, 13:30 and 19:30"`, for any valid expression."""
    from cronsim import CronSim

    schedule = CronSim(expression, datetime(2001, 1, 1, tzinfo=UTC))
    minutes, hours = sorted(schedule.minutes), sorted(schedule.hours)
    daily = expression.split()[2:] == ["*", "*", "*"]
    if daily and len(hours) == 24 and len(minutes) == 1:
        return f"every hour, at minute {minutes[0]}"
    if daily and len(hours) == 24 and _gap(minutes, 60):
        every = f"every {_gap(minutes, 60)} minutes"
        return f"{every}, at minutes {_listed(map(str, minutes))}" if minutes[0] else every
    if daily and len(minutes) == 1 and (gap := _gap(hours, 24)):
        every = "every day" if gap == 24 else f"every {gap} hours"
        return f"{every}, at {_listed(f'{hour:02}:{minutes[0]:02}' for hour in hours)}"
    sentence = schedule.explain()
    return sentence[0].lower() + sentence[1:]


def _gap(values: list[int], circle: int) -> int | None:
    """The even distance between values on a circle; None when they are uneven, or all of it."""
    gap, rest = divmod(circle, len(values))
    even = not rest and gap > 1 and values == list(range(values[0], circle, gap))
    return gap if even else None


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def local_zone(environ: Mapping[str, str], localtime: StrPath = "/etc/localtime") -> tzinfo:
    """The time zone that this machine's people and daemons live in.

    `TZ` when it names a zone or a zone file, else the zone that `localtime` links to (tzset(3), localtime(5)),
    else what that file holds, else UTC.
    """
    name = environ.get("TZ", "").removeprefix(":")
    if name.startswith("/"):
        return _zone_of_file(name) or _zone_of_file(localtime) or UTC
    return _zone_named(name) or _zone_of_file(localtime) or UTC


def zone_of(name: str | None, environ: Mapping[str, str]) -> tzinfo:
    """The zone of this name, which the config has checked; this machine's for None."""
    from zoneinfo import ZoneInfo

    return ZoneInfo(name) if name else local_zone(environ)


def system_zone(environ: Mapping[str, str]) -> tzinfo:
    """`local_zone` where nobody asks for its name: without `zoneinfo`, which takes a third of Python's start."""
    return local_zone(environ) if "TZ" in environ or "TZ" in os.environ else SystemZone()


class SystemZone(tzinfo):
    """The zone of this process, as the C library keeps it for all programs (tzset(3))."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None if moment is None else moment.replace(tzinfo=None).astimezone().utcoffset()

    def tzname(self, moment: datetime | None) -> str | None:
        return None if moment is None else moment.replace(tzinfo=None).astimezone().tzname()

    def dst(self, _moment: datetime | None) -> None:
        """Unknown, as the C library says no more than whether there is any."""

    def fromutc(self, moment: datetime) -> datetime:
        return datetime.fromtimestamp(moment.replace(tzinfo=UTC).timestamp()).replace(tzinfo=self)  # noqa: DTZ006


def _zone_named(name: str) -> "ZoneInfo | None":
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):  # not there, not a relative path, a folder
        return None


def _zone_of_file(path: StrPath) -> "ZoneInfo | None":
    from zoneinfo import ZoneInfo

    try:
        target = os.fspath(os.readlink(path) if os.path.islink(path) else path)
        named = _zone_named(target.partition("/zoneinfo/")[2])
        if named is not None:
            return named
        with open(path, "rb") as stream:
            return ZoneInfo.from_file(stream)
    except (ValueError, OSError):
        return None
