"""How much work is planned, and how much is left."""

from collections.abc import Iterable, Mapping

from gradent_cli.agents.study.records import Assessment, Session


def planned_minutes(sessions: Iterable[Session]) -> int:
    """How long sessions are together."""
    return sum(session.minutes for session in sessions)


def remaining_hours(assessment: Assessment | None, worked: Mapping[str, int]) -> float | None:
    """Likely effort without the minutes worked, never below zero; None for what was never assessed."""
    if assessment is None:
        return None
    return max(0.0, assessment.effort_likely_hours - worked.get(assessment.assignment_id, 0) / 60)
