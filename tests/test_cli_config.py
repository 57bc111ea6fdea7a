import json
import os
import pty
import stat
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from gradent_cli.config.starter import starter
from gradent_cli.schedulers import block
from tests.conftest import Gradent
from tests.street.crontab import Crontab

SECRET = "s3cr3t-planted-value"


@pytest.fixture
def path(home: Path) -> Path:
    return home / ".config" / "gradent" / "config.toml"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)


# ── set ──


def test_the_first_set_makes_a_private_file(gradent: Gradent, crontab: Crontab, path: Path):
    """`gradent config set --frequency 30min` on a fresh machine; it says what it changed, and where."""
    result = gradent("config", "set", "--frequency", "30min")
    assert (result.code, result.out, result.err) == (0, f"frequency: 1hour -> 30min in {path}\n", "")
    assert path.read_text() == 'frequency = "30min"\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_flag_sets_its_key(gradent: Gradent, crontab: Crontab, path: Path, tmp_path: Path, monkeypatch):
    """All flags at once; a path is meant where the shell stands, and its suffix says its kind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work.csv").write_text("title\n")
    result = gradent(
        *(
            "config",
            "set",
            "--frequency",
            "6hours",
            "--at",
            "01:30",
            "--disabled",
            "--ntfy-topic",
            "gradent-0a1b2c3d4e",
        ),
        *("--ntfy-server", "https://ntfy.example.edu/", "--ntfy-token", "-", "--source", "work.csv"),
        input=f"tk_{SECRET}\n",
    )
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        f"{change} in {path}"
        for change in (
            "frequency: 1hour -> 6hours",
            "at: 00:00 -> 01:30",
            "enabled: true -> false",
            "ntfy.topic: not set -> gradent-0a1b2c3d4e",
            "ntfy.server: https://ntfy.sh -> https://ntfy.example.edu",
            "ntfy.token: not set -> ********",
            "study.sources: [] -> work",
        )
    ]
    assert path.read_text() == (
        'frequency = "6hours"\nat = "01:30"\nenabled = false\n\n'
        '[ntfy]\ntopic = "gradent-0a1b2c3d4e"\nserver = "https://ntfy.example.edu/"\n'
        f'token = "tk_{SECRET}"\n\n[[study.sources]]\nkind = "csv"\npath = "{tmp_path}/work.csv"\n'
    )


def test_the_same_again_changes_nothing(gradent: Gradent, crontab: Crontab, path: Path):
    """Neither a value nor a source is written twice."""
    for _ in range(2):
        result = gradent("config", "set", "--frequency", "30min", "--source", "-", input="https://x.example/feed\n")
    assert (result.code, result.out) == (0, f"nothing to change in {path}\n")
    assert path.read_text().count("feed") == 1


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("agent.command", '["claude", "-p", "{prompt}"]', 'command = ["claude", "-p", "{prompt}"]'),
        ("agent.command", "claude -p {prompt}", 'command = ["claude", "-p", "{prompt}"]'),
        ("notify.events", "failed,completed", 'events = ["failed", "completed"]'),
        ("study.hours.monday", "18:00-21:00", 'monday = ["18:00-21:00"]'),
        ("study.horizon_days", "14", "horizon_days = 14"),
        ("enabled", "false", "enabled = false"),
    ],
)
def test_any_key_can_be_set(gradent: Gradent, path: Path, key: str, value: str, line: str):
    """As KEY VALUE, with the type that the key wants."""
    write(path, "# mine\n")
    assert gradent("config", "set", key, value).code == 0
    assert line in path.read_text().splitlines()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "there is nothing to set"),
        (("frequency",), 2, "there is no value for frequency"),
        (("frequency", "1hour", "at"), 2, "there is no value for at"),
        (("at", "01:00", "enabled", "true", "at", "01:00"), 2, "at is given twice"),
        (("ntfy.token", "-", "llm.api_key", "-"), 2, "only one value can be read from standard input"),
        (("frequency", "1hour", "--frequency", "1hour"), 2, "frequency is given twice"),
        (("--ntfy-token", "-", "--discord-webhook", "-"), 2, "only one value can be read from standard input"),
        (("notfy.topic", "x"), 78, "unknown key 'notfy.topic'\n  hint: did you mean 'notify'?"),
        (("at", "25:00"), 78, 'at: \'25:00\' is not a time of day; write it as "HH:MM", from "00:00" to "23:59"'),
        (("ntfy", "x"), 78, "ntfy is a table; set one of its keys, such as ntfy.topic"),
        (("agent.kind", "command"), 78, 'agent.command: kind = "command" needs one'),
        (("ntfy.token", "a\udcffb"), 78, "ntfy.token: must be UTF-8 text"),
    ],
)
def test_what_cannot_be_set_is_refused_and_nothing_is_written(gradent: Gradent, path: Path, arguments, code, said):
    """The sentence names the key and not the file, as it does not stand there."""
    result = gradent("config", "set", *arguments)
    assert result.code == code
    assert f"gradent: {said}" in result.err
    assert result.out == ""
    assert not path.exists()


def test_a_bad_config_is_not_touched_but_can_be_mended(gradent: Gradent, path: Path):
    """What is wrong there is told with its line; setting just that key makes it right."""
    write(path, '# mine\n[agent]\nkind = "stdy"\n')
    result = gradent("config", "set", "notify.events", "failed")
    assert (result.code, result.out) == (78, "")
    assert result.err == (
        f"gradent: {path} line 3: agent.kind: 'stdy' is no agent that is installed here; "
        'use "study", "llm", "command" or "callable"\n'
        "  hint: did you mean 'study'?\n"
    )
    assert path.read_text() == '# mine\n[agent]\nkind = "stdy"\n'
    assert gradent("config", "set", "agent.kind", "study").code == 0
    assert path.read_text() == '# mine\n[agent]\nkind = "study"\n'


def test_keys_that_need_each_other_are_set_and_unset_together(gradent: Gradent, path: Path):
    """All pairs of one command are checked as a whole: none of them is set when one is refused."""
    prices = ("llm.input_price", "0.25", "llm.output_price", "2")
    assert gradent("config", "set", *prices[:2]).code == 78
    assert gradent("config", "set", *prices, "llm.max_tokens", "0").code == 78
    assert not path.exists()
    assert gradent("config", "set", *prices).out.splitlines() == [
        f"llm.input_price: not set -> 0.25 in {path}",
        f"llm.output_price: not set -> 2.0 in {path}",
    ]
    assert path.read_text() == "[llm]\ninput_price = 0.25\noutput_price = 2.0\n"
    alone = gradent("config", "unset", "llm.input_price")
    assert alone.code == 78
    assert alone.err == (
        f"gradent: {path} line 3: llm.output_price: input_price and output_price need each other\n"
        "  hint: gradent config set llm.input_price 0.25 llm.output_price 2\n"
    )
    assert gradent("config", "unset", *prices[::2]).code == 0
    assert "price" not in path.read_text()


def test_a_model_comes_with_its_agent(gradent: Gradent, path: Path):
    """The one needs the other; a model may be there before, and does not go while it is needed."""
    refused = gradent("config", "set", "agent.kind", "llm")
    sentence = 'llm.model: agent.kind = "llm" needs one\n  hint: gradent config set llm.model ollama:qwen3:8b\n'
    assert (refused.code, refused.err, path.exists()) == (78, f"gradent: {sentence}", False)
    assert gradent("config", "set", "llm.model", "ollama:qwen3:8b").code == 0
    assert gradent("config", "set", "agent.kind", "llm").code == 0
    refused = gradent("config", "unset", "llm")
    assert (refused.code, refused.err) == (78, f"gradent: {path} line 5: {sentence}")
    assert gradent("config", "unset", "agent.kind", "llm.model").code == 0


@pytest.mark.parametrize(
    ("said", "kept"), [("0.5", "0.5"), ("5", "5.0"), (" .5", "0.5"), ("5.", "5.0"), ("1e-7", "1e-07")]
)
def test_money_is_a_number_however_it_is_typed(gradent: Gradent, path: Path, said: str, kept: str):
    """Set, written, shown and asked back; whole dollars, too."""
    assert gradent("config", "set", "llm.max_cost_usd", said).out == f"llm.max_cost_usd: not set -> {kept} in {path}\n"
    assert tomllib.loads(path.read_text()) == {"llm": {"max_cost_usd": float(kept)}}
    assert gradent("config", "get", "llm.max_cost_usd").out == f"{kept}\n"
    assert f"llm.max_cost_usd          file     {kept}" in gradent("config", "show").out.splitlines()
    assert json.loads(gradent("config", "get", "llm.max_cost_usd", "--json").out) == float(kept)
    shown = json.loads(gradent("config", "show", "--json").out)["keys"]
    assert shown["llm.max_cost_usd"] == {"value": float(kept), "origin": "file"}
    assert shown["llm.input_price"] == {"value": None, "origin": "default"}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("abc", "must be a number such as 0.5, not text"),
        ("0,5", "must be a number such as 0.5, not text"),
        ("", "must be a number such as 0.5, not text"),
        ("nan", "must be a number, not inf or nan"),
        ("-inf", "must be a number, not inf or nan"),
        ("1e400", "must be a number, not inf or nan"),
        ("0", "must be more than 0"),
        ("-1", "must be more than 0"),
    ],
)
def test_what_is_no_money_is_refused(gradent: Gradent, path: Path, said: str, why: str):
    """In one sentence; nothing is written."""
    result = gradent("config", "set", "llm.max_cost_usd", "--", said)
    assert (result.code, result.out, result.err) == (78, "", f"gradent: llm.max_cost_usd: {why}\n")
    assert not path.exists()


def test_a_place_that_cannot_be_written_is_74(gradent: Gradent):
    """The state of the machine, not of the config."""
    result = gradent("--config", "/proc/gradent/config.toml", "config", "set", "enabled", "true")
    assert result.code == 74
    assert result.err.startswith("gradent: cannot write /proc/gradent/config.toml: ")


# ── secrets ──


def test_a_secret_from_standard_input_is_shown_nowhere(gradent: Gradent, path: Path, server):
    """Not by set, get, show or a refusal; one end of line is stripped, even the one of Windows."""
    outputs = [
        gradent("config", "set", "--ntfy-token", "-", input=f"tk_{SECRET}\r\n"),
        gradent("config", "set", "--discord-webhook", "-", input=f"https://discord.com/api/webhooks/1/{SECRET}\n"),
        gradent("config", "set", "--source", "-", input=f"https://canvas.example.edu/{SECRET}.ics"),
        gradent("config", "set", "agent.env.API_KEY", "-", input=SECRET),
        gradent("config", "show"),
        gradent("config", "show", "--json"),
        *(gradent("config", "get", key) for key in ("ntfy.token", "study.sources", "agent.env", "discord", "agent")),
        gradent("config", "get", "study.sources", "--json"),
    ]
    assert [output.code for output in outputs] == [0] * len(outputs)
    assert f'token = "tk_{SECRET}"' in path.read_text()
    outputs += [
        gradent("config", "set", "ntfy.token", "-", input=f"{SECRET} {SECRET}"),
        gradent("config", "set", "study.sources", "-", input=f"[{SECRET}"),
        gradent("config", "set", "discord.webhook", "-", input=f"https://x/{SECRET}"),
        gradent("config", "set", "--source", "-", input=f"ftp://{SECRET}"),
        gradent("config", "set", "agent.env.API_KEY", "-", input=f"\0{SECRET}"),
    ]
    assert [output.code for output in outputs[-5:]] == [78] * 5
    write(path, path.read_text() + f'[[study.busy]]\nurl = "{SECRET}"\n')
    outputs.append(gradent("config", "show"))
    assert outputs[-1].code == 78
    assert not [output for output in outputs if SECRET in output.out + output.err]


def test_a_secret_on_the_command_line_is_taken_but_warned_of(gradent: Gradent, path: Path):
    """It is in the shell's history by then; what to do next time is said."""
    for arguments in (
        ("--ntfy-token", "tk_x"),
        ("ntfy.token", "tk_y"),
        ("llm.api_key", "sk_x"),
        ("--source", "https://x.example/y"),
    ):
        result = gradent("config", "set", *arguments)
        assert result.code == 0
        assert "is now in your shell's history\n  hint: next time write -" in result.err
    result = gradent("config", "set", "--source", "new.ics")
    assert result.err == f"gradent: warning: there is no file {Path.cwd()}/new.ics yet\n"


