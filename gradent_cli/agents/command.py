"""Any program as an agent: started without a shell, read line by line, and gone when its run is over.

The program writes one JSON object per line on standard output, as `docs/agents.md` describes; other lines are log
text. Its exit status decides first: anything but 0 is a failure, whatever it printed.
"""

import errno
import fcntl
import json
import os
import re
import select
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import timedelta
from math import inf
from time import monotonic, sleep

from gradent_cli import processes
from gradent_cli.agents import RunContext
from gradent_cli.agents.output import Reader
from gradent_cli.annotations import Any, Literal
from gradent_cli.dataclass import dataclass
from gradent_cli.durations import spell
from gradent_cli.errors import AgentError, AgentTimeoutError, StateError, UnavailableError
from gradent_cli.files import program, temporary_folder
from gradent_cli.records import Report
from gradent_cli.text import count

_READ_BYTES = 65_536
_PIPE_BYTES = 1_048_576
Stdin = Literal["prompt", "context", "none"]
_Taker = Callable[[bytes], None]
_MCP_CONFIG = "{mcp_config}"
_LOOK = 0.2
"""Seconds between two looks at whether the program itself has ended; a child of it may hold the pipes open for ever."""
_BREATH = 0.002
"""Seconds: a program that writes little at a time, and fast, is read in larger pieces."""

