"""Assignments from Canvas itself: what a planner's items mean, and how a server can let a student down."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradent_cli.agents.study.feed import Notes
from gradent_cli.agents.study.sources import open_source
from gradent_cli.agents.study.sources.canvas import MOST_PAGES, CanvasSource, expiry
from gradent_cli.errors import SourceError
from tests.street import feeds
from tests.street.canvas import THROTTLED, TOKEN, Canvas, item
from tests.street.server import Answer, serving

NOW = datetime(2026, 11, 23, 14, 3, tzinfo=UTC)
DUE = datetime(2026, 12, 4, 22, 59, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")


@pytest.fixture
def canvas(server):
    return Canvas(server)


@pytest.fixture
def source(server):
    """The source `uni` on the test's own server; it does not wait long."""
    opened = open_source("canvas", name="uni", url=server.url, path=None, token=TOKEN)
    assert isinstance(opened, CanvasSource)
    return replace(opened, wait=0.01)


@pytest.fixture
def harvest(source):
    return lambda **how: source.read(now=NOW, zone=ZONE, **how)


@pytest.fixture
def refusal(source):
    """Why Canvas could not be read; the token is in nothing that is said."""

    def read(**how):
        with pytest.raises(SourceError) as caught:
            source.read(now=NOW, zone=ZONE, **how)
        said = f"{caught.value} {caught.value.hint} {caught.value.__cause__} {source!r}"
        assert TOKEN not in said
        assert "127.0.0.1" not in said
        assert caught.value.message.startswith("cannot read source 'uni': ")
        return caught.value.message.removeprefix("cannot read source 'uni': ")

    return read


def test_assignment(canvas, harvest, server):
    """Title, course, due date, points, link and what was handed in arrive; one request asks for a window around now."""
    canvas.items = [item(456, "HW 2", DUE)]
    found = harvest()
    assert found.warnings == ()
    assert not found.complete
    (only,) = found.assignments
    assert (only.source, only.key, only.title, only.course) == ("uni", "assignment-456", "HW 2", "CS 101")
    assert (only.due_at, only.points, only.done) == (DUE, 10, False)
    assert only.url == f"{server.url}/courses/1/assignments/456"
    (query,) = canvas.asked
    assert query == {
        "start_date": ["2026-10-24T14:03:00Z"],
        "end_date": ["2027-05-22T14:03:00Z"],
        "per_page": ["100"],
    }
    assert server.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_the_key_is_that_of_the_calendar_feed(canvas, harvest, tmp_path):
    """Whoever changes from Canvas's calendar feed to Canvas itself, under the same name, keeps every assignment."""
    feed = tmp_path / "feed.ics"
    feed.write_bytes(feeds.canvas(feeds.canvas_assignment(456, "HW 2", "CS 101", DUE)))
    before = open_source("ics", name="uni", url=None, path=feed).read(now=NOW, zone=ZONE).assignments
    canvas.items = [item(456, "HW 2", DUE)]
    assert [each.id for each in harvest().assignments] == [each.id for each in before]


@pytest.mark.parametrize(
    ("states", "override", "done"),
    [
        ({}, None, False),
        ({"submitted": True}, None, True),
        ({"graded": True}, None, True),
        ({"excused": True}, None, True),
        ({"missing": True, "late": True}, None, False),
        ({"submitted": True, "graded": True, "redo_request": True}, None, False),
        ({}, {"marked_complete": True, "dismissed": False}, True),
        ({}, {"marked_complete": False, "dismissed": True}, True),
        ({"submitted": True}, {"marked_complete": False, "dismissed": False}, True),
        (False, None, None),
        (False, {"marked_complete": True}, True),
        ("nonsense", "nonsense", None),
        ({"submitted": "yes"}, None, False),
    ],
)
def test_done(canvas, harvest, states, override, done):
    """Handed in, graded, excused or ticked off is done; asked to do again is not; nothing said is not known."""
    canvas.items = [item(1, "HW", DUE, submissions=states, override=override)]
    assert harvest().assignments[0].done is done


