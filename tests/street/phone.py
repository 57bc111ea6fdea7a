"""A channel at hand, and what it gets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gradent_cli.errors import NotifyError
from gradent_cli.records import Message
from tests.street.clock import NOW


@dataclass
class Phone:
    """Keeps what it gets. `refuse` is what it says instead, when it is not empty; `do` what it does before."""

    name: str = "phone"
    identity: str = "a phone"
    where: str = "a phone"
    refuse: str | NotifyError = ""
    do: Callable[[Message], object] = lambda message: None
    got: list[Any] = field(default_factory=list)

    def send(self, message: Message) -> None:
        self.do(message)
        if self.refuse:
            raise self.refuse if isinstance(self.refuse, NotifyError) else NotifyError(self.refuse)
        self.got.append(message)

    @property
    def ids(self) -> list[str]:
        return [message.id for message in self.got]


def message(id: str, event: Any = "tool", *, run_id: str | None = "run-1", **changes: Any) -> Message:
    """A message that says its id."""
    failure = event in ("failed", "interrupted")
    values: dict[str, Any] = {"title": id, "text": id, "priority": 3, "tags": (), "created_at": NOW, "failure": failure}
    return Message(id=id, event=event, run_id=run_id, **(values | changes))


def run_of(run_id: str, at: datetime = NOW) -> Sequence[Message]:
    """What a run tells that goes well."""
    return [
        message(f"{run_id}-start", "started", run_id=run_id, created_at=at),
        message(f"{run_id}-end", "completed", run_id=run_id, created_at=at + timedelta(minutes=1)),
    ]
