"""One request, bounded in time and memory, against servers that behave as badly as servers do."""

import gzip
import os
import socket
import subprocess
import sys
import threading
import traceback
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

import pytest

from gradent_cli import web
from tests.street.server import Answer, Request, Server, serving
from tests.street.tls import Authority

SECRET = "s3cret-in-the-address"
SECONDS = 0.25
LATEST = 20
"""A busy machine may be slow to wake a thread up; without the bound, these servers would keep us for a minute."""
HEAD = b"HTTP/1.1 200 OK\r\n"

Talk = Callable[[socket.socket, threading.Event], object]


@contextmanager
def peer(talk: Talk) -> Iterator[str]:
    """A server that reads the request's head, then lets `talk` have the bare connection until the test is over."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            try:
                while b"\r\n\r\n" not in connection.recv(65_536, socket.MSG_PEEK):
                    pass
                connection.recv(65_536)
                talk(connection, over)
                over.wait(60)
            except OSError:
                pass  # the client has hung up, as it should

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/{SECRET}"
    finally:
        over.set()
        listener.close()
        thread.join(5)


def drip(what: bytes) -> Talk:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        while not over.wait(0.03):
            connection.sendall(what)

    return talk


def complaint(url: str, **arguments: object) -> str:
    """The error's text, after making sure that nothing of it, its chain included, tells the address."""
    with pytest.raises(web.WebError) as caught:
        web.request("GET", url, **{"seconds": SECONDS, **arguments})  # type: ignore[arg-type]
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def test_an_answer_has_status_headers_and_body(server: Server) -> None:
    """Any status is an answer, and header names are found in lower case."""
    server.answer = Answer(418, b"short and stout", {"Retry-After": "7"})
    answer = web.request("GET", server.url)
    assert (answer.status, answer.body, answer.cut) == (418, b"short and stout", False)
    assert answer.headers["retry-after"] == "7"


def test_json_travels_as_utf_8(server: Server) -> None:
    """JSON is sent unescaped, with its type and who sends it."""
    web.request("POST", server.url, json={"title": "🤖 Grüße"}, headers={"Authorization": "Bearer t"})
    request = server.requests[0]
    assert request.body == '{"title":"🤖 Grüße"}'.encode()
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Authorization"] == "Bearer t"
    assert request.headers["User-Agent"] == web.USER_AGENT


def test_a_redirect_is_followed_only_when_asked(server: Server) -> None:
    """A redirect is an answer by itself; followed, its end is."""
    server.answer = lambda request: (
        Answer(302, b"", {"Location": "/there"}) if request.path == "/here" else Answer(200, b"arrived")
    )
    assert web.request("GET", f"{server.url}/here").status == 302
    assert web.request("GET", f"{server.url}/here", follow_redirects=True).body == b"arrived"


def test_a_redirect_that_is_not_followed_may_lead_anywhere(server: Server) -> None:
    """Also to what is no address: nobody goes there."""
    server.answer = Answer(302, b"", {"Location": "http://nowhere:port/"})
    assert web.request("GET", server.url).status == 302


def test_a_redirect_without_end_is_an_error(server: Server) -> None:
    """Going in circles ends."""
    server.answer = Answer(302, b"", {"Location": f"/{SECRET}"})
    said = complaint(f"{server.url}/{SECRET}", follow_redirects=True, seconds=LATEST)
    assert said == "too many redirects"


def test_a_redirect_out_of_http_is_an_error(server: Server) -> None:
    """No server can send us to a file of ours."""
    server.answer = Answer(302, b"", {"Location": f"file:///{SECRET}"})
    assert "http://" in complaint(f"{server.url}/{SECRET}", follow_redirects=True, seconds=LATEST)


