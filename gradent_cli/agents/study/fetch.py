"""What a file or an address holds, within limits: the reading that assignment sources and calendars share."""

import codecs
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gradent_cli.agents.study.cache import FeedCache, to_keep
from gradent_cli.errors import SourceError

if TYPE_CHECKING:
    from gradent_cli.web import Answer

Understood = TypeVar("Understood")

LIMIT = 20_000_000
"""Bytes; a term's feed has well below one million."""
SECONDS = 30.0
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is read from: exactly one of `url`, which is a secret, and `path` is set.

    `label` is how people know it ("source 'canvas'"), `expected` what should be there ("a calendar"). With a `cache`
    a server is only asked for what is new.
    """

    label: str
    expected: str
    url: str | None = field(default=None, repr=False)
    path: Path | None = None
    cache: FeedCache | None = field(default=None, repr=False, compare=False)

    def understand(self, parse: Callable[[bytes], Understood]) -> Understood:
        """What `parse` makes of everything that is there. What it understood is kept, and nothing else.

        Raises:
            SourceError: as `read`, or whatever `parse` raises.
        """
        if self.url is None or self.cache is None:
            return parse(self.read())
        kept = self.cache.find(self.url)
        answer = self._ask(SECONDS, LIMIT, kept.question() if kept else {})
        if kept is not None and answer.status == 304:
            try:
                return parse(kept.body)
            except SourceError:  # a newer gradent may be stricter with what an older one kept
                self.cache.forget(self.url)
                kept, answer = None, self._ask(SECONDS, LIMIT, {})
        understood = parse(self._body(answer, LIMIT))
        fresh = to_keep(answer.body, answer.headers)
        if fresh is not None:
            self.cache.keep(self.url, fresh)
        elif kept is not None:
            self.cache.forget(self.url)
        return understood

    def read(self, *, seconds: float = SECONDS, limit: int = LIMIT) -> bytes:
        """Everything that is there, never an HTML page, and from a server never nothing.

        Raises:
            SourceError: it cannot be had, is larger than `limit` bytes, takes longer than `seconds`, or is a web page.
        """
        if self.path is not None:
            return self._no_page(self._from_file(self.path, limit))
        return self._body(self._ask(seconds, limit, {}), limit)

    def _no_page(self, raw: bytes) -> bytes:
        if HTML.match(raw.removeprefix(codecs.BOM_UTF8)):
            raise self.refusal(
                f"it is an HTML page instead of {self.expected}, probably a login page; copy the feed's link again"
            )
        return raw

    def refusal(self, why: str, *, hint: str | None = None) -> SourceError:
        """The error to raise; it names the place by its label and path, never by its URL."""
        where = f"{self.label} ({self.path})" if self.path is not None else self.label
        return SourceError(f"cannot read {where}: {why}", hint=hint)

    def _from_file(self, path: Path, limit: int) -> bytes:
        try:
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                raise self.refusal("it is a folder, not a file")
            if not stat.S_ISREG(status.st_mode):
                raise self.refusal("it is not a regular file")
            if status.st_size > limit:
                raise self._too_large(f"it has {_megabytes(status.st_size)}", limit)
            return path.read_bytes()
        except FileNotFoundError:
            raise self.refusal("there is no such file") from None
        except OSError as error:
            raise self.refusal((error.strerror or str(error)).lower()) from error
        except ValueError:
            raise self.refusal("the path has a character that no file name can have") from None

    def _ask(self, seconds: float, limit: int, headers: Mapping[str, str]) -> "Answer":
        from gradent_cli.web import WebError, request

        try:
            return request(
                "GET",
                web_address(self.url or ""),
                headers=headers,
                seconds=seconds,
                limit=limit,
                follow_redirects=True,
            )
        except WebError as error:
            raise self.refusal(str(error)) from None

    def _body(self, answer: "Answer", limit: int) -> bytes:
        if answer.status != 200:
            raise self.refusal(_refusal_in_words(answer.status))
        if answer.cut:
            size = answer.headers.get("content-length", "")
            said = f"it has {_megabytes(int(size))}" if size.isdecimal() and int(size) > limit else "its answer goes on"
            raise self._too_large(said, limit)
        if not answer.body.strip():
            raise self.refusal("the server's answer is empty")
        return self._no_page(answer.body)

    def _too_large(self, said: str, limit: int) -> SourceError:
        return self.refusal(f"{said}, and at most {_megabytes(limit)} is read")


HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,1000}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)


def web_address(url: str) -> str:
    """The address to ask: `webcal://` and `webcals://` are what browsers hand to calendar programs for `https://`."""
    scheme, separator, rest = url.partition("://")
    return f"https://{rest}" if separator and scheme.strip().lower() in ("webcal", "webcals") else url.strip()


def decode(raw: bytes) -> tuple[str, tuple[str, ...]]:
    """The text and, where it is not UTF-8, a warning: lost letters are better than a lost assignment.

    A byte order mark decides; without one a line that is not UTF-8 is read as Windows-1252, what spreadsheets write.
    """
    if raw.startswith(UTF_16_MARKS):
        return raw.decode("utf-16", errors="replace"), ("it is in UTF-16, where UTF-8 is expected",)
    raw = raw.removeprefix(codecs.BOM_UTF8)
    try:
        return raw.decode(), ()
    except UnicodeDecodeError:
        lines = [_decode_line(line) for line in raw.split(b"\n")]
        return "\n".join(lines), ("parts of it are not in UTF-8, so accented letters may be wrong",)


def _decode_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}".removesuffix(".0") + " MB"


def _refusal_in_words(status: int) -> str:
    if status in (401, 403):
        return f"the link is no longer valid (HTTP {status}); copy a new one from where the first one came from"
    if status in (404, 410):
        return f"nothing is at its link any more (HTTP {status}); copy a new one from where the first one came from"
    if status == 304:
        return "the server says that nothing changed, though it was asked for everything (HTTP 304)"
    return status_in_words(status)


def status_in_words(status: int) -> str:
    """What an HTTP status says that means nothing particular where it was met."""
    if status == 429 or status >= 500:
        return f"the server cannot answer at the moment (HTTP {status})"
    return f"the server answered with HTTP {status}"
