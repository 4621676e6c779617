"""Cash-out: the small rest of a certificate in money, where the law of the certificate gives its holder that right."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text

from circulation import chart, law, members, refunds, ways_back
from circulation.members import Member
from circulation.money import Money
from circulation.refusals import Refusal
from circulation.rules import Rules
from storage import ledger

GENERAL = "general"
"""The kind of an issuer whose certificates many unrelated stores take."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left on a certificate, all of which its holder may have in money now."""

    certificate_id: int
    serial: str
    issuer: str
    amount: Money


_HELD = """
    SELECT c.id, c.serial, i.name, i.kind, c.law, c.face_minor, b.amount_minor, c.currency,
           (clock() AT TIME ZONE :zone)::date
    FROM certificate c JOIN issuer i ON i.id = c.issuer_id
    JOIN account a ON a.code = '2100' AND a.owner = c.id::text AND a.currency = c.currency
    JOIN balance b ON b.account_id = a.id
"""
_RESTS = text(f"""
    {_HELD} WHERE c.holder_id = :holder AND c.state = 'live' AND b.amount_minor > 0 AND {ways_back.AT_REST}
      AND (CAST(:certificate AS bigint) IS NULL OR c.id = :certificate)
    ORDER BY c.id LIMIT 50 FOR NO KEY UPDATE OF c
""")
_LOOK = text(_RESTS.text.replace("FOR NO KEY UPDATE OF c", ""))
_VOID_CODES = text("UPDATE redemption_code SET state = 'voided' WHERE holder_id = :holder AND state = 'live'")
_END = text("UPDATE certificate SET state = 'ended' WHERE id = :certificate")


def rests(db: Connection, rules: Rules, holder: Member) -> list[Rest]:
    """The rests of the holder's certificates (of 50 at most) that the law pays out, oldest certificate first."""
    rows = db.execute(_LOOK, {"holder": holder.id, "zone": rules.zone, "certificate": None})
    return [rest for row in rows if (rest := _rest(rules, *row))]


def cash_out(
    db: Connection, rules: Rules, *, refund_id: str, holder: Member, certificate_id: int, expected: Money, receipt: bool
) -> str:
    """The holder takes the rest of a certificate in money, which ends it; returns the refund's reference. The same id does it
    once.

    `expected` is the sum that was shown. `receipt` sends one by text where it is done at once. A live code of theirs is void
    from now on. Raises Refusal `not_returnable` when the law does not pay it out, and `cash_out_not_here` when it may not
    leave over any rail to this holder.
    """
    members.lock(db, holder.id)
    if reference := refunds.known(db, refund_id):
        return reference
    # waits for a use that is under way: what is left is what it leaves
    db.execute(_VOID_CODES, {"holder": holder.id})
    row = db.execute(_RESTS, {"holder": holder.id, "zone": rules.zone, "certificate": certificate_id}).first()
    rest = _rest(rules, *row) if row else None
    if rest is None or rest.amount != expected:
        raise Refusal("not_returnable")
    way = ways_back.find(db, rules, holder, certificate_id, rest.amount)
    ledger.post(db, f"{refund_id}:owed", chart.residual_cashed(certificate_id, refund_id, rest.amount))
    db.execute(_END, {"certificate": certificate_id})
    return ways_back.pay(
        db, rules, way=way, refund_id=refund_id, payee=holder, amount=rest.amount, why="rest", receipt=receipt
    )


def _rest(
    rules: Rules,
    id_: int,
    serial: str,
    issuer: str,
    kind: str,
    law_id: str,
    face_minor: int,
    balance_minor: int,
    currency: str,
    today: date,
) -> Rest | None:
    minor = law.residual_cash_minor(
        rules.laws.best_for_holder(law_id, today),
        face_minor=face_minor,
        balance_minor=balance_minor,
        currency=currency,
        general_use=kind == GENERAL,
    )
    return Rest(id_, serial, issuer, Money(minor, currency)) if minor else None
