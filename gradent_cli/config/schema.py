"""What the config may hold: every key with its type, its default and what is allowed.

The tables of the channels and of the study agent have rooms of their own.
"""

from datetime import time, timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gradent_cli import frequency
from gradent_cli.config.channels import (
    AppriseSettings,
    DiscordSettings,
    HealthchecksSettings,
    NotifySettings,
    NtfySettings,
    WebhookSettings,
)
from gradent_cli.config.study import StudySettings
from gradent_cli.config.values import (
    Argument,
    BadValueError,
    Duration,
    FilePath,
    Secret,
    Table,
    TimeOfDay,
    bearer,
    did_you_mean,
    is_loopback,
    quoted,
    secret_without_nul,
    url_of,
)

DEFAULT_PROMPT = "Check my assignments, plan the work that is left, and tell me what to do next."


AGENT_KINDS = ("study", "llm", "command", "callable")
"""The agents that gradent brings along; beside them there are the installed ones."""
AGENT_GROUP = "gradent.agents"
"""The group of entry points in which a package offers an agent."""


def _agent_kind(kind: str) -> str:
    """Built in, or an installed entry point. What is installed is looked up only for a name that is not built in."""
    if kind in AGENT_KINDS:
        return kind
    from importlib.metadata import entry_points

    installed = sorted({entry.name for entry in entry_points(group=AGENT_GROUP)})
    if kind not in installed:
        allowed = [f'"{name}"' for name in (*AGENT_KINDS, *installed)]
        raise BadValueError(
            f"{quoted(kind)} is no agent that is installed here; use {', '.join(allowed[:-1])} or {allowed[-1]}",
            hint=did_you_mean(kind, (*AGENT_KINDS, *installed)),
        )
    return kind


def _function(text: str) -> str:
    """`package.module:function`."""
    module, _, name = text.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise BadValueError(f'{quoted(text)} is not a function; write it as "package.module:function"')
    return text


