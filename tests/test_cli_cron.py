"""`install-cron` and `uninstall-cron`, through the front door and against a `crontab` that may do anything."""

import os
import re
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gradent_cli.schedulers import block
from tests.conftest import Gradent
from tests.street.crontab import NO_CRONTAB, Crontab

THEIRS = b'MAILTO=""\r\n0 5 * * * caf\xe9 \0\n'


def line(config: Path, expression: str = "0 * * * *") -> bytes:
    return block.job_line(expression, Path(sys.executable), config)


def backups(state: Path) -> list[Path]:
    return sorted(state.glob("crontab-backups/*"))


# ── what it does when all is well ──────────────────────────────────────────────────────────────────────────────────


def test_install_writes_the_block_and_says_so(gradent: Gradent, crontab: Crontab, config: Path, state: Path):
    """The line, in words, and the next three times; the bytes before it as they were, and a backup of them."""
    crontab.tab = THEIRS
    result = gradent("install-cron")
    assert result.code == 0
    assert crontab.tab == block.install(THEIRS, config, (line(config),))
    said = result.out.splitlines()
    assert said[:4] == [
        "Installed in your crontab:",
        f"  {line(config).decode()}",
        "Every hour, at minute 0.",
        "The next times:",
    ]
    assert len(said) == 7
    assert all(re.fullmatch(r"  \w{3} \d\d \w{3} \d{4} \d\d:00 UTC", time) for time in said[4:])
    (backup,) = backups(state)
    assert backup.read_bytes() == THEIRS
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_the_times_are_local(gradent: Gradent, crontab: Crontab, config: Path, monkeypatch: pytest.MonkeyPatch):
    """They are those of the shell's clock; where cron goes by another one, that is said."""
    config.write_text('frequency = "24hours"\nat = "06:30"\n')
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    said = gradent("install-cron")
    assert re.findall(r"\d\d:\d\d IST", said.out) == ["06:30 IST"] * 3
    assert "but TZ of this shell is Asia/Kolkata" in said.err


@pytest.mark.parametrize("wording", NO_CRONTAB)
def test_install_into_no_crontab_and_back(gradent: Gradent, crontab: Crontab, config: Path, wording: str):
    """Whatever daemon: a first crontab is made, and none is left when it goes."""
    crontab.order(wording=wording)
    assert gradent("install-cron").code == 0
    assert crontab.tab == block.install(b"", config, (line(config),))
    assert gradent("uninstall-cron").code == 0
    assert crontab.tab is None


def test_install_twice_changes_nothing(gradent: Gradent, crontab: Crontab, config: Path, state: Path):
    """No write, no second backup, exit 0."""
    crontab.tab = THEIRS
    gradent("install-cron")
    writes, before = crontab.writes, crontab.file.stat().st_mtime_ns
    result = gradent("install-cron")
    assert result.code == 0
    assert result.out.startswith(f"already installed; nothing changed\n  {line(config).decode()}\n")
    assert (crontab.writes, crontab.file.stat().st_mtime_ns) == (writes, before)
    assert len(backups(state)) == 1


def test_a_changed_frequency_changes_the_line_in_place(gradent: Gradent, crontab: Crontab, config: Path):
    """And says what it was and what it is."""
    crontab.tab = THEIRS
    gradent("install-cron")
    assert crontab.tab is not None
    crontab.tab += b"@daily added later\n"
    config.write_text('frequency = "30min"\n')
    result = gradent("install-cron")
    new = line(config, "*/30 * * * *")
    assert crontab.tab == block.install(THEIRS, config, (new,)) + b"@daily added later\n"
    assert result.out.startswith(
        f"Changed in your crontab, from:\n  {line(config).decode()}\nto:\n  {new.decode()}\nEvery 30 minutes."
    )


def test_uninstall_gives_back_the_bytes(gradent: Gradent, crontab: Crontab, config: Path, state: Path):
    """And says what went."""
    crontab.tab = THEIRS
    gradent("install-cron")
    result = gradent("uninstall-cron")
    assert (result.code, result.err) == (0, "")
    assert result.out == f"Removed from your crontab:\n  {line(config).decode()}\n"
    assert crontab.tab == THEIRS
    assert len(backups(state)) == 2


