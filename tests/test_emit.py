"""`gradent emit`: events to the run that started a program."""

import json
import resource

import pytest

from gradent_cli.agents.events import append
from gradent_cli.agents.output import LINE_BYTES
from gradent_cli.errors import StateError

COMPLETED = ("tool.completed", "fetch", "--id", "7", "--title", "Fetch the list", "--result", "3 pages")


def test_an_event_goes_to_the_run(gradent, monkeypatch, tmp_path):
    """It is appended to the file that the run reads, and nothing is printed."""
    events = tmp_path / "events"
    events.write_text("before\n")
    monkeypatch.setenv("GRADENT_EVENTS", str(events))
    result = gradent("emit", *COMPLETED)
    assert (result.code, result.out) == (0, "")
    before, line = events.read_text().splitlines()
    assert before == "before"
    assert json.loads(line) == {
        "type": "tool.completed", "tool": "fetch", "id": "7", "title": "Fetch the list", "result": "3 pages", "ok": True
    }  # fmt: skip


def test_half_a_line_before_it_spoils_no_event(gradent, monkeypatch, tmp_path):
    """A script that appends by `printf`, or a disk that was full, leaves a line without an end."""
    events = tmp_path / "events"
    events.write_text('{"type": "tool.comp')
    monkeypatch.setenv("GRADENT_EVENTS", str(events))
    assert gradent("emit", "run.completed").code == 0
    assert events.read_text().splitlines()[1:] == ['{"type": "run.completed"}']


def test_a_disk_with_room_for_half_an_event(tmp_path):
    """An event that is not written whole is no success."""
    events = tmp_path / "events"
    events.touch()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        with pytest.raises(StateError, match="cannot tell the run: "):
            append(events, {"type": "run.completed"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_result_from_standard_input(gradent):
    """Of more than a run takes in one event its beginning stays."""
    result = gradent("emit", "tool.completed", "x", "--result", "-", input="a" + "b" * 3_000_000)
    assert json.loads(result.out)["result"].startswith("abb")
    assert len(result.out) < LINE_BYTES


def test_outside_a_run_it_is_printed(gradent):
    """A script can be tried by hand."""
    result = gradent("emit", "run.failed", "--error", "no network")
    assert json.loads(result.out) == {"type": "run.failed", "error": "no network"}


def test_what_failed_and_what_is_no_news(gradent):
    """An error makes a tool failed; `--unchanged` says that nobody need be told."""
    assert json.loads(gradent("emit", "tool.completed", "plan", "--error", "full", "--unchanged").out) == {
        "type": "tool.completed", "tool": "plan", "error": "full", "ok": False, "changed": False
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tool.done", "x"), "there is no event 'tool.done'"),
        (("tool.started",), "tool.started needs the name of a tool"),
        (("tool.started", "x", "--error", "y"), "tool.started has no error"),
        (("run.completed", "x", "--result", "y"), "run.completed has no tool and no result"),
    ],
)
def test_what_cannot_be_meant(gradent, arguments, said):
    """One sentence, exit 2, and no event."""
    result = gradent("emit", *arguments)
    assert (result.code, result.out) == (2, "")
    assert f"gradent: {said}" in result.err


def test_a_run_that_is_over(gradent, monkeypatch, tmp_path):
    """Its file is gone: 74 and a sentence."""
    monkeypatch.setenv("GRADENT_EVENTS", str(tmp_path / "gone"))
    result = gradent("emit", *COMPLETED)
    assert result.code == 74
    assert "gradent: cannot tell the run: " in result.err
