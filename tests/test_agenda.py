"""The plan by day, in a terminal and as JSON."""

import io
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli.agents.study import free, words
from gradent_cli.agents.study.known import Known
from gradent_cli.agents.study.records import Assignment, Plan, Session, Shortfall
from gradent_cli.agents.study.rules import Rules
from gradent_cli.cli import agenda
from gradent_cli.config.study import WEEKDAYS
from gradent_cli.text import columns
from tests.street.clock import NOW
from tests.test_schedule import plan_of, task

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
ESSAY = Assignment(source="s", key="1", title="Essay <1>", course="WRIT 101", due_at=NOW + timedelta(days=2, hours=3))
LATE = Assignment(source="s", key="2", title="Lab", due_at=NOW - timedelta(days=1), done=False)
DAYTIME = dict.fromkeys(WEEKDAYS, ("09:00-21:00",))
NIGHTS = free.week({"monday": ["22:00-02:00"], "wednesday": ["22:00-02:00"]})
SHORT = Shortfall(assignment_id=LATE.id, minutes=90, remedy="An hour more helps.")


def known(*assignments):
    return tuple(
        Known(assignment=each, assessment=None, first_seen_at=NOW, last_seen_at=NOW, vanished=False)
        for each in assignments
    )


def session(assignment, hours, length=2.0, **more):
    """A session that begins so many hours from now."""
    start = NOW + timedelta(hours=hours)
    more = {"ordinal": 1 + round(hours * 4) % 97, "title": f"{assignment.title} (WRIT 101)"} | more
    return Session(assignment_id=assignment.id, starts_at=start, ends_at=start + timedelta(hours=length), **more)


def collected(*sessions, assignments=(ESSAY, LATE), short=(), **more):
    plan = Plan(sessions=sessions, short=short)
    facts = {
        "zone": UTC,
        "now": NOW,
        "per_day": timedelta(hours=4),
        "hours": free.week(DAYTIME),
        "horizon_days": 60,
        "left": {},
    } | more
    return agenda.collect(plan, known(*assignments), **facts)


def told(*sessions, machine=None, **more):
    found = collected(*sessions, **more)
    return agenda.text(found, machine=machine or found.zone)


def test_a_session_is_so_many_whole_minutes_long():
    """A calendar program may leave seconds in it; days and the whole plan add up what is shown."""
    sessions = [session(ESSAY, 1, length=1.9 / 60), session(ESSAY, 4, length=1.5)]
    assert [each.minutes for each in sessions] == [1, 90]
    found = collected(*sessions)
    assert ([day.minutes for day in found.days if day.sessions], found.minutes) == ([91], 91)


def test_the_agenda_shows_days_sessions_dues_and_what_does_not_fit():
    """In the student's own zone: overdue first, then day by day, then what is short, then what it comes to."""
    text = told(session(ESSAY, 1), session(ESSAY, 26, 1.5, pinned=True), short=(SHORT,), zone=AMSTERDAM, machine=UTC)
    assert text.splitlines() == [
        "Overdue",
        "  Lab, due yesterday 10:00",
        "",
        "Today, Mon 23 Nov     ██████░░░░░░  2h of 4h",
        "  11:00-13:00  Essay <1> (WRIT 101)",
        "Tomorrow, Tue 24 Nov  ████░░░░░░░░  1h 30min of 4h",
        "• 12:00-13:30  Essay <1> (WRIT 101)",
        "Wed 25 Nov",
        "◆ 13:00 due    Essay <1> (WRIT 101)",
        "",
        "Does not fit",
        "  Lab: 1h 30min short. An hour more helps.",
        "",
        "3h 30min in 2 sessions this week.",
        "• is pinned: it stays where you put it.",
        "Times are those of Europe/Amsterdam; this computer is set to UTC.",
    ]


def test_due_dates_stand_in_their_place_by_time():
    """What is due at noon comes between the morning's session and the one at noon."""
    noon = Assignment(source="s", key="3", title="Quiz", due_at=NOW + timedelta(hours=3))
    lines = told(session(ESSAY, 3), session(ESSAY, 1, 1), assignments=(ESSAY, noon)).splitlines()
    assert [line[2:7] for line in lines[1:4]] == ["10:00", "12:00", "12:00"]
    assert "due    Quiz" in lines[2]


