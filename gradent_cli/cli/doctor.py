"""`doctor`: is everything in place?"""

import os
from typing import Annotated

import typer

from gradent_cli.cli import terminal


def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check all that gradent needs; changes nothing."""
    from dataclasses import asdict
    from datetime import UTC, datetime

    from gradent_cli.cli import render
    from gradent_cli.doctor.examine import examine

    checks = examine(context.obj, os.environ, datetime.now(UTC))
    if as_json:
        terminal.document([asdict(check) for check in checks])
    else:
        typer.echo(render.checks_page(checks))
    if any(check.status == "failed" for check in checks):
        raise typer.Exit(1)
