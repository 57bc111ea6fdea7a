"""`gradent notify test` and `gradent notify flush`, and what a run does with what it could not send."""

import json
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gradent_cli import lock
from gradent_cli.database import open_database
from gradent_cli.notify import policy
from gradent_cli.outbox import Outbox
from tests.conftest import Gradent
from tests.street.phone import message, run_of
from tests.street.server import Answer, Request, Server

Write = Callable[[str], Path]
TOO_LARGE = Answer(413, b'{"code":41301,"http":413,"error":"attachment too large"}')


@pytest.fixture
def config(home: Path) -> Write:
    """Write the default config file."""

    def write(text: str) -> Path:
        path = home / ".config" / "gradent" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def ntfy(config: Write, server: Server) -> Callable[..., Path]:
    """A config with a command agent and ntfy; `program` is a line of shell, `more` goes into the config."""

    def write(program: str = "exit 0", more: str = "") -> Path:
        return config(
            f'[agent]\nkind = "command"\ncommand = ["sh", "-c", {json.dumps(program)}]\n'
            f'[ntfy]\ntopic = "gradent-x7k2p9w4q8"\nserver = "{server.url}"\n{more}'
        )

    write()
    return write


def quiet_now() -> str:
    """Quiet hours that the present moment is in the middle of."""
    now = datetime.now(UTC)
    return f'[notify]\nquiet_hours = "{now - timedelta(hours=2):%H:%M}-{now + timedelta(hours=2):%H:%M}"\n'


def titles(server: Server) -> list[str]:
    return [body["title"] for body in server.bodies]


# ── gradent notify test ──


def test_every_channels_answer_is_shown(gradent: Gradent, server: Server, config: Write) -> None:
    """One line each, and 0 when all went; nothing secret is shown."""
    path = config(
        f'[ntfy]\ntopic = "gradent-x7k2p9w4q8"\nserver = "{server.url}"\n'
        f'[discord]\nwebhook = "{server.url}/api/webhooks/123456789012345678/s3cretT0ken_s3cretT0ken"\n'
    )
    result = gradent("--config", path, "notify", "test")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        f"ntfy     sent to {server.url}, topic gradent-x…",
        f"discord  sent to {server.url}",
    ]
    assert {request.path.partition("?")[0] for request in server.requests} == {
        "/",
        "/api/v10/webhooks/123456789012345678/s3cretT0ken_s3cretT0ken",
    }


def test_one_channel_that_fails_is_exit_1(gradent: Gradent, server: Server, config: Write) -> None:
    """The other's success is shown, the reason and the remedy too."""
    server.answer = lambda request: Answer(404) if "webhooks" in request.path else Answer()
    path = config(
        f'[ntfy]\ntopic = "gradent-x7k2p9w4q8"\nserver = "{server.url}"\n'
        f'[discord]\nwebhook = "{server.url}/api/webhooks/123456789012345678/s3cretT0ken_s3cretT0ken"\n'
    )
    result = gradent("--config", path, "notify", "test")
    assert result.code == 1
    assert result.out.splitlines()[1] == (
        "discord  failed: Discord does not know this webhook (404);"
        " make a new one: gradent config set --discord-webhook -"
    )
    assert result.err == "gradent: discord did not take the test message\n"
    assert "s3cret" not in result.out + result.err


def test_all_channels_failing_is_exit_69(gradent: Gradent, server: Server, config: Write) -> None:
    """Nobody can be reached, which a script can tell by the code; JSON says why."""
    server.answer = Answer(401, b'{"code":40101,"http":401,"error":"unauthorized"}')
    path = config(f'[ntfy]\ntopic = "gradent-x7k2p9w4q8"\nserver = "{server.url}"\ntoken = "tk_s3cret123"\n')
    result = gradent("--config", path, "notify", "test", "--json")
    assert result.code == 69
    assert json.loads(result.out) == [
        {
            "channel": "ntfy",
            "where": f"{server.url}, topic gradent-x…",
            "status": "failed",
            "error": "ntfy refused the token (40101); set another: gradent config set --ntfy-token -",
        }
    ]
    assert result.err == "gradent: no channel took the test message\n"


def test_no_channel_is_told_how_to_get_one(gradent: Gradent, config: Write) -> None:
    """Nothing to test is a matter of the config."""
    result = gradent("--config", config("enabled = true\n"), "notify", "test")
    assert result.code == 78
    assert "no channel is configured" in result.err
    assert "gradent config set --ntfy-topic" in result.err


