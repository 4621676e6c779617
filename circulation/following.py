"""What follows a message that did not arrive: it is said again once, in another form, or its giver is told.

The worker has tried by its schedule before a row counts as failed; a provider may also say later that what it took did not
arrive. What is done about which code stands in `circulation/delivery_codes.py`.
"""

from collections.abc import Collection

from sqlalchemy import Connection

from circulation import addresses, ladder, wishes
from circulation.delivery_codes import when_not_delivered
from circulation.rules import Rules
from payments import callbacks
from storage import unsent
from storage.unsent import Unsent

AGAIN_SECONDS = 900.0
"""What may arrive a little later is said again after this: a phone that was off is on again, a network has recovered."""
SAID_AGAIN = frozenset({"once", "later", "slow", "alarm", "page"})


def due(db: Connection, *, limit: int) -> list[int]:
    """Outbox rows that failed and that nothing followed yet, oldest first."""
    return unsent.due(db, limit=limit)


def follow(db: Connection, rules: Rules, outbox_id: int) -> None:
    """Do what is to be done about one failed row, once, in the caller's transaction.

    Answers are not said again: they belong to a dialog that may have gone on, and who missed one writes or dials again. Nor
    is what held a code, whose words are gone.
    """
    row = unsent.follow(db, outbox_id)
    if row is None:
        return
    action = when_not_delivered(row.provider, row.code, taken=row.taken)
    if action == "opted_out":
        wishes.told_by_provider(db, row.address, row.provider)
    if action in ("alarm", "page", "plain"):
        facts = {"provider": row.provider, "code": row.code, "outbox_id": row.id}
        callbacks.incident(db, "messages are not delivered", f"{row.provider}:{row.code}", facts)
    if action in SAID_AGAIN and not row.again and row.purpose != "answer":
        alarming = action in ("alarm", "page")
        provider = (_stand_in(rules, row) if alarming else None) or row.provider
        if unsent.repeat(db, row.id, provider=provider, after_seconds=AGAIN_SECONDS):
            return
    if row.gift_id is not None:
        ladder.descend(db, rules, row, action)


def reroute(db: Connection, rules: Rules, *, served: Collection[str], limit: int) -> int:
    """Give what waits at providers that nobody serves any more to whoever carries it now. Returns how many rows it was.

    What such a provider may have taken, and what nobody else carries, ends here: what follows is `follow`'s.
    """
    rows = unsent.stranded(db, served=served, limit=limit)
    for row in rows:
        try:
            provider = rules.routes.first(row.form, addresses.read(row.address))
        except LookupError:
            provider = ""
        if row.unclear:
            unsent.give_up(db, row.id, code="not_known")
        elif provider in served:
            unsent.reroute(db, row.id, provider=provider)
        else:
            unsent.give_up(db, row.id, code="no_route")
    return len(rows)


def _stand_in(rules: Rules, row: Unsent) -> str | None:
    return rules.routes.after(row.form, addresses.read(row.address), [row.provider])
