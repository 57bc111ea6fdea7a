"""Which slots are due: what was missed, what is settled, and that no clock can make a slot run twice or never."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradent_cli import tick
from gradent_cli.due import Pause, Settled, Slots, missed_in_words, missed_slots, settled_until
from gradent_cli.explain import clock_changes, upcoming
from gradent_cli.frequency import next_times

HOURLY = "0 * * * *"
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
SPRING = "Sun 29 Mar: clocks go from 02:00 to 03:00"
AUTUMN = "Sun 25 Oct: clocks go back from 03:00 to 02:00, so 02:00-03:00 comes twice"


def at(text: str) -> datetime:
    """`23 08:30` is 23 November 2026, 08:30 UTC; with a month in front it is of that month."""
    *month, date, clock = text.split()
    return datetime.strptime(f"2026 {(month or ['Nov'])[0]} {date} {clock} +0000", "%Y %b %d %H:%M %z")


def hours(*times: str) -> tuple[datetime, ...]:
    return tuple(at(time) for time in times)


# ── what was missed ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("expression", "after", "until", "slots"),
    [
        (HOURLY, "23 09:00", "23 10:00", ("23 10:00",)),  # on time: the one that is served
        (HOURLY, "23 09:00", "23 09:59", ()),
        (HOURLY, "23 09:30", "23 12:10", ("23 10:00", "23 11:00", "23 12:00")),
        ("0 0 * * *", "22 00:00", "23 23:59", ("23 00:00",)),
        (HOURLY, "23 10:00", "23 09:00", ()),  # the clock was set back
    ],
)
def test_slots_lie_after_the_one_moment_and_up_to_the_other(expression, after, until, slots):
    """The slot of the moment itself was served by it."""
    assert missed_slots(expression, UTC, at(after), at(until)) == hours(*slots)


def test_slots_are_those_of_the_zone():
    """Every six hours is five real ones in the night of spring."""
    slots = missed_slots("0 0,6,12,18 * * *", AMSTERDAM, at("Mar 28 22:00"), at("Mar 29 12:00"))
    assert [f"{slot.astimezone(AMSTERDAM):%H:%M}" for slot in slots] == ["00:00", "06:00", "12:00"]
    assert slots[1] - slots[0] == timedelta(hours=5)


def test_a_machine_that_was_off_for_years_is_counted_quickly():
    """Of the last year only."""
    slots = missed_slots("0 0 * * *", UTC, at("23 00:00") - timedelta(days=5000), at("23 00:00"))
    assert len(slots) == 366


@pytest.mark.parametrize(
    ("missed", "words"),
    [
        ((), ""),
        (("23 02:00",), "1 run missed 02:00"),
        (("23 02:00", "23 03:00", "23 05:00", "23 07:00"), "4 runs missed 02:00-07:00"),
        (("22 22:00", "23 07:00"), "2 runs missed Sun 22 Nov 22:00-Mon 23 Nov 07:00"),
        (("22 22:00",), "1 run missed Sun 22 Nov 22:00"),
    ],
)
def test_what_was_missed_is_said_in_words(missed, words):
    """Times alone where all was today, else with their dates."""
    assert missed_in_words(hours(*missed), UTC, at("23 08:00")) == words


def test_today_is_that_of_the_zone():
    """23:30 UTC is tomorrow in Amsterdam."""
    assert missed_in_words(hours("22 23:30"), AMSTERDAM, at("23 08:00")) == "1 run missed 00:30"


# ── what is settled ────────────────────────────────────────────────────────────────────────────────────────────────


def settled(now, *, remembered=None, runs=(), installed=None, expression=HOURLY, changed=None):
    return settled_until(
        at(now),
        remembered=remembered and Settled(at=at(remembered[0]), expression=remembered[1], config="c"),
        runs=lambda: hours(*runs),
        installed_at=installed and at(installed),
        expression=expression,
        changed_at=changed and at(changed),
    )


@pytest.mark.parametrize(
    ("facts", "moment"),
    [
        ({}, None),
        ({"remembered": ("23 08:00", HOURLY)}, "23 08:00"),
        # due.json is the word; the records stand in for it.
        ({"remembered": ("23 08:00", HOURLY), "runs": ("23 09:00",)}, "23 08:00"),
        ({"runs": ("23 09:00", "23 08:00")}, "23 09:00"),
        # What is of the future is not believed: the newest record that is not.
        ({"remembered": ("23 15:00", HOURLY), "runs": ("23 15:00", "23 10:00", "23 09:00")}, "23 10:00"),
        ({"remembered": ("23 15:00", HOURLY), "runs": ("23 15:00",)}, None),
        ({"installed": "23 15:00"}, None),
        # The later of the last run and the installation.
        ({"remembered": ("20 08:00", HOURLY), "installed": "23 07:30"}, "23 07:30"),
        ({"remembered": ("23 08:00", HOURLY), "installed": "23 07:30"}, "23 08:00"),
        ({"installed": "23 07:30"}, "23 07:30"),
        # A schedule that changed: since the file did, or since now where nobody knows when.
        ({"remembered": ("23 08:00", "0 0 * * *"), "changed": "23 09:30"}, "23 09:30"),
        ({"remembered": ("23 08:00", "0 0 * * *"), "changed": "20 09:30"}, "23 10:30"),
        ({"remembered": ("23 08:00", "0 0 * * *"), "changed": "25 09:30"}, "23 10:30"),
        # Something else in the file changed.
        ({"remembered": ("23 08:00", HOURLY), "changed": "23 09:30"}, "23 08:00"),
    ],
)
def test_up_to_when_everything_is_settled(facts, moment):
    """At 10:30, by what is known then."""
    assert settled("23 10:30", **facts) == (moment and at(moment))


# ── the schedule of one config ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def slots(tmp_path: Path, home: Path):
    """Makes the slots of a config that is there; hourly, and installed since long, unless told otherwise."""
    (tmp_path / "config.toml").write_text("")

    def make(**changes: Any) -> Slots:
        facts: dict[str, Any] = {
            "config": str(tmp_path / "config.toml"),
            "state_dir": str(tmp_path / "state"),
            "expression": HOURLY,
            "zone": UTC,
            "environ": {"HOME": str(home)},
            "runs": list,
            "installed_at": at("1 00:00"),
            "pause": None,
        }
        return Slots(**facts | changes)

    return make


def test_a_late_run_serves_one_slot_and_settles_all(slots):
    """However many were missed; the next one comes at its own time."""
    slots().settle(at("23 01:00"))
    assert slots().waiting(at("23 08:15"))[:-1] == hours(*(f"23 0{hour}:00" for hour in range(2, 8)))
    slots().settle(at("23 08:15"))
    assert slots().waiting(at("23 08:59")) == ()
    assert slots().waiting(at("23 09:00")) == hours("23 09:00")


def test_a_tick_leaves_the_first_minute_to_the_scheduled_line(slots):
    """They are started in the same moment, and only one shall run; a tick without such a line does not wait."""
    slots().settle(at("23 09:00"))
    now = at("23 10:00") + timedelta(seconds=30)
    assert (slots().due(now), slots().due(at("23 10:01"))) == (False, True)
    assert slots(installed_at=None).due(at("23 10:00"))


@pytest.mark.parametrize(("now", "written"), [("09:58", True), ("09:59", False), ("10:00", False), ("10:01", True)])
def test_near_a_slot_a_tick_writes_nothing_but_its_heartbeat(slots, now, written):
    """The scheduled line settles it in another process at that moment, and is not overwritten."""
    slots().settle(at("23 10:00") if now == "10:01" else at("23 09:00"))
    before = Path(slots().state_dir, "due.json").read_bytes()
    slots().nothing_due(at(f"23 {now}") + timedelta(seconds=1))
    assert (Path(slots().state_dir, "due.json").read_bytes() != before) == written
    assert Path(slots().state_dir, "tick").exists()


def test_where_nothing_ever_ran_a_tick_runs(slots):
    """The last slot, whenever it was, has been served by nobody; but nothing was missed."""
    assert slots(installed_at=None).due(at("23 10:30"))
    assert slots(installed_at=None).waiting(at("23 10:30")) == ()


def test_the_slots_of_a_pause_were_not_missed(slots):
    """Not when it has ended by itself; while it goes on they are waiting, to be skipped on record."""
    slots().settle(at("23 01:30"))
    pause = Pause(since=at("23 02:30"), until=at("23 06:00"))
    assert slots(pause=pause).waiting(at("23 08:00")) == hours("23 02:00", "23 06:00", "23 07:00", "23 08:00")
    assert slots(pause=pause).waiting(at("23 04:00")) == hours("23 02:00", "23 03:00", "23 04:00")


@pytest.mark.parametrize(
    ("until", "next_one"), [("23 12:00", "23 12:00"), ("23 12:01", "23 13:00"), ("23 09:00", "23 11:00"), (None, None)]
)
def test_the_next_wanted_slot_is_after_the_pause(slots, until, next_one):
    """A pause ends before the slot of its end."""
    pause = Pause(since=at("23 08:00"), until=until and at(until))
    assert slots(pause=pause).next_wanted(at("23 10:30")) == (next_one and at(next_one))


def test_a_pause_comes_back_as_it_was_kept():
    """With its end and reason, or without."""
    for pause in (
        Pause(since=at("23 08:00"), until=at("24 08:00"), reason="exams"),
        Pause(since=at("23 08:00"), until=None),
    ):
        assert Pause.from_text(pause.to_text()) == pause
    assert Pause.from_text(None) is Pause.from_text("") is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'"x"', b'{"settled_at": 1e99}', b"\xff", b"null"])
def test_a_damaged_file_is_as_good_as_none(slots, content):
    """Then the records say what was served."""
    slots().settle(at("23 10:00"))
    Path(slots().state_dir, "due.json").write_bytes(content)
    assert slots(runs=lambda: hours("23 09:00")).waiting(at("23 10:30")) == hours("23 10:00")


def test_the_file_of_another_config_is_not_believed(slots, tmp_path):
    """Two configs may name one state directory."""
    slots().settle(at("23 10:00"))
    other = slots(config=tmp_path / "other.toml", installed_at=at("23 08:30"))
    assert other.waiting(at("23 10:30")) == hours("23 09:00", "23 10:00")


def test_a_dry_run_remembers_nothing(slots):
    """Not even the state directory is made."""
    slots(read_only=True).settle(at("23 10:00"))
    slots(read_only=True).nothing_due(at("23 10:30"))
    assert not Path(slots().state_dir).exists()


def test_what_is_remembered_is_private_and_names_no_variable(slots, home):
    """0600, and of the environment only a checksum."""
    environ = {"HOME": str(home), "GRADENT_NTFY__TOKEN": "tk_planted_4711"}
    slots(environ=environ).settle(at("23 10:00"))
    file = Path(slots().state_dir, "due.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"planted" not in file.read_bytes()
    assert json.loads(file.read_bytes())["expression"] == HOURLY


def test_a_home_that_cannot_be_written_does_not_stop_a_run(slots, tmp_path):
    """The tick takes the long way then."""
    (tmp_path / "file").write_text("")
    slots(environ={"HOME": str(tmp_path / "file")}).settle(at("23 10:00"))
    slots(environ={}).settle(at("23 10:00"))
    assert not slots().due(at("23 10:30"))


# ── for any sequence of ticks ──────────────────────────────────────────────────────────────────────────────────────


class Machine:
    """Ticks and runs as `runner.run_once` goes about them; the short way first, as cron's tick does."""

    def __init__(self, make: Callable[..., Slots]) -> None:
        self.make = make
        self.runs: list[datetime] = []

    def tick(self, now: datetime) -> bool:
        slots = self.make(runs=lambda: self.runs[::-1], installed_at=None)
        arguments = ["--config", slots.config, "run", "--if-due", "--quiet"]
        short = tick.nothing_is_due(arguments, slots.environ, now.timestamp())
        due = slots.due(now)
        assert not (short and due), "the short way was silent where the long one runs"
        if due:
            self.runs.append(now)
            slots.settle(now)
        elif not short:
            slots.nothing_due(now)
        return due


