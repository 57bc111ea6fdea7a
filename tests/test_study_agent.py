"""The study agent on real files and a real database: what a run does, and what the next one leaves alone."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import Connection
from types import FrameType
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from gradent_cli.agents import RunContext, ToolCallTracker
from gradent_cli.agents.study.agent import StudyAgent
from gradent_cli.agents.study.calendars import open_calendar
from gradent_cli.agents.study.progress import Progress
from gradent_cli.agents.study.records import LogEntry
from gradent_cli.agents.study.remaining import planned_minutes
from gradent_cli.agents.study.rules import Rules
from gradent_cli.agents.study.schedule import schedule
from gradent_cli.agents.study.sources import open_source
from gradent_cli.agents.study.store import Store
from gradent_cli.database import open_database
from gradent_cli.errors import ConfigError, StateError
from gradent_cli.records import Report, ToolCall

NOW = datetime(2026, 11, 23, 14, 3, tzinfo=UTC)  # a Monday
ZONE = ZoneInfo("Europe/Berlin")

ESSAY = """
[[assignment]]
id = "essay"
title = "Essay 1"
course = "WRIT 101"
due = 2026-12-04T23:59:00+01:00
"""
QUIZ = """
[[assignment]]
id = "quiz"
title = "Quiz 3"
due = 2026-11-25T12:00:00+01:00
done = false
"""
EVENT = """BEGIN:VEVENT
UID:{uid}
DTSTAMP:20261101T000000Z
DTSTART:{start}
DTEND:{end}
SUMMARY:{summary}
END:VEVENT
"""


def feed(*events: tuple[str, str, str, str]) -> str:
    inner = "".join(EVENT.format(uid=u, summary=s, start=b, end=e) for u, s, b, e in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{inner}END:VCALENDAR\n".replace("\n", "\r\n")


@dataclass
class Desk:
    """A student's desk: files that can be edited, and an agent that can be run over them."""

    folder: Path
    store: Store
    progress: Progress
    connection: Connection
    rules: Rules = field(default_factory=Rules)
    lists: tuple[str, ...] = ("list.toml",)
    busy: tuple[str, ...] = ()
    calls: dict[str, ToolCall] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    shield: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def plan(self) -> Path:
        return self.folder / "plan.ics"

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def did(self, minutes: int, at: datetime, title: str = "Essay 1") -> None:
        """Say that this was worked on the assignment of this title, up to this moment."""
        id = next(each.id for each in self.store.assignments() if each.title == title)
        self.progress.log(LogEntry(assignment_id=id, minutes=minutes, worked_at=at, logged_at=at))

    def agent(self) -> StudyAgent:
        return StudyAgent(
            sources=[
                open_source(Path(name).suffix[1:], name=Path(name).stem, url=None, path=self.folder / name)
                for name in self.lists
            ],
            calendars=[
                open_calendar("ics", name=Path(name).stem, url=None, path=self.folder / name) for name in self.busy
            ],
            store=self.store,
            rules=self.rules,
            zone=ZONE,
            plan_path=self.plan,
        )

    def run(self, now: datetime = NOW) -> Report:
        agent = self.agent()
        self.calls = {}
        tracker = ToolCallTracker(lambda: now, lambda call: self.calls.update({call.tool: call}))
        return agent.run(
            RunContext(
                run_id="1",
                started_at=now,
                tools=tracker,
                previous=None,
                log=self.log.append,
                shield=self.shield,
            )
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "desk"
    folder.mkdir()
    connection = open_database(tmp_path / "gradent.db")
    yield Desk(folder, Store(connection), Progress(connection), connection)
    connection.close()


def test_first_run(desk):
    """A run reads, assesses, suggests and schedules; each tool says what it did, in the student's own time."""
    desk.write("list.toml", ESSAY + QUIZ)
    report = desk.run()
    assert report == Report(
        summary="Assessed 2 assignments, generated 1 study suggestion, scheduled 5 sessions",
        lines=("Assessed 2 assignments", "Generated 1 study suggestion", "Scheduled 5 sessions"),
    )
    assert list(desk.calls) == ["check", "assess", "suggest", "schedule"]
    assert [call.title for call in desk.calls.values()] == [
        "Check assignments",
        "Assess assignments",
        "Suggest",
        "Schedule sessions",
    ]
    assert all(call.status == "completed" and call.changed for call in desk.calls.values())
    assert desk.calls["check"].result == "2 open assignments from 1 source: 2 new"
    assert "New: Essay 1 (WRIT 101), due Fri 4 Dec 23:59" in desk.calls["check"].details
    assert any(
        line.startswith("Essay 1: 4-14 h, likely 8 (difficulty 3/5, risk ") for line in desk.calls["assess"].details
    )
    assert desk.calls["suggest"].details[0].startswith("Quiz 3 is due Wed 25 Nov 12:00.")
    assert desk.calls["schedule"].result == "Scheduled 5 sessions"
    assert desk.calls["schedule"].details[0] == "Mon 23 Nov 15:15-17:15 Quiz 3"


def test_the_calendar_file_is_the_plan(desk):
    """`plan.ics` holds exactly the planned sessions, and only its owner can read it."""
    desk.write("list.toml", ESSAY)
    desk.run()
    events = Calendar.from_ical(desk.plan.read_bytes()).walk("VEVENT")
    planned = desk.store.plan(now=NOW).sessions
    assert [(e["UID"], e.decoded("DTSTART"), e.decoded("DTEND")) for e in events] == [
        (f"{s.id}@gradent", s.starts_at, s.ends_at) for s in planned
    ]
    assert {str(event["SUMMARY"]) for event in events} == {"Essay 1 (WRIT 101)"}
    assert desk.plan.stat().st_mode & 0o777 == 0o600


def test_second_run_has_nothing_new(desk):
    """The same input again: nothing changed, nothing told, and the calendar file is not even touched."""
    desk.write("list.toml", ESSAY + QUIZ)
    desk.run()
    content, touched = desk.plan.read_bytes(), desk.plan.stat().st_mtime_ns
    report = desk.run(NOW + timedelta(minutes=10))
    assert report == Report(summary="All caught up: nothing new since the last run", changed=False)
    assert not any(call.changed for call in desk.calls.values())
    assert (desk.plan.read_bytes(), desk.plan.stat().st_mtime_ns) == (content, touched)
    assert desk.calls["check"].result == "2 open assignments from 1 source: nothing new"
    assert desk.calls["schedule"].result == "Every session stays as it was"


def test_time_alone_is_no_news(desk):
    """Sessions that were held and logged, and a risk that grew, change no assessment and move no session."""
    desk.write("list.toml", ESSAY)
    desk.run()
    before = desk.store.sessions.all()
    (early,) = desk.store.known()
    later = before[0].ends_at + timedelta(days=3)
    for session in before:
        if session.ends_at <= later:
            desk.did(planned_minutes([session]), session.ends_at)
    report = desk.run(later)
    assert report.changed is False
    assert desk.store.sessions.all() == before
    (late,) = desk.store.known()
    assert late.assessment.version == 1
    assert late.assessment.risk != early.assessment.risk


def test_risk_falls_with_the_work(desk):
    """Work that is logged is no risk any more; work that was only planned still is."""
    desk.write("list.toml", ESSAY)
    desk.run()
    end = desk.store.sessions.all()[-1].ends_at
    desk.run(end)
    assert desk.store.known()[0].assessment.risk > 50
    desk.did(8 * 60, end)
    desk.run(end)
    assert desk.store.known()[0].assessment.risk == 0


def test_past_sessions_stay_in_the_file_for_a_month(desk):
    """What went by stays in the calendar for thirty days, then it goes."""
    desk.write("list.toml", ESSAY)
    desk.run()
    content = desk.plan.read_bytes()
    last = desk.store.sessions.all()[-1].ends_at
    desk.did(8 * 60, last)
    desk.run(last + timedelta(days=10))
    assert desk.plan.read_bytes() == content
    desk.run(last + timedelta(days=31))
    assert b"BEGIN:VEVENT" not in desk.plan.read_bytes()


def test_a_session_without_a_word_is_asked_about_once(desk):
    """It is asked whether it was held, as news, and its work is planned again; never again, nor are the others."""
    desk.write("list.toml", ESSAY)
    desk.run()
    first, *rest = desk.store.sessions.all()
    report = desk.run(first.ends_at)
    id = first.assignment_id
    question = f"Did you hold Mon 23 Nov 15:15-17:15 for Essay 1? If so: gradent log {id[:4]} 2h."
    assert desk.calls["suggest"].details == (f"{question} Until then the work is planned again.",)
    assert (desk.calls["suggest"].result, desk.calls["suggest"].changed) == ("Asked about 1 session", True)
    assert report.changed
    assert report.summary == "Asked about 1 session, scheduled 1 session"
    planned = desk.store.plan(now=first.ends_at).sessions
    assert planned_minutes(planned) == 8 * 60
    assert set(rest) <= set(planned)
    again = desk.run(first.ends_at + timedelta(minutes=5))
    assert (desk.calls["suggest"].details, again.changed) == ((), False)


def test_a_session_that_was_logged_is_not_asked_about(desk):
    """Before its end or after, as long as it had begun; what is left is planned and no more."""
    desk.write("list.toml", ESSAY)
    desk.run()
    first = desk.store.sessions.all()[0]
    desk.did(120, first.starts_at + timedelta(minutes=90))
    report = desk.run(first.ends_at)
    assert report.changed is False
    assert planned_minutes(desk.store.plan(now=first.ends_at).sessions) == 6 * 60


def test_no_work_at_all_is_an_answer(desk):
    """Zero minutes in the log: nothing is asked, the work is planned again."""
    desk.write("list.toml", ESSAY)
    desk.run()
    first = desk.store.sessions.all()[0]
    desk.did(0, first.ends_at)
    report = desk.run(first.ends_at)
    assert report.summary == "Scheduled 1 session"
    assert planned_minutes(desk.store.plan(now=first.ends_at).sessions) == 8 * 60


def test_what_was_logged_before_a_session_does_not_answer_for_it(desk):
    """Work of the day before says nothing of today's session."""
    desk.write("list.toml", ESSAY)
    desk.run()
    first = desk.store.sessions.all()[0]
    desk.did(60, first.starts_at - timedelta(minutes=1))
    desk.run(first.ends_at)
    assert desk.calls["suggest"].result == "Asked about 1 session"


def test_several_sessions_are_one_question(desk):
    """All sessions of one assignment are asked about together, with what they are in all."""
    desk.write("list.toml", ESSAY + QUIZ)
    desk.run()
    mine = [each for each in desk.store.sessions.all() if each.title.startswith("Essay")]
    desk.run(mine[-1].ends_at)
    questions = [line for line in desk.calls["suggest"].details if line.startswith("Did you hold")]
    assert len(mine) == 4
    assert len(questions) == 2
    (question,) = [line for line in questions if "Essay 1" in line]
    assert " and 1 more for Essay 1? If all of it: gradent log " in question
    assert " 8h. Until then" in question
    assert desk.calls["suggest"].result.endswith(", asked about 5 sessions")


def test_what_is_over_for_two_weeks_or_done_is_not_asked_about(desk):
    """Nobody remembers the one, and nobody wants to be asked about the other."""
    desk.write("list.toml", ESSAY + QUIZ)
    desk.run()
    last = desk.store.sessions.all()[-1].ends_at
    desk.write("list.toml", ESSAY + QUIZ.replace("false", "true"))
    desk.run(last + timedelta(days=14))
    assert "Asked" not in desk.calls["suggest"].result


def test_a_session_that_goes_on_is_planned(desk):
    """Neither asked about nor planned again; what is logged of it meanwhile moves nothing until it is over."""
    desk.write("list.toml", ESSAY)
    desk.run()
    first = desk.store.sessions.all()[0]
    middle = first.starts_at + timedelta(hours=1)
    assert desk.run(middle).changed is False
    desk.did(60, middle)
    assert desk.run(middle + timedelta(minutes=5)).changed is False
    report = desk.run(first.ends_at)
    assert report.summary == "Scheduled 1 session"
    assert planned_minutes(desk.store.plan(now=first.ends_at).sessions) == 7 * 60


def test_questions_do_not_take_the_place_of_suggestions(desk):
    """Five suggestions are told beside them, and the sixth the day after."""
    quizzes = "".join(
        QUIZ.replace('"quiz"', f'"quiz{n}"')
        .replace("Quiz 3", f"Quiz {n}")
        .replace("12:00", f"1{n}:00")
        .replace("done", "effort_hours = 0.5\ndone")
        for n in range(6)
    )
    desk.write("list.toml", ESSAY)
    desk.run()
    over = desk.store.sessions.all()[0].ends_at
    desk.write("list.toml", ESSAY + quizzes)
    desk.run(over)
    details = desk.calls["suggest"].details
    assert [line.split(" is due")[0] for line in details[:5]] == [f"Quiz {n}" for n in range(5)]
    assert details[5].startswith("Did you hold")
    desk.run(over + timedelta(hours=12))
    assert not any(line.startswith("Quiz 5 is due") for line in desk.calls["suggest"].details)
    desk.run(over + timedelta(hours=24))
    assert desk.calls["suggest"].details[0].startswith("Quiz 5 is due Wed 25 Nov 15:00")


def test_no_more_than_six_assignments_are_asked_about_at_once(desk):
    """The other questions wait for the next run."""
    many = "".join(QUIZ.replace('"quiz"', f'"q{n}"').replace("11-25", "12-20") for n in range(8))
    desk.write("list.toml", many)
    desk.run()
    over = max(session.ends_at for session in desk.store.sessions.all())
    for asked in (6, 2):
        desk.run(over)
        assert sum(line.startswith("Did you hold") for line in desk.calls["suggest"].details) == asked


@settings(max_examples=4)
@given(
    ticks=st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from(["Essay 1", "Quiz 3", ""]), st.integers(0, 150)),
        min_size=3,
        max_size=8,
    )
)
def test_days_of_a_student(tmp_path_factory, ticks):
    """Whenever they log what: what is planned and logged is the whole work, and nothing is asked or told twice."""
    folder = tmp_path_factory.mktemp("desk")
    with closing(open_database(folder / "gradent.db")) as connection:
        desk = Desk(folder, Store(connection), Progress(connection), connection)
        desk.write("list.toml", ESSAY.replace("12-04", "12-20") + QUIZ.replace("11-25", "12-19"))
        desk.run()
        now, asked, told = NOW, list[str](), list[str]()
        for hours, title, minutes in ticks:
            now += timedelta(hours=hours)
            if title:
                desk.did(minutes, now, title)
            desk.run(now)
            for line in desk.calls["suggest"].details:
                if line.startswith("Did you hold "):
                    times, name = line.split("?")[0].removeprefix("Did you hold ").split(" for ")
                    asked += [f"{name} {each}" for each in re.split(", | and ", times) if " more" not in each]
            told += [each.suggestion.key for each in desk.store.suggestions.all() if each.first_told_at == now]
            worked = desk.store.settled(now)
            planned = desk.store.plan(now=now).sessions
            for known in desk.store.known():
                id = known.assignment.id
                left = max(0, known.assessment.effort_likely_hours * 60 - worked.get(id, 0))
                mine = [each for each in planned if each.assignment_id == id]
                going_on = planned_minutes(each for each in mine if each.starts_at <= now)  # it is not cut short
                assert left <= planned_minutes(mine) < max(left, going_on) + 30 or not left
        assert len(set(asked)) == len(asked)
        assert len(set(told)) == len(told)


