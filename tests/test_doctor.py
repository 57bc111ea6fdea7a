"""The doctor: every check in health and in sickness, each sickness with its remedy, and nothing changed."""

import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gradent_cli import lock
from gradent_cli.config import check as read_config
from gradent_cli.database import open_database
from gradent_cli.doctor.check import Check
from gradent_cli.doctor.clock import time_zone
from gradent_cli.doctor.examine import disk, examine
from gradent_cli.doctor.network import noise
from gradent_cli.doctor.schedule import mail
from gradent_cli.history import History
from gradent_cli.records import Run
from gradent_cli.schedulers import Job, block, open_scheduler
from tests.conftest import Gradent
from tests.street.canvas import TOKEN, Canvas
from tests.street.clock import NOW
from tests.street.crontab import Crontab
from tests.street.server import Answer, Server


@pytest.fixture
def state(home: Path) -> Path:
    path = home / ".local" / "state" / "gradent"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address where nobody answers: the port is taken, but nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def examined(config: Path, name: str, now: datetime | None = None) -> Check:
    """The one check of this name."""
    found = [check for check in examine(config, os.environ, now or datetime.now(UTC)) if check.check == name]
    (check,) = found
    return check


def told(check: Check) -> tuple[str, str, str | None]:
    return check.status, check.message, check.remedy


def past_run(state: Path, *, at: datetime, status: str = "success", error: str | None = None) -> None:
    history = History(open_database(state / "gradent.db"))
    run = Run(id="run-1", trigger="cron", status="running", agent="study", started_at=at, error=error)
    history.add(run)
    history.finish(
        Run(id="run-1", trigger="cron", status=status, agent="study", started_at=at, finished_at=at, error=error)  # type: ignore[arg-type]
    )


def remember(state: Path, key: str, value: str) -> None:
    History(open_database(state / "gradent.db")).remember(key, value)


# ── the command ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_check_is_made_and_nothing_is_changed(
    gradent: Gradent, crontab: Crontab, config: Path, state: Path, home: Path, server: Server
):
    """One line each, in 80 columns; not a file, a crontab or a message comes of it."""
    (home / "list.csv").write_text("title,due\n")
    config.write_text(
        f'[ntfy]\ntopic = "a-secret-topic"\nserver = "{server.url}"\n'
        f'[[study.sources]]\nkind = "ics"\nname = "canvas"\nurl = "{server.url}/feed-token.ics"\n'
        f'[[study.sources]]\nkind = "csv"\npath = "{home}/list.csv"\n'
        f'[[study.busy]]\nurl = "{server.url}/busy-token.ics"\nname = "work"\n'
    )
    gradent("install-cron")
    past_run(state, at=datetime.now(UTC))
    before = sorted((str(path), path.stat().st_mtime_ns) for path in home.rglob("*"))
    writes = crontab.writes
    result = gradent("doctor")
    names = [check["check"] for check in json.loads(gradent("doctor", "--json").out)]
    # Where no daemon runs there is no sense in asking when it last fired.
    assert [name for name in names if name != "firing"] == [
        "config", "state", "lock", "disk", "clock", "time zone", "crontab", "interpreter", "cron daemon",
        "mail", "agent", "ntfy", "source canvas", "calendar work", "source list", "last run",
    ]  # fmt: skip
    assert max(map(len, result.out.splitlines())) <= 80
    assert {(request.method, request.path) for request in server.requests} == {("HEAD", "/")}
    assert "token" not in result.out
    assert "a-secret" not in result.out
    assert sorted((str(path), path.stat().st_mtime_ns) for path in home.rglob("*")) == before
    assert crontab.writes == writes


def test_the_exit_code_says_whether_a_check_failed(gradent: Gradent, crontab: Crontab, config: Path):
    """1, with how many; the remedy is under its check, and in JSON beside it."""
    config.write_text('[agent]\nkind = "command"\ncommand = ["no-such-agent"]\n')
    result = gradent("doctor")
    assert result.code == 1
    lines = result.out.splitlines()
    agent = next(number for number, line in enumerate(lines) if line.startswith("✗ agent"))
    assert any("→ give its full path" in line for line in lines[agent : agent + 8])
    assert " failed" in lines[-1]
    document = json.loads(gradent("doctor", "--json").out)
    assert all(set(check) == {"check", "status", "message", "remedy"} for check in document)
    assert {check["status"] for check in document} <= {"ok", "warning", "failed"}


