"""What the config may hold: every key with its type, its default and what is allowed.

Who refuses a value says why in a `BadValueError`, and never quotes a secret.
"""

import ipaddress
import re
from collections.abc import Collection, Sequence
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    SerializationInfo,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gradent_cli import durations, frequency
from gradent_cli.records import EVENTS, Event
from gradent_cli.text import one_line

MASK = "********"
REVEAL = {"reveal": True}
"""The serialisation context in which secrets are not masked."""
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DEFAULT_PROMPT = "Check my assignments, plan the work that is left, and tell me what to do next."


class BadValueError(ValueError):
    """Why a value cannot be used.

    `beside` is the key that it clashes with: one in the same table, or a dotted one of another. `missing` is the key
    that a table lacks.
    """

    def __init__(
        self, why: str, *, hint: str | None = None, beside: str | None = None, missing: str | None = None
    ) -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint
        self.beside = beside
        self.missing = missing


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "not text")
    return value


def _duration(value: object) -> timedelta:
    return value if isinstance(value, timedelta) else durations.parse(_text(value))


def _time_of_day(value: object) -> time:
    return value if isinstance(value, time) else frequency.parse_at(_text(value))


def _day(value: object) -> date:
    """TOML's own date, or a text that is one: environment variables and inline tables have nothing else."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(_text(value))
    except ValueError as error:
        raise BadValueError(f'{quoted(str(value))} is not a day; write it as "2027-01-31"') from error


def _file_path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if not _text(value):
        raise BadValueError("must not be empty")
    return Path(_without_nul(_text(value)))


def _without_nul(text: str) -> str:
    """The kernel takes no NUL in paths, arguments and environments."""
    if "\0" in text:
        raise BadValueError("must not contain a NUL character")
    return text


def _secret_without_nul(secret: SecretStr) -> SecretStr:
    _without_nul(secret.get_secret_value())
    return secret


def _spelled_secret(secret: SecretStr, info: SerializationInfo) -> str:
    return secret.get_secret_value() if info.context == REVEAL else MASK


Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(durations.spell)]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day), PlainSerializer(lambda at: f"{at:%H:%M}")]
Day = Annotated[date, BeforeValidator(_day), PlainSerializer(date.isoformat)]
FilePath = Annotated[Path, BeforeValidator(_file_path), PlainSerializer(str)]
Argument = Annotated[str, AfterValidator(_without_nul)]
Secret = Annotated[SecretStr, PlainSerializer(_spelled_secret)]


def _url(text: str, schemes: Sequence[str]) -> SplitResult:
    """A URL with one of the schemes and a host. Its text is not quoted when it is refused."""
    try:
        url = urlsplit(text)
        usable = url.scheme in schemes and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isprintable() or " " in text:
        *most, last = (f"{scheme}://" for scheme in schemes)
        raise BadValueError(f"must be a URL that begins with {', '.join(most)} or {last}")
    return url


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secure_url(text: str) -> SplitResult:
    """An https URL; http only to this machine."""
    url = _url(text, ("http", "https"))
    if url.scheme == "http" and not _loopback(url.hostname or ""):
        raise BadValueError("must begin with https://, as its token would be readable on the way")
    return url


def _bearer(token: SecretStr) -> SecretStr:
    """A token that a header can carry."""
    if re.fullmatch(r"[!-~]+", token.get_secret_value()) is None:
        raise BadValueError("must be printable ASCII without blanks, and not empty")
    return token


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


AGENT_KINDS = ("study", "llm", "command", "callable")
"""The agents that gradent brings along; beside them there are the installed ones."""
AGENT_GROUP = "gradent.agents"
"""The group of entry points in which a package offers an agent."""


def _agent_kind(kind: str) -> str:
    """Built in, or an installed entry point. What is installed is looked up only for a name that is not built in."""
    if kind in AGENT_KINDS:
        return kind
    from importlib.metadata import entry_points

    installed = sorted({entry.name for entry in entry_points(group=AGENT_GROUP)})
    if kind not in installed:
        allowed = [f'"{name}"' for name in (*AGENT_KINDS, *installed)]
        raise BadValueError(
            f"{quoted(kind)} is no agent that is installed here; use {', '.join(allowed[:-1])} or {allowed[-1]}",
            hint=did_you_mean(kind, (*AGENT_KINDS, *installed)),
        )
    return kind


def _function(text: str) -> str:
    """`package.module:function`."""
    module, _, name = text.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise BadValueError(f'{quoted(text)} is not a function; write it as "package.module:function"')
    return text


class AgentSettings(_Table):
    """What runs, and for how long."""

    kind: Annotated[str, AfterValidator(_agent_kind)] = "study"
    command: list[Argument] = Field(default=[], validate_default=True)
    callable: Annotated[str, AfterValidator(_function)] | None = Field(default=None, validate_default=True)
    prompt: Argument = DEFAULT_PROMPT
    stdin: Literal["prompt", "context", "none"] | None = None
    cwd: FilePath | None = None
    env: dict[str, Annotated[Secret, AfterValidator(_secret_without_nul)]] = {}
    notify_tools: list[str] | None = None
    timeout: Duration = timedelta(minutes=15)
    idle_timeout: Duration | None = None
    grace: Duration = timedelta(seconds=10)

    @field_validator("command")
    @classmethod
    def _names_a_program(cls, command: list[str], info: ValidationInfo) -> list[str]:
        if info.data.get("kind") == "command" and not command:
            raise BadValueError(
                'kind = "command" needs one',
                hint="""gradent config set agent.command '["my-agent", "{prompt}"]'""",
                beside="kind",
            )
        if command and not command[0].strip():
            raise BadValueError("its first text is the program and must not be empty")
        return command

    @field_validator("callable")
    @classmethod
    def _names_a_function(cls, callable: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("kind") == "callable" and callable is None:
            raise BadValueError(
                'kind = "callable" needs one',
                hint="gradent config set agent.callable package.module:function",
                beside="kind",
            )
        return callable

    @field_validator("env")
    @classmethod
    def _has_usable_names(cls, env: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name in env:
            if not name or "=" in name or "\0" in name:
                raise BadValueError(f"{name!r} cannot be the name of an environment variable")
        return env


def _api(text: str) -> str:
    """The address that a server gives for its API, such as `http://localhost:11434/v1`."""
    url = _url(text, ("http", "https"))
    if "@" in url.netloc:
        raise BadValueError("must not hold a user name or password", hint="gradent config set llm.api_key -")
    if url.query or url.fragment:
        raise BadValueError("must be an address without ? and #")
    if url.path.rstrip("/").endswith("/chat/completions"):
        raise BadValueError("must end before /chat/completions, as that is added")
    return text


Money = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class LlmSettings(_Table):
    """The language model that drives the study tools, and what it may spend.

    Limits are those of one run, but for `max_cost_usd_per_day`. Money is in US dollars, prices are for a million
    tokens; `max_tokens` counts input and output.
    """

    base_url: Annotated[str, AfterValidator(_api)] | None = None
    model: str | None = None
    api_key: Secret | None = None
    max_requests: Annotated[int, Field(ge=1, le=1000)] = 20
    max_tool_calls: Annotated[int, Field(ge=1, le=1000)] = 50
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000_000)] = 200_000
    max_cost_usd: Money | None = None
    max_cost_usd_per_day: Money | None = None
    input_price: Price | None = None
    output_price: Price | None = Field(default=None, validate_default=True)

    @field_validator("model")
    @classmethod
    def _says_whose_it_is(cls, model: str, info: ValidationInfo) -> str:
        """`provider:name`, or as the server at `base_url` calls it."""
        if not model.strip() or not model.isprintable():
            raise BadValueError("must be a name on one line")
        provider, _, name = model.partition(":")
        if info.data.get("base_url", "") is None and not (provider and name):
            raise BadValueError(
                f'{quoted(model)} names no provider; write it as "openai:gpt-5-mini"',
                hint="for a server of your own, first: gradent config set llm.base_url URL",
            )
        return model

    @field_validator("api_key")
    @classmethod
    def _can_be_sent(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        url = urlsplit(info.data.get("base_url") or "")
        if url.scheme == "http" and not _loopback(url.hostname or ""):
            raise BadValueError("needs a base_url that begins with https://, as it would be readable on the way")
        return _bearer(key)

    @field_validator("output_price")
    @classmethod
    def _is_one_of_a_pair(cls, output_price: float | None, info: ValidationInfo) -> float | None:
        input_price = info.data.get("input_price", output_price)
        if (input_price is None) != (output_price is None):
            raise BadValueError(
                "input_price and output_price need each other",
                hint="gradent config set llm.input_price 0.25 llm.output_price 2",
                beside="input_price",
            )
        return output_price


def _hours_range(text: str) -> str:
    """`9:00-21:00` -> `09:00-21:00`; an end before the start is on the next day, and one at midnight is `24:00`."""
    start, _, end = text.partition("-")
    try:
        first = frequency.parse_at(start)
        last = time() if end.strip() == "24:00" else frequency.parse_at(end)
    except ValueError as error:
        raise BadValueError(f'{quoted(text)} is not a range of hours; write it as "HH:MM-HH:MM"') from error
    if first == last and end.strip() != "24:00":
        raise BadValueError(
            f"{quoted(text)} begins and ends at the same time", hint='the whole day is written as "00:00-24:00"'
        )
    return f"{first:%H:%M}-{last:%H:%M}" if last > time() else f"{first:%H:%M}-24:00"


def _quiet_hours(text: str) -> str:
    hours = _hours_range(text)
    if hours == "00:00-24:00":
        raise BadValueError("would hold every message for ever", hint="gradent config set notify.events ''")
    return hours


class NotifySettings(_Table):
    """What is worth a message, and when."""

    events: list[Event] = list(EVENTS)
    when: Literal["always", "changed", "failed"] = "always"
    quiet_hours: Annotated[str, AfterValidator(_quiet_hours)] | None = None
    quiet_failures: bool = False
    remind_every: Duration = timedelta(hours=24)
    max_per_day: Annotated[int, Field(ge=1, le=100_000)] = 200


_RESERVED_TOPICS = frozenset(
    ("account", "app", "docs", "file", "login", "metrics", "settings", "signup", "static", "v1")
)


class NtfySettings(_Table):
    """Where ntfy messages go. The topic's name is all that keeps others from reading them."""

    topic: str | None = None
    server: str = "https://ntfy.sh"
    token: Secret | None = None

    @field_validator("topic")
    @classmethod
    def _is_a_topic(cls, topic: str) -> str:
        """As ntfy 2.11 has it in `server/server.go` (https://github.com/binwiederhier/ntfy)."""
        if re.fullmatch(r"[-_A-Za-z0-9]{1,64}", topic) is None:
            raise BadValueError(
                "must be 1 to 64 letters, digits, - and _ (the part after the last slash of its address)"
            )
        if topic in _RESERVED_TOPICS:
            raise BadValueError(f"ntfy keeps {topic!r} for itself; choose another name")
        return topic

    @field_validator("server")
    @classmethod
    def _is_a_root(cls, server: str) -> str:
        url = _url(server, ("http", "https"))
        if "@" in url.netloc:
            raise BadValueError("must not hold a user name or password", hint="gradent config set --ntfy-token -")
        if url.path not in ("", "/") or url.query or url.fragment:
            raise BadValueError("must be the server alone, with nothing after its name; the topic has a key of its own")
        return server.rstrip("/")

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr) -> SecretStr:
        return _bearer(token)


