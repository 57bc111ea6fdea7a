"""The study tools one at a time, over real list files and a real database."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gradent_cli.agents import RunContext, ToolCallTracker
from gradent_cli.agents.study.agent import StudyAgent
from gradent_cli.agents.study.calendars import open_calendar
from gradent_cli.agents.study.rules import Rules
from gradent_cli.agents.study.sources import open_source
from gradent_cli.agents.study.store import Store
from gradent_cli.agents.study.tools import StudyTools
from gradent_cli.database import open_database
from gradent_cli.errors import SourceError, UsageError
from gradent_cli.records import ToolCall

NOW = datetime(2026, 11, 23, 14, 3, tzinfo=UTC)  # a Monday
ZONE = ZoneInfo("Europe/Berlin")
ESSAY = '[[assignment]]\nid = "essay"\ntitle = "Essay 1"\ncourse = "WRIT 101"\ndue = 2026-12-04T23:59:00+01:00\n'
QUIZ = '[[assignment]]\nid = "quiz"\ntitle = "Quiz 3"\ndue = 2026-11-25T12:00:00+01:00\ndone = false\n'
LUNCH = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//test//EN\r
BEGIN:VEVENT\r
UID:lunch\r
DTSTAMP:20261101T000000Z\r
DTSTART:20261126T110000Z\r
DTEND:20261126T120000Z\r
SUMMARY:Lunch\r
END:VEVENT\r
END:VCALENDAR\r
"""


@dataclass
class Desk:
    """A student's files, and the tools over them."""

    folder: Path
    store: Store
    rules: Rules = field(default_factory=Rules)
    told: list[ToolCall] = field(default_factory=list)
    now: datetime = NOW

    def call(self, name: str, **given: Any) -> dict[str, Any]:
        agent = StudyAgent(
            sources=[open_source("toml", name="list", url=None, path=self.folder / "list.toml")],
            calendars=[open_calendar("ics", name="busy", url=None, path=self.folder / "busy.ics")],
            store=self.store,
            rules=self.rules,
            zone=ZONE,
            plan_path=self.folder / "plan.ics",
        )
        tracker = ToolCallTracker(lambda: self.now, self.told.append)
        context = RunContext(run_id="1", started_at=self.now, tools=tracker, previous=None, log=lambda _: None)
        return StudyTools(agent).call(name, given, context)

    def judge(self, *judgements: dict[str, Any]) -> dict[str, Any]:
        return self.call("assess", judgements=list(judgements))

    def propose(self, *sessions: tuple[str, str, str]) -> dict[str, Any]:
        named = [{"assignment": each, "starts_at": begin, "ends_at": end} for each, begin, end in sessions]
        return self.call("schedule", sessions=named)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "list.toml").write_text(ESSAY)
    (tmp_path / "busy.ics").write_text(LUNCH)
    with closing(open_database(tmp_path / "gradent.db")) as connection:
        desk = Desk(tmp_path, Store(connection))
        desk.call("check")
        desk.told.clear()
        yield desk


def test_check_gives_what_is_still_to_do(desk: Desk) -> None:
    """Open work by due date, in UTC; a done assignment is not in it."""
    (desk.folder / "list.toml").write_text(ESSAY + QUIZ + QUIZ.replace("quiz", "old").replace("false", "true"))
    answer = desk.call("check")
    assert [(each["title"], each["due_at"], each["status"]) for each in answer["assignments"]] == [
        ("Quiz 3", "2026-11-25T11:00:00Z", "open"),
        ("Essay 1", "2026-12-04T22:59:00Z", "open"),
    ]
    assert answer["summary"].startswith("2 open assignments from 1 source")
    assert answer["errors"] == answer["warnings"] == []


def test_check_gives_the_beginning_of_each_text(desk: Desk) -> None:
    """As much as all of them together leave room for, in one line."""
    essay = f'{ESSAY}notes = """Ten sources.\n{"x" * 600}"""\n'
    (desk.folder / "list.toml").write_text(essay)
    (only,) = desk.call("check")["assignments"]
    assert only["description"].startswith("Ten sources. xxx")
    assert len(only["description"]) == 500
    (desk.folder / "list.toml").write_text("".join(essay.replace('"essay"', f'"{number}"') for number in range(80)))
    assert {len(each["description"]) for each in desk.call("check")["assignments"]} == {250}


