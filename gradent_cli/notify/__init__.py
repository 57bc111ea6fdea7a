"""Telling people: what a channel is, and the dispatch that hands messages to all of them at once.

One channel is one short file: payload, address, and what is permanent. `policy` says what there is to tell.
"""

from _thread import allocate_lock, stack_size, start_new_thread
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from importlib import import_module
from time import monotonic

from gradent_cli.annotations import TYPE_CHECKING, Any, Protocol
from gradent_cli.dataclass import dataclass, replace
from gradent_cli.errors import GradentError, NotifyError, StateError
from gradent_cli.records import Delivery, DeliveryStatus, Message

if TYPE_CHECKING:
    from gradent_cli.config import Settings
    from gradent_cli.notify.healthchecks import Healthchecks
    from gradent_cli.web import Answer

SECONDS_PER_MESSAGE = 10.0
LONGEST_PAUSE = 10.0
"""Seconds: what a service asks for within this is waited for, because a burst of messages is normal at a run's end."""
FIRST_PAUSE = 0.5
"""Seconds before the second try; each further pause is twice as long, and up to half of it more by chance."""
TRIES = 4
"""In a row."""
STACK_BYTES = 1_048_576
"""Of a channel's thread: far more than it needs. What systems give it, eight times as much, takes longer to lay out."""


class Channel(Protocol):
    """A place that messages go to."""

    @property
    def name(self) -> str:
        """One word, as in the config."""

    @property
    def where(self) -> str:
        """The address as far as it may be shown."""

    @property
    def identity(self) -> str:
        """A `fingerprint` of address and credential, so that a channel that was mended is known as another one."""

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
    if settings.webhook.url:
        from gradent_cli.notify.webhook import Webhook

        channels.append(Webhook(settings.webhook.url.get_secret_value()))
    if settings.apprise.urls:
        from gradent_cli.notify.apprise import Apprise

        urls = dict.fromkeys(url.get_secret_value() for url in settings.apprise.urls)
        channels += [Apprise(url) for url in urls]
    return tuple(channels)


def open_pings(settings: "Settings") -> "Healthchecks | None":
    """What pings a check at each run's start and end; None when the config names none."""
    url = settings.healthchecks.ping_url
    if url is None:
        return None
    from gradent_cli.notify.healthchecks import Healthchecks

    return Healthchecks(url.get_secret_value())


def fingerprint(*parts: str) -> str:
    """Sixteen hex digits that change with any of the parts and tell nothing about them."""
    return _sha256("\0".join(parts).encode())[:16]


def _sha256(data: bytes) -> str:
    """Without `hashlib` where that can be: it loads OpenSSL, and every run asks for fingerprints, also a quiet one."""
    for name in ("_sha2", "_sha256"):  # since Python 3.12, and before; `random` gets its hash in this way, too
        try:
            module = import_module(name)
        except ImportError:
            continue
        return str(module.sha256(data).hexdigest())
    from hashlib import sha256

    return sha256(data).hexdigest()


def post_json(service: str, url: str, payload: Any, headers: Mapping[str, str] | None = None) -> "Answer":
    """POST to a service; any status is an answer. It may take long, as anything may that a channel does.

    Raises:
        NotifyError: there was no answer; trying later may help.
    """
    from gradent_cli.web import WebError, exchange

    try:
        return exchange("POST", url, json=payload, headers=headers, seconds=SECONDS_PER_MESSAGE)
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


class Ledger(Protocol):
    """What is written down about each delivery. Called in the channels' threads; it raises nothing."""

    def all_waiting(self) -> Collection[tuple[str, str]]:
        """Message and channel of all that `still_waiting` is surely true of, asked for once."""

    def still_waiting(self, message_id: str, channel: str) -> bool:
        """False when another process has sent it meanwhile, or another message stands for it now."""

    def settle(self, delivery: Delivery, *, permanent: str | None, retry_after: float | None) -> None:
        """Write down how it went, at once: what was sent and is not marked would be sent again after a crash.

        `attempts` are those since the last time; `permanent` and `retry_after` as in `NotifyError`.
        """


