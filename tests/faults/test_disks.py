"""Disks that take nothing: full, without inodes, read-only. Real ones, in memory and seen by this gradent alone."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from tests.e2e.conftest import need
from tests.faults.conftest import SideBySide
from tests.faults.place import FAILED, UNKEPT, Account, Place, identity

pytestmark = pytest.mark.e2e


class Disk:
    """A tmpfs over a folder, for those who enter the namespace of `keeper`; `seen` is its way in from here."""

    def __init__(self, keeper: int, folder: Path) -> None:
        self.enter = ("nsenter", "--mount", f"--target={keeper}", "--")
        self._folder = folder
        self.seen = Path(f"/proc/{keeper}/root{folder}")

    def remount(self, options: str) -> None:
        subprocess.run([*self.enter, "mount", "-o", f"remount,{options}", self._folder], check=True)

    def fill(self) -> None:
        """Not a byte is left."""
        with (self.seen / "filler").open("wb", buffering=0) as filler:
            for size in (65_536, 4096, 1):
                try:
                    while filler.write(b"x" * size):
                        pass
                except OSError:
                    continue

    def use_up_inodes(self) -> None:
        (self.seen / "files").mkdir()
        try:
            for number in range(1_000_000):
                (self.seen / "files" / str(number)).touch()
        except OSError:
            return


@contextmanager
def disk(folder: Path, options: str) -> Iterator[Disk]:
    """What is in the folder is on the disk, too. It goes with the process that keeps the namespace."""
    over, kept = shlex.quote(str(folder)), shlex.quote(f"{folder}.kept")
    script = (
        f"set -e; cp -a {over} {kept}; mount -t tmpfs -o {options} none {over}; cp -a {kept}/. {over}/; "
        "echo ready; exec cat"
    )
    keeper = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert keeper.stdout
        need(keeper.stdout.readline() == "ready\n", "a disk of one's own needs the right to mount")
        yield Disk(keeper.pid, folder)
    finally:
        keeper.communicate()


@pytest.fixture
def root() -> None:
    need(os.geteuid() == 0, "a disk of one's own needs root")


FAULTS = {
    "full": lambda disk: disk.fill(),
    "no inodes": lambda disk: disk.use_up_inodes(),
    "read-only": lambda disk: disk.remount("ro"),
}
MENDS = {
    "full": lambda disk: (disk.seen / "filler").unlink(),
    "no inodes": lambda disk: [file.unlink() for file in (disk.seen / "files").iterdir()],
    "read-only": lambda disk: disk.remount("rw"),
}


def test_a_disk_that_takes_nothing(root: None, side_by_side: SideBySide):
    """74 and one sentence, told to every channel though it cannot be kept; with room again, all that was kept comes."""

    def work(here: Place, case: tuple[str, str]) -> Account:
        fault, before = case
        if before != "first":
            here.run()
        if before == "backlog":
            here.down()
            here.run()
            here.well()
        with disk(here.home, "size=2m,nr_inodes=64") as small:
            there = replace(here, enter=small.enter, seen=small.seen)
            FAULTS[fault](small)
            ended = there.run(expect=74)
            assert ended.err.count("\n") <= 2, ended.err
            there.run("status", expect=None)
            there.run("history", expect=None)
            assert FAILED in [message["title"] for message in here.ntfy.messages]
            assert len(here.discord.messages) == len(here.ntfy.messages)
            MENDS[fault](small)
            there.run()
            return there.account(failed_unkept=True)

    side_by_side(work, product(FAULTS, ("first", "usual", "backlog")))


def test_a_disk_that_fills_up_while_the_agent_works(root: None, tmp_path: Path, side_by_side: SideBySide):
    """What was kept before is told as it is, and that the run failed, too; with room again nothing is missing."""
    event = '{{"type": "tool.completed", "id": "{0}", "tool": "step", "title": "Step {0}"}}'
    script = (
        'echo "run $GRADENT_RUN_ID $$" >> "$JOURNAL"; echo "tool $GRADENT_RUN_ID 1" >> "$JOURNAL"; '
        f"echo '{event.format(1)}'; sleep 0.3; touch \"$JOURNAL.going\"; "
        'while [ ! -e "$JOURNAL.go-on" ]; do sleep 0.05; done; echo "tool $GRADENT_RUN_ID 2" >> "$JOURNAL"; '
        f"echo '{event.format(2)}'"
    )

    def work(here: Place, fault: str) -> Account:
        with disk(here.home, "size=2m,nr_inodes=64") as small:
            there = replace(here, enter=small.enter, seen=small.seen)
            go_on = there.journal.with_name("journal.go-on")
            process = there.start("run", "--quiet")
            while not there.journal.with_name("journal.going").exists():
                assert process.poll() is None
            go_on.with_suffix(".soon").touch()
            FAULTS[fault](small)
            go_on.with_suffix(".soon").rename(go_on)  # there is room for a name, but not for a file
            _, err = process.communicate(timeout=60)
            assert (process.returncode, "Traceback" in err) == (74, False), err
            MENDS[fault](small)
            there.run()
            (first, _) = there.rows("SELECT id FROM runs ORDER BY number")
            for ids in there.arrived().values():
                assert identity(first["id"], "started") in ids
                assert identity(first["id"], "tool", "1") in ids
                assert UNKEPT in ids or identity(first["id"], "failed") in ids
            return there.account(failed_unkept=True)

    # Read-only does not come over a disk by itself while something is being written to it.
    side_by_side(work, ["full", "no inodes"], command=["sh", "-c", script])


def test_a_folder_that_may_not_be_written(here: Place, account: Account):
    """The same with a folder's rights, for whoever is not root; root is not held up by them."""
    here.run()
    here.state.chmod(0o500)
    try:
        if os.geteuid() != 0:
            here.run(expect=74)
    finally:
        here.state.chmod(0o700)
    here.run()
    account.add(here.account(failed_unkept=True))
    assert account.lost == []
