"""What an assignment is judged to be: its hours, its difficulty, and how likely it is to go wrong. Pure.

Effort, difficulty and confidence depend on the assignment and the student's past. Risk also depends on the time that
is left and on all other work, so it is worked out again on every run (`with_risks`), and a risk that changed is no
new assessment.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gradent_cli.agents.study.effort import History, effort_of
from gradent_cli.agents.study.kinds import Kind, kind_of, weight_of
from gradent_cli.agents.study.records import Assessment, Assignment, Milestone
from gradent_cli.agents.study.remaining import remaining_hours

_MILESTONES_FROM = 6.0
_PAST = ("course", "courses")
"""The bases that are finished work."""
_NEWS = 0.25
"""A change of what past work took that is worth a new assessment."""


def assess(
    assignment: Assignment, *, now: datetime, history: History | None = None, previous: Assessment | None = None
) -> Assessment:
    """What the assignment is thought to take. The risk is that of its weight alone until `with_risks` knows better.

    Args:
        history: what the student has finished; None is nothing.
        previous: the assessment of an earlier state of the same assignment; the new one is the next version.
    """
    prerequisites, deliverables = _demands(assignment.description)
    kind, sure = kind_of(assignment)
    effort = effort_of(assignment, kind, sure, history or History())
    difficulty = kind.difficulty + (1 if (weight_of(assignment) or 0) >= 1.5 * kind.weight else 0)
    return Assessment(
        assignment_id=assignment.id,
        effort_low_hours=effort.low,
        effort_likely_hours=effort.likely,
        effort_high_hours=effort.high,
        difficulty=min(5, difficulty),
        risk=risk(assignment, effort.likely, now=now, free_hours=None),
        confidence=effort.confidence,
        reason=effort.reason,
        fingerprint=assignment.fingerprint,
        assessed_at=now,
        milestones=_milestones(assignment, kind, effort.likely, now),
        prerequisites=prerequisites,
        deliverables=deliverables,
        version=previous.version + 1 if previous else 1,
        basis=effort.basis,
    )


def judged(
    assignment: Assignment,
    *,
    hours: tuple[float, float, float],
    difficulty: int | None,
    reason: str,
    now: datetime,
    previous: Assessment | None = None,
) -> Assessment:
    """The assessment that an agent gives, with what it leaves out as `assess` has it.

    Args:
        hours: low, likely, high.
        difficulty: 1-5; None when the agent says nothing of it.
    """
    low, likely, high = hours
    usual = assess(assignment, now=now, previous=previous)
    return replace(
        usual,
        effort_low_hours=low,
        effort_likely_hours=likely,
        effort_high_hours=high,
        difficulty=usual.difficulty if difficulty is None else difficulty,
        risk=risk(assignment, likely, now=now, free_hours=None),
        confidence=0.7,
        reason=reason or "Your agent judged it.",
        milestones=_milestones(assignment, kind_of(assignment)[0], likely, now),
        basis="agent",
    )


def _demands(description: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What has to be done before and what is handed in. Most runs have nothing to ask it of."""
    if not description.strip():
        return (), ()
    from gradent_cli.agents.study import demands

    return demands.prerequisites(description), demands.deliverables(description)


def outdated(assessment: Assessment, assignment: Assignment, history: History) -> bool:
    """Whether the assignment has to be assessed again: it changed, or what finished work says of it did.

    Not each log entry is news: only when past work begins or ceases to be what the estimate comes from, or when its
    median has moved by a quarter. The student's own estimate stands whatever the past says.
    """
    if assessment.fingerprint != assignment.fingerprint:
        return True
    before = assessment.basis in _PAST
    if assessment.basis == "agent":
        return False
    if not (before or history):
        return False
    kind, sure = kind_of(assignment)
    fresh = effort_of(assignment, kind, sure, history)
    if fresh.basis not in _PAST and not before:
        return False
    change = abs(fresh.likely - assessment.effort_likely_hours)
    return fresh.basis != assessment.basis or change >= _NEWS * assessment.effort_likely_hours


def with_risks(
    work: Sequence[tuple[Assignment, Assessment]],
    *,
    worked: Mapping[str, int],
    free: Callable[[datetime], float],
    now: datetime,
) -> list[tuple[Assignment, Assessment]]:
    """The same work with the risk that each piece has beside all the others.

    The free time that is really left for a piece is what is free before its due date, less what the rest of the work
    due before it or at the same moment still needs. Its own sessions take nothing away: they are meant for it.
    Overdue work takes nothing away either, since the plan lets it give way to what can still be in time.

    Args:
        worked: minutes that the student says they worked, by assignment id.
        free: hours that can be studied from now until a moment.
    """
    needs = [remaining_hours(assessment, worked) or 0.0 for _, assessment in work]
    dated = sorted(
        (assignment.due_at, number)
        for number, (assignment, _) in enumerate(work)
        if assignment.due_at is not None and assignment.due_at > now
    )
    left: dict[int, float] = {}
    due_so_far, first = 0.0, 0
    for place, (due_at, _) in enumerate(dated):
        if place + 1 < len(dated) and dated[place + 1][0] == due_at:
            continue
        together = [number for _, number in dated[first : place + 1]]
        due_so_far += sum(needs[number] for number in together)
        first = place + 1
        before = free(due_at)
        left |= {number: before - (due_so_far - needs[number]) for number in together}
    return [
        (
            assignment,
            replace(assessment, risk=risk(assignment, needs[number], now=now, free_hours=left.get(number, 0.0))),
        )
        for number, (assignment, assessment) in enumerate(work)
    ]


def risk(assignment: Assignment, hours: float, *, now: datetime, free_hours: float | None) -> int:
    """How likely it is to go wrong, 0-100: 60 for the work against the free time, 20 each for nearness and weight.

    Nearness counts from two weeks before the due date; a weight of 40 percent counts in full, an unknown one a
    quarter. Overdue work is at 100; work without a due date has only its weight.

    Args:
        hours: work that is still to do.
        free_hours: time to study before the due date that other work leaves; below zero when that is more than there
            is, None when nothing is known of it.
    """
    percent = weight_of(assignment)
    weight = 0.25 if percent is None else min(1.0, percent / 40)
    if assignment.due_at is None or free_hours is None:
        return round(20 * weight)
    if assignment.due_at <= now:
        return 100
    if hours <= 0:
        return 0
    pressure = min(1.0, hours / free_hours) if free_hours > 0 else 1.0
    nearness = max(0.0, 1 - (assignment.due_at - now) / timedelta(days=14))
    return round(60 * pressure + 20 * nearness + 20 * weight)


def _milestones(assignment: Assignment, kind: Kind, hours: float, now: datetime) -> tuple[Milestone, ...]:
    """Steps for bigger work, spread over the time that is left by their share of the work."""
    if hours < _MILESTONES_FROM or assignment.due_at is None or assignment.due_at <= now:
        return ()
    days = (assignment.due_at - now) / timedelta(days=1)
    milestones, done = [], 0.0
    for label, share in kind.steps:
        done += share
        left = round(2 * days * (1 - done)) / 2
        milestones.append(Milestone(label=label, hours=round(4 * share * hours) / 4, days_before_due=max(0.0, left)))
    return tuple(milestones)
