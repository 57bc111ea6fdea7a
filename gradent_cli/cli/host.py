"""`host`, hidden: the process that a Python function runs in."""

import os
import sys
from pathlib import Path

import typer


def host(context: typer.Context) -> None:
    """Call the function that the config names, for the run that started this."""
    from gradent_cli.agents.callable import perform
    from gradent_cli.cli.agents import function_of
    from gradent_cli.config import load
    from gradent_cli.errors import UsageError

    config = load(context.obj, os.environ)
    files = [os.environ.get(name) for name in ("GRADENT_EVENTS", "GRADENT_CONTEXT_FILE")]
    if not all(files):
        raise UsageError("this is for gradent itself", hint="gradent run")
    sys.path.insert(0, str(Path.cwd()))
    event_file, context_file = (Path(file or "") for file in files)
    perform(function_of(config), event_file, context_file, time_limit=config.settings.agent.timeout)
