"""Debian's cron fires the installed line, the agents run, and the phone's side gets what they did."""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import need
from tests.e2e.machine import ACCOUNT, NEEDED, Machine, machine
from tests.street.discord import Discord, discord
from tests.street.server import Answer, Server

pytestmark = pytest.mark.e2e

THEIRS = '# mine\nMAILTO=""\n0 5 * * * true\n'
STUDY = """\
# Kept by hand.
[[study.sources]]
kind = "toml"
path = "assignments.toml"
"""
COMMAND = """\
[agent]
kind = "command"
command = ["my-agent"]
"""
AGENT = """#!/bin/sh
echo '{"type":"tool.completed","id":"1","tool":"look","title":"Look","ok":true,"result":"seen"}'
echo '{"type":"run.completed","summary":"my own agent ran"}'
"""


@pytest.fixture
def debian() -> Iterator[Machine]:
    need(sys.platform == "linux" and os.geteuid() == 0, "a real cron needs Linux and root")
    for program in NEEDED:
        need(Path(program).exists(), f"a real cron needs {program} (apt-get install cron)")
    try:
        with machine() as made:
            probe = made.run(sys.executable, "-P", "-c", "import os, gradent_cli.cli; os.listdir(os.environ['HOME'])")
            need(probe.returncode == 0, f"another account cannot run this Python here: {probe.stderr.strip()[-200:]}")
            yield made
    except OSError as error:
        need(False, f"a real cron needs a mount namespace: {error}")


@pytest.fixture
def discord_server() -> Iterator[Discord]:
    with discord() as running:
        yield running


def until(found: Callable[[], dict[str, Any] | None], seconds: float, what: str) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while (answer := found()) is None:
        assert time.monotonic() < deadline, f"after {seconds:g} seconds still not: {what}"
        time.sleep(0.5)
    return answer


def test_cron_runs_the_agent_and_the_phone_says_what_it_did(debian: Machine, server: Server, discord_server: Discord):
    """From `config set` and `install-cron` in an account of its own to the last message, and back to nothing."""
    server.answer = Answer(body=b'{"id":"abc","event":"message"}')
    folder = debian.home / "my courses"
    tools = debian.home / "tools"
    study, command = folder / "gradent.toml", folder / "command.toml"
    due = (datetime.now(UTC) + timedelta(days=6)).isoformat(timespec="seconds")
    debian.run("mkdir", str(folder), str(tools))
    files = {
        study: STUDY,
        command: COMMAND,
        folder / "assignments.toml": f'[[assignment]]\ntitle = "Essay on cron"\ndue = {due}\n',
        tools / "my-agent": AGENT,
        debian.home / "random.py": "raise SystemExit('the person\\'s own random.py was imported')\n",
        debian.home / "crontab": THEIRS,
    }
    for path, text in files.items():
        debian.run("tee", str(path), input=text)
    debian.run("chmod", "700", str(tools / "my-agent"))
    debian.run("crontab", str(debian.home / "crontab"))

    def gradent(config: Path, *arguments: str, input: str = "") -> str:
        done = debian.run(
            sys.executable,
            "-P",
            "-m",
            "gradent_cli",
            "--config",
            str(config),
            *arguments,
            input=input,
            path=f"{tools}:/usr/bin:/bin",
        )
        assert done.returncode == 0, f"{shlex.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def first_run(config: Path) -> dict[str, Any] | None:
        """As soon as it is over and everything about it is told."""
        runs: list[dict[str, Any]] = json.loads(gradent(config, "history", "--json"))
        over = runs and runs[-1]["status"] != "running"
        told = over and all(delivery["status"] != "pending" for delivery in runs[-1]["deliveries"])
        return runs[-1] if told else None

    # Set up, as a person would.
    gradent(study, "config", "set", "--ntfy-server", server.url, "--ntfy-topic", "gradent-e2e-4711")
    gradent(study, "config", "set", "--discord-webhook", "-", input=discord_server.webhook + "\n")
    for config in (study, command):
        gradent(config, "config", "set", "--frequency", "* * * * *")
        assert "Installed in your crontab:" in gradent(config, "install-cron")
    assert "# Kept by hand." in study.read_text()
    assert discord_server.webhook not in debian.run("crontab", "-l").stdout

    # Cron fires both lines at the next minute.
    with debian.cron():
        run = until(lambda: first_run(study), 150, "the study agent was run by cron")
        own = until(lambda: first_run(command), 60, "the command was run by cron")
        status = json.loads(gradent(study, "status", "--json"))

    # What was done is on record.
    assert (run["trigger"], run["status"], run["error"]) == ("cron", "success", None)
    assert [tool["tool"] for tool in run["tools"]] == ["check", "assess", "suggest", "schedule"]
    assert {tool["status"] for tool in run["tools"]} == {"completed"}
    assert status["installed"] is True
    assert status["cron_expression"] == "* * * * *"
    assert status["last_status"] == "success"
    assert status["drift"] == []
    # cron's own PATH does not have this agent; the one of the installing shell does.
    assert (own["trigger"], own["status"], own["summary"]) == ("cron", "success", "my own agent ran")

    # What was told is what was done, the same on both channels.
    first = server.bodies[: len(run["deliveries"]) // 2]
    titles = [body["title"] for body in first]
    assert titles[0] == "🤖 Agent Started"
    assert titles[-1] == "✅ Agent Completed"
    assert len(titles) >= 4
    assert {body["topic"] for body in first} == {"gradent-e2e-4711"}
    assert (first[0]["priority"], first[0]["tags"]) == (4, ["robot", "rocket"])
    assert (first[-1]["priority"], first[-1]["tags"]) == (3, ["white_check_mark", "tada", "books"])
    assert "Assessed 1 assignment" in first[-1]["message"]
    embeds = [message["embeds"][0]["title"] for message in discord_server.messages]
    assert embeds[: len(titles)] == titles
    assert {delivery["status"] for delivery in run["deliveries"]} == {"sent"}

    # A changed frequency changes the line; uninstalling gives the old crontab back.
    assert "the crontab line now runs at" in gradent(study, "config", "set", "--frequency", "6hours")
    assert "\n0 0,6,12,18 * * * " in debian.run("crontab", "-l").stdout
    assert "Removed from your crontab:" in gradent(study, "uninstall-cron")
    assert "Removed from your crontab:" in gradent(command, "uninstall-cron")
    assert debian.run("crontab", "-l").stdout == THEIRS


def test_a_first_crontab_comes_and_goes(debian: Machine):
    """Where there was none there is none again; and without a daemon the person is told."""
    config = debian.home / "gradent.toml"
    debian.run("tee", str(config), input='frequency = "15min"\n')
    gradent = (sys.executable, "-P", "-m", "gradent_cli", "--config", str(config))
    seen_before = cron_runs_here()
    installed = debian.run(*gradent, "install-cron")
    assert installed.returncode == 0, installed.stderr
    assert "no cron daemon is running" in installed.stderr or seen_before or cron_runs_here()
    assert debian.spool() == [ACCOUNT]
    again = debian.run(*gradent, "install-cron")
    assert again.stdout.startswith("already installed; nothing changed")
    assert debian.run(*gradent, "uninstall-cron").returncode == 0
    assert debian.spool() == []


def cron_runs_here() -> bool:
    """Processes are not hidden by a mount namespace: this machine's own daemon is seen as well."""
    return any(name.read_text().strip() == "cron" for name in Path("/proc").glob("[0-9]*/comm"))
