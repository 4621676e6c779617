"""Gift lists: read whole or refused by line, paid once, issued in batches that survive a kill, followed line by line."""

import csv
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chores import LIST_BATCHES, Chores
from circulation import codes, gift_list_issuing, gift_list_reading, gift_lists, gifting, notices, recalling, receipts
from circulation.gift_list_reading import Fault, GiftLine, GiftListRefused, read
from circulation.gift_lists import GiftList
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.routes import Routes
from circulation.rules import Rules
from payments.bank_transfer import BankTransfer
from storage.database import Database
from tests.people import BUSINESS, People

NAIROBI = ZoneInfo("Africa/Nairobi")
HEADING = "phone,issuer,amount,note\n"
PRICE = 51_000


def kes(minor: int) -> Money:
    return Money(minor, "KES")


def phone(number: int) -> str:
    return f"+25471{number:07}"


def faults_of(data: bytes) -> list[Fault]:
    with pytest.raises(GiftListRefused) as refused:
        read(data, country="KE", currency="KES")
    return refused.value.faults


def lines_of(text: str) -> list[GiftLine]:
    return read(text.encode(), country="KE", currency="KES").lines


def many(count: int, *, note: str = "Asante", issuer: str = "GL", amount: int = 500) -> list[GiftLine]:
    return [GiftLine(n + 2, Msisdn(phone(n)), issuer, kes(amount * 100), note, None) for n in range(count)]


# Reading --------------------------------------------------------------------------------------------------------------
def test_a_list_is_read_as_spreadsheets_write_it() -> None:
    assert lines_of(
        'phone,issuer,amount,note\r\n0712 000 002,gl,500,"Asante, Baraka"\r\n+254712000003,SB,200.00,\r\n'
    ) == [
        GiftLine(2, Msisdn("+254712000002"), "GL", kes(50_000), "Asante, Baraka", None),
        GiftLine(3, Msisdn("+254712000003"), "SB", kes(20_000), "", None),
    ]


def test_columns_may_stand_in_any_order_between_semicolons_behind_a_byte_order_mark() -> None:
    data = b"\xef\xbb\xbfDate;Note;Amount;Issuer;Phone\n2027-03-31;Hongera;500;GL;0712000002\n\n;;;;\n"
    assert read(data, country="KE", currency="KES").lines == [
        GiftLine(2, Msisdn("+254712000002"), "GL", kes(50_000), "Hongera", date(2027, 3, 31))
    ]


def test_a_phone_that_stands_twice_is_a_warning_and_has_both() -> None:
    text = HEADING + "0712000002,GL,500,\n0712000003,GL,500,\n+254 712 000002,GL,500,\n"
    found = read(text.encode(), country="KE", currency="KES")
    assert len(found.lines) == 3
    assert found.repeated == [Fault(4, "the same phone as line 2: it gets both gifts")]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("0712000002,GL,500", "3 cells instead of 4"),
        ("0712,GL,500,", "phone: not a number"),
        ("020 2345678,GL,500,", "phone: landline"),
        ("+255621234567,GL,500,", "phone: other country"),
        ("0712000002,GIFTLINE,500,", "issuer: its prefix has 2 to 4 letters"),
        ("0712000002,GL,KES 500,", "amount: a sum in KES such as 500, without a currency or thousands marks"),
        ("0712000002,GL,0,", "amount: a sum in KES such as 500, without a currency or thousands marks"),
        ("0712000002,GL,500.001,", "amount: a sum in KES such as 500, without a currency or thousands marks"),
        ("0712000002,GL,500," + "x" * 81, "note: 81 characters, at most 80"),
        ('0712000002,GL,500,"a\x00b"', "a line break or another control character inside a cell"),
    ],
)
def test_every_fault_is_named_with_its_line(line: str, what: str) -> None:
    data = (HEADING + "0712000002,GL,500,\n" + line + "\nx,GL,500,\n").encode()
    assert faults_of(data) == [Fault(3, what), Fault(4, "phone: not a number")]


