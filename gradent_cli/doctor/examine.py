"""Whether everything that gradent needs is in place, from the config to the network. Looks, and changes nothing.

`examine` is for a person's shell. `seen_by_job` asks the same in the environment that cron gives to a job: it is what
the canary of `install-cron --verify` reports.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from gradent_cli.doctor.check import Check, failed, fine, refused, warning
from gradent_cli.doctor.clock import clock, name_of
from gradent_cli.doctor.network import backlogs, channels, network, noise
from gradent_cli.doctor.schedule import daemon, schedule
from gradent_cli.errors import ConfigError, GradentError
from gradent_cli.frequency import local_zone
from gradent_cli.schedulers import drift
from gradent_cli.text import count

if TYPE_CHECKING:
    from gradent_cli.config import Config
    from gradent_cli.history import History

ROOM_NEEDED = 50_000_000
"""Bytes: below this the next log, database or backup may not fit."""


def examine(config_file: Path, environ: Mapping[str, str], now: datetime) -> tuple[Check, ...]:
    """Everything that can be known without changing anything, in the order in which a run would need it."""
    zone = local_zone(environ)
    config, checks = _config(config_file, environ)
    if config is None:
        return (*checks, clock(None, now, zone), daemon())
    past, state = _state(config)
    folder = Path(config.state_dir)
    checks += [
        *state,
        *_pause(past, now, zone),
        _lock(folder),
        disk(folder, _free(folder)),
    ]
    checks += [clock(past, now, zone), *schedule(config, past, environ, now)]
    checks += [
        _agent(config, past, environ, in_job=False),
        *network(config, now, zone),
        *noise(config),
        *_last_run(past, zone),
    ]
    checks += backlogs(config, zone)
    return tuple(checks)


def seen_by_job(config_file: Path, environ: Mapping[str, str], now: datetime) -> tuple[Check, ...]:
    """What a job can see and use that was started as this process was."""
    from gradent_cli.fired import fired_by_cron

    zone = local_zone(environ)
    checks = [
        fine("started by", "cron")
        if fired_by_cron()
        else warning(
            "started by",
            "something that gradent does not know as cron, so history will call its runs manual and give agents "
            "the job's PATH",
            "set what the agent needs in agent.env",
        ),
        fine("Python", f"{sys.version.split()[0]}, {sys.executable}"),
        fine("PATH", environ.get("PATH", "not set")),
        fine("HOME", environ["HOME"])
        if environ.get("HOME")
        else warning("HOME", "not set", "give every path in the config from / on"),
        fine("time zone", f"{name_of(zone, now)}; TZ is {environ.get('TZ') or 'not set'}"),
    ]
    config, loaded = _config(config_file, environ)
    checks += loaded
    if config is not None:
        past, state = _state(config)
        checks += [*state, _agent(config, past, environ, in_job=True), *channels(config)]
    return tuple(checks)


# ── config and state ──


def _config(path: Path, environ: Mapping[str, str]) -> "tuple[Config | None, list[Check]]":
    from gradent_cli.config import load

    try:
        config = load(path, environ)
    except ConfigError as error:
        return None, [refused("config", error)]
    checks = [warning("config", text, None) for text in config.warnings] or [fine("config", str(path))]
    if not config.settings.enabled:
        checks.append(
            warning("enabled", "enabled = false, so that every run ends at once", "gradent config set --enabled")
        )
    if names := sorted(key for key, origin in config.origins.items() if origin.startswith("environment")):
        checks.append(
            warning(
                "environment",
                f"only this shell's environment sets {', '.join(names)}, and cron will not see it",
                "put it into the file with `gradent config set`",
            )
        )
    return config, checks


def _state(config: "Config") -> "tuple[History | None, list[Check]]":
    """The history; None when it cannot be read."""
    from gradent_cli.damage import suspected
    from gradent_cli.database import REMEDY, open_database, sound
    from gradent_cli.history import History

    folder = Path(config.state_dir)
    present = _nearest(folder)
    if not present.is_dir() or not os.access(present, os.W_OK | os.X_OK):
        unfit = failed(
            "state", f"{present} cannot be written", "make it yours and writable, or set state_dir to another folder"
        )
        return None, [unfit]
    try:
        connection = open_database(folder / "gradent.db", read_only=True)
        whole = sound(connection) and not suspected(connection)
    except GradentError as error:
        return None, [refused("state", error)]
    if not whole:
        return None, [failed("state", "the database is damaged", REMEDY)]
    new = "" if folder.exists() else " (the first run makes it)"
    return History(connection), [fine("state", f"{folder}{new}")]


def _pause(past: "History | None", now: datetime, zone: tzinfo) -> list[Check]:
    from gradent_cli.due import Pause

    pause = Pause.from_text(past.fact("pause")) if past is not None else None
    if pause is None or not pause.goes_on(now):
        return []
    return [warning("pause", f"gradent is {pause.in_words(zone)}", "gradent resume")]


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists, as far as this account can see."""
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110  never raises