class DiscordSettings(_Table):
    """The webhook of a Discord channel."""

    webhook: Secret | None = None
    username: str | None = None

    @field_validator("webhook")
    @classmethod
    def _is_a_webhook(cls, webhook: SecretStr) -> SecretStr:
        url = _secure_url(webhook.get_secret_value())
        if re.fullmatch(r"/api(/v\d+)?/webhooks/\d+/[-.\w]+/?", url.path, re.ASCII) is None:
            raise BadValueError(
                "must look like https://discord.com/api/webhooks/ID/TOKEN",
                hint="copy it in Discord: channel settings, Integrations, Webhooks, Copy Webhook URL",
            )
        return webhook

    @field_validator("username")
    @classmethod
    def _is_accepted(cls, username: str) -> str:
        """https://discord.com/developers/docs/resources/user#usernames-and-nicknames."""
        if not 1 <= len(username.strip()) <= 80 or re.search("clyde|discord", username, re.IGNORECASE):
            raise BadValueError("must be 1 to 80 characters, without 'clyde' or 'discord' in it")
        return username


class AppriseSettings(_Table):
    """Any service that Apprise knows; each URL is a channel of its own."""

    urls: list[Secret] = []

    @field_validator("urls")
    @classmethod
    def _are_urls(cls, urls: list[SecretStr]) -> list[SecretStr]:
        """What comes after the scheme is for Apprise to judge, which is an extra and imported only to send."""
        for number, url in enumerate(urls, 1):
            text = url.get_secret_value()
            if re.match(r"[A-Za-z][A-Za-z0-9]*://", text) is None or not text.isprintable() or " " in text:
                which = f"entry {number} " if len(urls) > 1 else ""
                raise BadValueError(
                    f"{which}must be a URL that Apprise knows, such as mailto://...",
                    hint="https://github.com/caronc/apprise/wiki",
                )
        return urls


