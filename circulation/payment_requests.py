"""Payment requests: a shop that scanned a bearer code asks, and the holder agrees on their own phone or does not.

Nothing is held while the holder thinks; agreeing makes a one-time code and uses it there and then, in one transaction. A
request is answered at most once and ends by itself; the clerk knew that when asking.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from circulation import bearer, catalogue, members, notices, one_time_codes, redemption
from circulation.catalogue import Clerk
from circulation.members import Member
from circulation.money import Money
from circulation.refusals import Refusal
from circulation.rules import Rules
from circulation.values import Value


@dataclass(frozen=True, slots=True)
class Asked:
    """What a shop asks of a holder."""

    id: str
    store: str
    issuer: str
    amount: Money
    until: datetime
    age_seconds: float


_END_OLD = text("""
    UPDATE payment_request SET state = 'lapsed', answered_at = clock()
    WHERE holder_id = :holder AND state = 'asked' AND expires_at <= clock()
""")
_ASK = text("""
    INSERT INTO payment_request (id, certificate_id, holder_id, clerk_id, amount_minor, currency, expires_at)
    VALUES (:id, :certificate, :holder, :clerk, :amount_minor, :currency, clock() + make_interval(secs => :seconds))
    ON CONFLICT DO NOTHING RETURNING expires_at
""")
_SAME = text("""
    SELECT expires_at FROM payment_request
    WHERE holder_id = :holder AND state = 'asked' AND clerk_id = :clerk AND certificate_id = :certificate
      AND amount_minor = :amount_minor AND currency = :currency
""")
_OPEN = text("""
    SELECT p.id::text, s.name, i.name, p.amount_minor, p.currency, p.expires_at,
           extract(epoch FROM clock() - p.created_at)::float
    FROM payment_request p JOIN member m ON m.id = p.holder_id JOIN clerk c ON c.id = p.clerk_id
    JOIN store s ON s.id = c.store_id JOIN certificate k ON k.id = p.certificate_id JOIN issuer i ON i.id = k.issuer_id
    WHERE m.msisdn = :msisdn AND p.state = 'asked' AND p.expires_at > clock()
""")
_ANSWER = text("""
    UPDATE payment_request SET state = :state, answered_at = clock()
    WHERE id = :id AND holder_id = :holder AND state = 'asked' AND expires_at > clock()
    RETURNING certificate_id, clerk_id, amount_minor, currency
""")


def ask(db: Connection, rules: Rules, *, request_id: str, clerk: Clerk, code: str, amount: Money) -> datetime:
    """Ask the holder of what a bearer code names to pay `amount` at this clerk's store. Returns until when they can agree.

    The same clerk asking for the same again asks once. The attempt is counted before the code is looked at, and a code
    that cannot pay this here is refused in one sentence, whatever the reason: Refusal `code_refused`, or `locked` after too
    many bad ones; `being_asked` while another payment is asked of the holder.
    """
    one_time_codes.reserve(rules, clerk)
    borne = bearer.find(db, rules, code, store_id=clerk.store_id)
    if borne is None or borne.left.currency != amount.currency or borne.left.amount_minor < amount.amount_minor:
        raise Refusal("code_refused")
    one_time_codes.forgive(rules, clerk)
    request = {
        "id": request_id,
        "certificate": borne.certificate_id,
        "holder": borne.holder_id,
        "clerk": clerk.id,
        "amount_minor": amount.amount_minor,
        "currency": amount.currency,
        "seconds": rules.code_seconds,
    }
    db.execute(_END_OLD, request)
    until: datetime | None = db.execute(_ASK, request).scalar()
    if until is None:
        return _asked_before(db, request)
    holder = members.get(db, borne.holder_id)
    told: dict[str, Value] = {
        "store": clerk.store,
        "amount": amount,
        "issuer": borne.issuer,
        "service_code": rules.service_code,
    }
    notices.send(db, holder, rules.routes, notices.PAYMENT_ASKED, **told)
    return until


def waiting(db: Connection, holder: Member) -> Asked | None:
    """What is asked of this holder now. There is at most one."""
    rows = db.execute(_OPEN, {"msisdn": holder.msisdn.e164}).all()
    found = [
        Asked(id_, store, issuer, Money(minor, currency), until, age)
        for id_, store, issuer, minor, currency, until, age in rows
    ]
    return found[0] if found else None


def agree(db: Connection, rules: Rules, *, request_id: str, holder: Member) -> redemption.Use:
    """Pay what was asked. The clerk is told; holder and givers as for any use. A code that was live is voided by it.

    Raises Refusal `request_over` when it was answered before or its time is over, or what `redemption.use` raises: then
    nothing was paid, and it can still be answered.
    """
    members.lock(db, holder.id)
    row = _answer(db, request_id, holder, "agreed")
    amount = Money(row.amount_minor, row.currency)
    phone, clerk = catalogue.till(db, row.clerk_id)
    code = one_time_codes.ask_code(
        db, rules, code_id=request_id, holder=holder, certificates=[row.certificate_id], limit=amount, receipt=False
    )
    paid = redemption.use(db, rules, use_id=request_id, clerk=clerk, code=code.code.replace(" ", ""), amount=amount)
    till = members.meet(db, phone, holder.language)
    notices.send(db, till, rules.routes, notices.PAYMENT_AGREED, amount=amount, reference=paid.reference)
    return paid


def refuse(db: Connection, rules: Rules, *, request_id: str, holder: Member) -> None:
    """Do not pay what was asked; the clerk is told. Raises Refusal `request_over`."""
    members.lock(db, holder.id)
    row = _answer(db, request_id, holder, "refused")
    phone, _ = catalogue.till(db, row.clerk_id)
    till = members.meet(db, phone, holder.language)
    amount = Money(row.amount_minor, row.currency)
    notices.send(db, till, rules.routes, notices.PAYMENT_REFUSED, amount=amount)


def _asked_before(db: Connection, request: Mapping[str, Any]) -> datetime:
    """Until when the same request, asked twice, can be agreed to."""
    until: datetime | None = db.execute(_SAME, request).scalar()
    if until is None:
        raise Refusal("being_asked")
    return until


def _answer(db: Connection, request_id: str, holder: Member, state: str) -> Row[Any]:
    row = db.execute(_ANSWER, {"id": request_id, "holder": holder.id, "state": state}).first()
    if row is None:
        raise Refusal("request_over")
    return row
