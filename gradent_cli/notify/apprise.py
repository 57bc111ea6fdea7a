"""Apprise: any service that the library knows, e-mail and the desktop among them (https://github.com/caronc/apprise).

The library is an optional extra. It says yes or no and logs its reasons, so those are listened to while it sends.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from importlib.util import find_spec
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from gradent_cli.annotations import TYPE_CHECKING
from gradent_cli.errors import NotifyError
from gradent_cli.notify import SECONDS_PER_MESSAGE, fingerprint
from gradent_cli.records import Message
from gradent_cli.text import clean, one_line

if TYPE_CHECKING:
    import logging

SECONDS_TO_INSTALL = 3600.0
"""What a machine lacks does not come within this run."""

_KINDS = {"completed": "success", "recovered": "success", "missed": "warning"}
"""Event -> Apprise's NotifyType; a failure is "failure", all else "info"."""
# Credentials that a mail server refuses (https://www.rfc-editor.org/rfc/rfc4954#section-6), and HTTP's 401.
_REFUSED = re.compile(r"\(53[0458], b['\"]|\berror=401\b")
_DETAIL = "Socket Exception: "
_SYSTEM = re.compile(r"\[Errno -?\d+\] ([\w ,/-]+)")
_WIKI = "https://github.com/caronc/apprise/wiki"
_heard: ContextVar["list[logging.LogRecord] | None"] = ContextVar("heard", default=None)


class Apprise:
    """One URL, all of which may be secret: in many services the host is the token.

    Args:
        url: as Apprise has it. Its own time limits hold up to `seconds` for each answer.
    """

    def __init__(self, url: str, *, seconds: float = SECONDS_PER_MESSAGE) -> None:
        self._url = url
        self._seconds = seconds
        self._scheme = url.partition("://")[0].lower()
        self.name = f"apprise-{self._scheme}-{sha256(url.encode()).hexdigest()[:4]}"

    @property
    def where(self) -> str:
        """The scheme."""
        return f"{self._scheme}://…"

    @property
    def identity(self) -> str:
        """Another one as soon as the missing extra is there."""
        return fingerprint(self._url, "installed" if find_spec("apprise") else "missing")

    def send(self, message: Message) -> None:
        """Hand it to the library; `NotifyError` as in `Channel`. Without a known reason, trying later may help."""
        try:
            import apprise
        except ImportError as error:
            raise NotifyError(
                "Apprise is not installed", hint="pip install 'gradent-cli[apprise]'", permanent="channel"
            ) from error
        with _listening() as (logger, heard):
            asset = apprise.AppriseAsset(
                app_id="gradent", app_desc="gradent", async_mode=False, interpret_emojis=False, secure_logging=True
            )
            service = apprise.Apprise.instantiate(self._url, asset=asset)
            if service is None:
                raise self._unusable(heard)
            service.logger = logger  # of this service alone; what many log only there, is said in `_DETAIL`
            for limit in ("socket_connect_timeout", "socket_read_timeout"):
                setattr(service, limit, min(getattr(service, limit), self._seconds))
            sender = apprise.Apprise(asset=asset)
            sender.add(service)
            kind = "failure" if message.failure else _KINDS.get(message.event, "info")
            sent = sender.notify(
                body=message.text or message.title,
                title=message.title,
                notify_type=apprise.NotifyType(kind),
                body_format=apprise.NotifyFormat.TEXT,
            )
        if not sent:
            raise self._refusal(heard)

    def _unusable(self, heard: Sequence["logging.LogRecord"]) -> NotifyError:
        # The bare scheme: `dbus://` is a whole URL, and so a secret to whoever redacts.
        if any("disabled on this system" in record.getMessage() for record in heard):
            return NotifyError(
                f"this machine lacks what Apprise needs for {self._scheme}",
                hint=f"what that is: {_WIKI}",
                retry_after=SECONDS_TO_INSTALL,
            )
        return NotifyError(
            f"Apprise cannot use this {self._scheme} address",
            hint=f"gradent config set apprise.urls -; how they are written: {_WIKI}",
            permanent="channel",
        )

    def _refusal(self, heard: Sequence["logging.LogRecord"]) -> NotifyError:
        texts = [record.getMessage() for record in heard]
        reasons = dict.fromkeys(filter(None, map(_reason, texts)))
        told = one_line(self._redacted(clean("; ".join(reasons))), 200)
        return NotifyError(
            f"{self._scheme} did not take the message{': ' if told else ''}{told}",
            permanent="channel" if any(map(_REFUSED.search, texts)) else None,
        )

    def _redacted(self, text: str) -> str:
        """Without any part of the URL, as it is written and as it is meant, in capitals or not."""
        parts = sorted(set(_parts(self._url)), key=len, reverse=True)
        return re.sub("|".join(map(re.escape, parts)) or r"(?!)", "***", text, flags=re.IGNORECASE)


def _reason(text: str) -> str:
    """What to tell of a log line. Of an HTTP library's details, which quote addresses, only the system's own words."""
    if not text.startswith(_DETAIL):
        return text.rstrip(".")
    detail = text.removeprefix(_DETAIL)
    system = _SYSTEM.search(detail)
    if system is not None:
        return system[1].lower()
    return "" if "url:" in detail or "://" in detail else detail


def _parts(url: str) -> Iterator[str]:
    """What of a URL must not be told: passwords of any length, other pieces from four characters on, words from six."""
    rest = url.partition("://")[2]
    place, *more = re.split(r"[/?#]", rest, maxsplit=1)
    user = place.rpartition("@")[0]
    secret = [user.partition(":")[2]]
    pieces = [rest, place, user, *re.split(r"[/?&#:@,;]+", rest)]
    for pair in re.split(r"[?&]", "".join(more)):
        key, _, value = pair.partition("=")
        (secret if re.search("pass|token|key|secret|auth", key, re.IGNORECASE) else pieces).append(value)
    words = [word for piece in pieces for word in re.split(r"\W+", unquote(piece)) if len(word) >= 6]
    for written in [*secret, *words, *(piece for piece in pieces if len(unquote(piece)) >= 4)]:
        meant = unquote(written)
        yield from filter(None, (written, meant, unquote_plus(written), quote(meant, safe=""), quote_plus(meant)))


@contextmanager
def _listening() -> Iterator[tuple["logging.Logger", list["logging.LogRecord"]]]:
    """A logger for one service, which hears what is told at any level, and what was heard.

    It also hears the warnings of Apprise's own logger, but only those of this send: other channels may be sending at
    the same time. Nothing gets to standard error, and no level or handler is left changed.
    """
    import logging

    heard: list[logging.LogRecord] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told = record.levelno >= logging.WARNING or str(record.msg).startswith(_DETAIL)
            if told and _heard.get() is heard:
                heard.append(record)

    ear = Ear()
    shared = logging.getLogger("apprise")
    alone = logging.Logger("gradent.apprise", logging.DEBUG)  # noqa: LOG001  known to nobody, gone with this send
    alone.addHandler(ear)
    shared.addHandler(ear)
    token = _heard.set(heard)
    try:
        yield alone, heard
    finally:
        _heard.reset(token)
        shared.removeHandler(ear)
