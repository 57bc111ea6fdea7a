import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from gradent_cli import files
from gradent_cli.agents import RunContext, ToolCallTracker
from gradent_cli.agents.command import CommandAgent, find_program
from gradent_cli.agents.output import LOG_BYTES, TAIL_BYTES, Reader
from gradent_cli.errors import AgentError, AgentTimeoutError, StateError, UnavailableError
from gradent_cli.interrupts import Interrupted, Interrupts
from gradent_cli.records import Usage
from tests.street import unruly
from tests.street.clock import NOW, Clock
from tests.test_streams import AGUI, CODEX, GEMINI, OPENCODE


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
        self.kept = []
        self.usage = []
        self.moment, self.then = "agent: up", lambda: None

    def log(self, text):
        self.lines += text.splitlines()
        if self.moment in text.splitlines():
            self.then()

    def run(self, argv, *, shield=None, tools=None, **changes):
        options = {
            "prompt": "", "cwd": None, "environ": dict(os.environ), "idle_timeout": None, "grace": timedelta(seconds=1)
        }  # fmt: skip
        agent = CommandAgent(argv=argv, **options | changes)
        given = {"shield": shield, "tools": tools}
        return agent.run(self.context(**{name: value for name, value in given.items() if value is not None}))

    def context(self, **changes):
        given = {"tools": ToolCallTracker(Clock(), self.calls.append), "keep_output": self.kept.append}
        return RunContext(
            run_id="run-1", started_at=NOW, previous=None, log=self.log, used=self.usage.append, **given | changes
        )


@pytest.fixture
def stage():
    return Stage()


