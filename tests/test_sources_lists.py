"""Lists kept by hand: read strictly, refused with the line and what would be right."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli.agents.study.sources import open_source
from gradent_cli.agents.study.sources.entries import FIELDS
from gradent_cli.errors import SourceError

NOW = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")

TOML = """
# my own list
[[assignment]]
id = "essay"
title = "Essay"
course = "HIST 101"
due = 2026-12-01T23:59:00+01:00
effort_hours = 6
points = 20.5
weight = 15
done = true
notes = "Three sources"
url = "https://example.edu/essay"

[[assignment]]
title = "Presentation"
due = 2026-12-01
"""


@pytest.fixture
def harvest(tmp_path):
    """`harvest("toml", text)`: what the source `mine` makes of it."""

    def read(kind, content, *, zone=AMSTERDAM):
        path = tmp_path / f"list.{kind}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return open_source(kind, name="mine", url=None, path=path).read(now=NOW, zone=zone)

    return read


@pytest.fixture
def refusal(harvest, tmp_path):
    """Why a list is refused, without the beginning that names it."""

    def read(kind, content):
        with pytest.raises(SourceError) as caught:
            harvest(kind, content)
        start = f"cannot read source 'mine' ({tmp_path / f'list.{kind}'}): "
        assert caught.value.message.startswith(start)
        return caught.value.message.removeprefix(start)

    return read


def test_toml(harvest):
    """Every field arrives; a due date without a time is 23:59 on the student's clock."""
    found = harvest("toml", TOML)
    assert found.warnings == ()
    presentation, essay = sorted(found.assignments, key=lambda each: each.title, reverse=True)
    assert (essay.key, essay.title, essay.course) == ("essay", "Essay", "HIST 101")
    assert (essay.effort_hours, essay.points, essay.weight, essay.done) == (6, 20.5, 15, True)
    assert (essay.description, essay.url) == ("Three sources", "https://example.edu/essay")
    assert essay.due_at == presentation.due_at == datetime(2026, 12, 1, 22, 59, tzinfo=UTC)
    assert (presentation.course, presentation.effort_hours, presentation.done) == (None, None, False)


def test_csv(harvest):
    """The same fields in a spreadsheet's file: any case, any of three separators, a byte order mark, blank lines."""
    rows: list[list[str]] = [
        ["Title", "COURSE", "due", "id", "effort_hours", "done", "notes"],
        ["Essay", "HIST 101", "2026-12-01 23:59", "essay", "6,5", "x", '"one\ntwo"'],
        [],
        ["Poster", "", "", "", "", "no", ""],
        ["Talk", "", "2026-12-01T10:00+02:00"],
    ]
    for separator in ";\t":
        text = "\r\n".join(separator.join(row) for row in rows)
        for raw in (text.encode(), text.encode("utf-8-sig"), f"sep={separator}\r\n{text}".encode()):
            talk, essay, poster = harvest("csv", raw).assignments
            assert (essay.key, essay.due_at) == ("essay", datetime(2026, 12, 1, 22, 59, tzinfo=UTC))
            assert (essay.effort_hours, essay.done, essay.description) == (6.5, True, "one\ntwo")
            assert (poster.title, poster.due_at, poster.done) == ("Poster", None, False)
            assert talk.due_at == datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert harvest("csv", 'title,due\n"Read, think",2026-12-01\n').assignments[0].title == "Read, think"


def test_the_key_without_an_id(harvest):
    """Without an id the key comes from course and title, so a new due date leaves it the same assignment."""
    first = harvest("csv", "title,course,due\nEssay,A,2026-12-01\nEssay,B,2026-12-01\n").assignments
    later = harvest("csv", "title,course,due\nEssay,B,2026-12-05\nEssay,A,2026-12-09\n").assignments
    assert len({each.id for each in first}) == 2
    assert {each.id for each in first} == {each.id for each in later}


