"""The config as it was last accepted, for the runs that cron starts: they need not read and check it again.

It is kept in one JSON file per config, in the default state root, as its place has to follow from the config's path
alone. It counts as long as nothing has changed that a config is made of: the file (by size, times and inode), the
variables that gradent looks at, and gradent itself. Secrets are not in it, only where they stand: from which character
on in the config file, or in which variable.
"""

import json
import os
from binascii import crc32
from collections.abc import Callable, Mapping
from datetime import date, time, timedelta
from time import time as now
from types import SimpleNamespace

from gradent_cli import __version__, tick
from gradent_cli.annotations import TYPE_CHECKING, Any, cast
from gradent_cli.frequency import zone_of

if TYPE_CHECKING:
    from gradent_cli.config import Config

_SETTLED = 2.0
"""Seconds after which a file that changes again has another time: no file system counts in longer steps."""
_SCHEMA = [f"{os.path.dirname(__file__)}/config/{name}.py" for name in ("schema", "values", "channels", "study")]
"""The modules that say what a config may hold."""
_VARIABLES = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
"""Those that say where files are, beside all that begin with GRADENT_."""


class Secret:
    """Reads like pydantic's SecretStr."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        return self._value


def key(config: str, environ: Mapping[str, str]) -> str:
    """Changes with everything that a config is made of; empty when there is no such file."""
    names = sorted(name for name in environ if name.startswith("GRADENT_") or name in _VARIABLES)
    variables = "\0".join(f"{name}={environ[name]}" for name in names)
    try:
        files = " ".join(map(_identity, [*_SCHEMA, config]))
    except OSError:
        return ""
    return f"{__version__} {files} {crc32(os.fsencode(variables)):08x} {config}"


def _identity(path: str) -> str:
    found = os.stat(path)
    return f"{found.st_dev}.{found.st_ino}.{found.st_size}.{found.st_mtime_ns}.{found.st_ctime_ns}"


def load(config: str, environ: Mapping[str, str]) -> "Config | None":
    """The config at this absolute path as it was last accepted; None when it is not certain that it still counts.

    It reads like a `Config`, but does not know where its values come from and cannot be dumped.
    """
    try:
        document = json.loads(_whole(_own(_place(config, environ))))
        before = key(config, environ)
        text = _text(config) if document["reads_file"] else ""
        if not document["key"] == before == key(config, environ):
            return None
        kept = cast("Config", _read(document["config"], _Secrets(text, environ)))
        if kept.settings.study.timezone:
            zone_of(kept.settings.study.timezone, environ)  # gone? Who checks the config has words for that
    except (OSError, ValueError, KeyError):
        return None
    return kept


def _whole(raw: bytes) -> bytes:
    """What stands behind its checksum. A bit that has changed could make any value of it another one.

    Raises:
        ValueError: something has.
    """
    if raw[:8] != _checksum(raw[8:]):
        raise ValueError("not as it was written")
    return raw[8:]


def _checksum(raw: bytes) -> bytes:
    return f"{crc32(raw):08x}".encode()


def _own(path: str) -> bytes:
    """What is in a file that nobody else can have written: it names a program to start.

    Raises:
        PermissionError: somebody else could. With a HOME that is not their own, root would trust whose it is.
    """
    with open(path, "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise PermissionError
        return file.read()


def keep(config: "Config", environ: Mapping[str, str], made_from: str) -> None:
    """Keep a config for `load`. Where that cannot be done nothing is said, as the long way is only slower.

    Args:
        made_from: what `key` was before the config was read.
    """
    from gradent_cli import files
    from gradent_cli.errors import StateError

    path = config.path
    try:
        secrets = _Secrets(_text(path), environ)
        values = {
            "path": path,
            "state_dir": config.state_dir,
            "cron_expression": config.cron_expression,
            "secrets": [{"text": secrets.place(each)} for each in config.secrets],
            "settings": _written(config.settings, secrets),
        }
        document = {"key": made_from, "reads_file": secrets.in_file, "config": {"table": values}}
        if made_from != key(path, environ) or os.stat(path).st_mtime > now() - _SETTLED:
            return
        place = _place(path, environ)
        files.make_private_directory(os.path.dirname(place))
        raw = json.dumps(document).encode()
        files.write_atomic(place, _checksum(raw) + raw, mode=0o600)
    except (OSError, ValueError, StateError):
        return


def _place(config: str, environ: Mapping[str, str]) -> str:
    """Raises ValueError where the environment does not say where the home directory is."""
    return tick.place("snapshots", config, environ)


def _text(config: str) -> str:
    with open(config, encoding="utf-8", newline="") as file:
        return file.read()


class _Secrets:
    """Finds secrets where they stand: `("", 17, 9)` are nine characters of the file, `("NAME", 0, 9)` of a variable."""

    def __init__(self, text: str, environ: Mapping[str, str]) -> None:
        self._text = text
        self._environ = environ
        self.in_file = False

    def place(self, secret: str) -> tuple[str, int, int]:
        """Raises ValueError for one that stands nowhere as it is: in the file it may be written with escapes."""
        for name in ("", *(name for name in self._environ if name.startswith("GRADENT_"))):
            at = self._source(name).find(secret)
            if at >= 0:
                self.in_file |= not name
                return name, at, len(secret)
        raise ValueError("a secret that does not stand in the config as it is")

    def at(self, name: str, start: int, length: int) -> str:
        return self._source(name)[start : start + length]

    def _source(self, name: str) -> str:
        return self._environ[name] if name else self._text


def _written(value: Any, secrets: _Secrets) -> Any:  # noqa: PLR0911  one for each kind of value
    """A value of a config as JSON has it: what JSON does not know is an object with its kind as the only member."""
    from pydantic import BaseModel, SecretStr

    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [_written(each, secrets) for each in value]
        case dict():
            return {"mapping": {name: _written(each, secrets) for name, each in value.items()}}
        case BaseModel():
            fields = {name: getattr(value, name) for name in type(value).model_fields}
            return {"table": {name: _written(each, secrets) for name, each in fields.items()}}
        case SecretStr():
            return {"secret": secrets.place(value.get_secret_value())}
        case timedelta():
            return {"seconds": value.total_seconds()}
        case time():
            return {"time": value.isoformat()}
        case date():
            return {"day": value.isoformat()}
    raise ValueError(f"no snapshot can hold a {type(value).__name__}")


def _read(value: Any, secrets: _Secrets) -> Any:
    """The reverse of `_written`; a table becomes an object with its fields."""
    if isinstance(value, list):
        return [_read(each, secrets) for each in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind in ("mapping", "table"):
        read = {name: _read(each, secrets) for name, each in inner.items()}
        return read if kind == "mapping" else SimpleNamespace(**read)
    if kind in ("secret", "text"):
        text = secrets.at(*inner)
        return Secret(text) if kind == "secret" else text
    kinds: dict[str, Callable[[Any], Any]] = {
        "seconds": _seconds,
        "time": time.fromisoformat,
        "day": date.fromisoformat,
    }
    return kinds[kind](inner)


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=number)
