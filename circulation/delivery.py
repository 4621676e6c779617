"""How far a gift has come, as its giver may know it: planned, queued, sent, delivered, answered, used. Looks; moves nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, text

from circulation.email_address import Email
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.unreached import SENTENCES, Why

Stage = Literal[
    "planned",
    "queued",
    "to_call",
    "sent",
    "delivered",
    "unreached",
    "accepted",
    "used_partly",
    "used",
    "declined",
    "lapsed",
    "recalled",
]

DAYS = 30
"""A giver looks back so far."""
MOST = 20
"""Gifts shown at once."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A gift as its giver sees it. `stage` is the furthest it has come, `form` in which form, `at` when it came there.

    `sent_at` is when it was sent, before it was delivered. `why` the last notice of it that was tried did not arrive; `used` is
    what was paid with it. `theirs_alone`: nobody else has paid for it, so that it may go to another number. `asked_seconds`: so
    long ago the giver was asked what to do about it; None while there is nothing to ask.
    """

    gift_id: str
    reference: str
    recipient: Msisdn | Email
    issuer: str
    amount: Money
    stage: Stage
    form: str
    at: datetime | None
    sent_at: datetime | None
    why: Why | None
    used: Money
    theirs_alone: bool
    asked_seconds: float | None

    @property
    def waits(self) -> bool:
        """Whether it was not answered, and its giver can still do something about it."""
        return self.stage in ("planned", "queued", "to_call", "sent", "delivered", "unreached")


# Of the notices to this recipient the one that arrived counts, else the last one. What came of an earlier recipient's,
# before the gift went on to this one, is no news of this one. Whether a gift was used is told unless its recipient lets
# givers see nothing of them (names.py).
_PROGRESS = """
    SELECT g.id::text, g.reference, r.msisdn, g.recipient_email, i.name AS issuer, g.amount_minor, g.currency, g.state,
           g.lapses_at <= clock() AS late, g.sends_at, g.call_at, g.answered_at, g.lapses_at, g.unreached,
           n.form, n.state AS told, n.sent_at, n.ended_at,
           CASE WHEN g.state = 'accepted' AND r.name_shown <> 'hidden' THEN (
               SELECT coalesce(sum(p.captured_minor - p.returned_minor), 0)::bigint
               FROM gift_sheet s JOIN redemption_part p ON p.certificate_id = s.certificate_id
               JOIN redemption u ON u.id = p.redemption_id
               WHERE s.gift_id = g.id AND u.holder_id = g.recipient_id AND u.created_at >= g.answered_at) ELSE 0 END AS used,
           NOT EXISTS (SELECT FROM group_gift x WHERE x.gift_id = g.id AND x.state IN ('given', 'answered'))
               AND NOT EXISTS (SELECT FROM gift_list_line l WHERE l.gift_id = g.id) AS theirs_alone,
           CASE WHEN n.state IS DISTINCT FROM 'delivered' OR n.ended_at < g.giver_asked_at
                THEN extract(epoch FROM clock() - g.giver_asked_at)::float END AS asked
    FROM gift g JOIN issuer i ON i.id = g.issuer_id LEFT JOIN member r ON r.id = g.recipient_id
    LEFT JOIN LATERAL (
        SELECT o.form, o.state, o.sent_at, o.ended_at FROM outbox o
        WHERE o.gift_id = g.id AND o.created_at >= g.sent_at ORDER BY o.state = 'delivered' DESC, o.id DESC LIMIT 1) n ON true
"""
_ONE = text(f"{_PROGRESS} WHERE g.id = :id")
_OF_GIVER = text(f"""
    {_PROGRESS} WHERE g.giver_id = :giver AND g.created_at > clock() - make_interval(days => {DAYS})
    ORDER BY g.created_at DESC LIMIT {MOST}
""")
_ASKED = text(f"""
    {_PROGRESS} WHERE g.giver_id = :giver AND g.giver_asked_at IS NOT NULL AND g.state = 'offered' AND g.lapses_at > clock()
    ORDER BY g.giver_asked_at DESC LIMIT {MOST}
""")


def progress(db: Connection, gift_id: str) -> Progress:
    """How far this gift has come. Raises NoResultFound."""
    return _read(db.execute(_ONE, {"id": gift_id}).one())


def given(db: Connection, giver_id: int) -> list[Progress]:
    """The gifts this member gave in the last 30 days, newest first (at most 20)."""
    return [_read(row) for row in db.execute(_OF_GIVER, {"giver": giver_id})]


def asked(db: Connection, giver_id: int) -> list[Progress]:
    """The gifts that could not be delivered, and about which this giver is asked what to do, last asked first."""
    found = [_read(row) for row in db.execute(_ASKED, {"giver": giver_id})]
    return [one for one in found if one.asked_seconds is not None]


def _read(row: Any) -> Progress:
    stage, at = _stage(row)
    return Progress(
        row.id,
        row.reference,
        Email(row.recipient_email) if row.recipient_email is not None else Msisdn(row.msisdn),
        row.issuer,
        Money(row.amount_minor, row.currency),
        stage,
        row.form or "",
        at,
        row.sent_at,
        row.unreached if row.unreached in SENTENCES else None,
        Money(row.used, row.currency),
        row.theirs_alone,
        row.asked,
    )


def _stage(row: Any) -> tuple[Stage, datetime | None]:
    """The furthest it has come, and when."""
    if row.state == "accepted" and row.used:
        return ("used" if row.used >= row.amount_minor else "used_partly"), row.answered_at
    if row.state == "scheduled":
        return "planned", row.sends_at
    if row.state != "offered":
        return row.state, row.answered_at
    if row.late:
        return "lapsed", row.lapses_at
    if row.told == "delivered":
        return "delivered", row.ended_at or row.sent_at
    if row.unreached:
        return "unreached", None
    if row.call_at is not None:
        return "to_call", row.call_at
    if row.told == "sent":
        return "sent", row.sent_at
    return "queued", None  # waiting to leave, or to be tried in another form
