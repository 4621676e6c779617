"""The documents are true: tables, examples and paths in README.md and docs/ are compared with the product itself."""

import importlib
import re
import time
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from pydantic import SecretStr

from bot.app import build_worker
from bot.cli import main
from bot.config import DEVELOPMENT_SECRETS, Settings
from bot.config_channels import DEVELOPMENT_CHANNELS
from bot.config_rails import DEVELOPMENT_RAILS
from phones.handset import Network
from storage.database import Database
from tests import packing
from tests.pages import REPOSITORY, code, rows, section

PAGES = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
README = (REPOSITORY / "README.md").read_text()
ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text()
STYLE = (REPOSITORY / "docs" / "style.md").read_text()
FOLDERS = (
    "bin",
    "bot",
    "circulation",
    "contents",
    "docs",
    "flows",
    "locales",
    "payments",
    "phones",
    "storage",
    "tests",
    "webhooks",
)

DOORS = {"sms", "ussd", "voice", "webhooks", "pay", "paid", "not-paid", "m", "g", "health"}
"""What the addresses begin with that others call or open; the browser phones' are development's alone."""

AMINA, BARAKA, TILL = "+254712000001", "+254712000002", "+254700000101"


@pytest.fixture
def settings(plain_settings: Settings) -> Settings:
    """Every way to pay is on offer, as in bin/dev."""
    return plain_settings.model_copy(update={"payment_rails": DEVELOPMENT_RAILS["payment_rails"]})


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
        if rule.rule.split("/")[1] in DOORS
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
    used = DEVELOPMENT_SECRETS | DEVELOPMENT_RAILS | DEVELOPMENT_CHANNELS
    assert documented == {name.upper(): value for name, value in used.items()}


@pytest.mark.parametrize("cells", rows(section(ARCHITECTURE, "## Limits")), ids=lambda cells: str(cells[2]))
def test_every_limit_in_the_architecture_is_the_one_in_the_code(cells: list[str]) -> None:
    _, value, where = cells
    assert code(value) == [str(_value_of(code(where)[0]))]


def _default(value: Any) -> str:
    plain = value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
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


# The first five minutes -----------------------------------------------------------------------------------------------


def test_the_first_five_minutes_in_the_readme_end_with_a_paid_bill(
    settings: Settings, live: str, database: Database
) -> None:
    packing.stock(database, (*packing.KEYS, "congratulations"))  # what bin/dev loads, as far as it matters here
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
