import subprocess
import sys

import pytest

HEAVY = ["httpx", "icalendar", "recurring_ical_events", "tomlkit", "tomli_w", "rich", "asyncio", "logging"]
SETTINGS = {"asyncio", "logging"}
"""What pydantic-settings brings along."""

PROBE = """
import sys
sys.argv[0] = "gradent"
from gradent_cli.cli import main
try:
    main()
except SystemExit:
    pass
print("IMPORTED", *sys.modules, file=sys.stderr)
"""


def imported(*arguments):
    """The top-level modules that a command has imported when it ends."""
    done = subprocess.run([sys.executable, "-P", "-c", PROBE, *arguments], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.rpartition("IMPORTED")[2].split()}


@pytest.fixture
def quiet_agent(home):
    """A config whose agent does nothing and has nothing to tell it to."""
    path = home / ".config/gradent/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[agent]\nkind = "command"\ncommand = ["true"]\n')


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (("run", "--quiet"), SETTINGS),
        (("status", "--json"), SETTINGS),
        (("history", "--json"), SETTINGS),
        (("plan",), SETTINGS),
        (("plan", "--html", "-"), SETTINGS),
        (("config", "path"), set()),
    ],
)
def test_a_command_imports_only_what_it_needs(quiet_agent, arguments, allowed):
    """Heavy guests come late: no network library without a channel, no calendar library without a calendar."""
    assert imported(*arguments) & set(HEAVY) <= allowed
