"""gradent's block in a crontab: bytes in, bytes out; nothing is read or written here.

    # >>> gradent /home/ada/.config/gradent/config.toml >>>
    0 * * * * /home/ada/.venv/bin/python -P -m gradent_cli --config /home/ada/.config/gradent/config.toml run --quiet
    # <<< gradent /home/ada/.config/gradent/config.toml <<<

With catch-up a second line follows, the tick that serves what was missed in sleep; with quiet hours a last one, which
sends what they held. While `install-cron --verify` waits, its canary has a block of its own, named after something that
no config can be: a file inside the config file.

A marker is a whole line, byte for byte, that names the config file: every config has a block of its own, and a line
that is indented, longer or of another config is not a marker but somebody's text. Bytes and not text, because a
crontab may hold any bytes and all those outside the block must come back as they were.

A new block is appended. When the last line before it had no end, one is added (a marker must start a line), and the
begin marker says so in `_UNENDED`, so that removing the block takes that newline away too. Once something else follows
the block the newline stays, for it then ends a line in the middle of the text; when what follows is another block of
gradent, the note moves on to that one.
"""

import os
import re
import shlex
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gradent_cli.errors import ConfigError, CrontabError

_UNENDED = b" (no newline before this)"
_MARKERS = (b"# >>> gradent ", b"# <<< gradent ")
_NEXT_BLOCK = re.compile(
    rb"# >>> gradent (?P<config>[^\n]+) >>>(?=\n(?:[^\n]*\n)*?# <<< gradent (?P=config) <<<(?:\n|\Z))"
)
_CATCH_UP = "*/15 * * * *"
_FLUSH = ("notify", "flush", "--quiet")
MODULE = ("-P", "-m", "gradent_cli")
"""What follows the Python in every line."""
_SCHEDULE = re.compile(rb"(?:[\w*,/-]+[ \t]+){4}[\w*,/-]+(?=[ \t]+'?/)")  # a path with a blank is quoted
_VARIABLE = re.compile(rb"""[ \t]*(["']?)(\w+)\1[ \t]*=[ \t]*([^\n]*)""")
# The longest command that Debian's cron takes, in bytes; one more and it refuses the whole crontab (MAX_COMMAND in
# https://sources.debian.org/src/cron/3.0pl1-162/cron.h/).
_LONGEST_COMMAND = 998


def begin(config: Path) -> bytes:
    """The line that opens the block of this config, without its newline."""
    return b"# >>> gradent " + os.fsencode(config) + b" >>>"


def end(config: Path) -> bytes:
    """The line that closes the block of this config, without its newline."""
    return b"# <<< gradent " + os.fsencode(config) + b" <<<"


def canary(config: Path) -> Path:
    """What the block of this config's canary is named after."""
    return config / "canary"


def job_lines(
    expression: str, interpreter: Path, config: Path, *, catch_up: bool, flush: str | None = None
) -> tuple[bytes, ...]:
    """The lines of a block: the run at its times, the tick that makes up for missed ones, and the flush.

    Args:
        catch_up: with the tick.
        flush: when what quiet hours held is sent, five fields; None where there are none.

    Raises:
        ConfigError: as `job_line`.
    """
    lines = [job_line(expression, interpreter, config)]
    if catch_up:
        lines.append(job_line(_CATCH_UP, interpreter, config, ("run", "--if-due", "--quiet")))
    if flush is not None:
        lines.append(job_line(flush, interpreter, config, _FLUSH))
    return tuple(lines)


def job_line(
    expression: str, interpreter: Path, config: Path, arguments: tuple[str, ...] = ("run", "--quiet")
) -> bytes:
    """The line that makes cron call gradent; without its newline.

    `-P` keeps the working directory, which is HOME in cron, off the import path: a person's own `random.py` must not
    stand in for the standard library's (https://docs.python.org/3/using/cmdline.html#cmdoption-P).

    Args:
        interpreter: the absolute Python that has gradent.
        config: the absolute config file.
        arguments: the command of gradent's and what belongs to it; words and paths.

    Raises:
        ConfigError: a path holds what a crontab line cannot, or the command is too long.
    """
    paths = (("Python interpreter", interpreter), ("config file", config), *(("path", word) for word in arguments))
    for what, path in paths:
        if reason := _unfit(str(path)):
            raise ConfigError(
                f"cannot put the {what} {str(path)!r} into a crontab: its path {reason}",
                hint="move it to a path without such characters",
            )
    words = (str(interpreter), *MODULE, "--config", str(config), *arguments)
    command = shlex.join(words).encode()
    if len(command) > _LONGEST_COMMAND:
        raise ConfigError(
            f"cannot put the config file {config} into a crontab: the command would have {len(command)} bytes,"
            f" and Debian's cron takes {_LONGEST_COMMAND}",
            hint="move it to a shorter path",
        )
    return expression.encode() + b" " + command


def _unfit(path: str) -> str | None:
    if "%" in path:
        return "has a '%', which cron turns into a line break"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in path):
        return "has a line break, a control character or bytes that are not UTF-8"
    return None


