"""What a bank statement says, in plain values; and what its readers share: amounts, and names for lines that have none."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from babel.numbers import get_currency_precision, is_currency

from payments.provider_http import to_minor

LARGEST_MINOR = 10**15
"""Minor units. Nothing a statement says of one account is more; a figure beyond it is a mistake."""

_CURRENCY = re.compile("[A-Z]{3}")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One amount booked on the account: `amount_minor` is positive when it came to us and negative when it left.

    `number` is the line of the file (CSV) or counts the lines of the statement (camt.053). `bank_reference` is the same
    whenever the bank shows this booking again, and no other line of the statement has it. `text` is everything written
    for the receiver, one field a line.
    """

    number: int
    bank_reference: str
    booked_on: date
    amount_minor: int
    currency: str
    text: str = field(repr=False)
    counterparty: str = field(repr=False)
    counterparty_account: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Statement:
    """What was booked on one account in its `currency`, from `opened` to `closed` (both included).

    `account` is its IBAN or other number, empty where the format does not name it; with it `id` is unique. Balances are
    minor units, None where the format has none; where both are given they agree with the lines.
    """

    account: str
    currency: str
    id: str
    opened: date
    closed: date
    opening_minor: int | None
    closing_minor: int | None
    lines: list[StatementLine]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at a line of the file (the first is 1), in words that quote nothing of it."""

    line: int
    what: str


class StatementRefused(Exception):
    """A statement of which nothing can be taken in, with every fault that was found."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} faults, the first in line {faults[0].line}: {faults[0].what}")
        self.faults = list(faults)


def checked_currency(written: str) -> str:
    """A currency's ISO 4217 code. Raises ValueError, with words for the operator, when there is no such currency."""
    if not _CURRENCY.fullmatch(written) or not is_currency(written):
        raise ValueError("the currency is none of ISO 4217")
    return written


def checked_minor(units: str, currency: str) -> int:
    """Units of the currency, digits with at most one point, in minor units. Raises ValueError with words."""
    try:
        minor = to_minor(units, currency)
    except ValueError:
        digits = get_currency_precision(currency)
        raise ValueError(f"the amount is too long, or has more than {digits} decimals") from None
    if minor > LARGEST_MINOR:
        raise ValueError("the amount is larger than any that can be")
    return minor


def checked_date(written: str) -> date:
    """A date written YYYY-MM-DD. Raises ValueError with words."""
    if not _ISO_DATE.fullmatch(written):
        raise ValueError("the date cannot be read")
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise ValueError("there is no such date") from None


def digest(*words: str) -> str:
    """A name made of what it names: 32 hexadecimal digits."""
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:32]


def told_apart(lines: Iterable[StatementLine]) -> list[StatementLine]:
    """The same lines in the same order; equal bank references after the first get their ordinal ("#2")."""
    seen: Counter[str] = Counter()
    apart = []
    for line in lines:
        seen[line.bank_reference] += 1
        ordinal = seen[line.bank_reference]
        name = line.bank_reference if ordinal == 1 else f"{line.bank_reference}#{ordinal}"
        apart.append(replace(line, bank_reference=name))
    return apart
