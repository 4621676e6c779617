"""docs/money.md is true: its chart, postings, books and states are compared with what the product does."""

import ast
import re
from typing import get_args

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection

from bot.cli import main
from bot.cli_books import books
from bot.config import Settings
from bot.config_rails import DEVELOPMENT_RAILS, RAIL_SETTINGS
from circulation import chart, one_time_codes, receipts
from payments import charges
from storage import ledger
from storage.roles import Role
from tests.endings import Endings
from tests.money_stories import STORIES, Posting, World, bought_given_and_used, group_of_three, order
from tests.pages import REPOSITORY, code, section, tables
from tests.people import People

PAGE = (REPOSITORY / "docs" / "money.md").read_text()
CHART = (REPOSITORY / "circulation" / "chart.py").read_text()
POSTINGS = section(PAGE, "## What each event posts")


@pytest.fixture
def settings(plain_settings: Settings) -> Settings:
    """Every way to pay is on offer, as in bin/dev."""
    return plain_settings.model_copy(update={"payment_rails": DEVELOPMENT_RAILS["payment_rails"]})


@pytest.fixture
def world(people: People) -> World:
    return World(Endings(people, people.generous))


# The postings ---------------------------------------------------------------------------------------------------------


def documented(part: str) -> dict[str, list[list[Posting]]]:
    """The kinds of entry that a part of the page shows, each with its tables. A heading may name several that post the same."""
    parts = re.split(r"^#### (.*)\n", part, flags=re.MULTILINE)[1:]
    return {
        kind: [[(row[0], row[1], row[2], row[3]) for row in table] for table in tables(words)]
        for heading, words in zip(parts[::2], parts[1::2], strict=True)
        for kind in code(heading)
    }


@pytest.mark.parametrize("heading", STORIES)
def test_the_postings_on_the_page_are_what_the_ledger_posts(heading: str, world: World) -> None:
    STORIES[heading](world)
    posted, shown = world.entries(), documented(section(POSTINGS, heading))
    assert shown == {kind: posted.get(kind, [])[: max(1, len(shown[kind]))] for kind in shown}
    assert world.people.books_in_order()


def test_every_story_on_the_page_is_played() -> None:
    assert re.findall(r"^### .+$", POSTINGS, re.MULTILINE) == [*STORIES, NOTHING]


def test_the_page_shows_every_kind_of_entry_that_can_be_posted_and_no_other(people: People) -> None:
    kinds, patterns = _kinds_in_the_code()
    states = {f"gift {state}" for state in _states(people, "gift") - {"scheduled"}}
    states |= {f"redemption {state}" for table in ("redemption", "store_return") for state in _states(people, table)}
    assert [pattern for pattern in patterns if not any(re.fullmatch(pattern, kind) for kind in states)] == []
    assert set(documented(POSTINGS)) == kinds | states


