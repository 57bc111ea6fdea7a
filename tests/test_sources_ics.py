"""Assignments from calendar feeds: every platform's dialect, every trap that feeds are known to hold."""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradent_cli.agents.study.feed import read_calendars
from gradent_cli.agents.study.fetch import Place, decode, web_address
from gradent_cli.agents.study.sources import Harvest, open_source
from gradent_cli.errors import ConfigError, SourceError
from tests.street import feeds
from tests.street.feeds import ics, vevent, vtodo
from tests.street.server import Answer

NOW = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
DUE = datetime(2026, 10, 9, 21, 59, tzinfo=UTC)
BROKEN = json.loads((Path(__file__).parent / "data" / "broken_feeds.json").read_text())


@pytest.fixture
def harvest(tmp_path):
    """`harvest(raw)`: what the source `uni` makes of these bytes."""

    def read(raw, *, zone=AMSTERDAM, now=NOW):
        path = tmp_path / "feed.ics"
        path.write_bytes(raw)
        return open_source("ics", name="uni", url=None, path=path).read(now=now, zone=zone)

    return read


@pytest.fixture
def only(harvest):
    """The one assignment in a feed that has no warnings."""

    def read(raw, **how):
        found = harvest(raw, **how)
        assert found.warnings == ()
        assert len(found.assignments) == 1
        return found.assignments[0]

    return read


@pytest.fixture
def refusal(harvest):
    def read(raw):
        with pytest.raises(SourceError) as caught:
            harvest(raw)
        return caught.value.message

    return read


def titles(harvest: Harvest) -> list[str]:
    return [assignment.title for assignment in harvest.assignments]


# ── dialects ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_canvas_assignment(only):
    """Title, course, key, due date, description, points and link of a Canvas assignment arrive as they are meant."""
    html = f"<p>{feeds.LONG_DESCRIPTION}</p><ul><li>Sources &amp; notes</li></ul><p>Points: 12.5</p>"
    found = only(
        feeds.canvas(feeds.canvas_assignment(111, "Problem Set 6, part; two", "MATH 233 (170001) FA26", DUE, html=html))
    )
    assert (found.key, found.title, found.course) == (
        "assignment-111",
        "Problem Set 6, part; two",
        "MATH 233 (170001) FA26",
    )
    assert (found.due_at, found.points, found.done) == (DUE, 12.5, None)
    assert found.url == (
        "https://canvas.example.edu/calendar?include_contexts=course_39039&month=10&year=2026#assignment_111"
    )
    assert found.description == f"{feeds.LONG_DESCRIPTION.strip()}\n- Sources & notes\nPoints: 12.5"


def test_canvas_doubled_value_parameter(only):
    """Canvas's `VALUE=DATE;VALUE=DATE` is a date, due at the end of that day on the student's clock."""
    found = only(feeds.canvas(feeds.canvas_assignment(111, "Problem Set 6", "MATH 233", date(2026, 10, 9))))
    assert found.due_at == DUE  # 23:59 in Amsterdam


def test_canvas_events_are_no_work(only):
    """Lectures and notes in a Canvas feed are not assignments."""
    other = [
        vevent(f"UID:event-{kind}-7", "DTSTART:20261002T100000Z", "SUMMARY:Talk [X]")
        for kind in ("calendar-event", "planner-note")
    ]
    assert only(feeds.canvas(*other, feeds.canvas_assignment(1, "Essay", "ENG", DUE))).title == "Essay"


def test_canvas_override_keeps_the_key(harvest, only):
    """A due date changed for one student has another UID and title in the feed, and is the same assignment."""
    plain = feeds.canvas_assignment(111, "Essay (draft)", "ENG", DUE)
    changed = feeds.canvas_assignment(
        111, "Essay (draft)", "ENG", DUE + timedelta(days=3), override=555, section="1 student"
    )
    before, after = only(feeds.canvas(plain)), only(feeds.canvas(changed))
    assert (before.id, before.title) == (after.id, after.title)
    both = harvest(feeds.canvas(changed, plain)).assignments
    assert [each.due_at for each in both] == [DUE + timedelta(days=3)]


def test_canvas_without_link(harvest):
    """Without a URL the key comes from the UID."""
    raw = feeds.canvas(
        vevent("UID:event-assignment-42", "DTSTART:20261009T215900Z", "SUMMARY:A [X]"),
        vevent("UID:event-assignment-override-43", "DTSTART:20261009T215900Z", "SUMMARY:B (me) [X]"),
        vevent("UID:event-sub-assignment-44", "DTSTART:20261009T215900Z", "SUMMARY:C [X]"),
    )
    assert [each.key for each in harvest(raw).assignments] == [
        "assignment-42",
        "event-assignment-override-43",
        "sub_assignment-44",
    ]


def test_brightspace(harvest):
    """Only what is due counts, tab folds and all, and an item with nothing but an end of availability is due then."""
    raw = feeds.brightspace(
        feeds.brightspace_item(1, "Homework 3 with a name so long that it has to be folded somewhere - Due", DUE),
        feeds.brightspace_item(
            2, "Homework 3 with a name so long that it has to be folded somewhere - Available", DUE - timedelta(days=9)
        ),
        feeds.brightspace_item(
            3,
            "Homework 3 with a name so long that it has to be folded somewhere - Availability Ends",
            DUE + timedelta(days=1),
        ),
        feeds.brightspace_item(
            4,
            "Quiz 1 - Availability Ends",
            DUE + timedelta(days=2),
            location="Zoom Online Meeting (https://zoom.us/j/1)",
        ),
        feeds.brightspace_item(5, "Quiz 1 - Availability Starts", DUE),
    )
    found = harvest(raw)
    assert found.warnings == ()
    assert [(each.key, each.title, each.course, each.due_at) for each in found.assignments] == [
        ("1000-1", "Homework 3 with a name so long that it has to be folded somewhere", "FINC-400-02", DUE),
        ("1000-4", "Quiz 1", None, DUE + timedelta(days=2)),
    ]


