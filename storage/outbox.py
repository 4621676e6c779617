"""The outbox: every message that must still leave, filed in the transaction of its cause, and what became of it.

A row is claimed for a time (its lease) under a new attempt number. Only who holds that number may say how the attempt
ended: a worker that was paused past its lease, while another took over, changes nothing. Receipts move a row forward
and never back, in whatever order they come.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sqlalchemy import Connection, TextClause, text

Purpose = Literal["answer", "service", "gift", "reminder"]
"""Why somebody is written to: they asked just now; it concerns what is theirs; somebody else's gift; to remind them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One message to be sent: an English sentence and what fills its holes; it is translated and filled when it is sent.

    `address` is E.164, or an e-mail address for the form `email`. `secret` rows lose sentence and holes as soon as they
    have been sent, or never can be. `gift_id`: the gift of which this tells its recipient. `enclosed`: names of media.
    """

    provider: str
    address: str
    language: str
    sentence: str
    holes: Mapping[str, Any]
    secret: bool = False
    form: str = "sms"
    purpose: Purpose = "service"
    gift_id: str | None = None
    enclosed: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row in a worker's hands. `again`: the worker that had it before let its lease end; it may have been sent.

    `asked_at`: since when it is not known whether its provider took it, in seconds since 1970; None: it did not. `passed`:
    the providers that had it before this one, and could not send it.
    """

    id: int
    attempt: int
    provider: str
    address: str
    language: str
    sentence: str
    holes: dict[str, Any]
    again: bool
    form: str = "sms"
    purpose: str = "service"
    gift_id: str | None = None
    enclosed: Sequence[str] = ()
    asked_at: float | None = None
    passed: Sequence[str] = ()


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
    INSERT INTO outbox (provider, address, language, sentence, holes, secret, form, purpose, gift_id, enclosed)
    SELECT r.provider, r.address, r.language, r.sentence, CAST(r.holes AS jsonb), r.secret, r.form, r.purpose, r.gift_id,
           string_to_array(r.enclosed, ' ')
    FROM unnest(CAST(:providers AS text[]), CAST(:addresses AS text[]), CAST(:languages AS text[]),
                CAST(:sentences AS text[]), CAST(:holes AS text[]), CAST(:secrets AS boolean[]), CAST(:forms AS text[]),
                CAST(:purposes AS text[]), CAST(:gifts AS uuid[]), CAST(:enclosed AS text[]))
         WITH ORDINALITY AS r(provider, address, language, sentence, holes, secret, form, purpose, gift_id, enclosed, place)
    ORDER BY r.place
""")

# What another worker has in hand, or is taking at this moment, holds up the later texts to the same phone. Rows that are
# being taken cannot be seen as taken: whoever is due before, and is not among those locked here, is in other hands.
# OFFSET 0 has each phone looked up by itself (index outbox_waiting), however much waits for other phones.
_CLAIM = text("""
    WITH due AS (
        SELECT o.id, o.due_at, o.state, o.address FROM outbox AS o
        WHERE o.state IN ('queued', 'claimed') AND o.due_at <= now() AND o.provider = ANY(:providers)
          AND NOT EXISTS (
              SELECT FROM outbox e
              WHERE e.address = o.address AND e.id < o.id AND e.state = 'claimed' OFFSET 0)
        ORDER BY o.due_at, o.id LIMIT :batch FOR UPDATE OF o SKIP LOCKED
    ), ours AS (
        SELECT d.id, d.due_at, d.state FROM due AS d
        WHERE NOT EXISTS (
            SELECT FROM outbox e
            WHERE e.address = d.address AND e.state IN ('queued', 'claimed') AND e.provider = ANY(:providers)
              AND e.id < d.id AND e.due_at <= d.due_at
              AND e.id <> ALL(ARRAY(SELECT due.id FROM due)) OFFSET 0)
    ), claimed AS (
        UPDATE outbox AS o
        SET state = 'claimed', attempt = o.attempt + 1, due_at = now() + make_interval(secs => :lease_seconds),
            asked_at = CASE WHEN ours.state = 'claimed'
                            THEN coalesce(o.asked_at, o.due_at - make_interval(secs => :lease_seconds)) ELSE o.asked_at END
        FROM ours WHERE o.id = ours.id
        RETURNING o.id, o.attempt, o.provider, o.address, o.language, o.sentence, o.holes,
                  ours.state = 'claimed' AS again, o.form, o.purpose, o.gift_id::text, o.enclosed,
                  extract(epoch FROM o.asked_at)::float AS asked_at, o.passed, ours.due_at AS was_due
    )
    SELECT id, attempt, provider, address, language, sentence, holes, again, form, purpose, gift_id, enclosed, asked_at, passed
    FROM claimed ORDER BY was_due, id
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
        sent_at = coalesce(o.sent_at, clock()),
        ended_at = CASE WHEN o.state = 'claimed' AND coalesce(best.state, 'sent') <> 'sent' THEN clock() ELSE o.ended_at END,
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
    SET state = 'queued', due_at = now() + make_interval(secs => m.seconds), error_code = m.code, passed = '{{}}',
        asked_at = CASE WHEN m.unclear THEN coalesce(o.asked_at, now()) END
    FROM unnest(CAST(:ids AS bigint[]), CAST(:attempts AS int[]), CAST(:seconds AS float8[]), CAST(:codes AS text[]),
                CAST(:unclear AS boolean[])) AS m(id, attempt, seconds, code, unclear)
    WHERE {_HELD}