def test_a_canvas_and_its_next_token(gradent: Gradent, path: Path):
    """Address and token make a Canvas; given again, it gets the new token and day, and keeps its name and comments."""
    arguments = ("config", "set", "--source", "https://school.instructure.com/", "--source-token", "-")
    first = gradent(*arguments, "--source-expires", "2027-01-31", input=f"7~{SECRET}\n")
    assert (first.code, first.err) == (0, "")
    assert first.out == f"study.sources: [] -> school.instructure.com in {path}\n"
    assert tomllib.loads(path.read_text())["study"]["sources"] == [
        {
            "kind": "canvas",
            "url": "https://school.instructure.com",
            "token": f"7~{SECRET}",
            "expires": "2027-01-31",
        }
    ]
    write(path, "# mine\n" + path.read_text().replace('kind = "canvas"', 'kind = "canvas"\nname = "uni"'))
    second = gradent(*arguments, input=f"8~{SECRET}")
    assert second.code == 0
    assert second.out == f"study.sources: uni in {path}\nuni: token replaced\n"
    assert second.err == (
        "gradent: warning: uni: 2027-01-31 was the last day of the old token, and that of the new one is not known\n"
        "  hint: to be warned in time: gradent config set --source https://school.instructure.com --source-token - "
        "--source-expires YYYY-MM-DD\n"
    )
    assert path.read_text().startswith("# mine\n")
    assert tomllib.loads(path.read_text())["study"]["sources"] == [
        {"name": "uni", "kind": "canvas", "url": "https://school.instructure.com", "token": f"8~{SECRET}"}
    ]
    third = gradent(*arguments, "--source-expires", "2027-05-31", input=f"8~{SECRET}")
    assert third.out == f"study.sources: uni in {path}\nuni: its token ends on 2027-05-31\n"
    assert gradent(*arguments, "--source-expires", "2027-05-31", input=f"8~{SECRET}").out.startswith(
        "nothing to change"
    )
    assert gradent("config", "set", "--source", "https://x.example/feed.ics").code == 0
    shown = gradent("config", "get", "study.sources").out
    assert 'expires = "2027-05-31"' in shown
    assert 'token = "********"' in shown
    said = [first, second, third, gradent("config", "show", "--json"), gradent("config", "get", "study.sources")]
    assert not [output for output in said if SECRET in output.out + output.err]


