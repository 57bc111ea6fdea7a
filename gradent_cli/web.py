"""One HTTP request with a limit on its whole time and size, for whoever needs the network.

httpx is imported at the first request. One TLS context serves all that follow, and a connection whatever goes to the
same host one after the other.
"""

import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from gradent_cli import __version__

if TYPE_CHECKING:
    import ssl

    import httpx

USER_AGENT = f"gradent/{__version__}"
WHOLE_STORE = 100
"""Authorities. Who browses the web needs some 140; a folder with a few has been made for something else."""

_HEADERS = {"Accept": "*/*", "Accept-Encoding": "gzip", "User-Agent": USER_AGENT}
_making = threading.Lock()
_resting: dict[tuple[str, bytes, bytes, bool], list["httpx.Client | httpx.HTTPTransport"]] = {}
"""What nobody sends with right now, by scheme, name and password, server, and whether it follows redirects: a client
keeps cookies, and they are for nobody else."""
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
"""How openssl-rehash(1) names a certificate, so that OpenSSL finds it when it is needed and reads no other."""
_BROKEN = "the server's answer is not valid HTTP or stopped half way"
_NO_URL = "the address is not a usable URL"
_NO_NAME = "the server's name could not be found (is there a network?)"
_T = TypeVar("_T")


class WebError(Exception):
    """No usable answer. The text says why and never quotes the URL, which may be a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said. Header names are lower case; `body` holds at most the limit asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool


def request(
    method: str,
    url: str,
    *,
    json: Any = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = 10.0,
    limit: int = 65_536,
    follow_redirects: bool = False,
) -> Answer:
    """Send one request and read at most `limit` bytes of the answer within `seconds` of wall-clock time.

    The time counts for everything, name look-up and dripping servers included: httpx's own limits are per read and
    do not bound the look-up, so the request works in a thread that is left behind when it overruns. `json` is sent
    as raw UTF-8, not escaped; `content` as it is, instead of it.

    Raises:
        WebError: no connection, no answer in time, a broken answer, or a URL that cannot be one.
    """

    def work() -> Answer:
        return exchange(
            method,
            url,
            json=json,
            content=content,
            headers=headers,
            seconds=seconds,
            limit=limit,
            follow_redirects=follow_redirects,
        )

    return _within(seconds, work)


def exchange(
    method: str,
    url: str,
    *,
    json: Any = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = 10.0,
    limit: int = 65_536,
    follow_redirects: bool = False,
) -> Answer:
    """As `request`, but in the caller's thread, which should be one that can be left behind.

    A slow look-up of the name, or a server that drips the head of its answer, takes longer than `seconds`.
    """
    _import_httpx()
    import httpx

    deadline = monotonic() + seconds
    # No cause is chained: httpx's texts quote addresses and headers, and a traceback may end up in the log.
    try:
        request = httpx.Request(
            method,
            url,
            json=json,
            content=content,
            headers={**_HEADERS, **(headers or {})},
            extensions={"timeout": httpx.Timeout(max(0.1, seconds)).as_dict()},
        )
        if request.url.scheme in ("http", "https") and not request.url.host:
            raise WebError(_NO_URL)  # the transport would look for it on this machine
        with _send(request, follow_redirects=follow_redirects) as response:
            body = _read(response, deadline, limit)
            return Answer(
                status=response.status_code, headers=response.headers, body=body[:limit], cut=len(body) > limit
            )
    except httpx.HTTPError as error:
        raise WebError(_reason(error)) from None
    except httpx.InvalidURL:
        raise WebError(_NO_URL) from None
    except ValueError:
        raise WebError("the address or a token has characters that HTTP cannot carry") from None
    except OSError as error:
        raise WebError(f"the connection failed: {error.strerror or type(error).__name__}") from None


def reach(url: str, *, seconds: float) -> None:
    """Open a connection to the server of this address and close it again; nothing is said.

    Where a proxy stands between, there is nothing to look at.

    Raises:
        WebError: there is no connection within `seconds`, or the address cannot be one.
    """
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise WebError(_NO_URL) from None
    proxies = getproxies()
    if (parts.scheme in proxies or "all" in proxies) and not proxy_bypass(host):
        return

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=seconds).close()
        except (socket.gaierror, UnicodeError):  # an empty part of a name, or one of more than 63 characters
            raise WebError(_NO_NAME) from None
        except TimeoutError:
            raise WebError("no answer in time") from None
        except OSError as error:
            raise WebError(f"the connection failed: {(error.strerror or type(error).__name__).lower()}") from None

    _within(seconds, connect)


def _within(seconds: float, work: Callable[[], _T]) -> _T:
    """What `work` gives, in a thread that is left behind when it overruns."""
    outcome: list[_T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001  raised below, in the thread that asked
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not outcome:
        raise WebError(f"no complete answer within {seconds:g} seconds")
    return outcome[0]


def _read(response: "httpx.Response", deadline: float, limit: int) -> bytes:
    """The body, at most one byte more than `limit`.

    Unpacked here and not by httpx, which unpacks whatever arrives at once: a few hundred bytes can become gigabytes.
    """
    import zlib

    body = bytearray()
    coding = response.headers.get("content-encoding", "identity").lower()
    if coding not in ("identity", "gzip"):
        raise WebError("the server's answer is packed in a way that was not asked for")
    unpacker = zlib.decompressobj(wbits=31) if coding == "gzip" else None
    for chunk in response.iter_raw():  # as it arrives: a chunk size would hold a drip back until it is full
        try:
            body += unpacker.decompress(chunk, limit + 1 - len(body)) if unpacker else chunk
        except zlib.error:
            raise WebError(_BROKEN) from None
        if len(body) > limit:
            return bytes(body[: limit + 1])
        if monotonic() > deadline:
            raise WebError("no complete answer in time")
    if body and unpacker and not unpacker.eof:
        raise WebError(_BROKEN)
    return bytes(body)


def _reason(error: "httpx.HTTPError") -> str:
    """What went wrong in words; httpx's own text may quote the URL, so only the cause's words are used."""
    import ssl

    import httpx

    kinds = (
        (httpx.TimeoutException, "no answer in time"),
        (httpx.TooManyRedirects, "too many redirects"),
        (httpx.UnsupportedProtocol, "the address does not begin with http:// or https://"),
        (httpx.LocalProtocolError, "the address or a token has characters that HTTP cannot carry"),
        (httpx.RemoteProtocolError, _BROKEN),
    )
    for kind, reason in kinds:
        if isinstance(error, kind):
            return reason
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return _NO_NAME
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the server's certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "no secure connection could be made (does the server speak https?)"
        if isinstance(cause, OSError) and cause.strerror:
            return f"the connection failed: {cause.strerror.lower()}"
        cause = cause.__cause__ or cause.__context__
    return f"the connection failed ({type(error).__name__})"


@contextmanager
def _send(request: "httpx.Request", *, follow_redirects: bool) -> Iterator["httpx.Response"]:
    """The answer, by connections that nobody else uses meanwhile: at every request, httpx looks through all it has.

    A client of httpx is for what only it does: redirects, proxies, a name and password in the address. All else goes
    by its transport alone, which is quicker.
    """
    import httpx

    url = request.url
    with _making:
        resting = _resting.setdefault((url.scheme, url.userinfo, url.netloc, follow_redirects), [])
        sender = resting.pop() if resting else _make_sender(url, follow_redirects=follow_redirects)
    try:
        if isinstance(sender, httpx.Client):
            response = sender.send(request, stream=True, follow_redirects=follow_redirects)
        else:
            response = sender.handle_request(request)
        try:
            yield response
        finally:
            response.close()
    finally:
        resting.append(sender)


def _make_sender(url: "httpx.URL", *, follow_redirects: bool) -> "httpx.Client | httpx.HTTPTransport":
    import httpx

    try:
        trusting = _trusting() if follow_redirects or url.scheme != "http" else _trusting_nobody()
        if follow_redirects or url.userinfo or _has_proxies():
            return httpx.Client(verify=trusting, trust_env=_has_proxies())
        return httpx.HTTPTransport(verify=trusting)
    except (httpx.InvalidURL, ValueError, ImportError, OSError):
        raise WebError(
            "the environment's network settings (HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE, ...) cannot be used"
        ) from None


@cache
def _has_proxies() -> bool:
    """Whether the environment names any. Each client of httpx would look through all of it, which takes its time."""
    from urllib.request import getproxies

    return bool(getproxies())


@cache
def _trusting() -> "ssl.SSLContext":
    """Checks servers by what SSL_CERT_FILE or SSL_CERT_DIR names, else by the system's authorities, else by certifi's.

    The system's only where OpenSSL can look up the one that is needed: to read all of them takes longer than a message.
    """
    import ssl

    import httpx

    store = ssl.get_default_verify_paths().capath
    if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR") or not _is_whole_store(store):
        return httpx.create_ssl_context()
    return ssl.create_default_context(capath=store)


def _is_whole_store(folder: str | None) -> bool:
    if folder is None:
        return False
    try:
        with os.scandir(folder) as entries:
            return sum(_HASHED.fullmatch(entry.name) is not None for entry in entries) >= WHOLE_STORE
    except OSError:
        return False


@cache
def _trusting_nobody() -> "ssl.SSLContext":
    """For plain HTTP: it costs next to nothing, and no server gets past it."""
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def _import_httpx() -> None:
    """Import httpx without its command line, which costs as much again where click, rich and Pygments are installed."""
    with _making:
        if "httpx" in sys.modules:
            return
        sys.modules["httpx._main"] = None  # type: ignore[assignment]  # cannot be imported then: httpx does without
        try:
            import_module("httpx")
        finally:
            del sys.modules["httpx._main"]
