"""The study agent's tools one at a time, for an agent that wants to decide for itself: JSON in, JSON out.

Whoever calls them may judge and propose; what the student said and the rules of their plan stand above it. Each call
is told through the context's tracker as the built-in agent tells its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gradent_cli.agents import RunContext, ToolCallTracker
from gradent_cli.agents.study import dates, words
from gradent_cli.agents.study.agent import StudyAgent
from gradent_cli.agents.study.assess import judged
from gradent_cli.agents.study.effort import own_hours
from gradent_cli.agents.study.ground import Ground, Seen, Work
from gradent_cli.agents.study.known import Known
from gradent_cli.agents.study.naming import Names
from gradent_cli.agents.study.records import Assessment, Assignment, LogEntry, Session, Suggestion
from gradent_cli.agents.study.remaining import remaining_hours
from gradent_cli.agents.study.spent import minutes_of
from gradent_cli.agents.study.toolbox import checked
from gradent_cli.errors import SourceError, UsageError
from gradent_cli.moments import utc
from gradent_cli.text import one_line

_MOST_HOURS = 200.0
_DESCRIPTION = 500
"""Characters of an assignment's own text, enough to judge it by."""
_DESCRIPTIONS = 20_000
"""And of all together, as a model reads and pays for them again with each answer."""


