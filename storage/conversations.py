"""Where each conversation stands, in Redis: written by compare-and-set on a version, and lost without harm."""

from dataclasses import dataclass

import redis

WAKE = "giftline:outbox"
"""Channel on which the worker hears that the outbox has something."""
DIALLING = "dialling"
"""Who is in a dialog worth saving, by when they last answered in it (seconds since 1970)."""

_SAVE = """
if (redis.call('HGET', KEYS[1], 'v') or '0') ~= ARGV[1] and ARGV[5] == '0' then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[2], 'b', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
if ARGV[8] ~= '0' then redis.call('ZADD', KEYS[2], ARGV[8], ARGV[9]) else redis.call('ZREM', KEYS[2], ARGV[9]) end
if ARGV[6] == '1' then redis.call('PUBLISH', ARGV[7], '') end
return 1
"""
_HANG_UP = """
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
if at and tonumber(at) <= tonumber(ARGV[2]) then redis.call('ZREM', KEYS[1], ARGV[1]) end
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A person's place: the version it was saved as (0: none) and its content."""

    version: int
    body: bytes


class Conversations:
    """The places of all people, kept `seconds` after they were last touched. `person` is a pseudonym, never a number."""

    def __init__(self, client: redis.Redis, *, seconds: int) -> None:
        self._client = client
        self._seconds = seconds
        self._save = client.register_script(_SAVE)
        self._hang_up = client.register_script(_HANG_UP)

    def load(self, person: bytes) -> Place:
        """The place as last saved; version 0 when there is none. Raises redis.RedisError."""
        version, body = self._client.hmget(_key(person), "v", "b")
        return Place(int(version), bytes(body)) if version and isinstance(body, bytes) else Place(0, b"")

    def save(
        self,
        person: bytes,
        place: Place,
        *,
        seen: int,
        force: bool = False,
        wake: bool = False,
        dialling_at: float = 0,
    ) -> bool:
        """Save `place` if the version is still the one `seen` (or always, with `force`); False when it moved on.

        `force` is for a turn whose effect is committed: what SQL holds is the truth. `wake` tells the worker, in the
        same round trip, that texts are waiting. `dialling_at`: the person is in a dialog worth saving, and answered in it at
        that moment; 0: they are in none. Raises redis.RedisError.
        """
        arguments: list[int | float | str | bytes] = [
            seen,
            place.version,
            place.body,
            self._seconds,
            int(force),
            int(wake),
            WAKE,
            dialling_at,
            person.hex(),
        ]
        return bool(self._save(keys=[_key(person), DIALLING], args=arguments))

    def faulted(self, person: bytes, *, seconds: int) -> int:
        """Count one fault of ours in this person's turns; how many there were in the `seconds` since the first."""
        key = f"faults:{person.hex()}"
        count = int(self._client.incr(key))
        if count == 1:
            self._client.expire(key, seconds)
        return count

    def silent_since(self, moment: float, *, limit: int) -> list[bytes]:
        """People in a dialog worth saving from whom nothing came after `moment`, the longest silent first."""
        names = self._client.zrangebyscore(DIALLING, "-inf", moment, start=0, num=limit)
        return [bytes.fromhex(name.decode()) for name in names]  # type: ignore[union-attr]

    def hung_up(self, person: bytes, *, before: float) -> None:
        """They are in no dialog any more, unless they answered in one after `before`."""
        self._hang_up(keys=[DIALLING], args=[person.hex(), before])


def _key(person: bytes) -> str:
    return f"conversation:{person.hex()}"
