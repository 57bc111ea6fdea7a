"""launchd agents on macOS: a property list in `~/Library/LaunchAgents`.

launchd.plist(5) and launchctl(1), https://keith.github.io/xcode-man-pages/launchd.plist.5.html. Built from these
documents; not yet run on macOS.
"""

import os
import plistlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from gradent_cli import paths
from gradent_cli.errors import ConfigError, GradentError, UnavailableError
from gradent_cli.schedulers import Job, Units, flush_name, unit_name, units
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
        wanted = [self._unit(unit_name(job.config), job.command("launchd"), job.expression)]
        if job.flush is not None:
            wanted.append(self._unit(flush_name(job.config), job.flush_command, job.flush))
        return dict(wanted)

    def _unit(self, label: str, words: Sequence[str], expression: str) -> tuple[str, bytes]:
        agent = {
            "Label": label,
            "ProgramArguments": list(words),
            "StartCalendarInterval": calendar_intervals(expression),
        }
        return str(self._folder / f"{label}.plist"), plistlib.dumps(agent, sort_keys=False)

    def installed(self, config: Path) -> Units:
        paths = [self._folder / f"{label}.plist" for label in (unit_name(config), flush_name(config))]
        return units.read(paths, lambda content: _is_ours(_parsed(content), config))

    def install(self, job: Job) -> Units:
        wanted, before = self.units(job), self.installed(job.config)
        self._require()
        if before == wanted and all(map(self._loaded, wanted)):
            return before
        self._unload(before | wanted)
        try:
            units.put(wanted, instead_of=before)
            for path in wanted:
                self._do("bootstrap", self._domain, path)
        except GradentError:
            for path in wanted:
                self._call("bootout", self._target(path))
            units.put(before, instead_of=wanted)
            for path in before:
                self._call("bootstrap", self._domain, path)
            raise
        return before

    def uninstall(self, config: Path) -> Units:
        before = self.installed(config)
        if before:
            self._require()
            self._unload(before)
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
        if not all(map(self._loaded, found)):
            sentences.append("launchd has not loaded the agent: gradent install-cron --scheduler launchd")
        return sentences

    def advice(self) -> str | None:
        return "launchd runs it only while you are logged in, and once after a sleep"

    def _target(self, path: str) -> str:
        return f"{self._domain}/{Path(path).name.removesuffix('.plist')}"

    def _loaded(self, path: str) -> bool:
        return self._call("print", self._target(path)).code == 0

    def _unload(self, paths: Iterable[str]) -> None:
        for path in paths:
            if self._loaded(path):
                self._do("bootout", self._target(path))

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
