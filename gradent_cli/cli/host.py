"""`host`, hidden: the process that a Python function, or the conversation with a language model, runs in."""

import os
import sys
from datetime import UTC, datetime, time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from gradent_cli.config import Config


def host(context: typer.Context) -> None:
    """Do what the config's agent does, for the run that started this."""
    from gradent_cli.config import load
    from gradent_cli.errors import UsageError

    config = load(context.obj, os.environ)
    files = [os.environ.get(name) for name in ("GRADENT_EVENTS", "GRADENT_CONTEXT_FILE")]
    if not all(files):
        raise UsageError("this is for gradent itself", hint="gradent run")
    event_file, context_file = (Path(file or "") for file in files)
    if config.settings.agent.kind == "llm":
        _converse(config, event_file, context_file)
    else:
        _call(config, event_file, context_file)


def _call(config: "Config", event_file: Path, context_file: Path) -> None:
    from gradent_cli.agents.callable import function_of, perform

    sys.path.insert(0, str(Path.cwd()))
    agent = config.settings.agent
    perform(function_of(agent), event_file, context_file, time_limit=agent.timeout)


def _converse(config: "Config", event_file: Path, context_file: Path) -> None:
    from gradent_cli.agents.llm import Limits, Model
    from gradent_cli.agents.round import perform
    from gradent_cli.cli.tools import call
    from gradent_cli.database import open_database
    from gradent_cli.frequency import zone_of
    from gradent_cli.history import History

    zone = zone_of(config.settings.study.timezone, os.environ)
    history = History(open_database(f"{config.state_dir}/gradent.db", read_only=True))
    perform(
        Model.from_settings(config.settings.llm),
        Limits.from_settings(config.settings.llm, spent_today=history.spent(midnight(datetime.now(zone)))),
        event_file,
        context_file,
        converse=_hold,
        call=partial(call, config, os.environ),
        auto_schedule=config.settings.study.auto_schedule,
        zone=zone,
        time_limit=config.settings.agent.timeout,
    )


def midnight(now: datetime) -> datetime:
    """That which the day of this local time began with, in UTC: of two on the night of a clock change the first."""
    return datetime.combine(now, time(), tzinfo=now.tzinfo).astimezone(UTC)


def _hold(*given: Any) -> str:
    from gradent_cli.agents.conversation import converse

    return converse(*given)
