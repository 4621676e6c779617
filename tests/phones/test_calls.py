"""Calls on the phones: what the product hears of them, whoever calls, and however they end."""

from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from phones.calling import Asked, Calls
from phones.handset import Network

if TYPE_CHECKING:
    from tests.phones.conftest import Call, Product


@pytest.fixture
def who(product: "Product") -> dict[str, str]:
    return {"msisdn": product.cast[0].msisdn}


def on_the_phone(product: "Product") -> list[dict[str, Any]]:
    after = {phone.msisdn: "0" for phone in product.cast}
    calls: list[dict[str, Any]] = product.api("texts", {"after": after}).json()["calls"]
    return calls


def the_end(product: "Product") -> "Call":
    [end] = product.wait_for("/voice/twilio/status", 1)
    return end


def test_a_call_rings_is_answered_hears_keys_and_is_over(product: "Product", who: dict[str, str]) -> None:
    sid = product.ring()
    [ringing] = on_the_phone(product)
    assert (ringing["sid"], ringing["msisdn"], ringing["stage"]) == (sid, who["msisdn"], "ringing")
    first = product.api("pick-up", who).json()["call"]
    assert (first["stage"], first["text"], first["one_key"]) == ("open", "Press a key.", True)
    assert on_the_phone(product) == [first]
    assert product.api("press", who | {"keys": "1"}).json()["call"]["text"] == "You pressed 1."
    last = product.api("press", who | {"keys": "2"}).json()["call"]

    assert (last["stage"], last["text"]) == ("over", "You pressed 2.")
    answered, *turns = [call for call in product.calls if not call.path.endswith("/status?id=42")]
    assert answered.path == "/voice/twilio/called?id=42"
    assert (answered.form["AnsweredBy"], answered.form["To"]) == ("human", who["msisdn"])
    assert [turn.form["Digits"] for turn in turns] == ["1", "2"]
    end = the_end(product)
    assert (end.path, end.form["CallStatus"], end.form["CallSid"]) == ("/voice/twilio/status?id=42", "completed", sid)
    assert all(call.signed for call in product.calls)
    assert on_the_phone(product) == []


def test_a_phone_that_is_declined_was_busy(product: "Product", who: dict[str, str]) -> None:
    product.ring()
    product.api("put-down", who)

    assert the_end(product).form["CallStatus"] == "busy"
    assert product.api("pick-up", who).json() == {"call": None}


def test_a_phone_that_nobody_answers_stops_ringing(product: "Product", redis: Redis, who: dict[str, str]) -> None:
    public = product.settings.public_base_url
    callback = f"{public}/voice/twilio/status?id=7"
    asked = Asked(who["msisdn"], f"{public}/voice/twilio/called", callback, 0, 60, detects_machines=True)
    Calls(product.settings, redis, Network(product.settings)).ring(asked)

    end = the_end(product)
    assert (end.path, end.form["CallStatus"], end.form["CallDuration"]) == (
        callback.removeprefix(public),
        "no-answer",
        "0",
    )


def test_a_phone_that_is_in_a_call_is_busy_for_the_next(product: "Product", who: dict[str, str]) -> None:
    first, second = product.ring(), product.ring()

    end = the_end(product)
    assert (end.form["CallSid"], end.form["CallStatus"]) == (second, "busy")
    assert [call["sid"] for call in on_the_phone(product)] == [first]


def test_a_person_calls_says_nothing_and_puts_the_phone_down(product: "Product", who: dict[str, str]) -> None:
    called = product.api("call", who).json()["call"]
    silent = product.api("press", who | {"keys": ""}).json()["call"]
    again = product.api("call", who).json()["call"]
    product.api("put-down", who)

    assert called["text"] == silent["text"] == again["text"] == "Press a key."
    assert called["sid"] == again["sid"]
    assert [call.path for call in product.calls[:2]] == ["/voice/twilio", "/voice/twilio/turn?n=1&silent=1"]
    assert (product.calls[0].form["From"], product.calls[0].form["Direction"]) == (who["msisdn"], "inbound")
    assert the_end(product).form["CallStatus"] == "completed"
    assert product.api("press", who | {"keys": "1"}).json() == {"call": None}


def test_a_product_that_fails_is_named_and_the_call_is_over(product: "Product", who: dict[str, str]) -> None:
    product.fails_with = 500
    call = product.api("call", who).json()["call"]

    assert (call["stage"], call["fault"]) == ("over", "the product answered 500")
    assert call["text"].startswith("We are sorry")
