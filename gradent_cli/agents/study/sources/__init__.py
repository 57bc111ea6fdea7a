"""Where assignments come from: one short module for each kind."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from importlib import import_module
from pathlib import Path
from typing import Protocol

from gradent_cli.agents.study.cache import FeedCache
from gradent_cli.agents.study.fetch import Place
from gradent_cli.agents.study.records import Assignment
from gradent_cli.errors import ConfigError

_KINDS = {
    "ics": ("a calendar", "IcsSource"),
    "canvas": ("Canvas's answer", "CanvasSource"),
    "toml": ("a TOML list", "TomlSource"),
    "csv": ("a CSV list", "CsvSource"),
    "markdown": ("a Markdown list", "MarkdownSource"),
}
"""What each kind expects at its place, and its class in the module of the same name."""

_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """What a source gave: assignments by due date, and sentences on what could not be taken as it stood.

    `complete` says that there is no other work than this: the student keeps the list by hand, so what is no longer in
    it they took out. A feed may leave out what is long past, or hidden for a day; nothing follows from that.
    """

    assignments: tuple[Assignment, ...]
    warnings: tuple[str, ...] = ()
    complete: bool = False


class Source(Protocol):
    """One place that assignments come from. Its name is unique and part of each assignment's id."""

    @property
    def name(self) -> str: ...

    def read(self, *, now: datetime, zone: tzinfo) -> Harvest:
        """All assignments that the place knows at `now`, times without a zone taken in the student's own.

        Raises:
            SourceError: it cannot be read or understood. Its text names the source and never its URL.
        """


def open_source(
    kind: str,
    *,
    name: str,
    url: str | None,
    path: Path | None,
    token: str | None = None,
    expires: date | None = None,
    cache: FeedCache | None = None,
) -> Source:
    """The source of this kind; nothing is read yet. Exactly one of `url` and `path` is set.

    Args:
        token: what opens it, for `canvas` alone.
        expires: the last day of the token, where the student said.
        cache: for feeds, so that a server is only asked for what is new.

    Raises:
        ConfigError: there is no such kind.
    """
    if kind not in _KINDS:
        raise ConfigError(f"unknown kind of source {kind!r}", hint=f"there are {', '.join(_KINDS)}")
    expected, made_by = _KINDS[kind]
    place = Place(label=f"source '{name}'", expected=expected, url=url, path=path, cache=cache)
    own = {"token": token or "", "expires": expires} if kind == "canvas" else {}
    source: Source = getattr(import_module(f"{__name__}.{kind}"), made_by)(name=name, place=place, **own)
    return source


def by_due_date(assignments: Iterable[Assignment]) -> tuple[Assignment, ...]:
    """Earliest first, those without a due date last; equal ones in an order that stays."""
    return tuple(
        sorted(assignments, key=lambda each: (each.due_at is None, each.due_at or _ANY_TIME, each.title, each.key))
    )


def no_source() -> ConfigError:
    """What whoever works on assignments says when nothing gives any."""
    return ConfigError("no source of assignments is configured", hint="gradent config set --source URL")
