import os
import signal
import time
from datetime import timedelta

import pytest

from gradent_cli.errors import AgentTimeoutError
from gradent_cli.interrupts import Interrupted, Interrupts


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_interrupts_with_its_own_code(number, code):
    """The exit code is 128 plus the signal, as shells say it."""
    with Interrupts(), pytest.raises(Interrupted) as caught:
        send(number)
        time.sleep(5)
    assert caught.value.exit_code == code


def test_the_time_limit_strikes_and_is_gone_afterwards():
    """A block that takes too long is left; one that does not is left alone."""
    with Interrupts() as interrupts:
        with pytest.raises(AgentTimeoutError, match="ran out of time after"), interrupts.time_limit(
            timedelta(seconds=0.05)
        ):  # fmt: skip
            time.sleep(5)
        with interrupts.time_limit(timedelta(seconds=0.5)):
            pass
        time.sleep(0.6)


@pytest.fixture
def blocked():
    """As whoever started us may leave it."""
    numbers = {signal.SIGALRM, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    yield numbers
    while waiting := signal.sigpending() & numbers:
        signal.sigwait(waiting)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_what_was_blocked_strikes(blocked):
    """Else a run would have no end; afterwards it is blocked as before."""
    with Interrupts() as interrupts:
        with pytest.raises(AgentTimeoutError), interrupts.time_limit(timedelta(seconds=0.05)):
            time.sleep(5)
        with interrupts.shield():
            pass
        with pytest.raises(Interrupted):
            send(signal.SIGTERM)
    assert blocked <= signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_shield_makes_signals_wait():
    """What arrives inside is raised at the end of the outermost shield, once."""
    reached = []
    with Interrupts() as interrupts:
        with pytest.raises(Interrupted), interrupts.shield():
            with interrupts.shield():
                send(signal.SIGTERM)
                reached.append("inner")
            reached.append("outer")
        with interrupts.shield():
            pass
    assert reached == ["inner", "outer"]


def test_a_request_to_stop_outweighs_the_time_limit():
    """When both waited, the person's wish is the one that counts."""
    with Interrupts() as interrupts, pytest.raises(Interrupted), interrupts.shield():
        send(signal.SIGALRM)
        send(signal.SIGTERM)
        send(signal.SIGALRM)


def test_after_one_was_raised_the_way_to_the_next_shield_is_safe():
    """A second Ctrl-C on the way to the block that tidies up does not skip it; it is raised at that block's end."""
    reached = []

    def work():
        try:
            send(signal.SIGTERM)
            time.sleep(5)
        finally:
            send(signal.SIGINT)
            reached.append("the shield")
            with interrupts.shield():
                send(signal.SIGALRM)
                reached.append("the end of it")

    with Interrupts() as interrupts:
        with pytest.raises(Interrupted) as second:
            work()
        with interrupts.shield():
            pass
        with pytest.raises(Interrupted) as third:
            send(signal.SIGTERM)
            time.sleep(5)
    assert reached == ["the shield", "the end of it"]
    assert (second.value.exit_code, third.value.exit_code) == (130, 143)


def test_what_is_ignored_stays_ignored():
    """`nohup`, and a shell's background job, mean it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts():
            send(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_after_hush_nothing_is_raised():
    """The last words are not cut short."""
    with Interrupts() as interrupts:
        interrupts.hush()
        send(signal.SIGTERM)
        with interrupts.shield():
            send(signal.SIGTERM)


def test_the_old_handlers_come_back():
    """gradent's handlers live as long as its run."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    with Interrupts():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)] == before