def test_a_wrong_day_is_named() -> None:
    heading = "phone,issuer,amount,note,date\n"
    data = heading + "0712000002,GL,500,,31.3.2027\n0712000002,GL,500,,2027-02-30\n"
    assert faults_of(data.encode()) == [
        Fault(2, "date: a day such as 2027-03-31"),
        Fault(3, "date: there is no such day"),
    ]


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        (b"", 1, "the first line must name the columns phone, issuer, amount, note, and perhaps date"),
        (
            b"phone,issuer,amount\n",
            1,
            "the first line must name the columns phone, issuer, amount, note, and perhaps date",
        ),
        (HEADING.encode(), 1, "there is no gift in the list"),
        (HEADING.encode() + b"0712000002,GL,500,\xff\n", 2, "not UTF-8: save the file as CSV UTF-8"),
        (HEADING.encode() + b'0712000002,GL,500,"x\n', 2, "no CSV: look for a quotation mark that is not closed"),
    ],
)
def test_a_file_that_is_no_list_is_refused(data: bytes, line: int, what: str) -> None:
    assert faults_of(data) == [Fault(line, what)]


def test_a_list_of_too_many_lines_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gift_list_reading, "MOST_LINES", 2)
    data = HEADING + "0712000002,GL,500,\n" * 3
    assert faults_of(data.encode()) == [Fault(4, "more than 2 gifts; split the list")]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_and_nothing_else(data: bytes) -> None:
    for whole in (data, HEADING.encode() + data):
        try:
            assert read(whole, country="KE", currency="KES").lines
        except GiftListRefused as refused:
            assert all(fault.line >= 1 and fault.what for fault in refused.faults)


@given(st.lists(st.lists(st.text(max_size=12), min_size=3, max_size=5), max_size=5))
def test_any_cells_are_read_or_refused_and_nothing_else(rows: list[list[str]]) -> None:
    text = HEADING + "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows)
    try:
        lines = read(text.encode("utf-8", "replace"), country="KE", currency="KES").lines
    except GiftListRefused:
        return
    assert all(line.phone.e164.startswith("+254") and line.amount.amount_minor > 0 for line in lines)


def test_a_refusal_never_quotes_what_stood_there() -> None:
    faults = faults_of((HEADING + "0711 99,SECRET,x1,secret words\n").encode())
    assert not [fault for fault in faults if "99" in fault.what or "secret" in fault.what.lower()]


# Loading and paying ---------------------------------------------------------------------------------------------------
@dataclass
class Company:
    """A company that gives, with the verbs, at ten in the morning."""

    people: People

    def __post_init__(self) -> None:
        bank = BankTransfer(currency="KES", account_shown="Giftline 0110")
        self.rules: Rules = replace(self.people.rules, rails={"phone_bill": None, "bank": bank})
        self.member = self.people.member("Safari Ltd")
        self.database = self.people.database
        self.at(10)
        self.chores = Chores(self.database, self.rules, conversation_seconds=60)

    def at(self, hour: int, days: int = 1) -> None:
        """It is so many days from now, at this hour in Nairobi."""
        now = datetime.now(UTC).astimezone(NAIROBI)
        then = datetime.combine(now.date() + timedelta(days=days), time(hour), NAIROBI)
        self.database.clock_offset = f"{(then - now).total_seconds()} seconds"

    def do(self, verb: Callable[..., Any], *args: Any, **named: Any) -> Any:
        with self.database.begin() as db:
            return verb(db, *args, **named)

    def load(self, lines: list[GiftLine], list_id: str | None = None, rail: str = "bank") -> GiftList:
        named: dict[str, Any] = {"company": self.member, "lines": lines, "rail": rail}
        loaded = self.do(gift_lists.load, self.rules, list_id=list_id or str(uuid4()), **named)
        assert isinstance(loaded, GiftList)
        return loaded

    def pay(self, gift_list: GiftList, amount: Money | None = None) -> bool:
        paid = {"charge_id": gift_list.id, "receipt": uuid4().hex, "amount": amount or gift_list.total}
        return bool(self.do(receipts.received, self.rules, **paid))

    def paid(self, lines: list[GiftLine]) -> GiftList:
        gift_list = self.load(lines)
        self.pay(gift_list)
        return gift_list

    def issue(self) -> int:
        """The chores, until nothing is left to do; how many gifts were offered."""
        offered = 0
        while some := self.chores.issue_gift_lists():
            offered += some
        return offered

    def state(self, gift_list: GiftList) -> str:
        return str(self.people.value("SELECT state FROM gift_list WHERE id = :id", id=gift_list.id))

    def status(self, gift_list: GiftList) -> list[dict[str, str]]:
        with self.database.begin() as db:
            return list(csv.DictReader(gift_lists.status_csv(db, gift_list.id)))

    def told(self) -> list[str]:
        return [one.sentence for one in self.people.texts(self.member.msisdn)]


