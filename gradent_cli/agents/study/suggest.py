"""Advice from facts only: pure, the most pressing first.

The keys are made of what makes the advice new: an assignment and its due date. Told once, it is not told again
because the minutes in it changed; a due date that moved makes it new. What can be said every day but should not is
told once a week: its key has the week.

The ranking:

1. Overdue work, by due date.
2. What does not fit before it is due, and what is due within 72 hours, by due date.
3. Exams and quizzes within two weeks that have no session and no work in the log, by due date.
4. Work that is behind its plan, by due date.
5. A free gap for risky work that the plan begins later.
6. A day of rest when every day of the next seven has sessions.

How many of them are told, and when, is for `suggestions` to say.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

from gradent_cli.agents.study import words
from gradent_cli.agents.study.free import Day, Span, quarter_down, quarter_up, to_moment, without
from gradent_cli.agents.study.kinds import is_exam
from gradent_cli.agents.study.records import Assessment, Assignment, Busy, Plan, Session, Suggestion
from gradent_cli.agents.study.remaining import planned_minutes

SOON = timedelta(hours=72)
EXAM_WITHIN = timedelta(days=14)
TIME_TO_LOG = timedelta(days=1)
"""Nobody is behind because of a session that ended only now."""
_BEHIND_LEAST = 60
_BEHIND_SHARE = 0.25
_GAP_WITHIN = timedelta(hours=48)
_GAP_LEAST = 60
_GAP_RISK = 50
_WEEK = 7

Work = Sequence[tuple[Assignment, Assessment]]


def suggest(
    work: Work,
    *,
    plan: Plan | None,
    sessions: Iterable[Session],
    worked: Mapping[str, int],
    free: Sequence[Day],
    now: datetime,
    zone: tzinfo,
    replan: Callable[[Busy], Plan] | None = None,
    answered: Collection[str] = (),
) -> tuple[Suggestion, ...]:
    """All that is true now, ranked as above.

    Args:
        work: what is still to do.
        plan: the plan for it, or without a planner what is left of one; None when none could be made, and then there is
            nothing to say about it.
        sessions: those that were known before, past ones among them.
        worked: minutes that the student says they worked, by assignment id.
        free: free time as the plan saw it.
        replan: the plan as it would be with this time taken; None when nobody plans, and then it is no news that
            something is not planned.
        answered: the keys of what the student has answered. What takes long to find out is not asked again.
    """
    planned = _by_assignment(plan.sessions if plan else ())
    over = _by_assignment(session for session in sessions if session.ends_at <= now - TIME_TO_LOG)
    by_id = {assignment.id: (assignment, assessment) for assignment, assessment in work}
    dated = sorted((each for each in work if each[0].due_at), key=lambda each: (each[0].due_at or now, each[0].id))
    overdue: list[Suggestion] = []
    pressing: list[tuple[datetime, int, Suggestion]] = []
    for assignment, assessment in dated:
        due = assignment.due_at or now
        upcoming = ""
        if plan and (replan or assignment.id in planned):
            upcoming = _next(planned.get(assignment.id, ()), worked.get(assignment.id, 0), assessment, zone)
        if due <= now:
            overdue.append(_overdue(assignment, assessment, due, upcoming, now, zone))
        elif due <= now + SOON:
            pressing.append((due, 1, _due_soon(assignment, assessment, due, upcoming, zone)))
    before: list[Assignment] = []
    for short in plan.short if plan else ():
        assignment, _ = by_id[short.assignment_id]
        if assignment.due_at is not None and assignment.due_at > now:
            remedy = short.remedy + _on_top(before)
            suggestion = _overload(assignment, assignment.due_at, short.minutes, remedy, work, planned)
            pressing.append((assignment.due_at, 0, suggestion))
        before.append(assignment)
    pressing.sort(key=lambda each: (each[0], each[1], each[2].key))
    found = [*overdue, *(suggestion for _, _, suggestion in pressing)]
    if plan:
        told = {each.assignment_id for each in found}
        upcoming_work = [each for each in work if each[0].due_at is None or each[0].due_at > now]
        upcoming_work.sort(key=lambda each: (each[0].due_at is None, each[0].due_at or now, each[0].id))
        for assignment, assessment in dated:
            if assignment.id not in told and not planned.get(assignment.id) and not worked.get(assignment.id):
                found += _exam(assignment, assessment, now, zone)
        for assignment, assessment in upcoming_work:
            passed, done = over.get(assignment.id, ()), worked.get(assignment.id, 0)
            found += _behind(assignment, assessment, passed, done, planned.get(assignment.id, ()), now, zone)
        found += _gap(dated, planned, free, now, zone)
        found += _rest(plan, free, now, zone, replan, answered) if replan else ()
    return tuple(found)


def _key(about: str, assignment: Assignment) -> str:
    due = f"{assignment.due_at:%Y%m%dT%H%MZ}" if assignment.due_at else ""
    return f"{about}:{assignment.id}:{due}"


def _by_assignment(sessions: Iterable[Session]) -> dict[str, list[Session]]:
    found: dict[str, list[Session]] = {}
    for session in sessions:
        found.setdefault(session.assignment_id, []).append(session)
    return found


def _next(planned: Sequence[Session], logged: int, assessment: Assessment, zone: tzinfo) -> str:
    """When to go on with it; without a session to come, what the log leaves to say."""
    if planned:
        return f" The next session is {words.when(min(session.starts_at for session in planned), zone)}."
    if not logged:
        return " Nothing is planned for it."
    if logged < assessment.effort_likely_hours * 60:
        return f" You have logged {words.length(logged)}; nothing more is planned."
    return f" You have logged {words.length(logged)}; if it is finished: gradent done {assessment.assignment_id}"


def _overdue(
    assignment: Assignment, assessment: Assessment, due: datetime, upcoming: str, now: datetime, zone: tzinfo
) -> Suggestion:
    return Suggestion(
        key=_key("overdue", assignment),
        title=f"{words.name(assignment)} is overdue",
        text=f"It was due {words.when(due, zone, now=now)}. {_effort(assessment)}{upcoming}",
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


def _on_top(before: Sequence[Assignment]) -> str:
    """Each remedy counts on those before it, which may be told another day, or not at all."""
    if not before:
        return ""
    more = f" and {len(before) - 1} more" if len(before) > 1 else ""
    return f", on top of what would help {words.name(before[0])}{more}"


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


def _exam(assignment: Assignment, assessment: Assessment, now: datetime, zone: tzinfo) -> tuple[Suggestion, ...]:
    """For an exam or quiz that nobody has begun to learn for, or means to."""
    due = assignment.due_at
    if due is None or not now < due <= now + EXAM_WITHIN or not is_exam(assignment):
        return ()
    return (
        Suggestion(
            key=_key("exam", assignment),
            title=f"No session is planned for {words.name(assignment)}",
            text=f"It is {words.when(due, zone)}, and nothing of it is in the log. {_effort(assessment)}",
            category="study_reinforcement",
            priority="medium",
            assignment_id=assignment.id,
        ),
    )


def _behind(
    assignment: Assignment,
    assessment: Assessment,
    over: Sequence[Session],
    worked: int,
    planned: Sequence[Session],
    now: datetime,
    zone: tzinfo,
) -> tuple[Suggestion, ...]:
    """Where the log is well behind what was planned up to yesterday: by an hour and by a quarter of the whole work.

    What was planned are the sessions that are over, as far as the work is that long: one that was missed, planned
    again and missed again is missing once.
    """
    effort = round(assessment.effort_likely_hours * 60)
    by_now = min(planned_minutes(over), effort)
    if by_now - worked < max(_BEHIND_LEAST, _BEHIND_SHARE * effort):
        return ()
    year, week, _ = now.astimezone(zone).isocalendar()
    done = f"{words.length(worked)} of that is done" if worked else "none of that is in the log"
    going_on = f" The next session is {words.when(min(s.starts_at for s in planned), zone)}." if planned else ""
    return (
        Suggestion(
            key=f"{_key('behind', assignment)}:{year}-W{week:02}",
            title=f"{words.name(assignment)} is {words.length(by_now - worked)} behind its plan",
            text=f"{words.length(by_now)} was planned so far, and {done}.{going_on}",
            category="study_reinforcement",
            priority="medium",
            assignment_id=assignment.id,
        ),
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
        and (assignment.due_at or now) > now  # for what is late it is not early
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


def _rest(
    plan: Plan,
    free: Sequence[Day],
    now: datetime,
    zone: tzinfo,
    replan: Callable[[Busy], Plan],
    answered: Collection[str],
) -> tuple[Suggestion, ...]:
    """Of seven days that all have sessions, the one with the least to do that can be kept free without being late.

    While anything is late anyway, nobody rests.
    """
    year, week, _ = now.astimezone(zone).isocalendar()
    key = f"rest:{year}-W{week:02}"
    if plan.short or key in answered:
        return ()
    starts = [day.starts for day in free]
    tomorrow = bisect_right(starts, quarter_down(now))
    if tomorrow + _WEEK >= len(free):
        return ()
    days: list[list[Session]] = [[] for _ in range(_WEEK)]
    for session in plan.sessions:
        index = bisect_right(starts, quarter_down(session.starts_at)) - 1 - tomorrow
        if 0 <= index < _WEEK:
            days[index].append(session)
    if not all(days):
        return ()
    for minutes, index in sorted((planned_minutes(sessions), index) for index, sessions in enumerate(days)):
        begin, end = to_moment(starts[tomorrow + index]), to_moment(starts[tomorrow + index + 1])
        if any(session.pinned for session in days[index]):
            continue
        if not replan(Busy(starts_at=begin, ends_at=end)).short:
            return (
                Suggestion(
                    key=key,
                    title=f"Keep {words.day(begin, zone)} free",
                    text=(
                        f"All of the next seven days have sessions. The {words.length(minutes)} of that day fit on "
                        "others, and nothing is late for it: block it in your calendar."
                    ),
                    category="wellness",
                    priority="low",
                ),
            )
    return ()
