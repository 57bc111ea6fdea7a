"""`log`, `done`, `edit` and `suggestions`: what the student says is kept, and shown beside what the source says."""

import json
import re
import threading
from datetime import UTC, datetime, timedelta

import pytest

from gradent_cli import lock
from gradent_cli.agents.study.progress import Progress
from gradent_cli.agents.study.store import Store
from gradent_cli.database import open_database

ESSAY = '[[assignment]]\ntitle = "Essay 1"\ncourse = "WRIT 101"\ndue = 2099-12-01\neffort_hours = 6\n'
QUIZ = '[[assignment]]\ntitle = "Quiz 3"\ndue = 2099-12-02\neffort_hours = 1\n'
LATE = '[[assignment]]\ntitle = "Lab 2"\ndue = 2020-12-02\neffort_hours = 2\ndone = false\n'
EVIL = "Es\u202esay\x1b[31m \x1b]0;x\x07\n\x9b5m2"
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
COMMANDS = (("log",), ("log", "essay", "1h"), ("done", "essay"), ("edit", "essay", "--points", "1"), ("suggestions",))


@pytest.fixture
def listed(home):
    """Writes the list of assignments that the default config reads."""
    path = home / ".config/gradent/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[study]\ntimezone = "Europe/Berlin"\n[[study.sources]]\nkind = "toml"\npath = "~/list.toml"\n')
    path.chmod(0o600)
    return (home / "list.toml").write_text


@pytest.fixture
def known(gradent, listed):
    """A run has read three assignments; one of them is overdue. Their ids by title."""
    listed(ESSAY + QUIZ + LATE)
    assert gradent("run").code == 0
    return {each["title"]: each["id"] for each in json.loads(gradent("assignments", "--json").out)}


@pytest.fixture
def said(state):
    """What the database holds of the student's word, read anew each time."""

    def read():
        progress = Progress(open_database(state / "gradent.db", read_only=True))
        return progress.edits(), list(progress.entries(99).values())

    return read


def remaining(gradent):
    return {each["title"]: each["remaining_hours"] for each in json.loads(gradent("assignments", "--json").out)}


def test_log(gradent, known):
    """Work that is logged is said to be done, what is left is said, and all follow it; taken back, it is work again."""
    assert gradent("log", "essay", "1h30m").out == "Logged 1h 30min on Essay 1 (WRIT 101); 4h 30min remain\n"
    assert remaining(gradent)["Essay 1"] == 4.5
    assert gradent("log", known["Essay 1"][:3], "3h30m").out.endswith("; 1h remains\n")
    assert gradent("log", "--undo").out.startswith("Took back 3h 30min on Essay 1 (WRIT 101), ")
    assert remaining(gradent)["Essay 1"] == 4.5
    finished = gradent("log", "writ 101 essay", "5h").out
    assert finished.endswith(f"; nothing remains. If it is finished: gradent done {known['Essay 1'][:4]}\n")
    assert gradent("log", "lab", "20min").out == "Logged 20min on Lab 2; 1h 40min remain\n"
    assert gradent("log", "quiz", "0min").out == "Noted that you did not work on Quiz 3; 1h remains\n"


def test_the_log_is_shown(gradent, known, said):
    """The newest first, on the student's own clock, the year where it is another, and the note; and as JSON."""
    assert gradent("log").out == "Nothing is logged yet: gradent log ASSIGNMENT 1h30m\n"
    gradent("log", "essay", "90min", "--on", "2024-11-20", "--note", "read\nmuch")
    gradent("log", "quiz", "0min", "--on", "2024-11-21T08:30")
    assert gradent("log").out == (
        "NO  UNTIL                  WORKED    ASSIGNMENT\n"
        "2   Thu 21 Nov 2024 08:30  none      Quiz 3\n"
        "1   Wed 20 Nov 2024 23:59  1h 30min  Essay 1 (WRIT 101): read much\n"
    )
    newest, oldest = json.loads(gradent("log", "--json").out)
    assert newest["number"] == 2
    logged_at = oldest.pop("logged_at")
    assert datetime.fromisoformat(logged_at) <= datetime.now(UTC)
    assert oldest == {
        "number": 1,
        "assignment_id": known["Essay 1"],
        "title": "Essay 1",
        "minutes": 90,
        "worked_at": "2024-11-20T22:59:00Z",
        "note": "read much",
    }
    assert json.loads(gradent("log", "essay", "1h", "--json").out)["remaining_hours"] == 3.5
    assert json.loads(gradent("log", "--undo", "1", "--json").out)["number"] == 1
    assert [each.minutes for each in said()[1]] == [60, 0]


