"""`install-cron` and `uninstall-cron`: gradent's lines in the person's crontab, and the proof that they work."""

import os
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradent_cli.annotations import StrPath
from gradent_cli.cli import schedulers as others
from gradent_cli.cli import terminal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gradent_cli.config import Config
    from gradent_cli.schedulers.cron import Crontab

_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change in the crontab, and change nothing.")]


def install_cron(
    context: typer.Context,
    dry_run: _DryRun = False,
    catch_up: Annotated[
        bool | None,
        typer.Option(
            "--catch-up/--no-catch-up",
            help="Look every quarter of an hour whether a run was missed in sleep. [default: as installed]",
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Then let cron fire a canary, and show what its job saw.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Put the crontab back that gradent last replaced.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --undo: though the crontab changed since.")] = False,
    scheduler: Annotated[
        others.Choice,
        typer.Option("--scheduler", help="What calls gradent; `print` only shows what each would be given."),
    ] = others.Choice.auto,
) -> None:
    """Install the line in your crontab, or bring it up to date."""
    from gradent_cli.config import load
    from gradent_cli.schedulers import block, cron

    _refuse_what_contradicts(dry_run=dry_run, catch_up=catch_up, verify=verify, undo=undo, yes=yes)
    cron.require_own_crontab(os.environ)
    only_for_cron = {"--undo": undo, "--verify": verify, "--catch-up": catch_up is not None}
    into = others.chosen(context.obj, scheduler, [option for option, given in only_for_cron.items() if given])
    if undo:
        _undo(context.obj, yes=yes)
        return
    config = load(context.obj, os.environ)
    interpreter = Path(os.path.abspath(sys.executable))  # noqa: PTH100  a venv's python is a link and must stay one
    if into not in ("cron", "print"):
        _install_into(into, config, interpreter, dry_run=dry_run)
        return
    job = others.this_job(config)
    once, caught = (
        block.job_lines(job.expression, job.interpreter, job.config, catch_up=each, flush=job.flush)
        for each in (False, True)
    )
    if into == "print":
        others.show_all(job, once)
        return
    cron.require_importable(interpreter, os.environ)
    crontab = cron.Crontab(Path(config.state_dir), os.environ)
    before = crontab.read()
    installed = block.installed(before, job.config)
    caught_up = any(map(block.catches_up, installed or ()))
    lines = caught if catch_up or (catch_up is None and caught_up) else once
    after = block.install(cron.without_canary(before, job.config), job.config, lines)
    if dry_run:
        _show_difference(before, after)
    else:
        _remember(config.state_dir, "path", os.environ.get("PATH", os.defpath))  # cron's own finds few agents
        if after != before:
            crontab.write(before, after)
            _remember(config.state_dir, "installed_at", _now())
        _tell_installed(installed, lines)
    if caught_up and catch_up is None:
        typer.echo("The second line catches up; to take it away: gradent install-cron --no-catch-up")
    if job.flush is not None:
        typer.echo("The last line sends what quiet hours held, when they end.")
    _tell_times(config.cron_expression)
    _warn(config)
    if verify:
        _verify(config, crontab, interpreter)


def _install_into(name: str, config: "Config", interpreter: Path, *, dry_run: bool) -> None:
    """Into a scheduler that is not cron."""
    from gradent_cli.schedulers import cron

    cron.require_importable(interpreter, os.environ)
    if not dry_run:
        _remember(config.state_dir, "path", os.environ.get("PATH", os.defpath))
    others.install(name, others.this_job(config), dry_run=dry_run)
    _tell_times(config.cron_expression)
    _warn_of_settings(config, name)


def uninstall_cron(
    context: typer.Context,
    dry_run: _DryRun = False,
    scheduler: Annotated[
        others.Installed | None, typer.Option("--scheduler", help="Only this one. [default: wherever it is installed]")
    ] = None,
) -> None:
    """Remove the lines; everything else stays as it is."""
    import shutil

    from gradent_cli.errors import StateError
    from gradent_cli.schedulers import block, cron

    cron.require_own_crontab(os.environ)
    if scheduler != others.Installed.cron:
        elsewhere = others.uninstall(context.obj, scheduler, dry_run=dry_run)
        if scheduler is not None or (elsewhere and shutil.which("crontab") is None):
            return
    state_dir = _state_dir(context.obj)
    crontab = cron.Crontab(state_dir, os.environ)
    before = crontab.read()
    lines = block.installed(before, context.obj)
    without_canary = cron.without_canary(before, context.obj)
    if dry_run and lines is not None:
        _show_difference(before, block.uninstall(without_canary, context.obj))
        return
    if not dry_run and (lines is not None or without_canary != before):
        cron.remove(crontab, before, context.obj)
    if lines is None:
        typer.echo(f"no gradent block for {context.obj} in the crontab")
    else:
        typer.echo("Removed from your crontab:")
        _show_lines(lines)
    if not dry_run and (state_dir / "gradent.db").exists():
        with suppress(StateError):  # the block is gone, and that was the task
            _remember(state_dir, "installed_at", "")


def _refuse_what_contradicts(*, dry_run: bool, catch_up: bool | None, verify: bool, undo: bool, yes: bool) -> None:
    from gradent_cli.errors import UsageError

    if yes and not undo:
        raise UsageError("--yes belongs to --undo", hint="gradent install-cron --undo --yes")
    if undo and (dry_run or verify or catch_up is not None):
        raise UsageError("--undo goes with no other option but --yes", hint="gradent install-cron --undo")
    if dry_run and verify:
        raise UsageError("--verify writes into the crontab, and --dry-run must not", hint="leave one of them out")


def _undo(config_file: Path, *, yes: bool) -> None:
    """Put the newest backup back; what it replaces becomes the newest backup, so that undoing twice is redoing."""
    from gradent_cli.errors import CrontabError
    from gradent_cli.schedulers import block, cron

    state_dir = _state_dir(config_file)
    crontab = cron.Crontab(state_dir, os.environ)
    now = crontab.read()
    backup = cron.last_change(crontab, now, config_file)
    if backup is None:
        typer.echo("nothing to undo: gradent has not changed this crontab")
        return
    if not backup.gave_way_to(cron.without_canary(now, config_file)) and not yes:
        if not sys.stdin.isatty():
            raise CrontabError(
                f"the crontab changed since gradent wrote it; nothing was restored from {backup.path}",
                hint="gradent install-cron --undo --yes restores it all the same",
            )
        _show_difference(now, backup.content)
        typer.confirm("The crontab changed since gradent wrote it. Do this all the same?", abort=True)
    cron.give_back(crontab, now, backup.content)
    there = block.installed(backup.content, config_file) is not None
    _remember(state_dir, "installed_at", _now() if there else "")
    typer.echo(f"Your crontab is again as it was before gradent changed it; it was in {backup.path}")
    _show_difference(now, backup.content)


def canary(context: typer.Context, answer: Path) -> None:
    """What the line of `install-cron --verify` calls: writes what this job sees to ANSWER, as JSON."""
    import json
    from dataclasses import asdict

    from gradent_cli import files
    from gradent_cli.doctor.examine import seen_by_job

    checks = seen_by_job(context.obj, os.environ, datetime.now(UTC))
    files.write_atomic(answer, json.dumps([asdict(check) for check in checks]).encode(), mode=0o600)


def _verify(config: "Config", crontab: "Crontab", interpreter: Path) -> None:
    """Exit 1 when the job saw something that would make runs fail."""
    import json

    from gradent_cli.cli import render
    from gradent_cli.doctor.check import Check
    from gradent_cli.interrupts import Interrupted, Interrupts
    from gradent_cli.schedulers import canary, cron

    watch, stop = terminal.waiting("Waiting for cron to fire a canary", canary.SECONDS)
    try:
        with Interrupts() as interrupts:
            answer = canary.fire(
                crontab,
                Path(config.path),
                interpreter,
                Path(config.state_dir, "canary.json"),
                watch=watch,
                shield=interrupts.shield,
            )
    except Interrupted as interrupt:
        typer.echo("interrupted; the canary is out of the crontab again", err=True)
        raise typer.Exit(interrupt.exit_code) from None
    finally:
        stop()
    if answer is None:
        raise canary.not_fired(canary.SECONDS, daemon_running=cron.daemon_running())
    checks = [Check(**check) for check in json.loads(answer)]
    typer.echo("Cron fired the canary, and took it away again. What its job saw:")
    typer.echo(render.checks_page(checks))
    if any(check.status == "failed" for check in checks):
        raise typer.Exit(1)


def _state_dir(config_file: Path) -> Path:
    """Of a config that may be broken or gone: its block must go all the same."""
    from gradent_cli import paths
    from gradent_cli.config import load
    from gradent_cli.errors import ConfigError

    try:
        return Path(load(config_file, os.environ).state_dir)
    except ConfigError:
        return paths.state_dir(config_file, os.environ.get("GRADENT_STATE_DIR") or None, os.environ)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _remember(state_dir: StrPath, key: str, value: str) -> None:
    from gradent_cli.database import open_database
    from gradent_cli.files import make_private_directory
    from gradent_cli.history import History

    make_private_directory(state_dir)
    with closing(open_database(os.path.join(state_dir, "gradent.db"))) as connection:
        History(connection).remember(key, value)


def _tell_installed(before: "tuple[bytes, ...] | None", lines: "tuple[bytes, ...]") -> None:
    if before == lines:
        typer.echo("already installed; nothing changed")
    elif before is None:
        typer.echo("Installed in your crontab:")
    else:
        typer.echo("Changed in your crontab, from:")
        _show_lines(before)
        typer.echo("to:")
    _show_lines(lines)


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
    from gradent_cli.doctor.clock import time_zone
    from gradent_cli.schedulers.cron import daemon_running, how_to_start

    _warn_of_settings(config, "cron")
    zone = time_zone(config.settings.study.timezone, os.environ, {}, datetime.now(UTC))
    if zone.status == "warning" and zone.remedy is not None:
        _say(zone.message, zone.remedy)
    if daemon_running() is False:
        _say("no cron daemon is running here, so nothing will run", how_to_start())


def _warn_of_settings(config: "Config", scheduler: str) -> None:
    from gradent_cli.doctor.network import noise

    if not config.settings.enabled:
        _say("this config has enabled = false, so that every run ends at once", "gradent config set --enabled")
    environment = sorted(key for key, origin in config.origins.items() if origin.startswith("environment"))
    if environment:
        _say(
            f"only this shell's environment sets {', '.join(environment)}, and {scheduler} will not see it",
            "put it into the file with `gradent config set`",
        )
    for check in noise(config):
        if check.status == "warning" and check.remedy is not None:
            _say(check.message, check.remedy)


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
