"""Brings what there is to tell to the channels: kept first, then sent, by every process that comes along.

It knows what is wanted, what has to wait and what stands for what; the outbox remembers it, the dispatch sends it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from gradent_cli.annotations import Literal, Protocol
from gradent_cli.errors import StateError
from gradent_cli.notify import noise
from gradent_cli.outbox import Outbox
from gradent_cli.records import Delivery, Event, Message

When = Literal["always", "changed", "failed"]
_ONLY_FAILURES: tuple[Event, ...] = ("failed", "recovered", "missed", "interrupted")


class Dispatch(Protocol):
    """Takes messages at once and says later how they fared."""

    @property
    def channels(self) -> Mapping[str, str]: ...
    def elsewhere(self) -> bool: ...  # whether another process is sending
    def post(self, channel: str, message: Message) -> None: ...
    def finish(self, seconds: float) -> tuple[Delivery, ...]: ...


class Messenger:
    """Tells the channels of one config.

    Args:
        events, when: what is wanted, as in the config.
        log: what cannot be kept, or has nobody to go to, is said here.
    """

    def __init__(
        self,
        outbox: Outbox,
        dispatch: Dispatch,
        *,
        rules: noise.Rules,
        events: Collection[Event],
        when: When,
        clock: Callable[[], datetime],
        log: Callable[[str], None],
    ) -> None:
        self._outbox = outbox
        self._dispatch = dispatch
        self._rules = rules
        self._events = events
        self._when = when
        self._clock = clock
        self._log = log
        self._run_id: str | None = None
        self._told: list[Message] = []
        self._posted: set[tuple[str, str]] = set()
        self._today: datetime | None = None
        self._sent: Counter[str] = Counter()
        self._due: dict[str, datetime] = {}

    @property
    def told(self) -> tuple[Message, ...]:
        """What was worth telling since `open`, sent or not."""
        return tuple(self._told)

    def open(self, run_id: str | None = None, *, complete: bool = True) -> None:
        """Send what earlier processes left, before anything of this run.

        Args:
            complete: False when the config may name more channels than could be read.

        Raises:
            StateError: the outbox cannot be used. `tell` works all the same, but nothing is kept.
        """
        self._run_id = run_id
        self._outbox.open(self._dispatch.channels, complete=complete)
        self.send()

    def wants(self, event: Event, *, changed: bool = True, failure: bool = False) -> bool:
        """Whether a message of this kind is wanted.

        Args:
            changed: whether there is news in it. A run that begins cannot know.
        """
        if event not in self._events:
            return False
        if self._when == "always" or failure or event in _ONLY_FAILURES:
            return True
        return self._when == "changed" and changed and event != "started"

    def tell(self, message: Message | None, *, changed: bool = True) -> bool:
        """Keep a message, and send it once what is being saved with it is on disk. False when nobody is told.

        Raises:
            StateError: it cannot be kept; it was not sent either.
        """
        if message is None or not self.wants(message.event, changed=changed, failure=message.failure):
            return False
        if self._dispatch.channels:
            self._outbox.put(message)
        self._outbox.when_kept(lambda: self._kept(message))
        return bool(self._dispatch.channels)

    def tell_unkept(self, message: Message) -> None:
        """Send a message that cannot be kept, on top of what is on its way: one try, and then it is lost."""
        if self.wants(message.event, failure=message.failure):
            self._told.append(message)
            self._post_unkept(message)

    def send(self) -> None:
        """Post whatever waits and may go now; hold the rest, and fold what has grown stale.

        Raises:
            StateError: the outbox cannot be used.
        """
        unposted = {channel for channel, _ in self._outbox.ready() - self._posted}
        if not unposted:
            return  # looking takes hold of the lock for a moment, in which our own channels may want it
        alone = not self._dispatch.elsewhere()  # asked before any of it is on its way
        for channel in self._dispatch.channels:
            if channel in unposted:
                self._send(channel, fold=alone)

    def finish(self, seconds: float) -> tuple[Delivery, ...]:
        """Send what may go by now, and wait at most this long for everything; how each message fared."""
        try:
            self.send()
        except StateError as error:
            self._log(f"what waits cannot be looked up: {error.message}")
        return self.stop(seconds)

    def stop(self, seconds: float) -> tuple[Delivery, ...]:
        """As `finish`, but nothing more is begun to be sent: for whoever hands over to another one."""
        deliveries = self._dispatch.finish(seconds)
        self._outbox.catch_up()
        return deliveries

    def _send(self, channel: str, *, fold: bool) -> None:
        waiting = self._unposted(channel)
        if fold and self._fold(channel, waiting):
            waiting = self._unposted(channel)
        self._due.pop(channel, None)
        self._hand_over(channel, waiting)

    def _unposted(self, channel: str) -> list[Message]:
        waiting = self._outbox.waiting(channel)
        return [message for message in waiting if (channel, message.id) not in self._posted]

    def _fold(self, channel: str, waiting: Sequence[Message]) -> bool:
        """Fold what is not on its way. Whether that changed anything."""
        inner = self._outbox.stood_for(channel)
        unfolded = [each for message in waiting for each in inner.get(message.id, [message])]
        folded = noise.fold(unfolded, self._run_id, self._rules.zone)
        if folded is None or any(message.id == folded[0].id for message in waiting):
            return False
        self._outbox.fold(channel, *folded)
        return True

    def _hand_over(self, channel: str, messages: Iterable[Message]) -> None:
        """Post the messages that may go now, and hold the others."""
        held = []
        for message in messages:
            wait = noise.held_until(message, self._clock(), self._sent_today(channel), self._rules)
            if wait is None:
                self._post(channel, message)
            else:
                held.append((message.id, *wait))
                self._due[channel] = min(wait[0], self._due.get(channel, wait[0]))
        if held:
            self._outbox.hold(channel, held)

    def _kept(self, message: Message) -> None:
        self._told.append(message)
        if not self._dispatch.channels:
            self._log(f"message: {message.title}\n{message.text}")
            return
        try:
            may_go = self._outbox.may_go(message.id)
            for channel in self._dispatch.channels:
                if channel in self._due and self._due[channel] <= self._clock():
                    self._send(channel, fold=not self._dispatch.elsewhere())
                elif channel in may_go and (channel, message.id) not in self._posted:
                    self._hand_over(channel, [message])
        except StateError as error:
            self._log(f"what waits cannot be looked up: {error.message}")
            self._post_unkept(message)

    def _post_unkept(self, message: Message) -> None:
        for channel in self._dispatch.channels:
            if (channel, message.id) not in self._posted:
                self._post(channel, message)

    def _post(self, channel: str, message: Message) -> None:
        self._posted.add((channel, message.id))
        self._sent[channel] += 1
        self._dispatch.post(channel, message)

    def _sent_today(self, channel: str) -> int:
        """How many messages it took today, with those that are on their way."""
        today = self._clock().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if today != self._today:
            self._today, self._sent = today, Counter(self._outbox.sent_between(today, today + timedelta(days=1)))
        return self._sent[channel]
