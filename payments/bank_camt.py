"""A bank statement in ISO 20022 camt.053 (Bank to Customer Statement), versions 001.02 to 001.13.

Element names and their meaning: the ISO 20022 message definition reports. Banks differ in what they leave out; what is
read here is what all versions share, with the two places that moved (the status and the parties' names).
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

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
from payments.bank_xml import Element, parsed

NAMESPACES = tuple(f"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version:02}" for version in range(2, 14))

NOT_BOOKED = {"PDNG", "INFO", "FUTR"}
"""Statuses of entries that moved nothing (external code set EntryStatus)."""
NO_REFERENCE = {"NOTPROVIDED", "NONREF"}
"""What stands where there is no reference but the message must have one."""
LONGEST_NAME = 35
"""Characters of a reference or an identification (Max35Text)."""

_REMITTANCE = [
    ("RmtInf", "Ustrd"),
    ("RmtInf", "Strd", "CdtrRefInf", "Ref"),
    ("RmtInf", "Strd", "RfrdDocInf", "Nb"),
    ("RmtInf", "Strd", "AddtlRmtInf"),
    ("Refs", "EndToEndId"),
    ("AddtlTxInf",),
    ("RtrInf", "AddtlInf"),
]
"""Where, in one transaction, banks put what was written for the receiver."""


class _Wrong(Exception):
    def __init__(self, element: Element, what: str) -> None:
        super().__init__(what)
        self.fault = Fault(element.line, what)


def read_camt(data: bytes) -> Statement:
    """The one statement in a camt.053 document. Raises StatementRefused."""
    statement = _statement_of(parsed(data, NAMESPACES))
    try:
        account, currency, name = _account(statement), _currency(statement), _id(statement)
        balances = list(_balances(statement, currency))
    except _Wrong as wrong:
        raise StatementRefused([wrong.fault]) from None
    faults, lines = [], []
    for number, entry in enumerate(statement.all("Ntry"), 1):
        try:
            lines += _lines(entry, account, currency)
        except _Wrong as wrong:
            faults.append(Fault(wrong.fault.line, f"entry {number}: {wrong.fault.what}"))
    if faults:
        raise StatementRefused(faults)
    opening = min(_kind(balances, "OPBD") or _kind(balances, "PRCD"), default=None)
    closing = max(_kind(balances, "CLBD"), default=None)
    if opening and closing and opening[1] + sum(line.amount_minor for line in lines) != closing[1]:
        what = "the opening balance and the booked entries do not add up to the closing balance"
        raise StatementRefused([Fault(statement.line, what)])
    opened, closed = _period(statement, [line.booked_on for line in lines], opening, closing)
    return Statement(
        account=account,
        currency=currency,
        id=f"{name}/{closed.isoformat()}",  # banks use an identification again after a year
        opened=opened,
        closed=closed,
        opening_minor=opening[1] if opening else None,
        closing_minor=closing[1] if closing else None,
        lines=[replace(line, number=number) for number, line in enumerate(told_apart(lines), 1)],
    )


def _statement_of(root: Element) -> Element:
    documents = [element for element in (root, *root.parts) if element.name == "Document"]
    statements = [found for document in documents for found in document.all("BkToCstmrStmt", "Stmt")]
    if not statements:
        raise StatementRefused([Fault(root.line, "this is no statement in camt.053.001.02 to camt.053.001.13")])
    if len(statements) > 1:
        what = "a second statement begins here; a file may hold only one"
        raise StatementRefused([Fault(statements[1].line, what)])
    return statements[0]


def _account(statement: Element) -> str:
    number = statement.word("Acct", "Id", "IBAN") or statement.word("Acct", "Id", "Othr", "Id")
    if not number or len(number) > LONGEST_NAME:
        raise _Wrong(statement, "the account (Acct/Id) is missing or too long")
    return number.replace(" ", "")


def _id(statement: Element) -> str:
    name = statement.word("Id")
    if not name or len(name) > LONGEST_NAME:
        raise _Wrong(statement, "the statement's identification (Id) is missing or too long")
    return name


def _currency(statement: Element) -> str:
    """The account's currency; where the bank leaves it out, that of the first amount."""
    amounts = (amount for path in (("Bal", "Amt"), ("Ntry", "Amt")) for amount in statement.all(*path))
    first = next(amounts, None)
    try:
        return checked_currency(statement.word("Acct", "Ccy") or (first.attributes.get("Ccy", "") if first else ""))
    except ValueError as error:
        raise _Wrong(statement, str(error)) from None


def _balances(statement: Element, currency: str) -> Iterator[tuple[str, date, int]]:
    for balance in statement.all("Bal"):
        kind = balance.word("Tp", "CdOrPrtry", "Cd")
        if kind in {"OPBD", "PRCD", "CLBD"}:
            yield kind, _date(balance, "Dt"), _signed(balance, currency)


def _kind(balances: Iterable[tuple[str, date, int]], kind: str) -> list[tuple[date, int]]:
    return [(day, minor) for each, day, minor in balances if each == kind]


