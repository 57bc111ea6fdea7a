"""The result as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

_GROUPS = (
    ("Nothing to do", ("tick", "kage", "borgmatic")),
    ("An agent that does nothing, and nothing to tell", ("run", "changed", "chronic", "cronic")),
    ("One message", ("one", "apprise", "ntfy", "cronitor", "curl")),
    ("More messages", ("two", "hundred")),
    (
        "Only `--version`, or `--help`",
        ("version", "help", "apprise-version", "ntfy-version", "kage-version", "borgmatic-version", "gptme-version"),
    ),
    ("A long past, and a lot of output", ("run-1000", "run-1000000", "tick-1000", "tick-1000000", "pour")),
)
_HEAD = (
    "Measured on {date} by `make bench`: {rounds} rounds, {machine}. The numbers are in [`{date}.json`]({date}.json);"
    " [`docs/testing.md`](../../docs/testing.md) says how they come about."
)
_BESIDE = (
    "Medians. A program's time is that of everything it starts, its memory that of the largest process. Whoever reports"
    " counts only if its request arrived."
)
_IMPORTS = (
    "Milliseconds of imports, as `python -X importtime` has them, which makes all of them dearer. What a package"
    " imports of others counts as its own."
)
_PEERLESS = ("base",)


def markdown(result: Mapping[str, Any]) -> str:
    """The whole page.

    Args:
        result: as it is kept in the JSON.
    """
    date = result["date"]
    parts = [
        "# What gradent costs",
        _HEAD.format(date=date, rounds=result["rounds"], machine=_machine(result["machine"])),
        "## Budgets",
        "`x interpreter`: user and system time, times those of `python -c pass` in the same environment.",
        _budgets(result["figures"]),
        _over(result["figures"]),
        "## Beside the peers",
        _BESIDE,
        _scenarios(result["scenarios"]),
        "## Where the time goes",
        _IMPORTS,
        _imports(result),
        "## Planning",
        "Seconds of processor time for a plan made anew, and for one made again when nothing has changed.",
        _plans(result["plans"]),
        "## What was measured",
        _versions(result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def rows(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table; all but the first column are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float) -> str:
    """As many places as can mean something."""
    places = next((places for limit, places in ((2, 3), (10, 2), (100, 1)) if abs(value) < limit), 0)
    return f"{value:,.{places}f}"


def _budgets(figures: Sequence[Mapping[str, Any]]) -> str:
    body = []
    for figure in figures:
        budget = "" if figure["budget"] is None else f"{figure['budget']:g}"
        value = figure["note"] if figure["value"] is None else number(figure["value"])
        body.append([figure["what"], f"**{value}**" if figure["over"] else value, budget, figure["unit"]])
    return rows(["", "measured", "budget", "unit"], body)


def _over(figures: Sequence[Mapping[str, Any]]) -> str:
    over = [figure["what"] for figure in figures if figure["over"]]
    return "\n".join(["Over budget:", "", *(f"- {what}" for what in over)]) if over else "Nothing is over its budget."


def _scenarios(scenarios: Mapping[str, Mapping[str, Any]]) -> str:
    parts = []
    for title, names in (("The floor", _PEERLESS), *_GROUPS):
        body = []
        for name in names:
            if name not in scenarios:
                continue
            row = scenarios[name]
            low, high = row["quartiles"]
            columns = [number(row["ratio"]), f"{number(low)} to {number(high)}", number(row["cpu_ms"])]
            what = row["title"] if row["peer"] else f"**{row['title']}**"
            body.append([what, *columns, number(row["wall_ms"]), number(row["rss_mb"])])
        if body:
            head = [title, "x interpreter", "quartiles", "CPU ms", "wall ms", "memory MB"]
            parts.append(rows(head, body))
    return "\n\n".join(parts)


def _imports(result: Mapping[str, Any]) -> str:
    body = [
        [result["scenarios"][name]["title"], ", ".join(f"{whose} {ms:.0f}" for whose, ms in shares.items() if ms >= 1)]
        for name, shares in result["imports_ms"].items()
        if name in result["scenarios"]
    ]
    return rows(["", "ms of imports"], body)


def _plans(plans: Sequence[Mapping[str, Any]]) -> str:
    body = [
        [
            f"{plan['assignments']:,} assignments, {plan['events']:,} events, {plan['days']} days, {plan['load']}",
            f"{plan['anew']:.3f}",
            f"{plan['again']:.3f}",
            f"{plan['anew'] / plan['assignments'] * 1e6:.0f}",
        ]
        for plan in plans
    ]
    return rows(["", "anew s", "again s", "µs an assignment"], body)


def _versions(result: Mapping[str, Any]) -> str:
    lines = [
        f"- {name}: {', '.join(f'{k} {v}' for k, v in versions.items())}"
        for name, versions in result["versions"].items()
    ]
    lines += [f"- not measured, {name}: {reason}" for name, reason in result["missing"].items()]
    return "\n".join(lines)


def _machine(machine: Mapping[str, Any]) -> str:
    return (
        f"{machine['processors']} processors ({machine['processor']}), {machine['system']}, Python {machine['python']}"
    )