@pytest.mark.parametrize(
    ("hours", "gap"), [(24, "· 1 day free"), (48, "· 2 days free"), (72, "· 3 days free")]
)  # fmt: skip
def test_free_days_are_one_line(hours, gap):
    """Days with nothing on them are counted, not listed, also those before the first session."""
    lines = told(session(ESSAY, hours), assignments=()).splitlines()
    assert lines[0] == gap
    lines = told(session(ESSAY, 1), session(ESSAY, 25 + hours), assignments=()).splitlines()
    assert lines[2] == gap


def test_behind_the_end_of_the_plan_nothing_is_free():
    """What is due there is not planned yet, and said so: a few by name, all in JSON, none where days are asked for."""
    far = [
        Assignment(source="s", key=f"f{n}", title=f"Paper {n}", due_at=NOW + timedelta(days=190 + n)) for n in range(8)
    ]
    edge = Assignment(source="s", key="e", title="Edge", due_at=NOW + timedelta(days=60))
    left = {far[0].id: 10, far[1].id: 0.756}
    more = {"assignments": (ESSAY, edge, *far), "left": left}
    text = told(session(ESSAY, 1), session(ESSAY, 24 * 70, pinned=True), **more)
    assert [line for line in text.splitlines() if "free" in line] == ["· 1 day free", "· 57 days free"]
    assert text.split("\n\n")[-2].splitlines() == [
        "Not planned yet (due after Fri 22 Jan)",
        "  Paper 0, 10h, due Tue 1 Jun 2027",
        "  Paper 1, 45min, due Wed 2 Jun 2027",
        "  Paper 2, due Thu 3 Jun 2027",
        "  Paper 3, due Fri 4 Jun 2027",
        "  Paper 4, due Sat 5 Jun 2027",
        "  and 3 more",
    ]
    later = agenda.document(collected(**more))["later"]
    assert later[:2] == [
        {"assignment_id": far[0].id, "due_at": "2027-06-01T09:00:00Z", "remaining_hours": 10},
        {"assignment_id": far[1].id, "due_at": "2027-06-02T09:00:00Z", "remaining_hours": 0.76},
    ]
    assert (len(later), later[-1]["remaining_hours"]) == (8, None)
    assert "Not planned" not in told(session(ESSAY, 1), days=3, **more)


def test_what_does_not_fit_is_in_the_planners_order():
    """In which each remedy is on top of those before it; in JSON too."""
    undated, soon = (Assignment(source="s", key=key, title=key, due_at=due) for key, due in (
        ("undated", None), ("soon", NOW + timedelta(hours=5)),
    ))  # fmt: skip
    work = (soon, ESSAY, LATE, undated)
    found = collected(
        assignments=work, short=[replace(SHORT, assignment_id=each.id, remedy="It helps") for each in work]
    )
    lines = agenda.text(found, machine=UTC).partition("Does not fit\n")[2].splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["soon:", "Essay", "Lab:", "undated:"]
    assert lines[0] == "  soon: 1h 30min short. It helps."
    assert lines[4] == "  Each counts on top of those above it."
    order = [each["assignment_id"] for each in agenda.document(found)["short"]]
    assert order == [each.id for each in (soon, ESSAY, LATE, undated)]


def test_weeks_are_set_apart():
    """Monday begins after an empty line, and what is free ends the week before."""
    text = told(session(ESSAY, 24 * 4), session(ESSAY, 24 * 7), assignments=())
    blocks = text.split("\n\n")
    assert blocks[0].splitlines()[-1] == "· 2 days free"
    assert blocks[1].startswith("Mon 30 Nov ")
    assert blocks[2] == "2h this week; 4h in 2 sessions until Mon 30 Nov."


def test_a_session_over_midnight_belongs_to_the_day_it_began():
    """It is in that day's load, and still shown while it goes on after midnight."""
    night = session(ESSAY, 14, 3)  # 23:00-02:00
    text = told(night, now=NOW + timedelta(hours=15, minutes=30), assignments=())
    assert text.splitlines()[:2] == [
        "Yesterday, Mon 23 Nov  █████████░░░  3h of 4h",
        "  23:00-02:00  Essay <1> (WRIT 101)",
    ]
    assert told(night, now=NOW + timedelta(hours=17), assignments=()) == ""


