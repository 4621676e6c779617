"""Reads a company's gift list: CSV as spreadsheets write it, one gift a line. All of it is good, or every fault is named.

The first line names the columns, in any order: phone, issuer (its prefix, as in serials), amount (of one sheet, in units of
the currency, such as 500 or 12.50), note, and perhaps date (YYYY-MM-DD, when the gift is to arrive). Commas or semicolons,
UTF-8 with or without a byte order mark.
"""

import csv
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from io import StringIO

from babel.numbers import get_currency_precision

from circulation.money import Money
from circulation.msisdn import BadNumber, Msisdn, parse_msisdn

MOST_LINES = 100_000
MOST_BYTES = 20_000_000
LONGEST_NOTE = 80
COLUMNS = ("phone", "issuer", "amount", "note")
OPTIONAL = ("date",)

_AMOUNT = re.compile(r"[0-9]{1,12}(?:\.([0-9]{1,4}))?")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a line of the file (the first is 1); it never quotes what stands there."""

    line: int
    what: str


class GiftListRefused(ValueError):
    """The list cannot be used, and nothing of it was. `faults` are all that were found, by line."""

    def __init__(self, faults: list[Fault]) -> None:
        first = faults[0]
        super().__init__(f"line {first.line}: {first.what}; {len(faults)} faults in all")
        self.faults = faults


@dataclass(frozen=True, slots=True)
class GiftLine:
    """One gift: to whom, whose certificate (the issuer's prefix), worth how much, with which words, and on which day."""

    line: int
    phone: Msisdn
    issuer: str
    amount: Money
    note: str
    day: date | None


@dataclass(frozen=True, slots=True)
class GiftLines:
    """A list that was read. `repeated`: a warning for each line whose phone stands in an earlier line; it gets both gifts."""

    lines: list[GiftLine]
    repeated: list[Fault]


def read(data: bytes, *, country: str, currency: str) -> GiftLines:
    """The gifts of a file, for phones of `country` (ISO 3166) and in `currency` (ISO 4217). Raises GiftListRefused.

    What needs the catalogue or the clock (is there such a price, is the day to come) is asked when the list is loaded.
    """
    faults: list[Fault] = []
    lines: list[GiftLine] = []
    repeated: list[Fault] = []
    seen: dict[Msisdn, int] = {}
    rows = _rows(_text(data))
    columns = _columns(next(rows, (1, [])))
    for number, cells in rows:
        if len(lines) + len(faults) >= MOST_LINES:
            raise GiftListRefused([*faults, Fault(number, f"more than {MOST_LINES:,} gifts; split the list")])
        found = _line(number, cells, columns, country, currency)
        if isinstance(found, Fault):
            faults.append(found)
            continue
        lines.append(found)
        if (first := seen.setdefault(found.phone, number)) != number:
            repeated.append(Fault(number, f"the same phone as line {first}: it gets both gifts"))
    if faults:
        raise GiftListRefused(faults)
    if not lines:
        raise GiftListRefused([Fault(1, "there is no gift in the list")])
    return GiftLines(lines, repeated)


def _text(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise GiftListRefused([Fault(1, f"the file is larger than {MOST_BYTES:,} bytes")])
    try:
        return data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise GiftListRefused([Fault(line, "not UTF-8: save the file as CSV UTF-8")]) from None


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that holds anything, with the number of its last line."""
    heading = text.partition("\n")[0]
    delimiter = ";" if ";" in heading and "," not in heading else ","
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise GiftListRefused(
                [Fault(reader.line_num, "no CSV: look for a quotation mark that is not closed")]
            ) from None
        if any(cell.strip() for cell in cells):
            yield reader.line_num, cells


def _columns(heading: tuple[int, list[str]]) -> dict[str, int]:
    """The place of each column. Raises GiftListRefused."""
    line, cells = heading
    names = [cell.strip().casefold() for cell in cells]
    wanted = f"the first line must name the columns {', '.join(COLUMNS)}, and perhaps {', '.join(OPTIONAL)}"
    if not set(COLUMNS) <= set(names) or not set(names) <= {*COLUMNS, *OPTIONAL} or len(names) != len(set(names)):
        raise GiftListRefused([Fault(line, wanted)])
    return {name: place for place, name in enumerate(names)}


def _line(number: int, cells: list[str], columns: dict[str, int], country: str, currency: str) -> GiftLine | Fault:
    if len(cells) != len(columns):
        return Fault(number, f"{len(cells)} cells instead of {len(columns)}")
    cell = {name: cells[place].strip() for name, place in columns.items()}
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for text in cell.values() for char in text):
        return Fault(number, "a line break or another control character inside a cell")
    try:
        phone = parse_msisdn(cell["phone"], country)
    except BadNumber as refused:
        return Fault(number, f"phone: {refused.code.replace('_', ' ')}")
    if not re.fullmatch(r"[A-Za-z]{2,4}", cell["issuer"]):
        return Fault(number, "issuer: its prefix has 2 to 4 letters")
    minor = _minor(cell["amount"], currency)
    if not minor:
        return Fault(number, f"amount: a sum in {currency} such as 500, without a currency or thousands marks")
    if len(cell["note"]) > LONGEST_NOTE:
        return Fault(number, f"note: {len(cell['note'])} characters, at most {LONGEST_NOTE}")
    day = _day(cell.get("date", ""))
    if isinstance(day, str):
        return Fault(number, day)
    return GiftLine(number, phone, cell["issuer"].upper(), Money(minor, currency), cell["note"], day)


def _minor(text: str, currency: str) -> int:
    """Minor units; 0 for what is no amount."""
    digits = get_currency_precision(currency)
    found = _AMOUNT.fullmatch(text)
    if not found or len(found[1] or "") > digits:
        return 0
    return int(Decimal(text).scaleb(digits))


def _day(text: str) -> date | str | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return "date: a day such as 2027-03-31"
    try:
        return date.fromisoformat(text)
    except ValueError:
        return "date: there is no such day"