def gone(pid):
    """True once nothing, not even a zombie, has this process id."""
    for _ in range(1000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_what_is_on_record_has_no_holes(stage, program):
    """After a tool that could not be kept none is, though the disk takes them again: neither now nor at the end."""

    def keep(call):
        if call.id == "b":
            raise StateError("the disk is full")
        stage.calls.append(call)

    agent = program("""
def say(id): print(json.dumps({"type": "tool.completed", "id": id, "tool": "read"}), flush=True)
def over(*_):
    say("c")
    sys.exit()
signal.signal(signal.SIGTERM, over)
say("a")
say("b")
time.sleep(60)
""")
    with pytest.raises(StateError, match="the disk is full"):
        stage.run(agent, tools=ToolCallTracker(Clock(), keep))
    assert {call.id for call in stage.calls} == {"a"}


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
    assert report.output_tail.endswith("x\nlast\n")
    assert report.summary == "last"
    assert all("\x1b" not in line for line in stage.lines)


def cut_and_kept(report):
    """How many bytes are said to be cut, and the rest."""
    note, kept = report.output_tail.split("\n", 1)
    return int(note.removeprefix("[").split()[0].replace(",", "")), kept


@pytest.mark.parametrize(
    "text", ["é" * 100_000, "x" + "漢" * 80_000, "xy🎓" + "🎓" * 40_000], ids=["two", "three", "four"]
)
def test_a_cut_begins_with_a_whole_character(stage, program, tmp_path, text):
    """No half of one at the beginning, the end complete, and what is cut and kept is together what was written."""
    (tmp_path / "text").write_text(text + "END", encoding="utf-8")
    cut, kept = cut_and_kept(stage.run(["cat", str(tmp_path / "text")]))
    assert "\ufffd" not in kept
    assert kept.endswith("END")
    assert TAIL_BYTES - 3 <= len(kept.encode()) <= TAIL_BYTES
    assert cut + len(kept.encode()) == len(text.encode()) + 3


def test_a_cut_begins_with_a_whole_line(stage, program):
    """Half a line could be half a secret, which nothing would recognise any more."""
    code = "for n in range(9000): print(f'{n:04} token tk_secret')"
    cut, kept = cut_and_kept(stage.run(program(code)))
    assert all(line.endswith(" token tk_secret") and len(line) == 20 for line in kept.splitlines())
    assert TAIL_BYTES - 21 <= len(kept) <= TAIL_BYTES
    assert cut + len(kept) == 9000 * 21


def test_what_fits_is_kept_whole(stage, program):
    """Exactly 64 KiB: nothing is cut, and nothing is said of it; a byte more, and it is."""
    whole = "x" * TAIL_BYTES
    assert stage.run(program(f"os.write(1, b'x' * {TAIL_BYTES})")).output_tail == whole
    pieces, rest = divmod(TAIL_BYTES + 1, 11)
    code = f"for _ in range({pieces}): os.write(1, b'x' * 11)\nos.write(2, b'x' * {rest})"
    assert stage.run(program(code)).output_tail == "[1 bytes before this are cut]\n" + whole


def test_the_log_gets_the_beginning_of_much_output(stage, program):
    """Other runs' lines are not washed away; how much is left out is told to the byte, events are not counted."""
    stage.run(program("""
for n in range(9000):
    print(f"line {n:04}")
    if n % 100 == 0: print('{"type":"tool.completed","tool":"t"}')
"""))  # fmt: skip
    *lines, note = stage.lines
    assert lines == [f"agent: line {n:04}" for n in range(len(lines))]
    assert LOG_BYTES - 20 <= 10 * len(lines) <= LOG_BYTES
    assert note == f"agent: [{90_000 - 10 * len(lines):,} bytes more; their end is in gradent history run-1]"
    assert len([call for call in stage.calls if call.status == "completed"]) == 90


def test_no_event_is_lost_among_thousands(stage, program):
    """Fast, in pieces that end anywhere, between plain lines and with noise on standard error: all arrive, in order."""
    report = stage.run(program("""
import threading
noise = threading.Thread(target=lambda: [os.write(2, b"noise " * 20 + b"\\n") for _ in range(5000)])
noise.start()
lines = []
for n in range(5000):
    event = {"type": "tool.completed", "tool": "t", "id": str(n), "result": "x" * (n % 700)}
    lines += [f"plain {n} {{", "  " * (n % 2) + json.dumps(event)]
    if n % 3 == 0: lines.append('  {"type": 1, "half": ')
text = "\\n".join(lines).encode() + b"\\n"
at = 0
while at < len(text):
    at += os.write(1, text[at:at + 1 + at * 7 % 9001])
noise.join()
print(json.dumps({"type": "run.completed", "summary": "all"}), end="")
"""))  # fmt: skip
    ends = [call for call in stage.calls if call.status == "completed"]
    assert [(call.id, len(call.result)) for call in ends] == [(str(n), n % 700) for n in range(5000)]
    assert report.summary == "all"


@pytest.mark.parametrize(
    ("title", "shown"),
    [(b"caf\xe9", "caf\ufffd"), (b"a\tb", "a b"), (b"\x1b[31mred", "red"), (b"nu\x00l", "nul"),
     (rb"\ud800half", "half")],
)  # fmt: skip
def test_an_event_with_bad_bytes_is_an_event(stage, tmp_path, title, shown):
    """Shell scripts put JSON together by echo: a Latin-1 letter, a tab or an escape in it is no reason to lose it."""
    (tmp_path / "said").write_bytes(b'{"type":"tool.completed","tool":"t","title":"' + title + b'"}\n')
    stage.run(["cat", str(tmp_path / "said")])
    assert [call.title for call in stage.calls if call.status == "completed"] == [shown]


@pytest.mark.parametrize("length", [1_000_000, 1_048_500, 2_000_000])
def test_a_long_event_is_taken_up_to_a_mebibyte(stage, program, length):
    """A tool's result may be large; what is larger is log text, and the next line is read as ever."""
    stage.run(program(f"""
print(json.dumps({{"type": "tool.completed", "tool": "long", "x": "y" * {length}}}))
print(json.dumps({{"type": "tool.completed", "tool": "next"}}))
"""))  # fmt: skip
    tools = [call.tool for call in stage.calls if call.status == "completed"]
    assert tools == (["long", "next"] if length < 1_048_576 else ["next"])


def test_the_last_words_explain_a_failure(stage, program):
    """Also in pieces, after blank and coloured empty lines, and of a line written over and over the last state."""
    code = r"os.write(2, b'bro'); time.sleep(0.05); os.write(2, b'ken pipe\n\n\x1b[0m\n'); sys.exit(3)"
    assert stage.run(program(code)).error == "the program exited with 3: broken pipe"
    report = stage.run(program(r"os.write(1, b'10%\r50%\r100% done\n')"))
    assert report.summary == "100% done"


def test_arguments_are_filled_and_never_seen_by_a_shell(stage, program, tmp_path):
    """Prompt, context file and run id go in as they are, quotes and dollars too."""
    prompt = "plan $(date) {run_id} \"'; rm"
    argv = program("""
context = json.load(open(sys.argv[2]))
print(json.dumps({"type": "run.completed", "summary": "|".join([sys.argv[1], sys.argv[3], context["prompt"],
    os.environ["GRADENT_RUN_ID"], os.getcwd(), oct(os.stat(os.path.dirname(sys.argv[2])).st_mode & 0o777)])}))
""")
    report = stage.run([*argv, "{prompt}", "{context_file}", "id={run_id}"], prompt=prompt, cwd=str(tmp_path))
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
        stage.run([sys.executable], cwd=str(tmp_path / "gone"))
    script = tmp_path / "plain"
    script.write_text("no shebang")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(AgentError, match="Exec format error") as caught:
        stage.run([str(script)])
    assert "#!/bin/sh" in (caught.value.hint or "")
    script.write_text("#!/no/such/interpreter\n")
    with pytest.raises(AgentError, match=f"'{script}': No such file or directory"):
        stage.run([str(script)])
    script.chmod(0o644)
    with pytest.raises(AgentError, match=r"'\./plain': Permission denied"):
        stage.run(["./plain"], cwd=str(tmp_path))
    with pytest.raises(AgentError, match=f"the working directory {script}: Not a directory") as caught:
        stage.run(["true"], cwd=str(script))
    assert caught.value.hint is None
    with pytest.raises(AgentError, match="Argument list too long") as caught:
        stage.run(["true", "{prompt}"], prompt="x" * 3_000_000)
    assert "standard input" in (caught.value.hint or "")


def test_too_many_open_files_are_a_sentence(config):
    """What the machine refuses is no fault of the program, nor of its folder."""
    config.write_text('[agent]\nkind = "command"\ncommand = ["true"]\n')
    code = f"""
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))
os.execv(sys.executable, [sys.executable, "-P", "-m", "gradent_cli", "--config", {str(config)!r}, "run", "--json"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert json.loads(done.stdout)["error"] == "cannot start the agent: 'true': Too many open files"


def test_no_room_for_the_context_is_a_sentence(stage, monkeypatch, tmp_path):
    """A folder for temporary files that takes nothing is no crash of the agent."""
    monkeypatch.setattr(files, "TEMPORARY", ())
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    with pytest.raises(StateError, match="context to a temporary file: No such file or directory"):
        stage.run(["true"])
    monkeypatch.undo()
    assert stage.run(["true"]).error is None


LATEST = 30
"""Seconds: far less than any of these programs would go on for, and more than a busy machine takes."""
LEFT_BEHIND = [kind for kind in unruly.KINDS if kind != "chatty"]


@pytest.fixture
def marked(tmp_path):
    """The environment of programs that `unruly.left` finds; none of them outlives the test."""
    yield {**os.environ, unruly.MARK: str(tmp_path)}
    for pid in unruly.left(tmp_path):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("kind", unruly.KINDS)
def test_after_a_good_run_nobody_is_left(stage, marked, tmp_path, kind):
    """The run ends with its program, though others hold its pipes and talk; what it left behind is ended."""
    argv = unruly.program(kind, then="""print('{"type":"run.completed","summary":"well"}', flush=True)""")
    if kind == "chatty":
        argv = unruly.program(then="""print('{"type":"run.completed","summary":"well"}', flush=True); child(chatty)""")
    began = time.monotonic()
    report = stage.run(argv, environ=marked, grace=timedelta(seconds=0.1))
    assert (report.summary, report.error) == ("well", None)
    assert unruly.left(tmp_path) == []
    assert time.monotonic() - began < LATEST


@pytest.mark.parametrize("kind", unruly.KINDS)
def test_out_of_time_nobody_is_left(stage, marked, tmp_path, kind):
    """Who ignores TERM, who left the group, both, one who talks on, and one who forks for ever: all gone."""
    argv = unruly.program(kind, then="ignoring(); time.sleep(60)")
    stage.then = lambda: signal.setitimer(signal.ITIMER_REAL, 0.05)
    if kind == "chatty":
        stage.moment = "agent: still here"
    with Interrupts() as interrupts, pytest.raises(AgentTimeoutError), interrupts.time_limit(timedelta(seconds=50)):
        stage.run(argv, environ=marked, shield=interrupts.shield, grace=timedelta(seconds=0.1))
    assert unruly.left(tmp_path) == []
    assert len(stage.kept) == 1
    assert ("here\n" if kind == "chatty" else "up\n") in stage.kept[0]


@pytest.mark.parametrize("moment", [("c_return", os.mkdir), ("c_call", os.unlink)], ids=["made", "to be removed"])
def test_a_signal_leaves_no_file_behind(stage, monkeypatch, tmp_path, moment):
    """What the agent was told holds the person's words: it goes with the run, whenever a signal strikes."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()

    def strike(_, event, what):
        if (event, what) == moment:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGTERM)

    with Interrupts() as interrupts, pytest.raises(Interrupted):
        sys.setprofile(strike)
        stage.run(["true"], shield=interrupts.shield)
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("kind", LEFT_BEHIND)
def test_after_silence_nobody_is_left(stage, marked, tmp_path, kind):
    """The same for `idle_timeout`; what the program said until then is kept."""
    argv = unruly.program(kind, then="ignoring(); time.sleep(60)")
    with pytest.raises(AgentTimeoutError, match="said nothing for"):
        stage.run(argv, environ=marked, idle_timeout=timedelta(seconds=1.5), grace=timedelta(seconds=0.1))
    assert unruly.left(tmp_path) == []
    assert stage.kept == ["up\n"]