def test_a_failing_calendar_takes_back_no_suggestion(desk):
    """What cannot be looked at is not taken to be true no more."""
    desk.write("list.toml", QUIZ.replace('"Quiz 3"', '"Quiz 3"\neffort_hours = 30'))
    desk.write("busy.ics", feed())
    desk.busy = ("busy.ics",)
    desk.run()
    before = [(each.suggestion.key, each.status) for each in desk.store.suggestions.all()]
    assert len(before) == 2
    desk.write("busy.ics", "<html>Please sign in</html>")
    assert desk.run().error
    assert [(each.suggestion.key, each.status) for each in desk.store.suggestions.all()] == before


def test_deleted_calendar_file_comes_back(desk):
    """A calendar file that somebody deleted is written again, the same."""
    desk.write("list.toml", ESSAY)
    desk.run()
    content = desk.plan.read_bytes()
    desk.plan.unlink()
    assert desk.run().changed is False
    assert desk.plan.read_bytes() == content


def test_moved_due_date(desk):
    """A due date that moved is told, with both dates, and the work is assessed again."""
    desk.write("list.toml", ESSAY)
    desk.run()
    desk.write("list.toml", ESSAY.replace("12-04", "12-07"))
    report = desk.run()
    move = "Essay 1 from Fri 4 Dec 23:59 to Mon 7 Dec 23:59"
    assert desk.calls["check"].result == f"1 open assignment from 1 source: 1 moved ({move})"
    assert report.lines[0] == f"New due date: {move}"
    assert desk.calls["check"].details == (f"New due date: {move}",)
    assert report.summary == "Assessed 1 assignment"
    assert [each.version for each in desk.store.assessments(desk.store.assignments()[0].id)] == [1, 2]


