"""Refunds: money back to who paid it, over the rail it came by. From the decision on it is owed (2300); the worker sends it."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from circulation import chart, law, members, notices
from circulation.members import Member
from circulation.money import Money
from circulation.references import new_reference
from circulation.refusals import Refusal
from circulation.rules import Rules
from payments import callbacks, refunds
from payments.gateway import Reason
from storage import ledger


@dataclass(frozen=True, slots=True)
class Returnable:
    """What of a purchase may still be given back: its untouched sheets, and what the buyer has for them."""

    purchase_id: str
    reference: str
    issuer: str
    sheets: int
    amount: Money


_READ = text("""
    SELECT r.rail, r.amount_minor, r.currency, r.reference, r.payee_id, r.state FROM refund r WHERE r.id = :id
""")
_UNUSED = """
    FROM certificate c JOIN purchase p ON p.id = c.purchase_id JOIN issuer i ON i.id = c.issuer_id
    JOIN account a ON a.code = '2100' AND a.owner = c.id::text AND a.currency = c.currency
    JOIN balance b ON b.account_id = a.id
    WHERE p.buyer_id = :buyer AND c.holder_id = :buyer AND c.state = 'live' AND b.amount_minor = c.face_minor
"""
_RETURNABLE = text(f"""
    SELECT p.id::text, p.reference, i.name, count(*), sum(c.face_minor)::bigint, p.fee_minor / p.sheets, p.currency,
           (p.issued_at AT TIME ZONE :zone)::date, (clock() AT TIME ZONE :zone)::date, min(c.law)
    {_UNUSED} AND p.issued_at > clock() - interval '1 year'
    GROUP BY p.id, i.name ORDER BY p.issued_at DESC LIMIT 20
""")
_SHEETS = text(f"""
    SELECT c.id, c.face_minor {_UNUSED} AND p.id = :purchase ORDER BY c.id FOR NO KEY UPDATE OF c
""")
_CHARGE = text(
    "SELECT id::text, rail FROM charge WHERE purchase_id = :purchase AND state = 'paid' ORDER BY created_at LIMIT 1"
)
_END = text("UPDATE certificate SET state = 'ended' WHERE id = ANY(:certificates)")
_VOID_CODES = text("""
    UPDATE redemption_code SET state = 'voided' WHERE holder_id = :buyer AND state = 'live'
""")
_REFUNDED = text("""
    UPDATE purchase p SET state = 'refunded' WHERE p.id = :purchase
      AND NOT EXISTS (SELECT FROM certificate c WHERE c.purchase_id = p.id AND c.state <> 'ended')
""")
_DONE = text("SELECT reference, amount_minor, currency FROM refund WHERE id = :id")


def returnable(db: Connection, rules: Rules, buyer: Member) -> list[Returnable]:
    """The purchases of which this buyer may give sheets back now: untouched, still theirs, inside the law's window."""
    found = []
    for row in db.execute(_RETURNABLE, {"buyer": buyer.id, "zone": rules.zone}):
        purchase_id, reference, issuer, sheets, worth, fee, currency, issued, today, law_id = row
        terms = rules.laws.by_id(law_id)
        if today <= law.refundable_until(terms, issued):
            amount = Money(worth + (fee * sheets if terms.refund_window.fee_returned else 0), currency)
            found.append(Returnable(purchase_id, reference, issuer, sheets, amount))
    return found


def give_back(db: Connection, rules: Rules, *, refund_id: str, buyer: Member, purchase_id: str, expected: Money) -> str:
    """The buyer gives the untouched sheets of a purchase back; returns the refund's reference. The same id does it once.

    `expected` is the sum that was shown. A live code of theirs is void from now on. Raises Refusal `not_returnable`.
    """
    members.lock(db, buyer.id)
    if done := db.execute(_DONE, {"id": refund_id}).first():
        return str(done.reference)
    db.execute(
        _VOID_CODES, {"buyer": buyer.id}
    )  # waits for a use that is under way: a sheet it touched is not given back
    offer = next((one for one in returnable(db, rules, buyer) if one.purchase_id == purchase_id), None)
    sheets = {
        int(id_): Money(face, expected.currency)
        for id_, face in db.execute(_SHEETS, {"buyer": buyer.id, "purchase": purchase_id})
    }
    if offer is None or offer.amount != expected or offer.sheets != len(sheets):
        raise Refusal("not_returnable")
    worth = sum(sheets.values(), start=Money(0, expected.currency))
    fee = Money(expected.amount_minor - worth.amount_minor, expected.currency)
    ledger.post(db, f"{refund_id}:owed", chart.purchase_refunded(sheets, fee, refund_id))
    db.execute(_END, {"certificates": list(sheets)})
    db.execute(_REFUNDED, {"purchase": purchase_id})
    charge_id = str(db.execute(_CHARGE, {"purchase": purchase_id}).scalar_one())
    return start(db, rules, refund_id, charge_id=charge_id, payee_id=buyer.id, amount=expected, why="buyer")


def start(
    db: Connection,
    rules: Rules,
    refund_id: str,
    *,
    charge_id: str,
    payee_id: int,
    amount: Money,
    why: str,
    payment_id: str | None = None,
) -> str:
    """Have money that is owed (2300, under this id) sent back over the rail of a charge; returns its reference.

    The operator's own phone bill takes it off at once; every other rail is asked by the worker.
    """
    reference = new_reference()
    rail = str(db.execute(_RAIL, {"charge": charge_id}).scalar_one())
    refunds.mint(
        db,
        refund_id=refund_id,
        reference=reference,
        charge_id=charge_id,
        payment_id=payment_id,
        payee_id=payee_id,
        rail=rail,
        why=why,
        amount_minor=amount.amount_minor,
        currency=amount.currency,
    )
    if rules.rails.get(rail) is None:
        paid(db, rules, refund_id=refund_id, receipt="")
    return reference


_RAIL = text("SELECT rail FROM charge WHERE id = :charge")


def paid(db: Connection, rules: Rules, *, refund_id: str, receipt: str) -> None:
    """The rail has given the money back; the payee is told. Saying so twice does it once."""
    rail, amount_minor, currency, reference, payee_id, _ = db.execute(_READ, {"id": refund_id}).one()
    members.lock(db, payee_id)
    if refunds.hold(db, refund_id) == "paid":
        return
    amount = Money(amount_minor, currency)
    gateway = rules.rails.get(rail)
    account, owner = (gateway.account, rail) if gateway else ("1120", "")
    ledger.post(db, f"{refund_id}:paid", chart.refund_paid(account, owner, refund_id, amount))
    refunds.mark(db, refund_id, "paid", look_after=None, receipt=receipt)
    payee = members.get(db, payee_id)
    notices.send(db, payee, rules.sms_provider, notices.REFUNDED, amount=amount, reference=reference)


def failed(db: Connection, rules: Rules, *, refund_id: str, reason: Reason) -> None:
    """The rail cannot give it back: it stays owed, the payee is told so, and the operator has to find another way."""
    _, amount_minor, currency, reference, payee_id, _ = db.execute(_READ, {"id": refund_id}).one()
    members.lock(db, payee_id)
    if refunds.hold(db, refund_id) in ("paid", "failed"):
        return
    refunds.mark(db, refund_id, "failed", look_after=None, reason=reason)
    callbacks.incident(db, "refund the rail cannot pay", refund_id, {"reason": reason})
    amount, payee = Money(amount_minor, currency), members.get(db, payee_id)
    notices.send(db, payee, rules.sms_provider, notices.REFUND_OWED, amount=amount, reference=reference)
