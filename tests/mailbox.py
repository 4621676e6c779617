"""Mailboxes and the pages their readers open, as words: what a transcript shows of e-mail."""

import re
from html.parser import HTMLParser

import requests
from pydantic import SecretStr

from tests.fakes.mail import FakeMailServer, TakenMail

THINGS = {"image/jpeg": "(a picture)", "image/png": "(a barcode)", "audio/mpeg": "(a sound)"}
_LINK = re.compile(r"https?://\S+/g/\S+")


def by_mail(smtp_url: str) -> dict[str, object]:
    """The settings by which e-mail is carried as well as texts."""
    routes = "sms + twilio; email * smtp"
    return {"routes": routes, "smtp_url": SecretStr(smtp_url), "email_from": "gifts@giftline.example"}


class Mailboxes:
    """The mail that came to each address, and the page that each reader has open."""

    def __init__(self, server: FakeMailServer) -> None:
        self._server = server
        self._read = 0
        self._links: dict[str, str] = {}
        self._open: dict[str, _Page] = {}

    def arrived(self) -> list[tuple[str, list[str]]]:
        """(address, lines) of each mail that is new."""
        new = self._server.taken[self._read :]
        self._read += len(new)
        return [(taken.to, self._lines(taken)) for taken in new]

    def opens(self, reader: str) -> list[str]:
        """What a reader sees who follows the newest link they were sent."""
        return self._sees(reader, requests.get(self._links[reader], timeout=10))

    def clicks(self, reader: str, label: str, typed: str | None) -> list[str]:
        """What a reader sees after a button; `typed` is filled in before it is pressed. KeyError: there is no such button."""
        page = self._open[reader]
        fields = page.buttons[label] | ({"phone": typed} if typed is not None else {})
        return self._sees(reader, requests.post(page.address, data=fields, timeout=10))

    def no_more(self, reader: str) -> list[str]:
        """What a reader sees who opens what the mail names for wanting no more of them."""
        return self._sees(reader, requests.get(f"{self._links[reader]}/no-more", timeout=10))

    def _lines(self, taken: TakenMail) -> list[str]:
        body = taken.mail.get_body(("plain",))
        assert body is not None
        words = body.get_content()
        if link := _LINK.search(words):
            self._links[taken.to] = link[0]
        lines = [line for line in words.splitlines() if line]
        assert taken.mail["Subject"] == lines[0]
        return [
            *lines,
            *(THINGS[part.get_content_type()] for part in taken.mail.walk() if part.get_content_type() in THINGS),
        ]

    def _sees(self, reader: str, answer: requests.Response) -> list[str]:
        answer.raise_for_status()
        page = _Page(answer.url)
        page.feed(answer.text)
        for source in page.sources:
            fetched = requests.get(requests.compat.urljoin(answer.url, source), timeout=10)
            fetched.raise_for_status()
            page.lines.append(THINGS[fetched.headers["Content-Type"]])
        self._open[reader] = page
        return [*page.lines, *(f"[{label}]" for label in page.buttons)]


class _Page(HTMLParser):
    """The words of a page, what its pictures and sounds are fetched from, and its buttons with what they send."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.lines: list[str] = []
        self.sources: list[str] = []
        self.buttons: dict[str, dict[str, str]] = {}
        self._fields: dict[str, str] = {}
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag in ("img", "audio"):
            self.sources.append(known["src"])
        elif tag == "form":
            self._fields = {}
        elif tag == "input" and known.get("type") == "hidden":
            self._fields[known["name"]] = known["value"]
        elif tag not in ("input", "meta", "br"):
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._within:
            while self._within.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        words = " ".join(data.split())
        if not words or {"style", "title"} & set(self._within):
            return
        if "button" in self._within:
            self.buttons[words] = self._fields
        else:
            self.lines.append(words)
