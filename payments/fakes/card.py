"""A hostile Stripe: Checkout Sessions with a page to pay on, refunds, disputes, idempotency keys and signed webhooks."""

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

from flask import Blueprint, Response, abort, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from payments.card_amounts import LARGEST, stated
from payments.fakes.card_sessions import Session, new_name
from payments.fakes.faults import Call, Calls, Faults
from payments.fakes.people import Answer, Prompt

_PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Pay by card</title>
<h1>{goods}</h1><p>{amount} {currency}</p>
<form method="post"><button name="answer" value="pay">Pay</button>
<button name="answer" value="decline">Decline</button></form>
"""
_OVER = '<!doctype html><meta charset="utf-8"><title>Pay by card</title><p>This page is no longer open.</p>'

_DECLINES: Mapping[Answer, str] = {
    "decline": "generic_decline",
    "no_funds": "insufficient_funds",
    "wrong_pin": "incorrect_pin",
}
_SESSION_FIELDS = frozenset(
    {"mode", "client_reference_id", "allowed_payment_method_types", "line_items", "metadata", "payment_intent_data"}
    | {"success_url", "cancel_url", "expires_at", "expand"}
)
_REFUND_FIELDS = frozenset({"payment_intent", "amount", "metadata", "reason", "expand"})
_STEPS = {"kwd": 10, "bhd": 10, "jod": 10, "omr": 10, "tnd": 10, "isk": 100, "ugx": 100}
_REFUND_FIELD = re.compile(r"metadata\[(\w+)\]")


class FakeCard:
    """Stripe at `/card`. Webhooks go to `webhook_url` (none while it is empty), signed with `webhook_secret`.

    `keeps_errors`: a 500 that comes after the work is what the idempotency key repeats from then on, as Stripe may.
    `late_money`: a payment made on the page is "processing" until `settle` is called.
    """

    def __init__(
        self,
        faults: Faults,
        calls: Calls,
        *,
        secret_key: str = "sk_test_fake",  # noqa: S107 - of a fake
        webhook_secret: str = "whsec_fake",  # noqa: S107
        webhook_url: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.faults = faults
        self.calls = calls
        self.webhook_url = webhook_url
        self.keeps_errors = False
        self.late_money = False
        self.sessions: dict[str, Session] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.disputes: dict[str, dict[str, Any]] = {}
        self._secret_key = secret_key
        self._webhook_secret = webhook_secret
        self._clock = clock
        self._kept: dict[str, tuple[str, int, dict[str, Any]]] = {}
        self._working: set[str] = set()
        self._lock = threading.RLock()
        self.blueprint = _blueprint(self)

    # People

    def prompts(self, msisdn: str) -> list[Prompt]:  # noqa: ARG002
        """None: people pay on the page, which they come to by a link."""
        return []

    def answer(self, prompt_id: str, answer: Answer) -> None:
        """The payer answers on the page of a session. After a declined card the page stays open, as Stripe's does."""
        with self._lock:
            session = self.sessions[prompt_id]
            if session.status != "open":
                raise KeyError(prompt_id)
            session.intent = session.intent or new_name("pi")
            if answer != "pay":
                session.intent_status, session.decline = "requires_payment_method", _DECLINES[answer]
                return
            session.status = "complete"
            if self.late_money:
                session.intent_status = "processing"
                self._tell("checkout.session.completed", self._session(session))
            else:
                self._take(session, "checkout.session.completed")

    def taken_minor(self, currency: str) -> int:
        """Minor units of what was truly charged, less what truly went back by refunds and disputes."""
        with self._lock:
            taken = sum(one.received for one in self.sessions.values() if one.currency == currency.lower())
            back = [entry for entry in self.refunds.values() if entry["status"] in {"succeeded", "pending"}]
            back += [
                entry for entry in self.disputes.values() if entry["status"] not in {"won", "warning_needs_response"}
            ]
            taken -= sum(entry["amount"] for entry in back if entry["currency"] == currency.lower())
        return stated({"amount": taken, "currency": currency}, "amount") or 0

    # Hostility

    def settle(self, session_id: str, *, paid: bool) -> None:
        """The money of a finished session comes at last, or does not."""
        with self._lock:
            session = self.sessions[session_id]
            if paid:
                self._take(session, "checkout.session.async_payment_succeeded")
            else:
                session.intent_status, session.decline, session.received = (
                    "requires_payment_method",
                    "generic_decline",
                    0,
                )
                self._tell("checkout.session.async_payment_failed", self._session(session))

    def pay_late(self, session_id: str) -> None:
        """Money comes for a session that has said it is over."""
        with self._lock:
            session = self.sessions[session_id]
            session.status, session.intent = "complete", session.intent or new_name("pi")
            self._take(session, "checkout.session.completed")

    def take_back(self, session_id: str) -> None:
        """A payment that was said to have succeeded has failed after all."""
        self.settle(session_id, paid=False)

    def misreport(self, session_id: str, **fields: Any) -> None:
        """What it says of a session from now on: amount, currency or client_reference_id. The books stay true."""
        with self._lock:
            self.sessions[session_id].reported.update(fields)

    def pay_unasked(self, amount: int, currency: str) -> str:
        """Somebody pays what nobody asked for; the session's id."""
        with self._lock:
            session = Session(new_name("cs_test"), {}, amount, currency.lower(), self._now())
            self.sessions[session.id] = session
            self.answer(session.id, "pay")
        return session.id

    def end(self, session_id: str) -> None:
        """A session's time has passed."""
        with self._lock:
            self._expire(self.sessions[session_id])

    def dispute(self, session_id: str, status: str = "needs_response") -> str:
        """The payer's bank takes a payment back (status as Stripe has it); the dispute's id."""
        with self._lock:
            session, name = self.sessions[session_id], new_name("dp")
            facts = {"id": name, "object": "dispute", "amount": session.received, "currency": session.currency}
            self.disputes[name] = {**facts, "payment_intent": session.intent, "status": status, "metadata": {}}
            self._tell("charge.dispute.created", self.disputes[name])
        return name

    def close_dispute(self, name: str, status: str) -> None:
        """A dispute was won or lost by us."""
        with self._lock:
            self.disputes[name]["status"] = status
            self._tell("charge.dispute.closed", self.disputes[name])

    def turn_refund(self, name: str, status: str) -> None:
        """A refund becomes pending, succeeded, failed or canceled later."""
        with self._lock:
            self.refunds[name]["status"] = status
            self._tell("refund.updated", self.refunds[name])

    def forge(self, session_id: str) -> Call:
        """A webhook that says a session was paid, signed by somebody who does not know the secret."""
        said = {**self._session(self.sessions[session_id]), "payment_status": "paid", "status": "complete"}
        return self._call("checkout.session.completed", said, "whsec_guessed")

    # The API, as the blueprint calls it

    def once(self, door: str, act: Callable[[Mapping[str, str]], tuple[int, dict[str, Any]]]) -> Response:
        """Do what a POST asks, once for each idempotency key."""
        self._authorised()
        fault = self.faults.before(door)
        key, asked = request.headers.get("Idempotency-Key", ""), f"{request.path} {sorted(request.form.items())}"
        with self._lock:
            if key and key in self._working:
                return _error(409, "idempotency_error", "idempotency_key_in_use")
            if key and key in self._kept and self._kept[key][0] != asked:
                return _error(400, "idempotency_error", "")
            status, body = self._kept[key][1:] if key in self._kept else act(request.form)
            if key and status < 400:  # what was refused before anything began is not kept
                self._kept[key] = (asked, status, body)
            if key and fault == "lost" and self.keeps_errors:
                self._kept[key] = (asked, 500, {"error": {"type": "api_error"}})
            self._working.add(key)
        try:
            self.faults.after(fault)
        finally:
            self._working.discard(key)
        return _json(status, body)

    def look(self, door: str, find: Callable[[], dict[str, Any] | None]) -> Response:
        """Answer a GET."""
        self._authorised()
        fault = self.faults.before(door)
        with self._lock:
            found = find()
        self.faults.after(fault)
        return _json(200, found) if found else _error(404, "invalid_request_error", "resource_missing")

    def open_session(self, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Open a session, if everything that is sent is right."""
        unknown = {name.partition("[")[0] for name in form} - _SESSION_FIELDS
        price = "line_items[0][price_data]"
        currency, written = form.get(f"{price}[currency]", ""), form.get(f"{price}[unit_amount]", "")
        if unknown or not form.get("success_url") or form.get("mode") != "payment":
            return _refusal("parameter_unknown" if unknown else "parameter_missing")
        if not re.fullmatch(r"[a-z]{3}", currency) or not form.get(f"{price}[product_data][name]"):
            return _refusal("parameter_invalid_empty")
        if not written.isdecimal() or int(written) % _STEPS.get(currency, 1):
            return _refusal("parameter_invalid_integer")
        if int(written) > LARGEST or int(written) == 0:
            return _refusal("amount_too_large" if int(written) else "amount_too_small")
        session = Session(new_name("cs_test"), dict(form), int(written), currency, self._now())
        self.sessions[session.id] = session
        return 200, self._session(session)

    def close_session(self, name: str) -> tuple[int, dict[str, Any]]:
        """Expire a session that is open."""
        session = self.sessions.get(name)
        if not session:
            return _refusal("resource_missing", 404)
        if session.status != "open":
            return _refusal("")
        self._expire(session)
        return 200, self._session(session)

    def send_back(self, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Refund a payment, or a part of it."""
        session = next((one for one in self.sessions.values() if one.intent == form.get("payment_intent")), None)
        if {key.partition("[")[0] for key in form} - _REFUND_FIELDS or not session or not session.paid:
            return _refusal("resource_missing", 404)
        gone = sum(one["amount"] for one in self._of(self.refunds, session.intent) if one["status"] != "failed")
        if self._of(self.disputes, session.intent):
            return _refusal("charge_disputed")
        amount = int(form.get("amount", session.received - gone))
        if gone + amount > session.received:
            return _refusal("charge_already_refunded" if gone == session.received else "amount_too_large")
        metadata = {key[1]: value for name, value in form.items() if (key := _REFUND_FIELD.fullmatch(name))}
        entry: dict[str, Any] = {
            "id": new_name("re"),
            "object": "refund",
            "amount": amount,
            "currency": session.currency,
        }
        entry |= {"payment_intent": session.intent, "status": "succeeded", "metadata": metadata}
        self.refunds[entry["id"]] = entry
        self._tell("refund.created", entry)
        return 200, dict(entry)

    def session(self, name: str, *, expanded: bool) -> dict[str, Any] | None:
        """A session as it is reported, with its payment inside it or not."""
        found = self.sessions.get(name)
        return self._session(found, expanded=expanded) if found else None

    def listed(self, kind: str, query: Mapping[str, str]) -> dict[str, Any]:
        """One page of refunds, disputes or payments, newest first."""
        if kind == "payment_intents":
            first, end = int(query.get("created[gte]", 0)), int(query.get("created[lt]", 10**12))
            entries = [one.intent_said() for one in self.sessions.values() if one.intent and first <= one.created < end]
        else:
            entries = self._of(self.refunds if kind == "refunds" else self.disputes, query.get("payment_intent", ""))
        entries = entries[::-1]
        after = [place for place, entry in enumerate(entries) if entry["id"] == query.get("starting_after")]
        entries = entries[after[0] + 1 :] if after else entries
        limit = int(query.get("limit", 10))
        return {"object": "list", "data": entries[:limit], "has_more": len(entries) > limit, "url": f"/v1/{kind}"}

    def page(self, name: str) -> AnyResponse:
        """The page on which the payer pays: a form that needs no script."""
        session = self.sessions.get(name)
        if not session or session.status != "open":
            return Response(_OVER, 404 if not session else 200)
        if request.method == "POST":
            with self._lock:
                if session.status == "open":
                    self.answer(name, "pay" if request.form.get("answer") == "pay" else "decline")
            return redirect(session.form["success_url" if session.status == "complete" else "cancel_url"], 303)
        goods = escape(session.form.get("line_items[0][price_data][product_data][name]", ""))
        return Response(_PAGE.format(goods=goods, amount=session.shown(), currency=session.currency.upper()))

    def _authorised(self) -> None:
        pair = base64.b64encode(f"{self._secret_key}:".encode()).decode()
        if request.headers.get("Authorization") not in {f"Basic {pair}", f"Bearer {self._secret_key}"}:
            abort(_error(401, "invalid_request_error", ""))

    def _take(self, session: Session, event: str) -> None:
        session.intent_status, session.received = "succeeded", session.amount
        self._tell(event, self._session(session))

    def _expire(self, session: Session) -> None:
        session.status = "expired"
        self._tell("checkout.session.expired", self._session(session))

    def _session(self, one: Session, *, expanded: bool = False) -> dict[str, Any]:
        return one.said(request.host_url if request else "", expanded=expanded)

    def _of(self, entries: Mapping[str, dict[str, Any]], intent: str) -> list[dict[str, Any]]:
        return [entry for entry in entries.values() if intent in {"", entry["payment_intent"]}]

    def _tell(self, event: str, thing: Mapping[str, Any]) -> None:
        if self.webhook_url:
            self.calls.add(self._call(event, thing, self._webhook_secret))

    def _call(self, event: str, thing: Mapping[str, Any], secret: str) -> Call:
        said: dict[str, Any] = {
            "id": new_name("evt"),
            "object": "event",
            "type": event,
            "created": self._now(),
            "data": {"object": thing},
        }
        body = json.dumps(said, indent=2).encode()
        signed = hmac.new(secret.encode(), f"{self._now()}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={self._now()},v1={signed},v0=0", "Content-Type": "application/json"}
        return Call(self.webhook_url, body, headers)

    def _now(self) -> int:
        return int(self._clock())


def _blueprint(fake: FakeCard) -> Blueprint:
    doors = Blueprint("fake_card", __name__, url_prefix="/card")

    def route(rule: str, view: Callable[..., AnyResponse], methods: Iterable[str]) -> None:
        doors.add_url_rule(rule, f"{rule} {'/'.join(methods)}".replace(".", "_"), view, methods=list(methods))

    def retrieve(name: str) -> Response:
        expanded = request.args.get("expand[0]") == "payment_intent"
        return fake.look("find", lambda: fake.session(name, expanded=expanded))

    route("/v1/checkout/sessions", lambda: fake.once("ask", fake.open_session), ["POST"])
    route("/v1/checkout/sessions/<name>", retrieve, ["GET"])
    route(
        "/v1/checkout/sessions/<name>/expire",
        lambda name: fake.once("cancel", lambda _: fake.close_session(name)),
        ["POST"],
    )
    route("/v1/refunds", lambda: fake.once("refund", fake.send_back), ["POST"])
    route("/v1/refunds", lambda: fake.look("find_refund", lambda: fake.listed("refunds", request.args)), ["GET"])
    route("/v1/refunds/<name>", lambda name: fake.look("find_refund", lambda: fake.refunds.get(name)), ["GET"])
    route("/v1/disputes", lambda: fake.look("disputes", lambda: fake.listed("disputes", request.args)), ["GET"])
    route(
        "/v1/payment_intents",
        lambda: fake.look("listing", lambda: fake.listed("payment_intents", request.args)),
        ["GET"],
    )
    route("/c/pay/<name>", fake.page, ["GET", "POST"])
    return doors


def _json(status: int, body: Mapping[str, Any]) -> Response:
    return Response(json.dumps(body, indent=2), status, mimetype="application/json")


def _refusal(code: str, status: int = 400) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"type": "invalid_request_error", "code": code, "message": "..."}}


def _error(status: int, kind: str, code: str) -> Response:
    return _json(status, {"error": {"type": kind, "code": code, "message": "..."}})
