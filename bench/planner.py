"""How long planning takes, and how that grows: python bench/planner.py.

For each number of assignments two plans, one in which all fits and one in which half does not: seconds of processor
time (the median of several), made anew and again with itself as what is known, with five busy events an assignment.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median
from time import process_time

from gradent_cli.agents.study.schedule import Rules, schedule
from gradent_cli.records import Assessment, Assignment, Busy, Plan, Session

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


def measure(work: Work, busy: list[Busy], rules: Rules, times: int) -> str:
    """The median seconds for a plan made anew, and for the same with that plan known."""

    def plan(sessions: tuple[Session, ...]) -> tuple[Plan, float]:
        begun = process_time()
        found = schedule(work, busy=busy, sessions=sessions, settled={}, rules=rules, now=NOW, zone=UTC)
        return found, process_time() - begun

    anew = [plan(()) for _ in range(times)]
    again = [plan(anew[0][0].sessions) for _ in range(times)]
    first, second = (median(seconds for _, seconds in each) for each in (anew, again))
    found = anew[0][0]
    return f"{first:8.3f} s anew {second:8.3f} s again {len(found.sessions):6} sessions {len(found.short):6} short"


def main() -> None:
    """Print a line for each size."""
    usual = Rules(horizon_days=120)
    for name, effort in (("fits", 2), ("too much", 9)):
        print(f"   200 assignments   2000 events  120 days  {name:8}", end=" ")
        print(measure(assignments(200, effort, 120), events(2000, 120), usual, 5), flush=True)
    for number in (10, 100, 1_000, 10_000):
        days = -(-number * 366 // 10_000)
        wide = Rules(hours=(((0, 24 * 60),),) * 7, max_per_day=timedelta(hours=16), horizon_days=days + 1)
        for name, effort, rules in (("fits", 0.25, wide), ("too much", 1.5, replace(usual, horizon_days=days + 1))):
            row = measure(assignments(number, effort, days), events(5 * number, days), rules, 3)
            print(f"{number:6} assignments {5 * number:6} events {days:4} days  {name:8} {row}", flush=True)


if __name__ == "__main__":
    main()
