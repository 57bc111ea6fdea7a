"""An assignment as it is known, how that is read from the store's rows, and what a look at the sources changed."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Literal

from gradent_cli.agents.study.overlay import Overlay
from gradent_cli.agents.study.records import Assessment, Assignment, Milestone
from gradent_cli.database import to_moment, to_text

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

    `moved` are pairs (before, after) whose due date differs; `gone` is what was still work and is in its list no more;
    `overruled` are pairs (as its source has it, as the student does) of which the source has moved the due date.
    `shrunk` says of each feed that lost most of what is still due since when: it is not believed yet, and no change.
    """

    new: tuple[Assignment, ...] = ()
    moved: tuple[tuple[Assignment, Assignment], ...] = ()
    edited: tuple[Assignment, ...] = ()
    done: tuple[Assignment, ...] = ()
    gone: tuple[Assignment, ...] = ()
    overruled: tuple[tuple[Assignment, Assignment], ...] = ()
    shrunk: Mapping[str, datetime] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any((self.new, self.moved, self.edited, self.done, self.gone, self.overruled))


def _moment(text: str) -> datetime:
    """A moment from a column that is never NULL."""
    return datetime.fromisoformat(text)


def assignment_from(row: sqlite3.Row) -> Assignment:
    """As its source gave it."""
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


def known_from(row: sqlite3.Row) -> Known:
    """The same with what else is in the row, and the newest assessment."""
    return Known(
        assignment=assignment_from(row),
        assessment=from_document(row["assessment"]) if row["assessment"] else None,
        first_seen_at=_moment(row["first_seen_at"]),
        last_seen_at=_moment(row["last_seen_at"]),
        vanished=row["last_good_at"] is not None and row["last_seen_at"] < row["last_good_at"],
    )


def recognised(assignments: Collection[Assignment], source: str, given: Mapping[str, Known]) -> dict[str, str]:
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


def as_edited(known: Known, edit: Overlay) -> Known:
    """As the student sees it."""
    return replace(known, assignment=edit.over(known.assignment), edited=edit.names) if edit.names else known


def by_due_date(known: Known) -> tuple[bool, str, str]:
    """A key to sort by: those without a due date come last."""
    due_at = known.assignment.due_at
    return due_at is None, to_text(due_at) or "", known.assignment.id


def to_document(assessment: Assessment) -> str:
    """As JSON, for the table of assessments."""
    return json.dumps(asdict(assessment) | {"assessed_at": to_text(assessment.assessed_at)}, ensure_ascii=False)


def from_document(document: str) -> Assessment | None:
    """The reverse; None when it is damaged: then the assignment is assessed again."""
    try:
        fields = json.loads(document)
        fields["assessed_at"] = _moment(fields["assessed_at"])
        fields["milestones"] = tuple(Milestone(**milestone) for milestone in fields["milestones"])
        for name in ("prerequisites", "deliverables"):  # lists in JSON, and missing in what 0.1 wrote
            fields[name] = tuple(fields.get(name, ()))
        return Assessment(**fields)
    except (ValueError, TypeError, KeyError):
        return None
