"""Sessions that somebody proposes: which of them the rules allow, and a plan around those."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

from gradent_cli.agents.study import words
from gradent_cli.agents.study.draft import Draft, Piece, Task
from gradent_cli.agents.study.free import Day, days, to_moment
from gradent_cli.agents.study.planner import Planner, span_of
from gradent_cli.agents.study.records import Assessment, Assignment, Busy, Plan, Session
from gradent_cli.agents.study.rules import Rules
from gradent_cli.agents.study.schedule import schedule
from gradent_cli.agents.study.timetable import Timetable

_FAR = "it lies beyond the time that is planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What became of proposed sessions: the plan with those that were taken, and why each other one was not.

    `refused` has a sentence by the place of the proposal.
    """

    plan: Plan
    refused: Mapping[int, str]


def schedule_proposed(
    work: Sequence[tuple[Assignment, Assessment]],
    *,
    proposed: Sequence[Session],
    busy: Sequence[Busy],
    sessions: Sequence[Session],
    settled: Mapping[str, int],
    rules: Rules,
    now: datetime,
    zone: tzinfo,
) -> Judged:
    """As `schedule`, with sessions that somebody proposes kept before all that is not pinned.

    They take the place of what was planned of the same assignments; what was planned of others stays where it can, and
    the planner fills what is left.

    Args:
        proposed: their ordinals do not count; those that are good get the names of what they replace.
    """
    end = now + timedelta(days=rules.horizon_days)
    free = days(rules.hours, busy=busy, start=now, end=end, zone=zone)
    hours = days(rules.hours, busy=(), start=now, end=end, zone=zone)
    still = [each for each in sessions if each.pinned or each.starts_at < now]
    movable = [each for each in sessions if not each.pinned and each.starts_at >= now]
    planner = Planner(Timetable(free, per_day=rules.per_day, pause=rules.pause), rules, now)
    draft = planner.draft(work, still, settled)
    tasks = {task.assignment.id: task for task in draft.tasks}
    taken: list[Session] = []
    refused: dict[int, str] = {}
    for place, session in enumerate(proposed):
        task = tasks.get(session.assignment_id)
        why = next(_objections(session, task, draft, rules, (hours, free), busy, zone), "")
        if why:
            refused[place] = why
        else:
            draft.place(Piece(tasks[session.assignment_id].rank, span_of(session), session))
            taken.append(session)
    replaced = {session.assignment_id for session in taken}
    kept = [each for each in movable if each.assignment_id not in replaced]
    named = [replace(each, pinned=True) for each in _named(taken, sessions, movable)]  # the planner must not move them
    plan = schedule(work, busy=busy, sessions=[*still, *kept, *named], settled=settled, rules=rules, now=now, zone=zone)
    ours = {each.id for each in named}
    return Judged(
        plan=replace(
            plan, sessions=tuple(replace(each, pinned=False) if each.id in ours else each for each in plan.sessions)
        ),
        refused=refused,
    )


def _named(taken: Iterable[Session], sessions: Iterable[Session], movable: Iterable[Session]) -> Iterator[Session]:
    """The same under the names of what they replace, first of what lies just there, then new ones."""
    free: dict[str, list[Session]] = {}
    for each in movable:
        free.setdefault(each.assignment_id, []).append(each)
    last: dict[str, int] = {}
    for each in sessions:
        last[each.assignment_id] = max(last.get(each.assignment_id, 0), each.ordinal)
    wait: list[Session] = []
    for session in taken:
        mine = free.get(session.assignment_id, [])
        same = next((each for each in mine if span_of(each) == span_of(session)), None)
        if same is None:
            wait.append(session)
        else:
            mine.remove(same)
            yield same
    for session in wait:
        if left := free.get(session.assignment_id):
            yield replace(left.pop(0), starts_at=session.starts_at, ends_at=session.ends_at)
        else:
            last[session.assignment_id] = last.get(session.assignment_id, 0) + 1
            yield replace(session, ordinal=last[session.assignment_id])


def _objections(
    session: Session,
    task: Task | None,
    draft: Draft,
    rules: Rules,
    days: tuple[Sequence[Day], Sequence[Day]],
    busy: Iterable[Busy],
    zone: tzinfo,
) -> Iterator[str]:
    """Why the session cannot be held, in sentences, the plainest first; none when it can.

    Args:
        days: the student's hours, and what is free of them.
    """
    begin, end = span = span_of(session)
    minutes = end - begin
    if session.ends_at <= session.starts_at:
        yield "it ends before it begins"
    if (to_moment(begin), to_moment(end)) != (session.starts_at, session.ends_at):
        yield "sessions begin and end on the quarter of an hour"
    if begin < draft.first:
        yield "it begins in the past"
    if task is None:
        yield f"only work that is due within {rules.horizon_days} days is planned"
        return
    if end > task.deadline:
        due = task.assignment.due_at
        yield f"it ends after the due date, {words.when(due, zone)}" if due and not task.eager else _FAR
    if minutes < task.shortest:
        yield f"it is shorter than {words.length(task.shortest)}, the shortest session"
    if minutes > rules.longest:
        yield f"it is longer than {words.length(rules.longest)}, the longest session"
    inside, free = (any(a <= begin and end <= b for day in each for a, b in day.free) for each in days)
    if not inside:
        yield "it is outside the hours for studying"
    if not free:
        over = (each.title for each in busy if each.starts_at < session.ends_at and each.ends_at > session.starts_at)
        yield ": ".join(filter(None, ("the time is taken", next(filter(None, over), ""))))
    if minutes > draft.table.rest(draft.table.day_of(begin)):
        yield f"that day would have more than {words.length(rules.per_day)} of study"
    if not draft.table.fits(span):
        pause = f", or leaves no break of {words.length(rules.pause)}" if rules.pause else ""
        yield f"it lies on another session{pause}"
    left = max(0, draft.left[task.rank])
    if minutes - left >= task.shortest:
        yield f"it is more than the {words.length(left)} that are left to do" if left else "nothing is left to do"
