"""What did not arrive, or can be sent by nobody: rows of the outbox whose end has to be followed by something."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Unsent:
    """A row that failed for good. `code` is its provider's, or one of ours. `taken`: the provider had taken it. `again`: it
    says again what had failed before. `secret`: its words are gone."""

    id: int
    provider: str
    address: str
    language: str
    code: str
    taken: bool
    again: bool
    form: str
    purpose: str
    secret: bool
    gift_id: str | None
    enclosed: Sequence[str]


@dataclass(frozen=True, slots=True)
class Stranded:
    """A row that is due at a provider which nobody serves. `unclear`: that provider may have taken it."""

    id: int
    address: str
    form: str
    unclear: bool


_DUE = text("""
    SELECT id FROM outbox WHERE followed_at IS NULL AND state IN ('failed', 'undelivered') ORDER BY id LIMIT :limit
""")
_FOLLOW = text("""
    UPDATE outbox SET followed_at = now()
    WHERE id = :id AND followed_at IS NULL AND state IN ('failed', 'undelivered')
    RETURNING id, provider, address, language, error_code, sent_at IS NOT NULL, repeats IS NOT NULL, form, purpose, secret,
              gift_id::text, enclosed
""")
_REPEAT = text("""
    INSERT INTO outbox (provider, address, language, sentence, holes, form, purpose, gift_id, enclosed, repeats, due_at)
    SELECT :provider, address, language, sentence, holes, form, purpose, gift_id, enclosed, id,
           now() + make_interval(secs => :seconds)
    FROM outbox o WHERE id = :id AND NOT secret
      AND (gift_id IS NULL OR EXISTS (SELECT FROM gift g WHERE g.id = o.gift_id AND g.state = 'offered'
                                            AND o.created_at >= g.sent_at))
""")
# Claimed: whoever had it is lost, and nobody can say any more what its provider did.
_STRANDED = text("""
    SELECT id, address, form, state = 'claimed' OR asked_at IS NOT NULL FROM outbox
    WHERE state IN ('queued', 'claimed') AND due_at <= now() AND provider <> ALL(:served)
    ORDER BY due_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_REROUTE = text("UPDATE outbox SET provider = :provider WHERE id = :id")
_GIVE_UP = text("""
    UPDATE outbox
    SET state = 'failed', error_code = :code, ended_at = clock(),
        sentence = CASE WHEN secret THEN '' ELSE sentence END, holes = CASE WHEN secret THEN '{}' ELSE holes END
    WHERE id = :id
""")


def due(db: Connection, *, limit: int) -> list[int]:
    """Rows that failed and that nothing followed yet, oldest first."""
    return list(db.execute(_DUE, {"limit": limit}).scalars())


def follow(db: Connection, outbox_id: int) -> Unsent | None:
    """Take what follows a row's failure in hand, in the caller's transaction; None when another has done so."""
    row: Any = db.execute(_FOLLOW, {"id": outbox_id}).first()
    return None if row is None else Unsent(*row)


def repeat(db: Connection, outbox_id: int, *, provider: str, after_seconds: float) -> bool:
    """File once more what a row says, by this provider, due in so many seconds.

    False when its words are gone (secret), or the gift it tells of was answered or taken back.
    """
    values = {"id": outbox_id, "provider": provider, "seconds": after_seconds}
    return db.execute(_REPEAT, values).rowcount > 0


def stranded(db: Connection, *, served: Collection[str], limit: int) -> list[Stranded]:
    """Rows that are due at providers which are not among those served, held until the transaction ends."""
    rows = db.execute(_STRANDED, {"served": list(served), "limit": limit})
    return [Stranded(*row) for row in rows]


def reroute(db: Connection, outbox_id: int, *, provider: str) -> None:
    """Give a stranded row to another provider."""
    db.execute(_REROUTE, {"id": outbox_id, "provider": provider})


def give_up(db: Connection, outbox_id: int, *, code: str) -> None:
    """End a stranded row: nobody can send it."""
    db.execute(_GIVE_UP, {"id": outbox_id, "code": code})
