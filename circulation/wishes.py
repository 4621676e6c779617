"""What people do not want to be texted about: kept by person, by sender and by purpose.

Purposes that can be declined are somebody else's gift and reminders. Answers to what a person asks, and what concerns
their own money, are always sent; a provider that blocks its number for a person refuses those by itself. A sender is a
provider of ours, by its name. Who declined at one sender is not written to by another that they never wrote to: a wish is
not got around.
"""

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import Connection, text

from circulation import members
from circulation.msisdn import Msisdn
from circulation.routes import Routes

Purpose = Literal["all", "gift", "reminder"]
"""What is declined; `all` is everything that can be."""
Asked = tuple[str, str, str]
"""An address (E.164 or e-mail), a provider, and why it would be written to (`Purpose` of storage/outbox.py)."""

_STOP = text(
    "INSERT INTO opt_out (address, sender, purpose) VALUES (:address, :sender, :purpose) ON CONFLICT DO NOTHING"
)
_START = text("DELETE FROM opt_out WHERE address = :address AND sender = :sender RETURNING purpose")
_DECLINED = text("""
    SELECT DISTINCT r.address, r.provider, r.purpose
    FROM unnest(CAST(:addresses AS text[]), CAST(:providers AS text[]), CAST(:purposes AS text[]))
        AS r(address, provider, purpose)
    JOIN opt_out o ON o.address = r.address AND o.purpose IN ('all', r.purpose)
    LEFT JOIN member m ON m.msisdn = r.address
    WHERE r.purpose IN ('gift', 'reminder') AND (o.sender = r.provider OR m.sms_provider IS DISTINCT FROM r.provider)
""")


def stop(db: Connection, address: str, sender: str, purpose: Purpose = "all") -> None:
    """This address is no longer written to for this purpose. Saying it twice does it once."""
    db.execute(_STOP, {"address": address, "sender": sender, "purpose": purpose})


def start(db: Connection, msisdn: Msisdn, sender: str, language: str) -> set[Purpose]:
    """This phone may be written to again by the sender it said so to. Returns what it had declined there.

    Its notices come by that sender from now on. `language` is used when we had not met.
    """
    restored: set[Purpose] = set(db.execute(_START, {"address": msisdn.e164, "sender": sender}).scalars())
    if restored:
        members.meet(db, msisdn, language)
        members.reached_by(db, msisdn, sender)
    return restored


def told_by_provider(db: Connection, address: str, sender: str) -> None:
    """A provider told us, when refusing a message or by itself, that this person takes nothing from our number there."""
    stop(db, address, sender)


def declined(db: Connection, rows: Sequence[Asked]) -> set[Asked]:
    """Those of `rows` that must not be sent, because the person there said so."""
    can_be = [row for row in rows if row[2] in ("gift", "reminder")]
    if not can_be:
        return set()
    addresses, providers, purposes = map(list, zip(*can_be, strict=True))
    found = db.execute(_DECLINED, {"addresses": addresses, "providers": providers, "purposes": purposes})
    return {(row.address, row.provider, row.purpose) for row in found}


def takes_gifts(db: Connection, routes: Routes, recipient: Msisdn) -> bool:
    """Whether a text about a gift would be sent to this phone. A gift to one that takes none is valid all the same."""
    known = members.find(db, recipient)
    if not routes.carries("sms", recipient):
        return True  # whoever is reached in another form has declined nothing there
    provider = routes.first("sms", recipient, known.sms_provider if known else None)
    return not declined(db, [(recipient.e164, provider, "gift")])
