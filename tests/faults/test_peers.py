"""Services that refuse, hang, lie and flood: no run is lost or held up by them, and the message stays."""

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from gradent_cli.runner import SEND_SECONDS
from tests.faults.clock import shifted
from tests.faults.place import Account, Place, place
from tests.street.peers import WAYS, Door, Way

pytestmark = pytest.mark.e2e
AT_ONCE = 20
"""Most of the time each waits for the bound on sending."""
OTHERS = 5.0
"""Seconds that the beginning and the end of the sending may take with many others beside it."""
RSS_KIB = 20 * 1024


@dataclass(frozen=True)
class Met:
    """How a run fared with a peer: its seconds after the agent's end, its peak memory in KiB and what it logged."""

    account: Account
    seconds: float
    peak: int
    log: str


def met(folder: Path, way: Way | None) -> Met:
    """A run at the mercy of this peer, and one more when the services are well again."""
    with place(folder, tools=1) as here, ExitStack() as stack:
        doors = [Door(here.ntfy.server.url), Door(here.discord.server.url)]
        for door, service in zip(doors, (here.ntfy.server, here.discord.server), strict=True):
            stack.callback(door.close)
            here.config.write_text(here.config.read_text().replace(service.url, door.url))
        for door in doors:
            door.way = way
        process = here.start("run", "--quiet")
        assert isinstance(process, subprocess.Popen)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.time() - here.journal.stat().st_mtime
        process.returncode = os.waitstatus_to_exitcode(status)
        out, err = process.communicate()
        assert (process.returncode, out, err) == (0, "", ""), (process.returncode, out, err)
        if way is not None:
            assert all(door.met for door in doors)
            assert not here.ntfy.messages
        for door in doors:
            door.way = None
        # A service may ask for a pause until then; a day is the most that is granted.
        here.run(environ=shifted(days=1, hours=1))
        return Met(here.account(), seconds, usage.ru_maxrss, (here.state / "gradent.log").read_text())


def test_peers_that_misbehave(account: Account, tmp_path):
    """The agent's own exit code, within the bound, in bounded memory; and when they are well, everything comes."""
    usual = met(tmp_path / "well", None).peak
    trouble: list[str] = []

    def one(number: int, name: str, way: Way) -> None:
        try:
            found = met(tmp_path / str(number), way)
        except Exception as error:  # noqa: BLE001  the others go on, and it is told at the end
            trouble.append(f"{name}: {error}")
            return
        account.add(found.account)
        trouble.extend(f"{name}: lost: {lost}" for lost in found.account.lost)
        if found.seconds > SEND_SECONDS + OTHERS:
            trouble.append(f"{name}: the run went on for {found.seconds:.0f} s after its agent")
        if found.peak > usual + RSS_KIB:
            trouble.append(f"{name}: {found.peak - usual} KiB more than usual")
        if "Traceback" in found.log or "defect" in found.log:
            trouble.append(f"{name}: a defect: {found.log}")

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(one, range(len(WAYS)), WAYS, WAYS.values()))
    account.tried = account.possible = len(WAYS)
    assert not trouble, "\n".join(trouble)


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


def test_a_refusal_for_good_is_not_asked_for_again(here: Place, account: Account):
    """A webhook that was deleted hears of twelve runs once: else Discord would shut out the whole address."""
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
