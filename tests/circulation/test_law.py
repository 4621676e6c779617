"""Law: every rule of every pack at its edges, packs that cannot be used, and that the page about them is true."""

from dataclasses import fields
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from babel.numbers import format_decimal, get_currency_precision
from hypothesis import given
from hypothesis import strategies as st

from circulation.law import (
    LAWS,
    Law,
    LawRefused,
    Laws,
    at_limitation,
    expires_on,
    extended,
    limitation_ends,
    load,
    refund_after_expiry_minor,
    refundable_until,
    reminders,
    residual_cash_minor,
)
from circulation.law_rules import Band
from tests.pages import REPOSITORY, rows, section

PACKS = load()
EVERY = [law for versions in PACKS.packs.values() for law in versions]
ISSUED = date(2026, 8, 31)

HOUSE, KENYA, US, IRELAND = (PACKS.in_force(pack, ISSUED) for pack in ("house", "KE", "US", "IE"))
CALIFORNIA, CALIFORNIA_BEFORE = PACKS.by_id("US-CA-2026-04-01"), PACKS.by_id("US-CA-2010-08-22")
KOREA, KOREA_BEFORE = PACKS.by_id("KR-2025-09-16"), PACKS.by_id("KR-2020-12-14")


def cash(law: Law, face_minor: int, balance_minor: int, *, currency: str = "", general_use: bool = False) -> int:
    currency = currency or law.currency or "ZZZ"
    return residual_cash_minor(
        law, face_minor=face_minor, balance_minor=balance_minor, currency=currency, general_use=general_use
    )


def refund(law: Law, face_minor: int, balance_minor: int, currency: str = "") -> int:
    currency = currency or law.currency or "ZZZ"
    return refund_after_expiry_minor(law, face_minor=face_minor, balance_minor=balance_minor, currency=currency)


# Which law -------------------------------------------------------------------------------------------------------------


def test_a_version_begins_on_its_day_and_not_before() -> None:
    assert PACKS.in_force("KR", date(2025, 9, 15)).id == "KR-2020-12-14"
    assert PACKS.in_force("KR", date(2025, 9, 16)).id == "KR-2025-09-16"
    assert PACKS.in_force("US-CA", date(2026, 3, 31)).id == "US-CA-2010-08-22"
    assert PACKS.in_force("US-CA", date(2026, 4, 1)).id == "US-CA-2026-04-01"


def test_a_day_before_the_first_version_has_no_law() -> None:
    assert PACKS.in_force("IE", date(2019, 12, 2)).id == "IE-2019-12-02"
    with pytest.raises(LookupError, match="no version of IE was in force on 2019-12-01"):
        PACKS.in_force("IE", date(2019, 12, 1))


def test_an_unknown_pack_or_id_is_named() -> None:
    with pytest.raises(LookupError, match="no law pack XX; known are IE, KE, KR"):
        PACKS.in_force("XX", ISSUED)
    with pytest.raises(LookupError, match="no law KR-2025-09-17"):
        PACKS.by_id("KR-2025-09-17")
    with pytest.raises(LookupError, match="no law XX-2020-01-01"):
        PACKS.best_for_holder("XX-2020-01-01", ISSUED)


@pytest.mark.parametrize(("place", "pack"), [("US-CA", "US-CA"), ("US-NV", "US"), ("KE", "KE"), ("FR", "house")])
def test_a_place_has_its_own_pack_or_its_countrys_or_the_houses(place: str, pack: str) -> None:
    assert PACKS.pack_for(place) == pack


def test_every_version_is_found_by_its_id_and_every_rule_has_a_source() -> None:
    assert [PACKS.by_id(law.id) for law in EVERY] == EVERY
    rules = [getattr(law, field.name) for law in EVERY for field in fields(law)[4:]]
    assert all(rule.source.strip() for rule in rules if rule is not None)


# Validity, reminders, extension ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "last"),
    [
        (HOUSE, date(2028, 8, 31)),
        (KENYA, date(2028, 8, 31)),
        (US, date(2031, 8, 31)),
        (CALIFORNIA_BEFORE, None),
        (CALIFORNIA, None),
        (IRELAND, date(2031, 8, 31)),
        (KOREA_BEFORE, date(2027, 8, 31)),
        (KOREA, date(2027, 8, 31)),
    ],
    ids=lambda value: getattr(value, "id", str(value)),
)
def test_a_certificate_can_be_spent_until_its_last_day(law: Law, last: date | None) -> None:
    assert expires_on(law, ISSUED) == last