@pytest.fixture
def company(people: People) -> Company:
    return Company(people)


def test_a_loaded_list_orders_its_price_and_sends_nothing(company: Company) -> None:
    lines = [*many(2), *[replace(line, line=line.line + 2, issuer="SB", amount=kes(20_000)) for line in many(1)]]
    gift_list = company.load(lines)
    assert (gift_list.total, gift_list.lines, gift_list.state) == (kes(2 * PRICE + 20_500), 3, "ordered")
    charge = company.people.rows("SELECT * FROM charge WHERE id = :id", id=gift_list.id)[0]
    assert (charge.rail, charge.amount_minor, charge.reference, str(charge.gift_list_id)) == (
        "bank",
        gift_list.total.amount_minor,
        gift_list.reference,
        gift_list.id,
    )
    assert company.issue() == 0
    assert {line["state"] for line in company.status(gift_list)} == {"waiting"}
    assert company.people.value("SELECT count(*) FROM journal_entry") == 0
    assert company.do(gift_lists.find, gift_list.reference) == gift_list
    assert company.do(gift_lists.find, "22222222") is None


def test_the_same_list_loaded_again_is_loaded_once(company: Company) -> None:
    list_id = str(uuid4())
    assert company.load(many(3), list_id) == company.load(many(3), list_id)
    assert company.people.value("SELECT count(*) FROM gift_list_line") == 3
    assert company.people.value("SELECT count(*) FROM charge") == 1


def test_a_line_that_catalogue_calendar_or_company_do_not_allow_refuses_the_whole_list(company: Company) -> None:
    good, *others = many(5)
    unsold, own, past, far = others
    past_day = date.today() - timedelta(days=3)  # noqa: DTZ011 - days apart is enough
    far_day = date.today() + timedelta(days=500)  # noqa: DTZ011
    lines = [
        good,
        replace(unsold, amount=kes(12_300)),
        replace(own, phone=company.member.msisdn),
        replace(past, day=past_day),
        replace(far, day=far_day),
    ]
    with pytest.raises(GiftListRefused) as refused:
        company.load(lines)
    assert refused.value.faults == [
        Fault(3, "no certificate of that issuer is sold for that amount"),
        Fault(4, "the phone is the company's own"),
        Fault(5, "date: from today to 366 days ahead"),
        Fault(6, "date: from today to 366 days ahead"),
    ]
    with pytest.raises(GiftListRefused) as checked:
        company.do(gift_lists.check, company.rules, lines, company.member)
    assert checked.value.faults == refused.value.faults
    assert company.people.value("SELECT count(*) FROM gift_list") == 0


def test_a_list_is_not_loaded_for_a_rail_that_is_not_there(company: Company) -> None:
    with pytest.raises(Refusal) as refused:
        company.load(many(1), rail="mpesa")
    assert refused.value.code == "no_way_to_pay"


def test_the_money_of_a_paid_list_rests_in_the_pool(company: Company) -> None:
    gift_list = company.paid(many(3))
    people = company.people
    assert people.postings(f"{gift_list.id}:pooled") == [("2050", "", 3 * PRICE), ("2055", gift_list.id, -3 * PRICE)]
    assert (company.state(gift_list), company.told()) == ("paid", [notices.LIST_PAID])
    assert people.books_in_order()


