"""What fills the holes of a sentence, as it is said aloud: codes and numbers digit by digit, amounts and days in words.

A voice that reads "KES 500" says three letters, and one that reads 482177301926 says a number of twelve places. So what a
person must write down or compare is spelled, in groups with a pause between them, and what they must understand is said.
"""

import re
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, get_currency_precision

from bot.fitting import plain
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.values import Value

SPELLED = frozenset({"agreement", "bank_reference", "code", "named", "number", "reference", "serial", "serials"})
"""Holes that name something by signs: every one of them is said."""

OPTION = "option"
"""The hole for a line of a list, whose own holes were filled before."""

_SIGNS = re.compile(r"[^\W_]+")
# numbers of three digits and more, with letters before them or none, as they stand in words; and a service code
_NUMBER = r"(?<![^\W_])(?=[A-Z]{0,4}[0-9])[A-Z0-9]{3,}(?![^\W_])"
_NUMBERED = re.compile(rf"{_NUMBER}(?: {_NUMBER})*|[*#][0-9][0-9*#]*")
_MASK = re.compile(r"\*{2,}")
_KEYS = {"en": {"*": "star", "#": "hash"}, "sw": {"*": "nyota", "#": "reli"}}
"""What people call the two keys that are no digits. Where it is not known, in English."""


def said(hole: str, value: Value, *, language: str, country: str, zone: ZoneInfo) -> str:
    """`value` as a voice should say it in `language`; `hole` is the name of the hole that it fills."""
    match value:
        case Money():
            return _amount(value, language)
        case Msisdn():
            return spelled(value.national(country), language)
        case datetime():
            return plain(format_datetime(value.astimezone(zone), "d MMMM, HH:mm", locale=language))
        case date():
            return plain(format_date(value, "d MMMM y", locale=language))
        case str() if hole == OPTION:
            return value
        case str() if hole in SPELLED:
            return spelled(value, language)
        case str():
            return _NUMBERED.sub(lambda found: spelled(found[0], language), _MASK.sub("", value))
    return str(value)


def spelled(signs: str, language: str) -> str:
    """Every sign by itself, with a pause after each group: `4 8 2 1, 7 7 3 0`."""
    keys = _KEYS.get(language, _KEYS["en"])
    if signs[:1] in keys:
        return " ".join(keys.get(sign, sign) for sign in signs)
    return ", ".join(" ".join(group) for run in _SIGNS.findall(signs) for group in _groups(run))


def _groups(run: str) -> list[str]:
    """Fours, as codes are printed, where they come out even; otherwise threes."""
    size = 4 if len(run) % 4 == 0 else 3
    return [run[at : at + size] for at in range(0, len(run), size)]


@lru_cache(maxsize=4096)
def _amount(money: Money, language: str) -> str:
    """`1500 Kenyan shillings`; cents only where there are any."""
    digits = get_currency_precision(money.currency)
    cents = money.amount_minor % 10**digits
    value = Decimal(money.amount_minor).scaleb(-digits)
    pattern = f"0.{'0' * digits}" if cents else "0"
    words = format_currency(value, money.currency, pattern, locale=language, format_type="name", currency_digits=False)
    return plain(words)
