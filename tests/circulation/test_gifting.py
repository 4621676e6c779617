"""Gifts: in escrow until the answer, answered once, and both sides told once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from circulation import gifting, one_time_codes, redemption
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.notices import (
    GIFT_ACCEPTED,
    GIFT_DECLINED,
    GIFT_LAPSED,
    GIFT_SENT,
    GIFT_WAITS,
    GIFT_WAITS_NO_NOTE,
)
from circulation.refusals import Refusal
from storage.database import Database
from tests.people import BUSINESS, People

FACE = 50_000
KES_500 = {"money": [FACE, "KES"]}


def give(
    people: People,
    giver: Member,
    certificate: int,
    recipient: Msisdn,
    *,
    gift_id: str | None = None,
    note: str = "",
    receipt: bool = False,
) -> str:
    with people.database.begin() as db:
        return gifting.give(
            db,
            people.rules,
            gift_id=gift_id or str(uuid4()),
            giver=giver,
            certificates=[certificate],
            recipient=recipient,
            note=note,
            receipt=receipt,
        )


def accept(people: People, gift_id: str, recipient: Member) -> None:
    with people.database.begin() as db:
        gifting.accept(db, people.rules, gift_id=gift_id, recipient=recipient)


def decline(people: People, gift_id: str, recipient: Member) -> None:
    with people.database.begin() as db:
        gifting.decline(db, people.rules, gift_id=gift_id, recipient=recipient)


def lapse(people: People, gift_id: str, database: Database | None = None) -> None:
    with (database or people.database).begin() as db:
        gifting.lapse(db, people.rules, gift_id=gift_id)


def offers(people: People, recipient: Msisdn) -> list[gifting.Offer]:
    with people.database.begin() as db:
        return gifting.offers(db, recipient)


def holder_of(people: People, certificate: int) -> int:
    return int(people.value("SELECT holder_id FROM certificate WHERE id = :id", id=certificate))


def state_of(people: People, gift_id: str) -> str:
    return str(people.value("SELECT state FROM gift WHERE id = :id", id=gift_id))


def refusal_of(raised: pytest.ExceptionInfo[Refusal]) -> str:
    return raised.value.code


@pytest.fixture
def next_week(people: People) -> Database:
    """The same database, when the time to answer is over."""
    later = Database(people.database.url, role=BUSINESS, connections=1)
    later.clock_offset = "7 days 1 second"
    return later


def test_an_offered_gift_rests_in_escrow_and_the_recipient_hears_of_it(people: People) -> None:
    giver, recipient, gift_id = people.member("Amina"), people.number(), str(uuid4())
    certificate = people.certificate(giver)
    reference = give(people, giver, certificate, recipient, gift_id=gift_id, note="Happy birthday!")
    assert people.postings(f"{gift_id}:offered") == [("2100", str(certificate), FACE), ("2110", gift_id, -FACE)]
    assert holder_of(people, certificate) == giver.id
    (waits,) = people.texts(recipient)
    until = datetime.fromisoformat(waits.holes.pop("until")["time"])
    made = people.value("SELECT created_at FROM gift")
    assert until - made == timedelta(seconds=people.rules.gift_lapse_seconds)
    assert (waits.sentence, waits.holes) == (
        GIFT_WAITS,
        {
            "giver": "Amina",
            "issuer": "Giftline",
            "amount": KES_500,
            "note": "Happy birthday!",
            "service_code": people.rules.service_code,
        },
    )
    assert people.texts(giver.msisdn) == []
    assert people.value("SELECT reference FROM gift WHERE id = :id", id=gift_id) == reference
    assert people.books_in_order()


def test_a_stranger_is_told_in_the_givers_language_and_a_member_in_their_own(people: People) -> None:
    giver, known, stranger = people.member(language="sw"), people.member(language="en"), people.number()
    for recipient in (known.msisdn, stranger):
        give(people, giver, people.certificate(giver), recipient)
    assert people.texts(known.msisdn)[0].language == "en"
    assert people.texts(stranger)[0].language == "sw"
    assert people.texts(stranger)[0].sentence == GIFT_WAITS_NO_NOTE


def test_the_giver_gets_a_receipt_when_it_is_asked_for(people: People) -> None:
    giver, recipient = people.member(), people.number()
    reference = give(people, giver, people.certificate(giver), recipient, receipt=True)
    (sent,) = people.texts(giver.msisdn)
    assert (sent.sentence, sent.holes) == (
        GIFT_SENT,
        {
            "reference": reference,
            "issuer": "Giftline",
            "amount": KES_500,
            "recipient": {"msisdn": recipient.e164},
        },
    )


def test_the_same_gift_given_again_is_given_once(people: People) -> None:
    giver, recipient, gift_id = people.member(), people.number(), str(uuid4())
    certificate = people.certificate(giver)
    first = give(people, giver, certificate, recipient, gift_id=gift_id, receipt=True)
    assert give(people, giver, certificate, recipient, gift_id=gift_id, receipt=True) == first
    assert len(people.texts(recipient)) == len(people.texts(giver.msisdn)) == 1
    assert people.owed("2110", gift_id) == FACE
    assert people.books_in_order()


def test_only_what_is_left_is_given(people: People) -> None:
    giver, clerk = people.member(), people.clerk()
    certificate = people.certificate(giver)
    code = people.code(giver, certificate)
    with people.database.begin() as db:
        paid = Money(35_000, "KES")
        redemption.use(db, people.rules, use_id=str(uuid4()), clerk=clerk, code=code, amount=paid)
    gift_id = people.gift(giver, certificate, people.number())
    assert people.owed("2110", gift_id) == 15_000
    assert people.value("SELECT amount_minor FROM gift") == 15_000
    assert people.books_in_order()


def test_nobody_gives_to_themselves_or_what_is_not_theirs_or_nothing(people: People) -> None:
    giver, other = people.member(), people.member()
    certificate = people.certificate(giver)
    with pytest.raises(Refusal) as refused:
        give(people, giver, certificate, giver.msisdn)
    assert refusal_of(refused) == "own_number"
    with pytest.raises(Refusal) as refused:
        give(people, other, certificate, people.number())
    assert refusal_of(refused) == "not_yours"
    with pytest.raises(Refusal) as refused:
        give(people, giver, 10**9, people.number())
    assert refusal_of(refused) == "not_yours"
    give(people, giver, certificate, other.msisdn)
    with pytest.raises(Refusal) as refused:
        give(people, giver, certificate, people.number())
    assert refusal_of(refused) == "nothing_left"
    assert people.value("SELECT count(*) FROM gift") == 1
    assert people.books_in_order()


def test_a_code_for_what_was_given_away_is_void_even_after_the_gift_came_back(people: People) -> None:
    giver, recipient, clerk = people.member(), people.member(), people.clerk()
    certificate = people.certificate(giver)
    code = people.code(giver, certificate)
    gift_id = people.gift(giver, certificate, recipient.msisdn)
    with pytest.raises(Refusal) as refused, people.database.begin() as db:
        one_time_codes.check(db, people.rules, clerk=clerk, code=code)
    assert refusal_of(refused) == "code_refused"
    decline(people, gift_id, recipient)
    with pytest.raises(Refusal) as refused, people.database.begin() as db:
        redemption.use(db, people.rules, use_id=str(uuid4()), clerk=clerk, code=code, amount=Money(100, "KES"))
    assert refusal_of(refused) == "code_refused"


def test_a_gift_leaves_the_code_of_another_certificate_alone(people: People) -> None:
    giver, clerk = people.member(), people.clerk()
    kept, given = people.certificates(giver, 2)
    code = people.code(giver, kept)
    people.gift(giver, given, people.number())
    with people.database.begin() as db:
        assert one_time_codes.check(db, people.rules, clerk=clerk, code=code).most == Money(FACE, "KES")


def test_waiting_gifts_are_shown_newest_first_to_their_recipient_only(people: People) -> None:
    giver, recipient = people.member("Amina"), people.number()
    older = people.gift(giver, people.certificate(giver), recipient, "one")
    newer = people.gift(giver, people.certificate(giver), recipient, "two")
    shown = offers(people, recipient)
    assert [(offer.id, offer.note, offer.giver, offer.issuer, offer.amount) for offer in shown] == [
        (newer, "two", "Amina", "Giftline", Money(FACE, "KES")),
        (older, "one", "Amina", "Giftline", Money(FACE, "KES")),
    ]
    assert all(0 <= offer.age_seconds < 60 for offer in shown)
    assert offers(people, giver.msisdn) == []


def test_who_accepts_holds_the_certificate_and_the_giver_is_told_once(people: People) -> None:
    giver, recipient = people.member(), people.member("Baraka")
    certificate = people.certificate(giver)
    gift_id = people.gift(giver, certificate, recipient.msisdn)
    for _ in range(2):
        accept(people, gift_id, recipient)
    assert holder_of(people, certificate) == recipient.id
    assert people.postings(f"{gift_id}:answered") == [("2110", gift_id, FACE), ("2100", str(certificate), -FACE)]
    (told,) = people.texts(giver.msisdn)
    reference = people.value("SELECT reference FROM gift WHERE id = :id", id=gift_id)
    assert (told.sentence, told.holes) == (
        GIFT_ACCEPTED,
        {
            "recipient": {"msisdn": recipient.msisdn.e164},
            "issuer": "Giftline",
            "amount": KES_500,
            "reference": reference,
        },
    )
    assert offers(people, recipient.msisdn) == []
    assert people.books_in_order()


def test_who_declines_sends_it_back_and_the_giver_is_told_once(people: People) -> None:
    giver, recipient = people.member(), people.member("Baraka")
    certificate = people.certificate(giver)
    gift_id = people.gift(giver, certificate, recipient.msisdn)
    for _ in range(2):
        decline(people, gift_id, recipient)
    assert (holder_of(people, certificate), people.owed("2100", certificate)) == (giver.id, FACE)
    assert [told.sentence for told in people.texts(giver.msisdn)] == [GIFT_DECLINED]
    people.gift(giver, certificate, people.number())
    assert people.books_in_order()


def test_an_answer_is_final(people: People) -> None:
    giver, recipient = people.member(), people.member()
    certificate = people.certificate(giver)
    accepted = people.gift(giver, certificate, recipient.msisdn)
    accept(people, accepted, recipient)
    declined = people.gift(giver, people.certificate(giver), recipient.msisdn)
    decline(people, declined, recipient)
    for gift_id, verb in ((accepted, decline), (declined, accept)):
        with pytest.raises(Refusal) as refused:
            verb(people, gift_id, recipient)
        assert refusal_of(refused) == "gift_answered"
    assert (state_of(people, accepted), state_of(people, declined)) == ("accepted", "declined")
    assert people.books_in_order()


@pytest.mark.parametrize("verb", [accept, decline])
def test_nobody_else_answers_a_gift(people: People, verb: Callable[..., None]) -> None:
    giver, recipient, thief = people.member(), people.member(), people.member()
    gift_id = people.gift(giver, people.certificate(giver), recipient.msisdn)
    for somebody in (thief, giver):
        with pytest.raises(Refusal) as refused:
            verb(people, gift_id, somebody)
        assert refusal_of(refused) == "gift_answered"
    assert state_of(people, gift_id) == "offered"
    with pytest.raises(Refusal) as refused:
        verb(people, str(uuid4()), recipient)
    assert refusal_of(refused) == "gift_answered"


def test_an_unanswered_gift_lapses_back_to_its_giver_who_is_told_once(people: People, next_week: Database) -> None:
    giver, recipient = people.member(), people.number()
    certificate = people.certificate(giver)
    gift_id = people.gift(giver, certificate, recipient)
    with next_week.begin() as db:
        assert gifting.due(db, limit=10) == [gift_id]
        assert gifting.offers(db, recipient) == []
    for _ in range(2):
        lapse(people, gift_id, next_week)
    next_week.close()
    assert (state_of(people, gift_id), holder_of(people, certificate)) == ("lapsed", giver.id)
    assert people.postings(f"{gift_id}:answered") == [("2110", gift_id, FACE), ("2100", str(certificate), -FACE)]
    assert [told.sentence for told in people.texts(giver.msisdn)] == [GIFT_LAPSED]
    assert people.books_in_order()


def test_no_gift_lapses_before_its_time_or_after_its_answer(people: People, next_week: Database) -> None:
    giver, recipient = people.member(), people.member()
    early = people.gift(giver, people.certificate(giver), recipient.msisdn)
    answered = people.gift(giver, people.certificate(giver), recipient.msisdn)
    accept(people, answered, recipient)
    lapse(people, early)
    lapse(people, answered, next_week)
    next_week.close()
    with people.database.begin() as db:
        assert gifting.due(db, limit=10) == []
    assert (state_of(people, early), state_of(people, answered)) == ("offered", "accepted")


@pytest.mark.parametrize("verb", [gifting.accept, gifting.decline])
def test_an_answer_that_comes_too_late_is_refused_as_late(
    people: People, next_week: Database, verb: Callable[..., None]
) -> None:
    giver, recipient = people.member(), people.member()
    gift_id = people.gift(giver, people.certificate(giver), recipient.msisdn)
    for _ in range(2):  # before a worker has seen that it is over, and after
        with pytest.raises(Refusal) as refused, next_week.begin() as db:
            verb(db, people.rules, gift_id=gift_id, recipient=recipient)
        assert refusal_of(refused) == "gift_lapsed"
        lapse(people, gift_id, next_week)
    next_week.close()
    assert people.books_in_order()


def test_what_was_received_can_be_given_on(people: People) -> None:
    first, second, third = people.member("Amina"), people.member("Baraka"), people.member("Chebet")
    certificate = people.certificate(first)
    accept(people, people.gift(first, certificate, second.msisdn), second)
    accept(people, people.gift(second, certificate, third.msisdn), third)
    assert holder_of(people, certificate) == third.id
    assert people.owed("2100", certificate) == FACE
    assert people.books_in_order()
