"""The student's work: what passes between the rooms of the study agent, and to whoever shows it.

As `gradent_cli.records`, which is all that the runs of other agents need.
"""

from datetime import datetime, timedelta

from gradent_cli.annotations import Literal
from gradent_cli.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A piece of work as its source describes it.

    `key` is the source's own stable id; `points` and `weight` (percent of the grade) are None when unknown;
    `effort_hours` is the student's own estimate of the whole work; `due_at` None means no deadline is known.
    `done` None means that the source cannot say (a calendar feed tells due dates, not what was handed in).
    """

    source: str
    key: str
    title: str
    due_at: datetime | None
    course: str | None = None
    description: str = ""
    url: str | None = None
    points: float | None = None
    weight: float | None = None
    effort_hours: float | None = None
    done: bool | None = None

    @property
    def id(self) -> str:
        """Twelve hex digits that stay the same as long as source and key do."""
        from hashlib import sha256

        return sha256(f"{self.source}\0{self.key}".encode()).hexdigest()[:12]

    @property
    def fingerprint(self) -> str:
        """Changes exactly when something that an assessment depends on changes."""
        from hashlib import sha256

        due = self.due_at.isoformat() if self.due_at else ""
        parts = (self.title, self.course, due, self.description, self.points, self.weight, self.effort_hours)
        return sha256(repr(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """A step on the way: `hours` of work that should be done `days_before_due` days before the due date."""

    label: str
    hours: float
    days_before_due: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What an assignment is thought to take.

    Effort in hours (low <= likely <= high), difficulty 1-5, risk 0-100, confidence 0-1; `reason` says in a sentence
    where the numbers come from, `basis` in a word (see `agents.study.assess`; "" in what 0.1 wrote). `version` counts
    from 1; `fingerprint` is that of the assignment it was made from. `prerequisites` are what has to be done before,
    `deliverables` what is handed in, both in the assignment's words.
    """

    assignment_id: str
    effort_low_hours: float
    effort_likely_hours: float
    effort_high_hours: float
    difficulty: int
    risk: int
    confidence: float
    reason: str
    fingerprint: str
    assessed_at: datetime
    milestones: tuple[Milestone, ...] = ()
    prerequisites: tuple[str, ...] = ()
    deliverables: tuple[str, ...] = ()
    version: int = 1
    basis: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """Work that the student says they did: so many minutes, ending at `worked_at`. Zero says that they did none."""

    assignment_id: str
    minutes: int
    worked_at: datetime
    logged_at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """An assignment that is done, and the `minutes` that the student logged for it."""

    assignment_id: str
    title: str
    minutes: int
    course: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One piece of advice, from facts only. `key` is stable, so that the same advice is not told twice."""

    key: str
    title: str
    text: str
    category: Literal["deadline_reminder", "study_reinforcement", "schedule_gap", "wellness", "other"]
    priority: Literal["high", "medium", "low"]
    assignment_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """A stretch of time that is taken: [starts_at, ends_at)."""

    starts_at: datetime
    ends_at: datetime
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Planned study time: [starts_at, ends_at).

    `ordinal` (from 1) stays with the session when it moves; `sequence` counts its changes, as RFC 5545 says.
    `pinned` sessions are where the student wants them and are never moved. `changed_at` is when it was last given
    other times or another title; None for one that was not saved yet.
    """

    assignment_id: str
    ordinal: int
    title: str
    starts_at: datetime
    ends_at: datetime
    pinned: bool = False
    sequence: int = 0
    changed_at: datetime | None = None

    @property
    def id(self) -> str:
        """The session's UID without the domain."""
        return f"{self.assignment_id}-{self.ordinal}"

    @property
    def duration(self) -> timedelta:
        return self.ends_at - self.starts_at

    @property
    def minutes(self) -> int:
        """How long it is in whole minutes."""
        return round(self.duration.total_seconds()) // 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """Work that does not fit before its due date: how many minutes, and what would help."""

    assignment_id: str
    minutes: int
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Sessions in order of time, and what did not fit."""

    sessions: tuple[Session, ...] = ()
    short: tuple[Shortfall, ...] = ()
