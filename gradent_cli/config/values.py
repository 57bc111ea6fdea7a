"""The kinds of value that a config holds, and how one is refused: with why, and never quoting a secret."""

import ipaddress
import os
import re
from collections.abc import Collection, Sequence
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    SecretStr,
    SerializationInfo,
)
from pydantic_core import PydanticCustomError

from gradent_cli import durations, frequency
from gradent_cli.text import one_line

MASK = "********"
REVEAL = {"reveal": True}
"""The serialisation context in which secrets are not masked."""


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


def _file_path(value: object) -> str:
    text = _text(os.fspath(value) if isinstance(value, os.PathLike) else value)
    if not text:
        raise BadValueError("must not be empty")
    return without_nul(text)


def without_nul(text: str) -> str:
    """The kernel takes no NUL in paths, arguments and environments."""
    if "\0" in text:
        raise BadValueError("must not contain a NUL character")
    return text


def secret_without_nul(secret: SecretStr) -> SecretStr:
    """The same of a secret."""
    without_nul(secret.get_secret_value())
    return secret


def _spelled_secret(secret: SecretStr, info: SerializationInfo) -> str:
    return secret.get_secret_value() if info.context == REVEAL else MASK


Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(durations.spell)]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day), PlainSerializer(lambda at: f"{at:%H:%M}")]
Day = Annotated[date, BeforeValidator(_day), PlainSerializer(date.isoformat)]
FilePath = Annotated[str, BeforeValidator(_file_path)]
Argument = Annotated[str, AfterValidator(without_nul)]
Secret = Annotated[SecretStr, PlainSerializer(_spelled_secret)]


def url_of(text: str, schemes: Sequence[str]) -> SplitResult:
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


def is_loopback(host: str) -> bool:
    """Whether it is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def secure_url(text: str) -> SplitResult:
    """An https URL; http only to this machine."""
    url = url_of(text, ("http", "https"))
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        raise BadValueError("must begin with https://, as its token would be readable on the way")
    return url


def bearer(token: SecretStr) -> SecretStr:
    """A token that a header can carry."""
    if re.fullmatch(r"[!-~]+", token.get_secret_value()) is None:
        raise BadValueError("must be printable ASCII without blanks, and not empty")
    return token


class Table(BaseModel):
    """A table of the config: strict, and with no other keys than its own."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


def hours_range(text: str) -> str:
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


def did_you_mean(word: str, words: Collection[str], *, after: str = "") -> str | None:
    """A hint that names the nearest word, `after` what all of them begin with; None when none is near."""
    close = get_close_matches(word, sorted(words), n=1, cutoff=0.6)
    return f"did you mean {after + close[0]!r}?" if close else None


def quoted(value: str) -> str:
    """A value of the person's own in quotes, on one line and not endless."""
    return repr(one_line(value, 60))