@pytest.mark.parametrize(
    ("law", "issued", "last"),
    [
        (KOREA, date(2024, 2, 29), date(2025, 2, 28)),
        (US, date(2024, 2, 29), date(2029, 2, 28)),
        (HOUSE, date(2022, 2, 28), date(2024, 2, 28)),
        (KOREA, date(2026, 12, 31), date(2027, 12, 31)),
        (KOREA, date(2026, 1, 1), date(2027, 1, 1)),
    ],
    ids=str,
)
def test_a_day_the_month_does_not_have_becomes_its_last(law: Law, issued: date, last: date) -> None:
    assert expires_on(law, issued) == last


@pytest.mark.parametrize("law", EVERY, ids=lambda law: law.id)
def test_the_holder_is_reminded_30_7_and_1_days_before(law: Law) -> None:
    assert reminders(law, date(2027, 3, 1)) == (date(2027, 1, 30), date(2027, 2, 22), date(2027, 2, 28))


def test_who_holds_what_never_expires_is_not_reminded() -> None:
    assert reminders(CALIFORNIA, expires_on(CALIFORNIA, ISSUED)) == ()


@pytest.mark.parametrize(
    ("law", "longer"),
    [
        (HOUSE, date(2027, 2, 28)),
        (KENYA, date(2027, 2, 28)),
        (US, date(2027, 2, 28)),
        (IRELAND, date(2027, 2, 28)),
        (KOREA_BEFORE, date(2026, 11, 30)),
        (KOREA, date(2026, 11, 30)),
    ],
    ids=lambda value: getattr(value, "id", str(value)),
)
def test_a_certificate_is_extended_once(law: Law, longer: date) -> None:
    assert extended(law, date(2026, 8, 31), 0) == longer
    assert extended(law, longer, 1) is None


# Refunds ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", EVERY, ids=lambda law: law.id)
def test_the_refund_window_ends_with_its_last_day_and_the_fee_comes_back_too(law: Law) -> None:
    assert refundable_until(law, date(2026, 2, 28)) == (date(2026, 3, 7) if law.pack == "KR" else date(2026, 3, 14))
    assert law.refund_window.fee_returned


@pytest.mark.parametrize("law", [HOUSE, KENYA, US, IRELAND], ids=lambda law: law.id)
def test_where_the_house_decides_all_of_the_rest_comes_back_after_expiry(law: Law) -> None:
    assert refund(law, 50_000, 15_001) == 15_001


