"""What passes between rooms: frozen records, no behaviour beyond their own arithmetic.

Every `*_at` is an aware `datetime` in UTC. Hours and minutes are plain numbers and say so in their names.
"""

from datetime import datetime

from gradent_cli.annotations import Literal
from gradent_cli.dataclass import dataclass

RunStatus = Literal["running", "success", "failure", "timeout", "skipped", "interrupted"]
ToolStatus = Literal["started", "completed", "failed"]
DeliveryStatus = Literal["pending", "sent", "failed", "folded"]
SuggestionStatus = Literal["pending", "told", "done", "dismissed"]
Event = Literal["started", "tool", "completed", "failed", "recovered", "missed", "interrupted"]
EVENTS: tuple[Event, ...] = ("started", "tool", "completed", "failed", "recovered", "missed", "interrupted")


# ── a run ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One thing the agent did, as known at this moment: `started`, then once more `completed` or `failed`.

    `result` is one line for people; `details` are the lines of its notification. `changed` is False when the tool
    found nothing that was not known before, so that nobody is told twice. `incidental` are the steps of a coding agent
    (a command that it runs, a file that it reads): on record, but told only where `agent.notify_tools` names them.
    """

    id: str
    tool: str
    title: str
    status: ToolStatus
    started_at: datetime
    finished_at: datetime | None = None
    result: str = ""
    details: tuple[str, ...] = ()
    error: str | None = None
    changed: bool = True
    incidental: bool = False

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it is going on."""
        return None if self.finished_at is None else (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a language model has used in a run so far: tokens, and US dollars where their price is known."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How an agent says it ended. `error` is None exactly when it succeeded.

    `lines` are the counts worth telling ("Assessed 2 assignments"); `changed` is False when nothing was new.
    `exit_code` and `output_tail` belong to agents that are processes.
    """

    summary: str
    lines: tuple[str, ...] = ()
    changed: bool = True
    error: str | None = None
    exit_code: int | None = None
    output_tail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One notification, the same for every channel. `priority` is ntfy's 1 (min) to 5 (max).

    `failure` says that something went wrong: such a message is never dropped and never folded into another.
    """

    id: str
    event: Event
    title: str
    text: str
    priority: int
    tags: tuple[str, ...]
    created_at: datetime
    run_id: str | None = None
    failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How one message fared on one channel.

    `pending` is tried again; `failed` is given up; `folded` is told by another message that stands for several.
    `error` is the reason of the last try that failed, or why a message waits.
    """

    message_id: str
    channel: str
    event: Event
    status: DeliveryStatus
    attempts: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution. `trigger` is `cron` or `manual`; `exit_code` is the agent process's own, if it was one."""

    id: str
    trigger: str
    status: RunStatus
    agent: str
    started_at: datetime
    finished_at: datetime | None = None
    summary: str = ""
    error: str | None = None
    exit_code: int | None = None
    output_tail: str = ""
    missed_runs: int = 0
    usage: Usage | None = None
    tools: tuple[ToolCall, ...] = ()
    deliveries: tuple[Delivery, ...] = ()

    @property
    def duration_seconds(self) -> float | None:
        """None while it is going on."""
        return None if self.finished_at is None else (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """A row of failed runs that no success has ended: since when, how many, and whether anybody was told of any."""

    since: datetime
    count: int
    told: bool
