"""A booted systemd: this machine's own files under a writable layer in memory, in a container of its own.

Nothing is downloaded and nothing here is changed: what the container writes goes to a tmpfs that ends with it. Units
that this machine has enabled are hidden, and there is no network.
"""

import os
import pwd
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "gradent-test"
HOME = Path("/home") / ACCOUNT
NEEDED = (
    "/usr/bin/systemd-nspawn",
    "/usr/bin/dbus-daemon",
    "/usr/bin/nsenter",
    "/usr/bin/setpriv",
    "/usr/bin/unshare",
    "/usr/sbin/runuser",
)
_ALONE = "--register=no --keep-unit --private-network"
_SECONDS_TO_BOOT = 120


@dataclass(frozen=True)
class Booted:
    """`leader` is the container's first process; ACCOUNT, whose number is `uid`, lives in it and lingers."""

    leader: int
    uid: int

    def root(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", "-m", "-p", "-u", "-i", "-n", "--target", str(self.leader), "--", *command],
            cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def run(self, *command: str, path: str = "/usr/bin:/bin", session: bool = True) -> subprocess.CompletedProcess[str]:
        """As ACCOUNT, as if logged in; without `session` as through su."""
        environ = [f"HOME={HOME}", f"LOGNAME={ACCOUNT}", f"PATH={path}", "LANG=C.UTF-8"]
        if session:
            environ.append(f"XDG_RUNTIME_DIR=/run/user/{self.uid}")
        return self.root("runuser", "-u", ACCOUNT, "--", "env", "-i", *environ, *command)


@contextmanager
def booted() -> Iterator[Booted]:
    """A machine that is up, with the account's user manager running.

    Raises:
        OSError: this machine does not allow it; the text says what.
    """
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    uid = next(number for number in range(20_000, 60_000) if number not in taken)
    with tempfile.TemporaryDirectory(prefix="gradent-e2e-") as scratch:
        log = Path(scratch) / "log"
        with log.open("wb") as console:
            container = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"),
                    *("sh", "-c", _script(Path(scratch), uid)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        try:
            yield _await(container, uid, log)
        finally:
            container.terminate()
            try:
                container.wait(20)
            except subprocess.TimeoutExpired:
                container.kill()
                container.wait()


def _script(scratch: Path, uid: int) -> str:
    """Lay the writable layer over this machine's files, add the account, and boot."""
    root, layer = scratch / "root", scratch / "layer"
    # The container has a /tmp of its own, and sees no other file system than the root's: so these are handed in.
    binds = " ".join(shlex.quote(f"--bind-ro={place}") for place in _places())
    lines = [
        "set -eu",
        f"mkdir {root} {layer}",
        f"mount -t tmpfs none {layer}",
        f"mkdir {layer}/upper {layer}/work",
        f"mount -t overlay none -o lowerdir=/,upperdir={layer}/upper,workdir={layer}/work {root}",
        f"cd {root}",
        "rm -rf etc/systemd/system etc/machine-id",
        "mkdir etc/systemd/system",
        ": > etc/machine-id",
        f"echo {ACCOUNT}:x:{uid}:{uid}::{HOME}:/bin/sh >> etc/passwd",
        f"echo {ACCOUNT}:x:{uid}: >> etc/group",
        f"echo '{ACCOUNT}:*:19000:0:99999:7:::' >> etc/shadow",
        f"mkdir -p home var/lib/systemd/linger; mkdir -m 700 .{HOME}; chown {uid}:{uid} .{HOME}",
        f"touch var/lib/systemd/linger/{ACCOUNT}",
        *(f"chmod o+x {shlex.quote(f'.{folder}')}" for folder in _closed()),
        f"exec systemd-nspawn --quiet --directory={root} --machine={ACCOUNT} {_ALONE} {binds} --boot",
    ]
    return "\n".join(lines)


def _places() -> list[Path]:
    """This Python, its environment and this checkout."""
    return [place.resolve() for place in (Path(sys.base_prefix), Path(sys.prefix), Path(__file__).parents[2])]


def _closed() -> list[Path]:
    """Folders on the way to them that the account may not pass."""
    way = {parent for place in _places() for parent in place.parents}
    return sorted(folder for folder in way if not folder.stat().st_mode & 0o001)


def _await(container: subprocess.Popen[bytes], uid: int, log: Path) -> Booted:
    deadline = time.monotonic() + _SECONDS_TO_BOOT
    while time.monotonic() < deadline and container.poll() is None:
        for child in Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split():
            machine = Booted(int(child), uid)
            if machine.run("systemctl", "--user", "is-system-running").stdout.strip() in ("running", "degraded"):
                return machine
        time.sleep(0.3)
    raise OSError(f"no systemd after {_SECONDS_TO_BOOT} seconds: {os.fsdecode(log.read_bytes()[-300:]).strip()}")
