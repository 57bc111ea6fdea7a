"""How moments, lengths and names are said to the student."""

from datetime import datetime, timedelta, tzinfo

from gradent_cli.agents.study.records import Assignment
from gradent_cli.text import one_line

NEAR = timedelta(days=150)
"""Within so much of now everybody knows which year's a day is."""


def when(moment: datetime, zone: tzinfo, *, now: datetime | None = None) -> str:
    """`Fri 4 Dec 23:59` on the student's own clock; where `now` is given and far, `Fri 1 Jan 2021 01:00`."""
    there = local(moment, zone)
    return f"{there:%a} {there.day} {there:%b}{_year(there, now)} {there:%H:%M}"


def day(moment: datetime, zone: tzinfo, *, now: datetime | None = None) -> str:
    """`Friday 4 Dec` on the student's own clock, and the year as in `when`."""
    there = local(moment, zone)
    return f"{there:%A} {there.day} {there:%b}{_year(there, now)}"


def _year(there: datetime, now: datetime | None) -> str:
    return "" if now is None or abs(there - now) <= NEAR else f" {there.year}"


def local(moment: datetime, zone: tzinfo) -> datetime:
    """The moment on the student's own clock."""
    try:
        return moment.astimezone(zone)
    except OverflowError:  # the last or first hours of the calendar, which feeds use for "never"
        return moment


def length(minutes: int) -> str:
    """`45min`, `2h`, `3h 30min`."""
    hours, rest = divmod(minutes, 60)
    return " ".join(part for part in (f"{hours}h" if hours else "", f"{rest}min" if rest or not hours else "") if part)


def work(hours: float) -> str:
    """The same of hours with decimals: `1h 40min` of 1.6667."""
    return length(round(hours * 60))


def number(value: float) -> str:
    """`8`, `1.5`, `5.25`: no decimals that say nothing."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def hours(value: float) -> str:
    """`1 hour`, `1.5 hours`."""
    return f"{number(value)} hour{'' if value == 1 else 's'}"


def name(assignment: Assignment) -> str:
    """The title as one short line; a feed may have put anything into it."""
    return one_line(assignment.title, 80) or "Untitled"


def session_title(assignment: Assignment) -> str:
    """`Essay 1 (WRIT 101)`."""
    course = one_line(assignment.course or "", 40)
    return f"{name(assignment)} ({course})" if course else name(assignment)
