"""A bank statement as CSV: one line a booking, under a header that names the columns.

    date          YYYY-MM-DD or DD.MM.YYYY                                                        must be there
    amount        with a decimal point or comma, negative when money left the account            must be there
    currency      ISO 4217, the same in every line                                                must be there
    reference     the payer's or the bank's reference
    text          what the payer wrote
    counterparty  name of the other side
    account       account number of the other side

The columns may come in any order and in any case; others are ignored. They are separated by commas or semicolons. The
file is UTF-8, with or without its mark, or Latin-1. It has no balances and does not name our account.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from babel.numbers import get_currency_precision

from payments.bank_lines import (
    Fault,
    Statement,
    StatementLine,
    StatementRefused,
    checked_currency,
    checked_date,
    checked_minor,
    digest,
    told_apart,
)

NEEDED = ("date", "amount", "currency")
COLUMNS = (*NEEDED, "reference", "text", "counterparty", "account")

MOST_LINES = 100_000
"""Lines of a file. Nobody's statement has more, and a report of as many faults is read by nobody."""

_LONGEST_HEADER = 1000
_GERMAN_DATE = re.compile(r"(\d\d)\.(\d\d)\.(\d{4})", re.ASCII)
_AMOUNT = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d+|\d{1,3}(?P<group>[ '’.,])\d{3}(?:(?P=group)\d{3})*)"
    r"(?:(?P<mark>[.,])(?P<decimals>\d+))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: list[str]


def read_csv(data: bytes) -> Statement:
    """The statement in a CSV file. Raises StatementRefused."""
    text = _decoded(data)
    faults: list[Fault] = []
    rows = _rows(text, _delimiter(text), faults)
    header = next(rows, None)
    if header is None or faults:
        raise StatementRefused(faults or [Fault(1, "there is no header")])
    places = _places(header)
    lines = []
    for count, row in enumerate(rows, 1):
        if count > MOST_LINES:
            raise StatementRefused([Fault(row.line, f"a file may have {MOST_LINES} lines")])
        try:
            lines.append(_line(row, places, len(header.cells)))
        except ValueError as error:
            faults.append(Fault(row.line, str(error)))
    faults += _other_currencies(lines)
    if not faults and not lines:
        faults.append(Fault(header.line, "there is no line under the header"))
    if faults:
        raise StatementRefused(sorted(faults, key=lambda fault: fault.line))
    days = [line.booked_on for line in lines]
    return Statement(
        account="",
        currency=lines[0].currency,
        id=hashlib.sha256(data).hexdigest(),
        opened=min(days),
        closed=max(days),
        opening_minor=None,
        closing_minor=None,
        lines=told_apart(line for line in lines if line.amount_minor),
    )


def _decoded(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise StatementRefused([Fault(line, "this is no text in UTF-8 or Latin-1")])
    return text


def _delimiter(text: str) -> str:
    header = text.lstrip()[:_LONGEST_HEADER].replace("\r", "\n").partition("\n")[0]
    return ";" if header.count(";") > header.count(",") else ","


def _rows(text: str, delimiter: str, faults: list[Fault]) -> Iterator[_Row]:
    """The rows with something in them; what is no CSV becomes a fault."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = [" ".join(cell.split()) for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error:
            faults.append(Fault(line, "the quotes are wrong, or a cell is too long"))
            continue
        if any(cells):
            yield _Row(line, cells)


def _places(header: _Row) -> Mapping[str, int]:
    names = [cell.casefold() for cell in header.cells]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise StatementRefused([Fault(header.line, f"the header lacks: {', '.join(missing)}")])
    twice = [name for name in COLUMNS if names.count(name) > 1]
    if twice:
        raise StatementRefused([Fault(header.line, f"the header has more than once: {', '.join(twice)}")])
    return {name: names.index(name) for name in COLUMNS if name in names}


def _line(row: _Row, places: Mapping[str, int], width: int) -> StatementLine:
    """Raises ValueError with words for the operator."""
    if len(row.cells) != width:
        raise ValueError(f"it has {len(row.cells)} cells, the header has {width}")
    cells = {name: row.cells[places[name]] if name in places else "" for name in COLUMNS}
    booked_on, currency = _date(cells["date"]), checked_currency(cells["currency"].upper())
    amount_minor = _minor(cells["amount"], currency)
    words = [cells[name] for name in COLUMNS[3:]]
    # A reference may be the payer's, and is then no name of the booking: all that is written makes its name.
    return StatementLine(
        number=row.line,
        bank_reference=digest(booked_on.isoformat(), str(amount_minor), currency, *words),
        booked_on=booked_on,
        amount_minor=amount_minor,
        currency=currency,
        text="\n".join(word for word in words[:2] if word),
        counterparty=cells["counterparty"],
        counterparty_account=cells["account"],
    )


def _date(written: str) -> date:
    turned = _GERMAN_DATE.fullmatch(written)
    return checked_date("-".join(reversed(turned.groups())) if turned else written)


def _minor(written: str, currency: str) -> int:
    """An amount whose decimal mark is certain: "1.234" may be more than a thousand, and is refused (not in dinars)."""
    found = _AMOUNT.fullmatch(written)
    if not found or (found["group"] and found["group"] == found["mark"]):
        raise ValueError("the amount cannot be read")
    decimals = found["decimals"] or ""
    if len(decimals) > max(2, get_currency_precision(currency)):
        raise ValueError("the amount has too many decimals, or can be read in two ways")
    whole = found["whole"].replace(found["group"] or " ", "")
    minor = checked_minor(f"{whole}.{decimals}", currency)
    return -minor if found["sign"] == "-" else minor


def _other_currencies(lines: list[StatementLine]) -> list[Fault]:
    what = "the currency is another than in the first line"
    return [Fault(line.number, what) for line in lines if line.currency != lines[0].currency]
