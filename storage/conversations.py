"""Where each conversation stands, in Redis: written by compare-and-set on a version, and lost without harm."""

from dataclasses import dataclass

import redis

WAKE = "giftline:outbox"
"""Channel on which the worker hears that the outbox has something."""

_SAVE = """
if (redis.call('HGET', KEYS[1], 'v') or '0') ~= ARGV[1] and ARGV[5] == '0' then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[2], 'b', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
if ARGV[6] == '1' then redis.call('PUBLISH', ARGV[7], '') end
return 1
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

    def load(self, person: bytes) -> Place:
        """The place as last saved; version 0 when there is none. Raises redis.RedisError."""
        version, body = self._client.hmget(_key(person), "v", "b")
        return Place(int(version), bytes(body)) if version and isinstance(body, bytes) else Place(0, b"")

    def save(self, person: bytes, place: Place, *, seen: int, force: bool = False, wake: bool = False) -> bool:
        """Save `place` if the version is still the one `seen` (or always, with `force`); False when it moved on.

        `force` is for a turn whose effect is committed: what SQL holds is the truth. `wake` tells the worker, in the
        same round trip, that texts are waiting. Raises redis.RedisError.
        """
        arguments: list[int | str | bytes] = [
            seen,
            place.version,
            place.body,
            self._seconds,
            int(force),
            int(wake),
            WAKE,
        ]
        return bool(self._save(keys=[_key(person)], args=arguments))


def _key(person: bytes) -> str:
    return f"conversation:{person.hex()}"
