import json
from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from gradent_cli.agents.study.known import Known
from gradent_cli.agents.study.records import Assignment
from gradent_cli.cli import render
from gradent_cli.cli.assignments import assignments_table
from gradent_cli.outbox import Backlog
from gradent_cli.records import Delivery, Run, ToolCall
from gradent_cli.text import columns
from tests.street.clock import NOW

CALL = ToolCall(
    id="1", tool="check", title="Check assignments", status="completed", result="11 assignments " * 12,
    started_at=NOW, finished_at=NOW + timedelta(seconds=1.25),
)  # fmt: skip
RUN = Run(
    id="20261123-090000-aaaa", trigger="cron", status="success", agent="study", started_at=NOW,
    finished_at=NOW + timedelta(seconds=2), summary="Planned", tools=(CALL,),
    deliveries=(
        Delivery(message_id="1", channel="ntfy", event="started", status="sent", attempts=1),
        Delivery(message_id="2", channel="ntfy", event="completed", status="failed", attempts=1, error="no answer"),
    ),
)  # fmt: skip
ESSAY = Assignment(source="s", key="1", title="Essay <1>", course="WRIT 101", due_at=NOW + timedelta(days=2, hours=3))
LATE = Assignment(source="s", key="2", title="Lab", due_at=NOW - timedelta(days=1), done=False)
KNOWN = [
    Known(assignment=assignment, assessment=None, first_seen_at=NOW, last_seen_at=NOW, vanished=False)
    for assignment in (ESSAY, LATE)
]


def test_a_run_as_json_has_the_keys_that_scripts_rely_on():
    """The contract's keys, times in ISO 8601 UTC, durations in seconds."""
    document = json.loads(json.dumps(render.run_document(RUN)))
    assert set(document) >= {
        "id", "trigger", "status", "started_at", "finished_at", "duration_seconds", "agent", "summary", "error",
        "tools", "deliveries", "missed_runs",
    }  # fmt: skip
    assert set(document["tools"][0]) >= {
        "id", "tool", "title", "status", "result", "error", "started_at", "finished_at"
    }  # fmt: skip
    assert set(document["deliveries"][0]) == {"channel", "event", "status", "attempts", "error"}
    assert (document["started_at"], document["duration_seconds"]) == ("2026-11-23T09:00:00Z", 2.0)


def test_no_line_is_wider_than_the_terminal():
    """Eighty columns, whatever the texts are."""
    pages = [
        render.tool_line(CALL),
        render.run_page(RUN, UTC),
        render.history_table([RUN, replace(RUN, summary="word " * 50)], UTC),
        assignments_table([(known, 2.5) for known in KNOWN], UTC, NOW),
    ]
    assert max(len(line) for page in pages for line in page.splitlines()) <= 80


def test_the_page_of_a_run_hides_nothing_and_harms_nobody():
    """A reason for not taking a message is shown to its end; an agent's terminal escapes are not."""
    reason = "ntfy could not be reached: " + "the connection failed " * 8
    lost = replace(RUN.deliveries[1], error=reason.strip())
    page = render.run_page(replace(RUN, deliveries=(lost,), output_tail="\x1b]0;pwned\x07fine\n"), UTC)
    assert " ".join(page.split()).count("the connection failed") == 8
    assert page.endswith("  fine")
    assert not any(character in page for character in "\x1b\x07")


def test_deliveries_are_a_sentence_a_channel():
    """How many arrived, and why the others did not."""
    assert render.deliveries_text(RUN) == ["Sent 1 message to ntfy.", "1 message could not go to ntfy: no answer"]


def test_what_becomes_of_messages_is_said_in_eighty_columns():
    """Later and why, or not; the reason of the one that has one."""
    waiting = [
        Delivery(message_id=id, channel="discord", event="tool", status="pending", error=error)
        for id, error in (
            ("3", "Discord could not be reached: the connection was refused " + "again " * 9),
            ("4", None),
        )
    ]
    sentences = render.deliveries_text(replace(RUN, deliveries=(*RUN.deliveries, *waiting)))
    assert sentences[2].startswith("2 messages will go to discord later: Discord could not be reached: the")
    assert max(len(line) for sentence in sentences for line in sentence.splitlines()) <= 80


def test_wide_titles_keep_their_table_in_shape():
    """Columns are counted as a terminal shows them: two for each of these."""
    wide = [replace(KNOWN[0], assignment=replace(ESSAY, title=title)) for title in ("線形代数の課題" * 9, "Essay")]
    page = assignments_table([(known, 2.5) for known in wide], UTC, NOW)
    assert max(map(columns, page.splitlines())) <= 80


def test_a_folded_delivery_is_explained():
    """Whoever looks up one of the runs that were told as one."""
    folded = replace(RUN.deliveries[0], status="folded")
    assert "folded: told by one message for several runs" in render.run_page(replace(RUN, deliveries=(folded,)), UTC)
    assert "folded" not in render.run_page(RUN, UTC)


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, ["2 messages wait for ntfy, the oldest since Mon 23 Nov 09:00: no network"]),
        ({"waiting": 1, "reason": ""}, ["1 message waits for ntfy, since Mon 23 Nov 09:00"]),
        (
            {"closed_until": NOW + timedelta(hours=2), "reason": "used up"},
            ["2 messages wait for ntfy, the oldest since Mon 23 Nov 09:00: used up", "next try: Mon 23 Nov 11:00"],
        ),
        (
            {"refused": "it is gone", "since": NOW, "closed_until": NOW + timedelta(days=1)},
            [
                "ntfy has taken nothing since Mon 23 Nov 09:00: it is gone",
                "2 messages wait for ntfy, the oldest since Mon 23 Nov 09:00",
                "next try: Tue 24 Nov 09:00",
            ],
        ),
        (
            {"refused": "it is gone", "since": NOW, "waiting": 0, "oldest_at": None},
            ["ntfy has taken nothing since Mon 23 Nov 09:00: it is gone"],
        ),
    ],
)
def test_what_waits_for_a_channel_is_said_with_the_reason(changes, lines):
    """How many, since when, why, and when it is tried next; the same facts as in the JSON."""
    known = {"channel": "ntfy", "waiting": 2, "oldest_at": NOW, "reason": "no network"}
    document = json.loads(json.dumps(render.backlog_document(Backlog(**(known | changes)))))
    assert render.backlog_text(document, UTC).splitlines() == lines
    assert set(document) == {"channel", "waiting", "oldest_at", "refused", "reason", "since", "next_try_at"}
