"""Stripe's webhooks: whether Stripe signed them, and what they are about.

Sources: Stripe's "Verify webhook signatures" and "Types of events".
"""

import hashlib
import hmac
import re
from typing import Any
from uuid import UUID

from payments.card_amounts import claimed, currency_of
from payments.gateway import Callback, Forged, Hint
from payments.provider_http import at, read_json, word

TOLERANCE_SECONDS = 300
"""How far a webhook's time may be from ours (Stripe's own libraries: 300 s), before or after."""

_SESSION_EVENTS = frozenset(
    f"checkout.session.{what}" for what in ("completed", "async_payment_succeeded", "async_payment_failed", "expired")
)
_REFUND_EVENTS = frozenset({"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"})
_DISPUTE_EVENTS = frozenset(
    f"charge.dispute.{what}" for what in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
)
_TIME = re.compile(r"[0-9]{1,12}")


def verify(callback: Callback, secret: str, now: float) -> None:
    """Raises Forged unless the body was signed with our secret, and lately (`now`: seconds since 1970)."""
    parts = [part.partition("=") for part in callback.headers.get("stripe-signature", "").split(",")]
    times = [value for name, _, value in parts if name.strip() == "t"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or abs(now - int(times[0])) > TOLERANCE_SECONDS:
        raise Forged
    signed = hmac.new(secret.encode(), f"{times[0]}.".encode() + callback.body, hashlib.sha256).hexdigest().encode()
    given = [value.strip().encode("utf-8", "replace") for name, _, value in parts if name.strip() == "v1"]
    right = [hmac.compare_digest(signed, value) for value in given]
    if not any(right):
        raise Forged


def read(body: bytes) -> Hint:
    """What a verified webhook is about; of an event that says nothing of a payment, its name alone. Raises Forged."""
    try:
        event = read_json(body)
    except ValueError:
        raise Forged from None
    name = word(event, "id")
    if not name.startswith("evt_"):
        raise Forged
    return _hint(name, word(event, "type"), at(event, "data", "object"))


def _hint(event: str, kind: str, thing: Any) -> Hint:
    charge_id = _uuid(word(thing, "client_reference_id") or word(thing, "metadata", "charge_id"))
    payment = word(thing, "payment_intent")
    currency = currency_of(thing)
    if kind in _SESSION_EVENTS:
        amount = claimed(thing, "amount_total")
        return Hint(event, charge_id, word(thing, "id"), payment, amount_minor=amount, currency=currency)
    if kind == "charge.refunded":
        amount = claimed(thing, "amount_refunded")
        return Hint(event, charge_id, receipt=payment, amount_minor=amount, currency=currency)
    if kind in _REFUND_EVENTS:
        ours = _uuid(word(thing, "metadata", "refund_id"))
        amount = claimed(thing, "amount")
        return Hint(event, charge_id, receipt=payment, refund_id=ours, amount_minor=amount, currency=currency)
    if kind in _DISPUTE_EVENTS:
        amount = claimed(thing, "amount")
        return Hint(
            event, charge_id, receipt=payment, dispute=word(thing, "id"), amount_minor=amount, currency=currency
        )
    return Hint(event)


def _uuid(written: str) -> str:
    """An id that may be ours: payments made by hand carry other people's words there."""
    try:
        return str(UUID(written))
    except ValueError:
        return ""
