"""E-mail out: one mail by SMTP, in plain words and in HTML, with its pictures in it and its sounds attached.

Sources: RFC 5321 (SMTP), 3463 (status codes), 3207 (STARTTLS), 3834 (Auto-Submitted), 2392 (cid), 8058 (one-click unsubscribe).
"""

import html
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP as LINES
from email.utils import localtime
from ipaddress import ip_address
from typing import TypeVar, cast
from urllib.parse import unquote, urlsplit

from bot.channels import CONNECT_SECONDS, READ_SECONDS, SEND_SECONDS
from bot.channels.mail_addresses import MailAddresses
from bot.messages import Enclosed, Outbound, SendFailed, Sent
from circulation.delivery_codes import SMTP, Action
from circulation.email_address import Email

NAME = "smtp"
SENDER = "Giftline"
LONGEST_SUBJECT = 120
FILES = {"card": "card", "barcode": "barcode", "sound": "sound"}
SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "audio/mpeg": "mp3"}

Answer = TypeVar("Answer")

_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}\b")
_LINK = re.compile(r"https?://[^\s<>\"]+")


class Smtp:
    """The mail server that the settings name. Safe to use from several threads: each mail has a connection of its own.

    Raises ValueError for a URL that is none of `smtp://` and `smtps://`.
    """

    name = NAME

    def __init__(self, url: str, addresses: MailAddresses) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("SMTP_URL must begin with smtp:// or smtps://")
        self._tls_at_once = parts.scheme == "smtps"
        self._host = parts.hostname
        self._port = parts.port or (465 if self._tls_at_once else 587)
        self._login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._addresses = addresses

    def send(self, message: Outbound) -> Sent:
        """Hand one mail to the server. Raises SendFailed; the reason never quotes the server, whose words name the mailbox."""
        mail = written(message, self._addresses).as_bytes(policy=LINES)
        assert isinstance(message.to, Email), "only e-mail goes by this channel"
        with self._connected() as server:
            _taken(*_asked(lambda: server.mail(self._addresses.bounces(message.id))), ours=True)
            _taken(*_asked(lambda: server.rcpt(cast(Email, message.to).address)))
            _taken(*_asked(lambda: server.docmd("DATA")), good=354)
            try:
                server.send(re.sub(rb"(?m)^\.", b"..", mail) + b".\r\n")
                code, words = server.getreply()
            except (OSError, smtplib.SMTPException) as lost:
                raise SendFailed("unknown", type(lost).__name__) from None
            _taken(code, words)
            with suppress(OSError, smtplib.SMTPException):  # it has the mail, whatever it says of leaving
                server.quit()
        return Sent(self._addresses.message_id(message.id))

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """A connection, encrypted and logged in, that ends after SEND_SECONDS however slowly the server speaks."""
        server = _asked(self._open)
        end = threading.Timer(SEND_SECONDS - CONNECT_SECONDS, _cut, [server])
        end.daemon = True
        end.start()
        try:
            _asked(lambda: self._prepare(server))
            yield server
        finally:
            end.cancel()
            server.close()

    def _open(self) -> smtplib.SMTP:
        ours = self._addresses.domain  # else it would look its own name up
        if self._tls_at_once:
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, ours, timeout=CONNECT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(self._host, self._port, ours, timeout=CONNECT_SECONDS)
        if server.sock is not None:
            server.sock.settimeout(READ_SECONDS)
        return server

    def _prepare(self, server: smtplib.SMTP) -> None:
        server.ehlo_or_helo_if_needed()
        if not self._tls_at_once:
            if server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
            elif not _is_loopback(self._host):
                raise SendFailed("alarm", "no_starttls")
        if self._login:
            server.login(*self._login)