_ENV_TAKES_MORE = r"-[0iv]*[aCPu]|--(unset|chdir|argv0)"
"""Options of `env` (GNU's, BSD's) after which a word is their own."""
_REMEDIES = {
    errno.ENOEXEC: "let it begin with a line that names what runs it, such as #!/bin/sh",
    errno.E2BIG: "leave {prompt} out of agent.command: the program gets it on standard input then",
}
_LATE = 1.0
"""Seconds: how long the event file and each pipe are still read when the run has to end, however much is in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAgent:
    """Runs `argv` once.

    In each argument `{prompt}`, `{context_file}`, `{run_id}` and `{mcp_config}` are filled in. `stdin` says what the
    program reads; None is the prompt if no argument has it. `environ` is the whole environment of the program, but for
    what tells it of this run. `idle_timeout` None means that silence has no limit; `grace` is the time between TERM and
    KILL. `mcp_server` is the argv of `gradent mcp`.
    """

    argv: Sequence[str]
    prompt: str
    cwd: str | None
    environ: Mapping[str, str]
    idle_timeout: timedelta | None
    grace: timedelta
    stdin: Stdin | None = None
    mcp_server: Sequence[str] = ()
    name: str = "command"

    def preflight(self) -> None:
        """Whether the program, what interprets it, its folder and what its arguments need are there.

        Raises:
            UnavailableError: one of them is not.
        """
        need_folder(self.cwd)
        find_program(self.argv[0], path=self.environ.get("PATH", os.defpath), folder=self.cwd or _here())
        if asks_for_mcp(self.argv):
            from gradent_cli.agents import mcp

            mcp.need_package()

    def run(self, context: RunContext) -> Report:
        """Start the program, follow it to its end, and leave nothing behind of what it started.

        Raises:
            AgentError: it cannot be started.
            AgentTimeoutError: it said nothing for `idle_timeout`; or the run's own limit struck.
            StateError: there is no room for the file with its context.
        """
        tree: processes.Tree | None = None
        followed = False
        with (
            _written(lambda folder: self._files(context, folder), context.shield) as folder,
            processes.adopting() as adopts,
        ):
            reader = Reader(context, f"{folder}/events")
            try:
                try:
                    with context.shield():
                        tree = processes.Tree(self._start(context, folder), adopts=adopts)
                    self._follow(tree, reader, context)
                    followed = True
                finally:
                    if tree is not None:
                        self._end(tree, context, None if followed else reader)
            except BaseException as error:
                if tree is None:
                    raise
                self._end(tree, context, None if followed else reader)  # a signal may have struck before the shield
                if not (followed and isinstance(error, AgentTimeoutError)):
                    with context.shield(), suppress(StateError):
                        reader.look(_LATE)  # what it did until then
                    context.keep_output(reader.tail())
                    raise  # else the program was done in time, and only ending what it left behind took too long
            finally:
                reader.say_what_is_not_logged()
                reader.close()
        assert tree.leader.returncode is not None  # noqa: S101  it was followed to its end
        return reader.report(tree.leader.returncode)

    def _files(self, context: RunContext, folder: str) -> dict[str, str]:
        files = {
            "context.json": json.dumps(_context(context, self.prompt), ensure_ascii=False),
            "prompt": self.prompt,
            "events": "",
        }
        if asks_for_mcp(self.argv):
            from gradent_cli.agents import mcp

            files["mcp.json"] = mcp.document(self.mcp_server, self._environ(context, folder))
        return files

    def _environ(self, context: RunContext, folder: str) -> dict[str, str]:
        return {
            **self.environ,
            "GRADENT_RUN_ID": context.run_id,
            "GRADENT_CONTEXT_FILE": f"{folder}/context.json",
            "GRADENT_EVENTS": f"{folder}/events",
        }

    def _start(self, context: RunContext, folder: str) -> processes.Child:
        context_file = f"{folder}/context.json"
        fillings = {
            "{prompt}": self.prompt,
            "{context_file}": context_file,
            "{run_id}": context.run_id,
            _MCP_CONFIG: f"{folder}/mcp.json",
        }
        argv = [_filled(argument, fillings) for argument in self.argv]
        stdin = self.stdin or ("none" if any("{prompt}" in argument for argument in self.argv) else "prompt")
        # A file and not a pipe: whoever never reads it holds nobody up.
        files = {"prompt": f"{folder}/prompt", "context": context_file, "none": os.devnull}
        try:
            with open(files[stdin], "rb") as given:
                environ = self._environ(context, folder)
                return processes.Child(argv, environ=environ, stdin=given.fileno(), cwd=self.cwd)
        except OSError as error:
            lacks_folder = self.cwd is not None and error.filename == self.cwd
            hint = _REMEDIES.get(error.errno or 0)
            if error.errno in (errno.ENOENT, errno.EACCES) and not lacks_folder:
                looked = f"it was looked for in PATH={self.environ.get('PATH', '')}"
                hint = f"give the program's full path in agent.command; {looked}"
            what = f"the working directory {self.cwd}" if lacks_folder else f"'{argv[0]}'"
            raise AgentError(f"cannot start the agent: {what}: {error.strerror or error}", hint=hint) from error

    def _follow(self, tree: processes.Tree, reader: Reader, context: RunContext) -> None:
        """Read both pipes until the program itself has ended and what it wrote is read, whoever else writes on."""
        idle = self.idle_timeout.total_seconds() if self.idle_timeout is not None else None
        looked = heard = monotonic()
        recently = 0
        takers: dict[int, _Taker] = {
            tree.leader.stdout.fileno(): reader.output,
            tree.leader.stderr.fileno(): reader.complaint,
        }
        pipes = select.poll()
        for pipe in takers:
            _widen(pipe)
            pipes.register(pipe, select.POLLIN)
        while True:
            got = _read_ready(pipes, takers, tree, context)
            now = monotonic()
            if got:
                heard = now
                recently += got
                if now - looked < _LOOK:
                    if got < _READ_BYTES // 2 and recently > _READ_BYTES:
                        sleep(_BREATH)
                    continue
            looked, recently = now, 0
            if reader.look():
                heard = now
            if tree.over():
                break
            if idle is not None and now - heard > idle:
                limit = spell(timedelta(seconds=idle))
                raise AgentTimeoutError(f"said nothing for {limit}, the limit of agent.idle_timeout")
        with context.shield():
            for pipe, take in takers.items():
                _read_rest(pipe, take)
        reader.end()

    def _end(self, tree: processes.Tree, context: RunContext, reader: Reader | None) -> None:
        """Nobody is left afterwards. Asked again, it does what is not done yet.

        `reader` is given where the program was not followed to its end: it reads what is still in the pipes.
        """
        with context.shield():
            left = tree.end(self.grace)
            if left:
                pids = ", ".join(str(process.pid) for process in left)
                context.log(f"{count(len(left), 'process', 'processes')} of the agent cannot be ended: {pids}")
            for stream in (tree.leader.stdout, tree.leader.stderr):
                if not stream.closed:
                    if reader is not None:
                        take = reader.output if stream is tree.leader.stdout else reader.complaint
                        with suppress(StateError):
                            _read_rest(stream.fileno(), take, _LATE)
                    stream.close()


def _widen(pipe: int) -> None:
    """Make room for what is written during a breath, where the system can do that: the program is not to wait."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # somebody has used up what this user may have
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _read_ready(pipes: select.poll, takers: dict[int, _Taker], tree: processes.Tree, context: RunContext) -> int:
    """Wait for output, at most `_LOOK`; where both pipes are closed, for the end. Returns how many bytes came."""
    if not takers:
        tree.leader.wait(_LOOK)
        return 0
    got = 0
    for pipe, _ in pipes.poll(_LOOK * 1000):
        with context.shield():  # what is taken out of the pipe is nowhere else
            chunk = os.read(pipe, _READ_BYTES)
            if chunk:
                takers[pipe](chunk)
                got += len(chunk)
            else:
                pipes.unregister(pipe)
                del takers[pipe]
    return got


def _read_rest(pipe: int, take: _Taker, seconds: float = inf) -> None:
    """What is in the pipe now. The program has written all that it will, and others could go on for ever."""
    from termios import FIONREAD

    until = monotonic() + seconds
    waiting = int.from_bytes(fcntl.ioctl(pipe, FIONREAD, bytes(4)), sys.byteorder)
    while waiting > 0 and monotonic() < until and (chunk := os.read(pipe, min(waiting, _READ_BYTES))):
        take(chunk)
        waiting -= len(chunk)


