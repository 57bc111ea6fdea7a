import re
import resource
import stat
import tomllib
from contextlib import suppress
from datetime import date, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli import config
from gradent_cli.agents.study.free import week
from gradent_cli.config import add_table, change, flat, load, parse_value, set_value, unset_value, value_of, values
from gradent_cli.config.document import _checked
from gradent_cli.config.keys import KEYS
from gradent_cli.config.starter import new_topic, starter
from gradent_cli.config.study import WEEKDAYS
from gradent_cli.errors import ConfigError, StateError

SECRET = "s3cr3t-planted-value"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


@pytest.fixture
def environ(home: Path) -> dict[str, str]:
    return {"HOME": str(home)}


def refused(path: Path, environ: dict[str, str], text: str | bytes = "") -> str:
    """What `load` says, with its hint, and the file called P."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(path, environ)
    assert SECRET not in "".join(map(str, (caught.value.message, caught.value.hint, caught.value.__cause__)))
    return said(caught.value, path)


def said(error: ConfigError, path: Path) -> str:
    hint = f" | {error.hint}" if error.hint else ""
    return (error.message + hint).replace(str(path), "P")


# ── what a config means ──


def test_a_canvas(path, environ):
    """Its token is a secret, and where it is is none: links to assignments begin with it."""
    path.write_text(
        f'[[study.sources]]\nkind = "canvas"\nurl = "https://school.instructure.com"\ntoken = "{SECRET}"\n'
        "expires = 2027-01-31\n"
    )
    path.chmod(0o600)
    loaded = load(path, environ)
    (source,) = loaded.settings.study.sources
    assert (source.name, source.expires) == ("school.instructure.com", date(2027, 1, 31))
    assert loaded.secrets == (SECRET,)
    path.write_text(
        '[[study.sources]]\nkind = "canvas"\nurl = "http://127.0.0.1:8080"\ntoken = "x"\nexpires = "2027-01-31"\n'
    )
    assert load(path, environ).settings.study.sources[0].expires == date(2027, 1, 31)


def test_an_empty_file_is_all_defaults(path, environ):
    """Nothing has to be set; durations are durations and the week is whole."""
    path.write_text("")
    loaded = load(path, environ)
    settings = loaded.settings
    assert (settings.enabled, settings.frequency, settings.at, loaded.cron_expression) == (
        True,
        "1hour",
        time(0, 0),
        "0 * * * *",
    )
    assert (settings.agent.kind, settings.agent.timeout, settings.agent.idle_timeout, settings.agent.grace) == (
        "study",
        timedelta(minutes=15),
        None,
        timedelta(seconds=10),
    )
    assert settings.study.break_ == timedelta(minutes=15)
    assert settings.study.hours == {day: ["09:00-21:00"] for day in WEEKDAYS}
    assert settings.notify.events == ["started", "tool", "completed", "failed", "recovered", "missed", "interrupted"]
    assert set(loaded.origins.values()) == {"default"}
    assert (loaded.secrets, loaded.warnings) == ((), ())


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(path, environ):
    """Precedence, told by `origins`; a table's other keys stay as the file has them; an empty variable is none."""
    path.write_text('frequency = "3hours"\nat = "01:30"\n[study.hours]\nmonday = []\ntuesday = []\n')
    variables = {
        "GRADENT_FREQUENCY": "6hours",
        "GRADENT_STUDY__HOURS__MONDAY": "9:00-12:00,13:00-17:00",
        "GRADENT_NOTIFY__EVENTS": '["failed", "tool"]',
        "GRADENT_STUDY__BREAK": "5min",
        "GRADENT_AGENT__ENV__My_Key": "1",
        "GRADENT_STUDY__AUTO_SCHEDULE": "False",
        "GRADENT_STUDY__HORIZON_DAYS": "7",
        "GRADENT_LLM__MAX_COST_USD": "5",
        "GRADENT_AT": "",
        "GRADENT_RUN_ID": "run",
        "GRADENT_EVENTS": "events",
        "GRADENT_CONFIG": "elsewhere",
    }
    loaded = load(path, environ | variables)
    study = loaded.settings.study
    assert loaded.cron_expression == "30 1,7,13,19 * * *"
    assert study.hours["monday"] == ["09:00-12:00", "13:00-17:00"]
    assert study.hours["tuesday"] == []
    assert loaded.settings.notify.events == ["failed", "tool"]
    assert (study.break_, study.auto_schedule, study.horizon_days) == (timedelta(minutes=5), False, 7)
    assert loaded.settings.llm.max_cost_usd == 5.0
    assert loaded.settings.agent.env["My_Key"].get_secret_value() == "1"
    origins = loaded.origins
    assert [origins[key] for key in ("frequency", "at", "study.hours.monday", "study.hours.tuesday", "agent.kind")] == [
        "environment GRADENT_FREQUENCY",
        "file",
        "environment GRADENT_STUDY__HOURS__MONDAY",
        "file",
        "default",
    ]


def test_nothing_is_read_but_what_is_handed_in(path, environ, monkeypatch):
    """The process's own environment does not count; a schema made by hand is only what it is made of."""
    path.write_text("")
    monkeypatch.setenv("GRADENT_FREQUENCY", "6hours")
    monkeypatch.setenv("FREQUENCY", "6hours")
    assert load(path, environ).settings.frequency == config.Settings().frequency == "1hour"


def test_a_schema_made_by_hand_takes_python_s_own_values():
    """What a value is read into is also what it can be made of."""
    study = config.StudySettings(session_min=timedelta(minutes=5), plan_ics=Path("p.ics"))
    settings = config.Settings(at=time(7, 30), study=study)
    assert (settings.at, settings.study.session_min, settings.study.plan_ics) == (
        time(7, 30),
        timedelta(minutes=5),
        "p.ics",
    )


def test_paths_count_from_the_folder_of_the_config(path, environ, home):
    """cron runs in the home directory, so a relative path must not depend on where one stands; `~` is the home."""
    path.write_text(
        'state_dir = "state"\n[agent]\ncwd = "~/x"\n[study]\nplan_ics = "../p.ics"\n'
        '[[study.sources]]\nkind = "toml"\npath = "a.toml"\n[[study.busy]]\npath = "/b.ics"\n'
    )
    loaded = load(path, environ)
    study = loaded.settings.study
    assert loaded.state_dir == f"{path.parent}/state"
    assert loaded.settings.agent.cwd == f"{home}/x"
    assert study.plan_ics == f"{path.parent.parent}/p.ics"
    assert (study.sources[0].path, study.busy[0].path) == (f"{path.parent}/a.toml", "/b.ics")
    assert load(path, environ | {"GRADENT_STATE_DIR": "/s"}).state_dir == "/s"


def test_sources_and_calendars_have_names_of_their_own(path, environ):
    """Derived from host or file; a name that was given is never the one that gets a number."""
    path.write_text(
        "".join(
            f"[[study.{table}]]\n{'' if table == 'busy' else f'kind = {kind!r}'}\n{rest}\n"
            for table, kind, rest in [
                ("sources", "ics", 'url = "https://canvas.example.edu/feed"'),
                ("sources", "toml", 'path = "work.toml"'),
                ("sources", "csv", 'path = "other/work.csv"'),
                ("sources", "ics", 'url = "webcal://x.example/y"\nname = "work"'),
                ("busy", "", 'url = "https://canvas.example.edu/busy"'),
            ]
        )
    )
    study = load(path, environ).settings.study
    assert [source.name for source in study.sources] == ["canvas.example.edu", "work.toml", "work.csv", "work"]
    assert [calendar.name for calendar in study.busy] == ["canvas.example.edu"]


