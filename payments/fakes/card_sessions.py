"""One Checkout Session of the fake Stripe, and what Stripe would say of it and of its payment."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from babel.numbers import get_currency_precision

from payments.card_amounts import stated


def new_name(kind: str) -> str:
    """A name as Stripe makes them: what it is, and something nobody can guess."""
    return f"{kind}_{secrets.token_hex(12)}"


@dataclass(slots=True)
class Session:
    """A session opened with `form`. Amounts are Stripe's; `received` was truly charged, `reported` is said instead."""

    id: str
    form: Mapping[str, str]
    amount: int
    currency: str
    created: int
    status: str = "open"
    intent: str = ""
    intent_status: str = ""
    decline: str = ""
    received: int = 0
    reported: dict[str, Any] = field(default_factory=dict)

    @property
    def paid(self) -> bool:
        """Whether its payment has succeeded."""
        return self.intent_status == "succeeded"

    def shown(self) -> str:
        """Its amount as people read it."""
        digits = get_currency_precision(self.currency.upper())
        minor = stated({"amount": self.amount, "currency": self.currency}, "amount") or 0
        units, rest = divmod(minor, 10**digits)
        return f"{units}.{rest:0{digits}}" if digits else str(units)

    def said(self, host_url: str, *, expanded: bool) -> dict[str, Any]:
        """The session as Stripe's API gives it."""
        intent: Any = None if not self.intent else self.intent_said() if expanded else self.intent
        order = self.reported.get("client_reference_id", self.form.get("client_reference_id"))
        return {
            "id": self.id,
            "object": "checkout.session",
            "mode": "payment",
            "status": self.status,
            "payment_status": "paid" if self.paid else "unpaid",
            "amount_total": self.reported.get("amount", self.amount),
            "currency": self.reported.get("currency", self.currency),
            "created": self.created,
            "payment_intent": intent,
            "client_reference_id": order,
            "metadata": {"charge_id": order} if order else {},
            "url": f"{host_url}card/c/pay/{self.id}" if self.status == "open" else None,
        }

    def intent_said(self) -> dict[str, Any]:
        """Its payment as Stripe's API gives it."""
        declined = self.decline and not self.paid
        return {
            "id": self.intent,
            "object": "payment_intent",
            "status": self.intent_status,
            "created": self.created,
            "amount": self.amount,
            "amount_received": self.reported.get("amount", self.received) if self.received else 0,
            "currency": self.reported.get("currency", self.currency),
            "last_payment_error": {"code": "card_declined", "decline_code": self.decline} if declined else None,
            "metadata": {"charge_id": self.form.get("client_reference_id", "")},
        }
