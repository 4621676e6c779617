"""One-time codes: asked for by the holder for one certificate or several; looked at and taken by a clerk.

What a code pays is decided at the till: only what its holder still holds, what has not expired and what that store takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from circulation import members, notices, wallet
from circulation.attempts import CODE_BY_CLERK, CODE_BY_STORE
from circulation.catalogue import Clerk
from circulation.codes import shown
from circulation.members import Member
from circulation.money import Money
from circulation.refusals import Refusal
from circulation.rules import Rules


@dataclass(frozen=True, slots=True)
class Code:
    """A live code, in groups of four as people read it, and until when it works. `limit` is the most one store may take."""

    code: str
    limit: Money
    until: datetime


@dataclass(frozen=True, slots=True)
class Payable:
    """What a good code can pay at this clerk's store; `issuer` names every issuer of it."""

    issuer: str
    most: Money
    until: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """A code that nobody else can take any more: what it pays here, and from which certificates, in the order of use."""

    id: str
    holder_id: int
    most: Money
    parts: dict[int, Money]


_ASKED = text("SELECT limit_minor, expires_at FROM redemption_code WHERE id = :id AND holder_id = :holder")
_LOCK = text(f"""
    SELECT i.name, c.state = 'expired' OR (c.state = 'live' AND NOT {wallet.SPENDABLE})
    FROM certificate c JOIN issuer i ON i.id = c.issuer_id
    WHERE c.id = ANY(:certificates) AND c.holder_id = :holder ORDER BY c.id FOR NO KEY UPDATE OF c
""")
_VOID = text("UPDATE redemption_code SET state = 'voided' WHERE holder_id = :holder AND state = 'live'")
_ASK = text("""
    INSERT INTO redemption_code (id, digest, key_id, holder_id, limit_minor, expires_at)
    VALUES (:id, :digest, :key_id, :holder, :limit_minor, clock() + make_interval(secs => :seconds)) RETURNING expires_at
""")
_CARRY = text(f"""
    INSERT INTO code_certificate (code_id, place, certificate_id)
    SELECT :id, row_number() OVER (ORDER BY {wallet.SOONEST_FIRST}), c.id FROM certificate c WHERE c.id = ANY(:certificates)
""")
_PARTS = f"""
    FROM redemption_code r JOIN code_certificate k ON k.code_id = r.id
    JOIN certificate c ON c.id = k.certificate_id AND c.holder_id = r.holder_id AND {wallet.SPENDABLE}
"""
_BALANCES = """
    JOIN account b2100 ON b2100.code = '2100' AND b2100.owner = c.id::text AND b2100.currency = c.currency
    JOIN balance b ON b.account_id = b2100.id
"""
_ACCEPTED = "JOIN acceptance a ON a.store_id = :store AND a.issuer_id = c.issuer_id"
_CARRIED = text("SELECT certificate_id FROM code_certificate WHERE code_id = :id ORDER BY place")
_LIVE = f"""
    q.digest = ANY(:digests) AND q.state = 'live' AND q.expires_at > clock()
    AND EXISTS (SELECT {_PARTS} {_ACCEPTED} WHERE r.id = q.id)
"""
_FIELDS = "q.id::text, q.holder_id, q.limit_minor, q.expires_at"
_CHECK = text(f"SELECT {_FIELDS} FROM redemption_code q WHERE {_LIVE}")
_TAKE = text(f"UPDATE redemption_code q SET state = 'used' WHERE {_LIVE} RETURNING {_FIELDS}")
_PAYS = text(f"""
    SELECT c.id, i.name, c.currency, b.amount_minor {_PARTS} {_ACCEPTED} {_BALANCES}
    JOIN issuer i ON i.id = c.issuer_id WHERE r.id = :id ORDER BY k.place
""")