def test_a_config_that_cannot_be_read_is_a_finding(gradent: Gradent, config: Path):
    """Not a refusal: what can be seen without it is still told."""
    config.write_text("frequency = [")
    document = json.loads(gradent("doctor", "--json").out)
    assert [check["check"] for check in document] == ["config", "clock", "cron daemon"]
    assert document[0]["status"] == "failed"
    assert str(config) in document[0]["message"]


# ── config and state ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_config_that_others_can_read_is_told(crontab: Crontab, config: Path):
    """Only when it holds a secret."""
    assert examined(config, "config").status == "ok"
    config.write_text('[ntfy]\ntoken = "tk_secret"\n')
    config.chmod(0o644)
    check = examined(config, "config")
    assert check.status == "warning"
    assert "chmod 600" in check.message


def test_what_keeps_runs_from_working_is_told(
    crontab: Crontab, config: Path, state: Path, monkeypatch: pytest.MonkeyPatch
):
    """A disabled config, a pause, and what only this shell's environment sets."""
    config.write_text("enabled = false\n")
    monkeypatch.setenv("GRADENT_NTFY__TOPIC", "a-secret-topic")
    remember(state, "pause", json.dumps({"since": NOW.isoformat(), "until": None, "reason": "exams"}))
    assert examined(config, "enabled").remedy == "gradent config set --enabled"
    environment = examined(config, "environment")
    assert "ntfy.topic" in environment.message
    assert "a-secret-topic" not in environment.message
    assert told(examined(config, "pause")) == (
        "warning", "gradent is paused until `gradent resume`: exams", "gradent resume"
    )  # fmt: skip


def test_a_pause_that_is_over_is_not_told(crontab: Crontab, config: Path, state: Path):
    """It keeps nothing from working."""
    over = (NOW - timedelta(days=1)).isoformat()
    remember(state, "pause", json.dumps({"since": over, "until": over, "reason": ""}))
    assert "pause" not in [check.check for check in examine(config, os.environ, NOW)]


def test_the_state_need_not_exist_yet(crontab: Crontab, config: Path, home: Path):
    """The first run makes it; a look does not."""
    status, message, _ = told(examined(config, "state"))
    assert (status, message.endswith("(the first run makes it)")) == ("ok", True)
    assert not (home / ".local").exists()


def test_a_state_that_is_no_folder_is_told(crontab: Crontab, config: Path, state: Path):
    """It stands in the way."""
    state.rmdir()
    state.write_text("in the way")
    check = examined(config, "state")
    assert (check.status, check.message) == ("failed", f"{state} cannot be written")
    assert "state_dir" in str(check.remedy)


@pytest.mark.parametrize("damage", ["overwritten", "not a database"])
def test_a_damaged_database_is_told(crontab: Crontab, config: Path, state: Path, damage: str):
    """Whether SQLite stumbles at once or finds it by looking; it is not touched."""
    past_run(state, at=NOW)
    database = state / "gradent.db"
    content = bytearray(database.read_bytes())
    if damage == "overwritten":
        content[4096 * 4 : 4096 * 5] = b"\xff" * 4096
    else:
        content = bytearray(b"not a database" * 100)
    database.write_bytes(content)
    assert examined(config, "state").status == "failed"
    assert database.read_bytes() == content


def test_a_run_that_goes_on_is_told_and_not_disturbed(crontab: Crontab, config: Path, state: Path):
    """Who has the lock and since when; and the lock is as it was."""
    assert told(examined(config, "lock")) == ("ok", "free; nothing ever ran", None)
    with lock.held(state / "gradent.lock", now=NOW):
        status, message, _ = told(examined(config, "lock"))
        assert (status, message) == ("ok", f"a run is going on (process {os.getpid()}, since 2026-11-23 09:00:00 UTC)")
    assert examined(config, "lock").message == "free"
    with lock.held(state / "gradent.lock", now=NOW):
        pass


