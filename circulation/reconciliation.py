"""Reconciliation: ours against the provider's word and against the bank's statement; what does not match, with its age.

Compares what it is given and asks nobody (bot/reconciling.py does). What is younger than an hour is under way: a worker may be
about to learn of it, and it is not judged.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Connection, text

from circulation.money import Money
from payments.gateway import Charge, Dispute, Found, Refund

UNDER_WAY_DAYS = 1 / 24
"""So long a worker may take to learn what a provider knows."""


@dataclass(frozen=True, slots=True)
class Ours:
    """One charge of ours. `paid` is what came in for it, by the provider's names of the payments. `taken_back`: the rail took
    the payment back without naming a dispute. `disputes` are those that we keep, by the provider's names of them."""

    charge: Charge
    rail: str
    state: str
    created_on: date
    age_days: float
    taken_back: bool
    paid: Mapping[str, Money]
    disputes: Mapping[str, Dispute]


@dataclass(frozen=True, slots=True)
class OurRefund:
    """One refund of ours; `paid`: it went back, as far as we know."""

    refund: Refund
    rail: str
    paid: bool
    age_days: float


@dataclass(frozen=True, slots=True)
class Listed:
    """One payment of a provider's list, of this day."""

    found: Found
    age_days: float

    @property
    def name(self) -> str:
        """The provider's name of the payment."""
        return self.found.receipt or self.found.handle


@dataclass(frozen=True, slots=True)
class Unmatched:
    """One line that has no counterpart: where it stands, what it is, what it is called there, and how old it is.

    `amount` is the provider's where both sides have one; None where none is known.
    """

    where: str
    what: str
    reference: str = field(repr=False)
    amount: Money | None
    age_days: float


_OURS = text("""
    SELECT c.id::text, m.msisdn, c.amount_minor, c.currency, c.reference, c.handle, c.receipt, c.rail, c.state,
           c.created_at::date, extract(epoch FROM clock() - c.created_at)::float / 86400,
           EXISTS (SELECT FROM dispute d WHERE d.charge_id = c.id AND d.name = 'reversed ' || c.id::text),
           (SELECT jsonb_agg(jsonb_build_array(y.receipt, y.amount_minor, y.currency)) FROM payment y WHERE y.charge_id = c.id),
           (SELECT jsonb_agg(jsonb_build_array(d.name, d.amount_minor, d.currency, d.state)) FROM dispute d
            WHERE d.charge_id = c.id AND d.name <> 'reversed ' || c.id::text)
    FROM charge c JOIN member m ON m.id = c.payer_id
    WHERE c.rail = :rail AND c.created_at >= :since AND c.created_at < :until ORDER BY c.created_at, c.id
""")
_OUR_REFUNDS = text("""
    SELECT c.id::text, m.msisdn, c.amount_minor, c.currency, c.reference, c.handle, c.receipt, r.id::text, r.amount_minor,
           r.reference, r.handle, r.rail, r.state = 'paid', extract(epoch FROM clock() - r.created_at)::float / 86400
    FROM refund r JOIN charge c ON c.id = r.charge_id JOIN member m ON m.id = r.payee_id
    WHERE r.rail = :rail AND r.state <> 'new' AND r.created_at >= :since AND r.created_at < :until
    ORDER BY r.created_at, r.id
""")
_RAILS = text("""
    SELECT rail FROM charge WHERE created_at >= :since AND created_at < :until
    UNION SELECT rail FROM refund WHERE created_at >= :since AND created_at < :until ORDER BY 1
""")
_OPEN: Mapping[str, str] = {
    "charge without an answer": """
        SELECT rail, reference, amount_minor, currency, created_at FROM charge
        WHERE state NOT IN ('paid', 'failed', 'lapsed') AND deadline_at < clock() - interval '1 hour'""",
    "refund not paid yet": """
        SELECT rail, reference, amount_minor, currency, created_at FROM refund
        WHERE state <> 'paid' AND created_at < clock() - interval '1 hour'""",
    "payout not paid yet": """
        SELECT 'bank', reference, amount_minor, currency, created_at FROM store_payout
        WHERE state = 'started' AND created_at < clock() - interval '1 hour'""",
    "receipt that fits no order": """
        SELECT rail, receipt, amount_minor - applied_minor, currency, created_at FROM payment
        WHERE applied_minor < amount_minor""",
    "chargeback not decided yet": """
        SELECT rail, name, amount_minor, currency, opened_at FROM dispute WHERE state = 'open'""",
    "statement line that matches nothing of ours": """
        SELECT 'bank', bank_reference, amount_minor, currency, booked_on::timestamptz FROM bank_line
        WHERE payment_id IS NULL AND refund_id IS NULL AND payout_id IS NULL""",
    "paid here, on no statement": """
        SELECT y.rail, y.receipt, y.amount_minor, y.currency, y.created_at FROM payment y
        WHERE y.rail = 'bank' AND NOT EXISTS (
            SELECT FROM bank_line l WHERE l.payment_id = y.id AND l.amount_minor = y.amount_minor AND l.currency = y.currency)""",
    "refunded here, on no statement": """
        SELECT r.rail, r.reference, r.amount_minor, r.currency, r.ended_at FROM refund r
        WHERE r.rail = 'bank' AND r.state = 'paid' AND NOT EXISTS (
            SELECT FROM bank_line l WHERE l.refund_id = r.id AND l.amount_minor = -r.amount_minor AND l.currency = r.currency)""",
    "payout paid here, on no statement": """
        SELECT 'bank', o.reference, o.amount_minor, o.currency, o.ended_at FROM store_payout o
        WHERE o.state = 'paid' AND NOT EXISTS (
            SELECT FROM bank_line l WHERE l.payout_id = o.id AND l.amount_minor = -o.amount_minor AND l.currency = o.currency)""",
}
"""What waits for its other half in our own books, and the question that finds it."""
_STATEMENTS = text("""
    SELECT s.account, s.currency, s.name, s.opening_minor, s.closing_minor, min(l.booked_on) AS day,
           coalesce(sum(l.amount_minor), 0)::bigint AS moved_minor,
           extract(epoch FROM clock() - min(l.booked_on))::float / 86400 AS age_days
    FROM bank_statement s JOIN bank_line l ON l.statement_id = s.id
    GROUP BY s.id ORDER BY s.account, s.currency, day, s.id
""")


