import json
import os
import signal
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from gradent_cli.agents import RunContext, ToolCallTracker
from gradent_cli.agents.command import TAIL_BYTES, CommandAgent
from gradent_cli.errors import AgentError, AgentTimeoutError
from gradent_cli.interrupts import Interrupts
from tests.street.clock import NOW, Clock


@pytest.fixture
def program(tmp_path):
    """Writes a Python program and returns the argv that runs it."""

    def write(code):
        path = tmp_path / "agent.py"
        path.write_text("import json, os, signal, subprocess, sys, time\n" + code)
        return [sys.executable, str(path)]

    return write


class Stage:
    """Runs a CommandAgent and keeps what it told."""

    def __init__(self):
        self.calls = []
        self.lines = []

    def run(self, argv, *, shield=None, **changes):
        options = {
            "prompt": "", "cwd": None, "environ": dict(os.environ), "idle_timeout": None, "grace": timedelta(seconds=1)
        }  # fmt: skip
        agent = CommandAgent(argv=argv, **options | changes)
        context = RunContext(
            run_id="run-1",
            started_at=NOW,
            tools=ToolCallTracker(Clock(), self.calls.append),
            previous=None,
            log=self.lines.append,
            **({"shield": shield} if shield else {}),
        )
        return agent.run(context)


@pytest.fixture
def stage():
    return Stage()


def gone(pid):
    """True once nothing, not even a zombie, has this process id."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_events_become_tool_calls(stage, program):
    """Started and completed are paired by id though they interleave; a failed one keeps its reason."""
    report = stage.run(program("""
def say(**event): print(json.dumps(event), flush=True)
say(type="tool.started", id="a", tool="read", title="Read feed")
say(type="tool.started", id="b", tool="write")
say(type="tool.completed", id="b", tool="write", ok=False, error="no room")
say(type="tool.completed", id="a", tool="read", ok=True, result={"found": 3})
say(type="run.completed", summary="Read 3")
"""))  # fmt: skip
    assert [(call.id, call.status, call.result, call.error) for call in stage.calls] == [
        ("a", "started", "", None),
        ("b", "started", "", None),
        ("b", "failed", "", "no room"),
        ("a", "completed", '{"found": 3}', None),
    ]
    assert stage.calls[-1].title == "Read feed"
    assert (report.summary, report.error, report.exit_code) == ("Read 3", None, 0)


def test_a_completion_without_a_start_counts(stage, program):
    """Programs that report only ends are understood, with or without ids."""
    stage.run(program("""
print('{"type":"tool.completed","tool":"x","ok":true,"result":"1"}')
print('{"type":"tool.completed","id":"7","tool":"y","ok":true,"result":"2"}')
"""))  # fmt: skip
    ends = [(call.tool, call.result) for call in stage.calls if call.status == "completed"]
    assert ends == [("x", "1"), ("y", "2")]


def test_the_exit_status_decides_first(stage, program):
    """A program that prints success and exits 3 has failed; its words are kept."""
    report = stage.run(program('print(\'{"type":"run.completed","summary":"great"}\'); sys.exit("no, not great")'))
    assert report.error == "the program exited with 1: no, not great"
    report = stage.run(program('print(\'{"type":"run.failed","error":"quota"}\')'))
    assert (report.error, report.exit_code) == ("quota", 0)
    for number, name in ((signal.SIGKILL, "SIGKILL"), (40, "signal 40")):
        report = stage.run(program(f"os.kill(os.getpid(), {int(number)})"))
        assert report.error == f"the program was ended by {name}"


@pytest.mark.parametrize(
    "line",
    ["{", "{}", "[1]", '{"type": 5}', '{"type": "unknown"}', "{" * 5000, '{"type":"tool.completed","id":[1]}',
     '{"type":"tool.started","id":{"a":1},"tool":null}', "\\x00\\xff", '{"type":"run.completed","summary":7}'],
)  # fmt: skip
def test_strange_lines_break_nothing(stage, program, line):
    """Malformed, mistyped and binary lines are log text or nothing."""
    report = stage.run(program(f'sys.stdout.buffer.write(rb"""{line}""" + b"\\n")'))
    assert report.error is None


def test_output_is_bounded_and_harmless(stage, program):
    """Megabytes without a newline keep the last 64 KiB and say how much is cut; escapes never reach the log."""
    report = stage.run(program('sys.stdout.write("x" * 3_000_000 + "\\n\\x1b[31mlast\\x1b[0m\\n")'))
    assert len(report.output_tail) < TAIL_BYTES + 100
    assert report.output_tail.startswith("[2,934,4")
    assert report.summary == "last"
    assert all("\x1b" not in line for line in stage.lines)


def test_arguments_are_filled_and_never_seen_by_a_shell(stage, program, tmp_path):
    """Prompt, context file and run id go in as they are, quotes and dollars too."""
    prompt = "plan $(date) {run_id} \"'; rm"
    argv = program("""
