"""What is on disk of every message, also after the worst of moments."""

import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gradent_cli.database import open_database, transaction
from gradent_cli.history import History
from gradent_cli.outbox import Outbox
from gradent_cli.records import Delivery, Message, Run
from tests.street.clock import NOW, Clock
from tests.street.phone import message

HOUR = timedelta(hours=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gradent.db"


@pytest.fixture
def outbox(path: Path) -> Outbox:
    """Of two channels."""
    outbox = Outbox(open_database(path), path, clock=Clock())
    outbox.open({"ntfy": "1", "discord": "2"})
    return outbox


def sent(id: str, channel: str = "ntfy", status: Any = "sent", error: str | None = None) -> Delivery:
    return Delivery(message_id=id, channel=channel, event="tool", status=status, attempts=1, error=error)


def test_a_message_reads_back_as_it_was(outbox: Outbox) -> None:
    """Every field, in the order of telling."""
    whole = Message(
        id="m", event="failed", title="❌ ‹x›", text="a\nb", priority=5, tags=("x", "warning"), created_at=NOW,
        run_id="r", failure=True,
    )  # fmt: skip
    plain = message("n", run_id=None)
    outbox.put(whole)
    outbox.put(plain)
    assert outbox.waiting("ntfy") == outbox.waiting("discord") == [whole, plain]
    assert outbox.may_go("m") == {"ntfy", "discord"}
    assert outbox.may_go("x") == set()
    assert outbox.ready() == {(channel, id) for channel in ("ntfy", "discord") for id in ("m", "n")}
    assert outbox.pending() == 4


def test_each_channel_is_marked_by_itself(outbox: Outbox) -> None:
    """With its attempts and its reason."""
    outbox.put(message("m"))
    outbox.settle(sent("m", status="pending", error="no network"), permanent=None, retry_after=None)
    outbox.settle(sent("m"), permanent=None, retry_after=None)
    outbox.settle(sent("m", "discord", "pending", "no answer"), permanent=None, retry_after=None)
    assert (outbox.waiting("ntfy"), outbox.pending()) == ([], 1)
    assert outbox.ready() == {("discord", "m")}
    assert outbox.sent_between(NOW, NOW + HOUR) == {"ntfy": 1}
    assert outbox.sent_between(NOW - HOUR, NOW) == {}
    (backlog,) = outbox.backlogs()
    assert (backlog.channel, backlog.waiting, backlog.oldest_at, backlog.reason) == ("discord", 1, NOW, "no answer")


def test_messages_belong_to_their_run(path: Path, outbox: Outbox) -> None:
    """The history shows its deliveries; gone with it, they leave nothing behind."""
    history = History(open_database(path))
    history.add(Run(id="r", trigger="cron", status="running", agent="study", started_at=NOW))
    outbox.put(message("m", run_id="r"))
    run = history.get("r")
    assert run is not None
    assert [(each.channel, each.status) for each in run.deliveries] == [("ntfy", "pending"), ("discord", "pending")]
    connection = open_database(path)
    connection.execute("DELETE FROM runs")
    assert (
        connection.execute("SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM deliveries)").fetchone()[0]
        == 0
    )


def test_what_was_sent_counts_as_sent_whatever_was_decided_meanwhile(outbox: Outbox, path: Path) -> None:
    """Another process folded it or gave it up while it was in this one's hands: it has arrived."""
    for id in ("a", "b"):
        outbox.put(message(id))
    outbox.fold("ntfy", message("f", "completed"), ("a", "b"))
    outbox.settle(sent("a"), permanent=None, retry_after=None)
    rows = open_database(path).execute("SELECT message_id, status FROM deliveries WHERE channel = 'ntfy'").fetchall()
    assert [tuple(row) for row in rows] == [("a", "sent"), ("b", "folded"), ("f", "pending")]


def test_what_stands_for_nothing_any_more_is_not_sent(outbox: Outbox) -> None:
    """A fold that was folded again is in nobody's hands; a message that was never kept may be sent."""
    for id in ("a", "b", "c"):
        outbox.put(message(id))
    outbox.fold("ntfy", message("f", "completed"), ("a", "b"))
    assert [each.id for each in outbox.stood_for("ntfy")["f"]] == ["a", "b"]
    outbox.fold("ntfy", message("g", "completed"), ("a", "b", "c"))
    assert not outbox.still_waiting("f", "ntfy")
    assert outbox.still_waiting("g", "ntfy")
    assert not outbox.still_waiting("a", "ntfy")
    assert outbox.still_waiting("a", "discord")
    assert outbox.still_waiting("never kept", "ntfy")
    assert outbox.all_waiting() == {("g", "ntfy"), *((id, "discord") for id in "abc")}
    assert [each.id for each in outbox.stood_for("ntfy")["g"]] == ["a", "b", "c"]


def test_a_message_sent_late_opens_a_channel_with_all_it_missed(outbox: Outbox) -> None:
    """It took one: it takes messages, whatever another process heard."""
    for id in ("a", "b"):
        outbox.put(message(id))
    outbox.settle(sent("a", status="failed", error="gone"), permanent="channel", retry_after=None)
    assert outbox.waiting("ntfy") == []
    assert (outbox.backlogs()[1].waiting, outbox.backlogs()[1].refused) == (2, "gone")
    outbox.settle(sent("b"), permanent=None, retry_after=None)
    assert [each.id for each in outbox.waiting("ntfy")] == ["a"]


def test_what_could_not_be_marked_is_marked_with_the_next(path: Path) -> None:
    """The trouble is told, and after `catch_up` only what may come again."""
    troubles: list[str] = []
    outbox = Outbox(open_database(path), path, clock=Clock(), trouble=troubles.append)
    outbox.open({"ntfy": "1"})
    for id in ("a", "b"):
        outbox.put(message(id))
    outbox._second = open_database(path, any_thread=True)
    outbox._second.execute("PRAGMA query_only = ON")
    outbox.settle(sent("a"), permanent=None, retry_after=None)
    outbox.catch_up()
    assert [text.split(":")[0] for text in troubles] == [
        "not on record how 'tool' fared", "not on record how 'tool' fared", "not on record that ntfy was sent 'tool'"
    ]  # fmt: skip
    outbox._second.execute("PRAGMA query_only = OFF")
    outbox.settle(sent("b"), permanent=None, retry_after=None)
    assert outbox.waiting("ntfy") == []


def test_what_comes_at_once_is_written_down_at_once(outbox: Outbox, path: Path) -> None:
    """A hundred channels that are done at the same moment do not wait for the disk a hundred times."""
    ids = [f"m{number}" for number in range(20)]
    for id in ids:
        outbox.put(message(id))
    threads = [
        threading.Thread(target=outbox.settle, args=(sent(id),), kwargs={"permanent": None, "retry_after": None})
        for id in ids
    ]
    other, before = open_database(path), commits(path)
    with transaction(other):  # nobody else can write
        for thread in threads:
            thread.start()
        while len(outbox._unsettled) < len(ids):
            threading.Event().wait(0.002)
    for thread in threads:
        thread.join()
    assert (outbox.waiting("ntfy"), len(outbox.waiting("discord"))) == ([], 20)
    assert commits(path) - before <= 2, "whoever came first, and all the others together"


def commits(path: Path) -> int:
    """SQLite counts them: https://www.sqlite.org/fileformat.html#file_change_counter.

    Not to be asked while the file is locked: whoever closes it takes away the locks of all this process.
    """
    return int.from_bytes(path.read_bytes()[24:28], "big")


PROGRAM = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from gradent_cli.database import after_commit, open_database, transaction
from gradent_cli.history import History
from gradent_cli.outbox import Outbox
from gradent_cli.records import Run
from tests.street.phone import message

path, how = Path(sys.argv[1]), sys.argv[2]
now = datetime.now(UTC)
connection = open_database(path)
outbox = Outbox(connection, path)
outbox.open({"ntfy": "1"})
history = History(connection)
if how.isdecimal():
    left = [int(how)]
    def strike(statement):
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)
    connection.set_trace_callback(strike)
