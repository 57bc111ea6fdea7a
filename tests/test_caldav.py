"""The student's own calendar on a real server, Radicale: busy time in, sessions out, what the student does there."""

import json
import random
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import icalendar
import pytest
import vobject  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli.agents import RunContext, ToolCallTracker
from gradent_cli.agents.study.agent import StudyAgent
from gradent_cli.agents.study.cache import FeedCache
from gradent_cli.agents.study.caldav import Collection, parse
from gradent_cli.agents.study.calendars import open_calendar
from gradent_cli.agents.study.publish import open_publisher
from gradent_cli.agents.study.records import Session
from gradent_cli.agents.study.rules import Rules
from gradent_cli.agents.study.sources import open_source
from gradent_cli.agents.study.store import Store
from gradent_cli.database import open_database
from gradent_cli.errors import SourceError
from gradent_cli.records import Report, ToolCall
from gradent_cli.web import request
from tests.conftest import Gradent
from tests.street.feeds import Lines, ics, vevent
from tests.street.radicale import Account, Radicale, serving
from tests.street.server import Answer, Request, Server

NOW = datetime(2026, 11, 23, 14, 3, tzinfo=UTC)  # a Monday
LATER = NOW + timedelta(minutes=10)
ZONE = ZoneInfo("Europe/Berlin")
ESSAY = """
[[assignment]]
id = "essay"
title = "Essay 1"
due = 2026-12-04T23:59:00+01:00
effort_hours = 6
"""


@pytest.fixture(scope="module")
def radicale(tmp_path_factory) -> Iterator[Radicale]:
    """Not longer than for these tests: others count the children of their process."""
    with serving(tmp_path_factory.mktemp("radicale")) as running:
        yield running


@pytest.fixture
def ada(radicale: Radicale) -> Account:
    """A user whose calendar is not there yet."""
    return radicale.account()


@dataclass
class Relay:
    """Stands before the server, counts what goes through, and can tamper with it."""

    server: Server
    radicale: Radicale
    tamper: Callable[[Request, Answer], Answer | None] = lambda _, answer: answer

    def __post_init__(self) -> None:
        self.server.answer = self._pass_on

    def _pass_on(self, asked: Request) -> Answer:
        given = {name: value for name, value in asked.headers.items() if name.lower() not in HOP}
        refused = self.tamper(asked, Answer(0))
        if refused is not None and refused.status:
            return refused
        answer = request(asked.method, self.radicale.url + asked.path, content=asked.body, headers=given)
        kept = {name: answer.headers[name] for name in ("etag", "location") if name in answer.headers}
        passed = self.tamper(asked, Answer(answer.status, answer.body, kept))
        assert passed is not None
        return passed

    def url(self, account: Account) -> str:
        return self.server.url + account.url.removeprefix(self.radicale.url)

    @property
    def asked(self) -> list[str]:
        """The methods of what came since the last time that somebody looked."""
        asked = [each.method for each in self.server.requests]
        self.server.requests.clear()
        return asked


HOP = ("host", "content-length", "connection", "accept-encoding")


@pytest.fixture
def relay(server, radicale) -> Relay:
    return Relay(server, radicale)


@dataclass
class Desk:
    """A student's desk: a list of assignments, a database, and a calendar on a server."""

    folder: Path
    account: Account
    relay: Relay
    work: str = ESSAY
    busy: tuple[Account, ...] = ()
    calls: dict[str, ToolCall] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection = open_database(self.folder / "gradent.db")
        self.store = Store(self.connection)

    def run(self, now: datetime = NOW, *, read_only: bool = False) -> Report:
        (self.folder / "list.toml").write_text(self.work)
        account = self.account
        agent = StudyAgent(
            sources=[open_source("toml", name="list", url=None, path=self.folder / "list.toml")],
            calendars=[
                open_calendar(
                    "caldav", name="busy", url=each.url, path=None, username=each.username, password=each.password
                )
                for each in self.busy
            ],
            store=self.store,
            rules=Rules(),
            zone=ZONE,
            plan_path=self.folder / "plan.ics",
            publisher=open_publisher(
                url=self.relay.url(account),
                username=account.username,
                password=account.password,
                connection=self.connection,
                store=self.store,
                zone=ZONE,
                read_only=read_only,
            ),
        )
        self.calls = {}
        tracker = ToolCallTracker(lambda: now, lambda call: self.calls.update({call.tool: call}))
        return agent.run(RunContext(run_id="1", started_at=now, tools=tracker, previous=None, log=lambda _: None))

    @property
    def sessions(self) -> tuple[Session, ...]:
        return self.store.sessions.all()

    def on_server(self) -> dict[str, tuple[datetime, datetime]]:
        """The times of every event in the calendar, read by another library."""
        found = {}
        for name in self.account.names():
            (event,) = icalendar.Calendar.from_ical(self.account.text(name)).walk("VEVENT")
            found[name] = event.decoded("DTSTART"), event.decoded("DTEND")
        return found

    def in_step(self) -> bool:
        return self.on_server() == {f"{each.id}.ics": (each.starts_at, each.ends_at) for each in self.sessions}


@pytest.fixture
def desk(tmp_path, ada, relay) -> Iterator[Desk]:
    desk = Desk(tmp_path, ada, relay)
    yield desk
    desk.connection.close()


# ── the raw facts that all of this rests on ──


def test_what_the_server_answers(ada):
    """What Radicale 3.9 says to each verb and condition, as gradent counts on it."""
    event = ics(vevent("UID:a@gradent", "DTSTART:20261124T090000Z", "DTEND:20261124T100000Z"))
    assert ada.ask("PROPFIND", user="eve", Depth="0").status == 401
    assert ada.ask("PROPFIND", Depth="1").status == 404
    assert ada.ask("MKCALENDAR").status == 201
    assert ada.ask("MKCALENDAR").status in (405, 409)
    first = ada.ask("PUT", "a.ics", event, If_None_Match="*")
    assert (first.status, first.headers["etag"][0]) == (201, '"')
    assert ada.ask("PUT", "a.ics", event, If_None_Match="*").status == 412
    second = ada.ask("PUT", "a.ics", event.replace(b"T100000Z", b"T110000Z"), If_Match=first.headers["etag"])
    assert second.status in (201, 204)
    assert second.headers["etag"] != first.headers["etag"]
    assert ada.ask("PUT", "a.ics", event, If_Match=first.headers["etag"]).status == 412
    assert ada.ask("PUT", "b.ics", event).status == 409
    assert ada.ask("GET").body.startswith(b"BEGIN:VCALENDAR")
    assert ada.ask("DELETE", "a.ics", If_Match=first.headers["etag"]).status == 412
    assert ada.ask("DELETE", "a.ics", If_Match=second.headers["etag"]).status == 200
    assert ada.ask("DELETE", "a.ics", If_Match=second.headers["etag"]).status in (404, 412)


