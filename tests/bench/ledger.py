"""The ledger alone: `post_entry` and `storage.ledger.post` beside pgbench's own TPC-B, and a busy account beside idle ones."""

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import randrange
from tempfile import TemporaryDirectory
from uuid import uuid4

import psycopg

from storage import ledger
from storage.database import Database, migrate
from storage.ledger import Entry, Line
from tests.bench.measure import Result, Size, Wrong, alternate
from tests.bench.site import Site

CLIENTS = 16
PROCESSES = 4
BUSY_CLIENTS = 32
CERTIFICATES = 10_000
STORES = 1_000
SCALE = 16
"""pgbench's tellers and branches are busy rows as well: at least as many branches as clients."""

TO_ESCROW = """
\\set certificate random(1, {certificates})
SELECT post_entry(gen_random_uuid()::text, 'gift offered', 'KES', ARRAY['2100', '2110'],
                  ARRAY[:certificate::text, :certificate::text], ARRAY[1, -1]);
"""
TO_STORE = """
\\set certificate random(1, {certificates})
\\set store random(1, {stores})
SELECT post_entry(gen_random_uuid()::text, 'redemption captured', 'KES', ARRAY['2100', '2200'],
                  ARRAY[:certificate::text, :store::text], ARRAY[1, -1]);
"""
_FUND = """
    SELECT post_entry('fund', 'funded', 'KES', array_agg(l.code), array_agg(l.owner), array_agg(l.amount))
    FROM generate_series(1, %s) n, LATERAL (
        VALUES ('1120', '', 2000000000), ('2100', n::text, -1000000000), ('2110', n::text, -1000000000)
    ) AS l(code, owner, amount)
"""
_COUNT = "SELECT count(*), coalesce(sum(amount_minor), 0) FROM posting"


class LedgerAlone:
    """A ledger in a database of its own, with certificates that have something to move."""

    def __init__(self, site: Site, name: str) -> None:
        self.url = site.new_database(name)
        self._site = site
        migrate(self.url)
        with psycopg.connect(self.url) as connection:
            connection.execute(_FUND, (CERTIFICATES,))
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")

    def by_pgbench(
        self, transactions: int, script: str = TO_ESCROW, *, clients: int = CLIENTS, stores: int = STORES
    ) -> float:
        """Entries a second, one call each. Raises Wrong when the ledger does not hold all of them."""
        each = transactions // clients
        before, _ = self._counted()
        with TemporaryDirectory() as folder:
            file = Path(folder, "script")
            file.write_text(script.format(certificates=CERTIFICATES, stores=stores))
            rate = self._site.pgbench(
                self.url, f"--file={file}", f"--client={clients}", "--jobs=2", f"--transactions={each}"
            )
        self.expect(before + 2 * each * clients)
        return rate

    def expect(self, postings: int) -> None:
        """Raises Wrong when there are not as many postings, or they do not balance."""
        if self._counted() != (postings, 0):
            raise Wrong(f"{self._counted()} instead of {postings} postings")

    def _counted(self) -> tuple[int, int]:
        with psycopg.connect(self.url) as connection:
            rows, total = connection.execute(_COUNT).fetchone() or (0, 0)
            return int(rows), int(total)


def posting(site: Site, size: Size) -> list[Result]:
    """An entry of two guarded postings beside TPC-B: the call by itself, then as the product makes it."""
    alone = LedgerAlone(site, "ledger")
    tpcb_url = site.new_database("tpcb")
    site.prepare_pgbench(tpcb_url, SCALE)
    each = str(size.per_round // CLIENTS)

    def tpcb() -> float:
        return site.pgbench(tpcb_url, f"--client={CLIENTS}", "--jobs=2", f"--transactions={each}")

    by_pgbench = alternate(size, lambda: alone.by_pgbench(size.per_round), tpcb)
    with multiprocessing.get_context("spawn").Pool(PROCESSES, _open, [alone.url]) as pool:

        def by_product() -> float:
            begun = time.perf_counter()
            posted = sum(pool.map(_post, [size.per_round // PROCESSES] * PROCESSES, chunksize=1))
            seconds = time.perf_counter() - begun
            if posted != size.per_round:
                raise Wrong(f"{posted} entries of {size.per_round} were posted")
            return size.per_round / seconds

        by_core = alternate(size, by_product, tpcb)
    return [
        Result("post_entry, called by pgbench", "TPC-B by pgbench", "a second", ("at least", 0.9), by_pgbench),
        Result("storage.ledger.post, 4 processes", "TPC-B by pgbench", "a second", ("at least", 0.9), by_core),
    ]


def busy_account(site: Site, size: Size) -> list[Result]:
    """Entries that all credit one account of ours, beside entries that credit a thousand different ones."""
    alone = LedgerAlone(site, "busy")

    def credited(stores: int) -> float:
        return alone.by_pgbench(size.per_round, TO_STORE, clients=BUSY_CLIENTS, stores=stores)

    rounds = alternate(size, lambda: credited(1), lambda: credited(STORES))
    what, against = "entries on one busy account, 32 clients", "the same on 1,000 accounts"
    return [Result(what, against, "a second", ("at least", 0.9), rounds)]


def _open(url: str) -> None:
    """What each process that posts keeps: connections, and a thread for each."""
    global _database, _threads
    _database = Database(url, connections=CLIENTS // PROCESSES)
    _threads = ThreadPoolExecutor(CLIENTS // PROCESSES)


def _post(number: int) -> int:
    """Post so many entries from this process's threads; how many were posted."""
    return sum(_threads.map(_post_one, range(number)))


def _post_one(_: int) -> bool:
    certificate = str(randrange(1, CERTIFICATES + 1))
    lines = (Line("2100", certificate, 1), Line("2110", certificate, -1))
    with _database.begin() as db:
        return ledger.post(db, str(uuid4()), Entry("gift offered", "KES", lines))


_database: Database
_threads: ThreadPoolExecutor
