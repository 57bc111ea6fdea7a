"""An agent for gradent that counts your notes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradent_cli.agents.callable import CallableContext


def run(context: CallableContext) -> str:
    """Count the Markdown files of the folder that `agent.cwd` names."""
    with context.tools.call("count", "Count the notes") as call:
        number = len(list(Path().glob("*.md")))
        call.done(f"Notes: {number}")
    return f"Notes: {number}"
