"""Windows tasks: the XML, judged by Microsoft's own schema, and schtasks as a stand-in. Not yet run on Windows."""

import os
import pwd
import shutil
import subprocess
import sys
from datetime import UTC
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gradent_cli.errors import ConfigError, UnavailableError
from gradent_cli.frequency import FREQUENCIES, cron_expression, parse_at
from gradent_cli.schedulers import Job, unit_name
from gradent_cli.schedulers.taskscheduler import TaskScheduler, triggers
from tests.e2e.conftest import need
from tests.street.managers import Managers

SCHEMA = Path(__file__).parent / "data" / "windows_task.xsd"
NAMESPACE = {"": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
EXPRESSIONS = [
    *(cron_expression(key, parse_at(at)) for key in FREQUENCIES for at in ("00:00", "01:30")),
    *("0 9 * * 1-5", "0 9 1,31 * *", "0 9 * 2 *", "0 9 * 2,3 sun", "0 9 1 * 1", "0,10 9-17 * * *", "* * * * *"),
]


@pytest.fixture
def managers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Managers:
    programs = tmp_path / "offered"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/nowhere")
    monkeypatch.setenv("WSL_DISTRO_NAME", "Debian 12")
    made = Managers(tmp_path / "managers", programs)
    made.offer("schtasks.exe", "wslpath")
    return made


@pytest.fixture
def windows(managers: Managers) -> TaskScheduler:
    return TaskScheduler(os.environ)


def job(config: str | Path = "/home/ada/my courses.toml", expression: str = "0 9 * * *") -> Job:
    return Job(config=Path(config), interpreter=Path(sys.executable), expression=expression, zone=UTC)


def test_the_task_opens_wsl(windows: TaskScheduler):
    """The distribution and account of this shell, no shell between; nothing about batteries or late starts is lost."""
    [(name, content)] = windows.units(job()).items()
    assert name == unit_name(job().config)
    assert content.startswith("\ufeff<?xml".encode("utf-16-le"))
    task = ElementTree.fromstring(content)
    found = {
        path: task.findtext(path, namespaces=NAMESPACE) for path in ("Actions/Exec/Command", "Actions/Exec/Arguments")
    }
    account = pwd.getpwuid(os.getuid()).pw_name
    arguments = (
        f'--distribution "Debian 12" --user {account} --exec {sys.executable} -P -m gradent_cli '
        '--config "/home/ada/my courses.toml" run --quiet --trigger taskscheduler'
    )
    assert list(found.values()) == ["wsl.exe", arguments]
    settings = task.find("Settings", NAMESPACE)
    assert settings is not None
    assert {child.tag.rpartition("}")[2]: child.text for child in settings} == {
        "MultipleInstancesPolicy": "IgnoreNew",
        "DisallowStartIfOnBatteries": "false",
        "StopIfGoingOnBatteries": "false",
        "StartWhenAvailable": "true",
        "ExecutionTimeLimit": "PT0S",
    }


def told(trigger: ElementTree.Element) -> str:
    return "".join(ElementTree.tostring(trigger, encoding="unicode").split())


@pytest.mark.parametrize(
    ("expression", "starts", "says"),
    [
        ("*/15 * * * *", ["00:00"], "<Interval>PT15M</Interval>"),
        ("7,37 * * * *", ["00:07"], "<Interval>PT30M</Interval>"),
        ("5 * * * *", ["00:05"], "<Interval>PT60M</Interval>"),
        ("* * * * *", ["00:00"], "<Interval>PT1M</Interval>"),
        ("30 1,13 * * *", ["01:30", "13:30"], "<ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>"),
        ("0 9 * * 0,1", ["09:00"], "<WeeksInterval>1</WeeksInterval><DaysOfWeek><Sunday/><Monday/></DaysOfWeek>"),
        ("0 9 1 2 *", ["09:00"], "<DaysOfMonth><Day>1</Day></DaysOfMonth><Months><February/></Months>"),
        (
            "0 9 * 2 1",
            ["09:00"],
            "<Week>4</Week><Week>Last</Week></Weeks><DaysOfWeek><Monday/></DaysOfWeek><Months><February/>",
        ),
    ],
)
def test_triggers(expression: str, starts: list[str], says: str):
    """An even distance repeats for ever, so that a day of 25 hours loses nothing; all else is by the calendar."""
    found = triggers(expression)
    assert [trigger.findtext("StartBoundary") for trigger in found] == [f"2026-01-01T{at}:00" for at in starts]
    for trigger in found:
        assert says in told(trigger)
        assert trigger.find("Repetition/Duration") is None


def test_an_or_of_days_is_two_triggers():
    """Each is enough."""
    first, second = triggers("0 9 1 * 1")
    assert "<Day>1</Day>" in told(first)
    assert "<Monday/>" in told(second)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_no_task_has_more_triggers_than_windows_takes(expression: str):
    """48, and every frequency is far below it."""
    assert 1 <= len(triggers(expression)) <= 48


@pytest.mark.parametrize(
    ("expression", "why"),
    [("0 0 */2 * 1", "no trigger wants"), ("*/10 9-17 * * *", "would need 54 triggers"), ("0,10 * * * *", "48$")],
)
def test_what_windows_cannot_say(expression: str, why: str):
    """78 with the reason and a way out; 48 is not too many."""
    if why == "48$":
        assert len(triggers(expression)) == 48
        return
    with pytest.raises(ConfigError, match=why) as refused:
        triggers(expression)
    assert refused.value.hint is not None


@pytest.mark.parametrize("character", ['"', "\\", "%", "$", "\n"])
def test_a_path_that_windows_would_read_otherwise(windows: TaskScheduler, character: str):
    """78 with the character."""
    with pytest.raises(ConfigError, match=r"cannot put the config file .* into a Windows task: its path has"):
        windows.units(job(f"/home/ada/a{character}b.toml"))


def test_a_foreign_task_is_not_touched(windows: TaskScheduler, managers: Managers):
    """69: a task under our name that is not for this config is somebody's."""
    windows.install(job("/home/ada/other.toml"))
    theirs = managers.kept()[f"task-{unit_name(Path('/home/ada/other.toml'))}"]
    foreign = f"task-{unit_name(job().config)}"
    (folder,) = {path.parent for path in Path(os.environ["HOME"]).parent.glob("managers/task-*")}
    (folder / foreign).write_text(theirs)
    calls = managers.calls
    for act in (windows.install, windows.drift, lambda what: windows.uninstall(what.config)):
        with pytest.raises(UnavailableError, match="was not made by gradent; nothing was written"):
            act(job())
    assert (managers.kept()[foreign], managers.calls) == (theirs, calls)


def test_a_task_switched_off_by_hand_is_drift(windows: TaskScheduler, managers: Managers, tmp_path: Path):
    """Windows says so in the task it gives back; what it adds by itself is no drift."""
    windows.install(job())
    assert windows.drift(job()) == []
    task = tmp_path / "managers" / f"task-{unit_name(job().config)}"
    task.write_text(task.read_text().replace("<Settings>", "<Settings><Enabled>false</Enabled>"))
    assert windows.drift(job()) == [
        "what taskscheduler has is not what gradent would write: gradent install-cron --scheduler taskscheduler"
    ]
    windows.install(job())
    assert windows.drift(job()) == []


@pytest.mark.e2e
def test_microsofts_schema_takes_every_task(tmp_path: Path):
    """Of every kind of trigger; and it does refuse what is wrong."""
    xmllint = shutil.which("xmllint")
    need(xmllint, "the schema needs xmllint (apt-get install libxml2-utils)")

    def judge(name: str, task: bytes) -> str:
        path = tmp_path / f"{name}.xml"
        path.write_bytes(task)
        done = subprocess.run(
            [str(xmllint), "--noout", "--nonet", "--schema", str(SCHEMA), str(path)],
            check=False,
            capture_output=True,
            text=True,
        )
        return "" if done.returncode == 0 else done.stderr

    for number, expression in enumerate(EXPRESSIONS):
        [task] = TaskScheduler(os.environ).units(job(expression=expression)).values()
        assert judge(str(number), task) == ""
    text = task.decode("utf-16")
    for right, wrong in (("PT1M", "PT30S"), ("IgnoreNew", "Ignore"), ('Context="Author"', 'Context="Me"')):
        assert right in text
        assert judge("wrong", text.replace(right, wrong).encode("utf-16")) != ""
