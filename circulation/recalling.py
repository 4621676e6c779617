"""Recalls: what a giver may take back, and taking it back. Against an answer at the same moment exactly one wins."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from circulation import addresses, gifting, mailing, members, notices
from circulation.email_address import Email
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.rules import Rules
from circulation.values import Value


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A gift that was not answered, as its giver sees it. `sends_at`: when it will be sent; None: it was."""

    id: str
    recipient: Msisdn | Email
    issuer: str
    amount: Money
    sends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Recalled:
    """A gift that was taken back."""

    reference: str
    issuer: str
    amount: Money


_UNANSWERED = text("""
    SELECT g.id::text, coalesce(g.recipient_email, r.msisdn), i.name, g.amount_minor, g.currency,
           CASE g.state WHEN 'scheduled' THEN g.sends_at END
    FROM gift g LEFT JOIN member r ON r.id = g.recipient_id JOIN issuer i ON i.id = g.issuer_id
    WHERE g.giver_id = :giver AND g.state IN ('scheduled', 'offered')
      AND NOT EXISTS (SELECT FROM group_gift x WHERE x.gift_id = g.id AND x.state = 'given') ORDER BY g.created_at DESC LIMIT 20
""")
_RECALL = text("""
    UPDATE gift SET state = 'recalled', answered_at = clock()
    WHERE id = :id AND giver_id = :giver AND state IN ('scheduled', 'offered')
      AND NOT EXISTS (SELECT FROM group_gift x WHERE x.gift_id = gift.id AND x.state = 'given') RETURNING sent_at IS NOT NULL
""")
_READ = text("""
    SELECT g.state, g.recipient_id, g.recipient_email, g.reference, i.name, g.amount_minor, g.currency
    FROM gift g JOIN issuer i ON i.id = g.issuer_id WHERE g.id = :id AND g.giver_id = :giver
""")


def unanswered(db: Connection, giver_id: int) -> list[Unanswered]:
    """The gifts this member may take back, newest first (at most 20). What others paid with them is not theirs to take."""
    return [
        Unanswered(id_, addresses.read(to), issuer, Money(amount_minor, currency), sends_at)
        for id_, to, issuer, amount_minor, currency, sends_at in db.execute(_UNANSWERED, {"giver": giver_id})
    ]


def recall(db: Connection, rules: Rules, *, gift_id: str, giver: Member, receipt: bool) -> Recalled:
    """Take back a gift that was not answered, or not even sent. Recalling twice does it once.

    A recipient who had been told of it is told. `receipt` sends the giver a text as well.
    Raises Refusal `gift_answered`, or `gift_lapsed`: then it is with the giver again already.
    """
    members.lock(db, giver.id)
    which = {"id": gift_id, "giver": giver.id}
    was_sent = db.execute(_RECALL, which).scalar()
    row = db.execute(_READ, which).first()
    if row is None:
        raise gifting.ended("unknown")
    state, recipient_id, email, reference, issuer, amount_minor, currency = row
    recalled = Recalled(reference, issuer, Money(amount_minor, currency))
    if was_sent is None:
        if state != "recalled":
            raise gifting.ended(state)
        return recalled
    gifting.end(db, gift_id, "recalled", recipient_id)
    told: dict[str, Value] = {"issuer": issuer, "amount": recalled.amount}
    if was_sent and recipient_id is not None:
        to = members.get(db, recipient_id)
        notices.send(db, to, rules.routes, notices.GIFT_RECALLED, giver=giver.name, **told)
    if was_sent and email is not None:
        mailing.recalled(db, rules, Email(email), giver, issuer, recalled.amount)
    if receipt:
        told.update(recipient=gifting.named(db, email, recipient_id), reference=reference)
        notices.send(db, giver, rules.routes, notices.GIFT_TAKEN_BACK, **told)
    return recalled
