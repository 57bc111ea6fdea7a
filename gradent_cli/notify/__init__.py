"""Telling people: what a channel is, and the dispatch that hands messages to all of them at once.

One channel is one short file: payload, address, and what is permanent. `policy` says what there is to tell.
"""

from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from gradent_cli.errors import NotifyError
from gradent_cli.records import Delivery, Message

if TYPE_CHECKING:
    from gradent_cli.config import Settings
    from gradent_cli.web import Answer

SECONDS_PER_MESSAGE = 10.0
LONGEST_PAUSE = 10.0
"""Seconds: what a service asks for within this is waited for, because a burst of messages is normal at a run's end."""
TRIES = 3


class Channel(Protocol):
    """A place that messages go to."""

    @property
    def name(self) -> str:
        """One word, as in the config."""

    @property
    def where(self) -> str:
        """The address as far as it may be shown."""

    def send(self, message: Message) -> None:
        """Hand over one message; returns when the service has taken it.

        Raises:
            NotifyError: it did not, with the reason in words and no address in it.
        """


def open_channels(settings: "Settings") -> tuple[Channel, ...]:
    """The channels that the config names; none is a valid answer. Nothing is connected before a send."""
    channels: list[Channel] = []
    if settings.ntfy.topic:
        from gradent_cli.notify.ntfy import Ntfy

        token = settings.ntfy.token
        channels.append(
            Ntfy(settings.ntfy.topic, server=settings.ntfy.server, token=token.get_secret_value() if token else None)
        )
    if settings.discord.webhook:
        from gradent_cli.notify.discord import Discord

        channels.append(Discord(settings.discord.webhook.get_secret_value(), username=settings.discord.username))
    return tuple(channels)


def post_json(service: str, url: str, payload: Any, headers: Mapping[str, str] | None = None) -> "Answer":
    """POST to a service, bounded in time; any status is an answer.

    Raises:
        NotifyError: there was no answer; trying later may help.
    """
    from gradent_cli.web import WebError, request

    try:
        return request("POST", url, json=payload, headers=headers, seconds=SECONDS_PER_MESSAGE)
    except WebError as error:
        raise NotifyError(f"{service} could not be reached: {error}") from error


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in an answer; None when it is anything else (a proxy's or a hotel's HTML page)."""
    import json

    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


class Dispatch:
    """Hands each message to every channel and remembers how it fared.

    Each channel has a queue and a daemon thread of its own, started by the first message: what a channel gets stays
    in order, and a slow one delays neither the agent nor another channel. When a service asks for a short pause, its
    thread waits and tries again; all else that fails is one failed Delivery.

    Args:
        channels: where to.
        redact: takes secrets out of the reasons that deliveries carry.
    """

    def __init__(self, channels: Sequence[Channel], redact: Callable[[str], str]) -> None:
        self._lines = tuple(_Line(channel, redact) for channel in channels)

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels."""
        return tuple(line.channel.name for line in self._lines)

    def post(self, message: Message) -> None:
        """Put a message on its way; never waits."""
        for line in self._lines:
            line.post(message)

    def finish(self, seconds: float) -> tuple[Delivery, ...]:
        """How every message fared on every channel, after at most `seconds` of waiting for all of them together.

        What is not through by then counts as failed and is not begun any more. Asked again, it answers again.
        """
        deadline = monotonic() + seconds
        for line in self._lines:
            line.close()
        for line in self._lines:
            line.join(max(0.0, deadline - monotonic()))
        return tuple(delivery for line in self._lines for delivery in line.deliveries(seconds))


class _Line:
    """One channel, what it was given, and how that went: `_settled` belongs to the first ones of `_posted`."""

    def __init__(self, channel: Channel, redact: Callable[[str], str]) -> None:
        self.channel = channel
        self._redact = redact
        self._queue: SimpleQueue[Message | None] = SimpleQueue()
        self._posted: list[Message] = []
        self._settled: list[Delivery] = []
        self._over = Flag()
        self._reason = ""
        self._thread: Thread | None = None

    def post(self, message: Message) -> None:
        self._posted.append(message)
        self._queue.put(message)
        if self._thread is None:
            self._thread = Thread(target=self._work, name=f"notify {self.channel.name}", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._queue.put(None)

    def join(self, seconds: float) -> None:
        if self._thread is not None:
            self._thread.join(seconds)
        self._over.set()

    def deliveries(self, seconds: float) -> tuple[Delivery, ...]:
        settled = tuple(self._settled)
        late = f"no answer within {seconds:g} s"
        tried = f"{late}; before that: {self._reason}" if self._reason else late
        unsettled = self._posted[len(settled) :]
        return settled + tuple(
            # Only the first of them can have been on its way; those behind it were never tried.
            self._delivery(message, 1, tried) if place == 0 else self._delivery(message, 0, f"not tried: {late}")
            for place, message in enumerate(unsettled)
        )

    def _work(self) -> None:
        while (message := self._queue.get()) is not None and not self._over.is_set():
            self._settled.append(self._deliver(message))
            self._reason = ""

    def _deliver(self, message: Message) -> Delivery:
        for attempt in range(1, TRIES + 1):
            pause = None
            try:
                self.channel.send(message)
            except NotifyError as error:
                reason = self._reason = f"{error.message}; {error.hint}" if error.hint else error.message
                pause = None if error.permanent else error.retry_after
            except Exception as error:  # noqa: BLE001  around each channel: its defect must not cost the other messages
                reason = f"a defect in the channel: {type(error).__name__}"
            else:
                return self._delivery(message, attempt, None)
            if pause is None or pause > LONGEST_PAUSE or self._over.wait(pause):
                break
        return self._delivery(message, attempt, reason)

    def _delivery(self, message: Message, attempts: int, error: str | None) -> Delivery:
        return Delivery(
            message_id=message.id,
            channel=self.channel.name,
            event=message.event,
            status="sent" if error is None else "failed",
            attempts=attempts,
            error=None if error is None else self._redact(error),
        )
