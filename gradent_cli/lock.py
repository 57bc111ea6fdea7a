"""One run at a time: a lock that the kernel holds, so that no crash can leave it behind.

flock(2) is released when the last descriptor of the open file is closed, whatever killed the process; the
descriptor is not inherited by programs that gradent starts.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from time import monotonic, sleep

from gradent_cli.annotations import StrPath
from gradent_cli.errors import RunGoingOnError, StateError

_POLL = 0.05
"""Seconds between two tries."""


@contextmanager
def held(path: StrPath, *, now: datetime, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock for the time of the block; whoever comes second is told who holds it and since when.

    Args:
        wait: seconds until then.

    Raises:
        RunGoingOnError: another process holds it.
        StateError: the lock file cannot be opened, or this file system has no locks.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StateError(f"cannot open the lock {path}: {error.strerror}") from error
    try:
        try:
            _take(descriptor, wait)
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode(errors="replace").strip()
            raise RunGoingOnError(f"another run is going on ({holder or 'just started'})") from None
        except OSError as error:
            raise StateError(f"cannot lock {path}: {error.strerror}") from error
        with suppress(OSError):  # a full disk: the lock is held all the same, only its holder has no name
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()}, since {now:%Y-%m-%d %H:%M:%S} UTC\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_held(path: StrPath, *, wait: float = 0.0) -> bool:
    """Whether a process holds the lock, and goes on holding it for `wait` seconds.

    Whoever takes it in the very moment of looking has to be ready to wait a little.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        _take(descriptor, wait, fcntl.LOCK_SH)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _take(descriptor: int, wait: float, kind: int = fcntl.LOCK_EX) -> None:
    """As flock(2), which cannot be told how long to wait."""
    deadline = monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() >= deadline:
                raise
            sleep(_POLL)
        else:
            return
