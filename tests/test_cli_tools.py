"""`gradent tool`: the real command, in a run and outside of one."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gradent_cli import lock
from gradent_cli.cli.tools import read_to_end
from gradent_cli.errors import UsageError


@pytest.fixture
def student(config: Path) -> Path:
    """A config with one list and one essay in it, and a calendar file of the student's choice."""
    config.write_text(
        '[study]\nplan_ics = "plan.ics"\n[[study.sources]]\nkind = "toml"\nname = "list"\npath = "list.toml"\n'
    )
    config.with_name("list.toml").write_text('[[assignment]]\nid = "essay"\ntitle = "Essay 1"\n')
    return config


def start(*arguments: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gradent_cli", "tool", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    )


def tool(*arguments: str, input: str = "", **environ: str) -> tuple[int | None, str, str]:
    process = start(*arguments, **environ)
    out, err = process.communicate(input)
    return process.returncode, out, err


def answer(*arguments: str, input: str = "", **environ: str) -> Any:
    code, out, err = tool(*arguments, input=input, **environ)
    assert (code, err) == (0, "")
    return json.loads(out)


def test_without_a_name_the_tools_are_listed(student: Path) -> None:
    """Each with what it takes."""
    code, out, _ = tool()
    assert code == 0
    assert re.findall(r"^[a-z]+", out, re.MULTILINE) == ["check", "assess", "suggest", "schedule", "log"]
    assert "Each has assignment, likely_hours, and may have low_hours, high_hours, difficulty, reason." in " ".join(
        out.split()
    )


def test_input_comes_from_standard_input_or_an_option(student: Path) -> None:
    """Either way it is a JSON object, and the answer is one document; outside a run too."""
    assert [each["title"] for each in answer("check")["assignments"]] == ["Essay 1"]
    given = '{"judgements": [{"assignment": "essay", "likely_hours": 3}]}'
    assert answer("assess", input=given)["new"] == 1
    assert answer("assess", "--input", given)["new"] == 0
    assert answer("schedule")["short"] == []
    assert student.with_name("plan.ics").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nothing",), "there is no tool 'nothing'"),
        (("check", "--input", "{"), "the input is not JSON"),
        (("check", "--input", "[]"), "has to be a JSON object"),
        (("check", "--input", '{"a": 1}'), "check has no field 'a'"),
        (("schedule", "--input", '{"sessions": [{"assignment": "a"}]}'), "needs the field starts_at"),
    ],
)
def test_input_that_makes_no_sense_is_refused(
    gradent: Any, student: Path, state: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    """One sentence, exit 2, and no state is made."""
    done = gradent("tool", *arguments)
    assert done.code == 2
    assert sentence in done.err
    assert done.out == ""
    assert not state.exists()


def test_a_standard_input_that_nobody_closes(student: Path) -> None:
    """A tool that takes nothing does not look at it; `--input` is enough for one that does."""
    for arguments in (("check",), ("schedule", "--input", "{}")):
        process = start(*arguments)
        assert process.stdout is not None
        assert "summary" in json.load(process.stdout) or arguments[0] == "schedule"
        assert process.wait() == 0
        process.communicate()


def test_silence_is_no_input_and_no_reason_to_lose_any() -> None:
    """What does not end is refused with a sentence, whether something came or not; what ends is read whole."""
    reader, writer = os.pipe()
    try:
        for piece in (b"", b'{"assignment": '):
            os.write(writer, piece)
            with pytest.raises(UsageError, match=r"nothing came on standard input for 0.01 seconds") as caught:
                read_to_end(reader, patience=0.01)
            assert "--input -" in str(caught.value.hint)
        os.write(writer, "é".encode() + b"\xff")
        os.close(writer)
        assert read_to_end(reader, patience=0.01) == "é\ufffd"
    finally:
        os.close(reader)


@pytest.mark.parametrize("arguments", [(), ("--input", "-")])
def test_input_that_comes_late_counts(student: Path, arguments: tuple[str, ...]) -> None:
    """It comes in two pieces, after the program has started to wait."""
    answer("check")
    process = start("assess", *arguments)
    assert process.stdin is not None
    process.stdin.write('{"judgements": [{"assignment": "essay", ')
    process.stdin.flush()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.7)
    out, err = process.communicate('"likely_hours": 3}]}')
    assert (process.returncode, err) == (0, "")
    assert json.loads(out)["new"] == 1


