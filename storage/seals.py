"""Seals: the journal as a chain of digests, whose head is written down outside the database, and its verifier.

Each entry has a place (1, 2, 3 ... without gaps, in the order of sealing) and a digest: SHA-256 over the digest of the
place before (32 zero bytes before the first) and the entry's lines. A line is a JSON array without spaces, in ASCII,
ended by a newline: first `[id,operation_id,kind,currency,created_at]` with created_at as a string of microseconds since
1970 UTC, then one `[account code,owner,currency,amount_minor]` for each posting, in the order of their ids.

Whoever can rewrite the whole chain is caught by an anchor: a head that was written to a file, and to the log, before.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import structlog
from sqlalchemy import Connection, text

GENESIS = bytes(32)
"""The digest before the first place."""
ANCHOR_EVERY = timedelta(minutes=1)
PAGE = 2_000
"""Rows that the verifier has in memory at a time."""

What = Literal["digest differs", "posting added", "entry missing", "place missing", "anchor differs"]


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain at a time (UTC): its last place (0: nothing is sealed) and that place's digest."""

    place: int
    digest: bytes
    at: datetime

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%dT%H:%M:%SZ} {self.place} {self.digest.hex()}"


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is not as it was sealed.

    digest differs: the entry, its postings or their accounts were changed, or the seal was. posting added: without its
    last postings the entry is what was sealed. entry missing: its seal stands, the entry is gone. place missing: the chain
    has a gap there, or ends before a place that `anchor` has seen. anchor differs: the chain agrees with the journal and
    not with `anchor`, so it was written anew; what was altered stands between `since` + 1 and `place`.

    `place` is 0 for a posting of an entry that does not exist.
    """

    what: What
    place: int
    entry_id: int | None = None
    since: int = 0
    anchor: Head | None = None

    def __str__(self) -> str:
        where = f"place {self.place}" if self.entry_id is None else f"place {self.place}, entry {self.entry_id}"
        against = f" (last anchor that agrees: place {self.since}; this one: {self.anchor})" if self.anchor else ""
        return f"{self.what} at {where}{against}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verifier found: how many places and anchors agree, and how many entries wait to be sealed.

    `oldest_unsealed_seconds` is the age of the oldest of those, None when every entry is sealed.
    """

    sealed: int
    anchored: int
    unsealed: int
    oldest_unsealed_seconds: float | None
    fault: Fault | None

    @property
    def ok(self) -> bool:
        """Whether all that was ever sealed is as it was."""
        return self.fault is None

    def __str__(self) -> str:
        found = f"ALTERED: {self.fault}. Before it" if self.fault else "The journal is as it was sealed:"
        waiting = f"{self.unsealed} entries wait for their seal"
        if self.oldest_unsealed_seconds is not None:
            waiting += f", the oldest for {self.oldest_unsealed_seconds:.0f} seconds"
        return f"{found} {self.sealed} entries and {self.anchored} anchors agree. {waiting}."


class AnchorsUnreadable(Exception):
    """A line of the anchor file is none; the message names it."""


