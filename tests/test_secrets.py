"""A secret planted in every place that may hold one turns up in no place that anybody reads."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.street.managers import Managers
from tests.street.server import Answer, serving

TOPIC = "gradent-planted0topic1x7k2m9q4w8"
TOKEN = "tk_planted1ntfy2token3"
WEBHOOK = "planted4webhook5token6_-abcdefghijklmnop"
FEED = "planted7feed8secret9"
KEY = "planted-agent-key-10"
HOOK = "planted11hook12path13"
PASSWORD = "planted14apprise15pass"
PING = "planted16-0000-4000-8000-ping17healthy"
PROXY = "planted18proxy19pass"
MODEL = "planted20model21key"
PLANTED = (TOKEN, WEBHOOK, FEED, KEY, HOOK, PASSWORD, PING, MODEL)


@pytest.fixture
def config(gradent, server):
    """Set up as a person would, with every secret read from standard input; services that quote what they get."""
    server.answer = lambda request: Answer(401, f"{request.path} {request.headers} {request.body!r}".encode())
    gradent("config", "set", "--frequency", "1hour", "--ntfy-topic", TOPIC, "--ntfy-server", server.url)
    host = server.url.partition("//")[2]
    secrets = {
        "--ntfy-token": TOKEN,
        "--discord-webhook": f"{server.url}/api/webhooks/1234567890/{WEBHOOK}",
        "--source": f"{server.url}/feeds/user_{FEED}.ics?token={FEED}",
        "agent.env.API_KEY": KEY,
        "webhook.url": f"{server.url}/hooks/{HOOK}?key={HOOK}",
        "apprise.urls": json.dumps([f"json://ada:{PASSWORD}@{host}/{PASSWORD}/"]),
        "healthchecks.ping_url": f"{server.url}/ping/{PING}",
        "llm.api_key": MODEL,
    }
    said = [gradent("config", "set", key, "-", input=secret) for key, secret in secrets.items()]
    assert [result.code for result in said] == [0] * len(secrets), said
    return said


def planted_in(text: str | bytes) -> list[str]:
    content = text if isinstance(text, bytes) else text.encode()
    return [secret for secret in PLANTED if secret.encode() in content]


def test_no_command_shows_a_secret(gradent, config, crontab, home, server):
    """Setting, showing, running, failing, asking back: nothing printed quotes one."""
    said = [
        *config,
        gradent("config", "show"),
        gradent("config", "show", "--json"),
        *(
            gradent("config", "get", key)
            for key in ("discord.webhook", "study", "webhook", "apprise", "healthchecks", "llm")
        ),
        gradent("run"),
        gradent("run", "--quiet"),
        gradent("notify", "test"),
        gradent("install-cron"),
        gradent("status"),
        gradent("status", "--json"),
        gradent("doctor"),
        gradent("history", "last"),
        gradent("history", "--json"),
        gradent("config", "set", "discord.webhook", f"nonsense-{WEBHOOK}"),
        gradent("config", "set", "webhook.url", f"ftp://x/{HOOK}"),
        gradent("config", "set", "apprise.urls", json.dumps([f"{PASSWORD}"])),
        gradent("config", "set", "healthchecks.ping_url", f"nonsense-{PING}"),
        gradent("config", "set", "llm.api_key", f"Bearer {MODEL}"),
        gradent("config", "set", "llm.base_url", f"https://ada:{MODEL}@x/v1"),
        gradent("config", "set", "study.sources", f'[{{kind="ics", url="ftp://x/{FEED}"}}]'),
    ]
    # The services did hear them, each its own.
    heard = "\n".join(f"{request.path} {request.headers} {request.body!r}" for request in server.requests)
    assert all(secret in heard for secret in (TOPIC, TOKEN, WEBHOOK, FEED, HOOK, PING))
    for result in said:
        assert planted_in(result.out + result.err) == [], result
    # The topic is no secret to the person who set it, but in what is shown unasked it is cut.
    for result in said[len(config) + 8 : -7]:
        assert TOPIC not in result.out + result.err, result


def test_no_message_holds_what_is_secret_elsewhere(gradent, config, server):
    """What one channel is told by way of address or credential is in nothing that another one gets."""
    gradent("run", "--quiet")
    gradent("run", "--quiet")
    own = {"/api/": WEBHOOK, "/hooks": HOOK, "/ping": PING, "/feeds": FEED, f"/{PASSWORD}": PASSWORD}
    for request in server.requests:
        mine = {secret for path, secret in own.items() if request.path.startswith(path)}
        mine |= {TOKEN} if request.path == "/" else set()
        everything = f"{request.path} {request.headers} {request.body!r}"
        assert set(planted_in(everything)) <= mine, request.path
        assert request.path == "/" or TOPIC not in everything
        assert planted_in(request.body) == []


def test_no_file_but_the_config_holds_a_secret(gradent, config, crontab, home, tmp_path):
    """Log, database, plan, backups, crontab: after failing runs none of them has one."""
    gradent("run", "--quiet")
    gradent("install-cron")
    gradent("config", "set", "--frequency", "3hours")  # the crontab changes, and is backed up before
    gradent("run", "--quiet")
    config_file = home / ".config/gradent/config.toml"
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path != config_file]
    assert {"gradent.log", "gradent.db", "tab"} <= {path.name for path in files}
    assert any("crontab-backups" in path.parts for path in files)
    for path in files:
        assert planted_in(path.read_bytes()) == [], path
        assert TOPIC.encode() not in path.read_bytes(), path
    with closing(sqlite3.connect(home / ".local/state/gradent/gradent.db")) as database:
        dump = "".join(database.iterdump())
    assert planted_in(dump) == []
    assert "401" in dump  # the refusals are in it


def test_no_unit_holds_a_secret(gradent, config, home, tmp_path, monkeypatch):
    """What systemd is given: the files, and every call of its programs."""
    offered = tmp_path / "offered"
    offered.mkdir()
    monkeypatch.setenv("PATH", f"{offered}:/usr/bin:/bin")
    managers = Managers(tmp_path / "managers", offered)
    managers.offer("systemctl", "loginctl")
    assert gradent("install-cron", "--scheduler", "systemd").code == 0
    units = list((home / ".config/systemd/user").rglob("*.*"))
    assert len(units) >= 2
    for path in [*units, *(tmp_path / "managers").rglob("*")]:
        if path.is_file():
            assert planted_in(path.read_bytes()) == [], path
            assert TOPIC.encode() not in path.read_bytes(), path


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
    assert len(server.requests) >= 8  # ntfy, Discord, webhook, Apprise; and the pings, which get the output
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
    assert planted_in(seen.read_bytes()) == []
    assert TOPIC.encode() not in seen.read_bytes()


def test_a_proxys_password_is_shown_by_nothing(gradent, config, home, monkeypatch):
    """The proxy of the environment quotes what it gets; what is said and kept of its answers does not have it."""
    gradent("config", "unset", "apprise.urls")  # it goes its own ways
    with serving() as proxy:
        proxy.answer = lambda request: Answer(401, f"{request.path} {request.headers}".encode())
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://ada:{PROXY}@{urlsplit(proxy.url).netloc}")
        # In a process of its own, as the client that knows the proxy lasts as long as its process.
        command = [sys.executable, "-P", "-m", "gradent_cli", "run"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert {"Proxy-Authorization"} <= {name for request in proxy.requests for name in request.headers}
    said = [gradent("status"), gradent("history", "last")]
    for text in (done.stdout, done.stderr, *(result.out + result.err for result in said)):
        assert PROXY not in text
        assert "Traceback" not in text
    for path in Path(home, ".local").rglob("*"):
        assert not path.is_file() or PROXY.encode() not in path.read_bytes(), path
