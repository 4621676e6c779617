"""Payouts: a store is paid all it is owed, once; a statement closes it, and what comes otherwise leaves nobody short."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import NoResultFound

from bot.config import Settings
from bot.reconciling import Reconciling
from circulation import bank, payouts, records, statements
from circulation.payouts import Owed, Payout
from circulation.refusals import Refusal
from payments import bank_statement
from payments.bank_reference import creditor_reference
from payments.fakes.server import FakeRails
from storage.database import Database
from storage.ledger import BalanceTooLow
from storage.roles import Role
from tests.payers import take_statement
from tests.paying import Paying, paying, settings_for
from tests.people import People
from tests.tills import Till, kes


class Shop:
    """A store that keeps 97 % of what it takes, and what is done about its payouts, as the console."""

    def __init__(self, people: People) -> None:
        self.people, self.till = people, Till.at(people)
        self.id = self.till.clerk.store_id
        self.console: Database = people.database.as_role(Role.CONSOLE, connections=2)

    def earn(self, minor: int) -> str:
        """Somebody pays with a new certificate; the use's reference."""
        holder = self.people.member()
        return self.till.use(self.people.code(holder, self.people.certificate(holder)), minor).reference

    def owed(self) -> int:
        """What the postings say that it is owed."""
        return self.people.owed("2200", self.id)

    def start(self, payout_id: str | None = None) -> Payout:
        with self.console.begin() as db:
            return payouts.start(db, payout_id=payout_id or str(uuid4()), store_id=self.id, currency="KES")

    def paid(self, payout: Payout) -> None:
        with self.console.begin() as db:
            payouts.paid(db, payout_id=payout.id)

    def failed(self, payout: Payout) -> bool:
        with self.console.begin() as db:
            return payouts.failed(db, payout_id=payout.id)

    def state(self, payout: Payout) -> str:
        return str(self.people.value("SELECT state FROM store_payout WHERE id = :id", id=payout.id))

    def refused(self) -> bool:
        with pytest.raises(Refusal) as refusal:
            self.start()
        return refusal.value.code == "nothing_owed"


@pytest.fixture
def shop(people: People) -> Iterator[Shop]:
    shop = Shop(people)
    yield shop
    shop.console.close()


def incidents(people: People) -> list[tuple[str, str]]:
    return [(row.kind, row.about) for row in people.rows("SELECT kind, about FROM incident ORDER BY id")]


# Starting and ending ----------------------------------------------------------------------------------------------------


def test_all_that_a_store_is_owed_is_on_its_way_and_then_paid(people: People, shop: Shop) -> None:
    shop.earn(10_000)
    shop.earn(20_000)
    with people.database.begin() as db:
        assert payouts.owed(db) == [Owed(shop.id, shop.till.clerk.store, kes(29_100))]
    payout = shop.start()
    assert (payout.store_id, payout.store, payout.amount, payout.state) == (
        shop.id,
        shop.till.clerk.store,
        kes(29_100),
        "started",
    )
    assert people.postings(f"{payout.id}:started") == [("2200", str(shop.id), 29_100), ("2210", payout.id, -29_100)]
    with people.database.begin() as db:
        assert payouts.owed(db) == []
        assert [one.id for one in payouts.in_transit(db)] == [payout.id]
    assert people.books_in_order()
    shop.paid(payout)
    assert people.postings(f"{payout.id}:paid") == [("2210", payout.id, 29_100), ("1010", "bank", -29_100)]
    with people.database.begin() as db:
        assert payouts.in_transit(db) == []
    assert people.books_in_order()


def test_a_payout_that_failed_is_owed_again_and_started_anew(people: People, shop: Shop) -> None:
    shop.earn(10_000)
    payout = shop.start()
    assert shop.failed(payout)
    assert people.postings(f"{payout.id}:failed") == [("2210", payout.id, 9_700), ("2200", str(shop.id), -9_700)]
    assert people.books_in_order()
    again = shop.start()
    assert (again.amount, again.reference != payout.reference) == (kes(9_700), True)
    assert people.books_in_order()


