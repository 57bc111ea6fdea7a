"""Apprise: what gets through it, what is said when it does not, and that no part of a URL is."""

import logging
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Thread
from time import monotonic
from typing import Any

import pytest

from gradent_cli.config import load
from gradent_cli.errors import ConfigError, NotifyError
from gradent_cli.notify import open_channels
from gradent_cli.notify.apprise import Apprise
from gradent_cli.records import Event, Message
from tests.conftest import Gradent
from tests.street.mail import Mail, mailbox
from tests.street.server import Answer, Server

USER, PASSWORD = "ada.lovelace", "p4ss w@rd/x"
CREDENTIALS = "ada.lovelace:p4ss%20w%40rd%2Fx"
MESSAGE = Message(
    id="0123456789abcdef",
    event="completed",
    title="✅ Agent Completed",
    text="Assessed 2 <b>assignments</b> & more\nScheduled 1 session, für 漢",
    priority=3,
    tags=("tada",),
    created_at=datetime(2026, 11, 23, 20, 0, tzinfo=UTC),
    run_id="20261123-200000-ab12",
)


@pytest.fixture
def mail() -> Iterator[Mail]:
    with mailbox(password=PASSWORD) as running:
        yield running


@pytest.fixture
def nobody() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def mailto(port: int, credentials: str = CREDENTIALS) -> str:
    return f"mailto://{credentials}@127.0.0.1:{port}?from=ada@example.org&to=b%6Fb@example.org"


def refusal(url: str, message: Message = MESSAGE) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        Apprise(url).send(message)
    return caught.value


def test_a_mail_arrives_as_it_was_written(mail: Mail) -> None:
    """Title as subject, in UTF-8; plain text, nothing of which becomes HTML; to whom the URL names."""
    Apprise(mailto(mail.port)).send(MESSAGE)
    (message,) = mail.messages
    assert message["Subject"] == "✅ Agent Completed"
    assert (message["From"], mail.recipients) == ("ada@example.org", ["bob@example.org"])
    assert message.get_content_type() == "text/plain"
    assert message.get_content().splitlines() == MESSAGE.text.splitlines()


def test_a_mail_servers_refusal_of_the_password_is_final(mail: Mail) -> None:
    """The server's own words, no part of the URL, and no further tries."""
    caught = refusal(mailto(mail.port, "ada.lovelace:s3cond-guess"))
    assert "(535, b'5.7.8 Authentication credentials invalid')" in caught.message
    assert caught.permanent == "channel"
    for secret in ("ada.lovelace", "s3cond-guess", "127.0.0.1", "example.org"):
        assert secret not in caught.message


def test_a_mail_that_is_refused_stays(mail: Mail) -> None:
    """Apprise does not say for how long a server refuses, so another try may help."""
    mail.answer = "451 bob@example.org has no room"
    caught = refusal(mailto(mail.port))
    assert caught.message.startswith("mailto did not take the message: ")
    assert caught.permanent is None
    assert "bob" not in caught.message


def test_json_arrives(server: Server) -> None:
    """What Apprise itself sends by HTTP comes through, with the credentials of the URL."""
    Apprise(f"json://{CREDENTIALS}@{server.url.removeprefix('http://')}/hook").send(MESSAGE)
    (request,) = server.requests
    assert (request.json["title"], request.json["message"]) == (MESSAGE.title, MESSAGE.text)
    assert request.path == "/hook"
    assert request.headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("event", "failure", "kind"),
    [
        ("started", False, "info"),
        ("tool", False, "info"),
        ("tool", True, "failure"),
        ("completed", False, "success"),
        ("recovered", False, "success"),
        ("missed", False, "warning"),
        ("failed", True, "failure"),
        ("interrupted", True, "failure"),
    ],
)
def test_what_happened_decides_the_look(server: Server, event: Event, failure: bool, kind: str) -> None:
    """Apprise's type follows the event, and a failure is one whatever the event."""
    Apprise(server.url.replace("http", "json")).send(replace(MESSAGE, event=event, failure=failure))
    assert server.bodies[0]["type"] == kind


