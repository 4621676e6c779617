"""The outbox: every text that must still leave, filed in the transaction of its cause, and what became of it.

A row is claimed for a time (its lease) under a new attempt number. Only who holds that number may say how the attempt
ended: a worker that was paused past its lease, while another took over, changes nothing. Receipts move a row forward
and never back, in whatever order they come.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, TextClause, text


@dataclass(frozen=True, slots=True)
class Row:
    """One text to be sent: an English sentence and what fills its holes; it is translated and filled when it is sent.

    `msisdn` is E.164. `secret` rows lose sentence and holes as soon as they have been sent, or never can be.
    """

    provider: str
    msisdn: str
    language: str
    sentence: str
    holes: Mapping[str, Any]
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row in a worker's hands. `again`: the worker that had it before let its lease end; it may have been sent."""

    id: int
    attempt: int
    provider: str
    msisdn: str
    language: str
    sentence: str
    holes: dict[str, Any]
    again: bool


class ReceiptOf(Protocol):
    """What a provider says of a message; `outbox_id` is 0 when it did not name our row."""

    @property
    def provider(self) -> str: ...
    @property
    def provider_id(self) -> str: ...
    @property
    def outbox_id(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def error_code(self) -> str: ...


# How far a row has come. Of two receipts the further one stands, so their order does not matter; a phone that has the
# text has it, whatever was reported before.
_RANK = "coalesce(array_position(ARRAY['sent', 'failed', 'undelivered', 'delivered'], {state}), 0)"
_REDACTED = """
    sentence = CASE WHEN o.secret THEN '' ELSE o.sentence END,
    holes = CASE WHEN o.secret THEN '{}' ELSE o.holes END"""
_HELD = "o.id = m.id AND o.attempt = m.attempt AND o.state = 'claimed'"

_PUT = text("""
    INSERT INTO outbox (provider, msisdn, language, sentence, holes, secret)
    SELECT r.provider, r.msisdn, r.language, r.sentence, CAST(r.holes AS jsonb), r.secret
    FROM unnest(CAST(:providers AS text[]), CAST(:msisdns AS text[]), CAST(:languages AS text[]),
                CAST(:sentences AS text[]), CAST(:holes AS text[]), CAST(:secrets AS boolean[]))
         WITH ORDINALITY AS r(provider, msisdn, language, sentence, holes, secret, place)
    ORDER BY r.place
""")

_CLAIM = text("""
    WITH due AS (
        SELECT id, due_at, state FROM outbox
        WHERE state IN ('queued', 'claimed') AND due_at <= now()
        ORDER BY due_at, id LIMIT :batch FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE outbox AS o
        SET state = 'claimed', attempt = o.attempt + 1, due_at = now() + make_interval(secs => :lease_seconds)
        FROM due WHERE o.id = due.id
        RETURNING o.id, o.attempt, o.provider, o.msisdn, o.language, o.sentence, o.holes,
                  due.state = 'claimed' AS again, due.due_at AS was_due
    )
    SELECT id, attempt, provider, msisdn, language, sentence, holes, again FROM claimed ORDER BY was_due, id
""")

# Receipts may have come before the provider's name of the message was stored. One that named our row has moved it
# already: then only the name is added. One that knew only the provider's name is applied now. A name that another row
# bears already is not stored twice.
_SENT = text(f"""
    WITH m AS (
        SELECT m.id, m.attempt, nullif(m.provider_id, '') AS provider_id, q.provider,
               row_number() OVER (PARTITION BY q.provider, m.provider_id ORDER BY m.id) AS nth
        FROM unnest(CAST(:ids AS bigint[]), CAST(:attempts AS int[]), CAST(:provider_ids AS text[]))
             AS m(id, attempt, provider_id)
        JOIN outbox q ON q.id = m.id
    ), best AS (
        SELECT DISTINCT ON (m.id) m.id, r.state, r.error_code
        FROM m JOIN receipt r ON r.provider = m.provider AND r.provider_id = m.provider_id
        ORDER BY m.id, {_RANK.format(state="r.state")} DESC, r.id DESC
    )
    UPDATE outbox AS o
    SET state = CASE WHEN o.state = 'claimed' THEN coalesce(best.state, 'sent') ELSE o.state END,
        error_code = CASE WHEN o.state = 'claimed' THEN coalesce(best.error_code, '') ELSE o.error_code END,
        sent_at = coalesce(o.sent_at, now()),
        provider_id = CASE WHEN m.nth = 1 AND NOT EXISTS (
            SELECT FROM outbox x WHERE x.provider = o.provider AND x.provider_id = m.provider_id
        ) THEN m.provider_id END,
        {_REDACTED}
    FROM m LEFT JOIN best ON best.id = m.id
    WHERE o.id = m.id AND o.attempt = m.attempt
      AND (o.state = 'claimed' OR (o.state <> 'queued' AND o.provider_id IS NULL))
""")

_RETRY = text(f"""
    UPDATE outbox AS o
    SET state = 'queued', due_at = now() + make_interval(secs => m.seconds), error_code = m.code
    FROM unnest(CAST(:ids AS bigint[]), CAST(:attempts AS int[]), CAST(:seconds AS float8[]), CAST(:codes AS text[]))
         AS m(id, attempt, seconds, code)
    WHERE {_HELD}
""")

# Nobody tried anything under this attempt number, so it is given back.
_RELEASE = text(f"""
    UPDATE outbox AS o
    SET state = 'queued', attempt = o.attempt - 1, due_at = now() + make_interval(secs => m.seconds)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:attempts AS int[]), CAST(:seconds AS float8[])) AS m(id, attempt, seconds)
    WHERE {_HELD}
""")

_FAILED = text(f"""
    UPDATE outbox AS o
    SET state = 'failed', error_code = m.code, {_REDACTED}
    FROM unnest(CAST(:ids AS bigint[]), CAST(:attempts AS int[]), CAST(:codes AS text[])) AS m(id, attempt, code)
    WHERE {_HELD}
""")

_RECEIPT = text("SELECT record_receipt(:provider, :provider_id, :outbox_id, :state, :error_code)")


def put(db: Connection, rows: Sequence[Row]) -> None:
    """File texts to be sent, in this order, in the caller's transaction."""
    if not rows:
        return
    columns = {
        "providers": [row.provider for row in rows],
        "msisdns": [row.msisdn for row in rows],
        "languages": [row.language for row in rows],
        "sentences": [row.sentence for row in rows],
        "holes": [json.dumps(dict(row.holes), ensure_ascii=False) for row in rows],
        "secrets": [row.secret for row in rows],
    }
    db.execute(_PUT, columns)


def claim(db: Connection, *, batch: int, lease_seconds: float) -> list[Claimed]:
    """Take up to `batch` rows that are due, or whose lease ended, for `lease_seconds`; the longest due come first.

    Rows in other workers' hands are passed over, without waiting.
    """
    rows = db.execute(_CLAIM, {"batch": batch, "lease_seconds": lease_seconds})
    return [Claimed(*row) for row in rows]


def sent(db: Connection, marks: Sequence[tuple[int, int, str]]) -> int:
    """(id, attempt, the provider's name of the message): the provider took them. Returns how many were still held."""
    return _mark(db, _SENT, ("ids", "attempts", "provider_ids"), marks)


def retry(db: Connection, marks: Sequence[tuple[int, int, float, str]]) -> int:
    """(id, attempt, seconds, code): to be tried again after so many seconds. Returns how many were still held."""
    return _mark(db, _RETRY, ("ids", "attempts", "seconds", "codes"), marks)


def release(db: Connection, marks: Sequence[tuple[int, int, float]]) -> int:
    """(id, attempt, seconds): given back untried, due in so many seconds. Returns how many were still held."""
    return _mark(db, _RELEASE, ("ids", "attempts", "seconds"), marks)


def failed(db: Connection, marks: Sequence[tuple[int, int, str]]) -> int:
    """(id, attempt, code): never to be tried again. Returns how many were still held."""
    return _mark(db, _FAILED, ("ids", "attempts", "codes"), marks)


def record_receipt(db: Connection, receipt: ReceiptOf) -> bool:
    """Keep a receipt, and move its row forward if it says more than was known. Returns whether it did.

    The row is the one it names, or else the one that bears the provider's name of the message.
    """
    values = {
        "provider": receipt.provider,
        "provider_id": receipt.provider_id,
        "outbox_id": receipt.outbox_id,
        "state": receipt.state,
        "error_code": receipt.error_code,
    }
    return bool(db.execute(_RECEIPT, values).scalar_one())


def _mark(db: Connection, statement: TextClause, columns: Sequence[str], marks: Sequence[tuple[Any, ...]]) -> int:
    if not marks:
        return 0
    values = zip(*marks, strict=True)
    return db.execute(statement, dict(zip(columns, map(list, values), strict=True))).rowcount
