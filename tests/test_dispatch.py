"""That messages get there, in order and again if need be, and that sending never gets in anybody's way."""

import _thread
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest

from gradent_cli.errors import NotifyError, RunGoingOnError, StateError
from gradent_cli.notify import FIRST_PAUSE, STACK_BYTES, Channel, Dispatch
from gradent_cli.notify.discord import Discord
from gradent_cli.notify.ntfy import Ntfy
from gradent_cli.records import Delivery, Message
from gradent_cli.text import Redactor
from tests.street.phone import Phone, message
from tests.street.server import Server, serving

QUICK: dict[str, Any] = {"first_pause": 0.01}


def messages(number: int) -> list[Message]:
    return [message(f"m{place}", title=f"message {place}") for place in range(number)]


def dispatched(
    *channels: Channel, number: int = 1, seconds: float = 30.0, secrets: tuple[str, ...] = (), **options: Any
) -> list[Any]:
    """(channel, message, status, attempts, error) of everything that was posted."""
    dispatch = Dispatch(channels, Redactor(secrets), **(QUICK | options))
    for each in messages(number):
        for channel in channels:
            dispatch.post(channel.name, each)
    return [(d.channel, d.message_id, d.status, d.attempts, d.error) for d in dispatch.finish(seconds)]


def wait_for(true: Callable[[], object]) -> None:
    """What comes later than that never comes."""
    until = monotonic() + 30
    while not true() and monotonic() < until:
        threading.Event().wait(0.005)
    assert true()


class Ledger:
    """Keeps what it is told; `gone` are messages that somebody else has sent meanwhile, `kept` is what it knows of."""

    def __init__(self, gone: tuple[str, ...] = (), kept: tuple[tuple[str, str], ...] = ()) -> None:
        self.gone = gone
        self.kept = kept
        self.asked: list[tuple[str, str]] = []
        self.settled: list[tuple[str, str, int, str | None, float | None]] = []

    def all_waiting(self) -> set[tuple[str, str]]:
        return {(message_id, channel) for message_id, channel in self.kept if message_id not in self.gone}

    def still_waiting(self, message_id: str, channel: str) -> bool:
        self.asked.append((message_id, channel))
        return message_id not in self.gone

    def settle(self, delivery: Delivery, *, permanent: str | None, retry_after: float | None) -> None:
        self.settled.append((delivery.message_id, delivery.status, delivery.attempts, permanent, retry_after))


def failing(times: int, error: NotifyError) -> Callable[[Message], None]:
    """Refuses so many tries, then takes everything."""
    left = [times]

    def do(_: Message) -> None:
        if left[0]:
            left[0] -= 1
            raise error

    return do


def test_every_channel_gets_every_message_in_order() -> None:
    """One delivery for each, and order per channel is the order of posting."""
    first, second = Phone("first"), Phone("second")
    deliveries = dispatched(first, second, number=20)
    assert deliveries == [(name, f"m{place}", "sent", 1, None) for name in ("first", "second") for place in range(20)]
    for phone in (first, second):
        assert phone.ids == [f"m{place}" for place in range(20)]


def test_a_refused_message_does_not_stop_the_next() -> None:
    """Each message stands for itself; a reason and its remedy are one sentence."""

    def refuse_the_first(each: Message) -> None:
        if each.id == "m0":
            raise NotifyError("it is too large", hint="say less", permanent="message")

    assert dispatched(Phone(do=refuse_the_first), number=2) == [
        ("phone", "m0", "failed", 1, "it is too large; say less"),
        ("phone", "m1", "sent", 1, None),
    ]


def test_a_channel_that_refused_for_good_is_left_alone() -> None:
    """Nothing more is sent there in this run; what is behind stays for a later one."""
    phone = Phone(refuse=NotifyError("the webhook is gone", permanent="channel"))
    seen: list[str] = []
    phone.do = lambda each: seen.append(each.id)
    assert [delivery[2:] for delivery in dispatched(phone, number=3)] == [
        ("failed", 1, "the webhook is gone"),
        ("pending", 0, "not tried: the webhook is gone"),
        ("pending", 0, "not tried: the webhook is gone"),
    ]
    assert seen == ["m0"]


