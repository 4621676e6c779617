"""Texts are measured as networks measure them, and pages fit without losing a word."""

import re
import sys
import unicodedata
from types import FrameType

import pytest
import smsutil
from babel.numbers import format_currency
from hypothesis import given
from hypothesis import strategies as st

from bot.fitting import SMS, USSD, Budget, encoding, pages, parts, plain, segments, units

GSM7 = smsutil.GSM_EXT_CHARSET + "".join(chr(code) for code in range(0x3B1) if smsutil.is_valid_gsm(chr(code)))
GSM7 = GSM7.replace("\x1b", "")  # the escape itself is no character
SCRIPTS = "aZ1 é€{}\n.ñЖعغकत्क्षไทยสั中文한글ｱ😀👩‍👧🇰🇪🏽\u0301\u200d\u200c\u00a0"
MORE = "98. More"

texts = st.one_of(st.text(max_size=400), st.text(alphabet=GSM7, max_size=700), st.text(alphabet=SCRIPTS, max_size=400))


@given(st.one_of(texts, st.text(alphabet="€a", min_size=140, max_size=480), st.text("a😀", min_size=60)))
def test_units_and_segments_agree_with_an_independent_splitter(text: str) -> None:
    if "\x1b" in text or any("\ud800" <= char <= "\udfff" for char in text) or not text:
        return
    split = smsutil.split(text)
    assert encoding(text) == ("gsm7" if split.encoding == "gsm0338" else "ucs2")
    assert units(text) == (split.total_bytes if encoding(text) == "gsm7" else len(text.encode("utf-16-be")) // 2)
    assert segments(text) == len(split.parts)


@pytest.mark.parametrize(
    ("text", "kind", "length", "parts"),
    [
        ("", "gsm7", 0, 1),
        ("a" * 160, "gsm7", 160, 1),
        ("a" * 161, "gsm7", 161, 2),
        ("a" * 306, "gsm7", 306, 2),
        ("a" * 307, "gsm7", 307, 3),
        ("€" * 80, "gsm7", 160, 1),
        ("€" * 81, "gsm7", 162, 2),
        ("a" * 152 + "€" * 77, "gsm7", 306, 3),  # a pair does not straddle two parts
        ("^{}\\[~]|€\f", "gsm7", 20, 1),
        ("ж" * 70, "ucs2", 70, 1),
        ("ж" * 71, "ucs2", 71, 2),
        ("😀" * 35, "ucs2", 70, 1),
        ("ж" * 66 + "😀" * 34, "ucs2", 134, 3),
        ("`", "ucs2", 1, 1),
        ("ç", "ucs2", 1, 1),  # GSM-7 has only the capital
        ("\x1b", "ucs2", 1, 1),
        ("\ud83d", "ucs2", 1, 1),
    ],
)
def test_a_text_costs_what_the_network_charges(text: str, kind: str, length: int, parts: int) -> None:
    assert (encoding(text), units(text), segments(text)) == (kind, length, parts)


@pytest.mark.parametrize(
    ("typeset", "typed"),
    [
        ("It’s “yours” – now…", 'It\'s "yours" - now...'),
        ("don`t", "don't"),
        ("« oui »", '" oui "'),
        ("1\u202f500,50\u00a0KES", "1 500,50 KES"),
        ("+2547•••••678", "+2547*****678"),
        ("cafe\u0301", "café"),
        ("\ufeffHi", "Hi"),
    ],
)
def test_typography_is_made_plain(typeset: str, typed: str) -> None:
    assert plain(typeset) == typed
    assert encoding(plain(typeset)) == "gsm7"


@pytest.mark.parametrize("locale", ["en", "sw", "fr", "de", "ar", "fa", "so", "am"])
def test_a_formatted_amount_is_gsm7_in_every_language(locale: str) -> None:
    written = plain(format_currency(1500.5, "KES", locale=locale))
    assert encoding(written) == "gsm7"
    assert "KES" in written or "Ksh" in written


@pytest.mark.parametrize("text", ["ʻokina", "мʼята", "می‌خواهم", "ክፍያ", "क्ष", "한글", "Şükrü", "Ọlá", "l·l", "👩‍👧"])
def test_letters_of_real_languages_are_left_alone(text: str) -> None:
    assert plain(text) == unicodedata.normalize("NFC", text)


@given(texts)
def test_plain_keeps_every_letter_and_done_twice_is_done_once(text: str) -> None:
    letters = [char for char in unicodedata.normalize("NFC", text) if char.isalnum()]
    assert [char for char in plain(text) if char.isalnum()] == letters
    assert plain(plain(text)) == plain(text)


def test_a_short_prompt_is_one_page_without_a_more_line() -> None:
    assert pages("Which one?", ["1. Naivas", "2. Tuskys"], USSD, MORE) == ["Which one?\n1. Naivas\n2. Tuskys"]
    assert pages("", ["1. Naivas"], USSD, MORE) == ["1. Naivas"]
    assert pages("", [], USSD, MORE) == [""]


def test_options_stay_whole_and_every_page_but_the_last_offers_more() -> None:
    options = [f"{number}. Supermarket number {number}" for number in range(1, 16)]
    laid_out = pages("Where will it be used?", options, USSD, MORE)
    assert len(laid_out) == 3
    assert [page.splitlines()[-1] for page in laid_out[:-1]] == [MORE, MORE]
    assert MORE not in laid_out[-1]
    lines = [line for page in laid_out for line in page.splitlines() if line != MORE]
    assert lines == ["Where will it be used?", *options]


def test_a_page_without_room_for_the_more_line_is_still_used_when_it_is_the_last() -> None:
    exactly = "x" * 80 + "\n1. " + "y" * 76
    assert pages("x" * 80, ["1. " + "y" * 76], USSD, MORE) == [exactly]
    assert pages("Head", ["1. " + "y" * 157], USSD, MORE) == [f"Head\n{MORE}", "1. " + "y" * 157]


def test_an_option_longer_than_a_page_is_split_between_words_and_keeps_its_line() -> None:
    long = "1. " + "many words " * 30
    laid_out = pages("Head", [long, "2. Short"], USSD, MORE)
    assert laid_out[0] == f"Head\n{MORE}"
    assert laid_out[1].startswith("1. many words many")
    assert laid_out[-1].endswith("words\n2. Short")
    assert all(USSD.holds(page) for page in laid_out)


def test_a_giant_word_in_an_option_is_not_broken_into_lines() -> None:
    laid_out = pages("", ["1. " + "z" * 400, "2. B"], USSD, MORE)
    assert "".join(page.removesuffix(f"\n{MORE}") for page in laid_out) == "1. " + "z" * 400 + "\n2. B"


def test_a_long_head_is_split_after_a_sentence() -> None:
    first, second = (
        "This is the first sentence of a prompt that says a lot, really a lot.",
        "And this is another. " * 6,
    )
    laid_out = pages(f"{first} {second}", [], USSD, MORE)
    assert all(page.removesuffix(f"\n{MORE}").endswith(".") for page in laid_out)


def test_a_short_first_sentence_does_not_waste_a_page() -> None:
    laid_out = pages("Hi. " + "word " * 60, [], USSD, MORE)
    assert laid_out[0].startswith("Hi. word word")
    assert units(laid_out[0]) > 140


def test_each_page_is_judged_in_its_own_encoding() -> None:
    laid_out = pages("a" * 30, ["1. " + "b" * 97, "2. " + "ж" * 60], USSD, MORE)
    assert [encoding(page) for page in laid_out] == ["gsm7", "ucs2"]
    assert laid_out[0] == "a" * 30 + "\n1. " + "b" * 97 + f"\n{MORE}"


@pytest.mark.parametrize("cluster", ["👩‍👩‍👧‍👦", "e\u0301\u0323", "👍🏽", "क्षि", "❤️‍🔥", "กำ้", "😀"])
def test_a_cluster_is_never_cut(cluster: str) -> None:
    laid_out = pages(cluster * 60, [], USSD, MORE)
    assert len(laid_out) > 1
    assert all(set(re.split(f"(?:{cluster})+", page.removesuffix(f"\n{MORE}"))) == {""} for page in laid_out)


def test_flags_are_cut_between_pairs() -> None:
    laid_out = pages("🇰🇪" * 50, [], USSD, MORE)
    assert all(len(page.removesuffix(f"\n{MORE}")) % 2 == 0 for page in laid_out)


def test_a_cluster_longer_than_a_page_is_cut_anyway() -> None:
    flood = "a" + "\u0301" * 500
    laid_out = pages(flood, [], USSD, MORE)
    assert "".join(page.removesuffix(f"\n{MORE}") for page in laid_out) == flood
    assert all(USSD.holds(page) for page in laid_out)


def test_a_more_line_that_fills_the_page_is_refused() -> None:
    with pytest.raises(ValueError, match="fills the page"):
        pages("Head", [], USSD, "m" * 69)
    with pytest.raises(ValueError, match="at most half"):
        Budget(100, 70)


@given(
    head=texts,
    options=st.lists(st.one_of(st.text(max_size=60), st.text(SCRIPTS, max_size=200)), max_size=12),
    budget=st.sampled_from([USSD, SMS, Budget(182, 80), Budget(40, 20)]),
    more=st.sampled_from([MORE, "98. Zaidi", "98. 더보기", "98. ተጨማሪ", "0"]),
)
def test_pages_fit_and_lose_no_word(head: str, options: list[str], budget: Budget, more: str) -> None:
    laid_out = pages(head, options, budget, more)
    assert laid_out
    assert all(budget.holds(page) for page in laid_out)
    assert all(page.endswith(f"\n{more}") for page in laid_out[:-1])
    bodies = [page.removesuffix(f"\n{more}") for page in laid_out[:-1]] + laid_out[-1:]
    assert "".join("".join(bodies).split()) == "".join("".join([head, *options]).split())
    assert laid_out == pages(head, options, budget, more)


@given(words=st.lists(st.text("abcdefgh.", min_size=1, max_size=12), min_size=1, max_size=200))
def test_words_shorter_than_a_page_are_never_cut(words: list[str]) -> None:
    laid_out = pages(" ".join(words), [], USSD, MORE)
    assert " ".join(page.removesuffix(f"\n{MORE}") for page in laid_out).split() == words


@pytest.mark.parametrize("piece", ["a", "a ", "€", "😀", "é\u0301 ", "👩‍👧", " ", "\u0301", "word. ", "\n", "ж ", "क्"])
def test_work_grows_with_the_text_and_not_with_its_square(piece: str) -> None:
    def effort(size: int) -> int:
        """Function calls made, which no busy machine changes."""
        text = (piece * size)[:size]
        calls = 0

        def count(frame: FrameType, event: str, argument: object) -> None:
            nonlocal calls
            calls += event in {"call", "c_call"}

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            pages(text, [text], USSD, MORE)
        finally:
            sys.setprofile(before)
        return calls

    assert effort(32_000) < 10 * effort(4_000)


@given(st.text(alphabet=st.sampled_from("ab€[é🎁ش"), max_size=800))
def test_the_parts_of_a_text_are_the_text_and_each_fits_one_sms(text: str) -> None:
    cut = parts(text)
    assert "".join(cut) == text
    gsm7 = encoding(text) == "gsm7"
    sizes = [units(part) if gsm7 else len(part.encode("utf-16-be")) // 2 for part in cut]
    assert len(cut) == 1 or max(sizes) <= (153 if gsm7 else 67)
