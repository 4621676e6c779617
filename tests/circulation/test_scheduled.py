"""Gifts for a day to come: in escrow at once, unknown to the recipient until the day, sent at a decent hour."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from circulation import gifting, scheduled
from circulation.msisdn import Msisdn
from circulation.notices import GIFT_ARRIVED, GIFT_PLANNED, GIFT_WAITS
from circulation.refusals import Refusal
from storage.database import Database
from tests.people import BUSINESS, People

FACE = 50_000
SEOUL = Msisdn("+821012345678")


def at(people: People, moment: datetime) -> Database:
    """The same database, with the product's clock at that moment."""
    database = Database(people.database.url, role=BUSINESS, connections=1)
    database.clock_offset = f"{(moment - datetime.now(UTC)).total_seconds()} seconds"
    return database


def work(people: People, moment: datetime) -> list[bool]:
    """What a worker sends at that moment."""
    database = at(people, moment)
    with database.begin() as db:
        due = scheduled.due(db, limit=10)
    sent = []
    for gift_id in due:
        with database.begin() as db:
            sent.append(scheduled.send(db, people.rules, gift_id=gift_id))
    database.close()
    return sent


def schedule(people: People, gift_id: str, moment: datetime) -> None:
    people.run("UPDATE gift SET sends_at = :moment WHERE id = :id", moment=moment, id=gift_id)


def nine_in_nairobi(days: int = 3) -> datetime:
    """Nine o'clock in Nairobi, so many days from today (UTC+3 all year)."""
    day = datetime.now(UTC).replace(hour=6, minute=0, second=0, microsecond=0)
    return day + timedelta(days=days)


def test_a_gift_for_a_later_day_is_in_escrow_at_once_and_only_its_giver_knows(people: People) -> None:
    giver, recipient = people.member("Amina"), people.member("Baraka")
    one, two = people.certificates(giver, 2)

    gift_id = people.planned_gift(giver, [one, two], recipient.msisdn, "3 days", receipt=True)

    assert people.postings(f"{gift_id}:offered") == [
        ("2100", str(one), FACE),
        ("2100", str(two), FACE),
        ("2110", gift_id, -2 * FACE),
    ]
    assert people.texts(recipient.msisdn) == []
    (planned,) = people.texts(giver.msisdn)
    row = people.rows("SELECT state, sends_at, sent_at, lapses_at, reference FROM gift")[0]
    assert (row.state, row.sent_at, row.lapses_at) == ("scheduled", None, None)
    assert (planned.sentence, planned.holes) == (
        GIFT_PLANNED,
        {
            "reference": row.reference,
            "issuer": "Giftline",
            "amount": {"money": [2 * FACE, "KES"]},
            "recipient": {"msisdn": recipient.msisdn.e164},
            "at": {"time": row.sends_at.isoformat()},
        },
    )
    with people.database.begin() as db:
        assert gifting.offers(db, recipient.msisdn) == []
        assert gifting.due(db, limit=10) == []
    assert people.books_in_order()


def test_nobody_answers_a_gift_before_its_day(people: People) -> None:
    giver, recipient = people.member(), people.member()
    gift_id = people.planned_gift(giver, [people.certificate(giver)], recipient.msisdn, "3 days")

    for verb in (gifting.accept, gifting.decline):
        with pytest.raises(Refusal) as refused, people.database.begin() as db:
            verb(db, people.rules, gift_id=gift_id, recipient=recipient)
        assert refused.value.code == "gift_answered"
    with people.database.begin() as db:
        gifting.lapse(db, people.rules, gift_id=gift_id)

    assert people.value("SELECT state FROM gift") == "scheduled"


def test_what_is_meant_for_a_later_day_cannot_be_given_again(people: People) -> None:
    giver = people.member()
    certificate = people.certificate(giver)
    people.planned_gift(giver, [certificate], people.number(), "3 days")

    with pytest.raises(Refusal) as refused:
        people.gift(giver, certificate, people.number())

    assert refused.value.code == "nothing_left"


