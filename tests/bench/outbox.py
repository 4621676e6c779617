"""The outbox: claim and mark in batches, as the worker does, beside the barest queue that two workers can share."""

import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.pool import Pool

import psycopg

from storage import outbox
from storage.database import Database, migrate
from storage.roles import Role
from tests.bench.measure import Goal, Result, Size, Wrong, alternate
from tests.bench.site import Site

BATCH = 100
WORKERS = 2
_BARE = """
    CREATE TABLE bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, provider text, address text, language text,
                       sentence text, holes jsonb, state text NOT NULL DEFAULT 'queued', provider_id text,
                       due_at timestamptz NOT NULL DEFAULT now());
    CREATE INDEX bare_due ON bare (due_at, id) WHERE state = 'queued'
"""
_FILL = """
    TRUNCATE {table};
    INSERT INTO {table} (provider, address, language, sentence, holes)
    SELECT 'twilio', '+254712' || n, 'en', 'Ref {{reference}}: {{issuer}} {{amount}} was offered to {{recipient}}.',
           '{{"issuer": "Naivas", "amount": {{"money": [50000, "KES"]}}, "reference": "7KQ4MXW2"}}'
    FROM generate_series(100000, 99999 + {rows}) n;
    ANALYZE {table}
"""
_CLAIM_BARE = """
    UPDATE bare SET state = 'claimed' WHERE id IN (
        SELECT id FROM bare WHERE state = 'queued' AND due_at <= now() ORDER BY due_at, id LIMIT %s FOR UPDATE SKIP LOCKED
    ) RETURNING id, provider, address, language, sentence, holes
"""
_MARK_BARE = """
    UPDATE bare SET state = 'sent', provider_id = m.provider_id
    FROM unnest(%s::bigint[], %s::text[]) AS m(id, provider_id) WHERE bare.id = m.id
"""


def draining(site: Site, size: Size) -> list[Result]:
    """Rows a second out of the queue, by one worker and by two."""
    url = site.new_database("outbox")
    migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute(_BARE)
    with multiprocessing.get_context("spawn").Pool(WORKERS, _open, [url]) as pool:

        def sides(workers: int) -> list[tuple[float, float]]:
            ours = partial(_drained, pool, url, size.per_round, "outbox", _drain, workers)
            bare = partial(_drained, pool, url, size.per_round, "bare", _drain_bare, workers)
            return alternate(size, ours, bare)

        one, two = sides(1), sides(2)
    against = "a bare SKIP LOCKED loop"
    at_least: Goal = ("at least", 0.8)
    scaled = [(ours, alone) for (ours, _), (alone, _) in zip(two, one, strict=True)]
    return [
        Result("outbox, one worker, batches of 100", against, "rows a second", at_least, one),
        Result("outbox, two workers", against, "rows a second", at_least, two),
        Result("outbox, two workers", "one worker", "rows a second", ("at least", 1.2), scaled),
    ]


def _drained(pool: Pool, url: str, rows: int, table: str, drain: Callable[[int], int], workers: int) -> float:
    """Fill a queue and have it emptied; rows a second. Raises Wrong unless each row was sent once."""
    with psycopg.connect(url) as connection:
        connection.execute(_FILL.format(table=table, rows=rows))
    begun = time.perf_counter()
    sent = sum(pool.map(drain, range(workers), chunksize=1))
    seconds = time.perf_counter() - begun
    with psycopg.connect(url) as connection:
        marked = connection.execute(f"SELECT count(*) FROM {table} WHERE state = 'sent'").fetchone()
    if sent != rows or marked != (rows,):
        raise Wrong(f"{sent} rows of {rows} were sent from {table}, {marked} marked")
    return rows / seconds


def _open(url: str) -> None:
    """What each worker keeps."""
    global _database, _connection
    _database = Database(url, role=Role.WORKER, connections=1)
    _connection = psycopg.connect(url)


def _drain(_: int) -> int:
    total = 0
    while True:
        with _database.begin() as db:
            claimed = outbox.claim(db, providers=["twilio"], batch=BATCH, lease_seconds=60)
        if not claimed:
            return total
        with _database.begin() as db:
            total += outbox.sent(db, [(row.id, row.attempt, f"SM{row.id}") for row in claimed])


def _drain_bare(_: int) -> int:
    total = 0
    while True:
        with _connection.transaction():
            rows = _connection.execute(_CLAIM_BARE, (BATCH,)).fetchall()
        if not rows:
            return total
        with _connection.transaction():
            names = [f"SM{row[0]}" for row in rows]
            total += _connection.execute(_MARK_BARE, ([row[0] for row in rows], names)).rowcount


_database: Database
_connection: psycopg.Connection[tuple[object, ...]]
