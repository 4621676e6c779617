"""The fake bank: what it books is what its statements tell, and its page is a bank's page."""

import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import requests
from flask import Flask
from werkzeug.serving import make_server

from circulation.references import new_reference
from payments.bank_reference import creditor_reference, found_in, shown
from payments.bank_statement import Statement, read
from payments.fakes.bank import FakeBank, garbled
from payments.fakes.faults import Calls, Faults

PHONE = "+254700000001"
REFERENCE = "7KQ4M2PH"
TEXT = f"For the gift certificates of my whole family {shown(creditor_reference(REFERENCE))}"


@pytest.fixture
def bank(tmp_path: Path) -> FakeBank:
    return FakeBank(Faults(), Calls(), drop=tmp_path / "statements", today=lambda: date(2026, 10, 1))


@pytest.fixture
def page(bank: FakeBank) -> Iterator[str]:
    app = Flask("bank")
    app.register_blueprint(bank.blueprint)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/bank"
    server.shutdown()
    thread.join()


def told(bank: FakeBank, overlap: int = 0) -> Statement:
    return read("bank.xml", bank.statement("camt.053", overlap=overlap))


def dropped(folder: Path) -> list[Statement]:
    return [read(path.name, path.read_bytes()) for path in sorted(folder.glob("*.xml"))]


def pay(page: str, **form: str) -> requests.Response:
    whole = {"amount": "1020.00", "reference": TEXT, "phone": PHONE, **form}
    return requests.post(page, data=whole, timeout=5)


@pytest.mark.parametrize("fmt", ["camt.053", "csv"])
def test_a_transfer_is_a_line_of_the_next_statement_and_of_no_other(bank: FakeBank, fmt: str) -> None:
    bank.transfer(PHONE, TEXT, 102_000, "KES")
    statement = read("", bank.statement("csv" if fmt == "csv" else "camt.053"))
    assert [(line.amount_minor, line.booked_on) for line in statement.lines] == [(102_000, date(2026, 10, 1))]
    assert found_in(statement.lines[0].text) == [REFERENCE]
    assert statement.lines[0].counterparty.startswith("Customer ")
    assert told(bank).lines == []


def test_balances_go_on_from_statement_to_statement(bank: FakeBank) -> None:
    bank.transfer(PHONE, TEXT, 102_000, "KES")
    first = told(bank)
    bank.transfer(PHONE, TEXT, 500, "KES")
    bank.pay_out(PHONE, "your refund", 2_000, "KES")
    second = told(bank)
    assert (first.opening_minor, first.closing_minor) == (0, 102_000)
    assert (second.opening_minor, second.closing_minor) == (102_000, 100_500)
    assert first.id != second.id
    assert bank.taken_minor("KES") == 100_500
    assert bank.taken_minor("UGX") == 0


def test_the_same_transfer_twice_is_two_lines(bank: FakeBank) -> None:
    once = bank.transfer(PHONE, TEXT, 102_000, "KES")
    twice = bank.transfer_again(once)
    statement = told(bank)
    assert [line.text for line in statement.lines] == [statement.lines[0].text] * 2
    assert once != twice and len({line.bank_reference for line in statement.lines}) == 2
    assert bank.taken_minor("KES") == 204_000


def test_what_goes_back_is_a_debit_of_the_same_payer(bank: FakeBank) -> None:
    reference = bank.transfer(PHONE, TEXT, 102_000, "KES")
    came = told(bank).lines[0]
    bank.take_back(reference)
    went = told(bank).lines[0]
    assert went.amount_minor == -came.amount_minor
    assert (went.counterparty, went.counterparty_account) == (came.counterparty, came.counterparty_account)
    assert went.bank_reference != came.bank_reference and found_in(went.text) == [REFERENCE]
    assert bank.taken_minor("KES") == 0


def test_a_garbled_reference_is_never_found(bank: FakeBank) -> None:
    for reference in [new_reference() for _ in range(200)]:
        bank.transfer(PHONE, garbled(f"gifts {shown(creditor_reference(reference)).lower()} thanks"), 500, "KES")
    lines = told(bank).lines
    assert [found_in(line.text) for line in lines] == [[]] * 200
    assert garbled("RF25 7KQ4 M2PH") == "RF35 7KQ4 M2PH"


