"""The planner's promises, by examples and for any input."""

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradent_cli.agents.study.free import Budget, days, quarter_down, week, without
from gradent_cli.agents.study.records import Assessment, Assignment, Busy, Plan, Session
from gradent_cli.agents.study.remaining import planned_minutes, remaining_hours
from gradent_cli.agents.study.rules import Rules
from gradent_cli.agents.study.schedule import schedule
from gradent_cli.config import StudySettings

NOW = datetime(2026, 11, 23, 14, 3, tzinfo=UTC)  # a Monday
ALL_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Work = tuple[Assignment, Assessment]


def every_day(*hours: str):
    return week(dict.fromkeys(ALL_WEEK, hours))


def task(key: str, hours: float, due: datetime | None, *, risk: int = 50, done: bool | None = None) -> Work:
    assignment = Assignment(source="s", key=key, title=key, due_at=due, course="MATH 1", done=done)
    return assignment, Assessment(
        assignment_id=assignment.id,
        effort_low_hours=hours,
        effort_likely_hours=hours,
        effort_high_hours=hours,
        difficulty=3,
        risk=risk,
        confidence=0.5,
        reason="",
        fingerprint=assignment.fingerprint,
        assessed_at=NOW,
    )


def plan_of(work, *, busy=(), sessions=(), worked=None, rules: Rules | None = None, now=NOW, zone=UTC) -> Plan:
    """Without `worked` every session that is over was held."""
    if worked is None:
        worked = Counter()
        for session in sessions:
            worked[session.assignment_id] += planned_minutes([session]) if session.ends_at <= now else 0
    return schedule(work, busy=busy, sessions=sessions, settled=worked, rules=rules or Rules(), now=now, zone=zone)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(plan: Plan) -> list[str]:
    return [f"{s.starts_at:%d %H:%M}-{s.ends_at:%H:%M}" for s in plan.sessions]


def mine(sessions: Sequence[Session], work: Work) -> list[Session]:
    return [session for session in sessions if session.assignment_id == work[0].id]


def test_rules_from_settings():
    """The config's defaults are the planner's, and every one of its keys counts."""
    assert Rules.from_settings(StudySettings()) == Rules()
    study = {
        "hours": {"monday": ["22:00-02:00", "09:00-12:00"]},
        "session_min": "20min",
        "session_max": "100min",
        "break": "10min",
        "max_per_day": "3h",
        "due_buffer": "1d",
        "horizon_days": 30,
        "auto_schedule": False,
    }
    rules = Rules.from_settings(StudySettings.model_validate(study))
    assert rules.hours[0] == ((540, 720), (1320, 1560))
    assert (rules.shortest, rules.longest, rules.pause, rules.per_day) == (30, 90, 15, 180)
    assert (rules.due_buffer, rules.horizon_days, rules.auto_schedule) == (timedelta(days=1), 30, False)


def test_spread():
    """Work is spread evenly: long sessions on different days, none of them today's last resort."""
    plan = plan_of([task("Essay", 8, at("2026-12-05T23:59"))])
    assert times(plan) == ["23 14:15-16:15", "26 09:00-11:00", "29 09:00-11:00", "02 09:00-11:00"]
    assert [session.ordinal for session in plan.sessions] == [1, 2, 3, 4]
    assert {session.title for session in plan.sessions} == {"Essay (MATH 1)"}


def test_least_busy_day():
    """Small pieces of work go to different days as long as there are any."""
    plan = plan_of([task(str(n), 1, at("2026-11-27T23:59")) for n in range(4)])
    assert len({session.starts_at.date() for session in plan.sessions}) == 4