def _lock(state_dir: Path) -> Check:
    """A shared lock is let go as soon as it is got, so that at most a run of this very instant could be in its way."""
    import fcntl

    try:
        descriptor = os.open(state_dir / "gradent.lock", os.O_RDONLY)
    except FileNotFoundError:
        return fine("lock", "free; nothing ever ran")
    except OSError as error:
        return failed("lock", f"cannot be opened: {error.strerror}", f"chown it to yourself: {state_dir}/gradent.lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 200).decode(errors="replace").strip()
        return fine("lock", f"a run is going on ({holder or 'just started'})")
    except OSError as error:
        return failed(
            "lock",
            f"this file system has no locks: {error.strerror}",
            "set state_dir to a folder on a disk of this machine",
        )
    finally:
        os.close(descriptor)
    return fine("lock", "free")


def _free(state_dir: Path) -> int:
    return shutil.disk_usage(_nearest(state_dir)).free


def disk(state_dir: Path, free: int) -> Check:
    """Whether `free` bytes are enough for the file system of the state."""
    said = f"{free / 1e6:,.0f} MB free for {state_dir}"
    if free >= ROOM_NEEDED:
        return fine("disk", said)
    return warning("disk", f"only {said}", "delete what you do not need, or set state_dir to another disk")


# ── what a run uses ──


def _agent(config: "Config", past: "History | None", environ: Mapping[str, str], *, in_job: bool) -> Check:
    """Whether what cron would start is there. It is not started. `in_job`: whether `environ` is that of a job."""
    agent, study = config.settings.agent, config.settings.study
    if agent.kind in ("study", "llm") and not study.sources:
        return warning("agent", "it has no assignments to read", "gradent config set --source URL")
    if agent.kind == "study":
        return fine("agent", f"built in, with {count(len(study.sources), 'source')}")
    from gradent_cli.agents.command import need_folder

    try:
        need_folder(agent.cwd)
        if agent.kind == "llm":
            return _model(config, environ, in_job=in_job)
        return fine("agent", _program(config, past, environ) if agent.kind == "command" else _function(config))
    except GradentError as error:
        return refused("agent", error)


def _model(config: "Config", environ: Mapping[str, str], *, in_job: bool) -> Check:
    """Whether a language model could be spoken with. It is not."""
    from gradent_cli.agents.llm import Limits, Model

    own = {name: value.get_secret_value() for name, value in config.settings.agent.env.items()}
    model = Model.from_settings(config.settings.llm)
    model.preflight({**environ, **own}, limited=Limits.from_settings(config.settings.llm).of_money)
    if not in_job and not model.keys_in(own) and (names := model.keys_in(environ)):
        return warning(
            "agent",
            f"the key of {model.name} is only in this shell's environment ({names[0]}), and cron will not see it",
            "gradent config set llm.api_key -",
        )
    return fine("agent", f"the language model {model.name}{f' at {model.base_url}' if model.base_url else ''}")


def _program(config: "Config", past: "History | None", environ: Mapping[str, str]) -> str:
    from gradent_cli.agents import mcp
    from gradent_cli.agents.command import asks_for_mcp, find_program

    agent = config.settings.agent
    given = agent.env.get("PATH")
    path = given.get_secret_value() if given else (past.fact("path") if past is not None else None)
    found = find_program(
        agent.command[0], path=path or environ.get("PATH", os.defpath), folder=agent.cwd or str(Path.home())
    )
    if asks_for_mcp(agent.command):
        mcp.need_package()
    return found


def _function(config: "Config") -> str:
    from gradent_cli.agents.callable import function_of, need_package

    agent = config.settings.agent
    function = function_of(agent)
    need_package(function, Path(agent.cwd or Path.home()))
    return f"a Python function, {agent.callable or agent.kind}"


def _last_run(past: "History | None", zone: tzinfo) -> list[Check]:
    last = past.previous() if past is not None else None
    if last is None:
        return []
    if last.error is None:
        return [fine("last run", f"{last.status}, {drift.told(last.started_at, zone)}")]
    judge = warning if last.status == "interrupted" else failed
    return [judge("last run", f"{last.status}: {last.error}", f"gradent history {last.id}")]
