"""The one SQLite file in the state directory: how it is opened, and its schema.

Which room owns which table: `history` has runs, tool_calls and deliveries; `agents.study.store` has sources,
assignments, aliases, warnings and assessments; beside it `sessions` has sessions and shortfalls, `suggestions`
suggestions, `progress` edits and work_log, `publish` published; `facts` is a small key-value table for what
was seen last.

The journal stays SQLite's default (a rollback file): home directories of students are often on a network file
system, where the write-ahead log does not work (https://www.sqlite.org/wal.html#overview). Transactions are short,
and so are readers: while one reads, nobody can commit.

What SQLite says is damaged raises DamagedError, and so does a row that holds what no gradent can have written: SQLite
has no checksums, and a byte that changed inside a text goes unnoticed by it. `damage` sets such a database aside.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, get_args

from gradent_cli.errors import DamagedError, StateError
from gradent_cli.records import EVENTS, DeliveryStatus, RunStatus, SuggestionStatus, ToolStatus

CHECKED_BYTES = 64_000_000
"""`sound` looks through databases up to this size: some 0.2 s on a warm cache. What breaks in a larger one is found
when it is read."""

_MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE facts (
        key   TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID;

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
    """
    CREATE TABLE messages (
        id         TEXT PRIMARY KEY,
        run_number INTEGER REFERENCES runs (number) ON DELETE CASCADE,
        run_id     TEXT,
        event      TEXT NOT NULL,
        title      TEXT NOT NULL,
        text       TEXT NOT NULL,
        priority   INTEGER NOT NULL,
        tags       TEXT NOT NULL,  -- JSON list
        failure    INTEGER NOT NULL,
        created_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX messages_by_run ON messages (run_number);

    ALTER TABLE deliveries ADD COLUMN not_before TEXT;  -- held until then: quiet hours, the day's allowance
    ALTER TABLE deliveries ADD COLUMN sent_at TEXT;
    ALTER TABLE deliveries ADD COLUMN folded_into TEXT;  -- the message that stands for it
    ALTER TABLE deliveries ADD COLUMN shut_out INTEGER NOT NULL DEFAULT 0;  -- failed because of the channel
    UPDATE deliveries SET status = 'failed', error = 'its run ended before it was sent' WHERE status = 'pending';
    DROP INDEX deliveries_open;  -- SQLite does not see that "= 'pending'" implies "<> 'sent'"
    CREATE INDEX deliveries_pending ON deliveries (channel, number) WHERE status = 'pending';
    CREATE INDEX deliveries_shut_out ON deliveries (channel, number) WHERE shut_out = 1;
    CREATE INDEX deliveries_sent ON deliveries (channel, sent_at) WHERE status = 'sent';
    CREATE INDEX deliveries_folded ON deliveries (folded_into) WHERE folded_into IS NOT NULL;

    CREATE TABLE channels (
        name       TEXT PRIMARY KEY,
        identity   TEXT NOT NULL,  -- changes with its address or credential
        refused    TEXT,           -- why it takes nothing any more; NULL: it does
        since      TEXT,
        closed_until TEXT          -- not tried before
    ) WITHOUT ROWID;

    CREATE TABLE failures (
        signature TEXT PRIMARY KEY,
        first_at  TEXT NOT NULL,
        last_at   TEXT NOT NULL,
        told_at   TEXT,
        count     INTEGER NOT NULL
    ) WITHOUT ROWID;

    CREATE INDEX runs_by_trigger ON runs (trigger, number);
    CREATE INDEX runs_by_start ON runs (started_at);
    """,
    """
    -- What the student says, by the id of an assignment but without a reference: one that is lost with a damaged
    -- database comes again from its source, under the same id; these would not.
    CREATE TABLE edits (
        assignment_id TEXT PRIMARY KEY,
        document      TEXT NOT NULL,  -- JSON: what the student says instead of the source, by field
        edited_at     TEXT NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE work_log (
        number        INTEGER PRIMARY KEY,
        assignment_id TEXT NOT NULL,
        minutes       INTEGER NOT NULL,
        worked_at     TEXT NOT NULL,
        logged_at     TEXT NOT NULL,
        note          TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX work_log_by_assignment ON work_log (assignment_id, worked_at);

    CREATE TABLE aliases (  -- the key by which something is known that its source gives another one by now
        source TEXT NOT NULL,
        given  TEXT NOT NULL,
        key    TEXT NOT NULL,
        PRIMARY KEY (source, given)
    ) WITHOUT ROWID;

    ALTER TABLE sessions ADD COLUMN asked_at TEXT;  -- when the student was asked whether it was held
    ALTER TABLE sessions ADD COLUMN declined INTEGER NOT NULL DEFAULT 0;  -- they deleted it from their calendar

    CREATE TABLE published (
        calendar   TEXT NOT NULL,  -- which one: changes with its address
        session_id TEXT NOT NULL,
        href       TEXT NOT NULL,
        etag       TEXT,
        starts_at  TEXT NOT NULL,
        ends_at    TEXT NOT NULL,
        sequence   INTEGER NOT NULL,
        sent_starts_at TEXT,  -- what is being written: should the answer be lost, these times are ours
        sent_ends_at   TEXT,
        PRIMARY KEY (calendar, session_id)
    ) WITHOUT ROWID;

    ALTER TABLE suggestions RENAME TO suggestions_before;
    CREATE TABLE suggestions (
        key           TEXT PRIMARY KEY,
        number        INTEGER NOT NULL DEFAULT 0,  -- a short name for it
        rank          INTEGER NOT NULL DEFAULT 0,  -- among those that were true with it, from 0
        document      TEXT NOT NULL,               -- JSON of records.Suggestion
        status        TEXT NOT NULL DEFAULT 'told',
        first_told_at TEXT,                        -- NULL: not yet
        last_true_at  TEXT NOT NULL,
        answered_at   TEXT                         -- when the student dismissed it or said that it is done
    ) WITHOUT ROWID;
    INSERT INTO suggestions (key, number, document, first_told_at, last_true_at)
        SELECT key, row_number() OVER (ORDER BY first_told_at, key), document, first_told_at, last_true_at
        FROM suggestions_before;
    DROP TABLE suggestions_before;

    ALTER TABLE shortfalls ADD COLUMN place INTEGER NOT NULL DEFAULT 0;  -- each remedy is on top of those before it

    ALTER TABLE sources ADD COLUMN shrunk_at TEXT;  -- since when it lacks most of what is still due
    """,
    """
    -- What a language model used; NULL: there was none, or it did not say.
    ALTER TABLE runs ADD COLUMN input_tokens INTEGER;
    ALTER TABLE runs ADD COLUMN output_tokens INTEGER;
    ALTER TABLE runs ADD COLUMN cost_usd REAL;
    """,
)


def open_database(
    path: Path, *, read_only: bool = False, scratch: bool = False, any_thread: bool = False
) -> sqlite3.Connection:
    """Open the database, creating it (0600) and bringing its schema up to date.

    Args:
        read_only: to read alone. One that does not exist yet, or is older, is served from memory.
        scratch: a copy in memory, to be written to at will.
        any_thread: it is not for the thread alone that opens it; whoever shares it takes turns.

    Raises:
        StateError: it cannot be opened, or was written by a newer gradent.
        DamagedError: there is something, but it is no database any more.
    """
    connection: Connection | None = None
    try:
        present = path.exists()
        if present and (not path.is_file() or path.stat().st_size == 0):
            what = "it is empty" if path.is_file() else "it is not a file"
            raise DamagedError(f"the database {path} is damaged: {what}", hint=REMEDY)
        if read_only or scratch:
            connection = _reader(path, copy=scratch) if present else _connect(":memory:")
        else:
            if not present:
                _create(path)
            connection = _connect(str(path), any_thread=any_thread)
        _migrate(connection, path)
    except (*TROUBLE, OSError) as error:
        raise refused(f"cannot use the database {path}", error, connection) from error
    return connection


def copy_database(path: Path, to: Path) -> None:
    """Copy what there is at this moment, if there is something and no copy yet.

    Raises:
        StateError: it cannot be read, or the copy not written.
    """
    from tempfile import mkstemp

    if to.exists() or not path.exists():
        return
    source = open_database(path, read_only=True)
    try:
        descriptor, name = mkstemp(prefix=f".{to.name}.", dir=to.parent)
        os.close(descriptor)
        target = sqlite3.connect(name)
        source.backup(target)
        target.close()
        Path(name).replace(to)
    except (*TROUBLE, OSError) as error:
        raise refused(f"cannot copy the database {path}", error, source) from error
    finally:
        source.close()


def _create(path: Path) -> None:
    """A new database appears whole or not at all, so that an empty file is known to be the rest of one."""
    from tempfile import mkstemp

    descriptor, name = mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    new = Path(name)
    try:
        connection = _connect(name)
        # Has to be said before the first table: pages that are free can be given back a few at a time.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _migrate(connection, path)
        connection.close()
        with suppress(FileExistsError):  # another process was quicker
            try:
                path.hardlink_to(new)
            except FileExistsError:
                raise
            except OSError:  # a file system without hard links
                if not path.exists():
                    new.rename(path)
    finally:
        new.unlink(missing_ok=True)


class Connection(sqlite3.Connection):
    """Closes itself when nobody holds it any more: a command has one, for as long as it lasts.

    `after_commit` is what the transaction that is open now will have called once it is on disk.
    """

    after_commit: list[Callable[[], None]]

    def __del__(self) -> None:
        with suppress(sqlite3.Error):
            self.close()


def _connect(name: str, *, uri: bool = False, any_thread: bool = False) -> Connection:
    connection: Connection = sqlite3.connect(
        name, timeout=10, isolation_level=None, uri=uri, factory=Connection, check_same_thread=not any_thread
    )
    connection.after_commit = []
    connection.row_factory = sqlite3.Row
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")  # one bad byte in a text stops nobody
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _reader(path: Path, *, copy: bool) -> Connection:
    """The database itself, read only; or a copy in memory, to which an older one can be brought up to date.

    Where a run was killed while it wrote, whoever reads next takes back what is half written: that needs a connection
    that may write, and changes nothing that was ever there to be seen.
    """
    uri = path.absolute().as_uri()
    source = _connect(f"{uri}?mode=ro", uri=True)
    try:
        version = _version(source)
    except sqlite3.Error as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
        source = _connect(f"{uri}?mode=rw", uri=True)
        version = _version(source)
        source.execute("PRAGMA query_only = ON")
    if not copy and version >= len(_MIGRATIONS):
        return source
    memory = _connect(":memory:")
    source.backup(memory)
    source.close()
    return memory


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection)
    if version > len(_MIGRATIONS):
        raise StateError(
            f"the database {path} was written by a newer gradent (schema {version}, this one knows {len(_MIGRATIONS)})",
            hint="upgrade gradent, or set state_dir to another folder",
        )
    if version == len(_MIGRATIONS):
        return
    try:
        with transaction(connection):
            # Another process may have migrated while this one waited for the write lock.
            version = _version(connection)
            for statements in _MIGRATIONS[version:]:
                for statement in _statements(statements):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
    except StateError as error:
        # Neither full nor locked nor read-only: what is there is not what its version number says.
        if getattr(error.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
            what = f"it is not of schema {version}: {error.__cause__}"
            raise DamagedError(f"the database {path} is damaged: {what}", hint=REMEDY) from error
        raise


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

    Inside another one it is a part of that: what belongs together is saved together.

    Raises:
        StateError: the disk is full or the file read-only; everything is rolled back.
        DamagedError: the database is damaged; the same.
    """
    if connection.in_transaction:
        try:
            yield
        except sqlite3.Error as error:
            raise refused("cannot write the state", error, connection) from error
        return
    then = _after_commit(connection)
    try:
        try:  # an interrupt may come right after BEGIN; left open, all that follows would be taken for a part of it
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("COMMIT")
        except BaseException:
            then.clear()
            if connection.in_transaction:  # SQLite has already rolled back after some errors, such as a full disk
                connection.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise refused("cannot write the state", error, connection) from error
    waiting = then.copy()
    then.clear()
    for call in waiting:
        call()


def reading(
    connection: sqlite3.Connection, query: str, *parameters: object, table: str | None = None, whole: bool = True
) -> list[sqlite3.Row]:
    """All rows of a query, each with what can stand in its columns.

    Args:
        parameters: for its question marks; or one dict, for its names.
        table: where whole rows come from; then nothing is missing in them that must be there.
        whole: False leaves out rows with something else in them. It is for what is only shown: a run that came upon
            them would set the database aside, but may never read them.

    Raises:
        StateError: the database cannot be read.
        DamagedError: it is damaged.
    """
    try:
        given: Any = parameters[0] if len(parameters) == 1 and isinstance(parameters[0], dict) else parameters
        cursor = connection.execute(query, given)
        rows = cursor.fetchall()
    except TROUBLE as error:
        raise refused("cannot read the state", error, connection) from error
    if not rows:
        return rows
    columns = [(index, column[0]) for index, column in enumerate(cursor.description)]
    types = [(index, _types(table)[name]) for index, name in columns if name in _types(table)]
    shapes = [(index, _SHAPES[name]) for index, name in columns if name in _SHAPES]
    fit = [row for row in rows if _fits(row, types, shapes)]
    if whole and len(fit) < len(rows):
        raise DamagedError("cannot read the state: the database is damaged (nonsense in a row)", hint=REMEDY)
    return fit


_Shape = Callable[[str], bool]


def _fits(
    row: Sequence[object], types: Sequence[tuple[int, frozenset[type]]], shapes: Sequence[tuple[int, _Shape]]
) -> bool:
    for index, allowed in types:
        if type(row[index]) not in allowed:
            return False
    for index, shape in shapes:
        value = row[index]
        if isinstance(value, str) and not shape(value):
            return False
    return True


_TYPES: Mapping[str, tuple[type, ...]] = {"TEXT": (str,), "INTEGER": (int,), "REAL": (float, int)}


@cache
def _types(table: str | None = None) -> Mapping[str, frozenset[type]]:
    """What types the values of a column have, by its name: in this table, or in any that has one of this name.

    By name alone everything may be missing: a sum over nothing is, and so is what a join did not find.
    """
    found: dict[str, frozenset[type]] = {}
    for name, column, kind, rest in _columns():
        if table in (None, name):
            may_be_missing = table is None or not ("NOT NULL" in rest or "PRIMARY KEY" in rest)
            types = (*_TYPES[kind], type(None)) if may_be_missing else _TYPES[kind]
            found[column] = found.get(column, frozenset()).union(types)
    return found


def _columns() -> Iterator[tuple[str, str, str, str]]:
    """Table, column, type and what else is said of it, of every line in the schema that makes a column."""
    table = ""
    for line in "".join(_MIGRATIONS).splitlines():
        words = line.split("--")[0].rstrip(",; ").split()
        if words[:2] in (["CREATE", "TABLE"], ["ALTER", "TABLE"]):
            table, words = words[2], words[5:]
        if len(words) >= 2 and words[1] in ("TEXT", "INTEGER", "REAL"):
            yield table, words[0], words[1], " ".join(words[2:])


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_list_of_texts(text: str) -> bool:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


_SHAPES: Mapping[str, _Shape] = {
    **dict.fromkeys(("started_at", "finished_at", "created_at", "sent_at", "changed_at", "told_at"), _is_moment),
    **dict.fromkeys(("first_seen_at", "last_seen_at", "last_good_at", "first_told_at", "last_true_at"), _is_moment),
    **dict.fromkeys(("first_at", "last_at", "since", "not_before", "closed_until", "shrunk_at"), _is_moment),
    **dict.fromkeys(("starts_at", "ends_at", "due_at", "worked_at", "logged_at", "edited_at", "asked_at"), _is_moment),
    **dict.fromkeys(("answered_at", "sent_starts_at", "sent_ends_at"), _is_moment),
    "details": _is_list_of_texts,
    "tags": _is_list_of_texts,
    "status": {
        *get_args(RunStatus),
        *get_args(ToolStatus),
        *get_args(DeliveryStatus),
        *get_args(SuggestionStatus),
    }.__contains__,
    "event": EVENTS.__contains__,
}


def fits(table: str, row: Mapping[str, object]) -> bool:
    """Whether a gradent can have written this row of this table."""
    names = list(row)
    types, values = _types(table), list(row.values())
    return _fits(
        values,
        [(index, types[name]) for index, name in enumerate(names) if name in types],
        [(index, _SHAPES[name]) for index, name in enumerate(names) if name in _SHAPES],
    ) and (table != "facts" or fact_fits(str(row["key"]), str(row["value"])))


def fact_fits(key: str, value: str) -> bool:
    """Whether a fact of this name can be this one."""
    if not value:
        return True
    if key.endswith("_at"):
        return _is_moment(value)
    if key != "pause":
        return True
    try:
        pause = json.loads(value)
        return _is_moment(pause["since"]) and (pause["until"] is None or _is_moment(pause["until"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def sound(connection: sqlite3.Connection) -> bool:
    """Whether the database holds together, as far as SQLite can tell in short time: see CHECKED_BYTES."""
    try:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        if pages * size > CHECKED_BYTES:
            return True
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except TROUBLE as error:
        if isinstance(refused("", error, connection), DamagedError):
            return False
        raise refused("cannot read the state", error, connection) from error


TROUBLE = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite raises; the latter when even a name in the schema, and so its complaint, is no text any more."""
REMEDY = "`gradent run` sets it aside and goes on with a new one"


def refused(what: str, error: Exception, connection: sqlite3.Connection | None) -> StateError:
    """What SQLite or the machine refused, as an error of ours: damage is told from what may get better."""
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_READONLY_ROLLBACK:
        return StateError(
            f"{what}: a run was killed while it wrote, and what is half written cannot be taken back here",
            hint="make the state folder and what is in it writable",
        )
    damaged = isinstance(error, UnicodeDecodeError)
    if code is not None:
        damaged = code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    if not damaged and code == sqlite3.SQLITE_ERROR and connection is not None:
        damaged = not _as_made(connection)  # no such table, no such column: the schema itself is a row in a table
    if damaged:
        return DamagedError(f"{what}: the database is damaged ({error})", hint=REMEDY)
    return StateError(f"{what}: {error}")


def _as_made(connection: sqlite3.Connection) -> bool:
    """Whether it has the tables that this gradent makes, with their columns; an older one counts as such."""

    def columns(database: sqlite3.Connection) -> list[tuple[object, ...]]:
        return [
            tuple(row)
            for row in database.execute(
                "SELECT tables.name, columns.name FROM sqlite_master AS tables"
                " JOIN pragma_table_info(tables.name) AS columns WHERE tables.type = 'table'"
                " ORDER BY tables.name, columns.cid"
            )
        ]

    fresh = _connect(":memory:")
    try:
        if _version(connection) < len(_MIGRATIONS):
            return True
        _migrate(fresh, Path(":memory:"))
        return columns(connection) == columns(fresh)
    except TROUBLE:
        return False
    finally:
        fresh.close()


def after_commit(connection: sqlite3.Connection, call: Callable[[], None]) -> None:
    """Call it when the transaction that is open now is on disk; at once where none is. Never, if it is rolled back."""
    if connection.in_transaction:
        _after_commit(connection).append(call)
    else:
        call()


def _after_commit(connection: sqlite3.Connection) -> list[Callable[[], None]]:
    assert isinstance(connection, Connection)  # noqa: S101  all of them come from `open_database`
    return connection.after_commit


def to_text(moment: datetime | None) -> str | None:
    """An aware moment as ISO 8601 UTC with a fixed width, so that texts sort as moments do."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def to_moment(text: str | None) -> datetime | None:
    """The reverse of `to_text`."""
    return None if text is None else datetime.fromisoformat(text)