@pytest.mark.parametrize(("number", "hours", "length"), [(4, 2, 8), (7, 1, 7), (3, 6, 9), (10, 1, 5)])
def test_even_load(number, hours, length):
    """Where all of it is due at the end, no day holds more than one session above the least that one must hold."""
    now = at("2026-11-23T08:00")
    due = now + timedelta(days=length)
    work = [task(str(n), hours, due) for n in range(number)]
    plan = plan_of(work, rules=Rules(due_buffer=timedelta(0)), now=now)
    load = Counter()
    for session in plan.sessions:
        load[session.starts_at.date()] += planned_minutes([session])
    assert plan.short == ()
    assert max(load.values()) <= -(-number * hours * 60 // length) + 60 * min(hours, 2)


def test_starts_from_the_next_quarter_hour():
    """The first session begins at the quarter hour after now, not in the middle of one."""
    plan = plan_of([task("Quiz", 1, at("2026-11-23T20:00"))])
    assert times(plan) == ["23 14:15-15:15"]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [(2.25, [75, 60]), (1.75, [105]), (0.25, [15]), (4.1, [90, 90, 75]), (2.1, [75, 60])],
)
def test_lengths(hours, expected):
    """Sessions are about as long as each other, in quarter hours, and no rest is shorter than `session_min`."""
    plan = plan_of([task("Lab", hours, at("2026-12-10T12:00"))])
    assert [planned_minutes([session]) for session in plan.sessions] == expected


def test_short_rest_is_rounded_up():
    """Work that cannot be cut into fair sessions gets a little more time, never a session that is too short."""
    rules = Rules(session_min=timedelta(hours=1), session_max=timedelta(minutes=90))
    plan = plan_of([task("Lab", 1.75, at("2026-12-10T12:00"))], rules=rules)
    assert [planned_minutes([session]) for session in plan.sessions] == [60, 60]
    assert plan.short == ()


def test_daily_limit_and_breaks():
    """A day takes no more than `max_per_day`, and sessions on it are a break apart."""
    plan = plan_of([task("Project", 6, at("2026-11-25T12:00"))])
    by_day = defaultdict(list)
    for session in plan.sessions:
        by_day[session.starts_at.date()].append(session)
    assert all(planned_minutes(sessions) <= 240 for sessions in by_day.values())
    for sessions in by_day.values():
        for before, after in pairwise(sessions):
            assert after.starts_at - before.ends_at >= timedelta(minutes=15)
    assert planned_minutes(plan.sessions) == 360


def test_due_buffer():
    """The last hours before the due date stay free, but only as long as the work fits without them."""
    due = at("2026-11-24T21:00")
    assert all(s.ends_at <= due - timedelta(hours=12) for s in plan_of([task("a", 2, due)]).sessions)
    tight = plan_of([task("a", 7, due)])
    assert planned_minutes(tight.sessions) == 7 * 60
    assert tight.short == ()
    assert all(session.ends_at <= due for session in tight.sessions)


def test_due_buffer_before_an_even_load():
    """A busier day is better than the last hours before the due date."""
    first, second = task("a", 2, at("2026-11-23T21:00")), task("b", 2, at("2026-11-24T21:00"))
    plan = plan_of([first, second])
    assert [session.starts_at.day for session in plan.sessions] == [23, 23]


def test_no_rest_shorter_than_a_session():
    """Where free time comes in small pieces, one is left shorter so that the rest makes a session of its own."""
    rules = Rules(hours=week({"tuesday": ["09:00-10:00"], "wednesday": ["09:00-09:45"]}))
    plan = plan_of([task("a", 1.25, at("2026-11-27T12:00"))], rules=rules)
    assert times(plan) == ["24 09:00-09:45", "25 09:00-09:30"]


def test_another_day_for_the_same_work():
    """More of the same work goes to a day that has none of it, though that day is busier."""
    due = at("2026-11-26T08:00")
    hours = week({"tuesday": ["09:00-21:00"], "wednesday": ["09:00-21:00"]})
    rules = Rules(hours=hours, due_buffer=timedelta(0))
    other = plan_of([task("other", 2, due)], rules=rules, busy=[Busy(starts_at=NOW, ends_at=at("2026-11-25T00:00"))])
    begun = plan_of([task("mine", 1, due)], rules=rules)
    assert [session.starts_at.day for session in (*begun.sessions, *other.sessions)] == [24, 25]
    grown = task("mine", 2, due)
    plan = plan_of([grown, task("other", 2, due)], rules=rules, sessions=[*begun.sessions, *other.sessions])
    assert [session.starts_at.day for session in mine(plan.sessions, grown)] == [24, 25]


