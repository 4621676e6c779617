"""Charges as they are kept: minted before anything is asked, claimed by a worker for a time, marked with what it found.

`due_at` is when a worker looks at a charge again. Claiming puts it a lease ahead and counts the attempt; only who holds
that attempt may mark the charge, so that a worker which was paused past its lease changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, text

from payments.gateway import Charge

State = Literal["new", "asking", "unknown", "pending", "needs_code", "paid", "failed", "lapsed"]
"""new: minted, nobody was asked. asking: a worker is asking now. unknown: asked, and no clear answer came. lapsed: given up
by us. The others are the rail's own word (payments/gateway.py)."""

WAITS = ("new", "asking", "unknown", "pending", "needs_code")
"""States in which the payer still waits for an answer of ours."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A charge in a worker's hands. `over`: the payer's time has passed. `age_seconds` is counted from when it was minted, and
    `ended_seconds` from when it ended (None before). `code` is what the payer typed of their network's code, sealed."""

    charge: Charge
    rail: str
    state: State
    attempt: int
    over: bool
    disputed: bool
    age_seconds: float
    ended_seconds: float | None
    code: bytes | None = field(repr=False)


_MINT = text("""
    INSERT INTO charge (id, rail, payer_id, purchase_id, group_part_id, gift_list_id, amount_minor, currency, reference, state,
                        due_at, deadline_at)
    VALUES (:id, :rail, :payer, :purchase, :part, :list, :amount_minor, :currency, :reference, 'new',
            clock() + make_interval(secs => :ask_after), clock() + make_interval(secs => :wait))
""")
_CLAIM = text("""
    WITH due AS (
        SELECT id, state FROM charge WHERE due_at <= clock() ORDER BY due_at LIMIT :batch FOR UPDATE SKIP LOCKED
    )
    UPDATE charge c SET attempt = c.attempt + 1, due_at = clock() + make_interval(secs => :lease),
        state = CASE WHEN c.state = 'new' THEN 'asking' ELSE c.state END
    FROM due, member m WHERE c.id = due.id AND m.id = c.payer_id
    RETURNING c.id::text, m.msisdn, c.amount_minor, c.currency, c.reference, c.handle, c.receipt, c.rail, due.state, c.attempt,
        c.deadline_at <= clock(), c.disputed, extract(epoch FROM clock() - c.created_at)::float,
        extract(epoch FROM clock() - c.ended_at)::float, c.code
""")
_HOLD = text("""
    SELECT state FROM charge WHERE id = :id AND (CAST(:attempt AS int) IS NULL OR attempt = :attempt) FOR NO KEY UPDATE
""")
_MARK = text("""
    UPDATE charge SET state = :state, due_at = clock() + make_interval(secs => CAST(:look_after AS float8)),
        handle = coalesce(nullif(:handle, ''), handle), receipt = coalesce(nullif(receipt, ''), :receipt),
        link = coalesce(nullif(:link, ''), link), reason = :reason, code = NULL,
        ended_at = CASE WHEN :state IN ('paid', 'failed', 'lapsed') THEN coalesce(ended_at, clock()) END
    WHERE id = :id
""")
_AGAIN = text("""
    UPDATE charge SET state = 'new', handle = '', due_at = clock() + make_interval(secs => :ask_after) WHERE id = :id
""")
_KEEP = text("""
    UPDATE charge SET state = :state, due_at = clock() + make_interval(secs => CAST(:look_after AS float8)) WHERE id = :id
""")
_NAME = text("""
    UPDATE charge SET handle = coalesce(nullif(handle, ''), :handle), receipt = coalesce(nullif(receipt, ''), :receipt)
    WHERE id = :id AND (handle = '' OR receipt = '')
""")
_LOOK = text(
    "UPDATE charge SET due_at = clock() WHERE id = :id AND (due_at IS NULL OR due_at > clock()) AND state <> 'asking'"
)
_LOOK_FOR_DISPUTE = text("UPDATE charge SET due_at = clock(), disputed = true, attempt = attempt + 1 WHERE id = :id")
_DISPUTES_SEEN = text("UPDATE charge SET disputed = false WHERE id = :id")
_BY_HANDLE = text("SELECT id::text FROM charge WHERE rail = :rail AND handle = :handle")
_BY_RECEIPT = text("SELECT id::text FROM charge WHERE rail = :rail AND receipt = :receipt")
_BY_REFERENCE = text(
    "SELECT id::text FROM charge WHERE rail = :rail AND reference = ANY(:references) ORDER BY created_at"
)
_EXISTS = text("SELECT EXISTS (SELECT FROM charge WHERE id = CAST(:id AS uuid) AND rail = :rail)")
_TYPED = text("""
    UPDATE charge SET code = :code, due_at = clock() WHERE id = :id AND payer_id = :payer AND state = 'needs_code'
""")
_WAITING = text(f"SELECT count(*) FROM charge WHERE payer_id = :payer AND state = ANY(ARRAY{list(WAITS)!r})")
_PAGE = text("""
    SELECT link FROM charge WHERE reference = :reference AND state = 'pending' AND link <> '' ORDER BY created_at DESC LIMIT 1
""")
_ASKS_CODE = text("""
    SELECT id::text, amount_minor, currency, extract(epoch FROM clock() - created_at)::float FROM charge
    WHERE payer_id = :payer AND state = 'needs_code' AND code IS NULL ORDER BY created_at DESC LIMIT 2
""")


