"""`tool`: the study tools as commands, JSON in and out, for an agent that decides for itself what to do."""

import json
import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradent_cli.cli import terminal
from gradent_cli.errors import RunGoingOnError, UsageError

if TYPE_CHECKING:
    import sqlite3

    from gradent_cli.config import Config
    from gradent_cli.records import ToolCall

_WAIT = 60.0
"""Seconds that a call in a run waits for the one before it."""
_LOOK = 0.2
"""As long as a run waits for its lock."""
_PATIENCE = 10.0
"""Seconds without a byte from a standard input that does not end, as an agent's shell may have and never close."""


def tool(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which tool; none lists them.")] = None,
    given: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="JSON",
            help="The input. Without it what standard input has; with - however long that takes.",
        ),
    ] = None,
) -> None:
    """For agents: call one of the study tools, with a JSON object as its input and one as its answer.

    In a run, what it did is told to the run. A program that a run started has to pass GRADENT_EVENTS on.
    """
    from gradent_cli.agents.study.toolbox import TOOLS, checked
    from gradent_cli.config import load

    if name is None:
        if given is not None:
            raise UsageError("no tool is named", hint=f"one of {', '.join(TOOLS)}")
        typer.echo(listed())
        return
    takes_any = name in TOOLS and bool(TOOLS[name].fields)
    if given is None and takes_any:
        given = _offered(os.environ)
    elif given == "-":
        given = _text(sys.stdin.buffer.read())
    fields = checked(name, _parsed(given or ""))
    terminal.document(call(load(context.obj, os.environ), os.environ, name, fields))


def call(
    config: "Config",
    environ: Mapping[str, str],
    name: str,
    given: Mapping[str, Any],
    watch: "Callable[[ToolCall], None]" = lambda _: None,
) -> dict[str, Any]:
    """What a tool answers; the run that this is in hears of it, and outside a run only `watch` does.

    Raises:
        RunGoingOnError: a run is going on that this is no part of.
        GradentError: the tool could not do it.
    """
    from gradent_cli.agents import RunContext, ToolCallTracker
    from gradent_cli.agents.study.tools import StudyTools
    from gradent_cli.cli.agents import study_agent
    from gradent_cli.files import make_private_directory

    events, dry_run = environ.get("GRADENT_EVENTS"), environ.get("GRADENT_DRY_RUN") == "1"
    if dry_run:
        state = _place_of_dry_run(events)
    else:
        state = Path(config.state_dir)
        make_private_directory(state)
    with _turn(state, events), closing(_opened(config, state)) as connection:
        agent = study_agent(config, environ, connection, dry_run=dry_run)
        round = RunContext(
            run_id=environ.get("GRADENT_RUN_ID", ""),
            started_at=datetime.now(UTC),
            tools=ToolCallTracker(lambda: datetime.now(UTC), _listener(events, watch)),
            previous=None,
            log=lambda _: None,
        )
        return StudyTools(agent).call(name, given, round)


def _place_of_dry_run(events: str | None) -> Path:
    """Beside the event file, so that what a dry run does is gone with it.

    Raises:
        UsageError: nothing says where the run keeps its files.
    """
    if not events:
        raise UsageError("a dry run needs GRADENT_EVENTS, beside which it keeps what it does")
    return Path(events).parent


def _opened(config: "Config", state: Path) -> "sqlite3.Connection":
    """The database of this state; in a dry run a copy, made by the first call that has its turn."""
    from gradent_cli.database import copy_database, open_database

    database = state / "gradent.db"
    if state != Path(config.state_dir):
        copy_database(f"{config.state_dir}/gradent.db", database)
    return open_database(database)


@contextmanager
def _turn(state: Path, events: str | None) -> Iterator[None]:
    """Nothing else works on the plan meanwhile: no other run, or in a run no other call."""
    from gradent_cli import lock

    name, wait = ("tools.lock", _WAIT) if events else ("gradent.lock", _LOOK)
    with ExitStack() as held:
        try:
            held.enter_context(lock.held(state / name, now=datetime.now(UTC), wait=wait))
        except RunGoingOnError as error:
            if events:
                raise RunGoingOnError("another tool is still at work", hint="call it again later") from error
            hint = "a program that a run started has to pass GRADENT_EVENTS on"
            raise RunGoingOnError(error.message, hint=hint) from error
        yield


def _listener(events: str | None, watch: "Callable[[ToolCall], None]") -> "Callable[[ToolCall], None]":
    """Tells the run, under ids that no other call of it has, and `watch`."""
    if not events:
        return watch
    from secrets import token_hex

    from gradent_cli.agents.events import tool_listener

    tell, token = tool_listener(Path(events)), token_hex(3)

    def listen(each: "ToolCall") -> None:
        tell(replace(each, id=f"{each.tool}-{token}"))
        watch(each)

    return listen


def listed() -> str:
    """The tools with what they take, for people and models alike."""
    from gradent_cli.agents.study.toolbox import TOOLS

    lines: list[str] = []
    for name, each in TOOLS.items():
        lines.append(terminal.hanging(f"{name:<10}", each.description))
        for field, schema in each.fields.items():
            what = f"{schema['description']}{_of_each(schema['items']) if 'items' in schema else ''}"
            needed = "" if field in each.required else ", optional"
            lines.append(terminal.hanging(f"{'':<10}{field} ({schema['type']}{needed}): ", what, indent=14))
    return "\n".join(lines)


def _of_each(item: Mapping[str, Any]) -> str:
    optional = [name for name in item["properties"] if name not in item["required"]]
    may = f", and may have {', '.join(optional)}" if optional else ""
    return f" Each has {', '.join(item['required'])}{may}."


def _offered(environ: Mapping[str, str]) -> str:
    """What standard input has for the tool: nothing on a terminal, or where it is that of the agent around it."""
    if sys.stdin.isatty() or _is_the_agents(sys.stdin.fileno(), environ.get("GRADENT_EVENTS")):
        return ""
    return read_to_end(sys.stdin.fileno(), patience=_PATIENCE)


def _is_the_agents(descriptor: int, events: str | None) -> bool:
    """Whether it is the prompt or the context that the run gave its program, from which a script hands it on to us."""
    if not events:
        return False
    ours = os.fstat(descriptor)
    for name in ("prompt", "context.json"):
        with suppress(OSError):
            if os.path.samestat(ours, Path(events).with_name(name).stat()):
                return True
    return False


def read_to_end(descriptor: int, *, patience: float) -> str:
    """All that comes until its end.

    Raises:
        UsageError: for `patience` seconds nothing came, and it has not ended. To take that for no input would lose what
            somebody slow still has to say.
    """
    read = bytearray()
    while select.select([descriptor], [], [], patience)[0]:
        chunk = os.read(descriptor, 65_536)
        if not chunk:
            return _text(read)
        read += chunk
    raise UsageError(
        f"nothing came on standard input for {patience:g} seconds, and it has not ended",
        hint="give the input with --input, '{}' for none; --input - waits as long as it takes",
    )


def _text(read: bytes | bytearray) -> str:
    return read.decode(errors="replace")


def _parsed(given: str) -> dict[str, Any]:
    """The input as an object; an empty one where there is none."""
    if not given.strip():
        return {}
    try:
        value = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the input is not JSON: {error}", hint="gradent tool") from error
    if not isinstance(value, dict):
        raise UsageError("the input has to be a JSON object", hint="gradent tool")
    return value
