"""What is in the air between the product and the phones: texts and pictures that arrived, mails, and dialogs that are open.

Kept in Redis, so that any web process can answer for any phone: each number has a stream of its newest texts. Streams
give every text an id that only grows, which is all a page needs to ask "what came after this one?".
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import redis

from phones.handset import Dialog

TEXTS_KEPT = 100
MAILS_KEPT = 50
KEPT_SECONDS = 86_400
DIALOG_SECONDS = 180
"""How long the network waits between two answers (Africa's Talking gives a whole session this long)."""

_MAILS = "phones:mails"


@dataclass(frozen=True, slots=True)
class File:
    """A picture or a sound, as a phone has it: its type, and what is in it."""

    mime: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """A text on a phone. `id` grows with time; `at` is when it arrived, in seconds since the epoch.

    `sid` is its provider's name for it, `media` what came with it: (name, type) of each file.
    """

    id: str
    to: str
    sender: str
    body: str
    at: float
    sid: str = ""
    media: Sequence[tuple[str, str]] = field(default_factory=tuple)


class Airwaves:
    """The texts and the open dialogs of all browser phones, by phone number (E.164), and everybody's mail."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def deliver(self, to: str, sender: str, body: str, sid: str = "", files: Sequence[File] = ()) -> None:
        """Put a text on a phone, for a day. Raises redis.RedisError."""
        named = [(uuid4().hex, file) for file in files]
        media = [(name, file.mime) for name, file in named]
        text = json.dumps({"sender": sender, "body": body, "at": time.time(), "sid": sid, "media": media})
        with self._redis.pipeline(transaction=False) as pipe:
            for name, file in named:
                pipe.hset(_file(name), mapping={"mime": file.mime, "body": file.body})
                pipe.expire(_file(name), KEPT_SECONDS)
            pipe.xadd(_texts(to), {"text": text}, maxlen=TEXTS_KEPT, approximate=False)
            pipe.expire(_texts(to), KEPT_SECONDS)
            pipe.execute()

    def file(self, name: str) -> File | None:
        """What came with a text, by its name; None when there is no such thing any more. Raises redis.RedisError."""
        kept: Any = self._redis.hgetall(_file(name))
        return File(kept[b"mime"].decode(), kept[b"body"]) if kept else None

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

    def post(self, mail: bytes) -> None:
        """Put a mail (RFC 5322) where all mails are shown, for a day. Raises redis.RedisError."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.xadd(_MAILS, {"mail": mail}, maxlen=MAILS_KEPT, approximate=False)
            pipe.expire(_MAILS, KEPT_SECONDS)
            pipe.execute()

    def mails(self) -> list[tuple[str, bytes]]:
        """(id, mail) of every mail that came, newest first. Raises redis.RedisError."""
        kept: Any = self._redis.xrevrange(_MAILS)
        return [(entry.decode(), fields[b"mail"]) for entry, fields in kept]

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


def _file(name: str) -> str:
    return f"phones:file:{name}"


def _dialog(number: str) -> str:
    return f"phones:dialog:{number}"
