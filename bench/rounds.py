"""Rounds: everything in each, in an order that is drawn anew, so that a slow moment of the machine hits all alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median, quantiles

from bench.measure import Sample, Scenario, Unfit, measure

SHORT, REPEATS = 0.1, 5
"""What takes less processor time than this, in seconds, is run so often in each round, and the middle one counts: what
everything is divided by must not be what a hiccup made of it."""
FEWEST = 5
"""Rounds that are made though the time is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """`samples[name]` has one sample for each round; `failed` says why something has none."""

    samples: Mapping[str, Sequence[Sample]]
    failed: Mapping[str, str]

    def __contains__(self, name: str) -> bool:
        return name in self.samples

    def ratios(self, name: str, to: str = "base") -> list[float]:
        """Processor time over that of another one, round by round."""
        pairs = zip(self.samples[name], self.samples[to], strict=True)
        return [one.cpu / other.cpu for one, other in pairs]

    def ratio(self, name: str, to: str = "base") -> float:
        """The median of `ratios`."""
        return median(self.ratios(name, to))

    def peak(self, name: str) -> float:
        """Bytes of the largest process at its peak, the median."""
        return median(each.rss for each in self.samples[name])

    def more(self, name: str, than: str) -> tuple[float, float]:
        """Seconds of processor time, and bytes, that it takes more than another one: medians of the differences."""
        pairs = list(zip(self.samples[name], self.samples[than], strict=True))
        return median(a.cpu - b.cpu for a, b in pairs), median(a.rss - b.rss for a, b in pairs)

    def summary(self, name: str) -> dict[str, float | list[float]]:
        """Medians, and the quartiles of the ratio to the bare interpreter."""
        samples = self.samples[name]
        return {
            "wall_ms": round(median(each.wall for each in samples) * 1000, 2),
            "cpu_ms": round(median(each.cpu for each in samples) * 1000, 2),
            "rss_mb": round(self.peak(name) / 1e6, 2),
            "ratio": round(self.ratio(name), 3),
            "quartiles": [round(each, 3) for each in quartiles(self.ratios(name))],
        }


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The first and the third."""
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = quantiles(values, n=4, method="inclusive")
    return first, third


def go(
    scenarios: Sequence[Scenario],
    *,
    rounds: int,
    seconds: float,
    seed: int,
    helper: Path,
    seen: Callable[[], int],
    say: Callable[[str], None],
) -> Measured:
    """Measure all of them.

    A round that does not count comes first: it fills caches, and what cannot be measured drops out there.

    Args:
        rounds: at most; fewer when `seconds` are over, but not fewer than `FEWEST`.
        seed: of the orders.
    """
    failed: dict[str, str] = {}
    fit, order = [], []
    for scenario in scenarios:
        try:
            first = measure(scenario, helper, seen)
        except Unfit as reason:
            failed[scenario.name] = str(reason)
        else:
            fit.append(scenario)
            order += [scenario] * (REPEATS if first.cpu < SHORT else 1)
    samples: dict[str, list[Sample]] = {scenario.name: [] for scenario in fit}
    lot, begun = Random(seed), time.monotonic()
    for number in range(rounds):
        if number >= FEWEST and time.monotonic() - begun > seconds:
            break
        lot.shuffle(order)
        taken: dict[str, list[Sample]] = {scenario.name: [] for scenario in fit}
        for scenario in order:
            taken[scenario.name].append(measure(scenario, helper, seen))
        for name, several in taken.items():
            samples[name].append(sorted(several, key=lambda each: each.cpu)[len(several) // 2])
        say(f"round {number + 1} of {rounds}")
    return Measured(samples=samples, failed=failed)
