"""The canary: planted, fired by something that does what a cron daemon does, and gone whatever happens."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gradent_cli.errors import ConfigError, CrontabError, UnavailableError
from gradent_cli.schedulers import block, canary, cron
from tests.conftest import Gradent
from tests.street.crontab import Crontab as Program
from tests.street.server import Server

THEIRS = b'MAILTO=""\r\n0 5 * * * caf\xe9'
PYTHON = Path(sys.executable)


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path / "spool", tmp_path / "programs" / "crontab")
    made.order(takes_unended=True)
    return made


@pytest.fixture
def state(home: Path) -> Path:
    path = home / ".local" / "state" / "gradent"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def crontab(program: Program, state: Path) -> cron.Crontab:
    return cron.Crontab(state, os.environ)


def planted(program: Program, config: Path) -> bytes | None:
    lines = block.installed(program.tab or b"", block.canary(config))
    return lines[0] if lines else None


@contextmanager
def daemon(program: Program, config: Path, home: Path) -> Iterator[list[str]]:
    """Runs the canary as Debian's cron would: by `sh`, in HOME, with next to no environment. Gives what it ran."""
    ran: list[str] = []
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.02):
            line = planted(program, config)
            if line is not None:
                command = line.decode().removeprefix("* * * * * ")
                bare = {"HOME": str(home), "LOGNAME": "ada", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}
                subprocess.run(["/bin/sh", "-c", command], cwd=home, env=bare, check=False, capture_output=True)
                ran.append(command)
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield ran
    finally:
        over.set()
        thread.join()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# ── planting and removing ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_canary_that_nobody_fires_comes_and_goes(program: Program, crontab: cron.Crontab, config: Path, state: Path):
    """Byte for byte, in a block of its own behind everything else; time is told while it waits."""
    program.tab = THEIRS
    told: list[float] = []
    seen: list[bytes | None] = []

    def watch(passed: float) -> None:
        told.append(passed)
        seen.append(program.tab)

    assert canary.fire(crontab, config, PYTHON, state / "canary.json", seconds=0.3, apart=0.01, watch=watch) is None
    line = block.job_line("* * * * *", PYTHON, config, ("canary", str(state / "canary.json")))
    assert set(seen) == {block.install(THEIRS, block.canary(config), (line,))}
    assert told == sorted(told)
    assert told[-1] < 0.3
    assert program.tab == THEIRS


def test_a_last_line_that_must_have_an_end_gets_one(program: Program, crontab: cron.Crontab, config: Path, state: Path):
    """Where the `crontab` program does not take it back without; the canary goes all the same."""
    program.tab = THEIRS
    program.order()
    assert canary.fire(crontab, config, PYTHON, state / "canary.json", seconds=0, apart=0.01) is None
    assert program.tab == THEIRS + b"\n"


def test_an_answer_of_an_earlier_canary_does_not_count(
    program: Program, crontab: cron.Crontab, config: Path, state: Path
):
    """It is removed before the line is written, and nothing stays behind."""
    answer = state / "canary.json"
    answer.write_text("[]")
    assert canary.fire(crontab, config, PYTHON, answer, seconds=0.3, apart=0.01) is None
    assert not answer.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_whatever_ends_the_wait_the_canary_goes(
    program: Program, crontab: cron.Crontab, config: Path, state: Path, error: type[BaseException]
):
    """An interruption and a defect alike."""
    program.tab = THEIRS

    def watch(_: float) -> None:
        raise error

    with pytest.raises(error):
        canary.fire(crontab, config, PYTHON, state / "canary.json", apart=0.01, watch=watch)
    assert program.tab == THEIRS


def test_an_edit_meanwhile_stays_and_the_canary_goes(
    program: Program, crontab: cron.Crontab, config: Path, state: Path
):
    """Also one between the read and the write of its removal: it is tried again."""
    program.tab = b"0 5 * * * mine\n"
    program.order(edit_before_list=5)  # read, read again, read back; then the removal reads, and reads again
    assert canary.fire(crontab, config, PYTHON, state / "canary.json", seconds=0, apart=0.01) is None
    assert program.tab == b"0 5 * * * mine\n@daily edited meanwhile\n"