class Dispatch:
    """Hands messages to channels, and has it written down as soon as it is known how each fared.

    Each channel has a queue and a daemon thread of its own, started by its first message: what a channel gets stays
    in order, and a slow one delays neither the agent nor another channel. A message that is not taken is tried again
    after a growing pause. When that does not help, the queue rests until the next message, or until `finish`, and goes
    on with the same one then: nothing is overtaken. What a service refuses for good, or asks to bring much later, ends
    its queue for this run.

    Args:
        channels: where to; their names differ.
        redact: takes secrets out of the reasons that deliveries carry.
        ledger: None writes nothing down (a test message).
        turn: entered before the first try of all and left at `finish`: only one process sends at a time. Where it
            cannot be kept track of (StateError) this one sends: rather twice than never.
        busy: whether some process has its turn.
        first_pause, longest_pause, tries: as the constants of these names.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        redact: Callable[[str], str],
        *,
        ledger: Ledger | None = None,
        turn: AbstractContextManager[None] | None = None,
        busy: Callable[[], bool] = lambda: False,
        first_pause: float = FIRST_PAUSE,
        longest_pause: float = LONGEST_PAUSE,
        tries: int = TRIES,
    ) -> None:
        self._turn = _Turn(turn if turn is not None else nullcontext(), ledger)
        self._busy = busy
        self._patience = _Patience(first_pause=first_pause, longest_pause=longest_pause, tries=tries)
        self._redact = redact
        self._ledger = ledger
        self._channels = {channel.name: channel for channel in channels}
        self._lines: dict[str, _Line] = {}

    @property
    def channels(self) -> dict[str, str]:
        """Name -> identity of each channel."""
        return {name: channel.identity for name, channel in self._channels.items()}

    def elsewhere(self) -> bool:
        """Whether another process is sending: what waits may be in its hands."""
        return not self._turn.taken and self._busy()

    def post(self, channel: str, message: Message) -> None:
        """Put a message on its way to one channel; never waits."""
        if channel not in self._lines:  # a run with nothing to tell does without, and without importing threads
            self._lines[channel] = _Line(
                self._channels[channel], self._redact, self._ledger, self._turn, self._patience
            )
        self._lines[channel].post(message)

    def finish(self, seconds: float) -> tuple[Delivery, ...]:
        """How every message fared on every channel, after at most `seconds` of waiting for all of them together.

        What is not through by then stays pending and is not begun any more. Asked again, it answers again.
        """
        deadline = monotonic() + seconds
        for line in self._lines.values():
            line.close()
        for line in self._lines.values():
            line.join(max(0.0, deadline - monotonic()))
        self._turn.over()
        lines = (self._lines[name] for name in self._channels if name in self._lines)
        return tuple(delivery for line in lines for delivery in line.deliveries(seconds))


class _Turn:
    """Entered by whichever channel comes first, for all of them.

    While it lasts nobody else sends, so that what `waiting` names, message and channel, still waits when it is tried.
    """

    def __init__(self, turn: AbstractContextManager[None], ledger: Ledger | None) -> None:
        self._turn = turn
        self._ledger = ledger
        self._stack = ExitStack()
        self._mutex = allocate_lock()
        self._refused: GradentError | None = None
        self.taken = False
        self.waiting: Collection[tuple[str, str]] = ()

    def take(self) -> None:
        """As the context manager: it may wait, and raise GradentError, to all channels the same."""
        with self._mutex:
            if self._refused is not None:
                raise self._refused
            if self.taken:
                return
            try:
                self._stack.enter_context(self._turn)
                self.waiting = self._ledger.all_waiting() if self._ledger is not None else ()
            except StateError:
                pass  # nobody can have one then
            except GradentError as error:
                self._refused = error
                raise
            self.taken = True

    def over(self) -> None:
        if self._mutex.acquire(blocking=False):  # else somebody still waits for it, and is a daemon thread
            self.waiting = ()
            self._stack.close()
            self._mutex.release()


def _more_or_less(pause: float) -> float:
    from random import uniform

    return pause + uniform(0, pause / 2)  # noqa: S311  no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patience:
    """How often and how long a message is tried."""

    first_pause: float
    longest_pause: float
    tries: int


@dataclass(slots=True)
class _Letter:
    """A message on one channel's queue, and what is known of it."""

    message: Message
    status: DeliveryStatus = "pending"
    attempts: int = 0
    error: str | None = None


