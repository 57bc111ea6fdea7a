"""The plan as one page for the browser: weeks as pictures, then what is to do. It needs no script and no network.

Every text that comes from outside passes `_said` or `escape`. The `Content-Security-Policy` lets nothing be loaded and
no script run, should one ever get through.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from html import escape as escape_html
from importlib.resources import files
from math import ceil
from typing import TYPE_CHECKING

from gradent_cli.agents.study import words
from gradent_cli.agents.study.records import Assignment, Session
from gradent_cli.agents.study.remedy import ON_TOP
from gradent_cli.cli.agenda import (
    MOST_LATER,
    ONE_DAY,
    Agenda,
    Day,
    full_stop,
    later_line,
    later_than,
    monday,
    near,
    next_days,
    said_date,
    total,
    zone_name,
)
from gradent_cli.text import clean, count, one_line

if TYPE_CHECKING:
    from gradent_cli.agents.study.known import Known

_FAR = timedelta(days=60)
"""Due dates that lie further ahead than the last session and this are only listed."""
_MOST_NEEDS = 5
"""How many lines may stand before the calendar."""
_COLOURS = 8
_HOUR = timedelta(hours=1)
_HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>Study plan</title>
"""


@dataclass(frozen=True, slots=True)
class _Picture:
    """What all weeks are drawn with: the class of each course, and sessions by the day on which the clock has them.

    That is not always the day that they count for, see `agenda.Day`; `over` are those whose time has passed.
    """

    agenda: Agenda
    colours: Mapping[str | None, str]
    ahead: Mapping[date, Sequence[Session]]
    over: Mapping[date, Sequence[Session]]
    counts_for: Mapping[str, date]
    """By the session's id, where it is another day."""


