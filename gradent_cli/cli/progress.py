"""`log`, `done` and `edit`: what the student says to the agent, and how it is shown.

A run may be going on meanwhile: each of them is one short transaction, and the next run plans with it.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradent_cli.cli.terminal import document, table
from gradent_cli.errors import UsageError
from gradent_cli.moments import utc
from gradent_cli.text import one_line

if TYPE_CHECKING:
    from gradent_cli.agents.study.records import Assignment, LogEntry
    from gradent_cli.agents.study.store import Store
    from gradent_cli.cli.desk import Desk

_SHOWN = 20
_ASSIGNMENT = "Its id, the beginning of one (three characters or more), its title, or a part of that."


def log(
    context: typer.Context,
    assignment: Annotated[str | None, typer.Argument(metavar="ASSIGNMENT", help=_ASSIGNMENT)] = None,
    duration: Annotated[
        str | None, typer.Argument(metavar="DURATION", help='How long, as "1h30m"; "0min" says that you did not.')
    ] = None,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="DATE", help='Until when, as "2026-12-01T18:00", or on which day. [default: now]'),
    ] = None,
    note: Annotated[str, typer.Option("--note", help="What it was.")] = "",
    undo: Annotated[
        bool, typer.Option("--undo", help="Take back the newest entry, or with a number that one.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say how long you worked on an assignment, or show what you said."""
    from gradent_cli.agents.study.records import LogEntry
    from gradent_cli.agents.study.spent import minutes_of
    from gradent_cli.cli import said
    from gradent_cli.cli.desk import open_desk

    desk = open_desk(context)
    if undo:
        if duration is not None or on is not None or note:
            raise UsageError("--undo takes the number of an entry and nothing else", hint="gradent log")
        _take_back(desk, assignment, as_json=as_json)
        return
    if assignment is None:
        if on is not None or note:
            raise UsageError("no assignment is named", hint="gradent log ASSIGNMENT 1h30m")
        _show_log(desk, as_json=as_json)
        return
    found = desk.find(assignment)
    if duration is None:
        raise UsageError(
            f"how long did you work on {_name(found)}?", hint=f"gradent log {desk.names.handle(found)} 1h30m"
        )
    entry = LogEntry(
        assignment_id=found.id,
        minutes=minutes_of(duration),
        worked_at=desk.now if on is None else said.worked_at(on, now=desk.now, zone=desk.zone),
        logged_at=desk.now,
        note=one_line(note),
    )
    with desk.writing() as store:
        number = store.progress.log(entry)
        left = _left(store, desk, found.id)
    if as_json:
        document(entry_document(number, entry, found) | {"remaining_hours": left})
    else:
        typer.echo(_logged(entry, found, left, desk.names.handle(found)))


def done(
    context: typer.Context,
    assignment: Annotated[str, typer.Argument(metavar="ASSIGNMENT", help=_ASSIGNMENT)],
    undo: Annotated[bool, typer.Option("--undo", help="It is not done after all.")] = False,
) -> None:
    """Say that an assignment is done, whatever its source says."""
    from gradent_cli.cli.desk import open_desk
    from gradent_cli.text import count

    desk = open_desk(context)
    over = {each.assignment.id for each in desk.known if each.assignment.done}
    found = desk.find(assignment, rather=over if undo else desk.work - over)
    if (found.id in over) is not undo:
        typer.echo(f"{_name(found)} is {'not done' if undo else 'done already'}.")
        return
    with desk.writing() as store:
        with store.together():
            if undo:
                by_source = store.progress.given(found.id)["done"]
                store.progress.edit(found.id, {"done": False} if by_source else {}, unsay=["done"], now=desk.now)
            else:
                store.progress.edit(found.id, {"done": True}, now=desk.now)
                store.suggestions.settle(found.id)
        planned = sum(each.assignment_id == found.id for each in store.plan(now=desk.now).sessions)
    if undo:
        typer.echo(f"{_name(found)} is not done; the next run plans what is left of it.")
        return
    typer.echo(f"{_name(found)} is done. Take it back with: gradent done {desk.names.handle(found)} --undo")
    if planned:
        typer.echo(f"The next run takes its {count(planned, 'session')} out of the plan.")


