"""A language model with the study tools, over a real HTTP connection to a server that stands in for its provider."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gradent_cli.agents.llm import Limits, Model
from tests.street.openai import OpenAI, failing, language_model
from tests.street.server import Answer

DUE = datetime.now(UTC) + timedelta(days=12)
ESSAY = f'[[assignment]]\nid = "essay"\ntitle = "Essay 1"\ndue = {DUE:%Y-%m-%d}\n'
LIMITS = Limits(requests=20, tool_calls=50, tokens=200_000)


@pytest.fixture
def provider() -> Iterator[OpenAI]:
    with language_model() as model:
        yield model


@pytest.fixture
def student(config: Path, provider: OpenAI) -> Callable[..., None]:
    """Writes a config with a model and one list of assignments."""

    def write(llm: str = "", study: str = "", rest: str = "", assignments: str = ESSAY) -> None:
        config.write_text(
            f'[agent]\nkind = "llm"\n[llm]\nmodel = "tiny"\nbase_url = "{provider.url}"\n{llm}\n'
            f'[study]\ntimezone = "UTC"\n{study}\n[[study.sources]]\nkind = "toml"\nname = "list"\npath = "list.toml"\n'
            f"{rest}"
        )
        config.with_name("list.toml").write_text(assignments)

    write()
    return write


class Told(list[dict[str, Any]]):
    """The events of a run."""

    @property
    def end(self) -> dict[str, Any]:
        assert self[-1]["type"] in ("run.completed", "run.failed")
        return self[-1]

    @property
    def tools(self) -> list[tuple[str, str | None]]:
        """Each that ended, with its error."""
        return [(each["tool"], each["error"]) for each in self if each["type"] == "tool.completed"]

    @property
    def usage(self) -> list[dict[str, Any]]:
        return [each for each in self if each["type"] == "usage"]


@pytest.fixture
def converse(student: object, config: Path, provider: OpenAI, tmp_path: Path) -> Callable[..., Told]:
    """What the process of a conversation does, in this one: all of it but its start."""

    def perform(
        limits: Limits = LIMITS, *, time_limit: timedelta = timedelta(minutes=15), previous: Any = None, **model: Any
    ) -> Told:
        from gradent_cli.agents import conversation
        from gradent_cli.cli.tools import call
        from gradent_cli.config import load

        events, context = tmp_path / "events", tmp_path / "context.json"
        events.write_text("")
        started_at = datetime.now(UTC).isoformat()
        context.write_text(json.dumps({"run_id": "1", "started_at": started_at, "prompt": "Go.", "previous": previous}))
        environ = {**os.environ, "GRADENT_EVENTS": str(events)}
        settings = load(config, environ)
        conversation.perform(
            Model(**{"name": "tiny", "base_url": provider.url} | model),
            limits,
            events,
            context,
            call=partial(call, settings, environ),
            auto_schedule=settings.settings.study.auto_schedule,
            zone=UTC,
            time_limit=time_limit,
        )
        return Told(json.loads(line) for line in events.read_text().splitlines())

    return perform


def test_a_model_works_with_the_tools(converse: Callable[..., Told], provider: OpenAI) -> None:
    """It is asked once more after each answer of a tool; its last words are the summary, what was done is counted."""
    provider.script = [
        ("check", {}),
        [("assess", {"assignment": "essay", "likely_hours": 3, "reason": "Two pages."}), ("suggest", {})],
        ("schedule", {}),
        "Start with the essay\x1b[31m:\n it is due first.",
    ]
    told = converse()
    assert provider.tools == ["check", "assess", "suggest", "schedule"]
    assert told.tools == [("check", None), ("assess", None), ("suggest", None), ("schedule", None)]
    assert told.end["type"] == "run.completed"
    assert told.end["summary"] == "Start with the essay: it is due first."
    assert told.end["lines"] == [told.end["summary"], "Assessed 1 assignment", "Scheduled 2 sessions"]
    assert told.end["changed"]
    check, (assess, suggest), schedule = provider.told()[0], provider.told()[1:3], provider.told()[3]
    assert [each["title"] for each in check["assignments"]] == ["Essay 1"]
    assert (assess["assessments"][0]["likely_hours"], assess["new"]) == (3, 1)
    assert suggest == {"suggestions": []}
    assert sum(each["minutes"] for each in schedule["sessions"]) == 180
