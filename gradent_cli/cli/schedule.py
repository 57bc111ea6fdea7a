"""`explain`, `pause` and `resume`: when runs come, and when they do not."""

import os
from contextlib import closing
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradent_cli.cli import terminal

if TYPE_CHECKING:
    from gradent_cli.config import Config
    from gradent_cli.due import Pause


def explain(
    context: typer.Context,
    number: Annotated[int, typer.Option("--count", min=1, max=1000, help="How many runs.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show when the next runs come, in local time."""
    from gradent_cli.cli import render
    from gradent_cli.cli.compose import pause_of
    from gradent_cli.config import load
    from gradent_cli.database import open_database
    from gradent_cli.explain import upcoming
    from gradent_cli.frequency import in_words, local_zone
    from gradent_cli.history import History

    config = load(context.obj, os.environ)
    zone, now = local_zone(os.environ), datetime.now(UTC)
    runs = upcoming(config.cron_expression, now, zone, number)
    if as_json:
        terminal.document([render.upcoming_document(run, zone) for run in runs])
        return
    history = History(open_database(f"{config.state_dir}/gradent.db", read_only=True))
    obstacle = _obstacle(config, pause_of(history), now, runs[-1].at, zone)
    typer.echo(render.upcoming_page(runs, in_words(config.cron_expression), obstacle, zone, now))


def pause(
    context: typer.Context,
    for_: Annotated[str | None, typer.Option("--for", metavar="DURATION", help='How long, as "2w" or "36h".')] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help='Until when, as "2026-12-24" or "2026-12-24 08:00".')
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; shown wherever the pause is.")] = "",
) -> None:
    """Skip all runs for a while, or until `gradent resume`."""
    from gradent_cli.config import load
    from gradent_cli.due import Pause
    from gradent_cli.frequency import local_zone
    from gradent_cli.text import one_line

    config = load(context.obj, os.environ)
    now, zone = datetime.now(UTC), local_zone(os.environ)
    wanted = Pause(since=now, until=_end(for_, until, now, zone), reason=one_line(reason, 200))
    _change_pause(config, wanted)
    said = wanted.in_words(zone)
    typer.echo(f"{said[0].upper()}{said[1:]}")
    if wanted.until is not None:
        typer.echo("End it sooner with: gradent resume")


def resume(context: typer.Context) -> None:
    """End the pause."""
    from gradent_cli.config import load
    from gradent_cli.frequency import local_zone

    config = load(context.obj, os.environ)
    now, zone = datetime.now(UTC), local_zone(os.environ)
    ended = _change_pause(config, None)
    if ended is None or not ended.goes_on(now):
        typer.echo("gradent is not paused")
        return
    typer.echo(f"Resumed; it had been {ended.in_words(zone)}")


def _end(for_: str | None, until: str | None, now: datetime, zone: tzinfo) -> datetime | None:
    """The moment that the person named; None when they named none.

    Raises:
        UsageError: both were given, one cannot be read, or it has passed.
    """
    from gradent_cli import durations
    from gradent_cli.errors import UsageError

    if for_ is not None and until is not None:
        raise UsageError("--for and --until contradict each other", hint="give one of them, or neither")
    try:
        if for_ is not None:
            return now + durations.parse(for_)
        if until is None:
            return None
        moment = datetime.fromisoformat(until.strip())
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        why = str(error) if for_ is not None else f"{until!r} is not a date"
        raise UsageError(why, hint='write it as --until "2026-12-24 08:00", or --for 2w') from error
    if moment <= now:
        raise UsageError(f"{until!r} has passed", hint='write it as --until "2026-12-24 08:00", or --for 2w')
    return moment


def _change_pause(config: "Config", wanted: "Pause | None") -> "Pause | None":
    """Keep this pause, or end the one there is: then nothing that it covered was missed. Returns what there was."""
    from gradent_cli.cli.compose import open_slots, pause_of
    from gradent_cli.database import open_database
    from gradent_cli.files import make_private_directory
    from gradent_cli.history import History

    make_private_directory(config.state_dir)
    with closing(open_database(f"{config.state_dir}/gradent.db")) as connection:
        history = History(connection)
        before, now = pause_of(history), datetime.now(UTC)
        if wanted is not None:
            history.remember("pause", wanted.to_text())
        elif before is not None and before.goes_on(now):
            open_slots(config, history, os.environ).settle(now)
            history.remember("pause", "")
    return before


def _obstacle(config: "Config", pause: "Pause | None", now: datetime, last: datetime, zone: tzinfo) -> str:
    """Why none of the runs up to `last` will happen, and what would change that; empty when some will."""
    if not _installed(config):
        return "gradent is not installed, so none of these will happen: gradent install-cron"
    if not config.settings.enabled:
        return "gradent is disabled, so these will be skipped: gradent config set --enabled"
    if pause is not None and pause.goes_on(now) and pause.covers(last):
        return f"gradent is {pause.in_words(zone)}; these will be skipped"
    return ""


def _installed(config: "Config") -> bool:
    """Whether anything calls gradent; a crontab that cannot be read gets the benefit of the doubt."""
    from gradent_cli import schedulers
    from gradent_cli.errors import CrontabError, UnavailableError
    from gradent_cli.schedulers import block
    from gradent_cli.schedulers.cron import Crontab

    try:
        if schedulers.where(Path(config.path), os.environ):
            return True
        return bool(block.installed(Crontab(Path(config.state_dir), os.environ).read(), Path(config.path)))
    except CrontabError:
        return True
    except UnavailableError:
        return False
