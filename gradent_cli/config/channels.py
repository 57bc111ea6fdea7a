"""The tables that say what is told, when, and where to: `[notify]` and one for each channel."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator

from gradent_cli.config.values import BadValueError, Duration, Secret, Table, bearer, hours_range, secure_url, url_of
from gradent_cli.records import EVENTS

if TYPE_CHECKING:
    from gradent_cli.records import Event
else:
    Event = Literal[EVENTS]  # the one in `records` says nothing to pydantic


def _quiet_hours(text: str) -> str:
    hours = hours_range(text)
    if hours == "00:00-24:00":
        raise BadValueError("would hold every message for ever", hint="gradent config set notify.events ''")
    return hours


class NotifySettings(Table):
    """What is worth a message, and when."""

    events: list[Event] = Field(default=list(EVENTS))
    when: Literal["always", "changed", "failed"] = "always"
    quiet_hours: Annotated[str, AfterValidator(_quiet_hours)] | None = None
    quiet_failures: bool = False
    remind_every: Duration = timedelta(hours=24)
    max_per_day: Annotated[int, Field(ge=1, le=100_000)] = 200


_RESERVED_TOPICS = frozenset(
    ("account", "app", "docs", "file", "login", "metrics", "settings", "signup", "static", "v1")
)


class NtfySettings(Table):
    """Where ntfy messages go. The topic's name is all that keeps others from reading them."""

    topic: str | None = None
    server: str = "https://ntfy.sh"
    token: Secret | None = None

    @field_validator("topic")
    @classmethod
    def _is_a_topic(cls, topic: str) -> str:
        """As ntfy 2.11 has it in `server/server.go` (https://github.com/binwiederhier/ntfy)."""
        if re.fullmatch(r"[-_A-Za-z0-9]{1,64}", topic) is None:
            raise BadValueError(
                "must be 1 to 64 letters, digits, - and _ (the part after the last slash of its address)"
            )
        if topic in _RESERVED_TOPICS:
            raise BadValueError(f"ntfy keeps {topic!r} for itself; choose another name")
        return topic

    @field_validator("server")
    @classmethod
    def _is_a_root(cls, server: str) -> str:
        url = url_of(server, ("http", "https"))
        if "@" in url.netloc:
            raise BadValueError("must not hold a user name or password", hint="gradent config set --ntfy-token -")
        if url.path not in ("", "/") or url.query or url.fragment:
            raise BadValueError("must be the server alone, with nothing after its name; the topic has a key of its own")
        return server.rstrip("/")

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr) -> SecretStr:
        return bearer(token)


class DiscordSettings(Table):
    """The webhook of a Discord channel."""

    webhook: Secret | None = None
    username: str | None = None

    @field_validator("webhook")
    @classmethod
    def _is_a_webhook(cls, webhook: SecretStr) -> SecretStr:
        url = secure_url(webhook.get_secret_value())
        if re.fullmatch(r"/api(/v\d+)?/webhooks/\d+/[-.\w]+/?", url.path, re.ASCII) is None:
            raise BadValueError(
                "must look like https://discord.com/api/webhooks/ID/TOKEN",
                hint="copy it in Discord: channel settings, Integrations, Webhooks, Copy Webhook URL",
            )
        return webhook

    @field_validator("username")
    @classmethod
    def _is_accepted(cls, username: str) -> str:
        """https://discord.com/developers/docs/resources/user#usernames-and-nicknames."""
        if not 1 <= len(username.strip()) <= 80 or re.search("clyde|discord", username, re.IGNORECASE):
            raise BadValueError("must be 1 to 80 characters, without 'clyde' or 'discord' in it")
        return username


class AppriseSettings(Table):
    """Any service that Apprise knows; each URL is a channel of its own."""

    urls: list[Secret] = Field(default=[])

    @field_validator("urls")
    @classmethod
    def _are_urls(cls, urls: list[SecretStr]) -> list[SecretStr]:
        """What comes after the scheme is for Apprise to judge, which is an extra and imported only to send."""
        for number, url in enumerate(urls, 1):
            text = url.get_secret_value()
            if re.match(r"[A-Za-z][A-Za-z0-9]*://", text) is None or not text.isprintable() or " " in text:
                which = f"entry {number} " if len(urls) > 1 else ""
                raise BadValueError(
                    f"{which}must be a URL that Apprise knows, such as mailto://...",
                    hint="https://github.com/caronc/apprise/wiki",
                )
        return urls


class WebhookSettings(Table):
    """An address that takes each message as JSON."""

    url: Secret | None = None

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, url: SecretStr) -> SecretStr:
        url_of(url.get_secret_value(), ("http", "https"))  # what listens at home often has no certificate
        return url


class HealthchecksSettings(Table):
    """A check at Healthchecks or a service like it: the base URL, to which `/start` and `/fail` are added."""

    ping_url: Secret | None = None

    @field_validator("ping_url")
    @classmethod
    def _is_a_check(cls, ping_url: SecretStr) -> SecretStr:
        path = url_of(ping_url.get_secret_value(), ("http", "https")).path.rstrip("/")
        if not path:
            raise BadValueError("must be the ping URL of one check, such as https://hc-ping.com/UUID")
        if re.search(r"/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/(start|fail|log|\d+)$", path, re.IGNORECASE):
            raise BadValueError("must be the check's ping URL alone, as gradent adds /start, /fail and exit codes")
        return ping_url
