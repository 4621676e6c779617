"""Kannel's file and its doors, where Kannel itself is not needed: what is believed, and what is done about each answer."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.channels import Forged
from bot.channels.kannel import Kannel
from bot.config import Settings
from bot.messages import Inbound, Outbound, Receipt, Reply, SendFailed, Unavailable
from circulation.msisdn import Msisdn
from webhooks import kannel as doors

PHONE = "+254712345678"
ID = "8f14e45f-ceea-467f-a83c-9f2a3b1c4d5e"
TEXT, DELIVERY = "/sms/kannel/dev-kannel-secret", "/sms/kannel/dev-kannel-secret/delivery"


class FakeKannel:
    """Answers sendsms with what it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: tuple[int, str] | None = (202, "0: Accepted for delivery")
        self.asked: list[dict[str, list[str]]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.asked.append(parse_qs(urlsplit(self.path).query, keep_blank_values=True, encoding="latin-1"))
                if fake.answer is not None:
                    status, words = fake.answer
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(words.encode())

            def log_message(self, *_: Any) -> None:
                """Tests are quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/cgi-bin/sendsms"


@pytest.fixture
def fake() -> Iterator[FakeKannel]:
    fake = FakeKannel()
    thread = threading.Thread(target=fake.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()
    thread.join()


def kannel(url: str = "", **values: str) -> Kannel:
    return Kannel(Settings(giftline_mode="development", kannel_url=url, **values))  # type: ignore[arg-type]


def send(fake: FakeKannel, words: str = "Habari", **values: str) -> None:
    kannel(fake.url, **values).send(Outbound(7, 1, "kannel", Msisdn(PHONE), words))


def test_a_text_is_handed_over_with_the_address_of_its_reports(fake: FakeKannel) -> None:
    send(fake, "Zawadi: €5", kannel_from="22141", public_base_url="https://gift.example")
    (asked,) = fake.asked
    assert asked == {
        "username": ["giftline"],
        "password": ["dev-kannel-password"],
        "from": ["22141"],
        "to": [PHONE],
        "text": ["Zawadi: €5".encode().decode("latin-1")],
        "coding": ["0"],
        "charset": ["UTF-8"],
        "dlr-mask": ["31"],
        "dlr-url": [f"https://gift.example{DELIVERY}?id=7&state=%d"],
    }


def test_what_is_not_gsm7_goes_as_the_bytes_of_ucs2(fake: FakeKannel) -> None:
    send(fake, "هدية 🎁")
    (asked,) = fake.asked
    assert asked["text"][0].encode("latin-1") == "هدية 🎁".encode("utf-16-be")
    assert asked["coding"] == ["2"] and "charset" not in asked and "from" not in asked


def test_a_text_that_is_queued_has_been_taken(fake: FakeKannel) -> None:
    fake.answer = (202, "3: Queued for later delivery")
    send(fake)


@pytest.mark.parametrize(
    ("answer", "policy", "code"),
    [
        ((503, "Temporal failure, try again later."), "later", "http_503"),
        ((500, "Sending failed."), "later", "http_500"),
        ((403, "Authorization failed for sendsms"), "alarm", "http_403"),
        ((403, "Not routable. Do not try again."), "other", "not_routable"),
        ((400, "Number(s) has/have been denied by white- and/or black-lists."), "other", "denied"),
        ((400, "Sender missing and no global set, rejected"), "alarm", "http_400"),
        ((404, "Unknown request."), "alarm", "http_404"),
        ((302, ""), "later", "http_302"),
        ((200, "a page of something else"), "later", "http_200"),
        (None, "unknown", "ConnectionError"),
    ],
)
def test_each_answer_has_its_policy(fake: FakeKannel, answer: tuple[int, str] | None, policy: str, code: str) -> None:
    fake.answer = answer
    with pytest.raises(SendFailed) as caught:
        send(fake)
    assert (caught.value.policy, caught.value.code) == (policy, code)


def test_a_kannel_that_is_not_there_took_nothing() -> None:
    with socket.socket() as taken:  # and nobody listens on it
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/cgi-bin/sendsms"
        with pytest.raises(SendFailed) as caught:
            kannel(url).send(Outbound(7, 1, "kannel", Msisdn(PHONE), "Habari"))
    assert (caught.value.policy, caught.value.code) == ("later", "not_connected")


# The doors ------------------------------------------------------------------------------------------------------------


class House:
    """The doors with a turn behind them that notes who came in."""

    def __init__(self, **values: str) -> None:
        self.turns: list[Inbound] = []
        self.receipts: list[Receipt] = []
        self.down = False
        app = Flask("doors")
        app.register_blueprint(doors.blueprint(kannel(**values), self.take_turn, self.record))
        self.client: FlaskClient = app.test_client()

    def take_turn(self, inbound: Inbound) -> Reply:
        if self.down:
            raise Unavailable("Sorry")
        self.turns.append(inbound)
        return Reply("Welcome")

    def record(self, receipt: Receipt) -> None:
        if self.down:
            raise Unavailable("Sorry")
        self.receipts.append(receipt)

    def get(self, path: str, **fields: str | bytes) -> tuple[int, str]:
        answer = self.client.get(f"{path}?{urlencode({name.rstrip('_'): value for name, value in fields.items()})}")
        return answer.status_code, answer.text


@pytest.mark.parametrize(
    ("coding", "text"), [("0", "GIFT é €".encode()), ("2", "GIFT é €".encode("utf-16-be")), ("", "GIFT é €".encode())]
)
def test_a_text_takes_a_turn_and_is_answered_with_nothing(coding: str, text: bytes) -> None:
    house = House()
    assert house.get(TEXT, id=ID, from_=PHONE, coding=coding, text=text) == (200, "")
    assert house.turns == [Inbound("kannel", "sms", ID, Msisdn(PHONE), "GIFT é €")]


@pytest.mark.parametrize(
    ("state", "receipt"),
    [
        ("1", Receipt("kannel", "", 7, "delivered")),
        ("2", Receipt("kannel", "", 7, "undelivered", "2")),
        ("4", Receipt("kannel", "", 7, "sent")),
        ("8", Receipt("kannel", "", 7, "sent")),
        ("16", Receipt("kannel", "", 7, "failed", "16")),
    ],
)
def test_a_report_is_recorded(state: str, receipt: Receipt) -> None:
    house = House()
    assert house.get(DELIVERY, id="7", state=state) == (200, "")
    assert house.receipts == [receipt]


@pytest.mark.parametrize(
    "fields", [{}, {"id": "7"}, {"id": "7", "state": "32"}, {"id": "0", "state": "1"}, {"id": "x", "state": "²"}]
)
def test_a_report_that_says_nothing_new_is_no_receipt(fields: dict[str, str]) -> None:
    house = House()
    assert house.get(DELIVERY, **fields) == (200, "")
    assert house.receipts == []


@pytest.mark.parametrize(
    "fields", [{}, {"id": ID, "from": "MPESA"}, {"id": ID, "from": "22141"}, {"id": "", "from": PHONE}]
)
def test_what_cannot_be_answered_takes_no_turn_and_is_not_texted_back(fields: dict[str, str]) -> None:
    house = House()
    assert house.get(TEXT, **fields) == (200, "")
    assert house.turns == []


def test_without_a_secret_of_ours_there_is_no_door() -> None:
    settings = Settings(giftline_mode="development").model_copy(update={"kannel_secret": SecretStr("")})
    with pytest.raises(Forged):
        Kannel(settings).receive("", f"id={ID}&from=254712345678&text=1".encode())


def test_what_cannot_be_taken_now_is_asked_for_again() -> None:
    house = House()
    house.down = True
    assert house.get(TEXT, id=ID, from_=PHONE, text="BUY") == (503, "")
    assert house.get(DELIVERY, id="7", state="1") == (503, "")


@pytest.mark.parametrize("secret", ["x", "dev-kannel-secre", "d%C3%A9v", "%ff", "%00", "%ED%A0%80", "x" * 2000])
def test_a_wrong_secret_is_forbidden(secret: str) -> None:
    house = House()
    for path in (TEXT, DELIVERY):
        assert house.get(path.replace("dev-kannel-secret", secret), id=ID, from_=PHONE, state="1") == (403, "Forbidden")
    assert house.turns == [] and house.receipts == []


@given(st.dictionaries(st.sampled_from(["id", "from", "coding", "text", "state", "x"]), st.binary(max_size=80)))
def test_no_query_makes_a_fault(fields: dict[str, bytes]) -> None:
    house = House()
    query = {"id": ID, "from": PHONE} | fields
    for path in (TEXT, DELIVERY):
        assert house.client.get(f"{path}?{urlencode(query)}").status_code == 200
