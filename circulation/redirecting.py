"""What a giver may do about a gift that was not answered: another number, a call, the text once more, or let it wait.

The value rests in the same escrow throughout: nothing is posted. Against an answer at the same moment exactly one wins.
What is taken back stands in recalling.py.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from circulation import gifting, ladder, mailing, members, notices, sending_limits, wishes
from circulation.email_address import Email
from circulation.ladder import Gift
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.rules import Rules
from circulation.values import Value

MOST_A_DAY = 3
"""Numbers to which one gift may go on within 24 hours. Each counts as a gift of its giver's, too (sending_limits.py)."""
MOST_TEXTS = 3
"""Texts about one offer, in any form, with those that the giver asked for."""
PAUSE_SECONDS = 600
"""A recipient has this long to read before the same is texted again."""


@dataclass(frozen=True, slots=True)
class Redirected:
    """A gift that goes to somebody else now."""

    reference: str
    issuer: str
    amount: Money


_HOLD = text("""
    SELECT g.state, g.state = 'offered' AND g.lapses_at <= clock() AS late, g.recipient_id, g.recipient_email, g.reference,
           i.name AS issuer, g.amount_minor, g.currency,
           EXISTS (SELECT FROM group_gift x WHERE x.gift_id = g.id AND x.state = 'given')
               OR EXISTS (SELECT FROM gift_list_line l WHERE l.gift_id = g.id) AS shared,
           (SELECT count(*) FROM gift_redirect d WHERE d.gift_id = g.id AND d.created_at > clock() - interval '1 day') AS today
    FROM gift g JOIN issuer i ON i.id = g.issuer_id WHERE g.id = :id AND g.giver_id = :giver FOR NO KEY UPDATE OF g
""")
_LEFT = text("INSERT INTO gift_redirect (gift_id, recipient_id) VALUES (:id, :recipient)")
_REDIRECT = text("""
    UPDATE gift SET recipient_id = :recipient, recipient_email = :email, times_named = 0, unreached = '',
        giver_asked_at = NULL, call_at = NULL,
        sent_at = CASE state WHEN 'offered' THEN clock() END,
        lapses_at = CASE state WHEN 'offered' THEN clock() + make_interval(secs => :seconds) END
    WHERE id = :id
""")
# Who had the gift before sees no more of it: not its page, and not the barcode that will stand there.
_CLOSE_PAGES = text("UPDATE media SET expires_at = clock() WHERE gift_id = :id AND expires_at > clock()")
_UNDER_WAY = text("""
    SELECT count(*) FILTER (WHERE o.state IN ('queued', 'claimed') OR (o.form = 'voice' AND o.state = 'sent')) > 0 AS busy,
           count(*) FILTER (WHERE o.form <> 'voice') AS texts,
           coalesce(max(o.created_at) FILTER (WHERE o.form <> 'voice') > clock() - make_interval(secs => :pause), false) AS fresh
    FROM outbox o JOIN gift g ON g.id = o.gift_id WHERE o.gift_id = :id AND o.created_at >= g.sent_at
""")
_LET_WAIT = text("UPDATE gift SET giver_asked_at = NULL WHERE id = :id AND giver_id = :giver")


def redirect(
    db: Connection, rules: Rules, *, gift_id: str, giver: Member, recipient: Msisdn | Email, receipt: bool
) -> Redirected:
    """Offer a gift that was not answered, or not even sent, to somebody else, who has the whole time to answer.

    Who had been told of it before is told that it no longer waits. Doing it twice does it once. `receipt` sends the giver a
    text as well. Raises Refusal `own_number`, `same_number`, `gift_shared` (others paid for it, or it is of a company's list),
    `redirected_enough`, `gift_answered`, `gift_recalled`, `gift_lapsed`, or one of sending_limits.py.
    """
    if recipient == giver.msisdn:
        raise Refusal("own_number")
    members.lock(db, giver.id)
    held = _hold(db, gift_id, giver)
    if held.shared:
        raise Refusal("gift_shared")
    redirected = Redirected(held.reference, held.issuer, Money(held.amount_minor, held.currency))
    before = gifting.named(db, held.recipient_email, held.recipient_id)
    if before == recipient:
        if held.today:
            return redirected
        raise Refusal("same_number")
    if held.today >= MOST_A_DAY:
        raise Refusal("redirected_enough", most=MOST_A_DAY)
    _move(db, rules, gift_id, giver, held.recipient_id, recipient)
    if held.state == "offered":
        _tell_earlier(db, rules, giver, before, held.recipient_id, redirected)
        ladder.offer(db, rules, gift_id)
    if receipt:
        told: dict[str, Value] = {"issuer": held.issuer, "amount": redirected.amount, "reference": held.reference}
        notices.send(db, giver, rules.routes, notices.GIFT_REDIRECTED, recipient=recipient, earlier=before, **told)
    return redirected


