"""Rescue: who was cut off gets one text, if it helps them; the transcripts 91 to 94 show what they read."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from bot.messages import Inbound, Reply
from bot.rescue import IDLE_SECONDS, Rescue, rescue, rescue_now
from bot.services import Services
from bot.turn import take_turn
from circulation import members, wishes
from circulation.msisdn import Msisdn
from storage.conversations import DIALLING
from storage.database import Database
from tests.people import People

PHONE = Msisdn("+254712918273")
TO_SIGNING = ("1", "1", "1", "2", "1")
OFFER = "is not paid yet."


class Caller:
    """A member who dials, and whose line may be cut."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.people = People(services)
        self.session, self.inputs = "", list[str]()
        pin_hash = services.talk.rules.pins.hash("7193")
        with self.people.database.begin() as db:
            self.member = members.join(db, PHONE, name="Amina", language="en", pin_hash=pin_hash)

    def dial(self, *typed: str) -> Reply:
        self.session, self.inputs = uuid4().hex, []
        reply = self._hop()
        for words in typed:
            reply = self.answer(words)
        return reply

    def answer(self, words: str) -> Reply:
        self.inputs.append(words)
        return self._hop()

    def text(self, words: str) -> str:
        return take_turn(self.services, Inbound("twilio", "sms", uuid4().hex, PHONE, words)).text

    def cut(self) -> bool:
        return rescue(self.services, PHONE, self.session)

    def offers(self) -> list[str]:
        texts = [str(row.holes.get("text", "")) for row in self.people.texts(PHONE)]
        return [text for text in texts if OFFER in text]

    def silent_for(self, seconds: float) -> None:
        """Nothing came from anybody for so long."""
        redis = self.services.redis
        for person, at in redis.zscan_iter(DIALLING):
            redis.zadd(DIALLING, {person: at - seconds})

    def _hop(self) -> Reply:
        transcript = "*".join(self.inputs)
        key = f"{self.session}:{len(self.inputs)}:{transcript}"
        return take_turn(self.services, Inbound("africastalking", "ussd", key, PHONE, transcript, self.session))


@pytest.fixture
def caller(services: Services) -> Caller:
    return Caller(services)


def test_the_network_and_the_clock_together_make_one_text(caller: Caller) -> None:
    caller.dial(*TO_SIGNING)
    caller.silent_for(IDLE_SECONDS)
    look = Rescue(caller.services)
    with ThreadPoolExecutor(4) as threads:
        done = [threads.submit(act) for act in (caller.cut, look.offer, caller.cut, look.offer)]
        assert sum(bool(one.result()) for one in done) == 1
    assert not caller.cut() and not look.offer()
    assert len(caller.offers()) == 1 and caller.people.books_in_order()


def test_a_dialog_that_goes_on_after_all_goes_on_from_there(caller: Caller) -> None:
    caller.dial(*TO_SIGNING)
    assert caller.cut()
    assert caller.answer("7193").text.startswith("Done")
    assert "no longer open" in caller.text("1")
    assert caller.people.value("SELECT count(*) FROM certificate") == 1


def test_the_end_of_another_dialog_is_none_of_this_one(caller: Caller) -> None:
    caller.dial(*TO_SIGNING)
    assert not rescue(caller.services, PHONE, "the one before")
    assert not rescue(caller.services, Msisdn("+254712000009"), caller.session)
    assert not caller.offers()


@pytest.mark.parametrize("typed", [(), ("1",), TO_SIGNING[:-1], (*TO_SIGNING, "7193"), (*TO_SIGNING, "0")])
def test_what_is_not_worth_saving_or_is_done_gets_no_text(caller: Caller, typed: tuple[str, ...]) -> None:
    caller.dial(*typed)
    assert caller.services.redis.zcard(DIALLING) == 0, "and nobody looks for it"
    assert not caller.cut()


def test_who_went_on_by_text_is_not_offered_it(caller: Caller) -> None:
    caller.dial(*TO_SIGNING)
    caller.text("1")
    assert caller.services.redis.zcard(DIALLING) == 0
    assert not caller.cut()


def test_who_wants_no_such_texts_or_is_not_answered_now_gets_none(caller: Caller) -> None:
    for _ in range(12):
        caller.text("I am driving")
    caller.dial(*TO_SIGNING)
    assert not caller.cut()
    caller.services.redis.flushdb()
    caller.people.run("DELETE FROM conversation")
    with caller.people.database.begin() as db:
        wishes.stop(db, PHONE.e164, "twilio")
    caller.dial(*TO_SIGNING)
    assert not caller.cut()
    assert not caller.offers()


def test_while_somebodys_gift_is_to_be_answered_no_second_question_comes(caller: Caller) -> None:
    caller.dial(*TO_SIGNING)
    baraka = caller.people.member("Baraka")
    caller.people.gift(baraka, caller.people.certificate(baraka), PHONE)
    assert "Baraka gives you" in caller.dial().text
    assert not caller.cut()


def test_what_left_the_persons_hands_meanwhile_is_not_offered(caller: Caller) -> None:
    caller.people.certificate(caller.member)
    caller.dial("2", "1", "0712000009")
    caller.people.run("UPDATE certificate SET holder_id = :other", other=caller.people.member("Baraka").id)
    assert not caller.cut()


def test_a_server_that_is_away_puts_it_off_and_nobody_is_forgotten(caller: Caller) -> None:
    caller.dial(*TO_SIGNING)
    caller.silent_for(IDLE_SECONDS)
    away = replace(caller.services, database=Database("postgresql://nobody@127.0.0.1:1/nothing"))
    with capture_logs() as logs:
        rescue_now(away, PHONE, caller.session)
    assert [entry["event"] for entry in logs] == ["rescue put off"] and "712918273" not in str(logs)
    with pytest.raises(OperationalError):
        Rescue(away).offer()
    assert Rescue(caller.services).offer() == 1
    assert len(caller.offers()) == 1


def test_a_bug_met_by_one_person_stops_no_other(caller: Caller) -> None:
    other = Msisdn("+254712918274")
    with caller.people.database.begin() as db:
        pin_hash = caller.services.talk.rules.pins.hash("7193")
        members.join(db, other, name="Baraka", language="en", pin_hash=pin_hash)
    caller.dial(*TO_SIGNING)
    key = f"conversation:{caller.services.seal.pseudonym(PHONE.e164).hex()}"
    seal = caller.services.seal
    kept = caller.services.redis.hget(key, "b")
    assert isinstance(kept, bytes)
    body = seal.open(kept)
    caller.services.redis.hset(
        key, "b", seal.seal(body.replace(b'"issuer":', b'"other":').replace(b'"price":', b'"odd":'))
    )
    session = uuid4().hex
    for count in range(len(TO_SIGNING) + 1):
        transcript = "*".join(TO_SIGNING[:count])
        take_turn(caller.services, Inbound("africastalking", "ussd", f"{session}:{count}", other, transcript, session))
    caller.silent_for(IDLE_SECONDS)
    with capture_logs() as logs:
        assert Rescue(caller.services).offer() == 1
    assert [entry["event"] for entry in logs] == ["rescue fault"]
    assert caller.services.redis.zcard(DIALLING) == 0


def test_only_those_who_were_silent_long_enough_are_looked_at(caller: Caller) -> None:
    caller.dial(*TO_SIGNING)
    caller.silent_for(IDLE_SECONDS - 5)
    assert Rescue(caller.services).offer() == 0
    assert caller.services.redis.zcard(DIALLING) == 1
    caller.silent_for(5)
    assert Rescue(caller.services).offer() == 1
