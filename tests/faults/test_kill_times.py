"""kill -9 at any moment: 200 by lot over a whole run, of gradent alone or of all that it started."""

import time
from pathlib import Path

import pytest

from tests.faults.conftest import Draw, Each
from tests.faults.place import Account, Place, kill_tree, place
from tests.faults.warm import Warm

pytestmark = pytest.mark.e2e


def measured(folder: Path, warm: Warm | None) -> float:
    """Seconds that an undisturbed run takes here and now."""
    with place(folder, warm=warm) as here:
        here.run()
        began = time.monotonic()
        for _ in range(3):
            here.run()
        return (time.monotonic() - began) / 3


def killed(here: Place, after: float, *, whole: bool, follow: int) -> Account:
    process = here.start("run", "--quiet")
    time.sleep(after)
    if whole:
        kill_tree(process, here.agents())
    else:
        process.kill()
        process.communicate()
    for _ in range(follow):
        here.run()
    account = here.account(kills=int(process.returncode == -9))
    assert account.vanished == account.told, f"{account.vanished} runs vanished, {account.told} were told"
    assert account.doubled <= 2 * account.kills, f"{account.doubled} messages came twice after one crash"
    return account


@pytest.mark.parametrize("kind", ["warm", "as cron does"])
def test_killed_at_any_moment(warm: Warm, each: Each, draw: Draw, lot, account: Account, tmp_path, kind: str):
    """Whatever moment it is, the next run accounts for everything, and the one after it has nothing left to do."""
    started = warm if kind == "warm" else None
    number = 175 if started else 25
    # Several side by side are slower: so that the end of a run gets its share, too.
    seconds = measured(tmp_path / "measured", started) * 1.4
    cases = [(lot.uniform(0, seconds), lot.random() < 0.4, lot.choice((1, 1, 1, 2))) for _ in range(number)]
    account.possible = len(cases)
    each(
        Place.run,
        draw(cases, number),
        lambda here, case: killed(here, case[0], whole=case[1], follow=case[2]),
        warm=started,
    )


def test_killed_again_and_again(here: Place, lot, account: Account):
    """Five crashes in a row, then a good run: every run that vanished is on record, and each was told."""
    here.run()
    for number in range(5):
        process = here.start("run", "--quiet")
        while len(here.journal_lines("run")) < number + 2 and process.poll() is None:
            time.sleep(0.01)
        time.sleep(lot.uniform(0, 0.1))
        process.kill()
        process.communicate()
        time.sleep(1)  # the least that `remind_every` can be: each is a failure that is due to be told again
    here.run()
    account.add(here.account(kills=5))
    account.tried = account.possible = 5
    assert account.lost == []
    assert account.vanished == account.told
