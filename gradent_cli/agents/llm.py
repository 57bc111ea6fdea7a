"""A language model as an agent, with the study tools in its hands.

It is spoken with in a Python process of its own (`agents.round`), so that the library for that is imported there alone,
and whatever hangs in it ends with its run. Here is what the run itself has to know of it.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from gradent_cli.agents import RunContext
from gradent_cli.agents.command import CommandAgent
from gradent_cli.errors import ConfigError, UnavailableError
from gradent_cli.records import Report
from gradent_cli.web import WebError, reach

if TYPE_CHECKING:
    from genai_prices import Usage as OneUse
    from pydantic_ai.usage import RequestUsage

    from gradent_cli.config import LlmSettings

_REACH_SECONDS = 5.0
_OLLAMA = "http://localhost:11434/v1"
"""Where Ollama listens (https://docs.ollama.com/api/openai-compatibility)."""


class _Provider(NamedTuple):
    """The variables of which one has its key, and the package that speaks with it."""

    keys: tuple[str, ...]
    package: str = "openai"


_PROVIDERS: Mapping[str, _Provider] = {
    "openai": _Provider(("OPENAI_API_KEY",)),
    "openai-chat": _Provider(("OPENAI_API_KEY",)),
    "openai-responses": _Provider(("OPENAI_API_KEY",)),
    "openrouter": _Provider(("OPENROUTER_API_KEY",)),
    "deepseek": _Provider(("DEEPSEEK_API_KEY",)),
    "ollama": _Provider(()),
    "anthropic": _Provider(("ANTHROPIC_API_KEY",), "anthropic"),
    "google": _Provider(("GOOGLE_API_KEY", "GEMINI_API_KEY"), "google.genai"),
    "groq": _Provider(("GROQ_API_KEY",), "groq"),
    "mistral": _Provider(("MISTRAL_API_KEY",), "mistralai"),
}
"""As pydantic-ai has them (`pydantic_ai/providers`); of the others it is the library that says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the model may use in a run. Money is in US dollars and None where it is not limited.

    `day_cost_usd` is what is allowed from the student's midnight on, of which `spent_today_usd` was spent before.
    """

    requests: int
    tool_calls: int
    tokens: int
    cost_usd: float | None = None
    day_cost_usd: float | None = None
    spent_today_usd: float = 0.0

    @classmethod
    def from_settings(cls, llm: "LlmSettings", *, spent_today: float = 0.0) -> "Limits":
        """What the config's `[llm]` table allows."""
        return cls(
            requests=llm.max_requests,
            tool_calls=llm.max_tool_calls,
            tokens=llm.max_tokens,
            cost_usd=llm.max_cost_usd,
            day_cost_usd=llm.max_cost_usd_per_day,
            spent_today_usd=spent_today,
        )

    @property
    def of_money(self) -> bool:
        return self.cost_usd is not None or self.day_cost_usd is not None

    def day_is_over(self, spent_usd: float = 0.0) -> bool:
        """Whether the day's money is spent, with what this run has cost."""
        return self.day_cost_usd is not None and self.spent_today_usd + spent_usd >= self.day_cost_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Which model, and how it is reached.

    Without `base_url`, `name` is `provider:name`; with it, what the server there calls it. `prices` are US dollars for
    a million tokens, in and out; None leaves them to the list of prices that comes with the library.
    """

    name: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    prices: tuple[float, float] | None = None

    @classmethod
    def from_settings(cls, llm: "LlmSettings") -> "Model":
        """The one that the config's `[llm]` table names."""
        prices = None if llm.input_price is None or llm.output_price is None else (llm.input_price, llm.output_price)
        return cls(
            name=llm.model or "",
            base_url=llm.base_url,
            api_key=None if llm.api_key is None else llm.api_key.get_secret_value(),
            prices=prices,
        )

    @property
    def provider(self) -> str | None:
        return None if self.base_url else self.name.partition(":")[0]

    def address(self, environ: Mapping[str, str]) -> str | None:
        """Where it is reached, if that is for the student to say; None leaves it to the library."""
        return self.base_url or (environ.get("OLLAMA_BASE_URL") or _OLLAMA if self.provider == "ollama" else None)

    def keys_in(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """The variables that hold its key, where it is not in the config."""
        provider = _PROVIDERS.get(self.provider or "")
        if provider is None or self.api_key is not None:
            return ()
        return tuple(name for name in provider.keys if environ.get(name))

    def cost(self, usage: "RequestUsage | OneUse", name: str | None = None) -> float | None:
        """US dollars for so much use, by the name that the provider gives the model; None where no price is known."""
        if self.prices is not None:
            per_input, per_output = self.prices
            return (per_input * float(usage.input_tokens or 0) + per_output * float(usage.output_tokens or 0)) / 1e6
        from genai_prices import calc_price

        own = self.name if self.base_url else self.name.partition(":")[2]
        # By its name alone, a model of one's own could be taken for that of a company.
        whose: dict[str, Any] = {"provider_api_url": self.base_url} if self.base_url else {"provider_id": self.provider}
        for each in filter(None, (name, own)):
            with suppress(LookupError, ValueError):  # no such model, or a use that cannot be
                return float(calc_price(usage, each, **whose).total_price)
        return None

    def preflight(self, environ: Mapping[str, str], *, limited: bool) -> None:
        """Whether the library, the key, the price and the server are there; nothing is asked, so nothing costs.

        Args:
            environ: that of the process which will speak with it.
            limited: money is limited, which only helps where the price is known.

        Raises:
            UnavailableError: a package is not installed, or the server does not answer.
            ConfigError: there is no key, or no price.
        """
        if find_spec("pydantic_ai") is None:
            raise UnavailableError(
                'agent.kind = "llm" needs a package that is not installed', hint="pip install 'gradent-cli[llm]'"
            )
        provider = _PROVIDERS.get(self.provider or "")
        if provider is not None:
            if not _installed(provider.package):
                raise UnavailableError(
                    f"llm.model, {self.name}, needs a package that is not installed",
                    hint=f"pip install 'pydantic-ai-slim[{self.provider}]'",
                )
            if provider.keys and self.api_key is None and not self.keys_in(environ):
                raise ConfigError(
                    f"there is no key for llm.model, {self.name}: llm.api_key is not set, nor {provider.keys[0]}",
                    hint="gradent config set llm.api_key -",
                )
        if limited and not self._has_price():
            raise ConfigError(
                f"the price of llm.model, {self.name}, is not known, so its cost cannot be limited",
                hint="set llm.input_price and llm.output_price: US dollars for a million tokens, 0 if it costs nothing",
            )
        address = self.address(environ)
        if address is not None:
            try:
                reach(address, seconds=_REACH_SECONDS)
            except WebError as error:
                where = "llm.base_url" if self.base_url else "Ollama"
                raise UnavailableError(
                    f"{where}, {address}, cannot be reached: {error}", hint="start the model's server there"
                ) from error

    def _has_price(self) -> bool:
        if self.prices is not None:
            return True
        from genai_prices import Usage

        return self.cost(Usage(input_tokens=1, output_tokens=1)) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmAgent:
    """The model in the process that `process` starts; `sources` says whether there is anything to plan from."""

    model: Model
    limits: Limits
    process: CommandAgent
    sources: bool
    name: str = "llm"

    def preflight(self) -> None:
        """Whether there are assignments, and the model can be spoken with.

        Raises:
            ConfigError: there is no source, no key or no price.
            UnavailableError: a package, the folder or the model's server is not there.
        """
        self.process.preflight()
        if not self.sources:
            from gradent_cli.agents.study.sources import no_source

            raise no_source()
        self.model.preflight(self.process.environ, limited=self.limits.of_money)

    def run(self, context: RunContext) -> Report:
        """As a command."""
        return self.process.run(context)


def time_for_model(time_limit: timedelta) -> timedelta:
    """How much of a run's time the model may take, so that enough is left to plan without it."""
    return time_limit - min(max(timedelta(seconds=30), time_limit / 10), time_limit / 2)


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # not even what it is a part of
        return False
