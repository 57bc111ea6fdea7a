"""The line that a scheduler calls, with and without Typer: the same options, the same run."""

import gc
import os
import shlex
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli import tick
from gradent_cli.cli import compose, short
from gradent_cli.schedulers import OTHERS, Job, block
from tests.conftest import Gradent
from tests.street.server import Answer, Server

NEVER = {
    *("typer", "pydantic", "pydantic_settings", "pydantic_core", "tomllib", "rich", "httpx", "ssl", "asyncio"),
    *("dataclasses", "inspect", "hashlib", "tempfile", "shutil", "traceback", "secrets", "importlib.metadata"),
    *(
        "logging",
        "typing",
        "zoneinfo",
        "pathlib",
        "urllib",
        "subprocess",
        "selectors",
        "locale",
        "termios",
        "threading",
        "ctypes",
    ),
}
"""What a run with nothing to tell must not pay for when its config is known."""


@pytest.fixture
def path(home: Path) -> Path:
    """A config that nobody has touched for an hour, whose agent counts its runs."""
    path = home / "my courses" / "gradent.toml"
    path.parent.mkdir()
    path.write_text(
        f'state_dir = "state"\n[agent]\nkind = "command"\ncommand = ["sh", "-c", "echo run >> {home}/runs"]\n'
    )
    os.utime(path, (time.time() - 3600,) * 2)
    return path


def lines(config: Path) -> list[list[str]]:
    """What the schedulers call, word by word, from the interpreter's arguments on."""
    job = Job(config=config, interpreter=Path(sys.executable), expression="0 * * * *", zone=UTC)
    crontab = [*block.job_lines("0 * * * *", Path(sys.executable), config, catch_up=True)]
    words = [shlex.split(line.decode())[5:] for line in crontab] + [[*job.command(name)] for name in OTHERS]
    return [each[each.index("gradent_cli") + 1 :] for each in words]


def test_each_line_that_gradent_installs_goes_the_short_way(path: Path) -> None:
    """Cron's two, and those of the others."""
    found = [short.asked(line) for line in lines(path)]
    assert len(found) == 5
    assert None not in found


WORDS = ("--config", "{config}", "run", "--quiet", "--if-due", "--trigger", "systemd", "--force", "--dry-run", "--json")


@given(words=st.lists(st.sampled_from(WORDS), max_size=3), line=st.integers(0, 4), at=st.integers(0, 7))
def test_both_ways_read_the_same(tmp_path_factory, words, line, at) -> None:
    """Whatever line goes the short way, Typer would have read the same from it."""
    folder = tmp_path_factory.mktemp("both")
    path = folder / "config.toml"
    path.write_text('[agent]\nkind = "command"\ncommand = ["true"]\n')
    given = lines(path)[line]
    given[at:at] = [word.format(config=path) for word in words]
    asked = short.asked(given)
    if asked is None:
        return
    seen = []

    def see(config, environ, watch, **options):
        seen.append((str(config.path), options))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setattr(compose, "walk", see)
        patch.setattr(sys, "argv", ["gradent", *given])
        from gradent_cli.cli.app import call

        assert call() == 0
    trigger = asked.trigger or compose.who_fired()
    assert seen == [(asked.config, {"trigger": trigger, "dry_run": False, "force": False, "if_due": asked.if_due})]


