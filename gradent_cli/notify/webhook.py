"""A webhook of the person's own: each message as JSON to any address.

What a server's status means for later tries is read as RFC 9110 has it (https://www.rfc-editor.org/rfc/rfc9110#section-15).
"""

from urllib.parse import urlsplit

from gradent_cli.annotations import TYPE_CHECKING, Any, Literal
from gradent_cli.errors import NotifyError
from gradent_cli.notify import fingerprint, post_json
from gradent_cli.records import Message

if TYPE_CHECKING:
    from gradent_cli.web import Answer

_REASONS = {
    401: "the webhook refused gradent",
    403: "the webhook refused gradent",
    404: "there is no webhook at this address",
    410: "there is no webhook at this address any more",
    413: "the webhook finds the message too large",
    429: "the webhook wants fewer messages for a while",
}
_REFUSED = (401, 403, 404, 410)
_MALFORMED = (400, 413, 422)


class Webhook:
    """One address, which is a secret. A user name and password in it are sent as HTTP Basic."""

    name = "webhook"

    def __init__(self, url: str) -> None:
        self._url = url
        self.identity = fingerprint(url)

    @property
    def where(self) -> str:
        """Scheme and host."""
        url = urlsplit(self._url)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"

    def send(self, message: Message) -> None:
        """POST it; `NotifyError` as in `Channel`. The id tells a receiver what it has got before."""
        answer = post_json("the webhook", self._url, payload(message), {"Idempotency-Key": message.id})
        if not 200 <= answer.status < 300:
            raise _refusal(answer)


def payload(message: Message) -> dict[str, Any]:
    """The JSON of one message. Keys may be added, never renamed."""
    return {
        "id": message.id,
        "event": message.event,
        "title": message.title,
        "text": message.text,
        "priority": message.priority,
        "tags": list(message.tags),
        "created_at": message.created_at.isoformat(),
        "run_id": message.run_id,
        "failure": message.failure,
    }


def _refusal(answer: "Answer") -> NotifyError:
    permanent: Literal["message", "channel"] | None = None
    if answer.status in _REFUSED:
        permanent = "channel"
    elif answer.status in _MALFORMED:
        permanent = "message"
    return NotifyError(
        f"{_REASONS.get(answer.status, 'the webhook did not take the message')} ({answer.status})",
        hint="set the right one: gradent config set webhook.url -" if permanent == "channel" else None,
        permanent=permanent,
        retry_after=None if permanent else _pause(answer),
    )


def _pause(answer: "Answer") -> float | None:
    """Retry-After in seconds; a date in it counts from the answer's own Date, so that no clock of ours matters."""
    wanted = answer.headers.get("retry-after", "").strip()
    if wanted.isascii() and wanted.isdigit():
        return float(wanted[:9])
    from email.utils import parsedate_to_datetime

    try:
        until, now = (parsedate_to_datetime(text) for text in (wanted, answer.headers.get("date", "")))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):  # none, not a date, or one without a zone
        return None
