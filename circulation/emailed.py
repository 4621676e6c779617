"""Gifts to an e-mail address: its reader answers on the gift's page, and names the phone on which they will hold it.

The page alone accepts nothing: who reads the mail says which phone, and the gift becomes an ordinary offer to that phone,
which accepts it. So both are proved, and a mail that is forwarded or scanned by machines moves no value.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, text

from circulation import gifting, ladder, members, notices, sending_limits, wishes
from circulation.email_address import Email
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.rules import Rules

MOST_NAMED = 2
"""How often the reader of a mail may name a phone for one gift: once, and once more when it was the wrong one."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A gift as its page shows it. `state` is that of the gift, `lapsed` also when its time is over and nobody noted it yet.

    `email`: the address it was given to, if this page went there; then `phone` is the phone that its reader named, and
    `times_named` how often they did.
    """

    gift_id: str
    state: str
    giver: str
    language: str
    issuer: str
    amount: Money
    note: str
    until: datetime
    email: Email | None
    phone: Msisdn | None
    times_named: int


_COLUMNS = """
    SELECT g.id::text AS id, CASE WHEN g.state = 'offered' AND g.lapses_at <= clock() THEN 'lapsed' ELSE g.state END AS state,
           g.giver_id, coalesce(p.name, '') AS giver, p.msisdn AS giver_phone, p.language, i.name AS issuer, g.amount_minor,
           g.currency, g.note, g.lapses_at, g.recipient_id, g.recipient_email, r.msisdn, g.times_named, {page} AS by_mail
    FROM gift g JOIN member p ON p.id = g.giver_id LEFT JOIN member r ON r.id = g.recipient_id
    JOIN issuer i ON i.id = g.issuer_id
"""
_PAGE = text(f"""
    {_COLUMNS.format(page="m.by_mail")} JOIN media m ON m.gift_id = g.id
    WHERE m.name = :name AND m.kind = 'page' AND m.expires_at > clock() AND g.state <> 'scheduled'
""")
_CLOSE_PAGES = text("""
    UPDATE media SET expires_at = clock() WHERE gift_id = :gift AND kind = 'page' AND NOT by_mail AND expires_at > clock()
""")
_HOLD = text(
    f"{_COLUMNS.format(page='true')} WHERE g.id = :gift AND g.recipient_email IS NOT NULL FOR NO KEY UPDATE OF g"
)
_NAME = text(
    "UPDATE gift SET recipient_id = :recipient, sent_at = clock(), times_named = times_named + 1 WHERE id = :gift"
)
_MORE = text("DELETE FROM opt_out WHERE address = :address")
_NO_MORE_FROM = text("""
    INSERT INTO opt_out (address, sender, purpose) SELECT address, provider, 'gift' FROM outbox WHERE id = :id AND form = 'email'
    ON CONFLICT DO NOTHING
""")


def seen(db: Connection, name: str) -> Seen | None:
    """The gift whose page has this name; None when it has expired or the gift was not sent yet."""
    row = db.execute(_PAGE, {"name": name}).first()
    if row is None:
        return None
    return Seen(
        row.id,
        row.state,
        row.giver,
        row.language,
        row.issuer,
        Money(row.amount_minor, row.currency),
        row.note,
        row.lapses_at,
        Email(row.recipient_email) if row.by_mail and row.recipient_email else None,
        Msisdn(row.msisdn) if row.msisdn else None,
        row.times_named,
    )


def hand_to(db: Connection, rules: Rules, *, gift_id: str, msisdn: Msisdn) -> None:
    """Make a gift by e-mail an offer to the phone that its reader named: a text asks there whether to accept it.

    Naming the same phone twice does it once. A phone that was named before is told that the gift no longer waits there.
    Raises Refusal `gift_answered`, `gift_lapsed`, `gift_recalled`, `givers_number`, `not_reached`, `named_enough`,
    `country_not_served` or `range_busy`.
    """
    row = db.execute(_HOLD, {"gift": gift_id}).one()
    if row.state != "offered":
        raise gifting.ended(row.state)
    if row.msisdn == msisdn.e164:
        return
    if row.giver_phone == msisdn.e164:
        raise Refusal("givers_number")
    if not rules.routes.carries("sms", msisdn):
        raise Refusal("not_reached")
    if row.times_named >= MOST_NAMED:
        raise Refusal("named_enough")
    known = members.meet(db, msisdn, row.language)
    sending_limits.count_stranger(db, rules, known)
    db.execute(_NAME, {"gift": gift_id, "recipient": known.id})
    db.execute(_CLOSE_PAGES, {"gift": gift_id})  # the former phone sees no more of it
    _tell_former(db, rules, row)
    ladder.offer(db, rules, gift_id)


def decline(db: Connection, rules: Rules, *, gift_id: str) -> None:
    """The reader of the mail does not want the gift: it returns to the giver, who is told. Declining twice does it once.

    Raises Refusal `gift_answered`, `gift_lapsed` or `gift_recalled`.
    """
    row = db.execute(_HOLD, {"gift": gift_id}).one()
    if gifting.decline_by_email(db, rules, gift_id=gift_id):
        _tell_former(db, rules, row)
    elif row.state != "declined":
        raise gifting.ended(row.state)


def takes_gifts(db: Connection, rules: Rules, email: Email) -> bool:
    """Whether a mail about a gift would be sent to this address."""
    return not wishes.declined(db, [(email.address, rules.routes.first("email", email), "gift")])


def no_more(db: Connection, rules: Rules, email: Email) -> None:
    """No more mail about gifts goes to this address. Saying so twice does it once."""
    wishes.stop(db, email.address, rules.routes.first("email", email), "gift")


def more_again(db: Connection, email: Email) -> None:
    """Mail about gifts goes to this address again."""
    db.execute(_MORE, {"address": email.address})


def no_more_from(db: Connection, outbox_id: int) -> None:
    """As `no_more`, for who answered the mail of this outbox row with that wish."""
    db.execute(_NO_MORE_FROM, {"id": outbox_id})


def _tell_former(db: Connection, rules: Rules, row: Row[*tuple[object, ...]]) -> None:
    """The phone at which the gift waited until now, if any, learns that it no longer does."""
    if row.recipient_id is not None:
        told = {"giver": row.giver, "issuer": row.issuer, "amount": Money(row.amount_minor, row.currency)}
        notices.send(db, members.get(db, row.recipient_id), rules.routes, notices.GIFT_NOT_HERE, **told)
