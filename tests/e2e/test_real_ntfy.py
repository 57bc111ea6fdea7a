"""Messages on a real ntfy server: what arrives, what it refuses, what it has no room for, and how it comes back."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gradent_cli.notify.ntfy import BODY_BYTES, TEXT_BYTES, Ntfy
from gradent_cli.records import Message
from tests.e2e.ntfy_server import Ntfy as Server
from tests.e2e.ntfy_server import Program, serving, unpacked
from tests.faults.clock import shifted

pytestmark = pytest.mark.e2e

TOPIC = "gradent-x7k2m9q4w8"
EXEMPT = {"visitor_request_limit_burst": 100_000, "visitor_message_daily_limit": 100_000}
"""For tests of other things than limits: all requests come from one address."""
AGENT = """\
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
for number in range(int(sys.argv[2])):
    step = {"type": "tool.completed", "tool": "step", "title": f"Step {number}", "result": f"naïve ✓ {number}"}
    print(json.dumps(step), flush=True)
    if sys.argv[3:]:
        (folder / f"at-{number}").touch()
        while not (folder / f"go-{number}").exists():
            time.sleep(0.02)
print(json.dumps({"type": "run.completed", "summary": "Planned"}))
"""
RUN = ["🤖 Agent Started", "🔧 Step 0", "🔧 Step 1", "✅ Agent Completed"]


@pytest.fixture(scope="module")
def program(pytestconfig: pytest.Config) -> Program:
    cache = pytestconfig.cache
    assert cache is not None
    return unpacked(cache.mkdir("debian"))


@pytest.fixture(scope="module")
def ntfy(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests that only need another topic each."""
    with serving(program, tmp_path_factory.mktemp("ntfy") / "server", **EXEMPT) as running:
        yield running


@dataclass
class Student:
    """A gradent in the test's own home, with a program of `steps` tools as its agent."""

    home: Path

    def configure(self, server: Server, topic: str, *, token: str = "", steps: int = 2, wait: bool = False) -> None:
        script = self.home / "agent.py"
        script.write_text(AGENT)
        command = [sys.executable, str(script), str(self.home), str(steps), *(["wait"] if wait else [])]
        config = self.home / ".config/gradent/config.toml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(
            f'[agent]\nkind = "command"\ncommand = {json.dumps(command)}\n'
            f'[ntfy]\nserver = "{server.url}"\ntopic = "{topic}"\n' + (f'token = "{token}"\n' if token else "")
        )
        config.chmod(0o600)

    def start(self, *arguments: str, environ: dict[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "gradent_cli", *arguments],
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, environ: dict[str, str] | None = None) -> str:
        """It ends with 0, whatever becomes of its messages."""
        process = self.start(*(arguments or ("run", "--quiet")), environ=environ)
        out, err = process.communicate(timeout=90)
        assert (process.returncode, err) == (0, ""), err
        return out

    def deliveries(self) -> list[tuple[str, str]]:
        """Status and error of each, oldest first."""
        with closing(sqlite3.connect(self.home / ".local/state/gradent/gradent.db")) as database:
            return database.execute("SELECT status, coalesce(error, '') FROM deliveries ORDER BY number").fetchall()


@pytest.fixture
def student(home: Path) -> Student:
    return Student(home)


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """One of the test's own; what is on it is known to be from this test."""
    return f"gradent-{abs(hash(request.node.name)):x}"


def titles(messages: list[dict[str, Any]]) -> list[str]:
    return [message["title"] for message in messages]


def message(text: str, title: str = "🔔 Test") -> Message:
    now = datetime.now(UTC)
    return Message(
        id="0123456789abcdef", event="completed", title=title, text=text, priority=3, tags=("bell",), created_at=now
    )


def test_a_run_arrives_as_it_is(ntfy: Server, student: Student, topic: str):
    """In order; with title, priority, tags and text; one message for one tool that ended."""
    student.configure(ntfy, topic)
    student.run()
    came = ntfy.messages(topic)
    assert titles(came) == RUN
    assert [each["priority"] for each in came] == [4, 3, 3, 3]
    assert [each["tags"] for each in came] == [
        ["robot", "rocket"], ["wrench"], ["wrench"], ["white_check_mark", "tada", "books"],
    ]  # fmt: skip
    assert came[0]["message"] == "The command agent is at work."
    assert came[1]["message"] == "naïve ✓ 0"
    assert came[3]["message"].startswith("Planned\nTook ")
    assert {each["topic"] for each in came} == {topic}
    assert {status for status, _ in student.deliveries()} == {"sent"}


