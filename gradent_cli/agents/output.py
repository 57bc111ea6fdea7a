"""What an agent that is a process says: its output and its event file, as tool calls, log text and a report."""

import json
import os
import re
import signal
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from math import inf
from time import monotonic

from gradent_cli.agents import RunContext, ToolCallTracker
from gradent_cli.agents.happenings import Completed, Ended, Event, Said, Started, Used, Warned
from gradent_cli.annotations import TYPE_CHECKING, Any, Literal
from gradent_cli.errors import StateError
from gradent_cli.records import Report, Usage
from gradent_cli.text import clean, one_line

if TYPE_CHECKING:
    from gradent_cli.agents.streams import Translator

TAIL_BYTES = 65_536
"""What the history keeps of the output, from its end."""
LOG_BYTES = 65_536
"""What the log gets of the plain lines, from their beginning: the log of other runs must not be washed away."""
LINE_BYTES = 1_048_576
"""Of one event. Of a plain line `_PLAIN_BYTES` are enough for what is shown of it."""
_PLAIN_BYTES = 8192
_READ_BYTES = 65_536
_REMEMBERED = 4096
"""Of so many events it is known whether the other channel told them, too."""
_OBJECT = rb"\n[ \t\r\v\f]*(\{[^\n]*)"

Channel = Literal["output", "file"]


