"""What is told, and that telling it never gets in anybody's way."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli.config import load
from gradent_cli.errors import NotifyError
from gradent_cli.notify import Channel, Dispatch, open_channels, policy
from gradent_cli.notify.discord import Discord
from gradent_cli.notify.ntfy import Ntfy
from gradent_cli.notify.ntfy import payload as ntfy_payload
from gradent_cli.records import Message, Run, ToolCall
from gradent_cli.text import Redactor
from tests.conftest import Gradent
from tests.street.clock import NOW
from tests.street.server import Answer, Server, serving

RUN = Run(id="20261123-090000-ab12", trigger="cron", status="running", agent="study", started_at=NOW)
CALL = ToolCall(
    id="2",
    tool="assess",
    title="Assess assignments",
    status="completed",
    started_at=NOW,
    finished_at=NOW + timedelta(seconds=2),
    result="Assessed 2 assignments",
    details=("Essay 1: 5 h, risk 40", "Problem Set 6: 3 h, risk 20"),
)


Write = Callable[[str], Path]


@pytest.fixture
def config(home: Path) -> Write:
    """Write the config file."""

    def write(text: str) -> Path:
        path = home / "config.toml"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


# ── what is told ──


def test_the_start_is_told_in_the_users_words() -> None:
    """Title, priority and tags are the contract's."""
    message = policy.started(RUN)
    assert (message.title, message.priority, message.tags) == ("🤖 Agent Started", 4, ("robot", "rocket"))
    assert message.text == "Checking for updates & planning study sessions..."
    assert (message.event, message.created_at, message.run_id) == ("started", NOW, RUN.id)


def test_another_agent_is_named_and_nothing_is_claimed() -> None:
    """Only the study agent plans study sessions."""
    assert policy.started(replace(RUN, agent="command")).text == "The command agent is at work."


@pytest.mark.parametrize(
    ("tool", "icon", "tag"),
    [
        ("check", "🔄", "arrows_counterclockwise"),
        ("assess", "📊", "bar_chart"),
        ("suggest", "💡", "bulb"),
        ("schedule", "📅", "date"),
        ("Bash", "🔧", "wrench"),
    ],
)
def test_a_tool_has_a_message_of_its_own(tool: str, icon: str, tag: str) -> None:
    """Icon and title, the result and its details, priority 3."""
    message = policy.tool(RUN, replace(CALL, tool=tool))
    assert message is not None
    assert (message.title, message.priority, message.tags) == (f"{icon} Assess assignments", 3, (tag,))
    assert message.text == "Assessed 2 assignments\nEssay 1: 5 h, risk 40\nProblem Set 6: 3 h, risk 20"
    assert message.created_at == CALL.finished_at


def test_a_failed_tool_says_what_failed() -> None:
    """Priority 4 and its error first, also when nothing changed; what it did manage follows."""
    message = policy.tool(RUN, replace(CALL, status="failed", error="canvas did not answer", changed=False))
    assert message is not None
    assert (message.title, message.priority, message.tags) == ("⚠️ Assess assignments failed", 4, ("warning",))
    assert message.text.splitlines()[:2] == ["canvas did not answer", "Assessed 2 assignments"]


@pytest.mark.parametrize("changes", [{"changed": False}, {"status": "started", "finished_at": None}])
def test_nothing_new_is_not_told(changes: dict[str, Any]) -> None:
    """A tool that found nothing new, or that is still going on, has no message."""
    assert policy.tool(RUN, replace(CALL, **changes)) is None


def test_a_tool_without_words_is_done() -> None:
    """An empty text would reach nobody."""
    message = policy.tool(RUN, replace(CALL, result="", details=("", " ")))
    assert message is not None
    assert message.text == "Done."