def call(db: Connection, rules: Rules, *, gift_id: str, giver: Member) -> datetime | None:
    """Have the recipient called about an unanswered gift; at night the next morning, and then when that is.

    Raises Refusal `on_its_way`, `not_callable`, `gift_answered`, `gift_recalled` or `gift_lapsed`.
    """
    gift = _held(db, gift_id, giver)
    if gift.recipient_id is None:
        raise Refusal("not_callable")
    to = members.get(db, gift.recipient_id)
    if db.execute(_UNDER_WAY, {"id": gift_id, "pause": PAUSE_SECONDS}).one().busy:
        raise Refusal("on_its_way")
    if not ladder.may_call(db, rules, gift_id, to.msisdn):
        raise Refusal("not_callable")
    return ladder.call(db, rules, gift, to)


def may_text(db: Connection, rules: Rules, gift_id: str, to: Msisdn | Email) -> bool:
    """Whether this recipient may be texted about an unanswered gift once more, now."""
    if not isinstance(to, Msisdn) or not rules.routes.carries("sms", to):
        return False
    under_way = db.execute(_UNDER_WAY, {"id": gift_id, "pause": PAUSE_SECONDS}).one()
    told_lately = under_way.busy or under_way.fresh or under_way.texts >= MOST_TEXTS
    return not told_lately and wishes.takes_gifts(db, rules.routes, to)


def text_again(db: Connection, rules: Rules, *, gift_id: str, giver: Member) -> None:
    """Text the recipient about an unanswered gift once more.

    Raises Refusal `texted_enough`, `not_callable`, `gift_answered`, `gift_recalled` or `gift_lapsed`.
    """
    gift = _held(db, gift_id, giver)
    to = members.get(db, gift.recipient_id) if gift.recipient_id is not None else None
    if to is None or not may_text(db, rules, gift_id, to.msisdn):
        raise Refusal("texted_enough")
    ladder.write(db, rules, gift, to)


def let_wait(db: Connection, *, gift_id: str, giver: Member) -> None:
    """The giver leaves an unanswered gift as it is, and is asked no more."""
    db.execute(_LET_WAIT, {"id": gift_id, "giver": giver.id})


def _move(
    db: Connection, rules: Rules, gift_id: str, giver: Member, earlier_id: int | None, recipient: Msisdn | Email
) -> None:
    """The gift is somebody else's to answer from now on."""
    known = members.meet(db, recipient, giver.language) if isinstance(recipient, Msisdn) else None
    sending_limits.count_gift(db, rules, giver, known)
    db.execute(_LEFT, {"id": gift_id, "recipient": earlier_id})
    email = recipient.address if isinstance(recipient, Email) else None
    to = {"recipient": known.id if known else None, "email": email, "seconds": rules.gift_lapse_seconds}
    db.execute(_REDIRECT, {"id": gift_id, **to})
    db.execute(_CLOSE_PAGES, {"id": gift_id})


def _tell_earlier(
    db: Connection,
    rules: Rules,
    giver: Member,
    before: Msisdn | Email,
    earlier_id: int | None,
    gift: Redirected,
) -> None:
    """Who was asked before need not answer any more."""
    if earlier_id is not None:
        told: dict[str, Value] = {"giver": giver.name, "issuer": gift.issuer, "amount": gift.amount}
        notices.send(db, members.get(db, earlier_id), rules.routes, notices.GIFT_RECALLED, **told)
    if isinstance(before, Email):
        mailing.recalled(db, rules, before, giver, gift.issuer, gift.amount)


def _hold(db: Connection, gift_id: str, giver: Member) -> Any:
    """The row of a gift of this giver's that was not answered, which stays so until the transaction ends."""
    held = db.execute(_HOLD, {"id": gift_id, "giver": giver.id}).first()
    if held is None:
        raise gifting.ended("unknown")
    if held.late or held.state not in ("scheduled", "offered"):
        raise gifting.ended(held.state, bool(held.late))
    return held


def _held(db: Connection, gift_id: str, giver: Member) -> Gift:
    """A gift of this giver's that waits for its answer, until the transaction ends."""
    members.lock(db, giver.id)
    if _hold(db, gift_id, giver).state != "offered":
        raise Refusal("not_callable")
    return ladder.hold(db, gift_id)
