"""The phone bill: one line for each charge id, and never more than the limit in thirty days."""

from uuid import uuid4

import pytest
from sqlalchemy import Connection

from payments.carrier_bill import CarrierBill
from storage.database import Database
from tests.people import BUSINESS, People

LIMIT = 10_000


@pytest.fixture
def bill() -> CarrierBill:
    return CarrierBill(LIMIT)


def charge(people: People, bill: CarrierBill, payer: int, amount_minor: int, charge_id: str | None = None) -> bool:
    with people.database.begin() as db:
        return bill.charge(db, charge_id or str(uuid4()), "7KQ4MXW2", payer, amount_minor, "KES")


def left(database: Database, bill: CarrierBill, payer: int, currency: str = "KES") -> int:
    with database.begin() as db:
        return bill.left(db, payer, currency)


def test_charges_use_up_the_bill_to_the_last_cent(people: People, bill: CarrierBill) -> None:
    payer = people.member().id
    assert left(people.database, bill, payer) == LIMIT
    assert charge(people, bill, payer, 9_999)
    assert left(people.database, bill, payer) == 1
    assert not charge(people, bill, payer, 2)
    assert charge(people, bill, payer, 1)
    assert left(people.database, bill, payer) == 0


def test_one_charge_id_is_one_line_however_often_it_is_asked(people: People, bill: CarrierBill) -> None:
    payer, charge_id = people.member().id, str(uuid4())
    assert charge(people, bill, payer, 9_000, charge_id)
    assert charge(people, bill, payer, 9_000, charge_id)
    assert people.value("SELECT count(*) FROM charge") == 1
    assert left(people.database, bill, payer) == 1_000


def test_a_refused_charge_writes_no_line(people: People, bill: CarrierBill) -> None:
    assert not charge(people, bill, people.member().id, LIMIT + 1)
    assert people.value("SELECT count(*) FROM charge") == 0


def test_bills_of_two_people_and_of_two_currencies_are_apart(people: People, bill: CarrierBill) -> None:
    one, other = people.member().id, people.member().id
    assert charge(people, bill, one, LIMIT)
    assert left(people.database, bill, other) == LIMIT
    assert left(people.database, bill, one, "UGX") == LIMIT


def test_after_thirty_days_the_bill_is_free_again(people: People, bill: CarrierBill) -> None:
    payer = people.member().id
    assert charge(people, bill, payer, LIMIT)
    later = Database(people.database.url, role=BUSINESS, connections=1)
    for offset, free in (("29 days 23 hours", 0), ("30 days 1 hour", LIMIT)):
        later.clock_offset = offset
        assert left(later, bill, payer) == free
    later.close()


def test_a_limit_that_was_lowered_leaves_nothing_rather_than_less(people: People) -> None:
    payer = people.member().id
    assert charge(people, CarrierBill(LIMIT), payer, LIMIT)
    assert left(people.database, CarrierBill(LIMIT // 2), payer) == 0


def test_a_line_is_part_of_the_purchases_own_transaction(people: People, bill: CarrierBill) -> None:
    payer = people.member().id

    def fails(db: Connection) -> None:
        assert bill.charge(db, str(uuid4()), "7KQ4MXW2", payer, LIMIT, "KES")
        raise RuntimeError("nothing was bought")

    with pytest.raises(RuntimeError, match="nothing was bought"), people.database.begin() as db:
        fails(db)
    assert left(people.database, bill, payer) == LIMIT
