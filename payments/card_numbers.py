"""Card numbers that people type where they should not: found, and masked before anything is stored.

A number counts when its length and first digits are a card scheme's and its check digit (Luhn, ISO/IEC 7812-1) is right.
One in ten numbers of the right shape passes the check by chance; that costs a warning, a stored card number costs more.
"""

import re
import unicodedata
from collections.abc import Iterator

_SCHEMES: tuple[tuple[range, frozenset[int]], ...] = (
    (range(400000, 500000), frozenset({16, 19})),  # Visa; its 13 digits are long gone, and look like German phones
    (range(510000, 560000), frozenset({16})),  # Mastercard
    (range(222100, 272100), frozenset({16})),
    (range(340000, 350000), frozenset({15})),  # American Express
    (range(370000, 380000), frozenset({15})),
    (range(300000, 306000), frozenset({14, 16, 19})),  # Diners Club
    (range(309500, 309600), frozenset({14, 16, 19})),
    (range(360000, 370000), frozenset({14, 16, 19})),
    (range(380000, 400000), frozenset({14, 16, 19})),
    (range(601100, 601200), frozenset({16, 19})),  # Discover
    (range(644000, 660000), frozenset({16, 18, 19})),  # Discover, RuPay, Verve
    (range(352800, 359000), frozenset({16, 19})),  # JCB
    (range(620000, 630000), frozenset({16, 17, 18, 19})),  # UnionPay
    (range(810000, 830000), frozenset({16, 19})),  # UnionPay, RuPay
    (range(506099, 506199), frozenset({16, 18, 19})),  # Verve
    (range(508500, 509000), frozenset({16})),  # RuPay
    (range(606985, 608600), frozenset({16})),
    (range(220000, 220500), frozenset({16, 17, 18, 19})),  # Mir
    (range(979200, 979300), frozenset({16})),  # Troy
    *((range(first * 100, first * 100 + 100), frozenset(range(13, 20))) for first in (5018, 5020, 5038, 5893, 6304)),
    *(
        (range(first * 100, first * 100 + 100), frozenset(range(13, 20))) for first in (6759, 6761, 6762, 6763)
    ),  # Maestro
)
"""First six digits, and how many digits such a number has: the schemes' public ranges (ISO/IEC 7812 issuer numbers)."""

_SHORTEST, _LONGEST = 13, 19
_LONGEST_GROUP = 8
"""Of a number written in groups: those on cards have 3 to 6 digits. Codes (12) and phone numbers (9 and more) have more."""

_LONGEST_PHONE = 15
"""Digits after a + (ITU-T E.164)."""

_SHOWN = 4
_GROUPS = re.compile(r"(\+?)([0-9]+(?:[\s\-.\u00ad\u2010-\u2015\u2212]{1,3}[0-9]+)*)")
_DIGITS = re.compile(r"[0-9]+")


def looks_like_card_number(text: str) -> bool:
    """Whether there is a card number in `text`, in digits of any script, with or without spaces, dashes and points."""
    return next(_found(_folded(text)), None) is not None


def masked(text: str) -> str:
    """`text` with every digit of every card number in it, but its last four, as an asterisk."""
    folded = _folded(text)
    letters = list(text)
    for start, end in _found(folded):
        digits = [place for place in range(start, end) if "0" <= folded[place] <= "9"]
        for place in digits[:-_SHOWN]:
            letters[place] = "*"
    return "".join(letters)


def _folded(text: str) -> str:
    """Every decimal digit as ASCII, one character for each."""
    return "".join(str(unicodedata.decimal(letter, letter)) for letter in text)


def _found(text: str) -> Iterator[tuple[int, int]]:
    """Where the card numbers in `text` (digits folded) begin and end; they do not overlap."""
    for run in _GROUPS.finditer(text):
        groups = [(run.start(2) + group.start(), run.start(2) + group.end()) for group in _DIGITS.finditer(run[2])]
        first = _after_phone(groups) if run[1] else 0
        while first < len(groups):
            last = _number_from(text, groups, first)
            if last is None:
                first += 1
            else:
                yield groups[first][0], groups[last][1]
                first = last + 1


def _after_phone(groups: list[tuple[int, int]]) -> int:
    """The first group that is no part of the phone number with which the groups begin (after a plus)."""
    start, end = groups[0]
    if _LONGEST_GROUP < end - start <= _LONGEST_PHONE:
        return 1
    return len(groups) if sum(end - start for start, end in groups) <= _LONGEST_PHONE else 0


def _number_from(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last group of the card number that begins with group `first`, the longest there is."""
    digits, found = "", None
    for last in range(first, len(groups)):
        start, end = groups[last]
        digits += text[start:end]
        if len(digits) > _LONGEST or (last > first and _too_long(groups[first : last + 1])):
            break
        if _is_card(digits):
            found = last
    return found


def _too_long(groups: list[tuple[int, int]]) -> bool:
    return any(end - start > _LONGEST_GROUP for start, end in groups)


def _is_card(digits: str) -> bool:
    if not _SHORTEST <= len(digits) <= _LONGEST:
        return False
    first = int(digits[:6])
    return any(first in range_ and len(digits) in lengths for range_, lengths in _SCHEMES) and _luhn(digits)


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(part // 10 + part % 10 for part in doubled) % 10 == 0
