"""Bank statements: imported whole or not at all, each line matched by reference and amount, once however often it comes."""

from dataclasses import dataclass, replace

from sqlalchemy import Connection, text

from circulation import receipts, refunds
from circulation.money import Money
from circulation.rules import Rules
from payments import bank_reference, charges
from payments.bank_statement import Fault, Statement, StatementLine, StatementRefused
from payments.bank_transfer import BankTransfer


@dataclass(frozen=True, slots=True)
class Imported:
    """What a statement brought: lines that paid an order, that await attention, that closed a refund, and known ones."""

    name: str
    lines: int
    matched: int
    unmatched: int
    refunds: int
    known: int


_STATEMENT = text("""
    INSERT INTO bank_statement (account, name, currency, opening_minor, closing_minor)
    VALUES (:account, :name, :currency, :opening, :closing) ON CONFLICT (account, name) DO NOTHING RETURNING id
""")
_LINE = text("""
    INSERT INTO bank_line (statement_id, number, account, bank_reference, booked_on, amount_minor, currency, remittance,
                           counterparty, counterparty_account)
    VALUES (:statement, :number, :account, :reference, :booked_on, :amount_minor, :currency, :remittance, :counterparty,
            :counterparty_account)
    ON CONFLICT (account, bank_reference) DO NOTHING RETURNING id
""")
_PAYMENT = text("""
    UPDATE bank_line SET payment_id = (SELECT id FROM payment WHERE rail = 'bank' AND receipt = :receipt) WHERE id = :line
""")
_REFUND = text("UPDATE bank_line SET refund_id = :refund WHERE id = :line")
_OWED = text("""
    SELECT id::text FROM refund
    WHERE rail = 'bank' AND state <> 'paid' AND reference = ANY(:references) AND amount_minor = :amount_minor
      AND currency = :currency
""")


def import_statement(db: Connection, rules: Rules, statement: Statement) -> Imported:
    """Import a statement: credits pay the orders whose reference they carry, debits close the refunds whose reference they carry.

    A statement, and a line of it, that was imported before is not counted again. Raises StatementRefused when the statement is of
    another account than ours.
    """
    bank = rules.rails.get("bank")
    ours = bank.statement_account if isinstance(bank, BankTransfer) else ""
    if ours and statement.account not in ("", ours):
        raise StatementRefused([Fault(1, f"the statement is of account {statement.account}, ours is another")])
    statement = replace(statement, account=statement.account or ours)  # a CSV does not say whose it is
    key = {"account": statement.account, "name": statement.id, "currency": statement.currency}
    balances = {"opening": statement.opening_minor, "closing": statement.closing_minor}
    statement_id = db.execute(_STATEMENT, {**key, **balances}).scalar()
    if statement_id is None:
        return Imported(statement.id, len(statement.lines), 0, 0, 0, known=len(statement.lines))
    counts = {"matched": 0, "unmatched": 0, "refunds": 0, "known": 0}
    for line in statement.lines:
        counts[_take(db, rules, statement, int(statement_id), line)] += 1
    return Imported(statement.id, len(statement.lines), **counts)


def _take(db: Connection, rules: Rules, statement: Statement, statement_id: int, line: StatementLine) -> str:
    kept = {
        "statement": statement_id,
        "number": line.number,
        "account": statement.account,
        "reference": line.bank_reference,
        "booked_on": line.booked_on,
        "amount_minor": line.amount_minor,
        "currency": line.currency,
        "remittance": line.text,
        "counterparty": line.counterparty,
        "counterparty_account": line.counterparty_account,
    }
    line_id = db.execute(_LINE, kept).scalar()
    if line_id is None:
        return "known"
    if line.amount_minor > 0:
        return _credit(db, rules, int(line_id), line)
    return _debit(db, rules, int(line_id), line)


def _credit(db: Connection, rules: Rules, line_id: int, line: StatementLine) -> str:
    """Money came in: for the charge it names, else put aside."""
    amount = Money(line.amount_minor, line.currency)
    named = charges.by_reference(db, "bank", bank_reference.found_in(line.text))
    if len(named) == 1:
        receipts.received(db, rules, charge_id=named[0], receipt=line.bank_reference, amount=amount)
    else:
        receipts.unknown(db, rail="bank", account="1010", receipt=line.bank_reference, amount=amount)
    db.execute(_PAYMENT, {"receipt": line.bank_reference, "line": line_id})
    return "matched" if len(named) == 1 else "unmatched"


def _debit(db: Connection, rules: Rules, line_id: int, line: StatementLine) -> str:
    """Money left: a refund that the operator paid, when it names one; else the reconciliation shows it as unmatched."""
    owed = {"amount_minor": -line.amount_minor, "currency": line.currency}
    found = db.execute(_OWED, {"references": bank_reference.found_in(line.text), **owed}).scalars().all()
    if len(found) != 1:
        return "unmatched"
    refunds.paid(db, rules, refund_id=found[0], receipt=line.bank_reference)
    db.execute(_REFUND, {"refund": found[0], "line": line_id})
    return "refunds"
