"""MTN Mobile Money: the payer approves a request on the phone (collection); money goes back by transfer (disbursement).

Sources: MTN's MoMo developer pages on requesttopay, transfer, account holders, callbacks and common error codes. What is
known from others' logs alone stands in the tables below and is marked "seen".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from payments.gateway import Callback, Charge, Forged, Found, Gateway, Hint, NotTaken, Reason, Refund, State, Unanswered
from payments.provider_http import Answer, Caller, Doors, Token, read_json, to_decimal, to_minor, word

STATES: Final[Mapping[str, State]] = {
    "PENDING": "pending",
    "SUCCESSFUL": "paid",
    "FAILED": "failed",
    "REJECTED": "failed",  # seen
    "TIMEOUT": "failed",  # seen
}
"""A status that is not here is no clear answer."""

REASONS: Final[Mapping[str, Reason]] = {
    "NOT_ENOUGH_FUNDS": "no_funds",
    "PAYER_LIMIT_REACHED": "over_limit",
    "APPROVAL_REJECTED": "cancelled",
    "TRANSACTION_CANCELED": "cancelled",
    "PAYMENT_NOT_APPROVED": "cancelled",
    "EXPIRED": "expired",
    "COULD_NOT_PERFORM_TRANSACTION": "expired",  # not approved within five minutes
    "PAYER_NOT_FOUND": "unknown_payer",
    "PAYEE_NOT_FOUND": "unknown_payer",
    "PAYEE_NOT_ALLOWED_TO_RECEIVE": "refused",
    "SENDER_ACCOUNT_NOT_ACTIVE": "refused",
    "INTERNAL_PROCESSING_ERROR": "other",  # MTN: mostly too little money, and not only that
}
"""Why a request failed. One that is not here failed for another reason."""

OUR_FAULT = frozenset(
    {"NOT_ALLOWED", "NOT_ALLOWED_TARGET_ENVIRONMENT", "INVALID_CALLBACK_URL_HOST", "INVALID_CURRENCY"}
)
"""Codes of a 500 by which a request is turned away for what was set up wrong."""

_UNKNOWN_PARTY = frozenset({"PAYER_NOT_FOUND", "PAYEE_NOT_FOUND"})


@dataclass(frozen=True, slots=True)
class Product:
    """One product's credentials: an API user (UUID), its key, and the subscription key."""

    user: str
    key: str = field(repr=False)
    subscription: str = field(repr=False)


class MtnMomo(Gateway):
    """MTN MoMo in one country, whose numbers begin with one of `prefixes` ("+256") and whose money is in `currencies`.

    MTN takes our ids (X-Reference-Id): asking twice charges, or pays out, once. `target_environment` is MTN's name of the
    country ("mtnuganda"); in the "sandbox" the currency is EUR. Its callback comes once, unsigned, and is only a hint.
    """

    rail = "momo"
    account = "1130"
    wait_seconds = 600
    ask_after_seconds = 5

    def __init__(
        self,
        *,
        base_url: str,
        target_environment: str,
        currencies: tuple[str, ...],
        prefixes: tuple[str, ...],
        collection_user: str,
        collection_key: str,
        collection_subscription: str,
        disbursement_user: str,
        disbursement_key: str,
        disbursement_subscription: str,
        callback_base: str,
        callback_secret: str,
        timeout_seconds: float = 10,
    ) -> None:
        self._currencies = currencies
        self._prefixes = prefixes
        self._doors = Doors(callback_base, self.rail, callback_secret)
        caller = Caller(base_url, timeout_seconds)
        collection = Product(collection_user, collection_key, collection_subscription)
        disbursement = Product(disbursement_user, disbursement_key, disbursement_subscription)
        self._collection = _Api(caller, "collection", collection, target_environment)
        self._disbursement = _Api(caller, "disbursement", disbursement, target_environment)

    def fits(self, msisdn: str, amount_minor: int, currency: str) -> bool:
        """Numbers and currencies of the country; MTN's own limits show when the payer is asked."""
        return amount_minor > 0 and currency in self._currencies and msisdn.startswith(self._prefixes)

    def can_pay(self, charge: Charge) -> bool | None:
        """Whether the number has an active wallet; nothing is said of how much is in it."""
        answer = self._collection.call("GET", f"/accountholder/msisdn/{_party(charge.msisdn)}/active")
        active = answer.data if isinstance(answer.data, bool) else answer.at("result")
        return active if isinstance(active, bool) else None

    def ask(self, charge: Charge) -> Found:
        """Have the payer's phone ask for approval. A charge that was asked before is looked up."""
        body = {**_money(charge.amount_minor, charge.currency, charge.id, charge.reference), "payer": _msisdn(charge)}
        answer = self._collection.ask("/requesttopay", charge.id, body, self._doors.address("charge", charge.id))
        return answer or self.find(charge)

    def find(self, charge: Charge) -> Found:
        """Fetch a request to pay by our id."""
        return self._collection.find("/requesttopay", charge.id)

    def refund(self, refund: Refund) -> Found:
        """Transfer money to the payer's wallet. A refund that was asked before is looked up."""
        charge = refund.charge
        body = {**_money(refund.amount_minor, charge.currency, refund.id, refund.reference), "payee": _msisdn(charge)}
        answer = self._disbursement.ask("/transfer", refund.id, body, self._doors.address("refund", refund.id))
        return answer or self.find_refund(refund)

    def find_refund(self, refund: Refund) -> Found:
        """Fetch a transfer by our id."""
        return self._disbursement.find("/transfer", refund.id)

    def hint(self, callback: Callback) -> Hint:
        """A result that was called back (POST or PUT). Which charge or refund it is about, the address says."""
        kind = self._doors.kind(callback, "charge", "refund")
        try:
            data = read_json(callback.body)
        except ValueError:
            raise Forged from None
        status, receipt, currency = (word(data, name) for name in ("status", "financialTransactionId", "currency"))
        if not status:
            raise Forged
        about = {"charge_id" if kind == "charge" else "refund_id": callback.charge_id}
        return Hint(
            f"{kind} {callback.charge_id} {status} {receipt}",
            **about,
            receipt=receipt,
            amount_minor=_stated(data, currency),
            currency=currency,
        )