@pytest.mark.parametrize(
    ("law", "face", "share"),
    [
        (KOREA_BEFORE, 50_000, 9_000),
        (KOREA_BEFORE, 50_001, 9_000),
        (KOREA, 1, 9_000),
        (KOREA, 50_000, 9_000),
        (KOREA, 50_001, 9_500),
        (KOREA, 1_000_000, 9_500),
    ],
    ids=lambda value: getattr(value, "id", str(value)),
)
def test_korea_returns_90_percent_and_since_2025_95_above_50000_won(law: Law, face: int, share: int) -> None:
    balance = min(face, 10_000)
    assert refund(law, face, balance) == -(-balance * share // 10_000)


def test_a_refund_is_rounded_up_to_the_holder() -> None:
    assert refund(KOREA, 10_000, 1) == 1
    assert refund(KOREA, 10_000, 9_999) == 9_000  # 8,999.1
    assert refund(KOREA, 50_001, 50_001) == 47_501  # 47,500.95
    assert refund(KOREA, 10_000, 0) == 0


def test_in_another_currency_the_bands_cannot_be_read_and_the_best_holds() -> None:
    assert refund(KOREA, 10_000, 10_000, "USD") == 9_500


@pytest.mark.parametrize(
    ("law", "last", "then"),
    [
        (HOUSE, date(2029, 2, 28), "breakage"),
        (KENYA, date(2030, 2, 28), "escheat"),
        (US, date(2029, 2, 28), "escheat"),
        (IRELAND, date(2030, 2, 28), "breakage"),
        (KOREA_BEFORE, date(2029, 2, 28), "breakage"),
        (KOREA, date(2029, 2, 28), "breakage"),
    ],
    ids=lambda value: getattr(value, "id", str(value)),
)
def test_the_limitation_ends_and_what_the_rest_becomes(law: Law, last: date, then: str) -> None:
    assert limitation_ends(law, date(2024, 2, 29)) == last
    assert at_limitation(law) == then


# Residual cash-out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "face", "balance", "owed"),
    [
        (HOUSE, 50_000, 1, False),
        (KENYA, 50_000, 1, False),
        (US, 5_000, 499, False),
        (CALIFORNIA_BEFORE, 5_000, 999, True),
        (CALIFORNIA_BEFORE, 5_000, 1_000, False),
        (CALIFORNIA, 5_000, 1_499, True),
        (CALIFORNIA, 5_000, 1_500, False),
        (CALIFORNIA, 1_499, 1_499, True),
        (CALIFORNIA, 5_000, 0, False),
        (IRELAND, 5_000, 100, False),
        (IRELAND, 5_000, 101, True),
        (IRELAND, 5_000, 4_999, True),
        (IRELAND, 5_000, 5_000, False),
        (KOREA, 10_000, 2_001, False),
        (KOREA, 10_000, 2_000, True),
        (KOREA, 10_001, 4_001, False),
        (KOREA, 10_001, 4_000, True),
        (KOREA, 50_000, 20_001, False),
        (KOREA, 50_000, 20_000, True),
        (KOREA_BEFORE, 50_000, 20_000, True),
        (KOREA, 10_000, 0, False),
    ],
    ids=lambda value: getattr(value, "id", str(value)),
)
def test_a_small_rest_is_paid_whole_or_not_at_all(law: Law, face: int, balance: int, owed: bool) -> None:
    assert cash(law, face, balance) == (balance if owed else 0)


@pytest.mark.parametrize(
    ("law", "face", "balance", "owed"),
    [(CALIFORNIA, 5_000, 1_499, 0), (IRELAND, 5_000, 101, 0), (KOREA, 10_000, 2_000, 2_000)],
    ids=lambda value: getattr(value, "id", str(value)),
)
def test_what_many_stores_take_has_the_right_only_where_the_law_says_so(
    law: Law, face: int, balance: int, owed: int
) -> None:
    assert cash(law, face, balance, general_use=True) == owed


@pytest.mark.parametrize("law", [law for law in EVERY if law.cash_out], ids=lambda law: law.id)
def test_another_currency_has_no_cash_out(law: Law) -> None:
    assert cash(law, 20_000, 500) == 500
    assert cash(law, 20_000, 500, currency="KES") == 0


@pytest.mark.parametrize(("face", "balance"), [(100, 101), (100, -1)])
def test_an_impossible_balance_is_a_fault(face: int, balance: int) -> None:
    with pytest.raises(ValueError, match="balance"):
        cash(KOREA, face, balance)
    with pytest.raises(ValueError, match="balance"):
        refund(KOREA, face, balance)


@given(
    law=st.sampled_from(EVERY),
    face=st.integers(1, 10**9),
    left=st.fractions(0, 1),
    currency=st.sampled_from(["KES", "USD", "EUR", "KRW"]),
    general_use=st.booleans(),
)
def test_nothing_paid_back_is_above_the_balance_or_below_nothing(
    law: Law, face: int, left: Fraction, currency: str, general_use: bool
) -> None:
    balance = int(face * left)
    assert 0 <= refund(law, face, balance, currency) <= balance
    assert cash(law, face, balance, currency=currency, general_use=general_use) in {0, balance}


@given(
    law=st.sampled_from(EVERY),
    issued=st.dates(date(2010, 1, 1), date(2100, 12, 31)),
)
def test_no_date_comes_before_what_it_counts_from(law: Law, issued: date) -> None:
    assert issued < refundable_until(law, issued)
    last = expires_on(law, issued)
    if last is None:
        return
    longer = extended(law, last, 0)
    assert longer is not None and issued < last < longer < limitation_ends(law, longer)


# Later versions --------------------------------------------------------------------------------------------------------


