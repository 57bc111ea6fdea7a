"""What the study tools are called and take: one description for the command line, for models and for the check."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gradent_cli.errors import UsageError
from gradent_cli.text import one_line

_WHICH = "The assignment: its id, the beginning of one, its title, or a part of that."
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "array": (list,),
    "object": (dict,),
}
_SAID = {"string": "text", "number": "a number", "integer": "a whole number", "array": "a list", "object": "an object"}

_MOST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool: `description` is for whoever decides whether to call it; `fields` are JSON schemas by name."""

    description: str
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of its input (https://json-schema.org/draft/2020-12)."""
        return _object(self.fields, self.required)


def _object(fields: Mapping[str, Mapping[str, Any]], required: tuple[str, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: dict(each) for name, each in fields.items()},
        "required": list(required),
        "additionalProperties": False,
    }


_JUDGEMENT = _object(
    {
        "assignment": {"type": "string", "description": _WHICH},
        "likely_hours": {"type": "number", "description": "Hours that are likely, for the whole work."},
        "low_hours": {"type": "number", "description": "Hours if it goes well."},
        "high_hours": {"type": "number", "description": "Hours if it goes badly, 200 at most."},
        "difficulty": {"type": "integer", "description": "From 1 (easy) to 5 (hard)."},
        "reason": {"type": "string", "description": "Why, in one sentence that the student reads."},
    },
    ("assignment", "likely_hours"),
)
_SESSION = _object(
    {
        "assignment": {"type": "string", "description": _WHICH},
        "starts_at": {"type": "string", "description": "When it begins, as 2026-12-01T18:00, on the quarter hour."},
        "ends_at": {"type": "string", "description": "When it ends, written as starts_at."},
    },
    ("assignment", "starts_at", "ends_at"),
)
TOOLS: Mapping[str, Tool] = {
    "check": Tool(
        description="Read the student's assignments from their sources and list what is still to do, with due dates "
        "and the hours that remain. Call it first: the other tools work on what it found.",
    ),
    "assess": Tool(
        description="Estimate how much work the assignments are, by fixed rules. Where you know better from their "
        "texts, give your judgements, all of them in one call: each is kept until its assignment changes. One that "
        "cannot be kept comes back under refused with the reason; the student's own estimate cannot be overruled.",
        fields={
            "judgements": {"type": "array", "description": "What you judge yourself.", "items": _JUDGEMENT},
        },
    ),
    "suggest": Tool(
        description="Work out advice for the student from their plan, due dates and logged work, and list all that is "
        "true now and not answered yet.",
    ),
    "schedule": Tool(
        description="Plan study sessions into the student's free time, save the plan and return it. Without input all "
        "sessions are placed by fixed rules. Sessions that you propose are placed first; one that breaks the student's "
        "rules (taken time, hours, due date, length, daily limit, more than is left to do) comes back under refused "
        "with the reason, and the rest of the work is planned around those that were kept.",
        fields={
            "sessions": {"type": "array", "description": "The sessions that you propose.", "items": _SESSION},
        },
    ),
    "log": Tool(
        description="Note that the student worked on an assignment up to now. Only what the student told you: the "
        "hours that remain are worked out from it.",
        fields={
            "assignment": {"type": "string", "description": _WHICH},
            "time": {"type": "string", "description": "How long, as 1h30m or 45min; 0min says that they did not."},
            "note": {"type": "string", "description": "What it was."},
        },
        required=("assignment", "time"),
    ),
}


def checked(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The input of a tool without what is null.

    Raises:
        UsageError: there is no such tool, or no such field, or a field is missing or of another type.
    """
    if name not in TOOLS:
        raise UsageError(f"there is no tool '{one_line(name, 60)}'", hint=f"one of {', '.join(TOOLS)}")
    return _checked(given, TOOLS[name].schema, name)


def _checked(given: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    fields = schema["properties"]
    hint = f"it takes {', '.join(fields)}" if fields else "it takes no input"
    for unknown in given.keys() - fields.keys():
        raise UsageError(f"{where} has no field '{one_line(unknown, 60)}'", hint=hint)
    found = {name: value for name, value in given.items() if value is not None}
    for name in schema["required"]:
        if name not in found:
            raise UsageError(f"{where} needs the field {name}", hint=hint)
    return {name: _value(value, fields[name], f"{where}: {name}") for name, value in found.items()}


def _value(value: Any, schema: Mapping[str, Any], where: str) -> Any:
    kind = schema["type"]
    if not any(type(value) is each for each in _TYPES[kind]):  # True is no number
        raise UsageError(f"{where} has to be {_SAID[kind]}")
    if kind in ("number", "integer") and not -_MOST <= value <= _MOST:  # JSON knows NaN, too, and numbers without end
        raise UsageError(f"{where} is no number that can be meant")
    if kind == "array":
        return [_value(each, schema["items"], f"{where}[{place}]") for place, each in enumerate(value)]
    return _checked(value, schema, where) if kind == "object" else value
