"""System cron: the person's crontab through the `crontab` program, and what can be known about the daemon.

POSIX names `crontab -l`, `crontab FILE` and `crontab -r` (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/crontab.html);
nothing else is used. Never `crontab -` or no argument at all: with standard input at its end some install an empty
crontab. Never `-i`: at the end of input Debian's asks for ever.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

from gradent_cli import files
from gradent_cli.errors import ConfigError, CrontabError, StateError, UnavailableError, UsageError
from gradent_cli.fired import DAEMONS, name_and_parent
from gradent_cli.frequency import in_words
from gradent_cli.schedulers import block, programs

# How each daemon's program says that there is no crontab: vixie cron, cronie, dcron and systemd-cron; busybox.
_NO_CRONTAB = re.compile(r"(?:crontab: )?(?:no crontab for \S+|can't open '[^']+': No such file or directory)")
_BACKUPS_KEPT = 20
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_PACKAGES = {
    "debian": "apt install cron",
    "fedora": "dnf install cronie",
    "rhel": "dnf install cronie",
    "suse": "zypper install cronie",
    "arch": "pacman -S cronie",
}
_SERVICES = {"fedora": "crond", "rhel": "crond", "arch": "cronie"}
_GENERATORS = ("usr/lib/systemd/system-generators", "lib/systemd/system-generators")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A crontab as it was before gradent wrote another; `successor` is the digest of that other."""

    path: Path
    content: bytes
    successor: str

    def gave_way_to(self, crontab: bytes) -> bool:
        """Whether gradent put exactly these bytes in its place."""
        return self.successor == _digest(crontab)


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]


class Crontab:
    """The crontab of whoever runs this. A backup is made before every write, and what was written is read back.

    Args:
        state_dir: where `crontab-backups/` is.
        environ: the environment for `crontab`; its `PATH` says which one that is.
        time_limit: seconds that one call of it may take; macOS waits behind a permission dialog, for ever.
    """

    def __init__(
        self, state_dir: Path, environ: Mapping[str, str], *, program: str = "crontab", time_limit: float = 15
    ) -> None:
        self._backups = state_dir / "crontab-backups"
        self._environ = environ
        self._program = program
        self._time_limit = time_limit

    def read(self) -> bytes:
        """The crontab as it is; empty when there is none.

        Raises:
            UnavailableError: there is no `crontab` program.
            CrontabError: it hangs, or says anything but the crontab or that there is none.
        """
        answer = self._call("-l")
        if answer.code == 0 or (not answer.out and _NO_CRONTAB.fullmatch(answer.complaint)):
            return answer.out
        raise CrontabError(
            f"cannot read the crontab: {programs.told('crontab -l', answer)}; nothing was written",
            hint="gradent goes on when `crontab -l` shows your crontab, or says that there is none",
        )

    def write(self, old: bytes, new: bytes) -> None:
        """Put `new` in the place of `old`, which `read` returned; an empty crontab is removed.

        Raises:
            UnavailableError: there is no `crontab` program.
            CrontabError: it is not `old` any more, or the program did not do it. The old bytes are there, or put
                back; where that failed too the message says where they are.
            StateError: the backup could not be made; nothing was written.
        """
        if self.read() != old:
            raise CrontabError(
                "the crontab changed while gradent was working on it; nothing was written", hint="run the command again"
            )
        backup = self._back_up(old, new)
        trouble = self._put(new)
        now = self._read_back(backup)
        if now == new:
            return
        if now == old:
            raise CrontabError(f"the crontab could not be written: {trouble}; it is as it was")
        self._put(old)
        restored = self._read_back(backup) == old
        raise CrontabError(
            f"the crontab did not hold what was written ({trouble}); "
            + ("the old one was put back" if restored else "putting the old one back failed"),
            hint=f"the old crontab is also in {backup}" if restored else f"put it back with: crontab {backup}",
        )

    def _put(self, content: bytes) -> str:
        """Hand the bytes to the program; returns what went wrong, as far as the program says so."""
        try:
            if not content:
                return programs.told("crontab -r", self._call("-r"))
            with NamedTemporaryFile(prefix="gradent-", suffix=".crontab") as file:
                file.write(content)
                file.flush()
                return programs.told("crontab FILE", self._call(file.name))
        except CrontabError as error:
            return error.message

    def _read_back(self, backup: Path) -> bytes:
        try:
            return self.read()
        except UnavailableError as error:
            raise CrontabError(
                f"the crontab was written but could not be read back: {error.message}",
                hint=f"compare `crontab -l` with the old one, which is in {backup}",
            ) from error

    def backups(self) -> Iterator[Backup]:
        """What `write` has replaced, the newest first.

        Raises:
            StateError: one of them cannot be read.
        """
        for path in sorted(self._backups.glob("*.crontab"), reverse=True):
            try:
                content = path.read_bytes()
            except OSError as error:
                raise StateError(f"cannot read the backup {path}: {error.strerror}") from error
            yield Backup(path=path, content=content, successor=path.stem.rpartition(".")[2])

    def written_at(self) -> datetime | None:
        """When `write` was last used, by the name of the newest backup; None when it never was."""
        newest = max(self._backups.glob("*.crontab"), default=None)
        with suppress(ValueError):  # a file of the person's own
            return datetime.strptime(newest.stem.rpartition(".")[0], _STAMP).replace(tzinfo=UTC) if newest else None
        return None

    def _back_up(self, content: bytes, successor: bytes) -> Path:
        files.make_private_directory(self._backups)
        path = self._backups / f"{datetime.now(UTC):{_STAMP}}.{_digest(successor)}.crontab"
        files.write_atomic(path, content, mode=0o600)
        for outdated in sorted(self._backups.glob("*.crontab"))[:-_BACKUPS_KEPT]:
            outdated.unlink(missing_ok=True)
        return path

    def _call(self, argument: str) -> programs.Answer:
        if shutil.which(self._program, path=self._environ.get("PATH")) is None:
            raise UnavailableError("the program `crontab` is not installed", hint=how_to_install())
        try:
            return programs.call((self._program, argument), self._environ, time_limit=self._time_limit)
        except UnavailableError as error:
            raise CrontabError(error.message) from error


