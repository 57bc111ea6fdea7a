"""Each agent that the README shows runs as it stands there; of the coding agents a stand-in with a recorded stream."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.street.openai import language_model
from tests.test_streams import CLAUDE, CODEX

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```toml\n(\[agent\] .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def block(word):
    (found,) = (text for text in BLOCKS if word in text)
    return found


@pytest.fixture
def run(gradent, config, home, monkeypatch):
    """Runs a block of the README in a folder with the examples and an essay."""

    def run(text):
        shutil.copytree(ROOT / "examples/agents", home / "examples/agents")
        (home / "essay.md").write_text("Three short words\n")
        monkeypatch.chdir(home)
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(text)
        result = gradent("run", "--json")
        assert result.code == 0, (result.out, result.err)
        return json.loads(result.out)

    return run


@pytest.fixture
def stand_in(home, monkeypatch):
    """Puts a program of this name on the PATH that keeps its arguments and writes these lines."""

    def make(name, lines):
        folder = home / "bin"
        folder.mkdir()
        program = folder / name
        program.write_text(
            f"#!{sys.executable}\nimport json, pathlib, sys\n"
            f"pathlib.Path({str(home / 'argv')!r}).write_text(json.dumps(sys.argv[1:]))\n"
            f"print({chr(10).join(lines)!r})\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return lambda: json.loads((home / "argv").read_text())

    return make


def tools(document):
    return [(each["tool"], each["status"]) for each in document["tools"]]


def test_claude(run, stand_in):
    """`claude -p`: its tools, its summary and what it cost."""
    argv = stand_in("claude", CLAUDE)
    document = run(block("Claude Code"))
    assert tools(document) == [("Bash", "failed"), ("check", "completed")]
    assert document["summary"] == "Planned 3"
    assert document["usage"] == {"input_tokens": 15, "output_tokens": 7, "cost_usd": 0.5}
    assert argv()[0] == "-p"
    assert argv()[1].startswith("Check my assignments")


def test_codex(run, stand_in):
    """`codex exec`: its tools, its last words as the summary, and its tokens."""
    argv = stand_in("codex", CODEX[:-1])
    document = run(block("Codex"))
    assert tools(document) == [("command", "failed"), ("check", "completed")]
    assert document["summary"] == "Planned 3"
    assert document["usage"] == {"input_tokens": 20, "output_tokens": 2, "cost_usd": None}
    assert argv()[:2] == ["exec", "--json"]


def test_the_language_model(run, home, config):
    """With the study tools, on the list of assignments that the config names."""
    (home / "list.toml").write_text('[[assignment]]\ntitle = "Essay"\n')
    with language_model() as provider:
        provider.script = [("check", {}), "One essay is to be written."]
        text = block("Ollama").replace("http://localhost:11434/v1", provider.url)
        assert provider.url in text
        document = run(f'{text}[[study.sources]]\nkind = "toml"\npath = "{home}/list.toml"\n')
    assert tools(document)[0] == ("check", "completed")
    assert document["summary"] == "One essay is to be written."


def test_the_shell_script(run, monkeypatch):
    """It finds `gradent` though that is not on its PATH."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    document = run(block("shell script"))
    assert [(each["title"], each["result"]) for each in document["tools"]] == [("Count what is written", "3 words")]
    assert document["summary"] == "The essay has 3 words"


def test_the_python_script(run):
    """It knows what the run before it did."""
    document = run(block("program in Python"))
    assert tools(document) == [("list_notes", "completed")]
    assert document["summary"] == "Notes: 1; before: nothing yet"


def test_the_function(run, home):
    """From the folder that `agent.cwd` names."""
    (home / "agents").mkdir()
    (home / "agents/my_agent.py").write_text("async def run(context):\n    return 'Fetched 3 pages'\n")
    assert run(block("callable"))["summary"] == "Fetched 3 pages"


def test_the_installed_agent(home, run, monkeypatch):
    """The example package's entry point, by its name."""
    example = ROOT / "examples/agents/installed"
    info = home / "site/gradent_notes-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gradent-notes\nVersion: 1.0\n")
    (entry,) = re.findall(r'^(notes = )"(.*)"$', (example / "pyproject.toml").read_text(), re.MULTILINE)
    (info / "entry_points.txt").write_text("[gradent.agents]\n" + "".join(entry) + "\n")
    shutil.copy(example / "src/gradent_notes.py", home / "site")
    monkeypatch.setenv("PYTHONPATH", str(home / "site"))
    monkeypatch.syspath_prepend(str(home / "site"))
    document = run('[agent]\nkind = "notes"\n')
    assert (document["agent"], document["summary"]) == ("notes", "Notes: 1")
