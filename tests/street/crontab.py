"""A `crontab` program that keeps its crontab in a folder and misbehaves as it is told.

`Crontab(folder, program)` makes the program and steers it; run as a script, this file is the program. It starts a few
times in every test, so it imports next to nothing.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

# What each daemon's program says on standard error when there is no crontab, and its exit code.
NO_CRONTAB = {
    "vixie": ("no crontab for ada\n", 1),
    "cronie": ("no crontab for ada\n", 1),
    "macos": ("crontab: no crontab for ada\n", 1),
    "busybox": ("crontab: can't open 'ada': No such file or directory\n", 1),
    "systemd-cron": ("no crontab for ada\n", 2),
    "dcron": ("no crontab for ada\n", 0),
}


class Crontab:
    """Steers the program; `tab` is None when there is no crontab.

    Args:
        folder: where its crontab, its orders and the record of its calls are.
        program: the path that it gets; the folder of it belongs first in PATH.
    """

    def __init__(self, folder: Path, program: Path) -> None:
        self._folder = folder
        folder.mkdir()
        # No site-packages and no environment: it must start whatever a test does to Python.
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{__file__}" "{folder}" "$@"\n')
        program.chmod(0o755)

    @property
    def file(self) -> Path:
        return self._folder / "tab"

    @property
    def tab(self) -> bytes | None:
        return self.file.read_bytes() if self.file.exists() else None

    @tab.setter
    def tab(self, content: bytes | None) -> None:
        if content is None:
            self.file.unlink(missing_ok=True)
        else:
            self.file.write_bytes(content)

    def order(self, **orders: str | int) -> None:
        """From now on; all earlier orders are forgotten.

        `list`, `write`: "hang", "hang with a child", "fail", "deny", "warn"; `write` also "truncate", "truncate once",
        "forget". `wording`: a key of NO_CRONTAB. `edit_before_list`, `fail_at_list`: which `-l`, counted from the
        first, finds an edited crontab, or fails. `takes_unended`: a last line without an end is taken.
        """
        (self._folder / "orders").write_text("".join(f"{key}={value}\n" for key, value in orders.items()))

    @property
    def calls(self) -> list[str]:
        """The argument of every call, a file named as FILE."""
        log = self._folder / "calls"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def writes(self) -> int:
        return sum(call != "-l" for call in self.calls)


def main(argument: str) -> int:
    orders = dict(line.split("=") for line in (read("orders") or b"").decode().splitlines())
    append("calls", b"FILE\n" if argument.startswith("/") else argument.encode() + b"\n")
    if os.environ.get("LC_ALL") != "C" or sys.stdin.read():
        return complain("called with another locale, or with something on standard input")
    match orders.get("list" if argument == "-l" else "write"):
        case "hang":
            time.sleep(60)
        case "hang with a child":
            if os.fork() == 0:
                append("child", str(os.getpid()).encode())
            time.sleep(60)
        case "fail":
            return complain("crontab: something \x1b[31mwent\x1b[0m wrong")
        case "deny":
            return complain("You (ada) are not allowed to use this program (crontab)\nSee crontab(1)")
        case "warn":
            complain("Backup of ada's previous crontab saved to /home/ada/.cache/crontab/crontab.bak")
    if argument == "-l":
        return show(orders)
    if argument == "-r":
        os.unlink("tab")  # noqa: PTH108  pathlib takes its time to import
        return 0
    return install(argument, orders)


def show(orders: dict[str, str]) -> int:
    listed = str((read("calls") or b"").splitlines().count(b"-l"))
    if listed == orders.get("edit_before_list"):
        append("tab", b"@daily edited meanwhile\n")
    if listed == orders.get("fail_at_list"):
        return complain("crontab: Input/output error")
    content = read("tab")
    if content is None:
        words, code = NO_CRONTAB[orders.get("wording", "vixie")]
        sys.stderr.write(words)
        return code
    sys.stdout.buffer.write(content)
    return 0


def install(file: str, orders: dict[str, str]) -> int:
    content = read(file) or b""
    if os.stat(file).st_mode & 0o777 != 0o600:  # noqa: PTH116  likewise
        return complain(f"{file} can be read by others")
    if not content.endswith(b"\n") and "takes_unended" not in orders:
        return complain("new crontab file is missing newline before EOF, can't install.")
    order = orders.get("write")
    if order == "forget":
        return 0
    if order == "truncate" or (order == "truncate once" and read("truncated") is None):
        append("truncated", b"")
        content = content[: len(content) // 2]
    with open("tab", "wb") as stream:
        stream.write(content)
    return 0


def read(name: str) -> bytes | None:
    try:
        with open(name, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def append(name: str, content: bytes) -> None:
    with open(name, "ab") as stream:
        stream.write(content)


def complain(words: str) -> int:
    sys.stderr.write(f"{words}\n")
    return 1


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    _, _, only_argument = sys.argv
    sys.exit(main(only_argument))