def test_a_language_model(path, environ):
    """By provider, or at a server of one's own; whole dollars are money, and no price is none but 0."""
    path.write_text('[agent]\nkind = "llm"\n[llm]\nmodel = "ollama:qwen3:8b"\n')
    llm = load(path, environ).settings.llm
    assert (llm.model, llm.base_url, llm.api_key) == ("ollama:qwen3:8b", None, None)
    assert (llm.max_requests, llm.max_tool_calls, llm.max_tokens) == (20, 50, 200_000)
    assert [llm.max_cost_usd, llm.max_cost_usd_per_day, llm.input_price, llm.output_price] == [None] * 4
    path.write_text(
        '[llm]\nmodel = "qwen3"\nbase_url = "http://10.0.0.2:11434/v1"\nmax_cost_usd = 5\n'
        "max_cost_usd_per_day = 0.5\ninput_price = 0\noutput_price = 0.25\n"
    )
    llm = load(path, environ).settings.llm
    assert (llm.model, llm.base_url) == ("qwen3", "http://10.0.0.2:11434/v1")
    money = [llm.max_cost_usd, llm.max_cost_usd_per_day, llm.input_price, llm.output_price]
    assert money == [5, 0.5, 0, 0.25]
    assert {type(amount) for amount in money} == {float}


@pytest.mark.parametrize("url", ["https://llm.example", "http://localhost:1234/v1/", "http://[::1]:1/v1", None])
def test_a_key_goes_where_nobody_can_read_it(path, environ, url):
    """To https, to this machine, or wherever the provider's library sends it; it is a secret there."""
    path.write_text(f'[llm]\napi_key = "sk-{SECRET}"\n' + (f'base_url = "{url}"\n' if url else ""))
    loaded = load(path, environ)
    assert loaded.secrets == (f"sk-{SECRET}",)
    assert loaded.settings.llm.base_url == url
    assert value_of(loaded, "llm.api_key") == config.MASK


def test_one_canvas_twice(path, environ):
    """A Canvas and its calendar feed would plan everything twice; a feed of another server, or a port, would not."""
    canvas = "[[study.sources]]\nkind = 'canvas'\nname = 'uni'\nurl = 'https://school.example'\ntoken = 'x'\n"
    path.touch(mode=0o600)
    for url, warned in [
        (f"webcal://School.example/feeds/calendars/user_{SECRET}.ics", True),
        (f"https://school.example:443/feeds/calendars/user_{SECRET}.ics", True),
        ("https://school.example:8443/feed.ics", False),
        ("https://other.example/feed.ics", False),
    ]:
        path.write_text(f"{canvas}[[study.sources]]\nkind = 'ics'\nname = 'feed'\nurl = '{url}'\n")
        sentence = (
            "sources 'uni' and 'feed' are the same Canvas, so everything in it is planned twice; "
            "take 'feed' out, as the other one also knows what you handed in: gradent config edit"
        )
        assert load(path, environ).warnings == ((sentence,) if warned else ())


@pytest.mark.parametrize(
    ("sources", "busy", "named"),
    [
        ("path = 'list.md'; path = 'list.csv'; path = 'list.toml'", "", ["list", "list.csv", "list.toml"]),
        ("path = 'a/list.md'; path = 'b/list.md'", "", ["list", "list-2"]),
        ("path = 'list.md'", "path = 'list.ics'", ["list", "list"]),
        ("path = 'list.md'", "path = 'x.ics'\nname = 'list'", ["list-2", "list"]),
        ("path = 'list.md'; url = 'https://x/y'\nname = 'list'", "", ["list-2", "list"]),
        ("url = 'https://x/y'; url = 'https://x/z'", "url = 'https://x/a'", ["x", "x-2", "x"]),
    ],
)
def test_names_for_places_that_are_called_alike(path, environ, sources, busy, named):
    """Files go by what sets them apart, calendars are counted apart, and what had a name alone keeps it."""
    tables = [("sources", "kind = 'ics'", each) for each in sources.split("; ")]
    tables += [("busy", "", each) for each in busy.split("; ") if each]
    path.write_text("".join(f"[[study.{name}]]\n{kind}\n{rest}\n" for name, kind, rest in tables))
    study = load(path, environ).settings.study
    assert [place.name for place in (*study.sources, *study.busy)] == named


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("23:00-02:00", "23:00-02:00"),
        ("9:00-21:00", "09:00-21:00"),
        ("18:00-00:00", "18:00-24:00"),
        ("18:00-24:00", "18:00-24:00"),
        ("0:00-24:00", "00:00-24:00"),
    ],
)
def test_hours_are_spelled_alike_and_may_end_the_next_day(path, environ, text, expected):
    """Whoever plans needs to read one form only."""
    path.write_text(f'study.hours.monday = ["{text}"]\n')
    assert load(path, environ).settings.study.hours["monday"] == [expected]


def test_hours_without_length_are_refused_with_the_whole_day(path, environ):
    """`00:00-00:00` could mean nothing or everything; only `00:00-24:00` says which."""
    path.write_text('study.hours.monday = ["00:00-00:00"]\n')
    with pytest.raises(ConfigError, match="'00:00-00:00' begins and ends at the same time") as caught:
        load(path, environ)
    assert "00:00-24:00" in (caught.value.hint or "")


def test_whole_days_follow_each_other(path, environ):
    """A whole day leaves no room for other hours, and is the whole day for whoever plans."""
    path.write_text('[study.hours]\nmonday = ["00:00-24:00"]\ntuesday = ["00:00-24:00"]\n')
    assert week(load(path, environ).settings.study.hours)[:2] == (((0, 1440),), ((0, 1440),))
    path.write_text('study.hours.monday = ["00:00-24:00", "23:00-24:00"]\n')
    with pytest.raises(ConfigError, match="overlap"):
        load(path, environ)


def test_a_byte_order_mark_and_windows_lines_are_read_and_kept(path, environ):
    """Notepad's way of saving is not an error, and an edit does not change it."""
    path.write_bytes('\ufefffrequency = "3hours"\r\n'.encode())
    assert load(path, environ).settings.frequency == "3hours"
    change(path, environ, lambda text: set_value(set_value(text, "frequency", "6hours"), "ntfy.topic", "abc"))
    assert path.read_bytes() == '\ufefffrequency = "6hours"\r\n\r\n[ntfy]\r\ntopic = "abc"\r\n'.encode()


# ── secrets ──


SECRETS = f"""
[ntfy]
token = "tk_{SECRET}"
[discord]
webhook = "https://discord.com/api/webhooks/1/{SECRET}"
[agent.env]
KEY = "env-{SECRET}"
SHORT = "1"
[llm]
api_key = "sk-{SECRET}"
[[study.sources]]
kind = "ics"
url = "https://canvas.example.edu/{SECRET}"
[[study.busy]]
url = "https://calendar.example.edu/{SECRET}"
"""


