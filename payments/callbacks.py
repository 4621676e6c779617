"""Callbacks and incidents as they are kept. A callback is a hint: it makes a charge due and moves nothing itself."""

import json
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import Connection, text

from payments import charges, refunds
from payments.gateway import Hint

_KEEP = text("""
    INSERT INTO callback (rail, event, charge_id) VALUES (:rail, :event, :charge) ON CONFLICT DO NOTHING RETURNING true
""")
_INCIDENT = text("""
    INSERT INTO incident (kind, about, facts) VALUES (:kind, :about, CAST(:facts AS jsonb))
    ON CONFLICT (kind, about) DO UPDATE SET closed_at = NULL, created_at = clock(), facts = excluded.facts
    WHERE incident.closed_at IS NOT NULL
""")


def take(db: Connection, rail: str, hint: Hint) -> bool:
    """Keep a callback, and have what it is about fetched soon. One that is about nothing of ours becomes an incident.

    Returns False for a repeat, for which nothing more is done than to look again.
    """
    charge_id = charges.known(db, rail, charge_id=_uuid(hint.charge_id), handle=hint.handle, receipt=hint.receipt)
    new = bool(db.execute(_KEEP, {"rail": rail, "event": hint.event, "charge": charge_id}).scalar())
    if hint.refund_id:
        if not (_uuid(hint.refund_id) and refunds.look(db, rail, hint.refund_id, handle=hint.handle)):
            incident(db, "callback for an unknown refund", f"{rail} {hint.event}", {"refund": hint.refund_id})
    elif charge_id is None:
        if hint.charge_id or hint.handle or hint.receipt:
            claimed = {"handle": hint.handle, "receipt": hint.receipt, "amount_minor": hint.amount_minor}
            incident(
                db, "callback for an unknown charge", f"{rail} {hint.event}", {**claimed, "currency": hint.currency}
            )
    elif hint.dispute:
        charges.look_for_dispute(db, charge_id)
    else:
        charges.name(db, charge_id, handle=hint.handle, receipt=hint.receipt)
        charges.look(db, charge_id)
    return new


def incident(db: Connection, kind: str, about: str, facts: Mapping[str, object]) -> None:
    """Have the operator look at something, once for each `kind` and `about`; again when it comes back after it was closed."""
    db.execute(_INCIDENT, {"kind": kind, "about": about[:200], "facts": json.dumps(facts)})


def _uuid(text_: str) -> str:
    """The text when it is a UUID, else nothing: what a stranger sends is not put to the database as one."""
    try:
        return str(UUID(text_))
    except ValueError:
        return ""
