"""What kind of work an assignment is, by its own words, and what is usual for one of its kind: pure.

The table of kinds is a proposal.
"""

import re
from dataclasses import dataclass

from gradent_cli.agents.study.records import Assignment, Finished


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
QUIZ = Kind("a quiz", "quizzes", 1, 2, 3, 2, 3)
PROBLEMS = Kind("a problem set", "problem sets", 2, 4, 7, 3, 4)
LAB = Kind("a lab", "labs", 2, 4, 6, 3, 5)
ESSAY = Kind("an essay", "essays", 4, 8, 14, 3, 12, _WRITING)
PROJECT = Kind(
    "a project", "projects", 8, 16, 30, 4, 20, (("Plan", 0.15), ("Main part", 0.6), ("Finish and check", 0.25))
)
EXAM = Kind("an exam", "exams", 6, 10, 18, 4, 25, (("Notes reviewed", 0.4), ("Practice", 0.4), ("Last review", 0.2)))
READING = Kind("a reading", "readings", 1, 2, 3, 1, 2)
TALK = Kind(
    "a presentation", "presentations", 3, 6, 10, 3, 10, (("Content", 0.4), ("Slides", 0.35), ("Rehearsal", 0.25))
)
DISCUSSION = Kind("a discussion", "discussions", 0.5, 1, 2, 1, 2)
OTHER = Kind("an assignment of unknown kind", "assignments like it", 2, 4, 8, 2, 8)

_KINDS = (
    (LAB, r"labs?(?: reports?)?|laboratory(?: reports?)?|practical"),
    (QUIZ, r"quiz(?:zes)?|kahoot"),
    (PROBLEMS, r"problem ?sets?|p-?sets?|homework|hw ?\d*|exercises?|worksheets?|problems"),
    (ESSAY, r"essays?|papers?|reports?|write-?ups?|thesis|memo"),
    (PROJECT, r"projects?|portfolio|capstone"),
    (EXAM, r"exams?|mid-?terms?|finals?|tests?"),
    (TALK, r"presentations?|talk|slides|poster"),
    (READING, r"readings?|read|chapters?"),
    (DISCUSSION, r"discussions?|forum|post|responses?|reflections?"),
)
_KEYWORD = re.compile("|".join(rf"(?P<k{i}>\b(?:{names})\b)" for i, (_, names) in enumerate(_KINDS)), re.IGNORECASE)
# "Essay on the Manhattan project" is an essay: what follows one of these describes it, it does not name it.
_TAIL = re.compile(r"\s+(?:on|for|of|about|with|from|in|to)\s+|\s*[:;,(\[|/–—]\s*|\s+-\s+", re.IGNORECASE)


def is_exam(assignment: Assignment) -> bool:
    """Whether it is something to learn for: an exam or a quiz."""
    return kind_of(assignment)[0] in (EXAM, QUIZ)


def kind_of(work: Assignment | Finished) -> tuple[Kind, float]:
    """The kind and how sure it is. In a title the last keyword of its first telling part names the thing.

    ("Reading quiz" is a quiz, "Final project" a project: in English the head of a compound comes last.)
    """
    for part in _TAIL.split(work.title[:300]):
        found = list(_KEYWORD.finditer(part))
        if found:
            return _KINDS[_index(found[-1])][0], 0.5
    found_below = _KEYWORD.search(work.description[:5000])
    return (_KINDS[_index(found_below)][0], 0.35) if found_below else (OTHER, 0.2)


def _index(keyword: re.Match[str]) -> int:
    return int((keyword.lastgroup or "k0")[1:])


def weight_of(assignment: Assignment) -> float | None:
    """Percent of the grade; None when it is unknown or cannot be meant."""
    return assignment.weight if assignment.weight is not None and 0 <= assignment.weight <= 100 else None
