"""Whether something starts the runs as the config asks, and who would hear of one that fails."""

import os
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gradent_cli.doctor.check import Check, failed, fine, refused, warning
from gradent_cli.doctor.clock import time_zone
from gradent_cli.errors import CrontabError, GradentError
from gradent_cli.frequency import local_zone
from gradent_cli.schedulers import drift

if TYPE_CHECKING:
    from gradent_cli.config import Config
    from gradent_cli.history import History

_SENDMAIL = Path("/usr/sbin/sendmail")


def found_in(crontab: bytes, config: "Config", past: "History | None", environ: Mapping[str, str]) -> drift.Found:
    """What the crontab, the machine and the history say about the block of this config.

    Raises:
        CrontabError: the block is damaged.
    """
    from gradent_cli.schedulers import block, cron

    lines = block.installed(crontab, Path(config.path))
    interpreters = {words[0] for words in map(block.command, lines or ()) if words}
    troubles = (cron.interpreter_trouble(name, environ) for name in sorted(interpreters - {_this_python()}))
    installed_at = past.fact("installed_at") if past is not None else None
    return drift.Found(
        lines=lines,
        canary=block.installed(crontab, block.canary(Path(config.path))) is not None,
        interpreter_trouble=next((trouble for trouble in troubles if trouble), None),
        daemon_running=cron.daemon_running(),
        how_to_start=cron.how_to_start(),
        installed_at=datetime.fromisoformat(installed_at) if installed_at else None,
        written_at=cron.Crontab(Path(config.state_dir), environ).written_at(),
        fired_at=past.fired_at() if past is not None else None,
    )


def drifted(
    config: "Config", found: drift.Found, environ: Mapping[str, str], now: datetime
) -> tuple[drift.Difference, ...]:
    """How what was found differs from what `install-cron` would make now.

    Raises:
        ConfigError: as `block.job_line`.
    """
    from gradent_cli import schedulers
    from gradent_cli.schedulers import block

    wanted: tuple[bytes, ...] = ()
    if found.lines is not None:
        catch_up = any(map(block.catches_up, found.lines))
        job = schedulers.job_of(config, Path(_this_python()), environ)
        wanted = block.job_lines(job.expression, job.interpreter, job.config, catch_up=catch_up, flush=job.flush)
    return drift.differences(found, wanted, now, local_zone(environ))


def _this_python() -> str:
    return os.path.abspath(sys.executable)  # noqa: PTH100  a venv's python is a link and must stay one


def schedule(config: "Config", past: "History | None", environ: Mapping[str, str], now: datetime) -> Iterator[Check]:
    """Cron, or the scheduler that the person has chosen in its place."""
    from gradent_cli import schedulers

    try:
        elsewhere = schedulers.where(Path(config.path), environ)
    except GradentError as error:
        yield refused("scheduler", error)
        elsewhere = {}
    if not elsewhere:
        yield from _crontab(config, past, environ, now)
        return
    yield time_zone(config.settings.study.timezone, environ, {}, now)
    job = schedulers.job_of(config, Path(_this_python()), environ)
    for name in elsewhere:
        sentences = schedulers.open_scheduler(name, environ).drift(job)
        yield from (failed(name, sentence, None) for sentence in sentences)
        if not sentences:
            sends = f", and sends at '{job.flush}' what quiet hours held" if job.flush else ""
            yield fine(name, f"runs at '{config.cron_expression}'{sends}")


def daemon() -> Check:
    """Whether cron runs at all."""
    from gradent_cli.schedulers import cron

    match cron.daemon_running():
        case True:
            return fine("cron daemon", "runs")
        case None:
            return warning("cron daemon", "other people's processes are hidden here", "gradent install-cron --verify")
        case False:
            return failed("cron daemon", "no cron daemon is running, so nothing will fire", cron.how_to_start())


def _crontab(config: "Config", past: "History | None", environ: Mapping[str, str], now: datetime) -> Iterator[Check]:
    from gradent_cli.schedulers import block, cron

    try:
        crontab = cron.Crontab(Path(config.state_dir), environ).read()
        found = found_in(crontab, config, past, environ)
    except GradentError as error:
        yield time_zone(config.settings.study.timezone, environ, {}, now)
        yield refused("crontab", error)
        if isinstance(error, CrontabError):
            yield daemon()
        return
    variables = block.variables(crontab, Path(config.path))
    yield time_zone(config.settings.study.timezone, environ, variables, now)
    differences = drifted(config, found, environ, now)
    if found.lines is None and found.installed_at is None:
        yield warning("crontab", "gradent is not installed in it", drift.INSTALL)
    good: dict[drift.Part, str] = {}
    if found.lines:
        last = f"last on {drift.told(found.fired_at, local_zone(environ))}" if found.fired_at else "not yet"
        good = {"crontab": f"runs at '{config.cron_expression}'", "interpreter": _this_python(), "firing": last}
        if config.settings.notify.quiet_hours is not None:
            good["quiet hours"] = f"{config.settings.notify.quiet_hours}; what they hold is sent when they end"
    elif config.settings.notify.quiet_hours is not None:
        what = f"nothing sends what {config.settings.notify.quiet_hours} holds when it ends, but a run after it"
        yield warning("quiet hours", what, drift.INSTALL)
    for part in ("crontab", "interpreter", "firing", "quiet hours"):
        mine = [difference for difference in differences if difference.part == part]
        for difference in mine:
            judge = warning if difference.harmless else failed
            yield judge(part, difference.what, difference.remedy)
        if not mine and part in good and (part != "firing" or found.daemon_running is not False):
            yield fine(part, good[part])
    yield daemon()
    yield mail(config, variables)


def mail(config: "Config", variables: Mapping[str, str], sendmail: Path = _SENDMAIL) -> Check:
    """Who learns of a run that fails under cron: it mails what a job prints, to a mailbox that few people read.

    Args:
        variables: what the crontab sets above the block.
    """
    from gradent_cli.notify import open_channels

    if variables.get("MAILTO") == "":
        where = "is thrown away (MAILTO is empty)"
    elif not sendmail.exists():
        where = "is thrown away (this machine has no mail program)"
    elif "MAILTO" in variables:
        where = f"is mailed to {variables['MAILTO']}"
    else:
        where = "goes to this account's mailbox on this machine, which hardly anybody reads"
    channels = [channel.name for channel in open_channels(config.settings)]
    if not channels:
        return warning(
            "mail",
            f"no channel would tell of a failed run; what it prints {where}",
            "gradent config set --ntfy-topic TOPIC",
        )
    if "failed" not in config.settings.notify.events:
        return warning(
            "mail",
            f"notify.events is without `failed`, so nothing tells of a failed run; what it prints {where}",
            "gradent config unset notify.events",
        )
    return fine("mail", f"{' and '.join(channels)} will tell of a failed run; what it prints {where}")
