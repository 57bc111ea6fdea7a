"""Our dataclasses do what Python's own do, as far as they go."""

import copy
import dataclasses
import pickle
import subprocess
import sys

import pytest

from gradent_cli import dataclass as ours


def make(module):
    """The same classes, made by one of the two modules."""

    @module.dataclass(frozen=True, slots=True, kw_only=True)
    class Named:
        """What it is."""

        id: str
        parts: tuple[int, ...] = ()
        note: str | None = None

        @property
        def size(self) -> int:
            return len(self.parts)

    @module.dataclass(frozen=True, slots=True)
    class Placed:
        a: int
        b: int = 2

    @module.dataclass(slots=True)
    class Changing:
        a: int
        b: list[int] | None = None

    return Named, Placed, Changing


TRIES = {
    "by name": lambda n, p, c: n(id="x", parts=(1, 2)),
    "defaults": lambda n, p, c: (n(id="x").parts, n(id="x").note),
    "a property": lambda n, p, c: n(id="x", parts=(1,)).size,
    "the docstring": lambda n, p, c: n.__doc__,
    "positions for names": lambda n, p, c: n("x"),
    "too few": lambda n, p, c: n(parts=()),
    "too many": lambda n, p, c: n(id="x", more=1),
    "too many, too few": lambda n, p, c: n(more=1),
    "by position": lambda n, p, c: (p(1), p(1, 3), p(1, b=4), p(b=1, a=2)),
    "twice": lambda n, p, c: p(1, a=1),
    "too many positions": lambda n, p, c: p(1, 2, 3),
    "nothing": lambda n, p, c: p(),
    "equal": lambda n, p, c: (p(1) == p(1, 2), p(1) == p(2), p(1) != p(1), p(1) == (1, 2), c(1) == c(1), c(1) == p(1)),
    "hash": lambda n, p, c: len({p(1), p(1, 2), p(2), n(id="x"), n(id="x")}),
    "no hash": lambda n, p, c: hash(c(1)),
    "an unhashable field": lambda n, p, c: hash(n(id=[])),
    "a frozen field": lambda n, p, c: setattr(p(1), "a", 2),
    "a frozen field taken away": lambda n, p, c: delattr(p(1), "a"),
    "another field": lambda n, p, c: setattr(c(1), "z", 2),
    "replaced": lambda n, p, c: dataclasses.replace(n(id="x", note="y"), id="z"),
    "replaced by nothing known": lambda n, p, c: dataclasses.replace(n(id="x"), z=1),
    "as a dictionary": lambda n, p, c: dataclasses.asdict(n(id="x", parts=(p(1), p(2)))),
    "fields": lambda n, p, c: [field.name for field in dataclasses.fields(p)],
    "is one": lambda n, p, c: dataclasses.is_dataclass(n),
    "copied": lambda n, p, c: copy.deepcopy(n(id="x", parts=[1])),
    "matched": lambda n, p, c: (p.__match_args__, n.__match_args__),
    "slots": lambda n, p, c: hasattr(n(id="x"), "__dict__"),
}


def told(attempt, classes):
    try:
        return repr(attempt(*classes))
    except (TypeError, AttributeError) as error:
        return TypeError if isinstance(error, TypeError) else AttributeError


@pytest.mark.parametrize("attempt", TRIES.values(), ids=TRIES)
def test_they_are_as_pythons_own(attempt):
    """Values, texts and refusals."""
    assert told(attempt, make(ours)) == told(attempt, make(dataclasses))


def test_a_field_of_one_that_is_not_frozen_can_be_changed():
    """Without a word."""
    changing = make(ours)[2](1)
    changing.a = 5
    assert repr(changing).endswith("Changing(a=5, b=None)")


def test_replace_is_as_pythons_own():
    """With what is not named left as it is."""
    for module in (ours, dataclasses):
        named, _, _ = make(module)
        assert module.replace(named(id="x", note="n"), id="y") == named(id="y", note="n")
        with pytest.raises(TypeError):
            module.replace(named(id="x"), z=1)


@ours.dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: int = 0


def test_one_can_be_pickled():
    """As whatever goes to another process is."""
    assert pickle.loads(pickle.dumps(Point(x=3))) == Point(x=3)


def test_what_dataclasses_asks_for_is_made_once():
    """As it takes a thousand times as long as to ask for it, and a plan asks ten thousand times."""
    named = make(ours)[0]
    assert named(id="x").__dataclass_fields__ is named.__dataclass_fields__


def test_there_are_none_without_slots():
    """As their values would be in two places."""
    with pytest.raises(TypeError, match="slots"):
        ours.dataclass(slots=False)


def test_they_do_without_what_is_slow_to_import():
    """Which is what they are for."""
    code = (
        "import sys\nfrom gradent_cli.dataclass import dataclass\n"
        "@dataclass(frozen=True, kw_only=True)\nclass A:\n    a: int\n"
        "A(a=1) == A(a=2)\nprint('dataclasses' in sys.modules, 'inspect' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
