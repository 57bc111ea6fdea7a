"""ntfy's publish endpoint on loopback, for tests that break things; `e2e/test_real_ntfy.py` has the real server.

Limits and answers as measured on ntfy 2.11 (`server/errors.go`, `server/types.go`); one visitor, no rate limits.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.street.server import Answer, Request, Server, serving

TEXT_BYTES = 4095
BODY_BYTES = 8192
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")


@dataclass
class Ntfy:
    """`messages` is what a person on the topic would see. What arrives while it is `down` is refused with 503."""

    server: Server
    topic: str = "gradent-x7k2m9q4w8"
    token: str | None = None
    down: bool = False
    messages: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server.answer = self._answer

    def _answer(self, request: Request) -> Answer:
        if self.down:
            return Answer(503, b"<html>down</html>", {"Content-Type": "text/html"})
        if len(request.body) != int(request.headers.get("Content-Length", -1)):
            return Answer(400)  # its sender died in the middle of it; nobody reads this
        return self._published(request)

    def _published(self, request: Request) -> Answer:
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return _refused(401, 40101, "unauthorized")
        if len(request.body) > BODY_BYTES:
            return _refused(413, 41303, "JSON body too large")
        try:
            message = request.json
        except ValueError:
            return _refused(400, 40024, "invalid request: request body must be valid JSON")
        if not isinstance(message, dict) or message.get("priority", 3) not in range(6):
            return _refused(400, 40007, "invalid priority parameter")
        if not _TOPIC.fullmatch(str(message.get("topic"))):
            return _refused(400, 40009, "invalid request: topic invalid")
        if len(message.get("message", "").encode()) > TEXT_BYTES:
            return _refused(400, 40014, "invalid request: attachments not allowed")
        self.messages.append(message)
        return Answer(200, json.dumps({"id": f"m{len(self.messages):011}", "event": "message"}).encode())


@contextmanager
def ntfy(**options: Any) -> Iterator[Ntfy]:
    with serving() as server:
        yield Ntfy(server, **options)


def _refused(status: int, code: int, words: str) -> Answer:
    body = {"code": code, "http": status, "error": words, "link": "https://ntfy.sh/docs/publish/"}
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
