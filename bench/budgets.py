"""What each figure may be, and what it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.rounds import Measured

RATIOS = {
    "version": 2.0,
    "tick": 2.0,
    "run": 3.5,
    "changed": 22.0,
    "one": 12.5,
    "two": 12.5,
    "hundred": 25.0,
    "help": 15.0,
}
"""Scenario -> processor time, times the bare interpreter's."""
PEERS = (
    ("tick", "chronic", 1.0),
    ("tick", "kage", 0.15),
    ("one", "ntfy", 0.9),
    ("one", "cronitor", 0.9),
    ("one", "apprise", 0.4),
)
"""Scenario, peer, and processor time, times the peer's."""
PAST = 1.3
"""Processor time after a million runs, times that after a thousand."""
RUN_MB = 15.0
POUR_MS, POUR_MB = 150.0, 1.0
"""For 100 MB of output."""
SENDS = {1: 1.15, 2: 1.15, 10: 1.15, 100: 1.5}
"""Targets -> times the slowest of them."""
PLAN_MS = 150.0
"""For 200 assignments, 2,000 events and 120 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Something measured; `value` is None where that was not possible, and `note` says why."""

    what: str
    value: float | None
    unit: str
    budget: float | None
    note: str = ""

    @property
    def over(self) -> bool:
        """Whether it is over its budget."""
        return self.value is not None and self.budget is not None and self.value > self.budget


def figures(
    measured: Measured,
    titles: Mapping[str, str],
    sends: Mapping[int, tuple[float, float]],
    plans: Sequence[Mapping[str, Any]],
) -> list[Figure]:
    """All that there are.

    Args:
        titles: scenario -> its words.
        sends: targets -> times the slowest, with and without imports.
        plans: the planner's rows; the first ones are what has a budget.
    """
    found = []

    def add(what: str, unit: str, budget: float | None, needs: Sequence[str], value: Callable[[], float]) -> None:
        gone = [titles.get(name, name) for name in needs if name not in measured]
        note = f"{' and '.join(gone)} could not be measured" if gone else ""
        found.append(Figure(what=what, value=None if gone else value(), unit=unit, budget=budget, note=note))

    for name, budget in RATIOS.items():
        add(titles[name], "x interpreter", budget, [name], lambda name=name: measured.ratio(name))
    add(f"{titles['run']}: memory", "MB", RUN_MB, ["run"], lambda: measured.peak("run") / 1e6)
    for name, peer, budget in PEERS:
        what = f"{titles[name]}; beside {titles.get(peer, peer)}"
        add(what, "x peer", budget, [name, peer], lambda name=name, peer=peer: measured.ratio(name, peer))
    for name in ("tick", "run"):
        many, few = f"{name}-1000000", f"{name}-1000"
        what = f"{name} after a million runs; beside one after a thousand"
        add(what, "x", PAST, [many, few], lambda many=many, few=few: measured.ratio(many, few))
    add(
        "100 MB of output: processor time",
        "ms",
        POUR_MS,
        ["pour", "run"],
        lambda: measured.more("pour", "run")[0] * 1000,
    )
    add("100 MB of output: memory", "MB", POUR_MB, ["pour", "run"], lambda: measured.more("pour", "run")[1] / 1e6)
    for targets, (_, alone) in sends.items():
        what = f"sending to {targets} {'target' if targets == 1 else 'targets'} of 200 ms"
        found.append(Figure(what=what, value=alone, unit="x slowest", budget=SENDS[targets]))
    for targets, (first, _) in sends.items():
        what = f"the same, {targets}, with the import of the HTTP client"
        found.append(Figure(what=what, value=first, unit="x slowest", budget=None))
    slowest = max(max(plan["anew"], plan["again"]) for plan in plans[:2]) * 1000
    found.append(Figure(what="planning 200 assignments around 2,000 events", value=slowest, unit="ms", budget=PLAN_MS))
    return found
