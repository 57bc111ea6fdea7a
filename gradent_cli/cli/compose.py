"""What a run, and whatever else works on the same state, is put together from.

It knows nothing of Typer, so that a run that cron starts does not wait for it (see `short`).
"""

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, tzinfo

from gradent_cli.annotations import TYPE_CHECKING
from gradent_cli.dataclass import replace
from gradent_cli.records import ToolCall

if TYPE_CHECKING:
    import sqlite3

    from gradent_cli.config import Config
    from gradent_cli.due import Pause, Slots
    from gradent_cli.history import History
    from gradent_cli.messenger import Messenger
    from gradent_cli.runner import Outcome, Tools

_LOOK = 0.2
"""Seconds: `notify flush` takes hold of the lock for a moment to see whether a run is going on."""
_RUNS_LOOKED_AT = 100
"""Of those on record, for when `due.json` is of no use."""
_WAITED_FOR_OTHERS = 60.0
"""Seconds that a process waits until another one has sent what it sends, at most; that one stops after 30."""


def load_or_tell(path: str, environ: Mapping[str, str], *, trigger: str) -> "Config":
    """The config, which is kept for `snapshot.load`; one that is refused is told, as far as it says to whom.

    Raises:
        ConfigError: it is refused.
    """
    from pathlib import Path

    from gradent_cli import snapshot
    from gradent_cli.config import load, salvage
    from gradent_cli.errors import ConfigError

    key = snapshot.key(path, environ)
    try:
        config = load(Path(path), environ)
    except ConfigError as error:
        rest = salvage(Path(path), environ)
        if rest is not None:
            tell_that_it_did_not_start(rest, environ, error.message, trigger=trigger)
        raise
    snapshot.keep(config, environ, key)
    return config


def walk(
    config: "Config",
    environ: Mapping[str, str],
    watch: Callable[[ToolCall], None],
    *,
    trigger: str,
    dry_run: bool,
    force: bool,
    if_due: bool,
) -> "Outcome | None":
    """Build the real tools and send the run down the corridor; a run that cannot even start is told, too."""
    from gradent_cli.errors import DamagedError, GradentError
    from gradent_cli.runner import run_once

    def once(mended: str = "") -> "Outcome | None":
        tools = open_tools(config, environ, watch, trigger=trigger, dry_run=dry_run, force=force)
        return run_once(replace(tools, mended=mended), trigger=trigger, if_due=if_due and not mended)

    database = f"{config.state_dir}/gradent.db"
    try:
        before = _identity(database)
        try:
            return once()
        except DamagedError:
            if dry_run:
                raise
        return once(_set_aside(database, before))
    except GradentError as error:
        if not dry_run:
            tell_that_it_did_not_start(config, environ, error.message, trigger=trigger)
        raise


def open_tools(
    config: "Config",
    environ: Mapping[str, str],
    watch: Callable[[ToolCall], None],
    *,
    trigger: str,
    dry_run: bool,
    force: bool,
) -> "Tools":
    """The real tools of one run; a dry run gets such as write and send nothing.

    Raises:
        GradentError: one of them cannot be had.
    """
    from gradent_cli import damage, lock, processes
    from gradent_cli.cli.agents import open_agent
    from gradent_cli.database import open_database
    from gradent_cli.failures import Failures
    from gradent_cli.files import make_private_directory
    from gradent_cli.history import History
    from gradent_cli.logs import Log
    from gradent_cli.notify import open_pings
    from gradent_cli.runner import Tools
    from gradent_cli.text import Redactor, clean

    state, settings = config.state_dir, config.settings
    redact = Redactor(config.secrets)
    if not dry_run:
        make_private_directory(state)
    connection = open_database(f"{state}/gradent.db", scratch=dry_run)
    history = History(connection)
    slots = open_slots(config, history, environ, read_only=dry_run)
    log = ignore if dry_run else Log(f"{state}/gradent.log", redact).write
    return Tools(
        agent=open_agent(config, environ, connection, trigger=trigger, dry_run=dry_run),
        history=history,
        slots=slots,
        failures=Failures(connection),
        lock=nullcontext() if dry_run else lock.held(f"{state}/gradent.lock", now=datetime.now(UTC), wait=_LOOK),
        messenger=open_messenger(config, connection, environ, redact, log, send=not dry_run),
        clock=lambda: datetime.now(UTC),
        zone=_zone(config, environ),
        log=log,
        redact=lambda text: redact(clean(text)),  # whatever an agent says: harmless, and without secrets
        watch=watch,
        timeout=settings.agent.timeout,
        remind_every=settings.notify.remind_every,
        notify_tools=settings.agent.notify_tools,
        pings=None if dry_run else open_pings(settings),
        end_leftovers=lambda run_id: processes.end_run(run_id, settings.agent.grace),
        check=ignore if dry_run else lambda: damage.check(connection, datetime.now(UTC)),
        suspect=ignore if dry_run else lambda: damage.suspect(connection),
        tidy=ignore if dry_run else lambda: _tidy(connection, config),
        unwanted="" if force else unwanted(config, slots, datetime.now(UTC)),
    )


def _tidy(connection: "sqlite3.Connection", config: "Config") -> None:
    from gradent_cli.retention import prune

    kept, now = config.settings.history, datetime.now(UTC)
    prune(connection, now, max_runs=kept.max_runs, max_age=kept.max_age)
    feeds = f"{config.state_dir}/feeds"
    if os.path.exists(feeds):
        from pathlib import Path

        from gradent_cli.agents.study.cache import FeedCache

        FeedCache(Path(feeds), now=now).tidy()


