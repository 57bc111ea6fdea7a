"""`gradent`, and `python -m gradent_cli` as crontab lines have it: what needs next to nothing comes first."""

import os
import sys
import time

from gradent_cli import __version__, tick


def main() -> None:
    """Do what the command line says, and exit."""
    arguments = sys.argv[1:]
    if arguments == ["--version"] and _said(f"gradent {__version__}\n"):
        return
    if not tick.nothing_is_due(arguments, os.environ, time.time()):
        from gradent_cli import cli

        code = cli.call()
        if arguments[-1:] == ["host"]:  # what it called may have files to close, threads to wait for, and last words
            sys.exit(code)
        # All is written, and nothing waits for its end: taking the interpreter apart would cost as much as starting it.
        os._exit(code)


def _said(text: str) -> bool:
    """False where there is no output, or no room in it: the long way has words for that."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (OSError, AttributeError):
        return False
    return True


if __name__ == "__main__":
    main()
