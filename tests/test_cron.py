"""System cron: the crontab through a program that may do anything, and what /proc tells of the daemon."""

import os
import re
import stat
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gradent_cli.errors import ConfigError, CrontabError, StateError, UnavailableError, UsageError
from gradent_cli.fired import fired_by_cron
from gradent_cli.schedulers import block, cron
from tests.street.crontab import NO_CRONTAB
from tests.street.crontab import Crontab as Program

CONFIG = Path("/home/ada/.config/gradent/config.toml")
LINE = block.job_line("0 * * * *", Path("/opt/python"), CONFIG)
FLUSH = block.job_line("0 7 * * *", Path("/opt/python"), CONFIG, ("notify", "flush", "--quiet"))
THEIRS = b'MAILTO=""\r\n0 5 * * * caf\xe9 \0\n'


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path / "spool", tmp_path / "programs" / "crontab")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def crontab(program: Program, state: Path) -> cron.Crontab:
    return cron.Crontab(state, os.environ)


def backups(state: Path) -> list[Path]:
    return sorted(state.glob("crontab-backups/*"))


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_crontab_is_read_as_bytes(program: Program, crontab: cron.Crontab):
    """Carriage returns, NUL and latin-1 are nobody's business."""
    program.tab = THEIRS
    assert crontab.read() == THEIRS


@pytest.mark.parametrize("wording", NO_CRONTAB)
def test_no_crontab_in_the_daemons_own_words_is_empty(program: Program, crontab: cron.Crontab, wording: str):
    """Every daemon says it differently; each of these means that there is none."""
    program.order(wording=wording)
    assert crontab.read() == b""


def test_noise_on_standard_error_is_not_a_failure(program: Program, crontab: cron.Crontab):
    """A program that succeeds may grumble, and its grumbling is not the crontab."""
    program.tab = THEIRS
    program.order(list="warn")
    assert crontab.read() == THEIRS


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("fail", "`crontab -l` ended with 1 and said: crontab: something went wrong; nothing was written"),
        ("deny", "You (ada) are not allowed to use this program (crontab) See crontab(1)"),
    ],
)
def test_anything_else_is_refused(program: Program, crontab: cron.Crontab, order: str, said: str):
    """An unreadable crontab is not an empty one; what the program said is quoted in one clean line."""
    program.order(list=order)
    with pytest.raises(CrontabError) as refused:
        crontab.read()
    assert said in refused.value.message
    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    "words",
    ["no crontab for ada: Permission denied", "cannot open\nno crontab for ada", "there is no crontab for ada", ""],
)
def test_words_that_only_look_like_no_crontab_are_refused(tmp_path: Path, state: Path, words: str):
    """Only the exact wording counts, alone."""
    other = tmp_path / "programs" / "crontab"
    other.write_text(f"#!/bin/sh\nprintf '%s' '{words}' >&2\nexit 1\n")
    with pytest.raises(CrontabError):
        cron.Crontab(state, os.environ).read()


def test_no_crontab_with_output_is_refused(tmp_path: Path, state: Path):
    """A failure after half of the crontab was shown is not an empty crontab."""
    other = tmp_path / "programs" / "crontab"
    other.write_text("#!/bin/sh\necho '0 5 * * * backup'\necho 'no crontab for ada' >&2\nexit 1\n")
    with pytest.raises(CrontabError):
        cron.Crontab(state, os.environ).read()


def test_a_hanging_program_is_given_up_and_killed(program: Program, state: Path):
    """With all its children, and soon."""
    program.order(list="hang with a child")
    started = time.monotonic()
    with pytest.raises(CrontabError, match=r"did not answer within 0\.5 seconds"):
        cron.Crontab(state, os.environ, time_limit=0.5).read()
    assert time.monotonic() - started < 30
    child = int((program.file.parent / "child").read_text())
    for _ in range(1000):
        if not alive(child):
            return
        time.sleep(0.02)
    pytest.fail("the child of `crontab` still runs")


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_missing_program_is_named_with_the_package(state: Path, tmp_path: Path):
    """69, and what to install."""
    with pytest.raises(UnavailableError, match="`crontab` is not installed") as refused:
        cron.Crontab(state, {"PATH": str(tmp_path)}).read()
    assert not isinstance(refused.value, CrontabError)
    assert "install" in str(refused.value.hint)


