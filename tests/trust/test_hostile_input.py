"""Hostile and merely human text, typed at every step of every conversation: a clean answer, and nothing moves.

The steps are not listed by hand: random honest walks find them, and each is then given the whole corpus. The doors get
what no phone sends.
"""

from collections.abc import Mapping
from typing import Any

import pytest
import redis as redis_client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from bot.channels.twilio import STOP_WORDS
from bot.parsing import NotUnderstood, choice
from bot.services import Services
from phones.handset import Form, Handset
from tests.people import past_every_right
from tests.trust.line import AMINA, BARAKA, CHEBET, CLERK, PIN, Line, answers, fields, join_and_buy

LETTER_FLOOD = "a" + "\u0301" * 500
CORPUS = [
    "", " ", "\t\r\n", "\x00", "a\x00b", "\ud800", "\udfff1", "x" * 10_000, "1 " * 5_000, "😀" * 1_600, "👨‍👩‍👧‍👦" * 50,
    "\u202e1\u202c", "\u200b1\u200b2", "\u2066\u2069", LETTER_FLOOD, "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞", "İ", "ı", "ß", "ﬁ", "ſtop",
    "²", "½", "1_000", "NaN", "-inf", "1E+500", "1e9", "0x10", "9" * 4_301, "-1", "+1", "0.001", "5,00", "5.000", "٧٨٩",
    "１２３４", "०", "' OR 1=1 --", "'; DROP TABLE member; --", "{0.__class__}", "{code}", "{}", "{{7*7}}", "%n%s%x", "${7*7}",
    "<Response><Redirect>http://evil.example</Redirect></Response>", "]]>", "<!DOCTYPE x [<!ENTITY y 'z'>]>&y;",
    "\r\nSet-Cookie: a=b\r\n", "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "<script>alert(1)</script>", "javascript:1",
    "\x1b[2J", "stop.", "START!", "STOP it",
    "yes", "start", "unstop", "info", "ΑCCEPT", "ВUY", "GlFT", "O", "l", "1O", "١", "CHECK",
    "USE", "CHECK ' OR 1=1", "USE 1234 5678 9012 NaN", "USE " + "1" * 4_000, "BUY 1 2 3", "*", "#", "**", "1*2*3", "98", "𝟙",
]  # fmt: skip
"""What has broken others. None of it agrees to anything: `0`, a PIN and an agreement number are not in it."""

TWILIO_ANSWERS_ITSELF = ("STOP", "Stopall", "unsubscribe", "CANCEL", "end", "QUIT", " stop ")

# How to come to each step where something is typed, by dialling: who, and what to answer.
BUY = ("1", "1", "1", "2", "1")
WAYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "welcome": (CHEBET, ()),
    "menu": (AMINA, ()),
    "buy: kind": (AMINA, BUY[:1]),
    "buy: issuer": (AMINA, BUY[:2]),
    "buy: price": (AMINA, BUY[:3]),
    "buy: sheets": (AMINA, BUY[:4]),
    "buy: confirm": (AMINA, BUY),
    "join: offer": (CHEBET, BUY),
    "join: name": (CHEBET, (*BUY, "1")),
    "join: language": (CHEBET, (*BUY, "1", "Chebet")),
    "pin: pin": (CHEBET, (*BUY, "1", "Chebet", "1")),
    "pin: again": (CHEBET, (*BUY, "1", "Chebet", "1", PIN)),
    "gift: certificate": (AMINA, ("GIFT",)),
    "gift: sheets": (AMINA, ("GIFT", "1")),
    "gift: recipient": (AMINA, ("GIFT", "1", "1")),
    "gift: note": (AMINA, ("GIFT", "1", "1", CHEBET)),
    "gift: when": (AMINA, ("GIFT", "1", "1", CHEBET, "Hello")),
    "gift: day": (AMINA, ("GIFT", "1", "1", CHEBET, "Hello", "2")),
    "gift: confirm": (AMINA, ("GIFT", "1", "1", CHEBET, "Hello", "1")),
    "gift: confirm without a note": (AMINA, ("GIFT", "1", "1", CHEBET, "0", "1")),
    "gift: confirm for a day": (AMINA, ("GIFT", "1", "1", CHEBET, "Hello", "2", "24 12")),
    "gift: nothing to give": (CLERK, ("GIFT",)),
    "redeem: certificate": (AMINA, ("PAY",)),
    "redeem: limit": (AMINA, ("PAY", "1")),
    "redeem: confirm": (AMINA, ("PAY", "1", "0")),
    "basket": (AMINA, ("BASKET",)),
    "basket: certificate": (AMINA, ("BASKET", "1")),
    "basket: uses": (AMINA, ("BASKET", "1", "3")),
    "claim": (BARAKA, ()),
    "store: till": (CLERK, ("STORE",)),
    "store: check": (CLERK, ("CHECK",)),
    "store: use": (CLERK, ("USE",)),
    "recall": (AMINA, ("RECALL",)),
    "recall: confirm": (AMINA, ("RECALL", "1")),
    "privacy": (AMINA, ("NAME",)),
    "help": (AMINA, ("HELP",)),
    "help: safety": (AMINA, ("HELP", "4")),
    "language": (AMINA, ("LANG",)),
}


