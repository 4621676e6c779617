"""A running bin/dev, and hands for its browser phones."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Locator, expect, sync_playwright

HOME = Path(__file__).parent.parent
CHROMIUM = Path("/usr/bin/chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
START_SECONDS = 120


@dataclass
class Development:
    """A running bin/dev: its address and what it printed."""

    process: subprocess.Popen[str]
    url: str
    printed: list[str]

    @property
    def text(self) -> str:
        return "".join(self.printed)


def start(folder: Path, port: int) -> subprocess.Popen[str]:
    """bin/dev at a port, with its data in a folder."""
    ours = {"GIFTLINE_DATA": str(folder), "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    return subprocess.Popen(
        [sys.executable, "-m", "bot.dev"],
        cwd=HOME,
        env={**kept, **ours},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@contextmanager
def developing(folder: Path) -> Iterator[Development]:
    """bin/dev, ready, for as long as the block runs."""
    port = free_ports()
    process = start(folder, port)
    running = Development(process, f"http://127.0.0.1:{port}", [])
    ready = threading.Event()

    def read() -> None:
        for line in process.stdout or ():
            running.printed.append(line)
            if "Ctrl-C stops everything" in line:
                ready.set()
        ready.set()

    threading.Thread(target=read, daemon=True).start()
    try:
        assert ready.wait(START_SECONDS), running.text
        assert process.poll() is None, running.text
        yield running
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)


def free_ports() -> int:
    """A port that is free, and so are the two after it."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first, suppress(OSError):
            port = int(first.getsockname()[1])
            with socket.create_server(("127.0.0.1", port + 1)), socket.create_server(("127.0.0.1", port + 2)):
                return port


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


def dial(phone: Locator, expected: str, *, leave: bool = False) -> None:
    """Press the yellow key; `leave`: the red one before."""
    if leave:
        phone.locator(".end").click()
    phone.locator(".giftline").click()
    expect(phone.locator(".view")).to_contain_text(expected)


def answers(phone: Locator, text: str, expected: str) -> None:
    """Answer the screen, and read the next one."""
    phone.get_by_label("Your answer").fill(text)
    phone.get_by_role("button", name="Send").click()
    expect(phone.locator(".view")).to_contain_text(expected)


def chooses(phone: Locator, option: str, expected: str) -> None:
    """Answer the screen with the number of an option, and read the next one."""
    shown = phone.locator(".view").inner_text()
    number = re.search(rf"(\d+)\. {re.escape(option)}", shown)
    assert number, shown
    answers(phone, number[1], expected)


def ok(phone: Locator) -> None:
    """Close the last screen."""
    phone.get_by_role("button", name="OK").click()


def read(phone: Locator) -> None:
    """Open the messages."""
    phone.locator(".end").click()
    phone.get_by_role("button", name="Messages").or_(phone.get_by_role("button", name="Read")).first.click()


def texts(phone: Locator, body: str) -> None:
    """Send a text."""
    if not phone.get_by_label("Your text to Giftline").is_visible():
        read(phone)
        phone.get_by_role("button", name="Write").click()
    phone.get_by_label("Your text to Giftline").fill(body)
    phone.get_by_role("button", name="Send").click()
    expect(phone.locator("article.sent").first).to_contain_text(body)
