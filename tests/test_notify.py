"""What is told, and which channels there are."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli.config import load
from gradent_cli.notify import fingerprint, open_channels, policy
from gradent_cli.notify.ntfy import Ntfy
from gradent_cli.notify.ntfy import payload as ntfy_payload
from gradent_cli.records import Failing, Run, ToolCall
from tests.street.clock import NOW
from tests.street.server import Server

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
    """Priority 5, the reason, the command; no past that it does not have, nor a run that could not be kept."""
    run = replace(RUN, status="failure", error="canvas did not answer", finished_at=NOW)
    first = Failing(since=NOW, count=1, told=False)
    for failing, more in ((None, "gradent doctor"), (first, f"gradent history {RUN.id}")):
        message = policy.failed(run, failing, UTC)
        assert (message.title, message.priority, message.tags) == ("❌ Agent Failed", 5, ("x", "warning"))
        assert message.text == f"canvas did not answer\nMore: {more}"
        assert message.event == "failed"


def test_a_repeated_failure_says_since_when() -> None:
    """In the student's own time."""
    run = replace(RUN, status="failure", error="canvas did not answer", finished_at=NOW)
    failing = Failing(since=NOW - timedelta(hours=14), count=3, told=True)
    message = policy.failed(run, failing, ZoneInfo("Europe/Amsterdam"))
    assert "It has failed 3 times since Sun 22 Nov 20:00 CET." in message.text.splitlines()


def test_a_failure_says_what_was_missed_before_it() -> None:
    """A line of the same message, before the command."""
    run = replace(RUN, status="failure", error="no network", finished_at=NOW)
    assert policy.failed(run, None, UTC, "2 runs did not happen.").text.splitlines()[1] == "2 runs did not happen."


def test_recovery_says_how_long_it_lasted() -> None:
    """How many failures, for how long, and since when."""
    run = replace(RUN, status="success", finished_at=NOW)
    message = policy.recovered(run, Failing(since=NOW - timedelta(hours=3), count=4, told=True), UTC)
    assert message.text == "It works again. It had failed 4 times in 3h, since Mon 23 Nov 06:00 UTC."
    assert (message.event, message.priority, message.failure) == ("recovered", 4, False)


def test_recovery_from_a_time_to_come_is_no_nonsense() -> None:
    """The clock was put back since the failure."""
    run = replace(RUN, status="success", finished_at=NOW)
    message = policy.recovered(run, Failing(since=NOW + timedelta(hours=1), count=1, told=True), UTC)
    assert "It had failed 1 time in 1min" in message.text


def test_an_interrupted_run_says_what_it_had_done() -> None:
    """What had ended by then, one line each; a tool without words by its name, an unfinished one not at all."""
    tools = (
        CALL,
        replace(CALL, id="3", title="Suggest", result=""),
        replace(CALL, id="4", title="Schedule", status="failed", error="killed"),
    )
    message = policy.interrupted(replace(RUN, status="interrupted", error="ended by SIGTERM", tools=tools), UTC)
    assert message.text.splitlines() == [
        "The run of Mon 23 Nov 09:00 UTC: ended by SIGTERM.",
        "Until then:",
        "Assess assignments: Assessed 2 assignments",
        "Suggest",
        f"More: gradent history {RUN.id}",
    ]
    assert (message.event, message.failure) == ("interrupted", True)
    nothing = policy.interrupted(replace(RUN, status="interrupted"), UTC).text.splitlines()
    assert nothing[:2] == [
        "The run of Mon 23 Nov 09:00 UTC: The run was interrupted.",
        "It had not finished anything.",
    ]


def test_failures_are_marked_as_such() -> None:
    """What must never be folded away says so: a failed run, a failed tool."""
    failed = policy.tool(RUN, replace(CALL, status="failed"))
    fine = policy.tool(RUN, CALL)
    assert failed is not None
    assert fine is not None
    assert (failed.failure, fine.failure) == (True, False)
    assert policy.failed(RUN, None, UTC).failure
    assert not policy.completed(RUN, ()).failure


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
    assert all(re.fullmatch("[-_A-Za-z0-9]{1,64}", id) for id in first)  # as ntfy takes them


@given(st.text(st.characters(exclude_categories=()), min_size=1), st.integers(1, 3000))
def test_what_more_there_is_to_see_is_never_cut_off(piece: str, times: int) -> None:
    """However long or broken the error, the command survives the way to ntfy, and the text can be sent."""
    run = replace(RUN, status="failure", error=piece * times, finished_at=NOW)
    message = policy.failed(run, Failing(since=NOW, count=1, told=False), UTC)
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
        channel.send(policy.started(RUN))
    to_ntfy, to_discord = server.requests
    assert to_ntfy.json["topic"] == "my-topic"
    assert to_ntfy.headers["Authorization"] == "Bearer tk_1"
    assert to_discord.path.startswith("/api/v10/webhooks/1/tok")
    assert to_discord.json["username"] == "Study buddy"


def test_a_channel_does_not_show_its_secrets() -> None:
    """What a log or a traceback prints of a channel is no secret."""
    assert "tk_1" not in repr(Ntfy("topic", token="tk_1"))


def test_a_fingerprint_stays_what_it_is() -> None:
    """Another one for the same settings would open every channel that refused for good."""
    assert fingerprint("topic", "https://ntfy.sh", "") == sha256(b"topic\0https://ntfy.sh\0").hexdigest()[:16]
