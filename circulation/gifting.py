"""Gifts: offered now or on a day the giver chose, then accepted, declined, lapsed or recalled, each at most once.

A gift is of one or several sheets of one issuer. Until the answer their value rests in one escrow account.
What a giver takes back stands in recalling.py, and what waits for its day in scheduled.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from circulation import chart, contents, ladder, members, notices, sending_limits, sheets
from circulation.email_address import Email
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.references import new_reference
from circulation.refusals import Refusal
from circulation.rules import Rules
from circulation.values import Value
from storage import ledger


@dataclass(frozen=True, slots=True)
class Offer:
    """A gift that waits for its answer, as the recipient sees it. `amount` is that of all its sheets."""

    id: str
    giver: str
    issuer: str
    amount: Money
    note: str
    lapses_at: datetime
    age_seconds: float


_FOUND = text("SELECT reference FROM gift WHERE id = :id")
_GIVE = text("""
    INSERT INTO gift (id, reference, issuer_id, giver_id, recipient_id, recipient_email, amount_minor, currency, note, state,
                      sends_at, sent_at, lapses_at)
    VALUES (:id, :reference, :issuer, :giver, :recipient, :email, :amount_minor, :currency, :note,
            CASE WHEN CAST(:sends_at AS timestamptz) IS NULL THEN 'offered' ELSE 'scheduled' END, :sends_at,
            CASE WHEN CAST(:sends_at AS timestamptz) IS NULL THEN clock() END,
            CASE WHEN CAST(:sends_at AS timestamptz) IS NULL THEN clock() + make_interval(secs => :seconds) END)
""")
_SHEETS = text("""
    INSERT INTO gift_sheet (gift_id, place, certificate_id, amount_minor)
    SELECT :gift, s.place, s.certificate, s.amount_minor
    FROM unnest(CAST(:certificates AS bigint[]), CAST(:amounts AS bigint[]))
        WITH ORDINALITY AS s(certificate, amount_minor, place)
""")
_OPEN = text("""
    SELECT g.id::text, coalesce(m.name, ''), i.name, g.amount_minor, g.currency, g.note, g.lapses_at,
           extract(epoch FROM clock() - g.sent_at)::float
    FROM gift g JOIN member r ON r.id = g.recipient_id JOIN member m ON m.id = g.giver_id
    JOIN issuer i ON i.id = g.issuer_id
    WHERE r.msisdn = :msisdn AND g.state = 'offered' AND g.lapses_at > clock() ORDER BY g.sent_at DESC LIMIT 20
""")
_ANSWER = text("""
    UPDATE gift g SET state = :state, answered_at = clock() FROM issuer i
    WHERE g.id = :id AND g.state = 'offered' AND i.id = g.issuer_id
      AND (:state = 'lapsed') = (g.lapses_at <= clock())
      AND (:state = 'lapsed' OR g.recipient_id = :recipient OR (:by_email AND g.recipient_email IS NOT NULL))
    RETURNING g.giver_id, g.recipient_id, g.recipient_email, g.amount_minor, g.currency, g.reference, i.name,
        EXISTS (SELECT FROM gift_list_line l WHERE l.gift_id = g.id)
""")
_CLOSE = text("""
    UPDATE gift_sheet s SET open = false FROM gift g
    WHERE s.gift_id = :id AND s.open AND g.id = s.gift_id RETURNING s.place, s.certificate_id, s.amount_minor, g.currency
""")
_STATE = text("""
    SELECT state, state = 'offered' AND lapses_at <= clock() AS late FROM gift
    WHERE id = :id AND recipient_id = :recipient AND sent_at IS NOT NULL
    UNION ALL SELECT 'recalled', false FROM gift_redirect WHERE gift_id = :id AND recipient_id = :recipient LIMIT 1
