"""How what is installed differs from what the config asks for, and what helps. Pure: whoever asks has looked.

A line of the crontab says when and with which Python; the history says when cron last did it. Each of them can go its
own way: a person edits the crontab, a virtual environment moves, a daemon stops.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import islice, takewhile
from typing import Literal

from gradent_cli.frequency import next_times
from gradent_cli.schedulers import block

Part = Literal["crontab", "interpreter", "cron daemon", "firing", "quiet hours"]

INSTALL = "gradent install-cron"
_LATE = timedelta(minutes=2)
"""How long a run may take to show up in the history: cron wakes once a minute, and Python has to start."""
_COUNTED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What there is.

    `lines` are those of the config's block, None without one; `canary` is whether one of `--verify` stands beside it.
    `interpreter_trouble` is why cron cannot start the lines' Python, as the end of a sentence; `daemon_running` None
    means that nobody can tell. `installed_at` is None when gradent did not install it, or took it out again;
    `written_at` is when gradent last wrote the crontab, whatever for; `fired_at` when cron last started a run.
    """

    lines: tuple[bytes, ...] | None
    canary: bool
    interpreter_trouble: str | None
    daemon_running: bool | None
    how_to_start: str
    installed_at: datetime | None
    written_at: datetime | None
    fired_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as it should be, with its remedy. `harmless` means that runs take place all the same."""

    part: Part
    what: str
    remedy: str
    harmless: bool = False

    @property
    def sentence(self) -> str:
        return f"{self.what}: {self.remedy}"


def differences(found: Found, wanted: Sequence[bytes], now: datetime, zone: tzinfo) -> tuple[Difference, ...]:
    """Everything that differs; nothing for a config that was never installed.

    Args:
        wanted: the lines that gradent would write now, the run first and a flush last; not looked at without a block.
        zone: where cron lives; times in sentences are in it, too.
    """
    seen = []
    if found.canary:
        what = "a canary of `install-cron --verify` is in the crontab; it goes on, or it was killed"
        seen.append(Difference(part="crontab", what=what, remedy=INSTALL, harmless=True))
    if found.lines is None:
        if found.installed_at is not None:
            what = f"the block that gradent installed on {told(found.installed_at, zone)} is gone from the crontab"
            seen.append(Difference(part="crontab", what=what, remedy=f"{INSTALL}; or gradent uninstall-cron, if meant"))
        return tuple(seen)
    seen += _lines(found, found.lines, wanted)
    if found.daemon_running is False:
        what = "no cron daemon is running, so nothing will fire"
        seen.append(Difference(part="cron daemon", what=what, remedy=found.how_to_start))
    elif found.lines and block.schedule(found.lines[0]) == block.schedule(wanted[0]):
        seen += _firing(found, wanted[0], now, zone)
    return tuple(seen)


def _lines(found: Found, lines: Sequence[bytes], wanted: Sequence[bytes]) -> list[Difference]:
    if tuple(lines) == tuple(wanted) and found.interpreter_trouble is None:
        return []
    commands = [block.command(line) for line in lines]
    asked = [block.command(line) for line in wanted]
    runs = [line for line in lines if not block.flushes(line)]
    wanted_runs = [line for line in wanted if not block.flushes(line)]
    flushes, wanted_flushes = lines[len(runs) :], wanted[len(wanted_runs) :]
    if (
        [block.command(line)[1:] for line in runs] != [block.command(line)[1:] for line in wanted_runs]
        or not all(commands)
        or not all(map(block.flushes, flushes))
        or len(flushes) > 1
    ):
        what = "the lines between gradent's markers in the crontab were edited by hand"
        return [Difference(part="crontab", what=what, remedy=f"{INSTALL} writes them anew", harmless=True)]
    seen = _flush(flushes, wanted_flushes)
    for line, should in zip(runs, wanted_runs, strict=True):
        if block.schedule(line) != block.schedule(should):
            what = f"cron runs at '{block.schedule(line)}' but the config asks for '{block.schedule(should)}'"
            seen.append(Difference(part="crontab", what=what, remedy=INSTALL))
    interpreter = commands[0][0]
    if found.interpreter_trouble is not None:
        what = f"the Python of the crontab line, {interpreter}, {found.interpreter_trouble}"
        seen.append(Difference(part="interpreter", what=what, remedy=f"{INSTALL}, from the gradent that you use now"))
    elif any(words[0] != asked[0][0] for words in commands):
        what = f"cron starts another Python, {interpreter}, than this gradent's, {asked[0][0]}"
        seen.append(Difference(part="interpreter", what=what, remedy=f"{INSTALL} takes this one", harmless=True))
    return seen


def _flush(lines: Sequence[bytes], wanted: Sequence[bytes]) -> list[Difference]:
    """What becomes of the messages that quiet hours hold; the next run that is not in them sends them in any case."""
    now, then = (block.schedule(each[0]) if each else None for each in (lines, wanted))
    if now == then:
        return []
    if then is None:
        what = "a line of the crontab sends what quiet hours held, and there are no quiet hours"
    elif now is None:
        what = "no line of the crontab sends what quiet hours held when they end"
    else:
        what = f"cron sends what quiet hours held at '{now}' but they end at '{then}'"
    return [Difference(part="quiet hours", what=what, remedy=INSTALL, harmless=True)]


def _firing(found: Found, line: bytes, now: datetime, zone: tzinfo) -> list[Difference]:
    """Two slots must go by unserved: a single one may be a restart of the machine."""
    if found.installed_at is None and found.fired_at is None:
        return []
    # Before the last write the line may have had other times.
    known = [moment for moment in (found.installed_at, found.written_at, found.fired_at) if moment is not None]
    slots = next_times(block.schedule(line) or "", max(known), zone)
    due = sum(1 for _ in islice(takewhile(lambda slot: slot + _LATE < now, slots), _COUNTED))
    if due < 2:
        return []
    since = f"since {told(found.fired_at, zone)}" if found.fired_at else "yet"
    what = f"cron has not fired {since}, though {due} runs were due"
    remedy = (
        "if the machine was off or asleep, gradent install-cron --catch-up makes up for it; "
        "if not, gradent install-cron --verify shows what cron does"
    )
    return [Difference(part="firing", what=what, remedy=remedy)]


def told(moment: datetime, zone: tzinfo) -> str:
    """A moment in the middle of a sentence: `Mon 23 Nov 2026 21:00`."""
    return f"{moment.astimezone(zone):%a %-d %b %Y %H:%M}"
