"""Study sessions in free time: pure, deterministic, in quarter hours of UTC.

The rules, in the order in which they win:

1. No session lies outside the student's hours, over a busy event, after the due date, or above `max_per_day`.
   Sessions are `break_` apart. One that the student pinned stays where it is, whatever it lies on.
2. Work is placed by due date, the earliest first; overdue work comes before it, as soon as possible. When something
   does not fit, sessions of later work (and of overdue work: its date is lost anyway) give way.
3. A session that is planned already and breaks no rule stays exactly where it is; it moves only when 2 asks for it.
4. The rest is spread evenly: long sessions, far apart, on the days with the least to do.
5. `due_buffer` keeps the last hours before the due date free, as long as the work fits without them.

Why 2 loses nothing: every piece of work may use the time from now to its due date, so the earlier one's time is part
of the later one's. Wherever the earlier work goes inside its own time, the same amount is left for the later; taking
the earliest due date first, and each as much as goes in, places as many minutes as any plan can. Breaks and the least
length of a session can cost some of them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from gradent_cli.agents.study import words
from gradent_cli.agents.study.free import (
    QUARTER,
    Day,
    Span,
    Week,
    days,
    quarter_down,
    quarter_up,
    to_moment,
    week,
    without,
)
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
        return min(_ceil(self.session_min / timedelta(minutes=1)), self.per_day)

    @property
    def longest(self) -> int:
        """`session_max` in minutes, at least `shortest`."""
        return max(_floor(self.session_max / timedelta(minutes=1)), self.shortest)

    @property
    def pause(self) -> int:
        """`break_` in minutes."""
        return _ceil(self.break_ / timedelta(minutes=1))


def schedule(
    work: Iterable[tuple[Assignment, Assessment]],
    *,
    busy: Iterable[Busy],
    sessions: Sequence[Session],
    worked: Mapping[str, int],
    rules: Rules,
    now: datetime,
    zone: tzinfo,
) -> Plan:
    """Plan every piece of work that is due within the horizon, or has no due date.

    Args:
        work: what is still to do; a due date that has passed means that it is overdue. Future sessions of anything
            else are left out of the plan.
        busy: taken time, in any order.
        sessions: every session there ever was; those that are over count for their day.
        worked: minutes that need no place any more, by assignment id.

    Returns:
        The sessions that are not over yet, by time, and for every piece of work that does not fit how much is missing.
        Given its own plan as `sessions` and otherwise the same, it returns that plan.
    """
    end = now + timedelta(days=rules.horizon_days)
    table = _Timetable(days(rules.hours, busy=busy, start=now, end=end, zone=zone), rules)
    planner = _Planner(table, rules, quarter_up(now), quarter_down(end))
    planner.take_over(work, sessions, worked, now)
    planner.fill()
    return planner.plan(zone)


def planned_minutes(sessions: Iterable[Session]) -> int:
    """How long sessions are together."""
    return sum(round(session.duration.total_seconds()) for session in sessions) // 60


def remaining_hours(assessment: Assessment | None, worked: Mapping[str, int]) -> float | None:
    """Likely effort without the minutes worked, never below zero; None for what was never assessed."""
    if assessment is None:
        return None
    return max(0.0, assessment.effort_likely_hours - worked.get(assessment.assignment_id, 0) / 60)


def _ceil(minutes: float) -> int:
    return -int(-minutes // QUARTER) * QUARTER


def _floor(minutes: float) -> int:
    return int(minutes // QUARTER) * QUARTER


@dataclass(slots=True, eq=False)
class _Piece:
    """A stretch of study time. `session` is the known one that it stands for; a `fixed` one is never moved."""

    task: "_Task"
    span: Span
    session: Session | None = None
    fixed: bool = False

    @property
    def minutes(self) -> int:
        if self.session is not None and self.session.pinned:  # its span is wider: it may lie at odd minutes
            return _floor(planned_minutes([self.session]))
        return self.span[1] - self.span[0]


@dataclass(slots=True, eq=False)
class _Task:
    """A piece of work while it is planned; times in minutes.

    `left` is what still has no place (below zero when a session is longer than the rest needs). `displaced` pieces
    had to give way and go back where they were if they can; `freed` sessions lend their identity to new pieces.
    """

    assignment: Assignment
    deadline: int
    shortest: int
    eager: bool
    left: int
    next_ordinal: int = 1
    placed: list[_Piece] = field(default_factory=list)
    displaced: list[_Piece] = field(default_factory=list)
    freed: list[Session] = field(default_factory=list)


class _Timetable:
    """Days with what is free on them; every change keeps breaks and daily limits."""

    def __init__(self, days: Sequence[Day], rules: Rules) -> None:
        self.starts = [day.starts for day in days]
        self._free = [day.free for day in days]
        self._pause = rules.pause
        self._open: list[list[Span]] = [list(day.free) for day in days]
        self._held: list[list[Span]] = [[] for _ in days]
        self._per_day = rules.per_day
        self.load = [0] * len(days)
        self.room = [min(rules.per_day, _longest(day.free)) for day in days]

    def day_of(self, minute: int) -> int:
        """The index of the day that `minute` belongs to; -1 before the first."""
        return bisect_right(self.starts, minute) - 1

    def spare(self, day: int, until: int) -> int:
        """Minutes of a day's free time before `until` in which nothing is planned, beyond its limit or not."""
        return sum(max(0, min(b, until) - a) for a, b in self._open[day])

    def room_until(self, day: int, until: int) -> int:
        """The longest session that the day can take before `until`."""
        return min(self._rest(day), _longest((a, min(b, until)) for a, b in self._open[day]))

    def fits(self, span: Span) -> bool:
        """Whether a session can be held there."""
        day = self.day_of(span[0])
        return span[1] - span[0] <= self._rest(day) and any(a <= span[0] and span[1] <= b for a, b in self._open[day])

    def first_fit(self, day: int, minutes: int, until: int) -> Span:
        """The earliest place for a session of this length; there must be one."""
        return next((a, a + minutes) for a, b in self._open[day] if a + minutes <= min(b, until))

    def hold(self, span: Span) -> None:
        """Take the time out, and the breaks around it."""
        day = self.day_of(span[0])
        self._held[day].append(span)
        self.load[day] += span[1] - span[0]
        for near in self._near(day):
            self._open[near] = without(self._open[near], span[0] - self._pause, span[1] + self._pause)
            self.room[near] = min(self._rest(near), _longest(self._open[near]))

    def release(self, span: Span) -> None:
        """Give the time back."""
        day = self.day_of(span[0])
        self._held[day].remove(span)
        self.load[day] -= span[1] - span[0]
        for near in self._near(day):
            self._open[near] = list(self._free[near])
            for other in self._near(near):
                for begin, end in self._held[other]:
                    self._open[near] = without(self._open[near], begin - self._pause, end + self._pause)
            self.room[near] = min(self._rest(near), _longest(self._open[near]))

    def _rest(self, day: int) -> int:
        """What the daily limit leaves; below zero when the student pinned more than that."""
        return self._per_day - self.load[day]

    def _near(self, day: int) -> range:
        """The day and its neighbours: a break reaches over midnight."""
        return range(max(0, day - 1), min(len(self._free), day + 2))


