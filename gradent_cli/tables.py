"""The tables of the database, as the migrations that make them, and what can stand in their rows.

Which room owns which table: `history` has runs, tool_calls and deliveries; `agents.study.store` has sources,
assignments, aliases, warnings and assessments; beside it `sessions` has sessions and shortfalls, `suggestions`
suggestions, `progress` edits and work_log, `published` published; `facts` is a small key-value table for what
was seen last.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from sqlite3 import Row

from gradent_cli.annotations import get_args
from gradent_cli.records import EVENTS, DeliveryStatus, RunStatus, SuggestionStatus, ToolStatus

MIGRATIONS: tuple[str, ...] = (
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
    for line in "".join(MIGRATIONS).splitlines():
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


def fitting(rows: Iterable[Row], names: Iterable[str], table: str | None = None) -> list[Row]:
    """Those of these rows that a gradent can have written.

    Args:
        names: of their columns.
        table: where whole rows come from; then nothing is missing in them that must be there.
    """
    columns, known = list(enumerate(names)), _types(table)
    types = [(index, known[name]) for index, name in columns if name in known]
    shapes = [(index, _SHAPES[name]) for index, name in columns if name in _SHAPES]
    return [row for row in rows if _fits(row, types, shapes)]


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