class WebhookSettings(_Table):
    """An address that takes each message as JSON."""

    url: Secret | None = None

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, url: SecretStr) -> SecretStr:
        _url(url.get_secret_value(), ("http", "https"))  # what listens at home often has no certificate
        return url


class HealthchecksSettings(_Table):
    """A check at Healthchecks or a service like it: the base URL, to which `/start` and `/fail` are added."""

    ping_url: Secret | None = None

    @field_validator("ping_url")
    @classmethod
    def _is_a_check(cls, ping_url: SecretStr) -> SecretStr:
        path = _url(ping_url.get_secret_value(), ("http", "https")).path.rstrip("/")
        if not path:
            raise BadValueError("must be the ping URL of one check, such as https://hc-ping.com/UUID")
        if re.search(r"/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/(start|fail|log|\d+)$", path, re.IGNORECASE):
            raise BadValueError("must be the check's ping URL alone, as gradent adds /start, /fail and exit codes")
        return ping_url


class HistorySettings(_Table):
    """How much of the past is kept: what is beyond either limit goes."""

    max_runs: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    max_age: Duration = timedelta(days=365)


class _Place(_Table):
    """Somewhere to read from: exactly one of `url` and `path`; `name` is derived from it when it is not given."""

    kind: str
    url: Secret | None = None
    path: FilePath | None = None
    name: str = ""

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, url: SecretStr) -> SecretStr:
        _url(url.get_secret_value(), ("http", "https", "webcal"))
        return url

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not name.strip() or not name.isprintable():
            raise BadValueError("must be a name on one line, or left out")
        return name.strip()

    @model_validator(mode="after")
    def _is_one_place(self) -> "_Place":
        if (self.url is None) == (self.path is None):
            raise BadValueError("needs exactly one of url and path")
        return self

    def plain_name(self) -> str:
        """The given name, else the host of the URL or the stem of the file."""
        if self.name or self.url is None:
            return self.name or (self.path.stem if self.path else "")
        return urlsplit(self.url.get_secret_value()).hostname or ""


