"""A round of work with a language model, in a process of its own: the model's part, and then what it left undone.

The steps that it did not take, for whatever reason, are taken as the built-in agent takes them. Who speaks with the
model is handed in (`agents.conversation`), as its library is slow to import and may be broken.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from gradent_cli.agents import events
from gradent_cli.agents.llm import Limits, Model, time_for_model
from gradent_cli.agents.study.toolbox import TOOLS
from gradent_cli.errors import AgentError, GradentError
from gradent_cli.records import Report, ToolCall
from gradent_cli.text import count, one_line

Call = Callable[[str, Mapping[str, Any], Callable[[ToolCall], None]], dict[str, Any]]
"""Calls a study tool by its name, with its input; each change of the call is told to the third."""
Tell = Callable[[Mapping[str, Any]], None]
"""Tells the run an event."""

_STEPS: Mapping[str, tuple[str, ...]] = {
    "check": (),
    "assess": ("check",),
    "suggest": ("check",),
    "schedule": ("check", "assess"),
}
"""What a run is made of, in this order, and after which of the others each has to come."""
_KEPT_FROM_MODELS = ("log",)
"""Only the student can say what they worked, and a text in a feed could make a model say it."""
SUMMARY = 600
"""Characters of the model's last answer."""


class DayLimitError(AgentError):
    """What the model may cost in a day is spent."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(f"the limit of ${limits.day_cost_usd:g} a day (llm.max_cost_usd_per_day) is reached")


class Desk:
    """The study tools as they are called in this run: by the model, and then for what it left undone."""

    def __init__(self, call: Call, *, auto_schedule: bool) -> None:
        self.ended: list[ToolCall] = []
        self.tools = tuple(
            name for name in TOOLS if name not in _KEPT_FROM_MODELS and (auto_schedule or name != "schedule")
        )
        self._call = call
        self._done: list[str] = []
        self._assessed = 0
        self._errors: dict[str, Sequence[str]] = {}

    def do(self, tool: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """What the tool answers.

        Raises:
            GradentError: it could not do it.
        """
        answer = self._call(tool, given, self._changed)
        self._done.append(tool)
        self._errors[tool] = answer.get("errors", ())
        if tool == "assess":
            self._assessed += answer["new"]
        return answer

    def complete(self) -> bool:
        """Take the steps that were not taken, or not after those that they rest on; whether there were any."""
        missing = False
        for step in self.tools:
            if not self._stands(step):
                missing = True
                try:
                    self.do(step, {})
                except GradentError as error:
                    self._errors[step] = (error.message,)
        return missing

    def _stands(self, step: str) -> bool:
        last = {tool: place for place, tool in enumerate(self._done)}
        return step in last and all(last[step] > last.get(before, -1) for before in _STEPS[step])

    def _changed(self, call: ToolCall) -> None:
        if call.status != "started":
            self.ended.append(call)

    @property
    def errors(self) -> tuple[str, ...]:
        """What could not be read or written, each once."""
        found: list[str] = []
        for error in (error for errors in self._errors.values() for error in errors):
            if error not in "; ".join(found):
                found.append(error)
        return tuple(found)

    @property
    def changed(self) -> bool:
        return any(call.changed for call in self.ended if call.status == "completed")

    @property
    def lines(self) -> tuple[str, ...]:
        """What was done, counted."""
        did = [f"Assessed {count(self._assessed, 'assignment')}"] if self._assessed else []
        did += [
            call.result
            for call in self.ended
            if call.tool in ("suggest", "schedule") and call.status == "completed" and call.changed
        ]
        return tuple(dict.fromkeys(did))

    @property
    def summary(self) -> str:
        """The same in one line."""
        first, *more = self.lines or ("Noted what changed" if self.changed else "Nothing new since the last run",)
        return ", ".join([first, *(line[0].lower() + line[1:] for line in more)])


Converse = Callable[[Model, Limits, Desk, Tell, str, timedelta], str]
"""As `agents.conversation.converse`."""


def perform(
    model: Model,
    limits: Limits,
    event_file: Path,
    context_file: Path,
    *,
    converse: Converse,
    call: Call,
    auto_schedule: bool,
    zone: tzinfo,
    time_limit: timedelta,
) -> None:
    """Let the model work, do what it left undone, and tell the run how it ended."""
    given = json.loads(context_file.read_text(encoding="utf-8"))
    spent = 0.0

    def tell(event: Mapping[str, Any]) -> None:
        nonlocal spent
        events.append(event_file, event)
        if event["type"] == "usage":
            spent = event["cost_usd"] or 0.0

    desk = Desk(call, auto_schedule=auto_schedule)
    said, stopped = "", None
    begun = not limits.day_is_over()
    try:
        if begun:
            said = converse(model, limits, desk, tell, _question(given, zone), time_for_model(time_limit))
    except DayLimitError:
        pass  # said below, as by the run whose last answer reached it
    except AgentError as error:
        stopped = error
    except ImportError as error:
        stopped = AgentError(f"the library for language models cannot be loaded: {one_line(str(error))}")
    finished = desk.complete()
    over = DayLimitError(limits) if limits.day_is_over(spent) else None
    tell(events.report_event(_report(desk, said, stopped, over, finished=finished, news=begun)))


def _report(
    desk: Desk, said: str, stopped: AgentError | None, over: DayLimitError | None, *, finished: bool, news: bool
) -> Report:
    error = "; ".join(desk.errors) or None
    if stopped is not None:
        rest = error or ("the planner finished the run" if finished else "nothing was left to do")
        return Report(summary=desk.summary, lines=desk.lines, changed=desk.changed, error=f"{stopped.message}; {rest}")
    if over is None:
        return Report(summary=said, lines=(said, *desk.lines), changed=desk.changed, error=error)
    # As the student wants it, so it is no failure.
    without = f"{over.message[:1].upper()}{over.message[1:]}; until midnight the work is planned without the model"
    lines = (said, *desk.lines) if said else desk.lines or (desk.summary,)
    return Report(
        summary=f"{(said or desk.summary).rstrip('.')}. {without}",
        lines=(*lines, without),
        changed=desk.changed or news,
        error=error,
    )


def _question(given: Mapping[str, Any], zone: tzinfo) -> str:
    """The student's prompt, and what the model cannot know."""
    now = datetime.fromisoformat(given["started_at"]).astimezone(zone)
    parts = [given["prompt"], f"It is {now:%A} {now.isoformat(timespec='minutes')} on the student's clock ({zone})."]
    if previous := given["previous"]:
        said = one_line(previous["error"] or previous["summary"], SUMMARY)
        parts.append(f"The run before ended with {previous['status']}: {json.dumps(said, ensure_ascii=False)}")
    return "\n\n".join(parts)
