"""Sales: what is bought is paid at once on the operator's own phone bill, or ordered and paid over another rail."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from circulation import catalogue, chart, members, notices, orders
from circulation.catalogue import Denomination
from circulation.members import Member
from circulation.money import Money
from circulation.references import new_reference
from circulation.refusals import Refusal
from circulation.rules import Rules
from payments import charges
from storage import ledger

PHONE_BILL = "phone_bill"


@dataclass(frozen=True, slots=True)
class Purchase:
    """What was bought: the receipt's reference, what it cost, and the serials of its certificates; none before it is paid."""

    reference: str
    total: Money
    serials: list[str]


_FOUND = text("SELECT reference, amount_minor + fee_minor, currency FROM purchase WHERE id = :id")
_SERIALS = text("SELECT serial FROM certificate WHERE purchase_id = :id ORDER BY id")
_ORDER = text("""
    INSERT INTO purchase (id, reference, buyer_id, denomination_id, sheets, amount_minor, fee_minor, currency, rail, state)
    VALUES (:id, :reference, :buyer, :denomination, :sheets, :amount_minor, :fee_minor, :currency, :rail, 'ordered')
""")


def cost(denomination: Denomination, sheets: int) -> Money:
    """What the buyer pays in all: worth and fee of every sheet."""
    return (denomination.worth + denomination.fee) * sheets


def ways(db: Connection, rules: Rules, buyer: Member, total: Money) -> list[str]:
    """The rails, in menu order, that could take this sum from this buyer, as far as can be told without asking outside.

    Raises Refusal `bill_limit` when none can but for the phone bill's limit, or `no_way_to_pay`.
    """
    left = rules.phone_bill.left(db, buyer.id, total.currency) if PHONE_BILL in rules.rails else 0
    fitting = [
        rail
        for rail, gateway in rules.rails.items()
        if (
            gateway.fits(buyer.msisdn.e164, total.amount_minor, total.currency)
            if gateway
            else total.amount_minor <= left
        )
    ]
    if not fitting and PHONE_BILL in rules.rails:
        raise Refusal("bill_limit", amount=total, left=Money(left, total.currency))
    if not fitting:
        raise Refusal("no_way_to_pay", amount=total)
    return fitting


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
    denomination = _as_shown(db, denomination_id, sheets, expected)
    reference = _ordered(db, purchase_id, buyer, denomination, sheets, PHONE_BILL)
    if not rules.phone_bill.charge(db, purchase_id, reference, buyer.id, expected.amount_minor, expected.currency):
        left = rules.phone_bill.left(db, buyer.id, expected.currency)
        raise Refusal("bill_limit", amount=expected, left=Money(left, expected.currency))
    ledger.post(db, f"{purchase_id}:billed", chart.received("1120", "", expected))
    order = orders.read(db, purchase_id)
    purchase = Purchase(reference, expected, orders.issue(db, rules, order))
    if receipt:
        notices.send(
            db,
            buyer,
            rules.routes,
            notices.BOUGHT,
            reference=reference,
            sheets=sheets,
            issuer=denomination.issuer,
            worth=denomination.worth,
            total=expected,
            service_code=rules.service_code,
        )
    return purchase


def order(
    db: Connection,
    rules: Rules,
    *,
    purchase_id: str,
    buyer: Member,
    denomination_id: int,
    sheets: int,
    expected: Money,
    rail: str,
) -> Purchase:
    """Order the sheets, to be paid over `rail`: the charge is minted here and asked for by the worker; nothing is issued yet.

    The same `purchase_id` orders once. Raises Refusal `price_changed`, `no_way_to_pay` or `too_many_open`.
    """
    members.lock(db, buyer.id)
    if ordered := _found(db, purchase_id):
        return ordered
    denomination = _as_shown(db, denomination_id, sheets, expected)
    gateway = rules.rails.get(rail)
    if gateway is None or not gateway.fits(buyer.msisdn.e164, expected.amount_minor, expected.currency):
        raise Refusal("no_way_to_pay", amount=expected)
    if charges.waiting(db, buyer.id) >= rules.most_waiting:
        raise Refusal("too_many_open")
    reference = _ordered(db, purchase_id, buyer, denomination, sheets, rail)
    charge = {
        "id": purchase_id,
        "rail": rail,
        "payer": buyer.id,
        "purchase": purchase_id,
        "amount_minor": expected.amount_minor,
        "currency": expected.currency,
        "reference": reference,
    }
    charges.mint(db, charge, ask_after=gateway.ask_after_seconds, wait=gateway.wait_seconds)
    return Purchase(reference, expected, [])


def _as_shown(db: Connection, denomination_id: int, sheets: int, expected: Money) -> Denomination:
    denomination = catalogue.denomination(db, denomination_id)
    if denomination is None or cost(denomination, sheets) != expected:
        raise Refusal("price_changed")
    return denomination


def _ordered(
    db: Connection, purchase_id: str, buyer: Member, denomination: Denomination, sheets: int, rail: str
) -> str:
    reference = new_reference()
    db.execute(
        _ORDER,
        {
            "id": purchase_id,
            "reference": reference,
            "buyer": buyer.id,
            "denomination": denomination.id,
            "sheets": sheets,
            "amount_minor": (denomination.worth * sheets).amount_minor,
            "fee_minor": (denomination.fee * sheets).amount_minor,
            "currency": denomination.worth.currency,
            "rail": rail,
        },
    )
    return reference


def _found(db: Connection, purchase_id: str) -> Purchase | None:
    row = db.execute(_FOUND, {"id": purchase_id}).first()
    if row is None:
        return None
    reference, total_minor, currency = row
    serials = [str(serial) for (serial,) in db.execute(_SERIALS, {"id": purchase_id})]
    return Purchase(reference, Money(total_minor, currency), serials)
