"""Calendar feeds as the learning platforms and calendar programs write them: CRLF, folded at 75 octets."""

import base64
from datetime import UTC, date, datetime

Lines = list[str]

LONG_DESCRIPTION = "Read chapters four to six and answer the questions at the end of each. " * 6


def folded(line: str, *, fold: str = "\r\n ") -> bytes:
    """One content line in pieces of at most 75 octets; like many exporters it may tear a character apart."""
    raw = line.encode()
    pieces = [raw[:75], *(raw[at : at + 74] for at in range(75, len(raw), 74))]
    return fold.encode().join(pieces)


def ics(*components: Lines, product: str = "-//street//EN", fold: str = "\r\n ") -> bytes:
    """A calendar of components, each a list of lines from BEGIN to END."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{product}"]
    for component in components:
        lines += component
    return b"\r\n".join(folded(line, fold=fold) for line in [*lines, "END:VCALENDAR"]) + b"\r\n"


def vevent(*lines: str) -> Lines:
    return ["BEGIN:VEVENT", "DTSTAMP:20261001T120000Z", *lines, "END:VEVENT"]


def vtodo(*lines: str) -> Lines:
    return ["BEGIN:VTODO", "DTSTAMP:20261001T120000Z", *lines, "END:VTODO"]


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;").replace("\n", "\\n")


def stamp(moment: date) -> str:
    if isinstance(moment, datetime):
        return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return f"{moment:%Y%m%d}"


def canvas_assignment(
    id: int,
    title: str,
    course: str,
    due: date,
    *,
    override: int | None = None,
    section: str = "Section 2",
    html: str = "",
) -> Lines:
    """As canvas-lms's IcalEvent#to_ics; date-only ones with its doubled VALUE=DATE."""
    timed = isinstance(due, datetime)
    parameters = "" if timed else ";VALUE=DATE;VALUE=DATE"
    summary = title if override is None else f"{title} ({section})"
    uid = f"event-assignment-{id}" if override is None else f"event-assignment-override-{override}"
    return vevent(
        f"UID:{uid}",
        f"DTSTART{parameters}:{stamp(due)}",
        f"DTEND{parameters}:{stamp(due)}",
        "CLASS:PUBLIC",
        f"DESCRIPTION:{escaped(html)}",
        "SEQUENCE:0",
        f"SUMMARY:{escaped(summary)} [{course}]",
        f"URL;VALUE=URI:https://canvas.example.edu/calendar?include_contexts=course_39039&month=10&year=2026#assignment_{id}",
        *([f"X-ALT-DESC;FMTTYPE=text/html:{escaped(html)}"] if html else []),
    )


def canvas(*components: Lines) -> bytes:
    return ics(*components, product="icalendar-ruby")


def brightspace_item(
    number: int, summary: str, due: date, *, location: str = "2026 Fall Investment Analysis (FINC-400-02)"
) -> Lines:
    return vevent(
        f"UID:1000-{number}@brightspace.example.edu",
        f"SUMMARY:{escaped(summary)}",
        f"DTSTART:{stamp(due)}",
        f"DTEND:{stamp(due)}",
        f"LOCATION:{escaped(location)}",
    )


def brightspace(*components: Lines) -> bytes:
    return ics(*components, product="-//D2L//NONSGML v1.0//EN", fold="\r\n\t")


def moodle_event(number: int, summary: str, due: date, *, course: str = "ENG101") -> Lines:
    """As moodle's calendar/export_execute.php; dates without a time are what newer versions write."""
    return vevent(
        f"UID:{number}@moodle.example.edu",
        f"SUMMARY:{escaped(summary)}",
        "CLASS:PUBLIC",
        f"DTSTART{'' if isinstance(due, datetime) else ';VALUE=DATE'}:{stamp(due)}",
        *([f"DTEND:{stamp(due)}"] if isinstance(due, datetime) else []),
        f"CATEGORIES:{course}",
    )


def moodle(*components: Lines) -> bytes:
    return ics(*components, product="-//Moodle Pty Ltd//NONSGML Moodle Version 2024100700//EN", fold="\r\n\t")


def blackboard_item(number: int, summary: str, local: str, *, downloaded: str = "20260901T120000Z") -> Lines:
    return vevent(
        f"UID:{downloaded}-_blackboard.platform.gradebook2.GradableItem-_{number}_1@app011",
        f"SUMMARY:{escaped(summary)}",
        f"DTSTART;TZID=America/Denver:{local}",
        f"DTEND;TZID=America/Denver:{local}",
    )


def blackboard(*components: Lines) -> bytes:
    return ics(*components, product="-//BLACKBOARD//EN")


def schoology_item(number: int, summary: str, starts: date, ends: date, *, kind: str = "assignment") -> Lines:
    return vevent(
        f"UID:{number}@schoology.com",
        f"SUMMARY:{escaped(summary)}",
        f"DTSTART:{stamp(starts)}",
        f"DTEND:{stamp(ends)}",
        f"URL:https://app.schoology.com/{kind}/{number}",
    )


def secret_of(word: str) -> str:
    """A token to put into a test's URL, with the shape of a real one."""
    return base64.urlsafe_b64encode(word.encode() + b"0123456789abcdef").decode().rstrip("=")
