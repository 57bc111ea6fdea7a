"""Assignments from a calendar file or feed: a learning platform's, or one that a person keeps deadlines in.

What counts as work is the platform's own (`dialects`). In any other calendar everything does: an event is due when it
starts, a to-do by its DUE, whatever has a date and no time at 23:59 of its (last) day. An event that both lasts
and repeats is a lecture and left out. A deadline that repeats is an assignment each time.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from hashlib import sha256

from gradent_cli.agents.study.feed import Component, Notes, Property, Zones, end_of_day, read_calendars, utc
from gradent_cli.agents.study.fetch import Place
from gradent_cli.agents.study.records import Assignment
from gradent_cli.agents.study.recurrence import Occurrence, occurrences
from gradent_cli.agents.study.sources import Harvest, by_due_date
from gradent_cli.agents.study.sources.dialects import Reading, Work, understand
from gradent_cli.agents.study.sources.html import is_html, plain
from gradent_cli.text import clean, cut_characters, one_line

BEHIND, AHEAD = timedelta(days=30), timedelta(days=120)
"""The window in which a deadline that repeats is unrolled."""
MOST_DEADLINES = 500
"""Deadlines that one repeating event can make."""

_WHY_GUESSED = {
    True: "the platform's language is not English",
    False: "no English phrase in the title says what happens then",
}
"""By whether no title at all is understood."""
_LINK = re.compile(r"https?://[!-~]{1,2000}", re.IGNORECASE)
_POINTS = re.compile(
    r"\bpoints(?: possible)?: ?([0-9]{1,4}(?:\.[0-9]{1,2})?)\b(?! ?%)"
    r"|\b(?:out of|worth) ([0-9]{1,4}(?:\.[0-9]{1,2})?) (?:points|pts)\b"
    r"|\b([0-9]{1,4}(?:\.[0-9]{1,2})?) (?:points|pts) possible\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IcsSource:
    """A calendar file or feed with assignments in it."""

    name: str
    place: Place

    def read(self, *, now: datetime, zone: tzinfo) -> Harvest:
        calendars, warnings = self.place.understand(lambda raw: read_calendars(self.place, raw))
        notes = Notes()
        newest: dict[str, _Found] = {}
        readings = [(understand(calendar), Zones(zone, calendar.zones)) for calendar in calendars]
        bearers = _Bearers((each, zones) for reading, zones in readings for each in reading.work)
        for reading, zones in readings:
            apart = replace(reading, work=[bearers.own(each, zones) for each in reading.work])
            for found in _deadlines(apart, zones, now, notes):
                known = newest.get(found.key)
                if known is None or found.beats(known):
                    newest[found.key] = found
        return Harvest(
            assignments=by_due_date(self._assignment(found) for found in newest.values()),
            warnings=tuple(f"{self.name}: {warning}" for warning in warnings) + notes.sentences(self.name),
        )

    def _assignment(self, found: "_Found") -> Assignment:
        component, work = found.work.component, found.work
        description = _description(component)
        link = component.text("URL").strip()
        return Assignment(
            source=self.name,
            key=found.key,
            title=work.title or "Untitled",
            due_at=found.due_at,
            course=one_line(work.course, 200) if work.course else None,
            description=description,
            url=link if _LINK.fullmatch(link) else None,
            points=_points(description),
            done=component.word("STATUS") == "COMPLETED" if component.kind == "VTODO" else None,
        )


@dataclass(frozen=True, slots=True)
class _Found:
    work: Work
    key: str
    due_at: datetime | None

    def beats(self, other: "_Found") -> bool:
        """Which of two with the same key is true: the student's own date, the newer version, then the earlier date."""
        mine, theirs = ((each.work.precedence, *_version(each.work.component)) for each in (self, other))
        if mine != theirs:
            return mine > theirs
        return self.due_at is not None and (other.due_at is None or self.due_at < other.due_at)


