"""What the student says: how they name things, and the tables that keep it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli.agents.study.progress import (
    Progress,
    due_at,
    find,
    handle,
    hours_of,
    minutes_of,
    name_of,
    number_of,
    worked_at,
)
from gradent_cli.agents.study.store import Store
from gradent_cli.database import open_database
from gradent_cli.errors import UsageError
from gradent_cli.records import Assignment, LogEntry

NOW = datetime(2026, 11, 24, 14, 3, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
DUE = datetime(2026, 12, 4, 22, 59, tzinfo=UTC)


def named(title: str, course: str | None = None, key: str = "") -> Assignment:
    return Assignment(source="list", key=key or f"{course} {title}", title=title, due_at=DUE, course=course)


ESSAY, ESSAY_10, QUIZ = named("Essay 1", "WRIT 101"), named("Essay 10"), named("Quiz 3", "MATH 1")
OTHER_QUIZ = named("Quiz 3", "PHYS 2")
ALL = (ESSAY, ESSAY_10, QUIZ, OTHER_QUIZ)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (ESSAY.id, ESSAY),
        (ESSAY.id.upper(), ESSAY),
        (ESSAY.id[:3], ESSAY),
        ("essay 1", ESSAY),
        ("  ESSAY\t10 ", ESSAY_10),
        ("10", ESSAY_10),
        ("writ", ESSAY),
        ("math 1 quiz", QUIZ),
        ("MATH 1 Quiz 3", QUIZ),
        ("phys", OTHER_QUIZ),
        ("ｅｓｓａｙ 1", ESSAY),
    ],
)
def test_how_an_assignment_is_named(said, meant):
    """By id, the beginning of one, its title, a part of that, with its course or not, in any case and width."""
    assert find(said, ALL) is meant


def test_a_whole_title_wins_over_a_part():
    """Essay 1 is not Essay 10, and what both begin with is neither."""
    assert find("Essay 1", ALL) is ESSAY
    with pytest.raises(UsageError, match="could be"):
        find("Essay", ALL)


def test_an_ambiguous_name():
    """The candidates are named with their ids, five at most, and nothing is guessed."""
    many = [named(f"Essay {n}") for n in range(7)]
    with pytest.raises(UsageError) as caught:
        find("essay", many)
    assert caught.value.message == (
        "'essay' could be " + ", ".join(f"{each.title} = {each.id}" for each in many[:5]) + " and 2 more"
    )
    assert caught.value.exit_code == 2


def test_two_letters_are_no_id():
    """A beginning of an id has three characters or more, as two say nothing."""
    only = [named("Zzz")]
    assert find(only[0].id[:3], only) is only[0]
    with pytest.raises(UsageError, match="there is no assignment"):
        find(only[0].id[:2], only)


def test_what_is_rather_meant():
    """Among several the one that is still work is meant; where none of them is, all could be."""
    assert find("quiz 3", ALL, rather={OTHER_QUIZ.id}) is OTHER_QUIZ
    assert find("essay 1", ALL, rather={QUIZ.id}) is ESSAY
    with pytest.raises(UsageError, match=QUIZ.id):
        find("quiz 3", ALL, rather={ESSAY.id})


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("esay 1", f"did you mean Essay 1 (WRIT 101) = {ESSAY.id}?"),
        ("quizz", f"did you mean Quiz 3 (MATH 1) = {QUIZ.id}?"),
        ("thesis", "gradent assignments"),
        ("\x1b[31m\u202e", "gradent assignments"),
        ("  ", "gradent assignments"),
    ],
)
def test_an_unknown_name(said, hint):
    """The nearest title is named, if one is near."""
    with pytest.raises(UsageError) as caught:
        find(said, ALL)
    assert caught.value.hint == hint
    assert "\x1b" not in caught.value.message


def test_nothing_is_known_yet():
    """Then a run has to come first."""
    with pytest.raises(UsageError) as caught:
        find("essay", [])
    assert caught.value.hint == "`gradent run` reads your sources"


@given(st.lists(st.text(max_size=12), min_size=1, max_size=30, unique=True))
def test_a_handle_leads_back(titles):
    """Whatever else there is, the short id that a question names means the assignment that it was made for."""
    everything = [named(title) for title in titles]
    for each in everything:
        assert find(handle(each, everything), everything) is each


def test_a_handle_is_short():
    """Four characters, more only where others begin or are titled the same."""
    assert handle(ESSAY, ALL) == ESSAY.id[:4]
    assert handle(ESSAY, [*ALL, named(f"Read {ESSAY.id[:5]}")]) == ESSAY.id[:6]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1h30m", 90), ("0min", 0), ("0", 0), ("0h", 0), ("24h", 1440), ("90s", 2), ("1min", 1)],
)
def test_lengths_of_work(text, minutes):
    """Durations in whole minutes; nothing at all is one, too."""
    assert minutes_of(text) == minutes


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("24h1m", "'24h1m' is more than a day holds"),
        ("2w", "'2w' is more than a day holds"),
        ("30s", "'30s' is less than a minute"),
        ("2", "is not a duration"),
        ("-1h", "is not a duration"),
        ("", "is not a duration"),
        ("nan", "is not a duration"),
    ],
)
def test_lengths_that_nobody_works(text, why):
    """More than a day, less than a minute, or no length: one sentence each."""
    with pytest.raises(UsageError, match=why):
        minutes_of(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23", datetime(2026, 11, 23, 22, 59, tzinfo=UTC)),
        ("2026-11-24", NOW),
        ("2026-11-24T15:00", datetime(2026, 11, 24, 14, 0, tzinfo=UTC)),
        ("2026-11-24 14:03Z", NOW),
    ],
)
def test_when_work_ended(text, moment):
    """On the student's own clock; a day is taken to its end, today up to now."""
    assert worked_at(text, now=NOW, zone=BERLIN) == moment


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-11-25", "in the future"),
        ("2026-11-24T15:04", "in the future"),
        ("9999-12-31T23:59", "in the future"),
        ("yesterday", "'yesterday' is not a date"),
        ("2026-13-01", "'2026-13-01' is not a date"),
        ("", "'' is not a date"),
    ],
)
def test_when_no_work_can_have_ended(text, why):
    """Later than now, or no date: one sentence each."""
    with pytest.raises(UsageError, match=why):
        worked_at(text, now=NOW, zone=BERLIN)


