"""A damaged database is set aside whole, and a new one made of what can still be read of it.

What SQLite cannot walk through any more is walked around: of a table with a broken page all rows before it and after
it are read. Where the schema itself is broken, that of a new database is laid over a copy: a gradent puts its tables
into the same pages each time.
"""

import os
import sqlite3
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import closing, suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from gradent_cli.annotations import Any, StrPath
from gradent_cli.damage import SUSPECT
from gradent_cli.database import TROUBLE, open_database, transaction
from gradent_cli.dataclass import dataclass
from gradent_cli.errors import StateError
from gradent_cli.tables import fits
from gradent_cli.text import count

KEPT = 3
"""Damaged databases that are kept; the oldest go."""
MOST_ROWS = 200_000
"""Of one table, the newest: so that a run never spends more than some seconds on the past."""
_MOST_GAPS = 2_000

_TABLES: Mapping[str, str] = {
    "facts": "key",
    "channels": "name",
    "failures": "signature",
    "sources": "name",
    "warnings": "place, text",
    "suggestions": "key",
    "assignments": "id",
    "aliases": "source, given",
    "edits": "assignment_id",
    "work_log": "number",
    "assessments": "assignment_id, version",
    "sessions": "assignment_id, ordinal",
    "shortfalls": "assignment_id",
    "published": "calendar, session_id",
    "runs": "number",
    "tool_calls": "run_number, id",
    "messages": "id",
    "deliveries": "number",
}
"""Each table and its key, in an order in which nothing refers to what comes later."""
_MESSAGE_LOST = "its text was lost when the database was damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """Where the damaged database is now, and how many rows of each table are in the new one."""

    path: Path
    saved: Mapping[str, int]

    def in_words(self) -> str:
        """`saved 212 runs, 14 assignments and 3 sessions`; `nothing in it could be read`."""
        told = (
            ("runs", "run", "runs"),
            ("assignments", "assignment", "assignments"),
            ("work_log", "log entry", "log entries"),
            ("sessions", "session", "sessions"),
            ("facts", "setting", "settings"),
        )
        parts = [count(self.saved[table], one, many) for table, one, many in told if self.saved.get(table)]
        if not parts:
            return "nothing in it could be read"
        return "saved " + (" and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))))


def set_aside(path: StrPath, now: datetime) -> SetAside:
    """Put a new database in the place of a damaged one, which stays beside it as `.damaged-<time>`.

    For whoever holds the run lock, with no connection open. Killed at any moment, it leaves the damaged one or the
    new one in place, and can be done again; where a file cannot have two names, perhaps neither, but the damaged one
    beside it.

    Raises:
        StateError: the state cannot be written; the damaged database is still in its place.
    """
    path = Path(os.path.realpath(path))
    try:
        new = path.with_name(f".{path.name}.new")
        for left in (new, _journal(new)):
            left.unlink(missing_ok=True)
        aside = _free_name(path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%SZ}"))
        try:
            aside.hardlink_to(path)
        except OSError:  # a folder in its place, or a file system without hard links
            path.rename(aside)
        # Left where it is, it would be played back into the new one.
        with suppress(FileNotFoundError):
            _journal(path).rename(_journal(aside))
        saved = _salvage(aside, new)
        if aside.is_file() and not (saved["runs"] and saved["facts"]):  # every run leaves both
            for table, rows in _salvage_without_schema(aside, new).items():
                saved[table] += rows
        new.replace(path)
        _forget_oldest(path)
    except OSError as error:
        raise StateError(f"cannot set the damaged database aside: {error.strerror or error}") from error
    return SetAside(path=aside, saved=saved)


def _forget_oldest(path: Path) -> None:
    kept = sorted(each for each in path.parent.glob(f"{path.name}.damaged-*") if not each.name.endswith("-journal"))
    for old in kept[:-KEPT]:
        if old.is_file():  # what somebody else's folder holds is theirs
            old.unlink()
            _journal(old).unlink(missing_ok=True)


def _journal(path: Path) -> Path:
    return path.with_name(path.name + "-journal")


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def _salvage(damaged: Path, new: Path) -> dict[str, int]:
    saved = dict.fromkeys(_TABLES, 0)
    with closing(open_database(new)) as target, closing(_open_damaged(damaged)) as source, transaction(target):
        runs: set[object] = set()
        for table, key in _TABLES.items():
            if table == "messages":
                runs = {row["number"] for row in target.execute("SELECT number FROM runs")}
            columns = {row["name"] for row in target.execute(f"PRAGMA table_info({table})")}
            for row in _readable(source, table, key, columns):
                if table in ("messages", "deliveries") and row.get("run_number") not in runs:
                    row["run_number"] = None
                if (table == "facts" and row["key"] == SUSPECT) or not _insert(target, table, row):
                    continue
                saved[table] += 1
        target.execute(
            "UPDATE deliveries SET status = 'failed', shut_out = 0, error = ?"
            " WHERE status = 'pending' AND message_id NOT IN (SELECT id FROM messages)",
            (_MESSAGE_LOST,),
        )
    return saved


def _salvage_without_schema(damaged: Path, new: Path) -> dict[str, int]:
    from shutil import copyfile

    copy = new.with_name(new.name + "-copy")
    try:
        copyfile(damaged, copy)
        fresh = new.read_bytes()
        size = int.from_bytes(fresh[16:18], "big")
        with copy.open("r+b") as file:
            for page in _schema_pages(fresh):
                file.seek((page - 1) * size)
                file.write(fresh[(page - 1) * size : page * size])
            file.seek(28)  # the size of the file in pages, and no free page
            file.write((copy.stat().st_size // size).to_bytes(4, "big") + bytes(8))
        return _salvage(copy, new)
    finally:
        copy.unlink(missing_ok=True)


def _schema_pages(database: bytes) -> list[int]:
    """Page 1 and the pages right below it (https://www.sqlite.org/fileformat2.html#b_tree_pages)."""
    if database[100] != 5:  # not an interior page of a table: there is no other
        return [1]
    cells = int.from_bytes(database[103:105], "big")
    places = [int.from_bytes(database[112 + 2 * cell : 114 + 2 * cell], "big") for cell in range(cells)]
    return [1, *(int.from_bytes(database[place : place + 4], "big") for place in (108, *places))]


def _open_damaged(path: Path) -> sqlite3.Connection:
    """Half a transaction is rolled back as always; where even that fails the file is read as it lies there."""
    for mode in ("mode=rw", "immutable=1"):
        with suppress(*TROUBLE):
            connection = sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, isolation_level=None)
            connection.row_factory = sqlite3.Row
            connection.text_factory = partial(str, encoding="utf-8", errors="replace")
            connection.execute("PRAGMA writable_schema = ON")  # a file cut short is opened all the same
            connection.execute("PRAGMA query_only = ON")
            connection.execute("SELECT name FROM sqlite_master LIMIT 1").fetchall()
            return connection
    return sqlite3.connect(":memory:")


