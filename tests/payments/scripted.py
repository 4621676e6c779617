"""A provider that answers what a test wrote down, whatever it is asked."""

import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Line:
    """One answer. A body that is not bytes is sent as JSON; `hangs_up`: the connection is closed instead."""

    status: int = 200
    body: object = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs_up: bool = False


TOKEN = Line(body={"access_token": "token", "expires_in": 3600})


class Scripted:
    """`with Scripted(TOKEN, Line(500)) as provider:` gives these answers in order; `asked` is what came: method and path."""

    def __init__(self, *lines: Line) -> None:
        self.lines = deque(lines)
        self.asked: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.bodies: list[bytes] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(script: Scripted) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script.asked.append(f"{self.command} {self.path}")
            script.headers.append(dict(self.headers))
            script.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            line = script.lines.popleft()
            if line.hangs_up:
                self.close_connection = True
                return
            body = line.body if isinstance(line.body, bytes) else json.dumps(line.body).encode()
            self.send_response(line.status)
            for name, value in {"Content-Length": str(len(body)), **line.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the base class's name

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """A test reads what was asked from `asked`."""

    return Handler
