"""Instructions that the commands cron calls take, times those of `python -c pass`: what CI can judge on any machine.

Valgrind's callgrind counts them. Two counts of the same differ by less than a thousandth, however busy the machine is;
the agent, a process of its own, is not counted. `make instructions` writes `instructions.json`, one set for each
Python, and `tests/e2e/test_instructions.py` holds gradent to it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FILE = Path(__file__).with_name("instructions.json")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SCENARIOS: dict[str, tuple[str, ...]] = {
    "--version": ("--version",),
    "--help": ("--help",),
    "tick, nothing due": ("--config", "{config}", "run", "--if-due", "--quiet"),
    "run, nothing to tell": ("--config", "{config}", "run", "--quiet"),
}
_CONFIG = """\
frequency = "24hours"
[agent]
kind = "command"
command = ["true"]
[ntfy]
topic = "a-topic-of-its-own"
[notify]
when = "failed"
"""
_COUNTED = re.compile(rb"Collected : (\d+)")


def base(home: Path) -> int:
    """Instructions of the bare interpreter."""
    return _count(home, "-c", "pass")


def count(home: Path, scenario: str) -> int:
    """Instructions of one of `SCENARIOS`, as it is when it has been called before.

    Args:
        home: an empty folder, or one that this was called with before.

    Raises:
        subprocess.CalledProcessError: the command failed.
    """
    config = home / "config.toml"
    if not config.exists():
        config.write_text(_CONFIG, encoding="utf-8")
        config.chmod(0o600)
        os.utime(config, (0, 0))  # what was written a moment ago is read again each time
        _call(home, sys.executable, *_arguments(config, "tick, nothing due"))  # serves the last time: no other is due
    _call(home, sys.executable, *_arguments(config, scenario))  # whatever is compiled or kept at a first time
    return _count(home, *_arguments(config, scenario))


def ratio(home: Path, scenario: str) -> float:
    """Instructions of a scenario, times the bare interpreter's."""
    return count(home, scenario) / base(home)


def allowed() -> dict[str, float] | None:
    """Scenario -> the ratio that was written down for this Python; None when none was."""
    return json.loads(FILE.read_text(encoding="utf-8")).get(PYTHON) if FILE.exists() else None


def _arguments(config: Path, scenario: str) -> list[str]:
    return ["-P", "-m", "gradent_cli", *(word.format(config=config) for word in SCENARIOS[scenario])]


def _count(home: Path, *arguments: str) -> int:
    said = _call(home, "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, *arguments)
    found = _COUNTED.search(said)
    assert found is not None, said
    return int(found[1])


def _call(home: Path, *command: str) -> bytes:
    """What it writes to standard error. Its environment is always the same, down to the order of sets."""
    environ = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
    return subprocess.run(
        command, env=environ, cwd=home, check=True, stdin=subprocess.DEVNULL, capture_output=True
    ).stderr


def main() -> None:
    """Count all of them and write them down for this Python."""
    with tempfile.TemporaryDirectory() as folder:
        found = {scenario: round(ratio(Path(folder), scenario), 2) for scenario in SCENARIOS}
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    before = known.get(PYTHON, {})
    FILE.write_text(json.dumps(dict(sorted((known | {PYTHON: found}).items())), indent=2) + "\n", encoding="utf-8")
    for scenario, times in found.items():
        print(f"{scenario:22} {times:6.2f}  was {before.get(scenario, '-')}")


if __name__ == "__main__":
    main()