def _longest(spans: Iterable[Span]) -> int:
    return max((b - a for a, b in spans), default=0)


class _Planner:
    """Puts tasks on a timetable.

    Args:
        first, end: the minutes between which new sessions may lie.
    """

    def __init__(self, table: _Timetable, rules: Rules, first: int, end: int) -> None:
        self._table = table
        self._rules = rules
        self._first = first
        self._end = end
        self._tasks: list[_Task] = []
        self._movable: dict[_Piece, None] = {}
        """Every piece that may still give way, as an ordered set."""

    def take_over(
        self,
        work: Iterable[tuple[Assignment, Assessment]],
        sessions: Iterable[Session],
        worked: Mapping[str, int],
        now: datetime,
    ) -> None:
        """Make the tasks, and hold what is planned already and may stay."""
        known: dict[str, list[Session]] = {}
        for session in sorted(sessions, key=lambda session: (session.starts_at, session.ordinal)):
            known.setdefault(session.assignment_id, []).append(session)
            if session.ends_at <= now and self._table.day_of(_span(session)[0]) >= 0:
                self._table.hold(_span(session))  # whatever it was for, it counts for the day and needs its break
        ranked = sorted(
            ((self._rank(assignment, assessment, now), assignment, assessment) for assignment, assessment in work),
            key=lambda each: each[0],
        )
        todo = []
        for _, assignment, assessment in ranked:
            mine = known.get(assignment.id, ())
            task = self._task(assignment, assessment, worked.get(assignment.id, 0), now)
            if task is not None:
                task.next_ordinal = 1 + max((session.ordinal for session in mine), default=0)
                self._tasks.append(task)
                todo.append((task, [session for session in mine if session.ends_at > now]))
        for task, mine in todo:
            for session in mine:
                if session.pinned:
                    self._place(task, _Piece(task, _span(session), session, fixed=True))
        for task, mine in todo:
            for session in mine:
                if not session.pinned:
                    self._keep(task, session)
            self._trim(task)

    def _rank(self, assignment: Assignment, assessment: Assessment, now: datetime) -> tuple[int, datetime, int, str]:
        """Overdue before dated before undated work."""
        if assignment.due_at is None:
            return 2, now, -assessment.risk, assignment.id
        return int(assignment.due_at > now), assignment.due_at, -assessment.risk, assignment.id

    def _task(self, assignment: Assignment, assessment: Assessment, worked: int, now: datetime) -> _Task | None:
        """None for what is due beyond the horizon: it waits until it comes closer."""
        due = assignment.due_at
        eager = due is not None and due <= now
        if due is None or eager:
            deadline = self._end + 1  # later than any date that can be kept, so this is the first to give way
        else:
            deadline = quarter_down(due)
            if deadline > self._end:
                return None
        minutes = _ceil(assessment.effort_likely_hours * 60)
        return _Task(
            assignment=assignment,
            deadline=deadline,
            shortest=min(self._rules.shortest, minutes),
            eager=eager,
            left=max(0, _ceil(minutes - worked)),
        )

    def _keep(self, task: _Task, session: Session) -> None:
        begin, end = span = _span(session)
        if begin < self._first:  # it is going on: only what is to come of it can be judged
            stays = end <= self._first or self._table.fits((self._first, end))
        else:
            fair = task.shortest <= end - begin <= self._rules.longest
            stays = fair and end <= task.deadline and self._table.fits(span)
        if stays:
            self._place(task, _Piece(task, span, session, fixed=begin < self._first))
        else:
            task.freed.append(session)

    def _trim(self, task: _Task) -> None:
        """Give up, from the last session backwards, what is planned beyond the work there is.

        A surplus below the least length of a session stays: the last session was made longer for it.
        """
        for piece in sorted((p for p in task.placed if not p.fixed), key=lambda p: p.span, reverse=True):
            surplus = -task.left
            if surplus < min(task.shortest, piece.minutes):
                return
            self._take_back(piece)
            if piece.minutes > surplus:
                begin, end = piece.span
                span = begin, max(begin + task.shortest, end - surplus)
                self._place(task, _Piece(task, span, piece.session))
            elif piece.session is not None:
                task.freed.append(piece.session)

    def _place(self, task: _Task, piece: _Piece) -> None:
        if self._table.day_of(piece.span[0]) >= 0 and piece.span[0] < self._end:
            self._table.hold(piece.span)
        task.placed.append(piece)
        task.left -= piece.minutes
        if not piece.fixed:
            self._movable[piece] = None

    def _take_back(self, piece: _Piece) -> None:
        self._table.release(piece.span)
        piece.task.placed.remove(piece)
        piece.task.left += piece.minutes
        del self._movable[piece]

    def fill(self) -> None:
        """Find a place for everything that has none yet, as far as there is one."""
        overdue = [task for task in self._tasks if task.eager]
        undated = [task for task in self._tasks if task.assignment.due_at is None]
        dated = self._tasks[len(overdue) : len(self._tasks) - len(undated)]
        # Overdue work comes twice: first for the best places, and again when a due date has taken some of them.
        for task in (*overdue, *dated, *overdue, *undated):
            self._put_back(task)
            self._spread(task, task.deadline - self._buffer(task))
            self._spread(task, task.deadline)
            if task.left > 0:
                self._make_room(task)

    def _buffer(self, task: _Task) -> int:
        dated = not task.eager and task.assignment.due_at is not None
        return int(self._rules.due_buffer / timedelta(minutes=1)) if dated else 0

    def _put_back(self, task: _Task) -> None:
        """What had to give way goes back to its old place when that was not needed after all."""
        for piece in sorted(task.displaced, key=lambda piece: piece.span):
            if task.left > 0 and self._table.fits(piece.span):
                self._place(task, piece)
            elif piece.session is not None:
                task.freed.append(piece.session)
        task.displaced.clear()

    def _make_room(self, task: _Task) -> None:
        """Let sessions of work with a later deadline give way, the latest first, until the task fits.

        On its last day, those after the deadline count too: they use up the day's limit.
        """
        last = self._table.day_of(task.deadline - 1)
        later = [
            piece
            for piece in self._movable
            if piece.task.deadline > task.deadline and self._table.day_of(piece.span[0]) <= last
        ]
        for piece in sorted(later, key=lambda piece: (piece.task.deadline, piece.span), reverse=True):
            self._take_back(piece)
            piece.task.displaced.append(piece)
            self._spread(task, task.deadline)
            if task.left <= 0:
                return

    def _spread(self, task: _Task, deadline: int) -> None:
        """Place what is left of the task before `deadline`, as far as it goes in.

        The days are cut into as many stretches as sessions are needed; each stretch gets one, on its least busy day.
        Where that is full, any day will do, and in the end any length.
        """
        if task.left <= 0 or deadline <= self._first:
            return
        first, last = self._table.day_of(self._first), self._table.day_of(deadline - 1)
        sessions = -(-task.left // self._rules.longest)
        turn = 0
        while task.left > 0:
            minutes = max(task.shortest, _ceil(task.left / -(-task.left // self._rules.longest)))
            stretch = range(first, last + 1)
            if turn < sessions and not task.eager:
                size = last + 1 - first
                stretch = range(first + turn * size // sessions, first + (turn + 1) * size // sessions)
            day = self._day_for(task, minutes, stretch, range(first, last + 1), deadline)
            if day is None:
                day, minutes = self._biggest(task, range(first, last + 1), deadline)
                if minutes < task.shortest:
                    return
            self._place(task, _Piece(task, self._table.first_fit(day, minutes, deadline)))
            turn += 1

    def _day_for(self, task: _Task, minutes: int, stretch: range, window: range, deadline: int) -> int | None:
        """The best day that has room for a session of this length; None when no day has.

        Days without a session of the same task come first; then the least busy one, or for eager tasks the earliest.
        """
        room, load, last = self._table.room, self._table.load, window[-1]
        has_room = self._table.room_until(last, deadline) >= minutes
        mine = {self._table.day_of(piece.span[0]) for piece in task.placed}
        for group, taken in ((stretch, mine), (window, mine), (window, ())):
            fitting = [day for day in group if day not in taken and (room[day] >= minutes if day != last else has_room)]
            if fitting:
                return fitting[0] if task.eager else min(fitting, key=load.__getitem__)
        return None

    def _biggest(self, task: _Task, window: range, deadline: int) -> tuple[int, int]:
        """The day with the most room, and how much of it to take so that the rest is no shorter than a session."""
        last = window[-1]
        room = self._table.room_until(last, deadline)
        day = max(window, key=lambda day: self._table.room[day] if day != last else room)
        minutes = self._table.room[day] if day != last else room
        if task.left - minutes < task.shortest <= task.left - task.shortest:
            minutes = task.left - task.shortest
        return day, minutes

    def plan(self, zone: tzinfo) -> Plan:
        """The sessions and shortfalls as they stand."""
        sessions = [session for task in self._tasks for session in _sessions(task)]
        sessions.sort(key=lambda session: (session.starts_at, session.assignment_id, session.ordinal))
        short = tuple(
            Shortfall(assignment_id=task.assignment.id, minutes=task.left, remedy=self._remedy(task, zone))
            for task in self._tasks
            if task.left > 0
        )
        return Plan(sessions=tuple(sessions), short=short)

    def _remedy(self, task: _Task, zone: tzinfo) -> str:
        """What would help: a little more on the day with the most time to spare, or more before the due date."""
        more = words.length(task.left)
        first, last = self._table.day_of(self._first), self._table.day_of(task.deadline - 1)
        if task.left > self._rules.longest or task.deadline <= self._first:
            due = task.assignment.due_at
            until = to_moment(self._end) if due is None or task.eager else due
            return f"{more} more before {words.when(until, zone)} would help"
        day = max(range(first, last + 1), key=lambda day: (self._table.spare(day, task.deadline), day))
        return f"{more} more on {words.day(to_moment(self._table.starts[day]), zone)} would help"


def _span(session: Session) -> Span:
    return quarter_down(session.starts_at), quarter_up(session.ends_at)


def _sessions(task: _Task) -> Iterator[Session]:
    """The task's sessions: those that stay as they are, and new ones under the names that became free."""
    title = words.session_title(task.assignment)
    freed = iter(sorted(task.freed, key=lambda session: session.ordinal))
    ordinal = task.next_ordinal
    for piece in sorted(task.placed, key=lambda piece: piece.span):
        if piece.fixed and piece.session is not None:
            yield replace(piece.session, title=title)
            continue
        session = piece.session or next(freed, None)
        begin, end = map(to_moment, piece.span)
        if session is not None:
            yield replace(session, title=title, starts_at=begin, ends_at=end)
        else:
            yield Session(assignment_id=task.assignment.id, ordinal=ordinal, title=title, starts_at=begin, ends_at=end)
            ordinal += 1
