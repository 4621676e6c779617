"""Africa's Talking's file: what is believed, what is made of it, and what is done about each of its answers."""

from datetime import UTC, datetime

import pytest
from werkzeug.datastructures import MultiDict

from bot.channels import Forged, Malformed, ReadTo
from bot.channels.africastalking import AfricasTalking, render
from bot.config import Settings
from bot.messages import Inbound, Outbound, Reply, SendFailed
from circulation.msisdn import Msisdn
from tests.fakes.providers import BROKEN, HANGS_UP, Answer, Arrived, FakeProviders, africastalking_code, throttled

SECRET = "dev-secret"
PHONE = "+254712345678"
SESSION = "ATUid_77ac"


def settings(**values: object) -> Settings:
    return Settings(giftline_mode="development", **values)  # type: ignore[arg-type]


def africastalking(**values: object) -> AfricasTalking:
    return AfricasTalking(settings(**values))


def hop(text: str, session: str = SESSION, phone: str = PHONE) -> Inbound:
    form = MultiDict({"sessionId": session, "phoneNumber": phone, "serviceCode": "*384*4438#", "text": text})
    return africastalking().ussd(SECRET, form)


def test_a_hop_becomes_an_inbound_message() -> None:
    inbound = hop(" 1 *2\u0000* Asha  W ")
    assert (inbound.provider, inbound.channel, inbound.session) == ("africastalking", "ussd", SESSION)
    assert inbound.msisdn == Msisdn(PHONE)
    assert inbound.text == "1*2*Asha W"


def test_an_exact_repeat_has_the_same_key_and_anything_else_another() -> None:
    keys = [hop(text).key for text in ("", "1", "1*1", "1*2", "1*1*", "1*1*1")] + [hop("1", session="other").key]
    assert len(set(keys)) == len(keys)
    assert hop("1*1").key == hop("1*1").key


def test_the_key_counts_the_inputs_and_hides_them() -> None:
    first, later = hop("").key, hop("1*4821").key
    assert first.startswith(f"{SESSION}:0:") and later.startswith(f"{SESSION}:2:")
    assert "4821" not in later


def test_the_digest_is_keyed() -> None:
    form = MultiDict({"sessionId": SESSION, "phoneNumber": PHONE, "text": "4821"})
    other = africastalking(giftline_secret_key="another key that is long enough for it").ussd(SECRET, form)
    assert other.key != hop("4821").key


@pytest.mark.parametrize("secret", ["", "dev-secre", "dev-secret ", "dev-sécret", "\ud800", "\u0000", "x" * 10_000])
def test_a_wrong_secret_is_forged_at_every_door(secret: str) -> None:
    doors = africastalking()
    for door in (doors.ussd, doors.ended, doors.sms, doors.delivery):
        with pytest.raises(Forged):
            door(secret, MultiDict())


@pytest.mark.parametrize("session", ["", " ", "a b", "x" * 101, "\u0000", "séance"])
def test_a_hop_without_a_usable_session_is_malformed(session: str) -> None:
    with pytest.raises(Malformed):
        hop("1", session=session)


@pytest.mark.parametrize("phone", ["", "22141", "anonymous", "+254\u0000"])
def test_a_hop_without_a_phone_is_malformed(phone: str) -> None:
    with pytest.raises(Malformed):
        hop("1", phone=phone)


def test_the_end_of_a_session_is_read() -> None:
    form = MultiDict({"sessionId": SESSION, "phoneNumber": PHONE, "status": "Incomplete", "input": "1*4821"})
    ended = africastalking().ended(SECRET, form)
    assert (ended.session, ended.msisdn, ended.status) == (SESSION, Msisdn(PHONE), "Incomplete")
    assert "4821" not in repr(ended)


def test_a_text_becomes_an_inbound_message() -> None:
    form = MultiDict({"id": "b4f0", "from": PHONE, "to": "22141", "text": "GIFT\r\n ", "date": "2026-01-01 00:00:00"})
    inbound = africastalking().sms(SECRET, form)
    assert inbound == Inbound("africastalking", "sms", "b4f0", Msisdn(PHONE), "GIFT")


def test_a_text_from_a_name_is_not_answered() -> None:
    assert africastalking().sms(SECRET, MultiDict({"id": "b4f0", "from": "MPESA", "text": "x"})) is None


def test_a_text_without_an_id_is_accepted_so_that_it_is_not_repeated_for_hours() -> None:
    with pytest.raises(Malformed) as caught:
        africastalking().sms(SECRET, MultiDict({"from": PHONE, "text": "x"}))
    assert caught.value.accept


@pytest.mark.parametrize(
    ("status", "state"),
    [("Success", "delivered"), ("Buffered", "sent"), ("Rejected", "failed"), ("Expired", "undelivered")],
)
def test_a_delivery_report_becomes_a_receipt(status: str, state: str) -> None:
    form = MultiDict({"id": "ATXid_1", "status": status, "failureReason": "UserInBlackList"})
    receipt = africastalking().delivery(SECRET, form)
    assert receipt is not None
    assert (receipt.provider_id, receipt.outbox_id, receipt.state) == ("ATXid_1", 0, state)
    assert receipt.error_code == "UserInBlackList"


