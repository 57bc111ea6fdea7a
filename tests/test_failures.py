"""What makes two failures the same, and what is remembered of them."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import thread_time
from typing import Any

import pytest

from gradent_cli.database import open_database, transaction
from gradent_cli.failures import Failures, signature
from gradent_cli.records import Failing, Run
from tests.street.clock import NOW

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def failed(error: str | None, *, after: timedelta = timedelta(0), status: Any = "failure", **changes: Any) -> Run:
    """A run that began so long after NOW and failed a minute later."""
    at = NOW + after
    run = Run(
        id=f"run-{after}", trigger="cron", status=status, agent="study", started_at=at,
        finished_at=at + timedelta(minutes=1), error=error,
    )  # fmt: skip
    return replace(run, **changes)


@pytest.fixture
def failures(tmp_path: Path) -> Failures:
    return Failures(open_database(tmp_path / "gradent.db"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timeout after 31 s (request 8f3a91c2)", "Timeout after 4 s  (request 0badcafe12)"),
        ("2026-11-24T10:00:00Z: no route", "2026-11-25T11:02:03.123+01:00: no route"),
        ("cannot read /home/jo/a.ics: gone", "cannot read /tmp/x/b.ics: gone"),
        ("https://one.example/feed?x=1 did not answer", "https://two.example/ did not answer"),
        (
            "session 1b4e28ba-2fa1-11d2-883f-0016d3cca427 expired",
            "session deadbeef-dead-beef-dead-beefdeadbeef expired",
        ),
        ("at 0x7f3a2c: line 12, 1:02:03", "at 0x55e0ff: line 9, 0:00:01"),
        ("no\n  network", "no network"),
        ("took 404 ms", "took 503 ms"),
        ("limit 4045", "limit 503.5"),
    ],
)
def test_what_differs_each_time_makes_no_other_failure(one: str, other: str) -> None:
    """Numbers, times, addresses, paths, ids, white space and capitals."""
    assert signature(failed(one)) == signature(failed(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no network", "no key"),
        ("HTTP 404 from the feed", "HTTP 403 from the feed"),
        ("the feed answered 503.", "the feed answered 500."),
        ("error 429", "error 42"),
        (None, "x"),
    ],
)
def test_what_says_which_failure_it_is_stays(one: str | None, other: str) -> None:
    """Words, and numbers that look like an HTTP error."""
    assert signature(failed(one)) != signature(failed(other))


def test_how_it_ended_is_part_of_it() -> None:
    """Status and the program's exit code."""
    runs = [failed("x"), failed("x", status="timeout"), failed("x", exit_code=3), failed("x", exit_code=4)]
    assert len({signature(run) for run in runs}) == 4


@pytest.mark.parametrize("piece", ["a", "1", "/", "a1", "1,", "deadbeef-", "4 4 ", "0x", "https://", "\U0001f4a5"])
def test_an_error_of_any_length_is_looked_at_quickly(piece: str) -> None:
    """A program may print a megabyte of nonsense; the record stays small."""
    began = thread_time()
    assert len(signature(failed(piece * (1_000_000 // len(piece))))) < 600
    assert thread_time() - began < 1


def test_news_is_the_first_a_reminder_or_another_one(failures: Failures) -> None:
    """Only what was told counts as told."""
    a, b = failed("a"), failed("b")
    assert failures.add(a, DAY)
    assert failures.add(a, DAY)
    failures.told(a)
    assert not failures.add(failed("a", after=23 * HOUR), DAY)
    assert failures.add(b, DAY)
    failures.told(b)
    assert not failures.add(failed("a", after=23 * HOUR), DAY)
    assert failures.add(failed("a", after=24 * HOUR), DAY)


def test_a_reminder_in_the_future_is_none(failures: Failures) -> None:
    """The clock was ahead when it was told."""
    ahead = failed("a", after=30 * DAY)
    failures.add(ahead, DAY)
    failures.told(ahead)
    assert failures.add(failed("a"), DAY)


def test_how_long_and_how_often(failures: Failures) -> None:
    """From the first of all to now, every failure counted; a success forgets all of it."""
    assert failures.now() is None
    for run in (failed("a"), failed("b", after=HOUR), failed("a", after=2 * HOUR)):
        failures.add(run, DAY)
    assert failures.now() == Failing(since=NOW, count=3, told=False)
    failures.told(failed("b"))
    assert failures.over() == Failing(since=NOW, count=3, told=True)
    assert failures.over() is None


def test_failures_that_are_all_different_stay_few(failures: Failures) -> None:
    """The oldest are remembered as a sum: since when, how many, and that somebody was told."""
    words = [f"{first}{second}x" for first in "ghijklmnopqrstuv" for second in "ghijklmnopqrstuv"]
    with transaction(failures._connection):
        for number, word in enumerate(words):
            run = failed(word, after=number * HOUR)
            assert failures.add(run, DAY)
            if number == 0:
                failures.told(run)
    assert failures.now() == Failing(since=NOW, count=256, told=True)
    assert failures._connection.execute("SELECT count(*) FROM failures").fetchone()[0] == 201
    assert failures.add(failed(words[-1], after=300 * HOUR), DAY)
