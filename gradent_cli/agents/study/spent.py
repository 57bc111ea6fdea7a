"""How long somebody worked, as they say it."""

import re
from datetime import timedelta

from gradent_cli import durations
from gradent_cli.errors import UsageError
from gradent_cli.text import one_line

_LONGEST = timedelta(hours=24)
"""Of one entry in the log."""
_NONE = re.compile(r"0+\s*(?:s|sec|m|min|h)?", re.IGNORECASE)


def minutes_of(text: str) -> int:
    """`"1h30m"` -> 90; `"0min"` says that there was no work.

    Raises:
        UsageError: it is no duration, or one that nobody works at a stretch.
    """
    if _NONE.fullmatch(text.strip()):
        return 0
    try:
        length = durations.parse(text)
    except ValueError as error:
        raise UsageError(one_line(str(error)), hint='write it as "1h30m" or "45min"') from error
    if length > _LONGEST:
        raise UsageError(f"'{one_line(text, 60)}' is more than a day holds", hint="log each day's work with --on")
    if length < timedelta(minutes=1):
        raise UsageError(f"'{one_line(text, 60)}' is less than a minute", hint='"0min" says that there was no work')
    return round(length.total_seconds() / 60)
