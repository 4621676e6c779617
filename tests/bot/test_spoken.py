"""What fills holes, as it is said aloud: numbers and codes sign by sign, sums and days in words."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalogue import Catalogue
from bot.spoken import said, spelled
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.values import Value

NAIROBI = ZoneInfo("Africa/Nairobi")


def aloud(hole: str, value: Value, language: str = "en") -> str:
    return said(hole, value, language=language, country="KE", zone=NAIROBI)


@pytest.mark.parametrize(
    ("hole", "value", "words"),
    [
        ("amount", Money(50_000, "KES"), "500 Kenyan shillings"),
        ("amount", Money(150_050, "KES"), "1500.50 Kenyan shillings"),
        ("recipient", Msisdn("+254712000002"), "0 7 1 2, 0 0 0, 0 0 2"),
        ("code", "4821 7730 1926", "4 8 2 1, 7 7 3 0, 1 9 2 6"),
        ("reference", "QKMXWTRP", "Q K M X, W T R P"),
        ("serial", "NAI4730259182", "N A I, 4 7 3, 0 2 5, 9 1 8, 2"),
        ("number", "482913", "4 8 2, 9 1 3"),
        ("person", "0712 000002 (Baraka)", "0 7 1 2, 0 0 0, 0 0 2 (Baraka)"),
        ("person", "0712 000002 (B**** O.)", "0 7 1 2, 0 0 0, 0 0 2 (B O.)"),
        ("service_code", "*384*4438#", "star 3 8 4 star 4 4 3 8 hash"),
        ("ending", "678", "6 7 8"),
        ("note", "At 10, 15 of us!", "At 10, 15 of us!"),
        ("option", "200 Kenyan shillings", "200 Kenyan shillings"),
        ("sheets", 3, "3"),
        ("until", datetime(2027, 3, 1, 7, 30, tzinfo=UTC), "1 March, 10:30"),
        ("day", date(2027, 3, 8), "8 March 2027"),
    ],
)
def test_a_value_is_said_as_people_say_it(hole: str, value: Value, words: str) -> None:
    assert aloud(hole, value) == words


def test_every_language_has_its_own_words() -> None:
    assert aloud("amount", Money(50_000, "KES"), "sw") == "shilingi za Kenya 500"
    assert aloud("service_code", "*384#", "sw") == "nyota 3 8 4 reli"
    assert spelled("*1#", "fr") == "star 1 hash"


def test_a_sentence_is_translated_first_and_said_then() -> None:
    catalogue = Catalogue(country="KE", zone="Africa/Nairobi")
    holes: dict[str, Value] = {"amount": Money(50_000, "KES"), "reference": "7KQ4MXW2"}
    assert catalogue.say("en", "{amount}. Ref {reference}.", holes, aloud=True) == (
        "500 Kenyan shillings. Ref 7 K Q 4, M X W 2."
    )
    assert catalogue.say("en", "{amount}. Ref {reference}.", holes) == "KES 500. Ref 7KQ4MXW2."


@given(st.sampled_from(["note", "code", "reference", "person", "option"]), st.text(max_size=80))
def test_no_words_are_a_fault(hole: str, words: str) -> None:
    assert isinstance(aloud(hole, words), str)
