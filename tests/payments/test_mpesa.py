"""M-Pesa: prompts of a Daraja that fails, repeats itself, changes its mind and is impersonated."""

import json
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from payments.fakes.faults import Fault
from payments.fakes.mpesa import FakeMpesa
from payments.fakes.people import Answer
from payments.fakes.server import FakeRails
from payments.gateway import Forged, Found, NotTaken, Reason, Unanswered
from payments.mpesa import Mpesa
from payments.mpesa_results import REASONS
from tests.payments.mpesa_parts import IMPATIENCE, PAYER, asked, changed, charge, gateway, received, refund
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


# Asking and finding ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("msisdn", "amount_minor", "currency", "fits"),
    [
        (PAYER, 100, "KES", True),
        ("+254112345678", 25_000_000, "KES", True),
        (PAYER, 25_000_100, "KES", False),
        (PAYER, 0, "KES", False),
        (PAYER, -100, "KES", False),
        (PAYER, 150, "KES", False),
        (PAYER, 100, "USD", False),
        ("+255712345678", 100, "KES", False),
        ("+254201234567", 100, "KES", False),
        ("+2547123456789", 100, "KES", False),
        ("+254712345678\n", 100, "KES", False),
    ],
)
def test_it_takes_whole_shillings_from_kenyan_mobiles(
    msisdn: str, amount_minor: int, currency: str, fits: bool, fake: FakeMpesa, mpesa: Mpesa
) -> None:
    assert mpesa.fits(msisdn, amount_minor, currency) is fits
    if not fits:
        assert mpesa.ask(charge(amount_minor, msisdn, currency)) == Found("failed", reason="refused")
        assert fake.asked_tokens == 0


