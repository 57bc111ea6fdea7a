"""The one SQLite file in the state directory: how it is opened, and its schema.

Which room owns which table: `history` has runs, tool_calls and deliveries; `agents.study.store` has sources,
assignments, warnings, assessments, suggestions, sessions and shortfalls; `facts` is a small key-value table for what
was seen last.

The journal stays SQLite's default (a rollback file): home directories of students are often on a network file
system, where the write-ahead log does not work (https://www.sqlite.org/wal.html#overview). Transactions are short,
so readers do not wait.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from gradent_cli.errors import StateError

_MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

    CREATE TABLE runs (
        number      INTEGER PRIMARY KEY,
        id          TEXT NOT NULL UNIQUE,
        trigger     TEXT NOT NULL,
        status      TEXT NOT NULL,
        agent       TEXT NOT NULL,
        started_at  TEXT NOT NULL,
        finished_at TEXT,
        summary     TEXT NOT NULL DEFAULT '',
        error       TEXT,
        exit_code   INTEGER,
        output_tail TEXT NOT NULL DEFAULT '',
        missed_runs INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX runs_by_status ON runs (status, number);

    CREATE TABLE tool_calls (
        run_number  INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
        id          TEXT NOT NULL,
        tool        TEXT NOT NULL,
        title       TEXT NOT NULL,
        status      TEXT NOT NULL,
        result      TEXT NOT NULL DEFAULT '',
        details     TEXT NOT NULL DEFAULT '[]',  -- JSON list of lines
        error       TEXT,
        changed     INTEGER NOT NULL DEFAULT 1,
        started_at  TEXT NOT NULL,
        finished_at TEXT,
        PRIMARY KEY (run_number, id)
    ) WITHOUT ROWID;

    CREATE TABLE deliveries (
        number     INTEGER PRIMARY KEY,
        run_number INTEGER REFERENCES runs (number) ON DELETE CASCADE,
        message_id TEXT NOT NULL,
        channel    TEXT NOT NULL,
        event      TEXT NOT NULL,
        status     TEXT NOT NULL,
        attempts   INTEGER NOT NULL DEFAULT 0,
        error      TEXT,
        UNIQUE (message_id, channel)
    );
    CREATE INDEX deliveries_by_run ON deliveries (run_number);
    CREATE INDEX deliveries_open ON deliveries (status) WHERE status <> 'sent';

    CREATE TABLE sources (
        name         TEXT PRIMARY KEY,
        last_good_at TEXT NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE assignments (
        id           TEXT PRIMARY KEY,
        source       TEXT NOT NULL,
        key          TEXT NOT NULL,
        title        TEXT NOT NULL,
        course       TEXT,
        due_at       TEXT,
        description  TEXT NOT NULL DEFAULT '',
        url          TEXT,
        points       REAL,
        weight       REAL,
        effort_hours REAL,
        done         INTEGER,                    -- NULL: the source cannot say
        first_seen_at TEXT NOT NULL,
        last_seen_at  TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX assignments_by_due ON assignments (due_at);

    CREATE TABLE assessments (
        assignment_id TEXT NOT NULL REFERENCES assignments (id) ON DELETE CASCADE,
        version       INTEGER NOT NULL,
        document      TEXT NOT NULL,  -- JSON of records.Assessment
        PRIMARY KEY (assignment_id, version)
    ) WITHOUT ROWID;

    CREATE TABLE suggestions (
        key           TEXT PRIMARY KEY,
        document      TEXT NOT NULL,  -- JSON of records.Suggestion
        first_told_at TEXT NOT NULL,
        last_true_at  TEXT NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE sessions (
        assignment_id TEXT NOT NULL REFERENCES assignments (id) ON DELETE CASCADE,
        ordinal       INTEGER NOT NULL,
        title         TEXT NOT NULL,
        starts_at     TEXT NOT NULL,
        ends_at       TEXT NOT NULL,
        pinned        INTEGER NOT NULL DEFAULT 0,
        sequence      INTEGER NOT NULL DEFAULT 0,
        changed_at    TEXT NOT NULL,
        cancelled     INTEGER NOT NULL DEFAULT 0,  -- kept, so that a UID never starts again at sequence 0
        PRIMARY KEY (assignment_id, ordinal)
    ) WITHOUT ROWID;
    CREATE INDEX sessions_by_end ON sessions (ends_at);

    CREATE TABLE shortfalls (
        assignment_id TEXT PRIMARY KEY REFERENCES assignments (id) ON DELETE CASCADE,
        minutes       INTEGER NOT NULL,
        remedy        TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE assignments ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;  -- taken out of a list kept by hand

    CREATE TABLE warnings (
        place TEXT NOT NULL,
        text  TEXT NOT NULL,
        PRIMARY KEY (place, text)
    ) WITHOUT ROWID;
    """,
)


def open_database(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the database, creating it (0600) and bringing its schema up to date.

    Args:
        read_only: change nothing on disk; a database that does not exist yet, or is older, is served from memory.

    Raises:
        StateError: it cannot be opened, is not a gradent database, or was written by a newer gradent.
    """
    try:
        if read_only:
            connection = _in_memory_copy(path)
        else:
            path.touch(mode=0o600)
            connection = _connect(str(path))
        _migrate(connection, path)
    except (sqlite3.Error, OSError) as error:
        raise StateError(f"cannot use the database {path}: {error}") from error
    return connection


class _Connection(sqlite3.Connection):
    """Closes itself when nobody holds it any more: a command has one, for as long as it lasts."""

    def __del__(self) -> None:
        with suppress(sqlite3.Error):
            self.close()


def _connect(name: str, *, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(name, timeout=10, isolation_level=None, uri=uri, factory=_Connection)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _in_memory_copy(path: Path) -> sqlite3.Connection:
    memory = _connect(":memory:")
    if path.exists():
        source = _connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            source.backup(memory)
        finally:
            source.close()
    return memory


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(_MIGRATIONS):
        raise StateError(
            f"the database {path} was written by a newer gradent (schema {version}, this one knows {len(_MIGRATIONS)})",
            hint="upgrade gradent, or set state_dir to another folder",
        )
    if version == len(_MIGRATIONS):
        return
    with transaction(connection):
        # Another process may have migrated while this one waited for the write lock.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for statements in _MIGRATIONS[version:]:
            for statement in _statements(statements):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


def _statements(script: str) -> Iterator[str]:
    """The single statements of a script; `executescript` would commit the transaction around it."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; takes the write lock at once, so that it cannot fail half way for want of it.

    Raises:
        StateError: the disk is full, the file read-only or the database damaged; everything is rolled back.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite has already rolled back after some errors, such as a full disk
                connection.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise StateError(f"cannot write the state: {error}") from error


def to_text(moment: datetime | None) -> str | None:
    """An aware moment as ISO 8601 UTC with a fixed width, so that texts sort as moments do."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def to_moment(text: str | None) -> datetime | None:
    """The reverse of `to_text`."""
    return None if text is None else datetime.fromisoformat(text)
