"""`plan` and `assignments`: what the study agent knows and means to do."""

import os
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradent_cli.errors import UsageError
from gradent_cli.text import count

if TYPE_CHECKING:
    from gradent_cli.agents.study.store import Store
    from gradent_cli.cli.agenda import Agenda
    from gradent_cli.config import Config


def plan(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as one JSON document.")] = False,
    ics: Annotated[
        str | None,
        typer.Option("--ics", metavar="PATH", help="Write the plan as a calendar file instead; - prints it."),
    ] = None,
    html: Annotated[
        str | None,
        typer.Option("--html", metavar="PATH", help="Write the plan as a page for the browser instead; - prints it."),
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", metavar="N", min=1, help="Only the next N days, today being the first.")
    ] = None,
) -> None:
    """Show the study plan that the last run made."""
    from gradent_cli.agents.study import free
    from gradent_cli.agents.study.schedule import remaining_hours
    from gradent_cli.cli import agenda, render
    from gradent_cli.frequency import local_zone

    asked = {"--json": as_json, "--ics": ics is not None, "--html": html is not None}
    forms = [option for option, given in asked.items() if given]
    if len(forms) > 1:
        raise UsageError(f"{' and '.join(forms)} are different answers", hint="ask for one at a time")
    if ics is not None and days is not None:
        raise UsageError("--ics always writes the whole plan", hint="leave out --days")
    config, store, zone = _open(context)
    if ics is not None:
        from gradent_cli.agents.study import plan_ics

        sessions = store.sessions()
        _write(ics, plan_ics.render(sessions), what=count(len(sessions), "session"))
        return
    now = datetime.now(UTC)
    study = config.settings.study
    names = _source_names(config)
    known = store.known(names)
    worked = store.worked(now)
    found = agenda.collect(
        store.plan(now=now, sources=names),
        known,
        zone=zone,
        now=now,
        per_day=study.max_per_day,
        hours=free.week(study.hours),
        horizon_days=study.horizon_days,
        left={each.assignment.id: remaining_hours(each.assessment, worked) for each in known},
        days=days,
    )
    nothing = agenda.nothing(known, found, planning=study.auto_schedule)
    if as_json:
        render.document(agenda.document(found))
    elif html is not None:
        _write_page(html, found, store, nothing)
    else:
        shown = agenda.text(found, machine=local_zone(os.environ))
        typer.echo("\n\n".join(filter(None, (shown, nothing))))


def _write_page(path: str, found: "Agenda", store: "Store", nothing: str) -> None:
    from gradent_cli.cli import page

    _write(path, page.html(found, over=store.sessions(), nothing=nothing).encode(), what="the plan")


def _write(path: str, content: bytes, *, what: str) -> None:
    """Print it where the path is `-`, else replace the file; a folder that is not there may be a slip of the hand."""
    if path == "-":
        typer.echo(content, nl=False)
        return
    from gradent_cli.errors import StateError
    from gradent_cli.files import write_atomic

    folder = Path(os.path.realpath(path)).parent
    if not os.access(folder, os.F_OK) or not folder.is_dir():
        raise StateError(f"cannot write {path}: there is no folder {folder}")
    write_atomic(Path(path), content)
    typer.echo(f"Wrote {what} to {path}")


def assignments(
    context: typer.Context,
    assignment: Annotated[
        str | None, typer.Argument(metavar="ASSIGNMENT", help="Show this one in full: its id, or the beginning of it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show the assignments that the study agent knows, or one of them in full."""
    from gradent_cli.agents.study.schedule import remaining_hours
    from gradent_cli.cli import render

    config, store, zone = _open(context)
    now = datetime.now(UTC)
    worked = store.worked(now)
    rows = [(known, remaining_hours(known.assessment, worked)) for known in store.known(_source_names(config))]
    if assignment is not None:
        found = [row for row in rows if row[0].assignment.id.startswith(assignment.lower())] if assignment else []
        if len(found) != 1:
            raise UsageError(f"there is no single assignment '{assignment}'", hint="gradent assignments")
        ((known, hours),) = found
        assessments = store.assessments(known.assignment.id)
        if as_json:
            render.document(render.assignment_in_full(known, assessments, remaining_hours=hours, now=now))
        else:
            typer.echo(render.assignment_page(known, assessments, remaining_hours=hours, zone=zone, now=now))
    elif as_json:
        render.document([render.assignment_document(known, remaining_hours=hours, now=now) for known, hours in rows])
    elif rows:
        typer.echo(render.assignments_table(rows, zone, now))
    else:
        typer.echo("No assignment is known yet. `gradent run` reads your sources.")


def _source_names(config: "Config") -> set[str]:
    """What a source gave that is no longer configured is no work any more."""
    return {source.name for source in config.settings.study.sources}


def _open(context: typer.Context) -> "tuple[Config, Store, tzinfo]":
    from gradent_cli.agents.study.store import Store
    from gradent_cli.config import load, study_zone
    from gradent_cli.database import open_database

    config = load(context.obj, os.environ)
    connection = open_database(config.state_dir / "gradent.db", read_only=True)
    return config, Store(connection), study_zone(config, os.environ)