context = json.load(open(sys.argv[2]))
print(json.dumps({"type": "run.completed", "summary": "|".join([sys.argv[1], sys.argv[3], context["prompt"],
    os.environ["GRADENT_RUN_ID"], os.getcwd(), oct(os.stat(os.path.dirname(sys.argv[2])).st_mode & 0o777)])}))
""")
    report = stage.run([*argv, "{prompt}", "{context_file}", "id={run_id}"], prompt=prompt, cwd=tmp_path)
    assert report.summary == f"{prompt}|id=run-1|{prompt}|run-1|{tmp_path}|0o700"


def test_the_context_is_utf8_in_every_locale(program, tmp_path):
    """cron's jobs often have no locale; a prompt with an umlaut reaches the agent all the same."""
    script = program('print(json.load(open(sys.argv[1], encoding="utf-8"))["prompt"] == "Pr\u00fcfe \u2603")')
    config = tmp_path / "c.toml"
    config.write_text(
        f'state_dir = "s"\n[agent]\nkind = "command"\nprompt = "Prüfe ☃"\n'
        f"command = {[*script, '{context_file}']!r}\n", encoding="utf-8"
    )  # fmt: skip
    environment = {**os.environ, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-P", "-m", "gradent_cli", "--config", str(config), "run", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert json.loads(done.stdout)["summary"] == "True", done.stderr


def test_a_program_that_cannot_start_is_a_sentence(stage, tmp_path):
    """The missing name is told with the PATH that was searched; so is a missing working directory."""
    with pytest.raises(AgentError, match="cannot start the agent: 'no-such-agent'") as caught:
        stage.run(["no-such-agent"], environ={"PATH": "/usr/bin"})
    assert "PATH=/usr/bin" in (caught.value.hint or "")
    with pytest.raises(AgentError, match="working directory"):
        stage.run([sys.executable], cwd=tmp_path / "gone")
    script = tmp_path / "plain"
    script.write_text("no shebang")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(AgentError, match="Exec format error"):
        stage.run([str(script)])


STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"],
    stdout=subprocess.PIPE)
child.stdout.readline()
print(f"pids {os.getpid()} {child.pid}", flush=True)
time.sleep(60)
"""


def test_out_of_time_nothing_of_the_group_is_left(stage, program):
    """A program and its child that both ignore TERM are gone after the grace."""
    began = time.monotonic()
    with Interrupts() as interrupts, pytest.raises(AgentTimeoutError), interrupts.time_limit(timedelta(seconds=0.5)):
        stage.run(program(STUBBORN), shield=interrupts.shield, grace=timedelta(seconds=0.2))
    assert time.monotonic() - began < 5
    pids = next(line for line in stage.lines if "pids" in line).split()[-2:]
    assert all(gone(int(pid)) for pid in pids)


def test_term_is_enough_for_those_who_listen(stage, program):
    """The grace is time to tidy up, and is not waited out when it is not needed."""
    code = """
def tidy(*_): print("tidied", flush=True); sys.exit(0)
signal.signal(signal.SIGTERM, tidy)
print("up", flush=True)
time.sleep(60)
"""
    began = time.monotonic()
    with Interrupts() as interrupts, pytest.raises(AgentTimeoutError), interrupts.time_limit(timedelta(seconds=0.5)):
        stage.run(program(code), shield=interrupts.shield, grace=timedelta(seconds=30))
    assert time.monotonic() - began < 5


def test_silence_has_its_own_limit(stage, program):
    """`idle_timeout` ends a program that says nothing; one that keeps talking may go on."""
    with pytest.raises(AgentTimeoutError, match="said nothing for"):
        stage.run(program("time.sleep(60)"), idle_timeout=timedelta(seconds=0.3))
    talking = "for _ in range(6):\n    print('.', flush=True); time.sleep(0.1)"
    assert stage.run(program(talking), idle_timeout=timedelta(seconds=0.4)).error is None


def test_a_child_left_behind_does_not_hold_the_run(stage, program):
    """The program ends, its child keeps the pipe open: the run ends, and so does the child."""
    report = stage.run(program("""
child = subprocess.Popen(["sleep", "60"])
print(json.dumps({"type": "run.completed", "summary": str(child.pid)}), flush=True)
"""))  # fmt: skip
    assert report.error is None
    assert gone(int(report.summary))


def test_the_program_starts_with_signals_as_usual(stage, program):
    """TERM must end an agent that does nothing about it."""
    report = stage.run(program("print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, flush=True)"))
    assert report.summary == "True"
