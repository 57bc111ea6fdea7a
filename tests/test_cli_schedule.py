"""`run --if-due`, `pause`, `resume`, `explain` and what `status` says of them, through the front door."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gradent_cli import lock
from gradent_cli.database import open_database
from gradent_cli.history import History
from tests.conftest import Gradent
from tests.street.crontab import Crontab
from tests.street.server import Answer, Server

AGENT = """
[agent]
kind = "command"
command = ["sh", "-c", "echo '{\\"type\\":\\"run.completed\\",\\"summary\\":\\"planned\\"}'; exit %d"]
"""


@pytest.fixture
def slot() -> datetime:
    """The last slot of the hourly schedule here: half an hour ago, so that none comes while a test runs."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30)


@pytest.fixture
def config(home: Path, slot: datetime) -> Callable[..., Path]:
    """Writes the default config: hourly, and an agent that ends with `code`, unless told otherwise."""
    path = home / ".config/gradent/config.toml"
    path.parent.mkdir(parents=True)

    def write(before: str = "", *, code: int = 0) -> Path:
        path.write_text(f'at = "{slot:%H:%M}"\n{before}{AGENT % code}')
        path.chmod(0o600)
        return path

    write()
    return write


@pytest.fixture
def state(home: Path) -> Path:
    return home / ".local/state/gradent"


def slept_since(state: Path, moment: datetime) -> None:
    """As if the last run had been then, and the machine asleep ever since; installed long before."""
    file = state / "due.json"
    document = json.loads(file.read_text()) | {"settled_at": moment.timestamp(), "next_at": moment.timestamp() + 1}
    file.write_text(json.dumps(document, indent=0) + "\n")
    History(open_database(state / "gradent.db")).remember("installed_at", "2026-01-01T00:00:00+00:00")


def last(gradent: Gradent) -> dict[str, object]:
    run: dict[str, object] = json.loads(gradent("history", "last", "--json").out)
    return run


def statuses(gradent: Gradent) -> list[str]:
    return [run["status"] for run in json.loads(gradent("history", "--json").out)]


def when(moment: datetime) -> str:
    return f"{moment:%a %-d %b %H:%M}"


# ── run --if-due ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_one_runs_and_the_second_finds_nothing_due(gradent: Gradent, config, slot: datetime):
    """It says when the next slot is, in words or in JSON; `--quiet` says nothing."""
    assert gradent("run", "--if-due").code == 0
    second = gradent("run", "--if-due")
    following = slot + timedelta(hours=1)
    assert (second.code, second.out) == (0, f"Nothing is due; the next slot is {when(following)}.\n")
    assert json.loads(gradent("run", "--if-due", "--json").out) == {
        "due": False, "next_execution": f"{following:%Y-%m-%dT%H:%M:00Z}"
    }  # fmt: skip
    assert gradent("run", "--if-due", "--quiet").out == ""
    assert statuses(gradent) == ["success"]


def test_missed_slots_are_served_once_and_told(gradent: Gradent, config, state: Path, server: Server, slot: datetime):
    """However many: one run, which says how many and which on record and in its message."""
    server.answer = Answer(200, b'{"id":"x"}')
    config(f'[ntfy]\nserver = "{server.url}"\ntopic = "gradent-test-x7k2m9"\n')
    gradent("run")
    slept_since(state, slot - timedelta(hours=50, minutes=30))
    which = f"50 runs missed {when(slot - timedelta(hours=50))}-{when(slot - timedelta(hours=1))}"
    result = gradent("run", "--if-due")
    assert which in " ".join(result.out.split())
    run = last(gradent)
    assert (run["missed_runs"], run["summary"]) == (50, f"planned\n{which}")
    assert server.requests[-1].json["title"] == "✅ Agent Completed"
    assert server.requests[-1].json["message"].splitlines()[:2] == ["planned", which]
    assert "Nothing is due" in gradent("run", "--if-due").out
    assert statuses(gradent) == ["success", "success"]