def _set_aside(database: str, damaged: object) -> str:
    """Put a new database in the place of the damaged one; a sentence for the person.

    Empty when another process that saw the same damage was quicker: `damaged` tells one file from another.
    """
    from gradent_cli import lock, salvage

    now = datetime.now(UTC)
    with lock.held(f"{os.path.dirname(database)}/gradent.lock", now=now, wait=_LOOK):
        if _identity(database) != damaged:
            return ""
        aside = salvage.set_aside(database, now)
    return f"The database was damaged. It is kept as {aside.path.name}; the new one: {aside.in_words()}."


def _identity(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def tell_that_it_did_not_start(config: "Config", environ: Mapping[str, str], error: str, *, trigger: str) -> None:
    """A run that ended before it began: on record where the state can be written, and told when that is news."""
    from gradent_cli.database import open_database
    from gradent_cli.errors import GradentError
    from gradent_cli.failures import Failures
    from gradent_cli.files import make_private_directory
    from gradent_cli.history import History
    from gradent_cli.logs import Log
    from gradent_cli.notify import Dispatch, open_channels, policy
    from gradent_cli.runner import SEND_SECONDS, new_run
    from gradent_cli.text import Redactor

    redact, zone = Redactor(config.secrets), _zone(config, environ)
    now = datetime.now(UTC)
    run = new_run(now, trigger=trigger, agent=config.settings.agent.kind)
    run = replace(run, status="failure", finished_at=now, error=redact(error))
    try:
        make_private_directory(config.state_dir)
        connection = open_database(f"{config.state_dir}/gradent.db")
        log = Log(f"{config.state_dir}/gradent.log", redact).write
        messenger = open_messenger(config, connection, environ, redact, log, send=True)
        history, failures = History(connection), Failures(connection)
        messenger.open(run.id, complete=False)  # of a config that is refused, other channels may have been lost
        with history.together():
            history.add(run)
            if failures.add(run, config.settings.notify.remind_every) and messenger.tell(
                policy.failed(run, failures.now(), zone)
            ):
                failures.told(run)
        messenger.finish(SEND_SECONDS)
    except GradentError:  # nothing can be kept: tell it at least
        if "failed" in config.settings.notify.events:
            dispatch = Dispatch(open_channels(config.settings), redact)
            for channel in dispatch.channels:
                dispatch.post(channel, policy.failed(run, None, zone))
            dispatch.finish(SEND_SECONDS)


def open_messenger(
    config: "Config",
    connection: "sqlite3.Connection",
    environ: Mapping[str, str],
    redact: Callable[[str], str],
    log: Callable[[str, str], None],
    *,
    send: bool,
) -> "Messenger":
    """The messenger of a config.

    Args:
        send: False makes one that only listens to what would be told (a dry run).
    """
    from gradent_cli import lock
    from gradent_cli.messenger import Messenger
    from gradent_cli.notify import Dispatch, noise, open_channels
    from gradent_cli.outbox import Outbox

    state, notify = config.state_dir, config.settings.notify

    def say(text: str) -> None:
        log("messages", text)

    def clock() -> datetime:
        return datetime.now(UTC)

    outbox = Outbox(connection, f"{state}/gradent.db", clock=clock, trouble=say)
    dispatch = Dispatch(
        open_channels(config.settings) if send else (),
        redact,
        ledger=outbox,
        turn=lock.held(f"{state}/outbox.lock", now=clock(), wait=_WAITED_FOR_OTHERS),
        busy=lambda: lock.is_held(f"{state}/outbox.lock"),
    )
    return Messenger(
        outbox,
        dispatch,
        rules=noise.Rules(
            quiet_hours=notify.quiet_hours,
            quiet_failures=notify.quiet_failures,
            max_per_day=notify.max_per_day,
            zone=_zone(config, environ),
        ),
        events=notify.events,
        when=notify.when,
        clock=clock,
        log=say,
    )


def open_slots(config: "Config", history: "History", environ: Mapping[str, str], *, read_only: bool = False) -> "Slots":
    """The schedule of this config and what of it is settled."""
    from gradent_cli.due import Slots
    from gradent_cli.frequency import system_zone

    installed_at = history.fact("installed_at")
    return Slots(
        config=config.path,
        state_dir=config.state_dir,
        expression=config.cron_expression,
        zone=system_zone(environ),
        environ=environ,
        runs=lambda: (run.started_at for run in history.recent(_RUNS_LOOKED_AT)),
        installed_at=datetime.fromisoformat(installed_at) if installed_at else None,
        pause=pause_of(history),
        read_only=read_only,
    )


def _zone(config: "Config", environ: Mapping[str, str]) -> tzinfo:
    """The one that messages are written in."""
    from gradent_cli.frequency import system_zone, zone_of

    name = config.settings.study.timezone
    return zone_of(name, environ) if name else system_zone(environ)


def pause_of(history: "History") -> "Pause | None":
    """The last pause that was asked for, over or not."""
    from gradent_cli.due import Pause

    return Pause.from_text(history.fact("pause"))


def unwanted(config: "Config", slots: "Slots", now: datetime) -> str:
    """Why a run that starts now is to be skipped; empty when it is wanted."""
    if not config.settings.enabled:
        return f"gradent is disabled (enabled = false in {config.path})"
    if slots.pause is not None and slots.pause.goes_on(now):
        return f"gradent is {slots.pause.in_words(slots.zone)}"
    return ""


def who_fired() -> str:
    """The trigger of a run that was not told who fired it."""
    from gradent_cli.fired import fired_by_cron

    return "cron" if fired_by_cron() else "manual"


def complain(outcome: "Outcome") -> None:
    """What a run says when nobody wants to hear of it unless it failed."""
    from gradent_cli.cli.streams import say

    if outcome.run.status not in ("success", "skipped"):
        say(f"the run failed: {outcome.run.error}", f"gradent history {outcome.run.id}")


def ignore(*_: object) -> None:
    """Stands where nobody looks."""
