"""What the student says: how far they are, and what is not as the source has it. It wins over every source.

The tables `edits` and `work_log`, and how a person names an assignment, a length of work and a day.
"""

import json
import re
import sqlite3
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from difflib import get_close_matches
from typing import Any

from gradent_cli import durations
from gradent_cli.agents.study import words
from gradent_cli.agents.study.feed import end_of_day, utc
from gradent_cli.database import reading, to_text, transaction
from gradent_cli.errors import UsageError
from gradent_cli.records import Assignment, LogEntry
from gradent_cli.text import one_line

FIELDS = ("title", "course", "due_at", "effort_hours", "points", "weight", "done", "ignored")
"""What an edit can say, each as JSON has it: `due_at` is ISO 8601 UTC, or null for no due date."""

LONGEST = timedelta(hours=24)
"""Of one entry in the log."""
_PREFIX = 3
_HANDLE = 4
_NAMED = 5
_NONE = re.compile(r"0+\s*(?:s|sec|m|min|h)?", re.IGNORECASE)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?P<time>[T ][0-9]{2}:[0-9]{2}.*)?", re.ASCII | re.IGNORECASE)
"""Of all that ISO 8601 has for a day only this: no one means a Monday by `2026-W49`."""
_SAMPLE = "2026-12-01 or 2026-12-01T18:00"


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

    # Edits

    def edits(self) -> dict[str, dict[str, Any]]:
        """By assignment id what the student says instead of its source, by the names of FIELDS."""
        rows = reading(self._connection, "SELECT * FROM edits", table="edits")
        return {row["assignment_id"]: _document(row["document"]) for row in rows}

    def given(self, assignment_id: str) -> dict[str, Any]:
        """What the source says of it, by the names of FIELDS."""
        query = "SELECT title, course, due_at, effort_hours, points, weight, done FROM assignments WHERE id = ?"
        rows = reading(self._connection, query, assignment_id, table="assignments")
        found: dict[str, Any] = dict(zip(FIELDS, rows[0], strict=False)) if rows else {}
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