def test_a_canary_that_cannot_be_removed_is_told(program: Program, crontab: cron.Crontab, config: Path, state: Path):
    """With the command that does it later."""

    def watch(_: float) -> None:
        program.order(write="fail")

    with pytest.raises(CrontabError, match="the canary could not be taken out of the crontab") as refused:
        canary.fire(crontab, config, PYTHON, state / "canary.json", seconds=0.1, apart=0.01, watch=watch)
    assert refused.value.hint == "gradent install-cron removes it"


def test_a_canary_left_by_a_kill_is_replaced(program: Program, crontab: cron.Crontab, config: Path, state: Path):
    """There is never more than one."""
    program.tab = block.install(THEIRS, block.canary(config), (b"* * * * * /old canary",))
    canary.fire(crontab, config, PYTHON, state / "canary.json", seconds=0, apart=0.01)
    assert program.tab == THEIRS


def test_a_crontab_that_cannot_be_read_is_left(program: Program, crontab: cron.Crontab, config: Path, state: Path):
    """Nothing is planted in what is not known."""
    program.tab = THEIRS
    program.order(list="fail")
    with pytest.raises(CrontabError, match="cannot read the crontab"):
        canary.fire(crontab, config, PYTHON, state / "canary.json")
    assert (program.calls, program.writes) == (["-l"], 0)


def test_a_state_directory_that_cron_would_break_is_refused(program: Program, crontab: cron.Crontab, config: Path):
    """Its path stands in the canary's line."""
    with pytest.raises(ConfigError, match="has a '%'"):
        canary.fire(crontab, config, PYTHON, Path("/100%/canary.json"))
    assert program.calls == []


@pytest.mark.parametrize(("running", "reason"), [(False, "no cron daemon is running: "), (True, "PAM"), (None, "PAM")])
def test_why_nothing_fired(running: bool | None, reason: str):
    """69, with the likeliest reason and where to look."""
    error = canary.not_fired(130, daemon_running=running)
    assert isinstance(error, UnavailableError)
    assert error.message == "cron did not fire the canary within 130 seconds; it is removed again"
    assert reason in str(error.hint)


def test_two_writes_are_never_in_one_second(program: Program, crontab: cron.Crontab, config: Path, state: Path):
    """Debian's cron would overlook the later one, and fire no canary, or one for ever."""
    program.tab = b""
    crontab.write(b"", THEIRS)
    times = [program.file.stat().st_mtime]
    canary.fire(
        crontab,
        config,
        PYTHON,
        state / "canary.json",
        seconds=0.1,
        watch=lambda _: times.append(program.file.stat().st_mtime),
    )
    times.append(program.file.stat().st_mtime)
    assert [int(time) for time in times] == sorted({int(time) for time in times})
    assert len(times) == 3


# ── through the front door ─────────────────────────────────────────────────────────────────────────────────────────


def checks(gradent_out: str) -> dict[str, str]:
    """What the page says: name of the check -> its message, mark in front; what was wrapped is one line again."""
    found: dict[str, str] = {}
    name = ""
    for line in gradent_out.splitlines():
        mark, _, rest = line.partition(" ")
        if mark in ("✓", "!", "✗"):
            name, _, message = rest.partition("  ")
            found[name] = f"{mark} {message.strip()}".strip()
        elif name and line.startswith("  ") and not line.lstrip().startswith("→"):
            found[name] += f" {line.strip()}"
        else:
            name = ""
    return found


