"""What the study agent remembers between runs."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gradent_cli import tables
from gradent_cli.agents.study.known import Changes
from gradent_cli.agents.study.progress import Progress
from gradent_cli.agents.study.records import (
    Assessment,
    Assignment,
    LogEntry,
    Milestone,
    Plan,
    Session,
    Shortfall,
    Suggestion,
)
from gradent_cli.agents.study.store import BELIEVED_AFTER, Store
from gradent_cli.agents.study.suggestions import FORGET_AFTER
from gradent_cli.database import open_database, to_text
from gradent_cli.errors import StateError

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
    store.sessions.save(Plan(sessions=(session(1),)), now=NOW)
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
    store.sessions.save(
        Plan(sessions=(session(1),), short=(Shortfall(assignment_id=ESSAY.id, minutes=60, remedy=""),)), now=NOW
    )
    assert store.sync({"canvas": [QUIZ]}, now=NOW, complete={"canvas"}) == Changes(gone=(ESSAY,))
    assert store.assignments() == (QUIZ,)
    assert store.plan(now=NOW) == Plan()
    assert not store.sync({"canvas": [QUIZ]}, now=NOW + HOUR, complete={"canvas"})
    assert len(store.sessions.all()) == 1
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
        store.sessions.save(Plan(sessions=(session(1),)), now=NOW, publish=fail)
    assert [each.ordinal for each in seen] == [1]
    assert store.sessions.all() == ()


def test_an_older_database_is_taken_over(tmp_path, monkeypatch):
    """What the first schema held is still known."""
    with monkeypatch.context() as patch:
        patch.setattr(tables, "MIGRATIONS", tables.MIGRATIONS[:1])
        old = open_database(tmp_path / "old.db")
    old.execute(
        "INSERT INTO assignments (id, source, key, title, first_seen_at, last_seen_at) VALUES (?, ?, ?, ?, ?, ?)",
        ("1", "canvas", "1", "Essay 1", to_text(NOW), to_text(NOW)),
    )
    old.close()
    connection = open_database(tmp_path / "old.db")
    assert [each.title for each in Store(connection).assignments()] == ["Essay 1"]
    connection.close()


# ── a feed that shrinks ──

FEED = [replace(QUIZ, key=str(number), due_at=NOW + (number + 1) * DAY) for number in range(10)]


def test_a_feed_that_lost_most_of_it_is_doubted(store):
    """What is still there is taken over, nothing vanishes, and the moment of the last good read stays."""
    look(store, *FEED)
    later = replace(FEED[9], due_at=NOW + 20 * DAY)
    changes = look(store, later, now=NOW + HOUR)
    assert (changes.shrunk, changes.moved) == ({"canvas": NOW + HOUR}, ((FEED[9], later),))
    assert not any(known.vanished for known in store.known())
    assert store.last_good_at("canvas") == NOW
    assert look(store, now=NOW + 2 * HOUR).shrunk == {"canvas": NOW + HOUR}
    assert not any(known.vanished for known in store.known())


@pytest.mark.parametrize("pause", [BELIEVED_AFTER - HOUR, BELIEVED_AFTER])
def test_a_shorter_feed_is_believed_in_the_end(store, pause):
    """After three days the shorter feed counts: what it lacks has vanished, which is not deleted."""
    look(store, *FEED)
    look(store, *FEED[8:], now=NOW + HOUR)
    end = NOW + HOUR + pause
    believed = pause == BELIEVED_AFTER
    assert look(store, *FEED[8:], now=end).shrunk == ({} if believed else {"canvas": NOW + HOUR})
    assert sum(known.vanished for known in store.known()) == (8 if believed else 0)
    assert store.last_good_at("canvas") == (end if believed else NOW)
    assert len(store.known()) == 10


def test_a_feed_that_recovers_is_doubted_anew(store):
    """A feed that was whole again in between gets its three days again."""
    look(store, *FEED)
    look(store, now=NOW + HOUR)
    assert look(store, *FEED, now=NOW + DAY).shrunk == {}
    assert store.last_good_at("canvas") == NOW + DAY
    start = NOW + DAY + HOUR
    assert look(store, now=start).shrunk == {"canvas": start}
    assert look(store, now=start + 2 * DAY).shrunk == {"canvas": start}


@pytest.mark.parametrize(
    ("had", "gave", "shrunk"),
    [
        (FEED, FEED[5:], False),  # half is not more than half
        (FEED, FEED[6:], True),
        (FEED[:4], FEED[:1], True),
        (FEED[:3], [], False),
        ([replace(each, due_at=NOW - DAY) for each in FEED], [], False),  # the end of a term
        ([replace(each, due_at=None) for each in FEED], [], False),
        ([replace(each, due_at=NOW - DAY) for each in FEED[:7]] + FEED[7:], [], False),
        (FEED, [replace(each, key=f"new {each.key}", title="Test") for each in FEED], True),  # others instead
    ],
)
def test_what_is_suspicious(store, had, gave, shrunk):
    """More than half of at least four that are still due; what is past, and what has no due date, does not count."""
    store.sync({"canvas": had}, now=NOW - 2 * DAY)
    assert bool(look(store, *gave).shrunk) is shrunk


def again(assignment: Assignment, **changed) -> Assignment:
    """The same work under another key, as a feed without lasting UIDs gives it."""
    return replace(assignment, key=f"new {assignment.key}", **changed)


def test_other_keys_for_the_same_work(store):
    """A feed that renames all its events brings nothing new, run after run; what was said and planned of them stays."""
    named = [replace(each, title=f"Sheet {each.key}") for each in FEED]
    look(store, *named)
    for hours in (1, 2):
        assert look(store, *map(again, named), now=NOW + hours * HOUR) == Changes()
        assert store.assignments() == tuple(named)
        assert not any(known.vanished for known in store.known())
    assert look(store, again(FEED[0]), *map(again, named[1:]), now=NOW + 3 * HOUR) == Changes(edited=(FEED[0],))


def test_other_keys_where_titles_repeat(store):
    """Weekly quizzes of the same name are told apart by their due dates."""
    look(store, *FEED)
    assert look(store, *map(again, FEED), now=NOW + HOUR) == Changes()


def test_another_key_and_another_due_date(store):
    """It may be next week's of the same name, so it is new: what was done last week says nothing of it."""
    look(store, replace(ESSAY, done=True), QUIZ)
    next_week = again(ESSAY, due_at=NOW + 14 * DAY)
    assert look(store, next_week, QUIZ, now=NOW + HOUR).new == (next_week,)
    assert {each.assignment.key: each.status(NOW) for each in store.known()} == {
        ESSAY.key: "done",
        QUIZ.key: "open",
        next_week.key: "open",
    }


