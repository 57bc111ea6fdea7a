"""Any program as an agent: started without a shell, read line by line, and gone when its run is over.

The program writes one JSON object per line on standard output, as `docs/agents.md` describes; other lines are log
text. Its exit status decides first: anything but 0 is a failure, whatever it printed.
"""

import json
import os
import selectors
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any

from gradent_cli.agents import RunContext, ToolCallTracker
from gradent_cli.durations import spell
from gradent_cli.errors import AgentError, AgentTimeoutError
from gradent_cli.records import Report
from gradent_cli.text import one_line

TAIL_BYTES = 65_536
LINE_BYTES = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAgent:
    """Runs `argv` once.

    In each argument `{prompt}`, `{context_file}` and `{run_id}` are filled in. `environ` is the whole environment of
    the program. `idle_timeout` None means that silence has no limit; `grace` is the time between TERM and KILL.
    """

    argv: Sequence[str]
    prompt: str
    cwd: Path | None
    environ: Mapping[str, str]
    idle_timeout: timedelta | None
    grace: timedelta
    name: str = "command"

    def run(self, context: RunContext) -> Report:
        """Start the program, follow it to its end, and leave nothing of its process group behind.

        Raises:
            AgentError: it cannot be started.
            AgentTimeoutError: it said nothing for `idle_timeout`; or the run's own limit struck.
        """
        with tempfile.TemporaryDirectory(prefix="gradent-") as folder:
            context_file = Path(folder) / "context.json"
            document = json.dumps(_context(context, self.prompt), ensure_ascii=False)
            context_file.write_text(document, encoding="utf-8")
            process: subprocess.Popen[bytes] | None = None
            reader = _Reader(context)
            try:
                with context.shield():
                    process = self._start(context, context_file)
                self._follow(process, reader)
            finally:
                if process is not None:
                    with context.shield():
                        _end_group(process, self.grace)
            return reader.report(process.returncode)

    def _start(self, context: RunContext, context_file: Path) -> subprocess.Popen[bytes]:
        fillings = {"{prompt}": self.prompt, "{context_file}": str(context_file), "{run_id}": context.run_id}
        argv = [_filled(argument, fillings) for argument in self.argv]
        try:
            return subprocess.Popen(
                argv,
                cwd=self.cwd,
                env={**self.environ, "GRADENT_RUN_ID": context.run_id},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            what = f"the working directory {self.cwd}" if str(error.filename) == str(self.cwd) else f"'{argv[0]}'"
            raise AgentError(
                f"cannot start the agent: {what}: {error.strerror or error}",
                hint=f"give the program's full path in agent.command; it was looked for in "
                f"PATH={self.environ.get('PATH', '')}",
            ) from error

    def _follow(self, process: subprocess.Popen[bytes], reader: "_Reader") -> None:
        """Read both pipes until they close, or until the program itself has ended and what it wrote is read."""
        idle = self.idle_timeout.total_seconds() if self.idle_timeout is not None else None
        quiet_since = monotonic()
        with selectors.DefaultSelector() as selector:
            for stream, take in ((process.stdout, reader.output), (process.stderr, reader.complaint)):
                assert stream is not None  # noqa: S101  both are pipes
                selector.register(stream, selectors.EVENT_READ, take)
            while selector.get_map():
                # A grandchild may hold the pipes open for ever: look after the program itself, too.
                ended = process.poll() is not None
                ready = selector.select(timeout=0 if ended else 0.2)
                for key, _ in ready:
                    chunk = os.read(key.fd, 65_536)
                    feed: Callable[[bytes], None] = key.data
                    if chunk:
                        feed(chunk)
                        quiet_since = monotonic()
                    else:
                        selector.unregister(key.fileobj)
                if ended and not ready:
                    break
                if idle is not None and not ended and monotonic() - quiet_since > idle:
                    limit = spell(timedelta(seconds=idle))
                    raise AgentTimeoutError(f"said nothing for {limit}, the limit of agent.idle_timeout")
        reader.end()
        process.wait()


def _filled(argument: str, fillings: Mapping[str, str]) -> str:
    for name, value in fillings.items():
        if argument == name:
            return value  # a prompt that itself contains `{run_id}` stays as it is
        argument = argument.replace(name, value)
    return argument


def _context(context: RunContext, prompt: str) -> dict[str, Any]:
    previous = context.previous
    return {
        "run_id": context.run_id,
        "started_at": context.started_at.isoformat(),
        "prompt": prompt,
        "previous": None
        if previous is None
        else {
            "id": previous.id,
            "status": previous.status,
            "started_at": previous.started_at.isoformat(),
            "summary": previous.summary,
            "error": previous.error,
        },
    }


class _Reader:
    """Takes what the program writes: events to the tracker, other lines to the log, the end of all of it as tail."""

    def __init__(self, context: RunContext) -> None:
        self._tools: ToolCallTracker = context.tools
        self._log = context.log
        self._tail = bytearray()
        self._seen = 0
        self._carry = b""
        self._overlong = False
        self._last_line = ""
        self._summary: str | None = None
        self._error: str | None = None

    def output(self, chunk: bytes) -> None:
        self._keep(chunk)
        *lines, rest = (self._carry + chunk).split(b"\n")
        for line in lines:
            self._line(line)
        self._carry = rest
        if len(rest) > LINE_BYTES:
            self._line(rest[:LINE_BYTES])
            self._carry, self._overlong = b"", True

    def complaint(self, chunk: bytes) -> None:
        self._keep(chunk)
        self._remember(chunk.decode(errors="replace"))

    def end(self) -> None:
        if self._carry:
            self._line(self._carry)

    def report(self, exit_code: int) -> Report:
        """How it ended, in words; a negative exit code is the signal that ended it, as subprocess says."""
        error = self._error
        if exit_code != 0:
            how = f"was ended by {_signal_name(-exit_code)}" if exit_code < 0 else f"exited with {exit_code}"
            said = error or self._last_line
            error = f"the program {how}" + (f": {said}" if said else "")
        cut = self._seen - len(self._tail)
        tail = bytes(self._tail).decode(errors="replace")
        if cut > 0:
            tail = f"[{cut:,} bytes before this are cut]\n{tail}"
        return Report(
            summary=self._summary or self._last_line or "the program ended without a word",
            error=error,
            exit_code=exit_code,
            output_tail=tail,
        )

    def _keep(self, chunk: bytes) -> None:
        self._seen += len(chunk)
        self._tail += chunk
        if len(self._tail) > TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]

    def _remember(self, text: str) -> None:
        """The last line that says something explains a failure."""
        for line in reversed(text[-4000:].splitlines()):
            if kept := one_line(line):
                self._last_line = kept
                return

    def _line(self, raw: bytes) -> None:
        if self._overlong:
            self._overlong = False  # the rest of a line that was cut says nothing by itself
            return
        event = _event(raw)
        if event is None:
            text = raw.decode(errors="replace")
            self._remember(text)
            if kept := one_line(text, 2000):
                self._log(f"agent: {kept}")
            return
        self._happened(event)

    def _happened(self, event: Mapping[str, Any]) -> None:
        kind = event["type"]
        id = _text(event.get("id")) or None
        tool, title = _text(event.get("tool")), _text(event.get("title"))
        if kind == "tool.started":
            self._tools.started(tool or "tool", title, id=id)
        elif kind == "tool.completed":
            failed = event.get("ok") is False
            self._tools.completed(
                id or self._tools.started(tool or "tool", title),
                tool=tool,
                title=title,
                result=_text(event.get("result")),
                error=(_text(event.get("error")) or "it failed and gave no reason") if failed else None,
            )
        elif kind == "run.completed":
            self._summary = _text(event.get("summary")) or None
        elif kind == "run.failed":
            self._error = _text(event.get("error")) or "it said that it failed, and gave no reason"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has only a number
        return f"signal {number}"


def _event(raw: bytes) -> dict[str, Any] | None:
    """The JSON object with a string `type` that this line is; None for anything else."""
    if not raw.lstrip().startswith(b"{"):
        return None
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("type"), str) else None


def _text(value: Any) -> str:
    """One harmless line for people of whatever JSON value stands there; empty for none."""
    if value is None:
        return ""
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 1000)


def _end_group(process: subprocess.Popen[bytes], grace: timedelta) -> None:
    """TERM, `grace`, KILL for whatever is left of the process group; reap the program; close the pipes."""
    _signal_group(process.pid, signal.SIGTERM)
    deadline = monotonic() + grace.total_seconds()
    while _group_lives(process) and monotonic() < deadline:
        sleep(0.02)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        _close(stream)


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()  # reaps the leader: a zombie would count as alive
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return  # nobody is left, or only somebody who changed identity


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        stream.close()
