"""Redemption: a one-time code asked for by the holder, checked and used by a clerk. One code, one use, one winner."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from circulation import chart, members, notices, wallet
from circulation.attempts import CODE_BY_CLERK, CODE_BY_STORE
from circulation.catalogue import Clerk
from circulation.codes import shown
from circulation.members import Member
from circulation.money import Money
from circulation.references import new_reference
from circulation.refusals import Refusal
from circulation.rules import Rules
from circulation.values import Value
from storage import ledger
from storage.ledger import BalanceTooLow


@dataclass(frozen=True, slots=True)
class Code:
    """A live code, in groups of four as people read it, and until when it works."""

    code: str
    limit: Money
    until: datetime


@dataclass(frozen=True, slots=True)
class Payable:
    """What a good code can pay at this clerk's store."""

    issuer: str
    most: Money
    until: datetime


@dataclass(frozen=True, slots=True)
class Use:
    """A use that was approved: `again` when this clerk had already made it and only asked twice."""

    reference: str
    amount: Money
    again: bool


_ASKED = text("""
    SELECT r.certificate_id, r.limit_minor, c.currency, r.expires_at
    FROM redemption_code r JOIN certificate c ON c.id = r.certificate_id WHERE r.id = :id AND r.holder_id = :holder
""")
_VOID = text("UPDATE redemption_code SET state = 'voided' WHERE holder_id = :holder AND state = 'live'")
_ASK = text("""
    INSERT INTO redemption_code (id, digest, key_id, holder_id, certificate_id, limit_minor, expires_at)
    VALUES (:id, :digest, :key_id, :holder, :certificate, :limit_minor, clock() + make_interval(secs => :seconds))
    RETURNING expires_at
""")
_LIVE = """
    r.digest = ANY(:digests) AND r.state = 'live' AND r.expires_at > clock() AND c.id = r.certificate_id
    AND i.id = c.issuer_id AND c.holder_id = r.holder_id
    AND EXISTS (SELECT FROM acceptance a WHERE a.store_id = :store AND a.issuer_id = c.issuer_id)
"""
_FIELDS = "r.id::text, r.holder_id, c.id, r.limit_minor, c.currency, i.name, r.expires_at"
_CHECK = text(f"SELECT {_FIELDS} FROM redemption_code r, certificate c, issuer i WHERE {_LIVE}")
_TAKE = text(f"""
    UPDATE redemption_code r SET state = 'used' FROM certificate c, issuer i WHERE {_LIVE} RETURNING {_FIELDS}
""")
_OWN_USE = text("""
    SELECT u.reference, u.amount_minor, u.currency FROM redemption u JOIN redemption_code r ON r.id = u.code_id
    WHERE r.digest = ANY(:digests) AND u.clerk_id = :clerk AND u.amount_minor = :amount_minor
      AND u.created_at > clock() - make_interval(secs => :seconds)
""")
_USE = text("""
    INSERT INTO redemption (id, reference, code_id, certificate_id, holder_id, store_id, clerk_id, amount_minor,
                            commission_minor, currency)
    VALUES (:id, :reference, :code, :certificate, :holder, :store, :clerk, :amount_minor, :commission_minor, :currency)
""")
_GIVER = text("""
    SELECT giver_id FROM gift WHERE certificate_id = :certificate AND state = 'accepted' AND recipient_id = :holder
    ORDER BY answered_at DESC LIMIT 1
""")


def ask_code(
    db: Connection,
    rules: Rules,
    *,
    code_id: str,
    holder: Member,
    certificate_id: int,
    limit: Money | None,
    receipt: bool,
) -> Code:
    """A new one-time code for one certificate; it voids the holder's code before it.

    `limit` is the most it may pay; None: all that is left. `receipt` sends it by text as well. The same `code_id` gives
    the same code.
    Raises Refusal `not_yours`, `nothing_left` or `over_balance`.
    """
    members.lock(db, holder.id)
    code = rules.code_keys.code_for(code_id)
    if asked_before := db.execute(_ASKED, {"id": code_id, "holder": holder.id}).first():
        certificate, limit_minor, currency, until = asked_before
        return Code(shown(code), _most(db, certificate, limit_minor, currency), until)
    currency, issuer = wallet.lock(db, holder.id, certificate_id)
    db.execute(_VOID, {"holder": holder.id})  # waits for a use that is under way: what is left is what it leaves
    balance = Money(ledger.balance(db, "2100", str(certificate_id), currency), currency)
    if not balance.amount_minor:
        raise Refusal("nothing_left")
    if limit is not None and limit.amount_minor > balance.amount_minor:
        raise Refusal("over_balance", balance=balance)
    key_id, digest = rules.code_keys.seal(code)
    asked = {
        "id": code_id,
        "digest": digest,
        "key_id": key_id,
        "holder": holder.id,
        "certificate": certificate_id,
        "limit_minor": limit.amount_minor if limit else None,
        "seconds": rules.code_seconds,
    }
    until = db.execute(_ASK, asked).scalar_one()
    most = limit or balance
    if receipt:
        told: dict[str, Value] = {"code": shown(code), "until": until, "limit": most, "issuer": issuer}
        notices.send(db, holder, rules.sms_provider, notices.CODE, **told)
    return Code(shown(code), most, until)


