"""Phone numbers are read as people type them, refused with a reason, and masked wherever they are shown."""

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circulation.msisdn import BadNumber, Msisdn, from_provider, parse_msisdn

AMINA = Msisdn("+254712345678")


def refusal(text: str, country: str = "KE") -> BadNumber:
    with pytest.raises(BadNumber) as refused:
        parse_msisdn(text, country)
    return refused.value


@pytest.mark.parametrize(
    "text",
    [
        "0712345678",
        "712345678",
        "254712345678",
        "+254712345678",
        "00254712345678",
        "000254712345678",
        "0712 345 678",
        "0712-345-678",
        "(0712) 345.678",
        "0712/345678",
        "+254 (0)712 345678",
        " +254\u00a0712\u202f345\u2011678 ",
        "٠٧١٢٣٤٥٦٧٨",
        "۰۷۱۲۳۴۵۶۷۸",
        "०७१२३४५६७८",
        "０７１２３４５６７８",
        "＋２５４７１２３４５６７８",
        "\u202a+254712345678\u202c",
        "\u200f0712345678",
    ],
)
def test_a_number_is_read_however_it_is_typed(text: str) -> None:
    assert parse_msisdn(text, "KE") == AMINA


@pytest.mark.parametrize(
    ("text", "country", "e164"),
    [
        ("082 555 0199", "ZA", "+27825550199"),
        ("0027825550199", "ZA", "+27825550199"),
        ("010-2000-0000", "KR", "+821020000000"),
        ("(201) 555-0123", "US", "+12015550123"),
        ("0110 123456", "KE", "+254110123456"),
    ],
)
def test_each_country_has_its_own_numbers(text: str, country: str, e164: str) -> None:
    assert parse_msisdn(text, country).e164 == e164


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "+",
            "0",
            "abc",
            "07",
            "112",
            "07123456789",
            "0712 345 67",
            "07twelve45678",
            "0800FLOWERS",
        ),
        *(
            "0712345678 ext 5",
            "tel:0712345678",
            "0712345678,0712345679",
            "+254+712345678",
            "0712_345_678",
            "0712\x00",
        ),
        *("²" * 9, "O712345678", "0999 999 999", "9" * 10_000, "+" * 10_000, "\ud800", "+999712345678"),
    ],
)
def test_what_is_no_number_is_refused_with_an_example(text: str) -> None:
    refused = refusal(text)
    assert refused.code == "not_a_number"
    assert refused.sentence.format(**refused.holes) == "We could not read that phone number. Type it like 0712 123456."


@pytest.mark.parametrize("text", ["+255621234567", "00256712345678", "+12015550123", "+447911123456"])
def test_a_number_of_another_country_is_refused_by_name(text: str) -> None:
    refused = refusal(text)
    assert refused.code == "other_country"
    assert refused.sentence.format(**refused.holes) == (
        "Gifts can only go to phones in Kenya. Type a number like 0712 123456."
    )


def test_a_landline_is_refused() -> None:
    refused = refusal("020 2345678")
    assert (refused.code, refused.sentence) == (
        "landline",
        "That looks like a landline. Gifts go to mobile phones.",
    )


@pytest.mark.parametrize("text", ["0800 223456", "0900 223456"])
def test_a_toll_free_or_premium_number_is_refused(text: str) -> None:
    assert refusal(text).code == "not_mobile"


def test_a_refusal_does_not_repeat_the_number() -> None:
    refused = refusal("020 2345678")
    assert "2345678" not in repr(refused) + str(refused) + str(refused.holes)


def test_a_country_without_mobile_phones_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(ValueError, match="'XX'"):
        parse_msisdn("0712345678", "XX")


@given(st.one_of(st.text(), st.text("0123456789+ -()٠۷０＋\u202a\x00"), st.text(st.characters(exclude_categories=()))))
def test_any_text_is_a_number_or_a_refusal(text: str) -> None:
    try:
        number = parse_msisdn(text, "KE")
    except BadNumber as refused:
        assert refused.sentence.format(**refused.holes)
    else:
        assert number.e164.startswith("+254")


@given(st.integers(700_000_000, 729_999_999))
def test_a_number_shown_to_people_can_be_typed_back(number: int) -> None:
    read = parse_msisdn(f"0{number}", "KE")
    assert parse_msisdn(read.national("KE"), "KE") == read
    assert parse_msisdn(read.national("ZA"), "KE") == read
    assert from_provider(read.e164) == read


# --- the value


def test_a_number_is_masked_wherever_it_is_shown() -> None:
    for rendering in (str(AMINA), repr(AMINA), f"{AMINA}", json.dumps(AMINA, default=str), repr([AMINA])):
        assert "712345" not in rendering
    assert str(AMINA) == "+2547•••••678"
    assert str(Msisdn("+2901234")) == "•••••234"
    assert str(Msisdn("+29012345")) == "+•••••345"


def test_a_number_is_shown_to_people_in_their_countrys_way() -> None:
    assert AMINA.national("KE") == "0712 345678"
    assert AMINA.national("TZ") == "+254 712 345678"
    assert Msisdn("+27825550199").national("ZA") == "082 555 0199"


def test_numbers_are_compared_ordered_and_hashed_by_value() -> None:
    assert Msisdn("+254712345678") == AMINA != Msisdn("+254712345679")
    assert sorted([Msisdn("+254712345679"), AMINA])[0] == AMINA
    assert {AMINA, Msisdn("+254712345678")} == {AMINA}
    assert pickle.loads(pickle.dumps(AMINA)) == AMINA
    assert {AMINA, "+254712345678", "+2547•••••678"} - {AMINA} == {"+254712345678", "+2547•••••678"}


@pytest.mark.parametrize(
    "text",
    ["", "254712345678", "+0712345678", "+2547", "+2547123456789012", "+254712345678\n", "+٢٥٤٧١٢٣٤٥٦٧٨"],
)
def test_only_e164_makes_a_number_and_a_bad_one_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not an E\.164 number$"):
        Msisdn(text)


# --- senders named by providers


@pytest.mark.parametrize("text", ["+254712345678", "254712345678", " 254712345678", "+254712345678 "])
def test_a_senders_number_is_read_from_a_provider(text: str) -> None:
    assert from_provider(text) == AMINA


def test_a_number_range_newer_than_our_tables_is_still_served() -> None:
    assert from_provider("+254999345678") == Msisdn("+254999345678")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "MPESA",
        "Safaricom",
        "22384",
        "40404",
        "0712345678",
        "+0712345678",
        "++254712345678",
        "2547",
        "anonymous",
        "+254712345678x",
        "٢٥٤٧١٢٣٤٥٦٧٨",
        "\x00",
        "\ud800",
        "+999712345678",
        "9" * 10_000,
        "whatsapp:+254712345678",
    ],
)
def test_a_sender_that_is_no_phone_is_nobody(text: str) -> None:
    assert from_provider(text) is None


@given(st.one_of(st.text(), st.text("0123456789+ ", max_size=18)))
def test_any_sender_is_a_number_or_nobody(text: str) -> None:
    sender = from_provider(text)
    assert sender is None or sender.e164.removeprefix("+") in text