def test_a_list_that_is_not_paid_fails_line_by_line_and_late_money_goes_back(company: Company) -> None:
    gift_list = company.load(many(2))
    failed = {"charge_id": gift_list.id, "state": "lapsed", "reason": "expired"}
    company.do(receipts.failed, company.rules, **failed)
    assert [(line["state"], line["reason"]) for line in company.status(gift_list)] == [
        ("failed", "the list was not paid")
    ] * 2
    assert company.pay(gift_list)
    assert company.told() == [notices.LIST_NOT_PAID, notices.RECEIPT_GOES_BACK]
    assert company.issue() == 0
    assert company.people.books_in_order()


def test_a_list_paid_in_two_transfers_is_sent_and_what_is_too_much_goes_back(company: Company) -> None:
    gift_list = company.load(many(2))
    company.pay(gift_list, kes(PRICE))
    assert company.state(gift_list) == "ordered"
    company.pay(gift_list, kes(PRICE + 700))
    assert company.state(gift_list) == "paid"
    assert company.told() == [notices.UNDERPAID, notices.LIST_PAID, notices.OVERPAID]
    assert company.issue() == 2
    assert company.people.books_in_order()


# Issuing --------------------------------------------------------------------------------------------------------------
def test_a_batch_is_issued_offered_posted_and_told(company: Company) -> None:
    lines = many(2)
    lines[1] = replace(lines[1], issuer="SB", amount=kes(20_000), note="")
    gift_list, people = company.paid(lines), company.people
    assert company.issue() == 2
    rows = people.rows(
        "SELECT c.id, g.id::text AS gift FROM gift_list_line l JOIN gift g ON g.id = l.gift_id"
        " JOIN gift_sheet s ON s.gift_id = g.id JOIN certificate c ON c.id = s.certificate_id ORDER BY l.line"
    )
    (first, gift), (second, other_gift) = [(str(row.id), row.gift) for row in rows]
    total = PRICE + 20_500
    assert people.postings(f"{gift_list.id}:released:1") == [("2055", gift_list.id, total), ("2050", "", -total)]
    assert people.postings(f"{gift_list.id}:issued:1") == [
        ("2050", "", PRICE),
        ("2100", first, -50_000),
        ("4010", "", -1_000),
        ("2050", "", 20_500),
        ("2100", second, -20_000),
        ("4010", "", -500),
    ]
    assert people.postings(f"{gift_list.id}:offered:1") == [
        ("2100", first, 50_000),
        ("2110", gift, -50_000),
        ("2100", second, 20_000),
        ("2110", other_gift, -20_000),
    ]
    (told,) = people.texts(lines[0].phone)
    assert (told.sentence, told.holes["giver"], told.holes["note"], told.holes["amount"], told.holes["issuer"]) == (
        notices.GIFT_WAITS,
        "Safari Ltd",
        "Asante",
        {"money": [50_000, "KES"]},
        "Giftline",
    )
    assert [one.sentence for one in people.texts(lines[1].phone)] == [notices.GIFT_WAITS_NO_NOTE]
    assert (company.state(gift_list), company.told()) == ("done", [notices.LIST_PAID, notices.LIST_DONE])
    assert people.owed("2055", gift_list.id) == 0
    assert people.books_in_order()


def test_the_certificates_of_a_list_are_like_any_others(company: Company) -> None:
    company.paid(many(3))
    company.issue()
    for row in company.people.rows(
        "SELECT c.*, p.state, p.sheets, p.rail, p.amount_minor, p.fee_minor"
        " FROM certificate c JOIN purchase p ON p.id = c.purchase_id"
    ):
        assert codes.damm(row.serial[2:]) == 0
        assert row.holder_id == company.member.id
        assert row.law
        assert (row.state, row.sheets, row.rail, row.amount_minor, row.fee_minor) == (
            "issued",
            3,
            "bank",
            150_000,
            3_000,
        )


