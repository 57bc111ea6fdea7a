"""Debian's cron in a mount namespace of its own: its own spool, accounts and /run; this machine's are not touched.

The namespace lives as long as the process that keeps it, which ends with this one, however that ends.
"""

import os
import pwd
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "gradent-test"
SPOOL = "/var/spool/cron/crontabs"
NEEDED = (
    "/usr/sbin/cron",
    "/usr/bin/crontab",
    "/usr/bin/unshare",
    "/usr/bin/nsenter",
    "/usr/bin/setpriv",
    "/usr/sbin/runuser",
)


@dataclass(frozen=True)
class Machine:
    """`home` belongs to ACCOUNT, which exists only in the namespace of the process `keeper`."""

    keeper: int
    home: Path

    def run(
        self, *command: str, input: str = "", path: str = "/usr/bin:/bin", seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run something as ACCOUNT."""
        return subprocess.run(
            [*self._inside(), "/usr/sbin/runuser", "-u", ACCOUNT, "--", *command],
            cwd="/",
            env={"HOME": str(self.home), "LOGNAME": ACCOUNT, "PATH": path, "LANG": "C.UTF-8"},
            input=input,
            check=False,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    @contextmanager
    def cron(self) -> Iterator[None]:
        """The daemon runs during the block; the kernel ends it if this process dies before."""
        daemon = subprocess.Popen(
            [*self._inside(), "setpriv", "--pdeathsig", "KILL", "/usr/sbin/cron", "-f", "-L", "15"],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            daemon.kill()
            daemon.wait()

    def spool(self) -> list[str]:
        """The accounts that have a crontab."""
        listed = subprocess.run([*self._inside(), "ls", SPOOL], capture_output=True, text=True, check=True)
        return listed.stdout.split()

    def _inside(self) -> Sequence[str]:
        return ("nsenter", "--mount", "--target", str(self.keeper))


@contextmanager
def machine() -> Iterator[Machine]:
    """A machine whose daemon does not run yet.

    Raises:
        OSError: this machine does not allow it; the text says what.
    """
    uid = next(number for number in range(60_000, 65_000) if number not in {entry.pw_uid for entry in pwd.getpwall()})
    scratch = Path(tempfile.mkdtemp(prefix="gradent-e2e-"))
    scratch.chmod(0o755)
    home = scratch / "home"
    home.mkdir()
    os.chown(home, uid, uid)
    script = "\n".join(["set -eu", *_own_files(scratch, home, uid), *_opened(), "echo ready", "exec cat"])
    keeper = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert keeper.stdout
        if keeper.stdout.readline() != "ready\n":
            raise OSError(keeper.communicate()[1].strip())
        yield Machine(keeper.pid, home)
    finally:
        keeper.communicate()
        shutil.rmtree(scratch, ignore_errors=True)  # a last job may still be at work in it


def _own_files(scratch: Path, home: Path, uid: int) -> Iterator[str]:
    """Accounts, spool and cron's configuration in place of this machine's."""
    lines = {
        "passwd": f"{ACCOUNT}:x:{uid}:{uid}::{home}:/bin/sh",
        "group": f"{ACCOUNT}:x:{uid}:",
        "shadow": f"{ACCOUNT}:*:19000:0:99999:7:::",
    }
    for name, line in lines.items():
        yield f"cp -p /etc/{name} {scratch}/{name}"
        yield f"echo {shlex.quote(line)} >> {scratch}/{name}"
        yield f"mount --bind {scratch}/{name} /etc/{name}"
    yield f"mount -t tmpfs -o mode=1730,gid=$(getent group crontab | cut -d: -f3) none {SPOOL}"
    # The machine's own jobs must not run a second time.
    yield f": > {scratch}/crontab"
    yield f"if [ -e /etc/crontab ]; then mount --bind {scratch}/crontab /etc/crontab; fi"
    yield "if [ -d /etc/cron.d ]; then mount -t tmpfs none /etc/cron.d; fi"
    yield "mount -t tmpfs none /run"


def _opened() -> Iterator[str]:
    """This Python and this checkout made reachable for the account, where they are.

    A folder on the way to them that only its owner may enter, such as root's home, is covered by an empty one in
    which nothing else appears.
    """
    project = Path(__file__).resolve().parents[2]
    covered: dict[Path, list[Path]] = {}
    for folder in {Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), project}:
        way = [*reversed(folder.parents), folder]
        closed = next((part for part in way if part.stat().st_mode & 0o005 != 0o005), None)
        if closed is not None:
            covered.setdefault(closed, []).extend(folder.iterdir() if closed == folder else [folder])
    number = 0
    for closed, wanted in covered.items():
        shown = []
        for entry in sorted(wanted):
            number += 1
            kept, place = f"/run/kept-{number}", shlex.quote(str(entry))
            make = "mkdir -p" if entry.is_dir() else "touch"
            yield f"{make} {kept}"
            yield f"mount --rbind {place} {kept}"
            shown.append(f"mkdir -p {shlex.quote(str(entry.parent))}; {make} {place}; mount --rbind {kept} {place}")
        yield f"mount -t tmpfs -o mode=755 none {shlex.quote(str(closed))}"
        yield from shown