def test_the_address_of_a_canvas_is_read_from_standard_input(gradent: Gradent, path: Path):
    """As that of every source is; the token then stands on the command line."""
    arguments = ("config", "set", "--source", "-", "--source-token", "7~x")
    result = gradent(*arguments, input="https://school.instructure.com/\n")
    assert (result.code, result.out) == (0, f"study.sources: [] -> school.instructure.com in {path}\n")
    assert tomllib.loads(path.read_text())["study"]["sources"] == [
        {"kind": "canvas", "url": "https://school.instructure.com", "token": "7~x"}
    ]


COMMENTED = """# mine
# the feed
[[study.sources]]
kind = "ics"  # feed
path = "x.ics"

# my canvas
[[study.sources]]
kind = "canvas"
url = "https://school.instructure.com"  # here
token = "a"  # old
expires = 2027-01-31

# after
[study]
session_max = "2h"
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (COMMENTED, COMMENTED.replace('"a"', '"b"').replace("expires = 2027-01-31", 'expires = "2027-05-31"')),
        (
            COMMENTED.replace("expires = 2027-01-31\n", ""),
            COMMENTED.replace('"a"', '"b"').replace("expires = 2027-01-31", 'expires = "2027-05-31"'),
        ),
        (
            'study.sources = [{kind = "canvas", url = "https://school.instructure.com", token = "a"}]  # one\n',
            (
                'study.sources = [{kind = "canvas", url = "https://school.instructure.com", token = "b", expires = '
                '"2027-05-31"}]  # one\n'
            ),
        ),
    ],
)
def test_the_next_token_changes_nothing_else(gradent: Gradent, path: Path, before: str, after: str):
    """Comments, order and every other line stay as the student wrote them."""
    write(path, before)
    arguments = ("--source", "https://school.instructure.com", "--source-token", "-", "--source-expires", "2027-05-31")
    assert gradent("config", "set", *arguments, input="b").code == 0
    assert path.read_text() == after


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("--source-token", "-"), 2, "there is nothing to set"),
        (("--enabled", "--source-token", "-"), 2, "a token belongs to one source, and a last day to its token"),
        (("--source", "https://x", "--source-expires", "2027-01-31"), 2, "a token belongs to one source"),
        (("--source", "https://x", "--source", "a.ics", "--source-token", "-"), 2, "a token belongs to one source"),
        (("--source", "-", "--source-token", "-"), 2, "only one value can be read from standard input"),
        (("--source", "https://x/y.ics", "--source-token", "-"), 78, "the url of a Canvas is its address alone"),
        (("--source", "list.toml", "--source-token", "-"), 78, "study.sources.url (entry 1): must be a URL"),
        (
            ("--source", "https://x", "--source-token", "-", "--source-expires", "soon"),
            78,
            "'soon' is not a day; write it as \"2027-01-31\"",
        ),
    ],
)
def test_a_canvas_that_is_none(gradent: Gradent, path: Path, arguments, code, why):
    """What does not fit together is refused, and nothing is written."""
    result = gradent("config", "set", *arguments, input=f"7~{SECRET}")
    assert (result.code, path.exists()) == (code, False)
    assert why in result.err
    assert SECRET not in result.err


def test_a_canvas_beside_its_feed_is_warned_of(gradent: Gradent, path: Path):
    """Whoever adds the one has often had the other, and hears of it at once."""
    feed = f"https://school.instructure.com/feeds/calendars/user_{SECRET}.ics"
    assert gradent("config", "set", "--source", "-", input=feed).err == ""
    result = gradent("config", "set", "--source", "https://school.instructure.com", "--source-token", "-", input="7~x")
    assert "are the same Canvas, so everything in it is planned twice" in result.err
    assert SECRET not in result.err


def test_a_token_on_the_command_line_is_warned_of(gradent: Gradent):
    """It is in the shell's history by then."""
    result = gradent("config", "set", "--source", "https://school.instructure.com", "--source-token", "7~x")
    assert result.code == 0
    assert result.err.startswith("gradent: warning: the token is now in your shell's history\n  hint: next time")


