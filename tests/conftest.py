"""The safe place every test lives in: its own HOME, no crontab but a stand-in, no network but loopback."""

import io
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from gradent_cli import web
from tests import lanes
from tests.street.crontab import Crontab
from tests.street.server import Server, serving

settings.register_profile(
    "gradent",
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=os.environ.get("CI") == "true",  # there the same examples each time; new ones are found at home
)
settings.load_profile("gradent")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return lanes.Lanes(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        lanes.sort(items)


@pytest.fixture(autouse=True, scope="session")
def signals_as_usual() -> None:
    """Whoever starts the tests in the background has some signals ignored, and what they start inherits that."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(autouse=True, scope="session")
def connections() -> Iterator[None]:
    """What HTTP clients keep open is closed at the end, or Python complains of each socket at its exit."""
    yield
    for clients in web._resting.values():
        for client in clients:
            client.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory of the test's own; no GRADENT_* or XDG_* from outside; UTC; a `crontab` that refuses."""
    for name in list(os.environ):
        ours = name.startswith(("GRADENT_", "XDG_", "SUDO_")) or name in ("EDITOR", "VISUAL")
        if ours or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    programs = tmp_path / "programs"
    home.mkdir()
    programs.mkdir()
    crontab = programs / "crontab"
    crontab.write_text("#!/bin/sh\necho 'this test must bring its own crontab' >&2\nexit 99\n")
    crontab.chmod(crontab.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    return home


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anything but this machine is a test failure, not a packet."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "unix"
        if not (host in ("unix", "::1", "localhost") or str(host).startswith("127.")):
            raise AssertionError(f"a test tried to reach {address!r}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def config(home: Path) -> Path:
    """The default config file: every hour, and all else as it comes."""
    path = home / ".config" / "gradent" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('frequency = "1hour"\n')
    return path


@pytest.fixture
def state(home: Path) -> Path:
    """Where the default config's state will be; nothing is there yet."""
    return home / ".local" / "state" / "gradent"


@pytest.fixture
def crontab(tmp_path: Path) -> Crontab:
    """A `crontab` program that can be told to misbehave, first in PATH."""
    return Crontab(tmp_path / "spool", tmp_path / "programs" / "crontab")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Gradent = Callable[..., Result]


@pytest.fixture
def gradent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Gradent:
    """`gradent("config", "get", "frequency", input="")` in this process: exit code, stdout, stderr."""

    def call(*arguments: str | Path, input: str = "") -> Result:
        from gradent_cli.cli import main

        monkeypatch.setattr(sys, "argv", ["gradent", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(input.encode()), encoding="utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        said = capsys.readouterr()
        code = caught.value.code
        return Result(code if isinstance(code, int) else 1, said.out, said.err)

    return call