def test_moodle(harvest):
    """Due, closing and expected-by dates count once each, opening and grading dates never; names lose their HTML."""
    raw = feeds.moodle(
        feeds.moodle_event(11, "Essay 1 &amp; notes is due", DUE, course="R&amp\\;D"),
        feeds.moodle_event(12, "Essay 1 &amp; notes is due to be graded", DUE + timedelta(days=7), course="R&amp\\;D"),
        feeds.moodle_event(13, "Essay 1 &amp; notes should be completed", DUE, course="R&amp\\;D"),
        feeds.moodle_event(14, "Quiz opens", DUE - timedelta(days=2)),
        feeds.moodle_event(15, "Quiz closes", DUE + timedelta(days=1)),
        feeds.moodle_event(16, "Reading should be completed", date(2026, 10, 11)),
    )
    found = harvest(raw)
    assert found.warnings == ()
    assert [(each.key, each.title, each.course) for each in found.assignments] == [
        ("11", "Essay 1 & notes", "R&D"),
        ("15", "Quiz", "ENG101"),
        ("16", "Reading", "ENG101"),
    ]
    assert found.assignments[2].due_at == datetime(2026, 10, 11, 21, 59, tzinfo=UTC)


def test_moodle_in_another_language(harvest):
    """A Moodle that does not speak English loses no assignment, and the student is told why there may be too many."""
    lasting = feeds.moodle_event(22, "Vorlesung", DUE)
    lasting[lasting.index(f"DTEND:{feeds.stamp(DUE)}")] = f"DTEND:{feeds.stamp(DUE + timedelta(hours=2))}"
    found = harvest(feeds.moodle(feeds.moodle_event(21, "Aufsatz ist fällig", DUE), lasting))
    assert titles(found) == ["Aufsatz ist fällig"]
    assert found.warnings == (
        "uni: took 1 event as due, because the platform's language is not English: 'Aufsatz ist fällig'",
        "uni: left out 1 event for lasting some time, as lectures do: 'Vorlesung'",
    )


def test_moodle_in_two_languages(harvest):
    """One English phrase in a feed does not take the work of the other courses away; what was guessed is named."""
    meeting = feeds.moodle_event(37, "Sprechstunde", DUE)
    meeting[meeting.index(f"DTEND:{feeds.stamp(DUE)}")] = f"DTEND:{feeds.stamp(DUE + timedelta(hours=1))}"
    foreign = ["Aufsatz ist fällig.", "El envío de Ensayo vence", "Devoir 1 est à rendre", "Opdracht 2 inleveren"]
    found = harvest(
        feeds.moodle(
            *(feeds.moodle_event(number, title, DUE) for number, title in enumerate(foreign, 31)),
            feeds.moodle_event(35, "Essay should be completed", DUE),
            feeds.moodle_event(36, "Quiz opens", DUE),
            meeting,
        )
    )
    assert sorted(titles(found)) == sorted([*foreign, "Essay"])
    assert found.warnings == (
        (
            "uni: took 4 events as due, because no English phrase in the title says what happens then: "
            "'Aufsatz ist fällig.', 'El envío de Ensayo vence', 'Devoir 1 est à rendre' and 1 more"
        ),
        "uni: left out 1 event for lasting some time, as lectures do: 'Sprechstunde'",
    )


def test_english_feed_with_events_of_ones_own(harvest):
    """Of what an English feed says nothing about, a moment counts and is named; what lasts is a meeting."""
    meeting = feeds.moodle_event(42, "Office hours", DUE)
    meeting[meeting.index(f"DTEND:{feeds.stamp(DUE)}")] = f"DTEND:{feeds.stamp(DUE + timedelta(hours=1))}"
    essay = feeds.moodle_event(41, "Essay is due", DUE)
    assert harvest(feeds.moodle(essay, meeting)).warnings == ()
    found = harvest(feeds.moodle(essay, feeds.moodle_event(43, "Essay", DUE + timedelta(days=3))))
    assert titles(found) == ["Essay", "Essay"]
    assert found.warnings == (
        "uni: took 1 event as due, because no English phrase in the title says what happens then: 'Essay'",
    )
    item = feeds.brightspace_item(2, "Orientation", DUE)
    found = harvest(feeds.brightspace(feeds.brightspace_item(1, "Homework 3 - Due", DUE), item))
    assert sorted(titles(found)) == ["Homework 3", "Orientation"]
    assert "'Orientation'" in found.warnings[0]


def test_blackboard_uid_changes(only):
    """Blackboard's UID begins with the time of the download; the key does not. Its times are in their TZID's zone."""
    morning = only(feeds.blackboard(feeds.blackboard_item(2987748, "Lab report", "20261210T090000")))
    evening = only(
        feeds.blackboard(feeds.blackboard_item(2987748, "Lab report", "20261210T090000", downloaded="20260901T190000Z"))
    )
    assert morning == evening
    assert (morning.key, morning.due_at) == ("2987748", datetime(2026, 12, 10, 16, tzinfo=UTC))


def test_blackboard_events_are_no_work(harvest):
    """An event that is not in the gradebook is not an assignment."""
    assert (
        harvest(
            feeds.blackboard(vevent("UID:a.CalendarEntry-_1_1@x", "DTSTART:20261010T100000Z", "SUMMARY:Talk"))
        ).assignments
        == ()
    )


def test_schoology(harvest):
    """Assignments and assessments are due when they start; events are no work."""
    later = DUE + timedelta(hours=1)
    raw = ics(
        feeds.schoology_item(1, "Poster", DUE, later),
        feeds.schoology_item(2, "Midterm", later, later, kind="assessment"),
        feeds.schoology_item(3, "School trip", DUE, later, kind="event"),
    )
    assert [(each.key, each.title, each.due_at) for each in harvest(raw).assignments] == [
        ("assignment-1", "Poster", DUE),
        ("assessment-2", "Midterm", later),
    ]


