"""Keeping quiet: which message has to wait, which ones are told as one, and how many a schedule makes."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import takewhile

from gradent_cli.dataclass import dataclass
from gradent_cli.frequency import next_times
from gradent_cli.records import Event, Message
from gradent_cli.text import clean, count, cut_bytes, one_line

_ROUTINE: tuple[Event, ...] = ("started", "tool", "completed")
# As a run with news has them: it begins, ends, and two of its tools found something.
_OF_A_RUN: dict[Event, int] = {"started": 1, "tool": 2, "completed": 1}
# By the host of the server: the free allowance in https://docs.ntfy.sh/publish/#limitations.
_LIMITS = {"ntfy.sh": 250}
_DAY = timedelta(days=1)
_BODY_BYTES = 3500
"""Of a folded text, as of every other one (`policy`): within the limit of each channel."""
_NEWEST_BYTES = 1500
"""Of that, what the newest run says itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When a person wants to be left alone.

    Args:
        quiet_hours: `"22:30-07:00"` as the config normalises it, over midnight when it ends before it starts.
        quiet_failures: failures pass quiet hours.
        max_per_day: messages to one channel in a day of UTC, which is how ntfy.sh counts its own.
        zone: the one that quiet hours are in.
    """

    quiet_hours: str | None
    quiet_failures: bool
    max_per_day: int
    zone: tzinfo


# ── what has to wait ──


def quiet_until(now: datetime, hours: str, zone: tzinfo) -> datetime | None:
    """The end, in UTC, of the quiet hours that `now` is in; None when it is in none.

    Where a clock change skips the time at which they begin or end, the end of what it skips counts; of a time that
    comes twice, the first.
    """
    start, end = (timedelta(hours=int(text[:2]), minutes=int(text[3:])) for text in hours.split("-"))
    midnight = now.astimezone(zone).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0, fold=0)
    for day in (midnight - _DAY, midnight):
        ends_at = _moment(day + end + (_DAY if end <= start else timedelta(0)), zone)
        if _moment(day + start, zone) <= now < ends_at:
            return ends_at
    return None


def _moment(wall: datetime, zone: tzinfo) -> datetime:
    from gradent_cli.explain import clock_changes

    early, late = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    skipped = early.astimezone(zone).replace(tzinfo=None) != wall
    return next(clock_changes(zone, early, late)).at if skipped else early


def held_until(message: Message, now: datetime, sent_today: int, rules: Rules) -> tuple[datetime, str] | None:
    """Until when a message has to wait, and why in words; None when it may go now. Asked again then, it may wait again.

    Of a day's messages the last tenth is kept for failures, and for the message that they are over.

    Args:
        sent_today: how many this channel took since midnight UTC.
    """
    if rules.quiet_hours is not None and not (message.failure and rules.quiet_failures):
        quiet = quiet_until(now, rules.quiet_hours, rules.zone)
        if quiet is not None:
            return quiet, f"quiet hours until {rules.quiet_hours[6:]}"
    reserve = 0 if _weighty(message) else reserve_of(rules.max_per_day)
    if sent_today < rules.max_per_day - reserve:
        return None
    kept = f", and {reserve} more are kept for failures" if reserve else ""
    tomorrow = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
    return tomorrow, f"{count(sent_today, 'message')} went out today{kept}; the rest comes after midnight UTC"


def reserve_of(max_per_day: int) -> int:
    """How many of a day's messages are kept for failures."""
    return max(max_per_day // 10, 1 if max_per_day > 1 else 0)


def _weighty(message: Message) -> bool:
    return message.failure or message.event == "recovered"


# ── what is told as one ──


def fold(waiting: Sequence[Message], run_id: str | None, zone: tzinfo) -> tuple[Message, tuple[str, ...]] | None:
    """One message for the routine ones of earlier runs, and the ids of those; None when there are not two of them.

    Failures, and what says that runs recovered, were missed or interrupted, stay messages of their own. The id comes
    from theirs: folding the same again gives the same message.

    Args:
        waiting: what one channel was not given yet, oldest first.
        run_id: the present run, whose messages are none of an earlier one; None when none goes on.
        zone: the one that times are told in.
    """
    stale = [
        message
        for message in waiting
        if message.event in _ROUTINE and not message.failure and (run_id is None or message.run_id != run_id)
    ]
    if len(stale) < 2:
        return None
    from hashlib import sha256

    completed = [message for message in stale if message.event == "completed"]
    runs = len({message.run_id for message in completed})
    ids = tuple(message.id for message in stale)
    told = Message(
        id=sha256("\0".join(ids).encode()).hexdigest()[:16],
        event="completed",
        title=f"✅ {count(runs, 'Earlier Run')} Completed" if runs else f"📬 {len(stale)} Earlier Messages",
        text="\n".join(_lines(stale, completed, zone)),
        priority=3,
        tags=("white_check_mark" if runs else "mailbox_with_mail", "books"),
        created_at=max(message.created_at for message in stale),
        run_id=run_id,
    )
    return told, ids


def _lines(stale: Sequence[Message], completed: Sequence[Message], zone: tzinfo) -> Iterator[str]:
    """Since when until when, how the newest run ended, and what the tools found, newest first."""
    times = [message.created_at for message in stale]
    since, until = (f"{moment.astimezone(zone):%a %-d %b %H:%M %Z}" for moment in (min(times), max(times)))
    head = [f"{since}." if since == until else f"{since} until {until}."]
    if completed:
        head.append(
            ("The newest: " if len(completed) > 1 else "") + cut_bytes(clean(completed[-1].text), _NEWEST_BYTES)
        )
    yield from head
    tools = [(message.title, message.text) for message in reversed(stale) if message.event == "tool"]
    found = tools or [(message.title, "") for message in stale if not completed]
    yield from _fitting(list(dict.fromkeys(found)), _BODY_BYTES - sum(len(line.encode()) + 1 for line in head))


def _fitting(told: Sequence[tuple[str, str]], limit: int) -> Iterator[str]:
    """A whole line for each title and text, as many as go into so many bytes, and how many are left out."""
    left = limit - len("and 1000000 more: gradent history")
    for number, (title, text) in enumerate(told):
        line = f"{title}: {one_line(text)}" if text else title
        left -= len(line.encode()) + 1
        if left < 0:
            yield f"and {len(told) - number} more: gradent history"
            return
        yield line


# ── how many there will be ──


def per_day(expression: str, *, events: Collection[str], when: str, quiet_hours: str | None = None) -> int | None:
    """How many messages one channel would get on a day on which the schedule fires, when all goes well.

    Each run is taken for one with news; what quiet hours hold comes as one message. None when it cannot be known.

    Args:
        expression: five fields that `frequency.cron_expression` returned.
        events, when, quiet_hours: as in the config.
    """
    each = sum(number for event, number in _OF_A_RUN.items() if event in events)
    if when == "failed" or not each:
        return 0
    if when == "changed":
        return None
    # The fields of day and month only choose days, so each chosen one has as many runs. UTC, as it changes no clocks.
    times = next_times(expression, datetime(2025, 12, 31, 23, 59, tzinfo=UTC), UTC)
    first = next(times)
    runs = [first, *takewhile(lambda moment: moment.date() == first.date(), times)]
    awake = runs if quiet_hours is None else _outside(runs, quiet_hours)
    return each * len(awake) + (len(awake) < len(runs))


def _outside(runs: Iterable[datetime], quiet_hours: str) -> list[datetime]:
    return [moment for moment in runs if quiet_until(moment, quiet_hours, UTC) is None]


def limit_of(server: str) -> int | None:
    """How many messages a day an ntfy server takes from somebody who does not pay; None when that is not known."""
    from urllib.parse import urlsplit

    return _LIMITS.get((urlsplit(server).hostname or "").removeprefix("www."))
