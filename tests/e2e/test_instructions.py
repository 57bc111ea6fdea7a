"""No command that cron calls takes more instructions than it did: counted, so that no busy machine can break it."""

import shutil
from pathlib import Path

import pytest

from bench import instructions
from tests.e2e.conftest import need

pytestmark = pytest.mark.e2e

ROOM = 1.1
"""Times what was written down."""


@pytest.mark.parametrize("scenario", instructions.SCENARIOS)
def test_a_command_takes_no_more_instructions_than_it_did(scenario: str, tmp_path: Path) -> None:
    """What has become cheaper, or must become dearer, is written down anew by `make instructions`."""
    need(shutil.which("valgrind"), "there is no valgrind to count instructions with")
    allowed = instructions.allowed()
    need(allowed, f"nothing is written down for Python {instructions.PYTHON}; make instructions does it")
    assert allowed is not None
    assert instructions.ratio(tmp_path, scenario) <= ROOM * allowed[scenario]