def test_plain_calendar(harvest):
    """In a calendar of one's own an event is due when it starts, a date at the end of its last day, a to-do by DUE."""
    raw = ics(
        vevent("UID:a", "DTSTART:20261010T090000Z", "DTEND:20261010T110000Z", "SUMMARY:Exam"),
        vevent("UID:b", "DTSTART;VALUE=DATE:20261011", "DTEND;VALUE=DATE:20261014", "SUMMARY:Project week"),
        vtodo("UID:c", "DTSTART:20261001T090000Z", "DUE:20261015T120000Z", "SUMMARY:Report"),
        vtodo("UID:d", "SUMMARY:Some day"),
        vtodo("UID:e", "DUE;VALUE=DATE:20261016", "STATUS:COMPLETED", "SUMMARY:Handed in"),
        vevent("UID:x@gradent", "DTSTART:20261010T090000Z", "SUMMARY:Our own session"),
        vevent("UID:f", "DTSTART:20261010T090000Z", "STATUS:CANCELLED", "SUMMARY:Called off"),
    )
    found = harvest(raw)
    assert found.warnings == ()
    assert [(each.title, each.due_at, each.done) for each in found.assignments] == [
        ("Exam", datetime(2026, 10, 10, 9, tzinfo=UTC), None),
        ("Project week", datetime(2026, 10, 13, 21, 59, tzinfo=UTC), None),
        ("Report", datetime(2026, 10, 15, 12, tzinfo=UTC), False),
        ("Handed in", datetime(2026, 10, 16, 21, 59, tzinfo=UTC), True),
        ("Some day", None, False),
    ]


# ── broken feeds ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("case", "expected"),
    {
        "canvas_dup_value": [("Problem Set 6", "2026-10-09T21:59:00+00:00")],
        "no_dtstamp": [("x", "2026-10-10T21:59:00+00:00")],
        "no_uid": [("x", "2026-10-10T21:59:00+00:00")],
        "d2l_toronto": [("Quiz 3 - Due", "2026-10-11T03:59:00+00:00")],
        "moodle_tab": [("A long workshop name that Moodle folds over two lines", "2026-10-10T14:59:00+00:00")],
        "winzone": [("x", "2026-10-10T13:00:00+00:00")],
        "dtend_before_start": [("bad", "2026-10-10T14:59:00+00:00")],
        "dtend_date_eq_start": [("bad", "2026-10-10T21:59:00+00:00")],
        "raw_newline_in_desc": [("x", "2026-10-10T14:59:00+00:00")],
        "bom": [("x", "2026-10-10T21:59:00+00:00")],
        "multi_cal": [
            ("A long workshop name that Moodle folds over two lines", "2026-10-10T14:59:00+00:00"),
            ("x", "2026-10-10T21:59:00+00:00"),
        ],
    }.items(),
)
def test_broken_but_readable(harvest, case, expected):
    """Every sample that a person could make sense of gives its assignments, without a warning."""
    found = harvest(BROKEN[case].encode())
    assert found.warnings == ()
    assert [(each.title, each.due_at.isoformat()) for each in found.assignments] == expected


def test_every_broken_sample_is_looked_at(harvest):
    """No sample ends in anything but assignments or a SourceError."""
    read = 0
    for text in BROKEN.values():
        with suppress(SourceError):
            read += len(harvest(text.encode()).assignments)
    assert read == 14


def test_raw_newline_belongs_to_the_description(harvest):
    """A newline that nobody escaped keeps the text after it."""
    assert (
        harvest(BROKEN["raw_newline_in_desc"].encode()).assignments[0].description == "line one\nline two without fold"
    )


def test_junk_lines_cost_nothing(only):
    """A line that means nothing leaves the property before it as it is."""
    found = only(ics(vevent("UID:a", "SUMMARY:A", "DTSTART:20261010T090000Z", "???", 'X-"A:B', "DTEND")))
    assert (found.title, found.due_at) == ("A", datetime(2026, 10, 10, 9, tzinfo=UTC))


def test_unknown_zone_is_the_students(harvest):
    """A zone that nobody knows is taken as the student's own, with a warning that names the event."""
    found = harvest(BROKEN["quoted_unknown_tz"].encode())
    assert [each.due_at for each in found.assignments] == [datetime(2026, 10, 10, 7, tzinfo=UTC)]
    assert found.warnings == ("uni: read 1 event in your own time zone, because theirs is unknown: 'x'",)


SHIPPED_ZONE = [
    "BEGIN:VTIMEZONE",
    "TZID:Customized Time Zone",
    "BEGIN:STANDARD",
    "DTSTART:16010101T020000",
    "TZOFFSETFROM:-0400",
    "TZOFFSETTO:-0500",
    "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU",
    "END:STANDARD",
    "BEGIN:DAYLIGHT",
    "DTSTART:16010101T020000",
    "TZOFFSETFROM:-0500",
    "TZOFFSETTO:-0400",
    "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU",
    "END:DAYLIGHT",
    "END:VTIMEZONE",
]


def test_unknown_zone_with_rules(only):
    """A zone of the calendar's own making follows the rules that the calendar ships, summer and winter."""
    for day, hour in (("20261010", 13), ("20261210", 14)):
        event = vevent("UID:w", f"DTSTART;TZID=Customized Time Zone:{day}T090000", "SUMMARY:x")
        assert only(ics(SHIPPED_ZONE, event)).due_at.hour == hour


