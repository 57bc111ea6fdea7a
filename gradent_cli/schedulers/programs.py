"""Calls of a scheduler's own program: bounded in time, in plain English, with nothing on standard input."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from tempfile import TemporaryFile

from gradent_cli.errors import UnavailableError
from gradent_cli.text import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a program said: `complaint` is its standard error as one clean line."""

    code: int
    out: bytes
    complaint: str


def call(command: tuple[str, ...], environ: Mapping[str, str], *, time_limit: float = 15) -> Answer:
    """Run a program of the PATH in `environ`; any exit code is an answer.

    Args:
        time_limit: seconds; some wait behind a permission dialog, for ever.

    Raises:
        UnavailableError: it is not there, cannot be started, or does not end in time.
    """
    program = shutil.which(command[0], path=environ.get("PATH"))
    if program is None:
        raise UnavailableError(f"the program `{command[0]}` is not installed")
    # Files and not pipes: a child that lives on with the other end of a pipe would keep us waiting.
    with TemporaryFile() as out, TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                [program, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**environ, "LC_ALL": "C"},
                start_new_session=True,
            )
        except OSError as error:
            raise UnavailableError(f"cannot run {program}: {error.strerror or error}") from error
        try:
            code = process.wait(time_limit)
        except BaseException as error:
            # A program with more rights than ours (it may be set-user-id) cannot be killed, only left behind.
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
            if isinstance(error, subprocess.TimeoutExpired):
                raise UnavailableError(f"`{command[0]}` did not answer within {time_limit:g} seconds") from error
            raise
        out.seek(0)
        err.seek(0)
        return Answer(code=code, out=out.read(), complaint=one_line(err.read(4096).decode(errors="replace")))


def told(command: str, answer: Answer) -> str:
    """How a call ended, as a clause."""
    said = f" and said: {answer.complaint}" if answer.complaint else ""
    return f"`{command}` ended with {answer.code}{said}"
