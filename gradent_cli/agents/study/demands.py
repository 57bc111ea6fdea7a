"""What a description asks for in words: what has to be done before, and what is handed in. Pure.

Only phrases that can hardly mean anything else are taken, and always in the assignment's own words: a text that is
missed costs nothing, one that is made up misleads. Headings count with the bullets below them; in running text only
the imperative and "you must" do, so that "do not submit", "students who submit" and "the first chapter" stay out.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from gradent_cli.text import CUT, one_line

MOST = 5
"""Texts of one kind."""
LONGEST = 120
"""Characters of one text."""
_LOOKED_AT = 5000
_BULLETS = 12

_BULLET = re.compile(r"\s*(?:[-*•◦▪–—]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+", re.IGNORECASE)
# Not after "e.g." or "Ch.": a sentence ends before white space and a capital, a digit or an opening mark.
_SENTENCE = re.compile(r"(?<=[a-z0-9)\]\"'”’])[.!?]+\s+(?=[A-Z0-9(\"'“])|;\s+")
_NOTHING = re.compile(r"(?:none|no|nothing|n/?a|tb[ad]|-+|–|—)\b.{0,20}", re.IGNORECASE)

_NAMED = (
    r"(?:labs?|chapters?|ch\.|units?|modules?|lessons?|lectures?|assignments?|homework|hw|problem sets?|quiz(?:zes)?"
    r"|parts?|readings?|exercises?|projects?|milestones?|stages?|worksheets?|sections?|tutorials?)\s*\#?\d+"
)
_COURSE = r"[A-Z]{2,5}[ -]?\d{2,4}[A-Z]?"
_PREPARE = (
    r"(?:read|re-?read|review|complete|finish|watch|study|install|download|do|work through|go through|skim|look over)"
)
_BEGIN = (
    r"(?:(?:you )?(?:begin|start|attempt|tackle|come to (?:class|lab))"
    r"|(?:beginning|starting|attempting|tackling|doing|coming to (?:class|lab)|writing))"
)
_POLITE = r"(?:please |also |then |finally,? |next,? |make sure (?:to|you) |be sure to |remember to )*"
_MUST = (
    r"(?:you |students )(?:must|should|will(?: need to)?|need to|have to|are (?:asked|required|expected) to) "
    r"(?:also |then )?"
)

_BEFORE_HEADING = re.compile(
    r"(?:pre-?requisites?|prereqs?|required (?:readings?|preparation|background)|preparation|before you (?:begin|start)"
    r"|requires|what you need(?: first)?)\s*:\s*(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_BEFORE_HINT = re.compile(r"first|before|after|requires", re.IGNORECASE)
_BEFORE = (
    re.compile(
        rf"before (?:{_BEGIN}|the (?:lab|class|session|seminar))\b[^,:]{{0,40}}[,:]\s*"
        rf"{_POLITE}(?:{_MUST}|you'll (?:need|have) to )?(?P<text>{_PREPARE}\b.+)",
        re.IGNORECASE | re.DOTALL,
    ),
    re.compile(
        rf"{_POLITE}(?:{_MUST})?(?P<text>{_PREPARE}\b[^,:]{{2,100}}?),? (?:first|beforehand)(?:[,:].*)?",
        re.IGNORECASE | re.DOTALL,
    ),
    re.compile(
        rf"{_POLITE}(?:{_MUST})?(?P<text>{_PREPARE}\b[^,:]{{2,100}}?),? before {_BEGIN}\b.*", re.IGNORECASE | re.DOTALL
    ),
    re.compile(
        r"(?:this|the) (?:assignment|lab|project|homework|problem set|essay|task|module|unit|work|exercise)s? requires "
        r"(?P<text>(?:completion of|knowledge of|understanding of|familiarity with|having (?:read|completed|finished) "
        rf"|that you have (?:read|completed|finished) |access to|{_NAMED}|(?-i:{_COURSE})).*)",
        re.IGNORECASE | re.DOTALL,
    ),
    re.compile(
        r"requires (?P<text>(?:completion of|knowledge of|understanding of|familiarity with|having (?:read|completed) "
        rf"|{_NAMED}|(?-i:{_COURSE})).*)",
        re.IGNORECASE | re.DOTALL,
    ),
    # "After completing this lab, you will be able to" is a goal, so what is completed may not be this.
    re.compile(
        r"after (?P<text>(?:(?:completing|finishing|reading|watching|reviewing)"
        r"|you have (?:completed|finished|read|watched|reviewed)|you (?:complete|finish|read|watch)) "
        r"(?!this\b|it\b|your\b|the (?:assignment|course|project|lab|module|unit)\b)[^,]{3,100}),"
        r"(?! (?:you|students|we|i) (?:will|should|can|may|are))\s.+",
        re.IGNORECASE | re.DOTALL,
    ),
    re.compile(
        rf"{_POLITE}(?:{_MUST})?(?:do|start|begin|attempt|complete|work on|only start)\b[^,]{{0,40}}?\b(?:only )?after "
        rf"(?:you (?:have )?(?:completed?|finish(?:ed)?|read|watch(?:ed)?) |completing |finishing |reading |watching )?"
        rf"(?P<text>{_NAMED}\b.*)",
        re.IGNORECASE | re.DOTALL,
    ),
)

_KIND_OF_FILE = r"\.?(?:pdf|docx?|odt|rtf|txt|md|tex|pptx?|xlsx?|csv|zip|ipynb|py|java|cpp|rmd|html|jpe?g|png|mp[34])\b"
_HANDED_IN_HEADING = re.compile(
    r"(?:deliverables?|what (?:you (?:have|need) )?to (?:submit|turn in|hand in|deliver)"
    r"|(?:you (?:must|should|need to|will) )?(?:submit|turn in|hand in|upload)(?: the following(?: files| items)?)?"
    r"|(?:items|files) to (?:submit|turn in|hand in)|submission (?:items|files))\s*:\s*(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_FILE_HEADING = re.compile(
    r"(?:(?:accepted |allowed |file |submission )+(?:types?|formats?)|formats?)\s*:\s*(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_HANDED_IN_HINT = re.compile(r"submit|upload|hand in|turn in|deliver", re.IGNORECASE)
_HANDED_IN = re.compile(
    rf"(?:{_POLITE}|(?!(?:if|when|unless|in case|should)\b).*?\b{_MUST})(?:submit|upload|hand in|turn in|deliver) "
    rf"(?P<text>(?:(?:a|an|the|your|both|all|one|two|three|four|five|\d{{1,2}}|each) |PDF\b|source code\b"
    rf"|[\w-]+{_KIND_OF_FILE}).*)",
    re.IGNORECASE | re.DOTALL,
)
# Where and when it is handed in is no part of what is.
_UNTIL = re.compile(
    r",?\s+(?:by|before|via|on|onto|to|into|through|no later|at|until|within|using|here|online|electronically"
    r"|individually|when|once|if|after|so that"
    r"|in (?:canvas|moodle|blackboard|brightspace|gradescope|class|the (?:box|drop)|person|your (?:section|lab)))\b.*",
    re.IGNORECASE | re.DOTALL,
)
_AND = re.compile(r",? and (?=(?:an?|the|your|any|all|one|two|three) )|, (?=(?:an?|the|your) )", re.IGNORECASE)
_VAGUE_WORK = re.compile(rf"{_PREPARE} (?:this|it|that|these|them|your best|so|both|all|one)", re.IGNORECASE)
_VAGUE = re.compile(
    r"(?:(?:a|an|the|your|all|each|one|two|three|\d+|both|final|completed?|finished|own) )*"
    r"(?:assignments?|work|homework|it|this|submissions?|files?|documents?|answers?|parts?"
    r"|(?:attempts?|times?|days?|hours?|weeks?|minutes?|points?)\b.*)",
    re.IGNORECASE,
)


def prerequisites(description: str) -> tuple[str, ...]:
    """What has to be done before, at most five texts of at most 120 characters."""
    return _first(_prerequisites(description))


def deliverables(description: str) -> tuple[str, ...]:
    """What is handed in, at most five texts of at most 120 characters."""
    return _first(_deliverables(description))


def _prerequisites(description: str) -> Iterator[str]:
    lines = _lines(description)
    for number, line in enumerate(lines):
        heading = _BEFORE_HEADING.fullmatch(_unbulleted(line)) if ":" in line else None
        if heading is not None:
            yield from _listed(heading["rest"], lines[number + 1 :], lambda rest: rest.split(";"))
            continue
        for sentence in filter(_BEFORE_HINT.search, _sentences(line)):
            for pattern in _BEFORE:
                found = pattern.fullmatch(sentence)
                if found is not None:
                    if not _VAGUE_WORK.fullmatch(found["text"]):
                        yield found["text"]
                    break


def _deliverables(description: str) -> Iterator[str]:
    lines = _lines(description)
    for number, line in enumerate(map(_unbulleted, lines)):
        heading = _HANDED_IN_HEADING.fullmatch(line) if ":" in line else None
        if heading is not None:
            yield from _listed(heading["rest"], lines[number + 1 :], _parts)
            continue
        files = _FILE_HEADING.fullmatch(line) if ":" in line else None
        if files is not None and re.search(_KIND_OF_FILE, files["rest"], re.IGNORECASE):
            yield files["rest"]
            continue
        for sentence in filter(_HANDED_IN_HINT.search, _sentences(line)):
            found = _HANDED_IN.fullmatch(sentence)
            if found is not None:
                yield from (part for part in _parts(found["text"]) if not _VAGUE.fullmatch(part))


def _lines(description: str) -> list[str]:
    return [line for line in description[:_LOOKED_AT].splitlines() if line.strip()]


def _sentences(line: str) -> list[str]:
    return [sentence.strip().rstrip(".!?") for sentence in _SENTENCE.split(_unbulleted(line))]


def _unbulleted(line: str) -> str:
    return " ".join(_BULLET.sub("", line, count=1).split()) if _BULLET.match(line) else " ".join(line.split())


def _listed(rest: str, below: Sequence[str], split: Callable[[str], list[str]]) -> Iterator[str]:
    """What stands behind a heading's colon, or else the bullets below it."""
    if rest.strip():
        sentence = _SENTENCE.split(rest)[0] if split is _parts else rest.rstrip()
        yield from (part for part in split(sentence) if not _NOTHING.fullmatch(part.strip()))
        return
    for line in below[:_BULLETS]:
        if not _BULLET.match(line):
            return
        yield _unbulleted(line)


def _parts(text: str) -> list[str]:
    """`a PDF report and the source code to Canvas` -> `a PDF report`, `the source code`."""
    return [_UNTIL.sub("", part) for part in _AND.split(text)]


def _first(texts: Iterator[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for text in texts:
        line = one_line(text.strip().rstrip(".!?,;: "), LONGEST)
        if len(line) > 1 and not text.endswith(CUT):
            found.setdefault(line.casefold(), line)
        if len(found) == MOST:
            break
    return tuple(found.values())
