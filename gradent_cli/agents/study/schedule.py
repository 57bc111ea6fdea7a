"""Study sessions in free time: pure, deterministic, in quarter hours of UTC.

The rules, in the order in which they win:

1. No session lies outside the student's hours, over a busy event, after the due date, or above `max_per_day`.
   Sessions are `break_` apart. One that the student pinned stays where it is, whatever it lies on.
2. As much work as possible is placed, a minute that is due earlier counting up to a quarter more than a later one.
   So what is due later gives way, then overdue work (its date is lost anyway), then undated work.
3. A session that is planned already and breaks no rule stays exactly where it is; it moves only when 2 asks for it.
4. The rest is spread evenly: long sessions, far apart, on the days with the least to do; overdue work comes first.
5. `due_buffer` keeps the last hours before the due date free, as long as the work fits without them.

How: known sessions are held (`draft`), everything else is spread over what is left, and only when something is short
`overload` works harder.

Without breaks and a least length of sessions, what is placed is a maximum flow, for every input. Count in quarter hours
on the grid of UTC. Held is what cannot move: pinned sessions, one going on, those that are over; they take their
quarters (widened to the grid), their share of their day's limit, and, where they end before it is due, from their
assignment's need, whatever they lie on. An assignment may use the quarters between now and its due date, overdue and
undated work all up to the horizon. So the assignments' quarters are nested. A set of quarters can be worked in when no
day has more of them than its limit leaves (a partition matroid: a night counts for the day it began on, and the last
day may end at the due date); let C(d) be the most that fits before d. Because of the nesting, the work due up to d can
place no more than f(d) = min(f(earlier due) + its need, C(d)), which is the cut of the flow at d. `overload.repaired`
reaches f(d) for every d, by induction over the due dates: when it comes to d, the earlier work has f(earlier) quarters,
all of them before d. Later work is taken out of the time before d, and out of the limit of the last day, until the work
due at d fits or none is left; then nothing but a set that can be worked in is there, and in a matroid each such set can
be extended to the greatest, so C(d) is reached unless the need ends first. Where the known sessions lie does not
matter, as only their number enters. Sessions as short as a quarter, end to end, fill any set of quarters, so
`session_max` costs nothing. Weights that fall with the due date rank no other plan above this one: the weighted sum is
a positive sum of all the f(d), and each of them is as great as it can be. Thus rule 2 loses nothing, in all and for
those due first.

With breaks and lengths the best plan is a hard problem; tests measure how close this one comes to an exact solver's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from gradent_cli.agents.study import words
from gradent_cli.agents.study.draft import Draft, Piece, Task, whole_quarters
from gradent_cli.agents.study.free import QUARTER, Day, Span, Week, days, quarter_down, quarter_up, to_moment, week
from gradent_cli.agents.study.overload import improve
from gradent_cli.agents.study.remedy import LATER, MOST, Remedies
from gradent_cli.agents.study.timetable import Timetable
from gradent_cli.records import Assessment, Assignment, Busy, Plan, Session, Shortfall

if TYPE_CHECKING:
    from gradent_cli.config import StudySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the student wants their plan to look like. `hours` comes from `free.week`.

    Lengths count in quarter hours: `session_min` and `break_` are rounded up, `session_max` and `max_per_day` down.
    """

    hours: Week = (((9 * 60, 21 * 60),),) * 7
    session_min: timedelta = timedelta(minutes=30)
    session_max: timedelta = timedelta(hours=2)
    break_: timedelta = timedelta(minutes=15)
    max_per_day: timedelta = timedelta(hours=4)
    due_buffer: timedelta = timedelta(hours=12)
    horizon_days: int = 60
    auto_schedule: bool = True

    @classmethod
    def from_settings(cls, study: "StudySettings") -> "Rules":
        """The rules that the config's `[study]` table asks for."""
        return cls(
            hours=week(study.hours),
            session_min=study.session_min,
            session_max=study.session_max,
            break_=study.break_,
            max_per_day=study.max_per_day,
            due_buffer=study.due_buffer,
            horizon_days=study.horizon_days,
            auto_schedule=study.auto_schedule,
        )

    @property
    def per_day(self) -> int:
        """`max_per_day` in minutes."""
        return _floor(self.max_per_day / timedelta(minutes=1))

    @property
    def shortest(self) -> int:
        """`session_min` in minutes, as far as a day can hold it."""
        return max(QUARTER, min(whole_quarters(self.session_min / timedelta(minutes=1)), self.per_day))

    @property
    def longest(self) -> int:
        """`session_max` in minutes, at least `shortest`."""
        return max(_floor(self.session_max / timedelta(minutes=1)), self.shortest)

    @property
    def pause(self) -> int:
        """`break_` in minutes."""
        return whole_quarters(self.break_ / timedelta(minutes=1))


