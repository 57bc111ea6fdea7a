"""Kept, then sent by whoever comes along: every test plays several processes on one real database."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from gradent_cli import lock
from gradent_cli.database import open_database, transaction
from gradent_cli.errors import NotifyError, StateError
from gradent_cli.messenger import Messenger
from gradent_cli.notify import Dispatch, noise
from gradent_cli.outbox import Outbox
from gradent_cli.records import EVENTS, Delivery, Message
from tests.street.clock import NOW, Clock
from tests.street.phone import Phone, message, run_of

HOUR = timedelta(hours=1)
GONE = NotifyError("the webhook is gone", permanent="channel")


class Process:
    """One process of gradent, as far as it tells things: its own connection, threads and memory."""

    def __init__(
        self, folder: Path, phones: Sequence[Phone], now: datetime, *, run_id: str | None, complete: bool = True,
        when: Any = "always", events: Any = EVENTS, busy: bool = False, **rules: Any,
    ) -> None:  # fmt: skip
        self.clock = Clock(now)
        self.connection = open_database(folder / "gradent.db")
        self.logged: list[str] = []
        self.outbox = Outbox(
            self.connection, folder / "gradent.db", clock=self.clock, trouble=self.logged.append
        )  # fmt: skip
        self.looks = 0

        def look() -> bool:
            self.looks += 1
            return busy

        self.dispatch = Dispatch(
            phones, str, ledger=self.outbox, tries=2, first_pause=0.01,
            turn=lock.held(folder / "outbox.lock", now=now, wait=5), busy=look,
        )  # fmt: skip
        plain = {"quiet_hours": None, "quiet_failures": False, "max_per_day": 200, "zone": UTC}
        self.messenger = Messenger(
            self.outbox, self.dispatch, rules=noise.Rules(**(plain | rules)), events=events, when=when,
            clock=self.clock, log=self.logged.append,
        )  # fmt: skip
        self.run_id, self.complete = run_id, complete

    def go(self, *messages: Message) -> tuple[Delivery, ...]:
        """A whole process: open, tell, finish."""
        self.messenger.open(self.run_id, complete=self.complete)
        for each in messages:
            self.messenger.tell(each)
        return self.messenger.finish(30)

    def statuses(self, channel: str = "phone") -> dict[str, str]:
        rows = self.connection.execute(
            "SELECT message_id, status FROM deliveries WHERE channel = ? ORDER BY number", (channel,)
        )
        return {row[0]: row[1] for row in rows}


class Site:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.phone = Phone()

    def process(
        self, after: timedelta = timedelta(0), *, phones: Any = None, run_id: Any = "now", **options: Any
    ) -> Process:
        return Process(self.folder, [self.phone] if phones is None else phones, NOW + after, run_id=run_id, **options)

    def outage(self, *runs: str) -> None:
        """Runs that told everything while the phone could not be reached."""
        self.phone.refuse = "no network"
        for place, run_id in enumerate(runs):
            self.process(place * HOUR, run_id=run_id).go(*run_of(run_id, NOW + place * HOUR))
        self.phone.refuse = ""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# ── kept first, marked after ──


def test_a_message_is_kept_before_it_is_sent_and_marked_after(site: Site) -> None:
    """Whoever gets it could find it on disk, waiting; then it is sent, on each channel by itself."""
    seen = []

    def look(each: Message) -> None:
        row = open_database(site.folder / "gradent.db").execute(
            "SELECT status FROM deliveries WHERE message_id = ? AND channel = 'phone'", (each.id,)
        )
        seen.append(row.fetchone()[0])

    site.phone.do = look
    process = site.process(phones=[site.phone, Phone("other", refuse="no network")])
    process.go(message("m"))
    assert seen == ["pending"]
    assert (process.statuses(), process.statuses("other")) == ({"m": "sent"}, {"m": "pending"})


def test_nothing_is_sent_before_what_it_tells_is_on_disk(site: Site) -> None:
    """Within a transaction it waits for the end of it; rolled back, it is not sent and not kept."""
    process = site.process()
    process.messenger.open("now")
    with transaction(process.connection):
        process.messenger.tell(message("a"))
        process.messenger.tell(message("b"))
        threading.Event().wait(0.1)
        assert site.phone.got == []
    with pytest.raises(ZeroDivisionError), transaction(process.connection):
        process.messenger.tell(message("c"))
        raise ZeroDivisionError
    process.messenger.tell(message("d"))
    process.messenger.finish(30)
    assert site.phone.ids == ["a", "b", "d"]
    assert list(process.statuses()) == ["a", "b", "d"]
    assert [each.id for each in process.messenger.told] == ["a", "b", "d"]


def test_what_could_not_be_sent_comes_with_the_next_process(site: Site) -> None:
    """Oldest first, before anything of its own; and only once."""
    site.phone.refuse = "no network"
    assert [d.status for d in site.process(run_id="one").go(message("a", "failed"), message("b", "failed"))] == [
        "pending", "pending"
    ]  # fmt: skip
    site.phone.refuse = ""
    site.process(HOUR).go(message("c"))
    site.process(2 * HOUR).go()
    assert site.phone.ids == ["a", "b", "c"]


def test_the_same_message_told_twice_goes_once(site: Site) -> None:
    """By its id, within a process and across two."""
    site.process().go(message("a"), message("a"))
    site.process(HOUR).go(message("a"))
    assert site.phone.ids == ["a"]


def test_a_message_that_is_wrong_by_itself_is_given_up(site: Site) -> None:
    """The next one goes; it is not tried again in later processes."""
    seen = []

    def refuse_one(each: Message) -> None:
        seen.append(each.id)
        if each.id == "a":
            raise NotifyError("too large", permanent="message")

    site.phone.do = refuse_one
    process = site.process()
    process.go(message("a"), message("b"))
    assert process.statuses() == {"a": "failed", "b": "sent"}
    site.process(HOUR).go()
    assert seen == ["a", "b"]


def test_a_channel_that_is_added_later_gets_what_comes_then(site: Site) -> None:
    """Not what others missed before it was there."""
    site.outage("one")
    late = Phone("late")
    site.process(HOUR, phones=[site.phone, late]).go(message("new"))
    assert late.ids == ["new"]
    assert "new" in site.phone.ids


def test_a_channel_taken_out_of_the_config_is_given_up(site: Site) -> None:
    """What waited for it is on record as not sent, and why; back again, it gets what comes then."""
    site.outage("one")
    process = site.process(HOUR, phones=[Phone("other")])
    process.go()
    assert set(process.statuses().values()) == {"failed"}
    error = process.connection.execute("SELECT DISTINCT error FROM deliveries WHERE channel = 'phone'").fetchall()
    assert [row[0] for row in error] == ["this channel is not configured any more"]
    assert process.outbox.backlogs() == ()
    site.process(2 * HOUR).go(message("new"))
    assert site.phone.ids == ["new"]


def test_of_a_broken_config_no_channel_is_taken_for_gone(site: Site) -> None:
    """A typo for an hour costs nothing that waits for a channel that could not be read, nor what is known of it."""
    refusing = Phone("refusing", refuse=GONE)
    site.phone.refuse = "no network"
    site.process(phones=[site.phone, refusing], run_id="one").go(message("x", "failed"))
    site.phone.refuse = refusing.refuse = ""
    site.process(HOUR, phones=[Phone("other")], complete=False).go()
    site.process(2 * HOUR, phones=[site.phone, refusing]).go()
    assert (site.phone.ids, refusing.ids) == (["x"], [])
    site.process(30 * HOUR, phones=[site.phone, refusing]).go()
    assert refusing.ids == ["x"]


# ── a service that asks for time ──


def test_a_long_pause_is_kept_across_processes(site: Site) -> None:
    """Not one request before it is over; then everything, in order."""
    tries = []
    site.phone.do = lambda each: tries.append(each.id)
    site.phone.refuse = NotifyError("the day's allowance is used up", retry_after=7200.0)
    process = site.process(run_id="one")
    process.go(message("a", "failed"), message("b", "failed"))
    (backlog,) = process.outbox.backlogs()
    assert (backlog.waiting, backlog.refused, backlog.closed_until) == (2, None, NOW + 2 * HOUR)
    assert backlog.reason == "the day's allowance is used up"
    site.phone.refuse = ""
    site.process(HOUR).go(message("c", "failed"))
    assert tries == ["a"]
    site.process(3 * HOUR).go()
    assert site.phone.ids == ["a", "b", "c"]
    assert process.outbox.backlogs() == ()


def test_a_pause_longer_than_a_day_is_a_day(site: Site) -> None:
    """A service that says a year has mistaken itself."""
    site.phone.refuse = NotifyError("later", retry_after=3e7)
    process = site.process(run_id="one")
    process.go(message("a", "failed"))
    assert process.outbox.backlogs()[0].closed_until == NOW + 24 * HOUR


# ── refused for good ──


def test_a_channel_that_refused_is_not_tried_by_later_processes(site: Site) -> None:
    """What it would have got is kept as failed, with the reason; the other channel does not notice."""
    tries, other = [], Phone("other")
    site.phone.do = lambda each: tries.append(each.id)
    site.phone.refuse = GONE
    process = site.process(phones=[site.phone, other], run_id="one")
    process.go(message("a"), message("b"))
    site.process(HOUR, phones=[site.phone, other], run_id="two").go(message("c"))
    assert tries == ["a"]
    assert process.statuses() == {"a": "failed", "b": "failed", "c": "failed"}
    assert other.ids == ["a", "b", "c"]
    (backlog,) = process.outbox.backlogs()
    assert (backlog.channel, backlog.waiting, backlog.refused, backlog.since) == ("phone", 3, str(GONE), NOW)
    assert process.outbox.pending() == 0


def test_a_channel_that_refused_is_asked_once_a_day(site: Site) -> None:
    """One request; since when it refuses stays known; when it takes it, everything it missed comes."""
    tries = []
    site.phone.do = lambda each: tries.append(each.id)
    site.phone.refuse = GONE
    site.process(run_id="one").go(message("a", "failed"))
    site.process(23 * HOUR, run_id="two").go(message("b", "failed"))
    assert tries == ["a"]
    process = site.process(25 * HOUR, run_id="three")
    process.go(message("c", "failed"))
    assert tries == ["a", "a"]
    assert process.outbox.backlogs()[0].since == NOW
    site.process(26 * HOUR, run_id="four").go()
    assert tries == ["a", "a"]
    site.phone.refuse = ""
    site.process(50 * HOUR, run_id="five").go()
    assert site.phone.ids == ["a", "b", "c"]
    assert process.outbox.backlogs() == ()


def test_a_knock_without_a_network_is_tried_again(site: Site) -> None:
    """No answer is no refusal: the next process knocks."""
    site.phone.refuse = GONE
    site.process(run_id="one").go(message("a", "failed"))
    site.phone.refuse = "no network"
    process = site.process(25 * HOUR, run_id="two")
    process.go()
    assert process.outbox.backlogs()[0].refused == str(GONE)
    site.phone.refuse = ""
    site.process(26 * HOUR, run_id="three").go()
    assert site.phone.ids == ["a"]


def test_a_channel_with_other_settings_is_another_one(site: Site) -> None:
    """A new token or address: at once, with all that it missed."""
    site.phone.refuse = GONE
    site.process(run_id="one").go(message("a", "failed"), message("b", "failed"))
    site.phone.refuse, site.phone.identity = "", "a new token"
    site.process(HOUR).go()
    assert site.phone.ids == ["a", "b"]


def test_a_channel_that_was_seen_to_work_is_let_in_again(site: Site) -> None:
    """As `gradent notify test` does."""
    site.phone.refuse = GONE
    process = site.process(run_id="one")
    process.go(message("a", "failed"))
    process.outbox.reopen("phone")
    site.phone.refuse = ""
    site.process(HOUR).go()
    assert site.phone.ids == ["a"]


def test_a_refusal_by_a_clock_that_was_ahead_does_not_last(site: Site) -> None:
    """Put back by a month, it is not shut out for a month; nor does what it took count for today."""
    site.process(720 * HOUR, run_id="zero", max_per_day=2).go(message("x", "failed"), message("y", "failed"))
    site.phone.refuse = GONE
    site.process(720 * HOUR, run_id="one").go(message("a", "failed"))
    site.phone.refuse = ""
    site.process(run_id="two", max_per_day=2).go()
    assert site.phone.ids == ["x", "y", "a"]


# ── told as one ──


def test_earlier_runs_are_told_as_one(site: Site) -> None:
    """Routine messages of runs before, then what this one tells, each by itself."""
    site.outage("one", "two", "three")
    process = site.process(5 * HOUR)
    process.go(*run_of("now"))
    assert [each.title for each in site.phone.got] == ["✅ 3 Earlier Runs Completed", "now-start", "now-end"]
    folded = [id for id, status in process.statuses().items() if status == "folded"]
    assert folded == ["one-start", "one-end", "two-start", "two-end", "three-start", "three-end"]


def test_folding_again_counts_right(site: Site) -> None:
    """What stood for two runs and could not be sent either is folded anew with the third, and comes alone."""
    site.outage("one", "two")
    site.phone.refuse = "no network"
    for number, run_id in enumerate(("three", "four")):
        site.process((2 + number) * HOUR, run_id=run_id).go(*run_of(run_id))
    site.phone.refuse = ""
    process = site.process(5 * HOUR)
    process.go()
    assert [each.title for each in site.phone.got] == ["✅ 4 Earlier Runs Completed"]
    assert [status for status in process.statuses().values() if status != "folded"] == ["sent"]


def test_failures_are_never_folded(site: Site) -> None:
    """Each comes by itself, in its place; so does the word that it is over."""
    site.phone.refuse = "no network"
    site.process(run_id="one").go(*run_of("one"))
    site.process(HOUR, run_id="two").go(
        message("two-start", "started", run_id="two"), message("f", "failed", run_id="two")
    )
    site.process(2 * HOUR, run_id="three").go(message("r", "recovered", run_id="three"), *run_of("three"))
    site.phone.refuse = ""
    site.process(3 * HOUR).go()
    assert [each.title for each in site.phone.got] == ["f", "r", "✅ 2 Earlier Runs Completed"]


def test_what_is_on_its_way_is_not_folded(site: Site) -> None:
    """A message in a thread's hands, and what it stands for, is told by nothing else as well."""
    site.outage("one", "two")
    on_its_way, go_on = threading.Event(), threading.Event()

    def slow(each: Message) -> None:
        on_its_way.set()
        go_on.wait(30)

    site.phone.do = slow
    process = site.process(5 * HOUR)
    process.messenger.open("now")
    assert on_its_way.wait(30)
    other = open_database(site.folder / "gradent.db")  # a run that could not start puts its message beside
    late = Outbox(other, site.folder / "gradent.db", clock=process.clock)
    late.open({"phone": "a phone"})
    for each in run_of("beside"):
        late.put(each)
    process.messenger.send()
    go_on.set()
    process.messenger.finish(30)
    titles = [each.title for each in site.phone.got]
    assert titles == ["✅ 2 Earlier Runs Completed", "✅ 1 Earlier Run Completed"]


