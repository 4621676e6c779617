"""PostgreSQL: connections, transactions, migrations, and which errors may simply be tried again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import alembic.command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from storage.roles import Role

STATEMENT_SECONDS = 5
LOCK_SECONDS = 4
CONNECT_SECONDS = 3
MIGRATIONS = Path(__file__).parent / "migrations"
TRY_AGAIN = frozenset({"40001", "40P01"})
"""Serialisation failure and deadlock: the transaction did nothing and may be run again."""


@dataclass(slots=True)
class _Clock:
    offset: str = ""


class Database:
    """Connections under `role`, which may do what its kind of process has to do, and never edit the ledger.

    `clock_offset` is an interval ("8 days") by which the product's clock runs ahead; empty outside tests and demos.
    """

    def __init__(self, url: str, *, role: str = Role.WEB, connections: int = 10) -> None:
        limits = (
            f"-c role={role} -c timezone=UTC -c statement_timeout={STATEMENT_SECONDS}s"
            f" -c lock_timeout={LOCK_SECONDS}s -c idle_in_transaction_session_timeout=15s"
        )
        self.url = driver_url(url)
        self._clock = _Clock()
        self.engine = create_engine(
            self.url,
            pool_size=connections,
            max_overflow=connections,
            pool_timeout=CONNECT_SECONDS,
            connect_args={"options": limits, "connect_timeout": CONNECT_SECONDS},
        )

    def as_role(self, role: str, *, connections: int = 1) -> "Database":
        """The same database and clock under other rights. The caller closes it."""
        other = Database(self.url, role=role, connections=connections)
        other._clock = self._clock
        return other

    @property
    def clock_offset(self) -> str:
        """By how much the product's clock runs ahead, for everybody who shares it."""
        return self._clock.offset

    @clock_offset.setter
    def clock_offset(self, offset: str) -> None:
        """Move the product's clock."""
        self._clock.offset = offset

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        with self.engine.begin() as db:
            if self.clock_offset:
                db.execute(_SET_CLOCK, {"offset": self.clock_offset})
            yield db

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """A connection for reading alone: each statement by itself, which saves the two round trips of a transaction."""
        if self.clock_offset:  # holds within a transaction only
            with self.begin() as db:
                yield db
        else:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
                yield db

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


_SET_CLOCK = text("SELECT set_config('giftline.clock_offset', :offset, true)")


def driver_url(url: str) -> str:
    """The same database through psycopg 3, whichever of the usual spellings the address has."""
    scheme, separator, rest = url.partition("://")
    if separator and scheme in {"postgres", "postgresql", "postgresql+psycopg"}:
        return f"postgresql+psycopg://{rest}"
    raise ValueError("DATABASE_URL must begin with postgresql://")


def migrate(url: str) -> None:
    """Bring the schema up to date. Safe to call from several processes at once."""
    engine = create_engine(driver_url(url), poolclass=NullPool)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with engine.begin() as db:
            db.execute(text("SELECT pg_advisory_xact_lock(hashtext('giftline migrations'))"))
            config.attributes["connection"] = db
            alembic.command.upgrade(config, "head")
    finally:
        engine.dispose()


def may_try_again(error: BaseException) -> bool:
    """Whether a transaction that failed before its COMMIT did nothing, and may do better when it is run again.

    The database itself undid it because of another one beside it; or its connection was found dead, and so were those
    that lay in the pool: the next one is new.
    """
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in TRY_AGAIN
