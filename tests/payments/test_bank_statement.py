"""Bank statements: read whole and exactly, or refused with every line that is wrong."""

import encodings.aliases
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payments.bank_csv import MOST_LINES
from payments.bank_reference import found_in
from payments.bank_statement import LARGEST, Fault, Statement, StatementRefused, read

FOLDER = Path(__file__).parent / "statements"
HEADER = "date,amount,currency,reference,text,counterparty,account\n"


def sample(name: str) -> Statement:
    return read(name, (FOLDER / name).read_bytes())


def changed(name: str, *changes: tuple[str, str]) -> bytes:
    """A sample with every change made; each must meet something."""
    data = (FOLDER / name).read_bytes()
    for old, new in changes:
        assert old.encode() in data
        data = data.replace(old.encode(), new.encode())
    return data


def faults_of(name: str, data: bytes) -> list[Fault]:
    with pytest.raises(StatementRefused) as refused:
        read(name, data)
    return refused.value.faults


def amount_of(written: str, currency: str = "KES") -> int:
    """The amount of a CSV line in which it is written so."""
    return read("x.csv", f'{HEADER}2026-10-01,"{written}",{currency},,,,\n'.encode()).lines[0].amount_minor


def test_a_statement_of_the_second_version_is_read_whole() -> None:
    statement = sample("camt.053.001.02.xml")
    assert (statement.account, statement.currency) == ("IE29AIBK93115212345678", "EUR")
    assert (statement.opening_minor, statement.closing_minor) == (-10_000, 5_550)
    assert (statement.opened, statement.closed) == (date(2026, 9, 30), date(2026, 10, 1))
    assert [line.amount_minor for line in statement.lines] == [2_040, 10_000, 5_000, -1_490]
    assert [line.number for line in statement.lines] == [1, 2, 3, 4]
    assert {line.booked_on for line in statement.lines} == {date(2026, 10, 1)}
    assert [line.counterparty for line in statement.lines] == [
        "Máiré Ní Bhriain",
        "First Payer",
        "Second Payer",
        "Third Payer",
    ]
    assert statement.lines[0].counterparty_account == "IE64IRCE92050112345678"


def test_references_are_found_in_broken_and_in_structured_fields() -> None:
    lines = sample("camt.053.001.02.xml").lines
    assert [found_in(line.text) for line in lines] == [["7KQ4M2PH"], ["7KQ4M2PH"], [], []]
    assert lines[3].text == "Returned: account closed"


def test_the_newest_version_is_read_inside_an_envelope() -> None:
    statement = sample("camt.053.001.13.xml")
    assert (statement.account, statement.currency) == ("9030001234567", "UGX")
    assert (statement.opening_minor, statement.closing_minor) == (None, None)
    first = statement.lines[0]
    assert (first.amount_minor, first.counterparty, first.counterparty_account) == (50_000, "Akello", "0140099")
    assert found_in(first.text) == ["7KQ4M2PH"]


@pytest.mark.parametrize("version", range(2, 14))
def test_every_version_is_taken_by_its_namespace(version: int) -> None:
    data = changed("camt.053.001.02.xml", ("camt.053.001.02", f"camt.053.001.{version:02}"))
    assert read("", data).lines == sample("camt.053.001.02.xml").lines


@pytest.mark.parametrize("namespace", ["camt.053.001.01", "camt.053.001.14", "camt.054.001.02", "camt.052.001.02", "x"])
def test_other_messages_are_no_statement(namespace: str) -> None:
    data = changed("camt.053.001.02.xml", ("camt.053.001.02", namespace))
    assert "no statement" in faults_of("a.xml", data)[0].what


def test_what_is_not_booked_yet_is_no_line() -> None:
    booked = changed("camt.053.001.02.xml", ("PDNG", "BOOK"), ("55.5<", "832.5<"))
    assert len(sample("camt.053.001.02.xml").lines) == 4
    assert "date" in faults_of("a.xml", booked)[0].what


def test_a_reversal_has_its_own_direction_and_keeps_the_payer() -> None:
    """ISO 20022: with RvslInd, a DBIT entry undoes what was a credit."""
    returned = sample("camt.053.001.02.xml").lines[3]
    assert (returned.amount_minor, returned.counterparty) == (-1_490, "Third Payer")


def test_a_batch_that_does_not_add_up_is_one_line_of_what_was_booked() -> None:
    paid_out = sample("camt.053.001.13.xml").lines[1]
    assert (paid_out.amount_minor, paid_out.text) == (-30_000, "charge told twice")
    other = changed("camt.053.001.02.xml", ('"EUR">50.00', '"EUR">49.00'))
    assert [line.amount_minor for line in read("", other).lines] == [2_040, 15_000, -1_490]