""")
_DUE = text(
    "SELECT id::text FROM gift WHERE state = 'offered' AND lapses_at <= clock() ORDER BY lapses_at LIMIT :limit"
)


def give(
    db: Connection,
    rules: Rules,
    *,
    gift_id: str,
    giver: Member,
    certificates: Sequence[int],
    recipient: Msisdn | Email,
    note: str,
    receipt: bool,
    sends_at: datetime | None = None,
    others: int = 0,
    packed: Sequence[int] = (),
) -> str:
    """Offer what is left on these certificates to another phone, or to an e-mail address (circulation/emailed.py).

    Returns the gift's reference. The same id gives once.

    The certificates are of one issuer and currency. With `sends_at` the recipient hears of it from that moment on, at a
    decent hour (circulation/scheduled.py); the value is in escrow at once. A code that the giver asked for on one of them
    is void from now on, whatever becomes of the gift. `others` is how many paid for it beside the giver,
    and `packed` the contents that go with it.
    Raises Refusal `own_number`, `not_yours`, `nothing_left`, `expired`, `would_have_expired`, or one of sending_limits.py.
    """
    if recipient == giver.msisdn:
        raise Refusal("own_number")
    members.lock(db, giver.id)
    if reference := db.execute(_FOUND, {"id": gift_id}).scalar():
        return str(reference)
    taken = sheets.take(db, rules, giver, certificates, sends_at)
    known = members.meet(db, recipient, giver.language) if isinstance(recipient, Msisdn) else None
    if not others:  # a group's gift was counted when it was begun
        sending_limits.count_gift(db, rules, giver, known)
    amount, reference = taken.total, new_reference()
    offer = {
        "id": gift_id,
        "reference": reference,
        "issuer": taken.issuer_id,
        "giver": giver.id,
        "recipient": known.id if known else None,
        "email": recipient.address if isinstance(recipient, Email) else None,
        "amount_minor": amount.amount_minor,
        "currency": amount.currency,
        "note": note,
        "sends_at": sends_at,
        "seconds": rules.gift_lapse_seconds,
    }
    db.execute(_GIVE, offer)
    amounts = [left.amount_minor for left in taken.left.values()]
    db.execute(_SHEETS, {"gift": gift_id, "certificates": list(taken.left), "amounts": amounts})
    contents.pack(db, gift_id, packed)
    ledger.post(db, f"{gift_id}:offered", chart.gift_offered(taken.left, gift_id))
    if sends_at is None:
        ladder.offer(db, rules, gift_id)
    if receipt:
        told: dict[str, Value] = {"reference": reference, "issuer": taken.issuer, "amount": amount}
        sentence = notices.GIFT_SENT if sends_at is None else notices.GIFT_PLANNED
        when: dict[str, Value] = {} if sends_at is None else {"at": sends_at}
        notices.send(db, giver, rules.routes, sentence, recipient=recipient, **told, **when)
    return reference


def offers(db: Connection, recipient: Msisdn) -> list[Offer]:
    """The gifts that wait for this phone's answer, newest first (at most 20)."""
    rows = db.execute(_OPEN, {"msisdn": recipient.e164}).all()
    return [
        Offer(id_, giver, issuer, Money(amount_minor, currency), note, lapses_at, age)
        for id_, giver, issuer, amount_minor, currency, note, lapses_at, age in rows
    ]


def accept(db: Connection, rules: Rules, *, gift_id: str, recipient: Member) -> None:
    """The recipient takes the gift and holds the certificates; the giver is told. Accepting twice does it once.

    Raises Refusal `gift_answered`, `gift_recalled` or `gift_lapsed`.
    """
    _answer(db, rules, gift_id, "accepted", notices.GIFT_ACCEPTED, recipient)


def decline(db: Connection, rules: Rules, *, gift_id: str, recipient: Member) -> None:
    """The recipient does not want the gift: it returns to the giver, who is told. Raises Refusal as `accept` does."""
    _answer(db, rules, gift_id, "declined", notices.GIFT_DECLINED, recipient)