@pytest.mark.parametrize("name", ["homework.md", "Homework.MARKDOWN"])
def test_a_markdown_file_is_known_by_its_name(gradent: Gradent, path: Path, tmp_path: Path, name: str):
    """`config set --source homework.md` needs no more."""
    (tmp_path / name).write_text("- [ ] Essay due:2026-12-01\n")
    assert gradent("config", "set", "--source", tmp_path / name).code == 0
    assert tomllib.loads(path.read_text())["study"]["sources"] == [{"kind": "markdown", "path": str(tmp_path / name)}]


GRADENT = [sys.executable, "-m", "gradent_cli"]


def test_what_standard_input_gives_must_be_text():
    """A picture in the clipboard is not a token."""
    command = [*GRADENT, "config", "set", "--ntfy-token", "-"]
    done = subprocess.run(command, input=b"\xff\xfe", capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (78, b"gradent: ntfy.token: must be UTF-8 text\n")


def on_a_terminal(*arguments: str, typed: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
    """Runs gradent on a terminal and types each answer when its question has been asked: exit code and the screen."""
    ours, theirs = pty.openpty()
    # A session of its own, so that no question goes to the terminal of whoever runs the tests.
    command = [*GRADENT, *arguments]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    screen = b""
    with suppress(OSError):  # how Linux says that the other end is closed
        while piece := os.read(ours, 4096):
            screen += piece
            if typed and typed[0][0] in screen:
                os.write(ours, typed.pop(0)[1])
    os.close(ours)
    return process.wait(), screen


def test_on_a_terminal_a_secret_is_asked_for_without_an_echo(path: Path):
    """The prompt is what `-` means there."""
    code, screen = on_a_terminal("config", "set", "ntfy.token", "-", typed=[(b"ntfy.token: ", f"{SECRET}\n".encode())])
    assert (code, SECRET.encode() in screen) == (0, False)
    assert SECRET in path.read_text()


@pytest.mark.parametrize("topic", ["study", "myagent2026", "my-study-agent-messages"])
def test_a_topic_that_can_be_guessed_is_warned_of(gradent: Gradent, topic: str):
    """Whoever knows it reads along; a better one is offered, and a token makes it all right."""
    result = gradent("config", "set", "--ntfy-topic", topic)
    assert result.code == 0
    assert f"the topic {topic} is easy to guess" in result.err
    better = result.err.split()[-1]
    assert gradent("config", "set", "--ntfy-topic", better).err == ""
    assert gradent("config", "set", "--ntfy-token", "-", "--ntfy-topic", topic, input="tk_x").err == ""


# ── the schedule ──


def test_an_installed_line_follows_the_schedule(gradent: Gradent, crontab: Crontab, path: Path):
    """`config set` changes the line, and says so; so does `config unset`; without a block nothing is said."""
    write(path, 'frequency = "1hour"\n')
    crontab.tab = b"0 5 * * * theirs\n"
    assert len(gradent("config", "set", "--frequency", "3hours").out.splitlines()) == 1
    line = block.job_line("0 0,3,6,9,12,15,18,21 * * *", Path(sys.executable), path)
    crontab.tab = block.install(b"0 5 * * * theirs\n", path, (line,))
    result = gradent("config", "set", "--at", "01:30", "--frequency", "6hours")
    assert "the crontab line now runs at `30 1,7,13,19 * * *`" in result.out
    assert b"\n30 1,7,13,19 * * * " in (crontab.tab or b"")
    assert "`30 * * * *`" in gradent("config", "unset", "frequency").out


def test_an_installed_block_follows_the_quiet_hours(gradent: Gradent, crontab: Crontab, path: Path):
    """Set, changed, moved by the student's zone and unset: the line that sends what they held goes with them."""
    python = Path(sys.executable)

    def block_with(flush: str | None) -> bytes:
        return block.install(
            b"0 5 * * * theirs\n", path, block.job_lines("0 * * * *", python, path, catch_up=True, flush=flush)
        )

    write(path, 'frequency = "1hour"\n')
    crontab.tab = block_with(None)
    for arguments, flush in (
        (("set", "notify.quiet_hours", "22:30-07:00"), "0 7 * * *"),
        (("set", "notify.quiet_hours", "22:30-6:15"), "15 6 * * *"),
        (("set", "study.timezone", "Europe/Amsterdam"), "15 4,5 * * *"),
        (("unset", "study"), "15 6 * * *"),
        (("unset", "notify"), None),
    ):
        result = gradent("config", *arguments)
        assert result.code == 0
        assert crontab.tab == block_with(flush)
        assert ("what quiet hours held" in result.out) == (crontab.tab != block_with("15 9 * * *"))
    assert gradent("config", "set", "notify.max_per_day", "100").out.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "arguments", "said"),
    [
        (
            '[ntfy]\ntopic = "mine-a1b2c3d4e5"',
            ("--frequency", "15min"),
            "384 messages a day, and ntfy.sh takes 250 a day",
        ),
        ('frequency = "15min"', ("--ntfy-topic", "mine-a1b2c3d4e5"), "384 messages a day, and ntfy.sh takes 250 a day"),
        (
            'frequency = "15min"\n[ntfy]\nserver = "https://ntfy.example.org"\ntopic = "mine-a1b2c3d4e5"',
            ("--ntfy-server", "https://ntfy.sh"),
            "384 messages a day",
        ),
        (
            'frequency = "15min"\n[ntfy]\ntopic = "mine-a1b2c3d4e5"\n[notify]\nwhen = "changed"',
            ("notify.when", "always"),
            "gradent config set notify.when changed",
        ),
        (
            'frequency = "*/5 * * * *"\n[ntfy]\ntopic = "mine-a1b2c3d4e5"\n[notify]\nevents = ["failed"]',
            ("notify.events", "completed"),
            "288 messages a day",
        ),
        (
            '[ntfy]\ntopic = "mine-a1b2c3d4e5"',
            ("notify.max_per_day", "251"),
            "notify.max_per_day is 251, and ntfy.sh takes 250 a day",
        ),
    ],
)
def test_more_messages_than_a_service_takes_are_warned_of(
    gradent: Gradent, crontab: Crontab, path: Path, given: str, arguments: tuple[str, ...], said: str
):
    """Whichever key does it; what is set stays set."""
    write(path, given + "\n")
    result = gradent("config", "set", *arguments)
    assert result.code == 0
    assert "gradent: warning: " in result.err
    assert said in result.err


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ('[ntfy]\ntopic = "mine-a1b2c3d4e5"', ("--frequency", "30min")),
        ("", ("--frequency", "15min")),
        ('[discord]\nwebhook = "https://discord.com/api/webhooks/1/abc"', ("--frequency", "15min")),
        ('[ntfy]\ntopic = "mine-a1b2c3d4e5"\nserver = "https://ntfy.example.org"', ("--frequency", "15min")),
        ('[ntfy]\ntopic = "mine-a1b2c3d4e5"\nserver = "https://ntfy.example.org"', ("notify.max_per_day", "1000")),
        ('[ntfy]\ntopic = "mine-a1b2c3d4e5"\n[notify]\nwhen = "changed"', ("--frequency", "15min")),
        ('[ntfy]\ntopic = "mine-a1b2c3d4e5"\n[notify]\nwhen = "failed"', ("--frequency", "15min")),
        ('frequency = "15min"\n[ntfy]\ntopic = "mine-a1b2c3d4e5"', ("notify.events", "completed,failed")),
        ('frequency = "15min"\n[ntfy]\ntopic = "mine-a1b2c3d4e5"', ("notify.quiet_hours", "20:00-08:00")),
        ('frequency = "15min"\n[ntfy]\ntopic = "mine-a1b2c3d4e5"', ("study.break", "10min")),
    ],
)
def test_what_a_service_takes_is_not_warned_of(
    gradent: Gradent, crontab: Crontab, path: Path, given: str, arguments: tuple[str, ...]
):
    """Few enough, no known limit, nobody to tell, or a key that changes nothing of it."""
    write(path, given + "\n")
    assert gradent("config", "set", *arguments).err == ""


