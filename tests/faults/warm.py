"""A Python that has gradent's libraries in memory and forks: each child becomes `python -P -m gradent_cli ...`.

Loading Python's libraries and gradent's modules is most of what a short run costs, and does nothing yet: modules of
ours read no clock, environment or disk when they are imported. Each child has its own environment, session, streams and
working directory, so that all it does, and how it dies, is as in a process of its own. Run as a program; `Warm` is the
other side.
"""

import ctypes
import json
import os
import pkgutil
import runpy
import select
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

LIBRARIES = (
    *("argparse", "concurrent.futures", "email.parser", "fcntl", "hashlib", "httpx", "json", "pydantic"),
    *("pydantic_settings", "random", "secrets", "selectors", "socket", "sqlite3", "ssl", "subprocess", "tempfile"),
    *("tomlkit", "tomllib", "traceback", "typer", "urllib.parse", "urllib.request", "zlib", "zoneinfo"),
)


class Child:
    """A gradent process; what of `subprocess.Popen` is needed here."""

    def __init__(self, warm: "Warm", pid: int, out: IO[str], err: IO[str]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._warm, self._out, self._err = warm, out, err

    def poll(self) -> int | None:
        self.returncode = self._warm.ended.get(self.pid)
        return self.returncode

    def kill(self) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ended in this moment
                os.kill(self.pid, 9)

    def communicate(self, timeout: float = 120) -> tuple[str, str]:
        deadline = time.monotonic() + timeout
        with self._warm.news:
            while self.poll() is None:
                if not self._warm.news.wait(deadline - time.monotonic()):
                    raise subprocess.TimeoutExpired("gradent", timeout)
        said = []
        for stream in (self._out, self._err):
            stream.seek(0)
            said.append(stream.read())
            stream.close()
        return said[0], said[1]


class Warm:
    """The program below, running: asked for children through a pipe, it tells of their births and ends through one."""

    def __init__(self, library: Path | None) -> None:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("GRADENT_")}
        if library is not None:
            environ["LD_PRELOAD"] = str(library)
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, text=True
        )
        self.ended: dict[int, int] = {}
        self.news = threading.Condition()
        self._asking = threading.Lock()
        self._born: list[int] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, arguments: list[str], environ: Mapping[str, str], cwd: Path) -> Child:
        out, err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")  # noqa: SIM115  the child's to close
        streams = [f"/proc/{os.getpid()}/fd/{stream.fileno()}" for stream in (out, err)]
        order = {"arguments": arguments, "environ": dict(environ), "cwd": str(cwd), "streams": streams}
        assert self._process.stdin
        with self._asking, self.news:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            if not self.news.wait_for(lambda: self._born, 30):
                raise RuntimeError("the warm Python does not answer")
            return Child(self, self._born.pop(), out, err)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            event: dict[str, Any] = json.loads(line)
            with self.news:
                if "born" in event:
                    self.ended.pop(event["born"], None)  # an earlier child had the same number
                    self._born.append(event["born"])
                else:
                    self.ended[event["pid"]] = event["code"]
                self.news.notify_all()


# ── the program ──


def serve() -> None:
    import gradent_cli

    ours = [module.name for module in pkgutil.walk_packages(gradent_cli.__path__, "gradent_cli.")]
    for name in (*LIBRARIES, *(name for name in ours if not name.endswith(("__main__", "apprise")))):
        __import__(name)
    wake, ring = os.pipe()
    os.set_blocking(ring, False)
    import signal

    signal.set_wakeup_fd(ring)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    orders = b""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            os.read(wake, 1000)
        _bury()
        if 0 not in ready:
            continue
        chunk = os.read(0, 1_000_000)
        if not chunk:
            return
        *lines, orders = (orders + chunk).split(b"\n")
        for line in lines:
            _bear(json.loads(line))


def _bear(order: dict[str, Any]) -> None:
    pid = os.fork()
    if pid == 0:
        _become(order)
    _tell({"born": pid})


def _bury() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell({"pid": pid, "code": os.waitstatus_to_exitcode(status)})


def _tell(event: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def _become(order: dict[str, Any]) -> NoReturn:
    import signal

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, path in enumerate(["/dev/null", *order["streams"]]):
        descriptor = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.closerange(3, 64)
    os.setsid()
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environ"])
    time.tzset()
    if "FAULT_ROOT" in os.environ:
        ctypes.CDLL(None).fault_begin()
        for name in [name for name in os.environ if name.startswith("FAULT_") or name == "LD_PRELOAD"]:
            del os.environ[name]
    if "PYTHONPATH" in os.environ:
        sys.path.insert(0, os.environ["PYTHONPATH"])
    sys.argv[:] = ["gradent", *order["arguments"]]
    code: Any = 1
    try:
        runpy.run_module("gradent_cli", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001  as the interpreter does
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