@pytest.mark.parametrize(
    ("status", "permanent"), [(400, None), (401, "channel"), (403, None), (404, None), (429, None), (500, None)]
)
def test_only_a_refused_credential_is_final(server: Server, status: int, permanent: str | None) -> None:
    """401 means the same at every service; any other status does not."""
    server.answer = Answer(status)
    caught = refusal(server.url.replace("http", "json"))
    assert caught.permanent == permanent
    assert f"error={status}" in caught.message


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("mailto://{c}@127.0.0.1:{p}?to=bob@example.org", (USER, PASSWORD, "p4ss%20w%40rd%2Fx", "bob")),
        ("json://{c}@127.0.0.1:{p}/t0ken-in-the-path", (USER, PASSWORD, "t0ken-in-the-path")),
        ("json://127.0.0.1:{p}/a/?token=abc&-q=s3cret-query", ("abc", "s3cret-query", "127.0.0.1")),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", ("123456789", "abcdefg_hijklmnop", "12315544")),
    ],
)
def test_no_part_of_a_url_is_told(nobody: int, url: str, secrets: tuple[str, ...]) -> None:
    """Whatever Apprise logs: neither the URL nor a part of it, as it is written or as it is meant."""
    channel = Apprise(url.format(c=CREDENTIALS, p=nobody))
    with pytest.raises(NotifyError) as caught:
        channel.send(MESSAGE)
    told = f"{caught.value.message} {caught.value.hint} {channel.where} {channel.name} {channel.identity} {channel!r}"
    for secret in (*secrets, str(nobody)):
        assert secret.lower() not in told.lower()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mailto://ada:zq7@mail.example", "(500, b'zq7 what?')"),
        ("mailto://ada:a+b%2Bc@mail.example", "wrong: a+b+c"),
        ("json://x.example/?pass=zq7", "got zq7"),
        ("json://x.example/abc.defghijk-l", "no such thing: DEFGHIJK"),
        ("json://x.example/%C3%BCber-t0ken", "über-t0ken"),
    ],
)
def test_a_server_that_repeats_what_it_got_is_not_quoted(url: str, said: str) -> None:
    """Short passwords, too, and pieces that a service takes apart."""
    told = Apprise(url)._redacted(said)
    assert "***" in told
    assert not any(piece in told.lower() for piece in ("zq7", "a+b", "defghijk", "t0ken"))


def test_the_systems_reason_is_told(nobody: int) -> None:
    """Apprise says that it failed; why, it says in a detail that is picked out."""
    for url in (mailto(nobody), f"json://127.0.0.1:{nobody}/t0ken-in-the-path"):
        assert refusal(url).message.endswith("; connection refused")


@pytest.mark.parametrize("url", ["nope://s3cret-token", "https://example.org/s3cret-token", "tgram://s3cret-token"])
def test_a_url_that_apprise_does_not_know_is_final(url: str) -> None:
    """Another try cannot help; the words do not quote it."""
    caught = refusal(url)
    assert caught.message == f"Apprise cannot use this {url.partition(':')[0]} address"
    assert caught.permanent == "channel"
    assert "gradent config set apprise.urls -" in (caught.hint or "")
    assert "s3cret" not in str(caught.hint)


def test_what_the_machine_lacks_can_be_installed() -> None:
    """A service whose own library is missing is no final refusal: nothing in the config is wrong."""
    caught = refusal("windows://")
    assert caught.message == "this machine lacks what Apprise needs for windows"
    assert (caught.permanent, caught.retry_after) == (None, 3600)


WITHOUT = """
import sys
from importlib.machinery import PathFinder
real = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name == "apprise" else real(name, *rest)
from datetime import datetime, UTC
from gradent_cli.errors import NotifyError
from gradent_cli.notify.apprise import Apprise
from gradent_cli.records import Message
channel = Apprise(sys.argv[1])
print(channel.identity)
try:
    at = datetime.now(UTC)
    channel.send(Message(id="1", event="started", title="t", text="", priority=3, tags=(), created_at=at))
except NotifyError as error:
    print(error.message, error.hint, error.permanent, sep="|")
"""


def test_a_missing_extra_says_the_pip_line() -> None:
    """Final until it is installed, which makes the channel another one."""
    url = "mailto://user:pass@host"
    said = subprocess.run([sys.executable, "-c", WITHOUT, url], capture_output=True, text=True, check=True)
    identity, refused = said.stdout.splitlines()
    assert refused == "Apprise is not installed|pip install 'gradent-cli[apprise]'|channel"
    assert identity != Apprise(url).identity


def test_nothing_of_logging_is_left_changed(nobody: int, capfd: pytest.CaptureFixture[str]) -> None:
    """No handler and no level; and under cron, which mails output, nothing is printed."""
    import apprise  # noqa: F401

    logger = logging.getLogger("apprise")
    before = (logger.level, list(logger.handlers), logging.root.level, list(logging.root.handlers))
    refusal(mailto(nobody))
    refusal("nope://x")
    assert (logger.level, logger.handlers, logging.root.level, logging.root.handlers) == before
    assert capfd.readouterr() == ("", "")


