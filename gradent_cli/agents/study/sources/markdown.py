"""Assignments from a Markdown file: every line with a checkbox, in between whatever prose there is.

    - [ ] Essay 1 @"HIST 101" due:2026-12-01 est:4h weight:20 #writing
    - [x] Problem set 3 @MATH due:"2026-11-27 18:00" points:10

`due`, `est`, `points`, `weight`, `id` and `url` are fields, `@` begins the course, `#tags` say nothing; a 📅 is a due
date too, as Obsidian's Tasks writes it. A checkbox below another one, without a due date of its own, is a step of that
assignment. `[-]` is called off, and so no work.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from difflib import get_close_matches

from gradent_cli import durations
from gradent_cli.agents.study.fetch import Place, decode
from gradent_cli.agents.study.sources import Harvest, by_due_date
from gradent_cli.agents.study.sources.entries import Entries
from gradent_cli.text import one_line

# GFM's task list items (https://github.github.com/gfm/#task-list-items-extension-), also quoted, and the marks that
# note programs add for what is under way.
_TASK = re.compile(r"(?P<indent>[ \t>]*)(?:[-*+]|[0-9]{1,9}[.)])[ \t]+\[(?P<mark>[ xX/>!?-])\][ \t]\s*(?P<text>\S.*)")
_LINE_END = re.compile(r"\r\n|\r|\n")  # what editors count; str.splitlines has more
_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})(.*)")
_FIELD = re.compile(
    r"(?:(?<=\s)|^)(?P<name>[A-Za-z_]{1,20}):(?P<value>\"[^\"]*\"|[^\s\"]\S*)"
    r"|(?:(?<=\s)|^)(?P<spaced>(?i:due|est)):[ \t]+(?P<spaced_value>\"[^\"]*\"|\S+)"
    r"|\N{CALENDAR}\N{VARIATION SELECTOR-16}?[ \t]*(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"|(?:(?<=\s)|^)@(?P<course>\"[^\"]+\"|[^\s@\"]+)"
)
_FIELDS = {
    "due": "due",
    "est": "effort_hours",
    "points": "points",
    "weight": "weight",
    "id": "id",
    "url": "url",
}
# Dates of another kind that Obsidian's Tasks puts behind a task; the one of its completion changes it.
_OTHER_DATES = re.compile(
    "[\N{HEAVY PLUS SIGN}\N{AIRPLANE DEPARTURE}\N{HOURGLASS WITH FLOWING SAND}\N{WHITE HEAVY CHECK MARK}\N{CROSS MARK}]"
    "\N{VARIATION SELECTOR-16}?[ \t]*[0-9]{4}-[0-9]{2}-[0-9]{2}"
)
_TAG = re.compile(r"(?:(?<=\s)|^)#(?=[^\s#]*[^\s#0-9])[^\s#]+")
_LINK = re.compile(r"\[([^\[\]]+)\]\((https?://[^\s()]+)\)", re.IGNORECASE)
_TAB = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkdownSource:
    """A Markdown file with checkboxes."""

    name: str
    place: Place

    def read(self, *, now: datetime, zone: tzinfo) -> Harvest:  # noqa: ARG002  a list is the same at any time
        text, warnings = decode(self.place.read())
        entries = Entries(self.place, self.name, zone)
        for task in self._tasks(text):
            if task.wrong:
                entries.refuse(task.line, f"line {task.line}: {task.wrong}")
            else:
                entries.take(task.fields | {"notes": "\n".join(task.steps)}, task.line, f"line {task.line}")
        return Harvest(
            assignments=by_due_date(entries.assignments()),
            warnings=tuple(f"{self.name}: {warning}" for warning in warnings),
            complete=True,
        )

    def _tasks(self, text: str) -> "list[_Task]":
        """The assignments, each with its steps."""
        tasks: list[_Task] = []
        above: list[_Task] = []
        """The checkboxes that the next one may be below, from the outermost in."""
        for depth, task in self._lines(text):
            above = [each for each in above if each.depth < depth]
            if task is None:
                continue
            owner = next((each for each in reversed(above) if each.is_assignment), None)
            task.is_assignment = owner is None or "due" in task.fields or bool(task.wrong)
            if owner is not None and not task.is_assignment:
                owner.steps.append(f"- {task.fields['title']}")
            else:
                tasks.append(task)
            above.append(task)
        return tasks

    def _lines(self, text: str) -> "Iterator[tuple[int, _Task | None]]":
        """Every line that says something about nesting: how deep it is, and its task if it is one."""
        fence = ""
        for line, content in enumerate(_LINE_END.split(text), start=1):
            fenced = _FENCE.fullmatch(content)
            if fenced is not None:
                if not fence:
                    fence = fenced[1]
                elif fenced[1].startswith(fence) and not fenced[2].strip():
                    fence = ""
            if fence or fenced is not None or not content.strip():
                continue
            depth = len(content.expandtabs(_TAB)) - len(content.expandtabs(_TAB).lstrip(" >"))
            match = _TASK.fullmatch(content)
            yield depth, None if match is None else self._task(match, line, depth)

    def _task(self, match: re.Match[str], line: int, depth: int) -> "_Task":
        try:
            fields = _fields(match["text"])
        except ValueError as error:
            return _Task(line=line, depth=depth, fields={}, wrong=str(error))
        return _Task(line=line, depth=depth, fields=fields | {"done": match["mark"] in "xX-"})


@dataclass(slots=True, kw_only=True)
class _Task:
    line: int
    depth: int
    fields: dict[str, str | float | bool]
    steps: list[str] = field(default_factory=list)
    is_assignment: bool = True
    wrong: str = ""
    """Why its fields cannot be read."""


def _fields(text: str) -> dict[str, str | float | bool]:
    """Title and fields of one task.

    Raises:
        ValueError: with a sentence, for a field that is there twice, misspelt, or has no usable value.
    """
    fields: dict[str, str | float | bool] = {}

    def take(match: re.Match[str]) -> str:
        given = match["name"] or match["spaced"]
        word = given.lower() if given else "due" if match["date"] else "course"
        value = match["value"] or match["spaced_value"] or match["date"] or match["course"] or ""
        name = _FIELDS.get(word, "course" if not given else "")
        if not name:
            near = get_close_matches(word, _FIELDS, n=1, cutoff=0.6)
            if near and value.strip('"')[:1].isdigit():
                raise ValueError(f"there is no field '{one_line(word, 40)}:'; did you mean '{near[0]}:'?")
            return match[0]
        if name in fields:
            raise ValueError(f"{'@' if name == 'course' else word + ':'} is there twice")
        value = value.strip('"') if value.startswith('"') else value.rstrip(",;")
        fields[name] = _hours(value) if word == "est" else value
        return " "

    def link(match: re.Match[str]) -> str:
        fields.setdefault("url", match[2])
        return match[1]

    title = _FIELD.sub(take, _OTHER_DATES.sub(" ", text))
    title = _LINK.sub(link, _TAG.sub(" ", title)).replace("**", "").replace("`", "")
    return fields | {"title": one_line(title, 200)}


def _hours(text: str) -> float:
    try:
        return durations.parse(text).total_seconds() / 3600
    except ValueError:
        raise ValueError(f"est has to be like 4h, 45min or 1h30m, not '{one_line(text, 60)}'") from None
