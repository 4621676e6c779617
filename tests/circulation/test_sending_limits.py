"""Sending limits: whoever gives, and to however many numbers, no more texts leave than a day has."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from circulation import gifting, group_records, groups, sending_limits, waiting
from circulation.members import Member
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.rules import Rules
from tests.people import People

CAP = 12


@dataclass(frozen=True)
class Row:
    id: int
    purpose: str


def give(people: People, rules: Rules, giver: Member, certificate: int, recipient: Msisdn) -> None:
    with people.database.begin() as db:
        gifting.give(
            db,
            rules,
            gift_id=str(uuid4()),
            giver=giver,
            certificates=[certificate],
            recipient=recipient,
            note="",
            receipt=False,
        )


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as no:
        act()
    return no.value.code


def test_a_thousand_gifts_to_one_range_send_no_more_texts_than_its_day_has(people: People) -> None:
    rules = replace(people.rules, gifts_a_day=10_000, strangers_a_day_per_prefix=CAP)
    givers = [people.member() for _ in range(4)]
    held = {giver.id: people.certificates(giver, 9) for giver in givers}
    told = 0
    for place in range(1_000):
        giver = givers[place % 4]
        recipient = Msisdn(f"+2547012{place:05}")
        try:
            give(people, rules, giver, held[giver.id][0], recipient)
        except Refusal as no:
            assert no.code == "range_busy"
            told += 1
        else:
            held[giver.id].pop(0)
    assert people.value("SELECT count(*) FROM outbox WHERE address LIKE '+2547012%'") == CAP
    assert told == 1_000 - CAP
    still = "SELECT count(*) FROM certificate WHERE holder_id = ANY(:givers)"
    assert people.value(still, givers=[giver.id for giver in givers]) == 36, (
        "also what is given is theirs until it is taken"
    )
    assert people.value("SELECT count(*) FROM gift") == CAP
    assert people.value("SELECT count(*) FROM member WHERE msisdn LIKE '+2547012%'") == CAP, "a refusal leaves nothing"
    assert people.books_in_order()


def test_who_is_known_is_no_stranger_and_another_range_has_its_own_day(people: People) -> None:
    rules = replace(people.rules, strangers_a_day_per_prefix=1)
    amina = people.member()
    one, two, three, four = people.certificates(amina, 4)
    give(people, rules, amina, one, Msisdn("+254701200001"))
    assert refused(lambda: give(people, rules, amina, two, Msisdn("+254701200002"))) == "range_busy"
    give(people, rules, amina, two, Msisdn("+254701300002"))
    with people.database.begin() as db:
        sending_limits.check(db, rules, amina, people.member().msisdn)
    people.run("INSERT INTO member (msisdn, language, sms_provider) VALUES ('+254701200003', 'en', 'twilio')")
    give(people, rules, amina, three, Msisdn("+254701200003"))
    with people.database.begin() as db:
        assert refused(lambda: sending_limits.check(db, rules, amina, Msisdn("+254701200004"))) == "range_busy"
    people.run("UPDATE sending_tally SET day = day - 1")
    give(people, rules, amina, four, Msisdn("+254701200004"))


def test_one_giver_gives_so_many_gifts_a_day(people: People) -> None:
    rules = replace(people.rules, gifts_a_day=2)
    amina, wanjiru = people.member(), people.member("Wanjiru")
    one, two, three = people.certificates(amina, 3)
    give(people, rules, amina, one, people.number())
    give(people, rules, amina, two, people.number())
    with people.database.begin() as db:
        assert refused(lambda: sending_limits.check(db, rules, amina, people.number())) == "gifts_a_day"
        sending_limits.check(db, rules, wanjiru, people.number())
    assert refused(lambda: give(people, rules, amina, three, people.number())) == "gifts_a_day"
    give(people, rules, wanjiru, people.certificate(wanjiru), people.number())


def test_the_same_gift_counts_once(people: People) -> None:
    rules = replace(people.rules, gifts_a_day=1)
    amina, phone, gift_id = people.member(), people.number(), str(uuid4())
    certificate = people.certificate(amina)
    for _ in range(2):
        with people.database.begin() as db:
            told = {"gift_id": gift_id, "certificates": [certificate], "recipient": phone, "note": "", "receipt": False}
            gifting.give(db, rules, giver=amina, **told)  # type: ignore[arg-type]
    assert people.value("SELECT count FROM sending_tally WHERE scope = 'giver'") == 1


def test_gifts_go_to_the_countries_served(people: People) -> None:
    amina = people.member()
    certificate = people.certificate(amina)
    ugandan = Msisdn("+256712345678")
    assert refused(lambda: give(people, people.rules, amina, certificate, ugandan)) == "country_not_served"
    with people.database.begin() as db:
        assert refused(lambda: sending_limits.check(db, people.rules, amina, ugandan)) == "country_not_served"
    give(people, replace(people.rules, countries=frozenset({"KE", "UG"})), amina, certificate, ugandan)


def test_a_group_gift_is_counted_when_it_is_begun(people: People) -> None:
    rules = replace(people.generous, gifts_a_day=1)
    amina, price = people.member(), people.denomination()

    def begin() -> None:
        with people.database.begin() as db:
            cost = price.worth + price.fee
            groups.begin(
                db,
                rules,
                group_id=str(uuid4()),
                organiser=amina,
                denomination_id=price.id,
                expected=cost,
                recipient=people.number(),
                note="",
                shares=group_records.among(cost, 2),
                days=1,
                rail="phone_bill",
                receipt=False,
            )

    begin()
    assert refused(begin) == "gifts_a_day"


def test_when_the_days_texts_are_spent_what_can_wait_waits_for_the_morning(people: People) -> None:
    rules = replace(people.rules, texts_a_day=5)
    rows = [Row(1, "gift"), Row(2, "answer"), Row(3, "reminder"), Row(4, "gift"), Row(5, "service")]
    with people.database.begin() as db:
        assert sending_limits.within(db, rules, rows) == {}
        sending_limits.sent(db, rules, 2)
        held = sending_limits.within(db, rules, rows)
        assert set(held) == {3, 4}, "answers and what is theirs go first, then who came first"
        sending_limits.sent(db, rules, 3)
        assert set(sending_limits.within(db, rules, rows)) == {1, 3, 4}
        morning = "SELECT (clock() + make_interval(secs => :s)) AT TIME ZONE :zone"
    at = people.value(morning, s=held[3], zone=rules.zone)
    assert (at.hour, at.minute) == (9, 0)
    today = people.value("SELECT (clock() AT TIME ZONE :zone)::date", zone=rules.zone)
    assert (at.date() - today).days == 1
    with people.database.begin() as db:
        (incident,) = waiting.incidents(db)
    assert incident.kind == "texts of the day are spent", "the operator is told, once a day"


def test_old_counts_are_forgotten(people: People) -> None:
    with people.database.begin() as db:
        sending_limits.sent(db, people.rules, 2)
        assert sending_limits.forget(db, people.rules) == 0
    people.run("UPDATE sending_tally SET day = day - 8")
    with people.database.begin() as db:
        assert sending_limits.forget(db, people.rules) == 1
