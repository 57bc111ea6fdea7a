"""Advice: from facts, ranked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gradent_cli.agents.study.free import days, week
from gradent_cli.agents.study.records import Assessment, Assignment, Busy, Plan, Session, Shortfall
from gradent_cli.agents.study.rules import Rules
from gradent_cli.agents.study.schedule import schedule
from gradent_cli.agents.study.suggest import suggest

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


def advice(
    tasks,
    *,
    plan: Plan | None = None,
    sessions: tuple[Session, ...] = (),
    rules: Rules | None = None,
    logged: dict[str, int] | None = None,
    worked: dict[str, int] | None = None,
    now: datetime = NOW,
    answered: tuple[str, ...] = (),
    asked: list[tuple[Busy, ...]] | None = None,
):
    """What is suggested. Without `worked` only what was logged is. `asked` gets the time of every other plan."""
    rules, logged = rules or Rules(), logged or {}
    worked = worked or logged
    free = days(rules.hours, busy=(), start=now, end=now + 60 * DAY, zone=UTC)

    def replan(*busy: Busy) -> Plan:
        if asked is not None:
            asked.append(busy)
        return schedule(tasks, busy=busy, sessions=sessions, settled=worked, rules=rules, now=now, zone=UTC)

    return suggest(
        tasks,
        plan=plan or replan(),
        sessions=sessions,
        worked=worked,
        free=free,
        now=now,
        zone=UTC,
        replan=replan,
        answered=answered,
    )


def held(task, *days_ago: float, length: timedelta = 2 * HOUR) -> tuple[Session, ...]:
    """Sessions of a task, one that began on each of these days."""
    return tuple(
        Session(
            assignment_id=task[0].id,
            ordinal=n,
            title=task[0].title,
            starts_at=NOW - ago * DAY,
            ends_at=NOW - ago * DAY + length,
        )
        for n, ago in enumerate(days_ago, start=1)
    )


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


def test_what_was_logged():
    """Without a session to come, what was logged is said, and what to do when that was the whole work."""
    lab = work("Lab", 4, NOW + DAY)
    (found,) = advice([lab], logged={lab[0].id: 240})
    assert found.text == (
        f"It takes about 4 hours in all. You have logged 4h; if it is finished: gradent done {lab[0].id}"
    )
    (found, _) = advice([lab], logged={lab[0].id: 120}, rules=Rules(hours=week({})))[::-1]
    assert found.text == "It takes about 4 hours in all. You have logged 2h; nothing more is planned."


def test_sessions_that_went_by_are_no_work():
    """What nobody logged is not said to be behind anybody."""
    lab = work("Lab", 4, NOW + DAY)
    (found, _) = advice([lab], sessions=held(lab, 1, 2))
    assert found.text == "It takes about 4 hours in all. The next session is Mon 23 Nov 14:15."


def test_behind_the_log():
    """Sessions that went by are held against the log: behind by an hour and a quarter of the work is told."""
    essay = work("Essay", 8, NOW + 20 * DAY)
    sessions = held(essay, 2, 3)
    (found,) = advice([essay], sessions=sessions, logged={essay[0].id: 60})
    assert found.title == "Essay is 3h behind its plan"
    assert found.text.startswith("4h was planned so far, and 1h of that is done. The next session is ")
    assert (found.category, found.priority) == ("study_reinforcement", "medium")
    assert found.key.endswith(":2026-W48")
    (none,) = advice([essay], sessions=sessions)
    assert none.text.startswith("4h was planned so far, and none of that is in the log.")
    assert len(advice([essay], sessions=sessions, logged={essay[0].id: 120})) == 1
    assert advice([essay], sessions=sessions, logged={essay[0].id: 121}) == ()


def test_a_small_thing_is_not_behind_by_minutes():
    """An hour is the least that is told, and what was declined is not missing."""
    quiz = work("Reading", 2, NOW + 20 * DAY)
    sessions = held(quiz, 2, length=HOUR)
    assert len(advice([quiz], sessions=sessions)) == 1
    assert advice([quiz], sessions=sessions, logged={quiz[0].id: 1}) == ()
    assert advice([quiz], sessions=sessions, worked={quiz[0].id: 60}) == ()


def test_there_is_a_day_to_log_a_session():
    """What ended since yesterday is not held against the log: whether it was held is asked first."""
    essay = work("Essay", 8, NOW + 20 * DAY)
    sessions = held(essay, 1 + 1 / 12)
    assert len(advice([essay], sessions=sessions)) == 1
    assert advice([essay], sessions=sessions, now=NOW - timedelta(seconds=1)) == ()


def test_missed_again_is_missing_once():
    """Work that was missed, planned again and missed again is no more than the whole."""
    lab = work("Lab", 3, NOW + 20 * DAY)
    (found,) = advice([lab], sessions=held(lab, 2, 3, 4, 5))
    assert found.title == "Lab is 3h behind its plan"


def test_behind_is_told_once_a_week():
    """Its key is the same until Monday."""
    essay = work("Essay", 8, NOW + 20 * DAY)
    sessions = held(essay, 2, 3)
    keys = [advice([essay], sessions=sessions, now=NOW + n * DAY)[0].key for n in (0, 6, 7)]
    assert keys[0] == keys[1] != keys[2]


def test_overdue_work_is_not_also_behind():
    """Its date says enough."""
    lab = work("Lab", 4, NOW - DAY)
    assert [each.title for each in advice([lab], sessions=held(lab, 2, 3))] == ["Lab is overdue"]


def test_exam_without_sessions():
    """An exam within two weeks is told when nothing is planned or logged for it; an essay is not."""
    exam, essay = work("Midterm exam", 6, NOW + 14 * DAY), work("Essay", 6, NOW + 10 * DAY)
    (found,) = advice([exam, essay], plan=Plan())
    assert found.title == "No session is planned for Midterm exam"
    assert found.text == ("It is Mon 7 Dec 14:03, and nothing of it is in the log. It takes about 6 hours in all.")
    assert (found.category, found.priority) == ("study_reinforcement", "medium")
    assert advice([exam], plan=Plan(), logged={exam[0].id: 30}) == ()
    assert advice([exam]) == ()
    assert advice([work("Midterm exam", 6, NOW + 14 * DAY + HOUR)], plan=Plan()) == ()
    assert len(advice([work("Quiz 3", 1, NOW + 5 * DAY)], plan=Plan())) == 1


def test_an_exam_is_told_of_once():
    """What is due soon, or does not fit, says already that nothing is planned."""
    soon = work("Quiz", 1, NOW + DAY)
    assert [each.title for each in advice([soon], plan=Plan())] == ["Quiz is due Tue 24 Nov 14:03"]
    short = Plan(short=(Shortfall(assignment_id=soon[0].id, minutes=60, remedy="x"),))
    later = replace(soon[0], due_at=NOW + 10 * DAY)
    assert [each.key.split(":")[0] for each in advice([(later, soon[1])], plan=short)] == ["overload"]


def full_week(*, last: str = "Reading", due: datetime = NOW + 30 * DAY):
    """Work with a session on each of the seven days after today; the day of `last` has the least."""
    tasks = [work("Essay", 12, NOW + 30 * DAY), work(last, 1, due)]
    sessions = [
        Session(
            assignment_id=tasks[n == 7][0].id,
            ordinal=n,
            title="x",
            starts_at=NOW.replace(hour=10, minute=0) + n * DAY,
            ends_at=NOW.replace(hour=11 if n == 7 else 12, minute=0) + n * DAY,
        )
        for n in range(1, 8)
    ]
    return tasks, tuple(sessions)


def test_a_day_of_rest():
    """When all of the next seven days have sessions, the one with the least that can move is offered."""
    tasks, sessions = full_week()
    (found,) = advice(tasks, sessions=sessions)
    assert found.title == "Keep Monday 30 Nov free"
    assert found.text == (
        "All of the next seven days have sessions. The 1h of that day fit on others, and nothing is late for it: "
        "block it in your calendar."
    )
    assert (found.category, found.priority, found.key) == ("wellness", "low", "rest:2026-W48")
    assert found.assignment_id is None
    assert advice(tasks, sessions=sessions[:3] + sessions[4:], worked={tasks[0][0].id: 120}) == ()


def test_no_rest_at_the_price_of_a_deadline():
    """A day whose work would be late, or that the student filled themselves, is not offered; the next lightest is."""
    tasks, sessions = full_week()
    pinned = (*sessions[:6], replace(sessions[6], pinned=True))
    assert advice(tasks, sessions=pinned)[0].title == "Keep Tuesday 24 Nov free"
    only = {name: ["10:00-12:00"] for name in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday")}
    rules = Rules(hours=week({**only, "sunday": ["10:00-12:00"]}))
    due = NOW.replace(hour=13) + 7 * DAY
    tight = [(replace(task, due_at=due), assessment) for task, assessment in tasks]
    assert not [each for each in advice(tight, sessions=sessions, rules=rules) if each.category == "wellness"]


def test_no_rest_while_work_is_late():
    """While something does not fit, no day of rest is offered, and no other plan is made to find one."""
    tasks, sessions = full_week()
    late = Plan(sessions=sessions, short=(Shortfall(assignment_id=tasks[0][0].id, minutes=15, remedy="More"),))
    asked: list[tuple[Busy, ...]] = []
    assert not [each for each in advice(tasks, plan=late, asked=asked) if each.category == "wellness"]
    assert asked == []


def test_a_rest_that_was_answered_is_not_looked_for():
    """Whoever has said what they think of this week's day of rest costs no other plan."""
    tasks, sessions = full_week()
    asked: list[tuple[Busy, ...]] = []
    plan = Plan(sessions=sessions)
    assert len(advice(tasks, plan=plan, asked=asked)) == len(asked) == 1
    assert advice(tasks, plan=plan, asked=asked, answered=("rest:2026-W48",)) == ()
    assert len(asked) == 1


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


