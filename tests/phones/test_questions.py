"""What providers ask on the phones, without a browser: it reaches the phone that is asked, and its answer reaches them."""

import socket
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import requests
from flask import Flask
from redis import Redis

import phones
from bot.config import Settings
from bot.rails import build
from payments.fakes.server import FakeRails
from payments.gateway import Charge
from phones import rails
from phones.airwaves import Airwaves

if TYPE_CHECKING:
    from tests.phones.conftest import Product


def _waiting(product: "Product", which: int) -> list[dict[str, Any]]:
    answer = product.api("texts", {"after": {product.cast[which].msisdn: "0"}})
    assert answer.status_code == 200
    questions: list[dict[str, Any]] = answer.json()["questions"]
    return questions


def test_a_question_waits_on_the_phone_that_is_asked_and_on_no_other(product: "Product", fakes: FakeRails) -> None:
    handle = product.ask_to_pay(0)

    [question] = _waiting(product, 0)
    assert (question["id"], question["rail"], question["msisdn"]) == (handle, "mpesa", product.cast[0].msisdn)
    assert "510.00" in question["sentence"] and "7KQ4MXW2" in question["sentence"]
    assert _waiting(product, 1) == []
    assert fakes.taken_minor("KES") == 0


def test_one_look_brings_the_questions_of_every_phone_on_the_page(product: "Product", fakes: FakeRails) -> None:
    handles = [product.ask_to_pay(which) for which in (0, 1)]

    listening = {phone.msisdn: "0" for phone in product.cast}
    asked = product.api("texts", {"after": listening}).json()["questions"]
    assert [question["id"] for question in asked] == handles
    assert len(fakes.mpesa.pushes) == 2


@pytest.mark.parametrize(
    ("answer", "taken_minor"), [("pay", 51_000), ("decline", 0), ("no_funds", 0), ("wrong_pin", 0)]
)
def test_an_answer_ends_the_question(answer: str, taken_minor: int, product: "Product", fakes: FakeRails) -> None:
    handle = product.ask_to_pay()

    assert product.api("question", {"question": handle, "answer": answer}).json() == {}
    assert _waiting(product, 0) == []
    assert fakes.taken_minor("KES") == taken_minor


def test_an_answer_to_what_no_longer_waits_changes_nothing(product: "Product", fakes: FakeRails) -> None:
    handle = product.ask_to_pay()
    product.api("question", {"question": handle, "answer": "pay"})

    assert product.api("question", {"question": handle, "answer": "decline"}).json() == {}
    assert product.api("question", {"question": "ws_CO_never", "answer": "pay"}).json() == {}
    assert fakes.taken_minor("KES") == 51_000


def test_while_the_providers_are_not_there_the_phones_are_silent_and_an_answer_says_so(product: "Product") -> None:
    product.text(product.cast[0].msisdn, "Still here")

    assert _waiting(product, 0) == []
    answer = product.api("question", {"question": "ws_CO_1", "answer": "pay"})
    assert answer.json() == {"fault": "the provider did not answer (ConnectionError)"}


def test_a_provider_that_never_answers_holds_up_no_text(product: "Product") -> None:
    product.text(product.cast[0].msisdn, "In time")
    with socket.create_server(("127.0.0.1", product.settings.port + 1)):
        answer = product.api("texts", {"after": {product.cast[0].msisdn: "0"}}).json()

    assert [text["body"] for text in answer["texts"]] == ["In time"]
    assert answer["questions"] == []


def test_the_networks_code_comes_as_a_text_of_the_network(product: "Product", fakes: FakeRails, redis: Redis) -> None:
    network = build(product.settings.model_copy(update={"public_base_url": product.url}))["carrier_billing"]
    assert network
    charge = Charge(str(uuid4()), "+254712000003", 51_000, "KES", "7KQ4MXW2")
    found = network.ask(charge)

    assert found.state == "needs_code"
    [text] = Airwaves(redis).texts({charge.msisdn: "0"})
    assert (text.sender, [text.body]) == ("Network", fakes.carrier.codes(charge.msisdn))


def test_the_bank_is_opened_filled_in(product: "Product", fakes: FakeRails) -> None:
    filled = {"amount": "510", "reference": "RF18 7KQ4 MXW2", "phone": product.cast[0].msisdn, "other": "x"}
    page = requests.get(f"{product.url}/phones/bank", params=filled, timeout=20)

    assert page.status_code == 200
    assert page.url.startswith(f"{fakes.url}/bank") and "other" not in page.url
    assert 'value="510"' in page.text and 'value="RF18 7KQ4 MXW2"' in page.text
    assert f'value="{product.cast[0].msisdn}"' in page.text


def test_a_rail_is_played_here_when_it_is_on_offer_and_its_address_is_ours(product: "Product") -> None:
    settings = product.settings
    assert rails.played(settings) == {"mpesa", "momo", "card", "carrier_billing", "bank"}
    elsewhere = settings.model_copy(update={"stripe_api_base": "https://api.stripe.com"})
    assert rails.played(elsewhere) == {"mpesa", "momo", "carrier_billing", "bank"}
    assert rails.played(settings.model_copy(update={"payment_rails": "phone_bill,momo"})) == {"momo"}
    assert rails.played(settings.model_copy(update={"payment_rails": "phone_bill"})) == frozenset()


def test_without_a_bank_the_page_has_no_way_to_it(plain_settings: Settings, redis: Redis) -> None:
    app = Flask("phones")
    app.register_blueprint(phones.blueprint(plain_settings, redis, phones.DEMO_CAST))
    client = app.test_client()

    assert client.get("/phones/bank").status_code == 404
    assert "/phones/bank" not in client.get("/phones").text
