"""The fake operator of phones/subscribers.py on a port of its own: tests say whose phones it knows and what goes wrong."""

import threading
from types import TracebackType
from typing import Self

from flask import Flask
from werkzeug.serving import make_server

from bot.subscribers import SubscriberLookup
from phones.subscribers import CLIENT_ID, CLIENT_SECRET, Fault, blueprint


class FakeSubscribers:
    """`with FakeSubscribers() as network:` answers at `network.url` of the `known` names, with `faults` by number."""

    def __init__(self, *, slow_seconds: float = 5.0) -> None:
        self.known: dict[str, str] = {}
        self.faults: dict[str, Fault] = {}
        app = Flask("subscribers")
        app.register_blueprint(blueprint(self.known, self.faults, slow_seconds=slow_seconds))
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        # looks for its end that often
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/subscribers"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def lookup(self, secret: str = CLIENT_SECRET, *, timeout_seconds: float = 3.0) -> SubscriberLookup:
        """The product's client of it."""
        return SubscriberLookup(self.url, CLIENT_ID, secret, timeout_seconds=timeout_seconds)
