"""The config as it was last accepted: it reads like the real one, or not at all."""

import os
import subprocess
import sys
import time
import zoneinfo
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from gradent_cli import config, snapshot, tick
from gradent_cli.config import BusySettings, Settings, SourceSettings

TEXTS = (
    "",
    """
    frequency = "6hours"
    at = "01:30"
    enabled = false
    state_dir = "here"
    """,
    """
    [agent]
    kind = "command"
    command = ["sh", "-c", "ü"]
    cwd = "~/x"
    timeout = "90s"
    idle_timeout = "5min"
    env = {TOKEN = "tk_12345678", A = "1"}
    notify_tools = ["a*"]
    """,
    """
    [ntfy]
    topic = "gradent-test"
    token = "tk_abcdefgh"
    [discord]
    webhook = "https://discord.com/api/webhooks/1/abc"
    [notify]
    quiet_hours = "22:30-07:00"
    events = ["failed"]
    """,
    """
    [apprise]
    urls = ["json://localhost/geheim-é", "mailto://u:pässword@example.org"]
    [webhook]
    url = "http://localhost:1/x"
    [healthchecks]
    ping_url = "http://localhost:1/abc"
    """,
    """
    [study]
    timezone = "Europe/Amsterdam"
    plan_ics = "p.ics"
    [study.hours]
    monday = []
    [[study.sources]]
    kind = "ics"
    url = "https://example.org/feed?token=abcdefg"
    [[study.sources]]
    kind = "canvas"
    url = "https://school.example.org"
    token = "7~secret"
    expires = 2027-01-31
    [[study.busy]]
    kind = "caldav"
    url = "https://example.org/c/"
    username = "ada"
    password = "app password"
    """,
    """
    [llm]
    model = "small"
    base_url = "http://localhost:1/v1"
    api_key = "sk-12345678"
    max_cost_usd = 0.25
    """,
)
VARIABLES = (
    ("GRADENT_FREQUENCY", "15min"),
    ("GRADENT_NTFY__TOPIC", "from-the-variable"),
    ("GRADENT_NTFY__TOKEN", "tk_of_variable"),
    ("GRADENT_APPRISE__URLS", "json://localhost/one json://localhost/two"),
    ("GRADENT_AGENT__ENV__KEY", "välue-é"),
    ("GRADENT_STATE_DIR", "/elsewhere"),
    ("GRADENT_STUDY__SESSION_MIN", "45min"),
    ("XDG_STATE_HOME", "/nowhere"),
)


def written(path: Path, text: str) -> Path:
    """A config that nobody has touched for an hour."""
    path.write_text(text)
    os.utime(path, (time.time() - 3600,) * 2)
    return path


def kept(path: Path, environ: dict[str, str]) -> config.Config:
    """The real config, of which a snapshot has been kept."""
    key = snapshot.key(str(path), environ)
    loaded = config.load(path, environ)
    snapshot.keep(loaded, environ, key)
    return loaded


def plain(value: object) -> object:
    """A config's value without the class that it is held in."""
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, SimpleNamespace):
        return {name: plain(each) for name, each in vars(value).items()}
    if isinstance(value, SecretStr | snapshot.Secret):
        return ("secret", value.get_secret_value())
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return {name: plain(each) for name, each in value.items()} if isinstance(value, dict) else value


@given(text=st.sampled_from(TEXTS), variables=st.lists(st.sampled_from(VARIABLES), unique=True, max_size=4))
def test_it_reads_like_the_config_that_it_was_made_of(tmp_path_factory, text, variables):
    """Every value, of every type, from the file, from a variable or by default."""
    folder = tmp_path_factory.mktemp("config")
    environ = {"HOME": str(folder), "PATH": "/bin", **dict(variables), "XDG_STATE_HOME": str(folder / "state")}
    path = written(folder / "config.toml", text)
    real = kept(path, environ)
    read = snapshot.load(str(path), environ)
    assert read is not None
    assert plain(read.settings) == plain(real.settings)
    assert (read.path, read.state_dir, read.cron_expression) == (real.path, real.state_dir, real.cron_expression)
    assert list(read.secrets) == list(real.secrets)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "GRADENT_DISCORD__WEBHOOK": "https://discord.com/api/webhooks/1/from-variable"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "config.toml", '[ntfy]\ntopic = "gradent-test"\ntoken = "tk_abcdefgh"\n')


