"""What the student says: the tables that keep it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gradent_cli.agents.study.overlay import read_overlay
from gradent_cli.agents.study.progress import Progress
from gradent_cli.agents.study.records import Assignment, LogEntry
from gradent_cli.agents.study.store import Store
from gradent_cli.database import open_database, to_text

NOW = datetime(2026, 11, 24, 14, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
DUE = datetime(2026, 12, 4, 22, 59, tzinfo=UTC)
ESSAY = Assignment(source="list", key="1", title="Essay 1", due_at=DUE, course="WRIT 101")
QUIZ = Assignment(source="list", key="2", title="Quiz 3", due_at=DUE, course="MATH 1")
ALL = (ESSAY, QUIZ)


@pytest.fixture
def progress(tmp_path: Path) -> Iterator[Progress]:
    connection = open_database(tmp_path / "gradent.db")
    Store(connection).sync({"list": ALL}, now=NOW)
    yield Progress(connection)
    connection.close()


def entry(minutes: int, assignment: Assignment = ESSAY, note: str = "") -> LogEntry:
    return LogEntry(assignment_id=assignment.id, minutes=minutes, worked_at=NOW - HOUR, logged_at=NOW, note=note)


def test_the_log(progress):
    """Entries come back as they were, the newest first, and add up by assignment."""
    numbers = [progress.log(each) for each in (entry(90, note="Ünï"), entry(0), entry(30, QUIZ))]
    assert progress.entries(9) == dict(
        zip(reversed(numbers), (entry(30, QUIZ), entry(0), entry(90, note="Ünï")), strict=True)
    )
    assert len(progress.entries(2)) == 2
    assert progress.logged() == {ESSAY.id: 90, QUIZ.id: 30}


def test_an_entry_is_taken_back(progress):
    """The newest, or the one of this number; one that is not there is none."""
    first, second = progress.log(entry(90)), progress.log(entry(30))
    assert progress.take_back(99) is None
    assert progress.take_back(first) == (first, entry(90))
    assert progress.take_back() == (second, entry(30))
    assert progress.take_back() is None


def test_edits(progress):
    """Fields are said one after the other, unsaid, and all forgotten; the source keeps what it said."""
    assert progress.edit(ESSAY.id, {"due_at": None, "title": "Ünï"}, now=NOW) == {"due_at": None, "title": "Ünï"}
    progress.edit(ESSAY.id, {"done": True}, now=NOW)
    assert progress.edits() == {ESSAY.id: {"due_at": None, "title": "Ünï", "done": True}}
    progress.edit(ESSAY.id, {}, unsay=["done"], now=NOW)
    assert progress.edit(ESSAY.id, {"weight": 20.0}, reset=True, now=NOW) == {"weight": 20.0}
    assert progress.edit(ESSAY.id, {}, reset=True, now=NOW) == {}
    assert progress.edits() == {}
    assert progress.given(ESSAY.id) == {
        "title": "Essay 1",
        "course": "WRIT 101",
        "due_at": DUE.isoformat(timespec="microseconds"),
        "effort_hours": None,
        "points": None,
        "weight": None,
        "done": None,
    }


def test_an_edit_is_shown_as_it_counts(progress):
    """A field that no assignment can have is not said, the others are; moments are in UTC."""
    document = '{"due_at": "2026-12-05T00:59+02:00", "points": "many", "weight": -1, "course": null, "ignored": true}'
    progress._connection.execute("INSERT INTO edits VALUES (?, ?, ?)", (ESSAY.id, document, NOW.isoformat()))
    shown = {"due_at": to_text(DUE), "course": None, "ignored": True}
    assert progress.edits() == {ESSAY.id: shown}
    assert read_overlay(document).document() == shown


@pytest.mark.parametrize("document", ["{", "[]", "[" * 100_000, "7", '{"nonsense": 1}'])
def test_edits_that_are_damaged(progress, document):
    """What cannot be understood says nothing, and can be said anew."""
    progress._connection.execute("INSERT INTO edits VALUES (?, ?, ?)", (ESSAY.id, document, NOW.isoformat()))
    assert progress.edits() == {ESSAY.id: {}}
    assert progress.edit(ESSAY.id, {"done": True}, now=NOW) == {"done": True}