def test_a_prompt_waits_for_the_payer_and_is_paid(fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    (prompt,) = fake.prompts(PAYER)
    assert (prompt.id, prompt.amount_minor, prompt.currency) == (sold.handle, 102_000, "KES")
    assert "AB12CD34" in prompt.sentence
    assert mpesa.find(sold) == Found("pending", handle=sold.handle)

    fake.answer(prompt.id, "pay")

    assert mpesa.find(sold) == Found("paid", handle=sold.handle, receipt=sold.handle)
    assert fake.prompts(PAYER) == []
    assert fake.taken_minor("KES") == 102_000


@pytest.mark.parametrize(
    ("answer", "reason"), [("decline", "cancelled"), ("no_funds", "no_funds"), ("wrong_pin", "wrong_pin")]
)
def test_a_payer_who_does_not_pay_is_told_why(answer: Answer, reason: Reason, fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    fake.answer(sold.handle, answer)
    assert mpesa.find(sold) == Found("failed", handle=sold.handle, reason=reason)
    assert fake.taken_minor("KES") == 0


DOCUMENTED: dict[str, Reason] = {
    "1": "no_funds",
    "3": "over_limit",
    "17": "busy",
    "1001": "busy",
    "1019": "expired",
    "1032": "cancelled",
    "1037": "unreachable",
    "2001": "wrong_pin",
    "8006": "refused",
    "424242": "other",
}


@pytest.mark.parametrize(("code", "reason"), {**REASONS, **DOCUMENTED}.items())
def test_every_result_code_has_a_reason(code: str, reason: Reason, fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    fake.settle(sold.handle, code)
    assert mpesa.find(sold) == Found("failed", handle=sold.handle, reason=reason)


def test_a_prompt_that_is_still_processed_is_pending(fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    fake.settle(sold.handle, "4999")
    assert mpesa.find(sold).state == "pending"


def test_a_charge_whose_handle_is_known_is_not_asked_again(fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    assert mpesa.ask(sold) == Found("pending", handle=sold.handle)
    assert len(fake.pushes) == 1


def test_a_phone_with_an_open_prompt_is_busy(fake: FakeMpesa, mpesa: Mpesa) -> None:
    asked(mpesa)
    assert mpesa.ask(charge()) == Found("failed", reason="busy")
    assert len(fake.pushes) == 1


def test_giving_up_tells_what_became_of_it(fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    fake.answer(sold.handle, "pay")
    assert mpesa.cancel(sold).state == "paid"


def test_success_after_failure_and_failure_after_success_are_both_told(fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    states = []
    for code in ("1037", "0", "1019"):
        fake.settle(sold.handle, code)
        states.append(mpesa.find(sold).state)
    assert states == ["failed", "paid", "failed"]
    assert fake.taken_minor("KES") == 0
    assert len({mpesa.hint(received(call)).event for call in fake.calls.waiting}) == 3


# What goes wrong on the way -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "prompts"), [("broken", 0), ("cut", 0), ("lost", 1), ("slow", 1)], ids=lambda value: str(value)
)
def test_an_unclear_answer_to_asking_is_unanswered_and_never_absent(
    fault: Fault, prompts: int, fake: FakeMpesa, impatient: Mpesa
) -> None:
    new = charge()
    fake.faults.plan("ask", fault)
    with pytest.raises(Unanswered):
        impatient.ask(new)
    assert len(fake.pushes) == prompts
    assert impatient.find(new) == Found("pending")


def test_after_a_lost_answer_the_callback_names_the_prompt(fake: FakeMpesa, mpesa: Mpesa) -> None:
    new = charge()
    fake.faults.plan("ask", "lost")
    with pytest.raises(Unanswered):
        mpesa.ask(new)
    (prompt,) = fake.prompts(PAYER)
    fake.answer(prompt.id, "pay")

    hint = mpesa.hint(received(fake.calls.waiting[0]))

    assert (hint.charge_id, hint.handle) == (new.id, prompt.id)
    assert mpesa.find(replace(new, handle=hint.handle)).state == "paid"


@pytest.mark.parametrize("door", ["ask", "find", "refund", "find_refund", "token"])
def test_too_many_requests_are_not_taken(door: str, fake: FakeMpesa, mpesa: Mpesa) -> None:
    fake.faults.plan(door, "busy")
    with pytest.raises(NotTaken) as refused:
        if door == "find":
            mpesa.find(replace(charge(), handle="ws_CO_1"))
        elif door == "find_refund":
            mpesa.find_refund(replace(refund(), handle="asked"))
        elif door == "refund":
            mpesa.refund(refund())
        else:
            mpesa.ask(charge())
    assert (refused.value.retry_after, refused.value.alarm) == (1, False)
    assert (fake.pushes, fake.payouts) == ({}, {})


@pytest.mark.parametrize("fault", ["broken", "cut", "lost", "slow"])
def test_an_unclear_answer_to_a_query_is_unanswered(fault: Fault, fake: FakeMpesa, impatient: Mpesa) -> None:
    sold = asked(impatient)
    fake.answer(sold.handle, "pay")
    fake.faults.plan("find", fault)
    with pytest.raises(Unanswered):
        impatient.find(sold)
    assert impatient.find(sold).state == "paid"


@pytest.mark.parametrize("fault", ["broken", "cut", "lost", "slow"])
def test_without_a_token_nothing_was_asked(fault: Fault, fake: FakeMpesa, impatient: Mpesa) -> None:
    fake.faults.plan("token", fault)
    with pytest.raises(NotTaken):
        impatient.ask(charge())
    assert fake.pushes == {}
    assert impatient.ask(charge()).state == "pending"


def test_an_expired_token_is_replaced_within_the_same_request(fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    fake.expire_tokens()
    assert mpesa.find(sold).state == "pending"
    assert fake.asked_tokens == 2


def test_two_processes_that_end_each_others_tokens_both_go_on(rails: FakeRails, mpesa: Mpesa) -> None:
    other = gateway(f"{rails.url}/mpesa")
    sold = asked(mpesa)
    assert other.find(sold).state == mpesa.find(sold).state == other.find(sold).state == "pending"


@pytest.mark.parametrize("name", ["consumer_secret", "passkey"])
def test_wrong_credentials_raise_the_alarm(name: str, rails: FakeRails) -> None:
    with pytest.raises(NotTaken) as refused:
        gateway(f"{rails.url}/mpesa", **{name: "wrong"}).ask(charge())
    assert refused.value.alarm


@pytest.mark.parametrize("name", ["initiator_name", "security_credential", "b2c_shortcode"])
def test_wrong_credentials_of_payouts_raise_the_alarm(name: str, rails: FakeRails) -> None:
    with pytest.raises(NotTaken) as refused:
        gateway(f"{rails.url}/mpesa", **{name: "wrong"}).refund(refund())
    assert refused.value.alarm


def error(code: str, message: str, status: int = 500) -> Line:
    return Line(status, {"requestId": "1", "errorCode": code, "errorMessage": message})


@pytest.mark.parametrize(
    ("line", "alarm"),
    [
        (error("500.003.02", "Error Occurred: Spike Arrest Violation"), False),
        (error("500.003.03", "Quota Violation"), False),
        (error("500.001.1001", "Merchant does not exist"), True),
        (error("400.002.02", "Bad Request - Invalid Amount", 400), True),
        (error("404.001.01", "Resource not found", 404), True),
        (Line(200, {"ResponseCode": "1", "ResponseDescription": "no"}), True),
    ],
    ids=str,
)
def test_a_request_that_daraja_turns_away_is_not_taken(line: Line, alarm: bool) -> None:
    with Scripted(TOKEN, line) as daraja, pytest.raises(NotTaken) as refused:
        gateway(daraja.url).ask(charge())
    assert refused.value.alarm is alarm


@pytest.mark.parametrize(
    "line",
    [
        error("500.003.1001", "Internal Server Error"),
        error("500.001.1001", "Something new"),
        error("+254712345678", "a code that is none"),
        Line(404, {}),
        Line(200, {}),
        Line(200, []),
        Line(200, {"ResponseCode": "0"}),
        Line(200, {"ResponseCode": "0", "CheckoutRequestID": "\x00"}),
    ],
    ids=str,
)
def test_an_answer_that_is_not_understood_is_unanswered_and_quotes_no_number(line: Line) -> None:
    with Scripted(TOKEN, line) as daraja, pytest.raises(Unanswered) as unclear:
        gateway(daraja.url).ask(charge())
    assert PAYER[1:] not in repr(unclear.value)


def test_a_number_that_daraja_does_not_know_is_an_unknown_payer() -> None:
    with Scripted(TOKEN, error("400.002.02", "Bad Request - Invalid PhoneNumber", 400)) as daraja:
        assert gateway(daraja.url).ask(charge()) == Found("failed", reason="unknown_payer")


@pytest.mark.parametrize(
    "body",
    [
        {"CheckoutRequestID": "ws_CO_other", "ResultCode": "0"},
        {"ResultCode": "0"},
        {"CheckoutRequestID": "ws_CO_1"},
        {"CheckoutRequestID": "ws_CO_1", "ResultCode": True},
        {"CheckoutRequestID": "ws_CO_1", "ResultCode": "0 "},
    ],
    ids=str,
)
def test_a_query_answered_about_another_prompt_or_with_no_result_is_unanswered(body: dict[str, object]) -> None:
    with Scripted(TOKEN, Line(200, {"ResponseCode": "0", **body})) as daraja, pytest.raises(Unanswered):
        gateway(daraja.url).find(replace(charge(), handle="ws_CO_1"))


def test_a_prompt_that_daraja_no_longer_knows_is_neither_absent_nor_failed(mpesa: Mpesa) -> None:
    with pytest.raises(Unanswered):
        mpesa.find(replace(charge(), handle="ws_CO_forgotten"))


# Callbacks ------------------------------------------------------------------------------------------------------------


def test_the_callback_of_a_payment_says_what_to_fetch(fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    fake.answer(sold.handle, "pay")
    (call,) = fake.calls.waiting

    hint = mpesa.hint(received(call))

    assert (hint.charge_id, hint.handle, hint.refund_id) == (sold.id, sold.handle, "")
    assert (hint.receipt, hint.amount_minor, hint.currency) == (fake.pushes[sold.handle].receipt, 102_000, "KES")
    assert mpesa.hint(received(call)).event == hint.event


def test_the_callback_of_a_failure_has_no_amount_and_no_receipt(fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    fake.answer(sold.handle, "decline")
    hint = mpesa.hint(received(fake.calls.waiting[0]))
    assert (hint.handle, hint.receipt, hint.amount_minor) == (sold.handle, "", None)


def test_a_wrong_amount_in_the_callback_is_passed_on_as_it_was_stated(fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    fake.settle(sold.handle, "0", told_amount=1)
    assert mpesa.hint(received(fake.calls.waiting[0])).amount_minor == 100
    assert mpesa.find(sold).amount_minor is None


def test_a_payment_nobody_asked_for_is_known_by_a_handle_of_its_own(fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    handle = fake.pay_unasked(fake.pushes[sold.handle].callback_url, 50)
    hint = mpesa.hint(received(fake.calls.waiting[0]))
    assert (hint.handle, hint.amount_minor) == (handle, 5_000)
    assert mpesa.find(sold).state == "pending"
    assert fake.taken_minor("KES") == 5_000


def test_the_address_given_to_daraja_has_no_word_that_it_blocks(fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    url = fake.pushes[sold.handle].callback_url
    assert url.startswith("https://giftline.example/webhooks/payments/daraja/")
    assert url.endswith(f"/{sold.id}")


def test_daraja_is_answered_as_it_wants() -> None:
    assert Mpesa.acknowledgement[0] == 200
    assert json.loads(Mpesa.acknowledgement[1]) == {"ResultCode": 0, "ResultDesc": "Accepted"}


def test_a_callback_without_the_secret_of_its_charge_is_forged(fake: FakeMpesa, mpesa: Mpesa) -> None:
    one = asked(mpesa)
    address = fake.pushes[one.handle].callback_url
    *base, secret, _ = address.split("/")
    forgeries = [
        "/".join([*base, "0" * 32, one.id]),
        "/".join([*base, "\u00e9\udcff", one.id]),
        "/".join([*base, "", one.id]),
        "/".join([*base, secret, str(uuid4())]),
    ]
    for url in forgeries:
        with pytest.raises(Forged):
            mpesa.hint(received(fake.forge(url, handle=one.handle, amount=1020)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff\xfe",
        b"ResultCode=0",
        b"<xml/>",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"[" * 60_000,
        b" " * 70_000,
        b"{}",
        b'{"Body": {}}',
        b'{"Body": {"stkCallback": []}}',
        b'{"Body": {"stkCallback": {"ResultCode": 0}}}',
        b'{"Body": {"stkCallback": {"CheckoutRequestID": "ws_CO_1"}}}',
        b'{"Body": {"stkCallback": {"CheckoutRequestID": "ws\\u0000", "ResultCode": 0}}}',
        b'{"Body": {"stkCallback": {"CheckoutRequestID": "\\ud800", "ResultCode": 0}}}',
        b'{"Body": {"stkCallback": {"CheckoutRequestID": "ws_CO_1", "ResultCode": {}}}}',
    ],
    ids=lambda body: repr(body[:60]),
)
def test_a_callback_that_cannot_be_read_is_forged(body: bytes, fake: FakeMpesa, mpesa: Mpesa) -> None:
    sold = asked(mpesa)
    fake.answer(sold.handle, "pay")
    with pytest.raises(Forged):
        mpesa.hint(changed(fake.calls.waiting[0], body=body))


@pytest.mark.parametrize("items", [None, {}, "x", [1, None, {}, {"Name": "Amount"}, {"Name": [], "Value": 1}]])
def test_a_callback_with_strange_metadata_still_says_what_to_fetch(
    items: object, fake: FakeMpesa, mpesa: Mpesa
) -> None:
    sold = asked(mpesa)
    fake.answer(sold.handle, "pay")
    body = json.loads(fake.calls.waiting[0].body)
    body["Body"]["stkCallback"]["CallbackMetadata"]["Item"] = items
    hint = mpesa.hint(changed(fake.calls.waiting[0], body=json.dumps(body).encode()))
    assert (hint.handle, hint.amount_minor) == (sold.handle, None)
