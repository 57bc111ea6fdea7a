"""Busy time from calendars: what blocks, when it really is, and what can not make a run hang."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gradent_cli.agents.study.calendars import merge, open_calendar
from gradent_cli.agents.study.records import Busy
from gradent_cli.errors import ConfigError, SourceError
from tests.street.feeds import Lines, ics, vevent, vtodo

START = datetime(2026, 10, 12, tzinfo=UTC)
END = START + timedelta(days=28)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.fixture
def busy_time(tmp_path):
    """`busy_time(event, ...)`: what the calendar `work` gives for four weeks of October 2026."""

    def read(*components, raw=None, start=START, end=END):
        path = tmp_path / "calendar.ics"
        path.write_bytes(ics(*components) if raw is None else raw)
        return open_calendar("ics", name="work", url=None, path=path).busy(start=start, end=end, zone=AMSTERDAM)

    return read


@pytest.fixture
def busy(busy_time):
    """The same as ("12 08:00", "12 10:00") pairs in UTC; there must be no warning."""

    def read(*components, **how):
        found = busy_time(*components, **how)
        assert found.warnings == ()
        return [(f"{each.starts_at:%d %H:%M}", f"{each.ends_at:%d %H:%M}") for each in found.busy]

    return read


def test_events_block_their_time(busy):
    """DTEND or DURATION says how long; times without a zone are the student's own."""
    assert busy(
        vevent("UID:a", "DTSTART:20261013T080000Z", "DTEND:20261013T090000Z"),
        vevent("UID:b", "DTSTART;TZID=America/New_York:20261014T080000", "DURATION:PT1H30M"),
        vevent("UID:c", "DTSTART:20261015T080000", "DTEND:20261015T090000"),
    ) == [("13 08:00", "13 09:00"), ("14 12:00", "14 13:30"), ("15 06:00", "15 07:00")]


def test_what_does_not_block(busy):
    """Whole days, free, cancelled and empty events, to-dos and gradent's own sessions leave the time free."""
    hours = ["DTSTART:20261013T080000Z", "DTEND:20261013T090000Z"]
    assert (
        busy(
            vevent("UID:a", "DTSTART;VALUE=DATE:20261013", "DTEND;VALUE=DATE:20261014"),
            vevent("UID:b", *hours, "TRANSP:TRANSPARENT"),
            vevent("UID:c", *hours, "STATUS:CANCELLED"),
            vevent("UID:d", *hours[:1]),
            vevent("UID:0123456789ab-1@gradent", *hours),
            vevent("UID:f", "DTSTART:20261013T090000Z", "DTEND:20261013T080000Z"),
            vtodo("UID:g", hours[0], "DUE:20261013T090000Z"),
        )
        == []
    )


def test_whole_days_where_wanted(tmp_path):
    """With `all_day`, whole days block from midnight to midnight of the student; one that is free does not."""
    path = tmp_path / "calendar.ics"
    path.write_bytes(
        ics(
            vevent("UID:a", "DTSTART;VALUE=DATE:20261013", "DTEND;VALUE=DATE:20261015"),
            vevent("UID:b", "DTSTART;VALUE=DATE:20261020", "RRULE:FREQ=DAILY;COUNT=2", "EXDATE;VALUE=DATE:20261021"),
            vevent("UID:c", "DTSTART;VALUE=DATE:20261025"),
            vevent("UID:d", "DTSTART;VALUE=DATE:20261028", "TRANSP:TRANSPARENT"),
            vevent("UID:e", "DTSTART;VALUE=DATE:99991231"),
            vevent("UID:f", "DTSTART;VALUE=DATE:00010101", "DTEND;VALUE=DATE:00010103"),
        )
    )
    calendar = open_calendar("ics", name="work", url=None, path=path, all_day=True)
    found = calendar.busy(start=START, end=END, zone=AMSTERDAM)
    assert [(f"{each.starts_at:%d %H:%M}", f"{each.ends_at:%d %H:%M}") for each in found.busy] == [
        ("12 22:00", "14 22:00"),
        ("19 22:00", "20 22:00"),
        ("24 22:00", "25 23:00"),
    ]


def test_clipped_and_merged(busy):
    """Taken time is cut to the window, in order, and what touches or overlaps is one stretch."""
    assert busy(
        vevent("UID:a", "DTSTART:20261011T220000Z", "DTEND:20261012T010000Z"),
        vevent("UID:b", "DTSTART:20261013T100000Z", "DTEND:20261013T110000Z"),
        vevent("UID:c", "DTSTART:20261013T090000Z", "DTEND:20261013T100000Z"),
        vevent("UID:d", "DTSTART:20261013T103000Z", "DTEND:20261013T104500Z"),
        vevent("UID:e", "DTSTART:20261108T200000Z", "DTEND:20261120T200000Z"),
        vevent("UID:f", "DTSTART:20261201T200000Z", "DTEND:20261201T210000Z"),
    ) == [("12 00:00", "12 01:00"), ("13 09:00", "13 11:00"), ("08 20:00", "09 00:00")]


