"""Hostile and merely human text, typed at every step of every conversation: a clean answer, and nothing moves.

The steps are not listed by hand: random honest walks find them, and each is then given the whole corpus. The doors get
what no phone sends.
"""

import pytest
import redis as redis_client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bot.services import Services
from phones.handset import Carrier, Form, Handset
from tests.trust.line import AMINA, BARAKA, CHEBET, CLERK, PIN, Line, answers, fields, join_and_buy

LETTER_FLOOD = "a" + "\u0301" * 500
CORPUS = [
    "", " ", "\t\r\n", "\x00", "a\x00b", "\ud800", "\udfff1", "x" * 10_000, "1 " * 5_000, "😀" * 1_600, "👨‍👩‍👧‍👦" * 50,
    "\u202e1\u202c", "\u200b1\u200b2", "\u2066\u2069", LETTER_FLOOD, "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞", "İ", "ı", "ß", "ﬁ", "ſtop",
    "²", "½", "1_000", "NaN", "-inf", "1E+500", "1e9", "0x10", "9" * 4_301, "-1", "+1", "0.001", "5,00", "5.000", "٧٨٩",
    "１２３４", "०", "' OR 1=1 --", "'; DROP TABLE member; --", "{0.__class__}", "{code}", "{}", "{{7*7}}", "%n%s%x", "${7*7}",
    "<Response><Redirect>http://evil.example</Redirect></Response>", "]]>", "<!DOCTYPE x [<!ENTITY y 'z'>]>&y;",
    "\r\nSet-Cookie: a=b\r\n", "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "<script>alert(1)</script>", "javascript:1",
    "\x1b[2J", "stop.", "STOP it", "yes", "start", "unstop", "info", "ΑCCEPT", "ВUY", "GlFT", "O", "l", "1O", "١", "CHECK",
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
    "gift: recipient": (AMINA, ("GIFT", "1")),
    "gift: note": (AMINA, ("GIFT", "1", CHEBET)),
    "gift: confirm": (AMINA, ("GIFT", "1", CHEBET, "Hello")),
    "gift: confirm without a note": (AMINA, ("GIFT", "1", CHEBET, "0")),
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
    "help": (AMINA, ("HELP",)),
    "help: safety": (AMINA, ("HELP", "4")),
    "language": (AMINA, ("LANG",)),
}


@pytest.fixture
def line(services: Services) -> Line:
    """A line on which Amina has two certificates left and has offered one to Baraka."""
    line = Line(services)
    join_and_buy(line.handset(AMINA), sheets=3)
    assert "Done" in answers(line.handset(AMINA), "GIFT", "1", BARAKA, "Happy birthday!", PIN).text
    return line


class Place:
    """Where a handset stands, kept so that every word of the corpus is typed at exactly the same step."""

    def __init__(self, line: Line, handset: Handset, redis: redis_client.Redis) -> None:
        self._line, self._handset, self._redis = line, handset, redis
        self._key = f"conversation:{line.services.seal.pseudonym(handset.msisdn).hex()}"
        self._kept = redis.hgetall(self._key)
        self._dialog = handset.dialog and list(handset.dialog.inputs)
        self._session = handset.dialog.session if handset.dialog else ""

    def go_back(self) -> None:
        """Redis is as it was, and SQL knows nothing newer."""
        self._redis.hset(self._key, mapping=self._kept)
        with self._line.services.database.begin() as db:
            db.execute(text("DELETE FROM conversation"))

    def type_by_dialling(self, words: str) -> str:
        """One hop from here."""
        return self._line.hop(self._handset.msisdn, self._session, "*".join([*(self._dialog or []), words]))


def ways(*who: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The ways of some of the people."""
    return {step: way for step, way in WAYS.items() if way[0] in who}


def sendable(words: str) -> str:
    """A form is bytes: a lone surrogate becomes the bytes that a careless phone would send."""
    return words.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


@pytest.mark.parametrize("step", WAYS)
def test_nothing_typed_by_dialling_breaks_a_step_or_moves_value(
    line: Line, redis: redis_client.Redis, step: str
) -> None:
    msisdn, way = WAYS[step]
    handset = line.handset(msisdn)
    answers(handset, *way)
    place = Place(line, handset, redis)
    before = line.value()
    for words in CORPUS:
        place.go_back()
        place.type_by_dialling(sendable(words))
        assert line.value() == before or (step, words) in GENUINE, f"{words[:40]!r} moved something"
    line.assert_books_in_order()


@pytest.mark.parametrize("carrier", ["twilio", "africastalking"])
@pytest.mark.parametrize("step", [step for step in WAYS if not step.startswith("pin")])
def test_nothing_texted_breaks_a_step_or_moves_value(
    line: Line, redis: redis_client.Redis, step: str, carrier: Carrier
) -> None:
    msisdn, way = WAYS[step]
    handset = line.handset(msisdn, carrier)
    for typed in way or ["MENU"]:
        line.say(handset, typed)
    place = Place(line, handset, redis)
    before = line.value()
    for words in CORPUS:
        place.go_back()
        line.say(handset, sendable(words))
        assert line.value() == before or (step, words) in GENUINE, f"{words[:40]!r} moved something"
    line.assert_books_in_order()
