"""The load: many connections that are kept alive, each sending its next request as soon as the last was answered."""

import re
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from phones.handset import Form
from tests.bench.measure import Wrong

ANSWER_SECONDS = 20
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hop:
    """One request as bytes, and how the body of its answer must begin."""

    request: bytes
    begins: bytes


def hop(form: Form, begins: str) -> Hop:
    """A provider's form as it goes over the line."""
    body = urlencode(form.fields).encode()
    headers = {
        "Host": "127.0.0.1",
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": str(len(body)),
        **form.headers,
    }
    lines = [f"POST {form.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return Hop("\r\n".join([*lines, "", ""]).encode() + body, begins.encode())


def play(port: int, lines: Sequence[Sequence[Hop]]) -> float:
    """Play every line of hops over a connection of its own, all of them at once; the seconds it took.

    Raises Wrong for any answer but a 200 that begins as it must.
    """
    with selectors.DefaultSelector() as waiting:
        players = [_Player(port, line) for line in lines]
        begun = time.perf_counter()
        for player in players:
            waiting.register(player.connection, selectors.EVENT_READ, player)
            player.send()
        while waiting.get_map():
            ready = waiting.select(ANSWER_SECONDS)
            if not ready:
                raise Wrong("no answer")
            for key, _ in ready:
                if key.data.ended():
                    waiting.unregister(key.fileobj)
                    key.data.connection.close()
        return time.perf_counter() - begun


class _Player:
    """One connection and how far it has come."""

    def __init__(self, port: int, line: Sequence[Hop]) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._line = line
        self._at = 0
        self._heard = b""

    def send(self) -> None:
        self.connection.sendall(self._line[self._at].request)

    def ended(self) -> bool:
        """Take in what has come; send the next request when that was a whole answer. Whether it was the last one."""
        more = self.connection.recv(65536)
        self._heard += more
        head, end_of_head, body = self._heard.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not more or (end_of_head and not length):
            raise Wrong(f"not an answer: {self._heard!r}")
        if not length or len(body) < int(length[1]):
            return False
        if not head.startswith(b"HTTP/1.1 200") or not body.startswith(self._line[self._at].begins):
            raise Wrong(f"{self._line[self._at]} was answered {self._heard!r}")
        self._heard = b""
        self._at += 1
        if self._at == len(self._line):
            return True
        self.send()
        return False
