"""launchd agents: the property list, and launchctl in the hands of a stand-in. Not yet run on macOS."""

import os
import plistlib
import sys
from pathlib import Path

import pytest

from gradent_cli.errors import ConfigError, UnavailableError
from gradent_cli.frequency import FREQUENCIES, cron_expression, parse_at
from gradent_cli.schedulers import Job, unit_name
from gradent_cli.schedulers.launchd import Launchd, calendar_intervals
from tests.street.managers import Managers


@pytest.fixture
def launchd(managers: Managers) -> Launchd:
    return Launchd(os.environ)


@pytest.fixture
def managers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Managers:
    programs = tmp_path / "offered"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/nowhere")
    made = Managers(tmp_path / "managers", programs)
    made.offer("launchctl")
    return made


def job(config: Path, expression: str = "0 0,6,12,18 * * *") -> Job:
    from datetime import UTC

    return Job(config=config, interpreter=Path(sys.executable), expression=expression, zone=UTC)


def test_the_agent_is_a_property_list(launchd: Launchd, home: Path):
    """The label, the words as they are (no shell, no escapes) and the times; read back as it was meant."""
    config = home / "it's 50% <of> $HOME.toml"
    [(path, content)] = launchd.units(job(config)).items()
    assert path == f"{home}/Library/LaunchAgents/{unit_name(config)}.plist"
    assert plistlib.loads(content) == {
        "Label": unit_name(config),
        "ProgramArguments": [
            *(sys.executable, "-P", "-m", "gradent_cli", "--config", str(config)),
            *("run", "--quiet", "--trigger", "launchd"),
        ],
        "StartCalendarInterval": [{"Hour": hour, "Minute": 0} for hour in (0, 6, 12, 18)],
    }


@pytest.mark.parametrize(
    ("expression", "intervals"),
    [
        ("*/30 * * * *", [{"Minute": 0}, {"Minute": 30}]),
        ("* * * * *", [{}]),
        ("0 9 * * 1-2", [{"Weekday": 1, "Hour": 9, "Minute": 0}, {"Weekday": 2, "Hour": 9, "Minute": 0}]),
        (
            "0 9 1 6 7",
            [{"Month": 6, "Day": 1, "Hour": 9, "Minute": 0}, {"Month": 6, "Weekday": 0, "Hour": 9, "Minute": 0}],
        ),
    ],
)
def test_calendar_intervals(expression: str, intervals: list[dict[str, int]]):
    """What is left out is any; an "or" of days is two of them."""
    assert calendar_intervals(expression) == intervals


@pytest.mark.parametrize("key", FREQUENCIES)
def test_every_frequency_can_be_said(key: str):
    """As many times as there are in a day, or in an hour."""
    intervals = calendar_intervals(cron_expression(key, parse_at("07:07")))
    assert (
        len(intervals)
        == {"15min": 4, "30min": 2, "1hour": 1, "3hours": 8, "6hours": 4, "12hours": 2, "24hours": 1}[key]
    )


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("0 0 */2 * 1", "given a day of the month and one of the week it starts on either"),
        ("1-59 1-23 * * *", "would need 1357 times"),
    ],
)
def test_what_launchd_cannot_say(expression: str, why: str):
    """78 with the reason and a way out."""
    with pytest.raises(ConfigError, match=why) as refused:
        calendar_intervals(expression)
    assert refused.value.hint is not None


def test_the_agent_is_booted_in_and_out(launchd: Launchd, managers: Managers, home: Path):
    """In the domain of the person's session; a change goes out and in again."""
    config, domain = home / "gradent.toml", f"gui/{os.getuid()}"
    path, name = f"{home}/Library/LaunchAgents/{unit_name(config)}.plist", unit_name(config)
    launchd.install(job(config))
    launchd.install(job(config, "0 * * * *"))
    launchd.uninstall(config)
    assert managers.calls == [
        f"launchctl bootstrap {domain} {path}",
        f"launchctl bootout {domain}/{name}",
        f"launchctl bootstrap {domain} {path}",
        f"launchctl bootout {domain}/{name}",
    ]


def test_an_agent_that_is_not_loaded(launchd: Launchd, managers: Managers, home: Path):
    """Drift says so, installing again loads it, and uninstalling has nothing to boot out."""
    what = job(home / "gradent.toml")
    launchd.install(what)
    managers.forget(f"loaded-{unit_name(what.config)}")
    assert launchd.drift(what) == ["launchd has not loaded the agent: gradent install-cron --scheduler launchd"]
    launchd.install(what)
    assert launchd.drift(what) == []
    managers.forget(f"loaded-{unit_name(what.config)}")
    launchd.uninstall(what.config)
    assert launchd.installed(what.config) == {}


@pytest.mark.parametrize(
    "content",
    [b"", b"<plist>", b"bplist00", plistlib.dumps([1]), plistlib.dumps({"Label": "mine", "ProgramArguments": ["x"]})],
)
def test_a_foreign_file_is_not_touched(launchd: Launchd, managers: Managers, home: Path, content: bytes):
    """69: what is not an agent that runs this config is somebody's."""
    config = home / "gradent.toml"
    foreign = home / "Library" / "LaunchAgents" / f"{unit_name(config)}.plist"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(content)
    for act in (launchd.install, launchd.drift, lambda what: launchd.uninstall(what.config)):
        with pytest.raises(UnavailableError, match="was not written by gradent; nothing was written"):
            act(job(config))
    assert foreign.read_bytes() == content
    assert managers.calls == []


def test_drift_names_a_python_that_is_gone(launchd: Launchd, home: Path):
    """The one in the file, not this one."""
    config = home / "gradent.toml"
    old = Job(config=config, interpreter=Path("/gone/python"), expression="0 * * * *", zone=job(config).zone)
    launchd.install(old)
    assert launchd.drift(job(config, "0 * * * *")) == [
        "the Python that launchd starts, /gone/python, is gone: gradent install-cron --scheduler launchd"
    ]
