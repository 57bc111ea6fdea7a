"""Which events of a learning platform's feed are work to hand in, and what identifies them for good.

The rules come from feeds in the wild and from Canvas's and Moodle's own source:
https://github.com/instructure/canvas-lms/blob/master/app/models/calendar_event.rb and
https://github.com/moodle/moodle/blob/main/calendar/export_execute.php.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from html import unescape

from gradent_cli.agents.study.feed import OURS, Calendar, Component


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A component that is an assignment. Of several with the same key the one of the highest `precedence` counts.

    `guessed` when none of the platform's known phrases says whether it is one.
    """

    component: Component
    key: str
    title: str
    course: str | None = None
    precedence: int = 0
    guessed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a dialect made of a calendar's components; `foreign` when it knew none of their phrases."""

    work: Sequence[Work]
    foreign: bool = False


def understand(calendar: Calendar) -> Reading:
    """The work in this calendar, by the dialect of the platform that made it."""
    for speaks, read in _DIALECTS:
        if speaks(calendar):
            return read(calendar.components)
    return _plain(calendar.components)


# ── Canvas ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_CANVAS_UIDS = ("event-assignment-", "event-sub-assignment-", "event-calendar-event-")
_CANVAS_UID = re.compile(r"event-(sub-)?assignment-(override-)?([0-9]+)")
_CANVAS_LINK = re.compile(r"#((?:sub_)?assignment)_([0-9]+)")
_IN_BRACKETS = re.compile(r"(.*\S)\s*\[([^\[\]]+)\]", re.DOTALL)
_IN_PARENTHESES = re.compile(r"(.*\S)\s*\(([^()]+)\)", re.DOTALL)


def _is_canvas(calendar: Calendar) -> bool:
    return any(component.uid.startswith(_CANVAS_UIDS) for component in calendar.components)


def _canvas(components: Iterable[Component]) -> Reading:
    """`Title [COURSE]`; where a due date was changed for some students, `Title (whom) [COURSE]` under another UID."""
    work: list[Work] = []
    for component in components:
        uid = _CANVAS_UID.match(component.uid)
        if uid is None:
            continue
        title, course = _split(component.title, _IN_BRACKETS)
        link = _CANVAS_LINK.search(component.text("URL"))
        if link is not None:
            key = f"{link[1]}-{link[2]}"
        else:
            key = component.uid if uid[2] else f"{'sub_' if uid[1] else ''}assignment-{uid[3]}"
        if uid[2]:
            title, _ = _split(title, _IN_PARENTHESES)
        work.append(Work(component=component, key=key, title=title, course=course, precedence=1 if uid[2] else 0))
    return Reading(work=work)


# ── Brightspace and Moodle: the title's last words say what happens ────────────────────────────────────────────────

_BRIGHTSPACE_PHRASES = {" - Due": 2, " - Availability Ends": 1, " - Availability Starts": 0, " - Available": 0}
_MOODLE_PHRASES = {
    " is due to be graded": 0,
    " is due": 2,
    " closes": 2,
    " should be completed": 1,
    " opens": 0,
}


def _brightspace(components: Sequence[Component]) -> Reading:
    def course(component: Component) -> str | None:
        """`2026 Fall Investment Analysis (FINC-400-02)`."""
        name, code = _split(" ".join(component.text("LOCATION").split()), _IN_PARENTHESES)
        return None if "://" in (code or name) else code or name or None

    return _by_phrase(components, _BRIGHTSPACE_PHRASES, course)


def _moodle(components: Sequence[Component]) -> Reading:
    """Names are escaped for HTML."""

    def course(component: Component) -> str | None:
        return unescape(" ".join(component.text("CATEGORIES").split())) or None

    reading = _by_phrase(components, _MOODLE_PHRASES, course)
    return replace(reading, work=[replace(each, title=unescape(each.title)) for each in reading.work])


