"""Clocks that jump, back an hour or forward a day: nothing is lost, nothing waits for a time that was wrong."""

import json

import pytest

from tests.faults.clock import shifted
from tests.faults.conftest import SideBySide
from tests.faults.place import Account, Place, place
from tests.street.server import Answer

pytestmark = pytest.mark.e2e

JUMPS: tuple[dict[str, float], ...] = ({}, {"hours": -1}, {"days": 1}, {}, {"hours": -1}, {"days": 1, "hours": 1})
"""One run each; by how much its clock is wrong."""
WRONG: tuple[dict[str, float], ...] = ({"hours": -1}, {"days": 1}, {"days": -1})


def test_the_clock_is_shifted(here: Place):
    """What these tests rest on: a run's own record has the other time."""
    here.run(environ=shifted(days=400))
    (run,) = here.rows("SELECT julianday(started_at) - julianday('now') AS days FROM runs")
    assert 399 < run["days"] <= 400


def test_all_comes_whatever_the_clock_says(here: Place, account: Account):
    """Runs with clocks that jump between them: each is told, in order, at once."""
    for number, by in enumerate(JUMPS):
        here.run(environ=shifted(**by))
        assert len(here.ntfy.messages) == 5 * (number + 1)
    account.add(here.account())
    assert account.lost == []


def test_what_waited_comes_whatever_the_clock_says(side_by_side: SideBySide):
    """Kept while the services were down, sent by the next run, which believes that it is another day."""

    def work(here: Place, by: dict[str, float]) -> Account:
        here.run()
        here.down()
        here.run()
        here.well()
        here.run(environ=shifted(**by))
        assert here.rows("SELECT count(*) FROM deliveries WHERE status = 'pending'")[0][0] == 0
        return here.account()

    side_by_side(work, WRONG)


def test_a_run_that_vanished_at_another_time(side_by_side: SideBySide):
    """It is found, on record as ended, and told, whichever way the clock went since."""

    def work(here: Place, by: dict[str, float]) -> Account:
        here.run()
        here.kill_at_work()
        here.run(environ=shifted(**by))
        account = here.account(kills=1)
        assert (account.vanished, account.told) == (1, 1)
        assert here.rows("SELECT 1 FROM runs WHERE finished_at IS NULL") == []
        return account

    side_by_side(work, WRONG)


def test_a_pause_that_was_set_by_a_wrong_clock_is_not_kept(side_by_side: SideBySide):
    """A service asked for a pause while the clock was a year ahead: with the right time, nothing waits for a year."""

    def work(here: Place, answer: Answer) -> Account:
        here.discord.server.answer = answer
        here.run(environ=shifted(days=365))
        here.well()
        here.run(environ=shifted(days=1, hours=1))
        return here.account()

    said = {429: b'{"retry_after": 3600.0, "global": false}', 404: b'{"message": "Unknown Webhook", "code": 10015}'}
    side_by_side(work, [Answer(code, body, {"Content-Type": "application/json"}) for code, body in said.items()])


def test_a_failure_is_told_whatever_the_clock_said_last(tmp_path):
    """Told first by a clock that was a year ahead; `remind_every` does not keep it silent for that year."""
    with place(tmp_path / "here", command=["false"]) as here:
        here.config.write_text(here.config.read_text().replace('remind_every = "1s"', 'remind_every = "24h"'))
        here.run(environ=shifted(days=365), expect=1)
        here.run(expect=1)
        here.run(expect=1)
        titles = [message["title"] for message in here.ntfy.messages]
        assert titles.count("❌ Agent Failed") == 2


def test_each_slot_is_served_once_whatever_the_clock_says(here: Place):
    """`run --if-due`: the hour's slot is served once, an hour earlier again nothing is due, a day later it is, once."""
    here.run()
    for by, runs in (({}, 1), ({"hours": 2}, 2), ({"hours": 2}, 2), ({"hours": 1}, None), ({"days": 1}, None)):
        before = len(here.journal_lines("run"))
        here.run("run", "--if-due", "--quiet", environ=shifted(**by))
        after = len(here.journal_lines("run"))
        assert after - before <= 1
        assert runs is None or after == runs
    here.run("run", "--if-due", "--quiet", environ=shifted(days=1))
    assert len(here.journal_lines("run")) == after
    assert json.loads(here.run("status", "--json").out)["last_status"] == "success"
