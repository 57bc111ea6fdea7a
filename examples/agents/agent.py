"""An agent as a program in Python: each event is one JSON object on a line of standard output."""

import json
import os
import sys
from pathlib import Path


def tell(**event: object) -> None:
    print(json.dumps(event), flush=True)


context = json.loads(Path(os.environ["GRADENT_CONTEXT_FILE"]).read_text(encoding="utf-8"))
notes = sorted(Path(sys.argv[1] if len(sys.argv) > 1 else ".").glob("*.md"))
tell(type="tool.completed", id="1", tool="list_notes", title="List the notes", ok=True, result=f"Notes: {len(notes)}")
before = context["previous"]["summary"] if context["previous"] else "nothing yet"
tell(type="run.completed", summary=f"Notes: {len(notes)}; before: {before}")
