"""Quiet hours, the day's allowance, what is told as one, and how many messages a schedule makes."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli.frequency import FREQUENCIES, cron_expression
from gradent_cli.notify import noise
from gradent_cli.records import EVENTS, Event, Message
from tests.street.clock import NOW

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
RULES = noise.Rules(quiet_hours=None, quiet_failures=False, max_per_day=200, zone=AMSTERDAM)
NIGHT = replace(RULES, quiet_hours="22:30-07:00")
"""Winter: 21:30-06:00 UTC."""
MIDNIGHT_UTC = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)


def at(text: str) -> datetime:
    """`"2026-11-24 07:00"` in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def message(
    event: Event = "completed",
    *,
    run: str | None = "r1",
    part: str = "",
    text: str = "Assessed 2 assignments\nTook 3s.",
    title: str = "✅ Agent Completed",
    created_at: datetime = NOW,
    failure: bool = False,
) -> Message:
    return Message(
        id=f"{run}-{event}{part}",
        event=event,
        title=title,
        text=text,
        priority=3,
        tags=(),
        created_at=created_at,
        run_id=run,
        failure=failure,
    )


def a_run(name: str, created_at: datetime = NOW, *, tool: str = "Essay 1: 5 h") -> list[Message]:
    """The messages of a run that went well."""
    return [
        message("started", run=name, created_at=created_at, title="🤖 Agent Started", text="Checking..."),
        message("tool", run=name, created_at=created_at, title="📊 Assess assignments", text=tool),
        message(run=name, created_at=created_at),
    ]


# ── quiet hours ──


@pytest.mark.parametrize(
    ("now", "hours", "end"),
    [
        ("2026-11-24 21:29", "22:30-07:00", None),
        ("2026-11-24 21:30", "22:30-07:00", "2026-11-25 06:00"),
        ("2026-11-24 23:30", "22:30-07:00", "2026-11-25 06:00"),
        ("2026-11-25 05:59", "22:30-07:00", "2026-11-25 06:00"),
        ("2026-11-25 06:00", "22:30-07:00", None),
        ("2026-11-24 11:59", "13:00-14:00", None),
        ("2026-11-24 12:00", "13:00-14:00", "2026-11-24 13:00"),
        ("2026-11-24 13:00", "13:00-14:00", None),
        ("2026-11-24 22:59", "22:30-24:00", "2026-11-24 23:00"),
        ("2026-11-24 23:00", "22:30-24:00", None),
        ("2026-11-24 23:00", "00:00-06:00", "2026-11-25 05:00"),
        ("2026-11-24 05:00", "06:01-06:00", None),
        ("2026-11-24 05:01", "06:01-06:00", "2026-11-25 05:00"),
    ],
)
def test_quiet_hours_begin_and_end_to_the_minute(now: str, hours: str, end: str | None):
    """Their start is quiet and their end is not, over midnight too; the end is told in UTC."""
    assert noise.quiet_until(at(now), hours, AMSTERDAM) == (at(end) if end else None)


@pytest.mark.parametrize(
    ("zone", "now", "hours", "end"),
    [
        # 29 March 2026: 02:00 CET -> 03:00 CEST, at 01:00 UTC.
        (AMSTERDAM, "2026-03-28 23:00", "22:30-07:00", "2026-03-29 05:00"),
        (AMSTERDAM, "2026-03-29 00:59", "22:30-02:30", "2026-03-29 01:00"),
        (AMSTERDAM, "2026-03-29 01:00", "22:30-02:30", None),
        (AMSTERDAM, "2026-03-29 00:59", "02:30-07:00", None),
        (AMSTERDAM, "2026-03-29 01:00", "02:30-07:00", "2026-03-29 05:00"),
        (AMSTERDAM, "2026-03-29 01:00", "02:10-02:50", None),
        # 25 October 2026: 03:00 CEST -> 02:00 CET, at 01:00 UTC.
        (AMSTERDAM, "2026-10-24 23:00", "22:30-07:00", "2026-10-25 06:00"),
        (AMSTERDAM, "2026-10-25 00:29", "22:30-02:30", "2026-10-25 00:30"),
        (AMSTERDAM, "2026-10-25 00:30", "22:30-02:30", None),
        (AMSTERDAM, "2026-10-25 01:15", "22:30-02:30", None),
        (AMSTERDAM, "2026-10-25 00:30", "02:30-07:00", "2026-10-25 06:00"),
        (AMSTERDAM, "2026-10-25 01:15", "02:30-07:00", "2026-10-25 06:00"),
        # Half an hour: 4 October 2026, 02:00 -> 02:30 at 15:30 UTC of the day before.
        (LORD_HOWE, "2026-10-03 15:29", "23:00-02:10", "2026-10-03 15:30"),
        (LORD_HOWE, "2026-10-03 15:30", "23:00-02:10", None),
    ],
)
def test_quiet_hours_end_once_on_nights_of_a_clock_change(zone: ZoneInfo, now: str, hours: str, end: str | None):
    """An end that does not exist is the end of the gap, and of one that comes twice the first counts."""
    assert noise.quiet_until(at(now), hours, zone) == (at(end) if end else None)


