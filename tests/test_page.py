"""The plan as a page: what is on it, and that nothing from outside gets out of its place."""

import re
import zipfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import flit_core.buildapi  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradent_cli.agents.study import free
from gradent_cli.agents.study.records import Assessment, Shortfall
from gradent_cli.cli import page
from gradent_cli.text import one_line
from tests.street.clock import NOW
from tests.test_agenda import AMSTERDAM, ESSAY, LATE, NIGHTS, SHORT, collected, known, session

ROOT = Path(__file__).parent.parent
BLOCKS = {"h1", "h2", "h3", "p", "dt", "dd", "li", "th", "td", "div"}
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Outline(HTMLParser):
    """A page's elements, attributes and text; refuses what is not nested well."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.elements = []
        self.texts = []
        self.styles = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {tag}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        self.texts += [" "] * (tag in BLOCKS)
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.styles += data
        else:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join("".join(self.texts).split())

    def classed(self, name):
        return [attrs for _, attrs in self.elements if name in attrs.get("class", "").split()]


def made(*sessions, over=(), nothing="", **more):
    return page.html(collected(*sessions, **more), over=over, nothing=nothing)


def outline(*sessions, **more):
    return Outline(made(*sessions, **more))


def assessed(assignment, **more):
    facts = {"effort_low_hours": 4, "effort_likely_hours": 8.5, "effort_high_hours": 14, "difficulty": 3, "risk": 72,
             "confidence": 0.5, "reason": "An essay", "fingerprint": "", "assessed_at": NOW}  # fmt: skip
    (found,) = known(assignment)
    return replace(found, assessment=Assessment(assignment_id=assignment.id, **facts | more))


def test_the_page_shows_the_plan_and_what_needs_attention():
    """Sessions, due dates, load, what is late, what does not fit with its remedy, and when it was made, for whom."""
    seen = outline(session(ESSAY, 1), session(ESSAY, 26, 1.5, pinned=True), short=(SHORT,), zone=AMSTERDAM)
    for said in (
        "Up next today 11:00 Essay <1> (WRIT 101)",
        "Next due Wed 25 Nov 13:00 Essay <1> (WRIT 101)",
        "This week 3h 30min in 2 sessions",
        "Overdue: Lab, was due yesterday 10:00",
        "1h 30min do not fit: Lab. An hour more helps.",
        "This week 23 Nov – 29 Nov · 3h 30min in 2 sessions",
        "11:00–13:00 Essay <1> (WRIT 101)",
        "12:00–13:30 Essay <1> (WRIT 101) pinned",
        "13:00 due Essay <1> (WRIT 101)",
        "2h of 4h",
        "Made by gradent on Mon 23 Nov 2026 10:00 from the plan of the last run. Times are those of Europe/Amsterdam.",
    ):
        assert said in seen.text
    assert "12:00–13:30 Essay <1> (WRIT 101)" in [block["title"] for block in seen.classed("block")]


def test_assignments_are_listed_with_effort_rest_and_risk():
    """What was never assessed is said to be unknown."""
    agenda = replace(collected(left={ESSAY.id: 6.25}), work=(assessed(ESSAY), *known(LATE)))
    seen = Outline(page.html(agenda, over=(), nothing=""))
    assert "Essay <1> WRIT 101 Wed 25 Nov 12:00 8h 30min 4h–14h 6h 15min 72 of 100" in seen.text
    assert "Assignments 2 open" in seen.text
    assert "Lab yesterday 09:00 (overdue) unknown unknown unknown" in seen.text


def test_the_page_needs_nothing_from_elsewhere():
    """No script, picture, font, frame or style sheet; and its policy forbids all of them."""
    seen = outline(session(ESSAY, 1), assignments=(replace(ESSAY, url="https://canvas.example/1"), LATE))
    policy = next(attrs for tag, attrs in seen.elements if "http-equiv" in attrs)
    assert policy == {
        "http-equiv": "Content-Security-Policy", "content": "default-src 'none'; style-src 'unsafe-inline'"
    }  # fmt: skip
    assert not {tag for tag, _ in seen.elements} & {"script", "link", "img", "iframe", "object", "svg", "form", "base"}
    assert not re.search(r"url\(|@import|@font-face", seen.styles)
    loads = {"src", "srcset", "data", "action", "background", "poster"}
    assert not any(loads & attrs.keys() or any(name.startswith("on") for name in attrs) for _, attrs in seen.elements)
    assert seen.elements[0] == ("html", {"lang": "en"})


@pytest.mark.parametrize(
    ("url", "linked"),
    [
        ("https://canvas.example/1?a=1&b=\"'><script>", True),
        ("http://canvas.example/", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        (None, False),
    ],
)
def test_only_web_addresses_are_links(url, linked):
    """A feed may name anything as an assignment's address."""
    seen = outline(assignments=(replace(ESSAY, url=url),))
    assert [attrs.get("href") for tag, attrs in seen.elements if tag == "a"] == [url] * linked


