"""Debian's cron under a clock that runs hundreds of times as fast, in a namespace of its own.

Only cron and its jobs live in that time, through Debian's libfaketime. A job is a shell script that notes the moment:
Python would hang under it (Event.wait and lock timeouts never end under bookworm's libfaketime 0.9.10).
"""

import subprocess
from bisect import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from gradent_cli.schedulers import block
from tests.e2e.machine import ACCOUNT, Machine

NEEDED = ("/usr/bin/faketime", "/usr/bin/unshare")
# The job finds its time through what the wrapper hands to its child, and cron hands nothing on: so the crontab says it.
# FAKETIME_DONT_RESET: without it every process begins again at the first moment.
_START = """\
set -eu
mount -t tmpfs -o mode=1777 none /dev/shm
exec faketime -f "@$BEGIN x$SPEED" sh -c '
chmod 666 /dev/shm/*
{
    for name in FAKETIME FAKETIME_SHARED LD_PRELOAD; do eval "echo $name=\\$$name"; done
    echo FAKETIME_DONT_RESET=1
    echo "TZ=$TZ"
    cat "$TAB"
} > "$TAB.timed"
env -u LD_PRELOAD crontab -u "$ACCOUNT" "$TAB.timed"
exec /usr/sbin/cron -f
'
"""
_JOB = """\
#!/bin/sh
echo "$5 $(date +%s)" >> "$HOME/fired"
"""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How the slots of one line fared."""

    expected: int
    served: int
    doubled: int
    missed: int
    latest: timedelta


def crontab(script: Path, expressions: Mapping[str, str]) -> bytes:
    """A block of our own for every expression, with the script in the place of Python and the name as its config."""
    text = b""
    for name, expression in expressions.items():
        config = Path("/", name)
        text = block.install(text, config, (block.job_line(expression, script, config),))
    return text


def fired(
    machine: Machine, expressions: Mapping[str, str], zone: ZoneInfo, start: datetime, stop: datetime, *, speed: int
) -> dict[str, list[datetime]]:
    """Let cron run in `zone` from `start` to `stop`, both UTC; when each expression fired, in the order it did.

    Raises:
        OSError: it did not run so long.
    """
    script, tab = machine.home / "job", machine.home / "tab"
    script.write_text(_JOB)
    script.chmod(0o755)
    tab.write_bytes(crontab(script, expressions))
    # In a process namespace of its own: with its first process everything in it ends.
    inside = ["nsenter", "--mount", "--target", str(machine.keeper)]
    # Before all else on this machine, as far as it allows that: in fast time a short wait is a long one.
    alone = ["nice", "-n", "-15", "setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child"]
    daemon = subprocess.Popen(
        [*inside, *alone, "sh", "-c", _START],
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "TZ": zone.key,
            "BEGIN": f"{start.astimezone(zone):%Y-%m-%d %H:%M:%S}",
            "SPEED": str(speed),
            "TAB": str(tab),
            "ACCOUNT": ACCOUNT,
            "FAKETIME_DONT_RESET": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, complaint = daemon.communicate(timeout=(stop - start) / timedelta(seconds=speed) + 1)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.communicate()
    else:
        raise OSError(f"cron ended by itself: {complaint.strip()}")
    moments: dict[str, list[datetime]] = {name: [] for name in expressions}
    for line in (machine.home / "fired").read_text().splitlines():
        name, second = line.removeprefix("/").split()
        moment = datetime.fromtimestamp(int(second), UTC)
        if moment <= stop:  # the clock ran on until cron was gone
            moments[name].append(moment)
    return moments


def tally(slots: Sequence[datetime], moments: Sequence[datetime]) -> Tally:
    """Count every firing for the last slot that came before it."""
    of_slot = Counter(bisect(slots, moment) - 1 for moment in moments)
    unasked = of_slot.pop(-1, 0)
    return Tally(
        expected=len(slots),
        served=len(of_slot),
        doubled=unasked + sum(count - 1 for count in of_slot.values()),
        missed=len(slots) - len(of_slot),
        latest=max((moment - slots[bisect(slots, moment) - 1] for moment in moments), default=timedelta(0)),
    )
