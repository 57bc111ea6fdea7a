"""A day or a moment as a person writes it, in a list or on the command line.

Of all that ISO 8601 has for a day only one form counts: nobody means a Monday by `2026-W49`, and digits in a row are
one slip away from another day.
"""

import re
from datetime import date, datetime, tzinfo

from gradent_cli.agents.study.feed import end_of_day, utc

_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?P<time>[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?",
    re.IGNORECASE,
)


def parse(text: str, zone: tzinfo) -> tuple[date | None, datetime]:
    """`2026-12-01`, or `2026-12-01T18:00` with seconds, with a zone, or with a blank for the `T`.

    Args:
        zone: the student's, of what is written without one.

    Returns:
        The day, or None where a time is said; and the moment in UTC, a day's being its end.

    Raises:
        ValueError: it is neither.
    """
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise ValueError("neither a day nor a moment")
    if form["time"] is None:
        day = date.fromisoformat(form[0])
        return day, end_of_day(day, zone)
    moment = datetime.fromisoformat(form[0].upper())
    return None, utc(moment if moment.tzinfo else moment.replace(tzinfo=zone))
