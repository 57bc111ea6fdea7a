import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

MODELS = {"pydantic_ai", "openai", "genai_prices"}
HEAVY = ["httpx", "icalendar", "recurring_ical_events", "tomlkit", "tomli_w", "rich", "asyncio", "logging", *MODELS]
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


def modules(*arguments):
    """All that a command has imported when it ends."""
    done = subprocess.run([sys.executable, "-P", "-c", PROBE, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.rpartition("IMPORTED")[2].split())


def imported(*arguments):
    """The top-level modules of these."""
    return {name.partition(".")[0] for name in modules(*arguments)}


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


@pytest.fixture
def student(home):
    """A config with a list of assignments, and no calendar and no channel."""
    path = home / ".config/gradent/config.toml"
    path.parent.mkdir(parents=True)
    list_path = home / "list.toml"
    due = datetime.now(UTC) + timedelta(days=9)
    list_path.write_text(f'[[assignment]]\ntitle = "Essay"\ndue = {due:%Y-%m-%d}\nnotes = "Submit a PDF."\n')
    path.write_text(f'[study]\ntimezone = "UTC"\n[[study.sources]]\nkind = "toml"\npath = "{list_path}"\n')


def test_a_study_run_imports_only_what_it_needs(student):
    """Without a calendar there is no XML, and words are looked at only where there are new ones."""
    never = {"xml", "httpx", "icalendar", "recurring_ical_events", "statistics", "tomlkit", "rich", *MODELS}
    demands = "gradent_cli.agents.study.demands"
    calendars = {f"gradent_cli.agents.study.{name}" for name in ("calendars", "recurrence", "caldav", "publish")}
    first = modules("run", "--quiet")
    assert {"tomllib", "gradent_cli.agents.study.schedule", demands} <= first
    assert {name.partition(".")[0] for name in first} & never == set()
    assert first & calendars == set()
    second = modules("run", "--quiet")
    assert "gradent_cli.agents.study.schedule" in second
    assert {name.partition(".")[0] for name in second} & never == set()
    assert demands not in second


def test_a_run_with_a_model_does_not_import_its_library(student, home):
    """It takes seconds, and belongs to the process that speaks with the model; not even what is missing needs it."""
    path = home / ".config/gradent/config.toml"
    llm = '[agent]\nkind = "llm"\n[llm]\nmodel = "tiny"\nbase_url = "http://127.0.0.1:1/v1"\n'
    path.write_text(llm + path.read_text())
    found = modules("run", "--quiet")
    assert "gradent_cli.agents.llm" in found
    assert {name.partition(".")[0] for name in found} & MODELS == set()


PLANNER = {f"gradent_cli.agents.study.{name}" for name in ("agent", "assess", "schedule", "store", "suggest")}


@pytest.mark.parametrize("name", ["cache", "sources", "toolbox", "words"])
def test_a_room_of_the_study_agent_does_not_bring_the_planner(name):
    """A run tidies the feeds, an agent asks for the list of tools: neither plans anything."""
    script = f"import sys, gradent_cli.agents.study.{name}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & PLANNER == set()


def test_the_list_of_tools_does_not_bring_the_planner(quiet_agent):
    """`gradent tool` without a name is what an agent reads first."""
    found = modules("tool")
    assert "gradent_cli.agents.study.toolbox" in found
    assert found & PLANNER == set()
