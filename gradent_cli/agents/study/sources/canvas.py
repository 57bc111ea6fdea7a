"""Assignments from Canvas's own interface, with what was handed in: what a calendar feed cannot say.

The planner (https://canvas.instructure.com/doc/api/planner.html) is what Canvas shows a student as their to-do list:
one request for all courses, a page at a time. Where an item is also in Canvas's calendar feed it has the same key here.
What its fields hold is from https://github.com/instructure/canvas-lms/blob/master/lib/api/v1/planner_item.rb.
"""

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from gradent_cli.agents.study.feed import Notes, end_of_day, utc
from gradent_cli.agents.study.fetch import HTML, LIMIT, SECONDS, Place, status_in_words
from gradent_cli.agents.study.records import Assignment
from gradent_cli.agents.study.sources import Harvest, by_due_date
from gradent_cli.agents.study.sources.html import is_html, plain
from gradent_cli.errors import SourceError
from gradent_cli.text import clean, cut_characters, one_line

if TYPE_CHECKING:
    from gradent_cli.web import Answer

BEHIND, AHEAD = timedelta(days=30), timedelta(days=180)
"""How far around now the planner is asked for."""
MOST_PAGES = 100
MOST_WAITS = 5
"""Times that Canvas may ask to wait within one reading."""
WARN_BEFORE = timedelta(days=14)

REMEDY = (
    "make a new one in Canvas (Account, Settings, New access token), then: "
    "gradent config set --source URL --source-token -"
)

