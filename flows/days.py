"""A day as people type it: 24 12, 24/12, 2412, 24.12.2026, 24 Dec. The day comes before the month, unless the month is a word."""

import re
from collections.abc import Iterable
from functools import cache

from babel.dates import get_month_names

from bot.parsing import NotUnderstood, fold_digits, tidy

_DAY = re.compile(
    r"(?:(?P<day>[0-9]{1,2})[ ./-]{0,3}(?:(?P<month>(?<=[ ./-])[0-9]{1,2})|(?P<word>[^\W\d_]{3,12})\.?)"
    r"|(?P<first>[^\W\d_]{3,12})\.? (?P<after>[0-9]{1,2}))"
    r"(?:[ ./-]{1,3}(?P<year>(?:20)?[0-9]{2}))?\.?"
)


def read_day(text: str, languages: Iterable[str]) -> tuple[int, int, int | None]:
    """Day, month and, where it was typed, year; month names of these languages are understood. Raises NotUnderstood.

    Whether there is such a day is not looked at.
    """
    typed = fold_digits(tidy(text)).casefold()
    if re.fullmatch(r"[0-9]{4}", typed):  # phone keys alone have nothing to part them with
        return int(typed[:2]), int(typed[2:]), None
    found = _DAY.fullmatch(typed)
    if not found:
        raise _unreadable()
    word = found["word"] or found["first"]
    month = _month(word, languages) if word else int(found["month"])
    if month is None:
        raise _unreadable()
    year = int(found["year"][-2:]) + 2000 if found["year"] else None
    return int(found["day"] or found["after"]), month, year


def _unreadable() -> NotUnderstood:
    return NotUnderstood("We could not read that day. Type day and month, like 24 12.")


def _month(word: str, languages: Iterable[str]) -> int | None:
    """The month that a word of three letters or more begins the name of."""
    for language in languages:
        for number, name in _months(language):
            if name.startswith(word):
                return number
    return None


@cache
def _months(language: str) -> tuple[tuple[int, str], ...]:
    names = [
        *get_month_names("wide", locale=language).items(),
        *get_month_names("abbreviated", locale=language).items(),
    ]
    return tuple((number, name.casefold().rstrip(".")) for number, name in names)