def test_how_the_server_reports(ada):
    """A report within a time gives a series as it is written, unexpanded, and not what lies elsewhere."""
    ada.make()
    ada.put("a.ics", vevent("UID:a", "DTSTART:20260901T090000Z", "DURATION:PT1H", "RRULE:FREQ=WEEKLY"))
    ada.put("b.ics", vevent("UID:b", "DTSTART:20260901T090000Z", "DURATION:PT1H"))
    collection = Collection(label="it", url=ada.url, username=ada.username, password=ada.password)
    (body,) = collection.between(at(23, 0), at(30, 0))
    assert body.count(b"BEGIN:VEVENT") == 1
    assert b"RRULE:FREQ=WEEKLY" in body
    assert set(collection.etags()) == {"a.ics", "b.ics"}
    assert set(collection.fetch(["b.ics", "c.ics"])) == {"b.ics"}


# ── sessions out ──


def test_first_run(desk):
    """The calendar is made, and every session is in it."""
    report = desk.run()
    assert report.error is None
    assert desk.calls["publish"].result == "3 new"
    assert len(desk.sessions) == 3
    assert desk.in_step()


def test_other_programs_read_it(desk):
    """Two independent libraries find nothing wrong with an event, and the same in it."""
    desk.work = ESSAY.replace("Essay 1", "Essay, with; a \\\\ and ünïcode " + "long " * 20)
    desk.run()
    session = desk.sessions[0]
    text = desk.account.text(f"{session.id}.ics")
    (one,) = icalendar.Calendar.from_ical(text).walk("VEVENT")
    assert one.errors == []
    other = vobject.readOne(text).vevent
    assert one["SUMMARY"] == other.summary.value == session.title
    assert one["UID"] == other.uid.value == f"{session.id}@gradent"
    assert one.decoded("DTSTART") == other.dtstart.value == session.starts_at
    assert one.decoded("DTEND") == other.dtend.value == session.ends_at
    assert "METHOD" not in text


def test_an_unchanged_plan_costs_one_request(desk):
    """Nothing new: one look at the calendar, whatever is in it, and nothing is written."""
    desk.run()
    assert desk.relay.asked == ["PROPFIND", "MKCALENDAR", *["PUT"] * 3]
    plan = (desk.folder / "plan.ics").read_bytes()
    report = desk.run(LATER)
    assert desk.relay.asked == ["PROPFIND"]
    assert (report.changed, report.error) == (False, None)
    assert desk.calls["publish"].result == "Every session is in it as it should be"
    assert (desk.folder / "plan.ics").read_bytes() == plan


def test_only_what_changed_is_sent(desk):
    """Less work to do: what is left over is deleted, what is shorter is written, and the rest is not touched."""
    desk.run()
    before = desk.on_server()
    desk.work = ESSAY.replace("effort_hours = 6", "effort_hours = 3")
    assert desk.relay.asked
    desk.run(LATER)
    asked = desk.relay.asked
    assert desk.in_step()
    after = desk.on_server()
    changed = sum(after[name] != before[name] for name in after)
    assert asked == ["PROPFIND", *["DELETE"] * len(before.keys() - after.keys()), *["PUT"] * changed]
    assert asked == ["PROPFIND", "DELETE", "PUT"]


def test_a_dry_run_only_reads(desk):
    """It looks, says what would be written, and leaves server and calendar as they are."""
    report = desk.run(read_only=True)
    assert report.error is None
    assert desk.calls["publish"].result == "3 new"
    assert desk.relay.asked == ["PROPFIND"]
    assert desk.account.ask("PROPFIND", Depth="0").status == 404


def test_the_past_stays(desk):
    """Sessions that are over stay in the calendar, even when the work is done and the rest goes."""
    desk.run()
    first = desk.sessions[0]
    desk.work = ESSAY + "done = true\n"
    desk.run(first.ends_at + timedelta(minutes=1))
    assert desk.account.names() == {f"{first.id}.ics"}


def test_other_events_are_left_alone(desk):
    """Whatever else is in the calendar is neither changed nor deleted."""
    desk.account.make()
    desk.account.put("party.ics", vevent("UID:party", "DTSTART:20261130T190000Z", "DTEND:20261130T230000Z"))
    before = desk.account.text("party.ics")
    desk.run()
    desk.work = ESSAY + "done = true\n"
    desk.run(LATER)
    assert desk.account.names() == {"party.ics"}
    assert desk.account.text("party.ics") == before


def test_an_event_in_our_place(desk):
    """Somebody else's event where a session belongs is left alone and named; the other sessions are written."""
    desk.run(read_only=True)
    session = desk.sessions[0]
    desk.account.make()
    desk.account.put(f"{session.id}.ics", vevent("UID:party", "DTSTART:20261130T190000Z", "DURATION:PT1H"))
    party = desk.account.text(f"{session.id}.ics")
    why = "where 'Essay 1' belongs, there is an event that is not gradent's; it was left alone"
    for now, of in ((NOW, "3 changes"), (LATER, "1 change")):
        report = desk.run(now)
        assert report.error == f"cannot write the study calendar: {why}; left for the next run: 1 of {of}"
        assert desk.calls["publish"].error == report.error
        assert desk.account.text(f"{session.id}.ics") == party
    assert desk.account.names() == {f"{each.id}.ics" for each in desk.sessions}


# ── what the student does ──


def first_of(desk: Desk) -> tuple[Session, str]:
    session = desk.sessions[0]
    return session, f"{session.id}.ics"


