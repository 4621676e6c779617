"""`bin/giftline contents`: what the operator types and reads."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import main
from contents import shipped
from tests.fakes.contents import FakeContents, Piece
from tests.packing import made
from tests.people import People

Command = Callable[..., Result]


@pytest.fixture
def command(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`bin/giftline contents` on the test's own database."""
    monkeypatch.setenv("GIFTLINE_MODE", "development")
    monkeypatch.setenv("DATABASE_URL", database_url)
    return lambda *arguments: CliRunner().invoke(main, ["contents", *arguments])


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeContents]:
    with FakeContents(pieces={"sunset": Piece("card", "Sunset", "image/jpeg", made("lion")[0].body)}) as fake:
        monkeypatch.setenv("CONTENT_PROVIDERS", f"sunny {fake.url}")
        yield fake


def test_what_ships_is_loaded_once(command: Command) -> None:
    count = len(shipped.pieces())

    assert command("list").output == "0 pieces are offered\n"
    assert command("load").output == f"Loaded {count} pieces.\n"
    assert command("load").output == "Loaded 0 pieces.\n"
    lines = command("list").output.splitlines()
    assert lines[-1] == f"{count} pieces are offered"
    assert "card      birthday                        Happy birthday" in lines


def test_a_file_is_imported_and_withdrawn(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "Beach.jpg"
    file.write_bytes(made("thanks")[0].body)

    assert (
        command("import", str(file), "--kind", "card", "--title", "Beach").output == "Imported beach, 4 renditions.\n"
    )
    assert command("withdraw", "beach").output == "beach is no longer offered.\n"
    again = command("withdraw", "beach")
    assert (again.exit_code, again.output) == (1, "Error: No piece beach is offered.\n")
    assert command("list").output.splitlines() == [
        "card      beach                           Beach                           withdrawn",
        "0 pieces are offered",
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--kind", "song", "--title", "Beach"], "A song is a sound, and this is jpeg."),
        (
            ["--kind", "card", "--title", "A title that nobody would read"],
            "A title has 1 to 20 characters in one line.",
        ),
        (["--kind", "card", "--title", "Beach", "--key", "../beach"], "A key has at most 60 small letters"),
    ],
)
def test_what_cannot_be_imported_is_refused_with_the_reason(
    arguments: list[str], why: str, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "beach.jpg"
    file.write_bytes(made("thanks")[0].body)
    refused = command("import", str(file), *arguments)

    assert refused.exit_code == 1
    assert refused.output.startswith(f"Error: {why}")
    assert command("list").output == "0 pieces are offered\n"


def test_a_piece_comes_from_a_provider_under_its_name(command: Command, fake: FakeContents, people: People) -> None:
    assert command("fetch", "sunny", "sunset").output == "Imported sunny-sunset, 4 renditions.\n"
    assert command("list").output.splitlines()[0].split() == ["card", "sunny-sunset", "Sunset", "from", "sunny"]


@pytest.mark.parametrize(
    ("piece", "why"),
    [
        (Piece("card", "Sunset", "image/png", made("lion")[0].body), "This is said to be image/png, and is jpeg."),
        (Piece("song", "Sunset", "image/jpeg", made("lion")[0].body), "A song is a sound, and this is jpeg."),
        (Piece("card", "Sunset", "image/jpeg", bytes(1_000_001)), "It answered with more than 1,000,000 bytes."),
    ],
)
def test_what_a_provider_serves_is_not_believed(piece: Piece, why: str, command: Command, fake: FakeContents) -> None:
    fake.pieces["sunset"] = piece

    assert command("fetch", "sunny", "sunset").output == f"Error: {why}\n"
    assert command("list").output == "0 pieces are offered\n"


def test_only_who_and_what_is_listed_is_fetched(command: Command, fake: FakeContents) -> None:
    assert command("fetch", "rainy", "sunset").output == "Error: CONTENT_PROVIDERS names no rainy.\n"
    assert command("fetch", "sunny", "dawn").output == "Error: sunny lists no dawn.\n"
