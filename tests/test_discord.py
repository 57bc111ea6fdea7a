"""Discord: what is sent, what fits, what cannot ping, and what each answer means."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli.config import load
from gradent_cli.errors import ConfigError, NotifyError
from gradent_cli.notify import Dispatch
from gradent_cli.notify.discord import Discord, address, payload
from gradent_cli.records import Message
from gradent_cli.text import CUT
from tests.street import discord as street
from tests.street.server import Answer, Server

HOOK = "https://discord.com/api/webhooks/1/tok"
MESSAGE = Message(
    id="0123456789abcdef",
    event="started",
    title="🤖 Agent Started",
    text="Checking for updates",
    priority=4,
    tags=("robot", "rocket"),
    created_at=datetime(2026, 11, 23, 20, 0, tzinfo=UTC),
    run_id="20261123-200000-ab12",
)


@pytest.fixture
def chat() -> Iterator[street.Discord]:
    with street.discord() as running:
        yield running


def refusal(url: str) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        Discord(url).send(MESSAGE)
    assert street.TOKEN not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    return caught.value


def test_a_message_is_one_embed(chat: street.Discord) -> None:
    """Exactly these fields, to the versioned address, waiting for the message to be saved."""
    Discord(chat.webhook).send(MESSAGE)
    (request,) = chat.server.requests
    assert (request.method, request.path) == ("POST", f"/api/v10/webhooks/{street.ID}/{street.TOKEN}?wait=true")
    assert chat.messages == [
        {
            "username": "gradent",
            "allowed_mentions": {"parse": []},
            "embeds": [
                {
                    "title": "🤖 Agent Started",
                    "description": "Checking for updates",
                    "color": 5814783,
                    "timestamp": "2026-11-23T20:00:00+00:00",
                    "footer": {"text": "run 20261123-200000-ab12"},
                }
            ],
        }
    ]


@pytest.mark.parametrize(
    ("copied", "used"),
    [
        (HOOK, "https://discord.com/api/v10/webhooks/1/tok?wait=true"),
        ("https://discord.com/api/v6/webhooks/1/tok", "https://discord.com/api/v10/webhooks/1/tok?wait=true"),
        ("https://discord.com/api/v10/webhooks/1/tok/", "https://discord.com/api/v10/webhooks/1/tok?wait=true"),
        ("https://discordapp.com/api/webhooks/1/tok", "https://discordapp.com/api/v10/webhooks/1/tok?wait=true"),
        (
            "https://canary.discord.com/api/webhooks/1/tok",
            "https://canary.discord.com/api/v10/webhooks/1/tok?wait=true",
        ),
        (f"{HOOK}?thread_id=42", "https://discord.com/api/v10/webhooks/1/tok?thread_id=42&wait=true"),
        (f"{HOOK}?wait=false&thread_id=42", "https://discord.com/api/v10/webhooks/1/tok?thread_id=42&wait=true"),
        (f"{HOOK}#top", "https://discord.com/api/v10/webhooks/1/tok?wait=true"),
        ("https://relay.example/d/api/webhooks/1/tok", "https://relay.example/d/api/v10/webhooks/1/tok?wait=true"),
        ("https://relay.example/hooks/1", "https://relay.example/hooks/1?wait=true"),
    ],
)
def test_the_address_is_versioned_whatever_was_copied(copied: str, used: str) -> None:
    """Version 10 and `wait`, and everything else as it was."""
    assert address(copied) == used


def test_a_thread_gets_its_messages(chat: street.Discord) -> None:
    """A webhook's `thread_id` is kept, which a forum channel needs."""
    chat.threads = frozenset({"42"})
    Discord(f"{chat.webhook}?thread_id=42").send(MESSAGE)
    assert len(chat.messages) == 1
    lost = refusal(f"{chat.webhook}?thread_id=43")
    assert lost.message == "Discord does not know the thread in this webhook's address (404)"
    assert "thread_id" in (lost.hint or "")
    caught = refusal(chat.webhook)
    assert "forum channels must have a thread_name or thread_id" in caught.message
    assert caught.hint == "add ?thread_id=ID to the webhook's address: gradent config set --discord-webhook -"
    assert [lost.permanent, caught.permanent] == ["channel", "channel"]


