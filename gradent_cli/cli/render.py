"""Records to text or JSON: the one place that formats for people."""

import json
import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gradent_cli.frequency import in_words
from gradent_cli.records import Assessment, Assignment, LogEntry, Message, Run, ToolCall
from gradent_cli.text import clean, columns, count, cut_columns, one_line, wrap

if TYPE_CHECKING:
    from gradent_cli.agents.study.store import Advice, Known
    from gradent_cli.doctor import Check
    from gradent_cli.explain import Upcoming
    from gradent_cli.outbox import Backlog

# ── JSON ──


def document(value: Any) -> None:
    """Print one JSON document: times in ISO 8601 UTC, everything else as it is."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def utc(moment: datetime | None) -> str | None:
    """`2026-11-23T20:00:00Z`; None stays None."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def run_document(run: Run) -> dict[str, Any]:
    """A run as `--json` gives it."""
    return {
        "id": run.id,
        "trigger": run.trigger,
        "status": run.status,
        "started_at": utc(run.started_at),
        "finished_at": utc(run.finished_at),
        "duration_seconds": run.duration_seconds,
        "agent": run.agent,
        "summary": run.summary,
        "error": run.error,
        "exit_code": run.exit_code,
        "tools": [
            {
                "id": call.id,
                "tool": call.tool,
                "title": call.title,
                "status": call.status,
                "result": call.result,
                "details": list(call.details),
                "error": call.error,
                "changed": call.changed,
                "started_at": utc(call.started_at),
                "finished_at": utc(call.finished_at),
            }
            for call in run.tools
        ],
        "deliveries": [
            {
                "channel": delivery.channel,
                "event": delivery.event,
                "status": delivery.status,
                "attempts": delivery.attempts,
                "error": delivery.error,
            }
            for delivery in run.deliveries
        ],
        "missed_runs": run.missed_runs,
    }


def message_document(message: Message) -> dict[str, Any]:
    """A message as `run --dry-run --json` gives it."""
    return {
        "id": message.id,
        "event": message.event,
        "title": message.title,
        "text": message.text,
        "priority": message.priority,
        "tags": list(message.tags),
    }


def assignment_document(known: "Known", *, remaining_hours: float | None, now: datetime) -> dict[str, Any]:
    """An assignment as `--json` gives it; `status` is `open`, `overdue`, `past`, `done` or `ignored`."""
    assignment, assessment = known.assignment, known.assessment
    return {
        "id": assignment.id,
        "title": assignment.title,
        "course": assignment.course,
        "due_at": utc(assignment.due_at),
        "source": assignment.source,
        "url": assignment.url,
        "status": known.status(now),
        "effort_hours": assessment.effort_likely_hours if assessment else assignment.effort_hours,
        "remaining_hours": remaining_hours,
        "risk": assessment.risk if assessment else None,
        "difficulty": assessment.difficulty if assessment else None,
        "reason": assessment.reason if assessment else None,
        "effort_low_hours": assessment.effort_low_hours if assessment else None,
        "effort_high_hours": assessment.effort_high_hours if assessment else None,
        "confidence": assessment.confidence if assessment else None,
        "milestones": [asdict(milestone) for milestone in assessment.milestones] if assessment else [],
        "prerequisites": list(assessment.prerequisites) if assessment else [],
        "deliverables": list(assessment.deliverables) if assessment else [],
    }


def assignment_in_full(
    known: "Known", assessments: Sequence[Assessment], *, remaining_hours: float | None, now: datetime
) -> dict[str, Any]:
    """An assignment alone as `--json` gives it, with everything that its source says and every assessment of it."""
    assignment = known.assignment
    return assignment_document(known, remaining_hours=remaining_hours, now=now) | {
        "description": assignment.description,
        "points": assignment.points,
        "weight": assignment.weight,
        "first_seen_at": utc(known.first_seen_at),
        "last_seen_at": utc(known.last_seen_at),
        "assessments": [
            {
                "version": each.version,
                "assessed_at": utc(each.assessed_at),
                "effort_low_hours": each.effort_low_hours,
                "effort_hours": each.effort_likely_hours,
                "effort_high_hours": each.effort_high_hours,
                "difficulty": each.difficulty,
                "risk": each.risk,
                "confidence": each.confidence,
                "reason": each.reason,
            }
            for each in assessments
        ],
    }