def test_a_crontab_that_fails_leaves_the_new_schedule_in_the_config(gradent: Gradent, crontab: Crontab, path: Path):
    """The line still has the old one: said on stderr, with the command that brings it up to date."""
    crontab.order(list="fail")
    result = gradent("config", "set", "--frequency", "3hours")
    assert result.code == 0
    assert path.read_text() == 'frequency = "3hours"\n'
    assert "warning: an installed crontab line still has the old schedule: cannot read the crontab" in result.err
    assert result.err.endswith("  hint: gradent install-cron\n")


def test_without_a_crontab_program_there_is_nothing_to_follow(gradent: Gradent, path: Path, tmp_path, monkeypatch):
    """Nothing can be installed, so nothing is said."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    result = gradent("config", "set", "--frequency", "3hours")
    assert (result.code, len(result.out.splitlines()), result.err) == (0, 1, "")


def test_a_variable_that_wins_over_the_file_is_told(gradent: Gradent, crontab: Crontab, monkeypatch):
    """Otherwise a set value seems to be ignored."""
    monkeypatch.setenv("GRADENT_FREQUENCY", "15min")
    assert gradent("config", "set", "--frequency", "3hours").err == (
        "gradent: warning: GRADENT_FREQUENCY is set in this shell and counts more than the file\n"
    )
    assert gradent("config", "get", "frequency").out == "15min\n"


# ── unset, get, show, path ──


def test_unset_gives_back_the_default(gradent: Gradent, crontab: Crontab, path: Path):
    """A key or a whole table; what is not there is no change, what does not exist is refused."""
    write(path, '# mine\nfrequency = "3hours" # gone with it\nat = "01:00"\n[ntfy]\ntopic = "x"\n')
    assert gradent("config", "unset", "frequency").out == f"frequency: 3hours -> 1hour in {path}\n"
    assert path.read_text() == '# mine\nat = "01:00"\n[ntfy]\ntopic = "x"\n'
    assert gradent("config", "unset", "ntfy").out == f"ntfy: changed in {path}\n"
    assert path.read_text() == '# mine\nat = "01:00"\n'
    assert gradent("config", "unset", "ntfy.topic").out == f"nothing to change in {path}\n"
    refused = gradent("config", "unset", "frequenzy")
    assert (refused.code, refused.err) == (
        78,
        "gradent: unknown key 'frequenzy'\n  hint: did you mean 'frequency'?\n",
    )


CONFIG = """\
frequency = "3hours"
[agent]
command = ["a", "b c"]
[ntfy]
token = "tk_secret"
[[study.sources]]
kind = "ics"
url = "https://canvas.example.edu/secret"
"""


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (("frequency",), "3hours\n"),
        (("enabled",), "true\n"),
        (("study.session_max",), "2h\n"),
        (("study.horizon_days",), "60\n"),
        (("agent.command",), '["a", "b c"]\n'),
        (("ntfy.token",), "********\n"),
        (("ntfy.token", "--reveal"), "tk_secret\n"),
        (("ntfy.topic",), ""),
        (("ntfy.topic", "--json"), "null\n"),
        (("study.session_max", "--json"), '"2h"\n'),
        (("ntfy",), 'server = "https://ntfy.sh"\ntoken = "********"\n'),
        (("agent.env",), "\n"),
        (("llm",), "max_requests = 20\nmax_tool_calls = 50\nmax_tokens = 200000\n"),
        (
            ("study.sources",),
            'sources = [\n    { kind = "ics", url = "********", name = "canvas.example.edu" },\n]\n',
        ),
    ],
)
def test_get_prints_what_counts(gradent: Gradent, path: Path, arguments, out):
    """Text as it is, tables as TOML, secrets only when they are asked for."""
    write(path, CONFIG)
    result = gradent("config", "get", *arguments)
    assert (result.code, result.out) == (0, out)


def test_get_says_when_a_key_is_not_set_or_does_not_exist(gradent: Gradent, path: Path):
    """On stderr, so that a script reads nothing."""
    write(path, CONFIG)
    assert gradent("config", "get", "ntfy.topic").err == "ntfy.topic is not set\n"
    result = gradent("config", "get", "ntfy.tpic")
    assert (result.code, result.err) == (
        78,
        "gradent: unknown key 'ntfy.tpic'\n  hint: did you mean 'ntfy.topic'?\n",
    )


def test_show_says_where_every_value_comes_from(gradent: Gradent, path: Path, monkeypatch):
    """Aligned, masked, no wider than a terminal; a warning of a mode that lets others read goes to stderr."""
    write(path, CONFIG)
    path.chmod(0o644)
    monkeypatch.setenv("GRADENT_AGENT__PROMPT", "long " * 40)
    result = gradent("config", "show")
    lines = result.out.splitlines()
    assert result.code == 0
    assert lines[0] == str(path)
    assert "frequency                 file         3hours" in lines
    assert "ntfy.token                file         ********" in lines
    assert "ntfy.topic                default      not set" in lines
    assert any(line.startswith("agent.prompt              environment  long long") for line in lines)
    assert lines[-1] == "From the environment: GRADENT_AGENT__PROMPT"
    assert max(map(len, lines[1:])) <= 80
    assert "tk_secret" not in result.out
    assert result.err == (
        f"gradent: warning: {path} holds a secret and its mode is 0644; make it yours: chmod 600 {path}\n"
    )
    assert "tk_secret" in gradent("config", "show", "--reveal").out


def test_show_as_json_has_every_key(gradent: Gradent, path: Path, monkeypatch):
    """Value and origin, and the path of the file."""
    write(path, CONFIG)
    monkeypatch.setenv("GRADENT_AT", "01:00")
    document = json.loads(gradent("config", "show", "--json").out)
    assert document["path"] == str(path)
    assert document["keys"]["at"] == {"value": "01:00", "origin": "environment GRADENT_AT"}
    assert document["keys"]["agent.command"] == {"value": ["a", "b c"], "origin": "file"}
    assert document["keys"]["ntfy.topic"] == {"value": None, "origin": "default"}
    assert document["keys"]["study.sources"]["value"][0]["url"] == "********"


def test_path_is_printed_whether_there_is_a_file_or_not(gradent: Gradent, path: Path, tmp_path: Path):
    """For `cd`, for an editor, for a backup."""
    assert gradent("config", "path").out == f"{path}\n"
    assert gradent("--config", tmp_path / "c.toml", "config", "path").out == f"{tmp_path}/c.toml\n"


def test_looking_at_no_config_says_how_to_make_one(gradent: Gradent, path: Path):
    """`show` and `get` on a fresh machine."""
    for command in (("show",), ("get", "frequency")):
        result = gradent("config", *command)
        assert (result.code, result.err) == (
            78,
            f"gradent: there is no config file {path}\n  hint: make one: gradent config init\n",
        )


# ── init ──


def test_init_writes_a_start_and_says_what_comes_next(gradent: Gradent, path: Path):
    """A second time there is nothing to do, as long as nobody has changed it; then it is refused."""
    result = gradent("config", "init")
    assert (result.code, result.err) == (0, "")
    text = path.read_text()
    assert text == starter(like=text)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert result.out.splitlines()[0] == f"wrote {path}"
    assert result.out.splitlines()[-2:] == ["  gradent config set --source -", "  gradent install-cron"]
    assert gradent("config", "show").code == 0
    assert gradent("config", "init").code == 0
    write(path, text + "# mine\n")
    refused = gradent("config", "init")
    assert (refused.code, refused.err) == (
        78,
        f"gradent: there is a config already: {path}\n  hint: gradent config edit\n",
    )
    assert path.read_text() == text + "# mine\n"


def test_init_elsewhere_names_the_config_in_its_commands(gradent: Gradent, tmp_path: Path):
    """They can be copied as they are."""
    result = gradent("--config", tmp_path / "my config.toml", "config", "init")
    assert f"  gradent --config '{tmp_path}/my config.toml' install-cron" in result.out.splitlines()


# ── edit ──


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An editor that is a shell script; `$1` is the file."""

    def become(script: str) -> None:
        program = tmp_path / "my editor"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("EDITOR", f"'{program}' --wait")

    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    return become


