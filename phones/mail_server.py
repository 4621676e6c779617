"""A mail server on this machine that takes every mail and shows it at /phones/mail: `python -m phones.mail_server`.

It speaks as much of SMTP (RFC 5321) as a client needs that sends mail: no TLS, no login, nothing is passed on.
"""

import logging
import re
import signal
import socketserver
import sys
from collections.abc import Callable
from types import FrameType
from urllib.parse import urlsplit

import redis

from bot import servers
from bot.config import Settings
from phones.airwaves import Airwaves

LARGEST = 10_000_000
"""Bytes of a mail."""
LONGEST_LINE = 1_002
"""Bytes of a line, its end included (4.5.3.1.6)."""
SILENCE_SECONDS = 60

_PATH = re.compile(r"<[^<>\s]+>")

log = logging.getLogger(__name__)


def played(settings: Settings) -> bool:
    """Whether mail goes to the server that is played here."""
    return settings.development and settings.smtp_url.get_secret_value() == settings.fake_smtp_url


class Conversation(socketserver.StreamRequestHandler):
    """What one client sends. The server knows where to put it."""

    timeout = SILENCE_SECONDS
    server: "MailServer"

    def handle(self) -> None:
        """Answer until the client says QUIT or nothing more."""
        self._sender = self._recipient = ""
        self._say("220 Giftline's mail server for development")
        try:
            while (line := self.rfile.readline(LONGEST_LINE)) and self._answer(line.decode("utf-8", "replace").strip()):
                pass
        except OSError as lost:
            log.info("a mail client was lost: %s", type(lost).__name__)

    def _answer(self, line: str) -> bool:
        """Whether the conversation goes on."""
        verb = line.partition(" ")[0].upper()
        match verb:
            case "EHLO":
                self._say(f"250-localhost\r\n250-8BITMIME\r\n250 SIZE {LARGEST}")
            case "HELO" | "NOOP":
                self._say("250 OK")
            case "RSET":
                self._sender = self._recipient = ""
                self._say("250 OK")
            case "MAIL" | "RCPT":
                self._say(self._name(verb, line))
            case "DATA":
                self._say(self._data())
            case "QUIT":
                self._say("221 Bye")
            case _:
                self._say("502 Not known here")
        return verb != "QUIT"

    def _name(self, verb: str, line: str) -> str:
        path = _PATH.search(line)
        if path is None:
            return "501 An address in <> is needed"
        if verb == "MAIL":
            self._sender = path[0]
        elif not self._sender:
            return "503 MAIL comes first"
        else:
            self._recipient = path[0]
        return "250 OK"

    def _data(self) -> str:
        if not self._recipient:
            return "503 RCPT comes first"
        self._say("354 Go on; a dot alone ends it")
        mail = bytearray()
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return "451 The mail has no end"
            if len(mail) <= LARGEST:
                mail += line[1:] if line.startswith(b".") else line
        self._sender = self._recipient = ""
        if len(mail) > LARGEST:
            return "552 That mail is too large"
        try:
            self.server.take(bytes(mail))
        except redis.RedisError:
            return "451 There is nowhere to put it"
        return "250 OK"

    def _say(self, answer: str) -> None:
        self.wfile.write(f"{answer}\r\n".encode())


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mail at a port of this machine (0: any that is free) and hands each to `take`, which may raise RedisError."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, take: Callable[[bytes], None]) -> None:
        super().__init__(("127.0.0.1", port), Conversation)
        self.take = take


def main() -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    settings = Settings.load()
    airwaves = Airwaves(redis.Redis.from_url(settings.redis_url))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    with MailServer(urlsplit(settings.fake_smtp_url).port or 0, airwaves.post) as server:
        server.serve_forever()
    return 0


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(servers.or_say_why(main))
