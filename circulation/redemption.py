"""Redemption: what a clerk takes with a code. Held first (authorised), then captured in whole or part, or let go.

Each use has an id minted before it is asked for, and one conditional update decides what becomes of it. A hold belongs to
the use (2120), and ends when its time is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from circulation import chart, coming_back, members, notices, one_time_codes, uses
from circulation.catalogue import Clerk
from circulation.money import Money
from circulation.references import new_reference
from circulation.refusals import Refusal
from circulation.rules import Rules
from circulation.values import Value
from storage import ledger
from storage.ledger import BalanceTooLow

HOLD_SECONDS = 1_800
"""How long a store may keep a hold before it takes the money: long enough to fill a tank or a trolley."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A use that is held for the store until `until`: `again` when it had been held before and was only asked for twice."""

    reference: str
    amount: Money
    until: datetime
    again: bool


@dataclass(frozen=True, slots=True)
class Use:
    """A use that was captured: `again` when it had been captured before and was only asked for twice."""

    reference: str
    amount: Money
    again: bool


_OWN_USE = text("""
    SELECT u.reference, u.captured_minor, u.currency FROM redemption u JOIN redemption_code r ON r.id = u.code_id
    WHERE r.digest = ANY(:digests) AND u.clerk_id = :clerk AND u.state = 'captured' AND u.captured_minor = :amount_minor
      AND u.created_at > clock() - make_interval(secs => :seconds)
""")
_HOLD = text("""
    INSERT INTO redemption (id, reference, code_id, holder_id, store_id, clerk_id, amount_minor, currency, state, hold_until)
    VALUES (:id, :reference, :code, :holder, :store, :clerk, :amount_minor, :currency, 'authorised',
            clock() + make_interval(secs => :seconds)) RETURNING hold_until
""")
_HOLD_PARTS = text("""
    INSERT INTO redemption_part (redemption_id, place, certificate_id, amount_minor)
    SELECT :id, p.place, p.certificate_id, p.amount_minor
    FROM unnest(CAST(:certificates AS bigint[]), CAST(:amounts AS bigint[])) WITH ORDINALITY
         AS p(certificate_id, amount_minor, place)
""")
_CAPTURE = text("""
    UPDATE redemption SET state = 'captured', captured_minor = :amount_minor, commission_minor = :commission_minor,
        ended_at = clock()
    WHERE id = :id AND state = 'authorised' AND hold_until > clock() AND amount_minor >= :amount_minor RETURNING true
""")
_CAPTURE_PARTS = text("""
    UPDATE redemption_part p SET captured_minor = c.amount_minor
    FROM unnest(CAST(:certificates AS bigint[]), CAST(:amounts AS bigint[])) AS c(certificate_id, amount_minor)
    WHERE p.redemption_id = :id AND p.certificate_id = c.certificate_id
""")
_END = text("""
    UPDATE redemption SET state = :outcome, ended_at = clock()
    WHERE id = :id AND state = 'authorised' AND (:outcome = 'voided' OR hold_until <= clock()) RETURNING true
""")
_DUE = text("""
    SELECT id::text FROM redemption WHERE state = 'authorised' AND hold_until <= clock() ORDER BY hold_until LIMIT :limit
""")


def authorise(db: Connection, rules: Rules, *, use_id: str, clerk: Clerk, code: str, amount: Money) -> Hold:
    """Hold `amount` for this clerk's store, on the code's certificates in the order of the code; the holder is told.

    The code is used up by it. The same `use_id` holds once. Raises Refusal as `one_time_codes.check` does, `over_code`
    (the code stays good), `hold_ended` when this use has been let go or reversed, or `use_undone` when the store reversed it
    before it arrived.
    """
    held = _held(db, rules, use_id, clerk, code, amount)
    if held is None:
        raise Refusal("code_refused")
    use, again = held
    if not again:
        told: dict[str, Value] = {
            "store": clerk.store,
            "amount": use.amount,
            "until": use.hold_until,
            "reference": use.reference,
        }
        names = uses.issuers(db, use.id)
        notices.send(db, members.get(db, use.holder_id), rules.routes, notices.HELD, issuer=names, **told)
    return Hold(use.reference, use.amount, use.hold_until, again)