def test_while_another_process_sends_nothing_is_folded(site: Site) -> None:
    """It may have the very message in its hands: each is looked up again right before it is sent, and comes once."""
    start, end = run_of("one")
    site.phone.refuse = "no network"
    site.process(run_id="one").go(start)
    site.phone.refuse = ""
    flush = site.process(5 * HOUR, run_id=None)
    hands, go_on = threading.Event(), threading.Event()

    def slow(_: Message) -> None:
        hands.set()
        go_on.wait(30)

    site.phone.do = slow
    flush.messenger.open(None)
    assert hands.wait(30)
    run = site.process(5 * HOUR, busy=True)
    run.outbox.open({"phone": "a phone"})
    run.outbox.put(end)
    run.messenger.open("now")
    run.messenger.tell(message("own", run_id="now"))
    go_on.set()
    flush.dispatch.finish(30)
    run.messenger.finish(30)
    assert site.phone.ids == ["one-start", "one-end", "own"]


def test_nobody_looks_who_sends_when_nothing_waits(site: Site) -> None:
    """Looking takes hold of the lock for a moment, in which this process's own channels may want it."""
    process = site.process()
    process.go(message("a"))
    assert (site.phone.ids, process.looks) == (["a"], 0)


def test_two_processes_that_send_at_once_do_not_double(site: Site) -> None:
    """One has its turn, the other waits for it and finds everything sent."""
    site.phone.refuse = "no network"
    site.process(run_id="one").go(*(message(f"f{number}", "failed") for number in range(20)))
    site.phone.refuse = ""
    site.phone.do = lambda _: threading.Event().wait(0.005)
    processes = [site.process(HOUR, run_id=None, busy=True) for _ in range(2)]
    for process in processes:
        process.messenger.open(None)
    finishing = [threading.Thread(target=process.dispatch.finish, args=(5,)) for process in processes]
    for thread in finishing:
        thread.start()
    for thread in finishing:
        thread.join()
    assert site.phone.ids == [f"f{number}" for number in range(20)]


