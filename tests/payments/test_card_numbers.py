"""Typed card numbers are found in every way people write them, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circulation.codes import damm
from payments.card_numbers import looks_like_card_number, masked

VISA = "4242424242424242"
NUMBERS = {
    "visa": VISA,
    "visa of 19 digits": "4000000000000000006",
    "mastercard": "5555555555554444",
    "mastercard of the 2 series": "2223003122003222",
    "american express": "378282246310005",
    "diners": "30569309025904",
    "diners of 16 digits": "3056930009020004",
    "discover": "6011111111111117",
    "jcb": "3566002020360505",
    "unionpay": "6200000000000005",
    "maestro of 13 digits": "6759649826438",
    "verve": "5061460410120223210",
}


def check_digit(digits: str) -> str:
    """`digits` and the Luhn digit that belongs after them, written in another way than the product's."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += sum(map(int, str(int(digit) * 2))) if place % 2 == 0 else int(digit)
    return digits + str(-total % 10)


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_a_number_of_every_scheme_is_found(number: str) -> None:
    number = check_digit(number[:-1])
    assert looks_like_card_number(number)
    assert masked(number) == "*" * (len(number) - 4) + number[-4:]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("4242 4242 4242 4242", "**** **** **** 4242"),
        ("4242-4242-4242-4242", "****-****-****-4242"),
        ("4242 - 4242 - 4242 - 4242", "**** - **** - **** - 4242"),
        ("4242.4242.4242.4242", "****.****.****.4242"),
        ("4242\u00a04242\u202f4242\u20134242", "****\u00a0****\u202f****\u20134242"),
        ("pay with 3782 822463 10005 12/27 ok", "pay with **** ****** *0005 12/27 ok"),
        ("4242 4242 4242 4242 12 27 123", "**** **** **** 4242 12 27 123"),
        ("12 27 123 4242424242424242", "12 27 123 ************4242"),
        ("card:4242424242424242.", "card:************4242."),
        (f"{VISA} or {VISA}", "************4242 or ************4242"),
        (f"{VISA} 5555555555554444", "************4242 ************4444"),
        (f"{VISA}\n123456789012", "************4242\n123456789012"),
        ("٤٢٤٢ ٤٢٤٢ ٤٢٤٢ ٤٢٤٢", "**** **** **** ٤٢٤٢"),
        ("४२४२४२४२४२४२४२४२", "************४२४२"),
        ("４２４２４２４２４２４２４２４２", "************４２４２"),
        ("1*4242424242424242*2", "1*************4242*2"),
        ("+4242424242424242", "+************4242"),
    ],
)
def test_a_number_is_masked_however_it_is_written(typed: str, kept: str) -> None:
    assert looks_like_card_number(typed)
    assert masked(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "4242424242424241",  # a wrong check digit
        "1234567890123452",  # no scheme's
        "424242424242",
        "+378282246310005",  # 15 digits after a plus: a phone number
        "+37 828 224 631 0005",
        "+254712345678 1500",
        "254712345678 1500",
        "0712345678 12345",
        "4915112345678",  # a German phone
        "20261120 164700",
        "²²²²²²²²²²²²²²²²",
        "4242424242424242" + "4242",  # twenty digits
    ],
)
def test_what_is_no_card_number_is_left_alone(typed: str) -> None:
    assert not looks_like_card_number(typed)
    assert masked(typed) == typed


@given(st.lists(st.integers(0, 10**11 - 1), min_size=1, max_size=4), st.sampled_from([" ", "-", "\n", ", "]))
def test_redemption_codes_are_never_taken_for_cards(numbers: list[int], between: str) -> None:
    codes = [f"{number:011d}{damm(f'{number:011d}')}" for number in numbers]
    assert not looks_like_card_number(between.join(codes))


@given(st.integers(10**6, 10**15 - 1), st.sampled_from(["", " 500", " 1000 ", " 12345678"]))
def test_phone_numbers_with_a_plus_are_never_taken_for_cards(number: int, after: str) -> None:
    if len(f"{number}{after.strip()}") <= 15 or len(str(number)) > 8:
        assert not looks_like_card_number(f"+{number}{after}")


@given(st.text())
def test_any_text_keeps_its_length_and_everything_that_is_no_digit(typed: str) -> None:
    kept = masked(typed)
    assert len(kept) == len(typed)
    assert all(new in {old, "*"} for old, new in zip(typed, kept, strict=True))
    assert masked(kept) == kept


@given(st.integers(0, 10**9 - 1), st.text("0123456789 -", max_size=12))
def test_a_number_is_found_whatever_short_groups_stand_around_it(number: int, other: str) -> None:
    card = check_digit(f"424242{number:09d}")
    kept = masked(f"{other} x {card} x {other}")
    assert card not in kept
    assert card[-4:] in kept
