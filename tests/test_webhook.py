"""The webhook: what is sent, and what each status means."""

import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gradent_cli.config import load
from gradent_cli.errors import ConfigError, NotifyError
from gradent_cli.notify import open_channels
from gradent_cli.notify.webhook import Webhook
from gradent_cli.records import Message
from tests.street.server import Answer, Server

MESSAGE = Message(
    id="0123456789abcdef",
    event="failed",
    title="❌ Agent Failed",
    text="The disk is full.\nMore: gradent history 20261123-200000-ab12",
    priority=5,
    tags=("x", "warning"),
    created_at=datetime(2026, 11, 23, 20, 0, tzinfo=UTC),
    run_id="20261123-200000-ab12",
    failure=True,
)
DATE = "Mon, 23 Nov 2026 20:00:00 GMT"


def refusal(server: Server, answer: Answer) -> NotifyError:
    server.answer = answer
    with pytest.raises(NotifyError) as caught:
        Webhook(f"{server.url}/hooks/s3cret?key=t0ken").send(MESSAGE)
    for secret in ("s3cret", "t0ken", server.url):
        assert secret not in f"{caught.value.message} {caught.value.hint}"
    return caught.value


def test_a_message_is_its_record_as_json(server: Server) -> None:
    """Exactly these keys, in UTF-8; the id a second time, where proxies and frameworks look for it."""
    Webhook(f"{server.url}/hooks/s3cret?key=t0ken").send(MESSAGE)
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/hooks/s3cret?key=t0ken")
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Idempotency-Key"] == "0123456789abcdef"
    assert request.json == {
        "id": "0123456789abcdef",
        "event": "failed",
        "title": "❌ Agent Failed",
        "text": "The disk is full.\nMore: gradent history 20261123-200000-ab12",
        "priority": 5,
        "tags": ["x", "warning"],
        "created_at": "2026-11-23T20:00:00+00:00",
        "run_id": "20261123-200000-ab12",
        "failure": True,
    }


def test_a_message_without_a_run_says_so(server: Server) -> None:
    """No key is ever left out."""
    Webhook(server.url).send(replace(MESSAGE, run_id=None, failure=False))
    assert server.bodies[0]["run_id"] is None
    assert server.bodies[0]["failure"] is False


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_success_is_taken(server: Server, status: int) -> None:
    """Whatever a receiver answers with it."""
    server.answer = Answer(status, b"" if status == 204 else b"<p>thanks</p>")
    Webhook(server.url).send(MESSAGE)


@pytest.mark.parametrize(
    ("status", "sentence", "permanent"),
    [
        (401, "the webhook refused gradent (401)", "channel"),
        (403, "the webhook refused gradent (403)", "channel"),
        (404, "there is no webhook at this address (404)", "channel"),
        (410, "there is no webhook at this address any more (410)", "channel"),
        (400, "the webhook did not take the message (400)", "message"),
        (413, "the webhook finds the message too large (413)", "message"),
        (422, "the webhook did not take the message (422)", "message"),
        (301, "the webhook did not take the message (301)", None),
        (408, "the webhook did not take the message (408)", None),
        (409, "the webhook did not take the message (409)", None),
        (429, "the webhook wants fewer messages for a while (429)", None),
        (500, "the webhook did not take the message (500)", None),
        (503, "the webhook did not take the message (503)", None),
    ],
)
def test_every_status_has_its_meaning(server: Server, status: int, sentence: str, permanent: str | None) -> None:
    """What settings must change ends the channel, what the text is to blame for ends the message, the rest may pass."""
    caught = refusal(server, Answer(status, b"s3cret t0ken", {"Location": "/elsewhere"}))
    assert (caught.message, caught.permanent) == (sentence, permanent)
    assert (caught.hint is not None) == (permanent == "channel")


@pytest.mark.parametrize(
    ("status", "wanted", "seconds"),
    [
        (429, "7", 7.0),
        (503, " 120 ", 120.0),
        (429, "Mon, 23 Nov 2026 20:01:30 GMT", 90.0),
        (503, "Monday, 23-Nov-26 20:01:30 GMT", 90.0),
        (429, "Mon, 23 Nov 2026 19:00:00 GMT", 0.0),
        (429, "9" * 5000, 999_999_999.0),
        (429, "", None),
        (429, "-5", None),
        (429, "1.5", None),
        (429, "soon", None),
        (429, "Mon, 99 Nov 2026 20:01:30 GMT", None),
        (404, "7", None),
    ],
)
def test_how_long_to_wait_comes_from_the_server(
    server: Server, status: int, wanted: str, seconds: float | None
) -> None:
    """In seconds or until a date, by the clock of the server that names it."""

    def answer(handler, _):
        head = f"HTTP/1.1 {status} No\r\nDate: {DATE}\r\nRetry-After: {wanted}\r\nContent-Length: 0\r\n\r\n"
        handler.wfile.write(head.encode())

    server.raw = answer
    assert refusal(server, Answer()).retry_after == seconds


def test_a_date_without_the_servers_clock_means_nothing(server: Server) -> None:
    """This machine's clock may be anything."""

    def answer(handler, _):
        handler.wfile.write(f"HTTP/1.1 503 No\r\nRetry-After: {DATE}\r\nContent-Length: 0\r\n\r\n".encode())

    server.raw = answer
    assert refusal(server, Answer()).retry_after is None


def test_a_server_that_is_not_there_is_temporary() -> None:
    """A machine without network tries again another time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotifyError) as caught:
        Webhook(f"http://127.0.0.1:{port}/s3cret").send(MESSAGE)
    assert caught.value.message == "the webhook could not be reached: the connection failed: connection refused"
    assert caught.value.permanent is None


def test_where_it_goes_can_be_shown() -> None:
    """Scheme and host; all else may be the secret."""
    assert Webhook("https://me:pw@hooks.example:8443/s3cret?key=t0ken#x").where == "https://hooks.example:8443"


def test_another_address_is_another_channel() -> None:
    """What was refused at one address says nothing about another."""
    assert Webhook("https://h.example/a").identity != Webhook("https://h.example/b").identity
    assert Webhook("https://h.example/a").identity == Webhook("https://h.example/a").identity


def test_the_config_opens_it(config: Path) -> None:
    """`webhook.url` alone makes a channel."""
    config.write_text("[webhook]\nurl = 'http://127.0.0.1:9/hook'\n")
    config.chmod(0o600)
    assert [channel.name for channel in open_channels(load(config, {}).settings)] == ["webhook"]


@pytest.mark.parametrize("url", ["ftp://hooks.example/s3cret", "hooks.example/s3cret", "http:///s3cret"])
def test_what_is_no_web_address_is_refused(config: Path, url: str) -> None:
    """It is not quoted."""
    config.write_text(f"[webhook]\nurl = '{url}'\n")
    with pytest.raises(ConfigError) as caught:
        load(config, {})
    assert "webhook.url: must" in caught.value.message
    assert "s3cret" not in str(caught.value)
