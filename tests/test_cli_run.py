import json
import os
import sqlite3
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gradent_cli.cli.compose import open_tools
from gradent_cli.config import load
from gradent_cli.notify.noise import Rules
from tests.street.server import Answer

FEED = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//example//EN\r
BEGIN:VTODO\r
UID:essay@example\r
DTSTAMP:20261101T120000Z\r
DUE:20991201T120000Z\r
SUMMARY:Essay 1\r
END:VTODO\r
END:VCALENDAR\r
"""


@pytest.fixture
def config(home):
    """Writes the default config file from TOML text; the study agent with one good feed unless told otherwise."""
    path = home / ".config/gradent/config.toml"
    path.parent.mkdir(parents=True)
    feed = home / "feed.ics"
    feed.write_text(FEED, newline="")

    def write(text='[[study.sources]]\nkind = "ics"\npath = "~/feed.ics"\n', *, before=""):
        path.write_text(before + text)
        path.chmod(0o600)
        return path

    write()
    return write


def command(*argv, **keys):
    """The `[agent]` table of a command."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(["[agent]", 'kind = "command"', f"command = {json.dumps(list(argv))}", *lines, ""])


def everything(folder):
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_a_run_says_what_its_tools_did_and_what_it_would_tell(gradent, config):
    """Without a channel: plain lines, one line that says so, and the messages."""
    result = gradent("run")
    assert result.code == 0
    assert "✓ Check assignments" in result.out
    assert "No channel is configured, so these messages only went to the log:" in result.out
    assert "🤖 Agent Started" in result.out
    assert "✅ Agent Completed" in result.out
    assert max(len(line) for line in result.out.splitlines()) <= 80


def test_a_second_run_finds_nothing_new_and_says_so(gradent, config):
    """Nothing is done again and nothing is told again but the start and the end."""
    gradent("run")
    result = gradent("run", "--json")
    run = json.loads(result.out)
    assert [call["changed"] for call in run["tools"]] == [False] * 4
    assert "All caught up" in run["summary"]


def test_messages_reach_ntfy_and_discord(gradent, config, server):
    """Start, each tool, end: one message each, in order, to both; on record as sent."""
    server.answer = Answer(200, b'{"id":"x"}')
    config(
        before=f"""
[ntfy]
server = "{server.url}"
topic = "gradent-test-x7k2m9"
[discord]
webhook = "{server.url}/api/webhooks/1234567890/t0ken-planted-abcdef"
"""
    )
    result = gradent("run", "--json")
    run = json.loads(result.out)
    ntfy = [request.json["title"] for request in server.requests if "embeds" not in request.json]
    discord = [request.json["embeds"][0]["title"] for request in server.requests if "embeds" in request.json]
    assert ntfy == discord
    assert (ntfy[0], ntfy[-1]) == ("🤖 Agent Started", "✅ Agent Completed")
    assert [delivery["status"] for delivery in run["deliveries"]] == ["sent"] * 2 * len(ntfy)


