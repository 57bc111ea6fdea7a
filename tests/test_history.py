from dataclasses import replace
from datetime import timedelta

import pytest

from gradent_cli.database import open_database
from gradent_cli.errors import StateError
from gradent_cli.history import History
from gradent_cli.records import Delivery, Message, Run, ToolCall
from tests.street.clock import NOW

RUN = Run(id="20261123-090000-aaaa", trigger="manual", status="running", agent="study", started_at=NOW)
CALL = ToolCall(id="1", tool="check", title="Check assignments", status="started", started_at=NOW)
MESSAGE = Message(
    id="m1", event="completed", title="t", text="x", priority=3, tags=(), created_at=NOW, run_id=RUN.id
)  # fmt: skip


@pytest.fixture
def history(tmp_path):
    return History(open_database(tmp_path / "gradent.db"))


def ended(number, status="success", **changes):
    """A run that began `number` hours after NOW and took a minute."""
    at = NOW + timedelta(hours=number)
    return replace(
        RUN, id=f"run-{number}", status=status, started_at=at, finished_at=at + timedelta(minutes=1), **changes
    )


def test_a_run_reads_back_whole(history):
    """What went in comes out: the run, its tools in order, its deliveries."""
    history.add(RUN)
    history.tool(RUN.id, CALL)
    done = replace(
        CALL, status="completed", finished_at=NOW + timedelta(seconds=1), result="11", details=("a", "b"), changed=False
    )
    history.tool(RUN.id, done)
    history.will_send(MESSAGE, ["ntfy", "discord"])
    history.delivered([Delivery(message_id="m1", channel="ntfy", event="completed", status="sent", attempts=1)])
    finished = replace(
        RUN, status="success", finished_at=NOW + timedelta(seconds=2), summary="fine", exit_code=0, output_tail="tail"
    )
    history.finish(finished)
    deliveries = (
        Delivery(message_id="m1", channel="ntfy", event="completed", status="sent", attempts=1),
        Delivery(message_id="m1", channel="discord", event="completed", status="pending"),
    )
    assert history.get(RUN.id) == replace(finished, tools=(done,), deliveries=deliveries)
    assert history.pending_deliveries() == 1


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


def test_a_vanished_run_becomes_interrupted(history):
    """A killed predecessor is closed with all that it left open; ended runs stay as they are."""
    history.add(ended(0))
    history.add(RUN)
    history.tool(RUN.id, CALL)
    history.will_send(MESSAGE, ["ntfy"])
    assert history.close_vanished(NOW) == 1
    run = history.get(RUN.id)
    assert (run.status, run.tools[0].status, run.deliveries[0].status) == ("interrupted", "failed", "failed")
    assert "ended without a word" in run.error
    assert history.get("run-0").status == "success"
    assert history.close_vanished(NOW) == 0


def test_what_an_ended_run_did_not_send_is_given_up(history):
    """Killed while it was sending: its outcome stands, its messages do not stay pending for ever."""
    history.add(ended(0))
    history.will_send(replace(MESSAGE, run_id="run-0"), ["ntfy"])
    assert history.close_vanished(NOW) == 0
    assert history.pending_deliveries() == 0
    assert history.get("run-0").deliveries[0].error == "its run ended before it was sent"


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


def test_failing_since_counts_the_unbroken_row(history):
    """The first failure after the newest success; skipped runs do not break the row."""
    assert history.failing_since() is None
    for number, status in enumerate(["failure", "success", "failure", "skipped", "timeout"]):
        history.add(ended(number, status))
    assert history.failing_since() == NOW + timedelta(hours=2)
    history.add(ended(9))
    assert history.failing_since() is None


def test_facts_are_replaced(history):
    """A fact has one value: the last."""
    assert history.fact("path") is None
    history.remember("path", "/bin")
    history.remember("path", "/usr/bin")
    assert history.fact("path") == "/usr/bin"
