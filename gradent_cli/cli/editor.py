"""The whole config in the person's own editor, until it is valid or given up."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gradent_cli.errors import ConfigError, GradentError, UnavailableError

if TYPE_CHECKING:
    from gradent_cli.config import Config


def edited(path: Path, original: str, shown: str, draft: Path) -> "Config | None":
    """The config as the person left it, put in place; None when the draft is as it was shown."""
    from gradent_cli.config import read

    while True:
        _open_editor(draft)
        text = read(draft)
        if text is None or text == shown:
            return None
        try:
            return _install(path, original, text)
        except GradentError as error:
            if not _wants_to_go_on(error):
                raise


def _open_editor(draft: Path) -> None:
    """Wait until the person is done."""
    import shlex
    import subprocess

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise UnavailableError("no editor is set", hint='name yours: export EDITOR="nano"')
    try:
        code = subprocess.call([*shlex.split(editor), str(draft)])
    except (OSError, ValueError) as error:
        raise UnavailableError(f"cannot start the editor {editor}", hint="check VISUAL and EDITOR") from error
    if code != 0:
        raise UnavailableError(f"the editor {editor} ended with {code}; nothing was changed")


def _install(path: Path, original: str, text: str) -> "Config":
    """Put a draft in the place of the text that it began as."""
    from gradent_cli.config import change, check

    def replaced(now: str) -> str:
        if now != original:
            raise ConfigError(f"{path} changed while you were editing")
        return text

    check(path, text, os.environ)  # so that a refusal counts the lines of the draft
    return change(path, os.environ, replaced)


def _wants_to_go_on(error: GradentError) -> bool:
    if not sys.stdin.isatty():
        return False
    typer.echo(f"gradent: {error.message}" + (f"\n  hint: {error.hint}" if error.hint else ""), err=True)
    return typer.confirm("Edit again?", default=True, err=True)
