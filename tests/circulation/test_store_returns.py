"""What a store gives back: reversals undo a whole use, refunds parts of it; never more than was captured, each once."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from circulation import wallet
from circulation.notices import LET_GO, STORE_REFUNDED, USE_REVERSED
from circulation.refusals import Refusal
from circulation.store_returns import Reversal, StoreRefund
from tests.people import People
from tests.tills import Till, kes


def refusal(ask: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as refused:
        ask()
    return refused.value


class Paid:
    """KES 700.50 paid at a till with two certificates of KES 500; commission 3 %: KES 21.02."""

    def __init__(self, people: People) -> None:
        self.people = people
        self.holder = people.member()
        self.first, self.second = people.certificates(self.holder, 2)
        self.till, self.id = Till.at(people), str(uuid4())
        self.code = people.code(self.holder, self.first, self.second)
        self.reference = self.till.use(self.code, 70_050, self.id).reference

    @property
    def store(self) -> str:
        return str(self.till.clerk.store_id)

    def left(self) -> list[int]:
        return [self.people.owed("2100", certificate) for certificate in (self.first, self.second)]

    def earned(self) -> tuple[int, int]:
        return self.people.owed("2200", self.store), self.people.owed("4020", "")


@pytest.fixture
def paid(people: People) -> Paid:
    return Paid(people)


# Reversals ------------------------------------------------------------------------------------------------------------
def test_a_reversal_undoes_a_use_and_its_commission_and_tells_the_holder(people: People, paid: Paid) -> None:
    assert paid.till.reverse(paid.id) == Reversal(paid.reference, kes(70_050))
    assert people.postings(f"{paid.id}:reversed") == [
        ("2200", paid.store, 67_948),
        ("4020", "", 2_102),
        ("2100", str(paid.first), -50_000),
        ("2100", str(paid.second), -20_050),
    ]
    assert (paid.left(), paid.earned()) == ([50_000, 50_000], (0, 0))
    told = people.texts(paid.holder.msisdn)[-1]
    assert (told.sentence, told.holes["amount"], told.holes["reference"]) == (
        USE_REVERSED,
        {"money": [70_050, "KES"]},
        paid.reference,
    )
    assert people.books_in_order()


def test_reversing_twice_does_it_once_and_the_use_cannot_be_made_again(people: People, paid: Paid) -> None:
    paid.till.reverse(paid.id)
    assert paid.till.reverse(paid.id) == Reversal(paid.reference, None)
    assert refusal(lambda: paid.till.use(paid.code, 70_050, paid.id)).code == "hold_ended"
    assert refusal(lambda: paid.till.use(paid.code, 70_050)).code == "code_refused"
    assert [told.sentence for told in people.texts(paid.holder.msisdn)].count(USE_REVERSED) == 1
    with people.database.begin() as db:
        assert wallet.uses(db, paid.holder.id) == []
    assert people.books_in_order()


def test_reversing_a_hold_lets_it_go(people: People) -> None:
    holder, till, use_id = people.member(), Till.at(people), str(uuid4())
    certificate = people.certificate(holder)
    till.authorise(people.code(holder, certificate), 10_000, use_id)
    assert till.reverse(use_id).amount == kes(10_000)
    assert people.postings(f"{use_id}:voided") == [("2120", use_id, 10_000), ("2100", str(certificate), -10_000)]
    assert people.texts(holder.msisdn)[-1].sentence == LET_GO
    assert till.reverse(use_id).amount is None
    assert people.books_in_order()


def test_a_reversal_that_overtakes_its_use_leaves_nothing_to_pay(people: People) -> None:
    holder, till, use_id = people.member(), Till.at(people), str(uuid4())
    code = people.code(holder, people.certificate(holder))
    assert till.reverse(use_id) == till.reverse(use_id) == Reversal("", None)
    for late in (lambda: till.use(code, 100, use_id), lambda: till.authorise(code, 100, use_id)):
        assert refusal(late).code == "use_undone"
    assert till.use(code, 100).amount == kes(100)
    assert people.books_in_order()


def test_a_stores_tombstone_stops_no_other_store(people: People) -> None:
    holder, till, use_id = people.member(), Till.at(people), str(uuid4())
    code = people.code(holder, people.certificate(holder))
    Till.at(people).reverse(use_id)
    assert till.use(code, 100, use_id).amount == kes(100)


def test_another_stores_use_is_answered_like_an_unknown_one_and_stands(people: People, paid: Paid) -> None:
    stranger = Till.at(people)
    assert stranger.reverse(paid.id) == stranger.reverse(str(uuid4())) == Reversal("", None)
    for reference in (paid.reference, "22222222"):
        assert refusal(lambda reference=reference: stranger.refund(reference, 100)).code == "use_unknown"  # type: ignore[misc]
    assert paid.left() == [0, 29_950]
    assert Till.at(people, people.clerk(store_id=paid.till.clerk.store_id)).reverse(paid.id).amount == kes(70_050)


def test_what_was_given_back_in_part_is_not_reversed_over_it(people: People, paid: Paid) -> None:
    paid.till.refund(paid.reference, 100)
    assert refusal(lambda: paid.till.reverse(paid.id)).code == "partly_returned"
    assert paid.left() == [0, 30_050]


# Refunds --------------------------------------------------------------------------------------------------------------
def test_a_refund_goes_back_last_spent_first_with_the_stores_share_of_the_commission(
    people: People, paid: Paid
) -> None:
    refund_id = str(uuid4())
    assert paid.till.refund(paid.reference, 30_000, refund_id) == StoreRefund(paid.reference, kes(30_000), again=False)
    assert people.postings(f"{refund_id}:refunded") == [
        ("2200", paid.store, 29_100),
        ("4020", "", 900),  # 21.02 x 300 / 700.50 is 9.0021
        ("2100", str(paid.second), -20_050),
        ("2100", str(paid.first), -9_950),
    ]
    told = people.texts(paid.holder.msisdn)[-1]
    assert (told.sentence, told.holes["amount"]) == (STORE_REFUNDED, {"money": [30_000, "KES"]})
    with people.database.begin() as db:
        assert [use.amount for use in wallet.uses(db, paid.holder.id)] == [kes(40_050)]
    assert people.books_in_order()


@pytest.mark.parametrize("step", [1, 3, 7, 16])
@pytest.mark.parametrize("bps", [0, 1, 250, 3_333, 9_999, 10_000])
def test_the_commission_shares_of_a_whole_refund_come_to_the_commission(people: People, step: int, bps: int) -> None:
    holder, till = people.member(), Till.at(people, people.clerk(commission_bps=bps))
    reference = till.use(people.code(holder, people.certificate(holder)), 50).reference
    given, shares = 0, []
    commission = (50 * bps + 5_000) // 10_000
    while given < 50:
        refund_id, part = str(uuid4()), min(step, 50 - given)
        till.refund(reference, part, refund_id)
        shares.append(sum(minor for code, _, minor in people.postings(f"{refund_id}:refunded") if code == "4020"))
        given += part
        assert abs(2 * sum(shares) * 50 - 2 * commission * given) <= 50, "rounded to the nearest cent of the whole"
    assert sum(shares) == commission
    assert all(0 <= share <= step for share in shares)
    assert people.owed("2200", till.clerk.store_id) == people.owed("4020", "") == 0
    assert people.books_in_order()


def test_the_same_refund_gives_back_once(people: People, paid: Paid) -> None:
    refund_id = str(uuid4())
    paid.till.refund(paid.reference, 100, refund_id)
    assert paid.till.refund(paid.reference, 200, refund_id) == StoreRefund(paid.reference, kes(100), again=True)
    other = Paid(people)
    assert refusal(lambda: other.till.refund(other.reference, 100, refund_id)).code == "use_unknown"
    assert paid.left() == [0, 30_050]
    assert people.books_in_order()


def test_no_more_is_given_back_than_was_captured(people: People, paid: Paid) -> None:
    paid.till.refund(paid.reference, 70_000)
    over = refusal(lambda: paid.till.refund(paid.reference, 51))
    assert (over.code, over.holes) == ("over_captured", {"left": kes(50)})
    for minor in (0, -50):
        assert refusal(lambda minor=minor: paid.till.refund(paid.reference, minor)).code == "over_captured"  # type: ignore[misc]
    paid.till.refund(paid.reference, 50)
    assert refusal(lambda: paid.till.refund(paid.reference, 1)).code == "nothing_to_return"
    assert paid.earned() == (0, 0)
    assert people.books_in_order()


def test_a_hold_is_not_refunded_nor_is_what_was_reversed(people: People, paid: Paid) -> None:
    holder = people.member()
    hold = paid.till.authorise(people.code(holder, people.certificate(holder)), 100)
    assert refusal(lambda: paid.till.refund(hold.reference, 100)).code == "nothing_to_return"
    paid.till.reverse(paid.id)
    assert refusal(lambda: paid.till.refund(paid.reference, 100)).code == "nothing_to_return"


@pytest.mark.parametrize("column", ["captured_minor = amount_minor + 1", "returned_minor = captured_minor + 1"])
@pytest.mark.parametrize("table", ["redemption", "redemption_part"])
def test_the_database_itself_keeps_refunds_within_captures_within_holds(
    people: People, paid: Paid, table: str, column: str
) -> None:
    with pytest.raises(IntegrityError), people.database.begin() as db:
        db.execute(text(f"UPDATE {table} SET {column}"))


def test_a_refund_to_someone_who_gave_the_rest_away_is_theirs_and_later_ones_join_it(
    people: People, paid: Paid
) -> None:
    friend = people.member("Baraka")
    people.accept(people.gift(paid.holder, paid.second, friend.msisdn), friend)
    paid.till.refund(paid.reference, 10_000)
    paid.till.refund(paid.reference, 5_000)
    (made,) = people.rows("SELECT id, holder_id FROM certificate WHERE returned_from = :id", id=paid.second)
    assert (made.holder_id, people.owed("2100", made.id)) == (paid.holder.id, 15_000)
    assert people.owed("2100", paid.second) == 29_950
    assert Till.at(people).use(people.code(paid.holder, made.id), 15_000).amount == kes(15_000)
    assert people.books_in_order()


def test_a_refund_after_a_certificate_has_ended_can_be_spent(people: People, paid: Paid) -> None:
    with people.database.begin() as db:
        db.exec_driver_sql("UPDATE certificate SET state = 'ended' WHERE id = %s", (paid.first,))
    paid.till.refund(paid.reference, 70_050)
    with people.database.begin() as db:
        assert sum(held.balance.amount_minor for held in wallet.held(db, paid.holder.id)) == 100_000
    assert people.books_in_order()
