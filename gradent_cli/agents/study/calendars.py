"""Busy time in: when the student's own calendars say that time is taken.

An event blocks its time unless it lasts whole days, is marked as free (TRANSP:TRANSPARENT) or cancelled, or is one of
gradent's own study sessions.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Protocol

from gradent_cli.agents.study.cache import FeedCache
from gradent_cli.agents.study.feed import OURS, Notes, Zones, read_calendars, utc
from gradent_cli.agents.study.fetch import Place
from gradent_cli.agents.study.recurrence import occurrences
from gradent_cli.errors import ConfigError
from gradent_cli.records import Busy


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyTime:
    """What a calendar gave: taken time in order and without overlaps, and sentences on what could not be read."""

    busy: tuple[Busy, ...]
    warnings: tuple[str, ...] = ()


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
    kind: str, *, name: str, url: str | None, path: Path | None, cache: FeedCache | None = None
) -> Calendar:
    """The calendar of this kind; nothing is read yet. Exactly one of `url` and `path` is set.

    Raises:
        ConfigError: there is no such kind.
    """
    if kind != "ics":
        raise ConfigError(f"unknown kind of calendar {kind!r}", hint="there is ics")
    label = f"calendar '{name}'"
    return IcsCalendar(name=name, place=Place(label=label, expected="a calendar", url=url, path=path, cache=cache))


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
    """A calendar file or feed (RFC 5545)."""

    name: str
    place: Place

    def busy(self, *, start: datetime, end: datetime, zone: tzinfo) -> BusyTime:
        calendars, warnings = self.place.understand(lambda raw: read_calendars(self.place, raw))
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
                    begins, stops = max(utc(each.starts), start), min(utc(each.ends), end)
                    busy.append(Busy(starts_at=begins, ends_at=stops, title=each.component.title))
        return BusyTime(
            busy=merge(busy),
            warnings=tuple(f"{self.name}: {warning}" for warning in warnings) + notes.sentences(self.name),
        )
