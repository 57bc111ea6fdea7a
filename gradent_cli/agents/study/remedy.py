"""What would help where work does not fit, in a sentence that holds: pure."""

from bisect import bisect_left
from datetime import tzinfo

from gradent_cli.agents.study import words
from gradent_cli.agents.study.draft import Draft, Task
from gradent_cli.agents.study.free import QUARTER, Span, to_moment
from gradent_cli.agents.study.timetable import longest


class Remedies:
    """Sentences for the tasks that are short in a finished draft.

    The first of these that holds: a higher limit on one day whose free time it leaves unused; more free time on one
    day that is below its limit; a higher limit on all days; more free time on several; both; or nothing of the kind.

    Why they hold: what is short has used up every day before its due date, each to its limit or to its last free
    minute. A day at its limit takes more with a higher one as far as it has free time, and the other way round.
    """

    def __init__(self, draft: Draft, *, end: int, zone: tzinfo) -> None:
        self._draft = draft
        self._end = end
        self._zone = zone
        table = draft.table
        ends = (*table.starts[1:], end)
        self._rest = [table.rest(day) for day in range(len(table.starts))]
        self._spare = [self._usable(table.open(day)) for day in range(len(table.starts))]
        self._run = [longest(table.open(day)) for day in range(len(table.starts))]
        self._length = [max(0, stop - max(start, draft.first)) for start, stop in zip(table.starts, ends, strict=True)]

    def _usable(self, spans: "tuple[Span, ...] | list[Span]") -> int:
        return sum(b - a for a, b in spans if b - a >= self._draft.least)

    def sentence(self, task: Task) -> str:
        """Without a full stop; `min(task.shortest)` counts where less could not be planned."""
        draft, table = self._draft, self._draft.table
        minutes = max(draft.left[task.rank], task.shortest)
        until = min(task.deadline, self._end)
        if until - draft.first < QUARTER:
            return "Only a later due date or less work would help"
        first, last = table.day_of(draft.first), table.day_of(until - 1)
        rest, spare, run, length = (
            each[first : last + 1] for each in (self._rest, self._spare, self._run, self._length)
        )
        ahead = [(a, min(b, until)) for a, b in table.open(last) if a < until]
        spare[-1], run[-1] = self._usable(ahead), longest(ahead)
        length[-1] = max(0, until - max(table.starts[last], draft.first))
        usable = run if draft.tight else spare
        # A day after the earlier shortfall's due date, as what is added before it goes to that.
        place = bisect_left(draft.short, task.rank)
        after = table.day_of(draft.tasks[draft.short[place - 1]].deadline) + 1 - first if place else 0
        groups = [range(max(0, after), len(rest)), range(len(rest))]
        if task.eager:
            groups = [range(len(rest))]
        sign = -1 if task.eager else 1
        for days in groups:
            above = max((d for d in days if usable[d] >= minutes), key=lambda d: (spare[d], sign * d), default=None)
            if above is not None:
                limit = words.length(table.load[first + above] + minutes)
                return f"A limit of {limit} on {self._day(first + above)} would help"
            more = max(
                (d for d in days if rest[d] >= minutes and length[d] >= minutes + table.load[first + d]),
                key=lambda d: (rest[d], sign * d),
                default=None,
            )
            if more is not None:
                return f"{words.length(minutes)} more free time on {self._day(first + more)} would help"
        when = words.when(task.assignment.due_at if task.assignment.due_at and not task.eager else to_moment(until), self._zone)
        return self._for_many(minutes, when, rest, spare, length, table.load[first : last + 1])