def test_taking_back_work_of_long_ago(gradent, known):
    """Its day is said with the year."""
    gradent("log", "essay", "1h", "--on", "2024-01-01")
    assert gradent("log", "--undo").out == "Took back 1h on Essay 1 (WRIT 101), Mon 1 Jan 2024 23:59\n"


def test_work_on_what_is_not_configured_any_more(gradent, known, listed):
    """What was logged on it is still shown and can be taken back; more cannot be logged."""
    gradent("log", "quiz", "30min")
    listed(ESSAY)
    gradent("run")
    assert known["Quiz 3"] in gradent("log").out
    assert json.loads(gradent("log", "--json").out)[0]["title"] is None
    assert gradent("log", "quiz", "1h").code == 2
    assert gradent("log", "--undo").code == 0


TOMORROW = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"


REFUSED = (
    (("log", "thesis", "1h"), "there is no assignment 'thesis'"),
    (("log", "esay 1", "1h"), "did you mean Essay 1 (WRIT 101) = "),
    (("log", "", "1h"), "no assignment is named"),
    (("log", "a", "1h"), "'a' could be Lab 2 = "),
    (("log", "essay"), "how long did you work on Essay 1 (WRIT 101)?"),
    (("log", "essay", "25h"), "'25h' is more than a day holds"),
    (("log", "essay", "20s"), "'20s' is less than a minute"),
    (("log", "essay", "much"), "'much' is not a duration"),
    (("log", "essay", "1h\x1b[31m"), "is not a duration"),
    (("log", "essay", "1h", "--on", TOMORROW), "is in the future"),
    (("log", "essay", "1h", "--on", "monday"), "'monday' is not a date"),
    (("log", "--note", "x"), "no assignment is named"),
    (("log", "--undo"), "nothing is logged"),
    (("log", "--undo", "7"), "there is no entry 7 in the log"),
    (("log", "--undo", "essay"), "'essay' is not the number of an entry"),
    (("log", "--undo", "9" * 30), "is not the number of an entry"),
    (("log", "--undo", "1", "1h"), "--undo takes the number of an entry and nothing else"),
    (("done", "thesis"), "there is no assignment 'thesis'"),
    (("edit", "thesis", "--points", "1"), "there is no assignment 'thesis'"),
    (("edit", "essay", "--due", "soon"), "'soon' is not a date"),
    (("edit", "essay", "--due", "2026-02-30"), "'2026-02-30' is not a date"),
    (("edit", "essay", "--due", "2099-W49"), "'2099-W49' is not a date"),
    (("log", "essay", "1h", "--on", "2020-W49"), "'2020-W49' is not a date"),
    (("edit", "essay", "--effort", "5"), "'5' is not a duration"),
    (("edit", "essay", "--effort", "60d"), "'60d' is no effort"),
    (("edit", "essay", "--title", " \n"), "the title has to have letters in it"),
    (("edit", "essay", "--course", "\x1b[0m"), "the course has to have letters in it"),
    (("edit", "essay", "--points", "many"), "points has to be a number from 0 to 100000"),
    (("edit", "essay", "--weight", "120"), "the weight has to be a number from 0 to 100"),
    (("edit", "essay", "--title", "x", "--weight", "nan"), "the weight has to be a number from 0 to 100"),
    (("suggestions", "--dismiss", "99"), "there is no suggestion '99'"),
    (("suggestions", "--done", ""), "there is no suggestion ''"),
    (("suggestions", "--done", "1", "--dismiss", "1"), "--dismiss and --done contradict each other"),
)


def test_what_cannot_be_meant(gradent, known, said):
    """One sentence, exit code 2, and nothing is changed."""
    before = gradent("suggestions", "--all", "--json").out
    for arguments, why in REFUSED:
        result = gradent(*arguments)
        assert (result.code, result.out) == (2, ""), arguments
        assert why in result.err, arguments
        assert result.err.startswith("gradent: ")
        assert len(result.err.splitlines()) <= 2, arguments
        assert HARMFUL.findall(result.err) == [], arguments
    assert said() == ({}, [])
    assert gradent("suggestions", "--all", "--json").out == before