# ── words ──


def local(moment: datetime, zone: tzinfo) -> str:
    """`Mon 23 Nov 21:00`, in the order and language of the whole program."""
    return f"{moment.astimezone(zone):%a %-d %b %H:%M}"


def span(duration: timedelta) -> str:
    """How long, for people: `0.4s`, `12s`, `3min`, `2h 5min`, `3 days`."""
    seconds = duration.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes}min"
    if minutes < 48 * 60:
        hours, rest = divmod(minutes, 60)
        return f"{hours}h {rest}min" if rest else f"{hours}h"
    return count(round(seconds / 86400), "day")


def width() -> int:
    """How many columns there are to write on; 80 where nobody says, 100 at most."""
    return max(40, min(100, shutil.get_terminal_size((80, 24)).columns))


def paint(text: str, colour: str) -> str:
    """Colour on a terminal, plain text elsewhere and under NO_COLOR (https://no-color.org)."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return typer.style(text, fg=colour)


def hanging(head: str, text: str, *, indent: int | None = None) -> str:
    """`head` and then `text`, wrapped to the width; further lines begin under the text, or at `indent`."""
    margin = " " * (columns(head) if indent is None else indent)
    first, *others = text.splitlines() or [""]
    lines = wrap(head + first, width(), margin) or [head.rstrip()]
    for other in others:
        lines += wrap(margin + other, width(), margin)
    return "\n".join(lines)


def table(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> str:
    """Left-aligned columns under their heads; the last column is cut to what fits."""
    widths = [max(columns(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    before = sum(widths[:-1]) + 2 * (len(heads) - 1)
    last = max(10, width() - before)
    lines = []
    for row in [heads, *rows]:
        cells = [text + " " * (widths[i] - columns(text)) for i, text in enumerate(row[:-1])]
        lines.append("  ".join([*cells, cut_columns(row[-1], last)]).rstrip())
    return "\n".join(lines)


# ── a run ──

_MARKS = {"completed": ("✓", "green"), "failed": ("✗", "red"), "started": ("…", "yellow")}


def tool_line(call: ToolCall) -> str:
    """One tool with its time and result: `✓ Check assignments   0.4s  11 assignments from 2 sources`."""
    mark, colour = _MARKS[call.status]
    seconds = span(timedelta(seconds=call.seconds)) if call.seconds is not None else ""
    head = f"{mark} {call.title:<20} {seconds:>6}  "
    text = call.result
    if call.error:
        text = f"{text}\n{call.error}" if text else call.error
    line = hanging(head, text)
    return paint(mark, colour) + line[len(mark) :]


def live_tools() -> tuple[Callable[[ToolCall], None], Callable[[], None]]:
    """Shows tools as they happen: on a terminal the one going on is shown working, elsewhere each is a line at its end.

    Returns:
        what takes each tool call, and what ends the display.
    """
    if not sys.stdout.isatty():

        def plainly(call: ToolCall) -> None:
            if call.status != "started":
                try_to_show(lambda: typer.echo(tool_line(call)))

        return plainly, lambda: None

    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, emoji=False)
    status = console.status("Starting")
    status.start()

    def lively(call: ToolCall) -> None:
        if call.status == "started":
            status.update(Text(f"{call.title} …"))
        else:
            status.update("")
            try_to_show(lambda: console.print(tool_line(call), markup=False, soft_wrap=True))

    return lively, status.stop


def try_to_show(show: Callable[[], object]) -> None:
    """Whoever reads along may go away, or their disk be full: that is no reason for a run to fail."""
    try:
        show()
    except (OSError, ValueError):
        drop_output()


def drop_output() -> None:
    """From now on what is printed goes nowhere, the rest that is still buffered too."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run_ending(run: Run) -> str:
    """How a run ended, in one paragraph."""
    took = timedelta(seconds=run.duration_seconds or 0)
    words = {
        "success": f"Done in {span(took)}",
        "failure": f"Failed after {span(took)}",
        "timeout": f"Out of time after {span(took)}",
        "interrupted": f"Interrupted after {span(took)}",
        "skipped": "Skipped",
        "running": "Going on",
    }
    return hanging(f"{words[run.status]}: ", run.error or run.summary, indent=2)


