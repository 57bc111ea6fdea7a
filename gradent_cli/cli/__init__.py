"""The front door: where the command line comes in, and errors become sentences and exit codes.

Two ways lead on: the line that cron calls goes the short one (`short`), everything else goes through Typer (`app`).
"""

import os
import sys
from contextlib import suppress

from gradent_cli.annotations import NoReturn
from gradent_cli.cli import streams
from gradent_cli.errors import GradentError


class _Door:
    """What must still be known when a command has failed."""

    config: str | None = None


door = _Door()


def main() -> NoReturn:
    """As `call`, and exit."""
    sys.exit(call())


def call() -> int:
    """Run the command line. Returns a code of `errors`; all that was said is written then."""
    streams.prepare()
    try:
        code = _command(sys.argv[1:])
        sys.stdout.flush()
    except GradentError as error:
        if error.message:  # else the help was asked for by saying nothing, and has been shown
            streams.say(error.message, error.hint)
        code = error.exit_code
    except OSError as error:
        code = _cannot_go_on(error)
    except KeyboardInterrupt:  # before a run has begun, or after it: during it, it has an outcome
        code = 130
    except Exception as error:  # noqa: BLE001  the door: nobody further out could explain it
        code = _admit_bug(error)
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    return code


def _command(arguments: list[str]) -> int:
    from gradent_cli.cli import short

    code = short.run(arguments, os.environ)
    if code is not None:
        return code
    from gradent_cli.cli import app

    return app.call()


def _cannot_go_on(error: OSError) -> int:
    """What the machine refuses, most often our output (a full disk behind `>`)."""
    streams.say(streams.cannot_go_on(error))
    streams.drop_output()
    return 74


def _admit_bug(error: Exception) -> int:
    from gradent_cli import logs, paths

    config = door.config
    with suppress(GradentError):
        config = config or str(paths.config_file(None, os.environ))
    bug = logs.admit_bug(error, config, os.environ)
    streams.say(bug.message, bug.hint)
    return bug.exit_code
