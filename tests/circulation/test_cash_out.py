"""Cash-out: a small rest is paid where the law says so, and only by the way its value came; nothing lent becomes cash."""

from dataclasses import replace
from uuid import uuid4

import pytest

from circulation import cash_out, notices, ways_back
from circulation.members import Member
from circulation.money import Money
from circulation.refusals import Refusal
from payments.gateway import Dispute
from tests.endings import Endings, kes, rules_for
from tests.people import People

FACE = 50_000
LEFT = Money(20_000, "KRW")
USED = Money(30_000, "KRW")


@pytest.fixture
def korea(people: People) -> Endings:
    return Endings(people, rules_for(people, pack="KR", currency="KRW"))


@pytest.fixture
def amina(people: People) -> Member:
    return people.member()


def rest_of(shop: Endings, holder: Member, rail: str, prefix: str = "SB") -> int:
    """A certificate over this rail with 60 % spent, which Korea pays the rest of."""
    certificate = shop.certificate(holder, rail, prefix=prefix, amount_minor=FACE, currency="KRW")
    shop.spend(holder, certificate, USED, prefix)
    return certificate


def given_rest(shop: Endings, rail: str) -> tuple[Member, int]:
    """The same, in the hands of somebody to whom it was given."""
    giver, baraka = shop.people.member("Giver"), shop.people.member("Baraka")
    certificate = rest_of(shop, giver, rail)
    shop.give(giver, certificate, baraka)
    return baraka, certificate


def refused(shop: Endings, holder: Member, certificate: int, amount: Money = LEFT) -> str:
    with pytest.raises(Refusal) as no:
        shop.cash_out(holder, certificate, amount)
    return no.value.code


def wrongly(shop: Endings) -> int:
    return int(shop.people.value(ways_back.CASHED_OUT_WRONGLY))


def test_the_rest_is_paid_once_enough_was_used(korea: Endings, amina: Member) -> None:
    certificate = korea.certificate(amina, "bank", amount_minor=FACE, currency="KRW")
    assert korea.rests(amina) == []
    korea.spend(amina, certificate, Money(29_999, "KRW"))
    assert korea.rests(amina) == []
    assert refused(korea, amina, certificate, Money(20_001, "KRW")) == "not_returnable"
    korea.spend(amina, certificate, Money(1, "KRW"))
    (rest,) = korea.rests(amina)
    assert (rest.certificate_id, rest.issuer, rest.amount) == (certificate, "Soko Bora", LEFT)


@pytest.mark.parametrize(
    ("rail", "account"), [("bank", "1010"), ("mobile", "1130"), ("card", "1110"), ("carrier", "1120")]
)
def test_who_paid_has_the_rest_back_over_the_same_rail(korea: Endings, amina: Member, rail: str, account: str) -> None:
    certificate = rest_of(korea, amina, rail)
    refund = korea.cash_out(amina, certificate, LEFT)
    assert korea.people.postings(f"{refund}:owed") == [("2100", str(certificate), 20_000), ("2300", refund, -20_000)]
    assert korea.people.postings(f"{refund}:started") == []
    (claimed,) = korea.claimed()
    assert (claimed.rail, claimed.refund.amount_minor, claimed.refund.charge.msisdn) == (
        rail,
        20_000,
        amina.msisdn.e164,
    )
    korea.paid(refund)
    assert korea.people.postings(f"{refund}:paid") == [("2300", refund, 20_000), (account, rail, -20_000)]
    assert [text.sentence for text in korea.told(amina)] == [notices.REFUNDED]
    assert (korea.state("certificate", certificate), korea.left(certificate), korea.rests(amina)) == (
        "ended",
        (0, 0),
        [],
    )
    assert korea.people.books_in_order()
    assert wrongly(korea) == 0


def test_what_went_on_the_phone_bill_comes_off_it(korea: Endings, amina: Member) -> None:
    refund = korea.cash_out(amina, rest_of(korea, amina, "phone_bill"), LEFT)
    assert korea.people.postings(f"{refund}:paid") == [("2300", refund, 20_000), ("1120", "", -20_000)]
    assert korea.state("refund", refund) == "paid"
    assert wrongly(korea) == 0


