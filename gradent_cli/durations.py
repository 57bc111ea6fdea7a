"""Durations as people write them: `90s`, `15min`, `1h30m`, `2d`, `2w`."""

import re
from datetime import timedelta

_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = r"(\d+(?:\.\d+)?)\s*(sec|s|min|m|h|d|w)\s*"
_LONGEST = timedelta(days=366)


def parse(text: str) -> timedelta:
    """`"1h30m"` -> 90 minutes. The parts add up; a bare number has no unit and is refused.

    Raises:
        ValueError: with a sentence that says what is allowed; also for less than a second or more than a year.
    """
    rest = text.strip()
    seconds = 0.0
    while rest:
        part = re.match(_PART, rest, re.IGNORECASE)
        if part is None:
            raise ValueError(f'{text!r} is not a duration; write "90s", "15min", "1h30m" or "2d"')
        seconds += float(part[1]) * _SECONDS[part[2].lower()]
        rest = rest[part.end() :]
    if not 1 <= seconds <= _LONGEST.total_seconds():
        raise ValueError(f"{text!r} is not a duration between one second and a year")
    return timedelta(seconds=seconds)


def spell(duration: timedelta) -> str:
    """The shortest text that `parse` reads back as the same whole number of seconds: 90 minutes -> `"1h30m"`."""
    seconds = round(duration.total_seconds())
    days, seconds = divmod(seconds, 86400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    text = "".join(f"{count}{unit}" for count, unit in parts if count)
    return text.replace("m", "min") if not (days or hours or seconds) and minutes else text or "0s"
