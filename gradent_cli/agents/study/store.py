"""What the study agent remembers: assignments, assessments, what was suggested, and the plan.

Every method that writes is one transaction. Nothing is ever deleted that a student could miss: an assignment that
vanished from a feed stays, with the moment it was last seen. One that the student took out of a list of their own is
gone: kept with all its sessions in case it comes back, but not known any more.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from gradent_cli.agents.study.overlay import NOTHING, Overlay, read_overlay
from gradent_cli.agents.study.progress import Progress
from gradent_cli.database import reading, to_moment, to_text, transaction
from gradent_cli.records import (
    Assessment,
    Assignment,
    Finished,
    Milestone,
    Plan,
    Session,
    Shortfall,
    Suggestion,
    SuggestionStatus,
)

AT_MOST = 5
"""So many suggestions are told in a day, but for more pressing ones."""
FORGET_AFTER = timedelta(days=7)
"""A suggestion that has not been true for so long is told again when it comes true again."""
FORGET_ANSWER_AFTER = timedelta(days=180)
"""The same of one that the student dismissed or called done."""
ASK_WITHIN = timedelta(days=14)
"""Nobody remembers whether they held a session that is longer ago."""
_ASK_AT_MOST = 6
_LAST_NUMBER = "last_suggestion"
_TOLD_FOR = timedelta(days=1)

SUSPICIOUS_FROM = 4
"""Assignments still due that a feed must have had before half of them can be missed."""
BELIEVED_AFTER = timedelta(days=3)
"""A feed that has shrunk, and stays so for so long, means it."""

Status = Literal["open", "overdue", "past", "done", "ignored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An assignment as it was last seen, with what the student says instead (`edited` names those fields) on top.

    `vanished` means that its source, when last read well, no longer had it.
    """

    assignment: Assignment
    assessment: Assessment | None
    first_seen_at: datetime
    last_seen_at: datetime
    vanished: bool
    edited: frozenset[str] = frozenset()

    def status(self, now: datetime) -> Status:
        """`open`, `overdue`, `past`, `done` or `ignored`; only the first two are still work.

        Past its due date, work is overdue only when its source could say that it is done, and says that it is not.
        A calendar feed cannot: its old events are `past`, or every essay handed in since September would be planned
        again. So is what has vanished from its source. What the student ignores is no work, whatever else it is.
        """
        if "ignored" in self.edited:
            return "ignored"
        if self.assignment.done:
            return "done"
        if self.assignment.due_at is None or self.assignment.due_at > now:
            return "open"
        return "overdue" if self.assignment.done is False and not self.vanished else "past"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a look at the sources brought.

    `moved` are pairs (before, after) whose due date differs; `gone` is what was still work and is in its list no more.
    `shrunk` says of each feed that lost most of what is still due since when: it is not believed yet, and no change.
    """

    new: tuple[Assignment, ...] = ()
    moved: tuple[tuple[Assignment, Assignment], ...] = ()
    edited: tuple[Assignment, ...] = ()
    done: tuple[Assignment, ...] = ()
    gone: tuple[Assignment, ...] = ()
    shrunk: Mapping[str, datetime] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any((self.new, self.moved, self.edited, self.done, self.gone))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChanges:
    """How the plan that was saved differs from the one before; a session that only got another title is in none."""

    new: tuple[Session, ...] = ()
    moved: tuple[Session, ...] = ()
    removed: tuple[Session, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A suggestion and what became of it. `number` stays with it; `first_told_at` None means that it was never told.

    `pending` is true and waits for its turn, `told` is true; `done` says that it is true no more, or the student that
    they did it; `dismissed`, that they do not want to hear of it.
    """

    number: int
    suggestion: Suggestion
    status: SuggestionStatus
    first_told_at: datetime | None
    last_true_at: datetime
    answered: bool = False