class SourceSettings(_Place):
    """Where assignments come from. `expires` is the last day of the token, to be warned in time."""

    kind: Literal["ics", "canvas", "toml", "csv", "markdown"]
    token: Secret | None = None
    expires: Day | None = None

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr) -> SecretStr:
        return _bearer(token)

    @model_validator(mode="after")
    def _is_read_where_it_lies(self) -> "SourceSettings":
        if self.kind == "canvas":
            return self._is_a_canvas()
        for name in ("token", "expires"):
            if getattr(self, name) is not None:
                raise BadValueError(f'kind = "{self.kind}" has no {name}; only "canvas" has one')
        if self.kind != "ics" and self.path is None:
            raise BadValueError(f'kind = "{self.kind}" needs a path; only "ics" and "canvas" are read from a url')
        return self

    def _is_a_canvas(self) -> "SourceSettings":
        if self.url is None:
            raise BadValueError('kind = "canvas" needs the url of your school\'s Canvas, not a path')
        url = _secure_url(self.url.get_secret_value())
        if "@" in url.netloc or url.path not in ("", "/") or url.query or url.fragment:
            raise BadValueError(
                "the url of a Canvas is its address alone, such as https://school.instructure.com",
                hint='a link that ends in .ics is a calendar feed: kind = "ics"',
            )
        if self.token is None:
            raise BadValueError(
                'kind = "canvas" needs a token',
                hint="make one in Canvas (Account, Settings, New access token), then: "
                "gradent config set --source URL --source-token -",
            )
        return self