@pytest.mark.parametrize(
    ("due", "utc"),
    [
        ("2026-12-01T10:00:00", "2026-12-01T09:00:00+00:00"),
        ("2026-12-01T10:00:00Z", "2026-12-01T10:00:00+00:00"),
        ('"2026-12-01 10:00"', "2026-12-01T09:00:00+00:00"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00+00:00"),  # the hour that the clock change leaves out
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00+00:00"),  # the hour that there is twice: the first
        ("9999-12-31", "9999-12-31T09:59:00+00:00"),
    ],
)
def test_due_dates(harvest, due, utc):
    """A due date is a day, a local time or a moment."""
    assert harvest("toml", f'[[assignment]]\ntitle = "A"\ndue = {due}\n').assignments[0].due_at.isoformat() == utc


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[assignment]]\ntitle = \n", "not valid TOML: invalid value (at line 2, column 9)"),
        ("x = " + "[" * 5000, "not valid TOML: brackets in brackets, too many to be read"),
        ("x = 1\ny = " + "1" * 5000, "not valid TOML: a number with too many digits (at line 2)"),
        ("x = 1\ny = 2026-02-30", "not valid TOML: invalid date or datetime (at line 2, column 5)"),
        (
            "[[assignments]]\n",
            "there is no 'assignments' in a list of assignments; each one begins with [[assignment]]",
        ),
        ("[assignment]\ntitle = 'A'\n", "write [[assignment]] with two brackets above each assignment"),
        ("assignment = [1]\n", "entry 1 is not a table; write [[assignment]] above its fields"),
        ("[[assignment]]\ntitle='A'\n\n[[assignment]]\ndue=2026-12-01\n", "entry 2 (line 4): it has no title"),
        ("[[assignment]]\ntitel='A'\n", "entry 1 (line 1): there is no field 'titel'; did you mean 'title'?"),
        (
            "[[assignment]]\nqqq='A'\n",
            f"entry 1 (line 1): there is no field 'qqq'; there are {', '.join(FIELDS)}",
        ),
        (
            "[[assignment]]\ntitle='A'\ndue='soon'\n",
            "entry 1 (line 1): due has to be a date like 2026-12-01 or 2026-12-01 23:59, not 'soon'",
        ),
        (
            "[[assignment]]\ntitle='A'\ndue='2026-W49'\n",
            "entry 1 (line 1): due has to be a date like 2026-12-01 or 2026-12-01 23:59, not '2026-W49'",
        ),
        (
            "[[assignment]]\ntitle='A'\ndue=10:00:00\n",
            "entry 1 (line 1): due has to be a date like 2026-12-01 or 2026-12-01 23:59, not '10:00'",
        ),
        (
            "[[assignment]]\ntitle='A'\neffort_hours=-1\n",
            "entry 1 (line 1): effort_hours has to be a number from 0 to 1000, not '-1'",
        ),
        (
            "[[assignment]]\ntitle='A'\nweight=nan\n",
            "entry 1 (line 1): weight has to be a number from 0 to 100, not 'nan'",
        ),
        ("[[assignment]]\ntitle='A'\ndone=2\n", "entry 1 (line 1): done has to be true or false, not '2'"),
        ("[[assignment]]\ntitle=true\n", "entry 1 (line 1): title has to be text, in quotes"),
        (
            "[[assignment]]\ntitle='A'\nurl='javascript:x'\n",
            "entry 1 (line 1): url has to begin with https:// or http:// and have no blanks, not 'javascript:x'",
        ),
        (
            "[[assignment]]\nid='a'\ntitle='A'\n[[assignment]]\nid='a'\ntitle='B'\n",
            "entry 2 (line 4): it has the same id as entry 1 (line 1)",
        ),
        (
            "[[assignment]]\ntitle='A'\n[[assignment]]\ntitle='A'\n",
            "entry 2 (line 3): it has the same course and title as entry 1 (line 1); give each an id",
        ),
    ],
)
def test_toml_refusals(refusal, text, why):
    """What is wrong in a list is said with its line and what is allowed."""
    assert refusal("toml", text) == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the first line has to name the fields, 'title' among them"),
        ("course,due\nA,2026-12-01\n", "the first line has to name the fields, 'title' among them"),
        ("title,dew\n", "line 1: there is no field 'dew'; did you mean 'due'?"),
        ("title,due,Title\n", "line 1: the field 'title' is there twice"),
        (
            "title,notes\nA,one, two\n",
            "line 2: there are more values than the header has names; put text with separators in quotes",
        ),
        ('title,notes\nA,"one\ntwo"\nB,"\n', "line 4: not valid CSV: unexpected end of data"),
        ('title,notes\nA,"one"two\n', "line 2: not valid CSV: ',' expected after '\"'"),
        (
            "title,due\nA,2026-02-30\n",
            "line 2: due has to be a date like 2026-12-01 or 2026-12-01 23:59, not '2026-02-30'",
        ),
        *(
            (
                f"title,due\nA,{other}\n",
                f"line 2: due has to be a date like 2026-12-01 or 2026-12-01 23:59, not '{other}'",
            )
            for other in ("2026-W49", "20261201", "2026-12-01T18")
        ),
        ("title,points\n\nA,many\n", "line 3: points has to be a number from 0 to 100000, not 'many'"),
        ("sep=;\ntitle;done\nA;perhaps\n", "line 3: done has to be true or false, not 'perhaps'"),
        ("title,due\n,2026-12-01\n", "line 2: it has no title"),
    ],
)
def test_csv_refusals(refusal, text, why):
    """What is wrong in a spreadsheet's file is said with its line and what is allowed."""
    assert refusal("csv", text) == why


