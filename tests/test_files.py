import os
import stat
from pathlib import Path

import pytest

from gradent_cli import files
from gradent_cli.errors import StateError


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_private(tmp_path):
    """What gradent makes is readable by its owner alone, and so are the folders it needs for it."""
    path = tmp_path / "new" / "file"
    files.write_atomic(path, b"x")
    assert (path.read_bytes(), mode(path), mode(path.parent)) == (b"x", 0o600, 0o700)


def test_an_existing_mode_is_kept_unless_another_is_asked_for(tmp_path):
    """A person's chmod outlives our write; a secret's 0600 does not ask."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o640)
    files.write_atomic(path, b"new")
    assert mode(path) == 0o640
    files.write_atomic(path, b"new", mode=0o600)
    assert mode(path) == 0o600


def test_a_link_stays_a_link(tmp_path):
    """A config that is a link into a dotfiles folder is changed there."""
    target, link = tmp_path / "dotfiles.toml", tmp_path / "config.toml"
    target.write_bytes(b"old")
    link.symlink_to(target)
    files.write_atomic(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    """A folder where the file should be, or a parent that is a file: one sentence, nothing left behind."""
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "below", tmp_path / "folder"):
        with pytest.raises(StateError, match="cannot write"):
            files.write_atomic(path, b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "home", "programs"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_directory_that_cannot_be_made_is_told_with_a_remedy(tmp_path):
    """The hint names the key and the variable that move it elsewhere."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StateError) as caught:
        files.make_private_directory(tmp_path / "file" / "state")
    assert "GRADENT_STATE_DIR" in (caught.value.hint or "")


def test_what_is_no_file_is_not_replaced(tmp_path):
    """A device, a pipe or a folder stays what it is."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, Path("/dev/null")):
        with pytest.raises(StateError, match="it is not a regular file"):
            files.write_atomic(path, b"x")
    assert pipe.is_fifo()
    assert not Path("/dev/null").is_file()
