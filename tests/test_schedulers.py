"""Choosing a scheduler, and `--scheduler` through the front door, against stand-ins of every one."""

import json
import os
import sqlite3
import sys
from datetime import UTC
from pathlib import Path

import pytest

from gradent_cli.errors import UnavailableError
from gradent_cli.schedulers import OTHERS, Job, choose, flush_name, follow, look, open_scheduler, unit_name, where
from gradent_cli.schedulers.entries import Entry, entries
from tests.conftest import Gradent
from tests.street.crontab import Crontab
from tests.street.managers import PROGRAMS, Managers


@pytest.fixture
def managers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Managers:
    """Of the programs of this machine only `sh` is left, and no scheduler is offered yet."""
    programs = tmp_path / "offered"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/nowhere")
    return Managers(tmp_path / "managers", programs)


def job(config: Path, expression: str = "0 * * * *", *, flush: str | None = None) -> Job:
    return Job(config=config, interpreter=Path(sys.executable), expression=expression, zone=UTC, flush=flush)


# ── the expression ─────────────────────────────────────────────────────────────────────────────────────────────────


def entry(**fields: tuple[int, ...]) -> Entry:
    nothing = dict.fromkeys(("minutes", "hours", "days", "months", "weekdays"))
    return Entry(**{**nothing, "minutes": (0,), "hours": (0,), **fields})


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("*/20 * * * *", [Entry(minutes=(0, 20, 40), hours=None, days=None, months=None, weekdays=None)]),
        ("0 0 * * *", [entry()]),
        ("0 0 * 1,7 sun,7", [entry(months=(1, 7), weekdays=(0,))]),
        ("0 0 1,15 * 1", [entry(days=(1, 15)), entry(weekdays=(1,))]),
        ("0 0 */10 * 1", [entry(days=(1, 11, 21, 31), weekdays=(1,))]),
        ("0 0 1 * */2", [entry(days=(1,), weekdays=(0, 2, 4, 6))]),
        ("0 0 1-31 * 1", [entry()]),
        ("0 0 1 * 0-6", [entry()]),
        ("0 0 1-31 * *", [entry()]),
    ],
)
def test_an_expression_is_one_entry_or_two(expression: str, wanted: list[Entry]):
    """Day of the month or of the week are two entries, unless one begins with a star: then both must match."""
    assert list(entries(expression)) == wanted


def test_a_name_that_every_scheduler_takes():
    """Letters, digits and three signs; two configs with one stem have two names."""
    names = {unit_name(Path(path)) for path in ("/a/my courses%.toml", "/b/my courses%.toml")}
    assert len(names) == 2
    assert all(
        name.startswith("gradent-my_courses_-") and len(name) == len("gradent-my_courses_-") + 8 for name in names
    )


# ── choosing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_auto_takes_cron_then_systemd_then_launchd(managers: Managers, config: Path):
    """The first that is there and answers."""
    managers.offer("launchctl")
    assert choose(config, os.environ) == "launchd"
    managers.offer("systemctl")
    assert choose(config, os.environ) == "systemd"
    managers.offer("crontab")
    assert choose(config, os.environ) == "cron"


def test_auto_stays_where_gradent_is(managers: Managers, config: Path):
    """A cron that comes later does not make every run start twice."""
    managers.offer("systemctl")
    open_scheduler("systemd", os.environ).install(job(config))
    managers.offer("crontab")
    assert choose(config, os.environ) == "systemd"


def test_auto_says_what_it_looked_for(managers: Managers, config: Path):
    """69: each of them, and why not."""
    managers.offer("systemctl")
    managers.order(refuse="--property=Version")
    with pytest.raises(UnavailableError) as refused:
        choose(config, os.environ)
    assert refused.value.message == (
        "nothing here could call gradent: there is no `crontab` program; no systemd for you (Failed to do it: Access "
        "denied); no launchd (the program `launchctl` is not installed)"
    )
    assert refused.value.hint is not None
    assert refused.value.hint.startswith("install ")


