"""Group gifts: several givers pay the parts of one gift. Begun by an organiser, joined by number, called off until it is full.

What follows from a part that is paid, or is not, stands in group_parts.
"""

import secrets
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Connection, text

from circulation import catalogue, chart, group_parts, group_records, members, notices, sales, sending_limits
from circulation.attempts import Guard
from circulation.group_records import Group, Shares
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.references import new_reference
from circulation.refusals import Refusal
from circulation.rules import Rules
from circulation.values import Value
from payments import charges
from storage import ledger

DAYS, MOST_DAYS = 7, 30
"""How long the parts may take to come in, when nothing else is chosen, and at most."""
NUMBER_BY_PHONE = Guard("group number", ((10, 900), (20, 86_400)), 86_400)
"""A number shows who gives what: 10 wrong ones from one phone wait 15 minutes, 20 a day."""
_DRAWS = 50
_SHORTEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Joined:
    """A part that somebody took. `paid`: it is in; otherwise its giver is asked for it next."""

    number: str
    reference: str
    amount: Money
    paid: bool


_BEGIN = text("""
    INSERT INTO group_gift (id, number, reference, organiser_id, recipient_id, denomination_id, worth_minor, fee_minor,
                            currency, note, parts, part_minor, closes_at)
    VALUES (:id, :number, :reference, :organiser, :recipient, :denomination, :worth_minor, :fee_minor,
            :currency, :note, :parts, :part_minor, clock() + make_interval(days => :days))
    ON CONFLICT (number) WHERE state IN ('open', 'full') DO NOTHING RETURNING true
""")
_TAKE = text("""
    INSERT INTO group_part (id, group_id, place, giver_id, reference, amount_minor, currency)
    VALUES (:id, :group, :place, :giver, :reference, :amount_minor, :currency)
""")
_JOINED = text("""
    SELECT g.number, p.reference, p.amount_minor, p.currency, p.state FROM group_part p
    JOIN group_gift g ON g.id = p.group_id WHERE p.id = :id
""")
_LEFT = text("SELECT extract(epoch FROM closes_at - clock())::float FROM group_gift WHERE id = :group")


def find(db: Connection, rules: Rules, *, number: str, asker: Msisdn) -> Group:
    """The group gift with this number (6 digits). Raises Refusal `group_unknown`, or `locked` for who guesses numbers."""
    rules.attempts.reserve(NUMBER_BY_PHONE, asker.e164)
    group = group_records.by_number(db, number)
    if group is None or group.over:
        raise Refusal("group_unknown")
    rules.attempts.forgive(NUMBER_BY_PHONE, asker.e164)
    return group


def begin(
    db: Connection,
    rules: Rules,
    *,
    group_id: str,
    organiser: Member,
    denomination_id: int,
    expected: Money,
    recipient: Msisdn,
    note: str,
    shares: Shares,
    days: int,
    rail: str,
    receipt: bool,
) -> Joined:
    """Begin a group gift of one sheet, and take its first part for the organiser; the same `group_id` begins once.

    `expected` is the price that was shown, `days` (1 to 30) when the parts must be in. With `receipt` the number comes by
    text as well. Raises Refusal `own_number`, `price_changed`, one of
    sending_limits.py, or what `join` raises for paying.
    """
    if recipient == organiser.msisdn:
        raise Refusal("own_number")
    members.lock(db, organiser.id)
    part_id = str(uuid5(NAMESPACE_URL, f"giftline:organiser's part:{group_id}"))
    if begun := _joined(db, part_id):
        return begun
    denomination = catalogue.denomination(db, denomination_id)
    if denomination is None or sales.cost(denomination, 1) != expected:
        raise Refusal("price_changed")
    known = members.meet(db, recipient, organiser.language)
    sending_limits.count_gift(db, rules, organiser, known)
    _number(
        db,
        {
            "id": group_id,
            "reference": new_reference(),
            "organiser": organiser.id,
            "recipient": known.id,
            "denomination": denomination_id,
            "worth_minor": denomination.worth.amount_minor,
            "fee_minor": denomination.fee.amount_minor,
            "currency": expected.currency,
            "note": note,
            "parts": shares.parts,
            "part_minor": shares.part.amount_minor,
            "days": days,
        },
    )
    group = group_records.held(db, group_id)
    if receipt:
        told: dict[str, Value] = {"number": group.number, "issuer": group.issuer, "amount": group.worth}
        told.update(until=group.closes_at, service_code=rules.service_code)
        notices.send(db, organiser, rules.routes, notices.GROUP_BEGUN, **told)
    return _take(db, rules, group, part_id, organiser, rail)