def lapse(db: Connection, rules: Rules, *, gift_id: str) -> None:
    """The time to answer is over: the gift returns to the giver, who is told. Nothing happens if it was answered."""
    _answer(db, rules, gift_id, "lapsed", notices.GIFT_LAPSED, None)


def due(db: Connection, *, limit: int) -> list[str]:
    """Ids of gifts whose time to answer is over."""
    return [str(id_) for (id_,) in db.execute(_DUE, {"limit": limit})]


def end(db: Connection, gift_id: str, outcome: str, recipient_id: int | None) -> None:
    """Escrow returns to the sheets of a gift whose state has just become `outcome`; if accepted, the recipient holds them.

    A gift by e-mail whose recipient named no phone yet has no `recipient_id`, and cannot be accepted.
    """
    closed = sorted(db.execute(_CLOSE, {"id": gift_id}).all())
    back = {certificate: Money(amount_minor, currency) for _, certificate, amount_minor, currency in closed}
    if outcome == "accepted":
        assert recipient_id is not None, "only a phone accepts"
        sheets.hand_over(db, list(back), recipient_id)
    ledger.post(db, f"{gift_id}:answered", chart.gift_answered(outcome, back, gift_id))


def gone(db: Connection, *, gift_id: str, recipient: Member) -> Refusal:
    """Why a gift no longer waits for this recipient's answer."""
    return ended(*_state(db, gift_id, recipient))


def ended(state: str, late: bool = False) -> Refusal:
    """The refusal of an answer or a recall that came second. `late`: nobody answered in time."""
    if state == "lapsed" or late:
        return Refusal("gift_lapsed")
    return Refusal("gift_recalled" if state == "recalled" else "gift_answered")


def decline_by_email(db: Connection, rules: Rules, *, gift_id: str) -> bool:
    """As `decline`, by whoever opened the page that went to the gift's e-mail address. False: it no longer waits."""
    return _answer(db, rules, gift_id, "declined", notices.GIFT_DECLINED, None, by_email=True)


def _answer(
    db: Connection,
    rules: Rules,
    gift_id: str,
    state: str,
    notice: str,
    recipient: Member | None,
    *,
    by_email: bool = False,
) -> bool:
    """One conditional update decides; whoever comes second finds it decided. Returns whether this was the first."""
    values = {"id": gift_id, "state": state, "recipient": recipient.id if recipient else None, "by_email": by_email}
    row = db.execute(_ANSWER, values).first()
    if row is None:
        if recipient is not None:
            _refuse_unless_same(db, gift_id, state, recipient)
        return False
    giver_id, recipient_id, email, amount_minor, currency, reference, issuer, from_list = row
    end(db, gift_id, state, recipient_id)
    if state == "accepted" and recipient is not None:
        ladder.yours(db, rules, gift_id, recipient)
    if from_list:
        return True  # a company reads its list's answers as a whole (bin/giftline gifts status)
    told: dict[str, Value] = {
        "recipient": named(db, email, recipient_id),
        "issuer": issuer,
        "amount": Money(amount_minor, currency),
        "reference": reference,
    }
    notices.send(db, members.get(db, giver_id), rules.routes, notice, **told)
    return True


def named(db: Connection, email: str | None, recipient_id: int | None) -> Msisdn | Email:
    """The recipient as the giver named them. The phone that an e-mail's reader chose is no business of the giver's."""
    if email is not None:
        return Email(email)
    assert recipient_id is not None, "a gift goes to a phone or to an e-mail address"
    return members.get(db, recipient_id).msisdn


def _refuse_unless_same(db: Connection, gift_id: str, wanted: str, recipient: Member) -> None:
    state, late = _state(db, gift_id, recipient)
    if state != wanted:
        raise ended(state, late)


def _state(db: Connection, gift_id: str, recipient: Member) -> tuple[str, bool]:
    """What became of a gift, as far as its recipient may know, and whether its time to answer is over unseen."""
    row = db.execute(_STATE, {"id": gift_id, "recipient": recipient.id}).first()
    return (row.state, row.late) if row else ("unknown", False)