class _Api:
    """One product of MTN's: its token, its headers, and what its answers mean."""

    def __init__(self, caller: Caller, name: str, product: Product, target_environment: str) -> None:
        self._caller = caller
        self._path = f"/{name}/v1_0"
        subscription = {"Ocp-Apim-Subscription-Key": product.subscription}
        self._headers = {**subscription, "X-Target-Environment": target_environment}
        login = (product.user, product.key)
        self._token = Token(lambda: caller.call("POST", f"/{name}/token/", basic=login, headers=subscription))

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Ask with the product's credentials. An answer of 500 is returned when it has a code."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._caller.call(
            method,
            self._path + path,
            token=self._token,
            headers={**self._headers, **named},
            body=body,
            answers={500},
        )
        if answer.status == 500:
            code = answer.word("code")
            if code in OUR_FAULT:
                raise NotTaken(code, alarm=True)
            if code not in _UNKNOWN_PARTY:
                raise Unanswered("http_500")
        return answer

    def ask(self, path: str, id_: str, body: object, callback_url: str) -> Found | None:
        """Hand in a request under our id; None when one with this id was handed in before."""
        answer = self.call("POST", path, body, X_Reference_Id=id_, X_Callback_Url=callback_url)
        if answer.status == 409:
            return None
        if answer.word("code") in _UNKNOWN_PARTY:
            return Found("failed", handle=id_, reason="unknown_payer")
        if answer.status >= 400:
            raise NotTaken(f"http_{answer.status}", alarm=True)
        return Found("pending", handle=id_)

    def find(self, path: str, id_: str) -> Found:
        """Fetch what became of a request. Raises Unanswered when the answer is about another, or is not understood."""
        answer = self.call("GET", f"{path}/{id_}")
        if answer.status == 404 and answer.word("code") == "RESOURCE_NOT_FOUND":  # not a path that nobody knows
            return Found("absent")
        if answer.status >= 400:
            raise Unanswered(f"http_{answer.status}")
        state, currency = STATES.get(answer.word("status")), answer.word("currency")
        amount = _stated(answer.data, currency)
        if state is None or amount is None or answer.word("externalId") != id_:
            raise Unanswered("unreadable_result")
        receipt = answer.word("financialTransactionId")
        if state == "paid" and not receipt:
            raise Unanswered("no_receipt")
        reason = answer.word("reason") or answer.word("reason", "code")  # both forms are seen
        return Found(
            state,
            handle=id_,
            receipt=receipt if state == "paid" else "",
            amount_minor=amount,
            currency=currency,
            reason=REASONS.get(reason, "other") if state == "failed" else "",
        )


def _money(amount_minor: int, currency: str, id_: str, reference: str) -> dict[str, str]:
    """`externalId` is our id too, so that an answer shows what it is about; people read the reference."""
    units = to_decimal(amount_minor, currency)
    amount = units.quantize(Decimal(1)) if units == units.to_integral_value() else units
    return {
        "amount": format(amount, "f"),
        "currency": currency,
        "externalId": id_,
        "payerMessage": reference,
        "payeeNote": reference,
    }


def _msisdn(charge: Charge) -> dict[str, str]:
    return {"partyIdType": "MSISDN", "partyId": _party(charge.msisdn)}


def _party(msisdn: str) -> str:
    return msisdn.removeprefix("+")


def _stated(data: Any, currency: str) -> int | None:
    """The amount as the provider states it; None when it is none."""
    try:
        return to_minor(word(data, "amount"), currency)
    except ValueError:
        return None
