"""The config file: reading it with the environment on top, and changing it without losing a comment.

A value comes from the environment (`GRADENT_NTFY__TOPIC`), else the file, else the default. Whatever cannot be used
is refused with where it stands, what is allowed and the nearest right name; a secret is never quoted.
"""

import codecs
import re
import shlex
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from gradent_cli import files, frequency, paths
from gradent_cli.config.channels import DiscordSettings, NotifySettings, NtfySettings
from gradent_cli.config.document import add_table, at, nested, parts, set_value, unset_value
from gradent_cli.config.keys import KEYS, PREFIX, is_secret, key_of, parse_value, shape, variable
from gradent_cli.config.refusals import Problem, Reading, Variable, problems, refusal
from gradent_cli.config.schema import AgentSettings, LlmSettings, Settings
from gradent_cli.config.study import BusySettings, SourceSettings, StudySettings
from gradent_cli.config.values import MASK, REVEAL
from gradent_cli.dataclass import dataclass
from gradent_cli.errors import ConfigError

__all__ = [
    "KEYS",
    "MASK",
    "AgentSettings",
    "BusySettings",
    "Config",
    "DiscordSettings",
    "LlmSettings",
    "NotifySettings",
    "NtfySettings",
    "Settings",
    "SourceSettings",
    "StudySettings",
    "add_table",
    "change",
    "check",
    "doubled",
    "flat",
    "is_secret",
    "load",
    "parse_value",
    "read",
    "salvage",
    "set_value",
    "unset_value",
    "value_of",
    "values",
    "variable",
]

_LARGEST = 1_048_576
_SHORTEST_SECRET = 6
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A config as it counts.

    `path` and `state_dir` are absolute. `origins` says for every dotted key whether its value comes from `file`,
    `default` or `environment NAME`. `secrets` are the values that must not be shown; those of fewer than six characters
    (a `1` in `agent.env`) are left out, as nothing readable would be left of a text without them. `warnings` are
    sentences.
    """

    path: str
    settings: Settings
    state_dir: str
    origins: Mapping[str, str]
    secrets: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def cron_expression(self) -> str:
        """The schedule as five fields."""
        return frequency.cron_expression(self.settings.frequency, self.settings.at)


# ── reading ──


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read the config at the absolute `path`, with the `GRADENT_*` variables of `environ` on top.

    Raises:
        ConfigError: it is missing or unreadable, or something in it or in a variable cannot be used; all of that is
            named at once.
    """
    text = read(path)
    if text is None:
        raise ConfigError(f"there is no config file {path}", hint="make one: gradent config init")
    variables, bad_variables = _variables(environ)
    return _judge(path, text, text, environ, variables, bad_variables)


def salvage(path: Path, environ: Mapping[str, str]) -> Config | None:
    """Of a config that `load` refuses, as much as it takes to tell somebody: its channels and its state.

    None when that cannot be read either, or when there is no such file.
    """
    import tomli_w

    with suppress(ConfigError):
        text = read(path)
        if text is not None:
            document = _document(path, text)
            kept = tomli_w.dumps(
                {name: document[name] for name in ("state_dir", "ntfy", "discord") if name in document}
            )
            return _judge(path, kept, kept, environ, _variables(environ)[0])
    return None


def check(path: Path, text: str, environ: Mapping[str, str]) -> Config:
    """What `text` would be as the content of `path`, with no variable on top.

    Raises:
        ConfigError: as `load`.
    """
    return _judge(path, text, text, environ)


def read(path: Path) -> str | None:
    """The text of the file without its byte order mark; None when there is no file.

    Raises:
        ConfigError: it cannot be read, or is not text.
    """
    raw = _bytes(path)
    return None if raw is None else _decoded(path, raw).removeprefix(_BOM)


def _bytes(path: Path) -> bytes | None:
    try:
        with path.open("rb") as stream:
            raw = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise ConfigError(f"{path} is a folder, not a config file", hint=f"--config {path}/config.toml") from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    if len(raw) > _LARGEST:
        raise ConfigError(f"{path} is larger than a megabyte, so it is not a config file")
    return raw


def _decoded(path: Path, raw: bytes) -> str:
    hint = "save it as UTF-8"
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ConfigError(f"{path} is UTF-16, not UTF-8", hint=hint)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        raise ConfigError(f"{path} is not UTF-8: byte 0x{byte:02x} at offset {error.start}", hint=hint) from error
    if "\0" in text:
        raise ConfigError(f"{path} is not text: NUL byte at offset {raw.index(0)}")
    return text


