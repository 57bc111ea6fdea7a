"""`config`: looking at the config, and changing it."""

import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradent_cli.cli import terminal
from gradent_cli.errors import ConfigError, StateError, UnavailableError, UsageError

if TYPE_CHECKING:
    from gradent_cli.config import Config

app = typer.Typer(help="Look at the config, and change it.", no_args_is_help=True)

_SCHEDULE = {"frequency", "at", "notify", "notify.quiet_hours", "study", "study.timezone"}
"""Whatever a scheduler is told; of a table as a whole, because it can be unset."""
_NOISE = {"frequency", "at", "notify", "ntfy", "ntfy.topic", "ntfy.server"} | {
    f"notify.{key}" for key in ("events", "when", "quiet_hours", "max_per_day")
}
"""Whatever changes how many messages there are, or who takes them."""

Step = Callable[[str], str]
"""From the text of the config to the text with one key changed."""

_JSON = typer.Option("--json", help="Print one JSON document.")
_REVEAL = typer.Option("--reveal", help="Show secrets as they are.")


# ── changing single keys ──


@app.command("set")
def set_(
    context: typer.Context,
    pairs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY VALUE",
            help="Any keys, such as study.max_per_day, each with its value; - reads it from standard input.",
        ),
    ] = None,
    frequency: Annotated[
        str | None, typer.Option(metavar="F", help="15min ... 24hours, or a five-field cron expression.")
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="HH:MM", help="Where the schedule starts in the day.")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enabled/--disabled", help="Whether scheduled runs do anything.")
    ] = None,
    ntfy_topic: Annotated[str | None, typer.Option(metavar="TOPIC", help="The ntfy topic that gets messages.")] = None,
    ntfy_server: Annotated[str | None, typer.Option(metavar="URL", help="The ntfy server, if not ntfy.sh.")] = None,
    ntfy_token: Annotated[
        str | None, typer.Option(metavar="-", help="The ntfy access token, read from standard input.")
    ] = None,
    discord_webhook: Annotated[
        str | None, typer.Option(metavar="URL|-", help="The Discord webhook; - reads it from standard input.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="URL|PATH|-", help="One more calendar feed, Canvas, or .ics, .toml, .csv or .md file."),
    ] = None,
    source_token: Annotated[
        str | None, typer.Option(metavar="-", help="The token of that Canvas, read from standard input.")
    ] = None,
    source_expires: Annotated[
        str | None, typer.Option(metavar="DATE", help="The token's last day, such as 2027-01-31.")
    ] = None,
) -> None:
    """Set values in the config file, all or none: what is not valid is refused and changes nothing.

    A Canvas is a --source with a --source-token; given again, it gets the new token.
    """
    from gradent_cli.config import add_table, parse_value, set_value

    flags = {
        "frequency": frequency,
        "at": at,
        "enabled": None if enabled is None else str(enabled),
        "ntfy.topic": ntfy_topic,
        "ntfy.server": ntfy_server,
        "ntfy.token": ntfy_token,
        "discord.webhook": discord_webhook,
    }
    given = [(name, raw) for name, raw in flags.items() if raw is not None]
    given += _pairs(pairs or [])
    sources = [("study.sources", raw) for raw in source or []]
    if not given and not sources:
        raise UsageError("there is nothing to set", hint="gradent config set --help")
    names = [name for name, _ in given]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is given twice")
    canvas = {name: raw for name, raw in (("token", source_token), ("expires", source_expires)) if raw is not None}
    if canvas and (len(sources) != 1 or source_token is None):
        raise UsageError(
            "a token belongs to one source, and a last day to its token",
            hint="gradent config set --source https://school.instructure.com --source-token -",
        )
    if [raw for _, raw in [*given, *sources, *canvas.items()]].count("-") > 1:
        raise UsageError("only one value can be read from standard input", hint="set the other one in a second call")
    for name, raw in given + ([] if canvas else sources):
        _warn_of_history(name, raw)
    if source_token not in (None, "-"):
        _warn("the token is now in your shell's history", hint="next time write - and paste it when asked")
    steps: list[tuple[str, Step]] = []
    for name, raw in given:
        typed = parse_value(name, _typed(name, raw))
        steps.append((name, partial(set_value, key=name, value=typed)))
    for name, raw in sources:
        said = _typed(name, raw)
        if canvas:
            token = _typed("study.sources.token", canvas["token"])
            table = {"kind": "canvas", "url": said.rstrip("/")} | canvas | {"token": token}
        else:
            table = _source(said)
        same = ("kind", "url") if table["kind"] == "canvas" else ()
        steps.append((name, partial(add_table, key=name, table=table, same=same)))
    _apply(context.obj, steps)


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    """KEY VALUE KEY VALUE ..."""
    if len(words) % 2:
        key = words[-1]
        raise UsageError(f"there is no value for {key}", hint=f"gradent config set {key} VALUE, or - to read it")
    return list(zip(words[::2], words[1::2], strict=True))


