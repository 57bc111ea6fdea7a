"""What passes between the study agent's steps: what *check* brought, and what the others stand on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradent_cli.agents.study.free import Day
from gradent_cli.agents.study.records import Assessment, Assignment, Busy, Session

Work = Sequence[tuple[Assignment, Assessment]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What *check* brought: `errors` and `warnings` are sentences for people, `summary` is what it says of itself.

    `wanted` are the ids of what is neither done nor ignored nor gone: what the student pinned for it stays in the plan.
    `busy` is None when a calendar could not be read. `warned` says that a warning is new; `changed`, that work is.
    """

    open: tuple[Assignment, ...]
    wanted: frozenset[str]
    assessments: dict[str, Assessment]
    busy: tuple[Busy, ...] | None
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    moved: tuple[str, ...]
    changed: bool
    warned: bool
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the steps after *check* stand on: minutes by assignment id, and the free time up to the horizon."""

    sessions: tuple[Session, ...]
    worked: Mapping[str, int]
    settled: Mapping[str, int]
    free: tuple[Day, ...]
