"""The ledger: what does not balance, goes below zero or would rewrite the past is refused by the database itself."""

import threading
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from storage import ledger
from storage.database import Database, driver_url
from storage.ledger import BalanceTooLow, Entry, Line, Total


def entry(*lines: tuple[str, str, int], kind: str = "certificates issued", currency: str = "KES") -> Entry:
    return Entry(kind, currency, tuple(Line(*line) for line in lines))


def issued(certificate: str, amount_minor: int) -> Entry:
    return entry(("2050", "", amount_minor), ("2100", certificate, -amount_minor))


def post(database: Database, posted: Entry, operation: str | None = None) -> bool:
    with database.begin() as db:
        return ledger.post(db, operation or str(uuid4()), posted)


def balance(database: Database, code: str, owner: str) -> int:
    with database.begin() as db:
        return ledger.balance(db, code, owner, "KES")


def counted(database: Database) -> tuple[int, int, int, int]:
    """How many entries, postings, accounts and guarded balances there are."""
    with database.begin() as db:
        query = """
            SELECT (SELECT count(*) FROM journal_entry), (SELECT count(*) FROM posting),
                   (SELECT count(*) FROM account), (SELECT count(*) FROM balance)"""
        entries, postings, accounts, balances = db.execute(text(query)).one()
        return entries, postings, accounts, balances


@pytest.fixture
def owner(database_url: str) -> Iterator[Engine]:
    """The database as whoever made it sees it: no role stands between, only the triggers."""
    engine = create_engine(driver_url(database_url))
    yield engine
    engine.dispose()


def test_an_entry_is_posted_with_its_lines_and_moves_the_guarded_balance(database: Database) -> None:
    assert post(database, entry(("2050", "", 700), ("2100", "1", -500), ("4010", "", -200)))
    assert balance(database, "2100", "1") == 500
    with database.begin() as db:
        assert ledger.totals(db) == [
            Total("2050", "KES", 700, 0),
            Total("2100", "KES", 0, 500),
            Total("4010", "KES", 0, 200),
        ]


@pytest.mark.parametrize(
    "lines",
    [
        [("2050", "", 500), ("2100", "1", -499)],
        [("2050", "", 500)],
        [("2050", "", 500), ("2100", "1", 500)],
        [("2050", "", 0), ("2100", "1", 0)],
        [],
    ],
)
def test_an_entry_that_does_not_balance_or_says_nothing_is_refused(
    database: Database, lines: list[tuple[str, str, int]]
) -> None:
    with pytest.raises(IntegrityError, match="does not balance"):
        post(database, entry(*lines))
    assert counted(database) == (0, 0, 0, 0)


def test_lines_of_nothing_are_left_out(database: Database) -> None:
    post(database, entry(("2050", "", 500), ("2100", "1", -500), ("4010", "", 0)))
    assert counted(database) == (1, 2, 2, 1)


def test_one_operation_is_posted_once_and_says_so(database: Database) -> None:
    assert post(database, issued("1", 500), "buy:1") is True
    assert post(database, issued("1", 500), "buy:1") is False
    assert post(database, issued("1", 900), "buy:1") is False
    assert balance(database, "2100", "1") == 500
    assert counted(database)[:2] == (1, 2)


def test_one_operation_cannot_be_two_kinds_of_thing(database: Database) -> None:
    post(database, issued("1", 500), "buy:1")
    other = entry(("2100", "1", 500), ("2110", "g", -500), kind="gift offered")
    with pytest.raises(IntegrityError, match="was posted as certificates issued, not gift offered"):
        post(database, other, "buy:1")
    assert balance(database, "2100", "1") == 500


def test_a_guarded_balance_never_falls_below_zero_and_the_try_leaves_nothing(database: Database) -> None:
    post(database, issued("1", 500))
    before = counted(database)
    with pytest.raises(BalanceTooLow):
        post(database, entry(("2100", "1", 501), ("2120", "h", -501)))
    assert counted(database) == before
    assert balance(database, "2100", "1") == 500
    assert post(database, entry(("2100", "1", 500), ("2120", "h", -500)))
    assert (balance(database, "2100", "1"), balance(database, "2120", "h")) == (0, 500)


@pytest.mark.parametrize("code", ["2100", "2110", "2120"])
def test_an_account_without_a_balance_yet_has_nothing_to_spend(database: Database, code: str) -> None:
    with pytest.raises(BalanceTooLow):
        post(database, entry((code, "new", 1), ("2200", "1", -1)))
    assert counted(database) == (0, 0, 0, 0)


def test_accounts_that_are_not_guarded_may_go_either_way(database: Database) -> None:
    post(database, entry(("1120", "", 500), ("2050", "", -500)))
    post(database, entry(("1120", "", -900), ("2050", "", 900)))
    with database.begin() as db:
        assert ledger.totals(db) == [Total("1120", "KES", 500, 900), Total("2050", "KES", 900, 500)]


def test_lines_of_one_account_are_weighed_together(database: Database) -> None:
    post(database, issued("1", 500))
    post(database, entry(("2100", "1", 900), ("2120", "h", -500), ("2100", "1", -400)))
    assert (balance(database, "2100", "1"), balance(database, "2120", "h")) == (0, 500)


def test_the_same_account_in_two_currencies_is_two_accounts(database: Database) -> None:
    post(database, issued("1", 500))
    with pytest.raises(BalanceTooLow):
        post(database, entry(("2100", "1", 100), ("2120", "h", -100), currency="UGX"))
    assert balance(database, "2100", "1") == 500


