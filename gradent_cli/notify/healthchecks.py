"""Pings for Healthchecks (https://healthchecks.io) and what speaks like it: a run begins, succeeds or fails.

Not a channel: a ping is about now, so none is stored or sent later. That none arrives is what Healthchecks alerts on.
The endpoints are those of https://healthchecks.io/docs/http_api/, run ids those of
https://healthchecks.io/docs/measuring_script_run_time/.
"""

from queue import SimpleQueue
from random import uniform
from threading import Event, Thread
from urllib.parse import parse_qsl, urlencode, urlsplit

from gradent_cli.dataclass import dataclass
from gradent_cli.text import clean, one_line

SECONDS_PER_TRY = 5.0
BODY_BYTES = 10_000
"""The least that a server keeps: 10 kB on many of one's own, 100 kB on healthchecks.io."""

_REASONS = {
    400: "Healthchecks finds no ping in its address",
    404: "Healthchecks does not know this check",
    409: "Healthchecks has more than one check of this name",
    429: "Healthchecks wants fewer pings for a while",
}


class Healthchecks:
    """One check, whose address is a secret. Nothing here waits, but for `finish`, and nothing raises.

    A thread of its own sends the pings in order. Each has a second try, but a start that the end of its run overtakes.
    """

    def __init__(self, ping_url: str) -> None:
        self._url = ping_url
        self._queue: SimpleQueue[_Ping | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._over = Event()
        self._problem: str | None = None

    @property
    def where(self) -> str:
        """Scheme and host."""
        url = urlsplit(self._url)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"

    def start(self, run_id: str) -> None:
        """The run begins."""
        self._post(_Ping(address(self._url, "start", run_id), begins=True))

    def ended(self, run_id: str, *, success: bool, exit_code: int | None, log: str) -> None:
        """The run is over.

        Args:
            exit_code: the agent process's own, told with a failure if it is 1 to 255.
            log: without secrets; its end is kept.
        """
        what = "" if success else str(exit_code) if exit_code is not None and 1 <= exit_code <= 255 else "fail"
        self._post(_Ping(address(self._url, what, run_id), log))

    def finish(self, seconds: float) -> str | None:
        """Wait at most so long for what is under way. The last thing that went wrong, for the log; None if nothing."""
        if self._thread is None:
            return None
        self._queue.put(None)
        self._thread.join(seconds)
        self._over.set()
        return f"Healthchecks did not answer within {seconds:g} s" if self._thread.is_alive() else self._problem

    def _post(self, ping: "_Ping") -> None:
        self._queue.put(ping)
        if self._thread is None:
            self._thread = Thread(target=self._work, name="healthchecks", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (ping := self._queue.get()) is not None and not self._over.is_set():
            problem, hopeful = _try(ping)
            overtaken = ping.begins and not self._queue.empty()
            if hopeful and not overtaken and not self._over.wait(uniform(0.2, 0.6)):  # noqa: S311  no secret
                problem, _ = _try(ping)
            self._problem = problem or self._problem


@dataclass(frozen=True, slots=True)
class _Ping:
    url: str
    log: str = ""
    begins: bool = False


def address(ping_url: str, what: str, run_id: str) -> str:
    """The ping's address: `what` is `start`, `fail`, an exit code, or empty for success. A query stays."""
    from uuid import NAMESPACE_OID, uuid5

    url = urlsplit(ping_url)
    query = [(key, value) for key, value in parse_qsl(url.query, keep_blank_values=True) if key != "rid"]
    path = url.path.rstrip("/") + (f"/{what}" if what else "")
    query.append(("rid", str(uuid5(NAMESPACE_OID, run_id))))
    return url._replace(path=path, query=urlencode(query), fragment="").geturl()


def _try(ping: _Ping) -> tuple[str | None, bool]:
    """What went wrong, and whether it may go better at once."""
    from gradent_cli.web import WebError, request

    log = clean(ping.log[-BODY_BYTES:]).encode()[-BODY_BYTES:].decode(errors="ignore").encode()
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    try:
        answer = request("POST", ping.url, content=log, headers=headers, seconds=SECONDS_PER_TRY, limit=200)
    except WebError as error:
        return f"Healthchecks could not be reached: {error}", True
    if not 200 <= answer.status < 300:
        why = _REASONS.get(answer.status, "Healthchecks did not take the ping")
        return f"{why} ({answer.status})", answer.status >= 500
    said = answer.body.decode(errors="replace")
    if said.startswith("OK ("):  # healthchecks.io answers "OK (not found)" and "OK (rate limited)" with 200
        return f"Healthchecks did not take the ping ({one_line(said[4:], 40).rstrip(')')})", False
    return None, False
