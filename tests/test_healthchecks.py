"""Pings: what is told when, that it never keeps anybody, and that the address stays secret."""

import socket
from collections.abc import Callable
from pathlib import Path
from time import sleep
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from gradent_cli.config import load
from gradent_cli.errors import ConfigError
from gradent_cli.notify.healthchecks import Healthchecks, address
from tests.street.server import Answer, Request, Server

CHECK = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"
RUN = "20261123-200000-ab12"
OK = Answer(200, b"OK")


def checks(server: Server, answer: Answer | Callable[[Request], Answer] = OK) -> Healthchecks:
    server.answer = answer
    return Healthchecks(f"{server.url}/ping/{CHECK}")


def pings(server: Server) -> list[str]:
    """What was pinged, without the run id."""
    return [urlsplit(request.path).path.removeprefix(f"/ping/{CHECK}") for request in server.requests]


def test_a_run_is_a_start_and_a_success(server: Server) -> None:
    """Both with the same run id, a UUID in small letters, and the log with the end."""
    pinged = checks(server)
    pinged.start(RUN)
    pinged.ended(RUN, success=True, exit_code=0, log="Assessed 2 assignments, für 漢\n")
    assert pinged.finish(30) is None
    assert pings(server) == ["/start", ""]
    first, last = (parse_qs(urlsplit(request.path).query)["rid"] for request in server.requests)
    assert first == last == [str(UUID(first[0]))]
    assert [request.method for request in server.requests] == ["POST", "POST"]
    assert [request.body.decode() for request in server.requests] == ["", "Assessed 2 assignments, für 漢\n"]


@pytest.mark.parametrize(
    ("exit_code", "told"), [(1, "/1"), (255, "/255"), (0, "/fail"), (256, "/fail"), (-9, "/fail"), (None, "/fail")]
)
def test_a_failure_tells_the_programs_own_exit_code(server: Server, exit_code: int | None, told: str) -> None:
    """Where there is one that Healthchecks takes as a failure."""
    pinged = checks(server)
    pinged.ended(RUN, success=False, exit_code=exit_code, log="")
    assert pinged.finish(30) is None
    assert pings(server) == [told]


def test_a_success_is_one_whatever_the_code(server: Server) -> None:
    """gradent decides what a success is, not a number."""
    pinged = checks(server)
    pinged.ended(RUN, success=True, exit_code=3, log="")
    pinged.finish(30)
    assert pings(server) == [""]


@pytest.mark.parametrize("letter", ["a", "é", "漢", "🎓"])
def test_the_end_of_the_log_is_sent(server: Server, letter: str) -> None:
    """10 000 bytes at most, whole characters, nothing that a terminal obeys."""
    pinged = checks(server)
    pinged.ended(RUN, success=True, exit_code=None, log=f"\x1b[31mbegin{letter * 20_000}\x1b[0m\x07end")
    pinged.finish(30)
    body = server.requests[0].body
    assert 10_000 - 20 < len(body) <= 10_000
    assert body.decode().endswith(f"{letter}end")
    assert body.decode().strip(letter) == "end"


@pytest.mark.parametrize(
    ("given", "what", "made"),
    [
        ("https://hc-ping.com/UUID", "start", "https://hc-ping.com/UUID/start?rid="),
        ("https://hc-ping.com/UUID/", "", "https://hc-ping.com/UUID?rid="),
        ("https://hc-ping.com/UUID/", "7", "https://hc-ping.com/UUID/7?rid="),
        ("https://hc-ping.com/KEY/my-slug", "fail", "https://hc-ping.com/KEY/my-slug/fail?rid="),
        ("https://hc-ping.com/KEY/my-slug?create=1", "start", "https://hc-ping.com/KEY/my-slug/start?create=1&rid="),
        ("https://home.example/checks/ping/UUID", "", "https://home.example/checks/ping/UUID?rid="),
        ("https://me:pw@home.example/ping/UUID?rid=x#y", "", "https://me:pw@home.example/ping/UUID?rid="),
    ],
)
def test_any_ping_url_works(given: str, what: str, made: str) -> None:
    """A slug, a server of one's own below a path, a slash at the end, a query."""
    got = address(given, what, RUN)
    assert got.rpartition("=")[0] + "=" == made


def test_two_runs_have_two_ids() -> None:
    """Or Healthchecks would measure the wrong times."""
    assert address("https://x/y", "", RUN) != address("https://x/y", "", RUN + "0")
    assert address("https://x/y", "", RUN) == address("https://x/y", "", RUN)


