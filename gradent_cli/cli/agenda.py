"""The plan by day: one set of facts, and how a terminal and `--json` tell it. `page` makes a picture of the same."""

import os
import sys
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

from gradent_cli.agents.study import free, words
from gradent_cli.agents.study.records import Assignment, Plan, Session, Shortfall
from gradent_cli.agents.study.remedy import ON_TOP
from gradent_cli.cli.terminal import hanging, paint, width
from gradent_cli.moments import utc
from gradent_cli.text import count, one_line

if TYPE_CHECKING:
    from gradent_cli.agents.study.known import Known

ONE_DAY = timedelta(days=1)
MOST_LATER = 5
"""How much of what is not planned yet is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day of the student's: the sessions that count for it and the work that is due on it, in order of time.

    As for the planner, a night counts for the day that its hours began on: `study.hours` says so, see `day_of`.
    """

    date: date
    sessions: tuple[Session, ...]
    due: tuple[Assignment, ...]

    @property
    def minutes(self) -> int:
        """How much is planned."""
        return sum(session.minutes for session in self.sessions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """What lies ahead at `now` on the clock of `zone`.

    `days` are those with anything on them. `work` is what is still to do, by due date; `overdue` is its part whose
    date has passed, and `known` also what is done, by its id. The plan ends at `until`: `later` is the work that is
    due after it. `left` are the hours that work still takes, by its id, where that is known. `hidden` counts the
    sessions behind the last day that was asked for; `asked` is how many days that were, None for all.
    """

    now: datetime
    zone: tzinfo
    per_day: timedelta
    days: tuple[Day, ...]
    work: tuple["Known", ...]
    overdue: tuple["Known", ...]
    short: tuple[Shortfall, ...]
    known: Mapping[str, Assignment]
    until: datetime
    later: tuple[Assignment, ...]
    left: Mapping[str, float | None]
    hidden: int
    asked: int | None

    @property
    def today(self) -> date:
        return words.local(self.now, self.zone).date()

    @property
    def sessions(self) -> tuple[Session, ...]:
        return tuple(session for day in self.days for session in day.sessions)

    @property
    def minutes(self) -> int:
        """How much is planned on all its days."""
        return sum(day.minutes for day in self.days)

    @property
    def this_week(self) -> tuple[Session, ...]:
        """Those of its sessions that begin before next Monday."""
        return tuple(s for day in self.days if monday(day.date) <= monday(self.today) for s in day.sessions)

    def title(self, assignment_id: str) -> str:
        """The assignment's name with its course, or what else there is to call it by."""
        assignment = self.known.get(assignment_id)
        return words.session_title(assignment) if assignment else assignment_id


def collect(
    plan: Plan,
    known: Sequence["Known"],
    *,
    zone: tzinfo,
    now: datetime,
    per_day: timedelta,
    hours: free.Week,
    horizon_days: int,
    left: Mapping[str, float | None],
    days: int | None = None,
) -> Agenda:
    """Sort the plan and the due dates of what is `known` by day.

    Args:
        hours: in which the student studies, from `free.week`.
        horizon_days: how far ahead there is a plan.
        left: hours that remain, by assignment id.
        days: how many to show, today being the first; None shows all. What is overdue or short is shown always.
    """
    today = words.local(now, zone).date()
    sessions: dict[date, list[Session]] = {}
    due: dict[date, list[Assignment]] = {}
    ahead = sorted((each for each in plan.sessions if each.ends_at > now), key=lambda s: (s.starts_at, s.id))
    for session in ahead:
        sessions.setdefault(day_of(session.starts_at, hours, zone), []).append(session)
    work = tuple(each for each in known if each.status(now) in ("open", "overdue"))
    until, later = now + horizon_days * ONE_DAY, []
    for each in work:
        if each.status(now) == "open" and each.assignment.due_at is not None:
            if free.quarter_down(each.assignment.due_at) > free.quarter_down(until):
                later.append(each.assignment)
            else:
                due.setdefault(words.local(each.assignment.due_at, zone).date(), []).append(each.assignment)
    dates = [day for day in sorted({*sessions, *due}) if days is None or (day - today).days < days]
    return Agenda(
        now=now,
        zone=zone,
        per_day=per_day,
        days=tuple(Day(date=day, sessions=tuple(sessions.get(day, ())), due=tuple(due.get(day, ()))) for day in dates),
        work=work,
        overdue=tuple(each for each in work if each.status(now) == "overdue"),
        short=plan.short,
        known={each.assignment.id: each.assignment for each in known},
        until=until,
        later=tuple(later) if days is None else (),
        left=left,
        asked=days,
        hidden=len(ahead) - sum(len(sessions.get(day, ())) for day in dates),
    )


def day_of(moment: datetime, hours: free.Week, zone: tzinfo) -> date:
    """The day for which what begins then counts: yesterday, where hours of yesterday's go on over midnight."""
    today = words.local(moment, zone).date()
    try:
        found = free.days(hours, busy=(), start=moment, end=moment, zone=zone)
    except OverflowError:  # the last or first hours of the calendar
        return today
    return today + (bisect_right([day.starts for day in found], free.quarter_down(moment)) - len(found)) * ONE_DAY


def monday(day: date) -> date:
    """The first day of the week that `day` is in."""
    return day - day.weekday() * ONE_DAY


# ── JSON ──


def document(agenda: Agenda) -> dict[str, Any]:
    """The plan as `--json` gives it; `days` are dates of the student's own."""
    return {
        "sessions": [
            {
                "id": session.id,
                "assignment_id": session.assignment_id,
                "title": session.title,
                "starts_at": utc(session.starts_at),
                "ends_at": utc(session.ends_at),
                "pinned": session.pinned,
            }
            for session in agenda.sessions
        ],
        "short": [
            {"assignment_id": short.assignment_id, "minutes": short.minutes, "remedy": short.remedy}
            for short in agenda.short
        ],
        "days": [
            {
                "date": day.date.isoformat(),
                "minutes": day.minutes,
                "limit_minutes": agenda.per_day // timedelta(minutes=1),
                "due": [assignment.id for assignment in day.due],
            }
            for day in agenda.days
        ],
        "overdue": [
            {"assignment_id": each.assignment.id, "title": each.assignment.title, "due_at": utc(each.assignment.due_at)}
            for each in agenda.overdue
        ],
        "later": [
            {
                "assignment_id": each.id,
                "due_at": utc(each.due_at),
                "remaining_hours": None if (hours := agenda.left.get(each.id)) is None else round(hours, 2),
            }
            for each in agenda.later
        ],
        "total_minutes": agenda.minutes,
        "timezone": zone_name(agenda.zone),
    }


# ── words ──


def said_date(day: date, today: date) -> str:
    """`Mon 30 Nov`, with the year where it could be another than one thinks."""
    return f"{day:%a} {day.day} {day:%b}" + (f" {day.year}" if abs((day - today).days) > 150 else "")


def later_line(assignment: Assignment, agenda: Agenda) -> str:
    """`Paper (BIO 2), 10h, due Tue 1 Jun 2027`."""
    left, due = agenda.left.get(assignment.id), assignment.due_at
    facts = [words.session_title(assignment), words.length(round(left * 60)) if left else ""]
    if due is not None:
        facts.append(f"due {said_date(words.local(due, agenda.zone).date(), agenda.today)}")
    return ", ".join(filter(None, facts))


def later_than(agenda: Agenda) -> str:
    """The last day of the plan, `Fri 29 Jan`."""
    return said_date(words.local(agenda.until, agenda.zone).date(), agenda.today)


def near(day: date, today: date) -> str:
    """What people call the day, where they have a word for it."""
    return {-1: "yesterday", 0: "today", 1: "tomorrow"}.get((day - today).days, "")


def zone_name(zone: tzinfo) -> str:
    """`Europe/Amsterdam`; a zone that came without a name is the computer's own."""
    return getattr(zone, "key", None) or ("UTC" if str(zone) == "UTC" else "local time")


def total(agenda: Agenda) -> str:
    """How much is planned: this week and in all, or in the days that were asked for."""
    if not agenda.sessions:
        return ""
    week, whole = sum(session.minutes for session in agenda.this_week), agenda.minutes
    sessions = count(len(agenda.sessions), "session")
    if agenda.asked is not None:
        return f"{words.length(whole)} in {sessions} {next_days(agenda.asked)}."
    if week == whole:
        return f"{words.length(whole)} in {sessions} this week."
    last = next(said_date(day.date, agenda.today) for day in reversed(agenda.days) if day.sessions)
    begin = f"{words.length(week)} this week" if week else "Nothing more this week"
    return f"{begin}; {words.length(whole)} in {sessions} until {last}."


def next_days(days: int) -> str:
    """`today`, `in the next 3 days`."""
    return "today" if days == 1 else f"in the next {count(days, 'day')}"


def full_stop(sentence: str) -> str:
    """The sentence as one that others follow."""
    return sentence.removesuffix(".") + "."


def nothing(known: Sequence["Known"], agenda: Agenda, *, planning: bool) -> str:
    """Why no session is planned, in one sentence; empty when one is."""
    if agenda.sessions or agenda.hidden:
        return ""
    if not known:
        return "No assignment is known yet. `gradent run` reads your sources and makes the plan."
    if not agenda.work:
        return "Nothing is planned, as nothing is left to do."
    if not planning:
        return "No session is planned, as study.auto_schedule is false."
    return "No session is planned. `gradent run` makes the plan."


# ── a terminal ──


class Marks(NamedTuple):
    """What bars and signs are drawn with; each is one column wide."""

    full: str
    empty: str
    due: str
    pinned: str
    gap: str


_PICTURES = Marks(full="█", empty="░", due="◆", pinned="•", gap="·")
_LETTERS = Marks(full="#", empty="-", due="!", pinned="*", gap=".")


def marks(encoding: str | None, environ: Mapping[str, str]) -> Marks:
    """What the bars are drawn with: letters where the locale is `C` or the encoding has nothing else.

    Python makes UTF-8 of a `C` locale and says so in LC_CTYPE (https://peps.python.org/pep-0538/), so what the person
    set is what counts. Where nothing is set, as under cron, Python's own guess stands.
    """
    said = environ.get("LC_ALL") or environ.get("LANG") or ""
    try:
        "".join(_PICTURES).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _LETTERS
    return _LETTERS if said in ("C", "POSIX") else _PICTURES


def text(agenda: Agenda, *, machine: tzinfo) -> str:
    """Days with their sessions, due dates and a bar for each day's load; what is late and what does not fit.

    Args:
        machine: the zone of the computer; where its clock shows something else, that is said.
    """
    mark = marks(sys.stdout.encoding, os.environ)
    parts = []
    if agenda.overdue:
        parts.append("\n".join([paint("Overdue", "red"), *_overdue(agenda)]))
    week: list[str] = []
    before: date | None = None
    last = words.local(agenda.until, agenda.zone).date()
    for day in agenda.days:
        begin = agenda.today if before is None else before + ONE_DAY
        unused = (min(day.date, last + ONE_DAY) - begin).days  # what is behind the plan is nobody's to call free
        if unused > 0:
            week.append(paint(f"{mark.gap} {count(unused, 'day')} free", "bright_black"))
        if before is not None and monday(before) != monday(day.date):
            parts.append("\n".join(week))
            week = []
        week += _day(day, agenda, mark)
        before = day.date
    parts.append("\n".join(week))
    if agenda.short:
        lines = [
            hanging(
                "  ",
                f"{agenda.title(short.assignment_id)}: {words.length(short.minutes)} short. {full_stop(short.remedy)}",
                indent=4,
            )
            for short in agenda.short
        ]
        lines += [hanging("  ", ON_TOP)] if len(lines) > 1 else []
        parts.append("\n".join([paint("Does not fit", "red"), *lines]))
    if agenda.later:
        lines = [hanging("  ", later_line(each, agenda), indent=4) for each in agenda.later[:MOST_LATER]]
        more = len(agenda.later) - MOST_LATER
        lines += [f"  and {more} more"] if more > 0 else []
        parts.append("\n".join([paint(f"Not planned yet (due after {later_than(agenda)})", "cyan"), *lines]))
    parts.append("\n".join(_closing(agenda, machine, mark)))
    return "\n\n".join(filter(None, parts))


def _overdue(agenda: Agenda) -> list[str]:
    lines = []
    for each in agenda.overdue:
        if each.assignment.due_at is not None:
            moment = words.local(each.assignment.due_at, agenda.zone)
            day = near(moment.date(), agenda.today) or said_date(moment.date(), agenda.today)
            lines.append(hanging("  ", f"{agenda.title(each.assignment.id)}, due {day} {moment:%H:%M}", indent=4))
    return lines


def _day(day: Day, agenda: Agenda, mark: Marks) -> list[str]:
    """Its head with the bar, and what is on it by time."""
    label = ", ".join(filter(None, (near(day.date, agenda.today).capitalize(), said_date(day.date, agenda.today))))
    head = paint(label, "cyan")
    if day.sessions:
        roomy = width() >= 60
        cells = 12 if roomy else 5
        share = day.minutes / (agenda.per_day / timedelta(minutes=1))
        filled = min(cells, max(1, round(share * cells)))
        bar = mark.full * filled + mark.empty * (cells - filled)
        load = words.length(day.minutes)
        if roomy:
            load += f" of {words.length(agenda.per_day // timedelta(minutes=1))}"
        head += " " * max(2, 22 - len(label)) + (paint(bar, "red") if share > 1 else bar) + "  " + load
    entries: list[tuple[datetime, int, str, str, str]] = []
    for session in day.sessions:
        start, end = words.local(session.starts_at, agenda.zone), words.local(session.ends_at, agenda.zone)
        sign = mark.pinned if session.pinned else " "
        when = f"{start:%H:%M}-{end:%H:%M}" + (f" ({start:%a})" if start.date() != day.date else "")
        entries.append((session.starts_at, 1, sign, when, one_line(session.title)))
    for assignment in day.due:
        if assignment.due_at is not None:
            moment = words.local(assignment.due_at, agenda.zone)
            entries.append((assignment.due_at, 0, mark.due, f"{moment:%H:%M} due  ", words.session_title(assignment)))
    lines = [head]
    for _, _, sign, when, title in sorted(entries):
        line = hanging(f"{sign} {when}  ", title)
        lines.append(paint(sign, "yellow" if sign == mark.due else "green") + line[1:])
    return lines


def _closing(agenda: Agenda, machine: tzinfo, mark: Marks) -> list[str]:
    """What it comes to, and what one should know to read it."""
    sentences = [total(agenda)]
    if agenda.hidden:
        sentences.append(f"{count(agenda.hidden, 'more session')} later; without --days all are shown.")
    if any(session.pinned for session in agenda.sessions):
        sentences.append(f"{mark.pinned} is pinned: it stays where you put it.")
    moments = [agenda.now, *(session.starts_at for session in agenda.sessions)] if agenda.work else []
    if any(words.local(each, agenda.zone).utcoffset() != each.astimezone(machine).utcoffset() for each in moments):
        sentences.append(f"Times are those of {zone_name(agenda.zone)}; this computer is set to {zone_name(machine)}.")
    return [hanging("", sentence) for sentence in sentences if sentence]
