"""What a description asks for in words: taken as it stands there, or not at all."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli.agents.study.assess import assess
from gradent_cli.agents.study.demands import deliverables, prerequisites
from gradent_cli.agents.study.sources.html import plain
from gradent_cli.text import clean, cut_characters
from tests.test_assess import ESSAY, NOW


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Prerequisites: Lab 2; MATH 101", ("Lab 2", "MATH 101")),
        ("Prerequisite: the safety quiz.", ("the safety quiz",)),
        ("Prerequisites:\n- Lab 1\n* Read ch. 2\n\nThen write.", ("Lab 1", "Read ch. 2")),
        ("Required reading: Ong, pp. 5-20", ("Ong, pp. 5-20",)),
        ("Before you begin, read chapter 3 of the book. Then write.", ("read chapter 3 of the book",)),
        ("Before starting the lab, please complete the safety quiz.", ("complete the safety quiz",)),
        ("Before you start: install Python 3.12", ("install Python 3.12",)),
        ("Before the lab, you should review the handout.", ("review the handout",)),
        ("Read chapter 4 first.", ("Read chapter 4",)),
        ("Please read the rubric first, then plan.", ("read the rubric",)),
        ("You should watch the video beforehand.", ("watch the video",)),
        ("Complete the worksheet before you start.", ("Complete the worksheet",)),
        ("Requires Lab 2.", ("Lab 2",)),
        ("This lab requires familiarity with the oscilloscope.", ("familiarity with the oscilloscope",)),
        ("This project requires CS 240.", ("CS 240",)),
        ("Start this after Lab 3.", ("Lab 3",)),
        ("Do this only after you have finished Problem Set 2.", ("Problem Set 2",)),
        ("After reading chapter 2, answer the questions.", ("reading chapter 2",)),
    ],
)
def test_prerequisites(description, expected):
    """What has to be done before, as the description says it."""
    assert prerequisites(description) == expected


@pytest.mark.parametrize(
    "description",
    [
        "",
        "Prerequisites: none",
        "Prerequisite: N/A.",
        "Prerequisites:\nThere are five questions.",
        "Read the first chapter.",
        "Write the first draft.",
        "Finish first!",
        "Complete this first.",
        "Do your best first.",
        "What comes first is best.",
        "First, describe the problem.",
        "After completing this lab, you will be able to solder.",
        "After completing the reading quiz, you will know your level.",
        "After reading your essay, we will meet.",
        "After submitting, check your mail.",
        "Due one week after Lab 3.",
        "Posted after lecture 3.",
        "Office hours are after Lecture 3.",
        "This assignment requires a 5 page paper.",
        "Requires careful thought.",
        "Read chapter 5 before class.",
        "Finish the essay before the lab.",
        "Hand it in before you leave.",
        "Do not start before Monday.",
    ],
)
def test_no_prerequisites(description):
    """What only looks like one."""
    assert prerequisites(description) == ()


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Submit a PDF report and the source code.", ("a PDF report", "the source code")),
        ("Submit a PDF report and the source code to Canvas by Friday.", ("a PDF report", "the source code")),
        ("Please upload your slides (PDF) before class.", ("your slides (PDF)",)),
        ("Write an essay. Then turn in a draft on Canvas.", ("a draft",)),
        ("Hand in one page.", ("one page",)),
        ("Submit report.pdf", ("report.pdf",)),
        ("Submit your work as a PDF.", ("your work as a PDF",)),
        ("You must submit a signed consent form.", ("a signed consent form",)),
        ("For this lab you will need to hand in a data sheet, a plot and your notes.",
         ("a data sheet", "a plot", "your notes")),
        ("Deliverables:\n- report.pdf\n- source code as a zip\n\nGrading: 10 points",
         ("report.pdf", "source code as a zip")),
        ("Deliverables: a 5-page report, the slides and your code.", ("a 5-page report", "the slides", "your code")),
        ("Submit:\n1. A report\n2. Code", ("A report", "Code")),
        ("What to turn in:\n(a) a graph\n(b) a table", ("a graph", "a table")),
        ("Accepted file types: .pdf, .docx", (".pdf, .docx",)),
        ("Format: PDF", ("PDF",)),
    ],
)  # fmt: skip
def test_deliverables(description, expected):
    """What is handed in, without where and by when."""
    assert deliverables(description) == expected


@pytest.mark.parametrize(
    "description",
    [
        "",
        "Submit online.",
        "Submit by Friday.",
        "Submit to Gradescope.",
        "Upload it here.",
        "Turn in your assignment.",
        "Submit the assignment at the start of class.",
        "Submit all parts by Friday.",
        "Submit one time only.",
        "Do not submit a draft.",
        "Don't hand in a draft.",
        "You should not submit a draft.",
        "You can submit the assignment as often as you like.",
        "If you must submit a late essay, write to me.",
        "Students who submit a late essay lose points.",
        "Late submissions: minus 10 %",
        "Format: two people per team",
        "Deliverables: none",
        "Submission: online",
    ],
)
def test_no_deliverables(description):
    """What only looks like one."""
    assert deliverables(description) == ()


def test_at_most_five_short_ones():
    """Five of each, each once, each at most 120 characters."""
    many = "Deliverables:\n" + "\n".join(f"- part {number} {'x' * 200}" for number in range(9))
    found = deliverables(many + "\nDeliverables:\n- part 0 " + "x" * 200)
    assert len(found) == 5
    assert all(len(text) == 120 for text in found)
    assert deliverables("Submit a report. Submit a report.") == ("a report",)
    assert len(prerequisites("\n".join(f"Requires Lab {number}." for number in range(9)))) == 5


def test_what_was_cut_is_not_taken():
    """A description that was too long ends in the middle of something."""
    assert deliverables(cut_characters("Submit a report. Submit a rep" + "ort" * 99, 40)) == ("a report",)


def test_in_an_assessment():
    """An assessment carries both; a platform's HTML is read as its reader sees it."""
    html = "<p>Before you begin, read <em>Walden</em>.</p>Deliverables:<ul><li>an outline</li></ul><p>Good luck!</p>"
    found = assess(replace(ESSAY, description=plain(html)), now=NOW)
    assert (found.prerequisites, found.deliverables) == (("read Walden",), ("an outline",))


PIECES = """Submit |a report|, and |the code|Read |chapter 4| first|.
|Before you begin, |- |Deliverables:
|Prerequisites: |Lab 2|; |after |requires |You must |hand in |please |two |  |\t"""
pieces = st.sampled_from(PIECES.split("|"))


@given(st.lists(pieces | st.text(max_size=12), max_size=30).map("".join).map(clean))
def test_none_is_made_up(description):
    """Every text stands in the description word for word, and is one harmless line."""
    said = " ".join(description.split())
    for text in (*prerequisites(description), *deliverables(description)):
        assert 0 < len(text) <= 120
        assert text.rstrip("…") in said