# ── peace and quiet ──


def test_quiet_hours_hold_and_then_bring_everything(site: Site) -> None:
    """Held with the reason, failures too; when they are over, routine comes as one and the failure by itself."""
    rules: dict[str, Any] = {"quiet_hours": "08:00-12:00"}
    process = site.process(run_id="one", **rules)
    process.go(*run_of("one"), message("f", "failed", run_id="one"))
    assert site.phone.got == []
    assert process.outbox.backlogs()[0].reason == "quiet hours until 12:00"
    site.process(HOUR, run_id="two", **rules).go(*run_of("two"))
    assert site.phone.got == []
    site.process(4 * HOUR, run_id=None, **rules).go()
    assert [each.title for each in site.phone.got] == ["f", "✅ 2 Earlier Runs Completed"]


def test_failures_may_pass_quiet_hours(site: Site) -> None:
    """With `quiet_failures`, and only failures."""
    site.process(quiet_hours="08:00-12:00", quiet_failures=True).go(*run_of("now"), message("f", "failed"))
    assert site.phone.ids == ["f"]


def test_quiet_hours_that_end_during_a_run_end_for_it(site: Site) -> None:
    """What was held is told before what comes after."""
    process = site.process(quiet_hours="08:00-10:00")
    process.messenger.open("now")
    process.messenger.tell(message("a", run_id="now"))
    process.clock.now = NOW + HOUR
    process.messenger.tell(message("b", run_id="now"))
    process.messenger.finish(30)
    assert site.phone.ids == ["a", "b"]


