"""The plan as a calendar file that any calendar program can subscribe to or import (RFC 5545, RFC 7986).

The same sessions always give the same bytes: DTSTAMP is when a session was last changed, never the present moment.
Times are UTC, so the file needs no time zones.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from gradent_cli.agents.study.records import Session

KEEP_PAST = timedelta(days=30)
"""Sessions that are over stay in the calendar file for so long."""

UID_DOMAIN = "gradent"

PRODUCT = "-//gradent//study plan//EN"
"""Another program that changes an event puts its own name in this one's place."""

_HEAD = (
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    f"PRODID:{PRODUCT}",
    "CALSCALE:GREGORIAN",
)
_FEED = (
    "METHOD:PUBLISH",
    "NAME:Study plan",
    "X-WR-CALNAME:Study plan",
    "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
    "X-PUBLISHED-TTL:PT1H",
)


def render(sessions: Iterable[Session]) -> bytes:
    """One VCALENDAR with one VEVENT for each session, in the order given.

    The UID is the session's id, so a session that moves stays the same event for the calendar program.
    """
    lines = [*_HEAD, *_FEED]
    for session in sessions:
        lines += _event(session)
    return _folded_lines(lines)


def render_event(session: Session) -> bytes:
    """The same event alone, as a CalDAV server takes it: without METHOD (RFC 4791 4.1)."""
    return _folded_lines([*_HEAD, *_event(session)])


def _event(session: Session) -> tuple[str, ...]:
    return (
        "BEGIN:VEVENT",
        f"UID:{session.id}@{UID_DOMAIN}",
        f"DTSTAMP:{_utc(session.changed_at or session.starts_at)}",
        f"DTSTART:{_utc(session.starts_at)}",
        f"DTEND:{_utc(session.ends_at)}",
        f"SEQUENCE:{session.sequence}",
        f"SUMMARY:{_escaped(session.title)}",
        "CATEGORIES:gradent",
        "END:VEVENT",
    )


def _folded_lines(lines: Iterable[str]) -> bytes:
    return b"".join(_folded(line) for line in (*lines, "END:VCALENDAR"))


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    """TEXT (RFC 5545 3.3.11)."""
    text = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return "\\n".join(text.splitlines())


def _folded(line: str) -> bytes:
    """The line in pieces of at most 75 octets, no character torn apart (RFC 5545 3.1)."""
    folded, piece = [], b""
    for character in line:
        octets = character.encode()
        if len(piece) + len(octets) > 75:
            folded.append(piece)
            piece = b" "
        piece += octets
    return b"\r\n".join([*folded, piece]) + b"\r\n"
