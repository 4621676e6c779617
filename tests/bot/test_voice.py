"""Calls through the doors: who is calling, what a repeat, a lost Redis and an outage come to, and receipts of calls of ours."""

from dataclasses import replace

import pytest
import redis as redis_client
from flask import Flask
from pydantic import ValidationError
from structlog.testing import capture_logs

from bot.app import create_app
from bot.config import Settings
from bot.messages import Heard, Hung
from bot.services import Services
from bot.voice import MOST_WRONG, Calls
from circulation.members import Member
from circulation.msisdn import Msisdn
from phones.caller import Call, Told
from phones.handset import Network
from storage import outbox
from tests.fakes.providers import FakeProviders
from tests.people import People

PIN = "7193"
STRANGERS = "+254733000009"


@pytest.fixture
def settings(settings_with_providers: Settings) -> Settings:
    return settings_with_providers.model_copy(update={"voice": "twilio"})


@pytest.fixture
def network(settings: Settings, live: str) -> Network:
    return Network(settings, live)


@pytest.fixture
def amina(people: People) -> Member:
    return people.member(pin_hash=people.rules.pins.hash(PIN))


@pytest.fixture
def called(people: People, network: Network, amina: Member) -> Call:
    """A call of ours about a gift of Amina's, that nobody has answered yet."""
    recipient = people.number()
    people.gift(amina, people.certificate(amina), recipient)
    with people.database.begin() as db:
        outbox.put(db, [outbox.Row("twilio", recipient.e164, "en", "{text}", {"text": "a call"}, form="voice")])
    return Call(network, recipient.e164, ours=True, answered_by="human")


def ring(network: Network, amina: Member, *keys: str) -> tuple[Call, Told]:
    call = Call(network, STRANGERS)
    told = call.dial()
    for pressed in ("0" + amina.msisdn.e164[4:] + "#", *keys):
        told = call.press(pressed)
    return call, told


def told_turn(call: Call) -> int:
    """The number of the answer that is listened for."""
    gather = call._gather
    assert gather is not None
    return int(gather.action.rpartition("=")[2])


def row_of(people: People, call: Call) -> int:
    return int(people.value("SELECT id FROM outbox WHERE address = :to AND form = 'voice'", to=call.caller))


def ended(people: People, call: Call, how: str = "completed", seconds: int = 42) -> tuple[str, str]:
    """What the row of a call of ours came to."""
    call.hang_up(f"/voice/twilio/status?id={row_of(people, call)}", how, seconds)  # type: ignore[arg-type]
    state, code = people.rows("SELECT state, error_code FROM outbox WHERE form = 'voice'")[0]
    return state, code


def answered(people: People, call: Call) -> Told:
    return call.dial(f"/voice/twilio/called?id={row_of(people, call)}")


def test_a_guess_that_is_repeated_counts_once(network: Network, amina: Member, people: People) -> None:
    call, _ = ring(network, amina, "7194#")
    first, again = call.repeat(), call.repeat()
    assert first == again
    assert set(people.rows("SELECT failures FROM attempt_counter")) == {(1,)}


def test_a_call_is_over_after_a_few_wrong_tries(network: Network, amina: Member) -> None:
    number = "0" + amina.msisdn.e164[4:] + "#"
    call, told = ring(network, amina, "7194#")
    for _ in range(MOST_WRONG - 1):
        assert told.open
        call.press(number)
        told = call.press("7194#")
    assert not told.open


def test_a_call_that_redis_forgot_asks_again_who_is_calling(
    network: Network, amina: Member, redis: redis_client.Redis
) -> None:
    call, told = ring(network, amina, f"{PIN}#")
    assert "For Buy, press 1." in told.text
    redis.flushdb()
    told = call.press("1")
    assert told.text.startswith("Sorry, we lost our place and did not hear that. Enter your phone number")
    call.press("0" + amina.msisdn.e164[4:] + "#")
    assert "For Buy, press 1." in call.press(f"{PIN}#").text


def test_a_call_of_ours_that_redis_forgot_puts_its_question_again(
    called: Call, people: People, redis: redis_client.Redis
) -> None:
    first = answered(people, called)
    redis.flushdb()
    assert called.press("1") == first
    assert called.press("1").text.startswith("It is yours")


def test_a_withheld_number_is_told_to_show_itself(network: Network) -> None:
    told = Call(network, "anonymous").dial()
    assert told.text.startswith("We cannot see your number.")
    assert not told.open


def test_who_is_not_identified_reaches_no_conversation(network: Network, amina: Member, people: People) -> None:
    call = Call(network, amina.msisdn.e164)
    call.dial()
    for keys in ("1#", "2#", "00#", "*#", "9#", "8#"):
        assert "Buy, press" not in call.press(keys).text
    assert people.value("SELECT count(*) FROM inbox") == 0


def test_a_call_of_ours_reaches_nothing_but_the_gift(called: Call, people: People) -> None:
    question = answered(people, called)
    assert called.press("*") == question
    for keys in ("0", "9"):
        assert called.press(keys).text.endswith(question.text)


