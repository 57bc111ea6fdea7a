"""`--scheduler` of `install-cron` and `uninstall-cron`: everything that is not cron."""

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from gradent_cli.config import Config
    from gradent_cli.schedulers import Job, Units


class Choice(StrEnum):
    """What `install-cron --scheduler` can be asked for."""

    auto = "auto"
    cron = "cron"
    systemd = "systemd"
    launchd = "launchd"
    taskscheduler = "taskscheduler"
    print = "print"


class Installed(StrEnum):
    """What `uninstall-cron --scheduler` can be asked for."""

    cron = "cron"
    systemd = "systemd"
    launchd = "launchd"
    taskscheduler = "taskscheduler"


def this_job(config: "Config") -> "Job":
    """What the config asks for, by this Python, at this machine's time."""
    from gradent_cli.schedulers import job_of

    # A venv's python is a link and must stay one.
    return job_of(config, Path(os.path.abspath(sys.executable)), os.environ)  # noqa: PTH100


def chosen(config_file: Path, choice: Choice, only_for_cron: Iterable[str]) -> str:
    """The scheduler to install into.

    Args:
        only_for_cron: the options given that no other scheduler has.

    Raises:
        UsageError: another one already runs this config, or has no such option.
        UnavailableError: as `schedulers.choose`.
    """
    from gradent_cli.errors import UsageError
    from gradent_cli.schedulers import choose, where

    name = choose(config_file, os.environ) if choice == Choice.auto else choice.value
    if name != "cron":
        for option in only_for_cron:
            raise UsageError(f"{option} is for cron, and this would be {name}", hint="leave one of the two out")
    if name != "print":
        installed = [
            *where(config_file, os.environ),
            *(["cron"] if name != "cron" and _in_crontab(config_file) else []),
        ]
        for other in installed:
            if other != name:
                raise UsageError(
                    f"{other} already runs {config_file}; with {name} beside it every run would start twice",
                    hint=f"gradent uninstall-cron --scheduler {other}",
                )
    return name


def _in_crontab(config_file: Path) -> bool:
    from gradent_cli.errors import GradentError
    from gradent_cli.schedulers import block
    from gradent_cli.schedulers.cron import Crontab

    with suppress(GradentError):  # a crontab that cannot be read is no reason against another scheduler
        return block.installed(Crontab(config_file.parent, os.environ).read(), config_file) is not None
    return False


def install(name: str, job: "Job", *, dry_run: bool) -> None:
    """Into one that is not cron, and say so."""
    from gradent_cli.schedulers import open_scheduler

    scheduler = open_scheduler(name, os.environ)
    if dry_run:
        _show_difference(scheduler.installed(job.config), scheduler.units(job))
        return
    wanted = scheduler.units(job)
    before = scheduler.install(job)
    if not before:
        typer.echo(f"Installed in {name}:")
    elif scheduler.installed(job.config) == before:
        typer.echo("already installed; nothing changed")
    else:
        typer.echo(f"Changed in {name}:")
    _show_places(wanted)
    if (advice := scheduler.advice()) is not None:
        typer.echo(f"gradent: warning: {advice}", err=True)


def uninstall(config_file: Path, only: Installed | None, *, dry_run: bool) -> bool:
    """From all that are not cron, or from one; returns whether there was anything."""
    from gradent_cli.schedulers import OTHERS, open_scheduler

    anything = False
    for name in OTHERS if only is None else (only.value,):
        scheduler = open_scheduler(name, os.environ)
        units = scheduler.installed(config_file)
        if units and dry_run:
            _show_difference(units, {})
        elif units:
            scheduler.uninstall(config_file)
            typer.echo(f"Removed from {name}:")
            _show_places(units)
        elif only is not None:
            typer.echo(f"nothing of {config_file} in {name}")
        anything = anything or bool(units)
    return anything


def show_all(job: "Job", crontab_lines: "Sequence[bytes]") -> None:
    """What would be installed, for each scheduler; for putting it somewhere by hand."""
    from gradent_cli.errors import ConfigError
    from gradent_cli.schedulers import OTHERS, open_scheduler

    which = "a line" if len(crontab_lines) == 1 else f"{len(crontab_lines)} lines"
    typer.echo(f"# cron: {which} of the crontab")
    for line in crontab_lines:
        typer.echo(line.decode())
    for name in OTHERS:
        try:
            units = open_scheduler(name, os.environ).units(job)
        except ConfigError as error:
            typer.echo(f"\n# {name}: {error.message}")
            continue
        for place, content in units.items():
            typer.echo(f"\n# {name}: {place}\n{_text(content).rstrip()}")


def _show_places(units: "Units") -> None:
    for place in units:
        typer.echo(f"  {place}")


def _show_difference(before: "Units", after: "Units") -> None:
    from difflib import unified_diff

    if before == after:
        typer.echo("already as it should be; nothing would change")
    for place in sorted(before.keys() | after.keys()):
        old, new = _text(before.get(place, b"")).splitlines(), _text(after.get(place, b"")).splitlines()
        for line in unified_diff(old, new, f"{place} now", f"{place} then", lineterm=""):
            typer.echo(line)


def _text(content: bytes) -> str:
    from gradent_cli.text import clean

    return clean(content.decode("utf-16" if content.startswith(b"\xff\xfe") else "utf-8", "backslashreplace"))
