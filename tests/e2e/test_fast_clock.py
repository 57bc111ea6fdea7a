"""Debian's cron fires what our table says: a whole day of every frequency, and the nights on which the clock changes.

`pytest -rP tests/e2e/test_fast_clock.py` prints the figures.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Self
from zoneinfo import ZoneInfo

import pytest

from gradent_cli.frequency import FREQUENCIES, cron_expression, next_times, parse_at
from tests.e2e import fast_clock, machine
from tests.e2e.conftest import need
from tests.e2e.fast_clock import Tally

pytestmark = pytest.mark.e2e

# Of what runs often fewer anchors: every firing costs four processes.
ANCHORS = {"15min": ("00:00", "00:07"), "30min": ("00:00", "00:10"), "1hour": ("00:00", "00:07", "00:45")}
LINES = {
    f"{key}@{at}": cron_expression(key, parse_at(at))
    for key in FREQUENCIES
    for at in ANCHORS.get(key, ("00:00", "00:07", "01:30", "02:00", "02:30", "02:45", "23:59"))
}


@dataclass(frozen=True)
class Stretch:
    """Of the wall clock; it begins and ends where no line is due for five minutes, so that nothing is cut off."""

    zone: str
    start: str
    stop: str
    speed: int

    @property
    def span(self) -> tuple[datetime, datetime]:
        start, stop = (
            datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(self.zone)) for text in (self.start, self.stop)
        )
        return start.astimezone(UTC), stop.astimezone(UTC)

    def __str__(self) -> str:
        return f"{self.zone} {self.start[:10]}"


# Cron loses runs when the machine keeps it from its work for more than five minutes of its own time.
STALL_MINUTES = 5
TIMES = 3
"""Tries, on a machine that stands still again and again."""
ORDINARY = Stretch("Europe/Amsterdam", "2026-06-09T23:53:30", "2026-06-10T23:53:30", 480)
STRETCHES = (
    ORDINARY,
    Stretch("Europe/Amsterdam", "2026-03-28T23:53:30", "2026-03-29T23:53:30", 480),
    Stretch("Europe/Amsterdam", "2026-10-24T23:53:30", "2026-10-25T23:53:30", 480),
    *(
        Stretch(zone, f"{evening}T21:53:30", f"{night}T09:53:30", 240)
        for zone, evening, night in (
            ("America/New_York", "2026-03-07", "2026-03-08"),
            ("America/New_York", "2026-10-31", "2026-11-01"),
            ("Australia/Lord_Howe", "2026-04-04", "2026-04-05"),
            ("Australia/Lord_Howe", "2026-10-03", "2026-10-04"),
            ("Asia/Kolkata", "2026-03-28", "2026-03-29"),
            ("UTC", "2026-10-24", "2026-10-25"),
        )
    ),
)


class StallWatch:
    """Measures the longest time, in seconds, for which this machine let a thread that is always ready wait."""

    def __enter__(self) -> Self:
        self.longest = 0.0
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        before = monotonic()
        while not self._over.wait(0.02):
            now = monotonic()
            self.longest = max(self.longest, now - before)
            before = now


def wrong(tallies: dict[str, Tally]) -> dict[str, Tally]:
    """Those lines of which a slot was doubled or missed."""
    return {name: tally for name, tally in tallies.items() if tally.doubled or tally.missed}


def lived_through(stretch: Stretch) -> dict[str, Tally]:
    zone, (start, stop) = ZoneInfo(stretch.zone), stretch.span
    with machine.machine() as made:
        fired = fast_clock.fired(made, LINES, zone, start, stop, speed=stretch.speed)
    return {
        name: fast_clock.tally(
            list(takewhile(lambda moment: moment <= stop, next_times(expression, start, zone))), fired[name]
        )
        for name, expression in LINES.items()
    }


@pytest.fixture(scope="module")
def tallies() -> dict[Stretch, dict[str, Tally]]:
    """All at once, each with a cron, a spool and a clock of its own."""
    need(sys.platform == "linux" and os.geteuid() == 0, "a real cron needs Linux and root")
    for program in (*machine.NEEDED, *fast_clock.NEEDED):
        need(Path(program).exists(), f"a fast clock needs {program} (apt-get install cron faketime)")
    try:
        with machine.machine():
            pass
    except OSError as error:
        need(False, f"a real cron needs a mount namespace: {error}")
    lived: dict[Stretch, dict[str, Tally]] = {}
    still = list(STRETCHES)
    for _ in range(TIMES):
        with StallWatch() as watch, ThreadPoolExecutor(len(STRETCHES)) as threads:
            lived |= zip(still, threads.map(lived_through, still), strict=True)
        # Where the machine stood still, that says nothing about our table: once more.
        still = [each for each in still if wrong(lived[each]) and watch.longest * each.speed > STALL_MINUTES * 60]
        if not still:
            break
    return lived


def figures(stretch: Stretch, tallies: dict[str, Tally]) -> str:
    """A table: one row for every line, and one for all."""
    columns = [(tally.expected, tally.served, tally.doubled, tally.missed) for tally in tallies.values()]
    rows = [*zip(tallies, columns, strict=True), ("all", tuple(map(sum, zip(*columns, strict=True))))]
    head = f"{stretch.zone}, {stretch.start} to {stretch.stop}, {stretch.speed} times as fast\n"
    head += f"{'':14}expected  served doubled  missed\n"
    latest = f"at most {max(tally.latest for tally in tallies.values())} late\n\n"
    return head + "".join(f"{name:14}{''.join(f'{number:8}' for number in row)}\n" for name, row in rows) + latest


@pytest.mark.parametrize("stretch", STRETCHES, ids=str)
def test_every_slot_is_served_once(tallies: dict[Stretch, dict[str, Tally]], stretch: Stretch):
    """No slot of our table is missed, none is served twice, and nothing fires that is in no slot."""
    sys.stdout.write(figures(stretch, tallies[stretch]))
    assert not wrong(tallies[stretch])
    assert all(tally.expected for tally in tallies[stretch].values())


def test_an_ordinary_day_has_as_many_runs_as_the_frequency_says(tallies: dict[Stretch, dict[str, Tally]]):
    """A whole day of every frequency at every anchor, counted."""
    served = {name: tally.served for name, tally in tallies[ORDINARY].items()}
    a_day = {"15min": 96, "30min": 48, "1hour": 24, "3hours": 8, "6hours": 4, "12hours": 2, "24hours": 1}
    assert served == {name: a_day[name.partition("@")[0]] for name in LINES}