def _user_name(name: str) -> str:
    """What HTTP's basic authentication can carry (RFC 7617)."""
    if not name or ":" in name or not name.isprintable():
        raise BadValueError("must be a user name without a colon")
    return name


def _collection(text: str) -> None:
    """The address of a CalDAV calendar."""
    url = _url(text, ("http", "https"))
    if "@" in url.netloc:
        raise BadValueError("its url must not hold a user name or password; they have keys of their own")
    if url.query or url.fragment:
        raise BadValueError("its url must be that of a calendar, without ? and #")


def _password_for(url: SecretStr | None, username: str | None, password: SecretStr | None) -> None:
    """A password needs a name, and a way on which nobody can read it."""
    if password is None:
        return
    if not password.get_secret_value():
        raise BadValueError("its password must not be empty")
    if username is None:
        raise BadValueError("its password needs a username beside it")
    parts = urlsplit(url.get_secret_value()) if url is not None else None
    if parts is not None and parts.scheme == "http" and not _loopback(parts.hostname or ""):
        raise BadValueError("its url must begin with https://, as the password would be readable on the way")


class BusySettings(_Place):
    """A calendar whose events block time: a file or feed, or a collection on a CalDAV server."""

    kind: Literal["ics", "caldav"] = "ics"
    username: Annotated[str, AfterValidator(_user_name)] | None = None
    password: Secret | None = None
    all_day: bool = False

    @model_validator(mode="after")
    def _can_be_asked(self) -> "BusySettings":
        if self.kind == "ics":
            if self.username is not None or self.password is not None:
                raise BadValueError('only kind = "caldav" takes a user name and a password')
            return self
        if self.url is None:
            raise BadValueError('kind = "caldav" needs the url of a calendar on a server')
        _collection(self.url.get_secret_value())
        _password_for(self.url, self.username, self.password)
        return self


