"""Redemption: a code is good once, at stores that take its issuer, for what is left; all else is one refusal."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from circulation import gifting, one_time_codes, redemption
from circulation.catalogue import Clerk
from circulation.codes import valid
from circulation.members import Member
from circulation.money import Money
from circulation.notices import CODE, GIFT_USED, USED
from circulation.one_time_codes import Code, Payable
from circulation.redemption import Use
from circulation.refusals import Refusal
from storage.database import Database
from tests.people import BUSINESS, People, any_code

FACE = 50_000


def kes(amount_minor: int) -> Money:
    return Money(amount_minor, "KES")


def ask(
    people: People,
    holder: Member,
    certificate: int,
    limit: Money | None = None,
    *,
    code_id: str | None = None,
    receipt: bool = False,
) -> Code:
    with people.database.begin() as db:
        return one_time_codes.ask_code(
            db,
            people.rules,
            code_id=code_id or str(uuid4()),
            holder=holder,
            certificates=[certificate],
            limit=limit,
            receipt=receipt,
        )


def check(people: People, clerk: Clerk, code: str, database: Database | None = None) -> Payable:
    with (database or people.database).begin() as db:
        return one_time_codes.check(db, people.rules, clerk=clerk, code=code)


def use(
    people: People, clerk: Clerk, code: str, amount: Money, use_id: str | None = None, database: Database | None = None
) -> Use:
    with (database or people.database).begin() as db:
        return redemption.use(db, people.rules, use_id=use_id or str(uuid4()), clerk=clerk, code=code, amount=amount)


def refused_use(people: People, clerk: Clerk, code: str, amount: Money) -> Refusal:
    with pytest.raises(Refusal) as refused:
        use(people, clerk, code, amount)
    return refused.value


def failures(people: People) -> dict[str, int]:
    return {row.scope: row.failures for row in people.rows("SELECT scope, failures FROM attempt_counter")}


class Shop:
    """A customer with a certificate, and a clerk who takes it."""

    def __init__(self, people: People) -> None:
        self.holder = people.member()
        self.certificate = people.certificate(self.holder)
        self.clerk = people.clerk(commission_bps=300)


@pytest.fixture
def shop(people: People) -> Shop:
    return Shop(people)


# Asking ----------------------------------------------------------------------------------------------------------------
def test_a_code_is_twelve_digits_and_is_sent_as_a_secret_when_asked_for(people: People, shop: Shop) -> None:
    asked = ask(people, shop.holder, shop.certificate, receipt=True)
    assert valid(asked.code.replace(" ", ""))
    assert (len(asked.code.split()), asked.limit) == (3, kes(FACE))
    (sent,) = people.texts(shop.holder.msisdn)
    assert (sent.sentence, sent.secret) == (CODE, True)
    assert sent.holes == {
        "code": asked.code,
        "until": {"time": asked.until.isoformat()},
        "limit": {"money": [FACE, "KES"]},
        "issuer": "Giftline",
    }


def test_the_database_does_not_know_the_code(people: People, shop: Shop) -> None:
    code = ask(people, shop.holder, shop.certificate).code.replace(" ", "")
    (row,) = people.rows("SELECT redemption_code::text AS all_of_it FROM redemption_code")
    assert code not in row.all_of_it
    assert code.encode().hex() not in row.all_of_it


def test_the_same_question_gives_the_same_code_once(people: People, shop: Shop) -> None:
    code_id = str(uuid4())
    first = ask(people, shop.holder, shop.certificate, kes(20_000), code_id=code_id, receipt=True)
    assert ask(people, shop.holder, shop.certificate, kes(20_000), code_id=code_id, receipt=True) == first
    assert len(people.texts(shop.holder.msisdn)) == 1
    assert people.value("SELECT count(*) FROM redemption_code") == 1


def test_a_question_asked_again_does_not_void_the_code_that_came_after_it(people: People, shop: Shop) -> None:
    code_id = str(uuid4())
    ask(people, shop.holder, shop.certificate, code_id=code_id)
    newer = people.code(shop.holder, shop.certificate)
    ask(people, shop.holder, shop.certificate, code_id=code_id)
    assert check(people, shop.clerk, newer).most == kes(FACE)


def test_a_new_code_voids_the_one_before_it(people: People, shop: Shop) -> None:
    older, newer = people.code(shop.holder, shop.certificate), people.code(shop.holder, shop.certificate)
    assert refused_use(people, shop.clerk, older, kes(100)).code == "code_refused"
    assert use(people, shop.clerk, newer, kes(100)).amount == kes(100)


def test_codes_of_two_people_live_side_by_side(people: People, shop: Shop) -> None:
    other = people.member()
    codes = [people.code(shop.holder, shop.certificate), people.code(other, people.certificate(other))]
    assert [check(people, shop.clerk, code).most for code in codes] == [kes(FACE), kes(FACE)]


def test_no_code_for_what_is_not_held_is_empty_or_is_too_little(people: People, shop: Shop) -> None:
    stranger = people.member()
    for holder, certificate in ((stranger, shop.certificate), (shop.holder, 10**9)):
        with pytest.raises(Refusal) as refused:
            ask(people, holder, certificate)
        assert refused.value.code == "not_yours"
    with pytest.raises(Refusal) as refused:
        ask(people, shop.holder, shop.certificate, kes(FACE + 1))
    assert (refused.value.code, refused.value.holes) == ("over_balance", {"balance": kes(FACE)})
    use(people, shop.clerk, people.code(shop.holder, shop.certificate), kes(FACE))
    with pytest.raises(Refusal) as refused:
        ask(people, shop.holder, shop.certificate)
    assert refused.value.code == "nothing_left"


# Checking and using ----------------------------------------------------------------------------------------------------
def test_a_check_says_what_the_code_pays_and_uses_nothing(people: People, shop: Shop) -> None:
    asked = ask(people, shop.holder, shop.certificate, kes(20_000))
    for _ in range(2):
        assert check(people, shop.clerk, asked.code.replace(" ", "")) == Payable("Giftline", kes(20_000), asked.until)
    assert people.owed("2100", shop.certificate) == FACE
    assert set(failures(people).values()) == {0}


def test_the_postings_of_a_use_are_the_hold_and_the_capture_with_its_commission(people: People, shop: Shop) -> None:
    code, use_id = people.code(shop.holder, shop.certificate), str(uuid4())
    done = use(people, shop.clerk, code, kes(35_050), use_id)
    hold = use_id
    assert people.postings(f"{use_id}:authorised") == [
        ("2100", str(shop.certificate), 35_050),
        ("2120", hold, -35_050),
    ]
    assert people.postings(f"{use_id}:captured") == [
        ("2120", hold, 35_050),
        ("2200", str(shop.clerk.store_id), -33_998),  # 3 % of 350.50 is 10.515: half a cent goes up
        ("4020", "", -1_052),
    ]
    row = people.rows("SELECT * FROM redemption")[0]
    assert (str(row.id), row.reference, row.clerk_id, row.amount_minor, row.commission_minor) == (
        use_id,
        done.reference,
        shop.clerk.id,
        35_050,
        1_052,
    )
    assert people.owed("2100", shop.certificate) == FACE - 35_050
    assert people.books_in_order()


@pytest.mark.parametrize(("bps", "commission"), [(0, 0), (10_000, 10_000)])
def test_a_store_may_pay_no_commission_or_earn_nothing_else(
    people: People, shop: Shop, bps: int, commission: int
) -> None:
    clerk = people.clerk(commission_bps=bps)
    use(people, clerk, people.code(shop.holder, shop.certificate), kes(10_000))
    assert people.owed("2200", clerk.store_id) == 10_000 - commission
    assert people.owed("4020", "") == commission
    assert people.books_in_order()


def test_the_holder_is_told_what_was_paid_where_and_what_is_left(people: People, shop: Shop) -> None:
    done = use(people, shop.clerk, people.code(shop.holder, shop.certificate), kes(35_000))
    told = people.texts(shop.holder.msisdn)[-1]
    assert (told.sentence, told.holes) == (
        USED,
        {
            "amount": {"money": [35_000, "KES"]},
            "issuer": "Giftline",
            "reference": done.reference,
            "store": shop.clerk.store,
            "left": {"money": [15_000, "KES"]},
        },
    )


def test_the_giver_learns_that_the_gift_was_used_and_not_where(people: People, shop: Shop) -> None:
    recipient = people.member("Baraka")
    gift = people.gift(shop.holder, shop.certificate, recipient.msisdn)
    with people.database.begin() as db:
        gifting.accept(db, people.rules, gift_id=gift, recipient=recipient)
    done = use(people, shop.clerk, people.code(recipient, shop.certificate), kes(35_000))
    told = people.texts(shop.holder.msisdn)[-1]
    assert (told.sentence, told.holes) == (
        GIFT_USED,
        {
            "recipient": {"msisdn": recipient.msisdn.e164},
            "amount": {"money": [35_000, "KES"]},
            "issuer": "Giftline",
            "reference": done.reference,
        },
    )


def test_what_is_left_can_be_used_with_the_next_code_to_the_last_cent(people: People, shop: Shop) -> None:
    use(people, shop.clerk, people.code(shop.holder, shop.certificate), kes(FACE - 1))
    use(people, people.clerk(), people.code(shop.holder, shop.certificate), kes(1))
    assert people.owed("2100", shop.certificate) == 0
    assert people.books_in_order()


def test_a_code_pays_once_and_whoever_used_it_may_ask_again(people: People, shop: Shop) -> None:
    code = people.code(shop.holder, shop.certificate)
    first = use(people, shop.clerk, code, kes(100))
    assert use(people, shop.clerk, code, kes(100)) == Use(first.reference, kes(100), again=True)
    assert refused_use(people, shop.clerk, code, kes(200)).code == "code_refused"
    assert refused_use(people, people.clerk(), code, kes(100)).code == "code_refused"
    assert len([told for told in people.texts(shop.holder.msisdn) if told.sentence == USED]) == 1
    assert people.owed("2100", shop.certificate) == FACE - 100
    assert people.books_in_order()


def test_more_than_the_code_pays_is_refused_and_the_code_stays_good(people: People, shop: Shop) -> None:
    limited = people.code(shop.holder, shop.certificate, limit=kes(20_000))
    refusal = refused_use(people, shop.clerk, limited, kes(20_001))
    assert (refusal.code, refusal.holes) == ("over_code", {"limit": kes(20_000)})
    assert use(people, shop.clerk, limited, kes(20_000)).amount == kes(20_000)
    rest = people.code(shop.holder, shop.certificate)
    assert refused_use(people, shop.clerk, rest, kes(FACE)).holes == {"limit": kes(30_000)}
    assert refused_use(people, shop.clerk, rest, Money(100, "UGX")).code == "over_code"
    assert use(people, shop.clerk, rest, kes(30_000)).amount == kes(30_000)
    assert set(failures(people).values()) == {0}
    assert people.books_in_order()


def test_one_refusal_for_unknown_expired_used_voided_and_other_stores_codes(people: People, shop: Shop) -> None:
    later = Database(people.database.url, role=BUSINESS, connections=1)
    later.clock_offset = f"{people.rules.code_seconds} seconds"
    codes = {"voided": people.code(shop.holder, shop.certificate)}
    codes["used"] = people.code(shop.holder, shop.certificate)
    use(people, people.clerk(), codes["used"], kes(100))
    codes["unknown"] = any_code()
    codes["expired"] = codes["other store's"] = people.code(shop.holder, shop.certificate)
    clerks = {"other store's": people.clerk("KIT")}
    for why, code in codes.items():
        clerk, database = clerks.get(why) or people.clerk(), later if why == "expired" else people.database
        with pytest.raises(Refusal) as checked:
            check(people, clerk, code, database)
        with pytest.raises(Refusal) as used:
            use(people, clerk, code, kes(100), database=database)
        for refused in (checked.value, used.value):
            assert (refused.code, refused.holes) == ("code_refused", {}), why
    later.close()
    assert people.owed("2100", shop.certificate) == FACE - 100


def test_a_code_works_to_the_last_second_of_its_life(people: People, shop: Shop) -> None:
    code = people.code(shop.holder, shop.certificate)
    almost = Database(people.database.url, role=BUSINESS, connections=1)
    almost.clock_offset = f"{people.rules.code_seconds - 60} seconds"
    assert check(people, shop.clerk, code, almost).most == kes(FACE)
    almost.close()


def test_bad_codes_lock_the_clerk_and_not_the_customer(people: People, shop: Shop) -> None:
    code = people.code(shop.holder, shop.certificate)
    for _ in range(5):
        assert refused_use(people, shop.clerk, any_code(), kes(100)).code == "code_refused"
    assert refused_use(people, shop.clerk, code, kes(100)).code == "locked"
    with pytest.raises(Refusal) as refused:
        check(people, shop.clerk, code)
    assert refused.value.code == "locked"
    colleague = people.clerk(store_id=shop.clerk.store_id)
    assert use(people, colleague, code, kes(100)).amount == kes(100)


def test_twenty_bad_codes_from_one_store_lock_all_its_tills(people: People, shop: Shop) -> None:
    for _ in range(5):
        guesser = people.clerk(store_id=shop.clerk.store_id)
        for _ in range(4):
            assert refused_use(people, guesser, any_code(), kes(100)).code == "code_refused"
    code = people.code(shop.holder, shop.certificate)
    assert refused_use(people, shop.clerk, code, kes(100)).code == "locked"
    assert use(people, people.clerk(), code, kes(100)).amount == kes(100)


def test_good_codes_buy_no_free_guesses(people: People, shop: Shop) -> None:
    for _ in range(4):
        refused_use(people, shop.clerk, any_code(), kes(100))
    use(people, shop.clerk, people.code(shop.holder, shop.certificate), kes(100))
    assert failures(people) == {"code by clerk": 4, "code by store": 4}
    refused_use(people, shop.clerk, any_code(), kes(100))
    assert refused_use(people, shop.clerk, any_code(), kes(100)).code == "locked"


def test_a_failure_is_counted_though_its_turn_is_rolled_back(people: People, shop: Shop) -> None:
    def guess() -> None:
        with people.database.begin() as db:
            db.execute(text("UPDATE store SET commission_bps = 1"))
            one_time_codes.check(db, people.rules, clerk=shop.clerk, code=any_code())

    with pytest.raises(Refusal):
        guess()
    assert people.value("SELECT count(*) FROM store WHERE commission_bps = 1") == 0
    assert failures(people) == {"code by clerk": 1, "code by store": 1}


def test_a_certificate_that_changed_hands_is_not_paid_with_its_old_holders_code(people: People, shop: Shop) -> None:
    """Though the code should never have lived on: whoever holds the certificate must have asked for it."""
    code = people.code(shop.holder, shop.certificate)
    with people.database.begin() as db:
        heir = people.member()
        moved = "UPDATE certificate SET holder_id = :heir WHERE id = :id"
        db.execute(text(moved), {"heir": heir.id, "id": shop.certificate})
    assert refused_use(people, shop.clerk, code, kes(100)).code == "code_refused"
    assert people.owed("2100", shop.certificate) == FACE