def test_zone_rules_that_would_never_end(harvest):
    """A VTIMEZONE that changes each second is no zone."""
    lines = [line.replace("FREQ=YEARLY", "FREQ=SECONDLY") for line in SHIPPED_ZONE]
    event = vevent("UID:w", "DTSTART;TZID=Customized Time Zone:20261010T090000", "SUMMARY:x")
    begun = time.monotonic()
    assert harvest(ics(lines, event)).assignments[0].due_at is not None
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("tzid", ["../../etc/passwd", "America", "/", "x" * 5000, "Europe/Amsterdam/", "\x00"])
def test_impossible_zone_names(harvest, tzid):
    """Whatever stands in a TZID, the event is kept."""
    assert len(harvest(ics(vevent("UID:w", f"DTSTART;TZID={tzid}:20261010T090000", "SUMMARY:x"))).assignments) == 1


def test_vendor_prefix_of_a_zone(only):
    """`/freeassociation.sourceforge.net/Europe/Paris` is Europe/Paris."""
    raw = ics(
        vevent("UID:w", "DTSTART;TZID=/freeassociation.sourceforge.net/America/New_York:20261010T090000", "SUMMARY:x")
    )
    assert only(raw).due_at.hour == 13


def test_one_bad_event_costs_only_itself(harvest):
    """An event without a usable date is named in a warning, the others are kept."""
    found = harvest(BROKEN["bad_date_one_event"].encode())
    assert titles(found) == ["good"]
    assert found.warnings == ("uni: left out 1 event without a usable date: 'bad'",)


def test_many_bad_events_in_one_sentence(harvest):
    """A warning names three events and counts the rest."""
    found = harvest(ics(*(vevent(f"UID:{n}", "DTSTART:20261301", f"SUMMARY:Quiz {n}") for n in range(5))))
    assert found.warnings == ("uni: left out 5 events without a usable date: 'Quiz 0', 'Quiz 1', 'Quiz 2' and 2 more",)


def test_event_that_is_never_closed(harvest):
    """A lost END:VEVENT does not swallow the events after it."""
    torn = vevent("UID:a", "DTSTART:20261010T090000Z", "SUMMARY:A")[:-1]
    assert titles(harvest(ics(torn, vevent("UID:b", "DTSTART:20261011T090000Z", "SUMMARY:B")))) == ["A", "B"]


def test_alarms_are_not_the_event(only):
    """What stands in a VALARM says nothing about its event."""
    alarm = ["BEGIN:VALARM", "DESCRIPTION:Ring", "TRIGGER:-PT15M", "END:VALARM"]
    found = only(ics(["BEGIN:VEVENT", "UID:a", *alarm, "DTSTART:20261010T090000Z", "SUMMARY:A", "END:VEVENT"]))
    assert (found.title, found.description) == ("A", "")


def test_junk_around_the_calendar(only):
    """A warning of the server's language before BEGIN:VCALENDAR, or anything after the end, changes nothing."""
    raw = (
        b"\nNotice: undefined index\r\n" + ics(vevent("UID:a", "DTSTART:20261010T090000Z", "SUMMARY:A")) + b"X-JUNK:1\n"
    )
    assert only(raw).title == "A"


def test_duplicate_uids(harvest):
    """Of two versions of one event the one with the higher SEQUENCE counts, then the one changed last."""

    def version(title: str, *lines: str) -> feeds.Lines:
        return vevent("UID:a", "DTSTART:20261010T090000Z", f"SUMMARY:{title}", *lines)

    assert titles(harvest(ics(version("same"), version("same")))) == ["same"]
    assert titles(harvest(ics(version("new", "SEQUENCE:2"), version("old", "SEQUENCE:1")))) == ["new"]
    newer, older = "LAST-MODIFIED:20261002T000000Z", "LAST-MODIFIED:20261001T000000Z"
    assert titles(harvest(ics(version("new", newer), version("old", older)))) == ["new"]


def test_one_uid_for_different_work(harvest):
    """What another program gives one UID stays apart by title; a moved date changes no key, the same twice is one."""

    def keys(*events: tuple[str, int]) -> dict[tuple[str, int], str]:
        lines = (vevent("UID:a", f"DTSTART:202612{day}T090000Z", f"SUMMARY:{title}") for title, day in events)
        return {(each.title, each.due_at.day): each.key for each in harvest(ics(*lines)).assignments}

    before = keys(("One", 15), ("Two", 16), ("One", 15))
    assert list(before) == [("One", 15), ("Two", 16)]
    after = keys(("Two", 17), ("One", 14))
    assert [after["One", 14], after["Two", 17]] == list(before.values())
    assert keys(("Two", 16), ("Three", 20))["Two", 16] == before["Two", 16]  # nobody takes the place of who is gone
    assert keys(("Two", 16)) == {("Two", 16): "a"}
    sheets = keys(("Sheet", 15), ("Sheet", 16))
    assert len(set(sheets.values())) == 2
    assert sheets == keys(("Sheet", 15), ("Sheet", 16), ("Sheet", 16))


def test_one_uid_for_different_work_that_repeats(harvest):
    """Work that repeats is not mixed up with other work that bears its UID, nor with a moved time of its own."""
    weekly = vevent("UID:a", "DTSTART:20261002T170000Z", "RRULE:FREQ=WEEKLY;COUNT=3", "SUMMARY:Sheet")
    moved = vevent("UID:a", "RECURRENCE-ID:20261009T170000Z", "DTSTART:20261010T170000Z", "SUMMARY:Sheet")
    once = vevent("UID:a", "DTSTART:20261005T170000Z", "SUMMARY:Exam")
    found = harvest(ics(weekly, moved, once))
    assert found.warnings == ()
    assert [(each.title, each.due_at.day) for each in found.assignments] == [
        ("Sheet", 2), ("Exam", 5), ("Sheet", 10), ("Sheet", 16),
    ]  # fmt: skip


def test_newer_version_of_a_moved_event(harvest):
    """An event in its old and its new version, at another time under another title, is one assignment: the newer."""
    old = vevent("UID:a", "DTSTART:20261010T090000Z", "SUMMARY:Exam")
    new = vevent("UID:a", "DTSTART:20261012T090000Z", "SUMMARY:Exam (room 2)", "SEQUENCE:1")
    for raw in (ics(old, new), ics(new, old)):
        assert [(each.key, each.title) for each in harvest(raw).assignments] == [("a", "Exam (room 2)")]


