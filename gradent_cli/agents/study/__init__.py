"""The built-in agent: it reads the student's assignments, judges the work, and plans it into their free time.

check -> assess -> suggest -> schedule, each a tool of its own. Only *check* looks at the outside world; the rest works
on what it brought and on what the store remembers. Everything happens at one moment, the run's start.

What a tool has written it also tells: from its first write on it is shielded from the end of the run's time.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from gradent_cli.agents import RunContext
from gradent_cli.agents.study import plan_ics, words
from gradent_cli.agents.study.assess import History, assess, outdated, with_risks
from gradent_cli.agents.study.free import Budget, Day, days, quarter_down
from gradent_cli.agents.study.naming import Names
from gradent_cli.agents.study.remedy import ON_TOP
from gradent_cli.agents.study.schedule import Judged, Rules, planned_minutes, schedule, schedule_proposed
from gradent_cli.agents.study.sessions import PlanChanges
from gradent_cli.agents.study.store import BELIEVED_AFTER, Changes, Store
from gradent_cli.agents.study.suggest import suggest
from gradent_cli.durations import spell
from gradent_cli.errors import ConfigError, SourceError, StateError
from gradent_cli.files import write_atomic
from gradent_cli.records import Assessment, Assignment, Busy, Plan, Report, Session, Suggestion
from gradent_cli.text import count

if TYPE_CHECKING:
    from gradent_cli.agents.study.calendars import BusyTime, Calendar
    from gradent_cli.agents.study.publish import Publisher, Pulled
    from gradent_cli.agents.study.sources import Harvest, Source
    from gradent_cli.agents.study.store import Known, Status

KEEP_PAST = timedelta(days=30)
"""Sessions that are over stay in the calendar file for so long."""

_DETAILS = 12
_TIMES = 3
"""So many sessions are named in one question."""

Work = Sequence[tuple[Assignment, Assessment]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What *check* brought: `errors` and `warnings` are sentences for people, `summary` is what it says of itself.

    `wanted` are the ids of what is neither done nor ignored nor gone: what the student pinned for it stays in the plan.
    `busy` is None when a calendar could not be read. `warned` says that a warning is new; `changed`, that work is.
    """

    open: tuple[Assignment, ...]
    wanted: frozenset[str]
    assessments: dict[str, Assessment]
    busy: tuple[Busy, ...] | None
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    moved: tuple[str, ...]
    changed: bool
    warned: bool
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the steps after *check* stand on: minutes by assignment id, and the free time up to the horizon."""

    sessions: tuple[Session, ...]
    worked: Mapping[str, int]
    settled: Mapping[str, int]
    free: tuple[Day, ...]


class StudyAgent:
    """Plans study time from assignment sources and busy calendars.

    Args:
        sources: where assignments come from; their names are unique.
        calendars: whose events block time.
        plan_path: the calendar file to keep up to date; None writes none.
        publisher: the student's own calendar, to which sessions are written; None has none.
    """

    name = "study"

    def __init__(
        self,
        *,
        sources: "Sequence[Source]",
        calendars: "Sequence[Calendar]",
        store: Store,
        rules: Rules,
        zone: tzinfo,
        plan_path: Path | None,
        publisher: "Publisher | None" = None,
    ) -> None:
        self.store, self.rules, self.zone = store, rules, zone
        self._sources = sources
        self._calendars = calendars
        self._plan_path = plan_path
        self._publisher = publisher if rules.auto_schedule else None

    def preflight(self) -> None:
        """Whether there is anything to read assignments from.

        Raises:
            ConfigError: there is no source.
        """
        if not self._sources:
            raise no_source()

    def run(self, context: RunContext) -> Report:
        """Check, assess, suggest and schedule once.

        A source or calendar that fails makes the run fail, but only after everything that can be done without it.

        Raises:
            StateError: the store or the calendar file cannot be written.
        """
        now = context.started_at
        pulled = self.pull(now)
        seen = self.check(context)
        ground = self.ground(seen, now)
        work, assessed = self.assess(context, seen, ground)
        plan, replan = self.plan(work, seen, ground, now)
        suggestions, asked = self.suggest(context, seen, ground, work, plan, replan)
        planned = self.schedule(context, work, plan) if self.rules.auto_schedule else PlanChanges()
        taken_out = len(pulled.declined) if pulled is not None else 0
        shown = plan if self.rules.auto_schedule else None
        report = _report(seen, assessed, suggestions, asked, planned, shown, taken_out)
        errors = self.publish(context, pulled)
        return replace(report, error="; ".join(filter(None, (report.error, *errors))) or None)

    def pull(self, now: datetime) -> "Pulled | None":
        """What the student did in their own calendar; None where none is configured."""
        return self._publisher.pull(now) if self._publisher is not None else None

    def check(self, context: RunContext) -> Seen:
        """Read the sources and the calendars, and remember what they gave."""
        now = context.started_at
        with ExitStack() as until_told, context.tools.call("check", "Check assignments") as call:
            harvests, source_errors = self._read(now)
            times, calendar_errors = self._busy(now)
            errors = (*source_errors, *calendar_errors)
            given = {name: harvest.warnings for name, harvest in harvests.items()}
            sources = {source.name for source in self._sources}
            given |= {f"calendar {name}" if name in sources else name: each.warnings for name, each in times.items()}
            for line in (*errors, *(warning for sentences in given.values() for warning in sentences)):
                context.log(line)

            until_told.enter_context(context.shield())
            until_told.enter_context(self.store.together())
            changes = self.store.sync(
                {name: harvest.assignments for name, harvest in harvests.items()},
                now=now,
                complete={name for name, harvest in harvests.items() if harvest.complete},
            )
            for name, since in changes.shrunk.items():
                given[name] = (*given[name], self._doubt(name, since))
                context.log(given[name][-1])
            warnings = tuple(warning for sentences in given.values() for warning in sentences)
            warned = bool(self.store.warn(given))
            statuses = [(each, each.status(now)) for each in self.known()]
            work = _still_open(statuses)
            overdue = sum(status == "overdue" for _, status in statuses)
            changes = _still_work(changes, {each.assignment.id for each in work})
            moved = tuple(self._move(before, after, now) for before, after in changes.moved)
            call.done(
                f"{count(len(work), 'open assignment')} from {_sources_in_words(len(harvests), len(self._sources))}: "
                f"{_changes_in_words(changes, moved, overdue)}",
                details=_first(self._change_lines(changes, moved, now)) + _first(warnings),
                changed=bool(changes) or warned,
            )
            if errors:
                call.failed("; ".join(errors))
        return replace(
            self._as_seen(statuses, self._taken(times)),
            errors=errors,
            warnings=warnings,
            moved=moved,
            changed=bool(changes),
            warned=warned,
            summary=call.result,
        )

    def recall(self, now: datetime) -> Seen:
        """As `check` would give it of what is known already: of all that is outside, only the calendars are read."""
        times, errors = self._busy(now)
        statuses = [(each, each.status(now)) for each in self.known()]
        return replace(self._as_seen(statuses, self._taken(times)), errors=tuple(errors))

    def known(self) -> "tuple[Known, ...]":
        """What is known of the sources that are configured, by due date."""
        return self.store.known({each.name for each in self._sources})

    def _as_seen(self, statuses: "Sequence[tuple[Known, Status]]", busy: tuple[Busy, ...] | None) -> Seen:
        work = _still_open(statuses)
        return Seen(
            open=tuple(each.assignment for each in work),
            wanted=frozenset(each.assignment.id for each, status in statuses if status in ("open", "overdue", "past")),
            assessments={each.assignment.id: each.assessment for each in work if each.assessment},
            busy=busy,
            errors=(),
            warnings=(),
            moved=(),
            changed=False,
            warned=False,
        )

    def _taken(self, times: "Mapping[str, BusyTime]") -> tuple[Busy, ...] | None:
        if len(times) < len(self._calendars):
            return None
        return tuple(taken for time in times.values() for taken in time.busy)

    def ground(self, seen: Seen, now: datetime) -> Ground:
        """What the store says of the work, and the time that is free for it."""
        end = now + timedelta(days=self.rules.horizon_days)
        return Ground(
            sessions=tuple(
                each for each in self.store.sessions.all() if each.ends_at <= now or each.assignment_id in seen.wanted
            ),
            worked=self.store.progress.logged(),
            settled=self.store.settled(now),
            free=days(self.rules.hours, busy=seen.busy or (), start=now, end=end, zone=self.zone),
        )

    def plan(
        self, work: Work, seen: Seen, ground: Ground, now: datetime
    ) -> "tuple[Plan | None, Callable[..., Plan] | None]":
        """The plan for this work, and what plans it anew around more that is taken.

        Without automatic planning it is what the student has; None where a calendar could not be read.
        """
        if not self.rules.auto_schedule:
            return Plan(sessions=tuple(each for each in ground.sessions if each.ends_at > now)), None
        if seen.busy is None:
            return None, None
        given, rules, zone = seen.busy, self.rules, self.zone

        def replan(*taken: Busy) -> Plan:
            return schedule(
                work,
                busy=(*given, *taken),
                sessions=ground.sessions,
                settled=ground.settled,
                rules=rules,
                now=now,
                zone=zone,
            )

        return replan(), replan

    def _read(self, now: datetime) -> "tuple[dict[str, Harvest], list[str]]":
        """What the sources gave, by their names and without those that failed, and errors."""
        harvests: dict[str, Harvest] = {}
        errors: list[str] = []
        for source in self._sources:
            try:
                harvests[source.name] = source.read(now=now, zone=self.zone)
            except SourceError as error:
                errors.append(f"{error.message}; {self._instead(source.name, now)}")
        return harvests, errors

    def _busy(self, now: datetime) -> "tuple[dict[str, BusyTime], list[str]]":
        """What the calendars say of the time within the horizon, as `_read`.

        Without one of the calendars a session could land on an event, so then the plan stays as it was. One that is
        down and gave something before stands for that.
        """
        times: dict[str, BusyTime] = {}
        errors: list[str] = []
        end = now + timedelta(days=self.rules.horizon_days)
        for calendar in self._calendars:
            try:
                times[calendar.name] = calendar.busy(start=now, end=end, zone=self.zone)
            except SourceError as error:
                errors.append(f"{error.message}; the plan stays as it was")
                continue
            if (time := times[calendar.name]).error is not None and time.given_at is not None:
                errors.append(f"{time.error}; planned around what it gave on {words.when(time.given_at, self.zone)}")
        return times, errors

    def _instead(self, source: str, now: datetime) -> str:
        last = self.store.last_good_at(source)
        if last is None:
            return "it has never been read"
        return f"planned with what it gave on {words.when(last, self.zone, now=now)}"

    def _doubt(self, source: str, since: datetime) -> str:
        """One sentence for as long as it lasts, so that it is news once."""
        return (
            f"{source}: most assignments that are still due are missing from it since "
            f"{words.when(since, self.zone)}; what was known is still planned, and the shorter list is believed from "
            f"{words.when(since + BELIEVED_AFTER, self.zone)} on"
        )

    def _move(self, before: Assignment, after: Assignment, now: datetime) -> str:
        was, becomes = (
            words.when(each.due_at, self.zone, now=now) if each.due_at else "no due date" for each in (before, after)
        )
        return f"{words.name(after)} from {was} to {becomes}"

    def _change_lines(self, changes: Changes, moved: Iterable[str], now: datetime) -> Iterator[str]:
        yield from (f"New due date: {move}" for move in moved)
        yield from (self._overruled(theirs, yours, now) for theirs, yours in changes.overruled)
        yield from (f"New: {self._titled(each, now)}" for each in changes.new)
        yield from (f"Changed: {self._titled(each, now)}" for each in changes.edited)
        yield from (f"Done: {words.session_title(each)}" for each in changes.done)
        yield from (f"Gone from your list: {words.session_title(each)}" for each in changes.gone)

    def _overruled(self, theirs: Assignment, yours: Assignment, now: datetime) -> str:
        said, stands = (
            f"due {words.when(each.due_at, self.zone, now=now)}" if each.due_at else "without a due date"
            for each in (theirs, yours)
        )
        return f"{theirs.source} has {words.name(yours)} {said} now; you say it is {stands}, and that stands"

    def _titled(self, assignment: Assignment, now: datetime) -> str:
        due = f", due {words.when(assignment.due_at, self.zone, now=now)}" if assignment.due_at else ", no due date"
        return words.session_title(assignment) + due

    def plan_proposed(
        self, work: Work, seen: Seen, ground: Ground, proposed: Sequence[Session], now: datetime
    ) -> Judged | None:
        """As `plan`, with proposed sessions before all else; None where a calendar could not be read."""
        if seen.busy is None:
            return None
        return schedule_proposed(
            work,
            proposed=proposed,
            busy=seen.busy,
            sessions=ground.sessions,
            settled=ground.settled,
            rules=self.rules,
            now=now,
            zone=self.zone,
        )

    def assess(
        self, context: RunContext, seen: Seen, ground: Ground, given: "Mapping[str, Assessment]" = MappingProxyType({})
    ) -> tuple[Work, int]:
        """Everything that is still work with its assessment, and how many of those are new.

        Args:
            given: by assignment, what takes the place of an assessment of our own.
        """
        now = context.started_at
        with context.shield(), self.store.together(), context.tools.call("assess", "Assess assignments") as call:
            history = History(self.store.finished())
            judged: list[tuple[Assignment, Assessment]] = []
            new: set[str] = set()
            for assignment in seen.open:
                before = seen.assessments.get(assignment.id)
                if assignment.id in given:
                    assessment = given[assignment.id]
                elif before is None or outdated(before, assignment, history):
                    assessment = assess(assignment, now=now, history=history, previous=before)
                else:
                    assessment = before
                if assessment is not before:
                    new.add(assignment.id)
                judged.append((assignment, assessment))
            work = with_risks(judged, worked=ground.worked, free=self._free_hours(ground.free, now), now=now)
            changed = (each for _, each in work if each != seen.assessments.get(each.assignment_id))
            self.store.save_assessments(changed)
            call.done(
                f"Assessed {count(len(new), 'assignment')}" if new else "Nothing new to assess",
                details=_first(_estimate(*each) for each in work if each[0].id in new),
                changed=bool(new),
            )
        return work, len(new)

    def _free_hours(self, free: Sequence[Day], now: datetime) -> Callable[[datetime], float]:
        """Hours to study from now until a moment; beyond the horizon, time is taken to be as free as before it."""
        budget = Budget(free, self.rules.per_day)
        horizon = timedelta(days=self.rules.horizon_days)

        def hours(until: datetime) -> float:
            beyond = max(0.0, (until - now) / horizon - 1)
            return budget.before(quarter_down(until)) / 60 * (1 + beyond)

        return hours

    def suggest(
        self,
        context: RunContext,
        seen: Seen,
        ground: Ground,
        work: Work,
        plan: Plan | None,
        replan: Callable[..., Plan] | None,
    ) -> tuple[tuple[Suggestion, ...], int]:
        """The suggestions that are new, and about how many sessions the student was asked."""
        now, complete = context.started_at, seen.busy is not None
        with ExitStack() as until_told, context.tools.call("suggest", "Suggest") as call:
            # Other days are planned for it, which can take a while: nobody who logs work has to wait for that.
            known = self.store.suggestions.all(everything=True)
            advice = suggest(
                work,
                plan=plan,
                sessions=ground.sessions,
                worked=ground.worked,
                free=ground.free if complete else (),  # who knows
                now=now,
                zone=self.zone,
                replan=replan,
                answered={each.suggestion.key for each in known if each.answered},
            )
            until_told.enter_context(context.shield())
            until_told.enter_context(self.store.together())
            new = self.store.suggestions.tell(advice, now=now, complete=complete)
            questions = self.store.sessions.ask({assignment.id for assignment, _ in work}, now=now)
            asked = sum(map(len, questions))
            names = Names(self.store.assignments() if questions else ())
            call.done(
                _in_a_row([*_suggested(new), *_asked(asked)]) or "No new suggestions",
                details=(
                    *(f"{each.title}. {each.text}" for each in new),
                    *(self._question(sessions, names) for sessions in questions),
                ),
                changed=bool(new or questions),
            )
        return new, asked

    def _question(self, sessions: Sequence[Session], names: Names) -> str:
        """`Did you hold Tue 24 Nov 09:00-11:00 for Essay 1? If so: gradent log 3fa2 2h.`, and what is so until then."""
        assignment = names.by_id[sessions[0].assignment_id]
        times = [self._times(each) for each in sessions[:_TIMES]]
        more = len(sessions) - len(times)
        times += [f"{more} more"] if more else []
        said = times[0] if len(times) == 1 else f"{', '.join(times[:-1])} and {times[-1]}"
        spent = spell(timedelta(minutes=planned_minutes(sessions)))
        return (
            f"Did you hold {said} for {words.name(assignment)}? If {'so' if len(sessions) == 1 else 'all of it'}: "
            f"gradent log {names.handle(assignment)} {spent}."
            + (" Until then the work is planned again." if self.rules.auto_schedule else "")
        )

    def schedule(self, context: RunContext, work: Work, plan: Plan | None) -> PlanChanges:
        """Make it the plan; None says that it stays as it was."""
        now = context.started_at
        with context.shield(), self.store.together(), context.tools.call("schedule", "Schedule sessions") as call:
            if plan is None:
                call.failed("a calendar could not be read, so the plan stays as it was")
                return PlanChanges()
            changes = self.store.sessions.save(plan, now=now, publish=lambda sessions: self._write(sessions, now))
            names = {assignment.id: words.name(assignment) for assignment, _ in work}
            call.done(
                _in_a_row([*_plan_counts(changes), *_short_in_words(plan)]) or "Every session stays as it was",
                details=_first(
                    (
                        *(self._timed(each) for each in changes.new),
                        *(f"Moved: {self._timed(each)}" for each in changes.moved),
                        *(f"Removed: {self._timed(each)}" for each in changes.removed),
                    )
                )
                + _first(
                    f"{names[each.assignment_id]}: {words.length(each.minutes)} does not fit. {each.remedy}"
                    for each in plan.short
                )
                + ((ON_TOP,) if len(plan.short) > 1 else ()),
                changed=any((changes.new, changes.moved, changes.removed)),
            )
        return changes

    def publish(self, context: RunContext, pulled: "Pulled | None") -> tuple[str, ...]:
        """Bring the student's own calendar up to date, once the plan is saved; what could not be done, in sentences.

        What the student did there themselves is shown, but is no news to them; only what they deleted is told, since
        its work is planned no more and that may have been a slip.
        """
        if self._publisher is None or pulled is None:
            return ()
        now = context.started_at
        with context.tools.call("publish", "Update your calendar") as call:
            if pulled.error is not None:
                call.failed(pulled.error)
                return (pulled.error,)
            pushed = self._publisher.push(now, missing=pulled.missing)
            done = [
                f"{number} {word}"
                for number, word in ((pushed.new, "new"), (pushed.changed, "changed"), (pushed.removed, "removed"))
                if number
            ]
            call.done(
                ", ".join(done) or "Every session is in it as it should be",
                details=_first(
                    (
                        *(f"You moved: {self._timed(each)}" for each in pulled.moved),
                        *(
                            f"You took out: {self._timed(each)}; that work is planned no more"
                            for each in pulled.declined
                        ),
                        *pulled.warnings,
                    )
                ),
                changed=bool(pulled.declined),
            )
            if pushed.errors:
                call.failed("; ".join(pushed.errors))
        return pushed.errors

    def _timed(self, session: Session) -> str:
        return f"{self._times(session)} {session.title}"

    def _times(self, session: Session) -> str:
        return f"{words.when(session.starts_at, self.zone)}-{session.ends_at.astimezone(self.zone):%H:%M}"

    def _write(self, sessions: Iterable[Session], now: datetime) -> None:
        """Bring the calendar file up to date; one that says the same already is not touched."""
        if self._plan_path is None:
            return
        content = plan_ics.render(each for each in sessions if each.ends_at > now - KEEP_PAST)
        try:
            current = self._plan_path.read_bytes() if self._plan_path.exists() else None
        except OSError as error:
            raise StateError(f"cannot read {self._plan_path}: {error.strerror or error}") from error
        if current != content:
            write_atomic(self._plan_path, content)


def no_source() -> ConfigError:
    """What whoever works on assignments says when nothing gives any."""
    return ConfigError("no source of assignments is configured", hint="gradent config set --source URL")


def _still_open(statuses: "Iterable[tuple[Known, Status]]") -> "list[Known]":
    return [each for each, status in statuses if status in ("open", "overdue")]


def _still_work(changes: Changes, open: set[str]) -> Changes:
    """By due date over all sources, without what is of no interest any more: a feed also brings years of old events."""
    return replace(
        changes,
        new=tuple(sorted((each for each in changes.new if each.id in open), key=_due)),
        moved=tuple(sorted((pair for pair in changes.moved if pair[1].id in open), key=lambda pair: _due(pair[1]))),
        overruled=tuple(
            sorted((pair for pair in changes.overruled if pair[1].id in open), key=lambda pair: _due(pair[1]))
        ),
        edited=tuple(sorted((each for each in changes.edited if each.id in open), key=_due)),
        done=tuple(sorted(changes.done, key=_due)),
        gone=tuple(sorted(changes.gone, key=_due)),
    )


def _due(assignment: Assignment) -> float:
    return assignment.due_at.timestamp() if assignment.due_at else math.inf


def _sources_in_words(read: int, configured: int) -> str:
    return count(read, "source") if read == configured else f"{read} of {count(configured, 'source')}"


def _changes_in_words(changes: Changes, moved: Sequence[str], overdue: int) -> str:
    parts = []
    if changes.new:
        parts.append(f"{len(changes.new)} new")
    if moved:
        more = f" and {len(moved) - 1} more" if len(moved) > 1 else ""
        parts.append(f"{len(moved)} moved ({moved[0]}{more})")
    if changes.overruled:
        parts.append(f"{count(len(changes.overruled), 'due date')} moved at the source, yours stands")
    if changes.edited:
        parts.append(f"{len(changes.edited)} changed")
    if changes.done:
        parts.append(f"{len(changes.done)} done")
    if changes.gone:
        parts.append(f"{len(changes.gone)} gone")
    parts = parts or ["nothing new"]
    if overdue:
        parts.append(f"{overdue} overdue")
    return ", ".join(parts)


def _estimate(assignment: Assignment, assessment: Assessment) -> str:
    low, likely, high = (
        words.number(hours)
        for hours in (assessment.effort_low_hours, assessment.effort_likely_hours, assessment.effort_high_hours)
    )
    return (
        f"{words.name(assignment)}: {low}-{high} h, likely {likely} "
        f"(difficulty {assessment.difficulty}/5, risk {assessment.risk}/100)"
    )


def _in_a_row(did: Sequence[str]) -> str:
    """`Assessed 1 assignment, scheduled 2 sessions`."""
    return ", ".join([*did[:1], *(each[0].lower() + each[1:] for each in did[1:])])


def _suggested(suggestions: Sequence[Suggestion]) -> list[str]:
    return [f"Generated {count(len(suggestions), 'study suggestion')}"] if suggestions else []


def _asked(sessions: int) -> list[str]:
    return [f"Asked about {count(sessions, 'session')}"] if sessions else []


def _plan_counts(changes: PlanChanges) -> list[str]:
    counts = (("Scheduled", changes.new), ("Moved", changes.moved), ("Removed", changes.removed))
    return [f"{verb} {count(len(sessions), 'session')}" for verb, sessions in counts if sessions]


def _short_in_words(plan: Plan | None) -> list[str]:
    minutes = sum(short.minutes for short in plan.short) if plan else 0
    return [f"{words.length(minutes)} of work does not fit before its due date"] if minutes else []


def _warnings_in_words(warnings: Sequence[str]) -> list[str]:
    more = f" and {len(warnings) - 1} more" if len(warnings) > 1 else ""
    return [f"{count(len(warnings), 'warning')}: {warnings[0]}{more}"] if warnings else []


def _first(lines: Iterable[str]) -> tuple[str, ...]:
    """As many lines as a notification can take, and how many more there are."""
    lines = tuple(lines)
    return lines if len(lines) <= _DETAILS else (*lines[: _DETAILS - 1], f"and {len(lines) - _DETAILS + 1} more")


def _report(
    seen: Seen,
    assessed: int,
    suggestions: Sequence[Suggestion],
    asked: int,
    planned: PlanChanges,
    plan: Plan | None,
    taken_out: int,
) -> Report:
    """What the run says about itself. It is all caught up only when everything could be read and taken as it stood."""
    did = [f"Assessed {count(assessed, 'assignment')}"] if assessed else []
    did += [*_suggested(suggestions), *_asked(asked), *_plan_counts(planned)]
    did += [f"Noted that you took out {count(taken_out, 'session')}"] if taken_out else []
    short, warned = _short_in_words(plan), _warnings_in_words(seen.warnings)
    news = seen.changed or bool(did)
    changed = news or seen.warned
    if did:
        summary = _in_a_row(did)
    elif news:
        summary = "Noted what changed; the plan stays as it was"
    elif seen.errors:
        summary = "Nothing new in what could be read"
    elif short:
        summary = f"Nothing new since the last run; still, {'; '.join((*short, *warned))}"
    elif warned:
        summary = f"Nothing new; {warned[0]}"
    else:
        summary = "All caught up: nothing new since the last run"
    return Report(
        summary=summary,
        lines=(*(f"New due date: {move}" for move in seen.moved), *did, *short, *warned) if changed else (),
        changed=changed,
        error="; ".join(seen.errors) or None,
    )
