"""How much of the past is kept: runs with all that belongs to them, and messages of no run.

What is still needed stays, however old: a run that goes on, one with a message that somebody has yet to get, and the
newest of each outcome, from which it is told what ran last.
"""

import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from time import monotonic

from gradent_cli.database import reading, refused, to_text, transaction

BATCH = 500
"""Runs that are looked at in one go, and deleted in one transaction: nobody else waits longer than that takes."""
WAITS = timedelta(days=365)
"""A message that waits keeps its run for so long: a channel that never answers again would fill the disk."""
SMALL = 32_000_000
"""Bytes: a database of an older gradent, up to this size, is written anew once, so that it can shrink from then on."""
MUCH_FREE = 256
"""Pages (1 MB): fewer are left for what comes next."""
_STEP = 512

_UNSENT = (
    "EXISTS (SELECT 1 FROM deliveries LEFT JOIN messages ON messages.id = message_id WHERE deliveries.{0} = {1} AND ("
    "deliveries.status = 'pending' AND messages.created_at >= :waits_since"
    " OR deliveries.status = 'failed' AND shut_out = 1 AND messages.created_at >= :since))"
)
"""Somebody has yet to get it: it waits, or its channel takes nothing at present."""
_LAST = " UNION ALL ".join(
    f"SELECT coalesce(max(number), 0) FROM runs WHERE {which}"
    for which in (
        *(f"status = '{status}'" for status in ("success", "failure", "timeout", "interrupted")),
        "trigger = 'cron'",
    )
)
_OLD_RUNS = (
    "SELECT number FROM (SELECT number, status, started_at FROM runs WHERE number > :above AND number <= :up_to"
    " ORDER BY number LIMIT :batch) AS r WHERE (number <= :beyond OR started_at < :since) AND status <> 'running'"
    f" AND number NOT IN ({_LAST}) AND NOT {_UNSENT.format('run_number', 'r.number')}"
)
_OF_NO_RUN = (
    f"SELECT id FROM messages AS m WHERE run_number IS NULL AND NOT {_UNSENT.format('message_id', 'm.id')}"
    " AND (:all OR created_at < :since) ORDER BY created_at LIMIT :batch"
)


def prune(
    connection: sqlite3.Connection, now: datetime, *, max_runs: int, max_age: timedelta, seconds: float = 0.2
) -> int:
    """Forget what is beyond `max_runs` or older than `max_age`, the oldest first, and give the space back.

    What is not done within `seconds` is left to the next call; a batch of each kind is always done.

    Returns:
        How many runs are gone.

    Raises:
        StateError: the database cannot be written.
    """
    deadline = monotonic() + seconds
    since, waits_since = _before(now, max_age), _before(now, max(WAITS, max_age))
    limits: dict[str, object] = {"since": since, "waits_since": waits_since, "batch": BATCH}
    gone = sum(_prune_runs(connection, limits, now, max_runs, deadline))
    _prune_messages(connection, limits, max_runs)
    _give_back(connection, deadline)
    return gone


def _prune_runs(
    connection: sqlite3.Connection, limits: dict[str, object], now: datetime, max_runs: int, deadline: float
) -> Iterator[int]:
    first, last = reading(connection, "SELECT (SELECT min(number) FROM runs), (SELECT max(number) FROM runs)")[0]
    if first is None:
        return
    # Numbers go up by one: what is so far below the newest is not among the newest `max_runs`.
    beyond = last - max_runs
    oldest = "SELECT number FROM runs WHERE started_at < ? ORDER BY started_at DESC LIMIT 1"
    up_to = max([beyond, *(row["number"] for row in reading(connection, oldest, limits["since"]))])
    if up_to < first:
        return
    # Where the oldest are kept for their messages, some other place each time, so that none is overlooked for ever.
    somewhere = first + int(now.timestamp() * 1000) % (up_to - first + 1)
    for above in (first - 1, somewhere):
        pruned = BATCH
        while pruned > BATCH // 2:
            found = _keys(connection, _OLD_RUNS, {**limits, "above": above, "up_to": up_to, "beyond": beyond})
            with transaction(connection):
                connection.executemany("DELETE FROM runs WHERE number = ?", found)
            pruned = len(found)
            yield pruned
            if monotonic() >= deadline:
                return


def _prune_messages(connection: sqlite3.Connection, limits: dict[str, object], most: int) -> None:
    """Messages of no run, such as one that stands for several and was made between two runs."""
    surplus = reading(connection, "SELECT count(*) FROM messages WHERE run_number IS NULL")[0][0] - most
    old = _keys(connection, _OF_NO_RUN, {**limits, "all": False})
    if surplus > 0:
        old += _keys(connection, _OF_NO_RUN, {**limits, "all": True, "batch": min(surplus, BATCH)})
    orphans = (
        "SELECT number FROM deliveries AS d WHERE run_number IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM messages WHERE id = d.message_id) LIMIT :batch"
    )
    with transaction(connection):
        connection.executemany("DELETE FROM messages WHERE id = ?", old)
        connection.executemany("DELETE FROM deliveries WHERE number = ?", _keys(connection, orphans, limits))


def _give_back(connection: sqlite3.Connection, deadline: float) -> None:
    """Free pages go back to the file system when there are many: what the next runs need is left."""
    pages, free, size, can_shrink = (
        reading(connection, f"PRAGMA {name}")[0][0]
        for name in ("page_count", "freelist_count", "page_size", "auto_vacuum")
    )
    if free < MUCH_FREE or free < pages // 4:
        return
    if not can_shrink:
        if pages * size <= SMALL:
            reading(connection, "PRAGMA auto_vacuum = INCREMENTAL")
            reading(connection, "VACUUM")
        return
    while free > MUCH_FREE // 2 and monotonic() < deadline:
        try:
            # Not `execute`: it would take one step, and each page is one.
            connection.executescript(f"PRAGMA incremental_vacuum({_STEP})")
        except sqlite3.Error as error:
            raise refused("cannot write the state", error, connection) from error
        free -= _STEP


def _keys(connection: sqlite3.Connection, query: str, parameters: dict[str, object]) -> list[tuple[object, ...]]:
    return [tuple(row) for row in reading(connection, query, parameters)]


def _before(now: datetime, age: timedelta) -> str | None:
    try:
        return to_text(now - age)
    except OverflowError:
        return ""  # before all others