def _kinds_in_the_code() -> tuple[set[str], list[str]]:
    """The kinds that the chart's page of code names, and those of which a part is told by the caller, as patterns."""
    kinds, patterns = set(chart.RECEIVED.values()), []
    for call in ast.walk(ast.parse(CHART)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "_entry":
            match call.args[0]:
                case ast.Constant(value=str(kind)):
                    kinds.add(kind)
                case ast.JoinedStr(values=words):
                    patterns.append("".join(_pattern(word) for word in words))
                case ast.Subscript(value=ast.Name(id=name)):
                    assert name == "RECEIVED"
    return kinds, patterns


def _pattern(word: ast.expr) -> str:
    return re.escape(str(word.value)) if isinstance(word, ast.Constant) else ".+"


def _states(people: People, table: str) -> set[str]:
    """What the database lets a column `state` or `outcome` of a table be."""
    query = """
        SELECT pg_get_constraintdef(c.oid) AS words FROM pg_constraint c
        WHERE c.conrelid = CAST(:table AS regclass) AND c.contype = 'c'"""
    checks = [row.words for row in people.rows(query, table=table)]
    lists = [words for words in checks if re.fullmatch(r"CHECK \(\((?:state|outcome) = ANY \(ARRAY\[.*\]\)\)\)", words)]
    assert lists
    return set(re.findall(r"'([^']+)'", " ".join(lists)))


# What posts nothing ---------------------------------------------------------------------------------------------------

NOTHING = "### What posts nothing"


def test_what_is_asked_awaited_or_looked_at_posts_nothing(world: World) -> None:
    first, _ = world.pair(world.shop.buy(world.amina, "phone_bill", sheets=2))
    before = world.people.value("SELECT count(*) FROM journal_entry")
    for rail in ("mpesa", "card", "bank"):
        placed = order(world, rail)
        for state in ("needs_code", "pending", "unknown"):
            with world.people.database.begin() as db:
                charges.mark(db, placed, state, look_after=None)
        world.do(receipts.failed, charge_id=placed, state="lapsed", reason="expired")
    group_of_three(world)
    digits = world.people.code(world.amina, first)
    world.do(one_time_codes.check, clerk=world.till(), code=digits)
    assert world.people.value("SELECT count(*) FROM journal_entry") == before


# Chart, books, states -------------------------------------------------------------------------------------------------


def test_the_chart_on_the_page_is_the_chart_of_accounts() -> None:
    (table,) = tables(section(PAGE, "## Chart of accounts"))
    assert {code(cells[0])[0]: cells[1] for cells in table} == dict(chart.ACCOUNTS)


def test_the_page_says_which_accounts_are_guarded(people: People) -> None:
    guarded = [account for account in chart.ACCOUNTS if people.value("SELECT guarded(:code)", code=account)]
    named = re.search(r"([\d, and\n]+) are \*guarded\*", PAGE)
    assert named
    assert re.findall(r"\d{4}", named[1]) == guarded


def test_the_books_on_the_page_are_what_the_command_prints(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bought_given_and_used(world)
    monkeypatch.setenv("GIFTLINE_MODE", "development")
    monkeypatch.setenv("DATABASE_URL", database_url)
    printed = CliRunner().invoke(main, ["books"])
    shown = re.search(r"```text\n\$ bin/giftline books\n(.*?)```", PAGE, re.DOTALL)
    assert shown
    assert (printed.exit_code, printed.output) == (0, shown[1])


def test_the_page_says_what_is_left_on_both_sheets(world: World) -> None:
    bought_given_and_used(world)
    with world.people.database.begin() as db:
        left = [_left(db, sheet) for sheet in world.names]
    assert left == [15_000, 50_000]
    assert "KES 150 on the first sheet and KES 500 on the second" in PAGE


def _left(db: Connection, sheet: int) -> int:
    return ledger.balance(db, "2100", str(sheet), "KES")


def test_the_states_of_a_charge_on_the_page_are_those_in_the_code() -> None:
    drawn = re.search(r"```mermaid\nstateDiagram-v2\n(.*?)```", PAGE, re.DOTALL)
    assert drawn
    states = {name for line in drawn[1].splitlines() for name in re.findall(r"\b[a-z_]+\b", line.partition(":")[0])}
    assert states == set(get_args(charges.State))


def test_the_page_says_what_every_rail_promises() -> None:
    (table,) = tables(section(PAGE, "## Paying"))
    assert sorted(code(cells[0])[0] for cells in table) == sorted(RAIL_SETTINGS)


def test_the_page_says_what_every_command_of_the_books_is_for() -> None:
    (table,) = tables(section(PAGE, "## The books"))
    assert sorted(code(cells[0])[0].split()[2] for cells in table) == sorted(books.commands)


def test_the_page_names_every_role_of_the_database() -> None:
    (table,) = tables(section(PAGE, "## Who may do what"))
    assert [code(cells[0])[0] for cells in table] == [role.value for role in Role]
