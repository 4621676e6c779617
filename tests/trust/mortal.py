"""The product in processes that die on command: `python -m tests.trust.mortal` makes them, `Mortals` speaks with it.

The script has everything imported and waits for orders, one a line; for each it forks a process that runs the real web
application or the real worker, so that a hundred lives cost no more than a hundred forks. The product has
no hooks for this: boundaries are seen by wrapping, from outside, the driver's COMMIT, the save of a place in Redis,
and the hand-over of a text to a provider. A process that was told to die at the n-th boundary kills itself there with
SIGKILL: nothing is flushed, closed or said.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from logging import ERROR, getLogger
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
import twilio.rest.api.v2010  # noqa: F401 - half a second at the first send: taken here, once, before the forks
from flask import Flask, request
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from werkzeug.serving import make_server

from bot.app import build_services, build_worker, create_app
from bot.channels.twilio import Twilio
from bot.chores import Chores
from bot.config import Settings
from bot.worker import Worker
from storage.conversations import Conversations
from storage.roles import Role

ROOT = Path(__file__).parents[2]


@dataclass
class Boundaries:
    """The boundaries passed since they were armed, by name; at the `die_at`-th the process ends (0: it lives)."""

    armed: bool = False
    die_at: int = 0

    def __post_init__(self) -> None:
        self.passed: list[str] = []

    def arm(self, die_at: int) -> None:
        self.passed, self.die_at, self.armed = [], die_at, True

    def reach(self, name: str) -> None:
        if self.armed:
            self.passed.append(name)
            if len(self.passed) == self.die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: type, method: str, *, before: str = "", after: str = "") -> None:
        """Make a method of a class a boundary."""
        inner: Callable[..., Any] = getattr(owner, method)

        @wraps(inner)
        def outer(*arguments: Any, **named: Any) -> Any:
            if before:
                self.reach(before)
            result = inner(*arguments, **named)
            if after:
                self.reach(after)
            return result

        setattr(owner, method, outer)


def _answer(**facts: Any) -> None:
    os.write(_ANSWERS, json.dumps(facts).encode() + b"\n")


def _with_doors(app: Flask, boundaries: Boundaries) -> Flask:
    """The web application with two doors more: to arm the boundaries and to ask for them."""

    @app.post("/arm")
    def arm() -> str:
        boundaries.arm(int(request.form["die_at"]))
        return ""

    @app.get("/passed")
    def passed() -> list[str]:
        return boundaries.passed

    return app


def _serve(app: Flask) -> None:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    _answer(pid=os.getpid(), port=server.server_port)
    server.serve_forever()


def _work(worker: Worker, chores: Chores, boundaries: Boundaries, die_at: int) -> None:
    """The chores once, then the worker until nothing is due."""
    boundaries.arm(die_at)
    chores()
    while worker.run_once():
        pass
    _answer(passed=boundaries.passed)


def main() -> None:
    """Fork a life for each order; say how it ended. What opens no connection is built once, before."""
    settings = Settings.model_validate_json(sys.argv[1])
    boundaries = Boundaries()
    boundaries.around(PGDialect_psycopg, "do_commit", before="before commit", after="after commit")
    boundaries.around(Conversations, "save", after="place saved")
    boundaries.around(Twilio, "send", before="before sending", after="taken by the provider")
    services = build_services(settings)
    getLogger("werkzeug").setLevel(ERROR)
    app = _with_doors(create_app(settings, services), boundaries)
    worker = build_worker(settings)
    chores = Chores(
        services.database.as_role(Role.WORKER), services.talk.rules, conversation_seconds=settings.conversation_seconds
    )
    for order in sys.stdin:
        pid = os.fork()
        if pid == 0:
            if order == "web\n":
                _serve(app)
            _work(worker, chores, boundaries, int(order))
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        _answer(ended=status)


class Mortals:
    """`with Mortals(...) as mortals:` gives one life at a time, of the web application or of the worker."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.model_dump_json(include=settings.model_fields_set)
        self._pid = 0
        self._base = ""

    def __enter__(self) -> Self:
        self._maker = subprocess.Popen(
            [sys.executable, "-m", "tests.trust.mortal", self._settings],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        with self._maker:
            assert self._maker.stdin is not None
            self._maker.stdin.close()

    def serve(self) -> str:
        """A living web application; its address. The one before it ends."""
        self.end()
        self._order("web")
        answer = self._hear()
        self._pid, self._base = answer["pid"], f"http://127.0.0.1:{answer['port']}"
        return self._base

    def arm(self, die_at: int) -> None:
        """From now on boundaries count, and at the `die_at`-th (from 1; 0: never) the web application dies."""
        requests.post(f"{self._base}/arm", data={"die_at": die_at}, timeout=10).raise_for_status()

    def passed(self) -> list[str]:
        """The boundaries that the living web application passed since it was armed."""
        names: list[str] = requests.get(f"{self._base}/passed", timeout=10).json()
        return names

    def died(self) -> bool:
        """Wait for the web application's end; whether it was by SIGKILL."""
        self._pid = 0
        return self._killed(self._hear())

    def work(self, die_at: int = 0) -> list[str] | None:
        """The life of one worker: the boundaries it passed, or None when it was killed at the `die_at`-th."""
        self._order(str(die_at))
        answer = self._hear()
        if "ended" in answer:
            assert self._killed(answer), answer
            return None
        assert self._hear() == {"ended": 0}
        passed: list[str] = answer["passed"]
        return passed

    def end(self) -> None:
        """End the living web application, if there is one."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            assert self.died()

    def _order(self, order: str) -> None:
        assert self._maker.stdin is not None
        self._maker.stdin.write(f"{order}\n".encode())
        self._maker.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self._maker.stdout is not None
        answer: dict[str, Any] = json.loads(self._maker.stdout.readline())
        return answer

    @staticmethod
    def _killed(answer: dict[str, Any]) -> bool:
        return os.WIFSIGNALED(answer["ended"]) and os.WTERMSIG(answer["ended"]) == signal.SIGKILL


if __name__ == "__main__":
    _ANSWERS = os.dup(1)
    os.dup2(2, 1)  # what the product prints is no answer
    main()
