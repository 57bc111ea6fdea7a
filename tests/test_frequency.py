"""Frequencies: the contract's table, anchors, refusals, and when each line really fires."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from itertools import islice, pairwise, takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli.frequency import (
    FREQUENCIES,
    SystemZone,
    cron_expression,
    in_words,
    local_zone,
    next_times,
    parse_at,
    system_zone,
)
from tests.e2e.conftest import need

MIDNIGHT = time(0, 0)
MINUTES = {"15min": 15, "30min": 30, "1hour": 60, "3hours": 180, "6hours": 360, "12hours": 720, "24hours": 1440}
TABLE = {
    "15min": "*/15 * * * *",
    "30min": "*/30 * * * *",
    "1hour": "0 * * * *",
    "3hours": "0 0,3,6,9,12,15,18,21 * * *",
    "6hours": "0 0,6,12,18 * * *",
    "12hours": "0 0,12 * * *",
    "24hours": "0 0 * * *",
}
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def test_the_table_is_the_contracts():
    """At midnight every key gives the line that the contract promises."""
    assert {key: cron_expression(key, MIDNIGHT) for key in FREQUENCIES} == TABLE


@pytest.mark.parametrize(
    ("key", "at", "line"),
    [
        ("15min", "00:07", "7,22,37,52 * * * *"),
        ("15min", "06:45", "*/15 * * * *"),
        ("30min", "00:40", "10,40 * * * *"),
        ("1hour", "13:05", "5 * * * *"),
        ("3hours", "10:00", "0 1,4,7,10,13,16,19,22 * * *"),
        ("6hours", "01:30", "30 1,7,13,19 * * *"),
        ("12hours", "18:15", "15 6,18 * * *"),
        ("24hours", "07:30", "30 7 * * *"),
    ],
)
def test_an_anchor_moves_the_line(key: str, at: str, line: str):
    """`at` shifts every slot by the same amount."""
    assert cron_expression(key, parse_at(at)) == line


def brute_force(expression: str, day: datetime) -> list[datetime]:
    """The minutes of a day that five fields of `*`, `*/n` and lists match: written again, to judge the first."""

    def matches(field: str, value: int) -> bool:
        if field.startswith("*/"):
            return value % int(field[2:]) == 0
        return field == "*" or value in map(int, field.split(","))

    minute, hour, *date = expression.split()
    assert date == ["*", "*", "*"]
    moments = (day + timedelta(minutes=number) for number in range(1440))
    return [moment for moment in moments if matches(minute, moment.minute) and matches(hour, moment.hour)]


@given(key=st.sampled_from(FREQUENCIES), at=st.times().map(lambda at: at.replace(second=0, microsecond=0)))
def test_every_frequency_fires_exactly_every_n_minutes(key: str, at: time):
    """Through a normal day, at any anchor: none twice, none lost, the anchor among them; two judges agree."""
    expression = cron_expression(key, at)
    day = datetime(2026, 6, 10, tzinfo=UTC)
    fired = list(
        takewhile(lambda t: t < day + timedelta(days=1), next_times(expression, day - timedelta(seconds=1), UTC))
    )
    assert fired == brute_force(expression, day)
    assert datetime.combine(day, at, UTC) in fired
    gaps = {later - earlier for earlier, later in zip(fired, [*fired[1:], fired[0] + timedelta(days=1)], strict=True)}
    assert gaps == {timedelta(minutes=MINUTES[key])}


@pytest.mark.parametrize("text", ["24:00", "7.30", "07:60", "7", "", "٠٧:٣٠", "07:30:00", "-1:00"])
def test_at_is_hours_and_minutes(text: str):
    """What is not a time of day is refused with the form that is wanted."""
    with pytest.raises(ValueError, match='write it as "HH:MM"'):
        parse_at(text)


def test_at_forgives_blanks_and_a_missing_nought():
    """People write 7:30 and mean 07:30."""
    assert parse_at(" 7:30 ") == time(7, 30)


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ("  0\t9  * * MON,thu ", "0 9 * * MON,thu"),
        ("*/7 * * * *", "*/7 * * * *"),
        ("0 9-17/2 1,15 jan-mar *", "0 9-17/2 1,15 jan-mar *"),
        ("0 0 29 2 *", "0 0 29 2 *"),
        ("0 0 * * 7", "0 0 * * 7"),
        ("0 0 31 2 1", "0 0 31 2 1"),
        ("*/59 */23 */30 */11 */7", "*/59 */23 */30 */11 */7"),
    ],
)
def test_a_custom_expression_is_taken_as_it_is(written: str, line: str):
    """Only its blanks are folded, and `at` does not touch it."""
    assert cron_expression(written, time(7, 7)) == line


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("0 0 0 * * *", "has 6 fields, not five"),
        ("* * * *", "has 4 fields, not five"),
        ("0 * * * *\n* * * * *", "has a line break"),
        ("0 * * * *\r", "has a line break"),
        ("0 0 L * *", "'L' cannot be the day of the month; allowed are 1-31"),
        ("0 0 LW * *", "'LW' cannot be the day of the month"),
        ("0 0 15W * *", "'15W' as the day of the month is not something that every cron understands"),
        ("0 0 * * 5L", "'5L' as the day of the week is not"),
        ("0 0 * * 5#2", "'5#2' as the day of the week is not something that every cron understands"),
        ("0 0 ? * *", "'?' as the day of the month"),
        ("H * * * *", "'H' cannot be the minute"),
        ("0~59 * * * *", "'0~59' as the minute"),
        ("0 % * * *", "'%' as the hour"),
        ("0 0 1,,2 * *", "'' as the day of the month"),
        ("61 * * * *", "'61' cannot be the minute; allowed are 0-59"),
        ("0 24 * * *", "'24' cannot be the hour"),
        ("0 0 0 * *", "'0' cannot be the day of the month"),
        ("0 0 * 13 *", "'13' cannot be the month; allowed are 1-12 and jan, feb"),
        ("0 0 * * 8", "'8' cannot be the day of the week"),
        ("99999999 * * * *", "'99999999' as the minute"),
        ("٣ * * * *", "as the minute is not"),
        ("0 0 * jan-3 *", "'jan-3' as the month mixes a name and a number"),
        ("0 0 * * jan", "'jan' cannot be the day of the week; allowed are 0-7 and sun, mon"),
        ("0 0 * * monday", "'monday' cannot be the day of the week"),
        ("*/90 * * * *", "the step of '*/90' is out of range for the minute; allowed here is 1-59"),
        ("*/60 * * * *", "the step of '*/60' is out of range"),
        ("0-10/20 * * * *", "the step of '0-10/20' is out of range for the minute; allowed here is 1-10"),
        ("*/0 * * * *", "the step of '*/0' is out of range"),
        ("0 7-7/1 * * 1", "'7-7/1' as the hour has nothing to step through; write '7'"),
        ("5/15 * * * *", "'5/15' as the minute is read differently by different crons; write '5-59/15'"),
        ("30-10 * * * *", "'30-10' as the minute runs backwards, which most crons never run; write '30-59,0-10'"),
        ("0 22-2 * * *", "write '22-23,0-2'"),
        ("0 0 * * sat-sun", "write '6,0'"),
        ("0 0 31 2 *", "'0 0 31 2 *' would never run"),
        ("0 0 30,31 2 *", "would never run"),
        ("0 0 31 2,4 */2", "would never run"),
    ],
)
def test_what_crons_differ_on_is_refused(written: str, why: str):
    """One sentence that names the part, the field and what is allowed."""
    with pytest.raises(ValueError, match=r".") as refused:
        cron_expression(written, MIDNIGHT)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("hourly", "1hour"),
        ("@hourly", "1hour"),
        ("@daily", "24hours"),
        ("@midnight", "24hours"),
        ("1hours", "1hour"),
        ("1 hour", "1hour"),
        ("60min", "1hour"),
        ("15 minutes", "15min"),
        ("15mins", "15min"),
        ("1d", "24hours"),
        ("3hour", "3hours"),
        ("30mn", "30min"),
        ("1HOUR", "1hour"),
    ],
)
def test_an_unknown_key_gets_the_nearest(written: str, meant: str):
    """By name, by length or by spelling; and the list of what there is."""
    with pytest.raises(ValueError, match=f"did you mean '{meant}'\\? allowed are 15min, 30min, 1hour, "):
        cron_expression(written, MIDNIGHT)


@pytest.mark.parametrize("written", ["", "  ", "fortnightly", "@weekly", "@reboot", "🍎"])
def test_without_a_near_key_only_the_list_is_given(written: str):
    """A guess that is no better than another is not made."""
    with pytest.raises(ValueError, match=r"is not a frequency; allowed are 15min") as refused:
        cron_expression(written, MIDNIGHT)
    assert "did you mean" not in str(refused.value)


@given(st.text(alphabet="0123456789*,-/ abLW#?@%~\n", max_size=20))
def test_any_text_is_an_expression_or_a_sentence(text: str):
    """Nothing but ValueError comes out, and what is taken can be computed with."""
    try:
        expression = cron_expression(text, MIDNIGHT)
    except ValueError:
        return
    assert next(next_times(expression, datetime(2026, 1, 1, tzinfo=UTC), UTC)).tzinfo is UTC
    assert in_words(expression)


def local(expression: str, after: str, zone: ZoneInfo, count: int) -> list[str]:
    start = datetime.fromisoformat(after).replace(tzinfo=zone)
    moments = list(islice(next_times(expression, start, zone), count))
    assert all(moment.tzinfo is UTC for moment in moments)
    return [f"{moment.astimezone(zone):%d %H:%M %Z}" for moment in moments]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * *", ["29 03:00 CEST", "30 02:30 CEST"]),
        ("0 * * * *", ["29 01:00 CET", "29 03:00 CEST"]),
        ("0 0,2,4 * * *", ["29 03:00 CEST", "29 04:00 CEST"]),
        ("15,45 2 * * *", ["29 03:00 CEST", "30 02:15 CEST"]),
    ],
)
def test_in_spring_the_missing_hour_is_made_up_once(expression: str, expected: list[str]):
    """As measured on Debian's cron; two entries of the missing hour are one moment."""
    assert local(expression, "2026-03-29T00:30", AMSTERDAM, 2) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * *", ["25 02:30 CEST", "26 02:30 CET"]),
        ("0 * * * *", ["25 02:00 CEST", "25 02:00 CET", "25 03:00 CET"]),
        ("0 0,2,4 * * *", ["25 02:00 CEST", "25 04:00 CET"]),
    ],
)
def test_in_autumn_the_doubled_hour_runs_fixed_times_once(expression: str, expected: list[str]):
    """As measured on Debian's cron; entries with a star follow the clock through both hours."""
    assert local(expression, "2026-10-25T01:59", AMSTERDAM, len(expected)) == expected


