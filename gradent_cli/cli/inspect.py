"""`status` and `history`: what is set, what ran, what comes next. Changes nothing."""

import os
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradent_cli.cli import terminal
from gradent_cli.errors import GradentError, UsageError
from gradent_cli.moments import utc

if TYPE_CHECKING:
    import sqlite3

    from gradent_cli.config import Config
    from gradent_cli.history import History


class Status(StrEnum):
    """What `history --status` can be asked for."""

    running = "running"
    success = "success"
    failure = "failure"
    timeout = "timeout"
    skipped = "skipped"
    interrupted = "interrupted"


def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show whether gradent runs, what it did and what is next."""
    from gradent_cli.cli import render
    from gradent_cli.config import load
    from gradent_cli.frequency import local_zone

    config = load(context.obj, os.environ)
    found = _look(config, _database(config))
    if as_json:
        terminal.document(found)
    else:
        typer.echo(render.status_page(found, Path(config.path), local_zone(os.environ), datetime.now(UTC)))


def history(
    context: typer.Context,
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="RUN_ID", help="Show this run whole: an id, the beginning of one, or `last`."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="How many runs, newest first.")] = 20,
    only: Annotated[Status | None, typer.Option("--status", help="Only runs that ended so.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show past runs, or one of them whole."""
    from gradent_cli.cli import render
    from gradent_cli.config import load
    from gradent_cli.frequency import local_zone
    from gradent_cli.history import History

    past = History(_database(load(context.obj, os.environ)))
    zone = local_zone(os.environ)
    if run_id is not None:
        run = past.get(run_id)
        if run is None:
            raise UsageError(f"there is no single run '{run_id}'", hint="gradent history")
        if as_json:
            terminal.document(render.run_document(run))
        else:
            typer.echo(render.run_page(run, zone))
        return
    runs = past.recent(limit, status=only)
    if as_json:
        terminal.document([render.run_document(run) for run in runs])
    elif runs:
        typer.echo(render.history_table(runs, zone))
    else:
        typer.echo(f"No run {'ended so' if only else 'yet'}.")


def _database(config: "Config") -> "sqlite3.Connection":
    from gradent_cli.database import open_database

    return open_database(f"{config.state_dir}/gradent.db", read_only=True)


def _look(config: "Config", connection: "sqlite3.Connection") -> dict[str, Any]:
    """The status document; times are ISO 8601 UTC."""
    from gradent_cli.cli import render
    from gradent_cli.cli.compose import open_slots, unwanted
    from gradent_cli.history import History
    from gradent_cli.notify import open_channels
    from gradent_cli.outbox import Outbox

    settings = config.settings
    past = History(connection)
    outbox = Outbox(connection, f"{config.state_dir}/gradent.db")
    now = datetime.now(UTC)
    expression = config.cron_expression
    slots = open_slots(config, past, os.environ, read_only=True)
    pause = slots.pause if slots.pause and slots.pause.goes_on(now) else None
    line, drift = _line(config, past, now)
    last = past.previous()
    expected = line is not None and not unwanted(config, slots, now)
    return {
        "enabled": settings.enabled,
        "paused": pause is not None,
        "paused_until": utc(pause.until) if pause else None,
        "pause_reason": pause.reason if pause else "",
        "frequency": settings.frequency,
        "cron_expression": expression,
        "installed": line is not None,
        "installed_line": line,
        "drift": drift,
        "last_execution": utc(last.started_at) if last else None,
        "last_status": last.status if last else None,
        "last_run": last.id if last else None,
        "last_error": last.error if last else None,
        "next_execution": utc(slots.next_wanted(now)) if line and settings.enabled else None,
        "missed_runs": len(slots.overdue(now)) if expected else 0,
        "pending_deliveries": outbox.pending(),
        "undelivered": [render.backlog_document(backlog) for backlog in outbox.backlogs()],
        "channels": [channel.name for channel in open_channels(settings)],
    }


def _line(config: "Config", past: "History", now: datetime) -> tuple[str | None, list[str]]:
    """The installed line, and a sentence for each way in which it is not what the config asks for."""
    from gradent_cli import schedulers
    from gradent_cli.cli.schedulers import this_job
    from gradent_cli.doctor.schedule import drifted, found_in
    from gradent_cli.schedulers.cron import Crontab

    try:
        if (elsewhere := schedulers.look(this_job(config), os.environ)) is not None:
            return elsewhere
        found = found_in(Crontab(Path(config.state_dir), os.environ).read(), config, past, os.environ)
        drift = [difference.sentence for difference in drifted(config, found, os.environ, now)]
    except GradentError as error:
        return None, [error.message + (f" ({error.hint})" if error.hint else "")]
    return found.lines[0].decode(errors="replace") if found.lines else None, drift
