"""What people type is read in every script, or refused with a sentence that helps, and nothing else."""

import string
import sys
import unicodedata
from collections.abc import Callable
from functools import partial
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import parsing
from bot.fitting import USSD
from bot.parsing import NotUnderstood, fold_digits, tidy
from circulation import codes
from circulation.money import Money
from tests.people import any_code

SCRIPTS = [
    zero
    for zero in map(chr, range(0x30, sys.maxunicode))
    if unicodedata.decimal(zero, -1) == 0 and unicodedata.category(zero) == "Nd"
]
HOSTILE = (
    string.digits + "٠١²①" + "+-−.,/=_#*eE '’\"<>{}%$€" + "KESksh" + "\x00\n\u200b\u200c\u200d\u202e\ufeff\u0301\u0338"
    "\ud800\udfffİſ😀👨👩🏽❤️क्षمی"
)
anything = st.one_of(
    st.text(),
    st.text(HOSTILE),
    st.text(st.characters(exclude_categories=())),
    st.text(HOSTILE, min_size=1_500),
)

PARSERS: dict[str, Callable[[str], object]] = {
    "choice": parsing.choice,
    "quantity": partial(parsing.quantity, most=20),
    "amount": partial(parsing.amount, currency="KES", max_minor=10_000_000),
    "amount in whole units": partial(parsing.amount, currency="UGX", max_minor=10_000_000),
    "code": parsing.code,
    "pin": parsing.pin,
    "pin_entry": parsing.pin_entry,
    "name": parsing.name,
    "note": parsing.note,
    "msisdn": partial(parsing.msisdn, country="KE"),
}


def written_in(zero: str, digits: str) -> str:
    return "".join(chr(ord(zero) + int(char)) if char.isdigit() else char for char in digits)


def slip(parse: Callable[[str], object], text: str) -> str:
    with pytest.raises(NotUnderstood) as refused:
        parse(text)
    return refused.value.sentence


def kes(text: str) -> int:
    return parsing.amount(text, "KES", 10_000_000)


# --- any text at all


@pytest.mark.parametrize("parser", PARSERS)
@given(text=anything)
def test_a_parser_answers_or_says_not_understood_to_any_text(parser: str, text: str) -> None:
    try:
        value = PARSERS[parser](text)
    except NotUnderstood as refused:
        assert refused.sentence.format(**refused.holes)
        assert USSD.holds(refused.sentence)
    else:
        assert value is not None


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    "piece", ["1", "1 ", "1,", ".", "a.", "- ", "😀", "\u0301\u0323", "\x00", "a\u200d", "0)", "٣"]
)
def test_ten_thousand_characters_are_answered_with_bounded_work(parser: str, piece: str) -> None:
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        slip(PARSERS[parser], (piece * 10_000)[:10_000])
    finally:
        sys.setprofile(before)
    assert calls < 20_000


@pytest.mark.parametrize("text", ["", " ", "\x00", "\u200b", "²", "1_000", "NaN", "1E+500", "9" * 5_000, "0x10", "½"])
@pytest.mark.parametrize("parser", ["choice", "quantity", "amount", "code", "pin", "pin_entry", "msisdn"])
def test_what_python_would_take_for_a_number_is_not_understood(parser: str, text: str) -> None:
    assert slip(PARSERS[parser], text)


# --- tidy


@given(anything)
def test_tidying_twice_is_tidying_once(text: str) -> None:
    tidied = tidy(text)
    assert tidy(tidied) == tidied
    assert len(tidied) <= 1_600
    assert tidied.encode("utf-8").decode("utf-8") == tidied == tidied.strip()
    assert not set(map(unicodedata.category, tidied)) & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(tidied) & set("\u200b\u200e\u200f\u202a\u202e\u2066\ufeff\u00ad")