def test_a_transfer_that_is_only_announced_is_no_line(bank: FakeBank) -> None:
    bank.announce(PHONE, TEXT, 102_000)
    data = bank.statement()
    assert b"PDNG" in data and read("", data).lines == []
    assert bank.taken_minor("KES") == 0
    assert b"PDNG" not in bank.statement()


def test_an_overlapping_statement_shows_the_same_lines_under_the_same_names(bank: FakeBank) -> None:
    for amount_minor in (100, 200, 300):
        bank.transfer(PHONE, TEXT, amount_minor, "KES")
    first = told(bank)
    bank.transfer(PHONE, TEXT, 400, "KES")
    second = told(bank, overlap=2)
    assert [line.amount_minor for line in second.lines] == [200, 300, 400]
    assert [line.bank_reference for line in second.lines[:2]] == [line.bank_reference for line in first.lines[1:]]
    assert second.opening_minor == 100


def test_another_currency_is_not_taken(bank: FakeBank) -> None:
    with pytest.raises(ValueError, match="KES"):
        bank.transfer(PHONE, TEXT, 102_000, "UGX")
    assert bank.taken_minor("KES") == 0


def test_it_asks_nobody(bank: FakeBank) -> None:
    bank.transfer(PHONE, TEXT, 102_000, "KES")
    assert bank.prompts(PHONE) == [] and bank.calls.waiting == []
    with pytest.raises(KeyError):
        bank.answer("1", "pay")


def test_the_page_has_a_form_that_a_link_can_fill_in(page: str) -> None:
    shown_page = requests.get(page, params={"reference": '"><b>', "amount": "1020.00"}, timeout=5)
    assert shown_page.status_code == 200
    assert "Pay by bank transfer" in shown_page.text
    assert all(f'name="{name}"' in shown_page.text for name in ("amount", "reference", "phone"))
    assert 'value="1020.00"' in shown_page.text and "<b>" not in shown_page.text


def test_a_transfer_made_on_the_page_puts_a_whole_statement_in_the_folder(page: str, tmp_path: Path) -> None:
    assert pay(page).status_code == 200
    assert pay(page, amount="5", reference="hello \x00<&> 😀").status_code == 200
    statements = dropped(tmp_path / "statements")
    assert [[line.amount_minor for line in statement.lines] for statement in statements] == [[102_000], [500]]
    assert found_in(statements[0].lines[0].text) == [REFERENCE]
    assert statements[1].lines[0].text == "hello <&> 😀"
    assert [path.suffix for path in (tmp_path / "statements").iterdir()] == [".xml", ".xml"]


@pytest.mark.parametrize(
    "form",
    [{"amount": ""}, {"amount": "-5"}, {"amount": "0"}, {"amount": "1.005"}, {"amount": "NaN"}, {"phone": " "}],
)
def test_a_form_that_says_too_little_transfers_nothing(bank: FakeBank, page: str, form: dict[str, str]) -> None:
    answer = pay(page, **form)
    assert answer.status_code == 400 and "Nothing was transferred" in answer.text
    assert bank.taken_minor("KES") == 0


def test_a_lost_answer_is_a_transfer_that_was_made(bank: FakeBank, page: str, tmp_path: Path) -> None:
    bank.faults.plan("transfer", "lost", "busy")
    assert [pay(page).status_code, pay(page).status_code] == [500, 429]
    assert bank.taken_minor("KES") == 102_000
    assert len(dropped(tmp_path / "statements")) == 1


def test_people_who_pay_at_once_are_all_booked(bank: FakeBank, page: str, tmp_path: Path) -> None:
    payers = [threading.Thread(target=pay, args=[page], kwargs={"amount": str(n)}) for n in range(1, 9)]
    for payer in payers:
        payer.start()
    for payer in payers:
        payer.join()
    amounts = [line.amount_minor for statement in dropped(tmp_path / "statements") for line in statement.lines]
    assert sorted(amounts) == [n * 100 for n in range(1, 9)]
    assert bank.taken_minor("KES") == 3_600


def test_a_currency_without_cents_is_written_and_read_whole() -> None:
    bank = FakeBank(Faults(), Calls(), currency="UGX", account="9030001234567")
    bank.transfer("+256700000001", TEXT, 50_000, "UGX")
    statement = told(bank)
    assert (statement.account, statement.lines[0].amount_minor, statement.closing_minor) == (
        "9030001234567",
        50_000,
        50_000,
    )