def test_bank_references_are_the_banks_own_with_day_and_amount() -> None:
    references = [line.bank_reference for line in sample("camt.053.001.02.xml").lines]
    assert references[:3] == [
        "IE2026274-001/20261001/2040",
        "IE2026274-002/20261001/10000",
        "IE2026274-002/20261001/5000",
    ]
    assert len(set(references)) == 4


def test_a_number_counted_in_each_statement_names_no_booking() -> None:
    """NtryRef 1 of one statement is not NtryRef 1 of the next; without AcctSvcrRef the content is the name."""
    nameless = [("<AcctSvcrRef>IE2026274-001</AcctSvcrRef>", "")]
    first = read("", changed("camt.053.001.02.xml", *nameless)).lines[0]
    again = read("", changed("camt.053.001.02.xml", *nameless, ("<Id>0274", "<Id>0275"))).lines[0]
    other = read("", changed("camt.053.001.02.xml", *nameless, ("7kq4", "7kq5"))).lines[0]
    assert first.bank_reference == again.bank_reference != other.bank_reference


def test_two_bookings_under_one_reference_of_the_bank_are_two() -> None:
    same = changed(
        "camt.053.001.02.xml", ("IE2026274-002", "IE2026274-001"), ("100.00</Amt></TxAmt>", "129.60</Amt></TxAmt>")
    )
    same = same.replace(b'"EUR">50.00', b'"EUR">20.40')
    references = [line.bank_reference for line in read("", same).lines]
    assert references[0] == "IE2026274-001/20261001/2040"
    assert references[2] == "IE2026274-001/20261001/2040#2"


def test_an_identification_that_the_bank_uses_again_next_year_is_another_statement() -> None:
    later = read("", changed("camt.053.001.02.xml", ("2026-", "2027-")))
    assert sample("camt.053.001.02.xml").id == "0274/2026-10-01"
    assert later.id == "0274/2027-10-01"


def test_balances_must_agree_with_the_entries() -> None:
    faults = faults_of("a.xml", changed("camt.053.001.02.xml", ("55.5<", "55.51<")))
    assert faults == [
        Fault(5, "the opening balance and the booked entries do not add up to the closing balance"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("20.40", "20.405", 14, "more than 2 decimals"),
        ("20.40", "-20.40", 14, "cannot be read"),
        ("20.40", "2e1", 14, "cannot be read"),
        ("20.40", "", 14, "cannot be read"),
        ("20.40", "1" * 30, 14, "too long"),
        ("20.40", "9" * 17, 14, "larger than any"),
        ('"EUR">20.40', '"USD">20.40', 14, "another currency"),
        ("<BookgDt><Dt>2026-10-01<", "<BookgDt><Dt>2026-02-30<", 15, "no such date"),
        ("<BookgDt><DtTm>2026-10-01T", "<BookgDt><DtTm>1 October ", 26, "the date cannot be read"),
        ("<ValDt><Dt>2026-10-01</Dt></ValDt>", "", 42, "the date cannot be read"),
        ("20.40</Amt><CdtDbtInd>CRDT", "20.40</Amt><CdtDbtInd>BOTH", 12, "neither credit nor debit"),
        ("<Sts>BOOK</Sts>\n        <ValDt>", "<Sts>DONE</Sts>\n        <ValDt>", 42, "the status"),
    ],
)
def test_a_bad_entry_is_named_by_its_line(old: str, new: str, line: int, what: str) -> None:
    [fault] = faults_of("a.xml", changed("camt.053.001.02.xml", (old, new)))
    assert what in fault.what and fault.what.startswith("entry ")
    assert fault.line == line


def test_every_bad_entry_is_named_and_none_is_taken() -> None:
    faults = faults_of("a.xml", changed("camt.053.001.02.xml", ("20.40", "x"), ("14.90", "y")))
    assert [fault.what for fault in faults] == [
        "entry 1: the amount cannot be read",
        "entry 3: the amount cannot be read",
    ]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("<IBAN>IE29AIBK93115212345678</IBAN>", "", "account"),
        ("<Id>0274</Id>", "", "identification"),
        ("<Id>0274</Id>", f"<Id>{'9' * 36}</Id>", "identification"),
        ("EUR", "EEE", "ISO 4217"),
        ("</Stmt>", "</Stmt><Stmt></Stmt>", "second statement"),
        ("</Stmt>", "", "well-formed"),
        ("ISO-8859-1", "base64", "encoding"),
    ],
)
def test_a_bad_statement_is_refused(old: str, new: str, what: str) -> None:
    assert what in faults_of("a.xml", changed("camt.053.001.02.xml", (old, new)))[0].what