@pytest.mark.parametrize(
    ("typed", "tidied"),
    [
        ("  a \r\n\t b\u00a0c\u3000d ", "a b c d"),
        ("a\x00b\x1b[31mc", "ab[31mc"),
        ("a\ud800b\udfffc", "abc"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("AC\u200bCE\u2060P\ufeffT", "ACCEPT"),
        ("S\u200cT\u200dO\u200cP", "STOP"),
        ("cafe\u0301", "café"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष", "क्\u200dष"),
        ("क्\u200d\u200d\u200dष", "क्\u200dष"),
        ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
        ("❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥"),
        ("👍🏽\u200d", "👍🏽"),
        ("\u200dم\u200c", "م"),
        ("😀\u200c😀", "😀😀"),
        ("\u3164\u115f", ""),
        ("=\u200d\u0338", "≠"),
        ("\ufffe\uffff!", "!"),
        ("x" * 5_000, "x" * 1_600),
        ("a" * 1_599 + " b", "a" * 1_599),
    ],
)
def test_a_text_is_made_canonical(typed: str, tidied: str) -> None:
    assert tidy(typed) == tidied


@pytest.mark.parametrize("thing", [None, 5, b"bytes", ["list"], float("nan"), object()])
def test_what_is_no_text_is_tidied_to_nothing(thing: object) -> None:
    assert tidy(thing) == ""


# --- digits


def test_at_least_twenty_scripts_of_digits_are_known() -> None:
    assert len(SCRIPTS) >= 20


@pytest.mark.parametrize("zero", SCRIPTS, ids=[unicodedata.name(zero) for zero in SCRIPTS])
def test_every_number_is_read_in_every_script(zero: str) -> None:
    code = any_code()
    assert fold_digits(written_in(zero, "0123456789")) == "0123456789"
    assert parsing.code(written_in(zero, codes.shown(code))) == code
    assert parsing.choice(written_in(zero, "12")) == 12
    assert kes(written_in(zero, "1,500.50")) == 150_050
    assert parsing.pin(written_in(zero, "2580")) == "2580"
    assert parsing.msisdn(written_in(zero, "0712 345 678"), "KE").e164 == "+254712345678"


@pytest.mark.parametrize("text", ["²", "①", "½", "五", "Ⅷ", "a", ""])
def test_what_only_looks_like_a_digit_is_not_folded(text: str) -> None:
    assert fold_digits(text) == text


# --- menu numbers and quantities


@pytest.mark.parametrize("text", ["1", "1.", "1)", " ١ ", "１", "#1", "1#", "01", "\u200f1", "1:"])
def test_a_menu_number_is_read(text: str) -> None:
    assert parsing.choice(text) == 1


@pytest.mark.parametrize("text", ["one", "1 2", "1.5", "-1", "1_0", "l", "O", "12345", "²", "1. Naivas", "+1", ""])
def test_a_menu_number_is_not_guessed(text: str) -> None:
    assert slip(parsing.choice, text) == "Please reply with a number from the list."


def test_zero_is_a_choice_but_no_quantity() -> None:
    assert parsing.choice("0") == 0
    assert slip(PARSERS["quantity"], "0") == "Type a number from 1 to {most}."


def test_a_quantity_is_at_most_what_may_be_bought() -> None:
    assert parsing.quantity("20", 20) == 20
    with pytest.raises(NotUnderstood) as refused:
        parsing.quantity("21", 20)
    assert refused.value.holes == {"most": 20}


# --- amounts


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("500", 50_000),
        ("1,500", 150_000),
        ("1 500", 150_000),
        ("1\u202f500,50", 150_050),
        ("5,00", 500),
        ("5.00", 500),
        ("5.000", 500_000),
        ("5,000", 500_000),
        ("1,500.50", 150_050),
        ("1.500,50", 150_050),
        ("12,345.67", 1_234_567),
        ("0.50", 50),
        ("KES 500", 50_000),
        ("kes500", 50_000),
        ("500 KES", 50_000),
        ("500/-", 50_000),
        ("500/=", 50_000),
        ("Ksh500", 50_000),
        ("KSh. 500/=", 50_000),
        ("Kshs 1,500", 150_000),
        ("sh 500", 50_000),
        ("500 bob", 50_000),
        ("500.", 50_000),
        ("٥٠٠", 50_000),
        ("١٬٥٠٠٫٥٠", 150_050),
        ("５００", 50_000),
        ("\u200f1,500.50\u00a0KES", 150_050),
        ("100000", 10_000_000),
    ],
)
def test_an_amount_is_read_as_people_write_it(text: str, minor: int) -> None:
    assert kes(text) == minor


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0", "The amount must be more than zero."),
        ("0.00", "The amount must be more than zero."),
        ("-1", "An amount cannot be below zero. Type it like 500."),
        ("−500", "An amount cannot be below zero. Type it like 500."),
        ("KES -500", "An amount cannot be below zero. Type it like 500."),
        ("100,000.01", "The most you can type here is {limit}."),
        ("1000000000", "The most you can type here is {limit}."),
        ("9" * 1_600, "The most you can type here is {limit}."),
        ("0.001", "Amounts in {currency} have at most {digits} digits after the point."),
        ("1,500.505", "Amounts in {currency} have at most {digits} digits after the point."),
        ("1.23456", "Amounts in {currency} have at most {digits} digits after the point."),
        ("USD 500", "Amounts here are in {currency}. Type it like 500."),
        ("500 ugx", "Amounts here are in {currency}. Type it like 500."),
        ("$500", "Amounts here are in {currency}. Type it like 500."),
        ("500€", "Amounts here are in {currency}. Type it like 500."),
    ],
)
def test_an_amount_is_refused_with_its_reason(text: str, sentence: str) -> None:
    assert slip(kes, text) == sentence


