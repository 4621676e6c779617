"""Amounts as Stripe writes them: integers, in a smallest unit that is not everywhere ours.

Source: Stripe's "Supported currencies" (zero-decimal and three-decimal currencies, special cases).
"""

import re
from typing import Any

from babel.numbers import get_currency_precision

from payments.gateway import Unanswered
from payments.provider_http import at, word

LARGEST = 99_999_999
"""Stripe takes amounts of at most eight digits."""

_NO_DECIMALS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""The last of them must be 0."""

_WHOLE_UNITS = frozenset({"ISK", "UGX"})
"""Written with two decimals, which must be 00. All currencies that are not named here have two decimals."""


def _ours(currency: str) -> int:
    """Our minor units in one unit of a currency."""
    return int(10 ** get_currency_precision(currency))


def _theirs(currency: str) -> int:
    return 1 if currency in _NO_DECIMALS else 1000 if currency in _THREE_DECIMALS else 100


def to_stripe(amount_minor: int, currency: str) -> int | None:
    """Our minor units as Stripe's; None when it cannot write them, or takes no such fraction."""
    amount, fraction = divmod(amount_minor * _theirs(currency), _ours(currency))
    step = 100 if currency in _WHOLE_UNITS else 10 if currency in _THREE_DECIMALS else 1
    return None if fraction or amount % step else amount


def stated(thing: Any, field: str) -> int | None:
    """An amount that Stripe states, in our minor units; None where it states none. Raises Unanswered when it is none of ours."""
    amount, currency = at(thing, field), currency_of(thing)
    if amount is None:
        return None
    if not isinstance(amount, int) or isinstance(amount, bool) or not currency:
        raise Unanswered("unreadable_amount")
    minor, fraction = divmod(amount * _ours(currency), _theirs(currency))
    if fraction:
        raise Unanswered("unreadable_amount")
    return minor


def claimed(thing: Any, field: str) -> int | None:
    """The same of a webhook, which nobody believes: None for what cannot be read."""
    try:
        return stated(thing, field)
    except Unanswered:
        return None


def currency_of(thing: Any) -> str:
    """The currency of an object of Stripe's (ISO 4217), which it writes in small letters; empty where there is none."""
    written = word(thing, "currency")
    return written.upper() if re.fullmatch(r"[a-zA-Z]{3}", written) else ""
