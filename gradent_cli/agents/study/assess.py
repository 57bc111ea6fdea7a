"""How much work an assignment is, without asking anybody: pure, from its own words and numbers.

The hours come, in this order, from the student's own estimate, from what the description asks for (words, pages,
problems), or from the kind of assignment and what it counts. The table of kinds is a proposal; the rates follow the
orders of magnitude of Rice University's workload estimator (https://cte.rice.edu/blog/2016/workload): a page of
writing is 250 words and takes about an hour with drafts, and about twenty pages of a textbook are read in an hour.

Effort, difficulty and confidence depend on the assignment alone. Risk also depends on the time that is left, so it is
worked out again on every run (`risk`), and a risk that changed is no new assessment.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from gradent_cli.agents.study import words
from gradent_cli.records import Assessment, Assignment, Milestone


@dataclass(frozen=True, slots=True)
class Kind:
    """What is usual for one kind of assignment: hours, difficulty 1-5, percent of the grade, and its steps.

    `steps` are (label, share of the work) for milestones.
    """

    name: str
    low: float
    likely: float
    high: float
    difficulty: int
    weight: float
    steps: tuple[tuple[str, float], ...] = (("First half", 0.5), ("Second half", 0.5))


_WRITING = (("Outline and sources", 0.25), ("First draft", 0.5), ("Revision", 0.25))
_QUIZ = Kind("a quiz", 1, 2, 3, 2, 3)
_PROBLEMS = Kind("a problem set", 2, 4, 7, 3, 4)
_LAB = Kind("a lab", 2, 4, 6, 3, 5)
_ESSAY = Kind("an essay", 4, 8, 14, 3, 12, _WRITING)
_PROJECT = Kind("a project", 8, 16, 30, 4, 20, (("Plan", 0.15), ("Main part", 0.6), ("Finish and check", 0.25)))
_EXAM = Kind("an exam", 6, 10, 18, 4, 25, (("Notes reviewed", 0.4), ("Practice", 0.4), ("Last review", 0.2)))
_READING = Kind("a reading", 1, 2, 3, 1, 2)
_TALK = Kind("a presentation", 3, 6, 10, 3, 10, (("Content", 0.4), ("Slides", 0.35), ("Rehearsal", 0.25)))
_DISCUSSION = Kind("a discussion", 0.5, 1, 2, 1, 2)
_OTHER = Kind("an assignment of unknown kind", 2, 4, 8, 2, 8)

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

_NUMBER = r"(\d{1,3}(?:[,.\u00a0 ]\d{3})+|\d+)"
_RANGE = rf"{_NUMBER}(?:\s*(?:-|–|to)\s*{_NUMBER})?"
_WORDS = re.compile(rf"{_RANGE}[\s-]*words?\b", re.IGNORECASE)
_PAGES = re.compile(rf"{_RANGE}[\s-]*(?:pages?|pp)\b", re.IGNORECASE)
_PAGE_SPAN = re.compile(r"\b(?:pages|pp\.?)\s*(\d+)\s*(?:-|–|to)\s*(\d+)", re.IGNORECASE)
_EXERCISES = re.compile(rf"{_RANGE}\s+(?:\w+\s+)?(?:exercises|problems)\b", re.IGNORECASE)

_LEAST, _MOST = 0.5, 60.0
_CREDIBLE = 1000.0
"""More hours than this are a slip of the pen, infinity among them."""
_MILESTONES_FROM = 6.0


def assess(
    assignment: Assignment, *, now: datetime, free_hours: float | None = None, previous: Assessment | None = None
) -> Assessment:
    """What the assignment is thought to take.

    Args:
        free_hours: time to study before the due date; None when there is no due date.
        previous: the assessment of an earlier state of the same assignment; the new one is the next version.
    """
    kind, confidence = _kind(assignment)
    hours, confidence, reason = _effort(assignment, kind, confidence)
    difficulty = kind.difficulty + (1 if (_weight(assignment) or 0) >= 1.5 * kind.weight else 0)
    return Assessment(
        assignment_id=assignment.id,
        effort_low_hours=hours[0],
        effort_likely_hours=hours[1],
        effort_high_hours=hours[2],
        difficulty=min(5, difficulty),
        risk=risk(assignment, hours[1], now=now, free_hours=free_hours),
        confidence=confidence,
        reason=reason,
        fingerprint=assignment.fingerprint,
        assessed_at=now,
        milestones=_milestones(assignment, kind, hours[1], now),
        version=previous.version + 1 if previous else 1,
    )


def risk(assignment: Assignment, hours: float, *, now: datetime, free_hours: float | None) -> int:
    """How likely it is to go wrong, 0-100: 60 for the work against the free time, 20 each for nearness and weight.

    Nearness counts from two weeks before the due date; a weight of 40 percent counts in full, an unknown one a
    quarter. Overdue work is at 100; work without a due date has only its weight.

    Args:
        hours: work that is still to do.
        free_hours: time to study before the due date.
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


def _kind(assignment: Assignment) -> tuple[Kind, float]:
    """The kind and how sure it is. In a title the last keyword of its first telling part names the thing.

    ("Reading quiz" is a quiz, "Final project" a project: in English the head of a compound comes last.)
    """
    for part in _TAIL.split(assignment.title[:300]):
        found = list(_KEYWORD.finditer(part))
        if found:
            return _KINDS[_index(found[-1])][0], 0.5
    found_below = _KEYWORD.search(assignment.description[:5000])
    return (_KINDS[_index(found_below)][0], 0.35) if found_below else (_OTHER, 0.2)


def _index(keyword: re.Match[str]) -> int:
    return int((keyword.lastgroup or "k0")[1:])


def _effort(assignment: Assignment, kind: Kind, confidence: float) -> tuple[tuple[float, float, float], float, str]:
    """Hours (low, likely, high), confidence, and the reason."""
    own = assignment.effort_hours or 0.0
    if 0 < own <= _CREDIBLE:
        estimate = min(own, _half(0.75 * own)), own, max(own, _half(1.5 * own))
        return estimate, 0.9, f"Your own estimate is {words.hours(own)}."
    asked = _asked_for(assignment, kind)
    if asked is not None:
        hours, what = asked
        reason = f"Looks like {kind.name} and asks for {what}, about {words.hours(_half(hours))}."
        return _rounded(0.6 * hours, hours, 1.6 * hours), min(0.6, confidence + 0.15), reason
    factor, why = _factor(assignment, kind)
    usual = f"which usually takes {words.number(kind.low)} to {words.number(kind.high)} hours"
    reason = f"Looks like {kind.name}, {usual}{why}."
    return _rounded(kind.low * factor, kind.likely * factor, kind.high * factor), confidence, reason


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