@pytest.mark.parametrize(
    "text", ["2026-W49", "2026-W49-2", "2026W49", "20261201", "2026-W49-2T18:00", "20261201T1800", "2026-12-01T18"]
)
def test_other_ways_to_write_a_day(text):
    """A week, or digits in a row, are one slip away from another day: refused, for work as for a due date."""
    for read in (lambda: due_at(text, zone=BERLIN), lambda: worked_at(text, now=NOW, zone=BERLIN)):
        with pytest.raises(UsageError, match=f"'{text}' is not a date") as caught:
            read()
        assert caught.value.hint == "write it as 2026-12-01 or 2026-12-01T18:00"


def test_due_dates():
    """A day means its end, and "none" that there is none."""
    assert due_at("2026-12-04", zone=BERLIN) == DUE
    assert due_at("2026-12-04T23:59", zone=BERLIN) == DUE
    assert due_at(" None ", zone=BERLIN) is None
    with pytest.raises(UsageError, match="'soon' is not a date"):
        due_at("soon", zone=BERLIN)


@pytest.mark.parametrize(("text", "value"), [("20", 20), ("12,5", 12.5), (" 20 % ", 20), ("0", 0), ("100%", 100)])
def test_numbers(text, value):
    """Percent with its sign or without, with either decimal mark."""
    assert number_of(text, "the weight", 100) == value


@pytest.mark.parametrize("text", ["101", "-1", "nan", "inf", "1e2", "many", "", "%"])
def test_numbers_that_are_none(text):
    """Out of range, infinite, or no number: a sentence that names the range."""
    with pytest.raises(UsageError, match="the weight has to be a number from 0 to 100"):
        number_of(text, "the weight", 100)


def test_efforts():
    """Hours from a duration; what nobody can mean is refused."""
    assert hours_of("1h30m") == 1.5
    for text, why in (("5", "is not a duration"), ("50d", "is no effort"), ("1s", "is no effort")):
        with pytest.raises(UsageError, match=why):
            hours_of(text)


def test_names_are_one_harmless_line():
    """Escapes, newlines and bidirectional controls are gone; nothing but them is no name."""
    assert name_of("Es\u202esay\n \x1b[31m1", "the title") == "Essay 1"
    for text in ("", " \n", "\x1b[0m\u202e"):
        with pytest.raises(UsageError, match="the title has to have letters in it"):
            name_of(text, "the title")


# The tables


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


@pytest.mark.parametrize("document", ["{", "[]", "[" * 100_000, "7", '{"nonsense": 1}'])
def test_edits_that_are_damaged(progress, document):
    """What cannot be understood says nothing, and can be said anew."""
    progress._connection.execute("INSERT INTO edits VALUES (?, ?, ?)", (ESSAY.id, document, NOW.isoformat()))
    assert progress.edits() == {ESSAY.id: {}}
    assert progress.edit(ESSAY.id, {"done": True}, now=NOW) == {"done": True}
