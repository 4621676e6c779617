"""take_turn: whatever goes wrong inside a turn, the person reads the truth, the place is kept, and nothing half happens."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis as redis_client
from sqlalchemy import event, text
from structlog.testing import capture_logs

from bot.app import build_services
from bot.loop_guard import MOST_IDLE
from bot.messages import Inbound, Reply, Unavailable
from bot.services import Services
from bot.turn import FAULT, NOTHING_DONE, TRIES, take_turn
from circulation.msisdn import Msisdn
from tests.people import People, past_every_right

PHONE = Msisdn("+254712918273")
PIN = "7193"
BUY = ("1", "1", "1", "2", "1")


class Phone:
    """One member's phone, whose messages go straight into turns."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.people = People(services)
        pin_hash = services.talk.rules.pins.hash(PIN)
        with past_every_right(services.database) as db:
            insert = "INSERT INTO member (msisdn, name, pin_hash, joined_at) VALUES (:msisdn, 'Amina', :pin, clock())"
            db.execute(text(insert), {"msisdn": PHONE.e164, "pin": pin_hash})
        self.session = ""
        self.inputs: list[str] = []

    def dial(self, *typed: str) -> Reply:
        self.session, self.inputs = uuid4().hex, []
        reply = self._hop()
        for words in typed:
            reply = self.answer(words)
        return reply

    def answer(self, words: str) -> Reply:
        self.inputs.append(words)
        return self._hop()

    def again(self) -> Reply:
        return self._hop()

    def text(self, words: str, key: str = "") -> Reply:
        return take_turn(self.services, Inbound("twilio", "sms", key or uuid4().hex, PHONE, words))

    def texts(self) -> list[str]:
        """What was filed to be sent to it, where the words are complete already."""
        return [str(row.holes["text"]) for row in self.people.texts(PHONE) if "text" in row.holes]

    def bought(self) -> int:
        return int(self.people.value("SELECT count(*) FROM certificate"))

    def _hop(self) -> Reply:
        transcript = "*".join(self.inputs)
        key = f"{self.session}:{len(self.inputs)}:{transcript}"
        return take_turn(self.services, Inbound("africastalking", "ussd", key, PHONE, transcript, self.session))


@pytest.fixture
def phone(services: Services) -> Phone:
    return Phone(services)


@contextmanager
def broken(services: Services, statement: str) -> Iterator[None]:
    """While it lasts, a statement with these words meets a bug, whose message tells everything it knows."""

    def break_(_connection: object, _cursor: object, sql: str, parameters: Any, *_: object) -> None:
        if statement in sql:
            raise RuntimeError(f"{sql} {parameters}")

    event.listen(services.database.engine, "before_cursor_execute", break_)
    yield
    event.remove(services.database.engine, "before_cursor_execute", break_)


def superuser(services: Services, sql: str) -> None:
    """Changes the database under the product's feet."""
    with psycopg.connect(services.settings.database_url, autocommit=True) as db:
        db.execute(sql.encode())


def busy(services: Services, times: int, sqlstate: str = "40001") -> None:
    """The next charges are undone by PostgreSQL, so many times, as if another transaction had been in the way."""
    superuser(
        services,
        f"""
        CREATE SEQUENCE collisions;
        CREATE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
            IF nextval('collisions') <= {times} THEN RAISE EXCEPTION 'collision' USING ERRCODE = '{sqlstate}'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER collide BEFORE INSERT ON charge FOR EACH ROW EXECUTE FUNCTION collide();
        """,
    )


def test_a_fault_while_dialling_is_admitted_and_undone_and_the_place_is_kept(phone: Phone) -> None:
    shown = phone.dial(*BUY)
    with broken(phone.services, "INSERT INTO certificate"), capture_logs() as logs:
        assert phone.answer(PIN) == Reply(FAULT, language="en")
    assert phone.bought() == 0 and phone.people.books_in_order()
    (fault,) = [entry for entry in logs if entry["event"] == "turn.fault"]
    assert fault["error"] == "RuntimeError" and "sales.py" in str(fault["at"])
    assert PIN not in str(logs) and "712918273" not in str(logs)
    assert shown.text in phone.dial().text, "what was to be agreed to is asked again"
    assert phone.answer(PIN).text.startswith("Done")
    assert phone.bought() == 1


def test_a_fault_in_answer_to_a_text_is_told_once_however_often_the_text_comes(phone: Phone) -> None:
    phone.text("BUY")
    with broken(phone.services, "FROM issuer i"):
        assert phone.text("1", "SM1") == Reply(FAULT, language="en")
        assert phone.text("1", "SM1") == Reply(FAULT, language="en")
    assert phone.text("1", "SM1") == Reply(FAULT, language="en"), "also when it would work by now"
    assert phone.texts().count(FAULT) == 1
    assert "Whose" in phone.text("1").text, "the place was kept"


