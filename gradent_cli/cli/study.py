"""`plan` and `assignments`: what the study agent knows and means to do."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradent_cli.cli import terminal
from gradent_cli.errors import UsageError
from gradent_cli.text import count

if TYPE_CHECKING:
    from gradent_cli.agents.study.store import Store
    from gradent_cli.cli.agenda import Agenda


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
    from gradent_cli.agents.study.remaining import remaining_hours
    from gradent_cli.cli import agenda
    from gradent_cli.cli.desk import open_desk
    from gradent_cli.frequency import local_zone

    asked = {"--json": as_json, "--ics": ics is not None, "--html": html is not None}
    forms = [option for option, given in asked.items() if given]
    if len(forms) > 1:
        raise UsageError(f"{' and '.join(forms)} are different answers", hint="ask for one at a time")
    if ics is not None and days is not None:
        raise UsageError("--ics always writes the whole plan", hint="leave out --days")
    desk = open_desk(context)
    if ics is not None:
        from gradent_cli.agents.study import plan_ics

        listed, since = {each.assignment.id for each in desk.known}, desk.now - plan_ics.KEEP_PAST
        sessions = [each for each in desk.store.sessions.all() if each.ends_at > since and each.assignment_id in listed]
        _write(ics, plan_ics.render(sessions), what=count(len(sessions), "session"))
        return
    study = desk.config.settings.study
    worked = desk.store.progress.logged()
    found = agenda.collect(
        desk.store.plan(now=desk.now, sources=desk.sources),
        desk.known,
        zone=desk.zone,
        now=desk.now,
        per_day=study.max_per_day,
        hours=free.week(study.hours),
        horizon_days=study.horizon_days,
        left={each.assignment.id: remaining_hours(each.assessment, worked) for each in desk.known},
        days=days,
    )
    nothing = agenda.nothing(desk.known, found, planning=study.auto_schedule)
    if as_json:
        terminal.document(agenda.document(found))
    elif html is not None:
        _write_page(html, found, desk.store, nothing)
    else:
        shown = agenda.text(found, machine=local_zone(os.environ))
        typer.echo("\n\n".join(filter(None, (shown, nothing))))


def _write_page(path: str, found: "Agenda", store: "Store", nothing: str) -> None:
    from gradent_cli.cli import page

    _write(path, page.html(found, over=store.sessions.all(), nothing=nothing).encode(), what="the plan")


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
        str | None,
        typer.Argument(metavar="ASSIGNMENT", help="Show this one in full: its id, its title, or a part of either."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show the assignments that the study agent knows, or one of them in full."""
    from gradent_cli.agents.study.remaining import remaining_hours
    from gradent_cli.cli.assignments import (
        assignment_document,
        assignment_in_full,
        assignment_page,
        assignments_table,
    )
    from gradent_cli.cli.desk import open_desk

    desk = open_desk(context)
    now, zone, worked = desk.now, desk.zone, desk.store.progress.logged()
    rows = [(known, remaining_hours(known.assessment, worked)) for known in desk.known]
    if assignment is not None:
        wanted = desk.find(assignment)
        known, hours = next(row for row in rows if row[0].assignment.id == wanted.id)
        assessments = desk.store.assessments(wanted.id)
        if as_json:
            terminal.document(assignment_in_full(known, assessments, remaining_hours=hours, now=now))
        else:
            declined = sum(each.minutes for each in desk.store.sessions.declined() if each.assignment_id == wanted.id)
            typer.echo(
                assignment_page(
                    known, assessments, remaining_hours=hours, declined_minutes=declined, zone=zone, now=now
                )
            )
    elif as_json:
        terminal.document([assignment_document(known, remaining_hours=hours, now=now) for known, hours in rows])
    elif rows:
        typer.echo(assignments_table(rows, zone, now))
    else:
        typer.echo("No assignment is known yet. `gradent run` reads your sources.")