def test_a_failed_run_says_what_was_missed_too(gradent: Gradent, config, state: Path, server: Server, slot: datetime):
    """In its own message and on record."""
    server.answer = Answer(200, b'{"id":"x"}')
    channel = f'[ntfy]\nserver = "{server.url}"\ntopic = "gradent-test-x7k2m9"\n'
    config(channel)
    gradent("run")
    config(channel, code=1)
    slept_since(state, slot - timedelta(hours=50, minutes=30))
    assert gradent("run", "--quiet").code == 1
    assert "50 runs missed" in str(last(gradent)["summary"])
    assert "\n50 runs missed " in server.requests[-1].json["message"]


@pytest.mark.parametrize(
    ("events", "titles"),
    [
        ('["missed"]', ["⏰ Runs Missed"]),
        ('["missed", "completed"]', ["✅ Agent Completed"]),
        ('["completed"]', ["✅ Agent Completed"]),
    ],
)
def test_missed_runs_are_told_once_and_only_to_whom_it_matters(
    gradent: Gradent, config, state: Path, server: Server, events: str, titles: list[str], slot: datetime
):
    """A line of the last message where that is wanted, else a message; nothing without `missed` in the events."""
    gradent("run")
    server.answer = Answer(200, b'{"id":"x"}')
    slept_since(state, slot - timedelta(hours=3, minutes=30))
    config(f'[notify]\nevents = {events}\n[ntfy]\nserver = "{server.url}"\ntopic = "gradent-test-x7k2m9"\n')
    gradent("run")
    assert [request.json["title"] for request in server.requests] == titles
    assert ("3 runs missed" in server.requests[-1].json["message"]) == ("missed" in events)


def test_a_run_on_time_has_missed_nothing(gradent: Gradent, config, state: Path, slot: datetime):
    """The slot that it serves is not one."""
    gradent("run")
    slept_since(state, slot - timedelta(minutes=30))
    gradent("run")
    assert (last(gradent)["missed_runs"], last(gradent)["summary"]) == (0, "planned")


def test_who_runs_it_by_hand_only_has_missed_nothing(gradent: Gradent, config, state: Path, slot: datetime):
    """Without a schedule there are no slots."""
    gradent("run")
    slept_since(state, slot - timedelta(hours=9))
    History(open_database(state / "gradent.db")).remember("installed_at", "")
    gradent("run")
    assert last(gradent)["missed_runs"] == 0


def test_a_changed_frequency_invents_no_missed_runs(gradent: Gradent, config, state: Path):
    """What the new schedule would have asked for before it was made is not asked for."""
    config('frequency = "24hours"\n')
    gradent("run")
    slept_since(state, datetime.now(UTC) - timedelta(minutes=200))
    config('frequency = "15min"\n')
    gradent("run")
    assert last(gradent)["missed_runs"] == 0


@pytest.mark.parametrize("why", ["disabled", "paused"])
def test_a_slot_that_is_not_wanted_is_skipped_on_record_once(
    gradent: Gradent, config, state: Path, why: str, slot: datetime
):
    """Not on every tick."""
    gradent("run")
    if why == "disabled":
        config("enabled = false\n")
    else:
        gradent("pause", "--reason", "exams")
    slept_since(state, slot - timedelta(minutes=30))
    for _ in range(3):
        result = gradent("run", "--if-due", "--quiet")
        assert (result.code, result.out, result.err) == (0, "", "")
    assert statuses(gradent) == ["skipped", "success"]
    assert why in str(last(gradent)["error"])


def test_while_another_run_goes_on_a_tick_leaves_no_record(gradent: Gradent, config, state: Path, slot: datetime):
    """75, and the slot goes on waiting for the next tick."""
    gradent("run")
    slept_since(state, slot - timedelta(minutes=30))
    with lock.held(state / "gradent.lock", now=datetime.now(UTC)):
        result = gradent("run", "--if-due", "--quiet")
    assert (result.code, result.out, result.err) == (75, "", "")
    assert statuses(gradent) == ["success"]
    gradent("run", "--if-due")
    assert statuses(gradent) == ["success", "success"]


