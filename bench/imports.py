"""Where the time goes: into imports, nearly all of it, so whose they are says why a command is dear.

`python -X importtime` names each module with its own time, those it imports before it and further in
(https://docs.python.org/3/using/cmdline.html#cmdoption-X).
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence

from bench.measure import Scenario, environment

OWN = "gradent"
STANDARD = "standard library"
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|( +)(\S+)")


def profile(scenario: Scenario) -> dict[str, float]:
    """Milliseconds by package, the dearest first, for a command that begins with a Python."""
    python, *arguments = scenario.argv
    done = subprocess.run(
        [python, "-X", "importtime", *arguments],
        env=environment(scenario.home, scenario.environ),
        cwd=scenario.home,
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return shares(done.stderr.splitlines())


def shares(lines: Sequence[str]) -> dict[str, float]:
    """Milliseconds by package, from what `-X importtime` says.

    What a package imports of the standard library, or of others, is that package's: without it, it would not be there.
    """
    spent: Counter[str] = Counter()
    parents: list[str] = []
    for match in map(_LINE.match, reversed(lines)):  # backwards, as a module comes after those it imports
        if match is None:
            continue
        depth = len(match[2]) // 2
        parents[depth:] = [match[3].partition(".")[0]]
        spent[_whose(parents)] += int(match[1])
    return {name: round(microseconds / 1000, 1) for name, microseconds in spent.most_common()}


def _whose(modules: Iterable[str]) -> str:
    """The outermost package that somebody else wrote; else gradent, if it is among them."""
    known = [*modules]
    foreign = [name for name in known if name not in sys.stdlib_module_names and name != "gradent_cli"]
    return foreign[0] if foreign else OWN if "gradent_cli" in known else STANDARD
