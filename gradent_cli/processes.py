"""A program, what it starts, and what that starts in turn, ended to the last one; also after a crash of gradent itself.

A process group holds only those who stay in it, and a daemon leaves it by setsid(2). On Linux orphans are therefore
adopted (https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html): whatever the program starts stays a
descendant of this process, and when this process has no child any more, nobody is left. Elsewhere only the group can be
found, and who still hangs together by parents when the end begins.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import partial
from io import FileIO
from time import mktime, monotonic, sleep, strptime

from gradent_cli.annotations import Any
from gradent_cli.dataclass import dataclass

KILL_SECONDS = 5.0
"""How long KILL is repeated. Who outlives it waits for a disk that does not answer, or runs as another user."""
_LOOKS, _SEARCH_SECONDS = 10, 1.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05
_BRIEF_PAUSE = 0.0005
"""Seconds, at first, between two looks at whether a program has ended: it is about to, its pipes are closed."""
_NOBODY_KNOWS = 127
"""The exit status of a program that somebody else has waited for, as the shell's `wait` has it."""
_MOST_DESCRIPTORS = 65_536
"""As many are looked at where nobody can say which are open: a container may allow a thousand million."""
_IGNORED_BY_PYTHON = [getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ", "SIGXFZ") if hasattr(signal, name)]


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it was a moment ago. `started` tells it from a later one with the same number."""

    pid: int
    parent: int
    group: int
    started: int
    dead: bool


class Child:
    """A program that was just started, in a session of its own; in a group of its own where the system has no more.

    What it writes comes out of `stdout` and `stderr`. It finds signals as every program expects them, and nothing open
    but its standard streams. As `subprocess.Popen`, which takes a sixth as long to import as Python to start.

    Args:
        argv: a program without a slash in its name is looked for in the PATH of `environ`.
        stdin: a descriptor.
        cwd: where it works, and from where a relative path to it counts; None is where this process does.

    Raises:
        OSError: it cannot be started; `filename` is `cwd` where that cannot be entered.
    """

    def __init__(self, argv: Sequence[str], *, environ: Mapping[str, str], stdin: int, cwd: str | None) -> None:
        self.returncode: int | None = None
        if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
            # As whoever started us left it: nobody would keep how a program ended (wait(2)).
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with ExitStack() as theirs, ExitStack() as ours:
            self.stdout, output = _pipe(ours, theirs)
            self.stderr, complaints = _pipe(ours, theirs)
            _pass_nothing_on()
            with _entered(cwd):
                self.pid = _spawn(argv, environ, (stdin, output, complaints))
            ours.pop_all()

    def poll(self) -> int | None:
        """How it ended: its exit status, or the signal that ended it as a negative number; None while it runs."""
        if self.returncode is None:
            try:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self.returncode = _NOBODY_KNOWS
            else:
                self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def wait(self, seconds: float) -> int | None:
        """As `poll`, once it has ended; or after so many seconds."""
        until, pause = monotonic() + seconds, _BRIEF_PAUSE
        while self.poll() is None and (left := until - monotonic()) > 0:
            sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)
        return self.returncode


def _pipe(ours: ExitStack, theirs: ExitStack) -> tuple[FileIO, int]:
    """A pipe: what comes out of it is ours, what goes in is theirs."""
    out, into = os.pipe()
    theirs.callback(os.close, into)
    return ours.enter_context(FileIO(out)), into


def _pass_nothing_on() -> None:
    """What whoever started us had open is not passed on. What we open ourselves never is (PEP 446)."""
    for descriptor in _open_descriptors():
        if descriptor > 2:  # the standard streams come first
            with suppress(OSError):  # closed by now
                os.set_inheritable(descriptor, False)  # noqa: FBT003  it takes no keywords


def _open_descriptors() -> Iterable[int]:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            found = [int(entry.name) for entry in os.scandir(folder)]
            # At least the one that it was read through is in there; a BSD may show the standard streams alone.
            if max(found, default=0) > 2:
                return found
    most = os.sysconf("SC_OPEN_MAX")
    return range(most if 0 <= most < _MOST_DESCRIPTORS else _MOST_DESCRIPTORS)


@contextmanager
def _entered(folder: str | None) -> Iterator[None]:
    """For the moment in which a program is started we work in its folder: `os.posix_spawn` cannot be told one.

    The rest of this process does not notice, since its paths are absolute.
    """
    if folder is None:
        yield
        return
    try:
        before = os.open(".", os.O_RDONLY)
    except OSError:  # we may not read where we are, or it is gone
        before = os.open("/", os.O_RDONLY)
    try:
        os.chdir(folder)
        try:
            yield
        finally:
            with suppress(OSError):  # the program runs, and must not be lost
                os.fchdir(before)
    finally:
        os.close(before)


def _spawn(argv: Sequence[str], environ: Mapping[str, str], streams: Sequence[int]) -> int:
    """Start the first of its name in PATH that can be, as execvp(3). Returns its process id."""
    folders = [""] if "/" in argv[0] else environ.get("PATH", os.defpath).split(os.pathsep)
    # None is overwritten before its turn, also where we have no standard streams: a pipe's lower end is never theirs.
    actions = [(os.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(streams)]
    signals: Mapping[str, Any] = {"setsigdef": _IGNORED_BY_PYTHON, "setsigmask": ()}
    failure: OSError | None = None
    for folder in folders:
        path = os.path.join(folder, argv[0])
        start = partial(os.posix_spawn, path, list(argv), environ, file_actions=actions, **signals)
        try:
            os.stat(path)  # costs less than a process that finds nothing
            try:
                return start(setsid=True)
            except NotImplementedError:  # FreeBSD
                return start(setpgroup=0)
        except OSError as error:
            if failure is None or failure.errno in (errno.ENOENT, errno.ENOTDIR):
                failure = error
    assert failure is not None  # noqa: S101  there is always a folder
    raise failure


@contextmanager
def adopting() -> Iterator[bool]:
    """While entered, orphans among the descendants become children of this process; False where that cannot be."""
    adopts = _adopt(on=True)
    try:
        yield adopts
    finally:
        if adopts:
            _adopt(on=False)


class Tree:
    """A program that was just started in a session of its own, and everything that comes from it.

    Args:
        leader: the program; nobody else waits for it.
        adopts: what `adopting` said.
    """

    def __init__(self, leader: Child, *, adopts: bool) -> None:
        self.leader = leader
        self._adopts = adopts
        born = _read_stat(leader.pid)
        self._since = born.started if born is not None else 0
        self._known: dict[int, int] = {}
        self._done = False

    def over(self) -> bool:
        """Whether the program itself has ended. Buries adopted dead: a long run must not fill the process table."""
        ended = self.leader.poll() is not None
        if self._adopts:
            self._bury()
        return ended

    def end(self, grace: timedelta) -> list[Process]:
        """TERM to all, after `grace` KILL to those who are left, over and over. Returns those who cannot be ended.

        Asked again, it does nothing any more.
        """
        left = [] if self._done else _end(self._living, _signal_groups, grace)
        self._done = True
        return left

    def _living(self) -> list[Process]:
        """Empty when nobody is left, which the kernel says where orphans are adopted.

        A fork while the table is read can be missed, again and again: that nobody is in it means nothing then, and who
        has been adopted just now is looked for in an instant. Only where another part of this process has a child, too,
        the table's word is taken, when it says so often enough.
        """
        looks, until = 0, monotonic() + _SEARCH_SECONDS
        while True:
            looks += 1
            ended = self.leader.poll() is not None
            if self._adopts and not self._bury() and ended:
                return []
            table = _table()
            if found := self._found(table) or self._adopted():
                return found
            if not self._adopts or monotonic() > until or (looks >= _LOOKS and self._others(table)):
                return []

    def _ours(self, process: Process) -> bool:
        # Nobody gets from the leader's session into our group: a child in there belongs to another part of us.
        return process.group != os.getpgrp() and process.started >= self._since

    def _others(self, table: Mapping[int, Process]) -> bool:
        me = os.getpid()
        return any(p.parent == me and not self._ours(p) for p in table.values())

    def _found(self, table: Mapping[int, Process]) -> list[Process]:
        me, group = os.getpid(), self.leader.pid
        if not table and _lives(group):  # neither /proc nor ps: the group is all there is
            return [Process(group, me, group, 0, dead=False)]
        roots = [p for p in table.values() if p.parent == me and self._ours(p)]
        if not self._adopts:
            roots += [p for p in table.values() if p.group == group]
            roots += _still(self._known, table)
        found = [p for p in _with_descendants(roots, table) if not p.dead]
        self._known = {p.pid: p.started for p in found}
        return found

    def _adopted(self) -> list[Process]:
        return [p for p in _children() if self._ours(p) and not p.dead] if self._adopts else []

    def _bury(self) -> bool:
        """Wait for the adopted who are dead. False when this process has no child at all."""
        while True:
            try:
                dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return False
            if dead is None or dead.si_pid == self.leader.pid or os.getpgid(dead.si_pid) == os.getpgrp():
                return True
            os.waitpid(dead.si_pid, 0)


def end_run(run_id: str, grace: timedelta) -> int:
    """End what the run of a gradent that was killed has left: TERM, `grace`, KILL. Returns how many were ended.

    Those are meant who have exactly this `GRADENT_RUN_ID` in the environment that they were started with, as every
    process of a command agent has, and their descendants; but not this process and those that it comes from. 0 where
    nobody's environment can be looked at, which is everywhere but on Linux.
    """
    if not os.path.exists("/proc/self/environ"):
        return 0
    marked = f"\0GRADENT_RUN_ID={run_id}\0".encode()
    table = _table()
    spared: set[int] = set()
    pid = os.getpid()
    while pid in table and pid not in spared:
        spared.add(pid)
        pid = table[pid].parent
    known: dict[int, int] = {}

    def living() -> list[Process]:
        for _ in range(_LOOKS if known else 1):  # again, as in Tree; where nobody ever was, one look is enough
            if found := look():
                return found
        return []

    def look() -> list[Process]:
        table = _table()
        roots = [p for p in table.values() if p.pid not in spared and marked in _environment(p.pid)]
        family = _with_descendants([*roots, *_still(known, table)], table)
        found = [p for p in family if not p.dead and p.pid not in spared]
        known.update({p.pid: p.started for p in found})
        return found

    left = _end(living, _signal_each, grace)
    return len(known) - len(left)


def _end(
    living: Callable[[], list[Process]],
    send: Callable[[Iterable[Process], signal.Signals], None],
    grace: timedelta,
) -> list[Process]:
    found = living()
    send(found, signal.SIGTERM)
    send(found, signal.SIGCONT)  # who was stopped is to hear of it
    deadline, pause = monotonic() + grace.total_seconds(), _SHORTEST_PAUSE
    while found and (left := deadline - monotonic()) > 0:
        sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)
        found = living()
    deadline = monotonic() + KILL_SECONDS
    while found and monotonic() < deadline:
        send(found, signal.SIGKILL)
        sleep(_SHORTEST_PAUSE)
        found = living()
    return found


def _signal_groups(found: Iterable[Process], number: signal.Signals) -> None:
    """By their groups, which are theirs alone: who forks in this moment does not get away (kernel/signal.c)."""
    for group in {p.group for p in found}:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def _signal_each(found: Iterable[Process], number: signal.Signals) -> None:
    for process in found:
        now = _read_stat(process.pid)
        if now is not None and now.started == process.started:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, number)


def _with_descendants(roots: Iterable[Process], table: Mapping[int, Process]) -> list[Process]:
    children: dict[int, list[Process]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    found: dict[int, Process] = {}
    waiting = list(roots)
    while waiting:
        process = waiting.pop()
        if process.pid not in found:
            found[process.pid] = process
            waiting += children.get(process.pid, ())
    return list(found.values())


def _still(known: Mapping[int, int], table: Mapping[int, Process]) -> list[Process]:
    return [p for pid, started in known.items() if (p := table.get(pid)) is not None and p.started == started]


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _table() -> dict[int, Process]:
    """All processes, by their numbers."""
    try:
        pids = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal()]
    except OSError:
        pids = []
    found = [process for pid in pids if (process := _read_stat(pid)) is not None]
    return {process.pid: process for process in found or _ask_ps()}


def _children() -> list[Process]:
    """Of this process; nobody where the kernel keeps no such list (CONFIG_PROC_CHILDREN)."""
    try:
        threads = os.listdir("/proc/self/task")
    except OSError:
        return []
    raw = b" ".join(_read(f"/proc/self/task/{thread}/children") for thread in threads)
    return [process for pid in raw.split() if (process := _read_stat(int(pid))) is not None]


def _read_stat(pid: int) -> Process | None:
    """From /proc/PID/stat (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html); None when it is gone."""
    raw = _read(f"/proc/{pid}/stat")
    if not raw:
        return None
    # The name before may hold any byte, parentheses and newlines too; field 3 is the first one after it.
    fields = raw[raw.rindex(b")") + 2 :].split()
    state, threads = fields[0], int(fields[17])
    # A leader whose other threads go on looks like a zombie.
    dead = state in (b"Z", b"X", b"x") and threads <= 1
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[19]), dead)


def _environment(pid: int) -> bytes:
    """What it was started with, between two zero bytes; empty when that may not be read."""
    return b"\0" + _read(f"/proc/{pid}/environ")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""


def _ask_ps() -> list[Process]:
    """The same where there is no /proc (macOS, the BSDs); nobody when ps cannot be asked."""
    import subprocess

    command = ["ps", "-axo", "pid=,ppid=,pgid=,stat=,lstart="]
    try:
        answer = subprocess.run(
            command, env={**os.environ, "LC_ALL": "C"}, capture_output=True, check=True, timeout=5, text=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    found = []
    for line in answer.stdout.splitlines():
        pid, parent, group, state, *started = line.split()
        began = int(mktime(strptime(" ".join(started), "%a %b %d %H:%M:%S %Y")))
        found.append(Process(int(pid), int(parent), int(group), began, state.startswith("Z")))
    return found


def _adopt(*, on: bool) -> bool:
    set_child_subreaper = 36  # include/uapi/linux/prctl.h
    try:
        return sys.platform == "linux" and _prctl(set_child_subreaper, int(on)) == 0
    except (ImportError, OSError, AttributeError):
        return False


def _prctl(option: int, value: int) -> int:
    """As prctl(2), for which Python has no function of its own."""
    try:
        # What `ctypes` itself calls: the hundred types that it makes take a seventh of what Python takes to start.
        from _ctypes import call_function, dlopen, dlsym
    except ImportError:
        from ctypes import c_ulong, pythonapi

        return int(pythonapi.prctl(option, *map(c_ulong, (value, 0, 0, 0))))
    this_program = dlopen(None, os.RTLD_NOW)  # type: ignore[arg-type]  # None, as for dlopen(3)
    return int(call_function(dlsym(this_program, "prctl"), (option, value, 0, 0, 0)))