STEPS = st.lists(st.integers(min_value=1, max_value=60 * 30), min_size=1, max_size=25)
SCHEDULES = st.sampled_from(["*/15 * * * *", "0 * * * *", "30 1,7,13,19 * * *", "0 0 * * *"])


@pytest.fixture
def machine(slots, tmp_path_factory):
    """Makes a machine with a config and a state of its own."""

    def make(**changes) -> Machine:
        folder = tmp_path_factory.mktemp("machine")
        (folder / "config.toml").touch()
        return Machine(lambda **facts: slots(config=f"{folder}/config.toml", state_dir=str(folder), **changes, **facts))

    return make


@settings(max_examples=50)
@given(steps=STEPS, expression=SCHEDULES, zone=st.sampled_from([UTC, AMSTERDAM]))
def test_every_slot_is_served_exactly_once(machine, steps, expression, zone):
    """Through any sleep, over both clock changes: a tick runs exactly when a slot has come since the last run."""
    laptop, now = machine(expression=expression, zone=zone), at("Mar 27 09:00")
    assert laptop.tick(now)
    for minutes in steps:
        before, now = laptop.runs[-1], now + timedelta(minutes=minutes)
        assert laptop.tick(now) == bool(missed_slots(expression, zone, before, now))


@settings(max_examples=50)
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 600), st.sampled_from([0, 0, 0, -5, -90, -1500, 1500])), min_size=1, max_size=15
    ),
    expression=SCHEDULES,
)
def test_a_clock_that_jumps_makes_no_silence_and_no_endless_runs(machine, steps, expression):
    """Whatever it did, from the moment it runs on evenly each slot is served once; and one tick runs once."""
    laptop, now = machine(expression=expression), at("23 09:00")
    for minutes, jump in steps:
        now += timedelta(minutes=minutes + jump)
        laptop.tick(now)
        assert not laptop.tick(now), "the same moment was served twice"
    for slot in islice(next_times(expression, now, UTC), 4):
        assert laptop.tick(slot)
        assert not laptop.tick(slot + timedelta(minutes=1))


