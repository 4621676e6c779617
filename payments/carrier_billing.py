"""The phone bill of another operator, by CAMARA's Carrier Billing: an amount is reserved, then taken.

Sources: CAMARA CarrierBillingCheckOut r3.2, its OpenAPI definitions Carrier Billing v0.5.0 and Carrier Billing Refund v0.3.0.

A payment that is not finished may not be asked for twice with the same clientCorrelator (400): whatever became of the first
request is then found in the list of payments. The id by which a code is passed on (authorizationId) is told only in the
answer to the asking; it is kept in the charge's handle, behind the payment's name and a space, while the code is waited for.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from payments.carrier_sink import read, token_for, verify
from payments.gateway import Callback, Charge, Found, Gateway, Hint, NotTaken, Reason, Refund, State, Unanswered
from payments.provider_http import Answer, Caller, Token, at, to_decimal, to_minor, word

SCOPES = (
    "carrier-billing:payments:create carrier-billing:payments:read carrier-billing:payments:write "
    "carrier-billing-refund:refunds:create carrier-billing-refund:refunds:read"
)

PAGE = 50
"""Payments asked for in one listing: a thousand bytes each."""

LOOK_BACK_SECONDS = 3 * 86_400
"""How old a payment may be that is looked for without its name."""

SINK_SECONDS = 7 * 86_400
"""How long the network may call us about a payment."""

_PAYMENTS = "/carrier-billing/v0.5/payments"
_REFUNDS = "/carrier-billing-refund/v0.3/payments"
_LARGEST_MINOR = 10**15
"""Amounts go out as JSON numbers; up to 15 digits every reader gets them exactly."""

_STATES: Mapping[str, tuple[State, Reason]] = {
    "processing": ("pending", ""),
    "pending_validation": ("needs_code", ""),
    "reserved": ("reserved", ""),
    "succeeded": ("paid", ""),
    "denied": ("failed", "refused"),
    "cancelled": ("failed", "cancelled"),
}
_REFUND_STATES: Mapping[str, tuple[State, Reason]] = {
    "processing": ("pending", ""),
    "succeeded": ("paid", ""),
    "denied": ("failed", "refused"),
}

# The definitions' error codes. Any other refusal: "other".
_REASONS: Mapping[str, Reason] = {
    "CARRIER_BILLING.PAYMENT_DENIED": "refused",
    "CARRIER_BILLING.UNAUTHORIZED_AMOUNT": "over_limit",
    "CARRIER_BILLING.USER_AMOUNT_THRESHOLD_OVERPASSED": "over_limit",
    "CARRIER_BILLING.INVALID_CODE": "wrong_pin",
    "CARRIER_BILLING.VALIDATION_FAILED": "refused",  # every attempt is used up
    "IDENTIFIER_NOT_FOUND": "unknown_payer",
    "SERVICE_NOT_APPLICABLE": "unknown_payer",
    "ALREADY_EXISTS": "busy",  # another payment of this subscriber is under way
    "CARRIER_BILLING_REFUND.REFUND_DENIED": "refused",
    "CARRIER_BILLING_REFUND.PAYMENT_NOT_ELIGIBLE_FOR_REFUND": "refused",
    "CARRIER_BILLING_REFUND.UNAUTHORIZED_AMOUNT": "over_limit",
    "CARRIER_BILLING_REFUND.USER_AMOUNT_THRESHOLD_OVERPASSED": "over_limit",
}

# What our own settings are to blame for: the contract, the kind of token, the address of our sink.
_ALARMS = frozenset(
    {
        "PERMISSION_DENIED",
        "MISSING_IDENTIFIER",
        "UNNECESSARY_IDENTIFIER",
        "INVALID_CREDENTIAL",
        "INVALID_TOKEN",
        "INVALID_SINK",
    }
)


class CarrierBilling(Gateway):
    """One operator, whose API is at `base_url` and whose token endpoint at `token_path` there. It bills in `currency`, up to
    `limit_minor` a payment.

    It is told to call `callback_base`, with a token of ours that `sink_secret` makes. `merchant_name` stands on the bill.
    `clock` gives seconds since 1970.
    """

    rail: ClassVar[str] = "carrier_billing"
    account: ClassVar[str] = "1120"
    wait_seconds: ClassVar[int] = 900
    acknowledgement: ClassVar[tuple[int, str]] = (204, "")

    def __init__(
        self,
        *,
        base_url: str,
        client_id: str,
        client_secret: str,
        callback_base: str,
        sink_secret: str,
        merchant_name: str,
        currency: str,
        limit_minor: int,
        token_path: str = "/oauth2/token",  # noqa: S107 - a path
        timeout_seconds: float = 10,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._caller = Caller(base_url, timeout_seconds)
        self._sink = f"{callback_base}/webhooks/payments/{self.rail}"
        self._sink_secret = sink_secret
        self._merchant_name = merchant_name
        self._currency = currency
        self._limit_minor = min(limit_minor, _LARGEST_MINOR)
        self._clock = clock
        form = {"grant_type": "client_credentials", "scope": SCOPES}
        pair = (client_id, client_secret)
        self._token = Token(lambda: self._caller.call("POST", token_path, basic=pair, form=form, answers={400, 401}))

    def fits(self, msisdn: str, amount_minor: int, currency: str) -> bool:
        """A phone number in E.164, and an amount of the operator's currency within its limit."""
        return msisdn.startswith("+") and currency == self._currency and 0 < amount_minor <= self._limit_minor

    def ask(self, charge: Charge) -> Found:
        """Reserve the amount. One that was asked for before is found again, not reserved twice."""
        body = {
            "amountTransaction": {
                "phoneNumber": charge.msisdn,
                "clientCorrelator": charge.id,
                "referenceCode": charge.reference,
                "paymentAmount": {
                    "chargingInformation": self._amount(charge.amount_minor, charge.currency, charge.reference),
                    "chargingMetaData": {"merchantName": self._merchant_name, "channel": "SMS"},
                },
            },
            **self._sink_of("charge", charge.id),
        }
        answer = self._call("POST", f"{_PAYMENTS}/prepare", body)
        if answer.status < 400:
            return self._found(charge, answer.data)
        if answer.word("code") not in {"INVALID_ARGUMENT", "ALREADY_EXISTS"}:
            return _refused(answer)
        found = self._listed(charge)
        if found.state != "absent":
            return found
        if "already exist" in answer.word("message").lower() and answer.status == 400:
            raise Unanswered("correlator_in_use")  # it was taken before, and is not in the list yet
        return _refused(answer)

    def find(self, charge: Charge) -> Found:
        """Fetch the payment; without its name it is looked for in the list.

        A code that the payer was sent for a payment whose asking was never answered cannot be passed on: it is pending until
        it is given up.
        """
        if not charge.handle:
            return self._listed(charge)
        answer = self._call("GET", f"{_PAYMENTS}/{_path(charge)}")
        if answer.status == 404:
            return Found("absent", handle=charge.handle)
        if answer.status >= 400:
            raise Unanswered(f"http_{answer.status}")
        return self._found(charge, answer.data)

    def validate(self, charge: Charge, code: str) -> Found:
        """Pass on the code; what the payment then is, or `failed` with wrong_pin. The network counts the attempts."""
        _, _, authorization = charge.handle.partition(" ")
        if not authorization:
            return self.find(charge)
        body = {"authorizationId": authorization, "code": code}
        answer = self._call("POST", f"{_PAYMENTS}/{_path(charge)}/validate", body)
        refused = answer.status >= 400 and _refused(answer)
        if refused and answer.word("code") in {"CARRIER_BILLING.INVALID_CODE", "CARRIER_BILLING.VALIDATION_FAILED"}:
            return Found("failed", handle=charge.handle, reason=refused.reason)
        return self.find(charge)

    def capture(self, charge: Charge) -> Found:
        """Confirm the reservation; what the payment then is. The network may take its time ("reserved" still, or "pending")."""
        return self._decide(charge, "confirm")

    def cancel(self, charge: Charge) -> Found:
        """Let the reservation go; what the payment then is."""
        if charge.handle:
            return self._decide(charge, "cancel")
        found = self._listed(charge)
        if found.state in {"absent", "paid", "failed"}:
            return found
        named = Charge(charge.id, charge.msisdn, charge.amount_minor, charge.currency, charge.reference, found.handle)
        return self._decide(named, "cancel")

    def refund(self, refund: Refund) -> Found:
        """Take an amount off the bill again. A refusal is believed when no refund with this id is there (a lost one may be)."""
        charge = refund.charge
        total = refund.amount_minor == charge.amount_minor
        money = {"chargingInformation": self._amount(refund.amount_minor, charge.currency, refund.reference)}
        body = {
            "type": "total" if total else "partial",
            "amountTransaction": {
                "clientCorrelator": refund.id,
                "referenceCode": refund.reference,
                "refundAmount": {} if total else money,
            },
            **self._sink_of("refund", refund.id),
        }
        answer = self._call("POST", f"{_REFUNDS}/{_path(charge)}/refunds", body)
        if answer.status < 400:
            return _found_refund(answer.data)
        found = self._listed_refund(refund)
        return _refused(answer) if found.state == "absent" else found

    def find_refund(self, refund: Refund) -> Found:
        """Fetch the refund by its name; without one it is looked for among those of the payment."""
        if not refund.handle:
            return self._listed_refund(refund)
        answer = self._call("GET", f"{_REFUNDS}/{_path(refund.charge)}/refunds/{quote(refund.handle, safe='')}")
        if answer.status == 404:
            return Found("absent", handle=refund.handle)
        if answer.status >= 400:
            raise Unanswered(f"http_{answer.status}")
        return _found_refund(answer.data)

    def hint(self, callback: Callback) -> Hint:
        """Verify and read a CloudEvent. The token it comes with says which charge or refund it may speak of."""
        return read(callback.body, *verify(callback, self._sink_secret))

    def listing(self, since: str, until: str) -> list[Found]:
        """Every payment that succeeded, of those asked for between two dates (UTC)."""
        first, end = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (since, until))
        query = {"paymentCreationDate.gte": _instant(first), "paymentStatus": "succeeded"}
        query["paymentCreationDate.lte"] = _instant(end - timedelta(milliseconds=1))
        return [_found(entry, handle="") for entry in self._pages(_PAYMENTS, query)]

    def _decide(self, charge: Charge, what: str) -> Found:
        """Confirm or cancel. Whatever it answers, the payment itself says what it is now."""
        answer = self._call("POST", f"{_PAYMENTS}/{_path(charge)}/{what}", {"phoneNumber": charge.msisdn})
        if answer.status >= 400:
            _refused(answer)
        found = self.find(charge)
        denied = answer.word("code") == "CARRIER_BILLING.PAYMENT_DENIED"
        if denied and found.state == "reserved":
            return Found("failed", handle=found.handle, reason="refused")
        return found

    def _found(self, charge: Charge, entry: Any) -> Found:
        """What a payment says. One that was asked for with another correlator is not this charge's."""
        correlator = word(entry, "amountTransaction", "clientCorrelator")
        if correlator and correlator != charge.id:
            return Found("absent")
        return _found(entry, handle=charge.handle)

    def _listed(self, charge: Charge) -> Found:
        """Look for a payment by its correlator among those of the last days."""
        since = datetime.fromtimestamp(self._clock() - LOOK_BACK_SECONDS, UTC)
        for entry in self._pages(_PAYMENTS, {"paymentCreationDate.gte": _instant(since)}):
            if word(entry, "amountTransaction", "clientCorrelator") == charge.id:
                return _found(entry, handle="")
        return Found("absent")

    def _listed_refund(self, refund: Refund) -> Found:
        for entry in self._pages(f"{_REFUNDS}/{_path(refund.charge)}/refunds", {}):
            if word(entry, "amountTransaction", "clientCorrelator") == refund.id:
                return _found_refund(entry)
        return Found("absent")

    def _pages(self, path: str, query: Mapping[str, str]) -> Iterator[Any]:
        """Every entry of a list, newest first."""
        page = 1
        while True:
            asked = {**query, "order": "desc", "page": str(page), "perPage": str(PAGE)}
            answer = self._call("GET", path, query=asked)
            if answer.status == 404:
                return
            if answer.status >= 400 or not isinstance(answer.data, list | dict):
                raise Unanswered(f"http_{answer.status}_listing")
            entries = answer.data if isinstance(answer.data, list) else []
            yield from entries
            if len(entries) < PAGE:
                return
            page += 1

    def _amount(self, amount_minor: int, currency: str, reference: str) -> dict[str, object]:
        units = to_decimal(amount_minor, currency)
        # JSON knows only numbers here; a float of at most 15 digits is written out as exactly the decimal it came from.
        number = int(units) if units == units.to_integral_value() else float(units)
        text = f"{self._merchant_name} {reference}"
        return {"amount": number, "currency": currency, "description": text, "isTaxIncluded": True}

    def _sink_of(self, kind: str, id_: str) -> dict[str, object]:
        ends = datetime.fromtimestamp(self._clock() + SINK_SECONDS, UTC)
        credential = {
            "credentialType": "ACCESSTOKEN",
            "accessToken": token_for(self._sink_secret, kind, id_),
            "accessTokenExpiresUtc": _instant(ends),
            "accessTokenType": "bearer",
        }
        return {"sink": self._sink, "sinkCredential": credential}

    def _call(self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None) -> Answer:
        return self._caller.call(method, path, token=self._token, body=body, query=query, answers={403})


