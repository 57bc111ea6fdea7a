"""The tick as cron calls it: a process that decides from one small file, or leaves it to the long way."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gradent_cli import paths, tick
from tests.conftest import Gradent

HEAVY = {"typer", "pydantic", "sqlite3", "cronsim", "json", "re", "hashlib", "pathlib", "datetime", "zoneinfo"}
"""What a tick with nothing due must not pay for."""

PROBE = """
import atexit, runpy, sys
before = set(sys.modules)
atexit.register(lambda: print("IMPORTED", *(set(sys.modules) - before), file=sys.stderr))
runpy.run_module("gradent_cli", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def config(home: Path) -> Path:
    """A config whose agent counts its runs; at a path with a space, and with a state directory of its own choice.

    Its slots are half an hour away from now.
    """
    at = datetime.now(UTC) + timedelta(minutes=30)
    path = home / "my courses" / "gradent.toml"
    path.parent.mkdir()
    path.write_text(
        f'at = "{at:%H:%M}"\nstate_dir = "state"\n[agent]\nkind = "command"\n'
        f'command = ["sh", "-c", "echo run >> {home}/runs"]\n'
    )  # fmt: skip
    return path


@pytest.fixture
def state(config: Path) -> Path:
    return config.parent / "state"


def arguments(config: Path) -> list[str]:
    return ["--config", str(config), "run", "--if-due", "--quiet"]


def fire(config: Path, *, probe: bool = False) -> subprocess.CompletedProcess[str]:
    """As cron does."""
    how = ["-c", PROBE] if probe else ["-m", "gradent_cli"]
    done = subprocess.run(
        [sys.executable, "-P", *how, *arguments(config)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return done


def imported(done: subprocess.CompletedProcess[str]) -> set[str]:
    return {name.partition(".")[0] for name in done.stderr.rpartition("IMPORTED")[2].split()}


def runs(home: Path) -> int:
    file = home / "runs"
    return len(file.read_text().splitlines()) if file.exists() else 0


def rewrite(state: Path, **changes: object) -> None:
    """Change what is remembered, in the form that it is written in."""
    file = state / "due.json"
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, **changes}, indent=0) + "\n")


def files(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """Every file with its content and time; without Python's own cache."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_a_tick_with_nothing_due_imports_next_to_nothing(gradent: Gradent, config: Path, home: Path, state: Path):
    """Nothing of Typer, pydantic or SQLite, nor of what is slow in Python's own library."""
    gradent(*arguments(config))
    rewrite(state, next_at=time.time() + 600)
    modules = imported(fire(config, probe=True))
    assert not modules & HEAVY
    assert runs(home) == 1


def test_its_only_trace_is_the_heartbeat(gradent: Gradent, config: Path, home: Path, state: Path):
    """No line in the log, no record, no other file; the time of `tick` is that of the tick."""
    gradent(*arguments(config))
    rewrite(state, next_at=time.time() + 600)
    before, now = files(home), time.time()
    fire(config)
    after = files(home)
    assert {path for path in after if after[path] != before.get(path)} == {state / "tick"}
    assert abs((state / "tick").stat().st_mtime - now) < 30
    assert (state / "tick").stat().st_mode & 0o777 == 0o600


def test_a_due_tick_runs_once(config: Path, home: Path, state: Path):
    """And settles: the next tick has nothing to do."""
    fire(config)
    rewrite(state, settled_at=time.time() - 7200, next_at=time.time() - 3600)
    fire(config)
    fire(config)
    assert runs(home) == 2


def test_of_ticks_that_come_together_one_runs(gradent: Gradent, config: Path, home: Path, state: Path):
    """The others find it at work, or the slot served."""
    gradent(*arguments(config))
    rewrite(state, settled_at=time.time() - 7200, next_at=time.time() - 3600)
    command = [sys.executable, "-P", "-m", "gradent_cli", *arguments(config)]
    ticks = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(4)]
    assert {one.communicate(timeout=60)[0] for one in ticks} == {b""}
    assert {one.returncode for one in ticks} <= {0, 75}
    assert runs(home) == 2


