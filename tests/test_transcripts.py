"""Every golden conversation of `tests/transcripts` comes out as it stands there.

To write one, write only what people do and let the product add the rest, then read it as the customer would:

    bin/test tests/test_transcripts.py -k the_new_one --rewrite
"""

import difflib
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.config import Settings
from bot.services import Services
from payments.fakes.server import FakeRails
from tests.fakes.providers import FakeProviders
from tests.fakes.subscribers import FakeSubscribers
from tests.paying import settings_for
from tests.transcript import EVERY_WAY, FOLDER, NAMES_ARE_KNOWN, BadTranscript, Player


@pytest.fixture
def rails(path: Path) -> Iterator[FakeRails | None]:
    """The fake rails, for a conversation that needs them."""
    if EVERY_WAY not in path.read_text("utf-8").splitlines():
        yield None
        return
    with FakeRails() as rails:
        yield rails


@pytest.fixture
def settings(settings_with_providers: Settings, rails: FakeRails | None) -> Settings:
    return settings_for(settings_with_providers, rails) if rails else settings_with_providers


@pytest.fixture
def network(path: Path) -> Iterator[FakeSubscribers | None]:
    """The operator's subscriber data, for a conversation in which whose phone it is can be asked."""
    if NAMES_ARE_KNOWN not in path.read_text("utf-8"):
        yield None
        return
    with FakeSubscribers() as network:
        yield network


@pytest.fixture
def services(services: Services, network: FakeSubscribers | None) -> Services:
    rules = replace(services.talk.rules, name_checks=network is not None)
    return replace(services, talk=replace(services.talk, rules=rules))


@pytest.fixture(autouse=True)
def quiet_server(caplog: pytest.LogCaptureFixture) -> None:
    """A failure shows its diff, not every request that led to it."""
    caplog.set_level(logging.WARNING, "werkzeug")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_the_conversation_goes_as_written(
    path: Path,
    services: Services,
    live: str,
    providers: FakeProviders,
    rails: FakeRails | None,
    network: FakeSubscribers | None,
    request: pytest.FixtureRequest,
) -> None:
    written = path.read_text("utf-8")
    player = Player(services, live, providers, rails, network)

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
