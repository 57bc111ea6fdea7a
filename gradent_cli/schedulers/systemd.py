"""systemd user timers: a `.service` and a `.timer` in the person's own unit folder.

https://www.freedesktop.org/software/systemd/man/latest/systemd.timer.html, systemd.time(7), systemd.service(5).
"""

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from gradent_cli import paths
from gradent_cli.errors import GradentError, UnavailableError
from gradent_cli.frequency import next_times
from gradent_cli.schedulers import Job, Units, flush_name, unit_name, units
from gradent_cli.schedulers.entries import Entry, entries
from gradent_cli.schedulers.programs import Answer, call, told

_NAMED = "# Written by `gradent install-cron`, which also changes and removes it; for "
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_PLAIN = re.compile(r"[A-Za-z0-9_./:=@+,-]+")
# Files of time zones commonly list their changes up to 2037. That they are the same ones whenever it is asked keeps
# an installed unit from differing by the date alone.
_YEARS = range(2026, 2038)
_CHECKED = timedelta(days=1, hours=3)

_SERVICE = """\
{named}
[Unit]
Description={what}

[Service]
Type=oneshot
ExecStart={command}
# Another run was going on, which is no failure.
SuccessExitStatus=75
"""
_TIMER = """\
{named}
[Unit]
Description={what} at {expression}

[Timer]
{times}
Persistent=true
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


class Systemd:
    """The user manager of whoever runs this, through `systemctl --user`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._folder = paths.default_config(environ).parents[1] / "systemd" / "user"

    def missing(self) -> str | None:
        try:
            answer = self._call("show", "--property=Version")
        except UnavailableError as error:
            return f"no systemd ({error.message})"
        return None if answer.code == 0 else f"no systemd for you ({answer.complaint})"

    def units(self, job: Job) -> Units:
        # "Executable name contains special characters", whatever way it is quoted (systemd 252).
        units.refuse_unfit(job, "a systemd unit", in_program="\"'\\")
        wanted = self._pair(unit_name(job.config), job, "gradent run", job.command("systemd"), job.expression)
        if job.flush is not None:
            wanted |= self._pair(flush_name(job.config), job, "gradent notify flush", job.flush_command, job.flush)
        return wanted

    def _pair(self, name: str, job: Job, what: str, words: tuple[str, ...], expression: str) -> Units:
        named = _named(job.config)
        times = "\n".join(f"OnCalendar={each}" for each in on_calendar(expression, job.zone))
        service = _SERVICE.format(named=named, what=what, command=_command_line(words))
        timer = _TIMER.format(named=named, what=what, expression=expression, times=times)
        return {
            str(self._folder / f"{name}.service"): service.encode(),
            str(self._folder / f"{name}.timer"): timer.encode(),
        }

    def installed(self, config: Path) -> Units:
        first_line = os.fsencode(_named(config)) + b"\n"
        names = (unit_name(config), flush_name(config))
        paths = [self._folder / f"{name}.{kind}" for name in names for kind in ("service", "timer")]
        return units.read(paths, lambda content: content.startswith(first_line))

    def install(self, job: Job) -> Units:
        wanted, before = self.units(job), self.installed(job.config)
        self._require()
        if before == wanted and self._at_work(wanted):
            return before
        try:
            for timer in _timers(before):
                self._stop(timer)
                if timer not in _timers(wanted):
                    self._do("disable", timer)
            units.put(wanted, instead_of=before)
            self._do("daemon-reload")
            for timer in _timers(wanted):
                self._do("enable", "--now", timer)
        except GradentError:
            for timer in _timers(wanted):
                self._call("disable", "--now", timer)
            units.put(before, instead_of=wanted)
            self._call("daemon-reload")
            for timer in _timers(before):
                self._call("enable", "--now", timer)
            raise
        return before

    def uninstall(self, config: Path) -> Units:
        before = self.installed(config)
        if before:
            self._require()
            timers = _timers(before)
            for timer in timers:
                self._do("disable", timer)
                self._stop(timer)
            units.put({}, instead_of=before)
            self._do("daemon-reload")
            # A run that failed would be listed for ever; of one that did not there is nothing to forget.
            for timer in timers:
                self._call("reset-failed", timer.removesuffix("timer") + "service")
        return before

    def drift(self, job: Job) -> list[str]:
        found = self.installed(job.config)
        if not found:
            return []
        interpreter = _words(found, b"ExecStart=")[:1]
        sentences = units.differences(
            "systemd",
            job,
            found,
            self.units(job),
            schedule=lambda files: _lines(files, b"OnCalendar="),
            interpreter=interpreter[0] if interpreter else None,
        )
        if (missing := self.missing()) is not None:
            sentences.append(f"nobody can say whether the timer is at work, for there is {missing}: log in as yourself")
        elif not self._at_work(found):
            sentences.append("the systemd timer is not at work: gradent install-cron --scheduler systemd")
        return sentences

    def advice(self) -> str | None:
        """None where the user manager lives without a login, or logind does not say."""
        try:
            answer = call(("loginctl", "show-user", "--property=Linger", "--value"), self._environ)
        except UnavailableError:
            return None
        if answer.out.strip() != b"no":
            return None
        return "systemd ends your timers when you log out; to keep them: loginctl enable-linger"

    def _require(self) -> None:
        missing = self.missing()
        if missing is not None:
            raise UnavailableError(
                f"there is {missing}; nothing was written",
                hint="log in as yourself (with su or sudo there is no session), or use another --scheduler",
            )

    def _at_work(self, found: Units) -> bool:
        """Whether each timer waits, will do so after a restart, and is as its file says."""
        return all(self._state(timer) == _AT_WORK for timer in _timers(found))

    def _state(self, timer: str) -> dict[str, str]:
        answer = self._call("show", timer, "--property=" + ",".join(_AT_WORK))
        return dict(line.split("=", 1) for line in answer.out.decode(errors="replace").splitlines() if "=" in line)

    def _stop(self, timer: str) -> None:
        """The note of the last firing goes too: else a new schedule would at once make up for slots it never had."""
        self._do("stop", timer)
        self._call("clean", "--what=state", timer)

    def _do(self, *arguments: str) -> None:
        answer = self._call(*arguments)
        if answer.code != 0:
            command = f"systemctl --user {' '.join(arguments)}"
            raise UnavailableError(f"systemd refused: {told(command, answer)}")

    def _call(self, *arguments: str) -> Answer:
        return call(("systemctl", "--user", *arguments), self._environ)


