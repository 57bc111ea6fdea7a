"""What the program tells of itself, for people and as JSON: runs, messages, what waits, the status, checks."""

import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gradent_cli.cli.streams import try_to_show
from gradent_cli.cli.terminal import hanging, local, paint, pairs, span, table
from gradent_cli.frequency import in_words
from gradent_cli.moments import utc
from gradent_cli.records import Message, Run, ToolCall, Usage
from gradent_cli.text import clean, count

if TYPE_CHECKING:
    from gradent_cli.doctor.check import Check
    from gradent_cli.explain import Upcoming
    from gradent_cli.outbox import Backlog

# ── a run ──


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
        "usage": None
        if run.usage is None
        else {
            "input_tokens": run.usage.input_tokens,
            "output_tokens": run.usage.output_tokens,
            "cost_usd": run.usage.cost_usd,
        },
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
        "model used": "" if run.usage is None else _usage(run.usage),
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


def _usage(usage: Usage) -> str:
    """`12,400 tokens in, 830 out, $0.0312`."""
    cost = f", ${usage.cost_usd:.4f}" if usage.cost_usd is not None else ""
    return f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out{cost}"


# ── what waits ──


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