def rails(db: Connection, since: date, until: date) -> list[str]:
    """The rails of our charges and refunds of these days (`until` excluded)."""
    return list(db.execute(_RAILS, {"since": since, "until": until}).scalars())


def charges(db: Connection, rail: str, since: date, until: date) -> list[Ours]:
    """Our charges over a rail of these days (UTC, `until` excluded), oldest first."""
    found = []
    for row in db.execute(_OURS, {"rail": rail, "since": since, "until": until}):
        *named, name, state, created_on, age, taken_back, payments, cases = row
        paid = {receipt: Money(minor, currency) for receipt, minor, currency in payments or ()}
        disputes = {case[0]: Dispute(*case) for case in cases or ()}
        found.append(Ours(Charge(*named), name, state, created_on, age, taken_back, paid, disputes))
    return found


def refunds(db: Connection, rail: str, since: date, until: date) -> list[OurRefund]:
    """Our refunds over a rail of these days (UTC, `until` excluded) that the rail was asked for, oldest first."""
    found = []
    for row in db.execute(_OUR_REFUNDS, {"rail": rail, "since": since, "until": until}):
        *named, id_, minor, reference, handle, name, paid, age = row
        found.append(OurRefund(Refund(id_, Charge(*named), minor, reference, handle), name, paid, age))
    return found


def open_items(db: Connection) -> list[Unmatched]:
    """Everything of ours, of any day, that waits for its other half: oldest first within its kind."""
    found = []
    for what, question in _OPEN.items():
        aged = text(f"""
            SELECT o.*, extract(epoch FROM clock() - o.created_at)::float / 86400
            FROM ({question}) AS o(rail, reference, minor, currency, created_at) ORDER BY o.created_at, o.reference""")
        for rail, reference, minor, currency, _, age in db.execute(aged):
            found.append(Unmatched(rail, what, reference, Money(int(minor), currency), age))
    return found


def gaps(db: Connection) -> list[Unmatched]:
    """Where the statements of an account do not connect: between one closing balance and the next, this sum is missing.

    Statements without balances (CSV) fill what is between those that have them. Those that overlap are no gap: a line that
    two statements show is counted once.
    """
    found: list[Unmatched] = []
    accounts: dict[tuple[str, str], list[_Balanced]] = {}
    for account, currency, *rest in db.execute(_STATEMENTS):
        accounts.setdefault((account, currency), []).append(_Balanced(*rest))
    for (_, currency), statements in accounts.items():
        found += _gaps(statements, currency)
    return found


@dataclass(frozen=True, slots=True)
class _Balanced:
    """A statement: `moved_minor` is the sum of the lines that no other statement had shown before."""

    name: str
    opening_minor: int | None
    closing_minor: int | None
    day: date
    moved_minor: int
    age_days: float


def _gaps(statements: Sequence[_Balanced], currency: str) -> list[Unmatched]:
    found, waiting, balance = list[Unmatched](), list(statements), None
    while waiting:
        one = _next(waiting, balance)
        waiting.remove(one)
        before = one.opening_minor if balance is None else balance
        balance = None if before is None else before + one.moved_minor
        if balance is not None and one.closing_minor is not None and balance != one.closing_minor:
            missing = Money(one.closing_minor - balance, currency)
            found.append(Unmatched("bank", "missing before this statement", one.name, missing, one.age_days))
        balance = balance if one.closing_minor is None else one.closing_minor
    return found