def test_secrets_are_known_and_never_shown(path, environ):
    """Everything that must not be shown is in `secrets`; text, dumps and reprs of the settings do not have it."""
    path.write_text(SECRETS)
    path.chmod(0o600)
    loaded = load(path, environ)
    assert sorted(loaded.secrets) == sorted(re.findall(rf'"([^"]*{SECRET})"', SECRETS))
    assert SECRET not in repr(loaded.settings) + str(loaded.settings.model_dump()) + str(values(loaded))
    assert value_of(loaded, "ntfy.token") == config.MASK
    assert value_of(loaded, "ntfy.token", reveal=True) == f"tk_{SECRET}"
    assert str(values(loaded, reveal=True)).count(SECRET) == 6


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o777])
def test_a_mode_that_lets_others_read_a_secret_is_warned_of(path, environ, mode):
    """Only when there is a secret in the file itself."""
    path.write_text('[ntfy]\ntoken = "tk_abc"\n')
    path.chmod(mode)
    assert load(path, environ).warnings == (
        f"{path} holds a secret and its mode is {mode:04o}; make it yours: chmod 600 {path}",
    )
    path.chmod(0o600)
    assert load(path, environ).warnings == ()
    path.write_text("")
    path.chmod(mode)
    assert load(path, environ | {"GRADENT_NTFY__TOKEN": "tk_abc"}).warnings == ()


# ── what is refused ──

