"""Chargebacks: what the buyer still holds pays, nobody else's value is touched, and nothing is had twice."""

import pytest

from circulation import charging, gifting, notices
from circulation.members import Member
from circulation.refusals import Refusal
from payments.gateway import Dispute, Found
from tests.endings import FACE, FEE, Endings, kes, rules_for
from tests.people import People

WHOLE = FACE + FEE


@pytest.fixture
def shop(people: People) -> Endings:
    return Endings(people, rules_for(people))


@pytest.fixture
def amina(people: People) -> Member:
    return people.member()


def opened(amount_minor: int = WHOLE, name: str = "d") -> Dispute:
    return Dispute(name, amount_minor, "KES", "open")


def won(amount_minor: int = WHOLE, name: str = "d") -> Dispute:
    return Dispute(name, amount_minor, "KES", "won")


def lost(amount_minor: int = WHOLE, name: str = "d") -> Dispute:
    return Dispute(name, amount_minor, "KES", "lost")


def dispute_id(shop: Endings, name: str = "d") -> str:
    return str(shop.people.value("SELECT id::text FROM dispute WHERE name = :name", name=name))


def loss(shop: Endings) -> tuple[int, int, int]:
    """Our expense by postings and by the table of disputes, and what our own bank has paid into the trust bank."""
    table = shop.people.value("SELECT coalesce(sum(loss_minor), 0)::bigint FROM dispute")
    return -shop.people.owed("5030", ""), int(table), shop.people.owed("1020", "")


