"""Services that refuse, hang, lie and flood: no run is lost or held up by them, and the message stays."""

import os
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from gradent_cli.runner import SEND_SECONDS
from tests.faults.clock import shifted
from tests.faults.conftest import SideBySide
from tests.faults.place import Account, Place, place
from tests.faults.warm import Warm
from tests.street.peers import WAYS, Door, Way

pytestmark = pytest.mark.e2e
AT_ONCE = 24
"""Most of the time each waits for the bound on sending."""
OTHERS = 45.0
"""Seconds more that it may take on a busy machine with many others beside it; the peers hang for a minute longer."""
RSS_KIB = 20 * 1024


def met(here: Place, way: Way | None, *, at_most: int | None) -> tuple[Account, int]:
    """A run at the mercy of this peer, and one more when the services are well again.

    Returns the account and the first run's peak memory in KiB; asserts that this is `at_most` so many.
    """
    with ExitStack() as stack:
        doors = [Door(here.ntfy.server.url), Door(here.discord.server.url)]
        for door, service in zip(doors, (here.ntfy.server, here.discord.server), strict=True):
            stack.callback(door.close)
            here.config.write_text(here.config.read_text().replace(service.url, door.url))
            door.way = way
        process = here.start("run", "--quiet")
        assert isinstance(process, subprocess.Popen)
        _, status, usage = os.wait4(process.pid, 0)
        after_its_agent = time.time() - here.journal.stat().st_mtime
        process.returncode = os.waitstatus_to_exitcode(status)
        out, err = process.communicate()
        assert (process.returncode, out, err) == (0, "", ""), (process.returncode, out, err)
        assert after_its_agent < SEND_SECONDS + OTHERS, f"the run went on for {after_its_agent:.0f} s after its agent"
        more = usage.ru_maxrss - (at_most or usage.ru_maxrss)
        assert more <= 0, f"{more} KiB too many"
        if way is not None:
            assert all(door.met for door in doors)
            assert not here.ntfy.messages
        for door in doors:
            door.way = None
        # A service may ask for a pause until then; a day is the most that is granted.
        here.run(environ=shifted(days=1, hours=1))
        log = (here.state / "gradent.log").read_text()
        assert "Traceback" not in log, log
        assert "defect" not in log, log
        return here.account(), usage.ru_maxrss


def test_peers_that_misbehave(side_by_side: SideBySide, tmp_path: Path):
    """The agent's own exit code, within the bound, in bounded memory; and when they are well, everything comes."""
    with place(tmp_path / "well", tools=1) as here:
        usual = met(here, None, at_most=None)[1]
    limit = usual + RSS_KIB
    side_by_side(lambda here, name: met(here, WAYS[name], at_most=limit)[0], WAYS, at_once=AT_ONCE, tools=1)


def test_nobody_listens(here: Place, account: Account):
    """A port that refuses: the run is what it is, and everything comes when somebody listens there again."""
    door = Door(here.ntfy.server.url)
    here.config.write_text(here.config.read_text().replace(here.ntfy.server.url, door.url))
    door.close()
    here.run()
    assert here.ntfy.messages == []
    here.config.write_text(here.config.read_text().replace(door.url, here.ntfy.server.url))
    here.run()
    account.add(here.account())
    assert account.lost == []


def test_a_refusal_for_good_is_not_asked_for_again(tmp_path: Path, warm: Warm, account: Account):
    """A webhook that was deleted hears of twelve runs once: else Discord would shut out the whole address."""
    with place(tmp_path / "here", warm=warm) as here:
        there = here.config.read_text()
        here.config.write_text(there.replace(here.discord.webhook, here.discord.webhook + "x"))
        for _ in range(12):
            here.run()
        assert len(here.discord.server.requests) == 1
        here.config.write_text(there)
        here.run()
        account.add(here.account())
        assert account.lost == []


@pytest.mark.parametrize(
    "script", ["exit 3", """echo '{"type": "run.failed", "error": "no network"}'"""], ids=["exits", "says so"]
)
def test_a_failing_agent_keeps_its_code(tmp_path, script: str):
    """1 with services that are down, as with ones that are well; and the failure is told by the next run, as itself."""
    with place(tmp_path / "here", command=["sh", "-c", script]) as here:
        here.down()
        assert here.run(expect=1).err.startswith("gradent: the run failed: ")
        here.well()
        here.run(expect=1)
        for titles in (
            [message["title"] for message in here.ntfy.messages],
            [message["embeds"][0]["title"] for message in here.discord.messages],
        ):
            assert titles[:2] == ["🤖 Agent Started", "❌ Agent Failed"]
