"""A calendar on a CalDAV server (RFC 4791): what it holds, and writing single events into it.

Five verbs of HTTP and a little XML. An event is known by the last part of its address, its *name*: the rest of the
address may be a secret. Every change is conditional on the ETag that was seen, so that nobody's edit is overwritten.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin, urlsplit

from gradent_cli.agents.study.fetch import status_in_words
from gradent_cli.errors import SourceError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from gradent_cli.web import Answer

SECONDS = 30.0
"""For one request."""
LIMIT = 20_000_000
"""Bytes of one answer."""
_HOPS = 3
_AT_ONCE = 50
"""Events asked for in one request by their names."""
_DAY = timedelta(days=1)
_WRITES = {f"{{DAV:}}{name}" for name in ("all", "write", "write-content", "bind")}
_DAV = "{DAV:}"
_CALDAV = "{urn:ietf:params:xml:ns:caldav}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event on the server: `etag` changes with it, None when not told; `body` is the calendar it stands in."""

    etag: str | None
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a calendar says about itself; `writable` is None when it does not say."""

    writable: bool | None


class MissingError(SourceError):
    """There is nothing at the calendar's address."""


@dataclass(slots=True, kw_only=True)
class Collection:
    """One calendar on a server.

    Args:
        label: how people know it ("calendar 'work'"); the address may be a secret and is never told.
        deadline: on the monotonic clock; what is asked after it fails. None: only each request is bounded.
    """

    label: str
    url: str = field(repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    seconds: float = SECONDS
    deadline: float | None = None

    def look(self) -> Look:
        """Whether it is there, is a calendar, and may be written to.

        Raises:
            MissingError: there is nothing.
            SourceError: it cannot be read, or is no calendar.
        """
        wanted = "<d:resourcetype/><d:current-user-privilege-set/>"
        own = self._listed(self._propfind("0", wanted))[0]
        rights = {right.tag for right in own.iterfind(f".//{_DAV}privilege/*")}
        return Look(writable=bool(rights & _WRITES) if rights else None)

    def etags(self) -> dict[str, str | None]:
        """The ETags of everything in it, by name; None where the server does not tell one.

        Raises:
            MissingError: there is no such calendar.
            SourceError: it cannot be read, or is no calendar.
        """
        found = self._entries(self._listed(self._propfind("1", "<d:resourcetype/><d:getetag/>")))
        return {name: entry.etag for name, entry in found.items()}

    def between(self, start: datetime, end: datetime) -> list[bytes]:
        """The calendars that hold events within [start, end], series as they are written; it may be some more.

        Raises:
            SourceError: they cannot be had.
        """
        # A day more on both sides: the server does not know in which zone whole days and floating times are meant.
        begin, stop = (f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}" for moment in (start - _DAY, end + _DAY))
        report = (
            f"<c:calendar-query {_SPACES}><d:prop><d:getetag/><c:calendar-data/></d:prop><c:filter>"
            f'<c:comp-filter name="VCALENDAR"><c:comp-filter name="VEVENT"><c:time-range start="{begin}" end="{stop}"/>'
            "</c:comp-filter></c:comp-filter></c:filter></c:calendar-query>"
        )
        return [entry.body for entry in self._report(report).values() if entry.body]

    def fetch(self, names: Iterable[str]) -> dict[str, Entry]:
        """The events of these names with their bodies; those that are not there are missing.

        Raises:
            SourceError: they cannot be had.
        """
        from html import escape

        names = list(names)
        found: dict[str, Entry] = {}
        for first in range(0, len(names), _AT_ONCE):
            path = urlsplit(self._root).path
            paths = [escape(path + quote(name), quote=False) for name in names[first : first + _AT_ONCE]]
            hrefs = "".join(f"<d:href>{each}</d:href>" for each in paths)
            prop = "<d:prop><d:getetag/><c:calendar-data/></d:prop>"
            found |= self._report(f"<c:calendar-multiget {_SPACES}>{prop}{hrefs}</c:calendar-multiget>")
        return {name: found[name] for name in names if name in found and found[name].body}

    def make(self) -> None:
        """Make the calendar; it must not be there.

        Raises:
            SourceError: the server does not let us.
        """
        name = "<d:displayname>Study plan</d:displayname>"
        body = f"<c:mkcalendar {_SPACES}><d:set><d:prop>{name}</d:prop></d:set></c:mkcalendar>"
        answer = self._ask("MKCALENDAR", "", "make", body.encode(), _XML)
        if answer.status != 201:
            raise self._refused("make", answer.status)

    def put(self, name: str, body: bytes, etag: str | None) -> tuple[bool, str | None]:
        """Write an event: a new one with `etag` None, else the one that had this ETag.

        Returns:
            Whether it was written: not when one is there that is not new, or has another ETag. And its new ETag, None
            when the server does not say.

        Raises:
            SourceError: the server did not take it.
        """
        condition = {"If-None-Match": "*"} if etag is None else {"If-Match": etag}
        answer = self._ask("PUT", name, "write", body, {"Content-Type": "text/calendar; charset=utf-8", **condition})
        if answer.status == 412 or (answer.status in (404, 410) and etag is not None):
            return False, None
        if answer.status not in (200, 201, 204):
            raise self._refused("write", answer.status)
        new = answer.headers.get("etag", "").strip()
        # A weak one says that the bytes may differ from those that were sent: it may be another than the listing's.
        return True, new if new.startswith('"') else None

    def delete(self, name: str, etag: str) -> bool:
        """Delete the event that had this ETag; False when there is another one now.

        Raises:
            SourceError: the server did not do it.
        """
        answer = self._ask("DELETE", name, "write", b"", {"If-Match": etag})
        if answer.status == 412:
            return False
        if answer.status not in (200, 202, 204, 404, 410):
            raise self._refused("write", answer.status)
        return True

    def refusal(self, verb: str, why: str, *, hint: str | None = None) -> SourceError:
        """The error to raise; it never holds the address."""
        return SourceError(f"cannot {verb} {self.label}: {why}", hint=hint)

    # ── requests ──

    @property
    def _root(self) -> str:
        return self.url.rstrip("/") + "/"

    def _propfind(self, depth: str, properties: str) -> "Element":
        body = f"<d:propfind {_SPACES}><d:prop>{properties}</d:prop></d:propfind>"
        answer = self._ask("PROPFIND", "", "read", body.encode(), {**_XML, "Depth": depth})
        return self._multistatus(answer)

    def _report(self, body: str) -> dict[str, Entry]:
        answer = self._ask("REPORT", "", "read", body.encode(), {**_XML, "Depth": "1"})
        return self._entries(self._multistatus(answer).iterfind(f"{_DAV}response"))

    def _ask(self, method: str, name: str, verb: str, body: bytes, headers: Mapping[str, str]) -> "Answer":
        """One request; a redirection is followed only to the same server, as the password goes along."""
        from gradent_cli.web import WebError, request

        sent = dict(headers)
        if self.username is not None:
            pair = f"{self.username}:{self.password or ''}"
            sent["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        address = self._root + quote(name)
        for _ in range(_HOPS + 1):
            seconds = self.seconds
            if self.deadline is not None:
                seconds = min(seconds, self.deadline - monotonic())
                if seconds <= 0:
                    raise self.refusal(verb, "it takes too long altogether")
            try:
                answer = request(method, address, content=body, headers=sent, seconds=seconds, limit=LIMIT)
            except WebError as error:
                raise self.refusal(verb, str(error)) from None
            if answer.status not in (301, 302, 307, 308):
                return answer
            target = _onward(address, answer.headers.get("location", ""))
            if target is None:
                raise self.refusal(
                    verb, "the server sends us on to another one, where the password must not go", hint=_ADDRESS
                )
            address = target
        raise self.refusal(verb, "the server sends us from one address to the next", hint=_ADDRESS)

    def _refused(self, verb: str, status: int) -> SourceError:
        why, hint = _in_words(status, verb)
        if status in (404, 410):
            return MissingError(f"cannot {verb} {self.label}: {why}", hint=hint)
        return self.refusal(verb, why, hint=hint)

    def _multistatus(self, answer: "Answer") -> "Element":
        if answer.status != 207:
            raise self._refused("read", answer.status)
        if answer.cut:
            raise self.refusal("read", f"its answer goes on, and at most {LIMIT // 1_000_000} MB is read")
        try:
            root = parse(answer.body)
        except ValueError as error:
            raise self.refusal("read", str(error)) from None
        if root.tag != f"{_DAV}multistatus":
            raise self.refusal("read", "what the server answers is not CalDAV")
        if any(" 507" in (each.findtext(f"{_DAV}status") or "") for each in root.iterfind(f"{_DAV}response")):
            # RFC 5323 2.3.2: what is missing would look like events that were deleted.
            raise self.refusal("read", "the server shows only a part of it, so nothing of it is used")
        return root

    def _listed(self, root: "Element") -> "list[Element]":
        """The responses of a listing, which must be that of a calendar; its own comes first."""
        responses = sorted(root.iterfind(f"{_DAV}response"), key=lambda each: self._name(each) != "")
        if not responses or responses[0].find(f".//{_DAV}resourcetype/{_CALDAV}calendar") is None:
            raise self.refusal("read", "what is at its address is not a calendar", hint=_ADDRESS)
        return responses

    def _entries(self, responses: "Iterable[Element]") -> dict[str, Entry]:
        """Everything in the collection that is there, whatever the server can say of it."""
        found: dict[str, Entry] = {}
        for response in responses:
            name = self._name(response)
            if not name or " 404" in (response.findtext(f"{_DAV}status") or ""):
                continue
            etag = body = ""
            for properties in _properties(response):
                etag = (properties.findtext(f"{_DAV}getetag") or etag).strip()
                body = properties.findtext(f"{_CALDAV}calendar-data") or body
            found[name] = Entry(etag=etag or None, body=body.encode())
        return found

    def _name(self, response: "Element") -> str | None:
        """The last part of an address within the collection, "" for the collection itself; None for anything else."""
        href = (response.findtext(f"{_DAV}href") or "").strip()
        try:
            path = unquote(urlsplit(urljoin(self._root, href)).path)
        except ValueError:  # no address at all
            return None
        name = path.removeprefix(self._path).rstrip("/")
        if not path.startswith(self._path) and path + "/" != self._path:
            return None
        return "" if path + "/" == self._path else name if "/" not in name else None

    @property
    def _path(self) -> str:
        return unquote(urlsplit(self._root).path)


_XML = {"Content-Type": "application/xml; charset=utf-8"}
_SPACES = 'xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"'
_MAKE = "make a calendar for study sessions with your calendar program, and give its address"
_ADDRESS = "give the address of one calendar, as the service shows it for CalDAV"


def parse(body: bytes) -> "Element":
    """The root of an XML document. What declares a document type is refused: entities can grow without end.

    Raises:
        ValueError: it is not one; the text says so to a person.
    """
    from xml.etree.ElementTree import TreeBuilder
    from xml.parsers import expat

    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True

    def begin(tag: str, _: object) -> None:
        builder.start("{" + tag if "}" in tag else tag, {})

    def end(tag: str) -> None:
        builder.end("{" + tag if "}" in tag else tag)

    def refuse(*_: object) -> None:
        raise ValueError("the server's answer declares a document type, which CalDAV never needs")

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(body, True)  # noqa: FBT003  expat takes no names
    except expat.ExpatError:
        page = re.search(rb"<html\b", body[:2000], re.IGNORECASE)
        what = "an HTML page, probably a login page" if page else "not XML"
        raise ValueError(f"the server's answer is {what}; is the address that of a CalDAV calendar?") from None
    return builder.close()


def _properties(response: "Element") -> "Iterator[Element]":
    """What the server could say, without what it has not."""
    for group in response.iterfind(f"{_DAV}propstat"):
        properties = group.find(f"{_DAV}prop")
        if properties is not None and " 200" in (group.findtext(f"{_DAV}status") or ""):
            yield properties


def _onward(address: str, location: str) -> str | None:
    """Where a redirection leads: only to the same server, and to a way no less protected. None: nowhere."""
    try:
        target = urljoin(address, location)
        before, after = ((url.scheme, url.hostname, url.port) for url in map(urlsplit, (address, target)))
    except ValueError:  # no address at all
        return None
    same = before == after or (before[0], before[1], "https") == ("http", after[1], after[0])
    return target if same else None


def _in_words(status: int, verb: str) -> tuple[str, str | None]:
    """Why a request was refused, and what to do about it."""
    words: dict[int, tuple[str, str | None]] = {
        401: (
            "the user name or password is refused (HTTP 401)",
            "many services want a password made for this app alone; look for 'app password' in its settings",
        ),
        403: (f"this account may not {verb} it (HTTP 403)", None),
        404: ("there is no calendar at its address (HTTP 404)", _ADDRESS),
        405: ("the server does not let us do that at this address (HTTP 405)", _ADDRESS),
        501: ("the server does not know how to do that, so it is none for CalDAV (HTTP 501)", _ADDRESS),
        409: (
            "its place is missing, or the event is at another place in it (HTTP 409)",
            _MAKE,
        ),
        410: ("there is no calendar at its address any more (HTTP 410)", _ADDRESS),
        413: ("the server says that it is too much (HTTP 413)", None),
        507: ("the server has no room left for it (HTTP 507)", None),
    }
    if status in words:
        why, hint = words[status]
        return why, _MAKE if verb == "make" else hint
    return status_in_words(status), _ADDRESS if 200 <= status < 400 else None
