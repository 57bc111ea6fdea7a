"""Estimates of work, from what an assignment says about itself and what work like it took before."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gradent_cli.agents.study.assess import assess, outdated, risk, with_risks
from gradent_cli.agents.study.effort import History
from gradent_cli.agents.study.records import Assessment, Assignment, Finished

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
        pytest.param("Essay 1", "9" * 4900 + " words", id="5000 digits"),
        ("Reading", "pages 80-41"),
        pytest.param("Reading", "pages 1-" + "9" * 4900, id="page of 5000 digits"),
    ],
)
def test_numbers_that_are_not_the_work(title, description):
    """A number that cannot be the whole work changes nothing."""
    assert hours(replace(ESSAY, title=title, description=description)) == hours(replace(ESSAY, title=title))


def test_digits_without_end():
    """Fifty descriptions of digits are looked at in one pass each: minutes without that, half a minute is the guard."""
    program = """
from datetime import UTC, datetime
from gradent_cli.agents.study.assess import assess
from gradent_cli.agents.study.records import Assignment
for number in range(50):
    essay = Assignment(source="s", key="k", title="Essay", due_at=None, description="1" * (4900 + number))
    print(assess(essay, now=datetime(2026, 11, 23, tzinfo=UTC)).basis)
"""
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["kind"] * 50


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


def done(*hours: float, title: str = "Problem Set", course: str | None = "MATH 201") -> list[Finished]:
    """Finished work that took so many hours, the newest first."""
    return [
        Finished(assignment_id=f"{title}{course}{number}", title=title, course=course, minutes=round(60 * each))
        for number, each in enumerate(hours)
    ]


PROBLEMS = replace(ESSAY, title="Problem Set 6", course="MATH 201")


@pytest.mark.parametrize(
    ("hours", "expected", "confidence", "reason"),
    [
        ((5,), (3, 5, 8), 0.55, "Your last problem set in MATH 201 took 5 hours."),
        ((4, 6), (3, 5, 7.5), 0.65, "Your last 2 problem sets in MATH 201 took 4 to 6 hours."),
        ((6, 3, 4), (3, 4, 6), 0.75, "Your last 3 problem sets in MATH 201 took 3 to 6 hours."),
        ((3, 3, 3, 3, 3), (3, 3, 3), 0.85, "Your last 5 problem sets in MATH 201 took 3 hours each."),
        ((2,) * 8 + (20,) * 9, (2, 2, 2), 0.85, "Your last 8 problem sets in MATH 201 took 2 hours each."),
        ((0.1, 100, 5), (3, 5, 8), 0.55, "Your last problem set in MATH 201 took 5 hours."),
        ((1,), (0.5, 1, 1.5), 0.55, "Your last problem set in MATH 201 took 1 hour."),
    ],
)
def test_what_the_same_took_in_the_course(hours, expected, confidence, reason):
    """The median of the last eight that were done; the spread by how many there are; nonsense does not count."""
    found = assess(PROBLEMS, now=NOW, history=History(done(*hours)))
    assert (found.effort_low_hours, found.effort_likely_hours, found.effort_high_hours) == expected
    assert (found.confidence, found.reason, found.basis) == (confidence, reason, "course")


def test_which_past_counts():
    """Own word, then the course, then what the text asks for, then other courses, then the kind alone."""
    history = History(
        [
            *done(3, 3, course="math  201"),
            *done(9, title="Essay 2", course="WRIT 101"),
            *done(2, 4, title="Lab", course="PHYS"),
            *done(5, 5, title="Week 1", course="ART"),
        ]
    )

    def basis(title, course="X", **changes):
        found = assess(replace(ESSAY, title=title, course=course, **changes), now=NOW, history=history)
        return found.basis, found.reason

    assert basis("Problem Set 6", "MATH 201", effort_hours=2)[0] == "own"
    assert basis("Problem Set 6", "MATH 201", description="9 problems")[0] == "course"
    assert basis("Problem Set 6", description="9 problems")[0] == "text"
    assert basis("Problem Set 6") == ("courses", "Your last 2 problem sets in other courses took 3 hours each.")
    assert basis("Lab 3", course=None) == ("courses", "Your last 2 labs took 2 to 4 hours.")
    assert basis("Essay")[0] == "kind"  # one from elsewhere says too little
    assert basis("Quiz", "MATH 201")[0] == "kind"  # another kind says nothing
    assert basis("Week 2", "ART") == ("course", "Your last 2 assignments like it in ART took 5 hours each.")
    assert basis("Week 2", "BIO")[0] == "kind"
    sure = [
        assess(replace(PROBLEMS, course=course), now=NOW, history=history).confidence for course in ("MATH 201", "X")
    ]
    assert sure == [0.65, 0.5]


def test_when_it_is_assessed_again():
    """When it changes, when the past begins or ceases to speak, or moves by a quarter; never for each entry."""

    def stale(before, after, assignment=PROBLEMS):
        return outdated(assess(assignment, now=NOW, history=History(before)), assignment, History(after))

    assert not stale([], [])
    assert stale([], done(4))
    assert not stale([], done(4, title="Essay"))
    assert not stale(done(4), done(4, 4.5))
    assert not stale(done(4, 4), done(4, 4, 1.5, 9))
    assert stale(done(4), done(6, 4))
    assert stale(done(4, 4), done(2, 3, 4, 3))
    assert stale(done(4), [])
    assert stale(done(4, 4, course="X"), [*done(4), *done(4, 4, course="X")])
    assert not stale(done(4, 4, course="X"), done(4, 4, 4, course="X"))
    assert not stale([], done(9), replace(PROBLEMS, effort_hours=2))
    assert not stale(done(9), [], replace(PROBLEMS, effort_hours=2))
    assert not stale([], done(9, 9, course="X"), replace(PROBLEMS, description="9 problems"))
    first = assess(PROBLEMS, now=NOW)
    assert outdated(first, replace(PROBLEMS, points=300), History())
    assert not outdated(replace(first, basis=""), PROBLEMS, History())  # made before there was a basis


def risks(*work: tuple[Assignment, Assessment], worked=None, free=lambda until: (until - NOW) / timedelta(hours=6)):
    return {each.key: assessment.risk for each, assessment in with_risks(work, worked=worked or {}, free=free, now=NOW)}


def with_hours(key: str, hours: float, days: float | None) -> tuple[Assignment, Assessment]:
    due = None if days is None else NOW + timedelta(days=days)
    assignment = replace(ESSAY, key=key, effort_hours=hours, due_at=due)
    return assignment, assess(assignment, now=NOW)


def test_a_crowded_week():
    """Two equal essays due together are each at more risk than one alone; the later of two is, the earlier is not."""
    one, two, later = with_hours("1", 8, 5), with_hours("2", 8, 5), with_hours("3", 8, 6)
    alone, alone_later = risks(one)["1"], risks(later)["3"]
    together = risks(one, two)
    assert together["1"] == together["2"] > alone
    assert risks(later, one) == {"3": risks(one, later)["3"], "1": alone}
    assert risks(later, one)["3"] > alone_later


def test_work_that_is_logged_lowers_the_risk():
    """Its own, and that of what is due after it."""
    one, later = with_hours("1", 8, 5), with_hours("3", 8, 6)
    before = risks(one, later)
    after = risks(one, later, worked={one[0].id: 240})
    assert after["1"] < before["1"]
    assert after["3"] < before["3"]
    assert risks(one, worked={one[0].id: 480}) == {"1": 0}


def test_more_work_than_time():
    """Where other work needs all the time there is, the pressure is full; overdue and undated work takes none."""
    full = risks(with_hours("1", 30, 5), with_hours("2", 1, 5))
    assert full["2"] == risks(with_hours("2", 30, 5))["2"]
    alone = risks(with_hours("1", 8, 5))["1"]
    crowd = risks(with_hours("0", 50, -1), with_hours("1", 8, 5), with_hours("2", 50, None))
    assert crowd == {"0": 100, "1": alone, "2": 5}


def test_ten_thousand_risks_ask_for_the_free_time_once_for_each_due_date():
    """The running sum is one pass: the free time is looked up once a due date, whatever falls on it."""
    work = [with_hours(str(number), 1, 1 + number % 50) for number in range(10_000)]
    asked = []

    def free(until):
        asked.append(until)
        return 100.0

    assert set(risks(*work, free=free).values()) <= set(range(101))
    assert len(asked) == 50


def judged(assignment: Assignment) -> Assessment:
    ((_, found),) = with_risks([(assignment, assess(assignment, now=NOW))], worked={}, free=lambda _: 5.0, now=NOW)
    return found


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
    found = judged(assignment)
    assert 0 <= found.effort_low_hours <= found.effort_likely_hours <= found.effort_high_hours
    assert found.effort_likely_hours > 0
    assert 1 <= found.difficulty <= 5
    assert 0 <= found.risk <= 100
    assert 0 <= found.confidence <= 1
    assert found.reason.endswith(".")
    assert "nan" not in found.reason
    assert "inf" not in found.reason
    assert judged(assignment) == found