# As the digests see an entry; a row of nulls where there is none.
_ENTRIES = text("""
    SELECT e.id, e.operation_id, e.kind, e.currency, trunc(extract(epoch FROM e.created_at) * 1000000)::text, postings.lines
    FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS wanted(id, nth) LEFT JOIN journal_entry e ON e.id = wanted.id
    CROSS JOIN LATERAL (
        SELECT coalesce(json_agg(json_build_array(a.code, a.owner, a.currency, p.amount_minor) ORDER BY p.id), '[]') AS lines
        FROM posting p LEFT JOIN account a ON a.id = p.account_id WHERE p.entry_id = wanted.id
    ) AS postings ORDER BY wanted.nth
""")
# Statistics that are still those of a small journal must not lead to reading all of a large one, page after page.
_BY_INDEX = text("""
    SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
           set_config('enable_mergejoin', 'off', true)
""")
_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtext('giftline seals'))")
_MARK = text("SELECT floor, horizon, writers FROM seal_mark")
_MOVE_MARK = text("UPDATE seal_mark SET floor = :floor, horizon = :horizon, writers = :writers")
# Whoever has been given an id is writing: the lock is taken before the id, and kept until the transaction is over.
_GIVEN_OUT = text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM journal_entry_id_seq")
_WRITERS = text("""
    SELECT DISTINCT virtualtransaction FROM pg_locks
    WHERE relation = 'journal_entry'::regclass AND mode = 'RowExclusiveLock'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1
""")
_UNSEALED = text("""
    SELECT e.id FROM journal_entry e
    LEFT JOIN (SELECT entry_id FROM journal_seal WHERE entry_id > :floor) s ON s.entry_id = e.id
    WHERE e.id > :floor AND s.entry_id IS NULL ORDER BY e.id LIMIT :limit
""")
_SEAL = text("""
    INSERT INTO journal_seal (place, entry_id, digest)
    SELECT :place + s.nth, s.entry_id, s.digest
    FROM unnest(CAST(:entries AS bigint[]), CAST(:digests AS bytea[])) WITH ORDINALITY AS s(entry_id, digest, nth)
""")
_HEAD = text("""
    SELECT coalesce(s.place, 0), coalesce(s.digest, :genesis), date_trunc('second', clock())
    FROM (VALUES (1)) AS always LEFT JOIN (SELECT place, digest FROM journal_seal ORDER BY place DESC LIMIT 1) s ON true
""")
_CHAIN = text("SELECT place, entry_id, digest FROM journal_seal WHERE place > :after ORDER BY place LIMIT :page")
_WAITING = text("""
    SELECT max(e.id) AS last, count(*) FILTER (WHERE s.entry_id IS NULL) AS waiting,
           extract(epoch FROM clock() - min(e.created_at) FILTER (WHERE s.entry_id IS NULL))::float AS age
    FROM (SELECT id, created_at FROM journal_entry WHERE id > :after ORDER BY id LIMIT :page) e
    LEFT JOIN (SELECT entry_id FROM journal_seal WHERE entry_id > :after) s ON s.entry_id = e.id
""")
_STRAY = text("""
    SELECT max(p.id) AS last, min(p.entry_id) FILTER (WHERE e.id IS NULL) AS entry_id
    FROM (SELECT id, entry_id FROM posting WHERE id > :after ORDER BY id LIMIT :page) p
    LEFT JOIN journal_entry e ON e.id = p.entry_id
""")
_ANCHOR = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (\d+) ([0-9a-f]{64})")
_TORN = " torn"
LONGEST_LINE = 256
_FIRST = -(2**63)

_json = json.JSONEncoder(separators=(",", ":")).encode
log = structlog.get_logger(__name__)


def seal(db: Connection, limit: int) -> int:
    """Seal the committed entries that are not sealed yet, lowest id first, at most `limit`. Returns how many.

    0 also when another transaction is sealing. An entry that is committed late gets the next place. Asks for read
    committed, the default: each statement must see what was committed before it.
    """
    if not db.execute(_ALONE).scalar_one():
        return 0
    db.execute(_BY_INDEX)
    floor, horizon, writers = db.execute(_MARK).one()
    given_out = db.execute(_GIVEN_OUT).scalar_one()  # before the writers: whoever comes later is given a higher id
    writing = list(db.execute(_WRITERS).scalars())
    previous = head(db)
    entries = list(db.execute(_UNSEALED, {"floor": floor, "limit": limit}).scalars())
    if entries:
        digests, digest = [], previous.digest
        for *entry, lines in db.execute(_ENTRIES, {"ids": entries}):
            digest = _digest(digest, entry, lines)
            digests.append(digest)
        db.execute(_SEAL, {"place": previous.place, "entries": entries, "digests": digests})
    if set(writers) & set(writing):
        return len(entries)  # somebody may still write below the horizon
    reached = horizon if len(entries) < limit else min(horizon, entries[-1])
    moved = (reached, given_out, writing) if reached == horizon else (reached, horizon, [])
    if moved != (floor, horizon, writers):
        db.execute(_MOVE_MARK, dict(zip(("floor", "horizon", "writers"), moved, strict=True)))
    return len(entries)


def head(db: Connection) -> Head:
    """The end of the chain now, by the product's clock."""
    place, digest, at = db.execute(_HEAD, {"genesis": GENESIS}).one()
    return Head(place, bytes(digest), at.astimezone(UTC))


def anchor(head: Head, file: Path) -> bool:
    """Write the head down outside the database: one line at the end of `file`, on the disk when this returns, and in the log.

    Not when the last line names the same place and is younger than a minute. Returns whether it wrote. A last line that
    was torn (a full disk, a power cut) is ended and marked as torn. Raises OSError; the log has the line even then.
    """
    last = _last_line(file)
    known = _ANCHOR.fullmatch(last.removesuffix("\n"))
    if known and last.endswith("\n"):
        anchored = _head(known)
        if anchored.place == head.place and head.at - anchored.at < ANCHOR_EVERY:
            return False
    log.info("journal.anchor", anchor=str(head))
    ended = "" if not last or last.endswith("\n") else f"{_TORN}\n"
    out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(out, f"{ended}{head}\n".encode())
        os.fsync(out)
    finally:
        os.close(out)
    return True


