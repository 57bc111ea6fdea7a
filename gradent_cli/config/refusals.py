"""What pydantic found wrong, as sentences: where it stands, what is allowed, what may have been meant."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gradent_cli.config.document import Place, at, lines, parts, same
from gradent_cli.config.keys import unknown
from gradent_cli.config.study import SourceSettings
from gradent_cli.config.values import BadValueError, did_you_mean, quoted
from gradent_cli.errors import ConfigError
from gradent_cli.text import count, one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """An environment variable and the document that it stands for."""

    name: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was checked together.

    `text` is what the file at `path` holds and `present` what it means. `document` differs from `present` where an
    edit is being tried; what is wrong with that does not stand in the file.
    """

    path: Path
    text: str
    present: Mapping[str, Any]
    document: Mapping[str, Any]
    variables: Sequence[Variable] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """`line` is where it stands in the file: 0 for an edit, None for the environment."""

    line: int | None
    sentence: str
    hint: str | None = None


def problems(error: ValidationError, reading: Reading) -> list[Problem]:
    """A problem for each of pydantic's findings."""
    where = lines(reading.text)
    return [_problem(detail, reading, where) for detail in error.errors()]


def refusal(found: Sequence[Problem]) -> ConfigError:
    """One error for all problems, in the order of the file; those of the environment come last."""
    ordered = sorted(found, key=lambda problem: float("inf") if problem.line is None else problem.line)
    if len(ordered) == 1:
        return ConfigError(ordered[0].sentence, hint=ordered[0].hint)
    told = [problem.sentence + (f" ({problem.hint})" if problem.hint else "") for problem in ordered]
    return ConfigError("\n  ".join([f"{count(len(told), 'problem')} in the config", *told]))


def _problem(detail: ErrorDetails, reading: Reading, where: Mapping[Place, int]) -> Problem:
    place = tuple(part for part in detail["loc"] if part != "[key]")
    cause = detail.get("ctx", {}).get("error")
    beside = cause.beside if isinstance(cause, BadValueError) else None
    if isinstance(cause, BadValueError) and cause.missing is not None:
        place = (*place, cause.missing)
    what, hint = _sentence(place, detail)
    documents = [reading.document, *(variable.document for variable in reading.variables)]
    suspects = _suspects(place, beside)
    suspect = next(place for place in suspects if any(at(document, place) is not None for document in documents))
    for variable in reading.variables:
        if at(variable.document, suspect) is not None:
            return Problem(None, f"{variable.name}: {what}", hint)
    if not same(at(reading.document, suspect), at(reading.present, suspect)):
        return Problem(0, what, hint)
    line = next(where[suspect[:end]] for end in range(len(suspect), 0, -1) if suspect[:end] in where)
    return Problem(line, f"{reading.path} line {line}: {what}", hint)


def _suspects(place: Place, beside: str | None) -> Iterator[Place]:
    """Whose doing it may be: the value itself, the one that it clashes with, or the table where it is missing."""
    yield place
    if beside is not None:
        yield parts(beside) if "." in beside else (*place[:-1], beside)
    for end in range(len(place) - 1, 0, -1):
        yield place[:end]


def _sentence(place: Place, detail: ErrorDetails) -> tuple[str, str | None]:
    """What is wrong at a place, and a hint."""
    if detail["type"] == "extra_forbidden":
        return unknown(place)
    key = ".".join(part for part in place if isinstance(part, str))
    entry = next((f" (entry {part + 1})" for part in place if isinstance(part, int)), "")
    cause = detail.get("ctx", {}).get("error")
    hint = cause.hint if isinstance(cause, BadValueError) else None
    if cause is not None:
        return f"{key}{entry}: {one_line(str(cause))}", hint
    if detail["type"] == "literal_error" and isinstance(detail["input"], str):
        return _not_a_word(key, entry, detail["input"], detail.get("ctx", {})["expected"])
    return f"{key}{entry}: {_wanted(detail)}", None


def _not_a_word(key: str, entry: str, word: str, expected: str) -> tuple[str, str | None]:
    """`expected` is pydantic's "'a', 'b' or 'c'"."""
    allowed = f"use {expected}".replace("'", '"')
    return f"{key}{entry}: {quoted(word)} is not allowed; {allowed}", did_you_mean(word, re.findall(r"\w+", expected))


# https://docs.pydantic.dev/latest/errors/validation_errors/
_TYPES = {
    "string_type": "text in quotes",
    "literal_error": "text in quotes",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number such as 0.5",
    "list_type": 'a list such as ["a", "b"]',
    "dict_type": "a table",
    "model_type": "a table",
}


_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}


def _wanted(detail: ErrorDetails) -> str:
    """What is allowed, for pydantic's own complaints."""
    kind = detail["type"]
    if kind == "missing":
        return f"is missing; use {' or '.join(get_args(SourceSettings.model_fields['kind'].annotation))}"
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return f"must be {words} {detail.get('ctx', {})[name]:.15g}"
    if kind == "finite_number":
        return "must be a number, not inf or nan"
    if kind == "float_type" and type(detail["input"]) is int:
        return "must be a smaller number"
    return f"must be {_TYPES[kind]}, not {_type_name(detail['input'])}"


def _type_name(value: object) -> str:
    names = {
        bool: "true or false",
        str: "text",
        int: "a whole number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")
