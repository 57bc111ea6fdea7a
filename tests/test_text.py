"""Text from outside made harmless, cut to size, and free of secrets."""

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.cells import cell_len

from gradent_cli.text import (
    CUT,
    Redactor,
    clean,
    columns,
    count,
    cut_bytes,
    cut_characters,
    cut_columns,
    one_line,
    wrap,
)

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=200)
WORDS = st.text(st.sampled_from("aé漢🎓👩‍🎓 \n"), max_size=200)


@pytest.mark.parametrize(
    ("dirty", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a new title\x07text", "text"),
        ("\x1b]8;;https://bad.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;never closed\nthe next line", "\nthe next line"),
        ("\x1b[2J\x1b[H\x1bcgone?", "gone?"),
        ("a\r\nb\rc\td", "a\nb\nc\td"),
        ("nul\x00 bell\x07 csi\x9b", "nul bell csi"),
        ("\x9b31mred\x9b0m \x9d52;c;eA==\x9c8-bit \x90q#0\x1b\\too", "red 8-bit too"),
        ("\x1b]52;c;eA==\x07clipboard \x1bPq#0\x1b\\picture", "clipboard picture"),
        ("\x7f\x85\x08back", "back"),
        ("\u202egpj.exe", "gpj.exe"),
        ("\u2066a\u2069 \u200eb\u200f \u061cc", "a b c"),
        ("half a pair \ud83d", "half a pair "),
        ("Grüße 🎓 漢字", "Grüße 🎓 漢字"),
    ],
)
def test_clean_leaves_only_what_can_be_read(dirty: str, harmless: str) -> None:
    """Escapes, controls, direction overrides and broken characters go; letters, emoji, newlines and tabs stay."""
    assert clean(dirty) == harmless


@given(ANYTHING)
def test_clean_text_is_always_harmless(text: str) -> None:
    """Nothing that controls a terminal or cannot be encoded survives, and cleaning twice changes nothing."""
    cleaned = clean(text)
    cleaned.encode()
    assert all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") for c in cleaned)
    assert clean(cleaned) == cleaned


@given(ANYTHING, st.integers(1, 60))
def test_one_line_is_one_short_line(text: str, limit: int) -> None:
    """However long and broken, it ends as one line within the limit."""
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line.splitlines() in ([], [line])


def test_one_line_folds_white_space() -> None:
    """Newlines and runs of blanks become one blank."""
    assert one_line("  Problem\n\tSet   6 ") == "Problem Set 6"


@given(WORDS, st.integers(len(CUT.encode()), 120))
def test_cut_bytes_keeps_its_limit(text: str, limit: int) -> None:
    """Never a byte more, never half a character, the beginning kept, and a cut is always told."""
    result = cut_bytes(text, limit)
    assert len(result.encode()) <= limit
    if len(text.encode()) <= limit:
        assert result == text
    else:
        assert result.endswith(CUT)
        assert text.startswith(result.removesuffix(CUT))


@given(WORDS, st.integers(len(CUT), 120))
def test_cut_characters_keeps_its_limit(text: str, limit: int) -> None:
    """The same, in characters."""
    result = cut_characters(text, limit)
    assert len(result) <= limit
    if len(text) <= limit:
        assert result == text
    else:
        assert result.endswith(CUT)
        assert text.startswith(result.removesuffix(CUT))


@pytest.mark.parametrize("letter", ["a", "é", "漢", "🎓"])
def test_the_edge_itself_is_not_cut(letter: str) -> None:
    """A text of exactly the limit stays whole; one byte less room cuts it."""
    text = letter * 60
    size = len(text.encode())
    assert cut_bytes(text, size) == text
    assert cut_bytes(text, size - 1).endswith(CUT)


def test_a_joined_emoji_is_not_left_open() -> None:
    """A joiner at the seam goes with what it would have joined."""
    text = "👩\u200d🎓" * 20
    assert "\u200d…" not in "".join(cut_bytes(text, limit) for limit in range(20, 120))


def test_count_agrees_with_its_number() -> None:
    """One session, two sessions, one study and two studies."""
    assert [count(n, "session") for n in (0, 1, 2)] == ["0 sessions", "1 session", "2 sessions"]
    assert count(2, "study", "studies") == "2 studies"


@given(st.lists(st.text(min_size=1, max_size=30)), st.text(max_size=50), st.text(max_size=50))
def test_no_secret_survives(secrets: list[str], before: str, after: str) -> None:
    """Whatever the secrets are, none of them is in what comes out."""
    assume(not any("*" in secret for secret in secrets))
    redact = Redactor(secrets)
    for secret in secrets:
        assert not any(one in redact(before + secret + after) for one in secrets)


