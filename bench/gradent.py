"""What of gradent is measured: the commands that cron calls, in homes of their own."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from bench.measure import Sample, Scenario, Unfit, environment, read
from bench.sink import DELAY

DRIVERS = Path(__file__).with_name("drivers.py")
POURED = 100_000_000
"""Bytes of output of the agent that says a lot."""
FEW, MANY = 1_000, 1_000_000
"""Old runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where to measure.

    Args:
        python: of the environment with gradent.
        homes: a folder that is made anew.
        url: of the sink.
        helper, pour: the compiled programs.
    """

    python: Path
    homes: Path
    url: str
    helper: Path
    pour: Path


def home(setting: Setting, name: str) -> Path:
    """A new home for one scenario."""
    folder = setting.homes / name
    folder.mkdir(parents=True)
    return folder


def scenarios(setting: Setting) -> list[Scenario]:
    """All of them, ready to run."""
    python, port = str(setting.python), setting.url.rpartition(":")[2]
    ntfy = f'[ntfy]\ntopic = "a-topic-of-its-own"\nserver = "http://127.0.0.1:{port}"\n'
    webhook = f'[webhook]\nurl = "{setting.url}/webhook"\n'

    def bare(name: str, title: str, *arguments: str) -> Scenario:
        return Scenario(name=name, title=title, argv=(python, *arguments), home=home(setting, name))

    silent = _run(setting, "run", "run, nothing to tell", ntfy, when="failed")
    changed = _run(setting, "changed", "run, the config just changed", ntfy, when="failed")
    return [
        bare("base", "the bare interpreter", "-c", "pass"),
        bare("version", "--version", "-P", "-m", "gradent_cli", "--version"),
        bare("help", "--help", "-P", "-m", "gradent_cli", "--help"),
        _tick(setting, "tick", "tick, nothing due", ntfy),
        silent,
        replace(changed, prepare=lambda: os.utime(changed.home / "config.toml")),
        replace(_run(setting, "one", "run, 1 target", ntfy), requests=1),
        replace(_run(setting, "two", "run, 2 targets", ntfy + webhook), requests=2),
        _hundred(setting),
        _pouring(setting, ntfy),
        *_with_past(setting, ntfy, FEW, "a thousand"),
        *_with_past(setting, ntfy, MANY, "a million"),
    ]


def send_phases(setting: Setting, times: int) -> dict[int, tuple[float, float]]:
    """Targets that take 200 ms -> how long telling all of them takes, times the slowest: with and without imports."""
    found = {}
    for number in (1, 2, 10, 100):
        folder = home(setting, f"send-{number}")
        config = _configure(folder, "")
        each = [
            json.loads(_inside(setting, folder, "send", str(number), f"{setting.url}/slow", str(config)))
            for _ in range(times)
        ]
        first, second = (median(column) / DELAY for column in zip(*each, strict=True))
        found[number] = (first, second)
    return found


def crontab_lines(setting: Setting, config: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The argv of what the crontab has for this config: the run, and the tick that makes up for missed ones."""
    run, tick = json.loads(_inside(setting, config.parent, "lines", str(config)))
    return tuple(run), tuple(tick)


def _inside(setting: Setting, folder: Path, *arguments: str) -> str:
    """What a driver prints.

    Raises:
        Unfit: it failed.
    """
    done = subprocess.run(
        [setting.python, "-P", DRIVERS, *arguments],
        env=environment(folder, {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Unfit(f"{arguments[0]}: {done.stderr.strip().rpartition(chr(10))[2]}")
    return done.stdout


def _configure(folder: Path, channels: str, *, when: str = "always", command: Sequence[str] = ("true",)) -> Path:
    """A config whose next scheduled time is twelve hours away, so that none comes while we measure."""
    at = datetime.now(UTC).astimezone() + timedelta(hours=12)
    path = folder / "config.toml"
    path.write_text(
        f'frequency = "24hours"\nat = "{at:%H:%M}"\n'
        f'[agent]\nkind = "command"\ncommand = {json.dumps([*command])}\n'
        f'[notify]\nevents = ["completed", "failed"]\nwhen = "{when}"\nmax_per_day = 10000\n'
        f"[history]\nmax_runs = {2 * MANY}\n{channels}",
        encoding="utf-8",
    )
    path.chmod(0o600)
    return path


def _run(
    setting: Setting, name: str, title: str, channels: str, *, when: str = "always", command: Sequence[str] = ("true",)
) -> Scenario:
    folder = home(setting, name)
    run, _ = crontab_lines(setting, _configure(folder, channels, when=when, command=command))
    return Scenario(name=name, title=title, argv=run, home=folder)


def _tick(setting: Setting, name: str, title: str, channels: str) -> Scenario:
    """Once a run has been there."""
    folder = home(setting, name)
    run, tick = crontab_lines(setting, _configure(folder, channels, when="failed"))
    subprocess.run(run, env=environment(folder, {}), cwd=folder, check=True)
    return Scenario(name=name, title=title, argv=tick, home=folder)


def _hundred(setting: Setting) -> Scenario:
    number = 100
    folder = home(setting, "hundred")
    run, _ = crontab_lines(setting, _configure(folder, ""))
    arguments = run[run.index("gradent_cli") + 1 :]
    return Scenario(
        name="hundred",
        title=f"run, {number} targets",
        argv=(str(setting.python), "-P", str(DRIVERS), "run", str(number), f"{setting.url}/many", *arguments),
        home=folder,
        requests=number,
    )


def _pouring(setting: Setting, channels: str) -> Scenario:
    """An agent that says 100 MB; its own processor time is taken off."""
    report = setting.homes / "pour" / "poured"
    command = [str(setting.helper), str(report), str(setting.pour), str(POURED)]
    scenario = _run(setting, "pour", "run, the agent says 100 MB", channels, when="failed", command=command)

    def collect(sample: Sample) -> Sample:
        code, producer = read(report)
        if code != 0:
            raise Unfit(f"the agent ended with {code}")
        return replace(sample, cpu=sample.cpu - producer.cpu)

    return replace(scenario, collect=collect)


def _with_past(setting: Setting, channels: str, runs: int, words: str) -> list[Scenario]:
    """A run and a tick after so many others."""
    run = _run(setting, f"run-{runs}", f"run after {words} others", channels, when="failed")
    # As gradent names the state of a config that is not the default one: asked of gradent itself, by a first run.
    subprocess.run(run.argv, env=environment(run.home, {}), cwd=run.home, check=True)
    (database,) = run.home.glob(".local/state/gradent/*/gradent.db")
    for file in database.parent.iterdir():
        file.unlink()
    _inside(setting, run.home, "past", str(database), str(runs))
    subprocess.run(run.argv, env=environment(run.home, {}), cwd=run.home, check=True)
    _, tick = crontab_lines(setting, run.home / "config.toml")
    return [run, Scenario(name=f"tick-{runs}", title=f"tick after {words} runs", argv=tick, home=run.home)]


def clear(homes: Path) -> Path:
    """The folder, empty."""
    shutil.rmtree(homes, ignore_errors=True)
    homes.mkdir(parents=True)
    return homes
