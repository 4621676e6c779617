"""`bin/giftline gifts`: what an operator types with a company's file in hand."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli_gifts import gifts
from tests.people import People

LIST = "phone,issuer,amount,note\n0712000002,GL,500,Asante\n0712000003,SB,200,\n0712000002,GL,500,\n"


@pytest.fixture
def folder(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for lists, with the commands working on the test's own database."""
    monkeypatch.setenv("GIFTLINE_MODE", "development")
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("PAYMENT_RAILS", "phone_bill,bank")
    (tmp_path / "list.csv").write_text(LIST)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(gifts, words)


def test_a_good_list_is_checked_and_nothing_is_loaded(folder: Path, people: People) -> None:
    result = run("check", str(folder / "list.csv"))
    assert (result.exit_code, result.stdout) == (0, "3 gifts can be loaded.\n")
    assert result.stderr == "line 4: warning: the same phone as line 2: it gets both gifts\n"
    assert people.value("SELECT count(*) FROM gift_list") == 0


def test_faults_are_printed_by_line_and_nothing_is_loaded(folder: Path, people: People) -> None:
    company = people.member("Safari Ltd")
    (folder / "list.csv").write_text(LIST + "x,GL,500,\n")
    for words in (("check",), ("load", "--company", company.msisdn.e164)):
        result = run(words[0], str(folder / "list.csv"), *words[1:])
        assert (result.exit_code, result.stderr) == (1, "line 5: fault: phone: not a number\nNothing was loaded.\n")
    (folder / "list.csv").write_text(LIST + "0712000004,GL,501,\n")
    result = run("check", str(folder / "list.csv"))
    assert result.exit_code == 1
    assert "line 5: fault: no certificate of that issuer is sold for that amount\n" in result.stderr
    assert people.value("SELECT count(*) FROM gift_list") == 0


def test_many_faults_are_counted(folder: Path, people: People) -> None:
    (folder / "list.csv").write_text(LIST + "x,GL,500,\n" * 60)
    result = run("check", str(folder / "list.csv"))
    assert result.stderr.count("fault:") == 50
    assert "and 10 more\n" in result.stderr


def test_a_list_is_loaded_once_and_once_more_only_on_purpose(folder: Path, people: People) -> None:
    company, file = people.member("Safari Ltd"), str(folder / "list.csv")
    first = run("load", file, "--company", company.msisdn.e164)
    assert first.exit_code == 0, first.output
    reference = people.value("SELECT reference FROM gift_list")
    assert f"Reference {reference}: 3 gifts for KES 1,225.00, fees included.\nPay KES 1,225.00 to " in first.stdout
    again = run("load", file, "--company", company.msisdn.e164)
    assert "This file was loaded before and is ordered." in again.stdout
    assert people.value("SELECT count(*) FROM gift_list") == 1
    run("load", file, "--company", company.msisdn.e164, "--again")
    assert people.value("SELECT count(*) FROM gift_list") == 2


def test_only_a_member_loads_and_only_over_a_rail_that_is_there(folder: Path, people: People) -> None:
    file = str(folder / "list.csv")
    assert "is no member" in run("load", file, "--company", people.number().e164).stderr
    assert "Type it like" in run("load", file, "--company", "12").stderr
    company = people.member("Safari Ltd")
    assert (
        "mpesa cannot take this payment"
        in run("load", file, "--company", company.msisdn.e164, "--rail", "mpesa").stderr
    )
    assert people.value("SELECT count(*) FROM gift_list") == 0


def test_the_status_of_each_line_is_printed(folder: Path, people: People) -> None:
    company = people.member("Safari Ltd")
    run("load", str(folder / "list.csv"), "--company", company.msisdn.e164)
    reference = people.value("SELECT reference FROM gift_list")
    result = run("status", reference.lower())
    assert result.stdout == (
        "line,phone,state,reason,serial\n2,+254712000002,waiting,,\n3,+254712000003,waiting,,\n4,+254712000002,waiting,,\n"
    )
    assert result.stderr == f"{reference} is ordered: 3 waiting.\n"
    assert run("status", "22222222").exit_code == 1
