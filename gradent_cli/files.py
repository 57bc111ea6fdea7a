"""Writing files so that a crash, a full disk or a second writer leaves the old bytes or the new, never a mixture."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from gradent_cli.annotations import StrPath
from gradent_cli.errors import StateError

TEMPORARY: Sequence[str] = ("/tmp", "/var/tmp")  # noqa: S108  what is made there gets a name that nobody guesses
"""Where temporary files go when `TMPDIR` does not say."""


def write_atomic(path: StrPath, content: bytes, *, mode: int | None = None) -> None:
    """Replace `path` by `content`: temporary file beside it, fsync, rename.

    A symbolic link is followed, so that the file it points to is replaced and the link stays.

    Args:
        mode: permission bits of the new file; None keeps those of the file there was, or 0600 for a new one.

    Raises:
        StateError: the folder cannot be written, the disk is full, or what is there is no file but a device, say. What
            was there is untouched.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise StateError(f"cannot write {path}: it is not a regular file")
    folder, name = os.path.split(target)
    temporary = f"{folder}/.{name}.{os.getpid()}.tmp"
    try:
        if mode is None:
            mode = os.stat(target).st_mode & 0o777 if os.path.exists(target) else 0o600
        os.makedirs(folder, exist_ok=True, mode=0o700)
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
            os.unlink(temporary)
        raise StateError(f"cannot write {path}: {error.strerror or error}") from error


def make_private_directory(path: StrPath) -> None:
    """Create `path` (0700) and its parents where they are missing.

    Raises:
        StateError: it cannot be made.
    """
    try:
        os.makedirs(path, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StateError(
            f"cannot create the directory {path}: {error.strerror or error}",
            hint="make the folder above it writable, or set state_dir (GRADENT_STATE_DIR) to a place that is",
        ) from error


@contextmanager
def temporary_folder() -> Iterator[str]:
    """A new folder (0700) in `TMPDIR` or where temporary files else are; gone afterwards, with all that is in it.

    A relative `TMPDIR` counts as not set: it means another folder to a program that works elsewhere. Otherwise as
    `tempfile.TemporaryDirectory`, which takes half as long to import as Python to start.

    Raises:
        OSError: it cannot be made anywhere.
    """
    own = os.environ.get("TMPDIR")
    folder = _new_folder([own, *TEMPORARY] if own and os.path.isabs(own) else TEMPORARY)
    try:
        yield folder
    finally:
        _remove(folder)


def _new_folder(places: Sequence[str]) -> str:
    refused: OSError | None = None
    for place in places:
        folder = os.path.join(place, f"gradent-{os.urandom(6).hex()}")
        try:
            os.mkdir(folder, mode=0o700)  # fails for one that is there, whoever made it
        except OSError as error:
            refused = refused or error
        else:
            return folder
    assert refused is not None  # noqa: S101  there are always places
    raise refused


def _remove(folder: str) -> None:
    """What cannot be removed stays: that is no failure of whoever used it."""
    try:
        for name in os.listdir(folder):
            os.unlink(f"{folder}/{name}")
        os.rmdir(folder)
    except OSError:
        from shutil import rmtree

        rmtree(folder, ignore_errors=True)


def program(name: str, path: str, folder: str = "") -> str | None:
    """The program that `execvp` would start in `folder`: `name` itself if it has a slash, else the first one in `path`.

    As `shutil.which`, which takes a third as long to import as Python to start.
    """
    for place in [""] if "/" in name else path.split(os.pathsep):
        candidate = os.path.join(folder, place, name)
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    return None
