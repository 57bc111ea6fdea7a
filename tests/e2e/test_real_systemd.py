"""A booted systemd fires the installed timer, makes up for what was missed, and forgets all about it."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.booted import HOME, NEEDED, Booted, booted
from tests.e2e.conftest import need

pytestmark = pytest.mark.e2e

# All that systemd treats specially, in the folder and in the name.
CONFIG = HOME / "my 50% of $HOME" / 'it\'s "mine".toml'
TOOLS = HOME / "tools"
AGENT = """#!/bin/sh
echo '{"type":"run.completed","summary":"my own agent ran"}'
"""


@pytest.fixture
def machine() -> Iterator[Booted]:
    need(sys.platform == "linux" and os.geteuid() == 0, "a booted systemd needs Linux and root")
    for program in NEEDED:
        need(
            Path(program).exists(),
            f"a booted systemd needs {program} (apt-get install systemd-container libpam-systemd)",
        )
    try:
        with booted() as made:
            probe = made.run(sys.executable, "-P", "-c", "import gradent_cli.cli")
            need(probe.returncode == 0, f"another account cannot run this Python here: {probe.stderr.strip()[-200:]}")
            yield made
    except OSError as error:
        need(False, f"a booted systemd needs a container: {error}")


def until(found: Callable[[], Any], seconds: float, what: str) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"after {seconds:g} seconds still not: {what}"
        time.sleep(0.5)
    return answer


def test_systemd_runs_the_agent(machine: Booted):
    """Install, a minute's tick, a change that runs nothing by itself, a missed day made up for, and nothing left."""

    def gradent(*arguments: str, session: bool = True, code: int = 0) -> str:
        words = (sys.executable, "-P", "-m", "gradent_cli", "--config", str(CONFIG), *arguments)
        done = machine.run(*words, path=f"{TOOLS}:/usr/bin:/bin", session=session)
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def runs() -> list[dict[str, Any]]:
        """Newest first, as far as they are over."""
        found: list[dict[str, Any]] = json.loads(gradent("history", "--json"))
        return [run for run in found if run["status"] != "running"]

    def ours() -> str:
        """What systemd still knows of gradent, and every file that it or we have made for it."""
        units = machine.run("systemctl", "--user", "list-units", "--all", "--no-legend", "gradent-*").stdout
        folders = (f"{HOME}/.config/systemd", f"{HOME}/.local/share/systemd")
        return units + machine.run("find", *folders, "-name", "*gradent*").stdout

    for path, text in ((CONFIG, '[agent]\nkind = "command"\ncommand = ["my-agent"]\n'), (TOOLS / "my-agent", AGENT)):
        machine.run("mkdir", "-p", str(path.parent))
        machine.run("sh", "-c", 'printf %s "$2" > "$1"', "sh", str(path), text)
    machine.run("chmod", "700", str(TOOLS / "my-agent"))
    gradent("config", "set", "--frequency", "* * * * *")

    # Without a session there is nobody to ask, and nothing is written.
    refused = gradent("install-cron", "--scheduler", "systemd", session=False, code=69)
    assert "there is no systemd for you (Failed to connect to bus: No medium found); nothing was written" in refused
    assert ours() == ""

    # A tick: the timer fires at the minute, and the agent is found through the PATH of the installing shell.
    assert gradent("install-cron", "--scheduler", "systemd").startswith("Installed in systemd:\n")
    assert gradent("install-cron", "--scheduler", "systemd").startswith("already installed; nothing changed\n")
    status = json.loads(gradent("status", "--json"))
    assert (status["installed"], status["drift"]) == (True, [])
    first, *_ = until(runs, 150, "the timer fired")
    assert (first["trigger"], first["status"], first["summary"]) == ("systemd", "success", "my own agent ran")
    assert float(first["started_at"][17:].rstrip("Z").partition("+")[0]) < 20

    # Another schedule: nothing runs for slots that it would have had.
    before = len(runs())
    assert "systemd now runs it at" in gradent("config", "set", "--frequency", "0 0 1 1 *")
    assert json.loads(gradent("status", "--json"))["drift"] == []
    time.sleep(2)
    assert len(runs()) <= before + 1  # one may have been under way

    # The machine was off for a year: the missed slot is made up for, once.
    until(
        lambda: machine.run("systemctl", "--user", "is-active", "gradent-*.service").stdout.strip() != "activating",
        60,
        "idle",
    )
    before = len(runs())
    machine.root("systemctl", "stop", f"user@{machine.uid}")
    stamps = machine.run("sh", "-c", "ls ~/.local/share/systemd/timers/stamp-gradent-*.timer").stdout.splitlines()
    assert len(stamps) == 1
    machine.run("touch", "-d", "400 days ago", *stamps)
    machine.root("systemctl", "start", f"user@{machine.uid}")
    until(lambda: len(runs()) > before, 60, "the missed run was made up for")
    assert [run["trigger"] for run in runs()[: len(runs()) - before]] == ["systemd"]

    # Gone, to the last stamp.
    assert gradent("uninstall-cron").startswith("Removed from systemd:\n")
    assert ours() == ""