""")

# Nobody tried anything under this attempt number, so it is given back.
_RELEASE = text(f"""
    UPDATE outbox AS o
    SET state = 'queued', attempt = o.attempt - 1, due_at = now() + make_interval(secs => m.seconds), passed = '{{}}'
    FROM unnest(CAST(:ids AS bigint[]), CAST(:attempts AS int[]), CAST(:seconds AS float8[])) AS m(id, attempt, seconds)
    WHERE {_HELD}
""")

_PASS_ON = text(f"""
    UPDATE outbox AS o
    SET state = 'queued', due_at = now(), provider = m.provider, passed = o.passed || o.provider, asked_at = NULL
    FROM unnest(CAST(:ids AS bigint[]), CAST(:attempts AS int[]), CAST(:providers AS text[])) AS m(id, attempt, provider)
    WHERE {_HELD}
""")

_FAILED = text(f"""
    UPDATE outbox AS o
    SET state = 'failed', error_code = m.code, ended_at = clock(), {_REDACTED}
    FROM unnest(CAST(:ids AS bigint[]), CAST(:attempts AS int[]), CAST(:codes AS text[])) AS m(id, attempt, code)
    WHERE {_HELD}
""")

_KNOWN = text("SELECT provider_id FROM outbox WHERE provider = :provider AND provider_id = ANY(:names)")
_RECEIPT = text("SELECT record_receipt(:provider, :provider_id, :outbox_id, :state, :error_code)")


def put(db: Connection, rows: Sequence[Row]) -> None:
    """File messages to be sent, in this order, in the caller's transaction."""
    if not rows:
        return
    columns = {
        "providers": [row.provider for row in rows],
        "addresses": [row.address for row in rows],
        "languages": [row.language for row in rows],
        "sentences": [row.sentence for row in rows],
        "holes": [json.dumps(dict(row.holes), ensure_ascii=False) for row in rows],
        "secrets": [row.secret for row in rows],
        "forms": [row.form for row in rows],
        "purposes": [row.purpose for row in rows],
        "gifts": [row.gift_id for row in rows],
        "enclosed": [" ".join(row.enclosed) for row in rows],
    }
    db.execute(_PUT, columns)


def claim(db: Connection, *, providers: Collection[str], batch: int, lease_seconds: float) -> list[Claimed]:
    """Take up to `batch` rows of these providers that are due, or whose lease ended, for `lease_seconds`; the longest due
    come first.

    Rows in other workers' hands are passed over, without waiting, and so is what was filed for the same phone after them.
    """
    rows = db.execute(_CLAIM, {"providers": list(providers), "batch": batch, "lease_seconds": lease_seconds})
    return [Claimed(*row) for row in rows]


def sent(db: Connection, marks: Sequence[tuple[int, int, str]]) -> int:
    """(id, attempt, the provider's name of the message): the provider took them. Returns how many were still held."""
    return _mark(db, _SENT, ("ids", "attempts", "provider_ids"), marks)


def retry(db: Connection, marks: Sequence[tuple[int, int, float, str, bool]]) -> int:
    """(id, attempt, seconds, code, unclear): to be tried again after so many seconds; `unclear`: it may have been sent, and
    is looked up first. Returns how many were still held."""
    return _mark(db, _RETRY, ("ids", "attempts", "seconds", "codes", "unclear"), marks)


def release(db: Connection, marks: Sequence[tuple[int, int, float]]) -> int:
    """(id, attempt, seconds): given back untried, due in so many seconds. Returns how many were still held."""
    return _mark(db, _RELEASE, ("ids", "attempts", "seconds"), marks)


def pass_on(db: Connection, marks: Sequence[tuple[int, int, str]]) -> int:
    """(id, attempt, provider): another provider is to send it, now. Returns how many were still held."""
    return _mark(db, _PASS_ON, ("ids", "attempts", "providers"), marks)


def failed(db: Connection, marks: Sequence[tuple[int, int, str]]) -> int:
    """(id, attempt, code): never to be tried again. Returns how many were still held."""
    return _mark(db, _FAILED, ("ids", "attempts", "codes"), marks)


def known(db: Connection, provider: str, names: Collection[str]) -> set[str]:
    """Which of a provider's names for messages are borne by rows of ours."""
    return set(db.execute(_KNOWN, {"provider": provider, "names": list(names)}).scalars())


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
