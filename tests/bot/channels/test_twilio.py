"""Twilio's file: what is believed, what is made of it, and what is done about each of Twilio's answers."""

import logging
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from bot.channels import Forged, Malformed, ReadTo
from bot.channels.twilio import Twilio
from bot.config import Settings
from bot.messages import Enclosed, Inbound, Outbound, SendFailed
from circulation.msisdn import Msisdn
from tests.fakes.providers import ACCOUNT, BROKEN, HANGS_UP, Answer, Arrived, FakeProviders, throttled, twilio_error

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
def test_words_that_the_carrier_obeys_come_with_what_it_read_in_them(body: str) -> None:
    assert receive(text(Body=body)).wish == "stop"


def test_a_text_that_only_begins_with_such_a_word_is_ours() -> None:
    assert receive(text(Body="stop it")) == Inbound("twilio", "sms", SID, Msisdn(PHONE), "stop it")


def test_what_advanced_opt_out_has_answered_is_a_wish_without_words_or_left_alone() -> None:
    stopped = receive(text(Body="arret", OptOutType="STOP"))
    assert (stopped.wish, stopped.text) == ("stop", "")
    assert receive(text(Body="aide", OptOutType="HELP")) is None


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
        (twilio_error(21610), "opted_out", "21610"),
        (twilio_error(21408), "alarm", "21408"),
        (twilio_error(20003, 401), "alarm", "20003"),
        (Answer(403, "<html>"), "alarm", "403"),
        (twilio_error(21611), "slow", "21611"),
        (throttled(5), "slow", "20429"),
        (Answer(429, "slow down"), "slow", "429"),
        (twilio_error(99999), "later", "99999"),
        (BROKEN, "later", "500"),
        (Answer(503, "down"), "later", "503"),
        (Answer(302, "", {"Location": "/"}), "later", "302"),
        (Answer(201, "not json"), "unknown", "unreadable"),
        (Answer(201, []), "unknown", "unreadable"),
        (Answer(201, {"sid": None}), "unknown", "unreadable"),
        (Answer(400, {"type": "x", "title": "y", "status": 400, "code": 21610}), "opted_out", "21610"),
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


def with_media(*links: str) -> Outbound:
    page = Enclosed("page", "https://giftline.example/g/page")
    enclosed = (page, *(Enclosed("card", link) for link in links))
    return Outbound(7, 1, "twilio", Msisdn(PHONE), "A gift", "mms", enclosed)


def test_an_mms_names_each_picture_and_sound_and_at_most_ten(providers: FakeProviders) -> None:
    links = [f"https://giftline.example/m/{n}/card.jpg" for n in range(12)]
    channel(providers).send(with_media(*links))
    (taken,) = providers.texts
    assert taken.media == links[:10], "a page is no medium, and Twilio takes ten"
    assert taken.text == "A gift"


def test_an_mms_whose_media_are_all_gone_leaves_as_a_text(providers: FakeProviders) -> None:
    channel(providers).send(with_media())
    assert "MediaUrl" not in providers.texts[0].form


def test_what_was_sent_is_found_by_phone_words_and_time(providers: FakeProviders) -> None:
    twilio = channel(providers)
    begun = time.time()
    mine = twilio.send(outbound())
    twilio.send(outbound(words="another"))
    twilio.send(outbound(phone="+254712000000"))
    again = twilio.send(outbound())
    assert twilio.look_up(outbound(), begun) == [mine, again], "the oldest first"
    assert twilio.look_up(outbound(), begun + 3600) == []


def test_a_call_is_found_by_its_phone(providers: FakeProviders) -> None:
    twilio = channel(providers)
    call = Outbound(9, 1, "twilio", Msisdn(PHONE), "", "voice")
    assert twilio.look_up(call, time.time()) == []
    made = twilio.send(call)
    assert twilio.look_up(call, time.time()) == [made]


@pytest.mark.parametrize("answer", [BROKEN, HANGS_UP, Answer(200, "not json"), twilio_error(20003, 401)])
def test_a_look_up_that_fails_says_so(providers: FakeProviders, answer: Answer) -> None:
    providers.will_answer(answer, answer)
    with pytest.raises(SendFailed):
        channel(providers).look_up(outbound(), 0)


def test_texts_to_us_are_listed_page_by_page_the_oldest_first(providers: FakeProviders) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    for n in range(50):
        sid = f"SM{n:032x}"
        providers.arrived.append(Arrived("twilio", sid, PHONE, f"text {n}", now - timedelta(minutes=50 - n)))
    channel(providers).send(outbound())
    listed = channel(providers).arrived(ReadTo(now - timedelta(minutes=45)))
    assert [one.inbound.text for one in listed if one.inbound] == [f"text {n}" for n in range(5, 50)]
    assert listed[0].key == f"SM{5:032x}" and listed[0].arrived == now - timedelta(minutes=45)
    assert listed[0].inbound == Inbound("twilio", "sms", listed[0].key, Msisdn(PHONE), "text 5"), "as by the webhook"


def test_in_the_list_a_stop_is_a_stop_and_a_short_code_is_nobody(providers: FakeProviders) -> None:
    now = datetime.now(UTC)
    providers.arrived.append(Arrived("twilio", f"SM{1:032x}", PHONE, "STOP", now))
    providers.arrived.append(Arrived("twilio", f"SM{2:032x}", "22141", "Win a prize", now))
    stop, prize = channel(providers).arrived(ReadTo(now - timedelta(minutes=1)))
    assert stop.inbound is not None and stop.inbound.wish == "stop"
    assert prize.inbound is None