def test_nothing_of_a_posting_is_left_when_its_transaction_fails(database: Database) -> None:
    def fails(db: Connection) -> None:
        ledger.post(db, "buy:1", issued("1", 500))
        raise RuntimeError("after the posting")

    with pytest.raises(RuntimeError, match="after the posting"), database.begin() as db:
        fails(db)
    assert counted(database) == (0, 0, 0, 0)
    assert post(database, issued("1", 500), "buy:1") is True


REWRITES = [
    "UPDATE journal_entry SET kind = 'nothing happened'",
    "DELETE FROM journal_entry",
    "TRUNCATE journal_entry CASCADE",
    "UPDATE posting SET amount_minor = amount_minor * 2",
    "DELETE FROM posting",
    "TRUNCATE posting",
]


@pytest.mark.parametrize("statement", REWRITES)
def test_the_products_own_role_may_not_rewrite_the_past(database: Database, statement: str) -> None:
    post(database, issued("1", 500))
    with pytest.raises(ProgrammingError, match="permission denied"), database.begin() as db:
        db.execute(text(statement))
    assert counted(database)[:2] == (1, 2)


@pytest.mark.parametrize("statement", REWRITES)
def test_not_even_the_owner_may_rewrite_the_past(database: Database, owner: Engine, statement: str) -> None:
    post(database, issued("1", 500))
    with pytest.raises(IntegrityError, match="the ledger is append-only"), owner.begin() as db:
        db.execute(text(statement))
    assert counted(database)[:2] == (1, 2)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO journal_entry (operation_id, kind, currency) VALUES ('x', 'gift', 'KES')",
        "INSERT INTO posting (entry_id, account_id, amount_minor) SELECT entry_id, account_id, 1 FROM posting",
        "INSERT INTO account (code, currency) VALUES ('2050', 'UGX')",
        "UPDATE balance SET amount_minor = amount_minor + 1",
        "INSERT INTO balance SELECT id, 5 FROM account",
        "DELETE FROM balance",
        "UPDATE account SET owner = 'me'",
        "ALTER TABLE posting DISABLE TRIGGER append_only",
        "DROP TABLE posting",
    ],
)
def test_the_products_own_role_has_no_way_to_the_ledger_but_posting(database: Database, statement: str) -> None:
    post(database, issued("1", 500))
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"), database.begin() as db:
        db.execute(text(statement))
    assert balance(database, "2100", "1") == 500


Step = Callable[[threading.Barrier], None]


def in_step(*works: Step) -> list[BaseException]:
    """Run the works at the same time; what they raised."""
    gate, raised = threading.Barrier(len(works)), list[BaseException]()

    def run(work: Step) -> None:
        try:
            work(gate)
        except BaseException as error:  # noqa: BLE001 - handed to the test, which asserts on it
            raised.append(error)
            gate.abort()

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


class Work:
    """A hundred entries that each move value between accounts, in an order of their own, one step of the gate each."""

    ROUNDS = 100

    def __init__(self, database: Database, *, forwards: bool, fresh: bool) -> None:
        self.database, self.forwards, self.fresh = database, forwards, fresh

    def __call__(self, gate: threading.Barrier) -> None:
        for number in range(self.ROUNDS):
            gate.wait(timeout=30)
            post(self.database, self._moves(number))

    def _moves(self, number: int) -> Entry:
        """One pays two others; the second work names them the other way round, and moves the value back."""
        owners = [f"new {number} {letter}" for letter in "ab"] if self.fresh else ["a", "b"]
        amount = 1 if self.forwards or self.fresh else -1
        lines = [("2100", "payer", 2 * amount), *(("2100", owner, -amount) for owner in owners)]
        return entry(*(lines if self.forwards else reversed(lines)))


@pytest.mark.parametrize("fresh", [False, True], ids=["accounts in use", "accounts never used before"])
def test_entries_over_the_same_accounts_in_opposite_order_never_deadlock(database: Database, fresh: bool) -> None:
    for owner_ in ("payer", "a", "b"):
        post(database, issued(owner_, 10_000))
    assert in_step(*(Work(database, forwards=forwards, fresh=fresh) for forwards in (True, False))) == []
    with database.begin() as db:
        total = db.execute(text("SELECT sum(amount_minor) FROM balance")).scalar_one()
    assert total == 30_000
    assert balance(database, "2100", "payer") == 10_000 - (4 * Work.ROUNDS if fresh else 0)


def test_two_spenders_of_one_balance_never_overdraw_it(database: Database) -> None:
    outcomes: list[str] = []

    def spend(gate: threading.Barrier) -> None:
        for number in range(100):
            gate.wait(timeout=30)
            try:
                post(database, entry(("2100", f"{number}", 400), ("2120", str(uuid4()), -400)))
                outcomes.append("spent")
            except BalanceTooLow:
                outcomes.append("refused")

    for number in range(100):
        post(database, issued(f"{number}", 700))
    assert in_step(spend, spend) == []
    assert (outcomes.count("spent"), outcomes.count("refused")) == (100, 100)
    assert {balance(database, "2100", f"{number}") for number in range(100)} == {300}


def test_one_operation_posted_by_two_at_once_is_posted_once(database: Database) -> None:
    answers: list[bool] = []

    def repeat(gate: threading.Barrier) -> None:
        for number in range(100):
            gate.wait(timeout=30)
            answers.append(post(database, issued(f"{number}", 500), f"buy:{number}"))

    assert in_step(repeat, repeat) == []
    assert (answers.count(True), answers.count(False)) == (100, 100)
    assert counted(database)[:2] == (100, 200)