class AgentSettings(Table):
    """What runs, and for how long."""

    kind: Annotated[str, AfterValidator(_agent_kind)] = "study"
    command: list[Argument] = Field(default=[], validate_default=True)
    callable: Annotated[str, AfterValidator(_function)] | None = Field(default=None, validate_default=True)
    prompt: Argument = DEFAULT_PROMPT
    stdin: Literal["prompt", "context", "none"] | None = None
    cwd: FilePath | None = None
    env: dict[str, Annotated[Secret, AfterValidator(secret_without_nul)]] = Field(default={})
    notify_tools: list[str] | None = None
    timeout: Duration = timedelta(minutes=15)
    idle_timeout: Duration | None = None
    grace: Duration = timedelta(seconds=10)

    @field_validator("command")
    @classmethod
    def _names_a_program(cls, command: list[str], info: ValidationInfo) -> list[str]:
        if info.data.get("kind") == "command" and not command:
            raise BadValueError(
                'kind = "command" needs one',
                hint="""gradent config set agent.command '["my-agent", "{prompt}"]'""",
                beside="kind",
            )
        if command and not command[0].strip():
            raise BadValueError("its first text is the program and must not be empty")
        return command

    @field_validator("callable")
    @classmethod
    def _names_a_function(cls, callable: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("kind") == "callable" and callable is None:
            raise BadValueError(
                'kind = "callable" needs one',
                hint="gradent config set agent.callable package.module:function",
                beside="kind",
            )
        return callable

    @field_validator("env")
    @classmethod
    def _has_usable_names(cls, env: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name in env:
            if not name or "=" in name or "\0" in name:
                raise BadValueError(f"{name!r} cannot be the name of an environment variable")
        return env


def _api(text: str) -> str:
    """The address that a server gives for its API, such as `http://localhost:11434/v1`."""
    url = url_of(text, ("http", "https"))
    if "@" in url.netloc:
        raise BadValueError("must not hold a user name or password", hint="gradent config set llm.api_key -")
    if url.query or url.fragment:
        raise BadValueError("must be an address without ? and #")
    if url.path.rstrip("/").endswith("/chat/completions"):
        raise BadValueError("must end before /chat/completions, as that is added")
    return text


Money = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class LlmSettings(Table):
    """The language model that drives the study tools, and what it may spend.

    Limits are those of one run, but for `max_cost_usd_per_day`. Money is in US dollars, prices are for a million
    tokens; `max_tokens` counts input and output.
    """

    base_url: Annotated[str, AfterValidator(_api)] | None = None
    model: str | None = None
    api_key: Secret | None = None
    max_requests: Annotated[int, Field(ge=1, le=1000)] = 20
    max_tool_calls: Annotated[int, Field(ge=1, le=1000)] = 50
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000_000)] = 200_000
    max_cost_usd: Money | None = None
    max_cost_usd_per_day: Money | None = None
    input_price: Price | None = None
    output_price: Price | None = Field(default=None, validate_default=True)

    @field_validator("model")
    @classmethod
    def _says_whose_it_is(cls, model: str, info: ValidationInfo) -> str:
        """`provider:name`, or as the server at `base_url` calls it."""
        if not model.strip() or not model.isprintable():
            raise BadValueError("must be a name on one line")
        provider, _, name = model.partition(":")
        if info.data.get("base_url", "") is None and not (provider and name):
            raise BadValueError(
                f'{quoted(model)} names no provider; write it as "openai:gpt-5-mini"',
                hint="for a server of your own, first: gradent config set llm.base_url URL",
            )
        return model

    @field_validator("api_key")
    @classmethod
    def _can_be_sent(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        url = urlsplit(info.data.get("base_url") or "")
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            raise BadValueError("needs a base_url that begins with https://, as it would be readable on the way")
        return bearer(key)

    @field_validator("output_price")
    @classmethod
    def _is_one_of_a_pair(cls, output_price: float | None, info: ValidationInfo) -> float | None:
        input_price = info.data.get("input_price", output_price)
        if (input_price is None) != (output_price is None):
            raise BadValueError(
                "input_price and output_price need each other",
                hint="gradent config set llm.input_price 0.25 llm.output_price 2",
                beside="input_price",
            )
        return output_price


class HistorySettings(Table):
    """How much of the past is kept: what is beyond either limit goes."""

    max_runs: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    max_age: Duration = timedelta(days=365)


class Settings(BaseSettings):
    """Every value, checked. What it is made from is handed in; beside that it looks only at what is installed."""

    model_config = SettingsConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    enabled: bool = True
    frequency: str = "1hour"
    at: TimeOfDay = time()
    state_dir: FilePath | None = None
    agent: AgentSettings = AgentSettings()
    notify: NotifySettings = NotifySettings()
    ntfy: NtfySettings = NtfySettings()
    discord: DiscordSettings = DiscordSettings()
    apprise: AppriseSettings = AppriseSettings()
    webhook: WebhookSettings = WebhookSettings()
    healthchecks: HealthchecksSettings = HealthchecksSettings()
    history: HistorySettings = HistorySettings()
    study: StudySettings = StudySettings()
    llm: LlmSettings = LlmSettings()

    @field_validator("llm")
    @classmethod
    def _names_a_model(cls, llm: LlmSettings, info: ValidationInfo) -> LlmSettings:
        agent = info.data.get("agent")
        if agent is not None and agent.kind == "llm" and llm.model is None:
            raise BadValueError(
                'agent.kind = "llm" needs one',
                hint="gradent config set llm.model ollama:qwen3:8b",
                beside="agent.kind",
                missing="model",
            )
        return llm

    @field_validator("frequency")
    @classmethod
    def _is_a_schedule(cls, value: str) -> str:
        frequency.cron_expression(value, time())
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  pydantic-settings calls with these names
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what it is called with."""
        return (init_settings,)
