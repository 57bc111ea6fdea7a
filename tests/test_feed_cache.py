"""Feeds are asked only for what is new, and only what was understood stands for what a server calls unchanged."""

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from gradent_cli.agents.study.cache import ASK_WHOLE_AFTER, FORGET_AFTER, FeedCache, Kept, to_keep
from gradent_cli.agents.study.calendars import open_calendar
from gradent_cli.agents.study.sources import open_source
from gradent_cli.agents.study.sources.ics import AHEAD
from gradent_cli.errors import SourceError
from tests.street import feeds
from tests.street.server import Answer

NOW = datetime(2026, 11, 23, 14, 3, tzinfo=UTC)
DUE = datetime(2026, 12, 4, 22, 59, tzinfo=UTC)
SECRET = feeds.secret_of("canvas")
FEED = feeds.canvas(feeds.canvas_assignment(1, "Essay", "ENG", DUE))
OTHER = feeds.canvas(feeds.canvas_assignment(1, "Essay", "ENG", DUE), feeds.canvas_assignment(2, "Quiz", "ENG", DUE))


class Feed:
    """A server that knows its feed's entity tag or date, and answers 304 to who names it."""

    def __init__(self, server, body=FEED, *, dated=False):
        self.server = server
        self.body = body
        self.dated = dated
        self.more = {}
        server.answer = self._answer

    @property
    def validator(self):
        return f"Mon, 23 Nov 2026 10:00:{len(self.body) % 60:02d} GMT" if self.dated else f'"{len(self.body)}"'

    def _answer(self, request):
        asked = request.headers.get("If-Modified-Since" if self.dated else "If-None-Match")
        headers = {"Last-Modified" if self.dated else "ETag": self.validator, **self.more}
        return Answer(304, b"", headers) if asked == self.validator else Answer(200, self.body, headers)

    @property
    def asked(self):
        """What each request named: "" where it asked for everything."""
        return [
            request.headers.get("If-None-Match", request.headers.get("If-Modified-Since", ""))
            for request in self.server.requests
        ]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state" / "feeds"


@pytest.fixture
def url(server):
    return f"{server.url}/feeds/user_{SECRET}.ics"


@pytest.fixture
def read(folder, url):
    """Titles that a run at `now` reads."""

    def read(now=NOW, **how):
        cache = FeedCache(folder, now=now, **how)
        harvest = open_source("ics", name="uni", url=url, path=None, cache=cache).read(now=now, zone=UTC)
        return [each.title for each in harvest.assignments]

    return read


@pytest.mark.parametrize("dated", [False, True])
def test_second_run_asks_for_what_is_new(server, read, dated):
    """The second run names what it has, is told that nothing changed, and reads the same; then what is new is read."""
    feed = Feed(server, dated=dated)
    assert read() == read() == read(NOW + timedelta(hours=1)) == ["Essay"]
    first = feed.validator
    assert feed.asked == ["", first, first]
    feed.body = OTHER
    assert read() == ["Essay", "Quiz"] == read()
    assert feed.asked[3:] == [first, feed.validator]


def test_calendars_too(server, folder, url):
    """A busy calendar is asked in the same way, and takes the same time the second time."""
    event = feeds.vevent("UID:a", "DTSTART:20261124T090000Z", "DTEND:20261124T100000Z", "SUMMARY:Job")
    feed = Feed(server, feeds.ics(event))

    def busy():
        cache = FeedCache(folder, now=NOW)
        calendar = open_calendar("ics", name="job", url=url, path=None, cache=cache)
        return calendar.busy(start=NOW, end=NOW + timedelta(days=7), zone=UTC)

    assert busy() == busy()
    assert len(busy().busy) == 1
    assert feed.asked[1:] == [feed.validator] * 2


@pytest.fixture
def work(folder, url):
    """`work(now)`: what a busy calendar behind the address blocks within a week."""

    def busy(now=NOW, *, read_only=False, days=7):
        cache = FeedCache(folder, now=now, read_only=read_only)
        calendar = open_calendar("ics", name="work", url=url, path=None, cache=cache)
        return calendar.busy(start=now, end=now + timedelta(days=days), zone=UTC)

    return busy


