"""Real daemons, and what a machine must have for them."""

import os

import pytest


def need(condition: object, reason: str) -> None:
    """Skip, with the reason, where the machine lacks something; in CI fail, for nobody reads its skips."""
    if not condition:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
