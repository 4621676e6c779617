"""The phones without a browser: what reaches the product, and what the product's texts become."""

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from redis import Redis

import phones
from bot.config import Settings
from bot.messages import SendFailed
from phones import Phone
from phones.airwaves import Airwaves
from phones.handset import NetworkFault, NoDialog, Screen

if TYPE_CHECKING:
    from tests.phones.conftest import Product


def test_dialling_shows_the_first_screen_and_sends_the_networks_form(product: "Product") -> None:
    handset = product.handset()

    assert handset.dial() == Screen("Welcome to Giftline\n1. Buy\n2. Gift", more=True)
    [call] = product.calls
    assert call.path == f"/ussd/africastalking/{product.settings.africastalking_secret.get_secret_value()}"
    assert call.form.pop("sessionId").startswith("ATUid_")
    assert call.form == {
        "phoneNumber": handset.msisdn,
        "networkCode": "99999",
        "serviceCode": product.settings.service_code,
        "text": "",
    }


def test_answers_go_out_as_one_growing_transcript_of_one_session(product: "Product") -> None:
    handset = product.handset()
    handset.dial()
    handset.answer("1")
    screen = handset.answer("3")

    assert screen == Screen("Thank you. You said 1*3", more=False)
    turns = [call.form for call in product.calls if not call.path.endswith("/end")]
    assert [turn["text"] for turn in turns] == ["", "1", "1*3"]
    assert len({turn["sessionId"] for turn in turns}) == 1


def test_the_end_of_a_dialog_is_told_with_the_documented_fields(product: "Product") -> None:
    handset = product.handset()
    handset.dial()
    handset.answer("2")

    [end] = product.to("/end")
    assert {"date", "sessionId", "cost", "durationInMillis"} <= end.form.keys()
    assert (end.form["status"], end.form["hopsCount"], end.form["input"]) == ("Success", "2", "2")
    assert end.form["lastAppResponse"] == "END Thank you. You said 2"
    assert end.form["phoneNumber"] == handset.msisdn
    with pytest.raises(NoDialog):
        handset.answer("1")


def test_hanging_up_in_the_middle_ends_the_session_as_incomplete_and_only_once(product: "Product") -> None:
    handset = product.handset()
    handset.dial()
    handset.hang_up()
    handset.hang_up()

    [end] = product.to("/end")
    assert end.form["status"] == "Incomplete"


def test_dialling_again_is_a_new_session_and_closes_the_open_one(product: "Product") -> None:
    handset = product.handset()
    handset.dial()
    handset.dial()

    first, end, second = product.calls
    assert end.path.endswith("/end")
    assert first.form["sessionId"] == end.form["sessionId"] != second.form["sessionId"]


def test_a_turn_that_failed_can_be_repeated_byte_for_byte(product: "Product") -> None:
    handset = product.handset()
    handset.dial()
    product.fails_with = 503
    with pytest.raises(NetworkFault) as fault:
        handset.answer("1")
    product.fails_with = 0

    assert fault.value.status == 503
    assert handset.repeat() == Screen("How many sheets?", more=True)
    assert product.calls[-1] == product.calls[-2]


def test_a_session_whose_application_fails_ends_as_failed(product: "Product") -> None:
    handset = product.handset()
    product.fails_with = 500
    with pytest.raises(NetworkFault):
        handset.dial()
    handset.hang_up()

    [end] = product.to("/end")
    assert end.form["status"] == "Failed"
    assert end.form["errorMessage"]


@pytest.mark.parametrize("reply", [" END hello", "hello", "OK", "con hello", "CONhello"])
def test_a_reply_that_is_neither_con_nor_end_is_a_fault(product: "Product", reply: str) -> None:
    product.answers = reply

    with pytest.raises(NetworkFault, match="neither CON nor END"):
        product.handset().dial()


def test_a_product_that_is_not_there_is_a_fault_without_a_status(product: "Product") -> None:
    product.server.shutdown()
    product.server.server_close()

    with pytest.raises(NetworkFault) as fault:
        product.handset().dial()
    assert fault.value.status == 0