def test_completion_has_the_real_counts() -> None:
    """Summary, counts and duration; a line that repeats the summary is said once."""
    run = replace(RUN, status="success", finished_at=NOW + timedelta(seconds=75), summary="All planned")
    message = policy.completed(run, ("All planned", "Assessed 2 assignments", "Scheduled 1 session"))
    assert (message.title, message.priority) == ("✅ Agent Completed", 3)
    assert message.tags == ("white_check_mark", "tada", "books")
    assert message.text == "All planned\nAssessed 2 assignments\nScheduled 1 session\nTook 1m15s."
    assert message.created_at == run.finished_at


def test_a_short_run_is_not_said_to_take_nothing() -> None:
    """Below a second is below a second."""
    run = replace(RUN, status="success", finished_at=NOW + timedelta(seconds=0.3))
    assert policy.completed(run, ()).text == "Took less than a second."


def test_a_first_failure_says_what_and_where_to_look() -> None:
    """Priority 5, the reason, the command; no past that it does not have."""
    run = replace(RUN, status="failure", error="canvas did not answer", finished_at=NOW)
    for since in (None, NOW):
        message = policy.failed(run, since, UTC)
        assert (message.title, message.priority, message.tags) == ("❌ Agent Failed", 5, ("x", "warning"))
        assert message.text == f"canvas did not answer\nMore: gradent history {RUN.id}"
        assert message.event == "failed"


def test_a_repeated_failure_says_since_when() -> None:
    """In the student's own time."""
    run = replace(RUN, status="failure", error="canvas did not answer", finished_at=NOW)
    message = policy.failed(run, NOW - timedelta(hours=14), ZoneInfo("Europe/Amsterdam"))
    assert "It has been failing since Sun 22 Nov 20:00 CET." in message.text.splitlines()


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("timeout", "The agent ran out of time after 15min."),
        ("interrupted", "The run was interrupted."),
        ("failure", "The agent did not say why."),
    ],
)
def test_a_failure_without_words_is_explained(status: Any, sentence: str) -> None:
    """A run that ended without a reason gets one from how it ended."""
    run = replace(RUN, status=status, finished_at=NOW + timedelta(minutes=15))
    assert policy.failed(run, None, UTC).text.splitlines()[0] == sentence


def test_the_same_happening_has_the_same_id() -> None:
    """A message made again is known as the same; another event, tool or run is another one."""

    def ids(run: Run) -> list[str]:
        ended = replace(run, finished_at=NOW)
        calls = [policy.tool(run, replace(CALL, id=id)) for id in ("1", "2")]
        return [
            policy.started(run).id,
            *(message.id for message in calls if message),
            policy.completed(ended, ()).id,
            policy.failed(ended, None, UTC).id,
        ]

    first, again, other = ids(RUN), ids(RUN), ids(replace(RUN, id="20261123-100000-cd34"))
    assert first == again
    assert len({*first, *other}) == 10
    assert all(len(id) == 16 and int(id, 16) >= 0 for id in first)


@given(st.text(st.characters(exclude_categories=()), min_size=1), st.integers(1, 3000))
def test_what_more_there_is_to_see_is_never_cut_off(piece: str, times: int) -> None:
    """However long or broken the error, the command survives the way to ntfy, and the text can be sent."""
    run = replace(RUN, status="failure", error=piece * times, finished_at=NOW)
    message = policy.failed(run, None, UTC)
    sent = ntfy_payload("topic", message)
    assert sent["message"].endswith(f"gradent history {RUN.id}")
    assert "\x1b" not in sent["message"]
    json.dumps(sent, ensure_ascii=False).encode()


def test_a_title_from_outside_is_one_clean_line() -> None:
    """A tool may be called anything."""
    message = policy.tool(RUN, replace(CALL, tool="x", title="\x1b[31mrm\n-rf " + "y" * 900))
    assert message is not None
    assert message.title.startswith("🔧 rm -rf yyy")
    assert len(message.title) <= 125


# ── how it gets there ──


@dataclass
class Phone:
    """A channel of a kind that does not exist yet: `send` does what the test wants."""

    name: str
    do: Callable[[Message], object] = lambda message: None
    where: str = "a phone"
    got: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        self.got.append(message)
        self.do(message)


