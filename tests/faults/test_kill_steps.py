"""kill -9, a torn write and a power cut at the very calls with which gradent changes its state or talks to a service.

Each is followed by a run that nothing disturbs. Then everything that was owed must have come: see `Place.account`.
"""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Draw, Each
from tests.faults.hooked import LETHAL, Hook, Step, read_steps
from tests.faults.place import Account, Place, place
from tests.faults.warm import Warm

pytestmark = pytest.mark.e2e


def once(here: Place) -> None:
    """One run is on record, so that the next is as most are."""
    here.run()


def never(here: Place) -> None:
    """Nothing was run yet: the database is still to be made."""


def after_trouble(here: Place) -> None:
    """A run whose messages nobody took, and one that was killed at work: all that is for the next to make good."""
    here.run()
    here.down()
    here.kill_at_work()
    here.well()


BEFORE: dict[str, Callable[[Place], None]] = {"usual": once, "first": never, "recovery": after_trouble}


@pytest.fixture
def steps(hook: Hook, warm: Warm, tmp_path: Path) -> Callable[[str], list[Step]]:
    """All steps of one undisturbed run in these circumstances."""

    def counted(before: str) -> list[Step]:
        with place(tmp_path / "counted", warm=warm) as here:
            BEFORE[before](here)
            here.run(environ=hook.environ(here.home, log=tmp_path / "steps"))
        return read_steps(tmp_path / "steps")

    return counted


def struck(here: Place, hook: Hook, mode: str, at: int) -> Account:
    """A run that is struck there, then one that is not; the account of both."""
    process = here.start("run", "--quiet", environ=hook.environ(here.home, mode=mode, at=at))
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err, err
    killed = process.returncode == -signal.SIGKILL
    if mode in LETHAL:  # threads come in another order each time, and then there may be a call less
        assert killed or process.returncode == 0, (process.returncode, err)
    else:
        assert process.returncode in (0, 74), (process.returncode, err)
    here.run()
    account = here.account(kills=int(killed), failed_unkept=mode not in LETHAL)
    assert account.vanished == account.told, f"{account.vanished} runs vanished, {account.told} were told"
    if mode in ("kill", "torn"):  # what a crash catches between sending and marking: one message a channel
        assert account.doubled <= 2 * killed, f"{account.doubled} messages came twice after one crash"
    return account


@pytest.mark.parametrize(
    ("before", "commits", "wanted"),
    [("usual", True, 1000), ("usual", False, 60), ("recovery", True, 40), ("first", True, 25)],
    ids=["usual", "usual, others", "recovery", "first"],
)
def test_killed_at_a_step(hook, warm, steps, each: Each, draw: Draw, account: Account, before, commits, wanted):
    """In a usual run, a first one and one that has to recover: at syncs, renames, unlinks and sends, and some others.

    Most steps write one of many pages to a journal, which makes no difference before the next sync. `--share 10` takes
    all that commit something in each of the three, and of the usual run all.
    """
    found = [step for step in steps(before) if step.commits == commits]
    account.possible = len(found)
    cases = [step.number for step in draw(found, wanted)]
    each(BEFORE[before], cases, lambda here, at: struck(here, hook, "kill", at), warm=warm)


@pytest.mark.parametrize(("mode", "wanted"), [("torn", 20), ("cut", 30), ("full", 20), ("eio", 20)])
def test_struck_at_a_step(hook, warm, steps, each: Each, draw: Draw, account: Account, mode: str, wanted: int):
    """Half a write, a power cut that takes back what was not synced, a disk that is full from then on, a bad sector."""
    found = [step for step in steps("usual") if step.writes or mode != "torn"]
    account.possible = len(found)
    cases = [step.number for step in draw(found, wanted)]
    each(once, cases, lambda here, at: struck(here, hook, mode, at), warm=warm)