@pytest.mark.parametrize(
    "opening",
    [
        "<!DOCTYPE Document>",
        '<!DOCTYPE Document SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE Document [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_in_every_encoding(opening: str, encoding: str) -> None:
    text = (FOLDER / "camt.053.001.13.xml").read_text("utf-8").replace('encoding="UTF-8"', f'encoding="{encoding}"')
    data = text.replace("<BizMsgEnvlp>", f"{opening}<BizMsgEnvlp>").encode(encoding)
    assert [fault.what for fault in faults_of("a.xml", data)] == ["a document type or entity is not taken"]


def test_an_entity_without_a_document_type_is_no_xml() -> None:
    data = changed("camt.053.001.02.xml", ("no reference", "&secret;"))
    assert "well-formed" in faults_of("a.xml", data)[0].what


def test_elements_nested_without_end_are_refused() -> None:
    assert "too deep" in faults_of("a.xml", b"<a>" * 100_000)[0].what


def test_more_lines_than_anybody_has_are_refused() -> None:
    data = HEADER.encode() + b"2026-10-01,5,KES,,,,\n" * (MOST_LINES + 1)
    assert faults_of("a.csv", data) == [Fault(MOST_LINES + 2, "a file may have 100000 lines")]


@pytest.mark.parametrize("name", ["a.xml", "a.csv"])
def test_a_file_beyond_the_limit_is_not_even_parsed(name: str) -> None:
    assert faults_of(name, b" " * (LARGEST + 1)) == [Fault(1, "the file is larger than 32 MB")]


def test_a_csv_file_is_read_line_by_line() -> None:
    statement = sample("comma.csv")
    assert (statement.account, statement.currency) == ("", "KES")
    assert (statement.opened, statement.closed) == (date(2026, 10, 1), date(2026, 10, 2))
    assert [(line.number, line.amount_minor) for line in statement.lines] == [
        (2, 102_000),
        (3, 102_000),
        (4, 102_000),
        (6, -1_235_050),
    ]
    assert found_in(statement.lines[0].text) == ["7KQ4M2PH"]
    assert (statement.lines[0].counterparty, statement.lines[0].counterparty_account) == ("Amina Wanjiru", "0110012345")


def test_a_csv_file_in_latin_1_with_decimal_commas_is_read() -> None:
    statement = sample("semicolon_latin1.csv")
    assert [(line.number, line.amount_minor) for line in statement.lines] == [(2, 102_050), (4, -550)]
    assert (statement.lines[0].counterparty, statement.lines[1].text) == ("Müller", "Gebühr")
    assert found_in(statement.lines[0].text) == ["7KQ4M2PH"]


def test_a_mark_before_utf_8_is_no_part_of_the_header() -> None:
    data = (FOLDER / "comma.csv").read_bytes()
    assert read("x.csv", b"\xef\xbb\xbf" + data).lines == read("x.csv", data).lines


def test_equal_csv_lines_are_told_apart_and_keep_their_names_in_another_file() -> None:
    lines = sample("comma.csv").lines
    assert len({line.bank_reference for line in lines}) == 4
    without_the_first = (FOLDER / "comma.csv").read_bytes().split(b"\n", 2)
    overlapping = read("y.csv", b"\n".join((without_the_first[0], without_the_first[2])))
    assert [line.bank_reference for line in overlapping.lines] == [line.bank_reference for line in lines[1:]]
    assert overlapping.id != sample("comma.csv").id


@pytest.mark.parametrize(
    ("written", "currency", "minor"),
    [
        ("1020", "KES", 102_000),
        ("1020.5", "KES", 102_050),
        ("1020,50", "KES", 102_050),
        ("+1,234.56", "KES", 123_456),
        ("-1.234,56", "EUR", -123_456),
        ("1.234.567", "EUR", 123_456_700),
        ("1 234 567,89", "EUR", 123_456_789),
        ("1\u00a0234,5", "EUR", 123_450),
        ("1'234.50", "EUR", 123_450),
        ("500", "UGX", 500),
        ("500.00", "UGX", 500),
        ("1.234", "KWD", 1_234),
    ],
)
def test_amounts_are_read_as_banks_write_them(written: str, currency: str, minor: int) -> None:
    assert amount_of(written, currency) == minor


@pytest.mark.parametrize(
    ("written", "currency"),
    [
        ("1.234", "KES"),
        ("1,000", "UGX"),
        ("10.500", "EUR"),
        ("1.5", "UGX"),
        ("1.234", "EUR"),
        ("1,23,456", "KES"),
        ("1.234.56", "KES"),
        ("1e3", "KES"),
        ("--5", "KES"),
        ("5-", "KES"),
        ("", "KES"),
        ("٥", "KES"),
        ("1" * 40, "KES"),
    ],
)
def test_amounts_that_are_uncertain_are_refused(written: str, currency: str) -> None:
    with pytest.raises(StatementRefused, match="amount"):
        amount_of(written, currency)


def test_every_bad_csv_line_is_named_and_none_is_taken() -> None:
    data = (
        HEADER
        + "2026-10-01,5,KES,,fine,,\n"
        + "1/10/2026,5,KES,,,,\n"
        + "2026-10-01,abc,KES,,,,\n"
        + "\n"
        + "2026-10-01,5,KSH,,,,\n"
        + "2026-10-01,5,KES,,one,too,many,cells\n"
        + '2026-10-01,5,KES,,"wrong" quotes,,\n'
        + "2026-10-01,5,UGX,,,,\n"
    )
    assert faults_of("x.csv", data.encode()) == [
        Fault(3, "the date cannot be read"),
        Fault(4, "the amount cannot be read"),
        Fault(6, "the currency is none of ISO 4217"),
        Fault(7, "it has 8 cells, the header has 7"),
        Fault(8, "the quotes are wrong, or a cell is too long"),
        Fault(9, "the currency is another than in the first line"),
    ]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "no header"),
        (b"name,phone\nAmina,1\n", "lacks: date, amount, currency"),
        (b"date,amount,currency,Date\n", "more than once: date"),
        (HEADER.encode(), "no line under the header"),
        (b"date,amount\0,currency\n", "no text"),
        (HEADER.encode("utf-16"), "no text"),
        (b'"date,amount,currency\n', "quotes"),
    ],
)
def test_a_csv_file_without_the_columns_or_lines_is_refused(data: bytes, what: str) -> None:
    assert what in faults_of("x.csv", data)[0].what