def test_earlier_due_date_moves_only_what_it_must(desk):
    """When the due date comes closer, sessions after it move before it and the others stay."""
    desk.write("list.toml", ESSAY)
    desk.run()
    before = set(desk.store.sessions.all())
    desk.write("list.toml", ESSAY.replace("12-04", "11-30"))
    report = desk.run()
    due = datetime(2026, 11, 30, 22, 59, tzinfo=UTC)
    assert all(session.ends_at <= due for session in desk.store.sessions.all())
    late = {session.id for session in before if session.ends_at > due}
    assert {session.id for session in set(desk.store.sessions.all()) - before} == late
    assert f"Moved {len(late)} session" in "\n".join(report.lines)


def test_new_assignment_keeps_the_other_sessions(desk):
    """New work is planned around what is planned already."""
    desk.write("list.toml", ESSAY)
    desk.run()
    before = desk.store.sessions.all()
    desk.write("list.toml", ESSAY + QUIZ)
    report = desk.run()
    assert set(before) <= set(desk.store.sessions.all())
    assert report.lines == ("Assessed 1 assignment", "Generated 1 study suggestion", "Scheduled 1 session")


def test_done(desk):
    """Work that is done loses its future sessions, and the run says so."""
    desk.write("list.toml", ESSAY + QUIZ)
    desk.run()
    desk.write("list.toml", ESSAY + QUIZ.replace("false", "true"))
    report = desk.run()
    assert desk.calls["check"].result == "1 open assignment from 1 source: 1 done"
    assert report.summary == "Removed 1 session"
    assert {session.title for session in desk.store.sessions.all()} == {"Essay 1 (WRIT 101)"}