@pytest.mark.parametrize(
    "text",
    [
        "x" * (TEXT_BYTES - 1), "x" * TEXT_BYTES, "x" * (TEXT_BYTES + 1), "x" * 100_000,
        "é" * (TEXT_BYTES // 2), "x" + "é" * (TEXT_BYTES // 2), "é" * TEXT_BYTES,
        "🤖" * (TEXT_BYTES // 4), "xxx" + "🤖" * (TEXT_BYTES // 4), "🤖" * TEXT_BYTES,
        '"' * TEXT_BYTES, "\\" * TEXT_BYTES, "\n" * 5000 + "end", "<b>&amp;</b>" * 400,
    ],
    ids=lambda text: f"{len(text)} characters, {len(text.encode())} bytes, {text[:1]!r}",
)  # fmt: skip
def test_no_text_becomes_an_attachment(ntfy: Server, topic: str, text: str):
    """At the edge of 4095 bytes and beyond it, in one byte a character or four, quoted or not: it stays a text."""
    Ntfy(topic, server=ntfy.url).send(message(text, title="T" * 500))
    (came,) = ntfy.messages(topic)
    assert "attachment" not in came
    assert len(came["message"].encode()) <= TEXT_BYTES
    body = {**came, "message": came["message"]}
    assert len(json.dumps(body, ensure_ascii=False).encode()) <= BODY_BYTES + 500
    if len(text.encode()) <= TEXT_BYTES and '"' not in text and "\\" not in text:
        assert came["message"] == text.strip()


def test_the_servers_limit_is_where_we_think_it_is(ntfy: Server, topic: str):
    """One byte more than we send and it is an attachment: else the tests above would say nothing."""
    import httpx

    for length in (TEXT_BYTES, TEXT_BYTES + 1):
        httpx.post(f"{ntfy.url}/", json={"topic": topic, "message": "x" * length}).raise_for_status()
    exact, more = ntfy.messages(topic)
    assert "attachment" not in exact
    assert "attachment" in more


def test_the_message_id_does_no_harm(ntfy: Server, topic: str):
    """A server that does not know `sequence_id` shows the same message twice, as without it."""
    for _ in range(2):
        Ntfy(topic, server=ntfy.url).send(message("the same"))
    assert [each["message"] for each in ntfy.messages(topic)] == ["the same"] * 2


def test_a_protected_topic_needs_the_right_token(program: Program, student: Student, topic: str, tmp_path: Path):
    """None, a wrong one and one that may only read are refused for good; with the right one all comes, in order."""
    with serving(program, tmp_path / "server", auth_default_access="deny-all", **EXEMPT) as server:
        reader = server.user("reader", topic, "read-only")
        writer = server.user("writer", topic, "read-write")
        for token, words in (("", "403"), ("tk_nosuchtokenatallxxxxxxxxxxxx", "401"), (reader, "403")):
            student.configure(server, topic, token=token)
            student.run()
            assert server.messages(topic, writer) == []
            assert words in student.deliveries()[-1][1]
            said = " ".join(student.run("status").split())
            assert "gradent config set --ntfy-token" in said
            assert token not in said or not token
        student.configure(server, topic, token=writer)
        student.run()
        came = titles(server.messages(topic, writer))
    assert came[-4:] == RUN
    assert came[:-4] == ["✅ 3 Earlier Runs Completed"]


def test_what_is_over_the_days_allowance_waits(program: Program, student: Student, topic: str, tmp_path: Path):
    """42908: nothing more is tried in this run or within the hour, and all of it comes when there is room again."""
    with serving(program, tmp_path / "server", **{**EXEMPT, "visitor_message_daily_limit": 3}) as server:
        student.configure(server, topic)
        student.run()
        assert titles(server.messages(topic)) == RUN[:3]
        assert "used up" in student.deliveries()[-1][1]
        student.run()
        assert titles(server.messages(topic)) == RUN[:3]
        server.kill()
        server.configure(**EXEMPT)
        server.start()
        student.run(environ=shifted(hours=2))
        came = titles(server.messages(topic))
    assert came[:3] == RUN[:3]
    assert came[3:] == ["✅ 2 Earlier Runs Completed", *RUN]


def test_a_burst_is_waited_for(program: Program, student: Student, topic: str, tmp_path: Path):
    """42901 has no Retry-After: the run waits a moment, and every message comes in it, once and in order."""
    limits = {"visitor_request_limit_burst": 4, "visitor_request_limit_replenish": "2s"}
    with serving(program, tmp_path / "server", **limits) as server:
        student.configure(server, topic)
        student.run()
        time.sleep(4)  # asking is a request, too
        came = server.messages(topic)
    assert titles(came) == RUN


def test_a_server_that_was_down_gets_all_when_it_is_back(
    program: Program, student: Student, topic: str, tmp_path: Path
):
    """Three runs without it, then one with it: the earlier ones as one message, before those of the present run."""
    with serving(program, tmp_path / "server", **EXEMPT) as server:
        student.configure(server, topic)
        student.run()
        server.kill()
        for _ in range(3):
            student.run()
        server.start()
        student.run()
        came = titles(server.messages(topic))
        assert came == [*RUN, "✅ 3 Earlier Runs Completed", *RUN]
        student.run()
        assert titles(server.messages(topic)) == [*came, *RUN]


def test_a_server_killed_in_the_middle_of_a_run(program: Program, student: Student, topic: str, tmp_path: Path):
    """kill -9 after the first tool, back before the end: every message of the run comes, in order, once."""
    with serving(program, tmp_path / "server", **EXEMPT) as server:
        student.configure(server, topic, steps=3, wait=True)
        process = student.start("run", "--quiet")
        _until(lambda: len(server.messages(topic)) == 2)
        server.kill()
        (student.home / "go-0").touch()
        _until((student.home / "at-1").exists)
        (student.home / "go-1").touch()
        _until((student.home / "at-2").exists)
        server.start()
        (student.home / "go-2").touch()
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0
        came = titles(server.messages(topic))
    assert came == ["🤖 Agent Started", "🔧 Step 0", "🔧 Step 1", "🔧 Step 2", "✅ Agent Completed"]


def _until(true: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