def test_verify_shows_what_the_job_saw(
    gradent: Gradent, program: Program, config: Path, home: Path, server: Server, state: Path
):
    """Interpreter, PATH, HOME, time zone, config, state, agent and channels, as they are for cron's jobs."""
    config.write_text(f'[ntfy]\ntopic = "a-secret-topic"\nserver = "{server.url}"\n')
    with daemon(program, config, home) as ran:
        result = gradent("install-cron", "--verify")
    assert (result.code, len(ran)) == (0, 1)
    assert "Waiting for cron to fire a canary; this takes up to 130 seconds ..." in result.out
    seen = checks(result.out)
    assert seen["Python"].startswith(f"✓ {sys.version.split()[0]}, ")
    assert seen["PATH"] == "✓ /usr/bin:/bin"
    assert seen["HOME"].startswith("✓ /")
    assert "TZ is not set" in result.out
    assert seen["config"].startswith("✓ /")
    assert seen["state"].startswith("✓ /")
    assert seen["agent"] == "! it has no assignments to read"
    assert seen["ntfy"] == f"✓ {server.url} answers"
    assert seen["started by"].startswith("! something that gradent does not know as cron")
    assert [request.method for request in server.requests] == ["HEAD"]
    assert "a-secret-topic" not in result.out
    assert max(map(len, result.out.splitlines()[-20:])) <= 80
    assert block.installed(program.tab or b"", config) is not None
    assert planted(program, config) is None
    assert not (state / "canary.json").exists()


def test_what_would_make_a_run_fail_is_an_exit_code(gradent: Gradent, program: Program, config: Path, home: Path):
    """1, as for `doctor`: cron fires, but its job would not find the agent."""
    config.write_text('[agent]\nkind = "command"\ncommand = ["no-such-agent"]\n')
    with daemon(program, config, home):
        result = gradent("install-cron", "--verify")
    assert result.code == 1
    assert checks(result.out)["agent"].startswith("✗ the program 'no-such-agent' is not there")
    assert planted(program, config) is None


def test_a_config_that_breaks_before_the_job_runs(gradent: Gradent, program: Program, config: Path, home: Path):
    """The job tells what it cannot read."""
    answer = home / "answer.json"
    config.write_text("frequency = [")
    assert gradent("canary", answer).code == 0
    told = {check["check"]: check["status"] for check in json.loads(answer.read_text())}
    assert told["config"] == "failed"
    assert "state" not in told
    assert stat.S_IMODE(answer.stat().st_mode) == 0o600


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_it_waits(program: Program, config: Path, number: int, code: int):
    """The canary is gone, the installed line stays, and the exit code says what happened."""
    waiting = subprocess.Popen(
        [sys.executable, "-P", "-m", "gradent_cli", "install-cron", "--verify"], stderr=subprocess.PIPE, text=True
    )
    until(lambda: planted(program, config))
    time.sleep(0.3)
    waiting.send_signal(number)
    assert "interrupted; the canary is out of the crontab again" in waiting.communicate(timeout=20)[1]
    assert waiting.returncode == code
    assert planted(program, config) is None
    assert block.installed(program.tab or b"", config) is not None


@pytest.mark.parametrize("command", ["install-cron", "uninstall-cron"])
def test_a_killed_verify_is_cleaned_up_after(gradent: Gradent, program: Program, config: Path, command: str):
    """By the next install or uninstall; `status` says so until then."""
    waiting = subprocess.Popen(
        [sys.executable, "-P", "-m", "gradent_cli", "install-cron", "--verify"], stderr=subprocess.DEVNULL
    )
    until(lambda: planted(program, config))
    waiting.kill()
    waiting.wait()
    assert planted(program, config) is not None
    assert "a canary of `install-cron --verify` is in the crontab" in gradent("status").out.replace("\n  ", " ")
    assert gradent(command).code == 0
    assert planted(program, config) is None


def test_a_left_canary_alone_is_removed(gradent: Gradent, program: Program, config: Path):
    """Also when the config's own block is gone."""
    program.tab = block.install(THEIRS, block.canary(config), (b"* * * * * /old canary",))
    assert gradent("uninstall-cron").code == 0
    assert program.tab == THEIRS


def test_verify_and_dry_run_contradict_each_other(gradent: Gradent, program: Program, config: Path):
    """2; the crontab is not even read."""
    assert gradent("install-cron", "--verify", "--dry-run").code == 2
    assert program.calls == []


def test_the_canary_is_no_command_for_people(gradent: Gradent):
    """`--help` does not list it."""
    assert "canary" not in gradent("--help").out
