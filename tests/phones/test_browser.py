"""The phones in a real browser, as a person uses them. Skipped where there is no chromium."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Response
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

if TYPE_CHECKING:
    from payments.fakes.server import FakeRails
    from tests.phones.conftest import Product

CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="browser tests need chromium at /usr/bin/chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, product: "Product") -> Iterator[Page]:
    """The page at 1280x800; a complaint in the console (a refused script or style, an exception) fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{product.url}/phones")
    expect(page.locator("#phone-1")).to_have_attribute("data-at", "home")
    yield page
    context.close()
    assert complaints == []


def press(phone: Locator, keys: str) -> None:
    for key in keys:
        phone.locator(f".keypad [data-key='{key}']").click()


def test_a_person_dials_on_the_keypad_answers_the_menu_and_reads_the_end(page: Page, product: "Product") -> None:
    phone = page.locator("#phone-1")
    press(phone, product.settings.service_code)
    expect(phone.locator(".view")).to_have_text(product.settings.service_code)
    phone.get_by_role("button", name="Call", exact=True).last.click()

    expect(phone.locator(".view")).to_contain_text("Welcome to Giftline")
    press(phone, "1")
    expect(phone.get_by_label("Your answer")).to_have_value("1")
    phone.get_by_role("button", name="Send").click()
    expect(phone.locator(".view")).to_contain_text("How many sheets?")
    press(phone, "12")
    phone.locator(".call").click()
    expect(phone.locator(".view")).to_contain_text("Thank you. You said 1*12")
    expect(phone.locator(".entry")).to_be_hidden()
    phone.get_by_role("button", name="OK").click()
    expect(phone).to_have_attribute("data-at", "home")
    assert product.to("/end")[0].form["status"] == "Success"


def test_one_key_dials_and_the_red_key_hangs_up(page: Page, product: "Product") -> None:
    phone = page.locator("#phone-2")
    phone.locator(".giftline").click()
    expect(phone.locator(".view")).to_contain_text("Welcome to Giftline")
    phone.locator(".end").click()

    expect(phone).to_have_attribute("data-at", "home")
    [end] = product.wait_for("/end", 1)
    assert end.form["status"] == "Incomplete"
    assert end.form["phoneNumber"] == product.cast[1].msisdn


def test_the_computers_keyboard_is_enough(page: Page, product: "Product") -> None:
    phone = page.locator("#phone-1")
    page.keyboard.type(product.settings.service_code)
    page.keyboard.press("Enter")
    expect(phone.locator(".view")).to_contain_text("Welcome to Giftline")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    expect(phone.locator(".view")).to_contain_text("How many sheets?")
    page.keyboard.press("Escape")
    expect(phone).to_have_attribute("data-at", "home")

    page.keyboard.type("hello there")
    page.keyboard.press("Enter")
    expect(phone.locator(".view")).to_contain_text("hello there")
    assert [call.form["Body"] for call in product.wait_for("/sms/twilio", 1)] == ["hello there"]


def test_the_clerk_texts_check_from_the_strip(page: Page, product: "Product") -> None:
    till = page.locator("#phone-3")
    page.get_by_role("button", name="CHECK").first.click()
    expect(till.get_by_label("Your text to Giftline")).to_have_value("CHECK ")
    press(till, "123456789012")
    till.get_by_role("button", name="Send").click()

    expect(till.locator("article.sent").first).to_contain_text("CHECK 123456789012")
    [call] = product.wait_for("/sms/twilio", 1)
    assert (call.form["From"], call.form["Body"]) == (product.cast[2].msisdn, "CHECK 123456789012")


def test_a_text_that_arrives_is_noticed_and_stands_on_top(page: Page, product: "Product") -> None:
    phone = page.locator("#phone-1")
    phone.locator(".giftline").click()
    expect(phone.locator(".view")).to_contain_text("Welcome to Giftline")
    product.text(product.cast[0].msisdn, "First news")
    expect(phone.locator(".notice")).to_have_text("✉ 1 new message")
    expect(phone.locator(".view")).to_contain_text("Welcome to Giftline")
    phone.locator(".end").click()
    expect(phone.locator(".view")).to_contain_text("1 new message")
    phone.get_by_role("button", name="Read").click()
    product.text(product.cast[0].msisdn, "Second <b>news</b>")

    expect(phone.locator("article.received .words")).to_have_text(["Second <b>news</b>", "First news"])
    expect(phone.locator(".notice")).to_be_hidden()
    expect(page.locator("#phone-2 .notice")).to_be_hidden()


def test_texts_are_still_there_after_a_reload(page: Page, product: "Product") -> None:
    product.text(product.cast[1].msisdn, "Keep me")
    page.reload()
    page.locator("#phone-2").get_by_role("button", name="Messages").click()

    expect(page.locator("#phone-2 article.received")).to_contain_text("Keep me")