def how_to_install() -> str:
    """What to do where there is no cron, as an imperative sentence."""
    command = _of_this_system(_PACKAGES)
    return f"install cron: {command}" if command else "install your system's cron package"


def _of_this_system(names: Mapping[str, str]) -> str | None:
    """The value for the distribution that this is, or for the one that it is like."""
    import platform

    try:
        system = platform.freedesktop_os_release()
    except OSError:
        return None
    ids = (system.get("ID", ""), *system.get("ID_LIKE", "").split())
    return next((names[name] for name in ids if name in names), None)


def how_to_start(root: Path = Path("/")) -> str:
    """The command that starts the daemon on this machine."""
    if _has_systemd_cron(root):
        return "sudo systemctl enable --now cron.target"
    if not any((root / "usr/sbin" / name).exists() for name in ("cron", "crond")):
        return how_to_install()
    service = _of_this_system(_SERVICES) or "cron"
    if (root / "run/systemd/system").is_dir():
        return f"sudo systemctl enable --now {service}"
    return f"sudo service {service} start"


def require_own_crontab(environ: Mapping[str, str]) -> None:
    """Make sure that `crontab` means the person's own.

    Raises:
        UsageError: sudo has made it root's.
    """
    if os.geteuid() == 0 and environ.get("SUDO_USER", "root") != "root":
        raise UsageError("under sudo this would be root's crontab, not yours", hint="run it again without sudo")


def require_importable(interpreter: Path, environ: Mapping[str, str]) -> None:
    """Make sure that cron, in its bare environment, finds gradent with this Python.

    Raises:
        ConfigError: it does not, for example because gradent runs from a checkout or through PYTHONPATH.
    """
    bare = {name: environ[name] for name in ("HOME", "LOGNAME") if name in environ} | {"PATH": "/usr/bin:/bin"}
    command = [str(interpreter), "-P", "-c", "import gradent_cli"]
    try:
        subprocess.run(command, cwd="/", env=bare, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"cron could not start gradent: {interpreter} does not find gradent_cli by itself",
            hint=f"install gradent for it: {interpreter} -m pip install gradent-cli",
        ) from error


def interpreter_trouble(interpreter: str, environ: Mapping[str, str]) -> str | None:
    """Why cron cannot start gradent with this Python; None when it can."""
    if not os.path.exists(interpreter):  # noqa: PTH110  whatever stands in a crontab line, NUL included
        return "is gone"
    if not os.access(interpreter, os.X_OK):
        return "cannot be executed"
    try:
        require_importable(Path(interpreter), environ)
    except ConfigError:
        return "does not find gradent any more"
    return None