def test_nobody_waits_for_a_server_that_hangs(server: Server) -> None:
    """`start` and `ended` return at once, `finish` when its time is over, and the address is not told."""
    let_go: list[bool] = []

    def hang(*_: object) -> None:
        let_go.append(server.closing.wait(60))

    server.raw = hang
    pinged = checks(server)
    pinged.start(RUN)
    pinged.ended(RUN, success=True, exit_code=0, log="")
    assert pinged.finish(0.2) == "Healthchecks did not answer within 0.2 s"
    assert let_go == [], "it still hangs, and nobody has waited for it"
    server.closing.set()


def test_a_ping_is_tried_twice(server: Server) -> None:
    """A server that stumbles once has still been told, and there is nothing to report."""
    answers = iter([Answer(502), OK, Answer(502), OK])
    pinged = checks(server, lambda request: next(answers))
    pinged.ended(RUN, success=False, exit_code=2, log="")
    assert pinged.finish(30) is None
    assert pings(server) == ["/2", "/2"]


def test_a_ping_is_not_tried_a_third_time(server: Server) -> None:
    """It is about now, and the next run has its own."""
    pinged = checks(server, Answer(503))
    pinged.ended(RUN, success=True, exit_code=None, log="")
    assert pinged.finish(30) == "Healthchecks did not take the ping (503)"
    assert len(server.requests) == 2


def test_the_end_of_a_run_does_not_wait_for_its_start(server: Server) -> None:
    """When the start has failed and the run is over, the end comes next."""

    def answer(request: Request) -> Answer:
        if "/start" in request.path:
            pinged.ended(RUN, success=True, exit_code=0, log="")
            return Answer(503)
        return OK

    pinged = checks(server, answer)
    pinged.start(RUN)
    while len(server.requests) < 2:
        sleep(0.01)
    assert pinged.finish(30) == "Healthchecks did not take the ping (503)"
    assert pings(server) == ["/start", ""]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, b"OK (not found)"), "Healthchecks did not take the ping (not found)"),
        (Answer(200, b"OK (rate limited)"), "Healthchecks did not take the ping (rate limited)"),
        (Answer(400, b"invalid url format"), "Healthchecks finds no ping in its address (400)"),
        (Answer(404, b"not found"), "Healthchecks does not know this check (404)"),
        (Answer(409, b"ambiguous slug"), "Healthchecks has more than one check of this name (409)"),
        (Answer(429, b""), "Healthchecks wants fewer pings for a while (429)"),
        (Answer(302, b"", {"Location": "/"}), "Healthchecks did not take the ping (302)"),
    ],
)
def test_what_another_try_cannot_change_is_not_tried(server: Server, answer: Answer, words: str) -> None:
    """One request, and the reason in words; healthchecks.io says some of it with a 200."""
    pinged = checks(server, answer)
    pinged.ended(RUN, success=True, exit_code=None, log="")
    assert pinged.finish(30) == words
    assert len(server.requests) == 1


def test_a_new_check_is_no_problem(server: Server) -> None:
    """A slug that Healthchecks makes a check for answers 201."""
    pinged = checks(server, Answer(201, b"Created"))
    pinged.start(RUN)
    assert pinged.finish(30) is None


def test_a_server_that_is_not_there_is_a_sentence() -> None:
    """Without the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    pinged = Healthchecks(f"http://127.0.0.1:{port}/{CHECK}")
    pinged.start(RUN)
    assert pinged.finish(30) == "Healthchecks could not be reached: the connection failed: connection refused"


def test_without_a_ping_there_is_nothing_to_finish() -> None:
    """No thread, no network."""
    assert Healthchecks("https://hc-ping.com/x").finish(30) is None


def test_where_it_goes_can_be_shown() -> None:
    """Scheme and host; the rest is the check's secret."""
    assert Healthchecks(f"https://me:pw@hc.example:8000/ping/{CHECK}").where == "https://hc.example:8000"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("hc-ping.com/s3cret", "must be a URL that begins with http:// or https://"),
        ("https://hc-ping.com/", "must be the ping URL of one check"),
        (f"https://hc-ping.com/{CHECK}/start", "must be the check's ping URL alone"),
        (f"https://hc-ping.com/{CHECK}/0/", "must be the check's ping URL alone"),
    ],
)
def test_an_address_that_cannot_be_pinged_is_refused(config: Path, url: str, words: str) -> None:
    """When it is set, and without quoting it."""
    config.write_text(f"[healthchecks]\nping_url = '{url}'\n")
    with pytest.raises(ConfigError) as caught:
        load(config, {})
    assert f"healthchecks.ping_url: {words}" in caught.value.message
    assert CHECK not in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_slug_may_be_any_word(config: Path) -> None:
    """Also one that would be an endpoint behind a UUID."""
    config.write_text("[healthchecks]\nping_url = 'https://hc-ping.com/KEY/start'\n")
    config.chmod(0o600)
    assert load(config, {}).settings.healthchecks.ping_url