def test_quiet_hours_that_were_taken_back_hold_nothing(site: Site) -> None:
    """The settings of now count, not those of when it was kept."""
    site.process(run_id="one", quiet_hours="08:00-20:00").go(message("f", "failed"))
    site.process(HOUR).go()
    assert site.phone.ids == ["f"]


def test_a_day_has_its_allowance_with_a_reserve_for_failures(site: Site) -> None:
    """Routine stops a tenth before the limit; failures at it; the rest comes on the next day of UTC, as one."""
    told = [message(f"m{number}", run_id="one") for number in range(12)]
    process = site.process(run_id="one", max_per_day=10)
    process.go(*told)
    assert site.phone.ids == [f"m{number}" for number in range(9)]
    site.process(HOUR, run_id="two", max_per_day=10).go(message("f", "failed"), message("g", "failed"))
    assert site.phone.ids[9:] == ["f"]
    assert "messages went out today" in process.outbox.backlogs()[0].reason
    site.phone.got.clear()
    site.process(15 * HOUR, run_id="three", max_per_day=10).go()
    assert [each.title for each in site.phone.got] == ["📬 3 Earlier Messages", "g"]


def test_each_channel_has_its_own_allowance(site: Site) -> None:
    """What one did not take does not count for it."""
    other = Phone("other", refuse="no network")
    site.process(run_id="one", phones=[site.phone, other], max_per_day=2).go(
        message("a", "failed"), message("b", "failed")
    )
    other.refuse = ""
    site.process(HOUR, phones=[site.phone, other], max_per_day=2).go(message("c", "failed"))
    assert (site.phone.ids, other.ids) == (["a", "b"], ["a", "b"])