DAILY = feeds.vevent("UID:a", "DTSTART:20261101T140000Z", "DTEND:20261101T150000Z", "RRULE:FREQ=DAILY", "SUMMARY:Essay")


@pytest.mark.parametrize("more", [{}, {"Cache-Control": "no-store"}])
def test_a_calendar_that_is_down_counts_as_it_was(server, work, more):
    """What a calendar blocked last still counts while it is down, in the days since come into view, too."""
    server.answer = Answer(200, feeds.ics(DAILY), more)
    first = work()
    assert (len(first.busy), first.error) == (8, None)
    server.answer = Answer(500)
    found = work(NOW + timedelta(days=20))
    assert [each.starts_at.day for each in found.busy] == [13, 14, 15, 16, 17, 18, 19, 20]
    assert found.busy[0].starts_at == NOW + timedelta(days=20)
    assert found.given_at == NOW
    assert found.error == "cannot read calendar 'work': the server cannot answer at the moment (HTTP 500)"
    with pytest.raises(SourceError):
        work(NOW + FORGET_AFTER + timedelta(minutes=1))
    server.answer = Answer(200, feeds.ics(), more)
    assert (work(NOW + timedelta(days=21)).busy, work(NOW + timedelta(days=21)).error) == ((), None)


def test_what_a_calendar_gave_is_written_when_it_is_news(server, work, folder):
    """The same again is written once a day, so that it stays young; anything else at once."""
    job = feeds.vevent("UID:a", "DTSTART:20261205T140000Z", "DTEND:20261205T150000Z", "SUMMARY:Job")
    server.answer = Answer(200, feeds.ics(job), {"Cache-Control": "no-store"})

    def kept(after):
        work(NOW + after)
        (path,) = folder.iterdir()
        head = json.loads(path.read_bytes().partition(b"\n")[0])
        return datetime.fromisoformat(head["kept_at"]) - NOW

    day, hour, none = timedelta(days=1), timedelta(hours=1), timedelta(0)
    assert [kept(none), kept(hour), kept(day), kept(day + hour), kept(day + 2 * hour)] == [
        *[none] * 3,
        *[day + hour] * 2,
    ]
    server.answer = Answer(200, feeds.ics(DAILY), {"Cache-Control": "no-store"})
    assert kept(day + 3 * hour) == day + 3 * hour


def test_a_calendar_that_was_never_read(server, work, folder):
    """Without a copy, with a damaged one, or after a dry run alone, a calendar that is down is an error."""
    server.answer = Answer(200, feeds.ics(DAILY))
    assert work(read_only=True).busy
    assert not folder.exists()
    server.answer = Answer(500)
    with pytest.raises(SourceError):
        work()
    server.answer = Answer(200, feeds.ics(DAILY))
    work()
    server.answer = Answer(500)
    assert len(work(read_only=True).busy) == 8
    (kept,) = folder.iterdir()
    assert SECRET.encode() not in kept.read_bytes()
    good = kept.read_bytes()
    for raw in damaged(good):
        kept.write_bytes(raw)
        with pytest.raises(SourceError):
            work()
    kept.write_bytes(good)
    assert len(work().busy) == 8


def test_the_files_are_private_and_nameless(server, folder, read, url):
    """Only the student can read what is kept, and the address is nowhere in it."""
    Feed(server)
    read()
    (kept,) = folder.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert kept.name == sha256(url.encode()).hexdigest()
    assert SECRET.encode() not in kept.read_bytes()


