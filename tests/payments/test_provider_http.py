"""What a provider's answer means, the life of a token, amounts in other people's writing, and addresses with a secret."""

import socket
import threading
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.gateway import Callback, Forged, NotTaken, Unanswered
from payments.provider_http import (
    LONGEST_WAIT,
    Answer,
    Caller,
    Doors,
    Token,
    at,
    read_json,
    to_decimal,
    to_minor,
    to_whole,
    word,
)
from tests.payments.scripted import TOKEN, Line, Scripted

PATIENCE = 5.0


def ask(provider: Scripted, **options: Any) -> Answer:
    return Caller(provider.url, PATIENCE).call("POST", "/charge", body={"amount": 1}, **options)


def token_of(provider: Scripted, caller: Caller | None = None) -> Token:
    caller = caller or Caller(provider.url, PATIENCE)
    return Token(lambda: caller.call("GET", "/token", basic=("user", "password")))


@pytest.mark.parametrize("status", [200, 201, 202, 400, 404, 409, 422])
def test_a_clear_answer_is_returned_with_its_status_and_json(status: int) -> None:
    with Scripted(Line(status, {"state": "x"})) as provider:
        assert ask(provider) == Answer(status, {"state": "x"})
        assert provider.bodies == [b'{"amount": 1}']


def test_an_empty_body_is_an_empty_object() -> None:
    with Scripted(Line(202, b"")) as provider:
        assert ask(provider) == Answer(202, {})


@pytest.mark.parametrize(
    "line",
    [
        Line(500),
        Line(502, b"<html>"),
        Line(503),
        Line(408),
        Line(302, headers={"Location": "/elsewhere"}),
        Line(200, b"<html>gateway"),
        Line(404, b"<html>gateway"),
        Line(200, b"\xff\xfe{"),
        Line(200, b"[" * 100_000),
        Line(200, b'{"a": 1}', headers={"Content-Length": "100"}),
        Line(hangs_up=True),
    ],
    ids=str,
)
def test_what_may_have_been_done_is_unanswered(line: Line) -> None:
    with Scripted(line) as provider, pytest.raises(Unanswered):
        Caller(provider.url, 0.2).call("POST", "/charge", body={})


def test_an_answer_that_does_not_come_in_time_is_unanswered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unanswered):
        Caller(f"http://127.0.0.1:{silent.getsockname()[1]}", 0.1).call("POST", "/charge", body={})


def test_a_refused_connection_is_not_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(NotTaken) as refused:
        Caller(address, PATIENCE).call("POST", "/charge")
    assert refused.value.code == "unreachable"
    assert not refused.value.alarm


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), ("999999", LONGEST_WAIT), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), ("-3", 0), ("١", 0)],
)
def test_too_many_requests_are_not_taken_and_wait_as_long_as_asked(header: str, seconds: float) -> None:
    encoded = header.encode().decode("latin-1")
    with Scripted(Line(429, headers={"Retry-After": encoded})) as provider, pytest.raises(NotTaken) as refused:
        ask(provider)
    assert refused.value.retry_after == seconds
    assert not refused.value.alarm


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_not_taken_and_raise_the_alarm(status: int) -> None:
    with Scripted(Line(status)) as provider, pytest.raises(NotTaken) as refused:
        ask(provider)
    assert refused.value.alarm


def test_a_status_named_as_an_answer_is_one_unless_it_cannot_be_read() -> None:
    with Scripted(Line(500, {"code": "x"}), Line(403, {"code": "y"}), Line(500, b"oops")) as provider:
        assert ask(provider, answers={500}).word("code") == "x"
        assert ask(provider, answers={403}).word("code") == "y"
        with pytest.raises(Unanswered):
            ask(provider, answers={500})


def test_a_token_is_fetched_once_and_sent_with_each_request() -> None:
    with Scripted(TOKEN, Line(), Line()) as provider:
        token = token_of(provider)
        ask(provider, token=token)
        ask(provider, token=token)
        assert provider.asked == ["GET /token", "POST /charge", "POST /charge"]
        assert provider.headers[1]["Authorization"] == provider.headers[2]["Authorization"] == "Bearer token"


def test_a_refused_token_is_dropped_and_the_request_made_once_more() -> None:
    fresh = Line(body={"access_token": "fresh", "expires_in": "3599"})
    with Scripted(TOKEN, Line(401), fresh, Line(201)) as provider:
        assert ask(provider, token=token_of(provider)).status == 201
        assert provider.headers[3]["Authorization"] == "Bearer fresh"


def test_a_second_refusal_of_the_token_is_not_taken_and_raises_the_alarm() -> None:
    with Scripted(TOKEN, Line(401), TOKEN, Line(401)) as provider, pytest.raises(NotTaken) as refused:
        ask(provider, token=token_of(provider))
    assert refused.value.alarm
    assert len(provider.asked) == 4


def test_a_token_is_renewed_before_it_ends() -> None:
    now = [1000.0]
    with Scripted(TOKEN, TOKEN) as provider:
        caller = Caller(provider.url, PATIENCE)
        token = Token(lambda: caller.call("GET", "/token"), clock=lambda: now[0])
        token.value()
        now[0] += 3600 * 0.9 - 1
        token.value()
        assert len(provider.asked) == 1
        now[0] += 2
        token.value()
        assert len(provider.asked) == 2


def test_a_dropped_token_that_was_replaced_meanwhile_keeps_its_replacement() -> None:
    with Scripted(Line(body={"access_token": "first", "expires_in": 9}), TOKEN) as provider:
        token = token_of(provider)
        first = token.value()
        token.drop(first)
        assert token.value() == "token"
        token.drop(first)
        assert token.value() == "token"