def file_of(path: Path, environ: dict[str, str]) -> Path:
    return Path(tick.place("snapshots", str(path), environ))


def test_it_holds_no_secret_and_is_private(path, environ):
    """Only where they stand."""
    kept(path, environ)
    file = file_of(path, environ)
    assert "abcdefgh" not in file.read_text()
    assert "from-variable" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    read = snapshot.load(str(path), environ)
    assert read is not None
    assert read.settings.ntfy.token is not None
    assert read.settings.ntfy.token.get_secret_value() == "tk_abcdefgh"
    assert "abcdefgh" not in repr(read.settings)


def same_size(path: Path) -> None:
    """An edit in place that hides: as many bytes, and the time of before."""
    before = path.stat()
    with path.open("r+") as file:
        file.write(path.read_text().replace("gradent-test", "gradent-next"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        same_size,
        lambda path: path.write_text(path.read_text() + "\n"),
        lambda path: path.chmod(0o644),
        lambda path: (path.rename(path.with_name("old")), path.write_bytes(path.with_name("old").read_bytes())),
        lambda path: path.unlink(),
    ],
    ids=["in place", "longer", "mode", "another file", "gone"],
)
def test_a_file_that_has_changed_is_read_again(path, environ, change):
    """Whatever way it changed."""
    kept(path, environ)
    assert snapshot.load(str(path), environ) is not None
    change(path)
    assert snapshot.load(str(path), environ) is None


@pytest.mark.parametrize(
    "change",
    [
        {"GRADENT_FREQUENCY": "15min"},
        {"GRADENT_DISCORD__WEBHOOK": "https://discord.com/api/webhooks/1/from-anotherr"},
        {"XDG_CONFIG_HOME": "/elsewhere"},
    ],
)
def test_other_variables_make_another_config(path, environ, change):
    """As they are part of what it was made of."""
    kept(path, environ)
    assert snapshot.load(str(path), {**environ, "PATH": "/elsewhere", "LANG": "C"}) is not None
    assert snapshot.load(str(path), {**environ, **change}) is None


def test_another_gradent_reads_the_config_again(path, environ, monkeypatch):
    """After an update keys may mean something else."""
    kept(path, environ)
    monkeypatch.setattr(snapshot, "__version__", "9.9")
    assert snapshot.load(str(path), environ) is None


def test_whatever_says_what_a_config_may_hold_is_a_part_of_gradent(path, environ, monkeypatch):
    """In a checkout the version stays as it is while one of these modules changes."""
    settings = Settings()
    tables = [type(value) for value in (settings, *dict(settings).values(), settings.study.calendar)]
    modules = {each.__module__ for table in (*tables, SourceSettings, BusySettings) for each in table.__mro__}
    files = {sys.modules[name].__file__ for name in modules if name.startswith("gradent_cli.config")}
    assert files == set(snapshot._SCHEMA)
    for number, file in enumerate(snapshot._SCHEMA):
        kept(path, environ)
        assert snapshot.load(str(path), environ) is not None
        changed = [*snapshot._SCHEMA]
        changed[number] = str(path.with_name(Path(file).name))
        Path(changed[number]).write_text("")
        monkeypatch.setattr(snapshot, "_SCHEMA", changed)
        assert snapshot.load(str(path), environ) is None


@pytest.mark.parametrize(
    "spoil", [b"", b"{", b"\xff", b"[]", b"[" * 100_000, b"{}", b'{"key": 1, "reads_file": false, "config": 1}']
)
def test_what_is_no_snapshot_does_not_count(path, environ, spoil):
    """The long way is taken, and makes a new one."""
    kept(path, environ)
    file_of(path, environ).write_bytes(spoil)
    assert snapshot.load(str(path), environ) is None
    kept(path, environ)
    assert snapshot.load(str(path), environ) is not None


