"""Reconciliation: when both sides agree nothing is listed; whatever a provider or a bank tells otherwise is, with its age."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from bot.config import Settings
from bot.reconciling import MOST_UNANSWERED, Reconciled, Reconciling
from circulation.money import Money
from circulation.rules import Rules
from payments.bank_reference import creditor_reference
from payments.fakes.server import FakeRails
from tests.payers import given_back, paid, take_statement
from tests.paying import Paying, paying, settings_for

ASKED = ("mpesa", "momo", "card", "carrier_billing")


@pytest.fixture
def rails() -> Iterator[FakeRails]:
    with FakeRails() as rails:
        yield rails


@pytest.fixture
def till(plain_settings: Settings, rails: FakeRails) -> Iterator[Paying]:
    with paying(settings_for(plain_settings, rails), rails) as till:
        yield till


def reconciled(till: Paying, rules: Rules | None = None, *, later: str = "2 hours") -> Reconciled:
    till.database.clock_offset = later
    today = datetime.now(UTC).date()
    return Reconciling(till.database, rules or till.rules)(today - timedelta(days=1), today + timedelta(days=2))


def listed(till: Paying, *, later: str = "2 hours") -> list[tuple[str, str, str, int]]:
    """(where, what, reference, minor units) of the unmatched lines."""
    found = reconciled(till, later=later)
    assert found.silent == []
    assert all(one.age_days >= 0 for one in found.unmatched)
    return [
        (one.where, one.what, one.reference, one.amount.amount_minor if one.amount else 0) for one in found.unmatched
    ]


def refund_reference(till: Paying, refund_id: str) -> str:
    return str(till.people.value("SELECT reference FROM refund WHERE id = :id", id=refund_id))


# Agreement --------------------------------------------------------------------------------------------------------------


def test_when_all_agree_nothing_is_listed(till: Paying) -> None:
    for rail in (*ASKED, "bank"):
        paid(till, till.people.member(), rail)
        paid(till, back := till.people.member(), rail)
        if rail != "bank":
            given_back(till, back)
    till.order(till.people.member(), "momo")
    till.rails.mpesa.calls.waiting.clear()
    till.rounds(2)
    found = reconciled(till, later="0")
    assert found.unmatched == []
    assert found.silent == []
    assert {rail: counts[0] for rail, counts in found.compared.items()} == {
        "mpesa": 2,
        "momo": 3,
        "card": 2,
        "carrier_billing": 2,
    }


def test_what_is_younger_than_an_hour_is_under_way(till: Paying) -> None:
    buyer = till.people.member()
    reference = till.reference(till.order(buyer, "momo"))
    till.rounds(2)
    till.rails.momo.answer(till.rails.momo.prompts(buyer.msisdn.e164)[0].id, "pay")
    assert listed(till, later="59 minutes") == []
    assert ("momo", "paid there, not here", reference, 51_000) in listed(till, later="61 minutes")


# Payments ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rail", ASKED)
def test_what_was_paid_there_and_is_not_known_here_is_listed_by_our_reference(rail: str, till: Paying) -> None:
    buyer = till.asked_for_a_code(False)
    charge_id = till.order(buyer, rail)
    if rail == "carrier_billing":
        till.rails.carrier.slow_network = True  # confirmed, and not done when we last looked
    till.rounds(2)
    match rail:
        case "mpesa":
            till.rails.mpesa.answer(till.rails.mpesa.prompts(buyer.msisdn.e164)[0].id, "pay")
        case "momo":
            till.rails.momo.answer(till.rails.momo.prompts(buyer.msisdn.e164)[0].id, "pay")
        case "card":
            till.rails.card.answer(till.handle(charge_id), "pay")
        case _:
            till.rails.carrier.turn(till.handle(charge_id), "succeeded")
    assert (rail, "paid there, not here", till.reference(charge_id), 51_000) in listed(till)


def test_a_payment_that_failed_there_after_it_was_paid_is_listed(till: Paying) -> None:
    charges = {rail: paid(till, till.people.member(), rail) for rail in ASKED}
    till.rails.mpesa.settle(till.handle(charges["mpesa"]), "1032")
    till.rails.momo.settle(charges["momo"], "FAILED", "EXPIRED")
    till.rails.card.take_back(till.handle(charges["card"]))
    till.rails.carrier.forget(till.handle(charges["carrier_billing"]).split()[0])
    assert listed(till) == [
        (rail, "paid here, not there", till.reference(charges[rail]), 51_000)
        for rail in till.rules.rails
        if rail in ASKED
    ]


def test_a_payment_that_the_worker_saw_fail_is_a_chargeback_and_both_sides_agree(till: Paying) -> None:
    charge_id = paid(till, till.people.member(), "momo")
    till.rails.momo.settle(charge_id, "FAILED", "EXPIRED")
    till.rounds()
    assert till.people.value("SELECT state FROM dispute") == "lost"
    assert listed(till) == []


def test_another_sum_there_is_listed_with_what_they_say(till: Paying) -> None:
    charges = {rail: paid(till, till.people.member(), rail) for rail in ("momo", "card", "carrier_billing")}
    till.rails.momo.misreport(charges["momo"], amount="509")
    till.rails.card.misreport(till.handle(charges["card"]), amount=50_900)
    till.rails.carrier.misreport(till.handle(charges["carrier_billing"]).split()[0], amount=Decimal(509))
    assert sorted(listed(till)) == [
        (rail, "another sum there", till.reference(charges[rail]), 50_900) for rail in sorted(charges)
    ]


def test_what_nobody_was_asked_for_is_listed_by_their_name_where_the_provider_can_list(till: Paying) -> None:
    session = till.rails.card.pay_unasked(7_700, "KES")
    payment = till.rails.carrier.bill_unasked("+254712345678", Decimal(88), "KES")
    assert listed(till) == [
        ("card", "paid there, unknown here", till.rails.card.sessions[session].intent, 7_700),
        ("carrier_billing", "paid there, unknown here", payment, 8_800),
    ]


def test_a_second_payment_for_the_same_charge_is_listed_too(till: Paying) -> None:
    charge_id = paid(till, till.people.member(), "card")
    till.people.run("UPDATE payment SET receipt = 'pi_of_another' WHERE charge_id = :id", id=charge_id)
    assert [what for _, what, _, _ in listed(till)] == ["paid there, not here", "paid here, not there"]


# Refunds ----------------------------------------------------------------------------------------------------------------


def test_a_refund_that_did_not_go_back_there_is_listed(till: Paying) -> None:
    backs = {}
    for rail in ("momo", "card", "carrier_billing"):
        paid(till, buyer := till.people.member(), rail)
        backs[rail] = given_back(till, buyer)
    till.rails.momo.settle(backs["momo"], "FAILED", "EXPIRED")
    for name in till.rails.card.refunds:
        till.rails.card.turn_refund(name, "failed")
    for payment in till.rails.carrier.payments.values():
        for refund in payment.refunds:
            till.rails.carrier.settle_refund(refund.id, "denied")
    found = [line for line in listed(till) if line[1] == "refunded here, not there"]
    assert sorted(found) == [
        (rail, "refunded here, not there", refund_reference(till, backs[rail]), 51_000) for rail in sorted(backs)
    ]


def test_a_refund_that_went_back_there_and_waits_here_is_listed(till: Paying) -> None:
    paid(till, buyer := till.people.member(), "momo")
    till.rails.momo.plan_transfers(("PENDING", ""))
    refund_id = given_back(till, buyer)
    till.rails.momo.settle(refund_id, "SUCCESSFUL")
    reference = refund_reference(till, refund_id)
    assert listed(till) == [
        ("momo", "refunded there, not here", reference, 51_000),
        ("momo", "refund not paid yet", reference, 51_000),
    ]


def test_a_refund_of_another_sum_there_is_listed(till: Paying) -> None:
    paid(till, buyer := till.people.member(), "momo")
    refund_id = given_back(till, buyer)
    till.rounds()
    till.rails.momo.misreport(refund_id, amount="1")
    assert listed(till) == [("momo", "refunded with another sum there", refund_reference(till, refund_id), 100)]


# Chargebacks ------------------------------------------------------------------------------------------------------------


def test_a_chargeback_we_were_not_told_of_is_listed_until_it_is_seen(till: Paying) -> None:
    charge_id = paid(till, till.people.member(), "card")
    name = till.rails.card.dispute(till.handle(charge_id))
    assert listed(till) == [("card", "chargeback there, not here", name, 51_000)]
    seen(till, charge_id)
    assert listed(till) == [("card", "chargeback not decided yet", name, 51_000)]


def test_a_chargeback_that_was_decided_there_is_listed_until_it_is_here(till: Paying) -> None:
    charge_id = paid(till, till.people.member(), "card")
    name = till.rails.card.dispute(till.handle(charge_id))
    seen(till, charge_id)
    till.rails.card.close_dispute(name, "won")
    assert ("card", "chargeback open here, won there", name, 51_000) in listed(till)
    seen(till, charge_id)
    assert listed(till) == []


def test_a_chargeback_that_nobody_there_knows_is_listed(till: Paying) -> None:
    charge_id = paid(till, till.people.member(), "card")
    name = till.rails.card.dispute(till.handle(charge_id))
    seen(till, charge_id)
    till.rails.card.disputes.clear()
    assert ("card", "chargeback here, not there", name, 51_000) in listed(till)


def seen(till: Paying, charge_id: str) -> None:
    till.people.run("UPDATE charge SET disputed = true WHERE id = :id", id=charge_id)
    till.rounds()


# Silence ----------------------------------------------------------------------------------------------------------------


def test_one_charge_without_an_answer_is_listed_and_the_others_are_compared(till: Paying) -> None:
    first, second = (paid(till, till.people.member(), "momo") for _ in range(2))
    till.rails.momo.settle(second, "FAILED", "EXPIRED")
    till.rails.faults["momo"].plan("find", "broken")
    assert listed(till) == [
        ("momo", "the provider gave no answer", till.reference(first), 51_000),
        ("momo", "paid here, not there", till.reference(second), 51_000),
    ]


def test_a_provider_that_answers_nothing_is_not_asked_for_ever(till: Paying) -> None:
    for _ in range(MOST_UNANSWERED + 1):
        paid(till, till.people.member(), "momo")
    for _ in range(MOST_UNANSWERED):
        till.rails.faults["momo"].plan("find", "broken")
    found = reconciled(till)
    assert found.silent == ["momo"]
    assert "momo" not in found.compared
    assert [one.what for one in found.unmatched] == ["the provider gave no answer"] * (MOST_UNANSWERED - 1)


def test_a_provider_whose_list_cannot_be_had_is_named(till: Paying) -> None:
    paid(till, till.people.member(), "card")
    till.rails.faults["card"].plan("listing", "broken")
    till.rails.faults["card"].plan("list", "broken")
    assert reconciled(till).silent == ["card"]


def test_a_rail_that_was_used_and_is_no_longer_on_offer_is_named(till: Paying) -> None:
    paid(till, till.people.member(), "momo")
    without = {rail: gateway for rail, gateway in till.rules.rails.items() if rail != "momo"}
    assert reconciled(till, replace(till.rules, rails=without)).silent == ["momo"]


# What is open here, and the bank ----------------------------------------------------------------------------------------


def test_a_charge_whose_time_has_long_passed_is_listed_with_its_age(till: Paying) -> None:
    reference = till.reference(till.order(till.people.member(), "bank"))
    assert listed(till, later="7 days 30 minutes") == []
    (line,) = reconciled(till, later="8 days").unmatched
    assert (line.what, line.reference, round(line.age_days, 1)) == ("charge without an answer", reference, 8.0)


def test_statement_lines_that_match_nothing_are_listed(till: Paying) -> None:
    till.rails.bank.transfer("+254712345678", "thank you", 10_000, "KES")
    till.rails.bank.pay_out("+254712345678", "rent", 4_000, "KES")
    take_statement(till, till.rails.bank.statement())
    came, left = (
        row.bank_reference for row in till.people.rows("SELECT bank_reference FROM bank_line ORDER BY number")
    )
    assert listed(till) == [
        ("bank", "receipt that fits no order", came, 10_000),
        ("bank", "statement line that matches nothing of ours", left, -4_000),
    ]


def test_a_bank_refund_waits_until_a_statement_shows_it(till: Paying) -> None:
    paid(till, buyer := till.people.member(), "bank")
    reference = refund_reference(till, given_back(till, buyer))
    assert listed(till) == [("bank", "refund not paid yet", reference, 51_000)]
    till.database.clock_offset = ""
    till.rails.bank.pay_out(buyer.msisdn.e164, creditor_reference(reference), 51_000, "KES")
    take_statement(till, till.rails.bank.statement())
    assert listed(till) == []


def test_money_of_a_bank_that_no_statement_shows_is_listed(till: Paying) -> None:
    paid(till, buyer := till.people.member(), "bank")
    reference = refund_reference(till, given_back(till, buyer))
    till.rails.bank.pay_out(buyer.msisdn.e164, creditor_reference(reference), 51_000, "KES")
    take_statement(till, till.rails.bank.statement())
    till.people.run("DELETE FROM bank_line")
    receipt = till.people.value("SELECT receipt FROM payment")
    assert listed(till) == [
        ("bank", "paid here, on no statement", receipt, 51_000),
        ("bank", "refunded here, on no statement", reference, 51_000),
    ]


def statements(till: Paying, *amounts: int) -> list[bytes]:
    """One statement for each sum that came in."""
    found = []
    for amount_minor in amounts:
        till.rails.bank.transfer("+254712345678", "no reference", amount_minor, "KES")
        found.append(till.rails.bank.statement())
    return found


def gaps(till: Paying) -> list[int]:
    return [minor for _, what, _, minor in listed(till) if what == "missing before this statement"]


def test_statements_that_connect_have_no_gap_in_whatever_order_they_came(till: Paying) -> None:
    first, second, third = statements(till, 1_000, 2_000, 4_000)
    for data in (second, third, first):
        take_statement(till, data)
    assert gaps(till) == []


def test_a_statement_that_is_missing_is_a_gap_of_its_sum(till: Paying) -> None:
    first, missing, third = statements(till, 1_000, 2_000, 4_000)
    take_statement(till, first)
    take_statement(till, third)
    assert gaps(till) == [2_000]
    till.database.clock_offset = ""
    take_statement(till, missing)
    assert gaps(till) == []


def test_statements_that_overlap_are_no_gap(till: Paying) -> None:
    for data in statements(till, 1_000, 2_000):
        take_statement(till, data)
    till.rails.bank.transfer("+254712345678", "no reference", 4_000, "KES")
    take_statement(till, till.rails.bank.statement(overlap=2))
    assert gaps(till) == []


def test_the_sum_of_a_gap_is_in_the_money_of_the_account(till: Paying) -> None:
    first, _, third = statements(till, 1_000, 2_000, 4_000)
    take_statement(till, first)
    take_statement(till, third)
    (line,) = [one for one in reconciled(till).unmatched if one.what.startswith("missing")]
    assert line.amount == Money(2_000, "KES")
