"""Group gifts as they are kept: what one is about, how its price is shared, and how far it has come. Looks; moves nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from babel.numbers import get_currency_precision
from sqlalchemy import Connection, TextClause, text

from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal

FEWEST, MOST = 2, 20
"""Givers who may share one gift."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How a price is shared: `parts` givers pay `part` each, but for the last, who pays what is left of it."""

    parts: int
    part: Money
    last: Money


@dataclass(frozen=True, slots=True)
class Group:
    """A group gift. `number` is what givers tell each other. `over`: its time has passed. `paid`: parts that are in.

    `organiser` is a name. `next_place` is the part that whoever joins now would pay, None while all are taken.
    """

    id: str
    number: str
    reference: str
    organiser_id: int
    organiser: str
    recipient: Msisdn
    issuer: str
    denomination_id: int
    worth: Money
    fee: Money
    note: str
    parts: int
    part: Money
    state: str
    closes_at: datetime
    over: bool
    paid: int
    next_place: int | None

    @property
    def total(self) -> Money:
        """The price that the parts add up to: worth and fee of one sheet."""
        return self.worth + self.fee

    @property
    def next_part(self) -> Money | None:
        """What whoever joins now would pay."""
        return self.part_at(self.next_place) if self.next_place else None

    def part_at(self, place: int) -> Money:
        """What the giver in this place (from 1) pays."""
        return self.part if place < self.parts else _last(self.total, self.parts, self.part)


_READ = """
    SELECT g.id::text, g.number, g.reference, g.organiser_id, coalesce(o.name, ''), r.msisdn, i.name, g.denomination_id,
           g.worth_minor, g.fee_minor, g.currency, g.note, g.parts, g.part_minor, g.state, g.closes_at,
           g.closes_at <= clock(),
           (SELECT count(*) FROM group_part p WHERE p.group_id = g.id AND p.state = 'paid'),
           (SELECT min(n) FROM generate_series(1, g.parts) n WHERE NOT EXISTS (
                SELECT FROM group_part p WHERE p.group_id = g.id AND p.place = n AND p.state IN ('waiting', 'paid')))
    FROM group_gift g JOIN member o ON o.id = g.organiser_id JOIN member r ON r.id = g.recipient_id
    JOIN denomination d ON d.id = g.denomination_id JOIN issuer i ON i.id = d.issuer_id
"""
_BY_ID = text(f"{_READ} WHERE g.id = :id")
_BY_NUMBER = text(f"{_READ} WHERE g.number = :number AND g.state IN ('open', 'full')")
_ORGANISED = text(f"{_READ} WHERE g.organiser_id = :organiser AND g.state = 'open' ORDER BY g.created_at DESC LIMIT 9")
_LOCK = text("SELECT FROM group_gift WHERE id = :id FOR NO KEY UPDATE")
_HAS_PART = text("""
    SELECT EXISTS (SELECT FROM group_part WHERE group_id = :id AND giver_id = :giver AND state IN ('waiting', 'paid'))
""")


def among(total: Money, givers: int) -> Shares:
    """The price shared by so many givers. Raises Refusal `group_shares`.

    Parts are equal, in whole units of the currency where that leaves the last giver less than twice a part; the last part
    takes the rounding, so that the parts add up exactly.
    """
    part = total.amount_minor // givers if givers else 0
    whole = 10 ** get_currency_precision(total.currency)
    if part >= whole * givers:
        part -= part % whole
    return _shares(total, givers, part)


def of(total: Money, each: Money) -> Shares:
    """The price shared by as many givers as it takes when each pays this much; the last pays the rest of it.

    Raises Refusal `group_shares` when that is fewer than 2 or more than 20.
    """
    return _shares(total, -(-total.amount_minor // each.amount_minor), each.amount_minor)


def by_number(db: Connection, number: str) -> Group | None:
    """The group gift with this number that has not ended."""
    return _found(db, _BY_NUMBER, number=number)


def get(db: Connection, group_id: str) -> Group | None:
    """The group gift with this id."""
    return _found(db, _BY_ID, id=group_id)


def held(db: Connection, group_id: str) -> Group:
    """The group gift as it is now, kept so until the transaction ends. Raises LookupError.

    Whoever also holds members' rows takes those first.
    """
    db.execute(_LOCK, {"id": group_id})  # apart, so that what is counted next is what the lock waited for
    group = get(db, group_id)
    if group is None:
        raise LookupError("there is no such group gift")
    return group


def organised(db: Connection, organiser: Member) -> list[Group]:
    """The open group gifts that this member has begun, newest first (at most 9)."""
    return [_group(*row) for row in db.execute(_ORGANISED, {"organiser": organiser.id})]


def takes_part(db: Connection, group_id: str, giver: Member) -> bool:
    """Whether this member has paid a part, or is about to."""
    return bool(db.execute(_HAS_PART, {"id": group_id, "giver": giver.id}).scalar_one())


def _shares(total: Money, parts: int, part_minor: int) -> Shares:
    part = Money(part_minor, total.currency)
    if not FEWEST <= parts <= MOST or part_minor <= 0:
        raise Refusal("group_shares", most=MOST)
    return Shares(parts, part, _last(total, parts, part))


def _last(total: Money, parts: int, part: Money) -> Money:
    return Money(total.amount_minor - part.amount_minor * (parts - 1), total.currency)


def _found(db: Connection, statement: TextClause, **key: str) -> Group | None:
    row = db.execute(statement, key).first()
    return _group(*row) if row else None


def _group(*row: Any) -> Group:
    (id_, number, reference, organiser_id, organiser, recipient, issuer, denomination, worth, fee, currency, *rest) = (
        row
    )
    note, parts, part, *rest = rest
    return Group(
        id_,
        number,
        reference,
        organiser_id,
        organiser,
        Msisdn(recipient),
        issuer,
        denomination,
        Money(worth, currency),
        Money(fee, currency),
        note,
        parts,
        Money(part, currency),
        *rest,
    )
