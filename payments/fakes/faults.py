"""What a fake provider does wrong, by plan or by dice, and the callbacks it still has to make."""

import random
import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import requests
from flask import Response, abort

Fault = Literal["busy", "broken", "slow", "lost", "cut"]
"""busy: 429 with nothing done. broken: 500 with nothing done. slow: done, and answered after the caller has gone. lost: done, and
answered with 500. cut: nothing done, and a reply that is no JSON."""

SLOW_SECONDS = 2.0
"""How long a slow answer takes. Tests give gateways a shorter patience than this."""


@dataclass(frozen=True, slots=True)
class Call:
    """A callback the provider has still to make."""

    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    method: str = "POST"


class Faults:
    """Faults by door of the fake ("ask", "find", "refund" ...): those planned are used first, one a request, then dice are
    thrown: `rates` says how often each fault comes by itself (0 to 1)."""

    def __init__(self, seed: int = 0, rates: Mapping[Fault, float] | None = None) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - a test must be repeatable
        self._rates = dict(rates or {})
        self._planned: dict[str, deque[Fault | None]] = defaultdict(deque)
        self._lock = threading.Lock()

    def plan(self, door: str, *faults: Fault | None) -> None:
        """The next requests at this door meet these faults, in this order (None: goes well)."""
        with self._lock:
            self._planned[door].extend(faults)

    def rest(self) -> None:
        """No more faults."""
        with self._lock:
            self._rates.clear()
            self._planned.clear()

    def next(self, door: str) -> Fault | None:
        """The fault of the request that is being answered."""
        with self._lock:
            if self._planned[door]:
                return self._planned[door].popleft()
            for fault, rate in self._rates.items():
                if self._dice.random() < rate:
                    return fault
        return None

    def before(self, door: str) -> Fault | None:
        """Call before anything is done: answers busy, broken and cut requests at once; returns the fault to pass to `after`."""
        fault = self.next(door)
        if fault == "busy":
            abort(Response('{"message": "too many requests"}', 429, {"Retry-After": "1"}, mimetype="application/json"))
        if fault == "broken":
            abort(Response("Internal Server Error", 500))
        if fault == "cut":
            abort(Response("<html>gateway", 200, mimetype="text/html"))
        return fault

    def after(self, fault: Fault | None) -> None:
        """Call when it was done: a lost answer is a 500, a slow one comes when the caller has gone."""
        if fault == "lost":
            abort(Response("Internal Server Error", 500))
        if fault == "slow":
            time.sleep(SLOW_SECONDS)


class Calls:
    """Callbacks that wait to be made. In bin/dev they are made at once; a test makes, repeats, reorders or drops them."""

    def __init__(self, *, at_once: bool = False) -> None:
        self._at_once = at_once
        self.waiting: list[Call] = []
        self.made: list[Call] = []

    def add(self, call: Call) -> None:
        """A callback is due."""
        if self._at_once:
            threading.Thread(target=self.make, args=(call,), daemon=True).start()
        else:
            self.waiting.append(call)

    def make(self, call: Call) -> int:
        """Make one callback (again, if it was made before); the status it was answered with, 0 when nobody answered."""
        if call in self.waiting:
            self.waiting.remove(call)
        self.made.append(call)
        try:
            answer = requests.request(call.method, call.url, data=call.body, headers=dict(call.headers), timeout=10)
        except requests.RequestException:
            return 0
        return answer.status_code

    def make_all(self) -> list[int]:
        """Make every callback that waits, oldest first; the statuses."""
        return [self.make(call) for call in list(self.waiting)]