def test_what_is_done_twice_is_done_once(people: People, shop: Shop) -> None:
    shop.earn(10_000)
    payout = shop.start()
    shop.earn(10_000)
    assert shop.start(payout.id).amount == kes(9_700)
    assert shop.owed() == 9_700
    shop.paid(payout)
    shop.paid(payout)
    assert not shop.failed(payout)
    assert shop.state(payout) == "paid"
    other = shop.start()
    assert shop.failed(other)
    assert shop.failed(other)
    assert (shop.owed(), people.owed("2210", payout.id), people.owed("2210", other.id)) == (9_700, 0, 0)
    assert incidents(people) == []
    assert people.books_in_order()


def test_a_store_that_is_owed_nothing_is_refused(people: People, shop: Shop) -> None:
    assert shop.refused()
    shop.earn(10_000)
    shop.start()
    assert shop.refused()
    assert people.value("SELECT count(*) FROM store_payout") == 1


def test_each_store_is_paid_its_own(people: People, shop: Shop) -> None:
    shop.earn(10_000)
    other = Till.at(people)
    holder = people.member()
    other.use(people.code(holder, people.certificate(holder)), 20_000)
    assert shop.start().amount == kes(9_700)
    assert people.owed("2200", other.clerk.store_id) == 19_400


def test_what_a_store_gives_back_after_it_was_paid_makes_its_next_payout_smaller(people: People, shop: Shop) -> None:
    reference = shop.earn(20_000)
    shop.paid(shop.start())
    shop.till.refund(reference, 10_000)
    assert shop.owed() == -9_700
    with people.database.begin() as db:
        assert payouts.owed(db) == [Owed(shop.id, shop.till.clerk.store, kes(-9_700))]
    assert shop.refused()
    assert people.books_in_order()
    shop.earn(5_000)
    assert shop.refused()
    shop.earn(15_000)
    assert shop.start().amount == kes(9_700)
    assert people.books_in_order()


def test_a_payout_that_was_paid_after_it_had_failed_counts_and_the_operator_is_told(people: People, shop: Shop) -> None:
    shop.earn(10_000)
    payout = shop.start()
    shop.failed(payout)
    shop.paid(shop.start())
    shop.paid(payout)
    shop.paid(payout)
    assert people.postings(f"{payout.id}:paid") == [("2200", str(shop.id), 9_700), ("1010", "bank", -9_700)]
    assert (shop.state(payout), shop.owed()) == ("paid", -9_700)
    assert incidents(people) == [("payout paid that had failed", payout.reference)]
    assert shop.refused()
    assert people.books_in_order()


def test_an_unknown_payout_does_not_fail(shop: Shop) -> None:
    with pytest.raises(NoResultFound), shop.console.begin() as db:
        payouts.failed(db, payout_id=str(uuid4()))


def test_the_database_itself_lets_no_payout_end_twice(people: People, shop: Shop) -> None:
    shop.earn(10_000)
    payout = shop.start()
    shop.failed(payout)
    people.run("UPDATE store_payout SET state = 'started', ended_at = NULL")
    with pytest.raises(BalanceTooLow):
        shop.paid(payout)


# Races ------------------------------------------------------------------------------------------------------------------


def at_once(people: People, *racers: Callable[[Connection], object]) -> list[object]:
    """What each racer came to: its result, or the code of its refusal."""
    gate = threading.Barrier(len(racers))

    def run(racer: Callable[[Connection], object]) -> object:
        try:
            with people.database.begin() as db:
                db.execute(text("SELECT 1"))
                gate.wait(timeout=30)
                return racer(db)
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(len(racers)) as pool:
        return list(pool.map(run, racers))


def starting(shop: Shop, payout_id: str) -> Callable[[Connection], object]:
    return lambda db: payouts.start(db, payout_id=payout_id, store_id=shop.id, currency="KES").id


