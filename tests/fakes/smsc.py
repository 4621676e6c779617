"""An SMSC in a process of its own: `smsc.js`, on the independent npm package `smpp`, told what to do and asked what it saw."""

import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FOLDER = Path(__file__).parent
SYSTEM_ID, PASSWORD = "giftline", "dev-smpp"
PATIENCE = 15.0
"""Seconds until what should happen has failed to."""

MISSING = (
    ""
    if shutil.which("node") and (FOLDER / "node_modules" / "smpp").is_dir()
    else "needs node, and `npm ci` in tests/fakes"
)


class Smsc:
    """`with Smsc() as smsc:` listens on `smsc.port`. `events` is all it has said so far."""

    def __init__(self, port: int = 0) -> None:
        self._process = subprocess.Popen(
            ["node", str(FOLDER / "smsc.js"), str(port), SYSTEM_ID, PASSWORD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.events: list[dict[str, Any]] = []
        self._come: queue.Queue[dict[str, Any]] = queue.Queue()
        self._tags = self._orders = 0
        threading.Thread(target=self._read, daemon=True).start()
        self.port: int = self.wait("listening")["port"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """It dies, with all its connections."""
        self._process.kill()
        self._process.wait()

    def tell(self, do: str, **facts: Any) -> None:
        """One order; returns when it is obeyed."""
        self._orders += 1
        number = self._orders
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, "order": number, **facts}) + "\n")
        self._process.stdin.flush()
        self.wait("told", lambda one: one["order"] == number)

    def wait(
        self, event: str, fits: Callable[[dict[str, Any]], bool] = lambda _: True, skip: int = 0
    ) -> dict[str, Any]:
        """The next event of a kind that fits; `skip`: so many that came before do not count."""
        at = skip
        while True:
            while at < len(self.events):
                one = self.events[at]
                if one["event"] == event and fits(one):
                    return one
                at += 1
            self._read_one(event)

    def deliver(self, body: bytes, *, sender: str = "254712345678", **fields: Any) -> int:
        """Deliver a text, or a hop, and return our answer's status."""
        tag = self.begin_delivery(body, sender=sender, **fields)
        return int(self.wait("delivered", lambda one: one["tag"] == tag)["status"])

    def begin_delivery(self, body: bytes, *, sender: str = "254712345678", **fields: Any) -> int:
        """Deliver without waiting for the answer; returns what its `delivered` event is tagged with."""
        self._tags += 1
        address = {"source_addr": sender, "source_addr_ton": 1, "source_addr_npi": 1, "destination_addr": "22141"}
        self.tell("deliver", tag=self._tags, body=body.hex(), **{**address, **fields})
        return self._tags

    @property
    def submits(self) -> list[dict[str, Any]]:
        """What was submitted until now."""
        self.tell("nothing")  # what it says is read in its order
        return self._submits()

    def submitted(self, count: int) -> list[dict[str, Any]]:
        """The first `count` submits, as soon as there are so many."""
        while len(self._submits()) < count:
            self._read_one(f"submit {count}")
        return self._submits()[:count]

    def _submits(self) -> list[dict[str, Any]]:
        return [one for one in self.events if one["event"] == "submit"]

    def _read_one(self, awaited: str) -> None:
        try:
            self.events.append(self._come.get(timeout=PATIENCE))
        except queue.Empty:
            raise AssertionError(f"no {awaited}; what happened: {self.events}") from None

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._come.put(json.loads(line))
