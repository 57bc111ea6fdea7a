"""A million old runs cost no more than a thousand."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from gradent_cli.database import open_database
from tests.street.past import fill

pytestmark = pytest.mark.e2e

EVERY = 25
"""Seconds between two runs: a million of them fit into a year, so that none is too old to be kept."""
MOST = 1.5
"""Times the processor time that a thousand runs cost: what is measured here varies by a tenth or two."""
TRIES = 12
"""Of each; the cheapest counts. A processor that others use, too, makes some of them dearer, and none cheaper."""


@dataclass(frozen=True)
class Machine:
    """A home with a config and so many runs behind it."""

    home: Path
    database: Path

    def seconds(self, command: tuple[str, ...]) -> float:
        """Processor time, with what its children used."""
        before = os.times()
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "gradent_cli", "--config", self.home / "config.toml", *command],
            env={**os.environ, "HOME": str(self.home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode in (0, 1 if command == ("doctor",) else 0), ended.stderr
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system


def past(home: Path, runs: int) -> Machine:
    state = home / "state"
    state.mkdir(parents=True)
    (home / "config.toml").write_text(
        f'state_dir = "{state}"\n[agent]\nkind = "command"\ncommand = ["true"]\n[history]\nmax_runs = 2000000\n'
    )
    connection = open_database(state / "gradent.db")
    fill(connection, runs, with_messages=1000, first=int(time.time()) - EVERY * (runs + 100), every=EVERY)
    connection.close()
    return Machine(home, state / "gradent.db")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return past(tmp_path_factory.mktemp("few"), 1000)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return past(tmp_path_factory.mktemp("many"), 1_000_000)


@pytest.mark.parametrize(
    "command", [("status",), ("history",), ("history", "last"), ("doctor",), ("run", "--quiet"), ("run", "--if-due")]
)
def test_a_million_runs_are_no_slower_than_a_thousand(few: Machine, many: Machine, command: tuple[str, ...]) -> None:
    """Nothing is copied, and nothing walked through; what a run forgets at its end is bounded in time."""
    assert many.database.stat().st_size > 100 * few.database.stat().st_size
    one, other = few.seconds(command), many.seconds(command)
    for number in range(1, TRIES):
        one, other = min(one, few.seconds(command)), min(other, many.seconds(command))
        if number >= 3 and other < MOST * one:
            return
    assert other < MOST * one
