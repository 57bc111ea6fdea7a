"""The documents say what the program does."""

import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from gradent_cli import __version__
from gradent_cli.cli.app import app
from gradent_cli.cli.render import run_document
from gradent_cli.config import KEYS
from gradent_cli.errors import GradentError
from gradent_cli.records import Delivery, Run, ToolCall, Usage

ROOT = Path(__file__).parent.parent
REFERENCE = (ROOT / "docs/reference.md").read_text()
README = (ROOT / "README.md").read_text()


def commands(group=None, path="gradent"):
    """Every command with its full name."""
    for name, command in (group or typer.main.get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=[name for name, _ in commands()])
def test_every_command_is_documented_and_has_help(name, command):
    """Its name and each of its options are in the reference; each option says what it does."""
    if command.hidden:
        return
    assert f"`{name}" in REFERENCE
    assert command.help
    row = next(line for line in REFERENCE.splitlines() if line.startswith(f"| `{name}"))
    for option in command.params:
        if getattr(option, "hidden", False):
            continue
        assert getattr(option, "help", None), (name, option.name)
        if option.param_type_name == "option" and option.name != "help":
            assert option.opts[0] in row, (name, option.opts)


def test_every_key_is_documented():
    """A key that the config takes is in the reference."""
    tables = {key.rpartition(".")[0] for key in KEYS}
    told_in_one_row = ("study.hours.", "study.sources.", "study.busy.")
    keys = [key for key in KEYS if key not in tables - {"study.hours", "study.sources", "study.busy"}]
    missing = [key for key in keys if f"`{key}`" not in REFERENCE and not key.startswith(told_in_one_row)]
    assert missing == []


def test_every_key_of_a_run_is_documented():
    """What `--json` gives, its tools and deliveries included."""
    (row,) = re.findall(r"^- a run \(.*?^- ", REFERENCE, re.MULTILINE | re.DOTALL)
    at = datetime(2026, 11, 23, tzinfo=UTC)
    call = ToolCall(id="1", tool="check", title="Check", status="completed", started_at=at)
    delivery = Delivery(message_id="1", channel="ntfy", event="started", status="sent", attempts=1)
    run = Run(
        id="1", trigger="cron", status="success", agent="study", started_at=at,
        tools=(call,), deliveries=(delivery,), usage=Usage(),
    )  # fmt: skip
    document = run_document(run)
    inner = (document["tools"][0], document["deliveries"][0], document["usage"])
    assert [key for each in (document, *inner) for key in each if not re.search(rf"\b{key}\b", row)] == []


def test_every_exit_code_is_documented():
    """The codes of the error tree are in the table."""
    kinds = [GradentError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    for code in {kind.exit_code for kind in kinds}:
        assert f"| {code} |" in REFERENCE


def test_every_link_leads_somewhere():
    """No document points to a file that is not there."""
    for document in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_commands_of_the_readme_exist():
    """Every `gradent ...` line of its examples names a command and options that there are."""
    known = dict(commands())
    lines = re.findall(r"^\$ (gradent [^#\n]+)", README, re.MULTILINE) + re.findall(r"`(gradent [^`]+)`", README)
    assert len(lines) > 10
    for line in lines:
        words = line.split()
        name = " ".join(words[:3]) if " ".join(words[:3]) in known else " ".join(words[:2])
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


def test_the_version_is_one():
    """`gradent --version`, the package and the changelog agree."""
    said = subprocess.run(
        [sys.executable, "-P", "-m", "gradent_cli", "--version"], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert said.stdout == f"gradent {__version__}\n"
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dynamic"] == ["version"]
