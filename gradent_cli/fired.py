"""Who started this process: cron, as far as the processes above it tell."""

import os
from contextlib import suppress

from gradent_cli.annotations import StrPath

DAEMONS = frozenset({"cron", "crond", "CRON", "CROND"})
"""What cron daemons, and the children that they make for a job, are called."""


def fired_by_cron(proc: StrPath = "/proc") -> bool:
    """Whether a cron daemon is among the nearest ancestors of this process, or this is a job of systemd-cron.

    False where that cannot be seen.
    """
    with suppress(OSError):
        # What systemd-cron calls a job's unit (https://manpages.debian.org/bookworm/systemd-cron/systemd.cron.7.en.html),
        # and how the kernel tells it (https://man7.org/linux/man-pages/man7/cgroups.7.html, /proc/PID/cgroup).
        units = [line.rpartition("/")[2] for line in _text(f"{os.fspath(proc)}/self/cgroup").splitlines()]
        if any(unit.startswith("cron-") and unit.endswith(".service") for unit in units):
            return True
    process = "self"
    for _ in range(8):  # cron, its child for the job, a shell, perhaps a wrapper such as nice or flock
        try:
            name, parent = name_and_parent(f"{os.fspath(proc)}/{process}")
        except OSError:
            return False
        if name in DAEMONS:
            return True
        process = parent
    return False


def name_and_parent(process: StrPath) -> tuple[str, str]:
    """What a process is called, and its parent's id (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html)."""
    before, _, after = _text(f"{os.fspath(process)}/stat").rpartition(")")
    name = before.partition("(")[2]
    if name == "busybox":
        # One program with many names; which of them is its first argument.
        name = _text(f"{os.fspath(process)}/cmdline").partition("\0")[2].partition("\0")[0]
    return name, after.split()[1]


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
