"""Discord: one embed per message through a webhook (https://discord.com/developers/docs/resources/webhook#execute-webhook).

Lengths are Discord's embed limits, counted in code points (https://github.com/discord/discord-api-docs/issues/1315).
The longest title, description and footer together stay below the 6000 that an embed may have in all.
"""

import re
from urllib.parse import parse_qsl, urlencode, urlsplit

from gradent_cli.annotations import TYPE_CHECKING, Any, Literal
from gradent_cli.errors import NotifyError
from gradent_cli.notify import fingerprint, json_object, post_json
from gradent_cli.records import Message
from gradent_cli.text import cut_characters, one_line

if TYPE_CHECKING:
    from gradent_cli.web import Answer

TITLE_CHARACTERS = 256
DESCRIPTION_CHARACTERS = 4096

_GREY = 9807270
_RED = 15158332
_COLOURS = {"started": 5814783, "tool": 3447003, "completed": 3066993}
_WEBHOOKS = re.compile(r"/api(?:/v\d+)?/webhooks/")
_MARKDOWN = re.compile(r"https?://[^\s<]+|[\\`*_~|<>\[\]#]")
_THREAD, _FORUM = 10003, 220001
"""Discord's codes for a thread that it does not know, and for a forum channel that is given none."""
_REASONS = {
    400: "Discord did not accept the message",
    401: "Discord refused this webhook's token",
    403: "Discord does not let gradent write there",
    404: "Discord does not know this webhook",
    413: "Discord finds the message too large",
    429: "Discord wants fewer messages for a while",
    _THREAD: "Discord does not know the thread in this webhook's address",
}
_REMEDIES = {
    401: "make a new one: gradent config set --discord-webhook -",
    404: "make a new one: gradent config set --discord-webhook -",
    _THREAD: "set another thread_id: gradent config set --discord-webhook -",
    _FORUM: "add ?thread_id=ID to the webhook's address: gradent config set --discord-webhook -",
}


class Discord:
    """One webhook, whose address is the secret. Without a `username`, "gradent" speaks."""

    name = "discord"

    def __init__(self, webhook: str, *, username: str | None = None) -> None:
        self._username = username or "gradent"
        self._url = address(webhook)
        self.identity = fingerprint(webhook)

    @property
    def where(self) -> str:
        """Scheme and host."""
        url = urlsplit(self._url)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"

    def send(self, message: Message) -> None:
        """Execute the webhook; `NotifyError` as in `Channel`."""
        answer = post_json("Discord", self._url, payload(self._username, message))
        if answer.status not in (200, 204):
            raise _refusal(answer)
        if answer.status == 200 and json_object(answer.body) is None:
            raise NotifyError("something that is not Discord answered in its place (is there a sign-in page?)")


def address(webhook: str) -> str:
    """The webhook's address in API v10, asking Discord to wait until the message is saved.

    What people copy has no version and is answered by an old one that counts in milliseconds; without `wait`, a
    message that Discord then drops is no error. Host, thread and all else stay as they are.
    """
    url = urlsplit(webhook)
    query = [(key, value) for key, value in parse_qsl(url.query, keep_blank_values=True) if key != "wait"]
    path = _WEBHOOKS.sub("/api/v10/webhooks/", url.path.rstrip("/"))
    return url._replace(path=path, query=urlencode([*query, ("wait", "true")]), fragment="").geturl()


def payload(username: str, message: Message) -> dict[str, Any]:
    """The JSON of one message. Nobody is pinged and nothing is formatted by what a feed or an agent wrote."""
    return {
        "username": username,
        "allowed_mentions": {"parse": []},
        "embeds": [
            {
                "title": cut_characters(_plain(message.title), TITLE_CHARACTERS, mark="…"),
                "description": cut_characters(_plain(message.text), DESCRIPTION_CHARACTERS),
                "color": _RED if "warning" in message.tags else _COLOURS.get(message.event, _GREY),
                "timestamp": message.created_at.isoformat(),
                "footer": {"text": f"run {message.run_id}" if message.run_id else "gradent"},
            }
        ],
    }


def _plain(text: str) -> str:
    """`text` with Markdown's characters escaped; not in addresses, which Discord takes as they stand."""
    return _MARKDOWN.sub(lambda found: found[0] if len(found[0]) > 1 else "\\" + found[0], text)


def _refusal(answer: "Answer") -> NotifyError:
    said = json_object(answer.body) or {}
    words = one_line(str(said.get("message", "")), 100) if answer.status in (400, 403) else ""
    key = next((code for code in (_THREAD, _FORUM) if code == said.get("code")), answer.status)
    reason = _REASONS.get(key, "Discord did not take the message")
    wait = said.get("retry_after", answer.headers.get("retry-after")) if answer.status == 429 else None
    return NotifyError(
        f"{reason} ({answer.status}{': ' if words else ''}{words})",
        hint=_REMEDIES.get(key),
        permanent=_permanent(answer.status, said.get("code")),
        retry_after=_seconds(wait),
    )


def _permanent(status: int, code: Any) -> Literal["message", "channel"] | None:
    """What no later try can change. A firewall or proxy answers 400, 403 and 413, too, but not with Discord's `code`.

    Discord asks to stop for good at 401 and 404, or it shuts out the whole address
    (https://discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans).
    """
    if status in (401, 404) or code == _FORUM:
        return "channel"
    if status not in (400, 403, 413) or not isinstance(code, int):
        return None
    return "channel" if status == 403 else "message"


def _seconds(value: Any) -> float | None:
    """Seconds to wait as Discord says them, in JSON or in a header; None for what is no such number."""
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < float("inf") else None
