"""What a calendar file or feed says, read as tolerantly as feeds are written (RFC 5545).

Only the structure and the properties that matter here are read, so that a line that means nothing costs itself and
never the feed, and 10,000 events cost about a second instead of icalendar's five. What repeats is left to icalendar
and recurring_ical_events, see `recurrence`.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gradent_cli.agents.study.fetch import UTF_16_MARKS, Place, decode
from gradent_cli.agents.study.plan_ics import UID_DOMAIN
from gradent_cli.text import count, one_line

OURS = f"@{UID_DOMAIN}"
"""How the UIDs of gradent's own study sessions end; they are neither work nor taken time."""

# fmt: off
_WANTED = frozenset((
    "UID", "SUMMARY", "DESCRIPTION", "X-ALT-DESC", "URL", "LOCATION", "CATEGORIES", "STATUS", "TRANSP", "SEQUENCE",
    "LAST-MODIFIED", "DTSTART", "DTEND", "DUE", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID",
))
# fmt: on
_PROSE = frozenset(("SUMMARY", "DESCRIPTION", "X-ALT-DESC"))
_FOLD = re.compile(rb"\r?\n[ \t]")
_TEXT_FOLD = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(r"(?P<name>[A-Za-z0-9-]+)(?P<parameters>(?:;(?:[^\":]|\"[^\"]*\")*)?):(?P<value>.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LONGEST_TEXT = 20_000
"""Characters of a property that are looked at."""
MOST_EVENTS = 50_000
"""Events and to-dos of one feed: twenty years of a full calendar, and some hundred megabytes of memory."""
_MOST_LINES = 3000
"""Lines of the same name in one event, and lines of a time zone; nothing that means something has so many."""
_CONTENT = re.compile(r"[^\n]+")


class Property(NamedTuple):
    """One line: `parameters` as they stand there (";TZID=Europe/Paris"), and the value with its escapes."""

    parameters: str
    value: str


@dataclass(slots=True)
class Component:
    """A VEVENT or VTODO. A property that may stand there once counts as it stands first."""

    kind: str
    properties: dict[str, list[Property]] = field(default_factory=dict)

    def first(self, name: str) -> Property | None:
        found = self.properties.get(name)
        return found[0] if found else None

    def text(self, name: str) -> str:
        """A TEXT value without its escapes, "" where there is none."""
        found = self.properties.get(name)
        return unescape(found[0].value) if found else ""

    def word(self, name: str) -> str:
        """A value that is one of a few words, in capitals."""
        return self.text(name).strip().upper()

    @property
    def uid(self) -> str:
        return one_line(self.text("UID"))

    @property
    def title(self) -> str:
        return one_line(self.text("SUMMARY"), 200)

    @property
    def sequence(self) -> int:
        word = self.word("SEQUENCE")
        return int(word) if re.fullmatch(r"[0-9]{1,9}", word) else 0


@dataclass(slots=True)
class Calendar:
    """One VCALENDAR. `zones` are the VTIMEZONE lines it brings along, by TZID."""

    product: str = ""
    components: list[Component] = field(default_factory=list)
    zones: dict[str, list[str]] = field(default_factory=dict)


def read_calendars(place: Place, raw: bytes) -> tuple[list[Calendar], tuple[str, ...]]:
    """The calendars in `raw` (some servers put several into one file), and warnings about its encoding.

    Raises:
        SourceError: it is not a calendar, or only the first part of one: what is missing would look like work that
            was taken back.
    """
    if raw.startswith(UTF_16_MARKS):
        text, warnings = decode(raw)
        text = _TEXT_FOLD.sub("", text)
    else:
        # Folds go first: they count octets and may have torn a character apart.
        text, warnings = decode(_FOLD.sub(b"", raw))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    reader = _Reader()
    for line in _CONTENT.finditer(text):
        reader.take(line[0])
        if reader.begun > MOST_EVENTS:
            raise place.refusal(f"it has more than {MOST_EVENTS:,} events, and no more are read")
    if not reader.calendars:
        raise place.refusal(_not_a_calendar(text))
    if reader.inside:
        raise place.refusal("it stops half way (END:VCALENDAR is missing), so nothing of it is used")
    return reader.calendars, warnings


def _not_a_calendar(text: str) -> str:
    if not text.strip():
        return "it is empty"
    if "invalid authentication" in text[:500].lower():
        # Moodle says so with HTTP 200 (calendar/export_execute.php): its link is made from the password.
        return "Moodle no longer accepts the link; export the calendar there again and copy the new link"
    return "it is not a calendar (BEGIN:VCALENDAR is missing)"


class _Reader:
    """Takes line by line; a component that is never closed ends where the next one begins."""

    def __init__(self) -> None:
        self.calendars: list[Calendar] = []
        self.inside = False
        self.begun = 0
        self._component: Component | None = None
        self._zone: list[str] | None = None
        self._skipped = ""
        self._last: list[Property] | None = None

    def take(self, line: str) -> None:
        name, parameters, value = _split(line)
        if name == "BEGIN":
            self._begin(value.strip().upper())
        elif name == "END":
            self._end(value.strip().upper())
        elif not self.inside or self._skipped:
            return
        elif self._zone is not None:
            if len(self._zone) < _MOST_LINES:
                self._zone.append(line)
        elif self._component is None:
            if name == "PRODID":
                self.calendars[-1].product = value
        elif name in _WANTED:
            lines = self._component.properties.setdefault(name, [])
            if len(lines) < _MOST_LINES:
                lines.append(Property(parameters, value))
            self._last = lines if name in _PROSE else None
        elif name:
            self._last = None
        elif self._last and len(self._last[-1].value) < _LONGEST_TEXT:
            # A line that is none: a newline that somebody forgot to escape.
            torn = self._last[-1]
            self._last[-1] = torn._replace(value=f"{torn.value}\\n{line}")

    def _begin(self, name: str) -> None:
        if name in ("VCALENDAR", "VEVENT", "VTODO", "VTIMEZONE"):
            self.begun += 1
        if name == "VCALENDAR":
            self.calendars.append(Calendar())
            self.inside = True
            self._close()
        elif name in ("VEVENT", "VTODO"):
            self._close()
            if self.inside:
                self._component = Component(name)
                self.calendars[-1].components.append(self._component)
        elif name == "VTIMEZONE":
            self._close()
            self._zone = []
        elif self._zone is not None:
            self._zone.append(f"BEGIN:{name}")
        else:
            self._skipped = self._skipped or name

    def _end(self, name: str) -> None:
        if name == "VCALENDAR":
            self.inside = False
            self._close()
        elif name == "VTIMEZONE" and self._zone is not None and self.inside:
            tzid = next((value for name, _, value in map(_split, self._zone) if name == "TZID"), "")
            self.calendars[-1].zones[tzid.strip()] = self._zone
            self._zone = None
        elif self._zone is not None:
            self._zone.append(f"END:{name}")
        elif self._skipped:
            if name == self._skipped:
                self._skipped = ""
        elif name in ("VEVENT", "VTODO"):
            self._close()

    def _close(self) -> None:
        self._component = self._zone = self._last = None
        self._skipped = ""


def _split(line: str) -> tuple[str, str, str]:
    """Name in capitals, parameters, value; the name is "" where the line is no property."""
    head, colon, value = line.partition(":")
    if '"' in head:
        quoted = _LINE.fullmatch(line)
        return (quoted["name"].upper(), quoted["parameters"], quoted["value"]) if quoted else ("", "", "")
    name, _, parameters = head.partition(";")
    name = name.strip()
    if not colon or not name.isascii() or not name.replace("-", "").isalnum():
        return "", "", ""
    return name.upper(), parameters, value


def unescape(value: str) -> str:
    """A TEXT value as it is meant (RFC 5545 3.3.11), no longer than anybody needs."""
    value = value[:_LONGEST_TEXT]
    if "\\" not in value:
        return value
    return _ESCAPE.sub(lambda escape: "\n" if escape[1] in "nN" else escape[1], value)


# ── moments ────────────────────────────────────────────────────────────────────────────────────────────────────────

EARLIEST = datetime(1, 1, 3, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 9, 59, tzinfo=UTC)
"""Beyond these a moment could not be told in every zone: here it is still the year's last day in Kiritimati, 14 hours
ahead, and almost everywhere else."""

_MOMENT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})?(Z?))?", re.IGNORECASE)
_DURATION = re.compile(
    r"\+?P(?:([0-9]{1,4})W)?(?:([0-9]{1,5})D)?(?:T(?:([0-9]{1,6})H)?(?:([0-9]{1,7})M)?(?:([0-9]{1,9})S)?)?",
    re.IGNORECASE,
)
_TZID = re.compile(r"(?:^|;)\s*TZID\s*=\s*(?:\"([^\"]*)\"|([^;]*))", re.IGNORECASE)


