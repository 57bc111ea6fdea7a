"""How much of the past is kept, that it costs no time however much it is, and that the space comes back."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gradent_cli import damage
from gradent_cli.database import open_database, reading, to_text
from gradent_cli.failures import Failures
from gradent_cli.history import History
from gradent_cli.outbox import Outbox
from gradent_cli.records import Delivery, Message, Run, ToolCall
from gradent_cli.retention import BATCH, MUCH_FREE, prune
from tests.street.clock import NOW
from tests.street.past import FIRST, fill

YEAR = timedelta(days=365)
LONG = timedelta(days=36_500)
RUN = Run(id="20261123-090000-aaaa", trigger="manual", status="running", agent="study", started_at=NOW)
MESSAGE = Message(
    id="m1", event="completed", title="t", text="x", priority=3, tags=(), created_at=NOW, run_id="run-0"
)  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gradent.db"


@pytest.fixture
def connection(path):
    connection = open_database(path)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def add(connection, number, *, status="success", age=timedelta(0), **changes):
    """A run of this number that began so long before NOW."""
    run = replace(RUN, id=f"run-{number}", started_at=NOW - age, finished_at=NOW - age, status=status, **changes)
    History(connection).add(run)
    return run


def ids(connection):
    return [run.id for run in reversed(History(connection).recent(10_000))]


def outbox_of(connection, path, *channels):
    outbox = Outbox(connection, path, clock=lambda: NOW)
    outbox.open(dict.fromkeys(channels, "i"))
    return outbox


def count(connection, table):
    return reading(connection, f"SELECT count(*) FROM {table}")[0][0]


# ── what goes ──


def test_the_newest_are_kept_and_what_belongs_to_the_others_goes_with_them(connection):
    """Runs beyond the number go with their tools, messages and deliveries."""
    fill(connection, 100)
    assert prune(connection, NOW, max_runs=30, max_age=LONG) == 70
    assert [count(connection, table) for table in ("runs", "tool_calls", "messages", "deliveries")] == [30, 30, 30, 60]
    assert [row["number"] for row in reading(connection, "SELECT number FROM runs ORDER BY number")] == [
        *range(71, 101)
    ]
    assert prune(connection, NOW, max_runs=30, max_age=LONG) == 0


def test_what_is_too_old_goes_however_few_there_are(connection):
    """Oldest first: one that began under a clock set back waits for its elders, and does not take them with it."""
    for number, days in enumerate([500, 400, 366, 10, 370, 364, 0]):
        add(connection, number, age=timedelta(days=days))
    assert prune(connection, NOW, max_runs=1000, max_age=YEAR) == 3
    assert ids(connection) == ["run-3", "run-4", "run-5", "run-6"]
    assert prune(connection, NOW + timedelta(days=2), max_runs=1000, max_age=YEAR) == 2
    assert ids(connection) == ["run-3", "run-6"]


@pytest.mark.parametrize("max_age", [timedelta(0), timedelta.max])
def test_no_age_is_too_long_or_too_short(connection, max_age):
    """Longer than the calendar keeps everything; nothing at all keeps what came last."""
    add(connection, 0, age=timedelta(days=3))
    add(connection, 1, age=timedelta(days=2))
    prune(connection, NOW, max_runs=1000, max_age=max_age)
    assert ids(connection) == (["run-1"] if max_age == timedelta(0) else ["run-0", "run-1"])


def test_an_empty_past(connection):
    """There is nothing to forget."""
    assert prune(connection, NOW, max_runs=1, max_age=YEAR) == 0


# ── what stays ──


def test_a_run_that_goes_on_stays(connection):
    """However far back its clock was."""
    add(connection, 0, status="running", age=2 * YEAR)
    for number in range(1, 4):
        add(connection, number)
    prune(connection, NOW, max_runs=1, max_age=YEAR)
    assert ids(connection) == ["run-0", "run-3"]


def test_the_newest_of_each_outcome_stays(connection):
    """What ran last, whether it worked, and when cron last fired is told for ever."""
    for number, status in enumerate(["failure", "timeout", "success", "interrupted"]):
        add(connection, number, status=status, age=3 * YEAR)
    add(connection, 4, status="success", age=2 * YEAR)
    add(connection, 5, status="skipped", age=2 * YEAR, trigger="cron")
    for number in range(6, 10):
        add(connection, number, status="skipped")
    history = History(connection)
    before = history.previous(), history.fired_at()
    prune(connection, NOW, max_runs=2, max_age=YEAR)
    assert ids(connection) == ["run-0", "run-1", "run-3", "run-4", "run-5", "run-8", "run-9"]
    assert (history.previous(), history.fired_at()) == before


@pytest.mark.parametrize(
    ("state", "age", "stays"),
    [
        ("pending", timedelta(days=30), True),
        ("pending", timedelta(days=366), False),
        ("shut out", timedelta(days=5), True),
        ("shut out", timedelta(days=15), False),
        ("sent", timedelta(days=5), False),
        ("failed", timedelta(days=5), False),
    ],
)
def test_what_somebody_has_yet_to_get_stays(connection, path, state, age, stays):
    """A message that waits keeps its run, up to a year; one whose channel is shut out, as long as runs are kept."""
    add(connection, 0, age=age)
    outbox = outbox_of(connection, path, "ntfy", "discord")
    outbox.put(replace(MESSAGE, created_at=NOW - age))
    for channel in ("discord", "ntfy"):
        if state != "pending" or channel == "discord":
            permanent = {"shut out": "channel", "failed": "message"}.get(state) if channel == "ntfy" else None
            status = "failed" if permanent else "sent"
            delivery = Delivery(message_id="m1", channel=channel, event="completed", status=status, attempts=1)
            outbox.settle(delivery, permanent=permanent, retry_after=None)
    for number in range(1, 4):
        add(connection, number)
    prune(connection, NOW, max_runs=2, max_age=timedelta(days=10))
    assert ids(connection) == (["run-0"] if stays else []) + ["run-2", "run-3"]
    assert count(connection, "messages") == stays


def test_old_runs_that_stay_do_not_keep_others(connection, path):
    """Behind more of them than are looked at in one go, the rest is found a piece at a time."""
    outbox = outbox_of(connection, path, "ntfy")
    with History(connection).together():
        for number in range(BATCH + 20):
            add(connection, number, age=timedelta(days=20))
            outbox.put(replace(MESSAGE, id=str(number), run_id=f"run-{number}"))
        for number in range(BATCH + 20, 3 * BATCH):
            add(connection, number, age=timedelta(days=20))
        for number in range(3 * BATCH, 3 * BATCH + 5):
            add(connection, number)
    for call in range(40):
        prune(connection, NOW + timedelta(milliseconds=97 * call), max_runs=5, max_age=timedelta(days=10))
    assert count(connection, "runs") == BATCH + 20 + 5


def test_messages_of_no_run(connection, path):
    """Those that stand for others go when they are old or too many, but not before somebody got them."""
    outbox = outbox_of(connection, path, "ntfy")
    for number, days in enumerate([400, 30, 20, 10, 0]):
        outbox.put(replace(MESSAGE, id=f"m{number}", run_id=None, created_at=NOW - timedelta(days=days)))
    outbox.put(replace(MESSAGE, id="waits", run_id=None, created_at=NOW - timedelta(days=300)))
    for number in range(5):
        sent = Delivery(message_id=f"m{number}", channel="ntfy", event="completed", status="sent", attempts=1)
        outbox.settle(sent, permanent=None, retry_after=None)
    prune(connection, NOW, max_runs=10, max_age=timedelta(days=25))
    assert {row["id"] for row in reading(connection, "SELECT id FROM messages")} == {"m2", "m3", "m4", "waits"}
    prune(connection, NOW, max_runs=3, max_age=timedelta(days=25))
    assert {row["id"] for row in reading(connection, "SELECT id FROM messages")} == {"m3", "m4", "waits"}
    prune(connection, NOW, max_runs=3, max_age=timedelta(days=25))
    assert count(connection, "deliveries") == 3


# ── time and space ──


def test_it_keeps_to_its_time(connection):
    """Many at once are left to the runs to come, oldest first."""
    fill(connection, 4 * BATCH, with_messages=0)
    assert prune(connection, NOW, max_runs=10, max_age=LONG, seconds=0) == BATCH
    assert reading(connection, "SELECT min(number) AS least FROM runs")[0]["least"] == BATCH + 1


def test_the_space_comes_back(connection, path):
    """A few pages at a time, without a moment in which nobody can write; a little is left for what comes next."""
    fill(connection, 4000)
    before = path.stat().st_size
    prune(connection, NOW, max_runs=100, max_age=LONG, seconds=20)
    assert count(connection, "runs") == 100
    assert path.stat().st_size < before / 4
    assert connection.execute("PRAGMA freelist_count").fetchone()[0] <= MUCH_FREE
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


@pytest.mark.parametrize("large", [False, True])
def test_a_database_of_an_older_gradent(path, monkeypatch, large):
    """A small one is written anew once and can shrink from then on; a large one uses its free pages again."""
    path.touch()
    monkeypatch.setattr("gradent_cli.retention.SMALL", 1000 if large else 32_000_000)
    old = open_old(path)
    fill(old, 4000)
    before = path.stat().st_size
    prune(old, NOW, max_runs=100, max_age=LONG, seconds=20)
    assert old.execute("PRAGMA auto_vacuum").fetchone()[0] == (0 if large else 2)
    assert (path.stat().st_size < before / 4) is not large
    assert count(old, "runs") == 100


def open_old(path):
    """As gradent made them before: nothing was said of free pages."""
    path.unlink()
    fresh = open_database(path.with_name("fresh.db"))
    fresh.execute("PRAGMA auto_vacuum = NONE")
    fresh.execute("VACUUM")
    fresh.close()
    path.with_name("fresh.db").rename(path)
    return open_database(path)


def test_others_write_meanwhile(connection, path):
    """A batch is one short transaction: another process gets its turn between two."""
    fill(connection, 3 * BATCH, with_messages=0)
    other = open_database(path)
    other.execute("PRAGMA busy_timeout = 0")
    written = []

    def write(statement):
        if statement == "BEGIN IMMEDIATE":
            written.append(1)
            History(other).remember("n", str(len(written)))

    connection.set_trace_callback(write)
    prune(connection, NOW, max_runs=10, max_age=LONG, seconds=20)
    assert len(written) >= 3
    assert History(connection).fact("n") == str(len(written))


# ── a million runs ──

PAST = {"runs", "tool_calls", "messages", "deliveries"}
NEWEST_FIRST = re.compile(r"SELECT \* FROM runs ORDER BY number DESC LIMIT \d+")
ONLY_WHAT_IS_OPEN = ("deliveries_pending", "deliveries_shut_out", "deliveries_folded")


def test_no_question_walks_through_the_past(connection, path):
    """Every statement that history, outbox, failures, damage and retention make finds what it needs by an index."""
    fill(connection, 50)
    statements = []
    connection.set_trace_callback(statements.append)
    drive(connection, path)
    connection.set_trace_callback(None)
    assert len({statement.split(" ")[0] for statement in statements} & {"SELECT", "INSERT", "UPDATE", "DELETE"}) == 4
    judged = 0
    for statement in statements:
        if not statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")) or NEWEST_FIRST.fullmatch(statement):
            continue
        plan = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
        judged += 1
        for step in plan:
            found = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", step)
            if found is None or found[2] in ONLY_WHAT_IS_OPEN:
                continue
            name = re.search(rf"(?:FROM|JOIN) (\w+) (?:AS )?{found[1]}\b", statement)
            assert (name[1] if name else found[1]) not in PAST, (statement, plan)
    assert judged > 40


def drive(connection, path):
    """Whatever a run and the commands ask and write."""
    history, failures = History(connection), Failures(connection)
    outbox = Outbox(connection, path, clock=lambda: NOW)
    outbox._second = connection  # what the channels' threads would ask on a connection of their own
    damage.check(connection, NOW)
    outbox.open({"ntfy": "i", "discord": "j"})
    history.close_vanished(NOW)
    for status in ("success", "failure"):
        run = replace(RUN, id=f"{RUN.id}{status}", status="running")
        history.add(run)
        call = ToolCall(id="1", tool="check", title="Check", status="started", started_at=NOW)
        history.tool(run.id, call)
        history.tool(run.id, replace(call, status="completed", finished_at=NOW))
        history.finish(replace(run, status=status, finished_at=NOW, error="no answer"))
        for number in range(3):
            outbox.put(replace(MESSAGE, id=f"{run.id}{number}", run_id=run.id))
        failures.add(replace(run, error="no answer"), YEAR)
        failures.told(replace(run, error="no answer"))
    failures.now()
    failures.over()
    waiting = outbox.waiting("ntfy")
    outbox.may_go(waiting[0].id)
    outbox.ready()
    outbox.hold("ntfy", [(waiting[0].id, NOW, "quiet hours")])
    outbox.fold("ntfy", replace(MESSAGE, id="fold", run_id=None), [message.id for message in waiting[:2]])
    outbox.stood_for("ntfy")
    outbox.sent_between(NOW - YEAR, NOW)
    outbox.all_waiting()
    outbox.still_waiting(waiting[2].id, "ntfy")
    for permanent, retry_after, status in ((None, None, "sent"), (None, 5.0, "pending"), ("channel", None, "failed")):
        tried = Delivery(message_id=waiting[3].id, channel="ntfy", event="completed", status=status, attempts=1)
        outbox.settle(tried, permanent=permanent, retry_after=retry_after)
    outbox.pending()
    outbox.backlogs()
    outbox.reopen("ntfy")
    for id in ("last", "2026", "2020091", RUN.id):
        history.get(id)
    history.recent(20)
    history.recent(20, status="failure")
    history.previous()
    history.fired_at()
    history.fact("path")
    prune(connection, datetime.fromtimestamp(FIRST, NOW.tzinfo) + YEAR, max_runs=20, max_age=timedelta(days=364))
    outbox.open({})


def test_ids_are_found_by_their_beginning_alone(connection):
    """Whatever a person types: a joker is a letter, and half a character is nobody's id."""
    for id in ("20261123-090000-aaaa", "20261123-090000-ab%_", "20261123-100000-cccc"):
        History(connection).add(replace(RUN, id=id))
    history = History(connection)
    assert history.get("20261123-1").id == "20261123-100000-cccc"
    assert history.get("20261123-090000-ab%").id == "20261123-090000-ab%_"
    for unclear in ("20261123", "2%", "_", "é", "\udcff", "\x7f", "20261123-1\x00"):
        assert history.get(unclear) is None


def test_moments_are_compared_as_texts(connection):
    """The border itself is not older than the border."""
    add(connection, 0, age=YEAR)
    add(connection, 1)
    assert reading(connection, "SELECT 1 FROM runs WHERE started_at < ?", to_text(NOW - YEAR)) == []
    prune(connection, NOW, max_runs=10, max_age=YEAR)
    assert ids(connection) == ["run-0", "run-1"]
