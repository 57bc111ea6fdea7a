"""`python -m bench`: set up, measure, judge, write."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import budgets, environments, gradent, imports, peers, plot, rounds, table
from bench.measure import build
from bench.sink import sink

HERE = Path(__file__).parent
_PROFILED = ("version", "tick", "run", "one")


def main() -> None:
    """The whole of it; exits with 1 only when that is asked for and something is over its budget."""
    wanted = _arguments()
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s  {text}", file=sys.stderr, flush=True)

    say("setting up gradent's environment")
    setting_up = environments.PLACE
    helper = build(HERE / "measure.c", setting_up / "programs" / "measure")
    pour = build(HERE / "pour.c", setting_up / "programs" / "pour")
    python = environments.gradent()
    homes = gradent.clear(setting_up / "homes")
    with sink() as (url, seen):
        say("setting up the peers")
        found = peers.find(homes, url)
        say("making a past of a million runs")
        setting = gradent.Setting(python=python, homes=homes, url=url, helper=helper, pour=pour)
        own = gradent.scenarios(setting)
        say("measuring: 1 round that does not count")
        measured = rounds.go(
            [*own, *found.scenarios],
            rounds=wanted.rounds,
            seconds=60 * wanted.minutes,
            seed=wanted.seed,
            helper=helper,
            seen=seen,
            say=say,
        )
        say("looking at imports")
        profiles = {each.name: imports.profile(each) for each in own if each.name in _PROFILED}
        say("sending")
        sends = gradent.send_phases(setting, 5)
    say("planning")
    planner = [python, "-P", HERE / "planner.py", "--json"]
    plans = json.loads(subprocess.run(planner, capture_output=True, check=True).stdout)

    titles = {scenario.name: scenario.title for scenario in [*own, *found.scenarios]}
    figures = budgets.figures(measured, titles, sends, plans)
    peer_names = {scenario.name for scenario in found.scenarios}
    result = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "seed": wanted.seed,
        "rounds": len(measured.samples["base"]),
        "machine": _machine(),
        "versions": {"gradent's environment": environments.version(python), "peers": found.versions},
        "missing": found.missing | dict(measured.failed),
        "figures": [asdict(figure) | {"over": figure.over} for figure in figures],
        "scenarios": {
            name: {"title": titles[name], "peer": name in peer_names, **measured.summary(name)}
            for name in measured.samples
        },
        "sends": {str(targets): [round(each, 3) for each in both] for targets, both in sends.items()},
        "plans": plans,
        "imports_ms": profiles,
    }
    _write(result, wanted.results, wanted.plot)
    print(table.markdown(result))
    say("done")
    if wanted.strict and any(figure.over for figure in figures):
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="at most (15)")
    parser.add_argument("--minutes", type=float, default=5, help="when no more rounds are begun (5)")
    parser.add_argument("--seed", type=int, default=7, help="of the order in each round (7)")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when something is over its budget")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="a folder for JSON and table")
    parser.add_argument("--plot", type=Path, default=environments.ROOT / "docs" / "speed.svg", help="the picture")
    return parser.parse_args()


def _machine() -> dict[str, Any]:
    names = [
        line.partition(": ")[2]
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return {
        "processors": os.cpu_count(),
        "processor": names[0] if names else platform.machine(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def _write(result: dict[str, Any], results: Path, picture: Path) -> None:
    results.mkdir(parents=True, exist_ok=True)
    written: Sequence[tuple[Path, str]] = (
        (results / f"{result['date']}.json", json.dumps(result, indent=2) + "\n"),
        (results / "README.md", table.markdown(result)),
        (picture, plot.svg(result)),
    )
    for path, text in written:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