def utc(moment: datetime) -> datetime:
    """`moment` in UTC, moved to within what every zone can tell; years 1 and 9999 do turn up in feeds."""
    try:
        return min(max(moment.astimezone(UTC), EARLIEST), LATEST)
    except OverflowError:
        return LATEST if moment.year > 1 else EARLIEST


def end_of_day(day: date, zone: tzinfo) -> datetime:
    """23:59 of that day on the student's own clock, in UTC: what a due date without a time means."""
    return utc(datetime.combine(day, time(23, 59), tzinfo=zone))


class Zones:
    """The time zones of one calendar by the names it gives them.

    A name that the zone database knows means that zone whatever rules the calendar ships with it: Brightspace ships
    wrong ones. Then come Windows' names (CLDR's table, as icalendar has it), then the shipped rules, then the
    student's own zone; `unknown` is true of names that ended there.

    Args:
        own: the student's zone, which is also that of floating times.
    """

    def __init__(self, own: tzinfo, shipped: dict[str, list[str]]) -> None:
        self.own = own
        self._shipped = shipped
        self._found: dict[str, tzinfo | None] = {}

    def of(self, tzid: str) -> tzinfo:
        if tzid not in self._found:
            self._found[tzid] = _zone(tzid) or _windows_zone(tzid) or _shipped_zone(self._shipped.get(tzid, []))
        return self._found[tzid] or self.own

    def unknown(self, line: Property) -> bool:
        """Whether the student's zone stands in for one that nobody knows."""
        tzid = _tzid(line.parameters)
        return tzid in self._found and self._found[tzid] is None

    def moment(self, line: Property | None) -> date | datetime | None:
        """A date, or an aware moment in its own zone; None where there is none or it cannot be read.

        The text decides which of the two it is: VALUE=DATE is missing or doubled in many feeds.
        """
        if line is None:
            return None
        return self.parse(line.value, _tzid(line.parameters))

    def parse(self, text: str, tzid: str) -> date | datetime | None:
        # An unquoted TZID with a colon in it leaves its rest in the value.
        match = _MOMENT.fullmatch(text.rpartition(":")[2].strip())
        if match is None:
            return None
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
        try:
            if match[4] is None:
                return date(year, month, day)
            zone = UTC if match[7] else self.of(tzid) if tzid else self.own
            return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)
        except ValueError:
            return None

    def span(self, component: Component) -> tuple[date | datetime, date | datetime] | None:
        """When an event begins and ends; None without a usable start.

        Without DTEND and DURATION, or with an end that lies before the start, it ends where it starts.
        """
        start = self.moment(component.first("DTSTART"))
        if start is None:
            return None
        end = self.moment(component.first("DTEND")) or _later(start, component.word("DURATION"))
        if end is None or isinstance(end, datetime) is not isinstance(start, datetime) or end < start:
            end = start
        return start, end