def test_a_fault_is_told_so_often_and_no_more_to_one_who_repeats_everything(phone: Phone) -> None:
    phone.text("BUY")
    with broken(phone.services, "FROM issuer i"):
        said = [phone.text("1").text for _ in range(MOST_IDLE + 2)]
    assert [bool(text) for text in said] == [True] * MOST_IDLE + [False] * 2
    assert phone.texts().count(FAULT) == MOST_IDLE


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_a_turn_that_another_was_in_the_way_of_is_taken_again(phone: Phone, sqlstate: str) -> None:
    phone.dial(*BUY)
    busy(phone.services, TRIES - 1, sqlstate)
    assert phone.answer(PIN).text.startswith("Done")
    assert phone.bought() == 1 and phone.people.books_in_order()


def test_a_turn_that_others_are_always_in_the_way_of_is_given_up_with_the_truth(phone: Phone) -> None:
    phone.dial(*BUY)
    busy(phone.services, TRIES)
    with pytest.raises(Unavailable) as given_up:
        phone.answer(PIN)
    assert given_up.value.sentence == NOTHING_DONE
    assert phone.bought() == 0
    assert phone.again().text.startswith("Done"), "sent again it is done, once"
    assert phone.bought() == 1 and phone.people.books_in_order()


def test_a_price_that_changed_meanwhile_is_told_and_nothing_is_charged(phone: Phone) -> None:
    phone.dial(*BUY)
    superuser(phone.services, "UPDATE denomination SET fee_minor = fee_minor + 100")
    assert "The price has changed" in phone.answer(PIN).text
    assert phone.bought() == 0
    assert "The price has changed" in phone.again().text, "an exact repeat reads the same"


def test_a_right_pin_is_not_asked_about_twice_when_the_turn_is_taken_again(phone: Phone) -> None:
    phone.dial(*BUY)
    busy(phone.services, 3)
    verified: list[object] = []
    with watching(phone.services, "INSERT INTO attempt_counter", verified):
        assert phone.answer(PIN).text.startswith("Done")
    assert len(verified) == 1


def test_a_wrong_pin_counts_although_its_turn_moves_nothing(phone: Phone) -> None:
    phone.dial(*BUY)
    assert "not right" in phone.answer("8264").text
    assert "not right" in phone.again().text, "and a repeat of it does not count"
    assert phone.people.value("SELECT failures FROM attempt_counter") == 1
    assert phone.answer(PIN).text.startswith("Done")


def test_two_texts_at_once_are_both_heard_one_after_the_other(phone: Phone) -> None:
    phone.text("BUY")
    with ThreadPoolExecutor(2) as threads:
        replies = sorted(threads.map(lambda _: phone.text("1").text.split()[0], range(2)))
    assert replies == ["Which", "Whose"]


def test_a_place_under_a_key_that_was_changed_is_lost_and_no_fault(phone: Phone) -> None:
    phone.dial("1")
    settings = phone.services.settings.model_copy(
        update={
            "giftline_secret_key": type(phone.services.settings.giftline_secret_key)("another-key-of-32-characters-!!")
        }
    )
    phone.services = build_services(settings)
    assert "What would you like" in phone.dial().text
    phone.services.database.close()


def test_a_place_that_points_nowhere_any_more_is_lost_and_no_fault(phone: Phone, redis: redis_client.Redis) -> None:
    phone.dial("1")
    (key,) = redis.keys("conversation:*")
    seal = phone.services.seal
    body = redis.hget(key, "b")
    assert isinstance(body, bytes)
    place = seal.open(body).replace(b'"step":"kind"', b'"step":"a_step_of_last_year"')
    redis.hset(key, "b", seal.seal(place))
    assert "lost our place" in phone.answer("1").text
    assert "What would you like" in phone.dial("00").text


def test_what_is_in_redis_is_readable_to_nobody(phone: Phone, redis: redis_client.Redis) -> None:
    phone.dial(*BUY)
    (key,) = redis.keys("conversation:*")
    assert b"712918273" not in key
    assert b"buy" not in (redis.hget(key, "b") or b"buy")


@contextmanager
def watching(services: Services, statement: str, seen: list[object]) -> Iterator[None]:
    """Notes every statement with these words."""

    def note(_connection: object, _cursor: object, sql: str, *_: object) -> None:
        if statement in sql:
            seen.append(sql)

    event.listen(services.database.engine, "before_cursor_execute", note)
    yield
    event.remove(services.database.engine, "before_cursor_execute", note)
