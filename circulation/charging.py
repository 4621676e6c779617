"""What a charge becomes between its order and its end, and what the payer is told meanwhile: never more than is known."""

from dataclasses import dataclass, replace

from sqlalchemy import Connection, text

from circulation import disputes, members, notices, receipts
from circulation.members import Member
from circulation.money import Money
from circulation.refusals import Refusal
from circulation.rules import Rules
from circulation.values import Value
from payments import charges
from payments.bank_reference import creditor_reference, shown
from payments.bank_transfer import BankTransfer
from payments.gateway import Charge, Found


@dataclass(frozen=True, slots=True)
class Awaited:
    """A payment that waits for the code which the payer's network sent them."""

    charge_id: str
    amount: Money
    age_seconds: float


_ABOUT = text("""
    SELECT c.payer_id, coalesce(i.name, c.reference), c.link FROM charge c
    LEFT JOIN purchase p ON p.id = c.purchase_id
    LEFT JOIN group_part t ON t.id = c.group_part_id LEFT JOIN group_gift g ON g.id = t.group_id
    LEFT JOIN denomination d ON d.id = coalesce(p.denomination_id, g.denomination_id)
    LEFT JOIN issuer i ON i.id = d.issuer_id WHERE c.id = :id
""")


def awaited(db: Connection, payer: Member) -> list[Awaited]:
    """The payments that wait for a code from this payer, newest first."""
    rows = charges.asks_code(db, payer.id)
    return [Awaited(id_, Money(amount_minor, currency), age) for id_, amount_minor, currency, age in rows]


def code_typed(db: Connection, charge_id: str, payer: Member, sealed: bytes) -> None:
    """Keep the code (sealed) for the worker to pass on. Raises Refusal `code_not_awaited`."""
    if not charges.typed(db, charge_id, payer.id, sealed):
        raise Refusal("code_not_awaited")


def named(charge: Charge, found: Found) -> Charge:
    """The charge with the names that the provider just gave it."""
    return replace(charge, handle=found.handle or charge.handle, receipt=found.receipt or charge.receipt)


def waits(db: Connection, rules: Rules, claimed: charges.Claimed, found: Found, *, look_after: float) -> None:
    """The payer has still to act, or the rail has: what they need for it is told once, as soon as it is known."""
    charge = claimed.charge
    payer_id, issuer, link = db.execute(_ABOUT, {"id": charge.id}).one()
    state: charges.State = "needs_code" if found.state == "needs_code" else "pending"
    charges.mark(db, charge.id, state, look_after=look_after, handle=found.handle, link=found.link)
    told: dict[str, Value] = {"total": Money(charge.amount_minor, charge.currency), "reference": charge.reference}
    payer = members.get(db, payer_id)
    gateway = rules.rails.get(claimed.rail)
    if found.link and not link:
        page = f"{rules.public_base_url}/pay/{charge.reference}"
        notices.send(db, payer, rules.routes, notices.PAY_BY_CARD, issuer=issuer, link=page, **told)
    elif isinstance(gateway, BankTransfer) and claimed.state == "new":
        reference = shown(creditor_reference(charge.reference))
        account = gateway.account_shown
        notices.send(db, payer, rules.routes, notices.PAY_BY_BANK, account=account, bank_reference=reference, **told)
    elif state == "needs_code" and claimed.state != "needs_code":
        notices.send(db, payer, rules.routes, notices.CODE_NEEDED, service_code=rules.service_code, **told)
    elif state == "needs_code" and claimed.code is not None:
        notices.send(db, payer, rules.routes, notices.CODE_WRONG, **told)


def unknown(db: Connection, rules: Rules, claimed: charges.Claimed, *, look_after: float) -> None:
    """Nobody knows whether the payer was asked: they are told, once, that we are checking."""
    charges.mark(db, claimed.charge.id, "unknown", look_after=look_after)
    if claimed.state != "unknown":
        payer_id, _, _ = db.execute(_ABOUT, {"id": claimed.charge.id}).one()
        total = Money(claimed.charge.amount_minor, claimed.charge.currency)
        payer = members.get(db, payer_id)
        notices.send(db, payer, rules.routes, notices.CHECKING, total=total, reference=claimed.charge.reference)


def later(db: Connection, claimed: charges.Claimed, *, look_after: float) -> None:
    """Nothing new is known."""
    state: charges.State = "new" if claimed.state == "new" else claimed.state
    charges.keep(db, claimed.charge.id, state, look_after=look_after)


def settled(db: Connection, charge_id: str, ended_seconds: float | None) -> None:
    """An ended charge was looked at and is as it was: the looks afterwards grow rarer, and then end."""
    past = ended_seconds or 0.0
    following = next((at - past for at in receipts.LOOKS_AFTERWARDS if at > past + 1), None)
    state = charges.hold(db, charge_id)
    assert state is not None, "a charge that was claimed is there"
    charges.keep(db, charge_id, state, look_after=following)


def paid_and_now(db: Connection, rules: Rules, charge_id: str, found: Found, ended_seconds: float | None) -> None:
    """A paid charge was looked at once more. A provider that says otherwise now has taken the payment back: a chargeback,
    decided against us."""
    if found.state == "failed":
        disputes.reversed_by_rail(db, rules, charge_id=charge_id)
        charges.keep(db, charge_id, "paid", look_after=None)
    else:
        settled(db, charge_id, ended_seconds)
