"""Moments that tests agree on."""

from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""A Monday, in no zone's clock change."""


class Clock:
    """Stands still unless told; each reading can be made to cost something."""

    def __init__(self, now: datetime = NOW, *, tick: timedelta = timedelta(0)) -> None:
        self.now = now
        self.tick = tick

    def __call__(self) -> datetime:
        self.now += self.tick
        return self.now