def test_a_refused_connection_says_so() -> None:
    """Nobody listening is told at once and in words."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert complaint(f"http://127.0.0.1:{port}/{SECRET}", seconds=LATEST) == "the connection failed: connection refused"


def test_an_unknown_name_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without network gets told what to look at."""

    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    assert "name could not be found" in complaint(f"http://feeds.example/{SECRET}")


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(lambda connection, over: None, id="says nothing"),
        pytest.param(drip(b"X"), id="drips its first line"),
        pytest.param(lambda c, over: (c.sendall(HEAD), drip(b"X-More: 1\r\n")(c, over)), id="drips headers"),
        pytest.param(
            lambda c, over: (c.sendall(HEAD + b"Content-Length: 9999\r\n\r\n"), drip(b".")(c, over)),
            id="drips the body",
        ),
        pytest.param(lambda c, over: c.sendall(HEAD + b"Content-Length: 10\r\n\r\nhalf"), id="stops half way"),
    ],
)
def test_no_server_takes_longer_than_allowed(talk: Talk) -> None:
    """The limit is on the whole time, however the server spends it."""
    with peer(talk) as url:
        began = monotonic()
        assert "in time" in (said := complaint(url)) or "within 0.25 seconds" in said
        assert monotonic() - began < LATEST


def test_an_overrun_request_hangs_up() -> None:
    """The thread that was left behind does not listen to a dripping server for ever."""
    hung_up = threading.Event()

    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(HEAD + b"Content-Length: 9999\r\n\r\n")
        try:
            drip(b".")(connection, over)
        except OSError:
            hung_up.set()

    with peer(talk) as url:
        complaint(url)
        assert hung_up.wait(LATEST)


def test_a_slow_name_look_up_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver has no time limit of its own, so it must be inside ours."""
    let_go = threading.Event()

    def slow(*_: object, **__: object) -> None:
        let_go.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "too late")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    began = monotonic()
    assert complaint(f"http://feeds.example/{SECRET}") == "no complete answer within 0.25 seconds"
    assert monotonic() - began < LATEST
    let_go.set()


def test_a_server_is_reached_without_a_word() -> None:
    """The connection is opened and closed: whoever asks nothing pays nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LATEST)
        web.reach(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", seconds=LATEST)
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://localhost:port/v1", "not a usable URL"),
        ("http://localhost:99999/v1", "not a usable URL"),
        ("http://[::1/v1", "not a usable URL"),
        ("http://my..server/v1", "name could not be found"),
        (f"http://{'a' * 64}.example/v1", "name could not be found"),
    ],
)
def test_an_address_that_cannot_be_one_cannot_be_reached(url: str, why: str) -> None:
    """Ollama's may come from a variable that nobody has looked at."""
    with pytest.raises(web.WebError, match=why):
        web.reach(url, seconds=LATEST)


def test_a_server_that_cannot_be_reached_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens, or the name is unknown; with a proxy between there is nothing to look at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    with pytest.raises(web.WebError, match="the connection failed: connection refused"):
        web.reach(url, seconds=LATEST)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    web.reach(url, seconds=LATEST)

    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(web.WebError, match="name could not be found"):
        web.reach("https://models.example/v1", seconds=LATEST)


