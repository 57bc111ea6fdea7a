"""A Canvas on loopback: its planner in pages, its throttling, and what a student's token opens."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.street.server import Answer, Request, Server

TOKEN = "7~planted0canvas1token2"
THROTTLED = Answer(
    403,
    b"403 Forbidden (Rate Limit Exceeded)\n",
    {"X-Rate-Limit-Remaining": "0.0", "X-Request-Cost": "0.1", "Content-Type": "text/plain"},
)


def item(
    id: int,
    title: str,
    due: datetime | None,
    *,
    kind: str = "assignment",
    course: str | None = "CS 101",
    points: object = 10.0,
    submissions: object = None,
    override: object = None,
    **plannable: object,
) -> dict[str, Any]:
    """As canvas-lms's lib/api/v1/planner_item.rb makes it; `plannable` are more fields of the thing itself."""
    when = f"{due.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if due else None
    states = ("excused", "graded", "late", "missing", "needs_grading", "has_feedback", "redo_request")
    return {
        "context_type": "Course",
        "course_id": 1,
        "plannable_id": id,
        "planner_override": override,
        "plannable_type": kind,
        "new_activity": False,
        "submissions": {"submitted": False, **dict.fromkeys(states, False), **submissions}
        if isinstance(submissions, dict)
        else {"submitted": False, **dict.fromkeys(states, False)}
        if submissions is None
        else submissions,
        "plannable_date": when,
        "plannable": {
            "id": id,
            "title": title,
            "points_possible": points,
            "due_at": when,
            "created_at": "2026-09-01T00:00:00Z",
            **plannable,
        },
        "html_url": f"/courses/1/{kind}s/{id}",
        "context_name": course,
    }


class Canvas:
    """Makes a server answer as Canvas does.

    `items` is the student's planner; `first` are answers that are given before any other, such as `THROTTLED`.
    """

    def __init__(self, server: Server, items: Iterable[Any] = (), *, page: int = 100) -> None:
        self.server = server
        self.items = list(items)
        self.page = page
        self.first: list[Answer] = []
        self.link = "Link"
        server.answer = self._answer

    @property
    def asked(self) -> list[dict[str, list[str]]]:
        """The query of each request."""
        return [parse_qs(urlsplit(request.path).query) for request in self.server.requests]

    def _answer(self, request: Request) -> Answer:
        if self.first:
            return self.first.pop(0)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            body = json.dumps({"errors": [{"message": "Invalid access token."}]}).encode()
            return Answer(401, body, {"WWW-Authenticate": 'Bearer realm="canvas-lms"'})
        url = urlsplit(request.path)
        if url.path != "/api/v1/planner/items":
            return Answer(404, b'{"errors":[{"message":"The specified resource does not exist."}]}')
        query = parse_qs(url.query)
        size = min(int(query.get("per_page", ["10"])[0]), self.page)
        page = query.get("page", ["first"])[0]
        start = 0 if page == "first" else int(page.removeprefix("bookmark:"))
        base = f"{self.server.url}{url.path}?per_page={size}"
        links = [f'<{base}&page=first>; rel="current"', f'<{base}&page=first>; rel="first"']
        if start + size < len(self.items):
            links.insert(1, f'<{base}&page=bookmark:{start + size}>; rel="next"')
        headers = {"X-Rate-Limit-Remaining": "599.9", "X-Request-Cost": "0.05", self.link: ",".join(links)}
        return Answer(200, json.dumps(self.items[start : start + size]).encode(), headers)
