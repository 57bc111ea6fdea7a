"""Real damaged files: what is set aside, what is saved, and that it goes on."""

import random
import sqlite3
import stat
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from time import time

import pytest

from gradent_cli import damage, salvage
from gradent_cli.agents.study.progress import Progress
from gradent_cli.agents.study.records import Assignment, LogEntry
from gradent_cli.agents.study.store import Store
from gradent_cli.cli import render
from gradent_cli.database import open_database, reading, sound
from gradent_cli.errors import DamagedError, StateError
from gradent_cli.history import History
from gradent_cli.outbox import Outbox
from gradent_cli.records import Message, Run
from tests.street.clock import NOW
from tests.street.past import EVERY, fill

PAGE = 4096
RUN = Run(id="20261123-090000-aaaa", trigger="manual", status="running", agent="study", started_at=NOW)
WAITING = Message(
    id="w" * 16, event="failed", title="t", text="x", priority=5, tags=("x",), created_at=NOW, failure=True
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a database with 200 runs, a message that waits and a pause."""
    path = tmp_path_factory.mktemp("whole") / "gradent.db"
    connection = open_database(path)
    fill(connection, 200)
    history, outbox = History(connection), Outbox(connection, path, clock=lambda: NOW)
    history.remember("installed_at", NOW.isoformat())
    outbox.open({"ntfy": "i"})
    outbox.put(WAITING)
    connection.close()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path, whole):
    path = tmp_path / "gradent.db"
    path.write_bytes(whole)
    path.chmod(0o600)
    return path


def overwrite(path, number, content=b"\xa5" * PAGE):
    """Put this in the place of a page; the first is 1."""
    with path.open("r+b") as file:
        file.seek((number - 1) * PAGE)
        file.write(content)


def leaves(path, table):
    """The numbers of the pages that hold the rows of a table."""
    connection = open_database(path)
    root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    connection.close()
    content = path.read_bytes()
    page = content[(root - 1) * PAGE : root * PAGE]
    cells = int.from_bytes(page[3:5], "big")
    places = [int.from_bytes(page[12 + 2 * cell : 14 + 2 * cell], "big") for cell in range(cells)]
    return [int.from_bytes(page[place : place + 4], "big") for place in (*places, 8)]


def use(path, *, read_only):
    """Everything that the commands and a run read, and a little of what they write."""
    connection = open_database(path, read_only=read_only)
    try:
        history, outbox, store = History(connection), Outbox(connection, path, clock=lambda: NOW), Store(connection)
        for run in history.recent(1000):
            render.run_document(run)
            render.run_page(run, NOW.tzinfo)
        history.previous()
        history.fired_at()
        history.fact("path")
        outbox.backlogs()
        outbox.pending()
        store.known()
        store.plan(now=NOW)
        if not read_only:
            damage.check(connection, NOW + timedelta(days=2))
            history.add(RUN)
            outbox.open({"ntfy": "i"})
            outbox.put(replace(WAITING, id="again", run_id=RUN.id))
            outbox.waiting("ntfy")
            history.finish(replace(RUN, status="success", finished_at=NOW))
    finally:
        connection.close()


def works(path):
    """A database without a fault, in which everything can be done."""
    connection = open_database(path)
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    use(path, read_only=False)


# ── one kind of damage each ──


@pytest.mark.parametrize("kind", ["no database", "empty", "a folder"])
def test_what_nothing_is_left_of(path, kind):
    """It is kept, private, and there is a new one."""
    path.unlink()
    if kind == "a folder":
        path.mkdir()
        (path / "file").touch()
    else:
        path.write_bytes(b"" if kind == "empty" else b"not a database" * 1000)
        path.chmod(0o600)
    with pytest.raises(DamagedError):
        open_database(path)
    aside = salvage.set_aside(path, NOW)
    assert aside.path == path.with_name("gradent.db.damaged-20261123T090000Z")
    assert aside.in_words() == "nothing in it could be read"
    assert (aside.path / "file").exists() if kind == "a folder" else aside.path.is_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if kind != "a folder":
        assert stat.S_IMODE(aside.path.stat().st_mode) == 0o600
    works(path)


def test_a_file_that_was_cut_short(path):
    """Its second half is gone; what the first one holds is not."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // PAGE // 2 * PAGE])
    with pytest.raises(DamagedError):
        use(path, read_only=True)
    aside = salvage.set_aside(path, NOW)
    assert 0 < aside.saved["runs"] < 200
    assert History(open_database(path)).fact("path") == "/usr/bin:/bin"
    works(path)


def test_a_page_in_the_middle(path):
    """The rows before it and the rows after it are there, and all that is not in this table."""
    broken = leaves(path, "runs")
    overwrite(path, broken[len(broken) // 2])
    with pytest.raises(DamagedError):
        History(open_database(path, read_only=True)).recent(1000)
    content = path.read_bytes()
    aside = salvage.set_aside(path, NOW)
    assert aside.path.read_bytes() == content
    numbers = [row["number"] for row in reading(open_database(path), "SELECT number FROM runs ORDER BY number")]
    gaps = [after - before - 1 for before, after in pairwise(numbers) if after > before + 1]
    assert (numbers[0], numbers[-1], len(gaps)) == (1, 200, 1)
    assert len(numbers) + gaps[0] == 200
    assert gaps[0] < 40, "a page of runs"
    assert (aside.saved["facts"], aside.saved["messages"], aside.saved["deliveries"]) == (2, 201, 401)
    assert aside.in_words() == f"saved {len(numbers)} runs and 2 settings"
    works(path)


@pytest.mark.parametrize("table", ["tool_calls", "messages"])
def test_several_pages_of_a_table_without_numbers(path, table):
    """Between two damaged places the rows are found again by their keys, texts as well as numbers."""
    broken = leaves(path, table)
    assert len(broken) >= 5
    for number in (broken[1], broken[-2]):
        overwrite(path, number)
    aside = salvage.set_aside(path, NOW)
    assert 200 * (len(broken) - 3) / len(broken) * 0.7 < aside.saved[table] < 200
    assert aside.saved["runs"] == 200
    works(path)


@pytest.mark.parametrize("schema", ["its first page", "all of it"])
def test_the_schema(path, whole, schema):
    """With it the way to every table is gone; a new database of this gradent shows the same way."""
    pages = salvage._schema_pages(whole)
    assert len(pages) > 1
    for number in pages[:1] if schema == "its first page" else pages:
        overwrite(path, number)
    with pytest.raises(DamagedError):
        open_database(path)
    aside = salvage.set_aside(path, NOW)
    assert aside.saved["runs"] == 200
    assert History(open_database(path)).fact("installed_at") == NOW.isoformat()
    assert [entry.name for entry in path.parent.glob(".*")] == []
    works(path)


@pytest.mark.parametrize(
    "header", [b"\xa5" * 28, b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7\xff\xff\xff\xff" + b"\0\0\0\1" * 4]
)
def test_a_bad_journal(path, header):
    """Whether SQLite sees that it is none or plays it back: it does not get into the new database."""
    journal = path.with_name("gradent.db-journal")
    journal.write_bytes(header.ljust(512, b"\0") + b"\xa5" * 5000)
    try:
        use(path, read_only=True)
    except StateError:
        salvage.set_aside(path, NOW)
    assert not journal.exists() or not journal.read_bytes().startswith(header[:8]) or sound(open_database(path))
    works(path)


def test_a_hot_journal_goes_with_its_database(path):
    """Where the database is set aside, half a transaction is taken back there and not in the new one."""
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("PRAGMA cache_size = 5")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE runs SET summary = 'half' || hex(randomblob(200))")
        hot, half = path.with_name("gradent.db-journal").read_bytes(), path.read_bytes()
        connection.execute("ROLLBACK")
    path.write_bytes(half)
    path.with_name("gradent.db-journal").write_bytes(hot)
    aside = salvage.set_aside(path, NOW)
    assert aside.saved["runs"] == 200
    assert {run.summary for run in History(open_database(path)).recent(999)} == {"Assessed 2 assignments"}
    works(path)


# ── what is kept, and what not ──


def test_what_waits_goes_on_waiting(path):
    """A message that was not sent yet is sent by the next run, even if its run was lost."""
    overwrite(path, leaves(path, "runs")[-1])
    salvage.set_aside(path, NOW)
    connection = open_database(path)
    outbox = Outbox(connection, path, clock=lambda: NOW)
    outbox.open({"ntfy": "i"})
    assert [message.id for message in outbox.waiting("ntfy")] == [WAITING.id]
    assert reading(connection, "SELECT * FROM runs WHERE number = 200") == []
    (orphan,) = reading(connection, "SELECT run_number, run_id FROM messages WHERE id LIKE '%000000c8'")
    assert orphan["run_number"] is None


def test_a_delivery_without_its_message_does_not_wait(path):
    """There is nothing to send any more, and it says so."""
    connection = open_database(path)
    connection.execute("DELETE FROM messages WHERE id = ?", (WAITING.id,))
    connection.close()
    salvage.set_aside(path, NOW)
    connection = open_database(path)
    assert Outbox(connection, path).pending() == 0
    (lost,) = reading(connection, "SELECT error FROM deliveries WHERE message_id = ?", WAITING.id)
    assert "lost" in lost["error"]


def test_nonsense_is_not_taken_over(path):
    """Else the new database would be set aside, too, and the one after that."""
    connection = open_database(path)
    connection.execute("UPDATE runs SET started_at = 'yesterday' WHERE number = 7")
    connection.execute("UPDATE tool_calls SET details = '[' WHERE run_number = 8")
    connection.execute("INSERT OR REPLACE INTO facts VALUES ('pause', '{')")
    connection.close()
    aside = salvage.set_aside(path, NOW)
    assert (aside.saved["runs"], aside.saved["tool_calls"], aside.saved["facts"]) == (199, 198, 2)
    works(path)


def test_three_are_kept(path, whole):
    """The oldest go, with their journals; two of the same second have two names."""
    for number in range(5):
        path.write_bytes(whole)
        path.with_name("gradent.db-journal").write_bytes(b"journal")
        salvage.set_aside(path, NOW + timedelta(days=number // 2))
    names = sorted(entry.name for entry in path.parent.iterdir())
    stamps = ["20261124T090000Z", "20261124T090000Z-2", "20261125T090000Z"]
    kept = [name for name in names if ".damaged-" in name and not name.endswith("-journal")]
    assert kept == [f"gradent.db.damaged-{stamp}" for stamp in stamps]
    assert all(name.removesuffix("-journal") in kept for name in names if name.endswith("-journal"))
    assert "gradent.db" in names


def test_a_link_stays_a_link(path, tmp_path):
    """Who keeps the state elsewhere keeps it there, and the damaged one, too."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path.rename(elsewhere / "real.db")
    path.symlink_to(elsewhere / "real.db")
    aside = salvage.set_aside(path, NOW)
    assert path.is_symlink()
    assert aside.path.parent == elsewhere
    works(path)


def test_what_cannot_be_written_is_left_in_its_place(path, whole, monkeypatch):
    """A disk that is full: the damaged database stays where it is, and the next run tries again."""
    monkeypatch.setattr("os.replace", lambda *_: pytest.fail("nothing to put in its place"))
    new = path.with_name(".gradent.db.new")
    new.mkdir()
    (new / "file").touch()
    with pytest.raises(StateError, match="cannot set the damaged database aside"):
        salvage.set_aside(path, NOW)
    assert path.read_bytes() == whole


# ── whether there is any ──


def test_it_is_looked_for_after_a_run_that_was_cut_off_and_once_a_day(path):
    """A broken page that no run comes to is found all the same."""
    connection = open_database(path)
    damage.check(connection, NOW)
    connection.close()
    overwrite(path, leaves(path, "sqlite_autoindex_deliveries_1")[0])
    connection = open_database(path)
    damage.check(connection, NOW + timedelta(hours=23))
    for later in (timedelta(hours=25), -timedelta(hours=1)):  # the clock may have been put back
        with pytest.raises(DamagedError):
            damage.check(connection, NOW + later)
    History(connection).add(RUN)
    with pytest.raises(DamagedError):
        damage.check(connection, NOW + timedelta(hours=1))


# ── at the front door ──


@pytest.fixture
def broken(config, state):
    """A damaged database where the default config has its state, and an agent that does nothing."""
    config.write_text('[agent]\nkind = "command"\ncommand = ["true"]\n')
    state.mkdir(parents=True)
    path = state / "gradent.db"
    connection = open_database(path)
    fill(connection, 200, first=int(time()) - 201 * EVERY)  # lately, or a run would forget them for their age
    connection.close()
    overwrite(path, leaves(path, "runs")[-1])
    return path


@pytest.mark.parametrize("command", [("status",), ("history",), ("history", "last"), ("run", "--dry-run")])
def test_commands_that_show_say_so_and_change_nothing(gradent, crontab, broken, command):
    """One sentence, what mends it, and the code of a state that cannot be read."""
    before = {entry.name: entry.read_bytes() for entry in broken.parent.iterdir()}
    result = gradent(*command)
    assert result.code == 74
    assert "the database is damaged" in result.err
    assert "`gradent run` sets it aside" in result.err
    assert len(result.err.splitlines()) == 2
    assert {entry.name: entry.read_bytes() for entry in broken.parent.iterdir()} == before


def test_doctor_finds_it(gradent, crontab, broken):
    """As a check that fails, with the same remedy."""
    result = gradent("doctor")
    assert result.code == 1
    assert "the database is damaged" in result.out
    assert "`gradent run` sets it aside" in result.out


def test_a_run_sets_it_aside_and_goes_on(gradent, crontab, broken):
    """The agent runs once, the run succeeds, and what could be read is there."""
    assert gradent("run").code == 0
    assert len(list(broken.parent.glob("gradent.db.damaged-*"))) == 1
    assert gradent("status").code == 0
    connection = open_database(broken, read_only=True)
    history = History(connection)
    assert history.fact("path") == "/usr/bin:/bin"
    assert history.previous().status == "success"
    assert count_of(connection) > 150
    assert gradent("run").code == 0
    assert len(list(broken.parent.glob("gradent.db.damaged-*"))) == 1


def count_of(connection):
    return reading(connection, "SELECT count(*) FROM runs")[0][0]


# ── anything ──


@pytest.mark.parametrize(("seed", "places"), [(seed, places) for places in (1, 20, 200) for seed in range(4)])
def test_random_bytes_anywhere(path, whole, seed, places):
    """Never anything but our own errors; afterwards the new database works, and has what could be read."""
    dice = random.Random(f"{seed} {places}")
    content = bytearray(whole)
    for _ in range(places):
        content[dice.randrange(len(content))] = dice.randrange(256)
    path.write_bytes(content)
    readable = 0
    for read_only in (True, False):
        try:
            use(path, read_only=read_only)
            connection = open_database(path, read_only=True)
            readable = len(History(connection).recent(1000))
            connection.close()
        except StateError:
            pass
    aside = salvage.set_aside(path, NOW)
    assert aside.saved["runs"] >= readable - 1
    works_again = open_database(path)
    works_again.execute("DELETE FROM runs WHERE id = ?", (RUN.id,))
    works_again.close()
    works(path)


def test_what_the_student_said_outlives_the_assignment(path):
    """A row that is lost comes again from its source, under the same id; what was said of it is still there."""
    connection = open_database(path)
    store = Store(connection)
    essay = Assignment(source="canvas", key="1", title="Essay", due_at=NOW + timedelta(days=9))
    store.sync({"canvas": [essay]}, now=NOW)
    progress = Progress(connection)
    progress.log(LogEntry(assignment_id=essay.id, minutes=90, worked_at=NOW, logged_at=NOW))
    progress.edit(essay.id, {"title": "Mine"}, now=NOW)
    connection.execute("UPDATE assignments SET due_at = 'nonsense'")
    connection.close()
    aside = salvage.set_aside(path, NOW)
    assert "1 log entry" in aside.in_words()
    connection = open_database(path)
    store = Store(connection)
    assert store.known() == ()
    store.sync({"canvas": [essay]}, now=NOW)
    (known,) = store.known()
    assert (known.assignment.title, store.progress.logged()) == ("Mine", {essay.id: 90})
    connection.close()
