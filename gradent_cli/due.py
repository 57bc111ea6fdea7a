"""Which slots are due: those that no run has served since they came.

A slot is a moment of the schedule, and follows from the cron expression and the zone alone; a run that serves one late
does not shift the next. Whatever run starts serves every slot before it, a skipped one too, for it is on record with
its reason. So one moment is enough to know what is due: up to when everything is settled. `due.json` in the state
directory holds it, with what the tick needs to know without the rest of gradent (see `tick`).
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import takewhile

from gradent_cli import files, tick
from gradent_cli.dataclass import dataclass
from gradent_cli.errors import StateError
from gradent_cli.frequency import next_times
from gradent_cli.text import count

_LOOKED_BACK = timedelta(days=366)
"""Slots longer ago are not counted, so that a forgotten machine wakes up quickly."""
_HEAD_START = timedelta(minutes=1)
"""For the scheduled line itself, which cron starts in the same moment as a tick."""


def missed_slots(expression: str, zone: tzinfo, after: datetime, until: datetime) -> tuple[datetime, ...]:
    """The slots later than `after` and not later than `until`, oldest first; of the last year at most."""
    slots = next_times(expression, max(after, until - _LOOKED_BACK), zone)
    return tuple(takewhile(lambda slot: slot <= until, slots))


def missed_in_words(missed: tuple[datetime, ...], zone: tzinfo, now: datetime) -> str:
    """`4 runs missed 02:00-07:00`, with dates when that was not all today; empty when nothing was missed."""
    if not missed:
        return ""
    ends = [slot.astimezone(zone) for slot in dict.fromkeys((missed[0], missed[-1]))]
    today = all(end.date() == now.astimezone(zone).date() for end in ends)
    form = "%H:%M" if today else "%a %-d %b %H:%M"
    return f"{count(len(missed), 'run')} missed {'-'.join(end.strftime(form) for end in ends)}"


# ── a pause ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Runs that start in [since, until) are skipped; `until` None means until `gradent resume`."""

    since: datetime
    until: datetime | None
    reason: str = ""

    @classmethod
    def from_text(cls, text: str | None) -> "Pause | None":
        """The reverse of `to_text`; None for no text, or an empty one."""
        if not text:
            return None
        document = json.loads(text)
        until = document["until"]
        return cls(
            since=datetime.fromisoformat(document["since"]),
            until=None if until is None else datetime.fromisoformat(until),
            reason=document["reason"],
        )

    def to_text(self) -> str:
        until = None if self.until is None else self.until.isoformat()
        return json.dumps({"since": self.since.isoformat(), "until": until, "reason": self.reason})

    def goes_on(self, now: datetime) -> bool:
        return self.until is None or now < self.until

    def covers(self, slot: datetime) -> bool:
        return self.since <= slot and self.goes_on(slot)

    def in_words(self, zone: tzinfo) -> str:
        """`paused until Thu 24 Dec 2026 08:00: exams`."""
        end = "`gradent resume`" if self.until is None else f"{self.until.astimezone(zone):%a %-d %b %Y %H:%M}"
        return f"paused until {end}" + (f": {self.reason}" if self.reason else "")


# ── what is settled ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What `due.json` remembers: everything up to `at` is settled, by this schedule of this config."""

    at: datetime
    expression: str
    config: str


