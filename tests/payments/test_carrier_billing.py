"""The carrier billing rail against a hostile operator: states, codes, faults, lost answers, events and refunds."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.serving import make_server

from payments.carrier_billing import CarrierBilling
from payments.carrier_sink import token_for
from payments.fakes import faults as fault_times
from payments.fakes.carrier import FakeCarrier
from payments.fakes.faults import Call, Calls, Fault, Faults
from payments.gateway import Callback, Charge, Forged, Found, Hint, NotTaken, Refund, State, Unanswered
from tests.payments.scripted import TOKEN, Line, Scripted

EVEN, ODD = "+254700000002", "+254700000001"
"""Phones that are reserved at once, and that are sent a code."""

START = 1_790_000_000.0


class Clock:
    """Seconds since 1970, as the test says."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def carrier(base_url: str, **values: Any) -> CarrierBilling:
    return CarrierBilling(
        base_url=base_url,
        **{
            "client_id": "giftline",
            "client_secret": "carrier-fake",
            "callback_base": "https://giftline.example",
            "sink_secret": "sink-secret",
            "merchant_name": "Giftline",
            "currency": "KES",
            "limit_minor": 10_000_000,
            "timeout_seconds": 5,
            "clock": lambda: START,
            **values,
        },
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakeCarrier:
    return FakeCarrier(Faults(), Calls(), clock=clock)


@pytest.fixture
def url(fake: FakeCarrier) -> Iterator[str]:
    app = Flask("operator")
    app.register_blueprint(fake.blueprint)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/carrier"
    server.shutdown()
    thread.join()


@pytest.fixture
def rail(url: str) -> CarrierBilling:
    return carrier(url)


def charge(msisdn: str = EVEN, amount_minor: int = 102_050) -> Charge:
    return Charge(str(uuid4()), msisdn, amount_minor, "KES", "7KQ4M2PH")


def asked(rail: CarrierBilling, one: Charge | None = None) -> Charge:
    one = one or charge()
    return replace(one, handle=rail.ask(one).handle)


def paid(rail: CarrierBilling) -> Charge:
    one = asked(rail)
    found = rail.capture(one)
    assert found.state == "paid"
    return replace(one, receipt=found.receipt)


def refund(of: Charge, amount_minor: int | None = None) -> Refund:
    return Refund(str(uuid4()), of, amount_minor or of.amount_minor, "R3FUND22")


def code_sent(fake: FakeCarrier, msisdn: str = ODD) -> str:
    found = re.search(r"is ([0-9]{6})", fake.codes(msisdn)[-1])
    assert found
    return found[1]


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def callback(call: Call) -> Callback:
    return Callback({name.lower(): value for name, value in call.headers.items()}, call.body)


def the_only(fake: FakeCarrier) -> str:
    (payment_id,) = fake.payments
    return payment_id


# Reserving and taking


def test_an_amount_is_reserved_and_then_taken(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = asked(rail)
    found = rail.find(one)
    assert (found.state, found.handle, found.amount_minor, found.currency) == ("reserved", one.handle, 102_050, "KES")
    assert fake.taken_minor("KES") == 0
    found = rail.capture(one)
    assert (found.state, found.receipt, found.amount_minor) == ("paid", one.handle, 102_050)
    assert rail.find(one) == rail.capture(one) == found
    assert fake.taken_minor("KES") == 102_050


def test_a_code_of_the_payers_network_is_passed_on(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = asked(rail, charge(ODD))
    assert rail.find(one).state == "needs_code"
    assert rail.find(one).handle == one.handle
    found = rail.validate(one, code_sent(fake))
    assert (found.state, found.handle) == ("reserved", the_only(fake))
    assert rail.capture(one).state == "paid"


def test_a_wrong_code_says_so_and_the_third_is_the_last(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = asked(rail, charge(ODD))
    wrong = other_than(code_sent(fake))
    assert [rail.validate(one, wrong).reason for _ in range(3)] == ["wrong_pin", "wrong_pin", "refused"]
    assert rail.find(one).state == "failed"


def test_the_right_code_after_a_wrong_one_reserves(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = asked(rail, charge(ODD))
    assert rail.validate(one, other_than(code_sent(fake))).reason == "wrong_pin"
    assert rail.validate(one, code_sent(fake)).state == "reserved"


def test_a_code_that_is_passed_on_twice_is_taken_once(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = asked(rail, charge(ODD))
    assert rail.validate(one, code_sent(fake)) == rail.validate(one, code_sent(fake))


def test_a_code_for_an_asking_without_an_answer_cannot_be_passed_on(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = charge(ODD)
    fake.faults.plan("ask", "lost")
    with pytest.raises(Unanswered):
        rail.ask(one)
    found = rail.find(one)
    assert (found.state, found.handle) == ("pending", the_only(fake))
    named = replace(one, handle=found.handle)
    assert rail.validate(named, code_sent(fake)).state == "pending"
    assert rail.cancel(named).state == "failed"


def test_a_code_may_be_typed_on_a_page_of_the_operators(rail: CarrierBilling, fake: FakeCarrier) -> None:
    fake.by_page = True
    found = rail.ask(charge(ODD))
    assert (found.state, found.handle) == ("pending", the_only(fake))
    assert found.link.endswith(f"/carrier/validate/{found.handle}")
    fake.answer(found.handle, "pay")
    assert rail.find(replace(charge(ODD), id=_correlator(fake), handle=found.handle)).state == "reserved"


def _correlator(fake: FakeCarrier) -> str:
    return str(fake.payments[the_only(fake)].body["amountTransaction"]["clientCorrelator"])


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ("processing", "pending", ""),
        ("pending_validation", "pending", ""),
        ("reserved", "reserved", ""),
        ("succeeded", "paid", ""),
        ("denied", "failed", "refused"),
        ("cancelled", "failed", "cancelled"),
    ],
)
def test_every_state_of_the_definition_is_known(
    rail: CarrierBilling, fake: FakeCarrier, status: str, state: State, reason: str
) -> None:
    one = asked(rail)
    fake.turn(one.handle, status)
    assert (rail.find(one).state, rail.find(one).reason) == (state, reason)


def test_a_slow_network_is_pending_and_keeps_the_way_to_pass_on_the_code(
    rail: CarrierBilling, fake: FakeCarrier
) -> None:
    fake.slow_network = True
    one = charge(ODD)
    found = rail.ask(one)
    one = replace(one, handle=found.handle)
    assert (found.state, rail.find(one).state) == ("pending", "pending")
    fake.settle(the_only(fake))
    assert rail.find(one).state == "needs_code"
    assert rail.validate(one, code_sent(fake)).state == "reserved"
    assert rail.capture(one).state == "pending"
    fake.settle(the_only(fake), "succeeded")
    assert rail.find(one).state == "paid"


def test_a_reservation_that_nobody_confirms_ends_by_itself(
    rail: CarrierBilling, fake: FakeCarrier, clock: Clock
) -> None:
    one = asked(rail)
    clock.now += 599
    assert rail.find(one).state == "reserved"
    clock.now += 2
    assert (rail.find(one).state, rail.find(one).reason) == ("failed", "cancelled")
    assert rail.capture(one).state == "failed"
    assert fake.taken_minor("KES") == 0


def test_a_late_success_and_a_success_that_fails_are_found(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = asked(rail)
    for status, state in (("cancelled", "failed"), ("succeeded", "paid"), ("denied", "failed")):
        fake.turn(one.handle, status)
        assert rail.find(one).state == state


def test_a_payment_that_the_operator_forgot_is_absent(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = asked(rail)
    fake.forget(one.handle)
    assert rail.find(one).state == rail.capture(one).state == rail.cancel(one).state == "absent"
    assert rail.find(charge()).state == "absent"


def test_what_the_operator_states_is_given_back_as_it_stated_it(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = paid(rail)
    fake.misreport(one.handle, amount=Decimal("0.01"), currency="EUR")
    assert (rail.find(one).amount_minor, rail.find(one).currency) == (1, "EUR")


def test_a_payment_of_another_order_is_not_this_charge(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = paid(rail)
    fake.misreport(one.handle, correlator=str(uuid4()))
    assert rail.find(one) == Found("absent")


def test_a_cancelled_reservation_takes_nothing(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = asked(rail)
    assert (rail.cancel(one).state, rail.cancel(one).reason) == ("failed", "cancelled")
    assert rail.capture(one).state == "failed"
    assert fake.taken_minor("KES") == 0


def test_a_charge_that_is_cancelled_at_the_moment_it_was_paid_is_paid(rail: CarrierBilling) -> None:
    assert rail.cancel(paid(rail)).state == "paid"


def test_a_charge_without_a_name_is_cancelled_when_it_is_found(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = charge()
    assert rail.cancel(one) == Found("absent")
    rail.ask(one)
    assert (rail.cancel(one).state, fake.payments[the_only(fake)].status) == ("failed", "cancelled")
    assert rail.cancel(one).state == "failed"


# Asking again


def test_asking_twice_reserves_once(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = charge()
    assert rail.ask(one) == rail.ask(one)
    assert len(fake.payments) == 1
    rail.capture(asked(rail, one))
    assert rail.ask(one).state == "paid"
    assert fake.taken_minor("KES") == 102_050


def test_a_lost_asking_is_found_among_many_others(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = charge()
    fake.faults.plan("ask", "lost")
    with pytest.raises(Unanswered):
        rail.ask(one)
    for _ in range(60):
        fake.bill_unasked(EVEN, Decimal(5), "KES")
    found = rail.find(one)
    assert found.state == "reserved"
    assert rail.capture(replace(one, handle=found.handle)).state == "paid"


def test_a_correlator_that_is_in_use_and_not_in_the_list_is_unknown() -> None:
    refusal = {"status": 400, "code": "INVALID_ARGUMENT", "message": "clientCorrelator already exist on server."}
    with Scripted(TOKEN, Line(400, refusal), Line(200, [])) as operator, pytest.raises(Unanswered):
        carrier(operator.url).ask(charge())


def test_another_payment_of_the_same_phone_is_busy() -> None:
    refusal = {"status": 409, "code": "ALREADY_EXISTS", "message": "Another session is created for the same UE"}
    with Scripted(TOKEN, Line(409, refusal), Line(200, [])) as operator:
        assert carrier(operator.url).ask(charge()) == Found("failed", reason="busy")


# Refusals and faults


def test_phones_and_amounts_that_the_operator_refuses_fail_with_their_reason(
    rail: CarrierBilling, fake: FakeCarrier
) -> None:
    fake.unknown.add("+254700000004")
    fake.blocked.add("+254700000006")
    assert rail.ask(charge("+254700000004")) == Found("failed", reason="unknown_payer")
    assert rail.ask(charge("+254700000006")) == Found("failed", reason="refused")
    assert rail.ask(charge(amount_minor=5_000_001)) == Found("failed", reason="over_limit")
    fake.limit_together = Decimal("1020.50")
    paid(rail)
    assert rail.ask(charge(amount_minor=1)) == Found("failed", reason="over_limit")


def test_a_confirmation_that_is_denied_is_failed(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = asked(rail)
    fake.blocked.add(EVEN)
    assert (rail.capture(one).state, rail.capture(one).reason) == ("failed", "refused")


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (403, "CARRIER_BILLING.PAYMENT_DENIED", "refused"),
        (404, "IDENTIFIER_NOT_FOUND", "unknown_payer"),
        (422, "SERVICE_NOT_APPLICABLE", "unknown_payer"),
        (422, "CARRIER_BILLING.UNAUTHORIZED_AMOUNT", "over_limit"),
        (422, "CARRIER_BILLING.USER_AMOUNT_THRESHOLD_OVERPASSED", "over_limit"),
        (422, "SOMETHING_NEW", "other"),
        (400, "OUT_OF_RANGE", "other"),
    ],
)
def test_each_refusal_has_its_reason(status: int, code: str, reason: str) -> None:
    with Scripted(TOKEN, Line(status, {"status": status, "code": code, "message": "..."})) as operator:
        assert carrier(operator.url).ask(charge()) == Found("failed", reason=reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "PERMISSION_DENIED"),
        (403, "SOMETHING_NEW"),
        (403, ""),
        (422, "MISSING_IDENTIFIER"),
        (422, "UNNECESSARY_IDENTIFIER"),
        (400, "INVALID_SINK"),
        (400, "INVALID_CREDENTIAL"),
        (400, "INVALID_TOKEN"),
    ],
)
def test_what_our_settings_are_to_blame_for_is_an_alarm(status: int, code: str) -> None:
    line = Line(status, {"status": status, "code": code, "message": "..."})
    with Scripted(TOKEN, line) as operator, pytest.raises(NotTaken) as turned_away:
        carrier(operator.url).ask(charge())
    assert turned_away.value.alarm


@pytest.mark.parametrize(
    ("fault", "raised", "reserved"),
    [("busy", NotTaken, 0), ("broken", Unanswered, 0), ("lost", Unanswered, 1), ("cut", Unanswered, 0)],
)
def test_a_fault_while_asking_is_an_unknown_outcome_or_none(
    rail: CarrierBilling, fake: FakeCarrier, fault: Fault, raised: type[Exception], reserved: int
) -> None:
    one = charge()
    fake.faults.plan("ask", fault)
    with pytest.raises(raised):
        rail.ask(one)
    assert len(fake.payments) == reserved
    assert rail.find(one).state == ("reserved" if reserved else "absent")


@pytest.mark.parametrize("fault", ["busy", "broken", "lost", "cut"])
def test_a_fault_while_taking_leaves_it_to_be_found(rail: CarrierBilling, fake: FakeCarrier, fault: Fault) -> None:
    one = asked(rail)
    fake.faults.plan("capture", fault)
    with pytest.raises((Unanswered, NotTaken)):
        rail.capture(one)
    assert rail.find(one).state == ("paid" if fault == "lost" else "reserved")
    assert rail.capture(one).state == "paid"
    assert fake.taken_minor("KES") == 102_050


@pytest.mark.parametrize("door", ["find", "cancel", "validate", "refund", "find_refund"])
@pytest.mark.parametrize("fault", ["busy", "broken", "cut"])
def test_a_fault_at_any_door_decides_nothing(rail: CarrierBilling, fake: FakeCarrier, door: str, fault: Fault) -> None:
    done = paid(rail)
    waits = asked(rail, charge(ODD))
    back = refund(done)
    calls = {
        "find": lambda: rail.find(done),
        "cancel": lambda: rail.cancel(waits),
        "validate": lambda: rail.validate(waits, code_sent(fake)),
        "refund": lambda: rail.refund(back),
        "find_refund": lambda: rail.find_refund(back),
    }
    fake.faults.plan(door, fault)
    with pytest.raises((Unanswered, NotTaken)):
        calls[door]()
    assert (rail.find(done).state, rail.find(waits).state) == ("paid", "needs_code")
    assert rail.find_refund(back).state == "absent"


def test_a_slow_answer_is_unknown_and_is_found(fake: FakeCarrier, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault_times, "SLOW_SECONDS", 0.2)
    hasty, one = carrier(url, timeout_seconds=0.1), charge()
    fake.faults.plan("ask", "slow")
    with pytest.raises(Unanswered):
        hasty.ask(one)
    assert carrier(url).find(one).state == "reserved"


@pytest.mark.parametrize("fault", ["busy", "broken", "cut"])
def test_without_a_token_nothing_was_asked(rail: CarrierBilling, fake: FakeCarrier, fault: Fault) -> None:
    fake.faults.plan("token", fault)
    with pytest.raises(NotTaken):
        rail.ask(charge())
    assert fake.payments == {}


def test_wrong_credentials_are_an_alarm(url: str) -> None:
    with pytest.raises(NotTaken) as turned_away:
        carrier(url, client_secret="other").ask(charge())
    assert turned_away.value.alarm


def test_a_token_that_is_no_longer_good_is_replaced_unseen(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = asked(rail)
    fake.forget_tokens()
    assert rail.capture(one).state == "paid"


@pytest.mark.parametrize(
    "body", [{}, [], "paid", {"paymentId": "p"}, {"paymentId": "p", "paymentStatus": "brand_new"}, {"paymentId": ["p"]}]
)
def test_an_answer_that_cannot_be_read_is_no_answer(body: object) -> None:
    with Scripted(TOKEN, Line(200, body)) as operator, pytest.raises(Unanswered):
        carrier(operator.url).find(replace(charge(), handle="p"))


@pytest.mark.parametrize("amount", [None, "x", True, {}, 0.001, 1e30])
def test_an_amount_that_cannot_be_read_is_no_answer(amount: object) -> None:
    money = {"paymentAmount": {"chargingInformation": {"amount": amount, "currency": "KES"}}}
    said = {"paymentId": "p", "paymentStatus": "succeeded", "amountTransaction": money}
    with Scripted(TOKEN, Line(200, said)) as operator, pytest.raises(Unanswered):
        carrier(operator.url).find(replace(charge(), handle="p"))


@given(st.integers(1, 10**15))
def test_amounts_go_out_as_exactly_the_number_they_are(amount_minor: int) -> None:
    sent = json.dumps(carrier("http://127.0.0.1:1")._amount(amount_minor, "KES", "7KQ4M2PH"))
    assert json.loads(sent, parse_float=Decimal)["amount"] * 100 == amount_minor


@pytest.mark.parametrize(
    ("msisdn", "amount_minor", "currency", "fits"),
    [
        (EVEN, 1, "KES", True),
        (EVEN, 10_000_000, "KES", True),
        (EVEN, 10_000_001, "KES", False),
        (EVEN, 0, "KES", False),
        (EVEN, 100, "UGX", False),
        ("254700000002", 100, "KES", False),
    ],
)
def test_only_the_operators_currency_within_its_limit_fits(
    rail: CarrierBilling, msisdn: str, amount_minor: int, currency: str, fits: bool
) -> None:
    assert rail.fits(msisdn, amount_minor, currency) is fits


# Refunds


def test_a_refund_goes_back_once_however_often_it_is_asked(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = refund(paid(rail))
    found = rail.refund(one)
    assert (found.state, found.amount_minor) == ("paid", None)
    assert rail.refund(one) == rail.find_refund(one) == rail.find_refund(replace(one, handle=found.handle)) == found
    assert fake.taken_minor("KES") == 0


def test_a_part_is_refunded_with_its_amount(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = paid(rail)
    found = rail.refund(refund(one, 2_050))
    assert (found.state, found.amount_minor, found.currency) == ("paid", 2_050, "KES")
    assert fake.taken_minor("KES") == 100_000
    assert rail.refund(refund(one, 100_001)) == Found("failed", reason="over_limit")


@pytest.mark.parametrize(("fault", "there"), [("lost", "paid"), ("broken", "absent")])
def test_a_refund_whose_answer_was_lost_is_found(
    rail: CarrierBilling, fake: FakeCarrier, fault: Fault, there: State
) -> None:
    one = refund(paid(rail))
    fake.faults.plan("refund", fault)
    with pytest.raises(Unanswered):
        rail.refund(one)
    assert rail.find_refund(one).state == there
    assert rail.refund(one).state == "paid"
    assert fake.taken_minor("KES") == 0


@pytest.mark.parametrize(("status", "state"), [("succeeded", "paid"), ("denied", "failed")])
def test_a_refund_that_takes_its_time_is_pending_until_it_is_decided(
    rail: CarrierBilling, fake: FakeCarrier, status: str, state: State
) -> None:
    one = refund(paid(rail))
    fake.slow_network = True
    found = rail.refund(one)
    assert found.state == "pending"
    fake.settle_refund(found.handle, status)
    assert rail.find_refund(replace(one, handle=found.handle)).state == state


def test_what_was_refunded_whole_is_not_refunded_again(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = paid(rail)
    rail.refund(refund(one))
    assert rail.refund(refund(one)) == Found("failed", reason="refused")
    assert rail.find_refund(replace(refund(one), handle="nobody")).state == "absent"


# Events


def test_each_event_says_what_it_is_about_and_no_more(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = paid(rail)
    back = refund(one, 50)
    rail.refund(back)
    hints = [rail.hint(callback(call)) for call in fake.calls.waiting]
    assert [replace(hint, event="") for hint in hints] == [
        Hint("", one.id, one.handle),
        Hint("", one.id, one.handle),
        Hint("", handle=one.handle, refund_id=back.id),
    ]
    assert len({hint.event for hint in hints}) == 3
    assert rail.acknowledgement == (204, "")


def test_a_repeated_event_has_the_same_name(rail: CarrierBilling, fake: FakeCarrier) -> None:
    asked(rail)
    (call,) = fake.calls.waiting
    assert rail.hint(callback(call)) == rail.hint(callback(call))


def test_an_event_without_our_token_is_forged(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one = asked(rail)
    for token in ("guessed", token_for("other secret", "charge", one.id)):
        with pytest.raises(Forged):
            rail.hint(callback(fake.forge(one.handle, token)))


def test_the_token_of_one_charge_speaks_for_no_other(rail: CarrierBilling, fake: FakeCarrier) -> None:
    one, other = asked(rail), charge()
    forged = token_for("sink-secret", "charge", one.id).replace(one.id, other.id)
    with pytest.raises(Forged):
        rail.hint(callback(fake.forge(one.handle, forged)))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer ÿ",
        "Bearer \ud800.\ud800.x",
        "Basic x",
        "Bearer charge.x.y",
        "Bearer ....",
    ],
)
def test_a_call_without_a_good_token_is_forged(rail: CarrierBilling, header: str | None) -> None:
    with pytest.raises(Forged):
        rail.hint(Callback({} if header is None else {"authorization": header}, b"{}"))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"id": "x"}', b'{"id": "", "source": ""}', b"[" * 100_000])
def test_a_body_that_is_no_event_is_forged(rail: CarrierBilling, body: bytes) -> None:
    with pytest.raises(Forged):
        rail.hint(Callback({"authorization": f"Bearer {token_for('sink-secret', 'charge', 'x')}"}, body))


def test_an_event_of_another_kind_is_its_name_alone(rail: CarrierBilling) -> None:
    body = json.dumps({"id": "7", "source": "https://op.example", "type": "org.camaraproject.other.v0.thing"}).encode()
    token = token_for("sink-secret", "charge", str(uuid4()))
    assert rail.hint(Callback({"authorization": f"bearer {token}"}, body)) == Hint("https://op.example 7")


# Comparing


def test_the_listing_has_every_payment_that_succeeded_and_nothing_else(rail: CarrierBilling, fake: FakeCarrier) -> None:
    ours = {paid(rail).receipt, paid(rail).receipt}
    asked(rail)
    unasked = {fake.bill_unasked(EVEN, Decimal(5), "KES") for _ in range(55)}
    found = rail.listing("2026-09-21", "2026-09-22")
    assert {entry.receipt for entry in found} == ours | unasked
    assert {entry.amount_minor for entry in found} == {102_050, 500}
    assert rail.listing("2026-09-22", "2026-09-23") == rail.listing("2026-09-20", "2026-09-21") == []


def test_this_rail_cannot_tell_beforehand_and_knows_no_disputes(rail: CarrierBilling) -> None:
    assert rail.can_pay(charge()) is None
    assert rail.disputes(charge()) == []