def test_ending_what_is_left_behind_does_not_make_a_good_run_late(stage, marked, tmp_path):
    """The program was done in time; only the grace for its stubborn child was not."""
    stage.then = lambda: signal.setitimer(signal.ITIMER_REAL, 1.5)
    with Interrupts() as interrupts, interrupts.time_limit(timedelta(seconds=20)):
        report = stage.run(
            unruly.program("stubborn"), environ=marked, shield=interrupts.shield, grace=timedelta(seconds=2)
        )
    assert report.error is None
    assert unruly.left(tmp_path) == []


@pytest.mark.parametrize("seed", range(4))
def test_signals_while_it_is_ended_leave_nobody(config, marked, tmp_path, seed):
    """Ctrl-C again and again, TERM and HUP at any moment of the ending: 130, 143 or 129, on record, nobody left."""
    lot = random.Random(seed)
    argv = unruly.program("both", then="ignoring(); time.sleep(60)")
    config.write_text(f'[agent]\nkind = "command"\ngrace = "1s"\ncommand = {json.dumps(argv)}\n')
    command = [sys.executable, "-P", "-m", "gradent_cli"]
    process = subprocess.Popen([*command, "run", "--quiet"], env=marked, stderr=subprocess.PIPE, start_new_session=True)
    for _ in range(1500):
        if len(unruly.left(tmp_path)) >= 4:  # gradent has the mark, too
            break
        time.sleep(0.02)
    for _ in range(lot.randrange(1, 8)):
        process.send_signal(lot.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))
        time.sleep(lot.random() * 0.03)
    process.communicate(timeout=60)
    code = process.returncode
    assert (code if code >= 0 else 128 - code) in (129, 130, 143)  # below zero: when all was over already
    assert unruly.left(tmp_path) == []
    done = subprocess.run([*command, "history", "last", "--json"], env=marked, capture_output=True, check=True)
    assert json.loads(done.stdout)["status"] == "interrupted"


@pytest.mark.parametrize("closing", ["os.close(1)", "os.close(1); os.close(2)"])
def test_a_program_that_closes_its_output_may_work_on(stage, program, closing):
    """It ends when it ends; that it can say nothing any more is silence as any other."""
    began = time.monotonic()
    report = stage.run(program(f"print('so far', flush=True); {closing}; time.sleep(0.3); os._exit(4)"))
    assert report.error == "the program exited with 4: so far"
    assert time.monotonic() - began >= 0.3
    with pytest.raises(AgentTimeoutError, match="said nothing for"):
        stage.run(program(f"{closing}; time.sleep(60)"), idle_timeout=timedelta(seconds=0.3))


