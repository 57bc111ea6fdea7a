"""The short way of `run --if-due`: it finds out that nothing is due before anything heavy is imported.

Cron calls it every quarter of an hour and nearly always nothing is due, so it imports three modules that Python has
at hand and reads one small file, `due.json`, which `due` writes whenever a run starts. Whatever is not clear (no file,
another config, a clock that was set back) is not decided here: then the long way looks with the real config.

The state directory may be named in the config, which takes a TOML parser to read. So a symbolic link leads to
`due.json` from where its place follows from the config's path alone: `ticks/` in the default state root. Its name is a
CRC-32 and not a SHA-256, as importing `hashlib` takes a fifth of what Python needs to start; should two configs ever
share one, the key in the file tells them apart.
"""

import os
from binascii import crc32
from collections.abc import Mapping, Sequence

LOCALTIME = "/etc/localtime"


def nothing_is_due(arguments: Sequence[str], environ: Mapping[str, str], now: float) -> bool:
    """Whether this is the tick that cron calls, and all that it has to do was to leave its heartbeat.

    Args:
        arguments: the command line without the program.
        now: seconds since the epoch.
    """
    if len(arguments) != 5 or arguments[0] != "--config" or [*arguments[2:]] != ["run", "--if-due", "--quiet"]:
        return False
    config = arguments[1]
    try:
        link = pointer(config, environ)
        with open(link, "rb") as file:
            # One member a line, in this order: the `json` module would cost more than all the rest.
            _, key, settled_at, next_at, *_ = (line.rpartition(b": ")[2].rstrip(b",\n") for line in file)
        if key.decode() != f'"{circumstances(config, environ)}"':
            return False
        # Settled after now: the clock was set back since, and until it is there again nothing would be due.
        if not float(settled_at) <= now < float(next_at):
            return False
        leave_heartbeat(os.path.dirname(os.readlink(link)))
    except (OSError, ValueError):
        return False
    return True


def leave_heartbeat(state_dir: str) -> None:
    """Touch `tick` in the state directory: its time says that ticks arrive."""
    path = f"{state_dir}/tick"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    os.utime(path)


def pointer(config: str, environ: Mapping[str, str]) -> str:
    """Where the symbolic link to the `due.json` of this absolute config path is.

    Raises:
        ValueError: the environment does not say where the home directory is.
    """
    return place("ticks", config, environ)


def place(folder: str, config: str, environ: Mapping[str, str]) -> str:
    """The file in a folder of the default state root that is named after this absolute config path.

    Raises:
        ValueError: as `pointer`.
    """
    root = environ.get("XDG_STATE_HOME", "")
    if not root.startswith("/"):
        home = environ.get("HOME")
        if not home:
            raise ValueError("HOME is not set")
        root = f"{home}/.local/state"
    return f"{root}/gradent/{folder}/{crc32(os.fsencode(config)):08x}"


def circumstances(config: str, environ: Mapping[str, str]) -> str:
    """What a schedule is worked out from: changes when the config, a GRADENT_* variable or the time zone changes.

    ASCII without quotes. Of the variables, which may hold secrets, only a checksum.

    Raises:
        OSError: there is no such config.
    """
    variables = [f"{name}={environ[name]}" for name in sorted(environ) if name.startswith("GRADENT_") or name == "TZ"]
    checksum = crc32(os.fsencode("\0".join([config, *variables])))
    return f"{checksum:08x} {_identity(config)} {_identity(LOCALTIME)}"


def _identity(path: str) -> str:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        if path == LOCALTIME:  # then it is UTC
            return "none"
        raise
    return f"{found.st_dev}.{found.st_ino}.{found.st_size}.{found.st_mtime_ns}"