def test_on_its_day_recipient_and_giver_are_told_once_and_the_time_to_answer_begins(people: People) -> None:
    giver, recipient = people.member("Amina"), people.member("Baraka")
    certificate = people.certificate(giver)
    gift_id = people.planned_gift(giver, [certificate], recipient.msisdn, "3 days")
    nine = nine_in_nairobi()
    schedule(people, gift_id, nine)

    assert work(people, nine - timedelta(minutes=1)) == []
    assert work(people, nine + timedelta(minutes=1)) == [True]
    assert work(people, nine + timedelta(minutes=2)) == []

    row = people.rows("SELECT state, sent_at, lapses_at, reference FROM gift")[0]
    assert row.state == "offered"
    assert row.lapses_at - row.sent_at == timedelta(seconds=people.rules.gift_lapse_seconds)
    assert timedelta(0) <= row.sent_at - nine < timedelta(minutes=5)
    (waits,), (arrived,) = people.texts(recipient.msisdn), people.texts(giver.msisdn)
    assert (waits.sentence, waits.holes["note"]) == (GIFT_WAITS, "For school")
    assert waits.holes["until"] == {"time": row.lapses_at.isoformat()}
    assert (arrived.sentence, arrived.holes) == (
        GIFT_ARRIVED,
        {
            "recipient": {"msisdn": recipient.msisdn.e164},
            "issuer": "Giftline",
            "amount": {"money": [FACE, "KES"]},
            "reference": row.reference,
        },
    )
    day = at(people, nine + timedelta(hours=1))
    with day.begin() as db:
        (offer,) = gifting.offers(db, recipient.msisdn)
        assert 0 <= offer.age_seconds <= 3_600
        gifting.accept(db, people.rules, gift_id=gift_id, recipient=recipient)
    day.close()
    assert people.value("SELECT holder_id FROM certificate WHERE id = :id", id=certificate) == recipient.id
    assert people.books_in_order()


def test_a_worker_that_was_late_waits_for_the_next_decent_hour(people: People) -> None:
    giver, recipient = people.member(), people.number()
    gift_id = people.planned_gift(giver, [people.certificate(giver)], recipient, "3 days")
    nine = nine_in_nairobi()
    schedule(people, gift_id, nine)

    assert work(people, nine + timedelta(hours=11, minutes=5)) == [False]  # five past eight in the evening
    assert work(people, nine + timedelta(hours=23)) == []
    assert people.value("SELECT sends_at FROM gift") == nine + timedelta(days=1)
    assert people.texts(recipient) == []
    assert work(people, nine + timedelta(days=1, minutes=1)) == [True]


def test_the_decent_hours_are_those_of_the_recipients_own_place(people: People) -> None:
    people.rules = replace(people.rules, countries=frozenset({"KE", "KR"}))
    giver = people.member()
    gift_id = people.planned_gift(giver, [people.certificate(giver)], SEOUL, "3 days")
    schedule(people, gift_id, nine_in_nairobi(2))
    nine_in_seoul = nine_in_nairobi().replace(hour=0)

    assert work(people, nine_in_seoul - timedelta(minutes=30)) == [False]
    assert people.value("SELECT sends_at FROM gift") == nine_in_seoul
    assert work(people, nine_in_seoul + timedelta(minutes=1)) == [True]


def test_a_gift_that_was_recalled_is_not_sent(people: People) -> None:
    giver, recipient = people.member(), people.number()
    gift_id = people.planned_gift(giver, [people.certificate(giver)], recipient, "3 days")
    people.run("UPDATE gift SET sends_at = clock()")
    people.run("UPDATE gift SET state = 'recalled'")

    with people.database.begin() as db:
        assert not scheduled.send(db, people.rules, gift_id=gift_id)

    assert people.texts(recipient) == []


def test_a_day_after_the_certificate_has_expired_is_refused_and_its_last_day_is_not(people: People) -> None:
    giver = people.member()
    bought = people.certificates(giver, 2)
    last = people.value("SELECT (clock() AT TIME ZONE :zone)::date + 3", zone=people.rules.zone)
    people.run("UPDATE certificate SET expires_on = :last WHERE id = :id", last=last, id=bought[1])

    with pytest.raises(Refusal) as refused:
        people.planned_gift(giver, bought, people.number(), "4 days")

    assert refused.value.code == "would_have_expired"
    assert people.value("SELECT count(*) FROM gift") == 0
    people.planned_gift(giver, bought, people.number(), "3 days")
    assert people.books_in_order()
