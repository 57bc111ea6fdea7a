"""The desk: what the study agent knows, opened for a command that shows it or has something to say."""

import os
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from typing import TYPE_CHECKING

import typer

from gradent_cli.agents.study.known import Known
from gradent_cli.agents.study.naming import Names
from gradent_cli.agents.study.store import Store
from gradent_cli.config import load
from gradent_cli.database import open_database
from gradent_cli.files import make_private_directory
from gradent_cli.frequency import zone_of

if TYPE_CHECKING:
    from gradent_cli.agents.study.records import Assignment
    from gradent_cli.config import Config


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the agent knows, read only, at one moment. What a source gave that is configured no more is not `known`."""

    config: "Config"
    store: Store
    known: tuple[Known, ...]
    zone: tzinfo
    now: datetime

    @property
    def sources(self) -> set[str]:
        """The names of those that are configured."""
        return _names(self.config)

    @property
    def work(self) -> set[str]:
        """The ids of what is still to do."""
        return {each.assignment.id for each in self.known if each.status(self.now) in ("open", "overdue")}

    @cached_property
    def names(self) -> Names:
        return Names(each.assignment for each in self.known)

    def find(self, text: str, *, rather: Collection[str] | None = None) -> "Assignment":
        """The assignment that is meant; in doubt one that is still to do, or one of these."""
        return self.names.find(text, rather=self.work if rather is None else rather)

    @contextmanager
    def writing(self) -> Iterator[Store]:
        """The store to write to, which may be there for the first time."""
        make_private_directory(self.config.state_dir)
        with closing(open_database(f"{self.config.state_dir}/gradent.db")) as connection:
            yield Store(connection)


def open_desk(context: typer.Context) -> Desk:
    """What is known now, by the config that the command line names."""
    config = load(context.obj, os.environ)
    connection = open_database(f"{config.state_dir}/gradent.db", read_only=True)
    store = Store(connection)
    return Desk(
        config=config,
        store=store,
        known=store.known(_names(config)),
        zone=zone_of(config.settings.study.timezone, os.environ),
        now=datetime.now(UTC),
    )


def _names(config: "Config") -> set[str]:
    return {source.name for source in config.settings.study.sources}