def test_what_a_run_gives_its_program_is_no_input(student: Path, tmp_path: Path) -> None:
    """A script hands its own standard input on: the prompt, or the context."""
    for name in ("prompt", "context.json", "events"):
        (tmp_path / name).write_text("Plan my week.")
    environ = {**os.environ, "GRADENT_EVENTS": str(tmp_path / "events")}
    command = [sys.executable, "-m", "gradent_cli", "tool", "schedule"]
    for name in ("prompt", "context.json"):
        with (tmp_path / name).open() as given:
            assert subprocess.run(command, stdin=given, env=environ, capture_output=True, check=False).returncode == 0
            assert given.read() == "Plan my week."
    (tmp_path / "own").write_text("Plan my week.")
    with (tmp_path / "own").open() as given:
        done = subprocess.run(command, stdin=given, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the input is not JSON" in done.stderr


def test_the_run_is_told_what_a_tool_did(student: Path, tmp_path: Path) -> None:
    """The events file gets the start and the end of the call as they were, under an id of its own."""
    events = tmp_path / "events"
    events.touch()
    answer("check", GRADENT_EVENTS=str(events))
    begun, ended = [json.loads(line) for line in events.read_text().splitlines()]
    id = begun["id"]
    assert re.fullmatch("check-[0-9a-f]{6}", id)
    call = {"id": id, "tool": "check", "title": "Check assignments", "by": "gradent"}
    assert begun == {"type": "tool.started", **call}
    assert ended == {
        "type": "tool.completed",
        **call,
        "ok": True,
        "result": "1 open assignment from 1 source: 1 new",
        "details": ["New: Essay 1, no due date"],
        "changed": True,
        "error": None,
    }


def test_a_run_that_it_is_no_part_of_keeps_it_out(student: Path, state: Path) -> None:
    """Exit 75, and the hint says what a program of a run has to pass on; as part of the run it works."""
    state.mkdir(parents=True)
    events = state / "events"
    events.touch()
    with lock.held(state / "gradent.lock", now=datetime.now(UTC)):
        code, out, err = tool("check")
        assert (code, out) == (75, "")
        assert "has to pass GRADENT_EVENTS on" in err
        assert answer("check", GRADENT_EVENTS=str(events))["errors"] == []


def test_calls_of_one_run_take_turns(student: Path, state: Path) -> None:
    """While one call holds the tools, another waits, and goes on as soon as it can."""
    state.mkdir(parents=True)
    events = state / "events"
    events.touch()
    with lock.held(state / "tools.lock", now=datetime.now(UTC)):
        waiting = [start("check", "--input", "{}", GRADENT_EVENTS=str(events)) for _ in range(2)]
        with pytest.raises(subprocess.TimeoutExpired):
            waiting[0].wait(1)
        assert events.read_text() == ""
    assert [each.communicate()[1] for each in waiting] == ["", ""]
    told = [json.loads(line)["id"] for line in events.read_text().splitlines()]
    assert told[0] == told[1] != told[2] == told[3]


def test_a_dry_run_works_on_a_copy(student: Path, state: Path, tmp_path: Path) -> None:
    """One call knows what the one before it did; state and calendar file stay as they were."""
    answer("check")
    before = (state / "gradent.db").read_bytes()
    events = tmp_path / "run/events"
    events.parent.mkdir()
    events.touch()
    dry = {"GRADENT_DRY_RUN": "1", "GRADENT_EVENTS": str(events)}
    assert answer("schedule", **dry)["sessions"]
    assert answer("log", input='{"assignment": "essay", "time": "1h"}', **dry)["minutes"] == 60
    assert (state / "gradent.db").read_bytes() == before
    assert not student.with_name("plan.ics").exists()


def test_the_copy_of_a_dry_run_is_made_in_turn(student: Path, tmp_path: Path) -> None:
    """Of two first calls at once, none takes the copy away on which the other one works already."""
    answer("check")
    events = tmp_path / "run/events"
    events.parent.mkdir()
    events.touch()
    with lock.held(events.with_name("tools.lock"), now=datetime.now(UTC)):
        waiting = start("schedule", "--input", "{}", GRADENT_DRY_RUN="1", GRADENT_EVENTS=str(events))
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1)
        assert not events.with_name("gradent.db").exists()
    assert json.loads(waiting.communicate()[0])["sessions"]


def test_a_dry_run_needs_a_place_for_its_copy(student: Path) -> None:
    """Without the file of a run there is none."""
    code, out, err = tool("check", GRADENT_DRY_RUN="1")
    assert (code, out) == (2, "")
    assert "a dry run needs GRADENT_EVENTS" in err
