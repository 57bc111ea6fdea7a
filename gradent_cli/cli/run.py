"""`run`: builds the real tools, sends the run down the corridor, shows how it went."""

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradent_cli.cli import terminal
from gradent_cli.records import ToolCall

if TYPE_CHECKING:
    import sqlite3

    from gradent_cli.config import Config
    from gradent_cli.runner import Outcome, Tools

_LOOK = 0.2
"""Seconds: `notify flush` takes hold of the lock for a moment to see whether a run is going on."""


def run(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run the agent, but write and send nothing; show what would be sent.")
    ] = False,
    if_due: Annotated[
        bool, typer.Option("--if-due", help="Only if a scheduled time has come that no run has served yet.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Run though gradent is disabled or paused.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but failures (what cron uses).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run as one JSON document.")] = False,
    fired_by: Annotated[str | None, typer.Option("--trigger", hidden=True, help="Which scheduler fired it.")] = None,
) -> None:
    """Run the agent once, tell your channels, and exit."""
    from gradent_cli.cli import render
    from gradent_cli.config import load, salvage
    from gradent_cli.errors import ConfigError

    trigger = fired_by or _trigger()
    try:
        config = load(context.obj, os.environ)
    except ConfigError as error:
        rest = salvage(context.obj, os.environ) if quiet else None  # nobody reads along: tell the phone, if it can be
        if rest is not None:
            _did_not_start(rest, os.environ, error.message, trigger=trigger)
        raise
    for warning in config.warnings if not quiet else ():
        typer.echo(f"gradent: warning: {warning}", err=True)
    show, stop_showing = (_ignore, _ignore) if quiet or as_json else render.live_tools()
    try:
        outcome = _walk(config, os.environ, show, trigger=trigger, dry_run=dry_run, force=force, if_due=if_due)
    finally:
        stop_showing()
    if outcome is None:
        _show_nothing_due(config, quiet=quiet, as_json=as_json)
        return
    ended = outcome
    terminal.try_to_show(lambda: _say(ended, config, dry_run=dry_run, quiet=quiet, as_json=as_json))
    raise typer.Exit(outcome.exit_code)


def _say(outcome: "Outcome", config: "Config", *, dry_run: bool, quiet: bool, as_json: bool) -> None:
    from gradent_cli.cli import render

    if as_json:
        document = render.run_document(outcome.run)
        if dry_run:
            document["messages"] = [render.message_document(message) for message in outcome.messages]
        terminal.document(document)
    elif not quiet:
        _show(outcome, config, dry_run=dry_run)
    elif outcome.run.status not in ("success", "skipped"):
        typer.echo(f"gradent: the run failed: {outcome.run.error}", err=True)
        typer.echo(f"  hint: gradent history {outcome.run.id}", err=True)


def _walk(
    config: "Config",
    environ: Mapping[str, str],
    watch: Callable[[ToolCall], None],
    *,
    trigger: str,
    dry_run: bool,
    force: bool,
    if_due: bool,
) -> "Outcome | None":
    """Build the real tools and send the run down the corridor; a run that cannot even start is told, too."""
    from gradent_cli.errors import DamagedError, GradentError
    from gradent_cli.runner import run_once

    def once(mended: str = "") -> "Outcome | None":
        tools = _tools(config, environ, watch, trigger=trigger, dry_run=dry_run, force=force)
        return run_once(replace(tools, mended=mended), trigger=trigger, if_due=if_due and not mended)

    database = config.state_dir / "gradent.db"
    try:
        before = _identity(database)
        try:
            return once()
        except DamagedError:
            if dry_run:
                raise
        return once(_set_aside(database, before))
    except GradentError as error:
        if not dry_run:
            _did_not_start(config, environ, error.message, trigger=trigger)
        raise


def _tools(
    config: "Config",
    environ: Mapping[str, str],
    watch: Callable[[ToolCall], None],
    *,
    trigger: str,
    dry_run: bool,
    force: bool,
) -> "Tools":
    from gradent_cli import damage, lock, processes
    from gradent_cli.cli.agents import open_agent
    from gradent_cli.cli.notify import open_messenger
    from gradent_cli.cli.schedule import open_slots, unwanted
    from gradent_cli.config import study_zone
    from gradent_cli.database import open_database
    from gradent_cli.failures import Failures
    from gradent_cli.files import make_private_directory
    from gradent_cli.history import History
    from gradent_cli.logs import Log
    from gradent_cli.notify import open_pings
    from gradent_cli.runner import Tools
    from gradent_cli.text import Redactor, clean

    state, settings = config.state_dir, config.settings
    redact = Redactor(config.secrets)
    if not dry_run:
        make_private_directory(state)
    connection = open_database(state / "gradent.db", scratch=dry_run)
    history = History(connection)
    slots = open_slots(config, history, environ, read_only=dry_run)
    zone = study_zone(config, environ)
    log = _ignore if dry_run else Log(state / "gradent.log", redact).write
    return Tools(
        agent=open_agent(config, environ, connection, zone, trigger=trigger, dry_run=dry_run),
        history=history,
        slots=slots,
        failures=Failures(connection),
        lock=nullcontext() if dry_run else lock.held(state / "gradent.lock", now=datetime.now(UTC), wait=_LOOK),
        messenger=open_messenger(config, connection, environ, redact, log, send=not dry_run),
        clock=lambda: datetime.now(UTC),
        zone=zone,
        log=log,
        redact=lambda text: redact(clean(text)),  # whatever an agent says: harmless, and without secrets
        watch=watch,
        timeout=settings.agent.timeout,
        remind_every=settings.notify.remind_every,
        notify_tools=settings.agent.notify_tools,
        pings=None if dry_run else open_pings(settings),
        end_leftovers=lambda run_id: processes.end_run(run_id, settings.agent.grace),
        check=_ignore if dry_run else lambda: damage.check(connection, datetime.now(UTC)),
        suspect=_ignore if dry_run else lambda: damage.suspect(connection),
        tidy=_ignore if dry_run else lambda: _tidy(connection, config),
        unwanted="" if force else unwanted(config, slots, datetime.now(UTC)),
    )


