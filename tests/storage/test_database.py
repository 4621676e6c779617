"""The database: migrations that may meet, transactions that end whole, limits that hold, a clock that tests may move."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from bot.embedded import Servers
from storage.database import Database, driver_url, may_try_again, migrate
from storage.roles import Role
from tests.conftest import copied
from tests.people import BUSINESS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def empty(servers: Servers) -> Iterator[str]:
    """The address of a database with nothing in it."""
    with copied(servers, "template0") as url:
        yield url


def shape(url: str) -> list[tuple[str, ...]]:
    """Every column, function, trigger and right of the schema."""
    database = Database(url, connections=1)
    query = """
        SELECT 'column', table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT 'function', proname, prosrc, '' FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, '' FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'right', table_name, grantee, privilege_type FROM information_schema.role_table_grants
                  WHERE table_schema = 'public' AND grantee <> :tests
        ORDER BY 1, 2, 3, 4"""
    with database.begin() as db:
        db.execute(text("SET LOCAL ROLE NONE"))
        found = [tuple(row) for row in db.execute(text(query), {"tests": BUSINESS})]
    database.close()
    return found


def test_migrating_again_changes_nothing(empty: str) -> None:
    migrate(empty)
    first = shape(empty)
    assert ("column", "posting", "amount_minor", "bigint") in first
    migrate(empty)
    assert shape(empty) == first


def test_processes_that_migrate_at_the_same_time_both_succeed(empty: str, database_url: str) -> None:
    script = "import sys; from storage.database import migrate; migrate(sys.argv[1])"
    starting = [subprocess.Popen([sys.executable, "-c", script, empty], cwd=ROOT) for _ in range(3)]
    assert [process.wait(timeout=60) for process in starting] == [0, 0, 0]
    assert shape(empty) == shape(database_url)


def test_the_product_works_under_a_role_that_owns_nothing(database: Database) -> None:
    web = database.as_role(Role.WEB)
    with web.begin() as db:
        assert db.execute(text("SELECT current_user")).scalar_one() == Role.WEB
        owned = "SELECT count(*) FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
        assert db.execute(text(owned)).scalar_one() == 0
    web.close()


def test_a_transaction_is_whole_or_nothing(database: Database) -> None:
    met = text("INSERT INTO member (msisdn) VALUES (:msisdn)")

    def meet_and_fail(db: Connection) -> None:
        db.execute(met, {"msisdn": "+254712000001"})
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"), database.begin() as db:
        meet_and_fail(db)
    with database.begin() as db:
        db.execute(met, {"msisdn": "+254712000002"})
    with database.begin() as db:
        assert db.execute(text("SELECT msisdn FROM member")).scalars().all() == ["+254712000002"]


def test_nothing_waits_for_ever(database: Database) -> None:
    with database.begin() as db:
        limits = [
            db.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        ]
    assert limits == ["5s", "4s", "15s"]


def test_the_products_clock_is_the_databases_and_moves_only_where_it_was_moved(database: Database) -> None:
    ahead = text("SELECT extract(epoch FROM clock() - now())::int")
    with database.begin() as db:
        assert db.execute(ahead).scalar_one() == 0
    database.clock_offset = "8 days"
    with database.begin() as db:
        assert db.execute(ahead).scalar_one() == 8 * 86_400
    database.clock_offset = ""
    with database.begin() as db:
        assert db.execute(ahead).scalar_one() == 0


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_the_usual_spellings_of_an_address_are_one(scheme: str) -> None:
    assert driver_url(f"{scheme}://app@host:5432/gift?x=1") == "postgresql+psycopg://app@host:5432/gift?x=1"


@pytest.mark.parametrize("url", ["", "giftline", "mysql://app@host/gift", "sqlite:///gift"])
def test_other_addresses_are_refused_before_anything_is_tried(url: str) -> None:
    with pytest.raises(ValueError, match="DATABASE_URL must begin with postgresql://"):
        driver_url(url)


def test_a_deadlock_may_be_tried_again_and_other_faults_may_not(database: Database) -> None:
    def raised_with(state: str) -> OperationalError:
        with pytest.raises(OperationalError) as raised, database.begin() as db:
            db.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"))
        return raised.value

    assert may_try_again(raised_with("40P01"))
    assert may_try_again(raised_with("40001"))
    assert not may_try_again(raised_with("55P03"))
    assert not may_try_again(ValueError("40001"))