def remove(crontab: Crontab, before: bytes, config_file: Path) -> None:
    """Take the block of this config, and a canary left behind, out of `before`, which `crontab.read` returned.

    Raises:
        CrontabError, StateError: as `Crontab.write`; also as `block.uninstall`.
    """
    give_back(crontab, before, block.uninstall(without_canary(before, config_file), config_file))


def without_canary(crontab: bytes, config_file: Path) -> bytes:
    """These bytes without what a killed `install-cron --verify` of this config has left in them.

    Raises:
        CrontabError: as `block.uninstall`.
    """
    return block.uninstall(crontab, block.canary(config_file))


def last_change(crontab: Crontab, now: bytes, config_file: Path) -> Backup | None:
    """The newest backup that is another crontab than `now`; None when there is none. Canaries do not count.

    Raises:
        CrontabError, StateError: as `block.uninstall` and `Crontab.backups`.
    """
    for backup in crontab.backups():
        content = without_canary(backup.content, config_file)
        if content != without_canary(now, config_file):
            return replace(backup, content=content)
    return None


def give_back(crontab: Crontab, before: bytes, after: bytes) -> None:
    """Put bytes in the place of `before` that the person had there once.

    Raises:
        CrontabError, StateError: as `Crontab.write`.
    """
    try:
        crontab.write(before, after)
    except CrontabError:
        if not after or after.endswith(b"\n"):
            raise
        # Most programs refuse a last line without an end, even where the daemon's own file had one.
        crontab.write(before, after + b"\n")


def follow(
    config_file: Path, expression: str, *, flush: str | None, state_dir: Path, environ: Mapping[str, str]
) -> str | None:
    """Give the installed run of this config another schedule, and what sends the held; whether it catches up stays.

    Args:
        flush: when what quiet hours held is sent, five fields; None where there are none.

    Returns:
        A sentence for the person; None when there was nothing to do: no block, no `crontab` program, same schedule.

    Raises:
        ConfigError: as `block.job_line`.
        CrontabError, StateError: as `Crontab.read` and `Crontab.write`.
    """
    if shutil.which("crontab", path=environ.get("PATH")) is None:
        return None
    crontab = Crontab(state_dir, environ)
    before = crontab.read()
    lines = block.installed(before, config_file)
    if lines is None:
        return None
    run, *others = lines or (b"",)
    ticks = [line for line in others if not block.flushes(line)]
    flushes = [block.schedule(line) for line in others if block.flushes(line)]
    known = [block.schedule(run) is not None, len(ticks) <= 1, all(map(block.catches_up, ticks)), len(flushes) <= 1]
    # Only of a run that is ours throughout the Python is known, which a flush needs.
    if not all(known) or (flushes != [flush] and flush is not None and block.command(run)[1:4] != block.MODULE):
        return "the crontab line of this config was edited by hand and stays as it is; `gradent install-cron` renews it"
    said = []
    if block.schedule(run) != expression:
        said.append(f"the crontab line now runs at `{expression}` ({in_words(expression)})")
        run = block.reschedule(run, expression)
    after = (run, *others)
    if flushes != ([] if flush is None else [flush]):
        after = block.reflush(after, config_file, flush)
        said.append(
            f"a crontab line now sends at `{flush}` ({in_words(flush)}) what quiet hours held"
            if flush
            else "the crontab line that sent what quiet hours held is gone"
        )
    if not said:
        return None
    crontab.write(before, block.install(before, config_file, after))
    return "; ".join(said)


def daemon_running(proc: Path = Path("/proc"), root: Path = Path("/")) -> bool | None:
    """Whether a cron daemon runs on this machine; None where other people's processes cannot be seen.

    systemd-cron has no process: it makes timers of crontabs as long as its target is wanted
    (https://manpages.debian.org/bookworm/systemd-cron/systemd.cron.7.en.html).
    """
    if _has_systemd_cron(root):
        wanted = (root / "etc/systemd/system/multi-user.target.wants/cron.target").is_symlink()
        return wanted and (root / "run/systemd/system").is_dir()
    try:
        name_and_parent(proc / "1")
    except OSError:
        return None
    for process in proc.glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            if name_and_parent(process)[0] in DAEMONS:
                return True
    return False


def _has_systemd_cron(root: Path) -> bool:
    return any((root / folder / "systemd-crontab-generator").exists() for folder in _GENERATORS)
