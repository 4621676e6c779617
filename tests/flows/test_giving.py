"""The conversation of giving where it turns: what was learned of a number, and what changed while somebody was typing."""

import re
from dataclasses import replace
from itertools import count

import pytest

from bot.messages import Inbound
from bot.services import Services
from bot.turn import take_turn
from circulation import names, redemption
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.names import MOST_A_DAY, Known
from tests.people import People

STRANGER, MEMBER = "0712000002", "0712000003"


class Texter:
    """Somebody who texts."""

    def __init__(self, people: People, member: Member) -> None:
        self.people = people
        self.member = member
        self._keys = count(1)

    def say(self, *words: str) -> str:
        """The answer to the last of these texts."""
        answer = ""
        for text in words:
            key = f"SM{self.member.id}-{next(self._keys)}"
            answer = take_turn(self.people.services, Inbound("twilio", "sms", key, self.member.msisdn, text)).text
        return answer

    def agree(self, screen: str) -> str:
        found = re.search(r"Reply ([0-9]{4}) to agree", screen)
        assert found, screen
        return self.say(found[1])


@pytest.fixture
def services(services: Services) -> Services:
    """The network can be asked whose a phone is."""
    return replace(services, talk=replace(services.talk, rules=replace(services.talk.rules, name_checks=True)))


@pytest.fixture
def giver(people: People) -> Texter:
    return Texter(people, people.member("Amina"))


def network_says(people: People, answer: Known) -> None:
    with people.database.begin() as db:
        for question in names.claim(db, batch=10, lease=15):
            names.answered(db, question, answer)


def test_a_network_that_answers_while_the_giver_reads_is_heard_before_they_agree(people: People, giver: Texter) -> None:
    people.certificate(giver.member)
    assert "name not checked" in giver.say("GIFT", "1", STRANGER, "Baraka", "0")
    network_says(people, "no_match")

    assert giver.say("1").startswith("CAREFUL: the network says 0712 000002 is not Baraka's phone.")
    assert giver.say("2").startswith("Give Giftline KES 500 to 0712 000002?")


def test_a_name_belongs_to_the_number_it_was_typed_for(people: People, giver: Texter) -> None:
    people.certificate(giver.member)
    giver.say("GIFT", "1", STRANGER, "Baraka")
    network_says(people, "match")
    assert "is Baraka's phone" in giver.say("0")

    assert "name not checked" in giver.say("3", "0712000004", "0", "0")
    assert giver.say("1").startswith("Give Giftline KES 500 to 0712 000004?")


def test_after_twenty_numbers_a_day_members_and_strangers_look_the_same(people: People, giver: Texter) -> None:
    people.certificate(giver.member)
    with people.database.begin() as db:
        for _ in range(MOST_A_DAY):
            names.ask(db, giver.member, people.number(), "Baraka")
    baraka = people.member("Baraka")

    for number in (baraka.msisdn.e164, STRANGER):
        assert giver.say("GIFT", "1", number) == "Add a short message, or reply 0 for none."
        assert "name not checked" in giver.say("0")


def test_who_hides_their_name_is_asked_about_like_a_stranger(people: People, giver: Texter) -> None:
    people.certificate(giver.member)
    hidden = people.member("Chebet")
    with people.database.begin() as db:
        names.show(db, hidden, "hidden")

    asked = "Whose phone is it? Type the first name, or 0 to skip."
    assert giver.say("GIFT", "1", hidden.msisdn.e164) == giver.say("00", "GIFT", "1", STRANGER) == asked


def test_a_day_on_which_it_would_have_expired_is_refused_at_once(people: People, giver: Texter) -> None:
    certificate = people.certificate(giver.member)
    people.run(
        "UPDATE certificate SET expires_on = (clock() AT TIME ZONE 'Africa/Nairobi')::date + 10 WHERE id = :id",
        id=certificate,
    )
    later = people.value("SELECT to_char(clock() + interval '12 days', 'DD MM YYYY')")
    sooner = people.value("SELECT to_char(clock() + interval '8 days', 'DD MM YYYY')")

    assert giver.say("GIFT", "1", STRANGER, "0", "0", "2", later).startswith(
        "It would have expired by then. Which day?"
    )
    assert giver.say(sooner).startswith("Give Giftline KES 500 to 0712 000002 on ")


def test_how_many_is_of_the_certificate_that_was_chosen_last(people: People, giver: Texter) -> None:
    people.certificates(giver.member, 3)
    people.certificate(giver.member, amount_minor=20_000)
    assert giver.say("GIFT", "1").startswith("How many of Giftline KES 500? 1 to 3.")

    giver.say("3", "0", "0")  # back to how many, and back to which
    signing = giver.say("4", STRANGER, "0", "0", "1")

    assert signing.startswith("Give Giftline KES 200 to 0712 000002?")
    assert giver.agree(signing).startswith("Done.")
    assert people.value("SELECT amount_minor FROM gift") == 20_000
    assert people.books_in_order()


def test_sheets_that_were_used_meanwhile_are_not_given_as_if_they_were_whole(people: People, giver: Texter) -> None:
    bought = people.certificates(giver.member, 3)
    signing = giver.say("GIFT", "1", "3", STRANGER, "0", "0", "1")
    assert signing.startswith("Give Giftline KES 1,500 to")
    code = people.code(giver.member, bought[2])
    with people.database.begin() as db:
        redemption.use(db, people.rules, use_id="00000000-0000-4000-8000-000000000001", clerk=people.clerk(), code=code,
                       amount=Money(10_000, "KES"))  # fmt: skip

    assert giver.agree(signing).startswith("You no longer hold that many of it.")

    assert people.value("SELECT count(*) FROM gift") == 0
    assert people.books_in_order()


def test_today_in_decent_hours_arrives_today(people: People, giver: Texter) -> None:
    people.certificate(giver.member)
    noon = "SELECT ((now() AT TIME ZONE :zone)::date + time '12:00') AT TIME ZONE :zone - now()"
    ahead = people.value(noon, zone=people.rules.zone)
    people.database.clock_offset = f"{ahead.total_seconds()} seconds"
    today = people.value("SELECT to_char(clock() AT TIME ZONE :zone, 'DD/MM')", zone=people.rules.zone)

    giver.agree(giver.say("GIFT", "1", STRANGER, "0", "0", "2", today))

    waited = people.value("SELECT sends_at - created_at FROM gift")
    assert abs(waited.total_seconds()) < 60
    assert people.texts(Msisdn("+254712000002")) == []