def messages_text(messages: Sequence[Message]) -> str:
    """Messages as a phone would show them, indented."""
    blocks = []
    for message in messages:
        lines = "\n".join(hanging("    ", line, indent=4) for line in message.text.splitlines())
        blocks.append(f"  {message.title}\n{lines}")
    return "\n".join(blocks)


def deliveries_text(run: Run) -> list[str]:
    """A sentence for each channel, wrapped: how many messages it took, and what becomes of the others."""
    sentences = []
    for channel in dict.fromkeys(delivery.channel for delivery in run.deliveries):
        mine = [delivery for delivery in run.deliveries if delivery.channel == channel]
        counts: Counter[str] = Counter(delivery.status for delivery in mine)
        if counts["sent"]:
            sentences.append(f"Sent {count(counts['sent'], 'message')} to {channel}.")
        for status, words in (("pending", "will go to {} later"), ("failed", "could not go to {}")):
            if counts[status]:
                reason = next((each.error for each in reversed(mine) if each.status == status and each.error), "")
                said = f"{count(counts[status], 'message')} {words.format(channel)}"
                sentences.append(hanging("", f"{said}: {reason}" if reason else f"{said}.", indent=2))
    return sentences


def backlog_document(backlog: "Backlog") -> dict[str, Any]:
    """Its keys in `status --json`, under `undelivered`."""
    return {
        "channel": backlog.channel,
        "waiting": backlog.waiting,
        "oldest_at": utc(backlog.oldest_at),
        "refused": backlog.refused is not None,
        "reason": backlog.refused or backlog.reason,
        "since": utc(backlog.since),
        "next_try_at": utc(backlog.closed_until),
    }


def backlog_text(backlog: Mapping[str, Any], zone: tzinfo) -> str:
    """What waits for a channel and why, from its document: a line, and one more of what comes next."""

    def when(text: str) -> str:
        return local(datetime.fromisoformat(text), zone)

    channel, number, reason = backlog["channel"], backlog["waiting"], backlog["reason"]
    waiting = f"{count(number, 'message')} {'waits' if number == 1 else 'wait'} for {channel}"
    oldest = f", {'' if number == 1 else 'the oldest '}since {when(backlog['oldest_at'])}" if number else ""
    later = f"next try: {when(backlog['next_try_at'])}" if backlog["next_try_at"] else ""
    if backlog["refused"]:
        lines = [f"{channel} has taken nothing since {when(backlog['since'])}: {reason}"]
        lines += [f"{waiting}{oldest}" if number else "", later]
    else:
        lines = [f"{waiting}{oldest}: {reason}" if reason else f"{waiting}{oldest}", later]
    return "\n".join(filter(None, lines))


def history_table(runs: Sequence[Run], zone: tzinfo) -> str:
    """The newest runs, one line each."""
    rows = [
        [
            run.id,
            local(run.started_at, zone),
            run.status,
            span(timedelta(seconds=run.duration_seconds)) if run.duration_seconds is not None else "",
            " ".join((run.error or run.summary).split()),
        ]
        for run in runs
    ]
    return table(rows, ["RUN", "STARTED", "STATUS", "TOOK", "WHAT"])


def run_page(run: Run, zone: tzinfo) -> str:
    """Everything that is known of one run."""
    facts = {
        "run": run.id,
        "status": run.status,
        "started": f"{local(run.started_at, zone)}, by {run.trigger}",
        "took": span(timedelta(seconds=run.duration_seconds)) if run.duration_seconds is not None else "",
        "agent": run.agent + (f", exit code {run.exit_code}" if run.exit_code is not None else ""),
        "summary": run.summary,
        "error": run.error or "",
    }
    parts = [pairs(facts)]
    if run.tools:
        lines = []
        for call in run.tools:
            lines.append(tool_line(call))
            lines += [hanging("    ", detail, indent=6) for detail in call.details]
        parts.append("\n".join(lines))
    if run.deliveries:
        rows = [[d.channel, d.event, d.status, str(d.attempts)] for d in run.deliveries]
        reasons = dict.fromkeys(f"{d.channel}: {d.error}" for d in run.deliveries if d.error)
        parts.append(table(rows, ["CHANNEL", "EVENT", "STATUS", "TRIES"]))
        parts[-1] += "".join("\n" + hanging("", reason, indent=2) for reason in reasons)
        if any(d.status == "folded" for d in run.deliveries):
            parts[-1] += "\nfolded: told by one message for several runs"
    if run.output_tail:
        parts.append("the end of what the agent wrote:\n" + textwrap.indent(clean(run.output_tail).rstrip(), "  "))
    return "\n\n".join(parts)


