"""Every message before it is sent, and what became of it on each channel: the tables messages, deliveries, channels.

A delivery is `pending` until its channel took it, a message that stands for several took its place, or the service
said that it never will. A channel that refused for good is left alone until its settings change, but for one try a
day: what it was not given meanwhile is kept, and comes when it takes messages again.

A crash between sending and marking sends a message twice, and never loses one.
"""

import json
import sqlite3
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from gradent_cli.annotations import StrPath
from gradent_cli.database import after_commit, open_database, reading, to_moment, to_text, transaction
from gradent_cli.dataclass import dataclass
from gradent_cli.errors import StateError
from gradent_cli.records import Delivery, Message

KNOCK = timedelta(days=1)
"""A channel that refused for good gets one try this often: who repairs it at the far end need not tell gradent."""
_GONE = "this channel is not configured any more"
_MAY_GO = """
    status = 'pending' AND (not_before IS NULL OR not_before <= :now)
    AND channel NOT IN (SELECT name FROM channels WHERE closed_until > :now)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits for one channel, and why.

    `refused` is the reason of a channel that takes nothing until its settings change, `since` when that began;
    `closed_until` is when it is tried next, None for the next run. `reason` is why the oldest waits.
    """

    channel: str
    waiting: int
    oldest_at: datetime | None
    reason: str
    refused: str | None = None
    since: datetime | None = None
    closed_until: datetime | None = None


