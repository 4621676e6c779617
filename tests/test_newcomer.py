"""A newcomer runs bin/dev and follows the README's first five minutes in a real browser, start to end."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

HOME = Path(__file__).parent.parent
CHROMIUM = Path("/usr/bin/chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
START_SECONDS = 60
PICTURE = "GIFTLINE_PICTURE"
"""Environment variable: where to put the picture for the README (docs/phones.png)."""


@dataclass
class Development:
    """A running bin/dev: its address and what it printed."""

    process: subprocess.Popen[str]
    url: str
    printed: list[str]

    @property
    def text(self) -> str:
        return "".join(self.printed)


@pytest.fixture
def development(tmp_path: Path) -> Iterator[Development]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours = {"GIFTLINE_DATA": str(tmp_path / "data"), "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "bot.dev"],
        cwd=HOME,
        env={**kept, **ours},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    running = Development(process, f"http://127.0.0.1:{port}", [])
    ready = threading.Event()

    def read() -> None:
        for line in process.stdout or ():
            running.printed.append(line)
            if "Ctrl-C stops everything" in line:
                ready.set()
        ready.set()

    threading.Thread(target=read, daemon=True).start()
    assert ready.wait(START_SECONDS), running.text
    assert process.poll() is None, running.text
    yield running
    process.send_signal(signal.SIGINT)
    process.wait(timeout=20)


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
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{development.url}/phones")
        amina, baraka, till = (page.locator(f"#phone-{number}") for number in (1, 2, 3))

        _dial(amina, "Welcome to Giftline")
        _answers(amina, "1", "What kind")
        _answers(amina, "2", "Whose")
        _answers(amina, "1", "Which value")
        _answers(amina, "2", "How many")
        _answers(amina, "1", "become a member")
        _answers(amina, "1", "your name")
        _answers(amina, "Amina", "Which language")
        _answers(amina, "1", "Choose a PIN")
        _answers(amina, "7193", "same PIN")
        _answers(amina, "7193", "KES 510")
        _answers(amina, "7193", "Done")
        _ok(amina)

        _dial(amina, "What would you like?")
        _answers(amina, "2", "Which one will you give")
        _answers(amina, "1", "Who is it for")
        _answers(amina, "0712 000 002", "message")
        _answers(amina, "Happy birthday!", "Give Soko Bora KES 500")
        _answers(amina, "7193", "Done")
        _ok(amina)

        _texts(page, baraka, "1")
        expect(baraka.locator("article.received").first).to_contain_text("It is yours")
        expect(amina.locator(".view")).to_contain_text("new message")

        _dial(baraka, "Welcome to Giftline", leave=True)
        _answers(baraka, "4", "Choose a PIN")
        _answers(baraka, "8264", "same PIN")
        _answers(baraka, "8264", "Which one will you use")
        _answers(baraka, "1", "The most it may pay")
        _answers(baraka, "0", "one-time code")
        _answers(baraka, "8264", "Code")
        shown = baraka.locator(".view").inner_text()
        code = re.search(r"\d{4} \d{4} \d{4}", shown)
        assert code, shown
        _ok(baraka)

        _texts(page, till, f"CHECK {code[0]}")
        expect(till.locator("article.received").first).to_contain_text("GOOD: Soko Bora, up to KES 500")
        _texts(page, till, f"USE {code[0]} 350")
        expect(till.locator("article.received").first).to_contain_text("APPROVED: KES 350")
        _read(baraka)
        expect(baraka.locator("article.received").first).to_contain_text("KES 150")
        _read(amina)
        expect(amina.locator("article.received").first).to_contain_text("was used")
        if os.environ.get(PICTURE):
            page.wait_for_timeout(2_000)  # until no screen blinks any more
            page.screenshot(path=os.environ[PICTURE])
        browser.close()


def _dial(phone: Locator, expected: str, *, leave: bool = False) -> None:
    if leave:
        phone.locator(".end").click()
    phone.locator(".giftline").click()
    expect(phone.locator(".view")).to_contain_text(expected)


def _answers(phone: Locator, text: str, expected: str) -> None:
    phone.get_by_label("Your answer").fill(text)
    phone.get_by_role("button", name="Send").click()
    expect(phone.locator(".view")).to_contain_text(expected)


def _ok(phone: Locator) -> None:
    phone.get_by_role("button", name="OK").click()


def _read(phone: Locator) -> None:
    phone.locator(".end").click()
    phone.get_by_role("button", name="Messages").or_(phone.get_by_role("button", name="Read")).first.click()


def _texts(page: Page, phone: Locator, body: str) -> None:
    if not phone.get_by_label("Your text to Giftline").is_visible():
        _read(phone)
        phone.get_by_role("button", name="Write").click()
    phone.get_by_label("Your text to Giftline").fill(body)
    phone.get_by_role("button", name="Send").click()
    expect(phone.locator("article.sent").first).to_contain_text(body)
