"""The result as a picture for the README: an SVG, by hand, as it is a handful of bars."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

GROUPS = (
    ("nothing to do", ("tick", "kage", "borgmatic")),
    ("nothing to tell", ("run", "cronic", "chronic")),
    ("one message", ("one", "curl", "ntfy", "cronitor", "apprise")),
)
_LABELS = {
    "tick": "gradent run --if-due",
    "run": "gradent run",
    "one": "gradent run, ntfy",
    "kage": "kage cron run",
    "borgmatic": "borgmatic config validate",
    "cronic": "cronic",
    "chronic": "chronic",
    "curl": "sh and curl",
    "ntfy": "ntfy done (PyPI)",
    "cronitor": "cronitor",
    "apprise": "apprise",
}
_WIDTH, _LEFT, _RIGHT, _ROW, _GAP = 720, 210, 60, 22, 34
_STYLE = """\
text { font: 13px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.card { fill: #ffffff; stroke: #d1d9e0 }
.soft { fill: #59636e }
.ours { fill: #0969da }
.peer { fill: #afb8c1 }
.name { font-weight: 600 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .card { fill: #0d1117; stroke: #3d444d }
  .soft { fill: #9198a1 }
  .ours { fill: #4493f8 }
  .peer { fill: #6e7681 }
}"""


def svg(result: Mapping[str, Any]) -> str:
    """Bars of processor time, times the bare interpreter's: gradent's beside the peers', by kind of work.

    It brings its own background, so that its colours are readable on any page.
    """
    scenarios = result["scenarios"]
    groups = [(title, [name for name in names if name in scenarios]) for title, names in GROUPS]
    most = max(scenarios[name]["ratio"] for _, names in groups for name in names)
    scale = (_WIDTH - _LEFT - _RIGHT) / most
    lines, y = [], 62
    for title, names in groups:
        lines.append(f'<text class="soft" x="20" y="{y}">{escape(title)}</text>')
        for name in sorted(names, key=lambda name: scenarios[name]["ratio"]):
            y += _ROW
            lines += _bar(_LABELS[name], scenarios[name]["ratio"], scale, y, ours=not scenarios[name]["peer"])
        y += _GAP
    height = y - _GAP + 44
    head = "Processor time of one call, times that of the bare interpreter"
    foot = f"python -c pass = 1; less is better. Measured on {result['date']} with make bench."
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    spoken = escape(_spoken(groups, scenarios), {'"': "&quot;"})
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{spoken}">',
            f"<style>{_STYLE}</style>",
            f'<rect class="card" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="6"/>',
            f'<text class="name" x="20" y="32">{head}</text>',
            *lines,
            f'<text class="soft" x="20" y="{height - 16}">{escape(foot)}</text>',
            "</svg>",
            "",
        ]
    )


def _bar(label: str, ratio: float, scale: float, y: int, *, ours: bool) -> list[str]:
    width = max(1.0, ratio * scale)
    kind = ' class="name"' if ours else ""
    return [
        f'<text{kind} x="{_LEFT - 10}" y="{y}" text-anchor="end">{escape(label)}</text>',
        f'<rect class="{"ours" if ours else "peer"}" x="{_LEFT}" y="{y - 12}" width="{width:.1f}" height="15" rx="2"/>',
        f'<text{kind} x="{_LEFT + width + 6:.1f}" y="{y}">{ratio:.1f}</text>',
    ]


def _spoken(groups: Sequence[tuple[str, Sequence[str]]], scenarios: Mapping[str, Mapping[str, Any]]) -> str:
    """The picture in words, for who cannot see it."""
    parts = [
        f"{title}: " + ", ".join(f"{_LABELS[name]} {scenarios[name]['ratio']:.1f}" for name in names)
        for title, names in groups
    ]
    return "Processor time, times the bare interpreter. " + "; ".join(parts)