@pytest.mark.parametrize(
    "body", [b"<html><title>Sign in</title></html>", b"Invalid authentication", b"", FEED[:-40], b'{"a": 1}']
)
def test_only_what_was_understood_is_kept(server, folder, read, body):
    """A login page, or half a feed, never becomes what "unchanged" stands for; what was kept before it stays."""
    feed = Feed(server, body)
    with pytest.raises(SourceError):
        read()
    assert not folder.exists()
    feed.body = FEED
    assert read() == ["Essay"]
    first = feed.validator
    feed.body = body
    with pytest.raises(SourceError):
        read()
    feed.body = FEED
    assert read() == ["Essay"]
    assert feed.asked == ["", "", first, first]
    assert server.requests[-1].headers["If-None-Match"] == first


def test_what_is_unchanged_but_no_longer_understood(server, folder, read, url):
    """What an older gradent kept and this one cannot read is asked for anew in the same run, and then replaced."""
    feed = Feed(server)
    FeedCache(folder, now=NOW).keep(url, Kept(body=FEED[:-40], tag=feed.validator))
    assert read(read_only=True) == ["Essay"]
    assert feed.asked == [feed.validator, ""]
    assert read() == read() == ["Essay"]
    assert feed.asked[2:] == [feed.validator, "", feed.validator]


def test_unchanged_and_not_understood_for_good(server, folder, read, url):
    """A feed that cannot be read anew either fails as it would without anything kept, and is not asked a third time."""
    feed = Feed(server, FEED[:-40])
    FeedCache(folder, now=NOW).keep(url, Kept(body=FEED[:-40], tag=feed.validator))
    with pytest.raises(SourceError, match="stops half way"):
        read()
    assert feed.asked == [feed.validator, ""]
    assert list(folder.iterdir()) == []


def test_unchanged_without_having_asked(server, read):
    """A server that says "unchanged" to who has nothing is refused in words."""
    server.answer = Answer(304, b"")
    with pytest.raises(SourceError, match=r"though it was asked for everything \(HTTP 304\)"):
        read()


def test_a_dry_run_keeps_nothing(server, folder, read):
    """A run that must not write leaves no file, and uses the one that there is."""
    feed = Feed(server)
    assert read(read_only=True) == ["Essay"]
    assert not folder.exists()
    read()
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    feed.body = OTHER
    assert read(read_only=True) == ["Essay", "Quiz"]
    FeedCache(folder, now=NOW + 2 * FORGET_AFTER, read_only=True).tidy()
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def damaged(raw):
    """What may have happened to a kept file."""
    head, _, body = raw.partition(b"\n")
    fields = json.loads(head)
    yield b""
    yield b"\n"
    yield raw[:-1]
    yield raw + b"x"
    yield raw.replace(b"Essay", b"Assay")
    yield head
    yield b"\0" * len(raw)
    yield b"[]\n" + body
    yield b"null\n" + body
    for change in (
        {"format": "gradent feed 0"},
        {"kept_at": "soon"},
        {"kept_at": 7},
        {"kept_at": "2026-11-23T14:03:00"},
        {"kept_at": "2026-11-30T00:00:00+00:00"},
        {"tag": '"other"'},
        {"tag": 7},
        {"size": -1},
        {"size": "x"},
        {"size": 10**30},
        {"digest": "x"},
    ):
        yield json.dumps(fields | change).encode() + b"\n" + body
    yield json.dumps({name: value for name, value in fields.items() if name != "tag"}).encode() + b"\n" + body


def test_a_damaged_file_is_a_miss(server, folder, read):
    """A file that is not as it was written counts as none, and the next whole one takes its place."""
    feed = Feed(server)
    read()
    (kept,) = folder.iterdir()
    good = kept.read_bytes()
    damages = list(damaged(good))
    assert len(damages) > 20
    for raw in damages:
        kept.write_bytes(raw)
        asked = len(feed.asked)
        assert read() == ["Essay"]
        assert feed.asked[asked:] == [""], raw[:300]
        assert kept.read_bytes() == good