def _document(text: str) -> dict[str, Any]:
    """Empty when it is damaged: then the source is believed."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return {name: found[name] for name in FIELDS if name in found} if isinstance(found, dict) else {}


# ── how a person says it ──


def find(text: str, assignments: Iterable[Assignment], *, rather: Collection[str] = ()) -> Assignment:
    """The one assignment that a person means: by its id or the beginning of one, its title or a part of that.

    A title may have its course before it; case and width of letters do not matter. A whole title wins over a part of
    one, and that over a part of a course.

    Args:
        rather: the ids of those that are meant where others would do as well.

    Raises:
        UsageError: none is meant, or more than one could be; the sentence names the nearest, or the candidates.
    """
    wanted = _folded(text)
    if not wanted:
        raise UsageError("no assignment is named", hint="gradent assignments")
    names = [(each, _folded(each.title), _folded(f"{each.course or ''} {each.title}")) for each in assignments]
    exact = [each for each, title, long in names if wanted in (each.id, title, long)]
    part = [
        each for each, title, _ in names if wanted in title or (len(wanted) >= _PREFIX and each.id.startswith(wanted))
    ]
    found = exact or part or [each for each, _, long in names if wanted in long]
    found = [each for each in found if each.id in rather] or found
    if len(found) == 1:
        return found[0]
    said = f"'{one_line(text, 60)}'"
    if found:
        named = ", ".join(f"{words.session_title(each)} = {each.id}" for each in found[:_NAMED])
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise UsageError(f"{said} could be {named}{more}", hint="name it by its id, or by more of its title")
    near = _nearest(wanted, ((each, title) for each, title, _ in names))
    if near is not None:
        hint = f"did you mean {words.session_title(near)} = {near.id}?"
        raise UsageError(f"there is no assignment {said}", hint=hint)
    hint = "gradent assignments" if names else "`gradent run` reads your sources"
    raise UsageError(f"there is no assignment {said}", hint=hint)


def handle(assignment: Assignment, assignments: Sequence[Assignment]) -> str:
    """The shortest beginning of its id by which `find` finds it among these."""
    for length in range(_HANDLE, len(assignment.id)):
        with_it = assignment.id[:length]
        others = (each for each in assignments if each.id != assignment.id)
        if not any(
            each.id.startswith(with_it) or with_it in _folded(f"{each.course or ''} {each.title}") for each in others
        ):
            return with_it
    return assignment.id


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", one_line(text)).casefold()


def _nearest(wanted: str, names: Iterable[tuple[Assignment, str]]) -> Assignment | None:
    """The one whose title, or a word in it, is most like what is wanted."""
    by_name: dict[str, Assignment] = {}
    for assignment, title in names:
        for name in (title, *title.split()):
            by_name.setdefault(name, assignment)
    near = get_close_matches(wanted, by_name, n=1)
    return by_name[near[0]] if near else None


def minutes_of(text: str) -> int:
    """`"1h30m"` -> 90; `"0min"` says that there was no work.

    Raises:
        UsageError: it is no duration, or one that nobody works at a stretch.
    """
    if _NONE.fullmatch(text.strip()):
        return 0
    try:
        length = durations.parse(text)
    except ValueError as error:
        raise UsageError(one_line(str(error)), hint='write it as "1h30m" or "45min"') from error
    if length > LONGEST:
        raise UsageError(f"'{one_line(text, 60)}' is more than a day holds", hint="log each day's work with --on")
    if length < timedelta(minutes=1):
        raise UsageError(f"'{one_line(text, 60)}' is less than a minute", hint='"0min" says that there was no work')
    return round(length.total_seconds() / 60)


def hours_of(text: str) -> float:
    """`"5h"` -> 5.0, an effort.

    Raises:
        UsageError: it is no duration, or none that an assignment can take.
    """
    try:
        length = durations.parse(text)
    except ValueError as error:
        raise UsageError(one_line(str(error)), hint='write it as "5h" or "1h30m"') from error
    hours = length / timedelta(hours=1)
    if not 1 / 60 <= hours <= 1000:
        raise UsageError(f"'{one_line(text, 60)}' is no effort from a minute to 1000 hours")
    return round(hours, 4)


def worked_at(text: str, *, now: datetime, zone: tzinfo) -> datetime:
    """When work ended: at this moment, or some time on this day, which is taken as the end of the day.

    Raises:
        UsageError: it is no date, or is to come.
    """
    day, moment = _date(text, zone)
    if day is not None and day == now.astimezone(zone).date():
        return now
    if moment > now:
        raise UsageError(f"'{one_line(text, 60)}' is in the future", hint="log work when it is done")
    return moment


def number_of(text: str, what: str, most: float) -> float:
    """`"20"`, `"12.5"` or `"20%"` -> 20.0: points, or percent of a grade.

    Raises:
        UsageError: it is no number from 0 to `most`.
    """
    given = text.strip().removesuffix("%").rstrip()
    value = float(given.replace(",", ".")) if re.fullmatch(r"[0-9]{1,9}(?:[.,][0-9]{1,9})?", given) else -1.0
    if not 0 <= value <= most:
        raise UsageError(f"{what} has to be a number from 0 to {most:g}, not '{one_line(text, 60)}'")
    return value


def name_of(text: str, what: str) -> str:
    """A title or course as one harmless line.

    Raises:
        UsageError: nothing is left of it.
    """
    name = one_line(text, 200)
    if not name:
        raise UsageError(f"{what} has to have letters in it")
    return name


def due_at(text: str, *, zone: tzinfo) -> datetime | None:
    """A due date: this moment, the end of this day, or None for `"none"`.

    Raises:
        UsageError: it is none of these.
    """
    return None if text.strip().lower() == "none" else _date(text, zone)[1]


def _date(text: str, zone: tzinfo) -> tuple[date | None, datetime]:
    """The day when no time is said, and the moment; what has no zone is on the student's own clock."""
    try:
        given = text.strip()
        form = _DATE.fullmatch(given)
        if form is None:
            raise ValueError
        if form["time"] is None:
            day = date.fromisoformat(given)
            return day, end_of_day(day, zone)
        moment = datetime.fromisoformat(given)
        return None, utc(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"'{one_line(text, 60)}' is not a date", hint=f"write it as {_SAMPLE}") from error