@pytest.mark.parametrize("letter", ["a", "é", "漢", "🎓"])
def test_the_edges_of_an_embed(chat: street.Discord, letter: str) -> None:
    """Title and description of exactly the limit stay whole; one more is cut and says so; Discord takes both."""
    channel = Discord(chat.webhook)
    channel.send(replace(MESSAGE, title=letter * 256, text=letter * 4096))
    channel.send(replace(MESSAGE, title=letter * 257, text=letter * 4097))
    (whole,), (cut,) = (message["embeds"] for message in chat.messages)
    assert (whole["title"], whole["description"]) == (letter * 256, letter * 4096)
    assert (len(cut["title"]), len(cut["description"])) == (256, 4096)
    assert cut["title"].endswith("…")
    assert cut["description"].endswith(CUT)


@given(st.text(), st.integers(1, 400), st.text(max_size=700))
def test_any_text_is_taken_by_discord(piece: str, times: int, title: str) -> None:
    """Whatever the text, the embed keeps every limit and a cut is told."""
    text = piece * times
    sent = payload("gradent", replace(MESSAGE, title=title, text=text))
    assert list(street._problems(json.loads(json.dumps(sent)))) == []
    description = sent["embeds"][0]["description"]
    assert description.endswith(CUT) or len(description) >= len(text)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("Essay *draft* __two__", r"Essay \*draft\* \_\_two\_\_"),
        ("`code` and ```", r"\`code\` and \`\`\`"),
        ("[click](https://bad.example)", r"\[click\](https://bad.example)"),
        ("<@123> <#4> <t:0:R>", r"\<@123\> \<#4\> \<t:0:R\>".replace("<#", r"<\#")),
        ("# big\n> quoted ||hidden|| ~~gone~~", "\\# big\n\\> quoted \\|\\|hidden\\|\\| \\~\\~gone\\~\\~"),
        ("see https://u.example/a_b?c=d*e_f here", "see https://u.example/a_b?c=d*e_f here"),
        ("plain words, 100 % (really): a-b", "plain words, 100 % (really): a-b"),
    ],
)
def test_what_a_feed_writes_is_shown_as_written(written: str, sent: str) -> None:
    """Markdown, masked links and mentions from outside format nothing; addresses stay addresses."""
    embed = payload("gradent", replace(MESSAGE, title=written, text=written))["embeds"][0]
    assert (embed["title"], embed["description"]) == (sent, sent)


@pytest.mark.parametrize("text", ["@everyone", "@here look", "<@&99> <@1>"])
def test_nobody_is_ever_pinged(chat: street.Discord, text: str) -> None:
    """`allowed_mentions` is empty and the words stand in an embed, whatever they are."""
    Discord(chat.webhook).send(replace(MESSAGE, title=text, text=text))
    (message,) = chat.messages
    assert message["allowed_mentions"] == {"parse": []}
    assert "content" not in message


@pytest.mark.parametrize(
    ("event", "tags", "colour"),
    [
        ("started", ("robot", "rocket"), 5814783),
        ("tool", ("bulb",), 3447003),
        ("tool", ("warning",), 15158332),
        ("completed", ("white_check_mark",), 3066993),
        ("failed", ("x", "warning"), 15158332),
        ("missed", (), 9807270),
    ],
)
def test_the_colour_tells_how_it_went(event: str, tags: tuple[str, ...], colour: int) -> None:
    """Green is done, red is failed, also for a single tool."""
    message = replace(MESSAGE, event=event, tags=tags)  # type: ignore[arg-type]
    assert payload("gradent", message)["embeds"][0]["color"] == colour


def test_a_test_message_has_a_footer_without_a_run(chat: street.Discord) -> None:
    """What belongs to no run names none."""
    Discord(chat.webhook).send(replace(MESSAGE, run_id=None))
    assert chat.messages[0]["embeds"][0]["footer"] == {"text": "gradent"}


@pytest.mark.parametrize("username", ["My Discord bot", "CLYDE", "x" * 81])
def test_a_name_that_discord_refuses_never_gets_here(home: Path, username: str) -> None:
    """The config refuses what the stand-in refuses, so that not every message of every run is lost."""
    path = home / "config.toml"
    path.write_text(f'[discord]\nusername = "{username}"\n')
    with pytest.raises(ConfigError, match=r"discord\.username"):
        load(path, {})
    assert list(street._problems({"username": username}))


def test_a_name_is_used(chat: street.Discord) -> None:
    """The config's name is what people see."""
    Discord(chat.webhook, username="Study buddy").send(MESSAGE)
    assert chat.messages[0]["username"] == "Study buddy"