def test_missing_uids_stay_apart(harvest):
    """Events without UID are kept apart by title and date, and keep their key from run to run."""
    raw = ics(*(vevent(f"DTSTART:202610{day}T090000Z", "SUMMARY:Quiz") for day in (10, 17)))
    keys = [each.key for each in harvest(raw).assignments]
    assert len(set(keys)) == 2
    assert keys == [each.key for each in harvest(raw).assignments]


def test_windows_1252(harvest):
    """A feed that is not UTF-8 is read all the same, with a warning; the lines that are UTF-8 stay right."""
    raw = ics(
        vevent("UID:a", "DTSTART:20261010T090000Z", "SUMMARY:Caf\N{LATIN SMALL LETTER E WITH ACUTE}"),
        vevent("UID:b", "DTSTART:20261011T090000Z", "SUMMARY:Na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve"),
    ).replace("Café".encode(), "Café".encode("latin-1"))
    found = harvest(raw)
    assert titles(found) == ["Café", "Naïve"]
    assert found.warnings == ("uni: parts of it are not in UTF-8, so accented letters may be wrong",)


def test_utf_16(harvest):
    """A feed in UTF-16 is read, with a warning."""
    text = ics(vevent("UID:a", "DTSTART:20261010T090000Z", "SUMMARY:" + "Füße ਠ" * 30)).decode("utf-8", errors="ignore")
    found = harvest(text.encode("utf-16"))
    assert len(found.assignments) == 1
    assert found.warnings == ("uni: it is in UTF-16, where UTF-8 is expected",)


def test_fold_inside_a_character(only):
    """A fold that tears a character apart is mended."""
    title = "ü" * 60
    assert only(ics(vevent("UID:a", "DTSTART:20261010T090000Z", f"SUMMARY:x{title}"))).title == f"x{title}"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "it is empty"),
        (b" \r\n", "it is empty"),
        (
            b"<html><body>Sign in</body></html>",
            "it is an HTML page instead of a calendar, probably a login page; copy the feed's link again",
        ),
        (
            b"\xef\xbb\xbf<!DOCTYPE html>\n<html>",
            "it is an HTML page instead of a calendar, probably a login page; copy the feed's link again",
        ),
        (
            b"Invalid authentication",
            "Moodle no longer accepts the link; export the calendar there again and copy the new link",
        ),
        (b'{"errors": []}', "it is not a calendar (BEGIN:VCALENDAR is missing)"),
        (b"\x00" * 1000, "it is not a calendar (BEGIN:VCALENDAR is missing)"),
        (BROKEN["truncated"].encode(), "it stops half way (END:VCALENDAR is missing), so nothing of it is used"),
    ],
)
def test_not_a_calendar(refusal, tmp_path, raw, why):
    """What is no whole calendar is refused, with a sentence that says what it is instead."""
    assert refusal(raw) == f"cannot read source 'uni' ({tmp_path / 'feed.ics'}): {why}"


# ── hostile text and far dates ─────────────────────────────────────────────────────────────────────────────────────


def test_hostile_text(only):
    """Newlines, terminal escapes, bidirectional controls and length do not get through."""
    title = "Es\\nsay \x1b[31mred\x1b[0m \u202eevil\u202c @everyone <b>" + "x" * 10_000
    found = only(ics(vevent("UID:a", "DTSTART:20261010T090000Z", f"SUMMARY:{title}", f"DESCRIPTION:{'d' * 10_000}")))
    assert found.title.startswith("Es say red evil @everyone <b>xxx")
    assert len(found.title) == 200
    assert len(found.description) == 4000


def test_html_description(only):
    """HTML becomes text: hidden parts go, blocks become lines, entities become characters."""
    html = "<style>p {}</style><p>One&nbsp;two</p><script>alert(1)</script><ul><li>a &lt; b</li></ul><!-- no --><p"
    found = only(
        ics(
            vevent(
                "UID:a", "DTSTART:20261010T090000Z", "SUMMARY:A", f"X-ALT-DESC;FMTTYPE=text/html:{feeds.escaped(html)}"
            )
        )
    )
    assert found.description == "One\xa0two\n- a < b\n<p"


def test_angle_brackets_are_not_html(only):
    """A description that compares numbers keeps them."""
    found = only(
        ics(vevent("UID:a", "DTSTART:20261010T090000Z", "SUMMARY:A", "DESCRIPTION:if x < 3 and y > 4 or List<String>"))
    )
    assert found.description == "if x < 3 and y > 4 or List<String>"


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("Points: 10", 10),
        ("This is worth 7.5 pts.", 7.5),
        ("You get marks out of 20 points", 20),
        ("30 points possible", 30),
        ("worth 20 % of the grade", None),
        ("Points: 20%", None),
        ("answer 3 points on page 9", None),
    ],
)
def test_points(only, text, points):
    """Points are taken where they are stated, and never from a percentage."""
    assert only(ics(vevent("UID:a", "DTSTART:20261010T090000Z", "SUMMARY:A", f"DESCRIPTION:{text}"))).points == points


@pytest.mark.parametrize(
    "start", ["19700101T000000Z", "00010101T000000Z", "99991231T235959Z", ";VALUE=DATE:99991231", "20260630T235960Z"]
)
def test_far_dates(only, start):
    """Due dates at either end of time are kept and can be told in any zone."""
    found = only(
        ics(vevent("UID:a", f"DTSTART{start if start[0] == ';' else ':' + start}", "SUMMARY:A")),
        zone=ZoneInfo("America/New_York"),
    )
    assert found.due_at.astimezone(ZoneInfo("Pacific/Kiritimati"))
    assert found.due_at.astimezone(ZoneInfo("Pacific/Pago_Pago"))


