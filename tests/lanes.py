"""Which of xdist's workers runs what, and what begins first: `pytest -n 6`."""

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

_CANARY = "tests/e2e/test_canary.py::test_"
LANES = {
    "fast clock": ("tests/e2e/test_fast_clock.py",),
    "nobody fires": (f"{_CANARY}a_canary_that_nobody_fires",),
    "debian": ("tests/e2e/test_daemons.py", "tests/e2e/test_real_ntfy.py"),
    "cron": ("tests/e2e/test_real_cron.py", f"{_CANARY}cron_fires", f"{_CANARY}an_ended_wait"),
    "booted": ("tests/e2e/test_real_systemd.py", "tests/e2e/test_million.py"),
    "caldav": ("tests/test_caldav.py",),
}
"""Tests that wait for a clock, a cron or a download most of the time. A lane has one worker, and takes about as long as
the longest of them, three minutes; what shares something costly is in one."""


def lane(nodeid: str) -> str | None:
    return next((name for name, starts in LANES.items() if nodeid.startswith(starts)), None)


def sort(items: list[pytest.Item]) -> None:
    """The lanes, then whatever else is real, then the units: what takes longest must not begin last."""

    def rank(item: pytest.Item) -> int:
        name = lane(item.nodeid)
        if name is not None:
            return [*LANES].index(name)
        return len(LANES) + (item.get_closest_marker("e2e") is None)

    items.sort(key=rank)


class Lanes(LoadScopeScheduling):  # type: ignore[misc]  # xdist says nothing of its types
    """Lanes as a whole, everything else one by one, to whichever worker is free, in the order of the collection."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid) or nodeid
