"""The dotted keys of the schema: what each takes, its environment variable, and which one was meant."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr

from gradent_cli.config.document import Place
from gradent_cli.config.schema import Settings
from gradent_cli.config.study import WEEKDAYS, BusySettings, SourceSettings
from gradent_cli.config.values import did_you_mean, quoted
from gradent_cli.errors import ConfigError

PREFIX = "GRADENT_"
Shape = Literal["section", "text", "secret", "bool", "int", "number", "words", "mapping", "tables"]

_LATER = ("study.busy.token",)


def _shape(annotation: Any) -> Shape:
    """What kind of TOML value a field takes."""
    if type(None) in get_args(annotation):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is dict:
        return "mapping"
    if get_origin(annotation) is list:
        return "tables" if _is_table(get_args(annotation)[0]) else "words"
    shapes: dict[Any, Shape] = {bool: "bool", int: "int", float: "number", SecretStr: "secret"}
    return shapes.get(annotation, "text")


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _fields(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, Shape]]:
    for name, field in model.model_fields.items():
        key = above + (field.alias or name)
        annotation: Any = field.annotation
        if _is_table(annotation):
            yield key, "section"
            yield from _fields(annotation, f"{key}.")
        else:
            yield key, _shape(annotation)


_SHAPES: dict[str, Shape] = dict(_fields(Settings)) | dict.fromkeys((f"study.hours.{day}" for day in WEEKDAYS), "words")
_INNER: dict[str, Shape] = {
    f"{table}.{key}": shape
    for table, model in (("study.sources", SourceSettings), ("study.busy", BusySettings))
    for key, shape in _fields(model)
}
KEYS: tuple[str, ...] = (*_SHAPES, *_INNER)
"""Every key and table of the schema, dotted; those of `[[study.sources]]` and `[[study.busy]]` at the end."""


def shape(key: str) -> Shape:
    """What kind of value a key takes.

    Raises:
        ConfigError: there is no such key.
    """
    if key in _SHAPES:
        return _SHAPES[key]
    if key.startswith("agent.env.") and key != "agent.env.":
        return "secret"
    if key in _INNER:
        table = key.rpartition(".")[0]
        raise ConfigError(
            f"{key} is a key of each entry of {table}", hint=f"set {table} as a whole, or: gradent config edit"
        )
    why, hint = unknown(tuple(key.split(".")))
    raise ConfigError(why, hint=hint)


def is_secret(key: str) -> bool:
    """Whether the value of a key, or a part of it, must not be shown."""
    return shape(key) in ("secret", "tables") or key in ("agent.env", "apprise.urls")


def is_later(key: str) -> bool:
    """Whether a key, or the table that it is in, belongs to a version to come."""
    return any(f"{key}.".startswith(f"{later}.") for later in _LATER)


def unknown(place: Place) -> tuple[str, str | None]:
    """Why there is no such key, and what may have been meant."""
    names = [part for part in place if isinstance(part, str)]
    key = ".".join(names)
    if is_later(key):
        return f"{quoted(key)} is not supported by this version yet", None
    steps = [".".join(names[:end]) for end in range(1, len(names) + 1)]
    astray = next(step for step in steps if step not in KEYS)
    table, dot, name = astray.rpartition(".")
    if table == "study.hours":
        return f"{quoted(name)} is not a weekday", did_you_mean(name.lower(), WEEKDAYS)
    siblings = [known.rpartition(".")[2] for known in KEYS if known.rpartition(".")[0] == table]
    hint = did_you_mean(name, siblings, after=table + dot)
    if hint is None and name in KEYS:
        hint = f"{quoted(name)} belongs above the first [table]"
    elif hint is None:
        elsewhere = next((known for known in KEYS if known.endswith(f".{name}")), None)
        hint = elsewhere and f"did you mean {elsewhere!r}?"
    return f"unknown key {quoted(key)}", hint


# ── the environment ──


def variable(key: str) -> str:
    """The environment variable of a key: `ntfy.topic` -> `GRADENT_NTFY__TOPIC`."""
    table, dot, name = key.rpartition(".")
    return PREFIX + f"{table}{dot}".upper().replace(".", "__") + (name if table == "agent.env" else name.upper())


_VARIABLES = {variable(key): key for key, shape in _SHAPES.items() if shape != "section"}
_OTHER_VARIABLES = (
    "GRADENT_CONFIG",
    "GRADENT_CONTEXT_FILE",
    "GRADENT_DRY_RUN",
    "GRADENT_EVENTS",
    "GRADENT_RUN_ID",
)
"""Those that are not a key's: which config, and what a run tells its agent."""