def test_gone_from_a_list(desk):
    """An entry that was deleted from a list kept by hand is told once, and its sessions go at once."""
    desk.write("list.toml", ESSAY + QUIZ)
    desk.run()
    desk.write("list.toml", ESSAY)
    report = desk.run()
    assert desk.calls["check"].result == "1 open assignment from 1 source: 1 gone"
    assert desk.calls["check"].details == ("Gone from your list: Quiz 3",)
    assert report.summary == "Removed 1 session"
    assert desk.run() == Report(summary="All caught up: nothing new since the last run", changed=False)


def test_gone_from_a_csv_list(desk):
    """A CSV list is kept by hand as well; one that cannot be read takes nothing out."""
    desk.lists = ("list.csv",)
    desk.write("list.csv", "title,due\nAlpha,2026-12-04\nBeta,2026-12-05\n")
    desk.run()
    desk.write("list.csv", "title,due\nBeta,no date\n")
    desk.run()
    assert len(desk.store.assignments()) == 2
    desk.write("list.csv", "title,due\nBeta,2026-12-05\n")
    desk.run()
    assert desk.calls["check"].details == ("Gone from your list: Alpha",)
    assert {each.title for each in desk.store.sessions.all()} == {"Beta"}


def test_vanished_from_a_feed(desk):
    """A feed that leaves something out has not said that it is no work any more."""
    desk.lists = ("canvas.ics",)
    desk.write("canvas.ics", feed(("event-assignment-2", "Essay 1", "20261204T225900Z", "20261204T225900Z")))
    desk.run()
    before = desk.store.sessions.all()
    desk.write("canvas.ics", feed())
    assert desk.run(NOW + timedelta(minutes=10)).changed is False
    assert desk.store.sessions.all() == before != ()


