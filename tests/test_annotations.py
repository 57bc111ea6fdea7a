"""The words of annotations stand for those of `typing`."""

import ast
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import gradent_cli
from gradent_cli import annotations, records

RECORDS = Path(records.__file__).read_text(encoding="utf-8")


def test_a_literal_knows_its_values():
    """Whether one or many."""
    assert annotations.get_args(annotations.Literal["a", "b"]) == ("a", "b")
    assert annotations.get_args(annotations.Literal["a"]) == ("a",)


def test_the_literals_of_records_hold_what_is_written():
    """As `typing` would read them from the same lines."""
    found = {
        node.targets[0].id: eval(ast.unparse(node.value), {"Literal": typing.Literal})
        for node in ast.parse(RECORDS).body
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Literal[")
    }
    assert len(found) == 5
    for name, real in found.items():
        assert annotations.get_args(getattr(records, name)) == typing.get_args(real)
    assert typing.get_args(found["Event"]) == records.EVENTS


@pytest.mark.parametrize("name", ["Any", "Literal", "NoReturn", "Protocol", "Self"])
def test_what_annotations_are_made_of_goes_together(name):
    """They are looked at where a function or a class is made."""
    word = getattr(annotations, name)
    word = word["a"] if name == "Literal" else word

    class Holder(word if name == "Protocol" else object):
        def method(self, given: word | None, more: dict[str, word], *rest: tuple[word, ...]) -> "word":
            return given

    assert Holder().method(1, {}) == 1


def test_no_run_imports_typing_by_them():
    """That is what they are for."""
    script = "import sys; before = 'typing' in sys.modules; import gradent_cli.annotations, gradent_cli.records; "
    script += "print(before, 'typing' in sys.modules)"
    folder = Path(gradent_cli.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    before, after = done.stdout.split()
    assert before == after
