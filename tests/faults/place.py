"""A person's gradent with a home and services of its own, and the account of everything it owed and sent.

What it owed does not follow from what it says it sent: an agent that we wrote puts every step of its own into a
journal, and the identity of each message follows from its run, event and tool call as documented. What arrived is what
the services on loopback got, whole.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep
from typing import Any

from tests.faults.warm import Child, Warm
from tests.street.discord import Discord
from tests.street.ntfy import Ntfy
from tests.street.server import Answer, serving

AGENT = """\
#!/bin/sh
# Writes down what it does before it says so. $1 tools, $2 seconds between them, and longer while it is to hold on.
echo "run $GRADENT_RUN_ID $$" >> "$JOURNAL"
n=0
while [ $n -lt "$1" ]; do
    n=$((n + 1))
    echo "tool $GRADENT_RUN_ID $n" >> "$JOURNAL"
    printf '{"type": "tool.completed", "id": "%s", "tool": "step", "title": "Step %s"}\\n' $n $n || exit 9
    sleep "$2"
    while [ -e "$JOURNAL.hold" ]; do sleep 0.02; done
done
echo "end $GRADENT_RUN_ID" >> "$JOURNAL"
echo "{\\"type\\": \\"run.completed\\", \\"summary\\": \\"$n steps\\"}"
"""
TOOLS = 3
TELLS = {"success": "completed", "failure": "failed", "timeout": "failed", "interrupted": "interrupted"}
"""By what a run's end is told."""
FAILED = "❌ Agent Failed"
UNKEPT = "unkept"
"""Stands for the message that a run failed which is in no outbox, since nothing could be written."""
DOWN = Answer(503, b"<html>down</html>", {"Content-Type": "text/html"})


def identity(run_id: str, event: str, part: str = "") -> str:
    """A message's id: it comes from what the message is about, so that the same one is known when it comes twice."""
    return "-".join(filter(None, (run_id, event, part)))


