"""Busy time in: when the student's own calendars say that time is taken.

An event blocks its time unless it is marked as free (TRANSP:TRANSPARENT) or cancelled, or is one of gradent's own
study sessions. One that lasts whole days blocks only where the student wants that of its calendar.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gradent_cli.agents.study import feed
from gradent_cli.agents.study.cache import FORGET_AFTER, FeedCache
from gradent_cli.agents.study.feed import OURS, Notes, Zones, read_calendars, utc
from gradent_cli.agents.study.fetch import Place
from gradent_cli.agents.study.records import Busy
from gradent_cli.agents.study.recurrence import occurrences
from gradent_cli.errors import ConfigError, SourceError
from gradent_cli.text import count

if TYPE_CHECKING:
    from gradent_cli.agents.study.caldav import Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyTime:
    """What a calendar gave: taken time in order and without overlaps, and sentences on what could not be read.

    Where it cannot be read and this is what it gave at `given_at`, `error` says why.
    """

    busy: tuple[Busy, ...]
    warnings: tuple[str, ...] = ()
    error: str | None = None
    given_at: datetime | None = None


class Calendar(Protocol):
    """A calendar whose events block time."""

    @property
    def name(self) -> str: ...

    def busy(self, *, start: datetime, end: datetime, zone: tzinfo) -> BusyTime:
        """Taken time within [start, end), clipped to it; times without a zone are in the student's own.

        Raises:
            SourceError: it cannot be read or understood. Its text names the calendar and never its URL.
        """


def open_calendar(
    kind: str,
    *,
    name: str,
    url: str | None,
    path: Path | None,
    username: str | None = None,
    password: str | None = None,
    all_day: bool = False,
    cache: FeedCache | None = None,
) -> Calendar:
    """The calendar of this kind; nothing is read yet. Exactly one of `url` and `path` is set, for `caldav` the first.

    Args:
        cache: for what is behind an address: what it blocked last counts while it cannot be read.

    Raises:
        ConfigError: there is no such kind.
    """
    label = f"calendar '{name}'"
    calendar: Calendar
    if kind == "caldav":
        from gradent_cli.agents.study.caldav import Collection

        collection = Collection(label=label, url=url or "", username=username, password=password)
        calendar = CaldavCalendar(name=name, collection=collection, all_day=all_day)
    elif kind == "ics":
        place = Place(label=label, expected="a calendar", url=url, path=path, cache=cache)
        calendar = IcsCalendar(name=name, place=place, all_day=all_day)
    else:
        raise ConfigError(f"unknown kind of calendar {kind!r}", hint="there are ics and caldav")
    if url is None or cache is None:
        return calendar
    return RememberedCalendar(calendar=calendar, cache=cache, place=f"{kind} {all_day} {username or ''} {url}")


def merge(busy: Iterable[Busy]) -> tuple[Busy, ...]:
    """The same time in order: stretches that touch or overlap are one, with the first one's title; empty ones go."""
    merged: list[Busy] = []
    for stretch in sorted(busy, key=lambda each: (each.starts_at, each.ends_at)):
        if stretch.starts_at >= stretch.ends_at:
            continue
        if merged and stretch.starts_at <= merged[-1].ends_at:
            if stretch.ends_at > merged[-1].ends_at:
                merged[-1] = replace(merged[-1], ends_at=stretch.ends_at)
        else:
            merged.append(stretch)
    return tuple(merged)