UNREADABLE_AMOUNTS = """
    abc|1e5|1E+500|1_000|NaN|inf|0x10|²|五百|5.5|1.500.50|1,500,50|1,50,000|5 00|500 500 5|5,,00|.50|+500|1/2
    |500k|5OO|KES|1\u0338|{0.__class__}|500; DROP TABLE|
"""


@pytest.mark.parametrize("text", UNREADABLE_AMOUNTS.split("|"))
def test_an_amount_is_not_guessed(text: str) -> None:
    assert slip(kes, text) == "We could not read that amount. Type it like 500 or 1,500.50."


def test_the_limit_is_told_as_money() -> None:
    with pytest.raises(NotUnderstood) as refused:
        parsing.amount("501", "KES", 50_000)
    assert refused.value.holes == {"limit": Money(50_000, "KES")}


def test_each_currency_has_its_own_decimals_and_names() -> None:
    assert parsing.amount("USh 5,000", "UGX", 10_000) == 5_000
    assert parsing.amount("1234.567", "KWD", 10_000_000) == 1_234_567
    assert parsing.amount("R50", "ZAR", 10_000) == 5_000
    assert parsing.amount("€5,00", "EUR", 10_000) == 500
    assert slip(lambda text: parsing.amount(text, "UGX", 10_000), "5.00").startswith("Amounts in {currency} are whole")
    assert slip(lambda text: parsing.amount(text, "ZAR", 10_000), "sh 50").startswith("We could not read")


@given(
    minor=st.integers(1, 10_000_000),
    mark=st.sampled_from(["", ",", " "]),
    prefix=st.sampled_from(["", "KES ", "Ksh"]),
)
def test_every_amount_is_read_back_from_how_it_is_written(minor: int, mark: str, prefix: str) -> None:
    whole = f"{minor // 100:,}".replace(",", mark)
    assert kes(f"{prefix}{whole}.{minor % 100:02d}") == minor


# --- codes and PINs


@given(st.integers(0, 10**11 - 1), st.sampled_from(["", " ", "-", ".", "–", " - "]))
def test_a_code_is_read_however_it_is_grouped(number: int, between: str) -> None:
    body = f"{number:011d}"
    code = f"{body}{codes.damm(body)}"
    assert parsing.code(f" {between.join([code[:4], code[4:8], code[8:]])} ") == code


@pytest.mark.parametrize(
    "text", ["", "123", "5724 0000 000O", "l23456789012", "1234567890123", "²" * 12, "1234/5678/9012"]
)
def test_what_is_no_code_was_mistyped(text: str) -> None:
    assert slip(parsing.code, text) == "That code was mistyped. Check the 12 digits and type it again."


def test_one_wrong_digit_in_a_code_is_noticed() -> None:
    code = any_code()
    wrong = code[:5] + str((int(code[5]) + 1) % 10) + code[6:]
    assert slip(parsing.code, wrong) == "That code was mistyped. Check the 12 digits and type it again."


@pytest.mark.parametrize("text", ["2580", "1357", "1223", "١٣٥٧", " 9274 ", "1899", "2100", "0852"])
def test_a_good_pin_is_taken(text: str) -> None:
    assert parsing.pin(text) == fold_digits(text.strip())


@pytest.mark.parametrize(
    "text",
    [
        "1234",
        "4321",
        "0123",
        "3210",
        "7890",
        "0987",
        "0000",
        "1111",
        "1212",
        "9090",
        "1900",
        "1987",
        "2026",
        "2099",
        "١٢٣٤",
    ],
)
def test_a_pin_that_is_easy_to_guess_is_refused(text: str) -> None:
    assert slip(parsing.pin, text) == "That PIN is easy to guess. Choose another."


@pytest.mark.parametrize("text", ["", "123", "12345", "258O", "25 80", "²⁵⁸⁰", "2580\u0301"])
def test_a_pin_has_four_digits(text: str) -> None:
    assert slip(parsing.pin, text) == "A PIN has {length} digits. Type it again."


def test_a_pin_to_be_checked_may_have_four_to_six_digits_and_be_a_weak_one() -> None:
    assert [parsing.pin_entry(text) for text in ("1234", "12345", "١٢٣٤٥٦")] == ["1234", "12345", "123456"]
    assert {slip(parsing.pin_entry, text) for text in ("123", "1234567", "pin", "")} == {"Type your PIN: digits only."}


