"""The books: the trial balance and the proofs that nothing is missing, each with its figure. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Connection, text

from storage import ledger

PROOFS: Mapping[str, str] = MappingProxyType(
    {
        "journal entries that do not balance": """
            SELECT count(*) FROM (SELECT entry_id FROM posting GROUP BY entry_id HAVING sum(amount_minor) <> 0) AS odd""",
        "journal entries without postings": """
            SELECT count(*) FROM journal_entry e WHERE NOT EXISTS (SELECT FROM posting p WHERE p.entry_id = e.id)""",
        "postings in another currency than their entry": """
            SELECT count(*) FROM posting p JOIN journal_entry e ON e.id = p.entry_id JOIN account a ON a.id = p.account_id
            WHERE a.currency <> e.currency""",
        "assets less debts and income (coverage), in minor units": """
            SELECT coalesce(sum(p.amount_minor), 0) FROM posting p""",
        "order deposits left over, in minor units": """
            SELECT coalesce(sum(p.amount_minor), 0) FROM posting p JOIN account a ON a.id = p.account_id WHERE a.code = '2050'""",
        "redemption holds left over, in minor units": """
            SELECT coalesce(sum(p.amount_minor), 0) FROM posting p JOIN account a ON a.id = p.account_id WHERE a.code = '2120'""",
        "guarded balances below zero": "SELECT count(*) FROM balance WHERE amount_minor < 0",
        "guarded balances that differ from their postings": """
            SELECT count(*) FROM account a LEFT JOIN balance b ON b.account_id = a.id
            LEFT JOIN (SELECT account_id, -sum(amount_minor) AS owed FROM posting GROUP BY account_id) p ON p.account_id = a.id
            WHERE guarded(a.code) AND coalesce(b.amount_minor, 0) <> coalesce(p.owed, 0)""",
        "open gifts whose escrow is not their amount": """
            SELECT count(*) FROM gift g
            LEFT JOIN account a ON a.code = '2110' AND a.owner = g.id::text LEFT JOIN balance b ON b.account_id = a.id
            WHERE coalesce(b.amount_minor, 0) <> CASE g.state WHEN 'offered' THEN g.amount_minor ELSE 0 END""",
        "phone bills less receivable, in minor units": """
            SELECT (SELECT coalesce(sum(amount_minor), 0) FROM charge WHERE rail = 'phone_bill')
                 - (SELECT coalesce(sum(p.amount_minor), 0) FROM posting p JOIN account a ON a.id = p.account_id
                    WHERE a.code = '1120')""",
        "redemptions less what stores and commission earned, in minor units": """
            SELECT (SELECT coalesce(sum(amount_minor), 0) FROM redemption)
                 + (SELECT coalesce(sum(p.amount_minor), 0) FROM posting p JOIN account a ON a.id = p.account_id
                    WHERE a.code IN ('2200', '4020'))""",
        "used codes less redemptions": """
            SELECT (SELECT count(*) FROM redemption_code WHERE state = 'used') - (SELECT count(*) FROM redemption)""",
        "certificates less sheets bought": """
            SELECT (SELECT count(*) FROM certificate) - (SELECT coalesce(sum(sheets), 0) FROM purchase)""",
    }
)
"""Each invariant and the question whose answer is zero while it holds."""


@dataclass(frozen=True, slots=True)
class Proof:
    """One invariant: `figure` is 0 while it holds."""

    name: str
    figure: int


@dataclass(frozen=True, slots=True)
class Books:
    """The trial balance per account, and every proof."""

    totals: list[ledger.Total]
    proofs: list[Proof]

    @property
    def in_order(self) -> bool:
        """Whether every invariant holds."""
        return all(proof.figure == 0 for proof in self.proofs)


def read(db: Connection) -> Books:
    """The books as of now."""
    proofs = [Proof(name, int(db.execute(text(question)).scalar_one())) for name, question in PROOFS.items()]
    return Books(ledger.totals(db), proofs)
