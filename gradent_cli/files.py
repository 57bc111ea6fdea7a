"""Writing files so that a crash, a full disk or a second writer leaves the old bytes or the new, never a mixture."""

import os
from contextlib import suppress
from pathlib import Path

from gradent_cli.errors import StateError


def write_atomic(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Replace `path` by `content`: temporary file beside it, fsync, rename.

    A symbolic link is followed, so that the file it points to is replaced and the link stays.

    Args:
        mode: permission bits of the new file; None keeps those of the file there was, or 0600 for a new one.

    Raises:
        StateError: the folder cannot be written, the disk is full, or what is there is no file but a device, say. What
            was there is untouched.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise StateError(f"cannot write {path}: it is not a regular file")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if mode is None:
            mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            os.fchmod(descriptor, mode)
            with open(descriptor, "wb", closefd=False) as stream:
                stream.write(content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, target)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise StateError(f"cannot write {path}: {error.strerror or error}") from error


def make_private_directory(path: Path) -> None:
    """Create `path` (0700) and its parents where they are missing.

    Raises:
        StateError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StateError(
            f"cannot create the directory {path}: {error.strerror or error}",
            hint="make the folder above it writable, or set state_dir (GRADENT_STATE_DIR) to a place that is",
        ) from error
