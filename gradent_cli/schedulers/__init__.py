"""What calls `gradent run` again and again: cron, or where there is no crontab one of the rooms beside it.

cron keeps its jobs in one file that belongs to the person, so it has an editor of its own (`block`, `cron`). The
others keep a unit per job under a name of ours; they share one protocol.
"""

import os
import re
from collections.abc import Mapping
from datetime import tzinfo
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gradent_cli.dataclass import dataclass
from gradent_cli.errors import UnavailableError

if TYPE_CHECKING:
    from gradent_cli.config import Config

Units = dict[str, bytes]
"""What a scheduler holds for one job: where (a file, or a task's name) -> content."""

_ROOMS = {"systemd": "Systemd", "launchd": "Launchd", "taskscheduler": "TaskScheduler"}
OTHERS: tuple[str, ...] = tuple(_ROOMS)
"""All schedulers but cron."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`gradent run` for one config, at the times of a cron expression, and what belongs to it.

    Args:
        config, interpreter: absolute; the Python is one that has gradent.
        expression: five fields that `frequency.cron_expression` returned.
        zone: the one that the scheduler lives in.
        flush: when what quiet hours held is sent, five fields; None where there are none.
    """

    config: Path
    interpreter: Path
    expression: str
    zone: tzinfo
    flush: str | None = None

    def command(self, scheduler: str) -> tuple[str, ...]:
        """The words to start; a run is told who fired it, since only cron can be recognised from inside."""
        return (*self._gradent, "run", "--quiet", "--trigger", scheduler)

    @property
    def flush_command(self) -> tuple[str, ...]:
        """The words that send what quiet hours held."""
        return (*self._gradent, "notify", "flush", "--quiet")

    @property
    def _gradent(self) -> tuple[str, ...]:
        return (str(self.interpreter), "-P", "-m", "gradent_cli", "--config", str(self.config))


def job_of(config: "Config", interpreter: Path, environ: Mapping[str, str]) -> Job:
    """What a config asks for, by this Python, at this machine's time."""
    from gradent_cli.frequency import local_zone, zone_of
    from gradent_cli.schedulers import flush

    zone, quiet_hours = local_zone(environ), config.settings.notify.quiet_hours
    lived_in = zone_of(config.settings.study.timezone, environ)
    return Job(
        config=Path(config.path),
        interpreter=interpreter,
        expression=config.cron_expression,
        zone=zone,
        flush=None if quiet_hours is None else flush.expression(quiet_hours, lived_in, zone),
    )


class Scheduler(Protocol):
    """One that is not cron. What it was not sure to have made is refused, and then nothing is written."""

    def missing(self) -> str | None:
        """What this machine lacks for it, as the object of "there is"; None when it can be used."""

    def units(self, job: Job) -> Units:
        """What `install` would write; nothing is asked or touched.

        Raises:
            ConfigError: this scheduler cannot say the schedule, or cannot take a path.
        """

    def installed(self, config: Path) -> Units:
        """What there is for this config now; nothing when it is not installed.

        Raises:
            UnavailableError: it cannot be read, or stands under our name and is not ours.
        """

    def install(self, job: Job) -> Units:
        """Make it so that exactly `units(job)` is there and at work; returns what was there before.

        Raises:
            ConfigError: as `units`.
            UnavailableError: as `installed`; or the scheduler refuses. Then all is as it was.
            StateError: a file cannot be written.
        """

    def uninstall(self, config: Path) -> Units:
        """Leave nothing of this config; returns what was there.

        Raises:
            UnavailableError, StateError: as `install`.
        """

    def drift(self, job: Job) -> list[str]:
        """A sentence with its remedy for each way in which what is installed is not what `job` asks for."""

    def advice(self) -> str | None:
        """What a person who installs here should know; None when there is nothing."""


def open_scheduler(name: str, environ: Mapping[str, str]) -> Scheduler:
    """The scheduler of this name, one of `OTHERS`; nothing is asked yet."""
    scheduler: Scheduler = getattr(import_module(f"{__name__}.{name}"), _ROOMS[name])(environ)
    return scheduler


def choose(config: Path, environ: Mapping[str, str]) -> str:
    """Where this config is installed already, else cron where a `crontab` program is, else systemd, else launchd.

    Raises:
        UnavailableError: none of them; the sentence says what was looked for. Also as `where`.
    """
    import shutil

    from gradent_cli.schedulers.cron import how_to_install

    installed = where(config, environ)
    if installed:
        return next(iter(installed))
    if shutil.which("crontab", path=environ.get("PATH")) is not None:
        return "cron"
    lacks = ["no `crontab` program"]
    for name in ("systemd", "launchd"):
        missing = open_scheduler(name, environ).missing()
        if missing is None:
            return name
        lacks.append(missing)
    raise UnavailableError(
        f"nothing here could call gradent: there is {'; '.join(lacks)}",
        hint=f"{how_to_install()}; or see what each scheduler would be given: gradent install-cron --scheduler print",
    )


def where(config: Path, environ: Mapping[str, str]) -> dict[str, Units]:
    """Scheduler -> what is installed there for this config, for those of `OTHERS` that have something.

    Raises:
        UnavailableError: as `Scheduler.installed`.
    """
    found = {name: open_scheduler(name, environ).installed(config) for name in OTHERS}
    return {name: units for name, units in found.items() if units}


def look(job: Job, environ: Mapping[str, str]) -> tuple[str, list[str]] | None:
    """What `status` says of a job that is not in cron: where it is, and how it differs; None when it is nowhere.

    Raises:
        GradentError: as `Scheduler.installed` and `Scheduler.drift`.
    """
    for name, units in where(job.config, environ).items():
        return f"{name}: {', '.join(units)}", open_scheduler(name, environ).drift(job)
    return None


def follow(job: Job, environ: Mapping[str, str]) -> str | None:
    """Give what is installed for this config the schedule of `job`.

    Returns:
        A sentence for the person; None when there was nothing to do.

    Raises:
        GradentError: as `Scheduler.install`.
    """
    from gradent_cli.frequency import in_words

    for name in where(job.config, environ):
        if open_scheduler(name, environ).drift(job):
            open_scheduler(name, environ).install(job)
            sends = f", and sends at `{job.flush}` what quiet hours held" if job.flush else ""
            return f"{name} now runs it at `{job.expression}` ({in_words(job.expression)}){sends}"
    return None


def unit_name(config: Path) -> str:
    """`gradent-<stem>-<8 hex of the absolute path>`, in letters that every scheduler takes in a name."""
    stem = re.sub(r"[^A-Za-z0-9_.-]", "_", config.stem)[:40]
    from hashlib import sha256

    return f"gradent-{stem}-{sha256(os.fsencode(config)).hexdigest()[:8]}"


def flush_name(config: Path) -> str:
    """What the unit is called that sends what quiet hours held; no other config's unit can be called so."""
    return f"{unit_name(config)}-flush"