def test_little_room_is_told(tmp_path: Path):
    """Below fifty megabytes."""
    assert disk(tmp_path, 50_000_000).status == "ok"
    check = disk(tmp_path, 49_000_000)
    assert (check.status, check.message) == ("warning", f"only 49 MB free for {tmp_path}")


# ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_clock_that_cannot_be_right_is_told(crontab: Crontab, config: Path, state: Path):
    """Before there was a gradent, or before the last run."""
    assert examined(config, "clock").status == "ok"
    assert examined(config, "clock", datetime(1970, 1, 1, tzinfo=UTC)).status == "failed"
    past_run(state, at=NOW)
    assert examined(config, "clock", NOW - timedelta(hours=1)).message == (
        "it was set back: the last run was on Mon 23 Nov 2026 09:00"
    )


@pytest.fixture
def amsterdam(tmp_path: Path) -> Path:
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Europe/Amsterdam")
    return link


def test_one_time_zone_for_all_is_fine(amsterdam: Path):
    """Another name for the same clock is no difference."""
    for study in (None, "Europe/Amsterdam", "Europe/Berlin"):
        check = time_zone(study, {}, {}, NOW, amsterdam)
        assert told(check) == ("ok", "Europe/Amsterdam", None)


def test_clocks_that_differ_only_in_summer_differ(amsterdam: Path):
    """In November Lagos has Amsterdam's time, in May it has not."""
    check = time_zone("Africa/Lagos", {}, {}, NOW, amsterdam)
    assert check.status == "warning"
    assert "the plan is in Africa/Lagos" in check.message


def test_a_shell_with_another_zone_is_told(amsterdam: Path):
    """It would tell times that cron does not mean."""
    check = time_zone(None, {"TZ": "Asia/Kolkata"}, {}, NOW, amsterdam)
    assert check.status == "warning"
    assert "cron runs in Europe/Amsterdam, but TZ of this shell is Asia/Kolkata" in check.message


def test_a_zone_in_the_crontab_is_told(amsterdam: Path):
    """Some crons follow it, some do not."""
    check = time_zone(None, {}, {"CRON_TZ": "Asia/Tokyo"}, NOW, amsterdam)
    assert check.status == "warning"
    assert "CRON_TZ=Asia/Tokyo" in check.message


def test_a_machine_without_a_zone_is_told(tmp_path: Path):
    """It is in UTC, which hardly anybody lives in."""
    check = time_zone(None, {}, {}, NOW, tmp_path / "localtime")
    assert (check.status, check.remedy) == ("warning", "sudo timedatectl set-timezone YOUR/ZONE")


# ── cron ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_config_that_is_not_installed_is_told(crontab: Crontab, config: Path):
    """It may be meant; so it is a warning."""
    assert told(examined(config, "crontab")) == ("warning", "gradent is not installed in it", "gradent install-cron")


def test_an_installed_line_is_told(gradent: Gradent, crontab: Crontab, config: Path):
    """With its times and its Python; and what differs, with its remedy."""
    gradent("install-cron")
    assert examined(config, "crontab").message == "runs at '0 * * * *'"
    assert examined(config, "interpreter").status == "ok"
    config.write_text('frequency = "30min"\n')
    assert told(examined(config, "crontab")) == (
        "failed", "cron runs at '0 * * * *' but the config asks for '*/30 * * * *'", "gradent install-cron"
    )  # fmt: skip


def test_an_emptied_block_is_told(gradent: Gradent, crontab: Crontab, config: Path):
    """Its markers alone are not an installation."""
    crontab.tab = block.install(b"", config, ())
    assert told(examined(config, "crontab")) == (
        "warning",
        "the lines between gradent's markers in the crontab were edited by hand",
        "gradent install-cron writes them anew",
    )


def test_a_config_that_cron_cannot_take_is_no_drift(gradent: Gradent, crontab: Crontab, tmp_path: Path):
    """Where it is not installed nothing has drifted; `install-cron` has the reason."""
    config = tmp_path / "100%.toml"
    config.write_text("")
    assert json.loads(gradent("--config", config, "status", "--json").out)["drift"] == []
    assert examined(config, "crontab").message == "gradent is not installed in it"


