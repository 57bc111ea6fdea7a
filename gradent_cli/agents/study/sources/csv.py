"""Assignments from a CSV list kept by hand: a header line with the fields of `entries`, then a line for each.

Commas, semicolons or tabs; what a spreadsheet program writes is read, its byte order mark and `sep=;` line included.
The key of an assignment is its `id`, or made from course and title.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo

from gradent_cli.agents.study.fetch import Place, decode
from gradent_cli.agents.study.sources import Harvest, by_due_date
from gradent_cli.agents.study.sources.entries import Entries, check_field

_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvSource:
    """A CSV list of assignments."""

    name: str
    place: Place

    def read(self, *, now: datetime, zone: tzinfo) -> Harvest:  # noqa: ARG002  a list is the same at any time
        text, warnings = decode(self.place.read())
        entries = Entries(self.place, self.name, zone)
        try:
            self._take(_rows(text), entries)
        except _NotCsvError as error:
            entries.refuse(error.line, f"line {error.line}: not valid CSV: {error}")
        return Harvest(
            assignments=by_due_date(entries.assignments()),
            warnings=tuple(f"{self.name}: {warning}" for warning in warnings),
            complete=True,
        )

    def _take(self, rows: Iterator[tuple[int, list[str]]], entries: Entries) -> None:
        header_line, header = next(rows, (1, []))
        names = self._names(header, header_line)
        for line, row in rows:
            if any(cell.strip() for cell in row[len(names) :]):
                entries.refuse(
                    line,
                    f"line {line}: there are more values than the header has names; put text with separators in quotes",
                )
                continue
            fields = {name: cell for name, cell in zip(names, row, strict=False) if name}
            entries.take(fields, line, f"line {line}")

    def _names(self, header: list[str], line: int) -> list[str]:
        """The header's names in lower case; "" for a column without one, which may hold nothing that counts."""
        names = [cell.strip().lower() for cell in header]
        for name in filter(None, names):
            try:
                check_field(name)
            except ValueError as error:
                raise self.place.refusal(f"line {line}: {error}") from None
            if names.count(name) > 1:
                raise self.place.refusal(f"line {line}: the field '{name}' is there twice")
        if "title" not in names:
            raise self.place.refusal("the first line has to name the fields, 'title' among them")
        return names


class _NotCsvError(ValueError):
    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not blank, with the number of the line that it begins on.

    Raises:
        _NotCsvError: at the first one that is not what CSV can be.
    """
    separator_line = _SEPARATOR_LINE.match(text)
    skipped = separator_line.end() if separator_line else 0
    first = text[skipped:].lstrip().partition("\n")[0]
    delimiter = separator_line[1] if separator_line else max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text[skipped:], newline=""), delimiter=delimiter, strict=True)
    before = 1 if separator_line else 0
    begins = before + 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield begins, row
            begins = before + reader.line_num + 1
    except (csv.Error, TypeError) as error:
        raise _NotCsvError(begins, str(error)) from None