def test_a_night_counts_for_the_day_that_its_hours_began_on():
    """As in the planner: no day is above its limit, a day off has nothing, and the clock's day is named."""
    nights = [session(ESSAY, hours, length, ordinal=n) for n, (hours, length) in enumerate(
        [(13, 2), (15.25, 1.75), (61, 2), (63.25, 1.75)]
    )]  # fmt: skip
    found = collected(*nights, hours=NIGHTS, assignments=())
    assert agenda.text(found, machine=UTC).splitlines()[:7] == [
        "Today, Mon 23 Nov     ███████████░  3h 45min of 4h",
        "  22:00-00:00  Essay <1> (WRIT 101)",
        "  00:15-02:00 (Tue)  Essay <1> (WRIT 101)",
        "· 1 day free",
        "Wed 25 Nov            ███████████░  3h 45min of 4h",
        "  22:00-00:00  Essay <1> (WRIT 101)",
        "  00:15-02:00 (Thu)  Essay <1> (WRIT 101)",
    ]
    assert [(day["date"], day["minutes"]) for day in agenda.document(found)["days"]] == [
        ("2026-11-23", 225),
        ("2026-11-25", 225),
    ]


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "Asia/Tokyo", "America/New_York"])
def test_days_are_the_planners(zone):
    """A plan that keeps the limit never looks as if it did not, over midnight and over a change of the clocks."""
    zone, now = ZoneInfo(zone), datetime(2026, 10, 23, 9, tzinfo=UTC)
    nights = dict.fromkeys(("tuesday", "saturday"), ("22:00-02:30",))
    rules = Rules(hours=free.week(DAYTIME | nights), horizon_days=12)
    plan = plan_of([task("1", 60, now + timedelta(days=11))], rules=rules, now=now, zone=zone)
    found = agenda.collect(
        plan, (), zone=zone, now=now, per_day=rules.max_per_day, hours=rules.hours, horizon_days=12, left={}
    )
    assert any(words.local(each.starts_at, zone).hour < 3 for each in plan.sessions)
    assert max(day.minutes for day in found.days) == 240


def test_a_day_above_its_limit_is_full_and_says_so():
    """Pinned sessions may be more than the day should hold."""
    assert "████████████  5h of 4h" in told(session(ESSAY, 1, 5), assignments=())
    assert "█░░░░░░░░░░░  15min of 24h" in told(session(ESSAY, 1, 0.25), per_day=timedelta(days=1))


def test_only_the_days_asked_for_are_shown():
    """The others are counted; what is late is shown always."""
    sessions = [session(ESSAY, 24 * day) for day in range(5)]
    found = collected(*sessions, days=2)
    assert [len(day.sessions) for day in found.days] == [1, 1]
    text = agenda.text(found, machine=UTC)
    assert "Lab, due yesterday" in text
    assert "\n\n2h in 1 session today.\n" in told(*sessions, days=1)
    assert text.endswith("4h in 2 sessions in the next 2 days.\n3 more sessions later; without --days all are shown.")


def test_the_zone_is_named_only_where_the_computer_shows_other_times():
    """Two names of the same time are not worth a line; a clock change that only one of them has is."""
    assert "this computer" not in told(session(ESSAY, 1), zone=AMSTERDAM, machine=ZoneInfo("Europe/Paris"))
    summer = session(ESSAY, 24 * 130)
    said = "Times are those of Europe/London; this computer is set to UTC."
    assert told(session(ESSAY, 1), zone=ZoneInfo("Europe/London"), machine=UTC, assignments=(LATE,)).count(said) == 0
    assert told(summer, zone=ZoneInfo("Europe/London"), machine=UTC, assignments=(LATE,)).count(said) == 1


