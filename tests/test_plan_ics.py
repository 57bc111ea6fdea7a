"""The calendar file: what a calendar program reads is what was planned."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from gradent_cli.agents.study import plan_ics
from gradent_cli.agents.study.records import Session
from gradent_cli.text import one_line

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def session(title="Essay 1 (WRIT 101)", **changes) -> Session:
    fields = {
        "assignment_id": "0123456789ab",
        "ordinal": 1,
        "title": title,
        "starts_at": START,
        "ends_at": START + timedelta(hours=2),
        "sequence": 2,
        "changed_at": START - timedelta(days=3),
    }
    return Session(**fields | changes)


def test_read_back():
    """icalendar reads the same id, times, title and sequence, and finds nothing wrong."""
    calendar = Calendar.from_ical(plan_ics.render([session(), session(ordinal=2)]))
    first, second = calendar.walk("VEVENT")
    assert first.errors == []
    assert (first["UID"], second["UID"]) == ("0123456789ab-1@gradent", "0123456789ab-2@gradent")
    assert first.decoded("DTSTART") == START
    assert first.decoded("DTEND") == START + timedelta(hours=2)
    assert first.decoded("DTSTAMP") == START - timedelta(days=3)
    assert first["SUMMARY"] == "Essay 1 (WRIT 101)"
    assert first["SEQUENCE"] == 2
    assert first["CATEGORIES"].to_ical() == b"gradent"
    assert calendar["X-WR-CALNAME"] == "Study plan"
    assert calendar["REFRESH-INTERVAL"].params["VALUE"] == "DURATION"


def test_one_event_alone():
    """As a server takes it: the same event, in a calendar that has nothing of a feed."""
    (whole,) = Calendar.from_ical(plan_ics.render([session()])).walk("VEVENT")
    alone = Calendar.from_ical(plan_ics.render_event(session()))
    assert alone.walk("VEVENT") == [whole]
    assert sorted(alone) == ["CALSCALE", "PRODID", "VERSION"]


def test_same_bytes():
    """The same sessions give the same bytes."""
    assert plan_ics.render([session()]) == plan_ics.render(iter([session()]))


def test_empty():
    """No sessions: still a calendar, so that a subscription stays alive."""
    assert Calendar.from_ical(plan_ics.render([])).walk("VEVENT") == []


@pytest.mark.parametrize("title", ["a,b;c\\d", "two\nlines", "BEGIN:VEVENT", "x" * 300, "é" * 200, "📚" * 90, "\\n"])
def test_awkward_titles(title):
    """Commas, backslashes, newlines and long titles come through whole."""
    (event,) = Calendar.from_ical(plan_ics.render([session(title)])).walk("VEVENT")
    assert str(event["SUMMARY"]) == title


@given(st.text(max_size=200).map(one_line))
def test_any_title(title):
    """Any title comes through, in lines of at most 75 octets that end in CRLF."""
    content = plan_ics.render([session(title)])
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    assert b"\n" not in content.replace(b"\r\n", b"")
    (event,) = Calendar.from_ical(content).walk("VEVENT")
    assert str(event["SUMMARY"]) == title


def test_local_times_become_utc():
    """Times are written in UTC whatever zone they came in."""
    local = START.astimezone(datetime.now().astimezone().tzinfo)
    assert plan_ics.render([session(starts_at=local)]) == plan_ics.render([session()])
