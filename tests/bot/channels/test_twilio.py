"""Twilio's file: what is believed, what is made of it, and what is done about each of Twilio's answers."""

import logging
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from bot.channels import Forged, Malformed
from bot.channels.twilio import Twilio
from bot.config import Settings
from bot.messages import Outbound, SendFailed
from circulation.msisdn import Msisdn
from tests.fakes.providers import ACCOUNT, BROKEN, HANGS_UP, Answer, FakeProviders, throttled, twilio_error

PATH = "/sms/twilio"
SID = "SM" + "0a" * 16
PHONE = "+254712345678"
Fields = dict[str, str] | list[tuple[str, str]]


def settings(**values: object) -> Settings:
    return Settings(giftline_mode="development", **values)  # type: ignore[arg-type]


def text(**fields: str) -> dict[str, str]:
    return {
        "MessageSid": SID,
        "AccountSid": ACCOUNT,
        "From": PHONE,
        "To": "+15005550006",
        "Body": "1",
    } | fields


def signature(fields: Fields, path: str = PATH) -> str:
    validator = RequestValidator("dev-twilio-token")
    return str(validator.compute_signature(settings().public_base_url + path, MultiDict(fields)))


def receive(fields: Fields, signed: Fields | None = None, twilio: Twilio | None = None):  # type: ignore[no-untyped-def]
    twilio = twilio or Twilio(settings())
    return twilio.receive(PATH, MultiDict(fields), signature(fields if signed is None else signed))


def receipt(query: str = "?id=7", **fields: str):  # type: ignore[no-untyped-def]
    path = "/sms/twilio/status" + query
    form = MultiDict({"MessageSid": SID, "AccountSid": ACCOUNT, "MessageStatus": "delivered"} | fields)
    return Twilio(settings()).receipt(path, form, signature(dict(form), path))


def test_a_signed_text_becomes_an_inbound_message() -> None:
    inbound = receive(text(Body="  gift\u0000 \u200b me ", SomethingNew="tomorrow"))
    assert (inbound.provider, inbound.channel, inbound.key) == ("twilio", "sms", SID)
    assert inbound.msisdn == Msisdn(PHONE)
    assert inbound.text == "gift me"


def test_a_text_without_words_is_an_empty_text() -> None:
    fields = text()
    del fields["Body"]
    assert receive(fields).text == ""


@pytest.mark.parametrize("header", [None, "", "x", "ÿ", "x" * 28, "\ud800", "=" * 100_000])
def test_a_missing_or_wrong_signature_is_forged(header: str | None) -> None:
    with pytest.raises(Forged):
        Twilio(settings()).receive(PATH, MultiDict(text()), header)


def test_every_changed_field_is_forged() -> None:
    for name in text():
        with pytest.raises(Forged):
            receive(text(**{name: "changed"}), signed=text())


def test_a_text_of_another_account_is_forged_even_when_it_is_signed() -> None:
    with pytest.raises(Forged):
        receive(text(AccountSid="AC" + "f" * 32))


def test_a_signature_cannot_be_used_under_another_sender() -> None:
    captured = text(Body="helloFrom+254799999999FromA")
    resplit = [
        ("AccountSid", ACCOUNT),
        ("Body", "hello"),
        ("From", "+254799999999"),
        ("FromA", f"From{PHONE}"),
        ("MessageSid", SID),
        ("To", captured["To"]),
    ]
    assert signature(resplit) == signature(captured), "the trick no longer works at all"
    with pytest.raises(Forged):
        receive(resplit, signed=captured)


@pytest.mark.parametrize("sid", ["", "SM1", "CA" + "0" * 32, "SM" + "0" * 33, "SM" + "-" * 32, "SM" + "٠" * 32])
def test_a_message_without_a_messages_sid_is_malformed(sid: str) -> None:
    with pytest.raises(Malformed):
        receive(text(MessageSid=sid))


@pytest.mark.parametrize(
    "sender", ["", "22141", "SAFARICOM", "whatsapp:+254712345678", "254712345678", "+0", "+254\u0000"]
)
def test_what_is_no_phone_is_not_answered(sender: str) -> None:
    assert receive(text(From=sender)) is None


@pytest.mark.parametrize(
    "body", ["STOP", "stop", " Stop\n", "StopAll", "UNSUBSCRIBE", "cancel", "End", "QUIT", "revoke", "optout"]
)
def test_words_that_the_carrier_answers_are_left_to_it(body: str) -> None:
    assert receive(text(Body=body)) is None


def test_a_text_that_only_begins_with_such_a_word_is_ours() -> None:
    assert receive(text(Body="stop it")).text == "stop it"


def test_what_advanced_opt_out_has_answered_is_left_alone() -> None:
    assert receive(text(Body="arret", OptOutType="STOP")) is None


def test_a_status_callback_becomes_a_receipt() -> None:
    found = receipt(MessageStatus="undelivered", ErrorCode="30003")
    assert (found.provider, found.provider_id, found.outbox_id) == ("twilio", SID, 7)
    assert (found.state, found.error_code) == ("undelivered", "30003")


