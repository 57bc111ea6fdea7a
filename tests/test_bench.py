"""What `make bench` makes of what it measured, and that it measures what it says."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from xml.etree import ElementTree

import pytest

from bench import budgets, gradent, imports, plot, table
from bench.measure import Sample, Scenario, Unfit, build, measure
from bench.rounds import REPEATS, Measured, go, quartiles
from bench.sink import sink
from tests.e2e.conftest import need

BENCH = Path(gradent.__file__).parent


def samples(*cpu: float, rss: int = 9_000_000) -> list[Sample]:
    return [Sample(wall=each, cpu=each, rss=rss) for each in cpu]


def measured(**cpu: list[Sample]) -> Measured:
    return Measured(samples=cpu, failed={})


@pytest.fixture(scope="module")
def helper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need(shutil.which("gcc"), "there is no gcc to build what measures")
    return build(BENCH / "measure.c", tmp_path_factory.mktemp("programs") / "measure")


def script(home: Path, text: str, **more: Any) -> Scenario:
    return Scenario(name="script", title="a script", argv=("/bin/sh", "-c", text), home=home, **more)


def test_ratios_are_taken_round_by_round() -> None:
    """A machine that is slow for a round is slow for all in it, and their ratio stays."""
    both = measured(base=samples(1, 10, 2, 2, 1), run=samples(3, 30, 6, 6, 9))
    assert both.ratio("run") == 3
    assert quartiles(both.ratios("run")) == (3, 3)


def test_differences_are_taken_round_by_round() -> None:
    """What 100 MB of output cost is what that run took more than the other one of its round."""
    both = measured(run=samples(1, 2, 3, rss=10), pour=samples(1.5, 2.5, 9, rss=17))
    assert both.more("pour", "run") == (0.5, 7)


PLANS = [
    {
        "assignments": 200,
        "events": 2000,
        "days": 120,
        "load": load,
        "anew": 0.02,
        "again": 0.3,
        "sessions": 9,
        "short": 0,
    }
    for load in ("fits", "too much")
]
SENDS = {1: (1.9, 1.1), 100: (4.0, 1.6)}


def judged(**scenarios: list[Sample]) -> dict[str, budgets.Figure]:
    titles = {name: name for name in (*budgets.RATIOS, "kage", "apprise")}
    return {figure.what: figure for figure in budgets.figures(measured(**scenarios), titles, SENDS, PLANS)}


def test_each_figure_is_judged_by_its_budget() -> None:
    """At its budget is within it; what has none cannot be over it."""
    found = judged(base=samples(1, 1), tick=samples(2, 2), run=samples(4, 4, rss=15_000_001), kage=samples(10, 10))
    assert {what for what, figure in found.items() if figure.over} == {
        "run",
        "run: memory",
        "tick; beside kage",
        "sending to 100 targets of 200 ms",
        "planning 200 assignments around 2,000 events",
    }
    assert found["tick"].value == 2
    assert found["the same, 100, with the import of the HTTP client"].value == 4


def test_what_cannot_be_measured_is_named_and_not_judged() -> None:
    """A peer that is not here makes nobody fast or slow."""
    figure = judged(base=samples(1), one=samples(5))["one; beside apprise"]
    assert (figure.value, figure.over) == (None, False)
    assert "apprise could not be measured" in figure.note


def result() -> dict[str, Any]:
    rows = {"base": (1.0, False), "tick": (1.5, False), "kage": (30.0, True), "run": (3.0, False), "one": (9.0, False)}
    return {
        "date": "2026-11-30",
        "rounds": 11,
        "machine": {"processors": 2, "processor": "A<B & C", "system": "Linux 6", "python": "3.11.7"},
        "versions": {"peers": {"kage-ai": "0.15.8"}},
        "missing": {"gptme": "wants another Python"},
        "figures": [
            {"what": "tick", "value": 1.5, "unit": "x interpreter", "budget": 2.0, "note": "", "over": False},
            {"what": "run", "value": 4.0, "unit": "x interpreter", "budget": 3.5, "note": "", "over": True},
            {"what": "memory", "value": None, "unit": "MB", "budget": 15.0, "note": "no run", "over": False},
        ],
        "scenarios": {
            name: {
                "title": name, "peer": peer, "ratio": ratio, "quartiles": [ratio, ratio],
                "cpu_ms": 1.0, "wall_ms": 1.0, "rss_mb": 9.0,
            }
            for name, (ratio, peer) in rows.items()
        },
        "plans": PLANS,
        "imports_ms": {"run": {"typer": 101.8, "gradent": 97.5, "cronsim": 0.7}},
    }  # fmt: skip


def test_the_table_has_each_figure_beside_its_budget() -> None:
    """And names what is over it, what could not be measured, and every version."""
    page = table.markdown(result())
    assert "| tick | 1.500 | 2 | x interpreter |" in page
    assert "| run | **4.00** | 3.5 | x interpreter |" in page
    assert "| memory | no run | 15 | MB |" in page
    assert "Over budget:\n\n- run\n" in page
    assert "not measured, gptme: wants another Python" in page
    assert "kage-ai 0.15.8" in page
    assert "| kage | 30.0 |" in page
    assert "| run | typer 102, gradent 98 |" in page


def test_the_picture_is_a_document_with_a_bar_for_each() -> None:
    """Their lengths are as their numbers; who could not be measured has none."""
    document = ElementTree.fromstring(plot.svg(result()))
    bars = {
        float(each.get("width", 0))
        for each in document.iter("{http://www.w3.org/2000/svg}rect")
        if each.get("class") in ("ours", "peer")
    }
    longest = max(bars)
    assert sorted(round(bar / longest * 30, 1) for bar in bars) == [1.5, 3, 9, 30]
    assert "kage cron run 30.0" in document.attrib["aria-label"]


IMPORTED = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 |   encodings.aliases
import time:       200 |        300 | encodings
import time:      1000 |       1000 |     re
import time:      2000 |       2000 |     pydantic
import time:      4000 |       7000 |   typer
import time:       500 |        500 |   sqlite3
import time:       300 |       7800 | gradent_cli.cli
import time:       700 |        700 | httpx
"""