@pytest.mark.parametrize("rail", ["bank", "mobile"])
def test_to_whom_it_was_given_has_money_by_mobile_money(korea: Endings, rail: str) -> None:
    baraka, certificate = given_rest(korea, rail)
    refund = korea.cash_out(baraka, certificate, LEFT)
    assert korea.people.postings(f"{refund}:owed") == [("2100", str(certificate), 20_000), ("2300", refund, -20_000)]
    assert korea.people.postings(f"{refund}:started") == [("2300", refund, 20_000), ("2310", refund, -20_000)]
    (claimed,) = korea.claimed()
    assert (claimed.rail, claimed.refund.charge.msisdn) == ("mobile", baraka.msisdn.e164)
    korea.paid(refund)
    assert korea.people.postings(f"{refund}:paid") == [("2310", refund, 20_000), ("1130", "mobile", -20_000)]
    assert [text.sentence for text in korea.told(baraka)] == [notices.CASHED_OUT]
    assert korea.people.books_in_order()
    assert wrongly(korea) == 0


def test_a_cash_out_that_fails_is_owed_again_and_can_still_be_paid(korea: Endings) -> None:
    baraka, certificate = given_rest(korea, "mobile")
    refund = korea.cash_out(baraka, certificate, LEFT)
    korea.failed(refund)
    korea.failed(refund)
    assert korea.people.postings(f"{refund}:failed") == [("2310", refund, 20_000), ("2300", refund, -20_000)]
    assert [text.sentence for text in korea.told(baraka)] == [notices.REFUND_OWED]
    assert korea.people.books_in_order()
    korea.paid(refund)
    assert korea.people.postings(f"{refund}:paid") == [("2300", refund, 20_000), ("1130", "mobile", -20_000)]
    assert korea.people.books_in_order()


@pytest.mark.parametrize("rail", ["phone_bill", "carrier", "card"])
def test_what_was_lent_never_becomes_cash_for_somebody_else(korea: Endings, rail: str) -> None:
    baraka, certificate = given_rest(korea, rail)
    assert refused(korea, baraka, certificate) == "cash_out_not_here"
    assert korea.left(certificate) == (20_000, 0)
    assert (korea.state("certificate", certificate), korea.claimed()) == ("live", [])
    assert korea.people.value("SELECT count(*) FROM refund") == 0


def test_the_giver_cannot_have_the_rest_of_what_they_gave(korea: Endings) -> None:
    giver, baraka = korea.people.member("Giver"), korea.people.member("Baraka")
    certificate = rest_of(korea, giver, "mobile")
    korea.give(giver, certificate, baraka)
    assert korea.rests(giver) == []
    assert refused(korea, giver, certificate) == "not_returnable"


def test_without_mobile_money_nobody_is_paid_who_did_not_pay(korea: Endings) -> None:
    baraka, certificate = given_rest(korea, "bank")
    korea.rules = replace(korea.rules, rails={rail: korea.rules.rails[rail] for rail in ("phone_bill", "bank")})
    assert refused(korea, baraka, certificate) == "cash_out_not_here"


def test_mobile_money_that_does_not_take_the_sum_is_no_way(korea: Endings, people: People) -> None:
    baraka, certificate = given_rest(korea, "bank")
    korea.rules = rules_for(people, pack="KR", currency="KES")
    assert refused(korea, baraka, certificate) == "cash_out_not_here"


def test_over_a_rail_that_is_not_in_use_now_nothing_is_paid(korea: Endings, amina: Member) -> None:
    certificate = rest_of(korea, amina, "card")
    korea.rules = replace(korea.rules, rails={"phone_bill": None})
    assert refused(korea, amina, certificate) == "cash_out_not_here"


def test_what_several_paid_together_is_paid_by_the_call_centre(korea: Endings, amina: Member) -> None:
    certificate = rest_of(korea, amina, "mobile")
    korea.people.run("UPDATE charge SET purchase_id = NULL")
    assert refused(korea, amina, certificate) == "cash_out_not_here"


def test_the_same_cash_out_asked_for_again_is_answered_and_paid_once(korea: Endings, amina: Member) -> None:
    certificate, refund = rest_of(korea, amina, "mobile"), str(uuid4())
    for _ in range(2):
        korea.cash_out(amina, certificate, LEFT, refund)
    assert len(korea.claimed()) == 1
    assert refused(korea, amina, certificate) == "not_returnable"


def test_a_use_after_the_sum_was_shown_is_not_paid_out(korea: Endings, amina: Member) -> None:
    certificate = rest_of(korea, amina, "mobile")
    korea.spend(amina, certificate, Money(1, "KRW"))
    assert refused(korea, amina, certificate) == "not_returnable"


