"""The command line: what the operator types, what is printed, and the exit code that a script can rely on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from bot.config import Settings
from payments.bank_reference import creditor_reference, shown
from payments.fakes.server import FakeRails
from tests.payers import given_back, paid, take_statement
from tests.paying import EVERY_RAIL, Paying, paying, settings_for

Command = Callable[..., Result]


@pytest.fixture
def till(plain_settings: Settings) -> Iterator[Paying]:
    with FakeRails() as rails, paying(settings_for(plain_settings, rails), rails) as till:
        yield till


@pytest.fixture
def command(till: Paying, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`bin/giftline` on the test's own deployment."""
    settings = till.services.settings
    values = {"giftline_mode": "development", "payment_rails": EVERY_RAIL}
    names = ("database_url", "redis_url", "mpesa_api_base", "momo_api_base", "stripe_api_base", "carrier_api_base")
    for name, value in (values | {name: getattr(settings, name) for name in names}).items():
        monkeypatch.setenv(name.upper(), value)
    return lambda *arguments: CliRunner().invoke(main, [str(one) for one in arguments])


def age(till: Paying, days: int) -> None:
    """Everything of ours is that much older."""
    for table, columns in {"charge": ["created_at", "deadline_at"], "refund": ["created_at"]}.items():
        moved = ", ".join(f"{column} = {column} - make_interval(days => {days})" for column in columns)
        till.people.run(f"UPDATE {table} SET {moved}")


def test_every_command_explains_itself(command: Command) -> None:
    helped = command("--help")
    assert helped.exit_code == 0
    for name in (
        "migrate",
        "stock",
        "books",
        "bank",
        "refunds",
        "payouts",
        "incidents",
        "gifts",
        "chat",
        "diagrams",
        "words",
    ):
        assert f"\n  {name} " in helped.output
        assert command(name, "--help").exit_code == 0
    for name in ("statement", "reconcile", "export", "compare"):
        assert f"\n  {name} " in command("books", "--help").output


# Books ------------------------------------------------------------------------------------------------------------------


def test_books_in_order_end_well(till: Paying, command: Command) -> None:
    paid(till, till.people.member(), "momo")
    printed = command("books")
    assert printed.exit_code == 0
    assert printed.output.endswith("\nThe books are in order.\n")
    assert "FAIL" not in printed.output
    (momo,) = [line.split() for line in printed.output.splitlines() if line.startswith("1130")]
    assert momo == ["1130", "Mobile-money", "float", "KES", "510.00", "0.00"]


def test_books_that_are_not_in_order_name_the_figure_and_fail(till: Paying, command: Command) -> None:
    till.people.certificate(till.people.member())
    till.people.run("UPDATE purchase SET sheets = 3")
    printed = command("books")
    assert printed.exit_code == 1
    assert "FAIL       -2  certificates less sheets bought\n" in printed.output
    assert printed.output.endswith("\nThe books are not in order.\n")


def test_a_statement_shows_what_it_was_every_posting_and_what_it_is(till: Paying, command: Command) -> None:
    till.people.certificate(till.people.member())
    printed = command("books", "statement", "1120:phone_bill")
    lines = [line.split() for line in printed.output.splitlines()]
    assert printed.exit_code == 0
    assert lines[0] == ["1120", "Carrier-billing", "receivable", "phone_bill,", "KES"]
    assert lines[1] == ["opening", "balance", "0.00"]
    assert lines[2][2:] == ["carrier", "bill", "completed", "510.00", "510.00"]
    assert lines[3] == ["closing", "balance", "510.00"]


def test_a_statement_of_no_account_says_which_there_are(command: Command) -> None:
    printed = command("books", "statement", "9999")
    assert printed.exit_code == 1
    assert "there is no account 9999; there are: 1010," in printed.output


