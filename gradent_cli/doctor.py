"""Whether everything that gradent needs is in place, from the config to the network. Looks, and changes nothing.

`examine` is for a person's shell. `seen_by_job` asks the same in the environment that cron gives to a job: it is what
the canary of `install-cron --verify` reports.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from gradent_cli.errors import ConfigError, CrontabError, GradentError, SourceError, StateError
from gradent_cli.frequency import local_zone
from gradent_cli.schedulers import drift
from gradent_cli.text import count

if TYPE_CHECKING:
    from gradent_cli.config import Config
    from gradent_cli.config.schema import BusySettings, CalendarSettings, SourceSettings
    from gradent_cli.history import History

Verdict = Literal["ok", "warning", "failed"]

SECONDS_PER_HOST = 5.0
ROOM_NEEDED = 50_000_000
"""Bytes: below this the next log, database or backup may not fit."""
_NO_GRADENT_YET = datetime(2026, 1, 1, tzinfo=UTC)
_SENDMAIL = Path("/usr/sbin/sendmail")
_LOCALTIME = Path("/etc/localtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at: `message` is what was seen, `remedy` what to do about it; None when all is well."""

    check: str
    status: Verdict
    message: str
    remedy: str | None = None


def examine(config_file: Path, environ: Mapping[str, str], now: datetime) -> tuple[Check, ...]:
    """Everything that can be known without changing anything, in the order in which a run would need it."""
    zone = local_zone(environ)
    config, checks = _config(config_file, environ)
    if config is None:
        return (*checks, _clock(None, now, zone), _daemon())
    past, state = _state(config)
    checks += [
        *state,
        *_pause(past, now, zone),
        _lock(config.state_dir),
        disk(config.state_dir, _free(config.state_dir)),
    ]
    checks += [_clock(past, now, zone), *_schedule(config, past, environ, now)]
    checks += [
        _agent(config, past, environ, in_job=False),
        *_network(config, now, zone),
        *noise(config),
        *_last_run(past, zone),
    ]
    checks += _backlogs(config, zone)
    return tuple(checks)


def seen_by_job(config_file: Path, environ: Mapping[str, str], now: datetime) -> tuple[Check, ...]:
    """What a job can see and use that was started as this process was."""
    from gradent_cli.schedulers.fired import fired_by_cron

    zone = local_zone(environ)
    checks = [
        _fine("started by", "cron")
        if fired_by_cron()
        else _warning(
            "started by",
            "something that gradent does not know as cron, so history will call its runs manual and give agents "
            "the job's PATH",
            "set what the agent needs in agent.env",
        ),
        _fine("Python", f"{sys.version.split()[0]}, {sys.executable}"),
        _fine("PATH", environ.get("PATH", "not set")),
        _fine("HOME", environ["HOME"])
        if environ.get("HOME")
        else _warning("HOME", "not set", "give every path in the config from / on"),
        _fine("time zone", f"{_name(zone, now)}; TZ is {environ.get('TZ') or 'not set'}"),
    ]
    config, loaded = _config(config_file, environ)
    checks += loaded
    if config is not None:
        past, state = _state(config)
        checks += [*state, _agent(config, past, environ, in_job=True), *_channels(config)]
    return tuple(checks)


