"""Gifts: offered, then accepted, declined or lapsed, each at most once. Until the answer the value rests in escrow."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from circulation import chart, members, notices, wallet
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.references import new_reference
from circulation.refusals import Refusal
from circulation.rules import Rules
from storage import ledger


@dataclass(frozen=True, slots=True)
class Offer:
    """A gift that waits for its answer, as the recipient sees it."""

    id: str
    giver: str
    issuer: str
    amount: Money
    note: str
    lapses_at: datetime
    age_seconds: float


_FOUND = text("SELECT reference FROM gift WHERE id = :id")
_VOID_CODE = text("""
    UPDATE redemption_code SET state = 'voided'
    WHERE holder_id = :holder AND certificate_id = :certificate AND state = 'live'
""")
_OFFER = text("""
    INSERT INTO gift (id, reference, certificate_id, giver_id, recipient_id, amount_minor, currency, note, lapses_at)
    VALUES (:id, :reference, :certificate, :giver, :recipient, :amount_minor, :currency, :note,
            clock() + make_interval(secs => :seconds)) RETURNING lapses_at
""")
_OPEN = text("""
    SELECT g.id::text, coalesce(m.name, ''), i.name, g.amount_minor, g.currency, g.note, g.lapses_at,
           extract(epoch FROM clock() - g.created_at)::float
    FROM gift g JOIN member r ON r.id = g.recipient_id JOIN member m ON m.id = g.giver_id
    JOIN certificate c ON c.id = g.certificate_id JOIN issuer i ON i.id = c.issuer_id
    WHERE r.msisdn = :msisdn AND g.state = 'offered' AND g.lapses_at > clock() ORDER BY g.created_at DESC LIMIT 20
""")
_ANSWER = text("""
    UPDATE gift g SET state = :state, answered_at = clock() FROM certificate c, issuer i
    WHERE g.id = :id AND g.state = 'offered' AND c.id = g.certificate_id AND i.id = c.issuer_id
      AND (:state = 'lapsed') = (g.lapses_at <= clock()) AND (:state = 'lapsed' OR g.recipient_id = :recipient)
    RETURNING g.certificate_id, g.giver_id, g.recipient_id, g.amount_minor, g.currency, g.reference, i.name
""")
_STATE = text("SELECT state, lapses_at <= clock() FROM gift WHERE id = :id AND recipient_id = :recipient")
_HAND_OVER = text("UPDATE certificate SET holder_id = :holder WHERE id = :certificate")
_DUE = text(
    "SELECT id::text FROM gift WHERE state = 'offered' AND lapses_at <= clock() ORDER BY lapses_at LIMIT :limit"
)


def give(
    db: Connection,
    rules: Rules,
    *,
    gift_id: str,
    giver: Member,
    certificate_id: int,
    recipient: Msisdn,
    note: str,
    receipt: bool,
) -> str:
    """Offer what is left on a certificate to another phone; returns the gift's reference. The same id gives once.

    A code that the giver asked for on it is void from now on, whatever becomes of the gift.
    Raises Refusal `own_number`, `not_yours` or `nothing_left`.
    """
    if recipient == giver.msisdn:
        raise Refusal("own_number")
    members.lock(db, giver.id)
    if reference := db.execute(_FOUND, {"id": gift_id}).scalar():
        return str(reference)
    currency, issuer = wallet.lock(db, giver.id, certificate_id)
    # a use of the code that is under way is waited for: what is left is what it leaves
    db.execute(_VOID_CODE, {"certificate": certificate_id, "holder": giver.id})
    amount = Money(ledger.balance(db, "2100", str(certificate_id), currency), currency)
    if not amount.amount_minor:
        raise Refusal("nothing_left")
    known = members.meet(db, recipient, giver.language)
    offer = {
        "id": gift_id,
        "reference": new_reference(),
        "certificate": certificate_id,
        "giver": giver.id,
        "recipient": known.id,
        "amount_minor": amount.amount_minor,
        "currency": currency,
        "note": note,
        "seconds": rules.gift_lapse_seconds,
    }
    until = db.execute(_OFFER, offer).scalar_one()
    ledger.post(db, f"{gift_id}:offered", chart.gift_offered({certificate_id: amount}, gift_id))
    told = {"issuer": issuer, "amount": amount, "service_code": rules.service_code, "until": until, "giver": giver.name}
    if note:
        notices.send(db, known, rules.sms_provider, notices.GIFT_WAITS, note=note, **told)
    else:
        notices.send(db, known, rules.sms_provider, notices.GIFT_WAITS_NO_NOTE, **told)
    if receipt:
        told = {"reference": offer["reference"], "issuer": issuer, "amount": amount, "recipient": recipient}
        notices.send(db, giver, rules.sms_provider, notices.GIFT_SENT, **told)
    return str(offer["reference"])


def offers(db: Connection, recipient: Msisdn) -> list[Offer]:
    """The gifts that wait for this phone's answer, newest first (at most 20)."""
    rows = db.execute(_OPEN, {"msisdn": recipient.e164}).all()
    return [
        Offer(id_, giver, issuer, Money(amount_minor, currency), note, lapses_at, age)
        for id_, giver, issuer, amount_minor, currency, note, lapses_at, age in rows
    ]


