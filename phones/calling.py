"""The calls of the browser phones: those the product asks Twilio for, which ring on a phone, and those to the product.

Where a call stands is kept in Redis, one for each phone, so that any web process goes on with it. A call of the product's
that nobody answers, or that lasts too long, is ended by a timer of the process that was asked for it.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal

import redis

from bot.config import Settings
from phones.caller import Call, Ending, Told
from phones.handset import Network, NetworkFault, NoDialog

KEPT_SECONDS = 4 * 3_600
"""Twilio lets no call last longer (Calls, TimeLimit)."""
CALLS_LISTED = 100
LISTED_SECONDS = 86_400
LOCK_SECONDS = 30
PATIENCE_SECONDS = 15
"""One thing at a time is done with a call; so long the next one waits."""

STATUS_PATH = "/voice/twilio/status"
"""Where the end of a call to the product is told: the number's own setting."""

APPLICATION_ERROR = "We are sorry, an application error has occurred. Goodbye."
"""What Twilio says when the product fails, before it hangs up."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that the product asks for: `url` gives what is said, `callback` (may be empty) is told of its end."""

    to: str
    url: str
    callback: str
    ring_seconds: int
    most_seconds: int
    detects_machines: bool


@dataclass(frozen=True, slots=True)
class OnPhone:
    """A call on a phone. `text` is what was said last; with `one_key` the next key is a whole answer."""

    sid: str
    msisdn: str
    stage: Literal["ringing", "open", "over"]
    text: str = ""
    one_key: bool = False
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """A call that the product asked for. `at` is when, in seconds since the epoch."""

    sid: str
    to: str
    at: float


@dataclass(slots=True)
class _Line:
    """A call and where it stands. `answered` is when somebody did, in seconds since the epoch; 0: nobody yet."""

    call: Call
    url: str = ""
    callback: str = STATUS_PATH
    answered: float = 0.0
    text: str = ""

    def seen(self) -> OnPhone:
        stage: Literal["ringing", "open"] = "open" if self.answered else "ringing"
        return OnPhone(self.call.sid, self.call.caller, stage, self.text, self.call.one_key)


class Calls:
    """The calls of all browser phones, by phone number (E.164). Every method raises redis.RedisError."""

    def __init__(self, settings: Settings, client: redis.Redis, network: Network) -> None:
        self._public_base_url = settings.public_base_url
        self._redis = client
        self._network = network

    def ring(self, asked: Asked) -> Made:
        """Ring a phone for the product. One that is in a call already is busy."""
        call = Call(self._network, asked.to, ours=True, answered_by="human" if asked.detects_machines else None)
        line = _Line(call, asked.url, asked.callback.removeprefix(self._public_base_url))
        made = Made(call.sid, asked.to, time.time())
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.lpush(_made(asked.to), json.dumps(asdict(made)))
            pipe.ltrim(_made(asked.to), 0, CALLS_LISTED - 1)
            pipe.expire(_made(asked.to), LISTED_SECONDS)
            pipe.execute()
        with self._alone(asked.to):
            if self._load(asked.to) is not None:
                _after(0, lambda: self._tell(line, "busy"))
                return made
            self._save(line)
        _after(asked.ring_seconds, lambda: self._over(call, "no-answer", unanswered=True))
        _after(asked.ring_seconds + asked.most_seconds, lambda: self._over(call, "completed"))
        return made

    def made(self, to: str) -> list[Made]:
        """The calls to this phone that the product asked for, newest first."""
        kept: Any = self._redis.lrange(_made(to), 0, -1)
        return [Made(**json.loads(one)) for one in kept]

    def on(self, numbers: Collection[str]) -> list[OnPhone]:
        """The calls on these phones now. One round trip."""
        kept: Any = self._redis.mget([_key(number) for number in numbers]) if numbers else []
        return [self._read(plain).seen() for plain in kept if plain is not None]

    def dial(self, number: str) -> OnPhone:
        """Call the product from this phone, if it is in no call yet."""
        with self._alone(number):
            line = self._load(number)
            if line is not None:
                return line.seen()
            line = _Line(Call(self._network, number), answered=time.time())
            return self._hear(line, line.call.dial)

    def pick_up(self, number: str) -> OnPhone:
        """Answer the phone. Raises NoDialog when it rings no longer."""
        with self._alone(number):
            line = self._load(number)
            if line is None or line.answered:
                raise NoDialog("the phone does not ring")
            line.answered = time.time()
            return self._hear(line, lambda: line.call.dial(line.url))

    def press(self, number: str, keys: str) -> OnPhone:
        """Press keys in a call; none: say nothing until the time is over. Raises NoDialog when there is no call."""
        with self._alone(number):
            line = self._load(number)
            if line is None or not line.answered:
                raise NoDialog("there is no call")
            return self._hear(line, (lambda: line.call.press(keys)) if keys else line.call.wait)

    def put_down(self, number: str) -> None:
        """Press the red key: a call ends, a phone that rings rings no longer. Nothing happens without one."""
        with self._alone(number):
            line = self._load(number)
            if line is not None:
                self._end(line, "completed" if line.answered else "busy")

    def _hear(self, line: _Line, turn: Callable[[], Told]) -> OnPhone:
        """What is said next; with the last word, the call is over."""
        fault = ""
        try:
            told = turn()
        except NetworkFault as failed:
            told, fault = Told(APPLICATION_ERROR, (), open=False), str(failed)
        line.text = told.text
        if told.open:
            self._save(line)
            return line.seen()
        self._end(line, "completed")
        return OnPhone(line.call.sid, line.call.caller, "over", told.text, fault=fault)

    def _over(self, call: Call, how: Ending, *, unanswered: bool = False) -> None:
        """The time of a call has come, unless it ended before or (`unanswered`) somebody answered."""
        with suppress(redis.RedisError), self._alone(call.caller):
            line = self._load(call.caller)
            if line is not None and line.call.sid == call.sid and not (unanswered and line.answered):
                self._end(line, how)

    def _end(self, line: _Line, how: Ending) -> None:
        self._redis.delete(_key(line.call.caller))
        _after(0, lambda: self._tell(line, how))

    def _tell(self, line: _Line, how: Ending) -> None:
        if not line.callback:
            return
        seconds = int(time.time() - line.answered) if line.answered else 0
        try:
            line.call.hang_up(line.callback, how, seconds)
        except NetworkFault as fault:
            log.warning("the end of a call was not taken: %s", fault)

    def _alone(self, number: str) -> AbstractContextManager[object]:
        lock: AbstractContextManager[object] = self._redis.lock(
            f"{_key(number)}:lock", timeout=LOCK_SECONDS, blocking_timeout=PATIENCE_SECONDS
        )
        return lock

    def _load(self, number: str) -> _Line | None:
        kept = self._redis.get(_key(number))
        return self._read(kept) if isinstance(kept, bytes) else None

    def _read(self, kept: bytes) -> _Line:
        plain = json.loads(kept)
        return _Line(Call.known(self._network, plain.pop("call")), **plain)

    def _save(self, line: _Line) -> None:
        plain = {name: getattr(line, name) for name in ("url", "callback", "answered", "text")}
        body = json.dumps(plain | {"call": line.call.as_json()})
        self._redis.set(_key(line.call.caller), body, ex=KEPT_SECONDS)


def _after(seconds: float, do: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, do)
    timer.daemon = True
    timer.start()


def _key(number: str) -> str:
    return f"phones:call:{number}"


def _made(number: str) -> str:
    return f"phones:calls:{number}"