def test_done(gradent, known, said):
    """Said once, kept; its sessions are named, what was suggested for it is done; and taken back."""
    result = gradent("done", "quiz")
    assert result.out == (f"Quiz 3 is done. Take it back with: gradent done {known['Quiz 3'][:4]} --undo\n")
    assert gradent("done", "quiz").out == "Quiz 3 is done already.\n"
    assert said()[0] == {known["Quiz 3"]: {"done": True}}
    assert gradent("done", "quiz", "--undo").out == "Quiz 3 is not done; the next run plans what is left of it.\n"
    assert gradent("done", "quiz", "--undo").out == "Quiz 3 is not done.\n"
    assert said()[0] == {}
    assert "The next run takes its 1 session out of the plan.\n" in gradent("done", "lab").out
    assert gradent("suggestions").out == "Nothing is suggested.\n"
    assert json.loads(gradent("suggestions", "--all", "--json").out)[0]["status"] == "done"


def test_not_done_though_the_source_says_so(gradent, known, listed, said):
    """The student's word wins this way round as well."""
    listed(ESSAY + QUIZ + LATE.replace("false", "true"))
    gradent("run")
    assert gradent("done", "lab").out == "Lab 2 is done already.\n"
    assert gradent("done", "lab", "--undo").code == 0
    assert said()[0] == {known["Lab 2"]: {"done": False}}
    gradent("done", "lab")
    assert said()[0] == {known["Lab 2"]: {"done": True}}


def test_edit(gradent, known, said):
    """What is said is kept, shown beside what the source says, added to, and forgotten; other edits stay."""
    result = gradent("edit", "essay", "--due", "2099-12-05", "--effort", "90min", "--points", "10", "--weight", "12.5%")
    assert result.out == (
        f"Essay 1 (WRIT 101), {known['Essay 1']}\n"
        "        YOU SAY               ITS SOURCE SAYS\n"
        "title                         Essay 1\n"
        "course                        WRIT 101\n"
        "due     Sat 5 Dec 2099 23:59  Tue 1 Dec 2099 23:59\n"
        "effort  1h 30min              6h\n"
        "points  10\n"
        "weight  12.5%\n"
        "done                          no\n"
        "The next run plans with it.\n"
    )
    assert gradent("edit", "essay", "--title", EVIL, "--course", "WRIT\n102", "--ignore", "--due", "none").code == 0
    assert said()[0] == {
        known["Essay 1"]: {
            "due_at": None,
            "effort_hours": 1.5,
            "points": 10.0,
            "weight": 12.5,
            "title": "Essay 2",
            "course": "WRIT 102",
            "ignored": True,
        }
    }
    shown = gradent("edit", known["Essay 1"]).out
    assert "no due date" in shown
    assert HARMFUL.findall(shown) == []
    assert "next run" not in shown
    gradent("done", known["Essay 1"])
    gradent("edit", known["Essay 1"], "--no-ignore")
    assert said()[0][known["Essay 1"]]["done"] is True
    assert "ignored" not in said()[0][known["Essay 1"]]
    gradent("edit", known["Essay 1"], "--reset", "--due", "2099-12-05T18:00+01:00")
    document = json.loads(gradent("edit", known["Essay 1"], "--json").out)
    assert document == {
        "assignment_id": known["Essay 1"],
        "edits": {"due_at": "2099-12-05T17:00:00Z"},
        "source": {
            "title": "Essay 1",
            "course": "WRIT 101",
            "due_at": "2099-12-01T22:59:00Z",
            "effort_hours": 6.0,
            "points": None,
            "weight": None,
            "done": False,
        },
    }
    gradent("edit", known["Essay 1"], "--reset")
    assert said()[0] == {}


def test_what_is_ignored_is_suggested_no_more(gradent, known):
    """At once, not only after the next run."""
    assert "Lab 2 is overdue" in gradent("suggestions").out
    gradent("edit", "lab", "--ignore")
    assert gradent("suggestions").out == "Nothing is suggested.\n"


def test_suggestions(gradent, known):
    """What is open is shown with its number, and as JSON with its key."""
    lines = gradent("suggestions").out.splitlines()
    assert lines[0] == "1  Lab 2 is overdue"
    assert lines[1].startswith("   It was due Wed 2 Dec 2020 23:59. It takes about 2 hours in all.")
    (found,) = json.loads(gradent("suggestions", "--json").out)
    assert {name: found[name] for name in ("number", "key", "category", "priority", "assignment_id", "status")} == {
        "number": 1,
        "key": f"overdue:{known['Lab 2']}:20201202T2259Z",
        "category": "deadline_reminder",
        "priority": "high",
        "assignment_id": known["Lab 2"],
        "status": "told",
    }
    assert found["first_told_at"] == found["last_true_at"]
    assert list(found)[:4] == ["number", "key", "title", "text"]


