"""Study sessions in free time: pure, deterministic, in quarter hours of UTC.

The rules, in the order in which they win:

1. No session lies outside the student's hours, over a busy event, after the due date, or above `max_per_day`.
   Sessions are `break_` apart. One that the student pinned stays where it is, whatever it lies on.
2. As much work as possible is placed, a minute that is due earlier counting up to a quarter more than a later one.
   So what is due later gives way, then overdue work (its date is lost anyway), then undated work.
3. A session that is planned already and breaks no rule stays exactly where it is; it moves only when 2 asks for it.
4. The rest is spread evenly: long sessions, far apart, on the days with the least to do; overdue work comes first.
5. `due_buffer` keeps the last hours before the due date free, as long as the work fits without them.

How: known sessions are held (`draft`), everything else is spread over what is left, and only when something is short
`overload` works harder.

Without breaks and a least length of sessions, what is placed is a maximum flow, for every input. Count in quarter hours
on the grid of UTC. Held is what cannot move: pinned sessions, one going on, those that are over; they take their
quarters (widened to the grid), their share of their day's limit, and, where they end before it is due, from their
assignment's need, whatever they lie on. An assignment may use the quarters between now and its due date, overdue and
undated work all up to the horizon. So the assignments' quarters are nested. A set of quarters can be worked in when no
day has more of them than its limit leaves (a partition matroid: a night counts for the day it began on, and the last
day may end at the due date); let C(d) be the most that fits before d. Because of the nesting, the work due up to d can
place no more than f(d) = min(f(earlier due) + its need, C(d)), which is the cut of the flow at d. `overload.repaired`
reaches f(d) for every d, by induction over the due dates: when it comes to d, the earlier work has f(earlier) quarters,
all of them before d. Later work is taken out of the time before d, and out of the limit of the last day, until the work
due at d fits or none is left; then nothing but a set that can be worked in is there, and in a matroid each such set can
be extended to the greatest, so C(d) is reached unless the need ends first. Where the known sessions lie does not
matter, as only their number enters. Sessions as short as a quarter, end to end, fill any set of quarters, so
`session_max` costs nothing. Weights that fall with the due date rank no other plan above this one: the weighted sum is
a positive sum of all the f(d), and each of them is as great as it can be. Thus rule 2 loses nothing, in all and for
those due first.

With breaks and lengths the best plan is a hard problem; tests measure how close this one comes to an exact solver's.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

from gradent_cli.agents.study.free import days
from gradent_cli.agents.study.overload import improve
from gradent_cli.agents.study.planner import Planner
from gradent_cli.agents.study.records import Assessment, Assignment, Busy, Plan, Session
from gradent_cli.agents.study.rules import Rules
from gradent_cli.agents.study.timetable import Timetable


def schedule(
    work: Iterable[tuple[Assignment, Assessment]],
    *,
    busy: Iterable[Busy],
    sessions: Sequence[Session],
    settled: Mapping[str, int],
    rules: Rules,
    now: datetime,
    zone: tzinfo,
) -> Plan:
    """Plan every piece of work that is due within the horizon, or has no due date.

    Args:
        work: what is still to do; a due date that has passed means that it is overdue.
        busy: taken time, in any order.
        sessions: those that are over count for their day; future ones are kept as the rules say, of anything but `work`
            only those that the student pinned.
        settled: minutes that need no place any more, by assignment id.

    Returns:
        The sessions that are not over yet, by time, and for every piece of work that does not fit how much is missing.
        Given its own plan as `sessions` and otherwise the same, it returns that plan.
    """
    end = now + timedelta(days=rules.horizon_days)
    free = days(rules.hours, busy=busy, start=now, end=end, zone=zone)
    planner = Planner(Timetable(free, per_day=rules.per_day, pause=rules.pause), rules, now)
    draft = planner.draft(work, sessions, settled)
    anew = not any(draft.pieces)
    for task in sorted(draft.tasks, key=lambda task: not task.eager):
        draft.fill(task)
    if draft.missing:
        draft = improve(draft, anew=anew)
    return planner.plan(draft, zone)
