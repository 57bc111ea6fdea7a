"""The `crontab` programs of other daemons than Debian's cron: those of cronie, busybox and systemd-cron, for real.

Each lives in a Debian of its own; gradent runs here, and the `crontab` first in its PATH leads there. What these
daemons do when the clock changes was measured by hand: docs/clock-changes.md.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from gradent_cli.schedulers import block, cron
from tests.conftest import Gradent
from tests.e2e.conftest import need

pytestmark = pytest.mark.e2e

# Packages of Debian 13, for Debian 12 has neither cronie nor a busybox with `crontab`; no two daemons go together.
PACKAGES = {
    "cronie": "cronie,systemd-standalone-sysusers,passwd",
    "busybox": "busybox,passwd",
    "systemd-cron": "systemd-cron,passwd",
}
# busybox is not set up as a `crontab` there: its spool and its rights over it are the administrator's to make.
SET_UP = {"busybox": "mkdir -p /var/spool/cron/crontabs && chmod u+s /usr/bin/busybox"}
PROGRAM = {"busybox": "busybox crontab"}
# What `crontab -l` answers where there is none: exit code, standard output, standard error.
NONE = {
    "cronie": (1, b"", "no crontab for ada"),
    "busybox": (1, b"", "crontab: can't open 'ada': No such file or directory"),
    "systemd-cron": (2, b"", "no crontab for ada"),
}
THEIRS = b'# ma\xeetre\nMAILTO=""\n0 5 * * * true\t# mine\n'
# A file must be where the other Debian sees it; the person there is called ada, whoever runs this.
LEADS_THERE = """\
#!/bin/sh
case $1 in
    /*) install --owner=1000 --mode=600 "$1" "{root}/tmp/tab"; set -- /tmp/tab ;;
esac
exec chroot "{root}" setpriv --reuid=ada --regid=ada --clear-groups {program} "$@"
"""


@dataclass(frozen=True)
class Daemon:
    name: str
    crontab: Path

    def say(self, argument: str) -> tuple[int, bytes, str]:
        """What the program itself answers: exit code, standard output, standard error."""
        done = subprocess.run([self.crontab, argument], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr.decode().strip()


def made(name: str, root: Path) -> str:
    """Build that Debian; the reason why not, or nothing."""
    set_up = f"useradd --create-home --uid 1000 ada; {SET_UP.get(name, '')}"
    command = ["mmdebstrap", "--variant=apt", f"--include={PACKAGES[name]}", "trixie", str(root)]
    hook = f'--customize-hook=chroot "$1" sh -c {shlex.quote(set_up)}'
    done = subprocess.run([*command, hook], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr[-300:]


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A Debian for each, built side by side."""
    need(sys.platform == "linux" and os.geteuid() == 0, "another Debian needs Linux and root")
    need(shutil.which("mmdebstrap"), "another Debian needs mmdebstrap (apt-get install mmdebstrap)")
    folder = tmp_path_factory.mktemp("debian")
    places = {name: folder / name for name in PACKAGES}
    with ThreadPoolExecutor() as threads:
        for name, trouble in zip(places, threads.map(made, places, places.values()), strict=True):
            need(not trouble, f"a Debian with {name} could not be made: {trouble}")
    yield places
    shutil.rmtree(folder)


@pytest.fixture(params=list(PACKAGES))
def daemon(request: pytest.FixtureRequest, roots: dict[str, Path], tmp_path: Path) -> Daemon:
    """Its `crontab` is the first in PATH, and ada has none yet."""
    name = request.param
    program = tmp_path / "programs" / "crontab"
    program.write_text(LEADS_THERE.format(root=roots[name], program=PROGRAM.get(name, "crontab")))
    program.chmod(0o755)
    daemon = Daemon(name, program)
    daemon.say("-r")
    return daemon


@pytest.fixture
def config(home: Path) -> Path:
    path = home / ".config" / "gradent" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('frequency = "1hour"\n')
    return path


def test_that_there_is_none_is_understood(daemon: Daemon, tmp_path: Path):
    """The words and codes that the code knows are those that the programs say today."""
    assert daemon.say("-l") == NONE[daemon.name]
    assert cron.Crontab(tmp_path, os.environ).read() == b""


@pytest.mark.parametrize("theirs", [b"", THEIRS], ids=["first", "theirs"])
def test_the_block_comes_changes_and_goes(
    daemon: Daemon, config: Path, gradent: Gradent, tmp_path: Path, theirs: bytes
):
    """Install, change, catch up, install again, uninstall: and the bytes that were there, or none, are there again."""
    if theirs:
        (tmp_path / "theirs").write_bytes(theirs)
        assert daemon.say(str(tmp_path / "theirs"))[0] == 0

    def lines(expression: str, *, catch_up: bool = False) -> bytes:
        python = Path(sys.executable)
        return block.install(theirs, config, block.job_lines(expression, python, config, catch_up=catch_up))

    assert gradent("install-cron").code == 0
    assert daemon.say("-l")[:2] == (0, lines("0 * * * *"))
    assert gradent("config", "set", "--frequency", "6hours").code == 0
    assert daemon.say("-l")[1] == lines("0 0,6,12,18 * * *")
    assert gradent("install-cron", "--catch-up").code == 0
    assert daemon.say("-l")[1] == lines("0 0,6,12,18 * * *", catch_up=True)
    assert gradent("install-cron").out.startswith("already installed; nothing changed")
    assert gradent("uninstall-cron").code == 0
    assert daemon.say("-l") == ((0, theirs, "") if theirs else NONE[daemon.name])


def test_a_last_line_without_an_end(daemon: Daemon, config: Path, gradent: Gradent, tmp_path: Path):
    """busybox and systemd-cron take it, and get it back as it was; cronie does not take it in the first place."""
    (tmp_path / "theirs").write_bytes(b"0 5 * * * true")
    taken = daemon.say(str(tmp_path / "theirs"))[0] == 0
    assert taken == (daemon.name != "cronie")
    if taken:
        assert gradent("install-cron").code == 0
        assert gradent("uninstall-cron").code == 0
        assert daemon.say("-l")[:2] == (0, b"0 5 * * * true")