def test_a_plain_run_serves_the_slot_too(gradent: Gradent, config: Path, state: Path):
    """A tick after a run that cron or a person started finds nothing due."""
    gradent(*arguments(config))
    rewrite(state, next_at=time.time() - 60)
    gradent("--config", config, "run", "--quiet")
    rewrite(state, next_at=time.time() + 600)
    assert tick.nothing_is_due(arguments(config), os.environ, time.time())


@pytest.mark.parametrize(
    ("environ", "spoil"),
    [
        ({"GRADENT_ENABLED": "true"}, lambda config, state: None),
        ({"TZ": "Europe/Amsterdam"}, lambda config, state: None),
        ({}, lambda config, state: config.write_text(config.read_text() + "\n")),
        ({}, lambda config, state: (state / "due.json").unlink()),
        ({}, lambda config, state: (state / "due.json").write_text("{\n}\n")),
        ({}, lambda config, state: (state / "due.json").write_bytes(b"\xff" * 9)),
        ({}, lambda config, state: (state / "due.json").write_text((state / "due.json").read_text()[:40])),
        ({}, lambda config, state: rewrite(state, next_at="soon")),
        ({}, lambda config, state: rewrite(state, settled_at=time.time() + 500, next_at=time.time() + 600)),
        ({}, lambda config, state: Path(tick.pointer(str(config), os.environ)).unlink()),
        ({}, lambda config, state: rewrite(state, next_at=time.time() - 1)),
    ],
    ids=[
        "a variable", "the zone", "the config", "no file", "an empty one", "not text", "cut off", "not a number",
        "of the future", "no link", "due",
    ],
)  # fmt: skip
def test_whatever_is_not_clear_takes_the_long_way(
    gradent: Gradent, monkeypatch: pytest.MonkeyPatch, config: Path, state: Path, environ, spoil
):
    """It decides with the real config; and after it the short way is open again."""
    gradent(*arguments(config))
    rewrite(state, next_at=time.time() + 600)
    spoil(config, state)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert not tick.nothing_is_due(arguments(config), os.environ, time.time())
    assert gradent(*arguments(config)).code == 0
    assert tick.nothing_is_due(arguments(config), os.environ, time.time())


@pytest.mark.parametrize(
    "spoiled",
    [
        ["run", "--if-due", "--quiet"],
        ["--config", "{config}", "run", "--quiet"],
        ["--config", "{config}", "run", "--if-due"],
        ["--config", "{config}", "run", "--quiet", "--if-due"],
        ["--config", "{config}", "run", "--if-due", "--quiet", "--force"],
        ["--config", "gradent.toml", "run", "--if-due", "--quiet"],
        ["--config", "/nowhere.toml", "run", "--if-due", "--quiet"],
        [],
    ],
)
def test_only_the_line_that_cron_has_goes_the_short_way(
    gradent: Gradent, config: Path, state: Path, spoiled: list[str]
):
    """Everything else is Typer's."""
    gradent(*arguments(config))
    rewrite(state, next_at=time.time() + 600)
    words = [word.format(config=config) for word in spoiled]
    assert not tick.nothing_is_due(words, os.environ, time.time())


def test_a_heartbeat_that_cannot_be_left_is_not_passed_over(gradent: Gradent, config: Path, state: Path):
    """The long way says what is wrong with the state."""
    gradent(*arguments(config))
    rewrite(state, next_at=time.time() + 600)
    (state / "tick").mkdir()
    assert not tick.nothing_is_due(arguments(config), os.environ, time.time())
    result = gradent(*arguments(config))
    assert (result.code, result.err) == (74, f"gradent: cannot write {state}/tick: Is a directory\n")


@pytest.mark.parametrize("environ", [{}, {"XDG_STATE_HOME": "/elsewhere"}, {"XDG_STATE_HOME": "relative"}])
def test_the_link_lies_where_state_lies_by_default(home: Path, environ: dict[str, str]):
    """`tick` works out the root by itself, as `paths` does."""
    environ = {"HOME": str(home), **environ}
    root = paths.state_dir(paths.default_config(environ), None, environ)
    assert Path(tick.pointer("/any/config.toml", environ)).parent == root / "ticks"


def test_without_a_home_there_is_no_short_way(config: Path):
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="HOME"):
        tick.pointer(str(config), {})
    assert not tick.nothing_is_due(arguments(config), {}, time.time())
