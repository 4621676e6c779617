"""Somebody runs bin/dev and pays in every way there is, in a real browser."""

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.developing import (
    CHROMIUM,
    START_SECONDS,
    Development,
    answers,
    browsing,
    chooses,
    developing,
    dial,
    free_ports,
    read,
    start,
    texts,
)

PICTURE = "GIFTLINE_PAYING_PICTURE"
"""Environment variable: where to put the picture of a phone that is asked to pay (docs/paying.png)."""
AMINA = "+254712000001"
SLOWEST = 20_000
"""Milliseconds in which the worker has noticed what was paid."""

in_a_browser = pytest.mark.skipif(not CHROMIUM.exists(), reason="browser tests need chromium at /usr/bin/chromium")


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Development]:
    """One bin/dev for all of them: everybody who pays has a number of their own."""
    with developing(tmp_path_factory.mktemp("paying") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, development: Development) -> Iterator[Page]:
    """The page with the phones; a complaint in the console fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{development.url}/phones")
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def phone(page: Page) -> Locator:
    """A phone that was never met, whose network sends no codes."""
    return _with_number(page, f"+25472{secrets.randbelow(10**6):06}2")


def _with_number(page: Page, number: str) -> Locator:
    field = page.get_by_label("Number of Amina")
    field.fill(number)
    with page.expect_request(lambda request: request.url.endswith("/texts") and number in (request.post_data or "")):
        field.press("Enter")
    return page.locator("#phone-1")


def _orders(phone: Locator, way: str, agreement: str, asked: str) -> None:
    """A stranger joins and orders a certificate of KES 500, to be paid in this way."""
    dial(phone, "Welcome to Giftline")
    chooses(phone, "Buy", "What kind")
    chooses(phone, "Supermarket", "Whose")
    chooses(phone, "Soko Bora", "Which value")
    chooses(phone, "KES 500", "How many")
    answers(phone, "1", "become a member")
    answers(phone, "1", "your name")
    answers(phone, "Amina", "Which language")
    answers(phone, "1", "Choose a PIN")
    answers(phone, "7193", "same PIN")
    answers(phone, "7193", "How will you pay KES 510")
    chooses(phone, way, agreement)
    answers(phone, "7193", asked)


def _newest(phone: Locator) -> Locator:
    return phone.locator("article.received").first


def _gets_it(phone: Locator) -> None:
    """The receipt comes as a text, and the certificate is in the basket."""
    if phone.get_attribute("data-at") != "inbox":
        read(phone)
    expect(_newest(phone)).to_contain_text("KES 510 paid. You hold 1 x Soko Bora KES 500", timeout=SLOWEST)
    dial(phone, "What would you like?", leave=True)
    chooses(phone, "My certificates", "Certificates you hold: 1. 1. Soko Bora KES 500")


@in_a_browser
def test_the_phone_bill_pays_at_once(phone: Locator) -> None:
    _orders(phone, "Phone bill", "on your phone bill", "Done. KES 510 is on your phone bill")
    dial(phone, "What would you like?", leave=True)
    chooses(phone, "My certificates", "Certificates you hold: 1. 1. Soko Bora KES 500")


@in_a_browser
@pytest.mark.parametrize(
    ("way", "asker", "number"), [("M-Pesa", "M-PESA", AMINA), ("MTN MoMo", "MoMo", "+254720000002")]
)
def test_mobile_money_asks_on_the_phone_and_is_paid_there(way: str, asker: str, number: str, page: Page) -> None:
    phone = _with_number(page, number)
    _orders(phone, way, f"paid by {way} on your phone", f"answer {way}'s question")
    question = phone.get_by_role("alertdialog", name=asker)
    expect(question).to_contain_text("510", timeout=SLOWEST)
    if os.environ.get(PICTURE) and way == "M-Pesa":
        page.wait_for_timeout(2_000)  # until no screen blinks any more
        page.screenshot(path=os.environ[PICTURE])
    question.get_by_role("button", name="Pay").click()
    expect(question).to_be_hidden()
    _gets_it(phone)


@in_a_browser
def test_a_card_is_paid_on_the_page_that_a_text_leads_to(phone: Locator, page: Page) -> None:
    _orders(phone, "Card", "by card on a page we text you", "A text brings you the page")
    read(phone)
    link = phone.get_by_role("link", name="/pay/")
    expect(link).to_be_visible(timeout=SLOWEST)
    with page.expect_popup() as opened:
        link.click()
    opened.value.get_by_role("button", name="Pay").click()
    expect(opened.value.locator("body")).to_contain_text("You will get a text when the payment is there")
    _gets_it(phone)


@in_a_browser
def test_a_transfer_is_made_at_the_bank_that_a_text_leads_to(phone: Locator, page: Page) -> None:
    _orders(phone, "Bank transfer", "paid by bank transfer", "A text brings you the account")
    read(phone)
    link = phone.get_by_role("link", name="Pay this at the bank")
    expect(link).to_be_visible(timeout=SLOWEST)
    with page.expect_popup() as opened:
        link.click()
    bank = opened.value
    expect(bank.get_by_label("Amount")).to_have_value("510")
    bank.get_by_role("button", name="Transfer").click()
    expect(bank.get_by_role("status")).to_have_text("Your transfer was made.")
    _gets_it(phone)


@in_a_browser
def test_a_network_that_knows_the_phone_bills_it_without_asking(phone: Locator) -> None:
    _orders(phone, "Bill of another network", "on the bill of your network", "We ask your network")
    _gets_it(phone)


@in_a_browser
def test_a_network_that_sends_a_code_bills_once_the_code_is_passed_on(page: Page) -> None:
    phone = _with_number(page, f"+25472{secrets.randbelow(10**6):06}3")
    _orders(phone, "Bill of another network", "on the bill of your network", "We ask your network")
    read(phone)
    ours = phone.locator("article.received", has_text="Your network sent you a code")
    expect(ours).to_be_visible(timeout=SLOWEST)
    theirs = phone.locator("article.received", has_text="Your code to pay")
    expect(theirs.locator(".from")).to_contain_text("Network")
    texts(phone, theirs.locator(".words").inner_text().rpartition(" ")[2].rstrip("."))
    _gets_it(phone)


@in_a_browser
def test_who_declines_is_told_so_and_gets_nothing(phone: Locator) -> None:
    _orders(phone, "M-Pesa", "paid by M-Pesa on your phone", "answer M-Pesa's question")
    phone.get_by_role("button", name="Decline").click(timeout=SLOWEST)
    read(phone)
    expect(_newest(phone)).to_contain_text("was cancelled. Nothing was bought", timeout=SLOWEST)
    dial(phone, "What would you like?", leave=True)
    chooses(phone, "My certificates", "Certificates you hold: 0")


@pytest.mark.parametrize("which", [0, 1, 2])
def test_bin_dev_says_in_one_line_which_port_is_taken(which: int, tmp_path: Path) -> None:
    port = free_ports()
    with socket.create_server(("127.0.0.1", port + which)):
        process = start(tmp_path / "data", port)
        printed, _ = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 1
    [line] = printed.splitlines()
    assert f"port {port + which} is taken" in line