ALLOWED_KINDS = 'use "study", "llm", "command" or "callable"'
REFUSALS = {
    # keys
    "notfy = 1": "P line 1: unknown key 'notfy' | did you mean 'notify'?",
    '[ntfy]\n\ntopc = "x"': "P line 3: unknown key 'ntfy.topc' | did you mean 'ntfy.topic'?",
    "[ntfy]\nfrequency = '1hour'": (
        "P line 2: unknown key 'ntfy.frequency' | 'frequency' belongs above the first [table]"
    ),
    'timezone = "UTC"': "P line 1: unknown key 'timezone' | did you mean 'study.timezone'?",
    "[[study.sources]]\nkind = 'ics'\npath = 'x'\npth = 1": (
        "P line 4: unknown key 'study.sources.pth' | did you mean 'study.sources.path'?"
    ),
    "qwxyz = 1": "P line 1: unknown key 'qwxyz'",
    "[[study.sources]]\nkind = 'ics'\npath = 'x'\n[study.sources.extra]\na = 1": (
        "P line 4: unknown key 'study.sources.extra'"
    ),
    "[study]\nbreak_ = '5min'": "P line 2: unknown key 'study.break_' | did you mean 'study.break'?",
    "[[study.busy]]\nkind = 'ics'\npath = 'x'\ntoken = 'x'": (
        "P line 4: 'study.busy.token' is not supported by this version yet"
    ),
    f"[[study.sources]]\nkind = 'ics'\nurl = 'https://x'\ntoken = '{SECRET}'": (
        'P line 1: study.sources (entry 1): kind = "ics" has no token; only "canvas" has one'
    ),
    # types
    "enabled = 'yes'": "P line 1: enabled: must be true or false, not text",
    "enabled = 1": "P line 1: enabled: must be true or false, not a whole number",
    "frequency = 1": "P line 1: frequency: must be text in quotes, not a whole number",
    "at = 2026-01-01": "P line 1: at: must be text in quotes, not a date or time",
    "state_dir = 1.5": "P line 1: state_dir: must be text in quotes, not a number",
    "ntfy = 'x'": "P line 1: ntfy: must be a table, not text",
    "[study]\nhorizon_days = '5'": "P line 2: study.horizon_days: must be a whole number, not text",
    "[study]\nhorizon_days = true": "P line 2: study.horizon_days: must be a whole number, not true or false",
    "[agent]\ncommand = 'x'": 'P line 2: agent.command: must be a list such as ["a", "b"], not text',
    "[agent]\ntimeout = 15": "P line 2: agent.timeout: must be text in quotes, not a whole number",
    "[agent]\nkind = ['study']": "P line 2: agent.kind: must be text in quotes, not a list",
    "[agent.env]\nX = 1": "P line 2: agent.env.X: must be text in quotes, not a whole number",
    f"[ntfy]\ntoken = ['{SECRET}']": "P line 2: ntfy.token: must be text in quotes, not a list",
    "[study]\nsources = ['x']": "P line 2: study.sources (entry 1): must be a table, not text",
    # values
    "frequency = '2hour'": (
        "P line 1: frequency: '2hour' is not a frequency; did you mean '1hour'? "
        "allowed are 15min, 30min, 1hour, 3hours, 6hours, 12hours, 24hours and a five-field cron expression"
    ),
    "at = '24:00'": ('P line 1: at: \'24:00\' is not a time of day; write it as "HH:MM", from "00:00" to "23:59"'),
    "state_dir = ''": "P line 1: state_dir: must not be empty",
    "state_dir = 'a\\u0000b'".replace("'", '"'): "P line 1: state_dir: must not contain a NUL character",
    "[agent]\nkind = 'stdy'": (
        f"P line 2: agent.kind: 'stdy' is no agent that is installed here; {ALLOWED_KINDS} | did you mean 'study'?"
    ),
    "[agent]\nkind = 'callable'": (
        'P line 2: agent.callable: kind = "callable" needs one | gradent config set agent.callable '
        "package.module:function"
    ),
    "[agent]\ncallable = 'a.b'": (
        "P line 2: agent.callable: 'a.b' is not a function; write it as \"package.module:function\""
    ),
    "[agent]\nkind = 'command'": (
        'P line 2: agent.command: kind = "command" needs one '
        """| gradent config set agent.command '["my-agent", "{prompt}"]'"""
    ),
    "[agent]\ncommand = ['']": "P line 2: agent.command: its first text is the program and must not be empty",
    '[agent]\ncommand = ["a\\u0000"]': "P line 2: agent.command (entry 1): must not contain a NUL character",
    "[agent.env]\n'A=B' = 'x'": "P line 1: agent.env: 'A=B' cannot be the name of an environment variable",
    f'[agent.env]\nA = "{SECRET}\\u0000"': "P line 2: agent.env.A: must not contain a NUL character",
    "[agent]\ngrace = '5'": ('P line 2: agent.grace: \'5\' is not a duration; write "90s", "15min", "1h30m" or "2d"'),
    "[notify]\nevents = ['tool', 'fialed']": (
        'P line 2: notify.events (entry 2): \'fialed\' is not allowed; use "started", "tool", "completed", '
        '"failed", "recovered", "missed" or "interrupted" | did you mean \'failed\'?'
    ),
    "[ntfy]\ntopic = 'https://ntfy.sh/a'": (
        "P line 2: ntfy.topic: must be 1 to 64 letters, digits, - and _ (the part after the last slash of its address)"
    ),
    "[ntfy]\ntopic = ''": (
        "P line 2: ntfy.topic: must be 1 to 64 letters, digits, - and _ (the part after the last slash of its address)"
    ),
    "[ntfy]\ntopic = 'account'": "P line 2: ntfy.topic: ntfy keeps 'account' for itself; choose another name",
    "[ntfy]\nserver = 'ntfy.sh'": ("P line 2: ntfy.server: must be a URL that begins with http:// or https://"),
    "[ntfy]\nserver = 'https://'": "P line 2: ntfy.server: must be a URL that begins with http:// or https://",
    "[ntfy]\nserver = 'https://a b'": "P line 2: ntfy.server: must be a URL that begins with http:// or https://",
    "[ntfy]\nserver = 'https://[::1'": "P line 2: ntfy.server: must be a URL that begins with http:// or https://",
    "[ntfy]\nserver = 'https://x:99999'": "P line 2: ntfy.server: must be a URL that begins with http:// or https://",
    f"[ntfy]\nserver = 'https://me:{SECRET}@x'": (
        "P line 2: ntfy.server: must not hold a user name or password | gradent config set --ntfy-token -"
    ),
    "[ntfy]\nserver = 'https://ntfy.sh/topic'": (
        "P line 2: ntfy.server: must be the server alone, with nothing after its name; the topic has a key of its own"
    ),
    f"[ntfy]\ntoken = 'tk {SECRET}'": ("P line 2: ntfy.token: must be printable ASCII without blanks, and not empty"),
    f"[discord]\nwebhook = 'https://discord.com/{SECRET}'": (
        "P line 2: discord.webhook: must look like https://discord.com/api/webhooks/ID/TOKEN "
        "| copy it in Discord: channel settings, Integrations, Webhooks, Copy Webhook URL"
    ),
    f"[discord]\nwebhook = 'discord.com/api/webhooks/1/{SECRET}'": (
        "P line 2: discord.webhook: must be a URL that begins with http:// or https://"
    ),
    f"[discord]\nwebhook = 'http://discord.com/api/webhooks/1/{SECRET}'": (
        "P line 2: discord.webhook: must begin with https://, as its token would be readable on the way"
    ),
    "[discord]\nusername = 'my Discord bot'": (
        "P line 2: discord.username: must be 1 to 80 characters, without 'clyde' or 'discord' in it"
    ),
    "[study]\ntimezone = 'amsterdm'": (
        "P line 2: study.timezone: 'amsterdm' is not a time zone; write it as \"Europe/Amsterdam\" "
        "| did you mean 'Europe/Amsterdam'?"
    ),
    "[study]\ntimezone = '../../etc/passwd'": (
        "P line 2: study.timezone: '../../etc/passwd' is not a time zone; write it as \"Europe/Amsterdam\""
    ),
    "[study]\ntimezone = 'Europe'": (
        "P line 2: study.timezone: 'Europe' is not a time zone; write it as \"Europe/Amsterdam\""
    ),
    "[study.hours]\nmondy = []": ("P line 2: study.hours.mondy: 'mondy' is not a weekday | did you mean 'monday'?"),
    "[study.hours]\nmonday = ['9-21']": (
        "P line 2: study.hours.monday (entry 1): '9-21' is not a range of hours; write it as \"HH:MM-HH:MM\""
    ),
    "[study.hours]\nmonday = ['09:00-9:00']": (
        "P line 2: study.hours.monday (entry 1): '09:00-9:00' begins and ends at the same time "
        '| the whole day is written as "00:00-24:00"'
    ),
    "[study.hours]\nmonday = ['20:00-02:00', '18:00-20:01']": (
        "P line 2: study.hours.monday: '18:00-20:01' and '20:00-02:00' overlap"
    ),
    "[study]\nhorizon_days = 0": "P line 2: study.horizon_days: must be at least 1",
    "[study]\nhorizon_days = 367": "P line 2: study.horizon_days: must be at most 366",
    "[study]\nsession_min = '3h'\nmax_per_day = '5h'": (
        "P line 2: study.session_max: 2h is shorter than session_min, 3h"
    ),
    "[study]\nsession_min = '1h'\nsession_max = '50min'": (
        "P line 3: study.session_max: 50min is shorter than session_min, 1h"
    ),
    "[study]\nmax_per_day = '10min'": "P line 2: study.max_per_day: 10min is shorter than session_min, 30min",
    "[[study.sources]]\npath = 'x'": (
        "P line 1: study.sources.kind (entry 1): is missing; use ics or canvas or toml or csv or markdown"
    ),
    "[[study.sources]]\nkind = 'ics'": "P line 1: study.sources (entry 1): needs exactly one of url and path",
    f"[[study.busy]]\npath = 'x'\n[[study.busy]]\npath = 'x'\nurl = 'https://x/{SECRET}'": (
        "P line 3: study.busy (entry 2): needs exactly one of url and path"
    ),
    f"[[study.sources]]\nkind = 'csv'\nurl = 'https://x/{SECRET}'": (
        'P line 1: study.sources (entry 1): kind = "csv" needs a path; only "ics" and "canvas" are read from a url'
    ),
    f"[[study.sources]]\nkind = 'ics'\nurl = '{SECRET}'": (
        "P line 3: study.sources.url (entry 1): must be a URL that begins with http://, https:// or webcal://"
    ),
    "[[study.sources]]\nkind = 'xls'\npath = 'x'": (
        "P line 2: study.sources.kind (entry 1): 'xls' is not allowed; "
        'use "ics", "canvas", "toml", "csv" or "markdown"'
    ),
    "[[study.sources]]\nkind = 'canvas'\nurl = 'https://x'": (
        'P line 1: study.sources (entry 1): kind = "canvas" needs a token '
        "| make one in Canvas (Account, Settings, New access token), then: "
        "gradent config set --source URL --source-token -"
    ),
    f"[[study.sources]]\nkind = 'canvas'\npath = 'x'\ntoken = '{SECRET}'": (
        'P line 1: study.sources (entry 1): kind = "canvas" needs the url of your school\'s Canvas, not a path'
    ),
    f"[[study.sources]]\nkind = 'canvas'\nurl = 'http://x'\ntoken = '{SECRET}'": (
        "P line 1: study.sources (entry 1): must begin with https://, as its token would be readable on the way"
    ),
    f"[[study.sources]]\nkind = 'canvas'\nurl = 'https://x/feeds/user_{SECRET}.ics'\ntoken = '{SECRET}'": (
        "P line 1: study.sources (entry 1): the url of a Canvas is its address alone, such as "
        'https://school.instructure.com | a link that ends in .ics is a calendar feed: kind = "ics"'
    ),
    "[[study.sources]]\nkind = 'canvas'\nurl = 'https://x'\ntoken = 'a b'": (
        "P line 4: study.sources.token (entry 1): must be printable ASCII without blanks, and not empty"
    ),
    "[[study.sources]]\nkind = 'toml'\npath = 'x'\nexpires = 2027-01-31": (
        'P line 1: study.sources (entry 1): kind = "toml" has no expires; only "canvas" has one'
    ),
    "[[study.sources]]\nkind = 'canvas'\nurl = 'https://x'\ntoken = 'x'\nexpires = 'soon'": (
        "P line 5: study.sources.expires (entry 1): 'soon' is not a day; write it as \"2027-01-31\""
    ),
    "[[study.sources]]\nkind = 'canvas'\nurl = 'https://x'\ntoken = 'x'\nexpires = 2027-01-31T10:00:00": (
        "P line 5: study.sources.expires (entry 1): '2027-01-31 10:00:00' is not a day; write it as \"2027-01-31\""
    ),
    "[[study.sources]]\nkind = 'canvas'\nurl = 'https://x'\ntoken = 'x'\nexpires = 20270131": (
        "P line 5: study.sources.expires (entry 1): '20270131' is not a day; write it as \"2027-01-31\""
    ),
    f"[[study.sources]]\nkind = 'ics'\nurl = 'https://{SECRET}'\nexpires = 2027-01-31": (
        'P line 1: study.sources (entry 1): kind = "ics" has no expires; only "canvas" has one'
    ),
    "[[study.busy]]\nkind = 'google'\nurl = 'https://x'": (
        'P line 2: study.busy.kind (entry 1): \'google\' is not allowed; use "ics" or "caldav"'
    ),
    "[[study.busy]]\nkind = 'caldav'\npath = 'x'": (
        'P line 1: study.busy (entry 1): kind = "caldav" needs the url of a calendar on a server'
    ),
    f"[[study.busy]]\npath = 'x'\nusername = 'ada'\npassword = '{SECRET}'": (
        'P line 1: study.busy (entry 1): only kind = "caldav" takes a user name and a password'
    ),
    f"[[study.busy]]\nkind = 'caldav'\nurl = 'https://ada:{SECRET}@x/'": (
        "P line 1: study.busy (entry 1): its url must not hold a user name or password; they have keys of their own"
    ),
    f"[[study.busy]]\nkind = 'caldav'\nurl = 'http://x/'\nusername = 'ada'\npassword = '{SECRET}'": (
        "P line 1: study.busy (entry 1): its url must begin with https://, as the password would be readable on the way"
    ),
    f"[[study.busy]]\nkind = 'caldav'\nurl = 'https://x/'\npassword = '{SECRET}'": (
        "P line 1: study.busy (entry 1): its password needs a username beside it"
    ),
    f"[study.calendar]\nurl = 'ftp://{SECRET}/'": (
        "P line 2: study.calendar.url: must be a URL that begins with http:// or https://"
    ),
    f"[study.calendar]\nurl = 'https://ada:{SECRET}@x/'": (
        "P line 2: study.calendar.url: its url must not hold a user name or password; they have keys of their own"
    ),
    f"[study.calendar]\nurl = 'https://x/?export={SECRET}'": (
        "P line 2: study.calendar.url: its url must be that of a calendar, without ? and #"
    ),
    "[study.calendar]\nusername = 'a:b'": "P line 2: study.calendar.username: must be a user name without a colon",
    f"[study.calendar]\npassword = '{SECRET}'": (
        "P line 2: study.calendar.password: its password needs a username beside it"
    ),
    "[study.calendar]\nusername = 'ada'\npassword = ''": (
        "P line 3: study.calendar.password: its password must not be empty"
    ),
    f"[study.calendar]\nurl = 'http://x.example/'\nusername = 'ada'\npassword = '{SECRET}'": (
        "P line 4: study.calendar.password: its url must begin with https://, as the password would be readable on the "
        "way"
    ),
    "[study.calendar]\nkind = 'ics'": "P line 2: study.calendar.kind: 'ics' is not allowed; use \"caldav\"",
    "[[study.busy]]\npath = 'x'\nname = ' '": (
        "P line 3: study.busy.name (entry 1): must be a name on one line, or left out"
    ),
    # the language model
    "[agent]\nprompt = 'x'\nkind = 'llm'": (
        'P line 3: llm.model: agent.kind = "llm" needs one | gradent config set llm.model ollama:qwen3:8b'
    ),
    "[agent]\nkind = 'llm'\n[llm]\nmax_tokens = 0": "P line 4: llm.max_tokens: must be at least 1",
    "[agent]\nkind = 'llm'\ngrace = 1\n[llm]\nmax_tokens = 9": (
        "P line 3: agent.grace: must be text in quotes, not a whole number"
    ),
    "[llm]\nmodle = 'x'": "P line 2: unknown key 'llm.modle' | did you mean 'llm.model'?",
    "[llm]\nmodel = 'gpt-5-mini'": (
        "P line 2: llm.model: 'gpt-5-mini' names no provider; write it as \"openai:gpt-5-mini\" "
        "| for a server of your own, first: gradent config set llm.base_url URL"
    ),
    "[llm]\nmodel = 'openai:'": (
        "P line 2: llm.model: 'openai:' names no provider; write it as \"openai:gpt-5-mini\" "
        "| for a server of your own, first: gradent config set llm.base_url URL"
    ),
    "[llm]\nmodel = ' '\nbase_url = 'https://x'": "P line 2: llm.model: must be a name on one line",
    "[llm]\nmodel = 'x'\nbase_url = 'x.example'": (
        "P line 3: llm.base_url: must be a URL that begins with http:// or https://"
    ),
    f"[llm]\nbase_url = 'https://ada:{SECRET}@x/v1'": (
        "P line 2: llm.base_url: must not hold a user name or password | gradent config set llm.api_key -"
    ),
    f"[llm]\nbase_url = 'https://x/v1?key={SECRET}'": "P line 2: llm.base_url: must be an address without ? and #",
    "[llm]\nbase_url = 'https://x/v1/chat/completions/'": (
        "P line 2: llm.base_url: must end before /chat/completions, as that is added"
    ),
    f"[llm]\nbase_url = 'http://10.0.0.2:11434/v1'\napi_key = '{SECRET}'": (
        "P line 3: llm.api_key: needs a base_url that begins with https://, as it would be readable on the way"
    ),
    f"[llm]\napi_key = 'Bearer {SECRET}'": (
        "P line 2: llm.api_key: must be printable ASCII without blanks, and not empty"
    ),
    "[llm]\nmax_requests = 1001": "P line 2: llm.max_requests: must be at most 1000",
    "[llm]\nmax_tool_calls = 0": "P line 2: llm.max_tool_calls: must be at least 1",
    "[llm]\nmax_tokens = 2_000_000_000": "P line 2: llm.max_tokens: must be at most 1000000000",
    "[llm]\nmax_tokens = 1e5": "P line 2: llm.max_tokens: must be a whole number, not a number",
    "[llm]\nmax_cost_usd = '1'": "P line 2: llm.max_cost_usd: must be a number such as 0.5, not text",
    "[llm]\nmax_cost_usd = true": "P line 2: llm.max_cost_usd: must be a number such as 0.5, not true or false",
    "[llm]\nmax_cost_usd = 0": "P line 2: llm.max_cost_usd: must be more than 0",
    "[llm]\nmax_cost_usd_per_day = -0.5": "P line 2: llm.max_cost_usd_per_day: must be more than 0",
    "[llm]\nmax_cost_usd = nan": "P line 2: llm.max_cost_usd: must be a number, not inf or nan",
    "[llm]\nmax_cost_usd_per_day = inf": "P line 2: llm.max_cost_usd_per_day: must be a number, not inf or nan",
    "[llm]\nmax_cost_usd = 1e400": "P line 2: llm.max_cost_usd: must be a number, not inf or nan",
    f"[llm]\nmax_cost_usd = {10**400}": "P line 2: llm.max_cost_usd: must be a smaller number",
    "[llm]\ninput_price = -1\noutput_price = 1": "P line 2: llm.input_price: must be at least 0",
    "[llm]\ninput_price = 1": (
        "P line 2: llm.output_price: input_price and output_price need each other "
        "| gradent config set llm.input_price 0.25 llm.output_price 2"
    ),
    "[llm]\noutput_price = 0": (
        "P line 2: llm.output_price: input_price and output_price need each other "
        "| gradent config set llm.input_price 0.25 llm.output_price 2"
    ),
    # several
    "[ntfy]\ntopic = 'a b'\n[discord]\nusername = ''\n[agent]\ncommand = [\n  'a',\n  1,\n]\nkidn = 1": (
        "4 problems in the config\n"
        "  P line 2: ntfy.topic: must be 1 to 64 letters, digits, - and _ "
        "(the part after the last slash of its address)\n"
        "  P line 4: discord.username: must be 1 to 80 characters, without 'clyde' or 'discord' in it\n"
        "  P line 6: agent.command (entry 2): must be text in quotes, not a whole number\n"
        "  P line 10: unknown key 'agent.kidn' (did you mean 'agent.kind'?)"
    ),
    # TOML
    "enabled = true\nx = foo": (
        'P line 2, column 5: invalid value | is text missing its quotes? It is written as: key = "text"'
    ),
    f'[ntfy]\ntoken = "{SECRET}': "P line 2, column 30: unterminated string",
    f'[ntfy]\ntoken = "{SECRET}"\ntoken = "{SECRET}"': "P line 3, column 31: cannot overwrite a value",
    "x = " + "[" * 5000: "P has a number of thousands of digits, or is nested too deeply",
    "x = " + "1" * 5000: "P has a number of thousands of digits, or is nested too deeply",
}


