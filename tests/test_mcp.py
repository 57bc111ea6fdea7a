"""`gradent mcp` as a client of the package's own sees it: the real command, over its standard input and output."""

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

ASSIGNMENT = '[[assignment]]\nid = "essay"\ntitle = "Essay 1"\n'


@pytest.fixture
def student(config: Path) -> Path:
    """A config with one list and one essay in it."""
    config.write_text('[[study.sources]]\nkind = "toml"\nname = "list"\npath = "list.toml"\n')
    config.with_name("list.toml").write_text(ASSIGNMENT)
    return config


def talk(does: Callable[[Client], Awaitable[Any]], **environ: str) -> Any:
    """What `does` gives when it is handed a client of the command."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "gradent_cli", "mcp"], env={**os.environ, **environ}
    )

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
            await client.call_tool("assess", {"assignment": "essay", "likely_hours": 3}),
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


def test_without_the_package_it_says_what_to_install(student: Path) -> None:
    """Exit 69 and the command that installs the extra."""
    code = (
        "import sys; sys.modules['mcp'] = None; from gradent_cli.cli import main; sys.argv = ['gradent', 'mcp']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, input="")
    assert done.returncode == 69
    assert "pip install 'gradent-cli[mcp]'" in done.stderr
    assert done.stdout == ""
