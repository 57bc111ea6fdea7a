"""What is measured inside gradent's own environment, where its command line cannot say it.

No config can name a hundred HTTP services without Apprise, so here the channels that gradent opens are as many
webhooks. All else is gradent's own: outbox, threads, HTTP client.

    python -P drivers.py past DATABASE RUNS           fill a database with so many runs
    python -P drivers.py lines CONFIG                 the argv of the crontab's run and of its tick, as JSON
    python -P drivers.py run NUMBER URL ARGUMENT...   gradent with so many webhooks
    python -P drivers.py send NUMBER URL CONFIG       the seconds that sending one message to each takes
"""

import gc
import json
import os
import runpy
import shlex
import sys
import time
from pathlib import Path
from typing import Any

EVERY = 25
"""Seconds between two runs of the past: a million of them fit into a year, so that none is too old to be kept."""


def fill(database: str, runs: int) -> None:
    """Runs up to now, the newest thousand with what they told."""
    sys.path.append(str(Path(__file__).parents[1]))
    from gradent_cli.database import open_database
    from tests.street import past

    connection = open_database(database)
    past.fill(connection, runs, with_messages=1000, first=int(time.time()) - EVERY * (runs + 100), every=EVERY)
    connection.close()


def crontab_lines(config: str) -> None:
    """What cron is told to start."""
    from gradent_cli.schedulers.block import job_lines

    lines = job_lines("0 0 * * *", Path(sys.executable), Path(config), catch_up=True)
    print(json.dumps([shlex.split(line.decode())[5:] for line in lines]))


def open_webhooks(number: int, url: str) -> None:
    """From here on gradent's channels are these."""
    from gradent_cli import notify

    def webhooks(_: Any) -> tuple[notify.Channel, ...]:
        from gradent_cli.notify.webhook import Webhook

        channels = [Webhook(f"{url}/{place}") for place in range(number)]
        for place, channel in enumerate(channels):
            channel.name = f"webhook{place}"
        return tuple(channels)

    notify.open_channels = webhooks


def run(number: int, url: str, arguments: list[str]) -> None:
    """As `python -m gradent_cli` with these arguments."""
    open_webhooks(number, url)
    sys.argv[1:] = arguments
    runpy.run_module("gradent_cli", run_name="__main__", alter_sys=True)


def send(number: int, url: str, config: str) -> None:
    """One message to each, kept and sent as at a run's end; twice, as the first one also imports the HTTP client.

    Printed as JSON: seconds with the imports, seconds without.
    """
    open_webhooks(number, url)
    from datetime import UTC, datetime

    from gradent_cli import web
    from gradent_cli.cli import short
    from gradent_cli.cli.compose import open_messenger
    from gradent_cli.config import load
    from gradent_cli.database import open_database
    from gradent_cli.files import make_private_directory
    from gradent_cli.notify import policy

    gc.set_threshold(short.WORTH_COLLECTING)  # as a run has it
    loaded = load(Path(config), os.environ)
    make_private_directory(loaded.state_dir)
    connection = open_database(f"{loaded.state_dir}/gradent.db")
    seconds = []
    for _ in range(2):
        web._resting.clear()  # what is measured makes its own clients, and reads the authorities
        web._trusting.cache_clear()
        web._has_proxies.cache_clear()
        messenger = open_messenger(loaded, connection, os.environ, str, lambda *_: None, send=True)
        messenger.open()
        begun = time.monotonic()
        messenger.tell(policy.test(datetime.now(UTC)))
        deliveries = messenger.finish(30)
        seconds.append(time.monotonic() - begun)
        assert [each.status for each in deliveries] == ["sent"] * number, deliveries
    print(json.dumps(seconds))


def main() -> None:
    """Do what the command line says."""
    match sys.argv[1:]:
        case ["past", database, runs]:
            fill(database, int(runs))
        case ["lines", config]:
            crontab_lines(config)
        case ["run", number, url, *arguments]:
            run(int(number), url, arguments)
        case ["send", number, url, config]:
            send(int(number), url, config)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