@app.command()
def unset(
    context: typer.Context,
    keys: Annotated[list[str], typer.Argument(metavar="KEY", help="The keys or tables that go back to their default.")],
) -> None:
    """Remove values from the config file, so that their defaults count again."""
    from gradent_cli.config import unset_value
    from gradent_cli.config.keys import shape

    for key in keys:
        shape(key)
    _apply(context.obj, [(key, partial(unset_value, key=key)) for key in keys])


def _apply(path: Path, steps: list[tuple[str, Step]]) -> None:
    """Change the file, and say what that changed."""
    from gradent_cli.config import change, check

    before: list[Config] = []
    changed: list[str] = []

    def edit(text: str) -> str:
        with suppress(ConfigError):  # what is wrong now may be just what is being set
            before.append(check(path, text, os.environ))
        for key, step in steps:
            old, text = text, step(text)
            if text != old and key not in changed:
                changed.append(key)
        return text

    config = change(path, os.environ, edit)
    for key in changed:
        typer.echo(f"{key}: {_transition(before, config, key)} in {path}")
    if "study.sources" in changed:
        _tell_of_sources(before, config)
    if not changed:
        typer.echo(f"nothing to change in {path}")
    keys = {key for key, _ in steps}
    if keys & _SCHEDULE:
        _follow(config)
    for key in sorted(keys):
        _warn_of_variable(key)
    if "ntfy.topic" in changed:
        _warn_of_guessable_topic(config)
    if keys & _NOISE:
        _warn_of_noise(config)


def _tell_of_sources(before: "list[Config]", after: "Config") -> None:
    """What a list of their names cannot show: new tokens of those that were there, and work that comes twice."""
    from gradent_cli.agents.study.sources.canvas import new_token
    from gradent_cli.config import doubled

    for warning in doubled(after.settings.study.sources):
        _warn(warning)
    known = {(each.kind, each.url): each for config in before for each in config.settings.study.sources}
    for source in after.settings.study.sources:
        old = known.get((source.kind, source.url))
        if old is None or source.url is None:
            continue
        if old.token != source.token:
            typer.echo(f"{source.name}: token replaced")
        if source.expires is not None and source.expires != old.expires:
            typer.echo(f"{source.name}: its token ends on {source.expires}")
        if source.expires is None and old.expires is not None:
            _warn(
                f"{source.name}: {old.expires} was the last day of the old token, and that of the new one is not known",
                hint=f"to be warned in time: {new_token(source.url.get_secret_value())} --source-expires YYYY-MM-DD",
            )


def _transition(before: "list[Config]", after: "Config", key: str) -> str:
    from gradent_cli.config import value_of

    value = value_of(after, key)
    if isinstance(value, dict):
        return "changed"
    new = _spoken(value)
    old = _spoken(value_of(before[0], key)) if before else new
    return new if old == new else f"{old} -> {new}"


def _spoken(value: Any) -> str:
    """A value on one line; of sources and calendars only their names."""
    if _is_tables(value):
        return ", ".join(entry["name"] for entry in value)
    return _cells(value)[0]


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _typed(key: str, raw: str) -> str:
    """The value itself, or what standard input says where it is `-`."""
    if raw != "-":
        return raw
    if sys.stdin.isatty():
        return str(typer.prompt(key, hide_input=True, err=True))
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{key}: must be UTF-8 text") from error
    return text.removesuffix("\n").removesuffix("\r")


