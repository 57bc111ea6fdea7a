"""Estimates of work, from what an assignment says about itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gradent_cli.agents.study.assess import assess, risk
from gradent_cli.records import Assignment

NOW = datetime(2026, 11, 23, 14, 3, tzinfo=UTC)
ESSAY = Assignment(source="s", key="1", title="Essay 1", due_at=NOW + timedelta(days=11), course="WRIT 101")


def hours(assignment: Assignment, **context) -> tuple[float, float, float]:
    found = assess(assignment, now=NOW, **context)
    return found.effort_low_hours, found.effort_likely_hours, found.effort_high_hours


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Essay 1", (4, 8, 14)),
        ("Quiz 3", (1, 2, 3)),
        ("Problem Set 6", (2, 4, 7)),
        ("HW2", (2, 4, 7)),
        ("Homework 3: lab preparation", (2, 4, 7)),
        ("Lab 2", (2, 4, 6)),
        ("Lab report 2", (2, 4, 6)),
        ("Midterm", (6, 10, 18)),
        ("Final exam", (6, 10, 18)),
        ("Final project", (8, 16, 30)),
        ("Midterm paper", (4, 8, 14)),
        ("Reading quiz 4", (1, 2, 3)),
        ("Exam review problem set", (2, 4, 7)),
        ("Essay on the Manhattan project", (4, 8, 14)),
        ("Presentation of the final project", (3, 6, 10)),
        ("Week 3 - Lab 2", (2, 4, 6)),
        ("Read chapter 5", (1, 2, 3)),
        ("Discussion post", (0.5, 1, 2)),
        ("Collaborate", (2, 4, 8)),  # no "lab" in it
        ("Untitled", (2, 4, 8)),
    ],
)
def test_kinds(title, expected):
    """The kind is what the title names, not what it is about."""
    assert hours(replace(ESSAY, title=title)) == expected


def test_kind_from_the_description():
    """A title that names no kind leaves it to the description, with less confidence."""
    found = assess(replace(ESSAY, title="Week 4", description="Submit your lab report."), now=NOW)
    assert found.effort_likely_hours == 4
    assert found.confidence < assess(ESSAY, now=NOW).confidence


@pytest.mark.parametrize(
    ("title", "description", "likely", "what"),
    [
        ("Essay 1", "1,200–1,500 words", 6, "1500 words"),
        ("Essay 1", "a 2000-word essay", 8, "2000 words"),
        ("Essay 1", "Write 5-7 pages.", 7, "7 pages"),
        ("Reading", "Read pages 41-80", 2, "pages 41 to 80"),
        ("Reading", "60 pages of Durkheim", 3, "60 pages"),
        ("Problem Set 6", "Do 9 problems", 3, "9 problems"),
        ("Problem Set 6", "Do 9 hard exercises", 3, "9 problems"),
    ],
)
def test_asked_for(title, description, likely, what):
    """Numbers in the description count for more than the kind, and the reason names them."""
    found = assess(replace(ESSAY, title=title, description=description), now=NOW)
    assert found.effort_likely_hours == likely
    assert what in found.reason


@pytest.mark.parametrize(
    ("title", "description"),
    [
        ("Final exam", "20 problems in 90 minutes"),
        ("Project", "with a summary of 100 words"),
        ("Essay 1", "999999999 words"),
        ("Reading", "pages 80-41"),
    ],
)
def test_numbers_that_are_not_the_work(title, description):
    """A number that cannot be the whole work changes nothing."""
    assert hours(replace(ESSAY, title=title, description=description)) == hours(replace(ESSAY, title=title))


def test_own_estimate_wins():
    """The student's own hours are taken as they are, with high confidence."""
    found = assess(replace(ESSAY, effort_hours=5.25, description="1500 words", weight=50), now=NOW)
    assert (found.effort_low_hours, found.effort_likely_hours, found.effort_high_hours) == (4, 5.25, 8)
    assert found.confidence == 0.9
    assert found.reason == "Your own estimate is 5.25 hours."


