from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15min", 900), ("15m", 900), ("1h30m", 5400), ("1h 30min", 5400), ("2d", 172800), ("2w", 1209600),
     ("0.5h", 1800), (" 1H ", 3600)],
)  # fmt: skip
def test_parts_add_up(text, seconds):
    """Each unit counts, alone and together, in any case and with blanks."""
    assert durations.parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "15", "min", "1h-30m", "1y", "0s", "0.1s", "0.99s", "400d", "1h30", "-5min", "½h"]
)
def test_anything_else_is_refused_with_a_sentence(text):
    """No unit, no number, a sign, nothing, too much: one sentence, never a guess."""
    with pytest.raises(ValueError, match=r"is not a duration"):
        durations.parse(text)


@given(st.integers(1, 366 * 86400))
def test_what_is_spelt_reads_back(seconds):
    """`spell` and `parse` are each other's reverse for whole seconds."""
    assert durations.parse(durations.spell(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


def test_spelling_is_short():
    """Minutes alone say `min`, so that nobody reads months or metres."""
    spelt = [durations.spell(timedelta(minutes=m)) for m in (15, 90, 1440)]
    assert spelt == ["15min", "1h30m", "1d"]