def key_of(name: str) -> str | None:
    """The key that an environment variable sets; None when it sets none but is one of gradent's.

    Raises:
        ConfigError: gradent knows no such variable.
    """
    if name in _VARIABLES:
        return _VARIABLES[name]
    own = name.removeprefix(variable("agent.env."))
    if own and own != name:
        return f"agent.env.{own}"
    if name in _OTHER_VARIABLES:
        return None
    key = name.removeprefix(PREFIX).lower().replace("__", ".")
    if is_later(key):
        raise ConfigError(f"the environment variable {name} sets {key!r}, which is not supported by this version yet")
    known = [known.removeprefix(PREFIX) for known in (*_VARIABLES, *_OTHER_VARIABLES)]
    hint = did_you_mean(name.removeprefix(PREFIX), known, after=PREFIX)
    raise ConfigError(f"gradent knows no environment variable {name}", hint=hint or f"unset {shlex.quote(name)}")


# ── values as people type them ──


def parse_value(key: str, raw: str) -> Any:
    """What a person typed for a key, as the TOML value that it stands for.

    Text needs no quotes; a list is TOML or words with commas between them (`agent.command`: words as in a shell);
    tables are TOML. Whether the value is allowed is for the schema to say.

    Raises:
        ConfigError: there is no such key, or the value is not written as its type wants it. It is not quoted.
    """
    kind = shape(key)
    if not raw.isascii() and re.search("[\ud800-\udfff]", raw):  # how Python passes on bytes that are not text
        raise ConfigError(f"{key}: must be UTF-8 text")
    if kind == "section":
        inner = next(known for known in KEYS if known.startswith(f"{key}."))
        raise ConfigError(f"{key} is a table; set one of its keys, such as {inner}")
    parsed = _parsed(key, kind, raw)
    if parsed is None:
        raise ConfigError(f"{key}: must be written as TOML, such as {_EXAMPLES.get(key, _EXAMPLES.get(kind))}")
    return parsed


_EXAMPLES = {
    "agent.command": '["claude", "-p", "{prompt}"]',
    "agent.env": '{NAME = "value"}',
    "apprise.urls": '["mailto://...", "tgram://..."]',
    "study.hours": '{monday = ["18:00-21:00"]}',
    "tables": '[{kind = "ics", path = "calendar.ics"}]',
    "words": '["a", "b"]',
}


def _parsed(key: str, kind: Shape, raw: str) -> Any:
    """The value; None when it is not written as its type wants it."""
    if kind in ("mapping", "tables"):
        return _toml(raw, dict if kind == "mapping" else list)
    if kind == "words":
        return _toml(raw, list) if raw.lstrip().startswith("[") else _split(key, raw)
    if kind == "bool":
        return {"true": True, "false": False}.get(raw.strip().lower(), raw)
    if kind == "int" and re.fullmatch(r"\s*[-+]?[0-9]{1,18}\s*", raw):
        return int(raw)
    if kind == "number":
        with suppress(ValueError):
            return float(raw)
    unquoted = _toml(raw, str) if raw[:1] in ("'", '"') else None
    return raw if unquoted is None else unquoted


def _split(key: str, raw: str) -> list[str] | None:
    if key == "apprise.urls":  # commas are part of them
        return raw.split()
    if key != "agent.command":
        return [word.strip() for word in raw.split(",") if word.strip()]
    with suppress(ValueError):  # a quote that does not end
        return shlex.split(raw)
    return None


def _toml(raw: str, wanted: type) -> Any:
    """One TOML value of a wanted type, or None."""
    try:
        document = tomllib.loads(f"value = {raw.strip()}")
    except (ValueError, RecursionError):
        return None
    value = document.pop("value")
    return None if document or not isinstance(value, wanted) else value
