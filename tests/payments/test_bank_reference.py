"""The creditor reference: made so that any bank can check it, and found again however it was typed."""

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from circulation.references import ALPHABET, LENGTH
from payments.bank_reference import creditor_reference, found_in, shown

references = st.text(ALPHABET, min_size=LENGTH, max_size=LENGTH)
between = st.text(" -./\n\t·", max_size=3)


def remainder(creditor: str) -> int:
    """What ISO 11649 says to check: the first four characters moved to the end, letters as 10 to 35, modulo 97 is 1."""
    moved = creditor[4:] + creditor[:4]
    value = 0
    for character in moved:
        digits = str("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(character))
        for digit in digits:
            value = (value * 10 + int(digit)) % 97
    return value


def test_a_reference_is_shown_in_groups_of_four() -> None:
    assert shown(creditor_reference("7KQ4M2PH")) == "RF25 7KQ4 M2PH"


@given(references)
def test_every_reference_passes_the_check_of_the_standard(reference: str) -> None:
    creditor = creditor_reference(reference)
    assert creditor.startswith("RF") and creditor.endswith(reference) and len(creditor) == 12
    assert remainder(creditor) == 1


@pytest.mark.parametrize("other", ["", "7KQ4M2P", "7KQ4M2PHH", "7KQ4M2P0", "7KQ4M2PL", "7KQ4 2PH", "７KQ4M2PH"])
def test_what_is_no_reference_of_ours_gets_none(other: str) -> None:
    with pytest.raises(ValueError, match="no reference of ours"):
        creditor_reference(other)


@given(references, st.lists(between, min_size=12, max_size=12), st.booleans())
def test_it_is_found_however_its_characters_are_spaced(reference: str, gaps: list[str], lower: bool) -> None:
    typed = "".join(gap + character for gap, character in zip(gaps, creditor_reference(reference), strict=True))
    assert reference in found_in(f"invoice {typed.lower() if lower else typed}. thanks")


@pytest.mark.parametrize(
    "text",
    [
        "rf257kq4m2ph",
        "RF25-7KQ4-M2PH",
        "payment for giftsRF25 7KQ4 M2PHfrom Amina",
        "/RFB/RF25 7KQ4\n M2PH/",
        "ref: RF 25 7K\nQ4\n\nM2PH",
        "ＲＦ２５ ７ＫＱ４ Ｍ２ＰＨ",
        "rf rf25 RF257KQ4M2PH",
    ],
)
def test_it_is_found_as_people_and_banks_write_it(text: str) -> None:
    assert found_in(text) == ["7KQ4M2PH"]


@given(references, st.integers(0, 99))
def test_other_check_digits_are_never_accepted(reference: str, digits: int) -> None:
    right = creditor_reference(reference)
    typed = f"RF{digits:02}{reference}"
    assert found_in(typed) == ([reference] if typed == right else [])


def test_check_digits_that_leave_the_same_remainder_are_others() -> None:
    """97 less or more is the same modulo 97: RF99 for RF02 and RF01 for RF98 are not what the standard makes."""
    dice = random.Random(4)
    made = ["".join(dice.choices(ALPHABET, k=LENGTH)) for _ in range(3000)]
    low = next(each for each in made if creditor_reference(each).startswith("RF02"))
    high = next(each for each in made if creditor_reference(each).startswith("RF98"))
    assert remainder(f"RF99{low}") == remainder(f"RF01{high}") == 1
    assert found_in(f"RF99{low} and RF01{high}") == []


@given(references, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_one_wrong_letter_or_digit_makes_it_unknown(reference: str, place: int, wrong: str) -> None:
    """A letter for a letter, a digit for a digit: what the standard's check promises to notice."""
    assume(wrong != reference[place] and wrong.isdigit() == reference[place].isdigit())
    garbled = reference[:place] + wrong + reference[place + 1 :]
    assert found_in(creditor_reference(reference)[:4] + garbled) == []


def test_several_are_all_found_once_and_in_order() -> None:
    first, second = creditor_reference("7KQ4M2PH"), creditor_reference("ABCD2345")
    assert found_in(f"{second} and {first}, again {second.lower()}") == ["ABCD2345", "7KQ4M2PH"]


@pytest.mark.parametrize("text", ["", "7KQ4M2PH", "25 7KQ4 M2PH", "RF18 5390 0754 7034", "RF25", "РФ25 7KQ4 M2PH"])
def test_what_is_not_a_whole_reference_of_ours_is_nothing(text: str) -> None:
    assert found_in(text) == []


@given(st.text(st.characters(), max_size=200))
def test_no_text_makes_it_fail(text: str) -> None:
    assert all(creditor_reference(reference) for reference in found_in(text))
