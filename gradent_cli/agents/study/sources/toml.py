"""Assignments from a TOML list kept by hand: `[[assignment]]` tables with the fields of `entries`.

The key of an assignment is its `id`, or made from course and title.
"""

import re
import tomllib
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from gradent_cli.agents.study.fetch import Place, decode
from gradent_cli.agents.study.sources import Harvest, by_due_date
from gradent_cli.agents.study.sources.entries import Entries
from gradent_cli.text import one_line

_DIGITS = re.compile(r"[0-9_]{1000,}")
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*assignment[ \t]*\]\]", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlSource:
    """A TOML list of assignments."""

    name: str
    place: Place

    def read(self, *, now: datetime, zone: tzinfo) -> Harvest:  # noqa: ARG002  a list is the same at any time
        text, warnings = decode(self.place.read())
        tables = self._tables(text)
        lines = [text.count("\n", 0, header.start()) + 1 for header in _HEADER.finditer(text)]
        entries = Entries(self.place, self.name, zone)
        for number, table in enumerate(tables, start=1):
            # The headers are counted in the text, where one may also stand inside a string.
            line = f" (line {lines[number - 1]})" if len(lines) == len(tables) else ""
            if isinstance(table, dict):
                entries.take(table, number, f"entry {number}{line}")
            else:
                entries.refuse(number, f"entry {number}{line} is not a table; write [[assignment]] above its fields")
        return Harvest(
            assignments=by_due_date(entries.assignments()),
            warnings=tuple(f"{self.name}: {warning}" for warning in warnings),
            complete=True,
        )

    def _tables(self, text: str) -> list[Any]:
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise self.place.refusal(f"not valid TOML: {_lower(str(error))}") from None
        except RecursionError:
            raise self.place.refusal("not valid TOML: brackets in brackets, too many to be read") from None
        except ValueError:  # from int(), which takes no more than 4300 digits
            raise self.place.refusal(f"not valid TOML: a number with too many digits{_line_of_digits(text)}") from None
        for key in document:
            if key != "assignment":
                raise self.place.refusal(
                    f"there is no '{one_line(key, 40)}' in a list of assignments; each one begins with [[assignment]]"
                )
        tables = document.get("assignment", [])
        if not isinstance(tables, list):
            raise self.place.refusal("write [[assignment]] with two brackets above each assignment")
        return tables


def _line_of_digits(text: str) -> str:
    """` (at line 3)`, of the longest number: tomllib does not say where it was."""
    longest = max(_DIGITS.finditer(text), key=lambda found: len(found[0]), default=None)
    line = text.count("\n", 0, longest.start()) + 1 if longest else 0
    return f" (at line {line})" if line else ""


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
