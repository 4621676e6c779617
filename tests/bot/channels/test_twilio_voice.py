"""Twilio Voice's file: what is believed of a call, the TwiML it is answered with, and what a call of ours came to."""

import xml.etree.ElementTree as ET

import pytest
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from bot.channels import Forged, Malformed
from bot.channels.twilio import Twilio
from bot.channels.twilio_voice import TwilioVoice
from bot.config import Settings
from bot.messages import Heard, Hung, Outbound, SendFailed, Spoken
from circulation.msisdn import Msisdn
from tests.fakes.providers import ACCOUNT, Answer, FakeProviders, twilio_error

SID = "CA" + "0a" * 16
PHONE = "+254712345678"
OURS = "+15005550006"


def settings(**values: object) -> Settings:
    return Settings(giftline_mode="development", public_base_url="https://gift.example/line", **values)  # type: ignore[arg-type]


def voice(**values: object) -> TwilioVoice:
    made = settings(**values)
    return TwilioVoice(made, Twilio(made))


def form(**fields: str) -> dict[str, str]:
    ends = {"From": PHONE, "To": OURS, "Direction": "inbound"}
    return {"CallSid": SID, "AccountSid": ACCOUNT, "CallStatus": "in-progress"} | ends | fields


def signature(path: str, fields: dict[str, str] | list[tuple[str, str]]) -> str:
    validator = RequestValidator("dev-twilio-token")
    return str(validator.compute_signature("https://gift.example/line" + path, MultiDict(fields)))


def heard(path: str = "/voice/twilio", **fields: str) -> Heard:
    return voice().hear(path, MultiDict(form(**fields)), signature(path, form(**fields)))


def hung(path: str = "/voice/twilio/status?id=7", **fields: str) -> Hung | None:
    fields = form(**({"From": OURS, "To": PHONE, "Direction": "outbound-api"} | fields))
    return voice().hung(path, MultiDict(fields), signature(path, fields))


def twiml(spoken: Spoken) -> list[ET.Element]:
    root = ET.fromstring(voice().render(spoken))  # noqa: S314 - the product wrote it
    assert root.tag == "Response"
    return list(root)


# What comes in ---------------------------------------------------------------------------------------------------------
def test_a_signed_call_is_heard() -> None:
    assert heard() == Heard("twilio", SID, Msisdn(PHONE))


def test_keys_are_heard_with_the_number_of_their_answer() -> None:
    assert heard("/voice/twilio/turn?n=3", Digits="0712#") == Heard("twilio", SID, Msisdn(PHONE), keys="0712", turn=3)


def test_a_silence_is_counted() -> None:
    assert heard("/voice/twilio/turn?n=3&silent=2").silences == 2


def test_of_a_call_of_ours_the_other_end_is_whom_we_called() -> None:
    path = "/voice/twilio/called?id=7"
    got = heard(path, From=OURS, To=PHONE, Direction="outbound-api", AnsweredBy="human")
    assert (got.phone, got.ours, got.outbox_id, got.machine) == (Msisdn(PHONE), True, 7, False)


@pytest.mark.parametrize("answered", ["machine_start", "machine_end_beep", "fax"])
def test_a_machine_is_told_from_a_person(answered: str) -> None:
    assert heard("/voice/twilio/called?id=7", Direction="outbound-api", AnsweredBy=answered).machine


@pytest.mark.parametrize("sender", ["anonymous", "", "+0", "sip:amina@example.com", "254712345678"])
def test_a_withheld_number_is_nobodys(sender: str) -> None:
    assert heard(From=sender).phone is None


@pytest.mark.parametrize("keys", ["", "abc", "1" * 65, "1;2", "٣"])
def test_what_no_key_can_be_is_not_heard(keys: str) -> None:
    assert heard("/voice/twilio/turn?n=1", Digits=keys).keys == ""


@pytest.mark.parametrize("query", ["", "?n=x", "?n=-1", "?n=99999", "?silent=1&silent=2"])
def test_a_strange_address_is_no_fault(query: str) -> None:
    assert heard(f"/voice/twilio/turn{query}").turn == 0


def test_a_missing_or_wrong_signature_is_forged() -> None:
    for header in (None, "", "x" * 28):
        with pytest.raises(Forged):
            voice().hear("/voice/twilio", MultiDict(form()), header)


def test_a_signature_is_good_for_one_address_and_one_form() -> None:
    for path, fields in (("/voice/twilio/turn?n=2", form()), ("/voice/twilio", form(To="+254799999999"))):
        with pytest.raises(Forged):
            voice().hear(path, MultiDict(fields), signature("/voice/twilio", form()))