def test_a_source_that_cannot_be_read_is_in_the_errors(desk: Desk) -> None:
    """What was known of it is still given."""
    (desk.folder / "list.toml").unlink()
    answer = desk.call("check")
    assert len(answer["errors"]) == 1
    assert [each["title"] for each in answer["assignments"]] == ["Essay 1"]
    assert desk.told[-1].status == "failed"


def test_a_judgement_stands_until_the_assignment_changes(desk: Desk) -> None:
    """The built-in's own assess leaves it alone, and judges again what got another due date."""
    desk.judge({"assignment": "essay", "low_hours": 2, "likely_hours": 3, "high_hours": 4, "reason": "Short."})
    (kept,) = desk.call("assess")["assessments"]
    assert (kept["basis"], kept["low_hours"], kept["high_hours"], kept["reason"]) == ("agent", 2, 4, "Short.")
    (desk.folder / "list.toml").write_text(ESSAY.replace("12-04", "12-05"))
    desk.call("check")
    (anew,) = desk.call("assess")["assessments"]
    assert anew["basis"] == "kind"


def test_judgements_are_one_call(desk: Desk) -> None:
    """Those that can be kept are, beside the fixed rules for the rest; the others come back, each with a sentence."""
    more = "".join(QUIZ.replace("quiz", id).replace("Quiz 3", title) for id, title in (("lab", "Lab"), ("map", "Map")))
    (desk.folder / "list.toml").write_text(ESSAY + QUIZ + more)
    desk.call("check")
    desk.told.clear()
    answer = desk.judge(
        {"assignment": "essay", "likely_hours": 3, "difficulty": 5},
        {"assignment": "nothing", "likely_hours": 3},
        {"assignment": "lab", "likely_hours": 201, "reason": "Long."},
        {"assignment": "quiz", "likely_hours": 1},
        {"assignment": "essay", "likely_hours": 4},
    )
    assert [(each["title"], each["likely_hours"]) for each in answer["assessments"] if each["basis"] == "agent"] == [
        ("Quiz 3", 1),
        ("Essay 1", 3),
    ]
    assert {each["title"] for each in answer["assessments"]} == {"Essay 1", "Quiz 3", "Lab", "Map"}
    assert [(each["assignment"], each["why"].partition(",")[0]) for each in answer["refused"]] == [
        ("nothing", "there is no assignment 'nothing'"),
        ("lab", "hours have to be 0 < low <= likely <= high <= 200"),
        ("essay", "Essay 1 is judged twice"),
    ]
    assert answer["refused"][1]["reason"] == "Long."
    (call,) = (each for each in desk.told if each.status == "completed")
    assert (call.result, answer["new"]) == ("Assessed 4 assignments", 4)
    assert any(line.startswith("Essay 1: 2.25-4.5 h, likely 3 (difficulty 5/5") for line in call.details)


def test_the_same_judgement_again_is_no_news(desk: Desk) -> None:
    """No new version, and the call says that nothing changed."""
    for news in (1, 0):
        assert desk.judge({"assignment": "essay", "likely_hours": 3})["new"] == news
    assert [each.changed for each in desk.told if each.status == "completed"] == [True, False]
    assert len(desk.store.assessments(desk.store.assignments()[0].id)) == 1


def test_the_students_own_estimate_cannot_be_overruled(desk: Desk) -> None:
    """Their word wins; it is what is stored."""
    id = desk.store.assignments()[0].id
    desk.store.progress.edit(id, {"effort_hours": 5.0}, now=NOW)
    answer = desk.judge({"assignment": "essay", "likely_hours": 3})
    assert re.search(r"5 hours.*stands", answer["refused"][0]["why"])
    assert answer["assessments"][0]["basis"] == "own"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"likely_hours": 0}, "0 < low"),
        ({"likely_hours": 201}, "200"),
        ({"likely_hours": 1e-300}, "0 < low"),
        ({"likely_hours": 3, "low_hours": 4}, "low <= likely"),
        ({"likely_hours": 3, "difficulty": 6}, "from 1 to 5"),
    ],
)
def test_a_judgement_that_cannot_be_kept_is_refused(desk: Desk, given: dict[str, Any], why: str) -> None:
    """It comes back with a sentence, and the fixed rules hold."""
    answer = desk.judge({"assignment": "essay", **given})
    ((refused),) = answer["refused"]
    assert why in refused.pop("why")
    assert refused == {"assignment": "essay", **given}
    assert answer["assessments"][0]["basis"] == "kind"


