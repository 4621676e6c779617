"""Charging over every rail, against the hostile fakes: what is paid is issued once, what is not is told, nothing is lost."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from bot.config import Settings
from bot.statements import Statements
from circulation import notices, refunds
from circulation.members import Member
from payments import charges
from payments import refunds as refund_rows
from payments.bank_reference import creditor_reference
from payments.fakes.server import FakeRails
from tests.paying import Paying, paying, settings_for

EXTERNAL = ("mpesa", "momo", "card", "bank", "carrier_billing")
ACCOUNTS = {"mpesa": "1130", "momo": "1130", "card": "1110", "bank": "1010", "carrier_billing": "1120"}


@pytest.fixture
def rails() -> Iterator[FakeRails]:
    with FakeRails() as rails:
        yield rails


@pytest.fixture
def till(plain_settings: Settings, rails: FakeRails) -> Iterator[Paying]:
    with paying(settings_for(plain_settings, rails), rails) as till:
        yield till


def act(till: Paying, buyer: Member, charge_id: str, rail: str, *, pays: bool, folder: Path) -> None:
    """The buyer does what this rail asks of them, once it has asked."""
    match rail:
        case "mpesa":
            (prompt,) = till.rails.mpesa.prompts(buyer.msisdn.e164)
            till.rails.mpesa.answer(prompt.id, "pay" if pays else "decline")
        case "momo":
            (prompt,) = till.rails.momo.prompts(buyer.msisdn.e164)
            till.rails.momo.answer(prompt.id, "pay" if pays else "decline")
        case "card":
            till.rails.card.answer(till.handle(charge_id), "pay" if pays else "decline")
        case "carrier_billing":
            if pays and till.state(charge_id) == "needs_code":
                till.type_code(buyer, charge_id, till.rails.carrier.codes(buyer.msisdn.e164)[-1])
            elif not pays:
                till.rails.carrier.turn(till.handle(charge_id).split()[0], "denied")
        case _:
            if pays:
                reference = creditor_reference(till.reference(charge_id))
                till.rails.bank.transfer(buyer.msisdn.e164, f"gift {reference}", 51_000, "KES")
                (folder / "day.xml").write_bytes(till.rails.bank.statement())
                Statements(till.database, till.rules, folder)()


@pytest.mark.parametrize("rail", EXTERNAL)
def test_what_is_paid_over_a_rail_is_issued_and_told(rail: str, till: Paying, tmp_path: Path) -> None:
    buyer = till.people.member()
    charge_id = till.order(buyer, rail)
    assert till.sheets(charge_id) == 0
    till.rounds(2)
    act(till, buyer, charge_id, rail, pays=True, folder=tmp_path)
    till.rounds(2)
    assert (till.state(charge_id), till.sheets(charge_id)) == ("paid", 1)
    payment = till.people.value("SELECT id::text FROM payment WHERE charge_id = :id", id=charge_id)
    assert till.people.postings(f"{payment}:received") == [(ACCOUNTS[rail], rail, 51_000), ("2050", "", -51_000)]
    assert till.sentences(buyer)[-1] == notices.PAID
    assert till.rails.taken_minor("KES") == 51_000
    assert till.people.books_in_order()


@pytest.mark.parametrize("rail", ["mpesa", "momo", "card", "carrier_billing"])
def test_what_is_refused_over_a_rail_issues_nothing_and_is_told(rail: str, till: Paying, tmp_path: Path) -> None:
    buyer = till.asked_for_a_code()
    charge_id = till.order(buyer, rail)
    till.rounds(2)
    act(till, buyer, charge_id, rail, pays=False, folder=tmp_path)
    till.rounds(2)
    if rail == "card":  # a declined card leaves the page open for another one
        assert till.state(charge_id) == "pending"
        till.after("2 hours")
    assert (till.state(charge_id), till.sheets(charge_id)) == ("failed", 0)
    assert till.sentences(buyer)[-1] in notices.NOT_PAID.values()
    assert till.rails.taken_minor("KES") == 0
    assert till.people.rows("SELECT 1 FROM journal_entry") == []


@pytest.mark.parametrize("fault", ["busy", "broken", "slow", "lost", "cut"])
@pytest.mark.parametrize("rail", ["momo", "card", "carrier_billing"])
def test_a_rail_that_fails_while_it_is_asked_charges_once_in_the_end(
    rail: str, fault: str, till: Paying, tmp_path: Path
) -> None:
    buyer = till.asked_for_a_code(False)
    fake = {"momo": "momo", "card": "card", "carrier_billing": "carrier"}[rail]
    till.rails.faults[fake].plan("ask", fault)  # type: ignore[arg-type]
    charge_id = till.order(buyer, rail)
    till.rounds(3)
    act(till, buyer, charge_id, rail, pays=True, folder=tmp_path)
    till.rounds(2)
    assert (till.state(charge_id), till.sheets(charge_id)) == ("paid", 1)
    assert till.rails.taken_minor("KES") == 51_000
    assert till.people.books_in_order()


@pytest.mark.parametrize("rail", ["momo", "card", "carrier_billing"])
def test_a_worker_that_dies_after_it_asked_charges_nobody_twice(rail: str, till: Paying, tmp_path: Path) -> None:
    buyer = till.asked_for_a_code(False)
    charge_id = till.order(buyer, rail)
    till.due()
    with till.database.begin() as db:
        (claimed,) = charges.claim(db, batch=1, lease=60)
    gateway = till.rules.rails[rail]
    assert gateway is not None
    gateway.ask(claimed.charge)  # and here the worker is killed: nobody writes down what it heard
    assert till.charging() == 0
    till.after("2 minutes")
    till.rounds()
    act(till, buyer, charge_id, rail, pays=True, folder=tmp_path)
    till.rounds(2)
    assert (till.state(charge_id), till.sheets(charge_id)) == ("paid", 1)
    assert till.rails.taken_minor("KES") == 51_000
    assert till.people.books_in_order()


def test_a_worker_that_dies_after_it_sent_a_refund_pays_it_once(till: Paying, tmp_path: Path) -> None:
    buyer = till.people.member()
    charge_id = till.order(buyer, "card")
    till.rounds(2)
    act(till, buyer, charge_id, "card", pays=True, folder=tmp_path)
    till.rounds(2)
    with till.database.begin() as db:
        (offer,) = refunds.returnable(db, till.rules, buyer)
        refunds.give_back(
            db,
            till.rules,
            refund_id=str(uuid4()),
            buyer=buyer,
            purchase_id=offer.purchase_id,
            expected=offer.amount,
            receipt=True,
        )
        (claimed,) = refund_rows.claim(db, batch=1, lease=60)
    gateway = till.rules.rails["card"]
    assert gateway is not None
    gateway.refund(claimed.refund)
    till.after("2 minutes")
    till.rounds(2)
    assert till.rails.taken_minor("KES") == 51_000 - offer.amount.amount_minor
    assert till.sentences(buyer)[-1] == notices.REFUNDED
    assert till.people.books_in_order()


def test_while_an_outcome_is_unknown_the_buyer_is_told_once_that_we_are_checking(till: Paying) -> None:
    buyer = till.people.member()
    till.rails.faults["momo"].plan("ask", "lost")
    till.rails.faults["momo"].plan("find", "broken", "broken")
    charge_id = till.order(buyer, "momo")
    till.rounds()
    assert till.state(charge_id) == "unknown"
    till.rounds(2)
    assert till.sentences(buyer) == [notices.CHECKING]
    till.rounds()
    assert till.state(charge_id) == "pending"


def test_a_payment_after_we_gave_up_is_issued_within_a_day(till: Paying) -> None:
    buyer = till.people.member()
    charge_id = till.order(buyer, "momo")
    till.rounds(2)
    (prompt,) = till.rails.momo.prompts(buyer.msisdn.e164)
    till.after("20 minutes")
    assert till.state(charge_id) == "lapsed"
    assert till.sentences(buyer)[-1] == notices.NOT_PAID["expired"]
    till.rails.momo.answer(prompt.id, "pay")
    till.after("1 hour")
    assert (till.state(charge_id), till.sheets(charge_id)) == ("paid", 1)
    assert till.sentences(buyer)[-1] == notices.PAID
    assert till.people.books_in_order()


def test_a_payment_days_after_we_gave_up_goes_back(till: Paying) -> None:
    buyer = till.people.member()
    charge_id = till.order(buyer, "momo")
    till.rounds(2)
    (prompt,) = till.rails.momo.prompts(buyer.msisdn.e164)
    till.after("20 minutes")
    till.rails.momo.answer(prompt.id, "pay")
    till.after("2 days")
    till.rounds(2)
    assert till.sheets(charge_id) == 0
    assert till.rails.taken_minor("KES") == 0
    assert till.sentences(buyer)[-2:] == [notices.RECEIPT_GOES_BACK, notices.REFUNDED]
    assert till.people.books_in_order()


def test_a_provider_that_reports_another_amount_moves_no_certificate(till: Paying) -> None:
    buyer = till.people.member()
    charge_id = till.order(buyer, "momo")
    till.rounds(2)
    (prompt,) = till.rails.momo.prompts(buyer.msisdn.e164)
    till.rails.momo.misreport(prompt.id, amount="1")
    till.rails.momo.answer(prompt.id, "pay")
    till.rounds(2)
    assert till.sheets(charge_id) == 0
    assert till.people.value("SELECT count(*) FROM incident WHERE kind = 'payment of another amount'") == 1
    assert till.people.books_in_order()


def test_a_provider_that_reports_another_currency_moves_nothing_and_calls_the_operator(till: Paying) -> None:
    buyer = till.people.member()
    charge_id = till.order(buyer, "momo")
    till.rounds(2)
    (prompt,) = till.rails.momo.prompts(buyer.msisdn.e164)
    till.rails.momo.misreport(prompt.id, currency="UGX")
    till.rails.momo.answer(prompt.id, "pay")
    till.rounds(2)
    assert till.sheets(charge_id) == 0
    assert till.people.value("SELECT count(*) FROM incident WHERE kind = 'payment in another currency'") == 1


def test_a_chargeback_takes_back_what_the_buyer_still_holds(till: Paying, tmp_path: Path) -> None:
    buyer = till.people.member()
    charge_id = till.order(buyer, "card", sheets=2)
    till.rounds(2)
    act(till, buyer, charge_id, "card", pays=True, folder=tmp_path)
    till.rounds(2)
    dispute = till.rails.card.dispute(till.handle(charge_id))
    till.people.run("UPDATE charge SET disputed = true, due_at = clock() WHERE id = :id", id=charge_id)
    till.rounds()
    till.rails.card.close_dispute(dispute, "lost")
    till.people.run("UPDATE charge SET disputed = true, due_at = clock() WHERE id = :id", id=charge_id)
    till.rounds()
    assert till.people.value("SELECT state FROM dispute") == "lost"
    assert till.rails.taken_minor("KES") == 0
    assert till.people.books_in_order()


def test_a_chargeback_told_before_we_knew_of_the_payment_is_found_by_looking(till: Paying, tmp_path: Path) -> None:
    buyer = till.people.member()
    charge_id = till.order(buyer, "card")
    till.rounds(2)
    act(till, buyer, charge_id, "card", pays=True, folder=tmp_path)
    till.rails.card.dispute(till.handle(charge_id))  # nobody here knows the payment by its name yet
    till.rounds(2)
    assert till.state(charge_id) == "paid"
    till.after("2 hours")
    assert till.people.value("SELECT state FROM dispute") == "open"
    assert till.people.books_in_order()


def test_a_paid_charge_is_looked_at_for_three_days_and_then_no_more(till: Paying, tmp_path: Path) -> None:
    buyer = till.people.member()
    charge_id = till.order(buyer, "momo")
    till.rounds(2)
    act(till, buyer, charge_id, "momo", pays=True, folder=tmp_path)
    till.rounds()
    for later in ("2 hours", "7 hours", "25 hours", "4 days"):
        till.after(later)
    assert till.people.value("SELECT due_at IS NULL FROM charge WHERE id = :id", id=charge_id)