def _period(
    statement: Element, booked: list[date], opening: tuple[date, int] | None, closing: tuple[date, int] | None
) -> tuple[date, date]:
    """The days a statement is about: as it says, else those of its balances and lines, else the day it was made."""
    days = [*booked, *(balance[0] for balance in (opening, closing) if balance)]
    try:
        if not days:
            days = [_date(statement, "CreDtTm", plain=True)]
        said = statement.first("FrToDt")
        if said:
            days = [_date(said, "FrDtTm", plain=True), _date(said, "ToDtTm", plain=True)]
    except _Wrong as wrong:
        raise StatementRefused([wrong.fault]) from None
    return min(days), max(days)


def _lines(entry: Element, account: str, currency: str) -> list[StatementLine]:
    """The lines of an entry: one, or one for each payment of a batch whose amounts are told and add up to it.

    A batch that is not told so is one line: what was booked is certain, and a person looks at the rest.
    """
    status = entry.word("Sts", "Cd") or entry.word("Sts")
    if status in NOT_BOOKED:
        return []
    if status != "BOOK":
        raise _Wrong(entry, "the status is none that is known")
    total = _signed(entry, currency)
    day = _date(entry, "BookgDt" if entry.first("BookgDt") else "ValDt")
    details = list(entry.all("NtryDtls", "TxDtls"))
    amounts = _parts(entry, details, currency) if len(details) > 1 else None
    if amounts is None or sum(amounts) != total:
        parts = [(total, details, entry.words("AddtlNtryInf"))]
    else:
        parts = [(amount, [detail], []) for amount, detail in zip(amounts, details, strict=True)]
    return [_line(entry, account, currency, day, part) for part in parts if part[0]]


def _parts(entry: Element, details: list[Element], currency: str) -> list[int] | None:
    """What each payment of a batch moved, or None where one does not say so in the account's currency."""
    amounts = []
    for detail in details:
        amount = detail.first("Amt") or detail.first("AmtDtls", "TxAmt", "Amt")
        if amount is None or amount.attributes.get("Ccy") != currency:
            return None
        amounts.append(_direction(detail if detail.first("CdtDbtInd") else entry) * _minor(amount, currency))
    return amounts


def _line(
    entry: Element, account: str, currency: str, day: date, part: tuple[int, list[Element], list[str]]
) -> StatementLine:
    amount_minor, details, remarks = part
    written = [word for detail in details for path in _REMITTANCE for word in detail.words(*path)]
    text = "\n".join(word for word in dict.fromkeys([*written, *remarks]) if word not in NO_REFERENCE)
    name, number = _counterparty(entry, details, amount_minor) if len(details) == 1 else ("", "")
    detail_references = [reference for detail in details for reference in detail.words("Refs", "AcctSvcrRef")]
    references = [*(detail_references if len(details) == 1 else []), *entry.words("AcctSvcrRef")]
    own = next((each for each in references if each not in NO_REFERENCE and len(each) <= LONGEST_NAME), None)
    # NtryRef alone names nothing: many banks count from 1 in each statement, or write the same into every entry.
    named = own or digest(account, currency, text, name, number, entry.word("NtryRef"))
    # Some banks use a reference again, for a charge or the way back: a booking's day and amount never change.
    reference = f"{named}/{day:%Y%m%d}/{amount_minor}"
    return StatementLine(0, reference, day, amount_minor, currency, text, name, number)


def _counterparty(entry: Element, details: list[Element], amount_minor: int) -> tuple[str, str]:
    """Name and account of the other side. What goes back keeps the parts that both played at first."""
    detail = details[0]
    back = entry.word("RvslInd") in {"true", "1"} or detail.first("RtrInf") is not None
    role = "Dbtr" if (amount_minor > 0) != back else "Cdtr"
    parties = detail.first("RltdPties")
    if parties is None:
        return "", ""
    name = parties.word(role, "Pty", "Nm") or parties.word(role, "Nm")
    number = parties.word(f"{role}Acct", "Id", "IBAN") or parties.word(f"{role}Acct", "Id", "Othr", "Id")
    return name, number


def _signed(element: Element, currency: str) -> int:
    """The amount of an entry or balance, negative for a debit. A reversal (RvslInd) is marked with its own direction."""
    amount = element.first("Amt")
    if amount is None:
        raise _Wrong(element, "the amount is missing")
    if amount.attributes.get("Ccy") != currency:
        raise _Wrong(amount, "the amount is in another currency than the account")
    return _direction(element) * _minor(amount, currency)


def _direction(element: Element) -> int:
    said = element.word("CdtDbtInd")
    if said not in {"CRDT", "DBIT"}:
        raise _Wrong(element, "it says neither credit nor debit")
    return 1 if said == "CRDT" else -1


def _minor(amount: Element, currency: str) -> int:
    written = amount.word()
    if not written.isascii() or not written.replace(".", "", 1).isdigit():
        raise _Wrong(amount, "the amount cannot be read")
    try:
        return checked_minor(written, currency)
    except ValueError as error:
        raise _Wrong(amount, str(error)) from None


def _date(element: Element, name: str, *, plain: bool = False) -> date:
    """The day at `name`: in its Dt or DtTm, or (`plain`) written there itself. The bank's own day, whatever its zone."""
    written = element.word(name) if plain else element.word(name, "Dt") or element.word(name, "DtTm")
    try:
        return checked_date(written[:10])
    except ValueError as error:
        raise _Wrong(element.first(name) or element, str(error)) from None
