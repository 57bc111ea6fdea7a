"""The front door: the Typer app, the global options, and the one place where errors become sentences and exit codes.

A command is a doorway: it reads its flags, calls one room and has the answer formatted: by `render`, by the module of
its subject (`agenda`, `assignments`, `page`) or by functions in its own module, always with what `terminal` has. Rooms
are imported inside the commands, so that `--help` and `--version` stay light.
"""

import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gradent_cli import __version__, paths
from gradent_cli.cli import config as config_commands
from gradent_cli.cli import cron as cron_commands
from gradent_cli.cli import doctor as doctor_commands
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
from gradent_cli.cli.terminal import drop_output
from gradent_cli.errors import GradentError

app = typer.Typer(
    name="gradent",
    help="Runs your study agent from system cron, once per tick, and tells your phone what it did.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


class _Door:
    """What must still be known when a command has failed."""

    config: Path | None = None


_door = _Door()


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
    context.obj = _door.config = paths.config_file(config, os.environ)


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


def main() -> NoReturn:
    """Run the command line and exit with a code of `errors`."""
    _prepare_streams()
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        _complain(error)
        code = getattr(error, "exit_code", 2)
    except typer.Abort:
        code = 130
    except GradentError as error:
        _say(error.message, error.hint)
        code = error.exit_code
    except OSError as error:
        code = _cannot_go_on(error)
    except Exception as error:  # noqa: BLE001  the door: nobody further out could explain it
        code = _admit_bug(error)
    sys.exit(code if isinstance(code, int) else 0)


def _prepare_streams() -> None:
    """Whatever we are started with, a stream can be written to: none is missing, and no character is too strange."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  it lives as long as we do
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  the same
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _cannot_go_on(error: OSError) -> int:
    """What the machine refuses, most often our output (a full disk behind `>`)."""
    what = f"{error.filename}: " if error.filename else ""
    _say(f"cannot go on: {what}{error.strerror or error}", None)
    drop_output()
    return 74


def _complain(error: typer.TyperException) -> None:
    message = getattr(error, "format_message", lambda: str(error))().rstrip(".")
    if not message:  # the help was asked for by saying nothing, and has been shown
        return
    message = message.replace("Value error, ", "")  # pydantic's own words, by which Typer judges a choice
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "gradent"
    _say(message[:1].lower() + message[1:], f"{command} --help")


def _say(message: str, hint: str | None) -> None:
    from gradent_cli.text import clean

    sys.stderr.write(f"gradent: {clean(message)}\n")
    if hint:
        sys.stderr.write(f"  hint: {clean(hint)}\n")


def _admit_bug(error: Exception) -> int:
    """A defect of ours: one sentence for the person, the traceback for whoever mends it."""
    import traceback

    from gradent_cli import logs

    where = None
    with suppress(GradentError):
        config = _door.config or paths.config_file(None, os.environ)
        where = logs.write_crash("".join(traceback.format_exception(error)), config, os.environ)
    hint = f"the details are in {where}; please report them" if where else "please report it"
    _say(f"a bug: {type(error).__name__}; nothing more was done", hint)
    return 70
