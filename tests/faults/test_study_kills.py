"""The study agent killed at work: what it found is told by the run that died or by the next, never by neither."""

import json
import runpy
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.conftest import Draw, Each
from tests.faults.hooked import Hook, Step, read_steps
from tests.faults.place import Account, Place, place
from tests.faults.warm import Warm

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).parents[2] / "examples" / "make.py"
AGENT = '[agent]\nkind = "study"\n'
STUDY = """\
[study]
timezone = "Europe/Amsterdam"
[[study.sources]]
kind = "ics"
path = "~/canvas.ics"
[[study.sources]]
kind = "toml"
path = "~/assignments.toml"
[[study.busy]]
kind = "ics"
path = "~/calendar.ics"
"""


def student(here: Place) -> None:
    """What `make run` plans from, in this home; nothing was run yet."""
    made = runpy.run_path(str(EXAMPLES))
    today = datetime.now(UTC).date()
    monday = today + timedelta(days=7 - today.weekday())
    (here.home / "canvas.ics").write_bytes(made["canvas"](today, monday))
    (here.home / "calendar.ics").write_bytes(made["own_calendar"](monday))
    (here.home / "assignments.toml").write_bytes(made["by_hand"](today, monday))


def found(here: Place) -> set[str]:
    """Every assignment that a tool call on record told of; that each of these calls was told is the account's."""
    calls = here.rows("SELECT details FROM tool_calls WHERE changed = 1 AND status = 'completed'")
    lines = [line for call in calls for line in json.loads(call["details"])]
    return {line.split(", due ")[0] for line in lines if line.startswith("New: ")}


def struck(here: Place, hook: Hook, at: int, news: set[str]) -> Account:
    process = here.start("run", "--quiet", environ=hook.environ(here.home, mode="kill", at=at))
    _, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    killed = process.returncode == -signal.SIGKILL
    here.run()
    account = here.account(kills=int(killed))
    account.lost += [f"nobody was told: {line}" for line in sorted(news - found(here))]
    assert account.vanished == account.told
    return account


def test_the_study_agent_killed_at_a_step(hook: Hook, warm: Warm, each: Each, draw: Draw, account: Account, tmp_path):
    """Each assignment that is new is told to each channel, wherever the first run that saw it is killed."""
    with place(tmp_path / "counted", agent=AGENT, more=STUDY, warm=warm) as here:
        student(here)
        here.run(environ=hook.environ(here.home, log=tmp_path / "steps"))
        news = found(here)
    assert len(news) >= 5
    steps: list[Step] = read_steps(tmp_path / "steps")
    account.possible = len(steps)
    cases = [step.number for step in draw(steps, 30)]
    each(student, cases, lambda here, at: struck(here, hook, at, news), agent=AGENT, more=STUDY, warm=warm)
