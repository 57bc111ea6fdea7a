"""`gradent notify test`."""

from typing import Annotated

import typer

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
    import os
    from datetime import UTC, datetime

    from gradent_cli import config
    from gradent_cli.cli import render
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
    dispatch.post(policy.test(datetime.now(UTC)))
    deliveries = dispatch.finish(2 * SECONDS_PER_MESSAGE)
    answers = [
        {"channel": channel.name, "where": channel.where, "status": delivery.status, "error": delivery.error}
        for channel, delivery in zip(channels, deliveries, strict=True)
    ]
    if as_json:
        render.document(answers)
    else:
        for answer in answers:
            told = f"failed: {answer['error']}" if answer["error"] else f"sent to {answer['where']}"
            typer.echo(f"{answer['channel']:<8} {told}")
    failed = [str(answer["channel"]) for answer in answers if answer["error"]]
    if len(failed) == len(channels):
        raise UnavailableError("no channel took the test message")
    if failed:
        raise NotifyError(f"{', '.join(failed)} did not take the test message")