def test_what_would_help_with_several():
    """Each remedy holds with those before it, and says so: they may be told on other days, or not at all."""
    tasks = [work(f"Essay {n}", 20, NOW + 4 * DAY + n * HOUR) for n in (1, 2, 3)]
    short = [Shortfall(assignment_id=each[0].id, minutes=60, remedy="It helps") for each in tasks]
    texts = [each.text for each in advice(tasks, plan=Plan(short=tuple(short)))]
    assert texts == [
        "It helps.",
        "It helps, on top of what would help Essay 1.",
        "It helps, on top of what would help Essay 1 and 1 more.",
    ]


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


def test_ranked():
    """Overdue work, what is due soon, exams without sessions, work behind its plan, a day of rest."""
    tasks, sessions = full_week()
    behind = replace(sessions[0], ordinal=9, starts_at=NOW - 2 * DAY, ends_at=NOW - 2 * DAY + 4 * HOUR)
    exam = work("Final exam", 3, NOW + 9 * DAY)
    more = [work(f"Quiz {n}", 0.5, NOW + n * 8 * HOUR) for n in (2, 1, 3)]
    late = [work("Lab", 1, NOW - DAY), work("Lab 0", 1, NOW - 2 * DAY)]
    everything = [*tasks, exam, *more, *late]
    found = advice(everything, plan=Plan(sessions=sessions), sessions=(behind,))
    assert [each.title for each in found] == [
        "Lab 0 is overdue",
        "Lab is overdue",
        "Quiz 1 is due Mon 23 Nov 22:03",
        "Quiz 2 is due Tue 24 Nov 06:03",
        "Quiz 3 is due Tue 24 Nov 14:03",
        "No session is planned for Final exam",
        "Essay is 4h behind its plan",
        "Keep Monday 30 Nov free",
    ]


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
    over = held(tasks[0], 1, 2)
    found = suggest(tasks, plan=None, sessions=over, worked={}, free=(), now=NOW, zone=UTC)
    assert [each.title for each in found] == ["Lab is overdue", "Essay is due Tue 24 Nov 14:03"]
    assert not any("session" in each.text or "planned" in each.text for each in found)
