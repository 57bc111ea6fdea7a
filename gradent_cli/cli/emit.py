"""`emit`: for agents, one event to the run that called them."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

KINDS = ("tool.started", "tool.completed", "run.completed", "run.failed")
_MOST = 65_536
"""Bytes of a result, of which people see less."""


def emit(
    kind: Annotated[str, typer.Argument(metavar="EVENT", help=", ".join(KINDS))],
    tool: Annotated[str | None, typer.Argument(metavar="[TOOL]", help="Which tool, for tool.* events.")] = None,
    id: Annotated[str | None, typer.Option("--id", help="Pairs a start with its end.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="What people read instead of the tool's name.")] = None,
    result: Annotated[str | None, typer.Option("--result", help="What came of it; - reads standard input.")] = None,
    summary: Annotated[str | None, typer.Option("--summary", help="What the run did, in a line.")] = None,
    error: Annotated[str | None, typer.Option("--error", help="Why it failed; without it a tool worked.")] = None,
    unchanged: Annotated[bool, typer.Option("--unchanged", help="It found nothing new: nobody need be told.")] = False,
) -> None:
    """For agents: tell the run that started you what happens.

    Outside a run the event is printed, so that a script can be tried by hand.
    """
    event = _event(kind, tool, id=id, title=title, result=result, summary=summary, error=error, unchanged=unchanged)
    path = os.environ.get("GRADENT_EVENTS")
    if path:
        from gradent_cli.agents.events import append

        append(Path(path), event)
    else:
        typer.echo(json.dumps(event, ensure_ascii=False))


def _event(
    kind: str,
    tool: str | None,
    *,
    id: str | None,
    title: str | None,
    result: str | None,
    summary: str | None,
    error: str | None,
    unchanged: bool,
) -> dict[str, Any]:
    from gradent_cli.errors import UsageError

    if kind not in KINDS:
        raise UsageError(f"there is no event {kind!r}", hint=f"one of {', '.join(KINDS)}")
    of_tool = kind.startswith("tool.")
    if of_tool and not tool:
        raise UsageError(f"{kind} needs the name of a tool", hint=f"gradent emit {kind} NAME")
    given = {"id": id, "title": title, "result": result} if of_tool else {"summary": summary}
    other = {"summary": summary} if of_tool else {"a tool": tool, "id": id, "title": title, "result": result}
    if kind in ("tool.completed", "run.failed"):
        given["error"] = error
    else:
        other["error"] = error
    if wrong := [name for name, value in other.items() if value is not None]:
        raise UsageError(f"{kind} has no {' and no '.join(wrong)}".replace("no a tool", "no tool"))
    if result == "-":
        given["result"] = _standard_input()
    event: dict[str, Any] = {"type": kind}
    if of_tool:
        event["tool"] = tool
    event |= {name: value for name, value in given.items() if value is not None}
    if kind == "tool.completed":
        event["ok"] = error is None
    if unchanged:
        event["changed"] = False
    return event


def _standard_input() -> str:
    """The beginning of what comes there: a run takes no event without end. Who writes the rest is not to fail."""
    beginning = sys.stdin.buffer.read(_MOST)
    while sys.stdin.buffer.read(_MOST):
        pass
    return beginning.decode(errors="replace").strip()