@given(
    now=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    start=st.times(),
    end=st.times(),
    zone=st.sampled_from(["Europe/Amsterdam", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu", "UTC"]),
)
def test_quiet_hours_always_end(now: datetime, start: time, end: time, zone: str):
    """Whatever the hours, a message waits for less than a day and the hour of a clock change."""
    hours = f"{start:%H:%M}-{end:%H:%M}"
    if f"{start:%H:%M}" == f"{end:%H:%M}":
        return
    until = noise.quiet_until(now, hours, ZoneInfo(zone))
    assert until is None or now < until <= now + timedelta(hours=25)


@pytest.mark.parametrize(
    ("what", "rules", "held"),
    [
        (message(), NIGHT, True),
        (message(event="recovered"), NIGHT, True),
        (message(event="failed", failure=True), NIGHT, True),
        (message(event="failed", failure=True), replace(NIGHT, quiet_failures=True), False),
        (message(event="tool", failure=True), replace(NIGHT, quiet_failures=True), False),
        (message(event="recovered"), replace(NIGHT, quiet_failures=True), True),
        (message(), replace(NIGHT, quiet_failures=True), True),
    ],
)
def test_quiet_hours_hold_all_but_failures_that_may_pass(what: Message, rules: noise.Rules, held: bool):
    """With `quiet_failures` what went wrong wakes somebody, and nothing else does."""
    verdict = noise.held_until(what, MIDNIGHT_UTC, 0, rules)
    assert verdict == ((at("2026-11-25 06:00"), "quiet hours until 07:00") if held else None)


def test_nothing_waits_without_a_reason():
    """By day, and below the day's allowance, a message goes at once."""
    assert noise.held_until(message(), at("2026-11-24 12:00"), 0, NIGHT) is None


# ── the day's allowance ──


@pytest.mark.parametrize(
    ("most", "sent", "event", "held"),
    [
        (200, 179, "completed", False),
        (200, 180, "completed", True),
        (200, 199, "failed", False),
        (200, 199, "recovered", False),
        (200, 200, "failed", True),
        (200, 200, "recovered", True),
        (5, 3, "started", False),
        (5, 4, "started", True),
        (5, 4, "failed", False),
        (2, 1, "tool", True),
        (1, 0, "tool", False),
        (1, 1, "failed", True),
    ],
)
def test_the_last_tenth_of_a_day_is_kept_for_failures(most: int, sent: int, event: Event, held: bool):
    """Routine messages stop a tenth before the limit, and everything stops at it until midnight UTC."""
    what = message(event=event, failure=event == "failed")
    verdict = noise.held_until(what, NOW, sent, replace(RULES, max_per_day=most))
    assert (verdict is not None) == held
    if verdict is not None:
        assert verdict[0] == (NOW + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def test_a_held_message_says_why():
    """The reason names the count, and what is kept for failures."""
    routine = noise.held_until(message(), NOW, 180, RULES)
    failure = noise.held_until(message(event="failed", failure=True), NOW, 200, RULES)
    assert routine is not None
    assert failure is not None
    assert routine[1] == (
        "180 messages went out today, and 20 more are kept for failures; the rest comes after midnight UTC"
    )
    assert failure[1] == "200 messages went out today; the rest comes after midnight UTC"


def test_the_day_is_that_of_utc():
    """In the last half hour of UTC's day the next one is half an hour away, whatever the student's clock says."""
    held = noise.held_until(message(), MIDNIGHT_UTC, 200, RULES)
    assert held is not None
    assert held[0] == at("2026-11-25 00:00")


# ── what is told as one ──


def test_earlier_runs_are_told_as_one():
    """Their messages become one with the number of runs, the time they span, the newest's counts, the tools' news."""
    earlier = [
        *a_run("r1", at("2026-11-23 21:45"), tool="Essay 1: 5 h, risk 40"),
        *a_run("r2", at("2026-11-24 05:45"), tool="Problem Set 6: 3 h"),
    ]
    folded = noise.fold([*earlier, *a_run("now")], "now", AMSTERDAM)
    assert folded is not None
    told, ids = folded
    assert ids == tuple(each.id for each in earlier)
    assert told.title == "✅ 2 Earlier Runs Completed"
    assert told.text == (
        "Mon 23 Nov 22:45 CET until Tue 24 Nov 06:45 CET.\n"
        "The newest: Assessed 2 assignments\n"
        "Took 3s.\n"
        "📊 Assess assignments: Problem Set 6: 3 h\n"
        "📊 Assess assignments: Essay 1: 5 h, risk 40"
    )
    assert (told.event, told.priority, told.tags) == ("completed", 3, ("white_check_mark", "books"))
    assert (told.run_id, told.created_at, told.failure) == ("now", at("2026-11-24 05:45"), False)


def test_a_single_earlier_run_is_told_in_the_singular():
    """What one run left behind is one run, and the counts are simply its own."""
    folded = noise.fold(a_run("r1"), None, AMSTERDAM)
    assert folded is not None
    assert folded[0].title == "✅ 1 Earlier Run Completed"
    assert "The newest" not in folded[0].text
    assert folded[0].run_id is None


def test_runs_that_did_not_complete_are_told_as_messages():
    """Where only beginnings and tools are left nothing is called completed."""
    waiting = [*a_run("r1")[:2], a_run("r2")[0]]
    folded = noise.fold(waiting, "now", AMSTERDAM)
    assert folded is not None
    assert folded[0].title == "📬 3 Earlier Messages"
    assert folded[0].text.endswith("\n📊 Assess assignments: Essay 1: 5 h")
    begun = noise.fold([a_run("r1")[0], a_run("r2")[0]], "now", AMSTERDAM)
    assert begun is not None
    assert begun[0].text.endswith(".\n🤖 Agent Started")


@pytest.mark.parametrize("event", ["failed", "recovered", "missed", "interrupted"])
def test_what_matters_is_never_folded(event: Event):
    """A failure, a recovery, a missed and an interrupted run keep a message each."""
    weighty = [message(event, run=f"r{number}", failure=event in ("failed", "interrupted")) for number in range(5)]
    assert noise.fold(weighty, "now", AMSTERDAM) is None
    mixed = noise.fold([*weighty, *a_run("r9")], "now", AMSTERDAM)
    assert mixed is not None
    assert mixed[1] == tuple(each.id for each in a_run("r9"))


def test_a_failed_tool_is_never_folded():
    """The message of a tool that failed stays one of its own, as every failure does."""
    waiting = [*a_run("r1"), message("tool", run="r1", part="2", failure=True)]
    folded = noise.fold(waiting, "now", AMSTERDAM)
    assert folded is not None
    assert "r1-tool2" not in folded[1]


def test_the_present_run_is_not_folded():
    """Nothing of this run is stale, and a single earlier message is sent as it is."""
    assert noise.fold(a_run("now"), "now", AMSTERDAM) is None
    assert noise.fold([message(run="r1"), *a_run("now")], "now", AMSTERDAM) is None


def test_without_a_present_run_everything_is_of_an_earlier_one():
    """Also what belongs to no run at all."""
    folded = noise.fold([message("tool", run=None, part=part) for part in "12"], None, AMSTERDAM)
    assert folded is not None
    assert folded[0].title == "📬 2 Earlier Messages"


def test_folding_again_gives_the_same_message():
    """The id comes from what is folded: the same set has the same, another set another."""
    waiting = [*a_run("r1"), *a_run("r2")]
    first, again, more = (noise.fold(each, "now", AMSTERDAM) for each in (waiting, waiting, [*waiting, *a_run("r3")]))
    assert first is not None
    assert more is not None
    assert first == again
    assert first[0].id != more[0].id


def test_a_folded_text_fits_and_says_how_much_is_left_out():
    """A thousand runs with much to say come as one text that every channel takes, cut at whole lines."""
    waiting = [each for number in range(1000) for each in a_run(f"r{number}", tool=f"Essay {number}: 5 h " + "é" * 100)]
    waiting.append(message(run="last", text="newest\n" + "€" * 5000))
    folded = noise.fold(waiting, "now", AMSTERDAM)
    assert folded is not None
    text = folded[0].text
    assert len(text.encode()) <= 3500
    assert "… (cut)" in text
    *_, line, rest = text.splitlines()
    told = sum(1 for each in text.splitlines() if each.startswith("📊"))
    assert line.startswith("📊")
    assert rest == f"and {1000 - told} more: gradent history"
    assert folded[0].title == "✅ 1001 Earlier Runs Completed"


# ── how many there will be ──


@pytest.mark.parametrize(
    ("key", "expected"),
    [("15min", 384), ("30min", 192), ("1hour", 96), ("3hours", 32), ("6hours", 16), ("12hours", 8), ("24hours", 4)],
)
def test_a_schedule_makes_so_many_messages(key: str, expected: int):
    """Every run begins, ends and has two tools with news."""
    assert noise.per_day(cron_expression(key, time()), events=EVENTS, when="always") == expected


def test_every_frequency_is_counted_wherever_it_starts():
    """An anchor shifts the runs and leaves their number, and a longer distance never makes more messages."""
    counts = [
        noise.per_day(cron_expression(key, time(13, 7)), events=EVENTS, when="always") or 0 for key in FREQUENCIES
    ]
    assert all(more > fewer for more, fewer in pairwise(counts))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("* * * * *", 5760), ("*/5 * * * 1", 1152), ("0 9 29 2 *", 4), ("0 9,17 1 * *", 8)],
)
def test_days_without_runs_do_not_water_it_down(expression: str, expected: int):
    """A service counts each day by itself, so it is a day with runs that is counted."""
    assert noise.per_day(expression, events=EVENTS, when="always") == expected


@pytest.mark.parametrize(
    ("events", "when", "expected"),
    [
        (("completed",), "always", 24),
        (("started", "completed"), "always", 48),
        (("tool",), "always", 48),
        (("failed", "recovered", "missed", "interrupted"), "always", 0),
        ((), "always", 0),
        (("failed",), "changed", 0),
        (EVENTS, "changed", None),
        (EVENTS, "failed", 0),
    ],
)
def test_only_what_is_wanted_is_counted(events: tuple[Event, ...], when: str, expected: int | None):
    """Events that are off count nothing; news alone cannot be counted ahead, and failures are none when all is well."""
    assert noise.per_day("0 * * * *", events=events, when=when) == expected


def test_what_quiet_hours_hold_comes_as_one():
    """Eight of 24 runs are at night: sixteen with four messages each, and one for the night."""
    assert noise.per_day("0 * * * *", events=EVENTS, when="always", quiet_hours="23:00-07:00") == 65
    assert noise.per_day("0 12 * * *", events=EVENTS, when="always", quiet_hours="23:00-07:00") == 4


@pytest.mark.parametrize(
    ("server", "limit"),
    [
        ("https://ntfy.sh", 250),
        ("https://NTFY.sh:443/", 250),
        ("https://www.ntfy.sh", 250),
        ("https://ntfy.example.org", None),
        ("http://127.0.0.1:8080", None),
        ("https://ntfy.sh.example.org", None),
    ],
)
def test_only_the_public_server_has_a_known_limit(server: str, limit: int | None):
    """A server of one's own has whatever limit its owner gave it."""
    assert noise.limit_of(server) == limit
