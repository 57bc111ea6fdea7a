"""The agents, built from the config: what `run` hands to the corridor, and what lends its tools to others."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from pydantic import SecretStr

    from gradent_cli.agents import Agent
    from gradent_cli.agents.command import CommandAgent
    from gradent_cli.agents.study import StudyAgent
    from gradent_cli.agents.study.cache import FeedCache
    from gradent_cli.agents.study.calendars import Calendar
    from gradent_cli.agents.study.publish import Publisher
    from gradent_cli.agents.study.store import Store
    from gradent_cli.config import Config
    from gradent_cli.config.schema import BusySettings, CalendarSettings


def open_agent(
    config: "Config",
    environ: Mapping[str, str],
    connection: "sqlite3.Connection",
    zone: tzinfo,
    *,
    trigger: str,
    dry_run: bool,
) -> "Agent":
    """The agent that `agent.kind` names."""
    if config.settings.agent.kind == "command":
        return _command_agent(config, environ, connection, trigger=trigger)
    return study_agent(config, connection, zone, dry_run=dry_run)


def study_agent(config: "Config", connection: "sqlite3.Connection", zone: tzinfo, *, dry_run: bool) -> "StudyAgent":
    """The built-in agent with its sources and calendars; a dry run reads them and writes nothing."""
    from gradent_cli.agents.study import StudyAgent
    from gradent_cli.agents.study.cache import FeedCache
    from gradent_cli.agents.study.schedule import Rules
    from gradent_cli.agents.study.sources import open_source
    from gradent_cli.agents.study.store import Store

    study, store = config.settings.study, Store(connection)
    cache = FeedCache(config.state_dir / "feeds", now=datetime.now(UTC), read_only=dry_run)
    return StudyAgent(
        sources=[
            open_source(
                source.kind,
                name=source.name,
                url=_secret(source.url),
                path=source.path,
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
        plan_path=None if dry_run else study.plan_ics or config.state_dir / "plan.ics",
        publisher=_publisher(study.calendar, connection, store, zone, dry_run=dry_run),
    )


def _calendar(busy: "BusySettings", cache: "FeedCache") -> "Calendar":
    from gradent_cli.agents.study.calendars import open_calendar

    return open_calendar(
        busy.kind,
        name=busy.name,
        url=_secret(busy.url),
        path=busy.path,
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


def _command_agent(
    config: "Config", environ: Mapping[str, str], connection: "sqlite3.Connection", *, trigger: str
) -> "CommandAgent":
    """The program gets the environment of this process, but when scheduled the PATH of the shell that installed it."""
    from gradent_cli.agents.command import CommandAgent
    from gradent_cli.history import History

    agent = config.settings.agent
    path = History(connection).fact("path") if trigger != "manual" else None
    return CommandAgent(
        argv=agent.command,
        prompt=agent.prompt,
        cwd=agent.cwd,
        environ={
            **environ,
            **({"PATH": path} if path else {}),
            **{name: value.get_secret_value() for name, value in agent.env.items()},
        },
        idle_timeout=agent.idle_timeout,
        grace=agent.grace,
    )


def _secret(value: "SecretStr | None") -> str | None:
    return None if value is None else value.get_secret_value()