def _later(start: date | datetime, duration: str) -> date | datetime | None:
    """Days are the calendar's, hours the clock's (RFC 5545 3.3.6)."""
    match = _DURATION.fullmatch(duration)
    if match is None:
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    try:
        end = start + timedelta(weeks=weeks, days=days)
        if isinstance(end, datetime):
            end = (end.astimezone(UTC) + timedelta(hours=hours, minutes=minutes, seconds=seconds)).astimezone(
                end.tzinfo
            )
    except OverflowError:
        return None
    return end


def _tzid(parameters: str) -> str:
    match = _TZID.search(parameters) if parameters else None
    return (match[1] or match[2] or "").strip() if match else ""


def _zone(tzid: str) -> tzinfo | None:
    """By the zone database's name, also behind a vendor's prefix ("/freeassociation.sourceforge.net/Europe/Paris")."""
    parts = tzid.strip("/").split("/")
    names = ["/".join(parts[first:]) for first in range(min(len(parts), 6))] if tzid.startswith("/") else [tzid]
    for name in names:
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # unknown; not a name; a folder of the database
            continue
    return None


def _windows_zone(tzid: str) -> tzinfo | None:
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    name = WINDOWS_TO_OLSON.get(tzid)
    return _zone(name) if name else None


# Rules that repeat other than yearly, or a thousand of them, are no time zone but a way to keep us busy for ever.
_ZONE_LINE = re.compile(
    r"(?:BEGIN|END):(?:STANDARD|DAYLIGHT)"
    r"|DTSTART:[0-9]{8}T[0-9]{6}"
    r"|TZOFFSET(?:FROM|TO):[+-](?:0[0-9]|1[0-5])[0-5][0-9]"
    r"|RRULE:FREQ=YEARLY(?:;(?:BYMONTH=[0-9]{1,2}|BYDAY=[+-]?[1-5]?(?:MO|TU|WE|TH|FR|SA|SU)|UNTIL=[0-9]{8}T[0-9]{6}Z|INTERVAL=1"
    r"|WKST=[A-Z]{2}))*",
    re.IGNORECASE,
)


