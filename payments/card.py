"""Cards, by Stripe Checkout: the payer is sent a link to Stripe's own page, so that no card number ever reaches us.

Plain form requests with a pinned version of the API. Sources: Stripe's API reference (Checkout Sessions, Refunds, Disputes,
Idempotent requests), its published OpenAPI of that version.

A session is given no expiry of ours: a repeated request must be the same in every field, and a time that is counted from
now would not be. The worker ends a session by `cancel`; Stripe itself does after a day.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from payments.card_amounts import LARGEST, currency_of, stated, to_stripe
from payments.card_webhook import read, verify
from payments.gateway import (
    Callback,
    Charge,
    Dispute,
    Found,
    Gateway,
    Hint,
    NotTaken,
    Reason,
    Refund,
    State,
    Unanswered,
)
from payments.provider_http import Answer, Caller, word

VERSION = "2026-09-30.endive"
"""Stripe-Version: what the fields below mean."""

PAGE = 10
"""Objects asked for in one listing: their JSON is long, and Stripe writes it indented."""

# Error codes and decline codes (Stripe's "Error codes" and "Decline codes"). Any other: "other".
_REASONS: Mapping[str, Reason] = {
    "amount_too_large": "over_limit",
    "insufficient_funds": "no_funds",
    "withdrawal_count_limit_exceeded": "over_limit",
    "card_velocity_exceeded": "over_limit",
    "card_declined": "refused",
    "generic_decline": "refused",
    "do_not_honor": "refused",
    "expired_card": "refused",
    "incorrect_cvc": "refused",
    "authentication_required": "refused",
    "payment_intent_authentication_failure": "refused",
    "charge_already_refunded": "refused",
    "charge_disputed": "refused",
    "incorrect_pin": "wrong_pin",
}

_REFUND_STATES: Mapping[str, State] = {
    "pending": "pending",
    "requires_action": "pending",
    "succeeded": "paid",
    "failed": "failed",
    "canceled": "failed",
}

# An inquiry (warning_...) takes no money back, nor does what was prevented; a status that is new here is taken for open.
_DISPUTE_STATES: Mapping[str, Literal["open", "won", "lost"] | None] = {
    "needs_response": "open",
    "under_review": "open",
    "won": "won",
    "lost": "lost",
    "charge_refunded": "won",
    "warning_needs_response": None,
    "warning_under_review": None,
    "warning_closed": None,
    "prevented": None,
}


class Card(Gateway):
    """One Stripe account. The payer comes to `success_url` or `cancel_url` from Stripe's page; both only say what to do next.

    `goods` names on that page what is bought. Stripe calls the webhook that its dashboard names, and signs with
    `webhook_secret`. `clock` gives seconds since 1970.
    """

    rail: ClassVar[str] = "card"
    account: ClassVar[str] = "1110"
    wait_seconds: ClassVar[int] = 3600

    def __init__(
        self,
        *,
        base_url: str,
        secret_key: str,
        webhook_secret: str,
        success_url: str,
        cancel_url: str,
        goods: str = "Gift certificates",
        timeout_seconds: float = 10,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._caller = Caller(base_url, timeout_seconds)
        self._secret_key = secret_key
        self._webhook_secret = webhook_secret
        self._success_url = success_url
        self._cancel_url = cancel_url
        self._goods = goods
        self._clock = clock

    def fits(
        self,
        msisdn: str,  # noqa: ARG002 - whoever they are
        amount_minor: int,
        currency: str,
    ) -> bool:
        """Any payer; an amount that Stripe can write, of at most eight digits. Its smallest amounts differ by account."""
        amount = to_stripe(amount_minor, currency)
        return amount is not None and 0 < amount <= LARGEST

    def ask(self, charge: Charge) -> Found:
        """Open a session and give its page. Stripe keeps the first answer to a charge's id for a day and repeats it."""
        answer = self._post("/v1/checkout/sessions", self._session_of(charge), key=charge.id)
        if answer.status >= 400:
            return _refused(answer)
        found = _found_session(charge, answer)
        if found.state == "absent":
            raise Unanswered("session_of_another_order")
        return found

    def find(self, charge: Charge) -> Found:
        """Fetch the session. Without its name (the answer was lost) the same request is made again: Stripe gives the session
        that it opened then, or opens one now, of which nobody has the page. What it repeats is old, so it is fetched anew."""
        handle = charge.handle
        if not handle:
            asked = self.ask(charge)
            if asked.state == "failed":
                return asked
            handle = asked.handle
        query = {"expand[0]": "payment_intent"}
        answer = self._call("GET", f"/v1/checkout/sessions/{quote(handle, safe='')}", query=query)
        if answer.status == 404:
            return Found("absent", handle=handle)
        if answer.status >= 400:
            raise Unanswered(f"http_{answer.status}")
        return _found_session(charge, answer)

    def cancel(self, charge: Charge) -> Found:
        """Close the page. One that we never learnt of is known to nobody: it cannot be paid, and closes by itself."""
        if not charge.handle:
            return Found("failed", reason="cancelled")
        self._call("POST", f"/v1/checkout/sessions/{quote(charge.handle, safe='')}/expire")
        return self.find(charge)

    def refund(self, refund: Refund) -> Found:
        """Send money back to the card. A refusal is believed when no refund with this id is there (a lost one may be)."""
        charge = refund.charge
        form = {
            "payment_intent": charge.receipt,
            "amount": str(to_stripe(refund.amount_minor, charge.currency)),
            "metadata[refund_id]": refund.id,
            "metadata[charge_id]": charge.id,
        }
        answer = self._post("/v1/refunds", form, key=refund.id)
        if answer.status < 400:
            return _found_refund(answer.data)
        found = self._refund_by_id(refund)
        return _refused(answer) if found.state == "absent" else found

    def find_refund(self, refund: Refund) -> Found:
        """Fetch the refund by its name; without one it is looked for among all refunds of the payment."""
        if not refund.handle:
            return self._refund_by_id(refund)
        answer = self._call("GET", f"/v1/refunds/{quote(refund.handle, safe='')}")
        if answer.status == 404:
            return Found("absent", handle=refund.handle)
        if answer.status >= 400:
            raise Unanswered(f"http_{answer.status}")
        return _found_refund(answer.data)

    def disputes(self, charge: Charge) -> list[Dispute]:
        """Fetch the chargebacks of a payment; inquiries, which take nothing back, are none."""
        if not charge.receipt:
            return []
        found = self._pages("/v1/disputes", {"payment_intent": charge.receipt})
        return [dispute for entry in found if (dispute := _dispute(entry))]

    def hint(self, callback: Callback) -> Hint:
        """Verify and read a webhook. A dispute's event names the payment (`receipt`) alone."""
        verify(callback, self._webhook_secret, self._clock())
        return read(callback.body)

    def listing(self, since: str, until: str) -> list[Found]:
        """Every payment that succeeded, of those begun between two dates (UTC); a payment tells no session, so no `handle`."""
        first, last = (int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) for day in (since, until))
        entries = self._pages("/v1/payment_intents", {"created[gte]": str(first), "created[lt]": str(last)})
        return [
            Found(
                "paid",
                receipt=word(entry, "id"),
                amount_minor=stated(entry, "amount_received"),
                currency=currency_of(entry),
            )
            for entry in entries
            if word(entry, "status") == "succeeded"
        ]

    def _session_of(self, charge: Charge) -> dict[str, str]:
        """The same for every attempt at a charge; it names no phone."""
        return {
            "mode": "payment",
            "client_reference_id": charge.id,
            "allowed_payment_method_types[0]": "card",
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": charge.currency.lower(),
            "line_items[0][price_data][unit_amount]": str(to_stripe(charge.amount_minor, charge.currency)),
            "line_items[0][price_data][product_data][name]": f"{self._goods} {charge.reference}",
            "metadata[charge_id]": charge.id,
            "metadata[reference]": charge.reference,
            "payment_intent_data[metadata][charge_id]": charge.id,
            "payment_intent_data[metadata][reference]": charge.reference,
            "success_url": self._success_url,
            "cancel_url": self._cancel_url,
        }

    def _refund_by_id(self, refund: Refund) -> Found:
        for entry in self._pages("/v1/refunds", {"payment_intent": refund.charge.receipt}):
            if word(entry, "metadata", "refund_id") == refund.id:
                return _found_refund(entry)
        return Found("absent")

    def _pages(self, path: str, query: Mapping[str, str]) -> Iterator[Any]:
        """Every object of a listing."""
        after: dict[str, str] = {}
        while True:
            answer = self._call("GET", path, query={**query, **after, "limit": str(PAGE)})
            entries = answer.at("data")
            if answer.status >= 400 or not isinstance(entries, list):
                raise Unanswered(f"http_{answer.status}_listing")
            yield from entries
            if not entries or answer.at("has_more") is not True:
                return
            after = {"starting_after": word(entries[-1], "id")}

    def _post(self, path: str, form: Mapping[str, str], *, key: str) -> Answer:
        answer = self._call("POST", path, form=form, headers={"Idempotency-Key": key})
        # The key is in use by a request that is not yet done, or was used with other fields (our settings changed since).
        if answer.status == 409 or answer.word("error", "type") == "idempotency_error":
            raise Unanswered("idempotency_key")
        return answer

    def _call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {"Stripe-Version": VERSION, **(headers or {})}
        return self._caller.call(method, path, basic=(self._secret_key, ""), headers=sent, query=query, form=form)


