"""Each party's own record of the transactions it took part in, and the ledger's record of the same, to be compared.

A party's record is made from what it did itself: the manager's from the certificates, gifts and uses it keeps, the store's from
its own uses and payouts, the phone operator's from its bill lines, a settlement institution's from the payments, refunds and
chargebacks we fetched from it, the bank's from its statements. The ledger's record is made from the journal alone. Two records
agree when every transaction is in both with the same sum.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from circulation.chart import RECEIVED
from circulation.money import Money

COLUMNS = ("transaction", "at", "kind", "amount_minor", "currency")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a record: which transaction (the id of its payment, refund, use ...), when, what, and the sum that came in
    (positive) or went out, as that party sees it."""

    transaction: str
    at: datetime
    kind: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Difference:
    """A transaction on which two records disagree. None: it is not in that record."""

    transaction: str
    currency: str
    first_minor: int | None
    second_minor: int | None


class UnknownParty(LookupError):
    """There is no such party; the message lists those there are."""


_LEDGER = text("""
    SELECT split_part(e.operation_id, ':', 1), e.created_at, e.kind, :sign * p.amount_minor, e.currency
    FROM account a JOIN posting p ON p.account_id = a.id JOIN journal_entry e ON e.id = p.entry_id
    WHERE a.code = ANY(:codes) AND a.owner = :owner ORDER BY e.id, p.id
""")
_LEDGER_OF_MANAGER = text("""
    SELECT CASE a.code WHEN '2110' THEN a.owner ELSE split_part(e.operation_id, ':', 1) END, e.created_at, e.kind,
           CASE WHEN a.code IN ('2100', '2110') THEN -p.amount_minor ELSE p.amount_minor END, e.currency
    FROM journal_entry e JOIN posting p ON p.entry_id = e.id JOIN account a ON a.id = p.account_id
    WHERE (e.kind = 'certificates issued' AND a.code = '2100') OR (e.kind LIKE 'gift %' AND a.code = '2110')
       OR (e.kind LIKE 'redemption %' AND a.code IN ('2200', '4020'))
    ORDER BY e.id, p.id
""")
_MANAGER = text("""
    SELECT p.id::text, p.issued_at, 'issue', p.amount_minor, p.currency FROM purchase p
    WHERE p.state IN ('issued', 'refunded')
      AND (p.rail = 'group' OR EXISTS (SELECT FROM charge c WHERE c.purchase_id = p.id))
    UNION ALL
    SELECT l.list_id::text, t.paid_at, 'issue', sum(d.amount_minor), t.currency FROM gift_list_line l
    JOIN gift_list t ON t.id = l.list_id JOIN denomination d ON d.id = l.denomination_id
    WHERE l.gift_id IS NOT NULL GROUP BY l.list_id, t.id
    UNION ALL
    SELECT g.id::text, g.created_at, 'gift', g.amount_minor, g.currency FROM gift g
    UNION ALL
    SELECT g.id::text, g.answered_at, 'answer', -g.amount_minor, g.currency FROM gift g WHERE g.answered_at IS NOT NULL
    UNION ALL
    SELECT u.id::text, u.ended_at, 'use', -u.captured_minor, u.currency FROM redemption u WHERE u.captured_minor > 0
    UNION ALL
    SELECT r.id::text, r.created_at, r.outcome, r.amount_minor, r.currency FROM store_return r
    ORDER BY 2, 1
""")
_OPERATOR = text("""
    SELECT c.id::text, c.created_at, 'bill line', c.amount_minor, c.currency FROM charge c WHERE c.rail = 'phone_bill'
    UNION ALL
    SELECT r.id::text, r.ended_at, 'taken off the bill', -r.amount_minor, r.currency FROM refund r
    WHERE r.rail = 'phone_bill' AND r.state = 'paid' ORDER BY 2, 1
""")
_SETTLEMENT = text("""
    SELECT y.id::text, y.created_at, 'payment', y.amount_minor, y.currency FROM payment y WHERE y.rail = :rail
    UNION ALL
    SELECT r.id::text, r.ended_at, 'refund', -r.amount_minor, r.currency FROM refund r
    WHERE r.rail = :rail AND r.state = 'paid'
    UNION ALL
    SELECT d.id::text, d.opened_at, 'chargeback', -d.amount_minor, d.currency FROM dispute d WHERE d.rail = :rail
    UNION ALL
    SELECT d.id::text, d.closed_at, 'chargeback won', d.amount_minor, d.currency FROM dispute d
    WHERE d.rail = :rail AND d.state = 'won' ORDER BY 2, 1
""")
_BANK = text("""
    SELECT coalesce(l.payment_id::text, l.refund_id::text, l.payout_id::text, l.bank_reference), l.booked_on::timestamptz,
           CASE WHEN l.amount_minor > 0 THEN 'credit' ELSE 'debit' END, l.amount_minor, l.currency
    FROM bank_line l ORDER BY l.booked_on, l.id
""")
_STORE = text("""
    SELECT u.id::text, u.ended_at, 'use', u.captured_minor - u.commission_minor, u.currency FROM redemption u
    WHERE u.store_id = :store AND u.captured_minor > 0
    UNION ALL
    SELECT r.id::text, r.created_at, r.outcome, r.commission_minor - r.amount_minor, r.currency
    FROM store_return r JOIN redemption u ON u.id = r.redemption_id WHERE u.store_id = :store
    UNION ALL
    SELECT o.id::text, o.created_at, 'payout', -o.amount_minor, o.currency FROM store_payout o WHERE o.store_id = :store
    UNION ALL
    SELECT o.id::text, o.ended_at, 'payout failed', o.amount_minor, o.currency FROM store_payout o
    WHERE o.store_id = :store AND o.state = 'failed'
    ORDER BY 2, 1
""")
_STORE_ID = text("SELECT id FROM store WHERE name = :name")
_STORES = text("SELECT name FROM store ORDER BY name")
_RAILS = text("""
    SELECT rail FROM (SELECT rail FROM charge UNION SELECT rail FROM refund) AS used
    WHERE rail NOT IN ('phone_bill', 'bank') ORDER BY rail
""")
_BILL, _BANK_ACCOUNT = "1120", "1010"