def test_session_may_end_at_the_due_time():
    """When there is no other time, a session ends exactly when the work is due."""
    assert times(plan_of([task("a", 1.75, at("2026-11-23T16:00"))])) == ["23 14:15-16:00"]


def test_earliest_due_first():
    """What is due first gets the time, and the other's shortage is told with what would help."""
    soon, later = task("Soon", 3, at("2026-11-24T12:00")), task("Later", 6, at("2026-11-24T18:00"))
    plan = plan_of([later, soon])
    assert planned_minutes(mine(plan.sessions, soon)) == 180
    assert [(short.assignment_id, short.minutes) for short in plan.short] == [(later[0].id, 60)]
    assert plan.short[0].remedy == "A limit of 5h on Tuesday 24 Nov would help"


def test_remedy_for_much():
    """A shortage that no single session covers names the due date."""
    plan = plan_of([task("Project", 12, at("2026-11-24T12:00"))])
    assert plan.short[0].minutes == 5 * 60 + 15
    assert plan.short[0].remedy == (
        "It does not fit even with every free hour: drop or move something, or get 3h more time before Tue 24 Nov 12:00"
    )


def test_due_before_the_next_quarter():
    """Work due in a few minutes is short, with a sentence and no session."""
    plan = plan_of([task("Quiz", 1, NOW + timedelta(minutes=5))])
    assert plan.sessions == ()
    assert plan.short[0].remedy == "Only a later due date or less work would help"


def test_overdue_first():
    """Overdue work takes the first free time there is."""
    late, other = task("Late", 2, at("2026-11-20T12:00")), task("Other", 2, at("2026-12-04T12:00"))
    plan = plan_of([other, late])
    assert plan.sessions[0].assignment_id == late[0].id
    assert plan.sessions[0].starts_at == at("2026-11-23T14:15")


def test_overdue_gives_way_to_a_due_date():
    """Overdue work does not cost another its due date: it comes right after it."""
    late, urgent = task("Late", 2, at("2026-11-20T12:00")), task("Urgent", 1.75, at("2026-11-23T16:00"))
    plan = plan_of([late, urgent])
    assert plan.short == ()
    assert [s.assignment_id for s in plan.sessions] == [urgent[0].id, late[0].id]


def test_overdue_gives_way_at_the_end_of_the_horizon():
    """Even a due date on the last minute of the horizon wins over work whose date is lost."""
    rules = Rules(hours=week({"thursday": ["09:00-10:00"]}), horizon_days=3, due_buffer=timedelta(0))
    urgent = task("Urgent", 1, at("2026-11-26T14:00"))
    plan = plan_of([task("Late", 1, at("2026-11-20T12:00")), urgent], rules=rules)
    assert [session.assignment_id for session in plan.sessions] == [urgent[0].id]


def test_the_days_limit_goes_to_the_due_date():
    """A later session on the last day gives way, too, when the day's limit is what is missing."""
    urgent = task("Urgent", 0.25, at("2026-11-23T14:30"))
    rules = Rules(max_per_day=timedelta(hours=1))
    busy = [Busy(starts_at=at("2026-11-23T14:30"), ends_at=at("2026-11-23T15:00"))]
    plan = plan_of([task("Late", 1, at("2026-11-20T12:00")), urgent], rules=rules, busy=busy)
    assert plan.short == ()
    assert times(plan)[0] == "23 14:15-14:30"


def test_without_due_date():
    """Work without a due date gets what the rest leaves."""
    dated, undated = task("Dated", 6.75, at("2026-11-23T21:00")), task("Some day", 2, None)
    plan = plan_of([undated, dated], rules=Rules(max_per_day=timedelta(hours=12), break_=timedelta(minutes=15)))
    assert planned_minutes(mine(plan.sessions, undated)) == 120
    assert all(session.starts_at >= at("2026-11-24T00:00") for session in mine(plan.sessions, undated))


