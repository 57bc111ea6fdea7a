"""One HTTP request with a limit on its whole time and size, for whoever needs the network.

httpx is imported at the first request and its one client (and TLS context) serves all that follow.
"""

import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Any

from gradent_cli import __version__

if TYPE_CHECKING:
    import httpx

USER_AGENT = f"gradent/{__version__}"


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
    headers: Mapping[str, str] | None = None,
    seconds: float = 10.0,
    limit: int = 65_536,
    follow_redirects: bool = False,
) -> Answer:
    """Send one request and read at most `limit` bytes of the answer within `seconds` of wall-clock time.

    The time counts for everything, name look-up and dripping servers included: httpx's own limits are per read and
    do not bound the look-up, so the request works in a thread that is left behind when it overruns. `json` is sent
    as raw UTF-8, not escaped.

    Raises:
        WebError: no connection, no answer in time, a broken answer, or a URL that cannot be one.
    """
    outcome: list[Answer | WebError] = []
    deadline = monotonic() + seconds

    def work() -> None:
        try:
            outcome.append(_attempt(method, url, json, headers, deadline, limit, follow=follow_redirects))
        except WebError as error:
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise WebError(f"no complete answer within {seconds:g} seconds")
    if isinstance(outcome[0], WebError):
        raise outcome[0]
    return outcome[0]


def _attempt(
    method: str,
    url: str,
    json: Any,
    headers: Mapping[str, str] | None,
    deadline: float,
    limit: int,
    *,
    follow: bool,
) -> Answer:
    import httpx

    body = bytearray()
    timeout = max(0.1, deadline - monotonic())
    try:
        with _client().stream(
            method, url, json=json, headers=headers, timeout=timeout, follow_redirects=follow
        ) as response:
            for chunk in response.iter_bytes(65_536):
                body += chunk
                if len(body) > limit:
                    break
                if monotonic() > deadline:
                    raise WebError("no complete answer in time")
            cut = len(body) > limit
            return Answer(status=response.status_code, headers=response.headers, body=bytes(body[:limit]), cut=cut)
    except httpx.HTTPError as error:
        raise WebError(_reason(error)) from error
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise WebError("the address is not a usable URL") from error
    except OSError as error:
        raise WebError(f"the connection failed: {error.strerror or type(error).__name__}") from error


def _reason(error: "httpx.HTTPError") -> str:
    """What went wrong in words; httpx's own text may quote the URL, so only the cause's words are used."""
    import httpx

    kinds = (
        (httpx.TimeoutException, "no answer in time"),
        (httpx.TooManyRedirects, "too many redirects"),
        (httpx.UnsupportedProtocol, "the address does not begin with http:// or https://"),
        (httpx.RemoteProtocolError, "the server's answer is not valid HTTP or stopped half way"),
    )
    for kind, reason in kinds:
        if isinstance(error, kind):
            return reason
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "the server's name could not be found (is there a network?)"
        if isinstance(cause, OSError) and cause.strerror:
            return f"the connection failed: {cause.strerror.lower()}"
        cause = cause.__cause__ or cause.__context__
    return f"the connection failed ({type(error).__name__})"


@cache
def _client() -> "httpx.Client":
    import httpx

    return httpx.Client(headers={"User-Agent": USER_AGENT}, limits=httpx.Limits(max_connections=None))