def at(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def by_id(desk: Desk, id: str) -> Session:
    return next(each for each in desk.sessions if each.id == id)


def test_a_moved_session_stays_where_it_was_put(desk):
    """It is pinned, outside the student's hours and as long as they made it, with a higher SEQUENCE everywhere."""
    desk.run()
    session, name = first_of(desk)
    desk.account.edit(name, DTSTART="DTSTART:20261126T053000Z", DTEND="DTEND:20261126T061500Z")
    theirs = desk.account.text(name)
    report = desk.run(LATER)
    moved = by_id(desk, session.id)
    assert (moved.starts_at, moved.ends_at, moved.pinned) == (at(26, 5, 30), at(26, 6, 15), True)
    assert moved.sequence == session.sequence + 1
    assert f"UID:{session.id}@gradent\r\n" in (desk.folder / "plan.ics").read_bytes().decode()
    assert report.error is None
    assert desk.calls["publish"].details[0] == "You moved: Thu 26 Nov 06:30-07:15 Essay 1"
    assert desk.account.text(name) == theirs
    assert desk.relay.asked
    assert desk.run(LATER).changed is False
    assert desk.relay.asked == ["PROPFIND"]
    assert desk.in_step()


def test_others_make_way_for_a_moved_session(desk):
    """A session dragged onto another one keeps its place; the other one goes elsewhere, in the calendar too."""
    desk.run()
    first, second = desk.sessions[:2]
    desk.account.edit(
        f"{first.id}.ics",
        DTSTART=f"DTSTART:{second.starts_at:%Y%m%dT%H%M%SZ}",
        DTEND=f"DTEND:{second.ends_at:%Y%m%dT%H%M%SZ}",
    )
    desk.run(LATER)
    assert by_id(desk, first.id).starts_at == second.starts_at
    assert by_id(desk, second.id).starts_at != second.starts_at
    assert desk.in_step()


def test_moved_twice(desk):
    """The second move counts like the first."""
    desk.run()
    session, name = first_of(desk)
    desk.account.edit(name, DTSTART="DTSTART:20261126T080000Z", DTEND="DTEND:20261126T090000Z")
    desk.run(LATER)
    desk.account.edit(name, DTSTART="DTSTART:20261127T080000Z", DTEND="DTEND:20261127T090000Z")
    desk.run(LATER)
    moved = by_id(desk, session.id)
    assert (moved.starts_at, moved.pinned, moved.sequence) == (at(27, 8), True, session.sequence + 2)
    assert desk.in_step()


def test_a_pinned_session_outlives_a_new_due_date(desk):
    """Where the student put it, it stays, though the work is due so late by now that nothing else is planned for it."""
    desk.run()
    session, name = first_of(desk)
    desk.account.edit(name, DTSTART="DTSTART:20261126T080000Z", DTEND="DTEND:20261126T090000Z")
    desk.run(LATER)
    desk.work = desk.work.replace("2026-12-04", "2027-06-04")
    desk.run(LATER)
    assert [(each.id, each.starts_at) for each in desk.sessions] == [(session.id, at(26, 8))]
    assert desk.account.names() == {name}
    assert desk.in_step()


def test_moved_to_the_past(desk):
    """A session dragged to yesterday is over: the student is asked about it, and its work is planned again."""
    desk.run()
    _, name = first_of(desk)
    desk.account.edit(name, DTSTART="DTSTART:20261122T080000Z", DTEND="DTEND:20261122T100000Z")
    desk.run(LATER)
    assert desk.store.progress.logged() == {}
    assert sum((each.duration for each in desk.sessions), timedelta()) == timedelta(hours=8)
    assert "Did you hold Sun 22 Nov" in desk.calls["suggest"].details[-1]
    assert desk.in_step()


def test_a_past_session_dragged_to_the_future(desk):
    """A session that was missed and dragged to another day is to come again, at that time."""
    desk.run()
    session, name = first_of(desk)
    now = session.ends_at + timedelta(hours=1)
    desk.run(now)
    desk.account.edit(name, DTSTART="DTSTART:20261127T180000Z", DTEND="DTEND:20261127T200000Z")
    desk.run(now)
    assert desk.store.progress.logged() == {}
    assert (by_id(desk, session.id).starts_at, by_id(desk, session.id).pinned) == (at(27, 18), True)
    assert desk.in_step()


def test_a_deleted_session_is_not_made_again(desk):
    """Neither it nor another one in its place; its minutes are not needed, and its name is never given again."""
    desk.run()
    before = desk.sessions
    last = max(before, key=lambda each: each.ordinal)
    desk.account.delete(f"{last.id}.ics")
    desk.run(LATER)
    assert desk.calls["publish"].details[0].startswith("You took out: ")
    assert desk.calls["publish"].changed  # in case that was a slip
    assert desk.sessions == tuple(each for each in before if each != last)
    desk.run(LATER)
    assert desk.sessions == tuple(each for each in before if each != last)
    desk.work = ESSAY.replace("effort_hours = 6", "effort_hours = 10")
    desk.run(LATER)
    assert len(desk.sessions) > len(before) - 1
    assert last.id not in {each.id for each in desk.sessions}
    assert desk.in_step()


def test_a_cancelled_session_is_a_deleted_one(desk):
    """STATUS:CANCELLED declines a session; the cancelled event stays as the student left it."""
    desk.run()
    session, name = first_of(desk)
    desk.account.edit(name, END="STATUS:CANCELLED")
    theirs = desk.account.text(name)
    desk.run(LATER)
    desk.run(LATER)
    assert session.id not in {each.id for each in desk.sessions}
    assert desk.account.text(name) == theirs


def test_sessions_deleted_at_once_beside_past_ones(desk):
    """What is over and still there says nothing: that all to come are gone, four or more, is not believed at once."""
    desk.work = ESSAY.replace("effort_hours = 6", "effort_hours = 12")
    desk.run()
    first, *rest = sorted(desk.sessions, key=lambda each: each.starts_at)
    later = first.ends_at + timedelta(minutes=30)
    for session in rest:
        desk.account.delete(f"{session.id}.ics")
    report = desk.run(later)
    assert report.error is not None
    assert "have vanished from the study calendar at once" in report.error
    assert desk.store.sessions.declined() == ()


def test_what_was_taken_out_is_in_the_summary(desk):
    """A run that only learned of it is not all caught up."""
    desk.run()
    _, name = first_of(desk)
    desk.account.delete(name)
    assert desk.run(LATER).summary.endswith("oted that you took out 1 session")


def test_a_deleted_session_that_comes_back(desk):
    """The student undoes the deletion: the session is theirs, where it lies, and its work is planned again."""
    desk.run()
    session, name = first_of(desk)
    theirs = desk.account.text(name)
    desk.account.delete(name)
    desk.run(LATER)
    assert session.id not in {each.id for each in desk.sessions}
    assert desk.account.ask("PUT", name, theirs.encode()).status == 201
    desk.run(LATER)
    back = by_id(desk, session.id)
    assert (back.starts_at, back.pinned, desk.store.sessions.declined()) == (session.starts_at, True, ())
    assert desk.calls["publish"].details[0].startswith("You moved: ")
    assert desk.in_step()


def test_a_cancelled_session_that_comes_back(desk):
    """The same without STATUS:CANCELLED."""
    desk.run()
    session, name = first_of(desk)
    theirs = desk.account.text(name)
    desk.account.edit(name, END="STATUS:CANCELLED")
    desk.run(LATER)
    desk.run(LATER)
    assert desk.account.ask("PUT", name, theirs.encode()).status == 204
    desk.run(LATER)
    assert by_id(desk, session.id).pinned
    assert desk.store.sessions.declined() == ()
    assert desk.in_step()


def test_what_was_declined_is_not_done(desk):
    """Its minutes need no place, but nobody worked them: what is left says so."""
    desk.run()
    (before,) = desk.store.known()
    for session in desk.sessions:
        desk.account.delete(f"{session.id}.ics")
    desk.account.put("other.ics", ["BEGIN:VEVENT", "UID:mine", "DTSTART:20261126T080000Z", "END:VEVENT"])
    desk.run(LATER)
    assert (desk.sessions, desk.store.progress.logged()) == ((), {})
    (known,) = desk.store.known()
    assert known.assessment == before.assessment  # its risk, too
    assert not any("is done" in each for each in desk.calls["suggest"].details)


def test_whole_day(desk):
    """A session made to last the whole day is pinned to that day at its old hour; the event stays as it is."""
    desk.run()
    session, name = first_of(desk)
    desk.account.edit(name, DTSTART="DTSTART;VALUE=DATE:20261127", DTEND="DTEND;VALUE=DATE:20261128")
    theirs = desk.account.text(name)
    desk.run(LATER)
    desk.run(LATER)
    moved = by_id(desk, session.id)
    assert moved.pinned
    assert moved.starts_at == session.starts_at.replace(day=27)
    assert moved.duration == session.duration
    assert desk.account.text(name) == theirs


def test_made_to_repeat(desk):
    """A session made to repeat is still one session, at its first time; the event stays as it is."""
    desk.run()
    _, name = first_of(desk)
    desk.account.edit(name, END="RRULE:FREQ=DAILY;COUNT=5")
    theirs = desk.account.text(name)
    before = desk.sessions
    assert desk.run(LATER).error is None
    assert desk.sessions == before
    assert desk.account.text(name) == theirs


def test_renamed(desk):
    """A new title or a note moves nothing and is left as it is."""
    desk.run()
    _, name = first_of(desk)
    desk.account.edit(name, SUMMARY="SUMMARY:Finally start", END="DESCRIPTION:with Bo")
    theirs = desk.account.text(name)
    before = desk.sessions
    desk.run(LATER)
    desk.run(LATER)
    assert desk.sessions == before
    assert desk.account.text(name) == theirs


def test_copied(desk):
    """A copy that the calendar program makes under a UID of its own is the student's, and is left alone."""
    desk.run()
    session, name = first_of(desk)
    copy = desk.account.text(name).replace(f"{session.id}@gradent", "copy@phone")
    assert desk.account.ask("PUT", "copy.ics", copy.encode()).status == 201
    before = desk.sessions
    desk.run(LATER)
    assert desk.sessions == before
    assert desk.account.text("copy.ics") == copy


def test_moved_to_another_calendar(desk, radicale):
    """There it is the student's own: here it counts as deleted, and nothing is written in the other calendar."""
    desk.run()
    session, name = first_of(desk)
    other = radicale.account().make()
    text = desk.account.text(name)
    assert other.ask("PUT", name, text.encode()).status == 201
    desk.account.delete(name)
    desk.busy = (other,)
    desk.run(LATER)
    assert session.id not in {each.id for each in desk.sessions}
    assert other.text(name) == text
    assert desk.in_step()


@pytest.mark.parametrize("year", ["0001", "9999"])
@pytest.mark.parametrize("line", ["DTSTART:{}0101T080000Z", "DTSTART;VALUE=DATE:{}1231"])
def test_moved_to_the_end_of_time(desk, year, line):
    """A year that no calendar should show stops nothing; Radicale itself would not take it."""
    desk.run()
    session, _ = first_of(desk)

    def tamper(asked: Request, answer: Answer) -> Answer:
        if asked.method == "REPORT" and answer.status:
            text = re.sub("DTSTART:[0-9TZ]*", line.format(year), answer.body.decode())
            answer.body = re.sub("DTEND:", "X-NOTHING:", text).encode()
        return answer

    desk.relay.tamper = tamper
    for now in (LATER, LATER + timedelta(hours=1)):
        desk.connection.execute("UPDATE published SET etag = 'another' WHERE session_id = ?", (session.id,))
        assert desk.run(now).error is None
        assert by_id(desk, session.id).pinned


def test_another_zone(desk):
    """The same moment written in the student's own zone is no move."""
    desk.run()
    session, name = first_of(desk)
    begins, ends = (each.astimezone(ZONE) for each in (session.starts_at, session.ends_at))
    desk.account.edit(
        name,
        DTSTART=f"DTSTART;TZID=Europe/Berlin:{begins:%Y%m%dT%H%M%S}",
        DTEND=f"DTEND;TZID=Europe/Berlin:{ends:%Y%m%dT%H%M%S}",
    )
    before = desk.sessions
    desk.run(LATER)
    assert desk.sessions == before


# ── what goes wrong ──


def lost_answers(method: str, times: int) -> Callable[[Request, Answer], Answer | None]:
    """The server does what it was asked to, but its first answers never arrive: a gateway's 502 does."""
    left = [times]

    def tamper(asked: Request, answer: Answer) -> Answer | None:
        if asked.method == method and answer.status and left[0]:
            left[0] -= 1
            return Answer(502)
        return answer

    return tamper


def refusing(method: str, status: int, after: int = 0) -> Callable[[Request, Answer], Answer | None]:
    """The server lets some of these through, then refuses them before they are done."""
    seen = [0]

    def tamper(asked: Request, answer: Answer) -> Answer | None:
        if asked.method == method and not answer.status:
            seen[0] += 1
            return Answer(status) if seen[0] > after else None
        return answer

    return tamper


def as_it_is(_: Request, answer: Answer) -> Answer:
    return answer


def test_an_answer_that_was_lost_heals(desk):
    """A session that was written, though nobody learned of it, is known at the next run and not written again."""
    desk.relay.tamper = lost_answers("PUT", 1)
    report = desk.run()
    assert report.error is not None
    assert "cannot answer at the moment (HTTP 502); left for the next run: 1 of 3 changes" in report.error
    before = desk.sessions
    desk.relay.tamper = as_it_is
    assert desk.relay.asked
    assert desk.run(LATER).error is None
    assert desk.relay.asked == ["PROPFIND", "REPORT"]
    assert desk.sessions == before
    assert desk.in_step()
    desk.run(LATER)
    assert desk.relay.asked == ["PROPFIND"]


def test_a_change_whose_answer_was_lost_is_not_the_students(desk):
    """The new times of a session that was written, though nobody learned of it, are not taken for a move."""
    desk.run()
    desk.work = ESSAY.replace("effort_hours = 6", "effort_hours = 5")
    desk.relay.tamper = lost_answers("PUT", 1)
    assert desk.run(LATER).error is not None
    desk.relay.tamper = as_it_is
    assert desk.run(LATER).error is None
    assert not any(session.pinned for session in desk.sessions)
    assert desk.in_step()


def test_a_change_whose_answer_was_lost_before_the_plan_changed_again(desk):
    """Written, unanswered, and planned anew while the server was away: still nobody takes it for a move."""
    desk.run()
    desk.work = ESSAY.replace("effort_hours = 6", "effort_hours = 5")
    desk.relay.tamper = lost_answers("PUT", 1)
    desk.run(LATER)
    desk.work = ESSAY.replace("effort_hours = 6", "effort_hours = 4.5")
    desk.relay.tamper = refusing("PROPFIND", 503)
    desk.run(LATER)
    desk.relay.tamper = as_it_is
    assert desk.run(LATER).error is None
    assert not any(session.pinned for session in desk.sessions)
    assert "You moved" not in str(desk.calls["publish"].details)
    assert desk.in_step()


def test_a_lost_delete_heals(desk):
    """An event that was deleted, though nobody learned of it, is forgotten at the next run."""
    desk.run()
    desk.work = ESSAY + "done = true\n"
    desk.relay.tamper = lost_answers("DELETE", 1)
    assert desk.run(LATER).error is not None
    desk.relay.tamper = as_it_is
    assert desk.run(LATER).error is None
    assert desk.store.sessions.declined() == ()
    assert desk.account.names() == set()


def test_a_server_that_refuses_loses_no_plan(desk):
    """The plan is saved and its file written; the next run writes the rest, and only that."""
    desk.relay.tamper = refusing("PUT", 507, after=1)
    report = desk.run()
    assert report.error == (
        "cannot write the study calendar: the server has no room left for it (HTTP 507); "
        "left for the next run: 2 of 3 changes"
    )
    assert desk.calls["schedule"].status == "completed"
    assert desk.calls["publish"].status == "failed"
    assert len(desk.sessions) == 3
    assert (desk.folder / "plan.ics").read_text().count("BEGIN:VEVENT") == 3
    desk.relay.tamper = as_it_is
    assert desk.relay.asked
    assert desk.run(LATER).error is None
    assert desk.relay.asked == ["PROPFIND", "PUT", "PUT"]
    assert desk.in_step()


def test_a_server_that_refuses_everything_is_soon_left_alone(desk):
    """After three refusals in a row nothing more is tried."""
    desk.work = ESSAY.replace("effort_hours = 6", "effort_hours = 12")
    desk.relay.tamper = refusing("PUT", 503)
    desk.run()
    assert len(desk.sessions) == 6
    assert desk.relay.asked == ["PROPFIND", "MKCALENDAR", *["PUT"] * 3]


def test_a_server_that_is_away(desk):
    """The plan goes on without the calendar, and nothing is written to it unseen."""
    desk.run()
    desk.work = ESSAY.replace("effort_hours = 6", "effort_hours = 8")
    desk.relay.tamper = refusing("PROPFIND", 503)
    assert desk.relay.asked
    report = desk.run(LATER)
    assert report.error == "cannot read the study calendar: the server cannot answer at the moment (HTTP 503)"
    assert desk.relay.asked == ["PROPFIND"]
    assert len(desk.sessions) == 4
    desk.relay.tamper = as_it_is
    assert desk.run(LATER).error is None
    assert desk.in_step()


@pytest.mark.parametrize("status", [403, 405, 409])
def test_a_server_that_lets_nobody_make_calendars(desk, status):
    """It is said what to do instead, and nothing more is tried."""
    desk.relay.tamper = refusing("MKCALENDAR", status)
    report = desk.run()
    assert report.error is not None
    assert report.error.startswith("cannot make the study calendar: ")
    assert report.error.endswith(
        f"(HTTP {status}); make a calendar for study sessions with your calendar program, and give its address"
    )
    assert desk.relay.asked == ["PROPFIND", "MKCALENDAR"]
    assert len(desk.sessions) == 3


def test_a_listing_without_an_etag_declines_nothing(desk):
    """An event that the server shows, but cannot say anything about, is there all the same."""
    desk.run()
    before = desk.sessions

    def tamper(asked: Request, answer: Answer) -> Answer:
        if asked.method == "PROPFIND":
            answer.body = answer.body.replace(b"getetag", b"nothing")
        return answer

    desk.relay.tamper = tamper
    assert desk.run(LATER).error is None
    assert desk.sessions == before
    desk.relay.tamper = as_it_is
    assert desk.run(LATER).error is None
    assert desk.in_step()


@pytest.mark.parametrize("told", ["", 'W/"weak"'])
def test_a_server_that_tells_no_etag(desk, told):
    """It is asked for once, after everything is written; the next run finds nothing to do."""

    def tamper(asked: Request, answer: Answer) -> Answer:
        if asked.method == "PUT":
            answer.headers = {"etag": told} if told else {}
        return answer

    desk.relay.tamper = tamper
    desk.run()
    assert desk.relay.asked == ["PROPFIND", "MKCALENDAR", "PUT", "PUT", "PUT", "REPORT"]
    assert desk.run(LATER).error is None
    assert desk.relay.asked == ["PROPFIND"]


def test_an_edit_in_the_same_moment(desk):
    """What the student changes between our look and our write is not overwritten, and counts at the next run."""
    desk.run()
    desk.work = ESSAY.replace("effort_hours = 6", "effort_hours = 3")  # one session is to go, another one gets shorter
    edited = []

    def tamper(asked: Request, answer: Answer) -> Answer:
        if asked.method in ("PUT", "DELETE") and not answer.status:
            edited.append(asked.path.rpartition("/")[2])
            day = 26 + len(edited)
            times = {"DTSTART": f"DTSTART:202611{day}T190000Z", "DTEND": f"DTEND:202611{day}T200000Z"}
            desk.account.edit(edited[-1], **times)
        return answer

    desk.relay.tamper = tamper
    assert desk.run(LATER).error is None
    desk.relay.tamper = as_it_is
    assert len(edited) == 2
    assert desk.run(LATER).error is None
    assert [(f"{each.id}.ics", each.starts_at) for each in desk.sessions if each.pinned] == [
        (edited[0], at(27, 19)),
        (edited[1], at(28, 19)),
    ]
    assert desk.in_step()


def test_a_calendar_that_was_deleted(desk):
    """Nothing is declined and nothing is made; when it is there again, every session is written into it."""
    desk.run()
    before = desk.sessions
    desk.account.delete()
    for _ in range(2):
        report = desk.run(LATER)
        assert report.error == (
            "cannot read the study calendar: there is no calendar at its address (HTTP 404), but there was one: "
            "make it again to have the sessions written anew"
        )
        assert desk.account.ask("PROPFIND", Depth="0").status == 404
    desk.account.make()
    assert desk.run(LATER).error is None
    assert desk.sessions == before
    assert desk.in_step()


def test_a_calendar_that_was_emptied(desk):
    """Many sessions gone at once decline nothing: it is said, and the next run writes them again."""
    desk.work = ESSAY.replace("effort_hours = 6", "effort_hours = 8")
    desk.run()
    before = desk.sessions
    texts = {name: desk.account.text(name) for name in desk.account.names()}
    for name in texts:
        desk.account.delete(name)
    report = desk.run(LATER)
    assert report.error is not None
    assert report.error.startswith("all 4 sessions have vanished from the study calendar at once")
    assert desk.sessions == before
    # One comes back by itself, and was moved before; the others are written again.
    last = before[-1]
    back = texts[f"{last.id}.ics"].replace(f"DTSTART:{last.starts_at:%Y%m%d}", "DTSTART:20261125")
    back = back.replace(f"DTEND:{last.ends_at:%Y%m%d}", "DTEND:20261125")
    assert desk.account.ask("PUT", f"{last.id}.ics", back.encode()).status == 201
    assert desk.run(LATER).error is None
    assert [each.id for each in desk.sessions if each.pinned] == [last.id]
    assert by_id(desk, last.id).starts_at == last.starts_at.replace(day=25, month=11)
    assert len(desk.sessions) == 4
    assert desk.in_step()


def test_three_deleted_sessions_are_declined(desk):
    """A few sessions may all be deleted: each is declined."""
    desk.run()
    for name in desk.account.names():
        desk.account.delete(name)
    assert desk.run(LATER).error is None
    assert desk.sessions == ()
    assert len(desk.store.sessions.declined()) == 3


def test_a_lost_database(desk, tmp_path):
    """Events from before are taken over: those that nobody touched follow the plan, a moved one is pinned."""
    desk.run()
    first, second = desk.sessions[:2]
    desk.account.edit(f"{first.id}.ics", DTSTART="DTSTART:20261126T053000Z", DTEND="DTEND:20261126T063000Z")
    desk.connection.close()
    (tmp_path / "gradent.db").unlink()
    desk.__post_init__()
    now = second.starts_at - timedelta(minutes=5)
    assert desk.run(now).error is None
    assert by_id(desk, first.id).starts_at == at(26, 5, 30)
    assert by_id(desk, first.id).pinned
    assert not by_id(desk, second.id).pinned
    assert desk.run(now).error is None
    assert {f"{each.id}.ics": (each.starts_at, each.ends_at) for each in desk.sessions}.items() <= (
        desk.on_server().items()
    )


def test_an_event_that_cannot_be_read(desk):
    """It is named and left alone; everything else goes on."""
    desk.run()
    session, name = first_of(desk)

    def tamper(asked: Request, answer: Answer) -> Answer:
        if asked.method == "REPORT":
            answer.body = answer.body.replace(b"DTSTART:", b"DTSTART:soon")
        return answer

    desk.account.edit(name, SUMMARY="SUMMARY:Now")
    desk.relay.tamper = tamper
    before = desk.sessions
    report = desk.run(LATER)
    assert report.error is None
    assert desk.calls["publish"].details == (
        "cannot read the study calendar: the event 'Essay 1' is at no time that can be read",
    )
    assert desk.sessions == before
    assert session in desk.sessions


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_the_student_wins(desk, seed):
    """Moves, deletions, more and less work, lost answers and refusals in any order: in the end all is as they put it.

    Every session is in the calendar at its time, those that they moved where they put them, none that they deleted.
    """
    chance = random.Random(seed)
    now, moved, declined = NOW, {}, set()
    desk.work = ESSAY.replace("effort_hours = 6", "effort_hours = 9").replace("2026-12-04", "2026-12-20")
    desk.run()
    for _ in range(8):
        coming = [each for each in desk.sessions if each.starts_at > now and f"{each.id}.ics" in desk.account.names()]
        session = chance.choice(coming)
        name = f"{session.id}.ics"
        match chance.choice(("move", "move", "delete", "rename", "work", "time")):
            case "move":
                begins = now.replace(minute=0) + timedelta(days=chance.randint(1, 12), hours=chance.randint(0, 20))
                moved[session.id] = begins, begins + timedelta(minutes=chance.choice((20, 60, 150)))
                begins, ends = (f"{each:%Y%m%dT%H%M%SZ}" for each in moved[session.id])
                desk.account.edit(name, DTSTART=f"DTSTART:{begins}", DTEND=f"DTEND:{ends}")
            case "delete" if len(coming) > 3:
                desk.account.delete(name)
                declined.add(session.id)
                moved.pop(session.id, None)
            case "rename":
                desk.account.edit(name, SUMMARY="SUMMARY:Mine")
            case "work":
                effort = f"effort_hours = {chance.randint(7, 14)}"
                desk.work = re.sub(r"effort_hours = \d+", effort, desk.work)
            case _:
                now += timedelta(hours=chance.randint(1, 5))
        method = chance.choice(("PUT", "DELETE", "PROPFIND", "REPORT"))
        trouble = lost_answers(method, 1), refusing(method, 503, chance.randint(0, 2))
        desk.relay.tamper = chance.choice((as_it_is, *trouble))
        desk.run(now)
    desk.relay.tamper = as_it_is
    desk.run(now)
    assert desk.run(now).error is None
    sessions = {each.id: (each.starts_at, each.ends_at) for each in desk.sessions}
    assert {id: sessions.get(id) for id in moved} == moved
    assert {each.id for each in desk.sessions if each.pinned} == set(moved)
    assert not declined & set(sessions)
    there = {name.removesuffix(".ics"): times for name, times in desk.on_server().items()}
    assert {id: times for id, times in there.items() if times[1] > now} == {
        id: times for id, times in sessions.items() if times[1] > now
    }
    desk.relay.server.requests.clear()
    desk.run(now)
    assert desk.relay.asked == ["PROPFIND"]


# ── busy time in ──


START = datetime(2026, 10, 12, tzinfo=UTC)
END = START + timedelta(days=28)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.fixture
def busy(ada) -> Callable[..., list[tuple[str, str]]]:
    """`busy([event, ...], ...)`: the taken time of four weeks of October, as ("12 08:00", "12 10:00") pairs in UTC."""

    def read(*objects: list[Lines], all_day: bool = False) -> list[tuple[str, str]]:
        ada.make()
        for number, components in enumerate(objects):
            ada.put(f"{number}.ics", *components)
        calendar = open_calendar(
            "caldav", name="work", url=ada.url, path=None, username=ada.username, password=ada.password, all_day=all_day
        )
        found = calendar.busy(start=START, end=END, zone=AMSTERDAM)
        assert found.warnings == ()
        return [(f"{each.starts_at:%d %H:%M}", f"{each.ends_at:%d %H:%M}") for each in found.busy]

    return read


def test_what_blocks(busy):
    """The same events as in a file: zones, floating times and durations; not what is free, cancelled or ours."""
    hours = ["DTSTART:20261016T080000Z", "DTEND:20261016T090000Z"]
    assert busy(
        [vevent("UID:a", "DTSTART:20261013T080000Z", "DTEND:20261013T090000Z")],
        [vevent("UID:b", "DTSTART;TZID=America/New_York:20261014T080000", "DURATION:PT1H30M")],
        [vevent("UID:c", "DTSTART:20261015T080000", "DTEND:20261015T090000")],
        [vevent("UID:d", *hours, "TRANSP:TRANSPARENT")],
        [vevent("UID:e", *hours, "STATUS:CANCELLED")],
        [vevent("UID:0123456789ab-1@gradent", *hours)],
        [vevent("UID:f", "DTSTART;VALUE=DATE:20261016", "DTEND;VALUE=DATE:20261017")],
        [vevent("UID:g", "DTSTART:20270101T080000Z", "DTEND:20270101T090000Z")],
    ) == [("13 08:00", "13 09:00"), ("14 12:00", "14 13:30"), ("15 06:00", "15 07:00")]


@pytest.mark.parametrize("torn", [1, 2, 3])
def test_busy_events_that_cannot_be_read(relay, ada, torn):
    """They are left out and counted; only when nothing can be read, the calendar cannot be."""
    ada.make()
    for day in (13, 14, 15):
        ada.put(f"{day}.ics", vevent(f"UID:{day}", f"DTSTART:202610{day}T080000Z", f"DTEND:202610{day}T090000Z"))

    def tamper(_: Request, answer: Answer) -> Answer:
        for day in range(15, 15 - torn, -1):
            event = re.compile(rb"BEGIN:VCALENDAR(?:(?!END:VCALENDAR).)*?UID:%d.*?END:VCALENDAR" % day, re.DOTALL)
            answer.body = event.sub(lambda found: found[0].removesuffix(b"END:VCALENDAR"), answer.body)
        return answer

    relay.tamper = tamper
    calendar = open_calendar(
        "caldav", name="work", url=relay.url(ada), path=None, username=ada.username, password=ada.password
    )
    if torn == 3:
        with pytest.raises(SourceError, match="cannot read calendar 'work': it stops half way"):
            calendar.busy(start=START, end=END, zone=AMSTERDAM)
        return
    found = calendar.busy(start=START, end=END, zone=AMSTERDAM)
    assert [each.starts_at.day for each in found.busy] == [13, 14, 15][:-torn]
    assert found.warnings == (f"work: left out {('1 event', '2 events')[torn - 1]} that cannot be read",)


def test_series_over_the_clock_change(busy):
    """A weekly lecture stays at ten on its own clock; excluded, moved, cancelled and freed instances are heeded."""
    zone = "TZID=Europe/Amsterdam"

    def instance(day: str, *lines: str) -> Lines:
        return vevent("UID:a", f"RECURRENCE-ID;{zone}:{day}T100000", *lines)

    assert busy(
        [
            vevent(
                "UID:a",
                f"DTSTART;{zone}:20260902T100000",
                f"DTEND;{zone}:20260902T120000",
                "RRULE:FREQ=WEEKLY;BYDAY=WE,TH",
                f"EXDATE;{zone}:20261015T100000",
            ),
            instance("20261021", f"DTSTART;{zone}:20261020T140000", f"DTEND;{zone}:20261020T150000"),
            instance("20261022", f"DTSTART;{zone}:20261022T100000", "STATUS:CANCELLED"),
            instance("20261029", f"DTSTART;{zone}:20261029T100000", "DURATION:PT1H", "TRANSP:TRANSPARENT"),
        ]
    ) == [
        ("14 08:00", "14 10:00"),
        ("20 12:00", "20 13:00"),
        ("28 09:00", "28 11:00"),
        ("04 09:00", "04 11:00"),
        ("05 09:00", "05 11:00"),
    ]


def test_whole_days_block_where_wanted(busy):
    """With `all_day`, whole days block from midnight to midnight of the student, 25 hours when the clocks change."""
    assert busy(
        [vevent("UID:a", "DTSTART;VALUE=DATE:20261013", "DTEND;VALUE=DATE:20261015")],
        [vevent("UID:b", "DTSTART;VALUE=DATE:20261025")],
        [vevent("UID:c", "DTSTART;VALUE=DATE:20261030", "TRANSP:TRANSPARENT")],
        [vevent("UID:d", "DTSTART;VALUE=DATE:20261107", "DTEND;VALUE=DATE:20261130")],
        all_day=True,
    ) == [("12 22:00", "14 22:00"), ("24 22:00", "25 23:00"), ("06 23:00", "09 00:00")]


def test_the_calendar_that_sessions_are_in_may_be_busy_too(desk):
    """Our own events there block nothing; the student's do."""
    desk.account.make()
    desk.account.put("party.ics", vevent("UID:party", "DTSTART:20261124T000000Z", "DTEND:20261127T000000Z"))
    desk.busy = (desk.account,)
    desk.run()
    before = desk.sessions
    assert not any(at(24, 0) < each.ends_at and each.starts_at < at(27, 0) for each in before)
    assert desk.run(LATER).changed is False
    assert desk.sessions == before


def test_a_busy_calendar_that_is_away(desk):
    """Without one of the calendars the plan stays, and the calendar of the sessions with it."""
    desk.run()
    before = desk.sessions
    desk.busy = (replace(desk.account, url=f"{desk.account.url}nowhere/"),)
    desk.work = ESSAY.replace("effort_hours = 6", "effort_hours = 9")
    report = desk.run(LATER)
    assert report.error is not None
    assert report.error.startswith("cannot read calendar 'busy': there is no calendar at its address (HTTP 404)")
    assert desk.sessions == before
    assert desk.in_step()


def test_a_busy_calendar_on_a_server_that_goes_down(ada, relay, tmp_path):
    """What it gave last counts while it is down."""
    ada.make()
    ada.put("a.ics", vevent("UID:a", "DTSTART:20261013T080000Z", "DTEND:20261013T090000Z"))

    def busy():
        cache = FeedCache(tmp_path / "feeds", now=START)
        calendar = open_calendar(
            "caldav",
            name="work",
            url=relay.url(ada),
            path=None,
            username=ada.username,
            password=ada.password,
            cache=cache,
        )
        return calendar.busy(start=START, end=END, zone=AMSTERDAM)

    before = busy()
    relay.tamper = lambda *_: Answer(503)
    found = busy()
    assert (found.busy, found.given_at) == (before.busy, START)
    assert len(found.busy) == 1
    assert "HTTP 503" in found.error


# ── servers that are none, or mean harm ──


HOSTILE = {
    "a web page": (
        Answer(207, b"<!DOCTYPE html><html><body>Sign in</body></html>"),
        "the server's answer declares a document type, which CalDAV never needs",
    ),
    "an untidy web page": (
        Answer(207, b"<html><body><p>Sign in<br></body></html>"),
        "the server's answer is an HTML page, probably a login page; is the address that of a CalDAV calendar?",
    ),
    "words": (
        Answer(207, b"no"),
        "the server's answer is not XML; is the address that of a CalDAV calendar?",
    ),
    "an entity bomb": (
        Answer(
            207,
            b'<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a "aaaaaaaaaa">'
            + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
            + b']><m xmlns="DAV:">&j;</m>',
        ),
        "the server's answer declares a document type, which CalDAV never needs",
    ),
    "a bomb in another encoding": (
        Answer(207, '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE m [<!ENTITY a "b">]><m>&a;</m>'.encode("utf-16")),
        "the server's answer declares a document type, which CalDAV never needs",
    ),
    "other XML": (Answer(207, b"<rss><channel/></rss>"), "what the server answers is not CalDAV"),
    "an endless answer": (
        Answer(207, b'<m xmlns="DAV:">' + b" " * 20_000_001),
        "its answer goes on, and at most 20 MB is read",
    ),
    "a part": (
        Answer(
            207,
            b'<m:multistatus xmlns:m="DAV:"><m:response><m:href>/secret-path/</m:href>'
            b"<m:status>HTTP/1.1 507 Insufficient Storage</m:status></m:response></m:multistatus>",
        ),
        "the server shows only a part of it, so nothing of it is used",
    ),
    "no CalDAV": (Answer(200, b"ok"), "the server answered with HTTP 200"),
    "GET only": (Answer(501), "the server does not know how to do that, so it is none for CalDAV (HTTP 501)"),
    "405": (Answer(405), "the server does not let us do that at this address (HTTP 405)"),
    "401": (Answer(401), "the user name or password is refused (HTTP 401)"),
    "403": (Answer(403), "this account may not read it (HTTP 403)"),
    "a circle": (
        Answer(301, headers={"Location": "/again/"}),
        "the server sends us from one address to the next",
    ),
    "elsewhere": (
        Answer(302, headers={"Location": "http://localhost:1/secret-path/"}),
        "the server sends us on to another one, where the password must not go",
    ),
    "no address": (
        Answer(302, headers={"Location": "http://[/"}),
        "the server sends us on to another one, where the password must not go",
    ),
}


def hostile(server: Server) -> Collection:
    return Collection(
        label="calendar 'work'", url=f"{server.url}/secret-path/", username="ada", password="secret-pass", seconds=20
    )


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_servers(server, kind):
    """Each is refused in a sentence of its own that tells neither address nor password."""
    server.answer, why = HOSTILE[kind]
    for ask in (lambda it: it.etags(), lambda it: it.between(START, END), lambda it: it.look()):
        with pytest.raises(SourceError) as caught:
            ask(hostile(server))
        assert caught.value.message == f"cannot read calendar 'work': {why}"
        said = "".join(traceback.format_exception(caught.value)) + repr(hostile(server)) + str(caught.value.hint)
        assert "secret" not in said


def test_a_server_that_hangs(server):
    """It costs the time that it is given and no more; after that nothing more is asked."""
    server.raw = lambda handler, request: server.closing.wait(30)
    collection = replace(hostile(server), seconds=0.1)
    with pytest.raises(SourceError, match=r"no complete answer within 0\.1 seconds|no answer in time"):
        collection.etags()
    late = replace(hostile(server), deadline=0.0)
    with pytest.raises(SourceError, match="it takes too long altogether"):
        late.etags()
    assert len(server.requests) == 1


def test_a_listing_of_calendars_is_no_calendar(desk, ada):
    """The address of all of a user's calendars is refused before anything is written there."""
    ada.make()
    desk.account = replace(ada, url=ada.url.removesuffix("study/"))
    report = desk.run()
    assert report.error == (
        "cannot read the study calendar: what is at its address is not a calendar; "
        "give the address of one calendar, as the service shows it for CalDAV"
    )


def test_a_redirection_on_the_same_server_is_followed(server):
    """Verb, body and password go along."""

    def answer(asked: Request) -> Answer:
        if asked.path == "/secret-path/":
            return Answer(301, headers={"Location": "/calendars/study/"})
        return Answer(
            207,
            b'<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><d:response>'
            b"<d:href>/secret-path</d:href><d:propstat><d:prop><d:resourcetype><d:collection/><c:calendar/>"
            b"</d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>",
        )

    server.answer = answer
    assert hostile(server).etags() == {}
    first, second = server.requests
    assert (second.method, second.path, second.body) == ("PROPFIND", "/calendars/study/", first.body)
    assert second.headers["Authorization"] == first.headers["Authorization"] != ""


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_tree_or_refused(body):
    """Whatever a server sends, `parse` gives a tree or says why not."""
    with suppress(ValueError):
        assert parse(body).tag


def test_a_very_deep_tree():
    """A hundred thousand levels are a tree like any other."""
    body = b"<a>" * 100_000 + b"</a>" * 100_000
    assert parse(body).tag == "a"


# ── as a person does it ──


SECRETS = ("planted-caldav-pass", "wrong-planted-pass", "/study/", "/nowhere/")


@pytest.fixture
def set_up(gradent, ada, tmp_path) -> Callable[..., None]:
    """`gradent config set`, with the secrets from standard input; assignments that are due in two weeks."""

    def set_up(url: str = ada.url, password: str = ada.password) -> None:
        due = datetime.now(UTC) + timedelta(days=14)
        (tmp_path / "list.csv").write_text(f"title,due,effort_hours\nEssay 1,{due.isoformat()},6\n")
        gradent("config", "set", "--source", str(tmp_path / "list.csv"))
        for key, value in (("url", url), ("username", ada.username), ("password", password)):
            result = gradent("config", "set", f"study.calendar.{key}", "-", input=value)
            assert result.code == 0, result.err
            assert not any(secret in result.out + result.err for secret in SECRETS)

    return set_up


def checks(gradent: Gradent) -> dict[str, tuple[str, str, str | None]]:
    document = json.loads(gradent("doctor", "--json").out)
    return {each["check"]: (each["status"], each["message"], each["remedy"]) for each in document}


def test_the_walk(gradent, ada, set_up):
    """Set it up, ask doctor, dry-run, run: sessions are in the calendar, and the second run has nothing to do."""
    set_up()
    assert checks(gradent)["study calendar"] == ("warning", "it is not there yet; the first run makes it", None)
    assert gradent("run", "--dry-run").code == 0
    assert ada.ask("PROPFIND", Depth="0").status == 404
    run = json.loads(gradent("run", "--json").out)
    assert [call["tool"] for call in run["tools"]][-2:] == ["schedule", "publish"]
    planned = json.loads(gradent("plan", "--json").out)["sessions"]
    assert ada.names() == {f"{each['id']}.ics" for each in planned} != set()
    assert checks(gradent)["study calendar"] == ("ok", "can be read and written", None)
    run = json.loads(gradent("run", "--json").out)
    assert run["tools"][-1]["result"] == "Every session is in it as it should be"
    assert not any(secret in gradent("config", "show").out for secret in SECRETS)


def test_a_pinned_session_is_shown_as_such(gradent, ada, set_up):
    """`plan --json` tells which sessions the student moved."""
    set_up()
    gradent("run", "--quiet")
    name = min(ada.names())
    day = datetime.now(UTC) + timedelta(days=3)
    ada.edit(name, DTSTART=f"DTSTART:{day:%Y%m%d}T220000Z", DTEND=f"DTEND:{day:%Y%m%d}T233000Z")
    assert gradent("run", "--quiet").code == 0
    pinned = [each for each in json.loads(gradent("plan", "--json").out)["sessions"] if each["pinned"]]
    assert [(f"{each['id']}.ics", each["starts_at"][11:16]) for each in pinned] == [(name, "22:00")]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"password": "wrong-planted-pass"}, "the user name or password is refused (HTTP 401)"),
        ({"url": "http://127.0.0.1:1/nowhere/"}, "the connection failed"),
    ],
)
def test_a_calendar_that_cannot_be_used(gradent, set_up, state, wrong, why):
    """The run fails in one sentence after everything else is done, doctor says the same, and no secret is anywhere."""
    set_up(**wrong)
    result = gradent("run", "--quiet")
    assert result.code == 1
    assert f"cannot read the study calendar: {why}" in result.err
    assert json.loads(gradent("plan", "--json").out)["sessions"]
    assert (state / "plan.ics").exists()
    verdict, message, _ = checks(gradent)["study calendar"]
    assert (verdict, message.startswith(f"cannot read it: {why}")) == ("failed", True)
    said = result.err + gradent("history", "last").out + gradent("doctor").out
    assert not any(secret in said for secret in SECRETS)
    for path in state.rglob("*"):
        assert not path.is_file() or not any(secret.encode() in path.read_bytes() for secret in SECRETS), path


