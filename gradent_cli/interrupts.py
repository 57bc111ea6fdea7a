"""Signals and the agent's time limit, turned into exceptions that cannot strike at a bad moment."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType, TracebackType

from gradent_cli.annotations import Self
from gradent_cli.durations import spell
from gradent_cli.errors import AgentTimeoutError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


class Interrupted(BaseException):
    """Somebody asked this run to end. Not an Exception, so that nothing takes it for an agent's failure."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Interrupts:
    """While entered, SIGINT, SIGTERM and SIGHUP raise `Interrupted` in the main thread, SIGALRM AgentTimeoutError.

    Inside `shield()` they wait: a process that was just started, or is just being ended, is never lost sight of. They
    also wait from the moment in which one was raised until the end of the next shield, so that the way there is safe.
    """

    def __init__(self) -> None:
        self._shields = 0
        self._struck = False
        self._waiting: int | None = None
        self._limit = timedelta(0)

    def __enter__(self) -> Self:
        # What whoever started us wants ignored (nohup, a background job) stays ignored.
        wanted = [n for n in _SIGNALS if n == signal.SIGALRM or signal.getsignal(n) != signal.SIG_IGN]
        # What they had blocked would never strike, the time limit least of all.
        self._blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, wanted)
        self._before = {number: signal.signal(number, self._arrive) for number in wanted}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """What arrives during the block is raised at its end."""
        self._shields += 1
        self._struck = False
        try:
            yield
        finally:
            self._shields -= 1
        if self._waiting is not None and not self._shields:
            number, self._waiting = self._waiting, None
            self._raise(number)

    def hush(self) -> None:
        """From here to the end of this object's own block nothing is raised any more."""
        self._shields += 1

    @contextmanager
    def time_limit(self, limit: timedelta) -> Iterator[None]:
        """The block may take this long; then AgentTimeoutError is raised in it."""
        self._limit = limit
        signal.setitimer(signal.ITIMER_REAL, limit.total_seconds())
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if self._waiting == signal.SIGALRM:
                self._waiting = None  # it was over in time, but for the shield

    def _arrive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  signal's signature
        if not self._shields and not self._struck:
            self._raise(number)
        if self._waiting in (None, signal.SIGALRM):
            self._waiting = number

    def _raise(self, number: int) -> None:
        self._struck = True
        if number == signal.SIGALRM:
            raise AgentTimeoutError(f"ran out of time after {spell(self._limit)}")
        raise Interrupted(number)