def _found_session(charge: Charge, answer: Answer) -> Found:
    """What a session says. One that was opened for another order is not this charge's."""
    handle, status, payment_status = (answer.word(name, longest=500) for name in ("id", "status", "payment_status"))
    if not handle or not status or not payment_status:
        raise Unanswered("unreadable_session")
    if answer.word("client_reference_id") != charge.id:
        return Found("absent")
    state, reason = _session_state(answer)
    intent = answer.at("payment_intent")
    return Found(
        state,
        handle=handle,
        receipt=intent if isinstance(intent, str) else word(intent, "id"),
        # What came in, where that is told, rather than what was asked.
        amount_minor=stated(intent, "amount_received")
        if state == "paid" and isinstance(intent, dict)
        else stated(answer.data, "amount_total"),
        currency=currency_of(intent if state == "paid" and isinstance(intent, dict) else answer.data),
        reason=reason,
        link=answer.word("url", longest=2000) if status == "open" and state == "pending" else "",
    )


def _session_state(answer: Answer) -> tuple[State, Reason]:
    if answer.word("payment_status") in {"paid", "no_payment_required"}:
        return "paid", ""
    if answer.word("status") == "expired":
        return "failed", "expired"
    if answer.word("status") != "complete":
        return "pending", ""
    # The page is done and no money came: with cards that take their time, the payment is on its way or has failed.
    match answer.word("payment_intent", "status"):
        case "canceled":
            return "failed", "cancelled"
        case "requires_payment_method":
            error = answer.at("payment_intent", "last_payment_error")
            code = word(error, "decline_code") or word(error, "code")
            return "failed", _REASONS.get(code, "other")
        case _:
            return "pending", ""


def _found_refund(entry: Any) -> Found:
    state = _REFUND_STATES.get(word(entry, "status"), "pending")
    handle = word(entry, "id")
    if not handle:
        raise Unanswered("unreadable_refund")
    return Found(
        state,
        handle=handle,
        receipt=handle,
        amount_minor=stated(entry, "amount"),
        currency=currency_of(entry),
        reason="other" if state == "failed" else "",
    )


def _dispute(entry: Any) -> Dispute | None:
    state = _DISPUTE_STATES.get(word(entry, "status"), "open")
    amount, name = stated(entry, "amount"), word(entry, "id")
    if state is None:
        return None
    if not name or amount is None:
        raise Unanswered("unreadable_dispute")
    return Dispute(name, amount, currency_of(entry), state)


def _refused(answer: Answer) -> Found:
    code = answer.word("error", "decline_code") or answer.word("error", "code")
    if code in {"api_key_expired", "secret_key_required", "account_invalid", "testmode_charges_only"}:
        raise NotTaken(code, alarm=True)
    return Found("failed", reason=_REASONS.get(code, "other"))
