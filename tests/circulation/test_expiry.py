"""Expiry: nobody loses value by waiting without being told, and what ended comes back, lives again or goes where the law says."""

from datetime import date, timedelta
from uuid import uuid4

import pytest

from circulation import gifting, notices, reminders
from circulation.law_rules import Extension
from circulation.members import Member
from circulation.money import Money
from circulation.refusals import Refusal
from payments.gateway import Dispute
from tests.endings import FACE, Endings, kes, rules_for, terms
from tests.people import People


@pytest.fixture
def shop(people: People) -> Endings:
    return Endings(people, rules_for(people))


@pytest.fixture
def korea(people: People) -> Endings:
    return Endings(people, rules_for(people, pack="KR", currency="KRW"))


@pytest.fixture
def amina(people: People) -> Member:
    return people.member()


def sentences(shop: Endings, member: Member) -> list[str]:
    return [text.sentence for text in shop.told(member)]


def code(call: pytest.ExceptionInfo[Refusal]) -> str:
    return call.value.code


# Reminders ----------------------------------------------------------------------------------------------------------------
def test_the_holder_is_reminded_30_7_and_1_days_before_each_time_once(shop: Endings, amina: Member) -> None:
    certificate = shop.certificate(amina)
    for days, count in ((31, 0), (30, 1), (29, 1), (8, 1), (7, 2), (2, 2), (1, 3), (0, 3)):
        shop.before_end(certificate, days)
        shop.remind()
        shop.remind()
        assert len(shop.told(amina)) == count, days
    assert set(sentences(shop, amina)) == {notices.ENDS_SOON_EXTENDABLE}
    assert shop.told(amina)[0].holes == {
        "issuer": "Soko Bora",
        "left": {"money": [FACE, "KES"]},
        "day": {"day": shop.last_day(certificate).isoformat()},
        "service_code": shop.rules.service_code,
    }


@pytest.mark.parametrize(("hour", "told"), [(8, 0), (9, 1), (19, 1), (20, 0)])
def test_nobody_is_told_at_night(shop: Endings, amina: Member, hour: int, told: int) -> None:
    shop.before_end(shop.certificate(amina), 7, hour)
    assert shop.remind() == told
    assert len(shop.told(amina)) == told


def test_of_several_reminders_that_were_missed_only_the_latest_is_told(shop: Endings, amina: Member) -> None:
    certificate = shop.certificate(amina)
    shop.before_end(certificate, 3)
    assert [shop.remind(), shop.remind()] == [1, 0]
    assert shop.people.rows("SELECT days FROM reminder") == [(7,)]


def test_several_that_end_are_one_text_with_their_sum(shop: Endings, amina: Member) -> None:
    one, _ = shop.sheets(shop.buy(amina, sheets=2))
    shop.spend(amina, one, kes(100))
    shop.before_end(one, 30)
    assert shop.remind() == 1
    (told,) = shop.told(amina)
    assert (told.sentence, told.holes["left"]) == (notices.ENDS_SOON_EXTENDABLE, {"money": [2 * FACE - 100, "KES"]})
    assert shop.people.value("SELECT count(*) FROM reminder") == 2


def test_several_issuers_or_days_are_one_text_that_names_the_first(shop: Endings, amina: Member) -> None:
    first, second = shop.certificate(amina), shop.certificate(amina, prefix="GL")
    shop.people.run("UPDATE certificate SET expires_on = expires_on + 3 WHERE id = :id", id=second)
    shop.before_end(first, 10)
    assert shop.remind() == 1
    (told,) = shop.told(amina)
    assert told.sentence == notices.SEVERAL_END_SOON_EXTENDABLE
    assert (told.holes["count"], told.holes["issuer"]) == (2, "Soko Bora")
    assert told.holes["left"] == {"money": [2 * FACE, "KES"]}
    assert told.holes["day"] == {"day": shop.last_day(first).isoformat()}


