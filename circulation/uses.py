"""Uses as they are stored: one with its state, what each certificate paid of it, and whose gifts it touched. Reads only."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from circulation.catalogue import Clerk
from circulation.email_address import Email
from circulation.money import Money
from circulation.refusals import Refusal
from circulation.wallet import named


@dataclass(frozen=True, slots=True)
class Stored:
    """One use: what was held of it, captured and returned. `state`: authorised, captured, voided, timed out or reversed."""

    id: str
    reference: str
    state: str
    holder_id: int
    store_id: int
    store: str
    amount: Money
    captured: Money
    returned: Money
    commission: Money
    commission_returned: Money
    hold_until: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """What one certificate paid of a use."""

    certificate: int
    amount: Money
    captured: Money
    returned: Money


@dataclass(frozen=True, slots=True)
class Given:
    """How much of a use was one giver's gift, and of which issuers. `email`: the address to which they gave it, if to one."""

    giver_id: int
    amount: Money
    issuer: str
    email: Email | None


_COLUMNS = """
    SELECT u.id::text, u.reference, u.state, u.holder_id, u.store_id, s.name, u.currency, u.hold_until, u.amount_minor,
           u.captured_minor, u.returned_minor, u.commission_minor, u.commission_returned_minor
    FROM redemption u JOIN store s ON s.id = u.store_id
"""
_READ = text(f"{_COLUMNS} WHERE u.id = :id")
_BY_REFERENCE = text(f"{_COLUMNS} WHERE u.reference = :reference AND u.store_id = :store")
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:id AS uuid)::text, 0))")
_UNDONE = text("SELECT EXISTS (SELECT FROM redemption_tombstone WHERE use_id = :id AND store_id = :store)")
_PARTS = text("""
    SELECT p.certificate_id, u.currency, p.amount_minor, p.captured_minor, p.returned_minor
    FROM redemption_part p JOIN redemption u ON u.id = p.redemption_id WHERE p.redemption_id = :id ORDER BY p.place
""")
_ISSUERS = text("""
    SELECT i.name FROM redemption u JOIN redemption_part p ON p.redemption_id = u.id
    JOIN certificate c ON c.id = p.certificate_id JOIN issuer i ON i.id = c.issuer_id
    WHERE u.id = :id AND (u.state = 'authorised' OR p.captured_minor > 0) ORDER BY p.place
""")
_LEFT = text("""
    SELECT u.currency, coalesce(sum(b.amount_minor), 0)::bigint FROM redemption u
    LEFT JOIN redemption_part p ON p.redemption_id = u.id AND p.captured_minor > 0
    LEFT JOIN certificate c ON c.id = p.certificate_id AND c.holder_id = u.holder_id
    LEFT JOIN account a ON a.code = '2100' AND a.owner = c.id::text AND a.currency = c.currency
    LEFT JOIN balance b ON b.account_id = a.id
    WHERE u.id = :id GROUP BY u.currency
""")
_GIVEN = text("""
    WITH given AS (
        SELECT DISTINCT ON (p.place) p.place, p.captured_minor, i.name, g.giver_id, g.recipient_email
        FROM redemption u JOIN redemption_part p ON p.redemption_id = u.id AND p.captured_minor > 0
        JOIN gift_sheet s ON s.certificate_id = p.certificate_id
        JOIN gift g ON g.id = s.gift_id AND g.state = 'accepted' AND g.recipient_id = u.holder_id
        JOIN member h ON h.id = u.holder_id AND h.name_shown <> 'hidden'
        JOIN certificate c ON c.id = p.certificate_id JOIN issuer i ON i.id = c.issuer_id
        WHERE u.id = :id ORDER BY p.place, g.answered_at DESC)
    SELECT giver_id, sum(captured_minor)::bigint, array_agg(name ORDER BY place),
           (SELECT currency FROM redemption WHERE id = :id), recipient_email FROM given
    GROUP BY giver_id, recipient_email ORDER BY giver_id, recipient_email
""")


def alone(db: Connection, use_id: str) -> None:
    """Nobody else begins or undoes the use with this id until the transaction ends, whether we know it yet or not."""
    db.execute(_ALONE, {"id": use_id})


def undone(db: Connection, clerk: Clerk, use_id: str) -> bool:
    """Whether this clerk's store has reversed the use with this id before it ever arrived."""
    return bool(db.execute(_UNDONE, {"id": use_id, "store": clerk.store_id}).scalar_one())


def seen(db: Connection, clerk: Clerk, use_id: str) -> Stored | None:
    """The use with this id at this clerk's store, if any. Raises Refusal `code_refused` when another store has that id."""
    row = db.execute(_READ, {"id": use_id}).first()
    if row is None:
        return None
    if row.store_id != clerk.store_id:
        raise Refusal("code_refused")
    return _stored(*row)


def find(db: Connection, clerk: Clerk, use_id: str) -> Stored:
    """The use with this id. Raises Refusal `use_unknown` when this clerk's store has none."""
    row = db.execute(_READ, {"id": use_id}).first()
    if row is None or row.store_id != clerk.store_id:
        raise Refusal("use_unknown")
    return _stored(*row)


def by_reference(db: Connection, clerk: Clerk, reference: str) -> Stored:
    """The use with this receipt. Raises Refusal `use_unknown` when this clerk's store has none."""
    row = db.execute(_BY_REFERENCE, {"reference": reference, "store": clerk.store_id}).first()
    if row is None:
        raise Refusal("use_unknown")
    return _stored(*row)


def read(db: Connection, use_id: str) -> Stored:
    """The use with this id. Raises NoResultFound."""
    return _stored(*db.execute(_READ, {"id": use_id}).one())


def parts(db: Connection, use_id: str) -> list[Part]:
    """What each certificate paid, in the order of use."""
    return [
        Part(int(certificate), Money(held, currency), Money(captured, currency), Money(returned, currency))
        for certificate, currency, held, captured, returned in db.execute(_PARTS, {"id": use_id})
    ]


def issuers(db: Connection, use_id: str) -> str:
    """The issuers whose certificates pay for a use, in the order of use."""
    return named([str(name) for (name,) in db.execute(_ISSUERS, {"id": use_id})])


def left(db: Connection, use_id: str) -> Money:
    """What is left on the certificates that paid for a use, as far as its holder still holds them."""
    currency, minor = db.execute(_LEFT, {"id": use_id}).one()
    return Money(minor, currency)


def given(db: Connection, use_id: str) -> list[Given]:
    """Whose gifts paid for a use, and how much; of a holder who lets givers see nothing of them (names.py), nobody's."""
    return [
        Given(int(giver), Money(minor, currency), named(names), Email(email) if email else None)
        for giver, minor, names, currency, email in db.execute(_GIVEN, {"id": use_id})
    ]


def _stored(
    id_: str,
    reference: str,
    state: str,
    holder_id: int,
    store_id: int,
    store: str,
    currency: str,
    hold_until: datetime,
    *minors: int,
) -> Stored:
    amount, captured, returned, commission, commission_returned = (Money(minor, currency) for minor in minors)
    return Stored(
        id_,
        reference,
        state,
        holder_id,
        store_id,
        store,
        amount,
        captured,
        returned,
        commission,
        commission_returned,
        hold_until,
    )
