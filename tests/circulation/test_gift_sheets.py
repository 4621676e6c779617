"""Gifts of several sheets: one issuer, one escrow account, one answer for all of them."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from circulation import gifting, one_time_codes, redemption, sheets
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.notices import GIFT_ACCEPTED, GIFT_LAPSED, GIFT_SENT, GIFT_WAITS_NO_NOTE
from circulation.refusals import Refusal
from storage.database import Database
from tests.people import BUSINESS, People

FACE = 50_000


def give(people: People, giver: Member, certificates: list[int], recipient: Msisdn, *, receipt: bool = False) -> str:
    """Offer these sheets; the gift's id."""
    gift_id = str(uuid4())
    with people.database.begin() as db:
        gifting.give(
            db,
            people.rules,
            gift_id=gift_id,
            giver=giver,
            certificates=certificates,
            recipient=recipient,
            note="",
            receipt=receipt,
        )
    return gift_id


def holders(people: People, certificates: list[int]) -> set[int]:
    query = "SELECT holder_id FROM certificate WHERE id = ANY(:ids)"
    return {int(row.holder_id) for row in people.rows(query, ids=certificates)}


def alike(people: People, holder: Member, certificate: int) -> list[int]:
    with people.database.begin() as db:
        return sheets.alike(db, people.rules, holder, certificate)


def spend(people: People, holder: Member, certificate: int, amount_minor: int) -> None:
    code = people.code(holder, certificate)
    with people.database.begin() as db:
        paid = Money(amount_minor, "KES")
        redemption.use(db, people.rules, use_id=str(uuid4()), clerk=people.clerk(), code=code, amount=paid)


def test_all_sheets_of_a_gift_rest_in_one_escrow_account_and_both_sides_hear_the_sum(people: People) -> None:
    giver, recipient = people.member("Amina"), people.number()
    one, two, three = people.certificates(giver, 3)

    gift_id = give(people, giver, [two, one, three], recipient, receipt=True)

    assert people.postings(f"{gift_id}:offered") == [
        ("2100", str(two), FACE),
        ("2100", str(one), FACE),
        ("2100", str(three), FACE),
        ("2110", gift_id, -3 * FACE),
    ]
    (waits,), (sent,) = people.texts(recipient), people.texts(giver.msisdn)
    assert (waits.sentence, sent.sentence) == (GIFT_WAITS_NO_NOTE, GIFT_SENT)
    assert waits.holes["amount"] == sent.holes["amount"] == {"money": [3 * FACE, "KES"]}
    kept = people.rows("SELECT place, certificate_id, amount_minor, open FROM gift_sheet ORDER BY place")
    assert [tuple(row) for row in kept] == [(1, two, FACE, True), (2, one, FACE, True), (3, three, FACE, True)]
    assert people.books_in_order()


def test_who_accepts_holds_every_sheet_and_the_giver_is_told_once(people: People) -> None:
    giver, recipient = people.member("Amina"), people.member("Baraka")
    bought = people.certificates(giver, 2)
    gift_id = give(people, giver, bought, recipient.msisdn)

    for _ in range(2):
        with people.database.begin() as db:
            gifting.accept(db, people.rules, gift_id=gift_id, recipient=recipient)

    assert people.postings(f"{gift_id}:answered") == [
        ("2110", gift_id, 2 * FACE),
        ("2100", str(bought[0]), -FACE),
        ("2100", str(bought[1]), -FACE),
    ]
    assert holders(people, bought) == {recipient.id}
    assert [told.sentence for told in people.texts(giver.msisdn)] == [GIFT_ACCEPTED]
    assert people.value("SELECT count(*) FROM gift_sheet WHERE open") == 0
    assert people.books_in_order()


def test_an_unanswered_gift_of_several_sheets_comes_back_to_the_same_sheets(people: People) -> None:
    giver = people.member()
    one, two = people.certificates(giver, 2)
    spend(people, giver, one, 20_000)
    gift_id = give(people, giver, [one, two], people.number())
    later = Database(people.database.url, role=BUSINESS, connections=1)
    later.clock_offset = "7 days 1 second"

    with later.begin() as db:
        gifting.lapse(db, people.rules, gift_id=gift_id)
    later.close()

    assert (people.owed("2100", one), people.owed("2100", two), people.owed("2110", gift_id)) == (30_000, FACE, 0)
    assert [told.sentence for told in people.texts(giver.msisdn)][-1] == GIFT_LAPSED
    assert people.texts(giver.msisdn)[-1].holes["amount"] == {"money": [80_000, "KES"]}
    assert holders(people, [one, two]) == {giver.id}
    assert people.books_in_order()