def test_imports_are_counted_for_whoever_wants_them() -> None:
    """The outermost package that somebody else wrote; gradent for what it imports of the standard library."""
    said = ["something else on standard error", *IMPORTED.splitlines()]
    assert imports.shares(said) == {"typer": 7.0, "gradent": 0.8, "httpx": 0.7, "standard library": 0.3}


def test_memory_is_that_of_the_program_alone(helper: Path, tmp_path: Path) -> None:
    """Not that of the Python that measures, which has ten times as much."""
    assert measure(script(tmp_path, "exit 0"), helper, lambda: 0).rss < 6_000_000


def test_time_is_that_of_everything_that_was_started(helper: Path, tmp_path: Path) -> None:
    """Also of what goes on when its parent has ended."""
    work = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"
    alone = measure(script(tmp_path, work), helper, lambda: 0).cpu
    left = measure(script(tmp_path, f"sh -c '{work}' & exit 0"), helper, lambda: 0).cpu
    assert left > alone / 2


def test_who_fails_is_not_called_fast(helper: Path, tmp_path: Path) -> None:
    """Its exit code and last words are the reason why it is not in the table."""
    with pytest.raises(Unfit, match="exit code 3: no such thing"):
        measure(script(tmp_path, "echo no such thing >&2; exit 3"), helper, lambda: 0)


def test_who_sends_nothing_is_not_called_fast(helper: Path, tmp_path: Path) -> None:
    """The sink has counted."""
    with pytest.raises(Unfit, match="0 requests arrived, not 1"):
        measure(script(tmp_path, "exit 0", requests=1), helper, lambda: 0)


def test_the_sink_counts_since_it_was_last_asked() -> None:
    """Real requests, over real sockets."""
    with sink() as (url, seen):
        for _ in range(2):
            urlopen(f"{url}/anything", data=b"x").close()
        assert (seen(), seen()) == (2, 0)


def test_a_scenario_that_fails_at_first_has_no_samples(helper: Path, tmp_path: Path) -> None:
    """All others are measured once in every round."""
    good, bad = script(tmp_path, "exit 0"), Scenario(name="bad", title="bad", argv=("/bin/false",), home=tmp_path)
    found = go([good, bad], rounds=3, seconds=60, seed=1, helper=helper, seen=lambda: 0, say=lambda _: None)
    assert (len(found.samples["script"]), "bad" in found, found.failed["bad"][:11]) == (3, False, "exit code 1")


def test_what_is_short_is_measured_several_times_a_round(helper: Path, tmp_path: Path) -> None:
    """A hiccup weighs as much as all of it; the middle one counts."""
    tally = tmp_path / "tally"
    found = go(
        [script(tmp_path, f"echo >> {tally}")], rounds=2, seconds=60, seed=1, helper=helper, seen=lambda: 0,
        say=lambda _: None,
    )  # fmt: skip
    assert (len(found.samples["script"]), tally.read_text().count("\n")) == (2, 1 + 2 * REPEATS)


def test_what_is_measured_is_what_cron_starts(tmp_path: Path) -> None:
    """The argv of the crontab's own lines."""
    config = str(tmp_path / "config.toml")
    asked: list[str | Path] = [sys.executable, "-P", gradent.DRIVERS, "lines", config]
    run, tick = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
    assert run == [sys.executable, "-P", "-m", "gradent_cli", "--config", config, "run", "--quiet"]
    assert tick[-3:] == ["run", "--if-due", "--quiet"]


def test_a_hundred_webhooks_each_get_their_message(tmp_path: Path) -> None:
    """What no config can name is all gradent's own but for the number of its channels."""
    with sink() as (url, seen):
        path = tmp_path / "config.toml"
        path.write_text(f'state_dir = "{tmp_path}/state"\n[notify]\nevents = ["completed"]\n')
        driver: list[str | Path] = [sys.executable, "-P", gradent.DRIVERS, "send", "100", f"{url}/many", path]
        seconds = json.loads(subprocess.run(driver, capture_output=True, check=True).stdout)
        assert (len(seconds), seen()) == (2, 200)