def test_of_two_starts_at_once_one_pays_the_store(people: People, shop: Shop) -> None:
    for _ in range(20):
        shop.earn(10_000)
        first, second = str(uuid4()), str(uuid4())
        results = at_once(people, starting(shop, first), starting(shop, second))
        assert sorted(map(str, results)) in (sorted([first, "nothing_owed"]), sorted([second, "nothing_owed"]))
        assert shop.owed() == 0
    assert people.value("SELECT count(*) FROM store_payout") == 20
    assert people.books_in_order()


def test_the_same_start_twice_at_once_is_one_payout(people: People, shop: Shop) -> None:
    for _ in range(20):
        shop.earn(10_000)
        payout_id = str(uuid4())
        assert at_once(people, starting(shop, payout_id), starting(shop, payout_id)) == [payout_id, payout_id]
    assert people.value("SELECT count(*) FROM store_payout") == 20
    assert people.books_in_order()


def test_paid_and_failed_at_once_leave_it_paid_and_the_store_with_neither_more_nor_less(
    people: People, shop: Shop
) -> None:
    for _ in range(20):
        shop.earn(10_000)
        payout = shop.start()
        known = len(incidents(people))
        _, failed = at_once(
            people,
            lambda db, id_=payout.id: payouts.paid(db, payout_id=id_),  # type: ignore[misc]
            lambda db, id_=payout.id: payouts.failed(db, payout_id=id_),  # type: ignore[misc]
        )
        assert (shop.state(payout), shop.owed(), people.owed("2210", payout.id)) == ("paid", 0, 0)
        assert failed is (len(incidents(people)) > known)
    assert people.owed("1010", "bank") == 20 * 9_700
    assert people.books_in_order()


# Statements, reconciliation, records ------------------------------------------------------------------------------------


@pytest.fixture
def till(plain_settings: Settings) -> Iterator[Paying]:
    with FakeRails() as rails, paying(settings_for(plain_settings, rails), rails) as till:
        yield till


@pytest.fixture
def sent(till: Paying) -> Iterator[tuple[Shop, Payout]]:
    """A payout of KES 97 that is on its way."""
    shop = Shop(till.people)
    shop.earn(10_000)
    yield shop, shop.start()
    shop.console.close()


def leave(till: Paying, payout: Payout, minor: int = 9_700) -> str:
    """The operator pays so much with its reference, and a statement shows it; the bank's reference."""
    name = till.rails.bank.pay_out("+254712999002", creditor_reference(payout.reference), minor, "KES")
    take_statement(till, till.rails.bank.statement())
    return name


def newest_line(till: Paying) -> str:
    """The bank's reference of it, as it is listed."""
    return str(till.people.value("SELECT bank_reference FROM bank_line ORDER BY id DESC LIMIT 1"))


def listed(till: Paying, *, later: str = "2 hours") -> list[tuple[str, str, int]]:
    """(what, reference, minor units) of the unmatched lines."""
    till.database.clock_offset, today = later, datetime.now(UTC).date()
    found = Reconciling(till.database, till.rules)(today - timedelta(days=1), today + timedelta(days=2)).unmatched
    till.database.clock_offset = ""
    return [(one.what, one.reference, one.amount.amount_minor) for one in found if one.amount]


def test_a_statement_with_its_reference_and_sum_closes_a_payout(till: Paying, sent: tuple[Shop, Payout]) -> None:
    shop, payout = sent
    assert listed(till, later="59 minutes") == []
    assert listed(till) == [("payout not paid yet", payout.reference, 9_700)]
    leave(till, payout)
    assert shop.state(payout) == "paid"
    assert till.people.value("SELECT payout_id::text FROM bank_line") == payout.id
    assert till.people.postings(f"{payout.id}:paid") == [("2210", payout.id, 9_700), ("1010", "bank", -9_700)]
    assert listed(till) == []
    assert till.people.books_in_order()
    till.people.run("DELETE FROM bank_line")
    assert listed(till) == [("payout paid here, on no statement", payout.reference, 9_700)]