def test_a_feed_that_shrinks_is_doubted(desk):
    """A feed that lost most of what is due keeps its plan and says so once; what it still has is taken over."""
    events = [(f"{n}", f"Essay {n}", f"2026120{n}T225900Z", f"2026120{n}T225900Z") for n in range(1, 7)]
    desk.lists = ("canvas.ics",)
    desk.write("canvas.ics", feed(*events))
    desk.run()
    before = {each.assignment_id for each in desk.store.sessions.all()}
    assert len(before) == 6
    desk.write("canvas.ics", feed(("6", "Essay 6", "20261208T225900Z", "20261208T225900Z")))
    later = NOW + timedelta(minutes=10)
    report = desk.run(later)
    doubt = (
        "canvas: most assignments that are still due are missing from it since Mon 23 Nov 15:13; what was known is "
        "still planned, and the shorter list is believed from Thu 26 Nov 15:13 on"
    )
    assert (report.error, report.lines[0], report.lines[-1]) == (
        None,
        "New due date: Essay 6 from Sun 6 Dec 23:59 to Tue 8 Dec 23:59",
        f"1 warning: {doubt}",
    )
    assert doubt in desk.calls["check"].details
    assert doubt in desk.log
    assert {each.assignment_id for each in desk.store.sessions.all()} == before
    again = desk.run(later + timedelta(hours=1))
    assert (again.changed, again.summary) == (False, f"Nothing new; 1 warning: {doubt}")
    believed = desk.run(later + timedelta(days=3))
    assert "warning" not in believed.summary
    assert doubt not in desk.calls["check"].details
    assert {each.assignment_id for each in desk.store.sessions.all()} == before  # vanished is not deleted


def test_what_the_student_says_is_planned(desk):
    """An edited due date and effort are planned with whatever the source says next, and what is ignored is not."""
    desk.write("list.toml", ESSAY + QUIZ)
    desk.run()
    essay, quiz = sorted(desk.store.known(), key=lambda each: each.assignment.key)
    for known, document in (
        (essay, '{"due_at": "2026-12-11T22:59:00+00:00", "effort_hours": 2}'),
        (quiz, '{"ignored": true}'),
    ):
        desk.store._connection.execute(
            "INSERT INTO edits VALUES (?, ?, ?)", (known.assignment.id, document, NOW.isoformat())
        )
    desk.write("list.toml", ESSAY.replace("2026-12-04", "2026-12-20") + QUIZ.replace("2026-11-25", "2026-11-24"))
    report = desk.run(NOW + timedelta(minutes=10))
    assert not any(line.startswith("New due date") for line in report.lines)
    assert desk.calls["check"].result == "1 open assignment from 1 source: 1 due date moved at the source, yours stands"
    assert desk.calls["check"].details == (
        "list has Essay 1 due Sun 20 Dec 23:59 now; you say it is due Fri 11 Dec 23:59, and that stands",
    )
    left = desk.store.sessions.all()
    assert {each.assignment_id for each in left} == {essay.assignment.id}
    assert sum((each.duration for each in left), timedelta()) == timedelta(hours=2)
    assert desk.run(NOW + timedelta(minutes=20)).changed is False


def test_dropped_deadline_is_told(desk):
    """A deadline without a usable date is told once as news, and as long as it is there nobody is all caught up."""
    desk.lists = ("canvas.ics",)
    desk.write("canvas.ics", feed(("1", "Final exam paper", "20261301T120000Z", "20261301T120000Z")))
    warning = "canvas: left out 1 event without a usable date: 'Final exam paper'"
    summary = f"Nothing new; 1 warning: {warning}"
    assert desk.run() == Report(summary=summary, lines=(f"1 warning: {warning}",))
    assert (desk.calls["check"].changed, desk.calls["check"].details) == (True, (warning,))
    assert desk.run() == Report(summary=summary, changed=False)
    assert (desk.calls["check"].changed, desk.calls["check"].details) == (False, (warning,))
    good = ("1", "Final exam paper", "20261201T120000Z", "20261201T120000Z")
    desk.write("canvas.ics", feed(good, ("2", "Quiz", "20261301T120000Z", "20261301T120000Z")))
    report = desk.run()
    assert report.summary.startswith("Assessed 1 assignment")
    assert report.lines[-1] == "1 warning: canvas: left out 1 event without a usable date: 'Quiz'"


def test_warning_of_a_calendar(desk):
    """An event of a busy calendar that cannot be used is told like one of a source."""
    desk.write("list.toml", ESSAY)
    desk.write("busy.ics", feed())
    desk.busy = ("busy.ics",)
    desk.run()
    desk.write("busy.ics", feed(("1", "Job", "20261301T120000Z", "20261301T130000Z")))
    report = desk.run()
    assert (report.changed, desk.calls["check"].changed) == (True, True)
    assert report.summary.startswith("Nothing new; 1 warning: busy: ")
    assert desk.run().changed is False


def test_warnings_of_a_source_and_a_calendar_with_one_name(desk):
    """Each has its own warnings, told once, though both are called alike."""
    desk.write("uni.ics", feed(("1", "Job", "20261301T120000Z", "20261301T130000Z")))
    desk.lists, desk.busy = ("uni.ics",), ("uni.ics",)
    assert desk.run().lines[-1].startswith("2 warnings: uni: ")
    assert desk.run().changed is False
    desk.write("uni.ics", "")
    assert desk.run().error
    desk.write("uni.ics", feed(("1", "Job", "20261301T120000Z", "20261301T130000Z")))
    assert desk.run().changed is False


