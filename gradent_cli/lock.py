"""One run at a time: a lock that the kernel holds, so that no crash can leave it behind.

flock(2) is released when the last descriptor of the open file is closed, whatever killed the process; the
descriptor is not inherited by programs that gradent starts.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from gradent_cli.errors import RunGoingOnError, StateError


@contextmanager
def held(path: Path, *, now: datetime) -> Iterator[None]:
    """Hold the lock for the time of the block; whoever comes second is told who holds it and since when.

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
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
