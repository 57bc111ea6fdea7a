"""The student's own calendar on a real server, Radicale: busy time in, sessions out, what the student does there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import icalendar
import pytest
import vobject

from gradent_cli.agents import RunContext, ToolCallTracker
from gradent_cli.agents.study import StudyAgent
from gradent_cli.agents.study.calendars import open_calendar
from gradent_cli.agents.study.publish import open_publisher
from gradent_cli.agents.study.schedule import Rules
from gradent_cli.agents.study.sources import open_source
from gradent_cli.agents.study.store import Store
from gradent_cli.database import open_database
from gradent_cli.records import Report, Session, ToolCall
from tests.street.feeds import ics, vevent
from tests.street.radicale import Account, Radicale, serving

NOW = datetime(2026, 11, 23, 14, 3, tzinfo=UTC)  # a Monday
LATER = NOW + timedelta(minutes=10)
ZONE = ZoneInfo("Europe/Berlin")
ESSAY = """
[[assignment]]
id = "essay"
title = "Essay 1"
due = 2026-12-04T23:59:00+01:00
"""


@pytest.fixture(scope="session")
def radicale(tmp_path_factory) -> Iterator[Radicale]:
    with serving(tmp_path_factory.mktemp("radicale")) as running:
        yield running


@pytest.fixture
def ada(radicale) -> Account:
    """A user whose calendar is not there yet."""
    return radicale.account()


@dataclass
class Desk:
    """A student's desk: a list of assignments, a database, and a calendar on a server."""

    folder: Path
    account: Account
    work: str = ESSAY
    busy: tuple[Account, ...] = ()
    calls: dict[str, ToolCall] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection = open_database(self.folder / "gradent.db")
        self.store = Store(self.connection)

    def run(self, now: datetime = NOW, *, read_only: bool = False, url: str | None = None) -> Report:
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
                url=url or account.url,
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
        return self.store.sessions()

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
def desk(tmp_path, ada) -> Iterator[Desk]:
    desk = Desk(tmp_path, ada)
    yield desk
    desk.connection.close()


def utc(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def test_first_run(desk):
    """The calendar is made, and every session is in it."""
    report = desk.run()
    assert report.error is None
    assert desk.calls["publish"].result == "5 new"
    assert len(desk.sessions) == 5
    assert desk.in_step()
