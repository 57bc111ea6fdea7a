"""The words of annotations without the price of `typing`, for what a run that cron starts is made of.

Importing `typing` takes a third of what the interpreter takes to start. To a type checker these are its own; while the
program runs they only have to be there.
"""

import os

TYPE_CHECKING = False
"""What type checkers take for true, whoever defines it."""

if TYPE_CHECKING:
    from typing import Any, Literal, NoReturn, Protocol, Self, cast, get_args
else:
    Any = NoReturn = Protocol = Self = object

    class Literal:
        """One of these values; pydantic needs Python's own."""

        def __init__(self, values):
            self.__args__ = values

        def __class_getitem__(cls, values):
            return cls(values if isinstance(values, tuple) else (values,))

        def __or__(self, _):
            return self

    def get_args(literal):
        """The values of a `Literal`."""
        return literal.__args__

    def cast(_, value):
        """Nothing but the value."""
        return value


StrPath = str | os.PathLike[str]
"""A path for `os` and `os.path`: `pathlib` takes nearly half of what the interpreter takes to start."""

__all__ = ["TYPE_CHECKING", "Any", "Literal", "NoReturn", "Protocol", "Self", "StrPath", "cast", "get_args"]
