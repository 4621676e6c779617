"""Messages that wait at providers which no process of ours serves any more are given to whoever carries them now."""

import time
from collections.abc import Collection

import structlog

from circulation import following
from circulation.rules import Rules
from storage.database import Database

EVERY_SECONDS = 60.0
BATCH = 200

log = structlog.get_logger(__name__)


class Withdrawn:
    """The chore of one worker. `served`: every provider that some process of this deployment serves."""

    def __init__(self, database: Database, rules: Rules, served: Collection[str]) -> None:
        self._database = database
        self._rules = rules
        self._served = served
        self._next = 0.0

    def __call__(self) -> None:
        """Do it, at most once a minute."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY_SECONDS
        with self._database.begin() as db:
            found = following.reroute(db, self._rules, served=self._served, limit=BATCH)
        if found:
            log.warning("messages of withdrawn providers", count=found)