def test_a_program_that_hangs_is_not_waited_for(managers: Managers, monkeypatch: pytest.MonkeyPatch):
    """Every call is bounded."""
    from gradent_cli.schedulers.programs import call

    managers.offer("systemctl")
    managers.order(hang="daemon-reload")
    with pytest.raises(UnavailableError, match=r"`systemctl` did not answer within 0\.5 seconds"):
        call(("systemctl", "--user", "daemon-reload"), os.environ, time_limit=0.5)


# ── what all of them promise ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", OTHERS)
def test_in_and_out_again(managers: Managers, config: Path, home: Path, name: str):
    """Installed, changed in place, found without a fault, and gone to the last file."""
    managers.offer(*PROGRAMS)
    scheduler = open_scheduler(name, os.environ)
    assert scheduler.uninstall(config) == {}
    assert scheduler.install(job(config)) == {}
    assert list(where(config, os.environ)) == [name]
    assert scheduler.drift(job(config)) == []
    made, calls = scheduler.installed(config), managers.calls
    assert scheduler.install(job(config)) == made
    assert managers.calls == calls
    [sentence] = scheduler.drift(job(config, "*/30 * * * *"))
    assert sentence.startswith(f"{name} does not run it at '*/30 * * * *' (every 30 minutes): gradent install-cron")
    assert scheduler.install(job(config, "*/30 * * * *")) == made
    assert scheduler.drift(job(config, "*/30 * * * *")) == []
    assert scheduler.installed(config).keys() == made.keys()
    assert scheduler.uninstall(config).keys() == made.keys()
    assert where(config, os.environ) == {}
    assert managers.kept() == {}
    assert [path for path in home.rglob("*") if path.is_file()] == [config]


@pytest.mark.parametrize("name", OTHERS)
def test_the_flush_comes_and_goes(managers: Managers, config: Path, home: Path, name: str):
    """A unit of its own beside the run's, which is told when it is missing, late or left over, and leaves no trace."""
    managers.offer(*PROGRAMS)
    scheduler = open_scheduler(name, os.environ)
    plain, early, late = job(config), job(config, flush="0 6 * * *"), job(config, flush="0 7 * * *")
    remedy = f"gradent install-cron --scheduler {name}"
    scheduler.install(plain)
    kept = managers.kept()
    [sentence] = scheduler.drift(late)
    assert sentence == f"{name} does not send at '0 7 * * *' what quiet hours held: {remedy}"
    scheduler.install(early)
    assert scheduler.drift(early) == []
    assert len(scheduler.installed(config)) == 2 * len(scheduler.units(plain))
    assert scheduler.drift(late) == [sentence]
    scheduler.install(late)
    assert scheduler.drift(late) == []
    calls = managers.calls
    scheduler.install(late)
    assert managers.calls == calls
    assert scheduler.drift(plain) == [f"{name} sends what quiet hours held, and there are no quiet hours: {remedy}"]
    [other] = scheduler.drift(job(config, "*/30 * * * *"))
    assert other.startswith(f"{name} does not run it at '*/30 * * * *'")
    scheduler.install(plain)
    assert scheduler.drift(plain) == []
    assert managers.kept() == kept
    scheduler.install(late)
    assert len(scheduler.uninstall(config)) == 2 * len(scheduler.units(plain))
    assert managers.kept() == {}
    assert [path for path in home.rglob("*") if path.is_file()] == [config]


@pytest.mark.parametrize("name", OTHERS)
def test_the_words_of_a_flush(managers: Managers, config: Path, name: str):
    """Each scheduler's unit has them whole."""
    run, flush = job(config), job(config, flush="0 7 * * *")
    words = " ".join(flush.flush_command)
    assert words.endswith(f"-P -m gradent_cli --config {config} notify flush --quiet")
    scheduler = open_scheduler(name, os.environ)
    new = {place: content for place, content in scheduler.units(flush).items() if place not in scheduler.units(run)}
    assert all(flush_name(config) in place for place in new)
    text = "".join(content.decode("utf-16" if content[:1] == b"\xff" else "utf-8") for content in new.values())
    assert words in " ".join(text.replace("<string>", " ").replace("</string>", " ").split())