def test_a_defect_of_a_channel_is_a_failed_delivery() -> None:
    """An unexpected exception is named by its kind, since its words may quote anything; the next message goes."""

    def broken(each: Message) -> None:
        if each.id == "m0":
            raise KeyError("s3cret")

    assert dispatched(Phone(do=broken), number=2) == [
        ("phone", "m0", "failed", 1, "a defect in the channel: KeyError"),
        ("phone", "m1", "sent", 1, None),
    ]


def test_no_secret_gets_into_a_delivery() -> None:
    """What the service quotes is redacted before anybody keeps it."""
    phone = Phone(refuse=NotifyError("no topic gradent-x7k2 here", hint="not gradent-x7k2", permanent="message"))
    (delivery,) = dispatched(phone, secrets=("gradent-x7k2",))
    assert delivery[4] == "no topic *** here; not ***"


def test_what_is_not_taken_is_tried_again_in_order() -> None:
    """The message after it waits, so that nothing is overtaken."""
    phone = Phone(do=failing(2, NotifyError("no network")))
    assert dispatched(phone, number=2) == [("phone", "m0", "sent", 3, None), ("phone", "m1", "sent", 1, None)]
    assert phone.ids == ["m0", "m1"]


def test_pauses_grow() -> None:
    """Each is about twice as long as the one before, so that a service in trouble is not run over."""
    tries: list[float] = []
    dispatched(Phone(refuse="no network", do=lambda _: tries.append(monotonic())), first_pause=0.04, tries=4)
    pauses = [later - sooner for sooner, later in pairwise(tries[:4])]
    assert len(pauses) == 3
    assert all(pause >= least for pause, least in zip(pauses, (0.04, 0.08, 0.16), strict=True))
    assert FIRST_PAUSE >= 0.5


def test_a_message_that_will_not_go_keeps_its_place() -> None:
    """After its tries the queue rests, and begins with the same one again when there is news, and at the end."""
    ledger, tries = Ledger(), []
    phone = Phone(refuse="no network", do=lambda each: tries.append(each.id))
    dispatch = Dispatch((phone,), str, ledger=ledger, tries=2, **QUICK)
    dispatch.post("phone", messages(1)[0])
    wait_for(lambda: ledger.settled)
    dispatch.post("phone", messages(2)[1])
    wait_for(lambda: len(ledger.settled) == 2)
    phone.refuse = ""
    deliveries = dispatch.finish(30)
    assert phone.ids == ["m0", "m1"]
    assert [(d.status, d.attempts) for d in deliveries] == [("sent", 5), ("sent", 1)]
    assert tries == ["m0"] * 5 + ["m1"]
    assert [(entry[0], entry[1], entry[2]) for entry in ledger.settled] == [
        ("m0", "pending", 2), ("m0", "pending", 2), ("m0", "sent", 1), ("m1", "sent", 1)
    ]  # fmt: skip


def test_a_short_pause_is_waited_for() -> None:
    """A service that asks for a moment gets it, and the message arrives."""
    tries: list[float] = []
    busy = failing(2, NotifyError("too fast", retry_after=0.1))

    def do(each: Message) -> None:
        tries.append(monotonic())
        busy(each)

    assert dispatched(Phone(do=do)) == [("phone", "m0", "sent", 3, None)]
    assert all(later - sooner >= 0.1 for sooner, later in pairwise(tries))


@pytest.mark.parametrize(
    ("error", "attempts", "status"),
    [
        (NotifyError("too fast", retry_after=0.01), 8, "pending"),
        (NotifyError("come back tomorrow", retry_after=3600.0), 1, "pending"),
        (NotifyError("gone", retry_after=0.01, permanent="channel"), 1, "failed"),
        (NotifyError("too large", retry_after=0.01, permanent="message"), 1, "failed"),
        (NotifyError("no network"), 8, "pending"),
    ],
)
def test_waiting_has_its_limits(error: NotifyError, attempts: int, status: str) -> None:
    """Not for ever (four tries, and four at the end), not for an hour, not for what cannot get better."""
    dispatch = Dispatch((Phone(refuse=error),), str, ledger=(ledger := Ledger()), **QUICK)
    dispatch.post("phone", messages(1)[0])
    wait_for(lambda: ledger.settled)
    (delivery,) = dispatch.finish(30)
    assert (delivery.status, delivery.attempts, delivery.error) == (status, attempts, error.message)
    assert ledger.settled[-1][4] == (3600.0 if error.message == "come back tomorrow" else None)


