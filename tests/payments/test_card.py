"""The card rail against a hostile Stripe: states, faults, lost answers, webhooks, refunds and disputes."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import requests
from flask import Flask
from werkzeug.serving import make_server

from payments.card import Card
from payments.card_amounts import claimed, stated, to_stripe
from payments.fakes import faults as fault_times
from payments.fakes.card import FakeCard
from payments.fakes.faults import Call, Calls, Fault, Faults
from payments.fakes.people import Answer
from payments.gateway import Callback, Charge, Dispute, Forged, Found, Hint, NotTaken, Refund, State, Unanswered
from tests.payments.scripted import Line, Scripted

WEBHOOKS = "http://127.0.0.1:9/webhooks/payments/card"
PHONE = "+254700000001"
NOW = 1_790_000_000.0


def card(base_url: str, **values: Any) -> Card:
    return Card(
        base_url=base_url,
        **{
            "secret_key": "sk_test_fake",
            "webhook_secret": "whsec_fake",
            "success_url": "https://giftline.example/paid",
            "cancel_url": "https://giftline.example/not-paid",
            "timeout_seconds": 5,
            "clock": lambda: NOW,
            **values,
        },
    )


@pytest.fixture
def fake() -> FakeCard:
    return FakeCard(Faults(), Calls(), webhook_url=WEBHOOKS, clock=lambda: NOW)


@pytest.fixture
def url(fake: FakeCard) -> Iterator[str]:
    app = Flask("stripe")
    app.register_blueprint(fake.blueprint)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/card"
    server.shutdown()
    thread.join()


@pytest.fixture
def rail(url: str) -> Card:
    return card(url)


def charge(amount_minor: int = 102_000, currency: str = "KES") -> Charge:
    return Charge(str(uuid4()), PHONE, amount_minor, currency, "7KQ4M2PH")


def asked(rail: Card, one: Charge | None = None) -> Charge:
    """A charge whose page is open."""
    one = one or charge()
    return replace(one, handle=rail.ask(one).handle)


def paid(rail: Card, fake: FakeCard) -> Charge:
    one = asked(rail)
    fake.answer(one.handle, "pay")
    return replace(one, receipt=rail.find(one).receipt)


def refund(of: Charge, amount_minor: int | None = None) -> Refund:
    return Refund(str(uuid4()), of, amount_minor or of.amount_minor, "R3FUND22")


def callback(call: Call) -> Callback:
    return Callback({name.lower(): value for name, value in call.headers.items()}, call.body)


def signed(body: bytes, at: float = NOW) -> Callback:
    mac = hmac.new(b"whsec_fake", f"{at:.0f}.".encode() + body, hashlib.sha256).hexdigest()
    return Callback({"stripe-signature": f"t={at:.0f},v1={mac}"}, body)


def event(kind: str, **thing: object) -> bytes:
    return json.dumps({"id": "evt_1", "type": kind, "data": {"object": thing}}).encode()


# Asking and finding


def test_a_charge_is_a_page_to_pay_on(rail: Card, url: str) -> None:
    one = charge()
    found = rail.ask(one)
    assert (found.state, found.receipt, found.amount_minor, found.currency) == ("pending", "", 102_000, "KES")
    assert found.link == f"{url}/c/pay/{found.handle}"
    assert rail.find(replace(one, handle=found.handle)) == found


def test_asking_twice_opens_one_page(rail: Card, fake: FakeCard) -> None:
    one = charge()
    assert rail.ask(one) == rail.ask(one)
    assert len(fake.sessions) == 1


def test_stripe_is_told_no_phone(rail: Card, fake: FakeCard) -> None:
    form = fake.sessions[asked(rail).handle].form
    assert PHONE not in str(form)
    assert form["client_reference_id"] == form["payment_intent_data[metadata][charge_id]"]


def test_a_payer_pays_on_the_page_with_no_script(rail: Card, fake: FakeCard) -> None:
    one = asked(rail)
    link = rail.find(one).link
    page = requests.get(link, timeout=5).text
    assert "1020.00" in page and "KES" in page and "<script" not in page
    answer = requests.post(link, data={"answer": "pay"}, timeout=5, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "https://giftline.example/paid")
    found = rail.find(one)
    assert (found.state, found.amount_minor, found.currency, found.link) == ("paid", 102_000, "KES", "")
    assert found.receipt.startswith("pi_")
    assert fake.taken_minor("KES") == 102_000
    assert "no longer open" in requests.post(link, data={"answer": "pay"}, timeout=5).text


def test_a_declined_card_leaves_the_page_open(rail: Card, fake: FakeCard) -> None:
    one = asked(rail)
    link = rail.find(one).link
    answer = requests.post(link, data={"answer": "decline"}, timeout=5, allow_redirects=False)
    assert answer.headers["Location"] == "https://giftline.example/not-paid"
    found = rail.find(one)
    assert (found.state, found.link) == ("pending", link)
    assert fake.taken_minor("KES") == 0


def test_a_page_whose_time_has_passed_is_failed(rail: Card, fake: FakeCard) -> None:
    one = asked(rail)
    fake.end(one.handle)
    assert (rail.find(one).state, rail.find(one).reason) == ("failed", "expired")


def test_a_late_success_is_found_after_the_page_had_expired(rail: Card, fake: FakeCard) -> None:
    one = asked(rail)
    fake.end(one.handle)
    fake.pay_late(one.handle)
    assert rail.find(one).state == "paid"


@pytest.mark.parametrize(("comes", "state", "reason"), [(True, "paid", ""), (False, "failed", "refused")])
def test_money_that_takes_its_time_is_pending_until_it_comes_or_does_not(
    rail: Card, fake: FakeCard, comes: bool, state: State, reason: str
) -> None:
    one, fake.late_money = asked(rail), True
    fake.answer(one.handle, "pay")
    assert rail.find(one).state == "pending"
    fake.settle(one.handle, paid=comes)
    assert (rail.find(one).state, rail.find(one).reason) == (state, reason)


def test_a_payment_that_fails_after_all_is_failed(rail: Card, fake: FakeCard) -> None:
    one = paid(rail, fake)
    fake.take_back(one.handle)
    assert rail.find(one).state == "failed"


@pytest.mark.parametrize(
    ("answer", "reason"), [("no_funds", "no_funds"), ("wrong_pin", "wrong_pin"), ("decline", "refused")]
)
def test_why_a_finished_payment_failed_is_told(rail: Card, fake: FakeCard, answer: Answer, reason: str) -> None:
    one = asked(rail)
    fake.answer(one.handle, answer)
    fake.sessions[one.handle].status = "complete"
    assert rail.find(one).reason == reason


def test_what_stripe_states_is_given_back_as_it_stated_it(rail: Card, fake: FakeCard) -> None:
    one = paid(rail, fake)
    fake.misreport(one.handle, amount=1, currency="usd")
    assert (rail.find(one).amount_minor, rail.find(one).currency) == (1, "USD")


def test_a_session_of_another_order_is_not_this_charge(rail: Card, fake: FakeCard) -> None:
    one = paid(rail, fake)
    fake.misreport(one.handle, client_reference_id=str(uuid4()))
    assert rail.find(one) == Found("absent")


def test_a_session_that_stripe_does_not_know_is_absent(rail: Card) -> None:
    assert rail.find(replace(charge(), handle="cs_test_nobody")).state == "absent"


# Faults


@pytest.mark.parametrize(
    ("fault", "raised", "opened"),
    [("busy", NotTaken, 0), ("broken", Unanswered, 0), ("lost", Unanswered, 1), ("cut", Unanswered, 0)],
)
def test_a_fault_while_asking_is_an_unknown_outcome_or_none(
    rail: Card, fake: FakeCard, fault: Fault, raised: type[Exception], opened: int
) -> None:
    one = charge()
    fake.faults.plan("ask", fault)
    with pytest.raises(raised):
        rail.ask(one)
    assert len(fake.sessions) == opened
    found = rail.find(one)
    assert (found.state, len(fake.sessions)) == ("pending", 1)
    assert found.handle in fake.sessions


def test_what_was_asked_too_often_says_how_long_to_wait(rail: Card, fake: FakeCard) -> None:
    fake.faults.plan("ask", "busy")
    with pytest.raises(NotTaken) as turned_away:
        rail.ask(charge())
    assert (turned_away.value.retry_after, turned_away.value.alarm) == (1, False)


def test_a_slow_answer_is_unknown_and_so_is_a_repeat_while_stripe_works(
    fake: FakeCard, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fault_times, "SLOW_SECONDS", 0.2)
    hasty, one = card(url, timeout_seconds=0.1), charge()
    fake.faults.plan("ask", "slow")
    with pytest.raises(Unanswered):
        hasty.ask(one)
    with pytest.raises(Unanswered, match="idempotency_key"):
        hasty.ask(one)
    assert len(fake.sessions) == 1


@pytest.mark.parametrize("fault", ["busy", "broken", "lost", "cut"])
def test_a_fault_while_finding_decides_nothing(rail: Card, fake: FakeCard, fault: Fault) -> None:
    one = paid(rail, fake)
    fake.faults.plan("find", fault)
    with pytest.raises((Unanswered, NotTaken)):
        rail.find(one)
    assert rail.find(one).state == "paid"


def test_what_a_lost_answer_had_opened_is_looked_at_anew(rail: Card, fake: FakeCard) -> None:
    one = charge()
    fake.faults.plan("ask", "lost")
    with pytest.raises(Unanswered):
        rail.ask(one)
    fake.answer(next(iter(fake.sessions)), "pay")
    assert rail.find(one).state == "paid"


def test_a_page_that_nobody_was_told_is_given_up_though_stripe_repeats_its_error(rail: Card, fake: FakeCard) -> None:
    one, fake.keeps_errors = charge(), True
    fake.faults.plan("ask", "lost")
    for _ in range(2):
        with pytest.raises(Unanswered):
            rail.ask(one)
    with pytest.raises(Unanswered):
        rail.find(one)
    assert rail.cancel(one) == Found("failed", reason="cancelled")


def test_an_attempt_with_other_fields_is_no_refusal(fake: FakeCard, url: str) -> None:
    one = charge()
    card(url).ask(one)
    with pytest.raises(Unanswered):
        card(url, success_url="https://new.example/paid").ask(one)


def test_wrong_keys_are_an_alarm(url: str) -> None:
    with pytest.raises(NotTaken) as turned_away:
        card(url, secret_key="sk_test_other").ask(charge())
    assert turned_away.value.alarm


def test_a_stripe_that_cannot_be_reached_took_nothing() -> None:
    with pytest.raises(NotTaken):
        card("http://127.0.0.1:1").ask(charge())


@pytest.mark.parametrize(
    ("code", "reason"), [("amount_too_large", "over_limit"), ("amount_too_small", "other"), ("something_new", "other")]
)
def test_a_clear_refusal_is_a_failed_charge(code: str, reason: str) -> None:
    with Scripted(Line(400, {"error": {"type": "invalid_request_error", "code": code}})) as stripe:
        assert card(stripe.url).ask(charge()) == Found("failed", reason=reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "paid",
        {"id": "cs_1"},
        {"id": 7, "status": [], "payment_status": "paid"},
        {"id": "cs_1", "status": "open", "payment_status": {}},
    ],
)
def test_an_answer_that_cannot_be_read_is_no_answer(body: object) -> None:
    with Scripted(Line(200, body)) as stripe, pytest.raises(Unanswered):
        card(stripe.url).find(replace(charge(), handle="cs_1"))


@pytest.mark.parametrize("amount", ["102000", 1.5, True, {}, -1.5])
def test_an_amount_that_cannot_be_read_is_no_answer(amount: object) -> None:
    one = charge()
    said = {"id": "cs_1", "status": "complete", "payment_status": "paid", "client_reference_id": one.id}
    with Scripted(Line(200, {**said, "amount_total": amount, "currency": "kes"})) as stripe, pytest.raises(Unanswered):
        card(stripe.url).find(replace(one, handle="cs_1"))


# Giving up


def test_a_cancelled_page_is_closed(rail: Card, fake: FakeCard) -> None:
    one = asked(rail)
    assert (rail.cancel(one).state, fake.sessions[one.handle].status) == ("failed", "expired")
    with pytest.raises(KeyError):
        fake.answer(one.handle, "pay")
    assert rail.cancel(one).state == "failed"


def test_a_charge_that_is_cancelled_at_the_moment_it_was_paid_is_paid(rail: Card, fake: FakeCard) -> None:
    one = paid(rail, fake)
    assert rail.cancel(one).state == "paid"


@pytest.mark.parametrize("fault", ["broken", "lost"])
def test_a_cancellation_without_an_answer_is_unknown(rail: Card, fake: FakeCard, fault: Fault) -> None:
    one = asked(rail)
    fake.faults.plan("cancel", fault)
    with pytest.raises(Unanswered):
        rail.cancel(one)
    assert rail.find(one).state == ("failed" if fault == "lost" else "pending")


# Refunds and disputes


def test_a_refund_goes_back_once_however_often_it_is_asked(rail: Card, fake: FakeCard) -> None:
    one = refund(paid(rail, fake))
    found = rail.refund(one)
    assert (found.state, found.amount_minor, found.currency) == ("paid", 102_000, "KES")
    assert rail.refund(one) == found
    assert rail.find_refund(one) == rail.find_refund(replace(one, handle=found.handle)) == found
    assert fake.taken_minor("KES") == 0


def test_parts_of_a_payment_are_refunded_one_by_one_and_no_more_than_it_was(rail: Card, fake: FakeCard) -> None:
    one = paid(rail, fake)
    assert rail.refund(refund(one, 100_000)).state == rail.refund(refund(one, 2_000)).state == "paid"
    assert rail.refund(refund(one, 1)) == Found("failed", reason="refused")
    assert fake.taken_minor("KES") == 0


@pytest.mark.parametrize(("fault", "there"), [("lost", "paid"), ("broken", "absent")])
def test_a_refund_whose_answer_was_lost_is_found(rail: Card, fake: FakeCard, fault: Fault, there: State) -> None:
    one = refund(paid(rail, fake))
    fake.faults.plan("refund", fault)
    with pytest.raises(Unanswered):
        rail.refund(one)
    assert rail.find_refund(one).state == there
    assert rail.refund(one).state == "paid"
    assert len(fake.refunds) == 1


def test_a_refund_is_not_paid_again_when_stripe_has_forgotten_its_key(rail: Card, fake: FakeCard) -> None:
    one = refund(paid(rail, fake))
    first = rail.refund(one)
    fake._kept.clear()
    assert rail.refund(one) == first
    assert len(fake.refunds) == 1


def test_a_refund_is_found_on_the_second_page(rail: Card, fake: FakeCard) -> None:
    one = paid(rail, fake)
    refunds = [refund(one, 100) for _ in range(12)]
    for each in refunds:
        rail.refund(each)
    assert {rail.find_refund(each).handle for each in refunds} == set(fake.refunds)


@pytest.mark.parametrize(
    ("status", "state"),
    [("pending", "pending"), ("requires_action", "pending"), ("failed", "failed"), ("canceled", "failed")],
)
def test_a_refund_that_turns_later_is_told(rail: Card, fake: FakeCard, status: str, state: State) -> None:
    one = refund(paid(rail, fake))
    one = replace(one, handle=rail.refund(one).handle)
    fake.turn_refund(one.handle, status)
    assert rail.find_refund(one).state == state


def test_a_refund_that_stripe_does_not_know_is_absent(rail: Card, fake: FakeCard) -> None:
    assert rail.find_refund(replace(refund(paid(rail, fake)), handle="re_nobody")).state == "absent"


def test_a_disputed_payment_cannot_be_refunded(rail: Card, fake: FakeCard) -> None:
    one = paid(rail, fake)
    fake.dispute(one.handle)
    assert rail.refund(refund(one)) == Found("failed", reason="refused")


def test_disputes_are_open_then_won_or_lost(rail: Card, fake: FakeCard) -> None:
    one = paid(rail, fake)
    assert rail.disputes(one) == rail.disputes(asked(rail)) == []
    name = fake.dispute(one.handle)
    assert rail.disputes(one) == [Dispute(name, 102_000, "KES", "open")]
    for status in ("won", "lost"):
        fake.close_dispute(name, status)
        assert [dispute.state for dispute in rail.disputes(one)] == [status]
    assert fake.taken_minor("KES") == 0


def test_an_inquiry_takes_nothing_back_and_is_no_dispute(rail: Card, fake: FakeCard) -> None:
    one = paid(rail, fake)
    fake.dispute(one.handle, "warning_needs_response")
    assert rail.disputes(one) == []


def test_a_dispute_of_a_new_kind_is_taken_for_open(rail: Card, fake: FakeCard) -> None:
    one = paid(rail, fake)
    fake.dispute(one.handle, "brand_new")
    assert [dispute.state for dispute in rail.disputes(one)] == ["open"]


def test_the_listing_has_every_payment_that_succeeded_and_nothing_else(rail: Card, fake: FakeCard) -> None:
    ours = {paid(rail, fake).receipt for _ in range(11)}
    asked(rail)
    fake.answer(asked(rail).handle, "decline")
    unasked = fake.sessions[fake.pay_unasked(500, "usd")].intent
    found = rail.listing("2026-09-21", "2026-09-22")
    assert {entry.receipt for entry in found} == ours | {unasked}
    assert {(entry.state, entry.amount_minor, entry.currency) for entry in found} == {
        ("paid", 102_000, "KES"),
        ("paid", 500, "USD"),
    }
    assert rail.listing("2026-09-22", "2026-09-23") == []
    assert rail.listing("2026-09-20", "2026-09-21") == []


# Webhooks


def test_each_webhook_says_what_it_is_about_and_no_more(rail: Card, fake: FakeCard) -> None:
    one = paid(rail, fake)
    back = refund(one, 500)
    handle = rail.refund(back).handle
    fake.turn_refund(handle, "failed")
    name = fake.dispute(one.handle)
    fake.close_dispute(name, "lost")
    hints = [rail.hint(callback(call)) for call in fake.calls.waiting]
    assert [replace(hint, event="") for hint in hints] == [
        Hint("", one.id, one.handle, one.receipt, amount_minor=102_000, currency="KES"),
        Hint("", one.id, receipt=one.receipt, refund_id=back.id, amount_minor=500, currency="KES"),
        Hint("", one.id, receipt=one.receipt, refund_id=back.id, amount_minor=500, currency="KES"),
        Hint("", receipt=one.receipt, dispute=name, amount_minor=102_000, currency="KES"),
        Hint("", receipt=one.receipt, dispute=name, amount_minor=102_000, currency="KES"),
    ]
    assert len({hint.event for hint in hints}) == 5


@pytest.mark.parametrize("how", ["expired", "async_payment_succeeded", "async_payment_failed"])
def test_every_end_of_a_session_is_told(rail: Card, fake: FakeCard, how: str) -> None:
    one = asked(rail)
    fake.late_money = True
    if how == "expired":
        fake.end(one.handle)
    else:
        fake.answer(one.handle, "pay")
        fake.settle(one.handle, paid=how.endswith("succeeded"))
    last = fake.calls.waiting[-1]
    assert how in last.body.decode()
    assert (rail.hint(callback(last)).charge_id, rail.hint(callback(last)).handle) == (one.id, one.handle)


def test_a_refund_made_in_the_dashboard_names_the_payment(rail: Card) -> None:
    thing = {"payment_intent": "pi_1", "amount_refunded": 500, "currency": "kes", "metadata": {}}
    hint = rail.hint(signed(event("charge.refunded", **thing)))
    assert hint == Hint("evt_1", receipt="pi_1", amount_minor=500, currency="KES")


@pytest.mark.parametrize("kind", ["customer.created", "payment_intent.succeeded", "", "checkout.session.brand_new"])
def test_any_other_event_is_its_name_alone(rail: Card, kind: str) -> None:
    assert rail.hint(signed(event(kind, id="x", payment_intent="pi_1", amount=5))) == Hint("evt_1")


def test_an_order_that_is_no_id_of_ours_is_left_out(rail: Card) -> None:
    thing = {"id": "cs_1", "client_reference_id": "'; DROP TABLE charge", "amount_total": "much", "currency": "??"}
    assert rail.hint(signed(event("checkout.session.completed", **thing))) == Hint("evt_1", handle="cs_1")


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "t=,v1=",
        "v1=00",
        f"t={NOW:.0f}",
        f"t={NOW:.0f},v1=",
        f"t={NOW:.0f},v1=ÿ",
        f"t={NOW:.0f},v1=\ud800",
        f"t=١٧٩٠٠٠٠٠٠٠,v1={'0' * 64}",
        f"t={'9' * 5000},v1=00",
        f"t={NOW:.0f},t={NOW:.0f},v1=00",
        "," * 10_000,
    ],
)
def test_a_webhook_without_a_good_signature_is_forged(rail: Card, signature: str | None) -> None:
    headers = {} if signature is None else {"stripe-signature": signature}
    with pytest.raises(Forged):
        rail.hint(Callback(headers, event("checkout.session.completed", id="cs_1")))


def test_a_webhook_of_somebody_else_is_forged(rail: Card, fake: FakeCard) -> None:
    with pytest.raises(Forged):
        rail.hint(callback(fake.forge(asked(rail).handle)))


def test_every_changed_byte_is_forged(rail: Card) -> None:
    good = signed(event("checkout.session.completed", id="cs_1"))
    for place in range(0, len(good.body), 7):
        body = good.body[:place] + bytes([good.body[place] ^ 1]) + good.body[place + 1 :]
        with pytest.raises(Forged):
            rail.hint(replace(good, body=body))


@pytest.mark.parametrize(("seconds", "good"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_a_signature_is_good_for_five_minutes_before_and_after(rail: Card, seconds: int, good: bool) -> None:
    call = signed(event("checkout.session.expired", id="cs_1"), at=NOW + seconds)
    if good:
        assert rail.hint(call).handle == "cs_1"
    else:
        with pytest.raises(Forged):
            rail.hint(call)


def test_while_the_secret_is_changed_one_good_signature_of_several_will_do(rail: Card) -> None:
    body = event("checkout.session.expired", id="cs_1")
    good = signed(body).headers["stripe-signature"].partition(",")[2]
    headers = {"stripe-signature": f"t={NOW:.0f},v1={'0' * 64},{good},v0=1"}
    assert rail.hint(Callback(headers, body)).handle == "cs_1"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"{}", b'{"id": "7"}', b"\xff", b"[" * 100_000])
def test_a_signed_body_that_is_no_event_is_forged(rail: Card, body: bytes) -> None:
    with pytest.raises(Forged):
        rail.hint(signed(body))


# Amounts


@pytest.mark.parametrize(
    ("currency", "ours", "theirs"),
    [
        ("KES", 1_05, 1_05),
        ("USD", 1, 1),
        ("JPY", 500, 500),
        ("KRW", 500, 500),
        ("KWD", 5_120, 5_120),
        ("UGX", 5, 500),
        ("ISK", 5, 500),
        ("HUF", 10_45, 10_45),
        ("IQD", 5, 500),
    ],
)
def test_amounts_are_written_as_stripe_writes_them(currency: str, ours: int, theirs: int) -> None:
    assert to_stripe(ours, currency) == theirs
    assert stated({"amount": theirs, "currency": currency.lower()}, "amount") == ours


def test_fractions_that_cannot_be_charged_do_not_fit(rail: Card) -> None:
    assert not rail.fits(PHONE, 5_124, "KWD")
    assert rail.fits(PHONE, 5_120, "KWD")


def test_a_fraction_that_we_cannot_keep_is_no_answer() -> None:
    with pytest.raises(Unanswered):
        stated({"amount": 550, "currency": "ugx"}, "amount")
    assert claimed({"amount": 550, "currency": "ugx"}, "amount") is None


@pytest.mark.parametrize(
    ("amount_minor", "fits"), [(0, False), (-1, False), (1, True), (99_999_999, True), (10**8, False)]
)
def test_amounts_of_more_than_eight_digits_do_not_fit(rail: Card, amount_minor: int, fits: bool) -> None:
    assert rail.fits(PHONE, amount_minor, "KES") is fits


def test_the_fake_keeps_its_own_books_whatever_it_reports(rail: Card, fake: FakeCard) -> None:
    one, other = paid(rail, fake), paid(rail, fake)
    fake.misreport(one.handle, amount=5)
    rail.refund(refund(other, 2_000))
    assert fake.taken_minor("KES") == 202_000
    assert fake.prompts(PHONE) == []
