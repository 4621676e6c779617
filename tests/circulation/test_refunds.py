"""Refunds: what is given back in time comes back whole over the rail it came by, is owed until it has, and never twice."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from circulation import gifting, notices, refunds
from circulation.law_rules import RefundWindow
from circulation.members import Member
from circulation.money import Money
from circulation.refusals import Refusal
from payments.carrier_bill import CarrierBill
from payments.gateway import Dispute
from tests.endings import FACE, FEE, Endings, kes, rules_for, terms
from tests.people import People

WHOLE = kes(FACE + FEE)


@pytest.fixture
def shop(people: People) -> Endings:
    return Endings(people, rules_for(people))


@pytest.fixture
def amina(people: People) -> Member:
    return people.member()


def amounts(shop: Endings, buyer: Member) -> list[tuple[int, Money]]:
    return [(one.sheets, one.amount) for one in shop.returnable(buyer)]


def refused(shop: Endings, buyer: Member, purchase: str, expected: Money = WHOLE) -> str:
    with pytest.raises(Refusal) as no:
        shop.give_back(buyer, purchase, expected)
    return no.value.code


def test_what_went_on_the_phone_bill_comes_off_it_at_once(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "phone_bill", sheets=2)
    one, other = shop.sheets(purchase)
    (offer,) = shop.returnable(amina)
    assert (offer.issuer, offer.sheets, offer.amount, offer.rail) == ("Soko Bora", 2, kes(102_000), "phone_bill")
    refund = shop.give_back(amina, purchase, offer.amount)
    assert shop.people.postings(f"{refund}:owed") == [
        ("2100", str(one), FACE),
        ("2100", str(other), FACE),
        ("4010", "", 2 * FEE),
        ("2300", refund, -102_000),
    ]
    assert shop.people.postings(f"{refund}:paid") == [("2300", refund, 102_000), ("1120", "", -102_000)]
    assert (shop.state("refund", refund), shop.state("purchase", purchase)) == ("paid", "refunded")
    assert {shop.state("certificate", sheet) for sheet in (one, other)} == {"ended"}
    (told,) = shop.told(amina)
    assert (told.sentence, told.holes["amount"]) == (notices.REFUNDED, {"money": [102_000, "KES"]})
    assert shop.returnable(amina) == []
    assert shop.people.books_in_order()


def test_the_bill_takes_again_what_came_off_it(shop: Endings, amina: Member) -> None:
    bill = CarrierBill(WHOLE.amount_minor)
    purchase = shop.buy(amina, "phone_bill")
    with shop.people.database.begin() as db:
        assert bill.left(db, amina.id, "KES") == 0
    shop.give_back(amina, purchase, WHOLE)
    with shop.people.database.begin() as db:
        assert bill.left(db, amina.id, "KES") == WHOLE.amount_minor


@pytest.mark.parametrize(
    ("rail", "account"), [("bank", "1010"), ("mobile", "1130"), ("card", "1110"), ("carrier", "1120")]
)
def test_over_every_other_rail_it_is_owed_until_the_rail_has_paid(
    shop: Endings, amina: Member, rail: str, account: str
) -> None:
    purchase = shop.buy(amina, rail)
    refund = shop.give_back(amina, purchase, WHOLE)
    (claimed,) = shop.claimed()
    assert (claimed.refund.id, claimed.rail, claimed.refund.amount_minor) == (refund, rail, WHOLE.amount_minor)
    assert (claimed.refund.charge.id, claimed.refund.charge.msisdn) == (purchase, amina.msisdn.e164)
    assert shop.people.owed("2300", refund) == WHOLE.amount_minor
    assert shop.told(amina) == []
    shop.paid(refund)
    shop.paid(refund)
    assert shop.people.postings(f"{refund}:paid") == [("2300", refund, 51_000), (account, rail, -51_000)]
    assert [text.sentence for text in shop.told(amina)] == [notices.REFUNDED]
    assert shop.people.books_in_order()


def test_what_a_rail_cannot_pay_stays_owed_is_told_and_can_still_be_paid(shop: Endings, amina: Member) -> None:
    refund = shop.give_back(amina, shop.buy(amina, "card"), WHOLE)
    shop.failed(refund)
    shop.failed(refund)
    assert (shop.state("refund", refund), shop.people.owed("2300", refund)) == ("failed", WHOLE.amount_minor)
    assert [text.sentence for text in shop.told(amina)] == [notices.REFUND_OWED]
    assert shop.people.value("SELECT about FROM incident") == refund
    assert shop.people.books_in_order()
    shop.paid(refund)
    shop.failed(refund)
    assert (shop.state("refund", refund), shop.people.owed("2300", refund)) == ("paid", 0)
    assert shop.people.books_in_order()


def test_the_same_refund_asked_for_again_is_answered_and_given_once(shop: Endings, amina: Member) -> None:
    purchase, refund = shop.buy(amina, "mobile"), str(uuid4())
    with shop.people.database.begin() as db:
        asked: dict[str, Any] = {
            "refund_id": refund,
            "buyer": amina,
            "purchase_id": purchase,
            "expected": WHOLE,
            "receipt": True,
        }
        first = refunds.give_back(db, shop.rules, **asked)
        assert refunds.give_back(db, shop.rules, **asked) == first
    assert len(shop.claimed()) == 1
    assert refused(shop, amina, purchase) == "not_returnable"


def test_another_sum_than_was_shown_is_refused_and_nothing_is_done(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, sheets=2)
    for other in (kes(102_001), kes(51_000), Money(102_000, "UGX")):
        assert refused(shop, amina, purchase, other) == "not_returnable"
    assert amounts(shop, amina) == [(2, kes(102_000))]
    assert shop.people.value("SELECT count(*) FROM refund") == 0


def test_only_the_buyer_has_it_back(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina)
    assert refused(shop, shop.people.member("Baraka"), purchase) == "not_returnable"


def test_a_sheet_that_is_offered_comes_back_only_once_the_offer_has_ended(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "mobile", sheets=3)
    offered, *rest = shop.sheets(purchase)
    gift = shop.people.gift(amina, offered, shop.people.number())
    assert amounts(shop, amina) == [(2, kes(102_000))]
    shop.give_back(amina, purchase, kes(102_000))
    assert [shop.state("certificate", sheet) for sheet in (offered, *rest)] == ["live", "ended", "ended"]
    assert shop.state("purchase", purchase) == "issued"
    assert refused(shop, amina, purchase) == "not_returnable"
    shop.people.run("UPDATE gift SET lapses_at = clock() WHERE id = :id", id=gift)
    with shop.people.database.begin() as db:
        gifting.lapse(db, shop.rules, gift_id=gift)
    second = shop.give_back(amina, purchase, WHOLE)
    assert shop.people.postings(f"{second}:owed") == [
        ("2100", str(offered), FACE),
        ("4010", "", FEE),
        ("2300", second, -51_000),
    ]
    assert shop.state("purchase", purchase) == "refunded"
    assert sum(one.refund.amount_minor for one in shop.claimed()) == 3 * WHOLE.amount_minor
    assert shop.people.books_in_order()


def test_a_sheet_that_was_used_or_given_away_or_is_disputed_does_not_come_back(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card", sheets=4)
    used, given, _, _ = shop.sheets(purchase)
    shop.spend(amina, used, kes(1))
    assert amounts(shop, amina) == [(3, kes(153_000))]
    shop.give(amina, given, shop.people.member("Baraka"))
    assert amounts(shop, amina) == [(2, kes(102_000))]
    shop.dispute(purchase, Dispute("d", FACE - 1 + FACE, "KES", "open"))
    assert amounts(shop, amina) == [(1, WHOLE)]
    assert refused(shop, amina, purchase, kes(102_000)) == "not_returnable"


def test_a_sheet_that_came_back_to_its_buyer_as_a_gift_is_returnable_again(shop: Endings, amina: Member) -> None:
    purchase, baraka = shop.buy(amina), shop.people.member("Baraka")
    (sheet,) = shop.sheets(purchase)
    shop.give(amina, sheet, baraka)
    assert amounts(shop, amina) == []
    assert shop.returnable(baraka) == []
    shop.give(baraka, sheet, amina)
    assert amounts(shop, amina) == [(1, WHOLE)]


def test_a_live_code_is_void_once_its_sheet_was_given_back(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina)
    shop.people.code(amina, shop.sheets(purchase)[0])
    shop.give_back(amina, purchase, WHOLE)
    assert shop.people.value("SELECT state FROM redemption_code") == "voided"


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        (datetime(2027, 3, 15, 20, 59, tzinfo=UTC), True),  # 23:59 in Nairobi, on the 14th day after the purchase
        (datetime(2027, 3, 15, 21, 1, tzinfo=UTC), False),
    ],
)
def test_the_window_is_counted_in_days_of_the_zone(shop: Endings, amina: Member, moment: datetime, open_: bool) -> None:
    shop.at(datetime(2027, 2, 28, 21, 30, tzinfo=UTC))  # 00:30 on 1 March in Nairobi
    purchase = shop.buy(amina)
    shop.at(moment)
    assert bool(shop.returnable(amina)) is open_
    if open_:
        shop.give_back(amina, purchase, WHOLE)
    else:
        assert refused(shop, amina, purchase) == "not_returnable"


def test_the_fee_stays_with_us_where_the_law_leaves_it(shop: Endings, amina: Member) -> None:
    shop.rules = terms(shop.rules, refund_window=RefundWindow(days=14, fee_returned=False, source="test"))
    purchase = shop.buy(amina, sheets=2)
    one, other = shop.sheets(purchase)
    refund = shop.give_back(amina, purchase, kes(2 * FACE))
    assert shop.people.postings(f"{refund}:owed") == [
        ("2100", str(one), FACE),
        ("2100", str(other), FACE),
        ("2300", refund, -2 * FACE),
    ]


def test_a_window_of_more_than_a_year_is_a_window(shop: Endings, amina: Member) -> None:
    shop.rules = terms(shop.rules, refund_window=RefundWindow(days=400, fee_returned=True, source="test"))
    shop.buy(amina)
    shop.people.database.clock_offset = "399 days"
    assert amounts(shop, amina) == [(1, WHOLE)]


def test_an_older_purchase_than_those_listed_comes_back_too(shop: Endings, amina: Member) -> None:
    oldest = shop.buy(amina, "mobile")
    for _ in range(20):
        shop.buy(amina, "mobile")
    assert oldest not in [one.purchase_id for one in shop.returnable(amina)]
    shop.give_back(amina, oldest, WHOLE)


def test_money_over_a_rail_that_is_not_in_use_now_is_not_said_to_be_back(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "mobile")
    shop.rules = replace(shop.rules, rails={"phone_bill": None})
    refund = shop.give_back(amina, purchase, WHOLE)
    assert (shop.state("refund", refund), shop.people.owed("2300", refund)) == ("new", WHOLE.amount_minor)
    assert shop.told(amina) == []
    assert [one.refund.id for one in shop.claimed()] == [refund]


def test_what_no_single_buyer_paid_is_not_returnable(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina)
    shop.people.run("UPDATE charge SET purchase_id = NULL")
    assert shop.returnable(amina) == []
    assert refused(shop, amina, purchase) == "not_returnable"


def test_more_than_was_charged_never_goes_back(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina)
    for amount in (kes(WHOLE.amount_minor + 1), Money(WHOLE.amount_minor, "UGX")):
        with pytest.raises(Refusal) as no, shop.people.database.begin() as db:
            refunds.start(
                db, shop.rules, str(uuid4()), charge_id=purchase, payee_id=amina.id, amount=amount, why="buyer"
            )
        assert no.value.code == "not_returnable"
    assert shop.claimed() == []


def test_what_comes_off_the_phone_bill_at_once_has_a_receipt_only_where_one_is_asked_for(
    shop: Endings, amina: Member
) -> None:
    purchase = shop.buy(amina, "phone_bill")
    with shop.people.database.begin() as db:
        asked: dict[str, Any] = {"refund_id": str(uuid4()), "buyer": amina, "purchase_id": purchase}
        refunds.give_back(db, shop.rules, **asked, expected=WHOLE, receipt=False)
    assert shop.told(amina) == []