@pytest.fixture
def line(services: Services) -> Line:
    """A line on which Amina has two certificates left and has offered one to Baraka."""
    line = Line(services)
    join_and_buy(line.handset(AMINA), sheets=3)
    assert "Done" in answers(line.handset(AMINA), "GIFT", "1", "1", BARAKA, "Happy birthday!", "1", PIN).text
    return line


class Place:
    """Where a handset stands, kept so that every word of the corpus is typed at exactly the same step."""

    def __init__(self, line: Line, handset: Handset, redis: redis_client.Redis) -> None:
        self._line, self._handset, self._redis = line, handset, redis
        self._key = f"conversation:{line.services.seal.pseudonym(handset.msisdn).hex()}"
        self._kept: dict[Any, Any] = dict(redis.hgetall(self._key))
        self._dialog = handset.dialog and list(handset.dialog.inputs)
        self._session = handset.dialog.session if handset.dialog else ""

    def go_back(self) -> None:
        """Redis is as it was, and SQL knows nothing newer."""
        self._redis.hset(self._key, mapping=self._kept)
        with past_every_right(self._line.services.database) as db:
            db.execute(text("DELETE FROM conversation"))

    def type_by_dialling(self, words: str) -> str:
        """One hop from here."""
        return self._line.hop(self._handset.msisdn, self._session, "*".join([*(self._dialog or []), words]))


FLOWS = sorted({step.partition(":")[0] for step in WAYS})


def steps_of(flow: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """(step, who, way) of each step of a flow."""
    return [(step, *way) for step, way in WAYS.items() if step.partition(":")[0] == flow]


def answers_a_gift(step: str, words: str) -> bool:
    """Whether these are 1 or 2 in disguise, in answer to the question of a gift: that is an agreement, and a fresh one."""
    try:
        return step == "claim" and choice(words) in (1, 2)
    except NotUnderstood:
        return False


def sendable(words: str) -> str:
    """A form is bytes: a lone surrogate becomes the bytes that a careless phone would send."""
    return words.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


@pytest.mark.parametrize("flow", FLOWS)
def test_nothing_typed_by_dialling_breaks_a_step_or_moves_value(
    line: Line, redis: redis_client.Redis, flow: str
) -> None:
    for step, msisdn, way in steps_of(flow):
        handset = line.handset(msisdn)
        handset.dial()
        if step != "claim":
            handset.answer("00")
        for typed in way:
            handset.answer(typed)
        place = Place(line, handset, redis)
        before = line.value()
        for words in CORPUS:
            if not answers_a_gift(step, words):
                place.go_back()
                place.type_by_dialling(sendable(words))
                assert line.value() == before, f"{words[:40]!r} moved something at {step}"
    line.assert_books_in_order()


@pytest.mark.parametrize("flow", [flow for flow in FLOWS if flow != "pin"])
def test_nothing_texted_breaks_a_step_or_moves_value(line: Line, redis: redis_client.Redis, flow: str) -> None:
    for step, msisdn, way in steps_of(flow):
        handset = line.handset(msisdn)
        line.say(handset, "PENDING" if step == "claim" else "MENU")
        for typed in way:
            line.say(handset, typed)
        place = Place(line, handset, redis)
        before = line.value()
        for words in CORPUS:
            if not answers_a_gift(step, words):
                place.go_back()
                line.say(handset, sendable(words))
                assert line.value() == before, f"{words[:40]!r} moved something at {step}"
    line.assert_books_in_order()


@pytest.mark.parametrize("words", TWILIO_ANSWERS_ITSELF)
def test_words_that_the_carrier_answers_get_no_second_answer(line: Line, words: str) -> None:
    handset = line.handset(AMINA)
    before = line.texts(AMINA)
    handset.text(words)
    assert line.texts(AMINA) == before


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(max_size=200), step=st.sampled_from(["buy: sheets", "gift: note", "redeem: limit", "store: use"]))
def test_any_text_at_all_gets_a_clean_answer(line: Line, words: str, step: str) -> None:
    msisdn, way = WAYS[step]
    handset = line.handset(msisdn)
    before = line.value()
    answers(handset, "00", *way)
    handset.answer(sendable(words))
    line.say(handset, sendable(words)) if sendable(words).strip().lower() not in STOP_WORDS else None
    assert line.value() == before