def test_far_dates_of_a_series(harvest):
    """Repetition at either end of time loses nothing and raises nothing."""
    raw = ics(
        vevent("UID:a", "RECURRENCE-ID:00010101T000000", "DTSTART:00010101T000000", "SUMMARY:A"),
        vevent("UID:b", "RECURRENCE-ID;TZID=America/New_York:99991231T235959", "DTSTART:99991231T235959Z", "SUMMARY:B"),
        vevent("UID:c", "DTSTART;TZID=America/New_York:99991231T220000", "RRULE:FREQ=DAILY", "SUMMARY:C"),
        vevent("UID:d", "DTSTART;VALUE=DATE:99991231", "DURATION:P9999W", "SUMMARY:D"),
    )
    assert set(titles(harvest(raw))) >= {"A", "B", "D"}


def test_a_link_is_a_link(harvest):
    """Only http and https links are kept."""
    raw = ics(
        *(
            vevent(f"UID:{n}", "DTSTART:20261010T090000Z", f"SUMMARY:{n}", f"URL:{url}")
            for n, url in enumerate(["javascript:alert(1)", "https://x/y z", "HTTPS://x/y"])
        )
    )
    assert [each.url for each in harvest(raw).assignments] == [None, None, "HTTPS://x/y"]


# ── what repeats ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_repeating_deadline(harvest):
    """A deadline that repeats is one assignment each time, in its own zone, within a month back and four ahead."""
    raw = ics(
        vevent(
            "UID:a",
            "DTSTART;TZID=America/New_York:20260904T170000",
            "RRULE:FREQ=WEEKLY",
            "EXDATE;TZID=America/New_York:20261009T170000",
            "SUMMARY:Weekly sheet",
        )
    )
    found = harvest(raw)
    assert found.warnings == ()
    due = [each.due_at for each in found.assignments]
    assert len({each.key for each in found.assignments}) == len(due)
    assert due[0] == datetime(2026, 9, 4, 21, tzinfo=UTC)
    assert datetime(2026, 10, 9, 21, tzinfo=UTC) not in due
    assert datetime(2026, 11, 6, 22, tzinfo=UTC) in due
    assert due[-1] <= NOW + timedelta(days=120)
    later = harvest(raw, now=NOW + timedelta(days=7)).assignments
    assert {each.key for each in found.assignments[1:]} <= {each.key for each in later}


def test_moved_instance(harvest):
    """One time of a repeating deadline that was moved keeps its key; one that was called off is gone."""
    rule = ["UID:a", "DTSTART:20261002T170000Z", "RRULE:FREQ=WEEKLY;COUNT=3", "SUMMARY:Sheet"]
    moved = vevent("UID:a", "RECURRENCE-ID:20261009T170000Z", "DTSTART:20261012T170000Z", "SUMMARY:Sheet moved")
    off = vevent(
        "UID:a", "RECURRENCE-ID:20261016T170000Z", "DTSTART:20261016T170000Z", "STATUS:CANCELLED", "SUMMARY:Sheet"
    )
    before = {each.due_at: each.key for each in harvest(ics(vevent(*rule))).assignments}
    after = {each.due_at: each.key for each in harvest(ics(vevent(*rule), moved, off)).assignments}
    assert list(after) == [datetime(2026, 10, 2, 17, tzinfo=UTC), datetime(2026, 10, 12, 17, tzinfo=UTC)]
    assert after[datetime(2026, 10, 12, 17, tzinfo=UTC)] == before[datetime(2026, 10, 9, 17, tzinfo=UTC)]


def test_date_only_deadline_that_repeats(harvest):
    """Repeating dates are due at the end of each day."""
    found = harvest(
        ics(vevent("UID:a", "DTSTART;VALUE=DATE:20261005", "RRULE:FREQ=WEEKLY;UNTIL=20261019", "SUMMARY:Log"))
    )
    assert [each.due_at.day for each in found.assignments] == [5, 12, 19]
    assert {each.due_at.astimezone(AMSTERDAM).strftime("%H:%M") for each in found.assignments} == {"23:59"}


def test_lectures_are_no_deadlines(harvest):
    """What lasts and repeats is left out and said."""
    raw = ics(
        vevent("UID:a", "DTSTART:20261002T170000Z", "DTEND:20261002T190000Z", "RRULE:FREQ=WEEKLY", "SUMMARY:Lecture"),
        vevent("UID:b", "DTSTART:20261003T170000Z", "SUMMARY:Essay"),
    )
    found = harvest(raw)
    assert titles(found) == ["Essay"]
    assert found.warnings == ("uni: left out 1 event for lasting and repeating, as lectures do: 'Lecture'",)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=MINUTELY;INTERVAL=1",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYSETPOS=5",
        "FREQ=YEARLY;BYMONTH=13",
        "FREQ=DAILY;BYHOUR=" + ",".join(map(str, range(24))) + ";BYMINUTE=0,30",
        "FREQ=WEEKLY;UNTIL=never",
        "FREQ=WEEKLY;BYDAY=XX",
        "nonsense",
        "FREQ=DAILY;COUNT=0",
    ],
)
def test_rules_that_cannot_be_followed(harvest, rule):
    """A rule that never ends, never begins or means nothing costs no time; the first date counts and it is said."""
    begun = time.monotonic()
    found = harvest(ics(vevent("UID:a", "DTSTART:20261002T170000Z", f"RRULE:{rule}", "SUMMARY:Odd")))
    assert time.monotonic() - begun < 30
    assert [each.due_at for each in found.assignments] == [datetime(2026, 10, 2, 17, tzinfo=UTC)]
    assert found.warnings == (
        "uni: took only the first time of 1 event that cannot be followed (too often, too far, or no rule): 'Odd'",
    )