class CalendarSettings(_Table):
    """Where study sessions are written to: a calendar of their own on a CalDAV server."""

    kind: Literal["caldav"] = "caldav"
    url: Secret | None = None
    username: Annotated[str, AfterValidator(_user_name)] | None = None
    password: Secret | None = Field(default=None, validate_default=True)

    @field_validator("url")
    @classmethod
    def _is_a_collection(cls, url: SecretStr) -> SecretStr:
        _collection(url.get_secret_value())
        return url

    @field_validator("password")
    @classmethod
    def _can_be_sent(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        _password_for(info.data.get("url"), info.data.get("username"), password)
        return password


def _apart(ranges: list[str]) -> list[str]:
    """No two ranges of a day may share time."""
    spans = sorted(_minutes(text) for text in ranges)
    for (_, end, one), (start, _, other) in pairwise(spans):
        if start < end:
            raise BadValueError(f"{one!r} and {other!r} overlap")
    return ranges


def _minutes(hours: str) -> tuple[int, int, str]:
    """Start and end of a range in minutes after the day's midnight, and the range itself."""
    first, last = (60 * int(part[:2]) + int(part[3:]) for part in hours.split("-"))
    return first, last if last > first else last + 24 * 60, hours


def _weekday(name: str) -> str:
    if name not in WEEKDAYS:
        raise BadValueError(f"{quoted(name)} is not a weekday", hint=did_you_mean(name.lower(), WEEKDAYS))
    return name


def _whole_week(hours: dict[str, list[str]]) -> dict[str, list[str]]:
    """Days that the config does not name keep their default."""
    return {day: hours.get(day, ["09:00-21:00"]) for day in WEEKDAYS}


class StudySettings(_Table):
    """When the student can work, what there is to do, and how a plan is made of both."""

    timezone: str | None = None
    hours: Annotated[
        dict[
            Annotated[str, AfterValidator(_weekday)],
            Annotated[list[Annotated[str, AfterValidator(_hours_range)]], AfterValidator(_apart)],
        ],
        AfterValidator(_whole_week),
    ] = _whole_week({})
    session_min: Duration = timedelta(minutes=30)
    session_max: Duration = Field(default=timedelta(hours=2), validate_default=True)
    break_: Duration = Field(default=timedelta(minutes=15), alias="break")
    max_per_day: Duration = Field(default=timedelta(hours=4), validate_default=True)
    due_buffer: Duration = timedelta(hours=12)
    horizon_days: Annotated[int, Field(ge=1, le=366)] = 60
    auto_schedule: bool = True
    plan_ics: FilePath | None = None
    sources: list[SourceSettings] = []
    busy: list[BusySettings] = []
    calendar: CalendarSettings = CalendarSettings()

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (KeyError, ValueError, OSError) as error:  # not there, not a relative path, a folder
            raise BadValueError(
                f'{quoted(timezone)} is not a time zone; write it as "Europe/Amsterdam"',
                hint=_nearest_zone(timezone),
            ) from error
        return timezone

    @field_validator("session_max", "max_per_day")
    @classmethod
    def _holds_a_session(cls, limit: timedelta, info: ValidationInfo) -> timedelta:
        shortest = info.data.get("session_min", limit)
        if limit < shortest:
            raise BadValueError(
                f"{durations.spell(limit)} is shorter than session_min, {durations.spell(shortest)}",
                beside="session_min",
            )
        return limit


class Settings(BaseSettings):
    """Every value, checked. What it is made from is handed in; beside that it looks only at what is installed."""

    model_config = SettingsConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    enabled: bool = True
    frequency: str = "1hour"
    at: TimeOfDay = time()
    state_dir: FilePath | None = None
    agent: AgentSettings = AgentSettings()
    notify: NotifySettings = NotifySettings()
    ntfy: NtfySettings = NtfySettings()
    discord: DiscordSettings = DiscordSettings()
    apprise: AppriseSettings = AppriseSettings()
    webhook: WebhookSettings = WebhookSettings()
    healthchecks: HealthchecksSettings = HealthchecksSettings()
    history: HistorySettings = HistorySettings()
    study: StudySettings = StudySettings()
    llm: LlmSettings = LlmSettings()

    @field_validator("llm")
    @classmethod
    def _names_a_model(cls, llm: LlmSettings, info: ValidationInfo) -> LlmSettings:
        agent = info.data.get("agent")
        if agent is not None and agent.kind == "llm" and llm.model is None:
            raise BadValueError(
                'agent.kind = "llm" needs one',
                hint="gradent config set llm.model ollama:qwen3:8b",
                beside="agent.kind",
                missing="model",
            )
        return llm

    @field_validator("frequency")
    @classmethod
    def _is_a_schedule(cls, value: str) -> str:
        frequency.cron_expression(value, time())
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  pydantic-settings calls with these names
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what it is called with."""
        return (init_settings,)


def did_you_mean(word: str, words: Collection[str], *, after: str = "") -> str | None:
    """A hint that names the nearest word, `after` what all of them begin with; None when none is near."""
    close = get_close_matches(word, sorted(words), n=1, cutoff=0.6)
    return f"did you mean {after + close[0]!r}?" if close else None


def _nearest_zone(name: str) -> str | None:
    """By the whole name or by its city alone, capitals aside."""
    named: dict[str, str] = {}
    for zone in sorted(available_timezones()):
        named[zone.lower()] = zone
        named.setdefault(zone.rpartition("/")[2].lower(), zone)
    close = get_close_matches(name.lower().replace(" ", "_"), named, n=1, cutoff=0.75)
    return f"did you mean {named[close[0]]!r}?" if close else None


def quoted(value: str) -> str:
    """A value of the person's own in quotes, on one line and not endless."""
    return repr(one_line(value, 60))
