"""Assignments among a student's Markdown notes."""

import subprocess
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradent_cli.agents.study.sources import open_source
from gradent_cli.errors import SourceError

NOW = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.fixture
def harvest(tmp_path):
    def read(content):
        path = tmp_path / "homework.md"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return open_source("markdown", name="mine", url=None, path=path).read(now=NOW, zone=AMSTERDAM)

    return read


@pytest.fixture
def only(harvest):
    def read(content):
        found = harvest(content)
        assert found.warnings == ()
        (assignment,) = found.assignments
        return assignment

    return read


@pytest.fixture
def refusal(harvest, tmp_path):
    def read(content):
        with pytest.raises(SourceError) as caught:
            harvest(content)
        start = f"cannot read source 'mine' ({tmp_path / 'homework.md'}): "
        assert caught.value.message.startswith(start)
        return caught.value.message.removeprefix(start)

    return read


def titles(harvest):
    return [each.title for each in harvest.assignments]


def test_every_field(only):
    """Title, course, due date, effort, points, weight, id and link arrive, in any order; tags are no part of it."""
    found = only(
        '- [ ] Essay 1 @"HIST 101" due:2026-12-01 est:4h30m #writing/long weight:12,5 points:20.5 id:e1 url:https://x/y\n'
    )
    assert (found.key, found.title, found.course) == ("e1", "Essay 1", "HIST 101")
    assert (found.effort_hours, found.weight, found.points) == (4.5, 12.5, 20.5)
    assert (found.url, found.done) == ("https://x/y", False)
    assert found.due_at == datetime(2026, 12, 1, 22, 59, tzinfo=UTC)  # 23:59 in Amsterdam
    assert only("- [ ] due:2026-12-01 Essay @HIST 1").title == "Essay 1"


def test_the_list_is_complete(harvest):
    """The student keeps the list by hand, so what they delete is gone."""
    assert harvest("- [ ] Essay\n").complete


@pytest.mark.parametrize(
    ("due", "utc"),
    [
        ("due:2026-12-01T10:00", "2026-12-01T09:00:00+00:00"),
        ("due:2026-12-01T10:00Z", "2026-12-01T10:00:00+00:00"),
        ('due:"2026-12-01 10:00"', "2026-12-01T09:00:00+00:00"),
        ("due:2026-12-01,", "2026-12-01T22:59:00+00:00"),
        ("Due: 2026-12-01", "2026-12-01T22:59:00+00:00"),
        ("DUE:2026-12-01", "2026-12-01T22:59:00+00:00"),
        ("\N{CALENDAR} 2026-12-01", "2026-12-01T22:59:00+00:00"),
    ],
)
def test_due_dates(only, due, utc):
    """A due date is a day or a moment, with or without a blank, also as Obsidian writes it."""
    found = only(f"- [ ] Essay {due}")
    assert (found.title, found.due_at.isoformat()) == ("Essay", utc)


@pytest.mark.parametrize(
    ("line", "done"),
    [
        ("- [ ] Essay", False),
        ("* [ ] Essay", False),
        ("+ [x] Essay", True),
        ("12. [X] Essay", True),
        ("3) [ ]\tEssay   ", False),
        ("> - [ ] Essay", False),
        ("\t- [ ] Essay", False),
        ("- [/] Essay", False),
        ("- [-] Essay", True),
        ("-   [ ]  **Essay**\r", False),
    ],
)
def test_checkboxes(only, line, done):
    """Every list mark, in quotes and nested; ticked is done, called off is no work, under way is open."""
    found = only(line)
    assert (found.title, found.done) == ("Essay", done)


def test_prose_is_prose(harvest):
    """Headings, lists without a checkbox, code and footnotes say nothing."""
    text = """
# Homework due:tomorrow
- a list item due:never
-[ ] no blank
- [] no box
- [ ]
- [link](https://x)
- [1] a footnote
[ ] no list
```
- [ ] an example
~~~
- [ ] still one
```
~~~md
- [ ] another
~~~~
- [ ] Essay
"""
    assert titles(harvest(text)) == ["Essay"]
    assert harvest("").assignments == ()