def test_what_becomes_of_held_messages_is_told(gradent: Gradent, crontab: Crontab, config: Path):
    """Fine with a line that sends them; a warning without it, and where nothing is installed."""
    config.write_text('frequency = "24hours"\n[notify]\nquiet_hours = "22:30-07:00"\n')
    assert told(examined(config, "quiet hours")) == (
        "warning",
        "nothing sends what 22:30-07:00 holds when it ends, but a run after it",
        "gradent install-cron",
    )
    gradent("install-cron")
    assert told(examined(config, "quiet hours")) == (
        "ok", "22:30-07:00; what they hold is sent when they end", None,
    )  # fmt: skip
    lines = block.installed(crontab.tab or b"", config) or ()
    crontab.tab = block.install(crontab.tab or b"", config, lines[:1])
    missing = "no line of the crontab sends what quiet hours held when they end"
    assert told(examined(config, "quiet hours")) == ("warning", missing, "gradent install-cron")
    assert f"{missing}: gradent install-cron" in json.loads(gradent("status", "--json").out)["drift"]


@pytest.mark.parametrize(
    ("text", "verdict", "said"),
    [
        ('frequency = "15min"', "warning", "runs with news would make 384 messages a day, and ntfy.sh takes 250 a day"),
        ('frequency = "30min"', "ok", "at most 192 a day when all goes well; ntfy.sh takes 250 a day"),
        ('[notify]\nwhen = "changed"', "ok", "only when something changed; ntfy.sh takes 250 a day"),
        ("[notify]\nmax_per_day = 1000", "warning", "notify.max_per_day is 1000, and ntfy.sh takes 250 a day"),
    ],
)
def test_messages_a_day_are_held_against_the_limit(config: Path, text: str, verdict: str, said: str):
    """A warning at most: what is too much waits, and is told as one."""
    (check,) = noise(read_config(config, f'{text}\n[ntfy]\ntopic = "mine-a1b2c3d4e5"\n', {}))
    assert (check.check, check.status) == ("messages", verdict)
    assert check.message.startswith(said)
    assert (check.remedy is not None) == (verdict == "warning")


def test_a_server_of_ones_own_has_no_known_limit(config: Path):
    """Nor has one that nothing is sent to."""
    own = '[ntfy]\ntopic = "mine-a1b2c3d4e5"\nserver = "https://ntfy.example.org"\n'
    assert noise(read_config(config, f'frequency = "15min"\n{own}', {})) == ()
    assert noise(read_config(config, 'frequency = "15min"\n', {})) == ()


def test_a_vanished_python_is_told(gradent: Gradent, crontab: Crontab, config: Path):
    """The line names one that is gone."""
    gradent("install-cron")
    assert crontab.tab is not None
    before, _, after = crontab.tab.partition(b"* * * * ")
    crontab.tab = before + b"* * * * /gone/python" + after[after.index(b" -P") :]
    check = examined(config, "interpreter")
    assert (check.status, check.message) == ("failed", "the Python of the crontab line, /gone/python, is gone")


def test_a_crontab_that_cannot_be_read_is_told(crontab: Crontab, config: Path):
    """In the program's own words."""
    crontab.order(list="deny")
    check = examined(config, "crontab")
    assert check.status == "failed"
    assert "You (ada) are not allowed to use this program" in check.message


@pytest.mark.parametrize(
    ("variables", "program", "said"),
    [
        ({"MAILTO": ""}, True, "thrown away (MAILTO is empty)"),
        ({}, False, "thrown away (this machine has no mail program)"),
        ({"MAILTO": "ada@example.org"}, True, "mailed to ada@example.org"),
        ({}, True, "goes to this account's mailbox on this machine, which hardly anybody reads"),
    ],
)
def test_where_cron_mails_to_is_told(config: Path, tmp_path: Path, variables: dict[str, str], program: bool, said: str):
    """What a failing job prints goes there; a channel tells all the same, and without one nobody does."""
    sendmail = tmp_path / "sendmail"
    if program:
        sendmail.touch()
    without = mail(read_config(config, "", os.environ), variables, sendmail)
    assert (without.status, without.remedy) == ("warning", "gradent config set --ntfy-topic TOPIC")
    assert said in without.message
    ntfy = '[ntfy]\ntopic = "mine"\n'
    told_by_ntfy = mail(read_config(config, ntfy, os.environ), variables, sendmail)
    assert told_by_ntfy.status == "ok"
    assert told_by_ntfy.message.startswith("ntfy will tell of a failed run; ")
    assert said in told_by_ntfy.message
    silent = mail(read_config(config, f'{ntfy}[notify]\nevents = ["completed"]\n', os.environ), variables, sendmail)
    assert (silent.status, silent.remedy) == ("warning", "gradent config unset notify.events")