def test_all_that_was_written_before_the_end_is_read(stage, program):
    """A megabyte in the last moment, and a child that holds the pipe and talks on: no event of the program is lost."""
    code = """
if not os.fork():
    while True: os.write(1, b"and on\\n"); time.sleep(0.001)
for n in range(3000):
    os.write(1, b'{"type":"tool.completed","tool":"t","result":"' + b"x" * 300 + b'"}\\n')
os._exit(0)
"""
    stage.run(program(code), grace=timedelta(seconds=0.1))
    assert len([call for call in stage.calls if call.status == "completed"]) == 3000


FLOODS = {
    "many lines": "yes 'the quick brown fox jumps over the lazy dog, {x} and again' | head -c 100000000",
    "one endless line": "head -c 100000000 /dev/zero | tr '\\0' x",
    "one endless object": "printf '{\"type\":\"'; head -c 100000000 /dev/zero | tr '\\0' x",
    "on standard error": "yes 'the quick brown fox jumps over the lazy dog' | head -c 100000000 >&2",
    "on both": "yes 'on the one hand' | head -c 50000000 & yes 'on the other' | head -c 50000000 >&2; wait",
    "binary junk": "head -c 100000000 /dev/urandom",
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_hundred_megabytes_cost_next_to_nothing(tmp_path, flood):
    """Less than 4 MB of memory and a second of processor time over a program that says one word, whatever it is."""
    measure = """
import os, resource, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from gradent_cli import files
from gradent_cli.agents import RunContext, ToolCallTracker
from gradent_cli.agents.command import CommandAgent, find_program
from gradent_cli.logs import Log

log = Log(Path(sys.argv[1]), lambda text: text)
now = lambda: datetime.now(UTC)
def run(script):
    context = RunContext(run_id="r", started_at=now(), tools=ToolCallTracker(now, lambda call: None), previous=None,
                         log=lambda text: log.write("r", text))
    CommandAgent(argv=["sh", "-c", script], prompt="", cwd=None, environ=dict(os.environ), idle_timeout=None,
                 grace=timedelta(seconds=1)).run(context)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_maxrss, used.ru_utime + used.ru_stime
before = run("echo word; echo word >&2")
after = run(sys.argv[2])
print(after[0] - before[0], after[1] - before[1])
"""
    log = tmp_path / "gradent.log"
    done = subprocess.run(
        [sys.executable, "-P", "-c", measure, str(log), FLOODS[flood]], capture_output=True, text=True, check=True
    )
    kibibytes, seconds = map(float, done.stdout.split())
    assert kibibytes < 4000
    assert seconds < 1
    assert log.stat().st_size < 500_000


def test_term_is_enough_for_those_who_listen(stage, program, tmp_path):
    """The grace is time to tidy up, and is not waited out when it is not needed."""
    code = f"""
def tidy(*_): open({str(tmp_path / "tidied")!r}, "w").close(); sys.exit(0)
signal.signal(signal.SIGTERM, tidy)
print("up", flush=True)
time.sleep(60)
"""
    stage.then = lambda: signal.setitimer(signal.ITIMER_REAL, 0.05)
    began = time.monotonic()
    with Interrupts() as interrupts, pytest.raises(AgentTimeoutError), interrupts.time_limit(timedelta(seconds=20)):
        stage.run(program(code), shield=interrupts.shield, grace=timedelta(seconds=55))
    assert time.monotonic() - began < LATEST
    assert (tmp_path / "tidied").exists()


def test_silence_has_its_own_limit(stage, program):
    """`idle_timeout` ends a program that says nothing; one that keeps talking may go on."""
    with pytest.raises(AgentTimeoutError, match="said nothing for"):
        stage.run(program("time.sleep(60)"), idle_timeout=timedelta(seconds=0.3))
    talking = "for n in 1 2 3 4 5 6 7 8; do echo .; sleep 0.25; done"
    assert stage.run(["sh", "-c", talking], idle_timeout=timedelta(seconds=1.5)).error is None


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


def test_the_program_gets_no_open_file_of_whoever_started_gradent(config, tmp_path):
    """cron's own files, a lock of a shell's: the agent, which may run for hours, would hold them."""
    agent = ["sh", "-c", "for n in $(seq 0 99); do [ ! -e /proc/$$/fd/$n ] || printf '%s ' $n; done"]
    config.write_text(f'[agent]\nkind = "command"\ncommand = {json.dumps(agent)}\n')
    command = [sys.executable, "-P", "-m", "gradent_cli", "run", "--json"]
    with open(tmp_path / "theirs", "w") as theirs:
        done = subprocess.run(command, pass_fds=[theirs.fileno()], capture_output=True, check=True)
    assert json.loads(done.stdout)["summary"] == "0 1 2"


# ── what it is given ──


@pytest.mark.parametrize(
    ("stdin", "argument", "read"),
    [
        (None, "x", "Plan 'my' week"),
        (None, "{prompt}", ""),
        ("prompt", "{prompt}", "Plan 'my' week"),
        ("none", "x", ""),
    ],
)
def test_standard_input(stage, program, stdin, argument, read):
    """The prompt, if no argument has it; or what `agent.stdin` says."""
    argv = [*program("print(repr(sys.stdin.read()))"), argument]
    assert stage.run(argv, prompt="Plan 'my' week", stdin=stdin).summary == repr(read)


def test_the_context_on_standard_input(stage, program):
    """`agent.stdin = "context"` is the same document as the file's."""
    argv = program(
        "a = sys.stdin.read(); b = open(os.environ['GRADENT_CONTEXT_FILE']).read(); print(a == b, len(a) > 9)"
    )
    assert stage.run(argv, stdin="context").summary == "True True"


def test_the_mcp_config_is_there_for_who_asks(stage, program):
    """Also in a part of an argument, and with the variables that tie the server to the run and its state alone."""
    argv = program("folder = os.path.dirname(os.environ['GRADENT_EVENTS']); print(sys.argv[1:], os.listdir(folder))")
    server = ["/opt/python", "-m", "gradent_cli", "mcp"]
    assert "mcp.json" not in stage.run(argv, mcp_server=server).summary
    argv = program("print(open(sys.argv[1].removeprefix('--mcp-config=')).read())")
    environ = {"PATH": "/usr/bin", "GRADENT_STATE_DIR": "/s", "GRADENT_NTFY__TOKEN": "tk_secret", "TZ": "Asia/Tokyo"}
    found = json.loads(stage.run([*argv, "--mcp-config={mcp_config}"], mcp_server=server, environ=environ).summary)
    (given,) = found["mcpServers"].values()
    assert [given["command"], *given["args"]] == server
    assert given["env"].pop("GRADENT_EVENTS").endswith("/events")
    assert given["env"] == {"GRADENT_RUN_ID": "run-1", "GRADENT_STATE_DIR": "/s", "TZ": "Asia/Tokyo"}


def test_the_context_is_found_from_another_folder(stage, monkeypatch, tmp_path):
    """Also where temporary files are to be in a folder that has no full path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", ".")
    assert stage.run(["sh", "-c", 'cat "$GRADENT_CONTEXT_FILE"'], cwd="/").error is None


def test_a_filling_is_not_filled_again(stage, program):
    """What stands in a prompt stays, also where an argument has more than the prompt."""
    argv = [*program("print(sys.argv[1:])"), "{prompt}", "do: {prompt} ({run_id})"]
    assert stage.run(argv, prompt="{run_id}").summary == "['{run_id}', 'do: {run_id} (run-1)']"


def test_a_program_that_never_reads_its_standard_input(stage):
    """A prompt that no pipe could hold keeps nobody waiting."""
    assert stage.run(["sh", "-c", "echo done"], prompt="x" * 5_000_000).summary == "done"


# ── the second way in ──

APPEND = """
def emit(**event):
    with open(os.environ["GRADENT_EVENTS"], "a") as file:
        file.write(json.dumps(event) + "\\n")
"""


def told(stage):
    return [(call.tool, call.status, call.result) for call in stage.calls]


def test_events_by_file(stage, program):
    """They count as those on standard output do, the last ones too, and what is half or junk is none."""
    argv = program(
        APPEND + "emit(type='tool.started', id='1', tool='fetch', title='Fetch')\n"
        "emit(type='tool.completed', id='1', tool='fetch', ok=True, result='3', details=['a', 'b'])\n"
        "open(os.environ['GRADENT_EVENTS'], 'ab').write(b'\\xff{{\\n{\"type\": 3}\\n')\n"
        "emit(type='run.completed', summary='Fine', lines=['One'], changed=False)\n"
        "open(os.environ['GRADENT_EVENTS'], 'a').write('{\"type\": \"run.failed\"')\n"
        "print('not this')"
    )
    report = stage.run(argv)
    assert told(stage) == [("fetch", "started", ""), ("fetch", "completed", "3")]
    assert stage.calls[-1].details == ("a", "b")
    assert (report.summary, report.lines, report.changed, report.error) == ("Fine", ("One",), False, None)


def test_what_was_done_before_the_time_was_over(stage, program):
    """An event that came just before the end of the time is on record."""
    argv = program(
        APPEND + "emit(type='tool.completed', id='1', tool='fetch', ok=True, result='3')\nprint('up', flush=True)\n"
        "time.sleep(60)"
    )

    def over():
        raise AgentTimeoutError("over")

    stage.then = over
    with pytest.raises(AgentTimeoutError):
        stage.run(argv)
    assert told(stage) == [("fetch", "started", ""), ("fetch", "completed", "3")]


@pytest.mark.parametrize("where", ["file", "output"])
def test_a_backlog_is_on_record_when_the_time_is_over(stage, program, tmp_path, where):
    """All that was written until then, though the end of the time comes when little of it has been taken in."""
    argv = program(
        "event = {'type': 'tool.completed', 'ok': True}\n"
        "lines = ''.join(json.dumps({**event, 'tool': str(n)}) + chr(10) for n in range(3000))\n"
        f"open(os.environ['GRADENT_EVENTS'] if {where == 'file'} else 1, 'a').write(lines)\n"
        f"open('{tmp_path}/written', 'w')\ntime.sleep(60)"
    )

    def note(call):
        stage.calls.append(call)
        if len(stage.calls) == 5:
            for _ in range(1500):
                if (tmp_path / "written").exists():
                    break
                time.sleep(0.02)
            signal.raise_signal(signal.SIGALRM)

    with Interrupts() as interrupts, pytest.raises(AgentTimeoutError):
        stage.run(argv, shield=interrupts.shield, tools=ToolCallTracker(Clock(), note))
    assert [call.tool for call in stage.calls if call.status == "completed"] == [str(n) for n in range(3000)]


def test_the_last_words_of_one_that_is_ended(stage, program):
    """What it says when it gets TERM is output, too, and its tools are on record."""
    argv = program(
        "event = {'type': 'tool.completed', 'tool': 'save', 'ok': True}\n"
        "def over(*_):\n    os.write(1, (json.dumps(event) + '\\nsaved\\n').encode())\n    os._exit(0)\n"
        "signal.signal(signal.SIGTERM, over)\nprint('up', flush=True)\ntime.sleep(60)"
    )

    stage.then = lambda: signal.raise_signal(signal.SIGALRM)
    with Interrupts() as interrupts, pytest.raises(AgentTimeoutError):
        stage.run(argv, shield=interrupts.shield)
    assert told(stage) == [("save", "started", ""), ("save", "completed", "")]
    assert stage.kept[0].endswith("saved\n")


def test_an_event_file_that_grows_without_end(stage, program):
    """Lines that are too long are no events, and a child that goes on writing does not hold the run."""
    argv = program(
        APPEND + "path = os.environ['GRADENT_EVENTS']\n"
        "open(path, 'a').write('{\"type\": \"run.failed\", \"error\": \"' + 'x' * 5_000_000 + '\"}\\n')\n"
        "emit(type='tool.completed', id='1', tool='fetch', ok=True, result='3')\n"
        "subprocess.Popen(['sh', '-c', 'while :; do echo x; done >> \"$GRADENT_EVENTS\"'])\n"
        "time.sleep(0.5)"
    )
    assert stage.run(argv).error is None
    assert told(stage) == [("fetch", "started", ""), ("fetch", "completed", "3")]


def test_who_appends_while_we_read_is_not_waited_for(stage, tmp_path):
    """A look takes what was there when it began."""
    path = tmp_path / "events"
    line = json.dumps({"type": "tool.completed", "tool": "fetch", "ok": True}) + "\n"
    path.write_text(line)

    def append(call):
        stage.calls.append(call)
        if len(stage.calls) < 100:
            with path.open("a") as file:
                file.write(line)

    reader = Reader(stage.context(tools=ToolCallTracker(Clock(), append)), path)
    reader.look()
    reader.close()
    assert told(stage) == [("fetch", "started", ""), ("fetch", "completed", "")]


def test_the_end_of_a_line_that_is_too_long_is_no_event(stage, tmp_path):
    """Half of something is not taken for something whole."""
    path = tmp_path / "events"
    event = '{"type": "tool.completed", "tool": "fetch", "ok": true}\n'
    path.write_text(event + "x" * 3_000_000 + event + event)
    reader = Reader(stage.context(), path)
    reader.look()
    reader.close()
    assert [each[1] for each in told(stage)].count("completed") == 2


def test_an_event_file_too_large_to_be_read_in_time(stage, program):
    """A terabyte of nothing does not hold a run that is out of time."""
    argv = program(
        APPEND + "emit(type='tool.completed', id='1', tool='fetch', ok=True, result='3')\n"
        "os.truncate(os.environ['GRADENT_EVENTS'], 1 << 40)\n"
        "emit(type='tool.completed', id='2', tool='late', ok=True)\nprint('up', flush=True)\ntime.sleep(60)"
    )

    def over():
        raise AgentTimeoutError("over")

    stage.then = over
    with pytest.raises(AgentTimeoutError):
        stage.run(argv)
    assert told(stage) == [("fetch", "started", ""), ("fetch", "completed", "3")]


def test_an_event_file_that_is_emptied(stage, tmp_path):
    """A script that writes with `>` where it should append is heard all the same."""
    path = tmp_path / "events"
    path.touch()
    reader = Reader(stage.context(), path)
    for tool in ("fetch the pages", "plan"):
        path.write_text(json.dumps({"type": "tool.completed", "tool": tool, "ok": True}) + "\n")
        reader.look()
    reader.close()
    assert [each for each in told(stage) if each[1] == "completed"] == [
        ("fetch the pages", "completed", ""),
        ("plan", "completed", ""),
    ]


@pytest.mark.parametrize("change", ["os.replace(path + '.new', path)", "os.remove(path)"])
def test_an_event_file_that_is_replaced(stage, program, change):
    """What was told in the file itself stands, what somebody puts in its place is not read; the run goes on."""
    argv = program(
        APPEND + "emit(type='tool.completed', id='1', tool='fetch', ok=True, result='3')\n"
        "path = os.environ['GRADENT_EVENTS']\n"
        'open(path + \'.new\', \'w\').write(\'{"type": "run.failed", "error": "no"}\\n\')\n'
        f"{change}\nprint('Fine')"
    )
    report = stage.run(argv)
    assert (report.summary, report.error) == ("Fine", None)
    assert told(stage) == [("fetch", "started", ""), ("fetch", "completed", "3")]


def test_what_comes_both_ways_counts_once(stage, program):
    """With an id or without, whichever way is the first; the same thing done twice counts twice."""
    argv = program(
        APPEND + "def both(**event):\n    emit(**event); print(json.dumps(event), flush=True)\n"
        "both(type='tool.started', id='1', tool='fetch')\n"
        "both(type='tool.completed', id='1', tool='fetch', ok=True, result='by id')\n"
        "for _ in range(2): both(type='tool.completed', tool='plan', ok=True, result='no id')\n"
    )
    stage.run(argv)
    completed = [call for call in told(stage) if call[1] == "completed"]
    assert sorted(completed) == [
        ("fetch", "completed", "by id"),
        ("plan", "completed", "no id"),
        ("plan", "completed", "no id"),
    ]


def test_our_own_tools_are_told_by_the_file(stage, program):
    """What a coding agent's stream says of them is less, and counts only where the file does not tell of it."""
    argv = program(
        APPEND + "use = {'type': 'tool_use', 'name': 'mcp__gradent__check', 'input': {}}\n"
        "def call(id, known):\n"
        "    print(json.dumps({'type': 'assistant', 'message': {'content': [use | {'id': id}]}}), flush=True)\n"
        "    if known:\n"
        "        emit(type='tool.started', id='check-' + id, tool='check', title='Check', by='gradent')\n"
        "        emit(type='tool.completed', id='check-' + id, tool='check', ok=True, result='exact', by='gradent')\n"
        "    result = {'type': 'tool_result', 'tool_use_id': id, 'content': 'refused', 'is_error': not known}\n"
        "    print(json.dumps({'type': 'user', 'message': {'content': [result]}}), flush=True)\n"
        "call('a', True)\ncall('b', False)\ncall('c', True)\n"
    )
    stage.run(argv)
    ended = [(call.tool, call.status, call.result or call.error, call.incidental) for call in stage.calls]
    assert sorted(each for each in ended if each[1] != "started") == [
        ("check", "completed", "exact", False),
        ("check", "completed", "exact", False),
        ("check", "failed", "refused", False),
    ]


def test_a_stream_of_a_coding_agent(stage, program):
    """Its steps are on record as incidental, its words are log text, its end the summary, its use is kept."""
    lines = [
        {"type": "assistant", "message": {"content": [{"type": "text", "text": "Let me look."}]}},
        {"type": "assistant", "message": {"content": [{"type": "tool_use", "id": "a", "name": "Bash", "input": {}}]}},
        {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "a", "content": "x"}]}},
        {"type": "result", "subtype": "success", "result": "Planned 3", "total_cost_usd": 0.25, "usage": {}},
    ]
    report = stage.run(program(f"for line in {lines!r}: print(json.dumps(line))"))
    assert [(call.tool, call.status, call.incidental) for call in stage.calls] == [
        ("Bash", "started", True),
        ("Bash", "completed", True),
    ]
    assert "agent: Let me look." in stage.lines
    assert (report.summary, report.error) == ("Planned 3", None)
    assert stage.usage == [Usage(cost_usd=0.25)]


