"""The folder in which the bank leaves its statements: each counts once, and a bad one is put aside with its faults."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from bot.config import Settings
from bot.statements import Statements
from payments import bank_statement
from payments.bank_reference import creditor_reference
from payments.fakes.server import FakeRails
from tests.paying import Paying, paying, settings_for

BAD = b"date,amount,currency\n2026-11-20,many,KES\n2026-11-31,5.00,KES\n"


@pytest.fixture
def till(plain_settings: Settings) -> Iterator[Paying]:
    with FakeRails() as rails, paying(settings_for(plain_settings, rails), rails) as till:
        yield till


def ordered(till: Paying) -> tuple[str, bytes]:
    """An order, and a statement that pays it."""
    charge_id = till.order(till.people.member(), "bank")
    till.rounds()
    reference = creditor_reference(till.reference(charge_id))
    till.rails.bank.transfer("+254712345678", reference, 51_000, "KES")
    return charge_id, till.rails.bank.statement()


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def look(till: Paying, folder: Path | None) -> int:
    return Statements(till.database, till.rules, folder)()


@pytest.mark.parametrize("name", ["day.xml", "DAY.XML"])
def test_a_statement_is_imported_and_put_beside(name: str, till: Paying, tmp_path: Path) -> None:
    charge_id, data = ordered(till)
    (tmp_path / name).write_bytes(data)
    assert look(till, tmp_path) == 1
    assert (till.state(charge_id), till.sheets(charge_id)) == ("paid", 1)
    assert names(tmp_path) == [f"imported/{name}"]
    assert look(till, tmp_path) == 0


def test_a_statement_that_comes_again_pays_nothing_again_and_is_kept_too(till: Paying, tmp_path: Path) -> None:
    charge_id, data = ordered(till)
    for _ in range(3):
        (tmp_path / "day.xml").write_bytes(data)
        look(till, tmp_path)
    assert till.sheets(charge_id) == 1
    assert till.people.value("SELECT count(*) FROM payment") == 1
    assert names(tmp_path) == ["imported/day.1.xml", "imported/day.2.xml", "imported/day.xml"]
    assert till.people.books_in_order()


def test_a_refused_statement_is_left_unchanged_with_a_report_and_an_incident(till: Paying, tmp_path: Path) -> None:
    (tmp_path / "day.csv").write_bytes(BAD)
    assert look(till, tmp_path) == 1
    assert names(tmp_path) == ["refused/day.csv", "refused/day.csv.txt"]
    assert (tmp_path / "refused" / "day.csv").read_bytes() == BAD
    report = (tmp_path / "refused" / "day.csv.txt").read_text().splitlines()
    assert [line.partition(":")[0] for line in report] == ["line 2", "line 3"]
    incidents = till.people.rows("SELECT kind, about, facts FROM incident")
    assert [tuple(row) for row in incidents] == [("bank statement refused", "day.csv", {"faults": 2})]
    assert till.people.value("SELECT count(*) FROM bank_statement") == 0


def test_refused_files_of_one_name_keep_a_report_each(till: Paying, tmp_path: Path) -> None:
    for name, data in (("day.csv", BAD), ("day.csv", BAD), ("day.xml", b"<not-a-statement/>")):
        (tmp_path / name).write_bytes(data)
        look(till, tmp_path)
    assert names(tmp_path) == [
        f"refused/{name}{more}" for name in ("day.1.csv", "day.csv", "day.xml") for more in ("", ".txt")
    ]


def test_a_bad_file_holds_up_no_good_one(till: Paying, tmp_path: Path) -> None:
    charge_id, data = ordered(till)
    (tmp_path / "a.csv").write_bytes(BAD)
    (tmp_path / "b.xml").write_bytes(data)
    assert look(till, tmp_path) == 2
    assert till.state(charge_id) == "paid"


def test_what_is_no_statement_yet_is_left_alone(till: Paying, tmp_path: Path) -> None:
    (tmp_path / ".day.xml.part").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "folder.xml").mkdir()
    assert look(till, tmp_path) == 0
    assert names(tmp_path) == [".day.xml.part", "notes.txt"]


@pytest.mark.parametrize("folder", [None, Path("there-is-no-such-folder")])
def test_without_a_folder_there_is_nothing_to_do(folder: Path | None, till: Paying) -> None:
    assert look(till, folder) == 0


@pytest.mark.parametrize("data", ["good", "bad"])
def test_of_two_workers_at_once_one_imports_and_neither_fails(
    data: str, till: Paying, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge_id, good = ordered(till)
    (tmp_path / "day.xml").write_bytes(good if data == "good" else b"<not-a-statement/>")
    both_have_read, read = Barrier(2, timeout=10), bank_statement.read

    def read_together(name: str, content: bytes) -> object:
        both_have_read.wait()
        return read(name, content)

    monkeypatch.setattr(bank_statement, "read", read_together)
    with ThreadPoolExecutor(2) as workers:
        looks = [workers.submit(look, till, tmp_path) for _ in range(2)]
        assert sorted(one.result() for one in looks) == [0, 1]
    if data == "good":
        assert names(tmp_path) == ["imported/day.xml"]
        assert till.sheets(charge_id) == 1
    else:
        assert names(tmp_path) == ["refused/day.xml", "refused/day.xml.txt"]
        assert till.people.value("SELECT count(*) FROM incident") == 1


def test_a_file_that_is_gone_before_it_is_read_is_another_workers(
    till: Paying, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(path: Path) -> bytes:
        path.rename(tmp_path / "taken")
        raise FileNotFoundError

    (tmp_path / "day.xml").write_bytes(b"<x/>")
    monkeypatch.setattr(Path, "read_bytes", taken)
    assert look(till, tmp_path) == 0
    assert till.people.rows("SELECT 1 FROM incident") == []


def test_a_file_that_cannot_be_read_is_an_incident_and_holds_up_no_other(
    till: Paying, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def guarded(path: Path) -> bytes:
        if path.name == "a.xml":
            raise PermissionError
        with path.open("rb") as file:
            return file.read()

    charge_id, data = ordered(till)
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_bytes(data)
    monkeypatch.setattr(Path, "read_bytes", guarded)
    assert [look(till, tmp_path), look(till, tmp_path)] == [1, 0]
    assert till.state(charge_id) == "paid"
    assert names(tmp_path) == ["a.xml", "imported/b.xml"]
    assert till.people.value("SELECT about FROM incident") == "a.xml"