_AT_WORK = {"ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"}


def on_calendar(expression: str, zone: tzinfo) -> list[str]:
    """The values of `OnCalendar=` that fire as cron does; together they are an "or".

    systemd fires nothing for a time of day that a clock change skips, and nothing in the second pass through a
    doubled hour (both measured with `systemd-analyze calendar` of 252). What happens in every hour, at minutes that
    are the same in UTC, is therefore said in UTC, where no hour is doubled; of all else, what cron makes up for is
    named moment by moment.
    """
    all_entries = entries(expression)
    in_utc = [entry.every_hour and _same_in_utc(entry, zone) for entry in all_entries]
    lines = [_calendar(entry, utc=utc) for entry, utc in zip(all_entries, in_utc, strict=True)]
    if not all(in_utc):
        lines += [f"{moment:%Y-%m-%d %H:%M:%S} UTC" for moment in _made_up(expression, all_entries, zone)]
    return lines


def _made_up(expression: str, all_entries: Sequence[Entry], zone: tzinfo) -> Iterator[datetime]:
    for changed in _days_of_change(zone):
        for moment in next_times(expression, changed, zone):
            if moment > changed + _CHECKED:
                break
            wall = moment.astimezone(zone)
            if wall.fold or not any(entry.has(wall) for entry in all_entries):
                yield moment


def _days_of_change(zone: tzinfo) -> Iterator[datetime]:
    """Moments, each within a day before the clock changes."""
    day = datetime(_YEARS.start, 1, 1, tzinfo=UTC)
    while day.year < _YEARS.stop:
        following = day + timedelta(days=1)
        if day.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
            yield day
        day = following


def _calendar(entry: Entry, *, utc: bool) -> str:
    weekdays = "" if entry.weekdays is None else ",".join(_WEEKDAYS[day] for day in entry.weekdays) + " "
    date = f"*-{_listed(entry.months)}-{_listed(entry.days)}"
    return f"{weekdays}{date} {_listed(entry.hours)}:{_listed(entry.minutes)}:00{' UTC' if utc else ''}"


def _listed(values: tuple[int, ...] | None) -> str:
    return "*" if values is None else ",".join(f"{value:02}" for value in values)


def _same_in_utc(entry: Entry, zone: tzinfo) -> bool:
    minutes = set(entry.minutes or range(60))
    # The rules of a zone come round every year, so that any year shows all its offsets.
    offsets = {datetime(_YEARS.start, month, 1, tzinfo=UTC).astimezone(zone).utcoffset() for month in range(1, 13)}
    shifts = {int(offset.total_seconds()) // 60 for offset in offsets if offset is not None}
    return all({(minute - shift) % 60 for minute in minutes} == minutes for shift in shifts)


def _named(config: Path) -> str:
    return f"{_NAMED}{config}"


def _command_line(words: tuple[str, ...]) -> str:
    """As systemd.service(5), "Command lines", wants it; in the program's own path `$` is nothing special."""
    program, *arguments = words
    return " ".join([_quoted(program), *(_quoted(word.replace("$", "$$")) for word in arguments)])


def _quoted(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _timers(found: Units) -> list[str]:
    """The timers that these files are of, though the file of one may be missing."""
    return list(dict.fromkeys(f"{Path(place).stem}.timer" for place in found))


def _lines(found: Units, key: bytes) -> list[bytes]:
    return [line for content in found.values() for line in content.splitlines() if line.startswith(key)]


def _words(found: Units, key: bytes) -> list[str]:
    """The words of the first line with this key; none when there is no such line, or a person broke it."""
    for line in _lines(found, key):
        try:
            words = shlex.split(line.removeprefix(key).decode(errors="replace"))
        except ValueError:
            return []
        return [word.replace("%%", "%") for word in words]
    return []
