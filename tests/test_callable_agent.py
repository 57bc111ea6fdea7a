"""Python functions as agents, each in a process of its own."""

import json
import subprocess
import sys

import pytest

ASYNC = """
import asyncio
async def run(context):
    await asyncio.sleep(0)
    with context.tools.call("fetch", "Fetch the list") as call:
        call.done("3 pages", details=("one", "two"), changed=False)
    context.emit({"type": "tool.completed", "id": "x", "tool": "plan", "ok": False, "error": "full"})
    context.used(100, 20, 0.5)
    print("a word")
    previous = context.previous and context.previous["status"]
    return f"{context.prompt} {context.time_limit.total_seconds():.0f} {previous}"
"""


@pytest.fixture
def write_config(config):
    """Writes the config."""

    def write(text):
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(text)

    return write


@pytest.fixture
def function(home, write_config):
    """Writes a module and a config that runs a function of it; extra lines go to the table of the agent."""

    def write(code, name="my_agent:run", extra=""):
        (home / "agents").mkdir(exist_ok=True)
        (home / "agents/my_agent.py").write_text(code)
        write_config(f'[agent]\nkind = "callable"\ncallable = "{name}"\ncwd = "~/agents"\nprompt = "Go."\n{extra}')

    return write


def run(gradent, code=0):
    result = gradent("run", "--json")
    assert result.code == code, (result.out, result.err)
    return json.loads(result.out)


def test_an_async_function_with_tools(gradent, function):
    """Its tools, events and use are on record exactly; its result is the summary, what it prints is output."""
    function(ASYNC, extra='timeout = "2min"\n')
    document = run(gradent)
    assert [(each["tool"], each["status"], each["result"], each["error"]) for each in document["tools"]] == [
        ("fetch", "completed", "3 pages", None),
        ("plan", "failed", "", "full"),
    ]
    assert document["tools"][0]["details"] == ["one", "two"]
    assert (document["summary"], document["agent"]) == ("Go. 120 None", "callable")
    assert document["usage"] == {"input_tokens": 100, "output_tokens": 20, "cost_usd": 0.5}
    assert run(gradent)["summary"] == "Go. 120 success"
    page = gradent("history", "last").out
    assert "a word" in page
    assert "100 tokens in, 20 out, $0.5000" in page
    told = json.loads(gradent("run", "--dry-run", "--json").out)["messages"]
    assert [each["event"] for each in told] == ["started", "tool", "completed"], "of what is no news nobody is told"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("def run(context):\n    raise ValueError('no network')\n", "ValueError: no network"),
        ("def run(context):\n    return 3\n", "my_agent:run returned int, not a summary in words"),
        ("def walk(context): pass\n", "AttributeError: module 'my_agent' has no attribute 'run'"),
        ("import sys\ndef run(context):\n    sys.exit(3)\n", "the program exited with 3"),
        ("import os\ndef run(context):\n    os.abort()\n", "the program was ended by SIGABRT"),
    ],
)
def test_a_function_that_fails(gradent, function, code, error):
    """Whatever it does, the run fails with a sentence; gradent itself stands."""
    function(code)
    document = run(gradent, 1)
    assert document["error"].startswith(error)


@pytest.mark.parametrize(
    ("result", "code", "summary", "error"),
    [("", 1, "Done", "no credit"), ("return 'Half of it'", 0, "Half of it", None)],
)
def test_a_function_that_tells_its_own_end(gradent, function, result, code, summary, error):
    """A failure that it tells holds when it returns nothing; a summary that it returns comes later, and holds."""
    function(f"def run(context):\n    context.emit({{'type': 'run.failed', 'error': 'no credit'}})\n    {result}\n")
    document = run(gradent, code)
    assert document["error"] == error
    assert code or document["summary"] == summary


def test_where_a_function_failed_is_in_the_history(gradent, function):
    """With the line of the file, for whoever has to mend it."""
    function("def run(context):\n    raise ValueError('no network')\n")
    run(gradent, 1)
    assert 'my_agent.py", line 2, in run' in gradent("history", "last").out


