"""What the table says of the nights on which the clock changes, judged by cron's own rule and by cronsim."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli.frequency import FREQUENCIES, cron_expression, next_times, parse_at

ANCHORS = ["00:00", "00:07", "00:45", "01:30", "01:59", "02:00", "02:15", "02:30", "02:45", "02:59", "03:00", "23:59"]
LINES = {(key, at): cron_expression(key, parse_at(at)) for key in FREQUENCIES for at in ANCHORS}
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
BETWEEN = {"15min": 15, "30min": 30, "1hour": 60, "3hours": 180, "6hours": 360, "12hours": 720, "24hours": 1440}
# The first minute of the new time; where nothing changes, Europe's nights.
CHANGES = {
    "Europe/Amsterdam": ("2026-03-29T01:00Z", "2026-10-25T01:00Z"),
    "America/New_York": ("2026-03-08T07:00Z", "2026-11-01T06:00Z"),
    "Australia/Lord_Howe": ("2026-04-04T15:00Z", "2026-10-03T15:30Z"),
    "Asia/Kolkata": ("2026-03-29T01:00Z", "2026-10-25T01:00Z"),
    "UTC": ("2026-03-29T01:00Z", "2026-10-25T01:00Z"),
}
NIGHTS = [(zone, change) for zone, changes in CHANGES.items() for change in changes]


def around(change: str) -> tuple[datetime, datetime]:
    moment = datetime.fromisoformat(change)
    return moment - 1.2 * DAY, moment + 1.2 * DAY


def cron(expression: str, zone: ZoneInfo, start: datetime, stop: datetime) -> list[datetime]:
    """When Debian's cron runs an entry of `*`, `*/n` and lists: its rule, written again from its manual and source.

    Every minute it compares the wall clock with the minute that it has come to. Up to five minutes ahead: it runs all
    of them, one after the other. Up to three hours ahead, as in spring: entries with a star in minute or hour for this
    minute, all others for every minute left out. Up to three hours back, as in autumn: those with a star only, until
    the clock has come to that minute again. Further apart the clock was set: on from there.

    https://manpages.debian.org/bookworm/cron/cron.8.en.html ("Notes"),
    https://sources.debian.org/src/cron/3.0pl1-162/cron.c/ (`main`, "wakeupKind").
    """
    minute, hour, *date = expression.split()
    assert date == ["*", "*", "*"]
    starred = minute.startswith("*") or hour.startswith("*")
    minutes, hours = matching(minute, 60), matching(hour, 24)

    fired = []
    (_, come_to), *later = wall_clock(zone, start, stop)
    for moment, clock in later:
        ahead = clock - come_to
        if 0 < ahead <= 5 or (5 < ahead <= 180 and not starred):
            passed = range(come_to + 1, clock + 1)
        elif -180 < ahead <= 0 and not starred:
            passed = range(0)
        else:
            passed = range(clock, clock + 1)
        fired += [moment for at in passed if at % 60 in minutes and at // 60 % 24 in hours]
        if not -180 < ahead <= 0:
            come_to = clock
    return fired


@cache
def wall_clock(zone: ZoneInfo, start: datetime, stop: datetime) -> list[tuple[datetime, int]]:
    """Every minute that passes, and the one that the wall clock shows then, counted from 1970."""
    moments = (start + number * MINUTE for number in range((stop - start) // MINUTE + 1))
    epoch = datetime(1970, 1, 1)
    return [(moment, (moment.astimezone(zone).replace(tzinfo=None) - epoch) // MINUTE) for moment in moments]


def matching(field: str, size: int) -> set[int]:
    if field.startswith("*"):
        return set(range(0, size, int(field[2:] or 1)))
    return set(map(int, field.split(",")))


def table(expression: str, zone: ZoneInfo, start: datetime, stop: datetime) -> list[datetime]:
    return list(takewhile(lambda moment: moment <= stop, next_times(expression, start, zone)))


@pytest.mark.parametrize(("name", "change"), NIGHTS)
def test_the_change_is_where_the_test_says(name: str, change: str):
    """Half an hour on Lord Howe, none in Kolkata and UTC, an hour elsewhere; or these tests would prove nothing."""
    moment = datetime.fromisoformat(change)
    before, after = ((moment - wait).astimezone(ZoneInfo(name)).utcoffset() for wait in (MINUTE, 0 * MINUTE))
    assert before is not None
    assert after is not None
    size = {"Australia/Lord_Howe": 30, "Asia/Kolkata": 0, "UTC": 0}.get(name, 60)
    assert abs(after - before) == size * MINUTE


@pytest.mark.parametrize(("name", "change"), NIGHTS)
def test_the_table_is_what_cron_does(name: str, change: str):
    """Every frequency at every anchor: the same moments as cron's own rule, none twice, none lost."""
    zone, (start, stop) = ZoneInfo(name), around(change)
    for expression in set(LINES.values()):
        assert table(expression, zone, start, stop) == cron(expression, zone, start, stop), expression