def test_another_sum_closes_nothing(till: Paying, sent: tuple[Shop, Payout]) -> None:
    shop, payout = sent
    leave(till, payout, 9_600)
    assert shop.state(payout) == "started"
    assert sorted(listed(till)) == [
        ("payout not paid yet", payout.reference, 9_700),
        ("statement line that matches nothing of ours", newest_line(till), -9_600),
    ]


def test_a_payout_that_left_twice_is_paid_once_and_the_second_debit_is_listed(
    till: Paying, sent: tuple[Shop, Payout]
) -> None:
    _, payout = sent
    leave(till, payout)
    leave(till, payout)
    assert listed(till) == [("statement line that matches nothing of ours", newest_line(till), -9_700)]
    assert till.people.books_in_order()


@pytest.mark.parametrize("role", [Role.WORKER, Role.CONSOLE])
def test_the_worker_and_the_console_may_import_what_closes_payouts(
    till: Paying, sent: tuple[Shop, Payout], role: Role
) -> None:
    shop, payout = sent
    shop.failed(payout)
    till.rails.bank.take_back(
        till.rails.bank.pay_out("+254712999002", creditor_reference(payout.reference), 9_700, "KES")
    )
    database = till.database.as_role(role)
    with database.begin() as db:
        bank.import_statement(db, till.rules, bank_statement.read("day.xml", till.rails.bank.statement()))
    database.close()
    assert shop.state(payout) == "paid"
    assert [kind for kind, _ in incidents(till.people)] == [
        "payout paid that had failed",
        "payment for an unknown charge",
        "payout came back",
    ]


def test_money_that_comes_back_is_put_aside_and_the_operator_is_told(till: Paying, sent: tuple[Shop, Payout]) -> None:
    shop, payout = sent
    till.rails.bank.take_back(leave(till, payout))
    take_statement(till, till.rails.bank.statement())
    came = till.people.value("SELECT receipt FROM payment")
    assert incidents(till.people) == [
        ("payment for an unknown charge", f"bank {came}"),
        ("payout came back", payout.reference),
    ]
    assert (shop.state(payout), shop.owed()) == ("paid", 0)
    assert till.people.owed("2060", till.people.value("SELECT id::text FROM payment")) == 9_700
    assert listed(till) == [("receipt that fits no order", came, 9_700)]
    assert till.people.books_in_order()


def test_the_stores_and_the_banks_record_agree_with_the_ledger_on_payouts(
    till: Paying, sent: tuple[Shop, Payout]
) -> None:
    shop, payout = sent
    leave(till, payout)
    shop.earn(20_000)
    failed = shop.start()
    shop.failed(failed)
    shop.earn(10_000)
    shop.failed(late := shop.start())
    leave(till, late, 29_100)
    shop.earn(1_000)
    shop.start()
    store = f"store:{shop.till.clerk.store}"
    with till.database.begin() as db:
        for party in (store, "bank"):
            own, ledger = records.own(db, party), records.ledger(db, party)
            assert own
            assert records.compare(own, ledger) == [], party
        sums = [(one.kind, one.amount.amount_minor) for one in records.own(db, store) if "payout" in one.kind]
    assert sums == [
        ("payout", -9_700),
        ("payout", -19_400),
        ("payout failed", 19_400),
        ("payout", -29_100),
        ("payout", -970),
    ]
    till.people.run("UPDATE store_payout SET state = 'started', ended_at = NULL WHERE id = :id", id=failed.id)
    with till.database.begin() as db:
        assert records.compare(records.own(db, store), records.ledger(db, store)) != []


def test_a_statement_of_account_is_found_by_the_payouts_reference(people: People, shop: Shop) -> None:
    shop.earn(10_000)
    payout = shop.start()
    with people.database.begin() as db:
        (one,) = statements.read(db, f"2210:{payout.reference}", since=None, until=None)
    assert (one.closing_minor, [line.kind for line in one.lines]) == (-9_700, ["payout started"])
