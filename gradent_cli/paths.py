"""Where gradent's files live. Nothing is created here and nothing is read but the mapping handed in.

The XDG Base Directory rules are https://specifications.freedesktop.org/basedir-spec/latest/: a relative
value in an `XDG_*` variable counts as not set.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from gradent_cli.annotations import StrPath
from gradent_cli.errors import ConfigError


def home(environ: Mapping[str, str]) -> Path:
    """The person's home directory; falls back on the password database as `Path.home` does.

    Raises:
        ConfigError: neither knows one.
    """
    if environ.get("HOME"):
        return Path(environ["HOME"])
    try:
        return Path.home()
    except RuntimeError as error:
        raise ConfigError("cannot find your home directory", hint="set HOME to where it is") from error


def _xdg(environ: Mapping[str, str], variable: str, fallback: str) -> Path:
    value = environ.get(variable, "")
    return Path(value) if value.startswith("/") else home(environ) / fallback


def default_config(environ: Mapping[str, str]) -> Path:
    """The config file that is used when neither `--config` nor `GRADENT_CONFIG` names one."""
    return _xdg(environ, "XDG_CONFIG_HOME", ".config") / "gradent" / "config.toml"


def config_file(flag: Path | None, environ: Mapping[str, str]) -> Path:
    """`--config` > `GRADENT_CONFIG` > the default; absolute, `~` expanded, symbolic links kept."""
    if flag is None and environ.get("GRADENT_CONFIG"):
        flag = Path(environ["GRADENT_CONFIG"])
    return absolute(flag, environ) if flag is not None else default_config(environ)


def absolute(path: StrPath, environ: Mapping[str, str], *, base: Path | None = None) -> Path:
    """`path` with `~` expanded, made absolute against `base` (default: the working directory), `..` resolved.

    Symbolic links stay as they are: a config that is a link into a dotfiles folder keeps its own name.
    """
    text = os.fspath(path)
    if text == "~" or text.startswith("~/"):
        text = str(home(environ)) + text[1:]
    try:
        return Path(os.path.normpath(os.path.join(base or Path.cwd(), text)))
    except FileNotFoundError as error:
        raise ConfigError("the working directory is gone", hint="go to another one, or give a full path") from error


def state_dir(config: Path, configured: StrPath | None, environ: Mapping[str, str]) -> Path:
    """Where runs, log and plan of this config live.

    Args:
        config: the absolute config file; a relative `state_dir` counts from its folder.
        configured: `GRADENT_STATE_DIR`, or else `state_dir` in the file (`config.load` decides which), or None.
    """
    if configured is not None:
        return absolute(configured, environ, base=config.parent)
    base = _xdg(environ, "XDG_STATE_HOME", ".local/state")
    if config == default_config(environ):
        return base / "gradent"
    from hashlib import sha256

    digest = sha256(str(config).encode(errors="surrogateescape")).hexdigest()
    return base / "gradent" / f"{config.stem}-{digest[:8]}"
