"""The documents are true: tables, examples and paths in README.md and docs/ are compared with the product itself."""

import importlib
import re
import time
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from click.testing import CliRunner
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import Connection, text

from bot.app import build_worker
from bot.cli import main
from bot.config import DEVELOPMENT_SECRETS, Settings
from bot.services import Services
from circulation import catalogue, gifting, members, redemption, sales
from circulation.chart import ACCOUNTS
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.rules import Rules
from phones.handset import Network
from storage import ledger

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
README = (REPOSITORY / "README.md").read_text()
MONEY = (REPOSITORY / "docs" / "money.md").read_text()
ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text()
STYLE = (REPOSITORY / "docs" / "style.md").read_text()
FOLDERS = (
    "bin",
    "bot",
    "circulation",
    "docs",
    "flows",
    "locales",
    "payments",
    "phones",
    "storage",
    "tests",
    "webhooks",
)

AMINA, BARAKA, TILL = "+254712000001", "+254712000002", "+254700000101"


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next one of the same or a higher level."""
    level = heading.split(" ")[0]
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {heading!r}"
    return found[1]


def rows(part: str) -> list[list[str]]:
    """The rows of every table in a part of a page, without heads and rulers."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:1] == "|"]
    rulers = {number for number, cells in enumerate(lines) if all(re.fullmatch(r":?-+:?", cell) for cell in cells)}
    return [cells for number, cells in enumerate(lines) if number not in rulers and number + 1 not in rulers]


