"""launchd agents on macOS: a property list in `~/Library/LaunchAgents`.

launchd.plist(5) and launchctl(1), https://keith.github.io/xcode-man-pages/launchd.plist.5.html. Built from these
documents; not yet run on macOS.
"""

import os
import plistlib
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from gradent_cli import paths
from gradent_cli.errors import ConfigError, GradentError, UnavailableError
from gradent_cli.schedulers import Job, Units, unit_name, units
from gradent_cli.schedulers.entries import Entry, entries
from gradent_cli.schedulers.programs import Answer, call, told

_MOST_TIMES = 500


class Launchd:
    """The agents of whoever runs this, in the graphical session, through `launchctl`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._folder = paths.home(environ) / "Library" / "LaunchAgents"
        self._domain = f"gui/{os.getuid()}"

    def missing(self) -> str | None:
        try:
            answer = self._call("print", self._domain)
        except UnavailableError as error:
            return f"no launchd ({error.message})"
        return None if answer.code == 0 else f"no launchd session ({answer.complaint})"

    def units(self, job: Job) -> Units:
        units.refuse_unfit(job, "a launchd agent")
        agent = {
            "Label": unit_name(job.config),
            "ProgramArguments": list(job.command("launchd")),
            "StartCalendarInterval": calendar_intervals(job.expression),
        }
        return {str(self._path(job.config)): plistlib.dumps(agent, sort_keys=False)}

    def installed(self, config: Path) -> Units:
        return units.read([self._path(config)], lambda content: _is_ours(_parsed(content), config))

    def install(self, job: Job) -> Units:
        wanted, before = self.units(job), self.installed(job.config)
        self._require()
        loaded = self._loaded(job.config)
        if before == wanted and loaded:
            return before
        if loaded:
            self._do("bootout", self._target(job.config))
        try:
            units.put(wanted, instead_of=before)
            self._do("bootstrap", self._domain, str(self._path(job.config)))
        except GradentError:
            units.put(before, instead_of=wanted)
            if before:
                self._call("bootstrap", self._domain, str(self._path(job.config)))
            raise
        return before

    def uninstall(self, config: Path) -> Units:
        before = self.installed(config)
        if before:
            self._require()
            if self._loaded(config):
                self._do("bootout", self._target(config))
            units.put({}, instead_of=before)
        return before

    def drift(self, job: Job) -> list[str]:
        found = self.installed(job.config)
        if not found:
            return []
        sentences = units.differences(
            "launchd",
            job,
            found,
            self.units(job),
            schedule=lambda files: [_parsed(content).get("StartCalendarInterval") for content in files.values()],
            interpreter=next(_parsed(content)["ProgramArguments"][0] for content in found.values()),
        )
        if not self._loaded(job.config):
            sentences.append("launchd has not loaded the agent: gradent install-cron --scheduler launchd")
        return sentences

    def advice(self) -> str | None:
        return "launchd runs it only while you are logged in, and once after a sleep"

    def _path(self, config: Path) -> Path:
        return self._folder / f"{unit_name(config)}.plist"

    def _target(self, config: Path) -> str:
        return f"{self._domain}/{unit_name(config)}"

    def _loaded(self, config: Path) -> bool:
        return self._call("print", self._target(config)).code == 0

    def _require(self) -> None:
        missing = self.missing()
        if missing is not None:
            raise UnavailableError(
                f"there is {missing}; nothing was written", hint="log in at the screen, or use another --scheduler"
            )

    def _do(self, *arguments: str) -> None:
        answer = self._call(*arguments)
        if answer.code != 0:
            command = f"launchctl {' '.join(arguments)}"
            raise UnavailableError(f"launchd refused: {told(command, answer)}")

    def _call(self, *arguments: str) -> Answer:
        return call(("launchctl", *arguments), self._environ)


def calendar_intervals(expression: str) -> list[dict[str, int]]:
    """The `StartCalendarInterval` that fires as cron does; a key that is left out is any.

    Raises:
        ConfigError: launchd cannot say it.
    """
    intervals = [interval for entry in entries(expression) for interval in _intervals(entry, expression)]
    if len(intervals) > _MOST_TIMES:
        raise ConfigError(
            f"launchd would need {len(intervals)} times for `{expression}`, and gradent gives it {_MOST_TIMES} at most",
            hint="choose one of the frequencies, or an expression with fewer times",
        )
    return intervals


def _intervals(entry: Entry, expression: str) -> list[dict[str, int]]:
    if entry.days is not None and entry.weekdays is not None:
        raise ConfigError(
            f"launchd cannot say `{expression}`: given a day of the month and one of the week it starts on either",
            hint="choose one of the frequencies, or an expression with '*' as one of the two",
        )
    fields = {
        "Month": entry.months,
        "Day": entry.days,
        "Weekday": entry.weekdays,
        "Hour": entry.hours,
        "Minute": entry.minutes,
    }
    given = {key: values for key, values in fields.items() if values is not None}
    return [dict(zip(given, values, strict=True)) for values in product(*given.values())]


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        agent = plistlib.loads(content)
    except (ExpatError, plistlib.InvalidFileException):
        return {}
    return agent if isinstance(agent, dict) else {}


def _is_ours(agent: dict[str, Any], config: Path) -> bool:
    arguments = agent.get("ProgramArguments")
    return isinstance(arguments, list) and arguments[2:6] == ["-m", "gradent_cli", "--config", str(config)]