def test_what_is_work(canvas, harvest):
    """What has to be done counts, what only happens or is to be read does not, and nothing counts twice."""
    later = DUE + timedelta(days=1)
    canvas.items = [
        item(1, "Essay", DUE),
        item(2, "Quiz 3", DUE, kind="quiz", assignment_id=70),
        item(70, "Quiz 3", DUE, submissions={"submitted": True}),
        item(3, "Survey", DUE, kind="quiz", submissions=False),
        item(4, "Discuss", DUE, kind="discussion_topic", assignment_id="71"),
        item(5, "Checkpoint", DUE, kind="sub_assignment"),
        item(6, "Call mum", None, kind="planner_note", submissions=False, course=None, todo_date="2026-12-05T22:59:00Z")
        | {"plannable_date": "2026-12-05T22:59:00Z"},
        item(7, "Syllabus", None, kind="wiki_page", submissions=False),
        item(8, "Read this", None, kind="wiki_page", submissions=False, todo_date="2026-12-05T22:59:00Z"),
        item(9, "Essay", later, kind="assessment_request"),
        item(13, "Chat", None, kind="discussion_topic", submissions=False) | {"plannable_date": "2026-11-20T08:00:00Z"},
        item(14, "Undated", None, kind="discussion_topic") | {"plannable_date": "2026-11-20T08:00:00Z"},
        item(10, "Lecture", DUE, kind="calendar_event", submissions=False),
        item(11, "Welcome", DUE, kind="announcement", submissions=False),
        item(12, "Something new", DUE, kind="hologram"),
    ]
    found = harvest()
    assert found.warnings == ()
    assert sorted((each.key, each.title, each.due_at, each.done) for each in found.assignments) == [
        ("assessment_request-9", "Peer review: Essay", later, False),
        ("assignment-1", "Essay", DUE, False),
        ("assignment-70", "Quiz 3", DUE, True),
        ("assignment-71", "Discuss", DUE, False),
        ("discussion_topic-14", "Undated", None, False),
        ("planner_note-6", "Call mum", later, None),
        ("quiz-3", "Survey", DUE, None),
        ("sub_assignment-5", "Checkpoint", DUE, False),
        ("wiki_page-8", "Read this", later, None),
    ]