FEED = "https://canvas.example.edu/feeds/calendars/user_kQ3vXw8ZpL1n.ics"
MOODLE = "https://m.example.edu/calendar/export_execute.php?userid=7&authtoken=5f3c0a9e1b7d&preset_what=all"
WEBHOOK = "https://discord.com/api/webhooks/123456789012345678/aBcDeFgHiJkLmNoPqRsTuVwXyZ-_aBcDeFgHiJ"


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        (FEED, FEED),
        (FEED, "/feeds/calendars/user_kQ3vXw8ZpL1n.ics"),
        (FEED, "user_kQ3vXw8ZpL1n.ics"),
        (MOODLE, "5f3c0a9e1b7d"),
        (MOODLE, "userid=7&authtoken=5f3c0a9e1b7d&preset_what=all"),
        (WEBHOOK, "aBcDeFgHiJkLmNoPqRsTuVwXyZ-_aBcDeFgHiJ"),
        (WEBHOOK, "/api/v10/webhooks/123456789012345678/aBcDeFgHiJkLmNoPqRsTuVwXyZ-_aBcDeFgHiJ"),
        ("https://me:pass@dav.example/cal", "pass"),
        ("https://h.example/x?key=ab%2Fcd%2B123456", "ab/cd+123456"),
        ("https://h.example/x?key=ab%2Fcd%2B123456", "ab%2Fcd%2B123456"),
    ],
)
def test_the_telling_parts_of_an_address_are_secret_alone(secret: str, told: str) -> None:
    """A library may quote the path, a token in it or its decoded form: none gets through."""
    hidden = Redactor([secret])(f"error at {told}, sorry")
    assert hidden.startswith("error at ")
    assert hidden.endswith(", sorry")
    for part in ("kQ3vXw8ZpL1n", "5f3c0a9e1b7d", "aBcDeFgHiJkLmNoPqRsTuVwXyZ", "pass", "cd+123456", "cd%2B123456"):
        assert part not in hidden


@pytest.mark.parametrize("secret", [FEED, MOODLE, WEBHOOK])
def test_harmless_words_of_an_address_stay(secret: str) -> None:
    """What everybody's address has in it may be said."""
    said = "the calendars of canvas.example.edu and m.example.edu: feeds, calendar, webhooks, userid 7, preset_what"
    assert Redactor([secret])(said) == said


def test_a_secret_within_a_secret_leaves_no_rest() -> None:
    """The longer one is taken out first, or its other half would stay."""
    assert Redactor(["abc", "abcdef12"])("token abcdef12") == "token ***"


def test_what_is_left_of_a_secret_where_a_text_was_cut_is_hidden():
    """As much of it as tells something."""
    redact = Redactor(["tk_planted-secret"])
    assert redact(one_line("x" * 80 + " tk_planted-secret", 93)) == "x" * 80 + " ***…"
    assert redact("first tk_planted-… (cut)\nsecond tk_pla…") == "first ***… (cut)\nsecond ***…"
    assert redact("no more than tk_pl…") == "no more than tk_pl…"
    assert redact("as it is: tk_planted") == "as it is: tk_planted"


def test_no_secrets_means_no_change() -> None:
    """Without secrets, or with empty ones, text stays as it is; a secret that is a broken address is one whole."""
    assert Redactor([])("as it is") == "as it is"
    assert Redactor([""])("as it is") == "as it is"
    assert Redactor(["http://[broken"])("at http://[broken here") == "at *** here"


@pytest.mark.parametrize("text", ["\u200b\u2060\ufeff", " \xad ", "\u200d"])
def test_a_line_without_anything_to_see_is_empty(text):
    """Zero-width characters alone are no title; in a word or an emoji they stay."""
    assert one_line(text) == ""
    assert one_line(f"a{text.strip()}b") == f"a{text.strip()}b"


SHOWN = ["a", "é", "e\u0301", "ß", "日", "本", "ｱ", "Ａ", "각", "\u1112\u1161\u11ab", "👩\u200d👩\u200d👧", "❤\ufe0f",
         "👍🏽", "🇳🇱", "⚠", "©", "—", "ש", "ع"]  # fmt: skip


@given(st.lists(st.sampled_from(SHOWN)).map("".join))
def test_columns_are_counted_as_a_terminal_library_counts_them(text):
    """Rich knows the widths of every character, and of characters that are one picture together."""
    assert columns(text) == cell_len(text)


@given(
    st.lists(st.sampled_from([*SHOWN, " ", "  ", "word ", "a-hyphen "]), max_size=60).map("".join), st.integers(2, 30)
)
def test_wrapped_lines_fit_and_lose_nothing(text, limit):
    """Each is as wide as it may be at most, and all characters but blanks are there in their order."""
    lines = wrap(text, limit, " " * (limit // 4))
    assert all(columns(line) <= limit for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(line.strip() for line in lines)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("   ", []),
        ("one two three", ["one two", "  three"]),
        ("  one two", ["  one", "  two"]),
        ("one supercalifragilistic", ["one supe", "  rcalif", "  ragili", "  stic"]),
        ("ab 線形代数の課題", ["ab 線形", "  代数の", "  課題"]),
        ("--ntfy-token -", ["--ntfy-t", "  oken -"]),
        ("a --ntfy", ["a --ntfy"]),
    ],
)
def test_lines_break_at_blanks_and_in_what_is_longer_than_a_line(text, lines):
    """Further lines begin at the margin."""
    assert wrap(text, 8, "  ") == lines


def test_a_margin_that_leaves_no_room_is_left_out():
    """And where even one character is too wide, it is shown nevertheless."""
    assert wrap("   abc 日本", 2, "    ") == ["ab", "c", "日", "本"]
    assert wrap("日本", 1) == ["日", "本"]


@given(st.lists(st.sampled_from(SHOWN), min_size=1).map("".join), st.integers(1, 20))
def test_text_cut_to_columns_fits(text, limit):
    """It ends in the mark exactly when something was cut."""
    cut = cut_columns(text, limit)
    assert columns(cut) <= limit
    assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]) and columns(text) > limit)