@pytest.mark.parametrize(("text", "sentence"), REFUSALS.items(), ids=[text[:60] for text in REFUSALS])
def test_what_cannot_be_used_is_refused_in_one_sentence(path, environ, text, sentence):
    """File, line, key, what is allowed and the nearest right name; several in the order of the file; no secret."""
    assert refused(path, environ, text) == sentence


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b'frequency = "\xff"', "P is not UTF-8: byte 0xff at offset 13 | save it as UTF-8"),
        ("frequency = 1".encode("utf-16"), "P is UTF-16, not UTF-8 | save it as UTF-8"),
        (b"# \0", "P is not text: NUL byte at offset 2"),
        (b"#" * 1_048_577, "P is larger than a megabyte, so it is not a config file"),
    ],
    ids=["latin-1", "utf-16", "nul", "huge"],
)
def test_what_is_not_a_text_is_refused(path, environ, raw, sentence):
    """Wrong encodings with the offset of the byte."""
    assert refused(path, environ, raw) == sentence


def test_what_cannot_be_read_is_refused(tmp_path, environ):
    """Nothing there, a folder, or a file where a folder should be."""
    (tmp_path / "file").write_text("")
    for path, sentence in [
        (tmp_path / "none", f"there is no config file {tmp_path}/none | make one: gradent config init"),
        (tmp_path, f"{tmp_path} is a folder, not a config file | --config {tmp_path}/config.toml"),
        (tmp_path / "file" / "x", f"cannot read {tmp_path}/file/x: Not a directory"),
    ]:
        with pytest.raises(ConfigError) as caught:
            load(path, environ)
        assert said(caught.value, Path("P")) == sentence


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "GRADENT_FREQENCY",
            "1hour",
            "gradent knows no environment variable GRADENT_FREQENCY | did you mean 'GRADENT_FREQUENCY'?",
        ),
        (
            "GRADENT_NTFY_TOPIC",
            "x",
            "gradent knows no environment variable GRADENT_NTFY_TOPIC | did you mean 'GRADENT_NTFY__TOPIC'?",
        ),
        ("GRADENT_", "", "gradent knows no environment variable GRADENT_ | unset GRADENT_"),
        (
            "GRADENT_STUDY__BUSY__TOKEN",
            SECRET,
            (
                "the environment variable GRADENT_STUDY__BUSY__TOKEN sets 'study.busy.token', "
                "which is not supported by this version yet"
            ),
        ),
        (
            "GRADENT_AGENT__KIND",
            "llm",
            (
                'GRADENT_AGENT__KIND: llm.model: agent.kind = "llm" needs one '
                "| gradent config set llm.model ollama:qwen3:8b"
            ),
        ),
        (
            "GRADENT_LLM__MAX_COST_USD",
            "abc",
            "GRADENT_LLM__MAX_COST_USD: llm.max_cost_usd: must be a number such as 0.5, not text",
        ),
        (
            "GRADENT_LLM__MAX_COST_USD",
            "1e400",
            "GRADENT_LLM__MAX_COST_USD: llm.max_cost_usd: must be a number, not inf or nan",
        ),
        (
            "GRADENT_LLM__API_KEY",
            f"{SECRET} {SECRET}",
            "GRADENT_LLM__API_KEY: llm.api_key: must be printable ASCII without blanks, and not empty",
        ),
        (
            "GRADENT_LLM__KEY",
            SECRET,
            "gradent knows no environment variable GRADENT_LLM__KEY | did you mean 'GRADENT_LLM__API_KEY'?",
        ),
        ("GRADENT_ENABLED", "maybe", "GRADENT_ENABLED: enabled: must be true or false, not text"),
        (
            "GRADENT_STUDY__SESSION_MIN",
            "3h",
            "GRADENT_STUDY__SESSION_MIN: study.session_max: 2h is shorter than session_min, 3h",
        ),
        (
            "GRADENT_STUDY__SOURCES",
            SECRET,
            (
                "GRADENT_STUDY__SOURCES: study.sources: must be written as TOML, such as "
                '[{kind = "ics", path = "calendar.ics"}]'
            ),
        ),
        (
            "GRADENT_STUDY__SOURCES",
            f'[{{kind="ics", url="{SECRET}"}}]',
            (
                "GRADENT_STUDY__SOURCES: study.sources.url (entry 1): must be a URL that begins with "
                "http://, https:// or webcal://"
            ),
        ),
        ("GRADENT_NTFY__TOKEN", "\udcff", "GRADENT_NTFY__TOKEN: ntfy.token: must be UTF-8 text"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(path, environ, name, value, sentence):
    """A typo in the environment is not silent, and what is wrong there is not looked for in the file."""
    assert refused(path, environ | {name: value}, "enabled = true\n") == sentence


def test_problems_of_the_file_come_before_those_of_the_environment(path, environ):
    """Everything at once, so that nobody repairs one thing after the other."""
    assert refused(path, environ | {"GRADENT_AT": "x", "GRADENT_X": "y"}, "[ntfy]\ntopc = 1") == (
        "3 problems in the config\n"
        "  P line 2: unknown key 'ntfy.topc' (did you mean 'ntfy.topic'?)\n"
        '  GRADENT_AT: at: \'x\' is not a time of day; write it as "HH:MM", from "00:00" to "23:59"\n'
        "  gradent knows no environment variable GRADENT_X (unset GRADENT_X)"
    )


TOML_VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    | st.times()
    | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "url", "a"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(key=st.sampled_from(KEYS), value=TOML_VALUES)
def test_any_value_at_any_key_is_taken_or_refused(tmp_path, key, value):
    """No value that TOML can hold makes the reading of a config fail in another way."""
    import tomli_w

    names = key.split(".")
    document = value
    for name in reversed(names):
        document = {name: [document] if name in ("sources", "busy") and name != names[-1] else document}
    with suppress(ConfigError):
        config.check(tmp_path / "config.toml", tomli_w.dumps(document), {"HOME": "/home/ada"})


# ── values as people type them ──


@pytest.mark.parametrize(
    ("key", "raw", "value"),
    [
        ("enabled", "True", True),
        ("enabled", "on", "on"),
        ("study.horizon_days", " 14 ", 14),
        ("study.horizon_days", "many", "many"),
        ("llm.max_tokens", "10000000000", 10_000_000_000),
        ("llm.max_tokens", "9" * 5000, "9" * 5000),
        ("llm.max_cost_usd", " 0.5 ", 0.5),
        ("llm.max_cost_usd", "5", 5.0),
        ("llm.max_cost_usd", "much", "much"),
        ("frequency", "*/5 * * * *", "*/5 * * * *"),
        ("frequency", '"1hour"', "1hour"),
        ("agent.prompt", "'Hi' she said, 'you'", "'Hi' she said, 'you'"),
        ("agent.prompt", '"a\\nb"', "a\nb"),
        ("agent.command", '["claude", "-p", "{prompt}"]', ["claude", "-p", "{prompt}"]),
        ("agent.command", "claude -p 'a b,c'", ["claude", "-p", "a b,c"]),
        ("notify.events", "failed, completed", ["failed", "completed"]),
        ("notify.events", "", []),
        ("study.hours.monday", "18:00-21:00", ["18:00-21:00"]),
        ("study.hours", '{monday = ["18:00-21:00"]}', {"monday": ["18:00-21:00"]}),
        ("agent.env.PATH", "/bin", "/bin"),
        ("agent.env", '{A = "b"}', {"A": "b"}),
        ("study.sources", '[{kind="ics", url="https://x"}]', [{"kind": "ics", "url": "https://x"}]),
    ],
)
def test_a_typed_value_gets_the_type_of_its_key(key, raw, value):
    """Text needs no quotes, lists need no brackets, tables are TOML."""
    assert parse_value(key, raw) == value


@pytest.mark.parametrize(
    ("key", "raw", "sentence"),
    [
        ("ntfy", "x", "ntfy is a table; set one of its keys, such as ntfy.topic"),
        ("notfy.topic", "x", "unknown key 'notfy.topic' | did you mean 'notify'?"),
        ("topic", "x", "unknown key 'topic' | did you mean 'ntfy.topic'?"),
        ("ntfy.topic.x", "x", "unknown key 'ntfy.topic.x'"),
        ("study.busy.token", "x", "'study.busy.token' is not supported by this version yet"),
        ("study.hours.mandag", "x", "'mandag' is not a weekday | did you mean 'monday'?"),
        (
            "study.sources",
            SECRET,
            'study.sources: must be written as TOML, such as [{kind = "ics", path = "calendar.ics"}]',
        ),
        ("notify.events", '["a"', 'notify.events: must be written as TOML, such as ["a", "b"]'),
        ("notify.events", '["a"]\nx = 1', 'notify.events: must be written as TOML, such as ["a", "b"]'),
        ("agent.command", "a 'b", 'agent.command: must be written as TOML, such as ["claude", "-p", "{prompt}"]'),
        ("agent.env", "[]", 'agent.env: must be written as TOML, such as {NAME = "value"}'),
        (
            "study.sources.url",
            SECRET,
            (
                "study.sources.url is a key of each entry of study.sources "
                "| set study.sources as a whole, or: gradent config edit"
            ),
        ),
    ],
)
def test_what_is_typed_wrong_is_refused_without_quoting_it(key, raw, sentence):
    """It may be a secret."""
    with pytest.raises(ConfigError) as caught:
        parse_value(key, raw)
    assert said(caught.value, Path("P")) == sentence


# ── editing ──

PERSONS = """\
# my config,  oddly   spaced

frequency   =   "1hour"     # often
# agent
[agent]   # runs
command = [   # argv
  "claude",
]

# phone
[ntfy]
topic = 'a'

# school
[[study.sources]]
kind = "ics"   # feed
url = "https://x"

# end
"""


@pytest.mark.parametrize(
    ("key", "value", "before", "after"),
    [
        ("frequency", "3hours", '"1hour"     # often', '"3hours"     # often'),
        ("at", "07:00", "# often\n", '# often\nat = "07:00"\n'),
        ("ntfy.topic", "b", "'a'", '"b"'),
        ("ntfy.server", "https://x", "'a'\n", "'a'\nserver = \"https://x\"\n"),
        ("agent.kind", "command", "\n]\n", '\n]\nkind = "command"\n'),
        ("agent.env.A.B", "x", "# end\n", '# end\n\n[agent.env]\n"A.B" = "x"\n'),
        ("discord.username", "g", "# end\n", '# end\n\n[discord]\nusername = "g"\n'),
        ("study.break", "5min", "# end\n", '# end\n\n[study]\nbreak = "5min"\n'),
        ("agent.env", {"A": "b"}, "\n]\n", '\n]\nenv = {A = "b"}\n'),
        ("frequency", "1hour", "", ""),
    ],
)
def test_setting_a_key_changes_nothing_else(key, value, before, after):
    """Comments, blanks, order and quotes of everything else stay byte for byte; new keys stand with their table."""
    assert set_value(PERSONS, key, value) == PERSONS.replace(before, after, 1)


def test_a_first_key_goes_above_the_first_table_and_its_comment():
    """Below a header it would belong to that table."""
    assert set_value('# mine\n\n# phone\n[ntfy]\ntopic = "a"', "enabled", False) == (
        '# mine\n\nenabled = false\n\n# phone\n[ntfy]\ntopic = "a"'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "[study.hours]\nfriday = []\n"),
        ("# mine", "# mine\n\n[study.hours]\nfriday = []\n"),
        ("# mine\r\n\r\nat = '1:00'", "# mine\r\n\r\nat = '1:00'\r\n\r\n[study.hours]\r\nfriday = []\r\n"),
        ("study.break = '5min'\n", "study.break = '5min'\nstudy.hours = {friday = []}\n"),
        ("study = {break = '5min'} # one\n", "study = {break = '5min',hours = {friday = []}} # one\n"),
        (
            'ntfy.topic = "x"\r\nstudy.hours.monday = []\r\n',
            'ntfy.topic = "x"\r\nstudy.hours.monday = []\r\nstudy.hours.friday = []\r\n',
        ),
        ("\r\n\r\n", "[study.hours]\r\nfriday = []\r\n"),
        (
            "at = '1:00'\r\nstudy.hours.monday = []\n",
            "at = '1:00'\r\nstudy.hours.monday = []\nstudy.hours.friday = []\n",
        ),
        ("[study.hours]\nmonday = []", "[study.hours]\nmonday = []\nfriday = []\n"),
    ],
)
def test_a_new_key_follows_the_way_the_file_is_written(text, expected):
    """Headers, dotted keys or one line; the line ends of the file."""
    assert set_value(text, "study.hours.friday", []) == expected