class StudyTools:
    """Check, assess, suggest, schedule and log over one study agent."""

    def __init__(self, agent: StudyAgent) -> None:
        self._agent = agent
        self._store = agent.store

    def call(self, name: str, given: Mapping[str, Any], context: RunContext) -> dict[str, Any]:
        """What the tool of this name makes of its input.

        Raises:
            UsageError: there is no such tool, or the input is not what it takes.
            GradentError: it could not do it.
        """
        fields = checked(name, given)
        does: dict[str, Callable[..., dict[str, Any]]] = {
            "check": self.check,
            "assess": self.assess,
            "suggest": self.suggest,
            "schedule": self.schedule,
            "log": self.log,
        }
        return does[name](context, **fields)

    def check(self, context: RunContext) -> dict[str, Any]:
        """Read every source; what is still work, by due date, and what could not be read."""
        self._agent.preflight()
        seen = self._agent.check(context)
        now, worked = context.started_at, self._store.progress.logged()
        open = {each.id for each in seen.open}
        room = min(_DESCRIPTION, _DESCRIPTIONS // max(1, len(open)))
        return {
            "assignments": [
                _assignment(each, worked, now, room) for each in self._agent.known() if each.assignment.id in open
            ],
            "summary": seen.summary,
            "errors": list(seen.errors),
            "warnings": list(seen.warnings),
        }

    def assess(self, context: RunContext, judgements: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
        """Judge all work as the built-in does, but where a judgement of the caller's can be kept."""
        seen, ground = self._known(context)
        names = Names(each.assignment for each in self._agent.known())
        open = {each.id for each in seen.open}
        kept: dict[str, Assessment] = {}
        refused = []
        for given in judgements or ():
            try:
                id = self._workable(names, given["assignment"], open, seen.wanted)
                judgement = _judged(names.by_id[id], given, context.started_at, seen.assessments.get(id))
            except UsageError as error:
                refused.append({**given, "why": error.message})
                continue
            if id in kept:
                refused.append({**given, "why": f"{words.name(names.by_id[id])} is judged twice"})
            else:
                kept[id] = judgement
        work, new = self._agent.assess(context, seen, ground, kept)
        return {"assessments": [_assessment(*each) for each in work], "refused": refused, "new": new}

    def suggest(self, context: RunContext) -> dict[str, Any]:
        """Work out what to suggest; all that is true and was not answered, the most pressing first."""
        seen, ground, work = self._judged(context)
        plan, replan = self._agent.plan(work, seen, ground, context.started_at)
        new, _ = self._agent.suggest(context, seen, ground, work, plan, replan)
        fresh = {each.key for each in new}
        return {"suggestions": [_suggestion(each.suggestion, fresh) for each in self._store.suggestions.all()]}

    def schedule(self, context: RunContext, sessions: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
        """Plan all work and save the plan; sessions that are proposed come first, as far as the rules allow them.

        Raises:
            UsageError: the student plans for themselves.
            SourceError: a calendar could not be read: the plan stays as it was.
        """
        if not self._agent.rules.auto_schedule:
            raise UsageError(
                "the student plans their sessions themselves: study.auto_schedule is off",
                hint="gradent config set --study-auto-schedule",
            )
        now = context.started_at
        wanted = [self._proposal(each) for each in sessions or ()]
        pulled = self._agent.pull(now)
        seen, ground, work = self._judged(context)
        names = Names(each.assignment for each in self._agent.known())
        places, proposed, refused = [], [], {}
        for place, session in enumerate(wanted):
            try:
                id = self._workable(names, session.assignment_id, {each.id for each in seen.open}, seen.wanted)
            except UsageError as error:
                refused[place] = error.message
            else:
                places.append(place)
                proposed.append(replace(session, assignment_id=id))
        made = self._agent.plan_proposed(work, seen, ground, proposed, now)
        self._agent.schedule(context, work, made.plan if made else None)
        errors = self._agent.publish(context, pulled)
        if made is None:
            raise SourceError("; ".join(seen.errors))
        refused |= {places[place]: why for place, why in made.refused.items()}
        known = names.by_id
        return {
            "sessions": [_session(each) for each in self._store.plan(now=now).sessions],
            "refused": [{**dict((sessions or ())[place]), "why": why} for place, why in sorted(refused.items())],
            "short": [
                {
                    "assignment_id": each.assignment_id,
                    "title": known[each.assignment_id].title,
                    "minutes": each.minutes,
                    "remedy": each.remedy,
                }
                for each in made.plan.short
            ],
            "errors": [*seen.errors, *errors],
        }

    def log(self, context: RunContext, assignment: str, time: str, note: str = "") -> dict[str, Any]:
        """Say that the student worked on it up to now, for a time such as `1h30m`.

        Raises:
            UsageError: there is no such assignment, or that is no time.
        """
        now = context.started_at
        minutes, found = minutes_of(time), self._find(assignment, now)
        with context.shield(), self._store.together(), context.tools.call("log", "Log work") as call:
            self._store.progress.log(
                LogEntry(assignment_id=found.id, minutes=minutes, worked_at=now, logged_at=now, note=one_line(note))
            )
            assessment = next(iter(self._store.assessments(found.id)[-1:]), None)
            left = remaining_hours(assessment, self._store.progress.logged())
            call.done(f"Logged {words.length(minutes)} on {words.name(found)}")
        return {"assignment_id": found.id, "minutes": minutes, "remaining_hours": _rounded(left)}

    def _known(self, context: RunContext) -> tuple[Seen, Ground]:
        seen = self._agent.recall(context.started_at)
        return seen, self._agent.ground(seen, context.started_at)

    def _judged(self, context: RunContext) -> tuple[Seen, Ground, Work]:
        """What is known, with everything judged that nobody judged yet."""
        seen, ground = self._known(context)
        work, _ = self._agent.assess(_quiet(context), seen, ground)
        return seen, ground, work

    def _find(self, text: str, now: datetime) -> Assignment:
        known = self._agent.known()
        open = {each.assignment.id for each in known if each.status(now) in ("open", "overdue")}
        return Names(each.assignment for each in known).find(text, rather=open)

    def _workable(self, names: Names, text: str, open: set[str], wanted: frozenset[str]) -> str:
        found = names.find(text, rather=open)
        if found.id not in open:
            over = "past" if found.id in wanted else "done or ignored"
            raise UsageError(f"{words.session_title(found)} is {over}")
        return found.id

    def _proposal(self, given: Mapping[str, Any]) -> Session:
        """The session as it is asked for; its `assignment_id` is still what the caller calls the assignment."""
        starts_at, ends_at = (self._moment(given[name], name) for name in ("starts_at", "ends_at"))
        return Session(assignment_id=given["assignment"], ordinal=0, title="", starts_at=starts_at, ends_at=ends_at)

    def _moment(self, text: str, name: str) -> datetime:
        try:
            day, moment = dates.parse(text, self._agent.zone)
        except ValueError:
            day, moment = datetime.now(UTC).date(), datetime.now(UTC)
        if day is not None:
            raise UsageError(f"{name} has to be a moment such as 2026-12-01T18:00, not '{one_line(text, 60)}'")
        return moment


def _quiet(context: RunContext) -> RunContext:
    """The same for a step that another one takes for itself, which is no call of its own."""
    return replace(context, tools=ToolCallTracker(lambda: context.started_at, lambda _: None))


def _judged(assignment: Assignment, given: Mapping[str, Any], now: datetime, before: Assessment | None) -> Assessment:
    """The caller's judgement; `before` itself where it says the same.

    Raises:
        UsageError: it cannot be kept.
    """
    difficulty = given.get("difficulty")
    if difficulty is not None and not 1 <= difficulty <= 5:
        raise UsageError(f"difficulty has to be from 1 to 5, not {difficulty}")
    hours = _hours(given.get("low_hours"), given["likely_hours"], given.get("high_hours"))
    if own := own_hours(assignment):
        raise UsageError(f"the student says that {words.name(assignment)} takes {words.hours(own)}, and that stands")
    reason = one_line(given.get("reason", ""), 300)
    after = judged(assignment, hours=hours, difficulty=difficulty, reason=reason, now=now, previous=before)
    return before if before is not None and _judgement(before) == _judgement(after) else after


def _hours(low: float | None, likely: float, high: float | None) -> tuple[float, float, float]:
    """What is missing of low and high is as far away as in the student's own estimates."""
    low = 0.75 * likely if low is None else low
    high = min(1.5 * likely, max(likely, _MOST_HOURS)) if high is None else high
    low, likely, high = (round(float(each), 4) for each in (low, likely, high))
    if not 0 < low <= likely <= high <= _MOST_HOURS:
        raise UsageError(
            f"hours have to be 0 < low <= likely <= high <= {_MOST_HOURS:g}, not {low:g}, {likely:g} and {high:g}"
        )
    return low, likely, high


def _judgement(assessment: Assessment) -> tuple[object, ...]:
    return (
        assessment.effort_low_hours,
        assessment.effort_likely_hours,
        assessment.effort_high_hours,
        assessment.difficulty,
        assessment.reason,
        assessment.basis,
        assessment.fingerprint,
    )


def _rounded(hours: float | None) -> float | None:
    return None if hours is None else round(hours, 2)


def _assignment(known: Known, worked: Mapping[str, int], now: datetime, room: int) -> dict[str, Any]:
    each, assessment = known.assignment, known.assessment
    return {
        "id": each.id,
        "title": each.title,
        "course": each.course,
        "due_at": utc(each.due_at),
        "status": known.status(now),
        "effort_hours": assessment.effort_likely_hours if assessment else each.effort_hours,
        "remaining_hours": _rounded(remaining_hours(assessment, worked)),
        "risk": assessment.risk if assessment else None,
        "difficulty": assessment.difficulty if assessment else None,
        "url": each.url,
        "description": one_line(each.description, room),
    }


def _assessment(assignment: Assignment, assessment: Assessment) -> dict[str, Any]:
    return {
        "assignment_id": assignment.id,
        "title": assignment.title,
        "low_hours": assessment.effort_low_hours,
        "likely_hours": assessment.effort_likely_hours,
        "high_hours": assessment.effort_high_hours,
        "difficulty": assessment.difficulty,
        "risk": assessment.risk,
        "reason": assessment.reason,
        "basis": assessment.basis,
    }


def _suggestion(suggestion: Suggestion, fresh: set[str]) -> dict[str, Any]:
    return {
        "title": suggestion.title,
        "text": suggestion.text,
        "category": suggestion.category,
        "priority": suggestion.priority,
        "assignment_id": suggestion.assignment_id,
        "new": suggestion.key in fresh,
    }


def _session(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "assignment_id": session.assignment_id,
        "title": session.title,
        "starts_at": utc(session.starts_at),
        "ends_at": utc(session.ends_at),
        "minutes": session.minutes,
        "pinned": session.pinned,
    }
