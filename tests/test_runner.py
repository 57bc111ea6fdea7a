import json
import os
import signal
import sqlite3
import threading
import time
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any

import pytest

from gradent_cli import lock
from gradent_cli.database import open_database
from gradent_cli.due import Slots
from gradent_cli.errors import AgentError, ConfigError, NotifyError
from gradent_cli.history import History
from gradent_cli.notify import Dispatch
from gradent_cli.records import EVENTS, Report
from gradent_cli.runner import Tools, run_once
from gradent_cli.text import Redactor
from tests.street.clock import NOW, Clock


class Agent:
    """Does what a function does."""

    name = "study"

    def __init__(self, work=lambda context: Report(summary="fine")):
        self.work = work
        self.context = None

    def run(self, context):
        self.context = context
        return self.work(context)


@dataclass
class Phone:
    """A channel that keeps what it gets, or refuses it."""

    name: str = "phone"
    refuse: str = ""
    got: list[Any] = field(default_factory=list)

    def send(self, message):
        if self.refuse:
            raise NotifyError(self.refuse)
        self.got.append(message)


@dataclass
class Site:
    """Everything a run needs, real but for the agent and the phone."""

    history: History
    phone: Phone
    logged: list[Any]
    seen: list[Any]
    folder: object

    def run(self, agent=None, *, channels=None, **changes):
        redact = changes.pop("redact", Redactor(["s3cret-planted"]))
        tools = Tools(
            **{
                "agent": agent or Agent(),
                "history": self.history,
                "slots": Slots(
                    config=self.folder / "config.toml", state_dir=self.folder, expression="0 * * * *", zone=UTC,
                    environ={}, runs=list, installed_at=None, pause=None,
                ),
                "lock": lock.held(self.folder / "lock", now=NOW),
                "dispatch": Dispatch((self.phone,) if channels is None else channels, redact),
                "clock": Clock(tick=timedelta(seconds=1)),
                "zone": UTC,
                "log": lambda run_id, text: self.logged.append(text),
                "redact": redact,
                "watch": self.seen.append,
                "timeout": timedelta(seconds=30),
                "events": EVENTS,
                "notify_tools": ["*"],
            }
            | changes
        )  # fmt: skip
        return run_once(tools, trigger="manual")


@pytest.fixture
def site(tmp_path):
    return Site(History(open_database(tmp_path / "gradent.db")), Phone(), [], [], tmp_path)


def use_tools(context):
    with context.tools.call("check", "Check assignments") as call:
        call.done("2 assignments", details=("Essay 1",))
    with context.tools.call("assess", "Assess") as call:
        call.done("nothing new", changed=False)
    with context.tools.call("suggest", "Suggest") as call:
        call.failed("no facts")
    return Report(summary="Planned", lines=("Assessed 2 assignments",))


def test_a_run_is_recorded_and_told_in_order(site):
    """Started, each tool that has news, completed; the record holds run, tools and deliveries."""
    outcome = site.run(Agent(use_tools))
    assert outcome.exit_code == 0
    assert [message.event for message in site.phone.got] == ["started", "tool", "tool", "completed"]
    run = site.history.get(outcome.run.id)
    assert run == outcome.run
    assert (run.status, run.summary, run.trigger, run.agent) == ("success", "Planned", "manual", "study")
    assert [(call.tool, call.status) for call in run.tools] == [
        ("check", "completed"), ("assess", "completed"), ("suggest", "failed")
    ]  # fmt: skip
    assert [(d.event, d.status, d.attempts) for d in run.deliveries] == [
        ("started", "sent", 1), ("tool", "sent", 1), ("tool", "sent", 1), ("completed", "sent", 1)
    ]  # fmt: skip
    assert "Assessed 2 assignments" in site.phone.got[-1].text
    assert [call.status for call in site.seen] == ["started", "completed"] * 2 + ["started", "failed"]