def test_uninstall_without_a_block(gradent: Gradent, crontab: Crontab, config: Path):
    """Nothing to do is not a failure."""
    crontab.tab = THEIRS
    result = gradent("uninstall-cron")
    assert (result.code, result.out) == (0, f"no gradent block for {config} in the crontab\n")
    assert crontab.writes == 0


@pytest.mark.parametrize("damage", ["frequency = [", "unknown = 1", None])
def test_uninstall_works_without_a_config(
    gradent: Gradent, crontab: Crontab, config: Path, state: Path, damage: str | None
):
    """Broken or gone: the block must go all the same, with a backup in the default place."""
    gradent("install-cron")
    if damage is None:
        config.unlink()
    else:
        config.write_text(damage)
    assert gradent("uninstall-cron").code == 0
    assert crontab.tab is None
    assert len(backups(state)) == 2


def test_two_configs_have_two_blocks(gradent: Gradent, crontab: Crontab, config: Path, tmp_path: Path):
    """Each comes and goes by itself; a path with a blank is one word."""
    other = tmp_path / "my courses" / "it's.toml"
    other.parent.mkdir()
    other.write_text('frequency = "6hours"\n')
    crontab.tab = THEIRS
    gradent("install-cron")
    assert gradent("--config", other, "install-cron").code == 0
    both = block.install(block.install(THEIRS, config, (line(config),)), other, (line(other, "0 0,6,12,18 * * *"),))
    assert crontab.tab == both
    gradent("uninstall-cron")
    assert crontab.tab == block.uninstall(both, config)
    gradent("--config", other, "uninstall-cron")
    assert crontab.tab == THEIRS


def test_the_path_of_this_shell_is_kept(
    gradent: Gradent, crontab: Crontab, config: Path, state: Path, monkeypatch: pytest.MonkeyPatch
):
    """For agents that are commands; installing again brings it up to date, and the day of installing stays."""
    gradent("install-cron")
    first = facts(state)
    assert first["path"] == os.environ["PATH"]
    monkeypatch.setenv("PATH", os.environ["PATH"] + ":/opt/agents")
    gradent("install-cron")
    assert facts(state) == {"path": os.environ["PATH"], "installed_at": first["installed_at"]}
    assert first["installed_at"].endswith("+00:00")


def facts(state: Path) -> dict[str, str]:
    connection = sqlite3.connect(state / "gradent.db")
    try:
        return dict(connection.execute("SELECT key, value FROM facts"))
    finally:
        connection.close()


# ── --catch-up ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_catch_up_is_a_second_line_that_stays_until_told(gradent: Gradent, crontab: Crontab, config: Path):
    """Later installs and a changed frequency keep it and say so; `--no-catch-up` takes it away."""
    crontab.tab = THEIRS
    result = gradent("install-cron", "--catch-up")
    run, tick = block.job_lines("0 * * * *", Path(sys.executable), config, catch_up=True)
    assert crontab.tab == block.install(THEIRS, config, (run, tick))
    assert result.out.startswith(f"Installed in your crontab:\n  {run.decode()}\n  {tick.decode()}\n")
    assert "--no-catch-up" not in result.out
    config.write_text('frequency = "24hours"\n')
    again = gradent("install-cron")
    assert "The second line catches up; to take it away: gradent install-cron --no-catch-up\n" in again.out
    assert block.installed(crontab.tab, config) == (block.reschedule(run, "0 0 * * *"), tick)
    gradent("config", "set", "--frequency", "1hour")
    assert block.installed(crontab.tab, config) == (run, tick)
    gradent("install-cron", "--no-catch-up")
    assert crontab.tab == block.install(THEIRS, config, (run,))
    gradent("install-cron")
    assert crontab.tab == block.install(THEIRS, config, (run,))