def test_the_other_key_is_remembered(store):
    """Once recognised, always: past its due date, and when that moves, it is the same work with the same log."""
    look(store, ESSAY, QUIZ)
    look(store, again(ESSAY), QUIZ, now=NOW + HOUR)
    later = NOW + 12 * DAY
    assert look(store, again(ESSAY), QUIZ, now=later).new == ()
    moved = look(store, again(ESSAY, due_at=later + 5 * DAY), QUIZ, now=later + HOUR).moved
    assert moved == ((ESSAY, replace(ESSAY, due_at=later + 5 * DAY)),)
    assert len(store.known()) == 2


def test_both_keys_at_once_are_two(store):
    """A feed that has the old key again as well means two things by them."""
    look(store, ESSAY)
    look(store, again(ESSAY), now=NOW + HOUR)
    assert len(look(store, ESSAY, again(ESSAY, title="Essay 2"), now=NOW + 2 * HOUR).new) == 1
    assert {each.title for each in store.assignments()} == {ESSAY.title, "Essay 2"}


@pytest.mark.parametrize(
    ("had", "gave"),
    [
        ([ESSAY], [ESSAY, again(ESSAY)]),  # it is still there
        ([ESSAY], [again(ESSAY, course="HIST")]),
        ([ESSAY], [again(ESSAY, title="Essay 2")]),
        ([ESSAY], [again(ESSAY, due_at=None)]),
        ([ESSAY], [again(ESSAY, due_at=NOW - DAY)]),
        ([ESSAY], [again(ESSAY, due_at=NOW + 18 * DAY)]),  # next week's
        ([replace(ESSAY, due_at=None)], [again(ESSAY)]),
        ([replace(ESSAY, source="moodle")], [again(ESSAY)]),
        (FEED[:2], [again(FEED[2])]),  # it could be either
        (FEED[:1], [again(FEED[2]), again(FEED[3])]),
    ],
)
def test_what_is_not_the_same_work(store, had, gave):
    """Where it is not certain what something is, it is new: too much is better than a lost assignment."""
    store.sync(
        {each.source: [other for other in had if other.source == each.source] for each in had}, now=NOW - 9 * DAY
    )
    fresh = [each for each in gave if each not in had]
    assert set(look(store, *gave).new) == set(fresh)