def ask_code(
    db: Connection,
    rules: Rules,
    *,
    code_id: str,
    holder: Member,
    certificates: Sequence[int],
    limit: Money | None,
    receipt: bool,
) -> Code:
    """A new one-time code for these certificates, all of one currency; it voids the holder's code before it.

    `limit` is the most it may pay; None: all that one store takes. `receipt` sends it by text as well. The same `code_id`
    gives the same code. Raises Refusal `not_yours`, `expired`, `nothing_left`, or `over_balance` (for several
    `over_together`).
    """
    members.lock(db, holder.id)
    code = rules.code_keys.code_for(code_id)
    if asked_before := db.execute(_ASKED, {"id": code_id, "holder": holder.id}).first():
        carried = [int(id_) for id_ in db.execute(_CARRIED, {"id": code_id}).scalars()]
        most = _within(wallet.most(db, rules, holder.id, carried), asked_before.limit_minor)
        return Code(shown(code), most, asked_before.expires_at)
    wanted = {"certificates": list(certificates), "holder": holder.id, "zone": rules.zone}
    held = db.execute(_LOCK, wanted).all()
    if len(held) != len(set(certificates)):
        raise Refusal("not_yours")
    if all(expired for _, expired in held):
        raise Refusal("expired")
    db.execute(_VOID, {"holder": holder.id})  # waits for a use that is under way: what is left is what it leaves
    key_id, digest = rules.code_keys.seal(code)
    asked = {
        "id": code_id,
        "digest": digest,
        "key_id": key_id,
        "holder": holder.id,
        "limit_minor": limit.amount_minor if limit else None,
        "seconds": rules.code_seconds,
    }
    until = db.execute(_ASK, asked).scalar_one()
    db.execute(_CARRY, {"id": code_id, "certificates": list(certificates)})
    best = wallet.most(db, rules, holder.id, certificates)
    if not best.amount_minor:
        raise Refusal("nothing_left")
    if limit is not None and limit.amount_minor > best.amount_minor:
        raise Refusal("over_balance" if len(held) == 1 else "over_together", balance=best)
    most = limit or best
    if receipt:
        _tell(db, rules, holder, shown(code), until, most, sorted({issuer for issuer, _ in held}))
    return Code(shown(code), most, until)


def check(db: Connection, rules: Rules, *, clerk: Clerk, code: str) -> Payable:
    """Whether a code is good at this clerk's store, and for how much. Uses nothing.

    A code that is unknown, expired, used or for other stores is refused in the same words: Refusal `code_refused`.
    The attempt is counted before the code is looked at; raises Refusal `locked` after too many bad ones.
    """
    reserve(rules, clerk)
    row = db.execute(_CHECK, {"digests": digests(rules, code), "store": clerk.store_id, "zone": rules.zone}).first()
    if row is None:
        raise Refusal("code_refused")
    code_id, _, limit_minor, until = row
    issuers, parts = _pays(db, rules, clerk, code_id)
    forgive(rules, clerk)
    return Payable(wallet.named(issuers), _within(_sum(parts), limit_minor), until)


def take(db: Connection, rules: Rules, clerk: Clerk, code: str) -> Taken | None:
    """Take a good code for this clerk's store; None when it is not good here. Of any number of clerks one has it.

    The attempt must have been counted before, and is to be forgiven by who took a code.
    """
    row = db.execute(_TAKE, {"digests": digests(rules, code), "store": clerk.store_id, "zone": rules.zone}).first()
    if row is None:
        return None
    code_id, holder_id, limit_minor, _ = row
    _, parts = _pays(db, rules, clerk, code_id)
    return Taken(code_id, holder_id, _within(_sum(parts), limit_minor), parts)


def digests(rules: Rules, code: str) -> list[bytes]:
    """What a typed code is looked up by."""
    return [digest for _, digest in rules.code_keys.candidates(code)]


def reserve(rules: Rules, clerk: Clerk) -> None:
    """Count an attempt at a code, for the till and for its store. Raises Refusal `locked`."""
    rules.attempts.reserve(CODE_BY_CLERK, str(clerk.id))
    rules.attempts.reserve(CODE_BY_STORE, str(clerk.store_id))


def forgive(rules: Rules, clerk: Clerk) -> None:
    """The code was good: that attempt is taken back."""
    rules.attempts.forgive(CODE_BY_CLERK, str(clerk.id))
    rules.attempts.forgive(CODE_BY_STORE, str(clerk.store_id))


def _pays(db: Connection, rules: Rules, clerk: Clerk, code_id: str) -> tuple[list[str], dict[int, Money]]:
    """Read after the code was taken, so that what is left is what the use before it left. Raises Refusal `code_refused`."""
    rows = db.execute(_PAYS, {"id": code_id, "store": clerk.store_id, "zone": rules.zone}).all()
    if not rows:  # they left the holder's hands, or expired, since the code was found good
        raise Refusal("code_refused")
    return [name for _, name, _, _ in rows], {int(id_): Money(minor, currency) for id_, _, currency, minor in rows}


def _tell(
    db: Connection, rules: Rules, holder: Member, code: str, until: datetime, most: Money, issuers: list[str]
) -> None:
    if len(issuers) == 1:
        notices.send(
            db,
            holder,
            rules.routes,
            notices.CODE,
            code=code,
            until=until,
            limit=most,
            issuer=issuers[0],
        )
    else:
        notices.send(db, holder, rules.routes, notices.CODE_TOGETHER, code=code, until=until, limit=most)


def _sum(parts: dict[int, Money]) -> Money:
    first, *rest = parts.values()
    return sum(rest, start=first)


def _within(amount: Money, limit_minor: int | None) -> Money:
    return amount if limit_minor is None else min(amount, Money(limit_minor, amount.currency))