def test_a_second_text_on_the_same_day_waits_for_the_next(shop: Endings, amina: Member) -> None:
    first, second = shop.certificate(amina), shop.certificate(amina)
    shop.people.run("UPDATE certificate SET expires_on = expires_on + 60 WHERE id = :id", id=second)
    shop.before_end(first, 7)
    assert shop.remind() == 1
    shop.people.run("UPDATE certificate SET expires_on = expires_on - 60 WHERE id = :id", id=second)
    assert shop.remind() == 0
    shop.before_end(first, 6)
    assert shop.remind() == 1
    assert shop.people.value("SELECT count(*) FROM reminder WHERE certificate_id = :id", id=second) == 1


def test_what_cannot_be_extended_is_not_said_to_be(shop: Endings, amina: Member) -> None:
    shop.rules = terms(shop.rules, extension=Extension(months=1, times=0, source="test"))
    shop.before_end(shop.certificate(amina), 30)
    shop.remind()
    assert sentences(shop, amina) == [notices.ENDS_SOON]


def test_an_empty_or_offered_certificate_is_not_reminded_of(shop: Endings, amina: Member) -> None:
    empty, offered = shop.sheets(shop.buy(amina, sheets=2))
    shop.spend(amina, empty, kes(FACE))
    shop.people.gift(amina, offered, shop.people.number())
    shop.before_end(empty, 30)
    assert shop.remind() == 0


def test_who_holds_it_now_is_reminded(shop: Endings, amina: Member) -> None:
    baraka, certificate = shop.people.member("Baraka"), shop.certificate(amina)
    shop.before_end(certificate, 30)
    shop.remind()
    shop.give(amina, certificate, baraka)
    shop.before_end(certificate, 7)
    shop.remind()
    assert sentences(shop, amina) == []
    assert sentences(shop, baraka) == [notices.ENDS_SOON_EXTENDABLE]


def test_every_holder_is_reminded_and_a_batch_takes_so_many(shop: Endings, amina: Member) -> None:
    others = [amina, *(shop.people.member() for _ in range(3))]
    certificates = [shop.certificate(one) for one in others]
    shop.before_end(certificates[0], 30)
    with shop.people.database.begin() as db:
        assert [reminders.remind(db, shop.rules, limit=3) for _ in range(3)] == [3, 1, 0]
    assert [len(shop.told(one)) for one in others] == [1, 1, 1, 1]


# The end ------------------------------------------------------------------------------------------------------------------
def test_the_last_day_counts_and_after_it_what_is_left_rests(shop: Endings, amina: Member) -> None:
    certificate = shop.certificate(amina)
    shop.spend(amina, certificate, kes(5_000))
    shop.before_end(certificate, 0, hour=23)
    assert shop.expire() == 0
    shop.before_end(certificate, -1, hour=0)
    assert shop.expire() == 1
    assert shop.expire() == 0
    assert shop.posted("certificate expired") == [
        ("2100", str(certificate), 45_000),
        ("2130", str(certificate), -45_000),
    ]
    assert (shop.state("certificate", certificate), shop.left(certificate)) == ("expired", (0, 45_000))
    assert shop.people.books_in_order()


def test_at_a_decent_hour_the_holder_is_told_what_it_is_still_worth_and_until_when(
    korea: Endings, amina: Member
) -> None:
    certificate = korea.certificate(amina, amount_minor=FACE, currency="KRW")
    last = korea.last_day(certificate)
    korea.before_end(certificate, -1, hour=0)
    korea.expire()
    assert korea.remind() == 0
    korea.before_end(certificate, -1, hour=9)
    assert [korea.remind(), korea.remind()] == [1, 0]
    (told,) = korea.told(amina)
    assert told.sentence == notices.ENDED
    assert told.holes["left"] == {"money": [50_000, "KRW"]}
    assert told.holes["share"] == {"money": [45_000, "KRW"]}
    assert told.holes["day"] == {"day": date(last.year + 5, last.month, last.day).isoformat()}


