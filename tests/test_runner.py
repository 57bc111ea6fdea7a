import json
import os
import signal
import sqlite3
import threading
import time
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any

import pytest

from gradent_cli import lock
from gradent_cli.database import open_database
from gradent_cli.due import Slots
from gradent_cli.errors import AgentError, ConfigError, DamagedError, NotifyError
from gradent_cli.failures import Failures
from gradent_cli.history import History
from gradent_cli.messenger import Messenger
from gradent_cli.notify import Dispatch, noise
from gradent_cli.outbox import Outbox
from gradent_cli.records import EVENTS, Report
from gradent_cli.runner import SEND_SECONDS, Tools, new_run, run_once
from gradent_cli.text import Redactor
from tests.street.clock import NOW, Clock
from tests.street.phone import Phone, message

HOUR = timedelta(hours=1)


class Agent:
    """Does what a function does."""

    name = "study"

    def __init__(self, work=lambda context: Report(summary="fine")):
        self.work = work
        self.context = None

    def preflight(self):
        pass

    def run(self, context):
        self.context = context
        return self.work(context)


@dataclass
class Site:
    """Everything a run needs, real but for the agent and the phone."""

    folder: Any
    phone: Phone = field(default_factory=Phone)
    logged: list[Any] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)

    def __post_init__(self):
        self.connection = open_database(self.folder / "gradent.db")
        self.history = History(self.connection)

    def run(self, agent=None, *, channels=None, after=timedelta(0), events=EVENTS, when="always", **changes):
        """One run, as a process of its own that begins so long after NOW."""
        redact = Redactor(["s3cret-planted"])
        clock = changes.pop("clock", Clock(NOW + after, tick=timedelta(seconds=1)))
        outbox = Outbox(self.connection, self.folder / "gradent.db", clock=clock, trouble=self.logged.append)
        dispatch = Dispatch(
            (self.phone,) if channels is None else channels, redact, ledger=outbox, tries=1,
            turn=lock.held(self.folder / "outbox.lock", now=NOW, wait=5),
        )  # fmt: skip
        messenger = Messenger(
            outbox, dispatch, rules=noise.Rules(quiet_hours=None, quiet_failures=False, max_per_day=200, zone=UTC),
            events=events, when=when, clock=clock, log=self.logged.append,
        )  # fmt: skip
        tools = Tools(
            **{
                "agent": agent or Agent(),
                "history": self.history,
                "slots": Slots(
                    config=f"{self.folder}/config.toml", state_dir=str(self.folder), expression="0 * * * *", zone=UTC,
                    environ={}, runs=list, installed_at=None, pause=None,
                ),
                "failures": Failures(self.connection),
                "lock": lock.held(self.folder / "lock", now=NOW),
                "messenger": messenger,
                "clock": clock,
                "zone": UTC,
                "log": lambda run_id, text: self.logged.append(text),
                "redact": redact,
                "watch": self.seen.append,
                "timeout": timedelta(seconds=30),
                "remind_every": timedelta(hours=24),
                "notify_tools": ["*"],
            }
            | changes
        )  # fmt: skip
        return run_once(tools, trigger="manual")

    def vanish(self, agent):
        """A run that was killed before its end could be saved. Returns its id."""
        run_id = self.run(agent).run.id
        self.connection.execute("DELETE FROM deliveries WHERE event = 'completed'")
        self.connection.execute(
            "UPDATE runs SET status = 'running', finished_at = NULL, error = NULL WHERE id = ?", (run_id,)
        )
        self.phone.got.clear()
        return run_id

    @property
    def heard(self):
        return [message.event for message in self.phone.got]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def failing(error):
    """An agent that fails so."""
    return Agent(lambda context: Report(summary="", error=error))


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
    assert site.heard == ["started", "tool", "tool", "completed"]
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

    def watch(message):
        if message.event == "completed":
            other = History(open_database(site.folder / "gradent.db"))
            seen.append(other.get(message.run_id).status)

    site.run(channels=(Phone(do=watch),))
    assert seen == ["success"]