def test_quiz_by_its_link(canvas, harvest):
    """A quiz whose link leads to an assignment is that assignment."""
    canvas.items = [item(2, "Quiz", DUE, kind="quiz") | {"html_url": "/courses/1/assignments/70/submissions/5"}]
    assert [each.key for each in harvest().assignments] == ["assignment-70"]


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({"due_at": "2026-12-04T22:59:00Z"}, DUE),
        ({"due_at": "2026-12-04T23:59:00+01:00"}, DUE),
        ({"due_at": "2026-12-04T22:59:00"}, DUE),
        ({"due_at": "2026-12-04"}, DUE),
        ({"due_at": None, "todo_date": "2026-12-04T22:59:00Z"}, DUE),
        ({"due_at": "nonsense"}, None),
        ({"due_at": 17}, None),
        ({"due_at": "9999-12-31T23:59:59Z"}, datetime(9999, 12, 31, 9, 59, tzinfo=UTC)),
        ({"due_at": "1970-01-01T00:00:00Z"}, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_due_dates(canvas, harvest, fields, due):
    """A moment counts in UTC, a day alone ends on the student's clock, far ones are kept, and nonsense is said."""
    canvas.items = [item(1, "HW", None, **fields) | {"plannable_date": None}]
    found = harvest()
    assert found.assignments[0].due_at == due
    assert bool(found.warnings) is (due is None)


def test_the_students_own_due_date(canvas, harvest):
    """A quiz tells when it is due for everybody; what counts is the day that this student was given."""
    canvas.items = [item(1, "Quiz", DUE, kind="quiz", due_at="2026-11-30T22:59:00Z")]
    assert harvest().assignments[0].due_at == DUE


def test_one_bad_item_costs_only_itself(canvas, harvest):
    """An item that cannot be understood is named in a warning, and the others are kept."""
    canvas.items = [
        None,
        [],
        item(1, "Good", DUE, points=float("nan")) | {"html_url": "javascript:alert(1)"},
        item(2, "No id", DUE) | {"plannable_id": None, "plannable": {"title": "No id"}},
        item(3, "Odd date", None, due_at="soon"),
        item(4, "Odd points", DUE, points="ten") | {"html_url": "http://["},
        item(5, "x", DUE, points=True) | {"plannable": None, "context_name": 7},
    ]
    found = harvest()
    assert [(each.title, each.points, each.course) for each in found.assignments] == [
        ("Good", None, "CS 101"),
        ("Odd points", None, "CS 101"),
        ("Untitled", None, None),
        ("Odd date", 10, "CS 101"),
    ]
    assert [each.url for each in found.assignments[:2]] == [None, None]
    assert found.warnings == (
        "uni: left out 2 items without a type: 'Untitled', 'Untitled'",
        "uni: left out 1 item without an id: 'No id'",
        "uni: took 1 item without a due date, because it cannot be read: 'Odd date'",
    )


def test_hostile_text(canvas, harvest):
    """Escapes and length do not get through; HTML of a note becomes text."""
    title = "Es\nsay \x1b[31mred\x1b[0m \u202eevil " + "x" * 5000
    canvas.items = [item(1, title, DUE, details="<p>One&nbsp;two</p><script>x</script>" + "d" * 9000)]
    (only,) = harvest().assignments
    assert only.title.startswith("Es say red evil xxx")
    assert (len(only.title), len(only.description)) == (200, 4000)
    assert only.description.startswith("One\xa0two")


# ── pages ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("link", ["Link", "link", "LINK"])
def test_pages(canvas, harvest, link):
    """Every page is read, however the header that leads to the next one is written."""
    canvas.items = [item(number, f"HW {number}", DUE) for number in range(250)]
    canvas.link = link
    assert len(harvest().assignments) == 250
    assert len(canvas.asked) == 3


def test_next_page_elsewhere(server, refusal):
    """A next page on another server, or another port, is refused; the token does not go there."""
    with serving() as other:
        for target in (f"{other.url}/x", "https://evil.example/x", "//evil.example/x", "http://[", "data:,x"):
            server.answer = Answer(200, b"[]", {"Link": f'<{target}>; rel="next"'})
            assert refusal() == "its next page is on another server, which must not get the token"
        assert other.requests == []


def test_next_page_by_another_scheme(server, harvest):
    """A Canvas behind a proxy that calls itself https is asked as the config says."""
    links = iter([{"Link": f'<{server.url.replace("http:", "https:")}/page2>; rel=next; title="x"'}, {}])
    server.answer = lambda request: Answer(200, b"[]", next(links))
    assert harvest().assignments == ()
    assert [request.path for request in server.requests][1:] == ["/page2"]


def test_redirect_is_not_followed(server, refusal):
    """A redirect, say to a sign-in page, is refused in words: the token stays here."""
    with serving() as other:
        server.answer = Answer(302, b"", {"Location": f"{other.url}/login"})
        assert refusal().startswith("there is no Canvas at its url (HTTP 302); it is the address that your browser")
        assert other.requests == []


def test_pages_in_a_circle(server, refusal):
    """Pages that lead to each other end."""
    server.answer = lambda request: Answer(
        200, b"[]", {"Link": f'</{"b" if request.path == "/a" else "a"}>; rel="next"'}
    )
    assert refusal() == "its pages lead in a circle"
    assert len(server.requests) == 3


def test_pages_without_end(server, refusal):
    """After a hundred pages it is enough."""
    server.answer = lambda request: Answer(
        200, b"[]", {"Link": f'<{request.path[:20]}{len(server.requests)}>; rel="next"'}
    )
    assert refusal() == "it has more than 100 pages"
    assert len(server.requests) == MOST_PAGES


def test_a_link_without_end(server, harvest):
    """A page named in 80 kB of header is found in one pass: else the time for reading would not do for forty."""
    pages = iter(range(40))

    def paged(_):
        more = next(pages, None)
        return Answer(200, b"[]", {"Link": f'</{more}>; rel="{"next-" * 16_000}'} if more is not None else {})

    server.answer = paged
    assert harvest().assignments == ()
    assert len(server.requests) == 41


@pytest.mark.parametrize("blank", [" ", "&nbsp;", "\n ", "<br>", "<p ", "&#"])
def test_a_description_without_end(blank):
    """A megabyte of blanks or open tags takes one pass: it would be half an hour, and half a minute is the guard."""
    program = f"""
from gradent_cli.agents.study.sources.html import is_html, plain
text = plain("<p>Essay" + {blank!r} * (1_000_000 // len({blank!r})) + "</p>end")
print(text.startswith("Essay"), text.endswith("end"))
"""
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_bytes_are_counted_over_all_pages(server, refusal):
    """Pages that are each small enough are too much together."""
    page = b'[{"plannable_type": "announcement", "x": "' + b"x" * 9_000_000 + b'"}]'
    server.answer = lambda request: Answer(200, page, {"Link": f'</{len(server.requests)}>; rel="next"'})
    assert refusal() == "it is more than 20 MB, and no more is read"
    assert len(server.requests) == 3


def test_time_is_counted_over_all_pages(server, refusal):
    """A server that takes its time with each page does not get more of it than one that hangs."""

    def slow(request):
        server.closing.wait(0.15)
        return Answer(200, b"[]", {"Link": f'</{len(server.requests)}>; rel="next"'})

    server.answer = slow
    assert "in time" in (why := refusal(seconds=0.5)) or why.startswith("no complete answer within")
    assert len(server.requests) <= 5


# ── throttling ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "throttled",
    [
        THROTTLED,
        Answer(403, b"403 Forbidden (Rate Limit Exceeded)\n"),
        Answer(403, b"{}", {"X-Rate-Limit-Remaining": "0"}),
        Answer(403, b"{}", {"x-rate-limit-remaining": "-3.5"}),
        Answer(429, b"", {"Retry-After": "0"}),
        Answer(429, b"", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
    ],
)
def test_throttled_for_a_moment(canvas, harvest, throttled):
    """When Canvas asks for less haste, the same page is asked for again a moment later, and nothing is lost."""
    canvas.items = [item(number, f"HW {number}", DUE) for number in range(150)]
    canvas.first = [throttled, throttled]
    assert len(harvest().assignments) == 150
    assert len(canvas.asked) == 4


def test_throttled_for_ever(server, refusal):
    """A Canvas that never lets up is asked six times."""
    server.answer = THROTTLED
    assert refusal() == "Canvas asks for fewer requests (HTTP 403); the next run tries again"
    assert len(server.requests) == 6


def test_throttled_for_longer_than_there_is_time(server, refusal):
    """A wait that does not fit into the time is not begun."""
    server.answer = Answer(429, b"", {"Retry-After": "3600"})
    assert refusal() == "Canvas asks for fewer requests (HTTP 429); the next run tries again"
    assert len(server.requests) == 1


# ── refusals ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_refused_token(canvas, source):
    """A token that Canvas does not take is said to be just that, with what to do."""
    with pytest.raises(SourceError) as caught:
        replace(source, token="7~another0token").read(now=NOW, zone=ZONE)
    assert caught.value.message == (
        "cannot read source 'uni': the token was refused (HTTP 401); tokens that students make in Canvas end after at "
        "most 120 days: make a new one in Canvas (Account, Settings, New access token), then: "
        "gradent config set --source URL --source-token -"
    )
    assert "another0token" not in str(caught.value)


def test_refused_in_the_middle(server, refusal):
    """What a Canvas gave before it failed is not taken for everything."""
    server.answer = lambda request: (
        Answer(200, json.dumps([item(1, "HW", DUE)]).encode(), {"Link": '</more>; rel="next"'})
        if "planner" in request.path
        else Answer(500)
    )
    assert refusal() == "the server cannot answer at the moment (HTTP 500)"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(403, b"{}"), "the token may not read the planner (HTTP 403)"),
        (Answer(503), "the server cannot answer at the moment (HTTP 503)"),
        (Answer(418), "the server answered with HTTP 418"),
        (Answer(204, b""), "the server answered with HTTP 204"),
        (Answer(304, b""), "there is no Canvas at its url (HTTP 304); "),
        (Answer(404), "there is no Canvas at its url (HTTP 404); "),
        (Answer(200, b""), "Canvas's answer is not JSON"),
        (Answer(200, b"BEGIN:VCALENDAR"), "Canvas's answer is not JSON"),
        (Answer(200, b"[" * 100_000), "Canvas's answer is not JSON"),
        (Answer(200, b"\xff\xfe"), "Canvas's answer is not JSON"),
        (Answer(200, b"[" + b"1" * 5000 + b"]"), "Canvas's answer is not JSON"),
        (Answer(200, b'{"errors": [{"message": "x"}]}'), "Canvas's answer is not a list of items"),
        (Answer(200, b"null"), "Canvas's answer is not a list of items"),
        (
            Answer(200, b"<!DOCTYPE html><title>Sign in</title>"),
            "it is an HTML page instead of Canvas's answer; is it a Canvas at all?",
        ),
    ],
)
def test_answers_that_are_none(server, refusal, answer, why):
    """Every answer that is no planner is said in words."""
    server.answer = answer
    assert refusal().startswith(why)


