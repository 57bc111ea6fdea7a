"""The corridor: lock, record, agent, record, tell. One run goes straight through it."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, tzinfo
from time import monotonic

from gradent_cli.agents import Agent, Clock, RunContext, ToolCallTracker
from gradent_cli.annotations import Protocol
from gradent_cli.dataclass import dataclass, replace
from gradent_cli.due import Slots, missed_in_words
from gradent_cli.errors import AgentError, AgentTimeoutError, DamagedError, GradentError, RunGoingOnError, StateError
from gradent_cli.failures import Failures
from gradent_cli.history import History
from gradent_cli.interrupts import Interrupted, Interrupts
from gradent_cli.messenger import Messenger
from gradent_cli.notify import policy
from gradent_cli.records import Message, Report, Run, RunStatus, ToolCall, Usage
from gradent_cli.text import count

SEND_SECONDS = 30.0
"""How long after its agent a run may still be busy sending, all channels together. What is not taken then is kept."""
PING_SECONDS = 11.0
"""How much of that may be for a watcher: two tries of five seconds."""
LAST_SECONDS = 2.0
"""The same for a run that was asked to end."""


class Pings(Protocol):
    """Tells a watcher elsewhere that a run begins and how it ends; a ping is about now and never repeated."""

    def start(self, run_id: str) -> None: ...
    def ended(self, run_id: str, *, success: bool, exit_code: int | None, log: str) -> None: ...
    def finish(self, seconds: float) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What `cli.compose` builds for one run.

    `lock` is entered for the whole run; `redact` takes secrets out of a text; `watch` sees every tool call as it
    changes; `log` takes a run id and a text. `end_leftovers` ends what a run of this id has left behind and returns how
    many that were; `check` raises DamagedError when the state cannot be relied on, and `suspect` makes it do so in the
    next run; `tidy` is called when all is told. `notify_tools` None leaves it to each tool call whether it is worth a
    message. `mended` says what was done about a damaged state; `unwanted` why a run
    is to be skipped now. Both are empty when there is nothing to say.
    """

    agent: Agent
    history: History
    slots: Slots
    failures: Failures
    lock: AbstractContextManager[None]
    messenger: Messenger
    clock: Clock
    zone: tzinfo
    log: Callable[[str, str], None]
    redact: Callable[[str], str]
    watch: Callable[[ToolCall], None]
    timeout: timedelta
    remind_every: timedelta
    notify_tools: Sequence[str] | None
    pings: Pings | None = None
    end_leftovers: Callable[[str], int] = lambda _: 0
    check: Callable[[], None] = lambda: None
    suspect: Callable[[], None] = lambda: None
    tidy: Callable[[], None] = lambda: None
    mended: str = ""
    unwanted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A run that is over, its exit code, and every message that it had to tell, sent or not."""

    run: Run
    exit_code: int
    messages: tuple[Message, ...] = ()


def new_run(started_at: datetime, *, trigger: str, agent: str) -> Run:
    """A run that begins now. Its id sorts by time and is short enough to type; fifty in a second have fifty."""
    return Run(
        id=f"{started_at:%Y%m%d-%H%M%S}-{os.urandom(4).hex()}",
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
        DamagedError: the state is damaged, which was found before the agent was started; nothing was told.
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
            tools.check()
            scheduled = if_due or trigger != "manual" or tools.slots.installed_at is not None
            missed = tools.slots.waiting(run.started_at)[:-1] if scheduled else ()
            return _Walk(
                tools,
                replace(run, missed_runs=len(missed)),
                missed=missed_in_words(missed, tools.slots.zone, run.started_at),
                interrupts=Interrupts(),
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
    if tools.mended:
        tools.log(run.id, tools.mended)
        tools.messenger.open(run.id)
        tools.messenger.tell(policy.mended(run, tools.mended))
        tools.messenger.finish(SEND_SECONDS)
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
    interrupts: Interrupts
    unsaved: StateError | None = None
    begun: bool = False
    blocked: bool = False
    output: str = ""

    def go(self) -> Outcome:
        history, log, messenger = self.tools.history, self.tools.log, self.tools.messenger
        with self.interrupts as interrupts:
            report: Report
            status: RunStatus
            try:
                with interrupts.shield():
                    messenger.open(self.run.id)
                    self._close_vanished()
                    previous = history.previous()
                refusal = self._preflight()
                with interrupts.shield(), history.together():
                    history.add(self.run)
                    if self.tools.mended:
                        messenger.tell(policy.mended(self.run, self.tools.mended))
                    if refusal is None:
                        messenger.tell(policy.started(self.run))
                self.tools.slots.settle(self.run.started_at)
                if self.tools.pings is not None:
                    self.tools.pings.start(self.run.id)
                log(self.run.id, f"started by {self.run.trigger}, agent {self.run.agent}")
                for sentence in filter(None, (self.tools.mended, self.missed)):
                    log(self.run.id, sentence)
                self.begun = True
                if refusal is not None:
                    self.blocked = True
                    report, status, exit_code = _ended(refusal.message, refusal.hint), "failure", refusal.exit_code
                else:
                    report, status, exit_code = self._work(previous)
            except Interrupted as interrupt:
                report, status, exit_code = _ended(f"ended by {interrupt}"), "interrupted", interrupt.exit_code
            except StateError as error:
                if isinstance(error, DamagedError):
                    if not self.begun:
                        messenger.stop(LAST_SECONDS)  # what is on its way is marked, and the next one has its turn
                        raise
                    self._note(self.tools.suspect)
                self.unsaved = error
                report, status, exit_code = _ended(error.message, error.hint), "failure", error.exit_code
            try:
                with interrupts.shield():
                    self._finish(report, status)
                self._settle(SEND_SECONDS)
            except Interrupted as interrupt:
                # The outcome stands. What is on its way gets a moment more, and nothing cuts that short.
                interrupts.hush()
                log(self.run.id, f"sending was cut short by {interrupt}")
                self._settle(LAST_SECONDS)
            interrupts.hush()
            self._note(self.tools.tidy)
        if self.unsaved is not None:
            return Outcome(run=self.run, exit_code=self.unsaved.exit_code, messages=messenger.told)
        return Outcome(run=self._on_record(), exit_code=exit_code, messages=messenger.told)

    def _on_record(self) -> Run:
        """The run with its tools and deliveries; without them where they cannot be read."""
        try:
            return self.tools.history.get(self.run.id) or self.run
        except StateError:
            return self.run

    def _close_vanished(self) -> None:
        """The runs before this one that ended without a word: on record, told, and nothing of them left running."""
        with self.tools.history.together():
            vanished = self.tools.history.close_vanished(self.run.started_at)
            for run in vanished:
                self.tools.messenger.tell(policy.interrupted(run, self.tools.zone))
        for run in vanished:
            self.tools.log(run.id, f"interrupted: {run.error}")
            if left := self.tools.end_leftovers(run.id):
                self.tools.log(run.id, f"what it had left running was ended ({count(left, 'process', 'processes')})")

    def _preflight(self) -> GradentError | None:
        """Why the agent cannot even begin; None when it can.

        It comes before anything is told, so that a run that is not begun tells one message and not two.
        """
        try:
            self.tools.agent.preflight()
        except StateError:
            raise
        except GradentError as error:
            return error
        except Exception as error:  # noqa: BLE001  around the agent, as in `_work`
            return AgentError(self._crashed(error))
        return None

    def _crashed(self, error: Exception) -> str:
        """The traceback is for the log, the sentence for the person."""
        import traceback

        self.tools.log(self.run.id, "".join(traceback.format_exception(error)))
        return f"the agent crashed: {type(error).__name__}: {error}"

    def _work(self, previous: Run | None) -> tuple[Report, RunStatus, int]:
        tools, interrupts = self.tools, self.interrupts
        tracker = ToolCallTracker(tools.clock, self._tool_changed)
        context = RunContext(
            run_id=self.run.id,
            started_at=self.run.started_at,
            tools=tracker,
            previous=previous,
            log=lambda text: tools.log(self.run.id, text),
            shield=interrupts.shield,
            keep_output=self._keep_output,
            used=self._used,
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
            reason = self._crashed(error)
            tracker.abandon(reason)
            return _ended(reason), "failure", 1
        tracker.abandon("the agent ended without saying how this went")
        return report, "success" if report.error is None else "failure", 0 if report.error is None else 1

    def _tool_changed(self, call: ToolCall) -> None:
        redact = self.tools.redact
        call = replace(
            call,
            id=redact(call.id),
            tool=redact(call.tool),
            title=redact(call.title),
            result=redact(call.result),
            details=tuple(redact(line) for line in call.details),
            error=redact(call.error) if call.error is not None else None,
        )
        with self.interrupts.shield(), self.tools.history.together():
            self.tools.history.tool(self.run.id, call)
            told = (
                self._is_wanted(call) and self._is_news(call) and self.tools.messenger.tell(policy.tool(self.run, call))
            )
            if told and call.status == "failed":
                self.tools.failures.told_tool(call)
        self.tools.watch(call)
        if call.status != "started":
            self.tools.log(self.run.id, f"{call.tool} {call.status}: {call.error or call.result}")

    def _is_wanted(self, call: ToolCall) -> bool:
        patterns = self.tools.notify_tools
        if patterns is None:
            return not call.incidental
        from fnmatch import fnmatchcase

        return any(fnmatchcase(call.tool, pattern) for pattern in patterns)

    def _is_news(self, call: ToolCall) -> bool:
        """What failed as it did before, and brought nothing new beside that, is told again only as a reminder."""
        if call.status != "failed":
            return True
        return self.tools.failures.add_tool(call, self.tools.remind_every) or call.changed

    def _keep_output(self, tail: str) -> None:
        self.output = tail

    def _used(self, usage: Usage) -> None:
        self.run = replace(self.run, usage=usage)
        with self.interrupts.shield():
            self.tools.history.used(self.run.id, usage)

    def _finish(self, report: Report, status: RunStatus) -> None:
        """How it ended and what there is to tell of it, saved as one; where that cannot be, told all the same."""
        redact = self.tools.redact
        self.run = replace(
            self.run,
            status=status,
            finished_at=self.tools.clock(),
            summary=redact("\n".join(filter(None, (report.summary, self.missed)))),
            error=redact(report.error) if report.error is not None else None,
            exit_code=report.exit_code,
            output_tail=redact(report.output_tail or self.output),
        )
        try:
            with self.tools.history.together():
                self.tools.history.finish(self.run)
                self._say_how_it_ended(report)
        except StateError as error:
            self.unsaved = error
            self.run = replace(self.run, status="failure", error=error.message)
            self.tools.messenger.tell_unkept(policy.failed(self.run, None, self.tools.zone, self.missed))
        self.tools.log(self.run.id, f"{self.run.status}: {self.run.error or self.run.summary}")
        if self.tools.pings is not None:
            success, log = self.run.status == "success", self.run.output_tail or self.run.error or self.run.summary
            self.tools.pings.ended(self.run.id, success=success, exit_code=self.run.exit_code, log=log)

    def _say_how_it_ended(self, report: Report) -> None:
        """What was missed is a line of the same message; a message of its own only where that one is not sent."""
        messenger, zone = self.tools.messenger, self.tools.zone
        missed = self.missed if messenger.wants("missed") else ""
        if self.run.status == "success":
            over = self.tools.failures.over()
            if over is not None and over.told:
                messenger.tell(policy.recovered(self.run, over, zone))
            lines = tuple(self.tools.redact(line) for line in report.lines or (report.summary,))
            wanted = messenger.wants("completed", changed=report.changed)
            messenger.tell(policy.completed(self.run, (*lines, missed)), changed=report.changed)
        elif self.run.status == "interrupted":
            wanted = False
            messenger.tell(policy.interrupted(self.tools.history.get(self.run.id) or self.run, zone))
        else:
            failures = self.tools.failures
            news = failures.add(self.run, self.tools.remind_every)
            wanted = news and messenger.wants("failed")
            if news and messenger.tell(policy.failed(self.run, failures.now(), zone, missed, blocked=self.blocked)):
                failures.told(self.run)
        if missed and not wanted:
            messenger.tell(policy.missed(self.run, missed))

    def _settle(self, seconds: float) -> None:
        deadline = monotonic() + seconds
        for delivery in self.tools.messenger.finish(seconds):
            if delivery.error is not None:
                self.tools.log(self.run.id, f"{delivery.channel} did not take '{delivery.event}': {delivery.error}")
        if self.tools.pings is not None:
            trouble = self.tools.pings.finish(max(0.0, min(PING_SECONDS, deadline - monotonic())))
            if trouble is not None:
                self.tools.log(self.run.id, trouble)

    def _note(self, write: Callable[[], None]) -> None:
        """What is not worth failing a run for that is over."""
        try:
            write()
        except StateError as error:
            self.tools.log(self.run.id, f"not done: {error.message}")


def _ended(error: str, hint: str | None = None) -> Report:
    return Report(summary="", error=f"{error} ({hint})" if hint else error)
