"""What an agent that is a process says, whatever its dialect (see `streams`)."""

from gradent_cli.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A tool began. `own` is one of gradent's, `incidental` the single step of a coding agent."""

    id: str | None
    tool: str
    title: str = ""
    incidental: bool = True
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A tool ended; `error` None means that it worked. `tool` is empty where only its id was said."""

    id: str | None
    tool: str = ""
    title: str = ""
    result: str = ""
    details: tuple[str, ...] = ()
    changed: bool = True
    error: str | None = None
    incidental: bool = True
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The agent's own words."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """What it complains of and goes on: that a connection broke, say. No failure by itself."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How it says that it ended. The last end of a stream holds: agents begin again after an error."""

    summary: str | None = None
    lines: tuple[str, ...] = ()
    changed: bool = True
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a language model has used so far, in all."""

    input_tokens: int
    output_tokens: int
    cost_usd: float | None


Event = Started | Completed | Said | Warned | Ended | Used