def html(agenda: Agenda, *, over: Iterable[Session], nothing: str) -> str:
    """The page, the same for the same facts.

    Args:
        over: sessions whose time has passed; those of this week are drawn faintly.
        nothing: why no session is planned, or empty.
    """
    picture = _picture(agenda, over)
    style = files("gradent_cli.cli").joinpath("page.css").read_text(encoding="utf-8")
    today = f"{agenda.today:%A}, {agenda.today.day} {agenda.today:%B %Y}"
    parts = [
        f"{_HEAD}<style>\n{style}</style>\n</head>\n<body>\n<main>",
        f'<header>\n<h1>Study plan</h1>\n<p class="lead">{today}</p>\n</header>',
        _facts(agenda),
        _needs(agenda),
        f'<p class="card">{_code(nothing)}</p>' if nothing else "",
        *_weeks(picture),
        _later(agenda),
        _assignments(picture),
        _footer(agenda),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(filter(None, parts))


def escape(text: str) -> str:
    """Text as it may stand in an element or between quotes: cleaned, on one line, of bounded length."""
    return escape_html(one_line(text), quote=True)


def _said(text: str) -> str:
    """A text from outside; one that is written from right to left turns nothing else around."""
    return f"<bdi>{escape(text)}</bdi>"


def _code(sentence: str) -> str:
    """A sentence of our own in which `this` is a command."""
    parts = escape(sentence).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _when(moment: datetime, agenda: Agenda) -> str:
    """`today 13:00`, `Wed 2 Dec 12:00`, in a `time` element."""
    there = words.local(moment, agenda.zone)
    day = near(there.date(), agenda.today) or said_date(there.date(), agenda.today)
    return f'<time datetime="{there.isoformat(timespec="minutes")}">{day} {there:%H:%M}</time>'


def _picture(agenda: Agenda, over: Iterable[Session]) -> _Picture:
    courses = sorted({each.assignment.course for each in agenda.work if each.assignment.course})
    past: dict[date, list[Session]] = {}
    for session in sorted(over, key=lambda each: (each.starts_at, each.id)):
        day = words.local(session.starts_at, agenda.zone).date()
        if session.ends_at <= agenda.now and session.assignment_id in agenda.known and day >= monday(agenda.today):
            past.setdefault(day, []).append(session)
    ahead: dict[date, list[Session]] = {}
    counts_for: dict[str, date] = {}
    for day, session in ((each.date, session) for each in agenda.days for session in each.sessions):
        shown = words.local(session.starts_at, agenda.zone).date()
        ahead.setdefault(shown, []).append(session)
        if shown != day:
            counts_for[session.id] = day
    return _Picture(
        agenda=agenda,
        colours={course: f"c{index % _COLOURS}" for index, course in enumerate(courses)},
        ahead=ahead,
        over=past,
        counts_for=counts_for,
    )


def _top(moment: datetime, agenda: Agenda) -> float:
    """Hours since midnight on the student's clock."""
    there = words.local(moment, agenda.zone)
    return there.hour + there.minute / 60


def _colour(picture: _Picture, assignment: Assignment | None) -> str:
    return picture.colours.get(assignment.course if assignment else None, "none")


# ── above the weeks ──


def _facts(agenda: Agenda) -> str:
    facts = []
    if agenda.sessions:
        ahead = agenda.sessions[0]
        label = "Going on" if ahead.starts_at <= agenda.now else "Up next"
        facts.append((label, _when(ahead.starts_at, agenda), _said(ahead.title)))
    dues = [*(assignment for day in agenda.days for assignment in day.due), *agenda.later]
    due = next((assignment for assignment in dues if assignment.due_at), None)
    if due and due.due_at:
        facts.append(("Next due", _when(due.due_at, agenda), _said(words.session_title(due))))
    if agenda.sessions and agenda.asked is not None:
        asked = next_days(agenda.asked).removeprefix("in the ").capitalize()
        facts.append((asked, words.length(agenda.minutes), f"in {count(len(agenda.sessions), 'session')}"))
    elif agenda.sessions:
        week = agenda.this_week
        length = words.length(sum(session.minutes for session in week))
        facts.append(("This week", length, f"in {count(len(week), 'session')}"))
        whole = count(len(agenda.sessions), "session")
        facts.append(("In all", words.length(agenda.minutes), f"in {whole}"))
    items = (f"<div><dt>{name}</dt><dd>{value} <span>{more}</span></dd></div>" for name, value, more in facts)
    return f'<dl class="facts">{"".join(items)}</dl>' if facts else ""


def _needs(agenda: Agenda) -> str:
    """What is late, and what does not fit with what would help."""
    items = [
        f"<li><strong>Overdue:</strong> {_said(agenda.title(each.assignment.id))}, "
        f"was due {_when(each.assignment.due_at, agenda)}</li>"
        for each in agenda.overdue
        if each.assignment.due_at
    ]
    items += [
        f"<li><strong>{words.length(short.minutes)} do not fit:</strong> {_said(agenda.title(short.assignment_id))}. "
        f"{_said(full_stop(short.remedy))}</li>"
        for short in agenda.short
    ]
    if not items:
        return ""
    shown, folded = "".join(items[:_MOST_NEEDS]), "".join(items[_MOST_NEEDS:])
    if folded:
        more = f"and {len(items) - _MOST_NEEDS} more"
        folded = f"\n<details>\n<summary>{more}</summary>\n<ul>{folded}</ul>\n</details>"
    folded += f"\n<p>What would help: {ON_TOP[0].lower()}{ON_TOP[1:]}</p>" if len(agenda.short) > 1 else ""
    return f'<section class="card needs">\n<h2>Needs your attention</h2>\n<ul>{shown}</ul>{folded}\n</section>'


# ── the weeks ──


def _weeks(picture: _Picture) -> Iterable[str]:
    """A picture for each week that has anything in it; what lies empty between is said."""
    agenda = picture.agenda
    days = {day.date: day for day in agenda.days}
    last = max((day.date for day in agenda.days if day.sessions), default=agenda.today)
    shown = {monday(day) for day in (*days, *picture.ahead, *picture.over) if day <= max(last, agenda.today + _FAR)}
    before: date | None = None
    for start in sorted(shown):
        empty = (start - before).days // 7 - 1 if before else 0
        if empty:
            yield f'<p class="gap">{count(empty, "week")} with nothing planned</p>'
        yield _week(picture, start, days)
        before = start


def _week(picture: _Picture, start: date, days: Mapping[date, Day]) -> str:
    agenda = picture.agenda
    weeks = (start - monday(agenda.today)).days // 7
    dates = [start + number * ONE_DAY for number in range(7)]
    here = [days.get(day, Day(date=day, sessions=(), due=())) for day in dates]
    planned = [session for day in here for session in day.sessions]
    span = f"{start.day} {start:%b} – {dates[-1].day} {dates[-1]:%b}"
    name = {0: "This week", 1: "Next week"}.get(weeks, f"Week {start.isocalendar().week}")
    length = words.length(sum(session.minutes for session in planned))
    load = f"{length} in {count(len(planned), 'session')}" if planned else "nothing planned"
    night = not planned and any(picture.ahead.get(day) for day in dates)  # Sunday's, which counts for last week
    load = "" if night or agenda.asked is not None else f" · {load}"  # the days asked for may be a part of the week
    drawn = [session for day in dates for each in (picture.ahead, picture.over) for session in each.get(day, ())]
    first, hours = _axis(drawn, agenda)
    axis = "".join(f'<span style="--at:{number}">{(first + number) % 24:02}:00</span>' for number in range(hours))
    return "\n".join(
        [
            f'<section class="week" aria-label="{name}, {span}">',
            f"<h2>{name} <small>{span}{load}</small></h2>",
            f'<div class="grid" style="--hours:{hours}">',
            f'<div class="axis" aria-hidden="true">{axis}</div>',
            *(_day(picture, day, column, first, hours) for column, day in enumerate(here, start=2)),
            "</div>",
            "</section>",
        ]
    )


def _axis(sessions: Sequence[Session], agenda: Agenda) -> tuple[int, int]:
    """The first hour to show and how many; none without sessions, and never so few that a day is no picture."""
    if not sessions:
        return 0, 0
    first = int(min(_top(session.starts_at, agenda) for session in sessions))
    last = max(_top(session.starts_at, agenda) + session.duration / _HOUR for session in sessions)
    return first, max(6, ceil(last) - first)


def _day(picture: _Picture, day: Day, column: int, first: int, hours: int) -> str:
    agenda = picture.agenda
    sessions = [*picture.over.get(day.date, ()), *picture.ahead.get(day.date, ())]
    kinds = ["day"]
    kinds += ["today"] * (day.date == agenda.today) + ["gone"] * (day.date < agenda.today)
    kinds += ["empty"] * (not day.sessions and not day.due and not sessions)
    due = "".join(_due(assignment, agenda) for assignment in day.due)
    blocks = "".join(_blocks(picture, sessions, first))
    now = _top(agenda.now, agenda) - first
    if day.date == agenda.today and 0 <= now < hours:
        line = f'<li class="now" style="--top:{now:.4g}" aria-hidden="true"></li>'
        blocks = line + blocks  # what comes later is drawn above it
    label = f'<time datetime="{day.date}">{day.date:%a} {day.date.day}</time> <span>{day.date:%b}</span>'
    heading = f"<h3>{label}{_near(day.date, agenda)}</h3>"
    return "\n".join(
        [
            f'<div class="{" ".join(kinds)}" style="--column:{column}">',
            f'<div class="head">{heading}{_load(day, agenda)}</div>',
            f'<ul class="dues">{due}</ul>',
            f'<ol class="body">{blocks}</ol>',
            "</div>",
        ]
    )


def _near(day: date, agenda: Agenda) -> str:
    """`today`, where the colour alone would tell it; there is room for it on a phone only."""
    word = near(day, agenda.today)
    return f'<span class="unseen">{word}</span>' if word else ""


def _load(day: Day, agenda: Agenda) -> str:
    if not day.sessions:
        return ""
    share = day.minutes / (agenda.per_day / timedelta(minutes=1))
    limit = words.length(agenda.per_day // timedelta(minutes=1))
    kind = "load much" if share > 1 else "load"
    return f'<div class="{kind}">{_bar(share)}<small>{words.length(day.minutes)}<span> of {limit}</span></small></div>'


def _bar(share: float) -> str:
    return f'<b class="bar" aria-hidden="true"><i style="--share:{min(1, max(0, share)):.3g}"></i></b>'


def _due(assignment: Assignment, agenda: Agenda) -> str:
    if assignment.due_at is None:
        return ""
    moment = f"{words.local(assignment.due_at, agenda.zone):%H:%M}"
    title = words.session_title(assignment)
    return f'<li title="{escape(f"{moment} due: {title}")}"><span><b>{moment} due</b> {_said(title)}</span></li>'


def _blocks(picture: _Picture, sessions: Sequence[Session], first: int) -> Iterable[str]:
    agenda = picture.agenda
    for session, lane, lanes in side_by_side(sessions):
        start, end = words.local(session.starts_at, agenda.zone), words.local(session.ends_at, agenda.zone)
        kinds = ["block", _colour(picture, agenda.known.get(session.assignment_id))]
        kinds += ["brief"] * (session.duration < timedelta(minutes=50)) + ["pinned"] * session.pinned
        kinds += ["narrow"] * (lanes > 1) + ["over"] * (session.ends_at <= agenda.now)
        notes = [note for note, true in (("pinned", session.pinned), ("over", session.ends_at <= agenda.now)) if true]
        if session.id in picture.counts_for:
            notes.append(f"counts for {picture.counts_for[session.id]:%a}")
        place = (
            f"--top:{_top(session.starts_at, agenda) - first:.4g};--length:{session.duration / _HOUR:.4g};"
            f"--lane:{lane};--lanes:{lanes}"
        )
        until = f"–{end:%H:%M}"
        yield (
            f'<li class="{" ".join(kinds)}" style="{place}" title="{escape(f"{start:%H:%M}{until} {session.title}")}">'
            f'<time datetime="{start.isoformat(timespec="minutes")}">{start:%H:%M}<span>{until}</span></time> '
            f'<span class="what">{_said(session.title)}</span>{"".join(f" <em>{note}</em>" for note in notes)}</li>'
        )


def side_by_side(sessions: Sequence[Session]) -> list[tuple[Session, int, int]]:
    """Sessions by time with the lane of each and how many lanes there are, so that none hides another."""
    placed: list[tuple[Session, int, int]] = []
    group: list[tuple[Session, int]] = []
    ends: list[datetime] = []
    for session in sorted(sessions, key=lambda each: (each.starts_at, each.id)):
        if ends and session.starts_at >= max(ends):
            placed += [(each, lane, len(ends)) for each, lane in group]
            group, ends = [], []
        lane = next((number for number, end in enumerate(ends) if end <= session.starts_at), len(ends))
        ends[lane : lane + 1] = [session.ends_at]
        group.append((session, lane))
    return placed + [(each, lane, len(ends)) for each, lane in group]


# ── below the weeks ──


def _later(agenda: Agenda) -> str:
    """What is due behind the end of the plan."""
    if not agenda.later:
        return ""
    items = "".join(f"<li>{_said(later_line(each, agenda))}</li>" for each in agenda.later[:MOST_LATER])
    more = len(agenda.later) - MOST_LATER
    items += f"<li>and {more} more</li>" if more > 0 else ""
    heading = f"<h2>Not planned yet <small>due after {later_than(agenda)}</small></h2>"
    return f'<section class="card later">\n{heading}\n<ul>{items}</ul>\n</section>'


def _assignments(picture: _Picture) -> str:
    if not picture.agenda.work:
        return ""
    rows = "\n".join(_row(picture, each) for each in picture.agenda.work)
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Assignment", "Due", "Effort", "Left", "Risk"))
    return (
        f'<section class="card">\n<h2>Assignments <small>{len(picture.agenda.work)} open</small></h2>\n'
        f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</section>"
    )


def _row(picture: _Picture, each: "Known") -> str:
    agenda, assignment, assessment = picture.agenda, each.assignment, each.assessment
    left = agenda.left.get(assignment.id)
    name = _said(words.name(assignment))
    if assignment.url and assignment.url.startswith(("https://", "http://")):
        name = f'<a href="{escape_html(clean(assignment.url), quote=True)}">{name}</a>'
    dot = f'<span class="dot {_colour(picture, assignment)}" aria-hidden="true"></span>'
    course = f" <small>{dot}{_said(assignment.course)}</small>" if assignment.course else ""
    effort = risk = "unknown"
    if assessment:
        low, likely, high = (
            words.work(hours)
            for hours in (assessment.effort_low_hours, assessment.effort_likely_hours, assessment.effort_high_hours)
        )
        effort = f"{likely} <small>{low}–{high}</small>"
        kind = "risk high" if assessment.risk >= 60 else "risk"
        risk = f'<span class="{kind}">{_bar(assessment.risk / 100)}</span>{assessment.risk}<small> of 100</small>'
    late = ' class="late"' if each in agenda.overdue else ""
    due = _when(assignment.due_at, agenda) if assignment.due_at else "no due date"
    cells = (
        ("Due", f"{due}{' (overdue)' if late else ''}", late),
        ("Effort", effort, ""),
        ("Left", "unknown" if left is None else words.work(left), ""),
        ("Risk", risk, ""),
    )
    data = "".join(f'<td data-name="{head}"{kind}>{value}</td>' for head, value, kind in cells)
    return f'<tr><th scope="row">{name}{course}</th>{data}</tr>'


def _footer(agenda: Agenda) -> str:
    made = words.local(agenda.now, agenda.zone)
    moment = f'<time datetime="{made.isoformat(timespec="minutes")}">{made:%a} {made.day} {made:%b %Y %H:%M}</time>'
    hidden = f" {count(agenda.hidden, 'more session')} later." if agenda.hidden else ""
    whole = f"<p>{total(agenda)}{hidden}</p>\n" if agenda.sessions or agenda.hidden else ""
    return (
        f"<footer>\n{whole}<p>Made by gradent on {moment} from the plan of the last run. "
        f"Times are those of {escape(zone_name(agenda.zone))}.</p>\n</footer>"
    )
