"""gradent's block: every other byte of a crontab comes through as it was."""

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gradent_cli.errors import ConfigError, CrontabError
from gradent_cli.frequency import FREQUENCIES, cron_expression, parse_at
from gradent_cli.schedulers import block

PYTHON = Path("/home/ada/.local/share/gradent/bin/python")
ADA = Path("/home/ada/.config/gradent/config.toml")
BEN = Path("/home/ben/my courses/gradent.toml")
LINE = block.job_line("0 * * * *", PYTHON, ADA)
OTHER = block.job_line("*/15 * * * *", PYTHON, ADA)

pieces = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [
            b"\n",
            b"\r\n",
            b"\0",
            b"caf\xe9\n",
            b"\xef\xbb\xbf",
            b'MAILTO=""\n',
            b"0 5 * * * gradent run # mine\n",
            block.begin(ADA),
            block.end(ADA),
            block.begin(BEN),
            block.end(BEN),
            b" " + block.begin(ADA) + b"\n",
            block.begin(ADA) + b" \n",
            block.begin(ADA) + b"\r\n",
            block.begin(ADA) + b" (no newline before this)",
            b"# >>> gradent /x >>>\n# <<< gradent /x <<<\n",
            b"# >>> gradent /x >>> (no newline before this)\n# <<< gradent /x <<<\n",
        ]
    ),
)
crontabs = st.lists(pieces, max_size=8).map(b"".join)


def without_block(crontab: bytes, config: Path = ADA) -> bool:
    """Whether this config has no marker there, whole or broken."""
    try:
        return block.installed(crontab, config) is None
    except CrontabError:
        return False


# ── bytes outside the block ────────────────────────────────────────────────────────────────────────────────────────


@given(crontabs)
@example(b"")
@example(b"\n")
@example(b"* * * * * x")
@example(b"* * * * * x\r\n")
@example(b"# <<< gradent /home/ben/my courses/gradent.toml <<<")
def test_uninstall_gives_back_every_byte(crontab: bytes):
    """Whatever was there before the block is there after it, to the last byte or the lack of it."""
    assume(without_block(crontab))
    with_block = block.install(crontab, ADA, (LINE,))
    assert with_block.startswith(crontab)
    assert block.installed(with_block, ADA) == (LINE,)
    assert block.uninstall(with_block, ADA) == crontab


@given(crontabs)
def test_installing_twice_changes_nothing(crontab: bytes):
    """The second time gives the same bytes as the first."""
    assume(without_block(crontab))
    once = block.install(crontab, ADA, (LINE,))
    assert block.install(once, ADA, (LINE,)) == once


@given(crontabs, crontabs)
def test_a_changed_line_is_changed_in_place(before: bytes, after: bytes):
    """Nothing around the block moves when its line changes, and uninstall does not mind."""
    assume(without_block(before) and without_block(before + b"\n" + after))
    first = block.install(before, ADA, (LINE,)) + after
    second = block.install(first, ADA, (OTHER,))
    assert second == first.replace(LINE, OTHER)
    assert block.uninstall(second, ADA) == block.uninstall(first, ADA)


@given(crontabs, crontabs.filter(bool))
def test_lines_added_after_the_block_stay(before: bytes, added: bytes):
    """They begin a line of their own before and after uninstall, though the text before had no end."""
    assume(without_block(before) and without_block(before + b"\n" + added))
    assume(not block._NEXT_BLOCK.match(added))
    crontab = block.install(before, ADA, (LINE,)) + added
    glue = b"" if before.endswith(b"\n") or not before else b"\n"
    assert block.uninstall(crontab, ADA) == before + glue + added


