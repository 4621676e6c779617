"""Every golden conversation of `tests/transcripts` comes out as it stands there.

To write one, write only what people do and let the product add the rest, then read it as the customer would:

    bin/test tests/test_transcripts.py -k the_new_one --rewrite
"""

import difflib
import logging
from pathlib import Path

import pytest

from bot.config import Settings
from bot.services import Services
from tests.fakes.providers import FakeProviders
from tests.transcript import FOLDER, BadTranscript, Player


@pytest.fixture
def settings(settings_with_providers: Settings) -> Settings:
    return settings_with_providers


@pytest.fixture(autouse=True)
def quiet_server(caplog: pytest.LogCaptureFixture) -> None:
    """A failure shows its diff, not every request that led to it."""
    caplog.set_level(logging.WARNING, "werkzeug")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_the_conversation_goes_as_written(
    path: Path, services: Services, live: str, providers: FakeProviders, request: pytest.FixtureRequest
) -> None:
    written = path.read_text("utf-8")
    player = Player(services, live, providers)

    try:
        played = player.play(written)
    except BadTranscript as bad:
        pytest.fail(f"{path.name} cannot be played\n{bad}", pytrace=False)

    if request.config.getoption("--rewrite"):
        path.write_text(played, "utf-8")
    elif played != written:
        diff = difflib.unified_diff(written.splitlines(), played.splitlines(), "written", "played", n=6, lineterm="")
        pytest.fail(f"{path.name} went another way\n" + "\n".join(diff), pytrace=False)
    assert player.books_in_order()