def test_a_much_later_try_ends_the_queue() -> None:
    """What is behind is not tried either: the service counts every request."""
    phone = Phone(refuse=NotifyError("the day's allowance is used up", retry_after=3600.0))
    deliveries = dispatched(phone, number=2)
    assert [(status, attempts) for _, _, status, attempts, _ in deliveries] == [("pending", 1), ("pending", 0)]


def test_what_another_process_sent_is_not_sent_again() -> None:
    """Looked up right before each message."""
    phone = Phone()
    ledger = Ledger(gone=("m1",))
    assert [delivery[2] for delivery in dispatched(phone, number=3, ledger=ledger)] == ["sent", "folded", "sent"]
    assert phone.ids == ["m0", "m2"]
    assert [entry[0] for entry in ledger.settled] == ["m0", "m2"]


def test_what_waits_is_looked_up_once_for_all() -> None:
    """As soon as it is this process's turn; what came later, and what is gone, is asked for by itself."""
    ledger = Ledger(kept=tuple((f"m{place}", name) for place in range(2) for name in ("first", "second")))

    @contextmanager
    def turn() -> Any:
        ledger.gone = ("m1",)  # whoever had its turn before has sent it
        yield

    deliveries = dispatched(Phone("first"), Phone("second"), number=3, ledger=ledger, turn=turn())
    assert [delivery[2] for delivery in deliveries] == ["sent", "folded", "sent"] * 2
    assert sorted(ledger.asked) == [(f"m{place}", name) for place in (1, 2) for name in ("first", "second")]


def test_a_hanging_channel_holds_up_nobody() -> None:
    """Posting returns at once, the other channel is done, and finish keeps its bound and says what is missing."""
    let_go = threading.Event()
    stuck, quick = Phone("stuck", do=lambda _: let_go.wait(60)), Phone("quick")
    dispatch = Dispatch((stuck, quick), str, ledger=(ledger := Ledger()))
    for each in messages(3):
        for name in ("stuck", "quick"):
            dispatch.post(name, each)
    wait_for(lambda: len(ledger.settled) == 3)
    began = monotonic()
    deliveries = dispatch.finish(0.3)
    assert monotonic() - began >= 0.3
    assert stuck.ids == [], "it still hangs, and nobody has waited for it"
    assert [(d.channel, d.status, d.error) for d in deliveries] == [
        ("stuck", "pending", "no answer within 0.3 s"),
        ("stuck", "pending", "not tried: no answer within 0.3 s"),
        ("stuck", "pending", "not tried: no answer within 0.3 s"),
        *[("quick", "sent", None)] * 3,
    ]
    let_go.set()
    wait_for(lambda: len(ledger.settled) == 4)
    threading.Event().wait(0.1)
    assert stuck.ids == ["m0"], "what was not begun must not be sent any more: the next run does it"
    assert ("m0", "sent", 1, None, None) in ledger.settled, "what arrived late is on record all the same"


def test_hanging_channels_share_one_bound() -> None:
    """The bound is for all channels together."""
    let_go = threading.Event()
    began = monotonic()
    deliveries = dispatched(*(Phone(f"{name}", do=lambda _: let_go.wait(60)) for name in range(100)), seconds=0.4)
    assert monotonic() - began < 20, "one bound each would be 40 seconds"
    assert {status for _, _, status, _, _ in deliveries} == {"pending"}
    let_go.set()


def test_the_reason_is_kept_when_the_time_runs_out() -> None:
    """A service that asks for a pause too long for this run is named as what stood in the way."""
    (delivery,) = dispatched(Phone(refuse=NotifyError("too many messages", retry_after=9)), seconds=0.2)
    assert (delivery[2], delivery[4]) == ("pending", "too many messages")


def test_finish_can_be_asked_again() -> None:
    """A run that is interrupted while it waits asks once more, for what is known by then."""
    dispatch = Dispatch((Phone(),), str)
    dispatch.post("phone", messages(1)[0])
    assert dispatch.finish(30) == dispatch.finish(0)


def test_threads_end() -> None:
    """After `finish` nobody is left, also where nothing could be sent."""
    before = threading.active_count()
    dispatched(Phone("a"), Phone("b", refuse="no network"), Phone("c", refuse=NotifyError("x", permanent="channel")))
    assert threading.active_count() == before


def test_only_one_process_sends_at_a_time() -> None:
    """The turn is taken once, before the first message, and given back at `finish`; not at all for nothing."""
    story: list[str] = []

    @contextmanager
    def turn() -> Any:
        story.append("taken")
        yield
        story.append("over")

    dispatched(number=0, turn=turn())
    assert story == []
    dispatched(Phone("a", do=lambda _: story.append("a")), Phone("b"), turn=turn())
    assert story == ["taken", "a", "over"]


