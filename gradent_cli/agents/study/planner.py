"""From work to tasks, and from a finished draft to the plan: pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo

from gradent_cli.agents.study import words
from gradent_cli.agents.study.draft import Draft, Piece, Task, whole_quarters
from gradent_cli.agents.study.free import QUARTER, Span, quarter_down, quarter_up, to_moment
from gradent_cli.agents.study.records import Assessment, Assignment, Plan, Session, Shortfall
from gradent_cli.agents.study.remaining import planned_minutes
from gradent_cli.agents.study.remedy import LATER, MOST, Remedies
from gradent_cli.agents.study.rules import Rules, quarters_down
from gradent_cli.agents.study.timetable import Timetable


class Planner:
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
            if session.ends_at <= self._now and span_of(session)[0] >= self._table.starts[0]:
                self._table.hold(span_of(session))  # whatever it was for, it counts for the day and needs its break
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
                begin, end = span = span_of(session)
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
        begin, end = span = span_of(session)
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
            kept = sum(_quarters([each]) if each.pinned else _length(span_of(each)) for each in in_time)
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
                    taken=frozenset(self._table.day_of(span_of(each)[0]) for each in fixed),
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
            session = piece.session or next((each for each in freed if span_of(each) == piece.span), None)
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


def span_of(session: Session) -> Span:
    """The quarter hours that it takes, begun ones in full."""
    return quarter_down(session.starts_at), quarter_up(session.ends_at)


def _length(span: Span) -> int:
    return span[1] - span[0]


def _quarters(sessions: Iterable[Session]) -> int:
    """How long a pinned session is in whole quarters: it may lie at odd minutes, and then its span is wider."""
    return quarters_down(planned_minutes(sessions))
