"""Advice: from facts, ranked, at most five pieces."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gradent_cli.agents.study.free import days, week
from gradent_cli.agents.study.schedule import Rules, planned_minutes, schedule
from gradent_cli.agents.study.suggest import suggest
from gradent_cli.records import Assessment, Assignment, Plan, Session

NOW = datetime(2026, 11, 23, 14, 3, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def work(key: str, hours: float, due: datetime | None, *, risk: int = 30, weight: float | None = None):
    assignment = Assignment(source="s", key=key, title=key, due_at=due, weight=weight, done=False)
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


def advice(tasks, *, plan: Plan | None = None, sessions: tuple[Session, ...] = (), rules: Rules | None = None):
    rules = rules or Rules()
    free = days(rules.hours, busy=(), start=NOW, end=NOW + 60 * DAY, zone=UTC)
    worked = {each.assignment_id: planned_minutes(sessions) for each in sessions if each.ends_at <= NOW}
    plan = plan or schedule(tasks, busy=(), sessions=sessions, worked=worked, rules=rules, now=NOW, zone=UTC)
    return suggest(tasks, plan=plan, sessions=sessions, free=free, now=NOW, zone=UTC)


def test_nothing_to_say():
    """Work that is far away and fits needs no advice."""
    assert advice([work("Essay", 4, NOW + 10 * DAY)]) == ()


def test_overdue():
    """Overdue work is told with its date, its size and the next session."""
    (found,) = advice([work("Lab 2", 2, NOW - 2 * DAY)])
    assert found.title == "Lab 2 is overdue"
    assert found.text == (
        "It was due Sat 21 Nov 14:03. It takes about 2 hours in all. The next session is Mon 23 Nov 14:15."
    )
    assert (found.priority, found.category) == ("high", "deadline_reminder")


def test_due_soon():
    """Work that is due within 72 hours is told; what is due later is not."""
    found = advice([work("Soon", 1, NOW + 72 * HOUR), work("Later", 1, NOW + 73 * HOUR)])
    assert [each.title for each in found] == ["Soon is due Thu 26 Nov 14:03"]
    assert found[0].text == "It takes about 1 hour in all. The next session is Mon 23 Nov 14:15."


def test_sessions_that_are_over():
    """Work whose sessions went by was planned: that is said, and what to do if they were not enough."""
    lab = work("Lab", 4, NOW + DAY)
    worked = tuple(
        Session(
            assignment_id=lab[0].id,
            ordinal=day,
            title="Lab",
            starts_at=NOW - day * DAY,
            ends_at=NOW - day * DAY + 2 * HOUR,
        )
        for day in (1, 2)
    )
    (found,) = advice([lab], sessions=worked)
    assert found.text == (
        "It takes about 4 hours in all. Its 4 hours of planned sessions are behind you; if it is not done, plan more."
    )
    (found, _) = advice([lab], sessions=worked[:1], rules=Rules(hours=week({})))[::-1]
    assert found.text == (
        "It takes about 4 hours in all. Its 2 hours of planned sessions are behind you; nothing more is planned."
    )


def test_overload():
    """What does not fit is told with what would help, and with lighter work that could be left for it."""
    tasks = [
        work("Essay", 20, NOW + 4 * DAY, weight=30),
        work("Quiz", 2, NOW + 4 * DAY - HOUR, weight=2),
        work("Reading", 2, NOW + 4 * DAY - HOUR),
    ]
    (found,) = advice(tasks)
    assert found.title == "4h of Essay does not fit before it is due"
    assert found.text == "A limit of 8h on Tuesday 24 Nov would help. Or leave Quiz, which counts 2 % of the grade."


def test_nobody_is_told_to_leave_what_may_count_more():
    """Where weights are not known, nothing is named to be left."""
    (found,) = advice([work("Essay", 20, NOW + 4 * DAY), work("Quiz", 2, NOW + 4 * DAY - HOUR, weight=2)])
    assert "leave" not in found.text


def test_free_gap():
    """A free stretch in the next two days is offered to risky work that would begin only later."""
    essay = work("Essay", 2, NOW + 6 * DAY, risk=62)
    start = NOW.replace(hour=9, minute=0) + 3 * DAY
    late = Session(assignment_id=essay[0].id, ordinal=1, title="Essay", starts_at=start, ends_at=start + 2 * HOUR)
    rules = Rules(hours=week({"monday": ["18:00-21:00"], "tuesday": ["10:00-14:00"]}))
    (found,) = advice([essay], plan=Plan(sessions=(late,)), rules=rules)
    assert found.title == "Start Essay early"
    assert found.text == "Tue 24 Nov 10:00 to 14:00 is free, and its risk is 62/100."
    assert (found.category, found.priority) == ("schedule_gap", "low")
    other = work("Other", 2, NOW + 5 * DAY)
    taken = Session(
        assignment_id=other[0].id,
        ordinal=1,
        title="Other",
        starts_at=NOW.replace(hour=10, minute=0) + DAY,
        ends_at=NOW.replace(hour=12, minute=0) + DAY,
    )
    (beside,) = advice([essay, other], plan=Plan(sessions=(taken, late)), rules=rules)
    assert beside.text.startswith("Mon 23 Nov 18:00 to 21:00 is free")
    calm = (essay[0], replace(essay[1], risk=49))
    assert advice([calm], plan=Plan(sessions=(late,)), rules=rules) == ()
    early = replace(late, ordinal=2, starts_at=NOW + DAY, ends_at=NOW + DAY + HOUR)
    assert advice([essay], plan=Plan(sessions=(early, late)), rules=rules) == ()


def test_ranked_and_at_most_five():
    """Overdue first, then by due date; five pieces and no more."""
    tasks = [work(f"Quiz {n}", 0.5, NOW + n * 8 * HOUR) for n in range(1, 9)] + [work("Lab", 1, NOW - DAY)]
    found = advice(tasks)
    assert [each.title.split(" is ")[0] for each in found] == ["Lab", "Quiz 1", "Quiz 2", "Quiz 3", "Quiz 4"]


def test_keys():
    """A key stays when the hours or minutes change, and changes with the due date."""
    tasks = [work("Essay", 9, NOW + DAY)]
    more = [(tasks[0][0], replace(tasks[0][1], effort_likely_hours=12))]
    assert {each.key for each in advice(tasks)} == {each.key for each in advice(more)}
    moved = [work("Essay", 9, NOW + DAY + HOUR)]
    assert not {each.key for each in advice(tasks)} & {each.key for each in advice(moved)}


def test_without_a_plan():
    """When no plan could be made, only what the dates say is told."""
    tasks = [work("Essay", 20, NOW + DAY), work("Lab", 1, NOW - DAY)]
    found = suggest(tasks, plan=None, sessions=(), free=(), now=NOW, zone=UTC)
    assert [each.title for each in found] == ["Lab is overdue", "Essay is due Tue 24 Nov 14:03"]
    assert not any("session" in each.text or "planned" in each.text for each in found)
