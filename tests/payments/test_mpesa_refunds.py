"""M-Pesa's payouts: asked once, told by callback, and believed only from the address made for them."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from payments.fakes.faults import Call, Fault
from payments.fakes.mpesa import FakeMpesa
from payments.fakes.server import FakeRails
from payments.gateway import Forged, Found, Refund, Unanswered
from payments.mpesa import Mpesa
from payments.mpesa_results import PAYOUT_REASONS
from tests.payments.mpesa_parts import IMPATIENCE, asked, changed, gateway, received, refund
from tests.payments.scripted import TOKEN, Line, Scripted


@pytest.fixture
def rails() -> Iterator[FakeRails]:
    with FakeRails() as rails:
        yield rails


@pytest.fixture
def fake(rails: FakeRails) -> FakeMpesa:
    return rails.mpesa


@pytest.fixture
def mpesa(rails: FakeRails) -> Mpesa:
    return gateway(f"{rails.url}/mpesa")


@pytest.fixture
def impatient(rails: FakeRails) -> Mpesa:
    return gateway(f"{rails.url}/mpesa", IMPATIENCE)


def sent(mpesa: Mpesa) -> Refund:
    """A refund that M-Pesa has confirmed."""
    owed = refund()
    return replace(owed, handle=mpesa.refund(owed).handle)


def named(mpesa: Mpesa, owed: Refund, call: Call) -> Refund:
    """The refund after its callback was stored."""
    hint = mpesa.hint(received(call))
    assert hint.refund_id == owed.id
    return replace(owed, handle=hint.handle)


def test_a_refund_is_paid_when_its_result_was_called_back(fake: FakeMpesa, mpesa: Mpesa) -> None:
    owed = refund()
    assert mpesa.refund(owed) == Found("pending", handle="asked")
    payout = fake.payouts[owed.id]
    assert (payout.amount, fake.taken_minor("KES")) == (500, -50_000)

    told = named(mpesa, owed, fake.calls.waiting[0])

    assert mpesa.find_refund(told) == Found("paid", told.handle, payout.transaction, 50_000, "KES")
    assert mpesa.refund(told).state == "paid"
    assert len(fake.payouts) == 1


def test_a_lost_result_is_queried_and_called_back(fake: FakeMpesa, mpesa: Mpesa) -> None:
    owed = sent(mpesa)
    fake.calls.waiting.clear()

    assert mpesa.find_refund(owed) == Found("pending")

    told = named(mpesa, owed, fake.calls.waiting[0])
    assert mpesa.find_refund(told) == Found("paid", told.handle, fake.payouts[owed.id].transaction, 50_000, "KES")


@pytest.mark.parametrize("code", [code for code in PAYOUT_REASONS if code.isupper() or code.isdigit()])
def test_a_payout_that_failed_says_why(code: str, fake: FakeMpesa, mpesa: Mpesa) -> None:
    owed = refund()
    fake.plan_payouts(code)
    mpesa.refund(owed)
    told = named(mpesa, owed, fake.calls.waiting[0])
    assert mpesa.find_refund(told) == Found("failed", handle=code, reason=PAYOUT_REASONS[code])
    assert fake.taken_minor("KES") == 0


def test_on_a_result_that_nobody_knows_nobody_acts_until_it_was_queried(fake: FakeMpesa, mpesa: Mpesa) -> None:
    owed = refund()
    fake.plan_payouts("26")
    mpesa.refund(owed)
    assert named(mpesa, owed, fake.calls.waiting.pop()).handle == ""
    assert mpesa.find_refund(replace(owed, handle="asked")).state == "pending"
    assert mpesa.find_refund(named(mpesa, owed, fake.calls.waiting[0])).state == "failed"


def test_a_payout_that_is_not_done_stays_pending(fake: FakeMpesa, mpesa: Mpesa) -> None:
    fake.plan_payouts("")
    owed = sent(mpesa)
    mpesa.find_refund(owed)
    assert named(mpesa, owed, fake.calls.waiting.pop()).handle == ""
    fake.settle_payout(owed.id)
    assert mpesa.find_refund(named(mpesa, owed, fake.calls.waiting.pop())).state == "paid"


@pytest.mark.parametrize(("fault", "payouts"), [("broken", 0), ("cut", 0), ("lost", 1), ("slow", 1)])
def test_a_refund_with_a_lost_answer_is_asked_again_and_paid_once(
    fault: Fault, payouts: int, fake: FakeMpesa, impatient: Mpesa
) -> None:
    owed = refund()
    fake.faults.plan("refund", fault)
    with pytest.raises(Unanswered):
        impatient.refund(owed)
    assert len(fake.payouts) == payouts
    assert impatient.find_refund(owed) == Found("absent")

    assert impatient.refund(owed) == Found("pending", handle="asked")

    assert len(fake.payouts) == 1
    assert fake.taken_minor("KES") == -50_000


def test_a_duplicate_named_in_a_good_answer_is_pending_too() -> None:
    line = Line(200, {"ResponseCode": "1", "ResponseDescription": "Duplicate OriginatorConversationID."})
    with Scripted(TOKEN, line) as daraja:
        assert gateway(daraja.url).refund(refund()) == Found("pending", handle="asked")


def test_a_wrong_amount_paid_out_is_told_as_it_was_stated(fake: FakeMpesa, mpesa: Mpesa) -> None:
    owed = refund()
    fake.plan_payouts("")
    mpesa.refund(owed)
    fake.settle_payout(owed.id, told_amount=5)
    assert mpesa.find_refund(named(mpesa, owed, fake.calls.waiting[0])).amount_minor == 500


@pytest.mark.parametrize("amount_minor", [150, 0, 25_000_100])
def test_what_mpesa_cannot_send_fails_with_nothing_asked(amount_minor: int, fake: FakeMpesa, mpesa: Mpesa) -> None:
    assert mpesa.refund(refund(amount_minor)) == Found("failed", reason="other")
    assert fake.asked_tokens == 0


def test_a_query_of_a_payout_that_never_arrived_says_nothing_of_the_refund(fake: FakeMpesa, mpesa: Mpesa) -> None:
    owed = replace(refund(), handle="asked")
    mpesa.find_refund(owed)
    assert named(mpesa, owed, fake.calls.waiting[0]).handle == ""


def spoken(mpesa: Mpesa, fake: FakeMpesa, owed: Refund, **parts: object) -> str:
    """The handle that this refund's own result leads to, with some parts of it changed."""
    if not fake.payouts:
        mpesa.refund(owed)
    body = json.loads(fake.calls.waiting[0].body)
    body["Result"].update(parts)
    return mpesa.hint(changed(fake.calls.waiting[0], body=json.dumps(body).encode())).handle


