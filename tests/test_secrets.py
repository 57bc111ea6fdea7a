"""A secret planted in every place that may hold one turns up in no place that anybody reads."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.street.server import Answer

TOKEN = "tk_planted1ntfy2token3"
WEBHOOK = "planted4webhook5token6_-abcdefghijklmnop"
FEED = "planted7feed8secret9"
KEY = "planted-agent-key-10"
PLANTED = (TOKEN, WEBHOOK, FEED, KEY)


@pytest.fixture
def config(gradent, server):
    """Set up as a person would, with every secret read from standard input; services that quote what they get."""
    server.answer = lambda request: Answer(403, f"{request.path} {request.headers}".encode())
    gradent("config", "set", "--frequency", "1hour", "--ntfy-topic", "gradent-x7k2m9q4w8", "--ntfy-server", server.url)
    said = [
        gradent("config", "set", "--ntfy-token", "-", input=TOKEN),
        gradent("config", "set", "--discord-webhook", "-", input=f"{server.url}/api/webhooks/1234567890/{WEBHOOK}"),
        gradent("config", "set", "--source", "-", input=f"{server.url}/feeds/user_{FEED}.ics?token={FEED}"),
        gradent("config", "set", "agent.env.API_KEY", "-", input=KEY),
    ]
    assert [result.code for result in said] == [0] * 4
    return said


def test_no_command_shows_a_secret(gradent, config, crontab, home, server):
    """Setting, showing, running, failing, asking back: nothing printed quotes one."""
    said = [
        *config,
        gradent("config", "show"),
        gradent("config", "show", "--json"),
        gradent("config", "get", "discord.webhook"),
        gradent("config", "get", "study"),
        gradent("run"),
        gradent("run", "--quiet"),
        gradent("notify", "test"),
        gradent("install-cron"),
        gradent("status"),
        gradent("history", "last"),
        gradent("history", "--json"),
        gradent("config", "set", "discord.webhook", f"nonsense-{WEBHOOK}"),
        gradent("config", "set", "study.sources", f'[{{kind="ics", url="ftp://x/{FEED}"}}]'),
    ]
    assert [result.code for result in said[11:15]] == [0] * 4
    assert server.requests  # the services did hear them
    for result in said:
        for secret in PLANTED:
            assert secret not in result.out + result.err, result


def test_no_file_but_the_config_holds_a_secret(gradent, config, crontab, home, tmp_path):
    """Log, database, plan, backups, crontab: after failing runs none of them has one."""
    gradent("run", "--quiet")
    gradent("install-cron")
    gradent("run", "--quiet")
    config_file = home / ".config/gradent/config.toml"
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path != config_file]
    assert {"gradent.log", "gradent.db", "tab"} <= {path.name for path in files}
    for path in files:
        for secret in PLANTED:
            assert secret.encode() not in path.read_bytes(), path
    with closing(sqlite3.connect(home / ".local/state/gradent/gradent.db")) as database:
        dump = "".join(database.iterdump())
    assert not any(secret in dump for secret in PLANTED)


def test_an_agent_that_prints_its_key_cannot_spread_it(gradent, config, home, tmp_path, server):
    """Output tail, tools and summary of a program that quotes its own environment are starred out."""
    server.answer = Answer(200, b'{"id":"x"}')
    script = tmp_path / "agent.py"
    script.write_text("""
import json, os
key = os.environ["API_KEY"]
print(json.dumps({"type": "tool.completed", "tool": "look", "title": key, "ok": True, "result": key}))
print(key)
print(json.dumps({"type": "run.failed", "error": key}))
""")
    gradent("config", "set", "agent.command", json.dumps([sys.executable, str(script)]))
    gradent("config", "set", "agent.kind", "command")
    result = gradent("run")
    assert "***" in result.out
    assert KEY not in result.out + result.err
    assert KEY not in gradent("history", "last").out
    assert all(KEY.encode() not in request.body for request in server.requests)
    assert all(KEY.encode() not in path.read_bytes() for path in (home / ".local").rglob("*") if path.is_file())


def test_the_process_list_shows_no_secret(gradent, config, tmp_path):
    """What cron starts, and what the agent is started with, carry none in their arguments."""
    seen = tmp_path / "seen"
    spy = f"cat /proc/[0-9]*/cmdline > {seen} 2>/dev/null || true"
    gradent("config", "set", "agent.command", json.dumps(["sh", "-c", spy]))
    gradent("config", "set", "agent.kind", "command")
    command = [sys.executable, "-P", "-m", "gradent_cli", "run", "--quiet"]
    assert subprocess.run(command, check=False).returncode == 0
    assert b"gradent_cli" in seen.read_bytes()
    assert not any(secret.encode() in seen.read_bytes() for secret in PLANTED)
