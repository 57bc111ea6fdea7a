"""Debian's cron fires a canary for real: what its job sees, and that nothing of it stays."""

import json
import subprocess
import sys

import pytest

from tests.e2e.machine import Machine
from tests.e2e.test_real_cron import THEIRS, debian
from tests.street.server import Answer, Server

pytestmark = pytest.mark.e2e

__all__ = ["debian"]  # a fixture


@pytest.fixture
def installed(debian: Machine, server: Server) -> Machine:
    """An account with a crontab of its own, and a config whose agent only the installing shell's PATH has."""
    server.answer = Answer(body=b'{"id":"abc","event":"message"}')
    tools = debian.home / "tools"
    debian.run("mkdir", str(tools))
    files = {
        debian.home / "gradent.toml": (
            f'frequency = "* * * * *"\n[agent]\nkind = "command"\ncommand = ["my-agent"]\n'
            f'[ntfy]\ntopic = "gradent-e2e-4711"\nserver = "{server.url}"\n'
        ),
        tools / "my-agent": "#!/bin/sh\necho worked\n",
        debian.home / "crontab": THEIRS,
    }
    for path, text in files.items():
        debian.run("tee", str(path), input=text)
    debian.run("chmod", "700", str(tools / "my-agent"))
    debian.run("crontab", str(debian.home / "crontab"))
    return debian


def gradent(machine: Machine, *arguments: str) -> tuple[int, str]:
    done = machine.run(
        sys.executable,
        "-P",
        "-m",
        "gradent_cli",
        "--config",
        str(machine.home / "gradent.toml"),
        *arguments,
        path=f"{machine.home}/tools:/usr/bin:/bin",
        seconds=150,
    )
    return done.returncode, done.stdout + done.stderr


def test_cron_fires_the_canary_and_it_is_gone(installed: Machine):
    """A minute of waiting, what the job saw in cron's own environment, and the crontab as `install-cron` leaves it."""
    with installed.cron():
        code, said = gradent(installed, "install-cron", "--catch-up", "--verify")
        assert code == 0, said
        status = json.loads(gradent(installed, "status", "--json")[1])
    assert "✓ started by  cron" in said
    assert f"✓ Python      {sys.version.split()[0]}, " in said
    assert "✓ PATH        /usr/bin:/bin\n" in said
    assert f"✓ HOME        {installed.home}\n" in said
    assert "TZ is not set" in said
    assert f"✓ agent       {installed.home}/tools/my-agent" in said
    assert "✓ ntfy        http://127.0.0.1:" in said
    assert said.rstrip().endswith("Everything is in place.")
    # Nothing of it stays but what was installed: the run, and the tick that catches up.
    tab = installed.run("crontab", "-l").stdout
    assert tab.startswith(THEIRS)
    assert "canary" not in tab
    assert tab.count(" run --quiet\n") == 1
    assert tab.count(" run --if-due --quiet\n") == 1
    assert status["installed"] is True
    assert status["drift"] == []
    # And all of it can be undone.
    code, said = gradent(installed, "install-cron", "--undo")
    assert code == 0, said
    assert installed.run("crontab", "-l").stdout == THEIRS


def test_a_canary_that_nobody_fires(installed: Machine):
    """69 after the whole wait, with the reason, and the crontab as `install-cron` leaves it."""
    code, said = gradent(installed, "install-cron", "--verify")
    assert code == 69, said
    assert "cron did not fire the canary within 130 seconds; it is removed again" in said
    assert "canary" not in installed.run("crontab", "-l").stdout
    assert gradent(installed, "uninstall-cron")[0] == 0
    assert installed.run("crontab", "-l").stdout == THEIRS


def test_an_ended_wait_leaves_nothing(installed: Machine):
    """TERM takes the canary away at once; after a KILL the next command does."""
    verify = (sys.executable, "-P", "-m", "gradent_cli", "--config", str(installed.home / "gradent.toml"))
    ending = (
        '"$@" & process=$!; until crontab -l | grep -q canary; do sleep 0.2; done; sleep 1; '
        'kill -s "$SIGNAL" $process; wait $process'
    )

    def end_by(signal: str) -> subprocess.CompletedProcess[str]:
        """While it waits for cron."""
        said = ("env", f"SIGNAL={signal}", "sh", "-c", ending, "sh", *verify, "install-cron", "--verify")
        return installed.run(*said, seconds=120)

    ended = end_by("TERM")
    assert ended.returncode == 143
    assert "interrupted; the canary is out of the crontab again" in ended.stderr
    tab = installed.run("crontab", "-l").stdout
    assert "canary" not in tab
    end_by("KILL")
    assert "canary" in installed.run("crontab", "-l").stdout
    code, said = gradent(installed, "install-cron")
    assert code == 0
    assert said.startswith("already installed; nothing changed")
    assert installed.run("crontab", "-l").stdout == tab
