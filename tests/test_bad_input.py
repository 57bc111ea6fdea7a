"""Whatever a school's server or a student's file says: a sentence or a sensible value, nothing lost, nobody harmed.

Each case is a run of the real program: a feed on a real server or a file, the real database, and ntfy and Discord on
loopback. Before it there was a good run, and after it there is one again.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar

from gradent_cli.text import one_line
from tests.conftest import Gradent, Result
from tests.street.badness import BROKEN, TITLES, WORKING, calendar, deadline
from tests.street.discord import Discord, discord
from tests.street.ntfy import Ntfy, ntfy
from tests.street.server import Answer, Request, Server
from tests.test_harmless import HARMFUL, strings, texts_in

ESSAY = deadline("Essay 1", uid="essay")
GOOD = calendar(*ESSAY)
EVENT_PROPERTIES = {"UID", "DTSTAMP", "DTSTART", "DTEND", "SEQUENCE", "SUMMARY", "CATEGORIES"}


@dataclass
class Student:
    """Somebody with the default config, one source, and a phone that takes everything."""

    gradent: Gradent
    home: Path
    server: Server
    phone: Ntfy
    chat: Discord
    date: str = field(default_factory=lambda: f"{datetime.now(UTC) + timedelta(days=6):%Y-%m-%d}")

    @property
    def day(self) -> str:
        return self.date.replace("-", "")

    @property
    def state(self) -> Path:
        return self.home / ".local/state/gradent"

    def configure(self, *sources: str) -> None:
        """Write the config; each source is the lines of its table."""
        path = self.home / ".config/gradent/config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        tables = "".join(f"[[study.sources]]\n{source}\n" for source in sources)
        path.write_text(
            f'[agent]\ntimeout = "2min"\n[ntfy]\nserver = "{self.phone.server.url}"\ntopic = "{self.phone.topic}"\n'
            f'[discord]\nwebhook = "{self.chat.webhook}"\n{tables}'
        )
        path.chmod(0o600)

    def publish(self, **feeds: bytes) -> None:
        """Make these the feeds that the server has, by name; {day} in them becomes a day of next week."""
        day = self.day.encode()

        def answer(request: Request) -> Answer:
            feed = feeds[request.path.removeprefix("/").removesuffix(".ics")]
            return Answer(200, feed.replace(b"{day}", day), {"Content-Type": "text/calendar"})

        self.server.answer = answer

    def subscribe(self, *names: str) -> None:
        """Feeds by their addresses."""
        self.configure(*(f'kind = "ics"\nname = "{name}"\nurl = "{self.server.url}/{name}.ics"' for name in names))

    def keep(self, **lists: str) -> None:
        """Lists kept by hand, by name and kind: `one_toml`."""
        tables = []
        for name, text in lists.items():
            kind = name.rpartition("_")[2]
            (self.home / name).write_text(text, encoding="utf-8", newline="")
            tables.append(f'kind = "{kind}"\nname = "{name}"\npath = "{self.home / name}"')
        self.configure(*tables)

    def run(self) -> Result:
        """One run; whatever it was given, what comes out of it is in order."""
        result = self.gradent("run")
        assert result.code in (0, 1), result
        assert "Traceback" not in result.out + result.err + self.log
        self.check_outputs(result)
        return result

    @property
    def log(self) -> str:
        path = self.state / "gradent.log"
        return path.read_text() if path.exists() else ""

    def known(self) -> list[dict[str, Any]]:
        """What `assignments --json` shows."""
        found: list[dict[str, Any]] = json.loads(self.gradent("assignments", "--json").out)
        return found

    def titles(self) -> set[tuple[str, str]]:
        """The source and title of each."""
        return {(each["source"], each["title"]) for each in self.known()}

    def plan(self) -> str:
        return self.gradent("plan", "--json").out

    def check_outputs(self, result: Result) -> None:
        """Harmless on a terminal, in the calendar file and on both channels."""
        database = self.state / "gradent.db"
        shown = {"run": result.out + result.err, "log": self.log, "database": "\n".join(texts_in(database))}
        for command in ("assignments", "plan"):
            page, document = self.gradent(command), self.gradent(command, "--json")
            assert (page.code, document.code, page.err, document.err) == (0, 0, "", "")
            shown |= {command: page.out, f"{command} --json": "\n".join(strings(json.loads(document.out)))}
        for name, server in (("ntfy", self.phone.server), ("discord", self.chat.server)):
            shown[name] = "\n".join(text for body in server.bodies for text in strings(body))
        for where, text in shown.items():
            assert HARMFUL.findall(text) == [], where
        self.check_calendar(database)
        self.check_messages()

    def check_calendar(self, database: Path) -> None:
        """One event for each session and no other."""
        path = self.state / "plan.ics"
        if not path.exists():
            return
        plan = Calendar.from_ical(path.read_bytes())
        with closing(sqlite3.connect(database)) as connection:
            rows = connection.execute("SELECT assignment_id, ordinal, title FROM sessions WHERE NOT cancelled")
            sessions = {f"{id}-{ordinal}@gradent": title for id, ordinal, title in rows}
        events = [component for component in plan.walk() if component.name != "VCALENDAR"]
        assert all(each.name == "VEVENT" and not each.errors for each in events)
        assert {str(each["UID"]): str(each["SUMMARY"]) for each in events} == sessions
        assert {key for each in events for key in each} <= EVENT_PROPERTIES

    def check_messages(self) -> None:
        """Plain text on both, nothing refused, and nobody on Discord is pinged."""
        assert self.phone.messages
        assert len(self.phone.messages) == len(self.phone.server.requests)
        assert self.chat.messages
        assert self.chat.refused == []
        for body in self.phone.messages:
            assert set(body) <= {"topic", "title", "message", "priority", "tags", "sequence_id"}
        for body in self.chat.messages:
            assert body["allowed_mentions"] == {"parse": []}
            assert set(body) == {"username", "allowed_mentions", "embeds"}
            for text in (body["embeds"][0]["title"], body["embeds"][0]["description"]):
                bare = re.sub(r"\\.", "", text)
                assert not any(mark in bare for mark in ("<@", "<script", "](", "**")), text


@pytest.fixture
def student(gradent: Gradent, home: Path, server: Server) -> Iterator[Student]:
    with ntfy() as phone, discord() as chat:
        chat.burst = chat.global_burst = 10_000
        yield Student(gradent, home, server, phone, chat)


def words(result: Result) -> str:
    """What was printed, however it was wrapped."""
    return " ".join((result.out + result.err).split())


def test_feeds_that_are_odd(student):
    """What was known stays known, and the odd assignment of each is there with a due date."""
    names = {f"feed{number}": case for number, case in enumerate(WORKING)}
    student.subscribe(*names)
    student.publish(**dict.fromkeys(names, GOOD))
    assert student.run().code == 0
    student.publish(**{name: WORKING[case] for name, case in names.items()})
    assert student.run().code == 0
    known = student.known()
    for name, case in names.items():
        mine = {each["title"]: each for each in known if each["source"] == name}
        assert mine["Essay 1"]["due_at"] == f"{student.date}T14:59:00Z", case
        assert next(each["due_at"] for title, each in mine.items() if title.startswith("Odd")) >= student.date, case


def test_feeds_that_are_none(student):
    """A sentence for each; all that was known and planned stays; after a good run all is well."""
    names = {f"feed{number}": case for number, case in enumerate(BROKEN)}
    student.subscribe(*names)
    student.publish(**dict.fromkeys(names, GOOD))
    assert student.run().code == 0
    before, planned = student.titles(), student.plan()
    assert len(before) == len(BROKEN)
    student.publish(**{name: BROKEN[case][0] for name, case in names.items()})
    result = student.run()
    assert result.code == 1
    for name, case in names.items():
        assert f"cannot read source '{name}': {BROKEN[case][1]}" in words(result), case
    assert (student.titles(), student.plan()) == (before, planned)
    student.publish(**dict.fromkeys(names, GOOD))
    assert student.run().code == 0
    assert (student.titles(), student.plan()) == (before, planned)


def test_titles_of_all_kinds(student):
    """Each comes out as one line that is not empty, told and planned without harm."""
    student.subscribe("feed")
    student.publish(
        feed=calendar(*(line for number, title in enumerate(TITLES) for line in deadline(title, uid=f"uid{number}")))
    )
    assert student.run().code == 0
    known = student.known()
    assert len(known) == len(TITLES)
    for each in known:
        assert 0 < len(each["title"]) <= 200
        assert each["title"].split() == each["title"].split(" ")
        page = student.gradent("assignments", each["id"])
        assert page.code == 0
        assert HARMFUL.findall(page.out) == []
    plan = json.loads(student.plan())
    sessions = plan["sessions"]
    assert {each["assignment_id"] for each in (*sessions, *plan["short"])} == {each["id"] for each in known}
    assert all(len(each["title"]) <= 130 and seen(each["title"]) for each in sessions)


def seen(text: str) -> bool:
    """Whether there is anything to see in it."""
    return any(character.isprintable() and not character.isspace() for character in text)


def test_titles_of_all_kinds_in_lists(student):
    """The same from lists kept by hand, where a title has to have something in it; in courses and notes, too."""
    texts = [title for title in TITLES if one_line(title)]
    entries = (
        f'[[assignment]]\nid = "{number}"\ntitle = {text}\ncourse = {text}\nnotes = {text}\ndue = {student.date}\n'
        for number, text in enumerate(json.dumps(text, ensure_ascii=False) for text in texts)
    )
    quoted = (text.replace('"', '""') for text in texts)
    rows = (f'{number},"{text}","{text}","{text}",{student.date}' for number, text in enumerate(quoted))
    student.keep(one_toml="\n".join(entries), one_csv="\n".join(["id,title,course,notes,due", *rows]))
    assert student.run().code == 0
    assert len(student.known()) == 2 * len(texts)


GOOD_TOML = '[[assignment]]\ntitle = "Essay 1"\ndue = 2099-01-01\n'
SLIPS_IN_TOML = (
    ('title = "One"\npoints = nan', "points has to be a number from 0 to 100000, not 'nan'"),
    ('title = "One"\npoints = inf', "points has to be a number"),
    ('title = "One"\npoints = -1', "points has to be a number"),
    ('title = "One"\neffort_hours = 1e308', "effort_hours has to be a number from 0 to 1000"),
    ('title = "One"\neffort_hours = -inf', "effort_hours has to be a number"),
    (f'title = "One"\neffort_hours = {"9" * 5000}', "not valid TOML"),
    ('title = "One"\nweight = 101', "weight has to be a number from 0 to 100"),
    ('title = "One"\nnotes = "\\ud800"', "not valid TOML"),
    ('title = "One"\nnotes = "\0"', "not valid TOML"),
    ('title = "One"\ndue = 0000-01-01', "not valid TOML"),
    ('title = "One"\ndue = "99999-01-01"', "due has to be a date"),
    ('title = "\\u0000\\u001b[2J\\u202e"', "it has no title"),
    ('id = "same"\ntitle = "One"\n[[assignment]]\nid = "same"\ntitle = "Two"', "it has the same id as"),
)
SLIPS_IN_CSV = (
    ("title,points\nOne,nan\n", "points has to be a number"),
    ("title,points\nOne,1e3\n", "points has to be a number"),
    ("title,points\nOne,-5\n", "points has to be a number"),
    ("title,effort_hours\nOne,99999\n", "effort_hours has to be a number"),
    ("title,due\nOne,31.12.2026\n", "due has to be a date"),
    ("title,id\nOne,a\nTwo,a\n", "it has the same id as"),
    ('title\n"never closed\n', "not valid CSV"),
    ("title\nOne\0Two,three\n", "there are more values than the header has names"),
)


def test_lists_with_a_slip(student):
    """One sentence each that names the entry or line; nothing of a list is lost, and put right it is read again."""
    slips = {f"list{number}_toml": (f"{GOOD_TOML}[[assignment]]\n{bad}\n", why)
             for number, (bad, why) in enumerate(SLIPS_IN_TOML)}  # fmt: skip
    slips |= {f"list{number}_csv": case for number, case in enumerate(SLIPS_IN_CSV)}
    good = {name: GOOD_TOML if name.endswith("toml") else "title\nEssay 1\n" for name in slips}
    student.keep(**good)
    assert student.run().code == 0
    before, planned = student.titles(), student.plan()
    assert len(before) == len(slips)
    student.keep(**{name: text for name, (text, _) in slips.items()})
    result = student.run()
    assert result.code == 1
    for name, (_, why) in slips.items():
        said = words(result).partition(f"cannot read source '{name}'")[2].partition("cannot read source")[0]
        assert why in said, name
        assert "line" in said or "not valid TOML" in said, name
    assert (student.titles(), student.plan()) == (before, planned)
    student.keep(**good)
    assert student.run().code == 0
    assert (student.titles(), student.plan()) == (before, planned)


def test_due_at_the_ends_of_time(student):
    """The first and last days there are can be told and planned around, with the greatest numbers that are allowed."""
    ends = {
        "0001-01-01": "0001-01-03T00:00:00Z",
        "1970-01-01": "1970-01-01T23:59:00Z",
        "9999-12-31": "9999-12-31T09:59:00Z",
    }
    numbers = {"most": (1000, 100_000, 100), "least": (0, 0, 0)}
    entries = (
        f'[[assignment]]\ntitle = "{name} {due}"\ndue = {due}\n'
        f"effort_hours = {hours}\npoints = {points}\nweight = {weight}\n"
        for due in ends
        for name, (hours, points, weight) in numbers.items()
    )
    student.keep(list_toml="".join(entries))
    assert student.run().code == 0
    known = student.known()
    assert {each["title"]: each["due_at"] for each in known} == {
        f"{name} {due}": shown for due, shown in ends.items() for name in numbers
    }
    for each in known:
        assert 0 <= each["risk"] <= 100
        assert student.gradent("assignments", each["id"]).code == 0


def test_the_connection_ends_half_way(student):
    """Half an answer is no answer."""
    student.subscribe("feed")
    student.publish(feed=GOOD)
    assert student.run().code == 0

    def half(handler: Any, _: object) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + GOOD[:60])

    student.server.raw = half
    result = student.run()
    assert result.code == 1
    assert "cannot read source 'feed'" in words(result)
    assert student.titles() == {("feed", "Essay 1")}
    student.server.raw = None
    assert student.run().code == 0


def test_the_same_source_twice(student):
    """Named alike it is refused; under two names the work is there twice, each with its own source."""
    student.publish(feed=GOOD)
    student.subscribe("feed", "feed")
    refused = student.gradent("run")
    assert refused.code in (0, 78), refused
    student.configure(*(f'kind = "ics"\nname = "{name}"\nurl = "{student.server.url}/feed.ics"' for name in ("a", "b")))
    assert student.run().code == 0
    assert student.titles() == {("a", "Essay 1"), ("b", "Essay 1")}


def test_ten_megabytes_of_description(student):
    """It is read, and only what somebody may read of it is kept."""
    student.subscribe("feed")
    text = "Read chapter 4 first. Submit a report. <p>&amp;" * 220_000
    student.publish(feed=calendar(*deadline("Essay 1", f"DESCRIPTION:{text}", uid="essay")))
    assert student.run().code == 0
    (essay,) = student.known()
    assert (essay["prerequisites"], essay["deliverables"]) == (["Read chapter 4"], ["a report"])
    assert (student.state / "gradent.db").stat().st_size < 1_000_000


def test_a_hundred_thousand_events(student):
    """More than anybody's feed holds is refused in a sentence, and what was known before stays planned."""
    student.subscribe("feed")
    student.publish(feed=calendar(*ESSAY))
    assert student.gradent("run").code == 0
    old = (line for number in range(100_000) for line in deadline("x", uid=f"{number}", at="20200101T120000Z"))
    student.publish(feed=calendar(*(line for line in old if not line.startswith("DTSTAMP")), *ESSAY))
    result = student.gradent("run")
    assert result.code == 1
    assert "more than 50,000 events" in words(result)
    assert "planned with what it gave on" in words(result)
    with closing(sqlite3.connect(student.state / "gradent.db")) as connection:
        assert connection.execute("SELECT DISTINCT title FROM sessions").fetchall() == [("Essay 1",)]
