"""A hostile operator with CAMARA's Carrier Billing (v0.5.0) and Carrier Billing Refund (v0.3.0)."""

import base64
import json
import re
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from flask import Blueprint, Response, abort, request

from payments.fakes.carrier_payments import Payment, Refund, instant
from payments.fakes.faults import Call, Calls, Faults
from payments.fakes.people import Answer, Prompt
from payments.provider_http import at, to_minor

TOKEN_SECONDS = 600
RESERVED_SECONDS = 600
"""How long a reservation waits to be confirmed."""

_ATTEMPTS = 3
_PHONE = re.compile(r"\+[1-9][0-9]{4,14}")
_SINK = re.compile(r"https://.+|http://(127\.0\.0\.1|localhost)[:/].+")
"""The definitions want https; an operator that runs on the same machine calls without."""

_EVENTS = {
    "pending_validation": "pending-validation",
    "reserved": "reserved",
    "succeeded": "completed",
    "cancelled": "cancelled",
    "denied": "denied",
}


class FakeCarrier:
    """The operator at `/carrier`. Phones with an odd last digit are sent a code, which has to be passed on.

    `send(msisdn, text)` carries the network's own texts.
    `slow_network`: payments and refunds are "processing" until `settle`. `by_page`: the code is typed on a page of its own.
    `unknown` and `blocked` are phones it does not know, and such as may not buy. Limits are units of the currency.
    """

    def __init__(
        self,
        faults: Faults,
        calls: Calls,
        *,
        client_id: str = "giftline",
        client_secret: str = "carrier-fake",  # noqa: S107 - of a fake
        send: Callable[[str, str], None] = lambda _msisdn, _text: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.faults = faults
        self.calls = calls
        self.slow_network = False
        self.by_page = False
        self.unknown: set[str] = set()
        self.blocked: set[str] = set()
        self.limit = Decimal(50_000)
        self.limit_together = Decimal(200_000)
        self.payments: dict[str, Payment] = {}
        self._pair = f"{client_id}:{client_secret}"
        self._send = send
        self._clock = clock
        self._tokens: dict[str, float] = {}
        self._texts: defaultdict[str, list[str]] = defaultdict(list)
        self._lock = threading.RLock()
        self.blueprint = _blueprint(self)

    # People

    def prompts(self, msisdn: str) -> list[Prompt]:  # noqa: ARG002
        """None: the network sends a text with a code (`codes`), or asks nothing."""
        return []

    def codes(self, msisdn: str) -> list[str]:
        """The texts with a code that the network sent to a phone, oldest first."""
        with self._lock:
            return list(self._texts[msisdn])

    def answer(self, prompt_id: str, answer: Answer) -> None:
        """The payer types the code on the operator's own page, or refuses there; `prompt_id` is the payment's."""
        with self._lock:
            payment = self.payments[prompt_id]
            if payment.status != "pending_validation":
                raise KeyError(prompt_id)
            self._turn(payment, "reserved" if answer == "pay" else "denied")

    def taken_minor(self, currency: str) -> int:
        """Minor units billed, less what was taken off the bill again."""
        with self._lock:
            billed = [one for one in self.payments.values() if one.currency == currency]
            taken = sum((one.amount for one in billed if one.status == "succeeded"), Decimal())
            back = (two.amount for one in billed for two in one.refunds if two.status == "succeeded")
            return to_minor(taken - sum(back, Decimal()), currency)

    # Hostility

    def settle(self, payment_id: str, status: str = "") -> None:
        """What was "processing" is done. `status`: what it becomes, instead of what it would."""
        with self._lock:
            payment = self.payments[payment_id]
            self._turn(payment, status or ("pending_validation" if payment.code else "reserved"))

    def settle_refund(self, refund_id: str, status: str = "succeeded") -> None:
        """A refund that was "processing" is done, or one that was done has failed after all."""
        with self._lock:
            payment, refund = next(
                (one, two) for one in self.payments.values() for two in one.refunds if two.id == refund_id
            )
            refund.status = status
            self._tell_refund(payment, refund)

    def turn(self, payment_id: str, status: str) -> None:
        """A payment becomes something, whatever it was: a late success, or a success that has failed after all."""
        with self._lock:
            self._turn(self.payments[payment_id], status)

    def forget(self, payment_id: str) -> None:
        """The operator no longer knows a payment."""
        with self._lock:
            del self.payments[payment_id]

    def forget_tokens(self) -> None:
        """No access token is good any more."""
        with self._lock:
            self._tokens.clear()

    def misreport(self, payment_id: str, **fields: Any) -> None:
        """What it says of a payment from now on: amount (Decimal), currency or correlator. The books stay true."""
        with self._lock:
            self.payments[payment_id].reported.update(fields)

    def bill_unasked(self, msisdn: str, amount: Decimal, currency: str) -> str:
        """A payment that nobody asked for; its id."""
        with self._lock:
            payment = Payment(secrets.token_hex(12), {}, msisdn, amount, currency, self._clock(), "succeeded")
            self.payments[payment.id] = payment
        return payment.id

    def forge(self, payment_id: str, token: str = "guessed") -> Call:  # noqa: S107 - that is what it is
        """A call that says a payment was completed, by somebody who was not given the token."""
        payment = self.payments[payment_id]
        return self._event(payment.body, "completed", {"paymentId": payment_id, "status": "succeeded"}, token)

    # The API, as the blueprint calls it

    def door(self, name: str, act: Callable[[Any], tuple[int, Any]]) -> Response:
        """Answer one request with what `act` makes of its body."""
        self._authorised()
        fault = self.faults.before(name)
        body = json.loads(request.data, parse_float=Decimal) if request.data else {}
        with self._lock:
            self._expire()
            status, said = act(body)
            text = json.dumps(said) if said is not None else ""
        self.faults.after(fault)
        return Response(text, status, mimetype="application/json")

    def token(self) -> Response:
        """An access token for the client's own credentials."""
        fault = self.faults.before("token")
        pair = f"Basic {base64.b64encode(self._pair.encode()).decode()}"
        if request.headers.get("Authorization") != pair:
            return Response('{"error": "invalid_client"}', 401, mimetype="application/json")
        if request.form.get("grant_type") != "client_credentials" or not request.form.get("scope"):
            return Response('{"error": "invalid_request"}', 400, mimetype="application/json")
        value = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens[value] = self._clock() + TOKEN_SECONDS
        self.faults.after(fault)
        said = {"access_token": value, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}
        return Response(json.dumps(said), mimetype="application/json")

    def prepare(self, body: Any) -> tuple[int, Any]:
        """Reserve an amount."""
        asked = at(body, "amountTransaction")
        money = at(asked, "paymentAmount", "chargingInformation")
        msisdn, correlator = at(asked, "phoneNumber"), at(asked, "clientCorrelator")
        if not money or not at(money, "description") or not at(asked, "referenceCode"):
            return _error(400, "INVALID_ARGUMENT")
        if "sink" in body and not (_SINK.fullmatch(body["sink"]) and at(body, "sinkCredential", "accessToken")):
            return _error(400, "INVALID_SINK")
        if not msisdn or not _PHONE.fullmatch(msisdn):
            return _error(422, "MISSING_IDENTIFIER")
        for payment in self.payments.values():
            if at(payment.body, "amountTransaction", "clientCorrelator") == correlator:
                if payment.finished:
                    return _error(409, "ALREADY_EXISTS")
                return _error(400, "INVALID_ARGUMENT", "clientCorrelator already exist on server.")
        amount = Decimal(money["amount"])
        if refusal := self._refusal(msisdn, amount):
            return refusal
        return 201, self._reserve(body, msisdn, amount, money["currency"])

    def validate(self, name: str, body: Any) -> tuple[int, Any]:
        """Take a code from the payer."""
        payment = self.payments.get(name)
        if not payment:
            return _error(404, "NOT_FOUND")
        if payment.status != "pending_validation":
            return _error(409, "ALREADY_EXISTS")
        if at(body, "authorizationId") != payment.authorization:
            return _error(400, "CARRIER_BILLING.INVALID_AUTHORIZATION_ID")
        if at(body, "code") == payment.code:
            self._turn(payment, "reserved")
            return 204, None
        payment.attempts += 1
        if payment.attempts < _ATTEMPTS:
            return _error(400, "CARRIER_BILLING.INVALID_CODE")
        self._turn(payment, "denied")
        return _error(400, "CARRIER_BILLING.VALIDATION_FAILED")

    def decide(self, name: str, body: Any, status: str) -> tuple[int, Any]:
        """Confirm or cancel a reservation."""
        payment = self.payments.get(name)
        if not payment:
            return _error(404, "NOT_FOUND")
        if at(body, "phoneNumber") != payment.msisdn:
            return _error(422, "MISSING_IDENTIFIER")
        if payment.status in {"succeeded", "cancelled"}:
            confirmed = payment.status == "succeeded"
            return _error(409, f"CARRIER_BILLING.PAYMENT_{'CONFIRMED' if confirmed else 'CANCELLED'}")
        if payment.status == "denied" or (status == "succeeded" and payment.status != "reserved"):
            return _error(403, "CARRIER_BILLING.PAYMENT_DENIED")
        if status == "succeeded" and payment.msisdn in self.blocked:
            self._turn(payment, "denied")
            return _error(403, "CARRIER_BILLING.PAYMENT_DENIED")
        self._turn(payment, "processing" if self.slow_network and status == "succeeded" else status)
        return 202, None

    def payment(self, name: str) -> tuple[int, Any]:
        """One payment."""
        payment = self.payments.get(name)
        return (200, payment.said()) if payment else _error(404, "NOT_FOUND")

    def listed(self, query: Mapping[str, str]) -> tuple[int, Any]:
        """One page of payments, newest first."""
        first, last = query.get("paymentCreationDate.gte", ""), query.get("paymentCreationDate.lte", "9")
        wanted = query.get("paymentStatus", "")
        found = [one for one in self.payments.values() if first <= instant(one.created) <= last]
        return 200, _page([one.said() for one in found[::-1] if wanted in {"", one.status}], query)

    def refund(self, name: str, body: Any) -> tuple[int, Any]:
        """Take an amount off the bill again."""
        payment = self.payments.get(name)
        if not payment:
            return _error(404, "NOT_FOUND")
        asked = at(body, "amountTransaction")
        if (
            at(body, "type") not in {"total", "partial"}
            or at(asked, "refundAmount") is None
            or not asked["referenceCode"]
        ):
            return _error(400, "INVALID_ARGUMENT")
        if any(
            at(one.body, "amountTransaction", "clientCorrelator") == asked["clientCorrelator"]
            for one in payment.refunds
        ):
            return _error(409, "ALREADY_EXISTS")
        if payment.status != "succeeded" or not payment.left:
            return _error(403, "CARRIER_BILLING_REFUND.PAYMENT_NOT_ELIGIBLE_FOR_REFUND")
        money = at(asked, "refundAmount", "chargingInformation")
        amount = Decimal(money["amount"]) if body["type"] == "partial" else payment.left
        if amount > payment.left:
            return _error(422, "CARRIER_BILLING_REFUND.UNAUTHORIZED_AMOUNT")
        status = "processing" if self.slow_network else "succeeded"
        refund = Refund(secrets.token_hex(12), body, amount, self._clock(), status)
        payment.refunds.append(refund)
        self._tell_refund(payment, refund)
        return 201, refund.said()

    def refunds(self, name: str, query: Mapping[str, str]) -> tuple[int, Any]:
        """One page of a payment's refunds, newest first."""
        payment = self.payments.get(name)
        if not payment:
            return _error(404, "NOT_FOUND")
        return 200, _page([one.said() for one in payment.refunds[::-1]], query)

    def one_refund(self, name: str, refund_id: str) -> tuple[int, Any]:
        """One refund."""
        payment = self.payments.get(name)
        found = [one.said() for one in payment.refunds if one.id == refund_id] if payment else []
        return (200, found[0]) if found else _error(404, "NOT_FOUND")

    def _reserve(self, body: Any, msisdn: str, amount: Decimal, currency: str) -> dict[str, Any]:
        payment = Payment(secrets.token_hex(12), body, msisdn, amount, currency, self._clock(), "processing")
        self.payments[payment.id] = payment
        info: dict[str, str] = {}
        if int(msisdn[-1]) % 2:
            payment.code, payment.authorization = f"{secrets.randbelow(10**6):06d}", secrets.token_hex(8)
            self._texts[msisdn].append(f"Your code to pay {amount} {currency} is {payment.code}.")
            self._send(msisdn, self._texts[msisdn][-1])
            info = {"action": "validate", "authorizationId": payment.authorization}
            if self.by_page:
                info = {"action": "open", "validationURL": f"{request.host_url}carrier/validate/{payment.id}"}
        if not self.slow_network:
            self.settle(payment.id)
        return payment.said() | ({"validationInfo": info} if info else {})

    def _refusal(self, msisdn: str, amount: Decimal) -> tuple[int, Any] | None:
        if msisdn in self.unknown:
            return _error(404, "IDENTIFIER_NOT_FOUND")
        if msisdn in self.blocked:
            return _error(403, "CARRIER_BILLING.PAYMENT_DENIED")
        if amount > self.limit:
            return _error(422, "CARRIER_BILLING.UNAUTHORIZED_AMOUNT")
        spent = sum(
            (one.left for one in self.payments.values() if one.msisdn == msisdn and one.status == "succeeded"),
            Decimal(),
        )
        if spent + amount > self.limit_together:
            return _error(422, "CARRIER_BILLING.USER_AMOUNT_THRESHOLD_OVERPASSED")
        return None

    def _expire(self) -> None:
        for payment in self.payments.values():
            if not payment.finished and self._clock() - payment.created > RESERVED_SECONDS:
                self._turn(payment, "cancelled")

    def _turn(self, payment: Payment, status: str) -> None:
        payment.status = status
        if status in _EVENTS:
            done = {"status": "failed" if status == "denied" else "succeeded", "description": "Payment notification"}
            self._tell(payment.body, _EVENTS[status], {"paymentId": payment.id, **done})

    def _tell_refund(self, payment: Payment, refund: Refund) -> None:
        if refund.status != "processing":
            done = {
                "status": "succeeded" if refund.status == "succeeded" else "failed",
                "description": "Refund notification",
            }
            kind = "refund-completed" if refund.status == "succeeded" else "refund-denied"
            self._tell(refund.body, kind, {"paymentId": payment.id, "refundId": refund.id, **done})

    def _tell(self, asked: Mapping[str, Any], what: str, data: Mapping[str, Any]) -> None:
        if token := at(asked, "sinkCredential", "accessToken"):
            self.calls.add(self._event(asked, what, data, token))

    def _event(self, asked: Mapping[str, Any], what: str, data: Mapping[str, Any], token: str) -> Call:
        api = "carrier-billing-refund" if what.startswith("refund") else "carrier-billing"
        event = {
            "id": secrets.token_hex(8),
            "source": "https://operator.example/carrier-billing",
            "type": f"org.camaraproject.{api}.v0.{what if what.startswith('refund') else f'payment-{what}'}",
            "specversion": "1.0",
            "datacontenttype": "application/json",
            "time": instant(self._clock()),
            "data": data,
        }
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/cloudevents+json"}
        return Call(at(asked, "sink") or "", json.dumps(event).encode(), headers)

    def _authorised(self) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        with self._lock:
            if scheme != "Bearer" or self._tokens.get(token, 0) < self._clock():
                status, said = _error(401, "UNAUTHENTICATED")
                abort(Response(json.dumps(said), status, mimetype="application/json"))


def _blueprint(fake: FakeCarrier) -> Blueprint:
    doors = Blueprint("fake_carrier", __name__, url_prefix="/carrier")
    payments, refunds = "/carrier-billing/v0.5/payments", "/carrier-billing-refund/v0.3/payments/<name>/refunds"

    def route(method: str, rule: str, door: str, act: Callable[..., tuple[int, Any]]) -> None:
        def view(**parts: str) -> Response:
            return fake.door(door, lambda body: act(body, **parts))

        doors.add_url_rule(rule, f"{method} {rule}".replace(".", "_"), view, methods=[method])

    doors.add_url_rule("/oauth2/token", "token", fake.token, methods=["POST"])
    route("POST", f"{payments}/prepare", "ask", fake.prepare)
    route("POST", f"{payments}/<name>/validate", "validate", lambda body, name: fake.validate(name, body))
    route("POST", f"{payments}/<name>/confirm", "capture", lambda body, name: fake.decide(name, body, "succeeded"))
    route("POST", f"{payments}/<name>/cancel", "cancel", lambda body, name: fake.decide(name, body, "cancelled"))
    route("GET", f"{payments}/<name>", "find", lambda _, name: fake.payment(name))
    route("GET", payments, "find", lambda _: fake.listed(request.args))
    route("POST", refunds, "refund", lambda body, name: fake.refund(name, body))
    route("GET", refunds, "find_refund", lambda _, name: fake.refunds(name, request.args))
    route("GET", f"{refunds}/<refund>", "find_refund", lambda _, name, refund: fake.one_refund(name, refund))
    return doors


def _page(entries: list[Any], query: Mapping[str, str]) -> list[Any]:
    size = int(query.get("perPage", 10))
    start = (int(query.get("page", 1)) - 1) * size
    return entries[start : start + size]


def _error(status: int, code: str, message: str = "...") -> tuple[int, Any]:
    return status, {"status": status, "code": code, "message": message}
