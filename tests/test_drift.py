"""Drift: a sentence and a remedy for each way in which crontab, config, machine and history can part."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gradent_cli.schedulers import block, drift
from tests.street.clock import NOW

CONFIG = Path("/home/ada/.config/gradent/config.toml")
PYTHON = Path("/opt/gradent/bin/python")
HERE = ZoneInfo("Europe/Amsterdam")
HOURLY = block.job_lines("0 * * * *", PYTHON, CONFIG, catch_up=False)
BOTH = block.job_lines("0 * * * *", PYTHON, CONFIG, catch_up=True)
AT_SEVEN = block.job_lines("0 * * * *", PYTHON, CONFIG, catch_up=True, flush="0 7 * * *")
FINE = drift.Found(
    lines=HOURLY,
    canary=False,
    interpreter_trouble=None,
    daemon_running=True,
    how_to_start="sudo service cron start",
    installed_at=NOW - timedelta(days=3),
    written_at=NOW - timedelta(days=3),
    fired_at=NOW - timedelta(minutes=60),
)


def seen(wanted: tuple[bytes, ...] = HOURLY, **changes: Any) -> list[drift.Difference]:
    return list(drift.differences(replace(FINE, **changes), wanted, NOW, HERE))


def test_what_is_as_it_should_be_has_no_difference():
    """With and without catch-up, and where nobody can tell whether a daemon runs."""
    assert seen() == []
    assert seen(BOTH, lines=BOTH, daemon_running=None) == []
    assert seen(AT_SEVEN, lines=AT_SEVEN) == []


def test_what_was_never_installed_has_no_difference():
    """Not even without a daemon: there is nothing that it would fire."""
    assert seen(lines=None, installed_at=None, fired_at=None, daemon_running=False) == []


def test_a_removed_block_is_told():
    """It was installed, and not by gradent was it taken away; both ways out are named."""
    (difference,) = seen(lines=None)
    assert difference.part == "crontab"
    assert difference.sentence == (
        "the block that gradent installed on Fri 20 Nov 2026 10:00 is gone from the crontab: "
        "gradent install-cron; or gradent uninstall-cron, if meant"
    )


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (b"#" + HOURLY[0],),
        (HOURLY[0] + b" --json",),
        (HOURLY[0].replace(b" -P", b""),),
        (HOURLY[0] + b" 'unclosed",),
        (*HOURLY, b"0 5 * * * /usr/bin/backup"),
        (*HOURLY, *HOURLY),
        (*HOURLY, AT_SEVEN[-1], AT_SEVEN[-1]),
        (AT_SEVEN[-1], *HOURLY),
        (*HOURLY, AT_SEVEN[-1] + b" --json"),
    ],
)
def test_edited_lines_are_told(lines: tuple[bytes, ...]):
    """Whatever a person has made of them; it may still work, so it is no failure."""
    differences = seen(lines=lines)
    assert [difference.what for difference in differences] == [
        "the lines between gradent's markers in the crontab were edited by hand"
    ]
    assert differences[0].harmless
    assert differences[0].remedy == "gradent install-cron writes them anew"


def test_another_frequency_is_told():
    """Both schedules are named; when cron last fired says nothing then."""
    (difference,) = seen(block.job_lines("*/15 * * * *", PYTHON, CONFIG, catch_up=False), fired_at=None)
    assert difference.sentence == (
        "cron runs at '0 * * * *' but the config asks for '*/15 * * * *': gradent install-cron"
    )
    assert not difference.harmless


@pytest.mark.parametrize(
    ("lines", "wanted", "what"),
    [
        (BOTH, AT_SEVEN, "no line of the crontab sends what quiet hours held when they end"),
        (AT_SEVEN, BOTH, "a line of the crontab sends what quiet hours held, and there are no quiet hours"),
        (
            (*BOTH, AT_SEVEN[-1].replace(b"0 7", b"30 6")),
            AT_SEVEN,
            "cron sends what quiet hours held at '30 6 * * *' but they end at '0 7 * * *'",
        ),
    ],
)
def test_a_flush_that_is_not_as_it_should_be_is_told(lines: tuple[bytes, ...], wanted: tuple[bytes, ...], what: str):
    """Missing, left over, or at another time; runs take place all the same."""
    (difference,) = seen(wanted, lines=lines)
    assert (difference.part, difference.what, difference.harmless) == ("quiet hours", what, True)
    assert difference.remedy == "gradent install-cron"


def test_a_flush_does_not_hide_another_frequency():
    """Of both there is a sentence, and of the Python that both lines start one."""
    other = block.job_lines("*/15 * * * *", Path("/other/python"), CONFIG, catch_up=True)
    assert [difference.part for difference in seen(AT_SEVEN, lines=other)] == ["quiet hours", "crontab", "interpreter"]


@pytest.mark.parametrize("trouble", ["is gone", "cannot be executed", "does not find gradent any more"])
def test_a_moved_environment_is_told(trouble: str):
    """The Python that is named in the line, and what is wrong with it; even when the line is right to the byte."""
    moved = block.job_lines("0 * * * *", Path("/old/python"), CONFIG, catch_up=False)
    for lines, name in ((moved, "/old/python"), (HOURLY, str(PYTHON))):
        (difference,) = seen(lines=lines, interpreter_trouble=trouble)
        assert (difference.part, difference.harmless) == ("interpreter", False)
        assert difference.what == f"the Python of the crontab line, {name}, {trouble}"
        assert "gradent install-cron" in difference.remedy


def test_another_python_that_works_is_told_without_alarm():
    """Two installations beside each other are somebody's choice, perhaps."""
    (difference,) = seen(lines=block.job_lines("0 * * * *", Path("/other/python"), CONFIG, catch_up=False))
    assert difference.what == f"cron starts another Python, /other/python, than this gradent's, {PYTHON}"
    assert difference.harmless