def test_californias_new_threshold_reaches_certificates_sold_before_it() -> None:
    before = PACKS.best_for_holder(CALIFORNIA_BEFORE.id, date(2026, 3, 31))
    after = PACKS.best_for_holder(CALIFORNIA_BEFORE.id, date(2026, 4, 1))
    assert (cash(before, 5_000, 1_499), cash(after, 5_000, 1_499)) == (0, 1_499)
    assert after.id == CALIFORNIA_BEFORE.id


def test_koreas_new_share_does_not_reach_certificates_sold_before_it() -> None:
    assert PACKS.best_for_holder(KOREA_BEFORE.id, date(2030, 1, 1)) == KOREA_BEFORE
    assert PACKS.best_for_holder(KOREA.id, date(2030, 1, 1)) == KOREA


OLD = """
currency = "KES"
[[version]]
effective_from = 2020-01-01
validity = {months = 12, source = "Act"}
reminders = {days = [30], source = "Act"}
extension = {months = 3, times = 0, source = "Act"}
refund_window = {days = 0, fee_returned = false, source = "Act"}
refund_after_expiry = {shares = [{face_above_minor = 0, bps = 8000}, {face_above_minor = 500, bps = 9000}], source = "Act"}
limitation = {months = 60, then = "breakage", source = "Act"}
[version.cash_out]
balance_above_minor = 10
balance_below_minor = 100
used = [{face_above_minor = 0, bps = 5000}]
applies_to_general_use = true
source = "Act"
"""


def folder_of(tmp_path: Path, **packs: str) -> Path:
    for name, content in packs.items():
        (tmp_path / f"{name}.toml").write_text(content)
    return tmp_path


def house_of(tmp_path: Path, content: str) -> Laws:
    return load(folder_of(tmp_path, house=content))


def later(tmp_path: Path, rule: str) -> Law:
    """What a certificate of the old version is due when a later one states this rule."""
    laws = house_of(tmp_path, OLD + f"[[version]]\neffective_from = 2021-01-01\n{rule}\n")
    return laws.best_for_holder("house-2020-01-01", date(2021, 1, 1))


CASH_OUT = {
    "balance_above_minor": "10",
    "balance_below_minor": "100",
    "used": "[{face_above_minor = 0, bps = 5000}]",
    "applies_to_general_use": "true",
    "applies_to_existing": "true",
    "source": '"Later"',
}


def cash_out(**changed: str) -> str:
    return "cash_out = {" + ", ".join(f"{name} = {value}" for name, value in {**CASH_OUT, **changed}.items()) + "}"


@pytest.mark.parametrize(
    ("changed", "taken"),
    [
        ({"balance_below_minor": "101"}, True),
        ({"balance_below_minor": "99"}, False),
        ({"balance_above_minor": "9"}, True),
        ({"balance_above_minor": "11", "balance_below_minor": "1000"}, False),
        ({"used": "[]"}, True),
        ({"used": "[{face_above_minor = 0, bps = 5000}, {face_above_minor = 700, bps = 5001}]"}, False),
        ({"applies_to_general_use": "false"}, False),
        ({"after_use": "true"}, False),
        ({"balance_below_minor": "101", "applies_to_existing": "false"}, False),
    ],
    ids=str,
)
def test_a_later_cash_out_rule_never_worsens_what_a_certificate_has(
    tmp_path: Path, changed: dict[str, str], taken: bool
) -> None:
    rule = later(tmp_path, cash_out(**changed)).cash_out
    assert rule is not None and rule.source == ("Later" if taken else "Act")


def test_a_limit_that_is_lifted_is_better_than_any(tmp_path: Path) -> None:
    lifted = 'cash_out = {applies_to_general_use = true, applies_to_existing = true, source = "Later"}'
    assert cash(later(tmp_path, lifted), 1_000, 1_000) == 1_000


@pytest.mark.parametrize(("low", "high", "taken"), [(8_500, 9_000, True), (9_500, 8_999, False), (8_000, 9_001, True)])
def test_a_later_refund_share_never_worsens_what_a_certificate_has(
    tmp_path: Path, low: int, high: int, taken: bool
) -> None:
    shares = f"[{{face_above_minor = 0, bps = {low}}}, {{face_above_minor = 500, bps = {high}}}]"
    rule = f'refund_after_expiry = {{shares = {shares}, applies_to_existing = true, source = "Later"}}'
    assert later(tmp_path, rule).refund_after_expiry.source == ("Later" if taken else "Act")