class Outbox:
    """The messages of one state directory.

    Every method that writes is one transaction, or a part of the one around it. All but those of the ledger raise
    StateError when the database cannot be read or written.

    Args:
        path: of the same database; channels mark what they sent from their own threads, through a connection of theirs.
        clock: gives the present moment.
        trouble: told in words when the ledger cannot be written.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: StrPath,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        trouble: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._path = path
        self._clock = clock
        self._trouble = trouble
        self._identities: Mapping[str, str] = {}
        self._mutex = allocate_lock()
        self._second: sqlite3.Connection | None = None
        self._unsettled: deque[tuple[Delivery, str | None, float | None]] = deque()

    # ── what waits ──

    def open(self, identities: Mapping[str, str], *, complete: bool = True) -> None:
        """Say which channels there are (name -> identity) before anything else.

        What waited for a channel that is gone is given up; one that was mended, or may be tried again, gets what
        it missed. What is held is judged anew: the hours may be others now, or the clock.

        Args:
            complete: these are all that the config names; else it is not known of another one that it is gone.
        """
        self._identities = dict(identities)
        now = self._clock()
        marks = ", ".join("?" * len(identities))
        with transaction(self._connection):
            for row in reading(self._connection, "SELECT * FROM channels"):
                if not complete and row["name"] not in identities:
                    continue
                mended = identities.get(row["name"]) != row["identity"]
                until = to_moment(row["closed_until"])
                # One further away than it can be was set by a clock that has been put back.
                if mended or until is None or not now < until <= now + 2 * KNOCK:
                    _readmit(self._connection, row["name"], forget=mended or row["refused"] is None)
            self._connection.execute(
                "UPDATE deliveries SET not_before = NULL WHERE status = 'pending' AND not_before IS NOT NULL"
            )
            if complete:
                self._connection.execute(
                    "UPDATE deliveries SET status = 'failed', error = ?"
                    f" WHERE status = 'pending' AND channel NOT IN ({marks})",
                    (_GONE, *identities),
                )

    def put(self, message: Message) -> None:
        """Keep a message for every channel. Kept already, it stays as it is."""
        with transaction(self._connection):
            self._insert(message)
            refused = self._refused()
            self._connection.executemany(
                "INSERT OR IGNORE INTO deliveries (run_number, message_id, channel, event, status, error, shut_out)"
                " VALUES ((SELECT number FROM runs WHERE id = ?), ?, ?, ?, ?, ?, ?)",
                [
                    (
                        message.run_id,
                        message.id,
                        channel,
                        message.event,
                        "failed" if channel in refused else "pending",
                        refused.get(channel),
                        channel in refused,
                    )
                    for channel in self._identities
                ],
            )

    def when_kept(self, call: Callable[[], None]) -> None:
        """Call it once what was put is on disk."""
        after_commit(self._connection, call)

    def waiting(self, channel: str) -> list[Message]:
        """What this channel may be given now, oldest first; nothing while it is closed."""
        rows = reading(
            self._connection,
            "SELECT messages.* FROM deliveries JOIN messages ON messages.id = message_id"
            f" WHERE channel = :channel AND {_MAY_GO} ORDER BY deliveries.number",
            {"channel": channel, "now": to_text(self._clock())},
        )
        return [_message(row) for row in rows]

    def ready(self) -> set[tuple[str, str]]:
        """Channel and id of all that `waiting` would have."""
        channels, named = self._named()
        rows = reading(
            self._connection,
            f"SELECT channel, message_id FROM deliveries WHERE channel IN ({channels}) AND {_MAY_GO}",
            {"now": to_text(self._clock()), **named},
        )
        return {(row["channel"], row["message_id"]) for row in rows}

    def may_go(self, message_id: str) -> set[str]:
        """The channels for which `waiting` would have this one, without looking at all the others."""
        rows = reading(
            self._connection,
            f"SELECT channel FROM deliveries WHERE message_id = :id AND {_MAY_GO}",
            {"id": message_id, "now": to_text(self._clock())},
        )
        return {row["channel"] for row in rows}

    def stood_for(self, channel: str) -> dict[str, list[Message]]:
        """What each message that waits for this channel, and stands for others there, stands for: by its id."""
        rows = reading(
            self._connection,
            "SELECT messages.*, told.folded_into FROM deliveries AS fold"
            " CROSS JOIN deliveries AS told ON told.folded_into = fold.message_id AND told.channel = fold.channel"
            " JOIN messages ON messages.id = told.message_id"
            " WHERE fold.status = 'pending' AND fold.channel = ? ORDER BY fold.number, told.number",
            channel,
        )
        found: dict[str, list[Message]] = {}
        for row in rows:
            found.setdefault(row["folded_into"], []).append(_message(row))
        return found

    def hold(self, channel: str, held: Iterable[tuple[str, datetime, str]]) -> None:
        """Keep messages back: (id, until when, why)."""
        with transaction(self._connection):
            self._connection.executemany(
                "UPDATE deliveries SET not_before = ?, error = ? WHERE message_id = ? AND channel = ?"
                " AND status = 'pending'",
                [(to_text(until), why, id, channel) for id, until, why in held],
            )

    def fold(self, channel: str, into: Message, ids: Sequence[str]) -> None:
        """Let one message stand for several on this channel."""
        with transaction(self._connection):
            folding = set(ids)
            stood_for = {
                row["folded_into"]
                for row in reading(
                    self._connection,
                    "SELECT told.folded_into, told.message_id FROM deliveries AS fold"
                    " CROSS JOIN deliveries AS told ON told.folded_into = fold.message_id"
                    " AND told.channel = fold.channel WHERE fold.status = 'pending' AND fold.channel = ?",
                    channel,
                )
                if row["message_id"] in folding
            }
            self._insert(into)
            self._connection.execute(
                "INSERT OR IGNORE INTO deliveries (run_number, message_id, channel, event, status)"
                " VALUES ((SELECT number FROM runs WHERE id = ?), ?, ?, ?, 'pending')",
                (into.run_id, into.id, channel, into.event),
            )
            self._connection.executemany(
                "UPDATE deliveries SET status = 'folded', error = NULL, not_before = NULL, folded_into = ?"
                " WHERE message_id = ? AND channel = ?",
                [(into.id, id, channel) for id in ids],
            )
            # What stood for some of these until now stands for nothing any more.
            self._connection.executemany(
                "DELETE FROM deliveries WHERE message_id = ? AND channel = ? AND status = 'pending'",
                [(id, channel) for id in stood_for - {into.id}],
            )

    def sent_between(self, since: datetime, until: datetime) -> dict[str, int]:
        """How many messages each channel took from then to then; a channel that took none is left out."""
        channels, named = self._named()
        rows = reading(
            self._connection,
            f"SELECT channel, count(*) AS sent FROM deliveries WHERE status = 'sent' AND channel IN ({channels})"
            " AND sent_at >= :since AND sent_at < :until GROUP BY channel",
            {"since": to_text(since), "until": to_text(until), **named},
        )
        return {row["channel"]: row["sent"] for row in rows}

    def _named(self) -> tuple[str, dict[str, str]]:
        """The configured channels, for SQL."""
        named = {f"channel{place}": channel for place, channel in enumerate(self._identities)}
        return ", ".join(f":{name}" for name in named), named

    # ── what a person is shown ──

    def pending(self) -> int:
        """How many deliveries are neither sent nor given up, nor told by another message."""
        return int(reading(self._connection, "SELECT count(*) FROM deliveries WHERE status = 'pending'")[0][0])

    def backlogs(self) -> tuple[Backlog, ...]:
        """The channels that something waits for, or that take nothing, by name."""
        waiting = {
            row["channel"]: row
            for row in reading(
                self._connection,
                # Two questions, for which there is an index each.
                "SELECT channel, count(*) AS waiting, min(number) AS first FROM ("
                "SELECT channel, number FROM deliveries WHERE status = 'pending' UNION ALL"
                " SELECT channel, number FROM deliveries WHERE status = 'failed' AND shut_out = 1) GROUP BY channel",
            )
        }
        closed = {row["name"]: row for row in reading(self._connection, "SELECT * FROM channels")}
        backlogs = []
        for name in sorted({*waiting, *closed}):
            count, first = (waiting[name]["waiting"], waiting[name]["first"]) if name in waiting else (0, None)
            oldest = reading(
                self._connection,
                "SELECT created_at, error FROM deliveries JOIN messages ON messages.id = message_id WHERE number = ?",
                first,
            )
            door = closed.get(name)
            backlogs.append(
                Backlog(
                    channel=name,
                    waiting=count,
                    oldest_at=to_moment(oldest[0]["created_at"]) if oldest else None,
                    reason=(oldest[0]["error"] or "") if oldest else "",
                    refused=door["refused"] if door else None,
                    since=to_moment(door["since"]) if door else None,
                    closed_until=to_moment(door["closed_until"]) if door else None,
                )
            )
        return tuple(backlogs)

    def reopen(self, channel: str) -> None:
        """This channel was seen to take messages: what it was not given comes with the next run."""
        with transaction(self._connection):
            _readmit(self._connection, channel, forget=True)

    # ── the ledger, in the channels' threads ──

    def all_waiting(self) -> set[tuple[str, str]]:
        """See `notify.Ledger`. Where it cannot be looked up each is asked for by itself."""
        with self._mutex, suppress(StateError):
            rows = reading(self._marking(), "SELECT message_id, channel FROM deliveries WHERE status = 'pending'")
            return {(row["message_id"], row["channel"]) for row in rows}
        return set()

    def still_waiting(self, message_id: str, channel: str) -> bool:
        """See `notify.Ledger`. Where it cannot be looked up it counts as waiting: rather twice than never."""
        with self._mutex:
            try:
                found = reading(
                    self._marking(),
                    "SELECT status FROM deliveries WHERE message_id = ? AND channel = ?",
                    message_id,
                    channel,
                )
                # One that could not be kept is nowhere; one that was, and has no delivery, another one stands for.
                kept = found or reading(self._marking(), "SELECT 1 FROM messages WHERE id = ?", message_id)
            except StateError:
                return True
        return found[0]["status"] == "pending" if found else not kept

    def settle(self, delivery: Delivery, *, permanent: str | None, retry_after: float | None) -> None:
        """See `notify.Ledger`. What cannot be written down is tried again with the next one, and by `catch_up`.

        What comes while another thread waits for the disk is written down all at once by the next one.
        """
        self._unsettled.append((delivery, permanent, retry_after))
        with self._mutex:
            self._write_down()

    def catch_up(self) -> None:
        """Write down what could not be when it happened."""
        if not self._unsettled:
            return
        with self._mutex:
            self._write_down()
            for delivery, _, _ in self._unsettled:
                if delivery.status == "sent":
                    self._trouble(
                        f"not on record that {delivery.channel} was sent '{delivery.event}': it may come again"
                    )

    def _write_down(self) -> None:
        number = len(self._unsettled)  # more may come from other threads at any moment, always at the end
        if number == 0:
            return
        try:
            connection = self._marking()
            with transaction(connection):
                for place in range(number):
                    self._settle(connection, *self._unsettled[place])
        except StateError as error:
            self._trouble(f"not on record how {self._unsettled[0][0].event!r} fared: {error.message}")
            return
        for _ in range(number):
            self._unsettled.popleft()

    def _settle(
        self, connection: sqlite3.Connection, delivery: Delivery, permanent: str | None, retry_after: float | None
    ) -> None:
        now = self._clock()
        connection.execute(
            "UPDATE deliveries SET status = ?, attempts = attempts + ?, error = ?, sent_at = ?, not_before = NULL,"
            " shut_out = 0 WHERE message_id = ? AND channel = ? AND (status = 'pending' OR ? = 'sent')",
            (
                delivery.status,
                delivery.attempts,
                delivery.error,
                to_text(now) if delivery.status == "sent" else None,
                delivery.message_id,
                delivery.channel,
                delivery.status,
            ),
        )
        if delivery.status == "sent":
            if reading(connection, "SELECT 1 FROM channels WHERE name = ?", delivery.channel):
                _readmit(connection, delivery.channel, forget=True)
        elif permanent == "channel":
            connection.execute(
                "UPDATE deliveries SET status = 'failed', shut_out = 1, error = ? WHERE channel = ?"
                " AND (status = 'pending' OR message_id = ?)",
                (delivery.error, delivery.channel, delivery.message_id),
            )
            self._close(connection, delivery.channel, now + KNOCK, refused=delivery.error)
        elif retry_after is not None:
            self._close(connection, delivery.channel, now + timedelta(seconds=min(retry_after, 86_400.0)))

    def _close(
        self, connection: sqlite3.Connection, channel: str, until: datetime, *, refused: str | None = None
    ) -> None:
        connection.execute(
            "INSERT INTO channels (name, identity, refused, since, closed_until) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET identity = excluded.identity, refused = excluded.refused,"
            " closed_until = excluded.closed_until",
            (channel, self._identities.get(channel, ""), refused, to_text(self._clock()), to_text(until)),
        )

    def _marking(self) -> sqlite3.Connection:
        if self._second is None:
            self._second = open_database(self._path, any_thread=True)
        return self._second

    # ── rows and records ──

    def _insert(self, message: Message) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO messages (id, run_number, run_id, event, title, text, priority, tags, failure,"
            " created_at) VALUES (?, (SELECT number FROM runs WHERE id = ?), ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                message.id,
                message.run_id,
                message.run_id,
                message.event,
                message.title,
                message.text,
                message.priority,
                json.dumps(message.tags),
                message.failure,
                to_text(message.created_at),
            ),
        )

    def _refused(self) -> dict[str, str]:
        rows = reading(
            self._connection,
            "SELECT name, refused FROM channels WHERE refused IS NOT NULL AND closed_until > ?",
            to_text(self._clock()),
        )
        return {row["name"]: row["refused"] for row in rows}


def _readmit(connection: sqlite3.Connection, channel: str, *, forget: bool) -> None:
    connection.execute(
        "UPDATE deliveries SET status = 'pending', shut_out = 0 WHERE status = 'failed' AND shut_out = 1"
        " AND channel = ?",
        (channel,),
    )
    if forget:
        connection.execute("DELETE FROM channels WHERE name = ?", (channel,))
    else:
        connection.execute("UPDATE channels SET closed_until = NULL WHERE name = ?", (channel,))


def _message(row: sqlite3.Row) -> Message:
    return Message(
        id=row["id"],
        event=row["event"],
        title=row["title"],
        text=row["text"],
        priority=row["priority"],
        tags=tuple(json.loads(row["tags"])),
        created_at=datetime.fromisoformat(row["created_at"]),
        run_id=row["run_id"],
        failure=bool(row["failure"]),
    )