def join(
    db: Connection, rules: Rules, *, part_id: str, giver: Member, group_id: str, expected: Money, rail: str, again: bool
) -> Joined:
    """Take the next part of a group gift and pay it over `rail`: the phone bill at once, others when they are asked.

    `expected` is the part that was shown. Who has a part gets another only with `again`. The same `part_id` joins once.
    Raises Refusal `group_closed`, `part_taken`, `group_full`, `part_changed`, `bill_limit`, `no_way_to_pay` or `too_many_open`.
    """
    members.lock(db, giver.id)
    if joined := _joined(db, part_id):
        return joined
    group = group_records.held(db, group_id)
    if group.state not in ("open", "full") or group.over:
        raise Refusal("group_closed")
    if not again and group_records.takes_part(db, group_id, giver):
        raise Refusal("part_taken")
    if group.next_part is None:
        raise Refusal("group_full")
    if group.next_part != expected:
        raise Refusal("part_changed")
    return _take(db, rules, group, part_id, giver, rail)


def call_off(db: Connection, *, group_id: str, organiser: Member) -> None:
    """The organiser ends an open group gift: every part that was paid goes back. Calling it off twice does it once.

    Raises Refusal `group_closed` when it is full or has ended otherwise, or is not theirs.
    """
    members.lock(db, organiser.id)
    group = group_records.held(db, group_id)
    if group.organiser_id != organiser.id:
        raise Refusal("group_closed")
    if not group_parts.end(db, group_id, "called_off") and group.state != "called_off":
        raise Refusal("group_closed")


def _number(db: Connection, group: dict[str, object]) -> None:
    """Keep the group gift under a number that no other has now."""
    for _ in range(_DRAWS):
        number = str(100_000 + secrets.randbelow(900_000))
        if db.execute(_BEGIN, {**group, "number": number}).scalar():
            return
    raise RuntimeError("nearly every group number is in use")


def _take(db: Connection, rules: Rules, group: Group, part_id: str, giver: Member, rail: str) -> Joined:
    """Keep the next place for this giver and charge its part. The caller holds giver and group."""
    assert group.next_place is not None and group.next_part is not None, "a place was free a moment ago"
    amount, reference = group.next_part, new_reference()
    money = {"amount_minor": amount.amount_minor, "currency": amount.currency}
    taken = {"id": part_id, "group": group.id, "place": group.next_place, "giver": giver.id, "reference": reference}
    db.execute(_TAKE, {**taken, **money})
    if rail == sales.PHONE_BILL and sales.PHONE_BILL in rules.rails:
        if not rules.phone_bill.charge(db, part_id, reference, giver.id, amount.amount_minor, amount.currency):
            left = rules.phone_bill.left(db, giver.id, amount.currency)
            raise Refusal("bill_limit", amount=amount, left=Money(left, amount.currency))
        ledger.post(db, f"{part_id}:billed", chart.received("1120", "", amount))
        group_parts.pool(db, rules, part_id)
        return Joined(group.number, reference, amount, paid=True)
    gateway = rules.rails.get(rail)
    if gateway is None or not gateway.fits(giver.msisdn.e164, amount.amount_minor, amount.currency):
        raise Refusal("no_way_to_pay", amount=amount)
    if charges.waiting(db, giver.id) >= rules.most_waiting:
        raise Refusal("too_many_open")
    charge = {"id": part_id, "rail": rail, "payer": giver.id, "part": part_id, "reference": reference, **money}
    left_seconds = max(_SHORTEST_WAIT, float(db.execute(_LEFT, {"group": group.id}).scalar_one()))
    wait = min(float(gateway.wait_seconds), left_seconds)
    charges.mint(db, charge, ask_after=gateway.ask_after_seconds, wait=wait)
    return Joined(group.number, reference, amount, paid=False)


def _joined(db: Connection, part_id: str) -> Joined | None:
    row = db.execute(_JOINED, {"id": part_id}).first()
    if row is None:
        return None
    number, reference, amount_minor, currency, state = row
    return Joined(number, reference, Money(amount_minor, currency), paid=state != "waiting")