def test_the_test_message_says_what_it_is() -> None:
    """Nobody takes it for a run."""
    message = policy.test(datetime(2026, 11, 23, tzinfo=UTC))
    assert (message.title, message.text, message.run_id) == ("🔔 Test", "gradent can reach you here.", None)


def test_a_channel_that_answers_the_test_gets_what_it_missed(
    gradent: Gradent, server: Server, ntfy: Callable[..., Path]
) -> None:
    """Repaired at the far end: the next run brings all that it did not get, and `status` has nothing to say."""
    server.answer = Answer(401, b'{"code":40101,"http":401,"error":"unauthorized"}')
    ntfy("echo no key >&2; exit 3")
    assert gradent("run", "--quiet").code == 1
    assert len(server.requests) == 1
    (undelivered,) = json.loads(gradent("status", "--json").out)["undelivered"]
    assert (undelivered["channel"], undelivered["refused"], undelivered["waiting"]) == ("ntfy", True, 2)
    assert "(40101)" in undelivered["reason"]
    page = gradent("status").out
    assert "ntfy has taken nothing since" in page
    assert "2 messages wait for ntfy" in page
    gradent("run", "--quiet")
    assert len(server.requests) == 1
    server.answer = Answer()
    assert gradent("notify", "test").code == 0
    ntfy("exit 0")
    server.requests.clear()
    gradent("run", "--quiet")
    assert titles(server) == [
        "❌ Agent Failed", "📬 2 Earlier Messages", "🤖 Agent Started", "💚 Agent Recovered", "✅ Agent Completed"
    ]  # fmt: skip
    assert json.loads(gradent("status", "--json").out)["undelivered"] == []


# ── gradent notify flush ──


def kept(state: Path, *messages: object) -> None:
    """What an earlier process could not send to ntfy."""
    state.mkdir(parents=True, exist_ok=True)
    outbox = Outbox(open_database(state / "gradent.db"), state / "gradent.db")
    outbox.open({"ntfy": ""})
    for each in messages:
        outbox.put(each)  # type: ignore[arg-type]


def test_flush_sends_what_waits(gradent: Gradent, server: Server, ntfy: Callable[..., Path], state: Path) -> None:
    """Routine as one, failures each, and it says how many; a second time there is nothing."""
    kept(state, *run_of("one"), message("f", "failed"))
    result = gradent("notify", "flush")
    assert (result.code, result.out, result.err) == (0, "Sent 2 messages.\n", "")
    assert titles(server) == ["f", "✅ 1 Earlier Run Completed"]
    assert gradent("notify", "flush").out == "Nothing waits.\n"
    assert len(server.requests) == 2


def test_flush_is_quiet_when_cron_asks(
    gradent: Gradent, server: Server, ntfy: Callable[..., Path], state: Path
) -> None:
    """Exit 0 and not a word, whether there was nothing, something, or an answer that is no yes; the log has that."""
    for answer, waiting in ((Answer(), ()), (TOO_LARGE, (message("f", "failed"),)), (Answer(), (message("g"),))):
        server.answer = answer
        kept(state, *waiting)
        result = gradent("notify", "flush", "--quiet")
        assert (result.code, result.out, result.err) == (0, "", "")
    assert titles(server) == ["f", "g"]
    assert "ntfy did not take 'failed'" in (state / "gradent.log").read_text()


def test_flush_says_what_still_waits_and_why(
    gradent: Gradent, server: Server, ntfy: Callable[..., Path], state: Path
) -> None:
    """Held back, nothing is sent before its time."""
    ntfy(more=quiet_now())
    kept(state, message("f", "failed"), message("g", "failed"))
    result = gradent("notify", "flush")
    assert result.code == 0
    assert result.out.splitlines()[0] == "Nothing was sent."
    assert "2 messages wait for ntfy" in result.out
    assert "quiet hours until" in " ".join(result.out.split())
    assert server.requests == []
    assert max(map(len, result.out.splitlines())) <= 80


def test_flush_leaves_a_run_that_goes_on_alone(
    gradent: Gradent, server: Server, ntfy: Callable[..., Path], state: Path
) -> None:
    """The run sends what waits itself."""
    kept(state, message("f", "failed"))
    with lock.held(state / "gradent.lock", now=datetime.now(UTC)):
        result = gradent("notify", "flush")
    assert (result.code, result.out) == (0, "A run is going on; it sends what waits when it ends.\n")
    assert server.requests == []