def test_a_program_that_cannot_be_executed_is_refused(state: Path, tmp_path: Path):
    """A broken interpreter line, for one."""
    (tmp_path / "programs" / "crontab").write_text("#!/no/such/shell\n")
    with pytest.raises(CrontabError, match="cannot run"):
        cron.Crontab(state, os.environ).read()


# ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_write_puts_the_bytes_there_and_keeps_the_old(program: Program, crontab: cron.Crontab, state: Path):
    """Through a file, with a backup that nobody else can read."""
    program.tab = THEIRS
    crontab.write(THEIRS, b"new\n")
    assert program.tab == b"new\n"
    assert program.calls == ["-l", "FILE", "-l"]
    (backup,) = backups(state)
    assert backup.read_bytes() == THEIRS
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert stat.S_IMODE(backup.parent.stat().st_mode) == 0o700


def test_a_large_crontab_comes_and_goes(program: Program, crontab: cron.Crontab):
    """Five megabytes are read, written, read back and backed up."""
    program.tab = large = b"* * * * * true\n" * 350_000
    crontab.write(crontab.read(), block.install(large, CONFIG, (LINE,)))
    cron.remove(crontab, crontab.read(), CONFIG)
    assert program.tab == large


def test_an_empty_crontab_is_removed(program: Program, crontab: cron.Crontab):
    """No trace is left where there was none."""
    program.tab = b"ours\n"
    crontab.write(b"ours\n", b"")
    assert program.tab is None
    assert program.calls[1] == "-r"


def test_the_newest_twenty_backups_are_kept(program: Program, crontab: cron.Crontab, state: Path):
    """They are bounded, the oldest goes first, and what is not a backup stays."""
    folder = state / "crontab-backups"
    folder.mkdir(parents=True)
    for minute in range(20):
        (folder / f"20200101T00{minute:02}00.000000Z.crontab").touch()
    (folder / "0-mine.txt").touch()
    program.tab = THEIRS
    crontab.write(THEIRS, b"new\n")
    kept = sorted(folder.glob("*.crontab"))
    assert len(kept) == 20
    assert kept[0].name == "20200101T000100.000000Z.crontab"
    assert kept[-1].read_bytes() == THEIRS
    assert (folder / "0-mine.txt").exists()


def test_without_a_backup_nothing_is_written(program: Program, state: Path, crontab: cron.Crontab):
    """A state directory that cannot be written stops it before the crontab is touched."""
    program.tab = THEIRS
    state.write_text("in the way")
    with pytest.raises(StateError):
        crontab.write(THEIRS, b"new\n")
    assert program.tab == THEIRS
    assert program.writes == 0


def test_a_crontab_that_changed_meanwhile_is_left_alone(program: Program, crontab: cron.Crontab, state: Path):
    """Somebody's edit between our read and our write is not lost."""
    program.tab = THEIRS
    program.order(edit_before_list=2)
    old = crontab.read()
    with pytest.raises(CrontabError, match="changed while gradent was working on it; nothing was written"):
        crontab.write(old, b"new\n")
    assert program.tab == THEIRS + b"@daily edited meanwhile\n"
    assert program.writes == 0
    assert backups(state) == []


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("fail", "`crontab FILE` ended with 1 and said: crontab: something went wrong; it is as it was"),
        ("deny", "not allowed"),
        ("forget", "`crontab FILE` ended with 0; it is as it was"),
    ],
)
def test_a_refused_write_changes_nothing(program: Program, crontab: cron.Crontab, order: str, said: str):
    """And is told in the program's words; a success that was none is noticed, too."""
    program.tab = THEIRS
    program.order(write=order)
    with pytest.raises(CrontabError) as refused:
        crontab.write(THEIRS, b"new\n")
    assert said in refused.value.message
    assert program.tab == THEIRS


def test_a_write_that_hangs_is_given_up(program: Program, state: Path):
    """What was there stays."""
    program.tab = THEIRS
    program.order(write="hang")
    with pytest.raises(CrontabError, match=r"did not answer within 0\.5 seconds; it is as it was"):
        cron.Crontab(state, os.environ, time_limit=0.5).write(THEIRS, b"new\n")
    assert program.tab == THEIRS


