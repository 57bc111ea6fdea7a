"""What there is to tell: records in, messages out.

Titles, priorities and tags are the user's own; tags are ntfy's emoji names (https://docs.ntfy.sh/emojis/). A message's
id comes from its run, event and tool, so that the same message sent again can be known as the same.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo

from gradent_cli.durations import spell
from gradent_cli.records import Event, Failing, Message, Run, ToolCall
from gradent_cli.text import clean, count, cut_bytes, one_line

_TOOLS = {
    "check": ("🔄", "arrows_counterclockwise"),
    "assess": ("📊", "bar_chart"),
    "suggest": ("💡", "bulb"),
    "schedule": ("📅", "date"),
}
_OTHER_TOOL = ("🔧", "wrench")
_BODY_BYTES = 3500
"""Of the text before its last line, so that no channel's limit cuts the last line off."""


def started(run: Run) -> Message:
    """The agent begins."""
    if run.agent in ("study", "llm"):
        text = "Checking for updates & planning study sessions..."
    else:
        text = f"The {run.agent} agent is at work."
    return _message(run, "started", "🤖 Agent Started", text, 4, ("robot", "rocket"), run.started_at)


def tool(run: Run, call: ToolCall) -> Message | None:
    """A tool ended: a message of its own. None while it goes on, and when it found nothing that was not told before.

    A failed tool speaks also in a run that then fails: the one says which part, the other that there is no new plan,
    and whoever wants only one of them leaves `tool` or `failed` out of `notify.events`.
    """
    failed = call.status == "failed"
    if call.status == "started" or not (failed or call.changed):
        return None
    icon, tag = _TOOLS.get(call.tool, _OTHER_TOOL)
    lines = [call.result, *call.details]
    if failed:
        icon, tag, lines = "⚠️", "warning", [call.error or "It did not say why.", *lines]
    title = f"{icon} {one_line(call.title, 120)}{' failed' if failed else ''}"
    at = call.finished_at or call.started_at
    text = _text(lines) or "Done."
    return _message(run, "tool", title, text, 4 if failed else 3, (tag,), at, part=call.id, failure=failed)


def completed(run: Run, lines: Sequence[str]) -> Message:
    """The run succeeded: the real counts in `lines`, or its summary when there are none, and how long it took."""
    seconds = run.duration_seconds or 0.0
    took = f"Took {spell(timedelta(seconds=seconds)) if seconds >= 1 else 'less than a second'}."
    text = _text(lines or (run.summary,), last=took)
    return _message(
        run, "completed", "✅ Agent Completed", text, 3, ("white_check_mark", "tada", "books"), run.finished_at
    )


def failed(run: Run, failing: Failing | None, zone: tzinfo, missed: str = "", *, blocked: bool = False) -> Message:
    """The run did not succeed: what failed, since when, and the command that shows more.

    `failing` is the unbroken row of failed runs that this one is the newest of, told in `zone`; None when the state
    cannot be written, and so no command knows this run. `missed` says which runs did not happen before this one;
    `blocked` that the agent was not started, as something that it needs is missing.
    """
    lines = [run.error or _unexplained(run)]
    if blocked:
        lines.append("Nothing was started.")
    if failing is not None and failing.count > 1:
        lines.append(f"It has failed {failing.count} times since {_when(failing.since, zone)}.")
    more = "gradent doctor" if failing is None else f"gradent history {run.id}"
    text = _text([*lines, missed], last=f"More: {more}")
    title = "⛔ Agent Blocked" if blocked else "❌ Agent Failed"
    return _message(run, "failed", title, text, 5, ("x", "warning"), run.finished_at, failure=True)


def recovered(run: Run, failing: Failing, zone: tzinfo) -> Message:
    """The first success after failures that were told: how many there were, and for how long."""
    lasted = spell(timedelta(seconds=max(60, round(_between(failing.since, run).total_seconds() / 60) * 60)))
    text = (
        f"It works again. It had failed {count(failing.count, 'time')} in {lasted}, since {_when(failing.since, zone)}."
    )
    return _message(run, "recovered", "💚 Agent Recovered", text, 4, ("green_heart",), run.finished_at)


def interrupted(run: Run, zone: tzinfo) -> Message:
    """The run was ended from outside, or vanished: what it had done until then."""
    did = [": ".join(filter(None, (call.title, call.result))) for call in run.tools if call.status == "completed"]
    before = ["Until then:", *did] if did else ["It had not finished anything."]
    lines = [f"The run of {_when(run.started_at, zone)}: {(run.error or _unexplained(run)).rstrip('.')}.", *before]
    text = _text(lines, last=f"More: gradent history {run.id}")
    return _message(run, "interrupted", "⚠️ Run Interrupted", text, 4, ("warning",), run.finished_at, failure=True)


def missed(run: Run, which: str) -> Message:
    """Runs before this one did not happen, for whoever wants to hear of that and not of how this one ended."""
    return _message(run, "missed", "⏰ Runs Missed", which, 3, ("alarm_clock",), run.finished_at)


def mended(run: Run, what: str) -> Message:
    """The state was damaged, and what was done about it."""
    return _message(
        run, "failed", "⚠️ Database Set Aside", what, 4, ("warning",), run.started_at, part="mended", failure=True
    )


def test(at: datetime) -> Message:
    """What `gradent notify test` sends."""
    return Message(
        id=_id("test", at.isoformat()),
        event="completed",
        title="🔔 Test",
        text="gradent can reach you here.",
        priority=3,
        tags=("bell",),
        created_at=at,
    )


def _unexplained(run: Run) -> str:
    if run.status == "timeout":
        return f"The agent ran out of time after {spell(timedelta(seconds=run.duration_seconds or 0.0))}."
    return "The run was interrupted." if run.status == "interrupted" else "The agent did not say why."


def _text(lines: Iterable[str], *, last: str = "") -> str:
    """The lines that say something, harmless and cut to what every channel takes; `last` is never cut."""
    body = "\n".join(line for line in (clean(line).strip() for line in lines) if line)
    return "\n".join(part for part in (cut_bytes(body, _BODY_BYTES), last) if part)


def _message(
    run: Run,
    event: Event,
    title: str,
    text: str,
    priority: int,
    tags: tuple[str, ...],
    at: datetime | None,
    *,
    part: str = "",
    failure: bool = False,
) -> Message:
    return Message(
        id=_id(run.id, event, part),
        event=event,
        title=title,
        text=text,
        priority=priority,
        tags=tags,
        created_at=at or run.started_at,
        run_id=run.id,
        failure=failure,
    )


def _when(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%a %-d %b %H:%M %Z}"


def _between(since: datetime, run: Run) -> timedelta:
    return (run.finished_at or run.started_at) - since


def _id(*parts: str) -> str:
    """Itself where it can be, as `hashlib` takes a while to import. ntfy takes at most 64 of these characters."""
    plain = "-".join(filter(None, parts))
    if len(plain) <= 64 and plain.isascii() and plain.replace("-", "").replace("_", "").isalnum():
        return plain
    from hashlib import sha256

    return sha256("\0".join(parts).encode()).hexdigest()[:16]