def _by_phrase(
    components: Sequence[Component], phrases: Mapping[str, int], course_of: Callable[[Component], str | None]
) -> Reading:
    """Work by how its title ends: 0 is none, and of one item's several phrases only the highest is its due date.

    The platform writes in its site's language, or in that of each course. So what ends in no known phrase is a guess,
    each event for itself: too much is better than a lost assignment.
    """
    spoken = [(component, *_phrase(component.title, phrases)) for component in components]
    foreign = bool(spoken) and all(value is None for _, _, value in spoken)
    work: list[Work] = []
    best: dict[tuple[str, str | None], int] = {}
    for component, title, value in spoken:
        if value == 0:
            continue
        key, course = component.uid.partition("@")[0] or _anonymous(component), course_of(component)
        if value is None:
            work.append(Work(component=component, key=key, title=title, course=course, guessed=True))
            continue
        best[title, course] = max(best.get((title, course), 0), value)
        work.append(Work(component=component, key=key, title=title, course=course, precedence=value))
    return Reading(
        work=[each for each in work if each.guessed or each.precedence == best[each.title, each.course]],
        foreign=foreign,
    )


def _phrase(title: str, phrases: Mapping[str, int]) -> tuple[str, int | None]:
    for phrase, value in phrases.items():
        if title.lower().endswith(phrase.lower()):
            return title[: -len(phrase)].rstrip(), value
    return title, None


# ── Blackboard, Schoology ──────────────────────────────────────────────────────────────────────────────────────────

_BLACKBOARD_ITEM = re.compile(r"gradebook2\.GradableItem-_([0-9]+)_")
_SCHOOLOGY_LINK = re.compile(r"/(assignment|assessment)/([0-9]+)")


def _blackboard(components: Iterable[Component]) -> Reading:
    """The UID begins with the moment of the download, so only the item's number in it identifies anything."""
    found = [(component, _BLACKBOARD_ITEM.search(component.uid)) for component in components]
    return Reading(work=[Work(component=each, key=uid[1], title=each.title) for each, uid in found if uid is not None])


def _schoology(components: Iterable[Component]) -> Reading:
    found = [(component, _SCHOOLOGY_LINK.search(component.text("URL"))) for component in components]
    return Reading(
        work=[
            Work(component=each, key=f"{url[1]}-{url[2]}", title=each.title) for each, url in found if url is not None
        ]
    )


# ── anything else ──────────────────────────────────────────────────────────────────────────────────────────────────


def _plain(components: Iterable[Component]) -> Reading:
    """Everything counts: whoever names a calendar as a source of assignments keeps deadlines in it."""
    return Reading(
        work=[
            Work(component=each, key=each.uid or _anonymous(each), title=each.title)
            for each in components
            if not each.uid.endswith(OURS)
        ]
    )


def _anonymous(component: Component) -> str:
    """A key for a component without UID: what it is called and when it is."""
    dates = [line.value for name in ("DTSTART", "DUE") if (line := component.first(name)) is not None]
    return "no-uid-" + sha256("\0".join([component.title, *dates]).encode()).hexdigest()[:16]


def _split(text: str, pattern: re.Pattern[str]) -> tuple[str, str | None]:
    """The text before, and what stands in the last brackets; the whole and None where there are none."""
    match = pattern.fullmatch(text)
    return (match[1], match[2].strip()) if match else (text, None)


def _made_by(product: str) -> Callable[[Calendar], bool]:
    return lambda calendar: product in calendar.product.upper()


_DIALECTS: tuple[tuple[Callable[[Calendar], bool], Callable[[Sequence[Component]], Reading]], ...] = (
    (_is_canvas, _canvas),
    (_made_by("//D2L//"), _brightspace),
    (_made_by("//MOODLE"), _moodle),
    (_made_by("//BLACKBOARD"), _blackboard),
    (lambda calendar: any(each.uid.endswith("@schoology.com") for each in calendar.components), _schoology),
)
