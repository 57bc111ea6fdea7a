"""hook.c, compiled and loaded: what happens at the n-th call with which gradent changes something."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.conftest import need

SOURCE = Path(__file__).with_name("hook.c")
LETHAL = ("kill", "torn", "cut")
"""Modes after which the process is gone."""


@dataclass(frozen=True)
class Step:
    """One call: its number in its run, its name and what it was about, a path below the home or `socket`."""

    number: int
    call: str
    about: str

    @property
    def writes(self) -> bool:
        return self.call in ("write", "pwrite", "send")

    @property
    def commits(self) -> bool:
        """Whether something is settled by it: on this disk, or at a service."""
        return self.call in ("fsync", "fdatasync", "rename", "unlink", "connect", "send") and "/tmp/" not in self.about


@dataclass(frozen=True)
class Hook:
    library: Path

    def environ(self, root: Path, *, mode: str = "", at: int = 0, log: Path | None = None) -> dict[str, str]:
        """What a gradent needs in its environment for this to happen to it."""
        environ = {"LD_PRELOAD": str(self.library), "FAULT_ROOT": str(root), "FAULT_MODE": mode, "FAULT_AT": str(at)}
        return environ if log is None else {**environ, "FAULT_LOG": str(log)}


def compiled(folder: Path) -> Hook:
    """Skips where there is nothing to compile it with, or nothing to load it into."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    need(os.uname().sysname == "Linux", "the hook is for Linux")
    need(compiler, "the hook needs a C compiler (apt-get install gcc libc6-dev)")
    library = folder / "hook.so"
    done = subprocess.run(
        [str(compiler), "-O2", "-shared", "-fPIC", "-pthread", "-o", library, SOURCE],
        capture_output=True,
        text=True,
        check=False,
    )
    need(done.returncode == 0, f"the hook cannot be compiled: {done.stderr[-300:]}")
    return Hook(library)


def read_steps(log: Path) -> list[Step]:
    """What a hooked gradent wrote to its FAULT_LOG."""
    steps = []
    for line in log.read_text().splitlines():
        number, call, about = line.split(" ", 2)
        steps.append(Step(int(number), call, about))
    return sorted(steps, key=lambda step: step.number)
