"""Days as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.parsing import NotUnderstood
from flows.days import read_day

LANGUAGES = ("sw", "en")


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("24 12", (24, 12, None)),
        ("24/12", (24, 12, None)),
        ("24-12", (24, 12, None)),
        (" 24 . 12. ", (24, 12, None)),
        ("24.12.2026", (24, 12, 2026)),
        ("24/12/26", (24, 12, 2026)),
        ("24 Dec", (24, 12, None)),
        ("24DEC", (24, 12, None)),
        ("24 December 2026", (24, 12, 2026)),
        ("Dec 24", (24, 12, None)),
        ("24 Desemba", (24, 12, None)),
        ("5 Mei", (5, 5, None)),
        ("٢٤ ١٢", (24, 12, None)),
        ("२४/१२", (24, 12, None)),
        ("31 2", (31, 2, None)),
        ("2412", (24, 12, None)),
    ],
)
def test_a_day_and_a_month_are_understood_however_they_are_parted(
    typed: str, read: tuple[int, int, int | None]
) -> None:
    assert read_day(typed, LANGUAGES) == read


@pytest.mark.parametrize(
    "typed", ["", "24", "124", "24122", "tomorrow", "24 De", "24 Foo", "24 12 1999", "24 12 26 1", "124 12", "-1 5"]
)
def test_anything_else_is_a_slip_that_says_how_to_type_it(typed: str) -> None:
    with pytest.raises(NotUnderstood) as slip:
        read_day(typed, LANGUAGES)
    assert "24 12" in slip.value.sentence


@given(st.text(max_size=40))
def test_no_text_is_a_fault(typed: str) -> None:
    try:
        day, month, year = read_day(typed, LANGUAGES)
    except NotUnderstood:
        return
    assert 0 <= day <= 99
    assert 0 <= month <= 99
    assert year is None or 2000 <= year <= 2099
