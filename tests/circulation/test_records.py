"""Records: each party's own and the ledger's agree on every transaction, and whatever one of them lacks is a difference."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from bot.config import Settings
from circulation import records, redemption, store_returns
from circulation.catalogue import Clerk
from circulation.money import Money
from circulation.records import Difference, Entry, UnknownParty
from payments.fakes.server import FakeRails
from tests.payers import given_back, paid, take_statement, transferred
from tests.paying import Paying, paying, settings_for
from tests.people import People

PARTIES = ("manager", "operator", "bank", "settlement:card", "settlement:momo", "store:Duka")


@pytest.fixture
def till(plain_settings: Settings) -> Iterator[Paying]:
    with FakeRails() as rails, paying(settings_for(plain_settings, rails), rails) as till:
        yield till


def use(people: People, clerk: Clerk, amount_minor: int) -> tuple[str, str]:
    """A use of a new certificate at the store; its id and reference."""
    holder, use_id = people.member(), str(uuid4())
    code = people.code(holder, people.certificate(holder))
    with people.database.begin() as db:
        done = redemption.use(
            db, people.rules, use_id=use_id, clerk=clerk, code=code, amount=Money(amount_minor, "KES")
        )
    return use_id, done.reference


def live(till: Paying) -> None:
    """Something of everything that a party takes part in."""
    people = till.people
    for rail in ("momo", "bank"):
        paid(till, people.member(), rail)
        paid(till, buyer := people.member(), rail)
        given_back(till, buyer)
    disputed = paid(till, people.member(), "card")
    name = till.rails.card.dispute(till.handle(disputed))
    for state in ("needs_response", "won"):
        till.rails.card.close_dispute(name, state)
        people.run("UPDATE charge SET disputed = true, due_at = clock() WHERE id = :id", id=disputed)
        till.rounds()
    payer = people.member()
    transferred(till, payer, till.reference(till.order(payer, "bank")), 20_000)
    people.certificates(buyer := people.member(), 2)
    given_back(till, buyer)
    till.rounds(2)
    clerk = people.clerk()
    people.run("UPDATE store SET name = 'Duka' WHERE id = :id", id=clerk.store_id)
    use(people, clerk, 50_000)
    (undone, _), (_, returned) = use(people, clerk, 20_000), use(people, clerk, 30_100)
    refund = {"refund_id": str(uuid4()), "reference": returned, "amount": Money(10_050, "KES")}
    with people.database.begin() as db:
        store_returns.reverse(db, people.rules, use_id=undone, clerk=clerk)
        store_returns.refund(db, people.rules, clerk=clerk, **refund)  # type: ignore[arg-type]
    people.gift(giver := people.member(), people.certificate(giver), people.number())
    people.accept(people.gift(giver, people.certificate(giver), (to := people.member()).msisdn), to)


def both(till: Paying, party: str) -> tuple[list[Entry], list[Entry]]:
    with till.database.begin() as db:
        return records.own(db, party), records.ledger(db, party)


def differences(till: Paying, party: str) -> list[Difference]:
    return records.compare(*both(till, party))


def test_every_party_and_the_ledger_have_the_same_transactions_and_sums(till: Paying) -> None:
    live(till)
    with till.database.begin() as db:
        assert set(PARTIES) < set(records.parties(db))
    for party in PARTIES:
        own, ledger = both(till, party)
        assert own
        assert ledger
        assert records.compare(own, ledger) == [], party


def test_a_party_sees_what_came_in_as_positive(till: Paying) -> None:
    live(till)
    seen = {party: sorted((one.kind, one.amount.amount_minor) for one in both(till, party)[0]) for party in PARTIES}
    assert seen["settlement:momo"] == [("payment", 51_000), ("payment", 51_000), ("refund", -51_000)]
    assert seen["settlement:card"] == [("chargeback", -51_000), ("chargeback won", 51_000), ("payment", 51_000)]
    assert seen["bank"] == [("credit", 20_000), ("credit", 51_000), ("credit", 51_000)]
    assert ("taken off the bill", -102_000) in seen["operator"]
    # 3 % of 50,000, 20,000 and 30,100; what goes back of the third is 10,050 less its share of the commission
    assert seen["store:Duka"] == [
        ("refunded", -10_050 + 302),
        ("reversed", -20_000 + 600),
        ("use", 20_000 - 600),
        ("use", 30_100 - 903),
        ("use", 50_000 - 1_500),
    ]


TAMPERINGS = {
    "manager": "UPDATE gift SET answered_at = NULL, amount_minor = amount_minor + 1",
    "operator": "UPDATE charge SET amount_minor = amount_minor + 1 WHERE rail = 'phone_bill'",
    "bank": "DELETE FROM bank_line",
    "settlement:momo": "UPDATE refund SET state = 'unknown' WHERE rail = 'momo'",
    "settlement:card": "UPDATE dispute SET state = 'lost'",
    "store:Duka": "DELETE FROM store_return",
}


def test_a_transaction_that_one_record_lacks_or_has_with_another_sum_is_a_difference(till: Paying) -> None:
    live(till)
    for tampering in TAMPERINGS.values():
        till.people.run(tampering)
    for party in TAMPERINGS:
        assert differences(till, party), party


def test_a_bank_line_that_is_nothing_of_ours_is_in_the_banks_record_alone(till: Paying) -> None:
    till.rails.bank.pay_out("+254712345678", "rent", 4_000, "KES")
    take_statement(till, till.rails.bank.statement())
    name = till.people.value("SELECT bank_reference FROM bank_line")
    assert differences(till, "bank") == [Difference(name, "KES", -4_000, None)]


@pytest.mark.parametrize("party", ["nobody", "settlement:momo", "settlement:bank", "store:No such store", ""])
def test_a_party_that_is_none_is_named_with_those_there_are(party: str, till: Paying) -> None:
    with till.database.begin() as db:
        for record in (records.own, records.ledger):
            with pytest.raises(UnknownParty, match="there are: manager, operator, bank, store:"):
                record(db, party)


# As files ---------------------------------------------------------------------------------------------------------------

AT = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


def entry(transaction: str, minor: int, currency: str = "KES") -> Entry:
    return Entry(transaction, AT, 'a "kind", with both', Money(minor, currency))


def test_a_record_is_the_same_after_it_was_a_file() -> None:
    written = [entry("a", 1), entry("b", -2, "UGX")]
    lines = list(records.to_csv(written))
    assert lines[0] == "transaction,at,kind,amount_minor,currency\n"
    assert records.from_csv(lines) == written


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([], "line 1: the columns"),
        (["at,transaction\n"], "line 1: the columns"),
        (["a,2026-11-20,use,x,KES\n"], "line 2: it cannot be read"),
        (["a,2026-11-20,use,1,KES\n", "a,yesterday,use,1,KES\n"], "line 3: it cannot be read"),
        (["a,2026-11-20,use,1,KES,more\n"], "line 2: it cannot be read"),
        (["a,2026-11-20,use\n"], "line 2: it cannot be read"),
    ],
)
def test_a_file_that_is_no_record_is_refused_by_line(lines: list[str], fault: str) -> None:
    header = [] if fault.startswith("line 1") else ["transaction,at,kind,amount_minor,currency\n"]
    with pytest.raises(ValueError, match=fault):
        records.from_csv(header + lines)


def test_records_are_compared_by_transaction_and_currency_and_not_by_line() -> None:
    first = [entry("a", 1), entry("a", 2), entry("b", 5), entry("c", 7)]
    second = [entry("a", 3), entry("b", 5, "UGX"), entry("c", 8)]
    assert records.compare(first, second) == [
        Difference("b", "KES", 5, None),
        Difference("b", "UGX", None, 5),
        Difference("c", "KES", 7, 8),
    ]