def accept(db: Connection, rules: Rules, *, gift_id: str, recipient: Member) -> None:
    """The recipient takes the gift and holds the certificate; the giver is told. Accepting twice does it once.

    Raises Refusal `gift_answered` or `gift_lapsed`.
    """
    _answer(db, rules, gift_id, "accepted", notices.GIFT_ACCEPTED, recipient)


def decline(db: Connection, rules: Rules, *, gift_id: str, recipient: Member) -> None:
    """The recipient does not want the gift: it returns to the giver, who is told. Raises Refusal as `accept` does."""
    _answer(db, rules, gift_id, "declined", notices.GIFT_DECLINED, recipient)


def lapse(db: Connection, rules: Rules, *, gift_id: str) -> None:
    """The time to answer is over: the gift returns to the giver, who is told. Nothing happens if it was answered."""
    _answer(db, rules, gift_id, "lapsed", notices.GIFT_LAPSED, None)


def due(db: Connection, *, limit: int) -> list[str]:
    """Ids of gifts whose time to answer is over."""
    return [str(id_) for (id_,) in db.execute(_DUE, {"limit": limit})]


def _answer(db: Connection, rules: Rules, gift_id: str, state: str, notice: str, recipient: Member | None) -> None:
    """One conditional update decides; whoever comes second finds it decided."""
    values = {"id": gift_id, "state": state, "recipient": recipient.id if recipient else None}
    row = db.execute(_ANSWER, values).first()
    if row is None:
        if recipient is not None:
            _refuse_unless_same(db, gift_id, state, recipient)
        return
    certificate, giver_id, recipient_id, amount_minor, currency, reference, issuer = row
    amount = Money(amount_minor, currency)
    ledger.post(db, f"{gift_id}:answered", chart.gift_answered(state, {certificate: amount}, gift_id))
    if state == "accepted":
        db.execute(_HAND_OVER, {"holder": recipient_id, "certificate": certificate})
    who = recipient or members.get(db, recipient_id)
    told = {"recipient": who.msisdn, "issuer": issuer, "amount": amount, "reference": reference}
    notices.send(db, members.get(db, giver_id), rules.sms_provider, notice, **told)


def _refuse_unless_same(db: Connection, gift_id: str, wanted: str, recipient: Member) -> None:
    row = db.execute(_STATE, {"id": gift_id, "recipient": recipient.id}).first()
    state, late = row if row else ("unknown", False)
    if state == "lapsed" or (state == "offered" and late):
        raise Refusal("gift_lapsed")
    if state != wanted:
        raise Refusal("gift_answered")