def test_the_run_is_on_record_before_its_agent_starts(site):
    """A crash in the agent would leave a visible `running`."""
    seen = []
    site.run(Agent(lambda context: seen.append(site.history.get(context.run_id).status) or Report(summary="")))
    assert seen == ["running"]


def test_the_outcome_is_saved_before_it_is_told(site):
    """When the phone hears of the end, the end is on disk."""
    seen = []

    class Watching(Phone):
        def send(self, message):
            if message.event == "completed":
                other = History(open_database(site.folder / "gradent.db"))
                seen.append(other.get(message.run_id).status)

    site.run(channels=(Watching(),))
    assert seen == ["success"]


def test_the_start_is_told_while_the_agent_works(site):
    """`Agent Started` does not wait for the end of the run."""
    arrived = threading.Event()

    class Listening(Phone):
        def send(self, message):
            arrived.set()

    site.run(Agent(lambda context: Report(summary=str(arrived.wait(5)))), channels=(Listening(),))
    assert site.history.get("last").summary == "True"


@pytest.mark.parametrize(
    ("raised", "status", "code", "words"),
    [
        (AgentError("the feed is down"), "failure", 1, "the feed is down"),
        (ConfigError("no source", hint="set one"), "failure", 78, "no source (set one)"),
        (ZeroDivisionError("division by zero"), "failure", 1, "the agent crashed: ZeroDivisionError: division by zero"),
    ],
)
def test_whatever_an_agent_raises_is_a_failure_that_is_told(site, raised, status, code, words):
    """The error is the run's, the exit code that of the error; the traceback of a defect goes to the log."""

    def work(context):
        raise raised

    outcome = site.run(Agent(work))
    assert (outcome.run.status, outcome.exit_code, outcome.run.error) == (status, code, words)
    failed = site.phone.got[-1]
    assert failed.event == "failed"
    assert words in failed.text
    assert outcome.run.id in failed.text
    assert any("Traceback" in text for text in site.logged) == isinstance(raised, ZeroDivisionError)


def test_a_report_with_an_error_is_a_failure(site):
    """An agent need not raise to fail."""
    outcome = site.run(Agent(lambda context: Report(summary="half", error="canvas is down")))
    assert (outcome.run.status, outcome.exit_code, outcome.run.error) == ("failure", 1, "canvas is down")


def test_the_time_limit_is_a_timeout(site):
    """Status `timeout`, exit code 124; what was going on has failed."""

    def work(context):
        with context.tools.call("wait", "Wait"):
            time.sleep(5)

    outcome = site.run(Agent(work), timeout=timedelta(seconds=0.1))
    assert (outcome.run.status, outcome.exit_code) == ("timeout", 124)
    assert outcome.run.tools[0].status == "failed"
    assert site.phone.got[-1].event == "failed"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_request_to_stop_is_recorded_and_told(site, number, code):
    """Status `interrupted`; the channels still hear of it."""

    def work(context):
        os.kill(os.getpid(), number)
        time.sleep(5)

    outcome = site.run(Agent(work))
    assert (outcome.run.status, outcome.exit_code) == ("interrupted", code)
    assert site.history.get("last").status == "interrupted"
    assert site.phone.got[-1].event in ("failed", "interrupted")


def test_a_tool_that_never_said_how_it_went_has_failed(site):
    """A program may end in the middle of its own report."""
    outcome = site.run(Agent(lambda context: context.tools.started("x") and Report(summary="ok")))
    assert outcome.run.tools[0].status == "failed"
    assert outcome.run.status == "success"


def test_the_second_of_two_is_skipped(site):
    """Exit code 75, on record as skipped with who was first, and nobody is told."""
    with lock.held(site.folder / "lock", now=NOW):
        outcome = site.run(lock=lock.held(site.folder / "lock", now=NOW))
    assert (outcome.run.status, outcome.exit_code) == ("skipped", 75)
    assert f"process {os.getpid()}" in site.history.get("last").error
    assert site.phone.got == []


