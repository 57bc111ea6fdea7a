"""Plain text out of the HTML that learning platforms put into descriptions."""

import re
from html import unescape

_LOOKS_LIKE_HTML = re.compile(r"</?(?:p|br|div|span|a|ul|ol|li|b|strong|i|em|u|h[1-6]|table|tr|td|img)\b[^<>]*>", re.I)
_TAG = re.compile(r"(<[/!]?[A-Za-z-][^<>]*>)")
_NAME = re.compile(r"<(/?)([A-Za-z0-9]+)")
_BLOCKS = frozenset(
    ("p", "br", "hr", "div", "blockquote", "pre", "ul", "ol", "li", "table", "tr", "h1", "h2", "h3", "h4", "h5", "h6")
)
_HIDDEN = frozenset(("script", "style", "head", "title"))
_BLANK_LINES = re.compile(r"(?<![ \t\xa0])[ \t\xa0]*\n\s*")


def is_html(text: str) -> bool:
    """Whether there is a common tag in it; "a < b" is none."""
    return "<" in text and _LOOKS_LIKE_HTML.search(text) is not None


def plain(html: str) -> str:
    """What a reader sees of `html`: a line for each paragraph, and behind "- " for each item of a list.

    Takes one pass, whatever is left unclosed.
    """
    said: list[str] = []
    hidden = ""
    for number, piece in enumerate(_TAG.split(html)):
        is_tag = number % 2 == 1
        tag = _NAME.match(piece) if is_tag else None
        if tag is None:
            if not hidden and not is_tag:
                said.append(piece)
            continue
        name = tag[2].lower()
        if hidden:
            hidden = "" if tag[1] and name == hidden else hidden
        elif name in _HIDDEN:
            hidden = "" if tag[1] else name
        elif name in _BLOCKS:
            said.append("\n- " if name == "li" and not tag[1] else "\n")
    return _BLANK_LINES.sub("\n", unescape("".join(said))).strip()