# ── --undo ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def with_flush(config: Path, flush: str, *, catch_up: bool = False) -> tuple[bytes, ...]:
    return block.job_lines("0 * * * *", Path(sys.executable), config, catch_up=catch_up, flush=flush)


def test_quiet_hours_have_a_line_that_sends_what_they_held(gradent: Gradent, crontab: Crontab, config: Path):
    """At their end; in place when it changes, beside catch-up, shown by --dry-run, and gone without a trace."""
    crontab.tab = THEIRS
    config.write_text('frequency = "1hour"\n[notify]\nquiet_hours = "22:30-07:00"\n')
    shown = gradent("install-cron", "--dry-run")
    assert f"+{with_flush(config, '0 7 * * *')[1].decode()}" in shown.out.splitlines()
    assert crontab.tab == THEIRS
    result = gradent("install-cron")
    assert crontab.tab == block.install(THEIRS, config, with_flush(config, "0 7 * * *"))
    assert "The last line sends what quiet hours held, when they end." in result.out
    assert gradent("install-cron").out.startswith("already installed; nothing changed\n")
    gradent("install-cron", "--catch-up")
    assert crontab.tab == block.install(THEIRS, config, with_flush(config, "0 7 * * *", catch_up=True))
    config.write_text('frequency = "1hour"\n[notify]\nquiet_hours = "23:00-06:15"\n')
    gradent("install-cron")
    assert crontab.tab == block.install(THEIRS, config, with_flush(config, "15 6 * * *", catch_up=True))
    config.write_text('frequency = "1hour"\n')
    gradent("install-cron", "--no-catch-up")
    assert crontab.tab == block.install(THEIRS, config, (line(config),))
    gradent("uninstall-cron")
    assert crontab.tab == THEIRS


def test_the_line_that_sends_is_one_that_gradent_takes(gradent: Gradent, crontab: Crontab, config: Path):
    """Its words work at the front door, and say nothing when nothing waits."""
    config.write_text('frequency = "1hour"\n[notify]\nquiet_hours = "22:30-07:00"\n')
    gradent("install-cron")
    *_, flush = block.installed(crontab.tab or b"", config) or ()
    words = block.command(flush)
    assert words[:4] == (sys.executable, "-P", "-m", "gradent_cli")
    result = gradent(*words[4:])
    assert (result.code, result.out, result.err) == (0, "", "")


def test_too_many_messages_are_warned_of(gradent: Gradent, crontab: Crontab, config: Path):
    """It is installed all the same; the number, the service with its limit, what becomes of the rest, and a remedy."""
    config.write_text('frequency = "15min"\n[ntfy]\ntopic = "mine-a1b2c3d4e5"\n')
    result = gradent("install-cron")
    assert result.code == 0
    assert (
        "gradent: warning: runs with news would make 384 messages a day, and ntfy.sh takes 250 a day from whoever does "
        "not pay; what is beyond notify.max_per_day (200) waits, and is told as one\n"
        "  hint: gradent config set notify.when changed\n"
    ) in result.err
    config.write_text('frequency = "30min"\n[ntfy]\ntopic = "mine-a1b2c3d4e5"\n')
    assert "messages a day" not in gradent("install-cron").err


def test_undo_gives_back_what_gradent_replaced(gradent: Gradent, crontab: Crontab, config: Path, state: Path):
    """Without a question, with a backup of its own, and with a word of what it did; twice is back again."""
    crontab.tab = THEIRS
    gradent("install-cron")
    installed = crontab.tab
    result = gradent("install-cron", "--undo")
    assert (result.code, crontab.tab) == (0, THEIRS)
    assert result.out.startswith("Your crontab is again as it was before gradent changed it; it was in ")
    assert f"-{line(config).decode()}" in result.out.splitlines()
    assert len(backups(state)) == 2
    assert gradent("install-cron", "--undo").code == 0
    assert crontab.tab == installed


def test_undo_where_there_was_no_crontab(gradent: Gradent, crontab: Crontab, config: Path):
    """Then there is none again."""
    gradent("install-cron")
    assert gradent("install-cron", "--undo").code == 0
    assert crontab.tab is None


