"""Orders: a purchase that waits for its money, and the issue of its certificates once the money is there."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from circulation import chart, law, members, notices
from circulation.codes import new_serial
from circulation.money import Money
from circulation.rules import Rules
from circulation.values import Value
from payments.gateway import Reason
from storage import ledger


@dataclass(frozen=True, slots=True)
class Order:
    """A purchase, whatever has become of it. `rail` is how it is, or was to be, paid."""

    id: str
    reference: str
    buyer_id: int
    issuer: str
    sheets: int
    worth: Money
    fee: Money
    rail: str
    state: str
    age_seconds: float

    @property
    def total(self) -> Money:
        """What the buyer pays: worth and fee of every sheet."""
        return (self.worth + self.fee) * self.sheets


_READ = text("""
    SELECT p.id::text, p.reference, p.buyer_id, i.name, p.sheets, p.amount_minor / p.sheets, p.fee_minor / p.sheets,
           p.currency, p.rail, p.state, extract(epoch FROM clock() - p.created_at)::float
    FROM purchase p JOIN denomination d ON d.id = p.denomination_id JOIN issuer i ON i.id = d.issuer_id WHERE p.id = :id
""")
_ISSUED = text("""
    UPDATE purchase p SET state = 'issued', issued_at = clock() FROM denomination d, issuer i
    WHERE p.id = :id AND p.state IN ('ordered', 'failed') AND d.id = p.denomination_id AND i.id = d.issuer_id
    RETURNING i.prefix, (clock() AT TIME ZONE :zone)::date
""")
_ISSUE = text("""
    INSERT INTO certificate (serial, issuer_id, purchase_id, holder_id, face_minor, currency, law, expires_on)
    SELECT s.serial, d.issuer_id, p.id, p.buyer_id, d.amount_minor, d.currency, :law, :expires_on
    FROM purchase p JOIN denomination d ON d.id = p.denomination_id,
         unnest(CAST(:serials AS text[])) WITH ORDINALITY AS s(serial, place)
    WHERE p.id = :purchase ORDER BY s.place RETURNING id
""")
_FAILED = text("UPDATE purchase SET state = 'failed' WHERE id = :id AND state = 'ordered' RETURNING true")


def read(db: Connection, purchase_id: str) -> Order:
    """The order with this id. Raises NoResultFound."""
    id_, reference, buyer, issuer, sheets, worth, fee, currency, rail, state, age = db.execute(
        _READ, {"id": purchase_id}
    ).one()
    return Order(id_, reference, buyer, issuer, sheets, Money(worth, currency), Money(fee, currency), rail, state, age)


def is_open(db: Connection, rules: Rules, purchase_id: str) -> bool:
    """Whether money for this order still buys what was ordered: it waits, or it was given up less than a day ago."""
    order = read(db, purchase_id)
    return order.state == "ordered" or (order.state == "failed" and order.age_seconds < rules.late_issue_seconds)


def issue(db: Connection, rules: Rules, order: Order) -> list[str]:
    """Issue the sheets of an order whose money lies in the deposit (2050); their serials. The caller holds the buyer's row."""
    prefix, issued_on = db.execute(_ISSUED, {"id": order.id, "zone": rules.zone}).one()
    serials = [new_serial(prefix) for _ in range(order.sheets)]
    in_force = rules.laws.in_force(rules.law_pack, issued_on)
    terms = {"law": in_force.id, "expires_on": law.expires_on(in_force, issued_on)}
    rows = db.execute(_ISSUE, {"purchase": order.id, "serials": serials, **terms})
    certificates = [int(id_) for (id_,) in rows]
    ledger.post(db, f"{order.id}:issued", chart.issued(certificates, order.worth, order.fee))
    return serials


def fulfil(db: Connection, rules: Rules, purchase_id: str) -> None:
    """The money is there: issue what was ordered and tell the buyer."""
    order = read(db, purchase_id)
    issue(db, rules, order)
    told: dict[str, Value] = {
        "reference": order.reference,
        "sheets": order.sheets,
        "issuer": order.issuer,
        "worth": order.worth,
        "total": order.total,
        "service_code": rules.service_code,
    }
    notices.send(db, members.get(db, order.buyer_id), rules.routes, notices.PAID, **told)


def give_up(db: Connection, rules: Rules, purchase_id: str, reason: Reason) -> None:
    """The money did not come: nothing was issued, and the buyer is told why."""
    if db.execute(_FAILED, {"id": purchase_id}).scalar():
        order = read(db, purchase_id)
        told: dict[str, Value] = {"issuer": order.issuer, "total": order.total, "reference": order.reference}
        sentence = notices.NOT_PAID[reason]
        notices.send(db, members.get(db, order.buyer_id), rules.routes, sentence, **told)
