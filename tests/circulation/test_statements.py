"""Statements of account: what it was, every posting with the balance after it, what it is; by the names people use."""

from datetime import UTC, date, datetime, timedelta

import pytest

from circulation import statements
from circulation.statements import Statement
from tests.people import People


def read(people: People, account: str, *, since: date | None = None, until: date | None = None) -> list[Statement]:
    with people.database.begin() as db:
        return statements.read(db, account, since=since, until=until)


def today() -> date:
    return datetime.now(UTC).date()


def lived(people: People) -> tuple[int, str]:
    """A certificate that was bought days ago, and given today; its id and serial."""
    amina = people.member()
    people.database.clock_offset = "-3 days"
    certificate = people.certificate(amina)
    people.database.clock_offset = ""
    people.gift(amina, certificate, people.number())
    return certificate, people.value("SELECT serial FROM certificate WHERE id = :id", id=certificate)


def test_a_statement_has_every_posting_with_the_balance_after_it(people: People) -> None:
    _, serial = lived(people)
    (one,) = read(people, f"2100:{serial}")
    assert (one.code, one.name, one.currency, one.opening_minor, one.closing_minor) == ("2100", serial, "KES", 0, 0)
    assert [(line.kind, line.amount_minor, line.balance_minor) for line in one.lines] == [
        ("certificates issued", -50_000, -50_000),
        ("gift offered", 50_000, 0),
    ]
    assert one.lines[0].at < one.lines[1].at


def test_a_statement_of_some_days_begins_with_what_was_before(people: People) -> None:
    _, serial = lived(people)
    yesterday, tomorrow = today() - timedelta(days=1), today() + timedelta(days=1)
    (one,) = read(people, f"2100:{serial}", since=yesterday, until=tomorrow)
    assert (one.opening_minor, [line.kind for line in one.lines], one.closing_minor) == (-50_000, ["gift offered"], 0)
    (before,) = read(people, f"2100:{serial}", until=yesterday)
    assert (before.opening_minor, len(before.lines), before.closing_minor) == (0, 1, -50_000)
    (between,) = read(people, f"2100:{serial}", since=yesterday, until=yesterday)
    assert (between.opening_minor, between.lines, between.closing_minor) == (-50_000, [], -50_000)


def test_an_account_without_a_name_is_all_of_its_code(people: People) -> None:
    people.certificate(people.member())
    people.certificate(people.member())
    (one,) = read(people, "2100")
    assert (len(one.lines), one.closing_minor) == (2, -100_000)


def test_each_currency_has_a_statement_of_its_own(people: People) -> None:
    people.certificate(people.member())
    with people.database.begin() as db:
        db.exec_driver_sql("SELECT post_entry('x', 'x', 'UGX', '{1120,4010}', '{\"\",\"\"}', '{7,-7}')")
    assert [(one.currency, one.closing_minor) for one in read(people, "4010")] == [("KES", -1_000), ("UGX", -7)]


def test_accounts_are_found_by_the_names_people_use(people: People) -> None:
    certificate, serial = lived(people)
    gift = people.value("SELECT reference FROM gift")
    for name in (f"2100:{certificate}", f"2100:{serial}", f"2110:{gift}", "1120:phone_bill", "4010"):
        assert read(people, name), name


@pytest.mark.parametrize(
    ("account", "why"),
    [
        ("9999", "there is no account 9999"),
        ("", "there is no account"),
        ("1130:mpesa", "nothing was ever posted on 1130:mpesa"),
        ("2200:No such store", "nothing was ever posted on 2200"),
    ],
)
def test_an_account_that_is_none_is_refused(account: str, why: str, people: People) -> None:
    with pytest.raises(LookupError, match=why):
        read(people, account)
