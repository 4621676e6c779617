"""Sales: the bill, the sheets and the postings come together or not at all, and once for each purchase id."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from circulation import sales, wallet
from circulation.codes import damm
from circulation.members import Member
from circulation.money import Money
from circulation.notices import BOUGHT
from circulation.refusals import Refusal
from circulation.sales import Purchase
from tests.people import People


def buy(
    people: People,
    buyer: Member,
    *,
    purchase_id: str | None = None,
    sheets: int = 1,
    expected: Money | None = None,
    receipt: bool = False,
    amount_minor: int = 50_000,
) -> Purchase:
    price = people.denomination(amount_minor=amount_minor)
    with people.database.begin() as db:
        return sales.buy(
            db,
            people.rules,
            purchase_id=purchase_id or str(uuid4()),
            buyer=buyer,
            denomination_id=price.id,
            sheets=sheets,
            expected=expected or sales.cost(price, sheets),
            receipt=receipt,
        )


def held(people: People, member: Member) -> list[wallet.Held]:
    with people.database.begin() as db:
        return wallet.held(db, member.id)


def test_what_is_bought_is_held_with_its_full_worth(people: People) -> None:
    buyer = people.member()
    bought = buy(people, buyer, sheets=3)
    assert bought.total == Money(153_000, "KES")
    assert [certificate.serial for certificate in held(people, buyer)] == bought.serials
    assert [certificate.balance for certificate in held(people, buyer)] == [Money(50_000, "KES")] * 3
    assert all(serial.startswith("GL") and damm(serial[2:]) == 0 for serial in bought.serials)
    assert people.books_in_order()


def test_the_postings_of_a_purchase_are_the_bill_and_the_issue(people: People) -> None:
    buyer, purchase_id = people.member(), str(uuid4())
    buy(people, buyer, purchase_id=purchase_id, sheets=2)
    one, other = (str(certificate.id) for certificate in held(people, buyer))
    assert people.postings(f"{purchase_id}:billed") == [("1120", "", 102_000), ("2050", "", -102_000)]
    assert people.postings(f"{purchase_id}:issued") == [
        ("2050", "", 102_000),
        ("2100", one, -50_000),
        ("2100", other, -50_000),
        ("4010", "", -2_000),
    ]


def test_the_same_purchase_asked_for_again_is_answered_and_not_charged(people: People) -> None:
    buyer, purchase_id = people.member(), str(uuid4())
    first = buy(people, buyer, purchase_id=purchase_id, sheets=2, receipt=True)
    assert buy(people, buyer, purchase_id=purchase_id, sheets=2, receipt=True) == first
    assert len(held(people, buyer)) == 2
    assert people.value("SELECT sum(amount_minor)::int FROM charge") == 102_000
    assert len(people.texts(buyer.msisdn)) == 1
    assert people.books_in_order()


def test_the_same_purchase_is_answered_though_the_price_has_changed_since(people: People) -> None:
    buyer, purchase_id = people.member(), str(uuid4())
    first = buy(people, buyer, purchase_id=purchase_id, expected=Money(51_000, "KES"))
    with people.database.begin() as db:
        db.execute(text("UPDATE denomination SET fee_minor = fee_minor + 500"))
    assert buy(people, buyer, purchase_id=purchase_id, expected=Money(51_000, "KES")) == first
    assert people.books_in_order()


def test_a_receipt_is_sent_only_when_asked_for_and_says_what_it_cost(people: People) -> None:
    silent, told = people.member(), people.member("Baraka", language="sw")
    buy(people, silent)
    bought = buy(people, told, sheets=2, receipt=True)
    assert people.texts(silent.msisdn) == []
    (receipt,) = people.texts(told.msisdn)
    assert (receipt.sentence, receipt.language, receipt.provider, receipt.secret) == (BOUGHT, "sw", "twilio", False)
    assert receipt.holes == {
        "reference": bought.reference,
        "sheets": 2,
        "issuer": "Giftline",
        "worth": {"money": [50_000, "KES"]},
        "total": {"money": [102_000, "KES"]},
        "service_code": people.rules.service_code,
    }


@pytest.mark.parametrize("expected", [Money(50_999, "KES"), Money(51_001, "KES"), Money(51_000, "UGX")])
def test_a_total_that_was_not_shown_is_never_charged(people: People, expected: Money) -> None:
    buyer = people.member()
    with pytest.raises(Refusal) as refused:
        buy(people, buyer, expected=expected)
    assert refused.value.code == "price_changed"
    assert held(people, buyer) == []
    assert people.value("SELECT count(*) FROM charge") == 0


def test_a_price_that_is_no_longer_sold_is_refused(people: People) -> None:
    with pytest.raises(Refusal) as refused, people.database.begin() as db:
        sales.buy(
            db,
            people.rules,
            purchase_id=str(uuid4()),
            buyer=people.member(),
            denomination_id=10**6,
            sheets=1,
            expected=Money(51_000, "KES"),
            receipt=False,
        )
    assert refused.value.code == "price_changed"


def test_a_bill_that_cannot_take_it_refuses_and_says_what_it_could_take(people: People) -> None:
    buyer = people.member()
    buy(people, buyer, sheets=9, amount_minor=200_000)
    left = Money(2_000_000 - 9 * 202_000, "KES")
    with pytest.raises(Refusal) as refused:
        buy(people, buyer, amount_minor=200_000)
    assert refused.value.code == "bill_limit"
    assert refused.value.holes == {"amount": Money(202_000, "KES"), "left": left}
    assert len(held(people, buyer)) == 9
    assert buy(people, buyer, amount_minor=100_000).total == Money(101_500, "KES")
    assert people.books_in_order()


def test_the_bill_is_asked_before_anything_is_promised(people: People) -> None:
    buyer = people.member()
    with people.database.begin() as db:
        sales.ways(db, people.rules, buyer, Money(2_000_000, "KES"))
        with pytest.raises(Refusal) as refused:
            sales.ways(db, people.rules, buyer, Money(2_000_001, "KES"))
    assert refused.value.holes["left"] == Money(2_000_000, "KES")


def test_a_purchase_that_fails_at_its_end_leaves_nothing(people: People) -> None:
    buyer, price = people.member(), people.denomination()

    def buy_and_fail() -> None:
        with people.database.begin() as db:
            order: dict[str, Any] = {
                "denomination_id": price.id,
                "sheets": 1,
                "expected": sales.cost(price, 1),
                "receipt": True,
            }
            sales.buy(db, people.rules, purchase_id=str(uuid4()), buyer=buyer, **order)
            raise RuntimeError("the line broke")

    with pytest.raises(RuntimeError, match="the line broke"):
        buy_and_fail()
    for table in ("purchase", "charge", "certificate", "journal_entry", "posting", "outbox"):
        assert people.value(f"SELECT count(*) FROM {table}") == 0, table