# ── what a run uses ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_agent_is_looked_for_where_cron_would(crontab: Crontab, config: Path, state: Path, tmp_path: Path):
    """On the PATH of the shell that installed it, not on this one's; a PATH of its own in agent.env comes first."""
    tools = tmp_path / "tools"
    tools.mkdir()
    agent = tools / "my-agent"
    agent.write_text("#!/bin/sh\n")
    config.write_text('[agent]\nkind = "command"\ncommand = ["my-agent"]\n')
    remember(state, "path", f"{tools}:/usr/bin")
    assert examined(config, "agent").status == "failed"  # not executable yet
    agent.chmod(agent.stat().st_mode | stat.S_IXUSR)
    assert told(examined(config, "agent")) == ("ok", str(agent), None)
    remember(state, "path", "/usr/bin:/bin")
    check = examined(config, "agent")
    assert check.status == "failed"
    assert check.message == (
        "the program 'my-agent' is not there or not executable; it was looked for in PATH=/usr/bin:/bin"
    )
    config.write_text(f'[agent]\nkind = "command"\ncommand = ["my-agent"]\nenv = {{ PATH = "{tools}" }}\n')
    assert examined(config, "agent").status == "ok"


def test_an_agent_beside_its_work_is_found(crontab: Crontab, config: Path, tmp_path: Path):
    """A path with a slash counts from agent.cwd, as it does in a run."""
    agent = tmp_path / "my-agent"
    agent.write_text("#!/bin/sh\n")
    agent.chmod(0o755)
    config.write_text(f'[agent]\nkind = "command"\ncommand = ["./my-agent"]\ncwd = "{tmp_path}"\n')
    assert examined(config, "agent").status == "ok"


@pytest.mark.parametrize("kind", ["command", "callable", "llm"])
def test_a_folder_that_is_gone_is_told_of_every_agent(crontab: Crontab, config: Path, tmp_path: Path, kind: str):
    """Each of them starts there, or not at all."""
    config.write_text(
        f'[agent]\nkind = "{kind}"\ncommand = ["true"]\ncallable = "json:dumps"\ncwd = "{tmp_path}/gone"\n'
        '[llm]\nmodel = "ollama:tiny"\n[[study.sources]]\nkind = "toml"\npath = "list.toml"\n'
    )
    assert told(examined(config, "agent")) == (
        "failed", f"agent.cwd, {tmp_path}/gone, is not a folder", f"mkdir -p {tmp_path}/gone"
    )  # fmt: skip


def test_a_function_is_looked_for_where_a_run_would(crontab: Crontab, config: Path, tmp_path: Path):
    """In agent.cwd and beside gradent; it is not imported."""
    config.write_text(f'[agent]\nkind = "callable"\ncallable = "my_agent:run"\ncwd = "{tmp_path}"\n')
    check = examined(config, "agent")
    assert (check.status, check.remedy) == ("failed", "set agent.cwd to the folder that it is in")
    assert check.message.startswith(
        f"there is no Python package 'my_agent' for agent.callable; it was looked for in {tmp_path}"
    )
    (tmp_path / "my_agent.py").write_text("raise SystemExit(1)\n")
    assert told(examined(config, "agent")) == ("ok", "a Python function, my_agent:run", None)


def test_an_agent_without_work_is_told(crontab: Crontab, config: Path):
    """The built-in one needs a source."""
    check = examined(config, "agent")
    assert (check.status, check.remedy) == ("warning", "gradent config set --source URL")