def test_faults_and_values_quote_nothing_that_people_wrote() -> None:
    private = b"2026-10-01,Amina +254700000001,KES,,secret note,Amina,0110012345\n"
    with pytest.raises(StatementRefused) as refused:
        read("x.csv", HEADER.encode() + private)
    assert "254" not in str(refused.value) + repr(refused.value.faults)
    line = sample("comma.csv").lines[0]
    assert not any(word in repr(line) for word in ("Amina", "0110012345", "rf25"))


CAMT = (FOLDER / "camt.053.001.02.xml").read_bytes()
CSV = (FOLDER / "semicolon_latin1.csv").read_bytes()
PIECES = st.binary(max_size=12) | st.sampled_from(
    [
        b"<Stmt>",
        b"</Stmt>",
        b"<Ntry>",
        b"</Ntry>",
        b"<",
        b"&#0;",
        b"\n",
        b'"',
        b";",
        b",",
        b"9" * 25,
        b"EUR",
        b"-",
        b"\0",
    ]
)


def reads_or_refuses(name: str, data: bytes) -> None:
    try:
        statement = read(name, data)
    except StatementRefused as refused:
        assert refused.faults and all(fault.line >= 1 and fault.what for fault in refused.faults)
        return
    assert len({line.bank_reference for line in statement.lines}) == len(statement.lines)
    assert len({line.number for line in statement.lines}) == len(statement.lines)
    assert all(line.amount_minor and line.currency == statement.currency for line in statement.lines)
    assert statement.opened <= statement.closed


@given(st.sampled_from(["a.xml", "a.csv", ""]), st.binary() | st.text().map(str.encode))
@example("a.xml", b"")
@example("a.xml", b"\xff\xfe")
def test_any_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    reads_or_refuses(name, data)


@given(st.sampled_from([CAMT, CSV]), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 40), PIECES), max_size=4))
def test_any_change_to_a_statement_is_read_or_refused(data: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    for at, length, piece in cuts:
        at %= len(data)
        data = data[:at] + piece + data[at + length :]
    reads_or_refuses("", data)


@given(st.lists(st.lists(st.text(max_size=8) | st.sampled_from(["2026-10-01", "5,00", "KES"]), max_size=8), max_size=5))
def test_any_cells_are_read_or_refused(rows: list[list[str]]) -> None:
    reads_or_refuses("x.csv", (HEADER + "\n".join(",".join(row) for row in rows)).encode("utf-8", "replace"))


@pytest.mark.parametrize("encoding", sorted({*encodings.aliases.aliases.values(), "nonsense", "undefined"}))
def test_whatever_encoding_xml_names_it_is_read_or_refused(encoding: str) -> None:
    reads_or_refuses("a.xml", CAMT.replace(b"ISO-8859-1", encoding.encode()))
