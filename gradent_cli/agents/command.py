"""Any program as an agent: started without a shell, read line by line, and gone when its run is over.

The program writes one JSON object per line on standard output, as `docs/agents.md` describes; other lines are log
text. Its exit status decides first: anything but 0 is a failure, whatever it printed.
"""

import fcntl
import json
import os
import re
import selectors
import signal
import struct
import subprocess
import tempfile
import termios
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from gradent_cli import processes
from gradent_cli.agents import RunContext, ToolCallTracker
from gradent_cli.durations import spell
from gradent_cli.errors import AgentError, AgentTimeoutError, StateError
from gradent_cli.records import Report
from gradent_cli.text import clean, count, one_line

TAIL_BYTES = 65_536
"""What the history keeps of the output, from its end."""
LOG_BYTES = 65_536
"""What the log gets of the plain lines, from their beginning: the log of other runs must not be washed away."""
LINE_BYTES = 1_048_576
"""Of one event. Of a plain line `_PLAIN_BYTES` are enough for what is shown of it."""
_PLAIN_BYTES = 8192
_READ_BYTES = 65_536
_PIPE_BYTES = 1_048_576
_LOOK = 0.2
"""Seconds between two looks at whether the program itself has ended; a child of it may hold the pipes open for ever."""
_BREATH = 0.002
"""Seconds: a program that writes little at a time, and fast, is read in larger pieces."""
_OBJECT = re.compile(rb"\n[ \t\r\v\f]*(\{[^\n]*)")


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

    def preflight(self) -> None:
        """Nothing yet."""

    def run(self, context: RunContext) -> Report:
        """Start the program, follow it to its end, and leave nothing behind of what it started.

        Raises:
            AgentError: it cannot be started.
            AgentTimeoutError: it said nothing for `idle_timeout`; or the run's own limit struck.
            StateError: there is no room for the file with its context.
        """
        reader = _Reader(context)
        tree: processes.Tree | None = None
        followed = False
        document = json.dumps(_context(context, self.prompt), ensure_ascii=False)
        with _written(document) as context_file, processes.adopting() as adopts:
            try:
                try:
                    with context.shield():
                        tree = processes.Tree(self._start(context, context_file), adopts=adopts)
                    self._follow(tree, reader)
                    followed = True
                finally:
                    if tree is not None:
                        self._end(tree, context)
            except BaseException as error:
                if tree is None:
                    raise
                self._end(tree, context)  # a signal may have struck before the shield was up
                if not (followed and isinstance(error, AgentTimeoutError)):
                    context.keep_output(reader.tail())
                    raise  # else the program was done in time, and only ending what it left behind took too long
            finally:
                reader.say_what_is_not_logged()
        return reader.report(tree.leader.returncode)

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

    def _follow(self, tree: processes.Tree, reader: "_Reader") -> None:
        """Read both pipes until the program itself has ended and what it wrote is read, whoever else writes on."""
        idle = self.idle_timeout.total_seconds() if self.idle_timeout is not None else None
        looked = heard = monotonic()
        recently = 0
        with selectors.DefaultSelector() as selector:
            for stream, take in ((tree.leader.stdout, reader.output), (tree.leader.stderr, reader.complaint)):
                assert stream is not None  # noqa: S101  both are pipes
                _widen(stream.fileno())
                selector.register(stream, selectors.EVENT_READ, take)
            while True:
                got = _read_ready(selector, tree)
                now = monotonic()
                if got:
                    heard = now
                    recently += got
                    if now - looked < _LOOK:
                        if got < _READ_BYTES // 2 and recently > _READ_BYTES:
                            sleep(_BREATH)
                        continue
                looked, recently = now, 0
                if tree.over():
                    break
                if idle is not None and now - heard > idle:
                    limit = spell(timedelta(seconds=idle))
                    raise AgentTimeoutError(f"said nothing for {limit}, the limit of agent.idle_timeout")
            for key in selector.get_map().values():
                _read_rest(key.fd, key.data)
        reader.end()

    def _end(self, tree: processes.Tree, context: RunContext) -> None:
        """Nobody is left afterwards. Asked again, it does what is not done yet."""
        with context.shield():
            left = tree.end(self.grace)
            if left:
                pids = ", ".join(str(process.pid) for process in left)
                context.log(f"{count(len(left), 'process', 'processes')} of the agent cannot be ended: {pids}")
            for stream in (tree.leader.stdout, tree.leader.stderr):
                if stream is not None:
                    stream.close()


