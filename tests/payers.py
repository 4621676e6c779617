"""Payers who do what their rail asks of them, so that an order over any rail ends as paid."""

from uuid import uuid4

from circulation import bank, refunds
from circulation.members import Member
from payments import bank_statement
from payments.bank_reference import creditor_reference
from tests.paying import Paying


def paid(till: Paying, buyer: Member, rail: str, *, sheets: int = 1) -> str:
    """An order that was paid over `rail`, and fulfilled; its id, which is its charge's too."""
    charge_id = till.order(buyer, rail, sheets=sheets)
    till.rounds(2)
    match rail:
        case "mpesa":
            till.rails.mpesa.answer(till.rails.mpesa.prompts(buyer.msisdn.e164)[0].id, "pay")
        case "momo":
            till.rails.momo.answer(till.rails.momo.prompts(buyer.msisdn.e164)[0].id, "pay")
        case "card":
            till.rails.card.answer(till.handle(charge_id), "pay")
        case "bank":
            transferred(till, buyer, till.reference(charge_id), 51_000 * sheets)
        case _ if till.state(charge_id) == "needs_code":
            till.type_code(buyer, charge_id, till.rails.carrier.codes(buyer.msisdn.e164)[-1])
    till.rounds(2)
    return charge_id


def transferred(till: Paying, payer: Member, reference: str, amount_minor: int) -> None:
    """A bank transfer for an order's reference, which a statement then shows."""
    till.rails.bank.transfer(payer.msisdn.e164, creditor_reference(reference), amount_minor, "KES")
    take_statement(till, till.rails.bank.statement())


def take_statement(till: Paying, data: bytes) -> None:
    """Import a statement of the bank's (camt.053)."""
    with till.database.begin() as db:
        bank.import_statement(db, till.rules, bank_statement.read("day.xml", data))


def given_back(till: Paying, buyer: Member) -> str:
    """The buyer gives the newest purchase back, and the worker asks the rail once; the refund's id."""
    refund_id = str(uuid4())
    with till.database.begin() as db:
        offer = refunds.returnable(db, till.rules, buyer)[0]
        purchase, amount = offer.purchase_id, offer.amount
        refunds.give_back(
            db, till.rules, refund_id=refund_id, buyer=buyer, purchase_id=purchase, expected=amount, receipt=False
        )
    till.rounds()
    return refund_id