def parties(db: Connection) -> list[str]:
    """Everybody who has a record of their own: `manager`, `operator`, `bank`, each `settlement:<rail>` and `store:<name>`."""
    settlement = [f"settlement:{rail}" for (rail,) in db.execute(_RAILS)]
    return ["manager", "operator", "bank", *settlement, *(f"store:{name}" for (name,) in db.execute(_STORES))]


def own(db: Connection, party: str) -> list[Entry]:
    """The party's own record, oldest first. Raises UnknownParty."""
    kind, _, name = party.partition(":")
    match kind:
        case "manager":
            return _entries(db.execute(_MANAGER))
        case "operator":
            return _entries(db.execute(_OPERATOR))
        case "bank":
            return _entries(db.execute(_BANK))
        case "settlement" if name in _rails(db):
            return _entries(db.execute(_SETTLEMENT, {"rail": name}))
        case "store":
            return _entries(db.execute(_STORE, {"store": _store(db, name)}))
    raise _unknown(db, party)


def ledger(db: Connection, party: str) -> list[Entry]:
    """The ledger's record of what it and the party did, as the party sees it, oldest first. Raises UnknownParty."""
    kind, _, name = party.partition(":")
    match kind:
        case "manager":
            return _entries(db.execute(_LEDGER_OF_MANAGER))
        case "operator":
            return _posted(db, [_BILL], "")
        case "bank":
            return _posted(db, [_BANK_ACCOUNT], "bank")
        case "settlement" if name in _rails(db):
            return _posted(db, list(RECEIVED), name)
        case "store":
            return _posted(db, ["2200"], str(_store(db, name)), sign=-1)
    raise _unknown(db, party)


def to_csv(entries: Iterable[Entry]) -> Iterator[str]:
    """A record as lines of CSV, the first naming the columns; times in UTC."""
    yield _line(COLUMNS)
    for one in entries:
        yield _line((one.transaction, one.at.isoformat(), one.kind, one.amount.amount_minor, one.amount.currency))


def from_csv(lines: Iterable[str]) -> list[Entry]:
    """The record in lines of CSV. Raises ValueError, naming the line, when it is none of ours."""
    reader = csv.DictReader(lines)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ValueError(f"line 1: the columns are not {', '.join(COLUMNS)}")
    entries = []
    for row in reader:
        try:
            entries.append(_entry(row))
        except (TypeError, ValueError):
            raise ValueError(f"line {reader.line_num}: it cannot be read") from None
    return entries


def compare(first: Iterable[Entry], second: Iterable[Entry]) -> list[Difference]:
    """Every transaction on which the records disagree, by id."""
    sums = _sums(first), _sums(second)
    keys = sorted(sums[0].keys() | sums[1].keys())
    return [
        Difference(*key, sums[0].get(key), sums[1].get(key)) for key in keys if sums[0].get(key) != sums[1].get(key)
    ]


def _entry(row: Mapping[str | None, str]) -> Entry:
    if set(row) != set(COLUMNS):  # a cell too many has no name
        raise ValueError("another number of cells")
    amount = Money(int(row["amount_minor"]), row["currency"])
    return Entry(row["transaction"], datetime.fromisoformat(row["at"]), row["kind"], amount)


def _sums(entries: Iterable[Entry]) -> dict[tuple[str, str], int]:
    sums: Counter[tuple[str, str]] = Counter()
    for one in entries:
        sums[one.transaction, one.amount.currency] += one.amount.amount_minor
    return dict(sums)


def _posted(db: Connection, codes: list[str], owner: str, *, sign: int = 1) -> list[Entry]:
    return _entries(db.execute(_LEDGER, {"codes": codes, "owner": owner, "sign": sign}))


def _entries(rows: Iterable[Row[*tuple[Any, ...]]]) -> list[Entry]:
    return [
        Entry(transaction, at, kind, Money(int(minor), currency)) for transaction, at, kind, minor, currency in rows
    ]


def _rails(db: Connection) -> list[str]:
    return list(db.execute(_RAILS).scalars())


def _store(db: Connection, name: str) -> int:
    found = db.execute(_STORE_ID, {"name": name}).scalar()
    if found is None:
        raise _unknown(db, f"store:{name}")
    return int(found)


def _unknown(db: Connection, party: str) -> UnknownParty:
    return UnknownParty(f"there is no party {party}; there are: {', '.join(parties(db))}")


def _line(cells: Iterable[object]) -> str:
    sheet = io.StringIO()
    csv.writer(sheet, lineterminator="\n").writerow(cells)
    return sheet.getvalue()
