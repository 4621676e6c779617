"""The books: after a life of everything all proofs hold, and each proof notices what it is there to notice."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from bot.config import Settings
from bot.embedded import Servers
from circulation import books, gifting, group_records, groups, payouts, redemption, sales, store_returns
from circulation.chart import ACCOUNTS
from circulation.money import Money
from payments.bank_reference import creditor_reference
from payments.fakes.server import FakeRails
from storage.database import Database
from storage.ledger import Total
from tests.conftest import copied
from tests.payers import given_back, paid, take_statement
from tests.paying import Paying, paying, settings_for
from tests.people import BUSINESS, People


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
        code, amount = people.code(holder, certificate), Money(amount_minor, "KES")
        with people.database.begin() as db:
            redemption.use(db, people.rules, use_id=str(uuid4()), clerk=clerk, code=code, amount=amount)
    people.code(amina, declined)


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


def at_the_till(people: People) -> None:
    """Held, let go, captured in part, given back in part, and undone."""
    holder, clerk = people.member(), people.clerk()
    for ends in ("held", "let go", "in part", "given back", "undone"):
        code, use_id = people.code(holder, *people.certificates(holder, 2)), str(uuid4())
        named: Any = {"use_id": use_id, "clerk": clerk}
        with people.database.begin() as db:
            hold = redemption.authorise(db, people.rules, **named, code=code, amount=Money(70_000, "KES"))
            if ends == "let go":
                redemption.void(db, people.rules, **named)
            elif ends != "held":
                redemption.capture(db, people.rules, **named, amount=Money(60_100, "KES"))
            if ends == "given back":
                some, refund_id = Money(20_050, "KES"), str(uuid4())
                store_returns.refund(
                    db, people.rules, refund_id=refund_id, clerk=clerk, reference=hold.reference, amount=some
                )
            elif ends == "undone":
                store_returns.reverse(db, people.rules, **named)


def money_in_and_out(till: Paying) -> None:
    """Paid over every kind of rail: too little, too much, taken back, given back, and together."""
    people = till.people
    for rail in ("momo", "carrier_billing"):
        paid(till, people.member(), rail)
    disputed = paid(till, people.member(), "card", sheets=2)
    till.rails.card.dispute(till.handle(disputed))
    people.run("UPDATE charge SET disputed = true, due_at = clock() WHERE id = :id", id=disputed)
    for amount_minor in (20_000, 61_000):
        reference = till.reference(till.order(people.member(), "bank"))
        till.rails.bank.transfer("+254712999001", creditor_reference(reference), amount_minor, "KES")
    take_statement(till, till.rails.bank.statement())
    people.certificates(buyer := people.member(), 2)
    given_back(till, buyer)
    together(people)
    till.rounds(2)


def together(people: People) -> None:
    """A group gift of which one part is paid, on the phone bill."""
    price = people.denomination()
    total = sales.cost(price, 1)
    with people.database.begin() as db:
        groups.begin(
            db,
            people.rules,
            group_id=str(uuid4()),
            organiser=people.member(),
            denomination_id=price.id,
            expected=total,
            recipient=people.number(),
            note="",
            shares=group_records.among(total, 2),
            days=7,
            rail="phone_bill",
            receipt=False,
        )


def paid_out(till: Paying) -> None:
    """One store was paid; to another it failed, and is on its way once more."""
    with till.database.begin() as db:
        paid_one, other = payouts.owed(db)
        done, failed = (_started(db, one) for one in (paid_one, other))
        assert payouts.failed(db, payout_id=failed.id)
        _started(db, other)
    till.rails.bank.pay_out("+254712999002", creditor_reference(done.reference), done.amount.amount_minor, "KES")
    take_statement(till, till.rails.bank.statement())


def _started(db: Connection, one: payouts.Owed) -> payouts.Payout:
    return payouts.start(db, payout_id=str(uuid4()), store_id=one.store_id, currency=one.amount.currency)


@pytest.fixture(scope="module")
def lived(servers: Servers, template: str) -> Iterator[str]:
    """The name of a database in which everything has happened."""
    with copied(servers, template) as url, FakeRails() as rails:
        development = Settings(giftline_mode="development", database_url=url, redis_url=servers.redis_url)
        with paying(settings_for(development, rails), rails) as till:
            live(till.people)
            at_the_till(till.people)
            money_in_and_out(till)
            paid_out(till)
        yield url.partition("?")[0].rpartition("/")[2]


@pytest.fixture
def other(servers: Servers, lived: str) -> Iterator[Database]:
    """A copy of it, to be tampered with."""
    with copied(servers, lived) as url:
        database = Database(url, role=BUSINESS, connections=1)
        yield database
        database.close()


def figures(database: Database) -> dict[str, int]:
    with database.begin() as db:
        return {proof.name: proof.figure for proof in books.read(db).proofs}


def of(code: str) -> str:
    return f"account_id IN (SELECT id FROM account WHERE code = '{code}')"


ENTRY = "SELECT max(id) FROM journal_entry"
AGAIN = """
    INSERT INTO posting (entry_id, account_id, amount_minor)
    SELECT (SELECT max(id) FROM journal_entry), account_id, amount_minor FROM posting
    WHERE amount_minor {sign} 0 AND account_id = (SELECT min(p.account_id) FROM posting p JOIN account a ON a.id = p.account_id
        WHERE a.code = '{code}' AND p.amount_minor {sign} 0 AND p.entry_id < (SELECT max(id) FROM journal_entry))"""
TAMPERINGS = {
    "journal entries that do not balance": ["UPDATE posting SET amount_minor = amount_minor + 1 WHERE id = 1"],
    "operation ids that were posted twice": [
        f"""
        ALTER TABLE journal_entry DROP CONSTRAINT journal_entry_operation_id_key;
        UPDATE journal_entry SET operation_id = (SELECT operation_id FROM journal_entry WHERE id = 1) WHERE id = ({ENTRY})"""
    ],
    "journal entries without postings": [
        "INSERT INTO journal_entry (operation_id, kind, currency) VALUES ('x', 'x', 'KES')"
    ],
    "postings in another currency than their entry": [
        f"UPDATE journal_entry SET currency = 'UGX' WHERE id = ({ENTRY})"
    ],
    "assets less debts and income (coverage), in minor units": ["DELETE FROM posting WHERE id = 1"],
    "order deposits left over, in minor units": [
        f"DELETE FROM posting WHERE {of('2050')} AND amount_minor > 0",
        f"""
        INSERT INTO account (code, currency) VALUES ('2050', 'UGX');
        UPDATE posting SET account_id = (SELECT max(id) FROM account) WHERE id = (
            SELECT min(id) FROM posting WHERE {of("2050")})""",
    ],
    "holds that are not those of open uses and chargebacks, in minor units": [
        f"DELETE FROM posting WHERE {of('2120')} AND amount_minor > 0",
        "DELETE FROM dispute_hold",
        "UPDATE dispute SET state = 'lost'",
        "UPDATE redemption SET state = 'voided', ended_at = clock() WHERE state = 'authorised'",
        "UPDATE redemption SET state = 'authorised', ended_at = NULL WHERE state = 'voided'",
    ],
    "guarded balances below zero": [
        "ALTER TABLE balance DROP CONSTRAINT balance_not_negative; UPDATE balance SET amount_minor = -1"
    ],
    "guarded balances that differ from their postings": [
        "UPDATE balance SET amount_minor = amount_minor + 1",
        "DELETE FROM balance WHERE amount_minor > 0",
    ],
    "open gifts whose escrow is not their amount": [
        "UPDATE gift SET state = 'lapsed' WHERE state = 'offered'",
        "UPDATE gift SET state = 'offered' WHERE state = 'lapsed'",
    ],
    "gifts that are not their sheets, or whose sheets are not open as long as they are": [
        "UPDATE gift_sheet SET amount_minor = amount_minor + 1",
        "UPDATE gift_sheet SET open = NOT open",
        "DELETE FROM gift_sheet",
    ],
    "offers that were answered twice, and holds that were resolved twice": [
        AGAIN.format(code="2110", sign=">"),
        AGAIN.format(code="2110", sign="<"),
        AGAIN.format(code="2120", sign=">"),
    ],
    "gifts whose giver was told of another answer, or twice": [
        "INSERT INTO outbox (provider, address, sentence, holes) SELECT provider, address, sentence, holes FROM outbox",
        "UPDATE gift SET state = 'declined' WHERE state = 'accepted'",
    ],
    "trust assets short of debts, in minor units": [
        "UPDATE account SET code = '1020' WHERE code = '1120' AND owner = ''",
    ],
    "phone bills less receivable, in minor units": [
        "DELETE FROM charge WHERE rail = 'phone_bill'",
        "DELETE FROM refund WHERE rail = 'phone_bill'",
    ],
    "payments and refunds that bear a provider's reference twice": [
        "ALTER TABLE payment DROP CONSTRAINT payment_rail_receipt_key; UPDATE payment SET receipt = 'x', rail = 'x'",
        "UPDATE refund SET receipt = 'x', rail = 'x'",
    ],
    "payments, refunds, payouts and chargebacks of each rail that differ from its account, in minor units": [
        "UPDATE payment SET amount_minor = amount_minor + 1",
        "UPDATE payment SET rail = 'mpesa' WHERE rail = 'momo'",
        "UPDATE refund SET state = 'paid' WHERE rail = 'bank'",
        "UPDATE dispute SET state = 'won'",
        "UPDATE store_payout SET state = 'paid' WHERE state = 'failed'",
        "UPDATE store_payout SET amount_minor = amount_minor + 1 WHERE state = 'paid'",
    ],
    "payments whose rest is not in unapplied receipts": ["UPDATE payment SET applied_minor = 0"],
    "refunds that are not owed until they are paid": [
        "UPDATE refund SET state = 'paid' WHERE state <> 'paid'",
        "UPDATE refund SET state = 'pending' WHERE state = 'paid'",
    ],
    "money in dispute that is not that of the open chargebacks": [
        "UPDATE dispute SET state = 'lost'",
        "DELETE FROM dispute",
        f"DELETE FROM posting WHERE {of('1140')}",
    ],
    "orders that are paid and not issued, or issued and not paid": [
        "UPDATE charge SET state = 'failed' WHERE state = 'paid' AND purchase_id IS NOT NULL",
        "UPDATE purchase SET state = 'failed', issued_at = NULL WHERE state = 'issued'",
        "UPDATE group_part SET state = 'free', paid_at = NULL WHERE state = 'paid'",
    ],
    "pools that are not what was paid into them and not given yet, in minor units": [
        "UPDATE group_part SET state = 'free', paid_at = NULL WHERE state = 'paid'",
        "UPDATE balance SET amount_minor = 0 WHERE account_id IN (SELECT id FROM account WHERE code = '2055')",
    ],
    "refunds above what was paid, in minor units": [
        "UPDATE refund SET amount_minor = amount_minor * 10 WHERE rail = 'phone_bill'",
        "UPDATE refund SET amount_minor = amount_minor * 10 WHERE rail = 'bank'",
    ],
    "refunds of what a network or card lent that went to another person, or another way": [
        "UPDATE refund SET rail = 'mpesa' WHERE rail = 'phone_bill'",
        "UPDATE refund SET payee_id = (SELECT max(id) FROM member) WHERE rail = 'phone_bill'",
        "UPDATE refund r SET charge_id = c.id FROM charge c WHERE c.rail = 'card' AND r.rail = 'bank'",
    ],
    "uses less payouts, what stores are owed, and commission, in minor units": [
        "UPDATE redemption SET captured_minor = captured_minor - 1 WHERE state = 'captured'",
        "UPDATE redemption SET store_id = (SELECT min(id) FROM store)",
        f"UPDATE posting SET amount_minor = amount_minor + 1 WHERE {of('4020')}",
        "UPDATE store_payout SET amount_minor = amount_minor + 1",
        "UPDATE store_payout SET state = 'started', ended_at = NULL WHERE state = 'failed'",
        "UPDATE store_payout SET store_id = (SELECT min(id) FROM store)",
    ],
    "payouts in transit that are not those started and not ended, in minor units": [
        "UPDATE store_payout SET state = 'paid', ended_at = clock() WHERE state = 'started'",
        "UPDATE store_payout SET state = 'started', ended_at = NULL WHERE state = 'paid'",
        "DELETE FROM store_payout WHERE state = 'started'",
        "UPDATE account SET owner = owner || 'x' WHERE code = '2210'",
    ],
    "uses of which more was captured than held, or returned than captured": [
        """
        ALTER TABLE redemption DROP CONSTRAINT redemption_check1, DROP CONSTRAINT redemption_check;
        UPDATE redemption SET captured_minor = amount_minor + 1 WHERE state = 'captured'""",
        "UPDATE redemption_part SET returned_minor = captured_minor WHERE captured_minor > 0",
        "UPDATE redemption SET amount_minor = amount_minor + 1",
        "DELETE FROM redemption_part",
        "DELETE FROM store_return",
        "UPDATE store_return SET commission_minor = 0",
    ],
    "codes that were not used exactly once for their use": [
        "UPDATE redemption_code SET state = 'used' WHERE state = 'live'",
        "UPDATE redemption_code SET state = 'voided' WHERE state = 'used'",
        """
        ALTER TABLE redemption DROP CONSTRAINT redemption_code_id_key;
        UPDATE redemption SET code_id = (SELECT min(code_id::text)::uuid FROM redemption)""",
    ],
    "certificates less sheets bought": [
        "UPDATE purchase SET sheets = sheets + 1",
        "UPDATE certificate SET returned_from = id WHERE id = 1",
    ],
    "certificates with more left on them than their face": ["UPDATE certificate SET face_minor = 1"],
}


def test_every_proof_has_its_tampering() -> None:
    assert sorted(TAMPERINGS) == sorted(books.PROOFS)


def test_after_money_went_in_and_out_over_every_rail_the_books_are_in_order(other: Database) -> None:
    assert {name: figure for name, figure in figures(other).items() if figure} == {}


@pytest.mark.parametrize(("name", "done"), [(name, done) for name, dones in TAMPERINGS.items() for done in dones])
def test_what_someone_with_every_right_does_to_the_tables_is_noticed(other: Database, name: str, done: str) -> None:
    with other.begin() as db:
        db.execute(text("SET LOCAL ROLE NONE"))
        db.execute(text("SET LOCAL session_replication_role = replica"))  # no trigger fires: the worst case
        for statement in done.split(";"):
            assert db.exec_driver_sql(statement).rowcount != 0, "there is something to tamper with"
    assert figures(other)[name] != 0