def _tidy(connection: "sqlite3.Connection", config: "Config") -> None:
    from gradent_cli.agents.study.cache import FeedCache
    from gradent_cli.retention import prune

    kept, now = config.settings.history, datetime.now(UTC)
    prune(connection, now, max_runs=kept.max_runs, max_age=kept.max_age)
    FeedCache(config.state_dir / "feeds", now=now).tidy()


def _set_aside(database: Path, damaged: object) -> str:
    """Put a new database in the place of the damaged one; a sentence for the person.

    Empty when another process that saw the same damage was quicker: `damaged` tells one file from another.
    """
    from gradent_cli import damage, lock

    now = datetime.now(UTC)
    with lock.held(database.with_name("gradent.lock"), now=now, wait=_LOOK):
        if _identity(database) != damaged:
            return ""
        aside = damage.set_aside(database, now)
    return f"The database was damaged. It is kept as {aside.path.name}; the new one: {aside.in_words()}."


def _identity(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _did_not_start(config: "Config", environ: Mapping[str, str], error: str, *, trigger: str) -> None:
    """A run that ended before it began: on record where the state can be written, and told when that is news."""
    from gradent_cli.cli.notify import open_messenger
    from gradent_cli.config import study_zone
    from gradent_cli.database import open_database
    from gradent_cli.errors import GradentError
    from gradent_cli.failures import Failures
    from gradent_cli.files import make_private_directory
    from gradent_cli.history import History
    from gradent_cli.logs import Log
    from gradent_cli.notify import Dispatch, open_channels, policy
    from gradent_cli.runner import SEND_SECONDS, new_run
    from gradent_cli.text import Redactor

    redact, zone = Redactor(config.secrets), study_zone(config, environ)
    now = datetime.now(UTC)
    run = new_run(now, trigger=trigger, agent=config.settings.agent.kind)
    run = replace(run, status="failure", finished_at=now, error=redact(error))
    try:
        make_private_directory(config.state_dir)
        connection = open_database(config.state_dir / "gradent.db")
        log = Log(config.state_dir / "gradent.log", redact).write
        messenger = open_messenger(config, connection, environ, redact, log, send=True)
        history, failures = History(connection), Failures(connection)
        messenger.open(run.id, complete=False)  # of a config that is refused, other channels may have been lost
        with history.together():
            history.add(run)
            if failures.add(run, config.settings.notify.remind_every) and messenger.tell(
                policy.failed(run, failures.now(), zone)
            ):
                failures.told(run)
        messenger.finish(SEND_SECONDS)
    except GradentError:  # nothing can be kept: tell it at least
        if "failed" in config.settings.notify.events:
            dispatch = Dispatch(open_channels(config.settings), redact)
            for channel in dispatch.channels:
                dispatch.post(channel, policy.failed(run, None, zone))
            dispatch.finish(SEND_SECONDS)


def _trigger() -> str:
    from gradent_cli.schedulers.cron import fired_by_cron

    return "cron" if fired_by_cron() else "manual"


def _ignore(*_: object) -> None:
    """Stands where nobody looks."""


def _show_nothing_due(config: "Config", *, quiet: bool, as_json: bool) -> None:
    from gradent_cli.frequency import local_zone, next_times

    zone = local_zone(os.environ)
    slot = next(next_times(config.cron_expression, datetime.now(UTC), zone))
    if as_json:
        terminal.document({"due": False, "next_execution": terminal.utc(slot)})
    elif not quiet:
        typer.echo(f"Nothing is due; the next slot is {terminal.local(slot, zone)}.")


def _show(outcome: "Outcome", config: "Config", *, dry_run: bool) -> None:
    from gradent_cli.cli import render
    from gradent_cli.notify import open_channels

    run = outcome.run
    typer.echo(render.run_ending(run))
    if run.status == "skipped":
        if outcome.exit_code == 0:
            remedy = "gradent resume" if config.settings.enabled else "gradent config set --enabled"
            typer.echo(f"Run it all the same with --force, or: {remedy}")
        return
    for sentence in render.deliveries_text(run):
        typer.echo(sentence)
    if run.status != "success" and not dry_run:
        typer.echo(f"More: gradent history {run.id}")
    channels = [channel.name for channel in open_channels(config.settings)]
    if channels and not dry_run:
        return
    if not outcome.messages:
        typer.echo("There is nothing to tell.")
        return
    if channels:
        typer.echo(f"A dry run: nothing was written or sent. {' and '.join(channels)} would get:")
    elif dry_run:
        typer.echo("A dry run: nothing was written. No channel is configured; one would get:")
    else:
        typer.echo("No channel is configured, so these messages only went to the log:")
    typer.echo(render.messages_text(outcome.messages))
