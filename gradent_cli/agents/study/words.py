"""How moments, lengths and names are said to the student."""

from datetime import datetime, tzinfo

from gradent_cli.records import Assignment
from gradent_cli.text import one_line


def when(moment: datetime, zone: tzinfo) -> str:
    """`Fri 4 Dec 23:59` on the student's own clock."""
    there = local(moment, zone)
    return f"{there:%a} {there.day} {there:%b %H:%M}"


def day(moment: datetime, zone: tzinfo) -> str:
    """`Friday 4 Dec` on the student's own clock."""
    there = local(moment, zone)
    return f"{there:%A} {there.day} {there:%b}"


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
