"""How much work an assignment is, without asking anybody: pure, from its own words and numbers.

The hours come from the first of these that has something to say, which is also the `basis` of the assessment:

- `own`: the student's own estimate;
- `course`: what the same kind of work in the same course took them, by the minutes they logged for what is done;
- `text`: what the description asks for in words, pages or problems;
- `courses`: what the same kind took in other courses, from two pieces of work on;
- `kind`: the kind of assignment and what it counts.

`agent` are hours that an agent judged (`judged`): they stand until the assignment changes.

The table of kinds is a proposal; the rates follow the orders of magnitude of Rice University's workload estimator
(https://cte.rice.edu/blog/2016/workload): a page of writing is 250 words and takes about an hour with drafts, and
about twenty pages of a textbook are read in an hour.

Effort, difficulty and confidence depend on the assignment and the student's past. Risk also depends on the time that
is left and on all other work, so it is worked out again on every run (`with_risks`), and a risk that changed is no
new assessment.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gradent_cli.agents.study import words
from gradent_cli.agents.study.remaining import remaining_hours
from gradent_cli.records import Assessment, Assignment, Finished, Milestone
from gradent_cli.text import one_line


@dataclass(frozen=True, slots=True)
class Kind:
    """What is usual for one kind of assignment: hours, difficulty 1-5, percent of the grade, and its steps.

    `name` is one of the kind, `many` are several; `steps` are (label, share of the work) for milestones.
    """

    name: str
    many: str
    low: float
    likely: float
    high: float
    difficulty: int
    weight: float
    steps: tuple[tuple[str, float], ...] = (("First half", 0.5), ("Second half", 0.5))


_WRITING = (("Outline and sources", 0.25), ("First draft", 0.5), ("Revision", 0.25))
_QUIZ = Kind("a quiz", "quizzes", 1, 2, 3, 2, 3)
_PROBLEMS = Kind("a problem set", "problem sets", 2, 4, 7, 3, 4)
_LAB = Kind("a lab", "labs", 2, 4, 6, 3, 5)
_ESSAY = Kind("an essay", "essays", 4, 8, 14, 3, 12, _WRITING)
_PROJECT = Kind(
    "a project", "projects", 8, 16, 30, 4, 20, (("Plan", 0.15), ("Main part", 0.6), ("Finish and check", 0.25))
)
_EXAM = Kind("an exam", "exams", 6, 10, 18, 4, 25, (("Notes reviewed", 0.4), ("Practice", 0.4), ("Last review", 0.2)))
_READING = Kind("a reading", "readings", 1, 2, 3, 1, 2)
_TALK = Kind(
    "a presentation", "presentations", 3, 6, 10, 3, 10, (("Content", 0.4), ("Slides", 0.35), ("Rehearsal", 0.25))
)
_DISCUSSION = Kind("a discussion", "discussions", 0.5, 1, 2, 1, 2)
_OTHER = Kind("an assignment of unknown kind", "assignments like it", 2, 4, 8, 2, 8)

_KINDS = (
    (_LAB, r"labs?(?: reports?)?|laboratory(?: reports?)?|practical"),
    (_QUIZ, r"quiz(?:zes)?|kahoot"),
    (_PROBLEMS, r"problem ?sets?|p-?sets?|homework|hw ?\d*|exercises?|worksheets?|problems"),
    (_ESSAY, r"essays?|papers?|reports?|write-?ups?|thesis|memo"),
    (_PROJECT, r"projects?|portfolio|capstone"),
    (_EXAM, r"exams?|mid-?terms?|finals?|tests?"),
    (_TALK, r"presentations?|talk|slides|poster"),
    (_READING, r"readings?|read|chapters?"),
    (_DISCUSSION, r"discussions?|forum|post|responses?|reflections?"),
)
_KEYWORD = re.compile("|".join(rf"(?P<k{i}>\b(?:{names})\b)" for i, (_, names) in enumerate(_KINDS)), re.IGNORECASE)
# "Essay on the Manhattan project" is an essay: what follows one of these describes it, it does not name it.
_TAIL = re.compile(r"\s+(?:on|for|of|about|with|from|in|to)\s+|\s*[:;,(\[|/–—]\s*|\s+-\s+", re.IGNORECASE)

# Bounded, and never the end of a longer one: whatever stands in a description is looked at in one pass.
_NUMBER = r"(\d{1,3}(?:[,.\u00a0 ]\d{3}){1,3}|\d{1,9})"
_RANGE = rf"(?<!\d){_NUMBER}(?:\s*(?:-|–|to)\s*{_NUMBER})?"
_WORDS = re.compile(rf"{_RANGE}[\s-]*words?\b", re.IGNORECASE)
_PAGES = re.compile(rf"{_RANGE}[\s-]*(?:pages?|pp)\b", re.IGNORECASE)
_PAGE_SPAN = re.compile(r"\b(?:pages|pp\.?)\s*(\d{1,4})\s*(?:-|–|to)\s*(\d{1,4})(?!\d)", re.IGNORECASE)
_EXERCISES = re.compile(rf"{_RANGE}\s+(?:\w+\s+)?(?:exercises|problems)\b", re.IGNORECASE)

_LEAST, _MOST = 0.5, 60.0
_CREDIBLE = 1000.0
"""More hours than this are a slip of the pen, infinity among them."""
_MILESTONES_FROM = 6.0
_PAST = ("course", "courses")
"""The bases that are finished work."""


_RECENT = 8
"""Finished pieces of work that count, the last ones: students and courses change."""
_LEAST_LOGGED, _MOST_LOGGED = 15, 60 * 60
"""Minutes. Less is a log that was given up, more is a slip of the pen."""
_NEWS = 0.25
"""A change of what past work took that is worth a new assessment."""


class History:
    """What the student's finished work says of work to come.

    Args:
        finished: what was worked on last first.
    """

    def __init__(self, finished: Iterable[Finished] = ()) -> None:
        self._in_course: dict[tuple[str, str], list[float]] = {}
        self._anywhere: dict[str, list[float]] = {}
        for each in finished:
            if not _LEAST_LOGGED <= each.minutes <= _MOST_LOGGED:
                continue
            kind, _ = _kind(each)
            if each.course:
                self._in_course.setdefault((_same(each.course), kind.name), []).append(each.minutes / 60)
            if kind is not _OTHER:  # two things whose kinds are unknown have nothing in common but the course
                self._anywhere.setdefault(kind.name, []).append(each.minutes / 60)

    def __bool__(self) -> bool:
        return bool(self._in_course or self._anywhere)

    def in_course(self, kind: Kind, course: str | None) -> list[float]:
        """Hours that the last of this kind took in this course, the newest first."""
        return self._in_course.get((_same(course), kind.name), [])[:_RECENT] if course else []

    def anywhere(self, kind: Kind) -> list[float]:
        """Hours that the last of this kind took, the newest first; none where a single one is all there is."""
        hours = self._anywhere.get(kind.name, [])[:_RECENT]
        return hours if len(hours) > 1 else []


def _same(course: str) -> str:
    return " ".join(course.casefold().split())


def assess(
    assignment: Assignment, *, now: datetime, history: History | None = None, previous: Assessment | None = None
) -> Assessment:
    """What the assignment is thought to take. The risk is that of its weight alone until `with_risks` knows better.

    Args:
        history: what the student has finished; None is nothing.
        previous: the assessment of an earlier state of the same assignment; the new one is the next version.
    """
    prerequisites, deliverables = _demands(assignment.description)
    kind, sure = _kind(assignment)
    effort = _effort(assignment, kind, sure, history or History())
    difficulty = kind.difficulty + (1 if (_weight(assignment) or 0) >= 1.5 * kind.weight else 0)
    return Assessment(
        assignment_id=assignment.id,
        effort_low_hours=effort.low,
        effort_likely_hours=effort.likely,
        effort_high_hours=effort.high,
        difficulty=min(5, difficulty),
        risk=risk(assignment, effort.likely, now=now, free_hours=None),
        confidence=effort.confidence,
        reason=effort.reason,
        fingerprint=assignment.fingerprint,
        assessed_at=now,
        milestones=_milestones(assignment, kind, effort.likely, now),
        prerequisites=prerequisites,
        deliverables=deliverables,
        version=previous.version + 1 if previous else 1,
        basis=effort.basis,
    )


def judged(
    assignment: Assignment,
    *,
    hours: tuple[float, float, float],
    difficulty: int | None,
    reason: str,
    now: datetime,
    previous: Assessment | None = None,
) -> Assessment:
    """The assessment that an agent gives, with what it leaves out as `assess` has it.

    Args:
        hours: low, likely, high.
        difficulty: 1-5; None when the agent says nothing of it.
    """
    low, likely, high = hours
    usual = assess(assignment, now=now, previous=previous)
    return replace(
        usual,
        effort_low_hours=low,
        effort_likely_hours=likely,
        effort_high_hours=high,
        difficulty=usual.difficulty if difficulty is None else difficulty,
        risk=risk(assignment, likely, now=now, free_hours=None),
        confidence=0.7,
        reason=reason or "Your agent judged it.",
        milestones=_milestones(assignment, _kind(assignment)[0], likely, now),
        basis="agent",
    )


def _demands(description: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What has to be done before and what is handed in. Most runs have nothing to ask it of."""
    if not description.strip():
        return (), ()
    from gradent_cli.agents.study import demands

    return demands.prerequisites(description), demands.deliverables(description)


