import json
from datetime import UTC, datetime, timedelta

import pytest

from gradent_cli.database import open_database
from gradent_cli.history import History
from gradent_cli.outbox import Outbox
from gradent_cli.records import Delivery, Message, Run, ToolCall
from tests.street.clock import NOW


@pytest.fixture
def past(home, config):
    """Two hours of history: a failure, then a success with a tool and a delivery."""
    state = home / ".local/state/gradent"
    state.mkdir(parents=True)
    history = History(open_database(state / "gradent.db"))
    for number, (status, error) in enumerate([("failure", "canvas is down"), ("success", None)]):
        at = datetime.now(UTC) - timedelta(hours=2 - number)
        run = Run(
            id=f"run-{number}", trigger="cron", status=status, agent="study", started_at=at,
            finished_at=at + timedelta(seconds=3), summary="" if error else "Planned 3 sessions", error=error,
        )  # fmt: skip
        history.add(run)
        history.finish(run)
    history.tool(
        "run-1",
        ToolCall(id="1", tool="check", title="Check assignments", status="completed", result="11 assignments",
                 details=("Essay 1",), started_at=NOW, finished_at=NOW),
    )  # fmt: skip
    message = Message(
        id="m", event="completed", title="", text="", priority=3, tags=(), created_at=NOW, run_id="run-1"
    )  # fmt: skip
    outbox = Outbox(open_database(state / "gradent.db"), state / "gradent.db")
    outbox.open({"ntfy": "1", "discord": "2"})
    outbox.put(message)
    sent = Delivery(message_id="m", channel="ntfy", event="completed", status="sent", attempts=1)
    outbox.settle(sent, permanent=None, retry_after=None)
    return history


def test_status_before_anything_ran(gradent, config):
    """Every key of the contract, nothing installed, nothing ran, nothing missed."""
    status = json.loads(gradent("status", "--json").out)
    assert {key: status[key] for key in ("enabled", "paused_until", "frequency", "cron_expression", "installed",
            "installed_line", "last_execution", "last_status", "next_execution", "missed_runs",
            "pending_deliveries")} == {
        "enabled": True, "paused_until": None, "frequency": "1hour", "cron_expression": "0 * * * *",
        "installed": False, "installed_line": None, "last_execution": None, "last_status": None,
        "next_execution": None, "missed_runs": 0, "pending_deliveries": 0,
    }  # fmt: skip


def test_status_says_what_to_do_next(gradent, config):
    """The first line names the command that is missing."""
    result = gradent("status")
    assert result.code == 0
    assert "gradent install-cron" in result.out.splitlines()[0]
    assert "gradent config set --ntfy-topic NAME" in result.out


def test_status_shows_the_last_run(gradent, past):
    """The newest run, how it ended, and what is still to be sent."""
    status = json.loads(gradent("status", "--json").out)
    assert (status["last_status"], status["last_run"], status["pending_deliveries"]) == ("success", "run-1", 1)
    assert "1 message" in gradent("status").out


def test_status_says_why_the_last_run_failed(gradent, past):
    """The reason, and the command that shows more."""
    at = datetime.now(UTC)
    past.add(
        Run(id="run-2", trigger="cron", status="failure", agent="study", started_at=at, finished_at=at, error="no room")
    )
    page = gradent("status").out
    assert "no room" in page
    assert "gradent history run-2" in page
    assert json.loads(gradent("status", "--json").out)["last_error"] == "no room"


def test_status_changes_nothing(gradent, home, config):
    """It does not even create the state."""
    gradent("status")
    gradent("history")
    assert not (home / ".local/state/gradent").exists()


def test_history_is_newest_first(gradent, past):
    """One line a run with what it said; filter and limit."""
    lines = gradent("history").out.splitlines()
    assert [line.split()[0] for line in lines] == ["RUN", "run-1", "run-0"]
    assert "canvas is down" in lines[2]
    assert [run["id"] for run in json.loads(gradent("history", "--json", "--limit", "1").out)] == ["run-1"]
    assert [run["id"] for run in json.loads(gradent("history", "--json", "--status", "failure").out)] == ["run-0"]


def test_one_run_is_shown_whole(gradent, past):
    """Its tools with their lines, its deliveries with their reasons; `last` is the newest."""
    page = gradent("history", "last").out
    assert all(word in page for word in ("run-1", "Check assignments", "Essay 1", "ntfy", "discord", "pending"))
    assert json.loads(gradent("history", "run-1", "--json").out)["deliveries"][0]["channel"] == "ntfy"


@pytest.mark.parametrize(
    "arguments", [("history", "nothing"), ("history", "--limit", "0"), ("history", "--status", "x")]
)
def test_bad_questions_are_usage_errors(gradent, past, arguments):
    """Exit 2, one sentence and a hint."""
    result = gradent(*arguments)
    assert result.code == 2
    assert result.err.startswith("gradent: ")
    assert len(result.err.splitlines()) == 2
    assert "Value error" not in result.err


def test_an_empty_history_says_so(gradent, config):
    """A sentence, or an empty list."""
    assert gradent("history").out == "No run yet.\n"
    assert json.loads(gradent("history", "--json").out) == []
