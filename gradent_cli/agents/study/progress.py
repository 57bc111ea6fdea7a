"""What the student says: how far they are, and what is not as the source has it. It wins over every source.

The tables `edits` and `work_log`.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from gradent_cli.agents.study.overlay import FIELDS, read_overlay
from gradent_cli.agents.study.records import LogEntry
from gradent_cli.database import reading, to_text, transaction


class Progress:
    """The tables of what the student says.

    Args:
        connection: from `database.open_database`; the caller closes it.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    # The log of work

    def log(self, entry: LogEntry) -> int:
        """Keep the entry; returns the number by which it can be taken back."""
        with transaction(self._connection):
            cursor = self._connection.execute(
                "INSERT INTO work_log (assignment_id, minutes, worked_at, logged_at, note) VALUES (?, ?, ?, ?, ?)",
                (
                    entry.assignment_id,
                    entry.minutes,
                    to_text(entry.worked_at),
                    to_text(entry.logged_at),
                    entry.note,
                ),
            )
        return int(cursor.lastrowid or 0)

    def take_back(self, number: int | None = None) -> tuple[int, LogEntry] | None:
        """Forget the entry of this number, or the one that was logged last; None where there is none."""
        with transaction(self._connection):
            found = self._entries("WHERE number = ?", number) if number is not None else self._entries("")
            for gone in list(found)[:1]:
                self._connection.execute("DELETE FROM work_log WHERE number = ?", (gone,))
        return next(iter(found.items()), None)

    def entries(self, limit: int) -> dict[int, LogEntry]:
        """So many entries by their numbers, the one that was logged last first."""
        return dict(list(self._entries("").items())[:limit])

    def _entries(self, where: str, *parameters: object) -> dict[int, LogEntry]:
        query = f"SELECT * FROM work_log {where} ORDER BY number DESC"
        rows = reading(self._connection, query, *parameters, table="work_log")
        return {
            row["number"]: LogEntry(
                assignment_id=row["assignment_id"],
                minutes=row["minutes"],
                worked_at=datetime.fromisoformat(row["worked_at"]),
                logged_at=datetime.fromisoformat(row["logged_at"]),
                note=row["note"],
            )
            for row in rows
        }

    def logged(self) -> dict[str, int]:
        """All minutes that were ever logged, by assignment id."""
        query = "SELECT assignment_id, SUM(minutes) AS minutes FROM work_log GROUP BY assignment_id"
        return {row["assignment_id"]: row["minutes"] for row in reading(self._connection, query)}

    def logged_since(self, assignment_id: str, moment: datetime) -> int:
        """Minutes of this assignment that were worked up to some time after `moment`."""
        query = "SELECT SUM(minutes) AS minutes FROM work_log WHERE assignment_id = ? AND worked_at >= ?"
        (row,) = reading(self._connection, query, assignment_id, to_text(moment))
        return row["minutes"] or 0

    # Edits

    def edits(self) -> dict[str, dict[str, Any]]:
        """By assignment id what the student says instead of its source, by the names of FIELDS."""
        rows = reading(self._connection, "SELECT * FROM edits", table="edits")
        return {row["assignment_id"]: read_overlay(row["document"]).document() for row in rows}

    def given(self, assignment_id: str) -> dict[str, Any]:
        """What the source says of it, by the names of FIELDS."""
        query = "SELECT * FROM assignments WHERE id = ?"
        rows = reading(self._connection, query, assignment_id, table="assignments")
        found: dict[str, Any] = {name: rows[0][name] for name in FIELDS if name != "ignored"} if rows else {}
        return found | {"done": None if found.get("done") is None else bool(found["done"])}

    def edit(
        self,
        assignment_id: str,
        say: Mapping[str, Any],
        *,
        now: datetime,
        unsay: Collection[str] = (),
        reset: bool = False,
    ) -> dict[str, Any]:
        """Say these fields instead of the source; returns all that is said of the assignment now.

        Args:
            unsay: fields in which the source is to be believed again.
            reset: nothing that was said before counts any more.
        """
        with transaction(self._connection):
            before = {} if reset else self.edits().get(assignment_id, {})
            document = {name: value for name, value in before.items() if name not in unsay} | dict(say)
            if document:
                self._connection.execute(
                    "INSERT OR REPLACE INTO edits (assignment_id, document, edited_at) VALUES (?, ?, ?)",
                    (assignment_id, json.dumps(document, ensure_ascii=False), to_text(now)),
                )
            else:
                self._connection.execute("DELETE FROM edits WHERE assignment_id = ?", (assignment_id,))
        return document