def test_a_list_by_hand_names_its_own(store):
    """In a list by hand another id is another assignment."""
    look(store, ESSAY)
    changes = store.sync({"canvas": [again(ESSAY)]}, now=NOW + HOUR, complete={"canvas"})
    assert changes == Changes(new=(again(ESSAY),), gone=(ESSAY,))


def test_what_vanished_before_is_not_missed_again(store):
    """What a good read had already lost is no reason to doubt the next one."""
    look(store, *FEED)
    look(store, *FEED[5:], now=NOW + HOUR)
    assert look(store, *FEED[6:], now=NOW + 2 * HOUR).shrunk == {}


def test_a_list_by_hand_may_shrink(store):
    """Whoever keeps a list by hand means what they delete."""
    look(store, *FEED)
    changes = store.sync({"canvas": FEED[9:]}, now=NOW + HOUR, complete={"canvas"})
    assert (changes.shrunk, len(changes.gone)) == ({}, 9)


def test_another_source_is_not_doubted(store):
    """One feed's trouble is its own."""
    more = [replace(each, source="moodle") for each in FEED]
    store.sync({"canvas": FEED, "moodle": more}, now=NOW)
    changes = store.sync({"canvas": [], "moodle": more[5:]}, now=NOW + HOUR)
    assert changes.shrunk == {"canvas": NOW + HOUR}
    assert (store.last_good_at("canvas"), store.last_good_at("moodle")) == (NOW, NOW + HOUR)


# ── what the student says instead ──


def edit(store: Store, assignment: Assignment, document: object) -> None:
    """As `gradent edit` writes it."""
    text = document if isinstance(document, str) else json.dumps(document)
    store._connection.execute("INSERT OR REPLACE INTO edits VALUES (?, ?, ?)", (assignment.id, text, to_text(NOW)))


def test_an_edit_lies_over_the_source(store):
    """Every field that the student edited is theirs for whoever asks, and named; the others are the source's."""
    look(store, ESSAY, QUIZ)
    due = NOW + 5 * DAY
    edit(
        store,
        ESSAY,
        {"title": "Mine", "course": None, "due_at": due.isoformat(), "effort_hours": 3, "points": 4.5, "weight": None},
    )
    essay = {known.assignment.id: known for known in store.known()}[ESSAY.id]
    assert essay.assignment == replace(
        ESSAY, title="Mine", course=None, due_at=due, effort_hours=3, points=4.5, weight=None
    )
    assert essay.edited == {"title", "course", "due_at", "effort_hours", "points", "weight"}
    assert essay.assignment in store.assignments()
    assert [known.assignment.title for known in store.known()] == ["Quiz", "Mine"]
    edit(store, QUIZ, {"due_at": (NOW + 9 * DAY).isoformat()})
    assert [known.assignment.title for known in store.known()] == ["Mine", "Quiz"]  # by the due date that counts
    edit(store, QUIZ, {"due_at": None})
    assert store.known()[1].assignment.due_at is None


