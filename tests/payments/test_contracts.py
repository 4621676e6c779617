"""What we ask of the providers is what their published descriptions allow; and the checker sees what is not."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from payments.card import VERSION
from tests.payments.asked import requests_to
from tests.payments.contracts import FOLDER, NAMES, Contract, Request, described, unfolded

FORM = {"authorization": "Basic x", "content-type": "application/x-www-form-urlencoded"}
JSON = {"authorization": "Bearer x", "content-type": "application/json"}
SESSION = {
    "mode": "payment",
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "kes",
    "line_items[0][price_data][unit_amount]": "102000",
}


@pytest.mark.parametrize("name", NAMES)
def test_everything_we_ask_is_allowed(name: str) -> None:
    contract, asked = Contract(described(name)), requests_to(name)
    assert [(request.path, fault) for request in asked for fault in contract.faults(request)] == []


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_is_described_is_asked(name: str) -> None:
    operations = [(path, method) for path, entry in described(name)["paths"].items() for method in entry]
    contract = described(name)
    for path, method in operations:
        only = Contract({**contract, "paths": {path: {method: contract["paths"][path][method]}}})
        assert any(only.faults(request) == [] for request in requests_to(name)), f"nobody asks {method} {path}"


@pytest.mark.parametrize("name", NAMES)
def test_each_description_names_its_source(name: str) -> None:
    written = described(name)["x-written"]
    assert set(written) == {"what", "source", "commit", "licence of the source"}
    assert len(written["commit"]) == 40


def test_there_is_a_description_of_each_provider() -> None:
    assert NAMES == ("carrier-billing", "carrier-billing-refund", "stripe", "twilio")
    assert FOLDER.is_dir()


def test_every_request_to_stripe_says_which_version_it_means() -> None:
    assert {request.headers["stripe-version"] for request in requests_to("stripe")} == {VERSION}


def test_whatever_may_charge_or_pay_has_a_key_so_that_it_does_so_once() -> None:
    posts = [
        request
        for request in requests_to("stripe")
        if request.method == "POST" and not request.path.endswith("/expire")
    ]
    assert len(posts) == 6
    assert len({request.headers["idempotency-key"] for request in posts}) == 6


TEXT = {"To": "+254700000001", "From": "+15005550006", "Body": "Habari"}


def twilio(method: str, query: str = "", **form: str) -> list[str]:
    path = f"/2010-04-01/Accounts/AC{'0a' * 16}/Messages.json{query}"
    body = urlencode({**TEXT, **form}).encode() if method == "POST" else b""
    return Contract(described("twilio")).faults(Request(method, path, FORM, body))


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"MediaUrls": "https://x/1"}, "form.MediaUrls is unknown"),
        ({"MediaUrl": "card.jpg"}, "form.MediaUrl[0] is no address"),
        ({"SendAsMms": "yes"}, "form.SendAsMms is no boolean"),
        ({"StatusCallback": "/sms/twilio/status"}, "form.StatusCallback is no address"),
    ],
)
def test_a_wrong_mms_is_seen(wrong: dict[str, str], fault: str) -> None:
    assert twilio("POST") == []
    assert twilio("POST", **wrong) == [fault]


def test_a_wrong_list_is_seen() -> None:
    assert twilio("GET", "?To=%2B15005550006&PageSize=1000&DateSent%3E=2026-11-20T00%3A00%3A00Z") == []
    assert twilio("GET", "?PageSize=1001") == ["PageSize is more than 1000"]
    assert twilio("GET", "?DateSent%3E=yesterday") == ["DateSent> is no date with a time and a zone"]
    assert twilio("GET", "?Since=1") == ["unknown query parameter Since"]


def test_each_picture_of_an_mms_is_a_field_of_its_own() -> None:
    (mms,) = [request for request in requests_to("twilio") if b"MediaUrl" in request.body]
    names = [name for name, _ in parse_qsl(mms.body.decode())]
    assert names.count("MediaUrl") == 2, "a form explodes its lists, as the description says by saying nothing"


def stripe(form: dict[str, str], path: str = "/v1/checkout/sessions", **changed: Any) -> list[str]:
    request = Request("POST", path, FORM, urlencode(form).encode())
    return Contract(described("stripe")).faults(replace(request, **changed))


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"mode": "pay"}, "form.mode is none of ['payment', 'setup', 'subscription']"),
        ({"modus": "payment"}, "form.modus is unknown"),
        ({"line_items[0][price_data][unit_amount]": "10.5"}, "form.line_items[0].price_data.unit_amount is no integer"),
        ({"line_items[0][price_data][amount]": "1"}, "form.line_items[0].price_data.amount is unknown"),
        ({"line_items[1][price_data][unit_amount]": "1"}, "form.line_items[1].price_data.currency is missing"),
        ({"line_items": "one"}, "form.line_items[0] is no object"),
        ({"metadata": "text"}, "form.metadata is no object"),
        ({"client_reference_id": "x" * 201}, "form.client_reference_id has a wrong length"),
    ],
)
def test_a_wrong_form_is_seen(wrong: dict[str, str], fault: str) -> None:
    form = {name: value for name, value in SESSION.items() if name.partition("[")[0] not in wrong}
    assert stripe(form) == []
    assert stripe({**form, **wrong}) == [fault]


def test_wrong_paths_parameters_and_credentials_are_seen() -> None:
    get: dict[str, Any] = {"method": "GET", "body": b""}
    assert stripe({}, "/v1/checkout/session") == ["there is no path /v1/checkout/session"]
    assert stripe({}, method="DELETE") == ["/v1/checkout/sessions takes no DELETE"]
    assert stripe({}, "/v1/refunds?limit=ten", **get) == ["limit is no integer"]
    assert stripe({}, "/v1/refunds?many=1", **get) == ["unknown query parameter many"]
    assert stripe({}, "/v1/refunds?created[from]=1", **get) == ["created.from is unknown"]
    assert stripe(SESSION, headers={**FORM, "authorization": "Digest x"}) == [
        "not authorised by any of ['basic', 'bearer']"
    ]
    assert stripe(SESSION, headers={**FORM, "content-type": "text/xml"}) == ["a body of type text/xml is not taken"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"amount": "1020.00"}, "amount is no number"),
        ({"amount": 0}, "amount is less than 0.001"),
        ({"amount": 0.0015}, "amount is no multiple of 0.001"),
        ({"amount": True}, "amount is no number"),
        ({"currency": None}, "currency is no string"),
        ({"isTaxIncluded": "true"}, "isTaxIncluded is no boolean"),
        ({"price": 1}, "price is unknown"),
    ],
)
def test_a_wrong_amount_is_seen(change: dict[str, object], fault: str) -> None:
    money = {"amount": 1020, "currency": "KES", "description": "Giftline", **change}
    body = {"amountTransaction": {"referenceCode": "7", "paymentAmount": {"chargingInformation": money}}}
    request = Request("POST", "/carrier-billing/v0.5/payments/prepare", JSON, json.dumps(body).encode())
    (found,) = Contract(described("carrier-billing")).faults(request)
    assert found == f"body.amountTransaction.paymentAmount.chargingInformation.{fault}"


@pytest.mark.parametrize(("kind", "faults"), [("total", 1), ("partial", 0), ("half", 1)])
def test_the_kind_of_a_refund_decides_what_it_must_have(kind: str, faults: int) -> None:
    money = {"amount": 1, "currency": "KES", "description": "Giftline"}
    asked = {"referenceCode": "7", "refundAmount": {"chargingInformation": money}}
    body = json.dumps({"type": kind, "amountTransaction": asked}).encode()
    request = Request("POST", "/carrier-billing-refund/v0.3/payments/1/refunds", JSON, body)
    assert (len(Contract(described("carrier-billing-refund")).faults(request)) > 0) is bool(faults)


def test_a_body_that_is_missing_or_a_key_that_is_missing_is_seen() -> None:
    path = "/carrier-billing/v0.5/payments/1/validate"
    contract = Contract(described("carrier-billing"))
    assert contract.faults(Request("POST", path, JSON)) == ["the body is missing"]
    assert contract.faults(Request("POST", path, JSON, b'{"code": "1"}')) == ["body.authorizationId is missing"]


def test_form_keys_unfold() -> None:
    pairs = [("a[b][0][c]", "x"), ("a[b][0][d]", "y"), ("a[b][1][c]", "z"), ("e", "1"), ("e", "2"), ("f.gte", "3")]
    assert unfolded(pairs) == {"a": {"b": [{"c": "x", "d": "y"}, {"c": "z"}]}, "e": ["1", "2"], "f.gte": "3"}
