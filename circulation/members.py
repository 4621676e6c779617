"""Members: whoever has a phone we have met. A member has joined; before that the row only knows number and language."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from circulation.msisdn import Msisdn


@dataclass(frozen=True, slots=True)
class Member:
    """One phone's owner. `joined`: has a name and may buy. `has_pin`: a PIN was chosen."""

    id: int
    msisdn: Msisdn
    name: str
    language: str
    joined: bool
    has_pin: bool
    sms_provider: str | None


_COLUMNS = "id, msisdn, coalesce(name, ''), language, joined_at IS NOT NULL, has_pin, sms_provider"
_FIND = text(f"SELECT {_COLUMNS} FROM member WHERE msisdn = :msisdn")
_GET = text(f"SELECT {_COLUMNS} FROM member WHERE id = :id")
_MEET = text("INSERT INTO member (msisdn, language) VALUES (:msisdn, :language) ON CONFLICT DO NOTHING")
_JOIN = text(f"""
    INSERT INTO member (msisdn, name, language, pin_hash, joined_at) VALUES (:msisdn, :name, :language, :pin_hash, clock())
    ON CONFLICT (msisdn) DO UPDATE SET name = excluded.name, language = excluded.language,
        pin_hash = coalesce(excluded.pin_hash, member.pin_hash), joined_at = coalesce(member.joined_at, clock())
    RETURNING {_COLUMNS}
""")
_SET_PIN = text("UPDATE member SET pin_hash = :pin_hash WHERE msisdn = :msisdn AND pin_hash IS NULL")
_PIN = text("SELECT id, pin_hash FROM member WHERE msisdn = :msisdn AND pin_hash IS NOT NULL")
_SET_LANGUAGE = text("UPDATE member SET language = :language WHERE msisdn = :msisdn")
_REACHED = text("UPDATE member SET sms_provider = :provider WHERE msisdn = :msisdn")
_LOCK = text("SELECT FROM member WHERE id = :id FOR NO KEY UPDATE")


def find(db: Connection, msisdn: Msisdn) -> Member | None:
    """Who has this number, if we ever met."""
    row = db.execute(_FIND, {"msisdn": msisdn.e164}).first()
    return _member(row) if row else None


def get(db: Connection, member_id: int) -> Member:
    """The member with this id. Raises NoResultFound."""
    return _member(db.execute(_GET, {"id": member_id}).one())


def meet(db: Connection, msisdn: Msisdn, language: str) -> Member:
    """The owner of this number, known from now on; `language` is used when we had not met."""
    known = find(db, msisdn)
    if known is None:  # nobody we know is written to, so that two who give to each other at once lock nobody out
        db.execute(_MEET, {"msisdn": msisdn.e164, "language": language})
        known = _member(db.execute(_FIND, {"msisdn": msisdn.e164}).one())
    return known


def join(db: Connection, msisdn: Msisdn, *, name: str, language: str, pin_hash: str | None) -> Member:
    """Make the owner of this number a member. Joining again changes name and language and does no harm."""
    values = {"msisdn": msisdn.e164, "name": name, "language": language, "pin_hash": pin_hash}
    return _member(db.execute(_JOIN, values).one())


def choose_pin(db: Connection, msisdn: Msisdn, pin_hash: str) -> None:
    """Keep a first PIN. One that exists is not replaced this way."""
    db.execute(_SET_PIN, {"msisdn": msisdn.e164, "pin_hash": pin_hash})


def speak(db: Connection, msisdn: Msisdn, language: str) -> None:
    """Remember the language of someone we know."""
    db.execute(_SET_LANGUAGE, {"msisdn": msisdn.e164, "language": language})


def reached_by(db: Connection, msisdn: Msisdn, provider: str) -> bool:
    """Remember who carries this phone's texts: its notices go the same way. False when we do not know the phone yet."""
    return db.execute(_REACHED, {"msisdn": msisdn.e164, "provider": provider}).rowcount > 0


def pin_hash(db: Connection, msisdn: Msisdn) -> tuple[int, str] | None:
    """The member's id and the argon2id hash of their PIN; None before a PIN was chosen."""
    row = db.execute(_PIN, {"msisdn": msisdn.e164}).first()
    return (row.id, row.pin_hash) if row else None


def lock(db: Connection, member_id: int) -> None:
    """One thing at a time for this member, until the transaction ends."""
    db.execute(_LOCK, {"id": member_id})


def _member(row: Row[*tuple[Any, ...]]) -> Member:
    id_, msisdn, *rest = row
    return Member(id_, Msisdn(msisdn), *rest)