def test_a_damaged_write_is_put_back(program: Program, crontab: cron.Crontab, state: Path):
    """What reads back differently is replaced by the old bytes."""
    program.tab = THEIRS
    program.order(write="truncate once")
    with pytest.raises(CrontabError, match=r"did not hold what was written .*; the old one was put back") as refused:
        crontab.write(THEIRS, THEIRS + b"0 * * * * x\n")
    assert program.tab == THEIRS
    assert str(backups(state)[0]) in str(refused.value.hint)


def test_where_putting_back_fails_the_backup_is_named(program: Program, crontab: cron.Crontab, state: Path):
    """The last resort is a file and a command."""
    program.tab = THEIRS
    program.order(write="truncate")
    with pytest.raises(CrontabError, match="putting the old one back failed") as refused:
        crontab.write(THEIRS, THEIRS + b"0 * * * * x\n")
    (backup,) = backups(state)
    assert refused.value.hint == f"put it back with: crontab {backup}"
    assert backup.read_bytes() == THEIRS


def test_a_write_that_cannot_be_read_back_is_told(program: Program, crontab: cron.Crontab, state: Path):
    """Nothing is known then; the backup is named."""
    program.tab = THEIRS
    program.order(fail_at_list=2)
    with pytest.raises(CrontabError, match="could not be read back") as refused:
        crontab.write(THEIRS, b"new\n")
    assert str(backups(state)[0]) in str(refused.value.hint)


def test_noise_while_writing_is_not_a_failure(program: Program, crontab: cron.Crontab):
    """The program of cronie tells of its own backup on standard error."""
    program.tab = THEIRS
    program.order(write="warn")
    crontab.write(THEIRS, b"new\n")
    assert program.tab == b"new\n"


# ── undoing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_last_change_is_the_newest_backup_that_differs(program: Program, crontab: cron.Crontab):
    """And it knows whether what gradent put in its place is still there."""
    program.tab = THEIRS
    crontab.write(THEIRS, b"one\n")
    crontab.write(b"one\n", b"two\n")
    newest = cron.last_change(crontab, b"two\n", CONFIG)
    assert newest is not None
    assert newest.content == b"one\n"
    assert newest.gave_way_to(b"two\n")
    assert not newest.gave_way_to(b"two\nand an edit\n")
    before = cron.last_change(crontab, b"one\n", CONFIG)
    assert before is not None
    assert before.content == THEIRS


def test_a_failed_write_is_no_change(program: Program, crontab: cron.Crontab):
    """Its backup is what is there anyway, so the one before it counts."""
    program.tab = THEIRS
    crontab.write(THEIRS, b"one\n")
    program.order(write="fail")
    with pytest.raises(CrontabError):
        crontab.write(b"one\n", b"two\n")
    backup = cron.last_change(crontab, b"one\n", CONFIG)
    assert backup is not None
    assert (backup.content, backup.gave_way_to(b"one\n")) == (THEIRS, True)


def test_canaries_are_no_change(program: Program, crontab: cron.Crontab):
    """Proving an installation does not stand between a person and undoing it."""
    program.tab = THEIRS
    once = block.install(THEIRS, CONFIG, (LINE,))
    crontab.write(THEIRS, once)
    with_canary = block.install(once, block.canary(CONFIG), (LINE,))
    crontab.write(once, with_canary)
    crontab.write(with_canary, once)
    for now in (once, with_canary):
        backup = cron.last_change(crontab, now, CONFIG)
        assert backup is not None
        assert backup.content == THEIRS
        assert backup.gave_way_to(once)


def test_without_backups_nothing_has_changed(crontab: cron.Crontab):
    """And nothing was ever written."""
    assert cron.last_change(crontab, THEIRS, CONFIG) is None
    assert crontab.written_at() is None


def test_the_time_of_the_last_write_is_known(program: Program, crontab: cron.Crontab, state: Path):
    """From the newest backup's name, which does not change when it is copied; another's file says nothing."""
    program.tab = THEIRS
    before = datetime.now(UTC)
    crontab.write(THEIRS, b"one\n")
    written = crontab.written_at()
    assert written is not None
    assert before <= written <= datetime.now(UTC)
    (state / "crontab-backups" / "mine.crontab").touch()
    assert crontab.written_at() is None


def test_a_backup_that_cannot_be_read_is_refused(crontab: cron.Crontab, state: Path):
    """74: what may be the newest is not passed over."""
    (state / "crontab-backups" / "20200101T000000.000000Z.0.crontab").mkdir(parents=True)
    with pytest.raises(StateError, match="cannot read the backup"):
        cron.last_change(crontab, THEIRS, CONFIG)