@pytest.mark.parametrize("name", OTHERS)
def test_two_configs_do_not_disturb_each_other(managers: Managers, config: Path, tmp_path: Path, name: str):
    """Each has a unit of its own."""
    managers.offer(*PROGRAMS)
    other = tmp_path / "my courses" / "config.toml"
    scheduler = open_scheduler(name, os.environ)
    scheduler.install(job(config))
    scheduler.install(job(other, "30 6 * * *"))
    scheduler.uninstall(config)
    assert scheduler.drift(job(other, "30 6 * * *")) == []


@pytest.mark.parametrize("name", OTHERS)
def test_a_missing_manager_is_a_refusal(managers: Managers, config: Path, home: Path, name: str):
    """69, and nothing is written."""
    with pytest.raises(UnavailableError, match=r"there is no .* is not installed\); nothing was written"):
        open_scheduler(name, os.environ).install(job(config))
    assert [path for path in home.rglob("*") if path.is_file()] == [config]


@pytest.mark.parametrize(
    ("name", "word"), [("systemd", "enable"), ("launchd", "bootstrap"), ("taskscheduler", "/Create")]
)
def test_a_refused_change_leaves_what_was(managers: Managers, config: Path, name: str, word: str):
    """The old units are back, and no new ones are left behind."""
    managers.offer(*PROGRAMS)
    scheduler = open_scheduler(name, os.environ)
    managers.order(refuse=word)
    with pytest.raises(UnavailableError, match=r"refused: .* said: Failed to do it: Access denied"):
        scheduler.install(job(config))
    assert scheduler.installed(config) == {}
    managers.order()
    scheduler.install(job(config))
    before = scheduler.installed(config)
    managers.order(refuse=word)
    with pytest.raises(UnavailableError):
        scheduler.install(job(config, "*/30 * * * *"))
    assert scheduler.installed(config) == before


@pytest.mark.parametrize("name", OTHERS)
def test_a_flush_that_is_refused_leaves_what_was(managers: Managers, config: Path, name: str):
    """Run and flush are changed together, or neither is."""
    managers.offer(*PROGRAMS)
    scheduler = open_scheduler(name, os.environ)
    scheduler.install(job(config))
    kept = managers.kept()
    managers.order(
        refuse={
            "systemd": f"{flush_name(config)}.timer",
            "launchd": next(
                iter(reversed(open_scheduler("launchd", os.environ).units(job(config, flush="0 7 * * *"))))
            ),
            "taskscheduler": flush_name(config),
        }[name]
    )
    with pytest.raises(UnavailableError, match="Access denied"):
        scheduler.install(job(config, "*/30 * * * *", flush="0 7 * * *"))
    managers.order()
    assert scheduler.drift(job(config)) == []
    if name != "taskscheduler":  # Windows, and its stand-in, add to what they are given a second time
        assert managers.kept() == kept


def test_follow_and_look(managers: Managers, config: Path):
    """A changed frequency goes to where gradent is, and `status` says where that is."""
    assert look(job(config), os.environ) is None
    assert follow(job(config), os.environ) is None
    managers.offer("systemctl")
    open_scheduler("systemd", os.environ).install(job(config))
    assert follow(job(config), os.environ) is None
    assert follow(job(config, "*/30 * * * *"), os.environ) == "systemd now runs it at `*/30 * * * *` (every 30 minutes)"
    assert follow(job(config, "*/30 * * * *", flush="0 7 * * *"), os.environ) == (
        "systemd now runs it at `*/30 * * * *` (every 30 minutes), and sends at `0 7 * * *` what quiet hours held"
    )
    assert follow(job(config, "*/30 * * * *"), os.environ) == "systemd now runs it at `*/30 * * * *` (every 30 minutes)"
    found = look(job(config, "*/30 * * * *"), os.environ)
    assert found is not None
    where_it_is, drift = found
    assert where_it_is.startswith("systemd: ")
    assert where_it_is.endswith(".timer")
    assert drift == []


