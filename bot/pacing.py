"""How fast we may send: each provider's own limit for the number we send from, and a rest when it says that we are too fast.

What is over the limit stays in the outbox instead of in the provider's queue, where it would be lost after some hours
(Twilio's error 21611 and 30001). Each worker keeps to the limit by itself; what several send together, the provider queues.
"""

import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bot.fitting import segments
from bot.messages import Outbound

BURST_SECONDS = 60.0
"""What was not used of the limit may be used later, up to this much of it: the provider queues that little."""
REST_SECONDS = 5.0
"""So long nothing goes by a provider that says we are too fast, unless it names a longer time."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What a sender may send: SMS segments a second, and MMS a second."""

    segments: float
    mms: float


# Twilio's limits by what we send from (docs: "Understanding Twilio rate limits and message queues"): a long code of the United
# States or Canada, a short code, any other number, a name. What is not listed is not limited by us.
TWILIO: tuple[tuple[str, Rate | None], ...] = (
    (r"\+1500555[0-9]{4}", None),  # its numbers for tests, by which nothing goes out
    (r"\+1[0-9]{10}", Rate(1, 1)),
    (r"[0-9]{5,6}", Rate(100, 25)),
    (r"\+[0-9]+", Rate(10, 1)),
    (r".+", Rate(10, 1)),
)


def rates(*, twilio_from: str) -> dict[str, Rate]:
    """The limits of the numbers that are set."""
    rate = next((rate for pattern, rate in TWILIO if re.fullmatch(pattern, twilio_from)), None)
    return {} if rate is None else {"twilio": rate}


class Pace:
    """The limits of one worker. A provider without a rate has none. Safe to use from several threads."""

    def __init__(self, rates: Mapping[str, Rate], clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        self._clock = clock
        self._lock = threading.Lock()
        self._room = {name: rate.segments * BURST_SECONDS for name, rate in rates.items()}
        self._counted = dict.fromkeys(rates, clock())
        self._rests: dict[str, float] = {}

    def shares(self, providers: Collection[str], batch: int) -> list[tuple[list[str], int]]:
        """(providers, how many messages may be taken in hand for them now): of the unlimited ones together, of each other one by
        itself. Who rests, or has used up its limit, is not among them."""
        shares: list[tuple[list[str], int]] = []
        with self._lock:
            awake = [name for name in providers if self._rests.get(name, 0) <= self._clock()]
            free = [name for name in awake if name not in self._rates]
            if free:
                shares.append((free, batch))
            rooms = {name: int(self._refilled(name)) for name in awake if name in self._rates}
        shares += [([name], min(room, batch)) for name, room in rooms.items() if room > 0]
        return shares

    def sent(self, message: Outbound) -> None:
        """A message went out by its provider."""
        rate = self._rates.get(message.provider)
        if rate is None or message.form not in ("sms", "mms"):
            return
        cost = rate.segments / rate.mms if message.form == "mms" else segments(message.text)
        with self._lock:
            self._room[message.provider] = self._refilled(message.provider) - cost

    def rest(self, provider: str, seconds: float) -> None:
        """Nothing goes by this provider for so many seconds, and for `REST_SECONDS` at least."""
        with self._lock:
            until = self._clock() + max(seconds, REST_SECONDS)
            self._rests[provider] = max(self._rests.get(provider, 0), until)

    def rests_for(self, provider: str) -> float:
        """Seconds that this provider still rests."""
        with self._lock:
            return max(self._rests.get(provider, 0) - self._clock(), 0)

    def _refilled(self, provider: str) -> float:
        now, rate = self._clock(), self._rates[provider].segments
        room = self._room[provider] + (now - self._counted[provider]) * rate
        self._room[provider], self._counted[provider] = min(room, rate * BURST_SECONDS), now
        return self._room[provider]