def pairs(facts: Mapping[str, str]) -> str:
    """Names and values under each other; empty values are left out."""
    longest = max(map(len, facts))
    return "\n".join(hanging(f"{name:<{longest}}  ", value) for name, value in facts.items() if value)


# ── the assignments ──


def name(assignment: Assignment) -> str:
    """`Essay 1 (WRIT 101)`, or the title alone where no course is known."""
    return f"{assignment.title} ({assignment.course})" if assignment.course else assignment.title


def assignments_table(rows: Sequence[tuple["Known", float | None]], zone: tzinfo, now: datetime) -> str:
    """Assignments by due date, one line each, with the hours of work that remain."""
    cells = []
    for known, remaining in rows:
        assignment, assessment = known.assignment, known.assessment
        cells.append(
            [
                assignment.id,
                local(assignment.due_at, zone) if assignment.due_at else "no due date",
                known.status(now),
                f"{remaining:g}h" if remaining is not None else "",
                f"{assessment.risk}" if assessment else "",
                name(assignment),
            ]
        )
    return table(cells, ["ID", "DUE", "STATUS", "LEFT", "RISK", "ASSIGNMENT"])


# ── what the student says ──


def entry_document(number: int, entry: LogEntry, assignment: Assignment | None) -> dict[str, Any]:
    """An entry of the log as `--json` gives it; `title` is null when its assignment is not known any more."""
    return {
        "number": number,
        "assignment_id": entry.assignment_id,
        "title": assignment.title if assignment else None,
        "minutes": entry.minutes,
        "worked_at": utc(entry.worked_at),
        "logged_at": utc(entry.logged_at),
        "note": entry.note,
    }


def log_table(entries: Mapping[int, LogEntry], assignments: Mapping[str, Assignment], zone: tzinfo) -> str:
    """The log, one line for each entry."""
    rows = [
        [
            str(number),
            local(entry.worked_at, zone),
            span(timedelta(minutes=entry.minutes)) if entry.minutes else "none",
            ": ".join(filter(None, (_known_name(entry.assignment_id, assignments), entry.note))),
        ]
        for number, entry in entries.items()
    ]
    return table(rows, ["NO", "UNTIL", "WORKED", "ASSIGNMENT"])


def _known_name(id: str, assignments: Mapping[str, Assignment]) -> str:
    return one_line(name(assignments[id])) if id in assignments else id


_LABELS = {"due_at": "due", "effort_hours": "effort"}