_KINDS = {".toml": "toml", ".csv": "csv", ".md": "markdown", ".markdown": "markdown"}


def _source(text: str) -> dict[str, str]:
    """An address, or a file whose suffix says what it is; a path counts from the working directory."""
    from gradent_cli import paths

    text = text.strip().removeprefix("<").removesuffix(">")  # as some programs put links
    if not text.isprintable():
        raise ConfigError("--source: must be one line, without characters that do not show")
    if not text:
        raise ConfigError("--source: must not be empty")
    if "://" in text:
        return {"kind": "ics", "url": text}
    path = paths.absolute(Path(text), os.environ)
    if path.is_dir():
        raise ConfigError(f"--source: {path} is a folder, not a file")
    if not path.is_file() and re.match(r"[\w-]+(\.[\w-]+)+/", text):  # it may hold a secret, and is not told
        raise ConfigError("--source: there is no such file", hint="an address begins with https://")
    if not path.is_file():
        _warn(f"there is no file {path} yet")
    return {"kind": _KINDS.get(path.suffix.lower(), "ics"), "path": str(path)}


def _follow(config: "Config") -> None:
    """Give an installed crontab line, or what another scheduler has, the new schedule."""
    from gradent_cli import schedulers
    from gradent_cli.cli.schedulers import this_job
    from gradent_cli.schedulers import cron

    job = this_job(config)

    def line() -> str | None:
        return cron.follow(
            job.config, job.expression, flush=job.flush, state_dir=Path(config.state_dir), environ=os.environ
        )

    def elsewhere() -> str | None:
        return schedulers.follow(job, os.environ)

    for what, follow in (("an installed crontab line", line), ("what another scheduler has", elsewhere)):
        try:
            sentence = follow()
        except (UnavailableError, ConfigError, StateError) as error:
            _warn(f"{what} still has the old schedule: {error.message}", hint="gradent install-cron")
            continue
        if sentence is not None:
            typer.echo(sentence)


def _warn(sentence: str, *, hint: str | None = None) -> None:
    typer.echo(f"gradent: warning: {sentence}", err=True)
    if hint is not None:
        typer.echo(f"  hint: {hint}", err=True)


def _warn_of_history(key: str, raw: str) -> None:
    from gradent_cli.config import is_secret

    names_a_secret = is_secret(key) and (key != "study.sources" or "://" in raw)
    if raw != "-" and names_a_secret:
        _warn(f"the value of {key} is now in your shell's history", hint="next time write - and paste it when asked")


def _warn_of_variable(key: str) -> None:
    from gradent_cli.config import variable

    name = variable(key)
    if os.environ.get(name):
        _warn(f"{name} is set in this shell and counts more than the file")


def _warn_of_noise(config: "Config") -> None:
    from gradent_cli.doctor.network import noise

    for check in noise(config):
        if check.status == "warning":
            _warn(check.message, hint=check.remedy)


def _warn_of_guessable_topic(config: "Config") -> None:
    from gradent_cli.config.starter import new_topic

    ntfy = config.settings.ntfy
    if ntfy.topic is None or ntfy.token is not None:
        return
    if len(ntfy.topic) < 12 or not any(character.isdigit() for character in ntfy.topic):
        _warn(
            f"the topic {ntfy.topic} is easy to guess, and whoever knows it reads your messages",
            hint=f"gradent config set --ntfy-topic {new_topic()}",
        )


# ── looking ──


