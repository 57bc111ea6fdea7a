"""Whatever an agent prints, no byte of it that means something to a terminal gets to a person."""

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys

import pytest

from tests.street.discord import discord
from tests.street.ntfy import ntfy

EVIL = (
    "\x1b[5;41mcolour\x1b[0m \x1b]8;;https://bad.example\x1b\\link\x1b]8;;\x1b\\ \x1b]52;c;ZXZpbA==\x07 \x1bPq#0\x1b\\"
    " \x9b5;41mone\x9d52;c;eA==\x9c \x00\x08\x7f \x1b]0;never closed"
)
BIDI = "\u202egpj\u202c \u2066x\u2069 \u200f\u061c"
MARKUP = "[bold]b[/bold] [/nothing] [link=https://bad.example]"
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

AGENT = f"""
import json, os, sys
evil = {MARKUP + BIDI + EVIL!r}
def raw(text): os.write(1, text.encode("utf-8", "surrogatepass") + b"\\xff\\xc3 \\x80\\n")
raw("plain " + evil + " \\rover it")
os.write(2, ("complaint " + evil).encode() + b"\\xfe\\n")
def say(ascii, **event): os.write(1, json.dumps(event, ensure_ascii=ascii).encode("utf-8", "surrogatepass") + b"\\n")
for ascii in (True, False):
    mine = str(ascii) + evil + " \\ud800 "
    say(ascii, type="tool.started", id="id" + mine, tool="tool" + mine, title="title" + mine)
    say(ascii, type="tool.completed", id="id" + mine, tool="tool" + mine, result="result" + mine)
    say(ascii, type="tool.completed", id="bad" + mine, tool="tool" + mine, title="two\\nlines" + mine, ok=False,
        error={{"deep": ["\\x1b[31mred \\x9b \\u202e"]}})
say(True, type="run.completed", summary="summary" + evil)
if sys.argv[1] == "fails":
    say(False, type="run.failed", error="error" + evil)
if sys.argv[1] == "breaks":
    os.write(2, b"last words \\xff" + evil.encode() + b"\\n")
    sys.exit(9)
"""


@pytest.fixture
def street(home, tmp_path):
    """ntfy and Discord on loopback, and a config for an agent that ends in one of three ways."""
    agent = tmp_path / "agent.py"
    agent.write_text(AGENT)
    path = home / ".config/gradent/config.toml"
    path.parent.mkdir(parents=True)
    with ntfy() as phone, discord() as server:
        server.burst = 1000

        def ending(how):
            command = json.dumps([sys.executable, str(agent), how])
            path.write_text(
                f'[agent]\nkind = "command"\ncommand = {command}\n'
                f'[ntfy]\nserver = "{phone.server.url}"\ntopic = "{phone.topic}"\n'
                f'[discord]\nwebhook = "{server.webhook}"\n'
            )
            path.chmod(0o600)
            return phone.server, server.server

        yield ending


def strings(value):
    """Every text in a JSON document, its keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from (key, *strings(each))
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


def texts_in(database):
    connection = sqlite3.connect(database)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        for row in connection.execute(f"SELECT * FROM {table}"):
            yield from (value for value in row if isinstance(value, str))
    connection.close()


@pytest.mark.parametrize("how", ["works", "fails", "breaks"])
def test_nothing_that_controls_a_terminal_gets_through(gradent, street, state, how):
    """Not on stdout or stderr, in JSON, log, history and database, nor to ntfy or Discord; the words all get there."""
    servers = street(how)
    said = {}
    for arguments in ("run", "run --quiet", "run --dry-run", "history last", "history", "status", "notify flush"):
        result = gradent(*arguments.split())
        said[arguments] = result.out + result.err
    for arguments in ("run --json", "run --dry-run --json", "history last --json", "history --json", "status --json"):
        said[arguments] = "\n".join(strings(json.loads(gradent(*arguments.split()).out)))
    said["log"] = (state / "gradent.log").read_text()
    said["database"] = "\n".join(texts_in(state / "gradent.db"))
    for server, name in zip(servers, ("ntfy", "discord"), strict=True):
        assert server.requests
        said[name] = "\n".join(text for body in server.bodies for text in strings(body))
    for where, text in said.items():
        assert HARMFUL.findall(text) == [], where
        # What a control string carries is gone with it, but where the agent's JSON is shown as it wrote it.
        assert where in ("history last", "database") or "ZXZpbA" not in text, where
    for name in ("run", "history last", "run --json", "ntfy", "discord", "log", "database"):
        assert "colour link" in said[name], name
    assert "plain [bold]" in said["log"]
    assert "complaint [bold]" in said["history last"]


@pytest.mark.parametrize("how", ["works", "breaks"])
def test_on_a_real_terminal_only_our_own_colours_show(street, how):
    """The live display, too, takes the agent's words as words: no escape, no markup, and no crash of it."""
    street(how)
    environment = {**os.environ, "TERM": "xterm-256color"}
    del environment["NO_COLOR"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "gradent_cli", "run"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += (chunk := os.read(ours, 65536))
        except OSError:
            break
        if not chunk:
            break
    os.close(ours)
    assert process.wait(10) == (0 if how == "works" else 1)
    text = shown.decode()
    own = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|[0-9]*[AGK])|\r")
    assert HARMFUL.findall(own.sub("", text)) == []
    assert "\x1b[5;41m" not in text
    assert "ZXZpbA" not in text
    assert "[bold]b[/bold] [/nothing]" in " ".join(own.sub("", text).split())