def edit(
    context: typer.Context,
    assignment: Annotated[str, typer.Argument(metavar="ASSIGNMENT", help=_ASSIGNMENT)],
    due: Annotated[
        str | None, typer.Option("--due", metavar="DATE", help='As "2026-12-01" or "2026-12-01T18:00", or "none".')
    ] = None,
    effort: Annotated[
        str | None, typer.Option("--effort", metavar="DURATION", help='How long the whole work takes, as "5h".')
    ] = None,
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="What it is called.")] = None,
    course: Annotated[str | None, typer.Option("--course", metavar="TEXT", help="Which course it is for.")] = None,
    points: Annotated[str | None, typer.Option("--points", metavar="N", help="How many points it gives.")] = None,
    weight: Annotated[
        str | None, typer.Option("--weight", metavar="PERCENT", help="How much of the grade it counts.")
    ] = None,
    ignore: Annotated[
        bool | None, typer.Option("--ignore/--no-ignore", help="Whether it is nothing that you have to do.")
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Forget what you said before, also that it is done: its source counts.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Correct what a source says of an assignment; your word wins. Without options, show both."""
    from gradent_cli.cli import said
    from gradent_cli.cli.desk import open_desk

    desk = open_desk(context)
    found = desk.find(assignment)
    say: dict[str, Any] = {}
    if due is not None:
        say["due_at"] = utc(said.due_at(due, zone=desk.zone))
    if effort is not None:
        say["effort_hours"] = said.hours_of(effort)
    if title is not None:
        say["title"] = said.name_of(title, "the title")
    if course is not None:
        say["course"] = said.name_of(course, "the course")
    if points is not None:
        say["points"] = said.number_of(points, "points", 100_000)
    if weight is not None:
        say["weight"] = said.number_of(weight, "the weight", 100)
    if ignore:
        say["ignored"] = True
    unsay = ["ignored"] if ignore is False else []
    changed = bool(say or unsay or reset)
    edits, given = desk.store.progress.edits().get(found.id, {}), desk.store.progress.given(found.id)
    if changed:
        with desk.writing() as store, store.together():
            edits = store.progress.edit(found.id, say, unsay=unsay, reset=reset, now=desk.now)
            if ignore:
                store.suggestions.settle(found.id)
    if as_json:
        document(edits_document(found.id, edits, given))
        return
    typer.echo(f"{_name(found)}, {found.id}")
    typer.echo(edits_table(edits, given, desk.zone, desk.now))
    if changed:
        typer.echo("The next run plans with it.")


def _name(assignment: "Assignment") -> str:
    from gradent_cli.agents.study import words

    return words.session_title(assignment)


def _left(store: "Store", desk: "Desk", id: str) -> float | None:
    """Hours of work that remain of an assignment; None when it was never assessed."""
    from gradent_cli.agents.study.remaining import remaining_hours

    assessment = next(each.assessment for each in desk.known if each.assignment.id == id)
    return remaining_hours(assessment, store.progress.logged())


def _logged(entry: "LogEntry", assignment: "Assignment", left: float | None, short: str) -> str:
    """`Logged 1h 30min on Essay 1; 4h 30min remain`."""
    from gradent_cli.agents.study import words

    what = f"Logged {words.length(entry.minutes)} on" if entry.minutes else "Noted that you did not work on"
    if left is None:
        return f"{what} {_name(assignment)}"
    if minutes := round(left * 60):
        return f"{what} {_name(assignment)}; {words.length(minutes)} {'remains' if minutes in (1, 60) else 'remain'}"
    return f"{what} {_name(assignment)}; nothing remains. If it is finished: gradent done {short}"


def _take_back(desk: "Desk", number: str | None, *, as_json: bool) -> None:
    from gradent_cli.agents.study import words

    if number is not None and not (number.isascii() and number.isdigit() and len(number) < 19):
        raise UsageError(f"'{one_line(number, 60)}' is not the number of an entry", hint="gradent log")
    with desk.writing() as store:
        gone = store.progress.take_back(None if number is None else int(number))
    if gone is None:
        what = "nothing is logged" if number is None else f"there is no entry {number} in the log"
        raise UsageError(what, hint="gradent log")
    assignment = _by_id(desk).get(gone[1].assignment_id)
    if as_json:
        document(entry_document(*gone, assignment))
        return
    name = _name(assignment) if assignment else gone[1].assignment_id
    when = words.when(gone[1].worked_at, desk.zone, now=desk.now)
    typer.echo(f"Took back {words.length(gone[1].minutes)} on {name}, {when}")


def _show_log(desk: "Desk", *, as_json: bool) -> None:
    entries, known = desk.store.progress.entries(_SHOWN), _by_id(desk)
    if as_json:
        document([entry_document(no, each, known.get(each.assignment_id)) for no, each in entries.items()])
    elif entries:
        typer.echo(log_table(entries, known, desk.zone, desk.now))
    else:
        typer.echo("Nothing is logged yet: gradent log ASSIGNMENT 1h30m")


def _by_id(desk: "Desk") -> "dict[str, Assignment]":
    """Every assignment, also those of sources that are not configured any more."""
    return {each.id: each for each in desk.store.assignments()}


# ── how it is shown ──


def entry_document(number: int, entry: "LogEntry", assignment: "Assignment | None") -> dict[str, Any]:
    """An entry of the log as `--json` gives it; `title` is null when its assignment is not known any more."""
    return {
        "number": number,
        "assignment_id": entry.assignment_id,
        "title": assignment.title if assignment else None,
        "minutes": entry.minutes,
        "worked_at": utc(entry.worked_at),
        "logged_at": utc(entry.logged_at),
        "note": entry.note,
    }


def log_table(
    entries: "Mapping[int, LogEntry]", assignments: "Mapping[str, Assignment]", zone: tzinfo, now: datetime
) -> str:
    """The log, one line for each entry."""
    from gradent_cli.agents.study import words

    rows = [
        [
            str(number),
            words.when(entry.worked_at, zone, now=now),
            words.length(entry.minutes) if entry.minutes else "none",
            ": ".join(filter(None, (_known_name(entry.assignment_id, assignments), entry.note))),
        ]
        for number, entry in entries.items()
    ]
    return table(rows, ["NO", "UNTIL", "WORKED", "ASSIGNMENT"])


def _known_name(id: str, assignments: "Mapping[str, Assignment]") -> str:
    return _name(assignments[id]) if id in assignments else id


_LABELS = {"due_at": "due", "effort_hours": "effort"}


def edits_document(id: str, edits: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What the student and the source say of an assignment as `--json` gives it."""

    def said(fields: Mapping[str, Any]) -> dict[str, Any]:
        due = fields.get("due_at")
        return {**fields, "due_at": utc(datetime.fromisoformat(due))} if due else dict(fields)

    return {"assignment_id": id, "edits": said(edits), "source": said(given)}


def edits_table(edits: Mapping[str, Any], given: Mapping[str, Any], zone: tzinfo, now: datetime) -> str:
    """What the student says of an assignment beside what its source says; what the student says counts."""
    from gradent_cli.agents.study.overlay import FIELDS

    rows = [
        [
            _LABELS.get(field, field),
            _said(field, edits[field], zone, now) if field in edits else "",
            _said(field, given.get(field), zone, now),
        ]
        for field in FIELDS
        if field in edits or given.get(field) is not None
    ]
    return table(rows, ["", "YOU SAY", "ITS SOURCE SAYS"])


def _said(field: str, value: Any, zone: tzinfo, now: datetime) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    from gradent_cli.agents.study import words

    if field == "due_at":
        return words.when(datetime.fromisoformat(value), zone, now=now) if value else "no due date"
    if value is None:
        return ""
    if isinstance(value, str):
        return one_line(value, 60)
    return words.work(value) if field == "effort_hours" else f"{value:g}{'%' if field == 'weight' else ''}"