def test_the_start_is_told_while_the_agent_works(site):
    """`Agent Started` does not wait for the end of the run."""
    arrived = threading.Event()

    site.run(
        Agent(lambda context: Report(summary=str(arrived.wait(30)))), channels=(Phone(do=lambda _: arrived.set()),)
    )
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
    """Status `interrupted`; the channels still hear of it, with what it had done, and of no failure."""

    def work(context):
        with context.tools.call("check", "Check assignments") as call:
            call.done("2 assignments")
        os.kill(os.getpid(), number)
        time.sleep(5)

    outcome = site.run(Agent(work))
    assert (outcome.run.status, outcome.exit_code) == ("interrupted", code)
    assert site.history.get("last").status == "interrupted"
    assert site.heard == ["started", "tool", "interrupted"]
    assert "Check assignments: 2 assignments" in site.phone.got[-1].text


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
    bad = Phone("bad", refuse=NotifyError("the webhook is gone", permanent="channel"))
    slow = Phone("slow", refuse="no network")
    outcome = site.run(channels=(bad, slow, site.phone))
    assert (outcome.run.status, outcome.exit_code) == ("success", 0)
    fared = {(d.channel, d.event, d.status, d.error) for d in outcome.run.deliveries}
    assert fared >= {
        ("phone", "completed", "sent", None),
        ("bad", "started", "failed", "the webhook is gone"),
        ("bad", "completed", "failed", "the webhook is gone"),
        ("slow", "started", "pending", "no network"),
        ("slow", "completed", "pending", None),
    }


def test_without_a_channel_messages_go_to_the_log(site):
    """They are in the outcome for whoever shows them."""
    outcome = site.run(channels=())
    assert [message.event for message in outcome.messages] == ["started", "completed"]
    assert any("Agent Started" in text for text in site.logged)
    assert outcome.run.deliveries == ()


def test_only_the_events_asked_for_are_told(site):
    """`notify.events` and `agent.notify_tools` choose."""
    site.run(Agent(use_tools), events=["tool", "failed"], notify_tools=["ch*"])
    assert site.heard == ["tool"]


def test_the_single_steps_of_a_coding_agent_are_told_where_they_are_named(site):
    """Otherwise they are on record alone."""

    def work(context):
        context.tools.completed("1", tool="Bash", incidental=True)
        return Report(summary="Done")

    outcome = site.run(Agent(work), events=["tool"], notify_tools=None)
    assert [call.tool for call in outcome.run.tools] == ["Bash"]
    assert site.heard == []
    site.run(Agent(work), events=["tool"], notify_tools=["Ba*"], after=HOUR)
    assert site.heard == ["tool"]


def test_secrets_reach_no_record_and_no_phone(site):
    """Whatever an agent quotes, what is kept and sent has three stars for it."""

    def work(context):
        with context.tools.call("check", "with s3cret-planted") as call:
            call.done("s3cret-planted", details=("s3cret-planted",))
        with context.tools.call("check", "again") as call:
            call.failed("s3cret-planted")
        context.tools.completed("id of s3cret-planted", tool="tool of s3cret-planted")
        return Report(
            summary="s3cret-planted", error="s3cret-planted", lines=("s3cret-planted",), output_tail="s3cret-planted"
        )

    outcome = site.run(Agent(work))
    with closing(sqlite3.connect(site.folder / "gradent.db")) as database:
        assert "s3cret" not in "".join(database.iterdump())
    assert "s3cret" not in repr(site.phone.got) + repr(outcome) + repr(site.seen)
    assert "s3cret" not in json.dumps(site.logged)


def test_a_vanished_predecessor_is_closed(site):
    """Killed, it is found by the next run; the agent is told of it as its previous run, and the phone, before all."""
    killed = site.vanish(Agent(use_tools))
    agent, ended = Agent(), []
    site.run(agent, after=HOUR, end_leftovers=lambda run_id: ended.append(run_id) or 2)
    assert [run.status for run in site.history.recent(5)] == ["success", "interrupted"]
    assert agent.context.previous.status == "interrupted"
    assert site.heard == ["interrupted", "started", "completed"]
    told = site.phone.got[0]
    assert (told.run_id, told.failure) == (killed, True)
    assert "The run of Mon 23 Nov 09:00 UTC: it ended without a word" in told.text
    assert "Check assignments: 2 assignments" in told.text
    assert ended == [killed]
    assert "what it had left running was ended (2 processes)" in site.logged