def test_a_run_over_midnight_has_the_next_days_allowance(site: Site) -> None:
    """The day is looked up anew."""
    process = site.process(14 * HOUR, max_per_day=2)
    process.messenger.open("now")
    for id in ("a", "b"):
        process.messenger.tell(message(id, "failed"))
    process.dispatch.finish(30)
    process.clock.now = NOW + 15 * HOUR
    process.messenger.tell(message("c", "failed"))
    assert process.statuses()["c"] == "pending"
    assert process.connection.execute("SELECT count(not_before) FROM deliveries").fetchone()[0] == 0


@pytest.mark.parametrize(
    ("when", "event", "changed", "failure", "wanted"),
    [
        ("always", "started", False, False, True),
        ("always", "completed", False, False, True),
        ("changed", "started", True, False, False),
        ("changed", "tool", True, False, True),
        ("changed", "tool", False, True, True),
        ("changed", "completed", False, False, False),
        ("changed", "completed", True, False, True),
        ("changed", "failed", False, True, True),
        ("changed", "recovered", False, False, True),
        ("failed", "started", True, False, False),
        ("failed", "tool", True, False, False),
        ("failed", "tool", True, True, True),
        ("failed", "completed", True, False, False),
        ("failed", "missed", False, False, True),
        ("failed", "interrupted", False, True, True),
        ("failed", "recovered", False, False, True),
    ],
)  # fmt: skip
def test_when_says_what_is_wanted(
    site: Site, when: str, event: Any, changed: bool, failure: bool, wanted: bool
) -> None:
    """Always; what brings news; or only what went wrong and that it is over."""
    assert site.process(when=when).messenger.wants(event, changed=changed, failure=failure) is wanted
    assert not site.process(when=when, events=()).messenger.wants(event, changed=changed, failure=failure)