ANYTHING = st.text(st.characters(exclude_categories=()), max_size=80)
PIECES = [
    "<script>",
    "</bdi>",
    '"',
    "'",
    "&amp;",
    "&",
    "-->",
    "<!--",
    "]]>",
    "\0",
    "\u202e",
    "</style>",
    "`",
    "\n",
    "word ",
]
MARKUP = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)


@settings(max_examples=40)
@given(ANYTHING | MARKUP, ANYTHING | MARKUP, ANYTHING | MARKUP)
def test_no_title_gets_out_of_its_place(title, course, remedy):
    """Whatever a source gives, the page has the elements that it has for plain words, and shows the title as text."""
    work, other = (
        replace(ESSAY, title=one, course=two) for one, two in ((title, course or "c"), ("Plain", "A plain course"))
    )

    def page_of(assignment, said):
        short = (Shortfall(assignment_id=assignment.id, minutes=60, remedy=said),)
        planned = session(assignment, 1, title=f"x{assignment.title}")
        return outline(planned, assignments=(assignment, LATE), short=short)

    seen, plain = page_of(work, remedy), page_of(other, "Plain")
    assert [(tag, [*attrs]) for tag, attrs in seen.elements] == [(tag, [*attrs]) for tag, attrs in plain.elements]
    shown = one_line(f"x{title}")
    assert shown in "".join(seen.texts)
    assert any(block["title"].endswith(shown) for block in seen.classed("block"))
    assert not any(c < " " and c != "\n" for c in "".join(seen.texts))


def test_endless_titles_are_cut():
    """Ten thousand characters do not make ten thousand characters of page for each place that shows them."""
    short = made(session(ESSAY, 1))
    endless = replace(ESSAY, title="A" * 10_000, course="B" * 10_000)
    long = made(session(endless, 1), assignments=(endless, LATE))
    assert len(long) - len(short) < 3000


def test_the_page_is_the_same_for_the_same_facts():
    """Also when sessions come in another order."""
    sessions = [session(ESSAY, 1, ordinal=1), session(ESSAY, 1, ordinal=2), session(ESSAY, 5, ordinal=3)]
    assert made(*sessions, over=sessions) == made(*reversed(sessions), over=sessions[::-1])


def place(block):
    return {name: float(value) for name, value in re.findall(r"--(\w+):([^;]+)", block["style"])}


def test_blocks_stand_where_their_time_is():
    """Hours from the beginning of the axis; what goes on over midnight stays in its day and makes the axis longer."""
    seen = outline(session(ESSAY, 1.25, 1.5), session(ESSAY, 13, 2.75), assignments=(), zone=AMSTERDAM)
    first, second = map(place, seen.classed("block"))
    assert (first["top"], first["length"]) == (0.25, 1.5)  # 11:15 on an axis that begins at 11:00
    assert (second["top"], second["length"]) == (12, 2.75)
    assert seen.classed("grid")[0]["style"] == "--hours:15"
    assert "22:0023:0000:0001:00 " in seen.text
    assert len(seen.classed("day")) - len(seen.classed("empty")) == 1


