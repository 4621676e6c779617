"""Texts whose webhook never came are found in their provider's list, and each is answered once."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from bot.channels.africastalking import AfricasTalking
from bot.channels.twilio import Twilio
from bot.config import Settings
from bot.messages import Inbound, Unavailable
from bot.polling import Polling
from bot.services import Services
from bot.turn import take_turn
from circulation.msisdn import Msisdn
from storage.roles import Role
from tests.fakes.providers import BROKEN, Arrived, FakeProviders

PHONE = "+254712345678"
WHEN = timedelta(minutes=2)


@pytest.fixture
def settings(settings_with_providers: Settings) -> Settings:
    return settings_with_providers


@pytest.fixture
def poll(services: Services, settings: Settings) -> Callable[[], int]:
    """Reads both lists, as a worker that has just begun."""

    def read() -> int:
        inboxes = (Twilio(settings), AfricasTalking(settings))
        return Polling(services.database, inboxes, lambda message: take_turn(services, message))()

    return read


def arrives(providers: FakeProviders, words: str, *, key: str, by: str = "twilio", ago: timedelta = WHEN) -> Inbound:
    """A text to us is in the provider's list; what its webhook would bring."""
    providers.arrived.append(Arrived(by, key, PHONE, words, datetime.now(UTC) - ago))
    return Inbound(by, "sms", key, Msisdn(PHONE), words)


def sid(number: int) -> str:
    return f"SM{number:032x}"


def answers(services: Services) -> int:
    with services.database.as_role(Role.WORKER, connections=1).begin() as db:
        return int(db.execute(text("SELECT count(*) FROM outbox")).scalar_one())


def test_lost_webhooks_are_made_up_for_and_nothing_is_answered_twice(
    services: Services, providers: FakeProviders, poll: Callable[[], int]
) -> None:
    lost = 0
    dice = random.Random(4)
    for n in range(25):
        message = arrives(providers, f"what {n}", key=sid(n), ago=timedelta(minutes=9, seconds=-n))
        if dice.random() < 0.3:
            lost += 1
        else:
            take_turn(services, message)
    assert poll() == lost > 3
    answered = answers(services)
    assert poll() == 0
    take_turn(services, message)
    assert answers(services) == answered, "the webhook came in the end"


def test_a_text_that_came_just_now_is_left_to_its_webhook(providers: FakeProviders, poll: Callable[[], int]) -> None:
    arrives(providers, "hello", key=sid(1), ago=timedelta(seconds=5))
    assert poll() == 0


def test_what_is_too_old_is_not_answered_any_more(
    services: Services, providers: FakeProviders, poll: Callable[[], int]
) -> None:
    with services.database.begin() as db:
        db.execute(text("INSERT INTO poll_mark (provider, read_until) VALUES ('twilio', now() - interval '3 days')"))
    arrives(providers, "yesterday", key=sid(1), ago=timedelta(hours=13))
    arrives(providers, "this morning", key=sid(2), ago=timedelta(hours=11))
    assert poll() == 1
    assert answers(services) == 1


def test_a_list_is_first_read_from_a_few_minutes_ago(providers: FakeProviders, poll: Callable[[], int]) -> None:
    arrives(providers, "before we were there", key=sid(1), ago=timedelta(hours=1))
    arrives(providers, "now", key=sid(2))
    assert poll() == 1


def test_a_stop_that_was_missed_is_obeyed_without_an_answer(
    services: Services, providers: FakeProviders, poll: Callable[[], int]
) -> None:
    arrives(providers, "STOP", key=sid(1))
    assert poll() == 1
    assert answers(services) == 0
    with services.database.begin() as db:
        assert (
            db.execute(text("SELECT sender FROM opt_out WHERE address = :phone"), {"phone": PHONE}).scalar() == "twilio"
        )


def test_a_list_that_is_not_given_is_read_again(providers: FakeProviders, poll: Callable[[], int]) -> None:
    arrives(providers, "hello", key=sid(1))
    providers.will_answer(BROKEN)
    assert poll() == 0
    assert poll() == 1


def test_texts_that_cannot_be_answered_now_are_found_again(
    services: Services, settings: Settings, providers: FakeProviders, poll: Callable[[], int]
) -> None:
    arrives(providers, "hello", key=sid(1))

    def down(_: Inbound) -> None:
        raise Unavailable("later")

    with pytest.raises(Unavailable):
        Polling(services.database, [Twilio(settings)], down)()  # type: ignore[arg-type]
    assert poll() == 1


def test_africas_talkings_list_is_believed_where_it_names_texts_as_its_webhook_does(
    services: Services, providers: FakeProviders, poll: Callable[[], int]
) -> None:
    take_turn(services, arrives(providers, "came", key="101", by="africastalking"))
    arrives(providers, "did not come", key="102", by="africastalking")
    assert poll() == 1
    assert poll() == 0


def test_where_it_shares_no_name_with_the_webhook_nothing_is_answered_twice(
    services: Services, providers: FakeProviders, poll: Callable[[], int]
) -> None:
    take_turn(services, Inbound("africastalking", "sms", "6f3a-uuid", Msisdn(PHONE), "came"))
    arrives(providers, "came", key="101", by="africastalking")
    before = answers(services)
    assert poll() == 0
    assert answers(services) == before


def test_many_pages_are_read_once(services: Services, providers: FakeProviders, poll: Callable[[], int]) -> None:
    for n in range(1, 60):
        providers.arrived.append(
            Arrived("africastalking", str(n), PHONE, "old", datetime.now(UTC) - timedelta(hours=2))
        )
    assert poll() == 0
    asked = providers.requests
    assert poll() == 0
    assert providers.requests - asked == 2, "one list each: what was read is not read again"
    with services.database.begin() as db:
        read = db.execute(text("SELECT read_to FROM poll_mark WHERE provider = 'africastalking'")).scalar()
    assert read == "59"
