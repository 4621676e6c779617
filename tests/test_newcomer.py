"""A newcomer runs bin/dev and follows the README's first five minutes in a real browser, start to end."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.developing import CHROMIUM, Development, answers, browsing, developing, dial, ok, read, texts

PICTURE = "GIFTLINE_PICTURE"
"""Environment variable: where to put the picture for the README (docs/phones.png)."""


@pytest.fixture
def development(tmp_path: Path) -> Iterator[Development]:
    with developing(tmp_path / "data") as running:
        yield running


def _processes_of(data: Path) -> list[str]:
    """The processes, zombies left out, that were started for this data folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if str(data).encode() in words:
            found.append(folder.name)
    return found


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_bin_dev_says_what_to_try_and_ctrl_c_leaves_no_process(development: Development, tmp_path: Path) -> None:
    assert f"{development.url}/phones" in development.text
    assert "dial *384*4438#" in development.text
    assert "Soko Bora Westlands: +254700000101" in development.text
    assert len(_processes_of(tmp_path)) > 5
    development.process.send_signal(signal.SIGINT)
    assert development.process.wait(timeout=20) in (0, 130)
    assert _processes_of(tmp_path) == []


@pytest.mark.skipif(not CHROMIUM.exists(), reason="browser tests need chromium at /usr/bin/chromium")
def test_a_newcomer_buys_gives_accepts_gets_a_code_and_pays(development: Development) -> None:
    with browsing() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{development.url}/phones")
        amina, baraka, till = (page.locator(f"#phone-{number}") for number in (1, 2, 3))

        dial(amina, "Welcome to Giftline")
        answers(amina, "1", "What kind")
        answers(amina, "2", "Whose")
        answers(amina, "1", "Which value")
        answers(amina, "2", "How many")
        answers(amina, "1", "become a member")
        answers(amina, "1", "your name")
        answers(amina, "Amina", "Which language")
        answers(amina, "1", "Choose a PIN")
        answers(amina, "7193", "same PIN")
        answers(amina, "7193", "How will you pay KES 510")
        answers(amina, "1", "on your phone bill")
        answers(amina, "7193", "Done")
        ok(amina)

        dial(amina, "What would you like?")
        answers(amina, "2", "Which one will you give")
        answers(amina, "1", "Who is it for")
        answers(amina, "0712 000 002", "Whose phone is it?")
        answers(amina, "Baraka", "message")
        answers(amina, "Happy birthday!", "Pack something with it?")
        answers(amina, "4", "Which card?")
        answers(amina, "2", "Packed: Happy birthday")
        answers(amina, "1", "When should it arrive?")
        answers(amina, "1", "Give Soko Bora KES 500")
        answers(amina, "7193", "Done")
        ok(amina)

        read(baraka)
        expect(baraka.get_by_role("img", name="Picture").first).to_have_js_property("naturalWidth", 640)
        texts(baraka, "1")
        yours = baraka.locator("article.received").filter(has_text="Soko Bora KES 500 is yours")
        expect(yours.get_by_role("img", name="Picture")).to_have_count(2)  # the card and the barcode
        expect(amina.locator(".view")).to_contain_text("new message")

        dial(baraka, "Welcome to Giftline", leave=True)
        answers(baraka, "4", "Choose a PIN")
        answers(baraka, "8264", "same PIN")
        answers(baraka, "8264", "Which one will you use")
        answers(baraka, "1", "The most it may pay")
        answers(baraka, "0", "one-time code")
        answers(baraka, "8264", "Code")
        shown = baraka.locator(".view").inner_text()
        code = re.search(r"\d{4} \d{4} \d{4}", shown)
        assert code, shown
        ok(baraka)

        texts(till, f"CHECK {code[0]}")
        expect(till.locator("article.received").first).to_contain_text("GOOD: Soko Bora, up to KES 500")
        texts(till, f"USE {code[0]} 350")
        expect(till.locator("article.received").first).to_contain_text("APPROVED: KES 350")
        read(baraka)
        expect(baraka.locator("article.received").first).to_contain_text("KES 150")
        read(amina)
        expect(amina.locator("article.received").first).to_contain_text("was used")
        if os.environ.get(PICTURE):
            yours.get_by_role("img").first.evaluate("picture => picture.scrollIntoView({ block: 'center' })")
            page.wait_for_timeout(2_000)  # until no screen blinks any more
            page.screenshot(path=os.environ[PICTURE])
