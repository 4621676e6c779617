"""Sales: certificates issued against a charge, in one transaction: all of it happens or none."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from circulation import catalogue, chart, members, notices
from circulation.catalogue import Denomination
from circulation.codes import new_serial
from circulation.members import Member
from circulation.money import Money
from circulation.references import new_reference
from circulation.refusals import Refusal
from circulation.rules import Rules
from storage import ledger


@dataclass(frozen=True, slots=True)
class Purchase:
    """What was bought: the receipt's reference, what it cost, and the serials of its certificates."""

    reference: str
    total: Money
    serials: list[str]


_FOUND = text("SELECT reference, amount_minor + fee_minor, currency FROM purchase WHERE id = :id")
_SERIALS = text("SELECT serial FROM certificate WHERE purchase_id = :id ORDER BY id")
_BUY = text("""
    INSERT INTO purchase (id, reference, buyer_id, denomination_id, sheets, amount_minor, fee_minor, currency)
    VALUES (:id, :reference, :buyer, :denomination, :sheets, :amount_minor, :fee_minor, :currency)
""")
_ISSUE = text("""
    INSERT INTO certificate (serial, issuer_id, purchase_id, holder_id, face_minor, currency)
    SELECT s.serial, d.issuer_id, :purchase, :buyer, d.amount_minor, d.currency
    FROM denomination d, unnest(CAST(:serials AS text[])) WITH ORDINALITY AS s(serial, place)
    WHERE d.id = :denomination ORDER BY s.place RETURNING id
""")
_PREFIX = text("SELECT i.prefix FROM denomination d JOIN issuer i ON i.id = d.issuer_id WHERE d.id = :denomination")


def cost(denomination: Denomination, sheets: int) -> Money:
    """What the buyer pays in all: worth and fee of every sheet."""
    return (denomination.worth + denomination.fee) * sheets


def check_bill(db: Connection, rules: Rules, buyer: Member, total: Money) -> None:
    """Ask the rail before anything is promised. Raises Refusal `bill_limit`."""
    left = rules.phone_bill.left(db, buyer.id, total.currency)
    if total.amount_minor > left:
        raise Refusal("bill_limit", amount=total, left=Money(left, total.currency))


def buy(
    db: Connection,
    rules: Rules,
    *,
    purchase_id: str,
    buyer: Member,
    denomination_id: int,
    sheets: int,
    expected: Money,
    receipt: bool,
) -> Purchase:
    """Charge the buyer's phone bill and issue the sheets to them; the same `purchase_id` buys once.

    `expected` is the total that was shown. `receipt` sends one by text as well.
    Raises Refusal `price_changed` or `bill_limit`; then nothing was charged.
    """
    members.lock(db, buyer.id)
    if bought := _found(db, purchase_id):
        return bought
    denomination = catalogue.denomination(db, denomination_id)
    if denomination is None or cost(denomination, sheets) != expected:
        raise Refusal("price_changed")
    check_bill(db, rules, buyer, expected)
    if not rules.phone_bill.charge(db, purchase_id, buyer.id, expected.amount_minor, expected.currency):
        raise Refusal("bill_limit", amount=expected, left=Money(0, expected.currency))
    purchase = Purchase(new_reference(), expected, _serials(db, denomination_id, sheets))
    worth, fee = denomination.worth, denomination.fee
    db.execute(
        _BUY,
        {
            "id": purchase_id,
            "reference": purchase.reference,
            "buyer": buyer.id,
            "denomination": denomination_id,
            "sheets": sheets,
            "amount_minor": (worth * sheets).amount_minor,
            "fee_minor": (fee * sheets).amount_minor,
            "currency": worth.currency,
        },
    )
    issue = {"purchase": purchase_id, "buyer": buyer.id, "serials": purchase.serials, "denomination": denomination_id}
    certificates = [int(id_) for (id_,) in db.execute(_ISSUE, issue)]
    ledger.post(db, f"{purchase_id}:billed", chart.bill_completed(expected))
    ledger.post(db, f"{purchase_id}:issued", chart.issued(certificates, worth, fee))
    if receipt:
        notices.send(
            db,
            buyer,
            rules.sms_provider,
            notices.BOUGHT,
            reference=purchase.reference,
            sheets=sheets,
            issuer=denomination.issuer,
            worth=worth,
            total=expected,
            service_code=rules.service_code,
        )
    return purchase


def _serials(db: Connection, denomination_id: int, sheets: int) -> list[str]:
    prefix = db.execute(_PREFIX, {"denomination": denomination_id}).scalar_one()
    return [new_serial(prefix) for _ in range(sheets)]


def _found(db: Connection, purchase_id: str) -> Purchase | None:
    row = db.execute(_FOUND, {"id": purchase_id}).first()
    if row is None:
        return None
    reference, total_minor, currency = row
    serials = [str(serial) for (serial,) in db.execute(_SERIALS, {"id": purchase_id})]
    return Purchase(reference, Money(total_minor, currency), serials)
