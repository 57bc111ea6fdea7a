"""The planner against what can be proven: an independent maximum flow, an exact solver, its own advice."""

import random
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from datetime import date as Date  # noqa: N812  (`date` is a variable's name here)
from zoneinfo import ZoneInfo

import networkx as nx  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gradent_cli.agents.study import words
from gradent_cli.agents.study.free import days, quarter_down, quarter_up, to_moment
from gradent_cli.agents.study.records import Busy, Plan, Session
from gradent_cli.agents.study.remaining import planned_minutes
from gradent_cli.agents.study.rules import Rules
from tests.test_schedule import MOMENTS, NOW, Work, _shifted, any_busy, any_rules, any_work, plan_of, task, zones

QUARTER = timedelta(minutes=15)
NO_LOSS = {"break_": timedelta(0), "session_min": timedelta(0)}


class Flow:
    """The most that any plan can place, from the rules' own words: no code of the planner is in it.

    Work flows from the source through every assignment (what it still needs), through the stretches of a day between
    two due dates (their free quarter hours), through the days (what the limit leaves) into the sink.
    """

    def __init__(
        self,
        work: Sequence[Work],
        *,
        busy: Sequence[Busy],
        held: Sequence[Session],
        worked: Counter[str],
        rules: Rules,
        now: datetime,
        zone: ZoneInfo,
    ) -> None:
        self._rules, self._zone = rules, zone
        self._first, self._end = _ceil(now.timestamp()), _floor((now + timedelta(days=rules.horizon_days)).timestamp())
        self._hours = sorted(self._all_hours(now))
        load: Counter[Date] = Counter()
        taken: set[int] = set()
        for session in held:
            span = range(_floor(session.starts_at.timestamp()), _ceil(session.ends_at.timestamp()))
            taken.update(span)
            if span.start < self._end:
                load[self._owner(span.start)] += len(span)
        for each in busy:
            if each.ends_at > each.starts_at:
                taken.update(range(_floor(each.starts_at.timestamp()), _ceil(each.ends_at.timestamp())))
        self.free: dict[int, Date] = {}
        for date, opens, closes in self._hours:
            for quarter in range(max(opens, self._first), min(closes, self._end)):
                if quarter not in taken:
                    self.free.setdefault(quarter, date)
        per_day = int(rules.max_per_day / QUARTER)
        self._limit = {date: max(0, per_day - load[date]) for date in set(self.free.values())}
        self.needs: list[tuple[tuple[int, int], int, int]] = []
        """By the order in which work gives way: that order, where its time ends, how much it needs; in quarters."""
        for assignment, assessment in work:
            due = assignment.due_at
            kind = 2 if due is None else int(due <= now)
            until = _floor(due.timestamp()) if due is not None and due > now else self._end
            if due is not None and _floor(due.timestamp()) > self._end:
                continue
            minutes = -(-assessment.effort_likely_hours * 60 // 15) * 15
            need = max(0, -int(-(minutes - worked[assignment.id]) // 15))
            need -= sum(
                int(s.duration / QUARTER)
                for s in held
                if s.assignment_id == assignment.id and s.ends_at > now and (due is None or kind or s.ends_at <= due)
            )
            self.needs.append(((kind, until), until, max(0, need)))
        self.needs.sort()

    def _all_hours(self, now: datetime):
        date = now.astimezone(self._zone).date() - timedelta(days=3)
        while date <= now.astimezone(self._zone).date() + timedelta(days=self._rules.horizon_days + 2):
            for opens, closes in self._rules.hours[date.weekday()]:
                yield date, _ceil(max(self._readings(date, opens))), _floor(min(self._readings(date, closes)))
            date += timedelta(days=1)

    def _readings(self, date: Date, minute: int) -> tuple[float, float]:
        """A time on the student's clock as seconds; two of them where the clock is changed."""
        wall = datetime.combine(date + timedelta(days=minute // 1440), time(minute % 1440 // 60, minute % 60))
        wall = wall.replace(tzinfo=self._zone)
        return wall.timestamp(), wall.replace(fold=1).timestamp()

    def _owner(self, quarter: int) -> Date:
        """The day that a quarter hour counts for: a night is the day's that it began on."""
        today = datetime.fromtimestamp(quarter * 900, self._zone).date()
        return min((date for date, opens, closes in self._hours if quarter < closes and date < today), default=today)

    def follow(self, remedy: str, due: datetime) -> None:
        """Change limits and free time as the sentence says, and no more; hours must not go over midnight."""
        quarters = range(self._first, min(self._end, _floor(due.timestamp())))
        by_date: dict[Date, list[int]] = {}
        for quarter in range(self._first, self._end):
            by_date.setdefault(self._owner(quarter), []).append(quarter)
            self._limit.setdefault(self._owner(quarter), int(self._rules.max_per_day / QUARTER))
        limit = re.match(r"A limit of (.+?) (?:on (.+) would|a day)", remedy)
        if limit is not None:
            for date in by_date:
                if limit[2] in (None, f"{date:%A} {date.day} {date:%b}"):
                    self._limit[date] = max(self._limit[date], int(_length(limit[1]) / QUARTER))
            return
        more = re.match(r"(?:.+ or get )?(.+) more (?:free )?time (?:on (.+) would|before )", remedy)
        assert more is not None
        left = int(_length(more[1]) / QUARTER)
        if "every free hour" in remedy:  # what is more than that counts for no limit
            self._limit |= dict.fromkeys({self._owner(quarter) for quarter in quarters}, 96)
            chosen = [quarter for quarter in quarters if quarter not in self.free][:left]
        elif more[2]:
            (date,) = (date for date in by_date if more[2] == f"{date:%A} {date.day} {date:%b}")
            chosen = [quarter for quarter in by_date[date] if quarter not in self.free][:left]
        else:  # where the limits leave room for it
            chosen = []
            for date, mine in by_date.items():
                there = [quarter for quarter in mine if quarter in quarters]
                room = self._limit[date] - sum(quarter in self.free for quarter in there)
                chosen += [quarter for quarter in there if quarter not in self.free][
                    : max(0, min(room, left - len(chosen)))
                ]
        assert len(chosen) == left
        self.free |= {quarter: self._owner(quarter) for quarter in chosen}

    def most(self, first: int) -> int:
        """Minutes that can be placed of the first so many pieces of work."""
        graph = nx.DiGraph()
        graph.add_nodes_from(["source", "sink"])
        ends = sorted({until for _, until, _ in self.needs})
        stretches: Counter[tuple[Date, int]] = Counter()
        for quarter, date in self.free.items():
            until = next((end for end in ends if quarter < end), None)
            if until is not None:
                stretches[date, until] += 1
        for (date, until), quarters in stretches.items():
            graph.add_edge((date, until), date, capacity=quarters)
            graph.add_edge(date, "sink", capacity=self._limit[date])
        for number, (_, until, need) in enumerate(self.needs[:first]):
            graph.add_edge("source", number, capacity=need)
            for stretch in stretches:
                if stretch[1] <= until:
                    graph.add_edge(number, stretch)
        return 15 * int(nx.maximum_flow_value(graph, "source", "sink"))


def _floor(seconds: float) -> int:
    return int(seconds // 900)


def _ceil(seconds: float) -> int:
    return -int(-seconds // 900)


pins = st.lists(st.tuples(st.integers(0, 7), st.integers(-1440, 12 * 1440), st.integers(1, 300)), max_size=3)


@given(
    any_work(least=1),
    any_work(),
    any_busy,
    any_busy,
    any_rules(),
    st.sampled_from([15, 60, 240, 1000]),
    pins,
    zones,
    MOMENTS,
    st.integers(0, 5 * 96),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_reaches_the_maximum_flow(work, more, busy, more_busy, rules, longest, pins, zone, shift, quarters_later):
    """Without breaks and a least length nothing more can be placed, of those due first alone and of all together.

    Anew and after any change to work, events, pinned sessions and the clock, on a plan that is known.
    """
    rules = replace(rules, **NO_LOSS, session_max=timedelta(minutes=longest))
    now = NOW.replace(minute=0) + shift
    work, more = _shifted(work, shift), _shifted(more, shift)
    busy, more_busy = (
        [Busy(starts_at=b.starts_at + shift, ends_at=b.ends_at + shift) for b in each] for each in (busy, more_busy)
    )
    first = plan_of(work, busy=busy, rules=rules, now=now, zone=zone)
    _proven(first, work, busy, [], rules, now, zone)
    later = now + quarters_later * QUARTER
    merged = list({each[0].id: each for each in (*work, *more)}.values())
    pinned = [
        Session(
            assignment_id=merged[which % len(merged)][0].id,
            ordinal=900 + n,
            title="",
            starts_at=now + timedelta(minutes=start),
            ends_at=now + timedelta(minutes=start + length),
            pinned=True,
        )
        for n, (which, start, length) in enumerate(pins)
    ]
    second = plan_of(
        merged, busy=[*busy, *more_busy], rules=rules, now=later, zone=zone, sessions=[*first.sessions, *pinned]
    )
    assert {each.id for each in pinned if each.ends_at > later and _is_planned(each, merged, later, rules)} <= {
        each.id for each in second.sessions
    }
    _proven(second, merged, [*busy, *more_busy], [*first.sessions, *pinned], rules, later, zone)


def _is_planned(session: Session, work: Sequence[Work], now: datetime, rules: Rules) -> bool:
    """Whether its assignment is due within the horizon."""
    due = next(a.due_at for a, _ in work if a.id == session.assignment_id)
    end = quarter_down(now + timedelta(days=rules.horizon_days))
    return due is None or quarter_down(due) <= end


def _proven(
    plan: Plan,
    work: Sequence[Work],
    busy: Sequence[Busy],
    known: Sequence[Session],
    rules: Rules,
    now: datetime,
    zone: ZoneInfo,
) -> None:
    worked: Counter[str] = Counter()
    over = [session for session in known if session.ends_at <= now]
    for session in over:
        worked[session.assignment_id] += planned_minutes([session])
    held = [*over, *(each for each in plan.sessions if each.pinned or each.starts_at < now)]
    flow = Flow(work, busy=busy, held=held, worked=worked, rules=rules, now=now, zone=zone)
    planned = planned_minutes(each for each in plan.sessions if each not in held)
    assert planned == flow.most(len(flow.needs))
    missing = {short.assignment_id: short.minutes for short in plan.short}
    assert sum(missing.values()) == 15 * sum(need for *_, need in flow.needs) - planned
    in_turn: Counter[tuple[int, int]] = Counter()
    for assignment, _ in work:
        due = assignment.due_at
        kind = 2 if due is None else int(due <= now)
        until = (
            quarter_down(due) // 15
            if due is not None and due > now
            else quarter_down(now + timedelta(days=rules.horizon_days)) // 15
        )
        in_turn[kind, until] += missing.get(assignment.id, 0)
    for number, (turn, _, _) in enumerate(flow.needs, 1):
        if number == len(flow.needs) or flow.needs[number][0] != turn:
            lost = sum(minutes for other, minutes in in_turn.items() if other <= turn)
            assert lost == 15 * sum(need for *_, need in flow.needs[:number]) - flow.most(number)


def _overloaded(seed: int) -> tuple[list[Work], list[Busy], Rules]:
    """Six to ten assignments on four to seven days that hold 60 to 100 % of them, between busy events."""
    dice = random.Random(seed)
    length = dice.randint(4, 7)
    opens = [dice.randint(8 * 4, 11 * 4) * 15 for _ in range(7)]
    rules = Rules(
        hours=tuple(((begin, begin + dice.randint(2 * 4, 6 * 4) * 15),) for begin in opens),
        session_min=timedelta(minutes=dice.choice([30, 45, 60])),
        session_max=timedelta(minutes=dice.choice([60, 90, 120])),
        break_=timedelta(minutes=dice.choice([15, 15, 30])),
        max_per_day=timedelta(minutes=dice.choice([120, 180, 240, 300, 360])),
        due_buffer=timedelta(hours=dice.choice([0, 12])),
        horizon_days=length,
    )
    begins = [MORNING + dice.randint(0, length * 96) * QUARTER for _ in range(dice.randint(0, 2 * length))]
    busy = [Busy(starts_at=begin, ends_at=begin + dice.randint(2, 8) * QUARTER) for begin in begins]
    free = days(rules.hours, busy=busy, start=MORNING, end=MORNING + timedelta(days=length), zone=UTC)
    hours = sum(min(rules.per_day, sum(b - a for a, b in day.free)) for day in free) / 60
    shares = [dice.uniform(0.3, 1.7) for _ in range(dice.randint(6, 10))]
    wanted = hours * dice.uniform(1.0, 1.6) / sum(shares)
    dues = [MORNING + timedelta(minutes=dice.randint(8 * 60, length * 1440 - 60)) for _ in shares]
    kinds = [dice.choices((due, MORNING - timedelta(days=1), None), (86, 8, 6))[0] for due in dues]
    work = [
        task(str(n), max(0.5, round(wanted * share * 4) / 4), due)
        for n, (share, due) in enumerate(zip(shares, kinds, strict=True))
    ]
    return work, busy, rules


MORNING = datetime(2026, 11, 23, 7, tzinfo=UTC)


def _exact(work: Sequence[Work], busy: Sequence[Busy], rules: Rules) -> tuple[int, int]:
    """Minutes that the best of all plans places, and those that it leaves short.

    One variable for every session there could be: an assignment, a first quarter hour, a length. No two of those that
    are planned, each with its break after it, share a quarter hour.
    """
    from ortools.sat.python import cp_model

    end = MORNING + timedelta(days=rules.horizon_days)
    model = cp_model.CpModel()
    covers: dict[int, list[cp_model.IntVar]] = {}
    free = days(rules.hours, busy=busy, start=MORNING, end=end, zone=UTC)
    on_day: list[list[cp_model.LinearExpr]] = [[] for _ in free]
    short = []
    needed = 0
    for assignment, assessment in work:
        need = round(assessment.effort_likely_hours * 4)
        due = assignment.due_at if assignment.due_at and assignment.due_at > MORNING else end
        sessions = []
        for number, day in enumerate(free):
            for begin, closes in day.free:
                until = min(closes, quarter_down(due))
                for first in range(begin, until, 15):
                    least = min(rules.shortest // 15, need)
                    for length in range(least, min(rules.longest, until - first) // 15 + 1):
                        held = model.new_bool_var("")
                        sessions.append(length * held)
                        on_day[number].append(length * held)
                        for quarter in range(first, first + 15 * length + rules.pause, 15):
                            covers.setdefault(quarter, []).append(held)
        missing = model.new_int_var(0, need, "")
        model.add(missing + sum(sessions) >= need)
        short.append(missing)
        needed += need
    for over in covers.values():
        model.add_at_most_one(over)
    for lengths in on_day:
        model.add(sum(lengths) <= rules.per_day // 15)
    model.minimize(sum(short))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.linearization_level = 2
    solver.parameters.max_time_in_seconds = 60  # only against a hang; most take a tenth of a second
    assert solver.solve(model) == cp_model.OPTIMAL
    least_short = round(solver.objective_value)
    return 15 * (needed - least_short), 15 * least_short


def test_close_to_an_exact_solver(capsys):
    """With breaks and lengths, no more is short than the best plan leaves, and 5 % of what that places, in any case."""
    rows = []
    for seed in range(50):
        work, busy, rules = _overloaded(seed)
        plan = plan_of(work, busy=busy, rules=rules, now=MORNING)
        assert plan_of(work, busy=busy, rules=rules, now=MORNING, sessions=plan.sessions) == plan
        short = sum(each.minutes for each in plan.short)
        placed, least = _exact(work, busy, rules)
        assert short >= least
        rows.append((seed, placed, least, short, (short - least) / placed))
    placed, least, short = (sum(row[n] for row in rows) for n in (1, 2, 3))
    lines = ["", "  case  exact placed  exact short  ours short     gap"]
    lines += [f"  {row[0]:4}  {row[1]:12}  {row[2]:11}  {row[3]:10}  {row[4]:6.1%}" for row in rows]
    lines += [f"   all  {placed:12}  {least:11}  {short:10}  {(short - least) / placed:6.2%}", ""]
    with capsys.disabled():
        sys.stdout.write("\n".join(lines))
    assert sum(least > 0 for _, _, least, _, _ in rows) >= 45
    assert max(rows, key=lambda row: row[-1])[-1] <= 0.05


ALL_DAY = (((0, 1440),),) * 7


def _advised(remedy: str, plan: Plan, busy: Sequence[Busy], rules: Rules) -> tuple[Rules, list[Busy]] | None:
    """Rules and busy events after the advice was followed, to the minute; None when it names no time."""
    limit, more = re.match(r"A limit of (.+?) (?:on|a day)", remedy), re.match(r"(.+) more ", remedy)
    if "even with every free hour" in remedy:
        return replace(rules, hours=ALL_DAY, max_per_day=timedelta(days=1)), []
    if limit is not None:
        return replace(rules, max_per_day=_length(limit[1])), list(busy)
    if more is None:
        return None
    if " before " in remedy:
        return replace(rules, hours=ALL_DAY), []
    end = NOW + timedelta(days=rules.horizon_days)
    free = days(rules.hours, busy=busy, start=NOW, end=end, zone=UTC)
    kept = {quarter for day in free for a, b in day.free for quarter in range(a, b, 15)}
    named = [words.day(to_moment(day.starts), UTC) for day in free]
    number = named.index(remedy.partition(" on ")[2].removesuffix(" would help"))
    first, until = (
        max(free[number].starts, quarter_up(NOW)),
        (*(day.starts for day in free), quarter_down(end))[number + 1],
    )
    minutes = int(_length(more[1]).total_seconds()) // 60
    if rules.pause or rules.shortest > 15:  # in one piece, apart from all sessions
        near = [(quarter_down(s.starts_at) - rules.pause, quarter_up(s.ends_at) + rules.pause) for s in plan.sessions]
        shut = kept | {quarter for a, b in near for quarter in range(a, b, 15)}
        pieces = (range(begin, begin + minutes, 15) for begin in range(first, until - minutes + 1, 15))
        added = next((set(piece) for piece in pieces if not shut & set(piece)), None)
        if added is None:
            return None
    else:
        added = set([quarter for quarter in range(first, until, 15) if quarter not in kept][: minutes // 15])
    shut = set(range(quarter_up(NOW), quarter_down(end), 15)) - kept - added
    events = [Busy(starts_at=to_moment(quarter), ends_at=to_moment(quarter + 15)) for quarter in sorted(shut)]
    return replace(rules, hours=ALL_DAY), events


def _length(text: str) -> timedelta:
    parts = re.fullmatch(r"(?:(\d+)h)? ?(?:(\d+)min)?", text)
    assert parts is not None
    return timedelta(hours=int(parts[1] or 0), minutes=int(parts[2] or 0))


@pytest.mark.parametrize("lossless", [True, False])
@given(any_work(least=1), any_busy, any_rules(), st.integers(0, 3))
@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_what_would_help_helps(lossless, work, busy, rules, which):
    """Whoever follows the advice gets as many minutes more as it says; with breaks, some."""
    hours = tuple(tuple((a, min(b, 1440)) for a, b in ranges) for ranges in rules.hours)
    rules = replace(rules, hours=hours, **(NO_LOSS if lossless else {}))
    plan = plan_of(work, busy=busy, rules=rules)
    assume(plan.short)
    short = plan.short[which % len(plan.short)]
    advised = _advised(short.remedy, plan, busy, rules)
    assume(advised is not None)
    after = plan_of(work, busy=advised[1], rules=advised[0], sessions=plan.sessions)
    gained = sum(each.minutes for each in plan.short) - sum(each.minutes for each in after.short)
    assert gained >= (short.minutes if lossless else 1)


@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.integers(12, 9 * 96).map(lambda quarters: quarters * QUARTER)),
        min_size=2,
        max_size=9,
    ),
    any_busy,
    any_rules(),
)
@settings(max_examples=80, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_all_that_would_help_helps_together(needs, busy, rules):
    """Whoever follows all advice, each on top of the ones before it, gets at least the sum of what was short."""
    hours = tuple(tuple((a, min(b, 1440)) for a, b in ranges) for ranges in rules.hours)
    rules = replace(rules, hours=hours, horizon_days=7, **NO_LOSS)
    work = [task(str(n), hours / 2, NOW + due) for n, (hours, due) in enumerate(needs)]
    plan = plan_of(work, busy=busy, rules=rules)
    assume(len(plan.short) > 1)
    flow = Flow(work, busy=busy, held=[], worked=Counter(), rules=rules, now=NOW, zone=UTC)
    everything = flow.most(len(flow.needs))
    assert everything == planned_minutes(plan.sessions)
    due_at = {assignment.id: assignment.due_at for assignment, _ in work}
    helped = [short for short in plan.short if short.remedy != "Only a later due date or less work would help"]
    for short in helped:
        flow.follow(short.remedy, due_at[short.assignment_id])
    assert flow.most(len(flow.needs)) - everything >= sum(short.minutes for short in helped)


def test_the_same_day_is_promised_once():
    """Two tasks that need the same day's free time: the second limit counts on top of the first."""
    rules = Rules(max_per_day=timedelta(hours=2), **NO_LOSS)
    work = [task(str(n), 2, NOW.replace(hour=22)) for n in range(3)]
    assert [short.remedy for short in plan_of(work, rules=rules).short] == [
        "A limit of 4h on Monday 23 Nov would help",
        "A limit of 6h on Monday 23 Nov would help",
    ]


def test_known_sessions_keep_the_limit_together():
    """Beside a new pin only as many known sessions stay as the day's limit leaves, not each for itself."""
    rules = Rules(session_max=timedelta(minutes=15), max_per_day=timedelta(hours=1), horizon_days=1, **NO_LOSS)
    work = [task("0", 1, None)]
    first = plan_of(work, rules=rules, now=MORNING)
    begin = MORNING + timedelta(hours=10)
    pin = replace(first.sessions[0], ordinal=9, starts_at=begin, ends_at=begin + timedelta(minutes=31), pinned=True)
    second = plan_of(work, rules=rules, now=MORNING, sessions=[*first.sessions, pin])
    assert planned_minutes(second.sessions) == 31 + 15
