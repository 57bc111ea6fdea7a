"""TOML as text (https://toml.io/en/v1.0.0): where things stand in it, and changing one of them but nothing else.

tomlkit replaces and removes; what is new is put in as lines, because tomlkit appends below the comment of the next
table. Every edit is read back before it counts.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gradent_cli.errors import ConfigError

Place = tuple[str | int, ...]
"""Where something stands in a document: names of keys and, in lists, numbers from 0."""


def parts(key: str) -> tuple[str, ...]:
    """The names in a dotted key; the name of an environment variable may have dots of its own."""
    return tuple(key.split(".", 2 if key.startswith("agent.env.") else -1))


def nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    """The document that has nothing but this value at this place."""
    name, *below = path
    return {name: nested(below, value) if below else value}


def at(document: Any, path: Place) -> Any:
    """What the document has at this place; None when it has nothing there."""
    for part in path:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return None
    return document


@dataclass(frozen=True, slots=True)
class _Statement:
    """A key with its value, or a table's header.

    `first` and `last` are its lines, from 1; `table` is the header that it stands below (its own, for a header), with
    a number after the name of each list of tables; `places` is what it brings into the document.
    """

    first: int
    last: int
    header: bool
    table: Place
    places: tuple[Place, ...]


def _statements(text: str) -> Iterator[_Statement]:
    """The statements of a valid document. A statement ends at the first line that makes it parse by itself."""
    table: Place = ()
    entries: Counter[Place] = Counter()
    chunk, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        chunk += line + "\n"
        try:
            found = tomllib.loads(chunk)
        except tomllib.TOMLDecodeError:
            continue
        if found and chunk.lstrip().startswith("["):
            table = _header(found, entries)
            places = tuple(table[:end] for end in range(1, len(table) + 1))
            yield _Statement(first, number, header=True, table=table, places=places)
        elif found:
            places = tuple((*table, *place) for place in _places(found))
            yield _Statement(first, number, header=False, table=table, places=places)
        chunk, first = "", number + 1


def _header(found: Any, entries: "Counter[Place]") -> Place:
    """The place that a `[header]` or `[[header]]` opens; `entries` counts the tables of each list so far."""
    table: Place = ()
    while found:
        if isinstance(found, list):
            entries[table] += 1
            table = (*table, entries[table] - 1)
            found = found[0]
        else:
            name, found = next(iter(found.items()))
            table = (*table, name)
            if entries[table] and not isinstance(found, list):
                table = (*table, entries[table] - 1)
    return table


def _places(value: Any) -> Iterator[Place]:
    """Every place inside a value, outer ones first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, below in inner:
        yield (part,)
        for place in _places(below):
            yield (part, *place)


def lines(text: str) -> dict[Place, int]:
    """The line on which each place of a document first stands."""
    lines: dict[Place, int] = {}
    for statement in _statements(text):
        for place in statement.places:
            lines.setdefault(place, statement.first)
    return lines


def set_value(text: str, key: str, value: Any) -> str:
    """The document with `key` set; every byte that is not part of the old value stays.

    Raises:
        ConfigError: the file is written in such an unusual way that this is not certain.
    """
    path, document = parts(key), tomllib.loads(text)
    wanted = _with(document, path, value)
    if same(document, wanted):
        return text
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return _checked(text, key, lambda: _set_tables(text, key, value), wanted)
    if not text.strip():
        import tomli_w

        return _checked(text, key, lambda: tomli_w.dumps(wanted), wanted)
    old = at(document, path)
    if old is not None and not isinstance(value, dict) and not _within(text, path):
        return _checked(text, key, lambda: _assigned(text, path, value), wanted)
    rest = unset_value(text, key)
    return _checked(text, key, lambda: _inserted(rest, path, value), wanted)


