"""When events happen: each at its time, those that repeat at each of theirs within a window.

Repetition is expanded by recurring_ical_events, in the event's own zone and with its exceptions, moved and cancelled
instances. It is imported where something repeats, and gets only rules that it can follow to the end in little time.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from gradent_cli.agents.study.feed import Component, Notes, Property, Zones, utc

if TYPE_CHECKING:
    import icalendar

MOST_TIMES = 3000
"""Instances of one event within a window; every hour for four months is 2,880."""
MOST_SERIES = 500
"""Events of one calendar whose repetition is followed."""

TOO_OFTEN = "took only the first time of {events} that cannot be followed (too often, too far, or no rule)"
CUT = "took only the first times of {events} that repeat too often"

_RULE_PART = re.compile(r"(INTERVAL|COUNT|UNTIL|WKST|BY[A-Z]+|FREQ)=([0-9A-Z,+-]+)")
_TIMES_OF_DAY = ("BYHOUR", "BYMINUTE", "BYSECOND")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that an event happens, [starts, ends): dates, or aware moments in the event's own zone.

    `original` is "" for what does not repeat, else when this instance was first meant to be; it stays when it moves.
    """

    component: Component
    starts: date | datetime
    ends: date | datetime
    original: str = ""

    @property
    def cancelled(self) -> bool:
        return self.component.word("STATUS") == "CANCELLED"


def occurrences(
    components: Iterable[Component], zones: Zones, *, start: datetime, end: datetime, notes: Notes
) -> Iterator[Occurrence]:
    """All times of all events: of those that repeat the ones within [start, end], of the others the one there is.

    A few from just before the window and cancelled ones are among them. Events without a usable start are left out and
    noted.
    """
    series: dict[str, list[Component]] = {}
    repeating: set[str] = set()
    for number, component in enumerate(components):
        uid = component.uid or f"\0{number}"
        series.setdefault(uid, []).append(component)
        if "RRULE" in component.properties or "RDATE" in component.properties:
            repeating.add(uid)
    followed = 0
    for uid, versions in series.items():
        usable = list(_usable(versions, zones, notes))
        if uid in repeating and usable:
            followed += 1
            found = _expand(usable, zones, start, end) if followed <= MOST_SERIES else None
            if found is not None:
                if len(found) > MOST_TIMES:
                    notes.add(CUT, usable[0].title)
                yield from found[:MOST_TIMES]
                continue
            notes.add(TOO_OFTEN, usable[0].title)
        for component in usable:
            span = zones.span(component)
            if span is not None:
                yield Occurrence(component, *span, original=_original(component, zones))


def _usable(versions: list[Component], zones: Zones, notes: Notes) -> Iterator[Component]:
    for component in versions:
        line = component.first("DTSTART")
        if line is None or zones.moment(line) is None:
            if component.word("STATUS") != "CANCELLED":
                notes.add("left out {events} without a usable date", component.title)
            continue
        if zones.unknown(line):
            notes.add("read {events} in your own time zone, because theirs is unknown", component.title)
        yield component


def _original(component: Component, zones: Zones) -> str:
    moment = zones.moment(component.first("RECURRENCE-ID"))
    return "" if moment is None else _stamp(moment)


def _stamp(moment: date | datetime) -> str:
    return f"{utc(moment):%Y%m%dT%H%M%SZ}" if isinstance(moment, datetime) else f"{moment:%Y%m%d}"


def _expand(versions: list[Component], zones: Zones, start: datetime, end: datetime) -> list[Occurrence] | None:
    """The instances within the window in order; None when the rule is not one that can be followed."""
    import icalendar
    import recurring_ical_events  # type: ignore[import-untyped]

    calendar = icalendar.Calendar()
    try:
        for number, component in enumerate(versions):
            event = _event(component, zones, number)
            if event is None:
                return None
            calendar.add_component(event)
        # The library measures how far to look back on the event's own clock, which a clock change shortens.
        found = recurring_ical_events.of(calendar).between(start - timedelta(days=1), end)
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError):
        # The ways in which dateutil and recurring_ical_events refuse what cannot be.
        return None
    return sorted(
        (
            Occurrence(
                versions[int(event["X-NUMBER"])],
                event["DTSTART"].dt,
                event["DTEND"].dt,
                _stamp(event["DTSTART" if "RANGE" in event["RECURRENCE-ID"].params else "RECURRENCE-ID"].dt),
            )
            for event in found
        ),
        key=lambda occurrence: (_stamp(occurrence.starts), occurrence.original),
    )