@pytest.mark.parametrize(
    ("line", "code", "error"),
    [
        ({"type": "result", "subtype": "success", "is_error": True, "result": "no credit"}, 0, "no credit"),
        ({"type": "turn.failed", "error": {"message": "no credit"}}, 0, "no credit"),
        ({"type": "result", "subtype": "success", "result": "Fine"}, 3, "the program exited with 3"),
    ],
)
def test_what_a_stream_says_of_its_end(stage, program, line, code, error):
    """The exit status decides first; an error result is a failure though the program exits with 0."""
    report = stage.run(program(f"print(json.dumps({line!r})); sys.exit({code})"))
    assert report.error is not None
    assert report.error.startswith(error)


LAST_WORDS = {
    "codex": [*CODEX[:-1]],
    "gemini": GEMINI,
    "gemini, broken off": GEMINI[:-1],
    "opencode": OPENCODE,
    "claude, a result without words": [
        '{"type":"assistant","message":{"content":[{"type":"text","text":"Planned 3"}]}}',
        '{"type":"result","subtype":"success","result":""}',
    ],
    "cursor, broken off": ['{"type":"assistant","message":{"content":[{"type":"text","text":"Planned 3"}]}}'],
    "ag-ui": [*AGUI[:-1], '{"type":"RUN_FINISHED"}'],
}