def test_channels_that_send_at_the_same_time_hear_only_themselves(server: Server) -> None:
    """What one service logs never becomes another one's reason."""
    together = Barrier(2, timeout=30)

    def answer(request: object) -> Answer:
        together.wait()
        return Answer(503 if request.path == "/one" else 418)  # type: ignore[attr-defined]

    server.answer = answer
    told: dict[str, str] = {}

    def send(path: str) -> None:
        told[path] = refusal(f"{server.url.replace('http', 'json')}/{path}").message

    threads = [Thread(target=send, args=(path,)) for path in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "error=503" in told["one"]
    assert "error=418" not in told["one"]
    assert "error=418" in told["two"]
    assert "error=503" not in told["two"]


def test_what_others_log_meanwhile_is_not_heard(server: Server) -> None:
    """Apprise's one logger serves all channels; only what is said in the course of this send counts."""

    def answer(_: object) -> Answer:
        logging.getLogger("apprise").warning("something about t0ken-of-another")
        return Answer(503)

    server.answer = answer
    assert "another" not in refusal(server.url.replace("http", "json")).message


@pytest.mark.parametrize("url", ["json://127.0.0.1:{}/?rto=60", "mailto://127.0.0.1:{}?from=a@b.org&to=c@d.org&cto=60"])
def test_a_silent_service_is_not_waited_for_longer_than_others(url: str) -> None:
    """The URL's own limits (`rto`, `cto`) hold up to gradent's."""
    began = monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(NotifyError) as caught:
        Apprise(url.format(silent.getsockname()[1]), seconds=0.2).send(MESSAGE)
    assert "timed out" in caught.value.message
    assert monotonic() - began < 30


def test_each_url_is_a_channel_with_a_name_that_stays(config: Path) -> None:
    """By scheme and a digest: another order changes no name, and what is listed twice counts once."""
    urls = ["mailto://user:pass@host", "tgram://token/chat", "mailto://user:other@host"]

    def names(urls: list[str]) -> list[str]:
        config.write_text(f"[apprise]\nurls = {urls}\n")
        config.chmod(0o600)
        return [channel.name for channel in open_channels(load(config, {}).settings)]

    first = names(urls)
    assert [name[:-4] for name in first] == ["apprise-mailto-", "apprise-tgram-", "apprise-mailto-"]
    assert len(set(first)) == 3
    assert names([*reversed(urls), urls[0]]) == [*reversed(first)]


@pytest.mark.parametrize(
    "url", ["user:p4ssword@host", "mailto:user:p4ssword", "mailto://p4ss word", "mail-to://p4ss", ""]
)
def test_what_cannot_be_a_url_is_refused_without_quoting_it(config: Path, url: str) -> None:
    """At once, when it is set, and by the place in the list."""
    config.write_text(f"[apprise]\nurls = ['dbus://', '{url}']\n")
    with pytest.raises(ConfigError) as caught:
        load(config, {})
    assert "apprise.urls: entry 2 must be a URL that Apprise knows" in caught.value.message
    assert "p4ss" not in str(caught.value)


def test_urls_are_set_from_standard_input_and_never_shown(gradent: Gradent, config: Path) -> None:
    """With blanks or line ends between them; commas belong to a URL."""
    url = "mailto://user:p4ssword@host?to=a@x.org,b@x.org"
    assert gradent("config", "set", "apprise.urls", "-", input=f"{url} tgram://t0ken/chat\n").code == 0
    assert load(config, {}).settings.apprise.urls[0].get_secret_value() == url
    assert len(load(config, {}).settings.apprise.urls) == 2
    shown = gradent("config", "show")
    assert "p4ssword" not in shown.out + shown.err
    typed = gradent("config", "set", "apprise.urls", url)
    assert "shell's history" in typed.err


def test_the_documents_examples_are_what_apprise_understands(config: Path) -> None:
    """Each config in docs/notifications.md is valid; the mail has a sender, a recipient and a server."""
    import apprise

    text = (Path(__file__).parent.parent / "docs/notifications.md").read_text()
    blocks = re.findall(r"```toml\n(.+?)```", text, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        for line in re.findall(r"(?m)^(?:# )?(urls = .+)$", block):
            config.write_text(f"[apprise]\n{line}\n")
            config.chmod(0o600)
            (url,) = load(config, {}).settings.apprise.urls
            service: Any = apprise.Apprise.instantiate(url.get_secret_value())
            assert service is not None or not url.get_secret_value().startswith("mail")
            if service is not None and "mail" in block:
                assert service.smtp_host == "smtp.example.org"
                assert service.targets == [(False, "ada@example.org")]
