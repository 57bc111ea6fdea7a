"""Advice from facts only: pure, at most five pieces, the most pressing first.

The keys are made of what makes the advice new: an assignment and its due date. Told once, it is not told again
because the minutes in it changed; a due date that moved makes it new.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

from gradent_cli.agents.study import words
from gradent_cli.agents.study.free import Day, Span, quarter_down, quarter_up, to_moment, without
from gradent_cli.agents.study.schedule import planned_minutes
from gradent_cli.records import Assessment, Assignment, Plan, Session, Suggestion

AT_MOST = 5
SOON = timedelta(hours=72)
_GAP_WITHIN = timedelta(hours=48)
_GAP_LEAST = 60
_GAP_RISK = 50


def suggest(
    work: Sequence[tuple[Assignment, Assessment]],
    *,
    plan: Plan | None,
    sessions: Iterable[Session],
    free: Sequence[Day],
    now: datetime,
    zone: tzinfo,
) -> tuple[Suggestion, ...]:
    """Overdue work first, then what does not fit and what is due within 72 hours by due date, then a free gap.

    Args:
        work: what is still to do.
        plan: the plan for it; None when none could be made, and then there is nothing to say about it.
        sessions: those that were known before, past ones among them.
        free: free time as the plan saw it.
    """
    planned = _by_assignment(plan.sessions if plan else ())
    over = _by_assignment(session for session in sessions if session.ends_at <= now)
    by_id = {assignment.id: (assignment, assessment) for assignment, assessment in work}
    dated = sorted((each for each in work if each[0].due_at), key=lambda each: (each[0].due_at or now, each[0].id))
    overdue: list[Suggestion] = []
    pressing: list[tuple[datetime, int, Suggestion]] = []
    for assignment, assessment in dated:
        due = assignment.due_at or now
        upcoming = ""
        if plan:
            upcoming = _next(planned.get(assignment.id, ()), over.get(assignment.id, ()), assessment, zone)
        if due <= now:
            overdue.append(_overdue(assignment, assessment, due, upcoming, zone))
        elif due <= now + SOON:
            pressing.append((due, 1, _due_soon(assignment, assessment, due, upcoming, zone)))
    for short in plan.short if plan else ():
        assignment, _ = by_id[short.assignment_id]
        if assignment.due_at is not None and assignment.due_at > now:
            suggestion = _overload(assignment, assignment.due_at, short.minutes, short.remedy, work, planned)
            pressing.append((assignment.due_at, 0, suggestion))
    pressing.sort(key=lambda each: (each[0], each[1], each[2].key))
    gap = _gap(dated, planned, free, now, zone) if plan else ()
    return (*overdue, *(suggestion for _, _, suggestion in pressing), *gap)[:AT_MOST]


def _key(about: str, assignment: Assignment) -> str:
    due = f"{assignment.due_at:%Y%m%dT%H%MZ}" if assignment.due_at else ""
    return f"{about}:{assignment.id}:{due}"


def _by_assignment(sessions: Iterable[Session]) -> dict[str, list[Session]]:
    found: dict[str, list[Session]] = {}
    for session in sessions:
        found.setdefault(session.assignment_id, []).append(session)
    return found


def _next(planned: Sequence[Session], over: Sequence[Session], assessment: Assessment, zone: tzinfo) -> str:
    """When to go on with it; without a session to come, what the sessions that are over leave to say."""
    if planned:
        return f" The next session is {words.when(min(session.starts_at for session in planned), zone)}."
    if not over:
        return " Nothing is planned for it."
    hours = planned_minutes(over) / 60
    behind = f" Its {words.hours(hours)} of planned sessions are behind you;"
    if hours < assessment.effort_likely_hours:
        return f"{behind} nothing more is planned."
    return f"{behind} if it is not done, plan more."


def _overdue(assignment: Assignment, assessment: Assessment, due: datetime, upcoming: str, zone: tzinfo) -> Suggestion:
    return Suggestion(
        key=_key("overdue", assignment),
        title=f"{words.name(assignment)} is overdue",
        text=f"It was due {words.when(due, zone)}. {_effort(assessment)}{upcoming}",
        category="deadline_reminder",
        priority="high",
        assignment_id=assignment.id,
    )


def _due_soon(assignment: Assignment, assessment: Assessment, due: datetime, upcoming: str, zone: tzinfo) -> Suggestion:
    return Suggestion(
        key=_key("due-soon", assignment),
        title=f"{words.name(assignment)} is due {words.when(due, zone)}",
        text=f"{_effort(assessment)}{upcoming}",
        category="deadline_reminder",
        priority="high",
        assignment_id=assignment.id,
    )


def _effort(assessment: Assessment) -> str:
    return f"It takes about {words.hours(assessment.effort_likely_hours)} in all."


def _overload(
    assignment: Assignment,
    due: datetime,
    minutes: int,
    remedy: str,
    work: Iterable[tuple[Assignment, Assessment]],
    sessions: Mapping[str, Sequence[Session]],
) -> Suggestion:
    """What does not fit, what would help, and what to leave for it: planned work that counts the least, if it is less.

    Only weights that are known are compared; nobody is told to leave what may count more.
    """
    lighter = [
        (other.weight, other.id, other)
        for other, _ in work
        if other.weight is not None
        and other.weight < (assignment.weight or 0)
        and any(session.ends_at <= due for session in sessions.get(other.id, ()))
    ]
    leave = ""
    if lighter:
        weight, _, other = min(lighter, key=lambda each: each[:2])
        leave = f" Or leave {words.name(other)}, which counts {words.number(weight)} % of the grade."
    return Suggestion(
        key=_key("overload", assignment),
        title=f"{words.length(minutes)} of {words.name(assignment)} does not fit before it is due",
        text=f"{remedy}.{leave}",
        category="deadline_reminder",
        priority="high",
        assignment_id=assignment.id,
    )


def _gap(
    dated: Iterable[tuple[Assignment, Assessment]],
    sessions: Mapping[str, Sequence[Session]],
    free: Iterable[Day],
    now: datetime,
    zone: tzinfo,
) -> tuple[Suggestion, ...]:
    """The longest free time of the next two days, for the riskiest work that the plan does not begin in them."""
    until = now + _GAP_WITHIN
    waiting = [
        (-assessment.risk, assignment.id, assignment)
        for assignment, assessment in dated
        if assessment.risk >= _GAP_RISK
        and sessions.get(assignment.id)
        and all(session.starts_at >= until for session in sessions[assignment.id])
    ]
    limit = quarter_down(until)
    spans: list[Span] = [(a, min(b, limit)) for day in free for a, b in day.free if a < limit]
    for planned in sessions.values():
        for session in planned:
            spans = without(spans, quarter_down(session.starts_at), quarter_up(session.ends_at))
    begin, end = max(spans, key=lambda span: (span[1] - span[0], -span[0]), default=(0, 0))
    if not waiting or end - begin < _GAP_LEAST:
        return ()
    risk, _, assignment = min(waiting, key=lambda each: each[:2])
    clock = f"{to_moment(end).astimezone(zone):%H:%M}"
    return (
        Suggestion(
            key=_key("gap", assignment),
            title=f"Start {words.name(assignment)} early",
            text=f"{words.when(to_moment(begin), zone)} to {clock} is free, and its risk is {-risk}/100.",
            category="schedule_gap",
            priority="low",
            assignment_id=assignment.id,
        ),
    )