def test_reconcile_lists_every_unmatched_line_with_its_age(till: Paying, command: Command) -> None:
    charge_id = paid(till, till.people.member(), "momo")
    age(till, 2)
    agreed = command("books", "reconcile")
    assert agreed.exit_code == 0, agreed.output
    assert "momo: 1 charges and 0 refunds compared with the provider\n" in agreed.output
    assert agreed.output.endswith("0 unmatched lines\n")
    till.rails.momo.settle(charge_id, "FAILED", "EXPIRED")
    printed = command("books", "reconcile")
    assert printed.exit_code == 1
    (line,) = [line.split() for line in printed.output.splitlines() if "not there" in line]
    reference = till.reference(charge_id)
    assert line == ["momo", "paid", "here,", "not", "there", reference, "510.00", "KES", "2.0", "days"]
    assert printed.output.endswith("1 unmatched lines\n")


def test_reconcile_looks_at_the_days_that_are_named(till: Paying, command: Command) -> None:
    till.rails.momo.settle(paid(till, till.people.member(), "momo"), "FAILED", "EXPIRED")
    assert command("books", "reconcile", "--until", "2026-01-01", "--since", "2025-12-01").exit_code == 0


def test_reconcile_names_the_provider_that_could_not_be_asked(till: Paying, command: Command) -> None:
    till.rails.faults["card"].plan("listing", "broken")
    till.rails.faults["card"].plan("list", "broken")
    printed = command("books", "reconcile")
    assert printed.exit_code == 1
    assert "card: the provider could not be asked\n" in printed.output


def test_records_of_a_party_and_the_ledger_are_exported_and_compared(
    till: Paying, command: Command, tmp_path: Path
) -> None:
    paid(till, till.people.member(), "momo")
    assert "settlement:momo\n" in command("books", "export").output
    own, ledger = tmp_path / "own.csv", tmp_path / "ledger.csv"
    own.write_text(command("books", "export", "settlement:momo").output)
    ledger.write_text(command("books", "export", "settlement:momo", "--ledger").output)
    same = command("books", "compare", own, ledger)
    assert (same.exit_code, same.output) == (0, "1 and 1 lines, 0 differences\n")
    payment = till.people.value("SELECT id::text FROM payment")
    ledger.write_text(ledger.read_text().replace(",51000,", ",50999,"))
    other = command("books", "compare", own, ledger)
    assert other.exit_code == 1
    assert other.output.splitlines()[0].split() == [payment, "KES", "510.00", "509.99"]
    ledger.write_text("".join(ledger.read_text().splitlines(keepends=True)[:1]))
    missing = command("books", "compare", own, ledger)
    assert missing.output.splitlines()[0].split() == [payment, "KES", "510.00", "missing"]


