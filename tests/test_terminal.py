"""How text is put on a terminal."""

from datetime import timedelta

import pytest

from gradent_cli.cli import terminal
from gradent_cli.text import columns


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0s"), (1.25, "1.2s"), (12, "12s"), (180, "3min"), (7500, "2h 5min"), (7200, "2h"),
     (259200, "3 days")],
)  # fmt: skip
def test_spans_are_as_long_as_they_need_to_be(seconds, words):
    """Tenths for what is quick, days for what is slow."""
    assert terminal.span(timedelta(seconds=seconds)) == words


def test_a_command_is_not_broken_at_its_hyphens():
    """It can be copied as it stands, whatever the width."""
    for blanks in range(60, 80):
        assert "--ntfy-token" in terminal.hanging("", "x" * blanks + " gradent config set --ntfy-token -", indent=2)


def test_wide_characters_keep_a_table_in_shape():
    """They take two columns each, and the next column begins under its head all the same."""
    rows = terminal.table([["線形", "1"], ["Essay", "2"]], ["WHAT", "N"]).splitlines()
    assert [columns(row[: row.index(end)]) for row, end in zip(rows[1:], "12", strict=True)] == [7, 7]
