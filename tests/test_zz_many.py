"""The planner against what can be proven: an independent maximum flow, an exact solver, its own advice."""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from datetime import date as Date
from zoneinfo import ZoneInfo

import networkx as nx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gradent_cli.agents.study.free import days, quarter_down
from gradent_cli.agents.study.schedule import Rules, planned_minutes, schedule
from gradent_cli.records import Busy, Plan, Session
from tests.test_schedule import MOMENTS, NOW, Work, _shifted, any_busy, any_rules, any_work, mine, plan_of, task, zones

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
        taken = set()
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
            need -= sum(int(s.duration / QUARTER) for s in held if s.assignment_id == assignment.id and s.ends_at > now)
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
        return tuple(wall.replace(tzinfo=self._zone, fold=fold).timestamp() for fold in (0, 1))

    def _owner(self, quarter: int) -> Date:
        """The day that a quarter hour counts for: a night is the day's that it began on."""
        today = datetime.fromtimestamp(quarter * 900, self._zone).date()
        return min((date for date, opens, closes in self._hours if quarter < closes and date < today), default=today)

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
        return 15 * nx.maximum_flow_value(graph, "source", "sink")


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
@settings(max_examples=1500, suppress_health_check=[HealthCheck.too_slow])
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
