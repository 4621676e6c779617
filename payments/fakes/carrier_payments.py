"""One payment and one refund of the fake operator, and what CAMARA's APIs say of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any


def instant(seconds: float) -> str:
    """A moment (seconds since 1970) as RFC 3339 writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(amount: Decimal) -> int | float:
    """A decimal as a JSON number."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


@dataclass(slots=True)
class Payment:
    """A payment asked for with `body`. `amount` (units of `currency`) is true; `reported` is said instead."""

    id: str
    body: Mapping[str, Any]
    msisdn: str
    amount: Decimal
    currency: str
    created: float
    status: str
    authorization: str = ""
    code: str = ""
    attempts: int = 0
    refunds: "list[Refund]" = field(default_factory=list)
    reported: dict[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether nothing can change any more, by the rules."""
        return self.status in {"succeeded", "denied", "cancelled"}

    @property
    def left(self) -> Decimal:
        """What has not been refunded, nor is being refunded."""
        return self.amount - sum((one.amount for one in self.refunds if one.status != "denied"), Decimal())

    def said(self) -> dict[str, Any]:
        """The payment as the API gives it."""
        asked = self.body.get("amountTransaction", {})
        money = {
            "amount": plain(self.reported.get("amount", self.amount)),
            "currency": self.reported.get("currency", self.currency),
            "description": "Giftline",
        }
        transaction = {
            "phoneNumber": self.msisdn,
            "clientCorrelator": self.reported.get("correlator", asked.get("clientCorrelator", "")),
            "referenceCode": asked.get("referenceCode", ""),
            "paymentAmount": {"chargingInformation": money},
            "serverReferenceCode": f"{self.id}-serv",
        }
        said = {"paymentId": self.id, "amountTransaction": transaction, "paymentStatus": self.status}
        said["paymentCreationDate"] = instant(self.created)
        return said | ({"paymentDate": instant(self.created)} if self.status == "succeeded" else {})


@dataclass(slots=True)
class Refund:
    """A refund asked for with `body`: of `amount`, in the payment's currency."""

    id: str
    body: Mapping[str, Any]
    amount: Decimal
    created: float
    status: str

    def said(self) -> dict[str, Any]:
        """The refund as the API gives it: the amount of a total one is not told."""
        said = {"refundId": self.id, "refundStatus": self.status, "type": self.body["type"]}
        said["refundCreationDate"] = instant(self.created)
        asked = self.body["amountTransaction"]
        money = asked["refundAmount"].get("chargingInformation")
        back = {"chargingInformation": {**money, "amount": plain(Decimal(money["amount"]))}} if money else {}
        return said | {"amountTransaction": {**asked, "refundAmount": back}}
