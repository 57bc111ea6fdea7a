"""Discord's webhook endpoint on loopback: every limit and answer of API v10 as documented.

Sources, below https://discord.com/developers/docs/: resources/webhook#execute-webhook, topics/rate-limits,
resources/message#embed-object-embed-limits, topics/opcodes-and-status-codes. Lengths are code points
(discord-api-docs#1315); five requests in two seconds is what webhooks are known to be given.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from tests.street.server import Answer, Request, Server, serving

ID = "123456789012345678"
TOKEN = "aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789_-aBcDeFgHiJkLmNoPqRsTuVwXyZ0123"
MILLISECOND_VERSIONS = (None, "6", "7")
EMBED_LIMITS = {"title": 256, "description": 4096}
SUM_OF_EMBEDS = 6000
FLAGS = 4 | 4096 | 32768


@dataclass
class Discord:
    """`messages` is what a person in the Discord channel would see; `webhook` is what they copied from the settings.

    A webhook may be called `burst` times in `window` seconds, an address may call `global_burst` times a second. Who
    gets 401, 403 or 404 `patience` times in a row is `banned`: Discord wants that one stops, and shuts out the address.
    """

    server: Server
    threads: frozenset[str] = frozenset()
    burst: int = 5
    window: float = 2.0
    global_burst: int = 50
    patience: int = 10
    messages: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    banned: bool = False
    _times: list[float] = field(default_factory=list)
    _second: list[float] = field(default_factory=list)
    _invalid: int = 0

    def __post_init__(self) -> None:
        self.server.answer = self._answer

    @property
    def webhook(self) -> str:
        return f"{self.server.url}/api/webhooks/{ID}/{TOKEN}"

    def _answer(self, request: Request) -> Answer:
        if self.banned:
            return Answer(429, b"<html>error code: 1015</html>", {"Content-Type": "text/html", "Retry-After": "600"})
        answer = self._limited_everywhere(request) or self._limited(request) or self._executed(request)
        if answer.status >= 400:
            body: dict[str, Any] = {}
            with suppress(ValueError):
                body = json.loads(answer.body)
            self.refused.append(body)
        self._invalid = self._invalid + 1 if answer.status in (401, 403, 404) else 0
        self.banned = self._invalid >= self.patience
        answer.headers.setdefault("X-RateLimit-Limit", str(self.burst))
        answer.headers.setdefault("X-RateLimit-Remaining", str(max(0, self.burst - len(self._times))))
        answer.headers.setdefault("X-RateLimit-Bucket", "ab12cd34")
        return answer

    def _limited_everywhere(self, request: Request) -> Answer | None:
        now = monotonic()
        self._second = [time for time in self._second if time > now - 1]
        if len(self._second) < self.global_burst:
            self._second.append(now)
            return None
        wait = (self._second[0] + 1 - now) * _unit(request)
        headers = {"Retry-After": str(int(wait) + 1), "X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}
        body = {"message": "You are being rate limited.", "retry_after": wait, "global": True}
        return _json(429, body, headers)

    def _limited(self, request: Request) -> Answer | None:
        now = monotonic()
        self._times = [time for time in self._times if time > now - self.window]
        if len(self._times) < self.burst:
            self._times.append(now)
            return None
        wait = self._times[0] + self.window - now
        unit = _unit(request)
        headers = {
            "Retry-After": str(int(wait * unit) + 1),
            "X-RateLimit-Limit": str(self.burst),
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset-After": f"{wait:.3f}",
            "X-RateLimit-Scope": "user",
        }
        body = {"message": "You are being rate limited.", "retry_after": wait * unit, "global": False}
        return _json(429, body, headers)

    def _executed(self, request: Request) -> Answer:
        path, _, query_text = request.path.partition("?")
        query = dict(pair.split("=", 1) for pair in query_text.split("&") if pair)
        place = re.fullmatch(r"/api(?:/v\d+)?/webhooks/(\d+)/([\w-]+)", path)
        if not request.headers.get("User-Agent"):
            return Answer(403, b"error code: 1010", {"Content-Type": "text/plain"})
        if place is None:
            return _json(404, {"message": "404: Not Found", "code": 0})
        if request.method != "POST":
            return _json(405, {"message": "405: Method Not Allowed", "code": 0})
        if place[1] != ID:
            return _json(404, {"message": "Unknown Webhook", "code": 10015})
        if place[2] != TOKEN:
            return _json(401, {"message": "Invalid Webhook Token", "code": 50027})
        if len(request.body) > 25 * 1024 * 1024:
            return _json(413, {"message": "Request entity too large", "code": 40005})
        if not request.headers.get("Content-Type", "").startswith("application/json"):
            return _invalid({"_errors": [{"code": "CONTENT_TYPE_INVALID", "message": "Expected application/json"}]})
        if "thread_id" in query and query["thread_id"] not in self.threads:
            return _json(404, {"message": "Unknown Channel", "code": 10003})
        if self.threads and "thread_id" not in query:
            words = "Webhooks posted to forum channels must have a thread_name or thread_id"
            return _json(400, {"message": words, "code": 220001})
        try:
            message = request.json
        except ValueError:
            return _json(400, {"message": "The request body contains invalid JSON.", "code": 50109})
        if not isinstance(message, dict):
            return _invalid({"_errors": [{"code": "MODEL_TYPE_CONVERT", "message": "Only dictionaries may be used"}]})
        if problems := list(_problems(message)):
            return _invalid({where: {"_errors": [{"code": "BAD", "message": why}]} for where, why in problems})
        if not message.get("content") and not any(map(_says_something, message.get("embeds") or [])):
            return _json(400, {"message": "Cannot send an empty message", "code": 50006})
        self.messages.append(message)
        if query.get("wait") != "true":
            return Answer(204, b"")
        return _json(200, {"id": str(len(self.messages)), "type": 0, "webhook_id": ID, "embeds": message.get("embeds")})


@contextmanager
def discord() -> Iterator[Discord]:
    with serving() as server:
        running = Discord(server)
        yield running
        assert not running.banned, "Discord has banned this address: it was asked again and again what it had refused"


def _unit(request: Request) -> int:
    """How many of the units in which a pause is told make a second."""
    version = re.match(r"/api(?:/v(\d+))?/", request.path)
    return 1000 if version and version[1] in MILLISECOND_VERSIONS else 1


def _json(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})


def _invalid(errors: dict[str, Any]) -> Answer:
    return _json(400, {"message": "Invalid Form Body", "code": 50035, "errors": errors})


def _says_something(embed: dict[str, Any]) -> bool:
    return any(embed.get(key) for key in ("title", "description", "fields", "footer", "author", "image"))


def _problems(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _too_long("content", message.get("content"), 2000)
    if "username" in message:
        username = message["username"]
        yield from _too_long("username", username, 80, least=1)
        for word in ("discord", "clyde"):
            if word in str(username).lower():
                yield "username", f'Username cannot contain "{word}"'
    yield from _too_long("avatar_url", message.get("avatar_url"), 2048)
    yield from _too_long("thread_name", message.get("thread_name"), 100)
    if len(message.get("applied_tags", [])) > 5:
        yield "applied_tags", "Must be 5 or fewer in length."
    if message.get("flags", 0) & ~FLAGS:
        yield "flags", "Flags may only be SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS or IS_COMPONENTS_V2"
    mentions = message.get("allowed_mentions", {})
    if not isinstance(mentions, dict) or not set(mentions.get("parse", [])) <= {"users", "roles", "everyone"}:
        yield "allowed_mentions", "Value must be one of ('users', 'roles', 'everyone')"
    elif any(len(mentions.get(kind, [])) > 100 for kind in ("users", "roles")):
        yield "allowed_mentions", "Must be 100 or fewer in length."
    embeds = message.get("embeds", [])
    if not isinstance(embeds, list) or len(embeds) > 10:
        yield "embeds", "Must be 10 or fewer in length."
        return
    for number, embed in enumerate(embeds):
        yield from _embed_problems(f"embeds.{number}", embed)
    if sum(map(_length, embeds)) > SUM_OF_EMBEDS:
        yield "embeds", "Embed size exceeds maximum size of 6000"


def _embed_problems(where: str, embed: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, limit in EMBED_LIMITS.items():
        yield from _too_long(f"{where}.{key}", embed.get(key), limit)
    yield from _too_long(f"{where}.url", embed.get("url"), 2048)
    yield from _too_long(f"{where}.footer.text", embed.get("footer", {}).get("text"), 2048)
    yield from _too_long(f"{where}.author.name", embed.get("author", {}).get("name"), 256)
    colour = embed.get("color", 0)
    if not isinstance(colour, int) or not 0 <= colour <= 0xFFFFFF:
        yield f"{where}.color", "int value should be between 0 and 16777215"
    if "timestamp" in embed:
        try:
            datetime.fromisoformat(embed["timestamp"])
        except (TypeError, ValueError):
            yield f"{where}.timestamp", "Could not parse. Should be ISO8601."
    fields = embed.get("fields", [])
    if len(fields) > 25:
        yield f"{where}.fields", "Must be 25 or fewer in length."
    for number, one in enumerate(fields):
        yield from _too_long(f"{where}.fields.{number}.name", one.get("name", ""), 256, least=1)
        yield from _too_long(f"{where}.fields.{number}.value", one.get("value", ""), 1024, least=1)


def _too_long(where: str, text: Any, limit: int, *, least: int = 0) -> Iterator[tuple[str, str]]:
    if text is None:
        return
    if not isinstance(text, str):
        yield where, "Could not interpret as string."
    elif not least <= len(text) <= limit:
        yield where, f"Must be between {least} and {limit} in length."


def _length(embed: dict[str, Any]) -> int:
    texts = [embed.get("title"), embed.get("description")]
    texts += [embed.get("footer", {}).get("text"), embed.get("author", {}).get("name")]
    texts += [one.get(key) for one in embed.get("fields", []) for key in ("name", "value")]
    return sum(len(text) for text in texts if text)
