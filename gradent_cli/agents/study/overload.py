"""What is done when work does not fit: who gives way, and days that are packed closer."""

from bisect import bisect_left
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import islice

from gradent_cli.agents.study.draft import Draft, Piece, Task
from gradent_cli.agents.study.free import QUARTER, Span

_AHEAD = (1, 3, 8)
"""How many tasks, those due first, a session is chosen from when a day is packed; each is tried."""


def improve(draft: Draft, *, anew: bool) -> Draft:
    """The draft with more work in it, until none of the steps below places more.

    Every step is judged by `Draft.missing` and kept only when that falls; so the end is reached, and the same steps on
    what came out change nothing.

    Args:
        anew: the whole plan may be made anew, since nobody knows it yet.
    """
    if anew:
        draft = min(
            [draft, repaired(draft), *(packed(draft, ahead) for ahead in _AHEAD)], key=lambda each: each.missing
        )
    while True:
        before = draft.missing
        draft = min(draft, repaired(draft), key=lambda each: each.missing)
        for day in range(len(draft.table.starts)):
            for ahead in _AHEAD:
                repack(draft, day, ahead)
        if draft.missing == before:
            return draft


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


def _put_back(draft: Draft, task: Task, displaced: Sequence[Piece]) -> None:
    """What had to give way goes back to its old place when that was not needed after all."""
    for piece in sorted(displaced, key=lambda piece: piece.span):
        if draft.left[task.rank] > 0 and draft.table.fits(piece.span):
            draft.place(piece)


def packed(draft: Draft, ahead: int) -> Draft:
    """The same tasks from nothing, one day after the other as full as it gets."""
    draft = draft.copy()
    for pieces in draft.pieces:
        for piece in pieces:
            draft.take_back(piece)
    for day in range(len(draft.table.starts)):
        _pack(draft, day, ahead)
    for task in draft.tasks:
        draft.fill(task)
    return draft


def repack(draft: Draft, day: int, ahead: int) -> None:
    """Plan one day anew, and what that leaves over; all stays as it was unless more fits."""
    before = draft.missing
    if not before or draft.table.rest(day) < QUARTER:
        return
    trial = draft.copy()
    begin, end = draft.table.starts[day], (*draft.table.starts, float("inf"))[day + 1]
    for pieces in draft.pieces:
        for piece in pieces:
            if begin <= piece.span[0] < end:
                trial.take_back(piece)
    _pack(trial, day, ahead)
    for task in trial.tasks:
        trial.fill(task)
    if trial.missing < before:
        draft.table, draft.pieces, draft.left, draft.missing = trial.table, trial.pieces, trial.left, trial.missing


def _pack(draft: Draft, day: int, ahead: int) -> None:
    """Fill the day from its first minute on, as closely as the tasks' lengths allow."""
    shortest = min((task.shortest for task in draft.tasks), default=QUARTER)
    to_go = _to_go(draft.table.open(day), max(QUARTER, shortest), draft.longest, draft.table.pause)
    cursor = draft.first
    while draft.table.rest(day) >= QUARTER:
        span = next(((max(a, cursor), b) for a, b in draft.table.open(day) if b > cursor), None)
        if span is None:
            return
        minutes, task = _choose(draft, span, draft.table.rest(day), to_go, ahead)
        if task is None:
            cursor = span[0] + QUARTER
        else:
            cursor = span[0] + minutes
            draft.place(Piece(task.rank, (span[0], cursor)))


def _choose(draft: Draft, span: Span, rest: int, to_go: dict[int, int], ahead: int) -> tuple[int, Task | None]:
    begin, end = span
    best = (_worth(begin + QUARTER, rest, to_go, draft), 0, None)
    eligible = (task for task in draft.tasks if draft.left[task.rank] > 0 and task.deadline >= begin + task.shortest)
    for task in islice(eligible, ahead):
        left = draft.left[task.rank]
        most = min(draft.longest, end - begin, task.deadline - begin, rest, max(left, task.shortest))
        for minutes in range(most, task.shortest - 1, -QUARTER):
            over = left - minutes
            waste = task.shortest - over if 0 < over < task.shortest else 0
            value = (
                min(left, minutes) - waste + _worth(begin + minutes + draft.table.pause, rest - minutes, to_go, draft)
            )
            if best[2] is None and value >= best[0] or value > best[0]:
                best = value, minutes, task
    return best[1], best[2]


def _worth(begin: int, rest: int, to_go: dict[int, int], draft: Draft) -> int:
    worth = min(rest, to_go.get(begin, 0))
    return worth


def _to_go(spans: Sequence[Span], shortest: int, longest: int, pause: int) -> dict[int, int]:
    """How many minutes of study the time from each minute on can hold, if there were always work to fill it."""
    if not spans:
        return {}
    begin, end = spans[0][0], spans[-1][1]
    to_go: dict[int, int] = dict.fromkeys(range(end, end + pause + QUARTER + 1, QUARTER), 0)
    inside = len(spans) - 1
    for x in range(end - QUARTER, begin - 1, -QUARTER):
        while x < spans[inside][0]:
            inside -= 1
        best = to_go[x + QUARTER]
        a, b = spans[inside]
        if a <= x < b:
            for minutes in range(shortest, min(longest, b - x) + 1, QUARTER):
                best = max(best, minutes + to_go[x + minutes + pause])
        to_go[x] = best
    return to_go