@pytest.mark.parametrize(("option", "word"), [("--dismiss", "dismissed"), ("--done", "done")])
@pytest.mark.parametrize("name", ["1", "#1", "key"])
def test_an_answered_suggestion_stays_silent(gradent, known, listed, option, word, name):
    """It is shown only with the others that are answered, and no run tells it again; a new due date is told."""
    name = f"overdue:{known['Lab 2']}:20201202T2259Z" if name == "key" else name
    assert gradent("suggestions", option, name).out == f"{word.capitalize()}: Lab 2 is overdue\n"
    assert gradent("suggestions").out == "Nothing is suggested.\n"
    assert gradent("suggestions", "--all").out.startswith(f"1  Lab 2 is overdue ({word})\n")
    assert "suggestion" not in json.loads(gradent("run", "--json").out)["summary"]
    assert [each["status"] for each in json.loads(gradent("suggestions", "--all", "--json").out)] == [word]
    listed(ESSAY + QUIZ + LATE.replace("2020-12-02", "2020-12-09"))
    assert "enerated 1 study suggestion" in json.loads(gradent("run", "--json").out)["summary"]


def test_before_the_first_run(gradent, listed, state):
    """Nothing is known, which is said, and nothing is made."""
    listed(ESSAY)
    for arguments in (("log", "essay", "1h"), ("done", "essay"), ("edit", "essay", "--ignore")):
        result = gradent(*arguments)
        assert (result.code, result.err.splitlines()[1]) == (2, "  hint: `gradent run` reads your sources")
    assert gradent("suggestions").out == "Nothing is suggested.\n"
    assert gradent("log").code == 0
    assert not state.exists()


def test_a_broken_database(gradent, known, state):
    """Code 74 and a sentence with its remedy."""
    (state / "gradent.db").write_bytes(b"no database" * 1000)
    for arguments in COMMANDS:
        result = gradent(*arguments)
        assert result.code == 74, arguments
        assert result.err.startswith("gradent: ")
        assert "hint: `gradent run` sets it aside" in result.err


@pytest.mark.parametrize("arguments", COMMANDS[1:4], ids=" ".join)
def test_while_a_run_goes_on(gradent, known, state, said, arguments):
    """The lock of a run is none of theirs, and a transaction of its is waited for."""
    writing, over = threading.Event(), threading.Event()

    def write():
        connection = open_database(state / "gradent.db", any_thread=True)
        connection.execute("BEGIN IMMEDIATE")
        writing.set()
        over.wait(20)
        connection.execute("COMMIT")
        connection.close()

    run = threading.Thread(target=write)
    run.start()
    assert writing.wait(20)
    threading.Timer(0.2, over.set).start()
    with lock.held(state / "gradent.lock", now=datetime.now(UTC)):
        assert gradent(*arguments).code == 0
    run.join()
    assert over.is_set()
    assert said() != ({}, [])


def test_nothing_harmful_is_printed(gradent, known, state):
    """Whatever a database holds: no escape, no bidirectional control, and no line of its own."""
    connection = open_database(state / "gradent.db")
    connection.execute("UPDATE assignments SET title = ?, course = ?", (EVIL, EVIL))
    evil = {each.suggestion.key: each.suggestion for each in Store(connection).suggestions.all()}
    for key in evil:
        document = {"title": EVIL, "text": EVIL, "category": "other", "priority": "low"}
        connection.execute("UPDATE suggestions SET document = ?", (json.dumps(document | {"key": key}),))
    connection.close()
    one = known["Essay 1"]
    for arguments in (
        ("log", one, "1h", "--note", EVIL),
        ("log",),
        ("log", "essay", "1h"),
        ("log", "esay", "1h"),
        ("log", one),
        ("log", "--undo"),
        ("done", one),
        ("done", one, "--undo"),
        ("edit", one),
        ("suggestions",),
        ("suggestions", "--dismiss", "1"),
    ):
        result = gradent(*arguments)
        assert HARMFUL.findall(result.out + result.err) == [], arguments
        assert "5m2" not in result.out + result.err, arguments
        assert result.code in (0, 2), arguments
