"""What is on record of the events in the student's own calendar: the table `published`."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from gradent_cli.agents.study.records import Session
from gradent_cli.database import reading, to_text, transaction

FORGET_AFTER = timedelta(days=30)
"""An event is followed for so long after its end: dragged to tomorrow, it is a session again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """An event as it was last seen in the calendar; `etag` None: not known to be there.

    `sent` are the times of a write that was begun and perhaps never answered.
    """

    session_id: str
    name: str
    etag: str | None
    starts_at: datetime
    ends_at: datetime
    sequence: int
    sent: tuple[datetime, datetime] | None


class Published:
    """The events of one calendar.

    Args:
        connection: from `database.open_database`; the caller closes it.
        calendar: which one; it changes with its address.
    """

    def __init__(self, connection: sqlite3.Connection, calendar: str) -> None:
        self._connection = connection
        self._calendar = calendar

    def copies(self) -> dict[str, Copy]:
        """All that are followed, by the id of their session."""
        rows = reading(
            self._connection, "SELECT * FROM published WHERE calendar = ?", self._calendar, table="published"
        )
        return {row["session_id"]: _copy(row) for row in rows}

    def save(self, name: str, session: Session, etag: str | None) -> None:
        """The session is there as it is now; `etag` None: it is about to be."""
        with transaction(self._connection):
            self._connection.execute(
                """
                INSERT OR REPLACE INTO published (calendar, session_id, href, etag, starts_at, ends_at, sequence)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
                (
                    self._calendar,
                    session.id,
                    name,
                    etag,
                    to_text(session.starts_at),
                    to_text(session.ends_at),
                    session.sequence,
                ),
            )

    def save_etag(self, session_id: str, etag: str | None) -> None:
        """The event was looked at, and its times say nothing new; None: it is not there."""
        with transaction(self._connection):
            self._connection.execute(
                "UPDATE published SET etag = ? WHERE calendar = ? AND session_id = ?",
                (etag, self._calendar, session_id),
            )

    def forget(self, session_id: str) -> None:
        """It is none of ours any more."""
        with transaction(self._connection):
            self._connection.execute(
                "DELETE FROM published WHERE calendar = ? AND session_id = ?", (self._calendar, session_id)
            )

    def forget_old(self, now: datetime) -> None:
        """Those that have been over for `FORGET_AFTER`."""
        with transaction(self._connection):
            self._connection.execute(
                "DELETE FROM published WHERE calendar = ? AND ends_at < ?",
                (self._calendar, to_text(now - FORGET_AFTER)),
            )

    def lose_sight(self) -> None:
        """No event is known to be there: what comes back is looked at, what does not is written again."""
        with transaction(self._connection):
            self._connection.execute("UPDATE published SET etag = NULL WHERE calendar = ?", (self._calendar,))

    def sending(self, session: Session) -> None:
        """These times are about to be written in the place of others."""
        with transaction(self._connection):
            self._connection.execute(
                "UPDATE published SET sent_starts_at = ?, sent_ends_at = ? WHERE calendar = ? AND session_id = ?",
                (to_text(session.starts_at), to_text(session.ends_at), self._calendar, session.id),
            )


def _copy(row: sqlite3.Row) -> Copy:
    return Copy(
        session_id=row["session_id"],
        name=row["href"],
        etag=row["etag"],
        starts_at=datetime.fromisoformat(row["starts_at"]),
        ends_at=datetime.fromisoformat(row["ends_at"]),
        sequence=row["sequence"],
        sent=(datetime.fromisoformat(row["sent_starts_at"]), datetime.fromisoformat(row["sent_ends_at"]))
        if row["sent_starts_at"] and row["sent_ends_at"]
        else None,
    )