def test_weight_and_points():
    """What counts more takes more; the reason says so."""
    assert hours(replace(ESSAY, weight=30))[1] > 8 > hours(replace(ESSAY, weight=5))[1]
    assert hours(replace(ESSAY, points=200))[1] == 10
    assert hours(replace(ESSAY, points=100))[1] == 8
    assert hours(replace(ESSAY, points=5))[1] == 6
    assert assess(replace(ESSAY, weight=20), now=NOW).reason == (
        "Looks like an essay, which usually takes 4 to 14 hours; it counts 20 % of the grade."
    )


def test_difficulty():
    """An essay is middling; one that counts much more than usual is harder."""
    assert assess(ESSAY, now=NOW).difficulty == 3
    assert assess(replace(ESSAY, weight=40), now=NOW).difficulty == 4


def test_milestones():
    """Bigger work gets steps, whose hours add up and whose days count down to the due date."""
    found = assess(ESSAY, now=NOW)
    assert [step.label for step in found.milestones] == ["Outline and sources", "First draft", "Revision"]
    assert sum(step.hours for step in found.milestones) == found.effort_likely_hours
    assert [step.days_before_due for step in found.milestones] == [8, 3, 0]
    assert assess(replace(ESSAY, title="Quiz"), now=NOW).milestones == ()
    assert assess(replace(ESSAY, due_at=None), now=NOW).milestones == ()


def test_versions():
    """A new assessment of the same assignment is the next version, made from its new state."""
    first = assess(ESSAY, now=NOW)
    changed = replace(ESSAY, points=300)
    second = assess(changed, now=NOW, previous=first)
    assert (first.version, second.version) == (1, 2)
    assert second.fingerprint == changed.fingerprint != first.fingerprint


def test_risk():
    """Risk grows with the work, with the little free time, with nearness and with weight."""
    free, tight = (risk(ESSAY, 8, now=NOW, free_hours=hours) for hours in (40, 10))
    assert 0 < free < tight <= 100
    near = replace(ESSAY, due_at=NOW + timedelta(days=1))
    assert risk(near, 8, now=NOW, free_hours=40) > free
    assert risk(replace(ESSAY, weight=40), 8, now=NOW, free_hours=40) > free
    assert risk(ESSAY, 8, now=NOW, free_hours=0) >= 60
    assert risk(ESSAY, 0, now=NOW, free_hours=40) == 0
    assert risk(replace(ESSAY, due_at=NOW - timedelta(days=1)), 8, now=NOW, free_hours=0) == 100
    assert risk(replace(ESSAY, due_at=None), 8, now=NOW, free_hours=None) == 5


numbers = st.none() | st.floats(-10, 500) | st.floats()


@example("", "", float("inf"), float("nan"), float("inf"), 5)
@example("", "", None, -2.0, None, None)
@given(st.text(max_size=80), st.text(max_size=300), numbers, numbers, numbers, st.none() | st.integers(-900, 900))
def test_any_assignment(title, description, points, weight, effort, due):
    """Whatever a feed says, the numbers stay inside their ranges, and the reason is one sentence."""
    assignment = Assignment(
        source="s",
        key="1",
        title=title,
        due_at=None if due is None else NOW + timedelta(days=due),
        description=description,
        points=points,
        weight=weight,
        effort_hours=effort,
    )
    found = assess(assignment, now=NOW, free_hours=None if due is None else 5)
    assert 0 <= found.effort_low_hours <= found.effort_likely_hours <= found.effort_high_hours
    assert found.effort_likely_hours > 0
    assert 1 <= found.difficulty <= 5
    assert 0 <= found.risk <= 100
    assert 0 <= found.confidence <= 1
    assert found.reason.endswith(".")
    assert "nan" not in found.reason
    assert "inf" not in found.reason
    assert assess(assignment, now=NOW, free_hours=None if due is None else 5) == found