def test_next_times_never_goes_back():
    """Asked in the second half of the doubled hour, the first half is over."""
    after = datetime(2026, 10, 25, 2, 15, tzinfo=AMSTERDAM, fold=1)
    assert next(next_times("30 2 * * *", after, AMSTERDAM)) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_next_times_is_strictly_after():
    """A slot that is now is not the next one, and a moment later does not hide the one before the next."""
    slot = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
    assert next(next_times("0 * * * *", slot, UTC)) == slot + timedelta(hours=1)
    assert next(next_times("0 * * * *", slot - timedelta(microseconds=1), UTC)) == slot


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("*/15 * * * *", "every 15 minutes"),
        ("7,22,37,52 * * * *", "every 15 minutes, at minutes 7, 22, 37 and 52"),
        ("0 * * * *", "every hour, at minute 0"),
        ("30 1,7,13,19 * * *", "every 6 hours, at 01:30, 07:30, 13:30 and 19:30"),
        ("0 0 * * *", "every day, at 00:00"),
        ("0 9 * * mon-fri", "at 09:00 on Monday through Friday"),
        ("* * * * *", "every minute"),
        ("0 9,10 * * *", "at 09:00 and 10:00 every day"),
        ("0,7 * * * *", "at minutes 0 and 7 of every hour"),
    ],
)
def test_in_words(expression: str, words: str):
    """What people read on installing."""
    assert in_words(expression) == words


