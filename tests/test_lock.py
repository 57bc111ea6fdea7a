import subprocess
import sys
import threading
from time import monotonic

import pytest

from gradent_cli import lock
from gradent_cli.errors import RunGoingOnError, StateError
from tests.street.clock import NOW

HOLD = """
import sys, time
from datetime import datetime, UTC
from pathlib import Path
from gradent_cli import lock
with lock.held(Path(sys.argv[1]), now=datetime.now(UTC)):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_is_told_who_is_first(tmp_path, holder):
    """The refusal names the process and since when."""
    with (
        pytest.raises(RunGoingOnError, match=rf"process {holder.pid}, since 20"),
        lock.held(tmp_path / "lock", now=NOW),
    ):
        pass


def test_a_killed_holder_leaves_no_lock(tmp_path, holder):
    """The kernel gives the lock back at SIGKILL; nobody has to tidy up."""
    holder.kill()
    holder.wait()
    with lock.held(tmp_path / "lock", now=NOW):
        pass


def test_a_program_started_under_the_lock_does_not_keep_it(tmp_path):
    """An agent's orphan must not block every later run."""
    with lock.held(tmp_path / "lock", now=NOW):
        orphan = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with lock.held(tmp_path / "lock", now=NOW):
            pass
    finally:
        orphan.kill()
        orphan.wait()


def test_a_lock_that_cannot_be_opened_is_a_state_error(tmp_path):
    """One sentence with the path."""
    with pytest.raises(StateError, match="cannot open the lock"), lock.held(tmp_path / "no" / "lock", now=NOW):
        pass


def test_whoever_waits_gets_it_when_it_is_free(tmp_path):
    """Within the time given; a holder that stays longer is named as without waiting."""
    held = lock.held(tmp_path / "lock", now=NOW)
    held.__enter__()
    threading.Timer(0.15, held.__exit__, (None, None, None)).start()
    with lock.held(tmp_path / "lock", now=NOW, wait=30):
        began = monotonic()
        with pytest.raises(RunGoingOnError), lock.held(tmp_path / "lock", now=NOW, wait=0.1):
            pass
        assert 0.1 <= monotonic() - began < 20


def test_looking_whether_it_is_held_changes_nothing(tmp_path, holder):
    """It says so, creates no file, and keeps nobody from taking it."""
    assert lock.is_held(tmp_path / "lock")
    assert not lock.is_held(tmp_path / "other")
    assert not (tmp_path / "other").exists()
    holder.kill()
    holder.wait()
    assert not lock.is_held(tmp_path / "lock")
    with lock.held(tmp_path / "lock", now=NOW):
        assert lock.is_held(tmp_path / "lock")