def test_failing_source(desk):
    """A source that fails makes the tool and the run fail; what it gave before is still planned with."""
    desk.write("list.toml", ESSAY)
    desk.write("more.toml", QUIZ)
    desk.lists = ("list.toml", "more.toml")
    desk.run()
    before = desk.store.sessions.all()
    (desk.folder / "more.toml").unlink()
    report = desk.run(NOW + timedelta(minutes=10))
    assert "more" in report.error
    assert report.error.endswith("; planned with what it gave on Mon 23 Nov 15:03")
    assert "caught up" not in report.summary.lower()
    assert desk.calls["check"].status == "failed"
    assert desk.calls["check"].result == "2 open assignments from 1 of 2 sources: nothing new"
    assert [call.status for call in desk.calls.values()] == ["failed", "completed", "completed", "completed"]
    assert desk.store.sessions.all() == before
    assert any("more" in line for line in desk.log)
    assert desk.run(NOW + timedelta(days=301)).error.endswith("; planned with what it gave on Mon 23 Nov 2026 15:03")


def test_source_that_never_worked(desk):
    """A source that never gave anything says that."""
    report = desk.run()
    assert report.error.endswith("; it has never been read")
    assert report.changed is False


def test_failing_calendar_leaves_the_plan(desk):
    """Without a busy calendar a session could land on an event, so the plan stays and the run fails."""
    desk.write("list.toml", ESSAY)
    desk.write("busy.ics", feed())
    desk.busy = ("busy.ics",)
    desk.run()
    content = desk.plan.read_bytes()
    desk.write("list.toml", ESSAY + QUIZ)
    desk.write("busy.ics", "<html>Please sign in</html>")
    report = desk.run()
    assert report.error.endswith("; the plan stays as it was")
    assert desk.calls["check"].status == desk.calls["schedule"].status == "failed"
    assert desk.plan.read_bytes() == content
    assert report.summary == "Assessed 1 assignment, generated 1 study suggestion"


def test_busy_calendar(desk):
    """No session lies on an event of a busy calendar, not even one that is added later."""
    desk.write("list.toml", ESSAY)
    desk.write("busy.ics", feed(("1", "Job", "20261123T140000Z", "20261127T200000Z")))
    desk.busy = ("busy.ics",)
    desk.run()
    assert min(s.starts_at for s in desk.store.sessions.all()) >= datetime(2026, 11, 28, tzinfo=UTC)
    first = desk.store.sessions.all()[0]
    hit = (f"{first.starts_at:%Y%m%dT%H%M%SZ}", f"{first.ends_at:%Y%m%dT%H%M%SZ}")
    desk.write("busy.ics", feed(("1", "Job", "20261123T140000Z", "20261127T200000Z"), ("2", "Match", *hit)))
    report = desk.run()
    assert report.summary == "Moved 1 session"
    (moved,) = [session for session in desk.store.sessions.all() if session.id == first.id]
    assert moved.sequence == 1
    assert not (moved.starts_at < first.ends_at and first.starts_at < moved.ends_at)


def test_old_events_of_a_feed_are_not_overdue(desk):
    """A feed cannot say what was handed in: its past events are neither counted, nor planned, nor complained of."""
    desk.write(
        "canvas.ics",
        feed(
            ("event-assignment-1", "Essay 0 [WRIT 101]", "20261120T225900Z", "20261120T225900Z"),
            ("event-assignment-2", "Essay 1 [WRIT 101]", "20261204T225900Z", "20261204T225900Z"),
        ),
    )
    desk.lists = ("canvas.ics",)
    desk.run()
    assert desk.calls["check"].result == "1 open assignment from 1 source: 1 new"
    assert {session.title for session in desk.store.sessions.all()} == {"Essay 1 (WRIT 101)"}
    assert len(desk.store.assignments()) == 2


def test_overdue(desk):
    """Overdue work in the student's own list is counted, told first and planned first."""
    desk.write("list.toml", ESSAY + QUIZ.replace("2026-11-25", "2026-11-20"))
    desk.run()
    assert desk.calls["check"].result == "2 open assignments from 1 source: 2 new, 1 overdue"
    assert desk.calls["suggest"].details[0].startswith("Quiz 3 is overdue. It was due Fri 20 Nov 12:00.")
    assert desk.store.sessions.all()[0].title == "Quiz 3"


def test_too_much(desk):
    """Work that does not fit is told as a count, as a remedy, and still the next time, when nothing else is new."""
    desk.write("list.toml", QUIZ.replace('"Quiz 3"', '"Quiz 3"\neffort_hours = 20'))
    report = desk.run()
    short = sum(each.minutes for each in desk.store.plan(now=NOW).short)
    assert short > 0
    assert report.lines[-1].endswith("of work does not fit before its due date")
    assert any(
        line.startswith("Quiz 3: ") and "It does not fit even with every free hour" in line
        for line in desk.calls["schedule"].details
    )
    again = desk.run()
    assert again.summary.startswith("Nothing new since the last run; still, ")
    assert (again.lines, again.changed) == ((), False)