@pytest.mark.parametrize(
    "tz",
    [
        "Europe/Amsterdam",
        ":Europe/Amsterdam",
        "/usr/share/zoneinfo/Europe/Amsterdam",
        ":/usr/share/zoneinfo/Europe/Amsterdam",
    ],
)
def test_tz_names_the_zone(tz: str, tmp_path: Path):
    """In every form that tzset(3) takes for a named zone."""
    need("/usr" not in tz or Path(tz.lstrip(":")).exists(), "no system time zones here (apt-get install tzdata)")
    assert str(local_zone({"TZ": tz}, tmp_path / "absent")) == "Europe/Amsterdam"


@pytest.mark.parametrize(
    "tz", [None, "", "CET-1CEST,M3.5.0,M10.5.0/3", "Europe", "../etc", "No/Where", "/no/such/file"]
)
def test_without_a_zone_in_tz_the_machines_counts(tz: str | None, tmp_path: Path):
    """The link of /etc/localtime names it, whatever else the target is a link to."""
    localtime = tmp_path / "localtime"
    localtime.symlink_to("../usr/share/zoneinfo/Asia/Kolkata")
    assert str(local_zone({} if tz is None else {"TZ": tz}, localtime)) == "Asia/Kolkata"


def zone_file(zone: str) -> bytes:
    from importlib.resources import files

    return files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()