def test_beyond_the_horizon():
    """What is due after the horizon, even in the year 9999, waits until it comes closer."""
    work = [task("Far", 5, NOW + timedelta(days=61)), task("Farther", 5, datetime(9999, 12, 31, 23, 59, tzinfo=UTC))]
    assert plan_of(work) == Plan()


def test_nothing_left_to_do():
    """Sessions that were held need no place again."""
    essay = task("Essay", 4, at("2026-12-04T12:00"))
    first = plan_of([essay])
    later = plan_of([essay], sessions=first.sessions, now=first.sessions[0].ends_at)
    assert later.sessions == first.sessions[1:]
    over = plan_of([essay], sessions=first.sessions, now=first.sessions[-1].ends_at)
    assert over == Plan()


def test_the_day_remembers_what_was_done():
    """A session that is over counts for the day's limit and its break, even when its work is done by now."""
    morning = Session(
        assignment_id="done", ordinal=1, title="", starts_at=at("2026-11-23T09:00"), ends_at=at("2026-11-23T12:00")
    )
    plan = plan_of([task("Quiz", 2, at("2026-11-23T21:00"))], sessions=[morning])
    assert times(plan) == ["23 14:15-15:15"]
    just = replace(morning, starts_at=at("2026-11-23T12:00"), ends_at=at("2026-11-23T14:00"))
    rules = Rules(break_=timedelta(minutes=45))
    plan = plan_of([task("Quiz", 2, at("2026-11-23T21:00"))], sessions=[just], rules=rules)
    assert times(plan) == ["23 14:45-16:45"]


def test_remaining_hours():
    """What remains is the likely effort without what went by, and never less than nothing."""
    essay = task("Essay", 4, at("2026-12-04T12:00"))
    assert remaining_hours(essay[1], {}) == 4
    assert remaining_hours(essay[1], {essay[0].id: 120}) == 2
    assert remaining_hours(essay[1], {essay[0].id: 250}) == 0
    assert remaining_hours(task("Quiz", 1, None)[1], {essay[0].id: 120}) == 1
    assert remaining_hours(None, {}) is None


def test_going_on():
    """A session that has begun stays while it lasts."""
    essay = task("Essay", 4, at("2026-12-04T12:00"))
    first = plan_of([essay])
    during = first.sessions[0].starts_at + timedelta(minutes=50)
    assert plan_of([essay], sessions=first.sessions, now=during) == first


def test_new_work_leaves_the_rest_alone():
    """A new assignment finds its own time; no planned session moves."""
    old = [task("a", 4, at("2026-11-28T12:00")), task("b", 6, at("2026-12-04T12:00"))]
    before = plan_of(old)
    after = plan_of([*old, task("c", 5, at("2026-11-30T12:00"))], sessions=before.sessions)
    assert set(before.sessions) <= set(after.sessions)
    assert len(after.sessions) > len(before.sessions)


def test_an_earlier_due_date_takes_the_place():
    """A session moves when an earlier due date needs its time; it keeps its name, and nothing is short."""
    later = task("Later", 2, at("2026-12-04T12:00"))
    urgent = task("Urgent", 6.5, at("2026-11-23T21:00"))
    rules = Rules(max_per_day=timedelta(hours=8))
    before = plan_of([later], rules=rules)
    after = plan_of([later, urgent], sessions=before.sessions, rules=replace(rules, break_=timedelta(0)))
    assert after.short == ()
    (moved,) = mine(after.sessions, later)
    assert moved.ordinal == before.sessions[0].ordinal
    assert moved.starts_at > before.sessions[0].starts_at


def test_busy_event_moves_only_what_it_hits():
    """A new event over one session moves that one; the others stay."""
    essay = task("Essay", 8, at("2026-12-05T23:59"))
    before = plan_of([essay])
    hit = before.sessions[1]
    after = plan_of([essay], sessions=before.sessions, busy=[Busy(starts_at=hit.starts_at, ends_at=hit.ends_at)])
    assert {s.id for s in after.sessions} == {s.id for s in before.sessions}
    assert {s.id for s in set(before.sessions) - set(after.sessions)} == {hit.id}