def test_what_is_not_one_of_its_words_is_not_kept() -> None:
    form = MultiDict({"id": "ATXid_1", "status": "Failed", "failureReason": f"no such user {PHONE}\u0000"})
    receipt = africastalking().delivery(SECRET, form)
    assert receipt is not None and receipt.error_code == ""


def test_a_status_that_says_nothing_new_is_no_receipt() -> None:
    assert africastalking().delivery(SECRET, MultiDict({"id": "ATXid_1", "status": "Dreaming"})) is None


def test_a_reply_keeps_the_dialog_open_or_ends_it() -> None:
    assert render(Reply("1. Buy", more=True)) == "CON 1. Buy"
    assert render(Reply("Done.")) == "END Done."


def send(providers: FakeProviders, **values: object) -> str:
    message = Outbound(1, 1, "africastalking", Msisdn(PHONE), "Habari 🎁")
    return africastalking(africastalking_api_base=providers.url, **values).send(message).provider_id


def refusal(providers: FakeProviders, answer: Answer, **values: object) -> SendFailed:
    providers.will_answer(answer)
    with pytest.raises(SendFailed) as caught:
        send(providers, **values)
    return caught.value


def test_a_text_is_sent(providers: FakeProviders) -> None:
    provider_id = send(providers)
    (taken,) = providers.texts
    assert (taken.provider_id, taken.to, taken.text) == (provider_id, PHONE, "Habari 🎁")
    assert "from" not in taken.form


def test_our_short_code_is_named_when_we_have_one(providers: FakeProviders) -> None:
    send(providers, africastalking_from="22141")
    assert providers.texts[0].form["from"] == "22141"


@pytest.mark.parametrize("code", [100, 101, 102])
def test_a_text_that_got_no_name_is_sent_all_the_same(providers: FakeProviders, code: int) -> None:
    providers.will_answer(africastalking_code(code, "None"))
    assert send(providers) == ""


@pytest.mark.parametrize(
    ("answer", "policy", "code"),
    [
        (africastalking_code(403), "never", "403"),
        (africastalking_code(406), "opted_out", "406"),
        (africastalking_code(405), "alarm", "405"),
        (africastalking_code(501), "later", "501"),
        (africastalking_code(999), "later", "999"),
        (
            Answer(201, {"SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}}),
            "alarm",
            "InvalidSenderId",
        ),
        (Answer(201, {"SMSMessageData": {"Message": "what?", "Recipients": []}}), "later", "refused"),
        (Answer(201, "not json"), "unknown", "unreadable"),
        (Answer(201, [1]), "unknown", "unreadable"),
        (Answer(201, {"SMSMessageData": {"Recipients": {"0": 1}}}), "unknown", "unreadable"),
        (Answer(201, {"SMSMessageData": {"Recipients": [{"statusCode": None}]}}), "unknown", "unreadable"),
        (Answer(401, "The supplied authentication is invalid"), "alarm", "http_401"),
        (Answer(302, "", {"Location": "/"}), "later", "http_302"),
        (BROKEN, "later", "http_500"),
        (HANGS_UP, "unknown", "ConnectionError"),
    ],
)
def test_each_refusal_has_its_policy(providers: FakeProviders, answer: Answer, policy: str, code: str) -> None:
    refused = refusal(providers, answer)
    assert (refused.policy, refused.code) == (policy, code)


def test_the_wait_that_it_asks_for_is_kept(providers: FakeProviders) -> None:
    assert refusal(providers, throttled(17)).retry_after == 17


def test_wrong_credentials_are_an_alarm(providers: FakeProviders) -> None:
    with pytest.raises(SendFailed) as caught:
        send(providers, africastalking_api_key="another")
    assert caught.value.policy == "alarm"


def test_an_answer_that_does_not_come_leaves_the_outcome_unknown(
    providers: FakeProviders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.channels.africastalking.TIMEOUT", (2.0, 0.2))
    refused = refusal(providers, Answer(201, {}, after_seconds=1, taken=True))
    assert (refused.policy, refused.code) == ("unknown", "ReadTimeout")


def test_texts_to_us_are_listed_after_the_last_one_that_was_read(providers: FakeProviders) -> None:
    at = datetime.now(UTC)
    for n in range(1, 51):
        providers.arrived.append(Arrived("africastalking", str(n), PHONE, f"text {n}", at))
    providers.arrived.append(Arrived("africastalking", "51", "MPESA", "You have received", at))
    listed = africastalking(africastalking_api_base=providers.url).arrived(ReadTo(at, "5"))
    assert [one.key for one in listed] == [str(n) for n in range(6, 52)]
    assert listed[0].inbound == Inbound("africastalking", "sms", "6", Msisdn(PHONE), "text 6")
    assert listed[0].arrived == at and listed[-1].inbound is None


@pytest.mark.parametrize(
    "answer",
    [BROKEN, HANGS_UP, throttled(5), Answer(200, "no json"), Answer(200, {"SMSMessageData": {"Messages": [1]}})],
)
def test_a_list_that_cannot_be_read_says_so(providers: FakeProviders, answer: Answer) -> None:
    providers.will_answer(answer)
    with pytest.raises(SendFailed):
        africastalking(africastalking_api_base=providers.url).arrived(ReadTo(datetime.now(UTC)))