def test_threads_that_need_a_token_together_fetch_one() -> None:
    with Scripted(TOKEN) as provider:
        token, values = token_of(provider), []
        threads = [threading.Thread(target=lambda: values.append(token.value())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert values == ["token"] * 8
        assert len(provider.asked) == 1


@pytest.mark.parametrize(
    ("line", "alarm"),
    [
        (Line(500), False),
        (Line(200, b"<html>"), False),
        (Line(hangs_up=True), False),
        (Line(200, {"access_token": "x"}), False),
        (Line(200, {"access_token": "x\r\ny", "expires_in": 9}), False),
        (Line(200, {"expires_in": 9}), False),
        (Line(200, []), False),
        (Line(429), False),
        (Line(400), True),
        (Line(401), True),
    ],
    ids=str,
)
def test_without_a_token_nothing_was_asked(line: Line, alarm: bool) -> None:
    with Scripted(line) as provider, pytest.raises(NotTaken) as refused:
        ask(provider, token=token_of(provider))
    assert refused.value.alarm is alarm
    assert provider.asked == ["GET /token"]


@pytest.mark.parametrize(
    ("minor", "currency", "units"),
    [(102_000, "KES", "1020.00"), (1, "EUR", "0.01"), (500, "UGX", "500"), (0, "KES", "0.00"), (-5, "USD", "-0.05")],
)
def test_minor_units_become_units_of_the_currency(minor: int, currency: str, units: str) -> None:
    assert str(to_decimal(minor, currency)) == units
    assert to_minor(units, currency) == minor


@given(st.integers(-(10**15), 10**15), st.sampled_from(["KES", "UGX", "EUR", "KWD"]))
def test_every_amount_survives_the_way_there_and_back(minor: int, currency: str) -> None:
    assert to_minor(to_decimal(minor, currency), currency) == minor
    assert to_minor(format(to_decimal(minor, currency), "f"), currency) == minor


def test_only_whole_amounts_are_whole() -> None:
    assert to_whole(25_000, "KES") == 250
    assert to_whole(25_001, "KES") is None
    assert to_whole(7, "UGX") == 7


@pytest.mark.parametrize("stated", [1, "1", "1.0", Decimal("1.00"), "100e-2"])
def test_a_providers_amount_may_be_written_in_many_ways(stated: object) -> None:
    assert to_minor(stated, "KES") == 100


@pytest.mark.parametrize(
    "stated",
    [None, True, 1.0, "", "x", "1.001", "NaN", "Infinity", "1e999999999", "1" * 21, [], {}, b"1", Decimal("1e-99")],
    ids=repr,
)
def test_what_is_no_amount_of_the_currency_is_refused(stated: object) -> None:
    with pytest.raises(ValueError, match=r"amount|fraction"):
        to_minor(stated, "KES")


@pytest.mark.parametrize("currency", ["", "kes", "KE", "KESS", "K\u0415S"])
def test_what_is_no_currency_has_no_amounts(currency: str) -> None:
    with pytest.raises(ValueError, match="currency"):
        to_minor("1", currency)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 50_000, b'"' + b"a" * 70_000 + b'"', b"1" * 5000, b"a=b"])
def test_json_that_cannot_be_read_is_one_kind_of_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which one is nobody's business
        read_json(body)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    try:
        read_json(body)
    except ValueError:
        return


def test_fractions_in_json_are_decimals() -> None:
    assert at(read_json(b'{"a": {"b": 0.1}}'), "a", "b") == Decimal("0.1")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"a": {"b": "x"}}, "x"),
        ({"a": {"b": 7}}, "7"),
        ({"a": {"b": True}}, ""),
        ({"a": {"b": None}}, ""),
        ({"a": {"b": "x\ny"}}, ""),
        ({"a": {"b": "\ud800"}}, ""),
        ({"a": {"b": "é"}}, ""),
        ({"a": {"b": "x" * 201}}, ""),
        ({"a": ["b"]}, ""),
        ([], ""),
        (None, ""),
    ],
    ids=repr,
)
def test_a_word_is_plain_text_or_nothing(data: object, found: str) -> None:
    assert word(data, "a", "b") == found


def called(address: str) -> Callback:
    *_, secret, id_ = address.split("/")
    return Callback({}, b"", secret, id_)


def test_an_address_is_known_for_what_it_was_made_for() -> None:
    doors = Doors("https://giftline.example/", "daraja", "key")
    address = doors.address("refund", "17")
    assert address.startswith("https://giftline.example/webhooks/payments/daraja/")
    assert doors.kind(called(address), "charge", "refund") == "refund"


def secret_of(name: str, key: str, kind: str, id_: str) -> str:
    return called(Doors("", name, key).address(kind, id_)).secret


@pytest.mark.parametrize(
    ("secret", "id_"),
    [
        (secret_of("daraja", "key", "charge", "18"), "17"),
        (secret_of("daraja", "other key", "charge", "17"), "17"),
        (secret_of("momo", "key", "charge", "17"), "17"),
        (secret_of("daraja", "key", "payout", "17"), "17"),
        ("", "17"),
        ("\udcff\u00e9", "17"),
        ("x", "\udcff"),
    ],
)
def test_any_other_address_is_forged(secret: str, id_: str) -> None:
    with pytest.raises(Forged):
        Doors("", "daraja", "key").kind(Callback({}, b"", secret, id_), "charge", "refund")