def test_the_source_does_not_win_over_an_edit(store):
    """A new value of an edited field is neither told nor used, of any other it is both; without the edit it counts."""
    look(store, ESSAY)
    due = NOW + 5 * DAY
    edit(store, ESSAY, {"due_at": due.isoformat(), "title": "Mine"})
    moved = replace(ESSAY, due_at=NOW + 14 * DAY, title="Essay one")
    mine = replace(moved, due_at=due, title="Mine")
    assert look(store, moved, now=NOW + HOUR) == Changes(overruled=((moved, mine),))
    assert not look(store, moved, now=NOW + HOUR)
    assert store.assignments()[0].due_at == due
    more = replace(moved, points=10)
    mine = replace(more, due_at=due, title="Mine")
    assert look(store, more, now=NOW + 2 * HOUR) == Changes(edited=(mine,))
    assert not look(store, more, now=NOW + 3 * HOUR)
    assert store.assignments() == (mine,)
    store._connection.execute("DELETE FROM edits")
    assert store.assignments() == (more,)


def test_an_edit_is_kept_through_a_moved_due_date(store):
    """An assignment whose due date the source moves is told with the title that the student gave it."""
    look(store, ESSAY)
    edit(store, ESSAY, {"title": "Mine"})
    moved = replace(ESSAY, due_at=NOW + 14 * DAY)
    assert look(store, moved, now=NOW + HOUR).moved == ((replace(ESSAY, title="Mine"), replace(moved, title="Mine")),)


@pytest.mark.parametrize(
    ("said", "source", "status"),
    [(True, False, "done"), (False, True, "open"), (None, True, "open"), (True, None, "done")],
)
def test_done_is_what_the_student_says(store, said, source, status):
    """Done, or not done after all: the student's word counts more than the source's, and is no news."""
    look(store, replace(ESSAY, done=False))
    edit(store, ESSAY, {"done": said})
    assert look(store, replace(ESSAY, done=source), now=NOW + HOUR).done == ()
    assert store.known()[0].status(NOW) == status
    assert store.known()[0].edited == {"done"}


def test_ignored(store):
    """What the student ignores is no work whatever the source says, and nothing is told of it."""
    look(store, ESSAY, QUIZ)
    edit(store, ESSAY, {"ignored": True})
    essay = store.known()[1]
    assert (essay.status(NOW), essay.status(NOW + 30 * DAY), essay.edited) == ("ignored", "ignored", {"ignored"})
    assert not look(store, replace(ESSAY, due_at=NOW + 20 * DAY, points=3), QUIZ, now=NOW + HOUR)
    assert not look(store, replace(ESSAY, done=True), QUIZ, now=NOW + 2 * HOUR)
    assert store.known()[1].status(NOW) == "ignored"
    assert store.sync({"canvas": [QUIZ]}, now=NOW + 3 * HOUR, complete={"canvas"}) == Changes()
    edit(store, QUIZ, {"ignored": False})
    assert store.known()[0].status(NOW) == "open"


def test_the_sources_own_due_dates_tell_what_is_missing(store):
    """Whether a feed shrank is judged by what it gave, not by what the student made of it."""
    look(store, *FEED)
    for each in FEED:
        edit(store, each, {"due_at": (NOW - DAY).isoformat(), "ignored": True})
    assert look(store, now=NOW + HOUR).shrunk == {"canvas": NOW + HOUR}


@pytest.mark.parametrize(
    "document",
    [
        "",
        "nonsense",
        "[" * 5000,
        "[]",
        "null",
        {"title": 7, "course": 7, "due_at": "soon", "effort_hours": "x", "points": -1, "weight": True, "done": "yes"},
        {"title": " ", "due_at": "2026-12-01T10:00:00", "ignored": "yes", "url": "https://x"},
        {"due_at": "9999-12-31T23:59:59-12:00", "points": float("nan"), "weight": float("inf")},
    ],
)
def test_a_damaged_edit_costs_only_itself(store, document):
    """What cannot be read in an edit counts as not there."""
    look(store, ESSAY)
    edit(store, ESSAY, document)
    assert store.assignments() == (ESSAY,)
    assert store.known()[0].edited == frozenset()


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
    assert store.suggestions.tell([suggestion], now=NOW) == (suggestion,)
    assert store.suggestions.tell([replace(suggestion, text="y")], now=NOW + 6 * DAY) == ()
    assert store.suggestions.tell([suggestion], now=NOW + 12 * DAY) == ()
    assert store.suggestions.tell([suggestion], now=NOW + 12 * DAY + FORGET_AFTER + HOUR) == (suggestion,)