def test_several_that_have_ended_are_one_text(shop: Endings, amina: Member) -> None:
    first, _ = shop.certificate(amina), shop.certificate(amina, prefix="GL")
    shop.people.run("UPDATE certificate SET expires_on = expires_on - 1 WHERE id = :id", id=first)
    shop.before_end(first, -2)
    assert shop.expire() == 2
    shop.remind()
    (told,) = shop.told(amina)
    assert (told.sentence, told.holes["count"]) == (notices.SEVERAL_ENDED, 2)
    assert told.holes["share"] == {"money": [2 * FACE, "KES"]}


def test_who_had_it_back_before_they_were_told_is_not_told(shop: Endings, amina: Member) -> None:
    certificate = shop.certificate(amina)
    shop.before_end(certificate, -1, hour=1)
    shop.expire()
    shop.refund(amina, certificate, kes(FACE))
    shop.before_end(certificate, -1, hour=9)
    shop.remind()
    assert sentences(shop, amina) == []


def test_an_empty_one_just_ends(shop: Endings, amina: Member) -> None:
    certificate = shop.certificate(amina)
    shop.spend(amina, certificate, kes(FACE))
    shop.past_end(certificate)
    assert shop.state("certificate", certificate) == "ended"
    assert shop.posted("certificate expired") == []
    assert shop.remind() == 0


def test_a_live_code_is_void_with_its_certificate(shop: Endings, amina: Member) -> None:
    certificate = shop.certificate(amina)
    shop.before_end(certificate, 0, hour=23)
    shop.people.code(amina, certificate)
    shop.before_end(certificate, -1, hour=0)
    shop.expire()
    assert shop.people.value("SELECT state FROM redemption_code") == "voided"


def test_what_is_offered_ends_once_it_has_come_back(shop: Endings, amina: Member) -> None:
    certificate = shop.certificate(amina)
    shop.before_end(certificate, 1)
    gift = shop.people.gift(amina, certificate, shop.people.number())
    shop.before_end(certificate, -1)
    assert shop.expire() == 0
    assert shop.state("certificate", certificate) == "live"
    shop.before_end(certificate, -8)
    with shop.people.database.begin() as db:
        gifting.lapse(db, shop.rules, gift_id=gift)
    assert shop.left(certificate) == (FACE, 0)
    assert shop.expire() == 1
    assert (shop.state("certificate", certificate), shop.left(certificate)) == ("expired", (0, FACE))
    assert shop.people.books_in_order()


def test_what_is_accepted_after_its_end_ends_in_the_recipients_hands(shop: Endings, amina: Member) -> None:
    certificate, baraka = shop.certificate(amina), shop.people.member("Baraka")
    shop.before_end(certificate, 1)
    gift = shop.people.gift(amina, certificate, baraka.msisdn)
    shop.before_end(certificate, -1)
    with shop.people.database.begin() as db:
        gifting.accept(db, shop.rules, gift_id=gift, recipient=baraka)
    shop.forget_texts()
    shop.expire()
    shop.remind()
    assert sentences(shop, baraka) == [notices.ENDED]
    assert [one.certificate_id for one in shop.ended(baraka)] == [certificate]


def test_what_a_store_holds_ends_with_what_comes_back_of_it(shop: Endings, amina: Member) -> None:
    certificate = shop.certificate(amina)
    shop.before_end(certificate, 0, hour=23)
    shop.hold(amina, certificate, kes(20_000))
    shop.before_end(certificate, -1)
    assert shop.expire() == 0
    assert shop.end_holds() == 1
    assert shop.expire() == 1
    assert shop.left(certificate) == (0, FACE - 20_000)
    assert shop.people.books_in_order()


def test_what_a_chargeback_holds_ends_once_it_has_come_back(shop: Endings, amina: Member) -> None:
    purchase = shop.buy(amina, "card", sheets=2)
    held, free = shop.sheets(purchase)
    shop.dispute(purchase, Dispute("d", FACE, "KES", "open"))
    shop.past_end(held)
    assert [shop.state("certificate", one) for one in (held, free)] == ["live", "expired"]
    shop.dispute(purchase, Dispute("d", FACE, "KES", "won"))
    assert shop.expire() == 1
    assert (shop.state("certificate", held), shop.left(held)) == ("expired", (0, FACE))
    assert shop.people.books_in_order()