def test_an_outage_is_told_and_the_line_is_put_down(services: Services) -> None:
    nowhere = redis_client.Redis(port=1, socket_connect_timeout=0.2)
    calls = Calls(replace(services, redis=nowhere))
    with capture_logs() as logs:
        spoken = calls.hear(Heard("twilio", "CA" + "0" * 32, Msisdn(STRANGERS)))
    assert (spoken.then, "Nothing was charged" in spoken.text) == ("over", True)
    assert STRANGERS not in str(logs)


def test_what_was_done_is_said_though_redis_went_away_then(
    network: Network, amina: Member, people: People, services: Services
) -> None:
    """The turn commits, and what is known of the call cannot be kept."""

    class Failing(redis_client.Redis):
        def set(self, *_: object, **__: object) -> None:
            raise redis_client.ConnectionError

    call, told = ring(network, amina, f"{PIN}#", "1", "1", "1", "1", "1#")
    assert "Enter your PIN and hash to agree" in told.text
    calls = Calls(replace(services, redis=Failing.from_url(services.settings.redis_url)))
    spoken = calls.hear(Heard("twilio", call.sid, Msisdn(STRANGERS), keys=PIN, turn=told_turn(call)))
    assert spoken.text.startswith("Done. ")
    assert people.value("SELECT count(*) FROM certificate") == 1


def test_where_nobody_takes_calls_they_are_rejected(services: Services, settings: Settings) -> None:
    off = settings.model_copy(update={"voice": ""})
    app: Flask = create_app(off, services)
    form = Network(off).twilio("/voice/twilio", Call(Network(off), STRANGERS)._fields())
    answer = app.test_client().post(form.path, data=form.fields, headers=form.headers)
    assert (answer.status_code, answer.mimetype) == (200, "text/xml")
    assert "<Reject" in answer.text


def test_routes_for_calls_need_somebody_who_answers_them() -> None:
    with pytest.raises(ValidationError, match="VOICE is empty"):
        Settings(giftline_mode="development", routes="sms,voice + twilio")
    assert Settings(giftline_mode="development", routes="sms,voice + twilio", voice="twilio").voice == "twilio"


@pytest.mark.parametrize("path", ["", "/turn?n=1", "/called?id=7", "/status?id=7"])
def test_a_forgery_is_refused_at_every_door(app: Flask, path: str) -> None:
    assert app.test_client().post(f"/voice/twilio{path}", data={"CallSid": "CA" + "0" * 32}).status_code == 403


# What a call of ours came to -------------------------------------------------------------------------------------------
def test_a_call_that_a_person_heard_is_delivered(called: Call, people: People) -> None:
    answered(people, called)
    assert ended(people, called) == ("delivered", "")


def test_a_person_who_hung_up_at_once_has_not_heard_it(called: Call, people: People) -> None:
    answered(people, called)
    assert ended(people, called, seconds=3) == ("undelivered", "hung-up")


def test_whoever_pressed_a_key_has_heard_it(called: Call, people: People) -> None:
    called.answered_by = "unknown"
    answered(people, called)
    called.press("2")
    assert ended(people, called, seconds=3) == ("delivered", "")


def test_a_line_on_which_nobody_is_known_to_listen_is_not_delivered(called: Call, people: People) -> None:
    called.answered_by = "unknown"
    answered(people, called)
    assert ended(people, called) == ("undelivered", "hung-up")


def test_a_machine_hears_nothing_and_the_gift_waits(called: Call, people: People) -> None:
    called.answered_by = "machine_start"
    assert answered(people, called) == Told("", (), open=False)
    assert ended(people, called) == ("undelivered", "machine")
    assert people.value("SELECT state FROM gift") == "offered"


@pytest.mark.parametrize("how", ["busy", "no-answer", "failed", "canceled"])
def test_a_call_that_nobody_took_says_why(called: Call, people: People, how: str) -> None:
    assert ended(people, called, how, seconds=0) == ("undelivered", how)


def test_a_receipt_needs_no_redis(services: Services) -> None:
    calls = Calls(replace(services, redis=redis_client.Redis(port=1, socket_connect_timeout=0.2)))
    hung = Hung("twilio", "CA" + "0" * 32, 7, "completed", 42, machine=False, human=True)
    receipt = calls.ended(hung)
    assert receipt is not None and receipt.state == "delivered"


# Across channels -------------------------------------------------------------------------------------------------------
def test_a_gift_taken_in_a_call_is_taken_once(called: Call, people: People, providers: FakeProviders) -> None:
    answered(people, called)
    first = called.press("1")
    assert called.repeat() == first
    handset = called.network.handset(called.caller)
    handset.text("1")
    assert people.value("SELECT count(*) FROM gift WHERE state = 'accepted'") == 1
    assert people.books_in_order()


def test_what_was_begun_in_a_call_goes_on_by_dialling(network: Network, amina: Member, people: People) -> None:
    people.certificate(amina)
    call, _ = ring(network, amina, f"{PIN}#", "2", "1")
    call.hang_up()
    screen = network.handset(amina.msisdn.e164).dial()
    assert screen.text.endswith("Who is it for? Type their phone number.")