def test_a_night_is_drawn_where_the_clock_has_it():
    """And counts for the evening's day, whose load is within its limit; the block says so."""
    found = outline(session(ESSAY, 13, 2), session(ESSAY, 15.25, 1.75), hours=NIGHTS, assignments=())
    first, second = map(place, found.classed("block"))
    assert (first["top"], second["top"]) == (22, 0.25)
    assert found.text.count("of 4h") == found.text.count("3h 45min of 4h") == 1
    assert "00:15–02:00 Essay <1> (WRIT 101) counts for Mon" in found.text
    assert len(found.classed("day")) - len(found.classed("empty")) == 2
    sunday = outline(session(ESSAY, 24 * 6 + 15.25), hours=free.week({"sunday": ["22:00-02:00"]}), assignments=())
    assert [len(re.findall("of 4h", week)) for week in sunday.text.split("Next week")] == [1, 0]
    assert len(sunday.classed("week")) == 2
    assert "nothing planned" not in sunday.text


def test_now_is_a_line_in_the_column_of_today():
    """Where it lies within the hours that are shown."""
    later = NOW + timedelta(hours=1, minutes=30)
    (line,) = outline(session(ESSAY, 1), now=later, assignments=()).classed("now")
    assert place(line) == {"top": 0.5}
    assert outline(session(ESSAY, 4), assignments=()).classed("now") == []


def test_what_is_over_this_week_is_drawn_faintly():
    """Last week's is not drawn, nor work that is no longer known; what is over counts for no day's load."""
    now = NOW + timedelta(days=2)
    gone = replace(LATE, key="gone")
    over = [session(ESSAY, -40), session(ESSAY, 2), session(gone, 4), session(ESSAY, 49, 1)]
    seen = outline(session(ESSAY, 49, 1), over=over, now=now)
    assert [("over" in block["class"].split(), block["title"][:5]) for block in seen.classed("block")] == [
        (True, "11:00"),
        (False, "10:00"),
    ]
    assert seen.text.count("of 4h") == 1


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), max_size=12))
def test_sessions_at_the_same_time_stand_side_by_side(times):
    """No two that overlap share a lane, a group shares its number of lanes, and one that is alone has all the width."""
    sessions = [session(ESSAY, start / 4, length / 4, ordinal=n) for n, (start, length) in enumerate(times)]
    placed = page.side_by_side(sessions)
    assert Counter(each.id for each, _, _ in placed) == Counter(each.id for each in sessions)
    for number, (one, lane, lanes) in enumerate(placed):
        together = [
            (other_lane, other_lanes)
            for place, (other, other_lane, other_lanes) in enumerate(placed)
            if place != number and one.starts_at < other.ends_at and other.starts_at < one.ends_at
        ]
        assert 0 <= lane < lanes
        assert all(other_lane != lane and other_lanes == lanes for other_lane, other_lanes in together)
        assert together or lanes == 1


