"""systemd units: what is in them, judged by systemd's own programs where this machine has them."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gradent_cli.errors import ConfigError, UnavailableError
from gradent_cli.frequency import FREQUENCIES, cron_expression, next_times, parse_at
from gradent_cli.schedulers import Job, unit_name
from gradent_cli.schedulers.systemd import Systemd, on_calendar
from tests.e2e.conftest import need
from tests.street.managers import Managers

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
# Zone -> a day before each of its changes in 2026 (or the same days, where there are none).
CHANGES = {
    "Europe/Amsterdam": ("2026-03-28", "2026-10-24"),
    "America/New_York": ("2026-03-07", "2026-10-31"),
    "Australia/Lord_Howe": ("2026-04-04", "2026-10-03"),
    "Africa/Cairo": ("2026-04-23", "2026-10-29"),
    "Asia/Kolkata": ("2026-03-28", "2026-10-24"),
    "UTC": ("2026-03-28", "2026-10-24"),
}
CUSTOM = ("*/10 8-18 * * mon-fri", "0 0 1,15 * 1", "0 0 */2 * 1", "45 23 28-31 2,12 *", "*/20 0-3 * * *", "* * * * *")


@pytest.fixture
def systemd() -> Systemd:
    return Systemd(os.environ)


@pytest.fixture
def managers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Managers:
    programs = tmp_path / "offered"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/nowhere")
    made = Managers(tmp_path / "managers", programs)
    made.offer("systemctl", "loginctl")
    return made


def job(config: str | Path = "/home/ada/gradent.toml", *, python: str = sys.executable, at: str = "0 * * * *") -> Job:
    return Job(config=Path(config), interpreter=Path(python), expression=at, zone=AMSTERDAM)


def files(systemd: Systemd, home: Path, what: Job) -> tuple[str, str]:
    folder, name = home / ".config" / "systemd" / "user", unit_name(what.config)
    units = systemd.units(what)
    assert list(units) == [f"{folder}/{name}.service", f"{folder}/{name}.timer"]
    service, timer = units.values()
    return service.decode(), timer.decode()


# ── what is in the units ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_service_runs_gradent_once(systemd: Systemd, home: Path):
    """The absolute Python, the config, and a run that another one kept from starting is no failure."""
    service, _ = files(systemd, home, job(python="/home/ada/.venv/bin/python"))
    assert service == (
        "# Written by `gradent install-cron`, which also changes and removes it; for /home/ada/gradent.toml\n"
        "[Unit]\n"
        "Description=gradent run\n"
        "\n"
        "[Service]\n"
        "Type=oneshot\n"
        "ExecStart=/home/ada/.venv/bin/python -P -m gradent_cli --config /home/ada/gradent.toml run --quiet "
        "--trigger systemd\n"
        "# Another run was going on, which is no failure.\n"
        "SuccessExitStatus=75\n"
    )


def test_the_timer_makes_up_for_sleep(systemd: Systemd, home: Path):
    """Persistent, to the second, and started with the session."""
    _, timer = files(systemd, home, job(at="30 7 * * *"))
    assert timer.splitlines()[3:] == [
        "",
        "[Timer]",
        "OnCalendar=*-*-* 07:30:00",
        "Persistent=true",
        "AccuracySec=1s",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]


@pytest.mark.parametrize(
    ("expression", "lines"),
    [
        ("*/15 * * * *", ["*-*-* *:00,15,30,45:00 UTC"]),
        ("7 * * * *", ["*-*-* *:07:00 UTC"]),
        ("* * * * *", ["*-*-* *:*:00 UTC"]),
        ("0 0,6,12,18 * * *", ["*-*-* 00,06,12,18:00:00"]),
        ("0 9 1,15 * 1", ["*-*-01,15 09:00:00", "Mon *-*-* 09:00:00"]),
        ("0 9 */16 6 sun", ["Sun *-06-01,17 09:00:00"]),
    ],
)
def test_on_calendar(expression: str, lines: list[str]):
    """Every hour in UTC, fixed times in local time, an "or" of days as two lines."""
    assert on_calendar(expression, AMSTERDAM) == lines


def test_what_a_clock_change_skips_is_named(systemd: Systemd):
    """Twelve springs for a time that systemd would leave out; cron makes up for it at the end of the missing hour."""
    regular, *named = on_calendar("15 2 * * *", AMSTERDAM)
    assert regular == "*-*-* 02:15:00"
    assert named[:2] == ["2026-03-29 01:00:00 UTC", "2027-03-28 01:00:00 UTC"]
    assert len(named) == 12


def test_minutes_that_are_others_in_utc_stay_local():
    """An hour is no hour in UTC where the zone is half an hour off."""
    assert on_calendar("0 * * * *", ZoneInfo("Asia/Kolkata")) == ["*-*-* *:00:00"]
    assert on_calendar("*/30 * * * *", ZoneInfo("Asia/Kolkata")) == ["*-*-* *:00,30:00 UTC"]


@pytest.mark.parametrize("path", ["/home/a\nb.toml", "/home/a\x07b.toml", "/home/a\udcffb.toml"])
def test_a_path_that_no_unit_can_hold(systemd: Systemd, path: str):
    """78 with the reason."""
    with pytest.raises(ConfigError, match=r"cannot put the config file .* into a systemd unit: its path has"):
        systemd.units(job(path))


@pytest.mark.parametrize("character", ["'", '"', "\\"])
def test_a_python_that_systemd_does_not_start(systemd: Systemd, character: str):
    """78: a quotation mark or backslash in the program's own path is refused by systemd, however it is written."""
    with pytest.raises(ConfigError, match=r"cannot put the Python interpreter .* into a systemd unit: its path has"):
        systemd.units(job(python=f"/home/a{character}b/python"))
    systemd.units(job(f"/home/a{character}b.toml"))