def test_undo_is_not_mistaken_for_a_lost_block(gradent: Gradent, crontab: Crontab, config: Path):
    """What a person has undone or uninstalled, `status` does not miss; what vanished otherwise it does."""
    for away in (("install-cron", "--undo"), ("uninstall-cron",)):
        gradent("install-cron")
        gradent(*away)
        assert "is gone from the crontab" not in gradent("status", "--json").out
    gradent("install-cron")
    crontab.tab = None
    assert "is gone from the crontab" in gradent("status", "--json").out
    gradent("uninstall-cron")
    assert "is gone from the crontab" not in gradent("status", "--json").out


def test_nothing_to_undo(gradent: Gradent, crontab: Crontab, config: Path):
    """One sentence, 0, and nothing is written."""
    crontab.tab = THEIRS
    result = gradent("install-cron", "--undo")
    assert (result.code, result.out) == (0, "nothing to undo: gradent has not changed this crontab\n")
    assert crontab.writes == 0


def test_undo_over_somebodys_edit_needs_a_yes(gradent: Gradent, crontab: Crontab, config: Path, state: Path):
    """Where nobody can be asked it is refused, with the backup's path; `--yes` says so beforehand."""
    crontab.tab = THEIRS
    gradent("install-cron")
    edited = crontab.tab + b"@daily mine\n"
    crontab.tab = edited
    (backup,) = backups(state)
    result = gradent("install-cron", "--undo")
    assert (result.code, crontab.tab) == (69, edited)
    assert f"the crontab changed since gradent wrote it; nothing was restored from {backup}" in result.err
    assert "hint: gradent install-cron --undo --yes" in result.err
    assert gradent("install-cron", "--undo", "--yes").code == 0
    assert crontab.tab == THEIRS
    assert edited in [backup.read_bytes() for backup in backups(state)]


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 130), (b"\x04", 130)])
def test_undo_over_somebodys_edit_asks(crontab: Crontab, gradent: Gradent, config: Path, answer: bytes, code: int):
    """On a terminal, after showing what would change; only a yes does it."""
    crontab.tab = THEIRS
    gradent("install-cron")
    crontab.tab = edited = crontab.tab + b"@daily mine\n"
    ours, theirs = os.openpty()
    try:
        asked = subprocess.Popen(
            [sys.executable, "-P", "-m", "gradent_cli", "install-cron", "--undo"],
            stdin=theirs,
            stdout=subprocess.PIPE,
            text=True,
        )
        os.write(ours, answer)
        out, _ = asked.communicate(timeout=20)
    finally:
        os.close(ours)
        os.close(theirs)
    assert "-@daily mine" in out
    assert "The crontab changed since gradent wrote it. Do this all the same?" in out
    assert asked.returncode == code
    assert crontab.tab == (THEIRS if code == 0 else edited)


@pytest.mark.parametrize(
    "options", [("--yes",), ("--undo", "--dry-run"), ("--undo", "--verify"), ("--undo", "--no-catch-up")]
)
def test_options_that_contradict_each_other(gradent: Gradent, crontab: Crontab, config: Path, options: tuple[str, ...]):
    """2; the crontab is not even read."""
    assert gradent("install-cron", *options).code == 2
    assert crontab.calls == []


