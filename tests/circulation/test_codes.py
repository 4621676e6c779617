"""Codes are random, their slips are noticed, and what is kept of them cannot be read back."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circulation import codes
from circulation.codes import CodeKeys

bodies = st.text("0123456789", min_size=1, max_size=20)
KEYS = CodeKeys([("2026-11", b"n" * 32), ("2026-10", b"o" * 32)])


@given(bodies)
def test_a_number_with_its_check_digit_checks_to_nought(body: str) -> None:
    assert codes.damm(body + str(codes.damm(body))) == 0


def test_the_check_digit_is_the_published_one() -> None:
    assert codes.damm("572") == 4  # the worked example of the algorithm's literature


@given(bodies, st.data())
def test_every_single_wrong_digit_is_caught(body: str, data: st.DataObject) -> None:
    number = body + str(codes.damm(body))
    place = data.draw(st.integers(0, len(number) - 1))
    for wrong in set("0123456789") - {number[place]}:
        assert codes.damm(number[:place] + wrong + number[place + 1 :]) != 0


@given(bodies)
def test_every_swap_of_two_neighbours_is_caught(body: str) -> None:
    number = body + str(codes.damm(body))
    for place in range(len(number) - 1):
        if number[place] != number[place + 1]:
            swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
            assert codes.damm(swapped) != 0


def test_the_check_catches_both_kinds_of_slip_from_every_state() -> None:
    digits = range(10)
    step = {(state, digit): codes.damm(f"{START[state]}{digit}") for state in digits for digit in digits}
    for state in digits:
        assert len({step[state, digit] for digit in digits}) == 10
        for first in digits:
            for second in range(first):
                assert step[step[state, first], second] != step[step[state, second], first]


START = {codes.damm(f"{digit}"): digit for digit in range(10)}
"""A one-digit number that leads to each state of the check."""


def test_a_new_code_is_twelve_digits_and_valid() -> None:
    made = [KEYS.code_for(f"operation {number}") for number in range(500)]
    assert all(len(code) == 12 and code.isascii() and code.isdecimal() and codes.valid(code) for code in made)
    assert len(set(made)) == 500
    assert {code[0] for code in made} == set("0123456789")


@pytest.mark.parametrize(
    "text", ["", "0", "0" * 11, "0" * 13, "²" * 12, "٠" * 12, "0" * 12 + "\n", "abcdefghijkl", "\x00" * 12]
)
def test_what_is_not_twelve_ascii_digits_is_not_valid(text: str) -> None:
    assert not codes.valid(text)


@given(st.text())
def test_any_text_can_be_asked_about(text: str) -> None:
    assert codes.valid(text) in {True, False}


def test_a_code_is_shown_in_groups_of_four() -> None:
    assert codes.shown("123456789012") == "1234 5678 9012"


@pytest.mark.parametrize("prefix", ["GL", "NVS", "TUSK"])
def test_a_serial_is_the_prefix_nine_digits_and_their_check_digit(prefix: str) -> None:
    made = {codes.new_serial(prefix) for _ in range(200)}
    assert len(made) == 200
    for serial in made:
        digits = serial.removeprefix(prefix)
        assert (len(digits), digits.isdecimal(), codes.damm(digits)) == (10, True, 0)


@pytest.mark.parametrize("prefix", ["", "G", "GIFTS", "gl", "G1", "GL\n", "ΑΒ"])
def test_a_serial_needs_two_to_four_capital_letters(prefix: str) -> None:
    with pytest.raises(ValueError, match="2-4 capital letters"):
        codes.new_serial(prefix)


def test_a_code_is_sealed_under_the_current_key() -> None:
    expected = hmac.new(b"n" * 32, b"572400000000", hashlib.sha256).digest()
    assert KEYS.seal("572400000000") == ("2026-11", expected)


def test_a_code_sealed_before_a_rotation_is_still_found() -> None:
    sealed = CodeKeys([("2026-10", b"o" * 32)]).seal("572400000000")
    assert sealed in KEYS.candidates("572400000000")
    assert [key_id for key_id, _ in KEYS.candidates("572400000000")] == ["2026-11", "2026-10"]
    assert sealed not in KEYS.candidates("572400000001")


def test_an_operation_has_one_code_and_another_operation_another() -> None:
    made = [KEYS.code_for(f"operation {number}") for number in range(200)]
    assert made == [KEYS.code_for(f"operation {number}") for number in range(200)]
    assert all(map(codes.valid, made))
    assert len(set(made)) == 200


def test_a_code_cannot_be_told_from_its_operation_without_the_key() -> None:
    assert KEYS.code_for("operation") != CodeKeys([("2026-11", b"x" * 32)]).code_for("operation")


def test_the_keys_do_not_show_themselves() -> None:
    keys = CodeKeys([("k", b"a very secret key of 32 bytes...")])
    assert repr(keys) == str(keys) == f"{keys}" == "CodeKeys(k)"


@pytest.mark.parametrize("keys", [[], [("a", b"k" * 15)], [("a", b"k" * 32), ("a", b"l" * 32)]])
def test_weak_missing_or_doubled_keys_are_refused(keys: list[tuple[str, bytes]]) -> None:
    with pytest.raises(ValueError, match="key"):
        CodeKeys(keys)