class _Line:
    """One channel's queue: the letters from `_at` on are still to be sent."""

    def __init__(
        self, channel: Channel, redact: Callable[[str], str], ledger: Ledger | None, turn: _Turn, patience: _Patience
    ) -> None:
        from threading import Condition, Event

        with suppress(RuntimeError):  # where there is only one size
            stack_size(STACK_BYTES)
        self.channel = channel
        self._patience = patience
        self._redact = redact
        self._ledger = ledger
        self._turn = turn
        self._letters: list[_Letter] = []
        self._at = 0
        self._news = Condition()
        self._resting = False
        self._closed = False
        self._ended: str | None = None
        self._over = Event()
        self._begun = False
        self._done = Event()

    def post(self, message: Message) -> None:
        with self._news:
            self._letters.append(_Letter(message))
            self._resting = False
            self._news.notify()
        if not self._begun:
            with suppress(RuntimeError):  # no room for a thread now: the next message tries again, or the next run
                start_new_thread(self._run, ())  # `Thread.start` waits until it runs, one by one for all the channels
                self._begun = True

    def close(self) -> None:
        with self._news:
            if not self._closed:
                self._closed, self._resting = True, False
            self._news.notify()

    def join(self, seconds: float) -> None:
        if self._begun:
            self._done.wait(seconds)
        self._over.set()

    def deliveries(self, seconds: float) -> tuple[Delivery, ...]:
        late = self._ended or f"no answer within {seconds:g} s"
        return tuple(
            self._delivery(letter, letter.error or (f"not tried: {late}" if place > self._at or self._ended else late))
            for place, letter in enumerate(list(self._letters))
        )

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._done.set()

    def _work(self) -> None:
        try:
            self._turn.take()
        except GradentError as error:
            self._ended = error.message
            return
        while (letter := self._next()) is not None:
            if not self._still_waiting(letter.message.id):
                letter.status = "folded"
                self._at += 1
                continue
            self._try(letter)
            if letter.status == "pending":
                self._resting = True
            else:
                self._at += 1

    def _still_waiting(self, message_id: str) -> bool:
        name = self.channel.name
        return (
            self._ledger is None
            or (message_id, name) in self._turn.waiting
            or self._ledger.still_waiting(message_id, name)
        )

    def _next(self) -> _Letter | None:
        """The letter whose turn it is, as soon as there is one and it makes sense to try; None when it is over."""
        with self._news:
            while not self._over.is_set() and self._ended is None:
                if self._at < len(self._letters) and not self._resting:
                    return self._letters[self._at]
                if self._closed:
                    return None
                self._news.wait()
        return None

    def _try(self, letter: _Letter) -> None:
        """Several times, until it is taken, refused for good or wanted much later."""
        patience = self._patience
        for tried in range(1, patience.tries + 1):
            permanent, retry_after = None, None
            try:
                self.channel.send(letter.message)
            except NotifyError as error:
                letter.error = f"{error.message}; {error.hint}" if error.hint else error.message
                permanent, retry_after = error.permanent, error.retry_after
                letter.status = "failed" if permanent else "pending"
            except Exception as error:  # noqa: BLE001  around each channel: its defect must not cost the other messages
                letter.status, letter.error = "failed", f"a defect in the channel: {type(error).__name__}"
            else:
                letter.status, letter.error = "sent", None
            if letter.error is not None:
                letter.error = self._redact(letter.error)
            much_later = permanent is None and retry_after is not None and retry_after > patience.longest_pause
            if permanent == "channel" or much_later:
                self._ended = letter.error
            pause = retry_after if retry_after is not None else patience.first_pause * 2 ** (tried - 1)
            last = letter.status != "pending" or self._ended is not None or tried == patience.tries
            if last or self._over.wait(_more_or_less(pause)):
                break
        letter.attempts += tried
        if self._ledger is not None:
            self._ledger.settle(
                replace(self._delivery(letter, letter.error), attempts=tried),
                permanent=permanent,
                retry_after=retry_after if much_later else None,
            )

    def _delivery(self, letter: _Letter, error: str | None) -> Delivery:
        return Delivery(
            message_id=letter.message.id,
            channel=self.channel.name,
            event=letter.message.event,
            status=letter.status,
            attempts=letter.attempts,
            error=None if letter.status in ("sent", "folded") else error,
        )