def outdated(assessment: Assessment, assignment: Assignment, history: History) -> bool:
    """Whether the assignment has to be assessed again: it changed, or what finished work says of it did.

    Not each log entry is news: only when past work begins or ceases to be what the estimate comes from, or when its
    median has moved by a quarter. The student's own estimate stands whatever the past says.
    """
    if assessment.fingerprint != assignment.fingerprint:
        return True
    before = assessment.basis in _PAST
    if assessment.basis == "agent":
        return False
    if not (before or history):
        return False
    kind, sure = _kind(assignment)
    fresh = _effort(assignment, kind, sure, history)
    if fresh.basis not in _PAST and not before:
        return False
    change = abs(fresh.likely - assessment.effort_likely_hours)
    return fresh.basis != assessment.basis or change >= _NEWS * assessment.effort_likely_hours


def with_risks(
    work: Sequence[tuple[Assignment, Assessment]],
    *,
    worked: Mapping[str, int],
    free: Callable[[datetime], float],
    now: datetime,
) -> list[tuple[Assignment, Assessment]]:
    """The same work with the risk that each piece has beside all the others.

    The free time that is really left for a piece is what is free before its due date, less what the rest of the work
    due before it or at the same moment still needs. Its own sessions take nothing away: they are meant for it.
    Overdue work takes nothing away either, since the plan lets it give way to what can still be in time.

    Args:
        worked: minutes that the student says they worked, by assignment id.
        free: hours that can be studied from now until a moment.
    """
    needs = [remaining_hours(assessment, worked) or 0.0 for _, assessment in work]
    dated = sorted(
        (assignment.due_at, number)
        for number, (assignment, _) in enumerate(work)
        if assignment.due_at is not None and assignment.due_at > now
    )
    left: dict[int, float] = {}
    due_so_far, first = 0.0, 0
    for place, (due_at, _) in enumerate(dated):
        if place + 1 < len(dated) and dated[place + 1][0] == due_at:
            continue
        together = [number for _, number in dated[first : place + 1]]
        due_so_far += sum(needs[number] for number in together)
        first = place + 1
        before = free(due_at)
        left |= {number: before - (due_so_far - needs[number]) for number in together}
    return [
        (
            assignment,
            replace(assessment, risk=risk(assignment, needs[number], now=now, free_hours=left.get(number, 0.0))),
        )
        for number, (assignment, assessment) in enumerate(work)
    ]