def test_every_wrong_line_is_named_at_once(refusal):
    """All that is wrong is named in one refusal, in the order of the file, and how much more there is beyond five."""
    csv = "title,due,points\nA,someday,\nB,,many\nC,,\n,2026-12-01,\nC,,\n"
    assert refusal("csv", csv + '"D\n') == (
        "line 2: due has to be a date like 2026-12-01 or 2026-12-01 23:59, not 'someday'; "
        "line 3: points has to be a number from 0 to 100000, not 'many'; "
        "line 5: it has no title; "
        "line 6: it has the same course and title as line 4; give each an id; "
        "line 7: not valid CSV: unexpected end of data"
    )
    assert refusal("csv", csv + "E,,,extra\nF,never,\n").endswith(
        "; line 7: there are more values than the header has names; put text with separators in quotes; and 1 more"
    )
    toml = '[[assignment]]\ntitle = "A"\nduee = 1\n[[assignment]]\ntitle = "B"\n[[assignment]]\npoints = 1\n'
    assert refusal("toml", toml) == (
        "entry 1 (line 1): there is no field 'duee'; did you mean 'due'?; entry 3 (line 6): it has no title"
    )


def test_empty_lists(harvest):
    """A list may be empty: everything in it was done and taken out."""
    assert harvest("toml", "# nothing left\n").assignments == ()
    assert harvest("csv", "title,due\n").assignments == ()


def test_encodings(harvest):
    """What a spreadsheet program saves in its own encoding is read, with a warning."""
    for encoding, warning in (
        ("cp1252", "mine: parts of it are not in UTF-8, so accented letters may be wrong"),
        ("utf-16", "mine: it is in UTF-16, where UTF-8 is expected"),
    ):
        found = harvest("csv", "title;course\nÜbung;Café\n".encode(encoding))
        assert (found.assignments[0].title, found.assignments[0].course) == ("Übung", "Café")
        assert found.warnings == (warning,)


def test_hostile_text(harvest):
    """Control characters and length do not get through here either."""
    found = harvest("toml", f'[[assignment]]\ntitle = "A\\u001b[31mB\\u202e{"x" * 5000}"\nnotes = "{"n" * 9000}"\n')
    assert found.assignments[0].title.startswith("ABxxx")
    assert (len(found.assignments[0].title), len(found.assignments[0].description)) == (200, 4000)


@given(st.sampled_from(["toml", "csv"]), st.text(max_size=200) | st.binary(max_size=200), st.integers(0, 250))
def test_any_damage(tmp_path, kind, splice, at):
    """Whatever stands in a list gives assignments or a SourceError, and nothing else."""
    base = TOML if kind == "toml" else "title,due,points\nEssay,2026-12-01,10\n"
    raw = base.encode()[:at] + (splice if isinstance(splice, bytes) else splice.encode()) + base.encode()[at:]
    path = tmp_path / "list"
    path.write_bytes(raw)
    try:
        found = open_source(kind, name="mine", url=None, path=path).read(now=NOW, zone=AMSTERDAM)
    except SourceError:
        pass
    else:
        assert all(each.title for each in found.assignments)