def test_weeks_without_anything_are_one_line():
    """Between weeks with sessions; due dates far behind the last session are only listed."""
    far = replace(ESSAY, key="far", title="Far", due_at=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    seen = outline(session(ESSAY, 1), session(ESSAY, 24 * 21), session(ESSAY, 24 * 28), assignments=(far,))
    assert len(seen.classed("week")) == 3
    assert "2 weeks with nothing planned" in seen.text
    assert "Fri 31 Dec 9999" in seen.text
    assert "Week 51" in seen.text


def test_what_is_due_behind_the_end_of_the_plan_is_not_planned_yet():
    """Five by name; the next due date may be there."""
    far = [replace(ESSAY, key=f"f{n}", due_at=NOW + timedelta(days=190 + n)) for n in range(7)]
    seen = outline(assignments=far, left={far[0].id: 10})
    assert "Next due Tue 1 Jun 2027 09:00" in seen.text
    assert "Not planned yet due after Fri 22 Jan Essay <1> (WRIT 101), 10h, due Tue 1 Jun 2027 Essay" in seen.text
    assert "due Sat 5 Jun 2027 and 2 more" in seen.text
    assert outline(assignments=far[:5]).text.count(" more") == 0
    assert outline().classed("later") == []


def test_what_was_asked_for_is_not_called_the_week():
    """Of three days with sessions two are shown: no sum says more than it holds."""
    seen = outline(*(session(ESSAY, 24 * day) for day in range(3)), days=2)
    assert "Next 2 days 4h in 2 sessions" in seen.text
    assert "4h in 2 sessions in the next 2 days. 1 more session later." in seen.text
    assert "This week 4h" not in seen.text
    assert "· 4h" not in seen.text


def test_only_five_lines_stand_before_the_calendar():
    """The others are folded, which needs no script, and counted."""
    works = [replace(ESSAY, key=f"w{n}", title=f"Work {n}") for n in range(9)]
    short = [replace(SHORT, assignment_id=each.id) for each in works]
    text = made(assignments=(*works, LATE), short=short)
    shown, folded = re.fullmatch(r".*<ul>(.*?)</ul>\n<details>(.*?)</details>.*", text, re.DOTALL).groups()
    assert (shown.count("<li>"), folded.count("<li>")) == (5, 5)
    assert "<summary>and 5 more</summary>" in folded
    assert "</details>\n<p>What would help: each counts on top of those above it.</p>" in text
    assert "<details" not in made(assignments=works[:5], short=short[:5])


def test_each_course_has_one_colour():
    """And what has no course a grey one."""
    works = [replace(ESSAY, key=str(n), course=course) for n, course in enumerate(["B", "A", None, "B"])]
    seen = outline(*(session(each, n + 1, 1) for n, each in enumerate(works)), assignments=works)
    assert [block["class"].split()[1] for block in seen.classed("block")] == ["c1", "c0", "none", "c1"]


def test_too_much_for_a_day_is_marked():
    """Sessions that the student pinned may be more than the limit."""
    assert len(outline(session(ESSAY, 1, 5), session(ESSAY, 26, 4)).classed("much")) == 1


def test_a_page_without_a_plan_says_why():
    """With the command that helps."""
    seen = outline(assignments=(), nothing="No session is planned. `gradent run` makes the plan.")
    assert "No session is planned. gradent run makes the plan." in seen.text
    assert ("code", {}) in seen.elements
    assert seen.classed("week") == seen.classed("facts") == []


def test_the_style_sheet_is_installed(tmp_path, monkeypatch):
    """The wheel has what the page is made of."""
    monkeypatch.chdir(ROOT)
    wheel = flit_core.buildapi.build_wheel(str(tmp_path))
    assert "gradent_cli/cli/page.css" in zipfile.ZipFile(tmp_path / wheel).namelist()


# The command


@pytest.fixture
def planned(gradent, config, home):
    """A plan from a list with one piece of work whose title wants to be more than a title."""
    config.write_text('[[study.sources]]\nkind = "toml"\npath = "~/list.toml"\n')
    (home / "list.toml").write_text(
        '[[assignment]]\ntitle = "Essay <script>alert(1)</script>"\ndue = 2099-12-01\neffort_hours = 2\n'
    )
    assert gradent("run").code == 0
    return gradent


def test_the_page_is_written_for_its_owner_alone(planned, tmp_path):
    """As a file, or to standard output: the same page."""
    path = tmp_path / "plan.html"
    said = planned("plan", "--html", path)
    assert (said.code, said.out, said.err) == (0, f"Wrote the plan to {path}\n", "")
    assert path.stat().st_mode & 0o777 == 0o600
    written = Outline(path.read_text())
    assert "Essay <script>alert(1)</script>" in written.text
    assert [tag for tag, _ in written.elements if tag == "script"] == []
    printed = planned("plan", "--html", "-")
    assert Outline(printed.out).elements[-1] == written.elements[-1]
    assert printed.out.startswith("<!DOCTYPE html>\n")


@pytest.mark.parametrize("option", ["--html", "--ics"])
def test_no_folder_is_made_for_a_file(planned, tmp_path, option):
    """A folder that is not there is more likely a slip: one sentence, 74."""
    said = planned("plan", option, tmp_path / "nope" / "file")
    assert (said.code, said.out) == (74, "")
    assert said.err == f"gradent: cannot write {tmp_path}/nope/file: there is no folder {tmp_path}/nope\n"
    assert not (tmp_path / "nope").exists()


def test_the_calendar_file_can_be_printed(planned, tmp_path, monkeypatch):
    """As `-`, the same bytes as in the file; no file is called so."""
    monkeypatch.chdir(tmp_path)
    assert planned("plan", "--ics", "plan.ics").out.startswith("Wrote ")
    printed = planned("plan", "--ics", "-")
    assert (printed.code, printed.err) == (0, "")
    assert printed.out.splitlines() == (tmp_path / "plan.ics").read_text().splitlines()
    assert printed.out.startswith("BEGIN:VCALENDAR")
    assert not (tmp_path / "-").exists()


def test_a_page_that_cannot_be_written_is_one_sentence(planned, home):
    """State that cannot be written: 74, and nothing is lost."""
    said = planned("plan", "--html", home / "list.toml" / "plan.html")
    assert (said.code, said.out) == (74, "")
    assert said.err.count("\n") == 1
    assert said.err.startswith(f"gradent: cannot write {home}/list.toml/plan.html: ")
    assert (home / "list.toml").read_text().startswith("[[assignment]]")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--json", "--html", "-"), "gradent: --json and --html are different answers"),
        (("--ics", "plan.ics", "--html", "-"), "gradent: --ics and --html are different answers"),
        (("--ics", "plan.ics", "--days", "2"), "gradent: --ics always writes the whole plan"),
        (("--days", "0"), "gradent: invalid value for '--days'"),
    ],
)
def test_what_cannot_be_meant_is_refused(planned, tmp_path, monkeypatch, arguments, sentence):
    """Code 2, a hint, and no file."""
    monkeypatch.chdir(tmp_path)
    said = planned("plan", *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(sentence)
    assert "hint: " in said.err
    assert not (tmp_path / "plan.ics").exists()


def test_nothing_planned_says_why(gradent, config, home):
    """Nothing known, nothing planned yet, planning switched off, all done: each has its sentence."""
    source = '[[study.sources]]\nkind = "toml"\npath = "~/list.toml"\n'
    entry = '[[assignment]]\ntitle = "Essay"\ndue = 2099-12-01\neffort_hours = 2\n'
    config.write_text("[study]\nauto_schedule = false\n" + source)
    (home / "list.toml").write_text("")
    assert gradent("run").code == 0
    assert gradent("plan").out == (
        "No assignment is known yet. `gradent run` reads your sources and makes the plan.\n"
    )  # fmt: skip
    (home / "list.toml").write_text(entry)
    assert gradent("run").code == 0
    assert gradent("plan").out.endswith("\n\nNo session is planned, as study.auto_schedule is false.\n")
    assert "study.auto_schedule is false." in gradent("plan", "--html", "-").out
    config.write_text(source)
    assert gradent("plan").out.endswith("\n\nNo session is planned. `gradent run` makes the plan.\n")
    (home / "list.toml").write_text(entry + "done = true\n")
    assert gradent("run").code == 0
    assert gradent("plan").out == "Nothing is planned, as nothing is left to do.\n"