def test_too_many_deadlines_from_one_event(harvest):
    """One event makes at most 500 assignments."""
    found = harvest(
        ics(vevent("UID:a", "DTSTART:20260901T000000Z", "RRULE:FREQ=DAILY;BYHOUR=1,2,3,4,5,6,7,8", "SUMMARY:Odd"))
    )
    assert len(found.assignments) == 500
    assert found.warnings == ("uni: took only the first 500 times of 1 event: 'Odd'",)


# ── files and servers ──────────────────────────────────────────────────────────────────────────────────────────────


def test_kinds():
    """A kind that there is not is refused with those that there are."""
    with pytest.raises(ConfigError) as caught:
        open_source("xls", name="x", url=None, path=Path("x"))
    assert caught.value.hint == "there are ics, canvas, toml, csv, markdown"


def test_file_that_cannot_be_read(tmp_path):
    """A missing file, a folder and a pipe are refused in words."""

    def refused(path: Path) -> str:
        with pytest.raises(SourceError) as caught:
            open_source("ics", name="uni", url=None, path=path).read(now=NOW, zone=UTC)
        return caught.value.message

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert (
        refused(tmp_path / "none.ics") == f"cannot read source 'uni' ({tmp_path / 'none.ics'}): there is no such file"
    )
    assert refused(tmp_path).endswith("it is a folder, not a file")
    assert refused(pipe).endswith("it is not a regular file")
    assert refused(tmp_path / "none" / "\0").endswith("the path has a character that no file name can have")
    assert refused(tmp_path / ("x" * 300)).endswith("file name too long")


def test_large_file_is_refused_at_once(tmp_path):
    """A 50 MB file is not read at all."""
    path = tmp_path / "large.ics"
    with path.open("wb") as stream:
        stream.truncate(50_000_000)
    with pytest.raises(SourceError, match="it has 50 MB, and at most 20 MB is read"):
        open_source("ics", name="uni", url=None, path=path).read(now=NOW, zone=UTC)


FEED = feeds.canvas(feeds.canvas_assignment(1, "Essay", "ENG", DUE))


@pytest.fixture
def from_server(server):
    """Read from the test's own server at a secret path, and make sure that nothing that is said holds the secret."""
    secret = feeds.secret_of("canvas")

    def read(**how):
        try:
            raw = Place(
                label="source 'uni'", expected="a calendar", url=f"{server.url}/{secret}.ics?token={secret}"
            ).read(**how)
        except SourceError as error:
            said = f"{error} {error.hint} {error.__cause__} {Place(label='x', expected='y', url=secret)!r}"
            assert secret not in said
            assert "127.0.0.1" not in said
            return error.message
        return raw

    return read


def test_feed_from_a_server(server, from_server):
    """A feed is read over HTTP, through redirects."""
    server.answer = lambda request: (
        Answer(body=FEED) if request.path == "/moved" else Answer(302, b"", {"Location": "/moved"})
    )
    assert from_server() == FEED


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(401), "the link is no longer valid (HTTP 401); copy a new one from where the first one came from"),
        (Answer(403), "the link is no longer valid (HTTP 403); copy a new one from where the first one came from"),
        (Answer(404), "nothing is at its link any more (HTTP 404); copy a new one from where the first one came from"),
        (Answer(410), "nothing is at its link any more (HTTP 410); copy a new one from where the first one came from"),
        (Answer(429), "the server cannot answer at the moment (HTTP 429)"),
        (Answer(503), "the server cannot answer at the moment (HTTP 503)"),
        (Answer(204, b""), "the server answered with HTTP 204"),
        (Answer(200, b""), "the server's answer is empty"),
        (
            Answer(200, b"<!doctype html><title>Log in</title>"),
            "it is an HTML page instead of a calendar, probably a login page; copy the feed's link again",
        ),
    ],
)
def test_server_that_refuses(server, from_server, answer, why):
    """Every answer that is no feed is said in words, never with the link."""
    server.answer = answer
    assert from_server() == f"cannot read source 'uni': {why}"


def test_redirect_for_ever(server, from_server):
    """A redirect in a circle ends."""
    server.answer = Answer(302, b"", {"Location": "/again"})
    assert from_server() == "cannot read source 'uni': too many redirects"


def test_server_that_hangs(server, from_server):
    """A server that never answers costs no more than the time limit."""
    server.raw = lambda handler, request: server.closing.wait(60)
    begun = time.monotonic()
    assert "no " in from_server(seconds=0.3)
    assert time.monotonic() - begun < 30


def test_endless_body(server, from_server):
    """A body that never ends is given up at the size limit."""
    stop = threading.Event()

    def endless(handler, request):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not stop.is_set():
            handler.wfile.write(b"BEGIN:VCALENDAR\r\n" * 1000)

    server.raw = endless
    assert from_server(limit=200_000) == "cannot read source 'uni': its answer goes on, and at most 0.2 MB is read"
    stop.set()


def test_large_body(server, from_server):
    """A body that says that it is too large is refused with its size."""
    server.answer = Answer(200, b"x" * 400_000)
    assert from_server(limit=200_000) == "cannot read source 'uni': it has 0.4 MB, and at most 0.2 MB is read"


def test_no_server(from_server, server):
    """A server that is not there is said in words."""
    server.close()
    assert from_server().startswith("cannot read source 'uni': the connection failed")


def test_webcal():
    """webcal addresses are https ones."""
    assert web_address("webcal://h/x.ics") == "https://h/x.ics"
    assert web_address("WEBCALS://h/x.ics") == "https://h/x.ics"
    assert web_address(" http://h/webcal://x ") == "http://h/webcal://x"


def test_webcal_is_asked_securely(server):
    """A webcal address is asked by https, never in the clear."""
    place = Place(label="source 'uni'", expected="a calendar", url=server.url.replace("http", "webcal"))
    with pytest.raises(SourceError, match="no secure connection could be made"):
        place.read()
    assert server.requests == []