def unset_value(text: str, key: str) -> str:
    """The document without `key`, which may be a whole table; the same text when it is not there.

    Raises:
        ConfigError: as `set_value`.
    """
    path, document = parts(key), tomllib.loads(text)
    if at(document, path) is None:
        return text
    return _checked(text, key, lambda: _removed(text, path), _with(document, path, None))


def add_table(text: str, key: str, table: Mapping[str, Any], *, same: Collection[str] = ()) -> str:
    """The document with one more entry in a list of tables; the same text when it has that entry already.

    An entry that has the same values for all keys in `same` is replaced, and only its name stays.

    Raises:
        ConfigError: as `set_value`.
    """
    present = at(tomllib.loads(text), parts(key))
    entries = present if isinstance(present, list) else []
    for number, entry in enumerate(entries):
        if same and isinstance(entry, dict) and all(entry.get(name) == table.get(name) for name in same):
            new = {name: value for name, value in entry.items() if name == "name"} | dict(table)
            wanted = _with(tomllib.loads(text), parts(key), [*entries[:number], new, *entries[number + 1 :]])
            return _checked(text, key, partial(_replaced, text, parts(key), number, new), wanted)
    return text if table in entries else set_value(text, key, [*entries, dict(table)])


def _removed(text: str, path: Sequence[str]) -> str:
    import tomlkit

    edited = tomlkit.parse(text)
    table: Any = edited
    for name in path[:-1]:
        table = table[name]
    del table[path[-1]]
    return tomlkit.dumps(edited)


def _replaced(text: str, path: Sequence[str], number: int, new: Mapping[str, Any]) -> str:
    """One entry of a list of tables changed where it stands, with what is written around it."""
    import tomlkit

    edited = tomlkit.parse(text)
    entry: Any = edited
    for step in (*path, number):
        entry = entry[step]
    for name in [name for name in entry if name not in new]:
        del entry[name]
    missing = {name: value for name, value in new.items() if name not in entry}
    for name, value in new.items():
        if name in entry and entry[name] != value:
            entry[name] = _item(value)
    text = tomlkit.dumps(edited)
    for name, value in missing.items():
        mine = [statement for statement in _statements(text) if statement.table == (*path, number)]
        if not mine:  # written inline
            return _assigned(text, (*path, number), new)
        text = _with_lines(text, mine[-1].last, [f"{name} = {inline(value)}"])
    return text


def _assigned(text: str, path: Sequence[str | int], value: Any) -> str:
    """tomlkit's own assignment: keeps the comment behind a value; knows dotted keys and inline tables."""
    import tomlkit

    edited = tomlkit.parse(text)
    table: Any = edited
    for name in path[:-1]:
        table = table[name]
    table[path[-1]] = _item(value)
    return tomlkit.dumps(edited)


def _inserted(text: str, path: Sequence[str], value: Any) -> str:
    """A new key below the last one of its table, where tomlkit would put it below the next table's comment."""
    import tomlkit

    table = tuple(path[:-1])
    line = f"{tomlkit.key(path[-1]).as_string()} = {inline(value)}"
    statements = list(_statements(text))
    mine = [statement for statement in statements if statement.table == table]
    if mine:
        return _with_lines(text, mine[-1].last, [line])
    without = _without_header(statements, table)
    if without:
        below = path[without + 1 :]
        return _assigned(text, path[: without + 1], nested(below, value) if below else value)
    if table or not statements:
        return _with_section(text, [f"[{'.'.join(table)}]"] * bool(table) + [line])
    lines = text.split("\n")
    above = statements[0].first - 1
    while above and lines[above - 1].lstrip().startswith("#"):
        above -= 1
    return _with_lines(text, above, [line, ""])


def _without_header(statements: Sequence[_Statement], table: Place) -> int:
    """How many names of a table's place are written as dotted keys or in an inline table, so that it has no header."""
    written = {place for statement in statements if not statement.header for place in statement.places}
    return max((end for end in range(1, len(table) + 1) if table[:end] in written), default=0)