def test_a_function_that_hangs(gradent, function):
    """One that swallows every exception ends at its time, like any program."""
    function(
        "import time\ndef run(context):\n    while True:\n"
        "        try: time.sleep(60)\n        except BaseException: pass\n",
        extra='timeout = "1s"\ngrace = "1s"\n',
    )
    assert run(gradent, 124)["status"] == "timeout"


def test_what_a_function_leaves_is_finished(gradent, function, home):
    """A file that its module keeps open, a thread that is still at work, and what it wanted done at the end."""
    function(
        """
import atexit, threading, time
from pathlib import Path
kept = open("kept", "w")
def work():
    time.sleep(0.2)
    Path("thread").write_text("done")
def run(context):
    kept.write("a line")
    atexit.register(Path("end").write_text, "done")
    threading.Thread(target=work).start()
"""
    )
    run(gradent)
    assert [(home / "agents" / name).read_text() for name in ("kept", "thread", "end")] == ["a line", "done", "done"]


def test_a_package_that_is_not_there(gradent, function, server):
    """One message that the agent is blocked, and nothing is started."""
    function("", name="gone:run", extra=f'[ntfy]\nserver = "{server.url}"\ntopic = "gradent-test-x7k2m9"\n')
    document = run(gradent, 69)
    assert "there is no Python package 'gone' for agent.callable" in document["error"]
    (request,) = server.requests
    assert request.json["title"] == "⛔ Agent Blocked"


def test_what_else_is_in_its_folder_is_not_taken_for_our_own(gradent, function, home):
    """A file that is named like a package of gradent's is the function's business alone."""
    function("def run(context):\n    return 'Fine'\n")
    (home / "agents/typer.py").write_text("raise SystemExit('not me')\n")
    assert run(gradent)["summary"] == "Fine"


def test_a_folder_that_is_not_there(gradent, write_config):
    """It is named, as for a program."""
    write_config('[agent]\nkind = "callable"\ncallable = "json:loads"\ncwd = "~/none"\n')
    assert "none, is not a folder" in run(gradent, 69)["error"]


def test_an_installed_agent(gradent, write_config, home, monkeypatch):
    """An entry point in the group `gradent.agents` is chosen by its name."""
    site = home / "site"
    info = site / "my_agent-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-agent\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[gradent.agents]\nmine = my_agent:run\n")
    (site / "my_agent.py").write_text("def run(context):\n    return 'Mine'\n")
    monkeypatch.setenv("PYTHONPATH", str(site))
    write_config('[agent]\nkind = "mine"\n')
    command = [sys.executable, "-P", "-m", "gradent_cli", "run", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["agent"], document["summary"]) == ("mine", "Mine")


def test_an_agent_that_is_installed_editable(write_config, home, monkeypatch):
    """Such a package may be in no folder of the path, and known to a finder alone, as setuptools makes them."""
    site, elsewhere = home / "site", home / "elsewhere"
    site.mkdir()
    elsewhere.mkdir()
    (elsewhere / "my_agent.py").write_text("def run(context):\n    return 'Mine'\n")
    (site / "sitecustomize.py").write_text(
        "import sys\nfrom importlib.machinery import PathFinder\n"
        "class Finder:\n    @staticmethod\n    def find_spec(name, path=None, target=None):\n"
        f"        return PathFinder.find_spec(name, [{str(elsewhere)!r}]) if name == 'my_agent' else None\n"
        "sys.meta_path.append(Finder)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(site))
    write_config('[agent]\nkind = "callable"\ncallable = "my_agent:run"\n')
    command = [sys.executable, "-P", "-m", "gradent_cli", "run", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["summary"] == "Mine", done.stderr


def test_an_agent_that_is_not_installed(gradent, write_config):
    """The config is refused, with what there is and what may have been meant."""
    write_config('[agent]\nkind = "comand"\n')
    result = gradent("run")
    assert result.code == 78
    assert "agent.kind: 'comand' is no agent that is installed here" in result.err
    assert "did you mean 'command'?" in result.err


def test_the_host_is_for_gradent_alone(gradent, function):
    """Called by hand it says so."""
    function("")
    assert gradent("host").code == 2
