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
from gradent_cli.errors import AgentTimeoutError, GradentError, RunGoingOnError, StateError
from gradent_cli.history import History
from gradent_cli.interrupts import Interrupted, Interrupts
from gradent_cli.notify import policy
from gradent_cli.records import Delivery, Event, Message, Report, Run, RunStatus, ToolCall

SEND_SECONDS = 30.0
"""How long after its agent a run may still be busy sending, all channels together."""


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
    changes; `log` takes a run id and a text.
    """

    agent: Agent
    history: History
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


def run_once(tools: Tools, *, trigger: str) -> Outcome:
    """Run the agent once and tell the channels. What went wrong is in the outcome, not an exception.

    Raises:
        StateError: the lock cannot be taken, or a run that was skipped cannot be remembered.
    """
    run = new_run(tools.clock(), trigger=trigger, agent=tools.agent.name)
    try:
        with tools.lock:
            return _Walk(tools, run).go()
    except RunGoingOnError as error:
        skipped = replace(run, status="skipped", finished_at=tools.clock(), error=error.message)
        tools.history.add(skipped)
        tools.log(run.id, f"skipped: {error.message}")
        return Outcome(run=skipped, exit_code=error.exit_code)


@dataclass(slots=True)
class _Walk:
    """One run on its way; lives as long as the lock is held.

    A state that cannot be written (a full disk) makes the run fail, but it is told all the same.
    """

    tools: Tools
    run: Run
    messages: list[Message] = field(default_factory=list)
    unsaved: StateError | None = None

    def go(self) -> Outcome:
        history, log = self.tools.history, self.tools.log
        with Interrupts() as interrupts:
            try:
                if history.close_vanished(self.run.started_at):
                    log(self.run.id, "the run before this one ended without a word; recorded as interrupted")
                previous = history.previous()
                history.add(self.run)
                log(self.run.id, f"started by {self.run.trigger}, agent {self.run.agent}")
                self._tell(policy.started(self.run))
                report, status, exit_code = self._work(interrupts, previous)
            except Interrupted as interrupt:
                report, status, exit_code = _ended(f"ended by {interrupt}"), "interrupted", interrupt.exit_code
            except StateError as error:
                self.unsaved = error
                report, status, exit_code = _ended(error.message, error.hint), "failure", error.exit_code
            with interrupts.shield():
                self._finish(report, status)
            try:
                self._say_how_it_ended(report)
                self._settle(SEND_SECONDS)
            except Interrupted as interrupt:
                log(self.run.id, f"sending was ended by {interrupt}")
                with interrupts.shield():
                    self._settle(0)
        if self.unsaved is not None:
            return Outcome(run=self.run, exit_code=self.unsaved.exit_code, messages=tuple(self.messages))
        return Outcome(run=history.get(self.run.id) or self.run, exit_code=exit_code, messages=tuple(self.messages))

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
            summary=redact(report.summary),
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
        if self.run.status == "success":
            lines = tuple(self.tools.redact(line) for line in report.lines)
            self._tell(policy.completed(self.run, lines))
        else:
            since = None if self.unsaved else self.tools.history.failing_since()
            self._tell(policy.failed(self.run, since, self.tools.zone))

    def _tell(self, message: Message | None) -> None:
        if message is None or message.event not in self.tools.events:
            return
        self.messages.append(message)
        channels = self.tools.dispatch.channels
        if not channels:
            self.tools.log(self.run.id, f"message: {message.title}\n{message.text}")
            return
        if self.unsaved is None:
            self.tools.history.will_send(message, channels)
        self.tools.dispatch.post(message)

    def _settle(self, seconds: float) -> None:
        deliveries = self.tools.dispatch.finish(seconds)
        for delivery in deliveries:
            if delivery.error is not None:
                self.tools.log(self.run.id, f"{delivery.channel} did not take '{delivery.event}': {delivery.error}")
        if self.unsaved is None:
            self.tools.history.delivered(deliveries)


def _ended(error: str, hint: str | None = None) -> Report:
    return Report(summary="", error=f"{error} ({hint})" if hint else error)