def test_steps_of_an_assignment(harvest):
    """A checkbox below another is a step of it, unless it is due by itself; below anything else it is an assignment."""
    text = """
- [ ] Essay due:2026-12-01
  - [x] Outline
    - [ ] Sources est:1h
  - [ ] Draft due:2026-11-20
    - [ ] Introduction
  - a note
- HIST 101
  - [ ] Reading
Prose in between
  - [ ] Quiz
"""
    found = {each.title: each for each in harvest(text).assignments}
    assert {title: each.description for title, each in found.items()} == {
        "Essay": "- Outline\n- Sources",
        "Draft": "- Introduction",
        "Reading": "",
        "Quiz": "",
    }


def test_ticking_a_step_changes_nothing(harvest):
    """Work on a step does not make the assignment another one to assess."""
    before = harvest("- [ ] Essay\n  - [ ] Outline\n").assignments[0]
    after = harvest("- [ ] Essay\n  - [x] Outline\n").assignments[0]
    assert before == after


def test_the_key_without_an_id(harvest):
    """Ticking it off, a new due date, other tags, or the date that Obsidian adds leave it the same assignment."""
    ways = (
        "- [ ] Essay @HIST",
        "* [x] Essay @HIST due:2026-12-01 #now",
        "- [x] Essay @HIST est:2h \N{WHITE HEAVY CHECK MARK} 2026-11-30 \N{HEAVY PLUS SIGN} 2026-11-01",
        "- [ ] **Essay** @HIST points:5",
    )
    assert len({harvest(way).assignments[0].id for way in ways}) == 1
    assert harvest("- [ ] Essay @MATH").assignments[0].id != harvest(ways[0]).assignments[0].id


@pytest.mark.parametrize(
    ("line", "title", "course"),
    [
        ("Homework #3", "Homework #3", None),
        ("Read: chapters 3:4 and notes", "Read: chapters 3:4 and notes", None),
        ("Mail to prof@example.edu", "Mail to prof@example.edu", None),
        ("Meet @ 5pm", "Meet @ 5pm", None),
        ("Look at https://example.edu/x:y", "Look at https://example.edu/x:y", None),
        ("[Essay](https://example.edu/1) on `C#`", "Essay on C#", None),
        ("Photo id: bring it", "Photo id: bring it", None),
        ("test:unit for @CS101", "test:unit for", "CS101"),
        ("Ünï 日本 @数学", "Ünï 日本", "数学"),
    ],
)
def test_titles(only, line, title, course):
    """What looks a little like a field stays in the title."""
    found = only(f"- [ ] {line}")
    assert (found.title, found.course) == (title, course)


def test_link_in_the_title(only):
    """A Markdown link gives the link, unless there is a url of its own."""
    assert only("- [ ] [Essay](https://example.edu/1)").url == "https://example.edu/1"
    assert only("- [ ] [Essay](https://example.edu/1) url:https://example.edu/2").url == "https://example.edu/2"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("- [ ] Essay due:tomorrow", "due has to be a date like 2026-12-01 or 2026-12-01 23:59, not 'tomorrow'"),
        ("- [ ] Essay due:2026-13-01", "due has to be a date like 2026-12-01 or 2026-12-01 23:59, not '2026-13-01'"),
        ("- [ ] Essay due:20261201", "due has to be a date like 2026-12-01 or 2026-12-01 23:59, not '20261201'"),
        ("- [ ] Essay Due: Friday", "due has to be a date like 2026-12-01 or 2026-12-01 23:59, not 'Friday'"),
        ("- [ ] Essay est:4", "est has to be like 4h, 45min or 1h30m, not '4'"),
        ("- [ ] Essay est:long", "est has to be like 4h, 45min or 1h30m, not 'long'"),
        ("- [ ] Essay est:1001h", "effort_hours has to be a number from 0 to 1000, not '1001.0'"),
        ("- [ ] Essay points:many", "points has to be a number from 0 to 100000, not 'many'"),
        ("- [ ] Essay weight:101", "weight has to be a number from 0 to 100, not '101.0'"),
        ("- [ ] Essay url:x", "url has to begin with https:// or http:// and have no blanks, not 'x'"),
        ("- [ ] Essay deu:2026-12-01", "there is no field 'deu:'; did you mean 'due:'?"),
        ("- [ ] Essay due:2026-12-01 due:2026-12-02", "due: is there twice"),
        ("- [ ] Essay @A @B", "@ is there twice"),
        ("- [ ] @A due:2026-12-01", "it has no title"),
    ],
)
def test_refusals(refusal, line, why):
    """What is wrong is refused with its line and what would be right."""
    assert refusal(f"# Homework\n\n{line}\n") == f"line 3: {why}"