def drafts(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "tmp").iterdir())


def test_edit_installs_what_is_valid(gradent: Gradent, crontab: Crontab, path: Path, editor, tmp_path: Path):
    """The editor gets a private copy; nothing of it is left; an installed line follows."""
    write(path, 'frequency = "1hour" # mine\n')
    crontab.tab = block.install(b"", path, (block.job_line("0 * * * *", Path(sys.executable), path),))
    editor(f'stat -c %a "$2" "$(dirname "$2")" > \'{tmp_path}/modes\'; sed -i s/1hour/3hours/ "$2"')
    result = gradent("config", "edit")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"changed {path}\nthe crontab line now runs at ")
    assert path.read_text() == 'frequency = "3hours" # mine\n'
    assert (tmp_path / "modes").read_text() == "600\n700\n"
    assert drafts(tmp_path) == []


def test_edit_without_a_change_changes_nothing(gradent: Gradent, path: Path, editor, tmp_path: Path):
    """And it makes no file of the start that it shows when there is none."""
    editor(":")
    result = gradent("config", "edit")
    assert (result.code, result.out) == (0, f"nothing changed in {path}\n")
    assert not path.exists()
    assert drafts(tmp_path) == []


def test_an_edited_start_becomes_the_config(gradent: Gradent, crontab: Crontab, path: Path, editor):
    """On a fresh machine the person begins with the same text as with `config init`."""
    editor('echo "# mine" >> "$2"')
    assert gradent("config", "edit").code == 0
    assert path.read_text() == starter(like=path.read_text()) + "# mine\n"


