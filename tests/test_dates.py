"""How a person writes a day or a moment, the same in a list and on the command line."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from gradent_cli.agents.study import dates

BERLIN = ZoneInfo("Europe/Berlin")


def test_days():
    """A day is meant to its end on the student's own clock."""
    assert dates.parse(" 2026-12-01 ", BERLIN) == (date(2026, 12, 1), datetime(2026, 12, 1, 22, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-01T18:00", datetime(2026, 12, 1, 17, tzinfo=UTC)),
        ("2026-12-01 18:00", datetime(2026, 12, 1, 17, tzinfo=UTC)),
        ("2026-12-01t18:00:30z", datetime(2026, 12, 1, 18, 0, 30, tzinfo=UTC)),
        ("2026-12-01T18:00:00.000Z", datetime(2026, 12, 1, 18, tzinfo=UTC)),
        ("2026-12-01T18:00-05:00", datetime(2026, 12, 1, 23, tzinfo=UTC)),
        ("2026-12-01 18:00:00+0530", datetime(2026, 12, 1, 12, 30, tzinfo=UTC)),
        ("9999-12-31T23:59", datetime(9999, 12, 31, 9, 59, tzinfo=UTC)),
    ],
)
def test_moments(text, moment):
    """With `T` or a blank, with seconds or a zone; without a zone it is on the student's own clock."""
    assert dates.parse(text, BERLIN) == (None, moment)


@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "2026-W49", "2026-W49-2", "2026W49", "20261201", "20261201T1800", "2026-335", "2026-12", "26-12-01",
        "2026-02-30", "2026-12-01T", "2026-12-01T18", "2026-12-01T1800", "2026-12-01x18:00", "2026-12-01T25:00",
        "2026-12-01T18:00 CET", "2026-12-01T18:00+99:00", "٢٠٢٦-12-01", "2026-12-01\n2026-12-02",
    ],
)  # fmt: skip
def test_everything_else(text):
    """Weeks, digits in a row, days that there are not: no guess is made."""
    with pytest.raises(ValueError, match=r"."):
        dates.parse(text, BERLIN)