def _path(charge: Charge) -> str:
    return quote(charge.handle.partition(" ")[0], safe="")


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _found(entry: Any, *, handle: str) -> Found:
    """What a payment says. `handle`: the one we know, which may have the authorization behind it."""
    name, status = word(entry, "paymentId"), word(entry, "paymentStatus")
    if not name or " " in name or status not in _STATES:
        raise Unanswered("unreadable_payment")
    state, reason = _STATES[status]
    validation = at(entry, "validationInfo")
    known = handle.partition(" ")
    authorization = word(validation, "authorizationId") or (known[2] if known[0] == name else "")
    if state == "needs_code" and not authorization:
        state = "pending"
    waits = state in {"needs_code", "pending"} and authorization
    amount, currency = _stated(entry, "paymentAmount")
    return Found(
        state,
        handle=f"{name} {authorization}" if waits else name,
        receipt=name,
        amount_minor=amount,
        currency=currency,
        reason=reason,
        link=word(validation, "validationURL", longest=2000) if state == "pending" else "",
    )


def _found_refund(entry: Any) -> Found:
    name, status = word(entry, "refundId"), word(entry, "refundStatus")
    if not name or status not in _REFUND_STATES:
        raise Unanswered("unreadable_refund")
    state, reason = _REFUND_STATES[status]
    amount, currency = _stated(entry, "refundAmount")
    return Found(state, handle=name, receipt=name, amount_minor=amount, currency=currency, reason=reason)


def _stated(entry: Any, field: str) -> tuple[int | None, str]:
    """The amount an answer states; a refund of the whole states none."""
    money = at(entry, "amountTransaction", field, "chargingInformation")
    if money is None:
        return None, ""
    currency = word(money, "currency")
    try:
        return to_minor(at(money, "amount"), currency), currency
    except ValueError:
        raise Unanswered("unreadable_amount") from None


def _refused(answer: Answer) -> Found:
    code = answer.word("code")
    if code in _ALARMS or (answer.status == 403 and code not in _REASONS):
        raise NotTaken(code or f"http_{answer.status}", alarm=True)
    return Found("failed", reason=_REASONS.get(code, "other"))
