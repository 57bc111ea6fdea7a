"""What the doctor says of one thing."""

from dataclasses import dataclass
from typing import Literal

from gradent_cli.errors import GradentError

Verdict = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at: `message` is what was seen, `remedy` what to do about it; None when all is well."""

    check: str
    status: Verdict
    message: str
    remedy: str | None = None


def fine(check: str, message: str) -> Check:
    """All is well."""
    return Check(check=check, status="ok", message=message)


def warning(check: str, message: str, remedy: str | None) -> Check:
    """Runs go on, but not as the person may think."""
    return Check(check=check, status="warning", message=message, remedy=remedy)


def failed(check: str, message: str, remedy: str | None) -> Check:
    """Something that a run needs is not in place."""
    return Check(check=check, status="failed", message=message, remedy=remedy)


def refused(check: str, error: GradentError) -> Check:
    """The same, in the words of an error."""
    return failed(check, error.message, error.hint)
