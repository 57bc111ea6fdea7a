"""Another time of day for gradent alone.

`clock/sitecustomize.py` is imported by Python before anything else and shifts what `time.time` and `datetime.now` say.
faketime would do it for all clocks, but with it the waits of Python 3.11 and newer never end on Debian 12. gradent
reads no other clock of the day; what waits goes by the monotonic one, which a real change of the clock leaves, too.
"""

import os
from datetime import timedelta
from pathlib import Path

FOLDER = Path(__file__).with_name("shifted")


def shifted(**by: float) -> dict[str, str]:
    """`shifted(hours=-1)`: what a gradent needs in its environment to see it an hour earlier than it is."""
    path = os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path, "FAULT_SECONDS": str(timedelta(**by).total_seconds())}