def test_plan(store):
    """The plan comes back, without what is over; sessions get the moment they were planned at."""
    look(store, ESSAY)
    plan = Plan(
        sessions=(session(1), session(2, NOW + DAY)),
        short=(Shortfall(assignment_id=ESSAY.id, minutes=60, remedy="1h more on Thursday 3 Dec would help"),),
    )
    changes = store.sessions.save(plan, now=NOW)
    assert (changes.new, changes.moved, changes.removed) == (plan.sessions, (), ())
    saved = tuple(replace(each, changed_at=NOW) for each in plan.sessions)
    assert store.plan(now=NOW) == Plan(sessions=saved, short=plan.short)
    assert store.plan(now=NOW + 4 * HOUR).sessions == saved[1:]
    assert store.sessions.all() == saved


def test_unchanged_sessions_keep_their_stamp(store):
    """Saving the same plan again changes nothing, not even a time stamp."""
    look(store, ESSAY)
    store.sessions.save(Plan(sessions=(session(1),)), now=NOW)
    before = store.sessions.all()
    changes = store.sessions.save(Plan(sessions=before), now=NOW + timedelta(minutes=5))
    assert not any((changes.new, changes.moved, changes.removed))
    assert store.sessions.all() == before


def test_moved_session(store):
    """A session that moves keeps its id and gets the next sequence number."""
    look(store, ESSAY)
    store.sessions.save(Plan(sessions=(session(1),)), now=NOW)
    changes = store.sessions.save(Plan(sessions=(session(1, NOW + DAY),)), now=NOW + HOUR / 2)
    assert [each.ordinal for each in changes.moved] == [1]
    (moved,) = store.sessions.all()
    assert (moved.sequence, moved.changed_at) == (1, NOW + HOUR / 2)


def test_removed_session_comes_back_with_a_higher_sequence(store):
    """A UID never starts again at sequence 0, or calendar programs would ignore it."""
    look(store, ESSAY)
    store.sessions.save(Plan(sessions=(session(1),)), now=NOW)
    assert len(store.sessions.save(Plan(), now=NOW).removed) == 1
    assert store.sessions.all() == ()
    changes = store.sessions.save(Plan(sessions=(session(1, NOW + DAY),)), now=NOW)
    assert len(changes.new) == 1
    assert store.sessions.all()[0].sequence == 1


def test_past_sessions_stay(store):
    """A session that is over is not removed by a plan without it."""
    look(store, ESSAY)
    store.sessions.save(Plan(sessions=(session(1),)), now=NOW)
    assert store.sessions.save(Plan(), now=NOW + DAY).removed == ()
    assert len(store.sessions.all()) == 1


def test_all_or_nothing(store):
    """When one row cannot be written, nothing of that call is."""
    look(store, ESSAY)
    store.sessions.save(Plan(sessions=(session(1),)), now=NOW)
    stranger = replace(session(1), assignment_id="not known")
    with pytest.raises(StateError):
        store.sessions.save(Plan(sessions=(session(2, NOW + DAY), stranger)), now=NOW)
    assert [each.ordinal for each in store.sessions.all()] == [1]


def suggestion(key: str, assignment: Assignment | None = None) -> Suggestion:
    id = assignment.id if assignment else None
    return Suggestion(key=key, title=key, text="x", category="other", priority="high", assignment_id=id)


def statuses(store: Store) -> dict[str, str]:
    return {each.suggestion.key: each.status for each in store.suggestions.all(everything=True)}


def told(store: Store, *keys: str, now: datetime = NOW, complete: bool = True) -> list[str]:
    return [each.key for each in store.suggestions.tell([suggestion(key) for key in keys], now=now, complete=complete)]


