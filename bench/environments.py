"""Where everything is set up: below `.bench/` in the checkout, and nowhere else."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from bench.measure import Unfit

ROOT = Path(__file__).parents[1]
PLACE = ROOT / ".bench"
_PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
_LONGEST = 300
"""Seconds that one installation may take."""


def _do(command: Sequence[str | Path], cwd: Path = ROOT) -> str:
    """Run it.

    Raises:
        Unfit: it failed; the text is its last line.
    """
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, check=False, timeout=_LONGEST, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise Unfit(f"there is no {command[0]}") from None
    except subprocess.TimeoutExpired:
        raise Unfit(f"the installation took longer than {_LONGEST} s") from None
    if done.returncode != 0:
        raise Unfit((done.stderr or done.stdout).strip().rpartition("\n")[2] or f"exit code {done.returncode}")
    return done.stdout


def gradent() -> Path:
    """The Python of an environment with what gradent needs to run, and gradent itself, compiled, as a user has it."""
    lock = ROOT / "requirements.lock"
    python = _environment("gradent", Path(sys.executable), sha256(lock.read_bytes()).hexdigest(), ["-r", str(lock)])
    _do([python, *_PIP, "install", "--no-deps", "--no-build-isolation", "--force-reinstall", "."])
    _do([python, "-m", "compileall", "-q", python.parents[1] / "lib"])
    return python


def peer(package: str) -> Path:
    """The Python of an environment with a package from PyPI, the newest one when it was made.

    Raises:
        Unfit: no Python of this machine can install it.
    """
    tried, last = [], ""
    for python in pythons():
        try:
            return _environment(package, python, package, [package])
        except Unfit as reason:
            tried.append("this Python" if python == Path(sys.executable) else python.name)
            last = str(reason)
    raise Unfit(f"it cannot be installed with {', '.join(tried)}: {last}")


def pythons() -> Iterator[Path]:
    """This Python, then others, the newest first: some packages want a newer one."""
    yield Path(sys.executable)
    names = [f"python3.{minor}" for minor in range(15, 10, -1)]
    for name in names:
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))  # which keeps most of them out of the PATH
        found = [*sorted(pyenv.glob(f"versions/{name[6:]}.*/bin/{name}")), shutil.which(name)]
        for python in found:
            if (
                python
                and subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode == 0
            ):
                yield Path(python)
                break


def version(python: Path, *packages: str) -> dict[str, str]:
    """What is installed there, by name; none named: everything."""
    code = "from importlib.metadata import distributions as d\nfor each in d(): print(each.name, each.version)"
    rows = [line.split(" ", 1) for line in _do([python, "-I", "-c", code]).splitlines()]
    return {name: found for name, found in sorted(rows) if not packages or name in packages}


def debian(*packages: str) -> Path:
    """A folder into which these Debian packages are unpacked; nothing is installed, so anybody can.

    Raises:
        Unfit: this is no Debian, or it cannot fetch them.
    """
    folder = PLACE / "debian"
    done = folder / f".{'+'.join(packages)}.done"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fetch = ["apt-get", "download", "-qq", *packages]
        try:
            _do(fetch, cwd=folder)
        except Unfit:
            if os.geteuid() != 0:
                raise
            _do(["apt-get", "update", "-qq"])
            _do(fetch, cwd=folder)
        for archive in folder.glob("*.deb"):
            _do(["dpkg-deb", "-x", archive, folder])
            name, version, _ = archive.name.split("_")
            (folder / f".{name}").write_text(version.replace("%3a", ":"), encoding="utf-8")
            archive.unlink()
        done.touch()
    return folder


def debian_version(package: str) -> str:
    """Of a Debian package that is unpacked here, or installed; a question mark where nobody knows."""
    noted = PLACE / "debian" / f".{package}"
    if noted.exists():
        return noted.read_text(encoding="utf-8")
    try:
        return _do(["dpkg-query", "-W", "-f", "${Version}", package])
    except Unfit:
        return "?"


def _environment(name: str, python: Path, key: str, packages: Sequence[str]) -> Path:
    """A virtual environment that is made once for each `key`."""
    folder = PLACE / "environments" / name
    inside, done = folder / "bin" / "python", folder / ".done"
    if not (done.exists() and done.read_text(encoding="utf-8") == key):
        shutil.rmtree(folder, ignore_errors=True)
        _do([python, "-m", "venv", folder])
        _do([inside, *_PIP, "install", *(["--require-hashes"] if packages[0] == "-r" else []), *packages])
        done.write_text(key, encoding="utf-8")
    return inside