def test_a_due_date_at_the_end_of_time_is_shown_with_its_year():
    """Feeds use the last hours of the calendar for "never"; no zone can hold them."""
    never = Assignment(source="s", key="9", title="Never", due_at=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    assert "Fri 31 Dec 9999" in told(assignments=(never,), zone=ZoneInfo("Asia/Tokyo"))


WIDE = ["線形代数の課題をすべて解く" * 3, "👩‍👩‍👧 Familie 👍🏽 ❤️ " * 4, "Ein sehr langer Titel " * 4, "x" * 300]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(monkeypatch, width):
    """Whatever the titles are made of, and nothing of them is lost."""
    monkeypatch.setenv("COLUMNS", str(width))
    works = [Assignment(source="s", key=str(n), title=t, due_at=NOW + timedelta(days=1)) for n, t in enumerate(WIDE)]
    late = [Assignment(source="l", key=str(n), title=t, due_at=NOW, done=False) for n, t in enumerate(WIDE)]
    sessions = [session(each, 20 * n, title=each.title) for n, each in enumerate(works, 1)]
    short = [Shortfall(assignment_id=each.id, minutes=4000, remedy="An hour more a day helps. " * 5) for each in works]
    text = told(*sessions, assignments=(*works, *late), short=tuple(short), zone=AMSTERDAM, machine=UTC)
    assert max(map(columns, text.splitlines())) <= width
    assert "".join(WIDE[0].split()) in "".join(text.split())


@given(st.lists(st.text(max_size=60), min_size=1, max_size=3))
def test_no_title_harms_the_terminal(titles):
    """Each session is one entry without control characters, however its title is made."""
    text = told(*(session(ESSAY, n + 1, 1, title=title) for n, title in enumerate(titles)), assignments=())
    assert sum(line[2:3].isdigit() for line in text.splitlines()) >= len(titles)
    assert not any(c < " " or "\x7f" <= c <= "\x9f" or "\u202a" <= c <= "\u202e" for c in text.replace("\n", ""))
    assert max(map(columns, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("encoding", "environ", "plain"),
    [
        ("utf-8", {}, False),
        ("utf-8", {"LANG": "en_US.UTF-8"}, False),
        ("utf-8", {"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
        ("utf-8", {"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, True),
        ("utf-8", {"LC_ALL": "C.UTF-8", "LANG": "C"}, False),
        ("ascii", {"LANG": "en_US.UTF-8"}, True),
        ("iso8859-1", {}, True),
        ("no such thing", {}, True),
        (None, {}, True),
    ],
)
def test_bars_are_letters_where_pictures_cannot_be_shown(encoding, environ, plain):
    """Where the person said so by the locale, and where the output's encoding does not have them."""
    found = agenda.marks(encoding, environ)
    assert ("".join(found).isascii(), {*map(columns, found)}) == (plain, {1})


def test_an_agenda_in_letters(monkeypatch):
    """All that it draws itself is ASCII."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    text = told(session(ESSAY, 1, pinned=True), session(ESSAY, 70))
    assert text.isascii()
    assert "Today, Mon 23 Nov     ######------  2h of 4h\n* 10:00-12:00" in text
    assert "\n. 1 day free\nWed 25 Nov\n! 12:00 due" in text


def test_colour_is_only_for_a_terminal_that_wants_it(monkeypatch):
    """And it adds nothing but colour."""

    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self):
            return True

    plain = told(session(ESSAY, 1, 5), short=(SHORT,))
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert told(session(ESSAY, 1, 5), short=(SHORT,)) == plain
    monkeypatch.delenv("NO_COLOR")
    coloured = told(session(ESSAY, 1, 5), short=(SHORT,))
    assert coloured.count("\x1b[31m") == 3  # overdue, the bar, does not fit
    for code in (0, 31, 32, 33, 36, 90):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert coloured == plain


def test_the_plan_as_json_names_sessions_shortfalls_and_days():
    """The contract's keys, and the facts that the agenda shows."""
    document = json.loads(json.dumps(agenda.document(collected(session(ESSAY, 1, ordinal=1), short=(SHORT,)))))
    assert document == {
        "sessions": [
            {
                "id": f"{ESSAY.id}-1", "assignment_id": ESSAY.id, "title": "Essay <1> (WRIT 101)",
                "starts_at": "2026-11-23T10:00:00Z", "ends_at": "2026-11-23T12:00:00Z", "pinned": False,
            }
        ],
        "short": [{"assignment_id": LATE.id, "minutes": 90, "remedy": "An hour more helps."}],
        "days": [
            {"date": "2026-11-23", "minutes": 120, "limit_minutes": 240, "due": []},
            {"date": "2026-11-25", "minutes": 0, "limit_minutes": 240, "due": [ESSAY.id]},
        ],
        "overdue": [{"assignment_id": LATE.id, "title": "Lab", "due_at": "2026-11-22T09:00:00Z"}],
        "later": [],
        "total_minutes": 120,
        "timezone": "UTC",
    }  # fmt: skip


def test_what_is_done_or_past_is_not_on_the_agenda():
    """Only work that is open or overdue is."""
    done = Assignment(source="s", key="3", title="Done", due_at=NOW + timedelta(days=1), done=True)
    past = Assignment(source="s", key="4", title="Past", due_at=NOW - timedelta(days=1))
    found = collected(assignments=(done, past))
    assert (found.days, found.work, found.overdue) == ((), (), ())
    assert agenda.text(found, machine=AMSTERDAM) == ""