def test_no_server(server, refusal):
    """A Canvas that is not there is said in words."""
    server.close()
    assert refusal().startswith("the connection failed")


def test_greet(canvas, source, server):
    """Whether address and token are right can be asked for the price of one item."""
    source.greet(now=NOW, seconds=20)
    assert canvas.asked == [{"start_date": ["2026-11-23T14:03:00Z"], "per_page": ["1"]}]
    server.answer = Answer(401)
    with pytest.raises(SourceError, match="the token was refused"):
        source.greet(now=NOW, seconds=20)


# ── the whole way ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_with_canvas(gradent, config, state, canvas, server):
    """`gradent run` plans what Canvas says is to do; a refused token is told, and loses nothing."""
    soon = datetime.now(UTC) + timedelta(days=9)
    ways = ({}, {"submitted": True}, {"missing": True})
    canvas.items = [item(n, f"HW {n}", soon, submissions=states) for n, states in enumerate(ways)]
    canvas.items.append(item(9, "Late", datetime.now(UTC) - timedelta(days=2)))
    set_up = ("config", "set", "--source", server.url, "--source-token", "-")
    said = [gradent(*set_up, input=TOKEN), gradent("run"), gradent("assignments", "--json")]
    assert [each.code for each in said] == [0, 0, 0]
    found = {each["title"]: each for each in json.loads(said[2].out)}
    assert {title: each["status"] for title, each in found.items()} == {
        "HW 0": "open",
        "HW 1": "done",
        "HW 2": "open",
        "Late": "overdue",
    }
    assert found["HW 0"]["url"] == f"{server.url}/courses/1/assignments/0"
    planned = {each["title"].partition(" (")[0] for each in json.loads(gradent("plan", "--json").out)["sessions"]}
    assert planned == {"HW 0", "HW 2", "Late"}
    server.answer = Answer(401, f"what? {TOKEN}".encode())
    said += [
        gradent("run"),
        gradent("run", "--quiet"),
        gradent("doctor"),
        gradent("history", "last"),
        gradent("status"),
    ]
    assert said[3].code == 1
    assert "the token was refused (HTTP 401)" in said[3].out
    assert len(json.loads(gradent("assignments", "--json").out)) == 4
    assert not [each for each in said if TOKEN in each.out + each.err]
    files = [path for path in state.rglob("*") if path.is_file()]
    assert {"gradent.db", "gradent.log"} <= {path.name for path in files}
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


