"""Two, ten and fifty runs at once: exactly one works."""

import time
from contextlib import closing

import pytest

from tests.faults.place import Account, place
from tests.faults.warm import Warm

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("number", [2, 10, 50])
@pytest.mark.parametrize("if_due", [False, True], ids=["run", "if-due"])
def test_exactly_one_works(tmp_path, warm: Warm, account: Account, number: int, if_due: bool):
    """As the agents count themselves. The others end with 75, on record as skipped; a tick leaves no record."""
    go_on = tmp_path / "go-on"
    script = (
        'echo "run $GRADENT_RUN_ID $$" >> "$JOURNAL"; '
        f"while [ ! -e {go_on} ]; do sleep 0.05; done; "
        'echo \'{"type": "run.completed", "summary": "done"}\''
    )
    arguments = ("run", "--if-due", "--quiet") if if_due else ("run", "--quiet")
    # Fifty that load their libraries at once tell more of the machine than of the lock.
    with place(tmp_path / "here", command=["sh", "-c", script], warm=warm if number > 10 else None) as here:
        processes = [here.start(*arguments) for _ in range(number)]
        deadline = time.monotonic() + 120
        while sum(process.poll() is None for process in processes) > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        go_on.touch()
        said = [process.communicate(timeout=60) for process in processes]
        codes = sorted(process.returncode or 0 for process in processes)
        assert len(here.journal_lines("run")) == 1
        # Of ticks, one that came late finds the slot served, and nothing is due.
        others = {75} if not if_due else {0, 75}
        assert codes.count(0) >= 1
        assert set(codes[1:]) <= others, codes
        assert [text for pair in said for text in pair if text] == []
        statuses = [row["status"] for row in here.rows("SELECT status FROM runs")]
        assert sorted(statuses) == (["success"] if if_due else [*["skipped"] * (number - 1), "success"])
        with closing(here.state.joinpath("gradent.log").open()) as log:
            assert "Traceback" not in log.read()
        account.add(here.account())
        account.tried = account.possible = number
        assert account.lost == []


def test_many_one_after_the_other_lose_nothing(tmp_path, warm: Warm, account: Account):
    """Started together again and again while others end: whoever works is told, once."""
    with place(tmp_path / "here", tools=1, pause=0.1, warm=warm) as here:
        for _ in range(3):
            processes = [here.start("run", "--quiet") for _ in range(10)]
            for process in processes:
                process.communicate(timeout=60)
            assert {process.returncode for process in processes} <= {0, 75}
        worked = [row for row in here.rows("SELECT status FROM runs") if row["status"] == "success"]
        assert len(worked) == len(here.journal_lines("run")) >= 3
        account.add(here.account())
        account.tried = account.possible = 30
        assert account.lost == []
        assert account.doubled == 0