def test_five_are_told_in_a_day(store):
    """The sixth waits for a day; one that is more pressing than what was told does not."""
    assert told(store, *"abcdefg") == [*"abcde"]
    assert statuses(store) == dict.fromkeys("abcde", "told") | dict.fromkeys("fg", "pending")
    assert told(store, *"abcdefg", now=NOW + HOUR) == []
    assert told(store, "!", *"abcdefg", now=NOW + 2 * HOUR) == ["!"]
    assert told(store, "!", *"abcdefg", now=NOW + DAY) == ["f", "g"]


def test_one_that_is_true_no_more_gives_its_place(store):
    """What is done takes no place; what waited and is not true any more is forgotten."""
    told(store, *"abcdefg")
    assert told(store, *"bcdef", now=NOW + HOUR) == ["f"]
    assert statuses(store) == dict.fromkeys("bcdef", "told") | {"a": "done"}
    assert [each.suggestion.key for each in store.suggestions.all()] == [*"bcdef"]


def test_one_that_comes_true_again_is_open_and_not_told(store):
    """A fact that comes and goes is told once."""
    told(store, "a")
    told(store, now=NOW + HOUR)
    assert statuses(store) == {"a": "done"}
    assert told(store, "a", now=NOW + 2 * HOUR) == []
    assert statuses(store) == {"a": "told"}


def test_what_was_not_looked_at_stays_true(store):
    """When something could not be read, nothing is taken to be done."""
    told(store, *"abcdef")
    assert told(store, "a", now=NOW + HOUR, complete=False) == []
    assert statuses(store) == dict.fromkeys("abcde", "told") | {"f": "pending"}


@pytest.mark.parametrize("answer", ["done", "dismissed"])
def test_what_the_student_answered_stays_silent(store, answer):
    """By number or key; as long as it is true, and for half a year after; and it takes no place."""
    told(store, *"abcdef")
    first = store.suggestions.all()[0]
    assert (first.number, first.first_told_at, first.last_true_at) == (1, NOW, NOW)
    assert store.suggestions.answer("1", answer, now=NOW).status == answer
    assert store.suggestions.answer("b", answer, now=NOW).suggestion.key == "b"
    assert store.suggestions.answer("99", answer, now=NOW) is None
    assert told(store, *"abcdef", now=NOW + HOUR) == ["f"]
    told(store, *"cdef", now=NOW + 2 * HOUR)
    assert {key: status for key, status in statuses(store).items() if key in "ab"} == dict.fromkeys("ab", answer)
    assert [each.suggestion.key for each in store.suggestions.all()] == [*"cdef"]
    assert told(store, "a", now=NOW + HOUR + 180 * DAY) == []
    assert told(store, now=NOW + HOUR + 360 * DAY) == []
    assert told(store, "b", now=NOW + HOUR + 360 * DAY) == ["b"]


def test_one_can_be_answered_before_it_is_told(store):
    """Then it never is."""
    told(store, *"abcdef")
    assert store.suggestions.answer("f", "dismissed", now=NOW).first_told_at is None
    assert told(store, "f", now=NOW + 2 * DAY) == []


def test_numbers_stay(store):
    """A suggestion keeps its number whatever ranks before it, and the list is in order of rank."""
    told(store, *"ab")
    told(store, *"cba", now=NOW + HOUR)
    assert [(each.suggestion.key, each.number) for each in store.suggestions.all()] == [("c", 3), ("b", 2), ("a", 1)]


def test_a_number_means_one_suggestion_for_good(store):
    """What an old message calls 2 is not another suggestion when 2 is forgotten."""
    told(store, *"ab")
    assert told(store, "c", now=NOW + 30 * DAY) == ["c"]
    assert [each.number for each in store.suggestions.all()] == [3]


def test_what_has_no_number_gets_one(store):
    """A database that was set aside may have had none: each suggestion has a number of its own again."""
    told(store, *"abc")
    store._connection.execute("UPDATE suggestions SET number = 0 WHERE key <> 'b'")
    told(store, *"abc", now=NOW + HOUR)
    assert [(each.suggestion.key, each.number) for each in store.suggestions.all()] == [("a", 4), ("b", 2), ("c", 5)]