class _Bearers:
    """Which work bears which UID: one alone, says RFC 5545 (3.8.4.7), but there are programs that give it to several.

    Those are told apart by their titles, all of them, so that none takes the place of one that is gone; where titles
    are the same, by their dates. What differs in its version is one thing that was changed.
    """

    def __init__(self, works: Iterable[tuple[Work, Zones]]) -> None:
        self._borne: dict[str, dict[tuple[int, str], set[tuple[str, str]]]] = {}
        self._series: dict[str, list[str]] = {}
        for work, zones in works:
            component = work.component
            if not component.uid or "RECURRENCE-ID" in component.properties:
                continue
            versions = self._borne.setdefault(component.uid, {})
            versions.setdefault(_version(component), set()).add((work.title, _moment(component, zones)))
            if "RRULE" in component.properties or "RDATE" in component.properties:
                self._series.setdefault(component.uid, []).append(work.title)

    def own(self, work: Work, zones: Zones) -> Work:
        """The same work, under a key of its own where its UID is not."""
        component, title = work.component, work.title
        versions = self._borne.get(component.uid, {})
        if all(len(borne) == 1 for borne in versions.values()):
            return work
        names = [title]
        if "RECURRENCE-ID" in component.properties:
            series = self._series.get(component.uid, [title])
            names = [title if title in series else series[0]]
        elif any(sum(other == title for other, _ in borne) > 1 for borne in versions.values()):
            names.append(_moment(component, zones))
        digest = sha256("\0".join(names).encode()).hexdigest()
        key = f"{work.key}-{digest[:16]}"
        component.properties["UID"] = [Property("", key)]  # for what follows repetitions, which goes by the UID
        return replace(work, key=key)


def _moment(component: Component, zones: Zones) -> str:
    moment = zones.moment(component.first("DUE") or component.first("DTSTART"))
    return f"{utc(moment) if isinstance(moment, datetime) else moment}"


def _deadlines(reading: Reading, zones: Zones, now: datetime, notes: Notes) -> Iterator[_Found]:
    work = {id(each.component): each for each in reading.work}
    lectures = {
        each.key
        for each in reading.work
        if (each.guessed or "RRULE" in each.component.properties) and _lasts(each.component, zones)
    }
    # In a feed whose titles are understood, what lasts without a phrase is somebody's meeting, and needs no word.
    doubtful = reading.foreign or any(each.guessed and each.key not in lectures for each in reading.work)
    dated: list[Component] = []
    for each in reading.work:
        component = each.component
        if component.kind == "VTODO":
            if not _due_as_start(component):
                yield _Found(each, each.key, None)
                continue
        elif each.key in lectures:
            why = "lasting some time" if each.guessed else "lasting and repeating"
            if "RECURRENCE-ID" not in component.properties and (doubtful or not each.guessed):
                notes.add(f"left out {{events}} for {why}, as lectures do", each.title)
            continue
        dated.append(component)
        if each.guessed:
            notes.add(f"took {{events}} as due, because {_WHY_GUESSED[reading.foreign]}", each.title)
    times: dict[str, int] = {}
    for occurrence in occurrences(dated, zones, start=now - BEHIND, end=now + AHEAD, notes=notes):
        each = work[id(occurrence.component)]
        times[each.key] = times.get(each.key, 0) + 1
        if times[each.key] == MOST_DEADLINES + 1:
            notes.add(f"took only the first {MOST_DEADLINES} times of {{events}}", each.title)
        if times[each.key] > MOST_DEADLINES or occurrence.cancelled:
            continue
        key = f"{each.key}/{occurrence.original}" if occurrence.original else each.key
        yield _Found(each, key, _due(occurrence, zones.own))


def _version(component: Component) -> tuple[int, str]:
    return component.sequence, component.word("LAST-MODIFIED")


def _due_as_start(component: Component) -> bool:
    """Make a to-do look like an event at its due date; False where it has no date at all."""
    due = component.properties.pop("DUE", None) or component.properties.get("DTSTART")
    component.properties.pop("DURATION", None)
    if due is None:
        return False
    component.properties["DTSTART"] = due
    return True


def _lasts(component: Component, zones: Zones) -> bool:
    span = zones.span(component)
    return span is not None and isinstance(span[0], datetime) and span[0] < span[1]


def _due(occurrence: Occurrence, zone: tzinfo) -> datetime:
    if isinstance(occurrence.starts, datetime):
        return utc(occurrence.starts)
    return end_of_day(max(occurrence.starts, occurrence.ends - timedelta(days=1)), zone)


def _description(component: Component) -> str:
    text = component.text("DESCRIPTION") or component.text("X-ALT-DESC")
    text = plain(text) if is_html(text) else text
    return cut_characters(clean(text).strip(), 4000)


def _points(description: str) -> float | None:
    match = _POINTS.search(description)
    return float(next(number for number in match.groups() if number)) if match else None