def _document(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        why, _, place = str(error).rpartition(" (at ")
        found = re.fullmatch(r"line (\d+), column (\d+)\)", place)
        rows = text.rstrip().split("\n")
        row, column = (int(found[1]), int(found[2])) if found else (len(rows), len(rows[-1]) + 1)
        hint = 'is text missing its quotes? It is written as: key = "text"' if "Invalid value" in why else None
        raise ConfigError(f"{path} line {row}, column {column}: {why[0].lower()}{why[1:]}", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} has a number of thousands of digits, or is nested too deeply") from error


def _judge(
    path: Path,
    before: str,
    text: str,
    environ: Mapping[str, str],
    variables: Sequence[Variable] = (),
    bad_variables: Sequence[Problem] = (),
) -> Config:
    """Check a text and the variables together.

    Args:
        before: what the file holds now, for where things stand; `text` itself unless an edit is being tried.
    """
    document = _document(path, text)
    try:
        given = _settings(document, variables)
    except ValidationError as error:
        reading = Reading(
            path=path, text=before, present=_document(path, before), document=document, variables=variables
        )
        raise refusal([*problems(error, reading), *bad_variables]) from error
    if bad_variables:
        raise refusal(bad_variables)
    settings = _settled(given, path.parent, environ)
    secrets = list(_secrets(settings))
    origins = {key: _origin(key, document, variables) for key in flat(_dumped(settings, reveal=False))}
    configured = environ.get("GRADENT_STATE_DIR") or settings.state_dir
    return Config(
        path=str(path),
        settings=settings,
        state_dir=str(paths.state_dir(path, configured, environ)),
        origins=origins,
        secrets=tuple(secret for _, secret in secrets if len(secret) >= _SHORTEST_SECRET),
        warnings=(
            *(_warnings(path) if any(origins[key] == "file" for key, _ in secrets) else ()),
            *doubled(settings.study.sources),
        ),
    )


def _settings(document: Mapping[str, Any], variables: Sequence[Variable]) -> Settings:
    """The variables over the document over the defaults, as pydantic-settings merges its sources."""

    class Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: object, **__: object
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            documents = [*(given.document for given in variables), document]
            return tuple(InitSettingsSource(settings_cls, dict(values)) for values in documents)

    return Sourced()


def _variables(environ: Mapping[str, str]) -> tuple[list[Variable], list[Problem]]:
    """The variables that set a key, and what is wrong with others. An empty one counts as not set."""
    found: list[Variable] = []
    bad: list[Problem] = []
    for name in sorted(name for name in environ if name.startswith(PREFIX)):
        try:
            key = key_of(name)
            if key is not None and environ[name]:
                found.append(Variable(name=name, document=nested(parts(key), parse_value(key, environ[name]))))
        except ConfigError as error:
            bad.append(
                Problem(None, error.message if name in error.message else f"{name}: {error.message}", error.hint)
            )
    return found, bad


def _settled(settings: Settings, folder: Path, environ: Mapping[str, str]) -> Settings:
    """With absolute paths, and a name of its own for every source and calendar."""

    def absolute(path: str | None) -> str | None:
        return None if path is None else str(paths.absolute(path, environ, base=folder))

    agent, study = settings.agent, settings.study
    # A source's name is part of its assignments' ids, and has always made way for the name given to a calendar.
    sources = iter(_names(study.sources, taken=[calendar.name for calendar in study.busy]))
    calendars = iter(_names(study.busy))
    changed = {
        "plan_ics": absolute(study.plan_ics),
        "sources": [s.model_copy(update={"path": absolute(s.path), "name": next(sources)}) for s in study.sources],
        "busy": [b.model_copy(update={"path": absolute(b.path), "name": next(calendars)}) for b in study.busy],
    }
    return settings.model_copy(
        update={
            "agent": agent.model_copy(update={"cwd": absolute(agent.cwd)}),
            "study": study.model_copy(update=changed),
        }
    )


def _names(places: Sequence[SourceSettings | BusySettings], taken: Sequence[str] = ()) -> list[str]:
    """A name that a person gave comes before one that is derived.

    A file whose stem has gone to another one is called by its whole name, any other place with the same name `-2`.
    """
    files = [Path(place.path) for place in places if place.path is not None and not place.name]
    names = [""] * len(places)
    for number, place in sorted(enumerate(places), key=lambda numbered: not numbered[1].name):
        name, tries = place.plain_name(), 1
        path = None if place.name or place.path is None else Path(place.path)
        if name in (*names, *taken) and path is not None and _alike(path, files):
            name = path.name
        while name in names or (not place.name and name in taken):
            tries += 1
            name = f"{place.plain_name()}-{tries}"
        names[number] = name
    return names


def _alike(path: Path, files: Sequence[Path]) -> bool:
    """Whether another file has the same stem, and none the same name."""
    return sum(each.stem == path.stem for each in files) > 1 and sum(each.name == path.name for each in files) == 1


def _secrets(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Every secret below a value, with the dotted key that it belongs to."""
    if isinstance(value, SecretStr):
        yield key, value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            if name == "url" and isinstance(value, SourceSettings) and value.kind == "canvas":
                continue  # where a school's Canvas is everybody knows, and links to assignments begin with it
            yield from _secrets(getattr(value, name), f"{key}.{field.alias or name}".lstrip("."))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _secrets(inner, f"{key}.{name}")
    elif isinstance(value, list):
        yield from ((key, secret) for inner in value for _, secret in _secrets(inner))


def _warnings(path: Path) -> tuple[str, ...]:
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            return (
                f"{path} holds a secret and its mode is {mode:04o}; make it yours: chmod 600 {shlex.quote(str(path))}",
            )
    return ()


def doubled(sources: Sequence[SourceSettings]) -> tuple[str, ...]:
    """A sentence for each calendar feed of a Canvas that is a source by itself, too: each of them makes work of it."""
    servers = {_server(each): each.name for each in sources if each.kind == "canvas"}
    return tuple(
        f"sources {servers[_server(each)]!r} and {each.name!r} are the same Canvas, so everything in it is planned "
        f"twice; take {each.name!r} out, as the other one also knows what you handed in: gradent config edit"
        for each in sources
        if each.kind == "ics" and each.url is not None and _server(each) in servers
    )


def _server(source: SourceSettings) -> str:
    """Host and port of a URL, as far as it says one."""
    netloc = urlsplit(source.url.get_secret_value() if source.url is not None else "").netloc
    return netloc.rpartition("@")[2].lower().removesuffix(":443")


def _origin(key: str, document: Mapping[str, Any], variables: Sequence[Variable]) -> str:
    for given in variables:
        if at(given.document, parts(key)) is not None:
            return f"environment {given.name}"
    return "default" if at(document, parts(key)) is None else "file"


def _dumped(settings: Settings, *, reveal: bool) -> dict[str, Any]:
    dumped: dict[str, Any] = settings.model_dump(mode="json", by_alias=True, context=REVEAL if reveal else None)
    return dumped


def values(config: Config, *, reveal: bool = False) -> dict[str, Any]:
    """Every value as a TOML document would hold it; None where nothing is set. Secrets are masked unless revealed."""
    return {**_dumped(config.settings, reveal=reveal), "state_dir": config.state_dir}


def value_of(config: Config, key: str, *, reveal: bool = False) -> Any:
    """The value of one key or table, as in `values`.

    Raises:
        ConfigError: there is no such key.
    """
    shape(key)
    return at(values(config, reveal=reveal), parts(key))


def flat(document: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted keys instead of tables; an empty table and a list of tables are values."""
    leaves: dict[str, Any] = {}
    for name, value in document.items():
        key = above + name
        leaves |= flat(value, f"{key}.") if isinstance(value, dict) and value else {key: value}
    return leaves


# ── changing ──


def change(path: Path, environ: Mapping[str, str], edit: Callable[[str], str]) -> Config:
    """Edit the text of the config in memory, check the whole result, and only then write it.

    A file that does not exist is an empty text. What is new, or holds a secret, gets mode 0600. No variable is put on
    top, so that none can hide a bad value.

    Args:
        edit: from the old text to the new one, by `set_value`, `unset_value` and `add_table`.

    Raises:
        ConfigError: the result would not be valid, or the file changed in between. It is untouched.
        StateError: it cannot be written. It is untouched.
    """
    old = _bytes(path)
    before = _decoded(path, old or b"").removeprefix(_BOM)
    _document(path, before)  # an edit relies on it
    after = edit(before)
    config = _judge(path, before, after, environ)
    if after != before:
        if _bytes(path) != old:
            raise ConfigError(f"{path} changed while it was being edited; nothing was written", hint="try it again")
        new = codecs.BOM_UTF8 * (old or b"").startswith(codecs.BOM_UTF8) + after.encode()
        files.write_atomic(path, new, mode=0o600 if any(_secrets(config.settings)) else None)
    return config