def test_a_live_code_is_void_once_the_rest_was_taken(korea: Endings, amina: Member) -> None:
    certificate = rest_of(korea, amina, "mobile")
    korea.people.code(amina, certificate)
    korea.cash_out(amina, certificate, LEFT)
    assert korea.people.value("SELECT state FROM redemption_code ORDER BY created_at DESC LIMIT 1") == "voided"


def test_a_rest_that_is_offered_is_not_paid_out(korea: Endings, amina: Member) -> None:
    certificate = rest_of(korea, amina, "mobile")
    korea.people.gift(amina, certificate, korea.people.number())
    assert korea.rests(amina) == []
    assert refused(korea, amina, certificate) == "not_returnable"


def test_a_rest_of_which_a_store_holds_something_waits_for_the_store(korea: Endings, amina: Member) -> None:
    certificate = korea.certificate(amina, "mobile", amount_minor=FACE, currency="KRW")
    korea.hold(amina, certificate, USED)
    assert korea.rests(amina) == []
    assert refused(korea, amina, certificate) == "not_returnable"


def test_what_a_chargeback_holds_is_not_counted_as_used(korea: Endings, amina: Member) -> None:
    purchase = korea.buy(amina, "card", amount_minor=FACE, currency="KRW")
    korea.dispute(purchase, Dispute("d", 40_000, "KRW", "open"))
    assert korea.left(korea.sheets(purchase)[0]) == (10_000, 0)
    assert korea.rests(amina) == []


def test_california_pays_out_what_is_below_its_sum_and_not_what_many_stores_take(people: People, amina: Member) -> None:
    shop = Endings(people, rules_for(people, pack="US-CA", currency="USD"))
    for prefix, minor, owed in (("SB", 900, 1), ("GL", 900, 0), ("SB", 1_500, 0)):
        certificate = shop.certificate(amina, "mobile", prefix=prefix, amount_minor=minor, currency="USD")
        assert len([rest for rest in shop.rests(amina) if rest.certificate_id == certificate]) == owed


def test_korea_pays_out_what_many_stores_take_too(korea: Endings, amina: Member) -> None:
    rest_of(korea, amina, "mobile", prefix="GL")
    assert [rest.amount for rest in korea.rests(amina)] == [LEFT]


def test_ireland_pays_out_above_one_euro_after_use(people: People, amina: Member) -> None:
    shop = Endings(people, rules_for(people, pack="IE", currency="EUR"))
    certificate = shop.certificate(amina, "mobile", amount_minor=5_000, currency="EUR")
    assert shop.rests(amina) == []
    shop.spend(amina, certificate, Money(4_899, "EUR"))
    assert [rest.amount for rest in shop.rests(amina)] == [Money(101, "EUR")]
    shop.spend(amina, certificate, Money(1, "EUR"))
    assert shop.rests(amina) == []


def test_kenya_pays_out_nothing_before_the_end(people: People, amina: Member) -> None:
    shop = Endings(people, rules_for(people))
    certificate = shop.certificate(amina, "mobile")
    shop.spend(amina, certificate, kes(49_999))
    assert shop.rests(amina) == []
    assert refused(shop, amina, certificate, kes(1)) == "not_returnable"


def test_the_proof_notices_a_card_that_became_cash(korea: Endings) -> None:
    baraka, certificate = given_rest(korea, "mobile")
    korea.cash_out(baraka, certificate, LEFT)
    assert wrongly(korea) == 0
    korea.people.run("UPDATE charge SET rail = 'card'")
    assert wrongly(korea) == 1


def test_the_proof_notices_a_refund_to_somebody_else(korea: Endings, amina: Member) -> None:
    korea.cash_out(amina, rest_of(korea, amina, "card"), LEFT)
    assert wrongly(korea) == 0
    korea.people.run("UPDATE refund SET payee_id = :other", other=korea.people.member("Other").id)
    assert wrongly(korea) == 1


def test_where_money_goes_is_told_by_the_account_of_its_rail(korea: Endings) -> None:
    places = {rail: ways_back.place(korea.rules, rail) for rail in (*korea.rules.rails, "gone")}
    assert places == {
        "phone_bill": "phone_bill",
        "carrier": "network",
        "card": "card",
        "mobile": "mobile_money",
        "bank": "bank",
        "gone": None,
    }
    assert korea.people.value("SELECT kind FROM issuer WHERE prefix = 'GL'") == cash_out.GENERAL
