"""Real daemons, what a machine must have for them, and who waits beside whom."""

import os

import pytest

LANES = ("fast clock", "nobody fires", "cron", "debian", "booted")
"""Groups of tests that wait most of the time, for a clock or a download: with pytest-xdist a worker each, from the
beginning, in this order. Each takes about three minutes; what shares something costly is in one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The lanes first, then whatever else is real, then the units: what takes longest must not begin last."""

    def rank(item: pytest.Item) -> int:
        lane = item.get_closest_marker("xdist_group")
        if lane is not None and lane.args[0] in LANES:
            return LANES.index(lane.args[0])
        return len(LANES) + (item.get_closest_marker("e2e") is None)

    items.sort(key=rank)


def need(condition: object, reason: str) -> None:
    """Skip, with the reason, where the machine lacks something; in CI fail, for nobody reads its skips."""
    if not condition:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
