"""How many hours an assignment takes, without asking anybody: pure, from its own words and numbers.

The hours come from the first of these that has something to say, which is also the `basis` of the assessment:

- `own`: the student's own estimate;
- `course`: what the same kind of work in the same course took them, by the minutes they logged for what is done;
- `text`: what the description asks for in words, pages or problems;
- `courses`: what the same kind took in other courses, from two pieces of work on;
- `kind`: the kind of assignment and what it counts.

`agent` are hours that an agent judged (`assess.judged`): they stand until the assignment changes.

The rates follow the orders of magnitude of Rice University's workload estimator
(https://cte.rice.edu/blog/2016/workload): a page of writing is 250 words and takes about an hour with drafts, and
about twenty pages of a textbook are read in an hour.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gradent_cli.agents.study import words
from gradent_cli.agents.study.kinds import DISCUSSION, ESSAY, OTHER, PROBLEMS, READING, Kind, kind_of, weight_of
from gradent_cli.agents.study.records import Assignment, Finished
from gradent_cli.text import one_line

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
_RECENT = 8
"""Finished pieces of work that count, the last ones: students and courses change."""
_LEAST_LOGGED, _MOST_LOGGED = 15, 60 * 60
"""Minutes. Less is a log that was given up, more is a slip of the pen."""


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
            kind, _ = kind_of(each)
            if each.course:
                self._in_course.setdefault((_same(each.course), kind.name), []).append(each.minutes / 60)
            if kind is not OTHER:  # two things whose kinds are unknown have nothing in common but the course
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Hours (low <= likely <= high), how sure they are, and where they come from."""

    low: float
    likely: float
    high: float
    confidence: float
    reason: str
    basis: str


def effort_of(assignment: Assignment, kind: Kind, sure: float, history: History) -> Effort:
    """The first estimate that there is; `sure` says how certain the kind is."""
    own = own_hours(assignment)
    if own:
        return Effort(
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
        return Effort(low=low, likely=likely, high=high, confidence=sure, reason=reason, basis="text")
    if past := history.anywhere(kind):
        where = " in other courses" if assignment.course else ""
        return _from_past(past, kind, where, sure=0.4, basis="courses")
    factor, why = _factor(assignment, kind)
    low, likely, high = _rounded(kind.low * factor, kind.likely * factor, kind.high * factor)
    usual = f"which usually takes {words.number(kind.low)} to {words.number(kind.high)} hours"
    reason = f"Looks like {kind.name}, {usual}{why}."
    return Effort(low=low, likely=likely, high=high, confidence=sure, reason=reason, basis="kind")


def own_hours(assignment: Assignment) -> float:
    """The student's own estimate; 0 where there is none that can be meant."""
    own = assignment.effort_hours or 0.0
    return own if 0 < own <= _CREDIBLE else 0.0


def _from_past(hours: Sequence[float], kind: Kind, where: str, *, sure: float, basis: str) -> Effort:
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
    if len(hours) == 1 and kind is OTHER:
        last = "assignment like it"
    took = words.hours(_quarter(most))
    if _quarter(least) < _quarter(most):
        took = f"{words.number(_quarter(least))} to {took}"
    elif len(hours) > 1:
        took += " each"
    return Effort(
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
    if kind in (ESSAY, DISCUSSION, OTHER):
        if number := _most(_WORDS, text):
            return number / 250, f"{number} words"
        if number := _most(_PAGES, text):
            return float(number), f"{number} pages"
    if kind in (PROBLEMS, OTHER) and (number := _most(_EXERCISES, text)):
        return number / 3, f"{number} problems"
    if kind is READING:
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
    weight, points = weight_of(assignment), assignment.points or 0.0
    if weight is not None:
        factor = min(1.6, max(0.6, (weight / kind.weight) ** 0.5))
        return factor, f"; it counts {words.number(weight)} % of the grade"
    if 0 < points <= 5:
        return 0.75, f"; it gives only {words.number(points)} points"
    if 150 <= points <= 10_000:
        return 1.25, f"; it gives {words.number(points)} points"
    return 1.0, ""


def _half(hours: float) -> float:
    """Rounded to half hours; an estimate is no better than that."""
    return min(_MOST, max(_LEAST, round(2 * hours) / 2))


def _quarter(hours: float) -> float:
    """Rounded to quarter hours, for what was measured."""
    return min(_MOST, max(_LEAST, round(4 * hours) / 4))


def _rounded(low: float, likely: float, high: float) -> tuple[float, float, float]:
    return _half(low), _half(likely), _half(high)
