"""Crontabs as they are found in the world: whatever gradent does, every byte outside its block stays.

`tests/data/crontabs/` holds one per habit: distributions' headers, other programs' blocks, editors' line ends,
encodings, look-alikes of gradent's own lines.
"""

import sys
from pathlib import Path

import pytest

from gradent_cli.schedulers import block
from tests.conftest import Gradent
from tests.street.crontab import Crontab

CORPUS = {path.stem: path.read_bytes() for path in Path(__file__).with_name("data").glob("crontabs/*.crontab")}
FOUND = {**CORPUS, "five-megabytes": CORPUS["debian-with-jobs"] * 7000}
# The config that the look-alikes in the corpus name.
ADA = Path("/home/ada/.config/gradent/config.toml")
PYTHON = Path("/home/ada/.venv/bin/python")


def test_the_corpus_is_there():
    """A checkout that converts line ends, or a package that left it out, would test nothing."""
    assert len(CORPUS) == 39
    assert CORPUS["windows-crlf"].count(b"\r\n") == 5
    assert CORPUS["look-alike-markers"].count(b">>> gradent /home/ada") == 5
    assert len(FOUND["five-megabytes"]) > 5_000_000


@pytest.mark.parametrize("name", sorted(FOUND))
def test_the_block_comes_changes_and_goes(name: str):
    """Install, change, the same again, a second line, uninstall: the bytes before it are there throughout."""
    found = FOUND[name]
    hourly, daily, tick = (
        block.job_line(expression, PYTHON, ADA) for expression in ("0 * * * *", "30 7 * * *", "*/15 * * * *")
    )
    now = found
    for lines in ((hourly,), (daily,), (daily,), (daily, tick), (hourly,)):
        now = block.install(now, ADA, lines)
        assert now.startswith(found)
        assert block.installed(now, ADA) == lines
        assert now[len(found) :].lstrip(b"\n") == b"".join(
            part + b"\n" for part in (now[len(found) :].lstrip(b"\n").split(b"\n")[0], *lines, block.end(ADA))
        )
    assert block.uninstall(now, ADA) == found


@pytest.mark.parametrize("name", sorted(FOUND))
def test_the_commands_leave_the_rest_alone(name: str, gradent: Gradent, home: Path, tmp_path: Path):
    """The same through the front door: install-cron, config set, install-cron again, uninstall-cron."""
    crontab = Crontab(tmp_path / "spool", tmp_path / "programs" / "crontab")
    crontab.order(takes_unended=1)
    config = home / ".config" / "gradent" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('frequency = "1hour"\n')
    found = crontab.tab = FOUND[name]

    def line(expression: str) -> bytes:
        return block.job_line(expression, Path(sys.executable), config)

    assert gradent("install-cron").code == 0
    assert crontab.tab == block.install(found, config, (line("0 * * * *"),))
    assert gradent("config", "set", "--frequency", "6hours").code == 0
    assert crontab.tab == block.install(found, config, (line("0 0,6,12,18 * * *"),))
    assert gradent("install-cron").out.startswith("already installed; nothing changed")
    assert gradent("uninstall-cron").code == 0
    assert (crontab.tab or b"") == found