def code(cell: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


# Paths, links, commands -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_and_every_path_on_the_page_leads_to_a_file(page: Path) -> None:
    words = page.read_text()
    links = [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", words) if "://" not in link]
    named = [name for name in re.findall(r"`([\w./-]+)`", words) if name.split("/")[0] in FOLDERS and "/" in name]
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [name for name in named if not (REPOSITORY / name).exists()]
    assert missing == []


def test_the_readme_explains_every_command_and_no_other() -> None:
    explained = [name for cells in rows(section(README, "## Command line")) for name in code(cells[0])]
    assert sorted(word.split()[1] for word in explained) == sorted(main.commands)
    called = {name for page in PAGES for name in re.findall(r"bin/giftline (\w+)", page.read_text())}
    assert called <= main.commands.keys()


def test_every_package_has_its_line_in_the_readme() -> None:
    listed = {name.rstrip("/") for cells in rows(section(README, "## Where things live")) for name in code(cells[0])}
    packages = set(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["mypy"]["packages"])
    assert packages <= listed
    assert [name for name in listed if not (REPOSITORY / name).exists()] == []


def test_the_processes_in_the_readme_are_those_of_the_procfile() -> None:
    documented = {code(cells[0])[0]: code(cells[1])[0] for cells in rows(section(README, "### Processes"))}
    lines = (REPOSITORY / "Procfile").read_text().splitlines()
    assert documented == dict(line.split(": ", 1) for line in lines)


def test_the_webhook_addresses_in_the_readme_are_those_of_the_application(app: Flask) -> None:
    documented = {tuple(code(cells[0])[0].split()) for cells in rows(section(README, "### Webhook addresses"))}
    doors = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.split("/")[1] in {"sms", "ussd", "health"}
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert documented == doors


# Settings and limits --------------------------------------------------------------------------------------------------


def test_the_settings_table_says_what_the_settings_are() -> None:
    expected = {
        name.upper(): [_default(field.default), field.description] for name, field in Settings.model_fields.items()
    }
    documented = {code(cells[0])[0]: cells[1:] for cells in rows(section(README, "### All settings"))}
    assert documented == expected


def test_the_values_development_uses_are_in_the_readme() -> None:
    documented = {code(cells[0])[0]: code(cells[1])[0] for cells in rows(section(README, "### Values in development"))}
    assert documented == {name.upper(): value for name, value in DEVELOPMENT_SECRETS.items()}


@pytest.mark.parametrize("cells", rows(section(ARCHITECTURE, "## Limits")), ids=lambda cells: str(cells[2]))
def test_every_limit_in_the_architecture_is_the_one_in_the_code(cells: list[str]) -> None:
    _, value, where = cells
    assert code(value) == [str(_value_of(code(where)[0]))]


def _default(value: Any) -> str:
    plain = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return f"`{plain}`" if plain else "none"


def _value_of(path: str) -> Any:
    """What a dotted path names: a constant, an attribute of one, or a field's default."""
    module, _, rest = path.rpartition(".")
    try:
        owner: Any = importlib.import_module(module)
    except ModuleNotFoundError:
        owner = _value_of(module)
    if isinstance(owner, type) and is_dataclass(owner):
        return next(field.default for field in fields(owner) if field.name == rest)
    return getattr(owner, rest)


# Money ----------------------------------------------------------------------------------------------------------------

Posting = tuple[str, str, str, str]


class Story:
    """The worked example of docs/money.md, done with the product's own verbs."""

    def __init__(self, services: Services) -> None:
        self.rules: Rules = services.talk.rules
        self.database = services.database
        with self.database.begin() as db:
            self.amina = members.join(db, Msisdn(AMINA), name="Amina", language="en", pin_hash=None)
            self.baraka = members.meet(db, Msisdn(BARAKA), "en")
            self.first, self.second = self._buy(db)
            self._gift(db, self.first, gifting.accept)
            self._gift(db, self.second, gifting.decline)
            self._gift(db, self.second, None)
            self._use(db)
        self.database.clock_offset = "8 days"
        with self.database.begin() as db:
            for gift in gifting.due(db, limit=10):
                gifting.lapse(db, self.rules, gift_id=gift)

    def _buy(self, db: Connection) -> list[int]:
        issuer = next(one for one in catalogue.issuers(db, "supermarket") if one.name == "Soko Bora")
        price = next(one for one in catalogue.denominations(db, issuer.id) if one.worth == Money(50_000, "KES"))
        purchase = str(uuid4())
        sales.buy(
            db,
            self.rules,
            purchase_id=purchase,
            buyer=self.amina,
            denomination_id=price.id,
            sheets=2,
            expected=sales.cost(price, 2),
            receipt=True,
        )
        bought = db.execute(text("SELECT id FROM certificate WHERE purchase_id = :id ORDER BY id"), {"id": purchase})
        return [int(id_) for (id_,) in bought]

    def _gift(self, db: Connection, certificate: int, answer: Any) -> None:
        gift = str(uuid4())
        gifting.give(
            db,
            self.rules,
            gift_id=gift,
            giver=self.amina,
            certificate_id=certificate,
            recipient=self.baraka.msisdn,
            note="",
            receipt=False,
        )
        if answer:
            answer(db, self.rules, gift_id=gift, recipient=self.baraka)

    def _use(self, db: Connection) -> None:
        holder: Member = self.baraka
        asked = redemption.ask_code(
            db, self.rules, code_id=str(uuid4()), holder=holder, certificate_id=self.first, limit=None, receipt=True
        )
        clerk = catalogue.clerk(db, Msisdn(TILL))
        assert clerk is not None
        digits = asked.code.replace(" ", "")
        redemption.use(db, self.rules, use_id=str(uuid4()), clerk=clerk, code=digits, amount=Money(35_000, "KES"))

    def entries(self) -> dict[str, list[Posting]]:
        """The first journal entry of each kind, its postings as rows of the page."""
        postings = text("""
            SELECT e.kind, a.code, a.owner, p.amount_minor FROM posting p JOIN account a ON a.id = p.account_id
            JOIN (SELECT kind, min(id) AS id FROM journal_entry GROUP BY kind) e ON e.id = p.entry_id ORDER BY p.id
        """)
        found: dict[str, list[Posting]] = {}
        with self.database.begin() as db:
            stores: dict[str, str] = dict(db.execute(text("SELECT id::text, name FROM store")).all())
            for kind, account, owner, minor in db.execute(postings):
                amount = f"{abs(minor) // 100:,}.{abs(minor) % 100:02d}"
                debit, credit = (amount, "") if minor > 0 else ("", amount)
                found.setdefault(kind, []).append((account, self._whose(account, owner, stores), debit, credit))
        return found

    def _whose(self, account: str, owner: str, stores: dict[str, str]) -> str:
        match account:
            case "2100":
                return {str(self.first): "first sheet", str(self.second): "second sheet"}[owner]
            case "2110":
                return "the offer"
            case "2120":
                return "the code"
            case "2200":
                return stores[owner]
        return owner


@pytest.fixture
def story(services: Services) -> Story:
    return Story(services)


def test_the_worked_examples_on_the_money_page_are_what_the_ledger_posts(story: Story) -> None:
    events = section(MONEY, "## What each event posts")
    parts = re.split(r"^### `([^`]+)`.*\n", events, flags=re.MULTILINE)[1:]
    documented = {
        kind: [(cells[0].split()[0], *cells[1:]) for cells in rows(part)]
        for kind, part in zip(parts[::2], parts[1::2], strict=True)
    }
    assert documented == story.entries()


def test_the_books_on_the_money_page_are_what_the_command_prints(
    story: Story, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIFTLINE_MODE", "development")
    monkeypatch.setenv("DATABASE_URL", database_url)
    printed = CliRunner().invoke(main, ["books"])
    shown = re.search(r"```text\n\$ bin/giftline books\n(.*?)```", MONEY, re.DOTALL)
    assert shown
    assert (printed.exit_code, printed.output) == (0, shown[1])


def test_the_chart_on_the_money_page_is_the_chart_of_accounts() -> None:
    documented = {code(cells[0])[0]: cells[1] for cells in rows(section(MONEY, "## Chart of accounts"))}
    assert documented == dict(ACCOUNTS)


def test_the_money_page_says_what_is_left_on_both_sheets(story: Story) -> None:
    with story.database.begin() as db:
        left = [ledger.balance(db, "2100", str(sheet), "KES") for sheet in (story.first, story.second)]
    assert left == [15_000, 50_000]
    assert "KES 150 on the first sheet and KES 500 on the second" in MONEY


# The first five minutes -----------------------------------------------------------------------------------------------


def test_the_first_five_minutes_in_the_readme_end_with_a_paid_bill(settings: Settings, live: str) -> None:
    network, worker = Network(settings, live), build_worker(settings)
    numbers = {"Amina": AMINA, "Baraka": BARAKA, "Till": TILL}
    redemption_code = ""
    for _, who, what, _ in rows(section(README, "## The first five minutes")):
        handset, keys = network.handset(numbers[who]), code(what)
        if keys[0] == settings.service_code:
            screen = handset.dial()
            for key in keys[1:]:
                assert screen.more, screen.text
                screen = handset.answer(key)
            assert not screen.more, screen.text
            if found := re.search(r"\d{4} \d{4} \d{4}", screen.text):
                redemption_code = found[0]
        else:
            for words in keys:
                handset.text(words.replace("<code>", redemption_code))
        _send_everything(worker)
    answers = _texts(live, TILL)
    assert answers[0].startswith("GOOD"), answers
    assert answers[1].startswith("APPROVED: KES 350"), answers
    assert "KES 150" in _texts(live, BARAKA)[-1]


def _send_everything(worker: Any) -> None:
    deadline = time.monotonic() + 30
    while worker.run_once():
        assert time.monotonic() < deadline


def _texts(live: str, number: str) -> list[str]:
    answer = requests.post(f"{live}/phones/api/texts", json={"after": {number: "0"}}, timeout=20)
    return [one["body"] for one in answer.json()["texts"]]


# Style and changes ----------------------------------------------------------------------------------------------------


def test_the_good_examples_on_the_style_page_are_lines_of_this_code_base() -> None:
    examples = re.findall(r"^Good \(`([^`]+)`\):\n\n```\w+\n(.*?)```", STYLE, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 5
    for path, example in examples:
        source = (REPOSITORY / path).read_text()
        absent = [line for line in example.splitlines() if line.strip() not in source]
        assert absent == [], path


def test_the_changelog_says_what_is_not_released_yet() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    assert re.search(r"^## \[?Unreleased\]?\n\n### Added\n\n- ", changelog, re.MULTILINE)


def test_every_decision_says_when_and_why() -> None:
    decisions = sorted((REPOSITORY / "docs" / "decisions").glob("*.md"))
    assert [path.name[:4] for path in decisions] == [f"{number:04d}" for number in range(1, len(decisions) + 1)]
    for path in decisions:
        words = path.read_text()
        assert len(words.splitlines()) < 40, path.name
        assert re.search(r"^Date: \d{4}-\d\d-\d\d\n", words, re.MULTILINE), path.name
        headings = re.findall(r"^## (.+)$", words, re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], path.name
