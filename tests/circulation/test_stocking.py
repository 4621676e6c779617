"""Stocking: a file is loaded whole or not at all, again without harm, and what is wrong with it is named."""

from pathlib import Path

import pytest

from circulation import catalogue
from circulation.stocking import DEMO, Stocked, StockRefused, stock
from storage.database import Database
from tests.people import People

GOOD = """
currency = "KES"
[[issuer]]
prefix = "NEW"
name = "Duka Jipya"
kind = "food"
prices = [[10000, 300], [20000, 0]]
[[store]]
name = "Duka Jipya Thika"
commission_bps = 100
accepts = ["NEW"]
clerks = [["+254700000999", "Mumbi"]]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "stock.toml"


def load(database: Database, file: Path, content: str) -> Stocked:
    file.write_text(content)
    with database.begin() as db:
        return stock(db, file)


def test_what_the_file_holds_is_on_sale_and_taken(people: People, file: Path) -> None:
    loaded = load(people.database, file, GOOD)
    assert loaded == Stocked(1, 2, [("Duka Jipya Thika", ["+254700000999"])])
    with people.database.begin() as db:
        assert "food" in catalogue.kinds(db)
        (issuer,) = catalogue.issuers(db, "food")
        prices = catalogue.denominations(db, issuer.id)
        assert [(price.worth.amount_minor, price.fee.amount_minor) for price in prices] == [(10_000, 300), (20_000, 0)]
        assert catalogue.stores(db, issuer.name) == ["Duka Jipya Thika"]


def test_the_same_file_again_changes_nothing(people: People) -> None:
    tables = ("issuer", "denomination", "store", "acceptance", "clerk")
    before = [people.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]
    with people.database.begin() as db:
        stock(db, DEMO / "KE.toml")
    assert [people.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables] == before


def test_a_changed_file_changes_in_place_and_takes_nothing_away(people: People, file: Path) -> None:
    load(people.database, file, GOOD)
    changed = (
        GOOD.replace('"Duka Jipya"', '"Duka Mpya"').replace("[10000, 300], ", "").replace("[20000, 0]", "[20000, 7]")
    )
    changed = changed.replace("= 100", "= 250").replace('"Mumbi"', '"Auma"')
    load(people.database, file, changed)
    prices = """
        SELECT d.amount_minor, d.fee_minor, i.name FROM denomination d JOIN issuer i ON i.id = d.issuer_id
        WHERE i.prefix = 'NEW' ORDER BY 1"""
    assert people.rows(prices) == [(10_000, 300, "Duka Mpya"), (20_000, 7, "Duka Mpya")]
    clerk = """
        SELECT c.name, s.commission_bps FROM clerk c JOIN store s ON s.id = c.store_id WHERE c.msisdn = '+254700000999'"""
    assert people.rows(clerk) == [("Auma", 250)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("KES", "shillings"), "currency"),
        (('"food"', '"fodder"'), "unknown kind: fodder"),
        (('accepts = ["NEW"]', 'accepts = ["OLD"]'), "accepts unknown issuers: OLD"),
        (('prefix = "NEW"', 'prefix = "toolong"'), "issuer.0.prefix"),
        (("[20000, 0]", "[0, 0]"), "issuer.0.prices.1.0"),
        (("[20000, 0]", "[20000, -1]"), "issuer.0.prices.1.1"),
        (("[20000, 0]", "[200.5, 0]"), "issuer.0.prices.1.0"),
        (("= 100", "= 10001"), "store.0.commission_bps"),
        (("+254700000999", "0700000999"), "store.0.clerks.0.0"),
        (('kind = "food"', 'kind = "food"\ncolour = "red"'), "issuer.0.colour"),
        (('name = "Duka Jipya Thika"\n', ""), "store.0.name"),
        (("[[issuer]]", "[[issuer"), "stock.toml"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_fault_and_nothing_is_loaded(
    people: People, file: Path, change: tuple[str, str], said: str
) -> None:
    assert change[0] in GOOD
    with pytest.raises(StockRefused) as refused:
        load(people.database, file, GOOD.replace(*change, 1))
    assert said in str(refused.value)
    assert people.value("SELECT count(*) FROM issuer WHERE prefix = 'NEW'") == 0


def test_a_file_that_is_not_there_or_is_no_text_is_refused(people: People, file: Path) -> None:
    with pytest.raises(StockRefused, match=r"stock\.toml"), people.database.begin() as db:
        stock(db, file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StockRefused, match=r"stock\.toml"), people.database.begin() as db:
        stock(db, file)
