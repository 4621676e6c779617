"""The notary: seals the journal as it grows, and each minute writes the head of its chain where the database cannot reach."""

import time
from pathlib import Path

import structlog

from storage import seals
from storage.database import Database

EVERY_SECONDS = 2.0
ANCHOR_SECONDS = 60.0
BATCH = 5_000

log = structlog.get_logger(__name__)


class Notary:
    """The seals of one deployment. Several workers may call it; one at a time seals. Without a file the log is the anchor."""

    def __init__(self, database: Database, file: Path | None) -> None:
        self._database = database
        self._file = file
        self._next = 0.0
        self._next_anchor = 0.0

    def __call__(self) -> None:
        """Do what is due: seal every two seconds, anchor every minute."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY_SECONDS
            self.seal()
        if now >= self._next_anchor:
            self._next_anchor = now + ANCHOR_SECONDS
            self.anchor()

    def seal(self) -> int:
        """Seal everything that was committed, in transactions of a few thousand entries. Returns how many."""
        sealed, batch = 0, BATCH
        while batch == BATCH:
            with self._database.begin() as db:
                batch = seals.seal(db, BATCH)
            sealed += batch
        return sealed

    def anchor(self) -> None:
        """Write the chain's head to the log, and to the file outside the database when there is one."""
        with self._database.begin() as db:
            head = seals.head(db)
        if self._file is None:
            log.info("journal.anchor", anchor=str(head))
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        seals.anchor(head, self._file)
