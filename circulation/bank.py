"""Bank statements: imported whole or not at all, each line matched by reference and amount, once however often it comes."""

from dataclasses import dataclass, replace

from sqlalchemy import Connection, text

from circulation import payouts, receipts, refunds
from circulation.money import Money
from circulation.rules import Rules
from payments import bank_reference, callbacks, charges
from payments.bank_statement import Fault, Statement, StatementLine, StatementRefused
from payments.bank_transfer import BankTransfer


@dataclass(frozen=True, slots=True)
class Imported:
    """What a statement brought: lines that paid an order, that await attention, that closed a refund or a store's payout, and
    known ones."""

    name: str
    lines: int
    matched: int
    unmatched: int
    refunds: int
    payouts: int
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
_PAYOUT = text("UPDATE bank_line SET payout_id = :payout WHERE id = :line")
_OWED = text("""
    SELECT id::text FROM refund
    WHERE rail = 'bank' AND state <> 'paid' AND reference = ANY(:references) AND amount_minor = :amount_minor
      AND currency = :currency
""")


def import_statement(db: Connection, rules: Rules, statement: Statement) -> Imported:
    """Import a statement: credits pay the orders, debits close the refunds and payouts, whose reference they carry.

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
        return Imported(statement.id, len(statement.lines), 0, 0, 0, 0, known=len(statement.lines))
    counts = {"matched": 0, "unmatched": 0, "refunds": 0, "payouts": 0, "known": 0}
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
    """Money came in: for the charge it names, else put aside. A payout that came back is for the operator to judge."""
    amount, references = Money(line.amount_minor, line.currency), bank_reference.found_in(line.text)
    named = charges.by_reference(db, "bank", references)
    if len(named) == 1:
        receipts.received(db, rules, charge_id=named[0], receipt=line.bank_reference, amount=amount)
    else:
        receipts.unknown(db, rail="bank", account="1010", receipt=line.bank_reference, amount=amount)
        for payout in payouts.named(db, references):
            facts = {"receipt": line.bank_reference, "amount_minor": amount.amount_minor, "currency": amount.currency}
            callbacks.incident(db, "payout came back", payout.reference, facts | {"store": payout.store_id})
    db.execute(_PAYMENT, {"receipt": line.bank_reference, "line": line_id})
    return "matched" if len(named) == 1 else "unmatched"


def _debit(db: Connection, rules: Rules, line_id: int, line: StatementLine) -> str:
    """Money left: a refund or payout that the operator paid, when it names one; else reconciling shows it as unmatched."""
    amount, references = Money(-line.amount_minor, line.currency), bank_reference.found_in(line.text)
    asked = {"references": references, "amount_minor": amount.amount_minor, "currency": amount.currency}
    owed = db.execute(_OWED, asked).scalars().all()
    sent = [one.id for one in payouts.named(db, references) if one.state != "paid" and one.amount == amount]
    if len(owed) + len(sent) != 1:
        return "unmatched"
    if sent:
        payouts.paid(db, payout_id=sent[0])
        db.execute(_PAYOUT, {"payout": sent[0], "line": line_id})
        return "payouts"
    refunds.paid(db, rules, refund_id=owed[0], receipt=line.bank_reference)
    db.execute(_REFUND, {"refund": owed[0], "line": line_id})
    return "refunds"
