"""The ledger: journal entries posted by a single database call, and what can be read back of them.

Debits are positive, credits negative, in minor units of one currency per entry. Entries are never edited or deleted;
the database's function `post_entry` keeps the guarded balances (accounts 2100, 2110, 2120) and refuses to let one fall
below zero.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError


@dataclass(frozen=True, slots=True)
class Line:
    """One posting: an account of the chart (`code`), whose it is (`owner`, empty for our own), minor units."""

    code: str
    owner: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal entry: what happened (`kind`), in which currency, and its balanced lines."""

    kind: str
    currency: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """One row of the trial balance: the sum of an account code's postings."""

    code: str
    currency: str
    debit_minor: int
    credit_minor: int


class BalanceTooLow(Exception):
    """A guarded balance would have fallen below zero. The transaction must be rolled back."""


_POST = text("SELECT post_entry(:operation, :kind, :currency, :codes, :owners, :amounts)")
_BALANCE = text("""
    SELECT b.amount_minor FROM account a JOIN balance b ON b.account_id = a.id
    WHERE a.code = :code AND a.owner = :owner AND a.currency = :currency
""")
_TOTALS = text("""
    SELECT a.code, a.currency,
           coalesce(sum(p.amount_minor) FILTER (WHERE p.amount_minor > 0), 0)::bigint,
           coalesce(-sum(p.amount_minor) FILTER (WHERE p.amount_minor < 0), 0)::bigint
    FROM posting p JOIN account a ON a.id = p.account_id GROUP BY 1, 2 ORDER BY 2, 1
""")


def post(db: Connection, operation: str, entry: Entry) -> bool:
    """Post `entry` under the operation id. False when that id was posted before: then nothing was done.

    Raises BalanceTooLow when a guarded balance would fall below zero.
    """
    lines = [line for line in entry.lines if line.amount_minor]
    try:
        return bool(
            db.execute(
                _POST,
                {
                    "operation": operation,
                    "kind": entry.kind,
                    "currency": entry.currency,
                    "codes": [line.code for line in lines],
                    "owners": [line.owner for line in lines],
                    "amounts": [line.amount_minor for line in lines],
                },
            ).scalar_one()
        )
    except IntegrityError as error:
        if getattr(getattr(error.orig, "diag", None), "constraint_name", None) == "balance_not_negative":
            raise BalanceTooLow(entry.kind) from error
        raise


def balance(db: Connection, code: str, owner: str, currency: str) -> int:
    """What is owed on a guarded account, in minor units; 0 for one that was never used."""
    return int(db.execute(_BALANCE, {"code": code, "owner": owner, "currency": currency}).scalar() or 0)


def totals(db: Connection) -> list[Total]:
    """The trial balance: every account code with its debits and credits, per currency."""
    return [Total(*row) for row in db.execute(_TOTALS)]
