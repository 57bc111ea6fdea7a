"""gradent.log: the story of every run, for when the one line on the phone is not enough.

Not Python's `logging`: a line is a time, a run id and a text, and importing `logging` costs more than writing it.
"""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gradent_cli.annotations import StrPath
from gradent_cli.errors import GradentError
from gradent_cli.text import Redactor, clean

MAX_BYTES = 1_000_000


class Log:
    """Appends lines to a file (0600); one older file of at most `max_bytes` is kept beside it as `.1`.

    Secrets are replaced and control characters removed. A log that cannot be written never stops a run: lines are
    lost in silence then, as every place where that could be said is this one.
    """

    def __init__(self, path: StrPath, redact: Callable[[str], str], *, max_bytes: int = MAX_BYTES) -> None:
        self._path = os.fspath(path)
        self._redact = redact
        self._max_bytes = max_bytes

    def write(self, run_id: str, text: str) -> None:
        """Append `text`; each of its lines gets the time and the run's id in front."""
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        # Cleaned first: an escape in the middle of a secret would hide it from whoever looks for it.
        lines = self._redact(clean(text)).splitlines() or [""]
        content = "".join(f"{stamp} {run_id} {line}\n" for line in lines).encode()
        try:
            self._make_room(len(content))
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, content)
            finally:
                os.close(descriptor)
        except OSError:
            return

    def _make_room(self, size: int) -> None:
        try:
            present = os.stat(self._path).st_size
        except FileNotFoundError:
            return
        if present and present + size > self._max_bytes:
            os.replace(self._path, f"{self._path}.1")


def admit_bug(error: Exception, config: StrPath | None, environ: Mapping[str, str]) -> GradentError:
    """A defect of ours: one sentence for the person, the traceback in this config's log for whoever mends it."""
    import traceback

    where = write_crash("".join(traceback.format_exception(error)), config, environ) if config is not None else None
    hint = f"the details are in {where}; please report them" if where else "please report it"
    return GradentError(f"a bug: {type(error).__name__}; nothing more was done", hint=hint)


def write_crash(text: str, config: StrPath, environ: Mapping[str, str]) -> str | None:
    """Put the traceback of a bug into the log of this config. Returns the log's path, or None if that failed, too.

    The config may be what is broken, so its secrets and its `state_dir` are used as far as it can be read.
    """
    from pathlib import Path

    from gradent_cli import paths
    from gradent_cli.config import load

    path = Path(config)
    try:
        loaded = load(path, environ)
        state, secrets = loaded.state_dir, loaded.secrets
    except GradentError:
        state, secrets = str(paths.state_dir(path, None, environ)), ()
    try:
        os.makedirs(state, exist_ok=True, mode=0o700)
    except OSError:
        return None
    log = f"{state}/gradent.log"
    Log(log, Redactor(secrets)).write("bug", text)
    return log if os.path.exists(log) else None