# ── through the front door ─────────────────────────────────────────────────────────────────────────────────────────


def test_install_into_systemd_and_back(gradent: Gradent, managers: Managers, config: Path, home: Path):
    """Says where, when and what to know; keeps the PATH; status and `config set` know it; uninstall says what went."""
    managers.offer("systemctl", "loginctl")
    managers.order(linger="no")
    units = home / ".config" / "systemd" / "user"
    service, timer = units / f"{unit_name(config)}.service", units / f"{unit_name(config)}.timer"
    result = gradent("install-cron")
    assert (result.code, result.err) == (
        0,
        "gradent: warning: systemd ends your timers when you log out; to keep them: loginctl enable-linger\n",
    )
    assert result.out.startswith(
        f"Installed in systemd:\n  {service}\n  {timer}\nEvery hour, at minute 0.\nThe next times:\n"
    )
    connection = sqlite3.connect(home / ".local" / "state" / "gradent" / "gradent.db")
    assert connection.execute("SELECT value FROM facts WHERE key = 'path'").fetchone() == (os.environ["PATH"],)
    connection.close()
    assert gradent("install-cron").out.startswith("already installed; nothing changed\n")
    status = json.loads(gradent("status", "--json").out)
    assert (status["installed"], status["drift"]) == (True, [])
    assert status["installed_line"] == f"systemd: {service}, {timer}"
    changed = gradent("config", "set", "--frequency", "6hours")
    assert "systemd now runs it at `0 0,6,12,18 * * *`" in changed.out
    assert "OnCalendar=*-*-* 00,06,12,18:00:00\n" in timer.read_text()
    config.write_text('frequency = "12hours"\n')
    assert gradent("install-cron").out.startswith("Changed in systemd:\n")
    result = gradent("uninstall-cron")
    assert (result.code, result.out, result.err) == (0, f"Removed from systemd:\n  {service}\n  {timer}\n", "")
    assert not service.exists()
    assert not timer.exists()


def test_dry_runs_show_units_as_a_difference(gradent: Gradent, managers: Managers, config: Path, home: Path):
    """And change nothing, in either direction."""
    managers.offer("systemctl")
    shown = gradent("install-cron", "--scheduler", "systemd", "--dry-run")
    assert "+OnCalendar=*-*-* *:00:00 UTC" in shown.out.splitlines()
    assert managers.calls == []
    gradent("install-cron", "--scheduler", "systemd")
    again = gradent("install-cron", "--scheduler", "systemd", "--dry-run")
    assert again.out.startswith("already as it should be; nothing would change\n")
    calls = managers.calls
    shown = gradent("uninstall-cron", "--scheduler", "systemd", "--dry-run")
    assert "-OnCalendar=*-*-* *:00:00 UTC" in shown.out.splitlines()
    assert managers.calls == calls
    assert list(where(config, os.environ)) == ["systemd"]


def test_print_shows_what_each_would_be_given(gradent: Gradent, managers: Managers, config: Path, home: Path):
    """The line and all units on standard output; nothing is called or written."""
    managers.offer(*PROGRAMS)
    result = gradent("install-cron", "--scheduler", "print")
    assert (result.code, result.err) == (0, "")
    for words in (
        "# cron: a line of the crontab\n0 * * * * /",
        "OnCalendar=",
        "<key>StartCalendarInterval</key>",
        "PT60M",
    ):
        assert words in result.out
    assert managers.calls == []
    assert [path for path in home.rglob("*") if path.is_file()] == [config]