@pytest.mark.parametrize("status", ["queued", "accepted", "sending", "", "brand new"])
def test_a_status_that_says_nothing_new_is_no_receipt(status: str) -> None:
    assert receipt(MessageStatus=status) is None


@pytest.mark.parametrize(
    "query", ["", "?id=", "?id=x", "?id=0", "?id=-1", "?id=" + "9" * 40, "?id=%00", "?id=٣", "?id=1.5"]
)
def test_a_callback_that_names_no_row_of_ours_still_counts(query: str) -> None:
    assert receipt(query).outbox_id == 0


def test_a_callback_with_another_row_in_its_address_is_forged() -> None:
    form = {"MessageSid": SID, "AccountSid": ACCOUNT, "MessageStatus": "delivered"}
    with pytest.raises(Forged):
        Twilio(settings()).receipt(
            "/sms/twilio/status?id=8", MultiDict(form), signature(form, "/sms/twilio/status?id=7")
        )


def channel(providers: FakeProviders, **values: object) -> Twilio:
    return Twilio(settings(twilio_api_base=providers.url, **values))


def outbound(number: int = 1, phone: str = PHONE, words: str = "Habari") -> Outbound:
    return Outbound(number, 1, "twilio", Msisdn(phone), words)


def refusal(providers: FakeProviders, *answers: Answer) -> SendFailed:
    providers.will_answer(*answers)
    with pytest.raises(SendFailed) as caught:
        channel(providers).send(outbound())
    return caught.value


def test_a_text_is_sent_with_a_callback_that_names_our_row(providers: FakeProviders) -> None:
    sent = channel(providers).send(outbound(7, words="Zawadi 🎁"))
    (taken,) = providers.texts
    assert sent.provider_id == taken.provider_id
    assert (taken.to, taken.text, taken.form["From"]) == (PHONE, "Zawadi 🎁", "+15005550006")
    assert taken.form["StatusCallback"] == settings().public_base_url + "/sms/twilio/status?id=7"


@pytest.fixture
def hurried_threads() -> Iterator[None]:
    """Threads that interrupt each other as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hurried_threads")
def test_senders_side_by_side_each_get_their_own_answer(providers: FakeProviders) -> None:
    twilio = channel(providers)
    phones = [f"+254712345{n:03}" for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda phone: twilio.send(outbound(phone=phone)).provider_id, phones))
    assert dict(zip(phones, names, strict=True)) == {text.to: text.provider_id for text in providers.texts}


@pytest.mark.parametrize(
    ("answer", "policy", "code"),
    [
        (twilio_error(21211), "never", "21211"),
        (twilio_error(21610), "never", "21610"),
        (twilio_error(21408), "alarm", "21408"),
        (twilio_error(20003, 401), "alarm", "20003"),
        (Answer(403, "<html>"), "alarm", "403"),
        (twilio_error(21611), "later", "21611"),
        (twilio_error(99999), "later", "99999"),
        (BROKEN, "later", "500"),
        (Answer(503, "down"), "later", "503"),
        (Answer(302, "", {"Location": "/"}), "later", "302"),
        (Answer(201, "not json"), "unknown", "unreadable"),
        (Answer(201, []), "unknown", "unreadable"),
        (Answer(201, {"sid": None}), "unknown", "unreadable"),
        (Answer(400, {"type": "x", "title": "y", "status": 400, "code": 21610}), "never", "21610"),
        (HANGS_UP, "unknown", "ConnectionError"),
    ],
)
def test_each_refusal_has_its_policy(providers: FakeProviders, answer: Answer, policy: str, code: str) -> None:
    refused = refusal(providers, answer)
    assert (refused.policy, refused.code) == (policy, code)
    assert PHONE not in str(refused)


def test_the_wait_that_twilio_asks_for_is_kept(providers: FakeProviders) -> None:
    assert refusal(providers, throttled(17)).retry_after == 17
    assert refusal(providers, Answer(429, {}, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})).retry_after == 0
    assert refusal(providers, throttled(99_999_999)).retry_after == 3600


def test_wrong_credentials_are_an_alarm(providers: FakeProviders) -> None:
    with pytest.raises(SendFailed) as caught:
        channel(providers, twilio_auth_token="another").send(outbound())
    assert caught.value.policy == "alarm"


def test_an_answer_that_does_not_come_leaves_the_outcome_unknown(
    providers: FakeProviders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.channels.twilio.TIMEOUT", (2.0, 0.2))
    refused = refusal(providers, Answer(201, {}, after_seconds=1, taken=True))
    assert (refused.policy, refused.code) == ("unknown", "ReadTimeout")


def test_nothing_listening_is_no_answer() -> None:
    with FakeProviders() as providers:
        twilio = channel(providers)
    with pytest.raises(SendFailed) as caught:
        twilio.send(outbound())
    assert caught.value.policy in {"later", "unknown"}


def test_the_clients_own_log_tells_no_numbers(providers: FakeProviders, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        channel(providers).send(outbound(words="secret words"))
    assert PHONE[4:] not in caplog.text and "secret words" not in caplog.text
