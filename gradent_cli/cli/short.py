"""The short way of `run`: the lines that schedulers call, without Typer, and with the config as it was last accepted.

Typer and pydantic cost twenty times what Python needs to start, and at nearly every tick the config is what it was at
the one before. Every other line is Typer's.
"""

import gc
import os
from collections.abc import Mapping, Sequence

from gradent_cli.dataclass import dataclass

WORTH_COLLECTING = 100_000
"""Objects. Most runs are over before they make as many; one that plans thousands of assignments would fill the memory
without ever collecting."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line of a scheduler asks for; `trigger` None leaves it to who started this process."""

    config: str
    if_due: bool
    trigger: str | None


def asked(arguments: Sequence[str]) -> Asked | None:
    """What a line that a scheduler calls asks for; None for every other line."""
    match list(arguments):
        case ["--config", config, "run", "--quiet"]:
            found = Asked(config, if_due=False, trigger=None)
        case ["--config", config, "run", "--if-due", "--quiet"]:
            found = Asked(config, if_due=True, trigger=None)
        case ["--config", config, "run", "--quiet", "--trigger", trigger] if trigger.isalpha():
            found = Asked(config, if_due=False, trigger=trigger)
        case _:
            return None
    plain = found.config.startswith("/") and os.path.normpath(found.config) == found.config
    return found if plain else None


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int | None:
    """Run the agent once. Returns the exit code; None, before anything was done, where it is another command line.

    Raises:
        GradentError: the run could not start. It was told.
    """
    line = asked(arguments)
    if line is None:
        return None
    gc.set_threshold(WORTH_COLLECTING)
    from gradent_cli import snapshot
    from gradent_cli.cli import compose, door, streams

    door.config = line.config
    trigger = line.trigger or compose.who_fired()
    config = snapshot.load(line.config, environ) or compose.load_or_tell(line.config, environ, trigger=trigger)
    outcome = compose.walk(
        config, environ, compose.ignore, trigger=trigger, dry_run=False, force=False, if_due=line.if_due
    )
    if outcome is None:
        return 0
    streams.try_to_show(lambda: compose.complain(outcome))
    return outcome.exit_code
