"""What ran, what each tool did and how each message fared: the tables runs and tool_calls; deliveries are only read."""

import json
import sqlite3
from contextlib import AbstractContextManager
from datetime import datetime

from gradent_cli.annotations import Any
from gradent_cli.database import REMEDY, reading, to_moment, to_text, transaction
from gradent_cli.dataclass import replace
from gradent_cli.errors import DamagedError
from gradent_cli.records import Delivery, Run, ToolCall, Usage
from gradent_cli.tables import fact_fits

_VANISHED = "it ended without a word (killed, out of memory, or the machine stopped)"


class History:
    """The runs of one state directory.

    Every method that writes is one transaction. All raise StateError when the database cannot be read or written.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    # ── writing ──

    def together(self) -> AbstractContextManager[None]:
        """What is written within is saved as one, or not at all: in whatever table of this database."""
        return transaction(self._connection)

    def add(self, run: Run) -> None:
        """Record a run: `running` before its agent starts, so that a crash stays visible; or `skipped` at once."""
        with transaction(self._connection):
            self._connection.execute(
                "INSERT INTO runs (id, trigger, status, agent, started_at, finished_at, summary, error, missed_runs)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    run.id,
                    run.trigger,
                    run.status,
                    run.agent,
                    to_text(run.started_at),
                    to_text(run.finished_at),
                    run.summary,
                    run.error,
                    run.missed_runs,
                ),
            )

    def close_vanished(self, now: datetime) -> tuple[Run, ...]:
        """Close the runs that cannot be going on while the caller holds the lock: those still `running`.

        They are `interrupted`, at the last moment that they are known to have lived. Returns them with what they did.
        """
        rows = self._rows("SELECT * FROM runs WHERE status = 'running' ORDER BY number", table="runs")
        with transaction(self._connection):
            for row in rows:
                run = self._whole(row)
                last = max([run.started_at, *(call.finished_at or call.started_at for call in run.tools)])
                self._connection.execute(
                    "UPDATE tool_calls SET status = 'failed', error = ?, finished_at = ?"
                    " WHERE status = 'started' AND run_number = ?",
                    (_VANISHED, to_text(min(last, now)), row["number"]),
                )
                self._connection.execute(
                    "UPDATE runs SET status = 'interrupted', error = ?, finished_at = ? WHERE number = ?",
                    (_VANISHED, to_text(min(last, now)), row["number"]),
                )
        return tuple(filter(None, (self.get(row["id"]) for row in rows)))

    def tool(self, run_id: str, call: ToolCall) -> None:
        """Record a tool call as it stands now."""
        with transaction(self._connection):
            self._connection.execute(
                "INSERT INTO tool_calls (run_number, id, tool, title, status, result, details, error, changed,"
                " started_at, finished_at) SELECT number, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM runs WHERE id = ?"
                " ON CONFLICT (run_number, id) DO UPDATE SET title = excluded.title, status = excluded.status,"
                " result = excluded.result, details = excluded.details, error = excluded.error,"
                " changed = excluded.changed, finished_at = excluded.finished_at",
                (
                    call.id,
                    call.tool,
                    call.title,
                    call.status,
                    call.result,
                    json.dumps(call.details, ensure_ascii=False),
                    call.error,
                    call.changed,
                    to_text(call.started_at),
                    to_text(call.finished_at),
                    run_id,
                ),
            )

    def finish(self, run: Run) -> None:
        """Save how a run ended, also of one whose beginning could not be saved. Called before anything is sent."""
        with transaction(self._connection):
            if not self._rows("SELECT 1 FROM runs WHERE id = ?", run.id):
                self.add(run)
            self._connection.execute(
                "UPDATE runs SET status = ?, finished_at = ?, summary = ?, error = ?, exit_code = ?, output_tail = ?"
                " WHERE id = ?",
                (
                    run.status,
                    to_text(run.finished_at),
                    run.summary,
                    run.error,
                    run.exit_code,
                    run.output_tail,
                    run.id,
                ),
            )

    def used(self, run_id: str, usage: Usage) -> None:
        """Save what a run has used so far, while it goes on: money is spent also by a run that is killed."""
        with transaction(self._connection):
            self._connection.execute(
                "UPDATE runs SET input_tokens = ?, output_tokens = ?, cost_usd = ? WHERE id = ?",
                (usage.input_tokens, usage.output_tokens, usage.cost_usd, run_id),
            )

    # ── reading ──

    def get(self, run_id: str) -> Run | None:
        """The run with this id, or whose id alone begins so; `last` is the newest. None when there is none."""
        if run_id == "last":
            rows = self._shown("runs", "SELECT * FROM runs ORDER BY number DESC LIMIT 1")
        elif not run_id.isascii():  # nobody's id; and SQLite takes no half characters
            return None
        else:
            rows = self._shown("runs", "SELECT * FROM runs WHERE id = ?", run_id)
            if not rows and run_id:
                rows = self._shown(
                    "runs", "SELECT * FROM runs WHERE id >= ? AND id < ? LIMIT 2", run_id, run_id + "\x7f"
                )
        return self._whole(rows[0]) if len(rows) == 1 else None

    def recent(self, limit: int, *, status: str | None = None) -> list[Run]:
        """The newest runs first, at most `limit`, with their tools and deliveries."""
        if status is None:
            rows = self._shown("runs", "SELECT * FROM runs ORDER BY number DESC LIMIT ?", limit)
        else:
            rows = self._shown(
                "runs", "SELECT * FROM runs WHERE status = ? ORDER BY number DESC LIMIT ?", status, limit
            )
        return [self._whole(row) for row in rows]

    def previous(self) -> Run | None:
        """The newest run that worked and ended, without its tools: not one that is running or was skipped."""
        newest = (
            "SELECT max(number) FROM runs WHERE status ="  # one look into the index each, however many were skipped
        )
        each = " UNION ALL ".join(f"{newest} '{status}'" for status in ("success", "failure", "timeout", "interrupted"))
        rows = self._rows(f"SELECT * FROM runs WHERE number IN ({each}) ORDER BY number DESC LIMIT 1", table="runs")
        return _run(rows[0]) if rows else None

    def fired_at(self) -> datetime | None:
        """When cron last started a run, whatever became of it; None when it never did."""
        rows = self._rows("SELECT started_at FROM runs WHERE trigger = 'cron' ORDER BY number DESC LIMIT 1")
        return _moment(rows[0]["started_at"]) if rows else None

    def spent(self, since: datetime) -> float:
        """US dollars that language models have cost in the runs that began at or after this moment."""
        rows = self._rows("SELECT total(cost_usd) AS spent FROM runs WHERE started_at >= ?", to_text(since))
        return float(rows[0]["spent"])

    # ── facts: what was seen last ──

    def fact(self, key: str) -> str | None:
        rows = self._rows("SELECT value FROM facts WHERE key = ?", key)
        if rows and not fact_fits(key, rows[0]["value"]):
            raise DamagedError(f"cannot read the state: the database is damaged (nonsense in '{key}')", hint=REMEDY)
        return str(rows[0]["value"]) if rows else None

    def remember(self, key: str, value: str) -> None:
        with transaction(self._connection):
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, value))

    # ── rows and records ──

    def _rows(self, query: str, *parameters: object, table: str | None = None) -> list[sqlite3.Row]:
        return reading(self._connection, query, *parameters, table=table)

    def _shown(self, table: str, query: str, *parameters: object) -> list[sqlite3.Row]:
        return reading(self._connection, query, *parameters, table=table, whole=False)

    def _whole(self, row: sqlite3.Row) -> Run:
        number = row["number"]
        tools = self._shown(
            "tool_calls", "SELECT * FROM tool_calls WHERE run_number = ? ORDER BY started_at, length(id), id", number
        )
        deliveries = self._shown("deliveries", "SELECT * FROM deliveries WHERE run_number = ? ORDER BY number", number)
        return replace(
            _run(row),
            tools=tuple(_tool_call(tool) for tool in tools),
            deliveries=tuple(
                Delivery(
                    message_id=d["message_id"],
                    channel=d["channel"],
                    event=d["event"],
                    status=d["status"],
                    attempts=d["attempts"],
                    error=d["error"],
                )
                for d in deliveries
            ),
        )


def _run(row: sqlite3.Row) -> Run:
    return Run(
        id=row["id"],
        trigger=row["trigger"],
        status=row["status"],
        agent=row["agent"],
        started_at=_moment(row["started_at"]),
        finished_at=to_moment(row["finished_at"]),
        summary=row["summary"],
        error=row["error"],
        exit_code=row["exit_code"],
        output_tail=row["output_tail"],
        missed_runs=row["missed_runs"],
        usage=None
        if row["input_tokens"] is None
        else Usage(input_tokens=row["input_tokens"], output_tokens=row["output_tokens"] or 0, cost_usd=row["cost_usd"]),
    )


def _tool_call(row: sqlite3.Row) -> ToolCall:
    return ToolCall(
        id=row["id"],
        tool=row["tool"],
        title=row["title"],
        status=row["status"],
        result=row["result"],
        details=tuple(json.loads(row["details"])),
        error=row["error"],
        changed=bool(row["changed"]),
        started_at=_moment(row["started_at"]),
        finished_at=to_moment(row["finished_at"]),
    )


def _moment(text: Any) -> datetime:
    return datetime.fromisoformat(text)
