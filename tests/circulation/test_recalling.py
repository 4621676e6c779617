"""Recalls: what was not answered comes back once, and whoever had been told of it is told."""

from uuid import uuid4

import pytest

from circulation import gifting, recalling
from circulation.members import Member
from circulation.money import Money
from circulation.notices import GIFT_RECALLED, GIFT_TAKEN_BACK, GIFT_WAITS_NO_NOTE
from circulation.refusals import Refusal
from storage.database import Database
from tests.people import BUSINESS, People

FACE = 50_000


def recall(people: People, gift_id: str, giver: Member, *, receipt: bool = False) -> recalling.Recalled:
    with people.database.begin() as db:
        return recalling.recall(db, people.rules, gift_id=gift_id, giver=giver, receipt=receipt)


def unanswered(people: People, giver: Member) -> list[recalling.Unanswered]:
    with people.database.begin() as db:
        return recalling.unanswered(db, giver.id)


def test_a_gift_taken_back_is_the_givers_again_and_both_are_told_once(people: People) -> None:
    giver, recipient = people.member("Amina"), people.number()
    certificate = people.certificate(giver)
    gift_id = people.gift(giver, certificate, recipient)

    first = recall(people, gift_id, giver, receipt=True)
    again = recall(people, gift_id, giver, receipt=True)

    reference = people.value("SELECT reference FROM gift")
    assert first == again == recalling.Recalled(reference, "Giftline", Money(FACE, "KES"))
    assert people.postings(f"{gift_id}:answered") == [("2110", gift_id, FACE), ("2100", str(certificate), -FACE)]
    entry = "SELECT kind FROM journal_entry WHERE operation_id = :operation"
    assert people.value(entry, operation=f"{gift_id}:answered") == "gift recalled"
    money = {"money": [FACE, "KES"]}
    assert [(told.sentence, told.holes) for told in people.texts(recipient)][1:] == [
        (GIFT_RECALLED, {"giver": "Amina", "issuer": "Giftline", "amount": money})
    ]
    assert [(told.sentence, told.holes) for told in people.texts(giver.msisdn)] == [
        (
            GIFT_TAKEN_BACK,
            {"issuer": "Giftline", "amount": money, "recipient": {"msisdn": recipient.e164}, "reference": reference},
        )
    ]
    with people.database.begin() as db:
        assert gifting.offers(db, recipient) == []
    assert unanswered(people, giver) == []
    people.gift(giver, certificate, people.number())
    assert people.books_in_order()


def test_by_text_the_answer_is_the_receipt(people: People) -> None:
    giver = people.member()
    gift_id = people.gift(giver, people.certificate(giver), people.number())

    recall(people, gift_id, giver)

    assert people.texts(giver.msisdn) == []


def test_who_was_never_told_of_a_gift_hears_nothing_of_its_recall(people: People) -> None:
    giver, recipient = people.member(), people.member()
    certificate = people.certificate(giver)
    gift_id = people.planned_gift(giver, [certificate], recipient.msisdn, "3 days")

    recall(people, gift_id, giver)

    assert people.texts(recipient.msisdn) == []
    assert people.owed("2100", certificate) == FACE
    for verb in (gifting.accept, gifting.decline):
        with pytest.raises(Refusal) as refused, people.database.begin() as db:
            verb(db, people.rules, gift_id=gift_id, recipient=recipient)
        assert refused.value.code == "gift_answered"
    assert people.books_in_order()


def test_an_answer_after_the_recall_is_told_that_the_gift_was_taken_back(people: People) -> None:
    giver, recipient = people.member(), people.member()
    gift_id = people.gift(giver, people.certificate(giver), recipient.msisdn)
    recall(people, gift_id, giver)

    for verb in (gifting.accept, gifting.decline):
        with pytest.raises(Refusal) as refused, people.database.begin() as db:
            verb(db, people.rules, gift_id=gift_id, recipient=recipient)
        assert refused.value.code == "gift_recalled"


def test_what_was_answered_is_not_taken_back(people: People) -> None:
    giver, recipient = people.member(), people.member()
    accepted, declined = (people.gift(giver, people.certificate(giver), recipient.msisdn) for _ in range(2))
    with people.database.begin() as db:
        gifting.accept(db, people.rules, gift_id=accepted, recipient=recipient)
        gifting.decline(db, people.rules, gift_id=declined, recipient=recipient)

    for gift_id in (accepted, declined):
        with pytest.raises(Refusal) as refused:
            recall(people, gift_id, giver)
        assert refused.value.code == "gift_answered"

    assert people.value("SELECT holder_id FROM gift_sheet s JOIN certificate c ON c.id = s.certificate_id "
                        "WHERE s.gift_id = :id", id=accepted) == recipient.id  # fmt: skip
    assert people.books_in_order()


def test_what_lapsed_is_with_the_giver_already(people: People) -> None:
    giver = people.member()
    gift_id = people.gift(giver, people.certificate(giver), people.number())
    people.run("UPDATE gift SET lapses_at = clock()")
    with people.database.begin() as db:
        gifting.lapse(db, people.rules, gift_id=gift_id)

    with pytest.raises(Refusal) as refused:
        recall(people, gift_id, giver)

    assert refused.value.code == "gift_lapsed"


def test_a_gift_whose_time_is_over_but_which_no_worker_has_returned_may_be_taken_back(people: People) -> None:
    giver = people.member()
    certificate = people.certificate(giver)
    gift_id = people.gift(giver, certificate, people.number())
    later = Database(people.database.url, role=BUSINESS, connections=1)
    later.clock_offset = "8 days"

    with later.begin() as db:
        recalling.recall(db, people.rules, gift_id=gift_id, giver=giver, receipt=False)
        gifting.lapse(db, people.rules, gift_id=gift_id)
    later.close()

    assert people.value("SELECT state FROM gift") == "recalled"
    assert people.owed("2100", certificate) == FACE
    assert people.books_in_order()


def test_nobody_takes_back_what_they_did_not_give(people: People) -> None:
    giver, recipient, thief = people.member(), people.member(), people.member()
    gift_id = people.gift(giver, people.certificate(giver), recipient.msisdn)

    for somebody, which in ((thief, gift_id), (recipient, gift_id), (giver, str(uuid4()))):
        with pytest.raises(Refusal) as refused:
            recall(people, which, somebody)
        assert refused.value.code == "gift_answered"

    assert people.value("SELECT state FROM gift") == "offered"
    assert [told.sentence for told in people.texts(recipient.msisdn)] == [GIFT_WAITS_NO_NOTE]


def test_the_gifts_one_may_take_back_are_ones_own_unanswered_ones_newest_first(people: People) -> None:
    giver, recipient = people.member(), people.member()
    bought = people.certificates(giver, 3)
    now = people.gift(giver, bought[0], recipient.msisdn)
    later = people.planned_gift(giver, bought[1:], recipient.msisdn, "3 days")
    people.gift(recipient, people.certificate(recipient), giver.msisdn)

    shown = unanswered(people, giver)

    sends_at = people.value("SELECT sends_at FROM gift WHERE id = :id", id=later)
    assert shown == [
        recalling.Unanswered(later, recipient.msisdn, "Giftline", Money(2 * FACE, "KES"), sends_at),
        recalling.Unanswered(now, recipient.msisdn, "Giftline", Money(FACE, "KES"), None),
    ]