@pytest.mark.parametrize("lines", LAST_WORDS.values(), ids=LAST_WORDS)
def test_the_last_words_are_the_summary(stage, program, lines):
    """Where no end has one, whatever else the program writes then."""
    report = stage.run(
        program(f"print({chr(10).join(lines)!r}, flush=True)\nprint('a line'); print('noise', file=sys.stderr)")
    )
    assert (report.summary, report.error) == ("Planned 3", None)
    assert "agent: Planned 3" in stage.lines


FAILED, COMPLETED = {"type": "run.failed", "error": "no network"}, {"type": "run.completed", "summary": "Planned 3"}
FAILED_TURN, TURN = {"type": "turn.failed", "error": {"message": "no credit"}}, {"type": "turn.completed", "usage": {}}
FAILED_RESULT = {"type": "result", "subtype": "error_during_execution", "is_error": True}
RESULT = {"type": "result", "subtype": "success", "result": "Planned 3"}


@pytest.mark.parametrize(
    ("printed", "filed", "error"),
    [
        ([FAILED, COMPLETED], [], None),
        ([FAILED_RESULT, RESULT], [], None),
        ([FAILED_TURN, TURN], [], None),
        ([RESULT, FAILED_RESULT], [], "it broke off"),
        ([RESULT], [FAILED], "no network"),
        ([FAILED_TURN], [COMPLETED], "no credit"),
        ([], [FAILED, COMPLETED], None),
    ],
)
def test_the_last_end_of_a_stream_holds(stage, program, printed, filed, error):
    """An agent may begin again after an error; but what one way in tells does not undo a failure of the other."""
    argv = program(
        APPEND + f"for event in {filed!r}: emit(**event)\n"
        f"for event in {printed!r}: print(json.dumps(event), flush=True)"
    )
    assert stage.run(argv).error == error


