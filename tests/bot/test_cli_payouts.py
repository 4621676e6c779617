"""`bin/giftline payouts`: what stores are owed, started, and marked as failed, as the operator types and reads it."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from circulation import payouts
from circulation.payouts import Payout
from payments.bank_reference import creditor_reference, shown
from tests.people import People
from tests.tills import Till

Command = Callable[..., Result]


@pytest.fixture
def command(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`bin/giftline payouts` on the test's own database."""
    monkeypatch.setenv("GIFTLINE_MODE", "development")
    monkeypatch.setenv("DATABASE_URL", database_url)
    return lambda *arguments: CliRunner().invoke(main, ["payouts", *arguments])


def earned(people: People, minor: int, name: str) -> Till:
    """The till of a store of this name that has taken so much, less 3 %."""
    till, holder = Till.at(people), people.member()
    people.run("UPDATE store SET name = :name WHERE id = :id", name=name, id=till.clerk.store_id)
    till.use(people.code(holder, people.certificate(holder)), minor)
    return till


def in_transit(people: People) -> list[Payout]:
    with people.database.begin() as db:
        return payouts.in_transit(db)


def printed(payout: Payout) -> str:
    """The reference as it is to be copied."""
    return shown(creditor_reference(payout.reference))


def test_nothing_owed_and_nothing_on_its_way(command: Command) -> None:
    assert command().output == "0 payouts are on their way\n"
    assert command("start").output == "0 payouts were started\n"


def test_every_store_that_is_owed_something_is_paid_by_one_command(people: People, command: Command) -> None:
    earned(people, 10_000, "Alpha Stores")
    earned(people, 20_050, "Beta")
    assert [line.split() for line in command().output.splitlines()[:2]] == [
        ["Alpha", "Stores", "97.00", "KES", "is", "owed", "to", "it"],
        ["Beta", "194.48", "KES", "is", "owed", "to", "it"],
    ]
    started = command("start")
    alpha, beta = in_transit(people)
    assert started.exit_code == 0
    assert [line.split() for line in started.output.splitlines()] == [
        ["Alpha", "Stores", "97.00", "KES", *printed(alpha).split()],
        ["Beta", "194.48", "KES", *printed(beta).split()],
        ["2", "payouts", "were", "started"],
    ]
    assert [line.split() for line in command().output.splitlines()] == [
        ["Alpha", "Stores", "97.00", "KES", *printed(alpha).split(), "0.0", "days"],
        ["Beta", "194.48", "KES", *printed(beta).split(), "0.0", "days"],
        ["2", "payouts", "are", "on", "their", "way"],
    ]
    assert command("start").output == "0 payouts were started\n"


def test_one_store_is_paid_by_its_name(people: People, command: Command) -> None:
    earned(people, 10_000, "Alpha Stores")
    earned(people, 20_000, "Beta")
    assert command("start", "Alpha Stores").output.endswith("\n1 payouts were started\n")
    assert [one.store for one in in_transit(people)] == ["Alpha Stores"]
    for name in ("Alpha Stores", "Gamma"):
        refused = command("start", name)
        assert (refused.exit_code, refused.output) == (1, f"Error: no store called {name} is owed anything\n")


def test_a_store_that_owes_us_is_shown_and_not_paid(people: People, command: Command) -> None:
    till = earned(people, 10_000, "Alpha")
    command("start")
    till.refund(people.value("SELECT reference FROM redemption"), 10_000)
    assert command().output.splitlines()[0].split() == ["Alpha", "97.00", "KES", "is", "owed", "to", "us"]
    assert command("start").output == "0 payouts were started\n"


@pytest.mark.parametrize(
    "typed", [lambda reference: shown(creditor_reference(reference)).split(), lambda r: [r.lower()]]
)
def test_a_payout_that_failed_is_named_by_its_reference(
    people: People, command: Command, typed: Callable[[str], list[str]]
) -> None:
    earned(people, 10_000, "Alpha")
    command("start")
    (payout,) = in_transit(people)
    for _ in range(2):
        failed = command("failed", *typed(payout.reference))
        assert (failed.exit_code, failed.output) == (0, "The payout of 97.00 KES to Alpha has failed.\n")
    assert in_transit(people) == []
    assert command("start").output.endswith("\n1 payouts were started\n")


def test_a_payout_that_was_paid_cannot_fail_nor_one_that_is_not_known(people: People, command: Command) -> None:
    till = earned(people, 10_000, "Alpha")
    with people.database.begin() as db:
        payout = payouts.start(db, payout_id=str(uuid4()), store_id=till.clerk.store_id, currency="KES")
        payouts.paid(db, payout_id=payout.id)
    paid, unknown = command("failed", payout.reference), command("failed", "RF00", "2222", "2222")
    assert (paid.exit_code, paid.output) == (1, "Error: a statement shows that it was paid\n")
    assert (unknown.exit_code, unknown.output) == (1, "Error: there is no payout with that reference\n")
    assert people.books_in_order()
