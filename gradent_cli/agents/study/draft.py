"""A plan in the making: tasks, the pieces of time that they got, and the even spread; all in minutes as in `free`."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gradent_cli.agents.study.free import QUARTER, Span
from gradent_cli.agents.study.records import Assignment, Session
from gradent_cli.agents.study.timetable import Timetable


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """A piece of work as the planner sees it.

    `rank` is its place in the order in which work gives way, the last first. `deadline` is where its last session must
    end; work that has none, or missed it (`eager`), has one after all others. `need` is what has to be planned, pinned
    sessions and what was worked not counted. `weight` is what a minute of it is worth; `taken` are the days on which it
    has a session that cannot be moved.
    """

    assignment: Assignment
    rank: int
    deadline: int
    buffer: int
    shortest: int
    eager: bool
    need: int
    weight: int
    taken: frozenset[int]


class Piece(NamedTuple):
    """A stretch of study time; `session` is the known one that it stands for."""

    rank: int
    span: Span
    session: Session | None = None

    @property
    def minutes(self) -> int:
        return self.span[1] - self.span[0]


class Draft:
    """Tasks on a timetable: pieces that may still be moved, and what is missing.

    Args:
        tasks: in the order of their ranks.
        table: with everything held that cannot be moved.
        first: the minute from which on sessions may lie.
        longest: the greatest length of a session.
    """

    def __init__(self, tasks: Sequence[Task], table: Timetable, *, first: int, longest: int) -> None:
        self.tasks = tasks
        self.table = table.copy()
        self._blank = table
        self.first = first
        self.longest = longest
        self.least = min((task.shortest for task in tasks), default=QUARTER)
        """The shortest session of all."""
        self.tight = table.pause > 0 or any(task.shortest > QUARTER for task in tasks)
        """Whether breaks or the least length of a session can cost time."""
        self.pieces: list[tuple[Piece, ...]] = [()] * len(tasks)
        """By rank, in no order."""
        self.on_day: list[tuple[Piece, ...]] = [()] * len(table.starts)
        """The same pieces by the day they count for."""
        self.left = [task.need for task in tasks]
        """By rank; below zero where a session is longer than the rest needed."""
        self.short = [task.rank for task in tasks if task.need > 0]
        """The ranks of the tasks that need more, in order."""
        self.missing = sum(max(0, task.need) * task.weight for task in tasks)
        """What is short, each minute at its weight: the less, the better the draft."""

    def copy(self) -> "Draft":
        """Another one that says the same."""
        other = object.__new__(Draft)
        other.tasks, other.first, other.longest, other.missing = self.tasks, self.first, self.longest, self.missing
        other.least, other.tight = self.least, self.tight
        other.table, other.pieces, other.on_day = self.table.copy(), self.pieces.copy(), self.on_day.copy()
        other.left, other.short, other._blank = self.left.copy(), self.short.copy(), self._blank
        return other

    def emptied(self) -> "Draft":
        """The same tasks with nothing planned but what cannot be moved."""
        return Draft(self.tasks, self._blank, first=self.first, longest=self.longest)

    def become(self, other: "Draft") -> None:
        """Take over what the other one says of the same tasks."""
        self.table, self.pieces, self.on_day = other.table, other.pieces, other.on_day
        self.left, self.short, self.missing = other.left, other.short, other.missing

    def place(self, piece: Piece) -> None:
        """Plan it."""
        self.table.hold(piece.span)
        self.pieces[piece.rank] = (*self.pieces[piece.rank], piece)
        day = self.table.day_of(piece.span[0])
        self.on_day[day] = (*self.on_day[day], piece)
        self._change_left(piece.rank, -piece.minutes)

    def take_back(self, *pieces: Piece) -> None:
        """Plan them no more."""
        self.table.release([piece.span for piece in pieces])
        for piece in pieces:
            self.pieces[piece.rank] = tuple(each for each in self.pieces[piece.rank] if each is not piece)
            day = self.table.day_of(piece.span[0])
            self.on_day[day] = tuple(each for each in self.on_day[day] if each is not piece)
            self._change_left(piece.rank, piece.minutes)

    def _change_left(self, rank: int, by: int) -> None:
        old = self.left[rank]
        new = self.left[rank] = old + by
        self.missing += (max(0, new) - max(0, old)) * self.tasks[rank].weight
        if old > 0 >= new:
            del self.short[bisect_left(self.short, rank)]
        elif new > 0 >= old:
            insort(self.short, rank)

    def planned_on(self, day: int) -> int:
        """Minutes of what can be moved."""
        return sum(piece.minutes for piece in self.on_day[day])

    def fill(self, task: Task) -> None:
        """Place what is left of the task in time that nothing else has: before its buffer, else in it."""
        first, last = self.table.day_of(self.first), self.table.day_of(task.deadline - 1)
        if max(self.table.room[first : last + 1], default=0) >= task.shortest:
            self._spread(task, task.deadline - task.buffer)
            self._spread(task, task.deadline)

    def _spread(self, task: Task, deadline: int) -> None:
        """Place what is left of the task before `deadline`, as far as it goes in.

        The days are cut into as many stretches as sessions are needed; each stretch gets one, on its least busy day.
        Where that is full, any day will do, and in the end any length. It ends when no day has room for a session.
        """
        if self.left[task.rank] <= 0 or deadline <= self.first:
            return
        first, last = self.table.day_of(self.first), self.table.day_of(deadline - 1)
        sessions = -(-self.left[task.rank] // self.longest)
        taken = {self.table.day_of(piece.span[0]) for piece in self.pieces[task.rank]} | task.taken
        turn = 0
        while (left := self.left[task.rank]) > 0:
            room = self.table.room[first : last + 1]
            room[-1] = self.table.room_until(last, deadline)
            if max(room) < task.shortest:
                return
            minutes = max(task.shortest, whole_quarters(left / -(-left // self.longest)))
            stretch = range(last + 1 - first)
            if turn < sessions and not task.eager:
                stretch = range(turn * len(room) // sessions, (turn + 1) * len(room) // sessions)
            day = self._day_for(task, minutes, stretch, first, room, taken)
            if day is None:
                day, minutes = self._biggest(task, first, room)
            self.place(Piece(task.rank, self.table.first_fit(day, minutes, deadline)))
            taken.add(day)
            turn += 1

    def _day_for(
        self, task: Task, minutes: int, stretch: range, first: int, room: Sequence[int], taken: set[int]
    ) -> int | None:
        """The best day that has room for a session of this length; None when no day has.

        Days without a session of the same task come first; then the least busy one, or for eager tasks the earliest.

        Args:
            stretch: the days to prefer, counted from `first` as those of `room` are.
            taken: the days that have a session of the task.
        """
        load = self.table.load
        for group, others in ((stretch, taken), (range(len(room)), taken), (range(len(room)), ())):
            fitting = [first + n for n in group if room[n] >= minutes and first + n not in others]
            if fitting:
                return fitting[0] if task.eager else min(fitting, key=load.__getitem__)
        return None

    def _biggest(self, task: Task, first: int, room: Sequence[int]) -> tuple[int, int]:
        """The day with the most room, and how much of it to take so that the rest is no shorter than a session."""
        minutes = max(room)
        day = first + room.index(minutes)
        left = self.left[task.rank]
        if left - minutes < task.shortest <= left - task.shortest:
            minutes = left - task.shortest
        return day, minutes


def whole_quarters(minutes: float) -> int:
    """Rounded up."""
    return -int(-minutes // QUARTER) * QUARTER