def test_what_never_expires_never_ends(people: People, amina: Member) -> None:
    shop = Endings(people, rules_for(people, pack="US-CA", currency="USD"))
    certificate = shop.certificate(amina, currency="USD")
    people.database.clock_offset = "36500 days"
    assert (shop.expire(), shop.remind()) == (0, 0)
    with pytest.raises(Refusal) as refused:
        shop.extend(amina, certificate)
    assert code(refused) == "not_extendable"


# More time ----------------------------------------------------------------------------------------------------------------
def test_before_its_end_the_months_are_added_to_its_last_day(korea: Endings, amina: Member) -> None:
    certificate = korea.certificate(amina, amount_minor=FACE, currency="KRW")
    korea.people.run("UPDATE certificate SET expires_on = '2028-02-29' WHERE id = :id", id=certificate)
    korea.before_end(certificate, 5)
    (offer,) = korea.extendable(amina)
    assert (offer.certificate_id, offer.left, offer.until) == (certificate, Money(FACE, "KRW"), date(2028, 5, 29))
    op_id = str(uuid4())
    assert korea.extend(amina, certificate, op_id) == date(2028, 5, 29)
    assert korea.extend(amina, certificate, op_id) == date(2028, 5, 29)
    assert korea.last_day(certificate) == date(2028, 5, 29)
    assert korea.people.rows("SELECT ended_on, ends_on FROM extension") == [(date(2028, 2, 29), date(2028, 5, 29))]
    assert korea.posted("certificate extended") == []
    with pytest.raises(Refusal) as refused:
        korea.extend(amina, certificate)
    assert code(refused) == "not_extendable"
    assert korea.extendable(amina) == []


def test_an_extended_certificate_is_reminded_of_anew(shop: Endings, amina: Member) -> None:
    certificate = shop.certificate(amina)
    shop.before_end(certificate, 1)
    shop.remind()
    shop.extend(amina, certificate)
    shop.forget_texts()
    shop.before_end(certificate, 30)
    assert shop.remind() == 1
    assert sentences(shop, amina) == [notices.ENDS_SOON]


def test_after_its_end_it_lives_again_for_the_months_from_today(shop: Endings, amina: Member) -> None:
    certificate = shop.certificate(amina)
    shop.past_end(certificate)
    shop.on(date(2031, 3, 31))
    op_id = str(uuid4())
    assert shop.extend(amina, certificate, op_id) == date(2031, 9, 30)
    assert shop.people.postings(f"{op_id}:extended") == [
        ("2130", str(certificate), FACE),
        ("2100", str(certificate), -FACE),
    ]
    assert (shop.state("certificate", certificate), shop.left(certificate)) == ("live", (FACE, 0))
    shop.spend(amina, certificate, kes(FACE - 1))
    shop.past_end(certificate)
    assert shop.left(certificate) == (0, 1)
    with pytest.raises(Refusal) as refused:
        shop.extend(amina, certificate)
    assert code(refused) == "not_extendable"
    assert shop.people.books_in_order()


def test_only_its_holder_extends_it_and_only_while_something_is_left(shop: Endings, amina: Member) -> None:
    certificate = shop.certificate(amina)
    with pytest.raises(Refusal) as refused:
        shop.extend(shop.people.member("Baraka"), certificate)
    assert code(refused) == "not_yours"
    shop.spend(amina, certificate, kes(FACE))
    with pytest.raises(Refusal) as refused:
        shop.extend(amina, certificate)
    assert code(refused) == "nothing_left"


def test_an_extension_is_offered_from_the_first_reminder_on(shop: Endings, amina: Member) -> None:
    certificate = shop.certificate(amina)
    shop.before_end(certificate, 31)
    assert shop.extendable(amina) == []
    shop.before_end(certificate, 30)
    assert [one.certificate_id for one in shop.extendable(amina)] == [certificate]