def test_an_end_that_only_says_that_nothing_changed(stage, program):
    """It counts without a summary, too."""
    report = stage.run(program('print("Looked."); print(json.dumps({"type": "run.completed", "changed": False}))'))
    assert (report.summary, report.changed) == ("Looked.", False)


@pytest.mark.parametrize(
    ("lines", "code", "error"),
    [
        ([{"type": "error", "message": "Reconnecting... 1/5"}], 0, None),
        ([{"type": "error", "message": "1/5"}, {"type": "error", "message": "2/5"}], 1, "exited with 1: 2/5"),
        ([{"type": "error", "message": "1/5"}, FAILED_TURN], 1, "exited with 1: no credit"),
        ([{"type": "error", "message": "1/5"}, TURN], 1, "exited with 1: noise"),
        ([{"type": "error", "error": {"name": "APIError"}}], 1, "exited with 1: APIError"),
        ([{"type": "error"}], 1, "exited with 1: noise"),
    ],
)
def test_what_a_stream_complains_of(stage, program, lines, code, error):
    """The newest is the reason where the program failed and no end gave another; otherwise it is log text."""
    report = stage.run(
        program(
            f"for line in {lines!r}: print(json.dumps(line), flush=True)\n"
            f"print('noise', file=sys.stderr); sys.exit({code})"
        )
    )
    assert report.error == (error and f"the program {error}")
    complaint = lines[0].get("message")
    assert complaint is None or f"agent: {complaint}" in stage.lines
    assert report.summary == "noise"