def test_an_assignment_is_settled(store):
    """What was suggested for it is done at once, and open again should it still be true."""
    advice = [suggestion("a", assignment=ESSAY), suggestion("b", assignment=QUIZ), suggestion("c")]
    store.suggestions.tell(advice, now=NOW)
    store.suggestions.settle(ESSAY.id)
    assert statuses(store) == {"a": "done", "b": "told", "c": "told"}
    assert store.suggestions.tell(advice, now=NOW + HOUR) == ()
    assert statuses(store)["a"] == "told"


def test_suggestions_of_an_older_database(tmp_path, monkeypatch):
    """What was told before is told, has a number, and is not told again."""
    with monkeypatch.context() as patch:
        patch.setattr(tables, "MIGRATIONS", tables.MIGRATIONS[:3])
        old = open_database(tmp_path / "old.db")
    for key in "ba":
        document = json.dumps(asdict(suggestion(key)))
        old.execute("INSERT INTO suggestions VALUES (?, ?, ?, ?)", (key, document, to_text(NOW), to_text(NOW)))
    old.close()
    connection = open_database(tmp_path / "old.db")
    store = Store(connection)
    assert [(each.number, each.suggestion.key, each.status) for each in store.suggestions.all()] == [
        (1, "a", "told"),
        (2, "b", "told"),
    ]
    assert told(store, *"ab", now=NOW + HOUR) == []
    connection.close()


def log(store: Store, minutes: int, at: datetime, assignment: Assignment = ESSAY) -> None:
    entry = LogEntry(assignment_id=assignment.id, minutes=minutes, worked_at=at, logged_at=at)
    Progress(store._connection).log(entry)


def test_work_is_what_was_logged(store):
    """Sessions that went by are none; what the student took out of their calendar is none, but needs no place."""
    look(store, ESSAY, QUIZ)
    store.sessions.save(Plan(sessions=(session(1), session(2, NOW + 4 * HOUR))), now=NOW)
    assert (store.progress.logged(), store.settled(NOW + DAY)) == ({}, {})
    log(store, 30, NOW + 2 * HOUR)
    log(store, 45, NOW + DAY)
    log(store, 20, NOW, QUIZ)
    store._connection.execute("UPDATE sessions SET declined = 1, cancelled = 1 WHERE ordinal = 2")
    assert store.progress.logged() == {ESSAY.id: 30 + 45, QUIZ.id: 20}
    assert store.settled(NOW + DAY) == {ESSAY.id: 30 + 45 + 120, QUIZ.id: 20}


def test_what_is_logged_while_a_session_goes_on(store):
    """It is that session's, up to its length, and the plan still has it; what was logged before is not."""
    look(store, ESSAY)
    store.sessions.save(Plan(sessions=(session(1),)), now=NOW)
    log(store, 60, NOW + HOUR / 2)
    log(store, 50, NOW + 2 * HOUR)
    during = NOW + 2 * HOUR
    assert store.progress.logged() == {ESSAY.id: 110}
    assert store.settled(during) == {ESSAY.id: 60}
    assert store.settled(NOW + 3 * HOUR) == {ESSAY.id: 110}
    log(store, 100, during)
    assert store.settled(during) == {ESSAY.id: 210 - 120}


def test_two_sessions_going_on_take_a_log_once(store):
    """The student may have pinned one over the other."""
    look(store, ESSAY)
    store.sessions.save(Plan(sessions=(session(1), session(2, NOW + 1.5 * HOUR))), now=NOW)
    log(store, 60, NOW + 2 * HOUR)
    assert store.settled(NOW + 2 * HOUR) == {ESSAY.id: 0}


def test_sessions_are_asked_about_once(store):
    """Those that are over, of this work, of the last two weeks, without a word, by assignment."""
    look(store, ESSAY, QUIZ)
    other = session(1, NOW + 4 * HOUR, QUIZ)
    store.sessions.save(Plan(sessions=(session(1), session(2, NOW + 8 * HOUR), other)), now=NOW)
    assert store.sessions.ask({ESSAY.id, QUIZ.id}, now=NOW + 2 * HOUR) == ()
    assert [each.ordinal for (each,) in store.sessions.ask({ESSAY.id}, now=NOW + 3 * HOUR)] == [1]
    assert store.sessions.ask({ESSAY.id}, now=NOW + 3 * HOUR) == ()
    assert [each.id for (each,) in store.sessions.ask({ESSAY.id, QUIZ.id}, now=NOW + 6 * HOUR)] == [other.id]
    assert store.sessions.ask({ESSAY.id}, now=NOW + 10 * HOUR + 14 * DAY) == ()
    assert len(store.sessions.ask({ESSAY.id}, now=NOW + 10 * HOUR + 14 * DAY - HOUR)) == 1