def test_rules_fixed_at_issue_stay_what_they_were(tmp_path: Path) -> None:
    assert later(tmp_path, 'validity = {months = 6, source = "Later"}').validity.months == 12


def test_no_extension_where_it_may_be_asked_for_never(tmp_path: Path) -> None:
    assert extended(house_of(tmp_path, OLD).by_id("house-2020-01-01"), ISSUED, 0) is None


# Files -----------------------------------------------------------------------------------------------------------------


def test_a_version_has_what_it_does_not_state_from_the_one_before_and_from_what_it_builds_on(tmp_path: Path) -> None:
    newer_house = '[[version]]\neffective_from = 2022-01-01\nvalidity = {months = 99, source = "House"}\n'
    built = """
based_on = "house"
[[version]]
effective_from = 2021-01-01
reminders = {days = [9], source = "Own"}
[[version]]
effective_from = 2021-06-01
[[version]]
effective_from = 2023-01-01
"""
    first, second, third = load(folder_of(tmp_path, house=OLD + newer_house, XX=built)).packs["XX"]
    assert [law.validity.months for law in (first, second, third)] == [12, 12, 99]
    assert [law.reminders.days for law in (first, second, third)] == [(9,), (9,), (9,)]
    assert {law.currency for law in (first, second, third)} == {"KES"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('currency = "KES"', 'currency = "shillings"'), "house.toml: currency: "),
        (('currency = "KES"', ""), "house.toml: 2020-01-01: its amounts need a currency"),
        (("currency", "colour"), "house.toml: colour: "),
        (("[[version]]", "[[version"), "house.toml: "),
        (("2020-01-01", '"soon"'), "version.0.effective_from"),
        (("validity = {months = 12", "validity = {months = 0"), "version.0.validity.months"),
        (("validity = {months = 12", "validity = {months = 1.5"), "version.0.validity.months"),
        (("validity = {months = 12", 'validity = {months = "long"'), "version.0.validity.months"),
        (('validity = {months = 12, source = "Act"}', ""), "validity is stated neither here nor"),
        (
            ('limitation = {months = 60, then = "breakage", source = "Act"}', ""),
            "limitation is stated neither here nor",
        ),
        (('validity = {months = 12, source = "Act"}', "validity = {months = 12}"), "version.0.validity.source"),
        (('12, source = "Act"', '12, source = " "'), "version.0.validity.source"),
        (
            ("days = [30]", "days = [1, 7]"),
            "version.0.reminders.days: days before expiry are listed from most to fewest",
        ),
        (("days = [30]", "days = [7, 7]"), "version.0.reminders.days"),
        (("days = [30]", "days = [0]"), "version.0.reminders.days.0"),
        (("times = 0", "times = -1"), "version.0.extension.times"),
        (("fee_returned = false", "fee_returned = 0"), "version.0.refund_window.fee_returned"),
        (("bps = 9000", "bps = 10001"), "version.0.refund_after_expiry.shares.1.bps"),
        (("face_above_minor = 500", "face_above_minor = 0"), "shares: the first band begins at face_above_minor = 0"),
        (("shares = [{face_above_minor = 0", "shares = [{face_above_minor = 1"), "shares: the first band begins"),
        (("[{face_above_minor = 0, bps = 8000}, {face_above_minor = 500, bps = 9000}]", "[]"), "shares"),
        (('"breakage"', '"profit"'), "version.0.limitation.then"),
        (("balance_below_minor = 100", "balance_below_minor = -1"), "version.0.cash_out.balance_below_minor"),
        (("applies_to_general_use = true", "applies_to_all = true"), "version.0.cash_out.applies_to_"),
        (("[version.cash_out]", "[version.cash_in]"), "version.0.cash_in"),
    ],
    ids=str,
)
def test_a_pack_that_cannot_be_used_is_refused_with_its_place_and_fault(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    assert change[0] in OLD
    with pytest.raises(LawRefused) as refused:
        house_of(tmp_path, OLD.replace(*change, 1))
    assert str(refused.value).startswith("house.toml: ")
    assert said in str(refused.value)


STEP = "\n[[version]]\neffective_from = 2020-01-01\n"


@pytest.mark.parametrize(
    ("packs", "said"),
    [
        ({"XX": OLD}, "house.toml is missing"),
        ({"house": OLD + STEP}, "house.toml: version: versions stand oldest first"),
        ({"house": 'currency = "KES"'}, "house.toml: version: "),
        ({"house": "version = []"}, "house.toml: version: "),
        ({"house": OLD, "XX": 'based_on = "YY"' + STEP}, "XX.toml: based_on: there is no pack YY"),
        (
            {"house": OLD, "XX": 'based_on = "YY"' + STEP, "YY": 'based_on = "XX"' + STEP},
            "YY.toml: based_on: XX builds on YY builds on XX",
        ),
        ({"house": OLD, "XX": 'based_on = "XX"' + STEP}, "XX.toml: based_on: XX builds on XX"),
        (
            {"house": OLD, "XX": 'based_on = "house"' + STEP.replace("2020-01-01", "2019-12-31")},
            "XX.toml: 2019-12-31: house had no version yet to build on",
        ),
        (
            {"house": OLD, "XX": 'based_on = "house"\ncurrency = "USD"' + STEP},
            "XX.toml: currency: USD is not KES, that of house",
        ),
    ],
    ids=str,
)
def test_packs_that_do_not_fit_together_are_refused(tmp_path: Path, packs: dict[str, str], said: str) -> None:
    with pytest.raises(LawRefused) as refused:
        load(folder_of(tmp_path, **packs))
    assert said in str(refused.value)


def test_a_pack_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "house.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LawRefused, match=r"house\.toml"):
        load(tmp_path)


# The page --------------------------------------------------------------------------------------------------------------


def test_the_page_says_what_the_files_say() -> None:
    page = (REPOSITORY / "docs" / "law.md").read_text()
    assert rows(section(page, "## Every version")) == [described(law) for law in EVERY]
    assert "not legal advice" in page


def test_every_file_is_loaded() -> None:
    assert set(PACKS.packs) == {path.stem for path in LAWS.iterdir()} >= {"KE", "US", "US-CA", "IE", "KR", "house"}


def described(law: Law) -> list[str]:
    window = f"{law.refund_window.days} days, {'with' if law.refund_window.fee_returned else 'without'} fee"
    if law.validity.months == "never expires":
        lasting = ["never expires", "–", "–", window, "–", "–"]
    else:
        often = "once" if law.extension.times == 1 else f"{law.extension.times} times"
        lasting = [
            f"{law.validity.months} months",
            ", ".join(str(days) for days in law.reminders.days),
            f"{law.extension.months} months, {often}",
            window,
            by_face(law, law.refund_after_expiry.shares) + existing(law.refund_after_expiry.applies_to_existing),
            f"{law.limitation.months} months, {law.limitation.then}",
        ]
    return [f"`{law.id}`", *lasting, cash_described(law)]


def cash_described(law: Law) -> str:
    rule = law.cash_out
    if rule is None:
        return "–"
    said = [
        f"above {amount(law, rule.balance_above_minor)}" if rule.balance_above_minor else "",
        "" if rule.balance_below_minor is None else f"below {amount(law, rule.balance_below_minor)}",
        "after use" if rule.after_use else "",
        f"used: {by_face(law, rule.used)}" if rule.used else "",
        "general use too" if rule.applies_to_general_use else "not general use",
    ]
    return "; ".join(part for part in said if part) + existing(rule.applies_to_existing)


def existing(applies: bool) -> str:
    return "; existing too" if applies else ""


def by_face(law: Law, bands: tuple[Band, ...]) -> str:
    first, *others = bands
    more = [f"{band.bps / 100:g} % (face above {amount(law, band.face_above_minor)})" for band in others]
    return ", ".join([f"{first.bps / 100:g} %", *more])


def amount(law: Law, minor: int) -> str:
    assert law.currency
    digits = get_currency_precision(law.currency)
    return f"{format_decimal(Decimal(minor).scaleb(-digits), locale='en')} {law.currency}"
