"""Moments as JSON documents have them."""

from datetime import UTC, datetime


def utc(moment: datetime | None) -> str | None:
    """`2026-11-23T20:00:00Z`; None stays None."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
