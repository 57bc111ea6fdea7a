"""Whole runs of agents that call the study tools: by `gradent tool` in a shell script, and over MCP."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Gradent
from tests.street.radicale import serving
from tests.street.server import Answer, Server

EVENING = datetime.now(UTC).replace(hour=18, minute=0, second=0, microsecond=0) + timedelta(days=1)
SESSION = {"assignment": "essay", "starts_at": f"{EVENING:%Y-%m-%dT18:00}", "ends_at": f"{EVENING:%Y-%m-%dT20:00}"}
HOURS = "".join(f'{EVENING + timedelta(days=day):%A} = ["16:00-22:00"]\n' for day in range(7)).lower()
SCRIPT = f"""#!/bin/sh
set -e
gradent tool check
gradent tool suggest
gradent tool assess --input '{{"judgements": [{{"assignment": "essay", "likely_hours": 4, "reason": "Ten sources."}}]}}'
echo '{json.dumps({"sessions": [SESSION]})}' | gradent tool schedule
gradent tool schedule
"""
MCP_AGENT = f"""#!{sys.executable}
import json, pathlib, stat, sys
import anyio
from mcp import Client, StdioServerParameters

config = pathlib.Path(sys.argv[1])
(name, given), = json.loads(config.read_text())["mcpServers"].items()
mode = stat.S_IMODE(config.parent.stat().st_mode)
pathlib.Path("seen").write_text(json.dumps([sys.argv[1], oct(mode), given]))

async def call(client, tool):
    content = [{{"type": "tool_use", "id": tool, "name": f"mcp__{{name}}__{{tool}}", "input": {{}}}}]
    print(json.dumps({{"type": "assistant", "message": {{"content": content}}}}), flush=True)
    answer = await client.call_tool(tool, {{}})
    assert not answer.is_error, answer
    content = [{{"type": "tool_result", "tool_use_id": tool, "content": answer.content[0].text}}]
    print(json.dumps({{"type": "user", "message": {{"content": content}}}}), flush=True)

async def main():
    async with Client(StdioServerParameters(**given)) as client:
        await call(client, "check")
        await call(client, "schedule")