def anchors(file: Path) -> list[Head]:
    """Every anchor of the file, as written. A last line that was torn is passed over, as one that is marked as such.

    Raises AnchorsUnreadable for any other line that is no anchor, and OSError.
    """
    found = []
    *lines, _ = file.read_text("ascii", errors="replace").split("\n")
    for number, line in enumerate(lines, 1):
        if known := _ANCHOR.fullmatch(line):
            found.append(_head(known))
        elif not line.endswith(_TORN):
            raise AnchorsUnreadable(f"{file.name}: line {number} is no anchor")
    return found


def verify(db: Connection, anchors: Sequence[Head]) -> Verdict:
    """Recompute every digest and compare it with the chain, and the chain with `anchors` (read before this is called).

    Only reads, page by page: the auditor's role is enough, and the memory used does not grow with the journal.
    """
    db.execute(_BY_INDEX)
    chain = _Chain(anchors)
    fault = chain.first_fault(db) or _stray(db)
    unsealed, oldest = _waiting(db)
    return Verdict(chain.place, chain.anchored, unsealed, oldest, fault)


class _Chain:
    """The chain as far as it was recomputed and agrees: the last such place, its digest, the anchors met on the way."""

    def __init__(self, anchors: Sequence[Head]) -> None:
        self.place = 0
        self.anchored = 0
        self._digest = GENESIS
        self._since = 0
        self._anchors = sorted(anchors, key=lambda anchor: anchor.place, reverse=True)

    def first_fault(self, db: Connection) -> Fault | None:
        """Go along the chain to its end, or to the first fault."""
        if fault := self._compare(0, None, GENESIS):
            return fault
        while seals := db.execute(_CHAIN, {"after": self.place, "page": PAGE}).all():
            entries = db.execute(_ENTRIES, {"ids": [entry_id for _, entry_id, _ in seals]})
            for (place, entry_id, digest), (*entry, lines) in zip(seals, entries, strict=True):
                if fault := self._step(place, entry_id, digest, entry, lines):
                    return fault
        if self._anchors:
            return Fault("place missing", self.place + 1, since=self._since, anchor=self._anchors[-1])
        return None

    def _step(self, place: int, entry_id: int, digest: bytes, entry: list[Any], lines: list[Any]) -> Fault | None:
        if place != self.place + 1:
            return Fault("place missing", self.place + 1)
        if entry[0] is None:
            return Fault("entry missing", place, entry_id)
        *fewer, whole = _digests(self._digest, entry, lines)
        if whole != digest:
            return Fault("posting added" if digest in fewer else "digest differs", place, entry_id)
        if fault := self._compare(place, entry_id, digest):
            return fault
        self.place, self._digest = place, digest
        return None

    def _compare(self, place: int, entry_id: int | None, digest: bytes) -> Fault | None:
        while self._anchors and self._anchors[-1].place <= place:
            if self._anchors[-1].digest != digest:
                return Fault("anchor differs", place, entry_id, self._since, self._anchors[-1])
            self._anchors.pop()
            self.anchored += 1
            self._since = place
        return None


def _digests(previous: bytes, entry: list[Any], lines: list[Any]) -> Iterator[bytes]:
    """The digest of the entry without its postings, with the first, with the first two ...; the last is the entry's own."""
    running = hashlib.sha256(previous)
    for line in (entry, *lines):
        running.update(f"{_json(line)}\n".encode("ascii"))
        yield running.digest()


def _digest(previous: bytes, entry: list[Any], lines: list[Any]) -> bytes:
    written = "\n".join(map(_json, (entry, *lines)))
    return hashlib.sha256(previous + f"{written}\n".encode("ascii")).digest()


def _stray(db: Connection) -> Fault | None:
    """A posting whose entry does not exist: it is in no digest."""
    after = _FIRST
    while (page := db.execute(_STRAY, {"after": after, "page": PAGE}).one()).last is not None:
        if page.entry_id is not None:
            return Fault("posting added", 0, page.entry_id)
        after = page.last
    return None


def _waiting(db: Connection) -> tuple[int, float | None]:
    """How many entries are not sealed, and the age of the oldest of them in seconds."""
    after, count, ages = _FIRST, 0, list[float]()
    while (page := db.execute(_WAITING, {"after": after, "page": PAGE}).one()).last is not None:
        after, count = page.last, count + page.waiting
        if page.age is not None:
            ages.append(page.age)
    return count, max(ages, default=None)


def _head(known: re.Match[str]) -> Head:
    return Head(int(known[2]), bytes.fromhex(known[3]), datetime.fromisoformat(known[1]))


def _last_line(file: Path) -> str:
    """The end of the file from its last line on, with its newline if it has one; empty when there is no file."""
    try:
        with file.open("rb") as written:
            size = written.seek(0, os.SEEK_END)
            written.seek(max(0, size - LONGEST_LINE))
            *_, last = written.read().decode("ascii", "replace").splitlines(keepends=True) or [""]
            return last
    except FileNotFoundError:
        return ""
