"""`run`: sends a run down the corridor and shows how it went."""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gradent_cli.cli import streams, terminal
from gradent_cli.moments import utc

if TYPE_CHECKING:
    from gradent_cli.config import Config
    from gradent_cli.runner import Outcome


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
    from gradent_cli.cli import compose, render
    from gradent_cli.config import load

    trigger = fired_by or compose.who_fired()
    if quiet and not dry_run:  # nobody reads along
        config = compose.load_or_tell(context.obj, os.environ, trigger=trigger)
    else:
        config = load(context.obj, os.environ)
    for warning in config.warnings if not quiet else ():
        typer.echo(f"gradent: warning: {warning}", err=True)
    show, stop_showing = (compose.ignore, compose.ignore) if quiet or as_json else render.live_tools()
    try:
        outcome = compose.walk(config, os.environ, show, trigger=trigger, dry_run=dry_run, force=force, if_due=if_due)
    finally:
        stop_showing()
    if outcome is None:
        _show_nothing_due(config, quiet=quiet, as_json=as_json)
        return
    ended = outcome
    streams.try_to_show(lambda: _say(ended, config, dry_run=dry_run, quiet=quiet, as_json=as_json))
    raise typer.Exit(outcome.exit_code)


def _say(outcome: "Outcome", config: "Config", *, dry_run: bool, quiet: bool, as_json: bool) -> None:
    from gradent_cli.cli import compose, render

    if as_json:
        document = render.run_document(outcome.run)
        if dry_run:
            document["messages"] = [render.message_document(message) for message in outcome.messages]
        terminal.document(document)
    elif not quiet:
        _show(outcome, config, dry_run=dry_run)
    else:
        compose.complain(outcome)


def _show_nothing_due(config: "Config", *, quiet: bool, as_json: bool) -> None:
    from gradent_cli.frequency import local_zone, next_times

    zone = local_zone(os.environ)
    slot = next(next_times(config.cron_expression, datetime.now(UTC), zone))
    if as_json:
        terminal.document({"due": False, "next_execution": utc(slot)})
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