anyio.run(main)
print(json.dumps({{"type": "result", "subtype": "success", "result": "Planned the essay"}}))
"""

Agent = Callable[..., None]


@pytest.fixture
def agent(config: Path, home: Path, server: Server) -> Agent:
    """Makes a program of this text the agent of a student with one essay and a phone, and with more config."""
    server.answer = lambda _: Answer(200, b'{"id": "x"}', {"Content-Type": "application/json"})

    def make(text: str, *arguments: str, more: str = "") -> None:
        program = home / "agent"
        program.write_text(text)
        program.chmod(0o755)
        config.with_name("list.toml").write_text(
            f'[[assignment]]\nid = "essay"\ntitle = "Essay 1"\ndue = {EVENING + timedelta(days=6):%Y-%m-%d}\n'
        )
        config.write_text(
            f'[agent]\nkind = "command"\ncommand = {json.dumps([str(program), *arguments])}\ncwd = "~"\n'
            f'[ntfy]\nserver = "{server.url}"\ntopic = "gradent-test-x7k2m9"\n'
            f'[[study.sources]]\nkind = "toml"\nname = "list"\npath = "list.toml"\n[study.hours]\n{HOURS}{more}'
        )

    return make


def tools(document: Any) -> list[tuple[str, str, str]]:
    return [(each["tool"], each["status"], each["result"]) for each in document["tools"]]


def plan(gradent: Gradent) -> list[tuple[str, str]]:
    sessions = json.loads(gradent("plan", "--json").out)["sessions"]
    return [(each["starts_at"], each["ends_at"]) for each in sessions]


def test_a_shell_script_that_calls_the_tools(gradent: Gradent, agent: Agent, state: Path, server: Server) -> None:
    """Each call is in the history and on the phone once, its judgement and its session stand, the plan is written."""
    agent(SCRIPT)
    result = gradent("run", "--json")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert tools(document) == [
        ("check", "completed", "1 open assignment from 1 source: 1 new"),
        ("suggest", "completed", document["tools"][1]["result"]),
        ("assess", "completed", document["tools"][2]["result"]),
        ("schedule", "completed", document["tools"][3]["result"]),
        ("schedule", "completed", document["tools"][4]["result"]),
    ]
    titles = [request.json["title"] for request in server.requests]
    assert [title for title in titles if not title.startswith("💡")] == [
        "🤖 Agent Started",
        "🔄 Check assignments",
        "📊 Assess assignments",
        "📅 Schedule sessions",
        "✅ Agent Completed",
    ]
    assert (f"{EVENING:%Y-%m-%dT18:00:00Z}", f"{EVENING:%Y-%m-%dT20:00:00Z}") in plan(gradent)
    assert f"{EVENING:%Y%m%dT180000}" in (state / "plan.ics").read_text()
    (assignment,) = json.loads(gradent("assignments", "--json").out)
    assert (assignment["effort_hours"], assignment["reason"]) == (4, "Ten sources.")


def test_a_dry_run_of_it_leaves_nothing_behind(
    gradent: Gradent, agent: Agent, home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls build on each other all the same, and what would be told is printed; no file is made or changed."""
    monkeypatch.setenv("TMPDIR", str(home / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (home / "temporary").mkdir()
    agent(SCRIPT)
    before = {path: path.is_file() and path.read_bytes() for path in home.rglob("*")}
    result = gradent("run", "--dry-run")
    assert result.code == 0, result.err
    assert "📅 Schedule sessions" in result.out
    assert server.requests == []
    assert {path: path.is_file() and path.read_bytes() for path in home.rglob("*")} == before


def test_the_student_s_own_calendar(
    gradent: Gradent, agent: Agent, tmp_path_factory: pytest.TempPathFactory, state: Path
) -> None:
    """`schedule` writes the sessions into it; when it is down, the plan stands and the answer says so in `errors`."""
    with serving(tmp_path_factory.mktemp("radicale")) as radicale:
        ada = radicale.account()
        ada.make()
        agent(
            SCRIPT,
            more=f'[study.calendar]\nurl = "{ada.url}"\nusername = "{ada.username}"\npassword = "{ada.password}"\n',
        )
        assert gradent("run").code == 0
        written = [ada.text(name) for name in ada.names()]
        assert len(written) == len(plan(gradent))
        assert any(f"DTSTART:{EVENING:%Y%m%dT180000}Z" in text for text in written)
        assert gradent("tool", "schedule", "--input", "{}").code == 0
        assert len(ada.names()) == len(written)
    result = gradent("tool", "schedule", "--input", "{}")
    assert result.code == 0, result.err
    answer = json.loads(result.out)
    assert len(answer["sessions"]) == len(written)
    (error,) = answer["errors"]
    assert "calendar" in error


def test_an_agent_that_is_told_of_the_mcp_server(
    gradent: Gradent, agent: Agent, home: Path, config: Path, server: Server
) -> None:
    """It starts the server as the file says; its calls count once, though its stream tells of them, too."""
    agent(MCP_AGENT, "{mcp_config}")
    result = gradent("run", "--json")
    assert result.code == 0, (result.err, result.out)
    document = json.loads(result.out)
    assert tools(document) == [
        ("check", "completed", "1 open assignment from 1 source: 1 new"),
        ("schedule", "completed", document["tools"][1]["result"]),
    ]
    assert document["summary"] == "Planned the essay"
    place, mode, given = json.loads((home / "seen").read_text())
    assert mode == "0o700"
    assert not Path(place).parent.exists()
    assert given["command"] == sys.executable
    assert given["args"][-3:] == ["--config", str(config), "mcp"]
    assert given["env"] == {
        "GRADENT_EVENTS": str(Path(place).with_name("events")),
        "GRADENT_RUN_ID": document["id"],
        "TZ": "UTC",
    }
    assert plan(gradent) != []
    assert [request.json["title"] for request in server.requests][1:3] == [
        "🔄 Check assignments",
        "📅 Schedule sessions",
    ]


def test_a_dry_run_of_an_agent_over_mcp(gradent: Gradent, agent: Agent, home: Path) -> None:
    """The server knows that it is one, and writes nothing."""
    agent(MCP_AGENT, "{mcp_config}")
    assert gradent("run", "--dry-run").code == 0
    _, _, given = json.loads((home / "seen").read_text())
    assert given["env"]["GRADENT_DRY_RUN"] == "1"
    assert plan(gradent) == []


def test_an_agent_that_needs_the_mcp_package(agent: Agent, server: Server) -> None:
    """Without the package nothing is started: the run is blocked, and the sentence says what to install."""
    agent("#!/bin/sh\ntouch started\n", "--mcp-config={mcp_config}")
    code = "import sys; sys.modules['mcp'] = None; from gradent_cli.cli import main; main()"
    command = [sys.executable, "-c", code]
    done = subprocess.run([*command, "run", "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 69
    assert json.loads(done.stdout)["error"] == "the mcp package is not installed (pip install 'gradent-cli[mcp]')"
    assert [request.json["title"] for request in server.requests] == ["⛔ Agent Blocked"]
    done = subprocess.run([*command, "doctor", "--json"], capture_output=True, text=True, check=False)
    (check,) = [each for each in json.loads(done.stdout) if each["check"] == "agent"]
    assert (check["status"], check["message"]) == ("failed", "the mcp package is not installed")