def test_every_wrong_line_is_named_at_once(refusal):
    """What is wrong in a line, and what is wrong as a whole, is named in the order of the file."""
    assert refusal(
        "- [ ] A est:soon\n  - [ ] step due:never\n- [ ] B\n- [ ] C points:many\n- [ ] D est:4h est:5h\n"
    ) == (
        "line 1: est has to be like 4h, 45min or 1h30m, not 'soon'; "
        "line 2: due has to be a date like 2026-12-01 or 2026-12-01 23:59, not 'never'; "
        "line 4: points has to be a number from 0 to 100000, not 'many'; "
        "line 5: est: is there twice"
    )


def test_the_same_twice(refusal):
    """Two checkboxes that could not be told apart are refused."""
    assert refusal("- [ ] Essay\n- [x] Essay\n") == (
        "line 2: it has the same course and title as line 1; give each an id"
    )
    assert refusal("- [ ] A id:1\n- [ ] B id:1\n") == "line 2: it has the same id as line 1"


def test_other_encodings(harvest):
    """A file that is not UTF-8 is read with a warning; a byte order mark is no part of the first line."""
    found = harvest("- [ ] Café\n".encode("cp1252"))
    assert (titles(found), found.warnings) == (
        ["Café"],
        ("mine: parts of it are not in UTF-8, so accented letters may be wrong",),
    )
    assert titles(harvest("- [ ] Essay\n".encode("utf-8-sig"))) == ["Essay"]


# fmt: off
PIECES = (
    "- [ ] ", "- [x] ", "  ", "\t", "> ", "1. ", "due:", "2026-12-01", '"', "|", "@", "#", "`", "```", "~~~",
    "\n", "\r", "est:", "4h", "Essay", "[", "](https://x)", "**", "\x0c", "\x85", "id:",
    "\N{CALENDAR}", "\N{VARIATION SELECTOR-16}",
)
# fmt: on


@settings(max_examples=80)
@given(text=st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=25).map("".join))
def test_any_text(tmp_path, text):
    """Whatever a file holds gives assignments with different keys, or one sentence with a line that there is."""
    path = tmp_path / "homework.md"
    path.write_bytes(text.encode(errors="surrogatepass"))
    try:
        found = open_source("markdown", name="mine", url=None, path=path).read(now=NOW, zone=AMSTERDAM)
    except SourceError as error:
        refused = error.message
    else:
        refused = "): line "
        assert all(each.title for each in found.assignments)
        assert len({each.id for each in found.assignments}) == len(found.assignments)
    assert "): line " in refused


@pytest.mark.parametrize(
    "line",
    [
        "- [ ]" + " " * 1_000_000,
        "- [ ]" + " " * 500_000 + "Essay" + "\t" * 500_000,
        "- [ ] Essay due:" + " " * 1_000_000,
        "- [ ] Essay " + "[a](https://b" * 80_000,
        "- [ ] Essay " + '@"' * 500_000,
    ],
    ids=["blanks", "around", "due", "links", "quotes"],
)
def test_a_line_without_end(tmp_path, line):
    """A megabyte in one line is read in one pass: backtracking would take hours, the minute guards against that."""
    path = tmp_path / "long.md"
    path.write_text(f"{line}\n- [ ] Next\n")
    done = subprocess.run(
        [sys.executable, "-P", "-c", READ, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "Next"


READ = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from gradent_cli.agents.study.sources import open_source
source = open_source("markdown", name="mine", url=None, path=Path(sys.argv[1]))
for each in source.read(now=datetime(2026, 10, 1, tzinfo=UTC), zone=UTC).assignments:
    print(each.title)
"""