def schedule(
    work: Iterable[tuple[Assignment, Assessment]],
    *,
    busy: Iterable[Busy],
    sessions: Sequence[Session],
    settled: Mapping[str, int],
    rules: Rules,
    now: datetime,
    zone: tzinfo,
) -> Plan:
    """Plan every piece of work that is due within the horizon, or has no due date.

    Args:
        work: what is still to do; a due date that has passed means that it is overdue.
        busy: taken time, in any order.
        sessions: those that are over count for their day; future ones are kept as the rules say, of anything but `work`
            only those that the student pinned.
        settled: minutes that need no place any more, by assignment id.

    Returns:
        The sessions that are not over yet, by time, and for every piece of work that does not fit how much is missing.
        Given its own plan as `sessions` and otherwise the same, it returns that plan.
    """
    end = now + timedelta(days=rules.horizon_days)
    free = days(rules.hours, busy=busy, start=now, end=end, zone=zone)
    planner = _Planner(Timetable(free, per_day=rules.per_day, pause=rules.pause), rules, now)
    draft = planner.draft(work, sessions, settled)
    anew = not any(draft.pieces)
    for task in sorted(draft.tasks, key=lambda task: not task.eager):
        draft.fill(task)
    if draft.missing:
        draft = improve(draft, anew=anew)
    return planner.plan(draft, zone)


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
    planner = _Planner(Timetable(free, per_day=rules.per_day, pause=rules.pause), rules, now)
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
            draft.place(Piece(tasks[session.assignment_id].rank, _span(session), session))
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
        same = next((each for each in mine if _span(each) == _span(session)), None)
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
    begin, end = span = _span(session)
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


def planned_minutes(sessions: Iterable[Session]) -> int:
    """How long sessions are together."""
    return sum(session.minutes for session in sessions)


def remaining_hours(assessment: Assessment | None, worked: Mapping[str, int]) -> float | None:
    """Likely effort without the minutes worked, never below zero; None for what was never assessed."""
    if assessment is None:
        return None
    return max(0.0, assessment.effort_likely_hours - worked.get(assessment.assignment_id, 0) / 60)


