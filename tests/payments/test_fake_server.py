"""All fakes on one server, and the doors for the people whose phones they ask."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
import requests

from payments.fakes.faults import Faults
from payments.fakes.momo import FakeMomo
from payments.fakes.mpesa import FakeMpesa
from payments.fakes.server import RAILS, FakeRails
from payments.gateway import Charge
from payments.momo import MtnMomo
from payments.mpesa import Mpesa

PAYER = "+254712345678"
TO_US = {"callback_base": "http://127.0.0.1:1", "callback_secret": "key"}


@pytest.fixture
def rails() -> Iterator[FakeRails]:
    with FakeRails() as rails:
        yield rails


def asked(rails: FakeRails) -> list[str]:
    """Both mobile money rails ask the same phone; what they call it."""
    mpesa = Mpesa(base_url=f"{rails.url}/mpesa", timeout_seconds=10, **FakeMpesa.credentials, **TO_US)
    momo = MtnMomo(
        base_url=f"{rails.url}/momo",
        target_environment="sandbox",
        currencies=("KES",),
        prefixes=("+254",),
        timeout_seconds=10,
        **FakeMomo.credentials,
        **TO_US,
    )
    return [gateway.ask(Charge(str(uuid4()), PAYER, 50_000, "KES", "AB12CD34")).handle for gateway in (mpesa, momo)]


def prompts(rails: FakeRails, query: str) -> list[dict[str, object]]:
    answer = requests.get(f"{rails.url}/people/prompts?msisdn={query}", timeout=5)
    assert answer.status_code == 200
    listed: list[dict[str, object]] = answer.json()["prompts"]
    return listed


def answered(rails: FakeRails, id_: str, body: object) -> int:
    return requests.post(f"{rails.url}/people/prompts/{id_}", json=body, timeout=5).status_code


@pytest.mark.parametrize("query", [PAYER, PAYER.replace("+", "%2B"), PAYER[1:]])
def test_a_phone_shows_the_questions_of_every_rail(query: str, rails: FakeRails) -> None:
    handles = asked(rails)
    shown = prompts(rails, query)
    assert [prompt["id"] for prompt in shown] == handles
    assert [prompt["rail"] for prompt in shown] == ["mpesa", "momo"]
    assert {(prompt["amount_minor"], prompt["currency"]) for prompt in shown} == {(50_000, "KES")}
    assert all("AB12CD34" in str(prompt["sentence"]) for prompt in shown)


def test_another_phone_shows_nothing(rails: FakeRails) -> None:
    asked(rails)
    assert prompts(rails, "+254712345679") == prompts(rails, "") == []


def test_an_answer_is_taken_once(rails: FakeRails) -> None:
    mpesa, momo = asked(rails)
    assert answered(rails, mpesa, {"answer": "pay"}) == 204
    assert answered(rails, mpesa, {"answer": "pay"}) == 404
    assert answered(rails, momo, {"answer": "decline"}) == 204
    assert prompts(rails, PAYER) == []
    assert rails.taken_minor("KES") == 50_000
    assert len(rails.calls.waiting) == 2


@pytest.mark.parametrize("body", [{}, {"answer": "steal"}, {"answer": ["pay"]}, {"answer": None}, [], "pay", 7])
def test_an_answer_that_is_none_is_refused(body: object, rails: FakeRails) -> None:
    mpesa, _ = asked(rails)
    assert answered(rails, mpesa, body) == 400
    assert len(prompts(rails, PAYER)) == 2


def test_an_answer_to_a_question_that_nobody_asked_finds_nothing(rails: FakeRails) -> None:
    assert answered(rails, "nothing", {"answer": "pay"}) == 404
    assert answered(rails, "no/thing", {"answer": "pay"}) == 404


def test_faults_of_one_rail_do_not_touch_another(rails: FakeRails) -> None:
    rails.faults["momo"].plan("ask", "broken")
    assert rails.mpesa.faults.next("ask") is None
    assert rails.momo.faults.next("ask") == "broken"
    assert len({id(fake.faults) for fake in (rails.mpesa, rails.momo, rails.card, rails.carrier, rails.bank)}) == 5


def thrown(faults: Faults) -> list[str | None]:
    return [faults.next("ask") for _ in range(50)]


def test_the_same_seed_throws_the_same_faults_and_rails_throw_their_own() -> None:
    dice = []
    for seed in (7, 7, 8):
        with FakeRails(seed, {"lost": 0.5}) as rails:
            dice.append([thrown(rails.faults[rail]) for rail in RAILS])
    one, again, other = dice
    assert one == again
    assert len({tuple(faults) for faults in one + other}) == 2 * len(RAILS)