def test_a_draft_that_is_not_valid_is_kept_and_not_installed(gradent: Gradent, path: Path, editor, tmp_path: Path):
    """The refusal counts the lines of the draft; the work of the person is not lost."""
    write(path, "enabled = true\n")
    editor('printf "\\n\\nfrequency = 1\\n" >> "$2"')
    result = gradent("config", "edit")
    (folder,) = drafts(tmp_path)
    assert (result.code, result.out) == (78, "")
    assert result.err == (
        f"gradent: {path} line 4: frequency: must be text in quotes, not a whole number\n"
        f"  hint: nothing was changed; your draft is {folder}/config.toml\n"
    )
    assert path.read_text() == "enabled = true\n"
    assert (folder / "config.toml").read_text() == "enabled = true\n\n\nfrequency = 1\n"


def test_on_a_terminal_a_bad_draft_can_be_mended(path: Path, editor, tmp_path: Path):
    """The refusal, the question, and the editor again with the same draft."""
    write(path, "enabled = true\n")
    editor('if grep -q bad "$2"; then sed -i s/bad/at/ "$2"; else echo "bad = \\"01:00\\"" >> "$2"; fi')
    code, screen = on_a_terminal("config", "edit", typed=[(b"Edit again?", b"y\n")])
    assert code == 0
    assert b"line 2: unknown key 'bad'" in screen
    assert path.read_text() == 'enabled = true\nat = "01:00"\n'
    assert drafts(tmp_path) == []


