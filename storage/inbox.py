"""The inbox: every message that wrote something, filed with what was answered, in the transaction of its effect."""

from dataclasses import dataclass

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