def test_without_a_turn_nothing_is_sent_on_any_channel() -> None:
    """Another process is at it: what it leaves is there for later, and each channel says so."""

    @contextmanager
    def turn() -> Any:
        raise RunGoingOnError("another run is going on")
        yield

    a, b = Phone("a"), Phone("b")
    deliveries = dispatched(a, b, turn=turn())
    assert [(d[2], d[4]) for d in deliveries] == [("pending", "not tried: another run is going on")] * 2
    assert a.got == b.got == []


def test_a_turn_that_cannot_be_kept_track_of_is_nobodys() -> None:
    """A read-only state directory has no room for the lock: a failure is told all the same."""

    @contextmanager
    def turn() -> Any:
        raise StateError("cannot open the lock")
        yield

    a, b = Phone("a"), Phone("b")
    ledger = Ledger(kept=(("m0", "a"), ("m0", "b")))
    dispatched(a, b, turn=turn(), ledger=ledger)
    assert a.ids == b.ids == ["m0"]
    assert len(ledger.asked) == 2, "nobody else is kept out: each is looked up right before it is sent"


def test_whether_another_process_sends() -> None:
    """Our own turn is not another's."""
    dispatch = Dispatch((Phone(),), str, busy=lambda: True)
    assert dispatch.elsewhere()
    dispatch.post("phone", messages(1)[0])
    dispatch.finish(30)
    assert not dispatch.elsewhere()


def test_nothing_to_send_starts_nothing() -> None:
    """Without a message there is no thread, no delivery, and nothing of what sends one is imported."""
    program = (
        "import sys, threading\n"
        "from gradent_cli.notify import Dispatch\n"
        "from gradent_cli.notify.discord import Discord\n"
        "from gradent_cli.notify.ntfy import Ntfy\n"
        "from gradent_cli.notify.webhook import Webhook\n"
        "channels = (Ntfy('topic'), Discord('https://discord.com/api/webhooks/1/t'), Webhook('http://h'))\n"
        "dispatch = Dispatch(channels, str)\n"
        "print([*dispatch.channels], dispatch.finish(5), threading.active_count())\n"
        "heavy = ('gradent_cli.web', 'httpx', 'ssl', 'socket', 'hashlib', 'email', 'random', 'concurrent')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['ntfy', 'discord', 'webhook'] () 1\n[]\n"


def test_both_real_channels_work_side_by_side(server: Server) -> None:
    """ntfy hangs, Discord does not notice."""

    def hang(connection: object, request: object) -> None:
        server.closing.wait(60)

    server.raw = hang
    with serving() as other:
        channels = (Ntfy("topic", server=server.url), Discord(f"{other.url}/api/webhooks/1/tok"))
        dispatch = Dispatch(channels, str, ledger=(ledger := Ledger()))
        for each in messages(2):
            for name in dispatch.channels:
                dispatch.post(name, each)
        wait_for(lambda: len(ledger.settled) == 2)
        deliveries = [(d.channel, d.status) for d in dispatch.finish(0.3)]
        assert deliveries == [("ntfy", "pending"), ("ntfy", "pending"), ("discord", "sent"), ("discord", "sent")]
        assert [body["embeds"][0]["title"] for body in other.bodies] == ["message 0", "message 1"]
        server.closing.set()


def test_a_service_that_drips_its_head_holds_up_nobody(server: Server) -> None:
    """No limit of httpx's bounds that; `finish` does."""

    def drip(handler: BaseHTTPRequestHandler, _: object) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-More: ")
        while not server.closing.wait(0.03):
            handler.wfile.write(b"x")

    server.raw = drip
    deliveries = dispatched(Ntfy("topic", server=server.url), number=2, seconds=0.3)
    assert [delivery[2:] for delivery in deliveries] == [
        ("pending", 0, "no answer within 0.3 s"),
        ("pending", 0, "not tried: no answer within 0.3 s"),
    ]


def test_a_hundred_threads_do_not_ask_for_a_gigabyte():
    """Which is laid out a piece at a time, while nothing is sent."""
    _thread.stack_size(0)
    assert dispatched(Phone())[0][2] == "sent"
    assert _thread.stack_size() == STACK_BYTES