def test_a_slip_about_a_pin_or_code_does_not_repeat_it() -> None:
    for parse, typed in (
        (parsing.pin, "1234"),
        (parsing.pin_entry, "9876543"),
        (parsing.code, "572400000001"),
    ):
        with pytest.raises(NotUnderstood) as refused:
            parse(typed)
        assert typed not in repr(refused.value) + str(refused.value.holes)


# --- names


@pytest.mark.parametrize(
    "text", ["Amina", "Wanjikũ", "O'Neil-Smith Jr.", "李", "محمد", "Ng'ang'a", "Agent 007", "अमित", "J.R."]
)
def test_a_name_is_taken_as_typed(text: str) -> None:
    assert parsing.name(f"  {text}\n") == text


@pytest.mark.parametrize("text", ["", "123", "...", "😀", "\u200b\u3164", "\x00"])
def test_a_name_needs_a_letter(text: str) -> None:
    assert slip(parsing.name, text) == "We could not read that name. Type it with letters."


def test_a_name_is_at_most_forty_characters() -> None:
    assert parsing.name("a" * 40) == "a" * 40
    assert slip(parsing.name, "a" * 41) == "That name is too long. Use at most {most} characters."


@pytest.mark.parametrize("text", ["Call 0722", "Bank bit.ly/x", "A 0 7 2 2", "www.safaricom.co", "Ali ٠٧٢٢"])
def test_a_name_carries_no_number_and_no_address(text: str) -> None:
    assert slip(parsing.name, text) == "A name cannot hold a number or a web address. Type your name."


# --- notes


@pytest.mark.parametrize("text", ["0", " 0 ", "٠", "０"])
def test_nought_is_no_note(text: str) -> None:
    assert parsing.note(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Happy birthday! Love, mum",
        "STOP",
        "ACCEPT 1",
        "YES",
        "For your 30th, on 7 July 2026",
        "Your balance is KES 500",
        "wait...what",
        "e.g. cake",
        "KSh.500 for you",
        "{0.__class__} %n {{7*7}} </Message><Redirect>",
        "=cmd|'/c calc'!A1",
        "生日快乐。爱你",
        "12345",
    ],
)
def test_a_note_is_anybodys_words(text: str) -> None:
    assert parsing.note(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "see http://x",
        "https://a.b",
        "HTTP://EVIL",
        "www.evil.com",
        "bit.ly/x",
        "Go to bit.ly",
        "wa.me/254",
        "me@mail.com",
        "evil．com",
        "ｂｉｔ.ｌｙ",
        "пример.рф",
        "bi\u200bt.l\u200dy/x",
        "javascript://x",
        "Happy day.Enjoy",
    ],
)
def test_a_note_carries_no_web_address(text: str) -> None:
    assert slip(parsing.note, text) == "A note cannot hold a web address. Put a space after each full stop."


@pytest.mark.parametrize(
    "text",
    [
        "call 0722000111",
        "0722 000 111",
        "0722-000-111",
        "(0722) 000.111",
        "0 7 2 2 0 0",
        "٠٧٢٢٠٠٠١١١",
        "0️⃣7️⃣2️⃣2️⃣0️⃣0️⃣",
        "⓪⑦②②⓪⓪",
        "⁰⁷²²⁰⁰",
        "1234 5678 9012",
        "07__22__00",
        "𝟎𝟕𝟐𝟐𝟎𝟎",
    ],
)
def test_a_note_carries_no_phone_number_or_code(text: str) -> None:
    expected = "A note cannot hold a phone number or code: at most 5 digits in a row."
    assert slip(parsing.note, text) == expected


def test_a_note_is_at_most_eighty_characters() -> None:
    assert parsing.note("a" * 80) == "a" * 80
    with pytest.raises(NotUnderstood) as refused:
        parsing.note("a" * 81)
    assert refused.value.holes == {"length": 81, "most": 80}


def test_an_empty_note_is_asked_for_again() -> None:
    assert slip(parsing.note, " \n") == "Type a short note, or reply 0 for none."


# --- phone numbers


def test_a_bad_number_becomes_a_slip_with_its_sentence() -> None:
    with pytest.raises(NotUnderstood) as refused:
        parsing.msisdn("07", "KE")
    assert refused.value.sentence == "We could not read that phone number. Type it like {example}."
    assert refused.value.holes == {"example": "0712 123456"}


def test_a_number_pasted_from_an_address_book_is_read() -> None:
    assert parsing.msisdn("\u202a+254\u00a0712\u00a0345\u2011678\u202c", "KE").e164 == "+254712345678"