def settled_until(
    now: datetime,
    *,
    remembered: Settled | None,
    runs: Callable[[], Iterable[datetime]],
    installed_at: datetime | None,
    expression: str,
    changed_at: datetime | None,
) -> datetime | None:
    """Up to when every slot is settled; None when nothing at all is known, or only things of the future.

    A moment after `now` was written by a clock that has been set back since. It is not believed: else nothing would
    be due until the clock is there again.

    Args:
        runs: when the runs on record started, the newest record first; asked only when `remembered` does not help.
        changed_at: when the config file was last changed. A schedule that began only then has missed nothing before.
    """
    if remembered is not None and remembered.at <= now:
        since = remembered.at
        if remembered.expression != expression:
            # A variable that changed has no time of its own: then the new schedule begins now.
            since = changed_at if changed_at is not None and since < changed_at <= now else now
        known = [since, installed_at]
    else:
        known = [next((start for start in runs() if start <= now), None), installed_at]
    return max((moment for moment in known if moment is not None and moment <= now), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """The schedule of one config, and what of it is settled.

    Args:
        runs: as in `settled_until`.
        installed_at: when the schedule was given to cron; None when it was not, as far as gradent knows.
        pause: the last one, over or not.
        read_only: remember nothing (a dry run).
    """

    config: str
    state_dir: str
    expression: str
    zone: tzinfo
    environ: Mapping[str, str]
    runs: Callable[[], Iterable[datetime]]
    installed_at: datetime | None
    pause: Pause | None
    read_only: bool = False

    def next(self, after: datetime) -> datetime:
        """The first slot later than `after`."""
        return next(next_times(self.expression, after, self.zone))

    def next_wanted(self, now: datetime) -> datetime | None:
        """The first slot after `now` that no pause covers; None when the pause has no end."""
        if self.pause is None or not self.pause.goes_on(now):
            return self.next(now)
        return None if self.pause.until is None else self.next(self.pause.until - timedelta(microseconds=1))

    def waiting(self, now: datetime) -> tuple[datetime, ...]:
        """The slots that a run at `now` would serve: the last of them late or on time, those before it were missed.

        None of them when no run and no installation is known, for then nobody can say since when there are slots.
        Not those of a pause that has ended by itself: nobody wanted them.
        """
        since = self._settled_until(now)
        if since is None:
            return ()
        ended = self.pause if self.pause and not self.pause.goes_on(now) else None
        slots = missed_slots(self.expression, self.zone, since, now)
        return tuple(slot for slot in slots if not (ended and ended.covers(slot)))

    def overdue(self, now: datetime) -> tuple[datetime, ...]:
        """The waiting slots that the scheduled line itself has not come for."""
        return tuple(slot for slot in self.waiting(now) if slot <= now - self._head_start)

    def due(self, now: datetime) -> bool:
        """Whether a tick at `now` has to run: something is overdue, or as far as anybody knows nothing ever ran."""
        return self._settled_until(now) is None or bool(self.overdue(now))

    def nothing_due(self, now: datetime) -> None:
        """Leave the heartbeat of a tick, and remember that nothing was due at `now`.

        Near a slot a run may be about to settle it, in another process. So what is remembered is left alone then, as
        long as it is of use.

        Raises:
            StateError: the state directory cannot be written.
        """
        if self.read_only:
            return
        remembered = self._remembered()
        of_use = remembered is not None and remembered.at <= now and remembered.expression == self.expression
        if not of_use or self.next(now - _HEAD_START) > now + _HEAD_START:
            waiting = self.waiting(now)
            self.settle(waiting[0] - timedelta(microseconds=1) if waiting else now)
        try:
            tick.leave_heartbeat(self.state_dir)
        except OSError as error:
            raise StateError(f"cannot write {self.state_dir}/tick: {error.strerror}") from error

    def settle(self, now: datetime) -> None:
        """Remember that every slot up to `now` is settled.

        Raises:
            StateError: the state directory cannot be written.
        """
        if self.read_only:
            return
        try:
            key = tick.circumstances(self.config, self.environ)
        except OSError:
            key = ""  # the config went away: the next tick takes the long way and says so
        document = {
            "key": key,
            "settled_at": now.timestamp(),
            "next_at": (self.next(now) + self._head_start).timestamp(),
            "expression": self.expression,
            "config": self.config,
        }
        # `tick` reads the first three, one a line.
        files.write_atomic(self._file, json.dumps(document, indent=0).encode() + b"\n", mode=0o600)

    @property
    def _head_start(self) -> timedelta:
        """None for a tick that nobody installed beside a scheduled line: it may be all there is."""
        return timedelta(0) if self.installed_at is None else _HEAD_START

    @property
    def _file(self) -> str:
        return f"{self.state_dir}/due.json"

    def lead_ticks_here(self) -> None:
        """Leave the link that a tick follows; where that cannot be done it takes the long way, as right but slower.

        Asked for by ticks alone: where none come, nothing is left outside the state directory.
        """
        if self.read_only:
            return
        with suppress(OSError, ValueError, StateError):
            link = tick.pointer(self.config, self.environ)
            if os.path.islink(link) and os.readlink(link) == self._file:
                return
            folder, name = os.path.split(link)
            files.make_private_directory(folder)
            temporary = f"{folder}/.{name}.{os.getpid()}.tmp"
            os.symlink(self._file, temporary)
            os.replace(temporary, link)

    def _settled_until(self, now: datetime) -> datetime | None:
        return settled_until(
            now,
            remembered=self._remembered(),
            runs=self.runs,
            installed_at=self.installed_at,
            expression=self.expression,
            changed_at=self._changed_at(),
        )

    def _remembered(self) -> Settled | None:
        """What `due.json` says of this config; None when it is not there, or is not what was written."""
        try:
            with open(self._file, "rb") as file:
                document = json.load(file)
            found = Settled(
                at=datetime.fromtimestamp(document["settled_at"], UTC),
                expression=document["expression"],
                config=document["config"],
            )
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return None
        return found if found.config == self.config else None

    def _changed_at(self) -> datetime | None:
        try:
            return datetime.fromtimestamp(os.stat(self.config).st_mtime, UTC)
        except OSError:
            return None
