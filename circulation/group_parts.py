"""What becomes of a group gift: its parts come in or go back, and in the end it is given, or was not met, or is called off.

A part is paid by a charge like any order. Paid parts rest in the pool (2055). No transaction here holds the rows of two
members: whatever concerns several givers is done for one after the other, by the chores, until nothing is left to do.
"""

from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Connection, text

from circulation import chart, gifting, group_records, members, notices, orders, refunds
from circulation.group_records import Group
from circulation.members import Member
from circulation.money import Money
from circulation.references import new_reference
from circulation.rules import Rules
from circulation.values import Value
from payments.gateway import Reason
from storage import ledger

PURCHASE_RAIL = "group"
"""The rail of the purchase that a complete group gift becomes: many charges paid it."""

_PART = text("""
    SELECT group_id::text AS group_id, place, giver_id, reference, amount_minor, currency, state FROM group_part WHERE id = :id
""")
_PLACE = text("""
    SELECT min(n) FROM group_gift g, generate_series(1, g.parts) n
    WHERE g.id = :group
      AND :amount_minor = CASE WHEN n < g.parts THEN g.part_minor
                               ELSE g.worth_minor + g.fee_minor - g.part_minor * (g.parts - 1) END
      AND NOT EXISTS (
        SELECT FROM group_part p WHERE p.group_id = g.id AND p.place = n AND p.state IN ('waiting', 'paid'))
""")
_PAID = text("UPDATE group_part SET state = 'paid', place = :place, paid_at = clock() WHERE id = :id")
_FULL = text("UPDATE group_gift SET state = 'full' WHERE id = :group AND state = 'open'")
_FREE = text("UPDATE group_part SET state = 'free' WHERE id = :id AND state = 'waiting' RETURNING group_id::text")
_END = text("""
    UPDATE group_gift SET state = :state, closed_at = clock() WHERE id = :group AND state = 'open'
        AND (:state <> 'unmet' OR closes_at <= clock()) RETURNING true
""")
_OWED = text("UPDATE group_part SET state = 'owed' WHERE group_id = :group AND state = 'paid'")
_RETURN = text("""
    UPDATE group_part p SET state = 'returned' WHERE p.id = :id AND p.state = 'owed'
        AND NOT EXISTS (SELECT FROM dispute d WHERE d.charge_id = p.id AND d.state IN ('open', 'lost')) RETURNING true
""")
_GIVEN = text("""
    UPDATE group_gift SET state = 'given', closed_at = clock(), gift_id = :gift WHERE id = :group AND state = 'full'
    RETURNING true
""")
_PURCHASE = text("""
    INSERT INTO purchase (id, reference, buyer_id, denomination_id, sheets, amount_minor, fee_minor, currency, rail, state)
    VALUES (:id, :reference, :buyer, :denomination, 1, :amount_minor, :fee_minor, :currency, :rail, 'ordered')
""")
_SHEET = text("SELECT id FROM certificate WHERE purchase_id = :purchase")
_GIVERS = text("SELECT DISTINCT giver_id FROM group_part WHERE group_id = :group AND state = 'paid' ORDER BY 1")
_ANSWERED = text("""
    UPDATE group_gift g SET state = 'answered' FROM gift t
    WHERE g.id = :group AND g.state = 'given' AND t.id = g.gift_id AND t.state NOT IN ('scheduled', 'offered') RETURNING t.state
""")
_ANSWERS = text("""
    SELECT g.id::text FROM group_gift g JOIN gift t ON t.id = g.gift_id
    WHERE g.state = 'given' AND t.state NOT IN ('scheduled', 'offered') ORDER BY t.answered_at LIMIT :limit
""")
_CLOSING = text("""
    SELECT id::text FROM group_gift WHERE state = 'open' AND closes_at <= clock() ORDER BY closes_at LIMIT :limit
""")
_ALL_IN = text("SELECT id::text FROM group_gift WHERE state = 'full' ORDER BY id LIMIT :limit")
_TO_RETURN = text("""
    SELECT p.id::text FROM group_part p WHERE p.state = 'owed'
        AND NOT EXISTS (SELECT FROM dispute d WHERE d.charge_id = p.id AND d.state IN ('open', 'lost'))
    ORDER BY p.paid_at LIMIT :limit
""")


# As an order of a charge ----------------------------------------------------------------------------------------------
def is_open(db: Connection, rules: Rules, part_id: str) -> bool:  # noqa: ARG001 - as every order is asked
    """Whether money for this part still counts: its group is open, and its place is kept, or free again and not taken.

    The group stays as it is until the transaction ends.
    """
    group = group_records.held(db, db.execute(_PART, {"id": part_id}).one().group_id)
    part = db.execute(_PART, {"id": part_id}).one()
    if group.state != "open":
        return False
    return part.state == "waiting" or (part.state == "free" and _place(db, group, part.amount_minor) is not None)