def test_pinned_stays():
    """A pinned session stays over a busy event, outside the hours, at odd minutes; it counts as planned."""
    essay = task("Essay", 4, at("2026-12-05T23:59"))
    pinned = Session(
        assignment_id=essay[0].id,
        ordinal=7,
        title="Essay (MATH 1)",
        starts_at=at("2026-11-24T06:10"),
        ends_at=at("2026-11-24T08:10"),
        pinned=True,
        sequence=3,
    )
    busy = [Busy(starts_at=pinned.starts_at, ends_at=pinned.ends_at)]
    plan = plan_of([essay], sessions=[pinned], busy=busy)
    assert pinned in plan.sessions
    assert planned_minutes(plan.sessions) == 240
    assert max(session.ordinal for session in plan.sessions) == 8


def test_less_work_gives_up_the_last_sessions():
    """When the work shrinks, sessions go from the end, and what is left stays where it is."""
    before = plan_of([task("Essay", 8, at("2026-12-05T23:59"))])
    after = plan_of([task("Essay", 3, at("2026-12-05T23:59"))], sessions=before.sessions)
    assert after.sessions[0] == before.sessions[0]
    assert [planned_minutes([session]) for session in after.sessions] == [120, 60]


def test_done_work_leaves_the_plan():
    """Sessions of work that is no longer given are not in the plan."""
    a, b = task("a", 2, at("2026-11-28T12:00")), task("b", 2, at("2026-11-28T12:00"))
    before = plan_of([a, b])
    assert plan_of([b], sessions=before.sessions).sessions == tuple(mine(before.sessions, b))


def test_over_midnight():
    """Hours over midnight are the day's that they begin on, with its limit; a session may cross midnight."""
    friday = week({"friday": ["22:00-02:00"]})
    rules = Rules(hours=friday, session_max=timedelta(hours=3), max_per_day=timedelta(hours=3))
    plan = plan_of([task("Essay", 9, at("2026-12-14T12:00"))], rules=rules)
    assert times(plan) == ["27 22:00-01:00", "04 22:00-01:00", "11 22:00-01:00"]


def test_touching_hours():
    """Hours that touch or overlap are one stretch."""
    rules = Rules(hours=every_day("09:00-15:00", "14:30-16:00", "16:00-18:00"), due_buffer=timedelta(0))
    assert times(plan_of([task("a", 2, at("2026-11-23T18:00"))], rules=rules, now=at("2026-11-23T15:00"))) == [
        "23 15:00-17:00"
    ]


def test_break_reaches_over_midnight():
    """A break counts between a session that ends at midnight and the next day's first."""
    rules = Rules(hours=every_day("00:00-24:00"), max_per_day=timedelta(hours=24), break_=timedelta(minutes=45))
    plan = plan_of([task("Thesis", 60, at("2026-11-27T12:00"))], rules=rules)
    assert all(after.starts_at - before.ends_at >= timedelta(minutes=45) for before, after in pairwise(plan.sessions))


@pytest.mark.parametrize(
    ("now", "due", "expected"),
    [
        # 02:00-03:00 does not exist on 28 March in Berlin, and exists twice on 31 October 2027.
        ("2027-03-27T23:00", "2027-03-28T12:00", 0),
        ("2027-10-30T23:00", "2027-10-31T12:00", 60),
    ],
)
def test_clock_changes(now, due, expected):
    """No session lies outside the hours on the student's own clock, even where the clock is changed."""
    zone = ZoneInfo("Europe/Berlin")
    rules = Rules(hours=every_day("01:30-02:30"), session_min=timedelta(minutes=15), due_buffer=timedelta(0))
    plan = plan_of([task("a", 2, at(due))], rules=rules, now=at(now), zone=zone)
    assert planned_minutes(plan.sessions) == expected
    for session in plan.sessions:
        for minute in range(0, planned_minutes([session]), 15):
            local = (session.starts_at + timedelta(minutes=minute)).astimezone(zone)
            assert "01:30" <= f"{local:%H:%M}" < "02:30"


