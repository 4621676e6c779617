"""The sheets a gift is made of: which may go together, what is left on them, and whose they become."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from circulation.members import Member
from circulation.money import Money
from circulation.refusals import Refusal
from circulation.rules import Rules
from storage import ledger


@dataclass(frozen=True, slots=True)
class Taken:
    """Sheets of one issuer, held until the transaction ends: what is `left` on each, in the order they were chosen."""

    issuer_id: int
    issuer: str
    left: Mapping[int, Money]

    @property
    def total(self) -> Money:
        """What is left on all of them."""
        first, *others = self.left.values()
        return sum(others, start=first)


_ALIKE = text("""
    SELECT c.id FROM certificate chosen
    JOIN certificate c ON c.holder_id = chosen.holder_id AND c.issuer_id = chosen.issuer_id
        AND c.face_minor = chosen.face_minor AND c.currency = chosen.currency
    JOIN account a ON a.code = '2100' AND a.owner = c.id::text AND a.currency = c.currency
    JOIN balance b ON b.account_id = a.id AND b.amount_minor = c.face_minor
    WHERE chosen.id = :certificate AND chosen.holder_id = :holder AND c.state = 'live'
      AND (c.expires_on IS NULL OR c.expires_on >= (clock() AT TIME ZONE :zone)::date)
    ORDER BY c.id <> chosen.id, c.id LIMIT :most
""")
_TAKE = text("""
    SELECT c.id, c.currency, i.id AS issuer_id, i.name AS issuer,
           c.state = 'live' AND (c.expires_on IS NULL OR c.expires_on >= (clock() AT TIME ZONE :zone)::date) AS live,
           c.expires_on IS NOT NULL AND c.expires_on < (CAST(:on AS timestamptz) AT TIME ZONE :zone)::date AS ends_before
    FROM certificate c JOIN issuer i ON i.id = c.issuer_id
    WHERE c.id = ANY(:certificates) AND c.holder_id = :holder ORDER BY c.id
""")
_LOCK = text("SELECT FROM certificate WHERE id = ANY(:certificates) ORDER BY id FOR NO KEY UPDATE")
_VOID_CODES = text("""
    UPDATE redemption_code r SET state = 'voided' WHERE r.holder_id = :holder AND r.state = 'live'
      AND EXISTS (SELECT FROM code_certificate k WHERE k.code_id = r.id AND k.certificate_id = ANY(:certificates))
""")
_HAND_OVER = text("UPDATE certificate SET holder_id = :holder WHERE id = ANY(:certificates)")


def alike(db: Connection, rules: Rules, holder: Member, certificate_id: int) -> list[int]:
    """The sheets that may be given along with this one, itself first: untouched, of the same issuer and value.

    At most as many as are sold in one purchase. A sheet that was used in part goes alone.
    """
    values = {"certificate": certificate_id, "holder": holder.id, "zone": rules.zone, "most": rules.most_sheets}
    found = [int(id_) for (id_,) in db.execute(_ALIKE, values)]
    return found if certificate_id in found else [certificate_id]


def check(db: Connection, rules: Rules, holder: Member, certificates: Sequence[int], on: datetime | None) -> None:
    """Whether these may be given, to be answered from `on` (None: from now); without what is left on them, and without locks.

    Raises Refusal `not_yours`, `expired` or `would_have_expired`.
    """
    _read(db, rules, holder, certificates, on)


def take(db: Connection, rules: Rules, holder: Member, certificates: Sequence[int], on: datetime | None) -> Taken:
    """Keep the sheets in this member's hands until the transaction ends, and void the code asked for on any of them.

    A use of that code which is under way is waited for: what is left is what it leaves.
    Raises Refusal as `check` does, or `nothing_left`; ValueError for none, for one twice, or for different issuers.
    """
    wanted = {"certificates": list(certificates)}
    db.execute(_LOCK, wanted)
    currency, issuer_id, issuer = _read(db, rules, holder, certificates, on)
    db.execute(_VOID_CODES, {"holder": holder.id, **wanted})
    left = {one: Money(ledger.balance(db, "2100", str(one), currency), currency) for one in certificates}
    if not all(amount.amount_minor for amount in left.values()):
        raise Refusal("nothing_left")
    return Taken(issuer_id, issuer, left)


def hand_over(db: Connection, certificates: Sequence[int], holder_id: int) -> None:
    """These certificates are held by somebody else from now on."""
    db.execute(_LOCK, {"certificates": list(certificates)})
    db.execute(_HAND_OVER, {"certificates": list(certificates), "holder": holder_id})


def _read(
    db: Connection, rules: Rules, holder: Member, certificates: Sequence[int], on: datetime | None
) -> tuple[str, int, str]:
    """Currency and issuer of the sheets."""
    values = {"certificates": list(certificates), "holder": holder.id, "zone": rules.zone, "on": on}
    rows = db.execute(_TAKE, values).all()
    if len(rows) < len(set(certificates)):
        raise Refusal("not_yours")
    kinds = {(row.currency, row.issuer_id, row.issuer) for row in rows}
    if len(kinds) != 1 or len(rows) != len(certificates):
        raise ValueError("the sheets of a gift are of one issuer and currency, and each is given once")
    if not all(row.live for row in rows):
        raise Refusal("expired")
    if any(row.ends_before for row in rows):
        raise Refusal("would_have_expired")
    ((currency, issuer_id, issuer),) = kinds
    return currency, issuer_id, issuer
