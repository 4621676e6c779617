"""Gift lists: a company's gifts to many phones, paid by one charge. Loaded whole or not at all; followed line by line.

The money of a paid list rests in the pool (2055) until gift_list_issuing has made certificates and offers of it.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from itertools import islice

from sqlalchemy import Connection, TextClause, text

from circulation import chart, hours, members, notices
from circulation.gift_list_reading import Fault, GiftLine, GiftListRefused
from circulation.members import Member
from circulation.money import Money
from circulation.references import new_reference
from circulation.refusals import Refusal
from circulation.rules import Rules
from circulation.values import Value
from payments import charges
from payments.gateway import Reason
from storage import ledger

AT_ONCE = 5_000
"""Lines in one statement: each ends long before a statement's time is over."""


@dataclass(frozen=True, slots=True)
class GiftList:
    """A list that was loaded. `total` is what the company pays, fees included; `reference` is how people ask about it.

    `state`: ordered (waits for its money), paid (being sent), done (all sent), failed (not paid).
    """

    id: str
    reference: str
    total: Money
    lines: int
    state: str


_LOADED = text(
    "SELECT id::text, reference, worth_minor + fee_minor, currency, lines, state FROM gift_list WHERE id = :id"
)
_BY_REFERENCE = text("""
    SELECT id::text, reference, worth_minor + fee_minor, currency, lines, state FROM gift_list WHERE reference = :reference
""")
_PRICES = text("""
    SELECT i.prefix, d.amount_minor, d.id, d.fee_minor FROM denomination d JOIN issuer i ON i.id = d.issuer_id
    WHERE d.currency = :currency
""")
_LIST = text("""
    INSERT INTO gift_list (id, reference, company_id, lines, worth_minor, fee_minor, currency, rail, state)
    VALUES (:id, :reference, :company, :lines, :worth_minor, :fee_minor, :currency, :rail, 'ordered')
""")
_LINES = text("""
    INSERT INTO gift_list_line (list_id, line, msisdn, denomination_id, fee_minor, note, due_at)
    SELECT :list, l.* FROM unnest(CAST(:lines AS int[]), CAST(:msisdns AS text[]), CAST(:denominations AS int[]),
        CAST(:fees AS bigint[]), CAST(:notes AS text[]), CAST(:due AS timestamptz[])) AS l
""")
_OPEN = text("SELECT state = 'ordered' FROM gift_list WHERE id = :id FOR NO KEY UPDATE")
_PAID = text("""
    UPDATE gift_list SET state = 'paid', paid_at = clock(), due_at = clock() WHERE id = :id AND state = 'ordered'
    RETURNING company_id, reference, worth_minor + fee_minor, currency, lines
""")
_FAILED = text("""
    UPDATE gift_list SET state = 'failed' WHERE id = :id AND state = 'ordered'
    RETURNING company_id, reference, worth_minor + fee_minor, currency
""")
_STATUS = text("""
    SELECT l.line, l.msisdn, coalesce(g.state, CASE t.state WHEN 'failed' THEN 'failed' ELSE 'waiting' END),
           CASE WHEN t.state = 'failed' THEN 'the list was not paid'
                WHEN g.state = 'offered' AND g.unreached <> '' THEN 'not told: ' || replace(g.unreached, '_', ' ') ELSE '' END,
           coalesce(c.serial, '')
    FROM gift_list_line l JOIN gift_list t ON t.id = l.list_id LEFT JOIN gift g ON g.id = l.gift_id
    LEFT JOIN gift_sheet s ON s.gift_id = g.id AND s.place = 1 LEFT JOIN certificate c ON c.id = s.certificate_id
    WHERE l.list_id = :list AND l.line > :after ORDER BY l.line LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class _Price:
    id: int
    fee_minor: int


def check(db: Connection, rules: Rules, lines: Sequence[GiftLine], company: Member | None) -> None:
    """Whether catalogue, calendar and company allow every line. Raises GiftListRefused with every line they do not."""
    _priced(db, rules, lines, company)


def load(
    db: Connection,
    rules: Rules,
    *,
    list_id: str,
    company: Member,
    lines: Sequence[GiftLine],
    rail: str = "bank",
) -> GiftList:
    """Keep the list and order its price from the company over `rail`, at today's fees; the same `list_id` loads once.

    Nothing is sent before it is paid. Raises GiftListRefused as `check` does, or Refusal `no_way_to_pay`.
    """
    members.lock(db, company.id)
    if loaded := get(db, list_id):
        return loaded
    priced = _priced(db, rules, lines, company)
    currency = lines[0].amount.currency
    worth = Money(sum(line.amount.amount_minor for line in lines), currency)
    fee = Money(sum(price.fee_minor for price, _ in priced), currency)
    total, gateway, reference = worth + fee, rules.rails.get(rail), new_reference()
    if gateway is None or not gateway.fits(company.msisdn.e164, total.amount_minor, currency):
        raise Refusal("no_way_to_pay", amount=total)
    kept = {"worth_minor": worth.amount_minor, "fee_minor": fee.amount_minor, "currency": currency, "rail": rail}
    db.execute(_LIST, {"id": list_id, "reference": reference, "company": company.id, "lines": len(lines), **kept})
    waiting = zip(lines, priced, strict=True)
    while some := list(islice(waiting, AT_ONCE)):
        columns = {
            "lines": [line.line for line, _ in some],
            "msisdns": [line.phone.e164 for line, _ in some],
            "denominations": [price.id for _, (price, _) in some],
            "fees": [price.fee_minor for _, (price, _) in some],
            "notes": [line.note for line, _ in some],
            "due": [due for _, (_, due) in some],
        }
        db.execute(_LINES, {"list": list_id, **columns})
    charge = {"id": list_id, "rail": rail, "payer": company.id, "list": list_id, "reference": reference}
    money = {"amount_minor": total.amount_minor, "currency": currency}
    charges.mint(db, {**charge, **money}, ask_after=gateway.ask_after_seconds, wait=gateway.wait_seconds)
    return GiftList(list_id, reference, total, len(lines), "ordered")


def get(db: Connection, list_id: str) -> GiftList | None:
    """The list with this id."""
    return _found(db, _LOADED, id=list_id)


def find(db: Connection, reference: str) -> GiftList | None:
    """The list with this reference."""
    return _found(db, _BY_REFERENCE, reference=reference)


def status_csv(db: Connection, list_id: str) -> Iterator[str]:
    """Every line of the list as CSV, after a heading: its line, phone, state, reason and serial.

    States: waiting (for the money, or the day), offered, accepted, declined, lapsed, recalled, failed. The reason says why
    it failed, or why who it was offered to could not be told of it.
    """
    yield _csv(("line", "phone", "state", "reason", "serial"))
    after = 0
    while rows := db.execute(_STATUS, {"list": list_id, "after": after, "limit": AT_ONCE}).all():
        yield from (_csv(row) for row in rows)
        after = rows[-1].line


# As an order of a charge ----------------------------------------------------------------------------------------------
def is_open(db: Connection, rules: Rules, list_id: str) -> bool:  # noqa: ARG001 - as every order is asked
    """Whether money for this list still counts. Given up is given up: prices and days may no longer be those."""
    return bool(db.execute(_OPEN, {"id": list_id}).scalar_one())


def fulfil(db: Connection, rules: Rules, list_id: str) -> None:
    """The money is there: into the pool with it, from which the chores issue batch after batch; the company is told."""
    company_id, reference, total_minor, currency, lines = db.execute(_PAID, {"id": list_id}).one()
    total = Money(total_minor, currency)
    ledger.post(db, f"{list_id}:pooled", chart.part_pooled(list_id, total))
    told: dict[str, Value] = {"reference": reference, "total": total, "lines": lines}
    notices.send(db, members.get(db, company_id), rules.routes, notices.LIST_PAID, **told)


def give_up(db: Connection, rules: Rules, list_id: str, reason: Reason) -> None:  # noqa: ARG001 - one sentence says all
    """The money did not come: nothing is sent, and the company is told."""
    row = db.execute(_FAILED, {"id": list_id}).first()
    if row is not None:
        company_id, reference, total_minor, currency = row
        told: dict[str, Value] = {"reference": reference, "total": Money(total_minor, currency)}
        notices.send(db, members.get(db, company_id), rules.routes, notices.LIST_NOT_PAID, **told)


def _priced(
    db: Connection, rules: Rules, lines: Sequence[GiftLine], company: Member | None
) -> list[tuple[_Price, datetime]]:
    """The price of every line, and the moment from which it may be sent. Raises GiftListRefused."""
    now, faults, priced = hours.now(db), list[Fault](), list[tuple[_Price, datetime]]()
    prices = _prices(db, lines[0].amount.currency)
    for line in lines:
        price = prices.get((line.issuer, line.amount.amount_minor))
        if price is None:
            faults.append(Fault(line.line, "no certificate of that issuer is sold for that amount"))
        elif company is not None and line.phone == company.msisdn:
            faults.append(Fault(line.line, "the phone is the company's own"))
        else:
            try:
                priced.append((price, _due(line, now, rules)))
            except hours.NoSuchDay:
                faults.append(Fault(line.line, f"date: from today to {hours.LONGEST_DAYS} days ahead"))
    if faults:
        raise GiftListRefused(faults)
    return priced


def _prices(db: Connection, currency: str) -> Mapping[tuple[str, int], _Price]:
    rows = db.execute(_PRICES, {"currency": currency})
    return {(prefix, amount_minor): _Price(id_, fee_minor) for prefix, amount_minor, id_, fee_minor in rows}


def _due(line: GiftLine, now: datetime, rules: Rules) -> datetime:
    if line.day is None:
        return now
    day, zone = line.day, hours.zone_of(line.phone, rules.zone)
    return hours.arrival(now, zone, day=day.day, month=day.month, year=day.year)


def _found(db: Connection, statement: TextClause, **key: str) -> GiftList | None:
    row = db.execute(statement, key).first()
    if row is None:
        return None
    id_, reference, total_minor, currency, lines, state = row
    return GiftList(id_, reference, Money(total_minor, currency), lines, state)


def _csv(cells: Sequence[object]) -> str:
    written = StringIO()
    csv.writer(written, lineterminator="\n").writerow(cells)
    return written.getvalue()