@pytest.mark.parametrize("command", [("install-cron",), ("install-cron", "--undo"), ("uninstall-cron",)])
def test_roots_crontab_is_left_alone_under_sudo(
    gradent: Gradent, crontab: Crontab, config: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
):
    """2, and what to do instead."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "ada")
    result = gradent(*command)
    assert result.code == 2
    assert (
        "gradent: under sudo this would be root's crontab, not yours\n  hint: run it again without sudo" in result.err
    )
    assert crontab.calls == []


# ── --dry-run ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_dry_run_shows_the_difference(gradent: Gradent, crontab: Crontab, config: Path, state: Path):
    """A unified diff, with bytes that a terminal cannot show escaped; nothing is written anywhere."""
    crontab.tab = THEIRS
    result = gradent("install-cron", "--dry-run")
    assert result.code == 0
    assert result.out.splitlines()[:8] == [
        "--- crontab now",
        "+++ crontab then",
        "@@ -1,2 +1,5 @@",
        ' MAILTO=""\\r',
        " 0 5 * * * caf\\xe9 \\x00",
        f"+# >>> gradent {config} >>>",
        f"+{line(config).decode()}",
        f"+# <<< gradent {config} <<<",
    ]
    assert (crontab.tab, crontab.writes, state.exists()) == (THEIRS, 0, False)


def test_dry_run_shows_a_missing_newline(gradent: Gradent, crontab: Crontab, config: Path):
    """A line that gets an end is a change, too."""
    crontab.tab = b"0 5 * * * backup"
    shown = gradent("install-cron", "--dry-run").out.splitlines()
    assert "-0 5 * * * backup (no newline)" in shown
    assert "+0 5 * * * backup" in shown


def test_dry_run_of_nothing(gradent: Gradent, crontab: Crontab, config: Path):
    """What is there already needs no diff."""
    gradent("install-cron")
    assert gradent("install-cron", "--dry-run").out.startswith("already as it should be; nothing would change\n")


def test_dry_run_of_uninstall(gradent: Gradent, crontab: Crontab, config: Path):
    """The same, the other way round."""
    crontab.tab = THEIRS
    gradent("install-cron")
    before, writes = crontab.tab, crontab.writes
    result = gradent("uninstall-cron", "--dry-run")
    assert f"-{line(config).decode()}" in result.out.splitlines()
    assert (crontab.tab, crontab.writes) == (before, writes)


# ── warnings ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_disabled_config_is_installed_with_a_warning(gradent: Gradent, crontab: Crontab, config: Path):
    """The line is right, and still nothing would happen."""
    config.write_text("enabled = false\n")
    result = gradent("install-cron")
    assert result.code == 0
    assert "warning: this config has enabled = false" in result.err
    assert "hint: gradent config set --enabled" in result.err


def test_settings_that_cron_will_not_see_are_named(
    gradent: Gradent, crontab: Crontab, config: Path, monkeypatch: pytest.MonkeyPatch
):
    """What comes from this shell's environment works here and not in cron; its value is not shown."""
    monkeypatch.setenv("GRADENT_NTFY__TOPIC", "a-secret-topic")
    result = gradent("install-cron")
    assert "warning: only this shell's environment sets ntfy.topic, and cron will not see it" in result.err
    assert "a-secret-topic" not in result.out + result.err


# ── refusals: every one leaves every byte ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", ["install-cron", "uninstall-cron"])
@pytest.mark.parametrize(
    ("orders", "said"),
    [
        (
            {"list": "fail"},
            "gradent: cannot read the crontab: `crontab -l` ended with 1 and said: crontab: something went wrong",
        ),
        ({"list": "deny"}, "You (ada) are not allowed to use this program"),
        ({"write": "fail"}, "the crontab could not be written: "),
        ({"write": "deny"}, "You (ada) are not allowed to use this program"),
        ({"write": "forget"}, "the crontab could not be written: "),
        ({"write": "truncate once"}, "the old one was put back"),
    ],
)
def test_a_crontab_program_that_fails(
    gradent: Gradent, crontab: Crontab, config: Path, command: str, orders: dict[str, str], said: str
):
    """69, one sentence, and the crontab as it was."""
    crontab.tab = before = block.install(THEIRS, config, (line(config, "5 * * * *"),)) + THEIRS
    crontab.order(**orders)
    result = gradent(command)
    assert (result.code, result.out) == (69, "")
    assert said in result.err
    assert "\x1b" not in result.err
    assert crontab.tab == before