def _widen(pipe: int) -> None:
    """Make room for what is written during a breath, where the system can do that: the program is not to wait."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # somebody has used up what this user may have
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _read_ready(selector: selectors.BaseSelector, tree: processes.Tree) -> int:
    """Wait for output, at most `_LOOK`; where both pipes are closed, for the end. Returns how many bytes came."""
    if not selector.get_map():
        with suppress(subprocess.TimeoutExpired):
            tree.leader.wait(_LOOK)
        return 0
    got = 0
    for key, _ in selector.select(_LOOK):
        chunk = os.read(key.fd, _READ_BYTES)
        if chunk:
            key.data(chunk)
            got += len(chunk)
        else:
            selector.unregister(key.fileobj)
    return got


def _read_rest(pipe: int, take: Callable[[bytes], None]) -> None:
    """What is in the pipe now. The program has written all that it will, and others could go on for ever."""
    (waiting,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
    while waiting > 0 and (chunk := os.read(pipe, min(waiting, _READ_BYTES))):
        take(chunk)
        waiting -= len(chunk)


def _filled(argument: str, fillings: Mapping[str, str]) -> str:
    for name, value in fillings.items():
        if argument == name:
            return value  # a prompt that itself contains `{run_id}` stays as it is
        argument = argument.replace(name, value)
    return argument


@contextmanager
def _written(document: str) -> Iterator[Path]:
    """The context as a file that nobody else may read; what cannot be tidied up afterwards is no failure of the run."""
    folder = None
    try:
        folder = tempfile.TemporaryDirectory(prefix="gradent-", ignore_cleanup_errors=True)
        file = Path(folder.name) / "context.json"
        file.write_text(document, encoding="utf-8")
    except OSError as error:
        if folder is not None:
            folder.cleanup()
        raise StateError(
            f"cannot write the agent's context to a temporary file: {error.strerror}",
            hint="make room there, or set TMPDIR to another folder",
        ) from error
    with folder:
        yield file


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
    """Takes what the program writes: events to the tracker, other lines to the log, the end of all of it as tail.

    What does not look like an event is never taken apart into lines beyond what the log gets: that would cost more
    than all the rest of a run.
    """

    def __init__(self, context: RunContext) -> None:
        self._tools: ToolCallTracker = context.tools
        self._log = context.log
        self._run_id = context.run_id
        self._tail = _Tail()
        self._begun = bytearray()
        self._complaint = b""
        self._loggable = LOG_BYTES
        self._unlogged = 0
        self._last_line = b""
        self._summary: str | None = None
        self._error: str | None = None

    def output(self, chunk: bytes) -> None:
        self._tail.add(chunk)
        first, last = chunk.find(b"\n"), chunk.rfind(b"\n")
        if first < 0:
            self._begin(chunk)
            return
        if self._begun:
            self._begin(chunk[:first])
            self._lines(bytes(self._begun) + b"\n")
            self._begun.clear()
            self._lines(chunk[first + 1 : last + 1])
        else:
            self._lines(chunk[: last + 1])
        self._begin(chunk[last + 1 :])

    def complaint(self, chunk: bytes) -> None:
        self._tail.add(chunk)
        said = self._complaint + chunk[-_PLAIN_BYTES:]
        self._remember(said)
        self._complaint = said[said.rfind(b"\n") + 1 :][-_PLAIN_BYTES:]

    def end(self) -> None:
        if self._begun:
            self._lines(bytes(self._begun))

    def say_what_is_not_logged(self) -> None:
        if self._unlogged:
            self._log(f"agent: [{self._unlogged:,} bytes more; their end is in gradent history {self._run_id}]")

    def tail(self) -> str:
        return self._tail.text()

    def report(self, exit_code: int) -> Report:
        """How it ended, in words; a negative exit code is the signal that ended it, as subprocess says."""
        error, last = self._error, _readable(self._last_line)
        if exit_code != 0:
            how = f"was ended by {_signal_name(-exit_code)}" if exit_code < 0 else f"exited with {exit_code}"
            said = error or last
            error = f"the program {how}" + (f": {said}" if said else "")
        return Report(
            summary=self._summary or last or "the program ended without a word",
            error=error,
            exit_code=exit_code,
            output_tail=self.tail(),
        )

    def _begin(self, part: bytes) -> None:
        """More of a line whose end has not come; what would be too long of it is left out."""
        if part:
            limit = LINE_BYTES if (self._begun or part)[:_PLAIN_BYTES].lstrip()[:1] == b"{" else _PLAIN_BYTES
            room = max(0, limit - len(self._begun))
            self._begun += part[:room]
            self._unlogged += len(part[room:])

    def _lines(self, data: bytes) -> None:
        if b"{" not in data:
            self._plain(data)
            return
        data = b"\n" + data
        told = 1
        for match in _OBJECT.finditer(data):
            event = _event(match[1]) if b'"type"' in match[1] else None
            if event is not None:
                self._plain(data[told : match.start() + 1])
                self._happened(event)
                told = match.end() + 1
        self._plain(data[told:])

    def _plain(self, lines: bytes) -> None:
        if not lines or lines.isspace():
            return
        self._remember(lines)
        logged = lines
        if len(lines) > self._loggable:
            logged = lines[: lines.rfind(b"\n", 0, self._loggable) + 1]
            self._unlogged += len(lines) - len(logged)
        self._loggable -= len(logged) if len(logged) == len(lines) else self._loggable
        shown = (one_line(line.decode(errors="replace"), 2000) for line in logged.split(b"\n"))
        if text := "\n".join(f"agent: {line}" for line in shown if line):
            self._log(text)

    def _remember(self, lines: bytes) -> None:
        """The last line that says something explains a failure. It is made readable when it is asked for."""
        end = len(lines)
        while end > 0:
            start = lines.rfind(b"\n", 0, end) + 1
            line = lines[max(start, end - _PLAIN_BYTES) : end]
            # Only a short one can be nothing but escapes.
            if line.strip() and (len(line) > 100 or b"\x1b" not in line or _readable(line)):
                self._last_line = line
                return
            end = start - 1

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
    """The JSON object with a string `type` that this line is; None for anything else.

    One bad byte or a tab in a title is no reason to lose the event: shell scripts put JSON together by `echo`.
    """
    try:
        value = json.loads(raw.decode(errors="replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("type"), str) else None


def _text(value: Any) -> str:
    """One harmless line for people of whatever JSON value stands there; empty for none."""
    if value is None:
        return ""
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 1000)


def _readable(line: bytes) -> str:
    """What is readable of a line; of one that was written over and over, as progress is, the last state."""
    parts = (one_line(part) for part in reversed(line.decode(errors="replace").splitlines()))
    return next(filter(None, parts), "")


class _Tail:
    """The last `TAIL_BYTES` of what was added, without copying what streams by."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._seen = 0

    def add(self, chunk: bytes) -> None:
        self._seen += len(chunk)
        self._size += len(chunk)
        if self._chunks and len(self._chunks[-1]) + len(chunk) <= 4096:
            chunk = self._chunks.pop() + chunk  # one byte at a time would cost forty times its size
        self._chunks.append(chunk)
        while self._size - len(self._chunks[0]) >= TAIL_BYTES:
            self._size -= len(self._chunks.popleft())

    def text(self) -> str:
        """Harmless, and where something is cut that is said first; it begins with a whole line where one is near."""
        kept = b"".join(self._chunks)
        if self._seen > TAIL_BYTES:
            start = len(kept) - TAIL_BYTES
            # Half a line could be half a secret, which nobody would know any more.
            line = kept.find(b"\n", max(0, start - 1), start + 4096) + 1
            if 0 < line < len(kept):
                start = line
            while start < len(kept) - 1 and kept[start] & 0xC0 == 0x80:
                start += 1
            kept = kept[start:]
        text = clean(kept.decode(errors="replace"))
        cut = self._seen - len(kept)
        return f"[{cut:,} bytes before this are cut]\n{text}" if cut else text