def test_what_is_no_file_of_ours_is_a_miss(server, folder, read, tmp_path):
    """A link, a pipe or a folder in the file's place is not followed, waited for, or a reason to fail."""
    feed = Feed(server)
    read()
    (kept,) = folder.iterdir()
    elsewhere = tmp_path / "elsewhere"
    kept.rename(elsewhere)
    kept.symlink_to(elsewhere)
    elsewhere.write_text("the student's own")
    assert read() == ["Essay"]
    assert elsewhere.read_text() == "the student's own"
    kept.unlink()
    os.mkfifo(kept)
    assert read() == ["Essay"]
    kept.unlink()
    kept.mkdir()
    assert read() == ["Essay"]
    assert feed.asked == [""] * 4


def test_a_folder_that_cannot_be_made(server, folder, read):
    """Where nothing can be kept, a run reads everything each time."""
    feed = Feed(server)
    folder.parent.mkdir()
    folder.write_text("a file in its place")
    assert read() == read() == ["Essay"]
    assert feed.asked == ["", ""]


def test_only_the_tag_is_named(server, read):
    """Where a feed has a tag and a date, the date alone may not make it "unchanged"."""
    feed = Feed(server)
    feed.more = {"Last-Modified": "Mon, 23 Nov 2026 10:00:00 GMT"}
    read()
    read()
    assert feed.asked == ["", feed.validator]
    assert "If-Modified-Since" not in server.requests[-1].headers


def test_what_is_unchanged_is_read_anew(server, read):
    """A later time of a deadline that repeats comes into view though the feed stays the same."""
    edge = NOW + AHEAD + timedelta(hours=1)
    event = feeds.vevent(
        "UID:a", f"DTSTART:{edge - timedelta(days=70):%Y%m%dT%H%M%SZ}", "RRULE:FREQ=WEEKLY", "SUMMARY:A"
    )
    feed = Feed(server, feeds.ics(event))
    assert (len(read()), len(read(NOW + timedelta(hours=2)))) == (10, 11)
    assert feed.asked == ["", feed.validator]


def test_now_and_then_everything_is_asked_for(server, read):
    """Whoever would say "unchanged" for ever is asked for the whole feed after a time, and when clocks went back."""
    feed = Feed(server)
    read()
    read(NOW + ASK_WHOLE_AFTER)
    assert feed.asked == ["", feed.validator]
    read(NOW + ASK_WHOLE_AFTER + timedelta(minutes=1))
    read(NOW)
    assert feed.asked[2:] == ["", ""]


def test_tidy(folder):
    """Files of feeds that nobody asked for in a month go; others, and what is not ours, stay."""
    cache = FeedCache(folder, now=NOW)
    for url in ("https://old", "https://new"):
        cache.keep(url, Kept(body=b"x", tag='"x"'))
    (folder / "notes.txt").write_text("the student's own")
    (folder / f".{'a' * 64}.17.tmp").write_text("what a crash left")
    for path in folder.iterdir():
        age = timedelta(days=1) if path.name == sha256(b"https://new").hexdigest() else FORGET_AFTER + timedelta(days=1)
        os.utime(path, ((NOW - age).timestamp(),) * 2)
    cache.tidy()
    assert {path.name for path in folder.iterdir()} == {"notes.txt", sha256(b"https://new").hexdigest()}


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ({"etag": '"a"'}, ('"a"', "")),
        (
            {"etag": 'W/"a"', "last-modified": "Mon, 23 Nov 2026 10:00:00 GMT"},
            ('W/"a"', "Mon, 23 Nov 2026 10:00:00 GMT"),
        ),
        ({"etag": "a"}, None),
        ({"etag": '"a\r\nX: y"'}, None),
        ({"etag": '"' + "a" * 5000 + '"'}, None),
        ({"last-modified": "x\ny"}, None),
        ({"etag": '"a"', "cache-control": "private, No-Store"}, None),
        ({}, None),
    ],
)
def test_what_can_be_asked_about_again(headers, kept):
    """Only a well-formed name that a server gave is kept, and nothing that it forbids to store."""
    found = to_keep(b"x", headers)
    assert (found and (found.tag, found.changed)) == kept


