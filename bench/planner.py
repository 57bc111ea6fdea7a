"""How long planning takes, and how that grows: python bench/planner.py [--json].

For each number of assignments two plans, one in which all fits and one in which half does not: seconds of processor
time (the median of several), made anew and again with itself as what is known, with five busy events an assignment.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from time import process_time

from gradent_cli.agents.study.records import Assessment, Assignment, Busy, Plan, Session
from gradent_cli.agents.study.rules import Rules
from gradent_cli.agents.study.schedule import schedule

NOW = datetime(2026, 11, 23, 14, 3, tzinfo=UTC)


Work = list[tuple[Assignment, Assessment]]


def assignments(number: int, hours: float, days: int) -> Work:
    """Assignments due evenly over the days."""
    found = []
    for n in range(number):
        due = NOW + timedelta(hours=12) + timedelta(days=days - 0.6) * (n / number)
        assignment = Assignment(source="bench", key=str(n), title=f"Work {n}", due_at=due)
        assessment = Assessment(
            assignment_id=assignment.id,
            effort_low_hours=hours,
            effort_likely_hours=hours,
            effort_high_hours=hours,
            difficulty=3,
            risk=50,
            confidence=0.5,
            reason="",
            fingerprint=assignment.fingerprint,
            assessed_at=NOW,
        )
        found.append((assignment, assessment))
    return found


def events(number: int, days: int) -> list[Busy]:
    """Events in the mornings, as many each day."""
    found = []
    for n in range(number):
        begin = NOW.replace(hour=8, minute=0) + timedelta(days=n % days, minutes=15 * (n // days % 14))
        found.append(Busy(starts_at=begin, ends_at=begin + timedelta(minutes=30)))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One size: `anew` and `again` in seconds, what could be placed, and how many assignments come short."""

    assignments: int
    events: int
    days: int
    load: str
    anew: float
    again: float
    sessions: int
    short: int


def measure(load: str, effort: float, number: int, busy: int, rules: Rules, days: int, times: int) -> Row:
    """The median seconds for a plan made anew, and for the same with that plan known."""
    work, taken = assignments(number, effort, days), events(busy, days)

    def plan(sessions: tuple[Session, ...]) -> tuple[Plan, float]:
        begun = process_time()
        found = schedule(work, busy=taken, sessions=sessions, settled={}, rules=rules, now=NOW, zone=UTC)
        return found, process_time() - begun

    anew = [plan(()) for _ in range(times)]
    again = [plan(anew[0][0].sessions) for _ in range(times)]
    first, second = (median(seconds for _, seconds in each) for each in (anew, again))
    found = anew[0][0]
    sessions, short = len(found.sessions), len(found.short)
    return Row(
        assignments=number, events=busy, days=days, load=load, anew=first, again=second, sessions=sessions, short=short
    )


def rows() -> Iterator[Row]:
    """One for each size and load: first what a student may have, then how it grows."""
    usual = Rules(horizon_days=120)
    for load, effort in (("fits", 2), ("too much", 9)):
        yield measure(load, effort, 200, 2000, usual, 120, 5)
    for number in (10, 100, 1_000, 10_000):
        days = -(-number * 366 // 10_000)
        wide = Rules(hours=(((0, 24 * 60),),) * 7, max_per_day=timedelta(hours=16), horizon_days=days + 1)
        for load, effort, rules in (("fits", 0.25, wide), ("too much", 1.5, replace(usual, horizon_days=days + 1))):
            yield measure(load, effort, number, 5 * number, rules, days, 3)


def main() -> None:
    """Print a line for each, or all of them as JSON."""
    if sys.argv[1:] == ["--json"]:
        print(json.dumps([asdict(row) for row in rows()]))
        return
    for row in rows():
        size = f"{row.assignments:6} assignments {row.events:6} events {row.days:4} days  {row.load:8}"
        took = f"{row.anew:8.3f} s anew {row.again:8.3f} s again"
        print(f"{size} {took} {row.sessions:6} sessions {row.short:6} short", flush=True)


if __name__ == "__main__":
    main()