def fulfil(db: Connection, rules: Rules, part_id: str) -> None:
    """The money is there: the part goes into the pool, and its giver is told."""
    group, giver, reference, amount = pool(db, rules, part_id)
    told: dict[str, Value] = {
        "total": amount,
        "number": group.number,
        "paid": group.paid,
        "parts": group.parts,
    }
    notices.send(db, giver, rules.routes, notices.PART_PAID, reference=reference, **told)


def give_up(db: Connection, rules: Rules, part_id: str, reason: Reason) -> None:  # noqa: ARG001 - one sentence says all
    """The money did not come: the place is free again, and who was to pay is told."""
    group_id = db.execute(_FREE, {"id": part_id}).scalar()
    if group_id is None:
        return
    _, _, giver_id, reference, amount_minor, currency, _ = db.execute(_PART, {"id": part_id}).one()
    group, amount = group_records.get(db, group_id), Money(amount_minor, currency)
    assert group is not None, "a part has its group"
    told: dict[str, Value] = {"total": amount, "number": group.number, "reference": reference}
    notices.send(db, members.get(db, giver_id), rules.routes, notices.PART_NOT_PAID, **told)


def pool(db: Connection, rules: Rules, part_id: str) -> tuple[Group, Member, str, Money]:
    """Put a part whose money lies in the deposit (2050) into the pool; the last one makes the group full.

    The organiser is told of every part but their own. Returns the group as it is now, the giver, and the part's reference
    and amount. The caller holds the giver's row.
    """
    group_id, place, giver_id, reference, amount_minor, currency, state = db.execute(_PART, {"id": part_id}).one()
    group, amount = group_records.held(db, group_id), Money(amount_minor, currency)
    taken = place if state == "waiting" else _place(db, group, amount_minor)
    db.execute(_PAID, {"id": part_id, "place": taken})
    ledger.post(db, f"{part_id}:pooled", chart.part_pooled(group_id, amount))
    group = group_records.held(db, group_id)
    if group.paid == group.parts:
        db.execute(_FULL, {"group": group_id})
    giver = members.get(db, giver_id)
    if giver_id != group.organiser_id:
        told: dict[str, Value] = {
            "giver": giver.name,
            "total": amount,
            "number": group.number,
            "paid": group.paid,
            "parts": group.parts,
        }
        organiser = members.get(db, group.organiser_id)
        notices.send(db, organiser, rules.routes, notices.PART_CAME, **told)
    return group, giver, reference, amount


# The end --------------------------------------------------------------------------------------------------------------
def closing(db: Connection, *, limit: int) -> list[str]:
    """Ids of open group gifts whose time is over."""
    return [str(id_) for (id_,) in db.execute(_CLOSING, {"limit": limit})]


def close(db: Connection, rules: Rules, *, group_id: str) -> None:
    """The time is over and parts are missing: what was paid is owed back, and the organiser is told. Nothing happens if the
    group is full or ended."""
    group = group_records.held(db, group_id)
    if not end(db, group_id, "unmet"):
        return
    told: dict[str, Value] = {"number": group.number, "paid": group.paid, "parts": group.parts, "issuer": group.issuer}
    organiser = members.get(db, group.organiser_id)
    notices.send(db, organiser, rules.routes, notices.GROUP_UNMET, amount=group.worth, **told)


def end(db: Connection, group_id: str, state: str) -> bool:
    """Close an open group gift without a gift (`unmet` only after its time): what was paid is owed back. Whether it was
    open until now."""
    if not db.execute(_END, {"group": group_id, "state": state}).scalar():
        return False
    db.execute(_OWED, {"group": group_id})
    return True


def to_return(db: Connection, *, limit: int) -> list[str]:
    """Ids of parts that are owed back. A part that the giver's bank takes back, or has taken, is not paid back as well."""
    return [str(id_) for (id_,) in db.execute(_TO_RETURN, {"limit": limit})]