def test_a_dry_run_settles_nothing(gradent: Gradent, config, state: Path, slot: datetime):
    """What was due still is."""
    gradent("run")
    slept_since(state, slot - timedelta(minutes=30))
    before = (state / "due.json").read_bytes()
    assert "A dry run" in gradent("run", "--if-due", "--dry-run").out
    assert (state / "due.json").read_bytes() == before


# ── pause and resume ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_paused_run_is_skipped_with_the_reason(gradent: Gradent, config, server: Server):
    """Exit 0, on record with why and until when, nobody is told; `--force` runs."""
    server.answer = Answer(200, b'{"id":"x"}')
    config(f'[ntfy]\nserver = "{server.url}"\ntopic = "gradent-test-x7k2m9"\n')
    assert gradent("pause", "--until", "2099-12-24 08:00", "--reason", "  exams\n").out == (
        "Paused until Thu 24 Dec 2099 08:00: exams\nEnd it sooner with: gradent resume\n"
    )
    result = gradent("run")
    assert (result.code, result.out.splitlines()) == (
        0,
        [
            "Skipped: gradent is paused until Thu 24 Dec 2099 08:00: exams",
            "Run it all the same with --force, or: gradent resume",
        ],
    )
    assert last(gradent)["error"] == "gradent is paused until Thu 24 Dec 2099 08:00: exams"
    assert server.requests == []
    assert json.loads(gradent("run", "--force", "--json").out)["status"] == "success"


def test_a_pause_ends_by_itself(gradent: Gradent, config):
    """At its end."""
    gradent("pause", "--for", "1s")
    time.sleep(1.1)
    assert json.loads(gradent("run", "--json").out)["status"] == "success"
    assert gradent("resume").out == "gradent is not paused\n"


def test_resume_says_what_it_ended(gradent: Gradent, config, state: Path, slot: datetime):
    """And the slots in between were not missed."""
    gradent("run")
    assert gradent("pause", "--reason", "away").out == "Paused until `gradent resume`: away\n"
    slept_since(state, slot - timedelta(hours=9))
    assert gradent("resume").out == "Resumed; it had been paused until `gradent resume`: away\n"
    assert gradent("resume").out == "gradent is not paused\n"
    assert json.loads(gradent("run", "--json").out)["missed_runs"] == 0


@pytest.mark.parametrize(
    ("until", "zone", "told"),
    [
        ("2099-12-24", "Europe/Amsterdam", "2099-12-23T23:00:00Z"),
        ("2099-12-24 08:00", "Europe/Amsterdam", "2099-12-24T07:00:00Z"),
        ("2099-12-24T08:00", "UTC", "2099-12-24T08:00:00Z"),
        ("2099-12-24T08:00-05:00", "Europe/Amsterdam", "2099-12-24T13:00:00Z"),
    ],
)
def test_a_date_is_local_unless_it_has_a_zone(
    gradent: Gradent, config, monkeypatch: pytest.MonkeyPatch, until: str, zone: str, told: str
):
    """A day alone is its beginning."""
    monkeypatch.setenv("TZ", zone)
    gradent("pause", "--until", until)
    status = json.loads(gradent("status", "--json").out)
    assert (status["paused"], status["paused_until"]) == (True, told)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--for", "2w", "--until", "2099-12-24"), "contradict"),
        (("--until", "2020-01-01"), "has passed"),
        (("--until", "soon"), "is not a date"),
        (("--until", "9999-12-31T23:59-05:00"), "is not a date"),
        (("--for", "two weeks"), "is not a duration"),
    ],
)
def test_a_pause_without_a_sensible_end_is_refused(gradent: Gradent, config, state: Path, options, words: str):
    """2, one sentence and a hint; nothing is kept."""
    result = gradent("pause", *options)
    assert result.code == 2
    assert words in result.err
    assert len(result.err.splitlines()) == 2
    assert not state.exists()


