"""Feeds as they were last understood, so that a server only has to say that nothing changed (RFC 9110, 13.1).

One file for each address in a folder of the state. Its name is a hash, because an address is a secret; its first line
says what the server called the content, and the rest is the content. A file that is not exactly as it was written
counts as none: then the feed is read as a whole. Beside them lies what calendars last blocked, for when one is down.
"""

import json
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from gradent_cli.errors import StateError
from gradent_cli.files import make_private_directory, write_atomic

ASK_WHOLE_AFTER = timedelta(hours=12)
"""A server that says for ever that nothing changed is not believed for longer."""
FORGET_AFTER = timedelta(days=30)
"""What has not been asked for in so long goes."""
RENEW_AFTER = timedelta(days=1)
"""What is remembered and still the same is written again only then, so that it does not count as old."""

_FORMAT = "gradent feed 1"
_LAST_GOOD = "last good "
_LONGEST_HEAD = 4096
_TAG = re.compile(r'(?:W/)?"[!#-~]{0,256}"')
_DATE = re.compile(r"[A-Za-z0-9 ,:+-]{1,64}")
_NAME = re.compile(r"[0-9a-f]{64}|\.[0-9a-f]{64}\.[0-9]+\.tmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A feed's content and what its server called it: to ask again takes one of entity tag and date of change."""

    body: bytes
    tag: str = ""
    changed: str = ""

    def question(self) -> dict[str, str]:
        """The header that asks for the content only if it is another one.

        Never both: there are servers that look at the date alone, or only at whether there is one
        (https://github.com/jsenecal/netbox-notices/issues/67).
        """
        return {"If-None-Match": self.tag} if self.tag else {"If-Modified-Since": self.changed}


def to_keep(body: bytes, headers: Mapping[str, str]) -> Kept | None:
    """What of a server's answer can be asked about again; None where it gave no name to it, or forbids to store it."""
    if "no-store" in headers.get("cache-control", "").lower():
        return None
    tag, changed = headers.get("etag", "").strip(), headers.get("last-modified", "").strip()
    tag = tag if _TAG.fullmatch(tag) else ""
    changed = changed if _DATE.fullmatch(changed) else ""
    return Kept(body=body, tag=tag, changed=changed) if tag or changed else None


class FeedCache:
    """The folder with the feeds.

    Args:
        now: the run's start.
        read_only: for a run that must not write.
    """

    def __init__(self, folder: Path, *, now: datetime, read_only: bool = False) -> None:
        self._folder = folder
        self._now = now
        self._read_only = read_only

    def find(self, url: str) -> Kept | None:
        """What is kept of an address; None where nothing usable is, or it is time to read the whole again."""
        found = self._found(self._path(url), ASK_WHOLE_AFTER)
        return found[0] if found else None

    def keep(self, url: str, kept: Kept) -> None:
        """Keep what was understood. That it cannot be written costs time in the next run, and nothing else."""
        self._put(self._path(url), kept)

    def remember(self, place: str, content: bytes) -> None:
        """Keep what was made of a place, for the time in which it cannot be read; what is kept already, once a day."""
        last = self.remembered(place)
        if last is not None and last[0] == content and self._now - last[1] <= RENEW_AFTER:
            return
        self._put(self._path(_LAST_GOOD + place), Kept(body=content))

    def remembered(self, place: str) -> tuple[bytes, datetime] | None:
        """What was last made of a place, and when; None where nothing usable is."""
        found = self._found(self._path(_LAST_GOOD + place), FORGET_AFTER)
        return (found[0].body, found[1]) if found else None

    def _found(self, path: Path, longest: timedelta) -> tuple[Kept, datetime] | None:
        """What a file holds, and since when; None where it is not as it was written, or is older than `longest`."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as stream:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return None
                head = json.loads(stream.readline(_LONGEST_HEAD))
                body = stream.read(int(head["size"]) + 1)
            return self._checked(head, body, longest)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            return None

    def _checked(self, head: dict[str, Any], body: bytes, longest: timedelta) -> tuple[Kept, datetime] | None:
        whole = head["format"] == _FORMAT and head["digest"] == _digest(head["tag"], head["changed"], body)
        kept_at = datetime.fromisoformat(head["kept_at"])
        fresh = timedelta(0) <= self._now - kept_at <= longest  # it may also be from a clock that was ahead
        return (Kept(body=body, tag=head["tag"], changed=head["changed"]), kept_at) if whole and fresh else None

    def _put(self, path: Path, kept: Kept) -> None:
        if self._read_only:
            return
        head = {
            "format": _FORMAT,
            "kept_at": self._now.isoformat(),
            "tag": kept.tag,
            "changed": kept.changed,
            "size": len(kept.body),
            "digest": _digest(kept.tag, kept.changed, kept.body),
        }
        with suppress(StateError, OSError):
            make_private_directory(self._folder)
            if path.is_symlink():  # writing would follow it
                path.unlink()
            write_atomic(path, json.dumps(head).encode() + b"\n" + kept.body, mode=0o600)

    def forget(self, url: str) -> None:
        """What is kept of an address was not what it should be."""
        if not self._read_only:
            with suppress(OSError):
                self._path(url).unlink()

    def tidy(self) -> None:
        """Remove what has not been asked for in a long time, and nothing that is not ours."""
        if self._read_only:
            return
        with suppress(OSError):
            for entry in list(os.scandir(self._folder)):
                changed_at = datetime.fromtimestamp(entry.stat(follow_symlinks=False).st_mtime, UTC)
                if _NAME.fullmatch(entry.name) and self._now - changed_at > FORGET_AFTER:
                    with suppress(OSError):
                        Path(entry.path).unlink()

    def _path(self, url: str) -> Path:
        return self._folder / sha256(url.encode(errors="surrogatepass")).hexdigest()


def _digest(tag: str, changed: str, body: bytes) -> str:
    return sha256(b"\0".join((tag.encode(), changed.encode(), body))).hexdigest()