def test_quiet_says_nothing_unless_it_failed(gradent, config):
    """cron mails whatever is printed, so success prints nothing; a failure says what and where more is."""
    result = gradent("run", "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    config(command(sys.executable, "-c", "raise SystemExit('no key')"))
    result = gradent("run", "--quiet")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(
        "gradent: the run failed: the program exited with 1: no key\n  hint: gradent history 2"
    )


def test_a_failed_source_fails_the_run(gradent, config, home):
    """`All caught up` is never said when a feed could not be read; what it gave before stays."""
    gradent("run")
    (home / "feed.ics").write_text("<html>Sign in</html>")
    result = gradent("run")
    assert result.code == 1
    assert "All caught up" not in result.out
    assert "Failed after" in result.out
    plan = json.loads(gradent("assignments", "--json").out)
    assert [assignment["title"] for assignment in plan] == ["Essay 1"]


def test_a_dry_run_changes_nothing(gradent, config, home, server):
    """No state, no plan, no message; what would be sent is shown."""
    before = everything(home)
    result = gradent("run", "--dry-run")
    assert result.code == 0
    assert "A dry run: nothing was written" in result.out
    assert everything(home) == before
    config(before=f'[ntfy]\nserver = "{server.url}"\ntopic = "gradent-test-x7k2m9"\n')
    document = json.loads(gradent("run", "--dry-run", "--json").out)
    assert document["messages"][0]["title"] == "🤖 Agent Started"
    assert server.requests == []


def test_a_run_stays_in_its_state_directory(gradent, tmp_path, home):
    """What `make run` does in a checkout leaves no trace in the home."""
    place = tmp_path / "checkout"
    place.mkdir()
    (place / "feed.ics").write_text(FEED, newline="")
    (place / "config.toml").write_text('state_dir = "s"\n[[study.sources]]\nkind = "ics"\npath = "feed.ics"\n')
    assert gradent("--config", place / "config.toml", "run").code == 0
    assert list(home.iterdir()) == []


def test_a_dry_run_after_a_real_one_knows_what_was_known(gradent, config, state):
    """It works on a copy of the state."""
    gradent("run")
    before = everything(state)
    assert "All caught up" in gradent("run", "--dry-run").out
    assert everything(state) == before


def test_disabled_runs_are_skipped_on_record(gradent, config):
    """Exit 0 and a `skipped` run; `--force` runs all the same."""
    config(before="enabled = false\n")
    result = gradent("run")
    assert (result.code, "disabled" in result.out) == (0, True)
    assert [run["status"] for run in json.loads(gradent("history", "--json").out)] == ["skipped"]
    assert json.loads(gradent("run", "--force", "--json").out)["status"] == "success"


def test_no_source_is_a_config_error_that_is_told(gradent, config, server):
    """A study agent without assignments cannot say that all is well: 78, with the command that mends it."""
    config(f'[ntfy]\nserver = "{server.url}"\ntopic = "gradent-test-x7k2m9"\n')
    result = gradent("run", "--quiet")
    assert result.code == 78
    assert "gradent config set --source" in result.err
    (request,) = server.requests
    assert request.json["title"] == "⛔ Agent Blocked"
    assert "Nothing was started." in request.json["message"]


def test_a_state_that_cannot_be_used_is_told_on_the_phone(gradent, config, server, home):
    """Nothing can be recorded, so exit 74, one sentence, and the failure message."""
    (home / "in-the-way").write_text("")
    config(
        before=f"""
state_dir = "~/in-the-way/state"
[ntfy]
server = "{server.url}"
topic = "gradent-test-x7k2m9"
"""
    )
    result = gradent("run", "--quiet")
    assert result.code == 74
    assert result.err.startswith("gradent: cannot create the directory")
    assert [request.json["title"] for request in server.requests] == ["❌ Agent Failed"]


def test_a_broken_config_is_told_on_the_phone_once(gradent, config, server):
    """A typo in the file must not silence cron's runs: the channels that are still valid hear of it, one time."""
    config(f"""
frequenzy = "1hour"
[ntfy]
server = "{server.url}"
topic = "gradent-test-x7k2m9"
""")
    assert [gradent("run", "--quiet").code for _ in range(2)] == [78, 78]
    (message,) = server.bodies
    assert message["title"] == "❌ Agent Failed"
    assert "unknown key 'frequenzy'" in message["message"]
    config()
    runs = json.loads(gradent("history", "--json").out)
    assert [run["status"] for run in runs] == ["failure", "failure"]


def test_a_broken_config_by_hand_is_only_said(gradent, config, server, state):
    """Whoever types the command reads the refusal; nothing is sent or recorded."""
    config(f'frequenzy = "1hour"\n[ntfy]\nserver = "{server.url}"\ntopic = "gradent-test-x7k2m9"\n')
    assert gradent("run").code == 78
    assert server.requests == []
    assert not state.exists()


def test_a_command_agent_runs_with_its_own_words(gradent, config, tmp_path):
    """Its tools and summary are the run's; its exit code is on record."""
    script = tmp_path / "agent"
    script.write_text(f"""#!{sys.executable}
import os, sys
print('{{"type":"tool.completed","tool":"read","title":"Read feed","ok":true,"result":"3 items"}}')
print('{{"type":"run.completed","summary":"%s %s"}}' % (sys.argv[1], os.environ["KEY"]))
""")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    config(command(str(script), "{prompt}", prompt="plan") + '[agent.env]\nKEY = "p1anted-key-value"\n')
    run = json.loads(gradent("run", "--json").out)
    assert (run["agent"], run["summary"], run["exit_code"]) == ("command", "plan ***", 0)
    assert [(call["tool"], call["result"]) for call in run["tools"]] == [("read", "3 items")]


def test_out_of_time_is_124(gradent, config):
    """The limit of the config is the limit of the run."""
    config(command("sleep", "60", timeout="1s", grace="1s"))
    result = gradent("run")
    assert result.code == 124
    assert "ran out of time after 1s" in result.out


def spawn(*arguments, **options):
    """gradent as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "gradent_cli", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def wait_for(path):
    for _ in range(3000):
        if path.exists():
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} never came")


def test_the_second_run_is_turned_away_while_the_first_goes_on(gradent, config, tmp_path):
    """75, on record as skipped with who holds the lock; the first one ends as if nothing had been."""
    config(command("sh", "-c", f"touch {tmp_path}/going; while [ ! -e {tmp_path}/go-on ]; do sleep 0.05; done"))
    first = spawn("run", "--quiet")
    wait_for(tmp_path / "going")
    result = gradent("run", "--quiet")
    (tmp_path / "go-on").touch()
    assert first.wait(60) == 0
    first.communicate()
    assert (result.code, result.err) == (75, "")
    runs = json.loads(gradent("history", "--json").out)
    assert [run["status"] for run in runs] == ["skipped", "success"]
    assert f"process {first.pid}" in runs[0]["error"]


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_ended_by_a_signal_the_agent_is_ended_too(gradent, config, tmp_path, number, code):
    """Ctrl-C and TERM end the program, record the run and leave nothing behind."""
    config(command("sh", "-c", f"echo $$ > {tmp_path}/agent; touch {tmp_path}/going; exec sleep 60", grace="1s"))
    process = spawn("run", "--quiet", start_new_session=True)
    wait_for(tmp_path / "going")
    time.sleep(0.1)
    os.kill(process.pid, number)
    assert process.wait(60) == code
    process.communicate()
    agent = int((tmp_path / "agent").read_text())
    state = Path(f"/proc/{agent}/stat")
    assert not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z"
    assert json.loads(gradent("history", "last", "--json").out)["status"] == "interrupted"


def test_a_killed_run_is_found_by_the_next(gradent, config, tmp_path):
    """SIGKILL leaves `running`; the next run calls it interrupted and goes on."""
    config(command("sh", "-c", f"touch {tmp_path}/going; exec sleep 60"))
    process = spawn("run", "--quiet", start_new_session=True)
    wait_for(tmp_path / "going")
    process.kill()
    process.communicate()
    config()
    assert gradent("run", "--quiet").code == 0
    runs = json.loads(gradent("history", "--json").out)
    assert [run["status"] for run in runs] == ["success", "interrupted"]


@pytest.mark.parametrize(
    ("how", "environment"),
    [(">/dev/full", {}), (">&-", {}), ("<&- 2>&-", {}), ("| head -c 1 >/dev/null", {}),
     (">/dev/null", {"PYTHONIOENCODING": "latin-1"})],
)  # fmt: skip
def test_output_that_cannot_be_written_is_no_failure_of_the_run(gradent, config, how, environment):
    """A full disk, a closed stream, a reader that leaves, an encoding without our marks: the run is a success."""
    command = f'{sys.executable} -P -m gradent_cli run {how}; exit "${{PIPESTATUS[0]}}"'
    ended = subprocess.run(
        ["bash", "-c", command], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(gradent("history", "last", "--json").out)["status"] == "success"


@pytest.mark.parametrize("asked", ["status", "--version"])
def test_any_other_output_that_cannot_be_written_is_one_sentence(config, asked):
    """`gradent status` onto a full disk: 74, and not a bug of ours."""
    command = f"{sys.executable} -P -m gradent_cli {asked} > /dev/full"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (74, "gradent: cannot go on: No space left on device\n")


def test_a_request_to_stop_while_the_outcome_is_saved_keeps_the_outcome(gradent, config, tmp_path, state, server):
    """The database is busy, TERM arrives: the run is what it was, its end is told, no traceback."""
    server.answer = Answer(200, b'{"id":"x"}')
    channel = f'[ntfy]\nserver = "{server.url}"\ntopic = "gradent-test-x7k2m9"\n'
    config(
        channel
        + command(
            "sh",
            "-c",
            f"echo $$ > {tmp_path}/agent; touch {tmp_path}/going; while [ ! -e {tmp_path}/go-on ]; do sleep 0.05; done",
        )
    )
    process = spawn("run", "--quiet")
    wait_for(tmp_path / "going")
    agent = Path("/proc", (tmp_path / "agent").read_text().strip())
    busy = sqlite3.connect(state / "gradent.db", isolation_level=None)
    busy.execute("BEGIN IMMEDIATE")
    (tmp_path / "go-on").touch()
    while agent.exists():
        time.sleep(0.02)
    time.sleep(1)
    process.terminate()
    time.sleep(0.3)
    busy.execute("ROLLBACK")
    busy.close()
    _, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (0, "")
    assert json.loads(gradent("history", "last", "--json").out)["status"] == "success"
    gradent("notify", "flush")  # a busy machine may not have sent it in the moment that was left
    assert server.bodies[-1]["title"] == "✅ Agent Completed"


def test_the_config_reaches_the_run(config, home):
    """Every limit and choice of the file is the one that the run works with."""
    config(
        command("true", prompt="p", timeout="7min", grace="3s", idle_timeout="2min", notify_tools=["a*"], cwd="~")
        + '[agent.env]\nKEY = "value"\n[notify]\nevents = ["failed", "tool"]\nwhen = "failed"\nremind_every = "2h"\n'
        + 'quiet_hours = "22:00-07:00"\nquiet_failures = true\nmax_per_day = 7\n[study]\ntimezone = "Asia/Tokyo"\n'
    )
    loaded = load(home / ".config/gradent/config.toml", os.environ)
    tools = open_tools(loaded, os.environ, print, trigger="cron", dry_run=True, force=False)
    assert (tools.timeout, tools.remind_every, tools.notify_tools) == (
        timedelta(minutes=7), timedelta(hours=2), ["a*"]
    )  # fmt: skip
    assert [tools.messenger.wants(event) for event in ("failed", "tool", "recovered")] == [True, False, False]
    assert tools.messenger._rules == Rules(
        quiet_hours="22:00-07:00", quiet_failures=True, max_per_day=7, zone=ZoneInfo("Asia/Tokyo")
    )
    agent = tools.agent
    assert (agent.argv, agent.prompt, agent.cwd) == (["true"], "p", str(home))
    assert (agent.grace, agent.idle_timeout) == (timedelta(seconds=3), timedelta(minutes=2))
    assert agent.environ["KEY"] == "value"
