"""Polling: texts to us that a provider lists and its webhook never brought are answered as if it had.

A provider whose webhook failed may not repeat it (Twilio does so once, and only when it could not connect). Each minute the
list is read back beyond where it was read last, and what the inbox does not know is taken as a turn. A message has the same
key in the list and in the webhook, so it is answered once whichever comes first, or both.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from bot.channels import Inbox, Listed, ReadTo
from bot.messages import Inbound, Reply, SendFailed
from storage import inbox
from storage.database import Database

EVERY_SECONDS = 60.0
OVERLAP = timedelta(minutes=10)
"""The list is read from so long before where it was read last: a provider's clock and ours differ, and lists lag."""
LATEST = timedelta(hours=12)
"""What is older is not answered any more: whoever wrote it has long done something else. Africa's Talking repeats as long."""
PATIENCE = timedelta(seconds=30)
"""A text that came just now is still the webhook's to bring."""

log = structlog.get_logger(__name__)


class Polling:
    """The lists of one deployment. `take_turn` is the doors' own; it may raise Unavailable, then the list is read again."""

    def __init__(self, database: Database, providers: Sequence[Inbox], take_turn: Callable[[Inbound], Reply]) -> None:
        self._database = database
        self._providers = providers
        self._take_turn = take_turn
        self._next = 0.0

    def __call__(self) -> int:
        """Read every list, at most each minute. Returns how many texts were found that we had missed."""
        now = time.monotonic()
        if now < self._next:
            return 0
        self._next = now + EVERY_SECONDS
        return sum(self._read(provider) for provider in self._providers)

    def _read(self, provider: Inbox) -> int:
        begun = datetime.now(UTC)
        with self._database.look() as db:
            mark = inbox.read_to(db, provider.name)
        after = ReadTo(max(mark[0] - OVERLAP, begun - LATEST), mark[1]) if mark else ReadTo(begun - OVERLAP)
        try:
            listed = provider.arrived(after)
        except SendFailed as failed:
            log.warning("list not read", provider=provider.name, code=failed.code)
            return 0
        with self._database.look() as db:
            known = inbox.known(db, provider.name, [message.key for message in listed])
        recent = [message for message in listed if after.at <= message.arrived]
        missed = [m for m in recent if m.key not in known and m.inbound and m.arrived <= begun - PATIENCE]
        if missed and not provider.same_keys and not any(message.key in known for message in recent):
            # Either all of them were missed or the list has other names for them. To answer twice is worse than late.
            log.error("list and webhook share no message", provider=provider.name, count=len(missed))
            return 0
        for message in missed:
            assert message.inbound is not None, "others are not answered"
            log.warning("text found in the list", provider=provider.name)
            self._take_turn(message.inbound)
        with self._database.begin() as db:
            inbox.mark_read(db, provider.name, begun, _settled(listed, begun, after.key))
        return len(missed)


def _settled(listed: Sequence[Listed], begun: datetime, key: str) -> str:
    """The name of the last message that need not be listed again."""
    old = [message.key for message in listed if message.arrived < begun - OVERLAP]
    return old[-1] if old else key
