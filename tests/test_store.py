"""What the study agent remembers between runs."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gradent_cli import database
from gradent_cli.agents.study.store import FORGET_AFTER, Changes, Store
from gradent_cli.database import open_database, to_text
from gradent_cli.errors import StateError
from gradent_cli.records import Assessment, Assignment, Milestone, Plan, Session, Shortfall, Suggestion

NOW = datetime(2026, 11, 23, 14, 3, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ESSAY = Assignment(source="canvas", key="1", title="Essay 1", due_at=NOW + 11 * DAY, course="WRIT 101", weight=20)
QUIZ = Assignment(source="canvas", key="2", title="Quiz", due_at=NOW + 2 * DAY)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    connection = open_database(tmp_path / "gradent.db")
    yield Store(connection)
    connection.close()


def look(store: Store, *assignments: Assignment, now: datetime = NOW):
    return store.sync({"canvas": assignments}, now=now)


def session(ordinal: int, start: datetime = NOW + HOUR, assignment: Assignment = ESSAY) -> Session:
    return Session(
        assignment_id=assignment.id, ordinal=ordinal, title="Essay 1", starts_at=start, ends_at=start + 2 * HOUR
    )


def test_assignments_come_back_as_they_were(store):
    """Every field survives, the unknown ones too."""
    undated = Assignment(
        source="list", key="x", title="Ünï", due_at=None, description="a\nb", url="https://x", done=False
    )
    store.sync({"canvas": [ESSAY, QUIZ], "list": [undated]}, now=NOW)
    assert store.assignments() == (QUIZ, ESSAY, undated)
    assert [known.assignment for known in store.known({"list"})] == [undated]
    store.save_plan(Plan(sessions=(session(1),)), now=NOW)
    assert (store.plan(now=NOW, sources={"list"}), len(store.plan(now=NOW).sessions)) == (Plan(), 1)


def test_changes(store):
    """New, moved, edited and done assignments are told apart; the same again is no change."""
    assert look(store, ESSAY, QUIZ).new == (ESSAY, QUIZ)
    later = replace(ESSAY, due_at=NOW + 14 * DAY)
    edited = replace(QUIZ, points=10)
    changes = look(store, later, edited, now=NOW + HOUR)
    assert (changes.new, changes.moved, changes.edited, changes.done) == ((), ((ESSAY, later),), (edited,), ())
    assert look(store, later, edited, now=NOW + 2 * HOUR) == Changes()
    done = replace(later, done=True)
    assert look(store, done, edited, now=NOW + 3 * HOUR).done == (done,)
    assert store.assignments() == (edited, done)


def test_vanished_is_not_deleted(store):
    """An assignment that the source no longer gives stays, and is marked; a failed source marks nothing."""
    look(store, ESSAY, QUIZ)
    store.sync({}, now=NOW + HOUR)
    assert [known.vanished for known in store.known()] == [False, False]
    look(store, ESSAY, now=NOW + 2 * HOUR)
    assert {known.assignment.title: known.vanished for known in store.known()} == {"Essay 1": False, "Quiz": True}
    assert {known.assignment.title: known.last_seen_at for known in store.known()}["Quiz"] == NOW


def test_gone_from_a_complete_source(store):
    """What a list no longer has is told once as gone if it was work, is not known any more, and comes back as new."""
    over = replace(QUIZ, key="3", due_at=NOW - DAY)
    look(store, ESSAY, QUIZ, over)
    store.save_plan(
        Plan(sessions=(session(1),), short=(Shortfall(assignment_id=ESSAY.id, minutes=60, remedy=""),)), now=NOW
    )
    assert store.sync({"canvas": [QUIZ]}, now=NOW, complete={"canvas"}) == Changes(gone=(ESSAY,))
    assert store.assignments() == (QUIZ,)
    assert store.plan(now=NOW) == Plan()
    assert not store.sync({"canvas": [QUIZ]}, now=NOW + HOUR, complete={"canvas"})
    assert len(store.sessions()) == 1
    assert store.sync({"canvas": [QUIZ, ESSAY]}, now=NOW + HOUR, complete={"canvas"}) == Changes(new=(ESSAY,))
    assert store.assignments() == (QUIZ, ESSAY)


def test_warnings_are_new_once(store):
    """A warning is new when its place did not give it the last time; a place that failed keeps its own."""
    assert store.warn({"canvas": ("a", "b", "a"), "job": ("a",)}) == ("a", "b", "a")
    assert store.warn({"canvas": ("b", "c")}) == ("c",)
    assert store.warn({"canvas": ("a",), "job": ("a",)}) == ("a",)


def test_a_plan_that_cannot_be_published_is_not_saved(store):
    """Whoever publishes sees the plan as it will be; when it fails, the plan stays as it was."""
    look(store, ESSAY)
    seen = []

    def fail(sessions: tuple[Session, ...]) -> None:
        seen.extend(sessions)
        raise StateError("no room")

    with pytest.raises(StateError, match="no room"):
        store.save_plan(Plan(sessions=(session(1),)), now=NOW, publish=fail)
    assert [each.ordinal for each in seen] == [1]
    assert store.sessions() == ()


def test_an_older_database_is_taken_over(tmp_path, monkeypatch):
    """What the first schema held is still known."""
    with monkeypatch.context() as patch:
        patch.setattr(database, "_MIGRATIONS", database._MIGRATIONS[:1])
        old = open_database(tmp_path / "old.db")
    old.execute(
        "INSERT INTO assignments (id, source, key, title, first_seen_at, last_seen_at) VALUES (?, ?, ?, ?, ?, ?)",
        ("1", "canvas", "1", "Essay 1", to_text(NOW), to_text(NOW)),
    )
    old.close()
    connection = open_database(tmp_path / "old.db")
    assert [each.title for each in Store(connection).assignments()] == ["Essay 1"]
    connection.close()


def test_last_good(store):
    """The moment of the last good read is that of the last look that the source took part in."""
    store.sync({}, now=NOW)
    assert store.last_good_at("canvas") is None
    look(store, ESSAY, now=NOW + HOUR)
    store.sync({}, now=NOW + 2 * HOUR)
    assert store.last_good_at("canvas") == NOW + HOUR


@pytest.mark.parametrize(
    ("done", "due", "vanished", "status"),
    [
        (None, DAY, False, "open"),
        (False, DAY, True, "open"),
        (None, None, False, "open"),
        (True, DAY, False, "done"),
        (True, -DAY, False, "done"),
        (False, -DAY, False, "overdue"),
        (False, -DAY, True, "past"),
        (None, -DAY, False, "past"),
    ],
)
def test_status(store, done, due, vanished, status):
    """Only what its source could call done, and does not, is overdue; old events of a feed are past."""
    look(store, replace(QUIZ, due_at=None if due is None else NOW + due, done=done), now=NOW - HOUR)
    if vanished:
        look(store, now=NOW)
    assert store.known()[0].status(NOW) == status


def test_assessments_keep_their_versions(store):
    """A new version is kept beside the old one, the newest counts, and a version can be brought up to date."""
    look(store, ESSAY)
    first = Assessment(
        assignment_id=ESSAY.id,
        effort_low_hours=4,
        effort_likely_hours=8,
        effort_high_hours=14,
        difficulty=3,
        risk=40,
        confidence=0.5,
        reason="…",
        fingerprint=ESSAY.fingerprint,
        assessed_at=NOW,
        milestones=(Milestone(label="Draft", hours=4, days_before_due=3.5),),
    )
    second = replace(first, version=2, risk=60)
    store.save_assessments([first])
    store.save_assessments([second])
    store.save_assessments([replace(second, risk=61)])
    assert store.assessments(ESSAY.id) == (first, replace(second, risk=61))
    assert store.known()[0].assessment == replace(second, risk=61)


def test_suggestions_are_told_once(store):
    """What was told is not told again while it is true; after a week of not being true it is."""
    suggestion = Suggestion(key="due-soon:1", title="t", text="x", category="other", priority="high")
    assert store.tell([suggestion], now=NOW) == (suggestion,)
    assert store.tell([replace(suggestion, text="y")], now=NOW + 6 * DAY) == ()
    assert store.tell([suggestion], now=NOW + 12 * DAY) == ()
    assert store.tell([suggestion], now=NOW + 12 * DAY + FORGET_AFTER + HOUR) == (suggestion,)


def test_plan(store):
    """The plan comes back, without what is over; sessions get the moment they were planned at."""
    look(store, ESSAY)
    plan = Plan(
        sessions=(session(1), session(2, NOW + DAY)),
        short=(Shortfall(assignment_id=ESSAY.id, minutes=60, remedy="1h more on Thursday 3 Dec would help"),),
    )
    changes = store.save_plan(plan, now=NOW)
    assert (changes.new, changes.moved, changes.removed) == (plan.sessions, (), ())
    saved = tuple(replace(each, changed_at=NOW) for each in plan.sessions)
    assert store.plan(now=NOW) == Plan(sessions=saved, short=plan.short)
    assert store.plan(now=NOW + 4 * HOUR).sessions == saved[1:]
    assert store.sessions() == saved


def test_unchanged_sessions_keep_their_stamp(store):
    """Saving the same plan again changes nothing, not even a time stamp."""
    look(store, ESSAY)
    store.save_plan(Plan(sessions=(session(1),)), now=NOW)
    before = store.sessions()
    changes = store.save_plan(Plan(sessions=before), now=NOW + timedelta(minutes=5))
    assert not any((changes.new, changes.moved, changes.removed))
    assert store.sessions() == before


def test_moved_session(store):
    """A session that moves keeps its id and gets the next sequence number."""
    look(store, ESSAY)
    store.save_plan(Plan(sessions=(session(1),)), now=NOW)
    changes = store.save_plan(Plan(sessions=(session(1, NOW + DAY),)), now=NOW + HOUR / 2)
    assert [each.ordinal for each in changes.moved] == [1]
    (moved,) = store.sessions()
    assert (moved.sequence, moved.changed_at) == (1, NOW + HOUR / 2)


def test_removed_session_comes_back_with_a_higher_sequence(store):
    """A UID never starts again at sequence 0, or calendar programs would ignore it."""
    look(store, ESSAY)
    store.save_plan(Plan(sessions=(session(1),)), now=NOW)
    assert len(store.save_plan(Plan(), now=NOW).removed) == 1
    assert store.sessions() == ()
    changes = store.save_plan(Plan(sessions=(session(1, NOW + DAY),)), now=NOW)
    assert len(changes.new) == 1
    assert store.sessions()[0].sequence == 1


def test_past_sessions_stay(store):
    """A session that is over is not removed by a plan without it."""
    look(store, ESSAY)
    store.save_plan(Plan(sessions=(session(1),)), now=NOW)
    assert store.save_plan(Plan(), now=NOW + DAY).removed == ()
    assert len(store.sessions()) == 1


def test_all_or_nothing(store):
    """When one row cannot be written, nothing of that call is."""
    look(store, ESSAY)
    store.save_plan(Plan(sessions=(session(1),)), now=NOW)
    stranger = replace(session(1), assignment_id="not known")
    with pytest.raises(StateError):
        store.save_plan(Plan(sessions=(session(2, NOW + DAY), stranger)), now=NOW)
    assert [each.ordinal for each in store.sessions()] == [1]


def log(store: Store, assignment: Assignment, minutes: int, at: datetime = NOW) -> None:
    store._connection.execute(
        "INSERT INTO work_log (assignment_id, minutes, worked_at, logged_at) VALUES (?, ?, ?, ?)",
        (assignment.id, minutes, to_text(at), to_text(at)),
    )


def test_finished_work(store):
    """What is done and has logged minutes, the latest first, also when its list has it no more; nothing else."""
    done = [
        replace(ESSAY, key=str(number), title=title, done=True, description="1500 words")
        for number, title in enumerate(("Essay 1", "Essay 2", "Not logged", "Said that they did none"))
    ]
    look(store, *done, QUIZ, replace(QUIZ, key="own word", course="MATH"))
    assert store.finished() == ()
    log(store, done[0], 60)
    log(store, done[0], 30, NOW + HOUR)
    log(store, done[1], 120, NOW)
    log(store, done[3], 0)
    log(store, QUIZ, 45)
    log(store, replace(QUIZ, key="own word"), 20, NOW - HOUR)
    store._connection.execute(
        "INSERT INTO edits (assignment_id, document, edited_at) VALUES (?, ?, ?)",
        (replace(QUIZ, key="own word").id, '{"done": true, "title": "Problem Set 2", "course": "MATH 1"}', ""),
    )
    store.sync({"canvas": []}, now=NOW, complete={"canvas"})
    assert [(each.title, each.course, each.minutes) for each in store.finished()] == [
        ("Essay 1", "WRIT 101", 90),
        ("Essay 2", "WRIT 101", 120),
        ("Problem Set 2", "MATH 1", 20),
    ]
    assert store.finished()[0].description == "1500 words"