def _set_tables(text: str, key: str, entries: Sequence[Mapping[str, Any]]) -> str:
    """A list of tables as `[[key]]` blocks; when the list only grows, those that are there stay untouched."""
    path = parts(key)
    old = at(tomllib.loads(text), path) or []
    if old and not _within(text, path):
        return _assigned(text, path, entries)
    if not old or not same(old, entries[: len(old)]):
        text, old = unset_value(text, key), []
    if _without_header(list(_statements(text)), path[:-1]):
        return _inserted(text, path, entries)
    for entry in entries[len(old) :]:
        block = [f"[[{key}]]", *(f"{name} = {inline(value)}" for name, value in entry.items())]
        mine = _within(text, path)
        text = _with_lines(text, mine[-1].last, ["", *block]) if mine else _with_section(text, block)
    return text


def _within(text: str, path: Place) -> list[_Statement]:
    """The statements below any header of `path`, with the headers themselves."""
    return [statement for statement in _statements(text) if statement.table[: len(path)] == path]


def _with_lines(text: str, after: int, new: Sequence[str]) -> str:
    """The text with lines put behind its line number `after`, ending as its lines end."""
    lines = text.split("\n")
    end = "\r" if lines[0].endswith("\r") else ""
    if after == len(lines):
        lines[-1] += end
        return "\n".join([*lines, *(line + end for line in new)]) + "\n"
    return "\n".join([*lines[:after], *(line + end for line in new), *lines[after:]])


def _with_section(text: str, new: Sequence[str]) -> str:
    """The text with lines at its end, behind a blank one."""
    if not text.strip():
        return text + "\n".join([*new, ""])
    lines = text.split("\n")
    if lines[-1]:
        return _with_lines(text, len(lines), ["", *new])
    gap = [""] if lines[-2].strip() else []
    return _with_lines(text, len(lines) - 1, [*gap, *new])


def inline(value: Any) -> str:
    """A value as it stands behind its key, on one line."""
    return str(_item(value).as_string())


def _item(value: Any) -> Any:
    """A value for tomlkit, with every table inline."""
    import tomlkit

    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        for name, inner in value.items():
            table.append(name, _item(inner))
        return table
    if isinstance(value, list):
        array = tomlkit.array()
        for entry in value:
            array.append(_item(entry))
        return array
    return tomlkit.item(value)


def _with(document: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """The document with another value at a place, or without it where the value is None."""
    name, *below = path
    inner = document.get(name, {})
    if below and not isinstance(inner, dict):
        raise ConfigError(f"{name!r} is not a table in this file", hint="gradent config edit")
    changed = _with(inner, below, value) if below else value
    rest = {other: kept for other, kept in document.items() if other != name}
    return rest if changed is None else {**rest, name: changed}


def same(one: Any, other: Any) -> bool:
    """Whether two documents hold the same values of the same types; an empty table is as good as none."""
    return repr(_ordered(one)) == repr(_ordered(other))


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        inner = {name: _ordered(value[name]) for name in sorted(value)}
        return {name: kept for name, kept in inner.items() if kept != {}}
    return [_ordered(entry) for entry in value] if isinstance(value, list) else value


def _ended_as(before: str, text: str) -> str:
    """The text with Windows line ends where every line had them before: tomlkit ends what is new with a bare one."""
    lines = before.count("\n")
    return re.sub("\r?\n", "\r\n", text) if lines and lines == before.count("\r\n") else text


def _checked(before: str, key: str, edit: Callable[[], str], wanted: Mapping[str, Any]) -> str:
    """The edited text, its lines ending as before, once it has been read back as exactly what it should say."""
    from tomlkit.exceptions import TOMLKitError

    try:
        text = _ended_as(before, edit())
        if same(tomllib.loads(text), wanted):
            return text
    except (TOMLKitError, tomllib.TOMLDecodeError, TypeError, KeyError, AttributeError):
        pass
    raise ConfigError(f"{key} cannot be changed safely in the way this file is written", hint="gradent config edit")
