"""A mail server on a port of its own, that checks what it is given and can be told to misbehave."""

import asyncio
import email
import email.policy
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

LOGIN = ("giftline", "pass word/1")


@dataclass(frozen=True, slots=True)
class TakenMail:
    """A mail that the server took: its envelope and what was in it. `encrypted`: it came by TLS."""

    sender: str
    to: str
    mail: EmailMessage
    encrypted: bool


class FakeMailServer:
    """`with FakeMailServer() as server:` takes every mail for `server.url`.

    `answers` are given instead of its own to MAIL, RCPT, DATA (before the mail) and END (after it). After `loses` (one of
    these) the line is cut; `drips` lets it speak a letter every 50 ms without end. With `tls` it offers STARTTLS and wants
    LOGIN.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.taken: list[TakenMail] = []
        self.answers: Mapping[str, str] = {}
        self.loses = ""
        self.drips = False
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._controller = _Controller(self, tls, self.port)
        login = f"{LOGIN[0]}:pass%20word%2F1@" if tls else ""
        self.url = f"smtp://{login}localhost:{self.port}"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()

    # What aiosmtpd asks -----------------------------------------------------------------------------------------------
    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await self._says(server, "MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return await self._says(server, "RCPT", "250 OK")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes) and isinstance(envelope.mail_from, str)
        answer = self.answers.get("END", "250 OK")
        if answer.startswith("2"):
            mail = email.message_from_bytes(content, policy=email.policy.SMTP)
            assert isinstance(mail, EmailMessage)
            self.taken.append(TakenMail(envelope.mail_from, envelope.rcpt_tos[0], mail, session.ssl is not None))
        return await self._says(server, "END", answer)

    async def _says(self, server: Any, when: str, usual: str) -> str:
        if self.drips:
            while True:
                await server.push("250-still here")
                await asyncio.sleep(0.05)
        if self.loses == when:
            server.transport.abort()
        return self.answers.get(when, usual)


class _Server(SMTP):
    """aiosmtpd has no hook for the answer to DATA itself."""

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        fake: FakeMailServer = self.event_handler
        if fake.loses == "DATA":
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.abort()
        elif "DATA" in fake.answers:
            await self.push(fake.answers["DATA"])
        else:
            await super().smtp_DATA(arg)


class _Controller(Controller):
    def __init__(self, fake: FakeMailServer, tls: ssl.SSLContext | None, port: int) -> None:
        self._tls = tls
        super().__init__(fake, hostname="127.0.0.1", port=port)

    def factory(self) -> SMTP:
        tls = self._tls
        return _Server(
            self.handler,
            tls_context=tls,
            require_starttls=tls is not None,
            auth_required=tls is not None,
            authenticator=_authenticate,
            decode_data=False,
        )


def _authenticate(*words: Any) -> AuthResult:
    given = words[-1]
    right = isinstance(given, LoginPassword) and (given.login.decode(), given.password.decode()) == LOGIN
    return AuthResult(success=right, handled=False)