# For any input

hours_of_a_day = st.lists(
    st.tuples(st.integers(0, 95), st.integers(1, 60)).map(lambda pair: (pair[0] * 15, (pair[0] + pair[1]) * 15)),
    max_size=2,
).map(lambda ranges: tuple(sorted(ranges)))


@st.composite
def any_rules(draw):
    shortest = draw(st.sampled_from([15, 30, 60]))
    return Rules(
        hours=tuple(draw(hours_of_a_day) for _ in range(7)),
        session_min=timedelta(minutes=shortest),
        session_max=timedelta(minutes=shortest * draw(st.sampled_from([1, 1.5, 2, 4]))),
        break_=timedelta(minutes=draw(st.sampled_from([0, 10, 15, 45]))),
        max_per_day=timedelta(minutes=draw(st.sampled_from([60, 120, 240, 1440]))),
        due_buffer=timedelta(hours=draw(st.sampled_from([0, 12, 30]))),
        horizon_days=draw(st.sampled_from([3, 10, 14])),
    )


minutes_from_now = st.integers(-2 * 1440, 16 * 1440)
any_busy = st.lists(
    st.tuples(minutes_from_now, st.integers(0, 900)).map(
        lambda pair: Busy(
            starts_at=NOW + timedelta(minutes=pair[0]), ends_at=NOW + timedelta(minutes=pair[0] + pair[1])
        )
    ),
    max_size=12,
)
any_task = st.tuples(st.floats(0.1, 20), st.none() | minutes_from_now, st.integers(0, 100))


@st.composite
def any_work(draw, least=0):
    rows = draw(st.lists(any_task, min_size=least, max_size=8))
    return [
        task(str(n), hours, None if due is None else NOW + timedelta(minutes=due), risk=risk)
        for n, (hours, due, risk) in enumerate(rows)
    ]


zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]).map(
    ZoneInfo
)
MOMENTS = st.sampled_from([timedelta(0), timedelta(days=122), timedelta(days=130), timedelta(days=340)])
"""From November; the others put the clock changes of one zone or another inside the horizon."""


@given(any_work(), any_work(), any_busy, any_busy, any_rules(), zones, MOMENTS, st.integers(0, 5 * 1440))
@settings(max_examples=150)
def test_promises(work, more, busy, more_busy, rules, zone, shift, minutes_later):
    """Whatever comes and changes: no session breaks a rule, and the same input gives the same plan again."""
    now = NOW + shift
    work, more = _shifted(work, shift), _shifted(more, shift)
    busy, more_busy = (
        [Busy(starts_at=b.starts_at + shift, ends_at=b.ends_at + shift) for b in each] for each in (busy, more_busy)
    )
    first = plan_of(work, busy=busy, rules=rules, now=now, zone=zone)
    _check(first, work, busy, rules, now, zone)
    assert plan_of(work, busy=busy, rules=rules, now=now, zone=zone, sessions=first.sessions) == first
    assert plan_of(work[::-1], busy=busy[::-1], rules=rules, now=now, zone=zone) == first

    later = now + timedelta(minutes=minutes_later)
    merged = list({each[0].id: each for each in (*work, *more)}.values())
    busy = [*busy, *more_busy]
    second = plan_of(merged, busy=busy, rules=rules, now=later, zone=zone, sessions=first.sessions)
    _check(second, merged, busy, rules, later, zone, known=first.sessions)
    over = [session for session in first.sessions if session.ends_at <= later]
    again = plan_of(merged, busy=busy, rules=rules, now=later, zone=zone, sessions=[*over, *second.sessions])
    assert again == second


def _shifted(work: Sequence[Work], shift: timedelta) -> list[Work]:
    return [(replace(a, due_at=a.due_at + shift), e) if a.due_at is not None else (a, e) for a, e in work]


