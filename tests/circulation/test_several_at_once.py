"""One code for several certificates: spent soonest expiry first, at each store only what it takes, with change kept."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from circulation import wallet
from circulation.members import Member
from circulation.notices import CODE_TOGETHER, GIFT_USED, USED, USED_TOGETHER
from circulation.refusals import Refusal
from storage.database import Database
from tests.people import BUSINESS, People
from tests.tills import Till, kes

LEFT_OF_TODAY = """
    SELECT extract(epoch FROM date_trunc('day', here) + interval '1 day' - here)::int
    FROM (SELECT clock() AT TIME ZONE :zone) AS now(here)"""


def refusal(ask: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as refused:
        ask()
    return refused.value


def expiring(people: People, certificate: int, day: str | None) -> int:
    with people.database.begin() as db:
        db.exec_driver_sql("UPDATE certificate SET expires_on = %s WHERE id = %s", (day, certificate))
    return certificate


def together(people: People, holder: Member) -> wallet.Together | None:
    with people.database.begin() as db:
        return wallet.together(db, people.rules, holder.id)


def parts(people: People, use_id: str) -> list[tuple[int, int]]:
    query = "SELECT certificate_id, captured_minor FROM redemption_part WHERE redemption_id = :id ORDER BY place"
    return [(row.certificate_id, row.captured_minor) for row in people.rows(query, id=use_id)]


def test_what_ends_soonest_is_spent_first_then_the_oldest_and_the_change_is_kept(people: People) -> None:
    holder, till, use_id = people.member(), Till.at(people), str(uuid4())
    never, late, older, soon = people.certificates(holder, 4)
    for certificate, day in ((never, None), (late, "2099-12-31"), (older, None), (soon, "2099-01-31")):
        expiring(people, certificate, day)
    with people.database.begin() as db:
        assert [held.id for held in wallet.held(db, holder.id)] == [soon, late, never, older]
    code = people.code(holder, never, late, older, soon)
    assert (till.check(code).most, till.check(code).issuer) == (kes(200_000), "Giftline")
    done = till.use(code, 130_000, use_id)
    assert people.postings(f"{use_id}:authorised") == [
        ("2100", str(soon), 50_000),
        ("2100", str(late), 50_000),
        ("2100", str(never), 30_000),
        ("2120", use_id, -130_000),
    ]
    assert people.postings(f"{use_id}:captured") == [
        ("2120", use_id, 130_000),
        ("2200", str(till.clerk.store_id), -126_100),
        ("4020", "", -3_900),
    ]
    assert parts(people, use_id) == [(soon, 50_000), (late, 50_000), (never, 30_000)]
    assert [people.owed("2100", certificate) for certificate in (soon, late, never, older)] == [0, 0, 20_000, 50_000]
    told = people.texts(holder.msisdn)[-1]
    assert (told.sentence, told.holes["sheets"], told.holes["left"]) == (USED_TOGETHER, 3, {"money": [20_000, "KES"]})
    assert told.holes["reference"] == done.reference
    assert people.books_in_order()


def test_a_till_is_paid_only_with_what_its_store_takes(people: People) -> None:
    holder = people.member()
    soko, book = people.certificate(holder, "SB"), people.certificate(holder, "KIT", 20_000)
    general = people.certificate(holder, "GL", 100_000)
    asked = together(people, holder)
    assert asked == wallet.Together(sorted([soko, book, general]), kes(150_000))
    market, books = (Till.at(people, people.clerk("GL", prefix)) for prefix in ("SB", "KIT"))
    code = people.code(holder, *asked.certificates)
    assert (market.check(code).issuer, market.check(code).most) == ("Soko Bora + Giftline", kes(150_000))
    assert (books.check(code).issuer, books.check(code).most) == ("Kitabu + Giftline", kes(120_000))
    assert refusal(lambda: books.use(code, 120_001)).holes == {"limit": kes(120_000)}
    assert refusal(lambda: Till.at(people, people.clerk("TU")).use(code, 100)).code == "code_refused"
    books.use(code, 110_000)
    assert [people.owed("2100", certificate) for certificate in (soko, book, general)] == [50_000, 0, 10_000]
    assert people.books_in_order()


def test_a_code_for_several_says_in_its_text_that_the_shop_decides(people: People) -> None:
    holder = people.member()
    people.code(holder, people.certificate(holder, "SB"), people.certificate(holder))
    (told,) = people.texts(holder.msisdn)
    assert (told.sentence, told.secret, told.holes["limit"]) == (CODE_TOGETHER, True, {"money": [100_000, "KES"]})


def test_together_is_offered_only_when_some_store_takes_two_of_them(people: People) -> None:
    holder = people.member()
    assert together(people, holder) is None
    people.certificates(holder, 1, "SB")
    people.certificate(holder, "KIT")
    assert together(people, holder) is None
    ended = people.certificate(holder)
    assert together(people, holder) is not None
    expiring(people, ended, "2020-01-01")
    assert together(people, holder) is None


def test_a_limit_holds_over_all_of_them_and_is_no_more_than_one_shop_takes(people: People) -> None:
    holder, till = people.member(), Till.at(people, people.clerk("GL", "SB"))
    several = [people.certificate(holder), people.certificate(holder, "SB"), people.certificate(holder, "KIT")]
    over = refusal(lambda: people.code(holder, *several, limit=kes(100_001)))
    assert (over.code, over.holes) == ("over_together", {"balance": kes(100_000)})
    code = people.code(holder, *several, limit=kes(60_000))
    assert till.check(code).most == kes(60_000)
    assert refusal(lambda: till.use(code, 60_001)).holes == {"limit": kes(60_000)}
    assert till.use(code, 60_000).amount == kes(60_000)
    assert people.books_in_order()


def test_no_code_is_made_when_one_of_them_left_the_holders_hands(people: People) -> None:
    holder, other = people.member(), people.member()
    mine, given = people.certificates(holder, 2)
    gift = people.gift(holder, given, other.msisdn)
    people.accept(gift, other)
    assert refusal(lambda: people.code(holder, mine, given)).code == "not_yours"


def test_giving_one_of_them_away_ends_the_code_for_all(people: People) -> None:
    holder, till = people.member(), Till.at(people)
    one, two = people.certificates(holder, 2)
    code = people.code(holder, one, two)
    people.gift(holder, two, people.number())
    assert refusal(lambda: till.use(code, 100)).code == "code_refused"


def test_what_has_expired_pays_nothing_from_the_day_after_its_last(people: People) -> None:
    holder, till = people.member(), Till.at(people)
    gone, good, ended = people.certificates(holder, 3)
    code = people.code(holder, gone, good, ended)
    expiring(people, gone, "2020-01-01")
    with people.database.begin() as db:
        db.exec_driver_sql("UPDATE certificate SET state = 'ended' WHERE id = %s", (ended,))
    assert till.check(code).most == kes(50_000)
    assert refusal(lambda: till.use(code, 50_001)).code == "over_code"
    till.use(code, 50_000)
    assert [people.owed("2100", certificate) for certificate in (gone, good, ended)] == [50_000, 0, 50_000]
    assert refusal(lambda: people.code(holder, gone)).code == "expired"


def test_the_last_day_of_a_certificate_is_a_day_of_the_zone_and_ends_at_its_midnight(people: People) -> None:
    holder, till = people.member(), Till.at(people)
    certificate = people.certificate(holder)
    today = people.value("SELECT (clock() AT TIME ZONE :zone)::date::text", zone=people.rules.zone)
    expiring(people, certificate, today)
    seconds = people.value(LEFT_OF_TODAY, zone=people.rules.zone)
    code = people.code(holder, certificate)
    assert till.check(code).most == kes(50_000)
    tomorrow = Database(people.database.url, role=BUSINESS, connections=1)
    tomorrow.clock_offset = f"{seconds + 5} seconds"
    assert refusal(lambda: Till.at(people, till.clerk, tomorrow).check(code)).code == "code_refused"
    tomorrow.close()


def test_each_giver_whose_gift_was_touched_is_told_their_part(people: People) -> None:
    amina, baraka, holder, till = (
        people.member("Amina"),
        people.member("Baraka"),
        people.member("Chebet"),
        Till.at(people),
    )
    for giver, sheets in ((amina, 2), (baraka, 1)):
        for certificate in people.certificates(giver, sheets):
            people.accept(people.gift(giver, certificate, holder.msisdn), holder)
    own = people.certificate(holder)
    with people.database.begin() as db:
        code = people.code(holder, *(held.id for held in wallet.held(db, holder.id)))
    till.use(code, 110_000)
    told = [
        (people.texts(giver.msisdn)[-1].sentence, people.texts(giver.msisdn)[-1].holes) for giver in (amina, baraka)
    ]
    assert [sentence for sentence, _ in told] == [GIFT_USED, GIFT_USED]
    assert [holes["amount"] for _, holes in told] == [{"money": [100_000, "KES"]}, {"money": [10_000, "KES"]}]
    assert len([text for text in people.texts(amina.msisdn) if text.sentence == GIFT_USED]) == 1
    assert people.owed("2100", own) == 50_000


def test_the_histories_tell_a_use_once_and_of_each_certificate_its_part(people: People) -> None:
    holder, till = people.member(), Till.at(people, people.clerk("GL", "SB"))
    soko, general = people.certificate(holder, "SB"), people.certificate(holder)
    done = till.use(people.code(holder, soko, general), 70_000)
    with people.database.begin() as db:
        (whole,) = wallet.uses(db, holder.id)
        of_each = [wallet.uses(db, holder.id, certificate) for certificate in (soko, general)]
        last = wallet.last(db, holder.id)
    assert (whole.issuer, whole.amount, whole.reference) == ("Soko Bora + Giftline", kes(70_000), done.reference)
    assert [[(event.issuer, event.amount) for event in events] for events in of_each] == [
        [("Soko Bora", kes(50_000))],
        [("Giftline", kes(20_000))],
    ]
    assert last == whole


def test_one_certificate_used_by_a_code_for_several_is_told_as_one(people: People) -> None:
    holder, till = people.member(), Till.at(people)
    till.use(people.code(holder, *people.certificates(holder, 2)), 100)
    assert people.texts(holder.msisdn)[-1].sentence == USED