def test_a_feed_that_loses_its_name(server, folder, read):
    """What a server no longer names is no longer kept."""
    feed = Feed(server)
    read()
    feed.body = OTHER
    feed.more = {"Cache-Control": "no-store"}
    assert read() == ["Essay", "Quiz"]
    assert list(folder.iterdir()) == []


def test_through_a_redirect(server, folder, url):
    """A feed that has moved is named to where it is now."""
    server.answer = lambda request: (
        Answer(302, b"", {"Location": "/moved"})
        if request.path != "/moved"
        else Answer(304, b"")
        if request.headers.get("If-None-Match") == '"1"'
        else Answer(200, FEED, {"ETag": '"1"'})
    )
    for _ in range(2):
        cache = FeedCache(folder, now=NOW)
        found = open_source("ics", name="uni", url=url, path=None, cache=cache).read(now=NOW, zone=UTC)
        assert len(found.assignments) == 1
    assert [request.headers.get("If-None-Match") for request in server.requests] == [None, None, '"1"', '"1"']


# ── the whole way ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_plan_is_the_same(gradent, config, state, server):
    """`gradent run` twice: the second time nothing is sent, nothing is lost, and the plan is the same."""
    soon = datetime.now(UTC) + timedelta(days=9)
    feed = Feed(server, feeds.canvas(*(feeds.canvas_assignment(n, f"Set {n}", "MATH", soon) for n in range(5))))
    config.write_text(f'[[study.sources]]\nkind = "ics"\nurl = "{server.url}/feeds/user_{SECRET}.ics"\n')
    assert gradent("run", "--dry-run").code == 0
    assert not (state / "feeds").exists()
    assert gradent("run").code == 0
    plan = json.loads(gradent("plan", "--json").out)
    assert plan["sessions"]
    old = state / "feeds" / ("a" * 64)
    old.write_text("of a feed that is no source any more")
    os.utime(old, ((soon - timedelta(days=50)).timestamp(),) * 2)
    assert gradent("run").code == 0
    assert not old.exists()
    assert feed.asked == ["", "", feed.validator]
    assert json.loads(gradent("plan", "--json").out) == plan
    for path in (path for path in state.rglob("*") if path.is_file()):
        assert SECRET.encode() not in path.read_bytes(), path


def test_the_plan_goes_on_without_a_calendar(gradent, config, server):
    """While a busy calendar is down, new work is planned around what it gave last, and each run says so and fails."""
    now = datetime.now(UTC)
    feed = feeds.canvas(feeds.canvas_assignment(1, "Essay", "ENG", now + timedelta(days=9)))
    job = feeds.vevent(
        "UID:a", f"DTSTART:{now:%Y%m%dT%H%M%SZ}", f"DTEND:{now + timedelta(days=2):%Y%m%dT%H%M%SZ}", "SUMMARY:Job"
    )
    down = False
    server.answer = lambda request: (
        Answer(200, feed) if "courses" in request.path else Answer(500) if down else Answer(200, feeds.ics(job))
    )
    config.write_text(
        f"""[[study.sources]]
kind = "ics"
url = "{server.url}/courses.ics"
[[study.busy]]
name = "work"
url = "{server.url}/work.ics"
"""
    )
    assert gradent("run").code == 0
    feed = feeds.canvas(
        feeds.canvas_assignment(1, "Essay", "ENG", now + timedelta(days=9)),
        feeds.canvas_assignment(2, "Quiz", "ENG", now + timedelta(days=8)),
    )
    down = True
    ran = gradent("run")
    assert ran.code == 1
    said = " ".join(ran.out.split())
    assert (
        "cannot read calendar 'work': the server cannot answer at the moment (HTTP 500); planned around what " in said
    )
    planned = json.loads(gradent("plan", "--json").out)["sessions"]
    assert {session["title"] for session in planned} == {"Essay (ENG)", "Quiz (ENG)"}
    assert all(datetime.fromisoformat(each["starts_at"]) > now + timedelta(days=2, seconds=-1) for each in planned)