@given(
    crontabs,
    st.lists(
        st.tuples(
            st.booleans(), st.sampled_from([ADA, BEN, Path("/c >>>"), Path("/c")]), st.sampled_from([LINE, OTHER])
        )
    ),
)
def test_blocks_of_several_configs_do_not_disturb_each_other(crontab: bytes, steps: list[tuple[bool, Path, bytes]]):
    """Installed, changed and removed in any order, each has its own line, and the last to go leaves the old bytes."""
    configs = {config for _, config, _ in steps}
    assume(all(without_block(crontab, config) for config in configs))
    now, expected = crontab, {}
    for install, config, line in steps:
        if install:
            now = block.install(now, config, (line,))
            expected[config] = (line,)
        else:
            now = block.uninstall(now, config)
            expected.pop(config, None)
        assert {config: block.installed(now, config) for config in configs} == {
            config: expected.get(config) for config in configs
        }
        assert now.startswith(crontab)
    for config in configs:
        now = block.uninstall(now, config)
    assert now == crontab


def test_uninstall_without_a_block_changes_nothing():
    """There is nothing of ours to take away."""
    assert block.uninstall(b"0 5 * * * backup\n", ADA) == b"0 5 * * * backup\n"


def test_a_block_whose_last_line_has_no_end_is_a_block():
    """Some crons take such a crontab; the marker is the whole line all the same."""
    crontab = b"x\n" + block.install(b"", ADA, (LINE,)).rstrip(b"\n")
    assert block.installed(crontab, ADA) == (LINE,)
    assert block.uninstall(crontab, ADA) == b"x\n"


def test_a_large_crontab_is_no_trouble():
    """Five megabytes come through whole."""
    crontab = b"* * * * * true\n" * 330_000 + b"# no end"
    assert block.uninstall(block.install(crontab, ADA, (LINE,)), ADA) == crontab


# ── damaged blocks ─────────────────────────────────────────────────────────────────────────────────────────────────

BEGIN, END = block.begin(ADA), block.end(ADA)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([b"x", BEGIN, LINE], r"line 2 begins it"),
        ([LINE, END], r"line 2 ends it"),
        ([END, BEGIN], r"line 1 ends it, line 2 begins it"),
        ([BEGIN, LINE, END, BEGIN, LINE, END], r"line 1 begins it, line 3 ends it, line 4 begins it, line 6 ends it"),
        ([BEGIN, BEGIN + b" (no newline before this)", END], r"line 1 begins it, line 2 begins it, line 3 ends it"),
        ([BEGIN, LINE, block.begin(BEN), OTHER, block.end(BEN), END], r"a marker of another block in line 3"),
        ([BEGIN, LINE, block.end(BEN), END], r"a marker of another block in line 3"),
    ],
)
def test_a_damaged_block_is_refused(lines: list[bytes], why: str):
    """What gradent is not sure about it does not touch; the message names the lines and the way out."""
    crontab = b"\n".join(lines) + b"\n"
    for touch in (block.installed, block.uninstall, lambda crontab, config: block.install(crontab, config, (LINE,))):
        with pytest.raises(CrontabError, match=why) as refused:
            touch(crontab, ADA)
        assert str(ADA) in refused.value.message
        assert "crontab -e" in str(refused.value.hint)


# ── the job line ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_job_line():
    """Absolute interpreter, safe import path, config; nothing secret, nothing that a shell would change."""
    assert LINE == (
        b"0 * * * * /home/ada/.local/share/gradent/bin/python -P -m gradent_cli"
        b" --config /home/ada/.config/gradent/config.toml run --quiet"
    )