def test_recipients_are_told_in_their_language_by_whoever_carries_their_texts(company: Company) -> None:
    known = company.people.member("Baraka", language="sw")
    company.people.run("UPDATE member SET sms_provider = 'africastalking' WHERE id = :id", id=known.id)
    stranger = many(1)[0]
    company.paid([stranger, replace(stranger, line=3, phone=known.msisdn)])
    company.issue()
    (told,) = company.people.texts(known.msisdn)
    assert (told.language, told.provider) == ("sw", "africastalking")
    (told,) = company.people.texts(stranger.phone)
    assert (told.language, told.provider) == ("en", "twilio")


def test_a_phone_to_which_nothing_is_carried_holds_up_no_batch_and_stands_in_the_status(company: Company) -> None:
    company.rules = replace(company.rules, routes=Routes.parse("sms +254710000 twilio", texts_by="twilio"))
    company.chores = Chores(company.database, company.rules, conversation_seconds=60)
    near, far = many(1)[0], replace(many(1)[0], line=3, phone=Msisdn("+254722000001"))
    gift_list = company.paid([near, far])

    assert company.issue() == 2

    assert [(line["state"], line["reason"]) for line in company.status(gift_list)] == [
        ("offered", ""),
        ("offered", "not told: no route"),
    ]
    assert "{recipient}" not in " ".join(company.told())


def test_answers_are_followed_line_by_line_and_what_is_not_taken_is_the_companys(company: Company) -> None:
    gift_list = company.paid(many(4))
    company.issue()
    recipients = [company.people.met(line.phone) for line in many(4)]
    gifts = [row.gift for row in company.people.rows("SELECT gift_id::text AS gift FROM gift_list_line ORDER BY line")]
    company.do(gifting.accept, company.rules, gift_id=gifts[0], recipient=recipients[0])
    company.do(gifting.decline, company.rules, gift_id=gifts[1], recipient=recipients[1])
    company.do(recalling.recall, company.rules, gift_id=gifts[2], giver=company.member, receipt=False)
    company.at(10, days=9)
    company.chores.lapse_gifts()
    rows = company.status(gift_list)
    assert [row["state"] for row in rows] == ["accepted", "declined", "recalled", "lapsed"]
    assert [row["phone"] for row in rows] == [phone(n) for n in range(4)]
    serials = dict(company.people.rows("SELECT serial, holder_id FROM certificate"))
    assert [serials[row["serial"]] for row in rows] == [recipients[0].id, *[company.member.id] * 3]
    assert company.people.books_in_order()


def test_a_repeated_phone_gets_both_gifts(company: Company) -> None:
    first = many(1)[0]
    company.paid([first, replace(first, line=3)])
    assert company.issue() == 2
    assert len(company.people.texts(first.phone)) == 2


def test_a_serial_that_is_taken_is_drawn_again(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["GL0000000010", "GL0000000010", "GL0000000022", "GL0000000010", "GL0000000034"])
    monkeypatch.setattr(gift_list_issuing, "new_serial", lambda _: next(drawn))
    company.paid(many(1))
    company.issue()
    company.paid([replace(line, line=line.line) for line in many(3)][1:])
    company.issue()
    assert sorted(company.people.rows("SELECT serial FROM certificate")) == [
        ("GL0000000010",),
        ("GL0000000022",),
        ("GL0000000034",),
    ]
    assert company.people.books_in_order()


