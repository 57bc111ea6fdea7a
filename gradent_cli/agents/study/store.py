"""What the study agent remembers of assignments: as their sources gave them, as the student wants them, as assessed.

The other tables have rooms of their own, which a store leads to: `progress`, `sessions`, `suggestions`.

Every method that writes is one transaction. Nothing is ever deleted that a student could miss: an assignment that
vanished from a feed stays, with the moment it was last seen. One that the student took out of a list of their own is
gone: kept with all its sessions in case it comes back, but not known any more.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta

from gradent_cli.agents.study.known import (
    Changes,
    Known,
    as_edited,
    assignment_from,
    by_due_date,
    from_document,
    known_from,
    recognised,
    to_document,
)
from gradent_cli.agents.study.overlay import NOTHING, Overlay, read_overlay
from gradent_cli.agents.study.progress import Progress
from gradent_cli.agents.study.records import Assessment, Assignment, Finished, Plan, Session
from gradent_cli.agents.study.sessions import Sessions
from gradent_cli.agents.study.suggestions import Suggestions
from gradent_cli.database import reading, to_moment, to_text, transaction

SUSPICIOUS_FROM = 4
"""Assignments still due that a feed must have had before half of them can be missed."""
BELIEVED_AFTER = timedelta(days=3)
"""A feed that has shrunk, and stays so for so long, means it."""


class Store:
    """The study agent's tables.

    Args:
        connection: from `database.open_database`; the caller closes it.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.progress = Progress(connection)
        self.sessions = Sessions(connection)
        self.suggestions = Suggestions(connection)

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
        overruled: list[tuple[Assignment, Assignment]] = []
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
                elif assignment.due_at != given[id].assignment.due_at:
                    overruled.append((assignment, after))
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
                as_edited(each, edits.get(id, NOTHING))
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
            overruled=tuple(overruled),
            shrunk=shrunk,
        )

    def _as_known(
        self, assignments: Collection[Assignment], source: str, given: Mapping[str, Known]
    ) -> list[Assignment]:
        """The same, each by the key by which it was known first, whatever key its source gives it by now."""
        rows = reading(self._connection, "SELECT given, key FROM aliases WHERE source = ?", source, table="aliases")
        now = {each.key for each in assignments}
        keys = {row["given"]: row["key"] for row in rows if row["key"] not in now}
        known = []
        for each in assignments:
            key = keys.pop(each.key, each.key)
            if key != each.key:  # one alone can be it; what else was once called so is something else by now
                keys = {other: taken for other, taken in keys.items() if taken != key}
            known.append(replace(each, key=key))
        found = recognised(known, source, given)
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
        known = (as_edited(each, edits.get(id, NOTHING)) for id, each in self._given().items())
        wanted = (each for each in known if sources is None or each.assignment.source in sources)
        return tuple(sorted(wanted, key=by_due_date))

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
        return {row["id"]: known_from(row) for row in rows}

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
                ((each.assignment_id, each.version, to_document(each)) for each in assessments),
            )

    def assessments(self, assignment_id: str) -> tuple[Assessment, ...]:
        """Every version, the oldest first."""
        rows = reading(
            self._connection, "SELECT document FROM assessments WHERE assignment_id = ? ORDER BY version", assignment_id
        )
        return tuple(filter(None, (from_document(row["document"]) for row in rows)))

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
        worked = ((edits.get(row["id"], NOTHING).over(assignment_from(row)), row["minutes"]) for row in rows)
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

    # The plan

    def settled(self, now: datetime) -> dict[str, int]:
        """Minutes that need no place in the plan any more, by assignment id: worked, or in a session that was declined.

        What was logged since a session that is going on began is that session's, as far as it is that long: the plan
        still has it.
        """
        minutes = Counter(self.progress.logged())
        for session in self.sessions.declined():
            minutes[session.assignment_id] += session.minutes
        going_on: dict[str, list[Session]] = {}
        for session in self.sessions.all():
            if session.starts_at <= now < session.ends_at:
                going_on.setdefault(session.assignment_id, []).append(session)
        for id, sessions in going_on.items():
            since = self.progress.logged_since(id, min(each.starts_at for each in sessions))
            minutes[id] -= min(since, sum(each.minutes for each in sessions))
        return dict(minutes)

    def plan(self, *, now: datetime, sources: Collection[str] | None = None) -> Plan:
        """The plan as it was last saved: sessions that are not over yet, and what does not fit.

        Args:
            sources: only for assignments of the sources with these names.
        """
        known = {each.assignment.id for each in self.known(sources)}
        return Plan(
            sessions=tuple(each for each in self.sessions.all() if each.ends_at > now and each.assignment_id in known),
            short=tuple(each for each in self.sessions.short() if each.assignment_id in known),
        )
