"""The one SQLite file in the state directory: how it is opened, written and read.

The journal stays SQLite's default (a rollback file): home directories of students are often on a network file
system, where the write-ahead log does not work (https://www.sqlite.org/wal.html#overview). Transactions are short,
and so are readers: while one reads, nobody can commit.

What SQLite says is damaged raises DamagedError, and so does a row that holds what no gradent can have written: SQLite
has no checksums, and a byte that changed inside a text goes unnoticed by it. `damage` sets such a database aside.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from stat import S_ISREG

from gradent_cli import tables
from gradent_cli.annotations import Any, StrPath
from gradent_cli.errors import DamagedError, StateError

CHECKED_BYTES = 64_000_000
"""`sound` looks through databases up to this size: some 0.2 s on a warm cache. What breaks in a larger one is found
when it is read."""


def open_database(
    path: StrPath, *, read_only: bool = False, scratch: bool = False, any_thread: bool = False
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
        found = _found(path)
        if found and not (S_ISREG(found.st_mode) and found.st_size):
            what = "it is empty" if S_ISREG(found.st_mode) else "it is not a file"
            raise DamagedError(f"the database {path} is damaged: {what}", hint=REMEDY)
        if read_only or scratch:
            connection = _reader(path, copy=scratch) if found else _connect(":memory:")
        else:
            if not found:
                _create(path)
            connection = _connect(os.fspath(path), any_thread=any_thread)
        _migrate(connection, path)
    except (*TROUBLE, OSError) as error:
        raise refused(f"cannot use the database {path}", error, connection) from error
    return connection


def copy_database(path: StrPath, to: StrPath) -> None:
    """Copy what there is at this moment, if there is something and no copy yet.

    Raises:
        StateError: it cannot be read, or the copy not written.
    """
    from tempfile import mkstemp

    source: sqlite3.Connection | None = None
    try:
        if _found(to) or not _found(path):
            return
        source = open_database(path, read_only=True)
        folder, name = os.path.split(to)
        descriptor, new = mkstemp(prefix=f".{name}.", dir=folder)
        os.close(descriptor)
        target = sqlite3.connect(new)
        source.backup(target)
        target.close()
        os.replace(new, to)
    except (*TROUBLE, OSError) as error:
        raise refused(f"cannot copy the database {path}", error, source) from error
    finally:
        if source is not None:
            source.close()


def _found(path: StrPath) -> os.stat_result | None:
    """None where there is nothing.

    Raises:
        OSError: that cannot be seen (the folder is somebody else's, the network file system is gone).
    """
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _create(path: StrPath) -> None:
    """A new database appears whole or not at all, so that an empty file is known to be the rest of one."""
    from tempfile import mkstemp

    folder, name = os.path.split(path)
    descriptor, new = mkstemp(prefix=f".{name}.", dir=folder)
    os.close(descriptor)
    try:
        connection = _connect(new)
        # Has to be said before the first table: pages that are free can be given back a few at a time.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _migrate(connection, path)
        connection.close()
        with suppress(FileExistsError):  # another process was quicker
            try:
                os.link(new, path)
            except FileExistsError:
                raise
            except OSError:  # a file system without hard links
                if not os.path.exists(path):
                    os.rename(new, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(new)


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


def _reader(path: StrPath, *, copy: bool) -> Connection:
    """The database itself, read only; or a copy in memory, to which an older one can be brought up to date.

    Where a run was killed while it wrote, whoever reads next takes back what is half written: that needs a connection
    that may write, and changes nothing that was ever there to be seen.
    """
    from pathlib import Path

    uri = Path(path).absolute().as_uri()
    source = _connect(f"{uri}?mode=ro", uri=True)
    try:
        version = _version(source)
    except sqlite3.Error as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
        source = _connect(f"{uri}?mode=rw", uri=True)
        version = _version(source)
        source.execute("PRAGMA query_only = ON")
    if not copy and version >= len(tables.MIGRATIONS):
        return source
    memory = _connect(":memory:")
    source.backup(memory)
    source.close()
    return memory


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection, path: StrPath) -> None:
    version, newest = _version(connection), len(tables.MIGRATIONS)
    if version > newest:
        raise StateError(
            f"the database {path} was written by a newer gradent (schema {version}, this one knows {newest})",
            hint="upgrade gradent, or set state_dir to another folder",
        )
    if version == newest:
        return
    try:
        with transaction(connection):
            # Another process may have migrated while this one waited for the write lock.
            version = _version(connection)
            for statements in tables.MIGRATIONS[version:]:
                for statement in _statements(statements):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {newest}")
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
    fit = tables.fitting(rows, (column[0] for column in cursor.description), table)
    if whole and len(fit) < len(rows):
        raise DamagedError("cannot read the state: the database is damaged (nonsense in a row)", hint=REMEDY)
    return fit


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
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return StateError(f"{what}: {reason}")


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
        if _version(connection) < len(tables.MIGRATIONS):
            return True
        _migrate(fresh, ":memory:")
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
