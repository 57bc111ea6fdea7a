"""The examples are what they say: realistic, ahead of today, and still when nothing has to change."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gradent_cli.agents.study.calendars import open_calendar
from gradent_cli.agents.study.sources import open_source

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NAMES = ("canvas.ics", "calendar.ics", "assignments.toml")


@pytest.fixture
def make(tmp_path):
    """`make("2026-11-23")`: what the script prints on that day; it writes beside itself."""
    script = shutil.copy(Path(__file__).parent.parent / "examples" / "make.py", tmp_path / "make.py")

    def run(today: str) -> str:
        command = [sys.executable, "-W", "error", script, "--today", today]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return run


@pytest.fixture
def made(tmp_path):
    """The bytes of the three files."""
    return lambda: [(tmp_path / "made" / name).read_bytes() for name in NAMES]


def test_the_same_day_changes_nothing(make, made):
    """The files stay until the day of the first due date, and then they move on."""
    assert make("2026-11-23") == "Wrote examples/made/: canvas.ics, calendar.ics, assignments.toml\n"
    first = made()
    for day in ("2026-11-23", "2026-11-24", "2026-11-20"):
        assert make(day) == ""
    assert made() == first
    assert make("2026-11-25").startswith("Wrote")
    assert made() != first


def test_damaged_or_missing_files_are_made_again(make, made, tmp_path):
    """A file that is gone or empty is made again, the same for the same day."""
    make("2026-11-23")
    first = made()
    (tmp_path / "made" / "calendar.ics").unlink()
    assert make("2026-11-23").startswith("Wrote")
    (tmp_path / "made" / "canvas.ics").write_text("")
    assert make("2026-11-23").startswith("Wrote")
    assert made() == first


@pytest.mark.parametrize("weekday", range(7))
def test_everything_lies_ahead(make, tmp_path, weekday):
    """On any day of the week all is read without a warning; one quiz presses, one form is late, the rest is ahead."""
    today = datetime(2026, 10, 19, 12, tzinfo=UTC) + timedelta(days=weekday)
    make(f"{today:%Y-%m-%d}")

    def read(kind: str, name: str) -> dict[str, float]:
        source = open_source(kind, name=name, url=None, path=tmp_path / "made" / name)
        found = source.read(now=today, zone=AMSTERDAM)
        assert found.warnings == ()
        return {each.title: (each.due_at - today) / timedelta(days=1) for each in found.assignments if each.due_at}

    feed, by_hand = read("ics", "canvas.ics"), read("toml", "assignments.toml")
    assert (len(feed), len(by_hand)) == (9, 4)
    assert 1 < feed.pop("Quiz 4: Recursion") < 3
    assert by_hand.pop("Hand in the lab safety form") < 0
    assert min([*feed.values(), *by_hand.values()]) > 2


def test_the_calendar_blocks(make, tmp_path):
    """The week has its lectures, job and sport; the birthday and the concert leave the time free."""
    make("2026-10-17")
    start = datetime(2026, 10, 19, tzinfo=AMSTERDAM)
    calendar = open_calendar("ics", name="calendar", url=None, path=tmp_path / "made" / "calendar.ics")
    found = calendar.busy(start=start, end=start + timedelta(days=14), zone=AMSTERDAM)
    assert found.warnings == ()
    local = [f"{each.starts_at.astimezone(AMSTERDAM):%a %H:%M}" for each in found.busy]
    week = ["Mon 10:00", "Tue 13:00", "Wed 10:00", "Wed 19:30", "Thu 09:00", "Fri 13:00", "Sat 10:00"]
    assert local == week * 2  # the clock change on the 25th moves nothing