def messages(number: int) -> list[Message]:
    return [replace(policy.started(RUN), id=f"m{place}", title=f"message {place}") for place in range(number)]


def dispatched(*channels: Channel, number: int = 1, seconds: float = 5.0, secrets: tuple[str, ...] = ()) -> list[Any]:
    """(channel, message, status, attempts, error) of everything that was posted."""
    dispatch = Dispatch(channels, Redactor(secrets))
    for message in messages(number):
        dispatch.post(message)
    return [(d.channel, d.message_id, d.status, d.attempts, d.error) for d in dispatch.finish(seconds)]


def test_every_channel_gets_every_message_in_order() -> None:
    """One delivery for each, and order per channel is the order of posting."""
    first, second = Phone("first"), Phone("second")
    deliveries = dispatched(first, second, number=20)
    assert deliveries == [(name, f"m{place}", "sent", 1, None) for name in ("first", "second") for place in range(20)]
    for phone in (first, second):
        assert [message.id for message in phone.got] == [f"m{place}" for place in range(20)]


def test_a_refused_message_does_not_stop_the_next() -> None:
    """Each message stands for itself; a reason and its remedy are one sentence."""

    def refuse_the_first(message: Message) -> None:
        if message.id == "m0":
            raise NotifyError("it is too large", hint="say less", permanent=True)

    assert dispatched(Phone("phone", refuse_the_first), number=2) == [
        ("phone", "m0", "failed", 1, "it is too large; say less"),
        ("phone", "m1", "sent", 1, None),
    ]


def test_a_defect_of_a_channel_is_a_failed_delivery() -> None:
    """An unexpected exception is named by its kind, since its words may quote anything."""

    def broken(message: Message) -> None:
        raise KeyError("s3cret")

    (delivery,) = dispatched(Phone("phone", broken))
    assert delivery == ("phone", "m0", "failed", 1, "a defect in the channel: KeyError")


def test_no_secret_gets_into_a_delivery() -> None:
    """What the service quotes is redacted before anybody keeps it."""

    def quoting(message: Message) -> None:
        raise NotifyError("no topic gradent-x7k2 here", hint="not gradent-x7k2")

    (delivery,) = dispatched(Phone("phone", quoting), secrets=("gradent-x7k2",))
    assert delivery[4] == "no topic *** here; not ***"


def test_a_short_pause_is_waited_for() -> None:
    """A service that asks for a moment gets it, and the message arrives."""
    tries: list[float] = []

    def busy_twice(message: Message) -> None:
        tries.append(monotonic())
        if len(tries) < 3:
            raise NotifyError("too fast", retry_after=0.1)

    assert dispatched(Phone("phone", busy_twice)) == [("phone", "m0", "sent", 3, None)]
    assert all(later - sooner >= 0.1 for sooner, later in pairwise(tries))


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (NotifyError("too fast", retry_after=0.01), 3),
        (NotifyError("come back tomorrow", retry_after=3600.0), 1),
        (NotifyError("gone", retry_after=0.01, permanent=True), 1),
        (NotifyError("no network"), 1),
    ],
)
def test_waiting_has_its_limits(error: NotifyError, attempts: int) -> None:
    """Not for ever, not for an hour, not for what cannot get better, not without being asked to."""

    def refuse(message: Message) -> None:
        raise error

    assert dispatched(Phone("phone", refuse)) == [("phone", "m0", "failed", attempts, error.message)]


def test_a_hanging_channel_holds_up_nobody() -> None:
    """Posting returns at once, the other channel is done, and finish keeps its bound and says what is missing."""
    let_go = threading.Event()
    stuck, quick = Phone("stuck", lambda message: let_go.wait(10)), Phone("quick")
    dispatch = Dispatch((stuck, quick), str)
    began = monotonic()
    for message in messages(3):
        dispatch.post(message)
    assert monotonic() - began < 1.0
    deliveries = dispatch.finish(0.3)
    assert 0.3 <= monotonic() - began < 2.0
    assert [(d.channel, d.status, d.attempts, d.error) for d in deliveries] == [
        ("stuck", "failed", 1, "no answer within 0.3 s"),
        ("stuck", "failed", 0, "not tried: no answer within 0.3 s"),
        ("stuck", "failed", 0, "not tried: no answer within 0.3 s"),
        *[("quick", "sent", 1, None)] * 3,
    ]
    let_go.set()
    threading.Event().wait(0.1)
    assert [message.id for message in stuck.got] == ["m0"], "what was given up must not be sent later"


