import sqlite3
import stat
import threading

import pytest

from gradent_cli.database import open_database, to_moment, to_text, transaction
from gradent_cli.errors import StateError
from tests.street.clock import NOW


def test_a_new_database_is_private_and_has_its_schema(tmp_path):
    """0600, and opening it a second time changes nothing."""
    path = tmp_path / "gradent.db"
    open_database(path).close()
    first = path.read_bytes()
    open_database(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == first


def test_reading_only_creates_nothing(tmp_path):
    """Without a database there is an empty one in memory; with one, writes stay in memory."""
    path = tmp_path / "gradent.db"
    open_database(path, read_only=True).execute("INSERT INTO facts VALUES ('a', 'b')")
    assert not path.exists()
    open_database(path).close()
    first = path.read_bytes()
    copy = open_database(path, read_only=True)
    copy.execute("INSERT INTO facts VALUES ('a', 'b')")
    assert path.read_bytes() == first


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_what_is_no_database_is_refused(tmp_path, content):
    """A damaged file is named, not overwritten."""
    path = tmp_path / "gradent.db"
    path.write_bytes(content)
    with pytest.raises(StateError, match=str(path)):
        open_database(path)
    assert path.read_bytes() == content


def test_a_newer_schema_is_refused(tmp_path):
    """An older gradent must not write into what it does not know."""
    path = tmp_path / "gradent.db"
    connection = open_database(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(StateError, match="newer gradent"):
        open_database(path)


def test_two_processes_may_create_it_at_once(tmp_path):
    """Both get the schema; neither fails."""
    failures = []

    def create():
        try:
            open_database(tmp_path / "gradent.db").close()
        except StateError as error:
            failures.append(error)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_transaction_is_all_or_nothing(tmp_path):
    """An exception inside takes back what was written; a defect of SQLite's becomes a StateError."""
    connection = open_database(tmp_path / "gradent.db")
    with pytest.raises(KeyError), transaction(connection):
        connection.execute("INSERT INTO facts VALUES ('a', 'b')")
        raise KeyError
    with pytest.raises(StateError), transaction(connection):
        connection.execute("INSERT INTO facts VALUES ('a', 'b')")
        connection.execute("INSERT INTO nowhere VALUES (1)")
    assert connection.execute("SELECT count(*) FROM facts").fetchone()[0] == 0
    assert not connection.in_transaction


def test_moments_sort_as_texts():
    """Fixed width and UTC, and back again without loss."""
    assert to_moment(to_text(NOW)) == NOW
    assert to_text(NOW) < to_text(NOW.replace(microsecond=1))
    assert (to_text(None), to_moment(None)) == (None, None)


def test_a_full_disk_is_a_sentence(tmp_path):
    """SQLITE_FULL (here through a page limit) rolls back and says so."""
    connection = open_database(tmp_path / "gradent.db")
    connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StateError, match="full"), transaction(connection):
        connection.execute("INSERT INTO facts VALUES ('a', ?)", ("x" * 100_000,))
    assert connection.execute("SELECT count(*) FROM facts").fetchone()[0] == 0
    assert isinstance(connection, sqlite3.Connection)
