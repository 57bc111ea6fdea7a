"""`gradent mcp` as a client of the package's own sees it: the real command, over its standard input and output."""

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from gradent_cli.agents.study.store import Store
from gradent_cli.database import open_database
from tests.street.feeds import ics, vtodo
from tests.street.server import Answer, Request, Server

ASSIGNMENT = '[[assignment]]\nid = "essay"\ntitle = "Essay 1"\n'


@pytest.fixture
def student(config: Path) -> Path:
    """A config with one list and one essay in it."""
    config.write_text('[[study.sources]]\nkind = "toml"\nname = "list"\npath = "list.toml"\n')
    config.with_name("list.toml").write_text(ASSIGNMENT)
    return config


SERVER = ["-m", "gradent_cli", "mcp"]


def talk(does: Callable[[Client], Awaitable[Any]], *, arguments: list[str] = SERVER, **environ: str) -> Any:
    """What `does` gives when it is handed a client of the command."""
    server = StdioServerParameters(command=sys.executable, args=arguments, env={**os.environ, **environ})

    async def main() -> Any:
        async with Client(server) as client:
            return await does(client)

    return anyio.run(main)


def test_calls_work_on_what_calls_before_found(student: Path) -> None:
    """Five tools are offered with their schemas; what they answer is text and structured content alike."""

    async def ask(client: Client) -> Any:
        return (
            (await client.list_tools()).tools,
            await client.call_tool("check", {}),
            await client.call_tool("assess", {"judgements": [{"assignment": "essay", "likely_hours": 3}]}),
            await client.call_tool("schedule", {}),
            await client.call_tool("log", {"assignment": "essay", "time": "1h"}),
        )

    tools, *answers = talk(ask)
    assert [each.name for each in tools] == ["check", "assess", "suggest", "schedule", "log"]
    assert all(each.description and each.input_schema["additionalProperties"] is False for each in tools)
    assert tools[-1].input_schema["required"] == ["assignment", "time"]
    assert not any(each.is_error for each in answers)
    found, judged, planned, logged = (each.structured_content for each in answers)
    assert [each["title"] for each in found["assignments"]] == ["Essay 1"]
    assert judged["assessments"][0]["basis"] == "agent"
    assert sum(each["minutes"] for each in planned["sessions"]) == 180
    assert logged["remaining_hours"] == 2
    assert json.loads(answers[0].content[0].text) == found


def test_calls_at_once_take_turns_and_what_is_wrong_is_an_error_of_its_tool(student: Path) -> None:
    """Of three calls at once each gets its answer, the wrong one a sentence that the model reads."""

    async def ask(client: Client) -> Any:
        answers: dict[int, Any] = {}

        async def one(place: int, name: str, given: dict[str, Any]) -> None:
            answers[place] = await client.call_tool(name, given)

        async with anyio.create_task_group() as group:
            group.start_soon(one, 0, "check", {})
            group.start_soon(one, 1, "log", {"assignment": "nothing", "time": "1h"})
            group.start_soon(one, 2, "check", {})
        return answers

    answers = talk(ask)
    assert {place: each.is_error for place, each in sorted(answers.items())} == {0: False, 1: True, 2: False}
    assert "there is no assignment 'nothing'" in answers[1].content[0].text


def test_a_run_hears_of_the_calls(student: Path, tmp_path: Path) -> None:
    """With GRADENT_EVENTS in its environment the server tells each call to the run, under ids of their own."""
    events = tmp_path / "events"
    events.touch()

    async def ask(client: Client) -> Any:
        await client.call_tool("check", {})
        await client.call_tool("check", {})

    talk(ask, GRADENT_EVENTS=str(events))
    told = [json.loads(line) for line in events.read_text().splitlines()]
    assert [(each["type"], each["tool"]) for each in told] == [
        ("tool.started", "check"),
        ("tool.completed", "check"),
    ] * 2
    assert len({each["id"] for each in told}) == 2


def test_a_bug_in_a_tool_is_an_error_of_it(student: Path, state: Path) -> None:
    """The model reads one sentence, the log has the traceback, and the server goes on; so it does on a full disk."""
    planted = """
import sys
from gradent_cli.agents.study.tools import StudyTools
from gradent_cli.cli import main

def full(*_):
    raise OSError(28, "No space left on device", "/state")

StudyTools.suggest, StudyTools.assess = lambda *_: 1 / 0, full
sys.argv = ["gradent", "mcp"]
main()
"""

    async def ask(client: Client) -> Any:
        return [await client.call_tool(name, {}) for name in ("suggest", "assess", "check")]

    *wrong, right = talk(ask, arguments=["-c", planted])
    log = state / "gradent.log"
    assert [(each.is_error, each.content[0].text) for each in wrong] == [
        (True, f"a bug: ZeroDivisionError; nothing more was done (the details are in {log}; please report them)"),
        (True, "cannot go on: /state: No space left on device"),
    ]
    assert not right.is_error
    text = log.read_text()
    assert "Traceback" in text
    assert text.count("ZeroDivisionError: division by zero") == 1


class Wire:
    """A client of its own making, which can go away at any moment."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.there, self.back = self.process.stdin, self.process.stdout
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        self.send(id=1, method="initialize", params=about)
        assert json.loads(self.back.readline())["result"]["serverInfo"]["name"] == "gradent"
        self.send(method="notifications/initialized")

    def send(self, **message: Any) -> None:
        self.there.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.there.flush()

    def end(self) -> tuple[int, str]:
        """Waits for the server: its exit code, and what it complained of."""
        assert self.process.stderr is not None
        with self.process.stderr as complaint:
            said = complaint.read()
        return self.process.wait(), said


@pytest.mark.parametrize("answered", [True, False], ids=["an answer nobody reads", "in the middle of a call"])
def test_a_client_that_goes_away_leaves_no_server_behind(
    config: Path, state: Path, server: Server, answered: bool
) -> None:
    """The call is finished, what it found is kept, and the server ends without a word."""
    asked, go_on = Event(), Event()

    def answer(_: Request) -> Answer:
        asked.set()
        assert go_on.wait(30)
        return Answer(200, ics(vtodo("UID:essay", "DUE:20991201T120000Z", "SUMMARY:Essay 1")))

    server.answer = answer
    config.write_text(f'[[study.sources]]\nkind = "ics"\nname = "list"\nurl = "{server.url}/a.ics"\n')
    wire = Wire()
    wire.send(id=2, method="tools/call", params={"name": "check", "arguments": {}})
    assert asked.wait(30)
    wire.back.close()
    if answered:
        wire.send(id=3, method="tools/list")
    wire.there.close()
    go_on.set()
    assert wire.end() == (0, "")
    assert not (state / "gradent.log").exists()
    with closing(open_database(state / "gradent.db")) as connection:
        assert len(Store(connection).assignments()) == 1


def test_without_the_package_it_says_what_to_install(student: Path) -> None:
    """Exit 69 and the command that installs the extra."""
    code = (
        "import sys; sys.modules['mcp'] = None; from gradent_cli.cli import main; sys.argv = ['gradent', 'mcp']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, input="")
    assert done.returncode == 69
    assert "pip install 'gradent-cli[mcp]'" in done.stderr
    assert done.stdout == ""
