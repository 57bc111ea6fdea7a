"""The corridor: lock, record, agent, record, tell. One run goes straight through it."""

import secrets
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from fnmatch import fnmatchcase
from typing import Protocol

from gradent_cli.agents import Agent, Clock, RunContext, ToolCallTracker
from gradent_cli.due import Slots, missed_in_words
from gradent_cli.errors import AgentTimeoutError, GradentError, RunGoingOnError, StateError
from gradent_cli.history import History
from gradent_cli.interrupts import Interrupted, Interrupts
from gradent_cli.notify import policy
from gradent_cli.records import Delivery, Event, Message, Report, Run, RunStatus, ToolCall

SEND_SECONDS = 30.0
"""How long after its agent a run may still be busy sending, all channels together."""
LAST_SECONDS = 2.0
"""The same for a run that was asked to end."""


class Dispatch(Protocol):
    """Takes messages at once and says later how they fared."""

    @property
    def channels(self) -> Sequence[str]: ...
    def post(self, message: Message) -> None: ...
    def finish(self, seconds: float) -> tuple[Delivery, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What `cli.run` builds for one run.

    `lock` is entered for the whole run; `redact` takes secrets out of a text; `watch` sees every tool call as it
    changes; `log` takes a run id and a text. `unwanted` says why a run is to be skipped now; empty when it is not.
    """

    agent: Agent
    history: History
    slots: Slots
    lock: AbstractContextManager[None]
    dispatch: Dispatch
    clock: Clock
    zone: tzinfo
    log: Callable[[str, str], None]
    redact: Callable[[str], str]
    watch: Callable[[ToolCall], None]
    timeout: timedelta
    events: Sequence[Event]
    notify_tools: Sequence[str]
    unwanted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A run that is over, its exit code, and every message that it had to tell, sent or not."""

    run: Run
    exit_code: int
    messages: tuple[Message, ...] = ()


def new_run(started_at: datetime, *, trigger: str, agent: str) -> Run:
    """A run that begins now. Its id sorts by time and is short enough to type."""
    return Run(
        id=f"{started_at:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        trigger=trigger,
        status="running",
        agent=agent,
        started_at=started_at,
    )


def run_once(tools: Tools, *, trigger: str, if_due: bool = False) -> Outcome | None:
    """Run the agent once and tell the channels. What went wrong is in the outcome, not an exception.

    Args:
        if_due: only if a slot of the schedule waits to be served.

    Returns:
        None when no slot waits. Looked up without the lock, so that a tick never stands in a run's way, and once more
        under it, so that of two that come together one serves the slot.

    Raises:
        StateError: the lock cannot be taken, or a run that was skipped cannot be remembered.
    """
    run = new_run(tools.clock(), trigger=trigger, agent=tools.agent.name)
    if if_due:
        tools.slots.lead_ticks_here()
    if if_due and not tools.slots.due(run.started_at):
        tools.slots.nothing_due(run.started_at)
        return None
    try:
        with tools.lock:
            if if_due and not tools.slots.due(tools.clock()):
                return None
            if tools.unwanted:
                return _skipped(tools, run, tools.unwanted, exit_code=0)
            scheduled = if_due or trigger != "manual" or tools.slots.installed_at is not None
            missed = tools.slots.waiting(run.started_at)[:-1] if scheduled else ()
            return _Walk(
                tools,
                replace(run, missed_runs=len(missed)),
                missed=missed_in_words(missed, tools.slots.zone, run.started_at),
            ).go()
    except RunGoingOnError as error:
        if if_due:  # the slot goes on waiting, and so does its record
            return Outcome(run=replace(run, status="skipped", error=error.message), exit_code=error.exit_code)
        return _skipped(tools, run, error.message, exit_code=error.exit_code)


def _skipped(tools: Tools, run: Run, why: str, *, exit_code: int) -> Outcome:
    """No slot goes by without a record, not even one that was not wanted."""
    run = replace(run, status="skipped", finished_at=tools.clock(), error=why)
    tools.history.add(run)
    tools.slots.settle(run.started_at)
    tools.log(run.id, f"skipped: {why}")
    return Outcome(run=run, exit_code=exit_code)


@dataclass(slots=True)
class _Walk:
    """One run on its way; lives as long as the lock is held.

    A state that cannot be written (a full disk) makes the run fail, but it is told all the same. `missed` says which
    slots went by before the one that this run serves; empty when none did.
    """

    tools: Tools
    run: Run
    missed: str
    messages: list[Message] = field(default_factory=list)
    unsaved: StateError | None = None
    told: bool = False

    def go(self) -> Outcome:
        history, log = self.tools.history, self.tools.log
        with Interrupts() as interrupts:
            try:
                if history.close_vanished(self.run.started_at):
                    log(self.run.id, "the run before this one ended without a word; recorded as interrupted")
                previous = history.previous()
                history.add(self.run)
                self.tools.slots.settle(self.run.started_at)
                log(self.run.id, f"started by {self.run.trigger}, agent {self.run.agent}")
                if self.missed:
                    log(self.run.id, self.missed)
                self._tell(policy.started(self.run))
                report, status, exit_code = self._work(interrupts, previous)
            except Interrupted as interrupt:
                report, status, exit_code = _ended(f"ended by {interrupt}"), "interrupted", interrupt.exit_code
            except StateError as error:
                self.unsaved = error
                report, status, exit_code = _ended(error.message, error.hint), "failure", error.exit_code
            try:
                with interrupts.shield():
                    self._finish(report, status)
                self._say_how_it_ended(report)
                self._settle(SEND_SECONDS)
            except Interrupted as interrupt:
                # The outcome stands. What is on its way gets a moment more, and nothing cuts that short.
                interrupts.hush()
                log(self.run.id, f"sending was cut short by {interrupt}")
                self._say_how_it_ended(report)
                self._settle(LAST_SECONDS)
        if self.unsaved is not None:
            return Outcome(run=self.run, exit_code=self.unsaved.exit_code, messages=tuple(self.messages))
        return Outcome(run=self._on_record(), exit_code=exit_code, messages=tuple(self.messages))

    def _on_record(self) -> Run:
        """The run with its tools and deliveries; without them where they cannot be read."""
        try:
            return self.tools.history.get(self.run.id) or self.run
        except StateError:
            return self.run

    def _work(self, interrupts: Interrupts, previous: Run | None) -> tuple[Report, RunStatus, int]:
        tools = self.tools
        tracker = ToolCallTracker(tools.clock, self._tool_changed)
        context = RunContext(
            run_id=self.run.id,
            started_at=self.run.started_at,
            tools=tracker,
            previous=previous,
            log=lambda text: tools.log(self.run.id, text),
            shield=interrupts.shield,
        )
        try:
            with interrupts.time_limit(tools.timeout):
                report = tools.agent.run(context)
        except StateError:
            raise
        except AgentTimeoutError as error:
            tracker.abandon(error.message)
            return _ended(error.message), "timeout", error.exit_code
        except GradentError as error:
            tracker.abandon(error.message)
            return _ended(error.message, error.hint), "failure", error.exit_code
        except Interrupted:
            with interrupts.shield():
                tracker.abandon("the run was interrupted")
            raise
        except Exception as error:  # noqa: BLE001  around the agent: whatever it throws is its failure, not ours
            tools.log(self.run.id, "".join(traceback.format_exception(error)))
            reason = f"the agent crashed: {type(error).__name__}: {error}"
            tracker.abandon(reason)
            return _ended(reason), "failure", 1
        tracker.abandon("the agent ended without saying how this went")
        return report, "success" if report.error is None else "failure", 0 if report.error is None else 1

    def _tool_changed(self, call: ToolCall) -> None:
        redact = self.tools.redact
        call = replace(
            call,
            title=redact(call.title),
            result=redact(call.result),
            details=tuple(redact(line) for line in call.details),
            error=redact(call.error) if call.error is not None else None,
        )
        self.tools.history.tool(self.run.id, call)
        self.tools.watch(call)
        if call.status == "started":
            return
        self.tools.log(self.run.id, f"{call.tool} {call.status}: {call.error or call.result}")
        if any(fnmatchcase(call.tool, pattern) for pattern in self.tools.notify_tools):
            self._tell(policy.tool(self.run, call))

    def _finish(self, report: Report, status: RunStatus) -> None:
        """Saved before told."""
        redact = self.tools.redact
        self.run = replace(
            self.run,
            status=status,
            finished_at=self.tools.clock(),
            summary=redact("\n".join(filter(None, (report.summary, self.missed)))),
            error=redact(report.error) if report.error is not None else None,
            exit_code=report.exit_code,
            output_tail=redact(report.output_tail),
        )
        try:
            self.tools.history.finish(self.run)
        except StateError as error:
            self.unsaved = error
            self.run = replace(self.run, status="failure", error=error.message)
        self.tools.log(self.run.id, f"{self.run.status}: {self.run.error or self.run.summary}")

    def _say_how_it_ended(self, report: Report) -> None:
        """What was missed is a line of the same message; a message of its own only where that one is not wanted."""
        if self.told:
            return
        events, missed = self.tools.events, self.missed if "missed" in self.tools.events else ""
        if self.run.status == "success":
            lines = tuple(self.tools.redact(line) for line in report.lines or (report.summary,))
            message = policy.completed(self.run, (*lines, missed))
        else:
            since = self._failing_since()
            message = policy.failed(self.run, since, self.tools.zone, missed)
        self._tell(message)
        if missed and message.event not in events:
            self._tell(policy.missed(self.run, missed))
        self.told = True

    def _tell(self, message: Message | None) -> None:
        if message is None or message.event not in self.tools.events:
            return
        self.messages.append(message)
        channels = self.tools.dispatch.channels
        if not channels:
            self.tools.log(self.run.id, f"message: {message.title}\n{message.text}")
            return
        self._note(lambda: self.tools.history.will_send(message, channels))
        self.tools.dispatch.post(message)

    def _settle(self, seconds: float) -> None:
        deliveries = self.tools.dispatch.finish(seconds)
        for delivery in deliveries:
            if delivery.error is not None:
                self.tools.log(self.run.id, f"{delivery.channel} did not take '{delivery.event}': {delivery.error}")
        self._note(lambda: self.tools.history.delivered(deliveries))

    def _failing_since(self) -> datetime | None:
        try:
            return None if self.unsaved else self.tools.history.failing_since()
        except StateError:
            return None

    def _note(self, write: Callable[[], None]) -> None:
        """Put on record how the telling goes; where that fails the run is what it is."""
        if self.unsaved is not None:
            return
        try:
            write()
        except StateError as error:
            self.tools.log(self.run.id, f"not on record: {error.message}")


def _ended(error: str, hint: str | None = None) -> Report:
    return Report(summary="", error=f"{error} ({hint})" if hint else error)
