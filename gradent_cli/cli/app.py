"""The commands, as Typer reads them: global options, and which function each command is.

A command is a doorway: it reads its flags, calls one room and has the answer formatted: by `render`, by the module of
its subject (`agenda`, `assignments`, `page`) or by functions in its own module, always with what `terminal` has. Rooms
are imported inside the commands, so that `--help` stays light.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from gradent_cli import __version__, paths
from gradent_cli.cli import config as config_commands
from gradent_cli.cli import cron as cron_commands
from gradent_cli.cli import doctor as doctor_commands
from gradent_cli.cli import door
from gradent_cli.cli import emit as emit_commands
from gradent_cli.cli import host as host_commands
from gradent_cli.cli import inspect as inspect_commands
from gradent_cli.cli import mcp as mcp_commands
from gradent_cli.cli import notify as notify_commands
from gradent_cli.cli import progress as progress_commands
from gradent_cli.cli import run as run_commands
from gradent_cli.cli import schedule as schedule_commands
from gradent_cli.cli import study as study_commands
from gradent_cli.cli import suggestions as suggestions_commands
from gradent_cli.cli import tools as tools_commands
from gradent_cli.errors import UsageError

app = typer.Typer(
    name="gradent",
    help="Runs your study agent from system cron, once per tick, and tells your phone what it did.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gradent {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="PATH", help="The config file. [default: ~/.config/gradent/config.toml]"),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    context.obj = paths.config_file(config, os.environ)
    door.config = str(context.obj)


app.command("run")(run_commands.run)
app.add_typer(config_commands.app, name="config")
app.command("install-cron")(cron_commands.install_cron)
app.command("uninstall-cron")(cron_commands.uninstall_cron)
app.command("canary", hidden=True)(cron_commands.canary)
app.command("doctor")(doctor_commands.doctor)
app.command("status")(inspect_commands.status)
app.command("history")(inspect_commands.history)
app.command("explain")(schedule_commands.explain)
app.command("pause")(schedule_commands.pause)
app.command("resume")(schedule_commands.resume)
app.command("plan")(study_commands.plan)
app.command("assignments")(study_commands.assignments)
app.command("log")(progress_commands.log)
app.command("done")(progress_commands.done)
app.command("edit")(progress_commands.edit)
app.command("suggestions")(suggestions_commands.suggestions)
app.command("emit")(emit_commands.emit)
app.command("host", hidden=True)(host_commands.host)
app.command("tool")(tools_commands.tool)
app.command("mcp")(mcp_commands.mcp)
app.add_typer(notify_commands.app, name="notify")


def call() -> int:
    """Run the command that the command line names. Returns its exit code.

    Raises:
        UsageError: the command line cannot mean anything; Typer's own sentence.
        GradentError: the command could not do it.
    """
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        raise _usage_error(error) from error
    except typer.Abort:
        return 130
    return code if isinstance(code, int) else 0


def _usage_error(error: typer.TyperException) -> UsageError:
    message = getattr(error, "format_message", lambda: str(error))().rstrip(".")
    message = message.replace("Value error, ", "")  # pydantic's own words, by which Typer judges a choice
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "gradent"
    return UsageError(message[:1].lower() + message[1:], hint=f"{command} --help")