def test_finished_work_is_not_judged(desk: Desk) -> None:
    """Nobody would plan with it."""
    desk.store.progress.edit(desk.store.assignments()[0].id, {"done": True}, now=NOW)
    answer = desk.judge({"assignment": "essay", "likely_hours": 3})
    assert "is done or ignored" in answer["refused"][0]["why"]
    assert (answer["assessments"], answer["new"]) == ([], 0)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"assignment": "essay"}, "needs the field likely_hours"),
        ({"likely_hours": 3}, "needs the field assignment"),
        ({"assignment": "essay", "likely_hours": float("nan")}, "likely_hours is no number that can be meant"),
        ({"assignment": "essay", "likely_hours": 10**400}, "likely_hours is no number that can be meant"),
        ({"assignment": "essay", "likely_hours": 3, "difficulty": 10**400}, "difficulty is no number that can be"),
        ({"assignment": "essay", "likely_hours": True}, "likely_hours has to be a number"),
        ({"assignment": "essay", "likely_hours": "3"}, "likely_hours has to be a number"),
        ({"assignment": "essay", "hours": 3}, "no field 'hours'"),
    ],
)
def test_a_judgement_that_is_none_is_refused(desk: Desk, given: dict[str, Any], sentence: str) -> None:
    """One sentence that says what is wrong with which, and no call is told."""
    with pytest.raises(UsageError, match=rf"^assess: judgements\[1\].*{sentence}"):
        desk.judge({"assignment": "essay", "likely_hours": 3}, given)
    assert desk.told == []
    assert desk.store.assessments(desk.store.assignments()[0].id) == ()


def test_a_proposal_is_kept_and_the_rest_planned_around_it(desk: Desk) -> None:
    """It is in the plan as it was asked for, not pinned, and all sessions together are the hours there are."""
    desk.judge({"assignment": "essay", "likely_hours": 6})
    answer = desk.propose(("essay", "2026-11-26T09:00", "2026-11-26T11:00"))
    assert answer["refused"] == answer["short"] == []
    mine = [each for each in answer["sessions"] if each["starts_at"] == "2026-11-26T08:00:00Z"]
    assert [(each["ends_at"], each["pinned"]) for each in mine] == [("2026-11-26T10:00:00Z", False)]
    assert sum(each["minutes"] for each in answer["sessions"]) == 360
    assert "DTSTART:20261126T080000Z" in (desk.folder / "plan.ics").read_text()


def test_a_proposal_takes_the_place_of_the_plan_before(desk: Desk) -> None:
    """What was planned of the same work moves; the next plain schedule leaves it all where it is."""
    desk.judge({"assignment": "essay", "likely_hours": 6})
    before = desk.call("schedule")["sessions"]
    after = desk.propose(("essay", "2026-11-28T09:00", "2026-11-28T11:00"))["sessions"]
    assert "2026-11-28T08:00:00Z" in {each["starts_at"] for each in after} - {each["starts_at"] for each in before}
    assert sum(each["minutes"] for each in after) == 360
    assert desk.call("schedule")["sessions"] == after