def test_a_text_by_twilio_is_signed_for_the_public_address(product: "Product") -> None:
    handset = product.handset(0)
    sid = handset.text("Habari 🎁 & <b>")

    [call] = product.calls
    assert call.path == "/sms/twilio"
    assert call.signed
    assert sid.startswith("SM") and len(sid) == 34
    assert call.form["MessageSid"] == call.form["SmsSid"] == sid
    expected = {
        "AccountSid": product.settings.twilio_account_sid,
        "From": handset.msisdn,
        "To": product.settings.twilio_from,
        "Body": "Habari 🎁 & <b>",
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsStatus": "received",
        "ApiVersion": "2010-04-01",
    }
    assert expected.items() <= call.form.items()


def test_a_repeated_text_is_the_very_same_message(product: "Product") -> None:
    handset = product.handset(0)
    handset.text("1")

    assert handset.repeat() is None
    assert product.calls[0] == product.calls[1]
    assert product.calls[1].signed


def test_nothing_can_be_repeated_before_anything_was_sent(product: "Product") -> None:
    with pytest.raises(NoDialog):
        product.handset().repeat()


def test_a_text_by_africas_talking_has_its_own_fields(product: "Product") -> None:
    handset = product.handset(1)
    message_id = handset.text("hello")

    [call] = product.calls
    assert call.path == f"/sms/africastalking/{product.settings.africastalking_secret.get_secret_value()}"
    assert call.form["id"] == message_id
    assert {"linkId", "to", "date"} <= call.form.keys()
    assert (call.form["from"], call.form["text"]) == (handset.msisdn, "hello")


def test_a_text_sent_by_twilios_own_client_is_on_the_phone_and_reported(product: "Product", redis: Redis) -> None:
    number = product.cast[0].msisdn
    sid = product.text(number, "A gift for you")

    [text] = Airwaves(redis).texts({number: "0"})
    assert (text.body, text.sender, text.to) == ("A gift for you", product.settings.twilio_from, number)
    sent, delivered = product.wait_for("/sms/twilio/status", 2)
    assert sent.path == delivered.path == "/sms/twilio/status?id=42"
    assert sent.signed and delivered.signed
    assert (sent.form["MessageStatus"], delivered.form["MessageStatus"]) == ("sent", "delivered")
    assert sent.form["MessageSid"] == delivered.form["MessageSid"] == sid


@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"To": ""}, 21604, 400),
        ({"To": "12"}, 21211, 400),
        ({"Body": ""}, 21602, 400),
        ({"Body": "x" * 1601}, 21617, 400),
        ({"StatusCallback": "https://elsewhere.example/"}, 21609, 400),
        ({"MediaUrl": "https://elsewhere.example/card.png"}, 21620, 400),
        ({"Url": "https://elsewhere.example/"}, 21205, 400),
        ({"Url": "https://giftline.example/", "To": ""}, 21201, 400),
    ],
)
def test_twilio_refuses_as_twilio_does(product: "Product", changes: dict[str, str], code: int, status: int) -> None:
    account, resource = product.settings.twilio_account_sid, "Calls" if "Url" in changes else "Messages"
    form = {"To": product.cast[0].msisdn, "From": product.settings.twilio_from, "Body": "hi"} | changes
    answer = requests.post(
        f"{product.url}/phones/twilio/2010-04-01/Accounts/{account}/{resource}.json",
        data=form,
        auth=(account, product.settings.twilio_auth_token.get_secret_value()),
        timeout=20,
    )

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_twilio_refuses_a_wrong_token(product: "Product") -> None:
    wrong = product.settings.model_copy(update={"twilio_auth_token": product.settings.giftline_secret_key})
    product.settings = wrong

    with pytest.raises(SendFailed) as refusal:
        product.text(product.cast[0].msisdn, "hi")
    assert refusal.value.code == "20003"


def _africastalking(product: "Product", key: str, **changes: str) -> requests.Response:
    form = {"username": product.settings.africastalking_username, "message": "hi"} | changes
    url = f"{product.url}/phones/africastalking/version1/messaging"
    return requests.post(url, data=form, headers={"apikey": key}, timeout=20)