def test_a_daemon_that_does_not_run_is_told():
    """With the command that starts it; that nothing fired is then no news."""
    (difference,) = seen(daemon_running=False, fired_at=None)
    assert difference.sentence == "no cron daemon is running, so nothing will fire: sudo service cron start"


def test_a_left_canary_is_told():
    """With a block of gradent's or without."""
    for lines in (HOURLY, None):
        difference, *_ = seen(lines=lines, canary=True)
        assert "a canary of `install-cron --verify` is in the crontab" in difference.what
        assert (difference.remedy, difference.harmless) == ("gradent install-cron", True)


# ── nothing fired ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("minutes", "due"),
    [(60, 0), (61, 0), (119, 0), (121, 2), (241, 4)],
    # It is exactly 9:00, and the slot of 9:00 is not late yet: after 6:59 come 7:00 and 8:00.
)
def test_two_slots_without_a_firing_are_told(minutes: int, due: int):
    """One may be chance; the slot of this minute does not count yet."""
    differences = seen(fired_at=NOW - timedelta(minutes=minutes), installed_at=NOW - timedelta(days=3))
    if not due:
        assert differences == []
        return
    (difference,) = differences
    assert difference.part == "firing"
    assert f"though {due} runs were due" in difference.what
    assert "--catch-up" in difference.remedy
    assert "--verify" in difference.remedy


def test_the_time_of_the_last_firing_is_local():
    """As the person's clock showed it."""
    (difference,) = seen(fired_at=NOW - timedelta(hours=4))
    assert difference.what == "cron has not fired since Mon 23 Nov 2026 06:00, though 3 runs were due"


def test_never_fired_counts_from_the_day_of_installing():
    """Installed a moment ago is no reason to worry; two slots ago is."""
    assert seen(fired_at=None, installed_at=NOW - timedelta(minutes=90)) == []
    (difference,) = seen(fired_at=None, installed_at=NOW - timedelta(minutes=150))
    assert difference.what == "cron has not fired yet, though 2 runs were due"


def test_a_new_installation_is_not_blamed_for_the_past():
    """Slots from before the line was written are not its."""
    assert seen(fired_at=NOW - timedelta(days=9), installed_at=NOW - timedelta(minutes=30)) == []


def test_a_line_that_was_just_changed_is_not_blamed_for_the_past():
    """It may have had other times before; what it has now counts from then on."""
    assert seen(fired_at=NOW - timedelta(hours=20), written_at=NOW - timedelta(minutes=70)) == []


def test_without_a_date_nothing_is_claimed():
    """A block that a person has put there from `crontab.example`."""
    assert seen(fired_at=None, installed_at=None) == []


def test_long_years_are_counted_in_no_time():
    """A machine that was off since the epoch is no trouble."""
    (difference,) = seen(
        block.job_lines("* * * * *", PYTHON, CONFIG, catch_up=False),
        lines=block.job_lines("* * * * *", PYTHON, CONFIG, catch_up=False),
        fired_at=NOW.replace(year=1971),
        installed_at=None,
        written_at=None,
    )
    assert "though 10000 runs were due" in difference.what
