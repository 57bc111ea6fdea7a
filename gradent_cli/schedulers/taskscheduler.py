"""Windows' Task Scheduler, for gradent inside the Windows Subsystem for Linux: a task that starts `wsl.exe`.

gradent itself needs a Unix. WSL's own cron and systemd run only while a distribution is open; this task opens it.
https://learn.microsoft.com/windows/win32/taskschd/task-scheduler-schema,
https://learn.microsoft.com/windows-server/administration/windows-commands/schtasks-create,
https://learn.microsoft.com/windows/wsl/basic-commands. Built from these documents; not yet run on Windows.
"""

import os
import pwd
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from xml.etree import ElementTree

from gradent_cli.errors import ConfigError, UnavailableError
from gradent_cli.schedulers import Job, Units, flush_name, unit_name, units
from gradent_cli.schedulers.entries import Entry, entries
from gradent_cli.schedulers.programs import Answer, call, told

_NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
# triggersType in the schema: maxOccurs="48".
_MOST_TRIGGERS = 48
_OURS = "gradent run for "
# What Windows adds to a trigger when it gives a task back, and what changes nothing.
_DEFAULTS = ("Enabled=true", "StopAtDurationEnd=false")


class TaskScheduler:
    """The tasks of whoever runs this, through `schtasks.exe`, which WSL has in its PATH."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def missing(self) -> str | None:
        try:
            answer = call(("wslpath", "-w", "/"), self._environ)
        except UnavailableError as error:
            return f"no Windows around this ({error.message})"
        return None if answer.code == 0 else f"no Windows around this ({answer.complaint})"

    def units(self, job: Job) -> Units:
        # wsl.exe and Task Scheduler each expand some of these, and nothing says how to keep them from it.
        units.refuse_unfit(job, "a Windows task", forbidden='"\\%$')
        wanted = {unit_name(job.config): self._task(job.config, job.command("taskscheduler"), job.expression)}
        if job.flush is not None:
            wanted[flush_name(job.config)] = self._task(job.config, job.flush_command, job.flush)
        return wanted

    def _task(self, config: Path, words: Sequence[str], expression: str) -> bytes:
        task = ElementTree.Element("Task", {"version": "1.3", "xmlns": _NAMESPACE})
        _add(_add(task, "RegistrationInfo"), "Description", f"{_OURS}{config}")
        trigger_list = _add(task, "Triggers")
        trigger_list.extend(triggers(expression))
        principal = _add(_add(task, "Principals"), "Principal")
        principal.set("id", "Author")
        _add(principal, "LogonType", "InteractiveToken")
        settings = _add(task, "Settings")
        for name, value in _SETTINGS.items():
            _add(settings, name, value)
        actions = _add(task, "Actions")
        actions.set("Context", "Author")
        program = _add(actions, "Exec")
        _add(program, "Command", "wsl.exe")
        _add(program, "Arguments", subprocess.list2cmdline([*self._inside(), *words]))
        ElementTree.indent(task)
        content: bytes = ElementTree.tostring(task, encoding="utf-16")
        return content

    def installed(self, config: Path) -> Units:
        found: Units = {}
        for name in (unit_name(config), flush_name(config)):
            try:
                answer = self._call("/Query", "/TN", name, "/XML")
            except UnavailableError:
                return {}
            if answer.code != 0:  # schtasks says in the words of its language that there is none
                continue
            if _text(_parsed(answer.out), "RegistrationInfo/Description") != f"{_OURS}{config}":
                raise UnavailableError(
                    f"the Windows task {name} is there and was not made by gradent; nothing was written",
                    hint="rename it in Task Scheduler, then try again",
                )
            found[name] = answer.out
        return found

    def install(self, job: Job) -> Units:
        wanted, before = self.units(job), self.installed(job.config)
        self._require()
        if before and _essence(before) == _essence(wanted):
            return before
        done: list[str] = []
        try:
            for name, content in wanted.items():
                # Without /F schtasks does not overwrite: what came up since we looked is not ours.
                self._create(name, content, *(("/F",) if name in before else ()))
                done.append(name)
            for name in before.keys() - wanted.keys():
                self._do("/Delete", "/TN", name, "/F")
        except UnavailableError:
            for name in done:
                if name in before:
                    self._create(name, _decoded(before[name]).encode("utf-16"), "/F")
                else:
                    self._do("/Delete", "/TN", name, "/F")
            raise
        return before

    def _create(self, name: str, content: bytes, *options: str) -> None:
        with NamedTemporaryFile(prefix="gradent-", suffix=".xml") as file:
            file.write(content)
            file.flush()
            file_name = call(("wslpath", "-w", file.name), self._environ).out.decode().strip()
            self._do("/Create", "/TN", name, "/XML", file_name, *options)

    def uninstall(self, config: Path) -> Units:
        before = self.installed(config)
        for name in before:
            self._do("/Delete", "/TN", name, "/F")
        return before

    def drift(self, job: Job) -> list[str]:
        found, wanted = self.installed(job.config), self.units(job)
        if not found or _essence(found) == _essence(wanted):
            return []
        return units.differences("taskscheduler", job, found, wanted, schedule=_schedule, interpreter=None)

    def advice(self) -> str | None:
        return "Windows runs it only while you are logged in, and once after a sleep"

    def _inside(self) -> Sequence[str]:
        distribution = self._environ.get("WSL_DISTRO_NAME")
        return (
            *(("--distribution", distribution) if distribution else ()),
            *("--user", pwd.getpwuid(os.getuid()).pw_name),
            "--exec",
        )

    def _require(self) -> None:
        missing = self.missing()
        if missing is not None:
            raise UnavailableError(f"there is {missing}; nothing was written", hint="use another --scheduler")

    def _do(self, *arguments: str) -> None:
        answer = self._call(*arguments)
        if answer.code != 0:
            command = f"schtasks.exe {' '.join(arguments)}"
            raise UnavailableError(f"Windows refused: {told(command, answer)}")

    def _call(self, *arguments: str) -> Answer:
        return call(("schtasks.exe", *arguments), self._environ)


# On battery and on time: the defaults of Windows would skip both.
_SETTINGS = {
    "MultipleInstancesPolicy": "IgnoreNew",
    "DisallowStartIfOnBatteries": "false",
    "StopIfGoingOnBatteries": "false",
    "StartWhenAvailable": "true",
    "ExecutionTimeLimit": "PT0S",
}


def triggers(expression: str) -> list[ElementTree.Element]:
    """The triggers that fire as cron does.

    What happens in every hour at an even distance is one trigger that repeats for ever: it counts minutes, so that
    no clock change touches it. All else is a daily, weekly or monthly trigger per time of day.

    Raises:
        ConfigError: Task Scheduler cannot say it.
    """
    found = [trigger for entry in entries(expression) for trigger in _triggers(entry, expression)]
    if len(found) > _MOST_TRIGGERS:
        raise ConfigError(
            f"Windows would need {len(found)} triggers for `{expression}`, and a task can have {_MOST_TRIGGERS}",
            hint="choose one of the frequencies, or an expression with fewer times",
        )
    return found


def _triggers(entry: Entry, expression: str) -> Iterable[ElementTree.Element]:
    minutes = entry.minutes or tuple(range(60))
    distance = 60 // len(minutes)
    if entry.every_hour and minutes == tuple(range(minutes[0], 60, distance)) and 60 % len(minutes) == 0:
        trigger = ElementTree.Element("TimeTrigger")
        _add(trigger, "StartBoundary", _boundary(0, minutes[0]))
        _add(_add(trigger, "Repetition"), "Interval", f"PT{distance}M")
        yield trigger
        return
    if entry.days is not None and entry.weekdays is not None:
        raise ConfigError(
            f"Windows cannot say `{expression}`: no trigger wants a day of the month and one of the week at once",
            hint="choose one of the frequencies, or an expression with '*' as one of the two",
        )
    for hour in entry.hours or range(24):
        for minute in minutes:
            trigger = ElementTree.Element("CalendarTrigger")
            _add(trigger, "StartBoundary", _boundary(hour, minute))
            trigger.append(_days(entry))
            yield trigger


def _boundary(hour: int, minute: int) -> str:
    """A local time of day; the date only has to lie in the past."""
    return f"2026-01-01T{hour:02}:{minute:02}:00"


def _days(entry: Entry) -> ElementTree.Element:
    if entry.days is None and entry.weekdays is None and entry.months is None:
        schedule = ElementTree.Element("ScheduleByDay")
        _add(schedule, "DaysInterval", "1")
    elif entry.weekdays is None:
        schedule = ElementTree.Element("ScheduleByMonth")
        days = _add(schedule, "DaysOfMonth")
        for day in entry.days or range(1, 32):
            _add(days, "Day", str(day))
    elif entry.months is None:
        schedule = ElementTree.Element("ScheduleByWeek")
        _add(schedule, "WeeksInterval", "1")
    else:
        schedule = ElementTree.Element("ScheduleByMonthDayOfWeek")
        weeks = _add(schedule, "Weeks")
        for week in ("1", "2", "3", "4", "Last"):
            _add(weeks, "Week", week)
    if entry.weekdays is not None:
        weekdays = _add(schedule, "DaysOfWeek")
        for number in entry.weekdays:
            _add(weekdays, _WEEKDAYS[number])
    if schedule.tag.startswith("ScheduleByMonth"):
        months = _add(schedule, "Months")
        for number in entry.months or range(1, 13):
            _add(months, _MONTHS[number - 1])
    return schedule


def _add(parent: ElementTree.Element, name: str, text: str | None = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, name)
    child.text = text
    return child


def _parsed(content: bytes) -> ElementTree.Element:
    """A task as Windows or we wrote it, every name without its namespace; an empty one when it is no XML."""
    try:
        task = ElementTree.fromstring(_decoded(content))  # noqa: S314  what Windows says about our own task
    except (UnicodeDecodeError, ElementTree.ParseError):
        return ElementTree.Element("Task")
    for element in task.iter():
        element.tag = element.tag.rpartition("}")[2]
    return task


def _decoded(content: bytes) -> str:
    """Through a pipe schtasks says UTF-16 and writes the console's own encoding."""
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    return content.decode("utf-16") if marked else content.decode(errors="replace")


def _text(task: ElementTree.Element, path: str) -> str:
    return task.findtext(path, default="")


def _schedule(found: Units) -> list[str]:
    """The triggers, each as one comparable text."""
    return sorted(_told(trigger) for content in found.values() for trigger in _parsed(content).iterfind("Triggers/*"))


def _told(trigger: ElementTree.Element) -> str:
    parts = [f"{part.tag}={(part.text or '').strip()}" for part in trigger.iter()]
    return " ".join(part for part in parts if part not in _DEFAULTS)


def _essence(found: Units) -> list[list[str]]:
    """What of each task is ours: Windows adds elements of its own and forgets our blanks."""
    ours = ("Actions/Exec/Command", "Actions/Exec/Arguments")
    tasks = [(name, content, _parsed(content)) for name, content in sorted(found.items())]
    return [
        [
            *(name, *_schedule({name: content})),
            *(_text(task, path) for path in ours),
            _text(task, "Settings/Enabled") or "true",
        ]
        for name, content, task in tasks
    ]