def edits_document(id: str, edits: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What the student and the source say of an assignment as `--json` gives it."""

    def said(fields: Mapping[str, Any]) -> dict[str, Any]:
        due = fields.get("due_at")
        return {**fields, "due_at": utc(datetime.fromisoformat(due))} if due else dict(fields)

    return {"assignment_id": id, "edits": said(edits), "source": said(given)}


def edits_table(edits: Mapping[str, Any], given: Mapping[str, Any], zone: tzinfo) -> str:
    """What the student says of an assignment beside what its source says; what the student says counts."""
    from gradent_cli.agents.study.overlay import FIELDS

    rows = [
        [
            _LABELS.get(field, field),
            _said(field, edits[field], zone) if field in edits else "",
            _said(field, given.get(field), zone),
        ]
        for field in FIELDS
        if field in edits or given.get(field) is not None
    ]
    return table(rows, ["", "YOU SAY", "ITS SOURCE SAYS"])


def _said(field: str, value: Any, zone: tzinfo) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if field == "due_at":
        return local(datetime.fromisoformat(value), zone) if value else "no due date"
    if value is None:
        return ""
    if isinstance(value, str):
        return one_line(value, 60)
    return f"{value:g}{ {'effort_hours': 'h', 'weight': '%'}.get(field, '') }"


def suggestion_document(advice: "Advice") -> dict[str, Any]:
    """A suggestion as `--json` gives it."""
    suggestion = advice.suggestion
    return {
        "number": advice.number,
        "key": suggestion.key,
        "title": suggestion.title,
        "text": suggestion.text,
        "category": suggestion.category,
        "priority": suggestion.priority,
        "assignment_id": suggestion.assignment_id,
        "status": advice.status,
        "first_told_at": utc(advice.first_told_at),
        "last_true_at": utc(advice.last_true_at),
    }


_URGENCY = {"high": "red", "medium": "yellow", "low": "green"}


def suggestions_page(advice: Sequence["Advice"]) -> str:
    """Each suggestion with its number, and what became of it where it is not simply open."""
    longest = max(len(str(each.number)) for each in advice)
    said = {"pending": " (not told yet)", "told": "", "done": " (done)", "dismissed": " (dismissed)"}
    lines = []
    for each in advice:
        mark, suggestion = f"{each.number:>{longest}}", each.suggestion
        text = f"{one_line(suggestion.title)}{said[each.status]}\n{one_line(suggestion.text, 1000)}"
        line = hanging(f"{mark}  ", text)
        lines.append(paint(mark, _URGENCY[suggestion.priority]) + line[len(mark) :])
    return "\n".join(lines)


def assignment_page(
    known: "Known", assessments: Sequence[Assessment], *, remaining_hours: float | None, zone: tzinfo, now: datetime
) -> str:
    """Everything that is known of one assignment. `assessments` are all versions, the oldest first."""
    assignment, assessment = known.assignment, known.assessment
    facts = {
        "id": assignment.id,
        "title": assignment.title,
        "course": assignment.course or "",
        "due": local(assignment.due_at, zone) if assignment.due_at else "no due date",
        "status": known.status(now),
        "source": assignment.source + (", which has it no more" if known.vanished else ""),
        "link": assignment.url or "",
        "points": f"{assignment.points:g}" if assignment.points is not None else "",
        "weight": f"{assignment.weight:g} % of the grade" if assignment.weight is not None else "",
    }
    if assessment:
        facts |= {
            "effort": f"{_hours(assessment)}, {assessment.confidence:.0%} sure",
            "left": f"{remaining_hours:.4g}h" if remaining_hours is not None else "",
            "difficulty": f"{assessment.difficulty} of 5",
            "risk": f"{assessment.risk} of 100",
            "why": assessment.reason,
        }
    parts = [pairs(facts)]
    if assessment:
        steps = [
            [
                f"{step.hours:g}h",
                local(assignment.due_at - timedelta(days=step.days_before_due), zone) if assignment.due_at else "",
                step.label,
            ]
            for step in assessment.milestones
        ]
        parts += [table(steps, ["STEP", "BY", "WHAT"])] if steps else []
        for head, texts in (("Before", assessment.prerequisites), ("Hand in", assessment.deliverables)):
            parts += ["\n".join([head, *(hanging("  ", text) for text in texts)])] if texts else []
    if assignment.description:
        lines = clean(assignment.description).splitlines()
        parts.append("\n".join(["Description", *(hanging("  ", line) if line.strip() else "" for line in lines)]))
    if len(assessments) > 1:
        rows = [[f"{each.version}", local(each.assessed_at, zone), _hours(each), each.reason] for each in assessments]
        parts.append(table(rows, ["VERSION", "ASSESSED", "EFFORT", "WHY"]))
    return "\n\n".join(parts)


def _hours(assessment: Assessment) -> str:
    low, high = assessment.effort_low_hours, assessment.effort_high_hours
    return f"{low:g} to {high:g}h, likely {assessment.effort_likely_hours:g}"


# ── the runs to come ──


def upcoming_document(run: "Upcoming", zone: tzinfo) -> dict[str, Any]:
    """A run to come as `explain --json` gives it."""
    return {"at": utc(run.at), "local": run.at.astimezone(zone).isoformat(), "note": run.note or None}


def upcoming_page(runs: Sequence["Upcoming"], words: str, obstacle: str, zone: tzinfo, now: datetime) -> str:
    """`words` are the schedule, `obstacle` what keeps all of these from happening, or empty."""
    lines = [hanging(paint("! ", "yellow"), obstacle, indent=2)] if obstacle else []
    lines += [f"{words[0].upper()}{words[1:]}.", ""]
    for run in runs:
        if run.note:
            lines.append(hanging("  ", run.note))
        lines.append(f"  {run.at.astimezone(zone):%a %d %b %Y %H:%M %Z}  in {span(run.at - now)}")
    return "\n".join(lines)


# ── the status ──


def status_page(found: Mapping[str, Any], config: Path, zone: tzinfo, now: datetime) -> str:
    """What `status --json` says, for people."""

    def when(text: str | None) -> str:
        if text is None:
            return ""
        moment = datetime.fromisoformat(text)
        ago = f"{span(now - moment)} ago" if moment <= now else f"in {span(moment - now)}"
        return f"{local(moment, zone)} ({ago})"

    words = in_words(found["cron_expression"])
    if not found["enabled"]:
        head = paint("gradent is disabled", "yellow") + ": gradent config set --enabled"
    elif found["paused"]:
        end = f" until {when(found['paused_until'])}" if found["paused_until"] else ""
        why = f", {found['pause_reason']}" if found["pause_reason"] else ""
        head = paint("gradent is paused", "yellow") + f"{end}{why}: gradent resume"
    elif not found["installed"]:
        head = paint("gradent is not installed in the crontab", "yellow") + ": gradent install-cron"
    elif found["drift"]:
        head = paint("gradent needs a hand", "yellow")
    else:
        head = paint("gradent runs", "green") + f" {words}"
    last = f"{when(found['last_execution'])}: {found['last_status']}" if found["last_execution"] else "never"
    facts = {
        "schedule": f"{found['frequency']} = {found['cron_expression']} ({words})",
        "last run": last,
        "next run": when(found["next_execution"]) or "none",
        "missed": count(found["missed_runs"], "run") + " since then" if found["missed_runs"] else "",
        "channels": ", ".join(found["channels"]) or "none: gradent config set --ntfy-topic NAME",
        "unsent": "\n".join(backlog_text(backlog, zone) for backlog in found["undelivered"]),
        "config": str(config),
        "crontab": found["installed_line"] or "",
    }
    if found["last_status"] in ("failure", "timeout", "interrupted"):
        facts["last run"] += f"\n{found['last_error']}\nMore: gradent history {found['last_run']}"
    return "\n".join([head, *(hanging("! ", sentence) for sentence in found["drift"]), pairs(facts)])


# ── checks ──

_VERDICTS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red")}


def checks_page(checks: Sequence["Check"]) -> str:
    """One check a line with its mark, the remedy under it, and how many need a hand."""
    longest = max(len(check.check) for check in checks)
    lines = []
    for check in checks:
        mark, colour = _VERDICTS[check.status]
        text = f"{check.message}\n→ {check.remedy}" if check.remedy else check.message
        line = hanging(f"{mark} {check.check:<{longest}}  ", text)
        lines.append(paint(mark, colour) + line[len(mark) :])
    failed, warned = (sum(check.status == status for check in checks) for status in ("failed", "warning"))
    counts = [f"{failed} failed"] * bool(failed) + [count(warned, "warning")] * bool(warned)
    return "\n".join([*lines, f"{', '.join(counts)}." if counts else "Everything is in place."])


def waiting(what: str, seconds: float) -> tuple[Callable[[float], None], Callable[[], None]]:
    """Shows that something may take `seconds`: on a terminal with the time that has passed, elsewhere as one line.

    Returns:
        what takes the seconds that have passed, and what ends the display.
    """
    if not sys.stdout.isatty():
        typer.echo(f"{what}; this takes up to {seconds:g} seconds ...")
        return lambda _: None, lambda: None

    from rich.console import Console

    status = Console(highlight=False).status(what)
    status.start()
    return lambda passed: status.update(f"{what}: {passed:.0f} of up to {seconds:g} seconds"), status.stop