def test_two_hanging_channels_share_one_bound() -> None:
    """The bound is for all channels together."""
    let_go = threading.Event()
    began = monotonic()
    deliveries = dispatched(*(Phone(name, lambda message: let_go.wait(10)) for name in "abcdefgh"), seconds=0.4)
    assert monotonic() - began < 2.0
    assert {status for _, _, status, _, _ in deliveries} == {"failed"}
    let_go.set()


def test_finish_can_be_asked_again() -> None:
    """A run that is interrupted while it waits asks once more, for what is known by then."""
    dispatch = Dispatch((Phone("phone"),), str)
    dispatch.post(messages(1)[0])
    assert dispatch.finish(5) == dispatch.finish(0)


def test_nothing_to_send_starts_nothing() -> None:
    """Without a message there is no thread, no import and no delivery."""
    program = (
        "import sys, threading\n"
        "from gradent_cli.notify import Dispatch\n"
        "from gradent_cli.notify.discord import Discord\n"
        "from gradent_cli.notify.ntfy import Ntfy\n"
        "dispatch = Dispatch((Ntfy('topic'), Discord('https://discord.com/api/webhooks/1/t')), str)\n"
        "print(dispatch.channels, dispatch.finish(5), threading.active_count(), 'httpx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "('ntfy', 'discord') () 1 False\n"


def test_both_real_channels_work_side_by_side(server: Server) -> None:
    """ntfy hangs, Discord does not notice."""

    def hang(connection: object, request: object) -> None:
        server.closing.wait(10)

    server.raw = hang
    with serving() as other:
        channels = (Ntfy("topic", server=server.url), Discord(f"{other.url}/api/webhooks/1/tok"))
        dispatch = Dispatch(channels, str)
        for message in messages(2):
            dispatch.post(message)
        until = monotonic() + 5
        while len(other.requests) < 2 and monotonic() < until:
            threading.Event().wait(0.01)
        deliveries = [(d.channel, d.status) for d in dispatch.finish(0.3)]
        assert deliveries == [("ntfy", "failed"), ("ntfy", "failed"), ("discord", "sent"), ("discord", "sent")]
        assert [body["embeds"][0]["title"] for body in other.bodies] == ["message 0", "message 1"]
        server.closing.set()


# ── which channels there are ──


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ('[ntfy]\ntopic = "t"\n', ["ntfy"]),
        ('[discord]\nwebhook = "https://discord.com/api/webhooks/1/tok"\n', ["discord"]),
        ('[ntfy]\ntopic = "t"\n[discord]\nwebhook = "https://discord.com/api/webhooks/1/tok"\n', ["ntfy", "discord"]),
    ],
)
def test_only_configured_channels_are_opened(config: Write, text: str, names: list[str]) -> None:
    """None, one or both, as the config names them."""
    assert [channel.name for channel in open_channels(load(config(text), {}).settings)] == names


def test_a_channel_gets_its_settings(config: Write, server: Server) -> None:
    """Server, topic, token, webhook and user name arrive where they belong."""
    path = config(
        f'[ntfy]\ntopic = "my-topic"\nserver = "{server.url}"\ntoken = "tk_1"\n'
        f'[discord]\nwebhook = "{server.url}/api/webhooks/1/tok"\nusername = "Study buddy"\n'
    )
    for channel in open_channels(load(path, {}).settings):
        channel.send(messages(1)[0])
    to_ntfy, to_discord = server.requests
    assert to_ntfy.json["topic"] == "my-topic"
    assert to_ntfy.headers["Authorization"] == "Bearer tk_1"
    assert to_discord.path.startswith("/api/v10/webhooks/1/tok")
    assert to_discord.json["username"] == "Study buddy"