def _floor(minutes: float) -> int:
    return int(minutes // QUARTER) * QUARTER


class _Planner:
    """Makes tasks of work, takes over what is planned already, and says what came out.

    Args:
        first, end: the minutes between which new sessions may lie.
    """

    def __init__(self, table: Timetable, rules: Rules, now: datetime) -> None:
        self._table = table
        self._rules = rules
        self._now = now
        self._first = quarter_up(now)
        self._end = quarter_down(now + timedelta(days=rules.horizon_days))
        self._known: dict[str, list[Session]] = {}
        self._fixed: dict[str, list[Session]] = {}
        """Pinned sessions and those going on, by assignment: they stay as they are."""
        self._beyond: list[Session] = []
        """Those of them for which nothing else is planned."""

    def draft(
        self,
        work: Iterable[tuple[Assignment, Assessment]],
        sessions: Iterable[Session],
        settled: Mapping[str, int],
    ) -> Draft:
        """The tasks, with everything planned that was planned already and may stay."""
        for session in sorted(sessions, key=lambda session: (session.starts_at, session.ordinal)):
            self._known.setdefault(session.assignment_id, []).append(session)
            if session.ends_at <= self._now and _span(session)[0] >= self._table.starts[0]:
                self._table.hold(_span(session))  # whatever it was for, it counts for the day and needs its break
        todo = [each for each in work if (due := each[0].due_at) is None or quarter_down(due) <= self._end]
        todo.sort(key=self._order)
        planned = [assignment.id for assignment, _ in todo]
        beyond = sorted(self._known.keys() - {*planned})  # due later than the horizon, or no work any more
        for pinned, ids in ((True, [*planned, *beyond]), (False, planned)):
            for id in ids:
                for session in self._known.get(id, ()):
                    if session.pinned == pinned and (pinned or session.starts_at < self._now) and self._stays(session):
                        self._fixed.setdefault(id, []).append(session)
        self._beyond = [session for id in beyond for session in self._fixed.get(id, ())]
        draft = Draft(self._tasks(todo, settled), self._table, first=self._first, longest=self._rules.longest)
        for task in draft.tasks:
            for session in self._known.get(task.assignment.id, ()):
                begin, end = span = _span(session)
                fair = task.shortest <= end - begin <= self._rules.longest and end <= task.deadline
                if not session.pinned and begin >= self._first and fair and draft.table.fits(span):
                    draft.place(Piece(task.rank, span, session))
            _trim(draft, task)
        return draft

    def _order(self, each: tuple[Assignment, Assessment]) -> tuple[int, int, int, str]:
        """Dated work by its due date, then overdue, then undated work: what comes last gives way first."""
        assignment, assessment = each
        due = assignment.due_at
        kind = 2 if due is None else int(due <= self._now)
        return kind, 0 if due is None else quarter_down(due), -assessment.risk, assignment.id

    def _stays(self, session: Session) -> bool:
        """Hold a session that cannot be moved, unless it is over or, while it goes on, in the way."""
        begin, end = span = _span(session)
        if session.ends_at <= self._now:
            return False
        if not session.pinned and end > self._first and not self._table.fits((self._first, end)):
            return False  # only what is to come of it can be judged
        if begin < self._end:
            self._table.hold(span)
        return True

    def _tasks(self, todo: Iterable[tuple[Assignment, Assessment]], settled: Mapping[str, int]) -> list[Task]:
        tasks: list[Task] = []
        for assignment, assessment in todo:
            due = assignment.due_at
            dated = due is not None and due > self._now
            minutes = whole_quarters(assessment.effort_likely_hours * 60)
            fixed = self._fixed.get(assignment.id, [])
            in_time = [each for each in fixed if due is None or not dated or each.ends_at <= due]
            kept = sum(_quarters([each]) if each.pinned else _length(_span(each)) for each in in_time)
            tasks.append(
                Task(
                    assignment=assignment,
                    rank=len(tasks),
                    deadline=quarter_down(due) if due and dated else self._end + (2 if due is None else 1),
                    buffer=int(self._rules.due_buffer / timedelta(minutes=1)) if dated else 0,
                    shortest=max(QUARTER, min(self._rules.shortest, minutes)),
                    eager=due is not None and not dated,
                    need=max(0, whole_quarters(minutes - settled.get(assignment.id, 0))) - kept,
                    weight=0,
                    taken=frozenset(self._table.day_of(_span(each)[0]) for each in fixed),
                )
            )
        deadlines = sorted({task.deadline for task in tasks}, reverse=True)
        worth = {deadline: 4 * len(deadlines) + place for place, deadline in enumerate(deadlines)}
        return [replace(task, weight=worth[task.deadline]) for task in tasks]

    def plan(self, draft: Draft, zone: tzinfo) -> Plan:
        """The sessions and shortfalls as they stand."""
        sessions = [*self._beyond, *(session for task in draft.tasks for session in self._sessions(draft, task))]
        sessions.sort(key=lambda session: (session.starts_at, session.assignment_id, session.ordinal))
        remedies = Remedies(draft, end=self._end, zone=zone)
        short = tuple(
            Shortfall(
                assignment_id=task.assignment.id,
                minutes=draft.left[task.rank],
                remedy=remedies.sentence(task) if number < MOST else LATER,
            )
            for number, task in enumerate(map(draft.tasks.__getitem__, draft.short))
        )
        return Plan(sessions=tuple(sessions), short=short)

    def _sessions(self, draft: Draft, task: Task) -> Iterator[Session]:
        """The task's sessions: those that stay as they are, and new ones under the names that became free."""
        title = words.session_title(task.assignment)
        known = self._known.get(task.assignment.id, [])
        fixed = self._fixed.get(task.assignment.id, [])
        yield from (replace(session, title=title) for session in fixed)
        used = {piece.session.ordinal for piece in draft.pieces[task.rank] if piece.session is not None}
        used |= {session.ordinal for session in fixed}
        freed = [each for each in known if each.ends_at > self._now and not each.pinned and each.ordinal not in used]
        freed.sort(key=lambda session: session.ordinal)
        ordinal = 1 + max((session.ordinal for session in known), default=0)
        for piece in sorted(draft.pieces[task.rank], key=lambda piece: piece.span):
            begin, end = map(to_moment, piece.span)
            session = piece.session or next((each for each in freed if _span(each) == piece.span), None)
            if session is None and freed:
                session = freed[0]
            if session in freed:
                freed.remove(session)
            if session is not None:
                yield replace(session, title=title, starts_at=begin, ends_at=end)
            else:
                yield Session(
                    assignment_id=task.assignment.id, ordinal=ordinal, title=title, starts_at=begin, ends_at=end
                )
                ordinal += 1


def _trim(draft: Draft, task: Task) -> None:
    """Give up, from the last session backwards, what is planned beyond the work there is.

    A surplus below the least length of a session stays: the last session was made longer for it.
    """
    for piece in sorted(draft.pieces[task.rank], key=lambda piece: piece.span, reverse=True):
        surplus = -draft.left[task.rank]
        if surplus < task.shortest:
            return
        draft.take_back(piece)
        if piece.minutes > surplus:
            begin, end = piece.span
            draft.place(Piece(task.rank, (begin, max(begin + task.shortest, end - surplus)), piece.session))


def _span(session: Session) -> Span:
    return quarter_down(session.starts_at), quarter_up(session.ends_at)


def _length(span: Span) -> int:
    return span[1] - span[0]


def _quarters(sessions: Iterable[Session]) -> int:
    """How long a pinned session is in whole quarters: it may lie at odd minutes, and then its span is wider."""
    return _floor(planned_minutes(sessions))
