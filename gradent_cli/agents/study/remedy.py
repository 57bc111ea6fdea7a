"""What would help where work does not fit, in a sentence that holds: pure."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import tzinfo

from gradent_cli.agents.study import words
from gradent_cli.agents.study.draft import Draft, Task
from gradent_cli.agents.study.free import QUARTER, Span, to_moment
from gradent_cli.agents.study.timetable import longest

_NOTHING = "Only a later due date or less work would help"


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
        self._rest = [max(0, table.rest(day)) for day in range(len(table.starts))]
        lengths = zip(table.starts, (*table.starts[1:], end), strict=True)
        self._length = [max(0, until - max(begin, draft.first)) for begin, until in lengths]
        self._spare: dict[int, list[int]] = {}
        """By the least length of a session: the free minutes of each day that nothing uses."""
        self._run = [longest(table.open(day)) for day in range(len(table.starts))]

    def sentence(self, task: Task) -> str:
        """Without a full stop. Of less than a session's least length, that length is said."""
        table, until = self._draft.table, min(task.deadline, self._end)
        if until - self._draft.first < QUARTER:
            return _NOTHING
        minutes = max(self._draft.left[task.rank], task.shortest)
        first, last = table.day_of(self._draft.first), table.day_of(until - 1)
        if task.shortest not in self._spare:
            days = range(len(table.starts))
            self._spare[task.shortest] = [_usable(table.open(day), task.shortest) for day in days]
        lists = self._rest, self._length, self._spare[task.shortest], self._run
        rest, length, spare, run = (each[first : last + 1] for each in lists)
        ahead = [(a, min(b, until)) for a, b in table.open(last)]
        length[-1] = max(0, until - max(table.starts[last], self._draft.first))
        spare[-1], run[-1] = _usable(ahead, task.shortest), longest(ahead)
        load = table.load[first : last + 1]
        room = [min(each, max(0, long - used)) for each, long, used in zip(rest, length, load, strict=True)]

        # What is added before the due date of other work that is short goes to that.
        place = bisect_left(self._draft.short, task.rank)
        after = table.day_of(self._draft.tasks[self._draft.short[place - 1]].deadline - 1) + 1 - first if place else 0
        at_once = run if self._draft.tight else spare
        for days in (range(max(0, after), len(rest)), range(len(rest))):
            best = _most(at_once, days, minutes)
            if best is not None:
                return f"A limit of {words.length(load[best] + minutes)} on {self._day(first + best)} would help"
            best = _most(room, days, minutes)
            if best is not None:
                return f"{words.length(minutes)} more free time on {self._day(first + best)} would help"
        rest_of_time = sum(max(0, long - used) for long, used in zip(length, load, strict=True))
        return self._on_many_days(task, minutes, load, spare, room) if rest_of_time >= minutes else _NOTHING

    def _on_many_days(
        self, task: Task, minutes: int, load: Sequence[int], spare: Sequence[int], room: Sequence[int]
    ) -> str:
        used_up = [(used, used + more) for used, more in zip(load, spare, strict=True) if more]
        if sum(spare) >= minutes:
            limits = range(0, max(most for _, most in used_up) + 1, QUARTER)
            gain = bisect_left(limits, minutes, key=lambda limit: sum(max(0, min(limit, b) - a) for a, b in used_up))
            return f"A limit of {words.length(limits[gain])} a day would help"
        due = task.assignment.due_at
        when = words.when(to_moment(self._end) if due is None or task.eager else due, self._zone)
        if sum(room) >= minutes:
            return f"{words.length(minutes)} more free time before {when} would help"
        return f"{words.length(minutes)} more before {when}, over the daily limit too, would help"

    def _day(self, day: int) -> str:
        return words.day(to_moment(self._draft.table.starts[day]), self._zone)


def _usable(spans: Sequence[Span], shortest: int) -> int:
    return sum(b - a for a, b in spans if b - a >= shortest)


def _most(minutes: Sequence[int], days: range, least: int) -> int | None:
    """The day with the most minutes, the last of equals; None when no day has `least`."""
    best = max(days, key=lambda day: (minutes[day], day), default=None)
    return best if best is not None and minutes[best] >= least else None