def test_a_channel_that_fails_leaves_the_outcome_alone(site):
    """Its reason is a delivery; the other channel and the exit code do not notice."""
    bad = Phone("bad", refuse="the webhook is gone")
    outcome = site.run(channels=(bad, site.phone))
    assert (outcome.run.status, outcome.exit_code) == ("success", 0)
    fared = {(d.channel, d.status, d.error) for d in outcome.run.deliveries}
    assert fared == {("phone", "sent", None), ("bad", "failed", "the webhook is gone")}


def test_without_a_channel_messages_go_to_the_log(site):
    """They are in the outcome for whoever shows them."""
    outcome = site.run(channels=())
    assert [message.event for message in outcome.messages] == ["started", "completed"]
    assert any("Agent Started" in text for text in site.logged)
    assert outcome.run.deliveries == ()


def test_only_the_events_asked_for_are_told(site):
    """`notify.events` and `agent.notify_tools` choose."""
    site.run(Agent(use_tools), events=["tool", "failed"], notify_tools=["ch*"])
    assert [message.event for message in site.phone.got] == ["tool"]


def test_secrets_reach_no_record_and_no_phone(site):
    """Whatever an agent quotes, what is kept and sent has three stars for it."""

    def work(context):
        with context.tools.call("check", "with s3cret-planted") as call:
            call.done("s3cret-planted", details=("s3cret-planted",))
        with context.tools.call("check", "again") as call:
            call.failed("s3cret-planted")
        return Report(
            summary="s3cret-planted", error="s3cret-planted", lines=("s3cret-planted",), output_tail="s3cret-planted"
        )

    outcome = site.run(Agent(work))
    with closing(sqlite3.connect(site.folder / "gradent.db")) as database:
        assert "s3cret" not in "".join(database.iterdump())
    assert "s3cret" not in repr(site.phone.got) + repr(outcome) + repr(site.seen)
    assert "s3cret" not in json.dumps(site.logged)


def test_a_vanished_predecessor_is_closed(site):
    """A run that was killed is found by the next one; the agent is told of it as its previous run."""
    site.run()
    site.history._connection.execute("UPDATE runs SET status = 'running', finished_at = NULL")
    agent = Agent()
    site.run(agent)
    assert [run.status for run in site.history.recent(5)] == ["success", "interrupted"]
    assert agent.context.previous.status == "interrupted"


def test_a_second_failure_says_since_when(site):
    """The failure message names the first of the row."""
    failing = Agent(lambda context: Report(summary="", error="down"))
    site.run(failing)
    site.run(failing, clock=Clock(NOW + timedelta(hours=3)))
    assert "since Mon 23 Nov 09:00 UTC" in site.phone.got[-1].text


def test_trouble_with_the_records_of_sending_leaves_the_outcome_alone(site):
    """From the moment the outcome is saved, a database that fails changes neither status nor exit code."""

    class Spoiling(Phone):
        def send(self, message):
            if message.event == "completed":
                self.got.append(message)

    def work(context):
        site.history._connection.execute(
            "CREATE TRIGGER no_more BEFORE INSERT ON deliveries BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        return Report(summary="fine")

    phone = Spoiling()
    outcome = site.run(Agent(work), channels=(phone,))
    assert (outcome.run.status, outcome.exit_code) == ("success", 0)
    assert [message.event for message in phone.got] == ["completed"]
    assert any("not on record" in text for text in site.logged)


def test_a_state_that_cannot_be_written_is_told_all_the_same(site):
    """A full disk (a read-only database here) fails the run with 74, and the phone hears of it."""
    site.history._connection.execute("PRAGMA query_only = ON")
    outcome = site.run(lock=nullcontext())
    assert (outcome.run.status, outcome.exit_code) == ("failure", 74)
    assert [message.event for message in site.phone.got] == ["failed"]
    assert "cannot write the state" in site.phone.got[0].text