@pytest.mark.parametrize(
    ("begin", "end", "why"),
    [
        ("2026-11-23T12:00", "2026-11-23T13:00", "past"),
        ("2026-11-26T07:00", "2026-11-26T08:00", "outside the hours"),
        ("2026-11-26T12:00", "2026-11-26T13:00", "taken: Lunch"),
        ("2026-12-05T09:00", "2026-12-05T10:00", "after the due date"),
        ("2026-11-26T09:00", "2026-11-26T09:15", "shorter than"),
        ("2026-11-26T09:00", "2026-11-26T11:30", "longer than"),
        ("2026-11-26T11:00", "2026-11-26T09:00", "ends before it begins"),
        ("2026-11-26T09:05", "2026-11-26T10:05", "quarter"),
    ],
)
def test_a_proposal_that_breaks_a_rule_is_refused(desk: Desk, begin: str, end: str, why: str) -> None:
    """It comes back with a sentence, and the work is planned all the same."""
    desk.judge({"assignment": "essay", "likely_hours": 6})
    answer = desk.propose(("essay", begin, end))
    ((refused),) = answer["refused"]
    assert why in refused["why"]
    assert (refused["assignment"], refused["starts_at"], refused["ends_at"]) == ("essay", begin, end)
    assert sum(each["minutes"] for each in answer["sessions"]) == 360


def test_proposals_are_judged_beside_each_other(desk: Desk) -> None:
    """Two at one time, too much on a day, and more than is left to do are refused; what came first is kept."""
    desk.rules = replace(desk.rules, max_per_day=timedelta(hours=3))
    desk.judge({"assignment": "essay", "likely_hours": 5})
    answer = desk.propose(
        ("essay", "2026-11-27T09:00", "2026-11-27T11:00"),
        ("essay", "2026-11-27T10:00", "2026-11-27T11:00"),
        ("essay", "2026-11-27T13:00", "2026-11-27T15:00"),
        ("essay", "2026-11-28T09:00", "2026-11-28T11:00"),
        ("essay", "2026-11-29T09:00", "2026-11-29T11:00"),
        ("nothing", "2026-11-29T09:00", "2026-11-29T11:00"),
    )
    assert [each["why"].partition(",")[0] for each in answer["refused"]] == [
        "it lies on another session",
        "that day would have more than 3h of study",
        "it is more than the 1h that are left to do",
        "there is no assignment 'nothing'",
    ]
    assert sum(each["minutes"] for each in answer["sessions"]) == 300


def test_finished_work_is_not_planned(desk: Desk) -> None:
    """A session for what is done is refused."""
    desk.store.progress.edit(desk.store.assignments()[0].id, {"done": True}, now=NOW)
    ((refused),) = desk.propose(("essay", "2026-11-27T09:00", "2026-11-27T11:00"))["refused"]
    assert "is done or ignored" in refused["why"]


def test_who_plans_themselves_is_not_planned_for(desk: Desk) -> None:
    """With study.auto_schedule off there is one sentence and no session."""
    desk.rules = replace(desk.rules, auto_schedule=False)
    with pytest.raises(UsageError, match="auto_schedule is off"):
        desk.call("schedule")


def test_without_a_calendar_the_plan_stays(desk: Desk) -> None:
    """A session could land on an event: the call fails and is told as failed."""
    before = desk.call("schedule")["sessions"]
    (desk.folder / "busy.ics").unlink()
    with pytest.raises(SourceError, match="plan stays as it was"):
        desk.propose(("essay", "2026-11-27T09:00", "2026-11-27T11:00"))
    assert desk.told[-1].status == "failed"
    assert [each.minutes for each in desk.store.plan(now=NOW).sessions] == [each["minutes"] for each in before]


def test_suggest_gives_all_that_is_true(desk: Desk) -> None:
    """What was told before is given again, but is new only once."""
    desk.now = datetime(2026, 12, 4, 8, tzinfo=UTC)
    first, again = desk.call("suggest")["suggestions"], desk.call("suggest")["suggestions"]
    assert first
    assert {each["assignment_id"] for each in first} >= {desk.store.assignments()[0].id}
    assert all(each["new"] for each in first)
    assert again == [{**each, "new": False} for each in first]


def test_log_says_what_remains(desk: Desk) -> None:
    """Work is logged up to now, and taken off the hours."""
    desk.judge({"assignment": "essay", "likely_hours": 6})
    assert desk.call("log", assignment="Essay", time="1h30m", note="outline")["remaining_hours"] == 4.5
    (entry,) = desk.store.progress.entries(5).values()
    assert (entry.minutes, entry.worked_at, entry.note) == (90, NOW, "outline")
    with pytest.raises(UsageError, match="needs the field time"):
        desk.call("log", assignment="essay")