def test_a_vanished_run_is_told_once(site):
    """Not by the run after next."""
    site.vanish(Agent())
    site.run(after=HOUR)
    site.run(after=2 * HOUR)
    assert site.heard.count("interrupted") == 1


def test_each_run_that_vanished_is_told(site):
    """Two in a row are two messages: each has something else to show for itself, and no success lies between."""
    site.vanish(failing("down"))
    second = site.vanish(failing("down"))
    site.run(failing("down"), after=HOUR)
    assert [message.run_id for message in site.phone.got if message.event == "interrupted"] == [second]


def test_what_a_killed_run_did_not_send_comes_first(site):
    """Its messages were kept with its records: the next run sends them, and only then its own."""
    site.phone.refuse = "no network"
    site.vanish(Agent(use_tools))
    site.phone.refuse = ""
    site.run(after=HOUR)
    assert site.heard == ["tool", "completed", "interrupted", "started", "completed"]
    assert site.phone.got[1].title == "📬 2 Earlier Messages"


def test_a_second_failure_says_since_when(site):
    """The failure message names the first of the row, and how many there were."""
    site.run(failing("down"))
    site.run(failing("upside down"), after=3 * HOUR)
    assert "It has failed 2 times since Mon 23 Nov 09:00 UTC." in site.phone.got[-1].text


