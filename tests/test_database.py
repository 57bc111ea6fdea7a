import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gradent_cli.database import copy_database, open_database, reading, sound, to_moment, to_text, transaction
from gradent_cli.errors import DamagedError, StateError
from gradent_cli.history import History
from gradent_cli.tables import _types
from tests.street.clock import NOW
from tests.street.past import fill

KILLED = """
import os, signal, sys
from pathlib import Path
from gradent_cli.database import open_database
connection = open_database(Path(sys.argv[1]))
connection.execute("PRAGMA cache_size = 5")  # so that changed pages reach the file before the end
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE runs SET summary = summary || hex(randomblob(100))")
connection.execute("DELETE FROM facts")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(tmp_path):
    """A database whose writer was killed in the middle: half of it is new, and the journal with the old half is hot."""
    path = tmp_path / "gradent.db"
    connection = open_database(path)
    fill(connection, 300)
    connection.close()
    ended = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert path.with_name("gradent.db-journal").stat().st_size > 512
    return path


def test_a_new_database_is_private_and_has_its_schema(tmp_path):
    """0600, and opening it a second time changes nothing."""
    path = tmp_path / "gradent.db"
    open_database(path).close()
    first = path.read_bytes()
    open_database(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == first


def test_reading_only_creates_nothing(tmp_path):
    """Without a database there is an empty one in memory; with one, what would be written is refused."""
    path = tmp_path / "gradent.db"
    assert reading(open_database(path, read_only=True), "SELECT * FROM facts") == []
    assert list(tmp_path.glob("*.db*")) == []
    open_database(path).close()
    first = path.read_bytes()
    connection = open_database(path, read_only=True)
    with pytest.raises(StateError, match="readonly"), transaction(connection):
        connection.execute("INSERT INTO facts VALUES ('a', 'b')")
    assert path.read_bytes() == first


def test_a_scratch_copy_takes_everything_and_keeps_nothing(tmp_path):
    """What a dry run writes is there for it, and gone with it."""
    path = tmp_path / "gradent.db"
    open_database(path, scratch=True).execute("INSERT INTO facts VALUES ('a', 'b')")
    assert not path.exists()
    History(open_database(path)).remember("a", "b")
    first = path.read_bytes()
    scratch = History(open_database(path, scratch=True))
    scratch.remember("c", "d")
    assert (scratch.fact("a"), scratch.fact("c")) == ("b", "d")
    assert path.read_bytes() == first


def test_an_older_one_is_read_through_a_copy(tmp_path):
    """The schema is brought up to date in memory, and the file stays as it is."""
    path = tmp_path / "gradent.db"
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA user_version = 0; CREATE TABLE other (a)")
    connection.close()
    first = path.read_bytes()
    assert reading(open_database(path, read_only=True), "SELECT * FROM runs") == []
    assert path.read_bytes() == first


def test_reading_does_not_copy(tmp_path):
    """However much of the past there is, a command that shows the newest reads a few pages of it."""
    path = tmp_path / "gradent.db"
    connection = open_database(path)
    fill(connection, 5000, with_messages=20)
    read = []
    connection = open_database(path, read_only=True)
    connection.set_progress_handler(lambda: read.append(1), 1)
    assert History(connection).previous() is not None
    assert len(History(connection).recent(3)) == 3
    assert len(read) < 5000, "steps of SQLite's machine"


@pytest.mark.parametrize("how", [{}, {"read_only": True}, {"scratch": True}])
def test_what_cannot_be_looked_at_is_not_taken_for_nothing(tmp_path, how):
    """Else `status` would say that nothing ever ran."""
    with pytest.raises(StateError, match=r"cannot use the database .*: File name too long$"):
        open_database(tmp_path / ("x" * 300) / "gradent.db", **how)


def test_what_cannot_be_looked_at_is_not_copied(tmp_path):
    """Nor is a copy made in silence that has nothing."""
    with pytest.raises(StateError, match=r"cannot copy the database .*too long"):
        copy_database(tmp_path / ("x" * 300) / "gradent.db", tmp_path / "copy.db")


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("content", [b"", b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_what_is_no_database_is_damaged(tmp_path, content, read_only):
    """It is named and not overwritten; an empty file, too, for a new database appears whole."""
    path = tmp_path / "gradent.db"
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=str(path)) as caught:
        open_database(path, read_only=read_only)
    assert "gradent run" in caught.value.hint
    assert path.read_bytes() == content


def test_a_folder_in_its_place_is_damaged(tmp_path):
    """As is anything else that is no file."""
    path = tmp_path / "gradent.db"
    path.mkdir()
    with pytest.raises(DamagedError, match="not a file"):
        open_database(path)


def test_a_schema_that_is_not_what_it_says_is_damaged(tmp_path):
    """A version number that is too low, and a table that is gone; a mistake of ours in a query is not."""
    path = tmp_path / "gradent.db"
    connection = open_database(path)
    with pytest.raises(StateError) as caught:
        reading(connection, "SELECT * FROM nowhere")
    assert not isinstance(caught.value, DamagedError)
    connection.execute("PRAGMA user_version = 1")
    with pytest.raises(DamagedError, match="not of schema 1"):
        open_database(path)
    connection.execute("PRAGMA user_version = 5")
    connection.execute("DROP TABLE runs")
    with pytest.raises(DamagedError, match="no such table"):
        reading(connection, "SELECT * FROM runs")


@pytest.mark.parametrize(
    ("column", "nonsense"),
    [
        ("started_at", "2026-13-45T00:00:00.000000+00:00"),
        ("started_at", "2026-11-23T09:00:00.000000"),
        ("summary", b"\xff\xfe"),
        ("missed_runs", "several"),
        ("status", "succesx"),
    ],
)
def test_nonsense_in_a_row_is_damage(tmp_path, column, nonsense):
    """SQLite has no checksums; what a run reads is looked at, and what is only shown is left out."""
    connection = open_database(tmp_path / "gradent.db")
    fill(connection, 3)
    connection.execute(f"UPDATE runs SET {column} = ? WHERE number = 2", (nonsense,))
    with pytest.raises(DamagedError, match="nonsense"):
        reading(connection, "SELECT * FROM runs", table="runs")
    assert len(History(connection).recent(9)) == 2
    connection.execute("DELETE FROM runs WHERE number = 3")
    if column != "status":
        with pytest.raises(DamagedError, match="nonsense"):
            reading(connection, "SELECT * FROM runs WHERE status = 'success'")


@pytest.mark.parametrize("key", ["pause", "installed_at"])
def test_nonsense_in_a_fact_is_damage(tmp_path, key):
    """A pause that cannot be understood would stop every command with a bug."""
    history = History(open_database(tmp_path / "gradent.db"))
    history.remember(key, '{"since": "2026-11-2')
    with pytest.raises(DamagedError, match=key):
        history.fact(key)


def test_letters_that_are_none_stop_nobody(tmp_path):
    """One bad byte inside a text is one strange letter."""
    connection = open_database(tmp_path / "gradent.db")
    connection.execute("INSERT INTO facts VALUES ('path', CAST(x'2f62ff696e' AS TEXT))")
    assert History(connection).fact("path") == "/b\ufffdin"


def test_every_column_is_known_by_its_type(tmp_path):
    """What the schema says in words is what SQLite makes of it."""
    connection = open_database(tmp_path / "gradent.db")
    tables = [row["name"] for row in reading(connection, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert len(tables) == 18
    for table in tables:
        columns = reading(connection, f"PRAGMA table_info({table})")
        assert {row["name"] for row in columns} == set(_types(table)), table


# ── a writer that was killed ──


@pytest.mark.parametrize("read_only", [True, False])
def test_half_a_transaction_is_taken_back_by_whoever_reads_next(killed, read_only):
    """Also by a command that only shows: it may not write, and the database is whole all the same."""
    connection = open_database(killed, read_only=read_only)
    history = History(connection)
    assert history.fact("path") == "/usr/bin:/bin"
    assert {run.summary for run in history.recent(300)} == {"Assessed 2 assignments"}
    assert sound(connection)
    assert not killed.with_name("gradent.db-journal").exists()
    if read_only:
        with pytest.raises(StateError):
            history.remember("a", "b")


def test_half_a_transaction_that_cannot_be_taken_back_is_a_sentence(killed):
    """In a folder that may not be written to: what is wrong and what to do, and not that the database is damaged."""
    with TemporaryDirectory() as folder:
        for name in (killed.name, f"{killed.name}-journal"):
            shutil.copy(killed.with_name(name), folder)
            Path(folder, name).chmod(0o444)
        Path(folder).chmod(0o555)
        said = as_nobody(lambda: open_database(Path(folder, killed.name), read_only=True))
        Path(folder).chmod(0o755)
    assert said.startswith("StateError: ")
    assert "killed while it wrote" in said
    assert "make the state folder" in said


def as_nobody(call):
    """What it raises for an account that may not write; root may write everywhere, and is another one then."""
    reading_end, writing_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setuid(65534)
            call()
        except BaseException as error:  # noqa: BLE001  whatever it is, it is the answer
            os.write(writing_end, f"{type(error).__name__}: {error} {getattr(error, 'hint', '')}".encode())
        os._exit(0)
    os.close(writing_end)
    with open(reading_end) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


def test_a_reader_does_not_hold_up_a_run(tmp_path):
    """Between two questions nothing is locked: a run can commit while a command is still showing what it found."""
    path = tmp_path / "gradent.db"
    connection = open_database(path)
    fill(connection, 50)
    connection.execute("PRAGMA busy_timeout = 0")
    reader = open_database(path, read_only=True)
    History(reader).recent(50)
    reading(reader, "SELECT * FROM runs")
    History(connection).remember("a", "b")
    assert History(reader).fact("a") == "b"


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
