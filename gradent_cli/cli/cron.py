"""`install-cron` and `uninstall-cron`: gradent's line in the person's crontab."""

import os
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gradent_cli.config import Config

_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change in the crontab, and change nothing.")]


def install_cron(context: typer.Context, dry_run: _DryRun = False) -> None:
    """Install the line in your crontab, or bring it up to date."""
    from gradent_cli.config import load
    from gradent_cli.schedulers import block, cron

    config = load(context.obj, os.environ)
    interpreter = Path(os.path.abspath(sys.executable))  # noqa: PTH100  a venv's python is a link and must stay one
    line = block.job_line(config.cron_expression, interpreter, config.path)
    cron.require_importable(interpreter, os.environ)
    crontab = cron.Crontab(config.state_dir, os.environ)
    before = crontab.read()
    after = block.install(before, config.path, (line,))
    if dry_run:
        _show_difference(before, after)
    else:
        _remember(config, "path", os.environ.get("PATH", os.defpath))  # cron's own finds few agents
        if after != before:
            crontab.write(before, after)
            _remember(config, "installed_at", datetime.now(UTC).isoformat(timespec="microseconds"))
        _tell_installed(block.installed(before, config.path), line)
    _tell_times(config.cron_expression)
    _warn(config)


def uninstall_cron(context: typer.Context, dry_run: _DryRun = False) -> None:
    """Remove the line; everything else stays as it is."""
    from gradent_cli.schedulers import block, cron

    crontab = cron.Crontab(_state_dir(context.obj), os.environ)
    before = crontab.read()
    lines = block.installed(before, context.obj)
    if lines is None:
        typer.echo(f"no gradent block for {context.obj} in the crontab")
    elif dry_run:
        _show_difference(before, block.uninstall(before, context.obj))
    else:
        cron.remove(crontab, before, context.obj)
        typer.echo("Removed from your crontab:")
        _show_lines(lines)


def _state_dir(config_file: Path) -> Path:
    """Of a config that may be broken or gone: its block must go all the same."""
    from gradent_cli import paths
    from gradent_cli.config import load
    from gradent_cli.errors import ConfigError

    try:
        return load(config_file, os.environ).state_dir
    except ConfigError:
        configured = os.environ.get("GRADENT_STATE_DIR")
        return paths.state_dir(config_file, Path(configured) if configured else None, os.environ)


def _remember(config: "Config", key: str, value: str) -> None:
    from gradent_cli.database import open_database
    from gradent_cli.files import make_private_directory
    from gradent_cli.history import History

    make_private_directory(config.state_dir)
    with closing(open_database(config.state_dir / "gradent.db")) as connection:
        History(connection).remember(key, value)


def _tell_installed(before: "tuple[bytes, ...] | None", line: bytes) -> None:
    if before == (line,):
        typer.echo("already installed; nothing changed")
    elif before is None:
        typer.echo("Installed in your crontab:")
    else:
        typer.echo("Changed in your crontab, from:")
        _show_lines(before)
        typer.echo("to:")
    _show_lines((line,))


def _tell_times(expression: str) -> None:
    from itertools import islice

    from gradent_cli.frequency import in_words, local_zone, next_times

    zone = local_zone(os.environ)
    words = in_words(expression)
    typer.echo(f"{words[0].upper()}{words[1:]}.\nThe next times:")
    for moment in islice(next_times(expression, datetime.now(UTC), zone), 3):
        typer.echo(f"  {moment.astimezone(zone):%a %d %b %Y %H:%M %Z}")


def _warn(config: "Config") -> None:
    """What would keep a line that is well installed from doing what the person expects."""
    from gradent_cli.schedulers.cron import daemon_running

    if not config.settings.enabled:
        _say("this config has enabled = false, so that every run ends at once", "gradent config set --enabled")
    environment = sorted(key for key, origin in config.origins.items() if origin.startswith("environment"))
    if environment:
        _say(
            f"only this shell's environment sets {', '.join(environment)}, and cron will not see it",
            "put it into the file with `gradent config set`",
        )
    if daemon_running() is False:
        _say(
            "no cron daemon is running here, so nothing will run",
            "sudo systemctl enable --now cron, or: sudo service cron start",
        )


def _say(warning: str, remedy: str) -> None:
    typer.echo(f"gradent: warning: {warning}", err=True)
    typer.echo(f"  hint: {remedy}", err=True)


def _show_lines(lines: "Iterable[bytes]") -> None:
    for line in lines:
        typer.echo(f"  {_shown(line)}")


def _show_difference(before: bytes, after: bytes) -> None:
    from difflib import unified_diff

    if before == after:
        typer.echo("already as it should be; nothing would change")
    for line in unified_diff(_shown_lines(before), _shown_lines(after), "crontab now", "crontab then", lineterm=""):
        typer.echo(line)


def _shown_lines(crontab: bytes) -> list[str]:
    # Split at newlines only: a carriage return or form feed belongs to its line.
    lines = [_shown(line) for line in crontab.split(b"\n")]
    unended = lines.pop()
    return [*lines, f"{unended} (no newline)"] if unended else lines


def _shown(line: bytes) -> str:
    """A line of any bytes as a terminal can take it: what is not printable text is escaped."""
    text = line.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)