def test_a_channel_does_not_show_its_secrets() -> None:
    """What a log or a traceback prints of a channel is no secret."""
    assert "tk_1" not in repr(Ntfy("topic", token="tk_1"))


# ── gradent notify test ──


def test_every_channels_answer_is_shown(gradent: Gradent, server: Server, config: Write) -> None:
    """One line each, and 0 when all went; nothing secret is shown."""
    path = config(
        f'[ntfy]\ntopic = "gradent-x7k2p9w4q8"\nserver = "{server.url}"\n'
        f'[discord]\nwebhook = "{server.url}/api/webhooks/123456789012345678/s3cretT0ken_s3cretT0ken"\n'
    )
    result = gradent("--config", path, "notify", "test")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        f"ntfy     sent to {server.url}, topic gradent-x…",
        f"discord  sent to {server.url}",
    ]
    assert {request.path.partition("?")[0] for request in server.requests} == {
        "/",
        "/api/v10/webhooks/123456789012345678/s3cretT0ken_s3cretT0ken",
    }


def test_one_channel_that_fails_is_exit_1(gradent: Gradent, server: Server, config: Write) -> None:
    """The other's success is shown, the reason and the remedy too."""
    server.answer = lambda request: Answer(404) if "webhooks" in request.path else Answer()
    path = config(
        f'[ntfy]\ntopic = "gradent-x7k2p9w4q8"\nserver = "{server.url}"\n'
        f'[discord]\nwebhook = "{server.url}/api/webhooks/123456789012345678/s3cretT0ken_s3cretT0ken"\n'
    )
    result = gradent("--config", path, "notify", "test")
    assert result.code == 1
    assert result.out.splitlines()[1] == (
        "discord  failed: Discord does not know this webhook (404);"
        " make a new one: gradent config set --discord-webhook -"
    )
    assert result.err == "gradent: discord did not take the test message\n"
    assert "s3cret" not in result.out + result.err


def test_all_channels_failing_is_exit_69(gradent: Gradent, server: Server, config: Write) -> None:
    """Nobody can be reached, which a script can tell by the code; JSON says why."""
    server.answer = Answer(401, b'{"code":40101,"http":401,"error":"unauthorized"}')
    path = config(f'[ntfy]\ntopic = "gradent-x7k2p9w4q8"\nserver = "{server.url}"\ntoken = "tk_s3cret123"\n')
    result = gradent("--config", path, "notify", "test", "--json")
    assert result.code == 69
    assert json.loads(result.out) == [
        {
            "channel": "ntfy",
            "where": f"{server.url}, topic gradent-x…",
            "status": "failed",
            "error": "ntfy refused the token (40101); set another: gradent config set --ntfy-token -",
        }
    ]
    assert result.err == "gradent: no channel took the test message\n"


def test_no_channel_is_told_how_to_get_one(gradent: Gradent, config: Write) -> None:
    """Nothing to test is a matter of the config."""
    result = gradent("--config", config("enabled = true\n"), "notify", "test")
    assert result.code == 78
    assert "no channel is configured" in result.err
    assert "gradent config set --ntfy-topic" in result.err


def test_the_test_message_says_what_it_is() -> None:
    """Nobody takes it for a run."""
    message = policy.test(datetime(2026, 11, 23, tzinfo=UTC))
    assert (message.title, message.text, message.run_id) == ("🔔 Test", "gradent can reach you here.", None)


def test_the_reason_is_kept_when_the_time_runs_out():
    """A service that asks for a pause too long for this run is named as what stood in the way."""

    class Busy:
        name = where = "busy"

        def send(self, message: Message) -> None:
            raise NotifyError("too many messages", retry_after=9)

    dispatch = Dispatch((Busy(),), str)
    dispatch.post(policy.test(datetime.now(UTC)))
    (delivery,) = dispatch.finish(0.3)
    assert delivery.error == "no answer within 0.3 s; before that: too many messages"
