"""Assignments as a table, one in full as a page, and both as `--json` gives them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta, tzinfo
from typing import Any

from gradent_cli.agents.study import words
from gradent_cli.agents.study.known import Known
from gradent_cli.agents.study.records import Assessment
from gradent_cli.cli.terminal import hanging, pairs, table
from gradent_cli.moments import utc
from gradent_cli.text import clean

_WORK = ("open", "overdue")
"""Of anything else nothing is left to do, and nothing can go wrong."""


def assignment_document(known: Known, *, remaining_hours: float | None, now: datetime) -> dict[str, Any]:
    """An assignment as `--json` gives it; `status` is `open`, `overdue`, `past`, `done` or `ignored`."""
    assignment, assessment = known.assignment, known.assessment
    return {
        "id": assignment.id,
        "title": assignment.title,
        "course": assignment.course,
        "due_at": utc(assignment.due_at),
        "source": assignment.source,
        "url": assignment.url,
        "status": known.status(now),
        "effort_hours": assessment.effort_likely_hours if assessment else assignment.effort_hours,
        "remaining_hours": remaining_hours,
        "risk": assessment.risk if assessment else None,
        "difficulty": assessment.difficulty if assessment else None,
        "reason": assessment.reason if assessment else None,
        "effort_low_hours": assessment.effort_low_hours if assessment else None,
        "effort_high_hours": assessment.effort_high_hours if assessment else None,
        "confidence": assessment.confidence if assessment else None,
        "milestones": [asdict(milestone) for milestone in assessment.milestones] if assessment else [],
        "prerequisites": list(assessment.prerequisites) if assessment else [],
        "deliverables": list(assessment.deliverables) if assessment else [],
    }


def assignment_in_full(
    known: Known, assessments: Sequence[Assessment], *, remaining_hours: float | None, now: datetime
) -> dict[str, Any]:
    """An assignment alone as `--json` gives it, with everything that its source says and every assessment of it."""
    assignment = known.assignment
    return assignment_document(known, remaining_hours=remaining_hours, now=now) | {
        "description": assignment.description,
        "points": assignment.points,
        "weight": assignment.weight,
        "first_seen_at": utc(known.first_seen_at),
        "last_seen_at": utc(known.last_seen_at),
        "assessments": [
            {
                "version": each.version,
                "assessed_at": utc(each.assessed_at),
                "effort_low_hours": each.effort_low_hours,
                "effort_hours": each.effort_likely_hours,
                "effort_high_hours": each.effort_high_hours,
                "difficulty": each.difficulty,
                "risk": each.risk,
                "confidence": each.confidence,
                "reason": each.reason,
            }
            for each in assessments
        ],
    }


def assignments_table(rows: Sequence[tuple[Known, float | None]], zone: tzinfo, now: datetime) -> str:
    """Assignments by due date, one line each, with the hours of work that remain."""
    cells = []
    for known, remaining in rows:
        assignment, status = known.assignment, known.status(now)
        assessment = known.assessment if status in _WORK else None
        cells.append(
            [
                assignment.id,
                words.when(assignment.due_at, zone, now=now) if assignment.due_at else "no due date",
                status,
                words.work(remaining) if assessment and remaining is not None else "",
                f"{assessment.risk}" if assessment else "",
                words.session_title(assignment),
            ]
        )
    return table(cells, ["ID", "DUE", "STATUS", "LEFT", "RISK", "ASSIGNMENT"])


def assignment_page(
    known: Known,
    assessments: Sequence[Assessment],
    *,
    remaining_hours: float | None,
    declined_minutes: int,
    zone: tzinfo,
    now: datetime,
) -> str:
    """Everything that is known of one assignment.

    Args:
        assessments: all versions, the oldest first.
        declined_minutes: of sessions that the student took out of their calendar.
    """
    assignment, assessment = known.assignment, known.assessment
    facts = {
        "id": assignment.id,
        "title": assignment.title,
        "course": assignment.course or "",
        "due": words.when(assignment.due_at, zone, now=now) if assignment.due_at else "no due date",
        "status": known.status(now),
        "source": assignment.source + (", which has it no more" if known.vanished else ""),
        "link": assignment.url or "",
        "points": f"{assignment.points:g}" if assignment.points is not None else "",
        "weight": f"{assignment.weight:g} % of the grade" if assignment.weight is not None else "",
    }
    if assessment:
        facts |= {
            "effort": f"{_hours(assessment)}, {assessment.confidence:.0%} sure",
            "left": _left(known, remaining_hours, declined_minutes, now),
            "difficulty": f"{assessment.difficulty} of 5",
            "risk": f"{assessment.risk} of 100" if known.status(now) in _WORK else "",
            "why": assessment.reason,
        }
    parts = [pairs(facts)]
    if assessment:
        steps = [
            [
                words.work(step.hours),
                words.when(assignment.due_at - timedelta(days=step.days_before_due), zone, now=now)
                if assignment.due_at
                else "",
                step.label,
            ]
            for step in assessment.milestones
        ]
        parts += [table(steps, ["STEP", "BY", "WHAT"])] if steps else []
        for head, texts in (("Before", assessment.prerequisites), ("Hand in", assessment.deliverables)):
            parts += ["\n".join([head, *(hanging("  ", text) for text in texts)])] if texts else []
    if assignment.description:
        lines = clean(assignment.description).splitlines()
        parts.append("\n".join(["Description", *(hanging("  ", line) if line.strip() else "" for line in lines)]))
    if len(assessments) > 1:
        rows = [
            [f"{each.version}", words.when(each.assessed_at, zone, now=now), _hours(each), each.reason]
            for each in assessments
        ]
        parts.append(table(rows, ["VERSION", "ASSESSED", "EFFORT", "WHY"]))
    return "\n\n".join(parts)


def _hours(assessment: Assessment) -> str:
    low, likely, high = map(
        words.work, (assessment.effort_low_hours, assessment.effort_likely_hours, assessment.effort_high_hours)
    )
    return f"{low} to {high}, likely {likely}"


def _left(known: Known, remaining_hours: float | None, declined_minutes: int, now: datetime) -> str:
    if remaining_hours is None or known.status(now) not in _WORK:
        return ""
    declined = f"; you took {words.length(declined_minutes)} out of the plan" if declined_minutes else ""
    return f"{words.work(remaining_hours)}{declined}"