def test_a_text_by_africas_talking_is_on_the_phones_and_reported(product: "Product", redis: Redis) -> None:
    number = product.cast[1].msisdn
    key = product.settings.africastalking_api_key.get_secret_value()
    answer = _africastalking(product, key, to=f"{number},12")

    assert answer.status_code == 201
    good, bad = answer.json()["SMSMessageData"]["Recipients"]
    assert (good["statusCode"], good["number"], bad["statusCode"]) == (101, number, 403)
    assert [text.body for text in Airwaves(redis).texts({number: "0"})] == ["hi"]
    [report] = product.wait_for("/delivery", 1)
    assert report.form == {
        "id": good["messageId"],
        "status": "Success",
        "phoneNumber": number,
        "networkCode": "99999",
    }


def test_africas_talking_refuses_a_wrong_key_and_an_empty_message(product: "Product") -> None:
    key = product.settings.africastalking_api_key.get_secret_value()

    assert _africastalking(product, "guess", to=product.cast[1].msisdn).status_code == 401
    assert _africastalking(product, key, to=product.cast[1].msisdn, username="other").status_code == 401
    assert _africastalking(product, key, to="").status_code == 400
    assert _africastalking(product, key, to=product.cast[1].msisdn, message="").status_code == 400


def test_a_phone_asks_only_for_what_came_after_its_last_text(product: "Product", redis: Redis) -> None:
    airwaves, number, other = Airwaves(redis), product.cast[0].msisdn, product.cast[1].msisdn
    airwaves.deliver(number, "+15005550006", "first")
    airwaves.deliver(number, "+15005550006", "second")
    airwaves.deliver(other, "+15005550006", "elsewhere")
    first, second, elsewhere = airwaves.texts({number: "0", other: "0"})

    assert (first.body, second.body, elsewhere.to) == ("first", "second", other)
    assert airwaves.texts({number: first.id, other: elsewhere.id}) == [second]


def test_the_api_plays_a_whole_dialog(product: "Product") -> None:
    who = {"msisdn": product.cast[0].msisdn}
    first = product.api("dial", who | {"code": product.settings.service_code}).json()
    second = product.api("answer", who | {"text": "1"}).json()
    third = product.api("answer", who | {"text": "2"}).json()
    late = product.api("answer", who | {"text": "2"}).json()

    assert first["more"] and first["text"].startswith("Welcome")
    assert second == {"text": "How many sheets?", "more": True}
    assert third == {"text": "Thank you. You said 1*2", "more": False}
    assert late == {"text": "The session timed out. Dial again.", "more": False}


def test_the_api_hangs_up_and_texts(product: "Product") -> None:
    who = {"msisdn": product.cast[0].msisdn}
    product.api("dial", who | {"code": product.settings.service_code})

    assert product.api("hang-up", who).status_code == 200
    assert product.to("/end")[0].form["status"] == "Incomplete"
    assert product.api("text", who | {"carrier": "twilio", "body": "hi"}).json() == {}
    assert product.to("/sms/twilio")[0].form["Body"] == "hi"


def test_a_code_that_is_not_the_service_code_never_reaches_the_product(product: "Product") -> None:
    answer = product.api("dial", {"msisdn": product.cast[0].msisdn, "code": "*100#"})

    assert answer.json()["text"] == "Connection problem or invalid MMI code."
    assert product.calls == []


def test_a_failing_product_is_named_and_the_dialog_is_over(product: "Product") -> None:
    product.fails_with = 500
    who = {"msisdn": product.cast[0].msisdn}
    shown = product.api("dial", who | {"code": product.settings.service_code}).json()
    text = product.api("text", who | {"carrier": "twilio", "body": "hi"}).json()

    assert (shown["more"], shown["fault"]) == (False, "the product answered 500")
    assert text == {"fault": "the product answered 500"}
    assert product.to("/end")[0].form["status"] == "Failed"


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("0712 000 009", "+254712000009"),
        ("00254712000009", "+254712000009"),
        ("+1 500 555 0006", "+15005550006"),
    ],
)
def test_a_phones_number_may_be_typed_as_people_type_it(product: "Product", typed: str, understood: str) -> None:
    assert product.api("number", {"number": typed}).json() == {"msisdn": understood}


@pytest.mark.parametrize("typed", ["", "hello", "12", "+999999999999999999", "\x00", "٠"])
def test_what_is_no_phone_number_is_refused_with_a_sentence(product: "Product", typed: str) -> None:
    answer = product.api("number", {"number": typed})

    assert answer.status_code == 400
    assert answer.json() == {"error": "That is not a phone number."}