def capture(db: Connection, rules: Rules, *, use_id: str, clerk: Clerk, amount: Money) -> Use:
    """The store takes `amount` of what it held, less commission; the rest returns to the holder. Holder and givers are told.

    Any clerk of the store may. Capturing again gives the first answer. Raises Refusal `use_unknown` (also for another
    store's), `hold_ended` or `over_hold`.
    """
    use = uses.find(db, clerk, use_id)
    members.lock(db, use.holder_id)
    use = uses.find(db, clerk, use_id)
    if use.state == "captured":
        return Use(use.reference, use.captured, again=True)
    if amount.currency != use.amount.currency or not 0 < amount.amount_minor <= use.amount.amount_minor:
        raise Refusal("over_hold", limit=use.amount)
    _capture(db, rules, use, clerk, amount)
    return Use(use.reference, amount, again=False)


def void(db: Connection, rules: Rules, *, use_id: str, clerk: Clerk) -> None:
    """The store lets a hold go: all of it returns to the holder, who is told. What has ended uncaptured stays so.

    Raises Refusal `use_unknown` (also for another store's) or `use_captured`.
    """
    use = uses.find(db, clerk, use_id)
    members.lock(db, use.holder_id)
    if not let_go(db, rules, use, "voided") and uses.find(db, clerk, use_id).state == "captured":
        raise Refusal("use_captured")


def time_out(db: Connection, rules: Rules, *, use_id: str) -> None:
    """A hold's time is over: all of it returns to the holder, who is told. Nothing happens if it had ended."""
    use = uses.read(db, use_id)
    members.lock(db, use.holder_id)
    let_go(db, rules, use, "timed out")


def due(db: Connection, *, limit: int) -> list[str]:
    """Ids of the uses whose hold is over."""
    return [str(id_) for (id_,) in db.execute(_DUE, {"limit": limit})]


def use(db: Connection, rules: Rules, *, use_id: str, clerk: Clerk, code: str, amount: Money) -> Use:
    """Pay `amount` with a code, whole or part, at once; what is left stays on the certificates. Holder and givers are told.

    One conditional update takes the code, so that of any number of clerks one wins. The clerk who asks again for the
    same use is told so and pays nothing. Raises Refusal as `authorise` does.
    """
    found = _held(db, rules, use_id, clerk, code, amount)
    if found is None:
        return _used_before(db, rules, clerk, code, amount)
    held, again = found
    if held.state == "captured":
        return Use(held.reference, held.captured, again=True)
    if again:
        return capture(db, rules, use_id=use_id, clerk=clerk, amount=amount)
    _capture(db, rules, held, clerk, amount)
    return Use(held.reference, amount, again=False)


def let_go(db: Connection, rules: Rules, use: uses.Stored, outcome: str) -> bool:
    """End a hold without a capture (`outcome`: voided, or timed out); False when it had ended. The caller holds the
    holder's row."""
    if not db.execute(_END, {"id": use.id, "outcome": outcome}).scalar():
        return False
    parts = {part.certificate: part.amount for part in uses.parts(db, use.id)}
    back = coming_back.homes(db, rules, use.holder_id, parts)
    ledger.post(db, f"{use.id}:{outcome}", chart.voided(outcome, use.id, back))
    told: dict[str, Value] = {"store": use.store, "amount": use.amount, "reference": use.reference}
    notices.send(db, members.get(db, use.holder_id), rules.routes, notices.LET_GO, **told)
    return True


def _held(
    db: Connection, rules: Rules, use_id: str, clerk: Clerk, code: str, amount: Money
) -> tuple[uses.Stored, bool] | None:
    """The use with its hold, and whether it had been there before; None when the code is not good here."""
    one_time_codes.reserve(rules, clerk)
    uses.alone(db, use_id)
    if uses.undone(db, clerk, use_id):
        raise Refusal("use_undone")
    if before := uses.seen(db, clerk, use_id):
        one_time_codes.forgive(rules, clerk)
        if before.state not in ("authorised", "captured"):
            raise Refusal("hold_ended")
        return before, True
    taken = one_time_codes.take(db, rules, clerk, code)
    if taken is None:
        return None
    one_time_codes.forgive(rules, clerk)
    most = taken.most
    if amount.currency != most.currency or not 0 < amount.amount_minor <= most.amount_minor:
        raise Refusal("over_code", limit=most)
    parts = _first(taken.parts, amount)
    hold = {
        "id": use_id,
        "reference": new_reference(),
        "code": taken.id,
        "holder": taken.holder_id,
        "store": clerk.store_id,
        "clerk": clerk.id,
        "amount_minor": amount.amount_minor,
        "currency": amount.currency,
        "seconds": HOLD_SECONDS,
    }
    db.execute(_HOLD, hold)
    db.execute(_HOLD_PARTS, {"id": use_id, **_columns(parts)})
    try:
        ledger.post(db, f"{use_id}:authorised", chart.authorised(parts, use_id))
    except BalanceTooLow as error:
        raise Refusal("over_code", limit=most) from error
    return uses.read(db, use_id), False


