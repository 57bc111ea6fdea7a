"""Standard input, output and errors, whatever state they are in; without Typer, for those who start quickly."""

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress


def prepare() -> None:
    """Whatever we are started with, a stream can be written to: none is missing, and no character is too strange."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  it lives as long as we do
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  the same
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def try_to_show(show: Callable[[], object]) -> None:
    """Whoever reads along may go away, or their disk be full: that is no reason for a run to fail."""
    try:
        show()
    except (OSError, ValueError):
        drop_output()


def drop_output() -> None:
    """From now on what is printed goes nowhere, the rest that is still buffered too."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def cannot_go_on(error: OSError) -> str:
    """What the machine refused, as a sentence."""
    what = f"{error.filename}: " if error.filename else ""
    return f"cannot go on: {what}{error.strerror or error}"


def say(message: str, hint: str | None = None) -> None:
    """A sentence for the person on standard error, and what they can do."""
    from gradent_cli.text import clean

    sys.stderr.write(f"gradent: {clean(message)}\n")
    if hint:
        sys.stderr.write(f"  hint: {clean(hint)}\n")
