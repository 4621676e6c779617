"""MTN MoMo: requests to pay and transfers against an MTN that fails, repeats itself, changes its mind and is impersonated."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from payments.fakes.faults import Call, Fault
from payments.fakes.momo import FakeMomo
from payments.fakes.people import Answer
from payments.fakes.server import FakeRails
from payments.gateway import Callback, Charge, Forged, Found, NotTaken, Reason, Refund, Unanswered
from payments.momo import OUR_FAULT, REASONS, MtnMomo
from tests.payments.scripted import TOKEN, Line, Scripted

PAYER = "+46733999888"
PATIENCE = 10.0
IMPATIENCE = 0.5
"""Seconds. A slow answer takes longer than this (payments.fakes.faults.SLOW_SECONDS), any other far less."""


@pytest.fixture
def rails() -> Iterator[FakeRails]:
    with FakeRails() as rails:
        yield rails


@pytest.fixture
def fake(rails: FakeRails) -> FakeMomo:
    return rails.momo


@pytest.fixture
def momo(rails: FakeRails) -> MtnMomo:
    return gateway(f"{rails.url}/momo")


@pytest.fixture
def impatient(rails: FakeRails) -> MtnMomo:
    return gateway(f"{rails.url}/momo", IMPATIENCE)


def gateway(base_url: str, timeout_seconds: float = PATIENCE, /, **changed: str) -> MtnMomo:
    named = {
        "target_environment": "sandbox",
        "callback_base": "https://giftline.example",
        "callback_secret": "key",
        **FakeMomo.credentials,
        **changed,
    }
    return MtnMomo(
        base_url=base_url,
        currencies=("EUR", "UGX"),
        prefixes=("+46", "+256"),
        timeout_seconds=timeout_seconds,
        **named,
    )


def charge(amount_minor: int = 10_050, currency: str = "EUR", msisdn: str = PAYER) -> Charge:
    return Charge(str(uuid4()), msisdn, amount_minor, currency, "AB12CD34")


def asked(momo: MtnMomo, msisdn: str = PAYER) -> Charge:
    new = charge(msisdn=msisdn)
    assert momo.ask(new).handle == new.id
    return new


def refund(amount_minor: int = 10_050) -> Refund:
    return Refund(str(uuid4()), charge(), amount_minor, "RF12CD34")


def received(call: Call) -> Callback:
    *_, secret, charge_id = call.url.split("/")
    return Callback(call.headers, call.body, secret, charge_id)


# Asking and finding ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("msisdn", "amount_minor", "currency", "fits"),
    [
        (PAYER, 1, "EUR", True),
        ("+256772123456", 500, "UGX", True),
        (PAYER, 0, "EUR", False),
        (PAYER, -1, "EUR", False),
        (PAYER, 1, "KES", False),
        ("+254712345678", 1, "EUR", False),
        ("46733999888", 1, "EUR", False),
    ],
)
def test_it_takes_the_numbers_and_currencies_it_was_given(
    msisdn: str, amount_minor: int, currency: str, fits: bool
) -> None:
    assert gateway("http://127.0.0.1:1").fits(msisdn, amount_minor, currency) is fits


def test_a_request_waits_for_the_payer_and_is_paid(fake: FakeMomo, momo: MtnMomo) -> None:
    sold = charge()
    assert momo.ask(sold) == Found("pending", handle=sold.id)
    (prompt,) = fake.prompts(PAYER)
    assert (prompt.id, prompt.amount_minor, prompt.currency) == (sold.id, 10_050, "EUR")
    assert momo.find(sold) == Found("pending", handle=sold.id, amount_minor=10_050, currency="EUR")

    fake.answer(prompt.id, "pay")

    assert momo.find(sold) == Found("paid", sold.id, fake.requests[sold.id].transaction, 10_050, "EUR")
    assert fake.taken_minor("EUR") == 10_050


@pytest.mark.parametrize(
    ("amount_minor", "currency", "written"), [(10_050, "EUR", "100.50"), (10_000, "EUR", "100"), (500, "UGX", "500")]
)
def test_an_amount_is_written_as_mtn_wants_it(
    amount_minor: int, currency: str, written: str, fake: FakeMomo, momo: MtnMomo
) -> None:
    sold = charge(amount_minor, currency)
    momo.ask(sold)
    assert fake.requests[sold.id].body["amount"] == written
    assert (momo.find(sold).amount_minor, momo.find(sold).currency) == (amount_minor, currency)


@pytest.mark.parametrize(
    ("answer", "reason"), [("decline", "cancelled"), ("no_funds", "no_funds"), ("wrong_pin", "other")]
)
def test_a_payer_who_does_not_pay_is_told_why(answer: Answer, reason: Reason, fake: FakeMomo, momo: MtnMomo) -> None:
    sold = asked(momo)
    fake.answer(sold.id, answer)
    assert (momo.find(sold).state, momo.find(sold).reason) == ("failed", reason)
    assert fake.taken_minor("EUR") == 0


DOCUMENTED: dict[str, Reason] = {
    "NOT_ENOUGH_FUNDS": "no_funds",
    "PAYER_LIMIT_REACHED": "over_limit",
    "APPROVAL_REJECTED": "cancelled",
    "EXPIRED": "expired",
    "COULD_NOT_PERFORM_TRANSACTION": "expired",
    "PAYER_NOT_FOUND": "unknown_payer",
    "SOMETHING_NEW": "other",
    "": "other",
}


@pytest.mark.parametrize(("code", "reason"), {**REASONS, **DOCUMENTED}.items())
def test_every_reason_of_mtn_is_one_of_ours(code: str, reason: Reason, fake: FakeMomo, momo: MtnMomo) -> None:
    sold = asked(momo)
    fake.settle(sold.id, "FAILED", code)
    assert momo.find(sold).reason == reason


def test_a_reason_may_be_an_object_too() -> None:
    sold = charge()
    body = {"amount": "100.50", "currency": "EUR", "externalId": sold.id, "status": "FAILED"}
    reason = {"reason": {"code": "PAYER_NOT_FOUND", "message": "Payee does not exist"}}
    with Scripted(TOKEN, Line(200, {**body, **reason})) as mtn:
        assert gateway(mtn.url).find(sold).reason == "unknown_payer"


@pytest.mark.parametrize(
    ("msisdn", "states", "reason"),
    [
        ("+46733123450", ["failed", "failed"], "other"),
        ("+46733123451", ["failed", "failed"], "cancelled"),
        ("+46733123452", ["failed", "failed"], "expired"),
        ("+46733123453", ["pending", "pending"], ""),
        ("+46733123454", ["pending", "paid"], ""),
        ("+46733123455", ["failed", "failed"], "unknown_payer"),
    ],
)
def test_the_sandboxs_payers_behave_as_documented(
    msisdn: str, states: list[str], reason: Reason, fake: FakeMomo, momo: MtnMomo
) -> None:
    sold = asked(momo, msisdn)
    found = [momo.find(sold), momo.find(sold)]
    assert [one.state for one in found] == states
    assert found[1].reason == reason
    assert fake.prompts(msisdn) == []


def test_a_charge_is_asked_once_however_often_it_is_asked(fake: FakeMomo, momo: MtnMomo) -> None:
    sold = asked(momo)
    assert momo.ask(sold).state == "pending"
    fake.answer(sold.id, "pay")
    assert momo.ask(sold).state == "paid"
    assert fake.taken_minor("EUR") == 10_050


def test_what_was_never_asked_is_absent(momo: MtnMomo) -> None:
    assert momo.find(charge()) == Found("absent")
    assert momo.find_refund(refund()) == Found("absent")


def test_a_charge_is_no_refund_of_the_same_id(momo: MtnMomo) -> None:
    sold = asked(momo)
    assert momo.find_refund(replace(refund(), id=sold.id)) == Found("absent")


def test_success_after_failure_and_failure_after_success_are_both_told(fake: FakeMomo, momo: MtnMomo) -> None:
    sold = asked(momo)
    states = []
    for status, reason in (("FAILED", "EXPIRED"), ("SUCCESSFUL", ""), ("FAILED", "INTERNAL_PROCESSING_ERROR")):
        fake.settle(sold.id, status, reason)
        states.append(momo.find(sold).state)
    assert states == ["failed", "paid", "failed"]
    assert len({momo.hint(received(call)).event for call in fake.calls.waiting}) == 2


@pytest.mark.parametrize(
    ("told", "amount_minor", "currency"),
    [
        ({"amount": "1"}, 100, "EUR"),
        ({"currency": "UGX", "amount": "100"}, 100, "UGX"),
        ({"amount": "-5"}, -500, "EUR"),
    ],
)
def test_a_wrong_amount_is_given_back_as_it_was_stated(
    told: dict[str, str], amount_minor: int, currency: str, fake: FakeMomo, momo: MtnMomo
) -> None:
    sold = asked(momo)
    fake.answer(sold.id, "pay")
    fake.misreport(sold.id, **told)
    found = momo.find(sold)
    assert (found.state, found.amount_minor, found.currency) == ("paid", amount_minor, currency)


@pytest.mark.parametrize(
    "told",
    [
        {"amount": "100.505"},
        {"amount": "NaN"},
        {"amount": ""},
        {"currency": "eur"},
        {"currency": ""},
        {"externalId": "another"},
        {"financialTransactionId": ""},
        {"status": "SOMETHING_NEW"},
        {"status": ""},
    ],
    ids=str,
)
def test_an_answer_that_is_not_understood_or_about_another_is_unanswered(
    told: dict[str, str], fake: FakeMomo, momo: MtnMomo
) -> None:
    sold = asked(momo)
    fake.answer(sold.id, "pay")
    fake.misreport(sold.id, **told)
    with pytest.raises(Unanswered):
        momo.find(sold)


def test_who_has_no_active_wallet_cannot_pay(fake: FakeMomo, momo: MtnMomo) -> None:
    fake.inactive.add("46733000000")
    assert momo.can_pay(charge()) is True
    assert momo.can_pay(charge(msisdn="+46733000000")) is False
    assert momo.can_pay(charge(msisdn="+46733123455")) is False


@pytest.mark.parametrize(
    ("line", "can_pay"),
    [
        (Line(200, True), True),
        (Line(200, False), False),
        (Line(200, {"result": "true"}), None),
        (Line(200, {}), None),
        (Line(404, {"code": "RESOURCE_NOT_FOUND"}), None),
        (Line(400, {}), None),
    ],
    ids=str,
)
def test_only_a_plain_yes_or_no_tells_whether_somebody_can_pay(line: Line, can_pay: bool | None) -> None:
    with Scripted(TOKEN, line) as mtn:
        assert gateway(mtn.url).can_pay(charge()) is can_pay


# What goes wrong on the way -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "then"), [("broken", "absent"), ("cut", "absent"), ("lost", "pending"), ("slow", "pending")]
)
def test_an_unclear_answer_to_asking_is_looked_for(fault: Fault, then: str, fake: FakeMomo, impatient: MtnMomo) -> None:
    sold = charge()
    fake.faults.plan("ask", fault)
    with pytest.raises(Unanswered):
        impatient.ask(sold)
    assert impatient.find(sold).state == then
    assert impatient.ask(sold).state == "pending"
    assert list(fake.requests) == [sold.id]


@pytest.mark.parametrize("fault", ["broken", "cut", "lost", "slow"])
def test_an_unclear_answer_to_fetching_is_unanswered(fault: Fault, fake: FakeMomo, impatient: MtnMomo) -> None:
    sold, owed = asked(impatient), refund()
    impatient.refund(owed)
    fake.faults.plan("find", fault)
    fake.faults.plan("find_refund", fault)
    with pytest.raises(Unanswered):
        impatient.find(sold)
    with pytest.raises(Unanswered):
        impatient.find_refund(owed)
    assert (impatient.find(sold).state, impatient.find_refund(owed).state) == ("pending", "paid")


@pytest.mark.parametrize("fault", ["broken", "cut", "lost", "slow"])
def test_an_unclear_answer_about_a_wallet_is_unanswered(fault: Fault, fake: FakeMomo, impatient: MtnMomo) -> None:
    fake.faults.plan("can_pay", fault)
    with pytest.raises(Unanswered):
        impatient.can_pay(charge())


@pytest.mark.parametrize("door", ["token", "can_pay", "ask", "find", "refund", "find_refund"])
def test_too_many_requests_are_not_taken(door: str, fake: FakeMomo, momo: MtnMomo) -> None:
    fake.faults.plan(door, "busy")
    calls: dict[str, Callable[[], object]] = {
        "token": lambda: momo.ask(charge()),
        "can_pay": lambda: momo.can_pay(charge()),
        "ask": lambda: momo.ask(charge()),
        "find": lambda: momo.find(charge()),
        "refund": lambda: momo.refund(refund()),
        "find_refund": lambda: momo.find_refund(refund()),
    }
    with pytest.raises(NotTaken) as refused:
        calls[door]()
    assert (refused.value.retry_after, refused.value.alarm) == (1, False)
    assert fake.requests == {}


@pytest.mark.parametrize("fault", ["broken", "cut", "lost", "slow"])
def test_without_a_token_nothing_was_asked(fault: Fault, fake: FakeMomo, impatient: MtnMomo) -> None:
    sold = charge()
    fake.faults.plan("token", fault)
    with pytest.raises(NotTaken):
        impatient.ask(sold)
    assert fake.requests == {}
    assert impatient.ask(sold).state == "pending"


def test_an_expired_token_is_replaced_within_the_same_request(fake: FakeMomo, momo: MtnMomo) -> None:
    sold = asked(momo)
    fake.expire_tokens()
    assert momo.find(sold).state == "pending"
    assert fake.asked_tokens == 2


def test_each_product_has_a_token_of_its_own(fake: FakeMomo, momo: MtnMomo) -> None:
    asked(momo)
    momo.refund(refund())
    momo.find(charge())
    momo.find_refund(refund())
    assert fake.asked_tokens == 2


@pytest.mark.parametrize("name", ["collection_user", "collection_key", "collection_subscription", "target_environment"])
def test_wrong_settings_raise_the_alarm(name: str, rails: FakeRails) -> None:
    with pytest.raises(NotTaken) as refused:
        gateway(f"{rails.url}/momo", **{name: "wrong"}).ask(charge())
    assert refused.value.alarm


@pytest.mark.parametrize("name", ["disbursement_user", "disbursement_key", "disbursement_subscription"])
def test_wrong_settings_of_transfers_raise_the_alarm(name: str, rails: FakeRails) -> None:
    wrong = gateway(f"{rails.url}/momo", **{name: "wrong"})
    assert wrong.ask(charge()).state == "pending"
    with pytest.raises(NotTaken) as refused:
        wrong.refund(refund())
    assert refused.value.alarm


@pytest.mark.parametrize(
    "line", [*(Line(500, {"code": code}) for code in sorted(OUR_FAULT)), Line(400, {"code": "BAD_REQUEST"})], ids=str
)
def test_a_request_that_mtn_turns_away_is_not_taken_and_raises_the_alarm(line: Line) -> None:
    with Scripted(TOKEN, line) as mtn, pytest.raises(NotTaken) as refused:
        gateway(mtn.url).ask(charge())
    assert refused.value.alarm


@pytest.mark.parametrize(
    "line",
    [
        Line(500, {"code": "INTERNAL_PROCESSING_ERROR"}),
        Line(500, {"code": "SERVICE_UNAVAILABLE"}),
        Line(500, []),
        Line(503),
    ],
    ids=str,
)
def test_a_fault_of_mtns_own_is_unanswered(line: Line) -> None:
    with Scripted(TOKEN, line) as mtn, pytest.raises(Unanswered):
        gateway(mtn.url).ask(charge())


def test_a_payer_whom_mtn_turns_away_at_once_is_unknown() -> None:
    sold = charge()
    with Scripted(TOKEN, Line(500, {"code": "PAYER_NOT_FOUND"})) as mtn:
        assert gateway(mtn.url).ask(sold) == Found("failed", handle=sold.id, reason="unknown_payer")


def test_a_path_that_nobody_knows_is_not_an_absent_charge() -> None:
    nowhere = Line(404, {"statusCode": 404, "message": "Resource not found"})
    with Scripted(TOKEN, nowhere) as mtn, pytest.raises(Unanswered):
        gateway(mtn.url).find(charge())


def test_no_error_quotes_the_payers_number(fake: FakeMomo, impatient: MtnMomo) -> None:
    for fault in ("busy", "broken", "slow"):
        fake.faults.plan("can_pay", fault)
        with pytest.raises((Unanswered, NotTaken)) as error:
            impatient.can_pay(charge())
        assert PAYER[1:] not in repr(error.value)
        assert error.value.__cause__ is None


# Callbacks ------------------------------------------------------------------------------------------------------------


def test_a_callback_says_what_to_fetch_and_what_it_claims(fake: FakeMomo, momo: MtnMomo) -> None:
    sold = asked(momo)
    fake.answer(sold.id, "pay")
    (call,) = fake.calls.waiting

    hint = momo.hint(received(call))

    assert (hint.charge_id, hint.refund_id) == (sold.id, "")
    assert (hint.receipt, hint.amount_minor, hint.currency) == (fake.requests[sold.id].transaction, 10_050, "EUR")
    assert momo.hint(received(call)).event == hint.event


def test_callbacks_come_by_put_and_by_post(fake: FakeMomo, momo: MtnMomo) -> None:
    for _ in range(2):
        fake.answer(asked(momo).id, "pay")
    assert {call.method for call in fake.calls.waiting} == {"PUT", "POST"}


def test_the_callback_of_a_transfer_is_about_the_refund(fake: FakeMomo, momo: MtnMomo) -> None:
    owed = refund()
    momo.refund(owed)
    hint = momo.hint(received(fake.calls.waiting[0]))
    assert (hint.refund_id, hint.charge_id) == (owed.id, "")


def test_a_callback_is_never_believed(fake: FakeMomo, momo: MtnMomo) -> None:
    sold = asked(momo)
    forged = fake.forge(fake.requests[sold.id].callback_url, amount="100.50")
    assert momo.hint(received(forged)).charge_id == sold.id
    assert momo.find(sold).state == "pending"


def test_a_payment_nobody_asked_for_leaves_the_charge_as_it_is(fake: FakeMomo, momo: MtnMomo) -> None:
    sold = asked(momo)
    fake.pay_unasked(fake.requests[sold.id].callback_url, "7", "EUR")
    assert momo.hint(received(fake.calls.waiting[0])).amount_minor == 700
    assert momo.find(sold).state == "pending"
    assert fake.taken_minor("EUR") == 700


def test_a_callback_without_the_secret_of_its_charge_is_forged(fake: FakeMomo, momo: MtnMomo) -> None:
    sold = asked(momo)
    *base, secret, _ = fake.requests[sold.id].callback_url.split("/")
    for end in (f"{'0' * 32}/{sold.id}", f"\u00e9\udcff/{sold.id}", f"/{sold.id}", f"{secret}/{uuid4()}"):
        with pytest.raises(Forged):
            momo.hint(received(fake.forge("/".join([*base, end]))))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\x00",
        b"status=SUCCESSFUL",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b"[" * 60_000,
        b" " * 70_000,
        b'{"status": 1.5e}',
        b'{"status": {}}',
        b'{"status": "\\u0000"}',
        b'{"status": ""}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_callback_that_cannot_be_read_is_forged(body: bytes, fake: FakeMomo, momo: MtnMomo) -> None:
    fake.answer(asked(momo).id, "pay")
    with pytest.raises(Forged):
        momo.hint(replace(received(fake.calls.waiting[0]), body=body))


@pytest.mark.parametrize("amount", ["x", None, [], 1e400, "1e999999999", {"a": 1}])
def test_a_callback_with_a_strange_amount_claims_none(amount: object, fake: FakeMomo, momo: MtnMomo) -> None:
    fake.answer(asked(momo).id, "pay")
    body = {**json.loads(fake.calls.waiting[0].body), "amount": amount}
    hint = momo.hint(replace(received(fake.calls.waiting[0]), body=json.dumps(body).encode()))
    assert hint.amount_minor is None


# Refunds --------------------------------------------------------------------------------------------------------------


def test_a_refund_is_transferred_and_found(fake: FakeMomo, momo: MtnMomo) -> None:
    owed = refund()
    assert momo.refund(owed) == Found("pending", handle=owed.id)
    assert momo.find_refund(owed) == Found("paid", owed.id, fake.requests[owed.id].transaction, 10_050, "EUR")
    assert fake.taken_minor("EUR") == -10_050


def test_a_refund_asked_twice_is_transferred_once(fake: FakeMomo, momo: MtnMomo) -> None:
    owed = refund()
    momo.refund(owed)
    assert momo.refund(owed).state == "paid"
    assert fake.taken_minor("EUR") == -10_050


@pytest.mark.parametrize(
    ("fault", "then"), [("broken", "absent"), ("cut", "absent"), ("lost", "paid"), ("slow", "paid")]
)
def test_a_refund_with_a_lost_answer_is_looked_for(fault: Fault, then: str, fake: FakeMomo, impatient: MtnMomo) -> None:
    owed = refund()
    fake.faults.plan("refund", fault)
    with pytest.raises(Unanswered):
        impatient.refund(owed)
    assert impatient.find_refund(owed).state == then
    impatient.refund(owed)
    assert impatient.find_refund(owed).state == "paid"
    assert fake.taken_minor("EUR") == -10_050


@pytest.mark.parametrize(
    ("code", "reason"), [("PAYEE_NOT_FOUND", "unknown_payer"), ("PAYEE_NOT_ALLOWED_TO_RECEIVE", "refused")]
)
def test_a_transfer_that_failed_says_why(code: str, reason: Reason, fake: FakeMomo, momo: MtnMomo) -> None:
    owed = refund()
    fake.plan_transfers(("PENDING", ""), ("FAILED", code))
    momo.refund(owed)
    assert momo.find_refund(owed).state == "pending"
    fake.settle(owed.id, "FAILED", code)
    assert (momo.find_refund(owed).state, momo.find_refund(owed).reason) == ("failed", reason)
    assert fake.taken_minor("EUR") == 0


def test_a_wrong_amount_transferred_is_told_as_it_was_stated(fake: FakeMomo, momo: MtnMomo) -> None:
    owed = refund()
    momo.refund(owed)
    fake.misreport(owed.id, amount="1")
    assert momo.find_refund(owed).amount_minor == 100