class Reader:
    """Takes what the program writes: events to the tracker, other lines to the log, the end of all of it as tail.

    Args:
        events: the file to which events are appended, the second way in. What comes both ways counts once.

    What does not look like an event is never taken apart into lines beyond what the log gets: that would cost more
    than all the rest of a run.
    """

    def __init__(self, context: RunContext, events: str) -> None:
        self._tools: ToolCallTracker = context.tools
        self._log = context.log
        self._used = context.used
        self._shield = context.shield
        self._file = _EventFile(events)
        self._translators: dict[Channel, Translator] = {}
        self._counts: OrderedDict[object, dict[Channel, int]] = OrderedDict()
        self._own: Counter[tuple[str, bool]] = Counter()
        self._run_id = context.run_id
        self._tail = _Tail()
        self._begun = bytearray()
        self._complaint = b""
        self._loggable = LOG_BYTES
        self._unlogged = 0
        self._last_line = b""
        self._said = ""
        self._warning: str | None = None
        self._ends: dict[Channel, Ended] = {}
        self._unkept = False

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

    def look(self, seconds: float = inf) -> bool:
        """Read what is new in the event file, as far as that goes in `seconds`; whether there was anything."""
        anything = False
        for line in self._file.new_lines(monotonic() + seconds):
            anything = True
            if (event := _event(line)) is not None:
                with self._shield():
                    self._happened(self._translator("file").take(event), "file")
        return anything

    def end(self) -> None:
        if self._begun:
            self._lines(bytes(self._begun))
        self.look()
        for channel, translator in self._translators.items():
            self._happened(translator.end(), channel)

    def close(self) -> None:
        self._file.close()

    def say_what_is_not_logged(self) -> None:
        if self._unlogged:
            self._log(f"agent: [{self._unlogged:,} bytes more; their end is in gradent history {self._run_id}]")

    def tail(self) -> str:
        return self._tail.text()

    def report(self, exit_code: int) -> Report:
        """How it ended, in words; a negative exit code is the signal that ended it, as subprocess says.

        Each channel has an end of its own, and neither undoes a failure that the other tells.
        """
        ends = [self._ends[channel] for channel in ("file", "output") if channel in self._ends]
        error = next((end.error for end in ends if end.error), None)
        last = _readable(self._last_line)
        if exit_code != 0:
            how = f"was ended by {_signal_name(-exit_code)}" if exit_code < 0 else f"exited with {exit_code}"
            said = error or self._warning or last
            error = f"the program {how}" + (f": {said}" if said else "")
        summary = next((end.summary for end in ends if end.summary), None)
        return Report(
            summary=summary or self._said or last or "the program ended without a word",
            lines=next((end.lines for end in ends if end.lines), ()),
            changed=all(end.changed for end in ends),
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
        for match in re.finditer(_OBJECT, data):
            if (event := _event(match[1])) is not None:
                self._plain(data[told : match.start() + 1])
                self._happened(self._translator("output").take(event), "output")
                told = match.end() + 1
        self._plain(data[told:])

    def _plain(self, lines: bytes) -> None:
        if not lines or lines.isspace():
            return
        self._remember(lines)
        self._show(lines)

    def _show(self, lines: bytes) -> None:
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

    def _translator(self, channel: Channel) -> "Translator":
        if channel not in self._translators:
            from gradent_cli.agents.streams import Translator

            self._translators[channel] = Translator()
        return self._translators[channel]

    def _happened(self, events: Iterable[Event], channel: Channel) -> None:
        """After one that could not be kept none is: what is on record of a run has no holes."""
        for event in events:
            if self._unkept:
                return
            try:
                self._take(event, channel)
            except StateError:
                self._unkept = True
                raise

    def _take(self, event: Event, channel: Channel) -> None:
        match event:
            case Started() | Completed():
                self._tool(event, channel)
            case Said(text=text):
                self._said = text
                self._plain(text.encode(errors="replace") + b"\n")
            case Warned(text=text):
                self._warning = text
                self._show(text.encode(errors="replace") + b"\n")
            case Ended():
                self._ends[channel] = event
                if event.error is None:
                    self._warning = None  # it got over it
            case Used(input_tokens=read, output_tokens=written, cost_usd=cost):
                self._used(Usage(input_tokens=read, output_tokens=written, cost_usd=cost))

    def _tool(self, event: Started | Completed, channel: Channel) -> None:
        """Our own tools tell exactly what they did by the file; elsewhere only an end counts that is not in there."""
        if event.own and channel == "output":
            if isinstance(event, Started):
                return
            self.look()  # a tool tells before it answers
        if not (self._is_own_news(event, channel) if event.own else self._is_first(event, channel)):
            return
        if isinstance(event, Started):
            self._tools.started(event.tool, event.title, id=event.id, incidental=event.incidental)
            return
        id = event.id or self._tools.started(event.tool or "tool", event.title, incidental=event.incidental)
        self._tools.completed(
            id,
            tool=event.tool,
            title=event.title,
            result=event.result,
            details=event.details,
            changed=event.changed,
            error=event.error,
            incidental=event.incidental,
        )

    def _is_first(self, event: Started | Completed, channel: Channel) -> bool:
        """Whether the other channel has not told this one: the nth of its kind there is the nth of its kind here."""
        kind = event if event.id is None else (type(event), event.id)
        counts = self._counts.setdefault(kind, {"output": 0, "file": 0})
        self._counts.move_to_end(kind)
        if len(self._counts) > _REMEMBERED:
            self._counts.popitem(last=False)
        counts[channel] += 1
        return counts[channel] > counts["file" if channel == "output" else "output"]

    def _is_own_news(self, event: Started | Completed, channel: Channel) -> bool:
        """Whether the file tells this of one of our own tools, or cannot: the call was refused before it got there.

        A tool that failed in part may answer all the same, but none that worked answers with an error.
        """
        if isinstance(event, Started):
            return True
        failed = event.error is not None
        if channel == "file":
            self._own[event.tool, failed] += 1
            return True
        for known in ((event.tool, True),) if failed else ((event.tool, False), (event.tool, True)):
            if self._own[known]:
                self._own[known] -= 1
                return False
        return True


class _EventFile:
    """Lines that others append; read from where the last look ended, or was broken off.

    A line that is too long is no event.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._offset = 0  # where `_begun` starts, the line whose end has not come
        self._begun = b""
        self._skipping = False

    def new_lines(self, until: float) -> Iterator[bytes]:
        """Those that are there by now, read before `until`: who goes on appending is not waited for."""
        size = os.fstat(self._descriptor).st_size
        if size < self._offset + len(self._begun):  # written with `>` instead of `>>`
            self._offset, self._begun, self._skipping = 0, b"", False
        while (
            self._offset + len(self._begun) < size
            and monotonic() < until
            and (chunk := os.pread(self._descriptor, _READ_BYTES, self._offset + len(self._begun)))
        ):
            *whole, begun = (self._begun + chunk).split(b"\n")
            for line in whole:
                self._begun = b""  # first: whoever is interrupted between the two reads the line again
                self._offset += len(line) + 1
                if not self._skipping:
                    yield line
                self._skipping = False
            self._begun = begun
            if len(begun) > LINE_BYTES:
                self._begun, self._skipping = b"", True
                self._offset += len(begun)

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._descriptor)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has only a number
        return f"signal {number}"


def _event(raw: bytes) -> dict[str, Any] | None:
    """The JSON object with a string `type` that this line is; None for anything else.

    One bad byte or a tab in a title is no reason to lose the event: shell scripts put JSON together by `echo`.
    """
    if b'"type"' not in raw:  # most of what is written is none, and to find that out by an exception takes long
        return None
    try:
        value = json.loads(raw.decode(errors="replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("type"), str) else None


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
