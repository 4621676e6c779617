"""The ladder: in which form a recipient hears of a gift, and in which form next when that did not reach them.

A packed gift goes as an MMS where those are carried, else as a text with a link to its page; any other gift goes as a
text. Texts that do not reach a phone are followed by a call at a decent hour, and a call that nobody took by a text, if
none was sent. When nothing is left, the giver is told why and asked what to do (flows/unreached.py).

No form is used twice for one offer, but for an MMS that was too large and where the giver asks (circulation/redirecting.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection, text

from circulation import hours, links, mailing, members, notices, wishes
from circulation.email_address import Email
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.notices import Packet
from circulation.rules import Rules
from circulation.unreached import ASKED, ASKED_CALL, TOLD, Why, why
from circulation.values import Value

SMALLEST = 2
"""The last rung of a picture's sizes; 0 is the largest (contents/renditions.py)."""
MOST_BARCODES = 9
"""An MMS carries ten things (Twilio): the card and these."""
MOST_CALLS = 2
"""Calls about one offer, the ladder's own and those the giver asked for."""


class Filed(Protocol):
    """A notice that may be of a gift: its outbox row."""

    @property
    def id(self) -> int: ...
    @property
    def gift_id(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Gift:
    """A gift on its way. `open`: it waits for its answer. `others`: how many paid for it beside the giver; `listed`: it is one
    of a company's gift list."""

    id: str
    open: bool
    giver_id: int
    giver: str
    recipient_id: int | None
    email: str | None
    issuer: str
    amount: Money
    note: str
    until: datetime | None
    others: int
    listed: bool
    packed: bool


@dataclass(frozen=True, slots=True)
class _Row:
    """What is known of the failed notice. `latest`: none went out after it. `arrived`: another did arrive."""

    form: str
    code: str
    rung: int
    latest: bool
    arrived: bool


_READ = """
    SELECT g.id::text, g.state = 'offered' AND g.lapses_at > clock(), g.giver_id, coalesce(m.name, ''), g.recipient_id,
           g.recipient_email, i.name, g.amount_minor, g.currency, g.note, g.lapses_at,
           (SELECT count(DISTINCT p.giver_id) FROM group_gift x JOIN group_part p ON p.group_id = x.id
            WHERE x.gift_id = g.id AND x.state = 'given' AND p.state = 'paid' AND p.giver_id <> g.giver_id),
           EXISTS (SELECT FROM gift_list_line l WHERE l.gift_id = g.id),
           EXISTS (SELECT FROM gift_content k WHERE k.gift_id = g.id)
    FROM gift g JOIN issuer i ON i.id = g.issuer_id JOIN member m ON m.id = g.giver_id WHERE g.id = :id
"""
_LOOK = text(_READ)
_HOLD = text(f"{_READ} FOR NO KEY UPDATE OF g")
# Rows of an earlier recipient's, from before the gift went on to this one, are no part of the offer.
_FAILED = text("""
    SELECT o.form, o.error_code,
           coalesce((SELECT max(m.rung) FROM media m WHERE m.name = ANY(o.enclosed) AND m.kind = 'card'), 0),
           NOT EXISTS (SELECT FROM outbox x WHERE x.gift_id = o.gift_id AND x.id > o.id),
           EXISTS (SELECT FROM outbox x
                   WHERE x.gift_id = o.gift_id AND x.created_at >= g.sent_at AND x.state = 'delivered')
    FROM outbox o JOIN gift g ON g.id = o.gift_id
    WHERE o.id = :id AND o.gift_id = :gift AND o.created_at >= g.sent_at
""")
_OVER = text("""
    SELECT o.id FROM outbox o JOIN gift g ON g.id = o.gift_id
    WHERE o.id = ANY(:ids) AND NOT (g.state = 'offered' AND g.lapses_at > clock() AND o.created_at >= g.sent_at)
""")
_TRIED = text("""
    SELECT o.form FROM outbox o JOIN gift g ON g.id = o.gift_id WHERE o.gift_id = :id AND o.created_at >= g.sent_at
    ORDER BY o.id
""")
_UNREACHED = text("""
    UPDATE gift SET unreached = :why, call_at = NULL, giver_asked_at = CASE WHEN :asked THEN clock() END WHERE id = :id
""")
_ON_ITS_WAY = text("""
    UPDATE gift SET unreached = '', giver_asked_at = NULL, call_at = :call_at
    WHERE id = :id AND (unreached, giver_asked_at, call_at) IS DISTINCT FROM ('', NULL, :call_at)
""")
_NO_MMS = text("""
    SELECT EXISTS (SELECT FROM outbox WHERE gift_id = :id AND form = 'mms' AND state IN ('failed', 'undelivered'))
""")
_SHEETS = text("SELECT count(*) FROM gift_sheet WHERE gift_id = :id")
_TO_CALL = text(
    "SELECT id::text FROM gift WHERE state = 'offered' AND call_at <= clock() ORDER BY call_at LIMIT :limit"
)


def offer(db: Connection, rules: Rules, gift_id: str) -> None:
    """File the first notice of a gift that has just been offered, or has just gone to another recipient."""
    gift = look(db, gift_id)
    if gift.email is not None and gift.recipient_id is None:
        giver = members.get(db, gift.giver_id)
        assert gift.until is not None, "an offer has an end"
        mailing.tell(db, rules, Email(gift.email), giver, gift.id, gift.issuer, gift.amount, gift.note, gift.until)
        return
    to = _recipient(db, gift)
    if gift.packed and rules.routes.carries("mms", to.msisdn):
        _file(db, rules, gift, to, Packet("mms", gift.id, tuple(links.mint_packed(db, gift.id))))
    elif rules.routes.carries("sms", to.msisdn):
        write(db, rules, gift, to)
    elif rules.routes.carries("voice", to.msisdn):
        call(db, rules, gift, to)
    else:
        _give_up(db, rules, gift, "no_route")


def descend(db: Connection, rules: Rules, row: Filed, action: str) -> None:
    """A notice of a gift failed for good: file the next form, or tell the giver. Called again, it does nothing more.

    `action` is what the provider's table says of the failure: `smaller`, `plain`, `other`, `never`, `opted_out`, ...
    (circulation/delivery_codes.py). Nothing follows for a gift that was answered, recalled, lapsed or sent elsewhere
    meanwhile, nor when a later notice of it went out or one arrived; but of a call that nobody took the giver is told.
    """
    gift = hold(db, str(row.gift_id))
    found = db.execute(_FAILED, {"id": row.id, "gift": gift.id}).first() if gift.open else None
    if found is None:
        return
    failed = _Row(*found)
    if not failed.latest or (failed.arrived and failed.form != "voice"):
        return
    reason = why(failed.form, failed.code, action)
    if gift.recipient_id is None or failed.form == "email" or reason == "opted_out":
        _give_up(db, rules, gift, reason)
        return
    to = _recipient(db, gift)
    if failed.form == "mms" and action == "smaller" and failed.rung < SMALLEST:
        _file(db, rules, gift, to, Packet("mms", gift.id, tuple(links.mint_packed(db, gift.id, rung=failed.rung + 1))))
    elif _text_is_left(db, rules, gift, to, failed, reason):
        write(db, rules, gift, to, plain=action == "plain")
    elif failed.form != "voice" and reason != "unknown" and may_call(db, rules, gift.id, to.msisdn, most=1):
        call(db, rules, gift, to)
    else:
        _give_up(db, rules, gift, reason)


def over(db: Connection, rows: Sequence[Filed]) -> set[int]:
    """Those of these notices that are true no more: their gift was answered, taken back, or went on to somebody else."""
    ids = [notice.id for notice in rows if notice.gift_id is not None]
    return set(db.execute(_OVER, {"ids": ids}).scalars()) if ids else set()


def yours(db: Connection, rules: Rules, gift_id: str, to: Member) -> None:
    """A gift was accepted: where an MMS can be carried, its card and the barcodes of its sheets follow.

    Nothing follows one that does not arrive: what it shows is on the page, and codes are got by dialling.
    """
    if not rules.routes.carries("mms", to.msisdn) or db.execute(_NO_MMS, {"id": gift_id}).scalar():
        return
    gift = look(db, gift_id)
    sheets = db.execute(_SHEETS, {"id": gift_id}).scalar_one()
    names = [links.mint(db, "card", gift_id)]
    names += [links.mint(db, "barcode", gift_id, rung=place) for place in range(min(sheets, MOST_BARCODES))]
    told: dict[str, Value] = {"issuer": gift.issuer, "amount": gift.amount, "service_code": rules.service_code}
    notices.send_with(db, to, rules.routes, notices.GIFT_YOURS, Packet("mms", enclosed=tuple(names)), **told)


def to_call(db: Connection, *, limit: int) -> list[str]:
    """Ids of gifts whose recipients are to be called now."""
    return [str(id_) for (id_,) in db.execute(_TO_CALL, {"limit": limit})]


def call_now(db: Connection, rules: Rules, *, gift_id: str) -> None:
    """The hour to call a recipient has come. Nothing happens when the gift was answered meanwhile."""
    gift = hold(db, gift_id)
    if gift.open and gift.recipient_id is not None:
        call(db, rules, gift, _recipient(db, gift))


def call(db: Connection, rules: Rules, gift: Gift, to: Member) -> datetime | None:
    """File a call about a gift that is held, or when it is night there, keep it for the next morning: then when that is."""
    now, zone = hours.now(db), hours.zone_of(to.msisdn, rules.zone)
    if not hours.decent(now, zone):
        morning = hours.next_decent(now, zone)
        db.execute(_ON_ITS_WAY, {"id": gift.id, "call_at": morning})
        return morning
    db.execute(_ON_ITS_WAY, {"id": gift.id, "call_at": None})
    _file(db, rules, gift, to, Packet("voice", gift.id))
    return None


def write(db: Connection, rules: Rules, gift: Gift, to: Member, *, plain: bool = False) -> None:
    """File a text about a gift, with a link to its page when something is packed; `plain`: without any link."""
    db.execute(_ON_ITS_WAY, {"id": gift.id, "call_at": None})
    link = links.page_url(db, rules, gift.id) if gift.packed and not plain else ""
    _file(db, rules, gift, to, Packet("sms", gift.id), link)


def may_call(db: Connection, rules: Rules, gift_id: str, to: Msisdn | Email, *, most: int = MOST_CALLS) -> bool:
    """Whether this recipient may (still) be called about a gift, of whom at most so many calls are made."""
    if not isinstance(to, Msisdn) or not rules.routes.carries("voice", to):
        return False
    return tried(db, gift_id).count("voice") < most and wishes.takes_gifts(db, rules.routes, to)


def tried(db: Connection, gift_id: str) -> list[str]:
    """The forms in which this recipient was told, or was to be told, of a gift, first one first."""
    return [str(form) for form in db.execute(_TRIED, {"id": gift_id}).scalars()]


def look(db: Connection, gift_id: str) -> Gift:
    """A gift as it is now. Raises NoResultFound."""
    return _gift(*db.execute(_LOOK, {"id": gift_id}).one())


def hold(db: Connection, gift_id: str) -> Gift:
    """A gift that stays as it is until the transaction ends. Raises NoResultFound."""
    return _gift(*db.execute(_HOLD, {"id": gift_id}).one())


def _gift(
    id_: str,
    is_open: bool | None,
    giver_id: int,
    giver: str,
    recipient_id: int | None,
    email: str | None,
    issuer: str,
    amount_minor: int,
    currency: str,
    *rest: object,
) -> Gift:
    amount = Money(amount_minor, currency)
    return Gift(id_, bool(is_open), giver_id, giver, recipient_id, email, issuer, amount, *rest)  # type: ignore[arg-type]


def _recipient(db: Connection, gift: Gift) -> Member:
    assert gift.recipient_id is not None, "a gift goes to a phone or to an e-mail address"
    return members.get(db, gift.recipient_id)


def _text_is_left(db: Connection, rules: Rules, gift: Gift, to: Member, failed: _Row, reason: Why) -> bool:
    """Whether a text was not sent yet and could arrive where this notice did not."""
    reachable = rules.routes.carries("sms", to.msisdn) and reason not in ("unknown", "no_texts")
    return reachable and not failed.arrived and failed.form != "sms" and "sms" not in tried(db, gift.id)


def _file(db: Connection, rules: Rules, gift: Gift, to: Member, packet: Packet, link: str = "") -> None:
    told: dict[str, Value] = {
        "giver": gift.giver,
        "issuer": gift.issuer,
        "amount": gift.amount,
        "service_code": rules.service_code,
        "until": gift.until,
    }
    if gift.others:
        told["others"] = gift.others
    if gift.note:
        told["note"] = gift.note
    if link:
        told["link"] = link
    sentence = notices.GIFT_OFFERED[bool(gift.others), bool(gift.note), bool(link)]
    notices.tell_of_gift(db, to, rules.routes, sentence, packet, **told)


def _give_up(db: Connection, rules: Rules, gift: Gift, reason: Why) -> None:
    """Nothing is left to try: the giver is told, and asked what to do about what is theirs alone.

    A company reads of its list's gifts as a whole (bin/giftline gifts status).
    """
    asked = not gift.listed and not gift.others
    db.execute(_UNREACHED, {"id": gift.id, "why": reason, "asked": asked})
    if gift.listed:
        return
    told_to = named(db, gift)
    told: dict[str, Value] = {
        "recipient": told_to,
        "issuer": gift.issuer,
        "amount": gift.amount,
        "service_code": rules.service_code,
    }
    giver = members.get(db, gift.giver_id)
    if not asked:
        notices.send(db, giver, rules.routes, TOLD[reason], until=gift.until, **told)
    elif may_call(db, rules, gift.id, told_to):
        notices.send(db, giver, rules.routes, ASKED_CALL[reason], **told)
    else:
        notices.send(db, giver, rules.routes, ASKED[reason], **told)


def named(db: Connection, gift: Gift) -> Msisdn | Email:
    """The recipient as the giver named them."""
    return Email(gift.email) if gift.email is not None else _recipient(db, gift).msisdn
