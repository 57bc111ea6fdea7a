"""ntfy: what is sent, what fits, and what each of its answers means."""

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli.errors import NotifyError
from gradent_cli.notify.ntfy import Ntfy, payload
from gradent_cli.records import Message
from gradent_cli.text import CUT
from tests.street.server import Answer, Server

TOPIC = "gradent-x7k2p9"
TOKEN = "tk_s3cret0123456789"
PUBLISHED = Answer(200, b'{"id":"hwQ2YpKdmg23","time":1795465800,"event":"message","topic":"gradent-x7k2p9"}')


def message(text: str = "Checking for updates", title: str = "🤖 Agent Started") -> Message:
    return Message(
        id="0123456789abcdef",
        event="started",
        title=title,
        text=text,
        priority=4,
        tags=("robot", "rocket"),
        created_at=datetime(2026, 11, 23, 20, 0, tzinfo=UTC),
        run_id="20261123-200000-ab12",
    )


def refusal(server: Server, answer: Answer) -> NotifyError:
    server.answer = answer
    with pytest.raises(NotifyError) as caught:
        Ntfy(TOPIC, server=server.url, token=TOKEN).send(message())
    assert TOPIC not in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert server.url not in str(caught.value)
    return caught.value


def error(status: int, code: int, words: str = "what ntfy says") -> Answer:
    body = {"code": code, "http": status, "error": words, "link": "https://ntfy.sh/docs"}
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def test_a_message_is_json_to_the_root(server: Server) -> None:
    """Exactly the documented fields, to `/`, with the token as Bearer."""
    server.answer = PUBLISHED
    Ntfy(TOPIC, server=server.url, token=TOKEN).send(message())
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/")
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.json == {
        "topic": TOPIC,
        "title": "🤖 Agent Started",
        "message": "Checking for updates",
        "priority": 4,
        "tags": ["robot", "rocket"],
        "sequence_id": "0123456789abcdef",
    }
    assert "🤖".encode() in request.body, "escaped characters would use up ntfy's room"


def test_without_a_token_nobody_is_named(server: Server) -> None:
    """An open topic gets no Authorization header."""
    server.answer = PUBLISHED
    Ntfy(TOPIC, server=server.url).send(message())
    assert "Authorization" not in server.requests[0].headers


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_an_empty_text_is_never_sent(text: str) -> None:
    """ntfy would show the word "triggered"; the title says more."""
    assert payload(TOPIC, message(text))["message"] == "🤖 Agent Started"


