"""Whether what is outside can be reached, and would take what gradent sends."""

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gradent_cli.doctor.check import Check, failed, fine, refused, warning
from gradent_cli.errors import SourceError, StateError
from gradent_cli.text import count

if TYPE_CHECKING:
    from gradent_cli.config import Config
    from gradent_cli.config.study import BusySettings, CalendarSettings, SourceSettings

SECONDS_PER_HOST = 5.0


def network(config: "Config", now: datetime, zone: tzinfo) -> list[Check]:
    """Channels and sources, all at once; nothing is sent but a token to its Canvas, no address but a server's told."""
    from gradent_cli.config.study import SourceSettings

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
            files.append(_file(f"{kind} {place.name}", Path(place.path)))
    reach += [_asking(f"calendar {busy.name}", busy, own=False) for busy in study.busy if busy.kind == "caldav"]
    if study.calendar.url is not None:
        reach.append(_asking("study calendar", study.calendar, own=True))
    return [*channels(config), *_at_once(reach), *files]


def channels(config: "Config") -> list[Check]:
    """Whether the servers of all channels answer."""
    from gradent_cli.notify import open_channels, open_pings

    channels = open_channels(config.settings)
    if not channels:
        return [warning("channels", "none, so nothing is told", "gradent config set --ntfy-topic TOPIC")]
    # `where` begins with the server, and may go on to say whom it reaches there; Apprise's is no address at all.
    places = [(channel.name, channel.where.partition(",")[0]) for channel in channels]
    if (watcher := open_pings(config.settings)) is not None:
        places.append(("healthchecks", watcher.where))
    return _at_once([_reaching(name, place) for name, place in places if place.startswith("http")])


def backlogs(config: "Config", zone: tzinfo) -> Iterator[Check]:
    """The channels that refused for good, and those that messages wait for."""
    from gradent_cli.database import open_database
    from gradent_cli.outbox import Outbox

    path = f"{config.state_dir}/gradent.db"
    try:
        backlogs = Outbox(open_database(path, read_only=True), path).backlogs()
    except StateError:  # which has a check of its own
        return
    for backlog in backlogs:
        waiting = f"{count(backlog.waiting, 'message')} {'waits' if backlog.waiting == 1 else 'wait'} for it"
        if backlog.refused is not None and backlog.since is not None:
            since = f"{backlog.since.astimezone(zone):%a %-d %b %H:%M}"
            remedy = "set it right, then: gradent notify test"
            yield failed(backlog.channel, f"takes nothing since {since}: {backlog.refused}; {waiting}", remedy)
        elif backlog.waiting:
            reason = f": {backlog.reason}" if backlog.reason else ""
            yield warning(backlog.channel, f"{waiting}{reason}", "gradent notify flush")


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
            warning(
                "messages",
                f"runs with news would make {expected} messages a day, and {host} takes {limit} a day from whoever "
                f"does not pay; what is beyond notify.max_per_day ({notify.max_per_day}) waits, and is told as one",
                "gradent config set notify.when changed",
            )
        )
    if notify.max_per_day > limit:
        checks.append(
            warning(
                "messages",
                f"notify.max_per_day is {notify.max_per_day}, and {host} takes {limit} a day from whoever does not "
                "pay; it refuses the rest until midnight UTC",
                "gradent config unset notify.max_per_day",
            )
        )
    said = "only when something changed" if expected is None else f"at most {expected} a day when all goes well"
    return tuple(checks) or (fine("messages", f"{said}; {host} takes {limit} a day"),)


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
            return failed(name, f"{root} does not answer: {error}", "is this machine online, and the address right?")
        return fine(name, f"{root} answers")

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
                return warning(name, "it is not there yet; the first run makes it", None)
            return refused(name, error)
        except SourceError as error:
            return refused(name, error)
        if own and writable is False:
            return failed(name, "it can be read, but not written", "give this account the right to write to it")
        return fine(name, "can be read and written" if own and writable else "can be read")

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
            return refused(name, error)
        ends = expiry(source.expires, now.astimezone(zone).date())
        if not ends:
            return fine(name, f"{url} takes the token")
        return warning(name, f"{url} takes the token; {ends}", f"{new_token(url)} --source-expires YYYY-MM-DD")

    return check


def _file(name: str, path: Path) -> Check:
    if os.path.isfile(path) and os.access(path, os.R_OK):  # noqa: PTH113  never raises
        return fine(name, str(path))
    return failed(name, f"{path} is not a file that can be read", "put it there, or take it out of the config")
