"""Loaded by Python at its start when this folder is on PYTHONPATH: `clock.py` says why."""

import datetime
import os
import time
from typing import Any

_seconds = float(os.environ.pop("FAULT_SECONDS", "0"))
_time = time.time
_Datetime = datetime.datetime


class _AnyDatetime(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _Datetime)


class _Shifted(datetime.datetime, metaclass=_AnyDatetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return _Datetime.fromtimestamp(time.time(), tz)


if _seconds:
    time.time = lambda: _time() + _seconds
    datetime.datetime = _Shifted  # type: ignore[misc]
