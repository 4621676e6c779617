"""Packing a gift: what is offered, what fits, what is shown first, and what happens when a piece is gone."""

from dataclasses import replace

import pytest

from bot.services import Services
from circulation import contents, media
from circulation.routes import Routes
from contents.renditions import JPEG, MP3
from tests import packing
from tests.flows.test_giving import Texter
from tests.people import People

STRANGER = "0712000002"
EVERY_KIND = "1. Nothing 2. Ringtone 3. Background music 4. Card 5. Character 6. Song"


@pytest.fixture
def giver(people: People) -> Texter:
    giver = Texter(people, people.member("Amina"))
    people.certificate(giver.member)
    return giver


@pytest.fixture
def ids(people: People) -> dict[str, int]:
    """The small catalogue is there."""
    return packing.stock(people.database)


def routed(services: Services, routes: str) -> Services:
    rules = replace(services.talk.rules, routes=Routes.parse(routes, texts_by="twilio"))
    return replace(services, talk=replace(services.talk, rules=rules))


def line(screen: str) -> str:
    """A screen in one line."""
    return " ".join(screen.split())


def packed(people: People) -> list[str]:
    gift_id = str(people.value("SELECT id FROM gift"))
    with people.database.begin() as db:
        return [piece.key for piece in contents.packed(db, gift_id)]


def test_where_there_is_nothing_to_pack_no_word_is_said(giver: Texter) -> None:
    assert "When should it arrive?" in giver.say("GIFT", "1", STRANGER, "0")


def test_who_can_only_be_called_is_packed_nothing_for(people: People, giver: Texter, ids: dict[str, int]) -> None:
    people.services = routed(people.services, "sms +25479 twilio; voice + twilio")

    assert "When should it arrive?" in giver.say("GIFT", "1", STRANGER, "0")


def test_one_key_packs_nothing(people: People, giver: Texter, ids: dict[str, int]) -> None:
    assert line(giver.say("GIFT", "1", STRANGER, "0")) == f"Pack something with it? {EVERY_KIND} 0. Back"
    screen = giver.say("1", "1")

    assert screen.startswith("Give Giftline KES 500 to 0712 000002? Reply")
    giver.agree(screen)
    assert packed(people) == []


def test_three_pieces_fit_and_then_only_those_can_be_changed(
    people: People, giver: Texter, ids: dict[str, int]
) -> None:
    giver.say("GIFT", "1", STRANGER, "0", "6", "1", "2", "4", "1", "2")
    assert line(giver.say("3", "1")).startswith("Packed: Minuet in G, Happy birthday, The birthday tune.")
    assert line(giver.say("2")) == (
        "Pack something with it? 1. Nothing more 2. Background music 3. Card 4. Song 0. Back"
    )
    assert line(giver.say("4", "2")).startswith("Packed: Minuet in G, Happy birthday.")  # none of these
    assert f"{EVERY_KIND.replace('Nothing', 'Nothing more')} 0. Back" in line(giver.say("2"))

    screen = giver.say("1", "1")
    assert screen.startswith("Give Giftline KES 500 to 0712 000002, packed with Minuet in G, Happy birthday? Reply")
    giver.agree(screen)
    assert packed(people) == ["minuet", "birthday"]


def test_what_is_taken_out_again_leaves_nothing_packed(people: People, giver: Texter, ids: dict[str, int]) -> None:
    giver.say("GIFT", "1", STRANGER, "0", "4", "1", "2", "4")

    assert line(giver.say("3")) == f"Pack something with it? {EVERY_KIND} 0. Back"


def test_a_gift_for_a_day_to_come_is_packed_as_well(people: People, giver: Texter, ids: dict[str, int]) -> None:
    tomorrow = str(people.value("SELECT to_char(clock() + interval '2 days', 'DD MM')"))
    screen = giver.say("GIFT", "1", STRANGER, "Hello", "5", "1", "1", "2", tomorrow)

    assert ', packed with Lion? Message: "Hello".' in screen
    giver.agree(screen)
    assert packed(people) == ["lion"]


def test_what_was_withdrawn_while_the_giver_read_is_not_packed_and_the_gift_goes(
    people: People, giver: Texter, ids: dict[str, int]
) -> None:
    screen = giver.say("GIFT", "1", STRANGER, "0", "4", "1", "2", "6", "1", "1", "1")
    with people.database.begin() as db:
        contents.withdraw(db, "birthday")
    giver.agree(screen)

    assert packed(people) == ["good-morning"]
    assert people.value("SELECT count(*) FROM gift_content") == 1


def test_the_giver_is_shown_what_they_pack_by_mms_and_once(people: People, giver: Texter, ids: dict[str, int]) -> None:
    people.services = routed(people.services, "sms,mms + twilio")
    screen = line(giver.say("GIFT", "1", STRANGER, "0", "4", "1", "2", "6", "1", "3"))
    assert screen.startswith("You get Happy birthday, The birthday tune on this phone.")
    assert line(giver.say("2", "4", "1")).endswith("1. Send it so 2. Pack more or change 0. Back")  # the same card
    assert "3. Show me first" in line(giver.say("2", "4", "2"))

    names = people.value("SELECT enclosed FROM outbox WHERE form = 'mms'")
    assert isinstance(names, list)
    with people.database.begin() as db:
        found = [media.fetched(db, people.rules, lambda *_: "", name) for name in names]
        assert [one and (one.kind, one.mime) for one in found] == [("card", JPEG), ("sound", MP3)]
        assert found[0]
        assert found[0].body == packing.made("birthday")[0].body
        contents.withdraw(db, "birthday")
        assert media.fetched(db, people.rules, lambda *_: "", names[0]) is None


def test_a_giver_without_mms_gets_a_link_to_each_piece(people: People, giver: Texter, ids: dict[str, int]) -> None:
    giver.say("GIFT", "1", STRANGER, "0", "4", "1", "2", "5", "1", "3")
    texts = [text for text in people.texts(giver.member.msisdn) if "which you packed" in text.sentence]

    assert [text.holes["title"] for text in texts] == ["Happy birthday", "Lion"]
    assert all("/m/" in text.holes["link"] for text in texts)