def test_a_source_is_added_behind_the_others_and_only_once():
    """What is there stays as it is; the same again is no change."""
    feed = {"kind": "toml", "path": "b.toml"}
    block = '\n[[study.sources]]\nkind = "toml"\npath = "b.toml"\n'
    added = add_table(PERSONS, "study.sources", feed)
    assert added == PERSONS.replace('url = "https://x"\n', f'url = "https://x"\n{block}')
    assert add_table(added, "study.sources", feed) == added
    assert add_table("", "study.sources", feed) == block.lstrip()
    inline = 'study = {sources = [{kind = "ics", path = "a"}]} # one line\n'
    assert tomllib.loads(add_table(inline, "study.sources", feed))["study"]["sources"][1] == feed


def test_a_list_of_sources_can_be_replaced_and_emptied():
    """Whole lists are written anew; the rest of the file stays."""
    replaced = set_value(PERSONS, "study.sources", [{"kind": "csv", "path": "c"}])
    assert tomllib.loads(replaced)["study"]["sources"] == [{"kind": "csv", "path": "c"}]
    assert replaced.startswith(PERSONS[: PERSONS.index("# school")])
    assert tomllib.loads(set_value(PERSONS, "study.sources", []))["study"]["sources"] == []


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        (PERSONS, "ntfy.topic", PERSONS.replace("topic = 'a'\n", "")),
        (PERSONS, "ntfy.server", PERSONS),
        ('ntfy.topic = "a"\nat = "01:00"\n', "ntfy.topic", 'at = "01:00"\n'),
        ('ntfy = {topic = "a", server = "b"}\n', "ntfy.topic", 'ntfy = { server = "b"}\n'),
    ],
)
def test_unsetting_a_key_leaves_the_rest(text, key, expected):
    """A key that is not there is no change."""
    assert unset_value(text, key) == expected