def found_in(crontab: bytes, config: "Config", past: "History | None", environ: Mapping[str, str]) -> drift.Found:
    """What the crontab, the machine and the history say about the block of this config.

    Raises:
        CrontabError: the block is damaged.
    """
    from gradent_cli.schedulers import block, cron

    lines = block.installed(crontab, config.path)
    interpreters = {words[0] for words in map(block.command, lines or ()) if words}
    troubles = (cron.interpreter_trouble(name, environ) for name in sorted(interpreters - {_this_python()}))
    installed_at = past.fact("installed_at") if past is not None else None
    return drift.Found(
        lines=lines,
        canary=block.installed(crontab, block.canary(config.path)) is not None,
        interpreter_trouble=next((trouble for trouble in troubles if trouble), None),
        daemon_running=cron.daemon_running(),
        how_to_start=cron.how_to_start(),
        installed_at=datetime.fromisoformat(installed_at) if installed_at else None,
        written_at=cron.Crontab(config.state_dir, environ).written_at(),
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


def _fine(check: str, message: str) -> Check:
    return Check(check=check, status="ok", message=message)


def _warning(check: str, message: str, remedy: str | None) -> Check:
    return Check(check=check, status="warning", message=message, remedy=remedy)


def _failed(check: str, message: str, remedy: str | None) -> Check:
    return Check(check=check, status="failed", message=message, remedy=remedy)


def _refused(check: str, error: GradentError) -> Check:
    return _failed(check, error.message, error.hint)


# ── config and state ──


def _config(path: Path, environ: Mapping[str, str]) -> "tuple[Config | None, list[Check]]":
    from gradent_cli.config import load

    try:
        config = load(path, environ)
    except ConfigError as error:
        return None, [_refused("config", error)]
    checks = [_warning("config", warning, None) for warning in config.warnings] or [_fine("config", str(path))]
    if not config.settings.enabled:
        checks.append(
            _warning("enabled", "enabled = false, so that every run ends at once", "gradent config set --enabled")
        )
    if names := sorted(key for key, origin in config.origins.items() if origin.startswith("environment")):
        checks.append(
            _warning(
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

    folder = config.state_dir
    present = _nearest(folder)
    if not present.is_dir() or not os.access(present, os.W_OK | os.X_OK):
        unfit = _failed(
            "state", f"{present} cannot be written", "make it yours and writable, or set state_dir to another folder"
        )
        return None, [unfit]
    try:
        connection = open_database(folder / "gradent.db", read_only=True)
        whole = sound(connection) and not suspected(connection)
    except GradentError as error:
        return None, [_refused("state", error)]
    if not whole:
        return None, [_failed("state", "the database is damaged", REMEDY)]
    new = "" if folder.exists() else " (the first run makes it)"
    return History(connection), [_fine("state", f"{folder}{new}")]


def _pause(past: "History | None", now: datetime, zone: tzinfo) -> list[Check]:
    from gradent_cli.due import Pause

    pause = Pause.from_text(past.fact("pause")) if past is not None else None
    if pause is None or not pause.goes_on(now):
        return []
    return [_warning("pause", f"gradent is {pause.in_words(zone)}", "gradent resume")]


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists, as far as this account can see."""
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110  never raises


def _lock(state_dir: Path) -> Check:
    """A shared lock is let go as soon as it is got, so that at most a run of this very instant could be in its way."""
    import fcntl

    try:
        descriptor = os.open(state_dir / "gradent.lock", os.O_RDONLY)
    except FileNotFoundError:
        return _fine("lock", "free; nothing ever ran")
    except OSError as error:
        return _failed("lock", f"cannot be opened: {error.strerror}", f"chown it to yourself: {state_dir}/gradent.lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 200).decode(errors="replace").strip()
        return _fine("lock", f"a run is going on ({holder or 'just started'})")
    except OSError as error:
        return _failed(
            "lock",
            f"this file system has no locks: {error.strerror}",
            "set state_dir to a folder on a disk of this machine",
        )
    finally:
        os.close(descriptor)
    return _fine("lock", "free")


def _free(state_dir: Path) -> int:
    return shutil.disk_usage(_nearest(state_dir)).free


def disk(state_dir: Path, free: int) -> Check:
    """Whether `free` bytes are enough for the file system of the state."""
    said = f"{free / 1e6:,.0f} MB free for {state_dir}"
    if free >= ROOM_NEEDED:
        return _fine("disk", said)
    return _warning("disk", f"only {said}", "delete what you do not need, or set state_dir to another disk")


# ── time ──


def _clock(past: "History | None", now: datetime, zone: tzinfo) -> Check:
    last = next(iter(past.recent(1)), None) if past is not None else None
    remedy = "set it: sudo timedatectl set-ntp true"
    if now < _NO_GRADENT_YET:
        return _failed("clock", f"it says {now:%Y-%m-%d}, before there was a gradent", remedy)
    if last is not None and last.started_at > now + timedelta(minutes=1):
        return _warning("clock", f"it was set back: the last run was on {drift.told(last.started_at, zone)}", remedy)
    return _fine("clock", drift.told(now, zone))


def time_zone(
    study: str | None,
    environ: Mapping[str, str],
    variables: Mapping[str, str],
    now: datetime,
    localtime: Path = _LOCALTIME,
) -> Check:
    """Whether the person, cron and the plan mean the same by "nine o'clock".

    Args:
        study: `study.timezone`.
        variables: what the crontab sets above the block.
    """
    from zoneinfo import ZoneInfo

    system, shell = local_zone({}, localtime), local_zone(environ, localtime)
    said = _name(system, now)
    if moved := variables.get("CRON_TZ"):
        return _warning(
            "time zone",
            f"CRON_TZ={moved} stands above gradent's block, and some crons then follow it instead of {said}",
            "in `crontab -e`, move that line below gradent's block",
        )
    if not localtime.exists():
        return _warning(
            "time zone", f"{localtime} is missing, so cron runs in UTC", "sudo timedatectl set-timezone YOUR/ZONE"
        )
    if _differ(system, shell, now):
        what = f"cron runs in {said}, but TZ of this shell is {environ.get('TZ')}, and gradent tells times in that"
        return _warning("time zone", what, "unset TZ, or sudo timedatectl set-timezone YOUR/ZONE")
    if study is not None and _differ(system, ZoneInfo(study), now):
        what = f"the plan is in {study} (study.timezone), but `frequency` and `at` follow cron's {said}"
        return _warning("time zone", what, f"sudo timedatectl set-timezone {study}, or count `at` in {said}")
    return _fine("time zone", said)


def _differ(one: tzinfo, other: tzinfo, now: datetime) -> bool:
    """Now or half a year later, when the clocks are changed."""
    moments = (now, now + timedelta(days=182))
    return any(moment.astimezone(one).utcoffset() != moment.astimezone(other).utcoffset() for moment in moments)


def _name(zone: tzinfo, now: datetime) -> str:
    """`Europe/Amsterdam`, or an abbreviation where the zone has no name."""
    return getattr(zone, "key", None) or now.astimezone(zone).tzname() or "UTC"


# ── what starts it ──


def _schedule(config: "Config", past: "History | None", environ: Mapping[str, str], now: datetime) -> Iterator[Check]:
    """Cron, or the scheduler that the person has chosen in its place."""
    from gradent_cli import schedulers

    try:
        elsewhere = schedulers.where(config.path, environ)
    except GradentError as error:
        yield _refused("scheduler", error)
        elsewhere = {}
    if not elsewhere:
        yield from _crontab(config, past, environ, now)
        return
    yield time_zone(config.settings.study.timezone, environ, {}, now)
    job = schedulers.job_of(config, Path(_this_python()), environ)
    for name in elsewhere:
        sentences = schedulers.open_scheduler(name, environ).drift(job)
        yield from (_failed(name, sentence, None) for sentence in sentences)
        if not sentences:
            sends = f", and sends at '{job.flush}' what quiet hours held" if job.flush else ""
            yield _fine(name, f"runs at '{config.cron_expression}'{sends}")


def _daemon() -> Check:
    from gradent_cli.schedulers import cron

    match cron.daemon_running():
        case True:
            return _fine("cron daemon", "runs")
        case None:
            return _warning("cron daemon", "other people's processes are hidden here", "gradent install-cron --verify")
        case False:
            return _failed("cron daemon", "no cron daemon is running, so nothing will fire", cron.how_to_start())


def _crontab(config: "Config", past: "History | None", environ: Mapping[str, str], now: datetime) -> Iterator[Check]:
    from gradent_cli.schedulers import block, cron

    try:
        crontab = cron.Crontab(config.state_dir, environ).read()
        found = found_in(crontab, config, past, environ)
    except GradentError as error:
        yield time_zone(config.settings.study.timezone, environ, {}, now)
        yield _refused("crontab", error)
        if isinstance(error, CrontabError):
            yield _daemon()
        return
    variables = block.variables(crontab, config.path)
    yield time_zone(config.settings.study.timezone, environ, variables, now)
    differences = drifted(config, found, environ, now)
    if found.lines is None and found.installed_at is None:
        yield _warning("crontab", "gradent is not installed in it", drift.INSTALL)
    fine: dict[drift.Part, str] = {}
    if found.lines:
        last = f"last on {drift.told(found.fired_at, local_zone(environ))}" if found.fired_at else "not yet"
        fine = {"crontab": f"runs at '{config.cron_expression}'", "interpreter": _this_python(), "firing": last}
        if config.settings.notify.quiet_hours is not None:
            fine["quiet hours"] = f"{config.settings.notify.quiet_hours}; what they hold is sent when they end"
    elif config.settings.notify.quiet_hours is not None:
        what = f"nothing sends what {config.settings.notify.quiet_hours} holds when it ends, but a run after it"
        yield _warning("quiet hours", what, drift.INSTALL)
    for part in ("crontab", "interpreter", "firing", "quiet hours"):
        mine = [difference for difference in differences if difference.part == part]
        for difference in mine:
            judge = _warning if difference.harmless else _failed
            yield judge(part, difference.what, difference.remedy)
        if not mine and part in fine and (part != "firing" or found.daemon_running is not False):
            yield _fine(part, fine[part])
    yield _daemon()
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
        return _warning(
            "mail",
            f"no channel would tell of a failed run; what it prints {where}",
            "gradent config set --ntfy-topic TOPIC",
        )
    if "failed" not in config.settings.notify.events:
        return _warning(
            "mail",
            f"notify.events is without `failed`, so nothing tells of a failed run; what it prints {where}",
            "gradent config unset notify.events",
        )
    return _fine("mail", f"{' and '.join(channels)} will tell of a failed run; what it prints {where}")


# ── what a run uses ──


def _agent(config: "Config", past: "History | None", environ: Mapping[str, str], *, in_job: bool) -> Check:
    """Whether what cron would start is there. It is not started. `in_job`: whether `environ` is that of a job."""
    agent, study = config.settings.agent, config.settings.study
    if agent.kind in ("study", "llm") and not study.sources:
        return _warning("agent", "it has no assignments to read", "gradent config set --source URL")
    if agent.kind == "study":
        return _fine("agent", f"built in, with {count(len(study.sources), 'source')}")
    from gradent_cli.agents.command import need_folder

    try:
        need_folder(agent.cwd)
        if agent.kind == "llm":
            return _model(config, environ, in_job=in_job)
        return _fine("agent", _program(config, past, environ) if agent.kind == "command" else _function(config))
    except GradentError as error:
        return _refused("agent", error)


def _model(config: "Config", environ: Mapping[str, str], *, in_job: bool) -> Check:
    """Whether a language model could be spoken with. It is not."""
    from gradent_cli.agents.llm import Limits, Model

    own = {name: value.get_secret_value() for name, value in config.settings.agent.env.items()}
    model = Model.from_settings(config.settings.llm)
    model.preflight({**environ, **own}, limited=Limits.from_settings(config.settings.llm).of_money)
    if not in_job and not model.keys_in(own) and (names := model.keys_in(environ)):
        return _warning(
            "agent",
            f"the key of {model.name} is only in this shell's environment ({names[0]}), and cron will not see it",
            "gradent config set llm.api_key -",
        )
    return _fine("agent", f"the language model {model.name}{f' at {model.base_url}' if model.base_url else ''}")


def _program(config: "Config", past: "History | None", environ: Mapping[str, str]) -> str:
    from gradent_cli.agents import mcp
    from gradent_cli.agents.command import find_program

    agent = config.settings.agent
    given = agent.env.get("PATH")
    path = given.get_secret_value() if given else (past.fact("path") if past is not None else None)
    found = find_program(
        agent.command[0], path=path or environ.get("PATH", os.defpath), folder=agent.cwd or Path.home()
    )
    if mcp.is_asked_for(agent.command):
        mcp.need_package()
    return found


def _function(config: "Config") -> str:
    from gradent_cli.agents.callable import function_of, need_package

    agent = config.settings.agent
    function = function_of(agent)
    need_package(function, agent.cwd or Path.home())
    return f"a Python function, {agent.callable or agent.kind}"


def _network(config: "Config", now: datetime, zone: tzinfo) -> list[Check]:
    """Channels and sources, all at once; nothing is sent but a token to its Canvas, no address but a server's told."""
    from gradent_cli.config.schema import SourceSettings

    study = config.settings.study
    plain = [busy for busy in study.busy if busy.kind != "caldav"]
    places = [*(("source", source) for source in study.sources), *(("calendar", busy) for busy in plain)]
    reach: list[Callable[[], Check]] = []
    files = []
    for kind, place in places:
        if isinstance(place, SourceSettings) and place.kind == "canvas":
            reach.append(_canvas(place, now, zone))
        elif place.url is not None:
            reach.append(_reaching(f"{kind} {place.name}", place.url.get_secret_value()))
        elif place.path is not None:
            files.append(_file(f"{kind} {place.name}", place.path))
    reach += [_asking(f"calendar {busy.name}", busy, own=False) for busy in study.busy if busy.kind == "caldav"]
    if study.calendar.url is not None:
        reach.append(_asking("study calendar", study.calendar, own=True))
    return [*_channels(config), *_at_once(reach), *files]


def _channels(config: "Config") -> list[Check]:
    from gradent_cli.notify import open_channels, open_pings

    channels = open_channels(config.settings)
    if not channels:
        return [_warning("channels", "none, so nothing is told", "gradent config set --ntfy-topic TOPIC")]
    # `where` begins with the server, and may go on to say whom it reaches there; Apprise's is no address at all.
    places = [(channel.name, channel.where.partition(",")[0]) for channel in channels]
    if (watcher := open_pings(config.settings)) is not None:
        places.append(("healthchecks", watcher.where))
    return _at_once([_reaching(name, place) for name, place in places if place.startswith("http")])


def _backlogs(config: "Config", zone: tzinfo) -> Iterator[Check]:
    """The channels that refused for good, and those that messages wait for."""
    from gradent_cli.database import open_database
    from gradent_cli.outbox import Outbox

    path = config.state_dir / "gradent.db"
    try:
        backlogs = Outbox(open_database(path, read_only=True), path).backlogs()
    except StateError:  # which has a check of its own
        return
    for backlog in backlogs:
        waiting = f"{count(backlog.waiting, 'message')} {'waits' if backlog.waiting == 1 else 'wait'} for it"
        if backlog.refused is not None and backlog.since is not None:
            since = f"{backlog.since.astimezone(zone):%a %-d %b %H:%M}"
            remedy = "set it right, then: gradent notify test"
            yield _failed(backlog.channel, f"takes nothing since {since}: {backlog.refused}; {waiting}", remedy)
        elif backlog.waiting:
            reason = f": {backlog.reason}" if backlog.reason else ""
            yield _warning(backlog.channel, f"{waiting}{reason}", "gradent notify flush")


def noise(config: "Config") -> tuple[Check, ...]:
    """Whether a service that is known to count takes what this config would send in a day."""
    from gradent_cli.notify import noise

    notify, ntfy = config.settings.notify, config.settings.ntfy
    limit = noise.limit_of(ntfy.server) if ntfy.topic else None
    if limit is None:
        return ()
    host = urlsplit(ntfy.server).hostname
    checks = []
    expected = noise.per_day(
        config.cron_expression, events=notify.events, when=notify.when, quiet_hours=notify.quiet_hours
    )
    if expected is not None and expected > limit:
        checks.append(
            _warning(
                "messages",
                f"runs with news would make {expected} messages a day, and {host} takes {limit} a day from whoever "
                f"does not pay; what is beyond notify.max_per_day ({notify.max_per_day}) waits, and is told as one",
                "gradent config set notify.when changed",
            )
        )
    if notify.max_per_day > limit:
        checks.append(
            _warning(
                "messages",
                f"notify.max_per_day is {notify.max_per_day}, and {host} takes {limit} a day from whoever does not "
                "pay; it refuses the rest until midnight UTC",
                "gradent config unset notify.max_per_day",
            )
        )
    said = "only when something changed" if expected is None else f"at most {expected} a day when all goes well"
    return tuple(checks) or (_fine("messages", f"{said}; {host} takes {limit} a day"),)


def _at_once(checks: Sequence[Callable[[], Check]]) -> list[Check]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=len(checks) or 1) as pool:
        return list(pool.map(lambda check: check(), checks))


def _reaching(name: str, url: str) -> Callable[[], Check]:
    def check() -> Check:
        from gradent_cli.web import WebError, request

        parts = urlsplit(url)
        scheme = "http" if parts.scheme == "http" else "https"  # webcal: as calendars are fetched
        root = f"{scheme}://{parts.netloc.rpartition('@')[2]}"
        try:
            request("HEAD", f"{root}/", seconds=SECONDS_PER_HOST)
        except WebError as error:
            return _failed(name, f"{root} does not answer: {error}", "is this machine online, and the address right?")
        return _fine(name, f"{root} answers")

    return check


def _asking(name: str, calendar: "BusySettings | CalendarSettings", *, own: bool) -> Callable[[], Check]:
    """Whether a CalDAV calendar takes the password; `own`: whether sessions can be written to it. Nothing is."""

    def check() -> Check:
        from gradent_cli.agents.study.caldav import Collection, MissingError

        url, password = calendar.url, calendar.password
        collection = Collection(
            label="it",
            url=url.get_secret_value() if url is not None else "",
            username=calendar.username,
            password=password.get_secret_value() if password is not None else None,
            seconds=SECONDS_PER_HOST,
        )
        try:
            writable = collection.look().writable
        except MissingError as error:
            if own:
                return _warning(name, "it is not there yet; the first run makes it", None)
            return _refused(name, error)
        except SourceError as error:
            return _refused(name, error)
        if own and writable is False:
            return _failed(name, "it can be read, but not written", "give this account the right to write to it")
        return _fine(name, "can be read and written" if own and writable else "can be read")

    return check


def _canvas(source: "SourceSettings", now: datetime, zone: tzinfo) -> Callable[[], Check]:
    """Whether a Canvas takes the token: it ends by itself, and the student would hear of it only when it did."""
    from gradent_cli.agents.study.fetch import Place
    from gradent_cli.agents.study.sources.canvas import CanvasSource, expiry, new_token

    name = f"source {source.name}"
    url, token = (secret.get_secret_value() if secret else "" for secret in (source.url, source.token))

    def check() -> Check:
        place = Place(label=name, expected="Canvas's answer", url=url)
        try:
            CanvasSource(name=source.name, place=place, token=token).greet(now=now, seconds=SECONDS_PER_HOST)
        except SourceError as error:
            return _refused(name, error)
        ends = expiry(source.expires, now.astimezone(zone).date())
        if not ends:
            return _fine(name, f"{url} takes the token")
        return _warning(name, f"{url} takes the token; {ends}", f"{new_token(url)} --source-expires YYYY-MM-DD")

    return check


def _file(name: str, path: Path) -> Check:
    if os.path.isfile(path) and os.access(path, os.R_OK):  # noqa: PTH113  never raises
        return _fine(name, str(path))
    return _failed(name, f"{path} is not a file that can be read", "put it there, or take it out of the config")


def _last_run(past: "History | None", zone: tzinfo) -> list[Check]:
    last = past.previous() if past is not None else None
    if last is None:
        return []
    if last.error is None:
        return [_fine("last run", f"{last.status}, {drift.told(last.started_at, zone)}")]
    judge = _warning if last.status == "interrupted" else _failed
    return [judge("last run", f"{last.status}: {last.error}", f"gradent history {last.id}")]
