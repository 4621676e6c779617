"""Timed work: what nobody asks for and everybody expects. The database's clock decides what is due."""

import time

import structlog
from sqlalchemy import text

from circulation import gifting
from circulation.rules import Rules
from storage import inbox
from storage.database import Database

EVERY_SECONDS = 2.0
PURGE_SECONDS = 3_600.0
BATCH = 200
INBOX_DAYS = 30
"""Providers repeat a message for hours (Africa's Talking: 12); a month leaves room for the slowest."""

_EXPIRE_CODES = text("UPDATE redemption_code SET state = 'voided' WHERE state = 'live' AND expires_at <= clock()")

log = structlog.get_logger(__name__)


class Chores:
    """The chores of one worker; several workers may do them at once, each thing is done by one."""

    def __init__(self, database: Database, rules: Rules, *, conversation_seconds: int) -> None:
        self._database = database
        self._rules = rules
        self._conversation_seconds = conversation_seconds
        self._next = 0.0
        self._next_purge = 0.0

    def __call__(self) -> None:
        """Do what is due, at most every two seconds."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY_SECONDS
            self.lapse_gifts()
            self.expire_codes()
            self.forget_places()
        if now >= self._next_purge:
            self._next_purge = now + PURGE_SECONDS
            self.purge_inbox()

    def lapse_gifts(self) -> int:
        """Return every gift that was not answered in time; each in a transaction of its own. Returns how many."""
        with self._database.begin() as db:
            due = gifting.due(db, limit=BATCH)
        for gift in due:
            with self._database.begin() as db:
                gifting.lapse(db, self._rules, gift_id=gift)
        return len(due)

    def expire_codes(self) -> int:
        """Void codes whose time is over. Returns how many."""
        with self._database.begin() as db:
            return db.execute(_EXPIRE_CODES).rowcount

    def forget_places(self) -> int:
        """Forget where people stood who did not come back. Returns how many."""
        with self._database.begin() as db:
            return inbox.forget_places(db, seconds=self._conversation_seconds)

    def purge_inbox(self) -> int:
        """Forget messages that no provider will repeat any more. Returns how many."""
        with self._database.begin() as db:
            return inbox.purge(db, days=INBOX_DAYS)
