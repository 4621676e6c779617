"""A bank that keeps one account of ours: whoever knows it transfers to it, and the bank's statements tell what came in.

It books what it is told, right or wrong: any text, any amount, twice. It calls nobody and answers no question of ours.
"""

import csv
import hashlib
import io
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4
from xml.etree import ElementTree as ET

from flask import Blueprint, render_template_string, request

from payments.fakes.faults import Calls, Faults
from payments.fakes.people import Answer, Prompt
from payments.provider_http import to_decimal, to_minor

Format = Literal["camt.053", "csv"]

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
FIELD = 35
"""Characters of one field of remittance information: longer texts arrive broken into several, as between many banks."""
LARGEST_MINOR = 100_000_000

_CHECK_DIGIT = re.compile(r"(\brf\W*)([0-9])", re.IGNORECASE)

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Pay by bank transfer</title>
<h1>Pay by bank transfer</h1>
<p>To account {{ account }}, in {{ currency }}.</p>
{% if said %}<p role="status">{{ said }}</p>{% endif %}
<form method="post">
<p><label>Amount <input name="amount" inputmode="decimal" required value="{{ form.amount }}"></label></p>
<p><label>Reference <input name="reference" value="{{ form.reference }}"></label></p>
<p><label>Your phone <input name="phone" type="tel" required value="{{ form.phone }}"></label></p>
<p><button>Transfer</button></p>
</form>
</html>
"""


@dataclass(frozen=True, slots=True)
class _Booking:
    """`amount_minor` is negative when money left the account. `back`: it is a transfer that went back."""

    reference: str
    booked_on: date
    amount_minor: int
    text: str = field(repr=False)
    msisdn: str = field(repr=False)
    back: bool = False

    @property
    def name(self) -> str:
        return f"Customer {self.account[-4:]}"

    @property
    def account(self) -> str:
        return f"{int(hashlib.sha256(self.msisdn.encode()).hexdigest(), 16) % 10**12:012}"


class FakeBank:
    """The account has the number `account` and one `currency`, and is empty at first. `today` is the day bookings get.

    With a folder `drop`, every transfer made on its page puts a camt.053 statement there, under its name at once complete.
    """

    def __init__(
        self,
        faults: Faults,
        calls: Calls,
        *,
        currency: str = "KES",
        account: str = "KE0300010001000012345678",
        drop: Path | None = None,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self.faults = faults
        self.calls = calls
        self.currency = currency
        self.account = account
        self._drop = drop
        self._today = today
        self._bookings: list[_Booking] = []
        self._announced: list[_Booking] = []
        self._told = 0
        self._lock = threading.RLock()
        self.blueprint = Blueprint("bank", __name__, url_prefix="/bank")
        self.blueprint.add_url_rule("/", view_func=self._page, methods=["GET", "POST"], strict_slashes=False)

    def transfer(self, msisdn: str, remittance_text: str, amount_minor: int, currency: str) -> str:
        """The owner of a phone (E.164) transfers money to the account; the bank's reference of it.

        Nothing is compared with what was asked for. Raises ValueError for another currency than the account's.
        """
        return self._book(msisdn, remittance_text, amount_minor, currency)

    def transfer_again(self, reference: str) -> str:
        """The same person transfers the same amount with the same text once more; the new transfer's reference."""
        with self._lock:
            booking = self._booking(reference)
            return self._book(booking.msisdn, booking.text, booking.amount_minor, self.currency)

    def announce(self, msisdn: str, remittance_text: str, amount_minor: int) -> None:
        """A transfer is on its way: the next camt.053 statement shows it as pending, and it never comes."""
        with self._lock:
            self._announced.append(_Booking("", self._today(), amount_minor, remittance_text, msisdn))

    def take_back(self, reference: str) -> str:
        """The payer's bank takes a transfer back: a debit, which names the transfer's text; the debit's reference."""
        with self._lock:
            booking = self._booking(reference)
            return self._add(replace(booking, amount_minor=-booking.amount_minor, back=True))

    def pay_out(self, msisdn: str, remittance_text: str, amount_minor: int, currency: str) -> str:
        """We send money from the account (a refund): a debit; its reference. Raises ValueError as `transfer` does."""
        return self._book(msisdn, remittance_text, -amount_minor, currency)

    def statement(self, fmt: Format = "camt.053", *, overlap: int = 0) -> bytes:
        """A statement of everything booked since the last one, and of the `overlap` bookings before that once more."""
        with self._lock:
            first = max(0, self._told - overlap)
            before, shown = self._bookings[:first], self._bookings[first:]
            announced, self._announced = self._announced, []
            self._told = len(self._bookings)
            opening_minor = sum(booking.amount_minor for booking in before)
            return self._csv(shown) if fmt == "csv" else self._camt(opening_minor, shown, announced)

    def prompts(self, msisdn: str) -> list[Prompt]:  # noqa: ARG002 - people.Asking
        """A bank transfer asks nobody anything."""
        return []

    def answer(self, prompt_id: str, answer: Answer) -> None:  # noqa: ARG002 - people.Asking
        """Raises KeyError: no question ever waits."""
        raise KeyError(prompt_id)

    def taken_minor(self, currency: str) -> int:
        """Minor units on the account: what came in, less what went back and what we sent."""
        with self._lock:
            return sum(booking.amount_minor for booking in self._bookings) if currency == self.currency else 0

    def _book(self, msisdn: str, text: str, amount_minor: int, currency: str) -> str:
        if currency != self.currency:
            raise ValueError(f"the account is in {self.currency}")
        return self._add(_Booking("", self._today(), amount_minor, text, msisdn))

    def _add(self, booking: _Booking) -> str:
        # Unique for ever: the books of whoever reads the statements outlive this bank.
        reference = uuid4().hex[:20].upper()
        readable = "".join(character if character.isprintable() else " " for character in booking.text)
        with self._lock:
            self._bookings.append(replace(booking, reference=reference, booked_on=self._today(), text=readable))
        return reference

    def _booking(self, reference: str) -> _Booking:
        return next(booking for booking in self._bookings if booking.reference == reference)

    def _csv(self, bookings: list[_Booking]) -> bytes:
        sheet = io.StringIO()
        writer = csv.writer(sheet)
        writer.writerow(["date", "amount", "currency", "reference", "text", "counterparty", "account"])
        for each in bookings:
            amount = to_decimal(each.amount_minor, self.currency)
            writer.writerow([each.booked_on, amount, self.currency, each.reference, each.text, each.name, each.account])
        return sheet.getvalue().encode()

    def _camt(self, opening_minor: int, bookings: list[_Booking], announced: list[_Booking]) -> bytes:
        document = ET.Element("Document", xmlns=NAMESPACE)
        whole = ET.SubElement(document, "BkToCstmrStmt")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        _put(whole, "GrpHdr/MsgId", uuid4().hex)
        _put(whole, "GrpHdr/CreDtTm", now)
        statement = ET.SubElement(whole, "Stmt")
        _put(statement, "Id", uuid4().hex)
        _put(statement, "CreDtTm", now)
        _put(statement, "Acct/Id/Othr/Id", self.account)
        _put(statement, "Acct/Ccy", self.currency)
        closing_minor = opening_minor + sum(booking.amount_minor for booking in bookings)
        days = [booking.booked_on for booking in bookings] or [self._today()]
        self._balance(statement, "OPBD", opening_minor, min(days))
        self._balance(statement, "CLBD", closing_minor, max(days))
        for booking in bookings:
            self._entry(statement, booking, "BOOK")
        for booking in announced:
            self._entry(statement, booking, "PDNG")
        ET.indent(document)
        return bytes(ET.tostring(document, encoding="utf-8", xml_declaration=True))

    def _balance(self, statement: ET.Element, kind: str, minor: int, day: date) -> None:
        balance = ET.SubElement(statement, "Bal")
        _put(balance, "Tp/CdOrPrtry/Cd", kind)
        self._amount(balance, minor)
        _put(balance, "Dt/Dt", day.isoformat())

    def _entry(self, statement: ET.Element, booking: _Booking, status: str) -> None:
        entry = ET.SubElement(statement, "Ntry")
        self._amount(entry, booking.amount_minor)
        if booking.back:
            _put(entry, "RvslInd", "true")
        _put(entry, "Sts/Cd", status)
        _put(entry, "BookgDt/Dt", booking.booked_on.isoformat())
        if booking.reference:
            _put(entry, "AcctSvcrRef", booking.reference)
        _put(entry, "BkTxCd/Prtry/Cd", "TRF")
        detail = ET.SubElement(ET.SubElement(entry, "NtryDtls"), "TxDtls")
        _put(detail, "Refs/EndToEndId", "NOTPROVIDED")
        role = "Dbtr" if (booking.amount_minor > 0) != booking.back else "Cdtr"
        _put(detail, f"RltdPties/{role}/Pty/Nm", booking.name)
        _put(detail, f"RltdPties/{role}Acct/Id/Othr/Id", booking.account)
        remittance = ET.SubElement(detail, "RmtInf")
        for at in range(0, len(booking.text), FIELD):
            ET.SubElement(remittance, "Ustrd").text = booking.text[at : at + FIELD]

    def _amount(self, parent: ET.Element, minor: int) -> None:
        amount = ET.SubElement(parent, "Amt", Ccy=self.currency)
        amount.text = str(abs(to_decimal(minor, self.currency)))
        _put(parent, "CdtDbtInd", "CRDT" if minor >= 0 else "DBIT")

    def _page(self) -> tuple[str, int]:
        if request.method == "GET":
            return self._shown("", request.args), 200
        fault = self.faults.before("transfer")
        phone = request.form.get("phone", "").strip()
        try:
            minor = to_minor(request.form.get("amount", "").strip(), self.currency)
        except ValueError:
            minor = 0
        if not phone or not 0 < minor <= LARGEST_MINOR:
            return self._shown("Nothing was transferred: say an amount and your phone.", request.form), 400
        with self._lock:
            self.transfer(phone, request.form.get("reference", ""), minor, self.currency)
            if self._drop:
                self._put_down(self._drop)
        self.faults.after(fault)
        return self._shown("Your transfer was made.", {}), 200

    def _shown(self, said: str, form: object) -> str:
        return render_template_string(PAGE, account=self.account, currency=self.currency, said=said, form=form)

    def _put_down(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:8]}.xml"
        unfinished = folder / f".{name}.part"
        unfinished.write_bytes(self.statement())
        unfinished.rename(folder / name)


def garbled(text: str) -> str:
    """A text in which one digit of the creditor reference was mistyped, so that its check cannot hold."""
    return _CHECK_DIGIT.sub(lambda found: f"{found[1]}{(int(found[2]) + 1) % 10}", text, count=1)


def _put(parent: ET.Element, path: str, text: str) -> None:
    """Text at a path of elements, of which those that are not there yet are made."""
    *folders, name = path.split("/")
    for folder in folders:
        inside = parent.find(folder)
        parent = ET.SubElement(parent, folder) if inside is None else inside
    ET.SubElement(parent, name).text = text