@dataclass
class Account:
    """Added up over many runs. `lost` names what was owed and never came."""

    kills: int = 0
    expected: int = 0
    delivered: int = 0
    folded: int = 0
    doubled: int = 0
    lost: list[str] = field(default_factory=list)
    vanished: int = 0
    told: int = 0
    tried: int = 0
    possible: int = 0
    seconds: float = 0.0

    def add(self, other: "Account") -> None:
        for name in ("kills", "expected", "delivered", "folded", "doubled", "lost", "vanished", "told"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@dataclass
class Place:
    """`home` holds all that this gradent has; `environ` is the whole environment it is started with.

    `enter` is put before each of its commands when it lives in a namespace of its own; its home is `seen` there then.
    """

    home: Path
    ntfy: Ntfy
    discord: Discord
    environ: dict[str, str]
    warm: Warm | None = None
    enter: tuple[str, ...] = ()
    seen: Path | None = None
    _saved: dict[str, tuple[list[Any], list[Any]]] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        return (self.seen or self.home) / ".local/state/gradent"

    @property
    def journal(self) -> Path:
        return (self.seen or self.home) / "journal"

    @property
    def config(self) -> Path:
        return self.home / ".config/gradent/config.toml"

    def start(self, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str] | Child:
        """gradent as cron starts it: in a session of its own."""
        if self.warm is not None:
            return self.warm.start([*arguments], {**self.environ, **(environ or {})}, self.home)
        return subprocess.Popen(
            [*self.enter, sys.executable, "-P", "-m", "gradent_cli", *arguments],
            env={**self.environ, **(environ or {})},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, *arguments: str, environ: Mapping[str, str] | None = None, seconds: float = 120, expect: int | None = 0
    ) -> Ended:
        """Run it to its end; it must end with this code (None: with any), and never with a traceback."""
        process = self.start(*(arguments or ("run", "--quiet")), environ=environ)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            kill_tree(process, [])
            raise
        ended = Ended(process.returncode or 0, out, err)
        assert "Traceback" not in out + err, err
        assert ended.code != 70, err
        assert expect is None or ended.code == expect, ended
        return ended

    def agents(self) -> list[int]:
        """The agents of this home that live, whoever started them."""
        found = []
        for line in self.journal_lines("run"):
            pid = int(line.split()[2])
            with suppress(OSError):  # its number may be somebody else's by now
                if f"JOURNAL={self.journal}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    found.append(pid)
        return found

    def journal_lines(self, kind: str) -> list[str]:
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [line for line in lines if line.startswith(f"{kind} ")]

    def kill_at_work(self) -> None:
        """A run that is killed after the first thing that its agent did."""
        hold = Path(f"{self.journal}.hold")
        hold.touch()
        done = len(self.journal_lines("tool"))
        process = self.start("run", "--quiet")
        while len(self.journal_lines("tool")) == done:
            assert process.poll() is None
            sleep(0.01)
        process.kill()
        process.communicate()
        hold.unlink()

    def save(self, name: str) -> None:
        """Keep how things are now, to come back to."""
        folder = self.home.parent / name
        shutil.copytree(self.home, folder, symlinks=True)
        self._saved[name] = (list(self.ntfy.messages), list(self.discord.messages))

    def back_to(self, name: str) -> None:
        for pid in self.agents():
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        shutil.rmtree(self.home)
        shutil.copytree(self.home.parent / name, self.home, symlinks=True)
        self.ntfy.messages[:], self.discord.messages[:] = self._saved[name]

    def well(self) -> None:
        """Both services take messages."""
        self.ntfy.down = False
        self.discord.__post_init__()

    def down(self) -> None:
        """Neither takes any."""
        self.ntfy.down = True
        self.discord.server.answer = DOWN

    # ── what came ──

    def rows(self, query: str) -> list[sqlite3.Row]:
        path = self.state / "gradent.db"
        if self.seen is not None:  # SQLite follows the link that leads there, and then it is another place
            path = Path(shutil.copy(path, self.home.parent / "seen.db"))
        with closing(sqlite3.connect(path)) as database:
            database.row_factory = sqlite3.Row
            return database.execute(query).fetchall()

    def arrived(self) -> dict[str, list[str]]:
        """Channel -> the ids of what it got whole, in that order."""
        # Discord has no field for an id; run and title say as much, as no run has two messages of one title.
        query = "SELECT id, run_id, title FROM messages"
        known = {(row["run_id"], row["title"]): row["id"] for row in self.rows(query)}
        query += " JOIN deliveries ON message_id = id WHERE channel = 'discord'"  # two channels fold each for itself
        known |= {(row["run_id"], row["title"]): row["id"] for row in self.rows(query)}
        discord = []
        for message in self.discord.messages:
            (embed,) = message["embeds"]
            run_id = embed["footer"]["text"].removeprefix("run ")
            title = embed["title"].replace("\\", "")
            unknown = UNKEPT if title == FAILED else f"unknown: {title} of {run_id}"
            discord.append(known.get((run_id if run_id != "gradent" else None, title), unknown))
        ids = {row["id"] for row in self.rows("SELECT id FROM messages")}
        ntfy = [
            UNKEPT if message["title"] == FAILED and message["sequence_id"] not in ids else message["sequence_id"]
            for message in self.ntfy.messages
        ]
        return {"ntfy": ntfy, "discord": discord}

    def account(self, *, kills: int = 0, failed_unkept: bool = False) -> Account:
        """Compare what was owed with what came; raises for all that is not in order but losses, which are counted.

        Args:
            failed_unkept: a run that could not keep its own start or end says at once that it failed.
        """
        runs = self.rows("SELECT * FROM runs WHERE status <> 'skipped' ORDER BY number")
        calls = self.rows("SELECT runs.id AS run_id, tool_calls.* FROM tool_calls JOIN runs ON number = run_number")
        account = Account(kills=kills)
        (sound,) = self.rows("PRAGMA integrity_check")
        assert sound[0] == "ok"
        assert self.rows("PRAGMA foreign_key_check") == []
        worked = {line.split()[1] for line in self.journal_lines("run")}
        written = {row["id"] for row in self.rows("SELECT id FROM messages")}
        owed: dict[str, str] = {}
        for run in runs:
            assert run["status"] in TELLS, f"{run['id']} is {run['status']}"
            start = identity(run["id"], "started")
            if run["id"] in worked or start in written or not failed_unkept:  # one that could not be begun has none
                owed[start] = f"{run['id']} started"
            for call in calls:
                # One that was going on when its run vanished is told with that: it never completed.
                if call["run_id"] == run["id"] and call["status"] == "completed" and call["changed"]:
                    owed[identity(run["id"], "tool", call["id"])] = f"{run['id']} tool {call['id']}"
            owed[identity(run["id"], TELLS[run["status"]])] = f"{run['id']} {TELLS[run['status']]}"
        self._judge_by_journal(runs, calls)
        folded = {
            (row["message_id"], row["channel"]): row["folded_into"]
            for row in self.rows("SELECT message_id, channel, folded_into FROM deliveries WHERE status = 'folded'")
        }
        kept = {
            (row["message_id"], row["channel"]): f"{row['status']}: {row['error']}"
            for row in self.rows("SELECT message_id, channel, status, error FROM deliveries")
        }
        may_come = set(folded.values()) | self._others()
        arrived = self.arrived()
        for channel, ids in arrived.items():
            came = Counter(ids)
            strange = {UNKEPT} & set(came) if not failed_unkept else set()
            strange |= set(came) - set(owed) - may_come - {UNKEPT}
            assert not strange, f"{channel} got what nobody owed: {strange}"
            account.expected += len(owed)
            account.doubled += sum(times - 1 for id, times in came.items() if id != UNKEPT)
            for id, words in owed.items():
                if came[id]:
                    account.delivered += 1
                elif came[folded.get((id, channel), "")]:
                    account.folded += 1
                else:
                    account.lost.append(f"{channel}: {words} ({kept.get((id, channel), 'not kept')})")
            self._judge_order(channel, list(dict.fromkeys(ids)))
        vanished = [run["id"] for run in runs if run["status"] == "interrupted"]
        account.vanished = len(vanished)
        account.told = sum(all(identity(id, "interrupted") in ids for ids in arrived.values()) for id in vanished)
        return account

    def _others(self) -> set[str]:
        """Messages that may come beside those that are owed.

        One that stands for several and whose sending was cut off by a kill: it may have come, and what it stood for is
        told again by the next one that does.
        """
        query = "SELECT id FROM messages WHERE event IN ('recovered', 'missed') OR run_number IS NULL"
        return {row["id"] for row in self.rows(query)}

    def _judge_by_journal(self, runs: list[sqlite3.Row], calls: list[sqlite3.Row]) -> None:
        """Every run that an agent took part in is on record, and what it did there is what the agent did, in order."""
        known = {run["id"]: run for run in runs}
        for line in self.journal_lines("run"):
            run_id = line.split()[1]
            assert run_id in known, f"an agent ran in {run_id}, which is not on record"
            did = [line.split()[2] for line in self.journal_lines("tool") if line.split()[1] == run_id]
            kept = sorted((call["id"] for call in calls if call["run_id"] == run_id), key=int)
            if known[run_id]["status"] == "success":
                assert kept == did, f"{run_id}: {kept} on record, the agent did {did}"
            else:
                assert kept == did[: len(kept)], f"{run_id}: {kept} on record, the agent did {did}"

    def _judge_order(self, channel: str, ids: list[str]) -> None:
        """What came by itself came in the order in which it was kept."""
        order = [
            row["message_id"]
            for row in self.rows("SELECT message_id, channel FROM deliveries ORDER BY number")
            if row["channel"] == channel
        ]
        places = [order.index(id) for id in ids if id in order]
        assert places == sorted(places), f"{channel} got its messages out of order: {places}"


def kill_tree(process: subprocess.Popen[str] | Child, agents: list[int]) -> None:
    """gradent's session and those of these agents, at once."""
    for group in (process.pid, *agents):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    process.communicate()


@contextmanager
def place(
    folder: Path,
    *,
    tools: int = TOOLS,
    pause: float = 0.02,
    command: Sequence[str] = (),
    agent: str = "",
    more: str = "",
    warm: Warm | None = None,
) -> Iterator[Place]:
    """A home in `folder`, two services that take everything, and the agent with the journal.

    Args:
        command: another program in its place.
        agent: the config's table [agent] in place of one for a command; `more` comes behind all else.
    """
    home = folder / "home"
    home.mkdir(parents=True)
    program = folder / "agent.sh"
    program.write_text(AGENT)
    program.chmod(0o755)
    argv = json.dumps([*command] or [str(program), str(tools), str(pause)])
    (home / "tmp").mkdir()
    environ = {
        "HOME": str(home),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TMPDIR": str(home / "tmp"),
        "TZ": "UTC",
        "LANG": "C.UTF-8",
        "JOURNAL": str(home / "journal"),
    }
    with serving() as front, serving() as back:
        ntfy, discord = Ntfy(front), Discord(back, burst=1_000_000, global_burst=1_000_000)
        here = Place(home, ntfy, discord, environ, warm)
        here.config.parent.mkdir(parents=True)
        here.config.write_text(
            (agent or f'[agent]\nkind = "command"\ncommand = {argv}\ngrace = "1s"\n')
            + '[notify]\nmax_per_day = 100000\nremind_every = "1s"\n'
            f'[ntfy]\nserver = "{ntfy.server.url}"\ntopic = "{ntfy.topic}"\n'
            f'[discord]\nwebhook = "{discord.webhook}"\n{more}'
        )
        here.config.chmod(0o600)
        if "PYTHONPATH" in os.environ:  # whoever tests another gradent than the installed one
            environ["PYTHONPATH"] = os.environ["PYTHONPATH"]
        yield here
        assert not discord.banned