def schedule(line: bytes) -> str | None:
    """The five fields that a job line begins with; None when a person has made something else of it."""
    found = _SCHEDULE.match(line)
    return None if found is None else " ".join(found[0].decode().split())


def reschedule(line: bytes, expression: str) -> bytes:
    """A job line that has a `schedule`, with this one instead."""
    return _SCHEDULE.sub(expression.encode(), line, count=1)


def command(line: bytes) -> tuple[str, ...]:
    """The words of a job line behind its `schedule`, the interpreter first; none when a person has edited it."""
    found = _SCHEDULE.match(line)
    if found is None:
        return ()
    try:
        return tuple(shlex.split(os.fsdecode(line[found.end() :])))
    except ValueError:  # a quotation mark without its second
        return ()


def catches_up(line: bytes) -> bool:
    """Whether a line of a block is the tick that makes up for missed runs."""
    return "--if-due" in command(line)


def flushes(line: bytes) -> bool:
    """Whether a line of a block is the one that sends what quiet hours held."""
    return command(line)[-len(_FLUSH) :] == _FLUSH


def reflush(lines: Sequence[bytes], config: Path, flush: str | None) -> tuple[bytes, ...]:
    """The lines of a block, the run first, with a flush at these times, or with none; it takes the Python of the run.

    Raises:
        ConfigError: as `job_line`.
    """
    others = tuple(line for line in lines if not flushes(line))
    return others if flush is None else (*others, job_line(flush, Path(command(lines[0])[0]), config, _FLUSH))


def variables(crontab: bytes, config: Path) -> dict[str, str]:
    """What the lines above the block of this config set for all jobs below them (crontab(5)); `{}` without a block."""
    place = _find(crontab, config)
    above = crontab[: place.start].split(b"\n") if place else []
    found = [match for line in above if (match := _VARIABLE.fullmatch(line))]
    return {match[2].decode(): os.fsdecode(match[3].strip().strip(b"\"'")) for match in found}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a block stands: `crontab[start:stop]`, its lines, and whether its begin marker says `_UNENDED`."""

    start: int
    stop: int
    lines: tuple[bytes, ...]
    unended: bool


def _find(crontab: bytes, config: Path) -> _Place | None:
    lines = crontab.split(b"\n")
    opening, closing = (begin(config), begin(config) + _UNENDED), end(config)
    begins = [number for number, line in enumerate(lines) if line in opening]
    ends = [number for number, line in enumerate(lines) if line == closing]
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
        seen = sorted([(n, "begins") for n in begins] + [(n, "ends") for n in ends])
        listed = ", ".join(f"line {number + 1} {what} it" for number, what in seen)
        raise _damaged(config, f"is not whole ({listed})")
    first, last = begins[0], ends[0]
    inside = lines[first + 1 : last]
    for number, line in enumerate(inside, first + 2):
        if line.startswith(_MARKERS):
            raise _damaged(config, f"holds a marker of another block in line {number}")
    start = sum(len(line) + 1 for line in lines[:first])
    stop = start + sum(len(line) + 1 for line in lines[first : last + 1])
    return _Place(start, min(stop, len(crontab)), tuple(inside), unended=lines[first] == opening[1])


def _damaged(config: Path, how: str) -> CrontabError:
    return CrontabError(
        f"the block of {config} in the crontab {how}; nothing was written",
        hint="in `crontab -e`, delete gradent's lines of this config, then run `gradent install-cron`",
    )


def installed(crontab: bytes, config: Path) -> tuple[bytes, ...] | None:
    """The lines between the markers of this config; None when it has no block.

    Raises:
        CrontabError: a marker is missing, doubled, out of order, or another block stands inside.
    """
    place = _find(crontab, config)
    return None if place is None else place.lines


def install(crontab: bytes, config: Path, lines: tuple[bytes, ...]) -> bytes:
    """`crontab` with these lines as the block of this config: in place where there is one, else at the end.

    Raises:
        CrontabError: as `installed`.
    """
    place = _find(crontab, config)
    if place is not None:
        return crontab[: place.start] + _block(config, lines, unended=place.unended) + crontab[place.stop :]
    unended = not crontab.endswith(b"\n") and crontab != b""
    return crontab + (b"\n" if unended else b"") + _block(config, lines, unended=unended)


def _block(config: Path, lines: tuple[bytes, ...], *, unended: bool) -> bytes:
    opening = begin(config) + (_UNENDED if unended else b"")
    return b"".join(line + b"\n" for line in (opening, *lines, end(config)))


def uninstall(crontab: bytes, config: Path) -> bytes:
    """`crontab` without the block of this config; the bytes that `install` was given, and what was added since.

    Raises:
        CrontabError: as `installed`.
    """
    place = _find(crontab, config)
    if place is None:
        return crontab
    before, after = crontab[: place.start], crontab[place.stop :]
    if place.unended and not after:
        return before[:-1]
    if place.unended and (following := _NEXT_BLOCK.match(after)):
        return before + following[0] + _UNENDED + after[following.end() :]
    return before + after