def test_print_shows_the_flush(gradent: Gradent, managers: Managers, config: Path):
    """For each of them, where there are quiet hours."""
    config.write_text('[notify]\nquiet_hours = "22:30-07:00"\n')
    result = gradent("install-cron", "--scheduler", "print")
    assert "# cron: 2 lines of the crontab\n0 * * * * /" in result.out
    assert f"\n0 7 * * * {sys.executable} " in result.out
    assert "OnCalendar=*-*-* 07:00:00" in result.out
    assert result.out.count("notify flush --quiet") == 3
    assert f"<string>{flush_name(config)}</string>" in result.out


def test_too_many_messages_are_warned_of_wherever_it_is_installed(gradent: Gradent, managers: Managers, config: Path):
    """As with cron; the exit code stays 0."""
    managers.offer("systemctl")
    config.write_text('frequency = "15min"\n[ntfy]\ntopic = "mine-a1b2c3d4e5"\n')
    result = gradent("install-cron")
    assert result.code == 0
    assert "gradent: warning: runs with news would make 384 messages a day, and ntfy.sh takes 250 a day" in result.err


def test_print_names_what_cannot_be_said(gradent: Gradent, managers: Managers, config: Path):
    """One scheduler's limit does not hide the others."""
    config.write_text('frequency = "0 0 */2 * 1"\n')
    result = gradent("install-cron", "--scheduler", "print")
    assert result.code == 0
    assert "# launchd: launchd cannot say `0 0 */2 * 1`" in result.out
    assert "OnCalendar=Mon *-*-01,03," in result.out


@pytest.mark.parametrize("option", ["--verify", "--catch-up", "--undo"])
def test_what_only_cron_has_is_refused(gradent: Gradent, managers: Managers, config: Path, option: str):
    """2, and nothing is installed."""
    managers.offer("systemctl")
    result = gradent("install-cron", "--scheduler", "systemd", option)
    assert result.code == 2
    assert f"gradent: {option} is for cron, and this would be systemd" in result.err
    assert where(config, os.environ) == {}


def test_no_second_scheduler_for_one_config(gradent: Gradent, managers: Managers, config: Path, tmp_path: Path):
    """2 whichever comes second: every run would start twice."""
    managers.offer("systemctl")
    crontab = Crontab(tmp_path / "spool", tmp_path / "offered" / "crontab")
    gradent("install-cron", "--scheduler", "systemd")
    result = gradent("install-cron", "--scheduler", "cron")
    assert result.code == 2
    assert f"gradent: systemd already runs {config}" in result.err
    assert "hint: gradent uninstall-cron --scheduler systemd" in result.err
    assert crontab.tab is None
    gradent("uninstall-cron", "--scheduler", "systemd")
    assert gradent("install-cron", "--scheduler", "cron").code == 0
    result = gradent("install-cron", "--scheduler", "systemd")
    assert result.code == 2
    assert f"gradent: cron already runs {config}" in result.err
    assert where(config, os.environ) == {}


def test_uninstall_finds_it_wherever_it_is(gradent: Gradent, managers: Managers, config: Path, tmp_path: Path):
    """With a crontab program beside it the crontab is looked at as well."""
    managers.offer("systemctl")
    gradent("install-cron")
    Crontab(tmp_path / "spool", tmp_path / "offered" / "crontab")
    result = gradent("uninstall-cron")
    assert result.code == 0
    assert result.out.startswith("Removed from systemd:\n")
    assert result.out.endswith(f"no gradent block for {config} in the crontab\n")
    result = gradent("uninstall-cron", "--scheduler", "systemd")
    assert (result.code, result.out) == (0, f"nothing of {config} in systemd\n")


def test_a_run_remembers_which_scheduler_fired_it(gradent: Gradent, managers: Managers, config: Path):
    """The words that are given to a scheduler are those of a run, and say so."""
    config.write_text('[agent]\nkind = "command"\ncommand = ["/bin/true"]\n')
    words = job(config).command("systemd")
    assert words[:4] == (sys.executable, "-P", "-m", "gradent_cli")
    result = gradent(*words[4:])
    assert (result.code, result.out, result.err) == (0, "", "")
    assert json.loads(gradent("history", "--json").out)[0]["trigger"] == "systemd"
