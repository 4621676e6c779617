"""The doors for payments: a callback is verified, kept once, and moves nothing by itself."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bot.app import create_app
from bot.config import Settings
from payments.fakes.faults import Call
from payments.fakes.server import FakeRails
from tests.paying import Paying, answering

DOORS = {"mpesa": "daraja", "momo": "momo", "card": "card", "carrier_billing": "carrier_billing"}


@pytest.fixture
def rails() -> Iterator[FakeRails]:
    with FakeRails() as rails:
        yield rails


@pytest.fixture
def till(plain_settings: Settings, rails: FakeRails) -> Iterator[Paying]:
    with answering(plain_settings, rails) as till:
        yield till


def asked(till: Paying, rail: str) -> str:
    """An order over a rail, whose payer has been asked and has paid; no look since. Its id."""
    buyer = till.asked_for_a_code(False)
    charge_id = till.order(buyer, rail)
    till.rounds(2)
    match rail:
        case "mpesa" | "momo":
            fake = getattr(till.rails, rail)
            (prompt,) = fake.prompts(buyer.msisdn.e164)
            fake.answer(prompt.id, "pay")
        case "card":
            till.rails.card.answer(till.handle(charge_id), "pay")
    return charge_id


@pytest.mark.parametrize("rail", ["mpesa", "momo", "card"])
def test_a_callback_moves_nothing_and_makes_the_worker_fetch(rail: str, till: Paying) -> None:
    charge_id = asked(till, rail)
    till.people.run("UPDATE charge SET due_at = clock() + interval '1 hour' WHERE id = :id", id=charge_id)
    assert set(till.rails.calls.make_all()) <= {200}
    assert till.sheets(charge_id) == 0
    assert till.people.value("SELECT due_at <= clock() FROM charge WHERE id = :id", id=charge_id)
    till.charging()
    assert (till.state(charge_id), till.sheets(charge_id)) == ("paid", 1)


@pytest.mark.parametrize("rail", ["mpesa", "momo", "card", "carrier_billing"])
def test_callbacks_in_any_order_and_number_issue_once(rail: str, till: Paying) -> None:
    charge_id = asked(till, rail)
    calls = list(till.rails.calls.waiting)
    for call in [*reversed(calls), *calls, *calls]:
        assert till.rails.calls.make(call) in (200, 204)
        till.charging()
    till.rounds(2)
    assert (till.state(charge_id), till.sheets(charge_id)) == ("paid", 1)
    assert till.people.value("SELECT count(*) FROM payment") == 1
    assert till.people.books_in_order()


def forgeries(till: Paying, charge_id: str) -> list[Call]:
    """Callbacks by somebody who knows a charge's id and guesses the rest."""
    base = till.services.settings.public_base_url
    guessed = [f"{base}/webhooks/payments/{door}/guessed/{charge_id}" for door in ("daraja", "momo")]
    return [
        till.rails.mpesa.forge(guessed[0]),
        till.rails.momo.forge(guessed[1]),
        till.rails.card.forge(next(iter(till.rails.card.sessions))),
    ]


def test_forged_callbacks_are_refused_and_leave_no_trace(till: Paying) -> None:
    charge_id = till.order(till.people.member(), "mpesa")
    till.order(till.people.member(), "card")
    till.rounds()
    due = till.people.value("SELECT due_at FROM charge WHERE id = :id", id=charge_id)
    for call in forgeries(till, charge_id):
        assert till.rails.calls.make(call) == 403
    assert till.people.value("SELECT due_at FROM charge WHERE id = :id", id=charge_id) == due
    assert till.people.value("SELECT count(*) FROM callback") == 0


def test_a_genuine_callback_about_nothing_of_ours_is_acknowledged_and_calls_the_operator(till: Paying) -> None:
    session = till.rails.card.pay_unasked(5_000, "kes")
    assert session
    assert set(till.rails.calls.make_all()) == {200}
    assert till.people.rows("SELECT DISTINCT kind FROM incident") == [("callback for an unknown charge",)]
    assert till.people.rows("SELECT 1 FROM journal_entry") == []


def test_an_unknown_rail_is_not_found(till: Paying) -> None:
    client = create_app(till.services.settings, till.services).test_client()
    assert client.post("/webhooks/payments/paypal", data=b"{}").status_code == 404
    assert client.get("/webhooks/payments/card").status_code == 405


@given(
    body=st.binary(max_size=300),
    headers=st.dictionaries(
        st.sampled_from(["Stripe-Signature", "Authorization"]),
        st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=60),
    ),
)
@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_knocks_gets_no_server_error(till: Paying, body: bytes, headers: dict[str, str]) -> None:
    client = create_app(till.services.settings, till.services).test_client()
    for door in DOORS.values():
        for path in (f"/webhooks/payments/{door}", f"/webhooks/payments/{door}/x/{uuid4()}"):
            assert client.post(path, data=body, headers=headers).status_code < 500


def test_a_card_payer_is_sent_to_the_providers_page_while_the_order_waits(till: Paying) -> None:
    buyer = till.people.member()
    charge_id = till.order(buyer, "card")
    till.rounds()
    (text,) = till.told(buyer)
    reference = till.reference(charge_id)
    assert text.holes["link"] == f"{till.services.settings.public_base_url}/pay/{reference}"
    client = create_app(till.services.settings, till.services).test_client()
    assert client.get(f"/pay/{reference}").headers["Location"].startswith(till.rails.url)
    till.rails.card.answer(till.handle(charge_id), "pay")
    till.rounds()
    assert client.get(f"/pay/{reference}").status_code == 404
    assert client.get("/pay/7KQ4MXW2").status_code == 404
    assert [client.get(page).status_code for page in ("/paid", "/not-paid")] == [200, 200]