with history.together():
    history.add(Run(id="r", trigger="cron", status="running", agent="study", started_at=now))
    outbox.put(message("m", run_id="r"))
    outbox.when_kept(lambda: os._exit(9) if how == "after" else None)
    outbox.when_kept(lambda: print("sent"))
"""


@pytest.mark.parametrize("how", ["after", "0", "1", "2", "3", "4", "5", "99"])
def test_what_is_done_and_what_is_told_are_saved_as_one(path: Path, how: str) -> None:
    """Killed at any statement there is both or neither; and nothing was sent that is not kept."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), how], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == (0 if how == "99" else 9), done.stderr
    connection = open_database(path)
    runs, kept = (connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("runs", "deliveries"))
    assert runs == kept
    assert (kept == 1) is (how in ("after", "99"))
    assert done.stdout == ("sent\n" if how == "99" else "")


def test_an_inner_failure_undoes_the_whole(outbox: Outbox, path: Path) -> None:
    """A part that cannot be written takes what it belongs to with it."""
    connection = outbox._connection
    with pytest.raises(ZeroDivisionError), transaction(connection):
        outbox.put(message("a"))
        with transaction(connection):
            outbox.put(message("b"))
            raise ZeroDivisionError
    assert outbox.pending() == 0
    assert outbox.waiting("ntfy") == []