def fire(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """As cron does; `options` are Python's own."""
    return subprocess.run(
        [sys.executable, "-P", *options, "-m", "gradent_cli", "--config", str(path), "run", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def imported(path: Path) -> set[str]:
    """All modules of a run that succeeds and says nothing."""
    done = fire(path, "-X", "importtime")
    assert (done.returncode, done.stdout) == (0, "")
    lines = [line.rpartition("|") for line in done.stderr.splitlines()]
    assert all(before.startswith("import time:") for before, _, _ in lines)
    return {name.strip() for _, _, name in lines[1:]}  # below the heading


def test_the_second_run_imports_only_what_it_needs(
    path: Path, home: Path, gradent: Gradent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And runs the agent as the first one did."""
    monkeypatch.delenv("TZ")  # as cron has it
    first, found = imported(path), imported(path)
    assert "pydantic" in first
    assert "typer" not in first
    assert {*found, *(name.partition(".")[0] for name in found)} & NEVER == set()
    assert not [name for name in found if name.startswith(("gradent_cli.agents.study", "gradent_cli.config"))]
    outside = {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names)
    environments = {name for name in outside if name.startswith("_")} | {"sitecustomize", "usercustomize"}
    assert outside - environments == {"gradent_cli"}
    assert (home / "runs").read_text() == "run\n" * 2
    assert gradent("--config", path, "history").out.count("success") == 2


@pytest.fixture
def collector() -> Iterator[None]:
    """The garbage collector as it was, whatever a run does with it."""
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("collector")
def test_a_large_run_does_not_fill_the_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it leaves in circles is collected before there is too much of it, but not by one that is small."""

    class Circle:
        def __init__(self) -> None:
            self.myself = self

    def walk(*_: object, **__: object) -> None:
        for size in (1_000, 200_000):
            circle = weakref.ref(Circle())
            kept = [[] for _ in range(size)]  # type: ignore[var-annotated]
            gone.append(circle() is None)
            del kept

    gone: list[bool] = []
    line = ["--config", str(path), "run", "--quiet"]
    monkeypatch.setattr(compose, "walk", walk)
    gc.collect()
    assert short.run(line, os.environ) == 0
    assert gone == [False, True]


def test_a_run_that_fails_says_the_same(path: Path) -> None:
    """The exit code, and the sentence that cron would mail."""
    path.write_text('state_dir = "state"\n[agent]\nkind = "command"\ncommand = ["sh", "-c", "echo oh no; exit 3"]\n')
    os.utime(path, (time.time() - 3600,) * 2)
    first, second = fire(path), fire(path)
    assert second.returncode == first.returncode == 1
    assert second.stderr.split("\n")[0] == first.stderr.split("\n")[0] != ""
    assert second.stderr.split("\n")[1].startswith("  hint: gradent history ")


def test_a_config_that_is_refused_is_told_the_same(path: Path, server: Server, state: Path) -> None:
    """On standard error, and to whom it names."""
    path.write_text(f'frequency = "often"\nstate_dir = "{state}"\n[ntfy]\ntopic = "t"\nserver = "{server.url}"\n')
    server.answer = Answer(body=b'{"id": "1"}')
    short_way = fire(path)
    typers = subprocess.run(
        [sys.executable, "-P", "-m", "gradent_cli", "--config", str(path), "run", "--force", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (short_way.returncode, short_way.stderr) == (typers.returncode, typers.stderr)
    assert (short_way.returncode, len(server.requests)) == (78, 1)  # the second is no news


def test_ctrl_c_before_the_run_is_no_bug(path: Path) -> None:
    """It is here while the config is being read."""
    assert fire(path).returncode == 0
    snapshot = Path(tick.place("snapshots", str(path), os.environ))
    snapshot.unlink()
    os.mkfifo(snapshot)
    line = [sys.executable, "-P", "-m", "gradent_cli", "--config", str(path), "run", "--quiet"]
    with subprocess.Popen(line, stderr=subprocess.PIPE) as process, snapshot.open("wb"):
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 130


def test_a_secret_is_read_from_where_it_stands(path: Path, server: Server) -> None:
    """The message arrives at an address that the snapshot does not hold."""
    path.write_text(path.read_text() + f'[webhook]\nurl = "{server.url}/token-1234"\n')
    os.utime(path, (time.time() - 3600,) * 2)
    assert (fire(path).returncode, fire(path).returncode) == (0, 0)
    assert [request.path for request in server.requests] == ["/token-1234"] * 4