def test_roots_crontab_is_not_touched_for_another(monkeypatch: pytest.MonkeyPatch):
    """Under sudo `crontab` would mean root's; root by itself, as in a container, has its own."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(UsageError, match="root's crontab, not yours") as refused:
        cron.require_own_crontab({"SUDO_USER": "ada"})
    assert refused.value.hint == "run it again without sudo"
    cron.require_own_crontab({"SUDO_USER": "root"})
    cron.require_own_crontab({})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    cron.require_own_crontab({"SUDO_USER": "ada"})


# ── removing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_remove_gives_back_a_last_line_without_an_end(program: Program, crontab: cron.Crontab):
    """Where the program takes it, as busybox does."""
    program.order(takes_unended=True)
    program.tab = block.install(b"0 5 * * * backup", CONFIG, (LINE,))
    cron.remove(crontab, program.tab, CONFIG)
    assert program.tab == b"0 5 * * * backup"


def test_remove_ends_the_last_line_where_it_must(program: Program, crontab: cron.Crontab):
    """Debian and cronie refuse such bytes; a block that cannot be removed would be worse than a newline."""
    program.tab = block.install(b"0 5 * * * backup", CONFIG, (LINE,))
    cron.remove(crontab, program.tab, CONFIG)
    assert program.tab == b"0 5 * * * backup\n"


def test_remove_that_fails_says_so(program: Program, crontab: cron.Crontab):
    """And leaves everything."""
    program.tab = before = block.install(THEIRS, CONFIG, (LINE,))
    program.order(write="fail")
    with pytest.raises(CrontabError):
        cron.remove(crontab, before, CONFIG)
    assert program.tab == before


# ── following a changed frequency ──────────────────────────────────────────────────────────────────────────────────


def test_follow_changes_the_schedule_and_nothing_else(program: Program, state: Path):
    """The interpreter, the options and every other line stay."""
    program.tab = block.install(THEIRS, CONFIG, (LINE.replace(b"--quiet", b"--quiet --added"),)) + THEIRS
    said = cron.follow(CONFIG, "*/30 * * * *", flush=None, state_dir=state, environ=os.environ)
    assert said == "the crontab line now runs at `*/30 * * * *` (every 30 minutes)"
    expected = LINE.replace(b"0 * * * *", b"*/30 * * * *", 1).replace(b"--quiet", b"--quiet --added")
    assert program.tab == block.install(THEIRS, CONFIG, (expected,)) + THEIRS
    assert len(backups(state)) == 1


def test_follow_has_nothing_to_do(program: Program, state: Path, tmp_path: Path):
    """Without a block, without `crontab`, and when the schedule is the same; nothing is written."""
    assert cron.follow(CONFIG, "0 * * * *", flush=None, state_dir=state, environ=os.environ) is None
    program.tab = block.install(THEIRS, CONFIG, (LINE,))
    assert cron.follow(CONFIG, "0 * * * *", flush=None, state_dir=state, environ=os.environ) is None
    assert cron.follow(CONFIG, "5 * * * *", flush=None, state_dir=state, environ={"PATH": str(tmp_path)}) is None
    assert program.writes == 0
    assert not state.exists()


def test_follow_keeps_catching_up(program: Program, state: Path):
    """The second line has a schedule of its own."""
    run, tick = block.job_lines("0 * * * *", Path("/opt/python"), CONFIG, catch_up=True)
    program.tab = block.install(THEIRS, CONFIG, (run, tick))
    assert cron.follow(CONFIG, "0 0 * * *", flush=None, state_dir=state, environ=os.environ) is not None
    assert block.installed(program.tab, CONFIG) == (block.reschedule(run, "0 0 * * *"), tick)
    assert cron.follow(CONFIG, "0 0 * * *", flush=None, state_dir=state, environ=os.environ) is None


def test_follow_brings_changes_and_takes_the_flush(program: Program, state: Path):
    """With the Python of the run, beside a tick, and each time in words."""

    def lines(expression: str, flush: str | None) -> tuple[bytes, ...]:
        return block.job_lines(expression, Path("/opt/python"), CONFIG, catch_up=True, flush=flush)

    def follow(expression: str, flush: str | None) -> str | None:
        return cron.follow(CONFIG, expression, flush=flush, state_dir=state, environ=os.environ)

    program.tab = block.install(THEIRS, CONFIG, lines("0 * * * *", None))
    said = follow("0 * * * *", "0 7 * * *")
    assert said == "a crontab line now sends at `0 7 * * *` (every day, at 07:00) what quiet hours held"
    assert program.tab == block.install(THEIRS, CONFIG, lines("0 * * * *", "0 7 * * *"))
    assert follow("0 * * * *", "0 7 * * *") is None
    said = follow("0 0 * * *", "0 8 * * *")
    assert said == (
        "the crontab line now runs at `0 0 * * *` (every day, at 00:00); "
        "a crontab line now sends at `0 8 * * *` (every day, at 08:00) what quiet hours held"
    )
    assert program.tab == block.install(THEIRS, CONFIG, lines("0 0 * * *", "0 8 * * *"))
    assert follow("0 0 * * *", None) == "the crontab line that sent what quiet hours held is gone"
    assert program.tab == block.install(THEIRS, CONFIG, lines("0 0 * * *", None))


def test_follow_does_not_guess_the_python_of_an_edited_run(program: Program, state: Path):
    """A run behind a wrapper keeps its schedule and gets no flush; when there is nothing to add it follows."""
    wrapped = LINE.replace(b"* * * * /", b"* * * * /usr/bin/nice /", 1)
    program.tab = before = block.install(b"", CONFIG, (wrapped,))
    said = cron.follow(CONFIG, "0 * * * *", flush="0 7 * * *", state_dir=state, environ=os.environ)
    assert said is not None
    assert "edited by hand" in said
    assert program.tab == before
    said = cron.follow(CONFIG, "5 * * * *", flush=None, state_dir=state, environ=os.environ)
    assert said == "the crontab line now runs at `5 * * * *` (every hour, at minute 5)"


@pytest.mark.parametrize("lines", [(b"#" + LINE,), (), (LINE, b"0 5 * * * /usr/bin/mine"), (LINE, FLUSH, FLUSH)])
def test_follow_leaves_an_edited_block(program: Program, state: Path, lines: tuple[bytes, ...]):
    """What a person has made of it is not guessed at."""
    program.tab = before = block.install(b"", CONFIG, lines)
    said = cron.follow(CONFIG, "5 * * * *", flush=None, state_dir=state, environ=os.environ)
    assert said is not None
    assert "edited by hand" in said
    assert program.tab == before


def test_follow_refuses_what_it_cannot_read(program: Program, state: Path):
    """As everywhere: an unreadable crontab is not an empty one."""
    program.order(list="deny")
    with pytest.raises(CrontabError):
        cron.follow(CONFIG, "5 * * * *", flush=None, state_dir=state, environ=os.environ)


# ── an interpreter that cron can use ───────────────────────────────────────────────────────────────────────────────


def test_this_python_can_import_gradent():
    """From any folder and without this shell's environment."""
    cron.require_importable(Path(sys.executable), os.environ)


