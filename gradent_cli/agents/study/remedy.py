"""What would help where work does not fit, in a sentence that holds: pure."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import tzinfo
from itertools import accumulate

from gradent_cli.agents.study import words
from gradent_cli.agents.study.draft import Draft, Task
from gradent_cli.agents.study.free import QUARTER, Span, to_moment
from gradent_cli.agents.study.timetable import longest


class Remedies:
    """Sentences for the tasks that are short in a finished draft.

    The first of these that holds: a higher limit on one day, whose free time is not used up; more free time on one day,
    whose limit is not; a higher limit on every day; more free time on several days; both; or neither.

    Why they hold: work is short only where every day before its due date is used to its limit or to its last free
    minute. The first kind takes more with a higher limit, as far as its free time goes; the other the other way round.
    """

    def __init__(self, draft: Draft, *, end: int, zone: tzinfo) -> None:
        self._draft = draft
        self._end = end
        self._zone = zone
        table = draft.table
        lengths = zip(table.starts, (*table.starts[1:], end), table.load, strict=True)
        self._unused = [max(0, until - max(begin, draft.first) - load) for begin, until, load in lengths]
        self._unused_before = list(accumulate(self._unused, initial=0))
        self._room = [max(0, min(table.rest(day), unused)) for day, unused in enumerate(self._unused)]
        self._run = [longest(table.open(day)) for day in range(len(table.starts))]
        self._spare: dict[int, list[int]] = {}
        """By the least length of a session: the free minutes of each day that nothing uses."""

    def sentence(self, task: Task) -> str:
        """Without a full stop. Of less than a session's least length, that length is said."""
        table, until = self._draft.table, min(task.deadline, self._end)
        minutes = max(self._draft.left[task.rank], task.shortest)
        first, last = table.day_of(self._draft.first), table.day_of(until - 1)
        unused = max(0, until - max(table.starts[last], self._draft.first) - table.load[last])
        if until <= self._draft.first or self._unused_before[last] - self._unused_before[first] + unused < minutes:
            return "Only a later due date or less work would help"
        if task.shortest not in self._spare:
            days = range(len(table.starts))
            self._spare[task.shortest] = [_usable(table.open(day), task.shortest) for day in days]
        room, spare, run = (each[first : last + 1] for each in (self._room, self._spare[task.shortest], self._run))
        ahead = [(a, min(b, until)) for a, b in table.open(last)]
        room[-1], spare[-1], run[-1] = min(room[-1], unused), _usable(ahead, task.shortest), longest(ahead)

        # What is added before the due date of other work that is short goes to that.
        place = bisect_left(self._draft.short, task.rank)
        after = table.day_of(self._draft.tasks[self._draft.short[place - 1]].deadline - 1) + 1 - first if place else 0
        at_once = run if self._draft.tight else spare
        for begin in (max(0, after), 0):
            day = _most(at_once, begin, minutes)
            if day is not None:
                limit = words.length(table.load[first + day] + minutes)
                return f"A limit of {limit} on {self._day(first + day)} would help"
            day = _most(room, begin, minutes)
            if day is not None:
                return f"{words.length(minutes)} more free time on {self._day(first + day)} would help"
        return self._on_many_days(task, minutes, table.load[first : last + 1], spare, room)

    def _on_many_days(
        self, task: Task, minutes: int, load: Sequence[int], spare: Sequence[int], room: Sequence[int]
    ) -> str:
        used_up = [(used, used + more) for used, more in zip(load, spare, strict=True) if more]
        if sum(spare) >= minutes:
            limits = range(0, max(most for _, most in used_up) + 1, QUARTER)
            gain = bisect_left(limits, minutes, key=lambda limit: sum(max(0, min(limit, b) - a) for a, b in used_up))
            return f"A limit of {words.length(limits[gain])} a day would help"
        due = task.assignment.due_at
        until = to_moment(self._end) if due is None or task.eager else due
        when = words.when(until, self._zone, now=to_moment(self._draft.first))
        if sum(room) >= minutes:
            return f"{words.length(minutes)} more free time before {when} would help"
        return f"{words.length(minutes)} more before {when}, over the daily limit too, would help"

    def _day(self, day: int) -> str:
        begin, now = to_moment(self._draft.table.starts[day]), to_moment(self._draft.first)
        return words.day(begin, self._zone, now=now)


def _usable(spans: Sequence[Span], shortest: int) -> int:
    return sum(b - a for a, b in spans if b - a >= shortest)


def _most(minutes: Sequence[int], begin: int, least: int) -> int | None:
    """The day from `begin` on with the most minutes, the first of equals; None when no day has `least`."""
    most = max(minutes[begin:], default=0)
    return minutes.index(most, begin) if most >= least else None
