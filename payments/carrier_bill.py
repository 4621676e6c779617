"""The phone bill, run by the operator itself (internal settlement): a charge is a line on the payer's next bill.

Nothing outside is asked: the operator is the deployer, and the line is written in the purchase's own transaction. The
limit keeps one phone, lost or lent, from running up a bill.
"""

from sqlalchemy import Connection, text

DAYS = 30
"""The limit is over the last 30 days: about one bill."""

_SPENT = text("""
    SELECT coalesce(sum(c.amount_minor - coalesce(r.back, 0)), 0)::bigint FROM charge c
    LEFT JOIN LATERAL (SELECT sum(amount_minor) AS back FROM refund WHERE charge_id = c.id) r ON true
    WHERE c.payer_id = :payer AND c.currency = :currency AND c.rail = :rail
      AND c.created_at > clock() - make_interval(days => :days)
""")
_CHARGE = text("""
    INSERT INTO charge (id, rail, payer_id, purchase_id, group_part_id, reference, amount_minor, currency, state, ended_at)
    SELECT :id, :rail, :payer, (SELECT id FROM purchase WHERE id = :id), (SELECT id FROM group_part WHERE id = :id),
           :reference, :amount_minor, :currency, 'paid', clock() WHERE :amount_minor <= :left
    ON CONFLICT (id) DO NOTHING RETURNING true
""")
_CHARGED = text("SELECT EXISTS (SELECT FROM charge WHERE id = :id)")


class CarrierBill:
    """Bill lines up to `limit_minor` for one payer in 30 days."""

    rail = "phone_bill"

    def __init__(self, limit_minor: int) -> None:
        self._limit_minor = limit_minor

    def left(self, db: Connection, payer_id: int, currency: str) -> int:
        """Minor units that still fit on the payer's bill."""
        spent = db.execute(
            _SPENT, {"payer": payer_id, "currency": currency, "rail": self.rail, "days": DAYS}
        ).scalar_one()
        return max(0, self._limit_minor - int(spent))

    def charge(
        self, db: Connection, charge_id: str, reference: str, payer_id: int, amount_minor: int, currency: str
    ) -> bool:
        """Write the bill line for the purchase, or the part of a group gift, of this id, once.

        False when it is over the limit; then nothing was charged. The caller holds the payer's row, so that two cannot pass.
        """
        values = {
            "id": charge_id,
            "rail": self.rail,
            "reference": reference,
            "payer": payer_id,
            "amount_minor": amount_minor,
            "currency": currency,
        }
        written = db.execute(_CHARGE, {**values, "left": self.left(db, payer_id, currency)}).scalar()
        return bool(written) or bool(db.execute(_CHARGED, {"id": charge_id}).scalar_one())
