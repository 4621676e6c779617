"""What is in the air between the product and the phones: texts that arrived, and dialogs that are open.

Kept in Redis, so that any web process can answer for any phone: each number has a stream of its newest texts. Streams
give every text an id that only grows, which is all a page needs to ask "what came after this one?".
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

import redis

from phones.handset import Dialog

TEXTS_KEPT = 100
KEPT_SECONDS = 86_400
DIALOG_SECONDS = 180
"""How long the network waits between two answers (Africa's Talking gives a whole session this long)."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text on a phone. `id` grows with time; `at` is when it arrived, in seconds since the epoch."""

    id: str
    to: str
    sender: str
    body: str
    at: float


class Airwaves:
    """The texts and the open dialogs of all browser phones, by phone number (E.164)."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def deliver(self, to: str, sender: str, body: str) -> None:
        """Put a text on a phone, for a day. Raises redis.RedisError."""
        text = json.dumps({"sender": sender, "body": body, "at": time.time()})
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.xadd(_texts(to), {"text": text}, maxlen=TEXTS_KEPT, approximate=False)
            pipe.expire(_texts(to), KEPT_SECONDS)
            pipe.execute()

    def texts(self, after: Mapping[str, str]) -> list[Text]:
        """The texts of several phones, oldest first: for each number those after the id given ("0": all).

        One round trip, never a wait. Raises redis.RedisError.
        """
        with self._redis.pipeline(transaction=False) as pipe:
            for number, last in after.items():
                pipe.xrange(_texts(number), min=f"({last}")
            arrivals = pipe.execute()
        return [
            Text(id=entry.decode(), to=number, **json.loads(fields[b"text"]))
            for number, entries in zip(after, arrivals, strict=True)
            for entry, fields in entries
        ]

    def dialog(self, number: str) -> Dialog | None:
        """The phone's open dialog, or None: there is none, or it waited too long. Raises redis.RedisError."""
        kept = self._redis.get(_dialog(number))
        return Dialog(**json.loads(kept)) if isinstance(kept, bytes) else None

    def remember(self, number: str, dialog: Dialog | None) -> None:
        """Keep the phone's dialog for its next answer, or forget it (None). Raises redis.RedisError."""
        if dialog is None:
            self._redis.delete(_dialog(number))
        else:
            self._redis.set(_dialog(number), json.dumps(dialog.as_json()), ex=DIALOG_SECONDS)


def _texts(number: str) -> str:
    return f"phones:texts:{number}"


def _dialog(number: str) -> str:
    return f"phones:dialog:{number}"
