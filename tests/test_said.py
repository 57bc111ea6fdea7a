"""What a student types for lengths, days, numbers and names."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gradent_cli.agents.study.spent import minutes_of
from gradent_cli.cli.said import due_at, hours_of, name_of, number_of, worked_at
from gradent_cli.errors import UsageError

NOW = datetime(2026, 11, 24, 14, 3, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
DUE = datetime(2026, 12, 4, 22, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1h30m", 90), ("0min", 0), ("0", 0), ("0h", 0), ("24h", 1440), ("90s", 2), ("1min", 1)],
)
def test_lengths_of_work(text, minutes):
    """Durations in whole minutes; nothing at all is one, too."""
    assert minutes_of(text) == minutes


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("24h1m", "'24h1m' is more than a day holds"),
        ("2w", "'2w' is more than a day holds"),
        ("30s", "'30s' is less than a minute"),
        ("2", "is not a duration"),
        ("-1h", "is not a duration"),
        ("", "is not a duration"),
        ("nan", "is not a duration"),
    ],
)
def test_lengths_that_nobody_works(text, why):
    """More than a day, less than a minute, or no length: one sentence each."""
    with pytest.raises(UsageError, match=why):
        minutes_of(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23", datetime(2026, 11, 23, 22, 59, tzinfo=UTC)),
        ("2026-11-24", NOW),
        ("2026-11-24T15:00", datetime(2026, 11, 24, 14, 0, tzinfo=UTC)),
        ("2026-11-24 14:03Z", NOW),
    ],
)
def test_when_work_ended(text, moment):
    """On the student's own clock; a day is taken to its end, today up to now."""
    assert worked_at(text, now=NOW, zone=BERLIN) == moment


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-11-25", "in the future"),
        ("2026-11-24T15:04", "in the future"),
        ("9999-12-31T23:59", "in the future"),
        ("yesterday", "'yesterday' is not a date"),
        ("2026-13-01", "'2026-13-01' is not a date"),
        ("", "'' is not a date"),
    ],
)
def test_when_no_work_can_have_ended(text, why):
    """Later than now, or no date: one sentence each."""
    with pytest.raises(UsageError, match=why):
        worked_at(text, now=NOW, zone=BERLIN)


@pytest.mark.parametrize(
    "text", ["2026-W49", "2026-W49-2", "2026W49", "20261201", "2026-W49-2T18:00", "20261201T1800", "2026-12-01T18"]
)
def test_other_ways_to_write_a_day(text):
    """A week, or digits in a row, are one slip away from another day: refused, for work as for a due date."""
    for read in (lambda: due_at(text, zone=BERLIN), lambda: worked_at(text, now=NOW, zone=BERLIN)):
        with pytest.raises(UsageError, match=f"'{text}' is not a date") as caught:
            read()
        assert caught.value.hint == "write it as 2026-12-01 or 2026-12-01T18:00"


def test_due_dates():
    """A day means its end, and "none" that there is none."""
    assert due_at("2026-12-04", zone=BERLIN) == DUE
    assert due_at("2026-12-04T23:59", zone=BERLIN) == DUE
    assert due_at(" None ", zone=BERLIN) is None
    with pytest.raises(UsageError, match="'soon' is not a date"):
        due_at("soon", zone=BERLIN)


@pytest.mark.parametrize(("text", "value"), [("20", 20), ("12,5", 12.5), (" 20 % ", 20), ("0", 0), ("100%", 100)])
def test_numbers(text, value):
    """Percent with its sign or without, with either decimal mark."""
    assert number_of(text, "the weight", 100) == value


@pytest.mark.parametrize("text", ["101", "-1", "nan", "inf", "1e2", "many", "", "%"])
def test_numbers_that_are_none(text):
    """Out of range, infinite, or no number: a sentence that names the range."""
    with pytest.raises(UsageError, match="the weight has to be a number from 0 to 100"):
        number_of(text, "the weight", 100)


def test_efforts():
    """Hours from a duration; what nobody can mean is refused."""
    assert hours_of("1h30m") == 1.5
    for text, why in (("5", "is not a duration"), ("50d", "is no effort"), ("1s", "is no effort")):
        with pytest.raises(UsageError, match=why):
            hours_of(text)


def test_names_are_one_harmless_line():
    """Escapes, newlines and bidirectional controls are gone; nothing but them is no name."""
    assert name_of("Es\u202esay\n \x1b[31m1", "the title") == "Essay 1"
    for text in ("", " \n", "\x1b[0m\u202e"):
        with pytest.raises(UsageError, match="the title has to have letters in it"):
            name_of(text, "the title")