# ── before it begins ──


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("/usr/bin/env -u NO_NAME sh", None),
        ("/usr/bin/env -S -i -C / --unset NO_NAME A=1 sh -e", None),
        ("/usr/bin/env -S -iu NO_NAME no-such-node", "no-such-node"),
        ("/usr/bin/env -S A=1 no-such-node --flag", "no-such-node"),
        ("/usr/bin/env -S '/a b/sh' -e", None),
        ("/usr/bin/env -S ${HOME}/sh", None),
        ("/usr/bin/env", None),
    ],
)
def test_what_a_script_is_interpreted_by(tmp_path, line, needed):
    """Options of env, what belongs to them and variables are not the program; what only env can tell is left to it."""
    script = tmp_path / "agent"
    script.write_text(f"#!{line}\n")
    script.chmod(0o755)
    if needed is None:
        assert find_program(str(script), path="/usr/bin:/bin", folder=str(tmp_path)) == str(script)
    else:
        with pytest.raises(UnavailableError, match=f"needs '{needed}'"):
            find_program(str(script), path="/usr/bin:/bin", folder=str(tmp_path))


def test_a_remedy_can_be_pasted(tmp_path):
    """Also where a path has a blank in it."""
    folder = tmp_path / "my agents"
    script, windows = folder / "check", folder / "windows"

    def remedy(program):
        options = {"prompt": "", "environ": {"PATH": "/usr/bin"}, "idle_timeout": None, "grace": timedelta(seconds=1)}
        with pytest.raises(UnavailableError) as caught:
            CommandAgent(argv=[str(program)], cwd=folder and str(folder), **options).preflight()
        return caught.value.hint

    subprocess.run(remedy(script), shell=True, check=True)  # mkdir
    script.write_text("#!/bin/sh\n")
    subprocess.run(remedy(script), shell=True, check=True)  # chmod
    assert os.access(script, os.X_OK)
    windows.write_bytes(b"#!/bin/sh\r\n")
    windows.chmod(0o755)
    assert remedy(windows).endswith(f"dos2unix '{windows}'")
    folder = script  # a file in its place: no folder can be made there
    assert remedy(script) == "gradent config set agent.cwd FOLDER"


def test_preflight(tmp_path):
    """The program, its folder, and what interprets it are looked for, where the program will look."""
    script = tmp_path / "agent"
    script.write_text("#!/usr/bin/env no-such-node\n")
    script.chmod(0o755)
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)

    def said(argv, **changes):
        options = {"prompt": "", "cwd": None, "environ": {"PATH": "/usr/bin:/bin"}, "idle_timeout": None}
        agent = CommandAgent(argv=argv, grace=timedelta(seconds=1), **options | changes)
        try:
            agent.preflight()
        except UnavailableError as error:
            return error.message
        return ""

    assert said([str(other)]) == ""
    assert said(["./other"], cwd=str(tmp_path)) == ""
    assert said([".//other"], cwd=str(tmp_path)) == ""
    assert said(["other"], environ={"PATH": str(tmp_path)}) == ""
    assert "'other' is not there or not executable; it was looked for in PATH=/usr/bin:/bin" in said(["other"])
    assert f"{script} needs 'no-such-node', which is not there" in said([str(script)])
    assert said(["true"], cwd=str(tmp_path / "gone")) == f"agent.cwd, {tmp_path / 'gone'}, is not a folder"
    assert said(["true"], cwd=str(tmp_path / ("x" * 300))) == f"agent.cwd, {tmp_path / ('x' * 300)}, is not a folder"
    for path in ("/usr/bin:", "/usr/bin:.", "/usr/bin:../" + tmp_path.name):
        assert said(["other"], cwd=str(tmp_path), environ={"PATH": path}) == ""
    other.chmod(0o644)
    assert said([str(other)]) == f"the program {other} may not be executed"
    assert said([str(tmp_path)]) == f"{tmp_path} is a folder, and no program"
    os.mkfifo(tmp_path / "pipe", 0o755)
    assert said([str(tmp_path / "pipe")]) == f"the program {tmp_path / 'pipe'} may not be executed"
    assert said(["./none"], cwd=str(tmp_path)) == f"there is no program {tmp_path / 'none'}"
    other.write_bytes(b"#!/bin/sh\r\n")
    other.chmod(0o755)
    assert said([str(other)]) == f"the lines of {other} end as on Windows, so that nothing can interpret it"


def test_where_we_work_may_be_gone(config, tmp_path):
    """Only what is to be found there cannot be found; all else starts as ever."""
    command = [sys.executable, "-P", "-m", "gradent_cli", "run", "--json"]
    removing = 'cd gone && rmdir ../gone && exec "$@"'

    def run(program):
        config.write_text(f'[agent]\nkind = "command"\ncommand = ["{program}"]\n')
        (tmp_path / "gone").mkdir(exist_ok=True)
        done = subprocess.run(["sh", "-c", removing, "sh", *command], cwd=tmp_path, capture_output=True, check=False)
        return json.loads(done.stdout)

    assert [run(program)["status"] for program in ("true", "/bin/true")] == ["success"] * 2
    assert "there is no program ./agent" in run("./agent")["error"]
