"""The network's subscriber look-up, over real HTTP: every answer it may give, every way it fails, and what a giver is told."""

from collections.abc import Iterator

import pytest

from bot.subscribers import PAUSES, NameChecks, SubscriberLookup
from circulation import names
from circulation.members import Member
from circulation.msisdn import Msisdn
from circulation.names import Known
from payments.gateway import NotTaken, Unanswered
from phones.subscribers import CLIENT_SECRET, Fault
from tests.fakes.subscribers import FakeSubscribers
from tests.payments.scripted import TOKEN, Line, Scripted
from tests.people import People

BARAKA, FAILING, NOBODY = Msisdn("+254712000002"), Msisdn("+254712000009"), Msisdn("+254712000008")
PATIENCE = 0.5
"""Seconds; the slow network takes twice as long."""


@pytest.fixture
def network() -> Iterator[FakeSubscribers]:
    with FakeSubscribers(slow_seconds=2 * PATIENCE) as network:
        network.known.update({BARAKA.e164: "Baraka", FAILING.e164: "Chebet"})
        yield network


def lookup(network: FakeSubscribers, secret: str = CLIENT_SECRET) -> SubscriberLookup:
    return network.lookup(secret, timeout_seconds=PATIENCE)


def asked(people: People, msisdn: Msisdn, name: str, giver: Member | None = None) -> int:
    with people.database.begin() as db:
        return names.ask(db, giver or people.member(), msisdn, name)


def known(people: People, check: int) -> Known:
    with people.database.begin() as db:
        return names.known(db, check)


@pytest.mark.parametrize(
    ("msisdn", "name", "answer"),
    [
        (BARAKA, "Baraka", "match"),
        (BARAKA, "baraka", "match"),
        (BARAKA, "Chebet", "no_match"),
        (NOBODY, "Baraka", "unknown"),
    ],
)
def test_the_network_says_whether_the_phone_is_that_persons(
    network: FakeSubscribers, msisdn: Msisdn, name: str, answer: Known
) -> None:
    assert lookup(network).match(msisdn, name) == answer


@pytest.mark.parametrize("fault", ["404", "not_available"])
def test_a_network_that_cannot_tell_is_believed(network: FakeSubscribers, fault: Fault) -> None:
    network.faults[FAILING.e164] = fault
    assert lookup(network).match(FAILING, "Chebet") == "unknown"


@pytest.mark.parametrize("fault", ["slow", "500", "garbage"])
def test_no_clear_answer_is_none(network: FakeSubscribers, fault: Fault) -> None:
    network.faults[FAILING.e164] = fault
    with pytest.raises(Unanswered):
        lookup(network).match(FAILING, "Chebet")


def test_a_network_that_does_not_let_us_ask_is_our_operators_business(network: FakeSubscribers) -> None:
    network.faults[FAILING.e164] = "403"
    for client in (lookup(network), lookup(network, "another secret")):
        with pytest.raises(NotTaken) as refused:
            client.match(FAILING, "Chebet")
        assert refused.value.alarm


def test_the_question_has_the_published_shape() -> None:
    with Scripted(TOKEN, Line(body={"givenNameMatch": "true"})) as operator:
        assert SubscriberLookup(operator.url, "id", "secret").match(BARAKA, "Zoë") == "match"
        assert operator.asked == ["POST /oauth2/token", "POST /kyc-match/v0.3/match"]
        assert operator.bodies[1] == b'{"phoneNumber": "+254712000002", "givenName": "Zo\\u00eb"}'
        assert operator.headers[1]["Authorization"] == "Bearer token"


@pytest.mark.parametrize(
    "body", [{}, [], {"givenNameMatch": None}, {"givenNameMatch": "perhaps"}, {"givenNameMatch": ["true"]}]
)
def test_an_answer_of_another_shape_tells_nothing(body: object) -> None:
    with Scripted(TOKEN, Line(body=body)) as operator:
        assert SubscriberLookup(operator.url, "id", "secret").match(BARAKA, "Baraka") == "unknown"


def test_the_worker_asks_what_givers_want_to_know(people: People, network: FakeSubscribers) -> None:
    right, wrong, nobody = (
        asked(people, BARAKA, "Baraka"),
        asked(people, BARAKA, "Chebet"),
        asked(people, NOBODY, "Baraka"),
    )
    checks = NameChecks(people.database, lookup(network))

    assert (checks(), checks()) == (3, 0)

    assert [known(people, check) for check in (right, wrong, nobody)] == ["match", "no_match", "unknown"]


def test_a_network_that_fails_is_asked_again_and_then_left_alone(people: People, network: FakeSubscribers) -> None:
    network.faults[FAILING.e164] = "500"
    check = asked(people, FAILING, "Chebet")
    checks = NameChecks(people.database, lookup(network))

    assert (checks(), checks()) == (1, 0)
    passed = 0
    for pause in PAUSES:
        passed += pause + 1
        people.database.clock_offset = f"{passed} seconds"
        assert checks() == 1
    people.database.clock_offset = f"{passed + 60} seconds"

    assert (checks(), known(people, check)) == (0, "unknown")


def test_a_network_that_recovers_is_believed(people: People, network: FakeSubscribers) -> None:
    network.faults[FAILING.e164] = "slow"
    check = asked(people, FAILING, "Chebet")
    checks = NameChecks(people.database, lookup(network))
    assert checks() == 1
    del network.faults[FAILING.e164]
    people.database.clock_offset = "3 seconds"

    assert (checks(), known(people, check)) == (1, "match")


def test_no_name_and_no_number_reaches_the_log(
    people: People, network: FakeSubscribers, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    network.faults[FAILING.e164] = "403"
    asked(people, FAILING, "Chebetsecret")

    NameChecks(people.database, lookup(network))()

    written = caplog.text + "".join(capsys.readouterr())
    assert "names.not_taken" in written
    assert "Chebetsecret" not in written
    assert FAILING.e164 not in written
