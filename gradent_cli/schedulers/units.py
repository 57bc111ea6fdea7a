"""Unit files of ours on disk, and what can be said about units of any scheduler."""

import os
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from gradent_cli import files
from gradent_cli.errors import ConfigError, StateError, UnavailableError
from gradent_cli.frequency import in_words
from gradent_cli.schedulers import Job, Units, flush_name


def refuse_unfit(job: Job, place: str, *, forbidden: str = "", in_program: str = "") -> None:
    """Make sure that both paths of a job can be written into a unit.

    Args:
        place: what they are put into, for the message.
        forbidden: characters that this kind of unit cannot take; control characters never fit.
        in_program: more of them, in the path of the interpreter.

    Raises:
        ConfigError: one of them has such a character.
    """
    for what, path, unfit in (
        ("Python interpreter", str(job.interpreter), forbidden + in_program),
        ("config file", str(job.config), forbidden),
    ):
        for character in path:
            if character in unfit or unicodedata.category(character) in ("Cc", "Cs"):
                raise ConfigError(
                    f"cannot put the {what} {path!r} into {place}: its path has {character!r}",
                    hint="move it to a path without such characters",
                )


def read(paths: Iterable[Path], ours: Callable[[bytes], bool]) -> Units:
    """Those of the files that exist.

    Raises:
        UnavailableError: one cannot be read, or is not `ours`.
    """
    found: Units = {}
    for path in paths:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UnavailableError(f"cannot read {path}: {error.strerror or error}; nothing was written") from error
        if not ours(content):
            raise UnavailableError(
                f"{path} is there and was not written by gradent; nothing was written",
                hint="move it away, then try again",
            )
        found[str(path)] = content
    return found


def put(wanted: Units, *, instead_of: Units) -> None:
    """Make the files be `wanted`; those of `instead_of` that it does not name go.

    Raises:
        StateError: a file cannot be written or removed.
    """
    for path in instead_of.keys() - wanted.keys():
        try:
            Path(path).unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"cannot remove {path}: {error.strerror or error}") from error
    for path, content in wanted.items():
        files.write_atomic(Path(path), content, mode=0o644)


def differences(
    name: str, job: Job, found: Units, wanted: Units, *, schedule: Callable[[Units], object], interpreter: str | None
) -> list[str]:
    """What is wrong with the units themselves, as `Scheduler.drift` says it.

    Args:
        schedule: takes the times out of the units of one thing to do, for comparing.
        interpreter: the Python in `found`; None where there is none to be seen.
    """
    if found == wanted:
        return []
    remedy = f"gradent install-cron --scheduler {name}"
    found_run, found_flush = _apart(found, job.config)
    wanted_run, wanted_flush = _apart(wanted, job.config)
    if schedule(found_run) != schedule(wanted_run):
        return [f"{name} does not run it at '{job.expression}' ({in_words(job.expression)}): {remedy}"]
    if interpreter is not None and not os.access(interpreter, os.X_OK):
        return [f"the Python that {name} starts, {interpreter}, is gone: {remedy}"]
    if found_flush and not wanted_flush:
        return [f"{name} sends what quiet hours held, and there are no quiet hours: {remedy}"]
    if schedule(found_flush) != schedule(wanted_flush):
        return [f"{name} does not send at '{job.flush}' what quiet hours held: {remedy}"]
    return [f"what {name} has is not what gradent would write: {remedy}"]


def _apart(units: Units, config: Path) -> tuple[Units, Units]:
    """Those of the run, and those of the flush."""
    flush = flush_name(config)
    return (
        {place: content for place, content in units.items() if flush not in place},
        {place: content for place, content in units.items() if flush in place},
    )
