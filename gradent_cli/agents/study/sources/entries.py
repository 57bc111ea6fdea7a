"""One entry of a list that a person keeps by hand (`toml`, `csv`): read strictly, because they can put it right.

Fields: `title` (the only one that must be there), `id`, `course`, `due`, `effort_hours`, `points`, `weight` (percent of
the grade), `done`, `notes`, `url`.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, tzinfo
from difflib import get_close_matches
from hashlib import sha256
from typing import Any

from gradent_cli.agents.study import dates
from gradent_cli.agents.study.feed import end_of_day, utc
from gradent_cli.agents.study.fetch import Place
from gradent_cli.agents.study.records import Assignment
from gradent_cli.text import clean, cut_characters, one_line

MOST_NAMED = 5
"""So many wrong entries are named in one refusal."""
FIELDS = ("id", "title", "course", "due", "effort_hours", "points", "weight", "done", "notes", "url")
_MOST = {"effort_hours": 1000.0, "points": 100_000.0, "weight": 100.0}
_YES = frozenset(("yes", "y", "true", "1", "x", "done"))
_NO = frozenset(("no", "n", "false", "0", "-", "open"))
_DUE_SAMPLE = "2026-12-01 or 2026-12-01 23:59"


class Entries:
    """Turns entries into assignments, and refuses all those that are wrong at once.

    Args:
        place: what the refusals name.
        name: of the source.
        zone: the student's; a due date without a time is 23:59 there. Of a local time that exists twice the first
            one counts, and one that a clock change leaves out is moved on by the change (PEP 495, fold=0).
    """

    def __init__(self, place: Place, name: str, zone: tzinfo) -> None:
        self._place = place
        self._name = name
        self._zone = zone
        self._known: dict[str, str] = {}
        self._assignments: list[Assignment] = []
        self._wrong: list[tuple[int, str]] = []

    def take(self, fields: Mapping[str, Any], number: int, where: str) -> None:
        """Take one entry; a value is None or "" where there is none.

        Args:
            number: its place in the list, which orders the refusals.
            where: the same for people, like "line 4".
        """
        entry = _Entry(fields, self._zone)
        try:
            for name in fields:
                check_field(name)
            assignment = entry.assignment(self._name)
            self._claim(assignment.key, where, has_id=bool(entry.text("id")))
        except ValueError as error:
            self.refuse(number, f"{where}: {error}")
        else:
            self._assignments.append(assignment)

    def refuse(self, number: int, why: str) -> None:
        """Say of an entry that it cannot be taken, in words that name it."""
        self._wrong.append((number, why))

    def assignments(self) -> list[Assignment]:
        """Those of all entries.

        Raises:
            SourceError: a field is unknown, missing or not what it has to be, or an entry is there twice. It names the
                first of these, so that nobody has to run once for each.
        """
        if self._wrong:
            said = [why for _, why in sorted(self._wrong, key=lambda each: each[0])]
            more = [f"and {len(said) - MOST_NAMED} more"] if len(said) > MOST_NAMED else []
            raise self._place.refusal("; ".join([*said[:MOST_NAMED], *more]))
        return self._assignments

    def _claim(self, key: str, where: str, *, has_id: bool) -> None:
        if key in self._known:
            what = "has the same id as" if has_id else "has the same course and title as"
            remedy = "" if has_id else "; give each an id"
            raise ValueError(f"it {what} {self._known[key]}{remedy}")
        self._known[key] = where


def check_field(name: str) -> None:
    """Raises ValueError with a sentence for a field that there is not."""
    if name not in FIELDS:
        near = get_close_matches(name.lower(), FIELDS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(FIELDS)}"
        raise ValueError(f"there is no field '{one_line(name, 40)}'; {hint}")


class _Entry:
    """Reads one entry's fields. Every method raises ValueError with a sentence."""

    def __init__(self, fields: Mapping[str, Any], zone: tzinfo) -> None:
        self._fields = fields
        self._zone = zone

    def assignment(self, source: str) -> Assignment:
        title, course = one_line(self.text("title"), 200), one_line(self.text("course"), 200)
        if not title:
            raise ValueError("it has no title")
        return Assignment(
            source=source,
            key=self.text("id") or "no-id-" + sha256(f"{course}\0{title}".encode()).hexdigest()[:16],
            title=title,
            due_at=self._due(),
            course=course or None,
            description=cut_characters(clean(self.text("notes")), 4000),
            url=self._url(),
            points=self._number("points"),
            weight=self._number("weight"),
            effort_hours=self._number("effort_hours"),
            done=self._yes_or_no("done"),
        )

    def text(self, name: str) -> str:
        value = self._fields.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise ValueError(f"{name} has to be text, in quotes")  # noqa: TRY004  one kind of refusal for all
        return "" if value is None else str(value).strip()

    def _number(self, name: str) -> float | None:
        value = self._fields.get(name)
        if isinstance(value, str):
            text = value.strip()
            if not text:
                return None
            value = float(text.replace(",", ".")) if re.fullmatch(r"[0-9]{1,9}(?:[.,][0-9]{1,9})?", text) else text
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST[name]:
            raise ValueError(f"{name} has to be a number from 0 to {_MOST[name]:g}, not {_shown(value)}")
        return float(value)

    def _yes_or_no(self, name: str) -> bool | None:
        value = self._fields.get(name)
        if isinstance(value, bool):
            return value
        word = value.strip().lower() if isinstance(value, str) else value
        if word in (None, ""):
            return False
        if word in _YES or word in _NO:
            return word in _YES
        raise ValueError(f"{name} has to be true or false, not {_shown(value)}")

    def _url(self) -> str | None:
        url = self.text("url")
        if url and not re.fullmatch(r"https?://[!-~]{1,2000}", url, re.IGNORECASE):
            raise ValueError(f"url has to begin with https:// or http:// and have no blanks, not {_shown(url)}")
        return url or None

    def _due(self) -> datetime | None:
        value = self._fields.get("due")
        if isinstance(value, str):
            return self._due_from_text(value.strip())
        if value is None:
            return None
        if isinstance(value, datetime):
            return utc(value if value.tzinfo else value.replace(tzinfo=self._zone))
        if isinstance(value, date):
            return end_of_day(value, self._zone)
        raise ValueError(f"due has to be a date like {_DUE_SAMPLE}, not {_shown(value)}")

    def _due_from_text(self, text: str) -> datetime | None:
        if not text:
            return None
        try:
            return dates.parse(text, self._zone)[1]
        except ValueError:
            raise ValueError(f"due has to be a date like {_DUE_SAMPLE}, not {_shown(text)}") from None


def _shown(value: Any) -> str:
    return f"'{value:%H:%M}'" if isinstance(value, time) else f"'{one_line(str(value), 60)}'"