def test_a_clock_set_forward_and_corrected_serves_nothing_again(machine):
    """10:00 was served; 15:00 was served by mistake; corrected to 10:15, the next is 11:00, and 15:00 comes again."""
    laptop = machine()
    served = [time for time in ("23 10:00", "23 15:00", "23 10:15", "23 11:00", "23 15:00") if laptop.tick(at(time))]
    assert served == ["23 10:00", "23 15:00", "23 11:00", "23 15:00"]


@pytest.mark.parametrize("minutes", [15, 60])
def test_a_clock_set_back_does_not_stop_it(machine, minutes: int):
    """Three hours were served by a clock that was ahead; ticks at the very moment of each slot go on serving them."""
    laptop = machine(expression=f"*/{minutes} * * * *" if minutes < 60 else HOURLY)
    for number in range(12):
        laptop.tick(at("23 07:00") + timedelta(minutes=15 * number))
    assert not laptop.tick(at("23 07:15"))
    served = [laptop.tick(at("23 07:15") + timedelta(minutes=15 * number)) for number in range(1, 9)]
    assert sum(served) == 8 * 15 // minutes


def test_a_schedule_that_a_variable_changed_starts_with_its_next_slot(slots):
    """Also where every tick comes at the very moment of a slot."""
    slots(expression="0 0 * * *", installed_at=None).settle(at("23 08:00"))
    quarters = slots(expression="*/15 * * * *", installed_at=None)
    assert not quarters.due(at("23 09:00"))
    quarters.nothing_due(at("23 09:00"))
    assert quarters.waiting(at("23 09:15")) == hours("23 09:15")


