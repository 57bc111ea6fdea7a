"""How moments, lengths and names are said."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gradent_cli.agents.study import words
from gradent_cli.agents.study.records import Assignment

BERLIN = ZoneInfo("Europe/Berlin")


def test_moments():
    """Moments are said on the student's own clock, the day without a leading zero."""
    moment = datetime(2026, 12, 4, 22, 59, tzinfo=UTC)
    assert words.when(moment, BERLIN) == "Fri 4 Dec 23:59"
    assert words.day(moment, BERLIN) == "Friday 4 Dec"


@pytest.mark.parametrize(
    ("moment", "said", "day"),
    [
        (datetime(2021, 1, 1, tzinfo=UTC), "Fri 1 Jan 2021 01:00", "Friday 1 Jan 2021"),
        (datetime(2026, 7, 1, tzinfo=UTC), "Wed 1 Jul 02:00", "Wednesday 1 Jul"),
        (datetime(2027, 4, 1, tzinfo=UTC), "Thu 1 Apr 02:00", "Thursday 1 Apr"),
        (datetime(2026, 6, 1, tzinfo=UTC), "Mon 1 Jun 2026 02:00", "Monday 1 Jun 2026"),
        (datetime(2027, 5, 1, tzinfo=UTC), "Sat 1 May 2027 02:00", "Saturday 1 May 2027"),
        (datetime(9999, 12, 31, 23, tzinfo=UTC), "Fri 31 Dec 9999 23:00", "Friday 31 Dec 9999"),
    ],
)
def test_years(moment, said, day):
    """The year is said where it could be another than one thinks."""
    now = datetime(2026, 11, 27, tzinfo=UTC)
    assert (words.when(moment, BERLIN, now=now), words.day(moment, BERLIN, now=now)) == (said, day)


@pytest.mark.parametrize(
    "moment", [datetime(9999, 12, 31, 23, 59, tzinfo=UTC), datetime(1, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo"))]
)
def test_end_of_time(moment):
    """A moment that another zone's calendar does not reach is still said."""
    assert words.when(moment, BERLIN)


@pytest.mark.parametrize(("minutes", "said"), [(0, "0min"), (45, "45min"), (120, "2h"), (210, "3h 30min")])
def test_lengths(minutes, said):
    """Lengths in hours and minutes, without the part that is nought."""
    assert words.length(minutes) == said


@pytest.mark.parametrize(("hours", "said"), [(0, "0min"), (1.66667, "1h 40min"), (4.0, "4h"), (0.9999, "1h")])
def test_work(hours, said):
    """Hours with decimals are said in hours and minutes, to the nearest one."""
    assert words.work(hours) == said


@pytest.mark.parametrize(("value", "said"), [(8, "8 hours"), (1, "1 hour"), (1.5, "1.5 hours"), (5.25, "5.25 hours")])
def test_hours(value, said):
    """Hours with the decimals that say something."""
    assert words.hours(value) == said


def test_names():
    """A title is one clean line, whatever a feed put into it; a session names its course."""
    assignment = Assignment(source="s", key="1", title="Essay\n\x1b[31m1" + "x" * 200, due_at=None)
    assert words.name(assignment).startswith("Essay 1x")
    assert len(words.name(assignment)) == 80
    assert words.session_title(Assignment(source="s", key="1", title=" ", due_at=None, course="MATH 1")) == (
        "Untitled (MATH 1)"
    )
