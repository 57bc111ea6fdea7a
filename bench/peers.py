"""The peers: programs that people put into their crontab for the same work, and what is measured of each.

Each gets the work that is nearest to gradent's: to find that nothing is due, to run `true` without a word, or to run
it and report once. All reports go to the sink.
"""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bench import environments
from bench.measure import Scenario, Unfit

_CRONITOR = """\
import subprocess, sys
import cronitor
monitor = cronitor.Monitor("bench", api_key="key")
monitor._ping_api_url = lambda: sys.argv[1]  # its own has https and a fixed name
subprocess.run(["true"], check=True)
monitor.ping(state="complete")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The peers that are here, with their versions, and why the others are not."""

    scenarios: list[Scenario] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


Peer = Callable[[Path], list[Scenario]]
"""Given the peer's folder of programs: what to measure."""


def find(homes: Path, url: str) -> Found:
    """Set up all of them, two at a time."""
    found = Found()
    packages = _packages(homes, url)
    with ThreadPoolExecutor(2) as pool:
        jobs = {name: pool.submit(environments.peer, name) for name in packages}
    for name, job in jobs.items():
        try:
            python = job.result()
            found.versions.update(environments.version(python, name))
            found.scenarios.extend(packages[name](python.parent))
        except Unfit as reason:
            found.missing[name] = str(reason)
    of_debian = (("chronic", "moreutils", _chronic), ("cronic", "cronic", _cronic), ("curl", "curl", _curl))
    for name, package, make in of_debian:
        try:
            found.scenarios.append(make(_home(homes, name), url))
            found.versions[name] = environments.debian_version(package)
        except Unfit as reason:
            found.missing[name] = str(reason)
    return found


def _home(homes: Path, name: str) -> Path:
    folder = homes / name
    folder.mkdir(parents=True)
    return folder


def _packages(homes: Path, url: str) -> dict[str, Peer]:
    """By their names on PyPI."""
    address = url.removeprefix("http://")

    def one(name: str, title: str, home: Path, *argv: str | Path, requests: int = 0) -> Scenario:
        return Scenario(name=name, title=title, argv=tuple(map(str, argv)), home=home, requests=requests)

    def apprise(programs: Path) -> list[Scenario]:
        home, program = _home(homes, "apprise"), programs / "apprise"
        send = [program, "-t", "Done", "-b", "true has run", f"json://{address}/apprise"]
        return [
            one("apprise", "apprise, 1 message", home, *send, requests=1),
            one("apprise-version", "apprise --version", home, program, "--version"),
        ]

    def ntfy(programs: Path) -> list[Scenario]:
        home, program = _home(homes, "ntfy"), programs / "ntfy"
        config = home / "ntfy.yml"
        config.write_text(f"backends: [ntfy_sh]\nntfy_sh:\n  host: {url}\n  topic: bench\n", encoding="utf-8")
        return [
            one("ntfy", "ntfy done true, 1 message", home, program, "-c", config, "done", "true", requests=1),
            one("ntfy-version", "ntfy --version", home, program, "--version"),
        ]

    def cronitor(programs: Path) -> list[Scenario]:
        home = _home(homes, "cronitor")
        send = (programs / "python", "-c", _CRONITOR, f"{url}/cronitor")
        return [one("cronitor", "cronitor, true and 1 ping", home, *send, requests=1)]

    def kage(programs: Path) -> list[Scenario]:
        home, program = _home(homes, "kage"), programs / "kage"
        return [
            one("kage", "kage cron run, nothing due", home, program, "cron", "run"),
            one("kage-version", "kage --version", home, program, "--version"),
        ]

    def borgmatic(programs: Path) -> list[Scenario]:
        home, program = _home(homes, "borgmatic"), programs / "borgmatic"
        config = home / "config.yaml"
        config.write_text(f"source_directories: [{home}]\nrepositories:\n  - path: {home}/x.borg\n", encoding="utf-8")
        check = (program, "-c", config, "config", "validate")
        return [
            one("borgmatic", "borgmatic, reads its config", home, *check),
            one("borgmatic-version", "borgmatic --version", home, program, "--version"),
        ]

    def gptme(programs: Path) -> list[Scenario]:
        return [one("gptme-version", "gptme --version", _home(homes, "gptme"), programs / "gptme", "--version")]

    return {
        "apprise": apprise,
        "ntfy": ntfy,
        "cronitor": cronitor,
        "kage-ai": kage,
        "borgmatic": borgmatic,
        "gptme": gptme,
    }


def _chronic(home: Path, _url: str) -> Scenario:
    program, environ = shutil.which("chronic"), {}
    if program is None:
        folder = environments.debian("moreutils", "libipc-run-perl")
        program, environ = str(folder / "usr/bin/chronic"), {"PERL5LIB": str(folder / "usr/share/perl5")}
    return Scenario(name="chronic", title="chronic true", argv=(program, "true"), home=home, environ=environ)


def _cronic(home: Path, _url: str) -> Scenario:
    program = shutil.which("cronic") or str(environments.debian("cronic") / "usr/bin/cronic")
    return Scenario(name="cronic", title="cronic true", argv=(program, "true"), home=home)


def _curl(home: Path, url: str) -> Scenario:
    program = shutil.which("curl", path="/usr/bin:/bin:/usr/local/bin")
    if program is None:
        raise Unfit("it is not installed")
    line = f'true && "{program}" -sS -o /dev/null -d done {url}/curl'
    return Scenario(
        name="curl", title="sh -c 'true && curl', 1 message", argv=("/bin/sh", "-c", line), home=home, requests=1
    )
