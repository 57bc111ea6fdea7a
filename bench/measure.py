"""One program, run once: what it and everything that it starts use."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LONGEST = 120
"""Seconds that a program may take."""


class Unfit(Exception):  # noqa: N818  what cannot be measured is named in the table, and nothing has gone wrong
    """Something cannot be measured here; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Seconds, and bytes of the largest process at its peak; `cpu` is user and system time of the whole tree."""

    wall: float
    cpu: float
    rss: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Something to measure.

    Args:
        name: a word for the JSON; `title` for people.
        argv: with an absolute program.
        home: HOME and working directory, of its own.
        requests: how many the sink must see, so that who sends nothing is not called fast.
        prepare: called before each run, outside of what is measured.
        collect: called after each run with its sample; what it returns is kept in its place.
    """

    name: str
    title: str
    argv: tuple[str, ...]
    home: Path
    requests: int = 0
    environ: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] | None = None
    collect: Callable[[Sample], Sample] | None = None


def build(source: Path, program: Path) -> Path:
    """Compile one of our C programs.

    Raises:
        Unfit: there is no compiler, or it fails.
    """
    program.parent.mkdir(parents=True, exist_ok=True)
    try:
        made = subprocess.run(["gcc", "-O2", "-o", program, source], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Unfit("there is no gcc") from None
    if made.returncode != 0:
        raise Unfit(f"gcc cannot build {source.name}: {made.stderr.strip()}")
    return program


def environment(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """What every program gets: nothing of the environment that the measuring is started in."""
    clean = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    return clean | {"NO_COLOR": "1", "TERM": "dumb"} | dict(more)


def read(report: Path) -> tuple[int, Sample]:
    """What `measure` wrote: exit code and sample."""
    code, wall, user, system, peak = map(int, report.read_text(encoding="ascii").split())
    return code, Sample(wall=wall / 1e6, cpu=(user + system) / 1e6, rss=peak * 1024)


def measure(scenario: Scenario, helper: Path, seen: Callable[[], int]) -> Sample:
    """Run it once.

    Args:
        helper: the compiled `measure`.
        seen: how many requests the sink has got since it was last asked.

    Raises:
        Unfit: it failed, hung, or did not send what it should have.
    """
    if scenario.prepare is not None:
        scenario.prepare()
    seen()
    report, said = scenario.home / ".measured", scenario.home / ".said"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [helper, report, *scenario.argv],
            env=environment(scenario.home, scenario.environ),
            cwd=scenario.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=out,
            start_new_session=True,
        )
        try:
            process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise Unfit(f"it took longer than {LONGEST} s") from None
    words = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if not report.exists():
        raise Unfit(f"it could not be started: {words[-1:]}")
    code, sample = read(report)
    report.unlink()
    if code != 0:
        raise Unfit(f"exit code {code}: {words[-1] if words else 'it said nothing'}")
    requests = seen()
    if requests != scenario.requests:
        raise Unfit(f"{requests} requests arrived, not {scenario.requests}")
    return scenario.collect(sample) if scenario.collect is not None else sample