def _insert(target: sqlite3.Connection, table: str, row: Mapping[str, object]) -> bool:
    """False for what refers to something that was lost, or is there already."""
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    try:
        inserted = target.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))
    except sqlite3.IntegrityError:
        return False
    return inserted.rowcount > 0


# ── around the damage ──


def _readable(source: sqlite3.Connection, table: str, key: str, columns: Container[str]) -> Iterator[dict[str, object]]:
    """The rows of a table that can be read and make sense, the highest key first."""
    for row in _Walk(source, table, key).rows():
        found = {name: value for name, value in zip(row.keys(), row, strict=True) if name in columns}
        if fits(table, found):
            yield found


class _Walk:
    """Downwards through a table by the first column of its key; from each damaged place on to the next sound one."""

    def __init__(self, source: sqlite3.Connection, table: str, key: str) -> None:
        self._source = source
        lead = key.partition(",")[0]
        order = ", ".join(f"{column} DESC" for column in key.split(", "))
        # By its own tree alone: an index may be sound where the table is not, and the reverse.
        self._query = f"SELECT * FROM {table} NOT INDEXED WHERE {lead} < ? ORDER BY {order}"
        self._lead = lead
        self._place: Callable[[Any], int]
        self._value: Callable[[int], object]
        self._top: object
        if lead in ("number", "run_number"):
            self._place, self._value, self._top = int, int, 2**62
        else:
            self._place, self._value, self._top = _place_of_text, _text_at, "\U0010ffff"

    def rows(self) -> Iterator[sqlite3.Row]:
        below: Any = self._top
        rows = 0
        for _ in range(_MOST_GAPS):
            for row in self._until_damaged(below):
                yield row
                below = row[self._lead]
                rows += 1
                if rows >= MOST_ROWS:
                    return
            # Python gives a row only when SQLite could look at the one after it, too.
            last = self._first(below)
            if last == []:
                return
            if last is not None and self._in_order(last[0], below):
                yield last[0]
                below = last[0][self._lead]
                continue
            place = self._next_sound(self._place(below))
            if place is None:
                return
            below = self._value(place)

    def _until_damaged(self, below: Any) -> Iterator[sqlite3.Row]:
        with suppress(*TROUBLE):
            for row in self._source.execute(self._query, (below,)):
                if not self._in_order(row, below):
                    return
                below = row[self._lead]
                yield row

    def _in_order(self, row: sqlite3.Row, below: Any) -> bool:
        """False where the tree leads astray."""
        value = row[self._lead]
        return type(value) is type(below) and bool(value <= below)

    def _first(self, below: Any) -> list[sqlite3.Row] | None:
        """The next row, or no row; None when it cannot be read."""
        try:
            return self._source.execute(f"{self._query} LIMIT 1", (below,)).fetchall()
        except TROUBLE:
            return None

    def _next_sound(self, place: int) -> int | None:
        """The highest place below this one from which a row can be read; None when there is none."""
        step, damaged = 1, place
        while damaged > 0:
            sound = max(0, place - step)
            if self._first(self._value(sound)) is not None:
                while damaged - sound > 1:
                    middle = (damaged + sound) // 2
                    if self._first(self._value(middle)) is not None:
                        sound = middle
                    else:
                        damaged = middle
                return sound
            damaged, step = sound, step * 2
        return None


_LETTERS = 24
"""Texts are told apart by so many letters; 7 bits of a place are one letter."""


def _place_of_text(text: str) -> int:
    place = 0
    for byte in text.encode(errors="replace")[:_LETTERS].ljust(_LETTERS, b"\0"):
        place = place << 7 | min(byte, 0x7F)
    return place


def _text_at(place: int) -> str:
    return "".join(chr(place >> 7 * letter & 0x7F) for letter in reversed(range(_LETTERS)))