def test_a_reference_that_is_taken_is_drawn_again(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    company.paid(many(2))
    drawn = iter(["AAAAAAA2", "BBBBBBB2", "BBBBBBB2", "BBBBBBB2", "CCCCCCC2"])
    monkeypatch.setattr(gift_list_issuing, "new_reference", lambda: next(drawn))
    assert company.issue() == 2
    assert sorted(company.people.rows("SELECT reference FROM gift")) == [("BBBBBBB2",), ("CCCCCCC2",)]
    assert company.people.books_in_order()


def test_a_gift_for_a_day_is_issued_when_it_comes(company: Company) -> None:
    today, later = many(2)
    chosen = (datetime.now(UTC).astimezone(NAIROBI) + timedelta(days=6)).date()
    gift_list = company.paid([today, replace(later, day=chosen)])
    assert company.issue() == 1
    assert (company.state(gift_list), company.people.owed("2055", gift_list.id)) == ("paid", PRICE)
    company.at(8, days=6)
    assert company.issue() == 0
    company.at(9, days=6)
    assert company.issue() == 1
    assert company.state(gift_list) == "done"
    assert company.people.books_in_order()


def test_nobody_is_woken_at_night(company: Company) -> None:
    company.at(23)
    gift_list = company.paid(many(3))
    assert company.issue() == 0
    assert company.people.texts(Msisdn(phone(0))) == []
    company.at(8, days=2)
    assert company.issue() == 0
    company.at(9, days=2)
    assert company.issue() == 3
    assert company.state(gift_list) == "done"


def test_a_worker_killed_between_or_within_batches_leaves_nothing_half_done(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gift_list_issuing, "BATCH", 4)
    gift_list = company.paid(many(10))

    class Killed(Exception):
        pass

    def dies(*_: object) -> None:
        raise Killed

    assert company.do(gift_list_issuing.issue_batch, company.rules, list_id=gift_list.id) == 4
    for place in ("_offer", "_post", "_tell"):
        with monkeypatch.context() as patch:
            patch.setattr(gift_list_issuing, place, dies)
            with pytest.raises(Killed):
                company.do(gift_list_issuing.issue_batch, company.rules, list_id=gift_list.id)
        assert company.people.owed("2055", gift_list.id) == 6 * PRICE
        assert Counter(row["state"] for row in company.status(gift_list)) == {"offered": 4, "waiting": 6}
        assert company.people.books_in_order()
    assert company.issue() == 6
    assert company.issue() == 0
    assert company.people.value("SELECT count(*) FROM gift") == 10
    assert company.people.value("SELECT count(*) FROM outbox WHERE sentence = :s", s=notices.GIFT_WAITS) == 10
    assert company.people.books_in_order()


def test_two_workers_at_once_send_every_line_once(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gift_list_issuing, "BATCH", 7)
    gift_list = company.paid(many(60))
    other = Database(company.database.url, role=BUSINESS, connections=2)
    other.clock_offset = company.database.clock_offset
    gate = threading.Barrier(2)

    def work(database: Database) -> int:
        gate.wait(timeout=30)
        offered = 0
        for _ in range(40):
            with database.begin() as db:
                offered += gift_list_issuing.issue_batch(db, company.rules, list_id=gift_list.id)
        return offered

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(work, (company.database, other))) == 60
    other.close()
    assert company.people.value("SELECT count(DISTINCT recipient_id) FROM gift") == 60
    assert company.people.owed("2055", gift_list.id) == 0
    assert company.people.books_in_order()


def test_the_other_chores_have_their_turn_between_batches(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gift_list_issuing, "BATCH", 2)
    company.paid(many(2 * LIST_BATCHES + 1))
    assert company.chores.issue_gift_lists() == 2 * LIST_BATCHES
    assert company.chores.issue_gift_lists() == 1


def test_five_thousand_gifts_are_issued_to_the_cent(company: Company) -> None:
    lines = many(5_000)
    lines[2_500:] = [replace(line, issuer="SB", amount=kes(20_000)) for line in lines[2_500:]]
    gift_list = company.paid(lines)
    assert gift_list.total == kes(2_500 * PRICE + 2_500 * 20_500)
    assert company.issue() == 5_000
    assert Counter(row["state"] for row in company.status(gift_list)) == {"offered": 5_000}
    assert len({row["serial"] for row in company.status(gift_list)}) == 5_000
    assert company.people.value("SELECT count(*) FROM purchase") == 2
    assert company.people.value("SELECT sum(amount_minor) FROM gift") == 2_500 * 70_000
    assert company.people.value("SELECT count(*) FROM journal_entry") == 2 + 3 * 5
    assert company.people.books_in_order()