def _check(
    plan: Plan,
    work: Sequence[Work],
    busy: Sequence[Busy],
    rules: Rules,
    now: datetime,
    zone: ZoneInfo,
    known: Sequence[Session] = (),
) -> None:
    assignments = {assignment.id: (assignment, assessment) for assignment, assessment in work}
    free = days(rules.hours, busy=(), start=now - timedelta(days=7), end=now + timedelta(days=30), zone=zone)
    starts = [day.starts for day in free]
    per_day: defaultdict[int, int] = defaultdict(int)
    over = [session for session in known if session.ends_at <= now]
    for session in (*over, *plan.sessions):
        index = max(i for i, start in enumerate(starts) if start * 60 <= session.starts_at.timestamp())
        per_day[index] += planned_minutes([session])
    assert all(minutes <= rules.per_day for minutes in per_day.values())
    for before, after in pairwise(plan.sessions):
        assert after.starts_at - before.ends_at >= rules.break_
    for session in plan.sessions:
        assert session.ends_at > now
        assignment, assessment = assignments[session.assignment_id]
        if assignment.due_at is not None and assignment.due_at > now and session.starts_at >= now:
            assert session.ends_at <= assignment.due_at
        assert session.duration <= timedelta(minutes=rules.longest)
        need = assessment.effort_likely_hours * 60
        assert planned_minutes([session]) >= min(rules.shortest, need)
        assert session.starts_at.minute % 15 == 0
        for taken in busy:
            if taken.ends_at > max(taken.starts_at, now) and session.starts_at >= now:
                assert session.ends_at <= taken.starts_at or session.starts_at >= taken.ends_at
        for minute in range(0, planned_minutes([session]), 15):
            local = (session.starts_at + timedelta(minutes=minute)).astimezone(zone)
            clock = local.hour * 60 + local.minute
            today, yesterday = rules.hours[local.weekday()], rules.hours[local.weekday() - 1]
            assert any(a <= clock < b for a, b in today) or any(a <= clock + 1440 < b for a, b in yesterday)
    names = [session.id for session in (*over, *plan.sessions)]
    assert len(names) == len(set(names))
    short = {each.assignment_id: each.minutes for each in plan.short}
    for assignment, assessment in work:
        worked = planned_minutes(mine(over, (assignment, assessment)))
        planned = planned_minutes(mine(plan.sessions, (assignment, assessment)))
        if assignment.due_at is None or assignment.due_at <= now + timedelta(days=rules.horizon_days) - timedelta(
            minutes=15
        ):
            missing = assessment.effort_likely_hours * 60 - worked - planned
            assert short.get(assignment.id, 0) - 15 <= missing <= short.get(assignment.id, 0) or missing <= 0


@given(any_work(least=1), any_busy, any_rules())
@settings(max_examples=150)
def test_nothing_is_lost(work, busy, rules):
    """Without breaks and a least length, as many minutes are placed before their due dates as any plan can place.

    The bound: work may use any time up to its due date, so the first k due dates can hold no more than the free time
    before the k-th, day by day within the limit (Hall's condition for nested windows).
    """
    rules = replace(rules, break_=timedelta(0), session_min=timedelta(minutes=15), session_max=timedelta(hours=4))
    plan = plan_of(work, busy=busy, rules=rules)
    end = NOW + timedelta(days=rules.horizon_days)
    budget = Budget(days(rules.hours, busy=busy, start=NOW, end=end, zone=UTC), rules.per_day)
    dated = sorted(
        (a.due_at, -(-e.effort_likely_hours * 60 // 15) * 15) for a, e in work if a.due_at and a.due_at > NOW
    )
    best = 0
    for due, minutes in dated:
        if quarter_down(due) <= quarter_down(end):
            best = min(best + minutes, budget.before(quarter_down(due)))
    ids = {a.id for a, _ in work if a.due_at and a.due_at > NOW}
    assert planned_minutes([session for session in plan.sessions if session.assignment_id in ids]) == best


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).filter(lambda s: s[0] < s[1]), max_size=5),
    st.tuples(st.integers(0, 50), st.integers(0, 50)).filter(lambda s: s[0] < s[1]),
)
@example([(0, 10)], (2, 5))
def test_without(spans, hole):
    """Taking time out leaves exactly the minutes outside it."""
    left = {minute for a, b in without(spans, *hole) for minute in range(a, b)}
    assert left == {minute for a, b in spans for minute in range(a, b)} - set(range(*hole))


