"""What is done when work does not fit: those due later give way, and days are packed closer.

Every step is judged by `Draft.missing` and stays only when that falls. So the steps come to an end, and taken again on
what came out they change nothing: a plan that is known already is found as it was left.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from heapq import heappop, heappush
from itertools import islice

from gradent_cli.agents.study.draft import Draft, Piece, Task
from gradent_cli.agents.study.free import QUARTER, Span

_AHEAD = (1, 3, 8)
"""From how many tasks, those due first, a session is chosen when a day is packed; each is tried."""

_TRIES = 60
"""About how many pairs of days, and how many tasks, are tried: all in a week, ever fewer in longer times, then none."""


def improve(draft: Draft, *, anew: bool) -> Draft:
    """The draft with more work in it, until no step places more.

    Args:
        anew: the whole plan may be made anew, since nobody knows it yet.
    """
    least = _missing
    draft = min(draft, repaired(draft), key=least)
    if draft.tight and anew:
        draft = min(
            draft, *(_packed(draft, ahead) for ahead in (_AHEAD if _size(draft) <= _TRIES else _AHEAD[-1:])), key=least
        )
    most = _most(draft) if draft.tight else []
    while draft.tight:
        before = draft.missing
        for step in _steps(draft, most):
            _try(draft, step)
        _hand_over(draft)
        fill(draft)
        draft = min(draft, repaired(draft), key=least)
        if draft.missing == before:
            break
    return draft


def _missing(draft: Draft) -> int:
    return draft.missing


def fill(draft: Draft) -> None:
    """Give every task that is short what nothing else has."""
    for rank in draft.short.copy():
        draft.fill(draft.tasks[rank])


def repaired(draft: Draft) -> Draft:
    """The draft after every task, the one due first first, has made those due later give way as far as it needs."""
    draft = draft.copy()
    waiting = sorted((piece for pieces in draft.pieces for piece in pieces), key=lambda p: p.span, reverse=True)
    later: list[tuple[int, int, Piece]] = []
    displaced: dict[int, list[Piece]] = {}
    for task in draft.tasks:
        _put_back(draft, task, displaced.pop(task.rank, ()))
        draft.fill(task)
        if draft.left[task.rank] <= 0 or task.deadline <= draft.first:
            continue
        # On the task's last day, sessions after its deadline count too: they use up the day's limit.
        last = draft.table.day_of(task.deadline - 1)
        while waiting and draft.table.day_of(waiting[-1].span[0]) <= last:
            piece = waiting.pop()
            heappush(later, (-draft.tasks[piece.rank].deadline, -piece.span[0], piece))
        while draft.left[task.rank] > 0 and later and -later[0][0] > task.deadline:
            _, _, piece = heappop(later)
            draft.take_back(piece)
            displaced.setdefault(piece.rank, []).append(piece)
            draft.fill(task)
    return draft


def _put_back(draft: Draft, task: Task, displaced: Iterable[Piece]) -> None:
    """What had to give way goes back to its old place when that was not needed after all."""
    for piece in sorted(displaced, key=lambda piece: piece.span):
        if draft.left[task.rank] > 0 and draft.table.fits(piece.span):
            draft.place(piece)


def _packed(draft: Draft, ahead: int) -> Draft:
    """The same tasks from nothing, one day after the other as full as it gets."""
    draft = draft.emptied()
    for day in range(len(draft.table.starts)):
        _pack(draft, day, ahead)
    fill(draft)
    return draft


Step = Callable[[Draft], set[int]]
"""Something that may make more fit: it changes the draft and returns the ranks of those who lost time."""


def _steps(draft: Draft, most: Sequence[int]) -> Iterator[Step]:
    """What is worth a try.

    Args:
        most: the minutes that each day can hold at best; a day that holds as much is left alone.
    """
    if not draft.short:
        return
    first, size = draft.table.day_of(draft.first), _size(draft)
    far = _TRIES // size
    if not far:
        return
    for ahead in _AHEAD:
        for day in range(first, first + size):
            for days in ((day, *other) for other in ((), *((day + n,) for n in range(1, far + 1)))):
                if days[-1] < first + size and any(draft.planned_on(each) < most[each] for each in days):
                    yield partial(_repack, days=days, ahead=ahead)
        if len(draft.tasks) <= _TRIES:
            for task in draft.tasks:
                yield partial(_last, task=task, ahead=ahead)


def _size(draft: Draft) -> int:
    """How many days there are before the last due date of what is short."""
    until = draft.tasks[draft.short[-1]].deadline if draft.short else draft.first
    return max(1, draft.table.day_of(until - 1) + 1 - draft.table.day_of(draft.first))


def _try(draft: Draft, step: Step) -> None:
    trial = draft.copy()
    for rank in sorted(step(trial)):
        trial.fill(trial.tasks[rank])
    if trial.missing < draft.missing:
        draft.become(trial)


def _most(draft: Draft) -> list[int]:
    """How many minutes each day can hold, were there always work to fill it."""
    blank, most = draft.emptied(), []
    for day in range(len(blank.table.starts)):
        rest = max(0, blank.table.rest(day))
        to_go = _to_go(blank.table.open(day), blank.least, blank.longest, blank.table.pause)
        most.append(min(rest, rest // blank.least * blank.longest, next(reversed(to_go.values()), 0)))
    return most


def _repack(draft: Draft, days: Sequence[int], ahead: int) -> set[int]:
    """Plan these days anew."""
    lost = {piece.rank for day in days for piece in draft.on_day[day]}
    draft.take_back(*(piece for day in days for piece in draft.on_day[day]))
    for day in days:
        _pack(draft, day, ahead)
    return lost


def _last(draft: Draft, task: Task, ahead: int) -> set[int]:
    """Plan the days of a task anew, and itself after all others."""
    days = sorted({draft.table.day_of(piece.span[0]) for piece in draft.pieces[task.rank]})
    lost = {piece.rank for day in days for piece in draft.on_day[day]}
    draft.take_back(*(piece for day in days for piece in draft.on_day[day]))
    for day in days:
        _pack(draft, day, ahead, but=task.rank)
    return lost


def _hand_over(draft: Draft) -> None:
    """Give a session to another task where that uses more of it: nothing on the timetable changes."""
    for pieces in draft.on_day:
        for piece in sorted(pieces):
            giver, minutes = draft.tasks[piece.rank], piece.minutes
            left = draft.left[piece.rank]
            loss = (max(0, left + minutes) - max(0, left)) * giver.weight
            for taker in islice(_waiting(draft, piece.span[1]), _AHEAD[-1]):
                use = min(minutes, draft.left[taker.rank])
                fair = taker.shortest <= minutes < use + taker.shortest
                if taker is not giver and fair and use * taker.weight > loss:
                    draft.take_back(piece)
                    draft.place(Piece(taker.rank, piece.span))
                    break


def _waiting(draft: Draft, until: int) -> Iterator[Task]:
    """The tasks that are short and due at `until` or later, those due first first."""
    due = bisect_left(draft.tasks, until, key=lambda task: task.deadline)
    for place in range(bisect_left(draft.short, due), len(draft.short)):
        yield draft.tasks[draft.short[place]]


def _pack(draft: Draft, day: int, ahead: int, *, but: int = -1) -> None:
    """Fill the day from its first minute on, as closely as the tasks' lengths allow.

    Args:
        but: the rank of a task that gets nothing.
    """
    usual = max((task.shortest for task in islice(_waiting(draft, draft.table.starts[day]), ahead)), default=QUARTER)
    to_go = _to_go(draft.table.open(day), usual, draft.longest, draft.table.pause)
    cursor = draft.first
    while draft.table.rest(day) >= draft.least:
        span = next(((max(a, cursor), b) for a, b in draft.table.open(day) if b > cursor), None)
        if span is None:
            return
        minutes, task = _choose(draft, span, draft.table.rest(day), (usual, to_go), ahead, but)
        if task is not None:
            draft.place(Piece(task.rank, (span[0], span[0] + minutes)))
        cursor = span[0] + max(minutes, QUARTER)


def _choose(
    draft: Draft, span: Span, rest: int, later: tuple[int, dict[int, int]], ahead: int, but: int
) -> tuple[int, Task | None]:
    """The session to begin at the span's first minute, for the most study from there to the end of the day.

    Among equals the one that leaves no rest too short for a session, then the task due first, then the longest. To
    begin later is never better, as the rest of the day can be brought forward.

    Args:
        rest: what the daily limit leaves.
        later: the usual least length of a session, and what `_to_go` says for it.
    """
    begin, end = span
    usual, to_go = later

    def worth(begin: int, rest: int) -> int:
        return min(to_go.get(begin, 0), rest, rest // usual * draft.longest)

    chosen: tuple[int, Task | None] = (0, None)
    most = (-1, 0)
    waiting = (task for task in _waiting(draft, begin + draft.least) if task.rank != but)
    for task in islice(waiting, ahead):
        left = draft.left[task.rank]
        limit = min(draft.longest, end - begin, task.deadline - begin, rest, max(left, task.shortest))
        for minutes in range(limit, task.shortest - 1, -QUARTER):
            over = left - minutes
            lost = task.shortest - over if 0 < over < task.shortest else 0  # what is over makes a session too long
            value = min(left, minutes) + worth(begin + minutes + draft.table.pause, rest - minutes)
            if (value, -lost) > most:
                most, chosen = (value, -lost), (minutes, task)
    return chosen


def _to_go(spans: Sequence[Span], shortest: int, longest: int, pause: int) -> dict[int, int]:
    """How many minutes of study the time from each minute on can hold, if there were always work to fill it."""
    if not spans:
        return {}
    begin, end = spans[0][0], spans[-1][1]
    to_go = dict.fromkeys(range(end, end + pause + 1, QUARTER), 0)
    span = len(spans) - 1
    for minute in range(end - QUARTER, begin - 1, -QUARTER):
        while minute < spans[span][0]:
            span -= 1
        best = to_go[minute + QUARTER]
        for length in range(shortest, min(longest, spans[span][1] - minute) + 1, QUARTER):
            best = max(best, length + to_go[minute + length + pause])
        to_go[minute] = best
    return to_go