def test_a_signature_cannot_be_used_for_another_called_phone() -> None:
    captured = form(Digits="1ToX", X=f"To{PHONE}")
    with pytest.raises(Forged):
        voice().hear("/voice/twilio", MultiDict(captured), signature("/voice/twilio", captured))


@pytest.mark.parametrize("sid", ["", "CA1", "SM" + "0" * 32, "CA" + "٠" * 32])
def test_a_call_without_a_calls_sid_is_malformed(sid: str) -> None:
    with pytest.raises(Malformed):
        heard(CallSid=sid)


# How it ended ----------------------------------------------------------------------------------------------------------
def test_the_end_of_a_call_of_ours_names_its_row() -> None:
    assert hung(CallStatus="completed", CallDuration="42", AnsweredBy="human") == Hung(
        "twilio", SID, 7, "completed", 42, machine=False, human=True
    )


@pytest.mark.parametrize("status", ["queued", "initiated", "ringing", "in-progress", "", "else"])
def test_a_call_that_goes_on_has_not_ended(status: str) -> None:
    assert hung(CallStatus=status) is None


def test_the_end_of_a_call_to_us_names_no_row() -> None:
    ended = hung("/voice/twilio/status", CallStatus="completed")
    assert ended is not None and ended.outbox_id == 0


# What goes out ---------------------------------------------------------------------------------------------------------
def test_one_key_is_listened_for_and_a_silence_comes_back_as_such() -> None:
    gather, redirect = twiml(Spoken("For Buy, press 1.", "en", "key", turn=4, silences=1))
    assert gather.attrib == {
        "input": "dtmf",
        "action": "https://gift.example/line/voice/twilio/turn?n=4",
        "method": "POST",
        "timeout": "7",
        "numDigits": "1",
        "finishOnKey": "#",
    }
    assert [say.text for say in gather] == ["For Buy, press 1."]
    assert redirect.text == "https://gift.example/line/voice/twilio/turn?n=4&silent=2"


def test_several_keys_are_ended_by_the_hash() -> None:
    gather, _ = twiml(Spoken("Which day?", "en", "keys", turn=1))
    assert "numDigits" not in gather.attrib
    assert (gather.attrib["finishOnKey"], gather.attrib["timeout"]) == ("#", "10")


def test_the_last_word_hangs_up() -> None:
    assert [verb.tag for verb in twiml(Spoken("Goodbye.", "en", "over"))] == ["Say", "Hangup"]
    assert [verb.tag for verb in twiml(Spoken("", "", "over"))] == ["Hangup"]


def test_each_language_has_its_voice_and_any_other_the_first() -> None:
    said = {language: twiml(Spoken("x", language, "over"))[0].attrib for language in ("en", "sw", "fr", "")}
    assert said["en"] == {"language": "en-GB", "voice": "Polly.Amy"}
    assert said["sw"]["language"] == "sw-KE"
    assert said["fr"] == said[""] == said["en"]


def test_words_stay_words() -> None:
    hostile = 'A "gift" </Say><Redirect>https://evil.example</Redirect> & more \N{WRAPPED PRESENT}'
    (say, hangup) = twiml(Spoken(hostile, "en", "over"))
    assert (say.text, list(say), hangup.tag) == (hostile, [], "Hangup")


def test_a_call_is_asked_for_with_what_twilio_documents() -> None:
    with FakeProviders() as providers:
        twilio = Twilio(settings(twilio_api_base=providers.url))
        sent = twilio.send(Outbound(7, 1, "twilio", Msisdn(PHONE), "not said", "voice"))
        assert [call.sid for call in providers.calls] == [sent.provider_id]
        assert providers.texts == []
        assert providers.calls[0].form == {
            "To": PHONE,
            "From": OURS,
            "Url": "https://gift.example/line/voice/twilio/called?id=7",
            "StatusCallback": "https://gift.example/line/voice/twilio/status?id=7",
            "MachineDetection": "Enable",
            "Timeout": "40",
            "TimeLimit": "900",
        }


def test_a_call_that_twilio_does_not_take_is_not_sent() -> None:
    with FakeProviders() as providers:
        twilio = Twilio(settings(twilio_api_base=providers.url))
        for answer in (twilio_error(21211), Answer(201, {"sid": "SM" + "0" * 32}), Answer(201, "<html>")):
            providers.will_answer(answer)
            with pytest.raises(SendFailed):
                twilio.send(Outbound(7, 1, "twilio", Msisdn(PHONE), "", "voice"))