def test_the_work_grows_with_the_input():
    """Ten times the assignments, events and days cost about ten times the calls, where all fits and where not."""
    for hours in (1, 6):
        small, large = (_calls(number, hours) for number in (20, 200))
        assert large < 16 * small


def _calls(number: int, hours: float) -> int:
    """How many functions one plan calls."""
    work = [task(str(n), hours, NOW + timedelta(hours=24 + 14 * n)) for n in range(number)]
    busy = [
        Busy(starts_at=NOW + timedelta(minutes=80 * n), ends_at=NOW + timedelta(minutes=80 * n + 20))
        for n in range(10 * number)
    ]
    calls = 0

    def count(_frame, event, _function):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        plan = plan_of(work, busy=busy, rules=Rules(horizon_days=number * 14 // 24 + 2))
    finally:
        sys.setprofile(None)
    assert bool(plan.short) == (hours == 6)
    return calls


def test_a_session_pinned_after_the_due_date_is_no_cover():
    """It stays where the student put it, but the work is planned before it is due, or told to be short."""
    essay = task("Essay", 4, at("2026-11-25T21:00"))
    pin = Session(
        assignment_id=essay[0].id, ordinal=1, title="Essay (MATH 1)", starts_at=at("2026-11-26T09:00"),
        ends_at=at("2026-11-26T13:00"), pinned=True,
    )  # fmt: skip
    plan = plan_of([essay], sessions=[pin])
    assert pin in plan.sessions
    assert planned_minutes(each for each in plan.sessions if each.ends_at <= essay[0].due_at) == 240
    busy = [Busy(starts_at=NOW, ends_at=at("2026-11-25T21:00"))]
    (short,) = plan_of([essay], sessions=[pin], busy=busy).short
    assert short.minutes == 240


def test_advice_has_an_end():
    """With more work than anybody can do, the first fifty hear what would help; every one, how much is missing."""
    plan = plan_of([task(f"Work {n}", 10, at("2026-11-25T21:00") + timedelta(hours=n)) for n in range(60)])
    assert len(plan.short) > 50
    assert planned_minutes(plan.sessions) + sum(each.minutes for each in plan.short) == 60 * 600
    told = [each.remedy != "What would help is told when what is due before it fits" for each in plan.short]
    assert told == [True] * 50 + [False] * (len(told) - 50)


def test_pinned_for_work_that_is_not_planned_stays():
    """Work that moved beyond the horizon, or is none any more: the student's session stays, and nothing lies on it."""
    far = task("Far", 4, NOW + timedelta(days=90))
    pin = Session(
        assignment_id=far[0].id, ordinal=1, title="Far", starts_at=at("2026-11-24T09:00"),
        ends_at=at("2026-11-24T20:00"), pinned=True,
    )  # fmt: skip
    gone = replace(pin, assignment_id="gone", starts_at=at("2026-11-25T09:00"), ends_at=at("2026-11-25T20:00"))
    loose = replace(gone, ordinal=2, pinned=False, starts_at=at("2026-11-26T09:00"), ends_at=at("2026-11-26T10:00"))
    rules = Rules(max_per_day=timedelta(hours=12))
    quiz = task("Quiz", 20, at("2026-11-25T23:00"))
    plan = plan_of([far, quiz], sessions=[pin, gone, loose], rules=rules)
    assert [each for each in plan.sessions if each.pinned] == [pin, gone]
    assert loose not in plan.sessions
    spans = sorted((each.starts_at, each.ends_at) for each in plan.sessions)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert plan_of([far, quiz], sessions=plan.sessions, rules=rules) == plan