def test_a_file_that_changed_under_the_editor_stays(gradent: Gradent, path: Path, editor, tmp_path: Path):
    """`config set` in another window wins; the draft is kept."""
    write(path, "enabled = true\n")
    editor(f'echo "# theirs" >> {path}; echo "# mine" >> "$2"')
    result = gradent("config", "edit")
    assert result.code == 78
    assert "changed while you were editing" in result.err
    assert path.read_text() == "enabled = true\n# theirs\n"
    assert len(drafts(tmp_path)) == 1


def test_an_editor_that_fails_leaves_the_file(gradent: Gradent, path: Path, editor, tmp_path: Path, monkeypatch):
    """Whatever it did to the copy; and one that is not there, or not named, is told."""
    write(path, "enabled = true\n")
    editor('echo "enabled = false" > "$2"; exit 3')
    result = gradent("config", "edit")
    assert result.code == 69
    assert "ended with 3; nothing was changed" in result.err
    monkeypatch.setenv("VISUAL", "no-such-editor")
    assert (gradent("config", "edit").code, path.read_text()) == (69, "enabled = true\n")
    monkeypatch.delenv("VISUAL")
    monkeypatch.delenv("EDITOR")
    result = gradent("config", "edit")
    assert (result.code, result.err) == (69, 'gradent: no editor is set\n  hint: name yours: export EDITOR="nano"\n')
    assert drafts(tmp_path) == []


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "must not be empty"),
        ("  \n", "must not be empty"),
        (".", "is a folder, not a file"),
        ("https://x.example/a\nhttps://x.example/b", "must be one line"),
        ("school.example/feeds/calendars/user_s3cret.ics", "there is no such file"),
    ],
)
def test_what_cannot_be_a_source_is_refused(gradent, path, said, why):
    """In a sentence that does not tell what may be a secret, and nothing is set."""
    result = gradent("config", "set", "--source", "-", input=said)
    assert result.code == 78
    assert why in result.err
    assert "s3cret" not in result.err + result.out
    assert not path.exists() or "sources" not in path.read_text()


def test_an_address_in_brackets_and_blanks_is_an_address(gradent, path):
    """As it comes out of a mail program."""
    assert gradent("config", "set", "--source", " <https://x.example/feed.ics> ").code == 0
    assert '"https://x.example/feed.ics"' in path.read_text()