def test_a_python_without_gradent_is_refused(tmp_path: Path):
    """Running from a checkout or through PYTHONPATH works in a shell and not in cron."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(ConfigError, match="does not find gradent_cli by itself") as refused:
        cron.require_importable(bare, {**os.environ, "PYTHONPATH": str(Path(cron.__file__).parents[2])})
    assert refused.value.hint == f"install gradent for it: {bare} -m pip install gradent-cli"


def test_an_interpreter_is_judged_by_what_cron_could_do_with_it(tmp_path: Path):
    """Gone, not a program, without gradent, or fine."""
    empty = tmp_path / "python"
    assert cron.interpreter_trouble(str(empty), os.environ) == "is gone"
    empty.write_text("#!/bin/sh\nexit 1\n")
    empty.chmod(0o644)
    assert cron.interpreter_trouble(str(empty), os.environ) == "cannot be executed"
    empty.chmod(0o755)
    assert cron.interpreter_trouble(str(empty), os.environ) == "does not find gradent any more"
    assert cron.interpreter_trouble(sys.executable, os.environ) is None


# ── the daemon ─────────────────────────────────────────────────────────────────────────────────────────────────────


def proc(folder: Path, *processes: tuple[str, int, str, int]) -> Path:
    """A /proc with these processes: folder, id, name, parent."""
    for entry, process, name, parent in processes:
        (folder / entry).mkdir(parents=True)
        (folder / entry / "stat").write_text(f"{process} ({name}) S {parent} 1 1 0 -1")
        (folder / entry / "cmdline").write_text("busybox\0crond\0-f\0" if name == "busybox" else f"{name}\0")
    return folder


@pytest.mark.parametrize("daemon", ["cron", "crond", "CRON", "CROND", "busybox"])
def test_a_child_of_cron_knows_it(tmp_path: Path, daemon: str):
    """Through the shell that cron starts, and names that try to mislead."""
    processes = proc(tmp_path, ("self", 30, "py) S 1 (x", 20), ("20", 20, "sh", 10), ("10", 10, daemon, 1))
    assert fired_by_cron(processes)


def test_a_child_of_a_shell_is_not_crons(tmp_path: Path):
    """A person's shell; and where there is no /proc nothing is claimed."""
    assert not fired_by_cron(proc(tmp_path, ("self", 30, "python", 20), ("20", 20, "bash", 1), ("1", 1, "init", 0)))
    assert not fired_by_cron(tmp_path / "absent")


