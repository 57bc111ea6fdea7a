"""The `[study]` table: where assignments and busy time come from, when there is time, and what a plan is to be like."""

from datetime import timedelta
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator, model_validator

from gradent_cli import durations
from gradent_cli.config.values import (
    BadValueError,
    Day,
    Duration,
    FilePath,
    Secret,
    Table,
    bearer,
    did_you_mean,
    hours_range,
    is_loopback,
    quoted,
    secure_url,
    url_of,
)

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class _Place(Table):
    """Somewhere to read from: exactly one of `url` and `path`; `name` is derived from it when it is not given."""

    kind: str
    url: Secret | None = None
    path: FilePath | None = None
    name: str = ""

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, url: SecretStr) -> SecretStr:
        url_of(url.get_secret_value(), ("http", "https", "webcal"))
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
            return self.name or (Path(self.path).stem if self.path else "")
        return urlsplit(self.url.get_secret_value()).hostname or ""


class SourceSettings(_Place):
    """Where assignments come from. `expires` is the last day of the token, to be warned in time."""

    kind: Literal["ics", "canvas", "toml", "csv", "markdown"]
    token: Secret | None = None
    expires: Day | None = None

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr) -> SecretStr:
        return bearer(token)

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
        url = secure_url(self.url.get_secret_value())
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
    url = url_of(text, ("http", "https"))
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
    if parts is not None and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
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


class CalendarSettings(Table):
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


class StudySettings(Table):
    """When the student can work, what there is to do, and how a plan is made of both."""

    timezone: str | None = None
    hours: Annotated[
        dict[
            Annotated[str, AfterValidator(_weekday)],
            Annotated[list[Annotated[str, AfterValidator(hours_range)]], AfterValidator(_apart)],
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
    sources: list[SourceSettings] = Field(default=[])
    busy: list[BusySettings] = Field(default=[])
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


def _nearest_zone(name: str) -> str | None:
    """By the whole name or by its city alone, capitals aside."""
    named: dict[str, str] = {}
    for zone in sorted(available_timezones()):
        named[zone.lower()] = zone
        named.setdefault(zone.rpartition("/")[2].lower(), zone)
    close = get_close_matches(name.lower().replace(" ", "_"), named, n=1, cutoff=0.75)
    return f"did you mean {named[close[0]]!r}?" if close else None
