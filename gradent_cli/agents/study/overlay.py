"""What the student says of an assignment instead of its source, laid over what the source gave.

An edit is one JSON object by field; a field that is not there is the source's own. What cannot be read in it counts as
not there: an edit is never worth an assignment.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from gradent_cli.agents.study.records import Assignment
from gradent_cli.database import to_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """The fields of one edit, checked. `ignored` says that the assignment is no work for this student."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    ignored: bool = False

    def over(self, assignment: Assignment) -> Assignment:
        """The assignment as the student wants it."""
        return replace(assignment, **self.fields) if self.fields else assignment

    def document(self) -> dict[str, Any]:
        """The edit as the table has it, by the names of FIELDS: moments are ISO 8601 in UTC, or null for none."""
        said = {name: to_text(value) if isinstance(value, datetime) else value for name, value in self.fields.items()}
        return said | ({"ignored": True} if self.ignored else {})

    @property
    def names(self) -> frozenset[str]:
        """The fields that are the student's own."""
        return frozenset(self.fields) | ({"ignored"} if self.ignored else frozenset())


NOTHING = Overlay()


def read_overlay(document: str | None) -> Overlay:
    """The edit that a document of the `edits` table holds."""
    if document is None:
        return NOTHING
    try:
        edit = json.loads(document)
    except (ValueError, RecursionError):
        return NOTHING
    if not isinstance(edit, dict):
        return NOTHING
    fields = {}
    for name, value_of in _FIELDS.items():
        if name in edit:
            try:
                fields[name] = value_of(edit[name])
            except (ValueError, TypeError, OverflowError):
                continue
    return Overlay(fields=fields, ignored=edit.get("ignored") is True)


def _title(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


def _course(value: Any) -> str | None:
    if not isinstance(value, str | None):
        raise TypeError
    return value or None


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError
    return float(value)


def _yes_or_no(value: Any) -> bool | None:
    if not isinstance(value, bool | None):
        raise TypeError
    return value


_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "title": _title,
    "course": _course,
    "due_at": _moment,
    "effort_hours": _number,
    "points": _number,
    "weight": _number,
    "done": _yes_or_no,
}

FIELDS = (*_FIELDS, "ignored")
"""The names of what an edit can say; all but the last are columns of the source's own word, too."""