def _event(component: Component, zones: Zones, number: int) -> "icalendar.Event | None":
    """The event with all its times resolved, as recurring_ical_events takes it; None when it cannot be followed."""
    import icalendar

    span = zones.span(component)
    if span is None:
        return None
    event = icalendar.Event()
    event.add("UID", "series")
    event.add("X-NUMBER", str(number))
    event.add("SEQUENCE", component.sequence)
    event.add("DTSTART", span[0])
    event.add("DTEND", span[1])
    for line in component.properties.get("RRULE", [])[:1]:
        rule = _rule(line.value, span[0], zones)
        if rule is None:
            return None
        event.add("RRULE", icalendar.vRecur.from_ical(rule))
    for name in ("RDATE", "EXDATE"):
        moments = (moment for line in component.properties.get(name, []) for moment in _moments(line, zones))
        if some := list(islice(moments, MOST_TIMES)):
            event.add(name, some)
    again = component.first("RECURRENCE-ID")
    moment = zones.moment(again)
    if again is not None and moment is not None:
        later_too = "THISANDFUTURE" in again.parameters.upper()
        event.add("RECURRENCE-ID", moment, parameters={"RANGE": "THISANDFUTURE"} if later_too else {})
    return event


def _moments(line: Property, zones: Zones) -> Iterator[date | datetime]:
    """The dates or moments of an RDATE or EXDATE; of a period its start."""
    for value in line.value.split(","):
        moment = zones.moment(line._replace(value=value.partition("/")[0]))
        if moment is not None:
            yield moment


def _rule(text: str, first: date | datetime, zones: Zones) -> str | None:
    """The RRULE in a form that the library follows quickly and as its author meant it; None when there is none."""
    matches = (_RULE_PART.fullmatch(part.strip()) for part in text.upper().split(";"))
    parts = {match[1]: match[2] for match in matches if match is not None}
    a_day = 1
    for name in _TIMES_OF_DAY:
        a_day *= parts.get(name, "").count(",") + 1
    counts = [int(parts[name]) if parts[name].isdecimal() else 0 for name in ("INTERVAL", "COUNT") if name in parts]
    daily = parts.get("FREQ") in ("DAILY", "WEEKLY")
    if not (daily or parts.get("FREQ") in ("MONTHLY", "YEARLY")) or a_day > 24 or not all(counts):
        return None
    if daily and first.year < 1900:
        return None
    until = parts.pop("UNTIL", None)
    fixed = ";".join(f"{name}={value}" for name, value in parts.items())
    if not _ever_happens(fixed, first):
        return None
    return f"{fixed};UNTIL={_until(until, first, zones)}" if until else fixed


def _until(text: str, first: date | datetime, zones: Zones) -> str:
    """UNTIL in the type that DTSTART has, a day with all its hours: many calendars write it as a date all the same."""
    until = zones.parse(text, "")
    if until is None:
        raise ValueError(f"no usable UNTIL: {text}")
    if not isinstance(first, datetime):
        return f"{until:%Y%m%d}"
    if not isinstance(until, datetime):
        until = datetime.combine(until, time(23, 59, 59), tzinfo=first.tzinfo)
    return _stamp(until)


def _ever_happens(rule: str, first: date | datetime) -> bool:
    """Whether a rule has any time at all.

    The library looks for the next one until the year 9999, which takes it seconds for the 30th of February. The
    calendar repeats itself every 400 years to the weekday, so the last of these cycles shows the same at once.
    """
    from dateutil.rrule import rrulestr  # type: ignore[import-untyped]

    start = datetime.combine(first, time(0))
    cycles = (9999 - start.year) // 400
    shifted = start + cycles * timedelta(days=146_097)
    endless = ";".join(part for part in rule.split(";") if not part.startswith("COUNT="))
    return next(iter(rrulestr(endless, dtstart=shifted)), None) is not None