def test_a_localtime_that_is_a_copy_gives_its_rules(tmp_path: Path):
    """Some machines have a plain file there; its name is lost, its rules are not."""
    (tmp_path / "localtime").write_bytes(zone_file("Asia/Kolkata"))
    zone = local_zone({}, tmp_path / "localtime")
    assert datetime(2026, 6, 10, tzinfo=zone).utcoffset() == timedelta(hours=5, minutes=30)


def rubbish(path: Path) -> None:
    path.write_bytes(b"not a zone")


def nothing(path: Path) -> None:
    pass


@pytest.mark.parametrize("make", [rubbish, nothing, Path.mkdir])
def test_without_anything_it_is_utc(make: Callable[[Path], None], tmp_path: Path):
    """No time zone that can be read is no reason to fail."""
    make(tmp_path / "localtime")
    assert local_zone({}, tmp_path / "localtime") is UTC


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    """A field of a cron expression as `cron_expression` takes it."""
    number = st.integers(low, high)
    span = st.tuples(number, number).map(sorted)
    term = st.one_of(
        number.map(str),
        span.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.just("*"),
        st.tuples(span, number).map(lambda given: f"{given[0][0]}-{given[0][1]}/{given[1]}"),
        number.map(lambda step: f"*/{step}"),
    )
    return st.lists(term, min_size=1, max_size=3).map(",".join)


@given(minutes=fields(0, 59), hours=fields(0, 23), after=st.datetimes(datetime(2025, 1, 1), datetime(2028, 12, 31)))
def test_a_schedule_of_every_day_is_what_cronsim_has(minutes: str, hours: str, after: datetime):
    """Without importing it."""
    try:
        expression = cron_expression(f"{minutes} {hours} * * *", MIDNIGHT)
    except ValueError:
        return
    expected = islice(CronSim(expression, after), 30)
    assert [*islice(next_times(expression, after.replace(tzinfo=UTC), UTC), 30)] == [
        wall.replace(tzinfo=UTC) for wall in expected
    ]


AS_THE_SYSTEM_HAS_IT = """
import sys
from datetime import UTC, datetime
from gradent_cli.frequency import SystemZone
zone = SystemZone()
for line in sys.stdin:
    wall, fold, moment = line.split()
    aware = datetime.fromisoformat(wall).replace(tzinfo=zone, fold=int(fold))
    local = datetime.fromisoformat(moment).astimezone(zone)
    print(aware.astimezone(UTC).isoformat(), aware.tzname(), local.isoformat(), local.fold)
"""


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "UTC"]
)
def test_the_system_knows_its_zone_as_zoneinfo_does(name: str):
    """Every half hour around the changes of two years, and both readings of a time that the clock shows twice."""
    need(Path("/usr/share/zoneinfo", name).exists(), "no system time zones here (apt-get install tzdata)")
    zone = ZoneInfo(name)
    steps = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(2 * 365 * 48)]
    changes = [b for a, b in pairwise(steps) if a.astimezone(zone).utcoffset() != b.astimezone(zone).utcoffset()]
    moments = [change + timedelta(minutes=30 * n) for change in changes for n in range(-6, 7)] or steps[:48]
    walls = [
        (moment.astimezone(zone).replace(tzinfo=None) + timedelta(minutes=m)) for moment in moments for m in (0, 30)
    ]
    asked = [(wall, fold, moment) for wall, moment in zip(walls, moments * 2, strict=True) for fold in (0, 1)]
    given = "".join(f"{wall.isoformat()} {fold} {moment.isoformat()}\n" for wall, fold, moment in asked)
    done = subprocess.run(
        [sys.executable, "-c", AS_THE_SYSTEM_HAS_IT],
        input=given,
        env={**os.environ, "TZ": name},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = []
    for wall, fold, moment in asked:
        aware, local = wall.replace(tzinfo=zone, fold=fold), moment.astimezone(zone)
        expected.append(f"{aware.astimezone(UTC).isoformat()} {aware.tzname()} {local.isoformat()} {local.fold}")
    assert done.stdout.splitlines() == expected


def test_the_system_is_asked_where_no_variable_names_a_zone(monkeypatch: pytest.MonkeyPatch):
    """What this process was started with decides: the C library knows no other."""
    assert str(system_zone({"TZ": "Asia/Kolkata"})) == "Asia/Kolkata"
    assert not isinstance(system_zone({}), SystemZone)
    monkeypatch.delenv("TZ")
    assert isinstance(system_zone({}), SystemZone)
