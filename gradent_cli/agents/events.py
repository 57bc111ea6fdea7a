"""The second way in: an agent tells its run what happens by appending to the file that `GRADENT_EVENTS` names.

One JSON object a line, as on the standard output of a command (`docs/agents.md`). Who writes here are `gradent emit`,
gradent's own tools (`gradent tool`, `gradent mcp`) and the agents that run in a process of ours; whatever else they
print stays text.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gradent_cli.errors import StateError
from gradent_cli.records import Report, ToolCall, Usage


def append(path: Path, event: Mapping[str, Any]) -> None:
    """Add one event; several processes may do so at once, as each line is one write to the file's end.

    Raises:
        StateError: it cannot be written.
    """
    line = json.dumps(event, ensure_ascii=False).encode(errors="replace") + b"\n"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line  # what is half, on a disk that was full or by a `printf`, is not to spoil this one
            while line:
                line = line[os.write(descriptor, line) :]
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StateError(f"cannot tell the run: {path}: {error.strerror or error}") from error


def tool_listener(path: Path) -> Callable[[ToolCall], None]:
    """What a `ToolCallTracker` tells its calls to, so that the run hears of them exactly as they were."""

    def listen(call: ToolCall) -> None:
        append(path, tool_event(call))

    return listen


def tool_event(call: ToolCall) -> dict[str, Any]:
    """A tool of gradent's own that began or ended; `by` lets the run know it from what else may tell of the same."""
    event: dict[str, Any] = {"type": "tool.started", "id": call.id, "tool": call.tool, "title": call.title}
    if call.status != "started":
        event |= {
            "type": "tool.completed",
            "ok": call.status == "completed",
            "result": call.result,
            "details": list(call.details),
            "changed": call.changed,
            "error": call.error,
        }
    return event | {"by": "gradent"}


def report_event(report: Report) -> dict[str, Any]:
    """How an agent ended."""
    return {
        "type": "run.completed" if report.error is None else "run.failed",
        "summary": report.summary,
        "lines": list(report.lines),
        "changed": report.changed,
        "error": report.error,
    }


def usage_event(usage: Usage) -> dict[str, Any]:
    """What it has used of a language model so far, in all."""
    return {
        "type": "usage",
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": usage.cost_usd,
    }