@given(
    name=st.sampled_from(sorted(CHANGES)),
    which=st.integers(0, 1),
    expression=st.one_of(
        st.sampled_from(["*/7 * * * *", "* * * * *", "*/45 */2 * * *", "17 */2 * * *", "*/20 1,2 * * *", "* 2 * * *"]),
        st.builds(
            cron_expression,
            st.sampled_from(FREQUENCIES),
            st.times().map(lambda at: at.replace(second=0, microsecond=0)),
        ),
    ),
    after=st.integers(0, 40 * 60),
    seconds=st.integers(0, 59),
)
def test_wherever_one_asks_from(name: str, which: int, expression: str, after: int, seconds: int):
    """What comes next does not depend on the moment of asking: before, within and after both passes of an hour."""
    zone, (start, stop) = ZoneInfo(name), around(CHANGES[name][which])
    asked = start + after * MINUTE + timedelta(seconds=seconds)
    expected = [moment for moment in cron(expression, zone, start, stop) if moment > asked]
    assert table(expression, zone, asked, stop) == expected


@pytest.mark.parametrize(("name", "change"), NIGHTS)
def test_cronsim_agrees(name: str, change: str):
    """Everywhere but on Lord Howe, where it loses hourly runs of the second half hour in both nights."""
    zone, (start, stop) = ZoneInfo(name), around(change)
    lost_lines = set()
    for (key, at), expression in LINES.items():
        local = (moment.astimezone(UTC) for moment in CronSim(expression, start.astimezone(zone)))
        simulated = set(takewhile(lambda moment: moment <= stop, local))
        told = set(table(expression, zone, start, stop))
        assert simulated <= told
        if told - simulated:
            lost_lines.add(key)
            assert (len(told - simulated), at[3:] >= "30") == (1, True)
    assert lost_lines == ({"1hour"} if name == "Australia/Lord_Howe" else set())


@pytest.mark.parametrize(("name", "change"), NIGHTS)
@pytest.mark.parametrize("key", ["3hours", "6hours", "12hours", "24hours"])
def test_from_three_hours_up_each_slot_of_the_day_runs_once(name: str, change: str, key: str):
    """On the day of the change as on any other: so many runs, in the order of the wall clock's slots."""
    zone = ZoneInfo(name)
    day = datetime.fromisoformat(change).astimezone(zone).date()
    for at in ANCHORS:
        fired = (moment.astimezone(zone) for moment in table(LINES[key, at], zone, *around(change)))
        assert sum(moment.date() == day for moment in fired) == 1440 // BETWEEN[key], at


@pytest.mark.parametrize(("name", "change"), NIGHTS)
@pytest.mark.parametrize("key", ["15min", "30min", "1hour"])
def test_up_to_an_hour_the_distance_stays(name: str, change: str, key: str):
    """Also through the change; only on Lord Howe an hour can become half an hour or one and a half."""
    zone = ZoneInfo(name)
    for at in ANCHORS:
        odd = {later - earlier for earlier, later in pairwise(table(LINES[key, at], zone, *around(change)))}
        odd -= {BETWEEN[key] * MINUTE}
        if name == "Australia/Lord_Howe" and key == "1hour":
            assert odd == {timedelta(minutes=minutes) for minutes in lord_howe(change, at)}, at
        else:
            assert not odd, at


def lord_howe(change: str, at: str) -> Iterator[int]:
    """In April 01:30-01:59 comes twice, in October 02:00-02:29 not at all: minutes between two hourly runs."""
    if change.startswith("2026-04"):
        yield from (30,) if at[3:] >= "30" else (90,)
    elif at[3:] < "30":
        yield 90
    else:
        yield 30


@pytest.mark.parametrize(
    ("zone", "asked", "expected"),
    [
        ("Australia/Lord_Howe", "2026-04-05T01:31+11:00", ["05 01:45 +1100", "05 01:45 +1030", "05 02:45 +1030"]),
        ("Australia/Lord_Howe", "2026-10-04T01:31+10:30", ["04 01:45 +1030", "04 02:45 +1100", "04 03:45 +1100"]),
        ("Antarctica/Troll", "2026-10-25T00:50+02:00", ["25 01:45 +0200", "25 02:45 +0200", "25 01:45 +0000"]),
        ("Antarctica/Troll", "2026-03-29T00:50+00:00", ["29 03:45 +0200", "29 04:45 +0200", "29 05:45 +0200"]),
    ],
)
def test_changes_of_other_sizes(zone: str, asked: str, expected: list[str]):
    """Half an hour, and the two hours of Troll, the most that any zone has today."""
    moments = next_times("45 * * * *", datetime.fromisoformat(asked), ZoneInfo(zone))
    assert [f"{next(moments).astimezone(ZoneInfo(zone)):%d %H:%M %z}" for _ in expected] == expected
