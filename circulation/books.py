"""The books: the trial balance and the proofs that nothing is missing, each with its figure. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Connection, text

from circulation import notices
from storage import ledger

PROOFS: Mapping[str, str] = MappingProxyType(
    {
        "journal entries that do not balance": """
            SELECT count(*) FROM (SELECT entry_id FROM posting GROUP BY entry_id HAVING sum(amount_minor) <> 0) AS odd""",
        "operation ids that were posted twice": """
            SELECT count(*) - count(DISTINCT operation_id) FROM journal_entry""",
        "journal entries without postings": """
            SELECT count(*) FROM journal_entry e WHERE NOT EXISTS (SELECT FROM posting p WHERE p.entry_id = e.id)""",
        "postings in another currency than their entry": """
            SELECT count(*) FROM posting p JOIN journal_entry e ON e.id = p.entry_id JOIN account a ON a.id = p.account_id
            WHERE a.currency <> e.currency""",
        "assets less debts and income (coverage), in minor units": """
            SELECT coalesce(sum(p.amount_minor), 0) FROM posting p""",
        "order deposits left over, in minor units": """
            SELECT coalesce(sum(abs(minor)), 0) FROM (
                SELECT sum(p.amount_minor) AS minor FROM posting p JOIN account a ON a.id = p.account_id
                WHERE a.code = '2050' GROUP BY a.currency) AS by_currency""",
        "holds that are not those of open uses and chargebacks, in minor units": """
            SELECT coalesce(sum(abs(coalesce(w.minor, 0) - coalesce(h.minor, 0))), 0) FROM (
                SELECT id::text AS owner, currency, amount_minor AS minor FROM redemption WHERE state = 'authorised'
                UNION ALL
                SELECT d.id::text, d.currency, sum(h.amount_minor) FROM dispute_hold h JOIN dispute d ON d.id = h.dispute_id
                WHERE d.state = 'open' GROUP BY d.id) w
            FULL JOIN (
                SELECT a.owner, a.currency, -sum(p.amount_minor) AS minor FROM posting p JOIN account a ON a.id = p.account_id
                WHERE a.code = '2120' GROUP BY 1, 2) h ON h.owner = w.owner AND h.currency = w.currency""",
        "guarded balances below zero": "SELECT count(*) FROM balance WHERE amount_minor < 0",
        "guarded balances that differ from their postings": """
            SELECT count(*) FROM account a LEFT JOIN balance b ON b.account_id = a.id
            LEFT JOIN (SELECT account_id, -sum(amount_minor) AS owed FROM posting GROUP BY account_id) p ON p.account_id = a.id
            WHERE guarded(a.code) AND coalesce(b.amount_minor, 0) <> coalesce(p.owed, 0)""",
        "open gifts whose escrow is not their amount": """
            SELECT count(*) FROM gift g
            LEFT JOIN account a ON a.code = '2110' AND a.owner = g.id::text LEFT JOIN balance b ON b.account_id = a.id
            WHERE coalesce(b.amount_minor, 0) <> CASE WHEN g.state IN ('scheduled', 'offered') THEN g.amount_minor ELSE 0 END""",
        "gifts that are not their sheets, or whose sheets are not open as long as they are": """
            SELECT count(*) FROM gift g LEFT JOIN (
                SELECT gift_id, sum(amount_minor) AS amount_minor, bool_and(open) AS every, bool_or(open) AS some
                FROM gift_sheet GROUP BY 1) s ON s.gift_id = g.id
            WHERE s.amount_minor IS DISTINCT FROM g.amount_minor OR s.every <> s.some
                OR s.every <> (g.state IN ('scheduled', 'offered'))""",
        "offers that were answered twice, and holds that were resolved twice": """
            SELECT count(*) FROM (
                SELECT p.account_id FROM posting p JOIN account a ON a.id = p.account_id
                WHERE a.code IN ('2110', '2120') AND a.owner NOT IN (SELECT id::text FROM dispute) GROUP BY p.account_id
                HAVING count(DISTINCT p.entry_id) FILTER (WHERE p.amount_minor > 0) > 1
                    OR count(DISTINCT p.entry_id) FILTER (WHERE p.amount_minor < 0) > 1) AS twice""",
        "gifts whose giver was told of another answer, or twice": f"""
            SELECT count(*) FROM (
                SELECT g.id FROM notice_given o JOIN gift g ON g.reference = o.reference
                WHERE o.sentence IN ('{notices.GIFT_ACCEPTED}', '{notices.GIFT_DECLINED}', '{notices.GIFT_LAPSED}')
                GROUP BY g.id HAVING count(*) > 1 OR bool_or(o.sentence <> CASE g.state
                    WHEN 'accepted' THEN '{notices.GIFT_ACCEPTED}' WHEN 'declined' THEN '{notices.GIFT_DECLINED}'
                    WHEN 'lapsed' THEN '{notices.GIFT_LAPSED}' ELSE '' END)) AS wrong""",
        "trust assets short of debts, in minor units": """
            SELECT coalesce(sum(greatest(short, 0)), 0) FROM (
                SELECT -sum(p.amount_minor) AS short FROM posting p JOIN account a ON a.id = p.account_id
                WHERE a.code <> '1020' AND a.code ~ '^[12]' GROUP BY a.currency) AS by_currency""",
        "phone bills less receivable, in minor units": """
            SELECT (SELECT coalesce(sum(amount_minor), 0) FROM charge WHERE rail = 'phone_bill')
                 - (SELECT coalesce(sum(amount_minor), 0) FROM refund WHERE rail = 'phone_bill' AND state = 'paid')
                 - (SELECT coalesce(sum(p.amount_minor), 0) FROM posting p JOIN account a ON a.id = p.account_id
                    WHERE a.code = '1120' AND a.owner = '')""",
        "payments and refunds that bear a provider's reference twice": """
            SELECT (SELECT count(*) - count(DISTINCT (rail, receipt)) FROM payment)
                 + (SELECT count(*) - count(DISTINCT (rail, receipt)) FROM refund WHERE receipt <> '')""",
        "payments, refunds, payouts and chargebacks of each rail that differ from its account, in minor units": """
            SELECT coalesce(sum(abs(difference)), 0) FROM (
                SELECT rail, currency, sum(minor) AS difference FROM (
                    SELECT rail, currency, amount_minor AS minor FROM payment
                    UNION ALL SELECT rail, currency, -amount_minor FROM refund WHERE state = 'paid' AND rail <> 'phone_bill'
                    UNION ALL SELECT 'bank', currency, -amount_minor FROM store_payout WHERE state = 'paid'
                    UNION ALL SELECT rail, currency, -amount_minor FROM dispute WHERE state <> 'won'
                    UNION ALL SELECT a.owner, a.currency, -p.amount_minor FROM posting p JOIN account a ON a.id = p.account_id
                    WHERE a.code IN ('1010', '1110', '1120', '1130') AND a.owner <> '') AS moved
                GROUP BY 1, 2) AS by_rail""",
        "payments whose rest is not in unapplied receipts": """
            SELECT count(*) FROM payment y
            LEFT JOIN account a ON a.code = '2060' AND a.owner = y.id::text AND a.currency = y.currency
            LEFT JOIN balance b ON b.account_id = a.id WHERE coalesce(b.amount_minor, 0) <> y.amount_minor - y.applied_minor""",
        "refunds that are not owed until they are paid": """
            SELECT count(*) FROM refund r LEFT JOIN (
                SELECT a.owner, a.currency, sum(b.amount_minor) AS owed FROM account a JOIN balance b ON b.account_id = a.id
                WHERE a.code IN ('2300', '2310') GROUP BY 1, 2) o ON o.owner = r.id::text AND o.currency = r.currency
            WHERE coalesce(o.owed, 0) <> CASE r.state WHEN 'paid' THEN 0 ELSE r.amount_minor END""",
        "money in dispute that is not that of the open chargebacks": """
            SELECT count(*) FROM (SELECT id::text AS id, currency, amount_minor FROM dispute WHERE state = 'open') d
            FULL JOIN (
                SELECT a.owner, a.currency, sum(p.amount_minor) AS minor FROM account a JOIN posting p ON p.account_id = a.id
                WHERE a.code = '1140' GROUP BY 1, 2) j ON j.owner = d.id AND j.currency = d.currency
            WHERE coalesce(j.minor, 0) <> coalesce(d.amount_minor, 0)""",
        "orders that are paid and not issued, or issued and not paid": """
            SELECT count(*) FROM charge c LEFT JOIN purchase p ON p.id = c.purchase_id
            LEFT JOIN group_part g ON g.id = c.group_part_id LEFT JOIN gift_list l ON l.id = c.gift_list_id
            WHERE (c.state = 'paid') IS DISTINCT FROM CASE
                WHEN p.id IS NOT NULL THEN p.state IN ('issued', 'refunded')
                WHEN g.id IS NOT NULL THEN g.state IN ('paid', 'owed', 'returned')
                ELSE l.state IN ('paid', 'done') END""",
        "pools that are not what was paid into them and not given yet, in minor units": """
            SELECT coalesce(sum(abs(coalesce(w.minor, 0) - coalesce(b.amount_minor, 0))), 0) FROM (
                SELECT p.group_id::text AS owner, sum(p.amount_minor) AS minor FROM group_part p
                JOIN group_gift g ON g.id = p.group_id
                WHERE p.state = 'owed' OR (p.state = 'paid' AND g.state IN ('open', 'full')) GROUP BY 1
                UNION ALL
                SELECT l.list_id::text, sum(d.amount_minor + l.fee_minor) FROM gift_list_line l
                JOIN gift_list t ON t.id = l.list_id JOIN denomination d ON d.id = l.denomination_id
                WHERE t.state = 'paid' AND l.gift_id IS NULL GROUP BY 1) w
            FULL JOIN (
                SELECT a.owner, sum(b.amount_minor) AS amount_minor FROM account a JOIN balance b ON b.account_id = a.id
                WHERE a.code = '2055' GROUP BY 1) b ON b.owner = w.owner""",
        "refunds above what was paid, in minor units": """
            SELECT coalesce(sum(greatest(r.back - coalesce(y.paid, 0), 0)), 0) FROM (
                SELECT charge_id, currency, sum(amount_minor) AS back FROM refund GROUP BY 1, 2) r
            LEFT JOIN (
                SELECT charge_id, currency, sum(amount_minor) AS paid FROM (
                    SELECT charge_id, currency, amount_minor FROM payment
                    UNION ALL SELECT id, currency, amount_minor FROM charge WHERE rail = 'phone_bill') AS came
                GROUP BY 1, 2) y ON y.charge_id = r.charge_id AND y.currency = r.currency""",
        "refunds of what a network or card lent that went to another person, or another way": """
            SELECT count(*) FROM refund r JOIN charge c ON c.id = r.charge_id
            WHERE (r.payee_id <> c.payer_id OR r.rail <> c.rail)
              AND (c.rail = 'phone_bill'
                   OR EXISTS (SELECT FROM account a WHERE a.code IN ('1110', '1120') AND a.owner = c.rail))""",
        "uses less payouts, what stores are owed, and commission, in minor units": """
            SELECT coalesce(sum(abs(difference)), 0) FROM (
                SELECT owner, currency, sum(minor) AS difference FROM (
                    SELECT store_id::text AS owner, currency,
                        captured_minor - returned_minor - commission_minor + commission_returned_minor AS minor FROM redemption
                    UNION ALL SELECT store_id::text, currency, -amount_minor FROM store_payout WHERE state <> 'failed'
                    UNION ALL SELECT '', currency, commission_minor - commission_returned_minor FROM redemption
                    UNION ALL SELECT a.owner, a.currency, p.amount_minor FROM posting p JOIN account a ON a.id = p.account_id
                    WHERE a.code IN ('2200', '4020')) AS earned
                GROUP BY 1, 2) AS by_store""",
        "payouts in transit that are not those started and not ended, in minor units": """
            SELECT coalesce(sum(abs(coalesce(w.minor, 0) - coalesce(t.minor, 0))), 0) FROM (
                SELECT id::text AS owner, currency, amount_minor AS minor FROM store_payout WHERE state = 'started') w
            FULL JOIN (
                SELECT a.owner, a.currency, -sum(p.amount_minor) AS minor FROM posting p JOIN account a ON a.id = p.account_id
                WHERE a.code = '2210' GROUP BY 1, 2) t ON t.owner = w.owner AND t.currency = w.currency""",
        "uses of which more was captured than held, or returned than captured": """
            SELECT count(*) FROM redemption u
            LEFT JOIN (
                SELECT redemption_id, sum(amount_minor) AS held, sum(captured_minor) AS captured, sum(returned_minor) AS back
                FROM redemption_part GROUP BY 1) p ON p.redemption_id = u.id
            LEFT JOIN (
                SELECT redemption_id, sum(amount_minor) AS back, sum(commission_minor) AS commission
                FROM store_return GROUP BY 1) r ON r.redemption_id = u.id
            LEFT JOIN (
                SELECT a.owner, -sum(p.amount_minor) AS held FROM account a JOIN posting p ON p.account_id = a.id
                WHERE a.code = '2120' AND p.amount_minor < 0 GROUP BY 1) h ON h.owner IN (u.id::text, u.code_id::text)
            WHERE u.captured_minor > u.amount_minor OR u.returned_minor > u.captured_minor
                OR (h.held, p.held, p.captured, p.back) IS DISTINCT FROM
                   (u.amount_minor, u.amount_minor, u.captured_minor, u.returned_minor)
                OR (coalesce(r.back, 0), coalesce(r.commission, 0)) <> (u.returned_minor, u.commission_returned_minor)""",
        "codes that were not used exactly once for their use": """
            SELECT count(*) FROM redemption_code q
            FULL JOIN (SELECT code_id, count(*) AS uses FROM redemption GROUP BY 1) u ON u.code_id = q.id
            WHERE coalesce(u.uses, 0) <> CASE q.state WHEN 'used' THEN 1 ELSE 0 END""",
        "certificates less sheets bought": """
            SELECT (SELECT count(*) FROM certificate WHERE returned_from IS NULL)
                 - (SELECT coalesce(sum(sheets), 0) FROM purchase WHERE state IN ('issued', 'refunded'))""",
        "certificates with more left on them than their face": """
            SELECT count(*) FROM certificate c WHERE c.face_minor < (
                SELECT sum(b.amount_minor) FROM account a JOIN balance b ON b.account_id = a.id
                WHERE a.code IN ('2100', '2130') AND a.owner = c.id::text AND a.currency = c.currency)""",
    }
)
"""Each invariant and the question whose answer is zero while it holds.

Of notices it can tell that nobody was told twice or wrongly, and not that everybody was told: texts that were sent may be
forgotten. That a notice is filed with what it tells of is one transaction.
"""


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