@pytest.mark.parametrize("due", ["9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "0001-01-01"])
def test_absurd_due_dates(desk, due):
    """A due date at the end or the beginning of time is no work now, and breaks nothing."""
    desk.write("list.toml", QUIZ.replace("2026-11-25T12:00:00+01:00", due))
    report = desk.run()
    assert report.error is None or "list" in report.error
    assert all(session.starts_at < NOW + timedelta(days=60) for session in desk.store.sessions.all())


def test_changes_are_told_by_due_date(desk):
    """What is due soonest is told first, whichever source it is from: only what comes last is cut."""
    late = "".join(f'[[assignment]]\ntitle = "Late {day}"\ndue = 2027-01-{day:02}\n' for day in range(1, 20))
    desk.write("list.toml", '[[assignment]]\ntitle = "Some day"\n' + late)
    desk.write("other.toml", QUIZ)
    desk.lists = ("list.toml", "other.toml")
    desk.run()
    told = desk.calls["check"].details
    assert [line[:12] for line in told[:2]] == ["New: Quiz 3,", "New: Late 1,"]
    assert told[-1] == "and 10 more"


def test_far_due_dates_are_told_with_their_year(desk):
    """What was typed as the last day there is, or was due years ago, is told with its year."""
    desk.write("list.toml", QUIZ.replace("2026-11-25T12:00:00+01:00", "9999-12-31") + ESSAY)
    desk.run()
    assert "New: Quiz 3, due Fri 31 Dec 9999 10:59" in "\n".join(desk.calls["check"].details)
    desk.write("list.toml", QUIZ.replace("2026-11-25T12:00:00+01:00", "2021-01-01T01:00:00") + ESSAY)
    assert "Quiz 3 from Fri 31 Dec 9999 10:59 to Fri 1 Jan 2021 01:00" in "\n".join(desk.run().lines)
    assert "It was due Fri 1 Jan 2021 01:00." in "\n".join(desk.calls["suggest"].details)


def test_removed_source(desk):
    """Assignments of a source that is no longer configured are not planned any more, and not forgotten."""
    desk.write("list.toml", ESSAY)
    desk.write("more.toml", QUIZ)
    desk.lists = ("list.toml", "more.toml")
    desk.run()
    desk.lists = ("list.toml",)
    assert desk.run().summary == "Removed 1 session"
    assert len(desk.store.assignments()) == 2


def test_auto_schedule_off(desk):
    """With `auto_schedule` off there is no schedule tool, no session and no file."""
    desk.write("list.toml", ESSAY + QUIZ)
    desk.rules = Rules(auto_schedule=False)
    report = desk.run()
    assert list(desk.calls) == ["check", "assess", "suggest"]
    assert report.lines == ("Assessed 2 assignments", "Generated 1 study suggestion")
    assert desk.store.sessions.all() == ()
    assert not desk.plan.exists()


def test_advice_without_a_planner(desk):
    """With `auto_schedule` off nobody speaks of a plan that there is not; an exam that nobody learns for is told."""
    exam = ESSAY.replace("Essay 1", "Midterm exam").replace("essay", "exam")
    desk.write("list.toml", QUIZ + exam)
    desk.rules = Rules(auto_schedule=False)
    desk.run()
    assert desk.calls["suggest"].details == (
        "Quiz 3 is due Wed 25 Nov 12:00. It takes about 2 hours in all.",
        (
            "No session is planned for Midterm exam. It is Fri 4 Dec 23:59, and nothing of it is in the log. "
            "It takes about 10 hours in all."
        ),
    )
    desk.did(60, NOW, title="Midterm exam")
    desk.run()
    assert [each.status for each in desk.store.suggestions.all(everything=True)] == ["told", "done"]


def test_advice_when_the_planner_is_switched_off(desk):
    """What was planned before is still there, and still spoken of."""
    desk.write("list.toml", QUIZ)
    desk.run()
    desk.rules = Rules(auto_schedule=False)
    desk.run(NOW + timedelta(minutes=5))
    (known,) = desk.store.suggestions.all()
    assert known.suggestion.text.endswith("The next session is Mon 23 Nov 15:15.")


def test_nobody_waits_for_the_planner(desk):
    """The plan and those for a day of rest are made while the database is free for whoever logs work."""
    desk.write("list.toml", ESSAY.replace("2026-12-04", "2026-12-20") + "effort_hours = 60\n")
    held = plans_made(desk)
    assert desk.store.suggestions.all()[-1].suggestion.title.startswith("Keep ")
    assert len(held) > 1
    assert not any(held)


def test_a_day_of_rest_that_was_answered_is_not_planned_again(desk):
    """Then a run makes one plan, and the answer stays."""
    desk.write("list.toml", ESSAY.replace("2026-12-04", "2026-12-20") + "effort_hours = 60\n")
    plans_made(desk)
    (rest,) = desk.store.suggestions.all()
    desk.store.suggestions.answer(rest.suggestion.key, "dismissed", now=NOW)
    assert len(plans_made(desk)) == 1
    assert [each.status for each in desk.store.suggestions.all(everything=True)] == ["dismissed"]


def plans_made(desk: Desk) -> list[bool]:
    """Run; for every plan that was made, whether the database was locked for it meanwhile."""
    held: list[bool] = []

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is schedule.__code__:
            held.append(desk.connection.in_transaction)

    sys.setprofile(watch)
    try:
        desk.run()
    finally:
        sys.setprofile(None)
    return held


def test_no_source(desk):
    """Without any source the config is at fault, and the hint says how to add one."""
    desk.lists = ()
    with pytest.raises(ConfigError) as caught:
        desk.agent().preflight()
    assert caught.value.hint == "gradent config set --source URL"


def test_calendar_file_that_cannot_be_written(desk):
    """A calendar file in the way is a failed tool and a state error, not a traceback."""
    desk.write("list.toml", ESSAY)
    desk.plan.mkdir()
    with pytest.raises(StateError, match=r"plan\.ics"):
        desk.run()
    assert desk.calls["schedule"].status == "failed"


def test_plan_that_could_not_be_written_is_told_by_the_next_run(desk):
    """When the calendar file fails the plan is not saved, so the next run announces it."""
    desk.write("list.toml", ESSAY)
    desk.plan.mkdir()
    with pytest.raises(StateError):
        desk.run()
    assert desk.store.sessions.all() == ()
    desk.plan.rmdir()
    assert desk.run().summary == "Scheduled 4 sessions"
    assert desk.calls["schedule"].details[0].endswith("Essay 1 (WRIT 101)")


@pytest.mark.parametrize("tool", ["check", "assess", "suggest", "schedule"])
def test_what_was_saved_is_told_when_the_run_ends_early(desk, tool):
    """Should the run's time end while a tool writes, the tool tells of it first: the next run would not."""
    desk.write("list.toml", ESSAY + QUIZ)

    @contextmanager
    def shield() -> Iterator[None]:
        yield
        if list(desk.calls)[-1] == tool and desk.calls[tool].status == "completed":
            raise TimeoutError

    desk.shield = shield
    with pytest.raises(TimeoutError):
        desk.run()
    assert desk.calls[tool].changed


def test_many_details_are_cut(desk):
    """A tool's notification names a dozen lines at most and says how many more there are."""
    desk.write(
        "list.toml", "".join(QUIZ.replace('"quiz"', f'"quiz{n}"').replace("Quiz 3", f"Quiz {n}") for n in range(40))
    )
    desk.run()
    assert len(desk.calls["check"].details) == 12
    assert desk.calls["check"].details[-1] == "and 29 more"


def problem_sets(*done: int, more: str = "") -> str:
    """Problem sets 1 to 4, those with these numbers done."""
    return "".join(
        f"""
[[assignment]]
id = "ps{number}"
title = "Problem Set {number}"
course = "MATH 201"
due = 2026-12-{number:02}T12:00:00+01:00
done = {str(number in done).lower()}
{more}"""
        for number in range(1, 5)
    )


def test_finished_work_teaches_the_next_estimate(desk):
    """Logged hours of what is done become the estimate of what is open, once; a few minutes more change nothing."""

    def log(number: int, minutes: int) -> None:
        id = next(each.id for each in desk.store.assignments() if each.key == f"ps{number}")
        desk.store._connection.execute(
            "INSERT INTO work_log (assignment_id, minutes, worked_at, logged_at) VALUES (?, ?, ?, ?)",
            (id, minutes, f"2026-11-0{number} 10:00:00+00:00", "2026-11-09 10:00:00+00:00"),
        )

    desk.write("list.toml", problem_sets())
    desk.run()
    log(1, 360)
    assert "ssessed" not in desk.run().summary  # logged, but not done: nothing is finished yet
    desk.write("list.toml", problem_sets(1))
    desk.run()
    assert desk.calls["assess"].result == "Assessed 3 assignments"
    assert desk.calls["assess"].details[0].startswith("Problem Set 2: 3.5-9.5 h, likely 6 ")
    desk.write("list.toml", problem_sets(1, 2))
    log(2, 330)
    desk.run()
    assert desk.calls["assess"].result == "Nothing new to assess"
    open_one = desk.store.assignments()[-1]
    assert [each.reason for each in desk.store.assessments(open_one.id)] == [
        "Looks like a problem set, which usually takes 2 to 7 hours.",
        "Your last problem set in MATH 201 took 6 hours.",
    ]
    desk.write("list.toml", problem_sets(1, 2, more='notes = "Read chapter 4 first. Hand in a plot."'))
    desk.run()
    newest = desk.store.assessments(open_one.id)[-1]
    assert (newest.version, newest.basis, newest.prerequisites, newest.deliverables) == (
        3,
        "course",
        ("Read chapter 4",),
        ("a plot",),
    )


def test_risk_sees_all_other_work(desk):
    """A second essay in the same week raises the risk of the first, and nobody is told of it as a new assessment."""
    desk.write("list.toml", ESSAY)
    desk.run()
    (essay,) = desk.store.assignments()
    alone = desk.store.assessments(essay.id)[-1]
    desk.write("list.toml", ESSAY + ESSAY.replace('"essay"', '"other"').replace("Essay 1", "Essay 2"))
    desk.run()
    assert desk.calls["assess"].result == "Assessed 1 assignment"
    (crowded,) = desk.store.assessments(essay.id)
    assert crowded.risk > alone.risk


def test_time_beyond_the_horizon_counts_as_free(desk):
    """Work due after the planned weeks is no riskier than the same work within them."""
    far = ESSAY.replace("2026-12-04", "2027-09-04").replace("id =", "effort_hours = 200\nid =")
    desk.write("list.toml", far)
    desk.run()
    (essay,) = desk.store.assignments()
    assert desk.store.assessments(essay.id)[-1].risk < 25