def test_two_at_once_send_everything_once(server: Server, ntfy: Callable[..., Path], state: Path) -> None:
    """A flush beside a run: one sends, the other finds it done."""
    kept(state, *(message(f"f{number}", "failed") for number in range(8)))

    def slow(request: Request) -> Answer:
        threading.Event().wait(0.03)
        return Answer()

    server.answer = slow
    command = [sys.executable, "-P", "-m", "gradent_cli"]
    processes = [subprocess.Popen([*command, *rest]) for rest in (("notify", "flush", "--quiet"), ("run", "--quiet"))]
    assert [process.wait(30) for process in processes] == [0, 0]
    assert sorted(titles(server)) == sorted(
        [*(f"f{number}" for number in range(8)), "🤖 Agent Started", "✅ Agent Completed"]
    )
    assert [title for title in titles(server) if title.startswith("f")] == [f"f{number}" for number in range(8)]


# ── what a run could not send ──


def test_a_run_says_what_will_come_later(gradent: Gradent, server: Server, ntfy: Callable[..., Path]) -> None:
    """Exit 0, how many and why, and how `status` and `history` tell it; the next run brings it."""
    ntfy(more=quiet_now())
    result = gradent("run")
    assert result.code == 0
    assert "2 messages will go to ntfy later: quiet hours until" in result.out
    assert json.loads(gradent("status", "--json").out)["pending_deliveries"] == 2
    assert "quiet hours" in " ".join(gradent("status").out.split())
    assert "quiet hours" in gradent("history", "last").out
    for page in (result.out, gradent("status").out, gradent("history", "last").out):
        assert max(map(len, page.splitlines())) <= 80
    ntfy()
    gradent("run")
    assert titles(server) == ["✅ 1 Earlier Run Completed", "🤖 Agent Started", "✅ Agent Completed"]


def test_a_dry_run_keeps_and_sends_nothing(
    gradent: Gradent, server: Server, ntfy: Callable[..., Path], state: Path
) -> None:
    """Neither what it would tell nor what waits."""
    kept(state, message("f", "failed"))
    before = {path: path.read_bytes() for path in state.iterdir()}
    result = gradent("run", "--dry-run")
    assert "🤖 Agent Started" in result.out
    assert {path: path.read_bytes() for path in state.iterdir()} == before
    assert server.requests == []


def test_a_broken_config_gives_up_nothing(
    gradent: Gradent, server: Server, ntfy: Callable[..., Path], state: Path
) -> None:
    """What waits for a channel that the rest of the config no longer names comes when it is mended."""
    webhook = f'[webhook]\nurl = "{server.url}/hook"\n'
    path = ntfy(more=webhook)
    server.answer = lambda request: Answer(500 if request.path == "/hook" else 200)
    kept(state, message("old", "failed"))
    outbox = Outbox(open_database(state / "gradent.db"), state / "gradent.db")
    outbox.open({"webhook": ""}, complete=False)
    outbox.put(message("kept", "failed"))
    path.write_text("frequenzy = 1\n" + path.read_text())
    assert gradent("run", "--quiet").code == 78
    assert outbox.backlogs()[-1].channel == "webhook"
    server.answer = Answer()
    ntfy(more=webhook)
    gradent("notify", "flush", "--quiet")
    assert [request.json["title"] for request in server.requests if request.path == "/hook"] == ["kept"]


def small_files() -> None:
    """No file may grow over so many bytes: what a full disk is to a database."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_full_disk_is_told(gradent: Gradent, server: Server, ntfy: Callable[..., Path], state: Path) -> None:
    """Nothing can be kept: 74, one sentence, and the phone hears of it; with room again all goes on."""
    assert gradent("run", "--quiet").code == 0
    database = open_database(state / "gradent.db")
    pages = -(-120_000 // database.execute("PRAGMA page_size").fetchone()[0])
    database.execute("CREATE TABLE ballast (bytes)")
    database.execute("INSERT INTO ballast VALUES (zeroblob(?))", (pages * 4096,))
    database.close()
    server.requests.clear()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "gradent_cli", "run", "--quiet"], preexec_fn=small_files,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 74
    assert "Traceback" not in done.stderr
    assert titles(server) == ["❌ Agent Failed"]
    server.requests.clear()
    assert gradent("run", "--quiet").code == 0
    assert titles(server)[-1] == "✅ Agent Completed"


def test_a_lock_that_cannot_be_made_keeps_nothing_back(
    gradent: Gradent, server: Server, ntfy: Callable[..., Path], state: Path
) -> None:
    """Whose turn it is to send cannot be told (a read-only state): better twice than never."""
    (state / "outbox.lock").mkdir(parents=True)
    assert gradent("run", "--quiet").code == 0
    assert titles(server) == ["🤖 Agent Started", "✅ Agent Completed"]