# Money back ---------------------------------------------------------------------------------------------------------------
def test_the_share_of_the_law_comes_back_and_the_rest_is_our_fee(korea: Endings, amina: Member) -> None:
    certificate = korea.certificate(amina, "mobile", amount_minor=40_000, currency="KRW")
    korea.spend(amina, certificate, Money(5_555, "KRW"))
    korea.past_end(certificate)
    (ended,) = korea.ended(amina)
    assert (ended.left, ended.share) == (Money(34_445, "KRW"), Money(31_001, "KRW"))  # 90 %, rounded to the holder
    refund = str(uuid4())
    for _ in range(2):
        korea.refund(amina, certificate, ended.share, refund)
    assert korea.people.postings(f"{refund}:owed") == [
        ("2130", str(certificate), 34_445),
        ("2300", refund, -31_001),
        ("4040", "", -3_444),
    ]
    (claimed,) = korea.claimed()
    assert (claimed.rail, claimed.refund.amount_minor) == ("mobile", 31_001)
    korea.paid(refund)
    assert (korea.state("certificate", certificate), korea.ended(amina)) == ("ended", [])
    assert korea.people.books_in_order()


def test_to_whom_it_was_given_has_the_share_by_mobile_money_if_it_was_paid_in_money(
    shop: Endings, amina: Member
) -> None:
    baraka, paid, lent = shop.people.member("Baraka"), shop.certificate(amina, "bank"), shop.certificate(amina, "card")
    for certificate in (paid, lent):
        shop.give(amina, certificate, baraka)
    shop.past_end(paid)
    refund = shop.refund(baraka, paid, kes(FACE))
    assert shop.people.postings(f"{refund}:started") == [("2300", refund, FACE), ("2310", refund, -FACE)]
    with pytest.raises(Refusal) as refused:
        shop.refund(baraka, lent, kes(FACE))
    assert code(refused) == "cash_out_not_here"
    assert shop.left(lent) == (0, FACE)
    shop.extend(baraka, lent)
    assert shop.left(lent) == (FACE, 0)
    assert shop.people.books_in_order()


def test_another_share_or_another_holder_or_a_live_one_is_refused(shop: Endings, amina: Member) -> None:
    certificate, other = shop.certificate(amina), shop.people.member("Baraka")
    shop.before_end(certificate, 0)
    for holder, share, no in ((amina, FACE, "not_returnable"), (other, FACE, "not_yours")):
        with pytest.raises(Refusal) as refused:
            shop.refund(holder, certificate, kes(share))
        assert code(refused) == no
    shop.past_end(certificate)
    with pytest.raises(Refusal) as refused:
        shop.refund(amina, certificate, kes(FACE - 1))
    assert code(refused) == "not_returnable"


# The end of the end -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("pack", "years", "account"), [("KE", 6, "2140"), ("house", 5, "4050")])
def test_what_nobody_asked_for_in_the_laws_time_goes_where_the_law_says(
    people: People, amina: Member, pack: str, years: int, account: str
) -> None:
    shop = Endings(people, rules_for(people, pack=pack))
    certificate = shop.certificate(amina)
    shop.people.run("UPDATE certificate SET expires_on = '2028-11-20' WHERE id = :id", id=certificate)
    shop.past_end(certificate)
    last = date(2028 + years, 11, 20)
    shop.on(last, hour=23)
    assert shop.end_limitation() == 0
    assert [one.until for one in shop.ended(amina)] == [last]
    shop.on(last + timedelta(days=1), hour=0)
    assert shop.ended(amina) == []
    for verb in (lambda: shop.refund(amina, certificate, kes(FACE)), lambda: shop.extend(amina, certificate)):
        with pytest.raises(Refusal):
            verb()
    assert [shop.end_limitation(), shop.end_limitation()] == [1, 0]
    assert shop.posted("limitation ended") == [("2130", str(certificate), FACE), (account, "", -FACE)]
    assert (shop.state("certificate", certificate), shop.left(certificate)) == ("ended", (0, 0))
    assert shop.people.books_in_order()