# ── what is there already ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("suffix", ["service", "timer"])
def test_a_foreign_file_is_not_touched(systemd: Systemd, managers: Managers, home: Path, suffix: str):
    """69: a file under our name without our first line is somebody's."""
    config = home / "gradent.toml"
    foreign = home / ".config" / "systemd" / "user" / f"{unit_name(config)}.{suffix}"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("[Unit]\nDescription=mine\n")
    for act in (systemd.install, systemd.drift, lambda what: systemd.uninstall(what.config)):
        with pytest.raises(UnavailableError, match="was not written by gradent; nothing was written"):
            act(job(config))
    assert foreign.read_text() == "[Unit]\nDescription=mine\n"
    assert len(list(foreign.parent.iterdir())) == 1
    assert managers.calls == []


def test_no_session_no_change(systemd: Systemd, managers: Managers, home: Path):
    """69 in both directions, with what to do."""
    what = job(home / "gradent.toml")
    managers.order(refuse="--property=Version")
    with pytest.raises(UnavailableError, match="there is no systemd for you") as refused:
        systemd.install(what)
    assert refused.value.hint is not None
    assert "log in as yourself" in refused.value.hint
    assert systemd.installed(what.config) == {}
    managers.order()
    systemd.install(what)
    managers.order(refuse="--property=Version")
    with pytest.raises(UnavailableError):
        systemd.uninstall(what.config)
    assert len(systemd.installed(what.config)) == 2
    assert systemd.drift(what)[0].startswith("nobody can say whether the timer is at work")


def test_the_flush_has_a_service_and_a_timer(systemd: Systemd, home: Path):
    """Named after the run's, and persistent: what was held while the machine slept is sent when it is back."""
    folder, name = home / ".config" / "systemd" / "user", unit_name(job().config)
    wanted = systemd.units(replace(job(), flush="0 7 * * *"))
    assert {path: content for path, content in wanted.items() if "-flush" not in path} == systemd.units(job())
    service, timer = (wanted[f"{folder}/{name}-flush.{kind}"].decode() for kind in ("service", "timer"))
    assert (
        f"ExecStart={sys.executable} -P -m gradent_cli --config /home/ada/gradent.toml notify flush --quiet" in service
    )
    assert "Description=gradent notify flush at 0 7 * * *\n\n[Timer]\nOnCalendar=*-*-* 07:00:00\nPersistent=" in timer


def test_a_change_forgets_the_last_firing(systemd: Systemd, managers: Managers, home: Path):
    """Else Persistent would at once make up for slots that the new schedule never had."""
    config = home / "gradent.toml"
    systemd.install(job(config, at="0 0 * * *"))
    timer = f"{unit_name(config)}.timer"
    seen = len(managers.calls)
    systemd.install(job(config))
    assert managers.calls[seen:] == [
        f"systemctl --user stop {timer}",
        f"systemctl --user clean --what=state {timer}",
        "systemctl --user daemon-reload",
        f"systemctl --user enable --now {timer}",
    ]


@pytest.mark.parametrize("lost", ["active", "enabled"])
def test_a_timer_that_is_not_at_work_is_started_again(systemd: Systemd, managers: Managers, home: Path, lost: str):
    """Drift says so, and installing again helps though every byte is there."""
    what = job(home / "gradent.toml")
    systemd.install(what)
    managers.forget(f"{lost}-{unit_name(what.config)}.timer")
    assert systemd.drift(what) == ["the systemd timer is not at work: gradent install-cron --scheduler systemd"]
    systemd.install(what)
    assert systemd.drift(what) == []


