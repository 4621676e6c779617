"""Gifts that were made before a gift could be of several sheets are the same gifts afterwards."""

from collections.abc import Iterator

import alembic.command
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from bot import embedded
from storage.database import MIGRATIONS, driver_url
from tests.conftest import copied

SEVERAL = "0004"
BEFORE = """
    INSERT INTO member (msisdn) VALUES ('+254712000001'), ('+254712000002');
    INSERT INTO issuer (prefix, name, kind) VALUES ('GL', 'Giftline', 'any'), ('SB', 'Soko Bora', 'supermarket');
    INSERT INTO denomination (issuer_id, amount_minor, currency) VALUES (2, 50000, 'KES');
    INSERT INTO purchase (id, reference, buyer_id, denomination_id, sheets, amount_minor, fee_minor, currency, rail, state,
        issued_at) VALUES (gen_random_uuid(), 'P', 1, 1, 2, 100000, 0, 'KES', 'phone_bill', 'issued', now());
    INSERT INTO certificate (serial, issuer_id, purchase_id, holder_id, face_minor, currency, law)
        SELECT 'SB' || n, 2, id, 1, 50000, 'KES', 'house' FROM purchase, generate_series(1, 2) n;
    INSERT INTO gift (id, reference, certificate_id, giver_id, recipient_id, amount_minor, currency, note, state, lapses_at)
        VALUES (gen_random_uuid(), 'WAITING', 1, 1, 2, 30000, 'KES', '', 'offered', now()),
               (gen_random_uuid(), 'TAKEN', 2, 1, 2, 50000, 'KES', 'Hello', 'accepted', now());
"""


@pytest.fixture
def connection(servers: embedded.Servers) -> Iterator[Connection]:
    with copied(servers, "template0") as url:
        engine = create_engine(driver_url(url), poolclass=NullPool)
        with engine.begin() as db:
            yield db
        engine.dispose()


def test_a_gift_of_one_certificate_becomes_a_gift_of_one_sheet(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    before = ScriptDirectory.from_config(config).get_revision(SEVERAL).down_revision
    alembic.command.upgrade(config, str(before))
    connection.execute(text(BEFORE))

    alembic.command.upgrade(config, SEVERAL)

    sheets = """
        SELECT g.reference, i.name, s.place, s.certificate_id, s.amount_minor, s.open, g.sent_at = g.created_at, g.sends_at
        FROM gift g JOIN gift_sheet s ON s.gift_id = g.id JOIN issuer i ON i.id = g.issuer_id ORDER BY s.certificate_id"""
    assert [tuple(row) for row in connection.execute(text(sheets))] == [
        ("WAITING", "Soko Bora", 1, 1, 30_000, True, True, None),
        ("TAKEN", "Soko Bora", 1, 2, 50_000, False, True, None),
    ]
    assert connection.execute(text("SELECT DISTINCT name_shown FROM member")).scalar_one() == "masked"
