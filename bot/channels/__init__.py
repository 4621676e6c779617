"""Channels: one file per provider of messages, in and out. What they have in common stands here.

A provider's file turns its requests into `Inbound` and `Receipt`, and an `Outbound` into its own API call. It decides
whether a request is genuine; it knows nothing of Flask, of the database or of conversations.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from bot.messages import Inbound, Outbound, Sent

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)
"""How long a provider may take to answer a send, in the form `requests` wants it."""
SEND_SECONDS = CONNECT_SECONDS + READ_SECONDS
"""A send has ended after this many seconds, one way or the other."""

LONGEST_WAIT_SECONDS = 3600


class Forged(Exception):
    """The request does not come from the provider. Its door answers a constant 403."""


class Malformed(Exception):
    """The request comes from the provider and cannot be used; the message says why, and quotes nothing of it.

    `accept`: it is answered as if all were well, because the provider would otherwise repeat it for hours.
    """

    def __init__(self, line: str, *, accept: bool = False) -> None:
        super().__init__(line)
        self.accept = accept


class Channel(Protocol):
    """A provider that carries texts to phones. `send` is called from several threads at once."""

    name: str

    def send(self, message: Outbound) -> Sent:
        """Hand one text to the provider, within `SEND_SECONDS`. Raises SendFailed."""


@runtime_checkable
class Remembers(Protocol):
    """A provider that can be asked what it took."""

    def look_up(self, message: Outbound, since: float) -> Sequence[Sent]:
        """What this provider took of us since then (seconds since 1970) that may be this message: the same words to the same
        phone, oldest first. Raises SendFailed when it does not say."""


@dataclass(frozen=True, slots=True)
class ReadTo:
    """Up to where a provider's list was read: until `at`, and to the message that it names `key`."""

    at: datetime
    key: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A message that a provider says it got for us. `inbound` is None for one that is not ours to answer."""

    key: str
    arrived: datetime
    inbound: Inbound | None


class Inbox(Protocol):
    """A provider that lists what was sent to us."""

    name: str
    same_keys: bool
    """Whether it is sure that the list names messages as the webhook does."""

    def arrived(self, after: ReadTo) -> Sequence[Listed]:
        """The messages to us after that, and perhaps some from before; oldest first. Raises SendFailed when it does not say."""


class Form(Protocol):
    """A posted form: names may come more than once."""

    def __iter__(self) -> Iterator[str]: ...
    def get(self, key: str, default: str, /) -> str: ...
    def getlist(self, key: str, /) -> list[str]: ...


def wait_asked_for(retry_after: str | None) -> float:
    """The seconds a `Retry-After` header asks for, at most an hour; 0 when it is absent or a date."""
    if retry_after is None or not (retry_after.isascii() and retry_after.isdigit()):
        return 0
    return float(min(int(retry_after[:9]), LONGEST_WAIT_SECONDS))