def test_drift_names_what_differs(systemd: Systemd, managers: Managers, home: Path):
    """A Python that is gone, and a hand in the file; a word that a person broke is no crash."""
    what = job(home / "gradent.toml", python="/gone/my venv%/python")
    systemd.install(what)
    [sentence] = systemd.drift(job(what.config))
    assert sentence == (
        "the Python that systemd starts, /gone/my venv%/python, is gone: gradent install-cron --scheduler systemd"
    )
    service, _ = (Path(path) for path in systemd.installed(what.config))
    for broken in ('ExecStart="', "Type=simple"):
        service.write_text(service.read_text().replace("ExecStart=", broken))
        assert "what systemd has is not what gradent would write: gradent install-cron --scheduler systemd" in (
            systemd.drift(job(what.config))
        )


# ── systemd's own judgement ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    need(found, "systemd's own judgement needs systemd-analyze (apt-get install systemd)")
    return str(found)


@pytest.mark.e2e
def test_systemd_verifies_the_units(systemd: Systemd, analyze: str, home: Path, tmp_path: Path):
    """Without a word, for a Python and a config whose paths have everything in them that systemd treats specially."""
    folder = tmp_path / "my 50% of $HOME"
    folder.mkdir()
    python = folder / "python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)

    def verify() -> tuple[int, str]:
        done = subprocess.run(
            [analyze, "--user", "verify", *map(str, units)],
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(runtime), "LC_ALL": "C"},
            check=False,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    what = replace(job(folder / 'it\'s "all" \\ mine.toml', python=str(python), at="15 2 1 * 1"), flush="30 2 * * *")
    units = {Path(path): content for path, content in systemd.units(what).items()}
    for path, content in units.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert verify() == (0, "")
    python.unlink()
    code, said = verify()
    assert code != 0
    assert "is not executable" in said


@pytest.mark.e2e
def test_systemd_fires_when_cron_does(analyze: str, capsys: pytest.CaptureFixture[str]):
    """Every frequency at every anchor, and custom expressions: through each change the very moments of `next_times`."""
    slots: dict[str, int] = {}
    differ = []
    for zone_name, days in CHANGES.items():
        zone = ZoneInfo(zone_name)
        anchored = (cron_expression(key, parse_at(at)) for key in FREQUENCIES for at in ("00:00", "01:30", "02:15"))
        for expression in sorted({*anchored, *CUSTOM}):
            for day in days:
                start = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=zone)
                stop = start + timedelta(days=2)
                ours = set(takewhile(stop.__gt__, next_times(expression, start, zone)))
                theirs = set(fired(analyze, expression, start, stop, zone_name))
                slots[zone_name] = slots.get(zone_name, 0) + len(ours)
                if ours != theirs:
                    differ.append((zone_name, expression, sorted(ours - theirs), sorted(theirs - ours)))
    with capsys.disabled():
        sys.stdout.write(f"\n  systemd-analyze calendar against next_times, slots: {slots}; differing: {len(differ)}\n")
    assert differ == []


def fired(analyze: str, expression: str, start: datetime, stop: datetime, zone: str) -> Iterator[datetime]:
    for line in on_calendar(expression, ZoneInfo(zone)):
        done = subprocess.run(
            [
                analyze,
                "calendar",
                "--iterations=3100" if "*:*" in line else "--iterations=210",
                f"--base-time={start:%F %T}",
                line,
            ],
            env={"TZ": zone, "LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
            text=True,
        )
        for moment in re.findall(r"(?:in UTC|Next elapse|Iter\. #\d+)\)?: \w+ (\S+ \S+) UTC", done.stdout):
            at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
            if start < at < stop:
                yield at


@pytest.mark.e2e
def test_what_systemd_leaves_out_by_itself(analyze: str):
    """The reason for UTC and for named moments: as long as this holds they are needed."""

    def plain(line: str, base: str) -> list[str]:
        done = subprocess.run(
            [analyze, "calendar", "--iterations=3", f"--base-time={base}", line],
            env={"TZ": "Europe/Amsterdam", "LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
            text=True,
        )
        return re.findall(r"(?:Next elapse|Iter\. #\d+): \w+ (\S+ \d\d:\d\d):00 CES?T", done.stdout)

    assert plain("*-*-* 02:30", "2026-03-28 12:00") == ["2026-03-30 02:30", "2026-03-31 02:30", "2026-04-01 02:30"]
    assert plain("*:00/30", "2026-10-25 01:59:00") == ["2026-10-25 02:00", "2026-10-25 02:30", "2026-10-25 03:00"]