def give_back(db: Connection, rules: Rules, *, part_id: str) -> None:
    """A part that is owed back goes back over its rail, and its giver is told. Doing so twice does it once."""
    group_id, _, giver_id, reference, amount_minor, currency, _ = db.execute(_PART, {"id": part_id}).one()
    members.lock(db, giver_id)
    if not db.execute(_RETURN, {"id": part_id}).scalar():
        return
    group, amount = group_records.get(db, group_id), Money(amount_minor, currency)
    assert group is not None, "a part has its group"
    sentence = notices.GROUP_CALLED_OFF if group.state == "called_off" else notices.PART_BACK
    giver = members.get(db, giver_id)
    told: dict[str, Value] = {"giver": group.organiser, "number": group.number, "total": amount, "reference": reference}
    notices.send(db, giver, rules.routes, sentence, **told)
    refund_id = str(uuid5(NAMESPACE_URL, f"giftline:group part:{part_id}"))
    ledger.post(db, f"{refund_id}:owed", chart.part_returned(group_id, refund_id, amount))
    refunds.start(db, rules, refund_id, charge_id=part_id, payee_id=giver_id, amount=amount, why="group unmet")


def all_in(db: Connection, *, limit: int) -> list[str]:
    """Ids of group gifts of which every part is paid, and which are not given yet."""
    return [str(id_) for (id_,) in db.execute(_ALL_IN, {"limit": limit})]


def give(db: Connection, rules: Rules, *, group_id: str) -> None:
    """Every part is paid: issue the sheet to the organiser, offer it to the recipient, and tell every giver. Once.

    Refused or lapsed it returns to the organiser, who holds it for the group (`tell_answer` says so to all).
    """
    group = group_records.get(db, group_id)
    assert group is not None, "a group gift is never deleted"
    members.lock(db, group.organiser_id)
    gift_id = str(uuid5(NAMESPACE_URL, f"giftline:group gift:{group_id}"))
    if not db.execute(_GIVEN, {"group": group_id, "gift": gift_id}).scalar():
        return
    ledger.post(db, f"{group_id}:complete", chart.pool_complete(group_id, group.total))
    certificate = _issue(db, rules, group)
    givers = [int(id_) for id_ in db.execute(_GIVERS, {"group": group_id}).scalars()]
    organiser = members.get(db, group.organiser_id)
    _offer(db, rules, group, gift_id, organiser, certificate, others=len({*givers} - {organiser.id}))
    told: dict[str, Value] = {
        "number": group.number,
        "giver": group.organiser,
        "issuer": group.issuer,
        "amount": group.worth,
    }
    for giver_id in givers:
        if giver_id != organiser.id:  # who hears of the gift itself
            giver = members.get(db, giver_id)
            notices.send(db, giver, rules.routes, notices.GROUP_GIVEN, parts=group.parts, **told)


def answers(db: Connection, *, limit: int) -> list[str]:
    """Ids of group gifts that the recipient has answered, or let lapse, of which the givers were not told."""
    return [str(id_) for (id_,) in db.execute(_ANSWERS, {"limit": limit})]


def tell_answer(db: Connection, rules: Rules, *, group_id: str) -> None:
    """Tell every giver how the gift was answered, once; the organiser heard it as the giver of it."""
    answer = db.execute(_ANSWERED, {"group": group_id}).scalar()
    group = group_records.get(db, group_id)
    if answer is None or group is None:
        return
    told: dict[str, Value] = {"number": group.number, "issuer": group.issuer, "amount": group.worth}
    for giver_id in db.execute(_GIVERS, {"group": group_id}).scalars():
        giver = members.get(db, giver_id)
        if giver_id == group.organiser_id:
            continue
        if answer == "accepted":
            notices.send(db, giver, rules.routes, notices.GROUP_ACCEPTED, **told)
        else:
            notices.send(db, giver, rules.routes, notices.GROUP_CAME_BACK, giver=group.organiser, **told)


def _place(db: Connection, group: Group, amount_minor: int) -> int | None:
    """The first free place of which this is the part to pay."""
    found: int | None = db.execute(_PLACE, {"group": group.id, "amount_minor": amount_minor}).scalar()
    return found


def _issue(db: Connection, rules: Rules, group: Group) -> int:
    purchase = {
        "id": str(uuid5(NAMESPACE_URL, f"giftline:group purchase:{group.id}")),
        "reference": new_reference(),
        "buyer": group.organiser_id,
        "denomination": group.denomination_id,
        "amount_minor": group.worth.amount_minor,
        "fee_minor": group.fee.amount_minor,
        "currency": group.worth.currency,
        "rail": PURCHASE_RAIL,
    }
    db.execute(_PURCHASE, purchase)
    orders.issue(db, rules, orders.read(db, str(purchase["id"])))
    return int(db.execute(_SHEET, {"purchase": purchase["id"]}).scalar_one())


def _offer(
    db: Connection, rules: Rules, group: Group, gift_id: str, organiser: Member, certificate: int, *, others: int
) -> None:
    gifting.give(
        db,
        rules,
        gift_id=gift_id,
        giver=organiser,
        certificates=[certificate],
        recipient=group.recipient,
        note=group.note,
        receipt=True,
        others=others,
    )