def test_a_giver_is_told_of_the_use_of_every_sheet(people: People) -> None:
    giver, recipient = people.member(), people.member()
    bought = people.certificates(giver, 2)
    gift_id = give(people, giver, bought, recipient.msisdn)
    with people.database.begin() as db:
        gifting.accept(db, people.rules, gift_id=gift_id, recipient=recipient)

    for certificate in bought:
        spend(people, recipient, certificate, 10_000)

    told = [notice.sentence for notice in people.texts(giver.msisdn)]
    assert sum("was used" in sentence for sentence in told) == 2


def test_only_untouched_sheets_of_the_same_issuer_and_value_go_together(people: People) -> None:
    holder, other = people.member(), people.member()
    first, second, third, used = people.certificates(holder, 4)
    spend(people, holder, used, 100)
    cheaper = people.certificate(holder, amount_minor=20_000)
    elsewhere = people.certificate(holder, prefix="SB")
    people.certificate(other)

    assert alike(people, holder, second) == [second, first, third]
    assert alike(people, holder, used) == [used]
    assert alike(people, holder, cheaper) == [cheaper]
    assert alike(people, holder, elsewhere) == [elsewhere]
    give(people, holder, [first, third], people.number())
    assert alike(people, holder, second) == [second]


def test_no_more_go_together_than_are_sold_together(people: People) -> None:
    holder = people.member()
    people.certificates(holder, 9)
    (last,) = people.certificates(holder, 1)

    found = alike(people, holder, last)

    assert (len(found), found[0]) == (people.rules.most_sheets, last)


def test_a_gift_is_given_whole_or_not_at_all(people: People) -> None:
    giver, other = people.member(), people.member()
    one, two = people.certificates(giver, 2)
    theirs = people.certificate(other)
    give(people, giver, [two], people.number())

    for certificates, code in (([one, two], "nothing_left"), ([one, theirs], "not_yours")):
        with pytest.raises(Refusal) as refused:
            give(people, giver, certificates, people.number())
        assert refused.value.code == code

    assert people.owed("2100", one) == FACE
    assert people.value("SELECT count(*) FROM gift") == 1
    assert people.books_in_order()


def test_sheets_of_two_issuers_or_one_sheet_twice_are_no_gift(people: People) -> None:
    giver = people.member()
    one, other = people.certificate(giver), people.certificate(giver, prefix="SB")

    for certificates in ([one, other], [one, one], []):
        with pytest.raises(ValueError, match="one issuer"):
            give(people, giver, certificates, people.number())

    assert people.value("SELECT count(*) FROM gift") == 0


def test_the_codes_of_all_sheets_given_are_void(people: People) -> None:
    giver, clerk = people.member(), people.clerk()
    one, two = people.certificates(giver, 2)
    code = people.code(giver, two)

    give(people, giver, [one, two], people.number())

    with pytest.raises(Refusal) as refused, people.database.begin() as db:
        one_time_codes.check(db, people.rules, clerk=clerk, code=code)
    assert refused.value.code == "code_refused"


def test_what_has_expired_is_not_given_and_what_ends_today_is(people: People) -> None:
    giver = people.member()
    ended, marked, last_day = people.certificates(giver, 3)
    today = people.value("SELECT (clock() AT TIME ZONE :zone)::date", zone=people.rules.zone)
    for certificate, day in ((ended, today - timedelta(days=1)), (last_day, today)):
        people.run("UPDATE certificate SET expires_on = :day WHERE id = :id", day=day, id=certificate)
    people.run("UPDATE certificate SET state = 'expired' WHERE id = :id", id=marked)

    for certificate in (ended, marked):
        with pytest.raises(Refusal) as refused:
            give(people, giver, [certificate], people.number())
        assert refused.value.code == "expired"

    assert alike(people, giver, last_day) == [last_day]
    give(people, giver, [last_day], people.number())
    assert isinstance(today, date)
    assert people.books_in_order()


def test_the_database_holds_a_sheet_in_one_open_gift_at_most(people: People) -> None:
    giver = people.member()
    one, two = people.certificates(giver, 2)
    give(people, giver, [one], people.number())
    other = give(people, giver, [two], people.number())

    with pytest.raises(IntegrityError, match="gift_sheet_one_open"):
        people.run(
            "INSERT INTO gift_sheet (gift_id, place, certificate_id, amount_minor) VALUES (:gift, 2, :sheet, 1)",
            gift=other,
            sheet=one,
        )
