"""Any Python function as an agent, in a Python process of its own.

In that way a function that hangs, crashes or starts threads ends with its run as any program does, and what it prints
is log text. What it does goes to the run by the event file (`agents.events`).
"""

import importlib.util
import inspect
import json
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradent_cli.agents import RunContext, ToolCallTracker, events
from gradent_cli.agents.command import CommandAgent
from gradent_cli.errors import UnavailableError
from gradent_cli.records import Report, Usage
from gradent_cli.text import one_line

if TYPE_CHECKING:
    from gradent_cli.config.schema import AgentSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class CallableContext:
    """What a function is called with.

    `previous` is the newest run that ended before (`id`, `status`, `started_at`, `summary`, `error`), None on the
    first. `tools` tells the run of each tool: `with context.tools.call("fetch", "Fetch the list") as call:
    call.done("3 pages")`. `emit` tells it anything else that `docs/agents.md` has, as a mapping with a `type`.
    """

    run_id: str
    prompt: str
    time_limit: timedelta
    previous: Mapping[str, Any] | None
    tools: ToolCallTracker
    emit: Callable[[Mapping[str, Any]], None]

    def used(self, input_tokens: int, output_tokens: int, cost_usd: float | None = None) -> None:
        """What a language model has used so far in this run, in all; it is kept with the run."""
        self.emit(events.usage_event(Usage(input_tokens=input_tokens, output_tokens=output_tokens, cost_usd=cost_usd)))


Function = Callable[[CallableContext], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallableAgent:
    """A function in the process that `process` starts; `function` is `package.module:function`."""

    function: str
    process: CommandAgent
    name: str

    def preflight(self) -> None:
        """Whether its package is there; it is not imported.

        Raises:
            UnavailableError: it is not, or its folder is not.
        """
        self.process.preflight()
        need_package(self.function, Path(self.process.cwd or Path.cwd()))

    def run(self, context: RunContext) -> Report:
        """As a command."""
        return self.process.run(context)


def function_of(agent: "AgentSettings") -> str:
    """`package.module:function` of a Python agent: the config's own, or that of the entry point that it names.

    Raises:
        UnavailableError: the package that offered it is not installed any more.
    """
    from importlib.metadata import entry_points

    from gradent_cli.config.schema import AGENT_GROUP

    if agent.kind == "callable" and agent.callable is not None:
        return agent.callable
    for entry in entry_points(group=AGENT_GROUP, name=agent.kind):
        return entry.value
    raise UnavailableError(f"the agent {agent.kind!r} is not installed any more")


def need_package(function: str, folder: Path) -> None:
    """See whether the package of a function could be imported by a process in `folder`; it is not imported.

    Raises:
        UnavailableError: there is none.
    """
    package = function.partition(":")[0].partition(".")[0]
    if not _is_there(package, folder):
        raise UnavailableError(
            f"there is no Python package {package!r} for agent.callable; it was looked for in {folder} and in what "
            f"is installed beside gradent",
            hint="set agent.cwd to the folder that it is in",
        )


def _is_there(package: str, folder: Path) -> bool:
    if PathFinder.find_spec(package, [str(folder)]) is not None:
        return True
    with suppress(ValueError):  # what is in memory without having come from anywhere
        # Not by paths alone: an editable install may be known to nobody but a finder of its own.
        return importlib.util.find_spec(package) is not None
    return False


def perform(function: str, event_file: Path, context_file: Path, *, time_limit: timedelta) -> None:
    """In the process of its own: import the function, call it, and tell the run how it ended."""
    given = json.loads(context_file.read_text(encoding="utf-8"))
    ended = False

    def emit(event: Mapping[str, Any]) -> None:
        nonlocal ended
        events.append(event_file, event)
        ended = ended or event.get("type") in ("run.completed", "run.failed")

    context = CallableContext(
        run_id=given["run_id"],
        prompt=given["prompt"],
        time_limit=time_limit,
        previous=given["previous"],
        tools=ToolCallTracker(
            lambda: datetime.now(UTC), lambda call: events.append(event_file, events.tool_event(call))
        ),
        emit=emit,
    )
    report = _called(function, context)
    if report is not None or not ended:  # else the end that it told itself holds
        events.append(event_file, events.report_event(report or Report(summary="Done")))


def _called(name: str, context: CallableContext) -> Report | None:
    """How it ended; None where it says nothing."""
    try:
        result = _resolved(name)(context)
        if inspect.isawaitable(result):
            import asyncio

            result = asyncio.run(_awaited(result))
    except Exception as error:  # noqa: BLE001  around the agent: whatever it throws is its failure, not ours
        traceback.print_exc()
        return Report(summary="", error=_reason(error))
    if result is not None and not isinstance(result, str):
        return Report(summary="", error=f"{name} returned {type(result).__name__}, not a summary in words")
    summary = one_line(result or "")
    return Report(summary=summary) if summary else None


async def _awaited(result: Any) -> Any:
    return await result


def _resolved(name: str) -> Function:
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]  # what it takes shows when it is called


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(str(error))}".rstrip(": ")
