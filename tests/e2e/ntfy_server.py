"""A real ntfy server on loopback: Debian 13's package, unpacked beside the tests and never installed.

Debian 12 has none. The program runs with its own Debian's libraries and loader, so that nothing of this machine
matters to it. What was unpacked is kept in pytest's cache for the next time.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.conftest import need

RELEASE = "trixie"
_SECONDS_TO_START = 60


@dataclass
class Program:
    """The unpacked Debian with the server in it."""

    root: Path

    def command(self, *arguments: str) -> list[str]:
        loader = next((self.root / "usr/lib").glob("*/ld-linux*"))
        return [str(loader), "--library-path", str(loader.parent), str(self.root / "usr/bin/ntfy"), *arguments]


def unpacked(cache: Path) -> Program:
    """Skips where it can be had from nowhere."""
    root = cache / f"ntfy-{RELEASE}"
    if not (root / "usr/bin/ntfy").exists():
        need(shutil.which("mmdebstrap"), "the ntfy server comes with mmdebstrap (apt-get install mmdebstrap)")
        made = Path(f"{root}.{os.getpid()}")
        done = subprocess.run(
            ["mmdebstrap", "--variant=extract", "--include=ntfy", RELEASE, str(made)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        need(done.returncode == 0, f"the ntfy server could not be fetched: {done.stderr[-300:]}")
        kept = Path(f"{made}.kept")
        (library,) = [found.parent for found in (made / "usr/lib").glob("*/ld-linux*")]
        (kept / "usr/bin").mkdir(parents=True)
        (kept / "usr/lib" / library.name).mkdir(parents=True)
        shutil.copy2(made / "usr/bin/ntfy", kept / "usr/bin")
        for file in library.glob("*.so*"):
            shutil.copy2(file, kept / "usr/lib" / library.name)
        shutil.rmtree(made, ignore_errors=True)
        kept.rename(root)
    return Program(root)


class Ntfy:
    """One server with its own files in `folder`; started and killed as often as one likes, always at the same `url`.

    `settings` are those of its server.yml (https://docs.ntfy.sh/config/#config-options).
    """

    def __init__(self, program: Program, folder: Path, **settings: object) -> None:
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.configure(**settings)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def configure(self, **settings: object) -> None:
        """Settings for the next start."""
        everything = {
            "listen_http": f"127.0.0.1:{self._port}",
            "base_url": self.url,
            "cache_file": str(self._folder / "cache.db"),
            "auth_file": str(self._folder / "auth.db"),
            "attachment_cache_dir": str(self._folder / "attachments"),
            **settings,
        }
        lines = [f"{key.replace('_', '-')}: {json.dumps(value)}\n" for key, value in everything.items()]
        (self._folder / "server.yml").write_text("".join(lines))

    def start(self) -> None:
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._program.command("serve", "--config", str(self._folder / "server.yml")),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"HOME": str(self._folder), "PATH": "/usr/bin:/bin"},
            )
        deadline = time.monotonic() + _SECONDS_TO_START
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if self._get("/v1/health")["healthy"]:
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"no ntfy after {_SECONDS_TO_START} seconds: {log.read_text()[-500:]}")

    def kill(self) -> None:
        """As with kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def messages(self, topic: str, token: str | None = None) -> list[dict[str, Any]]:
        """What a phone that subscribed to the topic was shown, oldest first."""
        return self._lines(f"/{topic}/json?poll=1&since=all", token)

    def user(self, name: str, topic: str, permission: str) -> str:
        """A new user who may read, write or both there; returns a token of theirs."""
        config = ("--config", str(self._folder / "server.yml"))
        self._say("user", *config, "add", name)
        self._say("access", *config, name, topic, permission)
        found = re.search(r"tk_\w+", self._say("token", *config, "add", name))
        assert found
        return found[0]

    def _say(self, *arguments: str) -> str:
        done = subprocess.run(
            self._program.command(*arguments),
            env={"HOME": str(self._folder), "PATH": "/usr/bin:/bin", "NTFY_PASSWORD": "a-password"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def _get(self, path: str) -> Any:
        return self._lines(path, None)[0]

    def _lines(self, path: str, token: str | None) -> list[Any]:
        request = urllib.request.Request(self.url + path)
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return [json.loads(line) for line in answer.read().splitlines()]


@contextmanager
def serving(program: Program, folder: Path, **settings: object) -> Iterator[Ntfy]:
    server = Ntfy(program, folder, **settings)
    try:
        server.start()
        yield server
    finally:
        server.kill()