# ── the token's end ────────────────────────────────────────────────────────────────────────────────────────────────


def test_expiry():
    """From two weeks before on it is said; again when it is very soon, and when it is over; never in other words."""
    ends = date(2027, 1, 31)
    said = [expiry(ends, ends - timedelta(days=days)) for days in range(20, -5, -1)]
    assert said[:6] == [None] * 6
    remedy = (
        "make a new one in Canvas (Account, Settings, New access token), then: "
        "gradent config set --source URL --source-token -"
    )
    assert said[6:18] == [f"its token ends on Sunday 31 Jan 2027: {remedy}"] * 12
    assert said[18:21] == [f"its token ends on Sunday 31 Jan 2027, very soon: {remedy}"] * 3
    assert said[21:] == [f"its token ended on Sunday 31 Jan 2027: {remedy}"] * 4
    assert expiry(None, ends) is None


def test_expiry_by_the_students_own_day(canvas, source):
    """The warning comes by the student's calendar, with the assignments all the same."""
    canvas.items = [item(1, "HW", DUE)]
    evening = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)  # the 24th in Berlin
    found = replace(source, expires=date(2026, 12, 8)).read(now=evening, zone=ZONE)
    assert len(found.assignments) == 1
    assert found.warnings[0].startswith("uni: its token ends on Tuesday 8 Dec 2026: ")
    assert replace(source, expires=date(2026, 12, 8)).read(now=NOW, zone=ZONE).warnings == ()


# ── anything at all ────────────────────────────────────────────────────────────────────────────────────────────────

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
FIELDS = (
    "plannable_type",
    "plannable_id",
    "planner_override",
    "submissions",
    "plannable_date",
    "html_url",
    "context_name",
)


@settings(max_examples=80)
@given(
    changed=st.dictionaries(st.sampled_from(FIELDS), JSON),
    inner=JSON
    | st.dictionaries(
        st.sampled_from(("id", "title", "due_at", "todo_date", "points_possible", "details", "assignment_id")), JSON
    ),
)
def test_any_item(changed, inner):
    """Whatever an item holds becomes an assignment with a title and a key, or nothing."""
    source = open_source("canvas", name="uni", url="https://canvas.example.edu", path=None, token=TOKEN)
    assert isinstance(source, CanvasSource)
    made = item(1, "HW", DUE) | changed | ({"plannable": inner} if inner is not None else {})
    found = source._assignment(made, ZONE, Notes("item"))
    if found is not None:
        assert found.title
        assert found.key
        assert found.due_at is None or found.due_at.tzinfo is not None
        assert found.points is None or 0 <= found.points <= 100_000