def test_a_canvas_is_asked_whether_it_takes_the_token(config: Path, server: Server):
    """A token that has ended, or that Canvas refuses, is told with the remedy, and never quoted."""
    Canvas(server)

    def check(token: str, expires: str = "") -> tuple[str, str, str | None]:
        config.write_text(
            f'[[study.sources]]\nkind = "canvas"\nname = "uni"\nurl = "{server.url}"\ntoken = "{token}"\n{expires}'
        )
        found = told(examined(config, "source uni"))
        assert token not in f"{found}"
        return found

    assert check(TOKEN) == ("ok", f"{server.url} takes the token", None)
    status, message, remedy = check(TOKEN, "expires = 2020-01-31\n")
    command = f"gradent config set --source {server.url} --source-token -"
    assert (status, remedy) == ("warning", f"{command} --source-expires YYYY-MM-DD")
    assert message.startswith(f"{server.url} takes the token; its token ended on Friday 31 Jan 2020: ")
    status, message, remedy = check("7~another1token")
    assert (status, message.partition(";")[0], remedy) == (
        "failed",
        "cannot read source uni: the token was refused (HTTP 401)",
        command,
    )
    server.answer = Answer(404)
    assert "there is no Canvas at its url (HTTP 404)" in check(TOKEN)[1]
    assert check(TOKEN)[2] is None


def test_a_canvas_that_does_not_answer(config: Path, nowhere: str):
    """Only where nobody answered may the network be at fault."""
    config.write_text(f'[[study.sources]]\nkind = "canvas"\nname = "uni"\nurl = "{nowhere}"\ntoken = "7~one1token"\n')
    assert examined(config, "source uni").remedy == "is this machine online, and the address right?"


def test_places_that_do_not_answer_are_told(crontab: Crontab, config: Path, nowhere: str, tmp_path: Path):
    """Channels, feeds and files, each by its name, and no more of an address than the server."""
    config.write_text(
        f'[ntfy]\ntopic = "a-secret-topic"\nserver = "{nowhere}"\n'
        f'[[study.sources]]\nkind = "ics"\nname = "canvas"\nurl = "{nowhere}/feed-token.ics"\n'
        f'[[study.sources]]\nkind = "csv"\nname = "list"\npath = "{tmp_path}/gone.csv"\n'
    )
    for name in ("ntfy", "source canvas"):
        check = examined(config, name)
        assert check.status == "failed"
        assert check.message.startswith(f"{nowhere} does not answer: the connection failed")
    assert told(examined(config, "source list"))[:2] == (
        "failed",
        f"{tmp_path}/gone.csv is not a file that can be read",
    )


def test_an_answer_of_any_kind_is_an_answer(crontab: Crontab, config: Path, server: Server):
    """A server that does not know the method is there, too."""
    server.answer.status = 405  # type: ignore[union-attr]
    config.write_text(f'[ntfy]\ntopic = "mine"\nserver = "{server.url}"\n')
    assert told(examined(config, "ntfy")) == ("ok", f"{server.url} answers", None)


def test_no_channel_is_told(crontab: Crontab, config: Path):
    """Then nothing is ever told."""
    assert examined(config, "channels").status == "warning"


@pytest.mark.parametrize(
    ("status", "verdict"), [("failure", "failed"), ("timeout", "failed"), ("interrupted", "warning")]
)
def test_a_last_run_that_failed_is_told(crontab: Crontab, config: Path, state: Path, status: str, verdict: str):
    """With its reason and the command that shows more."""
    past_run(state, at=NOW, status=status, error="canvas is down")
    assert told(examined(config, "last run")) == (verdict, f"{status}: canvas is down", "gradent history run-1")


# ── another scheduler ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_scheduler_in_crons_place_is_asked_instead(crontab: Crontab, config: Path):
    """Who runs gradent from a systemd timer does not need a cron daemon, nor a line in a crontab that fails."""
    crontab.order(list="fail")
    job = Job(config=config, interpreter=Path(sys.executable), expression="0 * * * *", zone=UTC)
    for place, content in open_scheduler("systemd", os.environ).units(job).items():
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).write_bytes(content)
    names = [check.check for check in examine(config, os.environ, NOW)]
    assert "systemd" in names
    assert not {"crontab", "cron daemon", "firing", "mail"} & set(names)


# ── the page ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_everything_in_place_is_said(gradent: Gradent):
    """In one sentence under the checks."""
    from gradent_cli.cli import render

    page = render.checks_page([Check(check="config", status="ok", message="fine")])
    assert page == "✓ config  fine\nEverything is in place."
