"""What an agent is, and what a run hands to it.

An agent does one round of work and says how it ended. It reports each tool through `context.tools`; it never
prints, notifies or touches the history.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime

from gradent_cli.annotations import Protocol
from gradent_cli.dataclass import dataclass, replace
from gradent_cli.records import Report, Run, ToolCall, Usage

Clock = Callable[[], datetime]

_REMEMBERED = 10_000
"""So many calls of a run keep the ids that the agent gives; later ones get ids of ours, so that none comes twice."""


class OpenCall:
    """A tool call that is going on; what is said here ends up in its record."""

    def __init__(self) -> None:
        self.result = ""
        self.details: tuple[str, ...] = ()
        self.changed: bool | None = None
        self.error: str | None = None

    def done(self, result: str, *, details: tuple[str, ...] = (), changed: bool = True) -> None:
        """It worked: `result` in one line, `details` as the lines of its notification."""
        self.result, self.details, self.changed = result, details, changed

    def failed(self, error: str) -> None:
        """It did not work, though the agent goes on; what `done` said before stays beside it."""
        self.error = error


class ToolCallTracker:
    """Follows the agent's tools: started, then completed or failed, each with its time and result.

    Args:
        clock: gives the present moment.
        listener: is told every change at once, in the agent's own thread.
    """

    def __init__(self, clock: Clock, listener: Callable[[ToolCall], None]) -> None:
        self._clock = clock
        self._listener = listener
        self._open: dict[str, ToolCall] = {}
        self._begun = 0
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._again: dict[str, list[str]] = {}

    @contextmanager
    def call(self, tool: str, title: str) -> Iterator[OpenCall]:
        """Track one call of an in-process tool; an exception makes it failed and goes on."""
        id = self.started(tool, title)
        call = OpenCall()
        try:
            yield call
        except BaseException as error:
            self.completed(id, changed=False, error=str(error) or type(error).__name__)
            raise
        changed = call.error is None if call.changed is None else call.changed
        self.completed(id, result=call.result, details=call.details, changed=changed, error=call.error)

    def started(self, tool: str, title: str = "", *, id: str | None = None, incidental: bool = False) -> str:
        """A tool began. Returns its id, a new one where the agent gave none or begins with the same again."""
        given = id
        self._begun += 1
        if id is None or id in self._seen or self._begun > _REMEMBERED:
            id = str(self._begun)
            while id in self._seen or (self._begun > _REMEMBERED and not id.endswith("'")):
                id += "'"
            if given is not None:
                self._again.setdefault(given, []).append(id)
        self._remember(given or id)
        self._remember(id)
        self._tell(
            ToolCall(
                id=id,
                tool=tool,
                title=title or tool,
                status="started",
                started_at=self._clock(),
                incidental=incidental,
            )
        )
        return id

    def completed(
        self,
        id: str,
        *,
        tool: str = "",
        title: str = "",
        result: str = "",
        details: tuple[str, ...] = (),
        changed: bool = True,
        error: str | None = None,
        incidental: bool = False,
    ) -> None:
        """A tool ended; `error` None means that it worked. A start that was never told is made up for here.

        Of those that began with one id, the one that began last ends first.
        """
        if not (id in self._seen or id in self._open or id in self._again):
            self.started(tool or "tool", title, id=id, incidental=incidental)
        if again := self._again.get(id):
            given, id = id, again.pop()
            if not again:
                del self._again[given]
        begun = self._open.get(id)
        if begun is None:
            return  # the same end told twice
        self._tell(
            replace(
                begun,
                title=title or begun.title,
                status="completed" if error is None else "failed",
                finished_at=self._clock(),
                result=result,
                details=details,
                changed=changed,
                error=error,
            )
        )

    def abandon(self, reason: str) -> None:
        """Whatever is still going on failed, because the run is over."""
        for id in list(self._open):
            self.completed(id, error=reason)

    def _remember(self, id: str) -> None:
        self._seen[id] = None
        if len(self._seen) > 2 * _REMEMBERED:
            self._seen.popitem(last=False)

    def _tell(self, call: ToolCall) -> None:
        if call.status == "started":
            self._open[call.id] = call
        else:
            del self._open[call.id]
        self._listener(call)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What a run hands to its agent.

    `previous` is the newest run that ended before, None on the first; `log` takes text for the run's log, `keep_output`
    the end of what an agent wrote that was ended before it could report, `used` what it has used of a language model so
    far, in all.
    The end of its time, and a request to stop, come as exceptions at any moment but inside `shield()`, which is
    for starting and ending what must not be lost sight of.
    """

    run_id: str
    started_at: datetime
    tools: ToolCallTracker
    previous: Run | None
    log: Callable[[str], None]
    shield: Callable[[], AbstractContextManager[None]] = nullcontext
    keep_output: Callable[[str], None] = lambda _: None
    used: Callable[[Usage], None] = lambda _: None


class Agent(Protocol):
    """Something that does one round of work."""

    @property
    def name(self) -> str:
        """The config's `agent.kind`, for the history."""

    def preflight(self) -> None:
        """See whether all is there that it takes to begin, within seconds and at no cost: nothing is started or paid.

        Raises:
            GradentError: something is missing; a sentence and a remedy. The run ends with it.
        """

    def run(self, context: RunContext) -> Report:
        """Work once and say how it ended.

        Raises:
            AgentTimeoutError: it ran out of time; everything that it had started is gone.
            GradentError: it could not work; the message is the run's error.
        """
