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
from tests.fakes.mail import FakeMailServer
from tests.fakes.providers import FakeProviders
from tests.fakes.subscribers import FakeSubscribers
from tests.mailbox import by_mail
from tests.paying import settings_for
from tests.transcript import EMAIL, EVERY_FORM, EVERY_WAY, FOLDER, NAMES_ARE_KNOWN, BadTranscript, Player


@pytest.fixture
def rails(path: Path) -> Iterator[FakeRails | None]:
    """The fake rails, for a conversation that needs them."""
    if EVERY_WAY not in path.read_text("utf-8").splitlines():
        yield None
        return
    with FakeRails() as rails:
        yield rails


@pytest.fixture
def mail(path: Path) -> Iterator[FakeMailServer | None]:
    """The mail server, for a conversation in which mail is sent."""
    if EMAIL not in path.read_text("utf-8").splitlines():
        yield None
        return
    with FakeMailServer() as mail:
        yield mail


@pytest.fixture
def settings(
    settings_with_providers: Settings, rails: FakeRails | None, mail: FakeMailServer | None, path: Path
) -> Settings:
    routes = "sms,mms,voice + twilio" if EVERY_FORM in path.read_text("utf-8").splitlines() else ""
    with_calls = settings_with_providers.model_copy(update={"voice": "twilio", "routes": routes})
    if mail:
        with_calls = with_calls.model_copy(update=by_mail(mail.url))
    return settings_for(with_calls, rails) if rails else with_calls


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
    mail: FakeMailServer | None,
    request: pytest.FixtureRequest,
) -> None:
    written = path.read_text("utf-8")
    player = Player(services, live, providers, rails, network, mail)

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
