"""What is failing now, and what of it was told: the table failures, which outlives the processes that run.

It is empty while all is well. The first success empties it, and says what it held.
"""

import re
import sqlite3
from datetime import datetime, timedelta

from gradent_cli.database import reading, to_moment, to_text, transaction
from gradent_cli.records import Failing, Run, ToolCall

_CHANGING = (
    (r"https?://\S+", "<url>"),
    (r"(?<![\w.])(?:~|\.{1,2})?/[^\s'\",:;)]+", "<path>"),
    (r"\b\d{4}-\d\d-\d\d(?:[t ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:z|[+-]\d\d:?\d\d)?\b", "<time>"),
    (r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", "<id>"),
    (r"\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{6,}\b", "<id>"),
    (
        r"(?<!\d)(?!(?<![\w.,:])[45]\d\d(?!\w|[.,:]\d|\s?(?:ms|s|sec|min|[kmg]?b|bytes)\b))\d+(?:[.,:]\d+)*",
        "<n>",
    ),
)
"""In this order; a number that looks like an HTTP error (404, 503) stays, for it says which failure this is."""
_LONGEST = 500
_MOST = 200
"""Different failures that are remembered one by one."""
_READ = 4000
"""Characters of an error that are looked at."""


_TOOL = "tool "
"""How the signatures of failed tools begin. They are no failed runs and do not count as such."""


def signature(run: Run) -> str:
    """What makes two failures the same: how the run ended and its error, without what differs each time.

    Numbers, times, paths, addresses and ids are left out, so that "timeout after 31 s (request 8f3a91c2)" is no other
    failure than the one of an hour before. The program's exit code stays.
    """
    code = "" if run.exit_code is None else f" {run.exit_code}"
    return f"{run.status}{code}: {_steady(run.error)}"


def _steady(error: str | None) -> str:
    text = " ".join((error or "")[:_READ].lower().split())
    for changing, instead in _CHANGING:
        text = re.sub(changing, instead, text)
    return text[:_LONGEST]


def _tool_signature(call: ToolCall) -> str:
    return f"{_TOOL}{call.tool[:_LONGEST]}: {_steady(call.error)}"


class Failures:
    """The failures of one state directory; a run that was interrupted is none.

    All methods raise StateError when the database cannot be used.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, run: Run, remind_every: timedelta) -> bool:
        """One more failed run. Returns whether it is news: another failure than before, or time for a reminder."""
        return self._add(signature(run), run.started_at, run.finished_at or run.started_at, remind_every)

    def add_tool(self, call: ToolCall, remind_every: timedelta) -> bool:
        """A tool failed. Returns whether that is news, as for a run; the first run that succeeds forgets it."""
        return self._add(_tool_signature(call), call.started_at, call.finished_at or call.started_at, remind_every)

    def _add(self, key: str, first_at: datetime, at: datetime, remind_every: timedelta) -> bool:
        known = reading(self._connection, "SELECT told_at FROM failures WHERE signature = ?", key)
        with transaction(self._connection):
            self._connection.execute(
                "INSERT INTO failures (signature, first_at, last_at, count) VALUES (?, ?, ?, 1)"
                " ON CONFLICT (signature) DO UPDATE SET last_at = excluded.last_at, count = count + 1",
                (key, to_text(first_at), to_text(at)),
            )
            self._make_room()
        told_at = to_moment(known[0]["told_at"]) if known else None
        # A reminder in the future was set by a clock that has been put back.
        return told_at is None or not told_at <= at < told_at + remind_every

    def _make_room(self) -> None:
        """Who fails with other words each time, and for ever, is remembered by the newest; of the others the sum."""
        query = "SELECT * FROM failures WHERE signature LIKE ? ORDER BY last_at DESC LIMIT -1 OFFSET ?"
        for row in reading(self._connection, query, f"{_TOOL}%", _MOST):
            self._connection.execute("DELETE FROM failures WHERE signature = ?", (row["signature"],))
        query = query.replace("LIKE ?", "<> '' AND signature NOT LIKE ?")
        for row in reading(self._connection, query, f"{_TOOL}%", _MOST):
            self._connection.execute(
                "INSERT INTO failures (signature, first_at, last_at, told_at, count) VALUES ('', ?, ?, ?, ?)"
                " ON CONFLICT (signature) DO UPDATE SET first_at = min(first_at, excluded.first_at),"
                " last_at = max(last_at, excluded.last_at), count = count + excluded.count,"
                " told_at = coalesce(excluded.told_at, told_at)",
                (row["first_at"], row["last_at"], row["told_at"], row["count"]),
            )
            self._connection.execute("DELETE FROM failures WHERE signature = ?", (row["signature"],))

    def told(self, run: Run) -> None:
        """Somebody is told of this one."""
        self._told(signature(run), run.finished_at or run.started_at)

    def told_tool(self, call: ToolCall) -> None:
        """The same of a failed tool."""
        self._told(_tool_signature(call), call.finished_at or call.started_at)

    def _told(self, key: str, at: datetime) -> None:
        with transaction(self._connection):
            self._connection.execute("UPDATE failures SET told_at = ? WHERE signature = ?", (to_text(at), key))

    def now(self) -> Failing | None:
        """What is failing; None when all is well."""
        (row,) = reading(
            self._connection,
            "SELECT min(first_at) AS since, sum(count) AS count, max(told_at) AS told FROM failures"
            " WHERE signature NOT LIKE ?",
            f"{_TOOL}%",
        )
        since = to_moment(row["since"])
        return None if since is None else Failing(since=since, count=row["count"], told=row["told"] is not None)

    def over(self) -> Failing | None:
        """A run succeeded: what it put an end to, and nothing is failing any more."""
        failing = self.now()
        with transaction(self._connection):
            self._connection.execute("DELETE FROM failures")
        return failing