@pytest.mark.parametrize(
    "content", [b"transaction,at\n", b"\xff\xfe", b"transaction,at,kind,amount_minor,currency\nx\n"]
)
def test_a_file_that_is_no_record_is_refused_by_its_name(content: bytes, command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    printed = command("books", "compare", tmp_path / "a.csv", tmp_path / "a.csv")
    assert printed.exit_code == 1
    assert printed.output.startswith("Error: a.csv: ")


def test_a_record_of_no_party_says_which_there_are(command: Command) -> None:
    printed = command("books", "export", "nobody")
    assert printed.exit_code == 1
    assert "there is no party nobody; there are: manager, operator, bank" in printed.output


# What the operator does by hand -----------------------------------------------------------------------------------------


def test_a_bank_statement_is_imported_and_counted(till: Paying, command: Command, tmp_path: Path) -> None:
    charge_id = till.order(till.people.member(), "bank")
    till.rounds()
    till.rails.bank.transfer("+254712345678", creditor_reference(till.reference(charge_id)), 51_000, "KES")
    till.rails.bank.transfer("+254712345678", "thank you", 1_000, "KES")
    file = tmp_path / "day.xml"
    file.write_bytes(till.rails.bank.statement())
    printed = command("bank", file)
    counted = "Imported 2 lines: 1 paid orders, 0 closed refunds, 0 closed payouts, 1 match nothing, 0 were known.\n"
    assert (printed.exit_code, printed.output) == (0, counted)
    assert till.state(charge_id) == "paid"
    again = command("bank", file)
    assert (again.exit_code, again.output.endswith("2 were known.\n")) == (0, True)


def test_a_refused_bank_statement_prints_every_fault_and_imports_nothing(
    till: Paying, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "day.csv"
    file.write_text("date,amount,currency\n2026-11-20,many,KES\n2026-11-31,5.00,KES\n2026-11-20,5.00,KES\n")
    printed = command("bank", file)
    assert printed.exit_code == 1
    faults = printed.output.splitlines()
    assert [line.partition(":")[0] for line in faults] == ["line 2", "line 3", "Nothing was imported."]
    assert till.people.rows("SELECT 1 FROM bank_line") == []


def test_refunds_that_are_not_paid_say_where_to_pay_them(till: Paying, command: Command) -> None:
    assert command("refunds").output == "0 refunds are not paid yet\n"
    paid(till, payer := till.people.member(), "bank")
    refund_id = given_back(till, payer)
    till.rails.momo.plan_transfers(("PENDING", ""))
    paid(till, other := till.people.member(), "momo")
    given_back(till, other)
    age(till, 3)
    by_bank, by_momo, total = command("refunds").output.splitlines()
    reference = till.people.value("SELECT reference FROM refund WHERE id = :id", id=refund_id)
    account = till.people.value("SELECT counterparty_account FROM bank_line")
    assert account
    assert by_bank.split()[:7] == [reference, "bank", "pending", "510.00", "KES", "3.0", "days"]
    assert by_bank.endswith(f"{payer.msisdn!r}  to {account}  {shown(creditor_reference(reference))}")
    assert by_momo.split()[1:4] == ["momo", "pending", "510.00"]
    assert by_momo.endswith(repr(other.msisdn))
    assert total == "2 refunds are not paid yet"
    assert payer.msisdn.e164 not in by_bank


def test_a_refund_of_one_payment_goes_to_the_account_that_payment_came_from(till: Paying, command: Command) -> None:
    paid(till, payer := till.people.member(), "bank")
    reference = till.people.value("SELECT reference FROM charge")
    till.rails.bank.transfer("+254799999999", creditor_reference(reference), 51_000, "KES")
    take_statement(till, till.rails.bank.statement())
    first, second = (
        row.counterparty_account for row in till.people.rows("SELECT counterparty_account FROM bank_line ORDER BY id")
    )
    assert first != second
    (line, _) = command("refunds").output.splitlines()
    assert f"to {second}" in line
    assert payer.msisdn.e164 not in line


def test_incidents_are_listed_oldest_first_until_they_are_closed(till: Paying, command: Command) -> None:
    assert command("incidents").output == "0 incidents are open\n"
    made = "INSERT INTO incident (kind, about, facts, created_at) VALUES (:kind, 'x', '{\"n\": 1}', clock() - interval '1 day')"
    till.people.run(made.replace(" - interval '1 day'", ""), kind="young")
    till.people.run(made, kind="old")
    old, young, total = command("incidents").output.splitlines()
    assert old.split() == ["2", "1.0", "days", "old:", "x", '{"n":', "1}"]
    assert young.split()[3] == "young:"
    assert total == "2 incidents are open"
    assert command("incidents", "close", 2).output == "Incident 2 is closed.\n"
    assert command("incidents").output.splitlines()[1:] == ["1 incidents are open"]
    again = command("incidents", "close", 2)
    assert (again.exit_code, again.output) == (1, "Error: no incident 2 is open\n")


def test_settings_that_cannot_be_used_end_a_command_with_one_sentence(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYMENT_RAILS", "cowrie")
    printed = command("books", "reconcile")
    assert printed.exit_code == 1
    assert printed.output.startswith("Error: PAYMENT_RAILS: ")
    assert len(printed.output.splitlines()) == 1