def _filled(argument: str, fillings: Mapping[str, str]) -> str:
    """In one pass: a prompt that itself contains `{run_id}` stays as it is."""
    if "{" not in argument:
        return argument
    return re.sub("|".join(map(re.escape, fillings)), lambda found: fillings[found[0]], argument)


@contextmanager
def _written(
    files: Callable[[str], Mapping[str, str]], shield: Callable[[], AbstractContextManager[None]]
) -> Iterator[str]:
    """A folder with its files that nobody else may read. No signal leaves it behind."""
    until_gone = ExitStack()
    try:
        try:
            with shield():
                folder = until_gone.enter_context(temporary_folder())
            for name, text in files(folder).items():
                with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                    file.write(text)
        except OSError as error:
            raise StateError(
                f"cannot write the agent's context to a temporary file: {error.strerror}",
                hint="make room there, or set TMPDIR to another folder",
            ) from error
        yield folder
    finally:
        with shield():
            until_gone.close()


def asks_for_mcp(argv: Sequence[str]) -> bool:
    """Whether an agent is to be told where our MCP server is."""
    return any(_MCP_CONFIG in argument for argument in argv)


def need_folder(cwd: str | None) -> None:
    """See whether a program could start in `agent.cwd`.

    Raises:
        UnavailableError: it is not a folder.
    """
    if cwd is not None and not os.path.isdir(cwd):
        remedy = "gradent config set agent.cwd FOLDER" if os.path.exists(cwd) else f"mkdir -p {_quoted(cwd)}"
        raise UnavailableError(f"agent.cwd, {cwd}, is not a folder", hint=remedy)


def find_program(name: str, *, path: str, folder: str) -> str:
    """The program that would be started: looked for in `path`, or by its path; what is relative counts from `folder`.

    Raises:
        UnavailableError: there is none; or what it names in its first line to interpret it is not there, which is how
            a program that works in a shell fails under cron.
    """
    if "/" in name and not name.startswith("/"):
        name = os.path.join(folder, name.removeprefix("./").lstrip("/"))
    found = program(name, path, folder)
    if found is None and "/" in name:
        raise _not_executable(name)
    if found is None:
        raise UnavailableError(
            f"the program '{name}' is not there or not executable; it was looked for in PATH={path}",
            hint="give its full path in agent.command, or run gradent install-cron in a shell that finds it",
        )
    interpreter = _interpreter(found)
    if interpreter is not None and interpreter.endswith("\r"):
        raise UnavailableError(
            f"the lines of {found} end as on Windows, so that nothing can interpret it",
            hint=f"save it with Unix line endings: dos2unix {_quoted(found)}",
        )
    if interpreter is not None and program(interpreter, path, folder) is None:
        raise UnavailableError(
            f"the program {found} needs '{interpreter}', which is not there; it was looked for in PATH={path}",
            hint="run gradent install-cron in a shell that finds it, or set PATH in agent.env",
        )
    return found


def _here() -> str:
    """Where this process works; it may be gone, which is no harm to a program that is somewhere else."""
    try:
        return os.getcwd()
    except OSError:
        return os.curdir


def _quoted(path: str) -> str:
    from shlex import quote

    return quote(path)


def _not_executable(program: str) -> UnavailableError:
    if os.path.isdir(program):
        return UnavailableError(f"{program} is a folder, and no program", hint="name the program in agent.command")
    if os.path.exists(program):
        return UnavailableError(f"the program {program} may not be executed", hint=f"chmod +x {_quoted(program)}")
    return UnavailableError(f"there is no program {program}", hint="give its full path in agent.command")


def _interpreter(program: str) -> str | None:
    """What the first line of a script names: `/bin/sh`, or `node` of `/usr/bin/env node`. None for other programs."""
    with suppress(OSError):
        with open(program, "rb") as file:
            first = file.read(256).split(b"\n")[0]
        words = re.findall(r"[^ \t]+", os.fsdecode(first[2:])) if first.startswith(b"#!") else []
        if words and os.path.basename(words[0]) == "env":
            return _of_env(words[1:]) or words[0]
        return words[0] if words else None
    return None


def _of_env(words: Sequence[str]) -> str | None:
    """The program that `env` would start; None where it names none, or in quotes or a variable (`env -S`)."""
    while words and (words[0].startswith("-") or "=" in words[0]):
        words = words[2 if re.fullmatch(_ENV_TAKES_MORE, words[0]) else 1 :]
    return words[0] if words and not re.search(r"[\"'\\$]", words[0]) else None


def _context(context: RunContext, prompt: str) -> dict[str, Any]:
    previous = context.previous
    return {
        "run_id": context.run_id,
        "started_at": context.started_at.isoformat(),
        "prompt": prompt,
        "previous": None
        if previous is None
        else {
            "id": previous.id,
            "status": previous.status,
            "started_at": previous.started_at.isoformat(),
            "summary": previous.summary,
            "error": previous.error,
        },
    }
