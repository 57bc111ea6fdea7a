"""`plan` and `assignments` on what a run has saved."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from gradent_cli.database import open_database

ESSAY = '[[assignment]]\ntitle = "Essay 1"\ndue = 2099-12-01\neffort_hours = 2\n'
QUIZ = '[[assignment]]\ntitle = "Quiz 3"\ndue = 2099-12-02\neffort_hours = 2\n'


@pytest.fixture
def config(home):
    """Writes the default config with these TOML lists as its sources."""
    path = home / ".config/gradent/config.toml"
    path.parent.mkdir(parents=True)
    (home / "list.toml").write_text(ESSAY)
    (home / "more.toml").write_text(QUIZ)

    def write(*names):
        path.write_text("".join(f'[[study.sources]]\nkind = "toml"\npath = "~/{name}.toml"\n' for name in names))
        path.chmod(0o600)

    return write


def shown(gradent):
    """The assignments and the page of the plan, as one text each."""
    titles = [each["title"] for each in json.loads(gradent("assignments", "--json").out)]
    return titles, gradent("plan").out


def test_a_source_that_was_taken_out_is_shown_no_more(gradent, config):
    """Neither before the next run nor after it; put back, it is there again."""
    config("list", "more")
    assert gradent("run").code == 0
    titles, agenda = shown(gradent)
    assert titles == ["Essay 1", "Quiz 3"]
    assert "Quiz 3" in agenda
    config("list")
    for _ in range(2):
        titles, agenda = shown(gradent)
        assert titles == ["Essay 1"]
        assert "Essay 1" in agenda
        assert "Quiz 3" not in agenda
        assert gradent("run").code == 0
    config("list", "more")
    assert shown(gradent)[0] == ["Essay 1", "Quiz 3"]


def test_the_calendar_file_holds_what_the_run_keeps_up_to_date(gradent, config, home, state):
    """What is planned and the last 30 days, and nothing of a source that is no more, even before the next run."""
    config("list", "more")
    now = datetime.now(UTC)
    for name, text in (("list", ESSAY), ("more", QUIZ)):
        (home / f"{name}.toml").write_text(re.sub(r"due = \S+", f"due = {now.date() + timedelta(days=9)}", text))
    gradent("run")
    connection = open_database(state / "gradent.db")
    for days in (29, 31):
        begin, end = ((now - timedelta(days=days, hours=hours)).isoformat() for hours in (2, 0))
        connection.execute(
            "INSERT INTO sessions (assignment_id, ordinal, title, starts_at, ends_at, sequence, changed_at)"
            " SELECT assignment_id, ?, title, ?, ?, sequence, changed_at FROM sessions WHERE ordinal < 100",
            (days * 100, begin, end),
        )
    connection.close()
    gradent("run")
    printed = gradent("plan", "--ics", "-").out.splitlines()
    assert printed == (state / "plan.ics").read_text().splitlines()
    assert sorted(line for line in printed if "SUMMARY" in line) == ["SUMMARY:Essay 1"] * 2 + ["SUMMARY:Quiz 3"] * 2
    assert [line.partition("@")[0][-5:] for line in printed if "00@" in line] == ["-2900"] * 2
    config("list")
    assert [line for line in gradent("plan", "--ics", "-").out.splitlines() if "SUMMARY" in line] == [
        "SUMMARY:Essay 1"
    ] * 2


def test_an_entry_that_was_deleted_is_shown_no_more(gradent, config, home):
    """A list kept by hand holds all that there is to do."""
    config("list")
    gradent("run")
    (home / "list.toml").write_text(QUIZ)
    assert gradent("run").code == 0
    titles, agenda = shown(gradent)
    assert titles == ["Quiz 3"]
    assert "Essay 1" not in agenda


REPORT = """[[assignment]]
title = "Lab report 3"
course = "PHYS 101"
due = 2099-12-01
points = 50
notes = "Before you start, read chapter 4.\\nSubmit a PDF report and the raw data by Friday."
"""


def test_one_assignment_in_full(gradent, config, home):
    """By its id or the beginning of it: what its source says, what is thought of it, and every assessment."""
    config("list", "more")
    (home / "list.toml").write_text(REPORT)
    gradent("run")
    (home / "list.toml").write_text(REPORT.replace("points = 50", "points = 200"))
    gradent("run")
    report = next(each for each in json.loads(gradent("assignments", "--json").out) if each["course"])
    assert report["prerequisites"] == ["read chapter 4"]
    assert report["deliverables"] == ["a PDF report", "the raw data"]
    assert report["effort_low_hours"] < report["effort_hours"] < report["effort_high_hours"]
    assert (report["confidence"], report["milestones"]) == (0.5, [])
    full = json.loads(gradent("assignments", report["id"], "--json").out)
    assert report.items() <= full.items()
    assert (full["points"], full["weight"]) == (200, None)
    assert [each["version"] for each in full["assessments"]] == [1, 2]
    page = gradent("assignments", report["id"][:6]).out
    for text in ("Lab report 3", "PHYS 101", "read chapter 4", "the raw data", "50% sure", "by Friday", "VERSION"):
        assert text in page
    assert all(len(line) <= 80 for line in page.splitlines())


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("", "no assignment is named"),
        ("zz", "there is no assignment 'zz'"),
        ("essay", "'essay' could be Essay 2 = "),
    ],
)
def test_an_assignment_that_is_not_shown(gradent, config, home, wanted, why):
    """Nobody knows it, or it could be several: one sentence, as for every command that takes one."""
    config("list", "more")
    (home / "more.toml").write_text(ESSAY.replace("Essay 1", "Essay 2"))
    gradent("run")
    said = gradent("assignments", wanted)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"gradent: {why}")
    assert "\n  hint: " in said.err


def test_an_assignment_is_shown_by_its_title(gradent, config):
    """A part of it is enough, as everywhere."""
    config("list", "more")
    gradent("run")
    assert json.loads(gradent("assignments", "quiz", "--json").out)["title"] == "Quiz 3"


def test_milestones_of_one_assignment(gradent, config, home):
    """The steps of bigger work, each with the day by which it should be done."""
    config("list")
    (home / "list.toml").write_text(ESSAY.replace("effort_hours = 2", "effort_hours = 8"))
    gradent("run")
    (report,) = json.loads(gradent("assignments", "--json").out)
    assert [step["label"] for step in report["milestones"]] == ["Outline and sources", "First draft", "Revision"]
    page = gradent("assignments", report["id"]).out
    assert "2h    Tue 1 Dec 2099 23:59" in page
    assert "Revision" in page


def test_years_of_the_assessments(gradent, config, home, state):
    """One of long ago is shown with its year."""
    config("list")
    gradent("run")
    connection = open_database(state / "gradent.db")
    connection.execute(
        "UPDATE assessments SET document = json_set(document, '$.assessed_at', '2024-01-01T12:00+00:00')"
    )
    connection.close()
    (home / "list.toml").write_text(ESSAY.replace("effort_hours = 2", "effort_hours = 3"))
    gradent("run")
    assert "\n1        Mon 1 Jan 2024 " in gradent("assignments", "essay").out


def test_hours_are_said_as_on_a_clock(gradent, config):
    """A third of an hour is 20 minutes, in the table, on the page and in what `log` says; JSON has the number."""
    config("list")
    gradent("run")
    assert gradent("log", "essay", "20min").out.endswith("; 1h 40min remain\n")
    assert "  open    1h 40min  " in gradent("assignments").out
    (report,) = json.loads(gradent("assignments", "--json").out)
    assert report["remaining_hours"] == pytest.approx(5 / 3, abs=0.001)
    page = gradent("assignments", "essay").out
    assert "left        1h 40min\n" in page
    assert "effort      1h 30min to 3h, likely 2h, 90% sure\n" in page


def test_what_is_done_has_nothing_left(gradent, config):
    """Whoever said so: no hours and no risk, in the table and on its page."""
    config("list")
    gradent("run")
    gradent("done", "essay")
    (line,) = [each for each in gradent("assignments").out.splitlines() if "Essay 1" in each]
    assert line.split()[-3:] == ["done", "Essay", "1"]
    page = gradent("assignments", "essay").out
    assert "left " not in page
    assert "risk " not in page


def test_what_was_taken_out_of_the_plan_is_said(gradent, config, home, state):
    """It is left to do, and not planned."""
    config("list")
    (home / "list.toml").write_text(ESSAY.replace("2099-12-01", f"{datetime.now(UTC).date() + timedelta(days=9)}"))
    gradent("run")
    connection = open_database(state / "gradent.db")
    connection.execute("UPDATE sessions SET declined = 1, cancelled = 1")
    connection.close()
    assert "left        2h; you took 2h out of the plan\n" in gradent("assignments", "essay").out


def test_damage_that_only_the_agent_comes_upon_is_mended_by_the_next_run(gradent, config, state):
    """That run fails and says so, doctor as well; the next one sets the database aside and goes on with the work."""
    config("list")
    gradent("run")
    gradent("log", "essay", "1h")
    connection = open_database(state / "gradent.db")
    connection.execute("UPDATE assignments SET due_at = 'nonsense'")
    connection.close()
    result = gradent("run")
    assert result.code == 74
    assert "damaged" in result.out
    (found,) = [each for each in json.loads(gradent("doctor", "--json").out) if each["check"] == "state"]
    assert (found["status"], found["remedy"]) == ("failed", "`gradent run` sets it aside and goes on with a new one")
    assert gradent("run").code == 0
    assert [each.name[:18] for each in state.glob("gradent.db.damaged-*")] == ["gradent.db.damaged"]
    (essay,) = json.loads(gradent("assignments", "--json").out)
    assert (essay["title"], essay["remaining_hours"]) == ("Essay 1", 1)
    assert gradent("run").code == 0
    assert len(list(state.glob("gradent.db.damaged-*"))) == 1