@pytest.mark.parametrize(
    "bytes_sent",
    [
        pytest.param(HEAD + b"Content-Length: 10\r\n\r\nhalf", id="closes in the body"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nha", id="closes in a chunk"),
        pytest.param(HEAD + b"Content-Length: ten\r\n\r\n", id="a length that is no number"),
        pytest.param(HEAD + b"Content-Len", id="closes in the headers"),
        pytest.param(b"", id="closes at once"),
        pytest.param(b"220 mail.example ESMTP\r\n", id="speaks something else"),
        pytest.param(HEAD + b"X: " + b"x" * 300_000, id="headers without end"),
        pytest.param(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhtml", id="not gzip at all"),
        pytest.param(
            HEAD + b"Content-Encoding: gzip\r\nContent-Length: 15\r\n\r\n" + gzip.compress(b"some text")[:15],
            id="half a gzip",
        ),
    ],
)
def test_a_broken_answer_is_an_error(bytes_sent: bytes) -> None:
    """Half an answer is never taken for a whole one."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(bytes_sent)
        connection.shutdown(socket.SHUT_RDWR)

    with peer(talk) as url:
        # A peer that closes with unread data makes the kernel reset the connection: both are an honest answer.
        assert complaint(url, seconds=LATEST) in (
            "the server's answer is not valid HTTP or stopped half way",
            "the connection failed: connection reset by peer",
        )


def test_more_than_was_announced_is_not_read() -> None:
    """A server that sends more than its Content-Length is held to its word."""
    with peer(lambda c, over: c.sendall(HEAD + b"Content-Length: 4\r\n\r\nfour and much more")) as url:
        assert web.request("GET", url, seconds=LATEST).body == b"four"


def test_a_long_answer_is_cut_and_says_so(server: Server) -> None:
    """Exactly the limit is whole; one byte more is cut to the limit."""
    server.answer = Answer(200, b"x" * 100)
    whole, cut = web.request("GET", server.url, limit=100), web.request("GET", server.url, limit=99)
    assert (len(whole.body), whole.cut) == (100, False)
    assert (len(cut.body), cut.cut) == (99, True)


def test_an_endless_answer_takes_little_memory_and_ends() -> None:
    """A body without end is left as soon as the limit is reached."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(HEAD + b"\r\n")
        while True:
            connection.sendall(b"x" * 65_536)

    with peer(talk) as url:
        answer, peak = measured(url)
    assert (len(answer.body), answer.cut) == (65_536, True)
    assert peak < 4_000_000


def test_a_packed_answer_is_unpacked(server: Server) -> None:
    """gzip is asked for and undone, since calendars pack well."""
    server.answer = Answer(200, gzip.compress(b"BEGIN:VCALENDAR"), {"Content-Encoding": "gzip"})
    assert web.request("GET", server.url).body == b"BEGIN:VCALENDAR"
    assert server.requests[0].headers["Accept-Encoding"] == "gzip"


def test_a_packed_bomb_takes_little_memory(server: Server) -> None:
    """A few kilobytes that unpack to a hundred megabytes are unpacked only up to the limit."""
    server.answer = Answer(200, gzip.compress(b"0" * 100_000_000, compresslevel=9), {"Content-Encoding": "gzip"})
    answer, peak = measured(server.url)
    assert (len(answer.body), answer.cut) == (65_536, True)
    assert peak < 4_000_000


def test_packing_that_was_not_asked_for_is_refused(server: Server) -> None:
    """A bomb within a bomb is not even begun."""
    server.answer = Answer(200, gzip.compress(gzip.compress(b"0")), {"Content-Encoding": "gzip, gzip"})
    assert "packed" in complaint(f"{server.url}/{SECRET}")


def test_an_empty_packed_answer_is_empty(server: Server) -> None:
    """`Content-Encoding: gzip` on nothing is what some servers send, and harmless."""
    server.answer = Answer(204, b"", {"Content-Encoding": "gzip"})
    assert web.request("GET", server.url).body == b""


@pytest.mark.parametrize(
    "url",
    [
        "",
        SECRET,
        f"ftp://{SECRET}/",
        "http://",
        f"http://127.0.0.1:{SECRET}/",
        f"http://xn--{SECRET}☃/",
        f"http://{SECRET}..x/",
        f"http://127.0.0.1/\x00{SECRET}",
    ],
)
def test_what_is_no_address_is_an_error(url: str) -> None:
    """A wrong address is one sentence without the address."""
    assert "the address" in complaint(url)


@pytest.mark.parametrize(
    "url", [f"{SECRET}.example/feed", f"/{SECRET}", f"file:///{SECRET}", f"mailto:{SECRET}@example"]
)
def test_an_address_of_something_else_is_told_what_is_missing(url: str) -> None:
    """Most often somebody has left it out."""
    assert complaint(url) == "the address does not begin with http:// or https://"


@pytest.mark.parametrize("token", [f"{SECRET}\n", f"{SECRET}☃"])
def test_a_token_that_http_cannot_carry_is_not_quoted(server: Server, token: str) -> None:
    """Neither the sentence nor its chain tells a credential."""
    assert "token" in complaint(server.url, headers={"Authorization": f"Bearer {token}"})
    assert server.requests == []


def test_https_to_a_server_without_it_says_so(server: Server) -> None:
    """The sentence points at the scheme."""
    said = complaint(server.url.replace("http://", "https://") + f"/{SECRET}", seconds=LATEST)
    assert said == "no secure connection could be made (does the server speak https?)"


@pytest.mark.parametrize(
    ("name", "value", "scheme"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1", "http"),
        ("HTTPS_PROXY", "nonsense://127.0.0.1:1", "http"),
        ("SSL_CERT_FILE", "/nonexistent/bundle.pem", "https"),
    ],
)
def test_network_settings_that_cannot_be_used_are_named(name: str, value: str, scheme: str) -> None:
    """A proxy or bundle of certificates in the environment that cannot be used is said to be the cause."""
    assert name in asked(f"{scheme}://127.0.0.1:1/", {name: value})


def test_a_proxy_in_the_environment_is_used(server: Server) -> None:
    """But not for what `NO_PROXY` names."""
    proxy = {"HTTP_PROXY": server.url, "NO_PROXY": "127.0.0.1"}
    assert asked("http://somewhere.invalid/path", proxy) == "200\n"
    assert asked(f"{server.url}/direct", proxy) == "200\n"
    assert [request.path for request in server.requests] == ["http://somewhere.invalid/path", "/direct"]


def test_plain_http_needs_no_certificates(server: Server) -> None:
    """Neither good nor bad ones are looked at."""
    assert asked(server.url, {"SSL_CERT_FILE": "/nonexistent/bundle.pem"}) == "200\n"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("an authority of ours")


@pytest.fixture
def secure(authority: Authority, tmp_path: Path) -> Iterator[Server]:
    """A server that this authority vouches for."""
    with serving(authority.server(tmp_path)) as server:
        yield server


def test_a_server_that_nobody_vouches_for_is_refused(secure: Server) -> None:
    """By all the authorities of this machine, and nothing of the message gets there."""
    assert asked(secure.url).startswith("the server's certificate is not trusted")
    assert secure.requests == []


@pytest.mark.parametrize("redirected", [False, True])
def test_who_is_trusted_can_be_said(
    secure: Server, server: Server, authority: Authority, tmp_path: Path, redirected: bool
) -> None:
    """By a file or a folder of authorities, as httpx has it; only they count then, also after a redirect."""
    file, folder = authority.save(tmp_path / "ours.pem"), tmp_path / "ours"
    folder.mkdir()
    authority.save_hashed(folder)
    other = Authority("another authority").save(tmp_path / "other.pem")
    server.answer = Answer(302, b"", {"Location": secure.url})
    url = server.url if redirected else secure.url
    assert asked(url, {"SSL_CERT_FILE": str(file)}, follow=redirected) == "200\n"
    assert asked(url, {"SSL_CERT_DIR": str(folder)}, follow=redirected) == "200\n"
    assert "not trusted" in asked(url, {"SSL_CERT_FILE": str(other)}, follow=redirected)
    assert len(secure.requests) == 2


def test_a_redirect_is_trusted_whatever_was_asked_before(
    secure: Server, server: Server, authority: Authority, tmp_path: Path
) -> None:
    """What went by plain HTTP to the same server, and was to stay there, trusted nobody."""
    server.answer = Answer(302, b"", {"Location": secure.url})
    url, trusted = server.url.replace("http://", "http://ada:a@"), authority.save(tmp_path / "ours.pem")
    before = f"from gradent_cli import web; web.request('GET', {url!r})\n"
    assert asked(url, {"SSL_CERT_FILE": str(trusted)}, begin=before, follow=True) == "200\n"


def test_a_trusted_server_speaks_only_for_itself(secure: Server, authority: Authority, tmp_path: Path) -> None:
    """A certificate for another name is none."""
    url = secure.url.replace("127.0.0.1", "localhost")
    assert "not trusted" in asked(url, {"SSL_CERT_FILE": str(authority.save(tmp_path / "ours.pem"))})


SYSTEM = """
import ssl
ssl.get_default_verify_paths = lambda: ssl.DefaultVerifyPaths(None, {folder!r}, "", "", "", {folder!r})
"""


def test_the_systems_authorities_are_looked_up(secure: Server, authority: Authority, tmp_path: Path) -> None:
    """Where it has a whole store, only that counts. What has a few is for something else: certifi's count then."""
    folder = tmp_path / "certs"
    folder.mkdir()
    system = SYSTEM.format(folder=str(folder))
    assert "not trusted" in asked(secure.url, begin=system)
    (folder / "ca-certificates.crt").symlink_to(authority.save_hashed(folder))
    assert "not trusted" in asked(secure.url, begin=system)
    for number in range(web.WHOLE_STORE):
        (folder / f"{number:08x}.0").symlink_to("elsewhere.pem")
    assert asked(secure.url, begin=system) == "200\n"
    with serving(Authority("a stranger").server(tmp_path)) as stranger:
        assert "not trusted" in asked(stranger.url, begin=system)


def asked(url: str, environ: Mapping[str, str] | None = None, *, begin: str = "", follow: bool = False) -> str:
    """What a process that gets this says: the status, or why there is none. Nothing else is written anywhere."""
    program = (
        "import sys\n"
        "from gradent_cli import web\n"
        f"try: print(web.request('GET', sys.argv[1], follow_redirects={follow}).status)\n"
        "except web.WebError as error: print(error)"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SSL_CERT_")}
    done = subprocess.run(
        [sys.executable, "-c", begin + program, url],
        env=clean | dict(environ or {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_requests_do_not_wait_for_each_other(server: Server) -> None:
    """A server that hangs in many requests does not keep the next one from being made."""
    with peer(lambda connection, over: None) as url:
        hung = [threading.Thread(target=complaint, args=(url,), kwargs={"seconds": 0.6}) for _ in range(3)]
        for thread in hung:
            thread.start()
        assert web.request("GET", server.url).status == 200
        assert all(thread.is_alive() for thread in hung)
        for thread in hung:
            thread.join()


def test_a_connection_is_used_again() -> None:
    """Whatever goes to the same host one after the other does not begin anew each time."""
    said = [HEAD + b"Content-Length: 5\r\n\r\nfirst", HEAD + b"Content-Length: 6\r\n\r\nsecond"]

    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(said[0])
        connection.recv(65_536)
        connection.sendall(said[1])

    with peer(talk) as url:  # takes one connection only
        assert [web.request("GET", url, seconds=LATEST).body for _ in said] == [b"first", b"second"]


def test_all_share_one_tls_context() -> None:
    """Also those that begin at the same moment: to read the authorities takes longer than a message."""
    program = (
        "import ssl, threading\n"
        "from gradent_cli import web\n"
        "made = []\n"
        "make = ssl.create_default_context\n"
        "ssl.create_default_context = lambda **options: (made.append(options), make(**options))[1]\n"
        "def ask(number):\n"
        "    try: web.request('GET', f'https://127.0.0.{number}:1/')\n"
        "    except web.WebError: pass\n"
        "threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "print(len(made))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


@pytest.mark.parametrize("follow", [False, True])
def test_a_name_and_password_in_the_address_are_sent(server: Server, follow: bool) -> None:
    """As HTTP Basic, and to this address alone."""
    for address in ("http://ada:pass%20word@", "http://bob@", "http://"):
        web.request("GET", server.url.replace("http://", address), follow_redirects=follow)
    sent = [request.headers.get("Authorization") for request in server.requests]
    assert sent == ["Basic YWRhOnBhc3Mgd29yZA==", "Basic Ym9iOg==", None]


def test_nobody_gets_the_cookies_of_another(server: Server) -> None:
    """A redirect may go by them, and two calendars of one server may be of two accounts."""

    def answer(request: Request) -> Answer:
        cookie = {"Set-Cookie": "session=of-ada"} if request.headers.get("Authorization") == "Basic YWRhOmE=" else {}
        steps = {"/": "/signed-in", "/signed-in": "/there"}
        if request.path not in steps:
            return Answer(200, b"")
        return Answer(302, b"", {"Location": server.url + steps[request.path], **cookie})

    server.answer = answer
    for address in ("http://ada:a@", "http://bob:b@", "http://"):
        web.request("GET", server.url.replace("http://", address), follow_redirects=True)
    sent = [request.headers.get("Cookie") for request in server.requests]
    assert sent == [None, None, "session=of-ada", None, None, None, None, None, None]


def test_the_command_line_of_httpx_stays_out() -> None:
    """click, rich and Pygments are here with other packages, and would cost as much as httpx; whoever wants it can."""
    assert all(map(find_spec, ("click", "rich", "pygments"))), "else this says nothing"
    program = (
        "import sys\n"
        "from gradent_cli import web\n"
        "try: web.request('GET', 'http://127.0.0.1:1/')\n"
        "except web.WebError: pass\n"
        "print([name for name in ('httpx', 'click', 'rich', 'pygments') if name in sys.modules])\n"
        "import httpx._main\n"
        "print(httpx._main.main.name)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['httpx']\nmain\n"


def measured(url: str) -> tuple[web.Answer, int]:
    """The answer, and the most bytes of Python memory that getting it took at any moment."""
    with suppress(web.WebError):
        web.request("GET", "http://127.0.0.1:1/")  # what httpx takes once is not what is measured
    tracemalloc.start()
    try:
        answer = web.request("GET", url, seconds=LATEST)
        return answer, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
