"""When what quiet hours held is sent, in the scheduler's own time."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest

from gradent_cli.frequency import next_times
from gradent_cli.notify import noise
from gradent_cli.schedulers import flush

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NEW_YORK = ZoneInfo("America/New_York")
KATHMANDU = ZoneInfo("Asia/Kathmandu")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


@pytest.mark.parametrize(
    ("hours", "student", "scheduler", "fields"),
    [
        ("22:30-07:00", AMSTERDAM, AMSTERDAM, "0 7 * * *"),
        ("22:30-24:00", AMSTERDAM, AMSTERDAM, "0 0 * * *"),
        ("22:30-02:30", AMSTERDAM, AMSTERDAM, "30 2 * * *"),
        ("22:30-07:05", UTC, UTC, "5 7 * * *"),
        ("22:30-07:00", AMSTERDAM, UTC, "0 5,6 * * *"),
        ("22:30-07:00", UTC, AMSTERDAM, "0 8,9 * * *"),
        ("22:30-07:00", NEW_YORK, AMSTERDAM, "0 12,13 * * *"),
        ("22:30-07:00", KATHMANDU, UTC, "15 1 * * *"),
        ("22:30-07:00", LORD_HOWE, UTC, "0,30 20 * * *"),
        ("20:00-24:00", AMSTERDAM, UTC, "0 22,23 * * *"),
    ],
)
def test_the_end_is_told_in_the_schedulers_time(hours: str, student: tzinfo, scheduler: tzinfo, fields: str):
    """One time of day where both live in one zone; else each that the end ever has there."""
    assert flush.expression(hours, student, scheduler) == fields


@pytest.mark.parametrize("hours", ["22:30-07:00", "01:30-02:10", "18:00-24:00"])
@pytest.mark.parametrize("scheduler", [AMSTERDAM, UTC, NEW_YORK])
@pytest.mark.parametrize("student", [AMSTERDAM, NEW_YORK, LORD_HOWE])
def test_every_end_of_a_year_is_met(hours: str, student: ZoneInfo, scheduler: tzinfo):
    """Within an hour of each end there is a flush at which it is not quiet, also when the clocks change."""
    start, stop = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    flushes = list(takewhile(stop.__gt__, next_times(flush.expression(hours, student, scheduler), start, scheduler)))
    useful = [moment for moment in flushes if noise.quiet_until(moment, hours, student) is None]
    for end in ends(hours, student, date(2026, 1, 2), 360):
        late = min(moment for moment in useful if moment >= end) - end
        assert late <= timedelta(hours=1), (end, late)


def ends(hours: str, zone: ZoneInfo, first: date, days: int) -> list[datetime]:
    """The end of the quiet hours that each day has begun."""
    begun = (
        datetime.combine(first + timedelta(days=day), time.fromisoformat(hours[:5]), zone) + timedelta(minutes=1)
        for day in range(days)
    )
    found = (noise.quiet_until(moment.astimezone(UTC), hours, zone) for moment in begun)
    return [end for end in found if end is not None]
