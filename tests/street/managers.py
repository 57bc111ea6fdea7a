"""`systemctl`, `loginctl`, `launchctl`, `schtasks.exe` and `wslpath` that keep their jobs in a folder.

`Managers(folder, programs)` makes them and steers them; run as a script, this file is each of them. They know as much
of the real ones as the documents say; the real systemd has its say in `tests/e2e`.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = ("systemctl", "loginctl", "launchctl", "schtasks.exe", "wslpath")


class Managers:
    """Steers the programs.

    Args:
        folder: where their jobs, their orders and the record of their calls are.
        programs: a folder that is first in PATH.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder
        self._programs = programs
        folder.mkdir()

    def offer(self, *names: str) -> None:
        """From now on these programs are there."""
        for name in names:
            path = self._programs / name
            # No site-packages and no environment: it must start whatever a test does to Python.
            path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{__file__}" "{self._folder}" {name} "$@"\n')
            path.chmod(0o755)

    def order(self, **orders: str) -> None:
        """From now on; earlier orders are forgotten. Each is a word of a call, such as `start` or `/Create`.

        `refuse`: calls with it fail; `hang`: they do not end; `linger`: "no" if the person's timers end at logout.
        """
        (self._folder / "orders").write_text("".join(f"{key}={value}\n" for key, value in orders.items()))

    @property
    def calls(self) -> list[str]:
        """Every call as one line, without those that only ask."""
        log = self._folder / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        asking = (" show", " print", " /Query", "loginctl", "wslpath")
        return [line for line in lines if not any(word in line for word in asking)]

    def kept(self) -> dict[str, str]:
        """What is loaded, enabled or at work, by file name."""
        names = (path for path in self._folder.iterdir() if path.name not in ("calls", "orders"))
        return {path.name: path.read_text() for path in names}

    def forget(self, name: str) -> None:
        (self._folder / name).unlink()


def main(program: str, arguments: list[str]) -> int:
    orders = dict(line.split("=", 1) for line in read("orders").splitlines())
    append("calls", f"{program} {' '.join(arguments)}\n")
    if os.environ.get("LC_ALL") != "C" or sys.stdin.read():
        return complain("called with another locale, or with something on standard input")
    if orders.get("hang") in arguments:
        time.sleep(60)
    if orders.get("refuse") in arguments:
        return complain("Failed to \x1b[31mdo\x1b[0m it: Access denied")
    if program == "systemctl":
        return systemctl(arguments[1], arguments[2:])
    if program == "launchctl":
        return launchctl(arguments[0], arguments[1:])
    if program == "schtasks.exe":
        return schtasks(arguments)
    say(orders.get("linger", "yes") if program == "loginctl" else arguments[-1])
    return 0


def systemctl(verb: str, rest: list[str]) -> int:
    name = rest[-1] if rest else ""
    if verb == "show" and len(rest) == 1:
        say("Version=252")
    elif verb == "show":
        name = rest[0]
        say(f"ActiveState={'active' if read(f'active-{name}') else 'inactive'}")
        say(f"NeedDaemonReload={'yes' if on_disk(name) != read(f'loaded-{name}') else 'no'}")
        say(f"UnitFileState={'enabled' if read(f'enabled-{name}') else 'disabled'}")
    elif verb == "daemon-reload":
        for unit in set(unit_files()) | {file[7:] for file in os.listdir() if file.startswith("loaded-")}:  # noqa: PTH208
            write(f"loaded-{unit}", on_disk(unit))
    elif not read(f"loaded-{name}"):
        return complain(f"Failed to {verb} {name}: Unit {name} not loaded.")
    elif verb == "enable":
        write(f"enabled-{name}", "yes")
        write(f"active-{name}", "yes")
        write(f"stamp-{name}", "now")
    elif verb in ("disable", "stop"):
        if verb == "disable":
            write(f"enabled-{name}", "")
        if verb == "stop" or "--now" in rest:
            write(f"active-{name}", "")
    elif verb == "clean":
        if read(f"active-{name}"):
            return complain(f"Failed to clean unit {name}: Unit is not inactive or has pending job.")
        write(f"stamp-{name}", "")
    return 0


def unit_files() -> list[str]:
    folder = unit_folder()
    return os.listdir(folder) if os.path.isdir(folder) else []  # noqa: PTH112, PTH208  pathlib takes its time to import


def unit_folder() -> str:
    return os.environ.get("XDG_CONFIG_HOME", os.environ["HOME"] + "/.config") + "/systemd/user"


def on_disk(name: str) -> str:
    return read(f"{unit_folder()}/{name}")


def launchctl(verb: str, rest: list[str]) -> int:
    domain, _, label = rest[0].partition(f"gui/{os.getuid()}")[2].partition("/")
    if domain or not rest[0].startswith("gui/"):
        return complain(f"Could not find domain {rest[0]}")
    if verb == "bootstrap":
        name = os.path.basename(rest[1]).removesuffix(".plist")  # noqa: PTH119  likewise
        if read(f"loaded-{name}") or not read(rest[1]):
            return complain("Bootstrap failed: 5: Input/output error")
        write(f"loaded-{name}", read(rest[1]))
    elif label and not read(f"loaded-{label}"):
        complain(f'Could not find service "{label}" in domain for user gui: {os.getuid()}')
        return 113
    elif verb == "bootout":
        write(f"loaded-{label}", "")
    return 0


def schtasks(arguments: list[str]) -> int:
    verb, name = arguments[0], arguments[arguments.index("/TN") + 1]
    task = f"task-{name}"
    if verb == "/Create":
        if read(task) and "/F" not in arguments:
            return complain("WARNING: the task name already exists. Do you want to replace it (Y/N)?")
        with open(arguments[arguments.index("/XML") + 1], encoding="utf-16") as stream:
            given = stream.read()
        # Windows completes what it is given.
        write(task, given.replace("<StartBoundary>", "<Enabled>true</Enabled>\n<StartBoundary>").replace("\n", "\r\n"))
    elif not read(task):
        return complain("FEHLER: Das System kann die angegebene Datei nicht finden.")
    elif verb == "/Query":
        sys.stdout.write(read(task))
    elif verb == "/Delete":
        write(task, "")
    return 0


def read(name: str) -> str:
    try:
        with open(name, encoding="utf-8", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def write(name: str, content: str) -> None:
    """An empty file is no file."""
    if content:
        with open(name, "w", encoding="utf-8", newline="") as stream:
            stream.write(content)
    elif read(name):
        os.unlink(name)  # noqa: PTH108  likewise


def append(name: str, content: str) -> None:
    with open(name, "a", encoding="utf-8") as stream:
        stream.write(content)


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")


def complain(words: str) -> int:
    sys.stderr.write(f"{words}\n")
    return 1


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    sys.exit(main(sys.argv[2], sys.argv[3:]))