def test_repeating_over_the_clock_change(busy):
    """A weekly lecture stays at ten o'clock on its own clock when the clocks change on 25 October."""
    lecture = ["DTSTART;TZID=Europe/Amsterdam:20260902T100000", "DTEND;TZID=Europe/Amsterdam:20260902T120000"]
    assert busy(vevent("UID:a", *lecture, "RRULE:FREQ=WEEKLY;BYDAY=WE")) == [
        ("14 08:00", "14 10:00"),
        ("21 08:00", "21 10:00"),
        ("28 09:00", "28 11:00"),
        ("04 09:00", "04 11:00"),
    ]


def test_exceptions_of_a_series(busy):
    """Excluded, moved, cancelled, freed and added instances of a series are where they should be."""
    zone = "TZID=Europe/Amsterdam"
    master = vevent(
        "UID:a",
        f"DTSTART;{zone}:20261013T100000",
        f"DTEND;{zone}:20261013T110000",
        "RRULE:FREQ=DAILY;COUNT=6",
        f"EXDATE;{zone}:20261014T100000",
        f"RDATE;{zone}:20261020T100000",
    )

    def instance(day: int, *lines: str) -> Lines:
        return vevent("UID:a", f"RECURRENCE-ID;{zone}:202610{day}T100000", *lines)

    assert busy(
        master,
        instance(15, "DTSTART:20261015T140000Z", "DTEND:20261015T160000Z"),
        instance(16, f"DTSTART;{zone}:20261016T100000", f"DTEND;{zone}:20261016T110000", "STATUS:CANCELLED"),
        instance(17, f"DTSTART;{zone}:20261017T100000", f"DTEND;{zone}:20261017T110000", "TRANSP:TRANSPARENT"),
    ) == [
        ("13 08:00", "13 09:00"),
        ("15 14:00", "15 16:00"),
        ("18 08:00", "18 09:00"),
        ("20 08:00", "20 09:00"),
    ]


def test_moved_from_here_on(busy):
    """RANGE=THISANDFUTURE moves the instance and all that follow."""
    assert busy(
        vevent("UID:a", "DTSTART:20261013T080000Z", "DTEND:20261013T090000Z", "RRULE:FREQ=DAILY;COUNT=3"),
        vevent(
            "UID:a",
            "RECURRENCE-ID;RANGE=THISANDFUTURE:20261014T080000Z",
            "DTSTART:20261014T100000Z",
            "DTEND:20261014T110000Z",
        ),
    ) == [("13 08:00", "13 09:00"), ("14 10:00", "14 11:00"), ("15 10:00", "15 11:00")]


def test_an_instance_without_its_series(busy):
    """An instance whose series is not in the feed stands for itself."""
    moved = vevent("UID:a", "RECURRENCE-ID:20261014T080000Z", "DTSTART:20261014T100000Z", "DTEND:20261014T110000Z")
    assert busy(moved) == [("14 10:00", "14 11:00")]


@pytest.mark.parametrize(
    ("until", "last"),
    [("20261027", 27), ("20261027T235959Z", 27), ("20261027T120000", 27), ("20261026", 26), ("20261027T080000Z", 26)],
)
def test_until(busy_time, until, last):
    """UNTIL counts with its day or moment included, in whatever type it is written."""
    zone = "TZID=Europe/Amsterdam"
    event = vevent(
        "UID:a", f"DTSTART;{zone}:20261013T100000", f"DTEND;{zone}:20261013T110000", f"RRULE:FREQ=DAILY;UNTIL={until}"
    )
    assert busy_time(event).busy[-1].starts_at.day == last


def test_night_shift_through_the_clock_change(busy):
    """A DURATION is so many real hours: eight of them after 22:00 end at 05:00 when the clock goes back."""
    shift = vevent("UID:a", "DTSTART;TZID=Europe/Amsterdam:20261024T220000", "DURATION:PT8H")
    assert busy(shift) == [("24 20:00", "25 04:00")]


