"""Gifts for a day the giver chose: sent when it comes, at a decent hour of the recipient's own place.

Until then the value rests in escrow, and the recipient neither sees the gift nor can answer it.
"""

from sqlalchemy import Connection, text

from circulation import gifting, hours, ladder, members, notices
from circulation.money import Money
from circulation.rules import Rules
from circulation.values import Value

_DUE = text("""
    SELECT id::text FROM gift WHERE state = 'scheduled' AND sends_at <= clock() ORDER BY sends_at LIMIT :limit
""")
_HOLD = text(
    "SELECT recipient_id, recipient_email FROM gift WHERE id = :id AND state = 'scheduled' AND sends_at <= clock() "
    "FOR NO KEY UPDATE"
)
_LATER = text("UPDATE gift SET sends_at = :sends_at WHERE id = :id")
_SEND = text("""
    UPDATE gift g SET state = 'offered', sent_at = clock(), lapses_at = clock() + make_interval(secs => :seconds)
    FROM issuer i WHERE g.id = :id AND i.id = g.issuer_id
    RETURNING g.giver_id, g.reference, i.name, g.amount_minor, g.currency
""")


def due(db: Connection, *, limit: int) -> list[str]:
    """Ids of gifts whose day has come."""
    return [str(id_) for (id_,) in db.execute(_DUE, {"limit": limit})]


def send(db: Connection, rules: Rules, *, gift_id: str) -> bool:
    """Offer a gift whose day has come: recipient and giver are told, and the time to answer begins. False: it was not sent.

    Out of decent hours it waits for the next nine o'clock. A gift that was recalled or sent already is left alone.
    """
    held = db.execute(_HOLD, {"id": gift_id}).first()
    if held is None:
        return False
    recipient = gifting.named(db, held.recipient_email, held.recipient_id)
    now, zone = hours.now(db), hours.zone_of(recipient, rules.zone)
    if not hours.decent(now, zone):
        db.execute(_LATER, {"id": gift_id, "sends_at": hours.next_decent(now, zone)})
        return False
    values = {"id": gift_id, "seconds": rules.gift_lapse_seconds}
    giver_id, reference, issuer, amount_minor, currency = db.execute(_SEND, values).one()
    giver, amount = members.get(db, giver_id), Money(amount_minor, currency)
    ladder.offer(db, rules, gift_id)
    told: dict[str, Value] = {"reference": reference, "issuer": issuer, "amount": amount}
    notices.send(db, giver, rules.routes, notices.GIFT_ARRIVED, recipient=recipient, **told)
    return True
