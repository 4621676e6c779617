"""What a store gives back of what it captured: all of it at once (reversed), or parts of it later (refunded).

The store has its share of the commission back. The share is rounded over everything given back so far, halves up, so that
the parts of a whole refund come to the whole commission. Where the value goes is said in `coming_back`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from circulation import chart, coming_back, members, notices, redemption, uses
from circulation.catalogue import Clerk
from circulation.money import Money
from circulation.refusals import Refusal
from circulation.rules import Rules
from circulation.values import Value
from storage import ledger


@dataclass(frozen=True, slots=True)
class Reversal:
    """A use that no longer stands. `amount` is what its holder has back by it; None: nothing of it had been taken, or it
    had been undone before."""

    reference: str
    amount: Money | None


@dataclass(frozen=True, slots=True)
class StoreRefund:
    """What the store gave back of the use with this reference: `again` when it was only asked for twice."""

    reference: str
    amount: Money
    again: bool


_TOMBSTONE = text("""
    INSERT INTO redemption_tombstone (use_id, store_id, clerk_id) VALUES (:id, :store, :clerk) ON CONFLICT DO NOTHING
""")
_REVERSE = text("""
    UPDATE redemption SET state = 'reversed', returned_minor = captured_minor, commission_returned_minor = commission_minor
    WHERE id = :id AND state = 'captured' AND returned_minor = 0 RETURNING true
""")
_REFUND = text("""
    UPDATE redemption SET returned_minor = returned_minor + :amount_minor,
        commission_returned_minor = commission_returned_minor + :commission_minor
    WHERE id = :id AND state = 'captured' AND returned_minor = :before_minor
      AND returned_minor + :amount_minor <= captured_minor RETURNING true
""")
_RETURN_PARTS = text("""
    UPDATE redemption_part p SET returned_minor = p.returned_minor + r.amount_minor
    FROM unnest(CAST(:certificates AS bigint[]), CAST(:amounts AS bigint[])) AS r(certificate_id, amount_minor)
    WHERE p.redemption_id = :id AND p.certificate_id = r.certificate_id
""")
_FILE = text("""
    INSERT INTO store_return (id, redemption_id, outcome, clerk_id, amount_minor, commission_minor, currency)
    VALUES (:id, :redemption, :outcome, :clerk, :amount_minor, :commission_minor, :currency)
""")
_FILED = text("SELECT redemption_id::text, amount_minor, currency FROM store_return WHERE id = :id")


def reverse(db: Connection, rules: Rules, *, use_id: str, clerk: Clerk) -> Reversal:
    """Whatever became of this use, it stands no more: a hold is let go, a whole capture is undone; the holder is told.

    A use that this store never made leaves a tombstone, so that it is refused should it still arrive. That is also the
    answer to another store's use. Reversing twice does it once. Raises Refusal `partly_returned`.
    """
    uses.alone(db, use_id)
    try:
        use = uses.find(db, clerk, use_id)
    except Refusal:
        db.execute(_TOMBSTONE, {"id": use_id, "store": clerk.store_id, "clerk": clerk.id})
        return Reversal("", None)
    members.lock(db, use.holder_id)
    if redemption.let_go(db, rules, use, "voided"):
        return Reversal(use.reference, use.amount)
    use = uses.find(db, clerk, use_id)
    if not db.execute(_REVERSE, {"id": use.id}).scalar():
        if use.state == "captured":
            raise Refusal("partly_returned")
        return Reversal(use.reference, None)
    parts = {part.certificate: part.captured for part in uses.parts(db, use.id) if part.captured.amount_minor}
    _give_back(db, rules, "reversed", use.id, use, clerk, parts, use.commission)
    return Reversal(use.reference, use.captured)


def refund(db: Connection, rules: Rules, *, refund_id: str, clerk: Clerk, reference: str, amount: Money) -> StoreRefund:
    """The store gives `amount` of a captured use back, last spent first returned; the holder is told.

    `reference` is the use's, as on its receipts. The same `refund_id` gives back once. Raises Refusal `use_unknown` (also
    for another store's), `nothing_to_return` or `over_captured`.
    """
    use = uses.by_reference(db, clerk, reference)
    members.lock(db, use.holder_id)
    use = uses.by_reference(db, clerk, reference)
    if filed := db.execute(_FILED, {"id": refund_id}).first():
        if filed.redemption_id != use.id:
            raise Refusal("use_unknown")
        return StoreRefund(use.reference, Money(filed.amount_minor, filed.currency), again=True)
    left = Money(use.captured.amount_minor - use.returned.amount_minor, use.captured.currency)
    if use.state != "captured" or not left.amount_minor:
        raise Refusal("nothing_to_return")
    if amount.currency != left.currency or not 0 < amount.amount_minor <= left.amount_minor:
        raise Refusal("over_captured", left=left)
    commission = _commission_share(use, amount)
    returned = {
        "id": use.id,
        "amount_minor": amount.amount_minor,
        "commission_minor": commission.amount_minor,
        "before_minor": use.returned.amount_minor,
    }
    db.execute(_REFUND, returned).scalar_one()
    _give_back(db, rules, "refunded", refund_id, use, clerk, _last(uses.parts(db, use.id), amount), commission)
    return StoreRefund(use.reference, amount, again=False)


def _give_back(
    db: Connection,
    rules: Rules,
    outcome: str,
    return_id: str,
    use: uses.Stored,
    clerk: Clerk,
    parts: Mapping[int, Money],
    commission: Money,
) -> None:
    amount = sum(parts.values(), start=Money(0, commission.currency))
    columns = {"certificates": list(parts), "amounts": [part.amount_minor for part in parts.values()]}
    db.execute(_RETURN_PARTS, {"id": use.id, **columns})
    filed = {
        "id": return_id,
        "redemption": use.id,
        "outcome": outcome,
        "clerk": clerk.id,
        "amount_minor": amount.amount_minor,
        "commission_minor": commission.amount_minor,
        "currency": amount.currency,
    }
    db.execute(_FILE, filed)
    back = coming_back.homes(db, rules, use.holder_id, parts)
    ledger.post(db, f"{return_id}:{outcome}", chart.store_refunded(outcome, use.store_id, back, commission))
    told: dict[str, Value] = {"store": use.store, "amount": amount, "reference": use.reference}
    sentence = notices.USE_REVERSED if outcome == "reversed" else notices.STORE_REFUNDED
    notices.send(db, members.get(db, use.holder_id), rules.routes, sentence, **told)


def _commission_share(use: uses.Stored, amount: Money) -> Money:
    """What of the commission goes back with `amount`: the share of all that is back by then, less what went back before."""
    captured = use.captured.amount_minor
    back = use.returned.amount_minor + amount.amount_minor
    share = (2 * use.commission.amount_minor * back + captured) // (2 * captured)
    return Money(share - use.commission_returned.amount_minor, amount.currency)


def _last(parts: list[uses.Part], amount: Money) -> dict[int, Money]:
    """The last `amount` of what these parts paid and did not have back, the last used first."""
    back: dict[int, Money] = {}
    rest = amount.amount_minor
    for part in reversed(parts):
        if share := min(rest, part.captured.amount_minor - part.returned.amount_minor):
            back[part.certificate] = Money(share, amount.currency)
        rest -= share
    return back
