"""System cron: the person's crontab through the `crontab` program, and what can be known about the daemon.

POSIX names `crontab -l`, `crontab FILE` and `crontab -r` (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/crontab.html);
nothing else is used. Never `crontab -` or no argument at all: with standard input at its end some install an empty
crontab. Never `-i`: at the end of input Debian's asks for ever.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile

from gradent_cli import files
from gradent_cli.errors import ConfigError, CrontabError, UnavailableError
from gradent_cli.frequency import in_words
from gradent_cli.schedulers import block
from gradent_cli.text import one_line

# How each daemon's program says that there is no crontab: vixie cron, cronie, dcron and systemd-cron; busybox.
_NO_CRONTAB = re.compile(r"(?:crontab: )?(?:no crontab for \S+|can't open '[^']+': No such file or directory)")
_DAEMONS = frozenset({"cron", "crond", "CRON", "CROND"})
_BACKUPS_KEPT = 20
_PACKAGES = {
    "debian": "apt install cron",
    "fedora": "dnf install cronie",
    "rhel": "dnf install cronie",
    "suse": "zypper install cronie",
    "arch": "pacman -S cronie",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    code: int
    out: bytes
    complaint: str


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
        self._environ = {**environ, "LC_ALL": "C"}
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
            f"cannot read the crontab: {_told('crontab -l', answer)}; nothing was written",
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
        backup = self._back_up(old)
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
                return _told("crontab -r", self._call("-r"))
            with NamedTemporaryFile(prefix="gradent-", suffix=".crontab") as file:
                file.write(content)
                file.flush()
                return _told("crontab FILE", self._call(file.name))
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

    def _back_up(self, content: bytes) -> Path:
        files.make_private_directory(self._backups)
        path = self._backups / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.crontab"
        files.write_atomic(path, content, mode=0o600)
        for outdated in sorted(self._backups.glob("*.crontab"))[:-_BACKUPS_KEPT]:
            outdated.unlink(missing_ok=True)
        return path

    def _call(self, argument: str) -> _Answer:
        program = shutil.which(self._program, path=self._environ.get("PATH"))
        if program is None:
            raise UnavailableError("the program `crontab` is not installed", hint=_how_to_install())
        # Files and not pipes: a child that lives on with the other end of a pipe would keep us waiting.
        with TemporaryFile() as out, TemporaryFile() as err:
            try:
                process = subprocess.Popen(
                    [program, argument],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    env=self._environ,
                    start_new_session=True,
                )
            except OSError as error:
                raise CrontabError(f"cannot run {program}: {error.strerror or error}") from error
            try:
                code = process.wait(self._time_limit)
            except BaseException as error:
                # A program with more rights than ours (it may be set-user-id) cannot be killed, only left behind.
                with suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(1)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise CrontabError(f"`crontab` did not answer within {self._time_limit:g} seconds") from error
                raise
            out.seek(0)
            err.seek(0)
            return _Answer(code=code, out=out.read(), complaint=one_line(err.read(4096).decode(errors="replace")))


def _told(command: str, answer: _Answer) -> str:
    return f"`{command}` ended with {answer.code}" + (f" and said: {answer.complaint}" if answer.complaint else "")


def _how_to_install() -> str:
    import platform

    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    names = (system.get("ID", ""), *system.get("ID_LIKE", "").split())
    command = next((_PACKAGES[name] for name in names if name in _PACKAGES), None)
    return f"install cron: {command}" if command else "install your system's cron package"


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


def remove(crontab: Crontab, before: bytes, config_file: Path) -> None:
    """Take the block of this config out of `before`, which `crontab.read` returned.

    Raises:
        CrontabError, StateError: as `Crontab.write`; also as `block.uninstall`.
    """
    after = block.uninstall(before, config_file)
    try:
        crontab.write(before, after)
    except CrontabError:
        if not after or after.endswith(b"\n"):
            raise
        # Most programs refuse a last line without an end, even where the daemon's own file had one.
        crontab.write(before, after + b"\n")


def follow(config_file: Path, expression: str, *, state_dir: Path, environ: Mapping[str, str]) -> str | None:
    """Give the installed line of this config another schedule, and nothing else.

    Returns:
        A sentence for the person; None when there was nothing to do: no block, no `crontab` program, same schedule.

    Raises:
        CrontabError, StateError: as `Crontab.read` and `Crontab.write`.
    """
    if shutil.which("crontab", path=environ.get("PATH")) is None:
        return None
    crontab = Crontab(state_dir, environ)
    before = crontab.read()
    lines = block.installed(before, config_file)
    if lines is None:
        return None
    if len(lines) != 1 or block.schedule(lines[0]) is None:
        return "the crontab line of this config was edited by hand and stays as it is; `gradent install-cron` renews it"
    if block.schedule(lines[0]) == expression:
        return None
    crontab.write(before, block.install(before, config_file, (block.reschedule(lines[0], expression),)))
    return f"the crontab line now runs at `{expression}` ({in_words(expression)})"


def fired_by_cron(proc: Path = Path("/proc")) -> bool:
    """Whether a cron daemon is among the nearest ancestors of this process; False where that cannot be seen."""
    process = "self"
    for _ in range(8):  # cron, its child for the job, a shell, perhaps a wrapper such as nice or flock
        try:
            name, parent = _name_and_parent(proc / process)
        except OSError:
            return False
        if name in _DAEMONS:
            return True
        process = parent
    return False


def daemon_running(proc: Path = Path("/proc")) -> bool | None:
    """Whether a cron daemon runs on this machine; None where other people's processes cannot be seen."""
    try:
        _name_and_parent(proc / "1")
    except OSError:
        return None
    for process in proc.glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            if _name_and_parent(process)[0] in _DAEMONS:
                return True
    return False


def _name_and_parent(process: Path) -> tuple[str, str]:
    """What a process is called, and its parent's id (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html)."""
    before, _, after = (process / "stat").read_text(errors="replace").rpartition(")")
    name = before.partition("(")[2]
    if name == "busybox":
        # One program with many names; which of them is its first argument.
        name = (process / "cmdline").read_text(errors="replace").partition("\0")[2].partition("\0")[0]
    return name, after.split()[1]