def test_a_distant_ancestor_does_not_count(tmp_path: Path):
    """A terminal that cron started at boot is still a person's."""
    chain = [(str(n), n, "sh", n - 1) for n in range(2, 20)]
    assert not fired_by_cron(proc(tmp_path, ("self", 20, "python", 19), *chain, ("1", 1, "cron", 0)))


def test_the_daemon_is_seen(tmp_path: Path):
    """It runs, it does not, or nobody can tell."""
    assert cron.daemon_running(proc(tmp_path / "a", ("1", 1, "init", 0), ("7", 7, "cron", 1))) is True
    without = proc(tmp_path / "b", ("1", 1, "init", 0), ("7", 7, "python", 1))
    (without / "8").mkdir()  # a process that ended while we looked
    assert cron.daemon_running(without) is False
    assert cron.daemon_running(proc(tmp_path / "c", ("7", 7, "python", 1))) is None


def test_a_job_of_systemd_cron_knows_it(tmp_path: Path):
    """It has no daemon among its ancestors, but a unit; the unit of a terminal, or of cron itself, is not one."""
    processes = proc(tmp_path, ("self", 30, "python", 1), ("1", 1, "systemd", 0))
    group = processes / "self" / "cgroup"
    group.write_text("0::/system.slice/cron-ada-ada-0.service\n")
    assert fired_by_cron(processes)
    for other in ("system.slice/cron.service", "user.slice/session-3.scope", "system.slice/cron-x.service/deeper"):
        group.write_text(f"0::/{other}\n")
        assert not fired_by_cron(processes)


def systemd_cron(root: Path) -> Path:
    generator = root / "usr/lib/systemd/system-generators/systemd-crontab-generator"
    generator.parent.mkdir(parents=True)
    generator.touch()
    return root


def test_systemd_cron_needs_no_process(tmp_path: Path):
    """It is at work where systemd runs the machine and its target is wanted."""
    nobody = proc(tmp_path / "proc", ("1", 1, "systemd", 0))
    root = systemd_cron(tmp_path / "root")
    assert cron.daemon_running(nobody, root) is False
    wanted = root / "etc/systemd/system/multi-user.target.wants/cron.target"
    wanted.parent.mkdir(parents=True)
    wanted.symlink_to("/lib/systemd/system/cron.target")
    assert cron.daemon_running(nobody, root) is False
    (root / "run/systemd/system").mkdir(parents=True)
    assert cron.daemon_running(nobody, root) is True


def test_the_way_to_start_the_daemon_fits_the_machine(tmp_path: Path):
    """With systemd, without it, with systemd-cron, and where there is no daemon to start."""
    assert cron.how_to_start(systemd_cron(tmp_path / "target")) == "sudo systemctl enable --now cron.target"
    root = tmp_path / "root"
    assert "install" in cron.how_to_start(root)
    (root / "usr/sbin").mkdir(parents=True)
    (root / "usr/sbin/cron").touch()
    assert re.fullmatch(r"sudo service (cron|crond|cronie) start", cron.how_to_start(root))
    (root / "run/systemd/system").mkdir(parents=True)
    assert re.fullmatch(r"sudo systemctl enable --now (cron|crond|cronie)", cron.how_to_start(root))
