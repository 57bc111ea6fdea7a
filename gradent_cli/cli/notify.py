"""`notify test` and `notify flush`: the channels by themselves, without a run."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradent_cli.cli import terminal

if TYPE_CHECKING:
    from gradent_cli.config import Config

_SHORT_RUN = 1.0
"""Seconds: a run that was skipped, or is just ending, is gone after this; any other sends what waits itself."""

app = typer.Typer(help="Try out the notification channels.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Try out the notification channels."""


@app.command("test")
def try_out(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Send a test message to every configured channel and show each one's real answer."""
    from gradent_cli import config
    from gradent_cli.errors import ConfigError, NotifyError, UnavailableError
    from gradent_cli.notify import SECONDS_PER_MESSAGE, Dispatch, open_channels, policy
    from gradent_cli.text import Redactor

    loaded = config.load(context.obj, os.environ)
    channels = open_channels(loaded.settings)
    if not channels:
        raise ConfigError(
            f"no channel is configured in {loaded.path}",
            hint="gradent config set --ntfy-topic TOPIC, or --discord-webhook -",
        )
    dispatch = Dispatch(channels, Redactor(loaded.secrets))
    message = policy.test(datetime.now(UTC))
    for channel in channels:
        dispatch.post(channel.name, message)
    deliveries = dispatch.finish(2 * SECONDS_PER_MESSAGE)
    answers = [
        {
            "channel": channel.name,
            "where": channel.where,
            "status": "sent" if delivery.status == "sent" else "failed",
            "error": delivery.error,
        }
        for channel, delivery in zip(channels, deliveries, strict=True)
    ]
    _reopen(loaded, [str(answer["channel"]) for answer in answers if answer["status"] == "sent"])
    if as_json:
        terminal.document(answers)
    else:
        width = max(8, *(len(channel.name) for channel in channels))
        for answer in answers:
            told = f"failed: {answer['error']}" if answer["error"] else f"sent to {answer['where']}"
            typer.echo(f"{answer['channel']:<{width}} {told}")
    failed = [str(answer["channel"]) for answer in answers if answer["error"]]
    if len(failed) == len(channels):
        raise UnavailableError("no channel took the test message")
    if failed:
        raise NotifyError(f"{', '.join(failed)} did not take the test message")


@app.command()
def flush(
    context: typer.Context,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing (what cron uses).")] = False,
) -> None:
    """Send what waits: messages held by quiet hours or kept while a service could not be reached."""
    from gradent_cli import config, lock
    from gradent_cli.cli import render
    from gradent_cli.cli.compose import open_messenger
    from gradent_cli.database import open_database
    from gradent_cli.files import make_private_directory
    from gradent_cli.frequency import local_zone
    from gradent_cli.logs import Log
    from gradent_cli.outbox import Outbox
    from gradent_cli.runner import SEND_SECONDS
    from gradent_cli.text import Redactor, count

    loaded = config.load(context.obj, os.environ)
    make_private_directory(loaded.state_dir)
    if lock.is_held(f"{loaded.state_dir}/gradent.lock", wait=_SHORT_RUN):
        if not quiet:
            typer.echo("A run is going on; it sends what waits when it ends.")
        return
    redact = Redactor(loaded.secrets)
    connection = open_database(f"{loaded.state_dir}/gradent.db")
    log = Log(f"{loaded.state_dir}/gradent.log", redact).write
    messenger = open_messenger(loaded, connection, os.environ, redact, log, send=True)
    messenger.open()
    deliveries = messenger.finish(SEND_SECONDS)
    for delivery in deliveries:
        if delivery.error is not None:
            log("flush", f"{delivery.channel} did not take '{delivery.event}': {delivery.error}")
    if quiet:
        return
    sent = sum(delivery.status == "sent" for delivery in deliveries)
    backlogs = Outbox(connection, f"{loaded.state_dir}/gradent.db").backlogs()
    nothing = "Nothing was sent." if backlogs else "Nothing waits."
    typer.echo(f"Sent {count(sent, 'message')}." if sent else nothing)
    for backlog in backlogs:
        text = render.backlog_text(render.backlog_document(backlog), local_zone(os.environ))
        typer.echo(terminal.hanging("", text, indent=2))


def _reopen(config: "Config", channels: list[str]) -> None:
    """What these channels were not given while they took nothing comes with the next run."""
    from gradent_cli.database import open_database
    from gradent_cli.outbox import Outbox

    path = Path(config.state_dir, "gradent.db")
    if not path.exists():
        return
    outbox = Outbox(open_database(path), path)
    for channel in channels:
        outbox.reopen(channel)