def _shipped_zone(lines: list[str]) -> tzinfo | None:
    """The zone that a VTIMEZONE describes, from the lines of it that matter; None where it is not one."""
    kept = [line.strip() for line in lines if _ZONE_LINE.fullmatch(line.strip())]
    if not kept or len(kept) > 100:
        return None
    import icalendar

    block = "\r\n".join(["BEGIN:VTIMEZONE", "TZID:shipped", *kept, "END:VTIMEZONE", ""])
    try:
        component = icalendar.Timezone.from_ical(block)
        if not isinstance(component, icalendar.Timezone):
            return None
        zone: tzinfo = component.to_tz(lookup_tzid=False)
        datetime(2026, 1, 1, tzinfo=zone).utcoffset()
    except (ValueError, LookupError, TypeError, AttributeError):  # the ways in which dateutil refuses rules
        return None
    return zone


# ── what had to be left out ────────────────────────────────────────────────────────────────────────────────────────


class Notes:
    """Gathers what was not taken as it stands, and says it in one sentence for each reason.

    Args:
        noun: what there is, one of them.
    """

    def __init__(self, noun: str = "event") -> None:
        self._noun = noun
        self._titles: dict[str, list[str]] = {}

    def add(self, reason: str, title: str) -> None:
        """`reason` has a place for the count: "left out {events} without a usable date"."""
        self._titles.setdefault(reason, []).append(title or "Untitled")

    def sentences(self, name: str) -> tuple[str, ...]:
        return tuple(
            f"{name}: {reason.format(events=count(len(titles), self._noun))}: {_some(titles)}"
            for reason, titles in self._titles.items()
        )


def _some(titles: list[str]) -> str:
    shown = ", ".join(f"'{one_line(title, 60)}'" for title in titles[:3])
    return shown if len(titles) <= 3 else f"{shown} and {len(titles) - 3} more"
