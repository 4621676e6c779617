"""The inbox: every message that wrote something, filed with what was answered, in the transaction of its effect."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Taken:
    """A message taken in hand. `fresh` is false when it was answered before; then `reply` is the sealed answer.

    `version` and `body` are the person's place in the conversation as SQL last knew it (0 and empty when never).
    """

    fresh: bool
    reply: bytes | None
    version: int
    body: bytes


_TAKE = text("SELECT fresh, reply, version, body FROM take_message(:provider, :key, :person)")
_ANSWER = text("""
    WITH answered AS (UPDATE inbox SET reply = :reply WHERE provider = :provider AND key = :key)
    UPDATE conversation SET version = :version, body = :body, saved_at = clock() WHERE person = :person
""")
_ANSWERED = text("SELECT reply FROM inbox WHERE provider = :provider AND key = :key")
_PLACE = text("SELECT version, body FROM conversation WHERE person = :person AND version > 0")
_FORGET = text("DELETE FROM conversation WHERE saved_at < clock() - make_interval(secs => :seconds)")
_KNOWN = text("SELECT key FROM inbox WHERE provider = :provider AND key = ANY(:keys)")
_READ_TO = text("SELECT read_until, read_to FROM poll_mark WHERE provider = :provider")
_MARK_READ = text("""
    INSERT INTO poll_mark (provider, read_until, read_to) VALUES (:provider, :until, :to)
    ON CONFLICT (provider) DO UPDATE SET read_until = excluded.read_until, read_to = excluded.read_to
    WHERE poll_mark.read_until < excluded.read_until
""")
_PURGE = text("DELETE FROM inbox WHERE received_at < now() - make_interval(days => :days)")


def take(db: Connection, provider: str, key: str, person: bytes) -> Taken:
    """File the message and lock its person's place until the transaction ends."""
    return Taken(*db.execute(_TAKE, {"provider": provider, "key": key, "person": person}).one())


def answer(db: Connection, provider: str, key: str, person: bytes, *, reply: bytes, version: int, body: bytes) -> None:
    """Keep what is answered to a message taken in this transaction, and the place it leaves the person at."""
    db.execute(
        _ANSWER,
        {"provider": provider, "key": key, "person": person, "reply": reply, "version": version, "body": body},
    )


def answered(db: Connection, provider: str, key: str) -> bytes | None:
    """What was answered to this message, if it was filed and committed."""
    return db.execute(_ANSWERED, {"provider": provider, "key": key}).scalar()


def known(db: Connection, provider: str, keys: Collection[str]) -> set[str]:
    """Which of these messages were filed."""
    return set(db.execute(_KNOWN, {"provider": provider, "keys": list(keys)}).scalars())


def read_to(db: Connection, provider: str) -> tuple[datetime, str] | None:
    """Until when a provider's list of texts to us was read, and the name of the last one that is done with."""
    row = db.execute(_READ_TO, {"provider": provider}).first()
    return (row.read_until, row.read_to) if row else None


def mark_read(db: Connection, provider: str, until: datetime, to: str) -> None:
    """A provider's list was read until then, and to the message of that name."""
    db.execute(_MARK_READ, {"provider": provider, "until": until, "to": to})


def place(db: Connection, person: bytes) -> tuple[int, bytes] | None:
    """The person's place as SQL last knew it."""
    row = db.execute(_PLACE, {"person": person}).first()
    return (row.version, row.body) if row else None


def forget_places(db: Connection, *, seconds: int) -> int:
    """Forget places that nobody came back to for `seconds`. Returns how many."""
    return db.execute(_FORGET, {"seconds": seconds}).rowcount


def purge(db: Connection, *, days: int) -> int:
    """Forget messages older than `days`; providers repeat theirs for hours, not weeks. Returns how many."""
    return db.execute(_PURGE, {"days": days}).rowcount