# ── trouble ──


def test_a_busy_database_loses_and_doubles_nothing(site: Site) -> None:
    """What could not be marked when it was sent is marked at the end."""
    process = site.process()
    process.outbox._second = open_database(site.folder / "gradent.db", any_thread=True)
    process.outbox._second.execute("PRAGMA busy_timeout = 20")
    process.messenger.open("now")
    other = open_database(site.folder / "gradent.db")
    sent = threading.Event()
    other_begin = threading.Event()

    def when_busy(_: Message) -> None:
        other_begin.wait(30)
        sent.set()

    site.phone.do = when_busy
    process.messenger.tell(message("a"))
    other.execute("BEGIN IMMEDIATE")
    other_begin.set()
    assert sent.wait(30)
    until = monotonic() + 30
    while not process.logged and monotonic() < until:
        threading.Event().wait(0.01)
    other.execute("ROLLBACK")
    process.messenger.finish(30)
    assert process.statuses() == {"a": "sent"}
    site.process(HOUR).go()
    assert site.phone.ids == ["a"]


def test_a_message_that_cannot_be_kept_can_be_sent_all_the_same(site: Site) -> None:
    """`tell` refuses and sends nothing, `tell_unkept` tries it once."""
    process = site.process()
    process.messenger.open("now")
    process.connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StateError):
        process.messenger.tell(message("a"))
    process.messenger.tell_unkept(message("b", "failed"))
    process.messenger.finish(30)
    assert site.phone.ids == ["b"]
    assert [each.id for each in process.messenger.told] == ["b"]


def test_without_a_channel_the_log_has_it(site: Site) -> None:
    """Nothing is kept for nobody, and nobody is told."""
    process = site.process(phones=[])
    process.messenger.open("now")
    assert process.messenger.tell(message("a")) is False
    assert process.logged == ["message: a\na"]
    assert process.connection.execute("SELECT count(*) FROM messages").fetchone()[0] == 0


def test_a_crash_between_sending_and_marking_sends_twice_and_loses_nothing(site: Site) -> None:
    """The mark is lost here with the process; its id tells a receiver that it is the same."""
    process = site.process()
    process.go(message("a", "failed"))
    process.connection.execute("UPDATE deliveries SET status = 'pending', sent_at = NULL")
    site.process(HOUR).go()
    assert site.phone.ids == ["a", "a"]


def test_many_messages_cost_their_number_and_not_its_square(site: Site) -> None:
    """A channel that takes nothing while an agent tells a lot: each message looks at itself alone."""
    site.phone.do = lambda _: threading.Event().wait(10)
    process = site.process()
    process.messenger.open("now")
    looked: list[str] = []
    process.connection.set_trace_callback(looked.append)
    for number in range(50):
        process.messenger.tell(message(f"m{number}", run_id="now"))
    process.connection.set_trace_callback(None)
    assert not any("ORDER BY deliveries.number" in statement for statement in looked)
    assert len(looked) < 50 * 12


def test_a_long_outage_is_folded_in_a_few_queries(site: Site) -> None:
    """Two thousand messages that wait are one, and no message costs a look of its own."""
    process = site.process(run_id=None)
    process.outbox.open({"phone": "a phone"})
    with transaction(process.connection):
        for number in range(1000):
            for each in run_of(f"r{number}"):
                process.outbox.put(each)
    site.phone.refuse = "no network"
    site.process(HOUR, run_id="first").go(*run_of("first"))
    site.phone.refuse = ""
    last = site.process(2 * HOUR)
    looked: list[str] = []
    last.connection.set_trace_callback(looked.append)
    last.go()
    last.connection.set_trace_callback(None)
    assert [each.title for each in site.phone.got] == ["✅ 1001 Earlier Runs Completed"]
    assert sum(statement.startswith("SELECT") for statement in looked) < 50