@pytest.mark.parametrize(
    "folder", ["my courses", "it's", 'say "x"', "$HOME `id` \\ * ~", "études", "👩\u200d🎓", "a;b&c#d"]
)
def test_a_shell_reads_the_paths_back(folder: str):
    """Blanks, quotes and letters of any language arrive as they are in the file's name."""
    config = Path("/home") / folder / "config.toml"
    line = block.job_line("0 * * * *", Path("/opt") / folder / "python", config)
    command = line.decode().removeprefix("0 * * * * ")
    shown = subprocess.run(["sh", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == [
        f"/opt/{folder}/python",
        "-P",
        "-m",
        "gradent_cli",
        "--config",
        str(config),
        "run",
        "--quiet",
    ]
    assert block.uninstall(block.install(b"", config, (line,)), config) == b""


@pytest.mark.parametrize("character", ["%", "\n", "\r", "\0", "\x1b", "\x7f", "\x85", "\udce9"])
def test_a_path_that_cron_would_break_is_refused(character: str):
    """Of the config and of the interpreter alike, and the reason is given."""
    path = Path(f"/home/a{character}b/x")
    reason = "'%'" if character == "%" else "a line break, a control character or bytes that are not UTF-8"
    for interpreter, config in ((path, ADA), (PYTHON, path)):
        with pytest.raises(ConfigError, match=reason):
            block.job_line("0 * * * *", interpreter, config)


def test_a_command_that_debian_would_refuse_is_refused():
    """998 bytes go into a line, and not one more."""
    room = 998 - len(LINE.removeprefix(b"0 * * * * ")) + len(str(ADA))
    longest = Path("/" + "x" * (room - 1))
    assert len(block.job_line("0 * * * *", PYTHON, longest)) == 998 + len("0 * * * * ")
    with pytest.raises(ConfigError, match="would have 999 bytes"):
        block.job_line("0 * * * *", PYTHON, Path(f"{longest}x"))


@pytest.mark.parametrize("key", FREQUENCIES)
def test_the_schedule_of_a_line_can_be_read_and_replaced(key: str):
    """What stands behind the schedule stays, byte for byte."""
    expression = cron_expression(key, parse_at("01:07"))
    line = block.job_line(expression, PYTHON, BEN)
    assert block.schedule(line) == expression
    assert block.reschedule(line, "5 4 * * mon") == block.job_line("5 4 * * mon", PYTHON, BEN)


@pytest.mark.parametrize("folder", ["my venv", "zoë", "plain", "it's"])
def test_the_schedule_of_a_quoted_interpreter_is_found(folder: str):
    """A path with a blank or an umlaut is quoted in the line; its schedule can be read and changed all the same."""
    line = block.job_line("0 * * * *", Path("/home", folder, "bin/python"), BEN)
    assert block.schedule(line) == "0 * * * *"
    assert block.reschedule(line, "0 0 * * *") == block.job_line("0 0 * * *", Path("/home", folder, "bin/python"), BEN)


@pytest.mark.parametrize(
    "line", [b"", b"#" + LINE, b"@daily /usr/bin/true", b"A=b c d e f /g", b"0 * * * /usr/bin/true"]
)
def test_a_line_that_was_edited_has_no_schedule(line: bytes):
    """A person has made something else of it."""
    assert block.schedule(line) is None


@pytest.mark.parametrize("config", [ADA, BEN, Path('/it\'s/$HOME "x".toml')])
def test_the_words_of_a_line_are_read_as_the_shell_reads_them(config: Path):
    """The interpreter first; nothing of a line that a person has edited."""
    line = block.job_line("*/15 * * * *", PYTHON, config)
    assert block.command(line) == (
        str(PYTHON), "-P", "-m", "gradent_cli", "--config", str(config), "run", "--quiet"
    )  # fmt: skip
    assert block.command(b"#" + line) == ()
    assert block.command(line + b" 'unclosed") == ()


def test_catch_up_is_a_second_line():
    """Every quarter of an hour, with `--if-due`; the run itself stays the first line."""
    run, tick = block.job_lines("0 0 * * *", PYTHON, ADA, catch_up=True)
    assert (run,) == block.job_lines("0 0 * * *", PYTHON, ADA, catch_up=False)
    assert run == block.job_line("0 0 * * *", PYTHON, ADA)
    assert tick == block.job_line("*/15 * * * *", PYTHON, ADA, ("run", "--if-due", "--quiet"))
    assert [block.catches_up(line) for line in (run, tick, b"")] == [False, True, False]


@pytest.mark.parametrize("catch_up", [False, True])
def test_the_flush_is_the_last_line(catch_up: bool):
    """With catch-up and without: what quiet hours held is sent at a time of its own."""
    *before, flush = block.job_lines("0 0 * * *", PYTHON, ADA, catch_up=catch_up, flush="0 7 * * *")
    assert tuple(before) == block.job_lines("0 0 * * *", PYTHON, ADA, catch_up=catch_up)
    assert flush == block.job_line("0 7 * * *", PYTHON, ADA, ("notify", "flush", "--quiet"))
    assert [block.flushes(line) for line in (*before, flush, b"")] == [False] * len(before) + [True, False]
    assert not block.catches_up(flush)


def test_the_flush_of_a_block_is_put_in_changed_and_taken_out():
    """All else stays as it is, and it starts the Python that the run does."""
    lines = block.job_lines("0 0 * * *", PYTHON, ADA, catch_up=True)
    early, late = (
        block.job_lines("0 0 * * *", PYTHON, ADA, catch_up=True, flush=flush) for flush in ("0 6 * * *", "0 7 * * *")
    )
    assert block.reflush(lines, ADA, "0 6 * * *") == early
    assert block.reflush(early, ADA, "0 7 * * *") == late
    assert block.reflush(late, ADA, None) == lines


def test_a_canary_disturbs_no_block_and_no_block_it():
    """It is named after what no config can be: a file inside the config file."""
    crontab = block.install(block.install(b"0 5 * * * mine", ADA, (LINE,)), block.canary(ADA), (OTHER,))
    assert block.installed(crontab, ADA) == (LINE,)
    assert block.installed(crontab, block.canary(ADA)) == (OTHER,)
    assert block.uninstall(block.uninstall(crontab, ADA), block.canary(ADA)) == b"0 5 * * * mine"


def test_the_variables_above_a_block_are_those_that_count_for_it():
    """As crontab(5) has them: blanks around `=`, quotes around the value, the last one wins."""
    above = b"MAILTO=a\n  MAILTO = \"\"  \r\nCRON_TZ='Asia/Tokyo'\n# A=b\n0 5 * * * B=c run\nbad name=x\n"
    crontab = block.install(above, ADA, (LINE,)) + b"SHELL=/bin/bash\n"
    assert block.variables(crontab, ADA) == {"MAILTO": "", "CRON_TZ": "Asia/Tokyo"}
    assert block.variables(above, ADA) == {}


# ── the example at the top of the project ──────────────────────────────────────────────────────────────────────────


def example_crontab() -> bytes:
    """`crontab.example`, made from the code: one block that works, and the others as comments."""
    text = b"""\
# What `gradent install-cron` puts into your crontab, so that you need not: two marker lines that name the config
# file, and between them one line for cron. Everything outside the markers stays as it is, byte for byte, and
# `gradent uninstall-cron` takes the block away again.
#
# This one is for the default, frequency = "1hour". The others follow; of them only the first five fields differ. The
# last one is what `gradent install-cron --catch-up` puts there: the second line makes up for runs missed in sleep.

"""
    text += block.install(b"", ADA, (block.job_line(cron_expression("1hour", parse_at("00:00")), PYTHON, ADA),))
    others = [(f'frequency = "{key}"', key, False) for key in FREQUENCIES if key != "1hour"]
    for what, key, catch_up in [*others, ('frequency = "1hour", with catch-up', "1hour", True)]:
        lines = block.job_lines(cron_expression(key, parse_at("00:00")), PYTHON, ADA, catch_up=catch_up)
        text += f"\n# {what}\n#\n".encode()
        text += re.sub(rb"(?m)^", b"# ", block.install(b"", ADA, lines).rstrip(b"\n")) + b"\n"
    return text


def test_the_example_is_what_the_code_writes():
    """`crontab.example` cannot say anything else than the code does."""
    assert Path(__file__).parent.parent.joinpath("crontab.example").read_bytes() == example_crontab()


def test_the_example_is_a_crontab_with_one_block():
    """Whoever installs the file as it is has the default frequency, and gradent finds its block in it."""
    assert block.installed(example_crontab(), ADA) == (LINE,)