def test_a_calendar_that_may_only_be_read(gradent, set_up, server, ada):
    """Doctor says so before a run finds out."""
    server.answer = Answer(
        207,
        b'<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><d:response><d:href>/study/</d:href>'
        b"<d:propstat><d:prop><d:resourcetype><c:calendar/></d:resourcetype><d:current-user-privilege-set>"
        b"<d:privilege><d:read/></d:privilege></d:current-user-privilege-set></d:prop>"
        b"<d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>",
    )
    set_up(url=f"{server.url}/study/")
    assert checks(gradent)["study calendar"] == (
        "failed",
        "it can be read, but not written",
        "give this account the right to write to it",
    )


def test_a_busy_calendar_in_doctor(gradent, config, ada):
    """A CalDAV calendar is asked with its password, not its host alone."""
    config.write_text(
        f'[[study.busy]]\nkind = "caldav"\nname = "work"\nurl = "{ada.url}"\nusername = "{ada.username}"\n'
        f'password = "{ada.password}"\n'
    )
    assert checks(gradent)["calendar work"][:2] == (
        "failed",
        "cannot read it: there is no calendar at its address (HTTP 404)",
    )
    ada.make()
    assert checks(gradent)["calendar work"] == ("ok", "can be read", None)


def test_a_calendar_that_stays_away_is_told(gradent, set_up, server):
    """The phone hears of the plan all the same, and once of what failed and which part of it."""
    set_up(url="http://127.0.0.1:1/nowhere/")
    gradent("config", "set", "--ntfy-topic", "gradent-test-x7k2m9", "--ntfy-server", server.url)
    heard = []
    for _ in range(2):
        server.requests.clear()
        gradent("run", "--quiet")
        heard.append([body["title"].partition(" ")[2] for body in server.bodies])
        assert not any(secret in str(server.bodies) for secret in SECRETS)
    assert heard[0][-3:] == ["Schedule sessions", "Update your calendar failed", "Agent Failed"]
    assert heard[1] == ["Agent Started"]