_WORK = frozenset(
    ("assignment", "sub_assignment", "quiz", "discussion_topic", "planner_note", "wiki_page", "assessment_request")
)
_ASSIGNMENT_LINK = re.compile(r"/assignments/([0-9]{1,20})(?:[/?#]|$)")
_PAGE = re.compile(r"<([^<>]*)>([^<]*)")
_NEXT = re.compile(r"(?i)(?:^|;)\s*rel\s*=\s*(?:\"[^\"]*?\bnext\b|next\b)")
_ABSOLUTE = re.compile(r"https?://[!-~]{1,2000}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanvasSource:
    """A student's Canvas.

    Args:
        place: its `url` is the address of the school's Canvas alone.
        token: the student's access token; it is sent to that server and no other.
        expires: the token's last day, where the student said.
        wait: seconds between two tries when Canvas asks for less haste and does not say how long.
    """

    name: str
    place: Place
    token: str = field(repr=False)
    expires: date | None = None
    wait: float = 2.0

    def read(self, *, now: datetime, zone: tzinfo, seconds: float = SECONDS) -> Harvest:
        window = {"start_date": _stamp(now - BEHIND), "end_date": _stamp(now + AHEAD), "per_page": "100"}
        notes = Notes("item")
        found: dict[str, Assignment] = {}
        for item in self._items(window, time.monotonic() + seconds):
            assignment = self._assignment(item, zone, notes)
            if assignment is not None:
                known = found.get(assignment.key)
                found[assignment.key] = assignment if known is None else _same(known, assignment)
        ends = expiry(self.expires, now.astimezone(zone).date())
        return Harvest(
            assignments=by_due_date(found.values()),
            warnings=(*notes.sentences(self.name), *([f"{self.name}: {ends}"] if ends else [])),
        )

    def greet(self, *, now: datetime, seconds: float) -> None:
        """Ask for one item, to see whether the address is a Canvas and the token is taken.

        Raises:
            SourceError: it is not.
        """
        self._page(
            f"{self._planner()}?{urlencode({'start_date': _stamp(now), 'per_page': '1'})}",
            time.monotonic() + seconds,
            LIMIT,
            waits=0,
        )

    # Asking

    def _planner(self) -> str:
        return (self.place.url or "").rstrip("/") + "/api/v1/planner/items"

    def _items(self, window: Mapping[str, str], deadline: float) -> list[Any]:
        """What is on all pages; pages, bytes and time are counted over the whole."""
        items: list[Any] = []
        url: str | None = f"{self._planner()}?{urlencode(window)}"
        asked: set[str] = set()
        left, waits = LIMIT, MOST_WAITS
        while url is not None:
            if url in asked:
                raise self.place.refusal("its pages lead in a circle")
            if len(asked) == MOST_PAGES:
                raise self.place.refusal(f"it has more than {MOST_PAGES} pages")
            asked.add(url)
            answer, waits = self._page(url, deadline, left, waits=waits)
            left -= len(answer.body)
            items += self._list(answer.body)
            url = self._next(answer.headers.get("link", ""), url)
        return items

    def _page(self, url: str, deadline: float, limit: int, *, waits: int) -> "tuple[Answer, int]":
        """One page, and how often Canvas may still ask to wait.

        Canvas means "too many requests" by 403 and the words "Rate Limit Exceeded" (https://canvas.instructure.com/doc/
        api/file.throttling.html); what stands in front of it says 429.
        """
        from gradent_cli.web import WebError, request

        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise self.place.refusal("not everything could be read in time")
            try:
                answer = request("GET", url, headers=headers, seconds=left, limit=limit)
            except WebError as error:
                raise self.place.refusal(str(error), hint="is this machine online, and the address right?") from None
            if not _throttled(answer):
                break
            pause = _pause(answer, self.wait)
            if not waits or time.monotonic() + pause >= deadline:
                raise self.place.refusal(
                    f"Canvas asks for fewer requests (HTTP {answer.status}); the next run tries again"
                )
            waits -= 1
            time.sleep(pause)
        if answer.status != 200:
            raise self._refused(answer.status)
        if answer.cut:
            raise self.place.refusal(f"it is more than {LIMIT / 1e6:g} MB, and no more is read")
        return answer, waits

    def _refused(self, status: int) -> SourceError:
        if status == 401:
            return self.place.refusal(
                "the token was refused (HTTP 401); tokens that students make in Canvas end after at most 120 days: "
                + REMEDY,
                hint=new_token(self.place.url or ""),
            )
        if status == 403:
            return self.place.refusal(
                "the token may not read the planner (HTTP 403)", hint="make the token with your student account"
            )
        if status in (404, 410) or 300 <= status < 400:
            return self.place.refusal(
                f"there is no Canvas at its url (HTTP {status}); it is the address that your browser shows while you "
                "are signed in, up to the first slash"
            )
        return self.place.refusal(status_in_words(status))

    def _list(self, body: bytes) -> list[Any]:
        if HTML.match(body):
            raise self.place.refusal(f"it is an HTML page instead of {self.place.expected}; is it a Canvas at all?")
        try:
            items = json.loads(body)
        except (ValueError, RecursionError):
            raise self.place.refusal("Canvas's answer is not JSON") from None
        if not isinstance(items, list):
            raise self.place.refusal("Canvas's answer is not a list of items")
        return items

    def _next(self, link: str, url: str) -> str | None:
        """The next page by the `Link` header (RFC 8288), by the scheme that was asked for: a proxy may not know it."""
        pages = (match[1] for match in _PAGE.finditer(link) if _NEXT.search(match[2].rstrip(", ")))
        target = next(pages, None)
        if target is None:
            return None
        asked, following = urlsplit(url), _joined(url, target)
        if following is None or following.netloc.lower() != asked.netloc.lower():
            raise self.place.refusal("its next page is on another server, which must not get the token")
        return following._replace(scheme=asked.scheme, fragment="").geturl()

    # Understanding

    def _assignment(self, item: Any, zone: tzinfo, notes: Notes) -> Assignment | None:
        """The assignment that an item is; None for what is none, and for what cannot be read, which is noted."""
        item = item if isinstance(item, dict) else {}
        kind, plannable = _text(item.get("plannable_type")), _table(item.get("plannable"))
        title = one_line(_text(plannable.get("title")) or _text(plannable.get("name")), 200)
        if kind not in _WORK:
            if not kind:
                notes.add("left out {events} without a type", title)
            return None
        dated = any(plannable.get(name) for name in _DATES)
        if kind in _TO_READ and not dated and not isinstance(item.get("submissions"), dict):
            return None
        key = _key(kind, item, plannable)
        if key is None:
            notes.add("left out {events} without an id", title)
            return None
        due_at = _due(item, plannable, zone) if dated or kind not in _TO_READ else None
        if due_at is None and dated:
            notes.add("took {events} without a due date, because it cannot be read", title)
        return Assignment(
            source=self.name,
            key=key,
            title=(f"Peer review: {title}" if kind == "assessment_request" else title) or "Untitled",
            due_at=due_at,
            course=one_line(_text(item.get("context_name")), 200) or None,
            description=_prose(_text(plannable.get("details"))),
            url=self._link(_text(item.get("html_url"))),
            points=_points(plannable.get("points_possible")),
            done=_done(item),
        )

    def _link(self, url: str) -> str | None:
        link = _joined(self.place.url or "", url) if url.strip() else None
        return link.geturl() if link is not None and _ABSOLUTE.fullmatch(link.geturl()) else None


def new_token(url: str) -> str:
    """The command that gives a Canvas its next token."""
    return f"gradent config set --source {url} --source-token -"


def expiry(expires: date | None, today: date) -> str | None:
    """A sentence on a token that ends soon or has ended; it changes only when something new is to be said."""
    if expires is None or expires - today > WARN_BEFORE:
        return None
    ended = f"{expires:%A} {expires.day} {expires:%b %Y}"
    if today > expires:
        return f"its token ended on {ended}: {REMEDY}"
    soon = ", very soon" if expires - today <= timedelta(days=2) else ""
    return f"its token ends on {ended}{soon}: {REMEDY}"


_DATES = ("due_at", "todo_date")
_TO_READ = frozenset(("discussion_topic", "wiki_page", "planner_note"))
"""What may have no due date; its `plannable_date` is then that of its making."""


def _key(kind: str, item: Mapping[str, Any], plannable: Mapping[str, Any]) -> str | None:
    """A quiz or discussion that counts for the grade is an assignment underneath, which the calendar feed shows."""
    if kind in ("quiz", "discussion_topic"):
        below = _id(plannable.get("assignment_id"))
        link = _ASSIGNMENT_LINK.search(_text(item.get("html_url")))
        below = below or (link[1] if link else None)
        if below:
            return f"assignment-{below}"
    number = _id(item.get("plannable_id")) or _id(plannable.get("id"))
    return f"{kind}-{number}" if number else None


def _done(item: Mapping[str, Any]) -> bool | None:
    """What was handed in, graded, excused or ticked off; None where Canvas cannot know."""
    override = _table(item.get("planner_override"))
    if override.get("marked_complete") is True or override.get("dismissed") is True:
        return True
    submissions = item.get("submissions")
    if not isinstance(submissions, dict):
        return None
    if submissions.get("redo_request") is True:
        return False
    return any(submissions.get(name) is True for name in ("submitted", "graded", "excused"))


def _due(item: Mapping[str, Any], plannable: Mapping[str, Any], zone: tzinfo) -> datetime | None:
    """`plannable_date` is this student's own; a quiz's `due_at` is everybody's."""
    for value in (item.get("plannable_date"), *(plannable.get(name) for name in _DATES)):
        if isinstance(value, str) and value:
            try:
                if len(value) <= len("2026-12-01"):
                    return end_of_day(date.fromisoformat(value), zone)
                moment = datetime.fromisoformat(value)
            except ValueError:
                continue
            return utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return None


def _same(one: Assignment, other: Assignment) -> Assignment:
    """Two items for the same work: done in one way is done."""
    known = [each.done for each in (one, other) if each.done is not None]
    return replace(
        one,
        due_at=one.due_at or other.due_at,
        points=one.points if one.points is not None else other.points,
        done=any(known) if known else None,
    )


def _throttled(answer: "Answer") -> bool:
    if answer.status == 429:
        return True
    if answer.status != 403:
        return False
    remaining = answer.headers.get("x-rate-limit-remaining", "")
    spent = re.fullmatch(r"\s*(?:-.*|0+(?:\.0*)?)\s*", remaining) is not None
    return spent or b"rate limit exceeded" in answer.body[:1000].lower()


def _pause(answer: "Answer", otherwise: float) -> float:
    said = answer.headers.get("retry-after", "").strip()
    return float(said) if re.fullmatch(r"[0-9]{1,6}", said) else otherwise


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _id(value: Any) -> str | None:
    """A number, or a number in quotes: Canvas writes large ones so."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return str(value) if re.fullmatch(r"[0-9]{1,20}", str(value)[:21]) else None


def _points(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100_000
    return float(value) if usable and math.isfinite(value) else None


def _prose(text: str) -> str:
    return cut_characters(clean(plain(text) if is_html(text) else text).strip(), 4000)


def _joined(base: str, url: str) -> SplitResult | None:
    """Where a link leads; None where it is none."""
    try:
        return urlsplit(urljoin(base, url.strip()))
    except ValueError:
        return None
