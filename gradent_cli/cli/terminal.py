"""How text is put on a terminal, and values are written as JSON: moments, lengths, colours, widths, tables."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any

import typer

from gradent_cli.text import columns, count, cut_columns, wrap


def document(value: Any) -> None:
    """Print one JSON document: times in ISO 8601 UTC, everything else as it is."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def local(moment: datetime, zone: tzinfo) -> str:
    """`Mon 23 Nov 21:00`, in the order and language of the whole program."""
    return f"{moment.astimezone(zone):%a %-d %b %H:%M}"


def span(duration: timedelta) -> str:
    """How long, for people: `0.4s`, `12s`, `3min`, `2h 5min`, `3 days`."""
    seconds = duration.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes}min"
    if minutes < 48 * 60:
        hours, rest = divmod(minutes, 60)
        return f"{hours}h {rest}min" if rest else f"{hours}h"
    return count(round(seconds / 86400), "day")


def width() -> int:
    """How many columns there are to write on; 80 where nobody says, 100 at most."""
    return max(40, min(100, shutil.get_terminal_size((80, 24)).columns))


def paint(text: str, colour: str) -> str:
    """Colour on a terminal, plain text elsewhere and under NO_COLOR (https://no-color.org)."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return typer.style(text, fg=colour)


def hanging(head: str, text: str, *, indent: int | None = None) -> str:
    """`head` and then `text`, wrapped to the width; further lines begin under the text, or at `indent`."""
    margin = " " * (columns(head) if indent is None else indent)
    first, *others = text.splitlines() or [""]
    lines = wrap(head + first, width(), margin) or [head.rstrip()]
    for other in others:
        lines += wrap(margin + other, width(), margin)
    return "\n".join(lines)


def table(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> str:
    """Left-aligned columns under their heads; the last column is cut to what fits."""
    widths = [max(columns(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    before = sum(widths[:-1]) + 2 * (len(heads) - 1)
    last = max(10, width() - before)
    lines = []
    for row in [heads, *rows]:
        cells = [text + " " * (widths[i] - columns(text)) for i, text in enumerate(row[:-1])]
        lines.append("  ".join([*cells, cut_columns(row[-1], last)]).rstrip())
    return "\n".join(lines)


def pairs(facts: Mapping[str, str]) -> str:
    """Names and values under each other; empty values are left out."""
    longest = max(map(len, facts))
    return "\n".join(hanging(f"{name:<{longest}}  ", value) for name, value in facts.items() if value)


def waiting(what: str, seconds: float) -> tuple[Callable[[float], None], Callable[[], None]]:
    """Shows that something may take `seconds`: on a terminal with the time that has passed, elsewhere as one line.

    Returns:
        what takes the seconds that have passed, and what ends the display.
    """
    if not sys.stdout.isatty():
        typer.echo(f"{what}; this takes up to {seconds:g} seconds ...")
        return lambda _: None, lambda: None

    from rich.console import Console

    status = Console(highlight=False).status(what)
    status.start()
    return lambda passed: status.update(f"{what}: {passed:.0f} of up to {seconds:g} seconds"), status.stop