def mint(
    db: Connection,
    charge: Mapping[str, Any],
    *,
    ask_after: float,
    wait: float,
) -> None:
    """Store a charge that is to be asked `ask_after` seconds from now and given up after `wait`.

    `charge` names id, rail, payer, amount_minor, currency, reference, and what it is for: purchase, part or list.
    """
    db.execute(_MINT, {"purchase": None, "part": None, "list": None, **charge, "ask_after": ask_after, "wait": wait})


def claim(db: Connection, *, batch: int, lease: float) -> list[Claimed]:
    """Take up to `batch` charges that are due in hand for `lease` seconds. `state` is what it was before."""
    return [_claimed(row) for row in db.execute(_CLAIM, {"batch": batch, "lease": lease})]


def hold(db: Connection, charge_id: str, attempt: int | None = None) -> State | None:
    """Lock a charge until the transaction ends; its state, None when this attempt is no longer ours."""
    state: State | None = db.execute(_HOLD, {"id": charge_id, "attempt": attempt}).scalar()
    return state


def mark(
    db: Connection,
    charge_id: str,
    state: State,
    *,
    look_after: float | None,
    handle: str = "",
    receipt: str = "",
    link: str = "",
    reason: str = "",
) -> None:
    """Keep what a charge has become. `look_after`: seconds until a worker looks again; None: never."""
    values = {"id": charge_id, "state": state, "look_after": look_after, "reason": reason}
    db.execute(_MARK, {**values, "handle": handle, "receipt": receipt, "link": link})


def again(db: Connection, charge_id: str, *, ask_after: float) -> None:
    """What was asked came to nothing, finally: the payer is asked once more, as if for the first time."""
    db.execute(_AGAIN, {"id": charge_id, "ask_after": ask_after})


def keep(db: Connection, charge_id: str, state: State, *, look_after: float | None) -> None:
    """Nothing new is known of a charge: it is looked at again after so many seconds (None: never)."""
    db.execute(_KEEP, {"id": charge_id, "state": state, "look_after": look_after})


def name(db: Connection, charge_id: str, *, handle: str, receipt: str) -> None:
    """A callback told the provider's names of a charge; kept where we had none (its asking was never answered)."""
    db.execute(_NAME, {"id": charge_id, "handle": handle, "receipt": receipt})


def look(db: Connection, charge_id: str) -> None:
    """Somebody says that something happened: fetch soon."""
    db.execute(_LOOK, {"id": charge_id})


def look_for_dispute(db: Connection, charge_id: str) -> None:
    """Somebody says that the payer's bank takes it back: fetch that soon. Who has the charge in hand now asked too early."""
    db.execute(_LOOK_FOR_DISPUTE, {"id": charge_id})


def disputes_seen(db: Connection, charge_id: str) -> None:
    """Its disputes were fetched."""
    db.execute(_DISPUTES_SEEN, {"id": charge_id})


def known(db: Connection, rail: str, *, charge_id: str = "", handle: str = "", receipt: str = "") -> str | None:
    """The id of the charge that a callback names by any of its names."""
    if charge_id and db.execute(_EXISTS, {"id": charge_id, "rail": rail}).scalar_one():
        return charge_id
    for statement, key, value in ((_BY_HANDLE, "handle", handle), (_BY_RECEIPT, "receipt", receipt)):
        if value and (found := db.execute(statement, {"rail": rail, key: value}).scalar()):
            return str(found)
    return None


def by_reference(db: Connection, rail: str, references: list[str]) -> list[str]:
    """Ids of a rail's charges with one of these references, oldest first."""
    return [str(id_) for (id_,) in db.execute(_BY_REFERENCE, {"rail": rail, "references": references})]


def typed(db: Connection, charge_id: str, payer_id: int, code: bytes) -> bool:
    """Keep the code (sealed) that the payer's network sent them, for the worker to pass on. False when it is not waited for."""
    return db.execute(_TYPED, {"id": charge_id, "payer": payer_id, "code": code}).rowcount > 0


def waiting(db: Connection, payer_id: int) -> int:
    """How many charges of this payer have no answer yet."""
    return int(db.execute(_WAITING, {"payer": payer_id}).scalar_one())


def asks_code(db: Connection, payer_id: int) -> list[tuple[str, int, str, float]]:
    """(id, amount_minor, currency, age in seconds) of charges that wait for a code from this payer, newest first."""
    return [(row[0], row[1], row[2], row[3]) for row in db.execute(_ASKS_CODE, {"payer": payer_id})]


def page(db: Connection, reference: str) -> str | None:
    """Where the payer of the charge with this reference pays, while it waits for them."""
    link: str | None = db.execute(_PAGE, {"reference": reference[:20]}).scalar()
    return link


def _claimed(row: Row[*tuple[Any, ...]]) -> Claimed:
    (
        id_,
        msisdn,
        amount_minor,
        currency,
        reference,
        handle,
        receipt,
        rail,
        state,
        attempt,
        over,
        disputed,
        age,
        ended,
        code,
    ) = row
    charge = Charge(id_, msisdn, amount_minor, currency, reference, handle, receipt)
    return Claimed(charge, rail, state, attempt, bool(over), disputed, age, ended, code)