@pytest.mark.parametrize("command", ["install-cron", "uninstall-cron"])
def test_a_crontab_that_is_edited_meanwhile(gradent: Gradent, crontab: Crontab, config: Path, command: str):
    """69; the edit stays, and nothing of ours is added or taken."""
    crontab.tab = before = block.install(THEIRS, config, (line(config, "5 * * * *"),))
    crontab.order(edit_before_list=2)
    result = gradent(command)
    assert result.code == 69
    assert "the crontab changed while gradent was working on it; nothing was written" in result.err
    assert "hint: run the command again" in result.err
    assert crontab.tab == before + b"@daily edited meanwhile\n"


def test_a_crontab_that_cannot_be_put_back(gradent: Gradent, crontab: Crontab, config: Path, state: Path):
    """69, and the command that helps."""
    crontab.tab = THEIRS
    crontab.order(write="truncate")
    result = gradent("install-cron")
    assert result.code == 69
    (backup,) = backups(state)
    assert f"hint: put it back with: crontab {backup}" in result.err
    assert backup.read_bytes() == THEIRS


def test_a_program_that_warns_is_no_failure(gradent: Gradent, crontab: Crontab, config: Path):
    """What it says on standard error with exit code 0 is not our business."""
    crontab.tab = THEIRS
    crontab.order(list="warn", write="warn")
    assert gradent("install-cron").code == 0
    assert crontab.tab == block.install(THEIRS, config, (line(config),))


@pytest.mark.e2e
def test_a_program_that_hangs(gradent: Gradent, crontab: Crontab, config: Path):
    """69 after fifteen seconds."""
    crontab.tab = THEIRS
    crontab.order(list="hang")
    result = gradent("install-cron")
    assert result.code == 69
    assert "did not answer within 15 seconds" in result.err
    assert crontab.tab == THEIRS


@pytest.mark.parametrize("command", [("install-cron", "--scheduler", "cron"), ("uninstall-cron",)])
def test_no_crontab_program(
    gradent: Gradent, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
):
    """69, and what to install."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    result = gradent(*command)
    assert result.code == 69
    assert "gradent: the program `crontab` is not installed\n  hint: install " in result.err


@pytest.mark.parametrize("command", ["install-cron", "uninstall-cron"])
def test_a_damaged_block(gradent: Gradent, crontab: Crontab, config: Path, command: str):
    """69, the lines, and what to do."""
    crontab.tab = before = THEIRS + block.begin(config) + b"\n" + line(config) + b"\n"
    result = gradent(command)
    assert result.code == 69
    assert f"the block of {config} in the crontab is not whole (line 3 begins it); nothing was written" in result.err
    assert "crontab -e" in result.err
    assert crontab.tab == before


def test_a_path_that_cron_would_break(gradent: Gradent, crontab: Crontab, tmp_path: Path):
    """78 with the reason; the crontab is not even read."""
    config = tmp_path / "100%.toml"
    config.write_text('frequency = "1hour"\n')
    result = gradent("--config", config, "install-cron")
    assert result.code == 78
    assert "has a '%', which cron turns into a line break" in result.err
    assert crontab.calls == []


@pytest.mark.parametrize("text", [None, "frequency = [", 'frequency = "hourly"'])
def test_a_config_that_cannot_be_used(gradent: Gradent, crontab: Crontab, config: Path, text: str | None):
    """78; the crontab is not even read."""
    if text is None:
        config.unlink()
    else:
        config.write_text(text)
    assert gradent("install-cron").code == 78
    assert crontab.calls == []


def test_a_python_that_cannot_import_gradent(
    gradent: Gradent, crontab: Crontab, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """78: it would fail at every tick, where nobody sees it."""
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\nexit 1\n")
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    result = gradent("install-cron")
    assert result.code == 78
    assert "does not find gradent_cli by itself" in result.err
    assert crontab.writes == 0


def test_a_state_directory_that_cannot_be_made(gradent: Gradent, crontab: Crontab, config: Path, state: Path):
    """74; without a place for the backup nothing is written."""
    state.parent.mkdir(parents=True)
    state.write_text("in the way")
    crontab.tab = THEIRS
    assert gradent("install-cron").code == 74
    assert (crontab.tab, crontab.writes) == (THEIRS, 0)