def test_what_cannot_be_edited_for_certain_is_refused():
    """A key where a table should be; the text is for a person to mend."""
    with pytest.raises(ConfigError, match="'ntfy' is not a table in this file"):
        set_value("ntfy = 1\n", "ntfy.topic", "a")


@pytest.mark.parametrize("edited", ['at = "02:00"', 'at = "01:00"\nx = 1', "at = "])
def test_an_edit_that_does_not_read_back_is_refused(edited):
    """Should an edit ever come out wrong, it does not reach the disk."""
    with pytest.raises(ConfigError, match="at cannot be changed safely"):
        _checked("", "at", lambda: edited, {"at": "01:00"})


SETS = st.lists(
    st.one_of(
        st.tuples(st.just("frequency"), st.sampled_from(["15min", "6hours", "*/5 * * * *"])),
        st.tuples(st.just("enabled"), st.booleans()),
        st.tuples(st.just("agent.prompt"), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))),
        st.tuples(
            st.just("agent.command"), st.lists(st.text("ab #=\"'[]\\"), min_size=1).filter(lambda c: c[0].strip())
        ),
        st.tuples(st.just("ntfy.topic"), st.from_regex(r"[-_a-z]{11,14}", fullmatch=True)),
        st.tuples(st.just("study.horizon_days"), st.integers(1, 366)),
        st.tuples(st.just("llm.max_cost_usd"), st.floats(min_value=0, exclude_min=True, allow_infinity=False)),
        st.tuples(st.just("study.hours.friday"), st.sampled_from([[], ["09:00-10:00"]])),
        st.tuples(st.just("agent.env.A"), st.text("a#\"'\\\n=")),
        st.tuples(
            st.just("study.sources"),
            st.lists(st.fixed_dictionaries({"kind": st.just("csv"), "path": st.sampled_from("abc")}), max_size=3),
        ),
    ),
    max_size=8,
)
STARTS = [
    "",
    "# only a comment",
    PERSONS,
    PERSONS.replace("\n", "\r\n"),
    "\r\n",
    'ntfy.topic = "x"\nstudy = {}\n',
    starter(),
]


