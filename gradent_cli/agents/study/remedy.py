"""What would help where work does not fit, in a sentence that holds: pure."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from operator import sub

from gradent_cli.agents.study import words
from gradent_cli.agents.study.draft import Draft, Task
from gradent_cli.agents.study.free import QUARTER, Span, to_moment
from gradent_cli.agents.study.timetable import longest

MOST = 50
"""So many sentences are made, each on top of those before it: nobody follows more, and each looks at every day."""
LATER = "What would help is told when what is due before it fits"
"""What is said instead of more."""
ON_TOP = "Each counts on top of those above it."
"""What several of them together need to be told with."""
_NOTHING = "Only a later due date or less work would help"


class Remedies:
    """Sentences for the tasks that are short in a finished draft, each on top of those that were asked for before it.

    The first of these that holds: a higher limit on one day, whose free time is not used up; more free time on one day,
    whose limit is not; a higher limit on every day; more free time on several days; both; or neither.

    Why they hold: work is short only where every day before its due date is used to its limit or to its last free
    minute. The first kind takes more with a higher limit, as far as its free time goes; the other the other way round.
    What a sentence promises is taken from its days before the next one is made. Asked for in the order of due dates,
    each finds the time of those before it within its own, so all of them together hold as well.
    """

    def __init__(self, draft: Draft, *, end: int, zone: tzinfo) -> None:
        self._draft = draft
        self._end = end
        self._zone = zone
        table = draft.table
        lengths = zip(table.starts, (*table.starts[1:], end), table.load, strict=True)
        self._unused = [max(0, until - max(begin, draft.first) - load) for begin, until, load in lengths]
        self._run = [longest(table.open(day)) for day in range(len(table.starts))]
        self._spare: dict[int, list[int]] = {}
        """By the least length of a session: the free minutes of each day that nothing uses."""
        self._free_taken = [0] * len(table.starts)
        """Of each day's free time, what sentences promised with a higher limit."""
        self._run_taken = [0] * len(table.starts)
        """The same with breaks."""
        self._more_taken = [0] * len(table.starts)
        """What they promised with more free time on the day."""
        self._over_taken = [0] * len(table.starts)
        """What they promised with more time than there is, over the limit too."""
        self._limit = 0
        """The highest one for every day so far."""

    def sentence(self, task: Task) -> str:
        """Without a full stop. Of less than a session's least length, that length is said."""
        table, until = self._draft.table, min(task.deadline, self._end)
        minutes = max(self._draft.left[task.rank], task.shortest)
        if until <= self._draft.first:
            return _NOTHING
        first, last = table.day_of(self._draft.first), table.day_of(until - 1)
        days = range(first, last + 1)
        taken = [self._free_taken[day] + self._more_taken[day] for day in days]
        load = [table.load[day] + more for day, more in zip(days, taken, strict=True)]
        unused, run = self._unused[first : last + 1], self._run[first : last + 1]
        if task.shortest not in self._spare:
            every = range(len(table.starts))
            self._spare[task.shortest] = [_usable(table.open(day), task.shortest) for day in every]
        spare = self._spare[task.shortest][first : last + 1]
        ahead = [(a, min(b, until)) for a, b in table.open(last)]
        unused[-1] = max(0, until - max(table.starts[last], self._draft.first) - table.load[last])
        spare[-1], run[-1] = _usable(ahead, task.shortest), longest(ahead)
        for n, day in enumerate(days):
            unused[n] = max(0, unused[n] - taken[n] - self._over_taken[day])
            spare[n] = max(0, min(spare[n] - self._free_taken[day], unused[n]))
            run[n] = max(0, run[n] - self._run_taken[day])
        if sum(unused) < minutes:
            return _NOTHING
        within = [max(0, self._limit - used) for used in load]
        if sum(map(min, spare, within)) >= minutes:
            return self._limit_a_day(self._limit, minutes, first, load, spare)
        rest = [max(table.rest(day) - self._more_taken[day], 0) for day in days]
        room = [max(0, min(left, time - free)) for left, time, free in zip(rest, unused, spare, strict=True)]

        # What is added before the due date of other work that is short goes to that.
        place = bisect_left(self._draft.short, task.rank)
        after = table.day_of(self._draft.tasks[self._draft.short[place - 1]].deadline - 1) + 1 - first if place else 0
        at_once = list(map(min, run, spare)) if self._draft.tight else spare
        for begin in (max(0, after), 0):
            most = _most(at_once, begin, minutes)
            if most is not None:
                self._take_free(first + most, minutes)
                return f"A limit of {words.length(load[most] + minutes)} on {self._day(first + most)} would help"
            most = _most(room, begin, minutes)
            if most is not None:
                self._more_taken[first + most] += minutes
                return f"{words.length(minutes)} more free time on {self._day(first + most)} would help"
        return self._on_many_days(task, minutes, first, load, spare, room, unused)

    def _on_many_days(
        self,
        task: Task,
        minutes: int,
        first: int,
        load: Sequence[int],
        spare: Sequence[int],
        room: Sequence[int],
        unused: Sequence[int],
    ) -> str:
        if sum(spare) >= minutes:
            used_up = [(used, used + more) for used, more in zip(load, spare, strict=True) if more]
            limits = range(0, max(most for _, most in used_up) + 1, QUARTER)
            gain = bisect_left(limits, minutes, key=lambda limit: sum(max(0, min(limit, b) - a) for a, b in used_up))
            return self._limit_a_day(limits[gain], minutes, first, load, spare)
        due = task.assignment.due_at
        until = to_moment(self._end) if due is None or task.eager else due
        when = words.when(until, self._zone, now=to_moment(self._draft.first))
        if sum(room) >= minutes:
            for n, part in enumerate(_parts(room, minutes)):
                self._more_taken[first + n] += part
            return f"{words.length(minutes)} more free time before {when} would help"
        for n, part in enumerate(spare):
            self._take_free(first + n, part)
        minutes -= sum(spare)
        for n, part in enumerate(_parts(list(map(sub, unused, spare)), minutes)):
            self._over_taken[first + n] += part
        return (
            "It does not fit even with every free hour: drop or move something, or get "
            f"{words.length(minutes)} more time before {when}"
        )

    def _limit_a_day(self, limit: int, minutes: int, first: int, load: Sequence[int], spare: Sequence[int]) -> str:
        self._limit = limit
        gains = [min(more, max(0, limit - used)) for used, more in zip(load, spare, strict=True)]
        for n, part in enumerate(_parts(gains, minutes)):
            self._take_free(first + n, part)
        return f"A limit of {words.length(limit)} a day would help"

    def _take_free(self, day: int, minutes: int) -> None:
        self._free_taken[day] += minutes
        self._run_taken[day] += minutes + self._draft.table.pause if minutes else 0

    def _day(self, day: int) -> str:
        begin, now = to_moment(self._draft.table.starts[day]), to_moment(self._draft.first)
        return words.day(begin, self._zone, now=now)


def _parts(most: Sequence[int], minutes: int) -> Iterator[int]:
    """How much each day gives for `minutes`, the first ones as much as they can."""
    for each in most:
        part = min(each, minutes)
        minutes -= part
        yield part


def _usable(spans: Sequence[Span], shortest: int) -> int:
    return sum(b - a for a, b in spans if b - a >= shortest)


def _most(minutes: Sequence[int], begin: int, least: int) -> int | None:
    """The day from `begin` on with the most minutes, the first of equals; None when no day has `least`."""
    most = max(minutes[begin:], default=0)
    return minutes.index(most, begin) if most >= least else None
