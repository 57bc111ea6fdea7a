"""How a student names an assignment, and how one is named to them in short."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli.agents.study.naming import Names
from gradent_cli.agents.study.records import Assignment
from gradent_cli.errors import UsageError

DUE = datetime(2026, 12, 4, 22, 59, tzinfo=UTC)


def named(title: str, course: str | None = None) -> Assignment:
    return Assignment(source="list", key=f"{course} {title}", title=title, due_at=DUE, course=course)


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
    assert Names(ALL).find(said) is meant


def test_a_whole_title_wins_over_a_part():
    """Essay 1 is not Essay 10, and what both begin with is neither."""
    assert Names(ALL).find("Essay 1") is ESSAY
    with pytest.raises(UsageError, match="could be"):
        Names(ALL).find("Essay")


def test_an_ambiguous_name():
    """The candidates are named with their ids, five at most, and nothing is guessed."""
    many = [named(f"Essay {n}") for n in range(7)]
    with pytest.raises(UsageError) as caught:
        Names(many).find("essay")
    assert caught.value.message == (
        "'essay' could be " + ", ".join(f"{each.title} = {each.id}" for each in many[:5]) + " and 2 more"
    )
    assert caught.value.exit_code == 2


def test_two_letters_are_no_id():
    """A beginning of an id has three characters or more, as two say nothing."""
    only = [named("Zzz")]
    assert Names(only).find(only[0].id[:3]) is only[0]
    with pytest.raises(UsageError, match="there is no assignment"):
        Names(only).find(only[0].id[:2])


def test_what_is_rather_meant():
    """Among several the one that is still work is meant; where none of them is, all could be."""
    assert Names(ALL).find("quiz 3", rather={OTHER_QUIZ.id}) is OTHER_QUIZ
    assert Names(ALL).find("essay 1", rather={QUIZ.id}) is ESSAY
    with pytest.raises(UsageError, match=QUIZ.id):
        Names(ALL).find("quiz 3", rather={ESSAY.id})


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
        Names(ALL).find(said)
    assert caught.value.hint == hint
    assert "\x1b" not in caught.value.message


def test_nothing_is_known_yet():
    """Then a run has to come first."""
    with pytest.raises(UsageError) as caught:
        Names([]).find("essay")
    assert caught.value.hint == "`gradent run` reads your sources"


@given(st.lists(st.text(max_size=12), min_size=1, max_size=30, unique=True))
def test_a_handle_leads_back(titles):
    """Whatever else there is, the short id that a question names means the assignment that it was made for."""
    everything = [named(title) for title in titles]
    names = Names(everything)
    for each in everything:
        assert names.find(names.handle(each)) is each


def test_a_handle_is_short():
    """Four characters, more only where others begin or are titled the same."""
    assert Names(ALL).handle(ESSAY) == ESSAY.id[:4]
    assert Names([*ALL, named(f"Read {ESSAY.id[:5]}")]).handle(ESSAY) == ESSAY.id[:6]