def _next(waiting: Sequence[_Balanced], balance: int | None) -> _Balanced:
    """The oldest; of one day's the one that connects, in whatever order they were imported."""
    of_the_day = [one for one in waiting if one.day == waiting[0].day]
    for one in of_the_day:
        follows = {other.closing_minor for other in of_the_day if other is not one}
        if one.opening_minor == balance if balance is not None else one.opening_minor not in follows:
            return one
    return of_the_day[0]


def unknown(our: Iterable[Ours], theirs: Iterable[Listed]) -> list[Listed]:
    """The provider's payments that bear no name we know."""
    names = _names(our)
    return [one for one in theirs if names.keys().isdisjoint({one.found.receipt, one.found.handle} - {""})]


def against_listing(
    rail: str, our: Sequence[Ours], theirs: Sequence[Listed], named: Mapping[str, Ours], since: date, until: date
) -> list[Unmatched]:
    """Compare with the payments that the provider lists. `named` are charges of ours by names of payments they turned out to
    have. Ours of these days (`until` excluded) must be listed; those of the days around them may be."""
    names, unmatched, seen = {**_names(our), **named}, list[Unmatched](), set[str]()
    for listed in theirs:
        found, one = listed.found, names.get(listed.found.receipt) or names.get(listed.found.handle)
        seen.add(listed.name)
        if one is None:
            amount = Money(found.amount_minor or 0, found.currency)
            unmatched.append(Unmatched(rail, "paid there, unknown here", listed.name, amount, listed.age_days))
        else:
            unmatched += _payment(one, found)
    for one in our:
        if since <= one.created_on < until and not one.taken_back:
            unmatched += [_missing(one, amount) for receipt, amount in one.paid.items() if receipt not in seen]
    return unmatched


def against_answer(one: Ours, found: Found) -> list[Unmatched]:
    """Compare a charge with what the provider says of it."""
    if found.state != "paid":
        return [] if one.taken_back else [_missing(one, amount) for amount in one.paid.values()]
    others = [amount for receipt, amount in one.paid.items() if receipt != (found.receipt or found.handle)]
    return _payment(one, found) + [_missing(one, amount) for amount in others]


def refund_against_answer(one: OurRefund, found: Found) -> list[Unmatched]:
    """Compare a refund with what the provider says of it."""
    ours = Money(one.refund.amount_minor, one.refund.charge.currency)
    theirs = _stated(found, ours) if found.state == "paid" else None
    if one.paid and theirs is None:
        what = "refunded here, not there"
    elif one.paid and theirs != ours:
        what = "refunded with another sum there"
    elif not one.paid and theirs is not None and one.age_days > UNDER_WAY_DAYS:
        what = "refunded there, not here"
    else:
        return []
    return [Unmatched(one.rail, what, one.refund.reference, theirs or ours, one.age_days)]


def disputes_against(one: Ours, theirs: Iterable[Dispute]) -> list[Unmatched]:
    """Compare the chargebacks of a charge with those that the provider has."""
    there = {dispute.id: dispute for dispute in theirs}
    unmatched = []
    for name in sorted(one.disputes.keys() | there.keys()):
        ours, dispute = one.disputes.get(name), there.get(name)
        if ours is None:
            what = "chargeback there, not here"
        elif dispute is None:
            what = "chargeback here, not there"
        elif dispute != ours:
            what = f"chargeback {ours.state} here, {dispute.state} there"
        else:
            continue
        shown = dispute or one.disputes[name]
        amount = Money(shown.amount_minor, shown.currency)
        unmatched.append(Unmatched(one.rail, what, name, amount, one.age_days))
    return unmatched


def unanswered(rail: str, reference: str, amount: Money, age_days: float) -> Unmatched:
    """A line of ours of which the provider said nothing."""
    return Unmatched(rail, "the provider gave no answer", reference, amount, age_days)


def _payment(one: Ours, found: Found) -> list[Unmatched]:
    """Compare one payment that the provider has with ours of that name."""
    ours = one.paid.get(found.receipt or found.handle)
    theirs = _stated(found, Money(one.charge.amount_minor, one.charge.currency))
    if ours is None and one.age_days > UNDER_WAY_DAYS:
        return [Unmatched(one.rail, "paid there, not here", one.charge.reference, theirs, one.age_days)]
    if ours is not None and ours != theirs:
        return [Unmatched(one.rail, "another sum there", one.charge.reference, theirs, one.age_days)]
    return []


def _missing(one: Ours, amount: Money) -> Unmatched:
    return Unmatched(one.rail, "paid here, not there", one.charge.reference, amount, one.age_days)


def _stated(found: Found, expected: Money) -> Money:
    """The provider's figures; what its answer leaves out is as expected."""
    minor = expected.amount_minor if found.amount_minor is None else found.amount_minor
    return Money(minor, found.currency or expected.currency)


def _names(our: Iterable[Ours]) -> dict[str, Ours]:
    """Our charges by every name the provider may call them or their payments."""
    names: dict[str, Ours] = {}
    for one in our:
        # a handle may have more words behind the provider's name
        for name in (one.charge.handle.partition(" ")[0], one.charge.receipt, *one.paid):
            if name:
                names[name] = one
    return names