NUMBER = "+254712000001"


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("dial", {}),
        ("dial", []),
        ("dial", {"msisdn": "0712", "code": "*1#"}),
        ("dial", {"msisdn": NUMBER, "code": "*" * 41}),
        ("dial", {"msisdn": "+٢٥٤٧١٢٠٠٠٠٠١", "code": "*1#"}),
        ("answer", {"msisdn": NUMBER, "text": ""}),
        ("answer", {"msisdn": NUMBER, "text": "\ud800"}),
        ("answer", {"msisdn": NUMBER, "text": "1" * 161}),
        ("text", {"msisdn": NUMBER, "carrier": "pigeon", "body": "hi"}),
        ("text", {"msisdn": NUMBER, "carrier": "twilio", "body": "x" * 1601}),
        ("text", {"msisdn": NUMBER, "carrier": "twilio", "body": 7}),
        ("texts", {"after": {NUMBER: "$"}}),
        ("texts", {"after": {f"+25471200000{n}": "0" for n in range(9)}}),
        ("texts", {"after": {NUMBER: "9" * 20}, "extra": 1}),
        ("hang-up", {"msisdn": None}),
        ("number", {"number": 12}),
        ("question", {"question": "ws_CO_1"}),
        ("question", {"question": "ws_CO_1", "answer": "steal"}),
        ("question", {"question": "../1", "answer": "pay"}),
        ("question", {"question": "", "answer": "pay"}),
        ("call", {"msisdn": "0712"}),
        ("pick-up", {}),
        ("press", {"msisdn": NUMBER, "keys": "12a"}),
        ("press", {"msisdn": NUMBER, "keys": "1" * 65}),
        ("put-down", {"msisdn": NUMBER, "keys": "1"}),
    ],
)
def test_bad_requests_get_a_reason_and_never_a_5xx(product: "Product", verb: str, body: Any) -> None:
    answer = product.api(verb, body)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert product.calls == []


def test_only_json_of_a_sane_size_is_read(product: "Product") -> None:
    dial = {"msisdn": NUMBER, "code": product.settings.service_code}
    broken = requests.post(
        f"{product.url}/phones/api/dial", data="{", headers={"Content-Type": "application/json"}, timeout=20
    )

    assert product.api("dial", dial, content_type="text/plain").status_code == 400
    assert product.api("dial", dial | {"code": "1" * 20_000}).status_code == 413
    assert broken.status_code == 400
    assert product.calls == []


def test_an_id_larger_than_redis_knows_is_no_fault(product: "Product") -> None:
    answer = product.api("texts", {"after": {NUMBER: "9" * 20}})

    assert answer.status_code == 400
    assert "after" in answer.json()["error"]


def test_the_page_shows_the_cast_and_needs_nothing_from_outside(product: "Product") -> None:
    for path in ("/phones", "/phones/"):
        answer = requests.get(product.url + path, timeout=20)
        assert answer.status_code == 200
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
        for phone in product.cast:
            assert phone.msisdn in answer.text
        assert product.settings.service_code in answer.text
        assert "http://" not in answer.text and "https://" not in answer.text
        assert "style=" not in answer.text and " on" + "click" not in answer.text


def test_the_phones_refuse_to_exist_in_production(settings: Settings, redis: Redis) -> None:
    production = settings.model_copy(update={"giftline_mode": "production"})

    with pytest.raises(ValueError, match="development"):
        phones.blueprint(production, redis, [])


def test_the_page_needs_two_customers_and_a_till(settings: Settings, redis: Redis) -> None:
    with pytest.raises(ValueError, match="two customers and a till"):
        phones.blueprint(settings, redis, [Phone("Amina", NUMBER)])


def test_texts_are_kept_as_they_are(product: "Product", redis: Redis) -> None:
    number = product.cast[0].msisdn
    body = "<img src=x onerror=alert(1)>\n\u202eمرحبا 🎁"
    product.text(number, body)

    answer = product.api("texts", {"after": {number: "0"}})
    [text] = answer.json()["texts"]
    assert text["body"] == body
    assert json.loads(answer.text)["texts"][0]["to"] == number