# ── anything at all ────────────────────────────────────────────────────────────────────────────────────────────────

SEEDS = [
    FEED,
    feeds.moodle(feeds.moodle_event(11, "Essay is due", DUE)),
    feeds.brightspace(feeds.brightspace_item(1, "Essay - Due", DUE)),
    ics(
        SHIPPED_ZONE,
        vevent(
            "UID:a",
            "DTSTART;TZID=Customized Time Zone:20261002T170000",
            "RRULE:FREQ=MONTHLY;BYDAY=1FR,-1MO;COUNT=9",
            "SUMMARY:A",
        ),
        vevent("UID:a", "RECURRENCE-ID:20261106T220000Z", "DTSTART:20261107T220000Z", "DURATION:P1DT2H", "SUMMARY:A"),
        vevent(
            "UID:b",
            "DTSTART:20261002T170000Z",
            "RDATE:20261003T170000Z,20261004T170000Z/PT1H",
            "EXDATE:20261002T170000Z",
            "SUMMARY:B",
        ),
        vtodo("UID:c", "DUE;VALUE=DATE:20261009", "SUMMARY:C"),
    ),
]
SPLICES = [
    b"",
    b"\n",
    b"\r\n ",
    b":",
    b";",
    b'"',
    b"\\",
    b"9999",
    b"00010101T000000",
    b"00000000",
    b"\xff",
    b"\xe2\x80",
    b"<script>",
    b"END:VEVENT\r\n",
    b"BEGIN:VTODO\r\n",
    b"FREQ=",
    b"-",
    b"Z",
]


@settings(max_examples=150)
@given(
    seed=st.sampled_from(SEEDS),
    cuts=st.lists(
        st.tuples(st.integers(0, 2000), st.integers(0, 12), st.sampled_from(SPLICES) | st.binary(max_size=6)),
        max_size=4,
    ),
    end=st.integers(0, 3000),
)
def test_any_damage(tmp_path, seed, cuts, end):
    """Whatever happens to a feed's bytes gives assignments or a SourceError, soon, and nothing else."""
    raw = seed
    for at, length, splice in cuts:
        raw = raw[:at] + splice + raw[at + length :]
    path = tmp_path / "feed.ics"
    path.write_bytes(raw[:end] if end < 300 else raw)
    begun = time.monotonic()
    try:
        found = open_source("ics", name="uni", url=None, path=path).read(now=NOW, zone=AMSTERDAM)
    except SourceError:
        pass
    else:
        assert all(each.title and each.key for each in found.assignments)
        assert len({each.id for each in found.assignments}) == len(found.assignments)
    assert time.monotonic() - begun < 30


@given(st.binary(max_size=400))
def test_any_bytes_are_text(raw):
    """Any bytes can be decoded, and UTF-8 comes through unharmed."""
    text, warnings = decode(raw)
    assert isinstance(text, str)
    if not raw.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")) and not warnings:
        assert text.encode() == raw


def test_no_calendar_library_for_a_platforms_feed(tmp_path):
    """A feed in which nothing repeats is read without importing the calendar libraries, which takes a while."""
    path = tmp_path / "feed.ics"
    path.write_bytes(FEED)
    script = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from gradent_cli.agents.study.sources import open_source\n"
        f"source = open_source('ics', name='uni', url=None, path=Path({str(path)!r}))\n"
        "assert len(source.read(now=datetime(2026, 10, 1, tzinfo=UTC), zone=UTC).assignments) == 1\n"
        "print(*{'icalendar', 'recurring_ical_events', 'dateutil', 'httpx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


MANY = 50_001
SMALLEST = b"BEGIN:VEVENT\r\nDTSTART:20261010T090000Z\r\nEND:VEVENT\r\n"


@pytest.mark.parametrize(
    "inside",
    [
        SMALLEST * MANY,
        SMALLEST * 100_000,
        b"BEGIN:VEVENT\n" * 1_400_000,
        b"BEGIN:VCALENDAR\n" * MANY,
        b"BEGIN:VTIMEZONE\nEND:VTIMEZONE\n" * MANY,
    ],
    ids=["one too many", "a hundred thousand", "none of them closed", "calendars", "time zones"],
)
def test_too_many_events(refusal, tmp_path, inside):
    """A feed with more events than anybody has is refused in a sentence, before they fill the memory."""
    raw = b"BEGIN:VCALENDAR\r\n" + inside + b"END:VCALENDAR\r\n"
    why = "it has more than 50,000 events, and no more are read"
    assert refusal(raw) == f"cannot read source 'uni' ({tmp_path / 'feed.ics'}): {why}"


def test_lines_without_end(tmp_path):
    """An event, or a time zone, of which every line is the same is kept as far as it can mean anything."""
    zone = ["BEGIN:VTIMEZONE", "TZID:x", *["A:B"] * 50_000, "END:VTIMEZONE"]
    event = vevent("UID:a", "DTSTART:20261010T090000Z", *["URL:https://x"] * 50_000, "SUMMARY:A", *["x"] * 50_000)
    raw = "\r\n".join(["BEGIN:VCALENDAR", *zone, *event, "END:VCALENDAR"]).encode()
    (calendar,), _ = read_calendars(Place(label="x", expected="a calendar", path=tmp_path), raw)
    (component,) = calendar.components
    assert (len(component.properties["URL"]), len(calendar.zones["x"])) == (3000, 3000)
    assert component.title.startswith("A x x")
    assert len(component.properties["SUMMARY"][0].value) < 30_000


def test_ten_thousand_events(harvest):
    """A feed of 10,000 events is read as a whole, and does not hang."""
    raw = feeds.canvas(*(feeds.canvas_assignment(n, f"Set {n}", "MATH", DUE) for n in range(10_000)))
    begun = time.monotonic()
    assert len(harvest(raw).assignments) == 10_000
    assert time.monotonic() - begun < 30
