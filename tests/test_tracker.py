from datetime import timedelta

import pytest

from gradent_cli.agents import ToolCallTracker
from tests.street.clock import NOW, Clock


@pytest.fixture
def told():
    return []


@pytest.fixture
def tracker(told):
    return ToolCallTracker(Clock(tick=timedelta(seconds=1)), told.append)


def test_a_call_is_told_when_it_starts_and_when_it_ends(tracker, told):
    """Started first, then completed with result, lines and time."""
    with tracker.call("check", "Check assignments") as call:
        assert [known.status for known in told] == ["started"]
        call.done("11 assignments", details=("a", "b"), changed=False)
    end = told[-1]
    assert (end.id, end.tool, end.title, end.status) == ("1", "check", "Check assignments", "completed")
    assert (end.result, end.details, end.changed, end.error) == ("11 assignments", ("a", "b"), False, None)
    assert (end.started_at, end.seconds) == (NOW + timedelta(seconds=1), 1)


def test_a_call_may_fail_and_still_have_a_result(tracker, told):
    """Half of the sources were read: both facts are kept."""
    with tracker.call("check", "Check") as call:
        call.done("3 assignments")
        call.failed("canvas did not answer")
    assert (told[-1].status, told[-1].result, told[-1].error) == ("failed", "3 assignments", "canvas did not answer")


def test_an_exception_fails_the_call_and_goes_on(tracker, told):
    """Nobody's error is swallowed; one without words is named by its kind."""
    for error, words in ((ValueError("no such day"), "no such day"), (KeyError(), "KeyError")):
        with pytest.raises(type(error)), tracker.call("check", "Check"):
            raise error
        assert (told[-1].status, told[-1].error) == ("failed", words)


def test_parallel_calls_are_kept_apart(tracker, told):
    """Ends come in any order and find their own start."""
    first, second = tracker.started("a"), tracker.started("b")
    tracker.completed(second, result="2")
    tracker.completed(first, result="1")
    assert [(call.tool, call.result) for call in told[2:]] == [("b", "2"), ("a", "1")]


def test_the_same_end_counts_once(tracker, told):
    """Two channels may tell the same completion."""
    id = tracker.started("a", id="x")
    tracker.completed(id, result="1")
    tracker.completed("x", result="again")
    assert [call.status for call in told] == ["started", "completed"]


def test_an_id_used_twice_is_two_calls(tracker, told):
    """A program that counts from 1 again does not overwrite what it did before."""
    first = tracker.started("a", id="1")
    tracker.completed(first)
    second = tracker.started("a", id="1")
    assert second != first
    tracker.completed(second)
    assert len({call.id for call in told}) == 2


def test_an_id_used_again_and_again(tracker, told):
    """A loop in a script names each round alike, and each end belongs to the round that is going on."""
    for page in "123":
        tracker.started("read", id="read")
        tracker.completed("read", result=page)
        tracker.completed("read", result="told twice")
    tracker.started("read", id="read")
    tracker.started("read", id="read")
    tracker.completed("read", result="inner")
    tracker.completed("read", result="outer")
    tracker.abandon("the run is over")
    assert [call.result for call in told if call.status != "started"] == ["1", "2", "3", "inner", "outer"]
    assert len({call.id for call in told}) == 5


def test_a_run_of_many_calls(tracker, told):
    """Each is one call that ends once, whatever ids come again; what is remembered of them is bounded."""
    tracker.started("first", id="first")
    for number in range(40_000):
        id = str(number % 30_000)
        if number % 2:
            tracker.started("read", id=id)
        tracker.completed(id, result=str(number))
        tracker.completed(id, result="told twice")
    tracker.completed("first", result="at last")
    ends = [call for call in told if call.status == "completed"]
    assert [call.result for call in ends] == [*map(str, range(40_000)), "at last"]
    assert len({call.id for call in told}) == 40_001
    tracker.abandon("the run is over")
    assert told[-1].result == "at last"
    assert sum(len(held) for held in vars(tracker).values() if isinstance(held, dict | set)) <= 20_000


def test_what_is_open_at_the_end_failed(tracker, told):
    """Nothing is left `started` for ever."""
    tracker.started("a")
    tracker.completed(tracker.started("b"))
    tracker.abandon("the run is over")
    assert [(call.tool, call.status, call.error) for call in told[-1:]] == [("a", "failed", "the run is over")]
