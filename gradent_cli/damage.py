"""Whether the database is damaged: looked for once a day and after a run that was cut off.

What is damaged is set aside by `salvage`.
"""

import sqlite3
from contextlib import suppress
from datetime import datetime, timedelta

from gradent_cli.database import REMEDY, reading, sound, to_moment, to_text, transaction
from gradent_cli.errors import DamagedError

CHECK_EVERY = timedelta(days=1)
SUSPECT = "damage"
"""The fact that something came upon damage which SQLite itself does not see."""


def suspect(connection: sqlite3.Connection) -> None:
    """Have the next run set the database aside: this one came upon damage when it was too late to do so.

    Raises:
        StateError: the state cannot be written.
    """
    with transaction(connection):
        connection.execute("INSERT OR REPLACE INTO facts VALUES (?, 'found')", (SUSPECT,))


def suspected(connection: sqlite3.Connection) -> bool:
    """Whether a run came upon damage that is still there."""
    return bool(reading(connection, "SELECT 1 FROM facts WHERE key = ?", SUSPECT))


def check(connection: sqlite3.Connection, now: datetime) -> None:
    """Look for damage when a run was cut off, and else once a day; what a run came upon is known at once.

    Raises:
        DamagedError: there is some.
        StateError: it cannot be looked for.
    """
    if suspected(connection):
        raise DamagedError("the database is damaged", hint=REMEDY)
    cut_off = reading(connection, "SELECT 1 FROM runs WHERE status = 'running' LIMIT 1")
    checked = reading(connection, "SELECT value FROM facts WHERE key = 'checked_at'")
    with suppress(ValueError, TypeError):  # whatever else stands there, it is time to look
        at = to_moment(checked[0]["value"]) if checked else None
        if not cut_off and at is not None and at <= now < at + CHECK_EVERY:
            return
    if not sound(connection):
        raise DamagedError("the database is damaged", hint=REMEDY)
    with transaction(connection):
        connection.execute("INSERT OR REPLACE INTO facts VALUES ('checked_at', ?)", (to_text(now),))