def test_a_webhook_that_is_gone_is_permanent(chat: street.Discord) -> None:
    """Unknown webhook and wrong token say what to do."""
    gone, wrong = refusal(chat.webhook.replace(street.ID, "99")), refusal(chat.webhook + "x")
    assert gone.message == "Discord does not know this webhook (404)"
    assert wrong.message == "Discord refused this webhook's token (401)"
    assert [refused["code"] for refused in chat.refused] == [10015, 50027]
    for caught in (gone, wrong):
        assert caught.permanent == "channel"
        assert caught.hint == "make a new one: gradent config set --discord-webhook -"


@pytest.mark.parametrize(
    ("answer", "sentence", "permanent", "retry_after"),
    [
        (
            Answer(400, b'{"code":50035,"message":"Invalid Form Body","errors":{}}'),
            "Discord did not accept the message (400: Invalid Form Body)",
            "message",
            None,
        ),
        (Answer(400, b"nonsense"), "Discord did not accept the message (400)", None, None),
        (Answer(400, b'{"message":"no"}'), "Discord did not accept the message (400: no)", None, None),
        (Answer(401, b""), "Discord refused this webhook's token (401)", "channel", None),
        (Answer(404, b"<html>"), "Discord does not know this webhook (404)", "channel", None),
        (Answer(413, b'{"code":40005,"message":"x"}'), "Discord finds the message too large (413)", "message", None),
        (
            Answer(403, b'{"code":50013,"message":"Missing Permissions"}'),
            "Discord does not let gradent write there (403: Missing Permissions)",
            "channel",
            None,
        ),
        (Answer(403, b"error code: 1010"), "Discord does not let gradent write there (403)", None, None),
        (Answer(413, b""), "Discord finds the message too large (413)", None, None),
        (
            Answer(429, b'{"message":"slow","retry_after":1.25,"global":false}', {"Retry-After": "2"}),
            "Discord wants fewer messages for a while (429)",
            None,
            1.25,
        ),
        (Answer(429, b"<html>", {"Retry-After": "7"}), "Discord wants fewer messages for a while (429)", None, 7.0),
        (Answer(429, b"<html>"), "Discord wants fewer messages for a while (429)", None, None),
        (Answer(429, b'{"retry_after":"soon"}'), "Discord wants fewer messages for a while (429)", None, None),
        (Answer(429, b'{"retry_after":1e999}'), "Discord wants fewer messages for a while (429)", None, None),
        (Answer(429, b'{"retry_after":-1}'), "Discord wants fewer messages for a while (429)", None, None),
        (Answer(500, b""), "Discord did not take the message (500)", None, None),
        (Answer(302, b"", {"Location": "/"}), "Discord did not take the message (302)", None, None),
        (Answer(503, b"[" * 60_000), "Discord did not take the message (503)", None, None),
        (
            Answer(200, b"<html>Welcome to the hotel</html>"),
            "something that is not Discord answered in its place (is there a sign-in page?)",
            None,
            None,
        ),
    ],
)
def test_every_answer_has_its_meaning(
    server: Server, answer: Answer, sentence: str, permanent: str | None, retry_after: float | None
) -> None:
    """What cannot get better says so in Discord's own words, 401 and 404 aside; how long to wait, JSON or header."""
    server.answer = answer
    caught = refusal(f"{server.url}/api/webhooks/1/tok")
    assert (caught.message, caught.permanent, caught.retry_after) == (sentence, permanent, retry_after)


def test_no_content_is_an_answer(server: Server) -> None:
    """A relay that drops `wait` answers 204, which is taken as sent."""
    server.answer = Answer(204, b"")
    Discord(f"{server.url}/api/webhooks/1/tok").send(MESSAGE)


def test_a_burst_gets_through_whole(chat: street.Discord) -> None:
    """A run has more messages than Discord takes at once: the last ones wait as told and arrive, in order."""
    chat.window = 0.4
    dispatch = Dispatch((Discord(chat.webhook),), str)
    for number in range(8):
        dispatch.post("discord", replace(MESSAGE, id=str(number), title=f"message {number}"))
    assert {delivery.status for delivery in dispatch.finish(10)} == {"sent"}
    assert [message["embeds"][0]["title"] for message in chat.messages] == [f"message {n}" for n in range(8)]
    assert chat.refused, "the stand-in must have said 429 at least once"