def test_trouble_with_the_records_of_sending_leaves_the_outcome_alone(site):
    """From the moment the outcome is saved, a database that fails changes neither status nor exit code."""

    def work(context):
        site.connection.execute(
            "CREATE TRIGGER no_more BEFORE UPDATE OF sent_at ON deliveries BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        return Report(summary="fine")

    outcome = site.run(Agent(work))
    assert (outcome.run.status, outcome.exit_code) == ("success", 0)
    assert site.phone.got[-1].event == "completed"
    assert any("it may come again" in text for text in site.logged)


def test_a_state_that_cannot_be_written_is_told_all_the_same(site):
    """A full disk (a read-only database here) fails the run with 74, and the phone hears of it."""
    site.history._connection.execute("PRAGMA query_only = ON")
    outcome = site.run(lock=nullcontext())
    assert (outcome.run.status, outcome.exit_code) == ("failure", 74)
    assert site.heard == ["failed"]
    assert "cannot write the state" in site.phone.got[0].text


# ── failures that are remembered ──


def test_the_same_failure_is_told_once(site):
    """Numbers, times and ids do not make it another one; it is told again when it is time for a reminder."""
    for number in range(4):
        site.run(failing(f"took {number} s (request 8f3a91c{number})"), after=number * HOUR, events=["failed"])
    assert site.heard == ["failed"]
    site.run(failing("took 9 s (request 8f3a91c9)"), after=25 * HOUR, events=["failed"])
    assert site.heard == ["failed"] * 2
    assert "It has failed 5 times since Mon 23 Nov 09:00 UTC." in site.phone.got[-1].text


def test_another_failure_is_told_at_once(site):
    """A, B, A within a day: A and B once each."""
    for number, error in enumerate(("no network", "no key", "no network")):
        site.run(failing(error), after=number * HOUR, events=["failed"])
    assert [message.text.splitlines()[0] for message in site.phone.got] == ["no network", "no key"]


def test_recovery_is_told_once(site):
    """The first success after a failure that was told: how many there were and for how long; then it is forgotten."""
    for number in range(3):
        site.run(failing("no network"), after=number * HOUR)
    for number in range(3, 5):
        site.run(after=number * HOUR)
    assert site.heard[-5:] == ["started", "recovered", "completed", "started", "completed"]
    assert site.phone.got[-4].text == "It works again. It had failed 3 times in 3h, since Mon 23 Nov 09:00 UTC."
    site.run(failing("no network"), after=5 * HOUR)
    assert site.heard[-1] == "failed"


@pytest.mark.parametrize("options", [{"events": ["recovered", "completed"]}, {"channels": ()}])
def test_what_nobody_was_told_of_is_not_over(site, options):
    """No recovery without a failure that somebody heard of."""
    site.run(failing("no network"), **options)
    site.run(after=HOUR, events=["recovered", "completed"])
    assert site.heard == ["completed"]


def test_a_failure_that_nobody_could_be_told_of_is_told_later(site):
    """The first run with a channel tells it."""
    site.run(failing("no network"), channels=())
    site.run(failing("no network"), after=HOUR, events=["failed"])
    assert site.heard == ["failed"]


def test_an_interrupted_run_is_no_recovery_and_no_failure(site):
    """Somebody stopped it: what fails goes on failing, and is told as over only when a run succeeds."""

    def stopped(context):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    site.run(failing("no network"), events=["failed", "recovered"])
    site.run(Agent(stopped), after=HOUR, events=["failed", "recovered"])
    site.run(after=2 * HOUR, events=["failed", "recovered"])
    assert site.heard == ["failed", "recovered"]
    assert "It had failed 1 time in 2h" in site.phone.got[-1].text


def test_a_clock_put_back_does_not_silence_failures(site):
    """A reminder that lies in the future was set by another clock."""
    site.run(failing("no network"), after=48 * HOUR, events=["failed"])
    site.run(failing("no network"), events=["failed"])
    assert site.heard == ["failed"] * 2


# ── what was missed ──


def test_what_was_missed_is_a_line_of_the_failure(site):
    """And a message of its own only where that line reaches nobody: a failure that was told before."""

    def heard(after, **options):
        site.phone.got.clear()
        slots = Slots(
            config=f"{site.folder}/config.toml", state_dir=str(site.folder), expression="0 * * * *", zone=UTC,
            environ={}, runs=list, installed_at=NOW + after - 3 * HOUR, pause=None,
        )  # fmt: skip
        outcome = site.run(failing("no network"), after=after + HOUR / 2, slots=slots, **options)
        return [(message.event, "runs missed" in message.text) for message in outcome.messages]

    assert heard(timedelta(0)) == [("started", False), ("failed", True)]
    assert heard(12 * HOUR) == [("started", False), ("missed", True)]
    assert heard(48 * HOUR, channels=()) == [("started", False), ("failed", True)]


# ── ends at every moment ──


def test_a_request_to_stop_at_the_very_start_is_on_record(site):
    """What was sent by then is marked as that; the run that is told of can be looked up."""

    def stop(each):
        if each.id == "early":
            os.kill(os.getpid(), signal.SIGTERM)

    site.phone.do = stop
    outbox = Outbox(site.connection, site.folder / "gradent.db", clock=Clock())
    outbox.open({"phone": "a phone"})
    outbox.put(message("early", "failed"))
    outcome = site.run(Agent(lambda context: time.sleep(5)), pings=None)
    assert (outcome.run.status, outcome.exit_code) == ("interrupted", 143)
    assert site.history.get(outcome.run.id).status == "interrupted"
    assert (site.heard[0], site.heard[-1]) == ("failed", "interrupted")  # between them the start, if it got so far


def test_a_request_to_stop_before_the_agent_begins_is_on_record_and_told(site):
    """The look whether it can begin may wait for a machine that does not answer."""
    agent = Agent()
    agent.preflight = lambda: (os.kill(os.getpid(), signal.SIGTERM), time.sleep(5))
    outcome = site.run(agent)
    assert (outcome.run.status, outcome.exit_code) == ("interrupted", 143)
    assert [(each.event, each.status) for each in site.history.get(outcome.run.id).deliveries] == [
        ("interrupted", "sent")
    ]
    assert site.heard == ["interrupted"]


def test_a_request_to_stop_while_sending_keeps_outcome_and_messages(site):
    """The run is what it was, ends within seconds, and what did not get through waits for the next."""
    let_go = threading.Event()

    def hang(message):
        os.kill(os.getpid(), signal.SIGTERM)
        let_go.wait(60)

    began = time.monotonic()
    outcome = site.run(channels=(Phone(do=hang),), events=["completed"])
    let_go.set()
    assert time.monotonic() - began < SEND_SECONDS - 10
    assert (outcome.run.status, outcome.exit_code) == ("success", 0)
    assert any("sending was cut short by SIGTERM" in text for text in site.logged)


def test_before_a_damaged_state_is_handed_over_nothing_is_on_its_way(site):
    """What was sent is marked in it, so that it does not come again, and whoever goes on has their turn to send."""
    site.run(events=[])
    outbox = Outbox(site.connection, site.folder / "gradent.db", clock=Clock())
    outbox.open({"phone": "a phone"})
    outbox.put(message("early", "failed"))
    site.connection.execute("UPDATE runs SET started_at = 'nonsense'")
    agent = Agent()
    with pytest.raises(DamagedError):
        site.run(agent)
    assert agent.context is None
    assert [each.id for each in site.phone.got] == ["early"]
    assert outbox.pending() == 0
    assert not lock.is_held(site.folder / "outbox.lock")


def test_a_run_whose_start_could_not_be_saved_is_on_record_at_its_end(site):
    """The database was busy then and is not any more: the failure is in the history, and told."""
    other = open_database(site.folder / "gradent.db")
    other.execute("BEGIN IMMEDIATE")
    site.connection.execute("PRAGMA busy_timeout = 20")

    def let_go(text):  # called when the end is put together
        if other.in_transaction:
            other.execute("ROLLBACK")
        return text

    outcome = site.run(redact=let_go)
    assert (outcome.run.status, outcome.exit_code) == ("failure", 74)
    assert site.history.get(outcome.run.id).status == "failure"
    assert site.heard == ["failed"]


def test_a_tool_that_fails_as_before_is_told_once(site):
    """Hour after hour the same source is down: its tool is told like the run, at once, with news, and as a reminder."""
    hours = iter(range(100))

    def told(error, *, news=False, after=None):
        def work(context):
            with context.tools.call("check", "Check") as call:
                call.done("1 open assignment", changed=news)
                call.failed(error)
            return Report(summary="", changed=False, error=error)

        before = len(site.phone.got)
        site.run(Agent(work), after=HOUR * (next(hours) if after is None else after))
        return sum("Check failed" in message.title for message in site.phone.got[before:])

    assert told("feed: HTTP 503 after 3.1 s") == 1
    assert told("feed: HTTP 503 after 2.9 s") == 0
    assert told("feed: HTTP 503 after 2.9 s", news=True) == 1
    assert told("feed: HTTP 404") == 1
    assert told("feed: HTTP 503 after 2.9 s") == 0
    assert told("feed: HTTP 503 after 2.9 s", after=30) == 1
    site.run(after=31 * HOUR)
    assert "failed 6 times" in site.phone.got[-2].text
    assert told("feed: HTTP 503 after 3.1 s", after=32) == 1


def test_a_tool_that_only_failed_brought_no_news(site):
    """Without a word of what it did, and by an exception."""

    def silent(context):
        with context.tools.call("check", "Check") as call:
            call.failed("down")
        with suppress(ValueError), context.tools.call("plan", "Plan"):
            raise ValueError("no way")
        return Report(summary="", changed=False, error="down")

    for number in range(3):
        site.run(Agent(silent), after=number * HOUR, events=["tool"])
    assert site.heard == ["tool"] * 2


def test_runs_of_the_same_second_have_ids_of_their_own() -> None:
    """Fifty at a time; with two bytes by chance two of them would have the same in every fiftieth of these rounds."""
    rounds = [{new_run(NOW, trigger="cron", agent="command").id for _ in range(50)} for _ in range(200)]
    assert {len(ids) for ids in rounds} == {50}


def test_an_agent_that_crashes_before_it_begins_is_told(site):
    """As one that crashes later: on record, with the traceback in the log."""
    agent = Agent()
    agent.preflight = lambda: {}["no such thing"]
    outcome = site.run(agent)
    assert (outcome.run.status, outcome.exit_code) == ("failure", 1)
    assert outcome.run.error == "the agent crashed: KeyError: 'no such thing'"
    assert [message.event for message in site.phone.got] == ["failed"]
    assert "Traceback" in site.logged[0]