@pytest.mark.parametrize(
    "give",
    [
        lambda file: file.chmod(0o620),
        lambda file: file.chmod(0o602),
        pytest.param(
            lambda file: os.chown(file, 1, -1), marks=pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives")
        ),
    ],
    ids=["the group", "everybody", "another owner"],
)
def test_what_somebody_else_could_have_written_does_not_count(path, environ, give):
    """It names a program to start. Whose HOME it is, root may not be."""
    kept(path, environ)
    give(file_of(path, environ))
    assert snapshot.load(str(path), environ) is None


def test_a_secret_does_not_depend_on_the_locale(tmp_path):
    """A shell may have another one than cron has; the file is UTF-8 in both."""
    text = '[agent.env]\nKEY = "gehéim-çà"\n'
    path, environ = written(tmp_path / "config.toml", text), {"HOME": str(tmp_path)}
    kept(path, environ)
    code = (
        "import os, sys\nfrom gradent_cli import snapshot\n"
        "print(ascii(snapshot.load(sys.argv[1], os.environ).settings.agent.env['KEY'].get_secret_value()))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-X", "utf8=0", "-c", code, str(path)],
        env={**environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{'gehéim-çà'!a}\n"


@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_bit_that_has_changed_is_seen(tmp_path_factory, at, bit):
    """Else another minute, another program or another channel would count."""
    folder = tmp_path_factory.mktemp("bits")
    environ = {"HOME": str(folder)}
    path = written(folder / "config.toml", TEXTS[2])
    kept(path, environ)
    raw = bytearray(file_of(path, environ).read_bytes())
    raw[int(at * len(raw))] ^= 1 << bit
    file_of(path, environ).write_bytes(raw)
    assert snapshot.load(str(path), environ) is None


def test_a_file_that_was_written_a_moment_ago_is_not_kept_yet(path, environ):
    """In the same tick of the file system's clock it could change once more, unseen."""
    os.utime(path)
    kept(path, environ)
    assert not file_of(path, environ).exists()


def test_a_file_that_changes_while_it_is_read_is_not_kept(path, environ):
    """What was read may be neither of both."""
    key = snapshot.key(str(path), environ)
    loaded = config.load(path, environ)
    written(path, 'frequency = "15min"\n')
    snapshot.keep(loaded, environ, key)
    assert not file_of(path, environ).exists()


def test_a_secret_with_escapes_is_left_to_the_long_way(tmp_path, environ):
    """It does not stand in the file as it is."""
    path = written(tmp_path / "config.toml", '[agent.env]\nKEY = "tab\\tand more"\n')
    kept(path, environ)
    assert not file_of(path, environ).exists()


def test_where_nothing_can_be_kept_nothing_is_said(path, environ, tmp_path):
    """No home directory; a file in the way."""
    kept(path, {})
    (tmp_path / ".local").write_text("")
    kept(path, environ)
    assert snapshot.load(str(path), environ) is None


def test_a_zone_that_this_machine_has_no_more_is_left_to_the_long_way(tmp_path, environ):
    """Which says that there is no such zone."""
    folder = tmp_path / "zones"
    (folder / "Our").mkdir(parents=True)
    (folder / "Our/Zone").write_bytes(files("tzdata.zoneinfo").joinpath("UTC").read_bytes())
    zoneinfo.reset_tzpath([folder])
    try:
        path = written(tmp_path / "config.toml", '[study]\ntimezone = "Our/Zone"\n')
        kept(path, environ)
        assert snapshot.load(str(path), environ) is not None
        (folder / "Our/Zone").unlink()
        zoneinfo.ZoneInfo.clear_cache()
        assert snapshot.load(str(path), environ) is None
    finally:
        zoneinfo.reset_tzpath()
