from pathlib import Path

import pytest

from gradent_cli import paths
from gradent_cli.errors import ConfigError

HOME = {"HOME": "/home/ada"}


@pytest.mark.parametrize(
    ("flag", "environ", "expected"),
    [
        (None, {}, "/home/ada/.config/gradent/config.toml"),
        (None, {"XDG_CONFIG_HOME": "/x"}, "/x/gradent/config.toml"),
        (None, {"XDG_CONFIG_HOME": "relative"}, "/home/ada/.config/gradent/config.toml"),
        (None, {"GRADENT_CONFIG": "~/g.toml"}, "/home/ada/g.toml"),
        (Path("/flag.toml"), {"GRADENT_CONFIG": "/env.toml"}, "/flag.toml"),
        (Path("/a/../b/c.toml"), {}, "/b/c.toml"),
    ],
)
def test_the_config_file_is_found_in_order(flag, environ, expected):
    """`--config`, then GRADENT_CONFIG, then XDG; a relative XDG value counts as not set."""
    assert paths.config_file(flag, HOME | environ) == Path(expected)


def test_a_relative_config_counts_from_the_working_directory(tmp_path, monkeypatch):
    """What is typed in a shell is meant where the shell stands."""
    monkeypatch.chdir(tmp_path)
    assert paths.config_file(Path("c.toml"), HOME) == tmp_path / "c.toml"


def test_a_place_that_is_nowhere_is_a_sentence(tmp_path, monkeypatch):
    """A working directory that is gone, a home that nobody knows: refused with what to do."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigError, match="working directory is gone"):
        paths.config_file(Path("c.toml"), HOME)


def test_each_config_has_a_state_of_its_own():
    """The default config has the plain folder; others are told apart by name and path."""
    default = paths.state_dir(paths.default_config(HOME), None, HOME)
    one = paths.state_dir(Path("/a/work.toml"), None, HOME)
    other = paths.state_dir(Path("/b/work.toml"), None, HOME)
    assert default == Path("/home/ada/.local/state/gradent")
    assert one.parent == default
    assert one.name.startswith("work-")
    assert one != other


def test_a_config_whose_path_is_not_text_has_a_state_too():
    """A file name is bytes, whatever they mean."""
    assert paths.state_dir(Path("/a/\udcff.toml"), None, HOME).name == "\udcff-ba86a01a"


@pytest.mark.parametrize(
    ("configured", "expected"), [("/s", "/s"), ("s", "/etc/g/s"), ("~/s", "/home/ada/s"), ("../s", "/etc/s")]
)
def test_a_configured_state_dir_counts_from_the_config(configured, expected):
    """cron's working directory is the home, so a relative path must not depend on it."""
    assert paths.state_dir(Path("/etc/g/c.toml"), Path(configured), HOME) == Path(expected)