@given(start=st.sampled_from(STARTS), sets=SETS, unset=st.booleans())
def test_any_edits_are_read_back_as_what_was_set(tmp_path, start, sets, unset):
    """After any sequence of changes the file says exactly that, and every comment is still in it."""
    text = start
    for key, value in sets:
        text = set_value(text, key, value)
    loaded = config.check(tmp_path / "config.toml", text, {"HOME": "/home/ada"})
    held = flat(values(loaded, reveal=True))
    assert "\r\n" not in start or text.count("\n") == text.count("\r\n")
    for key, value in dict(sets).items():
        if key == "study.sources":
            assert [Path(source["path"]).name for source in held[key]] == [source["path"] for source in value]
        else:
            assert held[key] == value
    kept = [line for line in start.split("\n") if line.lstrip().startswith("#")]
    if not any(key == "study.sources" for key, _ in sets):
        assert [line for line in text.split("\n") if line in kept] == kept
    if unset:
        for key, _ in sets:
            text = unset_value(text, key)
        left = flat(tomllib.loads(text))
        assert not {key for key, _ in sets} & set(left)


# ── writing ──


def test_a_new_config_is_private_and_a_person_s_mode_is_kept(path, environ):
    """0600 for a new file and one that holds a secret; otherwise what it was."""
    change(path, environ, lambda text: set_value(text, "frequency", "3hours"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    change(path, environ, lambda text: set_value(text, "frequency", "6hours"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    change(path, environ, lambda text: set_value(text, "ntfy.token", "x"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_change_that_is_not_valid_is_not_written(path, environ):
    """What is being set is not told as standing in the file; what stands there is, with the line it has there."""
    path.write_text("# c\n[ntfy]\ntopc = 1\n")
    before = path.read_bytes()
    with pytest.raises(ConfigError) as caught:
        change(path, environ, lambda text: set_value(text, "frequency", "never"))
    assert said(caught.value, path) == (
        "2 problems in the config\n"
        "  frequency: 'never' is not a frequency; allowed are 15min, 30min, 1hour, 3hours, 6hours, 12hours, 24hours "
        "and a five-field cron expression\n"
        "  P line 3: unknown key 'ntfy.topc' (did you mean 'ntfy.topic'?)"
    )
    assert path.read_bytes() == before


def test_a_variable_hides_no_bad_value(path, environ):
    """cron has no such variable; the file must be good by itself."""
    with pytest.raises(ConfigError, match="is not a frequency"):
        change(path, environ | {"GRADENT_FREQUENCY": "1hour"}, lambda text: set_value(text, "frequency", "never"))
    assert not path.exists()


def test_setting_the_offending_key_mends_a_bad_config(path, environ):
    """The whole result counts, not what was there before."""
    path.write_text('frequency = "never"\n')
    change(path, environ, lambda text: set_value(text, "frequency", "1hour"))
    assert path.read_text() == 'frequency = "1hour"\n'


def test_a_file_that_changed_meanwhile_is_not_overwritten(path, environ):
    """Two people, or a person and an editor, at the same time: the later one is told."""
    path.write_text('frequency = "1hour"\n')

    def slow_edit(text: str) -> str:
        path.write_text('frequency = "12hours"\n')
        return set_value(text, "frequency", "3hours")

    with pytest.raises(ConfigError, match="changed while it was being edited"):
        change(path, environ, slow_edit)
    assert path.read_text() == 'frequency = "12hours"\n'


def test_a_full_disk_leaves_the_old_file(path, environ):
    """The write goes to another file first; what could not be written is not half there."""
    path.write_text('frequency = "1hour"\n')
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5, limits[1]))
    try:
        with pytest.raises(StateError, match="cannot write"):
            change(path, environ, lambda text: set_value(text, "frequency", "3hours"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == 'frequency = "1hour"\n'
    assert list(path.parent.glob("*config*")) + list(path.parent.glob(".*")) == [path]


# ── what is shipped ──


def test_the_starter_is_valid_and_its_topic_is_its_own():
    """Nothing is sent anywhere before a person wants it, and no two people get the same topic."""
    loaded = config.check(Path("/c/config.toml"), starter(), {"HOME": "/home/ada"})
    assert loaded.settings.ntfy.topic is None
    assert starter() != starter()
    text = starter()
    assert starter(like=text) == text
    assert re.fullmatch(r"gradent-[0-9a-f]{12}", new_topic())
    uncommented = re.sub(r"(?m)^# (?=(topic|timezone|friday|sunday) = )", "", text)
    topic = config.check(Path("/c/config.toml"), uncommented, {"HOME": "/home/ada"}).settings.ntfy.topic
    assert topic in re.findall(r"gradent-\w+", text)
    assert max(map(len, text.splitlines())) <= 100


def test_the_sample_names_every_key_and_works_from_a_checkout(environ):
    """`config.toml` loads as it is, and with every example in it switched on; no key is missing."""
    sample = Path(__file__).parent.parent / "config.toml"
    loaded = load(sample, environ)
    assert loaded.state_dir == f"{sample.parent}/.gradent"
    assert [source.name for source in loaded.settings.study.sources] == ["canvas", "assignments"]
    assert loaded.settings.study.timezone == "Europe/Amsterdam"
    everything = re.sub(r"(?m)^# (?=\w+ = |\[\[)", "", sample.read_text())
    document = tomllib.loads(everything)
    everything = everything.replace("tk_...", "tk_x").replace("ID/TOKEN", "1/x").replace("user_....ics", "user.ics")
    config.check(sample, everything, environ)
    named = set(flat(document)) | {
        f"{key}.{name}" for key in ("study.sources", "study.busy") for entry in flat(document)[key] for name in entry
    }
    tables = {key for key in KEYS if any(other.startswith(f"{key}.") for other in KEYS)} | {"agent.env"}
    missing = set(KEYS) - tables - named - {f"study.hours.{day}" for day in loaded.settings.study.hours}
    assert missing == {"study.busy.name"}  # explained for the sources above