def test_a_slot_that_has_just_come_stays_due_though_nothing_is_remembered(slots):
    """The tick beside the scheduled line leaves it that minute, and looks again a quarter of an hour later."""
    facts = {"runs": lambda: hours("23 09:00")}
    slots(**facts).nothing_due(at("23 10:00"))
    assert slots(**facts).due(at("23 10:15"))


# ── in words, before it happens ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("zone", "expression", "after", "local", "note"),
    [
        (
            "Europe/Amsterdam", "30 2 * * *", "Mar 28 12:00", "Sun 03:00",
            f"{SPRING}; the run of 02:30 happens at 03:00.",
        ),
        (
            "Europe/Amsterdam", "0 * * * *", "Mar 28 23:30", "Sun 03:00",
            f"{SPRING}; there is no run of 02:00 on that day.",
        ),
        (
            "Europe/Amsterdam", "*/15 * * * *", "Mar 29 00:40", "Sun 03:00",
            f"{SPRING}; there are no 4 runs of 02:00-02:45 on that day.",
        ),
        (
            "Europe/Amsterdam", "0 0,6,12,18 * * *", "Mar 28 12:00", "Sun 06:00",
            f"{SPRING}; no run falls between.",
        ),
        (
            "Europe/Amsterdam", "30 2,3 * * *", "Mar 28 12:00", "Sun 03:00",
            f"{SPRING}; the run of 02:30 happens at 03:00.",
        ),
        (
            "Europe/Amsterdam", "0 2,3 * * *", "Mar 28 12:00", "Sun 03:00",
            f"{SPRING}; the run of 02:00 falls together with that of 03:00.",
        ),
        (
            "Europe/Amsterdam", "0,30 2 * * *", "Mar 28 12:00", "Sun 03:00",
            f"{SPRING}; the runs of 02:00 and 02:30 happen as one at 03:00.",
        ),
        (
            "Europe/Amsterdam", "30 2 * * *", "Oct 24 12:00", "Sun 02:30",
            f"{AUTUMN}; the run of 02:30 happens once.",
        ),
        (
            "Europe/Amsterdam", "0 * * * *", "Oct 24 23:30", "Sun 02:00",
            f"{AUTUMN}; the run of 02:00 happens both times.",
        ),
        (
            "Europe/Amsterdam", "0 0 * * *", "Oct 24 12:00", "Mon 00:00",
            f"{AUTUMN}; no run falls into it.",
        ),
        (
            "Australia/Lord_Howe", "15 2 * * *", "Oct 3 12:00", "Sun 02:30",
            "Sun 4 Oct: clocks go from 02:00 to 02:30; the run of 02:15 happens at 02:30.",
        ),
        (
            "Australia/Lord_Howe", "45 1 * * *", "Apr 4 12:00", "Sun 01:45",
            "Sun 5 Apr: clocks go back from 02:00 to 01:30, so 01:30-02:00 comes twice; the run of 01:45 happens once.",
        ),
        (
            "America/New_York", "30 2 * * *", "Mar 7 12:00", "Sun 03:00",
            "Sun 8 Mar: clocks go from 02:00 to 03:00; the run of 02:30 happens at 03:00.",
        ),
    ],
)  # fmt: skip
def test_a_clock_change_is_said_with_the_run_that_it_touches(zone, expression, after, local, note):
    """Which run it moves, merges, doubles or leaves out."""
    runs = upcoming(expression, at(after), ZoneInfo(zone), 8)
    (touched,) = [run for run in runs if run.note]
    assert touched.note == note
    assert f"{touched.at.astimezone(ZoneInfo(zone)):%a %H:%M}" == local


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_where_clocks_do_not_change_nothing_is_said(zone):
    """A whole year of it."""
    runs = upcoming("0 0 * * *", at("Jan 1 00:00"), ZoneInfo(zone), 366)
    assert not any(run.note for run in runs)


def test_clock_changes_are_found_to_the_second():
    """The two of a year, and none where the stretch ends before it."""
    (spring, autumn) = clock_changes(AMSTERDAM, at("Jan 1 00:00"), at("Dec 31 00:00"))
    assert (spring.at, autumn.at) == (at("Mar 29 01:00"), at("Oct 25 01:00"))
    assert (autumn.begins_at, spring.begins_at) == (at("Oct 25 00:00"), at("Mar 29 01:00"))
    assert list(clock_changes(AMSTERDAM, at("Mar 29 01:00"), at("Oct 25 00:59"))) == []


def test_two_changes_before_one_run_are_both_said():
    """A run of once a year."""
    (run,) = upcoming("0 0 1 1 *", at("Jan 2 00:00"), AMSTERDAM, 1)
    assert "29 Mar" in run.note
    assert "25 Oct" in run.note
