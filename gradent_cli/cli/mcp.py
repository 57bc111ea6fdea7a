"""`mcp`: the study tools as a server of the Model Context Protocol over standard input and output.

The protocol is https://modelcontextprotocol.io/specification; the package `mcp` speaks it, on whose low-level server
the tools of `agents.study.toolbox` are put as they are, so that a model and the command line are told the same.
"""

import json
import os
from typing import TYPE_CHECKING, Any

import typer

from gradent_cli import __version__
from gradent_cli.cli import streams
from gradent_cli.errors import GradentError

if TYPE_CHECKING:
    from gradent_cli.config import Config

_ABOUT = (
    "Tools over a student's assignments and study plan. Call check first, then assess, suggest and schedule; log only "
    "what the student says they worked. Times without a zone are on the student's own clock, answers are in UTC."
)


def mcp(context: typer.Context) -> None:
    """For agents: serve the study tools to a model, over MCP on standard input and output, until the input ends.

    In a run, what the tools did is told to the run. A call that is going on when the client goes away is finished.
    """
    from gradent_cli.agents.mcp import need_package
    from gradent_cli.config import load

    need_package()
    import anyio

    try:
        anyio.run(_serve, load(context.obj, os.environ))
    except* BrokenPipeError:  # the client went away before it had its answer
        streams.drop_output()


async def _serve(config: "Config") -> None:
    """Answer until the client goes away; calls take turns, in a thread so that it is heard meanwhile."""
    import anyio
    from anyio.to_thread import run_sync
    from mcp.server.lowlevel import Server
    from mcp.server.stdio import stdio_server
    from mcp_types import (
        CallToolRequestParams,
        CallToolResult,
        ListToolsResult,
        PaginatedRequestParams,
        TextContent,
        Tool,
    )

    from gradent_cli.agents.mcp import NAME
    from gradent_cli.agents.study.toolbox import TOOLS
    from gradent_cli.cli.tools import call

    turn = anyio.Lock()

    async def list_tools(_: Any, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(
            tools=[
                Tool(name=name, description=each.description, input_schema=each.schema) for name, each in TOOLS.items()
            ]
        )

    async def call_tool(_: Any, asked: CallToolRequestParams) -> CallToolResult:
        async with turn:
            try:
                answer = await run_sync(call, config, os.environ, asked.name, asked.arguments or {})
            except Exception as error:  # noqa: BLE001  a door of its own: the server goes on
                return CallToolResult(content=[TextContent(text=_sentence(error, config))], is_error=True)
        text = json.dumps(answer, ensure_ascii=False)
        return CallToolResult(content=[TextContent(text=text)], structured_content=answer)

    server = Server(NAME, version=__version__, instructions=_ABOUT, on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (received, sent):
        await server.run(received, sent, server.create_initialization_options())


def _sentence(error: Exception, config: "Config") -> str:
    """What went wrong, for a model to read; a bug of ours is in the log as any other."""
    if isinstance(error, OSError):
        return streams.cannot_go_on(error)
    if not isinstance(error, GradentError):
        from gradent_cli import logs

        error = logs.admit_bug(error, config.path, os.environ)
    return f"{error.message} ({error.hint})" if error.hint else error.message