def test_what_the_buyer_still_holds_is_held_until_it_is_decided(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card")
    (sheet,) = shop.sheets(purchase)
    shop.people.code(amina, sheet)
    for _ in range(2):
        shop.dispute(purchase, opened())
    id_ = dispute_id(shop)
    assert shop.people.postings(f"{id_}:opened") == [
        ("1140", id_, WHOLE),
        ("1110", "card", -WHOLE),
        ("2100", str(sheet), FACE),
        ("2120", id_, -FACE),
    ]
    assert (shop.left(sheet), shop.state("dispute", id_)) == ((0, 0), "open")
    assert shop.people.value("SELECT state FROM redemption_code") == "voided"
    assert [text.sentence for text in shop.told(amina)][-1] == notices.CHARGEBACK_OPENED
    assert len(shop.told(amina)) == 2  # the code, and this, once
    assert shop.people.books_in_order()
    with pytest.raises(Refusal):
        shop.people.code(amina, sheet)
    with pytest.raises(Refusal):
        shop.people.gift(amina, sheet, shop.people.number())


def test_won_gives_everything_back(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card", sheets=2)
    one, other = shop.sheets(purchase)
    shop.dispute(purchase, opened(2 * WHOLE))
    for _ in range(2):
        shop.dispute(purchase, won(2 * WHOLE))
    id_ = dispute_id(shop)
    assert shop.people.postings(f"{id_}:closed") == [
        ("1110", "card", 2 * WHOLE),
        ("1140", id_, -2 * WHOLE),
        ("2120", id_, FACE),
        ("2120", id_, FACE),
        ("2100", str(one), -FACE),
        ("2100", str(other), -FACE),
    ]
    assert [shop.left(sheet) for sheet in (one, other)] == [(FACE, 0), (FACE, 0)]
    assert [text.sentence for text in shop.told(amina)] == [notices.CHARGEBACK_OPENED, notices.CHARGEBACK_WON]
    assert loss(shop) == (0, 0, 0)
    assert shop.people.books_in_order()
    shop.spend(amina, one, kes(FACE))


def test_lost_before_any_use_is_paid_by_the_held_value_and_our_fee(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card")
    (sheet,) = shop.sheets(purchase)
    shop.dispute(purchase, opened())
    for _ in range(2):
        shop.dispute(purchase, lost())
    id_ = dispute_id(shop)
    assert shop.people.postings(f"{id_}:closed") == [("2120", id_, FACE), ("4010", "", FEE), ("1140", id_, -WHOLE)]
    assert (shop.left(sheet), shop.state("certificate", sheet)) == ((0, 0), "ended")
    assert [text.sentence for text in shop.told(amina)] == [notices.CHARGEBACK_OPENED, notices.CHARGEBACK_LOST]
    assert loss(shop) == (0, 0, 0)
    assert shop.people.books_in_order()


def test_lost_after_it_was_spent_is_our_loss_and_our_bank_tops_up_the_trust_bank(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card")
    shop.spend(amina, shop.sheets(purchase)[0], kes(FACE))
    shop.dispute(purchase, opened())
    shop.dispute(purchase, lost())
    id_ = dispute_id(shop)
    assert shop.people.postings(f"{id_}:closed") == [
        ("4010", "", FEE),
        ("5030", "", FACE),
        ("1140", id_, -WHOLE),
        ("1010", "", FACE),
        ("1020", "", -FACE),
    ]
    assert loss(shop) == (FACE, FACE, FACE)
    assert shop.people.books_in_order()


def test_lost_after_a_part_was_spent_is_our_loss_for_that_part(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card", sheets=2)
    one, other = shop.sheets(purchase)
    shop.spend(amina, one, kes(20_000))
    shop.dispute(purchase, lost(2 * WHOLE))
    id_ = dispute_id(shop)
    assert shop.people.postings(f"{id_}:closed")[:3] == [
        ("2120", id_, 80_000),
        ("4010", "", 2 * FEE),
        ("5030", "", 20_000),
    ]
    assert [shop.state("certificate", sheet) for sheet in (one, other)] == ["ended", "ended"]
    assert loss(shop) == (20_000, 20_000, 20_000)
    assert shop.people.books_in_order()


def test_lost_without_having_been_open_is_told_once(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card")
    shop.dispute(purchase, lost())
    assert [text.sentence for text in shop.told(amina)] == [notices.CHARGEBACK_LOST]
    assert loss(shop) == (0, 0, 0)
    assert shop.people.books_in_order()


def test_who_was_given_it_keeps_it(shop: Endings, amina: Member) -> None:
    purchase, baraka = shop.buy(amina, "card", sheets=2), shop.people.member("Baraka")
    given, kept = shop.sheets(purchase)
    shop.give(amina, given, baraka)
    shop.dispute(purchase, opened(2 * WHOLE))
    assert (shop.left(given), shop.left(kept)) == ((FACE, 0), (0, 0))
    shop.dispute(purchase, lost(2 * WHOLE))
    assert shop.left(given) == (FACE, 0)
    assert shop.hold_again() == 0
    assert loss(shop) == (FACE, FACE, FACE)
    shop.spend(baraka, given, kes(FACE))
    assert shop.people.books_in_order()


@pytest.mark.parametrize("decided", ["before", "after", "won"])
def test_an_offer_that_comes_back_to_the_buyer_is_held_and_one_that_is_accepted_is_not(
    shop: Endings, amina: Member, decided: str
) -> None:
    purchase, baraka = shop.buy(amina, "card", sheets=2), shop.people.member("Baraka")
    taken, refused = shop.sheets(purchase)
    gifts = [shop.people.gift(amina, sheet, baraka.msisdn) for sheet in (taken, refused)]
    shop.dispute(purchase, opened(2 * WHOLE))
    if decided == "before":
        shop.dispute(purchase, lost(2 * WHOLE))
        assert loss(shop) == (2 * FACE, 2 * FACE, 2 * FACE)
    with shop.people.database.begin() as db:
        gifting.accept(db, shop.rules, gift_id=gifts[0], recipient=baraka)
        gifting.decline(db, shop.rules, gift_id=gifts[1], recipient=baraka)
    assert shop.left(refused) == (FACE, 0)
    assert [shop.hold_again(), shop.hold_again()] == [1, 0]
    assert (shop.left(taken), shop.left(refused)) == ((FACE, 0), (0, 0))
    if decided == "after":
        shop.dispute(purchase, lost(2 * WHOLE))
    elif decided == "won":
        shop.dispute(purchase, won(2 * WHOLE))
    assert loss(shop) == ((0, 0, 0) if decided == "won" else (FACE, FACE, FACE))
    assert shop.left(refused) == ((FACE, 0) if decided == "won" else (0, 0))
    assert shop.people.books_in_order()


def test_what_makes_our_loss_smaller_comes_out_of_the_trust_bank_again(shop: Endings, amina: Member) -> None:
    purchase, baraka = shop.buy(amina, "card"), shop.people.member("Baraka")
    (sheet,) = shop.sheets(purchase)
    gift = shop.people.gift(amina, sheet, baraka.msisdn)
    shop.dispute(purchase, lost())
    with shop.people.database.begin() as db:
        gifting.decline(db, shop.rules, gift_id=gift, recipient=baraka)
    shop.hold_again()
    id_ = dispute_id(shop)
    assert shop.posted("chargeback opened")[-2:] == [("2100", str(sheet), FACE), ("2120", id_, -FACE)]
    assert shop.posted("chargeback lost")[-4:] == [
        ("2120", id_, FACE),
        ("5030", "", -FACE),
        ("1010", "", -FACE),
        ("1020", "", FACE),
    ]
    assert shop.state("certificate", sheet) == "ended"


def test_a_smaller_dispute_leaves_the_buyer_the_rest(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card", sheets=2)
    one, other = shop.sheets(purchase)
    shop.dispute(purchase, opened(60_000))
    assert [shop.left(sheet) for sheet in (one, other)] == [(0, 0), (40_000, 0)]
    shop.dispute(purchase, lost(60_000))
    assert [shop.state("certificate", sheet) for sheet in (one, other)] == ["ended", "live"]
    assert shop.hold_again() == 0
    assert (shop.people.owed("4010", ""), loss(shop)) == (2 * FEE, (0, 0, 0))
    shop.past_end(other)
    assert shop.left(other) == (0, 40_000)
    assert shop.people.books_in_order()


def test_a_larger_dispute_than_the_charge_is_our_loss_above_it(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card")
    shop.dispute(purchase, lost(WHOLE + 1_500))
    assert loss(shop) == (1_500, 1_500, 1_500)
    assert shop.people.books_in_order()


def test_our_fee_pays_once_however_many_disputes_and_refunds_there_are(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card", sheets=3)
    spent, offered, _ = shop.sheets(purchase)
    shop.spend(amina, spent, kes(FACE))
    gift = shop.people.gift(amina, offered, shop.people.number())
    shop.give_back(amina, purchase, kes(WHOLE))
    assert shop.people.owed("4010", "") == 2 * FEE
    shop.dispute(purchase, lost(WHOLE, "first"))
    shop.dispute(purchase, lost(WHOLE, "second"))
    assert gift
    assert shop.people.owed("4010", "") == 0
    assert loss(shop)[0] == 2 * WHOLE - 2 * FEE
    assert shop.people.books_in_order()


def test_what_one_dispute_ended_lives_again_when_another_is_won(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card")
    (sheet,) = shop.sheets(purchase)
    shop.dispute(purchase, opened(20_000, "first"))
    shop.dispute(purchase, lost(30_000, "second"))
    shop.dispute(purchase, won(20_000, "first"))
    assert (shop.left(sheet), shop.state("certificate", sheet)) == ((20_000, 0), "live")
    shop.past_end(sheet)
    assert shop.left(sheet) == (0, 20_000)
    assert shop.people.books_in_order()


def test_the_operator_learns_what_had_gone_back_before(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card")
    shop.paid(shop.give_back(amina, purchase, kes(WHOLE)))
    shop.dispute(purchase, opened())
    facts = shop.people.value("SELECT facts FROM incident WHERE kind = 'chargeback opened'")
    assert facts == {"charge": purchase, "already_back_minor": WHOLE}
    shop.dispute(purchase, lost())
    assert loss(shop)[0] == WHOLE
    assert shop.people.books_in_order()


def test_value_that_has_expired_is_held_too_and_expires_again_when_we_win(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card")
    (sheet,) = shop.sheets(purchase)
    shop.past_end(sheet)
    shop.dispute(purchase, opened())
    assert shop.left(sheet) == (0, 0)
    assert shop.ended(amina) == []
    assert shop.expire() == 0
    shop.dispute(purchase, won())
    assert shop.expire() == 1
    assert (shop.left(sheet), shop.state("certificate", sheet)) == ((0, FACE), "expired")
    assert shop.people.books_in_order()


def test_value_that_has_expired_pays_a_lost_dispute(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card")
    (sheet,) = shop.sheets(purchase)
    shop.past_end(sheet)
    shop.dispute(purchase, lost())
    assert (shop.left(sheet), shop.state("certificate", sheet), loss(shop)) == ((0, 0), "ended", (0, 0, 0))
    with pytest.raises(Refusal):
        shop.refund(amina, sheet, kes(FACE))
    assert shop.people.books_in_order()


def test_a_dispute_in_another_currency_holds_nothing_and_takes_no_fee(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card")
    shop.dispute(purchase, Dispute("d", 400, "USD", "lost"))
    assert shop.left(shop.sheets(purchase)[0]) == (FACE, 0)
    assert shop.people.owed("4010", "") == FEE
    assert loss(shop) == (400, 400, 400)


def test_a_charge_that_bought_for_others_is_our_loss(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card")
    shop.people.run("UPDATE charge SET purchase_id = NULL")
    shop.dispute(purchase, lost())
    assert shop.left(shop.sheets(purchase)[0]) == (FACE, 0)
    assert loss(shop) == (WHOLE, WHOLE, WHOLE)


@pytest.mark.parametrize("amount_minor", [0, -5])
def test_a_dispute_about_nothing_is_only_the_operators_to_see(shop: Endings, amina: Member, amount_minor: int) -> None:
    purchase = shop.buy(amina, "card")
    shop.dispute(purchase, opened(amount_minor))
    assert shop.people.value("SELECT count(*) FROM dispute") == 0
    assert shop.people.value("SELECT kind FROM incident") == "chargeback of nothing"
    assert shop.told(amina) == []


@pytest.mark.parametrize(("first", "then"), [(won(), lost()), (lost(), won()), (won(), opened())])
def test_what_is_decided_anew_is_the_operators_to_look_at(
    shop: Endings, amina: Member, first: Dispute, then: Dispute
) -> None:
    purchase = shop.buy(amina, "card")
    shop.dispute(purchase, first)
    before = shop.people.rows("SELECT * FROM posting")
    shop.dispute(purchase, then)
    assert shop.people.rows("SELECT * FROM posting") == before
    assert shop.people.value("SELECT count(*) FROM incident WHERE kind = 'chargeback decided anew'") == 1


# A rail that said "paid" and says otherwise now ---------------------------------------------------------------------------
def says(shop: Endings, charge_id: str, found: Found) -> None:
    with shop.people.database.begin() as db:
        charging.paid_and_now(db, shop.rules, charge_id, found, 3_600.0)


def test_a_payment_that_the_rail_takes_back_is_a_lost_chargeback_once(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "mobile")
    for _ in range(2):
        says(shop, purchase, Found("failed", reason="other"))
    assert shop.people.owed("1130", "mobile") == 0
    assert (shop.left(shop.sheets(purchase)[0]), loss(shop)) == ((0, 0), (0, 0, 0))
    assert [text.sentence for text in shop.told(amina)] == [notices.CHARGEBACK_LOST]
    assert shop.people.value("SELECT due_at FROM charge") is None
    assert shop.people.books_in_order()


def test_a_payment_that_stands_is_looked_at_again_later(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "mobile")
    says(shop, purchase, Found("paid"))
    assert shop.people.value("SELECT count(*) FROM dispute") == 0
    assert shop.people.value("SELECT due_at > clock() + interval '1 hour' FROM charge")


def test_a_rail_takes_back_only_what_had_not_gone_back_before(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card", sheets=3)
    shop.dispute(purchase, lost(WHOLE, "first"))
    left = shop.sheets(purchase)[2]
    shop.spend(amina, shop.sheets(purchase)[1], kes(FACE - FEE))
    shop.paid(shop.give_back(amina, purchase, kes(WHOLE)))
    says(shop, purchase, Found("failed", reason="other"))
    taken = shop.people.rows("SELECT amount_minor FROM dispute ORDER BY opened_at")
    assert [row.amount_minor for row in taken] == [WHOLE, WHOLE]
    assert shop.left(left) == (0, 0)
    assert shop.people.owed("1110", "card") == 0
    assert shop.people.books_in_order()


def test_a_payment_that_has_gone_back_whole_is_not_taken_back_again(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card")
    shop.paid(shop.give_back(amina, purchase, kes(WHOLE)))
    says(shop, purchase, Found("failed", reason="other"))
    assert shop.people.value("SELECT count(*) FROM dispute") == 0
    assert shop.people.books_in_order()


def test_a_provider_that_repeats_a_dispute_under_another_state_and_sum_is_taken_at_the_first(
    shop: Endings, amina: Member
) -> None:
    purchase = shop.buy(amina, "card")
    shop.dispute(purchase, opened())
    shop.dispute(purchase, lost(WHOLE // 2))
    assert shop.people.rows("SELECT amount_minor, state FROM dispute") == [(WHOLE, "lost")]
    assert shop.people.value("SELECT count(*) FROM incident WHERE kind = 'chargeback of another sum'") == 1
    assert shop.people.books_in_order()