class Store:
    """The study agent's tables.

    Args:
        connection: from `database.open_database`; the caller closes it.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def together(self) -> AbstractContextManager[None]:
        """What is written within is saved as one, or not at all: what is known now, and what is told of it."""
        return transaction(self._connection)

    # Assignments

    def sync(
        self, read: Mapping[str, Collection[Assignment]], *, now: datetime, complete: Collection[str] = ()
    ) -> Changes:
        """Take over what the sources gave, by source name; one that failed is not among them and keeps what it has.

        An assignment that its source no longer gives stays as it was. A feed that suddenly lost more than half of what
        is still due was probably not read well, though it could be read: what it has is taken over, and what it has
        not is not marked as vanished, until it has stayed so for `BELIEVED_AFTER`. What a feed gives under another key
        is recognised by what it is called and when it is due.

        What the student edited wins: changes are told of an assignment as the student sees it, and kept as the source
        gave them.

        Args:
            complete: the names of those that gave all there is; what they no longer give is gone.
        """
        new: list[Assignment] = []
        moved: list[tuple[Assignment, Assignment]] = []
        edited: list[Assignment] = []
        done: list[Assignment] = []
        with transaction(self._connection):
            given = self._given()
            seen = {
                assignment.id: assignment
                for name, assignments in read.items()
                for assignment in (assignments if name in complete else self._as_known(assignments, name, given))
            }
            edits = self._edits()
            for id, assignment in seen.items():
                edit = edits.get(id, NOTHING)
                after = edit.over(assignment)
                before = edit.over(given[id].assignment) if id in given else None
                if edit.ignored:
                    continue
                if before is None:
                    new.append(after)
                elif after.done and not before.done:
                    done.append(after)
                elif after.due_at != before.due_at:
                    moved.append((before, after))
                elif after != before:
                    edited.append(after)
            shrunk = self._shrunk(read, set(seen), given.values(), complete, now)
            self._connection.executemany(
                """
                INSERT INTO assignments (id, source, key, title, course, due_at, description, url, points, weight,
                                         effort_hours, done, first_seen_at, last_seen_at)
                VALUES (:id, :source, :key, :title, :course, :due_at, :description, :url, :points, :weight,
                        :effort_hours, :done, :now, :now)
                ON CONFLICT (id) DO UPDATE SET
                    title = excluded.title, course = excluded.course, due_at = excluded.due_at,
                    description = excluded.description, url = excluded.url, points = excluded.points,
                    weight = excluded.weight, effort_hours = excluded.effort_hours, done = excluded.done,
                    last_seen_at = excluded.last_seen_at, gone = 0
                """,
                (
                    {name: getattr(assignment, name) for name in Assignment.__slots__}
                    | {"id": id, "due_at": to_text(assignment.due_at), "now": to_text(now)}
                    for id, assignment in seen.items()
                ),
            )
            taken_out = [
                _edited(each, edits.get(id, NOTHING))
                for id, each in given.items()
                if each.assignment.source in complete and id not in seen
            ]
            self._connection.executemany(
                "UPDATE assignments SET gone = 1 WHERE id = ?", ((each.assignment.id,) for each in taken_out)
            )
            self._connection.executemany(
                "UPDATE sources SET shrunk_at = ? WHERE name = ?",
                ((to_text(since), name) for name, since in shrunk.items()),
            )
            self._connection.executemany(
                """
                INSERT INTO sources (name, last_good_at) VALUES (?, ?)
                ON CONFLICT (name) DO UPDATE SET last_good_at = excluded.last_good_at, shrunk_at = NULL
                """,
                ((name, to_text(now)) for name in read if name not in shrunk),
            )
        gone = (each.assignment for each in taken_out if each.status(now) in ("open", "overdue"))
        return Changes(
            new=tuple(new),
            moved=tuple(moved),
            edited=tuple(edited),
            done=tuple(done),
            gone=tuple(gone),
            shrunk=shrunk,
        )

    def _as_known(
        self, assignments: Collection[Assignment], source: str, given: Mapping[str, Known]
    ) -> list[Assignment]:
        """The same, each by the key by which it was known first, whatever key its source gives it by now."""
        rows = reading(self._connection, "SELECT given, key FROM aliases WHERE source = ?", source, table="aliases")
        now = {each.key for each in assignments}
        keys = {row["given"]: row["key"] for row in rows if row["key"] not in now}
        known = [replace(each, key=keys.get(each.key, each.key)) for each in assignments]
        found = _recognised(known, source, given)
        self._connection.executemany(
            "INSERT OR REPLACE INTO aliases (source, given, key) VALUES (?, ?, ?)",
            ((source, now, key) for now, key in found.items()),
        )
        return [replace(each, key=found.get(each.key, each.key)) for each in known]

    def _shrunk(
        self,
        read: Collection[str],
        seen: Collection[str],
        given: Iterable[Known],
        complete: Collection[str],
        now: datetime,
    ) -> dict[str, datetime]:
        """The feeds that lost most of what is still due, and since when; without those that are believed by now."""
        due: dict[str, list[bool]] = {}
        for each in given:
            assignment = each.assignment
            if not each.vanished and assignment.due_at is not None and assignment.due_at > now:
                due.setdefault(assignment.source, []).append(assignment.id in seen)
        rows = reading(self._connection, "SELECT name, shrunk_at FROM sources")
        before = {row["name"]: to_moment(row["shrunk_at"]) for row in rows}
        shrunk = {}
        for name in read:
            still = due.get(name, [])
            if name in complete or name not in before or len(still) < SUSPICIOUS_FROM or 2 * sum(still) >= len(still):
                continue
            since = before.get(name) or now
            if now - since < BELIEVED_AFTER:
                shrunk[name] = since
        return shrunk

    def last_good_at(self, source: str) -> datetime | None:
        """When the source was last read well; None if never."""
        rows = reading(self._connection, "SELECT last_good_at FROM sources WHERE name = ?", source)
        return to_moment(rows[0]["last_good_at"]) if rows else None

    def known(self, sources: Collection[str] | None = None) -> tuple[Known, ...]:
        """Every assignment that is not gone with its newest assessment, by due date; those without one come last.

        What the student edited stands in the place of what the source gave.

        Args:
            sources: only those of the sources with these names.
        """
        edits = self._edits()
        known = (_edited(each, edits.get(id, NOTHING)) for id, each in self._given().items())
        wanted = (each for each in known if sources is None or each.assignment.source in sources)
        return tuple(sorted(wanted, key=_by_due_date))

    def _given(self) -> dict[str, Known]:
        """Every assignment that is not gone as its source gave it, by id."""
        rows = reading(
            self._connection,
            """
            SELECT assignments.*, sources.last_good_at, (
                SELECT document FROM assessments WHERE assignment_id = assignments.id ORDER BY version DESC LIMIT 1
            ) AS assessment
            FROM assignments LEFT JOIN sources ON sources.name = assignments.source
            WHERE NOT assignments.gone
            """,
            table="assignments",
        )
        return {row["id"]: _known(row) for row in rows}

    def _edits(self) -> dict[str, Overlay]:
        """What the student says instead of the sources, by assignment id."""
        rows = reading(self._connection, "SELECT assignment_id, document FROM edits", table="edits")
        return {row["assignment_id"]: read_overlay(row["document"]) for row in rows}

    def assignments(self) -> tuple[Assignment, ...]:
        """Every assignment that is not gone, by due date."""
        return tuple(known.assignment for known in self.known())

    # Warnings

    def warn(self, given: Mapping[str, Collection[str]]) -> tuple[str, ...]:
        """Which of these warnings were not given the last time that their place was read.

        Args:
            given: by the name of the source or calendar; one that failed is not among them and keeps what it has.
        """
        new: list[str] = []
        with transaction(self._connection):
            for place, texts in given.items():
                rows = self._connection.execute("SELECT text FROM warnings WHERE place = ?", (place,))
                before = {row["text"] for row in rows}
                now = dict.fromkeys(texts)
                new += (text for text in now if text not in before)
                self._connection.execute("DELETE FROM warnings WHERE place = ?", (place,))
                self._connection.executemany(
                    "INSERT INTO warnings (place, text) VALUES (?, ?)", ((place, text) for text in now)
                )
        return tuple(new)

    # Assessments

    def save_assessments(self, assessments: Iterable[Assessment]) -> None:
        """Save new versions, or overwrite the version that each one names: it is the newest then."""
        assessments = tuple(assessments)
        with transaction(self._connection):
            self._connection.executemany(
                "DELETE FROM assessments WHERE assignment_id = ? AND version > ?",
                ((each.assignment_id, each.version) for each in assessments),
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO assessments (assignment_id, version, document) VALUES (?, ?, ?)",
                ((each.assignment_id, each.version, _assessment_document(each)) for each in assessments),
            )

    def assessments(self, assignment_id: str) -> tuple[Assessment, ...]:
        """Every version, the oldest first."""
        rows = reading(
            self._connection, "SELECT document FROM assessments WHERE assignment_id = ? ORDER BY version", assignment_id
        )
        return tuple(filter(None, (_assessment(row["document"]) for row in rows)))

    def finished(self) -> tuple[Finished, ...]:
        """Work that is done and has logged minutes, what was worked on last first; what is gone from its list too."""
        rows = reading(
            self._connection,
            """
            SELECT assignments.*, SUM(work_log.minutes) AS minutes
            FROM work_log JOIN assignments ON assignments.id = work_log.assignment_id
            GROUP BY assignments.id HAVING SUM(work_log.minutes) > 0
            ORDER BY MAX(work_log.worked_at) DESC, assignments.id
            """,
            table="assignments",
        )
        edits = self._edits() if rows else {}
        worked = ((edits.get(row["id"], NOTHING).over(_assignment(row)), row["minutes"]) for row in rows)
        return tuple(
            Finished(
                assignment_id=each.id,
                title=each.title,
                minutes=minutes,
                course=each.course,
                description=each.description,
            )
            for each, minutes in worked
            if each.done
        )

    # Suggestions

    def tell(self, advice: Sequence[Suggestion], *, now: datetime, complete: bool = True) -> tuple[Suggestion, ...]:
        """Of what is true now, give what is to be told, and remember all of it.

        Told is what was never told, if it is among the first AT_MOST that were not told a day ago or longer; the rest
        waits. What the student answered is never told and takes no place.

        Args:
            advice: the most pressing first.
            complete: False when not all could be looked at; then nothing is taken to be true no more.
        """
        new: list[Suggestion] = []
        places = AT_MOST
        with transaction(self._connection):
            self._connection.execute(
                "DELETE FROM suggestions WHERE last_true_at < CASE WHEN answered_at IS NULL THEN ? ELSE ? END",
                (to_text(now - FORGET_AFTER), to_text(now - FORGET_ANSWER_AFTER)),
            )
            known = {each.suggestion.key: each for each in self.advice(everything=True)}
            last = self._last_number(known.values())
            for rank, suggestion in enumerate(advice):
                old = known.pop(suggestion.key, None)
                told_at = old.first_told_at if old else None
                if old is not None and old.answered:
                    status = old.status
                else:
                    if told_at is None or told_at > now - _TOLD_FOR:
                        places -= 1
                    if told_at is None and places >= 0:
                        told_at = now
                        new.append(suggestion)
                    status = "pending" if told_at is None else "told"
                number = old.number if old else 0
                if not number:  # new; or saved from a damaged database that had none yet
                    last = number = last + 1
                self._connection.execute(
                    """
                    INSERT INTO suggestions (key, number, rank, document, status, first_told_at, last_true_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (key) DO UPDATE SET
                        number = excluded.number, rank = excluded.rank, document = excluded.document,
                        status = excluded.status, first_told_at = excluded.first_told_at,
                        last_true_at = excluded.last_true_at
                    """,
                    (
                        suggestion.key,
                        number,
                        rank,
                        json.dumps(asdict(suggestion), ensure_ascii=False),
                        status,
                        to_text(told_at),
                        to_text(now),
                    ),
                )
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_LAST_NUMBER, str(last)))
            if complete:
                self._settle(key for key, each in known.items() if not each.answered)
        return tuple(new)

    def _last_number(self, known: Iterable[Advice]) -> int:
        """The highest that was ever given: a number in an old message must not come to mean another suggestion."""
        rows = reading(self._connection, "SELECT value FROM facts WHERE key = ?", _LAST_NUMBER)
        kept = rows[0]["value"] if rows else ""
        return max([int(kept) if kept.isdecimal() else 0, *(each.number for each in known)])

    def settle(self, assignment_id: str) -> None:
        """Nothing that was suggested for this assignment is true any more."""
        with transaction(self._connection):
            self._settle(
                each.suggestion.key for each in self.advice() if each.suggestion.assignment_id == assignment_id
            )

    def _settle(self, keys: Iterable[str]) -> None:
        """What was told of these is done; what was not told need not be any more."""
        named = [(key,) for key in keys]
        self._connection.executemany("DELETE FROM suggestions WHERE key = ? AND first_told_at IS NULL", named)
        self._connection.executemany("UPDATE suggestions SET status = 'done' WHERE key = ?", named)

    def answer(self, name: str, status: Literal["done", "dismissed"], *, now: datetime) -> Advice | None:
        """What the student says of a suggestion, named by its key or number; None when there is none of that name.

        It is said for as long as the suggestion has the same key: it is never told again.
        """
        with transaction(self._connection):
            for each in self.advice(everything=True):
                if name in (each.suggestion.key, str(each.number)):
                    self._connection.execute(
                        "UPDATE suggestions SET status = ?, answered_at = ? WHERE key = ?",
                        (status, to_text(now), each.suggestion.key),
                    )
                    return replace(each, status=status, answered=True)
        return None

    def advice(self, *, everything: bool = False) -> tuple[Advice, ...]:
        """The suggestions that are open, the most pressing first; with `everything`, after them those that are not."""
        rows = reading(
            self._connection,
            """
            SELECT * FROM suggestions WHERE ? OR status IN ('pending', 'told')
            ORDER BY status IN ('pending', 'told') DESC, rank, number
            """,
            everything,
            table="suggestions",
        )
        return tuple(filter(None, map(_advice, rows)))

    # The log

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

    def worked(self) -> dict[str, int]:
        """Minutes that the student says they worked, by assignment id. A session that merely went by is no work."""
        return Progress(self._connection).logged()

    def settled(self, now: datetime) -> dict[str, int]:
        """Minutes that need no place in the plan any more, by assignment id: worked, or in a session that was declined.

        What was logged since a session that is going on began is that session's, as far as it is that long: the plan
        still has it.
        """
        minutes = Counter(self.worked())
        for session in self.declined():
            minutes[session.assignment_id] += _minutes(session)
        going_on: dict[str, list[Session]] = {}
        for session in self.sessions():
            if session.starts_at <= now < session.ends_at:
                going_on.setdefault(session.assignment_id, []).append(session)
        for id, sessions in going_on.items():
            since = Progress(self._connection).logged_since(id, min(each.starts_at for each in sessions))
            minutes[id] -= min(since, sum(map(_minutes, sessions)))
        return dict(minutes)

    # The plan

    def sessions(self) -> tuple[Session, ...]:
        """Every session, past and to come, in order of time."""
        rows = reading(
            self._connection,
            "SELECT * FROM sessions WHERE NOT cancelled ORDER BY starts_at, assignment_id, ordinal",
            table="sessions",
        )
        return tuple(_session(row) for row in rows)

    # What the student does to sessions in their own calendar

    def declined(self) -> tuple[Session, ...]:
        """The sessions that the student does not want."""
        rows = reading(self._connection, "SELECT * FROM sessions WHERE declined", table="sessions")
        return tuple(map(_session, rows))

    def session(self, id: str) -> tuple[Session, bool] | None:
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

    def plan(self, *, now: datetime, sources: Collection[str] | None = None) -> Plan:
        """The plan as it was last saved: sessions that are not over yet, and what does not fit.

        Args:
            sources: only for assignments of the sources with these names.
        """
        known = {each.assignment.id for each in self.known(sources)}
        query = "SELECT assignment_id, minutes, remedy FROM shortfalls ORDER BY assignment_id"
        rows = reading(self._connection, query, table="shortfalls")
        return Plan(
            sessions=tuple(
                session for session in self.sessions() if session.ends_at > now and session.assignment_id in known
            ),
            short=tuple(Shortfall(**row) for row in rows if row["assignment_id"] in known),
        )

    def save_plan(
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
                "INSERT INTO shortfalls (assignment_id, minutes, remedy) VALUES (?, ?, ?)",
                ((short.assignment_id, short.minutes, short.remedy) for short in plan.short),
            )
            if publish is not None:
                publish(self.sessions())
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


def _shown(session: Session) -> tuple[object, ...]:
    return session.title, session.starts_at, session.ends_at, session.pinned


def _moment(text: str) -> datetime:
    """A moment from a column that is never NULL."""
    return datetime.fromisoformat(text)


def _assignment(row: sqlite3.Row) -> Assignment:
    return Assignment(
        source=row["source"],
        key=row["key"],
        title=row["title"],
        due_at=to_moment(row["due_at"]),
        course=row["course"],
        description=row["description"],
        url=row["url"],
        points=row["points"],
        weight=row["weight"],
        effort_hours=row["effort_hours"],
        done=None if row["done"] is None else bool(row["done"]),
    )


def _known(row: sqlite3.Row) -> Known:
    return Known(
        assignment=_assignment(row),
        assessment=_assessment(row["assessment"]) if row["assessment"] else None,
        first_seen_at=_moment(row["first_seen_at"]),
        last_seen_at=_moment(row["last_seen_at"]),
        vanished=row["last_good_at"] is not None and row["last_seen_at"] < row["last_good_at"],
    )


def _recognised(assignments: Collection[Assignment], source: str, given: Mapping[str, Known]) -> dict[str, str]:
    """The keys by which some of these are known already, by the keys that they have now.

    There are feeds that give their events other UIDs when the platform is updated: everything would be planned twice.
    Title, course and due date have to be the same, and nothing else may be called so: two weeks' worth of "Reading
    response" are two assignments.
    """
    ids = {each.id for each in assignments}
    missing = [each.assignment for id, each in given.items() if each.assignment.source == source and id not in ids]
    new = [each for each in assignments if each.id not in given]
    known_by = _grouped(missing)
    return {
        alike[0].key: known_by[name][0].key
        for name, alike in _grouped(new).items()
        if name[-1] is not None and len(alike) == len(known_by.get(name, ())) == 1
    }


def _grouped(assignments: Iterable[Assignment]) -> dict[tuple[object, ...], list[Assignment]]:
    groups: dict[tuple[object, ...], list[Assignment]] = {}
    for each in assignments:
        groups.setdefault((each.title, each.course, each.due_at), []).append(each)
    return groups


def _edited(known: Known, edit: Overlay) -> Known:
    return replace(known, assignment=edit.over(known.assignment), edited=edit.names) if edit.names else known


def _by_due_date(known: Known) -> tuple[bool, str, str]:
    due_at = known.assignment.due_at
    return due_at is None, to_text(due_at) or "", known.assignment.id


def _session(row: sqlite3.Row) -> Session:
    return Session(
        assignment_id=row["assignment_id"],
        ordinal=row["ordinal"],
        title=row["title"],
        starts_at=_moment(row["starts_at"]),
        ends_at=_moment(row["ends_at"]),
        pinned=bool(row["pinned"]),
        sequence=row["sequence"],
        changed_at=_moment(row["changed_at"]),
    )


def _minutes(session: Session) -> int:
    return round(session.duration.total_seconds()) // 60


def _advice(row: sqlite3.Row) -> Advice | None:
    """None when it is damaged: then it is told again should it still be true."""
    try:
        suggestion = Suggestion(**json.loads(row["document"]))
    except (ValueError, TypeError):
        return None
    return Advice(
        number=row["number"],
        suggestion=replace(suggestion, key=row["key"]),
        status=row["status"],
        first_told_at=to_moment(row["first_told_at"]),
        last_true_at=_moment(row["last_true_at"]),
        answered=row["answered_at"] is not None,
    )


def _assessment_document(assessment: Assessment) -> str:
    return json.dumps(asdict(assessment) | {"assessed_at": to_text(assessment.assessed_at)}, ensure_ascii=False)


def _assessment(document: str) -> Assessment | None:
    """None when it is damaged: then the assignment is assessed again."""
    try:
        fields = json.loads(document)
        fields["assessed_at"] = _moment(fields["assessed_at"])
        fields["milestones"] = tuple(Milestone(**milestone) for milestone in fields["milestones"])
        for name in ("prerequisites", "deliverables"):  # lists in JSON, and missing in what 0.1 wrote
            fields[name] = tuple(fields.get(name, ()))
        return Assessment(**fields)
    except (ValueError, TypeError, KeyError):
        return None
