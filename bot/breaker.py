"""A circuit breaker: who has failed again and again is left alone for a while, and then tried with one message."""

import threading
import time
from collections import deque
from collections.abc import Callable

IN_A_ROW = 5
"""So many faults one after the other open it."""
WINDOW, SHARE = 20, 0.5
"""Of the last so many messages this share being faults opens it, too."""
FIRST_SECONDS, LONGEST_SECONDS = 15.0, 300.0
"""It stays open for so long at first; each probe that fails doubles that, up to the longest."""


class Breaker:
    """One provider's. Safe to use from several threads. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last: deque[bool] = deque(maxlen=WINDOW)
        self._in_a_row = 0
        self._opens_for = FIRST_SECONDS
        self._until: float | None = None  # None: closed
        self._probing = False

    def admits(self) -> bool:
        """Whether a message may be tried now. After the pause one may, and the next only when that one came through."""
        with self._lock:
            if self._until is None:
                return True
            if self._clock() < self._until or self._probing:
                return False
            self._probing = True
            return True

    def wait(self) -> float:
        """Seconds until a message may be tried; 0 when it is closed."""
        with self._lock:
            if self._until is None:
                return 0
            return max(self._until - self._clock(), 1.0)

    def worked(self) -> None:
        """The provider answered as it should, be it with a refusal of that one message."""
        with self._lock:
            self._last.append(True)
            self._in_a_row = 0
            if self._probing:
                self._close()

    def failed(self, *, at_once: bool = False) -> None:
        """The provider did not do its work. `at_once`: there is no use in trying it a second time."""
        with self._lock:
            self._last.append(False)
            self._in_a_row += 1
            if self._probing:
                self._opens_for = min(self._opens_for * 2, LONGEST_SECONDS)
                self._open()
            elif self._until is None and (at_once or self._is_failing()):
                self._open()

    def unused(self) -> None:
        """What was admitted was not tried after all."""
        with self._lock:
            self._probing = False

    def _is_failing(self) -> bool:
        faults = self._last.count(False)
        return self._in_a_row >= IN_A_ROW or (len(self._last) == WINDOW and faults >= SHARE * WINDOW)

    def _open(self) -> None:
        self._until = self._clock() + self._opens_for
        self._probing = False

    def _close(self) -> None:
        self._until, self._probing = None, False
        self._opens_for = FIRST_SECONDS
        self._last.clear()