# The doors ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def forms(line: Line) -> dict[str, Form]:
    """One genuine request to every door."""
    sid = f"SM{'0' * 32}"
    account = line.settings.twilio_account_sid
    text_in = {"MessageSid": sid, "AccountSid": account, "From": AMINA, "To": "+15005550006", "Body": "MENU"}
    status = {"MessageSid": sid, "AccountSid": account, "MessageStatus": "delivered"}
    return {
        "sms": line.twilio("/sms/twilio", text_in),
        "status": line.twilio("/sms/twilio/status?id=1", status),
        "at sms": line.africastalking("sms", {"id": "a1", "from": AMINA, "to": "22384", "text": "MENU"}),
        "at delivery": line.africastalking("sms", {"id": "a1", "status": "Success"}, "/delivery"),
        "ussd": line.ussd(AMINA, "ATUid_1", ""),
        "end": line.africastalking("ussd", {"sessionId": "ATUid_1", "phoneNumber": AMINA, "status": "Success"}, "/end"),
    }


DOORS = ["sms", "status", "at sms", "at delivery", "ussd", "end"]


@pytest.mark.parametrize("door", DOORS)
def test_no_form_however_wrong_makes_a_fault_at_the_doors(line: Line, forms: dict[str, Form], door: str) -> None:
    form = forms[door]
    before = line.value()
    assert line.raw(form)[0] == 200
    for name in form.fields:
        for value in ("", "x" * 20_000, "\x00", "\ufffd", "😀", "-1", "0", "+", "../..", "' OR 1=1 --", "\r\n"):
            assert line.raw(signed(line, form, {**form.fields, name: value}))[0] < 500, (name, value[:20])
        missing = {key: value for key, value in form.fields.items() if key != name}
        assert line.raw(signed(line, form, missing))[0] < 500, name
    client = line.app.test_client()
    for kind in (
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "",
        "\x00",
    ):
        for body in (b"", b"\xff\xfe\x00", b"%ff%fe=%00&text=%ed%a0%80", b"text=1&text=2&From=a&From=b", b"{" * 999):
            answer = client.post(form.path, data=body, content_type=kind, headers=dict(form.headers))
            assert answer.status_code < 500, (kind, body)
    assert line.value() == before


@pytest.mark.parametrize("door", DOORS)
def test_what_is_forged_is_forbidden_and_reaches_nobody(line: Line, forms: dict[str, Form], door: str) -> None:
    form = forms[door]
    before = line.texts(AMINA)
    if "secret" in form.path:
        forgeries = [
            Form(form.path.replace("dev-secret", wrong), form.fields) for wrong in ("x", "dev-secre", "é", "%00")
        ]
    else:
        signature = form.headers["X-Twilio-Signature"]
        forgeries = [
            Form(form.path, form.fields),
            Form(form.path, form.fields, {"X-Twilio-Signature": "é"}),
            Form(form.path, form.fields, {"X-Twilio-Signature": ("B" if signature[0] == "A" else "A") + signature[1:]}),
            Form(form.path, fields(form, MessageSid=f"SM{'1' * 32}"), form.headers),
            Form(form.path + ("&" if "?" in form.path else "?") + "id=2", form.fields, form.headers),
        ]
    for forgery in forgeries:
        assert line.raw(forgery)[0] == 403
    assert line.texts(AMINA) == before


def test_a_signature_does_not_carry_over_to_a_text_cut_anew(line: Line, forms: dict[str, Form]) -> None:
    """Twilio joins names and values without a mark: a body that ends in another sender could be cut into one."""
    form = signed(line, forms["sms"], fields(forms["sms"], Body="x", To=f"1From{BARAKA}"))
    recut = {**form.fields, "To": "1", "From": BARAKA, "FromA": ""}
    assert line.raw(Form(form.path, recut, form.headers))[0] == 403
    assert line.raw(form)[0] == 403


def signed(line: Line, form: Form, changed: Mapping[str, str]) -> Form:
    """The form with other fields, as its provider itself would have sent it."""
    return line.twilio(form.path, changed) if form.headers else Form(form.path, changed)