def _capture(db: Connection, rules: Rules, use: uses.Stored, clerk: Clerk, amount: Money) -> None:
    """Capture of a hold by one conditional update. When it is less than was held, the caller holds the holder's row."""
    commission = Money((amount.amount_minor * clerk.commission_bps + 5_000) // 10_000, amount.currency)
    captured = {"id": use.id, "amount_minor": amount.amount_minor, "commission_minor": commission.amount_minor}
    if not db.execute(_CAPTURE, captured).scalar():
        raise Refusal("hold_ended")
    held = {part.certificate: part.amount for part in uses.parts(db, use.id)}
    spent = _first(held, amount)
    db.execute(_CAPTURE_PARTS, {"id": use.id, **_columns(spent)})
    rest = {
        certificate: Money(part.amount_minor - _minor(spent, certificate), part.currency)
        for certificate, part in held.items()
        if part.amount_minor > _minor(spent, certificate)
    }
    back = coming_back.homes(db, rules, use.holder_id, rest) if rest else {}
    ledger.post(db, f"{use.id}:captured", chart.captured(clerk.store_id, use.id, amount, commission, back))
    _tell(db, rules, clerk, use, amount, sheets=len(spent))


def _tell(db: Connection, rules: Rules, clerk: Clerk, use: uses.Stored, amount: Money, *, sheets: int) -> None:
    """The holder learns where and what is left; each giver of it, that it was used and not where."""
    holder, left, reference = members.get(db, use.holder_id), uses.left(db, use.id), use.reference
    paid: dict[str, Value] = {"amount": amount, "store": clerk.store, "left": left, "reference": reference}
    if sheets == 1:
        issuer = uses.issuers(db, use.id)
        notices.send(db, holder, rules.routes, notices.USED, issuer=issuer, **paid)
    else:
        notices.send(db, holder, rules.routes, notices.USED_TOGETHER, sheets=sheets, **paid)
    for given in uses.given(db, use.id):
        giver = members.get(db, given.giver_id)
        touched: dict[str, Value] = {"amount": given.amount, "issuer": given.issuer}
        touched["recipient"] = given.email or holder.msisdn
        notices.send(db, giver, rules.routes, notices.GIFT_USED, reference=reference, **touched)


def _used_before(db: Connection, rules: Rules, clerk: Clerk, code: str, amount: Money) -> Use:
    """The same clerk's use of the same code under another id. Raises Refusal `code_refused`."""
    own = {
        "digests": one_time_codes.digests(rules, code),
        "clerk": clerk.id,
        "amount_minor": amount.amount_minor,
        "seconds": rules.code_seconds,
    }
    row = db.execute(_OWN_USE, own).first()
    if row is None:
        raise Refusal("code_refused")
    one_time_codes.forgive(rules, clerk)
    return Use(row.reference, Money(row.captured_minor, row.currency), again=True)


def _first(parts: Mapping[int, Money], amount: Money) -> dict[int, Money]:
    """The first `amount` of these parts, in their order."""
    taken: dict[int, Money] = {}
    rest = amount.amount_minor
    for certificate, part in parts.items():
        if share := min(rest, part.amount_minor):
            taken[certificate] = Money(share, part.currency)
        rest -= share
    return taken


def _columns(parts: Mapping[int, Money]) -> dict[str, list[int]]:
    return {"certificates": list(parts), "amounts": [part.amount_minor for part in parts.values()]}


def _minor(parts: Mapping[int, Money], certificate: int) -> int:
    return parts[certificate].amount_minor if certificate in parts else 0
