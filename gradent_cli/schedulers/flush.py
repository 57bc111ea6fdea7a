"""When what quiet hours held is sent: at their end, in the time of the scheduler and the words of cron."""

from datetime import UTC, datetime, timedelta, tzinfo

# The rules of a zone come round every year, so that any year shows how far apart two zones can be. That it is the same
# one whenever it is asked keeps what is installed from differing by the date alone.
_YEAR = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_DAYS = 365


def expression(quiet_hours: str, student: tzinfo, scheduler: tzinfo) -> str:
    """Five fields in the scheduler's time that fire when the quiet hours in the student's end.

    Of two zones that change their clocks apart, every time that the end ever is; a flush too early finds all of it
    still held, and the next one sends it.

    Args:
        quiet_hours: `"22:30-07:00"` as the config normalises it.
    """
    hour, minute = int(quiet_hours[6:8]), int(quiet_hours[9:])
    walls = {
        (there.hour, there.minute)
        for day in range(_DAYS)
        if (there := _elsewhere(_YEAR + timedelta(days=day, hours=hour, minutes=minute), student, scheduler))
    }
    minutes, hours = sorted({minute for _, minute in walls}), sorted({hour for hour, _ in walls})
    return f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"


def _elsewhere(wall: datetime, zone: tzinfo, other: tzinfo) -> datetime | None:
    """What the other clock shows when this one shows `wall`; None where it never does."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    return moment.astimezone(other) if moment.astimezone(zone).replace(tzinfo=None) == wall else None
