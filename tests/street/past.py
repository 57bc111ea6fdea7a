"""A long past, made in seconds: what a database holds after years."""

import sqlite3

FIRST = 1_600_000_000
"""When the first run began, in seconds since 1970; the others came every quarter of an hour."""
EVERY = 900


def fill(
    connection: sqlite3.Connection,
    runs: int,
    *,
    with_messages: int | None = None,
    first: int = FIRST,
    every: int = EVERY,
) -> None:
    """Add runs with a tool, a message and two deliveries each; all of them sent.

    Args:
        with_messages: only so many, the newest, have tools and messages.
        first, every: when they began, in seconds.
    """
    start, end = (
        f"strftime('%Y-%m-%dT%H:%M:%S.000000+00:00', {at} + {every} * i, 'unixepoch')" for at in (first, first + 1)
    )
    whole = f"number > {runs - (runs if with_messages is None else with_messages)}"
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    connection.execute(
        "WITH RECURSIVE count (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM count WHERE i < ?)"
        " INSERT INTO runs (number, id, trigger, status, agent, started_at, finished_at, summary, error)"
        f" SELECT i, strftime('%Y%m%d-%H%M%S', {first} + {every} * i, 'unixepoch') || printf('-%04x', i % 65536),"
        " 'cron', CASE i % 17 WHEN 0 THEN 'failure' WHEN 1 THEN 'skipped' ELSE 'success' END, 'study',"
        f" {start}, {end}, 'Assessed 2 assignments', CASE i % 17 WHEN 0 THEN 'no answer' END FROM count",
        (runs,),
    )
    connection.execute(
        "INSERT INTO tool_calls (run_number, id, tool, title, status, result, started_at, finished_at)"
        " SELECT number, '1', 'check', 'Check assignments', 'completed', 'nothing new', started_at, finished_at"
        f" FROM runs WHERE {whole}"
    )
    connection.execute(
        "INSERT INTO messages (id, run_number, run_id, event, title, text, priority, tags, failure, created_at)"
        " SELECT printf('%08x%08x', number * 2654435761 % 4294967296, number), number, id, 'completed',"
        f" 'Agent Completed', summary, 3, '[\"books\"]', 0, finished_at FROM runs WHERE {whole}"
    )
    connection.execute(
        "INSERT INTO deliveries (run_number, message_id, channel, event, status, attempts, sent_at)"
        " SELECT run_number, id, channel, event, 'sent', 1, created_at FROM messages,"
        " (SELECT 'ntfy' AS channel UNION ALL SELECT 'discord') ORDER BY run_number"
    )
    connection.execute("INSERT OR REPLACE INTO facts VALUES ('path', '/usr/bin:/bin')")
    connection.execute("COMMIT")
    connection.execute("PRAGMA synchronous = FULL")