@pytest.mark.parametrize("letter", ["a", "é", "漢", "🎓"])
def test_the_edge_of_an_attachment(letter: str) -> None:
    """4095 bytes stay whole; what would be more is cut, not made an attachment."""
    size = len(letter.encode())
    whole = letter * (4095 // size) + "." * (4095 % size)
    assert payload(TOPIC, message(whole))["message"] == whole
    cut = payload(TOPIC, message(whole + "."))["message"]
    assert cut.endswith(CUT)
    assert 4095 - 4 <= len(cut.encode()) <= 4095


def test_room_in_the_body_is_used() -> None:
    """Characters that JSON must escape take more of the body, and only then is the text cut further."""
    document = payload(TOPIC, message('"' * 4095))
    assert document["message"].endswith(CUT)
    assert 7800 < len(json.dumps(document, ensure_ascii=False).encode()) <= 8192


@given(st.text(), st.integers(1, 900), st.text(max_size=600))
def test_any_text_keeps_ntfys_limits(piece: str, times: int, title: str) -> None:
    """4095 bytes of text, 8192 of body, never empty, and what was cut says so."""
    text = piece * times
    document = payload(TOPIC, message(text, title=title or "title"))
    said = document["message"]
    assert 0 < len(said.encode()) <= 4095
    assert len(json.dumps(document, ensure_ascii=False).encode()) <= 8192
    assert said == (text.strip() or title or "title") or said.endswith(CUT)


@pytest.mark.parametrize(
    ("answer", "sentence", "permanent", "retry_after"),
    [
        (error(400, 40009), "ntfy does not accept this topic's name (40009)", "channel", None),
        (error(400, 40010), "ntfy keeps this topic's name for itself (40010)", "channel", None),
        (error(400, 40024), "ntfy did not accept the message (40024)", "message", None),
        (error(401, 40101), "ntfy refused the token (40101)", "channel", None),
        (error(403, 40301), "ntfy does not let gradent write to this topic (40301)", "channel", None),
        (error(404, 40401), "there is no ntfy server at this address (40401)", "channel", None),
        (error(413, 41303), "ntfy finds the message too large (41303)", "message", None),
        (error(429, 42901), "ntfy wants fewer messages for a while (42901)", None, 5.0),
        (
            error(429, 42908),
            "this day's messages are used up on the ntfy server until midnight UTC (42908)",
            None,
            3600.0,
        ),
        (error(429, 42909), "ntfy has seen too many wrong tokens from this address (42909)", None, None),
        (Answer(429, b"slow down"), "ntfy wants fewer messages for a while (429)", None, None),
        (error(500, 50001, "internal error"), "ntfy did not take the message: internal error (50001)", None, None),
        (Answer(502, b"<html>" * 99), "ntfy did not take the message (502)", None, None),
        (Answer(302, b"", {"Location": "/login"}), "ntfy did not take the message (302)", None, None),
        (Answer(503, b'{"code":"many","error":7}'), "ntfy did not take the message: 7 (503)", None, None),
        (
            Answer(200, b"<html>Welcome to the hotel</html>"),
            "something that is not ntfy answered in its place (is there a sign-in page?)",
            None,
            None,
        ),
        (Answer(204, b""), "ntfy did not take the message (204)", None, None),
    ],
)
def test_every_answer_has_its_meaning(
    server: Server, answer: Answer, sentence: str, permanent: str | None, retry_after: float | None
) -> None:
    """ntfy's `code` decides, else the status: what a later try cannot change, and when one makes sense."""
    caught = refusal(server, answer)
    assert (caught.message, caught.permanent, caught.retry_after) == (sentence, permanent, retry_after)


@pytest.mark.parametrize("status", [400, 403, 404, 413])
@pytest.mark.parametrize(
    "body", [b"<h1>No</h1>", b"", b'{"message":"Forbidden"}', b'{"code":403,"error":"no"}', b'{"code":"40101"}', b"[]"]
)
def test_only_ntfy_itself_finds_a_message_or_a_topic_wrong(server: Server, status: int, body: bytes) -> None:
    """A firewall, a proxy, or another device at a home server's address cannot cost a message or the channel."""
    caught = refusal(server, Answer(status, body))
    assert caught.permanent is None
    assert f"({status})" in caught.message


def test_a_refused_token_ends_all_tries_whatever_the_words(server: Server) -> None:
    """401 is final for the channel, also from a proxy that guards the server."""
    assert refusal(server, Answer(401, b"<h1>No</h1>")).permanent == "channel"


@pytest.mark.parametrize(
    ("answer", "command"),
    [
        (error(401, 40101), "gradent config set --ntfy-token -"),
        (error(403, 40301), "gradent config set --ntfy-token -"),
        (Answer(404), "gradent config set --ntfy-server URL"),
    ],
)
def test_a_refusal_knows_its_remedy(server: Server, answer: Answer, command: str) -> None:
    """What a person can mend comes with the command that mends it."""
    assert command in (refusal(server, answer).hint or "")


def test_a_server_that_is_not_there_is_temporary() -> None:
    """A machine without network tries again another time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotifyError) as caught:
        Ntfy(TOPIC, server=f"http://127.0.0.1:{port}").send(message())
    assert caught.value.message == "ntfy could not be reached: the connection failed: connection refused"
    assert caught.value.permanent is None


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: Ntfy("gradent-x7k2p9w4q8"), "https://ntfy.sh, topic gradent-x…"),
        (lambda: Ntfy("abcd"), "https://ntfy.sh, topic ab…"),
        (lambda: Ntfy("t", server="http://me:pw@ntfy.lan:8080"), "http://ntfy.lan:8080, topic …"),
    ],
)
def test_where_it_goes_can_be_shown(make: Callable[[], Ntfy], where: str) -> None:
    """Server and the beginning of the topic; whoever knows a topic can read it."""
    assert make().where == where


def test_a_mended_channel_is_another_one() -> None:
    """Topic, server and token count, and none of them can be read from it."""
    ntfys = [Ntfy(TOPIC), Ntfy("other"), Ntfy(TOPIC, server="https://ntfy.lan"), Ntfy(TOPIC, token=TOKEN)]
    assert len({ntfy.identity for ntfy in ntfys}) == 4
    assert Ntfy(TOPIC).identity == Ntfy(TOPIC).identity
    assert all(TOPIC not in ntfy.identity and TOKEN not in ntfy.identity for ntfy in ntfys)