def risk(assignment: Assignment, hours: float, *, now: datetime, free_hours: float | None) -> int:
    """How likely it is to go wrong, 0-100: 60 for the work against the free time, 20 each for nearness and weight.

    Nearness counts from two weeks before the due date; a weight of 40 percent counts in full, an unknown one a
    quarter. Overdue work is at 100; work without a due date has only its weight.

    Args:
        hours: work that is still to do.
        free_hours: time to study before the due date that other work leaves; below zero when that is more than there
            is, None when nothing is known of it.
    """
    percent = _weight(assignment)
    weight = 0.25 if percent is None else min(1.0, percent / 40)
    if assignment.due_at is None or free_hours is None:
        return round(20 * weight)
    if assignment.due_at <= now:
        return 100
    if hours <= 0:
        return 0
    pressure = min(1.0, hours / free_hours) if free_hours > 0 else 1.0
    nearness = max(0.0, 1 - (assignment.due_at - now) / timedelta(days=14))
    return round(60 * pressure + 20 * nearness + 20 * weight)


def is_exam(assignment: Assignment) -> bool:
    """Whether it is something to learn for: an exam or a quiz."""
    return _kind(assignment)[0] in (_EXAM, _QUIZ)


def _kind(work: Assignment | Finished) -> tuple[Kind, float]:
    """The kind and how sure it is. In a title the last keyword of its first telling part names the thing.

    ("Reading quiz" is a quiz, "Final project" a project: in English the head of a compound comes last.)
    """
    for part in _TAIL.split(work.title[:300]):
        found = list(_KEYWORD.finditer(part))
        if found:
            return _KINDS[_index(found[-1])][0], 0.5
    found_below = _KEYWORD.search(work.description[:5000])
    return (_KINDS[_index(found_below)][0], 0.35) if found_below else (_OTHER, 0.2)


