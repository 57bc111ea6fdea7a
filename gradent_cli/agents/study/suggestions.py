"""What was suggested, and what became of it: told once, answered, or true no more."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from gradent_cli.agents.study.records import Suggestion
from gradent_cli.database import reading, to_moment, to_text, transaction
from gradent_cli.records import SuggestionStatus

AT_MOST = 5
"""So many suggestions are told in a day, but for more pressing ones."""
FORGET_AFTER = timedelta(days=7)
"""A suggestion that has not been true for so long is told again when it comes true again."""
FORGET_ANSWER_AFTER = timedelta(days=180)
"""The same of one that the student dismissed or called done."""
_TOLD_FOR = timedelta(days=1)
_LAST_NUMBER = "last_suggestion"


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


class Suggestions:
    """The table of suggestions.

    Args:
        connection: from `database.open_database`; the caller closes it.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

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
            known = {each.suggestion.key: each for each in self.all(everything=True)}
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
            self._settle(each.suggestion.key for each in self.all() if each.suggestion.assignment_id == assignment_id)

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
            for each in self.all(everything=True):
                if name in (each.suggestion.key, str(each.number)):
                    self._connection.execute(
                        "UPDATE suggestions SET status = ?, answered_at = ? WHERE key = ?",
                        (status, to_text(now), each.suggestion.key),
                    )
                    return replace(each, status=status, answered=True)
        return None

    def all(self, *, everything: bool = False) -> tuple[Advice, ...]:
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
        last_true_at=datetime.fromisoformat(row["last_true_at"]),
        answered=row["answered_at"] is not None,
    )
