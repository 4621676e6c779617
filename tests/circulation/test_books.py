"""The books: after a life of everything all proofs hold, and each proof notices what it is there to notice."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from circulation import books, gifting, redemption
from circulation.chart import ACCOUNTS
from circulation.money import Money
from storage.ledger import Total
from tests.people import People


def live(people: People) -> None:
    """Bought, given, accepted, declined, waiting, lapsed, partly used and used up."""
    amina, baraka, clerk = people.member("Amina"), people.member("Baraka"), people.clerk()
    accepted, declined, waiting, lapsed, used = people.certificates(amina, 5)
    people.gift(amina, waiting, people.number())
    taken, refused = (people.gift(amina, gift, baraka.msisdn) for gift in (accepted, declined))
    forgotten = people.gift(amina, lapsed, people.number())
    with people.database.begin() as db:
        gifting.accept(db, people.rules, gift_id=taken, recipient=baraka)
        gifting.decline(db, people.rules, gift_id=refused, recipient=baraka)
        db.execute(text("UPDATE gift SET lapses_at = now() WHERE id = :id"), {"id": forgotten})
        gifting.lapse(db, people.rules, gift_id=forgotten)
    for holder, certificate, amount_minor in ((baraka, accepted, 35_000), (amina, used, 50_000)):
        code, paid = people.code(holder, certificate), Money(amount_minor, "KES")
        with people.database.begin() as db:
            redemption.use(db, people.rules, use_id=str(uuid4()), clerk=clerk, code=code, amount=paid)
    people.code(amina, declined)


def figures(people: People) -> dict[str, int]:
    with people.database.begin() as db:
        return {proof.name: proof.figure for proof in books.read(db).proofs}


def test_books_of_nothing_are_in_order(people: People) -> None:
    with people.database.begin() as db:
        read = books.read(db)
    assert (read.totals, read.in_order) == ([], True)
    assert [proof.name for proof in read.proofs] == list(books.PROOFS)


def test_after_everything_has_happened_the_books_are_in_order_and_the_totals_are_these(people: People) -> None:
    live(people)
    with people.database.begin() as db:
        read = books.read(db)
    assert read.in_order, [proof for proof in read.proofs if proof.figure]
    assert read.totals == [
        Total("1120", "KES", 255_000, 0),
        Total("2050", "KES", 255_000, 255_000),
        Total("2100", "KES", 200_000 + 85_000, 250_000 + 150_000),
        Total("2110", "KES", 150_000, 200_000),
        Total("2120", "KES", 85_000, 85_000),
        Total("2200", "KES", 0, 85_000 - 2_550),
        Total("4010", "KES", 0, 5_000),
        Total("4020", "KES", 0, 2_550),
    ]
    assert {total.code for total in read.totals} <= set(ACCOUNTS)


ENTRY = "SELECT max(id) FROM journal_entry"
TAMPERINGS = {
    "journal entries that do not balance": "UPDATE posting SET amount_minor = amount_minor + 1 WHERE id = 1",
    "journal entries without postings": "INSERT INTO journal_entry (operation_id, kind, currency) VALUES ('x', 'x', 'KES')",
    "postings in another currency than their entry": f"UPDATE journal_entry SET currency = 'UGX' WHERE id = ({ENTRY})",
    "assets less debts and income (coverage), in minor units": "DELETE FROM posting WHERE id = 1",
    "order deposits left over, in minor units": """
        DELETE FROM posting WHERE account_id = (SELECT id FROM account WHERE code = '2050') AND amount_minor > 0""",
    "redemption holds left over, in minor units": """
        DELETE FROM posting p USING account a WHERE a.id = p.account_id AND a.code = '2120' AND p.amount_minor > 0""",
    "guarded balances below zero": """
        ALTER TABLE balance DROP CONSTRAINT balance_not_negative; UPDATE balance SET amount_minor = -1""",
    "guarded balances that differ from their postings": "UPDATE balance SET amount_minor = amount_minor + 1",
    "open gifts whose escrow is not their amount": "UPDATE gift SET state = 'lapsed' WHERE state = 'offered'",
    "phone bills less receivable, in minor units": "DELETE FROM charge",
    "redemptions less what stores and commission earned, in minor units": """
        UPDATE redemption SET amount_minor = amount_minor + 1""",
    "used codes less redemptions": "UPDATE redemption_code SET state = 'used'",
    "certificates less sheets bought": "UPDATE purchase SET sheets = sheets + 1",
}


def test_every_proof_has_its_tampering() -> None:
    assert list(TAMPERINGS) == list(books.PROOFS)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_someone_with_every_right_does_to_the_tables_is_noticed(people: People, name: str) -> None:
    live(people)
    with people.database.begin() as db:
        db.execute(text("SET LOCAL ROLE NONE"))
        db.execute(text("SET LOCAL session_replication_role = replica"))  # no trigger fires: the worst case
        db.exec_driver_sql(TAMPERINGS[name], execution_options={"prepare": False})
    assert figures(people)[name] != 0
    assert not people.books_in_order()
