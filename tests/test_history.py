import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest

from gradent_cli.database import Connection, after_commit, open_database
from gradent_cli.errors import StateError
from gradent_cli.history import History
from gradent_cli.outbox import Outbox
from gradent_cli.records import Delivery, Message, Run, ToolCall, Usage
from tests.street.clock import NOW

RUN = Run(id="20261123-090000-aaaa", trigger="manual", status="running", agent="study", started_at=NOW)
CALL = ToolCall(id="1", tool="check", title="Check assignments", status="started", started_at=NOW)
MESSAGE = Message(
    id="m1", event="completed", title="t", text="x", priority=3, tags=(), created_at=NOW, run_id=RUN.id
)  # fmt: skip


@pytest.fixture
def connection(tmp_path):
    return open_database(tmp_path / "gradent.db")


@pytest.fixture
def history(connection):
    return History(connection)


@pytest.fixture
def outbox(connection, tmp_path):
    """Of two channels."""
    outbox = Outbox(connection, tmp_path / "gradent.db", clock=lambda: NOW)
    outbox.open({"ntfy": "1", "discord": "2"})
    return outbox


def ended(number, status="success", **changes):
    """A run that began `number` hours after NOW and took a minute."""
    at = NOW + timedelta(hours=number)
    return replace(
        RUN, id=f"run-{number}", status=status, started_at=at, finished_at=at + timedelta(minutes=1), **changes
    )


def test_a_run_reads_back_whole(history, outbox):
    """What went in comes out: the run, its tools in order, its deliveries."""
    history.add(RUN)
    history.tool(RUN.id, CALL)
    done = replace(
        CALL, status="completed", finished_at=NOW + timedelta(seconds=1), result="11", details=("a", "b"), changed=False
    )
    history.tool(RUN.id, done)
    outbox.put(MESSAGE)
    sent = Delivery(message_id="m1", channel="ntfy", event="completed", status="sent", attempts=1)
    outbox.settle(sent, permanent=None, retry_after=None)
    finished = replace(
        RUN, status="success", finished_at=NOW + timedelta(seconds=2), summary="fine", exit_code=0, output_tail="tail"
    )
    history.finish(finished)
    deliveries = (
        Delivery(message_id="m1", channel="ntfy", event="completed", status="sent", attempts=1),
        Delivery(message_id="m1", channel="discord", event="completed", status="pending"),
    )
    assert history.get(RUN.id) == replace(finished, tools=(done,), deliveries=deliveries)
    assert outbox.pending() == 1


def test_ids_may_be_shortened_while_they_are_clear(history):
    """A beginning that fits one run is enough; one that fits two is none; `last` is the newest."""
    for number in (1, 2):
        history.add(ended(number))
    assert history.get("run-2").id == "run-2"
    assert history.get("last").id == "run-2"
    assert history.get("run-") is None
    assert history.get("%") is None
    assert history.get("") is None


def test_recent_is_newest_first_and_can_be_filtered(history):
    """The limit counts after the filter."""
    for number, status in enumerate(["success", "failure", "success", "timeout"]):
        history.add(ended(number, status))
    assert [run.id for run in history.recent(2)] == ["run-3", "run-2"]
    assert [run.id for run in history.recent(9, status="success")] == ["run-2", "run-0"]


def test_a_vanished_run_becomes_interrupted(history, outbox):
    """Closed with all that it left open, at the last moment that it is known to have lived; what it told waits on."""
    history.add(ended(0))
    history.add(RUN)
    history.tool(RUN.id, replace(CALL, status="completed", finished_at=NOW + timedelta(minutes=4), result="11"))
    history.tool(RUN.id, replace(CALL, id="2", started_at=NOW + timedelta(minutes=5)))
    outbox.put(MESSAGE)
    (run,) = history.close_vanished(NOW + timedelta(hours=1))
    assert run == history.get(RUN.id)
    assert (run.status, run.finished_at) == ("interrupted", NOW + timedelta(minutes=5))
    assert [(call.status, call.finished_at) for call in run.tools] == [
        ("completed", NOW + timedelta(minutes=4)), ("failed", NOW + timedelta(minutes=5))
    ]  # fmt: skip
    assert [delivery.status for delivery in run.deliveries] == ["pending", "pending"]
    assert "ended without a word" in run.error
    assert history.get("run-0").status == "success"
    assert history.close_vanished(NOW) == ()


def test_a_vanished_run_does_not_end_in_the_future(history):
    """The clock was put back since."""
    history.add(replace(RUN, started_at=NOW + timedelta(hours=5)))
    (run,) = history.close_vanished(NOW)
    assert run.finished_at == NOW


def test_what_is_saved_together_is_saved_as_one(history, connection, tmp_path):
    """In whatever table; what is to happen afterwards happens when it is on disk, or never."""
    seen = []

    def look():
        seen.append(len(History(open_database(tmp_path / "gradent.db")).recent(9)))

    with history.together():
        history.add(ended(0))
        after_commit(connection, look)
        history.add(ended(1))
        assert seen == []
    with pytest.raises(StateError), history.together():
        after_commit(connection, look)
        history.add(ended(2))
        history.add(ended(2))
    assert seen == [2]
    assert [run.id for run in history.recent(9)] == ["run-1", "run-0"]


def test_an_interrupt_right_after_the_beginning_leaves_nothing_open(tmp_path):
    """Left open, all that follows would be taken for a part of it, and never be saved."""

    class Interrupted(BaseException):
        pass

    class Struck(Connection):
        after_commit = []  # noqa: RUF012  as `open_database` gives it

        def execute(self, statement, *parameters):
            cursor = super().execute(statement, *parameters)
            if statement.startswith("BEGIN"):
                raise Interrupted
            return cursor

    open_database(tmp_path / "gradent.db").close()
    connection = sqlite3.connect(tmp_path / "gradent.db", isolation_level=None, factory=Struck)
    with pytest.raises(Interrupted):
        History(connection).add(ended(0))
    assert not connection.in_transaction
    connection.close()


def test_the_end_of_a_run_whose_beginning_is_not_on_record(history):
    """It could not be saved then: it is on record all the same, once."""
    for _ in range(2):
        history.finish(ended(0, "failure", error="no room"))
    (run,) = history.recent(9)
    assert (run.id, run.status, run.error) == ("run-0", "failure", "no room")


def test_a_database_that_cannot_be_read_is_a_state_error(history):
    """Whatever is asked, it is one sentence and never SQLite's own exception."""
    history._connection.execute("DROP TABLE runs")
    with pytest.raises(StateError, match="cannot read the state"):
        history.recent(1)


def test_previous_is_the_newest_that_worked(history):
    """A skipped or running run is not what the agent did last."""
    assert history.previous() is None
    history.add(ended(0, "failure"))
    history.add(ended(1, "skipped"))
    history.add(RUN)
    assert history.previous().id == "run-0"


def test_facts_are_replaced(history):
    """A fact has one value: the last."""
    assert history.fact("path") is None
    history.remember("path", "/bin")
    history.remember("path", "/usr/bin")
    assert history.fact("path") == "/usr/bin"


def test_what_models_have_cost_since_a_moment(history):
    """The runs that began from then on; those without a price, or before, count nothing."""
    assert history.spent(NOW) == 0
    for number, cost in ((-1, 4.0), (0, 0.5), (1, None), (2, 0.25)):
        history.add(ended(number))
        history.used(f"run-{number}", Usage(input_tokens=1, cost_usd=cost))
    assert history.spent(NOW) == 0.75
    assert history.spent(NOW + timedelta(seconds=1)) == 0.25
