"""What doors file, and read, besides turns. Each is a transaction of its own; without the database it raises Unavailable."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.messages import Receipt, Unavailable
from bot.turn import NOTHING_DONE
from circulation import wishes
from circulation.msisdn import Msisdn
from payments import callbacks, charges
from payments.gateway import Hint
from storage import outbox
from storage.database import Database


def record(database: Database, receipt: Receipt) -> None:
    """Keep what a provider says became of a message."""
    with _or_unavailable(), database.begin() as db:
        outbox.record_receipt(db, receipt)


def opted_out(database: Database, msisdn: Msisdn, provider: str) -> None:
    """Keep that a person told a provider that they want no more texts from our number there."""
    with _or_unavailable(), database.begin() as db:
        wishes.told_by_provider(db, msisdn.e164, provider)


def take_hint(database: Database, rail: str, hint: Hint) -> None:
    """Keep what a rail calls back with; it makes its charge due, and nothing else."""
    with _or_unavailable(), database.begin() as db:
        callbacks.take(db, rail, hint)


def pay_page(database: Database, reference: str) -> str | None:
    """The address of the page on which this order is paid by card; None when there is none."""
    with _or_unavailable(), database.look() as db:
        return charges.page(db, reference)


def ask(database: Database) -> None:
    """Ask the database anything at all. Raises what it raises."""
    with database.begin() as db:
        db.execute(text("SELECT 1"))


@contextmanager
def _or_unavailable() -> Iterator[None]:
    try:
        yield
    except (OperationalError, PoolTimeout) as error:
        raise Unavailable(NOTHING_DONE) from error