# ── status ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_status_shows_the_pause_and_what_is_next(gradent: Gradent, config, crontab: Crontab, slot: datetime):
    """Until when and why; the next run is the first after it, or none."""
    gradent("install-cron")
    status = json.loads(gradent("status", "--json").out)
    assert (status["paused"], status["paused_until"], status["pause_reason"]) == (False, None, "")
    gradent("pause", "--until", "2099-12-24 08:00", "--reason", "exams")
    status = json.loads(gradent("status", "--json").out)
    assert (status["paused_until"], status["pause_reason"]) == ("2099-12-24T08:00:00Z", "exams")
    assert status["next_execution"] == f"2099-12-24T08:{slot:%M}:00Z"
    assert gradent("status").out.startswith("gradent is paused until Thu 24 Dec 08:00 (in ")
    gradent("pause")
    status = json.loads(gradent("status", "--json").out)
    assert (status["paused"], status["paused_until"], status["next_execution"]) == (True, None, None)


def test_status_counts_what_was_missed_so_far(gradent: Gradent, config, crontab: Crontab, state: Path, slot: datetime):
    """Nothing before the installation, nothing while paused."""
    gradent("install-cron")
    gradent("run")
    assert json.loads(gradent("status", "--json").out)["missed_runs"] == 0
    slept_since(state, slot - timedelta(hours=3, minutes=30))
    assert json.loads(gradent("status", "--json").out)["missed_runs"] == 4
    gradent("pause")
    assert json.loads(gradent("status", "--json").out)["missed_runs"] == 0


# ── explain ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_explain_lists_the_next_runs(gradent: Gradent, config, crontab: Crontab, slot: datetime):
    """In words and local time; five of them unless told otherwise."""
    gradent("install-cron")
    following = slot + timedelta(hours=1)
    said = gradent("explain").out.splitlines()
    assert said[:2] == [f"Every hour, at minute {slot.minute}.", ""]
    assert re.fullmatch(rf"  {following:%a %d %b %Y %H:%M} UTC  in \d+min", said[2])
    assert len(said) == 7
    document = json.loads(gradent("explain", "--count", "2", "--json").out)
    assert document[0] == {
        "at": f"{following:%Y-%m-%dT%H:%M:%SZ}", "local": following.isoformat(), "note": None
    }  # fmt: skip
    assert len(document) == 2


def test_explain_says_what_a_clock_change_does(gradent: Gradent, config, monkeypatch: pytest.MonkeyPatch):
    """A sentence before the run that it touches, within eighty columns."""
    config('frequency = "30 2 * * *"\n')
    monkeypatch.setenv("TZ", "Europe/Amsterdam")
    runs = json.loads(gradent("explain", "--count", "400", "--json").out)
    notes = [run["note"] for run in runs if run["note"]]
    assert any("clocks go from 02:00 to 03:00; the run of 02:30 happens at 03:00." in note for note in notes)
    assert any("02:00-03:00 comes twice; the run of 02:30 happens once." in note for note in notes)
    page = gradent("explain", "--count", "400").out
    assert "comes twice" in page
    assert max(map(len, page.splitlines())) <= 80


@pytest.mark.parametrize(
    ("setup", "sentence"),
    [
        (lambda gradent, config: None, "! gradent is not installed, so none of these will happen"),
        (
            lambda gradent, config: (gradent("install-cron"), config("enabled = false\n")),
            "! gradent is disabled, so these will be skipped",
        ),
        (
            lambda gradent, config: (gradent("install-cron"), gradent("pause", "--reason", "exams")),
            "! gradent is paused until `gradent resume`: exams; these will be skipped",
        ),
        (
            lambda gradent, config: (gradent("install-cron"), gradent("pause", "--for", "2h")),
            "Every hour, at minute ",
        ),
    ],
    ids=["not installed", "disabled", "paused for good", "paused for less than is shown"],
)
def test_explain_says_first_when_none_will_happen(gradent: Gradent, config, crontab: Crontab, setup, sentence: str):
    """And what would change that."""
    setup(gradent, config)
    assert gradent("explain").out.startswith(sentence)


def test_explain_changes_nothing(gradent: Gradent, config, state: Path):
    """It does not even create the state."""
    gradent("explain")
    assert not state.exists()


@pytest.mark.parametrize("number", ["0", "1001", "many"])
def test_a_senseless_count_is_refused(gradent: Gradent, config, number: str):
    """2."""
    assert gradent("explain", "--count", number).code == 2
