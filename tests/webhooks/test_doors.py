"""The doors: whatever knocks is answered with the right status, and only what is genuine reaches a turn."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator
from werkzeug.test import EnvironBuilder, TestResponse

from bot.channels.africastalking import AfricasTalking
from bot.channels.twilio import Twilio
from bot.config import DEVELOPMENT_SECRETS, Settings
from bot.messages import Inbound, Receipt, Reply, Unavailable
from circulation.msisdn import Msisdn
from webhooks import health, sms, ussd

PHONE = "+254712345678"
SID = "SM" + "0a" * 16
ACCOUNT = DEVELOPMENT_SECRETS["twilio_account_sid"]
TEXT = {"MessageSid": SID, "AccountSid": ACCOUNT, "From": PHONE, "To": "+15005550006", "Body": "1"}
STATUS = {"MessageSid": SID, "AccountSid": ACCOUNT, "MessageStatus": "delivered"}
TEXT_AT = {"id": "b4f0", "from": PHONE, "to": "22141", "text": "1"}
DELIVERY = {"id": "ATXid_1", "status": "Success"}
HOP = {"sessionId": "ATUid_1", "phoneNumber": PHONE, "text": "1"}
END = {"sessionId": "ATUid_1", "phoneNumber": PHONE, "status": "Success", "input": "1*4821"}

SMS, SMS_STATUS = "/sms/twilio", "/sms/twilio/status?id=7"
SMS_AT, SMS_DELIVERY = "/sms/africastalking/dev-secret", "/sms/africastalking/dev-secret/delivery"
SMS_OPT_OUT = "/sms/africastalking/dev-secret/opt-out"
USSD, USSD_END = "/ussd/africastalking/dev-secret", "/ussd/africastalking/dev-secret/end"
DOORS = [SMS, SMS_STATUS, SMS_AT, SMS_DELIVERY, SMS_OPT_OUT, USSD, USSD_END]


class House:
    """The doors with a turn behind them that notes who came in."""

    def __init__(self) -> None:
        self.turns: list[Inbound] = []
        self.receipts: list[Receipt] = []
        self.opted_out: list[tuple[Msisdn, str]] = []
        self.cut: list[tuple[Msisdn, str]] = []
        self.reply = Reply("Welcome", more=True)
        self.down = False
        self.checks: dict[str, Callable[[], None]] = {}
        settings = Settings(giftline_mode="development", public_base_url="https://gift.example/line")
        twilio, africastalking = Twilio(settings), AfricasTalking(settings)
        app = Flask("doors")
        app.register_blueprint(sms.blueprint(twilio, africastalking, self.take_turn, self.record_receipt, self.opt_out))
        app.register_blueprint(ussd.blueprint(africastalking, self.take_turn, self.rescue))
        app.register_blueprint(health.blueprint(self.checks))
        self.client: FlaskClient = app.test_client()

    def take_turn(self, inbound: Inbound) -> Reply:
        if self.down:
            raise Unavailable("Sorry, nothing was charged.")
        self.turns.append(inbound)
        return self.reply

    def opt_out(self, msisdn: Msisdn, provider: str) -> None:
        if self.down:
            raise Unavailable("Sorry, nothing was charged.")
        self.opted_out.append((msisdn, provider))

    def rescue(self, msisdn: Msisdn, session: str) -> None:
        self.cut.append((msisdn, session))

    def record_receipt(self, receipt: Receipt) -> None:
        if self.down:
            raise Unavailable("Sorry, nothing was charged.")
        self.receipts.append(receipt)

    def post(self, path: str, form: Mapping[str, str]) -> TestResponse:
        """A genuine post, signed where that is the custom."""
        url = "https://gift.example/line" + path
        signature = RequestValidator("dev-twilio-token").compute_signature(url, form)
        return self.client.post(path, data=form, headers={"X-Twilio-Signature": signature})

    @property
    def untouched(self) -> bool:
        return not (self.turns or self.receipts or self.opted_out or self.cut)


@pytest.fixture
def house() -> House:
    return House()


def test_a_text_from_twilio_takes_a_turn_and_is_answered_with_nothing(house: House) -> None:
    answer = house.post(SMS, TEXT)
    assert (answer.status_code, answer.mimetype, answer.text) == (200, "text/xml", "<Response/>")
    assert [turn.key for turn in house.turns] == [SID]


def test_a_status_from_twilio_is_recorded(house: House) -> None:
    answer = house.post(SMS_STATUS, STATUS)
    assert (answer.status_code, answer.text) == (200, "")
    assert house.receipts == [Receipt("twilio", SID, 7, "delivered")]


def test_a_text_from_africas_talking_takes_a_turn(house: House) -> None:
    answer = house.post(SMS_AT, TEXT_AT)
    assert (answer.status_code, answer.text) == (200, "")
    assert [turn.key for turn in house.turns] == ["b4f0"]


def test_a_delivery_report_is_recorded(house: House) -> None:
    assert house.post(SMS_DELIVERY, DELIVERY).status_code == 200
    assert house.receipts == [Receipt("africastalking", "ATXid_1", 0, "delivered")]


def test_who_took_our_texts_off_at_africas_talking_is_recorded(house: House) -> None:
    assert house.post(SMS_OPT_OUT, {"senderId": "22384", "phoneNumber": PHONE}).status_code == 200
    assert house.opted_out == [(Msisdn(PHONE), "africastalking")]
    assert house.post(SMS_OPT_OUT, {"senderId": "22384", "phoneNumber": "Safaricom"}).status_code == 200
    assert len(house.opted_out) == 1


@pytest.mark.parametrize(("status", "cut"), [("Incomplete", True), ("Failed", True), ("Success", False), ("", False)])
def test_only_a_session_that_was_cut_off_is_rescued(house: House, status: str, cut: bool) -> None:
    assert house.post(USSD_END, {**END, "status": status}).status_code == 200
    assert house.cut == ([(Msisdn(PHONE), "ATUid_1")] if cut else [])


def test_a_hop_is_answered_with_a_screen(house: House) -> None:
    answer = house.post(USSD, HOP)
    assert (answer.status_code, answer.mimetype, answer.text) == (200, "text/plain", "CON Welcome")
    house.reply = Reply("Kwaheri – zawadi 🎁")
    assert house.post(USSD, HOP).text == "END Kwaheri – zawadi 🎁"


def test_the_end_of_a_session_is_heard_without_telling_what_was_typed(house: House) -> None:
    with capture_logs() as logs:
        assert house.post(USSD_END, END).status_code == 200
    assert logs[0]["status"] == "Success"
    assert "4821" not in str(logs) and PHONE not in str(logs)


@pytest.mark.parametrize("path", [SMS, SMS_STATUS])
@pytest.mark.parametrize(
    "header", [{}, {"X-Twilio-Signature": ""}, {"X-Twilio-Signature": "é"}, {"X-Twilio-Signature": "x" * 28}]
)
def test_an_unsigned_post_is_forbidden(house: House, path: str, header: dict[str, str]) -> None:
    answer = house.client.post(path, data=TEXT, headers=header)
    assert (answer.status_code, answer.text) == (403, "Forbidden")
    assert house.untouched


def test_the_host_that_a_forger_names_changes_nothing(house: House) -> None:
    signature = RequestValidator("dev-twilio-token").compute_signature("https://evil.example" + SMS, TEXT)
    forged = {"X-Twilio-Signature": signature, "Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    assert house.client.post(SMS, data=TEXT, headers=forged).status_code == 403
    assert house.untouched


@pytest.mark.parametrize(
    "secret", ["x", "dev-secre", "dev-secret%20", "d%C3%A9v", "%ff", "%00", "%ED%A0%80", "x" * 2000]
)
@pytest.mark.parametrize("path", [SMS_AT, SMS_DELIVERY, USSD, USSD_END])
def test_a_wrong_secret_is_forbidden(house: House, path: str, secret: str) -> None:
    answer = house.client.post(path.replace("dev-secret", secret), data=HOP | TEXT_AT | DELIVERY)
    assert (answer.status_code, answer.text) == (403, "Forbidden")
    assert house.untouched


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("length", [65_537, 65_538, 1_000_000])
@pytest.mark.parametrize("said", [True, False])
def test_a_long_body_is_refused_whether_or_not_it_says_its_length(
    house: House, path: str, length: int, said: bool
) -> None:
    body = urlencode(HOP | TEXT_AT | DELIVERY).encode() + b"&note="
    body += b"x" * (length - len(body))
    request = EnvironBuilder(
        path, method="POST", data=body, content_type="application/x-www-form-urlencoded"
    ).get_environ()
    request["wsgi.input_terminated"] = True
    if not said:
        del request["CONTENT_LENGTH"]
    assert house.client.open(request).status_code == 413
    assert house.untouched


@pytest.mark.parametrize("said", [True, False])
def test_a_body_of_just_the_allowed_length_is_read(house: House, said: bool) -> None:
    body = urlencode(HOP).encode() + b"&note="
    body += b"x" * (65_536 - len(body))
    request = EnvironBuilder(
        USSD, method="POST", data=body, content_type="application/x-www-form-urlencoded"
    ).get_environ()
    request["wsgi.input_terminated"] = True
    if not said:
        del request["CONTENT_LENGTH"]
    assert house.client.open(request).text == "CON Welcome"


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_not_allowed(house: House, path: str, method: str) -> None:
    assert house.client.open(path, method=method).status_code == 405


def test_a_signed_text_without_an_id_is_told_why(house: House) -> None:
    fields = {name: value for name, value in TEXT.items() if name != "MessageSid"}
    answer = house.post(SMS, fields)
    assert answer.status_code == 400 and "MessageSid" in answer.text
    assert house.untouched


def test_a_text_that_must_not_be_answered_is_accepted_and_left(house: House) -> None:
    for fields in (TEXT | {"From": "22141"}, TEXT | {"From": "GIFTLINE"}, TEXT | {"OptOutType": "HELP"}):
        answer = house.post(SMS, fields)
        assert (answer.status_code, answer.text) == (200, "<Response/>")
    assert house.untouched


@pytest.mark.parametrize(
    ("fields", "wish"),
    [
        ({"Body": " Stop "}, "stop"),
        ({"Body": "yes"}, "start"),
        ({"Body": "ACHA", "OptOutType": "STOP"}, "stop"),
        ({"Body": "NDIO", "OptOutType": "START"}, "start"),
        ({"Body": "Stop!"}, ""),  # Twilio obeys single words alone: what else means a stop is for us to see
        ({"Body": "1"}, ""),
    ],
)
def test_what_twilio_obeys_by_itself_is_known(house: House, fields: dict[str, str], wish: str) -> None:
    house.post(SMS, TEXT | fields)
    assert [turn.wish for turn in house.turns] == [wish]


def test_what_africas_talking_would_repeat_for_hours_is_accepted(house: House) -> None:
    for path in (SMS_AT, SMS_DELIVERY):
        assert house.post(path, {"from": PHONE}).status_code == 200
    assert house.untouched


@pytest.mark.parametrize("missing", ["sessionId", "phoneNumber"])
def test_a_hop_without_its_identity_is_told_why(house: House, missing: str) -> None:
    answer = house.post(USSD, {name: value for name, value in HOP.items() if name != missing})
    assert answer.status_code == 400 and missing in answer.text
    assert house.untouched


@pytest.mark.parametrize(
    ("path", "form"), [(SMS, TEXT), (SMS_STATUS, STATUS), (SMS_AT, TEXT_AT), (SMS_DELIVERY, DELIVERY)]
)
def test_texts_are_asked_for_again_when_they_cannot_be_taken_now(house: House, path: str, form: dict[str, str]) -> None:
    house.down = True
    answer = house.post(path, form)
    assert (answer.status_code, answer.text) == (503, "Sorry, nothing was charged.")


def test_a_phone_that_dials_is_told_when_its_turn_cannot_be_taken(house: House) -> None:
    house.down = True
    answer = house.post(USSD, HOP)
    assert (answer.status_code, answer.text) == (200, "END Sorry, nothing was charged.")


def test_forged_requests_are_logged_without_their_secret(house: House) -> None:
    with capture_logs() as logs:
        house.client.post("/ussd/africastalking/guess", data=HOP)
        house.client.post(SMS, data=TEXT, headers={"X-Twilio-Signature": "guess"})
    assert [entry["door"] for entry in logs] == ["ussd.hop", "sms.text_from_twilio"]
    assert "guess" not in str(logs) and PHONE not in str(logs)


BODIES: list[tuple[str, bytes]] = [
    ("application/x-www-form-urlencoded", b""),
    ("application/x-www-form-urlencoded", b"\xff\xfe=\x00&%ff=%zz&sessionId=%00&phoneNumber=%ed%a0%80"),
    (
        "application/x-www-form-urlencoded",
        b"sessionId=a&sessionId=b&phoneNumber=1&phoneNumber=2&text=1&text=2",
    ),
    ("application/x-www-form-urlencoded", b"&" * 60_000),
    ("application/x-www-form-urlencoded; charset=utf-16", b"text=1"),
    ("application/json", json.dumps(HOP).encode()),
    ("application/json", b"{" * 50_000),
    ("multipart/form-data", b"no boundary"),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=id\r\n\r\n"),
    (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="id"; filename="a"\r\n\r\nb\r\n--x--',
    ),
    ("\x00", b"text=1"),
    ("text/xml", b"<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>"),
]


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize(("kind", "body"), BODIES)
def test_no_body_makes_a_fault(house: House, path: str, kind: str, body: bytes) -> None:
    answer = house.client.post(path, data=body, content_type=kind)
    assert answer.status_code in {200, 400, 403, 413}
    assert house.untouched or path == USSD


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(DOORS),
    st.dictionaries(st.sampled_from([*TEXT, *STATUS, *HOP, *DELIVERY, "from"]), st.text(), max_size=8),
)
def test_no_genuine_form_makes_a_fault(path: str, fields: dict[str, Any]) -> None:
    clean = {name: value.encode("utf-8", "replace").decode() for name, value in fields.items()}
    house = House()
    assert house.post(path, {"AccountSid": ACCOUNT} | clean).status_code in {200, 400, 403}
    assert house.client.post(f"{path}?{urlencode(clean)}", data=clean).status_code in {200, 400, 403}


def test_a_living_process_says_so(house: House) -> None:
    assert house.client.get("/health/live").status_code == 200


def test_a_process_is_ready_when_all_it_needs_answers(house: House) -> None:
    house.checks["database"] = lambda: None
    answer = house.client.get("/health/ready")
    assert (answer.status_code, answer.json) == (200, {"database": "ok"})


def test_a_process_that_lacks_something_says_what_and_no_more(house: House) -> None:
    def lost() -> None:
        raise ConnectionError("postgresql://app:hunter2@db/ refused")

    house.checks.update(database=lost, redis=lambda: None)
    with capture_logs() as logs:
        answer = house.client.get("/health/ready")
    assert (answer.status_code, answer.json) == (503, {"database": "failed", "redis": "ok"})
    assert "hunter2" not in answer.text + str(logs)