@dataclass(frozen=True, slots=True, kw_only=True)
class IcsCalendar:
    """A calendar file or feed (RFC 5545). `all_day`: whole days block, too."""

    name: str
    place: Place
    all_day: bool = False

    def busy(self, *, start: datetime, end: datetime, zone: tzinfo) -> BusyTime:
        calendars, warnings = self.place.understand(lambda raw: read_calendars(self.place, raw))
        said = tuple(f"{self.name}: {warning}" for warning in warnings)
        return _taken(calendars, self.name, start, end, zone, all_day=self.all_day, warnings=said)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaldavCalendar:
    """A calendar on a CalDAV server, of which only what lies within the window is asked for.

    Single events that cannot be read are left out with a warning; when none can be, the calendar cannot.
    """

    name: str
    collection: "Collection"
    all_day: bool = False

    def busy(self, *, start: datetime, end: datetime, zone: tzinfo) -> BusyTime:
        place = Place(label=self.collection.label, expected="a calendar", url=self.collection.url)
        calendars: list[feed.Calendar] = []
        said: dict[str, None] = {}
        refused: list[SourceError] = []
        for body in self.collection.between(start, end):
            try:
                found, warnings = read_calendars(place, body)
            except SourceError as error:
                refused.append(error)
                continue
            calendars += found
            said |= dict.fromkeys(f"{self.name}: {warning}" for warning in warnings)
        if refused and not calendars:
            raise refused[0]
        if refused:
            said[f"{self.name}: left out {count(len(refused), 'event')} that cannot be read"] = None
        return _taken(_joined(calendars), self.name, start, end, zone, all_day=self.all_day, warnings=tuple(said))


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedCalendar:
    """Another calendar, whose last good answer counts while it cannot be read.

    It is asked for as much more time as an answer is kept for, so that the end of a plan is never without one.

    Args:
        place: what its answer is kept under; a secret.
    """

    calendar: Calendar
    cache: FeedCache = field(repr=False)
    place: str = field(repr=False)

    @property
    def name(self) -> str:
        return self.calendar.name

    def busy(self, *, start: datetime, end: datetime, zone: tzinfo) -> BusyTime:
        try:
            time = self.calendar.busy(start=start, end=end + FORGET_AFTER, zone=zone)
        except SourceError as error:
            last = self._last()
            if last is None:
                raise
            time = replace(last, error=error.message)
        else:
            self.cache.remember(self.place, _spelled(time))
        return replace(time, busy=merge(_clipped(each, start, end) for each in time.busy))

    def _last(self) -> BusyTime | None:
        kept = self.cache.remembered(self.place)
        try:
            return replace(_read_back(kept[0]), given_at=kept[1]) if kept else None
        except (ValueError, TypeError, KeyError):  # as another version of gradent spelled it
            return None


def _clipped(busy: Busy, start: datetime, end: datetime) -> Busy:
    return replace(busy, starts_at=max(busy.starts_at, start), ends_at=min(busy.ends_at, end))


def _spelled(time: BusyTime) -> bytes:
    stretches = [[each.starts_at.isoformat(), each.ends_at.isoformat(), each.title] for each in time.busy]
    return json.dumps({"busy": stretches, "warnings": time.warnings}).encode()


def _read_back(content: bytes) -> BusyTime:
    """Raises ValueError, TypeError or KeyError where it is not as `_spelled` has it."""
    document = json.loads(content)
    return BusyTime(
        busy=tuple(
            Busy(starts_at=datetime.fromisoformat(start), ends_at=datetime.fromisoformat(end), title=str(title))
            for start, end, title in document["busy"]
        ),
        warnings=tuple(map(str, document["warnings"])),
    )


def _joined(calendars: Iterable[feed.Calendar]) -> list[feed.Calendar]:
    """The same events in as few calendars as their time zones allow: a server puts each event into one of its own."""
    joined: list[feed.Calendar] = []
    for calendar in calendars:
        for whole in joined:
            if all(whole.zones.get(name, rules) == rules for name, rules in calendar.zones.items()):
                whole.components += calendar.components
                whole.zones |= calendar.zones
                break
        else:
            joined.append(calendar)
    return joined


def _taken(
    calendars: Iterable[feed.Calendar],
    name: str,
    start: datetime,
    end: datetime,
    zone: tzinfo,
    *,
    all_day: bool,
    warnings: tuple[str, ...] = (),
) -> BusyTime:
    """What these calendars block within [start, end)."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    notes = Notes()
    busy: list[Busy] = []
    for calendar in calendars:
        zones = Zones(zone, calendar.zones)
        events = [each for each in calendar.components if each.kind == "VEVENT" and not each.uid.endswith(OURS)]
        for each in occurrences(events, zones, start=start, end=end, notes=notes):
            if each.cancelled or each.component.word("TRANSP") == "TRANSPARENT":
                continue
            if isinstance(each.starts, datetime) and isinstance(each.ends, datetime):
                begins, stops = utc(each.starts), utc(each.ends)
            elif all_day:
                begins, stops = whole_days(each.starts, each.ends, zone)
            else:
                continue
            busy.append(Busy(starts_at=max(begins, start), ends_at=min(stops, end), title=each.component.title))
    return BusyTime(busy=merge(busy), warnings=warnings + notes.sentences(name))


def whole_days(first: date, end: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """The time from the first day's midnight to that of `end`, at least one day, on the student's own clock."""
    last = max(end, first + timedelta(days=1)) if first < date.max else first
    return (
        utc(datetime.combine(first, time(), tzinfo=zone)),
        utc(datetime.combine(last, time(), tzinfo=zone)),
    )
