"""Study sessions, past and to come, what the student did to them, and what does not fit."""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gradent_cli.agents.study.records import Plan, Session, Shortfall
from gradent_cli.database import reading, to_text, transaction

ASK_WITHIN = timedelta(days=14)
"""Nobody remembers whether they held a session that is longer ago."""
_ASK_AT_MOST = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChanges:
    """How the plan that was saved differs from the one before; a session that only got another title is in none."""

    new: tuple[Session, ...] = ()
    moved: tuple[Session, ...] = ()
    removed: tuple[Session, ...] = ()


class Sessions:
    """The tables of sessions and shortfalls.

    Args:
        connection: from `database.open_database`; the caller closes it.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self) -> tuple[Session, ...]:
        """Every session, past and to come, in order of time."""
        rows = reading(
            self._connection,
            "SELECT * FROM sessions WHERE NOT cancelled ORDER BY starts_at, assignment_id, ordinal",
            table="sessions",
        )
        return tuple(_session(row) for row in rows)

    def declined(self) -> tuple[Session, ...]:
        """The sessions that the student does not want."""
        rows = reading(self._connection, "SELECT * FROM sessions WHERE declined", table="sessions")
        return tuple(map(_session, rows))

    def get(self, id: str) -> tuple[Session, bool] | None:
        """The session with this id, and whether it is in the plan still; None if there never was one."""
        assignment, _, ordinal = id.rpartition("-")
        query = "SELECT * FROM sessions WHERE assignment_id = ? AND ordinal = ?"
        rows = reading(self._connection, query, assignment, ordinal, table="sessions")
        return (_session(rows[0]), not rows[0]["cancelled"]) if rows else None

    def pin(self, session: Session, *, starts_at: datetime, ends_at: datetime, sequence: int, now: datetime) -> Session:
        """Put the session where the student wants it, to stay there; also one that was not in the plan any more."""
        pinned = replace(session, starts_at=starts_at, ends_at=ends_at, pinned=True, sequence=sequence, changed_at=now)
        with transaction(self._connection):
            self._connection.execute(
                """
                UPDATE sessions SET starts_at = ?, ends_at = ?, pinned = 1, sequence = ?, changed_at = ?,
                                    cancelled = 0, declined = 0
                WHERE assignment_id = ? AND ordinal = ?
                """,
                (
                    to_text(starts_at),
                    to_text(ends_at),
                    sequence,
                    to_text(now),
                    session.assignment_id,
                    session.ordinal,
                ),
            )
        return pinned

    def decline(self, session: Session, *, now: datetime) -> None:
        """Take out a session that the student does not want; its minutes need no place any more."""
        with transaction(self._connection):
            self._connection.execute(
                """
                UPDATE sessions SET cancelled = 1, declined = 1, changed_at = ?
                WHERE assignment_id = ? AND ordinal = ?
                """,
                (to_text(now), session.assignment_id, session.ordinal),
            )

    def save(
        self, plan: Plan, *, now: datetime, publish: Callable[[tuple[Session, ...]], None] | None = None
    ) -> PlanChanges:
        """Make `plan` the plan. Sessions that are over stay as they are; others that are not in it are cancelled.

        A session that is changed, or comes back, gets its next sequence number (RFC 5545 3.8.7.4) and a new
        `changed_at`; one that is not keeps both. The plan's own `sequence` and `changed_at` do not count.

        Args:
            publish: is given every session, past and to come, before the plan is final; when it fails, nothing is
                saved, so that the next run finds the same changes and tells of them.
        """
        new: list[Session] = []
        moved: list[Session] = []
        with transaction(self._connection):
            query = "SELECT * FROM sessions WHERE ends_at > ? AND NOT cancelled"
            rows = reading(self._connection, query, to_text(now), table="sessions")
            before = {session.id: session for session in map(_session, rows)}
            for session in self._numbered(plan.sessions):
                old = before.pop(session.id, None)
                if old is None:
                    new.append(session)
                elif _shown(old) == _shown(session):
                    continue
                elif (old.starts_at, old.ends_at) != (session.starts_at, session.ends_at):
                    moved.append(session)
                self._connection.execute(
                    """
                    INSERT INTO sessions (assignment_id, ordinal, title, starts_at, ends_at, pinned, changed_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (assignment_id, ordinal) DO UPDATE SET
                        title = excluded.title, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
                        pinned = excluded.pinned, changed_at = excluded.changed_at,
                        sequence = sequence + 1, cancelled = 0
                    """,
                    (
                        session.assignment_id,
                        session.ordinal,
                        session.title,
                        to_text(session.starts_at),
                        to_text(session.ends_at),
                        session.pinned,
                        to_text(now),
                    ),
                )
            self._connection.executemany(
                "UPDATE sessions SET cancelled = 1, changed_at = ? WHERE assignment_id = ? AND ordinal = ?",
                ((to_text(now), session.assignment_id, session.ordinal) for session in before.values()),
            )
            self._connection.execute("DELETE FROM shortfalls")
            self._connection.executemany(
                "INSERT INTO shortfalls (place, assignment_id, minutes, remedy) VALUES (?, ?, ?, ?)",
                ((place, short.assignment_id, short.minutes, short.remedy) for place, short in enumerate(plan.short)),
            )
            if publish is not None:
                publish(self.all())
        return PlanChanges(new=tuple(new), moved=tuple(moved), removed=tuple(before.values()))

    def _numbered(self, sessions: Iterable[Session]) -> Iterator[Session]:
        """The same with other ordinals for those that bear the name of a session that the student declined."""
        sessions = tuple(sessions)
        declined = {session.id for session in self.declined()}
        if not declined:
            yield from sessions
            return
        rows = reading(self._connection, "SELECT assignment_id, max(ordinal) AS last FROM sessions GROUP BY 1")
        last: dict[str, int] = {row["assignment_id"]: row["last"] for row in rows}
        for session in sessions:
            last[session.assignment_id] = max(last.get(session.assignment_id, 0), session.ordinal)
        for session in sessions:
            if session.id in declined:
                last[session.assignment_id] += 1
                yield replace(session, ordinal=last[session.assignment_id])
            else:
                yield session

    def short(self) -> tuple[Shortfall, ...]:
        """What did not fit when the plan was saved, in the plan's order."""
        query = "SELECT assignment_id, minutes, remedy FROM shortfalls ORDER BY place, assignment_id"
        return tuple(Shortfall(**row) for row in reading(self._connection, query, table="shortfalls"))

    def ask(self, work: Collection[str], *, now: datetime) -> tuple[tuple[Session, ...], ...]:
        """Sessions of this work that went by without a word from the student, as of now asked about; by assignment.

        A log entry answers for all sessions of its assignment that began before the work it tells of ended.

        Args:
            work: the ids of what is still to do.
        """
        found: dict[str, list[Session]] = {}
        with transaction(self._connection):
            rows = reading(
                self._connection,
                """
                SELECT * FROM sessions
                WHERE ends_at > ? AND ends_at <= ? AND NOT cancelled AND NOT declined
                    AND (asked_at IS NULL OR asked_at < ends_at)  -- one that was moved after the question is another
                    AND NOT EXISTS (
                        SELECT 1 FROM work_log
                        WHERE work_log.assignment_id = sessions.assignment_id AND worked_at >= starts_at
                    )
                ORDER BY starts_at, assignment_id, ordinal
                """,
                to_text(now - ASK_WITHIN),
                to_text(now),
                table="sessions",
            )
            for session in map(_session, rows):
                if session.assignment_id in work:
                    found.setdefault(session.assignment_id, []).append(session)
            asked = list(found.values())[:_ASK_AT_MOST]
            self._connection.executemany(
                "UPDATE sessions SET asked_at = ? WHERE assignment_id = ? AND ordinal = ?",
                ((to_text(now), each.assignment_id, each.ordinal) for sessions in asked for each in sessions),
            )
        return tuple(map(tuple, asked))


def _shown(session: Session) -> tuple[object, ...]:
    return session.title, session.starts_at, session.ends_at, session.pinned


def _session(row: sqlite3.Row) -> Session:
    return Session(
        assignment_id=row["assignment_id"],
        ordinal=row["ordinal"],
        title=row["title"],
        starts_at=datetime.fromisoformat(row["starts_at"]),
        ends_at=datetime.fromisoformat(row["ends_at"]),
        pinned=bool(row["pinned"]),
        sequence=row["sequence"],
        changed_at=datetime.fromisoformat(row["changed_at"]),
    )
