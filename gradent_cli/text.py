"""Text from outside (feeds, agents, servers) made harmless, and cut in the units that services count."""

import re
from collections.abc import Iterable, Iterator

# Control sequences, control strings (never over a line's end), and two-character escapes: ECMA-48, 5.4, 5.6 and 5.3;
# the first two also by their one-character beginnings of 5.2.
_ESCAPES = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)
# Controls but newline and tab, halves of pairs, and bidirectional controls, which make a line read as something else
# (https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters).
_HARMFUL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+"
CUT = "… (cut)"


def clean(text: str) -> str:
    """`text` without terminal escapes, control and bidirectional characters; newlines and tabs stay."""
    if text.isprintable():  # most is, and needs no pattern
        return text
    text = re.sub(_ESCAPES, "", text).replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(_HARMFUL, "", text)


def one_line(text: str, limit: int = 300) -> str:
    """`text` cleaned, all white space folded to single blanks, at most `limit` characters.

    Text without anything to see in it (zero-width characters alone) is "".
    """
    line = " ".join(clean(text[: 20 * limit]).split())
    seen = line.isascii() or any(character.isprintable() and not character.isspace() for character in line)
    return cut_characters(line, limit, mark="…") if seen else ""


def cut_characters(text: str, limit: int, *, mark: str = CUT) -> str:
    """At most `limit` characters, ending in `mark` when something was cut."""
    return text if len(text) <= limit else text[: max(0, limit - len(mark))].rstrip() + mark


def cut_bytes(text: str, limit: int, *, mark: str = CUT) -> str:
    """At most `limit` bytes of UTF-8, cut at a character boundary, ending in `mark` when something was cut."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    kept = raw[: max(0, limit - len(mark.encode()))].decode(errors="ignore")
    # A combining mark or joiner at the seam belongs to the character before it.
    return kept.rstrip("\u200d\ufe0f ").rstrip() + mark


def columns(text: str) -> int:
    """How many columns of a terminal `text` takes: two for wide characters and emoji, none for what joins another."""
    return len(text) if text.isascii() else sum(width for _, width in _clusters(text))


def cut_columns(text: str, limit: int, *, mark: str = "…") -> str:
    """At most `limit` columns, ending in `mark` when something was cut."""
    if columns(text) <= limit:
        return text
    return _fitting(text, limit - columns(mark))[0].rstrip() + mark


def wrap(text: str, limit: int, margin: str = "") -> list[str]:
    """Lines of at most `limit` columns, broken at blanks, and inside what is longer than a line of its own.

    Lines after the first begin with `margin`; blanks at a break are dropped, those that `text` begins with stay.
    """
    lines: list[str] = []
    line = ""
    for blanks, word in re.findall(r"(\s*)(\S+)", text.expandtabs()):
        endless = columns(margin + word) > limit and columns(line + blanks) < limit
        if line.strip() and not endless and columns(line + blanks + word) > limit:
            lines.append(line)
            line = margin
        elif line.strip() or not lines:
            line += blanks
        rest = word
        while rest and columns(line + rest) > limit:
            part, rest = _fitting(rest, limit - columns(line))
            if not part and not line.strip():  # the margin leaves no room
                line = ""
                part, rest = _fitting(rest, limit, at_least_one=True)
            lines.append((line + part).rstrip())
            line = margin
        line += rest
    return [*lines, line] if line.strip() else lines


def _fitting(text: str, limit: int, *, at_least_one: bool = False) -> tuple[str, str]:
    """The beginning of `text` that fits into `limit` columns, and the rest; no character is torn apart."""
    end = used = 0
    for cluster, width in _clusters(text):
        if used + width > limit and (end or not at_least_one):
            break
        end, used = end + len(cluster), used + width
    return text[:end], text[end:]


def _clusters(text: str) -> Iterator[tuple[str, int]]:
    """Characters with all that joins them, and their columns.

    https://www.unicode.org/reports/tr11/ and /tr51/: wide and full-width characters take two; an emoji with its skin
    tone, a row joined by U+200D and a symbol that U+FE0F makes an emoji are one picture of two. Rich counts the same,
    but would be imported by every run that prints its ticks and crosses.
    """
    import unicodedata

    cluster, width, joined = "", 0, False
    for character in text:
        code = ord(character)
        mark = unicodedata.category(character) in ("Mn", "Me", "Cf") and code != 0xAD  # a soft hyphen is shown
        joined = joined and not character.isspace()
        if cluster and (joined or mark or 0x1160 <= code <= 0x11FF or 0x1F3FB <= code <= 0x1F3FF):
            cluster += character
            joined = code == 0x200D
            width = 2 if code == 0xFE0F and not cluster[0].isspace() else width
            continue
        if cluster:
            yield cluster, width
        cluster, joined = character, False
        width = 0 if mark else 2 if unicodedata.east_asian_width(character) in "WF" else 1
    if cluster:
        yield cluster, width


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`count(1, "session")` -> `"1 session"`, `count(2, "session")` -> `"2 sessions"`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


class Redactor:
    """Replaces secrets in text by `***`, whole or by the telling parts of a secret URL.

    Args:
        secrets: the secret values. Of a URL the path and query, and every segment or query value of eight
            characters or more with a digit in it (or of 24 or more), and its password, count as secret by themselves:
            an error text may quote only those. A text that was cut may end with the beginning of one.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        pieces = {piece for secret in secrets for piece in (secret, *_telling_parts(secret)) if piece}
        self._pieces = sorted(pieces, key=len, reverse=True)
        self._pattern = "|".join(map(re.escape, self._pieces))

    def __call__(self, text: str) -> str:
        if not self._pieces:
            return text
        *cut, rest = re.sub(self._pattern, "***", text).split("…")
        return "…".join([*map(self._without_beginning, cut), rest])

    def _without_beginning(self, text: str) -> str:
        """Less than six characters of a secret tell nothing."""
        for piece in self._pieces:
            for length in range(min(len(piece) - 1, len(text)), 5, -1):
                if text.endswith(piece[:length]):
                    return text[:-length] + "***"
        return text


def _telling_parts(secret: str) -> Iterator[str]:
    """What of a secret URL must not be shown, nothing of another secret."""
    if "//" not in secret:
        return
    from urllib.parse import unquote, urlsplit

    try:
        url = urlsplit(secret)
        password = url.password
    except ValueError:
        return
    if not url.netloc:
        return
    yield password or ""
    yield from (part for part in (url.path, url.query) if len(part) >= 8)
    written = [*url.path.split("/"), *(pair.rpartition("=")[2] for pair in url.query.split("&"))]
    for part in (*written, *map(unquote, written)):
        if len(part) >= 24 or (len(part) >= 8 and re.search(r"\d", part)):
            yield part
