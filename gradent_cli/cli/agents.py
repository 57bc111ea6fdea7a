"""The agents, built from the config: what `run` hands to the corridor, and what lends its tools to others."""

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

from gradent_cli.annotations import TYPE_CHECKING
from gradent_cli.dataclass import replace

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from pydantic import SecretStr

    from gradent_cli.agents import Agent
    from gradent_cli.agents.callable import CallableAgent
    from gradent_cli.agents.command import CommandAgent
    from gradent_cli.agents.llm import LlmAgent
    from gradent_cli.agents.study.agent import StudyAgent
    from gradent_cli.agents.study.cache import FeedCache
    from gradent_cli.agents.study.calendars import Calendar
    from gradent_cli.agents.study.publish import Publisher
    from gradent_cli.agents.study.store import Store
    from gradent_cli.config import Config
    from gradent_cli.config.study import BusySettings, CalendarSettings


def open_agent(
    config: "Config",
    environ: Mapping[str, str],
    connection: "sqlite3.Connection",
    *,
    trigger: str,
    dry_run: bool,
) -> "Agent":
    """The agent that `agent.kind` names."""
    kind = config.settings.agent.kind
    if kind == "study":
        return study_agent(config, environ, connection, dry_run=dry_run)
    environ = _own_environment(config, environ, connection, trigger=trigger, dry_run=dry_run)
    if kind == "command":
        return _command_agent(config, environ)
    if kind == "llm":
        return _llm_agent(config, environ)
    return _callable_agent(config, environ)


def study_agent(
    config: "Config", environ: Mapping[str, str], connection: "sqlite3.Connection", *, dry_run: bool
) -> "StudyAgent":
    """The built-in agent with its sources and calendars; a dry run reads them and writes nothing."""
    from pathlib import Path

    from gradent_cli.agents.study.agent import StudyAgent
    from gradent_cli.agents.study.cache import FeedCache
    from gradent_cli.agents.study.rules import Rules
    from gradent_cli.agents.study.sources import open_source
    from gradent_cli.agents.study.store import Store
    from gradent_cli.frequency import zone_of

    study, state, store = config.settings.study, Path(config.state_dir), Store(connection)
    zone = zone_of(study.timezone, environ)
    cache = FeedCache(state / "feeds", now=datetime.now(UTC), read_only=dry_run)
    return StudyAgent(
        sources=[
            open_source(
                source.kind,
                name=source.name,
                url=_secret(source.url),
                path=_path(source.path),
                token=_secret(source.token),
                expires=source.expires,
                cache=cache,
            )
            for source in study.sources
        ],
        calendars=[_calendar(busy, cache) for busy in study.busy],
        store=store,
        rules=Rules.from_settings(study),
        zone=zone,
        plan_path=None if dry_run else _path(study.plan_ics) or state / "plan.ics",
        publisher=_publisher(study.calendar, connection, store, zone, dry_run=dry_run),
    )


def _path(text: str | None) -> "Path | None":
    from pathlib import Path

    return None if text is None else Path(text)


def _calendar(busy: "BusySettings", cache: "FeedCache") -> "Calendar":
    from gradent_cli.agents.study.calendars import open_calendar

    return open_calendar(
        busy.kind,
        name=busy.name,
        url=_secret(busy.url),
        path=_path(busy.path),
        username=busy.username,
        password=_secret(busy.password),
        all_day=busy.all_day,
        cache=cache,
    )


def _publisher(
    calendar: "CalendarSettings", connection: "sqlite3.Connection", store: "Store", zone: tzinfo, *, dry_run: bool
) -> "Publisher | None":
    if calendar.url is None:
        return None
    from gradent_cli.agents.study.publish import open_publisher

    return open_publisher(
        url=calendar.url.get_secret_value(),
        username=calendar.username,
        password=_secret(calendar.password),
        connection=connection,
        store=store,
        zone=zone,
        read_only=dry_run,
    )


def _own_environment(
    config: "Config", environ: Mapping[str, str], connection: "sqlite3.Connection", *, trigger: str, dry_run: bool
) -> dict[str, str]:
    """That of this process, but when scheduled with the PATH of the shell that installed it; `gradent` is on it."""
    from gradent_cli.files import program
    from gradent_cli.history import History

    path = History(connection).fact("path") if trigger != "manual" else None
    given = {
        **environ,
        "GRADENT_CONFIG": config.path,
        **({"GRADENT_DRY_RUN": "1"} if dry_run else {}),
        **({"PATH": path} if path else {}),
        **{name: value.get_secret_value() for name, value in config.settings.agent.env.items()},
    }
    path = given.get("PATH", os.defpath)
    ours = os.path.dirname(sys.executable)
    if program("gradent", path) is None and os.path.exists(f"{ours}/gradent"):
        given["PATH"] = f"{path}{os.pathsep}{ours}"  # at the end: nothing else of ours is to be found first
    return given


def _command_agent(config: "Config", environ: Mapping[str, str]) -> "CommandAgent":
    from gradent_cli.agents.command import CommandAgent

    agent = config.settings.agent
    return CommandAgent(
        argv=agent.command,
        prompt=agent.prompt,
        cwd=agent.cwd,
        stdin=agent.stdin,
        environ=environ,
        idle_timeout=agent.idle_timeout,
        grace=agent.grace,
        mcp_server=_ourselves(config, "mcp"),
    )


def _host(config: "Config", environ: Mapping[str, str]) -> "CommandAgent":
    """A Python process of our own (`cli.host`)."""
    argv = _ourselves(config, "host")
    return replace(_command_agent(config, environ), argv=argv, stdin="none", name=config.settings.agent.kind)


def _callable_agent(config: "Config", environ: Mapping[str, str]) -> "CallableAgent":
    from gradent_cli.agents.callable import CallableAgent, function_of

    agent = config.settings.agent
    return CallableAgent(function=function_of(agent), process=_host(config, environ), name=agent.kind)


def _llm_agent(config: "Config", environ: Mapping[str, str]) -> "LlmAgent":
    from gradent_cli.agents.llm import Limits, LlmAgent, Model

    return LlmAgent(
        model=Model.from_settings(config.settings.llm),
        limits=Limits.from_settings(config.settings.llm),
        process=_host(config, environ),
        sources=bool(config.settings.study.sources),
    )


def _ourselves(config: "Config", command: str) -> list[str]:
    """The argv of one of our own commands; -P: the folder of the run is not to lend its modules to gradent itself."""
    return [sys.executable, "-P", "-u", "-m", "gradent_cli", "--config", config.path, command]


def _secret(value: "SecretStr | None") -> str | None:
    return None if value is None else value.get_secret_value()