@pytest.mark.parametrize(
    "parts",
    [
        {"OriginatorConversationID": "another"},
        {"OriginatorConversationID": None},
        {"ResultType": 1},
        {"ResultType": None},
        {"ResultCode": None},
        {"ResultCode": "0 FORGED0001 1"},
        {"ResultParameters": None},
        {"ResultParameters": {"ResultParameter": [{"Key": "TransactionReceipt", "Value": "SG632NMUAB"}]}},
        {"ResultParameters": {"ResultParameter": [{"Key": "TransactionAmount", "Value": 500}]}},
        {
            "ResultParameters": {
                "ResultParameter": [
                    {"Key": "TransactionReceipt", "Value": "SG 632"},
                    {"Key": "TransactionAmount", "Value": 1},
                ]
            }
        },
        {"ResultParameters": {"ResultParameter": {"Key": "OriginatorConversationID", "Value": "another"}}},
    ],
    ids=str,
)
def test_a_result_that_is_not_final_whole_and_of_this_refund_is_not_believed(
    parts: dict[str, object], fake: FakeMpesa, mpesa: Mpesa
) -> None:
    owed = refund()
    assert spoken(mpesa, fake, owed).startswith("0 ")
    assert spoken(mpesa, fake, owed, **parts) == ""


def test_a_payout_that_waited_too_long_in_the_queue_proves_nothing(fake: FakeMpesa, mpesa: Mpesa) -> None:
    owed = refund()
    with Scripted(TOKEN, Line(200, {"ResponseCode": "0"})) as daraja:
        gateway(daraja.url).refund(owed)
        late = json.loads(daraja.bodies[1])["QueueTimeOutURL"]
    body = {"Result": {"ResultType": 0, "ResultCode": 1, "OriginatorConversationID": owed.id}}
    hint = mpesa.hint(received(Call(late, json.dumps(body).encode(), {})))
    assert (hint.refund_id, hint.handle) == (owed.id, "")


def test_the_secret_of_a_charge_speaks_for_no_refund(fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    owed = replace(refund(), id=sold.id)
    mpesa.refund(owed)
    fake.answer(sold.handle, "pay")
    result, payment = fake.calls.waiting
    with pytest.raises(Forged):
        mpesa.hint(changed(payment, body=result.body))
    with pytest.raises(Forged):
        mpesa.hint(changed(result, secret="0" * 32))
