"""`suggestions`: what the agent suggests, and the student's answer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradent_cli.cli.terminal import document, hanging, paint
from gradent_cli.errors import UsageError
from gradent_cli.moments import utc
from gradent_cli.text import one_line

if TYPE_CHECKING:
    from gradent_cli.agents.study.suggestions import Advice


def suggestions(
    context: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that are done, dismissed or not true any more.")
    ] = False,
    dismiss: Annotated[
        str | None, typer.Option("--dismiss", metavar="NUMBER", help="Never tell this one again: its number or key.")
    ] = None,
    done: Annotated[
        str | None, typer.Option("--done", metavar="NUMBER", help="You did what this one says: its number or key.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what is suggested to you and still true, or answer it."""
    from gradent_cli.cli.desk import open_desk

    desk = open_desk(context)
    if dismiss is not None and done is not None:
        raise UsageError("--dismiss and --done contradict each other", hint="give one of them")
    name = dismiss if dismiss is not None else done
    if name is not None:
        with desk.writing() as store:
            answer = store.suggestions.answer(
                name.strip().removeprefix("#"), "done" if dismiss is None else "dismissed", now=desk.now
            )
        if answer is None:
            raise UsageError(f"there is no suggestion '{one_line(name, 60)}'", hint="gradent suggestions --all")
        if as_json:
            document(suggestion_document(answer))
        else:
            typer.echo(f"{'Done' if dismiss is None else 'Dismissed'}: {one_line(answer.suggestion.title)}")
        return
    advice = desk.store.suggestions.all(everything=everything)
    if as_json:
        document([suggestion_document(each) for each in advice])
    else:
        typer.echo(suggestions_page(advice) if advice else "Nothing is suggested.")


def suggestion_document(advice: "Advice") -> dict[str, Any]:
    """A suggestion as `--json` gives it."""
    suggestion = advice.suggestion
    return {
        "number": advice.number,
        "key": suggestion.key,
        "title": suggestion.title,
        "text": suggestion.text,
        "category": suggestion.category,
        "priority": suggestion.priority,
        "assignment_id": suggestion.assignment_id,
        "status": advice.status,
        "first_told_at": utc(advice.first_told_at),
        "last_true_at": utc(advice.last_true_at),
    }


_URGENCY = {"high": "red", "medium": "yellow", "low": "green"}


def suggestions_page(advice: Sequence["Advice"]) -> str:
    """Each suggestion with its number, and what became of it where it is not simply open."""
    longest = max(len(str(each.number)) for each in advice)
    said = {"pending": " (not told yet)", "told": "", "done": " (done)", "dismissed": " (dismissed)"}
    lines = []
    for each in advice:
        mark, suggestion = f"{each.number:>{longest}}", each.suggestion
        text = f"{one_line(suggestion.title)}{said[each.status]}\n{one_line(suggestion.text, 1000)}"
        line = hanging(f"{mark}  ", text)
        lines.append(paint(mark, _URGENCY[suggestion.priority]) + line[len(mark) :])
    return "\n".join(lines)
