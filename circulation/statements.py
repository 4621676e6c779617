"""Statements of account: what an account was, every posting on it, and what it is. Debits are positive."""

from dataclasses import dataclass
from datetime import date, datetime
from itertools import accumulate

from sqlalchemy import Connection, text

from circulation.chart import ACCOUNTS


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One posting, in minor units, with the balance after it."""

    at: datetime
    kind: str
    operation: str
    amount_minor: int
    balance_minor: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One account in one currency between two days; `name` is whose it is, as people call them."""

    code: str
    name: str
    currency: str
    opening_minor: int
    lines: list[StatementLine]

    @property
    def closing_minor(self) -> int:
        """What the account is after the last line."""
        return self.lines[-1].balance_minor if self.lines else self.opening_minor


_FOUND = text("""
    SELECT a.id, a.currency FROM account a
    WHERE a.code = :code AND (CAST(:owner AS text) IS NULL OR a.owner = :owner) ORDER BY a.currency, a.id
""")
_OPENING = text("""
    SELECT coalesce(sum(p.amount_minor), 0)::bigint FROM posting p JOIN journal_entry e ON e.id = p.entry_id
    WHERE p.account_id = ANY(:accounts) AND e.created_at < CAST(:since AS timestamptz)
""")
_LINES = text("""
    SELECT e.created_at, e.kind, e.operation_id, p.amount_minor FROM posting p JOIN journal_entry e ON e.id = p.entry_id
    WHERE p.account_id = ANY(:accounts)
      AND (CAST(:since AS timestamptz) IS NULL OR e.created_at >= :since)
      AND (CAST(:until AS timestamptz) IS NULL OR e.created_at < :until) ORDER BY e.id, p.id
""")
_CERTIFICATE = text("SELECT id::text FROM certificate WHERE serial = :name")
_REFUND = text("SELECT id::text FROM refund WHERE reference = :name")
_DISPUTE = text("SELECT id::text FROM dispute WHERE name = :name")
_OWNERS = {
    "1120": text("SELECT CASE :name WHEN 'phone_bill' THEN '' ELSE :name END"),
    "1140": _DISPUTE,
    "2055": text("""
        SELECT id::text FROM group_gift WHERE reference = :name UNION SELECT id::text FROM gift_list WHERE reference = :name
    """),
    "2060": text("SELECT id::text FROM payment WHERE receipt = :name"),
    "2100": _CERTIFICATE,
    "2110": text("SELECT id::text FROM gift WHERE reference = :name"),
    "2120": text("""
        SELECT id::text FROM redemption WHERE reference = :name UNION SELECT id::text FROM dispute WHERE name = :name
    """),
    "2130": _CERTIFICATE,
    "2200": text("SELECT id::text FROM store WHERE name = :name"),
    "2210": text("SELECT id::text FROM store_payout WHERE reference = :name"),
    "2300": _REFUND,
    "2310": _REFUND,
}
"""How whoever owns an account is found by the name people use."""


def read(db: Connection, account: str, *, since: date | None, until: date | None) -> list[Statement]:
    """The statements of an account (`code` or `code:owner`), one for each currency. Raises LookupError: what is unknown."""
    code, _, name = account.partition(":")
    if code not in ACCOUNTS:
        raise LookupError(f"there is no account {code}; there are: {', '.join(ACCOUNTS)}")
    by_currency: dict[str, list[int]] = {}
    for id_, currency in db.execute(_FOUND, {"code": code, "owner": _owner(db, code, name) if name else None}):
        by_currency.setdefault(currency, []).append(int(id_))
    if not by_currency:
        raise LookupError(f"nothing was ever posted on {account}")
    return [_statement(db, code, name, currency, ids, since, until) for currency, ids in by_currency.items()]


def _owner(db: Connection, code: str, name: str) -> str:
    """The owner as the ledger has it: by the name people use, else as it was given."""
    known = db.execute(_OWNERS[code], {"name": name}).scalar() if code in _OWNERS else None
    return name if known is None else str(known)


def _statement(
    db: Connection, code: str, name: str, currency: str, accounts: list[int], since: date | None, until: date | None
) -> Statement:
    days = {"accounts": accounts, "since": since}
    opening = int(db.execute(_OPENING, days).scalar_one()) if since else 0
    rows = db.execute(_LINES, {**days, "until": until}).all()
    balances = list(accumulate((int(row.amount_minor) for row in rows), initial=opening))[1:]
    lines = [
        StatementLine(row.created_at, row.kind, row.operation_id, int(row.amount_minor), balance)
        for row, balance in zip(rows, balances, strict=True)
    ]
    return Statement(code, name, currency, opening, lines)
