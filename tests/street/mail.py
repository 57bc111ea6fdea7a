"""A real mail server on loopback (aiosmtpd) that keeps what it gets."""

from asyncio.base_events import Server
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope


@dataclass
class Mail:
    """`messages` is what a person finds in their inbox, `recipients` whom the envelopes named.

    With a `password` it refuses any other that it is told, whoever the user; `answer` is what it says to a mail.
    """

    password: str | None = None
    answer: str = "250 OK"
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    port: int = 0

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        given = getattr(data, "password", b"").decode()
        return AuthResult(success=given == self.password, handled=False)

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        if self.answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            message = message_from_bytes(content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.messages.append(message)
            self.recipients += envelope.rcpt_tos
        return self.answer


class _Controller(Controller):
    """On whichever port is free."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mailbox(*, password: str | None = None) -> Iterator[Mail]:
    mail = Mail(password=password)
    secured: dict[str, Any] = {"authenticator": mail.authenticate, "auth_require_tls": False}
    controller = _Controller(mail, hostname="127.0.0.1", port=0, **(secured if password else {}))
    controller.start()
    mail.port = controller.port
    try:
        yield mail
    finally:
        controller.stop()
