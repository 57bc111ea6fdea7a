"""What the study agent says: of each step in the lines of its tool, of the whole run in its report."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from gradent_cli.agents.study import words
from gradent_cli.agents.study.ground import Seen
from gradent_cli.agents.study.known import Changes
from gradent_cli.agents.study.naming import Names
from gradent_cli.agents.study.records import Assessment, Assignment, Plan, Session, Suggestion
from gradent_cli.agents.study.remaining import planned_minutes
from gradent_cli.agents.study.sessions import PlanChanges
from gradent_cli.agents.study.store import BELIEVED_AFTER
from gradent_cli.durations import spell
from gradent_cli.records import Report
from gradent_cli.text import count

if TYPE_CHECKING:
    from gradent_cli.agents.study.publish import Pulled, Pushed

_DETAILS = 12
_TIMES = 3
"""So many sessions are named in one question."""


def doubt(source: str, since: datetime, zone: tzinfo) -> str:
    """That a feed has shrunk: one sentence for as long as it lasts, so that it is news once."""
    return (
        f"{source}: most assignments that are still due are missing from it since "
        f"{words.when(since, zone)}; what was known is still planned, and the shorter list is believed from "
        f"{words.when(since + BELIEVED_AFTER, zone)} on"
    )


def move(before: Assignment, after: Assignment, zone: tzinfo, now: datetime) -> str:
    """`Essay 1 from Tue 24 Nov 23:59 to Fri 27 Nov 23:59`."""
    was, becomes = (
        words.when(each.due_at, zone, now=now) if each.due_at else "no due date" for each in (before, after)
    )
    return f"{words.name(after)} from {was} to {becomes}"


def change_lines(changes: Changes, moved: Iterable[str], zone: tzinfo, now: datetime) -> Iterator[str]:
    """What a look at the sources brought, a line each; `moved` as `move` says them."""
    yield from (f"New due date: {move}" for move in moved)
    yield from (_overruled(theirs, yours, zone, now) for theirs, yours in changes.overruled)
    yield from (f"New: {_titled(each, zone, now)}" for each in changes.new)
    yield from (f"Changed: {_titled(each, zone, now)}" for each in changes.edited)
    yield from (f"Done: {words.session_title(each)}" for each in changes.done)
    yield from (f"Gone from your list: {words.session_title(each)}" for each in changes.gone)


def _overruled(theirs: Assignment, yours: Assignment, zone: tzinfo, now: datetime) -> str:
    said, stands = (
        f"due {words.when(each.due_at, zone, now=now)}" if each.due_at else "without a due date"
        for each in (theirs, yours)
    )
    return f"{theirs.source} has {words.name(yours)} {said} now; you say it is {stands}, and that stands"


def _titled(assignment: Assignment, zone: tzinfo, now: datetime) -> str:
    due = f", due {words.when(assignment.due_at, zone, now=now)}" if assignment.due_at else ", no due date"
    return words.session_title(assignment) + due


def question(sessions: Sequence[Session], names: Names, zone: tzinfo, *, planned: bool) -> str:
    """`Did you hold Tue 24 Nov 09:00-11:00 for Essay 1? If so: gradent log 3fa2 2h.`, of one assignment.

    Args:
        planned: the plan is gradent's, so until the answer comes the work is planned again.
    """
    assignment = names.by_id[sessions[0].assignment_id]
    times = [_times(each, zone) for each in sessions[:_TIMES]]
    more = len(sessions) - len(times)
    times += [f"{more} more"] if more else []
    said = times[0] if len(times) == 1 else f"{', '.join(times[:-1])} and {times[-1]}"
    spent = spell(timedelta(minutes=planned_minutes(sessions)))
    return (
        f"Did you hold {said} for {words.name(assignment)}? If {'so' if len(sessions) == 1 else 'all of it'}: "
        f"gradent log {names.handle(assignment)} {spent}."
        + (" Until then the work is planned again." if planned else "")
    )


def plan_lines(changes: PlanChanges, zone: tzinfo) -> Iterator[str]:
    """How the plan differs from the one before, a line for each session."""
    yield from (_timed(each, zone) for each in changes.new)
    yield from (f"Moved: {_timed(each, zone)}" for each in changes.moved)
    yield from (f"Removed: {_timed(each, zone)}" for each in changes.removed)


def pulled_lines(pulled: "Pulled", zone: tzinfo) -> Iterator[str]:
    """What the student did in their own calendar, a line for each session, and what could not be read there."""
    yield from (f"You moved: {_timed(each, zone)}" for each in pulled.moved)
    yield from (f"You took out: {_timed(each, zone)}; that work is planned no more" for each in pulled.declined)
    yield from pulled.warnings


def pushed_in_words(pushed: "Pushed") -> str:
    """`2 new, 1 removed`; empty when there was nothing to write."""
    counts = ((pushed.new, "new"), (pushed.changed, "changed"), (pushed.removed, "removed"))
    return ", ".join(f"{number} {word}" for number, word in counts if number)


def _timed(session: Session, zone: tzinfo) -> str:
    """`Tue 24 Nov 09:00-11:00 Essay 1 (WRIT 101)`."""
    return f"{_times(session, zone)} {session.title}"


def _times(session: Session, zone: tzinfo) -> str:
    return f"{words.when(session.starts_at, zone)}-{session.ends_at.astimezone(zone):%H:%M}"


def sources_in_words(read: int, configured: int) -> str:
    """`2 sources`, `1 of 2 sources`."""
    return count(read, "source") if read == configured else f"{read} of {count(configured, 'source')}"


def changes_in_words(changes: Changes, moved: Sequence[str], overdue: int) -> str:
    """The same in one line: `3 new, 1 moved (Essay 1 from ... to ...), 2 overdue`."""
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


def estimate(assignment: Assignment, assessment: Assessment) -> str:
    """`Essay 1: 4-14 h, likely 8 (difficulty 3/5, risk 40/100)`."""
    low, likely, high = (
        words.number(hours)
        for hours in (assessment.effort_low_hours, assessment.effort_likely_hours, assessment.effort_high_hours)
    )
    return (
        f"{words.name(assignment)}: {low}-{high} h, likely {likely} "
        f"(difficulty {assessment.difficulty}/5, risk {assessment.risk}/100)"
    )


def in_a_row(did: Sequence[str]) -> str:
    """`Assessed 1 assignment, scheduled 2 sessions`."""
    return ", ".join([*did[:1], *(each[0].lower() + each[1:] for each in did[1:])])


def suggested(suggestions: Sequence[Suggestion]) -> list[str]:
    """What a run did, as parts of a line; none when there is nothing, as with all below that give parts."""
    return [f"Generated {count(len(suggestions), 'study suggestion')}"] if suggestions else []


def asked_about(sessions: int) -> list[str]:
    """`Asked about 2 sessions`."""
    return [f"Asked about {count(sessions, 'session')}"] if sessions else []


def plan_counts(changes: PlanChanges) -> list[str]:
    """`Scheduled 2 sessions`, `Moved 1 session`."""
    counts = (("Scheduled", changes.new), ("Moved", changes.moved), ("Removed", changes.removed))
    return [f"{verb} {count(len(sessions), 'session')}" for verb, sessions in counts if sessions]


def short_in_words(plan: Plan | None) -> list[str]:
    """`2h of work does not fit before its due date`."""
    minutes = sum(short.minutes for short in plan.short) if plan else 0
    return [f"{words.length(minutes)} of work does not fit before its due date"] if minutes else []


def _warnings_in_words(warnings: Sequence[str]) -> list[str]:
    more = f" and {len(warnings) - 1} more" if len(warnings) > 1 else ""
    return [f"{count(len(warnings), 'warning')}: {warnings[0]}{more}"] if warnings else []


def first(lines: Iterable[str]) -> tuple[str, ...]:
    """As many lines as a notification can take, and how many more there are."""
    lines = tuple(lines)
    return lines if len(lines) <= _DETAILS else (*lines[: _DETAILS - 1], f"and {len(lines) - _DETAILS + 1} more")


def report(
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
    did += [*suggested(suggestions), *asked_about(asked), *plan_counts(planned)]
    did += [f"Noted that you took out {count(taken_out, 'session')}"] if taken_out else []
    short, warned = short_in_words(plan), _warnings_in_words(seen.warnings)
    news = seen.changed or bool(did)
    changed = news or seen.warned
    if did:
        summary = in_a_row(did)
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