@pytest.mark.parametrize(
    "rule", ["FREQ=SECONDLY", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;INTERVAL=0", "rubbish"]
)
def test_rules_that_cannot_be_followed(busy_time, rule):
    """A rule that fires each second, never, or means nothing costs no time: the first date blocks and it is said."""
    begun = time.thread_time()
    found = busy_time(
        vevent("UID:a", "DTSTART:20261013T080000Z", "DTEND:20261013T080001Z", f"RRULE:{rule}", "SUMMARY:Pulse")
    )
    assert time.thread_time() - begun < 3
    assert len(found.busy) == 1
    assert found.warnings == (
        "work: took only the first time of 1 event that cannot be followed (too often, too far, or no rule): 'Pulse'",
    )


def test_rule_without_end(busy_time):
    """A rule without end is followed to the end of the window and no further, however long ago it began."""
    begun = time.thread_time()
    found = busy_time(vevent("UID:a", "DTSTART:19700101T080000Z", "DTEND:19700101T090000Z", "RRULE:FREQ=DAILY"))
    assert time.thread_time() - begun < 3
    assert len(found.busy) == 28
    assert found.warnings == ()


def test_event_without_a_date(busy_time):
    """An event that says no usable time is named, the others block."""
    found = busy_time(
        vevent("UID:a", "DTSTART:tomorrow", "SUMMARY:Dentist"),
        vevent("UID:b", "DTSTART:20261013T080000Z", "DTEND:20261013T090000Z"),
    )
    assert len(found.busy) == 1
    assert found.warnings == ("work: left out 1 event without a usable date: 'Dentist'",)


def test_unknown_zone(busy_time):
    """A zone that nobody knows is taken as the student's, with a warning."""
    found = busy_time(vevent("UID:a", "DTSTART;TZID=Mars/Base:20261013T080000", "DURATION:PT1H", "SUMMARY:Shift"))
    assert found.busy[0].starts_at.hour == 6
    assert found.warnings == ("work: read 1 event in your own time zone, because theirs is unknown: 'Shift'",)


def test_refusals(busy_time, tmp_path):
    """What is no calendar is refused by the calendar's name."""
    where = f"cannot read calendar 'work' ({tmp_path / 'calendar.ics'})"
    for raw, why in ((b"", "it is empty"), (b"<html>", "it is an HTML page instead of a calendar")):
        with pytest.raises(SourceError) as caught:
            busy_time(raw=raw)
        assert caught.value.message.startswith(f"{where}: {why}")
    with pytest.raises(ConfigError, match="unknown kind of calendar 'google'"):
        open_calendar("google", name="x", url=None, path=Path("x"))


def test_ten_thousand_events(busy_time):
    """A calendar of 10,000 events is read in seconds."""
    minutes = (START + timedelta(minutes=4 * n) for n in range(10_000))
    raw = ics(
        *(vevent(f"UID:{moment:%d%H%M}", f"DTSTART:{moment:%Y%m%dT%H%M%SZ}", "DURATION:PT2M") for moment in minutes)
    )
    begun = time.thread_time()
    assert len(busy_time(raw=raw).busy) == 10_000
    assert time.thread_time() - begun < 10


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(-3, 12)).map(lambda pair: (pair[0], sum(pair))))


@given(SPANS)
def test_merge(spans):
    """Merged time covers exactly the same minutes, in order, with a gap between any two stretches."""

    def at(minute: int) -> datetime:
        return START + timedelta(minutes=minute)

    merged = merge(Busy(starts_at=at(begin), ends_at=at(end)) for begin, end in spans)
    covered = {minute for begin, end in spans for minute in range(begin, end)}
    assert {
        minute for minute in range(80) if any(each.starts_at <= at(minute) < each.ends_at for each in merged)
    } == covered
    assert all(before.ends_at < after.starts_at for before, after in pairwise(merged))
    assert merge(merged) == merged


RULES = st.sampled_from(
    [
        "FREQ=WEEKLY;BYDAY=MO,TH",
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=MONTHLY;BYDAY=2TU",
        "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=YEARLY",
    ]
)


@example(rule="FREQ=DAILY;INTERVAL=3", day=20, hour=20, minutes=2026)
@given(rule=RULES, day=st.integers(1, 28), hour=st.integers(0, 23), minutes=st.integers(1, 3000))
def test_windows_agree(tmp_path, rule, day, hour, minutes):
    """Two halves of a window say together what the whole says: nothing is lost or made up at an edge."""
    path = tmp_path / "calendar.ics"
    path.write_bytes(
        ics(
            vevent(
                "UID:a",
                f"DTSTART;TZID=Europe/Amsterdam:202609{day:02}T{hour:02}1500",
                f"DURATION:PT{minutes}M",
                f"RRULE:{rule}",
            )
        )
    )
    calendar = open_calendar("ics", name="work", url=None, path=path)
    middle = START + timedelta(days=13, hours=5)
    halves = [calendar.busy(start=a, end=b, zone=AMSTERDAM).busy for a, b in ((START, middle), (middle, END))]
    whole = calendar.busy(start=START, end=END, zone=AMSTERDAM).busy
    assert merge([*halves[0], *halves[1]]) == whole