def test_another_number_makes_it_another_phone(page: Page, product: "Product") -> None:
    phone, number = page.locator("#phone-1"), page.get_by_label("Number of Amina")
    number.fill("0799 123 456")
    number.press("Enter")
    expect(number).to_have_value("+254799123456")
    phone.locator(".giftline").click()
    expect(phone.locator(".view")).to_contain_text("Welcome to Giftline")
    assert product.calls[-1].form["phoneNumber"] == "+254799123456"

    number.fill(product.cast[1].msisdn)
    number.press("Enter")
    expect(phone.get_by_role("alert")).to_have_text("Another phone here has that number.")
    expect(number).to_have_value("+254799123456")


def test_a_failing_product_is_shown_as_a_network_shows_it(page: Page, product: "Product") -> None:
    product.fails_with = 500
    phone = page.locator("#phone-1")
    phone.locator(".giftline").click()

    expect(phone.locator(".view")).to_contain_text("Connection problem or invalid MMI code.")
    expect(phone.locator(".view")).to_contain_text("the product answered 500")


def test_nothing_is_wider_than_a_narrow_screen(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("navigation", name="Phones").get_by_text("Naivas till").click()
    expect(page.locator("#phone-3 .screen")).to_be_in_viewport()


def test_every_control_can_be_reached_by_tab_and_has_a_name(page: Page) -> None:
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, input, textarea')]"
        ".filter(e => e.checkVisibility() && !(e.getAttribute('aria-label') || e.labels?.length || e.textContent.trim()))"
        ".length"
    )
    assert nameless == 0
    page.locator("#phone-2 .screen").focus()
    page.keyboard.press("Tab")
    expect(page.locator("#phone-2").get_by_role("button", name="Call 15005550006")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.key") == "left"
    page.keyboard.press("Enter")
    expect(page.locator("#phone-2")).to_have_attribute("data-at", "inbox")


def test_a_question_covers_the_screen_until_it_is_answered(page: Page, product: "Product", fakes: "FakeRails") -> None:
    phone = page.locator("#phone-1")
    product.ask_to_pay()
    question = phone.get_by_role("alertdialog", name="M-PESA")
    expect(question).to_contain_text("Ksh510.00 to Giftline, account 7KQ4MXW2")
    expect(page.locator("#phone-2 .question")).to_be_hidden()
    press(phone, "1")
    expect(phone).to_have_attribute("data-at", "home")
    question.get_by_role("button", name="Pay").click()

    expect(question).to_be_hidden()
    assert fakes.taken_minor("KES") == 51_000
    press(phone, "1")
    expect(phone.locator(".view")).to_have_text("1")


def test_a_question_is_answered_by_keyboard_and_never_by_what_was_being_typed(
    page: Page, product: "Product", fakes: "FakeRails"
) -> None:
    phone = page.locator("#phone-1")
    page.keyboard.type("half a text")
    product.ask_to_pay()
    question = phone.get_by_role("alertdialog", name="M-PESA")
    expect(question).to_be_focused()
    page.keyboard.type("1 more")
    page.keyboard.press("Enter")
    expect(question).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(question.get_by_role("button", name="Decline")).to_be_focused()
    page.keyboard.press("Enter")

    expect(question).to_be_hidden()
    expect(phone.get_by_label("Your text to Giftline")).to_have_value("half a text")
    assert [push.code for push in fakes.mpesa.pushes.values()] == ["1032"]


def test_the_red_key_declines(page: Page, product: "Product", fakes: "FakeRails") -> None:
    phone = page.locator("#phone-2")
    product.ask_to_pay(1)
    expect(phone.get_by_role("alertdialog", name="M-PESA")).to_be_visible()
    phone.locator(".end").click()

    expect(phone.get_by_role("alertdialog", name="M-PESA")).to_be_hidden()
    assert [push.code for push in fakes.mpesa.pushes.values()] == ["1032"]


def test_a_question_that_no_longer_waits_goes_away(page: Page, product: "Product", fakes: "FakeRails") -> None:
    handle = product.ask_to_pay()
    question = page.locator("#phone-1").get_by_role("alertdialog", name="M-PESA")
    expect(question).to_be_visible()
    fakes.mpesa.settle(handle, "1037")

    expect(question).to_be_hidden()


def test_an_answer_that_does_not_arrive_can_be_given_again(page: Page, product: "Product", fakes: "FakeRails") -> None:
    product.ask_to_pay()
    question = page.locator("#phone-1").get_by_role("alertdialog", name="M-PESA")
    expect(question).to_be_visible()
    page.route("**/phones/api/question", lambda route: route.fulfill(json={"fault": "the provider answered 500"}))
    question.get_by_role("button", name="Pay").click()
    expect(question.get_by_role("alert")).to_have_text("the provider answered 500")
    page.unroute("**/phones/api/question")
    question.get_by_role("button", name="Pay").click()

    expect(question).to_be_hidden()
    assert fakes.taken_minor("KES") == 51_000


def test_a_question_waits_in_a_small_window_too(page: Page, product: "Product", fakes: "FakeRails") -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    product.ask_to_pay(1)
    question = page.locator("#phone-2").get_by_role("alertdialog", name="M-PESA")

    expect(page.get_by_role("navigation", name="Phones").locator("a").nth(1).locator(".count")).to_have_text("1")
    expect(question).to_be_visible()
    assert question.evaluate("window => window.scrollHeight <= window.clientHeight")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    question.get_by_role("button", name="Not enough money").click()
    expect(question).to_be_hidden()
    assert [push.code for push in fakes.mpesa.pushes.values()] == ["1"]


def test_addresses_in_a_text_can_be_opened_and_nothing_else_becomes_a_link(page: Page, product: "Product") -> None:
    phone = page.locator("#phone-1")
    product.text(
        product.cast[0].msisdn, f"Open {product.url}/pay/7KQ4MXW2, not javascript:alert(1) or <a href=x>y</a>."
    )
    phone.get_by_role("button", name="Read").click()

    [link] = phone.locator("article a").all()
    assert link.get_attribute("href") == f"{product.url}/pay/7KQ4MXW2"
    assert (link.get_attribute("target"), link.get_attribute("rel")) == ("_blank", "noopener")
    expect(phone.locator("article .words")).to_contain_text("javascript:alert(1) or <a href=x>y</a>.")


def test_a_text_with_a_reference_to_pay_to_leads_to_the_bank(
    page: Page, product: "Product", fakes: "FakeRails"
) -> None:
    phone, body = (
        page.locator("#phone-1"),
        "Pay KES 1,020.50 to Demo Bank 001 234567, reference RF18 7KQ4 MXW2. Ref 7KQ4MXW2.",
    )
    product.text(product.cast[0].msisdn, body)
    phone.get_by_role("button", name="Read").click()
    with page.expect_popup() as opened:
        phone.get_by_role("link", name="Pay this at the bank").click()

    bank = opened.value
    expect(bank.get_by_label("Amount")).to_have_value("1020.50")
    expect(bank.get_by_label("Reference")).to_have_value("RF18 7KQ4 MXW2")
    expect(bank.get_by_label("Your phone")).to_have_value(product.cast[0].msisdn)
    assert bank.url.startswith(fakes.url)


def test_a_picture_is_drawn_below_its_words_and_a_sound_can_be_played(page: Page, product: "Product") -> None:
    drawn = BytesIO()
    Image.new("RGB", (64, 48), "red").save(drawn, "PNG")
    product.media["card.png"] = Response(drawn.getvalue(), mimetype="image/png")
    product.media["s.mp3"] = Response(b"ID3", mimetype="audio/mpeg")
    phone = page.locator("#phone-1")
    product.text(product.cast[0].msisdn, "For you", "card.png", "s.mp3")
    phone.get_by_role("button", name="Read").click()

    expect(phone.get_by_role("img", name="Picture")).to_be_visible()
    expect(phone.get_by_role("img", name="Picture")).to_have_js_property("naturalWidth", 64)
    expect(phone.locator("audio")).to_have_js_property("controls", value=True)


def test_a_person_calls_and_the_keys_go_as_digits(page: Page, product: "Product") -> None:
    phone = page.locator("#phone-1")
    page.keyboard.type(product.settings.twilio_from.removeprefix("+"))
    page.keyboard.press("Enter")
    expect(phone.locator(".view")).to_contain_text("Press a key.")
    phone.locator(".giftline").click()  # which dials, but not in the middle of a call
    press(phone, "*")
    expect(phone.locator(".view")).to_contain_text("You pressed *.")
    press(phone, "7")
    expect(phone.locator(".view")).to_contain_text("You pressed 7.")

    expect(phone.locator(".title")).to_have_text("Call ended")
    assert [call.form.get("Digits") for call in product.to("/turn")] == ["*", "7"]
    phone.get_by_role("button", name="Call again").click()
    expect(phone.locator(".view")).to_contain_text("Press a key.")
    phone.locator(".end").click()
    expect(phone).to_have_attribute("data-at", "home")
    assert [end.form["CallStatus"] for end in product.wait_for("/voice/twilio/status", 2)] == ["completed"] * 2


def test_a_phone_rings_over_what_is_being_typed_and_the_red_key_declines(page: Page, product: "Product") -> None:
    phone = page.locator("#phone-1")
    page.keyboard.type("half a text")
    product.ring()
    ringer = phone.get_by_role("alertdialog", name="Giftline calls")
    expect(ringer).to_be_visible()
    expect(page.locator("#phone-2 .ringer")).to_be_hidden()
    phone.locator(".end").click()

    expect(ringer).to_be_hidden()
    expect(phone.get_by_label("Your text to Giftline")).to_have_value("half a text")
    assert [end.form["CallStatus"] for end in product.wait_for("/voice/twilio/status", 1)] == ["busy"]


def test_a_call_goes_on_after_a_reload(page: Page, product: "Product") -> None:
    phone = page.locator("#phone-1")
    phone.get_by_role("button", name="Call 15005550006").click()
    expect(phone.locator(".view")).to_contain_text("Press a key.")
    page.reload()

    expect(phone).to_have_attribute("data-at", "talking")
    expect(phone.locator(".view")).to_contain_text("Press a key.")