def check(db: Connection, rules: Rules, *, clerk: Clerk, code: str) -> Payable:
    """Whether a code is good at this clerk's store, and for how much. Uses nothing.

    A code that is unknown, expired, used or for other stores is refused in the same words: Refusal `code_refused`.
    The attempt is counted before the code is looked at; raises Refusal `locked` after too many bad ones.
    """
    _reserve(rules, clerk)
    row = db.execute(_CHECK, {"digests": _digests(rules, code), "store": clerk.store_id}).first()
    if row is None:
        raise Refusal("code_refused")
    _, _, certificate, limit_minor, currency, issuer, until = row
    _forgive(rules, clerk)
    return Payable(issuer, _most(db, certificate, limit_minor, currency), until)


def use(db: Connection, rules: Rules, *, use_id: str, clerk: Clerk, code: str, amount: Money) -> Use:
    """Pay `amount` with a code, whole or part; what is left stays on the certificate. Holder and giver are told.

    One conditional update takes the code, so that of any number of clerks one wins. The clerk who asks again for the
    same use is told so and pays nothing. Raises Refusal as `check` does, or `over_code` (the code stays good).
    """
    _reserve(rules, clerk)
    digests = _digests(rules, code)
    row = db.execute(_TAKE, {"digests": digests, "store": clerk.store_id}).first()
    if row is None:
        return _used_before(db, rules, clerk, digests, amount)
    code_id, holder_id, certificate, limit_minor, currency, issuer, _ = row
    _forgive(rules, clerk)
    most = _most(db, certificate, limit_minor, currency)
    if amount.currency != currency or amount.amount_minor > most.amount_minor:
        raise Refusal("over_code", limit=most)
    commission = Money((amount.amount_minor * clerk.commission_bps + 5_000) // 10_000, currency)
    reference = new_reference()
    use_row = {
        "id": use_id,
        "reference": reference,
        "code": code_id,
        "certificate": certificate,
        "holder": holder_id,
        "store": clerk.store_id,
        "clerk": clerk.id,
        "amount_minor": amount.amount_minor,
        "commission_minor": commission.amount_minor,
        "currency": currency,
    }
    try:
        ledger.post(db, f"{use_id}:authorised", chart.authorised({certificate: amount}, code_id))
    except BalanceTooLow as error:
        raise Refusal("over_code", limit=most) from error
    ledger.post(db, f"{use_id}:captured", chart.captured(clerk.store_id, code_id, amount, commission, {}))
    db.execute(_USE, use_row)
    _tell(db, rules, clerk, holder_id, certificate, issuer, amount, reference)
    return Use(reference, amount, again=False)


def _tell(
    db: Connection,
    rules: Rules,
    clerk: Clerk,
    holder_id: int,
    certificate: int,
    issuer: str,
    amount: Money,
    reference: str,
) -> None:
    """The holder learns where and what is left; the giver of it, that it was used and not where."""
    holder = members.get(db, holder_id)
    left = Money(ledger.balance(db, "2100", str(certificate), amount.currency), amount.currency)
    told: dict[str, Value] = {"amount": amount, "issuer": issuer, "reference": reference}
    notices.send(db, holder, rules.sms_provider, notices.USED, store=clerk.store, left=left, **told)
    giver_id = db.execute(_GIVER, {"certificate": certificate, "holder": holder_id}).scalar()
    if giver_id is not None:
        giver = members.get(db, int(giver_id))
        notices.send(db, giver, rules.sms_provider, notices.GIFT_USED, recipient=holder.msisdn, **told)


def _used_before(db: Connection, rules: Rules, clerk: Clerk, digests: list[bytes], amount: Money) -> Use:
    own = {
        "digests": digests,
        "clerk": clerk.id,
        "amount_minor": amount.amount_minor,
        "seconds": rules.code_seconds,
    }
    row = db.execute(_OWN_USE, own).first()
    if row is None:
        raise Refusal("code_refused")
    _forgive(rules, clerk)
    return Use(row.reference, Money(row.amount_minor, row.currency), again=True)


def _most(db: Connection, certificate: int, limit_minor: int | None, currency: str) -> Money:
    balance = ledger.balance(db, "2100", str(certificate), currency)
    return Money(balance if limit_minor is None else min(balance, limit_minor), currency)


def _digests(rules: Rules, code: str) -> list[bytes]:
    return [digest for _, digest in rules.code_keys.candidates(code)]


def _reserve(rules: Rules, clerk: Clerk) -> None:
    rules.attempts.reserve(CODE_BY_CLERK, str(clerk.id))
    rules.attempts.reserve(CODE_BY_STORE, str(clerk.store_id))


def _forgive(rules: Rules, clerk: Clerk) -> None:
    rules.attempts.forgive(CODE_BY_CLERK, str(clerk.id))
    rules.attempts.forgive(CODE_BY_STORE, str(clerk.store_id))
