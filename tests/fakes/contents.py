"""An outside provider of contents, on real HTTP: it serves its list and its pieces, or misbehaves as it is told to."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

DRIP_SECONDS = 0.05


@dataclass(frozen=True)
class Piece:
    """One piece it offers."""

    kind: str
    title: str
    mime: str
    body: bytes


@dataclass
class FakeContents:
    """`pieces` by key are served as agreed. `misbehaves` names, by path, what else is done there."""

    pieces: dict[str, Piece] = field(default_factory=dict)
    misbehaves: dict[str, Callable[["Handler"], None]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """The path and headers of every request."""

    def __enter__(self) -> Self:
        bound = type("Bound", (Handler,), {"contents": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), bound)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def listing(self) -> bytes:
        """Its list, in the agreed shape."""
        offered = [{"key": key, "kind": piece.kind, "title": piece.title} for key, piece in self.pieces.items()]
        return json.dumps({"contents": offered}).encode()


class Handler(BaseHTTPRequestHandler):
    """Answers as the provider it is bound to is told to."""

    contents: FakeContents
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A request for the list, a piece, or trouble."""
        self.contents.asked.append((self.path, dict(self.headers)))
        path = self.path.removeprefix("/v1")
        with suppress(ConnectionError):  # whoever asked had enough of it
            if path in self.contents.misbehaves:
                self.close_connection = True
                self.contents.misbehaves[path](self)
            elif path == "/contents":
                self.say(200, "application/json", self.contents.listing())
            elif piece := self.contents.pieces.get(path.removeprefix("/contents/")):
                self.say(200, piece.mime, piece.body)
            else:
                self.say(404, "application/json", b"{}")

    def say(self, status: int, mime: str, body: bytes, **headers: str) -> None:
        """One whole answer."""
        self.send_response(status)
        for name, value in {"Content-Type": mime, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def drip(self, head: bytes, drop: bytes, pause: Callable[[float], Any]) -> None:
        """`head`, then `drop` again and again for as long as somebody listens, with a pause after each."""
        self.wfile.write(head)
        while True:
            self.wfile.write(drop)
            pause(DRIP_SECONDS)

    def log_message(self, *_: Any) -> None:
        """Tests are quiet."""
