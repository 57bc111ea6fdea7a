"""ntfy: JSON to the server's root (https://docs.ntfy.sh/publish/#publish-as-json).

Its limits and its errors' `code` are as measured on ntfy 2.11; the codes are listed in ntfy's `server/errors.go`.
"""

import json

from gradent_cli.annotations import TYPE_CHECKING, Any, Literal
from gradent_cli.errors import NotifyError
from gradent_cli.notify import fingerprint, json_object, post_json
from gradent_cli.records import Message
from gradent_cli.text import cut_bytes, one_line

if TYPE_CHECKING:
    from gradent_cli.web import Answer

TEXT_BYTES = 4095
"""One byte more and ntfy makes the text an attachment."""
BODY_BYTES = 8192
TITLE_BYTES = 250

_REASONS = {
    400: "ntfy did not accept the message",
    401: "ntfy refused the token",
    403: "ntfy does not let gradent write to this topic",
    404: "there is no ntfy server at this address",
    413: "ntfy finds the message too large",
    429: "ntfy wants fewer messages for a while",
    40009: "ntfy does not accept this topic's name",
    40010: "ntfy keeps this topic's name for itself",
    42908: "this day's messages are used up on the ntfy server until midnight UTC",
    42909: "ntfy has seen too many wrong tokens from this address",
}
_REMEDIES = {
    401: "set another: gradent config set --ntfy-token -",
    403: "set a token that may: gradent config set --ntfy-token -",
    404: "set the right one: gradent config set --ntfy-server URL",
    40009: "letters, digits, - and _ only, at most 64",
    40010: "choose another one",
}
_PAUSES = {42901: 5.0, 42908: 3600.0}
"""Seconds until another try makes sense, since ntfy names none: a visitor gets one request back every five.

A day's messages last until midnight UTC, but they are counted for the address that one comes from, and a laptop
changes that: an hour costs at most 24 requests more.
"""


class Ntfy:
    """One topic on one server (scheme and host only). A topic is as good as a password, so it is never shown whole."""

    name = "ntfy"

    def __init__(self, topic: str, *, server: str = "https://ntfy.sh", token: str | None = None) -> None:
        self._topic = topic
        self._url = f"{server}/"
        self.identity = fingerprint(topic, server, token or "")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    @property
    def where(self) -> str:
        """Scheme and host, and the first half of the topic, nine characters at most."""
        from urllib.parse import urlsplit

        url = urlsplit(self._url)
        topic = self._topic[: min(9, len(self._topic) // 2)]
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}, topic {topic}…"

    def send(self, message: Message) -> None:
        """Publish; `NotifyError` as in `Channel`."""
        answer = post_json("ntfy", self._url, payload(self._topic, message), self._headers)
        if answer.status != 200:
            raise _refusal(answer)
        if json_object(answer.body) is None:
            raise NotifyError("something that is not ntfy answered in its place (is there a sign-in page?)")


def payload(topic: str, message: Message) -> dict[str, Any]:
    """The JSON of one message, with a text that ntfy neither refuses nor turns into an attachment."""
    # ntfy shows an empty text as the word "triggered".
    text = cut_bytes(message.text.strip() or message.title, TEXT_BYTES)
    document = {
        "topic": topic,
        "title": cut_bytes(message.title, TITLE_BYTES, mark="…"),
        "message": text,
        "priority": message.priority,
        "tags": list(message.tags),
        # From ntfy 2.16 on, a message that comes twice takes its own place; before, this is ignored.
        "sequence_id": message.id,
    }
    excess = len(json.dumps(document, ensure_ascii=False).encode()) - BODY_BYTES
    if excess > 0:
        document["message"] = cut_bytes(text, len(text.encode()) - excess)
    return document


def _refusal(answer: "Answer") -> NotifyError:
    said = json_object(answer.body) or {}
    own = said.get("code")
    own = own if isinstance(own, int) and 10_000 <= own < 60_000 else None
    code = own or answer.status
    status = code // 100 if own else code
    reason = _REASONS.get(code) or _REASONS.get(status)
    if reason is None:
        words = one_line(str(said.get("error", "")), 100)
        reason = f"ntfy did not take the message: {words}" if words else "ntfy did not take the message"
    return NotifyError(
        f"{reason} ({code})",
        hint=_REMEDIES.get(code) or _REMEDIES.get(status),
        permanent=_permanent(own, answer.status),
        retry_after=_PAUSES.get(code),
    )


def _permanent(own: int | None, status: int) -> Literal["message", "channel"] | None:
    """What no later try can change: by ntfy's own code, and any 401, for whoever asks for a token gets no better one.

    A firewall, a proxy, or whatever has a home server's address in another network answers 400, 403 and 404, too.
    """
    if own is None:
        return "channel" if status == 401 else None
    if own in (40009, 40010) or own // 100 in (401, 403, 404):
        return "channel"
    return "message" if own // 100 in (400, 413) else None