def test_one_entry_answers_for_all_sessions_before_it(store):
    """It was logged after they had begun; the one that began later is asked about."""
    look(store, ESSAY)
    store.sessions.save(Plan(sessions=(session(1), session(2, NOW + 4 * HOUR), session(3, NOW + 8 * HOUR))), now=NOW)
    log(store, 0, NOW + 4 * HOUR)
    ((asked,),) = store.sessions.ask({ESSAY.id}, now=NOW + DAY)
    assert asked.ordinal == 3


def test_declined_and_removed_sessions_are_not_asked_about(store):
    """The student said so already, or it never took place."""
    look(store, ESSAY)
    store.sessions.save(Plan(sessions=(session(1), session(2, NOW + 4 * HOUR))), now=NOW)
    store._connection.execute("UPDATE sessions SET declined = 1 WHERE ordinal = 1")
    store._connection.execute("UPDATE sessions SET cancelled = 1 WHERE ordinal = 2")
    assert store.sessions.ask({ESSAY.id}, now=NOW + DAY) == ()


def test_a_session_that_was_moved_after_the_question_is_another(store):
    """The student put it later in their calendar: then it is asked about at its new time."""
    look(store, ESSAY)
    store.sessions.save(Plan(sessions=(session(1),)), now=NOW)
    assert len(store.sessions.ask({ESSAY.id}, now=NOW + 3 * HOUR)) == 1
    later = (to_text(NOW + 5 * HOUR), to_text(NOW + 7 * HOUR))
    store._connection.execute("UPDATE sessions SET starts_at = ?, ends_at = ?", later)
    assert store.sessions.ask({ESSAY.id}, now=NOW + 6 * HOUR) == ()
    assert len(store.sessions.ask({ESSAY.id}, now=NOW + 7 * HOUR)) == 1


def test_finished_work(store):
    """What is done and has logged minutes, the latest first, also when its list has it no more; nothing else."""
    done = [
        replace(ESSAY, key=str(number), title=title, done=True, description="1500 words")
        for number, title in enumerate(("Essay 1", "Essay 2", "Not logged", "Said that they did none"))
    ]
    look(store, *done, QUIZ, replace(QUIZ, key="own word", course="MATH"))
    assert store.finished() == ()
    log(store, 60, NOW, done[0])
    log(store, 30, NOW + HOUR, done[0])
    log(store, 120, NOW, done[1])
    log(store, 0, NOW, done[3])
    log(store, 45, NOW, QUIZ)
    log(store, 20, NOW - HOUR, replace(QUIZ, key="own word"))
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


def test_what_does_not_fit_keeps_the_plans_order(store):
    """Each remedy counts on those before it."""
    look(store, ESSAY, QUIZ)
    for order in ((ESSAY, QUIZ), (QUIZ, ESSAY)):
        short = tuple(Shortfall(assignment_id=each.id, minutes=60, remedy="x") for each in order)
        store.sessions.save(Plan(short=short), now=NOW)
        assert store.plan(now=NOW).short == short


def test_two_other_keys_of_one_work_are_two_when_they_come_together(store):
    """Its source called it one, then the other; what has the first name again is something else."""
    look(store, ESSAY, QUIZ)
    second = replace(ESSAY, key="second")
    look(store, again(ESSAY), QUIZ, now=NOW + HOUR)
    look(store, second, QUIZ, now=NOW + 2 * HOUR)
    other = again(ESSAY, title="Other")
    assert look(store, second, other, QUIZ, now=NOW + 3 * HOUR).new == (other,)
    assert {each.title for each in store.assignments()} == {"Essay 1", "Other", "Quiz"}