def _index(keyword: re.Match[str]) -> int:
    return int((keyword.lastgroup or "k0")[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effort:
    """Hours (low <= likely <= high), how sure they are, and where they come from."""

    low: float
    likely: float
    high: float
    confidence: float
    reason: str
    basis: str


def _effort(assignment: Assignment, kind: Kind, sure: float, history: History) -> _Effort:
    """The first estimate that there is; `sure` says how certain the kind is."""
    own = own_hours(assignment)
    if own:
        return _Effort(
            low=min(own, _half(0.75 * own)),
            likely=own,
            high=max(own, _half(1.5 * own)),
            confidence=0.9,
            reason=f"Your own estimate is {words.hours(own)}.",
            basis="own",
        )
    if past := history.in_course(kind, assignment.course):
        return _from_past(past, kind, f" in {one_line(assignment.course or '', 40)}", sure=0.55, basis="course")
    asked = _asked_for(assignment, kind)
    if asked is not None:
        hours, what = asked
        low, likely, high = _rounded(0.6 * hours, hours, 1.6 * hours)
        reason = f"Looks like {kind.name} and asks for {what}, about {words.hours(likely)}."
        sure = min(0.6, sure + 0.15)
        return _Effort(low=low, likely=likely, high=high, confidence=sure, reason=reason, basis="text")
    if past := history.anywhere(kind):
        where = " in other courses" if assignment.course else ""
        return _from_past(past, kind, where, sure=0.4, basis="courses")
    factor, why = _factor(assignment, kind)
    low, likely, high = _rounded(kind.low * factor, kind.likely * factor, kind.high * factor)
    usual = f"which usually takes {words.number(kind.low)} to {words.number(kind.high)} hours"
    reason = f"Looks like {kind.name}, {usual}{why}."
    return _Effort(low=low, likely=likely, high=high, confidence=sure, reason=reason, basis="kind")


def own_hours(assignment: Assignment) -> float:
    """The student's own estimate; 0 where there is none that can be meant."""
    own = assignment.effort_hours or 0.0
    return own if 0 < own <= _CREDIBLE else 0.0


def _from_past(hours: Sequence[float], kind: Kind, where: str, *, sure: float, basis: str) -> _Effort:
    """What it took the last times: likely is the median.

    From three on, low and high are the least and the most that it took. Two say little of the spread and one says
    nothing, so then they are a quarter below and above, or as far away as for a guess. Each one more makes it more
    certain by a tenth, up to four.

    Args:
        hours: not empty.
        sure: the confidence that a single one gives.
    """
    from statistics import median

    least, most = min(hours), max(hours)
    low, high = {1: (0.6 * least, 1.6 * most), 2: (0.75 * least, 1.25 * most)}.get(len(hours), (least, most))
    last = kind.name.partition(" ")[2] if len(hours) == 1 else f"{len(hours)} {kind.many}"
    if len(hours) == 1 and kind is _OTHER:
        last = "assignment like it"
    took = words.hours(_quarter(most))
    if _quarter(least) < _quarter(most):
        took = f"{words.number(_quarter(least))} to {took}"
    elif len(hours) > 1:
        took += " each"
    return _Effort(
        low=_quarter(low),
        likely=_quarter(median(hours)),
        high=_quarter(high),
        confidence=round(sure + 0.1 * (min(len(hours), 4) - 1), 2),
        reason=f"Your last {last}{where} took {took}.",
        basis=basis,
    )


def _asked_for(assignment: Assignment, kind: Kind) -> tuple[float, str] | None:
    """Hours for what the text asks for in numbers, and that in words; None when it names none.

    A number counts only where it is the whole work: the 500 words in a project's text are one part of it, and the
    twenty problems of an exam are the exam itself.
    """
    text = f"{assignment.title}\n{assignment.description[:5000]}"
    if kind in (_ESSAY, _DISCUSSION, _OTHER):
        if number := _most(_WORDS, text):
            return number / 250, f"{number} words"
        if number := _most(_PAGES, text):
            return float(number), f"{number} pages"
    if kind in (_PROBLEMS, _OTHER) and (number := _most(_EXERCISES, text)):
        return number / 3, f"{number} problems"
    if kind is _READING:
        span = _PAGE_SPAN.search(text)
        if span and int(span[2]) >= int(span[1]):
            return (int(span[2]) - int(span[1]) + 1) / 20, f"pages {span[1]} to {span[2]}"
        if number := _most(_PAGES, text):
            return number / 20, f"{number} pages"
    return None


def _most(pattern: re.Pattern[str], text: str) -> int:
    """The greater number of the first match; 0 when there is none, or one that nobody can mean."""
    match = pattern.search(text)
    if match is None:
        return 0
    number = max(int(re.sub(r"\D", "", group)) for group in match.groups() if group)
    return number if number <= 50_000 else 0


def _factor(assignment: Assignment, kind: Kind) -> tuple[float, str]:
    """What weight or points make of the usual hours, and why in words.

    The weight goes in by its square root: twice the weight is not twice the work. Points mean something else in every
    course, so only very few or very many count.
    """
    weight, points = _weight(assignment), assignment.points or 0.0
    if weight is not None:
        factor = min(1.6, max(0.6, (weight / kind.weight) ** 0.5))
        return factor, f"; it counts {words.number(weight)} % of the grade"
    if 0 < points <= 5:
        return 0.75, f"; it gives only {words.number(points)} points"
    if 150 <= points <= 10_000:
        return 1.25, f"; it gives {words.number(points)} points"
    return 1.0, ""


def _weight(assignment: Assignment) -> float | None:
    """Percent of the grade; None when it is unknown or cannot be meant."""
    return assignment.weight if assignment.weight is not None and 0 <= assignment.weight <= 100 else None


def _half(hours: float) -> float:
    """Rounded to half hours; an estimate is no better than that."""
    return min(_MOST, max(_LEAST, round(2 * hours) / 2))


def _quarter(hours: float) -> float:
    """Rounded to quarter hours, for what was measured."""
    return min(_MOST, max(_LEAST, round(4 * hours) / 4))


def _rounded(low: float, likely: float, high: float) -> tuple[float, float, float]:
    return _half(low), _half(likely), _half(high)


def _milestones(assignment: Assignment, kind: Kind, hours: float, now: datetime) -> tuple[Milestone, ...]:
    """Steps for bigger work, spread over the time that is left by their share of the work."""
    if hours < _MILESTONES_FROM or assignment.due_at is None or assignment.due_at <= now:
        return ()
    days = (assignment.due_at - now) / timedelta(days=1)
    milestones, done = [], 0.0
    for label, share in kind.steps:
        done += share
        left = round(2 * days * (1 - done)) / 2
        milestones.append(Milestone(label=label, hours=round(4 * share * hours) / 4, days_before_due=max(0.0, left)))
    return tuple(milestones)