def written(message: Outbound, addresses: MailAddresses) -> EmailMessage:
    """The mail that a message becomes. Its first line is the subject. Nothing anybody typed can become a header."""
    mail = EmailMessage(policy=LINES)
    subject = " ".join(message.text.splitlines()[0].split())[:LONGEST_SUBJECT] if message.text else SENDER
    assert isinstance(message.to, Email), "only e-mail goes by this channel"
    mail["From"] = Address(SENDER, addr_spec=addresses.sender)
    mail["To"] = Address(addr_spec=message.to.address)
    mail["Subject"] = subject
    mail["Date"] = localtime()
    mail["Message-ID"] = addresses.message_id(message.id)
    mail["Auto-Submitted"] = "auto-generated"
    page = next((one.link for one in message.enclosed if one.kind == "page"), "")
    by_mail = f"<mailto:{addresses.unsubscribes(message.id)}>"
    mail["List-Unsubscribe"] = f"{by_mail}, <{page}/no-more>" if page else by_mail
    if page.startswith("https://"):
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(message.text)
    carried = [one for one in message.enclosed if one.body]
    seen = [(f"{place}.{addresses.message_id(message.id)[1:-1]}", one) for place, one in enumerate(carried)]
    pictures = [(cid, one) for cid, one in seen if one.mime.startswith("image/")]
    mail.add_alternative(_page(message.text, [cid for cid, _ in pictures]), subtype="html")
    page_part = cast("list[MIMEPart]", mail.get_payload())[1]
    for cid, one in pictures:
        kind, _, subtype = one.mime.partition("/")
        page_part.add_related(one.body, kind, subtype, cid=f"<{cid}>", filename=_file(one), disposition="inline")
    for one in carried:
        if not one.mime.startswith("image/"):
            kind, _, subtype = one.mime.partition("/")
            mail.add_attachment(one.body, kind, subtype, filename=_file(one))
    return mail


def _page(text: str, pictures: list[str]) -> str:
    """The words as HTML: a paragraph for each, what is a link to be pressed, the pictures below the first."""
    first, *rest = [f"<p>{_linked(words)}</p>" for words in text.split("\n\n") if words.strip()] or ["<p></p>"]
    shown = [f'<p><img src="cid:{cid}" alt="" style="max-width:100%"></p>' for cid in pictures]
    body = "\n".join([first, *shown, *rest])
    return f'<!doctype html>\n<html><head><meta charset="utf-8"></head><body>\n{body}\n</body></html>\n'


def _linked(words: str) -> str:
    """Escaped, its own links made to be pressed. Notes hold no links (`bot.parsing.note`)."""
    return _LINK.sub(lambda link: f'<a href="{link[0]}">{link[0]}</a>', html.escape(words))


def _file(one: Enclosed) -> str:
    return f"{FILES.get(one.kind, 'file')}.{SUFFIXES.get(one.mime, 'bin')}"


def _asked(ask: Callable[[], Answer]) -> Answer:
    """What the server answers, before it has got any of the mail. Raises SendFailed."""
    try:
        return ask()
    except smtplib.SMTPAuthenticationError as refused:
        raise SendFailed("alarm", str(refused.smtp_code)) from None
    except smtplib.SMTPResponseException as refused:
        raise _refusal(refused.smtp_code, refused.smtp_error) from None
    except ssl.SSLCertVerificationError:
        raise SendFailed("alarm", "certificate") from None
    except smtplib.SMTPNotSupportedError:
        raise SendFailed("alarm", "not_supported") from None
    except (OSError, smtplib.SMTPException) as lost:
        raise SendFailed("later", type(lost).__name__) from None


def _taken(code: int, words: bytes, *, good: int = 250, ours: bool = False) -> None:
    """Raises SendFailed unless the server agreed. `ours`: what it refuses is our own address."""
    if code == good or (good == 250 and code == 251):
        return
    refused = _refusal(code, words)
    if ours and code >= 500:
        refused = SendFailed("alarm", refused.code)
    raise refused


def _refusal(code: int, words: bytes | str) -> SendFailed:
    said = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    status = _STATUS.match(said.strip())
    by_class: Action = "later" if code < 500 else "never"
    action = (status and SMTP.get(status[0])) or SMTP.get(str(code)) or by_class
    if code < 500 and action == "never":
        action = "later"  # its own first digit says that it may yet be taken
    return SendFailed(action, status[0] if status else str(code))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cut(server: smtplib.SMTP) -> None:
    """End a connection that another thread waits on."""
    with suppress(OSError):
        if server.sock is not None:
            server.sock.shutdown(socket.SHUT_RDWR)
