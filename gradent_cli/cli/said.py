"""What a person types for a length of work, a day, a number or a name, as the value that it means."""

import re
from datetime import date, datetime, timedelta, tzinfo

from gradent_cli import durations
from gradent_cli.agents.study import dates
from gradent_cli.errors import UsageError
from gradent_cli.text import one_line

_SAMPLE = "2026-12-01 or 2026-12-01T18:00"


def hours_of(text: str) -> float:
    """`"5h"` -> 5.0, an effort.

    Raises:
        UsageError: it is no duration, or none that an assignment can take.
    """
    try:
        length = durations.parse(text)
    except ValueError as error:
        raise UsageError(one_line(str(error)), hint='write it as "5h" or "1h30m"') from error
    hours = length / timedelta(hours=1)
    if not 1 / 60 <= hours <= 1000:
        raise UsageError(f"'{one_line(text, 60)}' is no effort from a minute to 1000 hours")
    return round(hours, 4)


def worked_at(text: str, *, now: datetime, zone: tzinfo) -> datetime:
    """When work ended: at this moment, or some time on this day, which is taken as the end of the day.

    Raises:
        UsageError: it is no date, or is to come.
    """
    day, moment = _date(text, zone)
    if day is not None and day == now.astimezone(zone).date():
        return now
    if moment > now:
        raise UsageError(f"'{one_line(text, 60)}' is in the future", hint="log work when it is done")
    return moment


def number_of(text: str, what: str, most: float) -> float:
    """`"20"`, `"12.5"` or `"20%"` -> 20.0: points, or percent of a grade.

    Raises:
        UsageError: it is no number from 0 to `most`.
    """
    given = text.strip().removesuffix("%").rstrip()
    value = float(given.replace(",", ".")) if re.fullmatch(r"[0-9]{1,9}(?:[.,][0-9]{1,9})?", given) else -1.0
    if not 0 <= value <= most:
        raise UsageError(f"{what} has to be a number from 0 to {most:g}, not '{one_line(text, 60)}'")
    return value


def name_of(text: str, what: str) -> str:
    """A title or course as one harmless line.

    Raises:
        UsageError: nothing is left of it.
    """
    name = one_line(text, 200)
    if not name:
        raise UsageError(f"{what} has to have letters in it")
    return name


def due_at(text: str, *, zone: tzinfo) -> datetime | None:
    """A due date: this moment, the end of this day, or None for `"none"`.

    Raises:
        UsageError: it is none of these.
    """
    return None if text.strip().lower() == "none" else _date(text, zone)[1]


def _date(text: str, zone: tzinfo) -> tuple[date | None, datetime]:
    """The day when no time is said, and the moment; what has no zone is on the student's own clock."""
    try:
        return dates.parse(text, zone)
    except ValueError as error:
        raise UsageError(f"'{one_line(text, 60)}' is not a date", hint=f"write it as {_SAMPLE}") from error