@app.command()
def get(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="A key such as frequency, or a table such as study.")],
    reveal: Annotated[bool, _REVEAL] = False,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Print the value that counts for a key."""
    from gradent_cli.config import load, value_of

    value = value_of(load(context.obj, os.environ), key, reveal=reveal)
    if as_json:
        terminal.document(value)
    elif value is None:
        typer.echo(f"{key} is not set", err=True)
    else:
        typer.echo(_toml(key, value))


def _toml(key: str, value: Any) -> str:
    """Tables as a TOML document, text as it is, everything else as it stands behind a key."""
    import tomli_w

    from gradent_cli.config.document import inline

    if isinstance(value, dict):
        return tomli_w.dumps(_set_only(value)).rstrip("\n")
    if _is_tables(value):
        return tomli_w.dumps({key.rpartition(".")[2]: _set_only(value)}).rstrip("\n")
    return value if isinstance(value, str) else inline(value)


def _set_only(value: Any) -> Any:
    """Without what is not set, for which TOML has no word."""
    if isinstance(value, dict):
        return {name: _set_only(inner) for name, inner in value.items() if inner is not None}
    return [_set_only(entry) for entry in value] if isinstance(value, list) else value


@app.command()
def show(
    context: typer.Context, reveal: Annotated[bool, _REVEAL] = False, as_json: Annotated[bool, _JSON] = False
) -> None:
    """Show every key with the value that counts and where it comes from."""
    from gradent_cli.config import flat, load, values

    config = load(context.obj, os.environ)
    known = flat(values(config, reveal=reveal))
    if as_json:
        keys = {key: {"value": value, "origin": config.origins[key]} for key, value in known.items()}
        terminal.document({"path": config.path, "keys": keys})
        return
    rows = [
        [key, config.origins[key].partition(" ")[0], cell] for key, value in known.items() for cell in _cells(value)
    ]
    typer.echo(f"{config.path}\n")
    typer.echo(terminal.table(rows, ["KEY", "FROM", "VALUE"]))
    variables = [origin.partition(" ")[2] for origin in config.origins.values() if origin.startswith("environment ")]
    if variables:
        typer.echo("\n" + terminal.hanging("From the environment: ", ", ".join(sorted(set(variables))), indent=2))
    for warning in config.warnings:
        _warn(warning)


def _cells(value: Any) -> list[str]:
    """A value as one line, a list of tables as one for each."""
    from gradent_cli.config.document import inline
    from gradent_cli.text import one_line

    if value is None:
        return ["not set"]
    if _is_tables(value):
        return [inline(_set_only(entry)) for entry in value]
    return [one_line(value if isinstance(value, str) else inline(value))]


@app.command()
def path(context: typer.Context) -> None:
    """Print where the config file is, or would be."""
    typer.echo(context.obj)


# ── the whole file ──


@app.command()
def init(context: typer.Context) -> None:
    """Write a small config to start with."""
    from gradent_cli.config import change, read
    from gradent_cli.config.starter import starter

    present = read(context.obj)
    if present is not None and present != starter(like=present):
        raise ConfigError(f"there is a config already: {context.obj}", hint="gradent config edit")
    if present is not None:
        typer.echo(f"nothing to do: {context.obj} is as it was first written")
    else:
        change(context.obj, os.environ, lambda _: starter())
        typer.echo(f"wrote {context.obj}")
    gradent = _command(context.obj)
    typer.echo(
        f"Next, your assignments (paste the address of your calendar feed), and the schedule:\n"
        f"  {gradent} config set --source -\n  {gradent} install-cron"
    )


def _command(path: Path) -> str:
    """How to call gradent for this config."""
    import shlex

    from gradent_cli import paths

    if path == paths.config_file(None, os.environ):
        return "gradent"
    return f"gradent --config {shlex.quote(str(path))}"


@app.command()
def edit(context: typer.Context) -> None:
    """Open the config in your editor; it is put in place only when it is valid."""
    import shutil
    import tempfile

    from gradent_cli import files
    from gradent_cli.cli.editor import edited
    from gradent_cli.config import read
    from gradent_cli.config.starter import starter

    original = read(context.obj)
    shown = starter() if original is None else original
    # Not beside the config: other programs may watch that folder, and it may be one that others can read.
    folder = Path(tempfile.mkdtemp(prefix="gradent-"))
    draft = folder / "config.toml"
    files.write_atomic(draft, shown.encode(), mode=0o600)
    try:
        config = edited(context.obj, original or "", shown, draft)
    except (ConfigError, StateError) as error:
        raise type(error)(error.message, hint=f"nothing was changed; your draft is {draft}") from error
    except UnavailableError:
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)
    if config is None:
        typer.echo(f"nothing changed in {context.obj}")
    else:
        typer.echo(f"changed {context.obj}")
        _follow(config)
        _warn_of_noise(config)
