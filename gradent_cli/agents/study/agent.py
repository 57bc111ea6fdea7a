"""The steps that the built-in agent takes in a run.

check -> assess -> suggest -> schedule, each a tool of its own. Only *check* looks at the outside world; the rest works
on what it brought and on what the store remembers. Everything happens at one moment, the run's start.

What a tool has written it also tells: from its first write on it is shielded from the end of the run's time.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from gradent_cli.agents import RunContext
from gradent_cli.agents.study import lines, plan_ics, words
from gradent_cli.agents.study.assess import assess, outdated, with_risks
from gradent_cli.agents.study.effort import History
from gradent_cli.agents.study.free import Budget, Day, days, quarter_down
from gradent_cli.agents.study.ground import Ground, Seen, Work
from gradent_cli.agents.study.known import Changes
from gradent_cli.agents.study.naming import Names
from gradent_cli.agents.study.proposed import Judged, schedule_proposed
from gradent_cli.agents.study.records import Assessment, Assignment, Busy, Plan, Session, Suggestion
from gradent_cli.agents.study.remedy import ON_TOP
from gradent_cli.agents.study.rules import Rules
from gradent_cli.agents.study.schedule import schedule
from gradent_cli.agents.study.sessions import PlanChanges
from gradent_cli.agents.study.sources import Harvest, Source, no_source
from gradent_cli.agents.study.store import Store
from gradent_cli.agents.study.suggest import suggest
from gradent_cli.errors import SourceError, StateError
from gradent_cli.files import write_atomic
from gradent_cli.records import Report
from gradent_cli.text import count

if TYPE_CHECKING:
    from gradent_cli.agents.study.calendars import BusyTime, Calendar
    from gradent_cli.agents.study.known import Known, Status
    from gradent_cli.agents.study.publish import Publisher, Pulled


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
        sources: Sequence[Source],
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
        report = lines.report(seen, assessed, suggestions, asked, planned, shown, taken_out)
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
                given[name] = (*given[name], lines.doubt(name, since, self.zone))
                context.log(given[name][-1])
            warnings = tuple(warning for sentences in given.values() for warning in sentences)
            warned = bool(self.store.warn(given))
            statuses = [(each, each.status(now)) for each in self.known()]
            work = _still_open(statuses)
            overdue = sum(status == "overdue" for _, status in statuses)
            changes = _still_work(changes, {each.assignment.id for each in work})
            moved = tuple(lines.move(before, after, self.zone, now) for before, after in changes.moved)
            call.done(
                f"{count(len(work), 'open assignment')} from "
                f"{lines.sources_in_words(len(harvests), len(self._sources))}: "
                f"{lines.changes_in_words(changes, moved, overdue)}",
                details=lines.first(lines.change_lines(changes, moved, self.zone, now)) + lines.first(warnings),
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

    def _read(self, now: datetime) -> tuple[dict[str, Harvest], list[str]]:
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
                details=lines.first(lines.estimate(*each) for each in work if each[0].id in new),
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
                lines.in_a_row([*lines.suggested(new), *lines.asked_about(asked)]) or "No new suggestions",
                details=(
                    *(f"{each.title}. {each.text}" for each in new),
                    *(
                        lines.question(sessions, names, self.zone, planned=self.rules.auto_schedule)
                        for sessions in questions
                    ),
                ),
                changed=bool(new or questions),
            )
        return new, asked

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
                lines.in_a_row([*lines.plan_counts(changes), *lines.short_in_words(plan)])
                or "Every session stays as it was",
                details=lines.first(lines.plan_lines(changes, self.zone))
                + lines.first(
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
            call.done(
                lines.pushed_in_words(pushed) or "Every session is in it as it should be",
                details=lines.first(lines.pulled_lines(pulled, self.zone)),
                changed=bool(pulled.declined),
            )
            if pushed.errors:
                call.failed("; ".join(pushed.errors))
        return pushed.errors

    def _write(self, sessions: Iterable[Session], now: datetime) -> None:
        """Bring the calendar file up to date; one that says the same already is not touched."""
        if self._plan_path is None:
            return
        content = plan_ics.render(each for each in sessions if each.ends_at > now - plan_ics.KEEP_PAST)
        try:
            current = self._plan_path.read_bytes() if self._plan_path.exists() else None
        except OSError as error:
            raise StateError(f"cannot read {self._plan_path}: {error.strerror or error}") from error
        if current != content:
            write_atomic(self._plan_path, content)


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
